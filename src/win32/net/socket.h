/* Sockets: opening, adopting, names, closing. The slots of ioc_backend for them. */
#ifndef IOC_SOCKET_H
#define IOC_SOCKET_H

#include "../overlapped.h"

int ioc_socket_open(ioc_port *port, ioc_handle *handle, int family, int type, int protocol);
int ioc_socket_adopt(ioc_port *port, ioc_handle *handle, uintptr_t socket);
int ioc_socket_detach(ioc_port *port, ioc_handle *handle, uintptr_t *socket);
int ioc_socket_bind(ioc_port *port, ioc_handle *handle, const struct sockaddr *address,
                    size_t length);
int ioc_socket_listen(ioc_port *port, ioc_handle *handle, int backlog);
int ioc_socket_name(ioc_port *port, ioc_handle *handle, bool peer, struct sockaddr *address,
                    size_t *length);

/* Of a class of handles: see backend.c. */
int ioc_socket_join_port(ioc_win_port *port, ioc_win_handle *handle);
void ioc_socket_close(ioc_win_port *port, ioc_win_handle *handle);

/* A socket like the listener, which has asked its provider already. False: see WSAGetLastError. */
bool ioc_socket_open_accepted(ioc_win_port *port, const ioc_win_handle *listener,
                              ioc_win_handle *accepted);

#endif
