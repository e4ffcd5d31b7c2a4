#include "connection.h"

#include "../errmap.h"
#include "accept.h"
#include "family.h"
#include "socket.h"
#include "transfer.h"
#include "winsock.h"

#include <string.h>

_Static_assert(2 * (sizeof(ioc_unix_address) + 16) <= IOC_ACCEPT_ROOM_BYTES,
               "AcceptEx's buffer fits");

static void connection__fail(ioc_win_port *port, ioc_op *op)
{
    uint32_t error = (uint32_t)port->sys->WSAGetLastError();
    op->outcome = (ioc_outcome){.status = ioc_errmap_from_native(error), .native_error = error};
}

/* ---- Accept ---- */

/* AcceptEx wants 16 bytes more for each address. */
static DWORD accept__size(const ioc_win_handle *listener)
{
    return (DWORD)listener->family->address_size + 16;
}

ioc_start ioc_connection_start_accept(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    ioc_win_handle *listener = ioc_win_handle_of(op->handle);
    ioc_win_handle *accepted = ioc_win_opened_by(op);
    if (!ioc_socket_open_accepted(port, listener, accepted)) {
        return ioc_overlapped_failed(op, (uint32_t)port->sys->WSAGetLastError());
    }
    OVERLAPPED *overlapped = ioc_overlapped_prepare(op);
    DWORD size = accept__size(listener);
    const ioc_winsock_functions *functions = ioc_winsock_functions_of(port, listener->family);
    BOOL is_done = functions->AcceptEx(listener->socket, accepted->socket, ioc_accept_of(op)->room,
                                       0, size, size, &ioc_win_op_of(op)->bytes, overlapped);
    uint32_t error = is_done ? 0 : (uint32_t)port->sys->WSAGetLastError();
    ioc_start start = ioc_overlapped_started(base, op, !is_done, error);
    if (start == IOC_START_FAILED) {
        ioc_socket_close(port, accepted);
    }
    return start;
}

/* A connection that went before it was accepted: that is no fault of the listener's. */
static bool accept__is_lost(const ioc_op *op)
{
    switch (op->outcome.status) {
    case IOCP_ECONNRESET:
    case IOCP_ECONNABORTED:
    case IOCP_ENOTCONN:
    case IOCP_ENETRESET:
    case IOCP_ETIMEDOUT:
        return true;
    default: /* of all codes */
        return false;
    }
}

static bool accept__may_go_on(const ioc_win_port *port, const ioc_op *op)
{
    return op->intent == 0 && ioc_op_can_start(port->ops, op);
}

/* ioc_token.take: wait for the next one, unless somebody has asked for the end meanwhile. */
static ioc_link *accept__again(ioc_win_port *port, ioc_token *token)
{
    ioc_op *op = ioc_overlapped_op_of(token);
    if (!accept__may_go_on(port, op)) {
        op->outcome = (ioc_outcome){.status = IOCP_ECANCELED};
        return &op->link;
    }
    return ioc_connection_start_accept(&port->base, op) == IOC_START_PENDING ? NULL : &op->link;
}

static void accept__tell_peer(const ioc_win_port *port, ioc_op *op)
{
    const ioc_win_handle *listener = ioc_win_handle_of(op->handle);
    ioc_accept *accept = ioc_accept_of(op);
    struct sockaddr *local = NULL;
    struct sockaddr *peer = NULL;
    int local_length = 0;
    int peer_length = 0;
    DWORD size = accept__size(listener);
    ioc_winsock_functions_of(port, listener->family)
        ->GetAcceptExSockaddrs(accept->room, 0, size, size, &local, &local_length, &peer,
                               &peer_length);
    accept->address = peer;
    accept->address_length = (uint32_t)ioc_family_measure(listener->family, peer, peer_length);
}

/*
 * Without SO_UPDATE_ACCEPT_CONTEXT the new socket does not know that it is connected: shutdown and
 * getpeername fail on it.
 */
bool ioc_connection_accepted(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    ioc_win_handle *listener = ioc_win_handle_of(op->handle);
    ioc_win_handle *accepted = ioc_win_opened_by(op);
    if (op->outcome.status == IOCP_OK &&
        port->sys->setsockopt(accepted->socket, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT,
                              (const char *)&listener->socket, sizeof listener->socket) != 0) {
        connection__fail(port, op);
    }
    if (op->outcome.status == IOCP_OK) {
        accept__tell_peer(port, op);
        return true;
    }
    ioc_socket_close(port, accepted);
    if (accept__is_lost(op) && accept__may_go_on(port, op)) {
        ioc_overlapped_defer(base, op, accept__again);
        return false;
    }
    return true;
}

/* ---- Connect ---- */

/* Of a stream: that of a datagram socket ends within its call. */
bool ioc_connection_connected(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    SOCKET socket = ioc_win_handle_of(op->handle)->socket;
    if (op->outcome.status == IOCP_OK &&
        port->sys->setsockopt(socket, SOL_SOCKET, SO_UPDATE_CONNECT_CONTEXT, NULL, 0) != 0) {
        connection__fail(port, op);
    }
    return true;
}

/*
 * ConnectEx wants a bound socket. One that was bound before it was adopted says WSAEINVAL. Without
 * SO_REUSE_UNICASTPORT all such sockets share some 16 000 ports, whatever they connect to; systems
 * that do not know it refuse it, and that is all.
 */
static bool connect__bind_to_any(ioc_win_port *port, ioc_win_handle *handle)
{
    SOCKADDR_STORAGE any;
    BOOL reuses = TRUE;
    if (handle->is_bound) {
        return true;
    }
    memset(&any, 0, sizeof any);
    ((struct sockaddr *)(void *)&any)->sa_family = (u_short)handle->family->number;
    if (handle->family->has_ports) {
        (void)port->sys->setsockopt(handle->socket, SOL_SOCKET, SO_REUSE_UNICASTPORT,
                                    (const char *)&reuses, (int)sizeof reuses);
    }
    handle->is_bound = port->sys->bind(handle->socket, (const struct sockaddr *)&any,
                                       handle->family->any_size) == 0 ||
                       port->sys->WSAGetLastError() == WSAEINVAL;
    return handle->is_bound;
}

/*
 * Windows asks a closed port three times, for two seconds, before it believes it. On this machine no
 * segment gets lost, so once is enough. A refusal changes nothing but that, and a provider that does
 * not know the request is not asked again.
 */
static void connect__ask_once(ioc_win_port *port, const ioc_win_handle *handle)
{
    ioc_initial_rto rto = {.rtt = IOC_RTO_UNSPECIFIED_RTT,
                           .max_syn_retransmissions = IOC_RTO_NO_RETRANSMISSIONS};
    bool *has_none = &ioc_winsock_functions_of(port, handle->family)->has_no_initial_rto;
    *has_none = *has_none || (!ioc_winsock_request(port->sys, handle->socket, SIO_TCP_INITIAL_RTO,
                                                   &rto, sizeof rto) &&
                              port->sys->WSAGetLastError() == WSAEOPNOTSUPP);
}

static int connect__address_length(const ioc_op *op)
{
    return (int)ioc_transfer_of(op)->address_length;
}

/* A datagram socket only notes its peer: nothing to wait for. */
static ioc_start connect__name_peer(ioc_win_port *port, ioc_op *op)
{
    SOCKET socket = ioc_win_handle_of(op->handle)->socket;
    if (port->sys->connect(socket, op->block, connect__address_length(op)) != 0) {
        return ioc_overlapped_failed(op, (uint32_t)port->sys->WSAGetLastError());
    }
    return ioc_overlapped_done(op);
}

static bool connect__is_loopback(const ioc_win_handle *handle, const ioc_op *op)
{
    const struct sockaddr *address = op->block;
    return handle->family->has_ports && address->sa_family == handle->family->number &&
           connect__address_length(op) >= handle->family->address_size &&
           handle->family->is_loopback(address);
}

ioc_start ioc_connection_start_connect(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    ioc_win_handle *handle = ioc_win_handle_of(op->handle);
    if (handle->handle.kind == IOCP_HANDLE_DATAGRAM) {
        return connect__name_peer(port, op);
    }
    if (!connect__bind_to_any(port, handle)) {
        return ioc_overlapped_failed(op, (uint32_t)port->sys->WSAGetLastError());
    }
    if (connect__is_loopback(handle, op)) {
        connect__ask_once(port, handle);
    }
    OVERLAPPED *overlapped = ioc_overlapped_prepare(op);
    BOOL is_done = ioc_winsock_functions_of(port, handle->family)
                       ->ConnectEx(handle->socket, op->block, connect__address_length(op), NULL, 0,
                                   NULL, overlapped);
    uint32_t error = is_done ? 0 : (uint32_t)port->sys->WSAGetLastError();
    return ioc_overlapped_started(base, op, !is_done, error);
}

/* ---- Shutdown ---- */

ioc_start ioc_connection_start_shutdown(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    SOCKET socket = ioc_win_handle_of(op->handle)->socket;
    int how = SD_BOTH;
    switch (ioc_shutdown_of(op)->how) {
    case IOCP_SHUTDOWN_RECV:
        how = SD_RECEIVE;
        break;
    case IOCP_SHUTDOWN_SEND:
        how = SD_SEND;
        break;
    case IOCP_SHUTDOWN_BOTH:
        break;
    }
    if (port->sys->shutdown(socket, how) != 0) {
        return ioc_overlapped_failed(op, (uint32_t)port->sys->WSAGetLastError());
    }
    return ioc_overlapped_done(op);
}
