#include "contract_net.h"

#include <string.h>

static const unsigned char net_mapped[16] = {0, 0, 0,    0,    0,   0, 0, 0,
                                             0, 0, 0xff, 0xff, 127, 0, 0, 1};

static contract_address net__address_4(uint32_t host, uint16_t port)
{
    struct sockaddr_in in;
    contract_address address;
    memset(&in, 0, sizeof in);
    memset(&address, 0, sizeof address);
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    in.sin_addr.s_addr = htonl(host);
    memcpy(&address.storage, &in, sizeof in);
    address.length = sizeof in;
    return address;
}

static contract_address net__address_6(const void *host, uint16_t port)
{
    struct sockaddr_in6 in;
    contract_address address;
    memset(&in, 0, sizeof in);
    memset(&address, 0, sizeof address);
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(port);
    memcpy(&in.sin6_addr, host, sizeof in.sin6_addr);
    memcpy(&address.storage, &in, sizeof in);
    address.length = sizeof in;
    return address;
}

contract_address contract_loopback(int family, uint16_t port)
{
    return family == AF_INET ? net__address_4(INADDR_LOOPBACK, port)
                             : net__address_6(&in6addr_loopback, port);
}

contract_address contract_mapped_loopback(uint16_t port)
{
    return net__address_6(net_mapped, port);
}

contract_address contract_any(int family, uint16_t port)
{
    return family == AF_INET ? net__address_4(INADDR_ANY, port)
                             : net__address_6(&in6addr_any, port);
}

const struct sockaddr *contract_sockaddr(const contract_address *address)
{
    return (const struct sockaddr *)(const void *)&address->storage;
}

uint16_t contract_port(const contract_address *address)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    if (address->storage.ss_family == AF_INET) {
        memcpy(&in, &address->storage, sizeof in);
        return ntohs(in.sin_port);
    }
    memcpy(&in6, &address->storage, sizeof in6);
    return ntohs(in6.sin6_port);
}

int contract_is_loopback(const contract_address *address, int family)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    if (address->storage.ss_family != family) {
        return 0;
    }
    if (family == AF_INET) {
        memcpy(&in, &address->storage, sizeof in);
        return address->length >= sizeof in && in.sin_addr.s_addr == htonl(INADDR_LOOPBACK);
    }
    memcpy(&in6, &address->storage, sizeof in6);
    return address->length >= sizeof in6 &&
           memcmp(&in6.sin6_addr, &in6addr_loopback, sizeof in6.sin6_addr) == 0;
}

int contract_is_mapped_loopback(const contract_address *address)
{
    struct sockaddr_in6 in6;
    memcpy(&in6, &address->storage, sizeof in6);
    return address->storage.ss_family == AF_INET6 && address->length >= sizeof in6 &&
           memcmp(&in6.sin6_addr, net_mapped, sizeof net_mapped) == 0;
}

#if defined(_WIN32)

#include "win_leaks.h"

int contract_is_wine(void)
{
    return win_is_wine();
}

int contract_takes_sockets_off_ports(void)
{
    return !win_is_wine();
}

uintptr_t contract_socket_create(int family)
{
    SOCKET socket = WSASocketW(family, SOCK_STREAM, 0, NULL, 0, WSA_FLAG_OVERLAPPED);
    return socket != INVALID_SOCKET ? (uintptr_t)socket : 0;
}

void contract_socket_destroy(uintptr_t socket)
{
    closesocket((SOCKET)socket);
}

int contract_has_ipv6(void)
{
    contract_address address = contract_loopback(AF_INET6, 0);
    SOCKET socket = WSASocketW(AF_INET6, SOCK_STREAM, 0, NULL, 0, WSA_FLAG_OVERLAPPED);
    if (socket == INVALID_SOCKET) {
        return 0;
    }
    int status = bind(socket, contract_sockaddr(&address), (int)address.length);
    closesocket(socket);
    return status == 0;
}

size_t contract_open_handles(void)
{
    return win_open_handles();
}

size_t contract_settled_handles(size_t open_before)
{
    return win_settled_handles(open_before);
}

#else

#include "sim_console.h"
#include "sim_object.h"

int contract_is_wine(void)
{
    return 0;
}

int contract_takes_sockets_off_ports(void)
{
    return 1;
}

uintptr_t contract_socket_create(int family)
{
    return sim_socket_create(family);
}

void contract_socket_destroy(uintptr_t socket)
{
    sim_socket_destroy(socket);
}

int contract_has_ipv6(void)
{
    return 1;
}

size_t contract_open_handles(void)
{
    return sim_port_count() + sim_socket_count() + sim_file_count() + sim_object_count() +
           sim_console_count();
}

size_t contract_settled_handles(size_t open_before)
{
    (void)open_before;
    return contract_open_handles();
}

#endif
