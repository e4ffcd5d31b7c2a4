#include "handle.h"

#include <string.h>

void ioc_handles_init(ioc_handles *handles, ioc_alloc *alloc, ioc_ops *ops)
{
    handles->ops = ops;
    ioc_slab_init(&handles->slab, alloc, ops->backend->handle_bytes,
                  ioc_slab_tag(&handles->slab, ops->now_ns));
}

void ioc_handles_deinit(ioc_handles *handles)
{
    uint32_t cursor = 0;
    for (ioc_handle *handle; (handle = ioc_slab_next(&handles->slab, &cursor)) != NULL;) {
        ioc_handle_free(handles, handle);
    }
    ioc_slab_deinit(&handles->slab);
}

ioc_handle *ioc_handle_new(ioc_handles *handles, ioc_handle_kind kind)
{
    ioc_handle *handle = ioc_slab_take(&handles->slab);
    if (handle == NULL) {
        return NULL;
    }
    memset(handle, 0, handles->ops->backend->handle_bytes);
    handle->kind = kind;
    ioc_list_init(&handle->operations);
    ioc_list_init(&handle->moves);
    ioc_list_init(&handle->shutdowns);
    ioc_list_init(&handle->drains);
    return handle;
}

void ioc_handle_free(ioc_handles *handles, ioc_handle *handle)
{
    IOC_ASSERT(ioc_list_is_empty(&handle->operations));
    if (handle->is_open) {
        handles->ops->backend->handle_close(handles->ops->port, handle);
    }
    ioc_slab_give(&handles->slab, handle);
}

ioc_handle *ioc_handle_find(const ioc_handles *handles, iocp_handle_t id)
{
    ioc_handle *handle = ioc_slab_find(&handles->slab, id.id);
    bool is_usable = handle != NULL && handle->is_open && handle->close == NULL;
    return is_usable ? handle : NULL;
}

iocp_handle_t ioc_handle_id(const ioc_handle *handle)
{
    return (iocp_handle_t){.id = handle != NULL ? ioc_slab_id(handle) : 0};
}

/* ---- What is queued to go out ---- */

static bool handle__goes_out(const ioc_op *op)
{
    return op->type == IOCP_TYPE_SEND || op->type == IOCP_TYPE_SENDTO ||
           op->type == IOCP_TYPE_WRITE || op->type == IOCP_TYPE_PWRITE;
}

static uint64_t handle__outgoing_bytes(const ioc_op *op)
{
    uint64_t bytes = 0;
    if (op->type == IOCP_TYPE_SENDTO) {
        return op->as.addressed.one.length;
    }
    if (op->type != IOCP_TYPE_SEND) {
        return op->as.transfer.one.length;
    }
    for (uint32_t i = 0; i < op->as.buffers.count; i++) {
        bytes += op->as.buffers.list[i].length;
    }
    return bytes;
}

void ioc_handle_add_outgoing(ioc_op *op)
{
    ioc_handle *handle = op->handle;
    if (!handle__goes_out(op)) {
        return;
    }
    handle->queued_bytes += handle__outgoing_bytes(op);
    if (handle->queued_bytes > handle->most_queued_bytes) {
        handle->most_queued_bytes = handle->queued_bytes;
    }
}

/* Let those go on that waited for less to be queued. */
static void handle__run_drains(ioc_handles *handles, ioc_handle *handle)
{
    ioc_link *next = NULL;
    for (ioc_link *link = handle->drains.ends.next; link != &handle->drains.ends; link = next) {
        ioc_op *op = IOC_CONTAINER_OF(link, ioc_op, link);
        next = link->next;
        if (handle->queued_bytes <= op->as.drain.bytes) {
            ioc_op_finish(handles->ops, op, IOCP_OK);
        }
    }
}

static void handle__gone_out(ioc_handles *handles, ioc_op *op)
{
    ioc_handle *handle = op->handle;
    uint64_t bytes = handle__outgoing_bytes(op);
    IOC_ASSERT(handle->queued_bytes >= bytes);
    handle->queued_bytes -= bytes;
    handle__run_drains(handles, handle);
}

void ioc_handle_start_drain(ioc_handles *handles, ioc_op *op)
{
    if (op->handle->queued_bytes <= op->as.drain.bytes) {
        ioc_op_finish(handles->ops, op, IOCP_OK);
    } else {
        ioc_op_park(op, &op->handle->drains);
    }
}

/* ---- Starts ---- */

void ioc_handle_enter(ioc_handle *handle, ioc_op *op)
{
    IOC_ASSERT(handle->close == NULL);
    op->handle = handle;
    ioc_list_push(&handle->operations, &op->sibling);
    ioc_handle_add_outgoing(op);
}

void ioc_handle_start_accept(ioc_handles *handles, ioc_op *op)
{
    op->as.accept.handle = ioc_handle_new(handles, op->handle->kind);
    if (op->as.accept.handle == NULL) {
        ioc_op_finish(handles->ops, op, IOCP_ENOMEM);
        return;
    }
    ioc_op_start_in_kernel(handles->ops, op);
}

void ioc_handle_start_send(ioc_handles *handles, ioc_op *op)
{
    if (!ioc_list_is_empty(&op->handle->shutdowns)) {
        ioc_op_finish(handles->ops, op, IOCP_EPIPE);
        return;
    }
    op->handle->sends++;
    op->as.buffers.is_in_sends = true;
    ioc_op_start_in_kernel(handles->ops, op);
}

static void handle__count_send(ioc_handles *handles, ioc_op *op)
{
    if (!op->as.buffers.is_in_sends) {
        return;
    }
    ioc_handle *handle = op->handle;
    op->as.buffers.is_in_sends = false;
    IOC_ASSERT(handle->sends > 0);
    handle->sends--;
    while (handle->sends == 0 && !ioc_list_is_empty(&handle->shutdowns)) {
        ioc_op *shutdown = IOC_CONTAINER_OF(ioc_list_first(&handle->shutdowns), ioc_op, link);
        /* At once, so that no send that is queued already comes between. */
        ioc_op_start_in_kernel(handles->ops, shutdown);
    }
}

void ioc_handle_start_shutdown(ioc_handles *handles, ioc_op *op)
{
    if (op->as.shutdown.how != IOCP_SHUTDOWN_RECV && op->handle->sends > 0) {
        ioc_op_park(op, &op->handle->shutdowns);
    } else {
        ioc_op_start_in_kernel(handles->ops, op);
    }
}

/*
 * Which operations go one after the other. On a file reads and writes: where the next one goes is
 * known only when the last one has ended. On a stream or pipe those that receive: one that is done
 * at once would call back before an earlier one whose packet is still in the port.
 */
static bool handle__takes_turns(const ioc_op *op)
{
    switch (op->handle->kind) {
    case IOC_HANDLE_FILE:
        return op->type == IOCP_TYPE_READ || op->type == IOCP_TYPE_WRITE;
    case IOC_HANDLE_STREAM:
        return op->type == IOCP_TYPE_RECV;
    case IOC_HANDLE_PIPE:
        return op->type == IOCP_TYPE_READ;
    case IOC_HANDLE_DATAGRAM:
        break;
    }
    return false;
}

void ioc_handle_start_move(ioc_handles *handles, ioc_op *op)
{
    ioc_handle *handle = op->handle;
    if (handle__takes_turns(op)) {
        if (handle->mover != NULL && handle->mover != op) {
            handles->ops->counters.starts--; /* not yet */
            ioc_op_park(op, &handle->moves);
            return;
        }
        handle->mover = op;
    }
    if (handle->kind == IOC_HANDLE_FILE) {
        bool is_append = handle->is_append && op->type == IOCP_TYPE_WRITE;
        op->as.transfer.offset = is_append ? IOC_OFFSET_END : handle->position;
    }
    ioc_op_start_in_kernel(handles->ops, op);
}

bool ioc_handle_is_moving(const ioc_handle *handle)
{
    const ioc_link *end = &handle->operations.ends;
    for (const ioc_link *link = end->next; link != end; link = link->next) {
        const ioc_op *op = IOC_CONTAINER_OF(link, ioc_op, sibling);
        bool is_move = op->type == IOCP_TYPE_READ || op->type == IOCP_TYPE_WRITE;
        if (is_move && op->phase != IOC_PHASE_DELIVERING) {
            return true;
        }
    }
    return false;
}

static void handle__moved(ioc_handles *handles, ioc_op *op)
{
    ioc_handle *handle = op->handle;
    if (handle->kind == IOC_HANDLE_FILE && op->as.transfer.offset != IOC_OFFSET_END) {
        handle->position += op->outcome.bytes;
    }
    ioc_link *link = ioc_list_first(&handle->moves);
    ioc_op *next = link != NULL ? IOC_CONTAINER_OF(link, ioc_op, link) : NULL;
    handle->mover = next; /* from now on, so that one that is queued already does not overtake it */
    if (next != NULL) {
        ioc_op_unpark(handles->ops, next); /* in the next turn, so that a callback can cancel it */
    }
}

/* ---- Ends ---- */

/* The connection belongs to the program now, or there is none. A rearmed accept gets a new one. */
static void handle__release_accepted(ioc_handles *handles, ioc_op *op)
{
    ioc_handle *accepted = op->as.accept.handle;
    op->as.accept.handle = NULL;
    if (accepted == NULL) {
        return;
    }
    if (op->outcome.status == IOCP_OK) {
        accepted->is_open = true;
    } else {
        ioc_handle_free(handles, accepted);
    }
}

void ioc_handle_before_callback(ioc_handles *handles, ioc_op *op)
{
    if (op->handle == NULL) {
        return;
    }
    if (op->handle->mover == op) {
        handle__moved(handles, op);
    }
    if (op->type == IOCP_TYPE_SEND) {
        handle__count_send(handles, op);
    }
    if (handle__goes_out(op)) {
        handle__gone_out(handles, op);
    } else if (op->type == IOCP_TYPE_ACCEPT) {
        handle__release_accepted(handles, op);
    } else if (op->type == IOCP_TYPE_CLOSE) {
        ioc_handle_free(handles, op->handle);
        op->handle = NULL;
    }
}

void ioc_handle_leave(ioc_handles *handles, ioc_op *op)
{
    ioc_handle *handle = op->handle;
    ioc_link_remove(&op->sibling);
    if (handle->close != NULL) {
        ioc_handle_settle(handles, handle);
    }
}

void ioc_handle_shut_gate(ioc_handle *handle, ioc_op *close)
{
    IOC_ASSERT(handle->close == NULL);
    close->handle = handle;
    handle->close = close;
}

void ioc_handle_settle(ioc_handles *handles, ioc_handle *handle)
{
    /*
     * Its close must have had its turn, too: it may still be queued when the last callback returns.
     */
    if (!ioc_list_is_empty(&handle->operations) || handle->close->phase != IOC_PHASE_PARKED) {
        return;
    }
    if (handle->is_open) {
        handles->ops->backend->handle_close(handles->ops->port, handle);
        handle->is_open = false;
    }
    ioc_op_finish(handles->ops, handle->close, IOCP_OK);
}
