#include "op.h"

#include <string.h>

#define OP_LARGE_BLOCK_BYTES (IOCP_BUFFERS_MAX * sizeof(iocp_buf_t))

void ioc_ops_init(ioc_ops *ops, ioc_alloc *alloc, const ioc_backend *backend, ioc_port *port,
                  const ioc_kind *kinds)
{
    memset(ops, 0, sizeof *ops);
    ops->backend = backend;
    ops->port = port;
    ops->kinds = kinds;
    uint64_t now_ns = ioc_ops_update_now(ops);
    ioc_slab_init(&ops->slab, alloc, backend->op_bytes, ioc_slab_tag(&ops->slab, now_ns));
    ioc_slab_init(&ops->handles, alloc, backend->handle_bytes, ioc_slab_tag(&ops->handles, now_ns));
    ioc_slab_init(&ops->small_blocks, alloc, IOC_BLOCK_BYTES, 0);
    ioc_slab_init(&ops->large_blocks, alloc, OP_LARGE_BLOCK_BYTES, 0);
    ioc_list_init(&ops->cancels);
    ioc_list_init(&ops->closing);
    ioc_list_init(&ops->submissions);
    ioc_list_init(&ops->ready);
    ioc_heap_init(&ops->timers, alloc);
    ioc_heap_init(&ops->deadlines, alloc);
}

void ioc_ops_deinit(ioc_ops *ops)
{
    IOC_ASSERT(ops->slab.live == 0);
    ioc_heap_deinit(&ops->deadlines);
    ioc_heap_deinit(&ops->timers);
    ioc_slab_deinit(&ops->large_blocks);
    ioc_slab_deinit(&ops->small_blocks);
    ioc_slab_deinit(&ops->handles);
    ioc_slab_deinit(&ops->slab);
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

ioc_op *ioc_op_new(ioc_ops *ops, iocp_type_t type, iocp_callback_t callback, void *userdata)
{
    ioc_op *op = ioc_slab_take(&ops->slab);
    if (op == NULL) {
        return NULL;
    }
    IOC_ASSERT(!ioc_timer_is_set(&op->timer) && !ioc_timer_is_set(&op->deadline));
    memset(op, 0, sizeof *op);
    ioc_link_init(&op->link);
    ioc_link_init(&op->sibling);
    op->kind = &ops->kinds[type];
    op->limit_ns = IOC_FOREVER;
    op->callback = callback;
    op->userdata = userdata;
    op->is_referenced = true;
    return op;
}

int ioc_op_take_block(ioc_ops *ops, ioc_op *op, size_t bytes)
{
    IOC_ASSERT(op->block == NULL && bytes <= OP_LARGE_BLOCK_BYTES);
    op->is_large_block = bytes > IOC_BLOCK_BYTES;
    op->block = ioc_slab_take(op->is_large_block ? &ops->large_blocks : &ops->small_blocks);
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

void ioc_op_free(ioc_ops *ops, ioc_op *op)
{
    IOC_ASSERT(!ioc_link_is_in_list(&op->link) && !ioc_link_is_in_list(&op->sibling));
    if (op->block != NULL) {
        ioc_slab_give(op->is_large_block ? &ops->large_blocks : &ops->small_blocks, op->block);
    }
    ioc_slab_give(&ops->slab, op);
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

iocp_op_state_t ioc_op_state(const ioc_op *op)
{
    /* If one of these is parked, it waits for its turn; or until its handle is known (no close). */
    bool waits_to_start = op->phase == IOC_PHASE_PARKED && op->handle != NULL &&
                          op->kind->handles != 0 &&
                          (op->handle->is_unknown || ioc_op_takes_turns(op));
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

ioc_start ioc_op_try_in_kernel(ioc_ops *ops, ioc_op *op)
{
    IOC_ASSERT(op->phase == IOC_PHASE_QUEUED || op->phase == IOC_PHASE_PARKED);
    ioc_phase former = ioc_op_phase(op);
    op->phase = IOC_PHASE_KERNEL;
    ioc_start start = ops->backend->start(ops->port, op);
    if (start == IOC_START_PENDING) {
        ioc_link_remove(&op->link);
        ops->in_kernel++;
    } else {
        op->phase = (uint8_t)former;
    }
    return start;
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
    int status = ioc_heap_set(&ops->timers, &op->timer, due_ns);
    if (status == IOCP_OK) {
        ioc_link_remove(&op->link);
        op->phase = IOC_PHASE_TIMED;
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

/* Few operations have either. */
static inline void op__clear_times(ioc_ops *ops, ioc_op *op)
{
    if (ioc_timer_is_set(&op->timer)) {
        ioc_heap_clear(&ops->timers, &op->timer);
    }
    if (ioc_timer_is_set(&op->deadline)) {
        ioc_heap_clear(&ops->deadlines, &op->deadline);
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
    op__clear_times(ops, op);
    if (op->is_dormant) {
        ioc_op_set_dormant(ops, op, false);
    }
    op->phase = IOC_PHASE_READY;
    ioc_list_push(&ops->ready, &op->link);
    ops->ready_count++;
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
    op__settle(ops, op);
    op__become_ready(ops, op);
}

void ioc_op_finish_inline(ioc_ops *ops, ioc_op *op)
{
    op->flags |= IOCP_RESULT_INLINE;
    ops->counters.inline_results++;
    op__settle(ops, op);
    op__become_ready(ops, op);
}

ioc_op *ioc_op_next_timer(ioc_ops *ops, uint64_t now_ns)
{
    for (ioc_timer *timer; (timer = ioc_heap_pop_due(&ops->timers, now_ns)) != NULL;) {
        ioc_op *op = IOC_CONTAINER_OF(timer, ioc_op, timer);
        IOC_ASSERT(op->phase == IOC_PHASE_TIMED);
        if ((op->kind->traits & IOC_KIND_FIRES) != 0) {
            ioc_heap_clear(&ops->deadlines, &op->deadline);
            op->outcome = (ioc_outcome){.status = IOCP_OK};
            op->phase = IOC_PHASE_DELIVERING;
            return op;
        }
        op__enter_queue(ops, op);
    }
    return NULL;
}

ioc_op *ioc_op_next_ready(ioc_ops *ops)
{
    ioc_link *link = ioc_list_pop(&ops->ready);
    if (link == NULL) {
        return NULL;
    }
    ioc_op *op = IOC_CONTAINER_OF(link, ioc_op, link);
    IOC_ASSERT(op->phase == IOC_PHASE_READY && ops->ready_count > 0);
    ops->ready_count--;
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
    op__clear_times(ops, op);
    ioc_op_set_referenced(ops, op, false);
    if (op->is_held) {
        ops->backend->release(ops->port, op);
    }
    ioc_op_free(ops, op);
}

/* ---- While it is pending ---- */

int ioc_op_set_deadline(ioc_ops *ops, ioc_op *op, uint64_t delay_ns)
{
    if ((op->kind->traits & IOC_KIND_ONCE) != 0) {
        return IOCP_ENOTSUP;
    }
    if (op->phase == IOC_PHASE_READY) {
        return IOCP_ENOENT;
    }
    if (delay_ns == IOC_FOREVER || op->phase == IOC_PHASE_DELIVERING) {
        ioc_heap_clear(&ops->deadlines, &op->deadline);
        op->limit_ns = delay_ns;
        return IOCP_OK;
    }
    int status = ioc_heap_set(&ops->deadlines, &op->deadline,
                              ioc_add_saturated(ioc_ops_update_now(ops), delay_ns));
    if (status == IOCP_OK) {
        op->limit_ns = delay_ns;
    }
    return status;
}

int ioc_op_set_limit(ioc_ops *ops, ioc_op *op)
{
    return ioc_heap_set(&ops->deadlines, &op->deadline,
                        ioc_add_saturated(ioc_ops_now(ops), op->limit_ns));
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
