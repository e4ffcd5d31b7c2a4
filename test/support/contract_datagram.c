#include "contract_datagram.h"

#include <string.h>

/*
 * On Linux, and so under Wine, a socket that is bound to no address hears every group that any
 * program of the machine has joined. So no two tests have the same one: a group's last two bytes are
 * the port that it is used with.
 */
#define DATAGRAM_IPV4_GROUPS UINT32_C(0xEFC00000) /* 239.192.x.x: within an organization */

/* ---- Addresses ---- */

contract_address contract_datagram_ipv4(uint32_t host, uint16_t port)
{
    contract_address address = contract_loopback(AF_INET, port);
    struct sockaddr_in in;
    memcpy(&in, &address.storage, sizeof in);
    in.sin_addr.s_addr = htonl(host);
    memcpy(&address.storage, &in, sizeof in);
    return address;
}

static contract_address address__ipv6_group(uint16_t port)
{
    /* ff12::x: temporary, on this link */
    const unsigned char group[16] = {
        [0] = 0xff, [1] = 0x12, [14] = (unsigned char)(port >> 8), [15] = (unsigned char)port};
    contract_address address = contract_loopback(AF_INET6, port);
    struct sockaddr_in6 in;
    memcpy(&in, &address.storage, sizeof in);
    memcpy(&in.sin6_addr, group, sizeof group);
    memcpy(&address.storage, &in, sizeof in);
    return address;
}

contract_address contract_datagram_group(int family, uint16_t port)
{
    return family == AF_INET ? contract_datagram_ipv4(DATAGRAM_IPV4_GROUPS + port, port)
                             : address__ipv6_group(port);
}

contract_address contract_datagram_broadcast(uint16_t port)
{
    return contract_datagram_ipv4(UINT32_MAX, port);
}

/* ---- Sockets ---- */

iocp_handle_t contract_datagram_open(iocp_loop_t *loop, int family)
{
    iocp_handle_t handle = {0};
    assert_int_equal(iocp_socket_open(loop, family, SOCK_DGRAM, 0, &handle), IOCP_OK);
    assert_true(handle.id != 0);
    return handle;
}

contract_address contract_datagram_name(iocp_loop_t *loop, iocp_handle_t handle)
{
    contract_address address;
    memset(&address, 0, sizeof address);
    address.length = sizeof address.storage;
    assert_int_equal(
        iocp_socket_get_name(loop, handle, (struct sockaddr *)&address.storage, &address.length),
        IOCP_OK);
    return address;
}

iocp_handle_t contract_datagram_bind(iocp_loop_t *loop, int family, contract_address *address)
{
    iocp_handle_t handle = contract_datagram_open(loop, family);
    *address = contract_loopback(family, 0);
    assert_int_equal(iocp_socket_bind(loop, handle, contract_sockaddr(address), address->length),
                     IOCP_OK);
    *address = contract_datagram_name(loop, handle);
    assert_true(contract_port(address) != 0);
    return handle;
}

contract_address contract_datagram_nobody(iocp_loop_t *loop, int family)
{
    contract_address address;
    contract_record closed = {0};
    iocp_handle_t handle = contract_datagram_bind(loop, family, &address);
    assert_int_equal(iocp_close(loop, handle, contract_keep, &closed, NULL), IOCP_OK);
    contract_wait(loop, &closed, 1);
    return address;
}

/* ---- Sending and receiving ---- */

int contract_datagram_try_send(iocp_loop_t *loop, iocp_handle_t from, const contract_address *to,
                               const void *data, size_t size)
{
    contract_record sent = {0};
    assert_int_equal(iocp_sendto(loop, from, data, size, contract_sockaddr(to), to->length,
                                 contract_keep, &sent, NULL),
                     IOCP_OK);
    contract_wait(loop, &sent, 1);
    assert_int_equal(sent.result.bytes, sent.status == IOCP_OK ? size : 0);
    return sent.status;
}

void contract_datagram_send(iocp_loop_t *loop, iocp_handle_t from, const contract_address *to,
                            const void *data, size_t size)
{
    assert_int_equal(contract_datagram_try_send(loop, from, to, data, size), IOCP_OK);
}

iocp_op_t contract_datagram_start(iocp_loop_t *loop, iocp_handle_t handle, void *data, size_t size,
                                  contract_record *record)
{
    iocp_op_t op = {0};
    assert_int_equal(iocp_recvfrom(loop, handle, data, size, contract_keep, record, &op), IOCP_OK);
    return op;
}

void contract_datagram_expect(iocp_loop_t *loop, contract_record *record, uint64_t bytes)
{
    contract_wait(loop, record, 1);
    assert_int_equal(record->calls, 1);
    assert_int_equal(record->status, IOCP_OK);
    assert_int_equal(record->result.native_error, 0);
    assert_int_equal(record->result.bytes, bytes);
}

/* ---- What differs between the systems ---- */

#if defined(_WIN32)

#include "win_leaks.h"

uintptr_t contract_datagram_create(int family)
{
    SOCKET socket = WSASocketW(family, SOCK_DGRAM, 0, NULL, 0, WSA_FLAG_OVERLAPPED);
    return socket != INVALID_SOCKET ? (uintptr_t)socket : 0;
}

/* In Wine SIO_UDP_CONNRESET does nothing, a receive without a name waits, WSASend says WSAEINVAL. */
bool contract_datagram_is_exact(void)
{
    return !win_is_wine();
}

#else

#include "sim_datagram.h"

uintptr_t contract_datagram_create(int family)
{
    return sim_datagram_create(family);
}

bool contract_datagram_is_exact(void)
{
    return true;
}

#endif
