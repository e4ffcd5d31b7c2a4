/*
 * Taking over a handle of the program's: what it is, is asked on the pool (see handle.h), and joined
 * to the port when that is known.
 */
#ifndef IOC_ADOPT_H
#define IOC_ADOPT_H

#include "../overlapped.h"

/* The slot of ioc_backend. */
int ioc_adopt_handle(ioc_port *port, ioc_handle *handle, void *native);

/* Slots of ioc_win_kind, of the library's own operation. */
ioc_start ioc_adopt_start(ioc_port *port, ioc_op *op);
bool ioc_adopt_complete(ioc_port *port, ioc_op *op);

#endif
