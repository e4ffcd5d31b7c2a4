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
 *  - READY or DELIVERING: the outcome is settled and the cancel comes too late (IOCP_ENOENT).
 *  - A stale id finds no operation at all (IOCP_ENOENT): a slot that is used again has another
 *    generation.
 *
 * The first reason stays: a cancel after a deadline has fired does not change IOCP_ETIMEDOUT.
 */
#ifndef IOC_CANCEL_H
#define IOC_CANCEL_H

#include "handle.h"

/*
 * Ask one operation to end with `reason` (IOCP_ECANCELED or IOCP_ETIMEDOUT). NULL: it has ended.
 * 0: asked or done. IOCP_ENOENT: too late. IOCP_ENOTSUP: a close. Else: the kernel refused, and
 * the operation goes on as if nothing had been asked.
 */
int ioc_cancel_op(ioc_ops *ops, ioc_op *op, int reason);

/*
 * Ask for the end of everything on a handle, or of everything. Where the kernel refuses to cancel,
 * closing the kernel object is its other way to end what is pending. The second returns false if
 * something on no handle was refused: then it has to be called again later.
 */
void ioc_cancel_handle(ioc_ops *ops, ioc_handle *handle);
bool ioc_cancel_all(ioc_ops *ops);

/* Carry out the queued cancels and closes, then the deadlines that have passed. */
void ioc_cancel_run_queued(ioc_ops *ops, ioc_handles *handles);
void ioc_cancel_run_deadlines(ioc_ops *ops);

#endif
