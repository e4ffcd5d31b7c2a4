/*
 * Unix sockets: what they do otherwise than those of IP. What a path is, how long it lasts, who has a
 * name and who has none, what they cannot do. They are skipped where the system has none, as Wine.
 */
#include "contract_file.h"

#include <stdio.h>
#include <string.h>

static contract_record unix__connect(iocp_loop_t *loop, iocp_handle_t client,
                                     const contract_address *address)
{
    contract_record connected = {0};
    assert_int_equal(iocp_connect(loop, client, contract_sockaddr(address), address->length,
                                  contract_keep, &connected, NULL),
                     IOCP_OK);
    contract_wait(loop, &connected, 1);
    return connected;
}

/* A client of a listener, whose accept keeps its record. */
static contract_pair unix__meet(iocp_loop_t *loop, iocp_handle_t listener, iocp_handle_t client,
                                const contract_address *address, contract_record *accepted)
{
    assert_int_equal(iocp_accept(loop, listener, contract_keep, accepted, NULL), IOCP_OK);
    assert_int_equal(unix__connect(loop, client, address).status, IOCP_OK);
    contract_wait(loop, accepted, 1);
    assert_int_equal(accepted->status, IOCP_OK);
    return (contract_pair){listener, client, accepted->result.opened};
}

static contract_pair unix__pair(iocp_loop_t *loop)
{
    contract_address address;
    contract_record accepted = {0};
    contract_need_unix();
    iocp_handle_t listener = contract_unix_listen(loop, "socket", &address);
    return unix__meet(loop, listener, contract_open(loop, AF_UNIX), &address, &accepted);
}

static void assert_name(const contract_address *address, const char *name)
{
    char text[IOCP_ADDRESS_TEXT_BYTES];
    char expected[IOCP_ADDRESS_TEXT_BYTES] = "unix:";
    assert_int_equal(
        iocp_address_format(contract_sockaddr(address), address->length, text, sizeof text),
        IOCP_OK);
    if (name != NULL) {
        contract_address whole = contract_unix(name);
        assert_int_equal(address->length, whole.length);
        assert_int_equal(
            iocp_address_format(contract_sockaddr(&whole), whole.length, expected, sizeof expected),
            IOCP_OK);
    }
    assert_string_equal(text, expected);
}

static void assert_names(iocp_loop_t *loop, iocp_handle_t handle, const char *own, const char *peer)
{
    contract_address address = {.length = sizeof address.storage};
    struct sockaddr *to = (struct sockaddr *)&address.storage;
    assert_int_equal(iocp_socket_get_name(loop, handle, to, &address.length), IOCP_OK);
    assert_name(&address, own);
    address.length = sizeof address.storage;
    assert_int_equal(iocp_socket_get_peer(loop, handle, to, &address.length), IOCP_OK);
    assert_name(&address, peer);
}

/* ---- The whole way ---- */

static void a_connection_goes_from_its_accept_to_its_end(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pair pair = unix__pair(loop);
    contract_record records[2] = {{0}};
    char data[8] = {0};
    contract_send_all(loop, pair.client, "ping", 4);
    contract_recv_all(loop, pair.server, data, 4);
    assert_memory_equal(data, "ping", 4);
    contract_send_all(loop, pair.server, "pong", 4);
    contract_recv_all(loop, pair.client, data, 4);
    assert_memory_equal(data, "pong", 4);
    assert_int_equal(
        iocp_shutdown(loop, pair.client, IOCP_SHUTDOWN_SEND, contract_keep, &records[0], NULL),
        IOCP_OK);
    assert_int_equal(
        iocp_recv(loop, pair.server, data, sizeof data, contract_keep, &records[1], NULL), IOCP_OK);
    contract_wait(loop, &records[1], 1);
    assert_int_equal(records[0].status, IOCP_OK);
    assert_int_equal(records[1].status, IOCP_EOF);
    contract_send_all(loop, pair.server, "half", 4); /* the other way is open */
    contract_recv_all(loop, pair.client, data, 4);
    assert_memory_equal(data, "half", 4);
    contract_close_pair(loop, pair);
}

static void many_clients_come_to_one_path(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_address address;
    contract_need_unix();
    iocp_handle_t listener = contract_unix_listen(loop, "socket", &address);
    for (int i = 0; i < 5; i++) {
        contract_record accepted = {0};
        contract_pair pair =
            unix__meet(loop, listener, contract_open(loop, AF_UNIX), &address, &accepted);
        contract_send_all(loop, pair.client, &i, sizeof i);
        int got = -1;
        contract_recv_all(loop, pair.server, &got, sizeof got);
        assert_int_equal(got, i);
    }
}

static void a_file_is_sent(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pair pair = unix__pair(loop);
    contract_record sent = {0};
    char head[] = "<";
    char data[16] = {0};
    iocp_buf_t before = {.base = head, .length = 1};
    iocp_handle_t file = contract_file_with(loop, "file", "file", 4);
    assert_int_equal(iocp_sendfile(loop, pair.client, file, 0, UINT64_MAX, &before, NULL,
                                   contract_keep, &sent, NULL),
                     IOCP_OK);
    contract_recv_all(loop, pair.server, data, 5);
    assert_string_equal(data, "<file");
    contract_wait(loop, &sent, 1);
    assert_int_equal(sent.status, IOCP_OK);
    contract_close_pair(loop, pair);
}

static void what_was_sent_at_once_is_received(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pair pair = unix__pair(loop);
    char data[] = "now";
    iocp_buf_t buffer = {.base = data, .length = 3};
    char got[4] = {0};
    uint64_t sent = 0;
    assert_int_equal(iocp_try_send(loop, pair.server, &buffer, 1, &sent), IOCP_OK);
    assert_int_equal(sent, 3);
    contract_recv_all(loop, pair.client, got, 3);
    assert_string_equal(got, "now");
    contract_close_pair(loop, pair);
}

static void one_that_was_adopted_connects_and_is_polled(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_address address;
    contract_record accepted = {0};
    contract_record ready = {0};
    iocp_handle_t client = {0};
    contract_need_unix();
    iocp_handle_t listener = contract_unix_listen(loop, "socket", &address);
    assert_int_equal(iocp_socket_adopt(loop, contract_socket_create(AF_UNIX), &client), IOCP_OK);
    assert_int_equal(iocp_handle_kind(loop, client), IOCP_HANDLE_STREAM);
    contract_pair pair = unix__meet(loop, listener, client, &address, &accepted);
    contract_send_all(loop, pair.server, "x", 1);
    assert_int_equal(iocp_poll(loop, contract_native_socket(loop, client), IOCP_POLL_READ,
                               contract_keep, &ready, NULL),
                     IOCP_OK);
    contract_wait(loop, &ready, 1);
    assert_int_equal(ready.status, IOCP_OK);
    assert_int_equal(ready.result.event, IOCP_POLL_READ);
}

/* ---- Names ---- */

static void a_client_has_no_name_and_its_server_has_its_path(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_address address;
    contract_record accepted = {0};
    contract_need_unix();
    iocp_handle_t listener = contract_unix_listen(loop, "socket", &address);
    contract_pair pair =
        unix__meet(loop, listener, contract_open(loop, AF_UNIX), &address, &accepted);
    assert_name(&accepted.address, NULL);
    assert_names(loop, pair.client, NULL, "socket");
    assert_names(loop, pair.server, "socket", NULL);
}

static void a_client_that_has_bound_has_the_name_that_it_has_taken(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_address address;
    contract_record accepted = {0};
    contract_need_unix();
    contract_address own = contract_unix("client");
    iocp_handle_t listener = contract_unix_listen(loop, "socket", &address);
    iocp_handle_t client = contract_open(loop, AF_UNIX);
    assert_int_equal(iocp_socket_bind(loop, client, contract_sockaddr(&own), own.length), IOCP_OK);
    contract_pair pair = unix__meet(loop, listener, client, &address, &accepted);
    assert_name(&accepted.address, "client");
    assert_names(loop, pair.client, "client", "socket");
    assert_names(loop, pair.server, "socket", "client");
}

static void a_name_needs_its_room(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_address address;
    contract_need_unix();
    iocp_handle_t listener = contract_unix_listen(loop, "socket", &address);
    struct sockaddr_storage own;
    size_t length = 8;
    assert_int_equal(iocp_socket_get_name(loop, listener, (struct sockaddr *)&own, &length),
                     IOCP_EFAULT);
}

/* ---- Paths ---- */

static void a_path_stays_until_somebody_removes_it(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_address address;
    contract_record closed = {0};
    contract_need_unix();
    iocp_handle_t listener = contract_unix_listen(loop, "socket", &address);
    assert_int_equal(iocp_close(loop, listener, contract_keep, &closed, NULL), IOCP_OK);
    contract_wait(loop, &closed, 1);
    iocp_handle_t second = contract_open(loop, AF_UNIX);
    assert_int_equal(iocp_socket_bind(loop, second, contract_sockaddr(&address), address.length),
                     IOCP_EADDRINUSE);
    contract_file_remove("socket");
    assert_int_equal(iocp_socket_bind(loop, second, contract_sockaddr(&address), address.length),
                     IOCP_OK);
    assert_int_equal(iocp_socket_listen(loop, second, 0), IOCP_OK);
    contract_record accepted = {0};
    (void)unix__meet(loop, second, contract_open(loop, AF_UNIX), &address, &accepted);
}

static void nobody_listens_at_a_path_that_was_left(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_address address;
    contract_record closed = {0};
    contract_need_unix();
    iocp_handle_t listener = contract_unix_listen(loop, "socket", &address);
    assert_int_equal(iocp_close(loop, listener, contract_keep, &closed, NULL), IOCP_OK);
    contract_wait(loop, &closed, 1);
    iocp_handle_t client = contract_open(loop, AF_UNIX);
    assert_int_equal(unix__connect(loop, client, &address).status, IOCP_ECONNREFUSED);
}

static void a_path_that_nobody_has_is_refused(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_need_unix();
    contract_address address = contract_unix("nobody");
    iocp_handle_t client = contract_open(loop, AF_UNIX);
    assert_int_not_equal(unix__connect(loop, client, &address).status, IOCP_OK);
}

/* ---- What there is not ---- */

static void there_are_streams_and_nothing_else(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_handle_t handle = {0};
    assert_int_equal(iocp_socket_open(loop, AF_UNIX, SOCK_DGRAM, 0, &handle), IOCP_EAFNOSUPPORT);
    assert_int_equal(iocp_socket_open(loop, AF_UNIX, SOCK_RAW, 0, &handle), IOCP_ENOTSUP);
    assert_int_equal(handle.id, 0);
}

static void a_system_without_them_says_so_when_one_is_opened(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_handle_t handle = {0};
    int status = iocp_socket_open(loop, AF_UNIX, SOCK_STREAM, 0, &handle);
    assert_int_equal(status, contract_has_unix() ? IOCP_OK : IOCP_EAFNOSUPPORT);
    assert_int_equal(handle.id != 0, status == IOCP_OK);
}

/* ---- Ends ---- */

static void what_waits_ends_by_its_deadline(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pair pair = unix__pair(loop);
    contract_record late[2] = {{0}};
    char data[4];
    iocp_op_t ops[2] = {{0}};
    assert_int_equal(iocp_accept(loop, pair.listener, contract_keep, &late[0], &ops[0]), IOCP_OK);
    assert_int_equal(
        iocp_recv(loop, pair.client, data, sizeof data, contract_keep, &late[1], &ops[1]), IOCP_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(iocp_op_deadline(loop, ops[i], 20 * MS), IOCP_OK);
        contract_wait(loop, &late[i], 1);
        assert_int_equal(late[i].status, IOCP_ETIMEDOUT);
    }
    contract_close_pair(loop, pair);
}

static void a_peer_that_is_closed_is_the_end_of_the_stream(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pair pair = unix__pair(loop);
    contract_record ended = {0};
    char data[4];
    contract_close(loop, pair.client);
    assert_int_equal(iocp_recv(loop, pair.server, data, sizeof data, contract_keep, &ended, NULL),
                     IOCP_OK);
    contract_wait(loop, &ended, 1);
    assert_int_equal(ended.status, IOCP_EOF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_FILE_TEST(a_connection_goes_from_its_accept_to_its_end),
        CONTRACT_FILE_TEST(many_clients_come_to_one_path),
        CONTRACT_FILE_TEST(a_file_is_sent),
        CONTRACT_FILE_TEST(what_was_sent_at_once_is_received),
        CONTRACT_FILE_TEST(one_that_was_adopted_connects_and_is_polled),
        CONTRACT_FILE_TEST(a_client_has_no_name_and_its_server_has_its_path),
        CONTRACT_FILE_TEST(a_client_that_has_bound_has_the_name_that_it_has_taken),
        CONTRACT_FILE_TEST(a_name_needs_its_room),
        CONTRACT_FILE_TEST(a_path_stays_until_somebody_removes_it),
        CONTRACT_FILE_TEST(nobody_listens_at_a_path_that_was_left),
        CONTRACT_FILE_TEST(a_path_that_nobody_has_is_refused),
        CONTRACT_FILE_TEST(there_are_streams_and_nothing_else),
        CONTRACT_FILE_TEST(a_system_without_them_says_so_when_one_is_opened),
        CONTRACT_FILE_TEST(what_waits_ends_by_its_deadline),
        CONTRACT_FILE_TEST(a_peer_that_is_closed_is_the_end_of_the_stream),
    };
    return CONTRACT_RUN(tests);
}
