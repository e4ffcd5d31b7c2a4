/* What a handle is, what the program keeps with it, and the list of all that are open. */
#include "contract_datagram.h"
#include "contract_file.h"

#include <string.h>

static void run_until_done(iocp_loop_t *loop)
{
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
}

static void *data_of(iocp_loop_t *loop, iocp_handle_t handle)
{
    void *data = loop; /* nobody keeps that */
    assert_int_equal(iocp_handle_get_data(loop, handle, &data), IOCP_OK);
    return data;
}

/* ---- Kinds ---- */

static void every_handle_has_a_kind(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_address address;
    contract_pair pair = contract_connect(loop, AF_INET);
    iocp_handle_t datagram = contract_datagram_bind(loop, AF_INET, &address);
    iocp_handle_t file = contract_file_with(loop, "file", "", 0);
    contract_pipe pipe = contract_pipe_open(loop);
    assert_int_equal(iocp_handle_kind(loop, pair.client), IOCP_HANDLE_STREAM);
    assert_int_equal(iocp_handle_kind(loop, pair.server), IOCP_HANDLE_STREAM);
    assert_int_equal(iocp_handle_kind(loop, pair.listener), IOCP_HANDLE_STREAM);
    assert_int_equal(iocp_handle_kind(loop, datagram), IOCP_HANDLE_DATAGRAM);
    assert_int_equal(iocp_handle_kind(loop, file), IOCP_HANDLE_FILE);
    assert_int_equal(iocp_handle_kind(loop, pipe.ends[0]), IOCP_HANDLE_PIPE);
    contract_close(loop, file);
    assert_int_equal(iocp_handle_kind(loop, file), IOCP_EBADF); /* from the call on */
}

/* ---- Data ---- */

static void a_handle_keeps_a_pointer_of_the_programs(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    int ours[2] = {0};
    contract_pair pair = contract_connect(loop, AF_INET);
    assert_null(data_of(loop, pair.server)); /* accepted */
    assert_null(data_of(loop, pair.client)); /* opened */
    assert_int_equal(iocp_handle_set_data(loop, pair.server, &ours[0]), IOCP_OK);
    assert_int_equal(iocp_handle_set_data(loop, pair.client, &ours[1]), IOCP_OK);
    contract_send_all(loop, pair.client, "x", 1);
    assert_ptr_equal(data_of(loop, pair.server), &ours[0]);
    assert_ptr_equal(data_of(loop, pair.client), &ours[1]);
    assert_null(data_of(loop, pair.listener));
    assert_int_equal(iocp_handle_set_data(loop, pair.server, NULL), IOCP_OK);
    assert_null(data_of(loop, pair.server));
}

/* A handle's memory is used again; what was kept with the one before it is not there. */
static void the_data_of_a_closed_handle_is_not_found_in_the_next(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    for (int i = 0; i < 3; i++) {
        iocp_handle_t handle = contract_open(loop, AF_INET);
        assert_null(data_of(loop, handle));
        assert_int_equal(iocp_handle_set_data(loop, handle, &handle), IOCP_OK);
        contract_file_close(loop, handle);
    }
}

/* A connection that is found by its handle alone, until it is gone. */
typedef struct connection {
    contract_record recv;
    contract_record close;
    void *at_recv;
    void *at_close;
    int again;
} connection;

static iocp_action_t IOCP_CALL connection__on_recv(iocp_loop_t *loop, const iocp_result_t *result,
                                                   void *userdata)
{
    connection *c = userdata;
    c->at_recv = data_of(loop, result->handle);
    return contract_keep(loop, result, &c->recv);
}

static iocp_action_t IOCP_CALL connection__on_close(iocp_loop_t *loop, const iocp_result_t *result,
                                                    void *userdata)
{
    connection *c = userdata;
    c->at_close = data_of(loop, result->handle);
    c->again = iocp_close(loop, result->handle, NULL, NULL, NULL);
    return contract_keep(loop, result, &c->close);
}

static void the_data_is_there_until_the_callback_of_the_close_has_returned(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    connection c;
    char data[8];
    void *found = NULL;
    memset(&c, 0, sizeof c);
    contract_pair pair = contract_connect(loop, AF_INET);
    assert_int_equal(iocp_recv(loop, pair.server, data, 8, connection__on_recv, &c, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(iocp_close(loop, pair.server, connection__on_close, &c, NULL), IOCP_OK);
    assert_int_equal(iocp_handle_set_data(loop, pair.server, &c), IOCP_OK); /* it is closing */
    assert_ptr_equal(data_of(loop, pair.server), &c);
    contract_wait(loop, &c.close, 1);
    assert_int_equal(c.recv.calls, 1);
    assert_ptr_equal(c.at_recv, &c);
    assert_ptr_equal(c.at_close, &c);
    assert_int_equal(c.again, IOCP_EBADF);
    assert_int_equal(iocp_handle_get_data(loop, pair.server, &found), IOCP_EBADF);
    assert_int_equal(iocp_handle_set_data(loop, pair.server, &c), IOCP_EBADF);
    assert_null(found);
}

/* ---- All of them ---- */

typedef struct handle_list {
    int count;
    iocp_handle_entry_t entries[16];
} handle_list;

static void IOCP_CALL list__keep(const iocp_handle_entry_t *entry, void *userdata)
{
    handle_list *list = userdata;
    if (list->count < 16) {
        list->entries[list->count] = *entry;
    }
    list->count++;
}

static handle_list list__of(iocp_loop_t *loop)
{
    handle_list list;
    memset(&list, 0, sizeof list);
    assert_int_equal(iocp_loop_handles(loop, list__keep, &list), IOCP_OK);
    assert_in_range(list.count, 0, 16);
    return list;
}

static iocp_handle_entry_t entry_of(iocp_loop_t *loop, iocp_handle_t handle)
{
    handle_list list = list__of(loop);
    for (int i = 0; i < list.count; i++) {
        if (list.entries[i].handle.id == handle.id) {
            return list.entries[i];
        }
    }
    fail_msg("the handle is not listed");
    return list.entries[0];
}

static void the_list_tells_of_every_open_handle(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_address address;
    void *native = NULL;
    int ours = 0;
    static const char *const names[] = {"stream",   "datagram",      "file", "pipe",
                                        "pipe_end", "pipe_listener", "other"};
    static const iocp_handle_kind_t kinds[] = {
        IOCP_HANDLE_STREAM,   IOCP_HANDLE_DATAGRAM,      IOCP_HANDLE_FILE, IOCP_HANDLE_PIPE,
        IOCP_HANDLE_PIPE_END, IOCP_HANDLE_PIPE_LISTENER, IOCP_HANDLE_OTHER};
    iocp_handle_t handles[7] = {{0}};
    assert_int_equal(list__of(loop).count, 0);
    handles[0] = contract_open(loop, AF_INET);
    handles[1] = contract_datagram_bind(loop, AF_INET, &address);
    handles[2] = contract_file_with(loop, "file", "", 0);
    assert_int_equal(iocp_pipe_pair(loop, 0, &handles[3], &handles[4]), IOCP_OK);
    handles[5] = contract_pipe_listen(loop, NULL).listener;
    handles[6] = contract_adopt(
        loop, contract_native_file("file", IOCP_FILE_READ, CONTRACT_NATIVE_OVERLAPPED));
    assert_int_equal(iocp_handle_set_data(loop, handles[2], &ours), IOCP_OK);
    assert_int_equal(list__of(loop).count, 7);
    for (int i = 0; i < 7; i++) {
        iocp_handle_entry_t entry = entry_of(loop, handles[i]);
        assert_int_equal(entry.kind, kinds[i]);
        assert_string_equal(entry.kind_name, names[i]);
        assert_int_equal(entry.closing, 0);
        assert_int_equal(iocp_handle_native(loop, handles[i], &native), IOCP_OK);
        assert_ptr_equal(entry.native, native);
        assert_ptr_equal(entry.data, i == 2 ? (void *)&ours : NULL);
    }
}

static void the_list_counts_operations_and_bytes(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record recv = {0};
    char data[8];
    contract_pair pair = contract_connect(loop, AF_INET);
    assert_int_equal(iocp_recv(loop, pair.server, data, 8, contract_keep, &recv, NULL), IOCP_OK);
    assert_int_equal(entry_of(loop, pair.server).operations, 1);
    assert_int_equal(entry_of(loop, pair.client).operations, 0);
    contract_send_all(loop, pair.client, "hello", 5);
    contract_wait(loop, &recv, 1);
    size_t received = (size_t)recv.result.bytes;
    contract_recv_all(loop, pair.server, data, 5 - received);
    assert_int_equal(entry_of(loop, pair.server).operations, 0);
    assert_int_equal(entry_of(loop, pair.server).bytes_in, 5);
    assert_int_equal(entry_of(loop, pair.server).bytes_out, 0);
    assert_int_equal(entry_of(loop, pair.client).bytes_in, 0);
    assert_int_equal(entry_of(loop, pair.client).bytes_out, 5);

    iocp_handle_t file = contract_file_with(loop, "file", "some", 4);
    assert_int_equal(contract_file_get(loop, file, 0, data, 8), 4);
    assert_int_equal(entry_of(loop, file).bytes_out, 4);
    assert_int_equal(entry_of(loop, file).bytes_in, 4);
}

/* The way to the connections that a server may end. */
static void the_list_tells_for_how_long_a_handle_is_idle(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pair pair = contract_connect(loop, AF_INET);
    contract_pass_time(loop, 30 * MS);
    iocp_loop_update_now(loop);
    contract_send_all(loop, pair.client, "x", 1);
    iocp_handle_entry_t busy = entry_of(loop, pair.client);
    iocp_handle_entry_t idle = entry_of(loop, pair.server);
    assert_true(idle.idle_ns >= 30 * MS);
    assert_true(idle.age_ns >= idle.idle_ns);
    assert_true(busy.age_ns >= 30 * MS);
    assert_true(busy.idle_ns < idle.idle_ns);
    assert_true(!contract_clock_is_virtual() || busy.idle_ns < 10 * MS);
}

/* An accept that waits has had the handle for long when the connection comes. */
static void the_age_of_a_handle_counts_from_its_opening_or_its_connection(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record accepted = {0};
    contract_record connected = {0};
    contract_address address;
    iocp_loop_update_now(loop);
    uint64_t opened_ns = iocp_loop_now(loop);
    iocp_handle_t listener = contract_listen(loop, AF_INET, &address);
    iocp_handle_t unused = contract_open(loop, AF_INET);
    assert_int_equal(iocp_accept(loop, listener, contract_keep, &accepted, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    contract_pass_time(loop, 30 * MS);
    iocp_loop_update_now(loop);
    uint64_t connected_ns = iocp_loop_now(loop);
    assert_int_equal(iocp_connect(loop, contract_open(loop, AF_INET), contract_sockaddr(&address),
                                  address.length, contract_keep, &connected, NULL),
                     IOCP_OK);
    contract_wait(loop, &accepted, 1);
    iocp_loop_update_now(loop);
    uint64_t now_ns = iocp_loop_now(loop);
    assert_true(entry_of(loop, listener).age_ns == now_ns - opened_ns);
    assert_true(entry_of(loop, unused).idle_ns == entry_of(loop, unused).age_ns);
    assert_true(entry_of(loop, accepted.result.opened).age_ns <= now_ns - connected_ns);
    contract_wait(loop, &connected, 1);
}

/* Each accept in the kernel holds a handle ready, which is nobody's yet. */
static void the_list_tells_of_no_handle_that_an_accept_holds_ready(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record accepted = {0};
    contract_address address;
    iocp_handle_t listener = contract_listen(loop, AF_INET, &address);
    assert_int_equal(iocp_accept(loop, listener, contract_keep, &accepted, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(contract_stats(loop).handles, 2);
    assert_int_equal(list__of(loop).count, 1);
    assert_true(list__of(loop).entries[0].handle.id == listener.id);
    assert_int_equal(list__of(loop).entries[0].operations, 1);
}

static void the_list_tells_which_handles_are_closing(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record recv = {0};
    contract_record close = {0};
    char data[8];
    contract_pair pair = contract_connect(loop, AF_INET);
    assert_int_equal(iocp_recv(loop, pair.server, data, 8, contract_keep, &recv, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(iocp_close(loop, pair.server, contract_keep, &close, NULL), IOCP_OK);
    iocp_handle_entry_t entry = entry_of(loop, pair.server);
    assert_int_equal(entry.closing, 1);
    assert_int_equal(entry.operations, 1);
    assert_int_equal(entry_of(loop, pair.client).closing, 0);
    contract_wait(loop, &close, 1);
    assert_int_equal(list__of(loop).count, 2);
    contract_close(loop, pair.client);
    contract_close(loop, pair.listener);
    run_until_done(loop);
    assert_int_equal(list__of(loop).count, 0);
    assert_int_equal(contract_stats(loop).handles, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_FILE_TEST(every_handle_has_a_kind),
        CONTRACT_FILE_TEST(a_handle_keeps_a_pointer_of_the_programs),
        CONTRACT_FILE_TEST(the_data_of_a_closed_handle_is_not_found_in_the_next),
        CONTRACT_FILE_TEST(the_data_is_there_until_the_callback_of_the_close_has_returned),
        CONTRACT_FILE_TEST(the_list_tells_of_every_open_handle),
        CONTRACT_FILE_TEST(the_list_counts_operations_and_bytes),
        CONTRACT_FILE_TEST(the_list_tells_for_how_long_a_handle_is_idle),
        CONTRACT_FILE_TEST(the_age_of_a_handle_counts_from_its_opening_or_its_connection),
        CONTRACT_FILE_TEST(the_list_tells_of_no_handle_that_an_accept_holds_ready),
        CONTRACT_FILE_TEST(the_list_tells_which_handles_are_closing),
    };
    return CONTRACT_RUN(tests);
}
