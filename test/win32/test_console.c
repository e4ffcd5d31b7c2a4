/*
 * The handler of the console, called as Windows does but at the moments of the test's own: what is
 * registered when, which of the threads in it waits for what, and how it is given back. At last
 * events of a real console.
 */
#include "contract_object.h"

#include "unit.h"

#include "iocploop.h"
#include "win32/sys.h"

#include "threads.h"
#include "win_faults.h"
#include "win_leaks.h"
#include "win_loop.h"

#include <string.h>
#include <wchar.h>

#define CONSOLE_MOST_CALLS 8
#define CONSOLE_MODULE     ((HMODULE)(uintptr_t)0x5150)

/* What the system was asked for, and what it was told. */
static struct {
    PHANDLER_ROUTINE handler;
    uint32_t added;
    uint32_t removed;
    uint32_t error; /* not 0: the handler is not there when it is to be taken back */
    uint32_t kept;  /* of the module */
    uint32_t freed;
    uint32_t unloaded; /* behind a callback of the pool's */
    uint32_t long_runs;
    PTP_SIMPLE_CALLBACK submitted;
    void *context;
    uint32_t submissions;
    HANDLE slept;    /* set when a thread in the handler sleeps until it is answered */
    HANDLE stays;    /* set when one waits for the end of the process */
    HANDLE has_died; /* lets it go */
} console_seen;

typedef struct console_test {
    iocp_loop_t *other; /* NULL at first */
} console_test;

static console_test console_now;

/* ---- Spies ---- */

static BOOL WINAPI console__spy_set(PHANDLER_ROUTINE handler, BOOL is_added)
{
    console_seen.handler = handler;
    if (is_added) {
        console_seen.added++;
        return TRUE;
    }
    console_seen.removed++;
    SetLastError(console_seen.error);
    return console_seen.error == 0;
}

static BOOL WINAPI console__spy_get_module(DWORD flags, const wchar_t *address, HMODULE *module)
{
    assert_int_equal(flags, GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS);
    assert_non_null(address);
    console_seen.kept++;
    *module = CONSOLE_MODULE;
    return TRUE;
}

static BOOL WINAPI console__spy_free(HMODULE module)
{
    assert_ptr_equal(module, CONSOLE_MODULE);
    console_seen.freed++;
    return TRUE;
}

static void WINAPI console__spy_unload(PTP_CALLBACK_INSTANCE instance, HMODULE module)
{
    assert_null(instance);
    assert_ptr_equal(module, CONSOLE_MODULE);
    console_seen.unloaded++;
}

static BOOL WINAPI console__spy_may_run_long(PTP_CALLBACK_INSTANCE instance)
{
    assert_null(instance);
    console_seen.long_runs++;
    return FALSE;
}

static BOOL WINAPI console__spy_submit(PTP_SIMPLE_CALLBACK function, void *context,
                                       PTP_CALLBACK_ENVIRON environment)
{
    assert_null(environment);
    console_seen.submitted = function;
    console_seen.context = context;
    console_seen.submissions++;
    return TRUE;
}

static BOOL WINAPI console__spy_sleep(PCONDITION_VARIABLE variable, PSRWLOCK lock, DWORD timeout_ms,
                                      ULONG flags)
{
    assert_int_equal(timeout_ms, INFINITE);
    (void)SetEvent(console_seen.slept);
    return SleepConditionVariableSRW(variable, lock, timeout_ms, flags);
}

static DWORD WINAPI console__spy_wait(HANDLE object, DWORD timeout_ms)
{
    if (object != GetCurrentProcess()) {
        return win_faults_table()->WaitForSingleObject(object, timeout_ms);
    }
    assert_int_equal(timeout_ms, INFINITE);
    (void)SetEvent(console_seen.stays);
    return WaitForSingleObject(console_seen.has_died, INFINITE);
}

/* The pool comes to what it was given last. */
static void pool__run(void)
{
    console_seen.submitted(NULL, console_seen.context);
}

/* ---- Windows' threads ---- */

typedef struct visit {
    DWORD code;
    BOOL answer;
    test_thread thread;
} visit;

static void visit__run(void *arg)
{
    visit *self = arg;
    self->answer = console_seen.handler(self->code);
}

static void visit__begin(visit *self, DWORD code)
{
    self->code = code;
    assert_true(test_thread_start(&self->thread, visit__run, self));
}

/* It is in the handler, and sleeps. */
static void visit__enter(visit *self, DWORD code)
{
    assert_int_equal(WaitForSingleObject(console_seen.slept, 0), WAIT_TIMEOUT);
    visit__begin(self, code);
    assert_int_equal(WaitForSingleObject(console_seen.slept, INFINITE), WAIT_OBJECT_0);
}

static BOOL visit__end(visit *self)
{
    test_thread_join(&self->thread);
    (void)ResetEvent(console_seen.slept); /* by a sleep of its own, after another's answer */
    return self->answer;
}

/* ---- Watches ---- */

typedef struct console_record {
    int calls;
    int rearms;    /* answer IOCP_REARM this many more times */
    visit *second; /* enters in the first call */
    visit *third;  /* behind it */
    bool cancels;  /* in the first call */
    bool stops;
    int status[CONSOLE_MOST_CALLS];
    uint32_t event[CONSOLE_MOST_CALLS];
    uint32_t flags[CONSOLE_MOST_CALLS];
    uint32_t native_error;
} console_record;

static iocp_action_t IOCP_CALL console__keep(iocp_loop_t *loop, const iocp_result_t *result,
                                             void *userdata)
{
    console_record *record = userdata;
    if (contract_is_over()) {
        return IOCP_DISARM;
    }
    int i = record->calls++;
    assert_in_range(i, 0, CONSOLE_MOST_CALLS - 1);
    record->status[i] = result->status;
    record->event[i] = result->event;
    record->flags[i] = result->flags;
    record->native_error = result->native_error;
    if (i == 0 && record->second != NULL) {
        visit__enter(record->second, CTRL_BREAK_EVENT);
    }
    if (i == 0 && record->third != NULL) {
        visit__enter(record->third, CTRL_CLOSE_EVENT);
    }
    if (i == 0 && record->cancels) {
        assert_int_equal(iocp_cancel(loop, result->op, NULL, NULL, NULL), IOCP_OK);
    }
    if (i == 0 && record->stops) {
        assert_int_equal(iocp_loop_stop(loop), IOCP_OK);
    }
    return record->rearms-- > 0 ? IOCP_REARM : IOCP_DISARM;
}

static iocp_op_t console__watch(iocp_loop_t *loop, console_record *record)
{
    iocp_op_t op = {0};
    assert_int_equal(iocp_console_watch(loop, console__keep, record, &op), IOCP_OK);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    return op;
}

static void console__run_until(iocp_loop_t *loop, const console_record *record, int calls)
{
    while (record->calls < calls) {
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_ONCE), IOCP_OK);
    }
    assert_int_equal(record->calls, calls);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK); /* which answers IOCP_REARM */
}

static void console__run_to_end(iocp_loop_t *loop)
{
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
}

static void console__cancel(iocp_loop_t *loop, iocp_op_t op)
{
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    while (iocp_op_state(loop, op) != IOCP_OP_DEAD) {
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_ONCE), IOCP_OK);
    }
}

static void assert_told(const console_record *record, int call, iocp_console_event_t event)
{
    assert_true(record->calls >= call);
    assert_int_equal(record->status[call - 1], IOCP_OK);
    assert_int_equal(record->event[call - 1], event);
}

/* So often it was registered and taken back, and how often the pool was asked to do that. */
static void assert_registered(uint32_t added, uint32_t submissions, uint32_t removed)
{
    assert_int_equal(console_seen.added, added);
    assert_int_equal(console_seen.kept, added);
    assert_int_equal(console_seen.submissions, submissions);
    assert_int_equal(console_seen.removed, removed);
    assert_int_equal(console_seen.unloaded, removed);
    assert_int_equal(console_seen.long_runs, removed); /* other handlers may keep it waiting */
    assert_int_equal(console_seen.freed, 0);
}

/* ---- One test ---- */

static int console__setup(void **state)
{
    (void)state;
    win_begin();
    memset(&console_seen, 0, sizeof console_seen);
    console_seen.slept = contract_event_create(false, false);
    console_seen.stays = contract_event_create(false, false);
    console_seen.has_died = contract_event_create(true, false);
    win.sys.SetConsoleCtrlHandler = console__spy_set;
    win.sys.GetModuleHandleExW = console__spy_get_module;
    win.sys.FreeLibrary = console__spy_free;
    win.sys.FreeLibraryWhenCallbackReturns = console__spy_unload;
    win.sys.CallbackMayRunLong = console__spy_may_run_long;
    win.sys.TrySubmitThreadpoolCallback = console__spy_submit;
    win.sys.SleepConditionVariableSRW = console__spy_sleep;
    win.sys.WaitForSingleObject = console__spy_wait;
    win_open(IOCP_COMPLETION_AUTO);
    return 0;
}

static void console__create_other(void)
{
    console_now.other = win_loop_create(&win.sys, &win.memory, IOCP_COMPLETION_PACKET);
}

/* Each registration is given back. */
static int console__teardown(void **state)
{
    win_close();
    win_loop_destroy(&console_now.other);
    assert_int_equal(console_seen.submissions, console_seen.added);
    assert_int_equal(console_seen.kept, console_seen.added + console_seen.freed);
    contract_object_close(console_seen.slept);
    contract_object_close(console_seen.stays);
    contract_object_close(console_seen.has_died);
    return win_end(state);
}

/* ---- What is registered ---- */

static void the_first_watch_registers_and_the_last_one_gives_it_to_the_pool(void **state)
{
    console_record records[3] = {{0}};
    (void)state;
    console__create_other();
    assert_registered(0, 0, 0);
    iocp_op_t first = console__watch(win.loop, &records[0]);
    assert_registered(1, 0, 0);
    iocp_op_t second = console__watch(win.loop, &records[1]);
    console__watch(console_now.other, &records[2]);
    console__cancel(win.loop, first);
    console__cancel(win.loop, second);
    assert_registered(1, 0, 0);
    win_loop_destroy(&console_now.other);
    assert_registered(1, 1, 0);
    pool__run();
    assert_registered(1, 1, 1);
}

/* The pool is late: what it takes back is the first of the two. */
static void a_watch_that_begins_before_the_pool_has_come_registers_anew(void **state)
{
    console_record records[2] = {{0}};
    visit event = {0};
    (void)state;
    console__cancel(win.loop, console__watch(win.loop, &records[0]));
    assert_registered(1, 1, 0);
    console__watch(win.loop, &records[1]);
    assert_registered(2, 1, 0);
    pool__run();
    assert_registered(2, 1, 1);
    visit__begin(&event, CTRL_C_EVENT);
    console__run_to_end(win.loop);
    assert_true(visit__end(&event));
    assert_told(&records[1], 1, IOCP_CONSOLE_C);
    assert_registered(2, 2, 1);
}

static void a_pool_that_takes_nothing_leaves_the_handler_for_the_next_watch(void **state)
{
    console_record records[2] = {{0}};
    visit event = {0};
    (void)state;
    win.sys.TrySubmitThreadpoolCallback = win_faults_table()->TrySubmitThreadpoolCallback;
    win_faults_fail_next_of(WIN_TRY_SUBMIT, 0);
    console__cancel(win.loop, console__watch(win.loop, &records[0]));
    win.sys.TrySubmitThreadpoolCallback = console__spy_submit;
    assert_int_equal(win_faults_count_of(WIN_TRY_SUBMIT), 1);
    assert_registered(1, 0, 0);
    assert_false(console_seen.handler(CTRL_C_EVENT)); /* it is of no effect */
    assert_registered(1, 1, 0);                       /* and who leaves it last asks again */
    console__watch(win.loop, &records[1]);
    visit__begin(&event, CTRL_BREAK_EVENT);
    console__run_to_end(win.loop);
    assert_true(visit__end(&event));
    assert_told(&records[1], 1, IOCP_CONSOLE_BREAK);
    assert_registered(2, 2, 0);
}

/* AttachConsole, AllocConsole and FreeConsole make Windows forget its handlers. */
static void a_handler_that_windows_has_forgotten_does_not_keep_the_module(void **state)
{
    static const struct {
        uint32_t error;
        uint32_t unloaded;
    } rows[] = {{ERROR_INVALID_PARAMETER, 1}, {ERROR_ACCESS_DENIED, 0}};
    (void)state;
    for (size_t i = 0; i < IOC_COUNT_OF(rows); i++) {
        console_record record = {0};
        console_seen.unloaded = 0;
        console__cancel(win.loop, console__watch(win.loop, &record));
        console_seen.error = rows[i].error;
        pool__run();
        assert_int_equal(console_seen.unloaded, rows[i].unloaded);
        console_seen.error = 0;
    }
}

static void a_watch_that_cannot_be_registered_says_so_and_can_be_rearmed(void **state)
{
    static const win_call calls[] = {WIN_SET_CONSOLE_HANDLER, WIN_GET_MODULE_OF};
    (void)state;
    for (size_t i = 0; i < IOC_COUNT_OF(calls); i++) {
        console_record record = {.rearms = 1};
        console_seen.freed = 0;
        console_seen.kept = 0;
        console_seen.added = 0;
        console_seen.submissions = 0;
        win.sys.SetConsoleCtrlHandler = win_faults_table()->SetConsoleCtrlHandler;
        if (calls[i] == WIN_GET_MODULE_OF) {
            win.sys.GetModuleHandleExW = win_faults_table()->GetModuleHandleExW;
        }
        win_faults_fail_next_of(calls[i], ERROR_NO_SYSTEM_RESOURCES);
        iocp_op_t op = {0};
        assert_int_equal(iocp_console_watch(win.loop, console__keep, &record, &op), IOCP_OK);
        assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_ONCE), IOCP_OK);
        win.sys.SetConsoleCtrlHandler = console__spy_set;
        win.sys.GetModuleHandleExW = console__spy_get_module;
        assert_int_equal(record.calls, 1);
        assert_int_equal(record.status[0], IOCP_ENOBUFS);
        assert_int_equal(record.native_error, ERROR_NO_SYSTEM_RESOURCES);
        assert_int_equal(console_seen.kept, calls[i] == WIN_SET_CONSOLE_HANDLER);
        assert_int_equal(console_seen.freed, console_seen.kept);
        assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
        assert_int_equal(console_seen.added, 1);
        console__cancel(win.loop, op);
        assert_int_equal(console_seen.submissions, 1);
    }
}

static void without_memory_a_watch_ends_and_nothing_is_registered(void **state)
{
    console_record record = {0};
    (void)state;
    assert_int_equal(iocp_console_watch(win.loop, console__keep, &record, NULL), IOCP_OK);
    unit_memory_allow(&win.memory, 0);
    console__run_to_end(win.loop);
    unit_memory_allow(&win.memory, UINT64_MAX);
    assert_int_equal(record.calls, 1);
    assert_int_equal(record.status[0], IOCP_ENOMEM);
    assert_registered(0, 0, 0);
}

/* ---- What the handler says ---- */

static void each_code_is_the_event_of_its_name_and_others_are_none(void **state)
{
    static const struct {
        DWORD code;
        iocp_console_event_t event;
    } rows[] = {
        {CTRL_C_EVENT, IOCP_CONSOLE_C},
        {CTRL_BREAK_EVENT, IOCP_CONSOLE_BREAK},
        {CTRL_CLOSE_EVENT, IOCP_CONSOLE_CLOSE},
        {CTRL_LOGOFF_EVENT, IOCP_CONSOLE_LOGOFF},
        {CTRL_SHUTDOWN_EVENT, IOCP_CONSOLE_SHUTDOWN},
    };
    static const DWORD unknown[] = {3, 4, 7, 8, 255, UINT32_MAX};
    console_record record = {.rearms = 5};
    (void)state;
    console__watch(win.loop, &record);
    for (int i = 0; i < (int)IOC_COUNT_OF(rows); i++) {
        visit event = {0};
        visit__begin(&event, rows[i].code);
        console__run_until(win.loop, &record, i + 1);
        assert_told(&record, i + 1, rows[i].event);
        assert_int_equal(record.flags[i], 0);
        assert_true(visit__end(&event));
    }
    for (size_t i = 0; i < IOC_COUNT_OF(unknown); i++) {
        assert_false(console_seen.handler(unknown[i]));
    }
    assert_int_equal(record.calls, 5);
}

static void an_event_without_a_watch_is_left_to_others_at_once(void **state)
{
    console_record record = {0};
    (void)state;
    console__cancel(win.loop, console__watch(win.loop, &record));
    assert_false(console_seen.handler(CTRL_C_EVENT)); /* the pool has not come yet */
    assert_int_equal(WaitForSingleObject(console_seen.slept, 0), WAIT_TIMEOUT);
}

static void a_watch_is_told_whose_packet_is_refused(void **state)
{
    console_record record = {.rearms = 1};
    visit event = {0};
    (void)state;
    console__watch(win.loop, &record);
    win_faults_fail_next_of(WIN_POST, 0);
    visit__enter(&event, CTRL_C_EVENT);
    assert_int_equal(win_faults_struck(), 1);
    console__run_until(win.loop, &record, 1);
    assert_true(visit__end(&event));
    assert_told(&record, 1, IOCP_CONSOLE_C);
}

/* ---- Several threads in it ---- */

static void events_that_come_while_the_callback_runs_are_told_in_their_order(void **state)
{
    visit events[3] = {{0}};
    console_record record = {.rearms = 9, .second = &events[1], .third = &events[2]};
    (void)state;
    console__watch(win.loop, &record);
    visit__enter(&events[0], CTRL_C_EVENT);
    console__run_until(win.loop, &record, 3);
    for (int i = 0; i < 3; i++) {
        assert_told(&record, i + 1, (iocp_console_event_t)(IOCP_CONSOLE_C + i));
        assert_int_equal(record.flags[i], i == 0 ? 0 : IOCP_RESULT_INLINE);
        assert_true(visit__end(&events[i]));
    }
}

/*
 * However the watch ends: its callback says so, it is cancelled, or its loop ends. The wish to go on,
 * which is not granted then, announces no end of the process.
 */
static void an_event_of_which_nobody_was_told_is_left_to_others(void **state)
{
    (void)state;
    assert_true(SetEvent(console_seen.has_died));
    for (int way = 0; way < 3; way++) {
        visit events[2] = {{0}};
        console_record record = {
            .second = &events[1],
            .rearms = way == 0 ? 0 : 1,
            .cancels = way == 1,
            .stops = way == 2,
        };
        console__create_other();
        console__watch(console_now.other, &record);
        visit__enter(&events[0], way == 0 ? CTRL_C_EVENT : CTRL_CLOSE_EVENT);
        console__run_to_end(console_now.other);
        win_loop_destroy(&console_now.other);
        assert_true(visit__end(&events[0]));
        assert_false(visit__end(&events[1]));
        assert_int_equal(WaitForSingleObject(console_seen.stays, 0), WAIT_TIMEOUT);
        assert_int_equal(record.calls, way == 0 ? 1 : 2);
        assert_told(&record, 1, way == 0 ? IOCP_CONSOLE_C : IOCP_CONSOLE_CLOSE);
        if (way != 0) {
            assert_int_equal(record.status[1], IOCP_ECANCELED);
            assert_int_equal(record.event[1], 0);
        }
    }
}

static void a_watch_that_begins_while_an_event_waits_is_not_told_of_it(void **state)
{
    visit events[2] = {{0}};
    console_record first = {.rearms = 1};
    console_record second = {.rearms = 1};
    (void)state;
    console__create_other();
    console__watch(win.loop, &first);
    visit__enter(&events[0], CTRL_C_EVENT);
    console__watch(console_now.other, &second);
    assert_registered(1, 0, 0); /* whoever registers now would wait for that thread */
    console__run_until(win.loop, &first, 1);
    assert_true(visit__end(&events[0]));
    assert_int_equal(second.calls, 0);
    visit__enter(&events[1], CTRL_BREAK_EVENT);
    console__run_until(win.loop, &first, 2);
    console__run_until(console_now.other, &second, 1);
    assert_true(visit__end(&events[1]));
    assert_told(&first, 2, IOCP_CONSOLE_BREAK);
    assert_told(&second, 1, IOCP_CONSOLE_BREAK);
}

static void every_watch_has_to_answer(void **state)
{
    visit event = {0};
    console_record first = {0};
    console_record second = {.rearms = 1};
    (void)state;
    console__create_other();
    console__watch(win.loop, &first);
    console__watch(console_now.other, &second);
    visit__enter(&event, CTRL_C_EVENT);
    console__run_to_end(win.loop); /* and its watch is over */
    assert_int_equal(first.calls, 1);
    /* It wakes, finds the second, and sleeps again. */
    assert_int_equal(WaitForSingleObject(console_seen.slept, INFINITE), WAIT_OBJECT_0);
    console__run_until(console_now.other, &second, 1);
    assert_true(visit__end(&event));
    assert_registered(1, 0, 0);
}

/* One that was told and has answered is enough, whatever becomes of the other. */
static void an_event_of_which_one_was_told_is_handled(void **state)
{
    visit event = {0};
    console_record told = {.rearms = 1};
    console_record cancelled = {.rearms = 0};
    (void)state;
    console__create_other();
    console__watch(win.loop, &told);
    iocp_op_t op = console__watch(console_now.other, &cancelled);
    assert_int_equal(iocp_cancel(console_now.other, op, NULL, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_submit(console_now.other), IOCP_OK); /* its callback is due */
    visit__enter(&event, CTRL_C_EVENT);
    console__run_until(win.loop, &told, 1);
    assert_int_equal(WaitForSingleObject(console_seen.slept, INFINITE), WAIT_OBJECT_0);
    console__run_to_end(console_now.other);
    assert_true(visit__end(&event));
    assert_int_equal(cancelled.status[0], IOCP_ECANCELED);
}

/* ---- The end of the process ---- */

/* Watched by two, of which one answers that the process ends. */
static void console__announce_end(visit *event, DWORD code, int disarms)
{
    console_record records[2] = {{.rearms = disarms != 0}, {.rearms = disarms != 1}};
    console__watch(win.loop, &records[0]);
    console__watch(win.loop, &records[1]);
    visit__enter(event, code);
    while (records[0].calls + records[1].calls < 2) {
        assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_ONCE), IOCP_OK);
    }
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    if (disarms == 2) {
        assert_true(visit__end(event));
    }
    win_loop_destroy(&win.loop);
    win_open(IOCP_COMPLETION_AUTO);
}

/* Its thread sleeps no more. */
static void console__wait_until_it_stays(void)
{
    assert_int_equal(WaitForSingleObject(console_seen.stays, INFINITE), WAIT_OBJECT_0);
    (void)ResetEvent(console_seen.slept);
}

static void windows_is_kept_waiting_once_a_watch_has_said_that_the_process_ends(void **state)
{
    static const DWORD codes[] = {CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT};
    (void)state;
    for (size_t i = 0; i < 2 * IOC_COUNT_OF(codes); i++) {
        visit event = {0};
        uint32_t given = console_seen.submissions;
        (void)ResetEvent(console_seen.has_died);
        console__announce_end(&event, codes[i / 2], (int)i % 2);
        console__wait_until_it_stays();
        assert_int_equal(console_seen.submissions, given); /* no watch, but a thread in it */
        assert_true(SetEvent(console_seen.has_died));
        assert_true(visit__end(&event));
        assert_int_equal(console_seen.submissions, given + 1);
    }
}

static void windows_is_not_kept_waiting_for_less(void **state)
{
    static const struct {
        DWORD code;
        int disarms; /* 2: neither */
    } rows[] = {
        {CTRL_C_EVENT, 0},      {CTRL_BREAK_EVENT, 1},    {CTRL_CLOSE_EVENT, 2},
        {CTRL_LOGOFF_EVENT, 2}, {CTRL_SHUTDOWN_EVENT, 2},
    };
    (void)state;
    for (size_t i = 0; i < IOC_COUNT_OF(rows); i++) {
        visit event = {0};
        console__announce_end(&event, rows[i].code, rows[i].disarms);
        if (rows[i].disarms != 2) {
            assert_true(visit__end(&event));
        }
        assert_int_equal(WaitForSingleObject(console_seen.stays, 0), WAIT_TIMEOUT);
    }
}

/* Another event while one stays: on Windows it has to wait before the handler. */
static void a_watch_that_begins_while_windows_waits_for_the_end_registers_nothing(void **state)
{
    visit ending = {0};
    visit event = {0};
    console_record record = {.rearms = 1};
    (void)state;
    console__announce_end(&ending, CTRL_CLOSE_EVENT, 0);
    console__wait_until_it_stays();
    assert_registered(1, 0, 0);
    iocp_op_t op = console__watch(win.loop, &record);
    assert_registered(1, 0, 0);
    visit__enter(&event, CTRL_C_EVENT);
    console__run_until(win.loop, &record, 1);
    assert_true(visit__end(&event));
    console__cancel(win.loop, op);
    assert_registered(1, 0, 0);
    assert_true(SetEvent(console_seen.has_died));
    assert_true(visit__end(&ending));
    assert_registered(1, 1, 0);
}

/* ---- Many at once ---- */

#define STORM_THREADS 4
#define STORM_EVENTS  1000

/* Events until so many of them were handled. */
typedef struct storm {
    test_thread thread;
    uint32_t handled;
} storm;

static ioc_atomic_u32 storm_running;

static void storm__run(void *arg)
{
    storm *self = arg;
    while (self->handled < STORM_EVENTS) {
        self->handled += console_seen.handler(CTRL_BREAK_EVENT) != FALSE;
        test_yield();
    }
    ioc_add_u32(&storm_running, 0u - 1u);
}

static iocp_action_t IOCP_CALL storm__count(iocp_loop_t *loop, const iocp_result_t *result,
                                            void *told)
{
    (void)loop;
    *(uint32_t *)told += result->status == IOCP_OK;
    return result->status == IOCP_OK && *(uint32_t *)told % 7 != 0 ? IOCP_REARM : IOCP_DISARM;
}

/* Watches of one loop that follow each other, some of them cancelled: no event is told twice. */
static void each_event_of_a_storm_is_told_once_or_left_to_others(void **state)
{
    storm storms[STORM_THREADS] = {{.handled = 0}};
    uint32_t told = 0;
    uint32_t handled = 0;
    console_record none = {0};
    (void)state;
    console__cancel(win.loop, console__watch(win.loop, &none));
    ioc_store_u32(&storm_running, STORM_THREADS);
    for (int i = 0; i < STORM_THREADS; i++) {
        assert_true(test_thread_start(&storms[i].thread, storm__run, &storms[i]));
    }
    for (uint32_t i = 0; ioc_load_u32(&storm_running) > 0; i++) {
        iocp_op_t op = {0};
        assert_int_equal(iocp_console_watch(win.loop, storm__count, &told, &op), IOCP_OK);
        assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
        if (i % 3 == 0) {
            assert_int_equal(iocp_cancel(win.loop, op, NULL, NULL, NULL), IOCP_OK);
        }
        while (iocp_op_state(win.loop, op) != IOCP_OP_DEAD && ioc_load_u32(&storm_running) > 0) {
            assert_int_equal(iocp_loop_tick(win.loop, 0), IOCP_OK);
        }
        console__cancel(win.loop, op);
    }
    for (int i = 0; i < STORM_THREADS; i++) {
        test_thread_join(&storms[i].thread);
        handled += storms[i].handled;
    }
    (void)ResetEvent(console_seen.slept);
    assert_int_equal(handled, STORM_THREADS * STORM_EVENTS);
    assert_int_equal(handled, told);
}

/* ---- A console of its own ---- */

#define CHILD_ARGUMENT L" --be-console"
#define CHILD_PASSED   40u /* and the code of the event */

/* The handler that was there before the watch. */
static BOOL WINAPI child__pass(DWORD code)
{
    ExitProcess(CHILD_PASSED + code);
}

static void child__need(bool is_so, UINT exit_code)
{
    if (!is_so) {
        ExitProcess(exit_code);
    }
}

/*
 * A program whose console no other has: it is told of an event and answers that it ends, and the
 * next event finds no watch. Its exit code says what did not go so.
 */
static void child__be(DWORD code)
{
    console_record record = {0};
    iocp_loop_t *loop = NULL;
    child__need(SetConsoleCtrlHandler(NULL, FALSE) && SetConsoleCtrlHandler(child__pass, TRUE), 1);
    child__need(iocp_loop_create(NULL, &loop) == IOCP_OK, 2);
    child__need(iocp_console_watch(loop, console__keep, &record, NULL) == IOCP_OK, 3);
    child__need(iocp_loop_submit(loop) == IOCP_OK && GenerateConsoleCtrlEvent(code, 0), 4);
    child__need(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE) == IOCP_OK, 5);
    child__need(record.calls == 1 && record.status[0] == IOCP_OK, 6);
    child__need(record.event[0] == code + 1, 7);
    child__need(iocp_loop_destroy(loop, UINT64_MAX) == IOCP_OK, 8);
    child__need(GenerateConsoleCtrlEvent(code, 0), 9);
    Sleep(INFINITE); /* it is ended */
}

static DWORD child__run(DWORD code)
{
    wchar_t program[MAX_PATH];
    wchar_t command[MAX_PATH + 32];
    STARTUPINFOW startup = {.cb = sizeof startup};
    PROCESS_INFORMATION child;
    DWORD exit_code = 0;
    assert_in_range(GetModuleFileNameW(NULL, program, MAX_PATH), 1, MAX_PATH - 1);
    assert_true(swprintf(command, MAX_PATH + 32, L"\"%ls\"" CHILD_ARGUMENT L" %lu", program,
                         (unsigned long)code) > 0);
    assert_true(CreateProcessW(program, command, NULL, NULL, FALSE, CREATE_NO_WINDOW, NULL, NULL,
                               &startup, &child));
    assert_int_equal(WaitForSingleObject(child.hProcess, INFINITE), WAIT_OBJECT_0);
    assert_true(GetExitCodeProcess(child.hProcess, &exit_code));
    assert_true(CloseHandle(child.hThread));
    assert_true(CloseHandle(child.hProcess));
    return exit_code;
}

static void a_real_event_is_told_and_the_next_one_finds_the_handler_of_before(void **state)
{
    (void)state;
    assert_int_equal(child__run(CTRL_C_EVENT), CHILD_PASSED + CTRL_C_EVENT);
    if (!win_is_wine()) { /* which makes no Ctrl-Break */
        assert_int_equal(child__run(CTRL_BREAK_EVENT), CHILD_PASSED + CTRL_BREAK_EVENT);
    }
}

#define CONSOLE_TEST(function) \
    cmocka_unit_test_setup_teardown(function, console__setup, console__teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONSOLE_TEST(the_first_watch_registers_and_the_last_one_gives_it_to_the_pool),
        CONSOLE_TEST(a_watch_that_begins_before_the_pool_has_come_registers_anew),
        CONSOLE_TEST(a_pool_that_takes_nothing_leaves_the_handler_for_the_next_watch),
        CONSOLE_TEST(a_handler_that_windows_has_forgotten_does_not_keep_the_module),
        CONSOLE_TEST(a_watch_that_cannot_be_registered_says_so_and_can_be_rearmed),
        CONSOLE_TEST(without_memory_a_watch_ends_and_nothing_is_registered),
        CONSOLE_TEST(each_code_is_the_event_of_its_name_and_others_are_none),
        CONSOLE_TEST(an_event_without_a_watch_is_left_to_others_at_once),
        CONSOLE_TEST(a_watch_is_told_whose_packet_is_refused),
        CONSOLE_TEST(events_that_come_while_the_callback_runs_are_told_in_their_order),
        CONSOLE_TEST(an_event_of_which_nobody_was_told_is_left_to_others),
        CONSOLE_TEST(a_watch_that_begins_while_an_event_waits_is_not_told_of_it),
        CONSOLE_TEST(every_watch_has_to_answer),
        CONSOLE_TEST(an_event_of_which_one_was_told_is_handled),
        CONSOLE_TEST(windows_is_kept_waiting_once_a_watch_has_said_that_the_process_ends),
        CONSOLE_TEST(windows_is_not_kept_waiting_for_less),
        CONSOLE_TEST(a_watch_that_begins_while_windows_waits_for_the_end_registers_nothing),
        CONSOLE_TEST(each_event_of_a_storm_is_told_once_or_left_to_others),
        cmocka_unit_test(a_real_event_is_told_and_the_next_one_finds_the_handler_of_before),
    };
    const wchar_t *argument = wcsstr(GetCommandLineW(), CHILD_ARGUMENT);
    if (argument != NULL) {
        child__be(wcstoul(argument + wcslen(CHILD_ARGUMENT), NULL, 10));
    }
    contract_object_begin();
    win_catch_crashes();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
