/* What is queued to go out: how much it is, when it is less, and what waits for it. */
#include "contract_datagram.h"
#include "contract_file.h"

#include <stdlib.h>
#include <string.h>

static void assert_ended(const contract_record *record, int status)
{
    assert_int_equal(record->calls, 1);
    assert_string_equal(iocp_error_name(record->status), iocp_error_name(status));
}

static void run_until_done(iocp_loop_t *loop)
{
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
}

static uint64_t queued(iocp_loop_t *loop, iocp_handle_t handle)
{
    uint64_t bytes = UINT64_MAX;
    assert_int_equal(iocp_handle_queued(loop, handle, &bytes, NULL), IOCP_OK);
    return bytes;
}

static uint64_t most_queued(iocp_loop_t *loop, iocp_handle_t handle)
{
    uint64_t most = UINT64_MAX;
    assert_int_equal(iocp_handle_queued(loop, handle, NULL, &most), IOCP_OK);
    return most;
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

/* ---- Counting ---- */

/* A callback that looks at what is queued while it runs. */
typedef struct counted_send {
    uint64_t queued;
    int calls;
} counted_send;

static iocp_action_t IOCP_CALL send__count(iocp_loop_t *loop, const iocp_result_t *result,
                                           void *userdata)
{
    counted_send *sent = userdata;
    assert_int_equal(result->status, IOCP_OK);
    sent->queued = queued(loop, result->handle);
    sent->calls++;
    return IOCP_DISARM;
}

static void assert_counted(iocp_loop_t *loop, iocp_handle_t handle, counted_send *sent,
                           uint64_t bytes)
{
    assert_int_equal(queued(loop, handle), bytes);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    assert_int_equal(queued(loop, handle), bytes); /* whatever the system has taken */
    run_until_done(loop);
    assert_int_equal(sent->calls, 1);
    assert_int_equal(sent->queued, 0);
    assert_int_equal(queued(loop, handle), 0);
    sent->calls = 0;
}

static void everything_that_goes_out_counts_until_its_callback(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    counted_send sent = {0};
    contract_address address;
    char data[100] = {0};
    iocp_buf_t buffers[3] = {{10, data}, {0, NULL}, {20, data}};
    contract_pair pair = contract_connect(loop, AF_INET);
    contract_pipe pipe = contract_pipe_open(loop);
    iocp_handle_t datagram = contract_datagram_bind(loop, AF_INET, &address);
    iocp_handle_t file = contract_file_with(loop, "file", "", 0);
    iocp_handle_t log = contract_file_open(loop, "log", IOCP_FILE_APPEND | IOCP_FILE_CREATE);

    assert_int_equal(iocp_send(loop, pair.client, data, 100, send__count, &sent, NULL), IOCP_OK);
    assert_counted(loop, pair.client, &sent, 100);
    assert_int_equal(iocp_sendv(loop, pair.client, buffers, 3, send__count, &sent, NULL), IOCP_OK);
    assert_counted(loop, pair.client, &sent, 30);
    assert_int_equal(iocp_write(loop, pair.client, data, 7, send__count, &sent, NULL), IOCP_OK);
    assert_counted(loop, pair.client, &sent, 7);
    assert_int_equal(iocp_sendto(loop, datagram, data, 50, contract_sockaddr(&address),
                                 address.length, send__count, &sent, NULL),
                     IOCP_OK);
    assert_counted(loop, datagram, &sent, 50);
    assert_int_equal(iocp_write(loop, file, data, 60, send__count, &sent, NULL), IOCP_OK);
    assert_counted(loop, file, &sent, 60);
    assert_int_equal(iocp_pwrite(loop, file, data, 61, 5, send__count, &sent, NULL), IOCP_OK);
    assert_counted(loop, file, &sent, 61);
    assert_int_equal(iocp_write(loop, log, data, 62, send__count, &sent, NULL), IOCP_OK);
    assert_counted(loop, log, &sent, 62);
    assert_int_equal(iocp_write(loop, pipe.ends[0], data, 63, send__count, &sent, NULL), IOCP_OK);
    assert_counted(loop, pipe.ends[0], &sent, 63);
}

static void what_comes_in_does_not_count(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[4] = {{0}};
    char data[4][16];
    contract_pipe pipe = contract_pipe_open(loop);
    contract_pair pair = contract_connect(loop, AF_INET);
    iocp_handle_t file = contract_file_with(loop, "file", "hello", 5);
    assert_int_equal(most_queued(loop, file), 5);
    assert_int_equal(iocp_read(loop, pipe.ends[0], data[0], 16, contract_keep, &records[0], NULL),
                     IOCP_OK);
    assert_int_equal(iocp_recv(loop, pair.client, data[1], 16, contract_keep, &records[1], NULL),
                     IOCP_OK);
    assert_int_equal(iocp_pread(loop, file, data[2], 16, 0, contract_keep, &records[2], NULL),
                     IOCP_OK);
    assert_int_equal(iocp_read(loop, file, data[3], 16, contract_keep, &records[3], NULL), IOCP_OK);
    assert_int_equal(most_queued(loop, pipe.ends[0]), 0);
    assert_int_equal(most_queued(loop, pair.client), 0);
    assert_int_equal(most_queued(loop, file), 0);
}

static void the_high_water_mark_is_kept_until_it_is_asked_for(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[4] = {{0}};
    char data[64] = {0};
    uint64_t bytes = 0;
    uint64_t most = 0;
    contract_pipe pipe = contract_pipe_open(loop);
    iocp_handle_t end = pipe.ends[0];
    for (int i = 0; i < 3; i++) {
        assert_int_equal(iocp_write(loop, end, data, 10, contract_keep, &records[i], NULL),
                         IOCP_OK);
    }
    assert_int_equal(queued(loop, end), 30); /* asking for it alone resets nothing */
    run_until_done(loop);
    assert_int_equal(iocp_handle_queued(loop, end, &bytes, &most), IOCP_OK);
    assert_int_equal(bytes, 0);
    assert_int_equal(most, 30);
    assert_int_equal(most_queued(loop, end), 0);
    assert_int_equal(iocp_write(loop, end, data, 4, contract_keep, &records[3], NULL), IOCP_OK);
    assert_int_equal(most_queued(loop, end), 4);
    assert_int_equal(most_queued(loop, end), 4); /* it starts from what is queued now */
    run_until_done(loop);
    assert_int_equal(most_queued(loop, end), 4);
    assert_int_equal(most_queued(loop, end), 0);
    assert_int_equal(iocp_handle_queued(loop, end, NULL, NULL), IOCP_OK);
}

static void what_fails_or_is_cancelled_counts_no_longer(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[2] = {{0}};
    iocp_op_t op = {0};
    contract_pipe pipe = contract_pipe_open(loop);
    assert_int_equal(iocp_write(loop, pipe.ends[0], "hello", 5, contract_keep, &records[0], &op),
                     IOCP_OK);
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    run_until_done(loop);
    assert_ended(&records[0], IOCP_ECANCELED);
    assert_int_equal(queued(loop, pipe.ends[0]), 0);
    contract_file_close(loop, pipe.ends[1]);
    assert_int_equal(iocp_write(loop, pipe.ends[0], "hello", 5, contract_keep, &records[1], NULL),
                     IOCP_OK);
    run_until_done(loop);
    assert_ended(&records[1], IOCP_EPIPE);
    assert_int_equal(queued(loop, pipe.ends[0]), 0);
    assert_int_equal(most_queued(loop, pipe.ends[0]), 5);
}

static void a_rearmed_send_counts_again(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record sent = {.rearms = 1};
    contract_pair pair = contract_connect(loop, AF_INET);
    assert_int_equal(iocp_send(loop, pair.client, "hello", 5, contract_keep, &sent, NULL), IOCP_OK);
    contract_wait(loop, &sent, 1);
    assert_int_equal(queued(loop, pair.client), 5);
    contract_wait(loop, &sent, 2);
    assert_int_equal(queued(loop, pair.client), 0);
    assert_int_equal(most_queued(loop, pair.client), 5);
}

static void arguments_are_checked(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record never = {0};
    contract_record closed = {0};
    uint64_t bytes = 0;
    iocp_handle_t handle = contract_open(loop, AF_INET);
    assert_int_equal(iocp_handle_queued(NULL, handle, &bytes, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_drain(NULL, handle, 0, contract_keep, &never, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_drain(loop, handle, 0, NULL, &never, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_close(loop, handle, contract_keep, &closed, NULL), IOCP_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(iocp_handle_queued(loop, handle, &bytes, NULL), IOCP_EBADF);
        assert_int_equal(iocp_drain(loop, handle, 0, contract_keep, &never, NULL), IOCP_EBADF);
        run_until_done(loop);
    }
    assert_int_equal(never.calls, 0);
}

/* ---- A reader that stalls ---- */

#define STALL_WRITES 20
#define STALL_BYTES  1000
#define STALL_LOW    8000

/* Writes to a pipe that takes the first few of them, and drains that wait for the others. */
typedef struct stalled_writer {
    contract_pipe pipe;
    unsigned char *data;
    contract_record writes[STALL_WRITES];
    contract_record low;
    contract_record empty;
    iocp_op_t low_op;
} stalled_writer;

static void writer__start(iocp_loop_t *loop, stalled_writer *writer)
{
    memset(writer, 0, sizeof *writer);
    writer->pipe = contract_pipe_open(loop);
    writer->data = pattern__new((size_t)STALL_WRITES * STALL_BYTES);
    for (int i = 0; i < STALL_WRITES; i++) {
        assert_int_equal(iocp_write(loop, writer->pipe.ends[0], writer->data + i * STALL_BYTES,
                                    STALL_BYTES, contract_keep, &writer->writes[i], NULL),
                         IOCP_OK);
        assert_int_equal(queued(loop, writer->pipe.ends[0]), (i + 1) * STALL_BYTES);
    }
    assert_int_equal(iocp_drain(loop, writer->pipe.ends[0], STALL_LOW, contract_keep, &writer->low,
                                &writer->low_op),
                     IOCP_OK);
    assert_int_equal(iocp_drain(loop, writer->pipe.ends[0], 0, contract_keep, &writer->empty, NULL),
                     IOCP_OK);
}

static int writer__done_before(const stalled_writer *writer, const contract_record *drain)
{
    int done = 0;
    for (int i = 0; i < STALL_WRITES; i++) {
        done += writer->writes[i].order < drain->order;
    }
    return done;
}

static int writer__done(const stalled_writer *writer)
{
    int done = 0;
    for (int i = 0; i < STALL_WRITES; i++) {
        done += writer->writes[i].calls;
    }
    return done;
}

/* What is queued is what has not called back, and the drains say the same. */
static void writer__check(iocp_loop_t *loop, const stalled_writer *writer)
{
    uint64_t bytes = queued(loop, writer->pipe.ends[0]);
    assert_int_equal(bytes, (STALL_WRITES - writer__done(writer)) * STALL_BYTES);
    assert_true(bytes <= STALL_LOW || writer->low.calls == 0);
    assert_true(bytes == 0 || writer->empty.calls == 0);
}

/* The data is in use until the writes are over. */
static void writer__end(iocp_loop_t *loop, stalled_writer *writer)
{
    contract_file_close(loop, writer->pipe.ends[0]);
    assert_int_equal(writer__done(writer), STALL_WRITES);
    free(writer->data);
}

static void a_drain_calls_back_when_little_enough_is_queued_and_not_before(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    stalled_writer writer;
    unsigned char seen[STALL_BYTES];
    writer__start(loop, &writer);
    contract_idle(loop);
    writer__check(loop, &writer);
    assert_in_range(writer__done(&writer), 0, CONTRACT_PIPE_BYTES / STALL_BYTES + 1);
    assert_int_equal(writer.low.calls + writer.empty.calls, 0);
    size_t read = 0;
    bool was_low = false;
    while (read < (size_t)STALL_WRITES * STALL_BYTES) {
        contract_record got = {0};
        assert_int_equal(
            iocp_read(loop, writer.pipe.ends[1], seen, sizeof seen, contract_keep, &got, NULL),
            IOCP_OK);
        while (got.calls == 0) {
            assert_int_equal(iocp_loop_run(loop, IOCP_RUN_ONCE), IOCP_OK);
            writer__check(loop, &writer);
        }
        assert_ended(&got, IOCP_OK);
        assert_memory_equal(seen, writer.data + read, (size_t)got.result.bytes);
        read += (size_t)got.result.bytes;
        if (!was_low && queued(loop, writer.pipe.ends[0]) <= STALL_LOW) {
            was_low = true;
            contract_idle(loop);
            assert_int_equal(writer.low.calls, 1);
            assert_int_equal(writer.empty.calls, 0);
        }
    }
    run_until_done(loop);
    assert_ended(&writer.low, IOCP_OK);
    assert_int_equal(writer.low.result.type, IOCP_TYPE_DRAIN);
    assert_true(writer.low.result.handle.id == writer.pipe.ends[0].id);
    assert_ended(&writer.empty, IOCP_OK);
    assert_in_range(writer__done_before(&writer, &writer.low),
                    STALL_WRITES - STALL_LOW / STALL_BYTES, STALL_WRITES);
    assert_int_equal(writer__done_before(&writer, &writer.empty), STALL_WRITES);
    assert_int_equal(most_queued(loop, writer.pipe.ends[0]), STALL_WRITES * STALL_BYTES);
    writer__end(loop, &writer);
}

static void a_drain_can_be_cancelled(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    stalled_writer writer;
    contract_record cancel = {0};
    writer__start(loop, &writer);
    contract_idle(loop);
    assert_int_equal(iocp_cancel(loop, writer.low_op, contract_keep, &cancel, NULL), IOCP_OK);
    contract_wait(loop, &writer.low, 1);
    assert_ended(&writer.low, IOCP_ECANCELED);
    assert_ended(&cancel, IOCP_OK);
    assert_int_equal(writer.empty.calls, 0);
    writer__end(loop, &writer);
}

static void a_drain_can_have_a_deadline(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    stalled_writer writer;
    writer__start(loop, &writer);
    iocp_loop_update_now(loop);
    uint64_t due_ns = iocp_loop_now(loop) + 5 * MS;
    assert_int_equal(iocp_op_deadline(loop, writer.low_op, 5 * MS), IOCP_OK);
    contract_wait(loop, &writer.low, 1);
    assert_ended(&writer.low, IOCP_ETIMEDOUT);
    assert_true(writer.low.now_ns >= due_ns);
    assert_int_equal(writer.empty.calls, 0);
    writer__end(loop, &writer);
}

static void a_close_ends_a_drain_as_cancelled(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    stalled_writer writer;
    writer__start(loop, &writer);
    contract_idle(loop);
    writer__end(loop, &writer);
    assert_ended(&writer.low, IOCP_ECANCELED);
    assert_ended(&writer.empty, IOCP_ECANCELED);
}

static void destroy_ends_a_drain_as_cancelled(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    stalled_writer writer;
    writer__start(loop, &writer);
    contract_idle(loop);
    contract_loop_destroy(loop);
    contract_forget_loop(state);
    assert_int_equal(writer__done(&writer), STALL_WRITES);
    assert_ended(&writer.low, IOCP_ECANCELED);
    assert_ended(&writer.empty, IOCP_ECANCELED);
    free(writer.data);
}

static void a_drain_of_little_enough_calls_back_in_the_next_turn(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record drained[3] = {{0}};
    contract_record written = {0};
    contract_pipe pipe = contract_pipe_open(loop);
    assert_int_equal(iocp_drain(loop, pipe.ends[0], 0, contract_keep, &drained[0], NULL), IOCP_OK);
    assert_int_equal(iocp_drain(loop, pipe.ends[0], UINT64_MAX, contract_keep, &drained[1], NULL),
                     IOCP_OK);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    assert_int_equal(drained[0].calls + drained[1].calls, 0);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_ended(&drained[0], IOCP_OK);
    assert_ended(&drained[1], IOCP_OK);
    assert_int_equal(iocp_write(loop, pipe.ends[0], "hello", 5, contract_keep, &written, NULL),
                     IOCP_OK);
    assert_int_equal(iocp_drain(loop, pipe.ends[0], 5, contract_keep, &drained[2], NULL), IOCP_OK);
    run_until_done(loop);
    assert_ended(&drained[2], IOCP_OK);
    assert_ended(&written, IOCP_OK);
}

/* ---- A sender that keeps within a limit ---- */

#define LIMIT_HIGH  6000
#define LIMIT_LOW   2000
#define LIMIT_BYTES 700
#define LIMIT_SENDS 300

typedef struct limited_sender {
    iocp_handle_t handle;
    const unsigned char *data;
    int started;
    int sent;
    int drains;
} limited_sender;

static iocp_action_t IOCP_CALL sender__sent(iocp_loop_t *loop, const iocp_result_t *result,
                                            void *userdata)
{
    limited_sender *sender = userdata;
    (void)loop;
    assert_int_equal(result->status, IOCP_OK);
    assert_int_equal(result->bytes, LIMIT_BYTES);
    sender->sent++;
    return IOCP_DISARM;
}

static void sender__fill(iocp_loop_t *loop, limited_sender *sender)
{
    while (sender->started < LIMIT_SENDS &&
           queued(loop, sender->handle) + LIMIT_BYTES <= LIMIT_HIGH) {
        const unsigned char *data = sender->data + (size_t)sender->started * LIMIT_BYTES;
        assert_int_equal(
            iocp_send(loop, sender->handle, data, LIMIT_BYTES, sender__sent, sender, NULL),
            IOCP_OK);
        sender->started++;
    }
}

static iocp_action_t IOCP_CALL sender__drained(iocp_loop_t *loop, const iocp_result_t *result,
                                               void *userdata)
{
    limited_sender *sender = userdata;
    assert_int_equal(result->status, IOCP_OK);
    assert_in_range(queued(loop, sender->handle), 0, LIMIT_LOW);
    sender->drains++;
    sender__fill(loop, sender);
    return sender->started < LIMIT_SENDS ? IOCP_REARM : IOCP_DISARM;
}

static void a_sender_that_waits_for_drains_keeps_within_its_limit(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    const size_t size = (size_t)LIMIT_SENDS * LIMIT_BYTES;
    unsigned char *data = pattern__new(2 * size);
    contract_pair pair = contract_connect(loop, AF_INET);
    limited_sender sender = {.handle = pair.client, .data = data};
    sender__fill(loop, &sender);
    assert_int_equal(iocp_drain(loop, pair.client, LIMIT_LOW, sender__drained, &sender, NULL),
                     IOCP_OK);
    contract_recv_all(loop, pair.server, data + size, size);
    run_until_done(loop);
    assert_int_equal(sender.sent, LIMIT_SENDS);
    assert_memory_equal(data, data + size, size);
    /* Each drain lets at most HIGH bytes out. */
    assert_in_range(sender.drains, size / LIMIT_HIGH, LIMIT_SENDS);
    assert_in_range(most_queued(loop, pair.client), LIMIT_HIGH - LIMIT_BYTES + 1, LIMIT_HIGH);
    free(data);
}

/* ---- Order, and the end ---- */

static void sends_in_flight_arrive_whole_and_in_the_order_of_their_calls(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    enum {
        COUNT = 150
    };
    contract_record *records = calloc(COUNT, sizeof *records);
    assert_non_null(records);
    const size_t most = (size_t)COUNT * 997;
    unsigned char *data = pattern__new(2 * most);
    size_t size = 0;
    contract_pair pair = contract_connect(loop, AF_INET);
    for (int i = 0; i < COUNT; i++) {
        size_t part = (size_t)(i * i % 997 + 1);
        if (i % 3 == 0) {
            const iocp_buf_t buffers[2] = {{(uint32_t)(part / 2), data + size},
                                           {(uint32_t)(part - part / 2), data + size + part / 2}};
            assert_int_equal(
                iocp_sendv(loop, pair.client, buffers, 2, contract_keep, &records[i], NULL),
                IOCP_OK);
        } else {
            assert_int_equal(
                iocp_send(loop, pair.client, data + size, part, contract_keep, &records[i], NULL),
                IOCP_OK);
        }
        size += part;
    }
    assert_int_equal(queued(loop, pair.client), size);
    contract_recv_all(loop, pair.server, data + most, size);
    run_until_done(loop);
    assert_memory_equal(data, data + most, size);
    for (int i = 0; i < COUNT; i++) {
        assert_ended(&records[i], IOCP_OK);
        assert_int_equal(records[i].result.bytes, i * i % 997 + 1);
    }
    free(data);
    free(records);
}

static void a_shutdown_waits_for_all_that_is_queued(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    enum {
        COUNT = 40
    };
    const size_t part = 200000; /* together more than a system buffers */
    const size_t size = COUNT * part;
    contract_record records[COUNT] = {{0}};
    contract_record shut = {0};
    contract_record late = {0};
    contract_record ended = {0};
    unsigned char *data = pattern__new(2 * size);
    contract_pair pair = contract_connect(loop, AF_INET);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(iocp_send(loop, pair.client, data + (size_t)i * part, part, contract_keep,
                                   &records[i], NULL),
                         IOCP_OK);
    }
    assert_int_equal(
        iocp_shutdown(loop, pair.client, IOCP_SHUTDOWN_SEND, contract_keep, &shut, NULL), IOCP_OK);
    assert_int_equal(iocp_send(loop, pair.client, data, 1, contract_keep, &late, NULL), IOCP_OK);
    contract_idle(loop);
    assert_int_equal(shut.calls, 0);
    contract_recv_all(loop, pair.server, data + size, size);
    assert_int_equal(iocp_recv(loop, pair.server, data + size, 1, contract_keep, &ended, NULL),
                     IOCP_OK);
    run_until_done(loop);
    assert_memory_equal(data + 1, data + size + 1, size - 1);
    assert_ended(&shut, IOCP_OK);
    assert_ended(&late, IOCP_EPIPE);
    assert_ended(&ended, IOCP_EOF);
    for (int i = 0; i < COUNT; i++) {
        assert_ended(&records[i], IOCP_OK);
        assert_int_equal(records[i].result.bytes, part);
        assert_true(records[i].order < shut.order);
    }
    free(data);
}

/* Each of them is always queued, or in the kernel: no moment is without a send. */
static void a_shutdown_is_not_held_up_by_sends_that_are_rearmed(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record senders[2] = {{.rearms = INT32_MAX}, {.rearms = INT32_MAX}};
    contract_record shut = {0};
    contract_pair pair = contract_connect(loop, AF_INET);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(iocp_send(loop, pair.client, "x", 1, contract_keep, &senders[i], NULL),
                         IOCP_OK);
    }
    assert_int_equal(
        iocp_shutdown(loop, pair.client, IOCP_SHUTDOWN_SEND, contract_keep, &shut, NULL), IOCP_OK);
    for (int turn = 0; turn < 1000 && shut.calls == 0; turn++) {
        contract_pass_time(loop, MS);
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    }
    assert_ended(&shut, IOCP_OK);
    for (int i = 0; i < 2; i++) {
        contract_wait(loop, &senders[i], senders[i].calls + 1);
        senders[i].rearms = 0;
        assert_int_equal(senders[i].status, IOCP_EPIPE);
    }
    run_until_done(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_FILE_TEST(everything_that_goes_out_counts_until_its_callback),
        CONTRACT_FILE_TEST(what_comes_in_does_not_count),
        CONTRACT_FILE_TEST(the_high_water_mark_is_kept_until_it_is_asked_for),
        CONTRACT_FILE_TEST(what_fails_or_is_cancelled_counts_no_longer),
        CONTRACT_FILE_TEST(a_rearmed_send_counts_again),
        CONTRACT_FILE_TEST(arguments_are_checked),
        CONTRACT_FILE_TEST(a_drain_calls_back_when_little_enough_is_queued_and_not_before),
        CONTRACT_FILE_TEST(a_drain_can_be_cancelled),
        CONTRACT_FILE_TEST(a_drain_can_have_a_deadline),
        CONTRACT_FILE_TEST(a_close_ends_a_drain_as_cancelled),
        CONTRACT_FILE_TEST(destroy_ends_a_drain_as_cancelled),
        CONTRACT_FILE_TEST(a_drain_of_little_enough_calls_back_in_the_next_turn),
        CONTRACT_FILE_TEST(a_sender_that_waits_for_drains_keeps_within_its_limit),
        CONTRACT_FILE_TEST(sends_in_flight_arrive_whole_and_in_the_order_of_their_calls),
        CONTRACT_FILE_TEST(a_shutdown_waits_for_all_that_is_queued),
        CONTRACT_FILE_TEST(a_shutdown_is_not_held_up_by_sends_that_are_rearmed),
    };
    return CONTRACT_RUN(tests);
}
