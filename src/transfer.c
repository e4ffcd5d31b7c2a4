#include "transfer.h"

#include <string.h>

/* ---- Parameters ---- */

const iocp_buf_t *ioc_transfer_buffers(const ioc_op *op)
{
    const ioc_transfer *transfer = ioc_transfer_of(op);
    return transfer->count > 1
               ? (const iocp_buf_t *)(void *)((unsigned char *)op->block + transfer->list_at)
               : &transfer->one;
}

static void transfer__count(ioc_op *op, const iocp_buf_t *buffers, size_t count)
{
    ioc_transfer *transfer = ioc_transfer_of(op);
    uint32_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += buffers[i].length;
    }
    transfer->one = buffers[0];
    transfer->count = (uint32_t)count;
    transfer->bytes = bytes;
}

int ioc_transfer_set_buffers(ioc_ops *ops, ioc_op *op, const iocp_buf_t *buffers, size_t count)
{
    transfer__count(op, buffers, count);
    return count > 1 ? ioc_op_copy(ops, op, buffers, count * sizeof *buffers) : IOCP_OK;
}

int ioc_transfer_set_buffers_behind(ioc_ops *ops, ioc_op *op, size_t before,
                                    const iocp_buf_t *buffers, size_t count)
{
    size_t list_bytes = count > 1 ? count * sizeof *buffers : 0;
    transfer__count(op, buffers, count);
    ioc_transfer_of(op)->list_at = before;
    int status = ioc_op_take_block(ops, op, before + list_bytes);
    if (status == IOCP_OK) {
        memset(op->block, 0, before);
        memcpy((unsigned char *)op->block + before, buffers, list_bytes);
    }
    return status;
}

int ioc_transfer_set_address(ioc_ops *ops, ioc_op *op, const struct sockaddr *address,
                             size_t length)
{
    ioc_transfer_of(op)->address_length = length;
    return ioc_op_copy(ops, op, address, length);
}

void ioc_transfer_replace(ioc_op *op, void *data, uint32_t size)
{
    ioc_transfer *transfer = ioc_transfer_of(op);
    transfer->one = (iocp_buf_t){.length = size, .base = data};
    transfer->count = 1;
    transfer->bytes = size;
}

/* ---- What is queued to go out ---- */

void ioc_transfer_add_queued(ioc_handle *handle, uint64_t bytes)
{
    handle->queued_bytes += bytes;
    if (handle->queued_bytes > handle->most_queued_bytes) {
        handle->most_queued_bytes = handle->queued_bytes;
    }
}

void ioc_transfer_queued(ioc_ops *ops, ioc_op *op)
{
    (void)ops;
    if ((op->kind->traits & IOC_KIND_OUT) != 0) {
        ioc_transfer_add_queued(op->handle, ioc_transfer_of(op)->bytes);
    }
}

static ioc_op *transfer__first_shutdown(const ioc_handle *handle)
{
    ioc_link *link = handle->parked != NULL ? ioc_list_first(&handle->parked->shutdowns) : NULL;
    return link != NULL ? IOC_CONTAINER_OF(link, ioc_op, link) : NULL;
}

static ioc_op *transfer__first_send(const ioc_handle *handle)
{
    ioc_link *link = handle->parked != NULL ? ioc_list_first(&handle->parked->sends) : NULL;
    return link != NULL ? IOC_CONTAINER_OF(link, ioc_op, link) : NULL;
}

static ioc_op *transfer__first_drain(const ioc_handle *handle)
{
    ioc_link *link = handle->parked != NULL ? ioc_list_first(&handle->parked->drains) : NULL;
    return link != NULL ? IOC_CONTAINER_OF(link, ioc_op, link) : NULL;
}

/* Let those go on that waited for less to be queued. */
static void transfer__end_drains(ioc_ops *ops, const ioc_handle *handle)
{
    for (ioc_op *drain; (drain = transfer__first_drain(handle)) != NULL &&
                        handle->queued_bytes <= ioc_drain_of(drain)->bytes;) {
        ioc_op_finish(ops, drain, IOCP_OK);
    }
}

static void transfer__gone_out(ioc_ops *ops, ioc_op *op, uint64_t bytes)
{
    ioc_handle *handle = op->handle;
    IOC_ASSERT(handle->queued_bytes >= bytes);
    handle->queued_bytes -= bytes;
    handle->bytes_out += op->outcome.bytes;
    transfer__end_drains(ops, handle);
}

/*
 * Behind those that are content with as much or more, so that only those are looked at that go on.
 * Programs have a limit or two: the place is found at once.
 */
static void drain__park(ioc_op *op, ioc_list *drains)
{
    ioc_link *before = drains->ends.previous;
    while (before != &drains->ends &&
           ioc_drain_of(IOC_CONTAINER_OF(before, ioc_op, link))->bytes < ioc_drain_of(op)->bytes) {
        before = before->previous;
    }
    ioc_op_park(op, NULL);
    ioc_list_insert_behind(before, &op->link);
}

void ioc_drain_start(ioc_ops *ops, ioc_op *op)
{
    if (op->handle->queued_bytes <= ioc_drain_of(op)->bytes) {
        ioc_op_finish(ops, op, IOCP_OK);
        return;
    }
    ioc_parked *parked = ioc_handle_parked(ops, op);
    if (parked != NULL) {
        drain__park(op, &parked->drains);
    }
}

/* ---- Starts ---- */

static bool transfer__may_go(const ioc_handle *handle, const ioc_op *op)
{
    bool goes_alone = (op->kind->traits & IOC_KIND_ALONE) != 0;
    return handle->sends == 0 || !(goes_alone || handle->is_alone);
}

static void transfer__go(ioc_ops *ops, ioc_op *op)
{
    ioc_handle *handle = op->handle;
    handle->sends++;
    handle->is_alone = (op->kind->traits & IOC_KIND_ALONE) != 0;
    op->is_counted = true;
    ioc_op_start_in_kernel(ops, op);
}

void ioc_transfer_start_send(ioc_ops *ops, ioc_op *op)
{
    ioc_handle *handle = op->handle;
    if (transfer__first_shutdown(handle) != NULL) {
        ioc_op_finish(ops, op, IOCP_EPIPE);
        return;
    }
    if (transfer__first_send(handle) == NULL && transfer__may_go(handle, op)) {
        transfer__go(ops, op);
        return;
    }
    ioc_parked *parked = ioc_handle_parked(ops, op);
    if (parked != NULL) {
        ioc_op_park(op, &parked->sends);
    }
}

/* The file system would write behind the end, and nowhere else. */
void ioc_transfer_start_pwrite(ioc_ops *ops, ioc_op *op)
{
    if (op->handle->is_append) {
        ioc_op_finish(ops, op, IOCP_ENOTSUP); /* it was queued before anybody knew */
    } else {
        ioc_op_start_in_kernel(ops, op);
    }
}

void ioc_transfer_start_move(ioc_ops *ops, ioc_op *op)
{
    const ioc_handle *handle = op->handle;
    if (handle->kind == IOCP_HANDLE_FILE) {
        bool is_append = handle->is_append && (op->kind->traits & IOC_KIND_OUT) != 0;
        ioc_transfer_of(op)->offset = is_append ? IOC_OFFSET_END : handle->position;
    }
    ioc_op_start_in_kernel(ops, op);
}

static bool transfer__moves(const ioc_op *op)
{
    return op->handle->kind == IOCP_HANDLE_FILE && ioc_op_takes_turns(op);
}

static bool transfer__goes_out(const ioc_op *op)
{
    return (op->kind->traits & IOC_KIND_OUT) != 0;
}

/* Whether there is such an operation whose callback has not begun. */
static bool transfer__has(const ioc_handle *handle, bool (*is_such)(const ioc_op *op))
{
    const ioc_link *end = &handle->operations.ends;
    for (const ioc_link *link = end->next; link != end; link = link->next) {
        const ioc_op *op = IOC_CONTAINER_OF(link, ioc_op, sibling);
        if (op->phase != IOC_PHASE_DELIVERING && is_such(op)) {
            return true;
        }
    }
    return false;
}

bool ioc_transfer_is_moving(const ioc_handle *handle)
{
    return transfer__has(handle, transfer__moves);
}

/* The books count bytes. What has none is looked for. */
bool ioc_transfer_is_sending(const ioc_handle *handle)
{
    return handle->queued_bytes > 0 || transfer__has(handle, transfer__goes_out);
}

static bool transfer__has_sent_all(const ioc_handle *handle)
{
    return handle->sends == 0 && transfer__first_send(handle) == NULL;
}

void ioc_shutdown_start(ioc_ops *ops, ioc_op *op)
{
    if (ioc_shutdown_of(op)->how == IOCP_SHUTDOWN_RECV || transfer__has_sent_all(op->handle)) {
        ioc_op_start_in_kernel(ops, op);
        return;
    }
    ioc_parked *parked = ioc_handle_parked(ops, op);
    if (parked != NULL) {
        ioc_op_park(op, &parked->shutdowns);
    }
}

/* ---- Ends ---- */

void ioc_transfer_settle(ioc_op *op)
{
    uint32_t asked = ioc_transfer_of(op)->bytes;
    uint32_t on = IOC_ON(op->handle->kind);
    if (op->outcome.bytes == 0 && asked > 0 && (op->kind->ends_by_zero & on) != 0) {
        op->outcome.status = IOCP_EOF;
    } else if (op->outcome.bytes < asked && (op->kind->is_whole & on) != 0) {
        op->outcome.status = IOCP_ECONNABORTED; /* the rest went nowhere */
    }
}

void ioc_transfer_tell_sender(const ioc_op *op, iocp_result_t *result)
{
    result->address = op->block;
    result->address_length = (size_t)ioc_transfer_of(op)->address_length;
}

/* At once, so that no send that is queued already comes between. */
static void transfer__start_sends(ioc_ops *ops, const ioc_handle *handle)
{
    for (ioc_op *send;
         (send = transfer__first_send(handle)) != NULL && transfer__may_go(handle, send);) {
        if (ioc_op_can_start(ops, send)) {
            transfer__go(ops, send);
        } else {
            ioc_op_finish(ops, send, IOCP_ECANCELED);
        }
    }
}

/* Likewise. */
static void transfer__start_shutdowns(ioc_ops *ops, const ioc_handle *handle)
{
    for (ioc_op *shutdown;
         transfer__has_sent_all(handle) && (shutdown = transfer__first_shutdown(handle)) != NULL;) {
        if (ioc_op_can_start(ops, shutdown)) {
            ioc_op_start_in_kernel(ops, shutdown);
        } else {
            ioc_op_finish(ops, shutdown, IOCP_ECANCELED);
        }
    }
}

/* One that was taken back while it waited may have been what the others waited for. */
static void transfer__send_ended(ioc_ops *ops, ioc_op *op)
{
    ioc_handle *handle = op->handle;
    if (op->is_counted) {
        IOC_ASSERT(handle->sends > 0);
        handle->sends--;
        op->is_counted = false;
    }
    if (handle->parked != NULL) {
        transfer__start_sends(ops, handle);
        transfer__start_shutdowns(ops, handle);
    }
}

void ioc_transfer_has_gone_out(ioc_ops *ops, ioc_op *op, uint64_t bytes)
{
    transfer__send_ended(ops, op);
    transfer__gone_out(ops, op, bytes);
}

void ioc_transfer_ended(ioc_ops *ops, ioc_op *op)
{
    ioc_handle *handle = op->handle;
    if (handle->mover == op && handle->kind == IOCP_HANDLE_FILE &&
        ioc_transfer_of(op)->offset != IOC_OFFSET_END) {
        handle->position += op->outcome.bytes;
    }
    ioc_handle_pass_turn(ops, op);
    if ((op->kind->traits & IOC_KIND_OUT) != 0) {
        ioc_transfer_has_gone_out(ops, op, ioc_transfer_of(op)->bytes);
    } else {
        handle->bytes_in += op->outcome.bytes;
    }
}
