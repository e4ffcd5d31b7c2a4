/*
 * Loops that are woken when the machine resumes: Windows' function by a double, as is the sleep of the
 * machine, in which the clock goes on and waits do not.
 */
#include "unit.h"

#include "win32/sys.h"

#include "contract_env.h"
#include "contract_object.h"
#include "threads.h"
#include "win_faults.h"
#include "win_leaks.h"
#include "win_loop.h"

#include <string.h>

#define RESUMED   18u /* PBT_APMRESUMEAUTOMATIC */
#define SUSPENDED 4u
#define BY_USER   7u

#define RESUME_CALLERS 3
#define RESUME_LOOPS   100

typedef ULONG(CALLBACK *told_fn)(void *context, ULONG event, void *setting);

typedef struct subscription {
    told_fn function;
    void *context;
} subscription;

static struct {
    ioc_atomic_ptr told; /* the loops' function; NULL: it was never registered */
    void *context;
    int registrations;
    int given_back;
    DWORD answer;             /* of the next registration */
    const char *missing;      /* a function that the system does not have */
    bool waits;               /* to give it up waits for calls that are under way */
    SRWLOCK calls;            /* then, held by these */
    ioc_atomic_u32 has_slept; /* the machine, for an hour */
    LONGLONG hour;            /* in counts of the clock */
    HANDLE sleeping;          /* set before the loop sleeps, unless NULL */
    ioc_atomic_u32 is_over;
} now;

/* ---- Doubles ---- */

static DWORD WINAPI power__register(DWORD flags, HANDLE recipient, void **registration)
{
    const subscription *given = recipient;
    assert_int_equal(flags, 2); /* DEVICE_NOTIFY_CALLBACK */
    if (now.answer != ERROR_SUCCESS) {
        return now.answer;
    }
    now.registrations++;
    now.context = given->context;
    ioc_store_ptr(&now.told, (void *)(uintptr_t)given->function);
    *registration = &now;
    return ERROR_SUCCESS;
}

static DWORD WINAPI power__unregister(void *registration)
{
    assert_ptr_equal(registration, &now);
    if (now.waits) {
        AcquireSRWLockExclusive(&now.calls);
        ReleaseSRWLockExclusive(&now.calls);
    }
    now.given_back++;
    return ERROR_SUCCESS;
}

static FARPROC WINAPI spy__get_proc(HMODULE module, const char *name)
{
    uintptr_t function = (uintptr_t)win_faults_table()->GetProcAddress(module, name);
    if (strcmp(name, "PowerRegisterSuspendResumeNotification") == 0) {
        function = (uintptr_t)power__register;
    } else if (strcmp(name, "PowerUnregisterSuspendResumeNotification") == 0) {
        function = (uintptr_t)power__unregister;
    }
    bool is_missing = now.missing != NULL && strcmp(name, now.missing) == 0;
    return is_missing ? NULL : (FARPROC)function;
}

static BOOL WINAPI spy__counter(LARGE_INTEGER *count)
{
    BOOL is_read = win_faults_table()->QueryPerformanceCounter(count);
    count->QuadPart += ioc_load_u32(&now.has_slept) != 0 ? now.hour : 0;
    return is_read;
}

static BOOL WINAPI spy__dequeue(HANDLE port, OVERLAPPED_ENTRY *entries, ULONG capacity,
                                ULONG *count, DWORD timeout_ms, BOOL is_alertable)
{
    if (timeout_ms > 0 && now.sleeping != NULL) {
        contract_event_set(now.sleeping);
    }
    return win_faults_table()->GetQueuedCompletionStatusEx(port, entries, capacity, count,
                                                           timeout_ms, is_alertable);
}

/* As a thread of Windows' does. */
static void power__tell(ULONG event)
{
    told_fn function = (told_fn)(uintptr_t)ioc_load_ptr(&now.told);
    AcquireSRWLockShared(&now.calls);
    if (function != NULL) {
        assert_int_equal(function(now.context, event, NULL), ERROR_SUCCESS);
    }
    ReleaseSRWLockShared(&now.calls);
}

/* ---- The environment ---- */

static int resume__setup(void **state)
{
    LARGE_INTEGER frequency;
    (void)state;
    memset(&now, 0, sizeof now);
    assert_true(QueryPerformanceFrequency(&frequency));
    now.hour = frequency.QuadPart * 3600;
    win_begin();
    win.sys.GetProcAddress = spy__get_proc;
    win.sys.QueryPerformanceCounter = spy__counter;
    win.sys.GetQueuedCompletionStatusEx = spy__dequeue;
    return 0;
}

static void resume__open(void)
{
    win_open_with((iocp_loop_options_t){.wake_on_resume = 1});
}

static int resume__try_open(iocp_loop_t **loop)
{
    return win_loop_try_create(&win.sys, &win.memory, (iocp_loop_options_t){.wake_on_resume = 1},
                               loop);
}

/* ---- What it does ---- */

/* When the loop sleeps the machine does, for an hour, and resumes. */
static void machine__sleep(void *arg)
{
    (void)arg;
    assert_int_equal(WaitForSingleObject(now.sleeping, INFINITE), WAIT_OBJECT_0);
    ioc_store_u32(&now.has_slept, 1);
    power__tell(BY_USER);
    power__tell(RESUMED);
}

/* A timer of half an hour fires, one of two hours does not; without the wake that takes minutes. */
static void check_overdue(void)
{
    contract_record due = {0};
    contract_record not_due = {0};
    test_thread machine;
    now.sleeping = contract_event_create(true, false);
    resume__open();
    assert_int_equal(iocp_timer(win.loop, 1800 * S, contract_keep, &due, NULL), IOCP_OK);
    assert_int_equal(iocp_timer(win.loop, 7200 * S, contract_keep, &not_due, NULL), IOCP_OK);
    assert_true(test_thread_start(&machine, machine__sleep, NULL));
    win_wait(&due, 1);
    win_expect(&due, 1, IOCP_OK, 0);
    test_thread_join(&machine);
    assert_int_equal(not_due.calls, 0);
    win_close();
    contract_object_close(now.sleeping);
    now.sleeping = NULL;
}

static void what_is_overdue_runs_when_the_machine_resumes(void **state)
{
    (void)state;
    check_overdue();
}

/* The sleeping thread is alerted. */
static void it_runs_also_if_the_system_has_no_packet(void **state)
{
    (void)state;
    win_faults_fail_all_of(WIN_POST, 0);
    check_overdue();
}

/* Going to sleep is nothing, nor that somebody is there again. */
static void only_the_resume_itself_wakes(void **state)
{
    (void)state;
    resume__open();
    uint64_t posts = win_faults_count_of(WIN_POST);
    power__tell(SUSPENDED);
    power__tell(BY_USER);
    assert_int_equal(win_faults_count_of(WIN_POST), posts);
    power__tell(RESUMED);
    assert_int_equal(win_faults_count_of(WIN_POST), posts + 1);
    assert_int_equal(iocp_loop_tick(win.loop, 0), IOCP_OK);
    iocp_stats_t stats = {.size = sizeof stats};
    assert_int_equal(iocp_loop_stats(win.loop, &stats), IOCP_OK);
    assert_int_equal(stats.foreign_packets, 0);
}

/* Each loop that asks, and no other. */
static void it_is_registered_once_while_a_loop_asks_for_it(void **state)
{
    (void)state;
    iocp_loop_t *loops[3] = {NULL};
    win_open(IOCP_COMPLETION_AUTO);
    assert_int_equal(now.registrations, 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(resume__try_open(&loops[i]), IOCP_OK);
        assert_int_equal(now.registrations, 1);
    }
    uint64_t posts = win_faults_count_of(WIN_POST);
    power__tell(RESUMED);
    assert_int_equal(win_faults_count_of(WIN_POST), posts + 3);
    win_loop_destroy(&loops[1]);
    win_loop_destroy(&loops[0]);
    power__tell(RESUMED);
    assert_int_equal(win_faults_count_of(WIN_POST), posts + 4);
    assert_int_equal(now.given_back, 0);
    win_loop_destroy(&loops[2]);
    assert_int_equal(now.given_back, 1);
    power__tell(RESUMED); /* late, and for nobody */
    assert_int_equal(win_faults_count_of(WIN_POST), posts + 4);
    resume__open();
    assert_int_equal(now.registrations, 2);
}

/* ---- Who calls while a loop ends ---- */

static void caller__run(void *arg)
{
    (void)arg;
    while (ioc_load_u32(&now.is_over) == 0) {
        power__tell(RESUMED);
        test_yield();
    }
}

static void check_race(bool waits)
{
    test_thread callers[RESUME_CALLERS];
    now.waits = waits;
    for (int i = 0; i < RESUME_CALLERS; i++) {
        assert_true(test_thread_start(&callers[i], caller__run, NULL));
    }
    for (int i = 0; i < RESUME_LOOPS; i++) {
        iocp_loop_t *loops[2] = {NULL};
        assert_int_equal(resume__try_open(&loops[0]), IOCP_OK);
        assert_int_equal(resume__try_open(&loops[1]), IOCP_OK);
        assert_int_equal(iocp_loop_tick(loops[i % 2], 0), IOCP_OK);
        win_loop_destroy(&loops[i % 2]);
        win_loop_destroy(&loops[1 - i % 2]);
    }
    ioc_store_u32(&now.is_over, 1);
    for (int i = 0; i < RESUME_CALLERS; i++) {
        test_thread_join(&callers[i]);
    }
    assert_int_equal(now.registrations, RESUME_LOOPS);
    assert_int_equal(now.given_back, RESUME_LOOPS);
}

static void a_call_that_races_with_a_loops_end_touches_nothing_of_it(void **state)
{
    (void)state;
    check_race(false);
}

/* Whoever gives it up waits then for a call, and this for nobody. */
static void to_give_it_up_may_wait_for_calls(void **state)
{
    (void)state;
    check_race(true);
}

/* ---- Refused ---- */

static void a_system_that_does_not_tell_is_not_supported(void **state)
{
    static const char *const names[] = {"PowerRegisterSuspendResumeNotification",
                                        "PowerUnregisterSuspendResumeNotification"};
    iocp_loop_t *loop = NULL;
    (void)state;
    for (size_t i = 0; i < IOC_COUNT_OF(names); i++) {
        now.missing = names[i];
        assert_int_equal(resume__try_open(&loop), IOCP_ENOTSUP);
        assert_null(loop);
    }
    now.missing = NULL;
    win_faults_fail_next_of(WIN_LOAD_LIBRARY, 0);
    assert_int_equal(resume__try_open(&loop), IOCP_ENOTSUP);
    assert_int_equal(now.registrations, 0);
    resume__open(); /* the next time it may */
    assert_int_equal(now.registrations, 1);
}

static void what_the_system_says_to_a_registration_is_told(void **state)
{
    iocp_loop_t *loop = NULL;
    (void)state;
    now.answer = ERROR_NOT_ENOUGH_MEMORY;
    assert_int_equal(resume__try_open(&loop), IOCP_ENOMEM);
    assert_null(loop);
    assert_int_equal(now.given_back, 0);
    now.answer = ERROR_SUCCESS;
    resume__open();
    win_close();
    assert_int_equal(now.given_back, 1);
}

static void each_call_and_allocation_of_such_a_loop_may_fail(void **state)
{
    bool has_struck = true;
    (void)state;
    for (uint64_t n = 1; has_struck; n++) {
        iocp_loop_t *loop = NULL;
        win_faults_reset();
        win_faults_fail_nth(n);
        (void)resume__try_open(&loop);
        has_struck = win_faults_struck() > 0;
        win_faults_stop();
        win_loop_destroy(&loop);
        assert_int_equal(unit_memory_live(&win.memory), 0);
        assert_int_equal(now.registrations, now.given_back);
    }
    assert_true(now.registrations > 1);
}

#define RESUME_TEST(function) cmocka_unit_test_setup_teardown(function, resume__setup, win_end)

/* What the system opens once and keeps is open before the first test counts. */
static int resume__warm_up(void **state)
{
    assert_int_equal(resume__setup(state), 0);
    resume__open();
    win_close();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RESUME_TEST(what_is_overdue_runs_when_the_machine_resumes),
        RESUME_TEST(it_runs_also_if_the_system_has_no_packet),
        RESUME_TEST(only_the_resume_itself_wakes),
        RESUME_TEST(it_is_registered_once_while_a_loop_asks_for_it),
        RESUME_TEST(a_call_that_races_with_a_loops_end_touches_nothing_of_it),
        RESUME_TEST(to_give_it_up_may_wait_for_calls),
        RESUME_TEST(a_system_that_does_not_tell_is_not_supported),
        RESUME_TEST(what_the_system_says_to_a_registration_is_told),
        RESUME_TEST(each_call_and_allocation_of_such_a_loop_may_fail),
    };
    contract_object_begin();
    win_catch_crashes();
    return cmocka_run_group_tests(tests, resume__warm_up, NULL);
}
