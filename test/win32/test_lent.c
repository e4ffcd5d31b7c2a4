/*
 * Receives into lent buffers: what the system is asked for, in each way in which it can answer, and every
 * call and every allocation of one made to fail in turn.
 */
#include "win_loop.h"

#include "contract_datagram.h"
#include "contract_file.h"
#include "win_faults.h"
#include "win_leaks.h"

#include <string.h>

#define MOST_CALLS 16

/* A receive or a read that was asked for. */
typedef struct call {
    size_t bytes;
    uint32_t flags;
    uint64_t offset;
    bool is_overlapped; /* otherwise it does not wait */
} call;

static struct {
    call calls[MOST_CALLS];
    int count;
    int modes; /* how often FIONBIO was set */
} seen;

/* ---- Spies ---- */

static call *spy__note(size_t bytes, const OVERLAPPED *overlapped)
{
    assert_in_range(seen.count, 0, MOST_CALLS - 1);
    call *noted = &seen.calls[seen.count++];
    *noted = (call){.bytes = bytes, .is_overlapped = overlapped != NULL};
    return noted;
}

static int WINAPI spy__ioctl_socket(SOCKET socket, long command, u_long *argument)
{
    assert_int_equal(command, (long)FIONBIO);
    assert_int_equal(*argument, 1);
    seen.modes++;
    return win_faults_table()->ioctlsocket(socket, command, argument);
}

static int WINAPI spy__recv(SOCKET socket, WSABUF *buffers, DWORD count, DWORD *bytes, DWORD *flags,
                            OVERLAPPED *overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
    assert_int_equal(count, 1);
    spy__note(buffers->len, overlapped)->flags = *flags;
    return win_faults_table()->WSARecv(socket, buffers, count, bytes, flags, overlapped, routine);
}

static int WINAPI spy__recv_from(SOCKET socket, WSABUF *buffers, DWORD count, DWORD *bytes,
                                 DWORD *flags, struct sockaddr *from, INT *length,
                                 OVERLAPPED *overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
    assert_int_equal(count, 1);
    spy__note(buffers->len, overlapped)->flags = *flags;
    return win_faults_table()->WSARecvFrom(socket, buffers, count, bytes, flags, from, length,
                                           overlapped, routine);
}

static BOOL WINAPI spy__read(HANDLE file, void *data, DWORD bytes, DWORD *read,
                             OVERLAPPED *overlapped)
{
    spy__note(bytes, overlapped)->offset = overlapped->Offset | (uint64_t)overlapped->OffsetHigh
                                                                    << 32;
    return win_faults_table()->ReadFile(file, data, bytes, read, overlapped);
}

static int lent__setup(void **state)
{
    (void)state;
    win_begin();
    memset(&seen, 0, sizeof seen);
    win.sys.WSARecv = spy__recv;
    win.sys.WSARecvFrom = spy__recv_from;
    win.sys.ReadFile = spy__read;
    win.sys.ioctlsocket = spy__ioctl_socket;
    return 0;
}

static const iocp_completion_mode_t lent_modes[] = {IOCP_COMPLETION_AUTO, IOCP_COMPLETION_PACKET};

static iocp_buffers_t *lent__open(iocp_completion_mode_t mode)
{
    iocp_buffers_t *pool = NULL;
    win_open(mode);
    assert_int_equal(iocp_buffers_create(win.loop, 1, 64, &pool), IOCP_OK);
    return pool;
}

static void lent__start(iocp_handle_t handle, iocp_buffers_t *pool, contract_record *record)
{
    memset(record, 0, sizeof *record);
    seen.count = 0;
    assert_int_equal(iocp_recv_lent(win.loop, handle, pool, contract_keep, record, NULL), IOCP_OK);
}

static void assert_asked(uint32_t flags_of_look)
{
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.calls[0].bytes, 0);
    assert_int_equal(seen.calls[0].flags, flags_of_look);
    assert_int_equal(seen.calls[1].bytes, 64);
    assert_int_equal(seen.calls[1].flags, 0);
    assert_int_equal(seen.calls[0].offset + seen.calls[1].offset, 0);
}

static void assert_lent(iocp_buffers_t *pool, const contract_record *record, const char *text)
{
    win_expect(record, 1, IOCP_OK, 0);
    assert_int_equal(record->result.bytes, strlen(text));
    assert_memory_equal(record->result.data, text, strlen(text));
    assert_int_equal(iocp_buffers_return(pool, record->result.data), IOCP_OK);
}

/* ---- What is asked for ---- */

static void a_stream_is_waited_on_with_no_bytes_and_then_received(void **state)
{
    contract_record record;
    (void)state;
    for (size_t i = 0; i < 2 * IOC_COUNT_OF(lent_modes); i++) {
        iocp_buffers_t *pool = lent__open(lent_modes[i / 2]);
        contract_pair pair = contract_connect(win.loop, AF_INET);
        bool is_early = i % 2 == 0;
        if (is_early) {
            contract_send_all(win.loop, pair.client, "x", 1);
        }
        lent__start(pair.server, pool, &record);
        if (!is_early) {
            contract_idle(win.loop);
            assert_int_equal(seen.count, 1);
            assert_int_equal(seen.calls[0].bytes, 0);
            contract_send_all(win.loop, pair.client, "x", 1);
        }
        win_wait(&record, 1);
        assert_asked(0);
        assert_lent(pool, &record, "x");
    }
}

/* Without MSG_PEEK a receive of no bytes would take the datagram, and cut it to nothing. */
static void a_datagram_is_looked_at_and_then_received(void **state)
{
    contract_record record;
    (void)state;
    for (size_t i = 0; i < 2 * IOC_COUNT_OF(lent_modes); i++) {
        contract_address to;
        iocp_buffers_t *pool = lent__open(lent_modes[i / 2]);
        iocp_handle_t handle = contract_datagram_bind(win.loop, AF_INET, &to);
        bool is_early = i % 2 == 0;
        if (is_early) {
            contract_datagram_send(win.loop, handle, &to, "datagram", 8);
        }
        lent__start(handle, pool, &record);
        if (!is_early) {
            contract_idle(win.loop);
            contract_datagram_send(win.loop, handle, &to, "datagram", 8);
        }
        win_wait(&record, 1);
        assert_asked(MSG_PEEK);
        assert_int_equal(contract_port(&record.address), contract_port(&to));
        assert_lent(pool, &record, "datagram");
    }
}

/* The pool's address stands where a file has its offset, and a pipe has none. */
static void a_pipe_is_read_with_no_bytes_and_then_read(void **state)
{
    contract_record record;
    contract_record written = {0};
    (void)state;
    for (size_t i = 0; i < IOC_COUNT_OF(lent_modes); i++) {
        iocp_buffers_t *pool = lent__open(lent_modes[i]);
        contract_pipe pipe = contract_pipe_open(win.loop);
        lent__start(pipe.ends[0], pool, &record);
        contract_idle(win.loop);
        assert_int_equal(
            iocp_write(win.loop, pipe.ends[1], "bytes", 5, contract_keep, &written, NULL), IOCP_OK);
        win_wait(&record, 1);
        assert_asked(0);
        assert_lent(pool, &record, "bytes");
        assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    }
}

/* ---- Where there was something the last time ---- */

/* A program that gives back at once. */
static iocp_action_t IOCP_CALL busy__on_data(iocp_loop_t *loop, const iocp_result_t *result,
                                             void *pool)
{
    (void)loop;
    return result->status == IOCP_OK && iocp_buffers_return(pool, result->data) == IOCP_OK
               ? IOCP_REARM
               : IOCP_DISARM;
}

static void busy__run(iocp_handle_t handle, iocp_buffers_t *pool)
{
    contract_idle(win.loop);
    seen.count = 0;
    seen.modes = 0;
    assert_int_equal(iocp_recv_lent(win.loop, handle, pool, busy__on_data, pool, NULL), IOCP_OK);
    contract_idle(win.loop);
    contract_idle(win.loop); /* each packet takes a turn */
}

/* What was asked for: the bytes, and those that are not to wait with a minus. */
static void assert_calls(const int *expected, int count)
{
    assert_int_equal(seen.count, count);
    for (int i = 0; i < count; i++) {
        int sign = seen.calls[i].is_overlapped ? 1 : -1;
        assert_int_equal(sign * (int)seen.calls[i].bytes, expected[i]);
    }
}

#define ASSERT_CALLS(...) \
    assert_calls((const int[]){__VA_ARGS__}, (int)IOC_COUNT_OF(((const int[]){__VA_ARGS__})))

/* One that finds nothing is all that it costs; and the socket is made one that does not wait once. */
static void a_busy_stream_is_received_without_a_wait(void **state)
{
    static const char data[192] = {0};
    (void)state;
    iocp_buffers_t *pool = lent__open(IOCP_COMPLETION_AUTO);
    contract_pair pair = contract_connect(win.loop, AF_INET);
    contract_send_all(win.loop, pair.client, data, sizeof data);
    win_faults_reset();
    busy__run(pair.server, pool);
    ASSERT_CALLS(0, 64, -64, -64, -64, 0);
    assert_int_equal(seen.modes, 1);
    assert_int_equal(win_faults_count_of(WIN_CANCEL), 0);
    seen.count = 0;
    contract_send_all(win.loop, pair.client, data, sizeof data); /* it is idle: the first waits */
    contract_idle(win.loop);
    ASSERT_CALLS(64, 0, 64, -64, -64, 0);
    assert_int_equal(seen.modes, 1);
}

/* Pipes have no such call, and a look at a datagram is always told by a packet. */
static void others_are_waited_on_each_time(void **state)
{
    static const char data[128] = {0};
    contract_record written = {0};
    contract_address to;
    (void)state;
    iocp_buffers_t *pool = lent__open(IOCP_COMPLETION_AUTO);
    contract_pipe pipe = contract_pipe_open(win.loop);
    assert_int_equal(
        iocp_write(win.loop, pipe.ends[1], data, sizeof data, contract_keep, &written, NULL),
        IOCP_OK);
    busy__run(pipe.ends[0], pool);
    ASSERT_CALLS(0, 64, 0, 64, 0);
    iocp_handle_t handle = contract_datagram_bind(win.loop, AF_INET, &to);
    for (int i = 0; i < 2; i++) {
        contract_datagram_send(win.loop, handle, &to, "datagram", 8);
    }
    busy__run(handle, pool);
    ASSERT_CALLS(0, 64, 0, 64, 0);
    assert_int_equal(seen.modes, 0);
}

/* Each result is to come by a packet. */
static void a_loop_that_takes_packets_alone_waits_each_time(void **state)
{
    static const char data[128] = {0};
    (void)state;
    iocp_buffers_t *pool = lent__open(IOCP_COMPLETION_PACKET);
    contract_pair pair = contract_connect(win.loop, AF_INET);
    contract_send_all(win.loop, pair.client, data, sizeof data);
    busy__run(pair.server, pool);
    ASSERT_CALLS(0, 64, 0, 64, 0);
}

/* ---- What fails leaves nothing ---- */

/* The second call is refused: the buffer is the pool's again, and the data is there for the next. */
static void a_receive_that_is_refused_after_the_wait_gives_its_buffer_back(void **state)
{
    contract_record record;
    (void)state;
    iocp_buffers_t *pool = lent__open(IOCP_COMPLETION_AUTO);
    contract_pair pair = contract_connect(win.loop, AF_INET);
    lent__start(pair.server, pool, &record);
    contract_idle(win.loop);
    win_faults_fail_next_of(WIN_RECV, WSAENOBUFS);
    contract_send_all(win.loop, pair.client, "x", 1);
    win_wait(&record, 1);
    win_expect(&record, 1, IOCP_ENOBUFS, WSAENOBUFS);
    assert_null(record.result.data);
    lent__start(pair.server, pool, &record);
    win_wait(&record, 1);
    assert_lent(pool, &record, "x");
}

static void whole__check(iocp_buffers_t *pool)
{
    size_t lent = 1;
    size_t waiting = 1;
    assert_int_equal(iocp_buffers_lent(pool, &lent, &waiting), IOCP_OK);
    assert_int_equal(lent + waiting, 0);
}

/* Busy: the next receive does not begin with a wait. */
static contract_pair busy__open(iocp_buffers_t **pool)
{
    contract_record record;
    *pool = lent__open(IOCP_COMPLETION_AUTO);
    contract_pair pair = contract_connect(win.loop, AF_INET);
    contract_send_all(win.loop, pair.client, "x", 1);
    contract_idle(win.loop);
    lent__start(pair.server, *pool, &record);
    win_wait(&record, 1);
    assert_lent(*pool, &record, "x");
    return pair;
}

static void a_look_that_is_not_to_be_had_is_a_wait(void **state)
{
    contract_record record;
    iocp_buffers_t *pool = NULL;
    (void)state;
    contract_pair pair = busy__open(&pool);
    contract_send_all(win.loop, pair.client, "y", 1);
    contract_idle(win.loop);
    win_faults_fail_next_of(WIN_IOCTL_SOCKET, WSAENETDOWN);
    lent__start(pair.server, pool, &record);
    win_wait(&record, 1);
    ASSERT_CALLS(0, 64);
    assert_lent(pool, &record, "y");
}

/* Whoever is told of a reset is the only one that hears of it. */
static void what_a_look_hears_is_told(void **state)
{
    contract_record record;
    iocp_buffers_t *pool = NULL;
    (void)state;
    contract_pair pair = busy__open(&pool);
    contract_send_all(win.loop, pair.client, "y", 1);
    contract_idle(win.loop);
    win_faults_fail_next_of(WIN_RECV, WSAECONNRESET);
    lent__start(pair.server, pool, &record);
    win_wait(&record, 1);
    ASSERT_CALLS(-64);
    win_expect(&record, 1, IOCP_ECONNRESET, WSAECONNRESET);
    assert_null(record.result.data);
    whole__check(pool);
}

/* A receive at each end, which share one buffer. True: both have succeeded. */
static bool whole__round(iocp_buffers_t *pool, const contract_pair *pair)
{
    contract_record records[2] = {{0}};
    int started = 0;
    for (int i = 0; i < 2; i++) {
        started += iocp_recv_lent(win.loop, i == 0 ? pair->server : pair->client, pool,
                                  contract_keep, &records[i], NULL) == IOCP_OK;
    }
    for (int i = 0; i < 100 && records[0].calls + records[1].calls < started; i++) {
        (void)iocp_loop_run(win.loop, IOCP_RUN_ONCE);
        for (int k = 0; k < 2; k++) {
            if (records[k].calls > 0 && records[k].result.data != NULL) {
                assert_int_equal(iocp_buffers_return(pool, records[k].result.data), IOCP_OK);
                records[k].result.data = NULL;
            }
        }
    }
    assert_int_equal(records[0].calls + records[1].calls, started);
    return started == 2 && records[0].status == IOCP_OK && records[1].status == IOCP_OK;
}

/* Where results need no packets the second round finds both ends busy. */
static bool whole__run(iocp_buffers_t *pool, const contract_pair *pair)
{
    bool is_whole = whole__round(pool, pair);
    is_whole = whole__round(pool, pair) && is_whole;
    win_faults_stop();
    unit_memory_allow(&win.memory, UINT64_MAX);
    return is_whole;
}

static contract_pair whole__open(iocp_completion_mode_t mode, iocp_buffers_t **pool)
{
    static const char data[65] = {0}; /* more than one buffer takes */
    *pool = lent__open(mode);
    contract_pair pair = contract_connect(win.loop, AF_INET);
    contract_send_all(win.loop, pair.client, data, sizeof data);
    contract_send_all(win.loop, pair.server, data, sizeof data);
    contract_idle(win.loop);
    seen.count = 0;
    win_faults_reset();
    return pair;
}

static void any_one_system_call_of_one_may_fail(void **state)
{
    uint64_t k = 0;
    bool has_struck = true;
    (void)state;
    while (has_struck) {
        iocp_buffers_t *pool = NULL;
        contract_pair pair = whole__open(lent_modes[k % 2], &pool);
        win_faults_fail_nth(++k);
        bool is_whole = whole__run(pool, &pair);
        has_struck = win_faults_struck() > 0;
        assert_true(is_whole || has_struck);
        whole__check(pool);
    }
    print_message("%u calls were made to fail\n", (unsigned)k - 1);
    assert_true(k > 4);
}

static void any_one_allocation_of_one_may_be_refused(void **state)
{
    uint64_t allowed = 0;
    bool is_whole = false;
    (void)state;
    while (!is_whole) {
        iocp_buffers_t *pool = NULL;
        contract_pair pair = whole__open(IOCP_COMPLETION_AUTO, &pool);
        (void)iocp_loop_trim(win.loop);
        unit_memory_allow(&win.memory, allowed++);
        is_whole = whole__run(pool, &pair);
        whole__check(pool);
    }
    print_message("%u allocations were refused\n", (unsigned)allowed - 1);
}

#define LENT_TEST(function) cmocka_unit_test_setup_teardown(function, lent__setup, win_end)

/* What the system opens once and keeps is open before the first test counts. */
static int lent__warm_up(void **state)
{
    win_use_winsock();
    (void)lent__setup(state);
    (void)lent__open(IOCP_COMPLETION_AUTO);
    (void)contract_connect(win.loop, AF_INET);
    (void)contract_pipe_open(win.loop);
    win_close();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LENT_TEST(a_stream_is_waited_on_with_no_bytes_and_then_received),
        LENT_TEST(a_datagram_is_looked_at_and_then_received),
        LENT_TEST(a_pipe_is_read_with_no_bytes_and_then_read),
        LENT_TEST(a_busy_stream_is_received_without_a_wait),
        LENT_TEST(others_are_waited_on_each_time),
        LENT_TEST(a_loop_that_takes_packets_alone_waits_each_time),
        LENT_TEST(a_receive_that_is_refused_after_the_wait_gives_its_buffer_back),
        LENT_TEST(a_look_that_is_not_to_be_had_is_a_wait),
        LENT_TEST(what_a_look_hears_is_told),
        LENT_TEST(any_one_system_call_of_one_may_fail),
        LENT_TEST(any_one_allocation_of_one_may_be_refused),
    };
    win_catch_crashes();
    return cmocka_run_group_tests(tests, lent__warm_up, NULL);
}
