#include "op.h"

#include <string.h>

void ioc_ops_init(ioc_ops *ops, ioc_alloc *alloc, const ioc_backend *backend, ioc_port *port,
                  const ioc_kind *kinds)
{
    memset(ops, 0, sizeof *ops);
    ops->backend = backend;
    ops->port = port;
    ops->kinds = kinds;
    uint64_t now_ns = ioc_ops_update_now(ops);
    ioc_slab_init(&ops->slab, alloc, backend->op_bytes, ioc_slab_tag(&ops->slab, now_ns));
    ioc_slab_set_small(&ops->slab, IOC_OP_SMALL_BYTES);
    ioc_slab_init(&ops->handles, alloc, backend->handle_bytes, ioc_slab_tag(&ops->handles, now_ns));
    ioc_slab_init(&ops->extras, alloc, sizeof(ioc_parked), 0);
    ioc_slab_set_small(&ops->extras, sizeof(ioc_alarm));
    ioc_slab_init(&ops->small_blocks, alloc, IOC_BLOCK_BYTES, 0);
    ioc_slab_init(&ops->large_blocks, alloc, IOC_BLOCK_MOST_BYTES, 0);
    ioc_slab_set_small(&ops->large_blocks, IOC_BLOCK_MORE_BYTES);
    ioc_list_init(&ops->cancels);
    ioc_list_init(&ops->notes);
    ioc_list_init(&ops->closing);
    ioc_list_init(&ops->submissions);
    ioc_list_init(&ops->ready);
    ioc_list_init(&ops->pools);
    ioc_timers_init(&ops->timers, alloc);
    ioc_timers_init(&ops->deadlines, alloc);
}

void ioc_ops_deinit(ioc_ops *ops)
{
    IOC_ASSERT(ops->slab.live == 0);
    ioc_timers_deinit(&ops->deadlines);
    ioc_timers_deinit(&ops->timers);
    ioc_slab_deinit(&ops->large_blocks);
    ioc_slab_deinit(&ops->small_blocks);
    ioc_slab_deinit(&ops->extras);
    ioc_slab_deinit(&ops->handles);
    ioc_slab_deinit(&ops->slab);
}

/* The timers first: what they know of operations that have ended is in the pages that go. */
size_t ioc_ops_trim(ioc_ops *ops)
{
    size_t bytes = ioc_timers_trim(&ops->timers) + ioc_timers_trim(&ops->deadlines);
    bytes += ioc_slab_trim(&ops->slab) + ioc_slab_trim(&ops->handles) + ioc_slab_trim(&ops->extras);
    return bytes + ioc_slab_trim(&ops->small_blocks) + ioc_slab_trim(&ops->large_blocks);
}

/* ---- Time ---- */

uint64_t ioc_ops_update_now(ioc_ops *ops)
{
    uint64_t now_ns = ops->backend->now(ops->port);
    if (now_ns > ops->now_ns) {
        ops->now_ns = now_ns;
    }
    ops->now_is_fresh = true;
    return ops->now_ns;
}

uint64_t ioc_ops_now(ioc_ops *ops)
{
    return ops->now_is_fresh ? ops->now_ns : ioc_ops_update_now(ops);
}

/* ---- Birth ---- */

/* Each member once: most compilers clear a structure slowly. */
static void op__init(ioc_op *op, iocp_callback_t callback, void *userdata)
{
    ioc_link_init(&op->link);
    op->callback = callback;
    op->userdata = userdata;
    op->handle = NULL;
    op->intent = 0;
    op->phase = IOC_PHASE_QUEUED;
    op->flags = 0;
    op->is_referenced = true;
    op->is_dormant = false;
    op->is_orphan = false;
    op->is_asked = false;
    op->is_cancelled = false;
    op->is_reset = false;
    op->is_counted = false;
    op->is_large_block = false;
    op->is_empty = false;
    op->is_largest_block = false;
    op->is_held = false;
    op->outcome.status = IOCP_OK;
    op->outcome.native_error = 0;
    op->outcome.bytes = 0;
    op->since_ns = 0;
    op->alarms = NULL;
}

static ioc_op *op__new_small(ioc_ops *ops)
{
    ioc_op *op = ioc_slab_take_small(&ops->slab);
    if (op != NULL) {
        IOC_ASSERT(!ioc_timer_is_set(&op->timer));
        op->timer.due_ns = 0;
        op->small_parameter = 0;
    }
    return op;
}

static ioc_op *op__new_large(ioc_ops *ops)
{
    ioc_op *op = ioc_slab_take(&ops->slab);
    if (op != NULL) {
        ioc_link_init(&op->sibling);
        op->block = NULL;
        memset(op->parameters.bytes, 0, sizeof op->parameters.bytes); /* of four words */
    }
    return op;
}

ioc_op *ioc_op_new(ioc_ops *ops, iocp_type_t type, iocp_callback_t callback, void *userdata)
{
    const ioc_kind *kind = &ops->kinds[type];
    bool is_small = (kind->traits & IOC_KIND_SMALL) != 0;
    ioc_op *op = is_small ? op__new_small(ops) : op__new_large(ops);
    if (op != NULL) {
        op->kind = kind;
        op__init(op, callback, userdata);
    }
    return op;
}

int ioc_op_take_block(ioc_ops *ops, ioc_op *op, size_t bytes)
{
    IOC_ASSERT(op->block == NULL && bytes <= IOC_BLOCK_MOST_BYTES);
    op->is_large_block = bytes > IOC_BLOCK_BYTES;
    op->is_largest_block = bytes > IOC_BLOCK_MORE_BYTES;
    if (op->is_largest_block) {
        op->block = ioc_slab_take(&ops->large_blocks);
    } else if (op->is_large_block) {
        op->block = ioc_slab_take_small(&ops->large_blocks);
    } else {
        op->block = ioc_slab_take(&ops->small_blocks);
    }
    return op->block != NULL ? IOCP_OK : IOCP_ENOMEM;
}

int ioc_op_copy(ioc_ops *ops, ioc_op *op, const void *from, size_t bytes)
{
    int status = ioc_op_take_block(ops, op, bytes);
    if (status == IOCP_OK) {
        memcpy(op->block, from, bytes);
    }
    return status;
}

static void op__free_block(ioc_ops *ops, ioc_op *op)
{
    if (op->block == NULL) {
        return;
    }
    if (op->is_largest_block) {
        ioc_slab_give(&ops->large_blocks, op->block);
    } else if (op->is_large_block) {
        ioc_slab_give_small(&ops->large_blocks, op->block);
    } else {
        ioc_slab_give(&ops->small_blocks, op->block);
    }
}

void ioc_op_free(ioc_ops *ops, ioc_op *op)
{
    IOC_ASSERT(!ioc_link_is_in_list(&op->link));
    for (ioc_alarm *alarm; (alarm = op->alarms) != NULL;) {
        op->alarms = alarm->next;
        ioc_slab_give_small(&ops->extras, alarm);
    }
    if (ioc_op_is_small(op)) {
        ioc_slab_give_small(&ops->slab, op);
        return;
    }
    IOC_ASSERT(!ioc_link_is_in_list(&op->sibling));
    op__free_block(ops, op);
    ioc_slab_give(&ops->slab, op);
}

/* ---- Alarms ---- */

/* Its deadline or its pause, or NULL if it has none. */
static ioc_alarm *op__alarm(const ioc_op *op, bool is_pause)
{
    ioc_alarm *alarm = op->alarms;
    while (alarm != NULL && alarm->is_pause != is_pause) {
        alarm = alarm->next;
    }
    return alarm;
}

/* The same, and if it has none it gets one; NULL: no memory. It is kept until the operation ends. */
static ioc_alarm *op__need_alarm(ioc_ops *ops, ioc_op *op, bool is_pause)
{
    ioc_alarm *alarm = op__alarm(op, is_pause);
    if (alarm != NULL) {
        return alarm;
    }
    alarm = ioc_slab_take_small(&ops->extras);
    if (alarm != NULL) {
        IOC_ASSERT(!ioc_timer_is_set(&alarm->timer));
        alarm->op = op;
        alarm->next = op->alarms;
        alarm->limit_ns = IOC_FOREVER;
        alarm->is_pause = is_pause;
        op->alarms = alarm;
    }
    return alarm;
}

static int op__set_alarm(ioc_ops *ops, ioc_op *op, bool is_pause, uint64_t due_ns)
{
    ioc_alarm *alarm = op__need_alarm(ops, op, is_pause);
    return alarm != NULL ? ioc_timers_set(&ops->deadlines, &alarm->timer, due_ns) : IOCP_ENOMEM;
}

static void op__clear_alarms(ioc_ops *ops, const ioc_op *op)
{
    for (ioc_alarm *alarm = op->alarms; alarm != NULL; alarm = alarm->next) {
        ioc_timers_clear(&ops->deadlines, &alarm->timer);
    }
}

/* ---- Names ---- */

ioc_op *ioc_op_find(const ioc_ops *ops, iocp_op_t id)
{
    return ioc_slab_find(&ops->slab, id.id);
}

iocp_op_t ioc_op_id(const ioc_op *op)
{
    return (iocp_op_t){.id = ioc_slab_id(op)};
}

bool ioc_op_takes_turns(const ioc_op *op)
{
    return op->handle != NULL && (op->kind->takes_turns & IOC_ON(op->handle->kind)) != 0;
}

bool ioc_op_ends_alone(const ioc_op *op)
{
    return op->handle == NULL || (op->kind->ends_alone & IOC_ON(op->handle->kind)) != 0;
}

iocp_op_state_t ioc_op_state(const ioc_op *op)
{
    /* If one of these is parked, it waits for its turn; or until its handle is known (no close). */
    bool is_sent = (op->kind->traits & IOC_KIND_OUT) != 0;
    bool waits_to_start =
        op->phase == IOC_PHASE_PARKED && op->handle != NULL && op->kind->handles != 0 &&
        (op->handle->is_unknown || is_sent || (ioc_op_takes_turns(op) && op->handle->mover != op));
    bool is_adding = op->phase == IOC_PHASE_QUEUED || waits_to_start;
    return is_adding ? IOCP_OP_ADDING : IOCP_OP_ACTIVE;
}

/* ---- From phase to phase ---- */

static void op__enter_queue(ioc_ops *ops, ioc_op *op)
{
    bool goes_first = (op->kind->traits & IOC_KIND_FIRST) != 0;
    op->phase = IOC_PHASE_QUEUED;
    ioc_list_push(goes_first ? &ops->cancels : &ops->submissions, &op->link);
}

void ioc_op_queue(ioc_ops *ops, ioc_op *op, iocp_op_t *id)
{
    op->since_ns = ops->now_ns;
    ops->active++;
    if (op->handle != NULL) {
        op->kind->queued(ops, op);
    }
    op__enter_queue(ops, op);
    if (id != NULL) {
        *id = ioc_op_id(op);
    }
}

static ioc_start op__try(ioc_ops *ops, ioc_op *op, ioc_start (*ask)(ioc_port *, ioc_op *))
{
    IOC_ASSERT(op->phase == IOC_PHASE_QUEUED || op->phase == IOC_PHASE_PARKED);
    ioc_phase former = ioc_op_phase(op);
    op->phase = IOC_PHASE_KERNEL;
    ioc_start start = ask(ops->port, op);
    if (start == IOC_START_PENDING) {
        ioc_link_remove(&op->link);
        ops->in_kernel++;
    } else {
        op->phase = (uint8_t)former;
    }
    return start;
}

ioc_start ioc_op_try_in_kernel(ioc_ops *ops, ioc_op *op)
{
    return op__try(ops, op, ops->backend->start);
}

ioc_start ioc_op_try_receive_now(ioc_ops *ops, ioc_op *op)
{
    return op__try(ops, op, ops->backend->receive_now);
}

void ioc_op_start_in_kernel(ioc_ops *ops, ioc_op *op)
{
    if (ioc_op_try_in_kernel(ops, op) != IOC_START_PENDING) {
        ioc_op_finish_inline(ops, op);
    }
}

int ioc_op_wait_until(ioc_ops *ops, ioc_op *op, uint64_t due_ns)
{
    IOC_ASSERT(op->phase == IOC_PHASE_QUEUED || op->phase == IOC_PHASE_TIMED);
    int status = ioc_op_is_small(op) ? ioc_timers_set(&ops->timers, &op->timer, due_ns)
                                     : op__set_alarm(ops, op, true, due_ns);
    if (status == IOCP_OK) {
        ioc_link_remove(&op->link);
        op->phase = IOC_PHASE_TIMED;
    }
    return status;
}

int ioc_op_set_pause(ioc_ops *ops, ioc_op *op, uint64_t delay_ns)
{
    IOC_ASSERT(op->phase == IOC_PHASE_QUEUED);
    return op__set_alarm(ops, op, true, ioc_add_saturated(ioc_ops_now(ops), delay_ns));
}

int ioc_op_end_pause(ioc_ops *ops, ioc_op *op)
{
    if (op->phase == IOC_PHASE_TIMED) {
        ioc_op_queue_again(ops, op);
        return IOCP_OK;
    }
    return ioc_op_revise(ops, op);
}

int ioc_op_revise(ioc_ops *ops, ioc_op *op)
{
    bool is_back = false;
    IOC_ASSERT(op->phase == IOC_PHASE_KERNEL);
    if (op->intent != 0 || !ioc_op_can_start(ops, op)) {
        return IOCP_OK; /* it was asked to end, and does nothing more */
    }
    int status = ops->backend->revise(ops->port, op, &is_back);
    if (status == IOCP_OK && is_back) {
        ioc_op_finish_from_backend(ops, op);
    }
    return status;
}

void ioc_op_park(ioc_op *op, ioc_list *list_or_null)
{
    IOC_ASSERT(op->phase == IOC_PHASE_QUEUED);
    ioc_link_remove(&op->link);
    op->phase = IOC_PHASE_PARKED;
    if (list_or_null != NULL) {
        ioc_list_push(list_or_null, &op->link);
    }
}

void ioc_op_unpark(ioc_ops *ops, ioc_op *op)
{
    IOC_ASSERT(op->phase == IOC_PHASE_PARKED);
    ioc_link_remove(&op->link);
    op__enter_queue(ops, op);
}

void ioc_op_queue_again(ioc_ops *ops, ioc_op *op)
{
    IOC_ASSERT(op->phase == IOC_PHASE_TIMED);
    op__enter_queue(ops, op);
}

/* Few operations have any. */
static bool op__has_times(const ioc_op *op)
{
    return op->alarms != NULL || (ioc_op_is_small(op) && ioc_timer_is_set(&op->timer));
}

static void op__clear_times(ioc_ops *ops, ioc_op *op)
{
    if (ioc_op_is_small(op)) {
        ioc_timers_clear(&ops->timers, &op->timer);
    }
    if (op->alarms != NULL) {
        op__clear_alarms(ops, op);
    }
}

void ioc_op_unpark_behind(ioc_op *op, ioc_link *before)
{
    IOC_ASSERT(op->phase == IOC_PHASE_PARKED);
    ioc_link_remove(&op->link);
    op->phase = IOC_PHASE_QUEUED;
    ioc_list_insert_behind(before, &op->link);
}

/* The outcome is settled: leave whatever it was in. */
static void op__become_ready(ioc_ops *ops, ioc_op *op)
{
    IOC_ASSERT(op->phase != IOC_PHASE_READY && op->phase != IOC_PHASE_DELIVERING);
    ioc_link_remove(&op->link);
    op->phase = IOC_PHASE_READY;
    ioc_list_push(&ops->ready, &op->link);
    if (op->is_dormant) {
        ioc_op_set_dormant(ops, op, false);
    }
    if (op__has_times(op)) {
        op__clear_times(ops, op);
    }
}

void ioc_op_finish(ioc_ops *ops, ioc_op *op, int status)
{
    IOC_ASSERT(op->phase != IOC_PHASE_KERNEL);
    op->outcome = (ioc_outcome){.status = status};
    op__become_ready(ops, op);
}

/* Somebody aborted it. Only if this program asked is it cancelled or timed out. */
static int op__explain_abort(const ioc_ops *ops, const ioc_op *op)
{
    if (op->intent != 0) {
        return op->intent;
    }
    return ioc_op_can_start(ops, op) ? IOCP_ECONNABORTED : IOCP_ECANCELED;
}

static void op__settle(ioc_ops *ops, ioc_op *op)
{
    if (op->outcome.status == IOCP_OK) {
        op->kind->settle(op);
    } else if (op->outcome.status == IOCP_ECANCELED) {
        op->outcome.status = op__explain_abort(ops, op);
    }
}

void ioc_op_finish_from_backend(ioc_ops *ops, ioc_op *op)
{
    IOC_ASSERT(op->phase == IOC_PHASE_KERNEL && ops->in_kernel > 0);
    ops->in_kernel--;
    if (op->kind->goes_on != NULL) {
        op->phase = IOC_PHASE_QUEUED;
        if (op->kind->goes_on(ops, op)) {
            return;
        }
    }
    ioc_op_finish_at_last(ops, op);
}

void ioc_op_finish_inline(ioc_ops *ops, ioc_op *op)
{
    op->flags |= IOCP_RESULT_INLINE;
    ops->counters.inline_results++;
    ioc_op_finish_at_last(ops, op);
}

void ioc_op_finish_at_last(ioc_ops *ops, ioc_op *op)
{
    op__settle(ops, op);
    op__become_ready(ops, op);
}

ioc_op *ioc_op_next_timer(ioc_ops *ops, uint64_t now_ns)
{
    ioc_op *op = NULL;
    do {
        ioc_timer *timer = ioc_timers_pop_due(&ops->timers, now_ns);
        if (timer == NULL) {
            return NULL;
        }
        op = IOC_CONTAINER_OF(timer, ioc_op, timer);
    } while (op->phase == IOC_PHASE_QUEUED); /* its start sets it anew */
    IOC_ASSERT(op->phase == IOC_PHASE_TIMED && (op->kind->traits & IOC_KIND_FIRES) != 0);
    if (op__has_times(op)) {
        op__clear_times(ops, op);
    }
    op->outcome = (ioc_outcome){.status = IOCP_OK};
    op->phase = IOC_PHASE_DELIVERING;
    return op;
}

ioc_op *ioc_op_next_ready(ioc_ops *ops)
{
    ioc_link *link = ioc_list_pop(&ops->ready);
    if (link == NULL) {
        return NULL;
    }
    ioc_op *op = IOC_CONTAINER_OF(link, ioc_op, link);
    IOC_ASSERT(op->phase == IOC_PHASE_READY);
    op->phase = IOC_PHASE_DELIVERING;
    return op;
}

/* ---- After the callback ---- */

void ioc_op_rearm(ioc_ops *ops, ioc_op *op)
{
    IOC_ASSERT(op->phase == IOC_PHASE_DELIVERING);
    bool is_refused = op->is_cancelled || !ioc_op_can_start(ops, op);
    op->intent = 0;
    op->flags = 0;
    op->since_ns = ops->now_ns;
    if (op->handle != NULL) {
        op->kind->queued(ops, op);
    }
    op__enter_queue(ops, op);
    if (is_refused) {
        ioc_op_finish(ops, op, IOCP_ECANCELED);
    }
}

void ioc_op_end(ioc_ops *ops, ioc_op *op)
{
    IOC_ASSERT(op->phase == IOC_PHASE_DELIVERING);
    ioc_op_set_referenced(ops, op, false);
    if (op->is_held) {
        ops->backend->release(ops->port, op);
    }
    if (!ioc_op_is_small(op)) {
        ioc_link_remove(&op->sibling);
    }
    ioc_op_free(ops, op);
}

/* ---- While it is pending ---- */

/* Of the runs that come; this one has none from here on. */
static int op__set_next_limit(ioc_ops *ops, ioc_op *op, uint64_t limit_ns)
{
    ioc_alarm *alarm =
        limit_ns == IOC_FOREVER ? op__alarm(op, false) : op__need_alarm(ops, op, false);
    if (alarm == NULL) {
        return limit_ns == IOC_FOREVER ? IOCP_OK : IOCP_ENOMEM;
    }
    ioc_timers_clear(&ops->deadlines, &alarm->timer);
    alarm->limit_ns = limit_ns;
    return IOCP_OK;
}

int ioc_op_set_deadline(ioc_ops *ops, ioc_op *op, uint64_t delay_ns)
{
    if ((op->kind->traits & IOC_KIND_ONCE) != 0) {
        return IOCP_ENOTSUP;
    }
    if (op->phase == IOC_PHASE_READY) {
        return IOCP_ENOENT;
    }
    if (delay_ns == IOC_FOREVER || op->phase == IOC_PHASE_DELIVERING) {
        return op__set_next_limit(ops, op, delay_ns);
    }
    int status =
        op__set_alarm(ops, op, false, ioc_add_saturated(ioc_ops_update_now(ops), delay_ns));
    if (status == IOCP_OK) {
        op__alarm(op, false)->limit_ns = delay_ns;
    }
    return status;
}

bool ioc_op_has_limit(const ioc_op *op)
{
    const ioc_alarm *alarm = op__alarm(op, false);
    return alarm != NULL && alarm->limit_ns != IOC_FOREVER && !ioc_timer_is_set(&alarm->timer);
}

int ioc_op_set_limit(ioc_ops *ops, ioc_op *op)
{
    return op__set_alarm(ops, op, false,
                         ioc_add_saturated(ioc_ops_now(ops), op__alarm(op, false)->limit_ns));
}

static bool op__keeps_running(const ioc_op *op)
{
    return op->is_referenced && !op->is_dormant;
}

static void op__count_active(ioc_ops *ops, const ioc_op *op, bool before)
{
    IOC_ASSERT(!before || ops->active > 0);
    ops->active = ops->active - before + op__keeps_running(op);
}

void ioc_op_set_referenced(ioc_ops *ops, ioc_op *op, bool referenced)
{
    bool before = op__keeps_running(op);
    op->is_referenced = referenced;
    op__count_active(ops, op, before);
}

void ioc_op_set_dormant(ioc_ops *ops, ioc_op *op, bool dormant)
{
    bool before = op__keeps_running(op);
    op->is_dormant = dormant;
    op__count_active(ops, op, before);
}
