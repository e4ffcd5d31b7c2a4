/* Socket options: one table, and the two slots of ioc_backend that read and write them. */
#ifndef IOC_OPTIONS_H
#define IOC_OPTIONS_H

#include "../overlapped.h"

int ioc_options_set(ioc_port *port, ioc_handle *handle, iocp_socket_option_t option, int value);
int ioc_options_get(ioc_port *port, ioc_handle *handle, iocp_socket_option_t option, int *value);

/*
 * Whether the next receive fails if nobody listened where a datagram was sent, or it went too far.
 */
int ioc_options_report_unreachable(ioc_win_port *port, SOCKET socket, bool is_reported);

#endif
