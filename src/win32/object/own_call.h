/*
 * A call of the program's own, on any handle: the program makes it, with the operation's OVERLAPPED,
 * and what it answers is taken as that of a call of ours.
 */
#ifndef IOC_OWN_CALL_H
#define IOC_OWN_CALL_H

#include "../overlapped.h"

/* Slots of ioc_win_kind. */
ioc_start ioc_own_call_start(ioc_port *port, ioc_op *op);
bool ioc_own_call_complete(ioc_port *port, ioc_op *op);

#endif
