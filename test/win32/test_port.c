/* The completion port by itself: what comes out of it, how long it sleeps, how it is woken. */
#include "unit.h"

#include "backend.h"
#include "loop.h"
#include "win32/port.h"
#include "win32/sys.h"

#include "threads.h"
#include "win_faults.h"
#include "win_leaks.h"
#include "win_loop.h"

#define PORT_BATCH 4

typedef struct port_test {
    unit_memory memory;
    ioc_ops ops; /* of which the port looks at one number */
    const ioc_backend *backend;
    ioc_port *port;
    ioc_list ended;
    ioc_dequeued dequeued;
    size_t handles_before;
} port_test;

static port_test port_now;

/* ---- A dequeue that only tells how it was called ---- */

static struct {
    DWORD timeout_ms;
    ULONG capacity;
    BOOL is_alertable;
    ULONG count; /* to say */
    DWORD error; /* to fail with */
    uint32_t calls;
} port_fake;

static BOOL WINAPI port__fake_dequeue(HANDLE port, OVERLAPPED_ENTRY *entries, ULONG capacity,
                                      ULONG *count, DWORD timeout_ms, BOOL is_alertable)
{
    (void)port;
    (void)entries;
    port_fake.timeout_ms = timeout_ms;
    port_fake.capacity = capacity;
    port_fake.is_alertable = is_alertable;
    port_fake.calls++;
    *count = port_fake.count;
    SetLastError(port_fake.error);
    return FALSE;
}

/* ---- Ports ---- */

static void port__open(const ioc_sys *sys)
{
    ioc_win_options win_options = {.sys = sys};
    ioc_port_options options = {
        .alloc = &port_now.memory.alloc,
        .ops = &port_now.ops,
        .batch = PORT_BATCH,
        .completion_mode = IOCP_COMPLETION_AUTO,
        .sleep_method = IOCP_SLEEP_PORT,
        .extra = &win_options,
    };
    uint32_t native_error = 0;
    assert_int_equal(port_now.backend->open(&options, &port_now.port, &native_error), IOCP_OK);
    assert_int_equal(native_error, 0);
}

/* Another table for the port that is open: it takes the table's address as it is opened. */
static void port__reopen(const ioc_sys *sys)
{
    port_now.backend->close(port_now.port);
    port__open(sys);
}

static int port__setup(void **state)
{
    (void)state;
    win_faults_reset();
    unit_memory_init(&port_now.memory);
    ioc_list_init(&port_now.ended);
    port_now.ops.in_kernel = 0;
    port_now.backend = ioc_backend_default();
    port_now.handles_before = win_open_handles();
    port__open(win_faults_table());
    return 0;
}

static int port__teardown(void **state)
{
    (void)state;
    port_now.backend->close(port_now.port);
    win_loop_check_leaks(&port_now.memory, port_now.handles_before);
    return 0;
}

static int port__dequeue(uint64_t timeout_ns)
{
    uint64_t now_ns = port_now.backend->now(port_now.port);
    uint64_t until_ns = timeout_ns == 0 ? 0 : ioc_add_saturated(now_ns, timeout_ns);
    return port_now.backend->dequeue(port_now.port, now_ns, until_ns, &port_now.ended,
                                     &port_now.dequeued);
}

static HANDLE port__native(void)
{
    return port_now.backend->native(port_now.port);
}

/* ---- How long it sleeps ---- */

static DWORD port__asked_ms(uint64_t timeout_ns)
{
    port_fake.error = WAIT_TIMEOUT;
    assert_int_equal(port__dequeue(timeout_ns), IOCP_OK);
    return port_fake.timeout_ms;
}

static void timeouts_are_rounded_up(void **state)
{
    (void)state;
    ioc_sys sys = *ioc_sys_default();
    sys.GetQueuedCompletionStatusEx = port__fake_dequeue;
    port__reopen(&sys);
    assert_int_equal(port__asked_ms(0), 0);
    assert_int_equal(port__asked_ms(1), 1);
    assert_int_equal(port__asked_ms(999999), 1);
    assert_int_equal(port__asked_ms(1000000), 1);
    assert_int_equal(port__asked_ms(1000001), 2);
    assert_int_equal(port__asked_ms(UINT64_C(15600000000)), 15600);
    port__reopen(ioc_sys_default());
}

static void a_long_timeout_is_not_taken_for_an_endless_one(void **state)
{
    (void)state;
    ioc_sys sys = *ioc_sys_default();
    sys.GetQueuedCompletionStatusEx = port__fake_dequeue;
    port__reopen(&sys);
    /* Five minutes at once, and then the loop looks at its clock. */
    assert_int_equal(port__asked_ms(UINT64_C(299999) * IOC_NS_PER_MS), 299999);
    assert_int_equal(port__asked_ms(UINT64_C(300000) * IOC_NS_PER_MS), 300000);
    assert_int_equal(port__asked_ms(UINT64_C(300000) * IOC_NS_PER_MS + 1), 300000);
    assert_int_equal(port__asked_ms(UINT64_C(4294967295) * IOC_NS_PER_MS), 300000);
    assert_int_equal(port__asked_ms(UINT64_C(4294967296) * IOC_NS_PER_MS), 300000);
    assert_int_equal(port__asked_ms(IOC_FOREVER / 2), 300000);
    assert_int_equal(port__asked_ms(IOC_FOREVER), INFINITE);
    port__reopen(ioc_sys_default());
}

static void the_dequeue_is_alertable(void **state)
{
    (void)state;
    ioc_sys sys = *ioc_sys_default();
    sys.GetQueuedCompletionStatusEx = port__fake_dequeue;
    port__reopen(&sys);
    (void)port__asked_ms(0);
    assert_true(port_fake.is_alertable);
    port__reopen(ioc_sys_default());
}

static void the_dequeue_asks_for_as_many_packets_as_can_come(void **state)
{
    (void)state;
    static const ULONG capacities[] = {1, 1, 2, PORT_BATCH - 1, PORT_BATCH, PORT_BATCH, PORT_BATCH};
    static const size_t in_kernel[] = {
        0, 1, 2, PORT_BATCH - 1, PORT_BATCH, PORT_BATCH + 1, SIZE_MAX / 2};
    ioc_sys sys = *ioc_sys_default();
    sys.GetQueuedCompletionStatusEx = port__fake_dequeue;
    port__reopen(&sys);
    for (size_t i = 0; i < IOC_COUNT_OF(in_kernel); i++) {
        port_now.ops.in_kernel = in_kernel[i];
        (void)port__asked_ms(0);
        assert_int_equal(port_fake.capacity, capacities[i]);
        (void)port__asked_ms(IOC_FOREVER);
        assert_int_equal(port_fake.capacity, capacities[i]);
    }
    port__reopen(ioc_sys_default());
}

/* Once the program has the port's handle it may send any number. */
static void a_port_that_the_program_has_is_asked_for_a_batch(void **state)
{
    (void)state;
    ioc_sys sys = *ioc_sys_default();
    sys.GetQueuedCompletionStatusEx = port__fake_dequeue;
    port__reopen(&sys);
    (void)port__native();
    (void)port__asked_ms(0);
    assert_int_equal(port_fake.capacity, PORT_BATCH);
    port__reopen(ioc_sys_default());
}

static void only_the_answer_of_a_dequeue_is_trusted(void **state)
{
    (void)state;
    ioc_sys sys = *ioc_sys_default();
    sys.GetQueuedCompletionStatusEx = port__fake_dequeue;
    port__reopen(&sys);
    static const DWORD quiet[] = {WAIT_TIMEOUT, WAIT_IO_COMPLETION};
    for (size_t i = 0; i < IOC_COUNT_OF(quiet); i++) {
        port_fake.count = 1; /* as some systems leave it after a timeout */
        port_fake.error = quiet[i];
        port_now.dequeued.operations = 77;
        assert_int_equal(port__dequeue(0), IOCP_OK);
        assert_int_equal(port_now.dequeued.operations, 0);
        assert_true(ioc_list_is_empty(&port_now.ended));
    }
    port_fake.count = 0;
    port__reopen(ioc_sys_default());
}

static void a_dequeue_that_fails_tells_why(void **state)
{
    (void)state;
    port_now.dequeued.operations = 77;
    win_faults_fail_next_of(WIN_DEQUEUE, ERROR_ACCESS_DENIED);
    assert_int_equal(port__dequeue(0), IOCP_EACCES);
    assert_int_equal(port_now.port->native_error, ERROR_ACCESS_DENIED);
    assert_int_equal(port_now.dequeued.operations, 0);
    assert_int_equal(port__dequeue(0), IOCP_OK);
}

static void a_real_timeout_ends_not_early(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        uint64_t begin_ns = port_now.backend->now(port_now.port);
        assert_int_equal(port__dequeue(5 * IOC_NS_PER_MS), IOCP_OK);
        /* Windows may end a wait one tick of its clock early; the loop then sleeps again. */
        uint64_t slept_ns = port_now.backend->now(port_now.port) - begin_ns;
        assert_true(slept_ns + 16 * IOC_NS_PER_MS >= 5 * IOC_NS_PER_MS);
        assert_int_equal(port_now.dequeued.operations, 0);
    }
}

/* ---- Packets of others ---- */

static void foreign_packets_are_counted_and_not_looked_at(void **state)
{
    (void)state;
    OVERLAPPED *nowhere = (OVERLAPPED *)(uintptr_t)0x10;
    assert_true(PostQueuedCompletionStatus(port__native(), 1, 0, NULL));
    assert_true(PostQueuedCompletionStatus(port__native(), 2, 12345, nowhere));
    assert_true(PostQueuedCompletionStatus(port__native(), 3, (ULONG_PTR)nowhere, nowhere));
    assert_int_equal(port__dequeue(0), IOCP_OK);
    assert_int_equal(port_now.dequeued.foreign, 3);
    assert_int_equal(port_now.dequeued.operations, 0);
    assert_int_equal(port_now.dequeued.wakes, 0);
    assert_true(ioc_list_is_empty(&port_now.ended));
}

static ULONG port_capacity; /* of the last dequeue */

static BOOL WINAPI port__note_capacity(HANDLE port, OVERLAPPED_ENTRY *entries, ULONG capacity,
                                       ULONG *count, DWORD timeout_ms, BOOL is_alertable)
{
    port_capacity = capacity;
    return GetQueuedCompletionStatusEx(port, entries, capacity, count, timeout_ms, is_alertable);
}

/* As behind the handle of another process that shares what was adopted: where one is, are more. */
static void a_port_that_brings_foreign_packets_is_asked_for_a_batch(void **state)
{
    (void)state;
    ioc_sys sys = *win_faults_table();
    sys.GetQueuedCompletionStatusEx = port__note_capacity;
    port__reopen(&sys);
    HANDLE native = ioc_win_port_of(port_now.port)->port;
    for (int i = 0; i < 3; i++) {
        assert_true(PostQueuedCompletionStatus(native, 0, 0, NULL));
    }
    assert_int_equal(port__dequeue(0), IOCP_OK);
    assert_int_equal(port_capacity, 1);
    assert_int_equal(port_now.dequeued.foreign, 1);
    assert_int_equal(port__dequeue(0), IOCP_OK);
    assert_int_equal(port_capacity, PORT_BATCH);
    assert_int_equal(port_now.dequeued.foreign, 2);
    port__reopen(win_faults_table());
}

/* A wake comes besides the packets that were counted: what is left waits for the next dequeue. */
static void packets_that_were_not_expected_are_taken_by_the_next_dequeue(void **state)
{
    (void)state;
    HANDLE native = ioc_win_port_of(port_now.port)->port;
    assert_int_equal(port_now.backend->wake(port_now.port), IOC_WAKE_PACKET);
    assert_true(PostQueuedCompletionStatus(native, 0, 0, NULL));
    assert_int_equal(port__dequeue(IOC_FOREVER), IOCP_OK);
    assert_int_equal(port_now.dequeued.wakes, 1);
    assert_int_equal(port_now.dequeued.foreign, 0);
    assert_int_equal(port__dequeue(IOC_FOREVER), IOCP_OK);
    assert_int_equal(port_now.dequeued.wakes, 0);
    assert_int_equal(port_now.dequeued.foreign, 1);
}

static void more_packets_than_a_batch_come_in_batches(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * PORT_BATCH + 1; i++) {
        assert_true(PostQueuedCompletionStatus(port__native(), 0, 0, NULL));
    }
    assert_int_equal(port_now.backend->wake(port_now.port), IOC_WAKE_PACKET);
    assert_int_equal(port__dequeue(0), IOCP_OK);
    assert_int_equal(port_now.dequeued.foreign, PORT_BATCH);
    assert_int_equal(port__dequeue(0), IOCP_OK);
    assert_int_equal(port_now.dequeued.foreign, PORT_BATCH);
    assert_int_equal(port_now.dequeued.wakes, 0);
    assert_int_equal(port__dequeue(0), IOCP_OK);
    assert_int_equal(port_now.dequeued.foreign, 1);
    assert_int_equal(port_now.dequeued.wakes, 1);
    assert_int_equal(port__dequeue(0), IOCP_OK);
    assert_int_equal(port_now.dequeued.foreign + port_now.dequeued.wakes, 0);
}

static iocp_action_t IOCP_CALL port__ignore(iocp_loop_t *loop, const iocp_result_t *result,
                                            void *userdata)
{
    (void)loop;
    (void)result;
    (void)userdata;
    return IOCP_DISARM;
}

/* Each of its members sends some, and the watch is one operation. */
static void a_port_with_a_job_is_asked_for_a_batch(void **state)
{
    (void)state;
    ioc_sys sys = *win_faults_table();
    sys.GetQueuedCompletionStatusEx = port__note_capacity;
    HANDLE job = CreateJobObjectW(NULL, NULL);
    assert_non_null(job);
    iocp_loop_t *loop = win_loop_create(&sys, &port_now.memory, IOCP_COMPLETION_AUTO);
    assert_int_equal(iocp_job_watch(loop, job, port__ignore, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
    assert_int_equal(port_capacity, loop->loop_only.batch);
    assert_int_equal(iocp_loop_destroy(loop, 0), IOCP_OK);
    assert_true(CloseHandle(job));
}

static void a_loop_counts_foreign_packets_and_goes_on(void **state)
{
    (void)state;
    iocp_loop_t *loop = NULL;
    void *native = NULL;
    iocp_stats_t stats = {.size = sizeof stats};
    assert_int_equal(iocp_loop_create(NULL, &loop), IOCP_OK);
    assert_int_equal(iocp_loop_native_port(loop, &native), IOCP_OK);
    assert_true(PostQueuedCompletionStatus(native, 0, 1, (OVERLAPPED *)(uintptr_t)0x10));
    assert_int_equal(iocp_timer(loop, IOC_NS_PER_MS, port__ignore, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_ONCE), IOCP_OK);
    assert_int_equal(iocp_loop_stats(loop, &stats), IOCP_OK);
    assert_int_equal(stats.foreign_packets, 1);
    assert_int_equal(stats.packets, 0);
    assert_int_equal(stats.callbacks, 1);
    assert_int_equal(iocp_loop_destroy(loop, 0), IOCP_OK);
}

/* ---- Threads ---- */

static DWORD port_threads;

static HANDLE WINAPI port__note_threads(HANDLE file, HANDLE port, ULONG_PTR key, DWORD threads)
{
    port_threads = threads;
    return CreateIoCompletionPort(file, port, key, threads);
}

/* One that ran the loop and computes now would otherwise keep the packets from the next. */
static void the_port_does_not_limit_its_threads(void **state)
{
    (void)state;
    ioc_sys table = *win_faults_table();
    table.CreateIoCompletionPort = port__note_threads;
    port__reopen(&table);
    assert_int_equal(port_threads, INT32_MAX);
    port__reopen(win_faults_table());
}

/* ---- Winsock ---- */

static WORD port_winsock;

static int WINAPI port__note_winsock(WORD version, WSADATA *data)
{
    port_winsock = version;
    return win_faults_table()->WSAStartup(version, data);
}

static void winsock_is_asked_for_in_the_version_that_has_ports(void **state)
{
    (void)state;
    ioc_sys table = *win_faults_table();
    table.WSAStartup = port__note_winsock;
    port__reopen(&table);
    assert_int_equal(port_winsock, MAKEWORD(2, 2));
    port__reopen(win_faults_table());
}

/* ---- Programs that sleep on the port by themselves ---- */

static void IOCP_CALL port__count(iocp_loop_t *loop, void *arg)
{
    (void)loop;
    *(int *)arg += 1;
}

static void a_program_can_sleep_on_the_port(void **state)
{
    (void)state;
    iocp_loop_t *loop = NULL;
    void *native = NULL;
    uint64_t when_ns = 0;
    int posts = 0;
    assert_int_equal(iocp_loop_create(NULL, &loop), IOCP_OK);
    assert_int_equal(iocp_loop_native_port(loop, &native), IOCP_OK);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
        assert_int_equal(iocp_loop_next_deadline(loop, &when_ns), IOCP_ENOENT);
        assert_int_equal(WaitForSingleObject(native, 0), WAIT_TIMEOUT);
        assert_int_equal(iocp_post(loop, port__count, &posts), IOCP_OK);
        assert_int_equal(WaitForSingleObject(native, 0), WAIT_OBJECT_0);
        assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
        assert_int_equal(posts, i);
    }
    /* A packet that concerns nothing pending does not keep it awake for ever. */
    assert_int_equal(iocp_loop_next_deadline(loop, &when_ns), IOCP_ENOENT);
    assert_true(PostQueuedCompletionStatus(native, 0, 1, NULL));
    assert_int_equal(WaitForSingleObject(native, 0), WAIT_OBJECT_0);
    assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
    assert_int_equal(WaitForSingleObject(native, 0), WAIT_TIMEOUT);
    assert_int_equal(iocp_loop_destroy(loop, 0), IOCP_OK);
}

/* ---- Waking ---- */

static void a_wake_is_one_packet(void **state)
{
    (void)state;
    assert_int_equal(port_now.backend->wake(port_now.port), IOC_WAKE_PACKET);
    assert_int_equal(port__dequeue(IOC_FOREVER), IOCP_OK);
    assert_int_equal(port_now.dequeued.wakes, 1);
    assert_int_equal(port_now.dequeued.foreign, 0);
    assert_int_equal(port_now.dequeued.operations, 0);
    assert_int_equal(port__dequeue(0), IOCP_OK);
    assert_int_equal(port_now.dequeued.wakes, 0);
}

static void port__sleep(void *arg)
{
    int *status = arg;
    *status = port__dequeue(IOC_FOREVER);
}

static void a_wake_whose_packet_is_refused_reaches_a_sleeper_by_apc(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        test_thread sleeper;
        int status = IOCP_EUNKNOWN;
        win_faults_fail_all_of(WIN_POST, 0);
        assert_true(test_thread_start(&sleeper, port__sleep, &status));
        if (i % 2 == 0) {
            test_sleep_ms(2); /* so that both come first now and then */
        }
        ioc_wake how = port_now.backend->wake(port_now.port);
        assert_true(how == IOC_WAKE_DIRECT || how == IOC_WAKE_FAILED);
        test_thread_join(&sleeper);
        win_faults_stop();
        assert_int_equal(status, IOCP_OK);
        assert_int_equal(port_now.dequeued.wakes, 0);
    }
    assert_true(win_faults_count_of(WIN_QUEUE_APC) > 0);
}

static void a_refused_wake_before_the_sleep_prevents_it(void **state)
{
    (void)state;
    win_faults_fail_all_of(WIN_POST, 0);
    (void)port_now.backend->wake(port_now.port);
    assert_int_equal(port__dequeue(IOC_FOREVER), IOCP_OK);
    /* The second time there is a thread to send an APC to; it waits for the alertable call. */
    assert_int_equal(port_now.backend->wake(port_now.port), IOC_WAKE_DIRECT);
    assert_int_equal(port__dequeue(IOC_FOREVER), IOCP_OK);
    assert_int_equal(port_now.dequeued.wakes, 0);
}

static void a_refused_wake_prevents_one_sleep(void **state)
{
    (void)state;
    ioc_sys table = *win_faults_table();
    table.GetQueuedCompletionStatusEx = port__fake_dequeue;
    port__reopen(&table);
    win_faults_fail_all_of(WIN_POST, 0);
    (void)port_now.backend->wake(port_now.port);
    assert_int_equal(port__asked_ms(5 * IOC_NS_PER_MS), 0);
    assert_int_equal(port__asked_ms(5 * IOC_NS_PER_MS), 5);
    win_faults_stop();
    port__reopen(win_faults_table());
}

/* Whoever takes packets from the port itself tells none by an OVERLAPPED that is NULL. */
static void a_wake_looks_like_a_packet_to_a_program(void **state)
{
    (void)state;
    DWORD bytes = 0;
    ULONG_PTR key = 0;
    OVERLAPPED *overlapped = NULL;
    assert_int_equal(port_now.backend->wake(port_now.port), IOC_WAKE_PACKET);
    assert_true(GetQueuedCompletionStatus(port__native(), &bytes, &key, &overlapped, 0));
    assert_non_null(overlapped);
}

static void port__sleep_shortly(void *arg)
{
    int *status = arg;
    *status = port__dequeue(1);
}

static void a_refused_wake_is_not_lost_when_the_thread_changes(void **state)
{
    (void)state;
    test_thread former;
    int status = IOCP_EUNKNOWN;
    assert_true(test_thread_start(&former, port__sleep_shortly, &status));
    test_thread_join(&former);
    assert_int_equal(status, IOCP_OK);
    win_faults_fail_all_of(WIN_POST, 0);
    (void)port_now.backend->wake(port_now.port); /* to a thread that will never sleep again */
    assert_int_equal(port__dequeue(IOC_FOREVER), IOCP_OK);
}

static void a_wake_that_has_no_means_says_so_and_prevents_the_next_sleep(void **state)
{
    (void)state;
    assert_int_equal(port__dequeue(1), IOCP_OK);
    win_faults_fail_all_of(WIN_POST, 0);
    win_faults_fail_all_of(WIN_QUEUE_APC, 0);
    assert_int_equal(port_now.backend->wake(port_now.port), IOC_WAKE_FAILED);
    assert_int_equal(port__dequeue(IOC_FOREVER), IOCP_OK);
}

static void a_thread_that_cannot_be_opened_loses_only_the_fallback(void **state)
{
    (void)state;
    win_faults_fail_all_of(WIN_OPEN_THREAD, 0);
    assert_int_equal(port__dequeue(1), IOCP_OK);
    assert_int_equal(port_now.backend->wake(port_now.port), IOC_WAKE_PACKET);
    assert_int_equal(port__dequeue(IOC_FOREVER), IOCP_OK);
    assert_int_equal(port_now.dequeued.wakes, 1);
    win_faults_stop();
    assert_int_equal(port__dequeue(1), IOCP_OK); /* which tries again */
    win_faults_fail_all_of(WIN_POST, 0);
    assert_int_equal(port_now.backend->wake(port_now.port), IOC_WAKE_DIRECT);
    win_faults_stop();
}

/* ---- A loop whose packets are refused again and again ---- */

#define PORT_POSTERS 3
#define PORT_POSTS   2000

typedef struct port_poster {
    test_thread thread;
    iocp_loop_t *loop;
    uint32_t arrived;
} port_poster;

static void IOCP_CALL port__arrive(iocp_loop_t *loop, void *arg)
{
    port_poster *poster = arg;
    (void)loop;
    poster->arrived++;
}

static void port__post_all(void *arg)
{
    port_poster *poster = arg;
    for (int i = 0; i < PORT_POSTS; i++) {
        if (i % 3 == 0) {
            win_faults_fail_next_of(WIN_POST, 0);
        }
        while (iocp_post(poster->loop, port__arrive, poster) != IOCP_OK) {
            test_yield();
        }
        if (i % 16 == 0) {
            test_yield(); /* let the loop fall asleep */
        }
    }
}

static uint32_t port__arrived(const port_poster *posters)
{
    uint32_t sum = 0;
    for (int i = 0; i < PORT_POSTERS; i++) {
        sum += posters[i].arrived;
    }
    return sum;
}

static void no_post_is_lost_while_wakes_are_refused(void **state)
{
    (void)state;
    iocp_loop_t *loop = win_loop_create(win_faults_table(), &port_now.memory, IOCP_COMPLETION_AUTO);
    iocp_async_t *async = NULL;
    port_poster posters[PORT_POSTERS];
    /* Something to wait for that never ends. */
    assert_int_equal(iocp_async_create(loop, &async), IOCP_OK);
    assert_int_equal(iocp_async_wait(loop, async, port__ignore, NULL, NULL), IOCP_OK);
    for (int i = 0; i < PORT_POSTERS; i++) {
        posters[i].loop = loop;
        posters[i].arrived = 0;
        assert_true(test_thread_start(&posters[i].thread, port__post_all, &posters[i]));
    }
    while (port__arrived(posters) < PORT_POSTERS * PORT_POSTS) {
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_ONCE), IOCP_OK);
    }
    for (int i = 0; i < PORT_POSTERS; i++) {
        test_thread_join(&posters[i].thread);
        assert_int_equal(posters[i].arrived, PORT_POSTS);
    }
    win_faults_stop();
    assert_int_equal(iocp_async_destroy(async), IOCP_OK);
    assert_int_equal(iocp_loop_destroy(loop, 0), IOCP_OK);
}

typedef struct port_runner {
    test_thread thread;
    iocp_loop_t *loop;
    int status;
} port_runner;

static void port__run_once(void *arg)
{
    port_runner *runner = arg;
    runner->status = iocp_loop_run(runner->loop, IOCP_RUN_ONCE);
}

static void a_wake_without_any_means_is_tried_again_with_the_next_post(void **state)
{
    (void)state;
    iocp_async_t *async = NULL;
    port_runner runner = {.status = IOCP_EUNKNOWN};
    port_poster poster = {.arrived = 0};
    runner.loop = win_loop_create(win_faults_table(), &port_now.memory, IOCP_COMPLETION_AUTO);
    assert_int_equal(iocp_async_create(runner.loop, &async), IOCP_OK);
    assert_int_equal(iocp_async_wait(runner.loop, async, port__ignore, NULL, NULL), IOCP_OK);
    assert_true(test_thread_start(&runner.thread, port__run_once, &runner));
    test_sleep_ms(50); /* most likely it sleeps then; if not, this passes all the same */
    win_faults_fail_next_of(WIN_POST, 0);
    win_faults_fail_next_of(WIN_QUEUE_APC, 0);
    assert_int_equal(iocp_post(runner.loop, port__arrive, &poster), IOCP_OK);
    assert_int_equal(iocp_post(runner.loop, port__arrive, &poster), IOCP_OK);
    test_thread_join(&runner.thread); /* which never ends if the wake is lost */
    win_faults_stop();
    assert_int_equal(runner.status, IOCP_OK);
    assert_int_equal(iocp_async_destroy(async), IOCP_OK);
    assert_int_equal(iocp_loop_destroy(runner.loop, 0), IOCP_OK);
    assert_int_equal(poster.arrived, 2);
}

/* ---- Opening ---- */

static void a_port_that_cannot_be_opened_leaves_nothing(void **state)
{
    (void)state;
    static const win_call needed[] = {WIN_STARTUP, WIN_CREATE_PORT, WIN_FREQUENCY,
                                      WIN_CREATE_TIMER};
    ioc_win_options win_options = {.sys = win_faults_table()};
    uint64_t live = unit_memory_live(&port_now.memory);
    size_t handles = win_open_handles();
    for (size_t i = 0; i < IOC_COUNT_OF(needed); i++) {
        ioc_port_options options = {
            .alloc = &port_now.memory.alloc,
            .batch = PORT_BATCH,
            .sleep_method = IOCP_SLEEP_APC,
            .extra = &win_options,
        };
        ioc_port *port = NULL;
        uint32_t native_error = 0;
        uint64_t cleanups = win_faults_count_of(WIN_CLEANUP);
        win_faults_fail_next_of(needed[i], ERROR_ACCESS_DENIED);
        assert_int_equal(port_now.backend->open(&options, &port, &native_error), IOCP_EACCES);
        assert_int_equal(native_error, ERROR_ACCESS_DENIED);
        assert_null(port);
        assert_int_equal(win_faults_count_of(WIN_CLEANUP) - cleanups,
                         needed[i] == WIN_CREATE_TIMER ? 1 : 0);
    }
    assert_int_equal(unit_memory_live(&port_now.memory), live);
    assert_int_equal(win_open_handles(), handles);
}

static void the_leak_check_sees_a_handle_that_is_left(void **state)
{
    (void)state;
    size_t before = win_open_handles();
    assert_true(before > 0);
    HANDLE event = CreateEventW(NULL, FALSE, FALSE, NULL);
    assert_int_equal(win_open_handles(), before + 1);
    assert_true(CloseHandle(event));
    assert_int_equal(win_open_handles(), before);
}

#define PORT_TEST(function) cmocka_unit_test_setup_teardown(function, port__setup, port__teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PORT_TEST(timeouts_are_rounded_up),
        PORT_TEST(a_long_timeout_is_not_taken_for_an_endless_one),
        PORT_TEST(the_dequeue_is_alertable),
        PORT_TEST(the_dequeue_asks_for_as_many_packets_as_can_come),
        PORT_TEST(a_port_that_the_program_has_is_asked_for_a_batch),
        PORT_TEST(only_the_answer_of_a_dequeue_is_trusted),
        PORT_TEST(a_dequeue_that_fails_tells_why),
        PORT_TEST(a_real_timeout_ends_not_early),
        PORT_TEST(foreign_packets_are_counted_and_not_looked_at),
        PORT_TEST(a_port_that_brings_foreign_packets_is_asked_for_a_batch),
        PORT_TEST(packets_that_were_not_expected_are_taken_by_the_next_dequeue),
        PORT_TEST(more_packets_than_a_batch_come_in_batches),
        PORT_TEST(a_port_with_a_job_is_asked_for_a_batch),
        PORT_TEST(a_loop_counts_foreign_packets_and_goes_on),
        PORT_TEST(the_port_does_not_limit_its_threads),
        PORT_TEST(winsock_is_asked_for_in_the_version_that_has_ports),
        PORT_TEST(a_program_can_sleep_on_the_port),
        PORT_TEST(a_wake_is_one_packet),
        PORT_TEST(a_wake_whose_packet_is_refused_reaches_a_sleeper_by_apc),
        PORT_TEST(a_refused_wake_before_the_sleep_prevents_it),
        PORT_TEST(a_refused_wake_prevents_one_sleep),
        PORT_TEST(a_wake_looks_like_a_packet_to_a_program),
        PORT_TEST(a_refused_wake_is_not_lost_when_the_thread_changes),
        PORT_TEST(a_wake_that_has_no_means_says_so_and_prevents_the_next_sleep),
        PORT_TEST(a_thread_that_cannot_be_opened_loses_only_the_fallback),
        PORT_TEST(no_post_is_lost_while_wakes_are_refused),
        PORT_TEST(a_wake_without_any_means_is_tried_again_with_the_next_post),
        PORT_TEST(a_port_that_cannot_be_opened_leaves_nothing),
        PORT_TEST(the_leak_check_sees_a_handle_that_is_left),
    };
    win_catch_crashes();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
