/* The readiness of sockets that belong to somebody else. */
#include "contract_datagram.h"
#include "contract_env.h"
#include "contract_net.h"

static iocp_op_t poll__start(iocp_loop_t *loop, iocp_handle_t handle, uint32_t events,
                             contract_record *record)
{
    iocp_op_t op = {0};
    assert_int_equal(
        iocp_poll(loop, contract_native_socket(loop, handle), events, contract_keep, record, &op),
        IOCP_OK);
    return op;
}

static void assert_ready(iocp_loop_t *loop, const contract_record *record, int calls,
                         uint32_t events)
{
    contract_wait(loop, record, calls);
    assert_int_equal(record->status, IOCP_OK);
    assert_int_equal(record->result.event, events);
    assert_int_equal(record->result.type, IOCP_TYPE_POLL);
    assert_int_equal(record->result.bytes, 0);
    assert_true(record->result.handle.id == 0);
}

static void assert_waits(iocp_loop_t *loop, const contract_record *record, int calls)
{
    contract_idle(loop);
    assert_int_equal(record->calls, calls);
}

/* ---- What is told ---- */

static void what_has_data_can_be_read(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pair pair = contract_connect(loop, AF_INET);
    contract_record record = {0};
    (void)poll__start(loop, pair.server, IOCP_POLL_READ | IOCP_POLL_HANGUP, &record);
    assert_waits(loop, &record, 0);
    contract_send_all(loop, pair.client, "x", 1);
    assert_ready(loop, &record, 1, IOCP_POLL_READ);
    contract_close_pair(loop, pair);
}

static void what_has_room_can_be_written(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pair pair = contract_connect(loop, AF_INET);
    contract_record record = {0};
    (void)poll__start(loop, pair.server, IOCP_POLL_READ | IOCP_POLL_WRITE, &record);
    assert_ready(loop, &record, 1, IOCP_POLL_WRITE);
    contract_close_pair(loop, pair);
}

static void the_end_of_the_peer_is_read_and_a_hangup(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pair pair = contract_connect(loop, AF_INET);
    contract_record reads = {0};
    contract_record hangups = {0};
    (void)poll__start(loop, pair.server, IOCP_POLL_READ, &reads);
    (void)poll__start(loop, pair.server, IOCP_POLL_HANGUP, &hangups);
    assert_waits(loop, &reads, 0);
    assert_waits(loop, &hangups, 0);
    contract_record shut = {0};
    assert_int_equal(
        iocp_shutdown(loop, pair.client, IOCP_SHUTDOWN_SEND, contract_keep, &shut, NULL), IOCP_OK);
    assert_ready(loop, &reads, 1, IOCP_POLL_READ);
    assert_ready(loop, &hangups, 1, IOCP_POLL_HANGUP);
    contract_close_pair(loop, pair);
}

static void a_listener_that_is_called_can_be_read(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_record connected = {0};
    contract_address address;
    iocp_handle_t listener = contract_listen(loop, AF_INET, &address);
    iocp_handle_t client = contract_open(loop, AF_INET);
    (void)poll__start(loop, listener, IOCP_POLL_READ, &record);
    assert_waits(loop, &record, 0);
    assert_int_equal(iocp_connect(loop, client, contract_sockaddr(&address), address.length,
                                  contract_keep, &connected, NULL),
                     IOCP_OK);
    assert_ready(loop, &record, 1, IOCP_POLL_READ);
    contract_wait(loop, &connected, 1);
}

static void a_datagram_can_be_read(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_address address;
    iocp_handle_t handle = contract_datagram_bind(loop, AF_INET, &address);
    (void)poll__start(loop, handle, IOCP_POLL_READ, &record);
    assert_waits(loop, &record, 0);
    contract_datagram_send(loop, handle, &address, "x", 1);
    assert_ready(loop, &record, 1, IOCP_POLL_READ);
}

/* Also to one that waits for nothing else. */
static void a_reset_is_an_error(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pair pair = contract_connect(loop, AF_INET);
    contract_record record = {0};
    assert_int_equal(iocp_socket_set_option(loop, pair.client, IOCP_SOCKET_LINGER, 0), IOCP_OK);
    (void)poll__start(loop, pair.server, 0, &record);
    assert_waits(loop, &record, 0);
    contract_close(loop, pair.client);
    assert_ready(loop, &record, 1, IOCP_POLL_ERROR);
    contract_close(loop, pair.server);
    contract_close(loop, pair.listener);
}

/* ---- Level ---- */

static void what_is_ready_stays_ready(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pair pair = contract_connect(loop, AF_INET);
    contract_record record = {.rearms = 9};
    char byte;
    contract_send_all(loop, pair.client, "x", 1);
    iocp_op_t op = poll__start(loop, pair.server, IOCP_POLL_READ, &record);
    assert_ready(loop, &record, 9, IOCP_POLL_READ);
    contract_recv_all(loop, pair.server, &byte, 1);
    int calls = record.calls; /* it may have been the last */
    assert_in_range(calls, 9, 10);
    contract_send_all(loop, pair.client, "y", 1);
    assert_ready(loop, &record, 10, IOCP_POLL_READ);
    assert_int_equal(iocp_op_state(loop, op), IOCP_OP_DEAD);
    contract_close_pair(loop, pair);
}

/* More than one group of the driver's has room for. */
static void many_may_wait_on_one_socket(void **state)
{
    enum {
        POLLS = 100
    };
    static contract_record records[POLLS];
    iocp_loop_t *loop = contract_loop(state);
    contract_pair pair = contract_connect(loop, AF_INET);
    for (int i = 0; i < POLLS; i++) {
        records[i] = (contract_record){.rearms = i % 3 == 0};
        (void)poll__start(loop, pair.server, i % 2 == 0 ? IOCP_POLL_READ : IOCP_POLL_HANGUP,
                          &records[i]);
    }
    assert_waits(loop, &records[0], 0);
    contract_send_all(loop, pair.client, "x", 1);
    for (int i = 0; i < POLLS; i += 2) {
        assert_ready(loop, &records[i], 1 + (i % 3 == 0), IOCP_POLL_READ);
    }
    contract_idle(loop);
    for (int i = 1; i < POLLS; i += 2) {
        assert_int_equal(records[i].calls, 0);
        records[i].rearms = 0;
    }
    contract_close_pair(loop, pair);
    for (int i = 1; i < POLLS; i += 2) {
        contract_wait(loop, &records[i], 1);
    }
}

static void a_receive_of_the_owners_does_not_disturb(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pair pair = contract_connect(loop, AF_INET);
    contract_record record = {0};
    contract_record received = {0};
    char byte;
    (void)poll__start(loop, pair.server, IOCP_POLL_HANGUP, &record);
    assert_int_equal(iocp_recv(loop, pair.server, &byte, 1, contract_keep, &received, NULL),
                     IOCP_OK);
    contract_send_all(loop, pair.client, "x", 1);
    contract_wait(loop, &received, 1);
    assert_int_equal(received.result.bytes, 1);
    assert_waits(loop, &record, 0);
    contract_close(loop, pair.client);
    assert_ready(loop, &record, 1, IOCP_POLL_HANGUP);
    contract_close(loop, pair.server);
    contract_close(loop, pair.listener);
}

/* ---- Other events ---- */

static void a_pending_poll_takes_other_events(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pair pair = contract_connect(loop, AF_INET);
    contract_record record = {0};
    iocp_op_t op = poll__start(loop, pair.server, IOCP_POLL_READ, &record);
    assert_waits(loop, &record, 0);
    assert_int_equal(iocp_poll_set(loop, op, IOCP_POLL_WRITE), IOCP_OK);
    assert_ready(loop, &record, 1, IOCP_POLL_WRITE);
    assert_true(record.result.op.id == op.id);
    assert_int_equal(iocp_poll_set(loop, op, IOCP_POLL_WRITE), IOCP_ENOENT);
    contract_close_pair(loop, pair);
}

static void one_that_is_queued_takes_other_events(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pair pair = contract_connect(loop, AF_INET);
    contract_record record = {0};
    iocp_op_t op = poll__start(loop, pair.server, IOCP_POLL_WRITE, &record);
    assert_int_equal(iocp_poll_set(loop, op, IOCP_POLL_READ), IOCP_OK);
    assert_waits(loop, &record, 0);
    contract_send_all(loop, pair.client, "x", 1);
    assert_ready(loop, &record, 1, IOCP_POLL_READ);
    contract_close_pair(loop, pair);
}

/* There and back, before the system can have answered once. */
static void events_may_change_faster_than_the_system_answers(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pair pair = contract_connect(loop, AF_INET);
    contract_record record = {0};
    iocp_op_t op = poll__start(loop, pair.server, IOCP_POLL_READ, &record);
    assert_waits(loop, &record, 0);
    assert_int_equal(iocp_poll_set(loop, op, IOCP_POLL_HANGUP), IOCP_OK);
    assert_int_equal(iocp_poll_set(loop, op, IOCP_POLL_READ), IOCP_OK);
    assert_waits(loop, &record, 0);
    assert_int_equal(iocp_poll_set(loop, op, IOCP_POLL_READ | IOCP_POLL_PRIORITY), IOCP_OK);
    assert_int_equal(iocp_poll_set(loop, op, IOCP_POLL_HANGUP), IOCP_OK);
    assert_int_equal(iocp_poll_set(loop, op, IOCP_POLL_READ), IOCP_OK);
    contract_send_all(loop, pair.client, "x", 1);
    assert_ready(loop, &record, 1, IOCP_POLL_READ);
    contract_close_pair(loop, pair);
}

/* The system has seen something, which is nothing to the poll any more. */
static void what_is_not_asked_for_any_more_is_not_told(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pair pair = contract_connect(loop, AF_INET);
    contract_record record = {0};
    char byte;
    iocp_op_t op = poll__start(loop, pair.server, IOCP_POLL_READ | IOCP_POLL_HANGUP, &record);
    assert_waits(loop, &record, 0);
    assert_int_equal(iocp_poll_set(loop, op, IOCP_POLL_HANGUP), IOCP_OK);
    contract_send_all(loop, pair.client, "x", 1);
    assert_waits(loop, &record, 0);
    contract_recv_all(loop, pair.server, &byte, 1); /* Wine sees no end before that */
    contract_close(loop, pair.client);
    assert_ready(loop, &record, 1, IOCP_POLL_HANGUP);
    contract_close(loop, pair.server);
    contract_close(loop, pair.listener);
}

static iocp_action_t IOCP_CALL poll__turn_to_read(iocp_loop_t *loop, const iocp_result_t *result,
                                                  void *record)
{
    if (!contract_is_over()) {
        assert_int_equal(iocp_poll_set(loop, result->op, IOCP_POLL_READ), IOCP_OK);
    }
    (void)contract_keep(loop, result, record);
    return result->event == IOCP_POLL_WRITE ? IOCP_REARM : IOCP_DISARM;
}

static void in_its_callback_it_takes_those_of_the_next_run(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pair pair = contract_connect(loop, AF_INET);
    contract_record record = {0};
    assert_int_equal(iocp_poll(loop, contract_native_socket(loop, pair.server), IOCP_POLL_WRITE,
                               poll__turn_to_read, &record, NULL),
                     IOCP_OK);
    assert_ready(loop, &record, 1, IOCP_POLL_WRITE);
    assert_waits(loop, &record, 1);
    contract_send_all(loop, pair.client, "x", 1);
    assert_ready(loop, &record, 2, IOCP_POLL_READ);
    contract_close_pair(loop, pair);
}

/* ---- The end ---- */

static void a_poll_ends_with_its_socket(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pair pair = contract_connect(loop, AF_INET);
    contract_record record = {0};
    (void)poll__start(loop, pair.server, IOCP_POLL_READ, &record);
    assert_waits(loop, &record, 0);
    contract_close(loop, pair.server);
    contract_wait(loop, &record, 1);
    assert_int_equal(record.status, IOCP_EBADF);
    assert_int_equal(record.result.event, 0);
    contract_close(loop, pair.client);
    contract_close(loop, pair.listener);
}

static void a_cancel_behind_a_change_holds(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pair pair = contract_connect(loop, AF_INET);
    contract_record record = {0};
    iocp_op_t op = poll__start(loop, pair.server, IOCP_POLL_READ, &record);
    assert_waits(loop, &record, 0);
    assert_int_equal(iocp_poll_set(loop, op, IOCP_POLL_HANGUP), IOCP_OK);
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    contract_wait(loop, &record, 1);
    assert_int_equal(record.status, IOCP_ECANCELED);
    contract_close_pair(loop, pair);
}

static void what_is_no_socket_is_told_in_the_result(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    assert_int_equal(
        iocp_poll(loop, (uintptr_t)0x7ffffff4, IOCP_POLL_READ, contract_keep, &record, NULL),
        IOCP_OK);
    contract_wait(loop, &record, 1);
    /* The Winsock of Wine 8 takes any number for a base socket; its driver does not. */
    bool is_taken = contract_is_wine() && record.status == IOCP_EBADF;
    assert_int_equal(record.status, is_taken ? IOCP_EBADF : IOCP_ENOTSOCK);
}

static void bad_arguments_are_refused(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    uintptr_t socket = contract_socket_create(AF_INET);
    contract_record record = {0};
    iocp_op_t timer = {0};
    iocp_op_t none = {0};
    assert_int_equal(iocp_poll(loop, socket, 32, contract_keep, &record, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_poll(loop, socket, IOCP_POLL_READ, NULL, &record, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_poll(NULL, socket, IOCP_POLL_READ, contract_keep, &record, NULL),
                     IOCP_EINVAL);
    assert_int_equal(iocp_timer(loop, 0, contract_keep, &record, &timer), IOCP_OK);
    assert_int_equal(iocp_poll_set(loop, timer, IOCP_POLL_READ), IOCP_EINVAL);
    assert_int_equal(iocp_poll_set(loop, timer, 32), IOCP_EINVAL);
    assert_int_equal(iocp_poll_set(NULL, timer, IOCP_POLL_READ), IOCP_EINVAL);
    assert_int_equal(iocp_poll_set(loop, none, IOCP_POLL_READ), IOCP_ENOENT);
    contract_wait(loop, &record, 1);
    contract_socket_destroy(socket);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CONTRACT_TEST(what_has_data_can_be_read),
        CONTRACT_TEST(what_has_room_can_be_written),
        CONTRACT_TEST(the_end_of_the_peer_is_read_and_a_hangup),
        CONTRACT_TEST(a_listener_that_is_called_can_be_read),
        CONTRACT_TEST(a_datagram_can_be_read),
        CONTRACT_TEST(a_reset_is_an_error),
        CONTRACT_TEST(what_is_ready_stays_ready),
        CONTRACT_TEST(many_may_wait_on_one_socket),
        CONTRACT_TEST(a_receive_of_the_owners_does_not_disturb),
        CONTRACT_TEST(a_pending_poll_takes_other_events),
        CONTRACT_TEST(one_that_is_queued_takes_other_events),
        CONTRACT_TEST(events_may_change_faster_than_the_system_answers),
        CONTRACT_TEST(what_is_not_asked_for_any_more_is_not_told),
        CONTRACT_TEST(in_its_callback_it_takes_those_of_the_next_run),
        CONTRACT_TEST(a_poll_ends_with_its_socket),
        CONTRACT_TEST(a_cancel_behind_a_change_holds),
        CONTRACT_TEST(what_is_no_socket_is_told_in_the_result),
        CONTRACT_TEST(bad_arguments_are_refused),
    };
    return CONTRACT_RUN(tests);
}
