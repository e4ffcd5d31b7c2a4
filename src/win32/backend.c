/* The IOCP backend as a table. The work is in port.c and socket.c. */
#include "backend.h"

#include "overlapped.h"
#include "port.h"
#include "socket.h"

static const ioc_backend iocp_backend = {
    .name = "iocp",
    .op_bytes = sizeof(ioc_win_op),
    .handle_bytes = sizeof(ioc_win_handle),
    .open = ioc_port_open,
    .close = ioc_port_close,
    .now = ioc_port_now,
    .thread_id = ioc_port_thread_id,
    .dequeue = ioc_port_dequeue,
    .wake = ioc_port_wake,
    .native = ioc_port_native,
    .start = ioc_socket_start,
    .cancel = ioc_socket_cancel,
    .socket_open = ioc_socket_open,
    .socket_adopt = ioc_socket_adopt,
    .socket_detach = ioc_socket_detach,
    .socket_bind = ioc_socket_bind,
    .socket_listen = ioc_socket_listen,
    .socket_name = ioc_socket_name,
    .socket_set_option = ioc_socket_set_option,
    .socket_get_option = ioc_socket_get_option,
    .socket_join = ioc_socket_join,
    .handle_native = ioc_socket_native,
    .handle_close = ioc_socket_close,
};

const ioc_backend *ioc_backend_default(void)
{
    return &iocp_backend;
}
