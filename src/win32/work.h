/*
 * Functions that block, on the process's thread pool; a packet brings the operation back.
 *
 * A cancel and the pool's thread race for ioc_win_op.state: who changes it first decides whether
 * the function runs. The packet comes in either case, once the thread is through with the
 * operation.
 */
#ifndef IOC_WORK_H
#define IOC_WORK_H

#include "overlapped.h"

/* Run op->as.work on the pool. See ioc_backend.start and cancel. */
ioc_start ioc_work_start(ioc_port *port, ioc_op *op, ioc_complete_fn complete);
int ioc_work_cancel(ioc_port *port, ioc_op *op);

#endif
