/*
 * Ending operations early: a cancel, a close, a deadline and the loop's end are one mechanism.
 *
 * Why there is exactly one callback, whatever races with whatever:
 *
 *  - All decisions are made on the loop thread. The only party that acts at the same time is the
 *    kernel, and it speaks only through packets, which the loop thread takes from the port.
 *  - Not in the kernel (QUEUED, TIMED, PARKED): the operation is taken out of its list and is
 *    READY with the reason. Nobody else refers to it.
 *  - In the kernel: the reason is recorded first, then the kernel is asked. Nothing else changes:
 *    only the packet makes it READY, or the backend's word that none will come. If the operation
 *    was quicker, CancelIoEx finds nothing, or finds it and the packet says success: then the
 *    outcome is that success, with its bytes. If the packet says "aborted", the recorded reason is
 *    the status; without a recorded reason somebody else aborted it, and the status is
 *    IOCP_ECONNABORTED.
 *  - READY or DELIVERING: the outcome is settled. The cancel is for the operation, though, and not
 *    for one run of it: it is kept (ioc_op.is_cancelled), as is one in the kernel that the packet
 *    does not answer, and if the callback rearms the operation is not started but has one more
 *    callback, with IOCP_ECANCELED.
 *  - A stale id finds no operation at all (IOCP_ENOENT): a slot that is used again has another
 *    generation.
 *
 * The first reason stays: a cancel after a deadline has fired does not change IOCP_ETIMEDOUT.
 *
 * A close, and the loop's end, ask for the end of everything on a handle by one request to the
 * kernel. What is not in the kernel they end by themselves: at most a batch in each turn, so that
 * neither becomes a long call whatever is pending. Nothing starts on a handle that is closing or in
 * a loop that ends, so nothing slips through meanwhile.
 */
#ifndef IOC_CANCEL_H
#define IOC_CANCEL_H

#include "handle.h"

typedef struct ioc_cancel {
    iocp_op_t target;
} ioc_cancel;

_Static_assert(sizeof(ioc_cancel) <= sizeof(uint64_t), "its parameters fit");

static inline ioc_cancel *ioc_cancel_of(const ioc_op *op)
{
    return ioc_op_small_parameters(op);
}

/* Slots of ioc_kind: of a cancel and of a close. */
void ioc_cancel_start(ioc_ops *ops, ioc_op *op);
void ioc_cancel_start_close(ioc_ops *ops, ioc_op *op);

/*
 * Ask one operation to end with `reason` (IOCP_ECANCELED or IOCP_ETIMEDOUT). NULL: it has ended.
 * 0: asked or done. IOCP_ENOENT: it has ended. IOCP_ENOTSUP: a close. Else: the kernel refused, and
 * the operation goes on as if nothing had been asked.
 */
int ioc_cancel_op(ioc_ops *ops, ioc_op *op, int reason);

/*
 * The same with the next queued cancels, for a cancel that nobody is told of: that is not an
 * operation, but a line in a note, in the order of the calls. It cannot fail: where there is no
 * memory for a note it is carried out at once.
 */
void ioc_cancel_note(ioc_ops *ops, iocp_op_t target);

/* Whether a cancel or a close has something to do. */
static inline bool ioc_cancel_is_queued(const ioc_ops *ops)
{
    return !ioc_list_is_empty(&ops->cancels) || !ioc_list_is_empty(&ops->notes) ||
           !ioc_list_is_empty(&ops->closing);
}

/*
 * Carry out the queued cancels and closes, for closes at most `limit` operations; then deadlines
 * that have passed, at most `limit`.
 */
void ioc_cancel_run_queued(ioc_ops *ops, uint32_t limit);
void ioc_cancel_run_deadlines(ioc_ops *ops, uint32_t limit);

typedef enum ioc_ending {
    IOC_ENDING_GOES_ON, /* there are more: call again in the next turn */
    IOC_ENDING_REFUSED, /* the system did not take some requests: call again later */
    IOC_ENDING_ASKED
} ioc_ending;

/* The loop's end: ask at most `limit` of its operations to end. */
ioc_ending ioc_cancel_run_ending(ioc_ops *ops, uint32_t limit);

#endif
