/* Data on sockets: SEND, RECV, SENDTO, RECVFROM. Slots of ioc_win_kind. */
#ifndef IOC_MESSAGE_H
#define IOC_MESSAGE_H

#include "../overlapped.h"

ioc_start ioc_message_start_send(ioc_port *port, ioc_op *op);
ioc_start ioc_message_start_recv(ioc_port *port, ioc_op *op);
ioc_start ioc_message_start_sendto(ioc_port *port, ioc_op *op);
ioc_start ioc_message_start_recvfrom(ioc_port *port, ioc_op *op);

bool ioc_message_received(ioc_port *port, ioc_op *op);
bool ioc_message_received_from(ioc_port *port, ioc_op *op);
bool ioc_message_received_lent(ioc_port *port, ioc_op *op);

/* ioc_backend.receive_now. */
ioc_start ioc_message_receive_now(ioc_port *port, ioc_op *op);

/* ioc_backend.socket_try_send. */
int ioc_message_try_send(ioc_port *port, ioc_handle *handle, const iocp_buf_t *buffers,
                         uint32_t count, uint64_t *sent);

#endif
