#include "overlapped.h"

#include "errmap.h"
#include "port.h"

#include <string.h>

#define OVERLAPPED_SEVERITY_WARNING 2u
#define OVERLAPPED_STATUS_CANCELLED 0xC0000120u

OVERLAPPED *ioc_overlapped_prepare(ioc_op *op, ioc_complete_fn complete)
{
    ioc_win_op *win_op = ioc_win_op_of(op);
    memset(&win_op->overlapped, 0, sizeof win_op->overlapped);
    win_op->complete = complete;
    win_op->flags = 0;
    win_op->bytes = 0;
    win_op->address_length = 0;
    return &win_op->overlapped;
}

void ioc_overlapped_prepare_posted(ioc_op *op, ioc_port *port, ioc_complete_fn complete)
{
    ioc_overlapped_prepare(op, complete)->Pointer = port;
}

ioc_win_port *ioc_overlapped_port(const ioc_op *op)
{
    return ioc_win_port_of(((const ioc_win_op *)(const void *)op)->overlapped.Pointer);
}

int ioc_overlapped_join(ioc_win_port *port, ioc_win_handle *handle, bool may_skip)
{
    if (handle->is_associated) {
        return IOCP_OK;
    }
    int status = ioc_port_associate(port, handle->native);
    if (status != IOCP_OK) {
        return status;
    }
    handle->is_associated = true;
    /* A refusal is no error: packets come then. */
    handle->skips_packets = may_skip && port->sys->SetFileCompletionNotificationModes(
                                            handle->native, FILE_SKIP_COMPLETION_PORT_ON_SUCCESS |
                                                                FILE_SKIP_SET_EVENT_ON_HANDLE);
    return IOCP_OK;
}

/*
 * Closing a handle ends what is pending on it with a status that varies (aborted, disconnected, no
 * such handle). That this program closed it is known better here than from any of these; a reset
 * stays a reset, and a success is one.
 */
static void overlapped__explain_close(ioc_win_op *win_op)
{
    ioc_outcome *outcome = &win_op->op.outcome;
    bool is_closed = win_op->op.handle != NULL &&
                     ioc_win_handle_of(win_op->op.handle)->native == INVALID_HANDLE_VALUE;
    if (is_closed && outcome->status != IOCP_OK && outcome->status != IOCP_ECONNRESET) {
        outcome->status = IOCP_ECANCELED;
    }
}

static bool overlapped__is_socket(const ioc_win_op *win_op)
{
    const ioc_handle *handle = win_op->op.handle;
    return handle != NULL &&
           (handle->kind == IOC_HANDLE_STREAM || handle->kind == IOC_HANDLE_DATAGRAM);
}

static void overlapped__take_outcome(ioc_port *port, ioc_win_op *win_op)
{
    ioc_outcome *outcome = &win_op->op.outcome;
    outcome->status = ioc_errmap_from_status((uint32_t)win_op->overlapped.Internal,
                                             overlapped__is_socket(win_op), &outcome->native_error);
    outcome->bytes = win_op->overlapped.InternalHigh;
    overlapped__explain_close(win_op);
    if (win_op->complete != NULL) {
        win_op->complete(port, &win_op->op);
    }
}

/*
 * A call that fails with a warning has transferred something, and its packet is queued as for a
 * success. The same code may come from a check of the arguments: then nothing took place, and the
 * OVERLAPPED is as it was prepared.
 */
static bool overlapped__took_place(const ioc_win_op *win_op)
{
    return (uint32_t)win_op->overlapped.Internal >> 30 == OVERLAPPED_SEVERITY_WARNING;
}

ioc_start ioc_overlapped_started(ioc_port *port, ioc_op *op, bool failed, uint32_t error)
{
    if (failed && error == ERROR_IO_PENDING) { /* which is also WSA_IO_PENDING */
        return IOC_START_PENDING;
    }
    if (failed && !overlapped__took_place(ioc_win_op_of(op))) {
        return ioc_overlapped_failed(op, error);
    }
    if (!ioc_win_handle_of(op->handle)->skips_packets) {
        return IOC_START_PENDING;
    }
    overlapped__take_outcome(port, ioc_win_op_of(op));
    return IOC_START_DONE;
}

ioc_start ioc_overlapped_done(ioc_op *op)
{
    op->outcome = (ioc_outcome){.status = IOCP_OK};
    return IOC_START_DONE;
}

ioc_start ioc_overlapped_failed(ioc_op *op, uint32_t error)
{
    op->outcome = (ioc_outcome){.status = ioc_errmap_from_native(error), .native_error = error};
    return IOC_START_FAILED;
}

/* ERROR_NOT_FOUND: it has ended, its packet is on the way. So it is once the handle is closed. */
int ioc_overlapped_cancel(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    HANDLE native = ioc_win_handle_of(op->handle)->native;
    if (native == INVALID_HANDLE_VALUE) {
        return IOCP_OK;
    }
    if (port->sys->CancelIoEx(native, &ioc_win_op_of(op)->overlapped)) {
        return IOCP_OK;
    }
    DWORD error = port->sys->GetLastError();
    return error == ERROR_NOT_FOUND ? IOCP_OK : ioc_port_fail(port, error);
}

ioc_op *ioc_overlapped_ended(ioc_port *port, OVERLAPPED *overlapped)
{
    ioc_win_op *win_op = IOC_CONTAINER_OF(overlapped, ioc_win_op, overlapped);
    overlapped__take_outcome(port, win_op);
    return &win_op->op;
}

void ioc_overlapped_settle_cancelled(ioc_op *op)
{
    ioc_win_op_of(op)->overlapped.Internal = OVERLAPPED_STATUS_CANCELLED;
}

void ioc_overlapped_abort(ioc_port *port, ioc_op *op)
{
    ioc_overlapped_settle_cancelled(op);
    overlapped__take_outcome(port, ioc_win_op_of(op));
}
