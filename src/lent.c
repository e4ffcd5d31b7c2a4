#include "lent.h"

static ioc_buffers *lent__pool(const ioc_op *op)
{
    return ioc_transfer_of(op)->pool;
}

static void *lent__buffer(const ioc_op *op)
{
    return ioc_transfer_of(op)->one.base;
}

/* What the next receive of it has: a buffer of its pool, or none. */
static void lent__equip(ioc_op *op, void *buffer)
{
    ioc_transfer *transfer = ioc_transfer_of(op);
    transfer->bytes = buffer != NULL ? transfer->pool->size : 0;
    transfer->one = (iocp_buf_t){.length = transfer->bytes, .base = buffer};
    transfer->count = 1;
}

int ioc_lent_set(ioc_ops *ops, ioc_op *op, ioc_buffers *pool)
{
    ioc_transfer_of(op)->pool = pool;
    lent__equip(op, NULL);
    bool has_sender = op->handle->kind == IOCP_HANDLE_DATAGRAM;
    return has_sender ? ioc_op_take_block(ops, op, sizeof(ioc_lent_sender)) : IOCP_OK;
}

/* ---- Buffers come back ---- */

static void lent__free_if_unused(ioc_buffers *pool)
{
    if (pool->is_destroyed && pool->taken == 0) {
        ioc_buffers_free(pool);
    }
}

/* One that is taken, and nobody's any more. */
static void lent__pass_on(ioc_ops *ops, ioc_buffers *pool, void *buffer)
{
    ioc_link *link = ioc_list_first(&pool->waiting);
    if (link == NULL) {
        ioc_buffers_give(pool, buffer);
        lent__free_if_unused(pool);
        return;
    }
    ioc_op *oldest = IOC_CONTAINER_OF(link, ioc_op, link);
    lent__equip(oldest, buffer);
    ioc_op_unpark(ops, oldest);
}

int ioc_lent_return(ioc_ops *ops, ioc_buffers *pool, void *data)
{
    if (!ioc_buffers_take_back(pool, data)) {
        return IOCP_EINVAL;
    }
    ops->counters.lent--;
    lent__pass_on(ops, pool, data);
    return IOCP_OK;
}

size_t ioc_lent_waiting(const ioc_buffers *pool)
{
    size_t count = 0;
    for (const ioc_link *link = pool->waiting.ends.next; link != &pool->waiting.ends;
         link = link->next) {
        count++;
    }
    return count;
}

/* ---- A run ---- */

/* There is data. True: it waits for a buffer, or the kernel has it. */
static bool lent__receive(ioc_ops *ops, ioc_op *op)
{
    if (lent__buffer(op) == NULL) {
        lent__equip(op, ioc_buffers_take(lent__pool(op)));
    }
    if (lent__buffer(op) == NULL) {
        ioc_op_park(op, &lent__pool(op)->waiting);
        return true;
    }
    op->flags = 0; /* of the one before */
    if (op->is_empty) {
        op->outcome = (ioc_outcome){.status = IOCP_OK};
        return false;
    }
    return ioc_op_try_in_kernel(ops, op) == IOC_START_PENDING;
}

/* As lent__receive, where it is not known yet that there is data. */
static bool lent__wait(ioc_ops *ops, ioc_op *op)
{
    ioc_start start = ioc_op_try_in_kernel(ops, op);
    op->handle->is_busy = start == IOC_START_DONE && op->handle->kind == IOCP_HANDLE_STREAM;
    return start == IOC_START_PENDING || (start == IOC_START_DONE && lent__receive(ops, op));
}

/* True: it is done, or has failed. A buffer that was of no use is nobody's a moment later. */
static bool lent__receive_now(ioc_ops *ops, ioc_op *op)
{
    ioc_buffers *pool = lent__pool(op);
    void *buffer = op->handle->is_busy ? ioc_buffers_take(pool) : NULL;
    if (buffer == NULL) {
        return false;
    }
    lent__equip(op, buffer);
    if (ioc_op_try_receive_now(ops, op) == IOC_START_DONE || op->outcome.status != IOCP_EAGAIN) {
        return true;
    }
    lent__equip(op, NULL);
    ioc_buffers_give(pool, buffer);
    return false;
}

void ioc_lent_start(ioc_ops *ops, ioc_op *op)
{
    if (lent__buffer(op) != NULL) { /* one that has come back: this is no new run */
        ops->counts[op->kind->type].started--;
        if (!lent__receive(ops, op)) {
            ioc_op_finish_at_last(ops, op);
        }
        return;
    }
    if (lent__receive_now(ops, op) || !lent__wait(ops, op)) {
        ioc_op_finish_inline(ops, op);
    }
}

/* What it was asked to end for it says itself: that there is data is no answer to that. */
bool ioc_lent_goes_on(ioc_ops *ops, ioc_op *op)
{
    if (lent__buffer(op) != NULL || op->outcome.status != IOCP_OK) {
        return false;
    }
    if (op->intent != 0 || !ioc_op_can_start(ops, op)) {
        op->outcome = (ioc_outcome){.status = IOCP_ECANCELED};
        return false;
    }
    return lent__receive(ops, op);
}

void ioc_lent_tell(const ioc_op *op, iocp_result_t *result)
{
    const ioc_lent_sender *sender = op->block;
    result->data = lent__buffer(op);
    if (sender != NULL) {
        result->address = (const struct sockaddr *)(const void *)sender->address;
        result->address_length = sender->length;
    }
}

static void lent__let_go(ioc_ops *ops, ioc_op *op)
{
    ioc_buffers *pool = lent__pool(op);
    void *buffer = lent__buffer(op);
    ioc_transfer_of(op)->pool = op->is_orphan ? NULL : pool;
    lent__equip(op, NULL);
    if (op->outcome.status != IOCP_OK) {
        lent__pass_on(ops, pool, buffer);
        return;
    }
    ioc_buffers_lend(pool, buffer);
    ops->counters.lent++;
}

void ioc_lent_ended(ioc_ops *ops, ioc_op *op)
{
    op->is_empty = false;
    if (lent__buffer(op) != NULL) {
        lent__let_go(ops, op);
    }
    ioc_transfer_ended(ops, op);
}

/* ---- Pools ---- */

int ioc_lent_create_pool(ioc_ops *ops, ioc_alloc *alloc, iocp_loop_t *loop, size_t count,
                         size_t size, ioc_buffers **pool)
{
    ioc_buffers *created = ioc_buffers_new(alloc, loop, count, size);
    if (created == NULL) {
        return IOCP_ENOMEM;
    }
    ioc_list_push(&ops->pools, &created->link);
    *pool = created;
    return IOCP_OK;
}

/*
 * End a receive whose pool goes away. One in the kernel that the system refuses to end ends with the
 * next data, which stays where it is.
 */
static void lent__abandon(ioc_ops *ops, ioc_op *op)
{
    bool is_back = false;
    op->is_orphan = true; /* first, as any reason */
    if (lent__buffer(op) == NULL) {
        ioc_transfer_of(op)->pool = NULL;
    }
    switch (ioc_op_phase(op)) {
    case IOC_PHASE_QUEUED:
    case IOC_PHASE_PARKED:
        ioc_op_finish(ops, op, IOCP_ECANCELED);
        break;
    case IOC_PHASE_KERNEL:
        if (ops->backend->cancel(ops->port, op, &is_back) == IOCP_OK && is_back) {
            ioc_op_finish_from_backend(ops, op);
        }
        break;
    case IOC_PHASE_READY:
    case IOC_PHASE_DELIVERING:
        break;
    case IOC_PHASE_TIMED:
        IOC_ASSERT(false && "a receive is never there");
        break;
    }
}

/* Pools come and go seldom, so no operation has a place in a list of its pool's: all are looked at. */
void ioc_lent_destroy_pool(ioc_ops *ops, ioc_buffers *pool)
{
    uint32_t cursor = 0;
    pool->is_destroyed = true;
    for (ioc_op *op; (op = ioc_slab_next(&ops->slab, &cursor)) != NULL;) {
        if ((op->kind->traits & IOC_KIND_LENT) != 0 && lent__pool(op) == pool) {
            lent__abandon(ops, op);
        }
    }
    lent__free_if_unused(pool);
}

void ioc_lent_deinit(ioc_ops *ops)
{
    for (ioc_link *link; (link = ioc_list_first(&ops->pools)) != NULL;) {
        ioc_buffers_free(IOC_CONTAINER_OF(link, ioc_buffers, link));
    }
}
