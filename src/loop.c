#include "loop.h"

#include <string.h>

/*
 * The clock is read when a turn needs the time. So that the age of operations is about right in a
 * loop that never does, it is read in every so many turns all the same.
 */
#define LOOP_TURNS_PER_CLOCK 16

/* ---- Creation ---- */

int ioc_loop_create(const iocp_loop_options_t *options, const ioc_backend *backend,
                    const void *extra, iocp_loop_t **created)
{
    ioc_alloc alloc;
    ioc_alloc_init(&alloc, options->allocate, options->free, options->allocator_context);
    iocp_loop_t *loop = ioc_alloc_take(&alloc, sizeof *loop);
    if (loop == NULL) {
        return IOCP_ENOMEM;
    }
    loop->shared.alloc = alloc;
    loop->loop_only.backend = backend;
    loop->loop_only.batch = options->batch != 0 ? options->batch : IOC_BATCH_DEFAULT;

    ioc_port_options port_options = {
        .alloc = &loop->shared.alloc,
        .batch = loop->loop_only.batch,
        .completion_mode = (iocp_completion_mode_t)options->completion_mode,
        .sleep_method = (iocp_sleep_method_t)options->sleep_method,
        .extra = extra,
    };
    uint32_t native_error = 0;
    int status = backend->open(&port_options, &loop->loop_only.port, &native_error);
    if (status != IOCP_OK) {
        ioc_alloc_give(&alloc, loop);
        return status;
    }
    ioc_ops_init(&loop->loop_only.ops, &loop->shared.alloc, backend, loop->loop_only.port);
    ioc_handles_init(&loop->loop_only.handles, &loop->shared.alloc, &loop->loop_only.ops);
    ioc_inbox_init(&loop->shared.inbox, &loop->shared.alloc, &loop->loop_only.ops, loop);
    *created = loop;
    return IOCP_OK;
}

static void loop__free(iocp_loop_t *loop)
{
    ioc_inbox_deinit(&loop->shared.inbox);
    ioc_handles_deinit(&loop->loop_only.handles);
    ioc_ops_deinit(&loop->loop_only.ops);
    loop->loop_only.backend->close(loop->loop_only.port);
    ioc_alloc alloc = loop->shared.alloc;
    ioc_alloc_give(&alloc, loop);
}

/* ---- Which thread runs it ---- */

static int loop__enter(iocp_loop_t *loop)
{
    void *nobody = NULL;
    void *me = (void *)loop->loop_only.backend->thread_id(loop->loop_only.port);
    return ioc_compare_exchange_ptr(&loop->shared.runs_on, &nobody, me) ? IOCP_OK : IOCP_EBUSY;
}

static void loop__leave(iocp_loop_t *loop)
{
    ioc_exchange_ptr(&loop->shared.runs_on, NULL);
}

static bool loop__is_running(const iocp_loop_t *loop)
{
    return ioc_load_ptr(&loop->shared.runs_on) != NULL;
}

static bool loop__is_stopped(const iocp_loop_t *loop)
{
    return ioc_inbox_is_stopped(&loop->shared.inbox);
}

/* ---- Delivery ---- */

/* What only some operations tell. */
static void loop__add_details(const ioc_op *op, iocp_result_t *result)
{
    if (op->type == IOCP_TYPE_ACCEPT) {
        result->opened = ioc_handle_id(op->as.accept.handle);
        result->address = op->as.accept.address;
        result->address_length = op->as.accept.address_length;
    } else if (op->type == IOCP_TYPE_RECVFROM) {
        result->address = op->as.addressed.address;
        result->address_length = op->as.addressed.address_length;
    } else if (op->type == IOCP_TYPE_JOB_WATCH || op->type == IOCP_TYPE_PROCESS_WAIT) {
        result->event = op->as.wait.message;
        result->value = op->as.wait.value;
    } else if (op->type == IOCP_TYPE_WORK) {
        result->value = op->as.work.value;
    }
}

static bool loop__may_rearm(const iocp_loop_t *loop, const ioc_op *op)
{
    if (ioc_inbox_is_shut(&loop->shared.inbox)) {
        return false;
    }
    switch (op->type) {
    case IOCP_TYPE_NOP:
    case IOCP_TYPE_TIMER:
    case IOCP_TYPE_WAIT:
    case IOCP_TYPE_PROCESS_WAIT:
    case IOCP_TYPE_JOB_WATCH:
    case IOCP_TYPE_WORK:
        return true;
    case IOCP_TYPE_CANCEL:
    case IOCP_TYPE_CLOSE:
        return false;
    case IOCP_TYPE_ASYNC_WAIT:
        return op->as.async_wait.async != NULL;
    case IOCP_TYPE_ACCEPT:
    case IOCP_TYPE_CONNECT:
    case IOCP_TYPE_SEND:
    case IOCP_TYPE_RECV:
    case IOCP_TYPE_SHUTDOWN:
    case IOCP_TYPE_SENDTO:
    case IOCP_TYPE_RECVFROM:
    case IOCP_TYPE_READ:
    case IOCP_TYPE_WRITE:
    case IOCP_TYPE_PREAD:
    case IOCP_TYPE_PWRITE:
    case IOCP_TYPE_FLUSH:
    case IOCP_TYPE_DRAIN:
        return op->handle->close == NULL;
    }
    return false;
}

static void loop__deliver(iocp_loop_t *loop, ioc_op *op)
{
    ioc_ops *ops = &loop->loop_only.ops;
    iocp_action_t action = IOCP_DISARM;
    iocp_result_t result = {
        .op = ioc_op_id(op),
        .handle = ioc_handle_id(op->handle),
        .type = op->type,
        .status = op->outcome.status,
        .native_error = op->outcome.native_error,
        .flags = op->flags,
        .bytes = op->outcome.bytes,
    };
    if (op->outcome.status == IOCP_OK) {
        loop__add_details(op, &result);
    }

    ioc_handle_before_callback(&loop->loop_only.handles, op);
    if (op->callback != NULL) {
        ops->counters.callbacks++;
        loop->loop_only.delivered++;
        loop->loop_only.since_dequeue++;
        action = op->callback(loop, &result, op->userdata);
    }
    if (action == IOCP_REARM && loop__may_rearm(loop, op)) {
        if (op->handle != NULL) {
            ioc_handle_add_outgoing(op);
        }
        ioc_op_rearm(ops, op);
        return;
    }
    if (op->handle != NULL) {
        ioc_handle_leave(&loop->loop_only.handles, op);
    } else {
        ioc_link_remove(&op->sibling);
    }
    ioc_op_end(ops, op);
}

/* ---- The steps of a turn ---- */

static void loop__start(iocp_loop_t *loop, ioc_op *op)
{
    ioc_ops *ops = &loop->loop_only.ops;
    ioc_handles *handles = &loop->loop_only.handles;
    ops->counters.starts++;
    switch (op->type) {
    case IOCP_TYPE_NOP:
        ioc_op_finish(ops, op, IOCP_OK);
        break;
    case IOCP_TYPE_TIMER:
        ioc_op_start_timer(ops, op);
        break;
    case IOCP_TYPE_ASYNC_WAIT:
        ioc_async_start(ops, op);
        break;
    case IOCP_TYPE_ACCEPT:
        ioc_handle_start_accept(handles, op);
        break;
    case IOCP_TYPE_SEND:
        ioc_handle_start_send(handles, op);
        break;
    case IOCP_TYPE_SHUTDOWN:
        ioc_handle_start_shutdown(handles, op);
        break;
    case IOCP_TYPE_RECV:
    case IOCP_TYPE_READ:
    case IOCP_TYPE_WRITE:
        ioc_handle_start_move(handles, op);
        break;
    case IOCP_TYPE_DRAIN:
        ioc_handle_start_drain(handles, op);
        break;
    case IOCP_TYPE_CONNECT:
    case IOCP_TYPE_SENDTO:
    case IOCP_TYPE_RECVFROM:
    case IOCP_TYPE_PREAD:
    case IOCP_TYPE_PWRITE:
    case IOCP_TYPE_FLUSH:
    case IOCP_TYPE_WAIT:
    case IOCP_TYPE_PROCESS_WAIT:
    case IOCP_TYPE_JOB_WATCH:
    case IOCP_TYPE_WORK:
        ioc_op_start_in_kernel(ops, op);
        break;
    case IOCP_TYPE_CANCEL:
    case IOCP_TYPE_CLOSE:
        IOC_ASSERT(false && "these are in the queue of cancels");
        break;
    }
}

static void loop__run_starts(iocp_loop_t *loop)
{
    for (ioc_link *link; (link = ioc_list_first(&loop->loop_only.ops.submissions)) != NULL;) {
        ioc_prefetch(link->next, sizeof(ioc_op));
        loop__start(loop, IOC_CONTAINER_OF(link, ioc_op, link));
    }
}

void ioc_loop_submit(iocp_loop_t *loop)
{
    ioc_cancel_run_queued(&loop->loop_only.ops, &loop->loop_only.handles);
    loop__run_starts(loop);
}

static void loop__run_timers(iocp_loop_t *loop)
{
    ioc_ops *ops = &loop->loop_only.ops;
    if (ioc_heap_count(&ops->timers) == 0) {
        return;
    }
    uint64_t now_ns = ioc_ops_now(ops);
    for (uint32_t i = 0; i < loop->loop_only.batch && !loop__is_stopped(loop); i++) {
        ioc_op *op = ioc_op_next_timer(ops, now_ns);
        if (op == NULL) {
            return;
        }
        ops->counters.timer_fires++;
        loop__deliver(loop, op);
    }
}

static void loop__run_ready(iocp_loop_t *loop)
{
    ioc_ops *ops = &loop->loop_only.ops;
    size_t limit = ops->ready_count;
    if (limit > loop->loop_only.batch) {
        limit = loop->loop_only.batch;
    }
    for (size_t i = 0; i < limit && !loop__is_stopped(loop); i++) {
        loop__deliver(loop, ioc_op_next_ready(ops));
    }
}

static void loop__run_inbox(iocp_loop_t *loop)
{
    uint32_t functions = ioc_inbox_run(&loop->shared.inbox, loop->loop_only.batch);
    loop->loop_only.ops.counters.posts += functions;
    loop->loop_only.delivered += functions;
    loop->loop_only.since_dequeue += functions;
}

/* ---- Asking the port ---- */

/* Whether nothing is left of a loop that is being destroyed. */
static bool loop__is_drained(const iocp_loop_t *loop)
{
    const ioc_inbox *inbox = &loop->shared.inbox;
    return loop->loop_only.ops.slab.live == 0 && !ioc_inbox_is_in_use(inbox) &&
           !ioc_inbox_has_news(inbox);
}

static bool loop__has_work(const iocp_loop_t *loop)
{
    const ioc_ops *ops = &loop->loop_only.ops;
    return ops->ready_count > 0 || !ioc_list_is_empty(&ops->cancels) ||
           !ioc_list_is_empty(&ops->submissions) || ioc_inbox_has_news(&loop->shared.inbox);
}

static uint64_t loop__next_due(ioc_ops *ops)
{
    uint64_t timer_ns = ioc_heap_next_due(&ops->timers);
    uint64_t deadline_ns = ioc_heap_next_due(&ops->deadlines);
    return timer_ns < deadline_ns ? timer_ns : deadline_ns;
}

uint64_t ioc_loop_next_deadline(iocp_loop_t *loop)
{
    bool may_sleep = !loop__has_work(loop) &&
                     (loop__is_running(loop) || ioc_inbox_fall_asleep(&loop->shared.inbox));
    return may_sleep ? loop__next_due(&loop->loop_only.ops) : loop->loop_only.ops.now_ns;
}

/* Whether the running function has reason to wait: for callbacks it wants that may still come. */
static bool loop__is_waiting(const iocp_loop_t *loop)
{
    bool may_come = ioc_inbox_is_shut(&loop->shared.inbox) ? !loop__is_drained(loop)
                                                           : loop->loop_only.ops.active > 0;
    return may_come && loop->loop_only.delivered < loop->loop_only.wanted;
}

/* Until when the turn may sleep, at most until `limit_ns`. 0: not at all. */
static uint64_t loop__sleep_until(iocp_loop_t *loop, uint64_t limit_ns)
{
    ioc_ops *ops = &loop->loop_only.ops;
    if (limit_ns == 0 || !loop__is_waiting(loop) || loop__has_work(loop)) {
        return 0;
    }
    uint64_t until_ns = loop__next_due(ops);
    until_ns = until_ns < limit_ns ? until_ns : limit_ns;
    if (until_ns == IOC_FOREVER && ops->slab.live > 0) {
        return until_ns;
    }
    uint64_t now_ns = ioc_ops_update_now(ops);
    if (ops->slab.live == 0 && until_ns > now_ns + IOC_NS_PER_MS) {
        until_ns = now_ns + IOC_NS_PER_MS; /* a thread about to leave the gate sends no packet */
    }
    return until_ns > now_ns ? until_ns : 0;
}

/* Whether a turn that does not sleep may leave the port alone. */
static bool loop__may_skip_dequeue(const iocp_loop_t *loop)
{
    if (loop->loop_only.ops.in_kernel == 0 && ioc_inbox_is_awake(&loop->shared.inbox)) {
        return true;
    }
    return loop->loop_only.delivered < loop->loop_only.wanted && loop__has_work(loop) &&
           loop->loop_only.since_dequeue < loop->loop_only.batch;
}

static int loop__dequeue(iocp_loop_t *loop, uint64_t until_ns)
{
    ioc_ops *ops = &loop->loop_only.ops;
    ioc_list ended;
    ioc_dequeued dequeued = {0};
    ioc_list_init(&ended);
    if (until_ns > 0 && !ioc_inbox_fall_asleep(&loop->shared.inbox)) {
        until_ns = 0;
    }
    int status = loop->loop_only.backend->dequeue(loop->loop_only.port, ops->now_ns, until_ns,
                                                  &ended, &dequeued);
    ioc_inbox_awake(&loop->shared.inbox, dequeued.wakes);
    loop->loop_only.since_dequeue = 0;
    ops->counters.dequeues++;
    ops->counters.sleeps += until_ns > 0;
    ops->counters.packets += dequeued.operations;
    ops->counters.foreign_packets += dequeued.foreign;
    if (until_ns > 0) {
        ioc_ops_update_now(ops);
    }
    if (status != IOCP_OK) {
        loop->loop_only.native_error = loop->loop_only.port->native_error;
    }
    for (ioc_link *link; (link = ioc_list_pop(&ended)) != NULL;) {
        ioc_op_finish_from_backend(ops, IOC_CONTAINER_OF(link, ioc_op, link));
    }
    return status;
}

/* ---- Turns ---- */

static int loop__turn(iocp_loop_t *loop, uint64_t limit_ns)
{
    ioc_ops *ops = &loop->loop_only.ops;
    ioc_ops_forget_now(ops);
    if (ops->counters.turns++ % LOOP_TURNS_PER_CLOCK == 0) {
        ioc_ops_update_now(ops);
    }
    ioc_cancel_run_queued(ops, &loop->loop_only.handles);
    ioc_cancel_run_deadlines(ops);
    loop__run_starts(loop);
    loop__run_timers(loop);
    loop__run_ready(loop);
    loop__run_inbox(loop);
    if (loop__is_stopped(loop)) {
        return IOCP_OK;
    }
    uint64_t until_ns = loop__sleep_until(loop, limit_ns);
    if (until_ns == 0 && loop__may_skip_dequeue(loop)) {
        loop__run_ready(loop); /* waits that an async has ended */
        return IOCP_OK;
    }
    int status = loop__dequeue(loop, until_ns);
    if (until_ns > 0) {
        loop__run_inbox(loop);
    }
    loop__run_ready(loop);
    return status;
}

static bool loop__is_finished(const iocp_loop_t *loop)
{
    return loop->loop_only.delivered >= loop->loop_only.wanted || loop->loop_only.ops.active == 0 ||
           loop__is_stopped(loop);
}

int ioc_loop_run(iocp_loop_t *loop, uint64_t wanted)
{
    int status = loop__enter(loop);
    if (status != IOCP_OK) {
        return status;
    }
    loop->loop_only.wanted = wanted;
    loop->loop_only.delivered = 0;
    if (!loop__is_stopped(loop)) {
        do {
            status = loop__turn(loop, IOC_FOREVER);
        } while (status == IOCP_OK && !loop__is_finished(loop));
    }
    loop__leave(loop);
    return status;
}

/* ---- The end ---- */

static int loop__drain(iocp_loop_t *loop, uint64_t timeout_ns)
{
    ioc_ops *ops = &loop->loop_only.ops;
    uint64_t now_ns = ioc_ops_update_now(ops);
    uint64_t until_ns = ioc_add_saturated(now_ns, timeout_ns);
    bool is_all_asked = ioc_cancel_all(ops);
    loop->loop_only.wanted = UINT64_MAX;
    loop->loop_only.delivered = 0;
    for (;;) {
        bool is_over = until_ns <= now_ns;
        uint64_t again_ns = is_all_asked ? IOC_FOREVER : now_ns + IOC_NS_PER_MS;
        uint64_t limit_ns = again_ns < until_ns ? again_ns : until_ns;
        size_t before = ops->slab.live;
        int status = loop__turn(loop, is_over ? 0 : limit_ns);
        if (status != IOCP_OK || loop__is_drained(loop)) {
            return status;
        }
        if (is_over && ops->slab.live == before && !loop__has_work(loop)) {
            return IOCP_ETIMEDOUT;
        }
        is_all_asked = is_all_asked || ioc_cancel_all(ops);
        now_ns = ioc_ops_update_now(ops);
    }
}

int ioc_loop_destroy(iocp_loop_t *loop, uint64_t timeout_ns)
{
    int status = loop__enter(loop);
    if (status != IOCP_OK) {
        return status;
    }
    ioc_inbox_shut_gate(&loop->shared.inbox);
    ioc_cancel_run_queued(&loop->loop_only.ops, &loop->loop_only.handles);
    if (!loop__is_drained(loop)) {
        status = loop__drain(loop, timeout_ns);
    }
    if (status == IOCP_OK && ioc_inbox_has_asyncs(&loop->shared.inbox)) {
        status = IOCP_EBUSY;
    }
    loop__leave(loop);
    if (status == IOCP_OK) {
        loop__free(loop);
    }
    return status;
}
