/*
 * How many calls of the system an operation costs, at most, by name: once it has been done before, so
 * that what is asked for once and kept is there. A call that is not in a row is not made at all.
 */
#include "unit.h"

#include "contract_file.h"
#include "win_faults.h"
#include "win_leaks.h"
#include "win_loop.h"

#include <string.h>

typedef struct calls_budget {
    win_call call;
    uint64_t most;
} calls_budget;

static struct {
    uint64_t before[WIN_CALLS];
    int waiting; /* for so many callbacks */
    iocp_handle_t listener;
    contract_address address;
    iocp_handle_t client;
    iocp_handle_t server;
    char data[64];
} now;

/* ---- Counting ---- */

static void calls__begin(void)
{
    for (int i = 0; i < WIN_CALLS; i++) {
        now.before[i] = win_faults_count_of((win_call)i);
    }
}

static uint64_t calls__most(const calls_budget *budget, size_t rows, win_call call)
{
    for (size_t i = 0; i < rows; i++) {
        if (budget[i].call == call) {
            return budget[i].most;
        }
    }
    return call == WIN_COUNTER ? UINT64_MAX : 0; /* the clock is no system call */
}

static void calls__end(const calls_budget *budget, size_t rows)
{
    for (int i = 0; i < WIN_CALLS; i++) {
        uint64_t made = win_faults_count_of((win_call)i) - now.before[i];
        uint64_t most = calls__most(budget, rows, (win_call)i);
        if (made > most) {
            fail_msg("%s: %u calls, at most %u", win_call_name((win_call)i), (unsigned)made,
                     (unsigned)most);
        }
    }
}

/* ---- The environment ---- */

static void calls__open_loop(void)
{
    memset(&now, 0, sizeof now);
    win_begin();
    win_open(IOCP_COMPLETION_AUTO);
}

static int calls__setup(void **state)
{
    int status = contract_file_setup(state);
    calls__open_loop();
    return status;
}

static int calls__teardown(void **state)
{
    (void)win_end(state);
    return contract_file_teardown(state);
}

static iocp_action_t IOCP_CALL calls__note(iocp_loop_t *loop, const iocp_result_t *result,
                                           void *userdata)
{
    (void)loop;
    (void)userdata;
    assert_int_equal(result->status, IOCP_OK);
    if (result->type == IOCP_TYPE_ACCEPT) {
        now.server = result->opened;
    }
    now.waiting--;
    return IOCP_DISARM;
}

/* In one run: where one ends, the port is asked once more, without waiting. */
static void calls__run(int waiting)
{
    now.waiting = waiting;
    assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(now.waiting, 0);
}

/* ---- Loops ---- */

static void a_loop_is_a_port_and_nothing_else(void **state)
{
    (void)state;
    static const calls_budget budget[] = {
        {WIN_CREATE_PORT, 1}, {WIN_CLOSE_HANDLE, 1}, /* those of the kernel */
        {WIN_STARTUP, 1},     {WIN_CLEANUP, 1},      {WIN_FREQUENCY, 1},
        {WIN_GET_MODULE, 1},  {WIN_GET_PROC, 4},
    };
    unit_memory memory;
    unit_memory_init(&memory);
    calls__begin();
    iocp_loop_t *loop = win_loop_create(win_faults_table(), &memory, IOCP_COMPLETION_AUTO);
    assert_int_equal(iocp_loop_destroy(loop, 0), IOCP_OK);
    calls__end(budget, IOC_COUNT_OF(budget));
}

/* ---- Waking ---- */

static void calls__wake(iocp_async_t *async)
{
    uint64_t when_ns;
    assert_int_equal(iocp_async_wait(win.loop, async, calls__note, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_tick(win.loop, 0), IOCP_OK);
    calls__begin();
    /* From here on it sleeps, as far as others know. */
    assert_int_equal(iocp_loop_next_deadline(win.loop, &when_ns), IOCP_ENOENT);
    assert_int_equal(iocp_async_notify(async), IOCP_OK);
    calls__run(1);
}

static void a_wake_is_a_packet_sent_and_a_packet_taken(void **state)
{
    (void)state;
    static const calls_budget budget[] = {{WIN_POST, 1}, {WIN_DEQUEUE, 1}};
    iocp_async_t *async = NULL;
    assert_int_equal(iocp_async_create(win.loop, &async), IOCP_OK);
    for (int i = 0; i < 3; i++) {
        calls__wake(async);
        calls__end(budget, IOC_COUNT_OF(budget));
    }
    assert_int_equal(iocp_async_destroy(async), IOCP_OK);
}

/* ---- Files ---- */

static void a_read_is_itself_and_its_packet(void **state)
{
    (void)state;
    static const calls_budget budget[] = {{WIN_READ_FILE, 1}, {WIN_DEQUEUE, 1}};
    iocp_handle_t file = contract_file_with(win.loop, "file", "hello", 5);
    for (int i = 0; i < 3; i++) {
        calls__begin();
        assert_int_equal(iocp_pread(win.loop, file, now.data, 5, 0, calls__note, NULL, NULL),
                         IOCP_OK);
        calls__run(1);
        calls__end(budget, IOC_COUNT_OF(budget));
    }
    contract_file_close(win.loop, file);
}

/* ---- Connections ---- */

static void calls__listen(void)
{
    now.address = contract_loopback(AF_INET, 0);
    now.address.length = sizeof now.address.storage;
    assert_int_equal(iocp_socket_open(win.loop, AF_INET, SOCK_STREAM, 0, &now.listener), IOCP_OK);
    assert_int_equal(iocp_socket_bind(win.loop, now.listener, contract_sockaddr(&now.address),
                                      sizeof(struct sockaddr_in)),
                     IOCP_OK);
    assert_int_equal(iocp_socket_listen(win.loop, now.listener, 0), IOCP_OK);
    assert_int_equal(iocp_socket_get_name(win.loop, now.listener,
                                          (struct sockaddr *)&now.address.storage,
                                          &now.address.length),
                     IOCP_OK);
}

static void calls__meet(void)
{
    assert_int_equal(iocp_accept(win.loop, now.listener, calls__note, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_socket_open(win.loop, AF_INET, SOCK_STREAM, 0, &now.client), IOCP_OK);
    assert_int_equal(iocp_connect(win.loop, now.client, contract_sockaddr(&now.address),
                                  now.address.length, calls__note, NULL, NULL),
                     IOCP_OK);
    calls__run(2);
}

static void calls__part(void)
{
    assert_int_equal(iocp_close(win.loop, now.client, calls__note, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_close(win.loop, now.server, calls__note, NULL, NULL), IOCP_OK);
    calls__run(2);
}

static void a_connection_asks_for_nothing_twice(void **state)
{
    (void)state;
    static const calls_budget budget[] = {
        {WIN_SOCKET, 2},    {WIN_CREATE_PORT, 1}, /* what was accepted joins the port with its first operation */
        {WIN_SET_MODES, 1}, {WIN_SET_OPTION, 3}, /* its port is shared by destination; each end knows that it is one */
        {WIN_BIND, 1},      {WIN_IOCTL, 1}, /* a port of this machine that is closed is asked once */
        {WIN_ACCEPT_EX, 1}, {WIN_CONNECT_EX, 1},  {WIN_DEQUEUE, 2}, {WIN_CLOSE_SOCKET, 2},
    };
    calls__listen();
    calls__meet();
    calls__part();
    for (int i = 0; i < 3; i++) {
        calls__begin();
        calls__meet();
        calls__part();
        calls__end(budget, IOC_COUNT_OF(budget));
    }
}

static void a_message_is_sent_and_received_and_brings_one_packet(void **state)
{
    (void)state;
    static const calls_budget budget[] = {{WIN_SEND, 1}, {WIN_RECV, 1}, {WIN_DEQUEUE, 1}};
    calls__listen();
    calls__meet();
    for (int i = 0; i < 4; i++) {
        calls__begin();
        assert_int_equal(
            iocp_recv(win.loop, now.server, now.data, sizeof now.data, calls__note, NULL, NULL),
            IOCP_OK);
        assert_int_equal(iocp_send(win.loop, now.client, "hello", 5, calls__note, NULL, NULL),
                         IOCP_OK);
        calls__run(2);
        if (i > 0) { /* the first joins the port */
            calls__end(budget, IOC_COUNT_OF(budget));
        }
    }
    calls__part();
}

#define CALLS_TEST(function) \
    cmocka_unit_test_setup_teardown(function, calls__setup, calls__teardown)

/* What the system opens once and keeps is open before the first test counts. */
static int calls__warm_up(void **state)
{
    (void)state;
    win_use_winsock();
    calls__open_loop();
    calls__listen();
    win_loop_destroy(&win.loop);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CALLS_TEST(a_loop_is_a_port_and_nothing_else),
        CALLS_TEST(a_wake_is_a_packet_sent_and_a_packet_taken),
        CALLS_TEST(a_read_is_itself_and_its_packet),
        CALLS_TEST(a_connection_asks_for_nothing_twice),
        CALLS_TEST(a_message_is_sent_and_received_and_brings_one_packet),
    };
    win_catch_crashes();
    return cmocka_run_group_tests(tests, calls__warm_up, NULL);
}
