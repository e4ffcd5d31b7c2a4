/* Ending operations early: cancels, closes and deadlines, and what they race with. */
#include "contract_env.h"

#include <stdlib.h>
#include <string.h>

static iocp_op_t recv__start(iocp_loop_t *loop, iocp_handle_t handle, void *data, size_t size,
                             contract_record *record)
{
    iocp_op_t op = {0};
    assert_int_equal(iocp_recv(loop, handle, data, size, contract_keep, record, &op), IOCP_OK);
    return op;
}

/* Queue a cancel. */
static void cancel__add(iocp_loop_t *loop, iocp_op_t op, contract_record *record)
{
    assert_int_equal(iocp_cancel(loop, op, contract_keep, record, NULL), IOCP_OK);
}

static void assert_ended(const contract_record *record, int status)
{
    assert_int_equal(record->calls, 1);
    assert_int_equal(record->status, status);
}

/* Wait until `size` bytes can be received, without taking them. */
static void wait_for_data(iocp_loop_t *loop, iocp_handle_t handle)
{
    contract_record ready = {0};
    assert_int_equal(iocp_recv(loop, handle, NULL, 0, contract_keep, &ready, NULL), IOCP_OK);
    contract_wait(loop, &ready, 1);
    assert_int_equal(ready.status, IOCP_OK);
}

/* ---- Queued ---- */

static void cancel_of_a_queued_operation_keeps_it_from_starting(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    enum {
        NOP,
        WAIT,
        RECV,
        SEND,
        SHUTDOWN,
        ACCEPT,
        CONNECT,
        COUNT
    };
    contract_record records[COUNT] = {{0}};
    contract_record cancels[COUNT] = {{0}};
    iocp_op_t ops[COUNT] = {{0}};
    contract_address address;
    iocp_async_t *async = NULL;
    char data[8] = "12345678";
    contract_pair pair = contract_connect(loop, AF_INET);
    iocp_handle_t listener = contract_listen(loop, AF_INET, &address);
    iocp_handle_t caller = contract_open(loop, AF_INET);
    assert_int_equal(iocp_async_create(loop, &async), IOCP_OK);
    uint64_t starts = contract_stats(loop).starts;

    assert_int_equal(iocp_nop(loop, contract_keep, &records[NOP], &ops[NOP]), IOCP_OK);
    assert_int_equal(iocp_async_wait(loop, async, contract_keep, &records[WAIT], &ops[WAIT]),
                     IOCP_OK);
    ops[RECV] = recv__start(loop, pair.server, data, sizeof data, &records[RECV]);
    assert_int_equal(
        iocp_send(loop, pair.client, data, sizeof data, contract_keep, &records[SEND], &ops[SEND]),
        IOCP_OK);
    assert_int_equal(iocp_shutdown(loop, pair.client, IOCP_SHUTDOWN_SEND, contract_keep,
                                   &records[SHUTDOWN], &ops[SHUTDOWN]),
                     IOCP_OK);
    assert_int_equal(iocp_accept(loop, listener, contract_keep, &records[ACCEPT], &ops[ACCEPT]),
                     IOCP_OK);
    assert_int_equal(iocp_connect(loop, caller, contract_sockaddr(&address), address.length,
                                  contract_keep, &records[CONNECT], &ops[CONNECT]),
                     IOCP_OK);
    for (int i = 0; i < COUNT; i++) {
        cancel__add(loop, ops[i], &cancels[i]);
    }
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    for (int i = 0; i < COUNT; i++) {
        assert_ended(&records[i], IOCP_ECANCELED);
        assert_int_equal(records[i].result.bytes, 0);
        assert_ended(&cancels[i], IOCP_OK);
        assert_int_equal(iocp_op_state(loop, ops[i]), IOCP_OP_DEAD);
    }
    assert_int_equal(contract_stats(loop).starts - starts, COUNT); /* of the cancels */

    /* Nothing was sent, and nothing was ended. */
    contract_send_all(loop, pair.client, "x", 1);
    contract_recv_all(loop, pair.server, data, 1);
    assert_int_equal(data[0], 'x');
    assert_int_equal(iocp_async_destroy(async), IOCP_OK);
    contract_close_pair(loop, pair);
}

/* ---- In the kernel ---- */

static void cancel_of_a_pending_receive_ends_it_as_cancelled(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_record cancel = {0};
    char data[8];
    contract_pair pair = contract_connect(loop, AF_INET);
    iocp_op_t op = recv__start(loop, pair.server, data, sizeof data, &record);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(iocp_op_state(loop, op), IOCP_OP_ACTIVE);
    cancel__add(loop, op, &cancel);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_ended(&record, IOCP_ECANCELED);
    assert_int_equal(record.result.native_error, 995); /* ERROR_OPERATION_ABORTED */
    assert_ended(&cancel, IOCP_OK);

    /* The connection goes on. */
    contract_send_all(loop, pair.client, "x", 1);
    contract_recv_all(loop, pair.server, data, 1);
    contract_close_pair(loop, pair);
}

static void a_cancelled_receive_that_rearms_receives(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {.rearms = 1};
    char data[8];
    contract_pair pair = contract_connect(loop, AF_INET);
    iocp_op_t op = recv__start(loop, pair.server, data, sizeof data, &record);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    contract_wait(loop, &record, 1);
    assert_int_equal(record.status, IOCP_ECANCELED);
    contract_send_all(loop, pair.client, "x", 1);
    contract_wait(loop, &record, 2);
    assert_int_equal(record.status, IOCP_OK);
    assert_int_equal(record.result.bytes, 1);
    assert_true(record.result.op.id == op.id);
    contract_close_pair(loop, pair);
}

static void cancel_of_a_pending_accept_leaves_the_listener_as_it_is(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record accepts[2] = {{0}};
    contract_record cancel = {0};
    contract_record connect = {0};
    contract_address address;
    iocp_op_t op = {0};
    iocp_handle_t listener = contract_listen(loop, AF_INET, &address);
    iocp_handle_t client = contract_open(loop, AF_INET);
    assert_int_equal(iocp_accept(loop, listener, contract_keep, &accepts[0], &op), IOCP_OK);
    assert_int_equal(iocp_accept(loop, listener, contract_keep, &accepts[1], NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    cancel__add(loop, op, &cancel);
    contract_wait(loop, &accepts[0], 1);
    assert_ended(&accepts[0], IOCP_ECANCELED);
    assert_true(accepts[0].result.opened.id == 0);
    contract_wait(loop, &cancel, 1);
    assert_ended(&cancel, IOCP_OK);
    assert_int_equal(accepts[1].calls, 0);
    assert_int_equal(iocp_connect(loop, client, contract_sockaddr(&address), address.length,
                                  contract_keep, &connect, NULL),
                     IOCP_OK);
    contract_wait(loop, &accepts[1], 1);
    assert_ended(&accepts[1], IOCP_OK);
    assert_true(accepts[1].result.opened.id != 0);
    contract_wait(loop, &connect, 1);
    assert_ended(&connect, IOCP_OK);
}

/* Nobody accepts, so when the backlog is full the next connects stay pending. */
static void cancel_of_a_pending_connect_ends_it_as_cancelled(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    enum {
        COUNT = 8
    };
    contract_record records[COUNT] = {{0}};
    contract_record cancel = {0};
    contract_address address;
    iocp_op_t ops[COUNT] = {{0}};
    iocp_handle_t listener = contract_listen(loop, AF_INET, &address);
    assert_int_equal(iocp_socket_listen(loop, listener, 1), IOCP_OK);
    for (int i = 0; i < COUNT; i++) {
        iocp_handle_t client = contract_open(loop, AF_INET);
        assert_int_equal(iocp_connect(loop, client, contract_sockaddr(&address), address.length,
                                      contract_keep, &records[i], &ops[i]),
                         IOCP_OK);
        contract_idle(loop);
    }
    assert_int_equal(records[COUNT - 1].calls, 0);
    assert_int_equal(iocp_op_state(loop, ops[COUNT - 1]), IOCP_OP_ACTIVE);
    cancel__add(loop, ops[COUNT - 1], &cancel);
    contract_wait(loop, &records[COUNT - 1], 1);
    assert_ended(&records[COUNT - 1], IOCP_ECANCELED);
    contract_wait(loop, &cancel, 1);
    assert_ended(&cancel, IOCP_OK);
}

/*
 * Sends that nobody receives, the last of which is stuck: Winsock takes any send while at most one
 * is buffered.
 */
#define STUCK_COUNT 3

typedef struct stuck {
    size_t size;
    unsigned char *data;
    contract_record records[STUCK_COUNT];
    iocp_op_t ops[STUCK_COUNT];
} stuck;

static void stuck__begin(stuck *s, iocp_loop_t *loop, iocp_handle_t handle)
{
    memset(s, 0, sizeof *s);
    s->size = contract_clock_is_virtual() ? (size_t)1 << 20 : (size_t)1 << 26;
    s->data = calloc(1, s->size);
    assert_non_null(s->data);
    for (int i = 0; i < STUCK_COUNT; i++) {
        assert_int_equal(
            iocp_send(loop, handle, s->data, s->size, contract_keep, &s->records[i], &s->ops[i]),
            IOCP_OK);
    }
    for (int i = 0; i < 3; i++) {
        contract_idle(loop);
    }
    assert_int_equal(s->records[STUCK_COUNT - 1].calls, 0);
}

/* Cancel what is pending, the last first, so that none comes forward; how much was taken of all. */
static uint64_t stuck__cancel(stuck *s, iocp_loop_t *loop)
{
    uint64_t taken = 0;
    for (int i = STUCK_COUNT - 1; i >= 0; i--) {
        contract_record cancel = {0};
        contract_record *sent = &s->records[i];
        bool was_done = sent->calls == 1;
        cancel__add(loop, s->ops[i], &cancel);
        contract_wait(loop, sent, 1);
        contract_wait(loop, &cancel, 1);
        assert_ended(sent, was_done ? IOCP_OK : IOCP_ECANCELED);
        assert_ended(&cancel, was_done ? IOCP_ENOENT : IOCP_OK);
        assert_true(was_done ? sent->result.bytes == s->size : sent->result.bytes < s->size);
        taken += sent->result.bytes;
    }
    return taken;
}

static void cancel_of_a_pending_send_tells_how_much_was_taken(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record shutdown = {0};
    contract_record received = {0};
    static stuck s;
    unsigned char *copy = malloc(65536);
    assert_non_null(copy);
    contract_pair pair = contract_connect(loop, AF_INET);
    stuck__begin(&s, loop, pair.client);
    uint64_t taken = stuck__cancel(&s, loop);
    assert_int_equal(s.records[STUCK_COUNT - 1].status, IOCP_ECANCELED);
    assert_true(taken > 0);

    /* That much arrives and no more. */
    assert_int_equal(
        iocp_shutdown(loop, pair.client, IOCP_SHUTDOWN_SEND, contract_keep, &shutdown, NULL),
        IOCP_OK);
    received.rearms = INT32_MAX;
    (void)recv__start(loop, pair.server, copy, 65536, &received);
    for (int calls = 1; received.status != IOCP_EOF; calls++) {
        contract_wait(loop, &received, calls);
        assert_true(received.status == IOCP_OK || received.status == IOCP_EOF);
    }
    assert_int_equal(received.total_bytes, taken);
    assert_ended(&shutdown, IOCP_OK);
    received.rearms = 0;
    contract_close_pair(loop, pair);
    free(copy);
    free(s.data);
}

static void cancel_of_a_waiting_shutdown_ends_it_as_cancelled(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record shutdown = {0};
    iocp_op_t op = {0};
    static stuck s;
    contract_pair pair = contract_connect(loop, AF_INET);
    stuck__begin(&s, loop, pair.client);
    assert_int_equal(
        iocp_shutdown(loop, pair.client, IOCP_SHUTDOWN_SEND, contract_keep, &shutdown, &op),
        IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(shutdown.calls, 0);
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    contract_wait(loop, &shutdown, 1);
    assert_ended(&shutdown, IOCP_ECANCELED);
    (void)stuck__cancel(&s, loop);
    contract_close_pair(loop, pair);
    free(s.data);
}

static void cancel_of_an_async_wait_ends_it_as_cancelled(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record wait = {0};
    contract_record cancel = {0};
    contract_record later = {0};
    iocp_async_t *async = NULL;
    iocp_op_t op = {0};
    assert_int_equal(iocp_async_create(loop, &async), IOCP_OK);
    assert_int_equal(iocp_async_wait(loop, async, contract_keep, &wait, &op), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    cancel__add(loop, op, &cancel);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_ended(&wait, IOCP_ECANCELED);
    assert_ended(&cancel, IOCP_OK);

    /* A notify is for the next wait, not for the one that is gone. */
    assert_int_equal(iocp_async_notify(async), IOCP_OK);
    assert_int_equal(iocp_async_wait(loop, async, contract_keep, &later, NULL), IOCP_OK);
    contract_wait(loop, &later, 1);
    assert_ended(&later, IOCP_OK);
    assert_int_equal(wait.calls, 1);
    assert_int_equal(iocp_async_destroy(async), IOCP_OK);
}

/* ---- Too late ---- */

static void cancel_of_a_completed_receive_delivers_its_bytes(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_record cancel = {0};
    char data[8] = {0};
    contract_pair pair = contract_connect(loop, AF_INET);
    contract_send_all(loop, pair.client, "hello", 5);
    wait_for_data(loop, pair.server);
    /* It is done within its start, or its packet is queued behind it. */
    iocp_op_t op = recv__start(loop, pair.server, data, sizeof data, &record);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    assert_int_equal(record.calls, 0);
    cancel__add(loop, op, &cancel);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(record.calls, 1);
    assert_int_equal(record.status, IOCP_OK);
    assert_true(record.result.bytes >= 1);
    assert_memory_equal(data, "hello", (size_t)record.result.bytes);
    assert_ended(&cancel, IOCP_OK); /* it has not ended until its callback has returned */
    contract_close_pair(loop, pair);
}

/* The data comes while the receive is pending; its packet is there, but was not taken yet. */
static void cancel_of_a_receive_whose_packet_is_queued_delivers_its_bytes(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_loop_t *sender = contract_loop_create();
    contract_record record = {0};
    contract_record cancel = {0};
    char data[8] = {0};
    contract_record accepted = {0};
    contract_record connected = {0};
    contract_address address;
    iocp_handle_t listener = contract_listen(loop, AF_INET, &address);
    iocp_handle_t far_away = contract_open(sender, AF_INET);
    assert_int_equal(iocp_accept(loop, listener, contract_keep, &accepted, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(iocp_connect(sender, far_away, contract_sockaddr(&address), address.length,
                                  contract_keep, &connected, NULL),
                     IOCP_OK);
    contract_wait(sender, &connected, 1);
    contract_wait(loop, &accepted, 1);

    iocp_op_t op = recv__start(loop, accepted.result.opened, data, sizeof data, &record);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(record.calls, 0);
    contract_send_all(sender, far_away, "hello", 5);
    contract_pass_time(loop, 50 * MS); /* loopback data is there by then, or it is cancelled */
    cancel__add(loop, op, &cancel);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(record.calls, 1);
    assert_int_equal(cancel.calls, 1);
    assert_int_equal(cancel.status, IOCP_OK);
    if (contract_clock_is_virtual()) {
        assert_int_equal(record.status, IOCP_OK);
    }
    if (record.status == IOCP_OK) {
        assert_true(record.result.bytes >= 1);
        assert_memory_equal(data, "hello", (size_t)record.result.bytes);
    } else {
        /* Then nothing of it is lost. */
        assert_int_equal(record.status, IOCP_ECANCELED);
        assert_int_equal(record.result.bytes, 0);
        contract_recv_all(loop, accepted.result.opened, data, 5);
        assert_memory_equal(data, "hello", 5);
    }
    contract_loop_destroy(sender);
}

static void cancel_of_an_operation_that_has_ended_finds_nothing(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_record cancels[3] = {{0}};
    iocp_op_t op = {0};
    assert_int_equal(iocp_nop(loop, contract_keep, &record, &op), IOCP_OK);
    contract_wait(loop, &record, 1);
    cancel__add(loop, op, &cancels[0]);
    cancel__add(loop, (iocp_op_t){0}, &cancels[1]);
    cancel__add(loop, (iocp_op_t){UINT64_MAX}, &cancels[2]);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    for (int i = 0; i < 3; i++) {
        assert_ended(&cancels[i], IOCP_ENOENT);
    }
    assert_ended(&record, IOCP_OK);
}

static void a_stale_id_does_not_reach_the_operation_that_came_after(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record first = {0};
    contract_record second = {0};
    contract_record cancel = {0};
    iocp_op_t stale = {0};
    iocp_op_t op = {0};
    assert_int_equal(iocp_nop(loop, contract_keep, &first, &stale), IOCP_OK);
    contract_wait(loop, &first, 1);
    assert_int_equal(iocp_timer(loop, 5 * MS, contract_keep, &second, &op), IOCP_OK);
    assert_int_equal(iocp_op_deadline(loop, stale, 0), IOCP_ENOENT);
    assert_int_equal(iocp_timer_reset(loop, stale, 0), IOCP_ENOENT);
    assert_int_equal(iocp_op_unref(loop, stale), IOCP_ENOENT);
    cancel__add(loop, stale, &cancel);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_ended(&cancel, IOCP_ENOENT);
    assert_ended(&second, IOCP_OK);
}

static iocp_action_t IOCP_CALL cancel__own_operation(iocp_loop_t *loop, const iocp_result_t *result,
                                                     void *userdata)
{
    contract_record *records = userdata;
    (void)iocp_cancel(loop, result->op, contract_keep, &records[1], NULL);
    return contract_keep(loop, result, &records[0]);
}

static void an_operation_that_cancels_itself_in_its_callback_is_too_late(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[2] = {{0}};
    assert_int_equal(iocp_nop(loop, cancel__own_operation, records, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_ended(&records[0], IOCP_OK);
    assert_ended(&records[1], IOCP_ENOENT);
}

static void an_operation_that_cancels_itself_and_rearms_is_cancelled(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[2] = {{.rearms = 1}, {0}};
    assert_int_equal(iocp_nop(loop, cancel__own_operation, records, NULL), IOCP_OK);
    uint64_t starts = contract_stats(loop).starts;
    contract_wait(loop, &records[0], 1);
    assert_int_equal(records[0].status, IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(records[0].calls, 2);
    assert_int_equal(records[0].status, IOCP_ECANCELED);
    /* The first cancel found it waiting for its one more callback, the second found nothing. */
    assert_int_equal(records[1].calls, 2);
    assert_int_equal(records[1].status, IOCP_ENOENT);
    assert_int_equal(contract_stats(loop).starts - starts, 3); /* of the nop and both cancels */
}

static void a_cancel_of_what_is_due_is_accepted_and_changes_no_outcome(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record nops[2] = {{0}};
    contract_record cancels[2] = {{0}};
    iocp_op_t ops[2] = {{0}};
    assert_int_equal(iocp_nop(loop, contract_keep, &nops[0], &ops[0]), IOCP_OK);
    assert_int_equal(iocp_nop(loop, contract_keep, &nops[1], &ops[1]), IOCP_OK);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    cancel__add(loop, ops[0], &cancels[0]);
    cancel__add(loop, ops[1], &cancels[1]);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    for (int i = 0; i < 2; i++) {
        assert_ended(&nops[i], IOCP_OK);
        assert_ended(&cancels[i], IOCP_OK);
    }
}

/* What a server does that wants a connection to end: it cancels the receive, whatever has come. */
static void a_receive_whose_byte_has_come_is_cancelled_when_it_rearms(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {.rearms = 1};
    contract_record cancel = {0};
    char data[8] = {0};
    contract_pair pair = contract_connect(loop, AF_INET);
    contract_send_all(loop, pair.client, "x", 1);
    wait_for_data(loop, pair.server);
    iocp_op_t op = recv__start(loop, pair.server, data, sizeof data, &record);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    cancel__add(loop, op, &cancel);
    contract_wait(loop, &record, 2);
    assert_int_equal(record.calls, 2);
    assert_int_equal(record.total_bytes, 1); /* of the first, which was quicker than the cancel */
    assert_int_equal(data[0], 'x');
    assert_int_equal(record.result.bytes, 0);
    assert_int_equal(record.status, IOCP_ECANCELED);
    contract_wait(loop, &cancel, 1);
    assert_ended(&cancel, IOCP_OK);
    assert_int_equal(iocp_op_state(loop, op), IOCP_OP_DEAD);
    contract_close_pair(loop, pair);
}

/* A cancel that the result has answered is used up. */
static void a_cancel_ends_one_run_and_the_next_is_not_touched_by_it(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {.rearms = 2};
    iocp_op_t op = {0};
    assert_int_equal(iocp_timer(loop, 1 * MS, contract_keep, &record, &op), IOCP_OK);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    contract_wait(loop, &record, 1);
    assert_int_equal(record.status, IOCP_ECANCELED);
    for (int calls = 2; calls <= 3; calls++) {
        contract_wait(loop, &record, calls);
        assert_int_equal(record.status, IOCP_OK);
    }
    assert_int_equal(iocp_op_state(loop, op), IOCP_OP_DEAD);
}

/* ---- Cancels of cancels and of closes ---- */

static void a_cancel_that_is_repeated_changes_nothing(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_record cancels[3] = {{0}};
    char data[8];
    contract_pair pair = contract_connect(loop, AF_INET);
    iocp_op_t op = recv__start(loop, pair.server, data, sizeof data, &record);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    for (int i = 0; i < 3; i++) {
        cancel__add(loop, op, &cancels[i]);
    }
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_ended(&record, IOCP_ECANCELED);
    for (int i = 0; i < 3; i++) {
        assert_ended(&cancels[i], IOCP_OK); /* it has not ended until its callback has returned */
    }
    contract_close_pair(loop, pair);
}

static void cancels_are_carried_out_in_their_order(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record timer = {0};
    contract_record cancel = {0};
    contract_record cancel_of_cancel = {0};
    iocp_op_t timer_op = {0};
    iocp_op_t cancel_op = {0};
    assert_int_equal(iocp_timer(loop, 5 * MS, contract_keep, &timer, &timer_op), IOCP_OK);
    assert_int_equal(iocp_cancel(loop, timer_op, contract_keep, &cancel, &cancel_op), IOCP_OK);
    cancel__add(loop, cancel_op, &cancel_of_cancel);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_ended(&timer, IOCP_ECANCELED);
    assert_ended(&cancel, IOCP_OK);
    assert_ended(&cancel_of_cancel, IOCP_OK); /* too late, and accepted: it had not called back */
}

static void a_cancel_needs_no_callback(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    iocp_op_t op = {0};
    assert_int_equal(iocp_timer(loop, 1000 * S, contract_keep, &record, &op), IOCP_OK);
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_ended(&record, IOCP_ECANCELED);
    assert_int_equal(contract_stats(loop).operations, 0);
}

/* More than one note of them has room for. */
static void cancels_that_nobody_is_told_of_are_no_operations(void **state)
{
    enum {
        COUNT = 100
    };
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[COUNT] = {{0}};
    iocp_op_t ops[COUNT];
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(iocp_timer(loop, 1000 * S, contract_keep, &records[i], &ops[i]), IOCP_OK);
        if (i % 2 == 0) {
            assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
        }
    }
    iocp_type_stats_t before = {.size = sizeof before};
    iocp_type_stats_t after = {.size = sizeof after};
    assert_int_equal(iocp_loop_type_stats(loop, IOCP_TYPE_CANCEL, &before), IOCP_OK);
    for (int i = 0; i < COUNT; i++) { /* from both ends */
        int n = i % 2 == 0 ? i / 2 : COUNT - 1 - i / 2;
        assert_int_equal(iocp_cancel(loop, ops[n], NULL, NULL, NULL), IOCP_OK);
        assert_int_equal(iocp_cancel(loop, (iocp_op_t){0}, NULL, NULL, NULL), IOCP_OK);
    }
    assert_int_equal(contract_stats(loop).operations, COUNT);
    assert_int_equal(iocp_loop_active(loop), COUNT);
    uint64_t next_ns = 0;
    assert_int_equal(iocp_loop_next_deadline(loop, &next_ns), IOCP_OK);
    assert_true(next_ns <= iocp_loop_now(loop));
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    for (int i = 0; i < COUNT; i++) {
        assert_ended(&records[i], IOCP_ECANCELED);
    }
    assert_true(records[0].order < records[COUNT - 1].order);
    assert_true(records[COUNT - 1].order < records[1].order);
    assert_int_equal(iocp_loop_type_stats(loop, IOCP_TYPE_CANCEL, &after), IOCP_OK);
    assert_int_equal(after.started - before.started, 2 * COUNT);
    assert_int_equal(after.ended, before.ended);
}

static void a_cancel_of_a_cancel_that_nobody_is_told_of_comes_too_late(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record timer = {0};
    contract_record cancel = {0};
    iocp_op_t timer_op = {0};
    iocp_op_t cancel_op = {0};
    assert_int_equal(iocp_timer(loop, 5 * MS, contract_keep, &timer, &timer_op), IOCP_OK);
    assert_int_equal(iocp_cancel(loop, timer_op, contract_keep, &cancel, &cancel_op), IOCP_OK);
    assert_int_equal(iocp_cancel(loop, cancel_op, NULL, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_ended(&timer, IOCP_ECANCELED);
    assert_ended(&cancel, IOCP_OK);
}

static void a_cancel_whose_id_is_wanted_is_an_operation(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    iocp_op_t timer_op = {0};
    iocp_op_t op = {0};
    assert_int_equal(iocp_timer(loop, 1000 * S, contract_keep, &record, &timer_op), IOCP_OK);
    assert_int_equal(iocp_cancel(loop, timer_op, NULL, NULL, &op), IOCP_OK);
    assert_int_equal(iocp_op_state(loop, op), IOCP_OP_ADDING);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(iocp_op_state(loop, op), IOCP_OP_DEAD);
    assert_ended(&record, IOCP_ECANCELED);
}

static void a_cancel_and_a_close_cannot_be_rearmed(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record cancel = {.rearms = 3};
    contract_record close = {.rearms = 3};
    iocp_handle_t handle = contract_open(loop, AF_INET);
    cancel__add(loop, (iocp_op_t){0}, &cancel);
    assert_int_equal(iocp_close(loop, handle, contract_keep, &close, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(cancel.calls, 1);
    assert_int_equal(close.calls, 1);
}

static void a_close_cannot_be_cancelled(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record close = {0};
    contract_record cancel = {0};
    contract_record recv = {0};
    iocp_op_t op = {0};
    char data[8];
    contract_pair pair = contract_connect(loop, AF_INET);
    (void)recv__start(loop, pair.server, data, sizeof data, &recv);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(iocp_close(loop, pair.server, contract_keep, &close, &op), IOCP_OK);
    assert_int_equal(iocp_op_deadline(loop, op, 1 * MS), IOCP_ENOTSUP);
    cancel__add(loop, op, &cancel);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_ended(&recv, IOCP_ECANCELED);
    assert_ended(&close, IOCP_OK);
    assert_int_equal(cancel.calls, 1);
    assert_true(cancel.status == IOCP_ENOTSUP || cancel.status == IOCP_ENOENT);
}

/* ---- Close ---- */

static void close_cancels_what_is_pending_and_calls_back_last(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    enum {
        RECV_1,
        RECV_2,
        QUEUED,
        COUNT
    };
    contract_record records[COUNT] = {{0}};
    contract_record close = {0};
    char data[COUNT][8];
    contract_pair pair = contract_connect(loop, AF_INET);
    (void)recv__start(loop, pair.server, data[0], 8, &records[RECV_1]);
    (void)recv__start(loop, pair.server, data[1], 8, &records[RECV_2]);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    (void)recv__start(loop, pair.server, data[2], 8, &records[QUEUED]);
    assert_int_equal(iocp_close(loop, pair.server, contract_keep, &close, NULL), IOCP_OK);
    assert_int_equal(iocp_recv(loop, pair.server, data[0], 8, contract_keep, &records[0], NULL),
                     IOCP_EBADF);
    assert_int_equal(iocp_close(loop, pair.server, NULL, NULL, NULL), IOCP_EBADF);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    for (int i = 0; i < COUNT; i++) {
        assert_ended(&records[i], IOCP_ECANCELED);
        assert_true(records[i].result.handle.id == pair.server.id);
        assert_true(records[i].order < close.order);
    }
    assert_ended(&close, IOCP_OK);
    assert_int_equal(close.result.type, IOCP_TYPE_CLOSE);
    assert_true(close.result.handle.id == pair.server.id);
}

static void close_cancels_pending_accepts(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record accepts[4] = {{0}};
    contract_record close = {0};
    contract_address address;
    iocp_handle_t listener = contract_listen(loop, AF_INET, &address);
    for (int i = 0; i < 4; i++) {
        accepts[i].rearms = 100;
        assert_int_equal(iocp_accept(loop, listener, contract_keep, &accepts[i], NULL), IOCP_OK);
    }
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(iocp_close(loop, listener, contract_keep, &close, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    for (int i = 0; i < 4; i++) {
        assert_ended(&accepts[i], IOCP_ECANCELED); /* it has been told: there is no other */
        assert_true(accepts[i].order < close.order);
    }
}

static iocp_action_t IOCP_CALL close__own_handle(iocp_loop_t *loop, const iocp_result_t *result,
                                                 void *userdata)
{
    contract_record *records = userdata;
    if (records[0].calls == 0) {
        assert_int_equal(result->status, IOCP_OK);
        assert_int_equal(iocp_close(loop, result->handle, contract_keep, &records[1], NULL),
                         IOCP_OK);
    }
    (void)contract_keep(loop, result, &records[0]);
    return IOCP_REARM;
}

static void a_callback_may_close_its_own_handle(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[2] = {{0}};
    contract_record other = {0};
    char data[2][8];
    contract_pair pair = contract_connect(loop, AF_INET);
    assert_int_equal(iocp_recv(loop, pair.server, data[0], 8, close__own_handle, records, NULL),
                     IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    (void)recv__start(loop, pair.server, data[1], 8, &other);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    contract_send_all(loop, pair.client, "x", 1);
    contract_wait(loop, &records[1], 1);
    assert_int_equal(records[0].calls, 2); /* with the one that tells that it is over */
    assert_int_equal(records[0].status, IOCP_ECANCELED);
    assert_int_equal(records[0].result.bytes, 0);
    assert_true(records[0].order < records[1].order);
    assert_ended(&records[1], IOCP_OK);
    assert_ended(&other, IOCP_ECANCELED);
    assert_true(other.order < records[1].order);
}

/* ---- Cancelled or not? ---- */

static void a_reset_by_the_peer_is_not_reported_as_cancelled(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    char data[8];
    contract_pair pair = contract_connect(loop, AF_INET);
    (void)recv__start(loop, pair.server, data, sizeof data, &record);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(iocp_socket_set_option(loop, pair.client, IOCP_SOCKET_LINGER, 0), IOCP_OK);
    contract_close(loop, pair.client);
    contract_wait(loop, &record, 1);
    assert_ended(&record, IOCP_ECONNRESET);
    assert_true(record.result.native_error != 0);
}

static void a_receive_that_was_ended_by_a_close_is_cancelled_and_not_reset(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record ours = {0};
    contract_record theirs = {0};
    char data[2][8];
    contract_pair pair = contract_connect(loop, AF_INET);
    (void)recv__start(loop, pair.server, data[0], 8, &ours);
    (void)recv__start(loop, pair.client, data[1], 8, &theirs);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    contract_close(loop, pair.server);
    contract_wait(loop, &ours, 1);
    contract_wait(loop, &theirs, 1);
    assert_ended(&ours, IOCP_ECANCELED);
    assert_ended(&theirs, IOCP_EOF);
}

/* ---- Deadlines ---- */

static void a_receive_ends_at_its_deadline(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    char data[8];
    contract_pair pair = contract_connect(loop, AF_INET);
    iocp_loop_update_now(loop);
    uint64_t start_ns = iocp_loop_now(loop);
    iocp_op_t op = recv__start(loop, pair.server, data, sizeof data, &record);
    assert_int_equal(iocp_op_deadline(loop, op, 5 * MS), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_ended(&record, IOCP_ETIMEDOUT);
    assert_true(record.now_ns >= start_ns + 5 * MS);
    assert_int_equal(contract_stats(loop).timers, 0);
    contract_close_pair(loop, pair);
}

static void a_receive_that_ends_before_its_deadline_is_a_success(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    char data[8];
    contract_pair pair = contract_connect(loop, AF_INET);
    iocp_op_t op = recv__start(loop, pair.server, data, sizeof data, &record);
    assert_int_equal(iocp_op_deadline(loop, op, 1000 * S), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(contract_stats(loop).timers, 1);
    contract_send_all(loop, pair.client, "x", 1);
    contract_wait(loop, &record, 1);
    assert_ended(&record, IOCP_OK);
    assert_int_equal(contract_stats(loop).timers, 0);
    contract_close_pair(loop, pair);
}

static void a_deadline_can_be_moved_and_taken_away(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_record sooner = {0};
    iocp_op_t op = {0};
    assert_int_equal(iocp_timer(loop, 8 * MS, contract_keep, &record, &op), IOCP_OK);
    assert_int_equal(iocp_op_deadline(loop, op, 2 * MS), IOCP_OK);
    assert_int_equal(iocp_op_deadline(loop, op, UINT64_MAX), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_ended(&record, IOCP_OK);
    assert_int_equal(iocp_timer(loop, 1000 * S, contract_keep, &sooner, &op), IOCP_OK);
    assert_int_equal(iocp_op_deadline(loop, op, 500 * S), IOCP_OK);
    assert_int_equal(iocp_op_deadline(loop, op, 2 * MS), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_ended(&sooner, IOCP_ETIMEDOUT);
}

static void a_deadline_of_zero_ends_the_operation_before_it_starts(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    char data[8];
    contract_pair pair = contract_connect(loop, AF_INET);
    iocp_op_t op = recv__start(loop, pair.server, data, sizeof data, &record);
    assert_int_equal(iocp_op_deadline(loop, op, 0), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_ended(&record, IOCP_ETIMEDOUT);
    contract_close_pair(loop, pair);
}

/* The idle limit of a receive that is rearmed for ever. */
static void a_deadline_stays_with_the_operation_and_each_run_has_it_anew(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {.rearms = 3};
    char data[8];
    contract_pair pair = contract_connect(loop, AF_INET);
    iocp_op_t op = recv__start(loop, pair.server, data, sizeof data, &record);
    assert_int_equal(iocp_op_deadline(loop, op, 30 * MS), IOCP_OK);
    for (int calls = 1; calls <= 2; calls++) {
        contract_send_all(loop, pair.client, "x", 1);
        contract_wait(loop, &record, calls);
        assert_int_equal(record.status, IOCP_OK);
        assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
        assert_int_equal(contract_stats(loop).timers, 1);
    }
    for (int calls = 3; calls <= 4; calls++) {
        uint64_t last_ns = record.now_ns;
        contract_wait(loop, &record, calls);
        assert_int_equal(record.status, IOCP_ETIMEDOUT);
        assert_true(record.now_ns >= last_ns + 30 * MS);
        assert_true(!contract_clock_is_virtual() || record.now_ns < last_ns + 35 * MS);
    }
    assert_int_equal(iocp_op_state(loop, op), IOCP_OP_DEAD);
    assert_int_equal(contract_stats(loop).timers, 0);
    contract_close_pair(loop, pair);
}

static iocp_action_t IOCP_CALL deadline__take_away(iocp_loop_t *loop, const iocp_result_t *result,
                                                   void *record)
{
    assert_int_equal(iocp_op_deadline(loop, result->op, UINT64_MAX), IOCP_OK);
    return contract_keep(loop, result, record);
}

static void a_deadline_that_a_callback_takes_away_is_gone(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {.rearms = 1};
    char data[8];
    iocp_op_t op = {0};
    contract_pair pair = contract_connect(loop, AF_INET);
    assert_int_equal(iocp_recv(loop, pair.server, data, 8, deadline__take_away, &record, &op),
                     IOCP_OK);
    assert_int_equal(iocp_op_deadline(loop, op, 3 * MS), IOCP_OK);
    contract_wait(loop, &record, 1);
    assert_int_equal(record.status, IOCP_ETIMEDOUT);
    contract_idle(loop);
    contract_idle(loop);
    assert_int_equal(record.calls, 1);
    assert_int_equal(contract_stats(loop).timers, 0);
    assert_int_equal(iocp_op_state(loop, op), IOCP_OP_ACTIVE);
    contract_send_all(loop, pair.client, "x", 1);
    contract_wait(loop, &record, 2);
    assert_int_equal(record.status, IOCP_OK);
    contract_close_pair(loop, pair);
}

/* A receive that waits its turn behind another has not started, and never does. */
static void a_deadline_counts_while_an_operation_waits_its_turn(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[2] = {{0}};
    char data[2][8];
    contract_pair pair = contract_connect(loop, AF_INET);
    (void)recv__start(loop, pair.server, data[0], 8, &records[0]);
    iocp_op_t op = recv__start(loop, pair.server, data[1], 8, &records[1]);
    assert_int_equal(iocp_op_deadline(loop, op, 3 * MS), IOCP_OK);
    contract_wait(loop, &records[1], 1);
    assert_ended(&records[1], IOCP_ETIMEDOUT);
    assert_int_equal(records[0].calls, 0);
    contract_send_all(loop, pair.client, "x", 1);
    contract_wait(loop, &records[0], 1);
    assert_ended(&records[0], IOCP_OK);
    contract_close_pair(loop, pair);
}

/* The deadline has fired, a cancel was accepted before the packet came: both are told. */
static void a_cancel_behind_a_deadline_ends_what_rearms(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {.rearms = 1};
    contract_record cancel = {0};
    char data[8];
    contract_pair pair = contract_connect(loop, AF_INET);
    iocp_op_t op = recv__start(loop, pair.server, data, sizeof data, &record);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(iocp_op_deadline(loop, op, 0), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    bool was_told = record.calls == 1; /* then it waits again */
    cancel__add(loop, op, &cancel);
    contract_wait(loop, &record, was_told ? 2 : 1);
    contract_wait(loop, &cancel, 1);
    contract_wait(loop, &record, 2);
    assert_int_equal(record.calls, 2);
    assert_int_equal(record.status, IOCP_ECANCELED);
    assert_ended(&cancel, IOCP_OK);
    contract_close_pair(loop, pair);
}

static iocp_action_t IOCP_CALL deadline__set_again(iocp_loop_t *loop, const iocp_result_t *result,
                                                   void *userdata)
{
    contract_record *record = userdata;
    if (record->rearms > 0) {
        (void)iocp_op_deadline(loop, result->op, 2 * MS);
    }
    return contract_keep(loop, result, record);
}

static void a_callback_may_set_the_deadline_of_its_next_run(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {.rearms = 4};
    char data[8];
    iocp_op_t op = {0};
    contract_pair pair = contract_connect(loop, AF_INET);
    assert_int_equal(iocp_recv(loop, pair.server, data, 8, deadline__set_again, &record, &op),
                     IOCP_OK);
    assert_int_equal(iocp_op_deadline(loop, op, 2 * MS), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(record.calls, 5);
    assert_int_equal(record.status, IOCP_ETIMEDOUT);
    assert_int_equal(contract_stats(loop).timers, 0);
    contract_close_pair(loop, pair);
}

static void what_has_ended_takes_no_deadline(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    iocp_op_t op = {0};
    iocp_op_t cancel = {0};
    assert_int_equal(iocp_nop(loop, contract_keep, &record, &op), IOCP_OK);
    assert_int_equal(iocp_cancel(loop, (iocp_op_t){0}, contract_keep, &record, &cancel), IOCP_OK);
    assert_int_equal(iocp_op_deadline(loop, cancel, 1 * MS), IOCP_ENOTSUP);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    assert_int_equal(iocp_op_deadline(loop, op, 1 * MS), IOCP_ENOENT);
    contract_wait(loop, &record, 2);
    assert_int_equal(iocp_op_deadline(loop, op, 1 * MS), IOCP_ENOENT);
    assert_int_equal(iocp_op_deadline(loop, op, UINT64_MAX), IOCP_ENOENT);
}

static void a_connect_and_an_accept_end_at_their_deadlines(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    enum {
        COUNT = 8
    };
    contract_record connects[COUNT] = {{0}};
    contract_record accept = {0};
    contract_address full;
    contract_address quiet;
    iocp_op_t op = {0};
    iocp_handle_t listener = contract_listen(loop, AF_INET, &full);
    iocp_handle_t quiet_listener = contract_listen(loop, AF_INET, &quiet);
    assert_int_equal(iocp_socket_listen(loop, listener, 1), IOCP_OK);
    for (int i = 0; i < COUNT; i++) {
        iocp_handle_t client = contract_open(loop, AF_INET);
        assert_int_equal(iocp_connect(loop, client, contract_sockaddr(&full), full.length,
                                      contract_keep, &connects[i], &op),
                         IOCP_OK);
        contract_idle(loop);
    }
    assert_int_equal(iocp_op_deadline(loop, op, 20 * MS), IOCP_OK);
    assert_int_equal(iocp_accept(loop, quiet_listener, contract_keep, &accept, &op), IOCP_OK);
    assert_int_equal(iocp_op_deadline(loop, op, 10 * MS), IOCP_OK);
    contract_wait(loop, &connects[COUNT - 1], 1);
    contract_wait(loop, &accept, 1);
    assert_ended(&connects[COUNT - 1], IOCP_ETIMEDOUT);
    assert_ended(&accept, IOCP_ETIMEDOUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TEST(cancel_of_a_queued_operation_keeps_it_from_starting),
        CONTRACT_TEST(cancel_of_a_pending_receive_ends_it_as_cancelled),
        CONTRACT_TEST(a_cancelled_receive_that_rearms_receives),
        CONTRACT_TEST(cancel_of_a_pending_accept_leaves_the_listener_as_it_is),
        CONTRACT_TEST(cancel_of_a_pending_connect_ends_it_as_cancelled),
        CONTRACT_TEST(cancel_of_a_pending_send_tells_how_much_was_taken),
        CONTRACT_TEST(cancel_of_a_waiting_shutdown_ends_it_as_cancelled),
        CONTRACT_TEST(cancel_of_an_async_wait_ends_it_as_cancelled),
        CONTRACT_TEST(cancel_of_a_completed_receive_delivers_its_bytes),
        CONTRACT_TEST(cancel_of_a_receive_whose_packet_is_queued_delivers_its_bytes),
        CONTRACT_TEST(cancel_of_an_operation_that_has_ended_finds_nothing),
        CONTRACT_TEST(a_stale_id_does_not_reach_the_operation_that_came_after),
        CONTRACT_TEST(an_operation_that_cancels_itself_in_its_callback_is_too_late),
        CONTRACT_TEST(an_operation_that_cancels_itself_and_rearms_is_cancelled),
        CONTRACT_TEST(a_cancel_of_what_is_due_is_accepted_and_changes_no_outcome),
        CONTRACT_TEST(a_receive_whose_byte_has_come_is_cancelled_when_it_rearms),
        CONTRACT_TEST(a_cancel_ends_one_run_and_the_next_is_not_touched_by_it),
        CONTRACT_TEST(a_cancel_that_is_repeated_changes_nothing),
        CONTRACT_TEST(cancels_are_carried_out_in_their_order),
        CONTRACT_TEST(a_cancel_needs_no_callback),
        CONTRACT_TEST(cancels_that_nobody_is_told_of_are_no_operations),
        CONTRACT_TEST(a_cancel_of_a_cancel_that_nobody_is_told_of_comes_too_late),
        CONTRACT_TEST(a_cancel_whose_id_is_wanted_is_an_operation),
        CONTRACT_TEST(a_cancel_and_a_close_cannot_be_rearmed),
        CONTRACT_TEST(a_close_cannot_be_cancelled),
        CONTRACT_TEST(close_cancels_what_is_pending_and_calls_back_last),
        CONTRACT_TEST(close_cancels_pending_accepts),
        CONTRACT_TEST(a_callback_may_close_its_own_handle),
        CONTRACT_TEST(a_reset_by_the_peer_is_not_reported_as_cancelled),
        CONTRACT_TEST(a_receive_that_was_ended_by_a_close_is_cancelled_and_not_reset),
        CONTRACT_TEST(a_receive_ends_at_its_deadline),
        CONTRACT_TEST(a_receive_that_ends_before_its_deadline_is_a_success),
        CONTRACT_TEST(a_deadline_can_be_moved_and_taken_away),
        CONTRACT_TEST(a_deadline_of_zero_ends_the_operation_before_it_starts),
        CONTRACT_TEST(a_deadline_stays_with_the_operation_and_each_run_has_it_anew),
        CONTRACT_TEST(a_deadline_that_a_callback_takes_away_is_gone),
        CONTRACT_TEST(a_deadline_counts_while_an_operation_waits_its_turn),
        CONTRACT_TEST(a_cancel_behind_a_deadline_ends_what_rearms),
        CONTRACT_TEST(a_callback_may_set_the_deadline_of_its_next_run),
        CONTRACT_TEST(what_has_ended_takes_no_deadline),
        CONTRACT_TEST(a_connect_and_an_accept_end_at_their_deadlines),
    };
    return CONTRACT_RUN(tests);
}
