/*
 * Byte pipes: streams without a network, whose ends the loop has taken over; and pairs, of which one
 * end is for a child.
 */
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

static iocp_op_t start_read(iocp_loop_t *loop, iocp_handle_t end, void *data, size_t size,
                            contract_record *record)
{
    iocp_op_t op = {0};
    assert_int_equal(iocp_read(loop, end, data, size, contract_keep, record, &op), IOCP_OK);
    return op;
}

static iocp_op_t start_write(iocp_loop_t *loop, iocp_handle_t end, const void *data, size_t size,
                             contract_record *record)
{
    iocp_op_t op = {0};
    assert_int_equal(iocp_write(loop, end, data, size, contract_keep, record, &op), IOCP_OK);
    return op;
}

static void read_all(iocp_loop_t *loop, iocp_handle_t end, void *data, size_t size)
{
    unsigned char *to = data;
    while (size > 0) {
        contract_record read = {0};
        start_read(loop, end, to, size, &read);
        contract_wait(loop, &read, 1);
        assert_ended(&read, IOCP_OK);
        assert_in_range(read.result.bytes, 1, size);
        to += read.result.bytes;
        size -= (size_t)read.result.bytes;
    }
}

/* ---- Bytes ---- */

static void bytes_go_both_ways(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pipe pipe = contract_pipe_open(loop);
    for (int from = 0; from < 2; from++) {
        contract_record written = {0};
        char data[5] = {0};
        start_write(loop, pipe.ends[from], from == 0 ? "hello" : "there", 5, &written);
        read_all(loop, pipe.ends[1 - from], data, 5);
        assert_memory_equal(data, from == 0 ? "hello" : "there", 5);
        contract_wait(loop, &written, 1);
        assert_ended(&written, IOCP_OK);
        assert_int_equal(written.result.type, IOCP_TYPE_WRITE);
        assert_int_equal(written.result.bytes, 5);
        assert_int_equal(written.result.native_error, 0);
        assert_true(written.result.handle.id == pipe.ends[from].id);
    }
}

static void a_read_waits_until_there_is_something_and_takes_what_there_is(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record read = {0};
    contract_record written = {0};
    char data[16] = "................";
    contract_pipe pipe = contract_pipe_open(loop);
    start_read(loop, pipe.ends[0], data, sizeof data, &read);
    contract_idle(loop);
    assert_int_equal(read.calls, 0);
    start_write(loop, pipe.ends[1], "x", 1, &written);
    contract_wait(loop, &read, 1);
    assert_ended(&read, IOCP_OK);
    assert_int_equal(read.result.type, IOCP_TYPE_READ);
    assert_int_equal(read.result.bytes, 1);
    assert_int_equal(read.result.flags & IOCP_RESULT_MORE, 0);
    assert_memory_equal(data, "x...............", 16);
    contract_wait(loop, &written, 1);
    assert_ended(&written, IOCP_OK);
}

static void writes_and_reads_keep_their_order(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    enum {
        COUNT = 20
    };
    contract_record reads[COUNT] = {{0}};
    contract_record writes[COUNT] = {{0}};
    char sent[COUNT];
    char seen[COUNT] = {0};
    contract_pipe pipe = contract_pipe_open(loop);
    for (int i = 0; i < COUNT; i++) {
        sent[i] = (char)('a' + i);
        start_read(loop, pipe.ends[0], &seen[i], 1, &reads[i]);
        start_write(loop, pipe.ends[1], &sent[i], 1, &writes[i]);
    }
    run_until_done(loop);
    for (int i = 0; i < COUNT; i++) {
        assert_ended(&reads[i], IOCP_OK);
        assert_ended(&writes[i], IOCP_OK);
    }
    assert_memory_equal(seen, sent, COUNT);
}

static void reads_call_back_in_the_order_of_their_calls(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record reads[2] = {{0}};
    contract_record written = {0};
    char seen[2] = {0};
    contract_pipe pipe = contract_pipe_open(loop);
    (void)start_read(loop, pipe.ends[0], &seen[0], 1, &reads[0]);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    (void)start_write(loop, pipe.ends[1], "ab", 2, &written);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    (void)start_read(loop, pipe.ends[0], &seen[1], 1, &reads[1]);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    run_until_done(loop);
    assert_ended(&reads[0], IOCP_OK);
    assert_ended(&reads[1], IOCP_OK);
    assert_true(reads[0].order < reads[1].order);
    assert_memory_equal(seen, "ab", 2);
}

static void a_write_of_more_than_the_pipe_holds_waits_for_the_reader(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    const size_t size = 5 * CONTRACT_PIPE_BYTES + 1;
    contract_record written = {0};
    unsigned char *data = malloc(2 * size);
    assert_non_null(data);
    for (size_t i = 0; i < size; i++) {
        data[i] = (unsigned char)(i * 7 + (i >> 8));
    }
    contract_pipe pipe = contract_pipe_open(loop);
    start_write(loop, pipe.ends[0], data, size, &written);
    contract_idle(loop);
    assert_int_equal(written.calls, 0);
    read_all(loop, pipe.ends[1], data + size, size);
    contract_wait(loop, &written, 1);
    assert_ended(&written, IOCP_OK);
    assert_int_equal(written.result.bytes, size);
    assert_memory_equal(data, data + size, size);
    free(data);
}

static void a_rearmed_read_reads_on(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record read = {.rearms = 2};
    char data[1];
    contract_pipe pipe = contract_pipe_open(loop);
    start_read(loop, pipe.ends[0], data, 1, &read);
    for (int i = 1; i <= 3; i++) {
        contract_record written = {0};
        const char byte = (char)('0' + i);
        start_write(loop, pipe.ends[1], &byte, 1, &written);
        contract_wait(loop, &read, i);
        contract_wait(loop, &written, 1);
        assert_int_equal(read.status, IOCP_OK);
        assert_int_equal(data[0], byte);
    }
    contract_idle(loop);
    assert_int_equal(read.calls, 3);
}

/* ---- Ends ---- */

static void the_end_comes_after_the_bytes_that_were_left(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record written = {0};
    contract_record ended[2] = {{0}};
    char data[5] = {0};
    contract_pipe pipe = contract_pipe_open(loop);
    start_write(loop, pipe.ends[0], "hello", 5, &written);
    contract_wait(loop, &written, 1);
    contract_file_close(loop, pipe.ends[0]);
    read_all(loop, pipe.ends[1], data, 5);
    assert_memory_equal(data, "hello", 5);
    for (int i = 0; i < 2; i++) {
        start_read(loop, pipe.ends[1], data, 5, &ended[i]);
        run_until_done(loop);
        assert_ended(&ended[i], IOCP_EOF);
        assert_int_equal(ended[i].result.bytes, 0);
    }
}

static void a_pending_read_ends_when_the_other_end_closes(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record read = {0};
    char data[1];
    contract_pipe pipe = contract_pipe_open(loop);
    start_read(loop, pipe.ends[0], data, 1, &read);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    contract_file_close(loop, pipe.ends[1]);
    contract_wait(loop, &read, 1);
    assert_ended(&read, IOCP_EOF);
}

static void a_write_that_nobody_can_read_fails(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record written = {0};
    contract_pipe pipe = contract_pipe_open(loop);
    contract_file_close(loop, pipe.ends[1]);
    start_write(loop, pipe.ends[0], "x", 1, &written);
    run_until_done(loop);
    assert_ended(&written, IOCP_EPIPE);
    assert_true(written.result.native_error != 0);
    assert_int_equal(written.result.bytes, 0);
}

static void a_pending_write_fails_when_the_other_end_closes(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    const size_t size = 2 * CONTRACT_PIPE_BYTES;
    contract_record written = {0};
    char *data = calloc(1, size);
    assert_non_null(data);
    contract_pipe pipe = contract_pipe_open(loop);
    start_write(loop, pipe.ends[0], data, size, &written);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    contract_file_close(loop, pipe.ends[1]);
    contract_wait(loop, &written, 1);
    assert_ended(&written, IOCP_EPIPE);
    free(data);
}

/* ---- Ending early ---- */

static void a_cancelled_read_takes_nothing(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record read = {0};
    contract_record cancel = {0};
    contract_record written = {0};
    char data[5] = ".....";
    contract_pipe pipe = contract_pipe_open(loop);
    iocp_op_t op = start_read(loop, pipe.ends[0], data, 5, &read);
    contract_idle(loop);
    assert_int_equal(iocp_cancel(loop, op, contract_keep, &cancel, NULL), IOCP_OK);
    run_until_done(loop);
    assert_ended(&read, IOCP_ECANCELED);
    assert_int_equal(read.result.bytes, 0);
    assert_ended(&cancel, IOCP_OK);
    start_write(loop, pipe.ends[1], "hello", 5, &written);
    contract_wait(loop, &written, 1);
    assert_memory_equal(data, ".....", 5);
    read_all(loop, pipe.ends[0], data, 5);
    assert_memory_equal(data, "hello", 5);
}

static void a_cancelled_read_leaves_the_one_behind_it(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record reads[2] = {{0}};
    contract_record written = {0};
    char data[2] = "..";
    contract_pipe pipe = contract_pipe_open(loop);
    iocp_op_t op = start_read(loop, pipe.ends[0], &data[0], 1, &reads[0]);
    start_read(loop, pipe.ends[0], &data[1], 1, &reads[1]);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    contract_wait(loop, &reads[0], 1);
    start_write(loop, pipe.ends[1], "x", 1, &written);
    run_until_done(loop);
    assert_ended(&reads[0], IOCP_ECANCELED);
    assert_ended(&reads[1], IOCP_OK);
    assert_memory_equal(data, ".x", 2);
}

static void a_deadline_ends_a_pending_read_and_is_not_early(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record read = {0};
    char data[1];
    contract_pipe pipe = contract_pipe_open(loop);
    iocp_loop_update_now(loop);
    uint64_t due_ns = iocp_loop_now(loop) + 5 * MS;
    iocp_op_t op = start_read(loop, pipe.ends[0], data, 1, &read);
    assert_int_equal(iocp_op_deadline(loop, op, 5 * MS), IOCP_OK);
    run_until_done(loop);
    assert_ended(&read, IOCP_ETIMEDOUT);
    assert_true(read.now_ns >= due_ns);
}

static void a_close_ends_what_is_pending_and_calls_back_last(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record reads[3] = {{0}};
    contract_record closed = {0};
    contract_record ended = {0};
    char data[4];
    contract_pipe pipe = contract_pipe_open(loop);
    for (int i = 0; i < 3; i++) {
        start_read(loop, pipe.ends[0], &data[i], 1, &reads[i]);
        if (i == 1) {
            assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
        }
    }
    assert_int_equal(iocp_close(loop, pipe.ends[0], contract_keep, &closed, NULL), IOCP_OK);
    run_until_done(loop);
    assert_ended(&closed, IOCP_OK);
    for (int i = 0; i < 3; i++) {
        assert_ended(&reads[i], IOCP_ECANCELED);
        assert_true(reads[i].order < closed.order);
    }
    start_read(loop, pipe.ends[1], data, 4, &ended);
    run_until_done(loop);
    assert_ended(&ended, IOCP_EOF);
}

static void destroy_ends_what_is_pending_on_pipes(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    const size_t size = 2 * CONTRACT_PIPE_BYTES;
    contract_record read = {0};
    contract_record written = {0};
    char byte;
    char *data = calloc(1, size);
    assert_non_null(data);
    contract_pipe pipe = contract_pipe_open(loop);
    start_read(loop, pipe.ends[0], &byte, 1, &read);
    start_write(loop, pipe.ends[0], data, size, &written);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    contract_loop_destroy(loop);
    contract_forget_loop(state);
    assert_ended(&read, IOCP_ECANCELED);
    assert_ended(&written, IOCP_ECANCELED);
    free(data);
}

static void a_cancelled_write_tells_how_much_was_taken(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    const size_t size = 2 * CONTRACT_PIPE_BYTES;
    contract_record written = {0};
    char *data = calloc(1, size);
    assert_non_null(data);
    contract_pipe pipe = contract_pipe_open(loop);
    iocp_op_t op = start_write(loop, pipe.ends[0], data, size, &written);
    contract_idle(loop);
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    run_until_done(loop);
    assert_ended(&written, IOCP_ECANCELED);
    assert_in_range(written.result.bytes, 0, size - 1);
    contract_record closed = {0};
    contract_record ended = {0};
    size_t read = 0;
    assert_int_equal(iocp_close(loop, pipe.ends[0], contract_keep, &closed, NULL), IOCP_OK);
    while (ended.status == IOCP_OK) {
        ended = (contract_record){0};
        start_read(loop, pipe.ends[1], data, size, &ended);
        contract_wait(loop, &ended, 1);
        read += (size_t)ended.result.bytes;
    }
    assert_ended(&ended, IOCP_EOF);
    assert_int_equal(read, written.result.bytes);
    free(data);
}

/* ---- The wrong kind ---- */

static void a_pipe_has_no_operations_of_files_and_sockets(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_assert_no_file_nor_socket(loop, contract_pipe_open(loop).ends[0]);
}

/* Whatever may be asked of a file or a pipe is accepted until it is known what it is. */
static void an_adopted_pipe_refuses_in_the_results_what_only_files_have(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[5] = {{0}};
    char data[1] = {0};
    void *ends[2];
    contract_native_pipe(ends, CONTRACT_NATIVE_OVERLAPPED);
    iocp_handle_t end = contract_adopt(loop, ends[0]);
    iocp_handle_t other = contract_adopt(loop, ends[1]);
    assert_int_equal(iocp_pread(loop, end, data, 1, 0, contract_keep, &records[0], NULL), IOCP_OK);
    assert_int_equal(iocp_pwrite(loop, end, data, 1, 0, contract_keep, &records[1], NULL), IOCP_OK);
    assert_int_equal(iocp_file_flush(loop, end, contract_keep, &records[2], NULL), IOCP_OK);
    start_read(loop, end, data, 1, &records[3]);
    start_write(loop, other, "x", 1, &records[4]);
    run_until_done(loop);
    for (int i = 0; i < 3; i++) {
        assert_ended(&records[i], IOCP_ENOTSUP);
    }
    assert_ended(&records[3], IOCP_OK);
    assert_ended(&records[4], IOCP_OK);
    assert_int_equal(data[0], 'x');
    assert_int_equal(iocp_handle_kind(loop, end), IOCP_HANDLE_PIPE);
}

typedef struct late_write {
    iocp_handle_t handle;
    contract_record written;
} late_write;

static iocp_action_t IOCP_CALL late_write__start(iocp_loop_t *loop, const iocp_result_t *result,
                                                 void *userdata)
{
    late_write *late = userdata;
    (void)result;
    assert_int_equal(iocp_write(loop, late->handle, "b", 1, contract_keep, &late->written, NULL),
                     IOCP_OK);
    return IOCP_DISARM;
}

/* The later write is queued in the turn in which the answer comes. */
static void what_is_written_later_does_not_overtake_what_waits_for_the_answer(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record written = {0};
    contract_record read = {0};
    char data[2] = {0};
    void *ends[2];
    contract_native_pipe(ends, CONTRACT_NATIVE_OVERLAPPED);
    late_write late = {.handle = contract_adopt(loop, ends[0])};
    start_write(loop, late.handle, "a", 1, &written);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    assert_int_equal(iocp_nop(loop, late_write__start, &late, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    contract_wait(loop, &written, 1);
    contract_wait(loop, &late.written, 1);
    iocp_handle_t other = contract_adopt(loop, ends[1]);
    while (read.total_bytes < 2) {
        int calls = read.calls + 1;
        start_read(loop, other, data + read.total_bytes, 2 - (size_t)read.total_bytes, &read);
        contract_wait(loop, &read, calls);
        assert_int_equal(read.status, IOCP_OK);
    }
    assert_memory_equal(data, "ab", 2);
}

static void assert_reads_and_writes_end_as(iocp_loop_t *loop, iocp_handle_t handle, int status)
{
    contract_record read = {0};
    contract_record written = {0};
    char data[1] = {0};
    start_read(loop, handle, data, 1, &read);
    start_write(loop, handle, data, 1, &written);
    run_until_done(loop);
    assert_ended(&read, status);
    assert_ended(&written, status);
}

static void a_pipe_for_synchronous_use_is_refused_in_the_results(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    void *ends[2];
    contract_native_pipe(ends, 0);
    for (int i = 0; i < 2; i++) {
        iocp_handle_t handle = contract_adopt(loop, ends[i]);
        assert_reads_and_writes_end_as(loop, handle, IOCP_ENOTOVERLAPPED);
        contract_close(loop, handle);
        run_until_done(loop);
    }
    assert_int_equal(contract_stats(loop).handles, 0);
}

static void a_pipe_is_adopted_once(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_loop_t *other = contract_loop_create();
    iocp_handle_t none = {0};
    void *native = NULL;
    contract_pipe pipe = contract_pipe_open(loop);
    assert_int_equal(iocp_handle_native(loop, pipe.ends[0], &native), IOCP_OK);
    iocp_handle_t again = contract_adopt(other, contract_native_duplicate(native));
    assert_reads_and_writes_end_as(other, again, IOCP_EINVAL);
    assert_int_equal(iocp_socket_adopt(loop, (uintptr_t)native, &none), IOCP_ENOTSOCK);
    assert_true(none.id == 0);
    contract_loop_destroy(other);
}

static void two_loops_talk_over_a_pipe(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_loop_t *other = contract_loop_create();
    contract_record read = {0};
    contract_record written = {0};
    char data[5] = {0};
    iocp_handle_t handles[2];
    void *ends[2];
    contract_native_pipe(ends, CONTRACT_NATIVE_OVERLAPPED);
    assert_int_equal(iocp_handle_adopt(loop, ends[0], &handles[0]), IOCP_OK);
    assert_int_equal(iocp_handle_adopt(other, ends[1], &handles[1]), IOCP_OK);
    start_read(loop, handles[0], data, 5, &read);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    start_write(other, handles[1], "hello", 5, &written);
    contract_wait(other, &written, 1);
    contract_wait(loop, &read, 1);
    assert_ended(&read, IOCP_OK);
    assert_memory_equal(data, "hello", (size_t)read.result.bytes);
    contract_loop_destroy(other);
}

/* ---- Pairs ---- */

typedef struct end_pair {
    iocp_handle_t ours;
    iocp_handle_t theirs;
} end_pair;

static end_pair open_pair(iocp_loop_t *loop, uint32_t flags)
{
    end_pair pair = {{0}, {0}};
    assert_int_equal(iocp_pipe_pair(loop, flags, &pair.ours, &pair.theirs), IOCP_OK);
    assert_true(pair.ours.id != 0 && pair.theirs.id != 0 && pair.ours.id != pair.theirs.id);
    return pair;
}

static void our_end_of_a_pair_is_a_pipe_and_theirs_a_childs(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static const uint32_t flags[] = {0, IOCP_PIPE_READ, IOCP_PIPE_WRITE,
                                     IOCP_PIPE_READ | IOCP_PIPE_WRITE | IOCP_PIPE_MESSAGE};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        end_pair pair = open_pair(loop, flags[i]);
        assert_int_equal(iocp_handle_kind(loop, pair.ours), IOCP_HANDLE_PIPE);
        assert_int_equal(iocp_handle_kind(loop, pair.theirs), IOCP_HANDLE_PIPE_END);
    }
}

static void both_ends_of_a_pair_for_children_are_theirs(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    void *native[2] = {NULL, NULL};
    end_pair pair = open_pair(loop, IOCP_PIPE_CHILDREN | IOCP_PIPE_MESSAGE);
    assert_int_equal(iocp_handle_kind(loop, pair.ours), IOCP_HANDLE_PIPE_END);
    assert_int_equal(iocp_handle_kind(loop, pair.theirs), IOCP_HANDLE_PIPE_END);
    assert_int_equal(iocp_handle_native(loop, pair.ours, &native[0]), IOCP_OK);
    assert_int_equal(iocp_handle_native(loop, pair.theirs, &native[1]), IOCP_OK);
    assert_ptr_not_equal(native[0], native[1]);
}

static void an_end_for_a_child_takes_nothing_but_close(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record never = {0};
    char data[1] = {0};
    uint64_t number = 0;
    iocp_handle_t end = open_pair(loop, 0).theirs;
    assert_int_equal(iocp_read(loop, end, data, 1, contract_keep, &never, NULL), IOCP_ENOTSUP);
    assert_int_equal(iocp_write(loop, end, data, 1, contract_keep, &never, NULL), IOCP_ENOTSUP);
    assert_int_equal(iocp_pread(loop, end, data, 1, 0, contract_keep, &never, NULL), IOCP_ENOTSUP);
    assert_int_equal(iocp_recv(loop, end, data, 1, contract_keep, &never, NULL), IOCP_ENOTSUP);
    assert_int_equal(iocp_accept(loop, end, contract_keep, &never, NULL), IOCP_ENOTSUP);
    assert_int_equal(iocp_drain(loop, end, 0, contract_keep, &never, NULL), IOCP_ENOTSUP);
    assert_int_equal(iocp_file_flush(loop, end, contract_keep, &never, NULL), IOCP_ENOTSUP);
    assert_int_equal(iocp_file_get_size(loop, end, &number), IOCP_ENOTSUP);
    assert_int_equal(iocp_socket_listen(loop, end, 0), IOCP_ENOTSUP);
    contract_file_close(loop, end);
    assert_int_equal(iocp_handle_kind(loop, end), IOCP_EBADF);
    assert_int_equal(never.calls, 0);
}

static void a_pair_ends_when_the_childs_end_is_closed(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record read = {0};
    contract_record written = {0};
    char data[1];
    end_pair pair = open_pair(loop, 0);
    start_read(loop, pair.ours, data, 1, &read);
    contract_idle(loop);
    assert_int_equal(read.calls, 0);
    contract_file_close(loop, pair.theirs);
    contract_wait(loop, &read, 1);
    assert_ended(&read, IOCP_EOF);
    start_write(loop, pair.ours, "x", 1, &written);
    contract_wait(loop, &written, 1);
    assert_ended(&written, IOCP_EPIPE);
}

static void a_pair_for_one_way_refuses_the_other(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record read = {0};
    contract_record written = {0};
    char data[1];
    start_write(loop, open_pair(loop, IOCP_PIPE_READ).ours, "x", 1, &written);
    start_read(loop, open_pair(loop, IOCP_PIPE_WRITE).ours, data, 1, &read);
    run_until_done(loop);
    assert_ended(&written, IOCP_EACCES);
    assert_ended(&read, IOCP_EACCES);
}

static void destroy_closes_pairs_that_are_open(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record read = {0};
    char data[1];
    (void)open_pair(loop, IOCP_PIPE_CHILDREN);
    start_read(loop, open_pair(loop, 0).ours, data, 1, &read);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    contract_loop_destroy(loop);
    contract_forget_loop(state);
    assert_ended(&read, IOCP_ECANCELED);
}

/* In the teardown nothing is left of them. */
static void a_pair_that_cannot_be_is_refused(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_handle_t ours = {0};
    iocp_handle_t theirs = {0};
    static const uint32_t flags[] = {8,
                                     16,
                                     64,
                                     UINT32_C(1) << 31,
                                     IOCP_PIPE_CHILDREN | IOCP_PIPE_READ,
                                     IOCP_PIPE_CHILDREN | IOCP_PIPE_WRITE};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        assert_int_equal(iocp_pipe_pair(loop, flags[i], &ours, &theirs), IOCP_EINVAL);
    }
    assert_int_equal(iocp_pipe_pair(loop, 0, NULL, &theirs), IOCP_EINVAL);
    assert_int_equal(iocp_pipe_pair(loop, 0, &ours, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_pipe_pair(NULL, 0, &ours, &theirs), IOCP_EINVAL);
    assert_true(ours.id == 0 && theirs.id == 0);
    assert_int_equal(contract_stats(loop).handles, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_FILE_TEST(bytes_go_both_ways),
        CONTRACT_FILE_TEST(a_read_waits_until_there_is_something_and_takes_what_there_is),
        CONTRACT_FILE_TEST(writes_and_reads_keep_their_order),
        CONTRACT_FILE_TEST(reads_call_back_in_the_order_of_their_calls),
        CONTRACT_FILE_TEST(a_write_of_more_than_the_pipe_holds_waits_for_the_reader),
        CONTRACT_FILE_TEST(a_rearmed_read_reads_on),
        CONTRACT_FILE_TEST(the_end_comes_after_the_bytes_that_were_left),
        CONTRACT_FILE_TEST(a_pending_read_ends_when_the_other_end_closes),
        CONTRACT_FILE_TEST(a_write_that_nobody_can_read_fails),
        CONTRACT_FILE_TEST(a_pending_write_fails_when_the_other_end_closes),
        CONTRACT_FILE_TEST(a_cancelled_read_takes_nothing),
        CONTRACT_FILE_TEST(a_cancelled_read_leaves_the_one_behind_it),
        CONTRACT_FILE_TEST(a_deadline_ends_a_pending_read_and_is_not_early),
        CONTRACT_FILE_TEST(a_close_ends_what_is_pending_and_calls_back_last),
        CONTRACT_FILE_TEST(destroy_ends_what_is_pending_on_pipes),
        CONTRACT_FILE_TEST(a_cancelled_write_tells_how_much_was_taken),
        CONTRACT_FILE_TEST(a_pipe_has_no_operations_of_files_and_sockets),
        CONTRACT_FILE_TEST(an_adopted_pipe_refuses_in_the_results_what_only_files_have),
        CONTRACT_FILE_TEST(what_is_written_later_does_not_overtake_what_waits_for_the_answer),
        CONTRACT_FILE_TEST(a_pipe_for_synchronous_use_is_refused_in_the_results),
        CONTRACT_FILE_TEST(a_pipe_is_adopted_once),
        CONTRACT_FILE_TEST(two_loops_talk_over_a_pipe),
        CONTRACT_FILE_TEST(our_end_of_a_pair_is_a_pipe_and_theirs_a_childs),
        CONTRACT_FILE_TEST(both_ends_of_a_pair_for_children_are_theirs),
        CONTRACT_FILE_TEST(an_end_for_a_child_takes_nothing_but_close),
        CONTRACT_FILE_TEST(a_pair_ends_when_the_childs_end_is_closed),
        CONTRACT_FILE_TEST(a_pair_for_one_way_refuses_the_other),
        CONTRACT_FILE_TEST(destroy_closes_pairs_that_are_open),
        CONTRACT_FILE_TEST(a_pair_that_cannot_be_is_refused),
    };
    return CONTRACT_RUN(tests);
}
