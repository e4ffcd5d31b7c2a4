#include "socket.h"

#include "errmap.h"
#include "port.h"

#include <string.h>

_Static_assert(sizeof(iocp_buf_t) == sizeof(WSABUF), "iocp_buf_t is laid out as WSABUF");
_Static_assert(offsetof(iocp_buf_t, length) == offsetof(WSABUF, len), "as WSABUF");
_Static_assert(offsetof(iocp_buf_t, base) == offsetof(WSABUF, buf), "as WSABUF");
_Static_assert(sizeof(SOCKADDR_STORAGE) <= IOC_BLOCK_BYTES, "a sender's address fits");
_Static_assert(2 * (sizeof(SOCKADDR_IN6) + 16) <= IOC_BLOCK_BYTES, "AcceptEx's buffer fits");

/* ---- Joining the port ---- */

static DWORD socket__address_size(const ioc_win_handle *handle)
{
    return handle->family == AF_INET6 ? sizeof(SOCKADDR_IN6) : sizeof(SOCKADDR_IN);
}

/* Associate, and skip packets where the mode and the provider allow it. Once in a socket's life. */
static int socket__join(ioc_win_port *port, ioc_win_handle *handle)
{
    bool may_skip = port->completion_mode == IOCP_COMPLETION_SKIP ||
                    (port->completion_mode == IOCP_COMPLETION_AUTO && handle->is_ifs);
    return ioc_overlapped_join(port, handle, may_skip);
}

static bool socket__switch(ioc_win_port *port, SOCKET socket, DWORD request, BOOL value)
{
    DWORD written = 0;
    return port->sys->WSAIoctl(socket, request, &value, sizeof value, NULL, 0, &written, NULL,
                               NULL) == 0;
}

/*
 * Whether the next receive fails if nobody listened where a datagram was sent, or it went too far.
 * Not if the system does not know the request: then it does not report it, either. The second of
 * the two requests came later than the first.
 */
static int socket__report_unreachable(ioc_win_port *port, SOCKET socket, bool is_reported)
{
    bool is_switched = socket__switch(port, socket, SIO_UDP_CONNRESET, is_reported);
    int status = is_switched || !is_reported ? IOCP_OK : ioc_port_fail_winsock(port);
    (void)socket__switch(port, socket, SIO_UDP_NETRESET, is_reported);
    return status;
}

/* What the loop must know of a socket before it can be used. */
static int socket__learn(ioc_win_port *port, ioc_win_handle *handle)
{
    WSAPROTOCOL_INFOW provider;
    if (handle->handle.kind == IOC_HANDLE_STREAM) {
        handle->functions =
            ioc_winsock_load(&port->winsock, port->sys, handle->socket, handle->family);
        if (handle->functions == NULL) {
            return ioc_port_fail_winsock(port);
        }
    }
    handle->is_ifs = port->completion_mode == IOCP_COMPLETION_AUTO &&
                     ioc_winsock_provider(port->sys, handle->socket, &provider) &&
                     (provider.dwServiceFlags1 & XP1_IFS_HANDLES) != 0;
    if (handle->handle.kind == IOC_HANDLE_DATAGRAM) {
        (void)socket__report_unreachable(port, handle->socket, false);
    }
    return socket__join(port, handle);
}

/* ---- Opening and closing ---- */

static int socket__set_kind(ioc_win_handle *handle, int family, int type)
{
    if (type != SOCK_STREAM && type != SOCK_DGRAM) {
        return IOCP_ENOTSUP;
    }
    if (family != AF_INET && family != AF_INET6) {
        return IOCP_EAFNOSUPPORT;
    }
    handle->handle.kind = type == SOCK_STREAM ? IOC_HANDLE_STREAM : IOC_HANDLE_DATAGRAM;
    handle->family = family;
    return IOCP_OK;
}

int ioc_socket_open(ioc_port *base, ioc_handle *core_handle, int family, int type, int protocol)
{
    ioc_win_port *port = ioc_win_port_of(base);
    ioc_win_handle *handle = ioc_win_handle_of(core_handle);
    int status = socket__set_kind(handle, family, type);
    if (status != IOCP_OK) {
        return status;
    }
    handle->socket = port->sys->WSASocketW(family, type, protocol, NULL, 0,
                                           WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
    if (handle->socket == INVALID_SOCKET) {
        return ioc_port_fail_winsock(port);
    }
    status = socket__learn(port, handle);
    if (status != IOCP_OK) {
        (void)port->sys->closesocket(handle->socket);
    }
    return status;
}

int ioc_socket_adopt(ioc_port *base, ioc_handle *core_handle, uintptr_t socket)
{
    ioc_win_port *port = ioc_win_port_of(base);
    ioc_win_handle *handle = ioc_win_handle_of(core_handle);
    WSAPROTOCOL_INFOW provider;
    handle->socket = (SOCKET)socket;
    if (!ioc_winsock_provider(port->sys, handle->socket, &provider)) {
        return ioc_port_fail_winsock(port);
    }
    int status = socket__set_kind(handle, provider.iAddressFamily, provider.iSocketType);
    if (status != IOCP_OK) {
        return status;
    }
    if (!port->sys->SetHandleInformation((HANDLE)handle->socket, HANDLE_FLAG_INHERIT, 0)) {
        return ioc_port_fail_last(port);
    }
    return socket__learn(port, handle);
}

static void socket__forget(ioc_win_port *port, ioc_win_handle *handle)
{
    handle->socket = INVALID_SOCKET;
    ioc_alloc_give(port->alloc, handle->provider);
    handle->provider = NULL;
}

int ioc_socket_detach(ioc_port *port, ioc_handle *core_handle, uintptr_t *socket)
{
    ioc_win_handle *handle = ioc_win_handle_of(core_handle);
    if (handle->is_associated) {
        return IOCP_EBUSY;
    }
    *socket = (uintptr_t)handle->socket;
    socket__forget(ioc_win_port_of(port), handle);
    return IOCP_OK;
}

void ioc_socket_close(ioc_port *base, ioc_handle *core_handle)
{
    ioc_win_port *port = ioc_win_port_of(base);
    ioc_win_handle *handle = ioc_win_handle_of(core_handle);
    if (handle->socket == INVALID_SOCKET) {
        return;
    }
    (void)port->sys->closesocket(handle->socket);
    socket__forget(port, handle);
}

/* ---- Names and options ---- */

int ioc_socket_bind(ioc_port *base, ioc_handle *core_handle, const struct sockaddr *address,
                    size_t length)
{
    ioc_win_port *port = ioc_win_port_of(base);
    ioc_win_handle *handle = ioc_win_handle_of(core_handle);
    if (port->sys->bind(handle->socket, address, (int)length) != 0) {
        return ioc_port_fail_winsock(port);
    }
    handle->is_bound = true;
    return IOCP_OK;
}

/* Of a listener, so that the sockets it accepts need not ask. */
static int socket__keep_provider(ioc_win_port *port, ioc_win_handle *handle)
{
    if (handle->provider != NULL) {
        return IOCP_OK;
    }
    WSAPROTOCOL_INFOW *provider = ioc_alloc_take(port->alloc, sizeof *provider);
    if (provider == NULL) {
        return IOCP_ENOMEM;
    }
    if (!ioc_winsock_provider(port->sys, handle->socket, provider)) {
        int status = ioc_port_fail_winsock(port);
        ioc_alloc_give(port->alloc, provider);
        return status;
    }
    handle->provider = provider;
    return IOCP_OK;
}

int ioc_socket_listen(ioc_port *base, ioc_handle *core_handle, int backlog)
{
    ioc_win_port *port = ioc_win_port_of(base);
    ioc_win_handle *handle = ioc_win_handle_of(core_handle);
    int status = socket__keep_provider(port, handle);
    if (status != IOCP_OK) {
        return status;
    }
    status = port->sys->listen(handle->socket, backlog > 0 ? backlog : SOMAXCONN);
    return status == 0 ? IOCP_OK : ioc_port_fail_winsock(port);
}

int ioc_socket_name(ioc_port *base, ioc_handle *core_handle, bool peer, struct sockaddr *address,
                    size_t *length)
{
    ioc_win_port *port = ioc_win_port_of(base);
    SOCKET socket = ioc_win_handle_of(core_handle)->socket;
    int size = *length < INT32_MAX ? (int)*length : INT32_MAX;
    int status = peer ? port->sys->getpeername(socket, address, &size)
                      : port->sys->getsockname(socket, address, &size);
    if (status != 0) {
        return ioc_port_fail_winsock(port);
    }
    *length = (size_t)size;
    return IOCP_OK;
}

typedef struct socket_option {
    int level;
    int name;
} socket_option;

/* Those whose value is an int; LINGER has a structure of its own. */
static socket_option socket__option(int family, iocp_socket_option_t option)
{
    bool is_ipv6 = family == AF_INET6;
    switch (option) {
    case IOCP_SOCKET_NODELAY:
        return (socket_option){IPPROTO_TCP, TCP_NODELAY};
    case IOCP_SOCKET_KEEPALIVE:
        return (socket_option){SOL_SOCKET, SO_KEEPALIVE};
    case IOCP_SOCKET_RECV_BUFFER:
        return (socket_option){SOL_SOCKET, SO_RCVBUF};
    case IOCP_SOCKET_SEND_BUFFER:
        return (socket_option){SOL_SOCKET, SO_SNDBUF};
    case IOCP_SOCKET_LINGER:
        return (socket_option){SOL_SOCKET, SO_LINGER};
    case IOCP_SOCKET_V6ONLY:
        return (socket_option){IPPROTO_IPV6, IPV6_V6ONLY};
    case IOCP_SOCKET_EXCLUSIVE:
        return (socket_option){SOL_SOCKET, (int)SO_EXCLUSIVEADDRUSE};
    case IOCP_SOCKET_REUSE_ADDRESS:
        return (socket_option){SOL_SOCKET, SO_REUSEADDR};
    case IOCP_SOCKET_ERROR:
        return (socket_option){SOL_SOCKET, SO_ERROR};
    case IOCP_SOCKET_BROADCAST:
        return (socket_option){SOL_SOCKET, SO_BROADCAST};
    case IOCP_SOCKET_MULTICAST_LOOP:
        return is_ipv6 ? (socket_option){IPPROTO_IPV6, IPV6_MULTICAST_LOOP}
                       : (socket_option){IPPROTO_IP, IP_MULTICAST_LOOP};
    case IOCP_SOCKET_MULTICAST_HOPS:
        return is_ipv6 ? (socket_option){IPPROTO_IPV6, IPV6_MULTICAST_HOPS}
                       : (socket_option){IPPROTO_IP, IP_MULTICAST_TTL};
    case IOCP_SOCKET_UNREACHABLE:
        break; /* a request of its own */
    }
    return (socket_option){0, 0};
}

/* Not every system says so of its own accord. */
static bool socket__has_option(const ioc_win_handle *handle, iocp_socket_option_t option)
{
    if (option == IOCP_SOCKET_V6ONLY) {
        return handle->family == AF_INET6;
    }
    return option < IOCP_SOCKET_BROADCAST || handle->handle.kind == IOC_HANDLE_DATAGRAM;
}

static bool socket__is_value(iocp_socket_option_t option, int value)
{
    switch (option) {
    case IOCP_SOCKET_NODELAY:
    case IOCP_SOCKET_KEEPALIVE:
    case IOCP_SOCKET_V6ONLY:
    case IOCP_SOCKET_EXCLUSIVE:
    case IOCP_SOCKET_REUSE_ADDRESS:
    case IOCP_SOCKET_BROADCAST:
    case IOCP_SOCKET_MULTICAST_LOOP:
    case IOCP_SOCKET_UNREACHABLE:
        return value == 0 || value == 1;
    case IOCP_SOCKET_MULTICAST_HOPS:
        return value >= 0 && value <= UINT8_MAX;
    case IOCP_SOCKET_RECV_BUFFER:
    case IOCP_SOCKET_SEND_BUFFER:
        return value >= 0;
    case IOCP_SOCKET_LINGER:
        return value >= -1 && value <= UINT16_MAX;
    case IOCP_SOCKET_ERROR:
        return false;
    }
    return false;
}

int ioc_socket_set_option(ioc_port *base, ioc_handle *core_handle, iocp_socket_option_t option,
                          int value)
{
    ioc_win_port *port = ioc_win_port_of(base);
    SOCKET socket = ioc_win_handle_of(core_handle)->socket;
    socket_option native = socket__option(ioc_win_handle_of(core_handle)->family, option);
    struct linger linger = {.l_onoff = value >= 0, .l_linger = (u_short)(value >= 0 ? value : 0)};
    bool is_linger = option == IOCP_SOCKET_LINGER;
    if (!socket__is_value(option, value)) {
        return IOCP_EINVAL;
    }
    if (!socket__has_option(ioc_win_handle_of(core_handle), option)) {
        return IOCP_ENOPROTOOPT;
    }
    if (option == IOCP_SOCKET_UNREACHABLE) {
        return socket__report_unreachable(port, socket, value != 0);
    }
    const char *data = (const char *)&value;
    int size = (int)sizeof value;
    if (is_linger) {
        data = (const char *)&linger;
        size = (int)sizeof linger;
    }
    int status = port->sys->setsockopt(socket, native.level, native.name, data, size);
    return status == 0 ? IOCP_OK : ioc_port_fail_winsock(port);
}

int ioc_socket_get_option(ioc_port *base, ioc_handle *core_handle, iocp_socket_option_t option,
                          int *value)
{
    ioc_win_port *port = ioc_win_port_of(base);
    SOCKET socket = ioc_win_handle_of(core_handle)->socket;
    socket_option native = socket__option(ioc_win_handle_of(core_handle)->family, option);
    struct linger linger = {0};
    bool is_linger = option == IOCP_SOCKET_LINGER;
    if (!socket__has_option(ioc_win_handle_of(core_handle), option) ||
        option == IOCP_SOCKET_UNREACHABLE) {
        return IOCP_ENOPROTOOPT;
    }
    int number = 0; /* some options write less than an int */
    char *data = (char *)&number;
    int size = (int)sizeof number;
    if (is_linger) {
        data = (char *)&linger;
        size = (int)sizeof linger;
    }
    if (port->sys->getsockopt(socket, native.level, native.name, data, &size) != 0) {
        return ioc_port_fail_winsock(port);
    }
    *value = !is_linger ? number : linger.l_onoff ? linger.l_linger : -1;
    return IOCP_OK;
}

/* An IPv4 interface of the form 0.x.x.x stands for its number: see IP_ADD_MEMBERSHIP. */
int ioc_socket_join(ioc_port *base, ioc_handle *core_handle, bool leave,
                    const struct sockaddr *group, size_t length, uint32_t interface_index)
{
    ioc_win_port *port = ioc_win_port_of(base);
    ioc_win_handle *handle = ioc_win_handle_of(core_handle);
    struct ipv6_mreq ipv6 = {.ipv6mr_interface = interface_index};
    struct ip_mreq ipv4 = {.imr_interface.s_addr = htonl(interface_index)};
    int status;
    if (length < (size_t)socket__address_size(handle) || group->sa_family != handle->family) {
        return IOCP_EINVAL;
    }
    if (handle->family == AF_INET6) {
        ipv6.ipv6mr_multiaddr = ((const SOCKADDR_IN6 *)(const void *)group)->sin6_addr;
        status = port->sys->setsockopt(handle->socket, IPPROTO_IPV6,
                                       leave ? IPV6_DROP_MEMBERSHIP : IPV6_ADD_MEMBERSHIP,
                                       (const char *)&ipv6, sizeof ipv6);
    } else {
        ipv4.imr_multiaddr = ((const SOCKADDR_IN *)(const void *)group)->sin_addr;
        status = port->sys->setsockopt(handle->socket, IPPROTO_IP,
                                       leave ? IP_DROP_MEMBERSHIP : IP_ADD_MEMBERSHIP,
                                       (const char *)&ipv4, sizeof ipv4);
    }
    return status == 0 ? IOCP_OK : ioc_port_fail_winsock(port);
}

/* ---- Accept ---- */

/* AcceptEx wants 16 bytes more for each address. */
static DWORD socket__accept_size(const ioc_win_handle *handle)
{
    return socket__address_size(handle) + 16;
}

static void socket__fail(ioc_win_port *port, ioc_op *op)
{
    uint32_t error = (uint32_t)port->sys->WSAGetLastError();
    op->outcome = (ioc_outcome){.status = ioc_errmap_from_native(error), .native_error = error};
}

/*
 * Without SO_UPDATE_ACCEPT_CONTEXT the new socket does not know that it is connected: shutdown and
 * getpeername fail on it.
 */
static void socket__accepted(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    ioc_win_handle *listener = ioc_win_handle_of(op->handle);
    ioc_win_handle *accepted = ioc_win_handle_of(op->as.accept.handle);
    if (op->outcome.status == IOCP_OK &&
        port->sys->setsockopt(accepted->socket, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT,
                              (const char *)&listener->socket, sizeof listener->socket) != 0) {
        socket__fail(port, op);
    }
    if (op->outcome.status != IOCP_OK) {
        ioc_socket_close(base, &accepted->handle);
        return;
    }
    struct sockaddr *local = NULL;
    struct sockaddr *peer = NULL;
    int local_length = 0;
    int peer_length = 0;
    DWORD size = socket__accept_size(listener);
    listener->functions->GetAcceptExSockaddrs(op->block, 0, size, size, &local, &local_length,
                                              &peer, &peer_length);
    op->as.accept.address = peer;
    op->as.accept.address_length = (size_t)peer_length;
}

/* A socket like the listener, which has asked its provider already. */
static bool socket__open_accepted(ioc_win_port *port, const ioc_win_handle *listener,
                                  ioc_win_handle *accepted)
{
    bool has_provider = listener->provider != NULL;
    accepted->family = listener->family;
    accepted->functions = listener->functions;
    accepted->is_ifs = listener->is_ifs;
    accepted->is_bound = true;
    accepted->socket =
        port->sys->WSASocketW(has_provider ? FROM_PROTOCOL_INFO : listener->family,
                              has_provider ? FROM_PROTOCOL_INFO : SOCK_STREAM,
                              has_provider ? FROM_PROTOCOL_INFO : IPPROTO_TCP, listener->provider,
                              0, WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
    return accepted->socket != INVALID_SOCKET;
}

static ioc_start socket__start_accept(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    ioc_win_handle *listener = ioc_win_handle_of(op->handle);
    ioc_win_handle *accepted = ioc_win_handle_of(op->as.accept.handle);
    if (!socket__open_accepted(port, listener, accepted)) {
        return ioc_overlapped_failed(op, (uint32_t)port->sys->WSAGetLastError());
    }
    OVERLAPPED *overlapped = ioc_overlapped_prepare(op, socket__accepted);
    DWORD size = socket__accept_size(listener);
    BOOL is_done = listener->functions->AcceptEx(listener->socket, accepted->socket, op->block, 0,
                                                 size, size, &ioc_win_op_of(op)->bytes, overlapped);
    uint32_t error = is_done ? 0 : (uint32_t)port->sys->WSAGetLastError();
    ioc_start start = ioc_overlapped_started(base, op, !is_done, error);
    if (start == IOC_START_FAILED) {
        ioc_socket_close(base, &accepted->handle);
    }
    return start;
}

/* ---- Connect ---- */

static void socket__connected(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    SOCKET socket = ioc_win_handle_of(op->handle)->socket;
    if (op->outcome.status == IOCP_OK &&
        port->sys->setsockopt(socket, SOL_SOCKET, SO_UPDATE_CONNECT_CONTEXT, NULL, 0) != 0) {
        socket__fail(port, op);
    }
}

/* ConnectEx wants a bound socket. One that was bound before it was adopted says WSAEINVAL. */
static bool socket__bind_to_any(ioc_win_port *port, ioc_win_handle *handle)
{
    SOCKADDR_STORAGE any;
    memset(&any, 0, sizeof any);
    any.ss_family = handle->family == AF_INET6 ? AF_INET6 : AF_INET;
    handle->is_bound = handle->is_bound ||
                       port->sys->bind(handle->socket, (const struct sockaddr *)&any,
                                       (int)socket__address_size(handle)) == 0 ||
                       port->sys->WSAGetLastError() == WSAEINVAL;
    return handle->is_bound;
}

/* A datagram socket only notes its peer: nothing to wait for. */
static ioc_start socket__start_naming_peer(ioc_win_port *port, ioc_op *op)
{
    SOCKET socket = ioc_win_handle_of(op->handle)->socket;
    if (port->sys->connect(socket, op->as.addressed.address,
                           (int)op->as.addressed.address_length) != 0) {
        return ioc_overlapped_failed(op, (uint32_t)port->sys->WSAGetLastError());
    }
    return ioc_overlapped_done(op);
}

static ioc_start socket__start_connect(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    ioc_win_handle *handle = ioc_win_handle_of(op->handle);
    if (handle->handle.kind == IOC_HANDLE_DATAGRAM) {
        return socket__start_naming_peer(port, op);
    }
    if (!socket__bind_to_any(port, handle)) {
        return ioc_overlapped_failed(op, (uint32_t)port->sys->WSAGetLastError());
    }
    OVERLAPPED *overlapped = ioc_overlapped_prepare(op, socket__connected);
    BOOL is_done = handle->functions->ConnectEx(handle->socket, op->as.addressed.address,
                                                (int)op->as.addressed.address_length, NULL, 0, NULL,
                                                overlapped);
    uint32_t error = is_done ? 0 : (uint32_t)port->sys->WSAGetLastError();
    return ioc_overlapped_started(base, op, !is_done, error);
}

/* ---- Send and receive ---- */

/* The kernel copies the list during the call, and does not write to it. */
static WSABUF *socket__buffers(ioc_op *op)
{
    return (WSABUF *)(uintptr_t)op->as.buffers.list;
}

static ioc_start socket__start_send(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    SOCKET socket = ioc_win_handle_of(op->handle)->socket;
    OVERLAPPED *overlapped = ioc_overlapped_prepare(op, NULL);
    int result = port->sys->WSASend(socket, socket__buffers(op), op->as.buffers.count, NULL, 0,
                                    overlapped, NULL);
    uint32_t error = result == 0 ? 0 : (uint32_t)port->sys->WSAGetLastError();
    return ioc_overlapped_started(base, op, result != 0, error);
}

/* A datagram that was longer than the buffer has been received, as far as there was room. */
static void socket__received(ioc_port *base, ioc_op *op)
{
    (void)base;
    if (op->outcome.status == IOCP_EMSGSIZE && op->handle->kind == IOC_HANDLE_DATAGRAM) {
        op->outcome.status = IOCP_OK;
        op->outcome.native_error = 0;
        op->flags |= IOCP_RESULT_TRUNCATED;
    }
}

static ioc_start socket__start_recv(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    SOCKET socket = ioc_win_handle_of(op->handle)->socket;
    OVERLAPPED *overlapped = ioc_overlapped_prepare(op, socket__received);
    int result = port->sys->WSARecv(socket, socket__buffers(op), op->as.buffers.count, NULL,
                                    &ioc_win_op_of(op)->flags, overlapped, NULL);
    uint32_t error = result == 0 ? 0 : (uint32_t)port->sys->WSAGetLastError();
    return ioc_overlapped_started(base, op, result != 0, error);
}

/* ---- Datagrams with an address ---- */

static WSABUF *socket__datagram(ioc_op *op)
{
    return (WSABUF *)(void *)&op->as.addressed.one;
}

static ioc_start socket__start_sendto(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    SOCKET socket = ioc_win_handle_of(op->handle)->socket;
    OVERLAPPED *overlapped = ioc_overlapped_prepare(op, NULL);
    int result =
        port->sys->WSASendTo(socket, socket__datagram(op), 1, NULL, 0, op->as.addressed.address,
                             (int)op->as.addressed.address_length, overlapped, NULL);
    uint32_t error = result == 0 ? 0 : (uint32_t)port->sys->WSAGetLastError();
    return ioc_overlapped_started(base, op, result != 0, error);
}

static void socket__received_from(ioc_port *base, ioc_op *op)
{
    socket__received(base, op);
    op->as.addressed.address = op->block;
    op->as.addressed.address_length = (size_t)ioc_win_op_of(op)->address_length;
}

static ioc_start socket__start_recvfrom(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    ioc_win_op *win_op = ioc_win_op_of(op);
    SOCKET socket = ioc_win_handle_of(op->handle)->socket;
    OVERLAPPED *overlapped = ioc_overlapped_prepare(op, socket__received_from);
    win_op->address_length = (int)sizeof(SOCKADDR_STORAGE);
    int result = port->sys->WSARecvFrom(socket, socket__datagram(op), 1, NULL, &win_op->flags,
                                        op->block, &win_op->address_length, overlapped, NULL);
    uint32_t error = result == 0 ? 0 : (uint32_t)port->sys->WSAGetLastError();
    return ioc_overlapped_started(base, op, result != 0, error);
}

/* ---- Shutdown, and the start of every operation ---- */

static ioc_start socket__start_shutdown(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    SOCKET socket = ioc_win_handle_of(op->handle)->socket;
    int how = SD_BOTH;
    switch (op->as.shutdown.how) {
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

ioc_start ioc_socket_start(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    if (socket__join(port, ioc_win_handle_of(op->handle)) != IOCP_OK) {
        uint32_t error = base->native_error;
        base->native_error = 0;
        return ioc_overlapped_failed(op, error);
    }
    switch (op->type) {
    case IOCP_TYPE_ACCEPT:
        return socket__start_accept(base, op);
    case IOCP_TYPE_CONNECT:
        return socket__start_connect(base, op);
    case IOCP_TYPE_SEND:
        return socket__start_send(base, op);
    case IOCP_TYPE_RECV:
        return socket__start_recv(base, op);
    case IOCP_TYPE_SHUTDOWN:
        return socket__start_shutdown(base, op);
    case IOCP_TYPE_SENDTO:
        return socket__start_sendto(base, op);
    case IOCP_TYPE_RECVFROM:
        return socket__start_recvfrom(base, op);
    case IOCP_TYPE_NOP:
    case IOCP_TYPE_TIMER:
    case IOCP_TYPE_CANCEL:
    case IOCP_TYPE_ASYNC_WAIT:
    case IOCP_TYPE_CLOSE:
    case IOCP_TYPE_READ:
    case IOCP_TYPE_WRITE:
    case IOCP_TYPE_PREAD:
    case IOCP_TYPE_PWRITE:
    case IOCP_TYPE_FLUSH:
    case IOCP_TYPE_DRAIN:
    case IOCP_TYPE_WAIT:
    case IOCP_TYPE_PROCESS_WAIT:
    case IOCP_TYPE_JOB_WATCH:
    case IOCP_TYPE_WORK:
        break;
    }
    IOC_ASSERT(false && "not an operation of sockets");
    return ioc_overlapped_failed(op, WSAEOPNOTSUPP);
}
