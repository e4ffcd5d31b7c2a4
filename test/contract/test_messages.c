/* Datagrams with what goes beside their data: what is sent with them, and what is told of them. */
#include "contract_datagram.h"

#include <stdlib.h>
#include <string.h>

/* What a receive has told: the message and its addresses, copied. */
typedef struct heard {
    contract_record record;
    iocp_message_t message;
    contract_address peer;
    contract_address local;
} heard;

static void heard__copy(contract_address *to, const struct sockaddr *from, size_t length)
{
    memset(to, 0, sizeof *to);
    assert_true(from != NULL ? length > 0 : length == 0);
    if (from != NULL) {
        memcpy(&to->storage, from, length);
        to->length = length;
    }
}

static iocp_action_t IOCP_CALL heard__keep(iocp_loop_t *loop, const iocp_result_t *result,
                                           void *userdata)
{
    heard *h = userdata;
    if (contract_is_over()) {
        return IOCP_DISARM;
    }
    memset(&h->message, 0, sizeof h->message);
    assert_int_equal(result->message != NULL, result->status == IOCP_OK);
    if (result->message != NULL) {
        h->message = *result->message;
        assert_int_equal(h->message.size, sizeof h->message);
        assert_int_equal(h->message.dont_fragment + h->message.reserved, 0);
        assert_ptr_equal(h->message.peer, result->address);
        assert_int_equal(h->message.peer_length, result->address_length);
        heard__copy(&h->peer, h->message.peer, h->message.peer_length);
        heard__copy(&h->local, h->message.local, h->message.local_length);
    }
    return contract_keep(loop, result, &h->record);
}

static void heard__start(iocp_loop_t *loop, iocp_handle_t handle, void *data, size_t size, heard *h)
{
    iocp_buf_t buffer = {.length = (uint32_t)size, .base = data};
    assert_int_equal(iocp_recvmsg(loop, handle, &buffer, 1, heard__keep, h, NULL), IOCP_OK);
}

static void heard__receive(iocp_loop_t *loop, iocp_handle_t handle, void *data, size_t size,
                           heard *h)
{
    memset(h, 0, sizeof *h);
    heard__start(loop, handle, data, size, h);
    contract_wait(loop, &h->record, 1);
    assert_int_equal(h->record.status, IOCP_OK);
}

static iocp_message_t message__to(const contract_address *peer)
{
    return (iocp_message_t){.size = sizeof(iocp_message_t),
                            .peer = contract_sockaddr(peer),
                            .peer_length = peer->length};
}

static int message__try_send(iocp_loop_t *loop, iocp_handle_t handle, const void *data, size_t size,
                             const iocp_message_t *message)
{
    contract_record sent = {0};
    iocp_buf_t buffer = {.length = (uint32_t)size, .base = (void *)(uintptr_t)data};
    assert_int_equal(iocp_sendmsg(loop, handle, &buffer, 1, message, contract_keep, &sent, NULL),
                     IOCP_OK);
    contract_wait(loop, &sent, 1);
    assert_int_equal(sent.result.type, IOCP_TYPE_SENDMSG);
    assert_null(sent.result.message);
    assert_int_equal(sent.result.bytes, sent.status == IOCP_OK ? size : 0);
    return sent.status;
}

static void message__send(iocp_loop_t *loop, iocp_handle_t handle, const void *data, size_t size,
                          const iocp_message_t *message)
{
    assert_int_equal(message__try_send(loop, handle, data, size, message), IOCP_OK);
}

static void message__ask_for(iocp_loop_t *loop, iocp_handle_t handle, iocp_socket_option_t option)
{
    assert_int_equal(iocp_socket_set_option(loop, handle, option, 1), IOCP_OK);
}

static bool message__has_segments(void)
{
    return (iocp_capabilities() & IOCP_CAP_SEGMENTS) != 0;
}

/* ---- What is told ---- */

static void tells_where_it_arrived(iocp_loop_t *loop, int family)
{
    contract_address name;
    contract_address sender_name;
    char data[8] = {0};
    heard h;
    iocp_handle_t receiver = contract_datagram_bind(loop, family, &name);
    iocp_handle_t sender = contract_datagram_bind(loop, family, &sender_name);
    message__ask_for(loop, receiver, IOCP_SOCKET_RECV_LOCAL);
    message__ask_for(loop, receiver, IOCP_SOCKET_RECV_HOPS);
    iocp_message_t message = message__to(&name);
    message__send(loop, sender, "hello", 5, &message);
    heard__receive(loop, receiver, data, sizeof data, &h);
    assert_int_equal(h.record.result.type, IOCP_TYPE_RECVMSG);
    assert_int_equal(h.record.result.bytes, 5);
    assert_memory_equal(data, "hello", 6);
    assert_true(contract_is_loopback(&h.peer, family));
    assert_int_equal(h.peer.length, sender_name.length);
    assert_int_equal(contract_port(&h.peer), contract_port(&sender_name));
    assert_int_equal(h.message.fields, IOCP_MESSAGE_LOCAL | IOCP_MESSAGE_HOPS);
    assert_true(contract_is_loopback(&h.local, family));
    assert_int_equal(h.local.length, name.length);
    assert_true(h.message.interface_index > 0);
    assert_in_range(h.message.hops, 1, 255);
}

static void a_message_tells_where_it_arrived_over_ipv4(void **state)
{
    tells_where_it_arrived(contract_loop(state), AF_INET);
}

static void a_message_tells_where_it_arrived_over_ipv6(void **state)
{
    contract_need_ipv6();
    tells_where_it_arrived(contract_loop(state), AF_INET6);
}

/* Asked for once, and then no more. */
static void a_message_tells_only_what_was_asked_for(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_address name;
    char data[8];
    heard h = {.record = {.rearms = 1}};
    iocp_handle_t handle = contract_datagram_bind(loop, AF_INET, &name);
    message__ask_for(loop, handle, IOCP_SOCKET_RECV_LOCAL);
    heard__start(loop, handle, data, sizeof data, &h);
    contract_datagram_send(loop, handle, &name, "x", 1);
    contract_wait(loop, &h.record, 1);
    assert_int_equal(h.message.fields, IOCP_MESSAGE_LOCAL);
    assert_int_equal(iocp_socket_set_option(loop, handle, IOCP_SOCKET_RECV_LOCAL, 0), IOCP_OK);
    contract_datagram_send(loop, handle, &name, "x", 1);
    contract_wait(loop, &h.record, 2);
    assert_int_equal(h.record.status, IOCP_OK);
    assert_int_equal(h.message.fields, 0);
    assert_null(h.message.local);
    assert_int_equal(h.message.interface_index + h.message.hops + h.message.ecn, 0);
    assert_int_equal(h.message.segment_bytes, 0);
    assert_int_equal(contract_port(&h.peer), contract_port(&name));
}

static void what_is_sent_beside_a_datagram_arrives(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_address name;
    char data[8];
    heard h;
    if (!contract_datagram_is_exact()) {
        skip(); /* Wine sends no control data */
    }
    iocp_handle_t handle = contract_datagram_bind(loop, AF_INET, &name);
    message__ask_for(loop, handle, IOCP_SOCKET_RECV_HOPS);
    message__ask_for(loop, handle, IOCP_SOCKET_RECV_ECN);
    for (uint32_t ecn = 0; ecn < 4; ecn++) {
        iocp_message_t message = message__to(&name);
        message.hops = 40 + ecn;
        message.ecn = ecn;
        message.dont_fragment = 1;
        message__send(loop, handle, "x", 1, &message);
        heard__receive(loop, handle, data, sizeof data, &h);
        assert_int_equal(h.message.fields, IOCP_MESSAGE_HOPS | IOCP_MESSAGE_ECN);
        assert_int_equal(h.message.hops, 40 + ecn);
        assert_int_equal(h.message.ecn, ecn);
    }
    iocp_message_t plain = message__to(&name); /* the socket's */
    assert_int_equal(iocp_socket_set_option(loop, handle, IOCP_SOCKET_HOPS, 77), IOCP_OK);
    message__send(loop, handle, "x", 1, &plain);
    heard__receive(loop, handle, data, sizeof data, &h);
    assert_int_equal(h.message.hops, 77);
}

/* ---- Answers ---- */

/* A server on every address, asked at one of them. */
static void answers_from_where_it_was_asked(iocp_loop_t *loop, int server_family, int client_family)
{
    contract_address any = contract_any(server_family, 0);
    contract_address client_name;
    char data[8];
    heard asked;
    heard answered;
    iocp_handle_t server = contract_datagram_open(loop, server_family);
    if (server_family != client_family) {
        assert_int_equal(iocp_socket_set_option(loop, server, IOCP_SOCKET_V6ONLY, 0), IOCP_OK);
    }
    message__ask_for(loop, server, IOCP_SOCKET_RECV_LOCAL);
    assert_int_equal(iocp_socket_bind(loop, server, contract_sockaddr(&any), any.length), IOCP_OK);
    contract_address name = contract_datagram_name(loop, server);
    contract_address to = contract_loopback(client_family, contract_port(&name));
    iocp_handle_t client = contract_datagram_bind(loop, client_family, &client_name);
    contract_datagram_send(loop, client, &to, "ask", 3);
    heard__receive(loop, server, data, sizeof data, &asked);
    assert_int_equal(asked.message.fields, IOCP_MESSAGE_LOCAL);
    assert_int_equal(asked.local.storage.ss_family, server_family);
    assert_int_equal(asked.peer.storage.ss_family, server_family);
    assert_true(server_family == client_family ? contract_is_loopback(&asked.local, server_family)
                                               : contract_is_mapped_loopback(&asked.local));
    iocp_message_t answer = message__to(&asked.peer);
    answer.local = contract_sockaddr(&asked.local);
    answer.local_length = asked.local.length;
    answer.interface_index = asked.message.interface_index;
    message__send(loop, server, "answer", 6, &answer);
    heard__receive(loop, client, data, sizeof data, &answered);
    assert_memory_equal(data, "answer", 6);
    assert_true(contract_is_loopback(&answered.peer, client_family));
    assert_int_equal(contract_port(&answered.peer), contract_port(&to));
}

static void an_answer_leaves_from_where_the_question_arrived(void **state)
{
    answers_from_where_it_was_asked(contract_loop(state), AF_INET, AF_INET);
    contract_need_ipv6();
    answers_from_where_it_was_asked(contract_loop(state), AF_INET6, AF_INET6);
}

static void a_dual_stack_socket_answers_over_ipv4_from_where_it_was_asked(void **state)
{
    contract_need_ipv6();
    answers_from_where_it_was_asked(contract_loop(state), AF_INET6, AF_INET);
}

static void a_message_leaves_only_from_an_address_that_goes_with_it(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_address name;
    contract_address none;
    heard h = {.record = {0}};
    char data[8];
    contract_need_ipv6();
    iocp_handle_t handle = contract_datagram_bind(loop, AF_INET, &name);
    contract_address other = contract_loopback(AF_INET6, 0);
    heard__start(loop, handle, data, sizeof data, &h);
    iocp_message_t message = message__to(&name);
    message.local = contract_sockaddr(&other);
    message.local_length = other.length;
    assert_int_equal(message__try_send(loop, handle, "x", 1, &message), IOCP_EINVAL);
    message.local = contract_sockaddr(&name);
    message.local_length = name.length - 1;
    assert_int_equal(message__try_send(loop, handle, "x", 1, &message), IOCP_EINVAL);
    if (contract_datagram_is_exact()) {
        none = contract_datagram_ipv4(0xC0000201, 0); /* of nobody: RFC 5737 */
        message.local = contract_sockaddr(&none);
        message.local_length = none.length;
        assert_int_equal(message__try_send(loop, handle, "x", 1, &message), IOCP_EINVAL);
    }
    contract_idle(loop);
    assert_int_equal(h.record.calls, 0); /* nothing was sent */
}

/* IPv4 from an address of IPv6, and the other way round. */
static void a_dual_stack_socket_refuses_an_address_of_the_other_family(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static const int families[] = {AF_INET, AF_INET6};
    contract_address any = contract_any(AF_INET6, 0);
    contract_need_ipv6();
    iocp_handle_t dual = contract_datagram_open(loop, AF_INET6);
    assert_int_equal(iocp_socket_set_option(loop, dual, IOCP_SOCKET_V6ONLY, 0), IOCP_OK);
    assert_int_equal(iocp_socket_bind(loop, dual, contract_sockaddr(&any), any.length), IOCP_OK);
    contract_address name = contract_datagram_name(loop, dual);
    contract_address mapped = contract_mapped_loopback(contract_port(&name));
    contract_address plain = contract_loopback(AF_INET6, contract_port(&name));
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        bool is_4 = families[i] == AF_INET;
        iocp_message_t message = message__to(is_4 ? &mapped : &plain);
        message.local = contract_sockaddr(is_4 ? &plain : &mapped);
        message.local_length = plain.length;
        assert_int_equal(message__try_send(loop, dual, "x", 1, &message), IOCP_EINVAL);
        message.local = contract_sockaddr(is_4 ? &mapped : &plain);
        message__send(loop, dual, "x", 1, &message);
    }
}

/* ---- Data ---- */

static void lists_of_buffers_make_one_message(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static const size_t counts[] = {1, 2, 20, 21, IOCP_BUFFERS_MAX};
    static char out[IOCP_BUFFERS_MAX];
    static char in[IOCP_BUFFERS_MAX];
    static iocp_buf_t buffers[2][IOCP_BUFFERS_MAX];
    contract_address name;
    iocp_handle_t handle = contract_datagram_bind(loop, AF_INET, &name);
    for (size_t i = 0; i < IOCP_BUFFERS_MAX; i++) {
        out[i] = (char)('a' + i % 26);
    }
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        contract_record sent = {0};
        heard h = {.record = {0}};
        size_t count = counts[i];
        iocp_message_t message = message__to(&name);
        for (size_t k = 0; k < count; k++) {
            buffers[0][k] = (iocp_buf_t){.length = 1, .base = out + k};
            buffers[1][k] = (iocp_buf_t){.length = 1, .base = in + k};
        }
        memset(in, 0, sizeof in);
        assert_int_equal(iocp_recvmsg(loop, handle, buffers[1], count, heard__keep, &h, NULL),
                         IOCP_OK);
        assert_int_equal(
            iocp_sendmsg(loop, handle, buffers[0], count, &message, contract_keep, &sent, NULL),
            IOCP_OK);
        memset(buffers, 0xff, sizeof buffers); /* the lists are copied */
        contract_wait(loop, &sent, 1);
        contract_wait(loop, &h.record, 1);
        assert_int_equal(sent.status, IOCP_OK);
        assert_int_equal(h.record.status, IOCP_OK);
        assert_int_equal(h.record.result.bytes, count);
        assert_memory_equal(in, out, count);
    }
}

static void a_message_is_copied_by_the_call(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_address name;
    contract_record sent = {0};
    heard h = {.record = {0}};
    char text[] = "copied";
    char data[8] = {0};
    iocp_handle_t handle = contract_datagram_bind(loop, AF_INET, &name);
    contract_address to = name;
    contract_address from = name;
    iocp_buf_t buffer = {6, text};
    iocp_message_t message = message__to(&to);
    message.local = contract_sockaddr(&from);
    message.local_length = from.length;
    heard__start(loop, handle, data, sizeof data, &h);
    assert_int_equal(iocp_sendmsg(loop, handle, &buffer, 1, &message, contract_keep, &sent, NULL),
                     IOCP_OK);
    memset(&message, 0xff, sizeof message);
    memset(&to, 0xff, sizeof to);
    memset(&from, 0xff, sizeof from);
    memset(&buffer, 0xff, sizeof buffer);
    contract_wait(loop, &sent, 1);
    assert_int_equal(sent.status, IOCP_OK);
    contract_wait(loop, &h.record, 1);
    assert_memory_equal(data, "copied", 7);
}

static void a_message_longer_than_the_buffer_is_cut_and_says_so(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_address name;
    iocp_handle_t handle = contract_datagram_bind(loop, AF_INET, &name);
    message__ask_for(loop, handle, IOCP_SOCKET_RECV_LOCAL);
    for (int is_ready = 0; is_ready < 2; is_ready++) {
        heard h = {.record = {.rearms = 1}};
        char data[8] = "........";
        if (is_ready) {
            contract_datagram_send(loop, handle, &name, "truncated", 9);
            contract_idle(loop);
        }
        heard__start(loop, handle, data, 4, &h);
        if (!is_ready) {
            contract_idle(loop);
            contract_datagram_send(loop, handle, &name, "truncated", 9);
        }
        contract_wait(loop, &h.record, 1);
        assert_int_equal(h.record.status, IOCP_OK);
        assert_int_equal(h.record.result.native_error, 0);
        assert_int_equal(h.record.result.bytes, 4);
        assert_memory_equal(data, "trun....", 8);
        assert_true((h.record.result.flags & IOCP_RESULT_TRUNCATED) != 0);
        assert_int_equal(h.message.fields, IOCP_MESSAGE_LOCAL);
        assert_int_equal(contract_port(&h.peer), contract_port(&name));
        contract_datagram_send(loop, handle, &name, "fits", 4);
        contract_wait(loop, &h.record, 2);
        assert_int_equal(h.record.result.flags & IOCP_RESULT_TRUNCATED, 0);
        assert_memory_equal(data, "fits", 4);
    }
}

static void a_message_without_room_is_looked_at_and_stays(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_address name;
    char data[8] = "";
    iocp_handle_t handle = contract_datagram_bind(loop, AF_INET, &name);
    for (int is_ready = 0; is_ready < 2; is_ready++) {
        heard look = {.record = {0}};
        heard taken;
        if (is_ready) {
            contract_datagram_send(loop, handle, &name, "found", 5);
        }
        heard__start(loop, handle, NULL, 0, &look);
        if (!is_ready) {
            contract_idle(loop);
            contract_datagram_send(loop, handle, &name, "found", 5);
        }
        contract_wait(loop, &look.record, 1);
        assert_int_equal(look.record.status, IOCP_OK);
        assert_int_equal(look.record.result.bytes, 0);
        assert_int_equal(look.record.result.flags & IOCP_RESULT_TRUNCATED, 0);
        heard__receive(loop, handle, data, sizeof data, &taken);
        assert_int_equal(taken.record.result.bytes, 5);
        assert_memory_equal(data, "found", 5);
    }
}

static void an_empty_message_is_a_success(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_address name;
    char data[8];
    heard h;
    iocp_handle_t handle = contract_datagram_bind(loop, AF_INET, &name);
    iocp_message_t message = message__to(&name);
    message__send(loop, handle, NULL, 0, &message);
    heard__receive(loop, handle, data, sizeof data, &h);
    assert_int_equal(h.record.result.bytes, 0);
    assert_int_equal(contract_port(&h.peer), contract_port(&name));
}

static void a_connected_socket_needs_no_peer(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_address names[2];
    contract_record connected = {0};
    char data[8];
    heard h;
    iocp_handle_t a = contract_datagram_bind(loop, AF_INET, &names[0]);
    iocp_handle_t b = contract_datagram_bind(loop, AF_INET, &names[1]);
    iocp_message_t message = {.size = sizeof message};
    if (contract_datagram_is_exact()) {
        assert_int_equal(message__try_send(loop, a, "x", 1, &message), IOCP_ENOTCONN);
    }
    assert_int_equal(iocp_connect(loop, a, contract_sockaddr(&names[1]), names[1].length,
                                  contract_keep, &connected, NULL),
                     IOCP_OK);
    contract_wait(loop, &connected, 1);
    message__send(loop, a, "peer", 4, &message);
    heard__receive(loop, b, data, sizeof data, &h);
    assert_int_equal(h.record.result.bytes, 4);
    assert_int_equal(contract_port(&h.peer), contract_port(&names[0]));
}

/* ---- Segments ---- */

static void segments_arrive_one_by_one_or_are_refused(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_address name;
    char data[16];
    heard h = {.record = {0}};
    int cuts = -1;
    iocp_handle_t handle = contract_datagram_bind(loop, AF_INET, &name);
    assert_int_equal(iocp_socket_get_option(loop, handle, IOCP_SOCKET_SEND_SEGMENTS, &cuts),
                     IOCP_OK);
    assert_int_equal(cuts, message__has_segments());
    iocp_message_t message = message__to(&name);
    message.segment_bytes = 4;
    if (!message__has_segments()) {
        heard__start(loop, handle, data, sizeof data, &h);
        assert_int_equal(message__try_send(loop, handle, "onetwothr3", 10, &message), IOCP_ENOTSUP);
        contract_idle(loop);
        assert_int_equal(h.record.calls, 0); /* nothing was sent */
        return;
    }
    message__send(loop, handle, "one.two.3!", 10, &message);
    static const char *const parts[] = {"one.", "two.", "3!"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        heard__receive(loop, handle, data, sizeof data, &h);
        assert_int_equal(h.record.result.bytes, strlen(parts[i]));
        assert_memory_equal(data, parts[i], strlen(parts[i]));
        assert_int_equal(h.message.fields, 0);
        assert_int_equal(h.message.segment_bytes, 0);
    }
}

static void what_was_glued_tells_where_to_cut(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_address name;
    char data[16];
    heard h;
    if (!contract_clock_is_virtual()) {
        skip(); /* a system may glue, and need not */
    }
    iocp_handle_t handle = contract_datagram_bind(loop, AF_INET, &name);
    assert_int_equal(iocp_socket_set_option(loop, handle, IOCP_SOCKET_RECV_SEGMENTS, 16), IOCP_OK);
    iocp_message_t message = message__to(&name);
    message.segment_bytes = 4;
    message__send(loop, handle, "one.two.3!", 10, &message);
    message__send(loop, handle, "one.", 4, &message);
    heard__receive(loop, handle, data, sizeof data, &h);
    assert_int_equal(h.record.result.bytes, 10);
    assert_int_equal(h.message.fields, IOCP_MESSAGE_SEGMENTS);
    assert_int_equal(h.message.segment_bytes, 4);
    heard__receive(loop, handle, data, sizeof data, &h);
    assert_int_equal(h.record.result.bytes, 4);
    assert_int_equal(h.message.fields, 0);
    assert_int_equal(h.message.segment_bytes, 0);
}

/* ---- Memory ---- */

static void the_steady_state_of_messages_allocates_nothing(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_address name;
    uint64_t allocations = 0;
    char data[8];
    iocp_handle_t handle = contract_datagram_bind(loop, AF_INET, &name);
    for (int i = 0; i < 60; i++) {
        heard h;
        iocp_message_t message = message__to(&name);
        message__send(loop, handle, "steady", 6, &message);
        heard__receive(loop, handle, data, sizeof data, &h);
        if (i == 9) {
            allocations = contract_stats(loop).allocations;
        }
    }
    assert_int_equal(contract_stats(loop).allocations, allocations);
}

/* What has no memory leaves nothing: each allocation of a send and a receive refused in turn. */
static void a_message_for_which_there_is_no_memory_is_refused(void **state)
{
    static iocp_buf_t buffers[IOCP_BUFFERS_MAX];
    static char data[IOCP_BUFFERS_MAX];
    (void)state;
    int refused = 0;
    for (size_t i = 0; i < IOCP_BUFFERS_MAX; i++) {
        buffers[i] = (iocp_buf_t){.length = 1, .base = data + i};
    }
    for (int is_send = 0; is_send < 2; is_send++) {
        int status = IOCP_ENOMEM;
        for (uint64_t blocks = 0; status != IOCP_OK; blocks++) {
            contract_record record = {0};
            contract_address name;
            iocp_loop_t *loop = contract_loop_create();
            iocp_handle_t handle = contract_datagram_bind(loop, AF_INET, &name);
            iocp_message_t message = message__to(&name);
            contract_allow_blocks(blocks);
            status = is_send ? iocp_sendmsg(loop, handle, buffers, IOCP_BUFFERS_MAX, &message,
                                            contract_keep, &record, NULL)
                             : iocp_recvmsg(loop, handle, buffers, IOCP_BUFFERS_MAX, contract_keep,
                                            &record, NULL);
            contract_allow_blocks(UINT64_MAX);
            assert_true(status == IOCP_OK || status == IOCP_ENOMEM);
            refused += status == IOCP_ENOMEM;
            contract_loop_destroy(loop);
            assert_int_equal(record.calls, status == IOCP_OK);
        }
    }
    assert_true(refused >= 2);
}

/* ---- Refused ---- */

static int refuse__send(iocp_loop_t *loop, iocp_handle_t handle, const void *message)
{
    static char text[1] = "x";
    static contract_record never;
    iocp_buf_t buffer = {1, text};
    return iocp_sendmsg(loop, handle, &buffer, 1, message, contract_keep, &never, NULL);
}

static void a_message_with_what_is_none_is_refused(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_address name;
    iocp_handle_t handle = contract_datagram_bind(loop, AF_INET, &name);
    const struct sockaddr *to = contract_sockaddr(&name);
    const iocp_message_t messages[] = {
        {.size = 0},
        {.size = sizeof(iocp_message_t) - 1},
        {.size = sizeof(iocp_message_t), .fields = 1},
        {.size = sizeof(iocp_message_t), .peer_length = name.length},
        {.size = sizeof(iocp_message_t), .peer = to},
        {.size = sizeof(iocp_message_t), .peer = to, .peer_length = 1},
        {.size = sizeof(iocp_message_t), .peer = to, .peer_length = 129},
        {.size = sizeof(iocp_message_t), .local = to},
        {.size = sizeof(iocp_message_t), .local = to, .local_length = 129},
        {.size = sizeof(iocp_message_t), .local_length = name.length},
        {.size = sizeof(iocp_message_t), .hops = 256},
        {.size = sizeof(iocp_message_t), .ecn = 4},
        {.size = sizeof(iocp_message_t), .segment_bytes = 65536},
        {.size = sizeof(iocp_message_t), .dont_fragment = 2},
        {.size = sizeof(iocp_message_t), .reserved = 1},
    };
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        assert_int_equal(refuse__send(loop, handle, &messages[i]), IOCP_EINVAL);
    }
    assert_int_equal(refuse__send(loop, handle, NULL), IOCP_EINVAL);
}

static void a_message_of_another_version_is_taken_if_it_says_no_more(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_address name;
    char data[8];
    heard h;
    struct {
        iocp_message_t message;
        uint64_t more;
    } later;
    iocp_handle_t handle = contract_datagram_bind(loop, AF_INET, &name);
    memset(&later, 0, sizeof later);
    later.message = message__to(&name);
    later.message.size = sizeof later;
    later.more = 1;
    assert_int_equal(refuse__send(loop, handle, &later), IOCP_EINVAL);
    later.more = 0;
    message__send(loop, handle, "later", 5, &later.message);
    heard__receive(loop, handle, data, sizeof data, &h);
    iocp_message_t earlier = message__to(&name);
    earlier.size = offsetof(iocp_message_t, dont_fragment);
    earlier.dont_fragment = 77; /* behind its end */
    message__send(loop, handle, "earlier", 7, &earlier);
    heard__receive(loop, handle, data, sizeof data, &h);
    assert_memory_equal(data, "earlier", 7);
}

static void messages_need_a_socket_for_datagrams_and_buffers(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_address name;
    contract_record never = {0};
    char data[1];
    iocp_buf_t buffer = {1, data};
    iocp_buf_t missing = {1, NULL};
    iocp_message_t message = {.size = sizeof message};
    iocp_handle_t stream = contract_open(loop, AF_INET);
    iocp_handle_t handle = contract_datagram_bind(loop, AF_INET, &name);
    assert_int_equal(refuse__send(loop, stream, &message), IOCP_ENOTSUP);
    assert_int_equal(iocp_recvmsg(loop, stream, &buffer, 1, contract_keep, &never, NULL),
                     IOCP_ENOTSUP);
    const struct {
        const iocp_buf_t *buffers;
        size_t count;
    } lists[] = {{NULL, 1}, {&buffer, 0}, {&buffer, IOCP_BUFFERS_MAX + 1}, {&missing, 1}};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        assert_int_equal(iocp_recvmsg(loop, handle, lists[i].buffers, lists[i].count, contract_keep,
                                      &never, NULL),
                         IOCP_EINVAL);
        assert_int_equal(iocp_sendmsg(loop, handle, lists[i].buffers, lists[i].count, &message,
                                      contract_keep, &never, NULL),
                         IOCP_EINVAL);
    }
    assert_int_equal(never.calls, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TEST(a_message_tells_where_it_arrived_over_ipv4),
        CONTRACT_TEST(a_message_tells_where_it_arrived_over_ipv6),
        CONTRACT_TEST(a_message_tells_only_what_was_asked_for),
        CONTRACT_TEST(what_is_sent_beside_a_datagram_arrives),
        CONTRACT_TEST(an_answer_leaves_from_where_the_question_arrived),
        CONTRACT_TEST(a_dual_stack_socket_answers_over_ipv4_from_where_it_was_asked),
        CONTRACT_TEST(a_message_leaves_only_from_an_address_that_goes_with_it),
        CONTRACT_TEST(a_dual_stack_socket_refuses_an_address_of_the_other_family),
        CONTRACT_TEST(lists_of_buffers_make_one_message),
        CONTRACT_TEST(a_message_is_copied_by_the_call),
        CONTRACT_TEST(a_message_longer_than_the_buffer_is_cut_and_says_so),
        CONTRACT_TEST(a_message_without_room_is_looked_at_and_stays),
        CONTRACT_TEST(an_empty_message_is_a_success),
        CONTRACT_TEST(a_connected_socket_needs_no_peer),
        CONTRACT_TEST(segments_arrive_one_by_one_or_are_refused),
        CONTRACT_TEST(what_was_glued_tells_where_to_cut),
        CONTRACT_TEST(the_steady_state_of_messages_allocates_nothing),
        CONTRACT_TEST(a_message_for_which_there_is_no_memory_is_refused),
        CONTRACT_TEST(a_message_with_what_is_none_is_refused),
        CONTRACT_TEST(a_message_of_another_version_is_taken_if_it_says_no_more),
        CONTRACT_TEST(messages_need_a_socket_for_datagrams_and_buffers),
    };
    return CONTRACT_RUN(tests);
}
