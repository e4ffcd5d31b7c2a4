#include "socket.h"

#include "../errmap.h"
#include "../mode.h"
#include "family.h"
#include "options.h"
#include "winsock.h"

#include <string.h>

/* ---- Joining the port ---- */

/* Associate, and skip packets where the mode and the provider allow it. */
int ioc_socket_join_port(ioc_win_port *port, ioc_win_handle *handle)
{
    bool may_skip = port->completion_mode == IOCP_COMPLETION_SKIP ||
                    (port->completion_mode == IOCP_COMPLETION_AUTO && handle->is_ifs);
    return ioc_overlapped_join(port, handle, may_skip);
}

/* What the loop must know of a stream before it can be used. */
static int socket__find_functions(ioc_win_port *port, ioc_win_handle *handle)
{
    if (handle->handle.kind != IOCP_HANDLE_STREAM) {
        return IOCP_OK;
    }
    return ioc_winsock_load(port, handle->socket, handle->family) ? IOCP_OK
                                                                  : ioc_port_fail_winsock(port);
}

/* How sockets of the loop's behave unless the program says otherwise. */
static void socket__set_defaults(ioc_win_port *port, const ioc_win_handle *handle)
{
    if (handle->handle.kind == IOCP_HANDLE_DATAGRAM) {
        (void)ioc_options_report_unreachable(port, handle->socket, false);
    }
}

/* ---- Opening and adopting ---- */

static int socket__set_kind(ioc_win_handle *handle, int family, int type)
{
    if (type != SOCK_STREAM && type != SOCK_DGRAM) {
        return IOCP_ENOTSUP;
    }
    handle->family = ioc_family_find(family);
    if (handle->family == NULL || (type == SOCK_DGRAM && !handle->family->has_datagrams)) {
        return IOCP_EAFNOSUPPORT;
    }
    handle->handle.kind =
        (uint8_t)(type == SOCK_STREAM ? IOCP_HANDLE_STREAM : IOCP_HANDLE_DATAGRAM);
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
    status = socket__find_functions(port, handle);
    if (status == IOCP_OK) {
        handle->is_ifs =
            port->completion_mode == IOCP_COMPLETION_AUTO &&
            ioc_winsock_is_ifs(port, handle->socket, handle->family, type == SOCK_STREAM);
        status = ioc_socket_join_port(port, handle);
    }
    if (status != IOCP_OK) {
        (void)port->sys->closesocket(handle->socket);
        return status;
    }
    socket__set_defaults(port, handle);
    return IOCP_OK;
}

/*
 * The system has one answer for what is bound to another port and for what was opened for
 * synchronous use; only the mode tells.
 */
static int socket__join_adopted(ioc_win_port *port, ioc_win_handle *handle)
{
    int status = ioc_socket_join_port(port, handle);
    if (status == IOCP_EINVAL && ioc_mode_is_synchronous(port, handle->native)) {
        status = IOCP_ENOTOVERLAPPED;
    }
    /* Once a handle skips packets it does so for good, whoever has it. */
    handle->skips_packets = handle->skips_packets ||
                            (status == IOCP_OK && ioc_mode_skips_packets(port, handle->native));
    return status;
}

/* What can fail comes first, so that a socket that is not taken is as it was. */
int ioc_socket_adopt(ioc_port *base, ioc_handle *core_handle, uintptr_t socket)
{
    ioc_win_port *port = ioc_win_port_of(base);
    ioc_win_handle *handle = ioc_win_handle_of(core_handle);
    WSAPROTOCOL_INFOW provider;
    DWORD flags = 0;
    handle->socket = (SOCKET)socket;
    handle->is_adopted = true;
    handle->is_shared = true;
    if (!ioc_winsock_provider(port->sys, handle->socket, &provider)) {
        return ioc_port_fail_winsock(port);
    }
    int status = socket__set_kind(handle, provider.iAddressFamily, provider.iSocketType);
    if (status == IOCP_OK) {
        status = socket__find_functions(port, handle);
    }
    if (status != IOCP_OK) {
        return status;
    }
    handle->is_ifs = (provider.dwServiceFlags1 & XP1_IFS_HANDLES) != 0;
    if (!port->sys->GetHandleInformation(handle->native, &flags) ||
        !port->sys->SetHandleInformation(handle->native, HANDLE_FLAG_INHERIT, 0)) {
        return ioc_port_fail_last(port);
    }
    status = socket__join_adopted(port, handle);
    if (status != IOCP_OK) {
        (void)port->sys->SetHandleInformation(handle->native, HANDLE_FLAG_INHERIT,
                                              flags & HANDLE_FLAG_INHERIT);
        return status;
    }
    socket__set_defaults(port, handle);
    return IOCP_OK;
}

bool ioc_socket_open_accepted(ioc_win_port *port, const ioc_win_handle *listener,
                              ioc_win_handle *accepted)
{
    bool has_provider = listener->provider != NULL;
    accepted->family = listener->family;
    accepted->is_ifs = listener->is_ifs;
    accepted->is_bound = true;
    accepted->socket = port->sys->WSASocketW(
        has_provider ? FROM_PROTOCOL_INFO : listener->family->number,
        has_provider ? FROM_PROTOCOL_INFO : SOCK_STREAM, has_provider ? FROM_PROTOCOL_INFO : 0,
        listener->provider, 0, WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
    return accepted->socket != INVALID_SOCKET;
}

/* ---- Detaching and closing ---- */

static void socket__forget(ioc_win_port *port, ioc_win_handle *handle)
{
    handle->socket = INVALID_SOCKET;
    ioc_alloc_give(port->alloc, handle->provider);
    handle->provider = NULL;
}

static void socket__let_wait(ioc_win_port *port, ioc_win_handle *handle)
{
    u_long is_nonblocking = 0;
    if (handle->is_nonblocking) {
        (void)port->sys->ioctlsocket(handle->socket, (long)FIONBIO, &is_nonblocking);
        handle->is_nonblocking = false;
    }
}

/* False: the system does not let go of it; why not is kept. */
static bool socket__leave_port(ioc_win_port *port, ioc_win_handle *handle)
{
    LONG status = ioc_nt_leave_port(port->sys, handle->native);
    if (status != IOC_NT_SUCCESS) {
        (void)ioc_port_fail_nt(port, status);
        return false;
    }
    handle->is_associated = false;
    return true;
}

int ioc_socket_detach(ioc_port *base, ioc_handle *core_handle, uintptr_t *socket)
{
    ioc_win_port *port = ioc_win_port_of(base);
    ioc_win_handle *handle = ioc_win_handle_of(core_handle);
    if (handle->is_associated && !socket__leave_port(port, handle)) {
        return IOCP_EBUSY;
    }
    socket__let_wait(port, handle);
    *socket = (uintptr_t)handle->socket;
    socket__forget(port, handle);
    return IOCP_OK;
}

/*
 * WSAEWOULDBLOCK: it lingers, and somebody has made it non-blocking. The socket is still there then
 * (closesocket's page), and the handle would be lost.
 */
void ioc_socket_close(ioc_win_port *port, ioc_win_handle *handle)
{
    if (handle->socket == INVALID_SOCKET) {
        return;
    }
    if (port->sys->closesocket(handle->socket) != 0 &&
        port->sys->WSAGetLastError() == WSAEWOULDBLOCK) {
        u_long is_nonblocking = 0;
        (void)port->sys->ioctlsocket(handle->socket, (long)FIONBIO, &is_nonblocking);
        (void)port->sys->closesocket(handle->socket);
    }
    socket__forget(port, handle);
}

/* ---- Addresses ---- */

/*
 * A server's port is its own: without this option another process can bind to it too, with
 * SO_REUSEADDR, and take connections that were meant for us ("Using SO_REUSEADDR and
 * SO_EXCLUSIVEADDRUSE"). A refusal is no error: the program may have set the other by itself.
 */
static void socket__be_exclusive(ioc_win_port *port, const ioc_win_handle *handle)
{
    BOOL is_exclusive = TRUE;
    if (handle->family->has_ports && handle->handle.kind == IOCP_HANDLE_STREAM &&
        !handle->is_shared) {
        (void)port->sys->setsockopt(handle->socket, SOL_SOCKET, (int)SO_EXCLUSIVEADDRUSE,
                                    (const char *)&is_exclusive, (int)sizeof is_exclusive);
    }
}

int ioc_socket_bind(ioc_port *base, ioc_handle *core_handle, const struct sockaddr *address,
                    size_t length)
{
    ioc_win_port *port = ioc_win_port_of(base);
    ioc_win_handle *handle = ioc_win_handle_of(core_handle);
    socket__be_exclusive(port, handle);
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

/*
 * A backlog above 200, SOMAXCONN too, is cut down to about that, unless it comes as a hint, which is
 * taken up to 65535 ("listen function"). A full backlog refuses connections, and those from this
 * machine at once (see connect__ask_once).
 */
static int socket__backlog(int backlog)
{
    enum {
        PLAIN = 200,
        MOST = 65535
    };
    int wanted = backlog > 0 && backlog < MOST ? backlog : MOST;
    return wanted < PLAIN ? wanted : SOMAXCONN_HINT(wanted);
}

int ioc_socket_listen(ioc_port *base, ioc_handle *core_handle, int backlog)
{
    ioc_win_port *port = ioc_win_port_of(base);
    ioc_win_handle *handle = ioc_win_handle_of(core_handle);
    int status = socket__keep_provider(port, handle);
    if (status != IOCP_OK) {
        return status;
    }
    status = port->sys->listen(handle->socket, socket__backlog(backlog));
    return status == 0 ? IOCP_OK : ioc_port_fail_winsock(port);
}

int ioc_socket_name(ioc_port *base, ioc_handle *core_handle, bool peer, struct sockaddr *address,
                    size_t *length)
{
    ioc_win_port *port = ioc_win_port_of(base);
    const ioc_win_handle *handle = ioc_win_handle_of(core_handle);
    int size = *length < INT32_MAX ? (int)*length : INT32_MAX;
    int status = peer ? port->sys->getpeername(handle->socket, address, &size)
                      : port->sys->getsockname(handle->socket, address, &size);
    if (status != 0) {
        return ioc_port_fail_winsock(port);
    }
    if (*length >= sizeof address->sa_family) {
        size = ioc_family_measure(handle->family, address, size);
    }
    *length = (size_t)size;
    return IOCP_OK;
}
