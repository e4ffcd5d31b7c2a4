#include "op.h"

#include <string.h>

#define OP_LARGE_BLOCK_BYTES (IOCP_BUFFERS_MAX * sizeof(iocp_buf_t))

void ioc_ops_init(ioc_ops *ops, ioc_alloc *alloc, const ioc_backend *backend, ioc_port *port)
{
    memset(ops, 0, sizeof *ops);
    ops->backend = backend;
    ops->port = port;
    ioc_ops_update_now(ops);
    ioc_slab_init(&ops->slab, alloc, backend->op_bytes, ioc_slab_tag(&ops->slab, ops->now_ns));
    ioc_slab_init(&ops->small_blocks, alloc, IOC_BLOCK_BYTES, 0);
    ioc_slab_init(&ops->large_blocks, alloc, OP_LARGE_BLOCK_BYTES, 0);
    ioc_list_init(&ops->cancels);
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

/* ---- Birth and parameters ---- */

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
    op->type = type;
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

int ioc_op_copy_address(ioc_ops *ops, ioc_op *op, const struct sockaddr *address, size_t length)
{
    int status = ioc_op_take_block(ops, op, length);
    if (status == IOCP_OK) {
        memcpy(op->block, address, length);
        op->as.addressed.address = op->block;
        op->as.addressed.address_length = length;
    }
    return status;
}

int ioc_op_copy_buffers(ioc_ops *ops, ioc_op *op, const iocp_buf_t *buffers, size_t count)
{
    iocp_buf_t *list = &op->as.buffers.one;
    if (count > 1) {
        int status = ioc_op_take_block(ops, op, count * sizeof *buffers);
        if (status != IOCP_OK) {
            return status;
        }
        list = op->block;
    }
    op->as.buffers.is_zero_end = false;
    for (size_t i = 0; i < count; i++) {
        list[i] = buffers[i];
        op->as.buffers.is_zero_end = op->as.buffers.is_zero_end || buffers[i].length > 0;
    }
    op->as.buffers.list = list;
    op->as.buffers.count = (uint32_t)count;
    return IOCP_OK;
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

iocp_op_state_t ioc_op_state(const ioc_op *op)
{
    /* If one of these is parked, it waits for its turn. */
    bool takes_turns =
        op->type == IOCP_TYPE_RECV || op->type == IOCP_TYPE_READ || op->type == IOCP_TYPE_WRITE;
    bool is_adding =
        op->phase == IOC_PHASE_QUEUED || (op->phase == IOC_PHASE_PARKED && takes_turns);
    return is_adding ? IOCP_OP_ADDING : IOCP_OP_ACTIVE;
}

const char *ioc_op_type_name(iocp_type_t type)
{
    switch (type) {
    case IOCP_TYPE_NOP:
        return "nop";
    case IOCP_TYPE_TIMER:
        return "timer";
    case IOCP_TYPE_CANCEL:
        return "cancel";
    case IOCP_TYPE_ASYNC_WAIT:
        return "async_wait";
    case IOCP_TYPE_CLOSE:
        return "close";
    case IOCP_TYPE_ACCEPT:
        return "accept";
    case IOCP_TYPE_CONNECT:
        return "connect";
    case IOCP_TYPE_SEND:
        return "send";
    case IOCP_TYPE_RECV:
        return "recv";
    case IOCP_TYPE_SHUTDOWN:
        return "shutdown";
    case IOCP_TYPE_SENDTO:
        return "sendto";
    case IOCP_TYPE_RECVFROM:
        return "recvfrom";
    case IOCP_TYPE_READ:
        return "read";
    case IOCP_TYPE_WRITE:
        return "write";
    case IOCP_TYPE_PREAD:
        return "pread";
    case IOCP_TYPE_PWRITE:
        return "pwrite";
    case IOCP_TYPE_FLUSH:
        return "flush";
    case IOCP_TYPE_DRAIN:
        return "drain";
    case IOCP_TYPE_WAIT:
        return "wait";
    case IOCP_TYPE_PROCESS_WAIT:
        return "process_wait";
    case IOCP_TYPE_JOB_WATCH:
        return "job_watch";
    case IOCP_TYPE_WORK:
        return "work";
    }
    return "unknown";
}

/* ---- From phase to phase ---- */

static void op__enter_queue(ioc_ops *ops, ioc_op *op)
{
    bool goes_first = op->type == IOCP_TYPE_CANCEL || op->type == IOCP_TYPE_CLOSE;
    op->phase = IOC_PHASE_QUEUED;
    ioc_list_push(goes_first ? &ops->cancels : &ops->submissions, &op->link);
}

void ioc_op_queue(ioc_ops *ops, ioc_op *op, iocp_op_t *id)
{
    op->since_ns = ops->now_ns;
    ops->active++;
    op__enter_queue(ops, op);
    if (id != NULL) {
        *id = ioc_op_id(op);
    }
}

void ioc_op_start_in_kernel(ioc_ops *ops, ioc_op *op)
{
    IOC_ASSERT(op->phase == IOC_PHASE_QUEUED || op->phase == IOC_PHASE_PARKED);
    ioc_link_remove(&op->link);
    op->phase = IOC_PHASE_KERNEL;
    ops->in_kernel++;
    switch (ops->backend->start(ops->port, op)) {
    case IOC_START_PENDING:
        return;
    case IOC_START_DONE:
    case IOC_START_FAILED:
        break;
    }
    op->flags |= IOCP_RESULT_INLINE;
    ops->counters.inline_results++;
    ioc_op_finish_from_backend(ops, op);
}

/* When a rearmed timer is due: its last due time plus a whole number of periods, after now. */
static uint64_t op__next_due(uint64_t last_due_ns, uint64_t period_ns, uint64_t now_ns)
{
    if (period_ns == 0) {
        return now_ns;
    }
    uint64_t periods = now_ns < last_due_ns ? 1 : (now_ns - last_due_ns) / period_ns + 1;
    return periods > UINT64_MAX / period_ns ? UINT64_MAX
                                            : ioc_add_saturated(last_due_ns, periods * period_ns);
}

void ioc_op_start_timer(ioc_ops *ops, ioc_op *op)
{
    IOC_ASSERT(op->phase == IOC_PHASE_QUEUED && op->type == IOCP_TYPE_TIMER);
    uint64_t now_ns = ioc_ops_now(ops);
    uint64_t due_ns = op->as.timer.is_repeating
                          ? op__next_due(op->timer.due_ns, op->as.timer.delay_ns, now_ns)
                          : ioc_add_saturated(now_ns, op->as.timer.delay_ns);
    int status = ioc_heap_set(&ops->timers, &op->timer, due_ns);
    if (status != IOCP_OK) {
        ioc_op_finish(ops, op, status);
        return;
    }
    ioc_link_remove(&op->link);
    op->phase = IOC_PHASE_TIMED;
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

/* The outcome is settled: leave whatever it was in. */
static void op__become_ready(ioc_ops *ops, ioc_op *op)
{
    IOC_ASSERT(op->phase != IOC_PHASE_READY && op->phase != IOC_PHASE_DELIVERING);
    ioc_link_remove(&op->link);
    if (op->phase == IOC_PHASE_KERNEL) {
        IOC_ASSERT(ops->in_kernel > 0);
        ops->in_kernel--;
    }
    ioc_heap_clear(&ops->timers, &op->timer);
    ioc_heap_clear(&ops->deadlines, &op->deadline);
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

/* Whether no bytes mean the end of what it reads. */
static bool op__is_zero_end(const ioc_op *op)
{
    if (op->type == IOCP_TYPE_RECV) {
        return op->as.buffers.is_zero_end;
    }
    return (op->type == IOCP_TYPE_READ || op->type == IOCP_TYPE_PREAD) &&
           op->as.transfer.is_zero_end;
}

void ioc_op_finish_from_backend(ioc_ops *ops, ioc_op *op)
{
    IOC_ASSERT(op->phase == IOC_PHASE_KERNEL);
    ioc_outcome *outcome = &op->outcome;
    if (outcome->status == IOCP_ECANCELED) {
        /* Somebody aborted it. Only if this program asked is it cancelled or timed out. */
        outcome->status = op->intent != 0 ? op->intent : IOCP_ECONNABORTED;
    } else if (outcome->status == IOCP_OK && outcome->bytes == 0 && op__is_zero_end(op)) {
        outcome->status = IOCP_EOF;
    }
    op__become_ready(ops, op);
}

ioc_op *ioc_op_next_timer(ioc_ops *ops, uint64_t now_ns)
{
    ioc_timer *timer = ioc_heap_pop_due(&ops->timers, now_ns);
    if (timer == NULL) {
        return NULL;
    }
    ioc_op *op = IOC_CONTAINER_OF(timer, ioc_op, timer);
    IOC_ASSERT(op->phase == IOC_PHASE_TIMED);
    ioc_heap_clear(&ops->deadlines, &op->deadline);
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
    IOC_ASSERT(op->phase == IOC_PHASE_READY && ops->ready_count > 0);
    ops->ready_count--;
    op->phase = IOC_PHASE_DELIVERING;
    return op;
}

void ioc_op_rearm(ioc_ops *ops, ioc_op *op)
{
    IOC_ASSERT(op->phase == IOC_PHASE_DELIVERING);
    if (op->type == IOCP_TYPE_TIMER) {
        op->as.timer.is_repeating = op->outcome.status == IOCP_OK && !op->as.timer.is_reset;
        op->as.timer.is_reset = false;
    }
    op->intent = 0;
    op->flags = 0;
    op->since_ns = ops->now_ns;
    op__enter_queue(ops, op);
}

void ioc_op_end(ioc_ops *ops, ioc_op *op)
{
    IOC_ASSERT(op->phase == IOC_PHASE_DELIVERING);
    ioc_heap_clear(&ops->deadlines, &op->deadline);
    ioc_op_set_referenced(ops, op, false);
    if (op->is_held) {
        ops->backend->release(ops->port, op);
    }
    ioc_op_free(ops, op);
}

/* ---- While it is pending ---- */

int ioc_op_reset_timer(ioc_ops *ops, ioc_op *op, uint64_t delay_ns)
{
    if (op->type != IOCP_TYPE_TIMER) {
        return IOCP_EINVAL;
    }
    switch (op->phase) {
    case IOC_PHASE_QUEUED:
        op->as.timer.is_repeating = false;
        break;
    case IOC_PHASE_TIMED: {
        uint64_t due_ns = ioc_add_saturated(ioc_ops_update_now(ops), delay_ns);
        int status = ioc_heap_set(&ops->timers, &op->timer, due_ns);
        if (status != IOCP_OK) {
            return status;
        }
        break;
    }
    case IOC_PHASE_DELIVERING:
        op->as.timer.is_reset = true;
        break;
    case IOC_PHASE_READY:
        return IOCP_EBUSY;
    case IOC_PHASE_KERNEL:
    case IOC_PHASE_PARKED:
        IOC_ASSERT(false && "a timer is never there");
        return IOCP_EINVAL;
    }
    op->as.timer.delay_ns = delay_ns;
    return IOCP_OK;
}

int ioc_op_set_deadline(ioc_ops *ops, ioc_op *op, uint64_t delay_ns)
{
    if (op->type == IOCP_TYPE_CLOSE || op->type == IOCP_TYPE_CANCEL) {
        return IOCP_ENOTSUP;
    }
    if (op->phase == IOC_PHASE_READY) {
        return IOCP_ENOENT;
    }
    if (delay_ns == IOC_FOREVER) {
        ioc_heap_clear(&ops->deadlines, &op->deadline);
        return IOCP_OK;
    }
    return ioc_heap_set(&ops->deadlines, &op->deadline,
                        ioc_add_saturated(ioc_ops_update_now(ops), delay_ns));
}

void ioc_op_set_referenced(ioc_ops *ops, ioc_op *op, bool referenced)
{
    if (op->is_referenced == referenced) {
        return;
    }
    op->is_referenced = referenced;
    if (referenced) {
        ops->active++;
    } else {
        IOC_ASSERT(ops->active > 0);
        ops->active--;
    }
}
