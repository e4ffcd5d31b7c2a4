#include "own_call.h"

#include "call.h"

#define OWN_CALL_STATUS_BUFFER_OVERFLOW 0x80000005u

/*
 * ReadDirectoryChangesW says TRUE when it has begun, and others may: whether a call has ended is what
 * the OVERLAPPED says. A handle that skips packets gets one for a call that had not ended.
 */
static bool own_call__has_only_begun(const OVERLAPPED *overlapped)
{
    return (LONG)overlapped->Internal == IOC_NT_PENDING;
}

ioc_start ioc_own_call_start(ioc_port *port, ioc_op *op)
{
    const ioc_call *call = ioc_call_of(op);
    OVERLAPPED *overlapped = ioc_overlapped_prepare(op);
    uint32_t error = call->start(ioc_win_handle_of(op->handle)->native, overlapped, call->arg);
    if (error == 0 && own_call__has_only_begun(overlapped)) {
        error = ERROR_IO_PENDING;
    }
    return ioc_overlapped_started(port, op, error != 0, error);
}

/*
 * There was more than there was room for. The rest of a datagram is lost; that of a pipe's message
 * waits, and what a device has more it says in its own way.
 */
bool ioc_own_call_complete(ioc_port *port, ioc_op *op)
{
    (void)port;
    if ((uint32_t)ioc_win_op_of(op)->token.overlapped.Internal == OWN_CALL_STATUS_BUFFER_OVERFLOW) {
        op->outcome = (ioc_outcome){.status = IOCP_OK, .bytes = op->outcome.bytes};
        op->flags |=
            op->handle->kind == IOCP_HANDLE_DATAGRAM ? IOCP_RESULT_TRUNCATED : IOCP_RESULT_MORE;
    }
    return true;
}
