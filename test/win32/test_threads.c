/* What a thread has started on a pipe does not end with it: the pipe is bound to the port by then. */
#include "contract_env.h"

#include "threads.h"

#include <windows.h>

#include <stdio.h>

typedef struct pipe_ends {
    HANDLE ours; /* overlapped; goes to the loop */
    HANDLE theirs;
} pipe_ends;

static pipe_ends pipe__create(void)
{
    static unsigned serial;
    wchar_t name[64];
    pipe_ends ends;
    assert_true(
        swprintf(name, 64, L"\\\\.\\pipe\\iocploop-%lu-%u", GetCurrentProcessId(), ++serial) > 0);
    ends.ours =
        CreateNamedPipeW(name, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED,
                         PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT, 1, 4096, 4096, 0, NULL);
    assert_true(ends.ours != INVALID_HANDLE_VALUE);
    ends.theirs = CreateFileW(name, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);
    assert_true(ends.theirs != INVALID_HANDLE_VALUE);
    return ends;
}

static void turn_once(void *arg)
{
    iocp_loop_t *loop = arg;
    if (iocp_loop_run(loop, IOCP_RUN_NO_WAIT) != IOCP_OK) {
        (void)iocp_loop_stop(loop); /* the test sees it */
    }
}

static void a_read_of_a_pipe_outlives_the_thread_that_started_it(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    iocp_handle_t handle = {0};
    iocp_op_t op = {0};
    test_thread thread;
    DWORD bytes = 0;
    char data[16] = {0};
    pipe_ends ends = pipe__create();
    assert_int_equal(iocp_handle_adopt(loop, ends.ours, &handle), IOCP_OK);
    assert_int_equal(iocp_read(loop, handle, data, sizeof data, contract_keep, &record, &op),
                     IOCP_OK);
    assert_true(test_thread_start(&thread, turn_once, loop));
    test_thread_join(&thread);
    contract_idle(loop);
    assert_int_equal(iocp_loop_stopped(loop), 0);
    assert_int_equal(record.calls, 0);
    assert_int_equal(iocp_op_state(loop, op), IOCP_OP_ACTIVE);
    assert_true(WriteFile(ends.theirs, "hello", 5, &bytes, NULL));
    contract_wait(loop, &record, 1);
    assert_int_equal(record.status, IOCP_OK);
    assert_int_equal(record.result.bytes, 5);
    assert_memory_equal(data, "hello", 5);
    assert_true(CloseHandle(ends.theirs));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TEST(a_read_of_a_pipe_outlives_the_thread_that_started_it),
    };
    return CONTRACT_RUN(tests);
}
