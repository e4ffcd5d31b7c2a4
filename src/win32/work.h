/*
 * Functions that block, on the process's thread pool; a packet brings the operation back.
 *
 * Each has a work object of its own, so that one that has not begun can be taken back at once: a
 * cancel and the pool's thread race for ioc_win_op.state. If the cancel is quicker the function
 * does not run, and the operation is back by the cancel, once the pool has nothing of it any more.
 */
#ifndef IOC_WORK_H
#define IOC_WORK_H

#include "overlapped.h"
#include "watch.h"

/* Run ioc_work_of(op) on the pool. Slots of ioc_win_kind. */
ioc_start ioc_work_start(ioc_port *port, ioc_op *op);
int ioc_work_cancel(ioc_port *port, ioc_op *op, bool *is_back);
bool ioc_work_complete(ioc_port *port, ioc_op *op);

#endif
