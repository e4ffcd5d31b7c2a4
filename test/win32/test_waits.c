/*
 * Waits for kernel objects, each test in both ways: wait completion packets (through a double where
 * the system has none), and waits that are registered with the thread pool.
 */
#include "unit.h"

#include "backend.h"
#include "win32/sys.h"
#include "win32/wait.h"

#include "threads.h"
#include "win_faults.h"
#include "win_leaks.h"
#include "win_loop.h"
#include "win_packets.h"

#include <string.h>

#define WAITS_MS        IOC_NS_PER_MS
#define WAITS_MANY      1000
#define WAITS_EXIT_CODE 1234

static bool waits_have_packets; /* the way that the tests run in now */

/* How a loop of the test's is to be. */
static struct {
    uint64_t sent_before;
    unsigned failing_unregisters; /* so many more do not take place and say so */
} now;

static BOOL WINAPI waits__unregister(HANDLE registration, HANDLE event)
{
    if (now.failing_unregisters > 0) {
        now.failing_unregisters--;
        SetLastError(ERROR_ACCESS_DENIED);
        return FALSE;
    }
    return win_faults_table()->UnregisterWaitEx(registration, event);
}

/* ---- Set-up and tear-down ---- */

static void waits__open(iocp_completion_mode_t mode)
{
    iocp_loop_options_t options = {
        .completion_mode = (uint32_t)mode,
        .sleep_method = IOCP_SLEEP_PORT, /* so that every packet is a wait's */
    };
    win_open_with(options);
}

static int waits__setup(void **state)
{
    (void)state;
    memset(&now, 0, sizeof now);
    win_begin();
    win_packets_begin();
    win_packets_offer(waits_have_packets ? WIN_PACKETS_ALL : WIN_PACKETS_NONE);
    win.sys = *win_packets_table();
    win.sys.UnregisterWaitEx = waits__unregister;
    waits__open(IOCP_COMPLETION_AUTO);
    return 0;
}

/*
 * The pool ends its wait threads, and closes their handles, when they have had nothing to wait for
 * for some seconds. So one wait is there all the time: only tests with more waits than one thread
 * takes have to be patient.
 */
static HANDLE waits_kept_event;
static HANDLE waits_kept_wait;

static void CALLBACK waits__never(void *context, BOOLEAN is_timeout)
{
    (void)context;
    (void)is_timeout;
}

static int waits__keep_pool(void **state)
{
    (void)state;
    waits_kept_event = CreateEventW(NULL, FALSE, FALSE, NULL);
    return RegisterWaitForSingleObject(&waits_kept_wait, waits_kept_event, waits__never, NULL,
                                       INFINITE, WT_EXECUTEONLYONCE | WT_EXECUTEINWAITTHREAD)
               ? 0
               : -1;
}

static int waits__give_pool(void **state)
{
    (void)state;
    return UnregisterWaitEx(waits_kept_wait, INVALID_HANDLE_VALUE) && CloseHandle(waits_kept_event)
               ? 0
               : -1;
}

static size_t waits__open_handles(size_t expected)
{
    size_t count = win_open_handles();
    for (int i = 0; i < 1500 && count > expected; i++) {
        test_sleep_ms(10);
        count = win_open_handles();
    }
    return count;
}

static int waits__teardown(void **state)
{
    (void)state;
    win_packets_hold_up(WIN_PACKET_FLOWS);
    win_close();
    assert_int_equal(win_packets_misuses(), 0);
    assert_true(win_packets_end());
    assert_int_equal(unit_memory_live(&win.memory), 0);
    assert_true(waits__open_handles(win.handles_before) <= win.handles_before);
    return 0;
}

/* ---- Steps ---- */

static HANDLE waits__event(bool is_manual)
{
    HANDLE event = CreateEventW(NULL, is_manual, FALSE, NULL);
    assert_non_null(event);
    return event;
}

static bool waits__is_signaled(HANDLE object)
{
    return WaitForSingleObject(object, 0) == WAIT_OBJECT_0;
}

static void waits__start(HANDLE object, contract_record *record)
{
    int rearms = record->rearms;
    *record = (contract_record){.rearms = rearms};
    assert_int_equal(iocp_wait(win.loop, object, contract_keep, record, &record->result.op),
                     IOCP_OK);
}

static void waits__cancel(const contract_record *record, contract_record *cancel)
{
    *cancel = (contract_record){0};
    assert_int_equal(iocp_cancel(win.loop, record->result.op, contract_keep, cancel, NULL),
                     IOCP_OK);
}

static void waits__submit(void)
{
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
}

static void waits__turn(void)
{
    assert_int_equal(iocp_loop_tick(win.loop, 0), IOCP_OK);
}

/* A wait that ends as it should, and is not heard of again. */
static void waits__end(const contract_record *record, int status)
{
    win_wait(record, 1);
    assert_int_equal(record->status, status);
    for (int i = 0; i < 3; i++) {
        waits__turn();
    }
    assert_int_equal(record->calls, 1);
}

/* Signals that were taken by a wait of the loop's, whose packet is on its way. */
static uint64_t waits__sent(void)
{
    return waits_have_packets ? win_packets_signals() : win_faults_count_of(WIN_POST);
}

static void waits__note_sent(void)
{
    now.sent_before = waits__sent();
}

static void waits__await_sent(uint64_t count)
{
    while (waits__sent() - now.sent_before < count) {
        test_yield();
    }
}

/* The next `count` calls that would end a wait are refused, and do not take place. */
static void waits__refuse_cancel(void)
{
    if (waits_have_packets) {
        win_packets_refuse_nth(WIN_PACKET_CANCEL, 1, 0xC0000022); /* access denied */
    } else {
        now.failing_unregisters = 1;
    }
}

static iocp_stats_t waits__stats(void)
{
    iocp_stats_t stats = {.size = sizeof stats};
    assert_int_equal(iocp_loop_stats(win.loop, &stats), IOCP_OK);
    return stats;
}

/* ---- Objects ---- */

static void an_auto_reset_event_is_taken_by_one_wait(void **state)
{
    (void)state;
    contract_record records[3] = {{0}};
    HANDLE event = waits__event(false);
    for (int i = 0; i < 3; i++) {
        waits__start(event, &records[i]);
    }
    waits__submit();
    for (int i = 1; i <= 3; i++) {
        assert_true(SetEvent(event));
        assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_ONCE), IOCP_OK);
        waits__turn();
        assert_int_equal(records[0].calls + records[1].calls + records[2].calls, i);
        assert_false(waits__is_signaled(event));
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(records[i].calls, 1);
        assert_int_equal(records[i].status, IOCP_OK);
        assert_int_equal(records[i].result.native_error, 0);
    }
    assert_true(CloseHandle(event));
}

static void a_manual_reset_event_ends_all_waits_and_stays_set(void **state)
{
    (void)state;
    contract_record records[3] = {{0}};
    HANDLE event = waits__event(true);
    for (int i = 0; i < 3; i++) {
        waits__start(event, &records[i]);
    }
    waits__submit();
    assert_true(SetEvent(event));
    for (int i = 0; i < 3; i++) {
        waits__end(&records[i], IOCP_OK);
    }
    assert_true(waits__is_signaled(event));
    assert_true(CloseHandle(event));
}

static void a_semaphore_is_taken_once_for_each_callback(void **state)
{
    (void)state;
    contract_record records[5] = {{0}};
    HANDLE semaphore = CreateSemaphoreW(NULL, 2, 100, NULL);
    for (int i = 0; i < 5; i++) {
        waits__start(semaphore, &records[i]);
    }
    waits__submit();
    assert_true(ReleaseSemaphore(semaphore, 5, NULL));
    for (int i = 0; i < 5; i++) {
        waits__end(&records[i], IOCP_OK);
    }
    assert_true(waits__is_signaled(semaphore));
    assert_true(waits__is_signaled(semaphore));
    assert_false(waits__is_signaled(semaphore));
    assert_true(CloseHandle(semaphore));
}

static void a_waitable_timer_ends_a_wait(void **state)
{
    (void)state;
    contract_record record = {0};
    LARGE_INTEGER due;
    HANDLE timer = CreateWaitableTimerW(NULL, FALSE, NULL);
    waits__start(timer, &record);
    waits__submit();
    due.QuadPart = -20000;
    assert_true(SetWaitableTimer(timer, &due, 0, NULL, NULL, FALSE));
    waits__end(&record, IOCP_OK);
    assert_true(CloseHandle(timer));
}

static void waits__do_nothing(void *arg)
{
    (void)arg;
}

static void a_thread_ends_a_wait(void **state)
{
    (void)state;
    contract_record record = {0};
    test_thread thread;
    assert_true(test_thread_start(&thread, waits__do_nothing, NULL));
    waits__start(thread.native, &record);
    waits__end(&record, IOCP_OK);
    test_thread_join(&thread);
}

/* This program once more, as one that ends at once with WAITS_EXIT_CODE when it is resumed. */
static PROCESS_INFORMATION waits__child(void)
{
    wchar_t path[MAX_PATH];
    wchar_t line[] = L"child child";
    STARTUPINFOW startup = {.cb = sizeof startup};
    PROCESS_INFORMATION child;
    assert_in_range(GetModuleFileNameW(NULL, path, MAX_PATH), 1, MAX_PATH - 1);
    assert_true(CreateProcessW(path, line, NULL, NULL, FALSE, CREATE_SUSPENDED, NULL, NULL,
                               &startup, &child));
    return child;
}

/* On newer Wine it opens a handle that stays. */
static void waits__start_a_first_process(void)
{
    PROCESS_INFORMATION child = waits__child();
    assert_true(ResumeThread(child.hThread) != (DWORD)-1);
    assert_int_equal(WaitForSingleObject(child.hProcess, INFINITE), WAIT_OBJECT_0);
    assert_true(CloseHandle(child.hThread));
    assert_true(CloseHandle(child.hProcess));
}

/* The handle is the loop's from now on. */
static iocp_handle_t waits__adopt(HANDLE process)
{
    iocp_handle_t handle = {0};
    assert_int_equal(iocp_process_adopt(win.loop, process, &handle), IOCP_OK);
    return handle;
}

static void waits__start_process(iocp_handle_t process, contract_record *record)
{
    *record = (contract_record){0};
    assert_int_equal(
        iocp_process_wait(win.loop, process, contract_keep, record, &record->result.op), IOCP_OK);
}

static void a_process_ends_a_wait_with_its_exit_code(void **state)
{
    (void)state;
    contract_record record;
    PROCESS_INFORMATION child = waits__child();
    iocp_handle_t process = waits__adopt(child.hProcess);
    waits__start_process(process, &record);
    waits__turn();
    assert_int_equal(record.calls, 0);
    assert_true(ResumeThread(child.hThread) != (DWORD)-1);
    waits__end(&record, IOCP_OK);
    assert_int_equal(record.result.value, WAITS_EXIT_CODE);
    waits__start_process(process, &record); /* ended already */
    waits__end(&record, IOCP_OK);
    assert_int_equal(record.result.value, WAITS_EXIT_CODE);
    assert_true(CloseHandle(child.hThread));
}

static void a_process_wait_is_cancelled_and_has_no_exit_code_then(void **state)
{
    (void)state;
    contract_record record;
    contract_record cancel;
    PROCESS_INFORMATION child = waits__child();
    iocp_handle_t process = waits__adopt(child.hProcess);
    waits__start_process(process, &record);
    waits__submit();
    waits__cancel(&record, &cancel);
    waits__end(&record, IOCP_ECANCELED);
    assert_int_equal(record.result.value, 0);
    assert_int_equal(win_faults_count_of(WIN_GET_EXIT_CODE), 0);
    assert_true(ResumeThread(child.hThread) != (DWORD)-1);
    assert_int_equal(WaitForSingleObject(child.hProcess, 30000), WAIT_OBJECT_0);
    assert_true(CloseHandle(child.hThread));
}

static void an_exit_code_that_is_refused_is_the_waits_error(void **state)
{
    (void)state;
    contract_record record;
    PROCESS_INFORMATION child = waits__child();
    iocp_handle_t process = waits__adopt(child.hProcess);
    waits__start_process(process, &record);
    waits__submit();
    win_faults_fail_next_of(WIN_GET_EXIT_CODE, 0);
    assert_true(ResumeThread(child.hThread) != (DWORD)-1);
    waits__end(&record, IOCP_EACCES);
    assert_int_equal(record.result.value, 0);
    assert_true(CloseHandle(child.hThread));
}

/* ---- One shot, rearmed, already signaled ---- */

static void a_wait_that_is_rearmed_takes_one_signal_after_another(void **state)
{
    (void)state;
    contract_record record = {.rearms = 99};
    HANDLE semaphore = CreateSemaphoreW(NULL, 0, 200, NULL);
    waits__start(semaphore, &record);
    waits__submit();
    for (int i = 1; i <= 50; i++) {
        assert_true(ReleaseSemaphore(semaphore, 1, NULL));
        win_wait(&record, i);
        assert_int_equal(record.status, IOCP_OK);
    }
    assert_true(ReleaseSemaphore(semaphore, 51, NULL));
    win_wait(&record, 100);
    waits__turn();
    waits__turn();
    assert_int_equal(record.calls, 100);
    assert_true(waits__is_signaled(semaphore));
    assert_false(waits__is_signaled(semaphore));
    assert_true(CloseHandle(semaphore));
}

static void an_object_that_is_signaled_already_ends_its_wait_in_the_next_turn(void **state)
{
    (void)state;
    static const iocp_completion_mode_t modes[] = {IOCP_COMPLETION_AUTO, IOCP_COMPLETION_PACKET};
    for (size_t i = 0; i < IOC_COUNT_OF(modes); i++) {
        contract_record record = {0};
        HANDLE event = waits__event(false);
        waits__open(modes[i]);
        assert_true(SetEvent(event));
        waits__start(event, &record);
        waits__submit();
        assert_int_equal(record.calls, 0);
        assert_false(waits__is_signaled(event));
        bool is_inline = !waits_have_packets && modes[i] == IOCP_COMPLETION_AUTO;
        waits__end(&record, IOCP_OK);
        assert_int_equal((record.result.flags & IOCP_RESULT_INLINE) != 0, is_inline);
        assert_int_equal(waits__stats().packets, is_inline ? 0 : 1);
        assert_int_equal(waits__stats().inline_results, is_inline ? 1 : 0);
        assert_true(CloseHandle(event));
    }
}

static void a_wait_of_an_object_that_is_signaled_already_cannot_be_cancelled(void **state)
{
    (void)state;
    contract_record record = {0};
    contract_record cancel;
    HANDLE event = waits__event(false);
    waits__open(IOCP_COMPLETION_PACKET);
    assert_true(SetEvent(event));
    waits__start(event, &record);
    waits__submit();
    waits__cancel(&record, &cancel);
    waits__end(&record, IOCP_OK);
    assert_int_equal(cancel.calls, 1);
    assert_true(CloseHandle(event));
}

/* ---- Many ---- */

static HANDLE many_events[WAITS_MANY];
static contract_record many_records[WAITS_MANY];

static void waits__start_many(int count)
{
    for (int i = 0; i < count; i++) {
        many_events[i] = waits__event(false);
        many_records[i] = (contract_record){0};
        waits__start(many_events[i], &many_records[i]);
    }
    waits__submit();
}

static void waits__close_many(int count)
{
    for (int i = 0; i < count; i++) {
        assert_true(CloseHandle(many_events[i]));
    }
}

static void a_thousand_waits_are_pending_at_once(void **state)
{
    (void)state;
    uint64_t seed = UNIT_SEED;
    waits__start_many(WAITS_MANY);
    assert_int_equal(waits__stats().kernel, WAITS_MANY);
    for (int left = WAITS_MANY; left > 0; left--) {
        int i = (int)unit_random_below(&seed, WAITS_MANY);
        while (many_records[i].calls > 0) {
            i = (i + 1) % WAITS_MANY;
        }
        assert_true(SetEvent(many_events[i]));
        win_wait(&many_records[i], 1);
        assert_int_equal(many_records[i].status, IOCP_OK);
    }
    waits__turn();
    for (int i = 0; i < WAITS_MANY; i++) {
        assert_int_equal(many_records[i].calls, 1);
    }
    if (waits_have_packets) {
        assert_int_equal(win_packets_count_of(WIN_PACKET_CREATE), WAITS_MANY);
        assert_int_equal(win_packets_open(), IOC_WAIT_PACKETS_KEPT);
    }
    waits__close_many(WAITS_MANY);
}

static void a_thousand_waits_are_cancelled_by_the_end_of_the_loop(void **state)
{
    (void)state;
    waits__start_many(WAITS_MANY);
    win_loop_destroy(&win.loop);
    for (int i = 0; i < WAITS_MANY; i++) {
        assert_int_equal(many_records[i].calls, 1);
        assert_int_equal(many_records[i].status, IOCP_ECANCELED);
        assert_true(SetEvent(many_events[i]));
        assert_true(waits__is_signaled(many_events[i]));
    }
    assert_int_equal(win_packets_open(), 0);
    waits__close_many(WAITS_MANY);
}

static void packets_are_used_again(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        contract_record cancel;
        waits__start_many(5);
        for (int i = 0; i < 4; i++) {
            assert_true(SetEvent(many_events[i]));
        }
        waits__cancel(&many_records[4], &cancel);
        for (int i = 0; i < 5; i++) {
            win_wait(&many_records[i], 1);
        }
        waits__close_many(5);
    }
    assert_int_equal(win_packets_count_of(WIN_PACKET_CREATE), 5);
    assert_int_equal(win_packets_count_of(WIN_PACKET_ASSOCIATE), 250);
    assert_int_equal(win_packets_open(), 5);
    assert_int_equal(waits__stats().kernel, 0);
}

/* Registrations are not handles of the system: each that was made is given back. */
static void registrations_are_given_back(void **state)
{
    (void)state;
    contract_record cancel;
    waits__start_many(10);
    for (int i = 0; i < 5; i++) {
        assert_true(SetEvent(many_events[i]));
        win_wait(&many_records[i], 1);
    }
    waits__cancel(&many_records[5], &cancel);
    win_wait(&many_records[5], 1);
    win_loop_destroy(&win.loop);
    assert_int_equal(win_faults_count_of(WIN_REGISTER_WAIT), 10);
    assert_int_equal(win_faults_count_of(WIN_UNREGISTER_WAIT), 10);
    waits__close_many(10);
}

/* ---- Cancelling ---- */

static void a_cancel_before_the_signal_leaves_the_signal_to_others(void **state)
{
    (void)state;
    contract_record record = {0};
    contract_record cancel;
    HANDLE event = waits__event(false);
    for (int i = 0; i < 20; i++) {
        waits__start(event, &record);
        waits__submit();
        waits__cancel(&record, &cancel);
        waits__submit();
        assert_true(SetEvent(event));
        waits__end(&record, IOCP_ECANCELED);
        assert_int_equal(cancel.calls, 1);
        assert_int_equal(cancel.status, IOCP_OK);
        assert_true(waits__is_signaled(event));
    }
    assert_true(CloseHandle(event));
}

static void a_cancel_after_the_signal_comes_too_late(void **state)
{
    (void)state;
    contract_record record = {0};
    contract_record cancel;
    HANDLE event = waits__event(false);
    for (int i = 0; i < 20; i++) {
        waits__note_sent();
        waits__start(event, &record);
        waits__submit();
        assert_true(SetEvent(event));
        waits__await_sent(1);
        waits__cancel(&record, &cancel);
        waits__end(&record, IOCP_OK);
        assert_int_equal(cancel.calls, 1);
        assert_false(waits__is_signaled(event));
    }
    assert_true(CloseHandle(event));
}

static void a_cancel_that_meets_a_packet_in_flight_is_too_late(void **state)
{
    (void)state;
    contract_record record = {0};
    contract_record cancel;
    HANDLE event = waits__event(false);
    win_packets_hold_up(WIN_PACKET_IN_FLIGHT);
    waits__start(event, &record);
    waits__submit();
    assert_true(SetEvent(event));
    waits__await_sent(1);
    for (int i = 0; i < 3; i++) {
        waits__cancel(&record, &cancel);
        waits__turn();
        waits__turn();
        assert_int_equal(cancel.calls, 1);
        assert_int_equal(cancel.status, IOCP_OK); /* asked for */
        assert_int_equal(record.calls, 0);
    }
    win_packets_hold_up(WIN_PACKET_FLOWS);
    waits__end(&record, IOCP_OK);
    assert_true(CloseHandle(event));
}

static void a_cancel_that_meets_a_packet_that_was_picked_up_is_too_late(void **state)
{
    (void)state;
    contract_record record = {0};
    contract_record cancel;
    HANDLE event = waits__event(false);
    win_packets_hold_up(WIN_PACKET_PICKED_UP);
    waits__start(event, &record);
    waits__submit();
    assert_true(SetEvent(event));
    waits__await_sent(1);
    while (win_packets_in_use() > 0) {
        waits__turn();
    }
    waits__cancel(&record, &cancel);
    waits__turn();
    waits__turn();
    assert_int_equal(cancel.status, IOCP_OK);
    assert_int_equal(record.calls, 0);
    win_packets_hold_up(WIN_PACKET_FLOWS);
    waits__end(&record, IOCP_OK);
    assert_true(CloseHandle(event));
}

static void cancelling_twice_ends_a_wait_once(void **state)
{
    (void)state;
    contract_record record = {0};
    contract_record cancels[2];
    contract_record late;
    HANDLE event = waits__event(false);
    waits__start(event, &record);
    waits__submit();
    waits__cancel(&record, &cancels[0]);
    waits__cancel(&record, &cancels[1]);
    waits__end(&record, IOCP_ECANCELED);
    assert_int_equal(cancels[0].status, IOCP_OK);
    assert_int_equal(cancels[1].status, IOCP_OK); /* its callback is due, and tells it */
    waits__cancel(&record, &late);
    waits__end(&late, IOCP_ENOENT);
    assert_true(CloseHandle(event));
}

/* They stand for this very process and thread, and for their tokens. */
static void a_pseudo_handle_is_no_object_to_wait_for(void **state)
{
    (void)state;
    for (intptr_t number = -1; number >= -6; number--) {
        contract_record record = {0};
        waits__start((HANDLE)number, &record);
        waits__end(&record, IOCP_EBADF);
    }
    assert_int_equal(win_packets_count_of(WIN_PACKET_ASSOCIATE), 0);
    assert_int_equal(win_faults_count_of(WIN_TRY_WAIT), 0);
}

static void a_wait_goes_on_if_its_cancel_is_refused(void **state)
{
    (void)state;
    contract_record record = {0};
    contract_record cancel;
    HANDLE event = waits__event(false);
    waits__start(event, &record);
    waits__submit();
    waits__refuse_cancel();
    waits__cancel(&record, &cancel);
    waits__end(&cancel, IOCP_EACCES);
    assert_int_equal(cancel.result.native_error, ERROR_ACCESS_DENIED);
    assert_int_equal(record.calls, 0);
    assert_true(SetEvent(event));
    waits__end(&record, IOCP_OK);

    waits__start(event, &record); /* and it can be cancelled later */
    waits__submit();
    waits__refuse_cancel();
    waits__cancel(&record, &cancel);
    waits__end(&cancel, IOCP_EACCES);
    waits__cancel(&record, &cancel);
    waits__end(&record, IOCP_ECANCELED);
    assert_true(CloseHandle(event));
}

static void a_wait_that_is_cancelled_by_its_neighbour_in_the_batch(void **state)
{
    (void)state;
    contract_record first = {0};
    contract_record second = {0};
    contract_record cancel;
    HANDLE events[2] = {waits__event(false), waits__event(false)};
    waits__note_sent();
    waits__start(events[0], &first);
    waits__start(events[1], &second);
    waits__submit();
    assert_true(SetEvent(events[0]));
    assert_true(SetEvent(events[1]));
    waits__await_sent(2);
    win_wait(&first, 1);
    waits__cancel(&second, &cancel);
    win_wait(&cancel, 1);
    waits__end(&second, IOCP_OK);
    assert_true(CloseHandle(events[0]));
    assert_true(CloseHandle(events[1]));
}

/* ---- Deadlines ---- */

static void a_deadline_ends_a_wait_and_leaves_the_signal_to_others(void **state)
{
    (void)state;
    contract_record record = {0};
    HANDLE event = waits__event(false);
    waits__start(event, &record);
    assert_int_equal(iocp_op_deadline(win.loop, record.result.op, 2 * WAITS_MS), IOCP_OK);
    waits__end(&record, IOCP_ETIMEDOUT);
    assert_true(SetEvent(event));
    assert_true(waits__is_signaled(event));
    assert_true(CloseHandle(event));
}

static void a_signal_that_was_quicker_than_the_deadline_counts(void **state)
{
    (void)state;
    contract_record record = {0};
    HANDLE event = waits__event(false);
    waits__note_sent();
    waits__start(event, &record);
    assert_int_equal(iocp_op_deadline(win.loop, record.result.op, 5 * WAITS_MS), IOCP_OK);
    waits__submit();
    assert_true(SetEvent(event));
    waits__await_sent(1);
    test_sleep_ms(10);
    waits__end(&record, IOCP_OK);
    assert_true(CloseHandle(event));
}

static void a_deadline_whose_cancel_is_refused_asks_again(void **state)
{
    (void)state;
    contract_record record = {0};
    HANDLE event = waits__event(false);
    waits__start(event, &record);
    assert_int_equal(iocp_op_deadline(win.loop, record.result.op, WAITS_MS), IOCP_OK);
    waits__refuse_cancel();
    waits__end(&record, IOCP_ETIMEDOUT);
    assert_true(CloseHandle(event));
}

/* ---- Refusals ---- */

static void waits__fail(HANDLE object, int status)
{
    contract_record record = {0};
    waits__start(object, &record);
    waits__end(&record, status);
    assert_int_not_equal(record.result.native_error, 0);
    assert_int_equal(waits__stats().kernel, 0);
    assert_int_equal(win_packets_in_use(), 0);
}

static void what_cannot_be_waited_for_is_the_waits_error(void **state)
{
    (void)state;
    HANDLE event = waits__event(false);
    HANDLE no_synchronize;
    assert_true(DuplicateHandle(GetCurrentProcess(), event, GetCurrentProcess(), &no_synchronize,
                                EVENT_MODIFY_STATE, FALSE, 0));
    waits__fail((HANDLE)(uintptr_t)0xABCD0, IOCP_EBADF);
    waits__fail(INVALID_HANDLE_VALUE, IOCP_EBADF);
    waits__fail(no_synchronize, IOCP_EACCES);
    assert_true(CloseHandle(no_synchronize));
    assert_true(CloseHandle(event));
}

static void a_refusal_of_the_system_is_the_waits_error(void **state)
{
    (void)state;
    contract_record record = {0};
    HANDLE event = waits__event(false);
    if (waits_have_packets) {
        win_packets_refuse_nth(WIN_PACKET_CREATE, 1, 0xC0000017); /* no memory */
        waits__fail(event, IOCP_ENOMEM);
        assert_int_equal(win_packets_open(), 0);
        win_packets_refuse_nth(WIN_PACKET_ASSOCIATE, 1, 0xC0000022); /* access denied */
        waits__fail(event, IOCP_EACCES);
        assert_int_equal(win_packets_open(), 1);
    } else {
        win_faults_fail_next_of(WIN_TRY_WAIT, 0);
        waits__fail(event, IOCP_EACCES);
        win_faults_fail_next_of(WIN_REGISTER_WAIT, 0);
        waits__fail(event, IOCP_ENOMEM);
    }
    waits__start(event, &record); /* nothing of it is left */
    waits__submit();
    assert_true(SetEvent(event));
    waits__end(&record, IOCP_OK);
    assert_int_equal(win_packets_count_of(WIN_PACKET_CREATE), waits_have_packets ? 2 : 0);
    assert_true(CloseHandle(event));
}

static void a_packet_that_the_wait_thread_cannot_post_is_not_needed(void **state)
{
    (void)state;
    HANDLE event = waits__event(false);
    win_faults_fail_all_of(WIN_POST, 0);
    for (int i = 0; i < 100; i++) {
        contract_record record = {0};
        waits__note_sent();
        waits__start(event, &record);
        waits__submit();
        assert_true(SetEvent(event));
        if (i % 2 == 0) {
            waits__await_sent(1); /* mostly before the loop sleeps */
        }
        waits__end(&record, IOCP_OK);
    }
    assert_int_equal(waits__stats().packets, 100);
    assert_true(CloseHandle(event));
}

static void a_packet_that_the_loops_own_thread_cannot_post_is_not_needed(void **state)
{
    (void)state;
    contract_record record = {0};
    HANDLE event = waits__event(false);
    waits__open(IOCP_COMPLETION_PACKET);
    win_faults_fail_all_of(WIN_POST, 0);
    assert_true(SetEvent(event));
    waits__start(event, &record);
    waits__end(&record, IOCP_OK);
    assert_int_equal(record.result.flags & IOCP_RESULT_INLINE, 0);
    assert_true(CloseHandle(event));
}

/* ---- Ends ---- */

static void the_object_may_be_closed_in_the_callback(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        contract_record record = {0};
        HANDLE event = waits__event(false);
        waits__start(event, &record);
        waits__submit();
        assert_true(SetEvent(event));
        win_wait(&record, 1);
        assert_true(CloseHandle(event));
    }
}

static void a_loop_ends_with_waits_in_every_state(void **state)
{
    (void)state;
    contract_record cancel;
    waits__note_sent();
    waits__start_many(8);
    assert_true(SetEvent(many_events[0]));
    assert_true(SetEvent(many_events[1]));
    waits__await_sent(2);
    waits__cancel(&many_records[2], &cancel);
    many_records[7] = (contract_record){0};
    assert_true(SetEvent(many_events[7]));
    waits__await_sent(3);
    assert_int_equal(iocp_wait(win.loop, many_events[6], contract_keep, &many_records[7], NULL),
                     IOCP_OK); /* not started yet */
    win_loop_destroy(&win.loop);
    for (int i = 0; i < 7; i++) {
        assert_int_equal(many_records[i].calls, 1);
        assert_int_equal(many_records[i].status, i < 2 ? IOCP_OK : IOCP_ECANCELED);
    }
    assert_int_equal(many_records[7].calls, 2);
    waits__close_many(8);
}

static void a_loop_does_not_end_before_a_packet_in_flight(void **state)
{
    (void)state;
    contract_record record = {0};
    HANDLE event = waits__event(false);
    win_packets_hold_up(WIN_PACKET_IN_FLIGHT);
    waits__start(event, &record);
    waits__submit();
    assert_true(SetEvent(event));
    waits__await_sent(1);
    assert_int_equal(iocp_loop_destroy(win.loop, WAITS_MS), IOCP_ETIMEDOUT);
    assert_int_equal(record.calls, 0);
    win_packets_hold_up(WIN_PACKET_FLOWS);
    win_loop_destroy(&win.loop);
    assert_int_equal(record.calls, 1);
    assert_int_equal(record.status, IOCP_OK);
    assert_true(CloseHandle(event));
}

static void a_loop_that_may_not_cancel_waits_for_the_signal(void **state)
{
    (void)state;
    contract_record record = {0};
    HANDLE event = waits__event(false);
    waits__note_sent();
    waits__start(event, &record);
    waits__submit();
    waits__refuse_cancel();
    assert_int_equal(iocp_loop_destroy(win.loop, 0), IOCP_ETIMEDOUT);
    assert_int_equal(record.calls, 0);
    assert_true(SetEvent(event));
    waits__await_sent(1);
    win_loop_destroy(&win.loop);
    assert_int_equal(record.calls, 1);
    assert_int_equal(record.status, IOCP_OK);
    assert_true(CloseHandle(event));
}

static void a_loop_that_may_not_cancel_asks_again(void **state)
{
    (void)state;
    contract_record record = {0};
    HANDLE event = waits__event(false);
    waits__start(event, &record);
    waits__submit();
    waits__refuse_cancel();
    win_loop_destroy(&win.loop);
    assert_int_equal(record.calls, 1);
    assert_int_equal(record.status, IOCP_ECANCELED);
    assert_true(CloseHandle(event));
}

/* ---- Races ---- */

#define RACE_SIGNALS 2000

typedef struct wait_race {
    HANDLE semaphore;
    ioc_atomic_u32 is_over;
} wait_race;

static void waits__release_all(void *arg)
{
    wait_race *race = arg;
    for (int i = 0; i < RACE_SIGNALS; i++) {
        (void)ReleaseSemaphore(race->semaphore, 1, NULL);
        if (i % 7 == 0) {
            test_yield();
        }
    }
    ioc_store_u32(&race->is_over, 1);
}

static uint32_t waits__left(HANDLE semaphore)
{
    uint32_t left = 0;
    while (waits__is_signaled(semaphore)) {
        left++;
    }
    return left;
}

/* Each signal is taken by one wait that says so, or is there yet. */
static void no_signal_is_taken_twice_or_by_a_wait_that_was_cancelled(void **state)
{
    (void)state;
    wait_race race = {.semaphore = CreateSemaphoreW(NULL, 0, RACE_SIGNALS, NULL)};
    test_thread thread;
    uint32_t taken = 0;
    uint32_t cancelled = 0;
    assert_true(test_thread_start(&thread, waits__release_all, &race));
    while (ioc_load_u32(&race.is_over) == 0) {
        contract_record record = {0};
        contract_record cancel;
        waits__start(race.semaphore, &record);
        waits__submit();
        waits__cancel(&record, &cancel);
        win_wait(&record, 1);
        taken += record.status == IOCP_OK;
        cancelled += record.status == IOCP_ECANCELED;
        assert_true(record.status == IOCP_OK || record.status == IOCP_ECANCELED);
    }
    test_thread_join(&thread);
    taken += waits__left(race.semaphore);
    if (waits_have_packets) {
        assert_int_equal(taken, RACE_SIGNALS);
    } else { /* the pool may take one and then see that its wait is gone: wait.h */
        assert_in_range(taken, 1, RACE_SIGNALS);
    }
    assert_true(taken + cancelled > 0);
    assert_true(CloseHandle(race.semaphore));
}

typedef struct wait_setter {
    test_thread thread;
    HANDLE event;
    ioc_atomic_u32 *go;
} wait_setter;

static void waits__set_when_told(void *arg)
{
    wait_setter *setter = arg;
    while (ioc_load_u32(setter->go) == 0) {
        test_yield();
    }
    (void)SetEvent(setter->event);
}

static void a_loop_ends_while_signals_come(void **state)
{
    (void)state;
    HANDLE event = waits__event(true);
    for (int i = 0; i < 100; i++) {
        ioc_atomic_u32 go = {0};
        wait_setter setter = {.event = event, .go = &go};
        assert_true(ResetEvent(event));
        waits__open(IOCP_COMPLETION_AUTO);
        assert_true(test_thread_start(&setter.thread, waits__set_when_told, &setter));
        for (int k = 0; k < 8; k++) {
            many_records[k] = (contract_record){0};
            waits__start(event, &many_records[k]);
        }
        waits__submit();
        if (i % 3 == 0) {
            win_faults_fail_all_of(WIN_POST, 0);
        }
        ioc_store_u32(&go, 1);
        win_loop_destroy(&win.loop);
        win_faults_stop();
        test_thread_join(&setter.thread);
        for (int k = 0; k < 8; k++) {
            assert_int_equal(many_records[k].calls, 1);
            assert_true(many_records[k].status == IOCP_OK ||
                        many_records[k].status == IOCP_ECANCELED);
        }
    }
    assert_true(CloseHandle(event));
}

#define WAITS_TEST(function) \
    cmocka_unit_test_setup_teardown(function, waits__setup, waits__teardown)

#define WAITS_RUN(name, tests) \
    cmocka_run_group_tests_name(name, tests, waits__keep_pool, waits__give_pool)

/* What both ways have to show. */
static int waits__run_common(const char *name)
{
    const struct CMUnitTest tests[] = {
        WAITS_TEST(an_auto_reset_event_is_taken_by_one_wait),
        WAITS_TEST(a_manual_reset_event_ends_all_waits_and_stays_set),
        WAITS_TEST(a_semaphore_is_taken_once_for_each_callback),
        WAITS_TEST(a_waitable_timer_ends_a_wait),
        WAITS_TEST(a_thread_ends_a_wait),
        WAITS_TEST(a_process_ends_a_wait_with_its_exit_code),
        WAITS_TEST(a_process_wait_is_cancelled_and_has_no_exit_code_then),
        WAITS_TEST(an_exit_code_that_is_refused_is_the_waits_error),
        WAITS_TEST(a_wait_that_is_rearmed_takes_one_signal_after_another),
        WAITS_TEST(an_object_that_is_signaled_already_ends_its_wait_in_the_next_turn),
        WAITS_TEST(a_wait_of_an_object_that_is_signaled_already_cannot_be_cancelled),
        WAITS_TEST(a_thousand_waits_are_pending_at_once),
        WAITS_TEST(a_thousand_waits_are_cancelled_by_the_end_of_the_loop),
        WAITS_TEST(a_cancel_before_the_signal_leaves_the_signal_to_others),
        WAITS_TEST(a_cancel_after_the_signal_comes_too_late),
        WAITS_TEST(cancelling_twice_ends_a_wait_once),
        WAITS_TEST(a_pseudo_handle_is_no_object_to_wait_for),
        WAITS_TEST(a_wait_goes_on_if_its_cancel_is_refused),
        WAITS_TEST(a_wait_that_is_cancelled_by_its_neighbour_in_the_batch),
        WAITS_TEST(a_deadline_ends_a_wait_and_leaves_the_signal_to_others),
        WAITS_TEST(a_signal_that_was_quicker_than_the_deadline_counts),
        WAITS_TEST(a_deadline_whose_cancel_is_refused_asks_again),
        WAITS_TEST(what_cannot_be_waited_for_is_the_waits_error),
        WAITS_TEST(a_refusal_of_the_system_is_the_waits_error),
        WAITS_TEST(a_packet_that_the_loops_own_thread_cannot_post_is_not_needed),
        WAITS_TEST(the_object_may_be_closed_in_the_callback),
        WAITS_TEST(a_loop_ends_with_waits_in_every_state),
        WAITS_TEST(a_loop_that_may_not_cancel_waits_for_the_signal),
        WAITS_TEST(a_loop_that_may_not_cancel_asks_again),
        WAITS_TEST(no_signal_is_taken_twice_or_by_a_wait_that_was_cancelled),
        WAITS_TEST(a_loop_ends_while_signals_come),
    };
    return WAITS_RUN(name, tests);
}

static int waits__run_packets(void)
{
    const struct CMUnitTest tests[] = {
        WAITS_TEST(packets_are_used_again),
        WAITS_TEST(a_cancel_that_meets_a_packet_in_flight_is_too_late),
        WAITS_TEST(a_cancel_that_meets_a_packet_that_was_picked_up_is_too_late),
        WAITS_TEST(a_loop_does_not_end_before_a_packet_in_flight),
    };
    waits_have_packets = true;
    return waits__run_common("wait completion packets") +
           WAITS_RUN("wait completion packets alone", tests);
}

static int waits__run_registered(void)
{
    const struct CMUnitTest tests[] = {
        WAITS_TEST(registrations_are_given_back),
        WAITS_TEST(a_packet_that_the_wait_thread_cannot_post_is_not_needed),
    };
    waits_have_packets = false;
    return waits__run_common("registered waits") + WAITS_RUN("registered waits alone", tests);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "child") == 0) {
        return WAITS_EXIT_CODE;
    }
    win_catch_crashes();
    waits__start_a_first_process();
    return waits__run_packets() + waits__run_registered();
}
