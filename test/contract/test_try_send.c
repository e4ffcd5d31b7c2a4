/* Sending at once, without an operation. */
#include "contract_datagram.h"
#include "contract_env.h"
#include "contract_net.h"

#include <string.h>

static int try__send(iocp_loop_t *loop, iocp_handle_t handle, const void *data, size_t size,
                     uint64_t *sent)
{
    iocp_buf_t buffer = {.base = (void *)(uintptr_t)data, .length = (uint32_t)size};
    return iocp_try_send(loop, handle, &buffer, 1, sent);
}

static void IOCP_CALL try__count(const iocp_handle_entry_t *entry, void *bytes)
{
    *(uint64_t *)bytes += entry->bytes_out;
}

static void what_was_sent_at_once_is_received(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pair pair = contract_connect(loop, AF_INET);
    contract_record received = {0};
    uint64_t sent = 0;
    char data[16];
    char text[] = "hello";
    char more[] = " there";
    iocp_buf_t list[] = {{.base = text, .length = 5}, {.base = more, .length = 6}};
    assert_int_equal(
        iocp_recv(loop, pair.server, data, sizeof data, contract_keep, &received, NULL), IOCP_OK);
    contract_idle(loop);
    assert_int_equal(iocp_try_send(loop, pair.client, list, 2, &sent), IOCP_OK);
    assert_int_equal(sent, 11);
    memset(text, 'x', sizeof text); /* the memory is ours again */
    uint64_t counted = 0;
    assert_int_equal(iocp_loop_handles(loop, try__count, &counted), IOCP_OK);
    assert_int_equal(counted, 11);
    contract_wait(loop, &received, 1);
    assert_in_range(received.result.bytes, 1, 11);
    assert_memory_equal(data, "hello there", (size_t)received.result.bytes);
    contract_close_pair(loop, pair);
}

/* The socket is one of overlapped calls still: a receive that waits goes on waiting. */
static void a_receive_waits_as_before(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pair pair = contract_connect(loop, AF_INET);
    contract_record received = {0};
    uint64_t sent = 0;
    char data[16];
    assert_int_equal(try__send(loop, pair.client, "x", 1, &sent), IOCP_OK);
    assert_int_equal(
        iocp_recv(loop, pair.client, data, sizeof data, contract_keep, &received, NULL), IOCP_OK);
    contract_idle(loop);
    assert_int_equal(received.calls, 0);
    assert_int_equal(try__send(loop, pair.server, "y", 1, &sent), IOCP_OK);
    contract_wait(loop, &received, 1);
    assert_int_equal(received.status, IOCP_OK);
    assert_int_equal(received.result.bytes, 1);
    contract_close_pair(loop, pair);
}

static void what_is_queued_goes_first(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pair pair = contract_connect(loop, AF_INET);
    contract_record record = {0};
    uint64_t sent = 4711;
    assert_int_equal(iocp_send(loop, pair.client, "first", 5, contract_keep, &record, NULL),
                     IOCP_OK);
    assert_int_equal(try__send(loop, pair.client, "second", 6, &sent), IOCP_EAGAIN);
    assert_int_equal(sent, 4711);
    contract_wait(loop, &record, 1);
    assert_int_equal(try__send(loop, pair.client, "second", 6, &sent), IOCP_OK);
    contract_close_pair(loop, pair);
}

static void a_socket_that_is_full_takes_nothing_and_does_not_wait(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pair pair = contract_connect(loop, AF_INET);
    static char block[65536];
    uint64_t sent = 0;
    uint64_t total = 0;
    int status = IOCP_OK;
    while (total < 1u << 28 &&
           (status = try__send(loop, pair.client, block, sizeof block, &sent)) == IOCP_OK) {
        assert_in_range(sent, 1, sizeof block);
        total += sent;
    }
    assert_int_equal(status, IOCP_EAGAIN);
    assert_true(total > 0);
    contract_close_pair(loop, pair);
}

static void what_a_send_would_be_refused_for_it_is_refused_for(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pair pair = contract_connect(loop, AF_INET);
    contract_record record = {0};
    uint64_t sent = 4711;
    iocp_buf_t none = {.base = NULL, .length = 0};
    iocp_handle_t closed = {0};
    assert_int_equal(
        iocp_shutdown(loop, pair.client, IOCP_SHUTDOWN_SEND, contract_keep, &record, NULL),
        IOCP_OK);
    contract_wait(loop, &record, 1);
    assert_int_equal(try__send(loop, pair.client, "x", 1, &sent), IOCP_EPIPE);
    assert_int_equal(iocp_try_send(loop, pair.server, &none, 1, &sent), IOCP_EINVAL);
    assert_int_equal(iocp_try_send(loop, pair.server, NULL, 1, &sent), IOCP_EINVAL);
    assert_int_equal(try__send(loop, pair.server, "x", 1, NULL), IOCP_EINVAL);
    assert_int_equal(try__send(NULL, pair.server, "x", 1, &sent), IOCP_EINVAL);
    assert_int_equal(try__send(loop, closed, "x", 1, &sent), IOCP_EBADF);
    assert_int_equal(sent, 4711);
    contract_close_pair(loop, pair);
}

static void an_adopted_socket_is_left_as_it_is(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_handle_t handle = {0};
    uint64_t sent = 0;
    assert_int_equal(iocp_socket_adopt(loop, contract_socket_create(AF_INET), &handle), IOCP_OK);
    assert_int_equal(try__send(loop, handle, "x", 1, &sent), IOCP_ENOTSUP);
}

/* Accepted, and used for nothing else: what gets it may wait in a call again. */
static void a_socket_that_is_given_back_waits_again(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pair pair = contract_connect(loop, AF_INET);
    uint64_t sent = 0;
    uintptr_t socket = 0;
    assert_int_equal(try__send(loop, pair.server, "x", 1, &sent), IOCP_OK);
    assert_int_equal(iocp_socket_detach(loop, pair.server, &socket), IOCP_OK);
#if defined(_WIN32)
    char byte;
    DWORD limit_ms = 1;
    assert_int_equal(
        setsockopt((SOCKET)socket, SOL_SOCKET, SO_RCVTIMEO, (char *)&limit_ms, sizeof limit_ms), 0);
    assert_int_equal(recv((SOCKET)socket, &byte, 1, 0), SOCKET_ERROR);
    assert_int_equal(WSAGetLastError(), WSAETIMEDOUT); /* it waited: not WSAEWOULDBLOCK */
#endif
    contract_socket_destroy(socket);
}

/* Two datagram sockets, of which the one is connected to the other. */
typedef struct datagram_pair {
    iocp_handle_t sender;
    iocp_handle_t receiver;
    contract_address address; /* of the receiver */
} datagram_pair;

static datagram_pair datagrams__connect(iocp_loop_t *loop)
{
    datagram_pair pair;
    contract_record connected = {0};
    pair.receiver = contract_datagram_bind(loop, AF_INET, &pair.address);
    pair.sender = contract_datagram_open(loop, AF_INET);
    assert_int_equal(iocp_connect(loop, pair.sender, contract_sockaddr(&pair.address),
                                  pair.address.length, contract_keep, &connected, NULL),
                     IOCP_OK);
    contract_wait(loop, &connected, 1);
    assert_int_equal(connected.status, IOCP_OK);
    return pair;
}

static void a_datagram_goes_whole(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record received = {0};
    uint64_t sent = 0;
    char data[8];
    datagram_pair pair = datagrams__connect(loop);
    contract_datagram_start(loop, pair.receiver, data, sizeof data, &received);
    assert_int_equal(try__send(loop, pair.sender, "whole", 5, &sent), IOCP_OK);
    assert_int_equal(sent, 5);
    contract_datagram_expect(loop, &received, 5);
    assert_memory_equal(data, "whole", 5);
}

typedef struct sender_record {
    contract_record sent;
    int tried; /* what iocp_try_send has said in the callback */
} sender_record;

/* Nothing of its own is queued any more when it is told. */
static iocp_action_t IOCP_CALL empty__sent(iocp_loop_t *loop, const iocp_result_t *result,
                                           void *userdata)
{
    sender_record *self = userdata;
    uint64_t sent = 0;
    if (contract_is_over()) {
        return IOCP_DISARM;
    }
    self->tried = try__send(loop, result->handle, "second", 6, &sent);
    return contract_keep(loop, result, &self->sent);
}

/* Whichever function sends it. */
static void an_empty_datagram_that_is_queued_goes_first(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    datagram_pair pair = datagrams__connect(loop);
    for (int by_address = 0; by_address < 2; by_address++) {
        sender_record self = {.tried = -1};
        contract_record received[2] = {{0}, {0}};
        uint64_t sent = 4711;
        char data[8];
        int status = by_address
                         ? iocp_sendto(loop, pair.sender, NULL, 0, contract_sockaddr(&pair.address),
                                       pair.address.length, empty__sent, &self, NULL)
                         : iocp_send(loop, pair.sender, NULL, 0, empty__sent, &self, NULL);
        assert_int_equal(status, IOCP_OK);
        assert_int_equal(try__send(loop, pair.sender, "second", 6, &sent), IOCP_EAGAIN);
        assert_int_equal(sent, 4711);
        contract_datagram_start(loop, pair.receiver, data, sizeof data, &received[0]);
        contract_datagram_expect(loop, &received[0], 0);
        contract_wait(loop, &self.sent, 1);
        assert_int_equal(self.tried, IOCP_OK);
        contract_datagram_start(loop, pair.receiver, data, sizeof data, &received[1]);
        contract_datagram_expect(loop, &received[1], 6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TEST(what_was_sent_at_once_is_received),
        CONTRACT_TEST(a_receive_waits_as_before),
        CONTRACT_TEST(what_is_queued_goes_first),
        CONTRACT_TEST(a_socket_that_is_full_takes_nothing_and_does_not_wait),
        CONTRACT_TEST(what_a_send_would_be_refused_for_it_is_refused_for),
        CONTRACT_TEST(an_adopted_socket_is_left_as_it_is),
        CONTRACT_TEST(a_socket_that_is_given_back_waits_again),
        CONTRACT_TEST(a_datagram_goes_whole),
        CONTRACT_TEST(an_empty_datagram_that_is_queued_goes_first),
    };
    return CONTRACT_RUN(tests);
}
