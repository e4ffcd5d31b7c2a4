/* Sockets for datagrams and their addresses, for the contract tests. */
#ifndef TEST_CONTRACT_DATAGRAM_H
#define TEST_CONTRACT_DATAGRAM_H

#include "contract_env.h"

/* A socket without a name; one on a free loopback port, and its address; its address. */
iocp_handle_t contract_datagram_open(iocp_loop_t *loop, int family);
iocp_handle_t contract_datagram_bind(iocp_loop_t *loop, int family, contract_address *address);
contract_address contract_datagram_name(iocp_loop_t *loop, iocp_handle_t handle);

/* A loopback address where nobody listens. */
contract_address contract_datagram_nobody(iocp_loop_t *loop, int family);

/* An address of IPv4, of a group, or of everybody; a group of IPv6. */
contract_address contract_datagram_ipv4(uint32_t host, uint16_t port);
contract_address contract_datagram_group(int family, uint16_t port);
contract_address contract_datagram_broadcast(uint16_t port);

/* Send a datagram and wait until that is done; the status. */
int contract_datagram_try_send(iocp_loop_t *loop, iocp_handle_t from, const contract_address *to,
                               const void *data, size_t size);
void contract_datagram_send(iocp_loop_t *loop, iocp_handle_t from, const contract_address *to,
                            const void *data, size_t size);

/* Start to receive; wait for it; both. */
iocp_op_t contract_datagram_start(iocp_loop_t *loop, iocp_handle_t handle, void *data, size_t size,
                                  contract_record *record);
void contract_datagram_expect(iocp_loop_t *loop, contract_record *record, uint64_t bytes);

/* A socket of the system that belongs to no loop; see contract_socket_destroy. */
uintptr_t contract_datagram_create(int family);

/*
 * Whether the system reports that nobody listens, refuses to receive without a name, and says what
 * is missing to a send without a peer.
 */
bool contract_datagram_is_exact(void);

#endif
