/* Stream sockets: from opening to the end of a connection, and what is told of each step. */
#include "contract_env.h"
#include "base.h"

#include <stdlib.h>
#include <string.h>

static void assert_ended(const contract_record *record, int status)
{
    assert_int_equal(record->calls, 1);
    assert_int_equal(record->status, status);
}

static unsigned char pattern__byte(size_t offset)
{
    return (unsigned char)(offset * 31 + (offset >> 8) * 7 + (offset >> 16));
}

static unsigned char *pattern__new(size_t size)
{
    unsigned char *data = malloc(size);
    assert_non_null(data);
    for (size_t i = 0; i < size; i++) {
        data[i] = pattern__byte(i);
    }
    return data;
}

static contract_address socket__name(iocp_loop_t *loop, iocp_handle_t handle, bool peer)
{
    contract_address address;
    memset(&address, 0, sizeof address);
    address.length = sizeof address.storage;
    struct sockaddr *to = (struct sockaddr *)&address.storage;
    int status = peer ? iocp_socket_get_peer(loop, handle, to, &address.length)
                      : iocp_socket_get_name(loop, handle, to, &address.length);
    assert_int_equal(status, IOCP_OK);
    return address;
}

/* ---- The whole way ---- */

static void exchange(iocp_loop_t *loop, iocp_handle_t listener, iocp_handle_t client,
                     const contract_address *address)
{
    contract_record accepted = {0};
    contract_record connected = {0};
    contract_record records[5] = {{0}};
    char data[8] = {0};
    assert_int_equal(iocp_accept(loop, listener, contract_keep, &accepted, NULL), IOCP_OK);
    assert_int_equal(iocp_connect(loop, client, contract_sockaddr(address), address->length,
                                  contract_keep, &connected, NULL),
                     IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_ended(&accepted, IOCP_OK);
    assert_int_equal(accepted.result.type, IOCP_TYPE_ACCEPT);
    assert_true(accepted.result.handle.id == listener.id);
    assert_ended(&connected, IOCP_OK);
    assert_int_equal(connected.result.type, IOCP_TYPE_CONNECT);
    assert_true(connected.result.handle.id == client.id);
    iocp_handle_t server = accepted.result.opened;
    assert_true(server.id != 0 && server.id != listener.id && server.id != client.id);

    assert_int_equal(iocp_send(loop, client, "ping", 4, contract_keep, &records[0], NULL), IOCP_OK);
    contract_recv_all(loop, server, data, 4);
    assert_memory_equal(data, "ping", 4);
    contract_send_all(loop, server, "pong", 4);
    contract_recv_all(loop, client, data, 4);
    assert_memory_equal(data, "pong", 4);
    contract_wait(loop, &records[0], 1);
    assert_int_equal(records[0].result.type, IOCP_TYPE_SEND);
    assert_int_equal(records[0].result.bytes, 4);

    assert_int_equal(
        iocp_shutdown(loop, client, IOCP_SHUTDOWN_SEND, contract_keep, &records[1], NULL), IOCP_OK);
    assert_int_equal(iocp_recv(loop, server, data, sizeof data, contract_keep, &records[2], NULL),
                     IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_ended(&records[1], IOCP_OK);
    assert_int_equal(records[1].result.type, IOCP_TYPE_SHUTDOWN);
    assert_ended(&records[2], IOCP_EOF);
    assert_int_equal(records[2].result.bytes, 0);

    assert_int_equal(iocp_close(loop, client, contract_keep, &records[3], NULL), IOCP_OK);
    assert_int_equal(iocp_close(loop, server, contract_keep, &records[4], NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_ended(&records[3], IOCP_OK);
    assert_ended(&records[4], IOCP_OK);
}

static void accept_connect_send_receive_shut_down_and_close_over_ipv4(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_address address;
    iocp_handle_t listener = contract_listen(loop, AF_INET, &address);
    for (int i = 0; i < 3; i++) {
        exchange(loop, listener, contract_open(loop, AF_INET), &address);
    }
    contract_close(loop, listener);
}

static void accept_connect_send_receive_shut_down_and_close_over_ipv6(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_address address;
    contract_need_ipv6();
    iocp_handle_t listener = contract_listen(loop, AF_INET6, &address);
    for (int i = 0; i < 3; i++) {
        exchange(loop, listener, contract_open(loop, AF_INET6), &address);
    }
    contract_close(loop, listener);
}

static void a_dual_stack_listener_takes_both_families(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_address any = contract_any(AF_INET6, 0);
    contract_need_ipv6();
    iocp_handle_t listener = contract_open(loop, AF_INET6);
    assert_int_equal(iocp_socket_set_option(loop, listener, IOCP_SOCKET_V6ONLY, 0), IOCP_OK);
    assert_int_equal(iocp_socket_bind(loop, listener, contract_sockaddr(&any), any.length),
                     IOCP_OK);
    assert_int_equal(iocp_socket_listen(loop, listener, 0), IOCP_OK);
    contract_address name = socket__name(loop, listener, false);
    contract_address target4 = contract_loopback(AF_INET, contract_port(&name));
    contract_address target6 = contract_loopback(AF_INET6, contract_port(&name));
    exchange(loop, listener, contract_open(loop, AF_INET), &target4);
    exchange(loop, listener, contract_open(loop, AF_INET6), &target6);

    contract_record accepted = {0};
    contract_record connected = {0};
    iocp_handle_t client = contract_open(loop, AF_INET);
    assert_int_equal(iocp_accept(loop, listener, contract_keep, &accepted, NULL), IOCP_OK);
    assert_int_equal(iocp_connect(loop, client, contract_sockaddr(&target4), target4.length,
                                  contract_keep, &connected, NULL),
                     IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_ended(&accepted, IOCP_OK);
    assert_true(contract_is_mapped_loopback(&accepted.address));
}

/*
 * An IPv6 listener, and an IPv4 socket that has its port and does not listen: so that neither the
 * client, which the system would connect to itself, nor somebody else gets that.
 */
static contract_address listen_beside_a_deaf_socket(iocp_loop_t *loop)
{
    for (int tries = 0; tries < 100; tries++) {
        contract_address address = contract_loopback(AF_INET, 0);
        iocp_handle_t deaf = contract_open(loop, AF_INET);
        assert_int_equal(iocp_socket_bind(loop, deaf, contract_sockaddr(&address), address.length),
                         IOCP_OK);
        address = socket__name(loop, deaf, false);
        contract_address any = contract_any(AF_INET6, contract_port(&address));
        iocp_handle_t listener = contract_open(loop, AF_INET6);
        int status = iocp_socket_bind(loop, listener, contract_sockaddr(&any), any.length);
        if (status == IOCP_OK) {
            assert_int_equal(iocp_socket_listen(loop, listener, 0), IOCP_OK);
            return address;
        }
        assert_int_equal(status, IOCP_EADDRINUSE); /* somebody has it in IPv6 */
    }
    fail_msg("an IPv6 listener is in the way of IPv4");
    return contract_loopback(AF_INET, 0);
}

static void an_ipv6_listener_does_not_take_ipv4_unless_asked_to(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record connected = {0};
    int value = -1;
    contract_need_ipv6();
    assert_int_equal(
        iocp_socket_get_option(loop, contract_open(loop, AF_INET6), IOCP_SOCKET_V6ONLY, &value),
        IOCP_OK);
    assert_int_equal(value, 1);
    contract_address target = listen_beside_a_deaf_socket(loop);
    assert_int_equal(iocp_connect(loop, contract_open(loop, AF_INET), contract_sockaddr(&target),
                                  target.length, contract_keep, &connected, NULL),
                     IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_ended(&connected, IOCP_ECONNREFUSED);
}

static void both_sides_tell_each_others_addresses(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static const int families[] = {AF_INET, AF_INET6};
    for (int i = 0; i < 2; i++) {
        contract_address address;
        contract_record accepted = {0};
        contract_record connected = {0};
        if (families[i] == AF_INET6) {
            contract_need_ipv6();
        }
        iocp_handle_t listener = contract_listen(loop, families[i], &address);
        iocp_handle_t client = contract_open(loop, families[i]);
        assert_int_equal(iocp_accept(loop, listener, contract_keep, &accepted, NULL), IOCP_OK);
        assert_int_equal(iocp_connect(loop, client, contract_sockaddr(&address), address.length,
                                      contract_keep, &connected, NULL),
                         IOCP_OK);
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
        contract_address client_name = socket__name(loop, client, false);
        contract_address client_peer = socket__name(loop, client, true);
        contract_address server_name = socket__name(loop, accepted.result.opened, false);
        contract_address server_peer = socket__name(loop, accepted.result.opened, true);
        assert_true(contract_is_loopback(&client_name, families[i]));
        assert_true(contract_is_loopback(&client_peer, families[i]));
        assert_true(contract_is_loopback(&server_name, families[i]));
        assert_true(contract_is_loopback(&server_peer, families[i]));
        assert_true(contract_is_loopback(&accepted.address, families[i]));
        assert_int_equal(contract_port(&client_peer), contract_port(&address));
        assert_int_equal(contract_port(&server_name), contract_port(&address));
        assert_int_equal(contract_port(&client_name), contract_port(&server_peer));
        assert_int_equal(contract_port(&client_name), contract_port(&accepted.address));
    }
}

/* ---- Never inside ---- */

static void nothing_calls_back_before_the_next_turn(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record received = {0};
    contract_record sent = {0};
    contract_record shut = {0};
    char data[8];
    contract_pair pair = contract_connect(loop, AF_INET);
    contract_send_all(loop, pair.client, "x", 1);
    assert_int_equal(iocp_recv(loop, pair.server, data, 8, contract_keep, &received, NULL),
                     IOCP_OK);
    assert_int_equal(iocp_send(loop, pair.server, "y", 1, contract_keep, &sent, NULL), IOCP_OK);
    assert_int_equal(
        iocp_shutdown(loop, pair.client, IOCP_SHUTDOWN_SEND, contract_keep, &shut, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    contract_pass_time(loop, 10 * MS);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    assert_int_equal(received.calls + sent.calls + shut.calls, 0);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_ended(&received, IOCP_OK);
    assert_ended(&sent, IOCP_OK);
    assert_ended(&shut, IOCP_OK);
    contract_close_pair(loop, pair);
}

static void the_result_says_whether_there_was_a_packet(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record received = {0};
    contract_record ready = {0};
    char data[8];
    contract_pair pair = contract_connect(loop, AF_INET);
    contract_send_all(loop, pair.client, "x", 1);
    assert_int_equal(iocp_recv(loop, pair.server, NULL, 0, contract_keep, &ready, NULL), IOCP_OK);
    contract_wait(loop, &ready, 1);
    iocp_stats_t before = contract_stats(loop);
    assert_int_equal(iocp_recv(loop, pair.server, data, 8, contract_keep, &received, NULL),
                     IOCP_OK);
    contract_wait(loop, &received, 1);
    iocp_stats_t after = contract_stats(loop);
    bool is_inline = (received.result.flags & IOCP_RESULT_INLINE) != 0;
    assert_int_equal(after.inline_results - before.inline_results, is_inline);
    assert_int_equal(after.packets - before.packets, !is_inline);
    assert_true(contract_may_be_inline() || !is_inline);
    contract_close_pair(loop, pair);
}

/* The first finds its byte, the second waits for it. */
static void a_rearmed_receive_forgets_that_the_last_one_needed_no_packet(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record received = {.rearms = 1};
    char data[1];
    contract_pair pair = contract_connect(loop, AF_INET);
    contract_send_all(loop, pair.client, "x", 1);
    contract_idle(loop);
    uint64_t inline_results = contract_stats(loop).inline_results;
    assert_int_equal(iocp_recv(loop, pair.server, data, 1, contract_keep, &received, NULL),
                     IOCP_OK);
    contract_wait(loop, &received, 1);
    bool is_inline = (received.result.flags & IOCP_RESULT_INLINE) != 0;
    assert_int_equal(contract_stats(loop).inline_results - inline_results, is_inline);
    contract_idle(loop);
    contract_send_all(loop, pair.client, "y", 1);
    contract_wait(loop, &received, 2);
    assert_int_equal(received.result.flags, 0);
    contract_close_pair(loop, pair);
}

/* ---- Receiving ---- */

static void a_receive_of_no_bytes_waits_for_data_and_takes_none(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record ready = {0};
    contract_record again = {0};
    char data[8] = {0};
    contract_pair pair = contract_connect(loop, AF_INET);
    assert_int_equal(iocp_recv(loop, pair.server, NULL, 0, contract_keep, &ready, NULL), IOCP_OK);
    contract_idle(loop);
    assert_int_equal(ready.calls, 0);
    contract_send_all(loop, pair.client, "hello", 5);
    contract_wait(loop, &ready, 1);
    assert_ended(&ready, IOCP_OK);
    assert_int_equal(ready.result.bytes, 0);
    assert_int_equal(iocp_recv(loop, pair.server, data, 0, contract_keep, &again, NULL), IOCP_OK);
    contract_wait(loop, &again, 1);
    assert_ended(&again, IOCP_OK);
    contract_recv_all(loop, pair.server, data, 5);
    assert_memory_equal(data, "hello", 5);
    contract_close_pair(loop, pair);
}

static void a_receive_of_no_bytes_ends_at_the_end_of_the_stream(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record ready = {0};
    contract_record ended = {0};
    char data[8];
    contract_pair pair = contract_connect(loop, AF_INET);
    assert_int_equal(iocp_recv(loop, pair.server, NULL, 0, contract_keep, &ready, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    contract_close(loop, pair.client);
    contract_wait(loop, &ready, 1);
    assert_int_equal(iocp_recv(loop, pair.server, data, 8, contract_keep, &ended, NULL), IOCP_OK);
    contract_wait(loop, &ended, 1);
    assert_ended(&ended, IOCP_EOF);
}

static void several_receives_get_the_bytes_in_the_order_of_their_calls(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[4] = {{0}};
    char data[4][4] = {{0}};
    char all[16];
    size_t size = 0;
    contract_pair pair = contract_connect(loop, AF_INET);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(iocp_recv(loop, pair.server, data[i], 4, contract_keep, &records[i], NULL),
                         IOCP_OK);
    }
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    contract_send_all(loop, pair.client, "abcdefghijklmnop", 16);
    for (int i = 0; i < 4; i++) {
        contract_wait(loop, &records[i], 1);
        assert_int_equal(records[i].status, IOCP_OK);
        memcpy(all + size, data[i], (size_t)records[i].result.bytes);
        size += (size_t)records[i].result.bytes;
    }
    assert_memory_equal(all, "abcdefghijklmnop", size);
    contract_recv_all(loop, pair.server, all + size, 16 - size);
    assert_memory_equal(all, "abcdefghijklmnop", 16);
    contract_close_pair(loop, pair);
}

/* Also if the second is done at once while the packet of the first is still in the port. */
static void receives_call_back_in_the_order_of_their_calls(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record sent = {0};
    contract_record records[2] = {{0}};
    char data[2] = {0};
    contract_pair pair = contract_connect(loop, AF_INET);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(
            iocp_recv(loop, pair.server, &data[i], 1, contract_keep, &records[i], NULL), IOCP_OK);
        if (i == 0) {
            assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
            assert_int_equal(iocp_send(loop, pair.client, "ab", 2, contract_keep, &sent, NULL),
                             IOCP_OK);
        }
        assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    }
    contract_wait(loop, &records[1], 1);
    assert_ended(&records[0], IOCP_OK);
    assert_true(records[0].order < records[1].order);
    assert_memory_equal(data, "ab", 2);
    contract_wait(loop, &sent, 1);
    contract_close_pair(loop, pair);
}

static void the_end_comes_behind_the_bytes_of_a_receive_that_is_pending(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[2] = {{0}};
    contract_record sent = {0};
    contract_record shut = {0};
    char data[2] = {0};
    contract_pair pair = contract_connect(loop, AF_INET);
    assert_int_equal(iocp_recv(loop, pair.server, data, 1, contract_keep, &records[0], NULL),
                     IOCP_OK);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    assert_int_equal(iocp_send(loop, pair.client, "a", 1, contract_keep, &sent, NULL), IOCP_OK);
    contract_wait(loop, &sent, 1);
    assert_int_equal(
        iocp_shutdown(loop, pair.client, IOCP_SHUTDOWN_SEND, contract_keep, &shut, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    assert_int_equal(iocp_recv(loop, pair.server, data + 1, 1, contract_keep, &records[1], NULL),
                     IOCP_OK);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    contract_wait(loop, &records[1], 1);
    assert_ended(&records[0], IOCP_OK);
    assert_ended(&records[1], IOCP_EOF);
    assert_true(records[0].order < records[1].order);
    contract_close_pair(loop, pair);
}

static void a_receive_that_waits_its_turn_has_not_started(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[3] = {{0}};
    iocp_op_t ops[3] = {{0}};
    char data[3] = {0};
    contract_pair pair = contract_connect(loop, AF_INET);
    uint64_t starts = contract_stats(loop).starts;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(
            iocp_recv(loop, pair.server, &data[i], 1, contract_keep, &records[i], &ops[i]),
            IOCP_OK);
    }
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    assert_int_equal(iocp_op_state(loop, ops[0]), IOCP_OP_ACTIVE);
    assert_int_equal(iocp_op_state(loop, ops[1]), IOCP_OP_ADDING);
    assert_int_equal(contract_stats(loop).starts, starts + 1);
    assert_int_equal(iocp_cancel(loop, ops[1], NULL, NULL, NULL), IOCP_OK);
    contract_wait(loop, &records[1], 1);
    assert_ended(&records[1], IOCP_ECANCELED);
    starts = contract_stats(loop).starts;
    contract_send_all(loop, pair.client, "ab", 2);
    contract_wait(loop, &records[2], 1);
    assert_int_equal(contract_stats(loop).starts, starts + 2); /* the send and the last receive */
    assert_int_equal(data[0], 'a');
    assert_int_equal(data[2], 'b');
    contract_close_pair(loop, pair);
}

static void a_rearmed_receive_receives_again_into_the_same_buffer(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {.rearms = 2};
    char data[1];
    contract_pair pair = contract_connect(loop, AF_INET);
    assert_int_equal(iocp_recv(loop, pair.server, data, 1, contract_keep, &record, NULL), IOCP_OK);
    for (int i = 1; i <= 3; i++) {
        char byte = (char)('0' + i);
        contract_send_all(loop, pair.client, &byte, 1);
        contract_wait(loop, &record, i);
        assert_int_equal(record.status, IOCP_OK);
        assert_int_equal(data[0], byte);
    }
    contract_idle(loop);
    assert_int_equal(record.calls, 3);
    contract_close_pair(loop, pair);
}

/* ---- Lists of buffers ---- */

static void lists_of_buffers_are_gathered_and_scattered(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    char parts[3][5] = {"abcd", "", "efgh"};
    char back[3][5] = {{0}};
    contract_pair pair = contract_connect(loop, AF_INET);
    contract_record sent = {0};
    iocp_buf_t out[3] = {{4, parts[0]}, {0, NULL}, {4, parts[2]}};
    assert_int_equal(iocp_sendv(loop, pair.client, out, 3, contract_keep, &sent, NULL), IOCP_OK);
    memset(out, 0xff, sizeof out); /* the list was copied */
    contract_wait(loop, &sent, 1);
    assert_ended(&sent, IOCP_OK);
    assert_int_equal(sent.result.bytes, 8);
    size_t received = 0;
    while (received < 8) {
        contract_record got = {0};
        char piece[2][4] = {{0}};
        iocp_buf_t in[3] = {{3, piece[0]}, {0, NULL}, {4, piece[1]}};
        assert_int_equal(iocp_recvv(loop, pair.server, in, 3, contract_keep, &got, NULL), IOCP_OK);
        memset(in, 0xff, sizeof in);
        contract_wait(loop, &got, 1);
        assert_int_equal(got.status, IOCP_OK);
        for (size_t i = 0; i < got.result.bytes; i++) {
            assert_in_range(received, 0, 7);
            back[0][0] = i < 3 ? piece[0][i] : piece[1][i - 3];
            assert_int_equal(back[0][0], "abcdefgh"[received]);
            received++;
        }
    }
    contract_close_pair(loop, pair);
}

/* Lists of buffers with some that are empty, in each place; and of nothing else. */
static const uint32_t empty_among[][3] = {{0, 4, 0}, {0, 0, 4}, {4, 0, 0}, {2, 0, 2}, {0, 0, 0}};

static uint32_t empty_among__fill(iocp_buf_t list[3], const uint32_t lengths[3], char *data)
{
    uint32_t bytes = 0;
    for (int i = 0; i < 3; i++) {
        list[i] = (iocp_buf_t){lengths[i], lengths[i] > 0 ? data + bytes : NULL};
        bytes += lengths[i];
    }
    return bytes;
}

static void empty_buffers_are_passed_over_wherever_they_stand(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    for (size_t i = 0; i < sizeof empty_among / sizeof empty_among[0]; i++) {
        iocp_buf_t list[3];
        char out[4] = {'a', 'b', 'c', 'd'};
        char in[5] = {0};
        contract_record sent = {0};
        contract_record received = {0};
        contract_pair pair = contract_connect(loop, AF_INET);
        uint32_t size = empty_among__fill(list, empty_among[i], out);
        assert_int_equal(iocp_sendv(loop, pair.client, list, 3, contract_keep, &sent, NULL),
                         IOCP_OK);
        contract_wait(loop, &sent, 1);
        assert_ended(&sent, IOCP_OK);
        assert_int_equal(sent.result.bytes, size);
        contract_send_all(loop, pair.client, &"abcde"[size], 5 - size);
        (void)empty_among__fill(list, empty_among[i], in);
        assert_int_equal(iocp_recvv(loop, pair.server, list, 3, contract_keep, &received, NULL),
                         IOCP_OK);
        contract_wait(loop, &received, 1);
        assert_ended(&received, IOCP_OK);
        assert_in_range(received.result.bytes, size > 0, size);
        size_t got = (size_t)received.result.bytes;
        contract_recv_all(loop, pair.server, in + got, 5 - got);
        assert_memory_equal(in, "abcde", 5);
        contract_close_pair(loop, pair);
    }
}

static void the_end_of_the_stream_is_told_whatever_buffers_are_empty(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    for (size_t i = 0; i < sizeof empty_among / sizeof empty_among[0]; i++) {
        iocp_buf_t list[3];
        char data[4];
        contract_record received = {.rearms = 1}; /* and again */
        contract_pair pair = contract_connect(loop, AF_INET);
        uint32_t size = empty_among__fill(list, empty_among[i], data);
        assert_int_equal(iocp_recvv(loop, pair.server, list, 3, contract_keep, &received, NULL),
                         IOCP_OK);
        contract_idle(loop);
        assert_int_equal(received.calls, 0);
        contract_close(loop, pair.client);
        for (int calls = 1; calls <= 2; calls++) {
            contract_wait(loop, &received, calls);
            assert_int_equal(received.status, size > 0 ? IOCP_EOF : IOCP_OK);
            assert_int_equal(received.result.bytes, 0);
        }
        contract_close(loop, pair.server);
        contract_close(loop, pair.listener);
    }
}

static void the_longest_list_of_buffers_is_taken(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static iocp_buf_t list[IOCP_BUFFERS_MAX];
    static unsigned char data[IOCP_BUFFERS_MAX];
    static unsigned char back[IOCP_BUFFERS_MAX];
    contract_record sent = {0};
    contract_record received = {0};
    contract_pair pair = contract_connect(loop, AF_INET);
    for (int i = 0; i < IOCP_BUFFERS_MAX; i++) {
        data[i] = pattern__byte((size_t)i);
        list[i] = (iocp_buf_t){1, &data[i]};
    }
    assert_int_equal(
        iocp_sendv(loop, pair.client, list, IOCP_BUFFERS_MAX, contract_keep, &sent, NULL), IOCP_OK);
    contract_wait(loop, &sent, 1);
    assert_int_equal(sent.result.bytes, IOCP_BUFFERS_MAX);
    for (int i = 0; i < IOCP_BUFFERS_MAX; i++) {
        list[i].base = &back[i];
    }
    assert_int_equal(
        iocp_recvv(loop, pair.server, list, IOCP_BUFFERS_MAX, contract_keep, &received, NULL),
        IOCP_OK);
    contract_wait(loop, &received, 1);
    assert_int_equal(received.status, IOCP_OK);
    size_t size = (size_t)received.result.bytes;
    contract_recv_all(loop, pair.server, back + size, sizeof back - size);
    assert_memory_equal(back, data, sizeof data);
    contract_close_pair(loop, pair);
}

/* ---- Sending ---- */

typedef struct test_transfer {
    iocp_loop_t *loop;
    iocp_handle_t handle;
    unsigned char buffer[10000];
    size_t received;
    size_t bad_bytes;
    int end_status;
} test_transfer;

static iocp_action_t IOCP_CALL transfer__on_recv(iocp_loop_t *loop, const iocp_result_t *result,
                                                 void *userdata)
{
    test_transfer *transfer = userdata;
    (void)loop;
    if (result->status != IOCP_OK) {
        transfer->end_status = result->status;
        return IOCP_DISARM;
    }
    for (size_t i = 0; i < result->bytes; i++) {
        transfer->bad_bytes += transfer->buffer[i] != pattern__byte(transfer->received + i);
    }
    transfer->received += (size_t)result->bytes;
    return IOCP_REARM;
}

static void a_shutdown_waits_for_the_sends_before_it(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    enum {
        SIZE = 4 * 1024 * 1024,
        SENDS = 4
    };
    static test_transfer transfer;
    contract_record sent[SENDS] = {{0}};
    contract_record shut = {0};
    contract_record late = {0};
    unsigned char *data = pattern__new(SIZE);
    memset(&transfer, 0, sizeof transfer);
    contract_pair pair = contract_connect(loop, AF_INET);
    for (int i = 0; i < SENDS; i++) {
        assert_int_equal(iocp_send(loop, pair.client, data + i * (SIZE / SENDS), SIZE / SENDS,
                                   contract_keep, &sent[i], NULL),
                         IOCP_OK);
    }
    assert_int_equal(
        iocp_shutdown(loop, pair.client, IOCP_SHUTDOWN_SEND, contract_keep, &shut, NULL), IOCP_OK);
    assert_int_equal(iocp_send(loop, pair.client, data, 1, contract_keep, &late, NULL), IOCP_OK);
    assert_int_equal(iocp_recv(loop, pair.server, transfer.buffer, sizeof transfer.buffer,
                               transfer__on_recv, &transfer, NULL),
                     IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    for (int i = 0; i < SENDS; i++) {
        assert_ended(&sent[i], IOCP_OK);
        assert_int_equal(sent[i].result.bytes, SIZE / SENDS);
        assert_true(sent[i].order < shut.order);
    }
    assert_ended(&shut, IOCP_OK);
    assert_ended(&late, IOCP_EPIPE);
    assert_int_equal(transfer.received, SIZE);
    assert_int_equal(transfer.bad_bytes, 0);
    assert_int_equal(transfer.end_status, IOCP_EOF);
    free(data);
    contract_close_pair(loop, pair);
}

static void a_send_after_the_shutdown_fails(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record shut = {0};
    contract_record sent = {.rearms = 4};
    contract_pair pair = contract_connect(loop, AF_INET);
    assert_int_equal(
        iocp_shutdown(loop, pair.client, IOCP_SHUTDOWN_SEND, contract_keep, &shut, NULL), IOCP_OK);
    contract_wait(loop, &shut, 1);
    assert_int_equal(iocp_send(loop, pair.client, "x", 1, contract_keep, &sent, NULL), IOCP_OK);
    contract_wait(loop, &sent, 5); /* an operation that fails in its start can be rearmed, too */
    assert_int_equal(sent.status, IOCP_EPIPE);
    contract_idle(loop);
    assert_int_equal(sent.calls, 5);
    contract_close_pair(loop, pair);
}

static void each_direction_can_be_ended_alone(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    char data[8] = {0};
    contract_pair pair = contract_connect(loop, AF_INET);
    for (int i = 0; i < 2; i++) {
        iocp_handle_t ender = i == 0 ? pair.client : pair.server;
        iocp_handle_t other = i == 0 ? pair.server : pair.client;
        contract_record shut = {0};
        contract_record ended = {0};
        if (i == 0) {
            contract_send_all(loop, ender, "last", 4);
        }
        assert_int_equal(iocp_shutdown(loop, ender, IOCP_SHUTDOWN_SEND, contract_keep, &shut, NULL),
                         IOCP_OK);
        contract_wait(loop, &shut, 1);
        assert_ended(&shut, IOCP_OK);
        if (i == 0) {
            contract_recv_all(loop, other, data, 4);
        }
        assert_int_equal(iocp_recv(loop, other, data, 8, contract_keep, &ended, NULL), IOCP_OK);
        contract_wait(loop, &ended, 1);
        assert_ended(&ended, IOCP_EOF);
        if (i == 0) {
            contract_send_all(loop, other, "more", 4);
            contract_recv_all(loop, ender, data, 4);
            assert_memory_equal(data, "more", 4);
        }
    }
    contract_close_pair(loop, pair);
}

static void a_send_of_no_bytes_is_a_success(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record sent = {0};
    contract_pair pair = contract_connect(loop, AF_INET);
    assert_int_equal(iocp_send(loop, pair.client, NULL, 0, contract_keep, &sent, NULL), IOCP_OK);
    contract_wait(loop, &sent, 1);
    assert_ended(&sent, IOCP_OK);
    assert_int_equal(sent.result.bytes, 0);
    contract_close_pair(loop, pair);
}

/* ---- Echo, many bytes and many connections ---- */

typedef struct test_echo {
    iocp_handle_t handle;
    unsigned char buffer[4096];
    int *closed;
} test_echo;

static iocp_action_t IOCP_CALL echo__on_sent(iocp_loop_t *loop, const iocp_result_t *result,
                                             void *userdata);

static iocp_action_t IOCP_CALL echo__on_closed(iocp_loop_t *loop, const iocp_result_t *result,
                                               void *userdata)
{
    test_echo *echo = userdata;
    (void)loop;
    (void)result;
    ++*echo->closed;
    free(echo);
    return IOCP_DISARM;
}

static iocp_action_t IOCP_CALL echo__on_received(iocp_loop_t *loop, const iocp_result_t *result,
                                                 void *userdata)
{
    test_echo *echo = userdata;
    if (result->status != IOCP_OK ||
        iocp_send(loop, echo->handle, echo->buffer, (size_t)result->bytes, echo__on_sent, echo,
                  NULL) != IOCP_OK) {
        (void)iocp_close(loop, echo->handle, echo__on_closed, echo, NULL);
    }
    return IOCP_DISARM;
}

static iocp_action_t IOCP_CALL echo__on_sent(iocp_loop_t *loop, const iocp_result_t *result,
                                             void *userdata)
{
    test_echo *echo = userdata;
    if (result->status != IOCP_OK ||
        iocp_recv(loop, echo->handle, echo->buffer, sizeof echo->buffer, echo__on_received, echo,
                  NULL) != IOCP_OK) {
        (void)iocp_close(loop, echo->handle, echo__on_closed, echo, NULL);
    }
    return IOCP_DISARM;
}

typedef struct echo_server {
    int accepted;
    int failed;
    int closed;
    iocp_handle_t last[2];
} echo_server;

static iocp_action_t IOCP_CALL echo__on_accepted(iocp_loop_t *loop, const iocp_result_t *result,
                                                 void *userdata)
{
    echo_server *server = userdata;
    if (result->status != IOCP_OK) {
        server->failed++;
        return IOCP_DISARM;
    }
    test_echo *connection = calloc(1, sizeof *connection);
    server->accepted++;
    connection->handle = result->opened;
    connection->closed = &server->closed;
    iocp_result_t begin = {.status = IOCP_OK};
    (void)echo__on_sent(loop, &begin, connection);
    return IOCP_REARM;
}

typedef struct echo_client {
    iocp_handle_t handle;
    size_t seed;
    size_t to_send;
    size_t sent;
    size_t received;
    size_t bad_bytes;
    int failures;
    int is_closed;
    unsigned char out[3000];
    unsigned char in[3000];
} echo_client;

static unsigned char client__byte(const echo_client *client, size_t offset)
{
    return (unsigned char)(pattern__byte(offset) ^ client->seed);
}

static iocp_action_t IOCP_CALL client__on_event(iocp_loop_t *loop, const iocp_result_t *result,
                                                void *userdata);

static void client__send(iocp_loop_t *loop, echo_client *client)
{
    size_t size = client->to_send - client->sent;
    if (size == 0) {
        client->failures += iocp_shutdown(loop, client->handle, IOCP_SHUTDOWN_SEND,
                                          client__on_event, client, NULL) != IOCP_OK;
        return;
    }
    size = size < sizeof client->out ? size : sizeof client->out;
    for (size_t i = 0; i < size; i++) {
        client->out[i] = client__byte(client, client->sent + i);
    }
    client->failures += iocp_send(loop, client->handle, client->out, size, client__on_event, client,
                                  NULL) != IOCP_OK;
}

static iocp_action_t client__on_received(iocp_loop_t *loop, const iocp_result_t *result,
                                         echo_client *client)
{
    if (result->status != IOCP_OK) {
        client->failures += result->status != IOCP_EOF;
        client->failures +=
            iocp_close(loop, client->handle, client__on_event, client, NULL) != IOCP_OK;
        return IOCP_DISARM;
    }
    for (size_t i = 0; i < result->bytes; i++) {
        client->bad_bytes += client->in[i] != client__byte(client, client->received + i);
    }
    client->received += (size_t)result->bytes;
    return IOCP_REARM;
}

static iocp_action_t IOCP_CALL client__on_event(iocp_loop_t *loop, const iocp_result_t *result,
                                                void *userdata)
{
    echo_client *client = userdata;
    if (result->type == IOCP_TYPE_RECV) {
        return client__on_received(loop, result, client);
    }
    client->failures += result->status != IOCP_OK;
    if (result->type == IOCP_TYPE_CLOSE) {
        client->is_closed = 1;
        return IOCP_DISARM;
    }
    if (result->type == IOCP_TYPE_CONNECT) {
        client->failures += iocp_recv(loop, client->handle, client->in, sizeof client->in,
                                      client__on_event, client, NULL) != IOCP_OK;
    }
    if (result->type == IOCP_TYPE_SEND) {
        client->sent += (size_t)result->bytes;
    }
    if (result->type != IOCP_TYPE_SHUTDOWN) {
        client__send(loop, client);
    }
    return IOCP_DISARM;
}

static void echo__run(iocp_loop_t *loop, int count, size_t bytes_each)
{
    echo_server server = {0};
    contract_address address;
    enum {
        ACCEPTS = 8
    };
    iocp_op_t accepts[ACCEPTS] = {{0}};
    echo_client *clients = calloc((size_t)count, sizeof *clients);
    assert_non_null(clients);
    iocp_handle_t listener = contract_listen(loop, AF_INET, &address);
    for (int i = 0; i < ACCEPTS; i++) {
        assert_int_equal(iocp_accept(loop, listener, echo__on_accepted, &server, &accepts[i]),
                         IOCP_OK);
        assert_int_equal(iocp_op_unref(loop, accepts[i]), IOCP_OK);
    }
    for (int i = 0; i < count; i++) {
        clients[i].handle = contract_open(loop, AF_INET);
        clients[i].seed = (size_t)i;
        clients[i].to_send = bytes_each;
        assert_int_equal(iocp_connect(loop, clients[i].handle, contract_sockaddr(&address),
                                      address.length, client__on_event, &clients[i], NULL),
                         IOCP_OK);
    }
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    contract_close(loop, listener);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    for (int i = 0; i < count; i++) {
        assert_int_equal(clients[i].failures, 0);
        assert_int_equal(clients[i].bad_bytes, 0);
        assert_int_equal(clients[i].received, bytes_each);
        assert_int_equal(clients[i].is_closed, 1);
    }
    assert_int_equal(server.accepted, count);
    assert_int_equal(server.closed, count);
    assert_int_equal(server.failed, ACCEPTS);
    assert_int_equal(contract_stats(loop).handles, 0);
    free(clients);
}

static void every_byte_of_a_long_echo_comes_back_in_order(void **state)
{
    echo__run(contract_loop(state), 1, 1024 * 1024);
}

static void two_hundred_connections_at_once_echo(void **state)
{
    echo__run(contract_loop(state), 200, 20000);
}

/* ---- Accepting ---- */

static void several_accepts_may_be_pending_and_each_gets_its_own_connection(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    enum {
        COUNT = 10
    };
    contract_record accepts[COUNT] = {{0}};
    contract_record connects[COUNT] = {{0}};
    contract_address address;
    iocp_handle_t listener = contract_listen(loop, AF_INET, &address);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(iocp_accept(loop, listener, contract_keep, &accepts[i], NULL), IOCP_OK);
    }
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(iocp_connect(loop, contract_open(loop, AF_INET),
                                      contract_sockaddr(&address), address.length, contract_keep,
                                      &connects[i], NULL),
                         IOCP_OK);
    }
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    for (int i = 0; i < COUNT; i++) {
        assert_ended(&accepts[i], IOCP_OK);
        assert_ended(&connects[i], IOCP_OK);
        for (int j = 0; j < i; j++) {
            assert_true(accepts[i].result.opened.id != accepts[j].result.opened.id);
            assert_true(contract_port(&accepts[i].address) != contract_port(&accepts[j].address));
        }
    }
}

static iocp_action_t IOCP_CALL accept__keep_two(iocp_loop_t *loop, const iocp_result_t *result,
                                                void *userdata)
{
    echo_server *server = userdata;
    (void)loop;
    server->failed += result->status != IOCP_OK;
    if (server->accepted < 2) {
        server->last[server->accepted] = result->opened;
    }
    server->accepted++;
    return server->accepted < 2 ? IOCP_REARM : IOCP_DISARM;
}

static void a_rearmed_accept_gives_another_connection_and_keeps_the_first(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    echo_server server = {0};
    contract_record connects[2] = {{0}};
    contract_address address;
    iocp_handle_t clients[2];
    char data[1];
    iocp_handle_t listener = contract_listen(loop, AF_INET, &address);
    assert_int_equal(iocp_accept(loop, listener, accept__keep_two, &server, NULL), IOCP_OK);
    for (int i = 0; i < 2; i++) {
        clients[i] = contract_open(loop, AF_INET);
        assert_int_equal(iocp_connect(loop, clients[i], contract_sockaddr(&address), address.length,
                                      contract_keep, &connects[i], NULL),
                         IOCP_OK);
        contract_wait(loop, &connects[i], 1);
    }
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(server.accepted, 2);
    assert_int_equal(server.failed, 0);
    assert_true(server.last[0].id != server.last[1].id);
    for (int i = 0; i < 2; i++) {
        char byte = (char)('a' + i);
        contract_send_all(loop, clients[i], &byte, 1);
    }
    for (int i = 0; i < 2; i++) {
        contract_recv_all(loop, server.last[i], data, 1);
        assert_int_equal(data[0], 'a' + i);
    }
}

static void an_accept_on_a_socket_that_does_not_listen_ends(void **state)
{
    if (contract_is_wine()) {
        skip(); /* there it waits, and Wine's server sometimes dies of it */
    }
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_record cancel = {0};
    iocp_op_t op = {0};
    iocp_handle_t handle = contract_open(loop, AF_INET);
    contract_address address = contract_loopback(AF_INET, 0);
    assert_int_equal(iocp_socket_bind(loop, handle, contract_sockaddr(&address), address.length),
                     IOCP_OK);
    assert_int_equal(iocp_accept(loop, handle, contract_keep, &record, &op), IOCP_OK);
    contract_idle(loop);
    /* Windows and the simulation refuse it, Wine lets it wait. */
    assert_int_equal(iocp_cancel(loop, op, contract_keep, &cancel, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(record.calls, 1);
    assert_true(record.status != IOCP_OK);
    assert_true(record.result.opened.id == 0);
    if (contract_clock_is_virtual()) {
        assert_int_equal(record.status, IOCP_EINVAL);
    }
}

static void connections_that_came_before_the_accept_are_accepted(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record connects[3] = {{0}};
    contract_record accepts = {.rearms = 2};
    contract_address address;
    iocp_handle_t listener = contract_listen(loop, AF_INET, &address);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(iocp_connect(loop, contract_open(loop, AF_INET),
                                      contract_sockaddr(&address), address.length, contract_keep,
                                      &connects[i], NULL),
                         IOCP_OK);
    }
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(iocp_accept(loop, listener, contract_keep, &accepts, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(accepts.calls, 3);
    assert_int_equal(accepts.status, IOCP_OK);
}

/* ---- Connecting ---- */

static void a_refused_connect_says_so(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_address address;
    contract_record closed = {0};
    iocp_handle_t listener = contract_listen(loop, AF_INET, &address);
    assert_int_equal(iocp_close(loop, listener, contract_keep, &closed, NULL), IOCP_OK);
    contract_wait(loop, &closed, 1);
    /* So that the client, or somebody else, does not get the port. */
    iocp_handle_t deaf = contract_open(loop, AF_INET);
    assert_int_equal(iocp_socket_bind(loop, deaf, contract_sockaddr(&address), address.length),
                     IOCP_OK);
    assert_int_equal(iocp_connect(loop, contract_open(loop, AF_INET), contract_sockaddr(&address),
                                  address.length, contract_keep, &record, NULL),
                     IOCP_OK);
    contract_wait(loop, &record, 1);
    assert_ended(&record, IOCP_ECONNREFUSED);
    assert_int_equal(record.result.native_error, 10061); /* WSAECONNREFUSED */
}

static void the_address_of_a_connect_is_copied(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_address address;
    (void)contract_listen(loop, AF_INET, &address);
    assert_int_equal(iocp_connect(loop, contract_open(loop, AF_INET), contract_sockaddr(&address),
                                  address.length, contract_keep, &record, NULL),
                     IOCP_OK);
    memset(&address, 0xff, sizeof address);
    contract_wait(loop, &record, 1);
    assert_ended(&record, IOCP_OK);
}

static void a_bound_socket_connects_from_where_it_is_bound(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_address address;
    contract_address own = contract_loopback(AF_INET, 0);
    iocp_handle_t client = contract_open(loop, AF_INET);
    (void)contract_listen(loop, AF_INET, &address);
    assert_int_equal(iocp_socket_bind(loop, client, contract_sockaddr(&own), own.length), IOCP_OK);
    contract_address bound = socket__name(loop, client, false);
    assert_int_equal(iocp_connect(loop, client, contract_sockaddr(&address), address.length,
                                  contract_keep, &record, NULL),
                     IOCP_OK);
    contract_wait(loop, &record, 1);
    assert_ended(&record, IOCP_OK);
    contract_address connected = socket__name(loop, client, false);
    assert_int_equal(contract_port(&bound), contract_port(&connected));
}

static void a_second_connect_fails(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_pair pair = contract_connect(loop, AF_INET);
    contract_address address = socket__name(loop, pair.listener, false);
    assert_int_equal(iocp_connect(loop, pair.client, contract_sockaddr(&address), address.length,
                                  contract_keep, &record, NULL),
                     IOCP_OK);
    contract_wait(loop, &record, 1);
    assert_ended(&record, IOCP_EISCONN);
    contract_close_pair(loop, pair);
}

static void transfers_on_a_socket_that_is_not_connected_fail(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record received = {.rearms = 4};
    contract_record sent = {.rearms = 4};
    char data[8];
    iocp_handle_t handle = contract_open(loop, AF_INET);
    assert_int_equal(iocp_recv(loop, handle, data, 8, contract_keep, &received, NULL), IOCP_OK);
    assert_int_equal(iocp_send(loop, handle, data, 8, contract_keep, &sent, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(received.calls, 5);
    assert_int_equal(received.status, IOCP_ENOTCONN);
    assert_int_equal(received.result.native_error, 10057); /* WSAENOTCONN */
    assert_int_equal(sent.calls, 5);
    /* Wine's WSASend says WSAECONNRESET. */
    assert_int_equal(sent.status, contract_is_wine() ? IOCP_ECONNRESET : IOCP_ENOTCONN);
}

/* ---- How connections end ---- */

static void a_reset_is_told_from_the_end_of_the_stream(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    for (int hard = 0; hard < 2; hard++) {
        contract_record record = {0};
        char data[8];
        contract_pair pair = contract_connect(loop, AF_INET);
        assert_int_equal(iocp_recv(loop, pair.server, data, 8, contract_keep, &record, NULL),
                         IOCP_OK);
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
        if (hard) {
            assert_int_equal(iocp_socket_set_option(loop, pair.client, IOCP_SOCKET_LINGER, 0),
                             IOCP_OK);
        }
        contract_close(loop, pair.client);
        contract_wait(loop, &record, 1);
        assert_ended(&record, hard ? IOCP_ECONNRESET : IOCP_EOF);
        assert_int_equal(record.result.bytes, 0);
        contract_close(loop, pair.server);
        contract_close(loop, pair.listener);
    }
}

static void closing_with_data_unread_resets_the_connection(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_record ready = {0};
    char data[8];
    contract_pair pair = contract_connect(loop, AF_INET);
    contract_send_all(loop, pair.server, "unread", 6);
    assert_int_equal(iocp_recv(loop, pair.client, NULL, 0, contract_keep, &ready, NULL), IOCP_OK);
    contract_wait(loop, &ready, 1);
    assert_int_equal(iocp_recv(loop, pair.server, data, 8, contract_keep, &record, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    contract_close(loop, pair.client);
    contract_wait(loop, &record, 1);
    assert_ended(&record, IOCP_ECONNRESET);
}

static void sending_to_a_peer_that_is_gone_ends_as_reset(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record closed = {0};
    int status = IOCP_OK;
    contract_pair pair = contract_connect(loop, AF_INET);
    assert_int_equal(iocp_close(loop, pair.client, contract_keep, &closed, NULL), IOCP_OK);
    contract_wait(loop, &closed, 1);
    for (int i = 0; i < 100 && status == IOCP_OK; i++) {
        contract_record sent = {0};
        assert_int_equal(iocp_send(loop, pair.server, "x", 1, contract_keep, &sent, NULL), IOCP_OK);
        contract_wait(loop, &sent, 1);
        status = sent.status;
        contract_pass_time(loop, 1 * MS);
    }
    assert_true(status == IOCP_ECONNRESET || status == IOCP_ECONNABORTED || status == IOCP_EPIPE);
}

static void the_data_before_the_end_is_received_first(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record ended = {0};
    char data[8];
    contract_pair pair = contract_connect(loop, AF_INET);
    contract_send_all(loop, pair.client, "bye", 3);
    contract_close(loop, pair.client);
    contract_idle(loop);
    contract_recv_all(loop, pair.server, data, 3);
    assert_memory_equal(data, "bye", 3);
    assert_int_equal(iocp_recv(loop, pair.server, data, 8, contract_keep, &ended, NULL), IOCP_OK);
    contract_wait(loop, &ended, 1);
    assert_ended(&ended, IOCP_EOF);
}

/* ---- Handles ---- */

static void a_closed_handle_is_refused_everywhere(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record closed = {0};
    contract_record never = {0};
    void *native = NULL;
    int value = 0;
    uintptr_t socket = 0;
    char data[8];
    iocp_handle_t handle = contract_open(loop, AF_INET);
    contract_address address = contract_loopback(AF_INET, 0);
    size_t length = sizeof address.storage;
    struct sockaddr *to = (struct sockaddr *)&address.storage;
    assert_int_equal(iocp_handle_native(loop, handle, &native), IOCP_OK);
    assert_non_null(native);
    assert_int_equal(iocp_close(loop, handle, contract_keep, &closed, NULL), IOCP_OK);
    for (int i = 0; i < 2; i++) { /* while it closes, and after */
        assert_int_equal(iocp_recv(loop, handle, data, 8, contract_keep, &never, NULL), IOCP_EBADF);
        assert_int_equal(iocp_send(loop, handle, data, 8, contract_keep, &never, NULL), IOCP_EBADF);
        assert_int_equal(iocp_accept(loop, handle, contract_keep, &never, NULL), IOCP_EBADF);
        assert_int_equal(iocp_connect(loop, handle, to, 16, contract_keep, &never, NULL),
                         IOCP_EBADF);
        assert_int_equal(
            iocp_shutdown(loop, handle, IOCP_SHUTDOWN_SEND, contract_keep, &never, NULL),
            IOCP_EBADF);
        assert_int_equal(iocp_close(loop, handle, contract_keep, &never, NULL), IOCP_EBADF);
        assert_int_equal(iocp_socket_bind(loop, handle, to, 16), IOCP_EBADF);
        assert_int_equal(iocp_socket_listen(loop, handle, 0), IOCP_EBADF);
        assert_int_equal(iocp_socket_get_name(loop, handle, to, &length), IOCP_EBADF);
        assert_int_equal(iocp_socket_get_peer(loop, handle, to, &length), IOCP_EBADF);
        assert_int_equal(iocp_socket_set_option(loop, handle, IOCP_SOCKET_NODELAY, 1), IOCP_EBADF);
        assert_int_equal(iocp_socket_get_option(loop, handle, IOCP_SOCKET_NODELAY, &value),
                         IOCP_EBADF);
        assert_int_equal(iocp_socket_detach(loop, handle, &socket), IOCP_EBADF);
        assert_int_equal(iocp_handle_native(loop, handle, &native), IOCP_EBADF);
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    }
    assert_ended(&closed, IOCP_OK);
    assert_int_equal(never.calls, 0);
}

static void ids_of_handles_are_never_used_again(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    enum {
        COUNT = 200
    };
    iocp_handle_t handles[COUNT];
    for (int i = 0; i < COUNT; i++) {
        handles[i] = contract_open(loop, AF_INET);
        contract_close(loop, handles[i]);
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    }
    iocp_handle_t last = contract_open(loop, AF_INET);
    for (int i = 0; i < COUNT; i++) {
        assert_true(handles[i].id != last.id);
        assert_int_equal(iocp_close(loop, handles[i], NULL, NULL, NULL), IOCP_EBADF);
    }
}

static void only_sockets_of_known_kinds_and_families_can_be_opened(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_handle_t handle = {0};
    assert_int_equal(iocp_socket_open(loop, AF_INET, SOCK_RAW, 0, &handle), IOCP_ENOTSUP);
    assert_true(iocp_socket_open(loop, 9999, SOCK_STREAM, 0, &handle) != IOCP_OK);
    assert_true(iocp_socket_open(loop, AF_INET, SOCK_STREAM, IPPROTO_UDP, &handle) != IOCP_OK);
    assert_true(handle.id == 0);
    assert_int_equal(iocp_socket_open(loop, AF_INET, SOCK_STREAM, IPPROTO_TCP, &handle), IOCP_OK);
    assert_int_equal(contract_stats(loop).handles, 1);
}

static void names_are_refused_until_there_is_one(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_address address;
    iocp_handle_t handle = contract_open(loop, AF_INET);
    struct sockaddr *to = (struct sockaddr *)&address.storage;
    address.length = sizeof address.storage;
    assert_int_equal(iocp_socket_get_name(loop, handle, to, &address.length), IOCP_EINVAL);
    assert_int_equal(iocp_socket_get_peer(loop, handle, to, &address.length), IOCP_ENOTCONN);
    contract_address own = contract_loopback(AF_INET, 0);
    assert_int_equal(iocp_socket_bind(loop, handle, contract_sockaddr(&own), own.length), IOCP_OK);
    address.length = 4;
    assert_int_equal(iocp_socket_get_name(loop, handle, to, &address.length), IOCP_EFAULT);
    assert_true(contract_port(&own) == 0);
    own = socket__name(loop, handle, false);
    assert_true(contract_port(&own) != 0);
}

static void options_can_be_set_and_read_back(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static const iocp_socket_option_t switches[] = {IOCP_SOCKET_NODELAY, IOCP_SOCKET_KEEPALIVE,
                                                    IOCP_SOCKET_REUSE_ADDRESS, IOCP_SOCKET_V6ONLY};
    int value = 0;
    contract_need_ipv6();
    iocp_handle_t handle = contract_open(loop, AF_INET6);
    for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++) {
        for (int on = 1; on >= 0; on--) {
            assert_int_equal(iocp_socket_set_option(loop, handle, switches[i], on), IOCP_OK);
            assert_int_equal(iocp_socket_get_option(loop, handle, switches[i], &value), IOCP_OK);
            assert_int_equal(value != 0, on);
        }
    }
    static const int lingers[] = {0, 5, -1};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(iocp_socket_set_option(loop, handle, IOCP_SOCKET_LINGER, lingers[i]),
                         IOCP_OK);
        assert_int_equal(iocp_socket_get_option(loop, handle, IOCP_SOCKET_LINGER, &value), IOCP_OK);
        assert_int_equal(value, lingers[i]);
    }
    assert_int_equal(iocp_socket_set_option(loop, handle, IOCP_SOCKET_RECV_BUFFER, 32768), IOCP_OK);
    assert_int_equal(iocp_socket_get_option(loop, handle, IOCP_SOCKET_RECV_BUFFER, &value),
                     IOCP_OK);
    assert_true(value >= 32768);
    assert_int_equal(iocp_socket_set_option(loop, handle, IOCP_SOCKET_SEND_BUFFER, 32768), IOCP_OK);
    assert_int_equal(iocp_socket_get_option(loop, handle, IOCP_SOCKET_ERROR, &value), IOCP_OK);
    assert_int_equal(value, 0);
    iocp_handle_t exclusive = contract_open(loop, AF_INET);
    assert_int_equal(iocp_socket_set_option(loop, exclusive, IOCP_SOCKET_EXCLUSIVE, 1), IOCP_OK);
    assert_int_equal(iocp_socket_get_option(loop, exclusive, IOCP_SOCKET_EXCLUSIVE, &value),
                     IOCP_OK);
    assert_true(value != 0);
    assert_true(iocp_socket_set_option(loop, exclusive, IOCP_SOCKET_V6ONLY, 1) != IOCP_OK);
}

/* ---- Sockets that come and go ---- */

/* Let two loops run in turns on this thread until the record has a call. */
static void run_both(iocp_loop_t *a, iocp_loop_t *b, const contract_record *record)
{
    for (int i = 0; i < 10000 && record->calls == 0; i++) {
        assert_int_equal(iocp_loop_run(a, IOCP_RUN_NO_WAIT), IOCP_OK);
        assert_int_equal(iocp_loop_run(b, IOCP_RUN_NO_WAIT), IOCP_OK);
        if (i % 16 == 15) {
            contract_pass_time(a, 1 * MS);
            if (contract_clock_is_virtual()) {
                contract_pass_time(b, 1 * MS);
            }
        }
    }
    assert_int_equal(record->calls, 1);
}

static void an_accepted_socket_can_move_to_another_loop(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_loop_t *other = contract_loop_create();
    contract_record sent = {0};
    contract_record received = {0};
    contract_record back = {0};
    uintptr_t socket = 0;
    iocp_handle_t moved = {0};
    char data[8] = {0};
    contract_pair pair = contract_connect(loop, AF_INET);
    assert_int_equal(iocp_socket_detach(loop, pair.server, &socket), IOCP_OK);
    assert_true(socket != 0);
    assert_int_equal(iocp_close(loop, pair.server, NULL, NULL, NULL), IOCP_EBADF);
    assert_int_equal(iocp_socket_adopt(other, socket, &moved), IOCP_OK);
    assert_int_equal(iocp_recv(other, moved, data, 1, contract_keep, &received, NULL), IOCP_OK);
    assert_int_equal(iocp_send(loop, pair.client, "x", 1, contract_keep, &sent, NULL), IOCP_OK);
    run_both(loop, other, &received);
    assert_ended(&received, IOCP_OK);
    assert_int_equal(data[0], 'x');
    contract_send_all(other, moved, "y", 1);
    assert_int_equal(iocp_recv(loop, pair.client, data, 1, contract_keep, &back, NULL), IOCP_OK);
    run_both(loop, other, &back);
    assert_int_equal(data[0], 'y');
    contract_loop_destroy(other);
}

/* One on which an operation waits, queued or started. */
static void a_socket_on_which_something_is_pending_cannot_be_detached(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record received = {0};
    uintptr_t socket = 0;
    char data[8];
    iocp_op_t op = {0};
    contract_pair pair = contract_connect(loop, AF_INET);
    assert_int_equal(iocp_recv(loop, pair.server, data, 1, contract_keep, &received, &op), IOCP_OK);
    assert_int_equal(iocp_socket_detach(loop, pair.server, &socket), IOCP_EBUSY);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(iocp_socket_detach(loop, pair.server, &socket), IOCP_EBUSY);
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    contract_wait(loop, &received, 1);
    assert_int_equal(received.status, IOCP_ECANCELED);
    assert_true(socket == 0);
    /* It was refused, so it goes on. */
    contract_send_all(loop, pair.client, "x", 1);
    contract_recv_all(loop, pair.server, data, 1);
    contract_close_pair(loop, pair);
}

/* What was received before it is detached, and what it is told then. */
typedef struct detaching {
    contract_record record;
    iocp_handle_t other;
    int status; /* of the detach */
    uintptr_t socket;
    bool has_more; /* another one is pending, too */
} detaching;

static iocp_action_t IOCP_CALL detaching__detach(iocp_loop_t *loop, const iocp_result_t *result,
                                                 void *userdata)
{
    detaching *d = userdata;
    if (d->record.calls == 0) {
        d->status = iocp_socket_detach(loop, result->handle, &d->socket);
    }
    return contract_keep(loop, result, &d->record);
}

/* In its own callback; rearmed it is told that it cannot start. */
static void a_socket_that_was_used_is_detached_in_its_last_callback(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    char data[8];
    void *native = NULL;
    if (!contract_takes_sockets_off_ports()) {
        skip();
    }
    for (int rearms = 0; rearms <= 1; rearms++) {
        detaching d = {.record = {.rearms = rearms}};
        iocp_loop_t *other = contract_loop_create();
        contract_record received = {0};
        iocp_handle_t moved = {0};
        iocp_op_t op = {0};
        contract_pair pair = contract_connect(loop, AF_INET);
        uint64_t handles = contract_stats(loop).handles;
        assert_int_equal(iocp_recv(loop, pair.server, data, 1, detaching__detach, &d, &op),
                         IOCP_OK);
        contract_send_all(loop, pair.client, "x", 1);
        contract_wait(loop, &d.record, 1 + rearms);
        contract_idle(loop);
        assert_int_equal(d.record.calls, 1 + rearms);
        assert_int_equal(d.record.status, rearms ? IOCP_ECANCELED : IOCP_OK);
        assert_int_equal(d.status, IOCP_OK);
        assert_int_equal(iocp_op_state(loop, op), IOCP_OP_DEAD);
        assert_int_equal(iocp_handle_native(loop, pair.server, &native), IOCP_EBADF);
        assert_int_equal(iocp_close(loop, pair.server, NULL, NULL, NULL), IOCP_EBADF);
        assert_int_equal(contract_stats(loop).handles, handles - 1);
        assert_int_equal(iocp_socket_adopt(other, d.socket, &moved), IOCP_OK);
        assert_int_equal(iocp_recv(other, moved, data, 1, contract_keep, &received, NULL), IOCP_OK);
        contract_send_all(loop, pair.client, "y", 1);
        run_both(loop, other, &received);
        assert_ended(&received, IOCP_OK);
        assert_int_equal(data[0], 'y');
        contract_loop_destroy(other);
        contract_close(loop, pair.client);
        contract_close(loop, pair.listener);
    }
}

/* Another one is pending beside the one whose callback it is. */
static void in_a_callback_all_others_count(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    detaching d = {.status = IOCP_OK};
    contract_record pending = {0};
    char data[2];
    iocp_op_t op = {0};
    contract_pair pair = contract_connect(loop, AF_INET);
    assert_int_equal(iocp_recv(loop, pair.server, data, 1, detaching__detach, &d, NULL), IOCP_OK);
    assert_int_equal(iocp_recv(loop, pair.server, data + 1, 1, contract_keep, &pending, &op),
                     IOCP_OK);
    contract_send_all(loop, pair.client, "x", 1);
    contract_wait(loop, &d.record, 1);
    assert_int_equal(d.status, IOCP_EBUSY);
    contract_send_all(loop, pair.client, "y", 1);
    contract_wait(loop, &pending, 1);
    assert_ended(&pending, IOCP_OK);
    contract_close_pair(loop, pair);
}

/* One that has connected, and one that listens. */
static void sockets_of_all_sorts_are_detached_when_they_are_idle(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    uintptr_t socket = 0;
    contract_pair pair = contract_connect(loop, AF_INET);
    iocp_handle_t *handles[] = {&pair.client, &pair.listener};
    for (size_t i = 0; i < IOC_COUNT_OF(handles); i++) {
        int status = iocp_socket_detach(loop, *handles[i], &socket);
        assert_int_equal(status, contract_takes_sockets_off_ports() ? IOCP_OK : IOCP_EBUSY);
        if (status == IOCP_OK) {
            assert_int_equal(iocp_socket_adopt(loop, socket, handles[i]), IOCP_OK);
        } else {
            assert_true(iocp_loop_native_error(loop) != 0);
        }
    }
    contract_send_all(loop, pair.client, "x", 1);
    contract_close_pair(loop, pair);
}

static void what_a_failed_listen_took_is_given_back_by_a_detach(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    uintptr_t socket = 0;
    contract_pair pair = contract_connect(loop, AF_INET);
    (void)iocp_socket_listen(loop, pair.server, 1); /* it is connected */
    assert_int_equal(iocp_socket_detach(loop, pair.server, &socket), IOCP_OK);
    assert_int_equal(iocp_socket_adopt(loop, socket, &pair.server), IOCP_OK);
    contract_close_pair(loop, pair);
}

static void a_native_socket_can_be_adopted(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record connected = {0};
    contract_address address;
    iocp_handle_t handle = {0};
    iocp_handle_t again = {0};
    void *native = NULL;
    iocp_handle_t listener = contract_listen(loop, AF_INET, &address);
    uintptr_t socket = contract_socket_create(AF_INET);
    assert_true(socket != 0);
    assert_int_equal(iocp_socket_adopt(loop, socket, &handle), IOCP_OK);
    assert_int_equal(iocp_handle_native(loop, handle, &native), IOCP_OK);
    assert_true((uintptr_t)native == socket);
    assert_int_equal(iocp_socket_adopt(loop, socket, &again), IOCP_EINVAL);
    assert_true(again.id == 0);
    exchange(loop, listener, handle, &address);
    assert_int_equal(connected.calls, 0);
}

static void a_socket_that_was_refused_stays_the_callers(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_loop_t *other = contract_loop_create();
    iocp_handle_t handle = {0};
    void *native = NULL;
    iocp_handle_t first = contract_open(other, AF_INET);
    assert_int_equal(iocp_handle_native(other, first, &native), IOCP_OK);
    assert_int_equal(iocp_socket_adopt(loop, (uintptr_t)native, &handle), IOCP_EINVAL);
    assert_true(handle.id == 0);
    assert_int_equal(iocp_socket_adopt(loop, (uintptr_t)0x7ffffff0, &handle), IOCP_ENOTSOCK);
    assert_int_equal(iocp_socket_set_option(other, first, IOCP_SOCKET_NODELAY, 1), IOCP_OK);
    contract_loop_destroy(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TEST(accept_connect_send_receive_shut_down_and_close_over_ipv4),
        CONTRACT_TEST(accept_connect_send_receive_shut_down_and_close_over_ipv6),
        CONTRACT_TEST(a_dual_stack_listener_takes_both_families),
        CONTRACT_TEST(an_ipv6_listener_does_not_take_ipv4_unless_asked_to),
        CONTRACT_TEST(both_sides_tell_each_others_addresses),
        CONTRACT_TEST(nothing_calls_back_before_the_next_turn),
        CONTRACT_TEST(the_result_says_whether_there_was_a_packet),
        CONTRACT_TEST(a_rearmed_receive_forgets_that_the_last_one_needed_no_packet),
        CONTRACT_TEST(a_receive_of_no_bytes_waits_for_data_and_takes_none),
        CONTRACT_TEST(a_receive_of_no_bytes_ends_at_the_end_of_the_stream),
        CONTRACT_TEST(several_receives_get_the_bytes_in_the_order_of_their_calls),
        CONTRACT_TEST(receives_call_back_in_the_order_of_their_calls),
        CONTRACT_TEST(the_end_comes_behind_the_bytes_of_a_receive_that_is_pending),
        CONTRACT_TEST(a_receive_that_waits_its_turn_has_not_started),
        CONTRACT_TEST(a_rearmed_receive_receives_again_into_the_same_buffer),
        CONTRACT_TEST(lists_of_buffers_are_gathered_and_scattered),
        CONTRACT_TEST(empty_buffers_are_passed_over_wherever_they_stand),
        CONTRACT_TEST(the_end_of_the_stream_is_told_whatever_buffers_are_empty),
        CONTRACT_TEST(the_longest_list_of_buffers_is_taken),
        CONTRACT_TEST(a_shutdown_waits_for_the_sends_before_it),
        CONTRACT_TEST(a_send_after_the_shutdown_fails),
        CONTRACT_TEST(each_direction_can_be_ended_alone),
        CONTRACT_TEST(a_send_of_no_bytes_is_a_success),
        CONTRACT_TEST(every_byte_of_a_long_echo_comes_back_in_order),
        CONTRACT_TEST(two_hundred_connections_at_once_echo),
        CONTRACT_TEST(several_accepts_may_be_pending_and_each_gets_its_own_connection),
        CONTRACT_TEST(a_rearmed_accept_gives_another_connection_and_keeps_the_first),
        CONTRACT_TEST(an_accept_on_a_socket_that_does_not_listen_ends),
        CONTRACT_TEST(connections_that_came_before_the_accept_are_accepted),
        CONTRACT_TEST(a_refused_connect_says_so),
        CONTRACT_TEST(the_address_of_a_connect_is_copied),
        CONTRACT_TEST(a_bound_socket_connects_from_where_it_is_bound),
        CONTRACT_TEST(a_second_connect_fails),
        CONTRACT_TEST(transfers_on_a_socket_that_is_not_connected_fail),
        CONTRACT_TEST(a_reset_is_told_from_the_end_of_the_stream),
        CONTRACT_TEST(closing_with_data_unread_resets_the_connection),
        CONTRACT_TEST(sending_to_a_peer_that_is_gone_ends_as_reset),
        CONTRACT_TEST(the_data_before_the_end_is_received_first),
        CONTRACT_TEST(a_closed_handle_is_refused_everywhere),
        CONTRACT_TEST(ids_of_handles_are_never_used_again),
        CONTRACT_TEST(only_sockets_of_known_kinds_and_families_can_be_opened),
        CONTRACT_TEST(names_are_refused_until_there_is_one),
        CONTRACT_TEST(options_can_be_set_and_read_back),
        CONTRACT_TEST(an_accepted_socket_can_move_to_another_loop),
        CONTRACT_TEST(a_socket_on_which_something_is_pending_cannot_be_detached),
        CONTRACT_TEST(a_socket_that_was_used_is_detached_in_its_last_callback),
        CONTRACT_TEST(in_a_callback_all_others_count),
        CONTRACT_TEST(sockets_of_all_sorts_are_detached_when_they_are_idle),
        CONTRACT_TEST(what_a_failed_listen_took_is_given_back_by_a_detach),
        CONTRACT_TEST(a_native_socket_can_be_adopted),
        CONTRACT_TEST(a_socket_that_was_refused_stays_the_callers),
    };
    return CONTRACT_RUN(tests);
}
