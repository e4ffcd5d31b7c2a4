#include "winsock.h"

#include "base.h"

#include <string.h>

uint32_t ioc_winsock_start(const ioc_sys *sys)
{
    WSADATA data;
    return (uint32_t)sys->WSAStartup(MAKEWORD(2, 2), &data);
}

static bool winsock__ask(const ioc_sys *sys, SOCKET socket, GUID guid, void *function, DWORD size)
{
    DWORD written = 0;
    return sys->WSAIoctl(socket, SIO_GET_EXTENSION_FUNCTION_POINTER, &guid, sizeof guid, function,
                         size, &written, NULL, NULL) == 0;
}

const ioc_winsock_functions *ioc_winsock_load(ioc_winsock *winsock, const ioc_sys *sys,
                                              SOCKET socket, int family)
{
    static const GUID accept_ex = WSAID_ACCEPTEX;
    static const GUID connect_ex = WSAID_CONNECTEX;
    static const GUID get_accept_ex_sockaddrs = WSAID_GETACCEPTEXSOCKADDRS;

    ioc_winsock_functions *functions = family == AF_INET6 ? &winsock->ipv6 : &winsock->ipv4;
    if (!functions->is_loaded) {
        functions->is_loaded =
            winsock__ask(sys, socket, accept_ex, &functions->AcceptEx,
                         sizeof functions->AcceptEx) &&
            winsock__ask(sys, socket, connect_ex, &functions->ConnectEx,
                         sizeof functions->ConnectEx) &&
            winsock__ask(sys, socket, get_accept_ex_sockaddrs, &functions->GetAcceptExSockaddrs,
                         sizeof functions->GetAcceptExSockaddrs);
    }
    return functions->is_loaded ? functions : NULL;
}

bool ioc_winsock_provider(const ioc_sys *sys, SOCKET socket, WSAPROTOCOL_INFOW *provider)
{
    int size = sizeof *provider;
    return sys->getsockopt(socket, SOL_SOCKET, SO_PROTOCOL_INFOW, (char *)provider, &size) == 0;
}
