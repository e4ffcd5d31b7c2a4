#include "overlapped.h"

#include "errmap.h"

#include <string.h>

OVERLAPPED *ioc_overlapped_prepare(ioc_op *op, ioc_complete_fn complete)
{
    ioc_win_op *win_op = ioc_win_op_of(op);
    memset(&win_op->overlapped, 0, sizeof win_op->overlapped);
    win_op->complete = complete;
    win_op->flags = 0;
    return &win_op->overlapped;
}

static void overlapped__take_outcome(ioc_port *port, ioc_win_op *win_op)
{
    ioc_outcome *outcome = &win_op->op.outcome;
    outcome->status =
        ioc_errmap_from_status((uint32_t)win_op->overlapped.Internal, &outcome->native_error);
    outcome->bytes = win_op->overlapped.InternalHigh;
    if (win_op->complete != NULL) {
        win_op->complete(port, &win_op->op);
    }
}

static bool overlapped__is_warning(uint32_t error)
{
    return error == WSAEMSGSIZE || error == ERROR_MORE_DATA;
}

ioc_start ioc_overlapped_started(ioc_port *port, ioc_op *op, bool failed, uint32_t error)
{
    if (failed && error == ERROR_IO_PENDING) { /* which is also WSA_IO_PENDING */
        return IOC_START_PENDING;
    }
    if (failed && !overlapped__is_warning(error)) {
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

ioc_op *ioc_overlapped_ended(ioc_port *port, OVERLAPPED *overlapped)
{
    ioc_win_op *win_op = IOC_CONTAINER_OF(overlapped, ioc_win_op, overlapped);
    overlapped__take_outcome(port, win_op);
    return &win_op->op;
}
