/*
 * Sleeping until a time, with each method: by the packet of a waitable timer (through a double where
 * the system has none), by its APC, and by the port's own time limit.
 */
#include "unit.h"

#include "backend.h"
#include "loop.h"
#include "win32/apc.h"
#include "win32/port.h"
#include "win32/sys.h"

#include "threads.h"
#include "win_faults.h"
#include "win_leaks.h"
#include "win_packets.h"

#include <string.h>

#define SLEEP_BATCH 16
#define SLEEP_MS    IOC_NS_PER_MS
#define SLEEP_S     (1000 * IOC_NS_PER_MS)
#define SLEEP_ROOM  32 /* ms that the port's limit grants a timer */
#define SLEEP_FAR   (3600 * SLEEP_S)
#define SLEEP_MOST  (300 * SLEEP_S) /* that is asked of the system at once */

static const iocp_sleep_method_t sleep_methods[] = {
    IOCP_SLEEP_WAIT_PACKET,
    IOCP_SLEEP_APC,
    IOCP_SLEEP_PORT,
};

/* What was asked of the system, and what it answered. */
static struct {
    ioc_sys sys;
    size_t handles_before;
    unit_memory memory;
    iocp_loop_t *loop;
    ioc_ops ops; /* of a port by itself: none */
    ioc_port *port;
    ioc_list ended;
    ioc_dequeued dequeued;
    unsigned creates; /* of timers */
    DWORD flags[4];
    DWORD access;
    DWORD refused_flags; /* timers with one of these are refused */
    LONGLONG due;
    LONG period;
    PTIMERAPCROUTINE routine;
    unsigned resumes; /* timers set that wake a machine which sleeps */
    bool
        is_patient; /* the timer alone ends a sleep: a slow machine must not look like a lost one */
    bool is_short;  /* this sleep is not alertable: no timer is so quick that its APC ends it */
    DWORD limit_ms;
    ULONG capacity;
    DWORD ended_by;        /* the error behind the last dequeue, 0: it brought packets */
    HANDLE asleep;         /* set when the loop is about to sleep */
    uint64_t stands_at_ns; /* the loop's clock; 0: it is the system's */
    unsigned sleeps_left;  /* that many sleeps, and the clock that stands moves on */
    uint64_t moves_by_ns;
    uint64_t ms_takes_ns; /* not 0: a sleep takes its limit, and so much of the loop's clock a ms */
} now;

static HANDLE WINAPI sleep__create_timer(SECURITY_ATTRIBUTES *security, const wchar_t *name,
                                         DWORD flags, DWORD access)
{
    now.flags[now.creates++ % IOC_COUNT_OF(now.flags)] = flags;
    now.access = access;
    if ((flags & now.refused_flags) != 0) {
        SetLastError(ERROR_INVALID_PARAMETER);
        return NULL;
    }
    return win_faults_table()->CreateWaitableTimerExW(security, name, flags, access);
}

static BOOL WINAPI sleep__set_timer(HANDLE timer, const LARGE_INTEGER *due, LONG period,
                                    PTIMERAPCROUTINE routine, void *argument, BOOL resumes)
{
    now.due = due->QuadPart;
    now.period = period;
    now.routine = routine;
    now.resumes += resumes != FALSE;
    return win_faults_table()->SetWaitableTimer(timer, due, period, routine, argument, resumes);
}

static BOOL WINAPI sleep__frequency(LARGE_INTEGER *frequency)
{
    if (now.stands_at_ns == 0) {
        return win_faults_table()->QueryPerformanceFrequency(frequency);
    }
    frequency->QuadPart = SLEEP_S; /* a tick is a nanosecond */
    return TRUE;
}

static BOOL WINAPI sleep__counter(LARGE_INTEGER *ticks)
{
    if (now.stands_at_ns == 0) {
        return win_faults_table()->QueryPerformanceCounter(ticks);
    }
    ticks->QuadPart = (LONGLONG)now.stands_at_ns;
    return TRUE;
}

static void sleep__count_down(void)
{
    if (now.sleeps_left > 0 && --now.sleeps_left == 0) {
        now.stands_at_ns += now.moves_by_ns;
    }
}

/* The whole limit passes, on the clock that stands: by the system's, which is another. */
static BOOL sleep__pass_limit(DWORD limit_ms)
{
    assert_int_not_equal(limit_ms, INFINITE);
    now.stands_at_ns += limit_ms * now.ms_takes_ns;
    SetLastError(WAIT_TIMEOUT);
    return FALSE;
}

static BOOL WINAPI sleep__dequeue(HANDLE port, OVERLAPPED_ENTRY *entries, ULONG capacity,
                                  ULONG *count, DWORD timeout_ms, BOOL is_alertable)
{
    bool is_sleep = timeout_ms != 0;
    now.limit_ms = timeout_ms;
    now.capacity = capacity;
    if (now.ms_takes_ns != 0 && is_sleep) {
        return sleep__pass_limit(timeout_ms);
    }
    if (now.is_patient && is_sleep) {
        timeout_ms = INFINITE;
    }
    if (now.asleep != NULL && is_sleep) {
        (void)SetEvent(now.asleep);
    }
    BOOL answer = win_packets_table()->GetQueuedCompletionStatusEx(
        port, entries, capacity, count, timeout_ms, is_alertable && !now.is_short);
    now.ended_by = answer ? 0 : GetLastError();
    if (is_sleep) {
        sleep__count_down();
    }
    return answer;
}

static int sleep__setup(void **state)
{
    (void)state;
    memset(&now, 0, sizeof now);
    win_faults_reset();
    win_packets_begin();
    unit_memory_init(&now.memory);
    ioc_list_init(&now.ended);
    now.handles_before = win_open_handles();
    now.sys = *win_packets_table();
    now.sys.CreateWaitableTimerExW = sleep__create_timer;
    now.sys.SetWaitableTimer = sleep__set_timer;
    now.sys.GetQueuedCompletionStatusEx = sleep__dequeue;
    now.sys.QueryPerformanceFrequency = sleep__frequency;
    now.sys.QueryPerformanceCounter = sleep__counter;
    return 0;
}

static void sleep__close(void)
{
    if (now.port != NULL) {
        ioc_backend_default()->close(now.port);
        now.port = NULL;
    }
    if (now.loop != NULL) {
        assert_int_equal(iocp_loop_destroy(now.loop, SLEEP_S), IOCP_OK);
        now.loop = NULL;
    }
    assert_int_equal(win_packets_misuses(), 0);
    assert_int_equal(win_packets_open(), 0);
    assert_int_equal(unit_memory_live(&now.memory), 0);
}

static int sleep__teardown(void **state)
{
    (void)state;
    win_faults_stop();
    win_packets_hold_up(WIN_PACKET_FLOWS);
    sleep__close();
    assert_true(win_packets_end());
    assert_int_equal(win_open_handles(), now.handles_before);
    return 0;
}

/* ---- A port by itself: its caller says what time it is ---- */

static int sleep__try_port(iocp_sleep_method_t method, uint32_t *native_error)
{
    ioc_win_options win_options = {.sys = &now.sys};
    ioc_port_options options = {
        .alloc = &now.memory.alloc,
        .ops = &now.ops,
        .batch = SLEEP_BATCH,
        .sleep_method = method,
        .extra = &win_options,
    };
    *native_error = 0;
    return ioc_backend_default()->open(&options, &now.port, native_error);
}

static void sleep__open_port(iocp_sleep_method_t method)
{
    uint32_t native_error;
    sleep__close();
    assert_int_equal(sleep__try_port(method, &native_error), IOCP_OK);
    now.is_patient = method != IOCP_SLEEP_PORT;
}

static iocp_sleep_method_t sleep__method(void)
{
    return ioc_backend_default()->sleep_method(now.port);
}

static void sleep__sleep(uint64_t now_ns, uint64_t until_ns)
{
    assert_int_equal(
        ioc_backend_default()->dequeue(now.port, now_ns, until_ns, &now.ended, &now.dequeued),
        IOCP_OK);
}

/* A sleep that something else ends at once. */
static void sleep__sleep_shortly(uint64_t now_ns, uint64_t until_ns)
{
    HANDLE native = ioc_backend_default()->native(now.port);
    assert_true(PostQueuedCompletionStatus(native, 0, 0, NULL));
    now.is_short = true;
    sleep__sleep(now_ns, until_ns);
    now.is_short = false;
    assert_int_equal(now.dequeued.foreign, 1);
    assert_int_equal(now.ended_by, 0);
}

static uint64_t sleep__sets(void)
{
    return win_faults_count_of(WIN_SET_TIMER);
}

/* ---- A loop ---- */

static void sleep__open_loop(iocp_sleep_method_t method)
{
    ioc_win_options win_options = {.sys = &now.sys};
    iocp_loop_options_t options = {.size = sizeof options, .sleep_method = (uint32_t)method};
    sleep__close();
    assert_int_equal(ioc_loop_create(&options, ioc_backend_default(), &win_options, &now.loop),
                     IOCP_OK);
    now.is_patient = method != IOCP_SLEEP_PORT;
}

/* From the next loop on the clock stands still, and moves when sleep__move_clock says so. */
static void sleep__stop_clock(void)
{
    now.stands_at_ns = SLEEP_S;
}

/* At the end of the n-th sleep from now. */
static void sleep__move_clock(unsigned n, uint64_t ns)
{
    now.sleeps_left = n;
    now.moves_by_ns = ns;
}

static iocp_stats_t sleep__stats(void)
{
    iocp_stats_t stats = {.size = sizeof stats};
    assert_int_equal(iocp_loop_stats(now.loop, &stats), IOCP_OK);
    return stats;
}

static void sleep__run_once(void)
{
    assert_int_equal(iocp_loop_run(now.loop, IOCP_RUN_ONCE), IOCP_OK);
}

static uint64_t sleep__clock_ns(void)
{
    LARGE_INTEGER frequency;
    LARGE_INTEGER ticks;
    (void)QueryPerformanceFrequency(&frequency);
    (void)QueryPerformanceCounter(&ticks);
    uint64_t seconds = (uint64_t)(ticks.QuadPart / frequency.QuadPart);
    uint64_t rest = (uint64_t)(ticks.QuadPart % frequency.QuadPart);
    return seconds * SLEEP_S + rest * SLEEP_S / (uint64_t)frequency.QuadPart;
}

/* Time passes, and this thread does nothing that an APC could interrupt. */
static void sleep__pass(uint64_t ns)
{
    uint64_t begin_ns = sleep__clock_ns();
    while (sleep__clock_ns() - begin_ns < ns) {
        test_yield();
    }
}

/* A timer that may not be early. */
typedef struct sleep_timer {
    uint64_t begin_ns;
    uint64_t delay_ns;
    uint64_t fired_ns;
    int calls;
    int status;
} sleep_timer;

static iocp_action_t IOCP_CALL sleep__fired(iocp_loop_t *loop, const iocp_result_t *result,
                                            void *userdata)
{
    sleep_timer *timer = userdata;
    (void)loop;
    timer->fired_ns = sleep__clock_ns();
    timer->calls++;
    timer->status = result->status;
    return IOCP_DISARM;
}

static iocp_op_t sleep__start(sleep_timer *timer, uint64_t delay_ns)
{
    iocp_op_t op;
    *timer = (sleep_timer){.begin_ns = sleep__clock_ns(), .delay_ns = delay_ns};
    assert_int_equal(iocp_timer(now.loop, delay_ns, sleep__fired, timer, &op), IOCP_OK);
    return op;
}

static void sleep__check(const sleep_timer *timer)
{
    assert_int_equal(timer->calls, 1);
    assert_int_equal(timer->status, IOCP_OK);
    assert_true(timer->fired_ns - timer->begin_ns >= timer->delay_ns);
}

static void sleep__run_timer(uint64_t delay_ns)
{
    sleep_timer timer;
    (void)sleep__start(&timer, delay_ns);
    sleep__run_once();
    sleep__check(&timer);
}

/* ---- Opening ---- */

static void each_method_can_be_asked_for_and_the_stats_say_which(void **state)
{
    (void)state;
    for (size_t i = 0; i < IOC_COUNT_OF(sleep_methods); i++) {
        sleep__open_loop(sleep_methods[i]);
        assert_int_equal(sleep__stats().sleep_method, sleep_methods[i]);
        sleep__run_timer(SLEEP_MS);
    }
}

static void packets_that_the_system_does_not_have_are_not_supported(void **state)
{
    (void)state;
    uint32_t native_error;
    win_packets_offer(WIN_PACKETS_NONE);
    assert_int_equal(sleep__try_port(IOCP_SLEEP_WAIT_PACKET, &native_error), IOCP_ENOTSUP);
    assert_null(now.port);
    assert_int_equal(now.creates, 0);
}

/* What is in use when it has slept; before, what it is about to try. */
static void sleep__expect_auto(iocp_sleep_method_t tried, iocp_sleep_method_t used)
{
    sleep__open_port(IOCP_SLEEP_AUTO);
    assert_int_equal(sleep__method(), tried);
    sleep__sleep_shortly(1, SLEEP_FAR);
    assert_int_equal(sleep__method(), used);
    assert_int_equal(now.limit_ms,
                     SLEEP_MOST / SLEEP_MS + (used == IOCP_SLEEP_PORT ? 0 : SLEEP_ROOM));
}

static void auto_takes_packets_then_apcs_then_the_ports_limit(void **state)
{
    (void)state;
    sleep__expect_auto(IOCP_SLEEP_WAIT_PACKET, IOCP_SLEEP_WAIT_PACKET);
    win_packets_refuse_nth(WIN_PACKET_CREATE, 1, 0xC0000002); /* STATUS_NOT_IMPLEMENTED */
    sleep__expect_auto(IOCP_SLEEP_WAIT_PACKET, IOCP_SLEEP_APC);
    win_packets_offer(WIN_PACKETS_NONE);
    sleep__expect_auto(IOCP_SLEEP_APC, IOCP_SLEEP_APC);
    win_faults_fail_all_of(WIN_CREATE_TIMER, 0);
    sleep__expect_auto(IOCP_SLEEP_APC, IOCP_SLEEP_PORT);
    win_packets_offer(WIN_PACKETS_ALL);
    sleep__expect_auto(IOCP_SLEEP_WAIT_PACKET, IOCP_SLEEP_PORT);
}

/* A loop that never sleeps until a time is its port and nothing else. */
static void auto_opens_nothing_before_the_first_sleep_until_a_time(void **state)
{
    (void)state;
    sleep__open_port(IOCP_SLEEP_AUTO);
    sleep__sleep_shortly(1, IOC_FOREVER);
    sleep__sleep(1, 0);
    assert_int_equal(now.creates, 0);
    assert_int_equal(win_packets_count_of(WIN_PACKET_CREATE), 0);
    assert_int_equal(win_faults_count_of(WIN_CANCEL_TIMER), 0);
    for (int i = 0; i < 3; i++) {
        sleep__sleep_shortly(1, SLEEP_FAR);
        assert_int_equal(now.creates, 1);
        assert_int_equal(win_packets_count_of(WIN_PACKET_CREATE), 1);
    }
}

/* What could not be opened is not tried before each sleep. */
static void auto_tries_to_open_once(void **state)
{
    (void)state;
    win_faults_fail_all_of(WIN_CREATE_TIMER, 0);
    sleep__open_port(IOCP_SLEEP_AUTO);
    for (int i = 0; i < 3; i++) {
        sleep__sleep_shortly(1, SLEEP_FAR);
        assert_int_equal(win_faults_count_of(WIN_CREATE_TIMER), 3); /* both kinds, and for APCs */
    }
}

static void a_method_that_was_asked_for_and_cannot_be_opened_tells_why(void **state)
{
    (void)state;
    uint32_t native_error;
    for (size_t i = 0; i < 2; i++) {
        win_faults_fail_all_of(WIN_CREATE_TIMER, ERROR_ACCESS_DENIED);
        assert_int_equal(sleep__try_port(sleep_methods[i], &native_error), IOCP_EACCES);
        assert_int_equal(native_error, ERROR_ACCESS_DENIED);
        win_faults_stop();
    }
    win_packets_refuse_nth(WIN_PACKET_CREATE, 1, 0xC0000017); /* no memory */
    assert_int_equal(sleep__try_port(IOCP_SLEEP_WAIT_PACKET, &native_error), IOCP_ENOMEM);
    assert_int_not_equal(native_error, 0);
    assert_null(now.port);
    assert_int_equal(win_open_handles(), now.handles_before);
}

static void the_timer_of_a_packet_is_of_high_resolution_if_the_system_has_such(void **state)
{
    (void)state;
    sleep__open_port(IOCP_SLEEP_WAIT_PACKET);
    assert_int_equal(now.creates, 1);
    assert_int_equal(now.flags[0], CREATE_WAITABLE_TIMER_HIGH_RESOLUTION);
    assert_int_equal(now.access, SYNCHRONIZE | TIMER_MODIFY_STATE);
    now.creates = 0;
    now.refused_flags = CREATE_WAITABLE_TIMER_HIGH_RESOLUTION;
    sleep__open_port(IOCP_SLEEP_WAIT_PACKET);
    assert_int_equal(sleep__method(), IOCP_SLEEP_WAIT_PACKET);
    assert_int_equal(now.creates, 2);
    assert_int_equal(now.flags[0], CREATE_WAITABLE_TIMER_HIGH_RESOLUTION);
    assert_int_equal(now.flags[1], 0);
    assert_int_equal(now.access, SYNCHRONIZE | TIMER_MODIFY_STATE);
}

/* Which may drop its APC in silence. */
static void the_timer_of_an_apc_is_never_of_high_resolution(void **state)
{
    (void)state;
    sleep__open_port(IOCP_SLEEP_APC);
    assert_int_equal(now.creates, 1);
    assert_int_equal(now.flags[0], 0);
    assert_int_equal(now.access, SYNCHRONIZE | TIMER_MODIFY_STATE);
    assert_int_equal(sleep__sets(), 0);
    sleep__sleep(1, 1 + SLEEP_MS);
    assert_int_equal(now.ended_by, WAIT_IO_COMPLETION);
}

static void the_ports_own_limit_needs_no_timer(void **state)
{
    (void)state;
    sleep__open_port(IOCP_SLEEP_PORT);
    sleep__sleep_shortly(1, 1 + SLEEP_MS);
    assert_int_equal(now.creates, 0);
    assert_int_equal(sleep__sets(), 0);
    assert_int_equal(win_packets_count_of(WIN_PACKET_CREATE), 0);
}

static void the_capabilities_are_what_the_system_has(void **state)
{
    (void)state;
    HMODULE ntdll = GetModuleHandleW(L"ntdll.dll");
    HANDLE timer = CreateWaitableTimerExW(NULL, NULL, CREATE_WAITABLE_TIMER_HIGH_RESOLUTION,
                                          SYNCHRONIZE | TIMER_MODIFY_STATE);
    bool has_packets = GetProcAddress(ntdll, "NtCreateWaitCompletionPacket") != NULL &&
                       GetProcAddress(ntdll, "NtAssociateWaitCompletionPacket") != NULL &&
                       GetProcAddress(ntdll, "NtCancelWaitCompletionPacket") != NULL;
    uint32_t capabilities = iocp_capabilities();
    assert_int_equal((capabilities & IOCP_CAP_WAIT_PACKETS) != 0, has_packets);
    assert_int_equal((capabilities & IOCP_CAP_HIGH_RESOLUTION_TIMERS) != 0, timer != NULL);
    bool has_consoles =
        GetProcAddress(GetModuleHandleW(L"kernel32.dll"), "CreatePseudoConsole") != NULL;
    assert_int_equal((capabilities & IOCP_CAP_PSEUDO_CONSOLE) != 0, has_consoles);
    SOCKET local = WSASocketW(AF_UNIX, SOCK_STREAM, 0, NULL, 0, 0);
    assert_int_equal((capabilities & IOCP_CAP_UNIX_SOCKETS) != 0, local != INVALID_SOCKET);
    assert_in_range(capabilities, 0,
                    IOCP_CAP_WAIT_PACKETS | IOCP_CAP_HIGH_RESOLUTION_TIMERS |
                        IOCP_CAP_PSEUDO_CONSOLE | IOCP_CAP_UNIX_SOCKETS | IOCP_CAP_SEGMENTS);
    if (local != INVALID_SOCKET) {
        assert_int_equal(closesocket(local), 0);
    }
    if (timer != NULL) {
        assert_true(CloseHandle(timer));
    }
    assert_int_equal(win_open_handles(), now.handles_before);
}

/* ---- Setting the timer ---- */

static void a_timer_with_a_packet_is_set_once_for_a_time_that_stays(void **state)
{
    (void)state;
    sleep__open_port(IOCP_SLEEP_WAIT_PACKET);
    for (uint64_t i = 1; i <= 10; i++) {
        sleep__sleep_shortly(i * SLEEP_MS, SLEEP_FAR);
    }
    assert_int_equal(sleep__sets(), 1);
    assert_int_equal(win_packets_count_of(WIN_PACKET_ASSOCIATE), 1);
    sleep__sleep_shortly(11 * SLEEP_MS, SLEEP_FAR - 1);
    assert_int_equal(sleep__sets(), 2);
    assert_int_equal(win_packets_count_of(WIN_PACKET_ASSOCIATE), 1);
    assert_int_equal(win_faults_count_of(WIN_CANCEL_TIMER), 0);
}

/* As the limit of an idle connection does that moves on whenever it says something. */
static void a_time_that_moves_on_costs_no_call(void **state)
{
    (void)state;
    sleep__open_port(IOCP_SLEEP_WAIT_PACKET);
    for (uint64_t i = 1; i <= 10; i++) {
        uint64_t until_ns = i * SLEEP_MS + 5 * SLEEP_S;
        sleep__sleep_shortly(i * SLEEP_MS, until_ns);
        assert_int_equal(now.limit_ms, 5000 + SLEEP_ROOM);
    }
    assert_int_equal(sleep__sets(), 1);
    assert_int_equal(win_packets_count_of(WIN_PACKET_ASSOCIATE), 1);
    assert_int_equal(win_faults_count_of(WIN_CANCEL_TIMER), 0);
}

static void a_timer_that_is_set_for_earlier_ends_one_sleep_and_is_set_anew(void **state)
{
    (void)state;
    sleep__open_port(IOCP_SLEEP_WAIT_PACKET);
    win_packets_hold_up(WIN_PACKET_IN_FLIGHT); /* a slow machine's short sleep may be a long one */
    sleep__sleep_shortly(1, 1 + SLEEP_MS);
    win_packets_hold_up(WIN_PACKET_FLOWS);
    sleep__sleep(1, 1 + 20 * SLEEP_MS);
    assert_int_equal(now.ended_by, 0);
    assert_int_equal(sleep__sets(), 1);
    sleep__sleep(1 + SLEEP_MS, 1 + 20 * SLEEP_MS);
    assert_int_equal(now.ended_by, 0);
    assert_int_equal(now.due, -(LONGLONG)(19 * SLEEP_MS / 100));
    assert_int_equal(sleep__sets(), 2);
    assert_int_equal(win_packets_signals(), 2);
}

static void the_packet_of_a_timer_is_asked_for_besides_those_of_operations(void **state)
{
    (void)state;
    HANDLE native;
    sleep__open_port(IOCP_SLEEP_WAIT_PACKET);
    native = ioc_win_port_of(now.port)->port;
    now.ops.in_kernel = 1;
    sleep__sleep(1, 1 + SLEEP_MS);
    assert_int_equal(now.ended_by, 0);
    assert_int_equal(now.capacity, 2);
    sleep__sleep(1, 0);
    assert_int_equal(now.capacity, 1); /* it has come */
    assert_true(PostQueuedCompletionStatus(native, 0, 0, NULL));
    sleep__sleep(1, SLEEP_FAR);
    assert_int_equal(now.capacity, 2);
    assert_int_equal(now.dequeued.foreign, 1);
}

/* Somebody else's alertable wait may have used up the APC. */
static void a_timer_with_an_apc_is_set_for_each_sleep(void **state)
{
    (void)state;
    sleep__open_port(IOCP_SLEEP_APC);
    uint64_t before = sleep__sets();
    for (uint64_t i = 1; i <= 10; i++) {
        sleep__sleep_shortly(i * SLEEP_MS, SLEEP_FAR);
    }
    assert_int_equal(sleep__sets() - before, 10);
}

static void a_timer_is_set_from_now_on_rounded_up_and_fires_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        sleep__open_port(sleep_methods[i]);
        sleep__sleep_shortly(1000, 1001 + SLEEP_MS);
        assert_int_equal(now.due, -10001);
        sleep__sleep_shortly(1000, 1000 + SLEEP_MS);
        assert_int_equal(now.due, -10000);
        sleep__sleep_shortly(1000, 1001);
        assert_int_equal(now.due, -1);
        assert_int_equal(now.period, 0);
        bool is_apc = sleep_methods[i] == IOCP_SLEEP_APC;
        assert_true(now.routine == (is_apc ? ioc_apc_of_timer() : NULL));
    }
}

/* A laptop in its bag sleeps on (SetWaitableTimer, fResume). */
static void no_timer_wakes_a_machine_that_sleeps(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        sleep__open_port(sleep_methods[i]);
        uint64_t before = sleep__sets();
        sleep__sleep_shortly(1, SLEEP_FAR);
        sleep__sleep_shortly(1, 1 + SLEEP_MS);
        assert_int_equal(sleep__sets() - before, 2);
        assert_int_equal(now.resumes, 0);
    }
}

static void a_timer_is_taken_back_when_no_time_is_wanted(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        sleep__open_port(sleep_methods[i]);
        uint64_t before = win_faults_count_of(WIN_CANCEL_TIMER);
        sleep__sleep_shortly(1, IOC_FOREVER);
        assert_int_equal(win_faults_count_of(WIN_CANCEL_TIMER), before);
        sleep__sleep_shortly(1, SLEEP_FAR);
        for (int k = 0; k < 3; k++) {
            sleep__sleep_shortly(1, IOC_FOREVER);
            assert_int_equal(now.limit_ms, INFINITE);
            assert_int_equal(win_faults_count_of(WIN_CANCEL_TIMER), before + 1);
        }
        before = sleep__sets();
        sleep__sleep_shortly(1, SLEEP_FAR); /* the same time as before: set again all the same */
        assert_int_equal(sleep__sets(), before + 1);
    }
}

static void a_call_that_does_not_sleep_leaves_the_timer_alone(void **state)
{
    (void)state;
    sleep__open_port(IOCP_SLEEP_WAIT_PACKET);
    sleep__sleep_shortly(1, SLEEP_FAR);
    sleep__sleep(1, 0);
    sleep__sleep(5, 5);
    assert_int_equal(now.limit_ms, 0);
    assert_int_equal(sleep__sets(), 1);
    assert_int_equal(win_faults_count_of(WIN_CANCEL_TIMER), 0);
}

static void the_ports_limit_leaves_a_timer_room_and_is_endless_only_without_one(void **state)
{
    (void)state;
    static const struct {
        uint64_t until_ns;
        DWORD limit_ms; /* without room */
    } cases[] = {
        {2, 1}, {1 + 300000, 1}, {1 + SLEEP_MS, 1}, {2 + SLEEP_MS, 2}, {1 + 10 * SLEEP_MS, 10},
    };
    for (size_t i = 0; i < IOC_COUNT_OF(sleep_methods); i++) {
        DWORD room = sleep_methods[i] == IOCP_SLEEP_PORT ? 0 : SLEEP_ROOM;
        sleep__open_port(sleep_methods[i]);
        for (size_t k = 0; k < IOC_COUNT_OF(cases); k++) {
            sleep__sleep_shortly(1, cases[k].until_ns);
            assert_int_equal(now.limit_ms, cases[k].limit_ms + room);
        }
        sleep__sleep_shortly(1, IOC_FOREVER - 1);
        assert_int_equal(now.limit_ms, SLEEP_MOST / SLEEP_MS + room);
        sleep__sleep_shortly(1, IOC_FOREVER);
        assert_int_equal(now.limit_ms, INFINITE);
    }
}

static void what_is_asked_of_the_system_at_once_is_five_minutes_at_most(void **state)
{
    (void)state;
    static const uint64_t times[] = {
        IOC_FOREVER - 1, 1 + SLEEP_FAR, 2 + SLEEP_MOST, 1 + SLEEP_MOST, 1 + SLEEP_MOST - 100,
    };
    for (size_t i = 0; i < IOC_COUNT_OF(sleep_methods); i++) {
        bool is_port = sleep_methods[i] == IOCP_SLEEP_PORT;
        sleep__open_port(sleep_methods[i]);
        for (size_t k = 0; k < IOC_COUNT_OF(times); k++) {
            sleep__sleep_shortly(1, times[k]);
            assert_int_equal(now.limit_ms, SLEEP_MOST / SLEEP_MS + (is_port ? 0 : SLEEP_ROOM));
            if (!is_port) {
                assert_true(now.due == -(LONGLONG)(SLEEP_MOST / 100) + (k == 4));
            }
        }
    }
}

static void a_timer_that_cannot_be_set_gets_the_ports_limit_without_room(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        sleep__open_port(sleep_methods[i]);
        win_faults_fail_all_of(WIN_SET_TIMER, 0);
        for (int k = 0; k < 2; k++) {
            sleep__sleep_shortly(1, 1 + 10 * SLEEP_MS);
            assert_int_equal(now.limit_ms, 10);
        }
        win_faults_stop();
        sleep__sleep_shortly(1, 1 + 10 * SLEEP_MS); /* tried again, also for the same time */
        assert_int_equal(now.limit_ms, 10 + SLEEP_ROOM);
    }
}

static void a_packet_that_cannot_be_associated_is_tried_again(void **state)
{
    (void)state;
    sleep__open_port(IOCP_SLEEP_WAIT_PACKET);
    win_packets_refuse_nth(WIN_PACKET_ASSOCIATE, 1, 0xC000009A);
    sleep__sleep_shortly(1, 1 + 10 * SLEEP_MS);
    assert_int_equal(now.limit_ms, 10);
    sleep__sleep_shortly(1, 1 + 10 * SLEEP_MS);
    assert_int_equal(now.limit_ms, 10 + SLEEP_ROOM);
    assert_int_equal(win_packets_count_of(WIN_PACKET_ASSOCIATE), 2);
}

/* ---- Packets at odd moments ---- */

static void sleep__await_signals(uint32_t count)
{
    while (win_packets_signals() < count) {
        test_yield();
    }
}

static void a_packet_for_a_former_time_ends_one_sleep_and_no_more(void **state)
{
    (void)state;
    sleep__open_port(IOCP_SLEEP_WAIT_PACKET);
    win_packets_hold_up(WIN_PACKET_IN_FLIGHT); /* this sleep must not see it */
    sleep__sleep_shortly(1, 1 + SLEEP_MS);
    sleep__await_signals(1);
    win_packets_hold_up(WIN_PACKET_FLOWS); /* now it is in the port */
    sleep__sleep(1, 1 + 20 * SLEEP_MS);
    assert_int_equal(now.ended_by, 0);
    assert_int_equal(now.dequeued.operations + now.dequeued.foreign + now.dequeued.wakes, 0);
    assert_int_equal(win_packets_signals(), 1);
    sleep__sleep(1, 1 + 20 * SLEEP_MS); /* associated again, and set */
    assert_int_equal(now.ended_by, 0);
    assert_int_equal(win_packets_signals(), 2);
    assert_int_equal(win_packets_count_of(WIN_PACKET_ASSOCIATE), 2);
}

static void a_packet_that_a_turn_takes_that_does_not_sleep_does_no_harm(void **state)
{
    (void)state;
    sleep__open_port(IOCP_SLEEP_WAIT_PACKET);
    sleep__sleep_shortly(1, 1 + SLEEP_MS);
    sleep__await_signals(1);
    sleep__sleep(2 * SLEEP_MS, 0);
    assert_int_equal(win_packets_in_use(), 0);
    assert_int_equal(now.dequeued.operations + now.dequeued.foreign + now.dequeued.wakes, 0);
    sleep__sleep(2 * SLEEP_MS, 3 * SLEEP_MS);
    assert_int_equal(now.ended_by, 0);
    assert_int_equal(win_packets_signals(), 2);
}

static void a_packet_that_comes_when_no_time_is_wanted_does_no_harm(void **state)
{
    (void)state;
    sleep__open_port(IOCP_SLEEP_WAIT_PACKET);
    win_packets_hold_up(WIN_PACKET_IN_FLIGHT);
    sleep__sleep_shortly(1, 1 + SLEEP_MS);
    sleep__await_signals(1);
    sleep__sleep_shortly(1, IOC_FOREVER); /* too late to take it back */
    win_packets_hold_up(WIN_PACKET_FLOWS);
    sleep__sleep(1, IOC_FOREVER);
    assert_int_equal(now.ended_by, 0);
    sleep__sleep(1, 1 + SLEEP_MS);
    assert_int_equal(now.ended_by, 0);
    assert_int_equal(win_packets_signals(), 2);
}

static void a_port_closes_with_its_packet_anywhere(void **state)
{
    (void)state;
    sleep__open_port(IOCP_SLEEP_WAIT_PACKET);
    sleep__sleep_shortly(1, SLEEP_FAR);
    assert_int_equal(win_packets_in_use(), 1);
    sleep__close();
    sleep__open_port(IOCP_SLEEP_WAIT_PACKET);
    sleep__sleep_shortly(1, 1 + SLEEP_MS);
    sleep__await_signals(1);
    sleep__close();
    sleep__open_port(IOCP_SLEEP_WAIT_PACKET);
    sleep__sleep(1, 1 + SLEEP_MS);
    assert_int_equal(win_packets_in_use(), 0);
}

/* ---- APCs ---- */

static void CALLBACK sleep__foreign_apc(ULONG_PTR counter)
{
    ++*(unsigned *)counter;
}

static void an_apc_of_the_programs_own_ends_one_sleep_and_no_more(void **state)
{
    (void)state;
    sleep__stop_clock();
    for (size_t i = 0; i < IOC_COUNT_OF(sleep_methods); i++) {
        sleep_timer timer;
        unsigned apcs = 0;
        sleep__open_loop(sleep_methods[i]);
        (void)sleep__start(&timer, 5 * SLEEP_MS);
        sleep__move_clock(2, 5 * SLEEP_MS);
        assert_true(QueueUserAPC(sleep__foreign_apc, GetCurrentThread(), (ULONG_PTR)&apcs) != 0);
        sleep__run_once();
        assert_int_equal(timer.calls, 1);
        assert_int_equal(timer.status, IOCP_OK);
        assert_int_equal(apcs, 1);
        assert_int_equal(sleep__stats().sleeps, 2);
        assert_int_equal(sleep__stats().dequeues, 2);
    }
}

static void an_alertable_wait_that_takes_the_apc_does_not_make_a_timer_late(void **state)
{
    (void)state;
    sleep__open_port(IOCP_SLEEP_APC);
    sleep__sleep_shortly(1, 1 + SLEEP_MS);
    assert_int_equal(SleepEx(INFINITE, TRUE), WAIT_IO_COMPLETION); /* taken, as by a callback */
    sleep__sleep(1, 1 + SLEEP_MS);
    assert_int_equal(now.ended_by, WAIT_IO_COMPLETION);
}

static void no_apc_is_left_when_a_loop_is_gone(void **state)
{
    (void)state;
    sleep__open_port(IOCP_SLEEP_APC);
    sleep__sleep_shortly(1, 1 + SLEEP_MS);
    sleep__close();
    assert_int_equal(SleepEx(20, TRUE), 0); /* not yet due when the port was closed */
    sleep__open_port(IOCP_SLEEP_APC);
    sleep__sleep_shortly(1, 1 + SLEEP_MS);
    sleep__pass(10 * SLEEP_MS);
    sleep__close();
    assert_int_equal(SleepEx(20, TRUE), 0); /* due, and waiting for an alertable wait */
}

static void an_idle_port_leaves_no_apc_to_the_threads_other_waits(void **state)
{
    (void)state;
    sleep__open_port(IOCP_SLEEP_APC);
    sleep__sleep_shortly(1, 1 + SLEEP_MS);
    sleep__pass(10 * SLEEP_MS);
    sleep__sleep_shortly(1, IOC_FOREVER);
    assert_int_equal(SleepEx(20, TRUE), 0);
}

/* ---- Threads ---- */

typedef struct sleep_runner {
    test_thread thread;
    DWORD ended_by;
} sleep_runner;

static void sleep__short_on_thread(void *arg)
{
    sleep_runner *runner = arg;
    sleep__sleep_shortly(1, 1 + SLEEP_MS);
    runner->ended_by = now.ended_by;
}

static void a_port_goes_from_one_thread_to_another_with_its_timer_set(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        sleep_runner runner;
        sleep__open_port(sleep_methods[i]);
        assert_true(test_thread_start(&runner.thread, sleep__short_on_thread, &runner));
        test_thread_join(&runner.thread);
        assert_int_equal(runner.ended_by, 0);
        sleep__sleep(1, 1 + SLEEP_MS);
        bool is_apc = sleep_methods[i] == IOCP_SLEEP_APC;
        assert_int_equal(now.ended_by, is_apc ? WAIT_IO_COMPLETION : 0);
    }
}

static void sleep__run_on_thread(void *arg)
{
    sleep__run_timer(*(const uint64_t *)arg);
}

static void a_loop_sleeps_right_on_any_thread(void **state)
{
    (void)state;
    for (size_t i = 0; i < IOC_COUNT_OF(sleep_methods); i++) {
        sleep__open_loop(sleep_methods[i]);
        sleep__run_timer(2 * SLEEP_MS);
        for (int k = 0; k < 3; k++) {
            test_thread thread;
            uint64_t delay_ns = 2 * SLEEP_MS;
            assert_true(test_thread_start(&thread, sleep__run_on_thread, &delay_ns));
            test_thread_join(&thread);
        }
        sleep__run_timer(2 * SLEEP_MS);
        assert_int_equal(sleep__stats().timer_fires, 5);
    }
}

/* ---- Time ---- */

#define SLEEP_TIMERS 200

static void no_timer_is_early_with_any_method(void **state)
{
    (void)state;
    static sleep_timer timers[SLEEP_TIMERS];
    uint64_t seed = UNIT_SEED;
    for (size_t i = 0; i < IOC_COUNT_OF(sleep_methods); i++) {
        sleep__open_loop(sleep_methods[i]);
        for (size_t k = 0; k < SLEEP_TIMERS; k++) {
            (void)sleep__start(&timers[k], 300000 + unit_random_below(&seed, 19700000));
        }
        assert_int_equal(iocp_loop_run(now.loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
        for (size_t k = 0; k < SLEEP_TIMERS; k++) {
            sleep__check(&timers[k]);
        }
        for (int k = 0; k < 20; k++) {
            sleep__run_timer(300000 + unit_random_below(&seed, 5000000));
        }
    }
}

/* On Windows the port's own limit may end a tick of the clock early: then the loop sleeps again. */
static uint64_t sleep__most_sleeps(iocp_sleep_method_t method, uint64_t timers)
{
    bool may_be_early = method == IOCP_SLEEP_PORT && !win_is_wine();
    return may_be_early ? 2 * timers : timers + timers / 10;
}

static void a_timer_costs_one_wake_up(void **state)
{
    (void)state;
    for (size_t i = 0; i < IOC_COUNT_OF(sleep_methods); i++) {
        sleep__open_loop(sleep_methods[i]);
        for (int k = 0; k < 1000; k++) {
            sleep__run_timer(200000 + (uint64_t)k * 500);
        }
        iocp_stats_t stats = sleep__stats();
        assert_int_equal(stats.timer_fires, 1000);
        assert_in_range(stats.sleeps, 1, sleep__most_sleeps(sleep_methods[i], 1000));
        assert_in_range(stats.dequeues, 1, sleep__most_sleeps(sleep_methods[i], 1000));
    }
}

/* What the clocks disagree about in the last part of the way, and the room. */
static uint64_t sleep__most_late_ns(uint64_t ms_takes_ns)
{
    uint64_t excess_ns = ms_takes_ns > SLEEP_MS ? ms_takes_ns - SLEEP_MS : 0;
    return SLEEP_MOST / SLEEP_MS * excess_ns + (SLEEP_ROOM + 1) * ms_takes_ns;
}

/*
 * The clock that the system sleeps by is off by 100 parts in a million of the loop's, which is 26 s
 * in three days, or stands still for most of the time, as when the machine sleeps.
 */
static void a_timer_of_days_is_on_time_by_the_loops_clock(void **state)
{
    (void)state;
    static const uint64_t ms_takes_ns[] = {SLEEP_MS - 100, SLEEP_MS + 100, 10 * SLEEP_MS};
    uint64_t delay_ns = 3 * 24 * SLEEP_FAR;
    sleep__stop_clock();
    for (size_t i = 0; i < IOC_COUNT_OF(sleep_methods); i++) {
        for (size_t k = 0; k < IOC_COUNT_OF(ms_takes_ns); k++) {
            sleep_timer timer;
            sleep__open_loop(sleep_methods[i]);
            uint64_t begin_ns = now.stands_at_ns;
            now.ms_takes_ns = ms_takes_ns[k];
            (void)sleep__start(&timer, delay_ns);
            sleep__run_once();
            now.ms_takes_ns = 0;
            uint64_t late_ns = now.stands_at_ns - begin_ns - delay_ns;
            assert_int_equal(timer.calls, 1);
            assert_int_equal(timer.status, IOCP_OK);
            assert_in_range(late_ns, 0, sleep__most_late_ns(ms_takes_ns[k]));
            assert_in_range(sleep__stats().sleeps, 1, delay_ns / SLEEP_MOST + 3);
        }
    }
}

/* A limit rounded down to 0 would ask the port again and again until the time has come. */
static void a_time_less_than_a_millisecond_away_is_no_spin(void **state)
{
    (void)state;
    for (size_t i = 0; i < IOC_COUNT_OF(sleep_methods); i++) {
        iocp_async_t *async = NULL;
        sleep__open_loop(sleep_methods[i]);
        assert_int_equal(iocp_async_create(now.loop, &async), IOCP_OK);
        for (int k = 0; k < 20; k++) {
            sleep_timer wait = {.begin_ns = sleep__clock_ns(), .delay_ns = 300000};
            iocp_op_t op;
            assert_int_equal(iocp_async_wait(now.loop, async, sleep__fired, &wait, &op), IOCP_OK);
            assert_int_equal(iocp_op_deadline(now.loop, op, wait.delay_ns), IOCP_OK);
            sleep__run_once();
            assert_int_equal(wait.status, IOCP_ETIMEDOUT);
            assert_true(wait.fired_ns - wait.begin_ns >= wait.delay_ns);
        }
        /* Fewer where the time has come before the loop could sleep; a spin takes thousands. */
        assert_in_range(sleep__stats().dequeues, 0, 2 * 20);
        assert_in_range(sleep__stats().turns, 20, 3 * 20);
        assert_int_equal(iocp_async_destroy(async), IOCP_OK);
    }
}

static void a_loop_whose_timer_cannot_be_set_is_on_time(void **state)
{
    (void)state;
    for (size_t i = 0; i < IOC_COUNT_OF(sleep_methods); i++) {
        sleep__open_loop(sleep_methods[i]);
        now.is_patient = false;
        win_faults_fail_all_of(WIN_SET_TIMER, 0);
        for (int k = 0; k < 10; k++) {
            sleep__run_timer(5 * SLEEP_MS);
            assert_in_range(now.limit_ms, 0, 5);
        }
        win_faults_stop();
    }
}

static void a_loop_whose_timer_cannot_be_set_sleeps_once_and_exactly_as_long(void **state)
{
    (void)state;
    sleep__stop_clock();
    for (size_t i = 0; i < IOC_COUNT_OF(sleep_methods); i++) {
        sleep__open_loop(sleep_methods[i]);
        now.is_patient = false;
        win_faults_fail_all_of(WIN_SET_TIMER, 0);
        for (unsigned k = 1; k <= 10; k++) {
            sleep_timer timer;
            (void)sleep__start(&timer, 5 * SLEEP_MS);
            sleep__move_clock(1, 5 * SLEEP_MS);
            sleep__run_once();
            assert_int_equal(timer.calls, 1);
            assert_int_equal(timer.status, IOCP_OK);
            assert_int_equal(now.limit_ms, 5);
            assert_int_equal(sleep__stats().sleeps, k);
        }
        win_faults_stop();
    }
}

typedef struct sleep_notifier {
    test_thread thread;
    iocp_async_t *async;
} sleep_notifier;

static void sleep__notify_later(void *arg)
{
    sleep_notifier *notifier = arg;
    (void)WaitForSingleObject(now.asleep, INFINITE);
    test_sleep_ms(60); /* room for wake-ups that should not be */
    assert_int_equal(iocp_async_notify(notifier->async), IOCP_OK);
}

static void an_idle_loop_makes_no_wake_ups(void **state)
{
    (void)state;
    for (size_t i = 0; i < IOC_COUNT_OF(sleep_methods); i++) {
        sleep_notifier notifier = {.async = NULL};
        sleep_timer wait = {.calls = 0};
        sleep_timer timer;
        sleep__open_loop(sleep_methods[i]);
        assert_int_equal(iocp_async_create(now.loop, &notifier.async), IOCP_OK);
        assert_int_equal(iocp_async_wait(now.loop, notifier.async, sleep__fired, &wait, NULL),
                         IOCP_OK);
        iocp_op_t op = sleep__start(&timer, SLEEP_FAR);
        sleep__run_timer(SLEEP_MS);
        assert_int_equal(iocp_cancel(now.loop, op, NULL, NULL, NULL), IOCP_OK);
        sleep__run_once(); /* the timer's end */
        uint64_t before = sleep__stats().sleeps;
        now.asleep = CreateEventW(NULL, FALSE, FALSE, NULL);
        assert_non_null(now.asleep);
        assert_true(test_thread_start(&notifier.thread, sleep__notify_later, &notifier));
        sleep__run_once();
        test_thread_join(&notifier.thread);
        assert_true(CloseHandle(now.asleep));
        now.asleep = NULL;
        assert_int_equal(now.limit_ms, INFINITE);
        assert_int_equal(wait.status, IOCP_OK);
        assert_int_equal(wait.calls, 1);
        assert_int_equal(timer.status, IOCP_ECANCELED);
        assert_int_equal(sleep__stats().sleeps - before, 1);
        assert_int_equal(iocp_async_destroy(notifier.async), IOCP_OK);
    }
}

/* ---- Timers and other things together ---- */

typedef struct sleep_mix {
    HANDLE event;
    int waits;
    int timers;
} sleep_mix;

static iocp_action_t IOCP_CALL sleep__mix_waited(iocp_loop_t *loop, const iocp_result_t *result,
                                                 void *userdata)
{
    sleep_mix *mix = userdata;
    (void)loop;
    assert_int_equal(result->status, IOCP_OK);
    return ++mix->waits < 200 ? IOCP_REARM : IOCP_DISARM;
}

static iocp_action_t IOCP_CALL sleep__mix_fired(iocp_loop_t *loop, const iocp_result_t *result,
                                                void *userdata)
{
    sleep_mix *mix = userdata;
    (void)loop;
    assert_int_equal(result->status, IOCP_OK);
    mix->timers++;
    assert_true(SetEvent(mix->event));
    return mix->waits < 200 ? IOCP_REARM : IOCP_DISARM;
}

static void timers_and_packets_come_together(void **state)
{
    (void)state;
    for (size_t i = 0; i < IOC_COUNT_OF(sleep_methods); i++) {
        sleep_mix mix = {.event = CreateEventW(NULL, FALSE, FALSE, NULL)};
        sleep_timer last;
        sleep__open_loop(sleep_methods[i]);
        assert_int_equal(iocp_wait(now.loop, mix.event, sleep__mix_waited, &mix, NULL), IOCP_OK);
        assert_int_equal(iocp_timer(now.loop, SLEEP_MS / 2, sleep__mix_fired, &mix, NULL), IOCP_OK);
        assert_int_equal(iocp_timer(now.loop, SLEEP_MS, sleep__mix_fired, &mix, NULL), IOCP_OK);
        (void)sleep__start(&last, 30 * SLEEP_MS);
        assert_int_equal(iocp_loop_run(now.loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
        assert_int_equal(mix.waits, 200);
        assert_true(mix.timers >= 200);
        sleep__check(&last);
        assert_true(CloseHandle(mix.event));
    }
}

#define SLEEP_TEST(function) \
    cmocka_unit_test_setup_teardown(function, sleep__setup, sleep__teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SLEEP_TEST(each_method_can_be_asked_for_and_the_stats_say_which),
        SLEEP_TEST(packets_that_the_system_does_not_have_are_not_supported),
        SLEEP_TEST(auto_takes_packets_then_apcs_then_the_ports_limit),
        SLEEP_TEST(auto_opens_nothing_before_the_first_sleep_until_a_time),
        SLEEP_TEST(auto_tries_to_open_once),
        SLEEP_TEST(a_method_that_was_asked_for_and_cannot_be_opened_tells_why),
        SLEEP_TEST(the_timer_of_a_packet_is_of_high_resolution_if_the_system_has_such),
        SLEEP_TEST(the_timer_of_an_apc_is_never_of_high_resolution),
        SLEEP_TEST(the_ports_own_limit_needs_no_timer),
        SLEEP_TEST(the_capabilities_are_what_the_system_has),
        SLEEP_TEST(a_timer_with_a_packet_is_set_once_for_a_time_that_stays),
        SLEEP_TEST(a_time_that_moves_on_costs_no_call),
        SLEEP_TEST(a_timer_that_is_set_for_earlier_ends_one_sleep_and_is_set_anew),
        SLEEP_TEST(the_packet_of_a_timer_is_asked_for_besides_those_of_operations),
        SLEEP_TEST(a_timer_with_an_apc_is_set_for_each_sleep),
        SLEEP_TEST(a_timer_is_set_from_now_on_rounded_up_and_fires_once),
        SLEEP_TEST(no_timer_wakes_a_machine_that_sleeps),
        SLEEP_TEST(a_timer_is_taken_back_when_no_time_is_wanted),
        SLEEP_TEST(a_call_that_does_not_sleep_leaves_the_timer_alone),
        SLEEP_TEST(the_ports_limit_leaves_a_timer_room_and_is_endless_only_without_one),
        SLEEP_TEST(what_is_asked_of_the_system_at_once_is_five_minutes_at_most),
        SLEEP_TEST(a_timer_that_cannot_be_set_gets_the_ports_limit_without_room),
        SLEEP_TEST(a_packet_that_cannot_be_associated_is_tried_again),
        SLEEP_TEST(a_packet_for_a_former_time_ends_one_sleep_and_no_more),
        SLEEP_TEST(a_packet_that_a_turn_takes_that_does_not_sleep_does_no_harm),
        SLEEP_TEST(a_packet_that_comes_when_no_time_is_wanted_does_no_harm),
        SLEEP_TEST(a_port_closes_with_its_packet_anywhere),
        SLEEP_TEST(an_apc_of_the_programs_own_ends_one_sleep_and_no_more),
        SLEEP_TEST(an_alertable_wait_that_takes_the_apc_does_not_make_a_timer_late),
        SLEEP_TEST(no_apc_is_left_when_a_loop_is_gone),
        SLEEP_TEST(an_idle_port_leaves_no_apc_to_the_threads_other_waits),
        SLEEP_TEST(a_port_goes_from_one_thread_to_another_with_its_timer_set),
        SLEEP_TEST(a_loop_sleeps_right_on_any_thread),
        SLEEP_TEST(no_timer_is_early_with_any_method),
        SLEEP_TEST(a_timer_costs_one_wake_up),
        SLEEP_TEST(a_timer_of_days_is_on_time_by_the_loops_clock),
        SLEEP_TEST(a_time_less_than_a_millisecond_away_is_no_spin),
        SLEEP_TEST(a_loop_whose_timer_cannot_be_set_is_on_time),
        SLEEP_TEST(a_loop_whose_timer_cannot_be_set_sleeps_once_and_exactly_as_long),
        SLEEP_TEST(an_idle_loop_makes_no_wake_ups),
        SLEEP_TEST(timers_and_packets_come_together),
    };
    win_catch_crashes();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
