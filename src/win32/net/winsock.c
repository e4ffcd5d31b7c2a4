#include "winsock.h"

#include "base.h"

#include <string.h>

static void winsock__close(ioc_win_port *port, ioc_part *part)
{
    if (!IOC_CONTAINER_OF(part, ioc_winsock, part)->is_kept) {
        (void)port->sys->WSACleanup();
    }
}

uint32_t ioc_winsock_attach(ioc_winsock *winsock, ioc_win_port *port)
{
    WSADATA data;
    uint32_t error = (uint32_t)port->sys->WSAStartup(MAKEWORD(2, 2), &data);
    if (error == 0) {
        ioc_port_attach(port, &winsock->part, winsock__close);
    }
    return error;
}

static bool winsock__ask(const ioc_sys *sys, SOCKET socket, GUID guid, void *function, DWORD size)
{
    DWORD written = 0;
    return sys->WSAIoctl(socket, SIO_GET_EXTENSION_FUNCTION_POINTER, &guid, sizeof guid, function,
                         size, &written, NULL, NULL) == 0;
}

static ioc_winsock *winsock__of(const ioc_win_port *port)
{
    return IOC_CONTAINER_OF(ioc_port_part(port, winsock__close), ioc_winsock, part);
}

void ioc_winsock_keep(ioc_win_port *port)
{
    winsock__of(port)->is_kept = true;
}

ioc_winsock_functions *ioc_winsock_functions_of(const ioc_win_port *port, const ioc_family *family)
{
    return &winsock__of(port)->functions[ioc_family_place(family)];
}

bool ioc_winsock_load(ioc_win_port *port, SOCKET socket, const ioc_family *family)
{
    static const GUID accept_ex = WSAID_ACCEPTEX;
    static const GUID connect_ex = WSAID_CONNECTEX;
    static const GUID get_accept_ex_sockaddrs = WSAID_GETACCEPTEXSOCKADDRS;

    const ioc_sys *sys = port->sys;
    ioc_winsock_functions *functions = ioc_winsock_functions_of(port, family);
    if (!functions->is_loaded) {
        functions->is_loaded =
            winsock__ask(sys, socket, accept_ex, &functions->AcceptEx,
                         sizeof functions->AcceptEx) &&
            winsock__ask(sys, socket, connect_ex, &functions->ConnectEx,
                         sizeof functions->ConnectEx) &&
            winsock__ask(sys, socket, get_accept_ex_sockaddrs, &functions->GetAcceptExSockaddrs,
                         sizeof functions->GetAcceptExSockaddrs);
    }
    return functions->is_loaded;
}

LPFN_TRANSMITFILE ioc_winsock_transmit_file(ioc_win_port *port, SOCKET socket,
                                            const ioc_family *family)
{
    static const GUID transmit_file = WSAID_TRANSMITFILE;

    ioc_winsock_functions *functions = ioc_winsock_functions_of(port, family);
    bool is_there = functions->TransmitFile != NULL ||
                    winsock__ask(port->sys, socket, transmit_file, &functions->TransmitFile,
                                 sizeof functions->TransmitFile);
    return is_there ? functions->TransmitFile : NULL;
}

bool ioc_winsock_load_messages(ioc_win_port *port, SOCKET socket, const ioc_family *family)
{
    static const GUID send_msg = WSAID_WSASENDMSG;
    static const GUID recv_msg = WSAID_WSARECVMSG;

    ioc_winsock_functions *functions = ioc_winsock_functions_of(port, family);
    if (!functions->has_messages) {
        functions->has_messages = winsock__ask(port->sys, socket, send_msg, &functions->WSASendMsg,
                                               sizeof functions->WSASendMsg) &&
                                  winsock__ask(port->sys, socket, recv_msg, &functions->WSARecvMsg,
                                               sizeof functions->WSARecvMsg);
    }
    return functions->has_messages;
}

/* ---- Segments ---- */

/* A system that has no options of UDP calls the level invalid. */
static uint32_t segments__read(const ioc_sys *sys, SOCKET socket)
{
    DWORD bytes = 0;
    int size = sizeof bytes;
    if (sys->getsockopt(socket, IPPROTO_UDP, UDP_SEND_MSG_SIZE, (char *)&bytes, &size) == 0) {
        return 0;
    }
    uint32_t error = (uint32_t)sys->WSAGetLastError();
    return error == WSAEINVAL || error == WSAENOPROTOOPT ? WSAEOPNOTSUPP : error;
}

static uint32_t segments__ask(const ioc_sys *sys)
{
    SOCKET socket = sys->WSASocketW(AF_INET, SOCK_DGRAM, IPPROTO_UDP, NULL, 0,
                                    WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
    if (socket == INVALID_SOCKET) {
        return (uint32_t)sys->WSAGetLastError();
    }
    uint32_t error = segments__read(sys, socket);
    (void)sys->closesocket(socket);
    return error;
}

uint32_t ioc_winsock_ask_segments(ioc_win_port *port)
{
    ioc_winsock *winsock = winsock__of(port);
    if (!winsock->knows_segments) {
        winsock->segments_error = segments__ask(port->sys);
        winsock->knows_segments =
            winsock->segments_error == 0 || winsock->segments_error == WSAEOPNOTSUPP;
    }
    return winsock->segments_error;
}

/* ---- What there is, before there is a loop ---- */

static uint32_t unix__ask(const ioc_sys *sys)
{
    SOCKET socket = sys->WSASocketW(AF_UNIX, SOCK_STREAM, 0, NULL, 0,
                                    WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
    if (socket == INVALID_SOCKET) {
        return (uint32_t)sys->WSAGetLastError();
    }
    (void)sys->closesocket(socket);
    return 0;
}

static bool winsock__has(const ioc_sys *sys, uint32_t (*ask)(const ioc_sys *sys))
{
    WSADATA data;
    if (sys->WSAStartup(MAKEWORD(2, 2), &data) != 0) {
        return false;
    }
    bool has = ask(sys) == 0;
    (void)sys->WSACleanup();
    return has;
}

bool ioc_winsock_has_unix(const ioc_sys *sys)
{
    return winsock__has(sys, unix__ask);
}

bool ioc_winsock_has_segments(const ioc_sys *sys)
{
    return winsock__has(sys, segments__ask);
}

/* ---- Providers and requests ---- */

bool ioc_winsock_is_ifs(ioc_win_port *port, SOCKET socket, const ioc_family *family, bool is_stream)
{
    ioc_ifs *ifs = &winsock__of(port)->ifs[ioc_family_place(family)][is_stream];
    WSAPROTOCOL_INFOW provider;
    if (*ifs == IOC_IFS_UNASKED && ioc_winsock_provider(port->sys, socket, &provider)) {
        bool is_ifs = (provider.dwServiceFlags1 & XP1_IFS_HANDLES) != 0;
        *ifs = is_ifs ? IOC_IFS_YES : IOC_IFS_NO;
    }
    return *ifs == IOC_IFS_YES;
}

bool ioc_winsock_provider(const ioc_sys *sys, SOCKET socket, WSAPROTOCOL_INFOW *provider)
{
    int size = sizeof *provider;
    return sys->getsockopt(socket, SOL_SOCKET, SO_PROTOCOL_INFOW, (char *)provider, &size) == 0;
}

bool ioc_winsock_request(const ioc_sys *sys, SOCKET socket, DWORD request, void *data, DWORD size)
{
    DWORD written = 0;
    return sys->WSAIoctl(socket, request, data, size, NULL, 0, &written, NULL, NULL) == 0;
}

bool ioc_winsock_query(const ioc_sys *sys, SOCKET socket, DWORD request, void *answer, DWORD size)
{
    DWORD written = 0;
    return sys->WSAIoctl(socket, request, NULL, 0, answer, size, &written, NULL, NULL) == 0;
}
