/*
 * Files whose system takes its time or fails when it is wanted, which no test can make a real one do.
 * Native only.
 */
#include "contract_file.h"

#if defined(_WIN32)

#include <stdio.h>

int main(void)
{
    printf("skipped: these tests script the simulated kernel\n");
    return 77;
}

#else

#include "sim.h"

#include <string.h>

static void assert_ended(const contract_record *record, int status)
{
    assert_int_equal(record->calls, 1);
    assert_string_equal(iocp_error_name(record->status), iocp_error_name(status));
}

static uint64_t kernel__pending(const iocp_loop_t *loop)
{
    sim_counts counts;
    sim_read_counts(loop, &counts);
    return counts.pending;
}

/* A file with one of each operation in the kernel, which does not get to them. */
typedef struct held_file {
    iocp_handle_t handle;
    contract_record read;
    contract_record pread;
    contract_record pwrite;
    contract_record flush;
    iocp_op_t ops[4];
    char data[2][4];
} held_file;

static void held__start(iocp_loop_t *loop, held_file *held)
{
    memset(held, 0, sizeof *held);
    memset(held->data, '.', sizeof held->data);
    held->handle = contract_file_with(loop, "file", "hello", 5);
    sim_hold_files(loop, true);
    assert_int_equal(
        iocp_read(loop, held->handle, held->data[0], 4, contract_keep, &held->read, &held->ops[0]),
        IOCP_OK);
    assert_int_equal(iocp_pread(loop, held->handle, held->data[1], 4, 0, contract_keep,
                                &held->pread, &held->ops[1]),
                     IOCP_OK);
    assert_int_equal(
        iocp_pwrite(loop, held->handle, "J", 1, 0, contract_keep, &held->pwrite, &held->ops[2]),
        IOCP_OK);
    assert_int_equal(
        iocp_file_flush(loop, held->handle, contract_keep, &held->flush, &held->ops[3]), IOCP_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
        sim_advance(loop, 10 * MS);
    }
    assert_int_equal(kernel__pending(loop), 4);
}

static void held__assert_ended(const held_file *held, int status)
{
    assert_ended(&held->read, status);
    assert_ended(&held->pread, status);
    assert_ended(&held->pwrite, status);
    assert_ended(&held->flush, status);
    assert_memory_equal(held->data, "........", sizeof held->data);
}

static void what_is_cancelled_while_the_file_is_slow_has_no_effect(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    held_file held;
    held__start(loop, &held);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(iocp_cancel(loop, held.ops[i], NULL, NULL, NULL), IOCP_OK);
    }
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    held__assert_ended(&held, IOCP_ECANCELED);
    sim_hold_files(loop, false);
    assert_int_equal(contract_file_position(loop, held.handle), 0);
    contract_file_assert(loop, "file", "hello", 5);
}

static void what_is_late_on_a_slow_file_times_out(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    held_file held;
    held__start(loop, &held);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(iocp_op_deadline(loop, held.ops[i], 7 * MS), IOCP_OK);
    }
    uint64_t due_ns = iocp_loop_now(loop) + 7 * MS;
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    held__assert_ended(&held, IOCP_ETIMEDOUT);
    assert_true(held.read.now_ns >= due_ns && held.flush.now_ns >= due_ns);
    sim_hold_files(loop, false);
    contract_file_assert(loop, "file", "hello", 5);
}

static void a_close_of_a_slow_file_calls_back_last(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record closed = {0};
    held_file held;
    held__start(loop, &held);
    assert_int_equal(iocp_close(loop, held.handle, contract_keep, &closed, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    held__assert_ended(&held, IOCP_ECANCELED);
    assert_ended(&closed, IOCP_OK);
    assert_true(closed.order > held.read.order && closed.order > held.pread.order &&
                closed.order > held.pwrite.order && closed.order > held.flush.order);
    sim_hold_files(loop, false);
    contract_file_assert(loop, "file", "hello", 5);
}

static void a_close_whose_cancels_are_refused_closes_the_file_under_them(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record closed = {0};
    held_file held;
    held__start(loop, &held);
    sim_fail_cancels(loop, 4, IOCP_ENOMEM);
    assert_int_equal(iocp_close(loop, held.handle, contract_keep, &closed, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    held__assert_ended(&held, IOCP_ECANCELED);
    assert_ended(&closed, IOCP_OK);
    assert_int_equal(sim_file_count(), 0);
    sim_hold_files(loop, false);
}

static void destroy_of_a_loop_with_a_slow_file_gives_everything_back(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    held_file held;
    held__start(loop, &held);
    contract_loop_destroy(loop);
    contract_forget_loop(state);
    held__assert_ended(&held, IOCP_ECANCELED);
}

static void a_cancel_that_comes_too_late_delivers_what_was_done(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    held_file held;
    held__start(loop, &held);
    sim_delay_cancels(loop, 5 * MS);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(iocp_cancel(loop, held.ops[i], NULL, NULL, NULL), IOCP_OK);
    }
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(kernel__pending(loop), 4);
    sim_hold_files(loop, false);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_ended(&held.read, IOCP_OK);
    assert_ended(&held.pread, IOCP_OK);
    assert_ended(&held.pwrite, IOCP_OK);
    assert_ended(&held.flush, IOCP_OK);
    assert_memory_equal(held.data, "hellhell", sizeof held.data);
    assert_int_equal(contract_file_position(loop, held.handle), 4);
    contract_file_assert(loop, "file", "Jello", 5);
}

/* ---- Errors in the middle ---- */

static void a_write_that_fails_in_the_middle_leaves_the_position_to_the_next(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[3] = {{0}};
    iocp_op_t ops[3];
    static const char *const parts[] = {"aa", "bb", "cc"};
    iocp_handle_t handle = contract_file_with(loop, "file", "", 0);
    sim_hold_files(loop, true);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(iocp_write(loop, handle, parts[i], 2, contract_keep, &records[i], &ops[i]),
                         IOCP_OK);
    }
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(kernel__pending(loop), 1); /* one at a time */
    sim_end_op(loop, ops[0], IOCP_ENOSPC);
    contract_wait(loop, &records[0], 1);
    assert_ended(&records[0], IOCP_ENOSPC);
    assert_int_equal(contract_file_position(loop, handle), 0);
    sim_hold_files(loop, false);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_ended(&records[1], IOCP_OK);
    assert_ended(&records[2], IOCP_OK);
    contract_file_assert(loop, "file", "bbcc", 4);
}

static void a_write_that_does_not_start_leaves_the_others(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[2] = {{0}};
    iocp_handle_t handle = contract_file_with(loop, "file", "", 0);
    sim_fail_starts(loop, 1, IOCP_ENOMEM);
    assert_int_equal(iocp_write(loop, handle, "aa", 2, contract_keep, &records[0], NULL), IOCP_OK);
    assert_int_equal(iocp_write(loop, handle, "bb", 2, contract_keep, &records[1], NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_ended(&records[0], IOCP_ENOMEM);
    assert_ended(&records[1], IOCP_OK);
    contract_file_assert(loop, "file", "bb", 2);
}

static void an_abort_that_nobody_asked_for_is_not_called_cancelled(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    held_file held;
    held__start(loop, &held);
    for (int i = 0; i < 4; i++) {
        sim_end_op(loop, held.ops[i], IOCP_ECANCELED);
    }
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    held__assert_ended(&held, IOCP_ECONNABORTED);
    sim_hold_files(loop, false);
}

static void many_writes_and_a_close_in_the_middle_leave_a_beginning(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    enum {
        COUNT = 26
    };
    contract_record records[COUNT] = {{0}};
    contract_record closed = {0};
    char letters[COUNT];
    iocp_handle_t handle = contract_file_with(loop, "file", "", 0);
    for (int i = 0; i < COUNT; i++) {
        letters[i] = (char)('a' + i);
        assert_int_equal(iocp_write(loop, handle, &letters[i], 1, contract_keep, &records[i], NULL),
                         IOCP_OK);
    }
    contract_wait(loop, &records[9], 1);
    assert_int_equal(iocp_close(loop, handle, contract_keep, &closed, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    int done = 0;
    for (int i = 0; i < COUNT; i++) {
        bool is_done = records[i].status == IOCP_OK;
        assert_ended(&records[i], is_done ? IOCP_OK : IOCP_ECANCELED);
        assert_true(!is_done || done == i); /* no hole */
        done += is_done;
    }
    assert_in_range(done, 10, COUNT - 1);
    contract_file_assert(loop, "file", letters, (size_t)done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_FILE_TEST(what_is_cancelled_while_the_file_is_slow_has_no_effect),
        CONTRACT_FILE_TEST(what_is_late_on_a_slow_file_times_out),
        CONTRACT_FILE_TEST(a_close_of_a_slow_file_calls_back_last),
        CONTRACT_FILE_TEST(a_close_whose_cancels_are_refused_closes_the_file_under_them),
        CONTRACT_FILE_TEST(destroy_of_a_loop_with_a_slow_file_gives_everything_back),
        CONTRACT_FILE_TEST(a_cancel_that_comes_too_late_delivers_what_was_done),
        CONTRACT_FILE_TEST(a_write_that_fails_in_the_middle_leaves_the_position_to_the_next),
        CONTRACT_FILE_TEST(a_write_that_does_not_start_leaves_the_others),
        CONTRACT_FILE_TEST(an_abort_that_nobody_asked_for_is_not_called_cancelled),
        CONTRACT_FILE_TEST(many_writes_and_a_close_in_the_middle_leave_a_beginning),
    };
    return CONTRACT_RUN(tests);
}

#endif
