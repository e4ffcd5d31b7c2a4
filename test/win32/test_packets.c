/*
 * Packets of others on a real port: a second user who binds handles of its own to it with a key of its
 * own, as msquic does, and reads by them; what the system is asked for, and what it refuses.
 */
#include "unit.h"

#include "loop.h"
#include "win32/port.h"

#include "win_faults.h"
#include "win_files.h"
#include "win_leaks.h"
#include "win_loop.h"

#include "contract_object.h"

#include <string.h>

#define PACKETS_KEPT  64
#define PACKETS_READS 20

/* The second user's operation, laid out as its own. */
typedef struct user_read {
    OVERLAPPED overlapped;
    char data[8];
} user_read;

static struct {
    iocp_packet_t kept[PACKETS_KEPT];
    int calls;
    HANDLE port;
    HANDLE ends[2]; /* of a pipe that he has bound */
    user_read reads[PACKETS_READS];
    ULONG capacity; /* that the system was asked for last */
} now;

static void IOCP_CALL user__take(iocp_loop_t *loop, const iocp_packet_t *packet, void *context)
{
    assert_ptr_equal(loop, win.loop);
    assert_ptr_equal(context, &now);
    assert_in_range(now.calls, 0, PACKETS_KEPT - 1);
    now.kept[now.calls++] = *packet;
}

static BOOL WINAPI spy__dequeue(HANDLE port, OVERLAPPED_ENTRY *entries, ULONG capacity,
                                ULONG *count, DWORD timeout_ms, BOOL is_alertable)
{
    now.capacity = capacity;
    return win_faults_table()->GetQueuedCompletionStatusEx(port, entries, capacity, count,
                                                           timeout_ms, is_alertable);
}

static void user__open(iocp_completion_mode_t mode)
{
    void *port = NULL;
    memset(&now, 0, sizeof now);
    win_open_with((iocp_loop_options_t){
        .completion_mode = (uint32_t)mode, .on_packet = user__take, .packet_context = &now});
    assert_int_equal(iocp_loop_native_port(win.loop, &port), IOCP_OK);
    now.port = port;
    assert_true(win_pipe_create(now.ends, true, true, 4096));
    assert_true(CreateIoCompletionPort(now.ends[0], now.port, (ULONG_PTR)&now, 0) == now.port);
}

static int user__setup(void **state)
{
    (void)state;
    win_begin();
    win.sys.GetQueuedCompletionStatusEx = spy__dequeue;
    user__open(IOCP_COMPLETION_AUTO);
    return 0;
}

static int user__teardown(void **state)
{
    for (int i = 0; i < 2; i++) {
        if (now.ends[i] != NULL) {
            assert_true(CloseHandle(now.ends[i]));
        }
    }
    return win_end(state);
}

static void user__read(int i)
{
    assert_false(ReadFile(now.ends[0], now.reads[i].data, sizeof now.reads[i].data, NULL,
                          &now.reads[i].overlapped));
    assert_int_equal(GetLastError(), ERROR_IO_PENDING);
}

static void user__write(const char *text)
{
    DWORD written = 0;
    OVERLAPPED overlapped = {0};
    assert_true(WriteFile(now.ends[1], text, (DWORD)strlen(text), &written, &overlapped));
}

static void user__wait(int calls)
{
    while (now.calls < calls) {
        assert_int_equal(iocp_loop_tick(win.loop, 0), IOCP_OK);
    }
    assert_int_equal(now.calls, calls);
}

static uint64_t user__dropped(void)
{
    iocp_stats_t stats = {.size = sizeof stats};
    assert_int_equal(iocp_loop_stats(win.loop, &stats), IOCP_OK);
    return stats.foreign_packets;
}

/* ---- A handle of the program's on the loop's port ---- */

static void its_packets_say_how_its_operations_ended(void **state)
{
    (void)state;
    user__read(0);
    user__read(1);
    user__read(2);
    user__write("hello");
    user__write("and this");
    user__wait(2);
    assert_true(CancelIoEx(now.ends[0], &now.reads[2].overlapped));
    user__wait(3);
    static const uintptr_t statuses[] = {0, 0, 0xC0000120u};
    static const uint32_t bytes[] = {5, 8, 0};
    for (int i = 0; i < 3; i++) {
        assert_true(now.kept[i].key == (uintptr_t)&now);
        assert_ptr_equal(now.kept[i].overlapped, &now.reads[i].overlapped);
        assert_int_equal(now.kept[i].internal & UINT32_MAX, statuses[i]);
        assert_int_equal(now.kept[i].bytes, bytes[i]);
    }
    assert_memory_equal(now.reads[0].data, "hello", 5);
    assert_int_equal(user__dropped(), 0);
}

static uint64_t IOCP_CALL work__nothing(void *arg)
{
    (void)arg;
    return 7;
}

/*
 * Timers, waits by the pool, work and reads of the loop's own, whose packets come by its keys; in each
 * regime.
 */
static void no_packet_of_the_loops_own_is_among_them(void **state)
{
    static const iocp_completion_mode_t modes[] = {IOCP_COMPLETION_PACKET, IOCP_COMPLETION_SKIP};
    (void)state;
    for (size_t m = 0; m < IOC_COUNT_OF(modes); m++) {
        HANDLE ends[2];
        contract_record records[5] = {{0}};
        char data[2];
        assert_true(CloseHandle(now.ends[0]));
        assert_true(CloseHandle(now.ends[1]));
        user__open(modes[m]);
        void *event = contract_event_create(false, false);
        assert_true(win_pipe_create(ends, true, false, 64));
        iocp_handle_t pipe = {0};
        assert_int_equal(iocp_handle_adopt(win.loop, ends[0], &pipe), IOCP_OK);
        assert_int_equal(iocp_read(win.loop, pipe, data, 1, contract_keep, &records[0], NULL),
                         IOCP_OK);
        assert_int_equal(iocp_wait(win.loop, event, contract_keep, &records[1], NULL), IOCP_OK);
        assert_int_equal(iocp_work(win.loop, work__nothing, NULL, contract_keep, &records[2], NULL),
                         IOCP_OK);
        assert_int_equal(iocp_timer(win.loop, 1000000, contract_keep, &records[3], NULL), IOCP_OK);
        for (int i = 0; i < PACKETS_READS; i++) {
            user__read(i);
        }
        DWORD written = 0;
        OVERLAPPED overlapped = {0};
        assert_true(WriteFile(ends[1], "x", 1, &written, &overlapped));
        contract_event_set(event);
        for (int i = 0; i < PACKETS_READS; i++) {
            user__write("y");
        }
        user__wait(PACKETS_READS);
        for (int i = 0; i < 4; i++) {
            win_wait(&records[i], 1);
            win_expect(&records[i], 1, IOCP_OK, 0);
        }
        for (int i = 0; i < PACKETS_READS; i++) {
            assert_ptr_equal(now.kept[i].overlapped, &now.reads[i].overlapped);
        }
        assert_int_equal(now.calls, PACKETS_READS);
        assert_int_equal(user__dropped(), 0);
        assert_true(CloseHandle(ends[1]));
        contract_object_close(event);
    }
}

/* What has come to the port before its end. */
static void what_is_in_the_port_is_delivered_while_the_loop_ends(void **state)
{
    (void)state;
    contract_record record = {0};
    void *event = contract_event_create(false, false);
    assert_int_equal(iocp_wait(win.loop, event, contract_keep, &record, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_tick(win.loop, 0), IOCP_OK);
    for (int i = 0; i < PACKETS_READS; i++) {
        user__read(i);
    }
    assert_true(CancelIoEx(now.ends[0], NULL));
    assert_int_equal(now.calls, 0);
    win_loop_destroy(&win.loop);
    assert_int_equal(now.calls, PACKETS_READS);
    win_expect(&record, 1, IOCP_ECANCELED, record.result.native_error);
    contract_object_close(event);
}

static void CALLBACK apc__nothing(ULONG_PTR arg)
{
    (void)arg;
}

/* An APC that is pending ends the first dequeue, in which nothing is taken. */
static void an_apc_in_the_loops_end_loses_none(void **state)
{
    (void)state;
    user__read(0);
    user__write("x");
    assert_int_equal(iocp_loop_post_packet(win.loop, (uintptr_t)&now, 1, NULL), IOCP_OK);
    assert_true(QueueUserAPC(apc__nothing, GetCurrentThread(), 0) != 0);
    assert_int_equal(iocp_loop_destroy(win.loop, 0), IOCP_OK);
    win.loop = NULL;
    assert_int_equal(now.calls, 2);
}

/* ---- What the system is asked for ---- */

/* Any number may come for nothing that is in the kernel. */
static void the_port_is_asked_for_a_batch_from_the_beginning(void **state)
{
    (void)state;
    assert_int_equal(iocp_loop_tick(win.loop, 0), IOCP_OK);
    assert_int_equal(now.capacity, IOC_BATCH_DEFAULT);
}

/* ---- Refused ---- */

static void a_key_of_the_loops_own_is_refused(void **state)
{
    (void)state;
    const ioc_win_port *port = ioc_win_port_of(win.loop->loop_only.ops.port);
    for (uint32_t i = 0; i < port->source_count; i++) {
        assert_int_equal(iocp_loop_post_packet(win.loop, (uintptr_t)port->sources[i], 0, &now),
                         IOCP_EINVAL);
    }
    assert_true(port->source_count >= 3);
    assert_int_equal(iocp_loop_tick(win.loop, 0), IOCP_OK);
    assert_int_equal(now.calls, 0);
    assert_int_equal(user__dropped(), 0);
}

/* Odd ones are those of jobs: never the program's, whoever has sent them. */
static void a_packet_with_an_odd_key_is_dropped(void **state)
{
    (void)state;
    assert_true(PostQueuedCompletionStatus(now.port, 1, 77777, NULL));
    user__read(0);
    user__write("x");
    user__wait(1);
    assert_int_equal(user__dropped(), 1);
}

static void what_the_system_refuses_is_told_and_not_delivered(void **state)
{
    static const struct {
        uint32_t error;
        int status;
    } rows[] = {
        {ERROR_NOT_ENOUGH_MEMORY, IOCP_ENOMEM},
        {ERROR_NO_SYSTEM_RESOURCES, IOCP_ENOBUFS},
    };
    (void)state;
    for (size_t i = 0; i < IOC_COUNT_OF(rows); i++) {
        win_faults_fail_next_of(WIN_POST, rows[i].error);
        assert_int_equal(iocp_loop_post_packet(win.loop, (uintptr_t)&now, 1, NULL), rows[i].status);
        assert_int_equal(iocp_loop_post_packet(win.loop, (uintptr_t)&now, 2, NULL), IOCP_OK);
        user__wait((int)i + 1);
        assert_int_equal(now.kept[i].bytes, 2);
    }
    assert_int_equal(iocp_loop_native_error(win.loop), 0);
}

/* Creating it with one more allocation. */
static void each_allocation_of_such_a_loop_may_be_refused(void **state)
{
    (void)state;
    win_loop_destroy(&win.loop);
    for (uint64_t allowed = 0;; allowed++) {
        iocp_loop_t *loop = NULL;
        unit_memory_allow(&win.memory, allowed);
        int status = win_loop_try_create(&win.sys, &win.memory,
                                         (iocp_loop_options_t){.on_packet = user__take}, &loop);
        unit_memory_allow(&win.memory, UINT64_MAX);
        assert_true(status == IOCP_OK || status == IOCP_ENOMEM);
        if (status == IOCP_OK) {
            win_loop_destroy(&loop);
            assert_true(allowed >= 3);
            return;
        }
        assert_int_equal(unit_memory_live(&win.memory), 0);
    }
}

#define USER_TEST(function) cmocka_unit_test_setup_teardown(function, user__setup, user__teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        USER_TEST(its_packets_say_how_its_operations_ended),
        USER_TEST(no_packet_of_the_loops_own_is_among_them),
        USER_TEST(what_is_in_the_port_is_delivered_while_the_loop_ends),
        USER_TEST(an_apc_in_the_loops_end_loses_none),
        USER_TEST(the_port_is_asked_for_a_batch_from_the_beginning),
        USER_TEST(a_key_of_the_loops_own_is_refused),
        USER_TEST(a_packet_with_an_odd_key_is_dropped),
        USER_TEST(what_the_system_refuses_is_told_and_not_delivered),
        USER_TEST(each_allocation_of_such_a_loop_may_be_refused),
    };
    contract_object_begin();
    win_catch_crashes();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
