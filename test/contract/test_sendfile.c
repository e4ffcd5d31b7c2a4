/* Files that are sent on sockets: what goes out, in which order, and what becomes of two handles. */
#include "contract_datagram.h"
#include "contract_file.h"

#include <stdlib.h>
#include <string.h>

#define FILE_BYTES 100000

/* More than a connection takes that nobody reads from. */
static uint64_t send__large_bytes(void)
{
    return contract_clock_is_virtual() ? UINT64_C(1) << 18 : UINT64_C(1) << 24;
}

static unsigned char send_data[FILE_BYTES];
static unsigned char send_got[2 * FILE_BYTES];
static char send_head[] = "head:";
static char send_tail[] = ":tail";
static const iocp_buf_t send_around[] = {{.length = 5, .base = send_head},
                                         {.length = 5, .base = send_tail}};

typedef struct sending {
    iocp_loop_t *loop;
    contract_pair pair;
    iocp_handle_t file;
} sending;

static sending send__begin(void **state)
{
    sending s = {.loop = contract_loop(state)};
    for (size_t i = 0; i < sizeof send_data; i++) {
        send_data[i] = (unsigned char)(i * 7 + i / 251);
    }
    s.pair = contract_connect(s.loop, AF_INET);
    s.file = contract_file_with(s.loop, "file", send_data, sizeof send_data);
    return s;
}

/*
 * The same with a connection that takes nothing, and a file that would not fit into an empty one. Full
 * it is for Wine: its server forgets a cancel of a send that is just getting on.
 */
static sending send__begin_full(void **state)
{
    sending s = send__begin(state);
    contract_file_make_sparse(s.loop, s.file);
    assert_int_equal(iocp_file_set_size(s.loop, s.file, send__large_bytes()), IOCP_OK);
    contract_fill(s.loop, s.pair.client);
    return s;
}

static iocp_op_t send__file(const sending *s, uint64_t offset, uint64_t bytes,
                            contract_record *record)
{
    iocp_op_t op = {0};
    assert_int_equal(iocp_sendfile(s->loop, s->pair.client, s->file, offset, bytes, &send_around[0],
                                   &send_around[1], contract_keep, record, &op),
                     IOCP_OK);
    return op;
}

/* What the peer gets next. */
static void send__expect(const sending *s, const void *data, size_t size)
{
    assert_true(size <= sizeof send_got);
    contract_recv_all(s->loop, s->pair.server, send_got, size);
    assert_memory_equal(send_got, data, size);
}

static void send__expect_around(const sending *s, size_t offset, size_t size)
{
    send__expect(s, send_head, 5);
    send__expect(s, send_data + offset, size);
    send__expect(s, send_tail, 5);
}

/* Read and forget until the record has its call. */
static void send__read_until(const sending *s, const contract_record *record, int calls)
{
    contract_record received = {.rearms = INT32_MAX};
    iocp_op_t op = {0};
    assert_int_equal(iocp_recv(s->loop, s->pair.server, send_got, sizeof send_got, contract_keep,
                               &received, &op),
                     IOCP_OK);
    contract_wait(s->loop, record, calls);
    received.rearms = 0;
    assert_int_equal(iocp_cancel(s->loop, op, NULL, NULL, NULL), IOCP_OK);
    contract_idle(s->loop);
}

/* In the kernel, where it does not get on. */
static void send__stall(const sending *s, const contract_record *record)
{
    assert_int_equal(iocp_loop_submit(s->loop), IOCP_OK);
    contract_idle(s->loop);
    assert_int_equal(record->calls, 0);
}

/* ---- What goes out ---- */

static void a_file_is_sent_with_what_is_around_it(void **state)
{
    sending s = send__begin(state);
    contract_record record = {0};
    iocp_op_t op = send__file(&s, 0, UINT64_MAX, &record);
    send__expect_around(&s, 0, FILE_BYTES);
    contract_wait(s.loop, &record, 1);
    assert_int_equal(record.status, IOCP_OK);
    assert_int_equal(record.result.type, IOCP_TYPE_SENDFILE);
    assert_int_equal(record.result.op.id, op.id);
    assert_int_equal(record.result.handle.id, s.pair.client.id);
    assert_int_equal(record.result.bytes, 5 + FILE_BYTES + 5);
    assert_int_equal(contract_file_position(s.loop, s.file), 0);
}

static void a_part_of_a_file_is_sent(void **state)
{
    static const struct {
        size_t offset;
        size_t bytes;
    } parts[] = {{0, 1}, {1, 4096}, {65535, 2}, {FILE_BYTES - 1, 1}, {70000, 0}, {0, FILE_BYTES}};
    sending s = send__begin(state);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        contract_record record = {0};
        (void)send__file(&s, parts[i].offset, parts[i].bytes, &record);
        send__expect_around(&s, parts[i].offset, parts[i].bytes);
        contract_wait(s.loop, &record, 1);
        assert_int_equal(record.status, IOCP_OK);
        assert_int_equal(record.result.bytes, 10 + parts[i].bytes);
    }
}

static void head_and_tail_need_not_be(void **state)
{
    sending s = send__begin(state);
    const iocp_buf_t nothing = {0};
    const iocp_buf_t *const around[][2] = {
        {NULL, NULL}, {&send_around[0], NULL}, {NULL, &send_around[1]}, {&nothing, &nothing}};
    for (size_t i = 0; i < sizeof around / sizeof around[0]; i++) {
        contract_record record = {0};
        assert_int_equal(iocp_sendfile(s.loop, s.pair.client, s.file, 3, 4, around[i][0],
                                       around[i][1], contract_keep, &record, NULL),
                         IOCP_OK);
        send__expect(&s, send_head, around[i][0] != NULL ? around[i][0]->length : 0);
        send__expect(&s, send_data + 3, 4);
        send__expect(&s, send_tail, around[i][1] != NULL ? around[i][1]->length : 0);
        contract_wait(s.loop, &record, 1);
        assert_int_equal(record.status, IOCP_OK);
    }
}

static void from_its_end_on_a_file_has_nothing_to_send(void **state)
{
    sending s = send__begin(state);
    static const uint64_t offsets[] = {FILE_BYTES, FILE_BYTES + 1, INT64_MAX};
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        contract_record record = {0};
        contract_record bare = {0};
        (void)send__file(&s, offsets[i], UINT64_MAX, &record);
        assert_int_equal(iocp_sendfile(s.loop, s.pair.client, s.file, offsets[i], UINT64_MAX, NULL,
                                       NULL, contract_keep, &bare, NULL),
                         IOCP_OK);
        send__expect_around(&s, 0, 0);
        contract_wait(s.loop, &bare, 1);
        assert_int_equal(record.status, IOCP_OK);
        assert_int_equal(record.result.bytes, 10);
        assert_int_equal(bare.status, IOCP_OK);
        assert_int_equal(bare.result.bytes, 0);
    }
}

static void a_file_that_is_shorter_sends_what_there_is_and_no_tail(void **state)
{
    sending s = send__begin(state);
    static const uint64_t offsets[] = {0, FILE_BYTES - 10, FILE_BYTES, FILE_BYTES + 10};
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        contract_record record = {0};
        size_t there = offsets[i] < FILE_BYTES ? FILE_BYTES - (size_t)offsets[i] : 0;
        (void)send__file(&s, offsets[i], FILE_BYTES + 1, &record);
        send__expect(&s, send_head, 5);
        send__expect(&s, send_data + FILE_BYTES - there, there);
        contract_wait(s.loop, &record, 1);
        assert_int_equal(record.status, IOCP_EOF);
        assert_int_equal(record.result.bytes, 5 + there);
        contract_send_all(s.loop, s.pair.client, "next", 4); /* the connection is as it was */
        send__expect(&s, "next", 4);
    }
}

static void a_file_has_bytes_behind_4_GiB(void **state)
{
    sending s = send__begin(state);
    contract_record record = {0};
    const uint64_t offset = (UINT64_C(5) << 30) + 123;
    contract_file_make_sparse(s.loop, s.file);
    contract_file_put(s.loop, s.file, offset, "far away", 8);
    (void)send__file(&s, offset + 4, UINT64_MAX, &record);
    send__expect(&s, "head:away:tail", 14);
    contract_wait(s.loop, &record, 1);
    assert_int_equal(record.status, IOCP_OK);
}

static void rearmed_it_sends_what_the_file_has_then(void **state)
{
    sending s = send__begin(state);
    contract_record record = {.rearms = 1};
    (void)send__file(&s, FILE_BYTES - 3, UINT64_MAX, &record);
    assert_int_equal(iocp_file_set_size(s.loop, s.file, FILE_BYTES - 1), IOCP_OK);
    assert_int_equal(iocp_file_set_size(s.loop, s.file, FILE_BYTES), IOCP_OK);
    send__expect(&s, send_head, 5);
    send__expect(&s, send_data + FILE_BYTES - 3, 2);
    send__expect(&s, "\0:tail", 6);
    contract_wait(s.loop, &record, 1);
    send__expect(&s, send_head, 5);
    send__expect(&s, send_data + FILE_BYTES - 3, 2);
    send__expect(&s, "\0:tail", 6);
    contract_wait(s.loop, &record, 2);
    assert_int_equal(record.status, IOCP_OK);
    assert_int_equal(record.total_bytes, 2 * 13);
}

static void one_file_is_sent_on_two_sockets_at_once(void **state)
{
    sending s = send__begin(state);
    sending other = {.loop = s.loop, .pair = contract_connect(s.loop, AF_INET), .file = s.file};
    contract_record records[2] = {{0}, {0}};
    (void)send__file(&s, 0, UINT64_MAX, &records[0]);
    (void)send__file(&other, 50000, UINT64_MAX, &records[1]);
    send__expect_around(&other, 50000, FILE_BYTES - 50000);
    send__expect_around(&s, 0, FILE_BYTES);
    contract_wait(s.loop, &records[0], 1);
    contract_wait(s.loop, &records[1], 1);
    assert_int_equal(records[0].status, IOCP_OK);
    assert_int_equal(records[1].status, IOCP_OK);
}

/* ---- In order ---- */

static void what_is_sent_goes_out_in_the_order_of_the_calls(void **state)
{
    sending s = send__begin(state);
    contract_record records[6] = {{0}};
    char end[1];
    contract_record ended = {0};
    assert_int_equal(iocp_send(s.loop, s.pair.client, "first", 5, contract_keep, &records[0], NULL),
                     IOCP_OK);
    (void)send__file(&s, 0, UINT64_MAX, &records[1]);
    assert_int_equal(iocp_send(s.loop, s.pair.client, "then", 4, contract_keep, &records[2], NULL),
                     IOCP_OK);
    (void)send__file(&s, 10, 20, &records[3]);
    (void)send__file(&s, 30, 40, &records[4]);
    assert_int_equal(
        iocp_shutdown(s.loop, s.pair.client, IOCP_SHUTDOWN_SEND, contract_keep, &records[5], NULL),
        IOCP_OK);
    send__expect(&s, "first", 5);
    send__expect_around(&s, 0, FILE_BYTES);
    send__expect(&s, "then", 4);
    send__expect_around(&s, 10, 20);
    send__expect_around(&s, 30, 40);
    assert_int_equal(iocp_recv(s.loop, s.pair.server, end, 1, contract_keep, &ended, NULL),
                     IOCP_OK);
    contract_wait(s.loop, &ended, 1);
    assert_int_equal(ended.status, IOCP_EOF);
    for (int i = 0; i < 6; i++) {
        contract_wait(s.loop, &records[i], 1);
        assert_int_equal(records[i].status, IOCP_OK);
        assert_true(i == 0 || records[i].order > records[i - 1].order);
    }
}

static void what_is_called_behind_a_shutdown_is_refused_and_what_waits_before_it_is_not(
    void **state)
{
    sending s = send__begin_full(state);
    contract_record file = {0};
    contract_record waits = {0};
    contract_record shutdown = {0};
    contract_record late = {0};
    (void)send__file(&s, 0, UINT64_MAX, &file);
    assert_int_equal(iocp_send(s.loop, s.pair.client, "x", 1, contract_keep, &waits, NULL),
                     IOCP_OK);
    assert_int_equal(
        iocp_shutdown(s.loop, s.pair.client, IOCP_SHUTDOWN_SEND, contract_keep, &shutdown, NULL),
        IOCP_OK);
    assert_int_equal(
        iocp_sendfile(s.loop, s.pair.client, s.file, 0, 1, NULL, NULL, contract_keep, &late, NULL),
        IOCP_OK);
    contract_wait(s.loop, &late, 1);
    assert_int_equal(late.status, IOCP_EPIPE);
    assert_int_equal(file.calls, 0);
    send__read_until(&s, &shutdown, 1);
    assert_int_equal(file.status, IOCP_OK);
    assert_int_equal(waits.status, IOCP_OK);
    assert_int_equal(shutdown.status, IOCP_OK);
}

static void what_is_queued_counts_the_bytes_of_the_file(void **state)
{
    sending s = send__begin_full(state);
    contract_record record = {0};
    contract_record drained = {0};
    uint64_t queued = 0;
    uint64_t sent = 0;
    iocp_buf_t byte = {.length = 1, .base = send_head};
    (void)send__file(&s, 0, UINT64_MAX, &record);
    assert_int_equal(iocp_drain(s.loop, s.pair.client, 0, contract_keep, &drained, NULL), IOCP_OK);
    send__stall(&s, &record);
    assert_int_equal(iocp_handle_queued(s.loop, s.pair.client, &queued, NULL), IOCP_OK);
    assert_true(queued == send__large_bytes() + 10);
    assert_int_equal(iocp_try_send(s.loop, s.pair.client, &byte, 1, &sent), IOCP_EAGAIN);
    assert_int_equal(drained.calls, 0);
    send__read_until(&s, &record, 1);
    contract_wait(s.loop, &drained, 1);
    assert_int_equal(record.status, IOCP_OK);
    assert_int_equal(iocp_handle_queued(s.loop, s.pair.client, &queued, NULL), IOCP_OK);
    assert_int_equal(queued, 0);
}

/* ---- Ending early ---- */

static void a_cancelled_one_tells_what_was_sent_and_the_next_goes_on(void **state)
{
    sending s = send__begin_full(state);
    contract_record record = {0};
    contract_record next = {0};
    iocp_op_t op = send__file(&s, 0, UINT64_MAX, &record);
    assert_int_equal(iocp_send(s.loop, s.pair.client, "x", 1, contract_keep, &next, NULL), IOCP_OK);
    send__stall(&s, &record);
    assert_int_equal(iocp_cancel(s.loop, op, NULL, NULL, NULL), IOCP_OK);
    contract_wait(s.loop, &record, 1);
    assert_int_equal(record.status, IOCP_ECANCELED);
    assert_true(record.result.bytes < send__large_bytes() + 10);
    send__read_until(&s, &next, 1);
    assert_int_equal(next.status, IOCP_OK);
}

static void one_that_waits_for_its_turn_is_cancelled_and_those_behind_it_go_on(void **state)
{
    sending s = send__begin_full(state);
    contract_record records[4] = {{0}};
    (void)send__file(&s, 0, UINT64_MAX, &records[0]);
    iocp_op_t waiting = send__file(&s, 0, 3, &records[1]);
    assert_int_equal(iocp_send(s.loop, s.pair.client, "x", 1, contract_keep, &records[2], NULL),
                     IOCP_OK);
    send__stall(&s, &records[0]);
    assert_int_equal(iocp_op_state(s.loop, waiting), IOCP_OP_ADDING);
    assert_int_equal(iocp_cancel(s.loop, waiting, NULL, NULL, NULL), IOCP_OK);
    contract_wait(s.loop, &records[1], 1);
    assert_int_equal(records[1].status, IOCP_ECANCELED);
    assert_int_equal(records[1].result.bytes, 0);
    assert_int_equal(records[2].calls, 0);
    send__read_until(&s, &records[2], 1);
    assert_int_equal(records[0].status, IOCP_OK);
    assert_int_equal(records[2].status, IOCP_OK);
}

/* A large file takes several calls of the system, and nothing may come between. */
static void a_send_waits_until_the_file_before_it_has_gone_out(void **state)
{
    sending s = send__begin_full(state);
    contract_record file = {0};
    contract_record behind = {0};
    iocp_op_t op = {0};
    (void)send__file(&s, 0, UINT64_MAX, &file);
    assert_int_equal(iocp_send(s.loop, s.pair.client, "x", 1, contract_keep, &behind, &op),
                     IOCP_OK);
    send__stall(&s, &file);
    assert_int_equal(iocp_op_state(s.loop, op), IOCP_OP_ADDING);
    send__read_until(&s, &behind, 1);
    assert_int_equal(file.status, IOCP_OK);
    assert_int_equal(behind.status, IOCP_OK);
    assert_true(behind.order > file.order);
}

/* A file waits for a send that is stuck; when it is taken back the send behind it need not wait. */
static void a_send_behind_a_file_that_is_taken_back_goes_at_once(void **state)
{
    sending s = send__begin(state);
    size_t size = 4 * (size_t)send__large_bytes(); /* which is more than Winsock buffers, too */
    unsigned char *block = calloc(1, size);
    contract_record blockers[3] = {{0}};
    contract_record file = {0};
    contract_record last = {0};
    assert_non_null(block);
    for (int i = 0; i < 3; i++) { /* Winsock takes any send while at most one is buffered */
        assert_int_equal(iocp_send(s.loop, s.pair.client, block, i == 0 ? size : 1, contract_keep,
                                   &blockers[i], NULL),
                         IOCP_OK);
    }
    iocp_op_t op = send__file(&s, 0, 3, &file);
    iocp_op_t behind = {0};
    assert_int_equal(iocp_send(s.loop, s.pair.client, "x", 1, contract_keep, &last, &behind),
                     IOCP_OK);
    send__stall(&s, &blockers[2]);
    assert_int_equal(iocp_op_state(s.loop, behind), IOCP_OP_ADDING);
    assert_int_equal(iocp_cancel(s.loop, op, NULL, NULL, NULL), IOCP_OK);
    contract_wait(s.loop, &file, 1);
    assert_int_equal(blockers[2].calls, 0);
    assert_int_equal(iocp_op_state(s.loop, behind), IOCP_OP_ACTIVE);
    send__read_until(&s, &last, 1);
    free(block);
}

static void a_peer_that_goes_is_no_success(void **state)
{
    sending s = send__begin_full(state);
    contract_record record = {0};
    (void)send__file(&s, 0, UINT64_MAX, &record);
    send__stall(&s, &record);
    contract_close(s.loop, s.pair.server);
    contract_wait(s.loop, &record, 1);
    assert_true(record.status == IOCP_ECONNRESET || record.status == IOCP_ECONNABORTED);
}

/* ---- Two handles ---- */

static void a_close_of_the_file_ends_what_is_sent_of_it_and_nothing_else(void **state)
{
    sending s = send__begin_full(state);
    contract_record record = {.rearms = 3}; /* which is not granted: it has been told */
    contract_record waiting = {0};
    contract_record closed = {0};
    contract_record received = {0};
    contract_record next = {0};
    char byte[1];
    assert_int_equal(iocp_recv(s.loop, s.pair.client, byte, 1, contract_keep, &received, NULL),
                     IOCP_OK);
    (void)send__file(&s, 0, UINT64_MAX, &record);
    (void)send__file(&s, 0, 1, &waiting);
    send__stall(&s, &record);
    assert_int_equal(iocp_close(s.loop, s.file, contract_keep, &closed, NULL), IOCP_OK);
    contract_wait(s.loop, &closed, 1);
    assert_int_equal(closed.status, IOCP_OK);
    assert_int_equal(record.calls, 1);
    assert_int_equal(record.status, IOCP_ECANCELED);
    assert_int_equal(waiting.calls, 1);
    assert_int_equal(waiting.status, IOCP_ECANCELED);
    assert_true(record.order < closed.order && waiting.order < closed.order);
    assert_int_equal(received.calls, 0); /* the socket goes on */
    contract_send_all(s.loop, s.pair.server, "y", 1);
    contract_wait(s.loop, &received, 1);
    assert_int_equal(received.status, IOCP_OK);
    assert_int_equal(iocp_send(s.loop, s.pair.client, "x", 1, contract_keep, &next, NULL), IOCP_OK);
    send__read_until(&s, &next, 1);
    assert_int_equal(next.status, IOCP_OK);
}

static void a_close_of_the_file_takes_back_what_has_not_begun(void **state)
{
    sending s = send__begin(state);
    contract_record record = {0};
    contract_record closed = {0};
    (void)send__file(&s, 0, UINT64_MAX, &record);
    assert_int_equal(iocp_close(s.loop, s.file, contract_keep, &closed, NULL), IOCP_OK);
    contract_wait(s.loop, &closed, 1);
    assert_int_equal(record.calls, 1);
    assert_int_equal(record.status, IOCP_ECANCELED);
    assert_int_equal(record.result.bytes, 0);
    assert_true(record.order < closed.order);
    contract_send_all(s.loop, s.pair.client, "next", 4); /* nothing went out */
    send__expect(&s, "next", 4);
}

typedef struct closing {
    contract_record record;
    contract_record closed;
    iocp_handle_t file;
    int statuses[2];
} closing;

static iocp_action_t IOCP_CALL closing__rearm(iocp_loop_t *loop, const iocp_result_t *result,
                                              void *userdata)
{
    closing *c = userdata;
    if (contract_is_over()) {
        return IOCP_DISARM;
    }
    if (c->record.calls == 0) {
        assert_int_equal(iocp_close(loop, c->file, contract_keep, &c->closed, NULL), IOCP_OK);
    }
    if (c->record.calls < 2) {
        c->statuses[c->record.calls] = result->status;
    }
    c->record.rearms = 1;
    return contract_keep(loop, result, &c->record);
}

static void rearmed_on_a_file_that_closes_it_has_one_more_callback(void **state)
{
    sending s = send__begin(state);
    closing c = {.file = s.file};
    assert_int_equal(
        iocp_sendfile(s.loop, s.pair.client, s.file, 0, 10, NULL, NULL, closing__rearm, &c, NULL),
        IOCP_OK);
    contract_wait(s.loop, &c.closed, 1);
    assert_int_equal(c.record.calls, 2);
    assert_int_equal(c.statuses[0], IOCP_OK);
    assert_int_equal(c.statuses[1], IOCP_ECANCELED);
    assert_true(c.record.order < c.closed.order);
    contract_send_all(s.loop, s.pair.client, "next", 4);
    send__expect(&s, send_data, 10);
    send__expect(&s, "next", 4);
}

/* A callback that comes just before one that is due, and closes the file. */
static iocp_action_t IOCP_CALL closing__close(iocp_loop_t *loop, const iocp_result_t *result,
                                              void *userdata)
{
    closing *c = userdata;
    if (!contract_is_over()) {
        assert_int_equal(result->status, IOCP_ECANCELED);
        assert_int_equal(c->record.calls, 0);
        assert_int_equal(iocp_close(loop, c->file, contract_keep, &c->closed, NULL), IOCP_OK);
    }
    return IOCP_DISARM;
}

static void cancelled_on_a_file_that_closes_it_has_no_more_callback(void **state)
{
    sending s = send__begin(state);
    closing c = {.file = s.file, .record.rearms = INT32_MAX};
    iocp_op_t before = {0};
    iocp_op_t op = {0};
    assert_int_equal(iocp_timer(s.loop, UINT64_MAX, closing__close, &c, &before), IOCP_OK);
    assert_int_equal(iocp_sendfile(s.loop, s.pair.client, s.file, 0, 10, NULL, NULL, contract_keep,
                                   &c.record, &op),
                     IOCP_OK);
    assert_int_equal(iocp_cancel(s.loop, before, NULL, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_cancel(s.loop, op, NULL, NULL, NULL), IOCP_OK);
    contract_wait(s.loop, &c.closed, 1);
    assert_int_equal(c.record.calls, 1);
    assert_int_equal(c.record.status, IOCP_ECANCELED);
    assert_true(c.record.order < c.closed.order);
}

static void more_than_a_batch_of_them_end_with_their_file(void **state)
{
    enum {
        MANY = 300
    };
    sending s = send__begin_full(state);
    static contract_record records[MANY];
    contract_record closed = {0};
    memset(records, 0, sizeof records);
    for (int i = 0; i < MANY; i++) {
        (void)send__file(&s, 0, UINT64_MAX, &records[i]);
    }
    send__stall(&s, &records[0]);
    assert_int_equal(iocp_close(s.loop, s.file, contract_keep, &closed, NULL), IOCP_OK);
    contract_wait(s.loop, &closed, 1);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(records[i].calls, 1);
        assert_int_equal(records[i].status, IOCP_ECANCELED);
        assert_true(records[i].order < closed.order);
    }
}

static void a_close_of_the_socket_leaves_the_file(void **state)
{
    sending s = send__begin_full(state);
    contract_record record = {0};
    contract_record closed = {0};
    unsigned char data[3];
    (void)send__file(&s, 0, UINT64_MAX, &record);
    send__stall(&s, &record);
    assert_int_equal(iocp_close(s.loop, s.pair.client, contract_keep, &closed, NULL), IOCP_OK);
    contract_wait(s.loop, &closed, 1);
    assert_int_equal(record.calls, 1);
    assert_int_equal(record.status, IOCP_ECANCELED);
    assert_true(record.order < closed.order);
    assert_int_equal(contract_file_get(s.loop, s.file, 0, data, 3), 3);
    assert_memory_equal(data, send_data, 3);
    contract_file_close(s.loop, s.file); /* which waits for nothing */
}

static void both_handles_close_in_one_turn(void **state)
{
    sending s = send__begin_full(state);
    contract_record record = {0};
    contract_record closed[2] = {{0}};
    (void)send__file(&s, 0, UINT64_MAX, &record);
    send__stall(&s, &record);
    assert_int_equal(iocp_close(s.loop, s.file, contract_keep, &closed[0], NULL), IOCP_OK);
    assert_int_equal(iocp_close(s.loop, s.pair.client, contract_keep, &closed[1], NULL), IOCP_OK);
    contract_wait(s.loop, &closed[0], 1);
    contract_wait(s.loop, &closed[1], 1);
    assert_int_equal(record.calls, 1);
    assert_int_equal(record.status, IOCP_ECANCELED);
}

/* ---- Refused ---- */

static int send__try(const sending *s, iocp_handle_t socket, iocp_handle_t file, uint64_t offset,
                     uint64_t bytes, const iocp_buf_t *head, const iocp_buf_t *tail)
{
    static contract_record record;
    memset(&record, 0, sizeof record);
    int status = iocp_sendfile(s->loop, socket, file, offset, bytes, head, tail, contract_keep,
                               &record, NULL);
    contract_idle(s->loop);
    assert_int_equal(record.calls, status == IOCP_OK);
    return status == IOCP_OK ? record.status : status;
}

static void what_is_no_part_of_a_file_is_refused(void **state)
{
    sending s = send__begin(state);
    const iocp_buf_t none = {.length = 1, .base = NULL};
    const iocp_buf_t half = {.length = UINT32_C(1) << 29, .base = send_head};
    const iocp_buf_t more = {.length = (UINT32_C(1) << 29) + 1, .base = send_head};
    const struct {
        uint64_t offset;
        uint64_t bytes;
        const iocp_buf_t *head;
        const iocp_buf_t *tail;
    } rows[] = {
        {(uint64_t)INT64_MAX + 1, 0, NULL, NULL},
        {UINT64_MAX, UINT64_MAX, NULL, NULL},
        {1, INT64_MAX, NULL, NULL},
        {0, UINT64_MAX - 1, NULL, NULL},
        {0, 1, &none, NULL},
        {0, 1, NULL, &none},
        {0, 1, &half, &more},
        {0, 1, &more, &half},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(send__try(&s, s.pair.client, s.file, rows[i].offset, rows[i].bytes,
                                   rows[i].head, rows[i].tail),
                         IOCP_EINVAL);
    }
}

static void handles_of_other_kinds_are_refused(void **state)
{
    sending s = send__begin(state);
    contract_address address;
    iocp_handle_t datagram = contract_datagram_bind(s.loop, AF_INET, &address);
    contract_pipe pipe = contract_pipe_open(s.loop);
    iocp_handle_t none = {0};
    iocp_handle_t unknown = {0};
    void *native = contract_native_file("native", IOCP_FILE_READ | IOCP_FILE_CREATE,
                                        CONTRACT_NATIVE_OVERLAPPED);
    assert_int_equal(send__try(&s, s.pair.client, none, 0, 1, NULL, NULL), IOCP_EBADF);
    assert_int_equal(send__try(&s, none, s.file, 0, 1, NULL, NULL), IOCP_EBADF);
    assert_int_equal(send__try(&s, s.pair.client, s.pair.server, 0, 1, NULL, NULL), IOCP_ENOTSUP);
    assert_int_equal(send__try(&s, s.pair.client, pipe.ends[0], 0, 1, NULL, NULL), IOCP_ENOTSUP);
    assert_int_equal(send__try(&s, pipe.ends[1], s.file, 0, 1, NULL, NULL), IOCP_ENOTSUP);
    assert_int_equal(send__try(&s, datagram, s.file, 0, 1, NULL, NULL), IOCP_ENOTSUP);
    assert_int_equal(send__try(&s, s.file, s.file, 0, 1, NULL, NULL), IOCP_ENOTSUP);
    assert_int_equal(iocp_handle_adopt(s.loop, native, &unknown), IOCP_OK);
    assert_int_equal(
        iocp_sendfile(s.loop, s.pair.client, unknown, 0, 1, NULL, NULL, contract_keep, NULL, NULL),
        IOCP_EAGAIN);
    contract_learn(s.loop, unknown);
    assert_int_equal(send__try(&s, s.pair.client, unknown, 0, UINT64_MAX, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_close(s.loop, s.file, NULL, NULL, NULL), IOCP_OK);
    assert_int_equal(send__try(&s, s.pair.client, s.file, 0, 1, NULL, NULL), IOCP_EBADF);
}

static void a_socket_that_is_not_connected_sends_none(void **state)
{
    sending s = send__begin(state);
    iocp_handle_t socket = contract_open(s.loop, AF_INET);
    int expected = contract_is_wine() ? IOCP_ECONNRESET : IOCP_ENOTCONN; /* as Wine 8 says */
    for (uint64_t bytes = 0; bytes <= 1; bytes++) {
        int status = send__try(&s, socket, s.file, 0, bytes, NULL, NULL);
        assert_true(status == IOCP_ENOTCONN || status == expected);
    }
}

static void a_file_that_is_not_open_to_be_read_is_not_sent(void **state)
{
    sending s = send__begin(state);
    if (contract_is_wine()) {
        print_message("Wine does not ask what a file was opened for\n");
        skip();
    }
    iocp_handle_t written = contract_file_open(s.loop, "file", IOCP_FILE_WRITE);
    assert_int_equal(send__try(&s, s.pair.client, written, 0, 1, NULL, NULL), IOCP_EACCES);
    contract_send_all(s.loop, s.pair.client, "next", 4);
    send__expect(&s, "next", 4);
}

static void its_memory_cannot_be_replaced(void **state)
{
    sending s = send__begin(state);
    contract_record record = {0};
    iocp_op_t op = send__file(&s, 0, 1, &record);
    assert_int_equal(iocp_op_set_buffer(s.loop, op, send_head, 1), IOCP_ENOTSUP);
    send__expect_around(&s, 0, 1);
    contract_wait(s.loop, &record, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_FILE_TEST(a_file_is_sent_with_what_is_around_it),
        CONTRACT_FILE_TEST(a_part_of_a_file_is_sent),
        CONTRACT_FILE_TEST(head_and_tail_need_not_be),
        CONTRACT_FILE_TEST(from_its_end_on_a_file_has_nothing_to_send),
        CONTRACT_FILE_TEST(a_file_that_is_shorter_sends_what_there_is_and_no_tail),
        CONTRACT_FILE_TEST(a_file_has_bytes_behind_4_GiB),
        CONTRACT_FILE_TEST(rearmed_it_sends_what_the_file_has_then),
        CONTRACT_FILE_TEST(one_file_is_sent_on_two_sockets_at_once),
        CONTRACT_FILE_TEST(what_is_sent_goes_out_in_the_order_of_the_calls),
        CONTRACT_FILE_TEST(
            what_is_called_behind_a_shutdown_is_refused_and_what_waits_before_it_is_not),
        CONTRACT_FILE_TEST(what_is_queued_counts_the_bytes_of_the_file),
        CONTRACT_FILE_TEST(a_cancelled_one_tells_what_was_sent_and_the_next_goes_on),
        CONTRACT_FILE_TEST(one_that_waits_for_its_turn_is_cancelled_and_those_behind_it_go_on),
        CONTRACT_FILE_TEST(a_send_waits_until_the_file_before_it_has_gone_out),
        CONTRACT_FILE_TEST(a_send_behind_a_file_that_is_taken_back_goes_at_once),
        CONTRACT_FILE_TEST(a_peer_that_goes_is_no_success),
        CONTRACT_FILE_TEST(a_close_of_the_file_ends_what_is_sent_of_it_and_nothing_else),
        CONTRACT_FILE_TEST(a_close_of_the_file_takes_back_what_has_not_begun),
        CONTRACT_FILE_TEST(rearmed_on_a_file_that_closes_it_has_one_more_callback),
        CONTRACT_FILE_TEST(cancelled_on_a_file_that_closes_it_has_no_more_callback),
        CONTRACT_FILE_TEST(more_than_a_batch_of_them_end_with_their_file),
        CONTRACT_FILE_TEST(a_close_of_the_socket_leaves_the_file),
        CONTRACT_FILE_TEST(both_handles_close_in_one_turn),
        CONTRACT_FILE_TEST(what_is_no_part_of_a_file_is_refused),
        CONTRACT_FILE_TEST(handles_of_other_kinds_are_refused),
        CONTRACT_FILE_TEST(a_socket_that_is_not_connected_sends_none),
        CONTRACT_FILE_TEST(a_file_that_is_not_open_to_be_read_is_not_sent),
        CONTRACT_FILE_TEST(its_memory_cannot_be_replaced),
    };
    return CONTRACT_RUN(tests);
}
