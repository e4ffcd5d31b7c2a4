/*
 * The standard streams, whatever they are: here both ends of a pipe that is not overlapped, as programs
 * get them, and files. What only Windows has, a console above all, is in win32/test_stdio.c.
 */
#include "contract_file.h"
#include "contract_object.h"

#include <stdlib.h>
#include <string.h>

/* A pipe whose ends are standard input and output. */
typedef struct streams {
    void *natives[2];
    iocp_handle_t in;
    iocp_handle_t out;
} streams;

static streams streams_now;

static int stdio__setup(void **state)
{
    memset(&streams_now, 0, sizeof streams_now);
    return contract_file_setup(state);
}

static int stdio__teardown(void **state)
{
    contract_env *env = *state;
    contract_set_over(true);
    if (env->loop != NULL) {
        contract_loop_destroy(env->loop);
        contract_forget_loop(state);
    }
    for (int i = 0; i < 2; i++) {
        if (streams_now.natives[i] != NULL) {
            contract_native_close(streams_now.natives[i]);
        }
    }
    return contract_file_teardown(state);
}

/* The pipe is the test's until one of these. */
static void stdio__close_native(int end)
{
    contract_native_close(streams_now.natives[end]);
    streams_now.natives[end] = NULL;
}

static streams *stdio__open_pipe(iocp_loop_t *loop)
{
    streams *s = &streams_now;
    contract_native_pipe(s->natives, 0);
    contract_stdio_use(IOCP_STDIN, s->natives[0]);
    contract_stdio_use(IOCP_STDOUT, s->natives[1]);
    s->in = contract_stdio_open(loop, IOCP_STDIN);
    s->out = contract_stdio_open(loop, IOCP_STDOUT);
    return s;
}

static void assert_ended(const contract_record *record, int status)
{
    assert_int_equal(record->calls, 1);
    assert_string_equal(iocp_error_name(record->status), iocp_error_name(status));
}

static iocp_op_t start_read(iocp_loop_t *loop, void *data, size_t size, contract_record *record)
{
    iocp_op_t op = {0};
    assert_int_equal(iocp_read(loop, streams_now.in, data, size, contract_keep, record, &op),
                     IOCP_OK);
    return op;
}

static iocp_op_t start_write(iocp_loop_t *loop, const void *data, size_t size,
                             contract_record *record)
{
    iocp_op_t op = {0};
    assert_int_equal(iocp_write(loop, streams_now.out, data, size, contract_keep, record, &op),
                     IOCP_OK);
    return op;
}

static void assert_reads(iocp_loop_t *loop, const char *text)
{
    char data[64] = {0};
    size_t count = 0;
    while (count < strlen(text)) {
        contract_record read = {0};
        start_read(loop, data + count, strlen(text) - count, &read);
        contract_wait(loop, &read, 1);
        assert_ended(&read, IOCP_OK);
        assert_int_equal(read.result.type, IOCP_TYPE_READ);
        count += (size_t)read.result.bytes;
    }
    assert_string_equal(data, text);
}

static void assert_writes(iocp_loop_t *loop, const char *text)
{
    contract_record written = {0};
    start_write(loop, text, strlen(text), &written);
    contract_wait(loop, &written, 1);
    assert_ended(&written, IOCP_OK);
    assert_int_equal(written.result.type, IOCP_TYPE_WRITE);
    assert_int_equal(written.result.bytes, strlen(text));
}

/* ---- Bytes ---- */

static void what_is_written_to_a_stream_is_read_from_the_other(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    stdio__open_pipe(loop);
    assert_writes(loop, "hello");
    assert_reads(loop, "hello");
    assert_writes(loop, "there");
    assert_reads(loop, "there");
}

static void standard_error_is_written_as_the_output_is(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    streams *s = stdio__open_pipe(loop);
    contract_stdio_use(IOCP_STDERR, s->natives[1]);
    s->out = contract_stdio_open(loop, IOCP_STDERR);
    assert_writes(loop, "oh");
    assert_reads(loop, "oh");
}

static void a_read_waits_and_takes_what_there_is(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    char data[64];
    contract_record read = {0};
    stdio__open_pipe(loop);
    start_read(loop, data, sizeof data, &read);
    contract_idle(loop);
    assert_int_equal(read.calls, 0);
    assert_writes(loop, "hello");
    contract_wait(loop, &read, 1);
    assert_ended(&read, IOCP_OK);
    assert_in_range(read.result.bytes, 1, 5);
    assert_memory_equal(data, "hello", (size_t)read.result.bytes);
}

/* Of two that wait the first gets what comes first, and calls back first. */
static void reads_are_carried_out_in_the_order_of_their_calls(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record reads[4] = {{0}};
    char data[4];
    stdio__open_pipe(loop);
    for (int i = 0; i < 4; i++) {
        start_read(loop, &data[i], 1, &reads[i]);
    }
    assert_writes(loop, "abcd");
    for (int i = 0; i < 4; i++) {
        contract_wait(loop, &reads[i], 1);
        assert_ended(&reads[i], IOCP_OK);
        assert_true(i == 0 || reads[i - 1].order < reads[i].order);
    }
    assert_memory_equal(data, "abcd", 4);
}

static void writes_are_carried_out_in_the_order_of_their_calls(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record writes[4] = {{0}};
    stdio__open_pipe(loop);
    for (int i = 0; i < 4; i++) {
        start_write(loop, &"abcd"[i], 1, &writes[i]);
    }
    for (int i = 0; i < 4; i++) {
        contract_wait(loop, &writes[i], 1);
        assert_true(i == 0 || writes[i - 1].order < writes[i].order);
    }
    assert_reads(loop, "abcd");
}

static void a_read_and_a_write_do_not_wait_for_each_other(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record read = {0};
    char byte;
    stdio__open_pipe(loop);
    start_read(loop, &byte, 1, &read);
    contract_idle(loop);
    assert_writes(loop, "x");
    contract_wait(loop, &read, 1);
    assert_int_equal(byte, 'x');
}

/* More than the pipe holds: the writer waits for the reader, and everything arrives in its order. */
static void a_megabyte_arrives_as_it_was_written(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    const size_t size = contract_clock_is_virtual() ? 100000 : 1 << 20;
    unsigned char *data = malloc(2 * size);
    contract_record written = {0};
    assert_non_null(data);
    for (size_t i = 0; i < size; i++) {
        data[i] = (unsigned char)(i * 31 + i / 251);
    }
    stdio__open_pipe(loop);
    start_write(loop, data, size, &written);
    for (size_t count = 0; count < size;) {
        contract_record read = {0};
        start_read(loop, data + size + count, size - count, &read);
        contract_wait(loop, &read, 1);
        assert_ended(&read, IOCP_OK);
        count += (size_t)read.result.bytes;
    }
    contract_wait(loop, &written, 1);
    assert_ended(&written, IOCP_OK);
    assert_int_equal(written.result.bytes, size);
    assert_memory_equal(data, data + size, size);
    free(data);
}

static void an_empty_write_is_done(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record written = {0};
    stdio__open_pipe(loop);
    start_write(loop, NULL, 0, &written);
    contract_wait(loop, &written, 1);
    assert_ended(&written, IOCP_OK);
    assert_writes(loop, "x");
    assert_reads(loop, "x");
}

/* ---- The end ---- */

static void the_end_comes_behind_the_last_bytes(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    streams *s = stdio__open_pipe(loop);
    assert_writes(loop, "last");
    contract_file_close(loop, s->out);
    stdio__close_native(1);
    assert_reads(loop, "last");
    for (int i = 0; i < 2; i++) {
        contract_record read = {0};
        char byte;
        start_read(loop, &byte, 1, &read);
        contract_wait(loop, &read, 1);
        assert_ended(&read, IOCP_EOF);
        assert_int_equal(read.result.bytes, 0);
    }
}

static void a_read_that_waits_ends_when_nobody_can_write_any_more(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record read = {0};
    char byte;
    streams *s = stdio__open_pipe(loop);
    start_read(loop, &byte, 1, &read);
    contract_idle(loop);
    contract_file_close(loop, s->out);
    assert_int_equal(read.calls, 0); /* the process's own is still there */
    stdio__close_native(1);
    contract_wait(loop, &read, 1);
    assert_ended(&read, IOCP_EOF);
}

static void a_write_that_nobody_can_read_is_told(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record written = {0};
    streams *s = stdio__open_pipe(loop);
    contract_file_close(loop, s->in);
    stdio__close_native(0);
    start_write(loop, "x", 1, &written);
    contract_wait(loop, &written, 1);
    assert_ended(&written, IOCP_EPIPE);
    assert_true(written.result.native_error != 0);
    assert_int_equal(written.result.bytes, 0);
}

/* ---- Files ---- */

static void a_file_is_read_from_the_position_that_all_share(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record read = {0};
    char byte;
    contract_file_close(loop, contract_file_with(loop, "in", "some text", 9));
    streams_now.natives[0] = contract_native_file("in", IOCP_FILE_READ, 0);
    contract_stdio_use(IOCP_STDIN, streams_now.natives[0]);
    streams_now.in = contract_stdio_open(loop, IOCP_STDIN);
    assert_reads(loop, "some ");
    contract_file_close(loop, streams_now.in);
    streams_now.in = contract_stdio_open(loop, IOCP_STDIN);
    assert_reads(loop, "text");
    start_read(loop, &byte, 1, &read);
    contract_wait(loop, &read, 1);
    assert_ended(&read, IOCP_EOF);
}

static void a_file_is_written_where_the_last_write_has_ended(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    streams_now.natives[1] =
        contract_native_file("out", IOCP_FILE_WRITE | IOCP_FILE_CREATE | IOCP_FILE_EXCLUSIVE, 0);
    contract_stdio_use(IOCP_STDOUT, streams_now.natives[1]);
    streams_now.out = contract_stdio_open(loop, IOCP_STDOUT);
    assert_writes(loop, "some ");
    assert_writes(loop, "text");
    contract_file_close(loop, streams_now.out);
    contract_file_assert(loop, "out", "some text", 9);
}

/* ---- Ending early ---- */

static void a_cancelled_read_takes_nothing(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record read = {0};
    contract_record cancel = {0};
    char data[5] = ".....";
    stdio__open_pipe(loop);
    iocp_op_t op = start_read(loop, data, 5, &read);
    contract_idle(loop);
    assert_int_equal(iocp_cancel(loop, op, contract_keep, &cancel, NULL), IOCP_OK);
    contract_wait(loop, &read, 1);
    contract_wait(loop, &cancel, 1);
    assert_ended(&read, IOCP_ECANCELED);
    assert_ended(&cancel, IOCP_OK);
    assert_writes(loop, "hello");
    assert_reads(loop, "hello");
    assert_memory_equal(data, ".....", 5);
}

/* Whenever the cancel comes, before the thread has begun, while it begins or in the call. */
static void a_read_that_is_cancelled_at_once_takes_nothing(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    stdio__open_pipe(loop);
    for (int i = 0; i < 50; i++) {
        contract_record read = {0};
        char byte = '.';
        iocp_op_t op = start_read(loop, &byte, 1, &read);
        assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
        for (int turns = 0; turns < i % 5; turns++) {
            assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
        }
        assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
        contract_wait(loop, &read, 1);
        assert_ended(&read, IOCP_ECANCELED);
        assert_int_equal(byte, '.');
    }
    assert_writes(loop, "x");
    assert_reads(loop, "x");
}

static void a_deadline_ends_a_read_and_is_not_early(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record read = {0};
    char byte;
    stdio__open_pipe(loop);
    iocp_loop_update_now(loop);
    uint64_t due_ns = iocp_loop_now(loop) + 5 * MS;
    iocp_op_t op = start_read(loop, &byte, 1, &read);
    assert_int_equal(iocp_op_deadline(loop, op, 5 * MS), IOCP_OK);
    contract_wait(loop, &read, 1);
    assert_ended(&read, IOCP_ETIMEDOUT);
    assert_true(read.now_ns >= due_ns);
}

static void a_close_ends_what_waits_and_calls_back_last(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record reads[3] = {{0}};
    contract_record closed = {0};
    char data[3];
    streams *s = stdio__open_pipe(loop);
    for (int i = 0; i < 3; i++) {
        start_read(loop, &data[i], 1, &reads[i]);
    }
    contract_idle(loop);
    assert_int_equal(iocp_close(loop, s->in, contract_keep, &closed, NULL), IOCP_OK);
    contract_wait(loop, &closed, 1);
    assert_ended(&closed, IOCP_OK);
    for (int i = 0; i < 3; i++) {
        assert_ended(&reads[i], IOCP_ECANCELED);
        assert_true(reads[i].order < closed.order);
    }
}

static void destroy_ends_what_waits_on_the_streams(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    const size_t size = (size_t)1 << 20;
    contract_record read = {0};
    contract_record written = {0};
    char byte;
    void *more[2];
    char *data = calloc(1, size);
    assert_non_null(data);
    stdio__open_pipe(loop);
    contract_native_pipe(more, 0);
    contract_stdio_use(IOCP_STDIN, more[0]);
    streams_now.in = contract_stdio_open(loop, IOCP_STDIN);
    start_read(loop, &byte, 1, &read);
    start_write(loop, data, size, &written);
    contract_idle(loop);
    contract_loop_destroy(loop);
    contract_forget_loop(state);
    assert_ended(&read, IOCP_ECANCELED);
    assert_ended(&written, IOCP_ECANCELED);
    contract_native_close(more[0]);
    contract_native_close(more[1]);
    free(data);
}

/* ---- Books ---- */

static void what_is_queued_to_go_out_is_counted_and_drained(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record writes[3] = {{0}};
    contract_record drained = {0};
    uint64_t queued = 0;
    uint64_t most = 0;
    streams *s = stdio__open_pipe(loop);
    for (int i = 0; i < 3; i++) {
        start_write(loop, "abcde", 5, &writes[i]);
    }
    assert_int_equal(iocp_drain(loop, s->out, 5, contract_keep, &drained, NULL), IOCP_OK);
    assert_int_equal(iocp_handle_queued(loop, s->out, &queued, &most), IOCP_OK);
    assert_int_equal(queued, 15);
    assert_int_equal(most, 15);
    contract_wait(loop, &drained, 1);
    assert_ended(&drained, IOCP_OK);
    assert_int_equal(writes[0].calls + writes[1].calls, 2);
    contract_wait(loop, &writes[2], 1);
    assert_int_equal(iocp_handle_queued(loop, s->out, &queued, NULL), IOCP_OK);
    assert_int_equal(queued, 0);
    assert_reads(loop, "abcdeabcdeabcde");
}

typedef struct listing {
    iocp_handle_t handle;
    iocp_handle_entry_t entry;
    int operations; /* in the dump, on that handle */
} listing;

static void IOCP_CALL listing__keep(const iocp_handle_entry_t *entry, void *userdata)
{
    listing *l = userdata;
    if (entry->handle.id == l->handle.id) {
        l->entry = *entry;
    }
}

static void IOCP_CALL listing__count(const iocp_dump_entry_t *entry, void *userdata)
{
    listing *l = userdata;
    l->operations += entry->handle.id == l->handle.id;
}

static listing listing__of(iocp_loop_t *loop, iocp_handle_t handle)
{
    listing l = {.handle = handle};
    assert_int_equal(iocp_loop_handles(loop, listing__keep, &l), IOCP_OK);
    assert_int_equal(iocp_loop_dump(loop, listing__count, &l), IOCP_OK);
    return l;
}

static void a_stream_is_listed_with_what_went_through_it(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record read = {0};
    char byte;
    streams *s = stdio__open_pipe(loop);
    assert_writes(loop, "hello");
    assert_reads(loop, "hello");
    listing in = listing__of(loop, s->in);
    listing out = listing__of(loop, s->out);
    assert_int_equal(in.entry.kind, IOCP_HANDLE_STDIO);
    assert_int_equal(out.entry.kind, IOCP_HANDLE_STDIO);
    assert_string_equal(in.entry.kind_name, "stdio");
    assert_string_equal(out.entry.kind_name, "stdio");
    assert_int_equal(in.entry.bytes_in, 5);
    assert_int_equal(out.entry.bytes_out, 5);
    assert_int_equal(in.entry.operations, 0);
    assert_int_equal(in.operations, 0);
    start_read(loop, &byte, 1, &read);
    in = listing__of(loop, s->in);
    assert_int_equal(in.entry.operations, 1);
    assert_int_equal(in.operations, 1);
    assert_int_equal(iocp_loop_active(loop), 1);
}

static void a_stream_that_is_open_keeps_nothing_running(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    stdio__open_pipe(loop);
    assert_int_equal(iocp_loop_active(loop), 0);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
}

/* ---- What is refused ---- */

static void a_stream_goes_one_way_and_takes_nothing_else(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record never = {0};
    contract_record drained = {0};
    char data[1] = {0};
    streams *s = stdio__open_pipe(loop);
    assert_int_equal(iocp_write(loop, s->in, data, 1, contract_keep, &never, NULL), IOCP_ENOTSUP);
    assert_int_equal(iocp_read(loop, s->out, data, 1, contract_keep, &never, NULL), IOCP_ENOTSUP);
    contract_assert_no_file_nor_socket(loop, s->in);
    contract_assert_no_file_nor_socket(loop, s->out);
    assert_int_equal(iocp_drain(loop, s->in, 0, contract_keep, &drained, NULL), IOCP_OK);
    contract_wait(loop, &drained, 1);
    assert_ended(&drained, IOCP_OK);
    assert_int_equal(never.calls, 0);
}

static void a_stream_that_the_process_does_not_have_is_refused(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static const iocp_stdio_t streams_all[] = {IOCP_STDIN, IOCP_STDOUT, IOCP_STDERR};
    for (size_t i = 0; i < sizeof streams_all / sizeof streams_all[0]; i++) {
        iocp_handle_t handle = {0};
        contract_stdio_use(streams_all[i], NULL);
        assert_int_equal(iocp_stdio_open(loop, streams_all[i], &handle), IOCP_EBADF);
        assert_true(handle.id == 0);
    }
    assert_int_equal(contract_stats(loop).handles, 0);
    assert_int_equal(contract_stats(loop).operations, 0);
}

static void what_is_no_stream_is_refused(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_handle_t handle = {0};
    stdio__open_pipe(loop);
    assert_int_equal(iocp_stdio_open(NULL, IOCP_STDIN, &handle), IOCP_EINVAL);
    assert_int_equal(iocp_stdio_open(loop, IOCP_STDIN, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_stdio_open(loop, (iocp_stdio_t)3, &handle), IOCP_EINVAL);
    assert_int_equal(iocp_stdio_open(loop, (iocp_stdio_t)-1, &handle), IOCP_EINVAL);
    assert_true(handle.id == 0);
}

static void each_allocation_of_opening_one_may_be_refused(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    int status = IOCP_ENOMEM;
    int refusals = -1;
    stdio__open_pipe(loop);
    contract_file_close(loop, streams_now.in);
    (void)iocp_loop_trim(loop);
    for (uint64_t allowed = 0; status == IOCP_ENOMEM; allowed++) {
        iocp_handle_t handle = {0};
        contract_allow_blocks(allowed);
        status = iocp_stdio_open(loop, IOCP_STDIN, &handle);
        contract_allow_blocks(UINT64_MAX);
        assert_int_equal(handle.id != 0, status == IOCP_OK);
        refusals++;
        if (status == IOCP_ENOMEM) {
            (void)iocp_loop_trim(loop);
        }
        streams_now.in = handle;
    }
    assert_int_equal(status, IOCP_OK);
    assert_in_range(refusals, contract_clock_is_virtual() ? 0 : 1, 8);
    assert_writes(loop, "x");
    assert_reads(loop, "x");
}

#define STDIO_TEST(function) \
    cmocka_unit_test_setup_teardown(function, stdio__setup, stdio__teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STDIO_TEST(what_is_written_to_a_stream_is_read_from_the_other),
        STDIO_TEST(standard_error_is_written_as_the_output_is),
        STDIO_TEST(a_read_waits_and_takes_what_there_is),
        STDIO_TEST(reads_are_carried_out_in_the_order_of_their_calls),
        STDIO_TEST(writes_are_carried_out_in_the_order_of_their_calls),
        STDIO_TEST(a_read_and_a_write_do_not_wait_for_each_other),
        STDIO_TEST(a_megabyte_arrives_as_it_was_written),
        STDIO_TEST(an_empty_write_is_done),
        STDIO_TEST(the_end_comes_behind_the_last_bytes),
        STDIO_TEST(a_read_that_waits_ends_when_nobody_can_write_any_more),
        STDIO_TEST(a_write_that_nobody_can_read_is_told),
        STDIO_TEST(a_file_is_read_from_the_position_that_all_share),
        STDIO_TEST(a_file_is_written_where_the_last_write_has_ended),
        STDIO_TEST(a_cancelled_read_takes_nothing),
        STDIO_TEST(a_read_that_is_cancelled_at_once_takes_nothing),
        STDIO_TEST(a_deadline_ends_a_read_and_is_not_early),
        STDIO_TEST(a_close_ends_what_waits_and_calls_back_last),
        STDIO_TEST(destroy_ends_what_waits_on_the_streams),
        STDIO_TEST(what_is_queued_to_go_out_is_counted_and_drained),
        STDIO_TEST(a_stream_is_listed_with_what_went_through_it),
        STDIO_TEST(a_stream_that_is_open_keeps_nothing_running),
        STDIO_TEST(a_stream_goes_one_way_and_takes_nothing_else),
        STDIO_TEST(a_stream_that_the_process_does_not_have_is_refused),
        STDIO_TEST(what_is_no_stream_is_refused),
        STDIO_TEST(each_allocation_of_opening_one_may_be_refused),
    };
    contract_object_begin();
    return CONTRACT_RUN(tests);
}
