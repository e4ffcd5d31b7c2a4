/*
 * Making processes end on Windows, each test with both ways to wait: who is asked and how, an asking that
 * takes its time, trees, and what the system refuses. The children are this program again.
 */
#include "contract_object.h"

#include "unit.h"

#include "win32/sys.h"

#include "win_faults.h"
#include "win_leaks.h"
#include "win_loop.h"
#include "win_packets.h"

#include <string.h>

#define STOP_EXIT_CODE 0xC000013Au /* STATUS_CONTROL_C_EXIT */
#define STOP_MS        IOC_NS_PER_MS
#define STOP_LASTING   (1000000 * STOP_MS) /* a grace that does not pass */

/* ---- One test ---- */

static bool stop_has_packets; /* the way to wait that the tests run in now */

static struct {
    contract_spawn spawn;
    iocp_handle_t child; /* on the loop */
    HANDLE native;       /* of the same, our own */
    uint32_t id;
    contract_record stopped;
} now;

/* How Ctrl-Break is made here, and what came of that. */
static struct {
    uint32_t calls;
    DWORD event;
    DWORD group;
    DWORD thread_id;
    HANDLE begun;
    HANDLE read;
    HANDLE write;
    PTP_WORK held;
} asked;

static int stop__setup(void **state)
{
    iocp_loop_options_t options = {.sleep_method = IOCP_SLEEP_PORT};
    (void)state;
    memset(&now, 0, sizeof now);
    memset(&asked, 0, sizeof asked);
    win_begin();
    win_packets_begin();
    win_packets_offer(stop_has_packets ? WIN_PACKETS_ALL : WIN_PACKETS_NONE);
    win.sys = *win_packets_table();
    asked.begun = contract_event_create(false, false);
    assert_true(CreatePipe(&asked.read, &asked.write, NULL, 0));
    contract_spawn_open(&now.spawn);
    win_open_with(options);
    return 0;
}

static int stop__teardown(void **state)
{
    win_close();
    if (now.native != NULL) {
        (void)TerminateProcess(now.native, 0);
        (void)WaitForSingleObject(now.native, INFINITE);
        contract_object_close(now.native);
    }
    contract_spawn_close(&now.spawn);
    contract_object_close(asked.begun);
    contract_object_close(asked.read);
    contract_object_close(asked.write);
    assert_true(win_packets_end()); /* which has threads */
    return win_end(state);
}

/* A child that waits for its orders. */
static void stop__spawn(uint32_t flags)
{
    contract_record started = {0};
    void *native = NULL;
    now.spawn.options.flags = flags;
    assert_int_equal(iocp_spawn(win.loop, &now.spawn.options, contract_keep, &started, NULL),
                     IOCP_OK);
    win_wait(&started, 1);
    assert_int_equal(started.status, IOCP_OK);
    now.child = started.result.opened;
    now.id = (uint32_t)started.result.value;
    assert_int_equal(iocp_handle_native(win.loop, now.child, &native), IOCP_OK);
    now.native = contract_object_duplicate(native);
}

static void stop__forget_child(void)
{
    (void)TerminateProcess(now.native, 0);
    assert_int_equal(WaitForSingleObject(now.native, INFINITE), WAIT_OBJECT_0);
    contract_object_close(now.native);
    now.native = NULL;
}

static iocp_op_t stop__start(uint64_t grace_ns)
{
    iocp_op_t op = {0};
    memset(&now.stopped, 0, sizeof now.stopped);
    assert_int_equal(
        iocp_process_stop(win.loop, now.child, grace_ns, contract_keep, &now.stopped, &op),
        IOCP_OK);
    return op;
}

static int stop__run(uint64_t grace_ns)
{
    (void)stop__start(grace_ns);
    win_wait(&now.stopped, 1);
    return now.stopped.status;
}

static bool stop__was_forced(void)
{
    return (now.stopped.result.flags & IOCP_RESULT_FORCED) != 0;
}

static bool stop__is_running(void)
{
    return !contract_object_try(now.native);
}

/* ---- Asking ---- */

/* A console whose children heed Ctrl-Break, and end with 5. */
static BOOL WINAPI asked__heed(DWORD event, DWORD group)
{
    asked.calls++;
    asked.event = event;
    asked.group = group;
    asked.thread_id = GetCurrentThreadId();
    return TerminateProcess(now.native, 5);
}

static void a_group_is_asked_once_and_by_the_pool(void **state)
{
    static const uint64_t graces[] = {STOP_LASTING, UINT64_MAX};
    (void)state;
    win.sys.GenerateConsoleCtrlEvent = asked__heed;
    for (size_t i = 0; i < IOC_COUNT_OF(graces); i++) {
        asked.calls = 0;
        stop__spawn(IOCP_SPAWN_GROUP);
        assert_int_equal(stop__run(graces[i]), IOCP_OK);
        assert_int_equal(now.stopped.result.value, 5);
        assert_false(stop__was_forced());
        assert_int_equal(asked.calls, 1);
        assert_int_equal(asked.event, CTRL_BREAK_EVENT);
        assert_int_equal(asked.group, now.id);
        assert_int_not_equal(asked.thread_id, GetCurrentThreadId());
        assert_int_equal(stop__run(graces[i]), IOCP_OK); /* nobody is there to be asked */
        assert_int_equal(now.stopped.result.value, 5);
        assert_int_equal(asked.calls, 1);
        stop__forget_child();
    }
}

static void nobody_is_asked_without_a_grace(void **state)
{
    (void)state;
    win.sys.GenerateConsoleCtrlEvent = asked__heed;
    stop__spawn(IOCP_SPAWN_GROUP);
    assert_int_equal(stop__run(0), IOCP_OK);
    assert_int_equal(now.stopped.result.value, STOP_EXIT_CODE);
    assert_true(stop__was_forced());
    assert_int_equal(asked.calls, 0);
}

static void without_a_group_on_our_console_nobody_is_asked(void **state)
{
    static const uint32_t flags[] = {
        0,
        IOCP_SPAWN_GROUP | IOCP_SPAWN_NO_WINDOW,
        IOCP_SPAWN_GROUP | IOCP_SPAWN_DETACHED,
        IOCP_SPAWN_TREE,
    };
    (void)state;
    win.sys.GenerateConsoleCtrlEvent = asked__heed;
    for (size_t i = 0; i < IOC_COUNT_OF(flags); i++) {
        stop__spawn(flags[i]);
        assert_int_equal(stop__run(UINT64_MAX), IOCP_ENOTSUP);
        assert_true(stop__is_running());
        assert_int_equal(stop__run(STOP_MS), IOCP_OK);
        assert_true(stop__was_forced());
        stop__forget_child();
    }
    assert_int_equal(asked.calls, 0);
}

static void a_console_that_does_not_know_the_group_cannot_ask(void **state)
{
    (void)state;
    stop__spawn(IOCP_SPAWN_GROUP);
    win_faults_fail_all_of(WIN_RAISE_CONSOLE, ERROR_INVALID_PARAMETER);
    assert_int_equal(stop__run(UINT64_MAX), IOCP_ENOTSUP);
    assert_int_equal(now.stopped.result.native_error, ERROR_INVALID_PARAMETER);
    assert_true(stop__is_running());
    assert_int_equal(stop__run(STOP_MS), IOCP_OK); /* the program may have asked in another way */
    assert_true(stop__was_forced());
    assert_int_equal(win_faults_count_of(WIN_RAISE_CONSOLE), 2);
}

static BOOL WINAPI asked__end_and_fail(DWORD event, DWORD group)
{
    (void)asked__heed(event, group);
    (void)WaitForSingleObject(now.native, INFINITE);
    SetLastError(ERROR_INVALID_PARAMETER);
    return FALSE;
}

static void a_process_that_ends_as_it_is_asked_has_ended(void **state)
{
    (void)state;
    win.sys.GenerateConsoleCtrlEvent = asked__end_and_fail;
    stop__spawn(IOCP_SPAWN_GROUP);
    assert_int_equal(stop__run(UINT64_MAX), IOCP_OK);
    assert_int_equal(now.stopped.result.value, 5);
}

/* A console whose children do not heed it the first time. */
static BOOL WINAPI asked__heed_the_second_time(DWORD event, DWORD group)
{
    return asked.calls > 0 ? asked__heed(event, group) : ++asked.calls > 0;
}

static uint64_t stop__waits(void)
{
    return win_packets_count_of(WIN_PACKET_ASSOCIATE) + win_faults_count_of(WIN_REGISTER_WAIT);
}

static void a_stop_that_is_rearmed_asks_again(void **state)
{
    (void)state;
    win.sys.GenerateConsoleCtrlEvent = asked__heed_the_second_time;
    stop__spawn(IOCP_SPAWN_GROUP);
    uint64_t waits_before = stop__waits();
    iocp_op_t op = stop__start(UINT64_MAX);
    now.stopped.rearms = 1;
    while (stop__waits() == waits_before) { /* for the end, once it has asked */
        assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    }
    assert_int_equal(asked.calls, 1);
    assert_int_equal(iocp_cancel(win.loop, op, NULL, NULL, NULL), IOCP_OK);
    win_wait(&now.stopped, 1);
    assert_int_equal(now.stopped.status, IOCP_ECANCELED);
    win_wait(&now.stopped, 2);
    assert_int_equal(now.stopped.status, IOCP_OK);
    assert_int_equal(now.stopped.result.value, 5);
    assert_int_equal(asked.calls, 2);
}

/* ---- A console that takes its time ---- */

/* It waits in a read until it is cancelled, or the test lets it go. */
static BOOL WINAPI asked__hang(DWORD event, DWORD group)
{
    char byte;
    DWORD bytes = 0;
    (void)event;
    (void)group;
    asked.calls++;
    (void)SetEvent(asked.begun);
    return ReadFile(asked.read, &byte, 1, &bytes, NULL);
}

static void asked__let_go(void)
{
    DWORD bytes = 0;
    assert_true(WriteFile(asked.write, "x", 1, &bytes, NULL));
}

/* It is in the read, or will be at once. */
static BOOL WINAPI asked__cancel(HANDLE thread)
{
    while (!CancelSynchronousIo(thread)) {
        assert_int_equal(GetLastError(), ERROR_NOT_FOUND);
        (void)SwitchToThread();
    }
    return TRUE;
}

static iocp_op_t asked__start(uint64_t grace_ns)
{
    win.sys.GenerateConsoleCtrlEvent = asked__hang;
    win.sys.CancelSynchronousIo = asked__cancel;
    stop__spawn(IOCP_SPAWN_GROUP);
    iocp_op_t op = stop__start(grace_ns);
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    contract_object_block(asked.begun);
    return op;
}

static void assert_stopped_asking(int status)
{
    assert_int_equal(now.stopped.calls, 1);
    assert_int_equal(now.stopped.status, status);
    assert_int_equal(now.stopped.result.value, 0);
    assert_false(stop__was_forced());
    assert_true(stop__is_running());
}

static void an_asking_that_hangs_ends_by_a_cancel(void **state)
{
    (void)state;
    iocp_op_t op = asked__start(UINT64_MAX);
    assert_int_equal(iocp_cancel(win.loop, op, NULL, NULL, NULL), IOCP_OK);
    win_wait(&now.stopped, 1);
    assert_stopped_asking(IOCP_ECANCELED);
}

static void an_asking_that_hangs_ends_by_a_deadline(void **state)
{
    (void)state;
    iocp_op_t op = asked__start(STOP_LASTING);
    assert_int_equal(iocp_op_deadline(win.loop, op, STOP_MS), IOCP_OK);
    win_wait(&now.stopped, 1);
    assert_stopped_asking(IOCP_ETIMEDOUT);
}

static void an_asking_that_hangs_ends_with_its_handle(void **state)
{
    contract_record closed = {0};
    (void)state;
    (void)asked__start(STOP_LASTING);
    assert_int_equal(iocp_close(win.loop, now.child, contract_keep, &closed, NULL), IOCP_OK);
    win_wait(&closed, 1);
    assert_stopped_asking(IOCP_ECANCELED);
}

static void an_asking_that_hangs_ends_with_its_loop(void **state)
{
    (void)state;
    (void)asked__start(STOP_LASTING);
    win_loop_destroy(&win.loop);
    assert_stopped_asking(IOCP_ECANCELED);
}

/* There is no call that could be ended, and the asking succeeds. */
static BOOL WINAPI asked__cancel_too_late(HANDLE thread)
{
    (void)thread;
    asked__let_go();
    SetLastError(ERROR_NOT_FOUND);
    return FALSE;
}

static void a_cancel_while_it_asks_keeps_it_from_waiting(void **state)
{
    (void)state;
    iocp_op_t op = asked__start(STOP_LASTING);
    win.sys.CancelSynchronousIo = asked__cancel_too_late;
    assert_int_equal(iocp_cancel(win.loop, op, NULL, NULL, NULL), IOCP_OK);
    win_wait(&now.stopped, 1);
    assert_stopped_asking(IOCP_ECANCELED);
}

static void a_grace_that_passes_while_it_asks_ends_the_process(void **state)
{
    (void)state;
    (void)asked__start(STOP_MS);
    while (stop__is_running()) {
        assert_int_equal(iocp_loop_tick(win.loop, 0), IOCP_OK);
    }
    assert_int_equal(now.stopped.calls, 0); /* not before the pool is through with it */
    asked__let_go();
    win_wait(&now.stopped, 1);
    assert_int_equal(now.stopped.status, IOCP_OK);
    assert_int_equal(now.stopped.result.value, STOP_EXIT_CODE);
    assert_true(stop__was_forced());
}

static void a_process_that_cannot_be_ended_while_it_is_asked_is_told_of(void **state)
{
    (void)state;
    (void)asked__start(STOP_MS);
    win_faults_fail_all_of(WIN_END_PROCESS, ERROR_INVALID_PARAMETER);
    win_wait(&now.stopped, 1);
    assert_stopped_asking(IOCP_EINVAL);
    assert_int_equal(now.stopped.result.native_error, ERROR_INVALID_PARAMETER);
}

static void WINAPI asked__hold(PTP_WORK work)
{
    asked.held = work;
}

static void an_asking_that_has_not_begun_is_taken_back_at_once(void **state)
{
    (void)state;
    stop__spawn(IOCP_SPAWN_GROUP);
    win.sys.SubmitThreadpoolWork = asked__hold;
    win.sys.GenerateConsoleCtrlEvent = asked__heed;
    iocp_op_t op = stop__start(STOP_LASTING);
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    assert_non_null(asked.held);
    assert_int_equal(iocp_cancel(win.loop, op, NULL, NULL, NULL), IOCP_OK);
    win_wait(&now.stopped, 1);
    assert_stopped_asking(IOCP_ECANCELED);
    assert_int_equal(asked.calls, 0);
}

/* ---- Trees ---- */

/* A parent whose child is there. */
static HANDLE tree__spawn(uint32_t flags)
{
    contract_spawn_be_parent(&now.spawn);
    stop__spawn(flags);
    return contract_spawn_child(&now.spawn, now.id);
}

static void a_tree_is_ended_with_its_first_process(void **state)
{
    (void)state;
    HANDLE child = tree__spawn(IOCP_SPAWN_TREE);
    assert_int_equal(stop__run(STOP_MS), IOCP_OK);
    assert_int_equal(now.stopped.result.value, STOP_EXIT_CODE);
    assert_true(stop__was_forced());
    assert_int_equal(WaitForSingleObject(child, INFINITE), WAIT_OBJECT_0);
    assert_int_equal(win_faults_count_of(WIN_END_PROCESS), 0);
    assert_true(CloseHandle(child));
}

static void a_tree_whose_rest_cannot_be_ended_is_told_of(void **state)
{
    (void)state;
    stop__spawn(IOCP_SPAWN_TREE);
    contract_spawn_order_end(&now.spawn, now.id, 3);
    assert_int_equal(WaitForSingleObject(now.native, INFINITE), WAIT_OBJECT_0);
    win_faults_fail_next_of(WIN_END_JOB, ERROR_NOT_ENOUGH_MEMORY);
    assert_int_equal(stop__run(0), IOCP_ENOMEM);
    assert_int_equal(stop__run(0), IOCP_OK);
    assert_int_equal(now.stopped.result.value, 3);
}

/* ---- Ends that are refused ---- */

static void a_process_that_ends_by_itself_was_not_forced(void **state)
{
    (void)state;
    stop__spawn(0);
    win_faults_fail_all_of(WIN_END_PROCESS, ERROR_ACCESS_DENIED); /* it is ending */
    (void)stop__start(0);
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    assert_int_equal(iocp_loop_tick(win.loop, 0), IOCP_OK);
    assert_int_equal(now.stopped.calls, 0);
    assert_int_equal(win_faults_count_of(WIN_END_PROCESS), 1);
    contract_spawn_order_end(&now.spawn, now.id, 8);
    win_wait(&now.stopped, 1);
    assert_int_equal(now.stopped.status, IOCP_OK);
    assert_int_equal(now.stopped.result.value, 8);
    assert_false(stop__was_forced());
}

static FARPROC WINAPI stop__find_no_rights(HMODULE module, const char *name)
{
    return strcmp(name, "NtQueryObject") == 0 ? NULL
                                              : win_packets_table()->GetProcAddress(module, name);
}

static void where_a_handle_does_not_say_its_rights_it_has_none(void **state)
{
    (void)state;
    stop__spawn(0);
    win_faults_fail_next_of(WIN_END_PROCESS, ERROR_ACCESS_DENIED);
    win_faults_fail_next_of(WIN_GET_MODULE, 0);
    assert_int_equal(stop__run(0), IOCP_EACCES);
    win.sys.GetProcAddress = stop__find_no_rights;
    win_faults_fail_next_of(WIN_END_PROCESS, ERROR_ACCESS_DENIED);
    assert_int_equal(stop__run(0), IOCP_EACCES);
    assert_true(stop__is_running());
}

/* As TerminateJobObject may, it says that it has ended what was quicker. */
static BOOL WINAPI stop__be_slower(HANDLE process, UINT exit_code)
{
    (void)exit_code;
    return TerminateProcess(process, 8);
}

static void one_that_was_quicker_than_its_end_was_not_forced(void **state)
{
    (void)state;
    win.sys.TerminateProcess = stop__be_slower;
    stop__spawn(0);
    assert_int_equal(stop__run(0), IOCP_OK);
    assert_int_equal(now.stopped.result.value, 8);
    assert_false(stop__was_forced());
}

static void a_handle_without_the_right_is_denied_access(void **state)
{
    const DWORD access = SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION;
    static const uint64_t graces[] = {0, STOP_MS};
    HANDLE guarded = NULL;
    (void)state;
    stop__spawn(0);
    assert_true(DuplicateHandle(GetCurrentProcess(), now.native, GetCurrentProcess(), &guarded,
                                access, FALSE, 0));
    assert_int_equal(iocp_process_adopt(win.loop, guarded, &now.child), IOCP_OK);
    for (size_t i = 0; i < IOC_COUNT_OF(graces); i++) {
        assert_int_equal(stop__run(graces[i]), IOCP_EACCES);
        assert_int_equal(now.stopped.result.native_error, ERROR_ACCESS_DENIED);
        assert_true(stop__is_running());
    }
}

static void why_a_stop_has_failed_is_not_told_of_the_next(void **state)
{
    (void)state;
    stop__spawn(0);
    win_faults_fail_all_of(WIN_END_PROCESS, 0);
    iocp_op_t op = stop__start(STOP_MS);
    now.stopped.rearms = 1;
    win_wait(&now.stopped, 1);
    assert_int_equal(now.stopped.status, IOCP_ENOMEM);
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK); /* a turn begins with cancels */
    assert_int_equal(iocp_cancel(win.loop, op, NULL, NULL, NULL), IOCP_OK);
    win_wait(&now.stopped, 2);
    assert_int_equal(now.stopped.status, IOCP_ECANCELED);
    assert_int_equal(win_faults_count_of(WIN_END_PROCESS), 1);
}

static void what_the_system_says_of_an_end_is_told(void **state)
{
    static const uint64_t graces[] = {0, STOP_MS};
    static const uint32_t flags[] = {0, IOCP_SPAWN_TREE};
    (void)state;
    for (size_t i = 0; i < IOC_COUNT_OF(flags); i++) {
        stop__spawn(flags[i]);
        for (size_t k = 0; k < IOC_COUNT_OF(graces); k++) {
            win_faults_fail_next_of(i == 0 ? WIN_END_PROCESS : WIN_END_JOB, 0);
            assert_int_equal(stop__run(graces[k]), IOCP_ENOMEM);
            assert_int_equal(now.stopped.result.native_error, ERROR_NOT_ENOUGH_MEMORY);
            assert_true(stop__is_running());
        }
        assert_int_equal(stop__run(0), IOCP_OK);
        assert_true(stop__was_forced());
        stop__forget_child();
    }
}

/* ---- What fails leaves nothing ---- */

/* A stop of a child with everything, which has no grace but for the asking. */
static void whole__run(void)
{
    bool is_started = iocp_process_stop(win.loop, now.child, STOP_MS, contract_keep, &now.stopped,
                                        NULL) == IOCP_OK;
    for (int i = 0; is_started && now.stopped.calls == 0 && i < 100; i++) {
        (void)iocp_loop_run(win.loop, IOCP_RUN_ONCE);
    }
    assert_int_equal(now.stopped.calls, is_started);
}

static void whole__begin(void)
{
    memset(&now.stopped, 0, sizeof now.stopped);
    stop__spawn(IOCP_SPAWN_GROUP | IOCP_SPAWN_TREE);
    win_faults_reset();
}

static bool whole__end(void)
{
    win_faults_stop();
    unit_memory_allow(&win.memory, UINT64_MAX);
    bool is_whole = now.stopped.calls == 1 && now.stopped.status == IOCP_OK;
    assert_true(!is_whole || !stop__is_running());
    assert_int_equal(iocp_close(win.loop, now.child, NULL, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    stop__forget_child();
    return is_whole;
}

static void any_one_system_call_of_a_stop_may_fail(void **state)
{
    uint64_t k = 0;
    bool has_struck = true;
    (void)state;
    while (has_struck) {
        whole__begin();
        win_faults_fail_nth(++k);
        whole__run();
        has_struck = win_faults_struck() > 0;
        assert_true(whole__end() || has_struck);
    }
    print_message("%u calls were made to fail\n", (unsigned)k - 1);
    assert_true(k > 8);
}

static void any_one_allocation_of_a_stop_may_be_refused(void **state)
{
    uint64_t allowed = 0;
    bool is_whole = false;
    (void)state;
    while (!is_whole) {
        win_loop_destroy(&win.loop); /* a fresh one has no memory to spare */
        assert_int_equal(win_loop_try_create(&win.sys, &win.memory,
                                             (iocp_loop_options_t){.sleep_method = IOCP_SLEEP_PORT},
                                             &win.loop),
                         IOCP_OK);
        whole__begin();
        unit_memory_allow(&win.memory, allowed++);
        whole__run();
        is_whole = whole__end();
    }
    print_message("%u allocations were refused\n", (unsigned)allowed - 1);
    assert_true(allowed > 1);
}

#define STOP_TEST(function) cmocka_unit_test_setup_teardown(function, stop__setup, stop__teardown)

static int stop__run_tests(const char *name, bool has_packets)
{
    const struct CMUnitTest stop_tests[] = {
        STOP_TEST(a_group_is_asked_once_and_by_the_pool),
        STOP_TEST(nobody_is_asked_without_a_grace),
        STOP_TEST(without_a_group_on_our_console_nobody_is_asked),
        STOP_TEST(a_console_that_does_not_know_the_group_cannot_ask),
        STOP_TEST(a_process_that_ends_as_it_is_asked_has_ended),
        STOP_TEST(a_stop_that_is_rearmed_asks_again),
        STOP_TEST(an_asking_that_hangs_ends_by_a_cancel),
        STOP_TEST(an_asking_that_hangs_ends_by_a_deadline),
        STOP_TEST(an_asking_that_hangs_ends_with_its_handle),
        STOP_TEST(an_asking_that_hangs_ends_with_its_loop),
        STOP_TEST(a_cancel_while_it_asks_keeps_it_from_waiting),
        STOP_TEST(a_grace_that_passes_while_it_asks_ends_the_process),
        STOP_TEST(a_process_that_cannot_be_ended_while_it_is_asked_is_told_of),
        STOP_TEST(an_asking_that_has_not_begun_is_taken_back_at_once),
        STOP_TEST(a_tree_is_ended_with_its_first_process),
        STOP_TEST(a_tree_whose_rest_cannot_be_ended_is_told_of),
        STOP_TEST(a_process_that_ends_by_itself_was_not_forced),
        STOP_TEST(where_a_handle_does_not_say_its_rights_it_has_none),
        STOP_TEST(one_that_was_quicker_than_its_end_was_not_forced),
        STOP_TEST(a_handle_without_the_right_is_denied_access),
        STOP_TEST(why_a_stop_has_failed_is_not_told_of_the_next),
        STOP_TEST(what_the_system_says_of_an_end_is_told),
        STOP_TEST(any_one_system_call_of_a_stop_may_fail),
        STOP_TEST(any_one_allocation_of_a_stop_may_be_refused),
    };
    stop_has_packets = has_packets;
    return cmocka_run_group_tests_name(name, stop_tests, NULL, NULL);
}

int main(void)
{
    contract_object_begin();
    win_catch_crashes();
    return stop__run_tests("wait completion packets", true) +
           stop__run_tests("registered waits", false);
}
