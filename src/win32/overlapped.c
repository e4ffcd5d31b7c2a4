#include "overlapped.h"

#include "errmap.h"

#include <string.h>

#define OVERLAPPED_SEVERITY_WARNING 2u
#define OVERLAPPED_STATUS_CANCELLED 0xC0000120u

static ioc_win_op *overlapped__op_of(ioc_token *token)
{
    return IOC_CONTAINER_OF(token, ioc_win_op, token);
}

/* ---- The end ---- */

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
           (handle->kind == IOCP_HANDLE_STREAM || handle->kind == IOCP_HANDLE_DATAGRAM);
}

static void overlapped__read_outcome(ioc_win_op *win_op)
{
    const OVERLAPPED *overlapped = &win_op->token.overlapped;
    ioc_outcome *outcome = &win_op->op.outcome;
    outcome->status = ioc_errmap_from_status((uint32_t)overlapped->Internal,
                                             overlapped__is_socket(win_op), &outcome->native_error);
    outcome->bytes = overlapped->InternalHigh;
    overlapped__explain_close(win_op);
}

static void overlapped__close_part(ioc_win_port *port, ioc_part *part)
{
    (void)port;
    (void)part;
}

/* False: it goes on. */
static bool overlapped__settle(ioc_win_port *port, ioc_win_op *win_op)
{
    const ioc_overlapped *overlapped =
        IOC_CONTAINER_OF(ioc_port_part(port, overlapped__close_part), ioc_overlapped, part);
    overlapped__read_outcome(win_op);
    return overlapped->kind_of(&win_op->op)->complete(&port->base, &win_op->op);
}

/* ioc_token.take */
static ioc_link *overlapped__take(ioc_win_port *port, ioc_token *token)
{
    ioc_win_op *win_op = overlapped__op_of(token);
    return overlapped__settle(port, win_op) ? &win_op->op.link : NULL;
}

/* ---- Markers ---- */

/* ioc_token.take: a marker is on its way, and what comes before it does not count. */
static ioc_link *overlapped__take_nothing(ioc_win_port *port, ioc_token *token)
{
    (void)port;
    (void)token;
    return NULL;
}

static ioc_link *overlapped__mark(ioc_win_port *port, ioc_token *token)
{
    const ioc_overlapped *overlapped =
        IOC_CONTAINER_OF(ioc_port_part(port, overlapped__close_part), ioc_overlapped, part);
    if (port->sys->PostQueuedCompletionStatus(port->port, 0, (ULONG_PTR)&overlapped->markers,
                                              &token->overlapped)) {
        token->take = overlapped__take_nothing;
    } else {
        token->take = overlapped__mark; /* again, when it is taken from the returned */
        ioc_port_return(port, token);
    }
    return NULL;
}

/* ---- Packets ---- */

/* Whether an OVERLAPPED is that of an operation in the kernel. It need not be anything. */
static bool overlapped__is_ours(const ioc_win_port *port, const ioc_token *token)
{
    const ioc_op *op = (const ioc_op *)((uintptr_t)token - offsetof(ioc_win_op, token));
    return ioc_slab_owns(&port->ops->slab, op) && op->phase == IOC_PHASE_KERNEL;
}

/* One that is still to be marked is in the queue of the returned: it is not taken here. */
static ioc_link *overlapped__take_packet(ioc_win_port *port, ioc_source *source,
                                         const OVERLAPPED_ENTRY *entry, ioc_dequeued *dequeued)
{
    ioc_token *token = IOC_CONTAINER_OF(entry->lpOverlapped, ioc_token, overlapped);
    (void)source;
    if (!overlapped__is_ours(port, token)) {
        dequeued->foreign++;
        return NULL;
    }
    return token->take != overlapped__mark ? token->take(port, token) : NULL;
}

static ioc_link *overlapped__take_marker(ioc_win_port *port, ioc_source *source,
                                         const OVERLAPPED_ENTRY *entry, ioc_dequeued *dequeued)
{
    ioc_token *token = IOC_CONTAINER_OF(entry->lpOverlapped, ioc_token, overlapped);
    (void)source;
    if (!overlapped__is_ours(port, token) || token->take != overlapped__take_nothing) {
        dequeued->foreign++; /* somebody has guessed the key */
        return NULL;
    }
    return overlapped__take(port, token);
}

void ioc_overlapped_attach(ioc_overlapped *overlapped, ioc_win_port *port, ioc_win_kind_fn kind_of)
{
    overlapped->kind_of = kind_of;
    overlapped->markers.take = overlapped__take_marker;
    port->tokens.take = overlapped__take_packet;
    ioc_port_attach(port, &overlapped->part, overlapped__close_part);
    ioc_port_add_source(port, &overlapped->markers);
}

/* ---- The start ---- */

OVERLAPPED *ioc_overlapped_prepare(ioc_op *op)
{
    ioc_win_op *win_op = ioc_win_op_of(op);
    memset(&win_op->token.overlapped, 0, sizeof win_op->token.overlapped);
    win_op->token.take = overlapped__take;
    return &win_op->token.overlapped;
}

void ioc_overlapped_prepare_posted(ioc_op *op, ioc_port *port)
{
    ioc_overlapped_prepare(op)->Pointer = port;
}

ioc_win_port *ioc_overlapped_port(const ioc_op *op)
{
    return ioc_win_port_of(ioc_win_op_of(op)->token.overlapped.Pointer);
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
    /* Whether the event of a file object is set others may rely on, if there are others. */
    UCHAR modes = (UCHAR)(FILE_SKIP_COMPLETION_PORT_ON_SUCCESS |
                          (handle->is_adopted ? 0 : FILE_SKIP_SET_EVENT_ON_HANDLE));
    /* A refusal is no error: packets come then. */
    handle->skips_packets =
        handle->skips_packets ||
        (may_skip && port->sys->SetFileCompletionNotificationModes(handle->native, modes));
    return IOCP_OK;
}

/*
 * A call that fails with a warning has transferred something. The same code may come from a check
 * of the arguments: then nothing took place, and the OVERLAPPED is as it was prepared.
 */
static bool overlapped__is_warning(const ioc_win_op *win_op)
{
    return (uint32_t)win_op->token.overlapped.Internal >> 30 == OVERLAPPED_SEVERITY_WARNING;
}

ioc_start ioc_overlapped_started(ioc_port *base, ioc_op *op, bool failed, uint32_t error)
{
    ioc_win_port *port = ioc_win_port_of(base);
    ioc_win_op *win_op = ioc_win_op_of(op);
    if (failed && error == ERROR_IO_PENDING) { /* which is also WSA_IO_PENDING */
        return IOC_START_PENDING;
    }
    if (failed && overlapped__is_warning(win_op)) {
        (void)overlapped__mark(port, &win_op->token);
        return IOC_START_PENDING;
    }
    if (failed) {
        return ioc_overlapped_failed(op, error);
    }
    if (!ioc_win_handle_of(op->handle)->skips_packets) {
        return IOC_START_PENDING;
    }
    return overlapped__settle(port, win_op) ? IOC_START_DONE : IOC_START_PENDING;
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

ioc_start ioc_overlapped_failed_nt(ioc_op *op, LONG nt_status)
{
    uint32_t native_error;
    (void)ioc_errmap_from_status((uint32_t)nt_status, false, &native_error);
    return ioc_overlapped_failed(op, native_error);
}

/* ---- Cancels ---- */

/*
 * ERROR_NOT_FOUND: what there was has ended, its packets are on the way. So it is once the handle
 * is closed.
 */
static int overlapped__cancel(ioc_win_port *port, HANDLE native, OVERLAPPED *overlapped)
{
    if (native == INVALID_HANDLE_VALUE || port->sys->CancelIoEx(native, overlapped)) {
        return IOCP_OK;
    }
    DWORD error = port->sys->GetLastError();
    return error == ERROR_NOT_FOUND ? IOCP_OK : ioc_port_fail(port, error);
}

int ioc_overlapped_cancel(ioc_port *port, ioc_op *op, bool *is_back)
{
    (void)is_back;
    return ioc_overlapped_cancel_call(ioc_win_port_of(port), ioc_win_handle_of(op->handle)->native,
                                      op);
}

int ioc_overlapped_cancel_call(ioc_win_port *port, HANDLE native, ioc_op *op)
{
    return overlapped__cancel(port, native, &ioc_win_op_of(op)->token.overlapped);
}

int ioc_overlapped_cancel_all(ioc_port *port, ioc_handle *handle)
{
    return overlapped__cancel(ioc_win_port_of(port), ioc_win_handle_of(handle)->native, NULL);
}

ioc_start ioc_overlapped_settled(ioc_port *port, ioc_op *op)
{
    /* As it was prepared: a success. */
    (void)overlapped__settle(ioc_win_port_of(port), ioc_win_op_of(op));
    return IOC_START_DONE;
}

ioc_start ioc_overlapped_at_once(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    if (port->completion_mode != IOCP_COMPLETION_PACKET) {
        return ioc_overlapped_settled(base, op);
    }
    ioc_port_post_back(port, &ioc_win_op_of(op)->token);
    return IOC_START_PENDING;
}

void ioc_overlapped_abort(ioc_port *port, ioc_op *op)
{
    ioc_win_op_of(op)->token.overlapped.Internal = OVERLAPPED_STATUS_CANCELLED;
    (void)overlapped__settle(ioc_win_port_of(port), ioc_win_op_of(op));
}

void ioc_overlapped_defer(ioc_port *port, ioc_op *op,
                          ioc_link *(*take)(ioc_win_port *port, ioc_token *token))
{
    ioc_win_op_of(op)->token.take = take;
    ioc_port_post_back(ioc_win_port_of(port), &ioc_win_op_of(op)->token);
}

/* ---- What most kinds do ---- */

bool ioc_overlapped_complete(ioc_port *port, ioc_op *op)
{
    (void)port;
    (void)op;
    return true;
}

void ioc_overlapped_release(ioc_port *port, ioc_op *op)
{
    (void)port;
    (void)op;
}
