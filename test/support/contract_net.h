/* Addresses and native sockets, which differ between the systems. */
#ifndef TEST_CONTRACT_NET_H
#define TEST_CONTRACT_NET_H

#if defined(_WIN32)
#include <winsock2.h>
#include <ws2tcpip.h>
#else
#include <netinet/in.h>
#include <sys/socket.h>
#endif

#include <stddef.h>
#include <stdint.h>

typedef struct contract_address {
    struct sockaddr_storage storage;
    size_t length;
} contract_address;

/* The loopback address of AF_INET or AF_INET6; the IPv4 one in IPv6 clothes; the one for all. */
contract_address contract_loopback(int family, uint16_t port);
contract_address contract_mapped_loopback(uint16_t port);
contract_address contract_any(int family, uint16_t port);

const struct sockaddr *contract_sockaddr(const contract_address *address);
uint16_t contract_port(const contract_address *address);

/* Whether it is such an address, with any port. */
int contract_is_loopback(const contract_address *address, int family);
int contract_is_mapped_loopback(const contract_address *address);

/* A stream socket of the system that belongs to no loop. */
uintptr_t contract_socket_create(int family);
void contract_socket_destroy(uintptr_t socket);

/* Whether this machine has IPv6, at least to itself. */
int contract_has_ipv6(void);

/* Whether the system is Wine, which checks less than Windows does. */
int contract_is_wine(void);

/* Whether the system takes a socket that was used off its completion port. */
int contract_takes_sockets_off_ports(void);

/* How many handles of the system this process has open, as far as loops use them. */
size_t contract_open_handles(void);

/* The same once no more than so many are open, or after some seconds: the pool takes its time. */
size_t contract_settled_handles(size_t open_before);

#endif
