/*
 * Datagrams with what goes beside their data: SENDMSG, RECVMSG. Slots of ioc_win_kind.
 *
 * The WSAMSG and the control data are in the operation's block (ioc_datagram.backend), since the
 * kernel writes to both when it ends a receive. The control data is that of IPv4 or of IPv6 by what
 * goes over the wire, so on a dual stack socket the peer decides.
 */
#ifndef IOC_WSAMSG_H
#define IOC_WSAMSG_H

#include "../overlapped.h"

ioc_start ioc_wsamsg_start_send(ioc_port *port, ioc_op *op);
ioc_start ioc_wsamsg_start_recv(ioc_port *port, ioc_op *op);

bool ioc_wsamsg_received(ioc_port *port, ioc_op *op);

#endif
