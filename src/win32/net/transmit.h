/* A file on a socket: SENDFILE. Slots of ioc_win_kind. */
#ifndef IOC_TRANSMIT_H
#define IOC_TRANSMIT_H

#include "../overlapped.h"

ioc_start ioc_transmit_start(ioc_port *port, ioc_op *op);
bool ioc_transmit_sent(ioc_port *port, ioc_op *op);

#endif
