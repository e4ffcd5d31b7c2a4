#include "loop.h"

#include "kind.h"
#include "lent.h"

#include <string.h>

/*
 * The clock is read when a turn needs the time. So that the age of operations is about right in a
 * loop that never does, it is read in every so many turns all the same.
 */
#define LOOP_TURNS_PER_CLOCK 16

/* ---- Creation ---- */

static bool loop__take_room_for_packets(iocp_loop_t *loop, const iocp_loop_options_t *options)
{
    ioc_packets *packets = &loop->loop_only.packets;
    if (options->on_packet == NULL) {
        return true;
    }
    packets->list =
        ioc_alloc_take(&loop->shared.alloc, loop->loop_only.batch * sizeof *packets->list);
    packets->deliver = options->on_packet;
    packets->context = options->packet_context;
    loop->shared.takes_packets = true;
    return packets->list != NULL;
}

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
    loop->loop_only.end_ns = IOC_FOREVER;
    loop->loop_only.batch = options->batch != 0 ? options->batch : IOC_BATCH_DEFAULT;
    if (!loop__take_room_for_packets(loop, options)) {
        ioc_alloc_give(&alloc, loop);
        return IOCP_ENOMEM;
    }

    ioc_port_options port_options = {
        .ops = &loop->loop_only.ops,
        .alloc = &loop->shared.alloc,
        .batch = loop->loop_only.batch,
        .completion_mode = (iocp_completion_mode_t)options->completion_mode,
        .sleep_method = (iocp_sleep_method_t)options->sleep_method,
        .wakes_on_resume = options->wake_on_resume != 0,
        .packets = loop->loop_only.packets.list,
        .extra = extra,
    };
    ioc_port *port = NULL;
    uint32_t native_error = 0;
    int status = backend->open(&port_options, &port, &native_error);
    if (status != IOCP_OK) {
        ioc_alloc_give(&alloc, loop->loop_only.packets.list);
        ioc_alloc_give(&alloc, loop);
        return status;
    }
    ioc_ops_init(&loop->loop_only.ops, &loop->shared.alloc, backend, port, ioc_kinds);
    ioc_inbox_init(&loop->shared.inbox, &loop->shared.alloc, &loop->loop_only.ops, loop);
    loop->shared.checks_threads = options->check_threads != 0;
    ioc_store_ptr(&loop->shared.owner, (void *)backend->thread_id(port));
    *created = loop;
    return IOCP_OK;
}

static void loop__free(iocp_loop_t *loop)
{
    ioc_ops *ops = &loop->loop_only.ops;
    ioc_inbox_deinit(&loop->shared.inbox);
    ioc_handles_deinit(ops);
    ioc_lent_deinit(ops);
    ioc_ops_deinit(ops);
    ops->backend->close(ops->port);
    ioc_alloc alloc = loop->shared.alloc;
    ioc_alloc_give(&alloc, loop->loop_only.packets.list);
    ioc_alloc_give(&alloc, loop);
}

/* ---- Which thread runs it ---- */

static bool loop__is_running(const iocp_loop_t *loop)
{
    return ioc_load_ptr(&loop->shared.runs_on) != NULL;
}

/*
 * False: it runs already. That two threads do not begin at the same moment is the program's care;
 * a loop that checks its threads refuses one of them then, too, for the price of a locked access.
 */
static bool loop__take(iocp_loop_t *loop, void *me)
{
    void *nobody = NULL;
    if (loop->shared.checks_threads) {
        return ioc_compare_exchange_ptr(&loop->shared.runs_on, &nobody, me);
    }
    if (loop__is_running(loop)) {
        return false;
    }
    ioc_store_ptr(&loop->shared.runs_on, me);
    return true;
}

static int loop__enter(iocp_loop_t *loop)
{
    const ioc_ops *ops = &loop->loop_only.ops;
    void *me = (void *)ops->backend->thread_id(ops->port);
    if (!loop__take(loop, me)) {
        return IOCP_EBUSY;
    }
    ioc_store_ptr(&loop->shared.owner, me);
    return IOCP_OK;
}

static void loop__leave(iocp_loop_t *loop)
{
    ioc_store_ptr(&loop->shared.runs_on, NULL);
}

static bool loop__is_stopped(const iocp_loop_t *loop)
{
    return ioc_inbox_is_stopped(&loop->shared.inbox);
}

/* Whether a step of the turn has to break off: stopped, or the time of the loop's end is up. */
static bool loop__must_stop(iocp_loop_t *loop)
{
    return loop->loop_only.end_ns == IOC_FOREVER
               ? loop__is_stopped(loop)
               : ioc_ops_update_now(&loop->loop_only.ops) >= loop->loop_only.end_ns;
}

/* ---- Delivery ---- */

static void loop__count(ioc_ops *ops, const ioc_op *op)
{
    ioc_kind_counts *counts = &ops->counts[op->kind->type];
    counts->ended++;
    counts->bytes += op->outcome.bytes;
    if (op->outcome.status != IOCP_OK) {
        counts->failed += op->outcome.status != IOCP_EOF;
    }
}

static bool loop__has_books(const ioc_op *op)
{
    return op->handle != NULL || op->kind->opens != 0 || (op->kind->traits & IOC_KIND_AWAITED) != 0;
}

static void loop__deliver(iocp_loop_t *loop, ioc_op *op)
{
    ioc_ops *ops = &loop->loop_only.ops;
    iocp_action_t action = IOCP_DISARM;
    iocp_result_t result = {
        .op = ioc_op_id(op),
        .handle = ioc_handle_id(op->handle),
        .type = op->kind->type,
        .status = op->outcome.status,
        .native_error = op->outcome.native_error,
        .flags = op->flags,
        .bytes = op->outcome.bytes,
    };
    if (op->outcome.status == IOCP_OK) {
        op->kind->tell(op, &result);
    }
    bool is_last = ioc_op_is_last(ops, op);
    if (loop__has_books(op)) {
        op->kind->ended(ops, op);
    }
    if (op->callback != NULL) {
        loop__count(ops, op);
        loop->loop_only.delivered++;
        action = op->callback(loop, &result, op->userdata);
    }
    if (action == IOCP_REARM && !is_last) {
        ioc_op_rearm(ops, op);
        return;
    }
    if (op->handle != NULL) {
        ioc_handle_leave(ops, op);
    }
    ioc_op_end(ops, op);
}

/* ---- The steps of a turn ---- */

static void loop__start(ioc_ops *ops, ioc_op *op)
{
    if (!ioc_op_can_start(ops, op)) {
        ioc_op_finish(ops, op, IOCP_ECANCELED);
        return;
    }
    int status = ioc_op_needs_limit(op) ? ioc_op_set_limit(ops, op) : IOCP_OK;
    if (status != IOCP_OK) {
        ioc_op_finish(ops, op, status);
        return;
    }
    if (op->handle == NULL || ioc_handle_admits(ops, op)) {
        ops->counts[op->kind->type].started++;
        op->kind->start(ops, op);
    }
}

static void loop__run_starts(iocp_loop_t *loop)
{
    ioc_ops *ops = &loop->loop_only.ops;
    for (ioc_link *link; (link = ioc_list_first(&ops->submissions)) != NULL;) {
        ioc_prefetch(link->next, sizeof(ioc_op));
        loop__start(ops, IOC_CONTAINER_OF(link, ioc_op, link));
    }
}

void ioc_loop_submit(iocp_loop_t *loop)
{
    ioc_cancel_run_queued(&loop->loop_only.ops, loop->loop_only.batch);
    loop__run_starts(loop);
}

static void loop__run_timers(iocp_loop_t *loop)
{
    ioc_ops *ops = &loop->loop_only.ops;
    if (ioc_timers_count(&ops->timers) == 0) {
        return;
    }
    uint64_t now_ns = ioc_ops_now(ops);
    for (uint32_t i = 0; i < loop->loop_only.batch && !loop__must_stop(loop); i++) {
        ioc_op *op = ioc_op_next_timer(ops, now_ns);
        if (op == NULL) {
            return;
        }
        ops->counters.timer_fires++;
        loop__deliver(loop, op);
    }
}

static bool loop__has_packets(const iocp_loop_t *loop)
{
    return loop->loop_only.packets.count > 0;
}

/* How many it delivered: all that there are, unless it has to stop. */
static uint32_t loop__run_packets(iocp_loop_t *loop)
{
    ioc_packets *packets = &loop->loop_only.packets;
    uint32_t delivered = 0;
    for (; packets->first < packets->count && !loop__must_stop(loop); delivered++) {
        const iocp_packet_t *packet = &packets->list[packets->first++];
        loop->loop_only.delivered++;
        packets->deliver(loop, packet, packets->context);
    }
    if (packets->first == packets->count) {
        packets->first = 0;
        packets->count = 0;
    }
    return delivered;
}

/* Of one batch the packets come first: so those of many turns do not wait for what is always ready. */
static void loop__run_ready(iocp_loop_t *loop)
{
    ioc_ops *ops = &loop->loop_only.ops;
    const ioc_link *last = ioc_list_last(&ops->ready); /* it leaves by its delivery alone */
    bool is_more = last != NULL;
    uint32_t first = loop__has_packets(loop) ? loop__run_packets(loop) : 0;
    for (uint32_t i = first; is_more && i < loop->loop_only.batch && !loop__must_stop(loop); i++) {
        ioc_op *op = ioc_op_next_ready(ops);
        is_more = &op->link != last;
        loop__deliver(loop, op);
    }
}

static void loop__run_inbox(iocp_loop_t *loop)
{
    if (ioc_inbox_has_news(&loop->shared.inbox)) {
        uint32_t functions = ioc_inbox_run(&loop->shared.inbox, loop->loop_only.batch);
        loop->loop_only.ops.counters.posts += functions;
        loop->loop_only.delivered += functions;
    }
}

/* ---- Asking the port ---- */

/* Of a loop that is being destroyed: whether the port may have some, or had. */
static bool loop__may_have_packets(const iocp_loop_t *loop)
{
    const ioc_packets *packets = &loop->loop_only.packets;
    return packets->deliver != NULL && (packets->count > 0 || !packets->is_port_empty);
}

/* Whether nothing is left of a loop that is being destroyed. */
static bool loop__is_drained(const iocp_loop_t *loop)
{
    const ioc_inbox *inbox = &loop->shared.inbox;
    return loop->loop_only.ops.slab.live == 0 && !ioc_inbox_is_in_use(inbox) &&
           !ioc_inbox_has_news(inbox) && !loop__may_have_packets(loop);
}

static bool loop__has_work(const iocp_loop_t *loop)
{
    const ioc_ops *ops = &loop->loop_only.ops;
    return !ioc_list_is_empty(&ops->ready) || !ioc_list_is_empty(&ops->submissions) ||
           ioc_cancel_is_queued(ops) || ioc_inbox_has_news(&loop->shared.inbox) ||
           loop__has_packets(loop);
}

static uint64_t loop__next_due(ioc_ops *ops)
{
    uint64_t timer_ns = ioc_timers_next_due(&ops->timers);
    uint64_t deadline_ns = ioc_timers_next_due(&ops->deadlines);
    return timer_ns < deadline_ns ? timer_ns : deadline_ns;
}

uint64_t ioc_loop_next_deadline(iocp_loop_t *loop)
{
    bool may_sleep = !loop__has_work(loop) &&
                     (loop__is_running(loop) || ioc_inbox_fall_asleep(&loop->shared.inbox));
    return may_sleep ? loop__next_due(&loop->loop_only.ops) : loop->loop_only.ops.now_ns;
}

/* Whether the running function has had the callbacks that it wanted. */
static bool loop__is_satisfied(const iocp_loop_t *loop)
{
    return loop->loop_only.delivered >= loop->loop_only.goal;
}

/* Whether the running function has reason to wait: for callbacks it wants that may still come. */
static bool loop__is_waiting(const iocp_loop_t *loop)
{
    bool may_come = loop->loop_only.ops.is_ending
                        ? !loop__is_drained(loop)
                        : loop->loop_only.ops.active > 0 || loop->loop_only.is_until_stopped;
    return may_come && !loop__is_satisfied(loop);
}

/* Whether the last of a loop that is being destroyed are packets, which are there or are not. */
static bool loop__is_left_with_packets(const iocp_loop_t *loop)
{
    return loop->loop_only.ops.is_ending && loop->loop_only.ops.slab.live == 0 &&
           !ioc_inbox_is_in_use(&loop->shared.inbox) && loop__may_have_packets(loop);
}

/* Until when the turn may sleep, at most until `limit_ns`. 0: not at all. */
static uint64_t loop__sleep_until(iocp_loop_t *loop, uint64_t limit_ns)
{
    ioc_ops *ops = &loop->loop_only.ops;
    bool may_sleep = limit_ns > 0 && loop__is_waiting(loop) && !loop__has_work(loop);
    if (!may_sleep || loop__is_left_with_packets(loop)) {
        return 0;
    }
    uint64_t until_ns = loop__next_due(ops);
    until_ns = until_ns < limit_ns ? until_ns : limit_ns;
    /* With no operation left to wait for, it is a thread that is about to leave the gate. */
    bool is_leaving = ops->is_ending && ops->slab.live == 0;
    if (until_ns == IOC_FOREVER && !is_leaving) {
        return until_ns;
    }
    uint64_t now_ns = ioc_ops_update_now(ops);
    if (is_leaving && until_ns > now_ns + IOC_NS_PER_MS) {
        until_ns = now_ns + IOC_NS_PER_MS; /* such a thread sends no packet */
    }
    return until_ns > now_ns ? until_ns : 0;
}

/* Whether a turn that does not sleep may leave the port alone. */
static bool loop__may_skip_dequeue(const iocp_loop_t *loop)
{
    if (loop->loop_only.ops.in_kernel == 0 && ioc_inbox_is_awake(&loop->shared.inbox) &&
        !loop->shared.takes_packets) {
        return true;
    }
    uint64_t since_dequeue = loop->loop_only.delivered - loop->loop_only.asked_at;
    return !loop__is_satisfied(loop) && loop__has_work(loop) &&
           since_dequeue < loop->loop_only.batch;
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
    bool is_shut =
        ops->is_ending && loop->shared.takes_packets && !ioc_inbox_is_in_use(&loop->shared.inbox);
    int status = ops->backend->dequeue(ops->port, ops->now_ns, until_ns, &ended, &dequeued);
    if (loop->shared.takes_packets) {
        loop->loop_only.packets.count = dequeued.packets;
        loop->loop_only.packets.is_port_empty = is_shut && dequeued.is_empty;
    }
    ioc_inbox_awake(&loop->shared.inbox, dequeued.wakes);
    loop->loop_only.asked_at = loop->loop_only.delivered;
    ops->counters.dequeues++;
    ops->counters.sleeps += until_ns > 0;
    ops->counters.packets += dequeued.operations;
    ops->counters.foreign_packets += dequeued.foreign;
    if (until_ns > 0) {
        ioc_ops_update_now(ops);
    }
    if (status != IOCP_OK) {
        loop->loop_only.native_error = ops->port->native_error;
    }
    for (ioc_link *link; (link = ioc_list_pop(&ended)) != NULL;) {
        ioc_op_finish_from_backend(ops, IOC_CONTAINER_OF(link, ioc_op, link));
    }
    return status;
}

/* ---- Turns ---- */

static bool loop__is_finished(const iocp_loop_t *loop)
{
    return loop__is_satisfied(loop) || loop__is_stopped(loop) ||
           (loop->loop_only.ops.active == 0 && !loop->loop_only.is_until_stopped);
}

static void loop__begin_turn(ioc_ops *ops)
{
    ioc_ops_forget_now(ops);
    if (ops->counters.turns++ % LOOP_TURNS_PER_CLOCK == 0) {
        ioc_ops_update_now(ops);
    }
}

/* Whether the next turn would start what callbacks have queued, deliver what is ready, and no more. */
static bool loop__has_starts_alone(const iocp_loop_t *loop)
{
    const ioc_ops *ops = &loop->loop_only.ops;
    return !ioc_list_is_empty(&ops->submissions) && !loop__is_finished(loop) &&
           loop__may_skip_dequeue(loop) && ioc_timers_count(&ops->timers) == 0 &&
           ioc_timers_count(&ops->deadlines) == 0 && !ioc_cancel_is_queued(ops) &&
           !ioc_inbox_has_news(&loop->shared.inbox);
}

static int loop__run_steps(iocp_loop_t *loop, uint64_t limit_ns)
{
    ioc_ops *ops = &loop->loop_only.ops;
    if (ioc_cancel_is_queued(ops)) {
        ioc_cancel_run_queued(ops, loop->loop_only.batch);
    }
    ioc_cancel_run_deadlines(ops, loop->loop_only.batch);
    loop__run_starts(loop);
    loop__run_timers(loop);
    loop__run_ready(loop);
    while (loop__has_starts_alone(loop)) {
        loop__begin_turn(ops);
        loop__run_starts(loop);
        loop__run_ready(loop);
    }
    loop__run_inbox(loop);
    if (loop__is_stopped(loop) || loop__has_packets(loop)) {
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

/* Whether no step could find anything, and nothing is there to sleep for. */
static bool loop__is_idle(const iocp_loop_t *loop)
{
    const ioc_ops *ops = &loop->loop_only.ops;
    return ops->slab.live == 0 && ioc_list_is_empty(&ops->notes) &&
           !ioc_inbox_has_news(&loop->shared.inbox) && ioc_inbox_is_awake(&loop->shared.inbox) &&
           !loop->shared.takes_packets && !loop__is_waiting(loop);
}

static int loop__turn(iocp_loop_t *loop, uint64_t limit_ns)
{
    loop__begin_turn(&loop->loop_only.ops);
    return loop__is_idle(loop) ? IOCP_OK : loop__run_steps(loop, limit_ns);
}

int ioc_loop_run(iocp_loop_t *loop, uint64_t wanted, bool until_stopped)
{
    int status = loop__enter(loop);
    if (status != IOCP_OK) {
        return status;
    }
    loop->loop_only.goal = ioc_add_saturated(loop->loop_only.delivered, wanted);
    loop->loop_only.is_until_stopped = until_stopped;
    if (!loop__is_stopped(loop)) {
        do {
            status = loop__turn(loop, IOC_FOREVER);
        } while (status == IOCP_OK && !loop__is_finished(loop));
    }
    loop__leave(loop);
    return status;
}

/* ---- The end ---- */

/* One turn of it, and how long that may sleep. */
static int loop__end_turn(iocp_loop_t *loop, uint64_t now_ns, uint64_t until_ns)
{
    uint64_t limit_ns = until_ns;
    switch (ioc_cancel_run_ending(&loop->loop_only.ops, loop->loop_only.batch)) {
    case IOC_ENDING_GOES_ON:
        limit_ns = 0;
        break;
    case IOC_ENDING_REFUSED:
        limit_ns = until_ns < now_ns + IOC_NS_PER_MS ? until_ns : now_ns + IOC_NS_PER_MS;
        break;
    case IOC_ENDING_ASKED:
        break;
    }
    return loop__turn(loop, limit_ns > now_ns ? limit_ns : 0);
}

/*
 * With a time limit it works until that is up, and looks at the clock before each callback. With
 * none (0) it does what can be done without waiting, however long that takes.
 */
static int loop__drain(iocp_loop_t *loop, uint64_t timeout_ns)
{
    ioc_ops *ops = &loop->loop_only.ops;
    uint64_t now_ns = ioc_ops_update_now(ops);
    uint64_t until_ns = ioc_add_saturated(now_ns, timeout_ns);
    loop->loop_only.end_ns = timeout_ns > 0 ? until_ns : IOC_FOREVER;
    loop->loop_only.goal = UINT64_MAX;
    for (;;) {
        size_t before = ops->slab.live;
        uint32_t cursor = ops->end_cursor;
        uint64_t delivered = loop->loop_only.delivered;
        int status = loop__end_turn(loop, now_ns, until_ns);
        if (status != IOCP_OK || loop__is_drained(loop)) {
            return status;
        }
        bool has_moved = ops->slab.live != before || ops->end_cursor != cursor ||
                         loop->loop_only.delivered != delivered || loop__has_work(loop) ||
                         loop__is_left_with_packets(loop);
        now_ns = ioc_ops_update_now(ops);
        if (now_ns >= until_ns && (timeout_ns > 0 || !has_moved)) {
            return IOCP_ETIMEDOUT;
        }
    }
}

int ioc_loop_destroy(iocp_loop_t *loop, uint64_t timeout_ns)
{
    int status = loop__enter(loop);
    if (status != IOCP_OK) {
        return status;
    }
    ioc_inbox_shut_gate(&loop->shared.inbox);
    ioc_cancel_run_queued(&loop->loop_only.ops, loop->loop_only.batch);
    loop->loop_only.ops.is_ending = true;
    if (!loop__is_drained(loop)) {
        status = loop__drain(loop, timeout_ns);
        loop->loop_only.end_ns = IOC_FOREVER;
    }
    if (status == IOCP_OK && ioc_inbox_has_asyncs(&loop->shared.inbox)) {
        status = IOCP_EASYNC;
    }
    loop__leave(loop);
    if (status == IOCP_OK) {
        loop__free(loop);
    }
    return status;
}

/* ---- Memory ---- */

size_t ioc_loop_trim(iocp_loop_t *loop)
{
    return ioc_ops_trim(&loop->loop_only.ops) + ioc_inbox_trim(&loop->shared.inbox);
}
