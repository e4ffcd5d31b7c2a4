/*
 * Functions that block, on the process's thread pool; a packet brings the operation back.
 *
 * Each has a work object of its own, so that one that has not begun can be taken back at once: a
 * cancel and the pool's thread race for ioc_win_op.state. If the cancel is quicker the function
 * does not run, and the operation is back by the cancel, once the pool has nothing of it any more.
 *
 * A function of the library's own that waits in a call of the system's can be asked to end while it
 * runs (CancelSynchronousIo). Whoever asks holds the thread in the function until that is done, so that
 * it never meets what the thread does next. What comes of it the function says: that call may have
 * been over, or not begun.
 */
#ifndef IOC_WORK_H
#define IOC_WORK_H

#include "overlapped.h"
#include "watch.h"

/* Run ioc_work_of(op) on the pool. Slots of ioc_win_kind. */
ioc_start ioc_work_start(ioc_port *port, ioc_op *op);
int ioc_work_cancel(ioc_port *port, ioc_op *op, bool *is_back);
int ioc_work_cancel_call(ioc_port *port, ioc_op *op, bool *is_back); /* also one that runs */
bool ioc_work_complete(ioc_port *port, ioc_op *op);

/* A work object of the pool's, for a unit that has a use of its own for one. NULL: see GetLastError. */
PTP_WORK ioc_work_create(const ioc_sys *sys, PTP_WORK_CALLBACK function, void *context);

/*
 * Work on the handle of an operation. The pool's thread has one of its own to the same file: should
 * the system refuse to cancel something else on it, closing the handle is the other way (see
 * cancel.c), and would pull it away under the thread.
 */
ioc_start ioc_work_start_on_duplicate(ioc_port *port, ioc_op *op, iocp_work_fn function);

/* For the function, whose argument is the operation: it closes what it takes. */
HANDLE ioc_work_take_duplicate(ioc_op *op);

/* First in ioc_win_kind.complete. False: it did not run. */
bool ioc_work_complete_on_duplicate(ioc_port *port, ioc_op *op);

#endif
