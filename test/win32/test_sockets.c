/*
 * What is special about sockets on Windows: how an end is told from a reset and from a cancel, both
 * ways in which completions come back, when a socket joins the port, and how many calls it costs.
 * What holds on every backend is in test/contract/.
 *
 * The other side of a connection is often a plain blocking socket of this test, so that it can do
 * what no well-behaved peer does.
 */
#include "unit.h"

#include "threads.h"
#include "win_faults.h"
#include "win_leaks.h"
#include "win_loop.h"

#include <string.h>

/* ---- Connections ---- */

/* A socket that has a port and does not listen: a connect to it cannot meet itself. */
static void sock__occupy(contract_address *address)
{
    iocp_handle_t handle = contract_open(win.loop, AF_INET);
    *address = contract_loopback(AF_INET, 0);
    assert_int_equal(
        iocp_socket_bind(win.loop, handle, contract_sockaddr(address), address->length), IOCP_OK);
    assert_int_equal(iocp_socket_get_name(win.loop, handle, (struct sockaddr *)&address->storage,
                                          &address->length),
                     IOCP_OK);
}

static iocp_handle_t sock__accept(iocp_handle_t listener)
{
    contract_record accepted = {0};
    assert_int_equal(iocp_accept(win.loop, listener, contract_keep, &accepted, NULL), IOCP_OK);
    win_wait(&accepted, 1);
    win_expect(&accepted, 1, IOCP_OK, 0);
    return accepted.result.opened;
}

/* A listener, a plain socket connected to it, and the loop's end of the connection. */
typedef struct sock_pair {
    contract_address address;
    iocp_handle_t listener;
    SOCKET plain;
    iocp_handle_t handle;
} sock_pair;

static sock_pair sock__meet(void)
{
    sock_pair pair;
    pair.listener = contract_listen(win.loop, AF_INET, &pair.address);
    pair.plain = win_connect(&pair.address);
    pair.handle = sock__accept(pair.listener);
    return pair;
}

/* A plain socket that listens. */
static SOCKET sock__plain_listen(contract_address *address)
{
    SOCKET plain = WSASocketW(AF_INET, SOCK_STREAM, 0, NULL, 0, WSA_FLAG_OVERLAPPED);
    *address = contract_loopback(AF_INET, 0);
    int length = (int)address->length;
    assert_int_equal(bind(plain, contract_sockaddr(address), length), 0);
    assert_int_equal(listen(plain, 5), 0);
    assert_int_equal(getsockname(plain, (struct sockaddr *)&address->storage, &length), 0);
    return plain;
}

/* The same, but it is the loop that has connected. */
static sock_pair sock__reach(void)
{
    sock_pair pair = {.handle = contract_open(win.loop, AF_INET)};
    contract_record connected = {0};
    SOCKET listener = sock__plain_listen(&pair.address);
    assert_int_equal(iocp_connect(win.loop, pair.handle, contract_sockaddr(&pair.address),
                                  pair.address.length, contract_keep, &connected, NULL),
                     IOCP_OK);
    win_wait(&connected, 1);
    win_expect(&connected, 1, IOCP_OK, 0);
    pair.plain = accept(listener, NULL, NULL);
    assert_true(pair.plain != INVALID_SOCKET);
    assert_int_equal(closesocket(listener), 0);
    return pair;
}

static void sock__reset(SOCKET plain)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    assert_int_equal(setsockopt(plain, SOL_SOCKET, SO_LINGER, (const char *)&linger, sizeof linger),
                     0);
    assert_int_equal(closesocket(plain), 0);
}

static SOCKET sock__native(iocp_handle_t handle)
{
    void *native = NULL;
    assert_int_equal(iocp_handle_native(win.loop, handle, &native), IOCP_OK);
    return (SOCKET)(uintptr_t)native;
}

/* ---- Reset, end, cancel ---- */

static void a_reset_ends_a_pending_receive_as_a_reset(void **state)
{
    (void)state;
    static const iocp_completion_mode_t modes[] = {IOCP_COMPLETION_AUTO, IOCP_COMPLETION_PACKET,
                                                   IOCP_COMPLETION_SKIP};
    for (size_t i = 0; i < IOC_COUNT_OF(modes); i++) {
        win_open(modes[i]);
        sock_pair pair = sock__meet();
        contract_record received = {0};
        char data[16];
        assert_int_equal(
            iocp_recv(win.loop, pair.handle, data, sizeof data, contract_keep, &received, NULL),
            IOCP_OK);
        assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
        sock__reset(pair.plain);
        win_wait(&received, 1);
        win_expect(&received, 1, IOCP_ECONNRESET, WSAECONNRESET);
    }
}

static void a_send_after_a_reset_fails_as_one(void **state)
{
    (void)state;
    sock_pair pair = sock__meet();
    contract_record received = {0};
    char data[16] = {0};
    assert_int_equal(
        iocp_recv(win.loop, pair.handle, data, sizeof data, contract_keep, &received, NULL),
        IOCP_OK);
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    sock__reset(pair.plain);
    win_wait(&received, 1);
    win_expect(&received, 1, IOCP_ECONNRESET, WSAECONNRESET);
    contract_record sent = {0};
    assert_int_equal(
        iocp_send(win.loop, pair.handle, data, sizeof data, contract_keep, &sent, NULL), IOCP_OK);
    win_wait(&sent, 1);
    /* Windows names the reset once, later calls find the connection aborted. */
    bool is_named = sent.result.status == IOCP_ECONNRESET ||
                    sent.result.status == IOCP_ECONNABORTED || sent.result.status == IOCP_EPIPE;
    if (!is_named) {
        print_error("status %s, native error %u\n", iocp_error_name(sent.result.status),
                    (unsigned)sent.result.native_error);
    }
    assert_true(is_named);
}

static void sock__expect_late_reset(sock_pair pair)
{
    contract_record received = {0};
    char data[16];
    sock__reset(pair.plain);
    Sleep(50); /* until it has come; there is nothing to wait on that does not take it */
    assert_int_equal(
        iocp_recv(win.loop, pair.handle, data, sizeof data, contract_keep, &received, NULL),
        IOCP_OK);
    win_wait(&received, 1);
    win_expect(&received, 1, IOCP_ECONNRESET, WSAECONNRESET);
}

/* Before Wine 10 it gets 0 bytes, which nothing tells from an end. */
static void a_receive_that_starts_after_a_reset_is_a_reset(void **state)
{
    (void)state;
    if (win_is_wine() && win_wine_version() < 10) {
        skip();
    }
    sock__expect_late_reset(sock__reach());
}

/* For one that was accepted no Wine remembers the reset. */
static void a_receive_of_an_accepted_socket_that_starts_after_a_reset_is_a_reset(void **state)
{
    (void)state;
    if (win_is_wine()) {
        skip();
    }
    sock__expect_late_reset(sock__meet());
}

static void an_end_is_an_end_without_a_native_error(void **state)
{
    (void)state;
    sock_pair pair = sock__meet();
    contract_record received = {0};
    char data[16];
    assert_int_equal(
        iocp_recv(win.loop, pair.handle, data, sizeof data, contract_keep, &received, NULL),
        IOCP_OK);
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    assert_int_equal(closesocket(pair.plain), 0);
    win_wait(&received, 1);
    win_expect(&received, 1, IOCP_EOF, 0);
}

static void a_cancelled_receive_is_995(void **state)
{
    (void)state;
    sock_pair pair = sock__meet();
    contract_record received = {0};
    contract_record cancelled = {0};
    iocp_op_t op = {0};
    char data[16];
    assert_int_equal(
        iocp_recv(win.loop, pair.handle, data, sizeof data, contract_keep, &received, &op),
        IOCP_OK);
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    assert_int_equal(iocp_cancel(win.loop, op, contract_keep, &cancelled, NULL), IOCP_OK);
    win_wait(&received, 1);
    win_expect(&received, 1, IOCP_ECANCELED, ERROR_OPERATION_ABORTED);
    win_expect(&cancelled, 1, IOCP_OK, 0);
    assert_int_equal(closesocket(pair.plain), 0);
}

/* CancelIoEx says ERROR_NOT_FOUND when the operation is over and its packet is on the way. */
static void a_cancel_that_finds_nothing_leaves_the_result_to_the_packet(void **state)
{
    (void)state;
    sock_pair pair = sock__meet();
    contract_record received = {0};
    contract_record cancelled = {0};
    iocp_op_t op = {0};
    char data[16];
    assert_int_equal(
        iocp_recv(win.loop, pair.handle, data, sizeof data, contract_keep, &received, &op),
        IOCP_OK);
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    win_faults_fail_next_of(WIN_CANCEL, ERROR_NOT_FOUND);
    assert_int_equal(iocp_cancel(win.loop, op, contract_keep, &cancelled, NULL), IOCP_OK);
    win_wait(&cancelled, 1);
    win_expect(&cancelled, 1, IOCP_OK, 0);
    assert_int_equal(received.calls, 0);
    assert_int_equal(send(pair.plain, "won", 3, 0), 3);
    win_wait(&received, 1);
    win_expect(&received, 1, IOCP_OK, 0);
    assert_int_equal(received.result.bytes, 3);
    assert_int_equal(closesocket(pair.plain), 0);
}

/* A receive whose cancel the system has refused, and goes on. */
static void sock__refuse_cancel(const sock_pair *pair, char *data, size_t size,
                                contract_record *received)
{
    contract_record cancelled = {0};
    iocp_op_t op = {0};
    assert_int_equal(iocp_recv(win.loop, pair->handle, data, size, contract_keep, received, &op),
                     IOCP_OK);
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    win_faults_fail_next_of(WIN_CANCEL, ERROR_NO_SYSTEM_RESOURCES);
    assert_int_equal(iocp_cancel(win.loop, op, contract_keep, &cancelled, NULL), IOCP_OK);
    win_wait(&cancelled, 1);
    win_expect(&cancelled, 1, IOCP_ENOBUFS, ERROR_NO_SYSTEM_RESOURCES);
}

static void a_cancel_that_the_system_refuses_says_so_and_changes_nothing(void **state)
{
    (void)state;
    sock_pair pair = sock__meet();
    contract_record received = {0};
    char data[16];
    sock__refuse_cancel(&pair, data, sizeof data, &received);
    assert_true(CancelIoEx((HANDLE)sock__native(pair.handle), NULL));
    win_wait(&received, 1);
    win_expect(&received, 1, IOCP_ECONNABORTED, ERROR_OPERATION_ABORTED);
    assert_int_equal(closesocket(pair.plain), 0);
}

static void the_error_of_a_cancel_is_not_told_of_a_later_call(void **state)
{
    (void)state;
    sock_pair pair = sock__meet();
    contract_record received = {0};
    iocp_handle_t none = {0};
    char data[16];
    sock__refuse_cancel(&pair, data, sizeof data, &received);
    assert_int_equal(iocp_socket_open(win.loop, 99, SOCK_STREAM, 0, &none), IOCP_EAFNOSUPPORT);
    assert_int_equal(iocp_loop_native_error(win.loop), 0);
    assert_int_equal(closesocket(pair.plain), 0);
    win_wait(&received, 1);
}

static void a_receive_that_somebody_else_aborts_is_not_called_cancelled(void **state)
{
    (void)state;
    sock_pair pair = sock__meet();
    contract_record received = {0};
    char data[16];
    assert_int_equal(
        iocp_recv(win.loop, pair.handle, data, sizeof data, contract_keep, &received, NULL),
        IOCP_OK);
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    assert_true(CancelIoEx((HANDLE)sock__native(pair.handle), NULL));
    win_wait(&received, 1);
    win_expect(&received, 1, IOCP_ECONNABORTED, ERROR_OPERATION_ABORTED);
    assert_int_equal(closesocket(pair.plain), 0);
}

static void a_refused_connect_is_10061(void **state)
{
    (void)state;
    contract_address address;
    contract_record connected = {0};
    sock__occupy(&address);
    assert_int_equal(iocp_connect(win.loop, contract_open(win.loop, AF_INET),
                                  contract_sockaddr(&address), address.length, contract_keep,
                                  &connected, NULL),
                     IOCP_OK);
    win_wait(&connected, 1);
    win_expect(&connected, 1, IOCP_ECONNREFUSED, WSAECONNREFUSED);
}

/* ---- When the system does not cancel ---- */

static void a_close_whose_cancels_are_refused_still_ends_everything_as_cancelled(void **state)
{
    (void)state;
    sock_pair pair = sock__meet();
    contract_record received = {0};
    contract_record accepted = {0};
    contract_record closed_handle = {0};
    contract_record closed_listener = {0};
    char data[16];
    assert_int_equal(
        iocp_recv(win.loop, pair.handle, data, sizeof data, contract_keep, &received, NULL),
        IOCP_OK);
    assert_int_equal(iocp_accept(win.loop, pair.listener, contract_keep, &accepted, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    win_faults_fail_all_of(WIN_CANCEL, 0);
    assert_int_equal(iocp_close(win.loop, pair.handle, contract_keep, &closed_handle, NULL),
                     IOCP_OK);
    assert_int_equal(iocp_close(win.loop, pair.listener, contract_keep, &closed_listener, NULL),
                     IOCP_OK);
    win_wait(&closed_handle, 1);
    win_wait(&closed_listener, 1);
    win_expect(&closed_handle, 1, IOCP_OK, 0);
    win_expect(&closed_listener, 1, IOCP_OK, 0);
    assert_int_equal(received.result.status, IOCP_ECANCELED);
    assert_int_equal(accepted.result.status, IOCP_ECANCELED);
    assert_int_equal(received.calls, 1);
    assert_int_equal(accepted.calls, 1);
    assert_true(win_faults_struck() >= 2);
    assert_int_equal(closesocket(pair.plain), 0);
}

/* Send until the system takes no more at once. */
static iocp_action_t IOCP_CALL sock__count(iocp_loop_t *loop, const iocp_result_t *result,
                                           void *userdata)
{
    contract_record *kept = userdata;
    (void)loop;
    kept->calls++;
    kept->result = *result;
    return IOCP_DISARM;
}

static void a_send_that_is_stuck_when_its_socket_closes_is_cancelled(void **state)
{
    (void)state;
    static char much[1 << 20];
    sock_pair pair = sock__meet();
    contract_record sent = {0};
    contract_record closed = {0};
    for (int i = 0; i < 64; i++) {
        assert_int_equal(
            iocp_send(win.loop, pair.handle, much, sizeof much, sock__count, &sent, NULL), IOCP_OK);
        assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_NO_WAIT), IOCP_OK);
        assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_NO_WAIT), IOCP_OK);
        if (sent.calls <= i) {
            break; /* this one is pending */
        }
    }
    int done = sent.calls;
    assert_true(iocp_loop_active(win.loop) == 1);
    win_faults_fail_all_of(WIN_CANCEL, 0);
    assert_int_equal(iocp_close(win.loop, pair.handle, contract_keep, &closed, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    /* Wine gives the operation back only when the peer reads or goes. */
    assert_int_equal(closesocket(pair.plain), 0);
    win_wait(&closed, 1);
    assert_int_equal(sent.calls, done + 1);
    bool is_true = sent.result.status == IOCP_ECANCELED || sent.result.status == IOCP_OK ||
                   sent.result.status == IOCP_ECONNRESET;
    if (!is_true) {
        print_error("status %s, native error %u\n", iocp_error_name(sent.result.status),
                    (unsigned)sent.result.native_error);
    }
    assert_true(is_true);
}

/* ---- The two ways in which completions come back ---- */

/* Send and receive in a mode; how many results came without a packet. */
static uint64_t sock__inline_results(iocp_completion_mode_t mode)
{
    win_open(mode);
    sock_pair pair = sock__meet();
    contract_record sent = {0};
    contract_record received = {0};
    char data[5] = {0};
    iocp_stats_t before = {.size = sizeof before};
    iocp_stats_t after = {.size = sizeof after};
    assert_int_equal(iocp_loop_stats(win.loop, &before), IOCP_OK);
    assert_int_equal(iocp_send(win.loop, pair.handle, "hello", 5, contract_keep, &sent, NULL),
                     IOCP_OK);
    win_wait(&sent, 1);
    win_expect(&sent, 1, IOCP_OK, 0);
    assert_int_equal(sent.result.bytes, 5);
    assert_int_equal(recv(pair.plain, data, sizeof data, MSG_WAITALL), 5);
    assert_int_equal(send(pair.plain, "world", 5, 0), 5);
    assert_int_equal(iocp_recv(win.loop, pair.handle, data, 5, contract_keep, &received, NULL),
                     IOCP_OK);
    win_wait(&received, 1);
    win_expect(&received, 1, IOCP_OK, 0);
    assert_int_equal(received.result.bytes, 5);
    assert_memory_equal(data, "world", 5);
    assert_int_equal(iocp_loop_stats(win.loop, &after), IOCP_OK);
    uint64_t inline_results = after.inline_results - before.inline_results;
    uint64_t flags =
        (sent.result.flags & IOCP_RESULT_INLINE) + (received.result.flags & IOCP_RESULT_INLINE);
    assert_int_equal(flags, inline_results);
    assert_int_equal(after.packets - before.packets, 2 - inline_results);
    assert_int_equal(closesocket(pair.plain), 0);
    return inline_results;
}

static void in_packet_mode_every_result_is_a_packet(void **state)
{
    (void)state;
    assert_int_equal(sock__inline_results(IOCP_COMPLETION_PACKET), 0);
    assert_int_equal(win_faults_count_of(WIN_SET_MODES), 0);
}

static void in_skip_mode_what_is_done_at_once_needs_no_packet(void **state)
{
    (void)state;
    assert_true(sock__inline_results(IOCP_COMPLETION_SKIP) > 0);
    assert_int_equal(win_faults_count_of(WIN_GET_OPTION), 1); /* the listener's, for its accepts */
}

static void the_default_mode_skips_where_the_provider_has_true_handles(void **state)
{
    (void)state;
    WSAPROTOCOL_INFOW provider;
    int size = sizeof provider;
    iocp_handle_t handle = contract_open(win.loop, AF_INET);
    assert_int_equal(
        getsockopt(sock__native(handle), SOL_SOCKET, SO_PROTOCOL_INFOW, (char *)&provider, &size),
        0);
    bool has_true_handles = (provider.dwServiceFlags1 & XP1_IFS_HANDLES) != 0;
    assert_int_equal(sock__inline_results(IOCP_COMPLETION_AUTO) > 0, has_true_handles);
}

static void where_skipping_is_refused_packets_come(void **state)
{
    (void)state;
    win_faults_fail_all_of(WIN_SET_MODES, 0);
    assert_int_equal(sock__inline_results(IOCP_COMPLETION_SKIP), 0);
    assert_int_equal(sock__inline_results(IOCP_COMPLETION_AUTO), 0);
    assert_true(win_faults_struck() > 0);
}

static void a_provider_that_does_not_answer_is_not_trusted_with_skipping(void **state)
{
    (void)state;
    win_faults_fail_next_of(WIN_GET_OPTION, 0);
    iocp_handle_t handle = contract_open(win.loop, AF_INET);
    assert_int_equal(win_faults_struck(), 1);
    assert_int_equal(win_faults_count_of(WIN_SET_MODES), 0);
    assert_true(sock__native(handle) != INVALID_SOCKET);
}

/* ---- Joining the port ---- */

static void an_accepted_socket_joins_the_port_with_its_first_operation(void **state)
{
    (void)state;
    sock_pair pair = sock__meet();
    uint64_t joins = win_faults_count_of(WIN_CREATE_PORT);
    contract_record sent = {0};
    uintptr_t detached = 0;
    assert_int_equal(iocp_send(win.loop, pair.handle, "x", 1, contract_keep, &sent, NULL), IOCP_OK);
    assert_int_equal(win_faults_count_of(WIN_CREATE_PORT), joins);
    win_wait(&sent, 1);
    assert_int_equal(win_faults_count_of(WIN_CREATE_PORT), joins + 1);
    memset(&sent, 0, sizeof sent);
    assert_int_equal(iocp_send(win.loop, pair.handle, "x", 1, contract_keep, &sent, NULL), IOCP_OK);
    win_wait(&sent, 1);
    assert_int_equal(win_faults_count_of(WIN_CREATE_PORT), joins + 1);
    assert_int_equal(iocp_socket_detach(win.loop, pair.handle, &detached),
                     contract_takes_sockets_off_ports() ? IOCP_OK : IOCP_EBUSY);
    assert_int_equal(closesocket(pair.plain), 0);
    if (detached != 0) {
        assert_int_equal(closesocket((SOCKET)detached), 0);
    }
}

static void an_accepted_socket_can_move_to_another_loop(void **state)
{
    (void)state;
    sock_pair pair = sock__meet();
    uintptr_t detached = 0;
    iocp_handle_t adopted = {0};
    contract_record received = {0};
    char data[8];
    assert_int_equal(iocp_socket_detach(win.loop, pair.handle, &detached), IOCP_OK);
    iocp_loop_t *first = win.loop;
    win.loop = win_loop_create(&win.sys, &win.memory, IOCP_COMPLETION_AUTO);
    assert_int_equal(iocp_socket_adopt(win.loop, detached, &adopted), IOCP_OK);
    assert_int_equal(
        iocp_recv(win.loop, adopted, data, sizeof data, contract_keep, &received, NULL), IOCP_OK);
    assert_int_equal(send(pair.plain, "moved", 5, 0), 5);
    win_wait(&received, 1);
    win_expect(&received, 1, IOCP_OK, 0);
    assert_int_equal(received.result.bytes, 5);
    assert_int_equal(iocp_loop_destroy(win.loop, 10 * S), IOCP_OK);
    win.loop = first;
    assert_int_equal(closesocket(pair.plain), 0);
}

static void a_socket_that_cannot_join_fails_its_operation_and_may_try_again(void **state)
{
    (void)state;
    sock_pair pair = sock__meet();
    contract_record sent = {0};
    win_faults_fail_next_of(WIN_CREATE_PORT, ERROR_NO_SYSTEM_RESOURCES);
    assert_int_equal(iocp_send(win.loop, pair.handle, "x", 1, contract_keep, &sent, NULL), IOCP_OK);
    win_wait(&sent, 1);
    win_expect(&sent, 1, IOCP_ENOBUFS, ERROR_NO_SYSTEM_RESOURCES);
    memset(&sent, 0, sizeof sent);
    assert_int_equal(iocp_send(win.loop, pair.handle, "x", 1, contract_keep, &sent, NULL), IOCP_OK);
    win_wait(&sent, 1);
    win_expect(&sent, 1, IOCP_OK, 0);
    assert_int_equal(closesocket(pair.plain), 0);
}

/* ---- Opening and adopting ---- */

static bool sock__is_inheritable(SOCKET socket)
{
    DWORD flags = 0;
    assert_true(GetHandleInformation((HANDLE)socket, &flags));
    return (flags & HANDLE_FLAG_INHERIT) != 0;
}

static void no_socket_is_inheritable(void **state)
{
    (void)state;
    sock_pair pair = sock__meet();
    iocp_handle_t adopted = {0};
    SOCKET plain = WSASocketW(AF_INET, SOCK_STREAM, 0, NULL, 0, WSA_FLAG_OVERLAPPED);
    assert_true(SetHandleInformation((HANDLE)plain, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT));
    assert_true(sock__is_inheritable(plain));
    assert_int_equal(iocp_socket_adopt(win.loop, plain, &adopted), IOCP_OK);
    assert_true(sock__native(adopted) == plain);
    assert_false(sock__is_inheritable(plain));
    assert_false(sock__is_inheritable(sock__native(pair.listener)));
    assert_false(sock__is_inheritable(sock__native(pair.handle)));
    assert_false(sock__is_inheritable(sock__native(contract_open(win.loop, AF_INET))));
    assert_int_equal(closesocket(pair.plain), 0);
}

static void the_native_handle_is_the_socket(void **state)
{
    (void)state;
    contract_address address;
    contract_address native_address;
    int length = sizeof native_address.storage;
    iocp_handle_t listener = contract_listen(win.loop, AF_INET, &address);
    assert_int_equal(
        getsockname(sock__native(listener), (struct sockaddr *)&native_address.storage, &length),
        0);
    native_address.length = (size_t)length;
    assert_int_equal(contract_port(&native_address), contract_port(&address));
}

static void what_is_no_socket_is_not_adopted(void **state)
{
    (void)state;
    iocp_handle_t adopted = {0};
    HANDLE event = CreateEventW(NULL, FALSE, FALSE, NULL);
    assert_int_equal(iocp_socket_adopt(win.loop, (uintptr_t)event, &adopted), IOCP_ENOTSOCK);
    assert_int_equal(iocp_loop_native_error(win.loop), WSAENOTSOCK);
    assert_int_equal(iocp_socket_adopt(win.loop, INVALID_SOCKET, &adopted), IOCP_ENOTSOCK);
    assert_int_equal(adopted.id, 0);
    assert_true(CloseHandle(event));
}

static void a_socket_of_another_port_is_not_adopted_and_stays_the_callers(void **state)
{
    (void)state;
    iocp_handle_t adopted = {0};
    SOCKET plain = WSASocketW(AF_INET, SOCK_STREAM, 0, NULL, 0, WSA_FLAG_OVERLAPPED);
    HANDLE port = CreateIoCompletionPort((HANDLE)plain, NULL, 0, 0);
    assert_non_null(port);
    assert_int_equal(iocp_socket_adopt(win.loop, plain, &adopted), IOCP_EINVAL);
    assert_int_equal(iocp_loop_native_error(win.loop), ERROR_INVALID_PARAMETER);
    assert_int_equal(closesocket(plain), 0);
    assert_true(CloseHandle(port));
}

/* Those that ask come before those that change something. */
static void what_adopting_needs_may_fail_and_the_socket_stays_as_it_was(void **state)
{
    (void)state;
    static const win_call needed[] = {WIN_GET_OPTION, WIN_IOCTL, WIN_GET_HANDLE_INFORMATION,
                                      WIN_SET_HANDLE_INFORMATION, WIN_CREATE_PORT};
    for (size_t i = 0; i < IOC_COUNT_OF(needed); i++) {
        iocp_handle_t adopted = {0};
        SOCKET plain = WSASocketW(AF_INET, SOCK_STREAM, 0, NULL, 0, WSA_FLAG_OVERLAPPED);
        uint64_t struck = win_faults_struck();
        assert_true(SetHandleInformation((HANDLE)plain, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT));
        win_faults_fail_next_of(needed[i], ERROR_ACCESS_DENIED);
        assert_int_equal(iocp_socket_adopt(win.loop, plain, &adopted), IOCP_EACCES);
        assert_int_equal(win_faults_struck(), struck + 1);
        assert_int_equal(adopted.id, 0);
        assert_true(sock__is_inheritable(plain));
        assert_int_equal(closesocket(plain), 0);
        win_faults_stop();
    }
    assert_int_equal(win_faults_count_of(WIN_CLOSE_SOCKET), 0);
    assert_int_equal(win_faults_count_of(WIN_SET_OPTION), 0);
}

static void a_socket_for_datagrams_that_is_not_adopted_keeps_its_options(void **state)
{
    (void)state;
    iocp_handle_t adopted = {0};
    SOCKET plain = WSASocketW(AF_INET, SOCK_DGRAM, 0, NULL, 0, WSA_FLAG_OVERLAPPED);
    win_faults_fail_next_of(WIN_CREATE_PORT, ERROR_ACCESS_DENIED);
    assert_int_equal(iocp_socket_adopt(win.loop, plain, &adopted), IOCP_EACCES);
    assert_int_equal(win_faults_count_of(WIN_IOCTL), 0);
    assert_int_equal(win_faults_count_of(WIN_SET_OPTION), 0);
    assert_int_equal(closesocket(plain), 0);
}

static void a_socket_that_is_not_overlapped_is_not_adopted(void **state)
{
    (void)state;
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM};
    for (size_t i = 0; i < IOC_COUNT_OF(types); i++) {
        iocp_handle_t adopted = {0};
        SOCKET plain = WSASocketW(AF_INET, types[i], 0, NULL, 0, 0);
        assert_true(plain != INVALID_SOCKET);
        assert_int_equal(iocp_socket_adopt(win.loop, plain, &adopted), IOCP_ENOTOVERLAPPED);
        assert_int_equal(iocp_loop_native_error(win.loop), ERROR_INVALID_PARAMETER);
        assert_int_equal(adopted.id, 0);
        assert_int_equal(closesocket(plain), 0);
    }
}

static void an_adopted_socket_that_is_bound_already_connects(void **state)
{
    (void)state;
    contract_address address;
    contract_address own = contract_loopback(AF_INET, 0);
    iocp_handle_t listener = contract_listen(win.loop, AF_INET, &address);
    iocp_handle_t adopted = {0};
    contract_record connected = {0};
    SOCKET plain = WSASocketW(AF_INET, SOCK_STREAM, 0, NULL, 0, WSA_FLAG_OVERLAPPED);
    assert_int_equal(bind(plain, contract_sockaddr(&own), (int)own.length), 0);
    assert_int_equal(iocp_socket_adopt(win.loop, plain, &adopted), IOCP_OK);
    assert_int_equal(iocp_connect(win.loop, adopted, contract_sockaddr(&address), address.length,
                                  contract_keep, &connected, NULL),
                     IOCP_OK);
    win_wait(&connected, 1);
    win_expect(&connected, 1, IOCP_OK, 0);
    (void)sock__accept(listener);
}

static void an_adopted_listener_accepts(void **state)
{
    (void)state;
    contract_address address;
    iocp_handle_t adopted = {0};
    SOCKET plain = sock__plain_listen(&address);
    assert_int_equal(iocp_socket_adopt(win.loop, plain, &adopted), IOCP_OK);
    SOCKET client = win_connect(&address);
    iocp_handle_t accepted = sock__accept(adopted);
    contract_record sent = {0};
    assert_int_equal(iocp_send(win.loop, accepted, "x", 1, contract_keep, &sent, NULL), IOCP_OK);
    win_wait(&sent, 1);
    win_expect(&sent, 1, IOCP_OK, 0);
    assert_int_equal(closesocket(client), 0);
}

static void what_cannot_be_opened_says_why(void **state)
{
    (void)state;
    iocp_handle_t handle = {0};
    assert_int_equal(iocp_socket_open(win.loop, AF_INET, SOCK_RAW, 0, &handle), IOCP_ENOTSUP);
    assert_int_equal(iocp_socket_open(win.loop, AF_UNIX, SOCK_DGRAM, 0, &handle),
                     IOCP_EAFNOSUPPORT);
    assert_int_equal(iocp_socket_open(win.loop, 12345, SOCK_STREAM, 0, &handle), IOCP_EAFNOSUPPORT);
    assert_int_not_equal(iocp_socket_open(win.loop, AF_INET, SOCK_STREAM, IPPROTO_UDP, &handle),
                         IOCP_OK);
    assert_int_not_equal(iocp_loop_native_error(win.loop), 0);
    win_faults_fail_next_of(WIN_SOCKET, WSAEMFILE);
    assert_int_equal(iocp_socket_open(win.loop, AF_INET, SOCK_STREAM, 0, &handle), IOCP_EMFILE);
    assert_int_equal(iocp_loop_native_error(win.loop), WSAEMFILE);
    assert_int_equal(handle.id, 0);
}

/* ---- Accepting ---- */

static void a_listener_whose_provider_did_not_answer_works_the_next_time(void **state)
{
    (void)state;
    contract_address address = contract_loopback(AF_INET, 0);
    iocp_handle_t listener = contract_open(win.loop, AF_INET);
    assert_int_equal(
        iocp_socket_bind(win.loop, listener, contract_sockaddr(&address), address.length), IOCP_OK);
    win_faults_fail_next_of(WIN_GET_OPTION, WSAENOBUFS);
    assert_int_equal(iocp_socket_listen(win.loop, listener, 0), IOCP_ENOBUFS);
    assert_int_equal(iocp_socket_listen(win.loop, listener, 0), IOCP_OK);
    assert_int_equal(iocp_socket_get_name(win.loop, listener, (struct sockaddr *)&address.storage,
                                          &address.length),
                     IOCP_OK);
    SOCKET client = win_connect(&address);
    (void)sock__accept(listener);
    assert_int_equal(closesocket(client), 0);
}

static void an_accept_that_fails_late_closes_its_socket_and_leaves_the_listener(void **state)
{
    (void)state;
    sock_pair pair = sock__meet(); /* after which the loop has all handles of its own */
    contract_record accepted = {0};
    size_t before = win_open_handles();
    SOCKET first = win_connect(&pair.address);
    win_faults_fail_next_of(WIN_SET_OPTION, WSAENOBUFS);
    assert_int_equal(iocp_accept(win.loop, pair.listener, contract_keep, &accepted, NULL), IOCP_OK);
    win_wait(&accepted, 1);
    win_expect(&accepted, 1, IOCP_ENOBUFS, WSAENOBUFS);
    assert_int_equal(accepted.result.opened.id, 0);
    assert_int_equal(closesocket(first), 0);
    assert_int_equal(win_open_handles(), before);
    SOCKET second = win_connect(&pair.address);
    (void)sock__accept(pair.listener);
    assert_int_equal(closesocket(second), 0);
    assert_int_equal(closesocket(pair.plain), 0);
}

static void a_failed_accept_can_be_rearmed(void **state)
{
    (void)state;
    contract_address address;
    iocp_handle_t listener = contract_listen(win.loop, AF_INET, &address);
    contract_record accepted = {.rearms = 1};
    SOCKET client = win_connect(&address);
    win_faults_fail_next_of(WIN_SOCKET, WSAEMFILE);
    assert_int_equal(iocp_accept(win.loop, listener, contract_keep, &accepted, NULL), IOCP_OK);
    while (accepted.calls < 1) {
        assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_ONCE), IOCP_OK);
    }
    assert_int_equal(accepted.result.status, IOCP_EMFILE);
    while (accepted.calls < 2) {
        assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_ONCE), IOCP_OK);
    }
    assert_int_equal(accepted.result.status, IOCP_OK);
    assert_int_not_equal(accepted.result.opened.id, 0);
    assert_int_equal(closesocket(client), 0);
}

/* ---- What it costs ---- */

static void an_accept_costs_a_socket_an_accept_and_an_update(void **state)
{
    (void)state;
    sock_pair pair = sock__meet(); /* the first one asks for the functions */
    SOCKET client = win_connect(&pair.address);
    win_faults_reset();
    (void)sock__accept(pair.listener);
    uint64_t others = win_faults_count() - win_faults_count_of(WIN_DEQUEUE) -
                      win_faults_count_of(WIN_COUNTER) - win_faults_count_of(WIN_OPEN_THREAD);
    assert_int_equal(win_faults_count_of(WIN_SOCKET), 1);
    assert_int_equal(win_faults_count_of(WIN_ACCEPT_EX), 1);
    assert_int_equal(win_faults_count_of(WIN_SET_OPTION), 1);
    assert_int_equal(others, 3);
    assert_int_equal(closesocket(client), 0);
    assert_int_equal(closesocket(pair.plain), 0);
}

static void a_round_trip_costs_one_call_for_each_operation(void **state)
{
    (void)state;
    static const iocp_completion_mode_t modes[] = {IOCP_COMPLETION_AUTO, IOCP_COMPLETION_PACKET};
    for (size_t m = 0; m < IOC_COUNT_OF(modes); m++) {
        win_open(modes[m]);
        sock_pair pair = sock__meet();
        char data[64] = {0};
        contract_record sent = {0};
        contract_record received = {0};
        uint64_t operations = 0;
        for (int round = 0; round < 20; round++) {
            if (round == 2) {
                win_faults_reset();
                operations = 0;
            }
            memset(&sent, 0, sizeof sent);
            memset(&received, 0, sizeof received);
            assert_int_equal(
                iocp_recv(win.loop, pair.handle, data, 64, contract_keep, &received, NULL),
                IOCP_OK);
            assert_int_equal(iocp_send(win.loop, pair.handle, data, 64, contract_keep, &sent, NULL),
                             IOCP_OK);
            win_wait(&sent, 1);
            assert_int_equal(recv(pair.plain, data, 64, MSG_WAITALL), 64);
            assert_int_equal(send(pair.plain, data, 64, 0), 64);
            win_wait(&received, 1);
            operations += 2;
        }
        assert_int_equal(win_faults_count_of(WIN_SEND) + win_faults_count_of(WIN_RECV), operations);
        assert_int_equal(win_faults_count(), operations + win_faults_count_of(WIN_DEQUEUE) +
                                                 win_faults_count_of(WIN_COUNTER));
        assert_true(win_faults_count_of(WIN_DEQUEUE) <= operations);
        assert_int_equal(closesocket(pair.plain), 0);
    }
}

/* ---- Options ---- */

static int sock__get(iocp_handle_t handle, iocp_socket_option_t option)
{
    int value = -12345;
    assert_int_equal(iocp_socket_get_option(win.loop, handle, option, &value), IOCP_OK);
    return value;
}

static void options_come_back_as_they_were_set(void **state)
{
    (void)state;
    static const struct {
        iocp_socket_option_t option;
        int value;
    } rows[] = {
        {IOCP_SOCKET_NODELAY, 1},       {IOCP_SOCKET_NODELAY, 0},   {IOCP_SOCKET_KEEPALIVE, 1},
        {IOCP_SOCKET_KEEPALIVE, 0},     {IOCP_SOCKET_LINGER, 5},    {IOCP_SOCKET_LINGER, 0},
        {IOCP_SOCKET_LINGER, -1},       {IOCP_SOCKET_EXCLUSIVE, 1}, {IOCP_SOCKET_EXCLUSIVE, 0},
        {IOCP_SOCKET_REUSE_ADDRESS, 1},
    };
    iocp_handle_t handle = contract_open(win.loop, AF_INET);
    for (size_t i = 0; i < IOC_COUNT_OF(rows); i++) {
        assert_int_equal(iocp_socket_set_option(win.loop, handle, rows[i].option, rows[i].value),
                         IOCP_OK);
        assert_int_equal(sock__get(handle, rows[i].option), rows[i].value);
    }
    assert_int_equal(iocp_socket_set_option(win.loop, handle, IOCP_SOCKET_RECV_BUFFER, 65536),
                     IOCP_OK);
    assert_true(sock__get(handle, IOCP_SOCKET_RECV_BUFFER) >= 65536);
    assert_int_equal(sock__get(handle, IOCP_SOCKET_ERROR), 0);
}

static void option_values_out_of_range_are_refused(void **state)
{
    (void)state;
    static const struct {
        iocp_socket_option_t option;
        int value;
    } rows[] = {
        {IOCP_SOCKET_NODELAY, 2},      {IOCP_SOCKET_NODELAY, -1},
        {IOCP_SOCKET_KEEPALIVE, 7},    {IOCP_SOCKET_V6ONLY, -1},
        {IOCP_SOCKET_EXCLUSIVE, 2},    {IOCP_SOCKET_LINGER, -2},
        {IOCP_SOCKET_LINGER, 65536},   {IOCP_SOCKET_REUSE_ADDRESS, 3},
        {IOCP_SOCKET_RECV_BUFFER, -1}, {IOCP_SOCKET_SEND_BUFFER, -1},
    };
    iocp_handle_t handle = contract_open(win.loop, AF_INET);
    win_faults_reset();
    for (size_t i = 0; i < IOC_COUNT_OF(rows); i++) {
        assert_int_equal(iocp_socket_set_option(win.loop, handle, rows[i].option, rows[i].value),
                         IOCP_EINVAL);
    }
    assert_int_equal(win_faults_count_of(WIN_SET_OPTION), 0);
}

static void an_ipv6_socket_is_for_ipv6_alone_unless_told_otherwise(void **state)
{
    (void)state;
    iocp_handle_t handle = {0};
    if (!contract_has_ipv6()) {
        skip();
    }
    assert_int_equal(iocp_socket_open(win.loop, AF_INET6, SOCK_STREAM, 0, &handle), IOCP_OK);
    assert_int_equal(sock__get(handle, IOCP_SOCKET_V6ONLY), 1);
    assert_int_equal(iocp_socket_set_option(win.loop, handle, IOCP_SOCKET_V6ONLY, 0), IOCP_OK);
    int value = 0;
    iocp_handle_t ipv4 = contract_open(win.loop, AF_INET);
    assert_int_equal(iocp_socket_set_option(win.loop, ipv4, IOCP_SOCKET_V6ONLY, 1),
                     IOCP_ENOPROTOOPT);
    assert_int_equal(iocp_socket_get_option(win.loop, ipv4, IOCP_SOCKET_V6ONLY, &value),
                     IOCP_ENOPROTOOPT);
    assert_int_equal(sock__get(handle, IOCP_SOCKET_V6ONLY), 0);
}

/* ---- Threads and buffers ---- */

static void sock__tick_on_a_thread(void *arg)
{
    *(int *)arg = iocp_loop_run(win.loop, IOCP_RUN_NO_WAIT);
}

static void an_operation_outlives_the_thread_that_started_it(void **state)
{
    (void)state;
    sock_pair pair = sock__meet();
    contract_record received = {0};
    test_thread starter;
    int status = IOCP_EUNKNOWN;
    char data[8];
    assert_int_equal(
        iocp_recv(win.loop, pair.handle, data, sizeof data, contract_keep, &received, NULL),
        IOCP_OK);
    assert_true(test_thread_start(&starter, sock__tick_on_a_thread, &status));
    test_thread_join(&starter);
    assert_int_equal(status, IOCP_OK);
    assert_int_equal(received.calls, 0);
    assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(received.calls, 0); /* and not aborted by the thread's end */
    assert_int_equal(send(pair.plain, "alive", 5, 0), 5);
    win_wait(&received, 1);
    win_expect(&received, 1, IOCP_OK, 0);
    assert_int_equal(received.result.bytes, 5);
    assert_int_equal(closesocket(pair.plain), 0);
}

static void the_longest_list_of_buffers_goes_through(void **state)
{
    (void)state;
    static char source[IOCP_BUFFERS_MAX];
    static char target[IOCP_BUFFERS_MAX];
    iocp_buf_t buffers[IOCP_BUFFERS_MAX];
    sock_pair pair = sock__meet();
    contract_record sent = {0};
    contract_record received = {0};
    for (size_t i = 0; i < IOCP_BUFFERS_MAX; i++) {
        source[i] = (char)(i * 7);
        buffers[i] = (iocp_buf_t){.length = 1, .base = &source[i]};
    }
    assert_int_equal(
        iocp_sendv(win.loop, pair.handle, buffers, IOCP_BUFFERS_MAX, contract_keep, &sent, NULL),
        IOCP_OK);
    memset(buffers, 0, sizeof buffers); /* the list was copied */
    win_wait(&sent, 1);
    win_expect(&sent, 1, IOCP_OK, 0);
    assert_int_equal(sent.result.bytes, IOCP_BUFFERS_MAX);
    assert_int_equal(recv(pair.plain, target, sizeof target, MSG_WAITALL), IOCP_BUFFERS_MAX);
    assert_memory_equal(target, source, sizeof source);

    memset(target, 0, sizeof target);
    for (size_t i = 0; i < IOCP_BUFFERS_MAX; i++) {
        buffers[i] = (iocp_buf_t){.length = 1, .base = &target[i]};
    }
    assert_int_equal(send(pair.plain, source, sizeof source, 0), IOCP_BUFFERS_MAX);
    assert_int_equal(iocp_recvv(win.loop, pair.handle, buffers, IOCP_BUFFERS_MAX, contract_keep,
                                &received, NULL),
                     IOCP_OK);
    win_wait(&received, 1);
    win_expect(&received, 1, IOCP_OK, 0);
    assert_memory_equal(target, source, (size_t)received.result.bytes);
    assert_true(received.result.bytes > 0);
    assert_int_equal(closesocket(pair.plain), 0);
}

/* Winsock for this test's own sockets, and what the system opens once and keeps. */
static int sock__warm_up(void **state)
{
    win_use_winsock();
    (void)win_setup(state);
    sock_pair pair = sock__meet();
    (void)closesocket(pair.plain);
    win_loop_destroy(&win.loop);
    return 0;
}

#define SOCK_TEST(function) cmocka_unit_test_setup_teardown(function, win_setup, win_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOCK_TEST(a_reset_ends_a_pending_receive_as_a_reset),
        SOCK_TEST(a_send_after_a_reset_fails_as_one),
        SOCK_TEST(a_receive_that_starts_after_a_reset_is_a_reset),
        SOCK_TEST(a_receive_of_an_accepted_socket_that_starts_after_a_reset_is_a_reset),
        SOCK_TEST(an_end_is_an_end_without_a_native_error),
        SOCK_TEST(a_cancelled_receive_is_995),
        SOCK_TEST(a_cancel_that_finds_nothing_leaves_the_result_to_the_packet),
        SOCK_TEST(a_cancel_that_the_system_refuses_says_so_and_changes_nothing),
        SOCK_TEST(the_error_of_a_cancel_is_not_told_of_a_later_call),
        SOCK_TEST(a_receive_that_somebody_else_aborts_is_not_called_cancelled),
        SOCK_TEST(a_refused_connect_is_10061),
        SOCK_TEST(a_close_whose_cancels_are_refused_still_ends_everything_as_cancelled),
        SOCK_TEST(a_send_that_is_stuck_when_its_socket_closes_is_cancelled),
        SOCK_TEST(in_packet_mode_every_result_is_a_packet),
        SOCK_TEST(in_skip_mode_what_is_done_at_once_needs_no_packet),
        SOCK_TEST(the_default_mode_skips_where_the_provider_has_true_handles),
        SOCK_TEST(where_skipping_is_refused_packets_come),
        SOCK_TEST(a_provider_that_does_not_answer_is_not_trusted_with_skipping),
        SOCK_TEST(an_accepted_socket_joins_the_port_with_its_first_operation),
        SOCK_TEST(an_accepted_socket_can_move_to_another_loop),
        SOCK_TEST(a_socket_that_cannot_join_fails_its_operation_and_may_try_again),
        SOCK_TEST(no_socket_is_inheritable),
        SOCK_TEST(the_native_handle_is_the_socket),
        SOCK_TEST(what_is_no_socket_is_not_adopted),
        SOCK_TEST(a_socket_of_another_port_is_not_adopted_and_stays_the_callers),
        SOCK_TEST(what_adopting_needs_may_fail_and_the_socket_stays_as_it_was),
        SOCK_TEST(a_socket_for_datagrams_that_is_not_adopted_keeps_its_options),
        SOCK_TEST(a_socket_that_is_not_overlapped_is_not_adopted),
        SOCK_TEST(an_adopted_socket_that_is_bound_already_connects),
        SOCK_TEST(an_adopted_listener_accepts),
        SOCK_TEST(what_cannot_be_opened_says_why),
        SOCK_TEST(a_listener_whose_provider_did_not_answer_works_the_next_time),
        SOCK_TEST(an_accept_that_fails_late_closes_its_socket_and_leaves_the_listener),
        SOCK_TEST(a_failed_accept_can_be_rearmed),
        SOCK_TEST(an_accept_costs_a_socket_an_accept_and_an_update),
        SOCK_TEST(a_round_trip_costs_one_call_for_each_operation),
        SOCK_TEST(options_come_back_as_they_were_set),
        SOCK_TEST(option_values_out_of_range_are_refused),
        SOCK_TEST(an_ipv6_socket_is_for_ipv6_alone_unless_told_otherwise),
        SOCK_TEST(an_operation_outlives_the_thread_that_started_it),
        SOCK_TEST(the_longest_list_of_buffers_goes_through),
    };
    win_catch_crashes();
    return cmocka_run_group_tests(tests, sock__warm_up, NULL);
}
