#include "post.h"

#include <string.h>

enum {
    INBOX_AWAKE,
    INBOX_ASLEEP,
    INBOX_WAKING,
    INBOX_WAKING_AGAIN
};

#define INBOX_THREAD 2u

/* What stands in the queue: the head of a post or of an async. */
typedef struct inbox_item {
    ioc_mpsc_node node;
    bool is_async;
} inbox_item;

typedef struct inbox_post {
    ioc_pool_node pool_node;
    inbox_item item;
    iocp_post_fn function;
    void *arg;
} inbox_post;

struct iocp_async {
    struct { /* any thread */
        ioc_inbox *inbox;
        inbox_item item;
        ioc_atomic_u32 is_notified; /* 1: the item is in the queue, or about to be */
    } shared;
    struct {
        ioc_link link;       /* inbox.asyncs */
        ioc_list operations; /* all its waits: ioc_op.sibling */
        ioc_list waiting;    /* those that wait: ioc_op.link */
        bool is_kept;        /* a notify came when nobody waited */
        bool is_destroyed;   /* to be freed when its item comes out of the queue */
    } loop_only;
};

void ioc_inbox_init(ioc_inbox *inbox, ioc_alloc *alloc, ioc_ops *ops, iocp_loop_t *loop)
{
    memset(inbox, 0, sizeof *inbox);
    inbox->shared.loop = loop;
    inbox->shared.backend = ops->backend;
    inbox->shared.port = ops->port;
    ioc_mpsc_init(&inbox->shared.queue);
    ioc_pool_init(&inbox->shared.pool, alloc, sizeof(inbox_post));
    inbox->loop_only.ops = ops;
    inbox->loop_only.alloc = alloc;
    ioc_list_init(&inbox->loop_only.asyncs);
}

void ioc_inbox_deinit(ioc_inbox *inbox)
{
    IOC_ASSERT(!ioc_inbox_has_news(inbox) && !ioc_inbox_has_asyncs(inbox));
    ioc_pool_deinit(&inbox->shared.pool);
}

/* ---- The gate ---- */

static bool inbox__enter(ioc_inbox *inbox)
{
    if ((ioc_add_u32(&inbox->shared.gate, INBOX_THREAD) & IOC_INBOX_SHUT) == 0) {
        return true;
    }
    ioc_add_u32(&inbox->shared.gate, 0u - INBOX_THREAD);
    return false;
}

static void inbox__leave(ioc_inbox *inbox)
{
    ioc_add_u32(&inbox->shared.gate, 0u - INBOX_THREAD);
}

void ioc_inbox_shut_gate(ioc_inbox *inbox)
{
    ioc_or_u32(&inbox->shared.gate, IOC_INBOX_SHUT);
}

bool ioc_inbox_is_in_use(const ioc_inbox *inbox)
{
    return ioc_load_u32(&inbox->shared.gate) >= INBOX_THREAD;
}

/*
 * By a change of the gate, though to the same value: whoever enters behind it sees that nothing is
 * free in the pool, and what those did who have left is seen here.
 */
static bool inbox__is_nobody_inside(ioc_inbox *inbox)
{
    return ioc_add_u32(&inbox->shared.gate, 0) < INBOX_THREAD;
}

size_t ioc_inbox_trim(ioc_inbox *inbox)
{
    ioc_pool *pool = &inbox->shared.pool;
    ioc_pool_node *chain = ioc_pool_take_all(pool);
    if (inbox__is_nobody_inside(inbox)) {
        return ioc_pool_free_pages(pool, chain);
    }
    ioc_pool_give_all(pool, chain);
    return 0;
}

/* ---- Waking ---- */

static bool inbox__change(ioc_inbox *inbox, uint32_t from, uint32_t to)
{
    return ioc_compare_exchange_u32(&inbox->shared.wake_state, from, to);
}

/* By the thread that has changed ASLEEP to WAKING. */
static void inbox__send_wake(ioc_inbox *inbox)
{
    do {
        if (inbox->shared.backend->wake(inbox->shared.port) == IOC_WAKE_PACKET) {
            ioc_increment_u64(&inbox->shared.wake_packets);
            return;
        }
        if (inbox__change(inbox, INBOX_WAKING, INBOX_ASLEEP)) {
            return;
        }
        /* News came while the loop may have slept again already, and its thread relied on us. */
    } while (inbox__change(inbox, INBOX_WAKING_AGAIN, INBOX_WAKING));
}

static void inbox__wake(ioc_inbox *inbox)
{
    for (;;) {
        switch (ioc_load_seq_cst_u32(&inbox->shared.wake_state)) {
        case INBOX_ASLEEP:
            if (inbox__change(inbox, INBOX_ASLEEP, INBOX_WAKING)) {
                inbox__send_wake(inbox);
                return;
            }
            break;
        case INBOX_WAKING:
            if (inbox__change(inbox, INBOX_WAKING, INBOX_WAKING_AGAIN)) {
                return;
            }
            break;
        default: /* awake, or to be woken again */
            return;
        }
    }
}

bool ioc_inbox_is_awake(const ioc_inbox *inbox)
{
    return ioc_load_relaxed_u32(&inbox->shared.wake_state) == INBOX_AWAKE;
}

bool ioc_inbox_has_news(const ioc_inbox *inbox)
{
    return !ioc_mpsc_is_empty(&inbox->shared.queue);
}

bool ioc_inbox_fall_asleep(ioc_inbox *inbox)
{
    inbox__change(inbox, INBOX_AWAKE, INBOX_ASLEEP);
    if (!ioc_inbox_has_news(inbox) && !ioc_inbox_is_stopped(inbox)) {
        return true;
    }
    inbox__change(inbox, INBOX_ASLEEP, INBOX_AWAKE);
    return false;
}

void ioc_inbox_awake(ioc_inbox *inbox, uint32_t wakes)
{
    IOC_ASSERT(wakes <= 1);
    if (wakes > 0) {
        ioc_exchange_u32(&inbox->shared.wake_state, INBOX_AWAKE);
    } else if (!ioc_inbox_is_awake(inbox)) {
        inbox__change(inbox, INBOX_ASLEEP, INBOX_AWAKE);
    }
}

/* ---- Stopping ---- */

void ioc_inbox_stop(ioc_inbox *inbox)
{
    if (inbox__enter(inbox)) {
        ioc_exchange_u32(&inbox->shared.is_stopped, 1);
        inbox__wake(inbox);
        inbox__leave(inbox);
    }
}

void ioc_inbox_resume(ioc_inbox *inbox)
{
    ioc_exchange_u32(&inbox->shared.is_stopped, 0);
}

/* ---- Posts ---- */

static void inbox__push(ioc_inbox *inbox, inbox_item *item)
{
    ioc_mpsc_push(&inbox->shared.queue, &item->node);
    inbox__wake(inbox);
}

int ioc_inbox_post(ioc_inbox *inbox, iocp_post_fn function, void *arg)
{
    if (!inbox__enter(inbox)) {
        return IOCP_ECLOSING;
    }
    int status = IOCP_ENOMEM;
    ioc_pool_node *node = ioc_pool_take(&inbox->shared.pool);
    if (node != NULL) {
        inbox_post *post = IOC_CONTAINER_OF(node, inbox_post, pool_node);
        post->item.is_async = false;
        post->function = function;
        post->arg = arg;
        inbox__push(inbox, &post->item);
        status = IOCP_OK;
    }
    inbox__leave(inbox);
    return status;
}

/* The packet itself ends a sleep. */
int ioc_inbox_post_packet(ioc_inbox *inbox, const iocp_packet_t *packet)
{
    if (!inbox__enter(inbox)) {
        return IOCP_ECLOSING;
    }
    int status = inbox->shared.backend->post_packet(inbox->shared.port, packet);
    inbox__leave(inbox);
    return status;
}

static void async__serve(ioc_inbox *inbox, iocp_async_t *async);

/* What the posts were in goes back together, for each time costs as much as a post. */
uint32_t ioc_inbox_run(ioc_inbox *inbox, uint32_t limit)
{
    size_t count = ioc_mpsc_take(&inbox->shared.queue);
    uint32_t functions = 0;
    ioc_pool_node *first = NULL;
    ioc_pool_node *last = NULL;
    for (uint32_t i = 0; i < limit && i < count && !ioc_inbox_is_stopped(inbox); i++) {
        inbox_item *item = IOC_CONTAINER_OF(ioc_mpsc_pop(&inbox->shared.queue), inbox_item, node);
        if (item->is_async) {
            async__serve(inbox, IOC_CONTAINER_OF(item, iocp_async_t, shared.item));
            continue;
        }
        inbox_post *post = IOC_CONTAINER_OF(item, inbox_post, item);
        post->function(inbox->shared.loop, post->arg);
        functions++;
        if (first == NULL) {
            last = &post->pool_node;
        } else {
            ioc_pool_link(&post->pool_node, first);
        }
        first = &post->pool_node;
    }
    if (first != NULL) {
        ioc_pool_give(&inbox->shared.pool, first, last);
    }
    return functions;
}

/* ---- Asyncs ---- */

int ioc_async_create(ioc_inbox *inbox, iocp_async_t **async)
{
    iocp_async_t *created = ioc_alloc_take(inbox->loop_only.alloc, sizeof *created);
    if (created == NULL) {
        return IOCP_ENOMEM;
    }
    created->shared.inbox = inbox;
    created->shared.item.is_async = true;
    ioc_link_init(&created->loop_only.link);
    ioc_list_init(&created->loop_only.operations);
    ioc_list_init(&created->loop_only.waiting);
    ioc_list_push(&inbox->loop_only.asyncs, &created->loop_only.link);
    *async = created;
    return IOCP_OK;
}

/* End a wait whose async goes away. Its outcome may be settled already. */
static void async__abandon_wait(ioc_ops *ops, ioc_op *op)
{
    ioc_link_remove(&op->sibling);
    ioc_async_wait_of(op)->async = NULL;
    op->is_orphan = true;
    switch (ioc_op_phase(op)) {
    case IOC_PHASE_QUEUED:
    case IOC_PHASE_PARKED:
        ioc_op_finish(ops, op, IOCP_ECANCELED);
        break;
    case IOC_PHASE_READY:
    case IOC_PHASE_DELIVERING:
        break;
    case IOC_PHASE_KERNEL:
    case IOC_PHASE_TIMED:
        IOC_ASSERT(false && "an async wait is never there");
        break;
    }
}

void ioc_async_destroy(iocp_async_t *async)
{
    ioc_inbox *inbox = async->shared.inbox;
    ioc_link_remove(&async->loop_only.link);
    for (ioc_link *link; (link = ioc_list_first(&async->loop_only.operations)) != NULL;) {
        async__abandon_wait(inbox->loop_only.ops, IOC_CONTAINER_OF(link, ioc_op, sibling));
    }
    if (ioc_load_u32(&async->shared.is_notified) != 0) {
        async->loop_only.is_destroyed = true;
    } else {
        ioc_alloc_give(inbox->loop_only.alloc, async);
    }
}

/*
 * Whoever finds the flag up has said all there is to say: the item is in the queue or about to be,
 * and what this thread has written is behind the exchange, so that async__serve, which takes the
 * flag down, finds it. For that the exchange is a release also where it changes nothing (on arm64
 * swpal; a load alone could be served before what was written is seen). Whoever finds it down owns
 * the item, until it is in the queue: the acquire is for that.
 *
 * In a loop that closes the owner takes the flag down again. A notify that has found it up meanwhile
 * counts as one that came before the end and after which the wait was cancelled.
 */
int ioc_async_notify(iocp_async_t *async)
{
    ioc_inbox *inbox = async->shared.inbox;
    if (ioc_exchange_u32(&async->shared.is_notified, 1) != 0) {
        return IOCP_OK;
    }
    if (!inbox__enter(inbox)) {
        ioc_store_u32(&async->shared.is_notified, 0);
        return IOCP_ECLOSING;
    }
    inbox__push(inbox, &async->shared.item);
    inbox__leave(inbox);
    return IOCP_OK;
}

/* Its item is out of the queue, so from the exchange on the next notify puts it there again. */
static void async__serve(ioc_inbox *inbox, iocp_async_t *async)
{
    if (async->loop_only.is_destroyed) {
        ioc_alloc_give(inbox->loop_only.alloc, async);
        return;
    }
    ioc_exchange_u32(&async->shared.is_notified, 0);
    ioc_link *link = ioc_list_first(&async->loop_only.waiting);
    if (link == NULL) {
        async->loop_only.is_kept = true;
    } else {
        ioc_op_finish(inbox->loop_only.ops, IOC_CONTAINER_OF(link, ioc_op, link), IOCP_OK);
    }
}

ioc_inbox *ioc_async_inbox(const iocp_async_t *async)
{
    return async->shared.inbox;
}

bool ioc_inbox_has_asyncs(const ioc_inbox *inbox)
{
    return !ioc_list_is_empty(&inbox->loop_only.asyncs);
}

void ioc_async_enter(iocp_async_t *async, ioc_op *op)
{
    ioc_async_wait_of(op)->async = async;
    ioc_list_push(&async->loop_only.operations, &op->sibling);
}

void ioc_async_start(ioc_ops *ops, ioc_op *op)
{
    iocp_async_t *async = ioc_async_wait_of(op)->async;
    if (async->loop_only.is_kept) {
        async->loop_only.is_kept = false;
        ioc_op_finish(ops, op, IOCP_OK);
    } else {
        ioc_op_park(op, &async->loop_only.waiting);
    }
}
