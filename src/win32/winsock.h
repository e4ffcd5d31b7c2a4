/*
 * Winsock as a whole: starting it, and the functions that have to be asked for by socket.
 */
#ifndef IOC_WINSOCK_H
#define IOC_WINSOCK_H

#include "sys.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct ioc_winsock_functions {
    bool is_loaded;
    LPFN_ACCEPTEX AcceptEx;
    LPFN_CONNECTEX ConnectEx;
    LPFN_GETACCEPTEXSOCKADDRS GetAcceptExSockaddrs;
} ioc_winsock_functions;

/* One set per address family: their providers may differ. */
typedef struct ioc_winsock {
    ioc_winsock_functions ipv4;
    ioc_winsock_functions ipv6;
} ioc_winsock;

/* 0 or a Winsock code. Each start is matched by one WSACleanup. */
uint32_t ioc_winsock_start(const ioc_sys *sys);

/* The functions for a family, asked of `socket` the first time. NULL: see WSAGetLastError. */
const ioc_winsock_functions *ioc_winsock_load(ioc_winsock *winsock, const ioc_sys *sys,
                                              SOCKET socket, int family);

/*
 * The provider of a socket. What its handles are decides whether packets can be skipped: behind a
 * layered provider without XP1_IFS_HANDLES the kernel's handle is another one.
 */
bool ioc_winsock_provider(const ioc_sys *sys, SOCKET socket, WSAPROTOCOL_INFOW *provider);

#endif
