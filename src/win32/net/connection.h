/* How connections begin and end: ACCEPT, CONNECT, SHUTDOWN. Slots of ioc_win_kind. */
#ifndef IOC_CONNECTION_H
#define IOC_CONNECTION_H

#include "../overlapped.h"

ioc_start ioc_connection_start_accept(ioc_port *port, ioc_op *op);
bool ioc_connection_accepted(ioc_port *port, ioc_op *op);

ioc_start ioc_connection_start_connect(ioc_port *port, ioc_op *op);
bool ioc_connection_connected(ioc_port *port, ioc_op *op);

ioc_start ioc_connection_start_shutdown(ioc_port *port, ioc_op *op);

#endif
