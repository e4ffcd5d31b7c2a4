/* Waits on a system without wait completion packets: by the wait thread of the process's pool. */
#include "contract_object.h"

#include "unit.h"

#include "win32/sys.h"

#include "threads.h"
#include "win_faults.h"
#include "win_leaks.h"
#include "win_loop.h"

#include <string.h>

typedef struct wait_test {
    HANDLE event;      /* what is waited for */
    HANDLE posted;     /* set when a packet has been posted, or refused */
    HANDLE may_leave;  /* the wait thread stays in its callback until it is set, unless NULL */
    HANDLE completion; /* what the last UnregisterWaitEx was given */
    int set_before;    /* how often that was an event that was set already */
    ULONG flags;       /* of the last registration, and its time limit */
    ULONG timeout_ms;
    ioc_atomic_u32 has_left;
    HANDLE asleep; /* set when the loop is about to sleep without a time limit */
} wait_test;

static wait_test wait_now;

/* ---- Spies ---- */

/* The wait is quicker than the cancel, by as little as can be. */
static BOOL WINAPI wait__spy_late_unregister(HANDLE registration, HANDLE completion)
{
    (void)SetEvent(wait_now.event);
    (void)WaitForSingleObject(wait_now.posted, INFINITE);
    wait_now.completion = completion;
    return UnregisterWaitEx(registration, completion);
}

static BOOL WINAPI wait__spy_unregister(HANDLE registration, HANDLE completion)
{
    wait_now.completion = completion;
    if (completion != INVALID_HANDLE_VALUE) {
        wait_now.set_before += WaitForSingleObject(completion, 0) == WAIT_OBJECT_0;
    }
    return win_faults_table()->UnregisterWaitEx(registration, completion);
}

static BOOL WINAPI wait__spy_register(HANDLE *registration, HANDLE object,
                                      WAITORTIMERCALLBACK function, void *context, ULONG timeout_ms,
                                      ULONG flags)
{
    wait_now.timeout_ms = timeout_ms;
    wait_now.flags = flags;
    return win_faults_table()->RegisterWaitForSingleObject(registration, object, function, context,
                                                           timeout_ms, flags);
}

static BOOL WINAPI wait__spy_post(HANDLE port, DWORD bytes, ULONG_PTR key, OVERLAPPED *overlapped)
{
    BOOL is_good = win_faults_table()->PostQueuedCompletionStatus(port, bytes, key, overlapped);
    (void)SetEvent(wait_now.posted);
    if (wait_now.may_leave != NULL) {
        (void)WaitForSingleObject(wait_now.may_leave, INFINITE);
        ioc_add_u32(&wait_now.has_left, 1);
    }
    return is_good;
}

/* The cancel waits for the wait thread: now that may leave. */
static DWORD WINAPI wait__spy_let_go(HANDLE object, DWORD timeout_ms)
{
    if (object == wait_now.completion && timeout_ms == INFINITE) {
        (void)SetEvent(wait_now.may_leave);
    }
    return win_faults_table()->WaitForSingleObject(object, timeout_ms);
}

static BOOL WINAPI wait__spy_dequeue(HANDLE port, OVERLAPPED_ENTRY *entries, ULONG capacity,
                                     ULONG *count, DWORD timeout_ms, BOOL is_alertable)
{
    if (timeout_ms == INFINITE) {
        (void)SetEvent(wait_now.asleep);
    }
    return win_faults_table()->GetQueuedCompletionStatusEx(port, entries, capacity, count,
                                                           timeout_ms, is_alertable);
}

/* ---- One test ---- */

static void wait__create_loop(iocp_completion_mode_t mode)
{
    win_faults_fail_all_of(WIN_GET_PROC, 0); /* so that it finds no wait completion packets */
    win_open(mode);
    win_faults_stop();
}

static int wait__setup(void **state)
{
    (void)state;
    memset(&wait_now, 0, sizeof wait_now);
    win_begin();
    win.sys.PostQueuedCompletionStatus = wait__spy_post;
    win.sys.GetQueuedCompletionStatusEx = wait__spy_dequeue;
    wait_now.event = contract_event_create(false, false);
    wait_now.posted = contract_event_create(false, false);
    wait_now.asleep = contract_event_create(false, false);
    wait__create_loop(IOCP_COMPLETION_AUTO);
    return 0;
}

static int wait__teardown(void **state)
{
    win_close();
    contract_object_close(wait_now.event);
    contract_object_close(wait_now.posted);
    contract_object_close(wait_now.asleep);
    if (wait_now.may_leave != NULL) {
        contract_object_close(wait_now.may_leave);
    }
    return win_end(state);
}

/* ---- Steps ---- */

static iocp_op_t wait__start(contract_record *record)
{
    iocp_op_t op = {0};
    assert_int_equal(iocp_wait(win.loop, wait_now.event, contract_keep, record, &op), IOCP_OK);
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    return op;
}

static void wait__run(void)
{
    assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
}

static void wait__turn(void)
{
    assert_int_equal(iocp_loop_tick(win.loop, 0), IOCP_OK);
}

/* ---- Registered, and unregistered ---- */

static void a_wait_is_registered_and_unregistered_once(void **state)
{
    contract_record record = {.rearms = 9};
    (void)state;
    (void)wait__start(&record);
    for (int i = 1; i <= 10; i++) {
        assert_int_equal(win_faults_count_of(WIN_REGISTER_WAIT), i);
        assert_int_equal(win_faults_count_of(WIN_UNREGISTER_WAIT), i - 1);
        contract_event_set(wait_now.event);
        while (record.calls < i) {
            assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_ONCE), IOCP_OK);
        }
        assert_int_equal(record.status, IOCP_OK);
        assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    }
    assert_int_equal(win_faults_count_of(WIN_UNREGISTER_WAIT), 10);
}

static void what_is_signaled_already_is_not_registered(void **state)
{
    static const iocp_completion_mode_t modes[] = {IOCP_COMPLETION_AUTO, IOCP_COMPLETION_PACKET};
    (void)state;
    for (size_t i = 0; i < IOC_COUNT_OF(modes); i++) {
        contract_record record = {0};
        bool is_inline = modes[i] == IOCP_COMPLETION_AUTO;
        wait__create_loop(modes[i]);
        uint64_t packets = win_faults_count_of(WIN_POST);
        contract_event_set(wait_now.event);
        (void)wait__start(&record);
        wait__run();
        win_expect(&record, 1, IOCP_OK, 0);
        assert_int_equal(record.result.flags, is_inline ? IOCP_RESULT_INLINE : 0);
        assert_int_equal(win_faults_count_of(WIN_POST) - packets, is_inline ? 0 : 1);
        assert_false(contract_object_try(wait_now.event));
    }
    assert_int_equal(win_faults_count_of(WIN_REGISTER_WAIT), 0);
}

static void a_cancel_that_a_signal_overtakes_delivers_the_success_once(void **state)
{
    (void)state;
    win.sys.UnregisterWaitEx = wait__spy_late_unregister;
    wait__create_loop(IOCP_COMPLETION_AUTO);
    for (int i = 0; i < 20; i++) {
        contract_record record = {0};
        contract_record cancel = {0};
        iocp_op_t op = wait__start(&record);
        assert_int_equal(iocp_cancel(win.loop, op, contract_keep, &cancel, NULL), IOCP_OK);
        wait__run();
        wait__turn();
        win_expect(&record, 1, IOCP_OK, 0);
        win_expect(&cancel, 1, IOCP_OK, 0);
        assert_false(contract_object_try(wait_now.event));
    }
}

/* Whoever unloads the library behind the loop's end finds no thread in it. */
static void a_cancel_that_a_signal_overtakes_waits_until_the_wait_thread_has_left(void **state)
{
    contract_record record = {0};
    (void)state;
    win_loop_destroy(&win.loop);
    wait_now.may_leave = contract_event_create(true, false);
    win.sys.UnregisterWaitEx = wait__spy_late_unregister;
    win.sys.WaitForSingleObject = wait__spy_let_go;
    wait__create_loop(IOCP_COMPLETION_AUTO);
    iocp_op_t op = wait__start(&record);
    assert_int_equal(iocp_cancel(win.loop, op, NULL, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    uint32_t has_left = ioc_load_u32(&wait_now.has_left);
    contract_event_set(wait_now.may_leave); /* at the latest */
    wait__run();
    win_expect(&record, 1, IOCP_OK, 0);
    assert_int_equal(has_left, 1);
}

/* One that was left set by the last cancel would not wait for the thread. */
static void the_event_of_a_cancel_is_not_set_before_it(void **state)
{
    (void)state;
    win.sys.UnregisterWaitEx = wait__spy_unregister;
    wait__create_loop(IOCP_COMPLETION_AUTO);
    for (int i = 0; i < 5; i++) {
        contract_record record = {0};
        iocp_op_t op = wait__start(&record);
        assert_int_equal(iocp_cancel(win.loop, op, NULL, NULL, NULL), IOCP_OK);
        wait__run();
        win_expect(&record, 1, IOCP_ECANCELED, ERROR_OPERATION_ABORTED);
    }
    assert_int_equal(wait_now.set_before, 0);
}

/* In the wait thread, where no other work can delay it; a manual event would go on and on. */
static void a_wait_is_registered_for_one_signal_and_for_as_long_as_it_takes(void **state)
{
    contract_record record = {0};
    (void)state;
    win.sys.RegisterWaitForSingleObject = wait__spy_register;
    wait__create_loop(IOCP_COMPLETION_AUTO);
    (void)wait__start(&record);
    assert_int_equal(wait_now.flags, WT_EXECUTEONLYONCE | WT_EXECUTEINWAITTHREAD);
    assert_int_equal(wait_now.timeout_ms, INFINITE);
    contract_event_set(wait_now.event);
    wait__run();
    win_expect(&record, 1, IOCP_OK, 0);
}

static void wait__take_for_good(void *mutex)
{
    (void)WaitForSingleObject(mutex, INFINITE);
}

static void a_mutex_whose_thread_has_ended_is_signaled(void **state)
{
    (void)state;
    test_thread owner;
    contract_record record = {0};
    HANDLE mutex = CreateMutexW(NULL, FALSE, NULL);
    assert_non_null(mutex);
    assert_true(test_thread_start(&owner, wait__take_for_good, mutex));
    test_thread_join(&owner);
    assert_int_equal(iocp_wait(win.loop, mutex, contract_keep, &record, NULL), IOCP_OK);
    wait__run();
    win_expect(&record, 1, IOCP_OK, 0);
    assert_true(ReleaseMutex(mutex)); /* it was taken, by the loop's thread */
    assert_true(CloseHandle(mutex));
}

static void a_wait_that_has_ended_waits_until_the_wait_thread_has_left(void **state)
{
    contract_record record = {0};
    (void)state;
    win.sys.UnregisterWaitEx = wait__spy_unregister;
    wait__create_loop(IOCP_COMPLETION_AUTO);
    (void)wait__start(&record);
    contract_event_set(wait_now.event);
    wait__run();
    win_expect(&record, 1, IOCP_OK, 0);
    assert_ptr_equal(wait_now.completion,
                     INVALID_HANDLE_VALUE); /* which has the call itself wait */
}

static void a_cancel_after_the_signal_does_not_unregister_twice(void **state)
{
    contract_record record = {0};
    (void)state;
    iocp_op_t op = wait__start(&record);
    contract_event_set(wait_now.event);
    contract_object_block(wait_now.posted);
    assert_int_equal(iocp_cancel(win.loop, op, NULL, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    assert_int_equal(win_faults_count_of(WIN_UNREGISTER_WAIT), 0); /* nothing to cancel */
    wait__run();
    win_expect(&record, 1, IOCP_OK, 0);
    assert_int_equal(win_faults_count_of(WIN_UNREGISTER_WAIT), 1);
}

static void a_cancelled_wait_leaves_no_packet(void **state)
{
    contract_record record = {0};
    contract_record other = {0};
    (void)state;
    iocp_op_t op = wait__start(&record);
    assert_int_equal(iocp_cancel(win.loop, op, NULL, NULL, NULL), IOCP_OK);
    wait__run();
    win_expect(&record, 1, IOCP_ECANCELED, ERROR_OPERATION_ABORTED);
    contract_event_set(wait_now.event);
    (void)wait__start(&other); /* perhaps in the memory of the first */
    wait__run();
    wait__turn();
    assert_int_equal(record.calls, 1);
    win_expect(&other, 1, IOCP_OK, 0);
}

/* ---- Refusals ---- */

static void a_wait_that_is_refused_says_why_and_can_be_tried_again(void **state)
{
    contract_record record = {.rearms = 2};
    (void)state;
    win_faults_fail_next_of(WIN_TRY_WAIT, 0);
    iocp_op_t op = wait__start(&record);
    wait__turn();
    win_expect(&record, 1, IOCP_EACCES, ERROR_ACCESS_DENIED);
    win_faults_fail_next_of(WIN_REGISTER_WAIT, 0);
    wait__turn();
    assert_int_equal(record.calls, 2);
    assert_int_equal(record.status, IOCP_ENOMEM);
    wait__turn();
    assert_int_equal(record.calls, 2);
    assert_int_equal(iocp_op_state(win.loop, op), IOCP_OP_ACTIVE);
    contract_event_set(wait_now.event);
    wait__run();
    assert_int_equal(record.calls, 3);
    assert_int_equal(record.status, IOCP_OK);
}

static void a_cancel_that_is_refused_leaves_the_wait(void **state)
{
    contract_record record = {0};
    contract_record cancel = {0};
    (void)state;
    iocp_op_t op = wait__start(&record);
    win_faults_fail_next_of(WIN_UNREGISTER_WAIT, ERROR_NOT_ENOUGH_MEMORY);
    assert_int_equal(iocp_cancel(win.loop, op, contract_keep, &cancel, NULL), IOCP_OK);
    for (int i = 0; i < 3; i++) {
        wait__turn();
    }
    win_expect(&cancel, 1, IOCP_ENOMEM, ERROR_NOT_ENOUGH_MEMORY);
    assert_int_equal(record.calls, 0);
    contract_event_set(wait_now.event);
    wait__run();
    win_expect(&record, 1, IOCP_OK, 0);
}

static void a_deadline_that_is_refused_is_tried_again(void **state)
{
    contract_record record = {0};
    (void)state;
    iocp_op_t op = wait__start(&record);
    win_faults_fail_next_of(WIN_UNREGISTER_WAIT, ERROR_NOT_ENOUGH_MEMORY);
    assert_int_equal(iocp_op_deadline(win.loop, op, IOC_NS_PER_MS), IOCP_OK);
    wait__run();
    win_expect(&record, 1, IOCP_ETIMEDOUT, ERROR_OPERATION_ABORTED);
    assert_int_equal(win_faults_count_of(WIN_UNREGISTER_WAIT), 2);
}

static void destroy_ends_a_wait_whose_cancel_was_refused(void **state)
{
    contract_record record = {.rearms = 5};
    (void)state;
    (void)wait__start(&record);
    win_faults_fail_next_of(WIN_UNREGISTER_WAIT, ERROR_NOT_ENOUGH_MEMORY);
    assert_int_equal(iocp_loop_destroy(win.loop, 0), IOCP_ETIMEDOUT);
    assert_int_equal(record.calls, 0);
    win_loop_destroy(&win.loop);
    win_expect(&record, 1, IOCP_ECANCELED, ERROR_OPERATION_ABORTED);
}

static void wait__signal_the_sleeper(void *unused)
{
    (void)unused;
    contract_object_block(wait_now.asleep);
    contract_event_set(wait_now.event);
}

static void a_wait_whose_packet_is_refused_wakes_a_loop_that_sleeps(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        test_thread thread;
        contract_record record = {0};
        win_faults_fail_all_of(WIN_POST, 0);
        (void)wait__start(&record);
        assert_true(test_thread_start(&thread, wait__signal_the_sleeper, NULL));
        wait__run();
        test_thread_join(&thread);
        win_faults_stop();
        win_expect(&record, 1, IOCP_OK, 0);
    }
    assert_int_equal(win_faults_count_of(WIN_QUEUE_APC), 20);
}

static void what_is_signaled_already_comes_back_when_its_packet_is_refused(void **state)
{
    contract_record record = {0};
    (void)state;
    wait__create_loop(IOCP_COMPLETION_PACKET);
    win_faults_fail_all_of(WIN_POST, 0);
    win_faults_fail_all_of(WIN_QUEUE_APC, 0);
    contract_event_set(wait_now.event);
    (void)wait__start(&record);
    wait__run();
    win_expect(&record, 1, IOCP_OK, 0);
}

#define WAIT_TEST(function) cmocka_unit_test_setup_teardown(function, wait__setup, wait__teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WAIT_TEST(a_wait_is_registered_and_unregistered_once),
        WAIT_TEST(what_is_signaled_already_is_not_registered),
        WAIT_TEST(a_cancel_that_a_signal_overtakes_delivers_the_success_once),
        WAIT_TEST(a_cancel_that_a_signal_overtakes_waits_until_the_wait_thread_has_left),
        WAIT_TEST(the_event_of_a_cancel_is_not_set_before_it),
        WAIT_TEST(a_wait_is_registered_for_one_signal_and_for_as_long_as_it_takes),
        WAIT_TEST(a_mutex_whose_thread_has_ended_is_signaled),
        WAIT_TEST(a_wait_that_has_ended_waits_until_the_wait_thread_has_left),
        WAIT_TEST(a_cancel_after_the_signal_does_not_unregister_twice),
        WAIT_TEST(a_cancelled_wait_leaves_no_packet),
        WAIT_TEST(a_wait_that_is_refused_says_why_and_can_be_tried_again),
        WAIT_TEST(a_cancel_that_is_refused_leaves_the_wait),
        WAIT_TEST(a_deadline_that_is_refused_is_tried_again),
        WAIT_TEST(destroy_ends_a_wait_whose_cancel_was_refused),
        WAIT_TEST(a_wait_whose_packet_is_refused_wakes_a_loop_that_sleeps),
        WAIT_TEST(what_is_signaled_already_comes_back_when_its_packet_is_refused),
    };
    contract_object_begin();
    win_catch_crashes();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
