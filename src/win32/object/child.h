/*
 * Starting a program, on the pool: CreateProcessW may take seconds.
 *
 * What the program asked for is copied and converted by the call, into a *plan* that the operation
 * keeps. The child inherits a list of handles, and no others. Those that it gets as its streams are
 * copies, which can be inherited only while CreateProcessW runs.
 */
#ifndef IOC_CHILD_H
#define IOC_CHILD_H

#include "../overlapped.h"

/* Slots of ioc_backend. */
int ioc_child_plan(ioc_port *port, ioc_op *op, const iocp_spawn_options_t *options,
                   ioc_handle *const *ends);
void ioc_child_ended(ioc_port *port, ioc_op *op);

/* Slots of ioc_win_kind. */
ioc_start ioc_child_start(ioc_port *port, ioc_op *op);
bool ioc_child_started(ioc_port *port, ioc_op *op);
void ioc_child_release(ioc_port *port, ioc_op *op);

#endif
