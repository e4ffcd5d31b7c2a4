/* Sockets: the slots of ioc_backend for them, and the starters of their operations. */
#ifndef IOC_SOCKET_H
#define IOC_SOCKET_H

#include "overlapped.h"

int ioc_socket_open(ioc_port *port, ioc_handle *handle, int family, int type, int protocol);
int ioc_socket_adopt(ioc_port *port, ioc_handle *handle, uintptr_t socket);
int ioc_socket_detach(ioc_port *port, ioc_handle *handle, uintptr_t *socket);
int ioc_socket_bind(ioc_port *port, ioc_handle *handle, const struct sockaddr *address,
                    size_t length);
int ioc_socket_listen(ioc_port *port, ioc_handle *handle, int backlog);
int ioc_socket_name(ioc_port *port, ioc_handle *handle, bool peer, struct sockaddr *address,
                    size_t *length);
int ioc_socket_set_option(ioc_port *port, ioc_handle *handle, iocp_socket_option_t option,
                          int value);
int ioc_socket_get_option(ioc_port *port, ioc_handle *handle, iocp_socket_option_t option,
                          int *value);
int ioc_socket_join(ioc_port *port, ioc_handle *handle, bool leave, const struct sockaddr *group,
                    size_t length, uint32_t interface_index);
void ioc_socket_close(ioc_port *port, ioc_handle *handle);

/* See ioc_backend.start. */
ioc_start ioc_socket_start(ioc_port *port, ioc_op *op);

#endif
