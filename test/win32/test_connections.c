/*
 * How connections begin and end where the system does what no test can have it do: peers that are
 * gone before they are accepted, resources that are short, sends that are cut off, closes that are
 * refused; and which options are set on the way. Calls of the table are faked or watched.
 */
#include "unit.h"

#include "loop.h"
#include "win32/port.h"
#include "win32/sys.h"

#include "win_faults.h"
#include "win_leaks.h"
#include "win_loop.h"

#include <stdlib.h>
#include <string.h>

#define STATUS_OF_LONG_MESSAGE    0x80000005u
#define STATUS_OF_RESET           0xC000020Du
#define STATUS_OF_NETNAME_DELETED 0xC00000C9u
#define STATUS_OF_ABORT           0xC0000241u
#define STATUS_OF_HOPS_EXCEEDED   0xC000A012u
#define STATUS_OF_TIMEOUT         0xC00000B5u
#define STATUS_OF_NO_CONNECTION   0xC000023Au

#define MOST_EVENTS 64

/* What was done to sockets, in order. */
typedef enum event {
    BOUND = 1,
    MADE_EXCLUSIVE,
    MADE_REUSABLE,
    MADE_TO_ASK_ONCE,
    TOLD_CONNECTED,
    TOLD_ACCEPTED,
    CLOSED,
    MADE_BLOCKING
} event;

static struct {
    int rto_error; /* what SIO_TCP_INITIAL_RTO fails with, 0: it works */
    event events[MOST_EVENTS];
    int event_count;
    int refused_option; /* setsockopt refuses it, for ever */
    int unaccepted;     /* so many accepted sockets turn out to be not connected */
    int lost;           /* so many accepts are ended by a packet with this status */
    uint32_t lost_status;
    int lost_inline;     /* so many accepts are done at once, with no peer */
    uint32_t sent_bytes; /* of a send that is to succeed with less than it was asked for */
    bool sends_inline;
    int lingering; /* so many closes are refused */
    uint64_t tries_ns[16];
    int tries;             /* of WSASocketW */
    int shut_down;         /* how, the last time */
    SOCKET accepted_by;    /* what the last accepted socket was told */
    DWORD accept_sizes[3]; /* of AcceptEx: for data, for its own address, for the peer's */
    int bind_length;
    DWORD receive_flags;      /* of WSARecv */
    uint32_t received_status; /* what its packet says, unless 0 */
    int connect_length;       /* of ConnectEx: of the address */
    DWORD socket_flags;       /* of the last WSASocketW */
    LPFN_ACCEPTEX accept_ex;
    LPFN_CONNECTEX connect_ex;
} now;

/* ---- Spies ---- */

static void spy__note(event event)
{
    if (now.event_count < MOST_EVENTS) {
        now.events[now.event_count++] = event;
    }
}

static void spy__post(OVERLAPPED *overlapped, uint32_t nt_status, ULONG_PTR bytes)
{
    ioc_win_port *port = ioc_win_port_of(win.loop->loop_only.ops.port);
    overlapped->Internal = nt_status;
    overlapped->InternalHigh = bytes;
    assert_true(PostQueuedCompletionStatus(port->port, 0, (ULONG_PTR)&port->tokens, overlapped));
}

static BOOL WINAPI spy__accept_ex(SOCKET listener, SOCKET accepted, void *buffer, DWORD data_bytes,
                                  DWORD local_bytes, DWORD remote_bytes, DWORD *received,
                                  OVERLAPPED *overlapped)
{
    now.accept_sizes[0] = data_bytes;
    now.accept_sizes[1] = local_bytes;
    now.accept_sizes[2] = remote_bytes;
    if (now.lost_inline > 0) {
        now.lost_inline--;
        return TRUE; /* the OVERLAPPED is that of a success */
    }
    if (now.lost > 0) {
        now.lost--;
        spy__post(overlapped, now.lost_status, 0);
        WSASetLastError(WSA_IO_PENDING);
        return FALSE;
    }
    return now.accept_ex(listener, accepted, buffer, data_bytes, local_bytes, remote_bytes,
                         received, overlapped);
}

static BOOL WINAPI spy__connect_ex(SOCKET socket, const struct sockaddr *address, int length,
                                   void *data, DWORD data_bytes, DWORD *sent,
                                   OVERLAPPED *overlapped)
{
    now.connect_length = length;
    assert_null(data); /* a connect sends nothing */
    assert_int_equal(data_bytes, 0);
    return now.connect_ex(socket, address, length, data, data_bytes, sent, overlapped);
}

/* Keep the function that the system gave out, and give out ours. */
static void spy__replace(void *function, void *real, uintptr_t ours)
{
    memcpy(real, function, sizeof ours);
    memcpy(function, &ours, sizeof ours);
}

static int WINAPI spy__ioctl(SOCKET socket, DWORD code, void *in, DWORD in_bytes, void *out,
                             DWORD out_bytes, DWORD *returned, OVERLAPPED *overlapped,
                             LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
    static const GUID accept_ex = WSAID_ACCEPTEX;
    static const GUID connect_ex = WSAID_CONNECTEX;
    if (code == SIO_TCP_INITIAL_RTO) {
        static const unsigned char once[] = {0xff, 0xff, 0xfe};
        assert_true(in_bytes == 4 && memcmp(in, once, sizeof once) == 0);
        spy__note(MADE_TO_ASK_ONCE);
        WSASetLastError(now.rto_error);
        return now.rto_error == 0 ? 0 : SOCKET_ERROR;
    }
    int status = win_faults_table()->WSAIoctl(socket, code, in, in_bytes, out, out_bytes, returned,
                                              overlapped, routine);
    if (status != 0 || code != SIO_GET_EXTENSION_FUNCTION_POINTER) {
        return status;
    }
    if (memcmp(in, &accept_ex, sizeof accept_ex) == 0) {
        spy__replace(out, &now.accept_ex, (uintptr_t)spy__accept_ex);
    } else if (memcmp(in, &connect_ex, sizeof connect_ex) == 0) {
        spy__replace(out, &now.connect_ex, (uintptr_t)spy__connect_ex);
    }
    return status;
}

static void spy__note_option(int name, const char *value, int length)
{
    if (name == (int)SO_EXCLUSIVEADDRUSE) {
        spy__note(MADE_EXCLUSIVE);
    } else if (name == SO_REUSE_UNICASTPORT) {
        spy__note(MADE_REUSABLE);
    } else if (name == SO_UPDATE_CONNECT_CONTEXT) {
        assert_true(value == NULL && length == 0);
        spy__note(TOLD_CONNECTED);
    } else if (name == SO_UPDATE_ACCEPT_CONTEXT) {
        assert_int_equal(length, sizeof now.accepted_by);
        memcpy(&now.accepted_by, value, sizeof now.accepted_by);
        spy__note(TOLD_ACCEPTED);
    }
}

static int WINAPI spy__set_option(SOCKET socket, int level, int name, const char *value, int length)
{
    if (level == SOL_SOCKET) {
        spy__note_option(name, value, length);
    }
    if (level == SOL_SOCKET && name == SO_UPDATE_ACCEPT_CONTEXT && now.unaccepted > 0) {
        now.unaccepted--;
        WSASetLastError(WSAENOTCONN);
        return SOCKET_ERROR;
    }
    if (level == SOL_SOCKET && name == now.refused_option) {
        WSASetLastError(WSAENOPROTOOPT);
        return SOCKET_ERROR;
    }
    return win_faults_table()->setsockopt(socket, level, name, value, length);
}

static int WINAPI spy__bind(SOCKET socket, const struct sockaddr *address, int length)
{
    spy__note(BOUND);
    now.bind_length = length;
    return win_faults_table()->bind(socket, address, length);
}

static int WINAPI spy__close_socket(SOCKET socket)
{
    spy__note(CLOSED);
    if (now.lingering > 0) {
        now.lingering--;
        WSASetLastError(WSAEWOULDBLOCK);
        return SOCKET_ERROR;
    }
    return win_faults_table()->closesocket(socket);
}

static int WINAPI spy__ioctl_socket(SOCKET socket, long command, u_long *argument)
{
    assert_int_equal((u_long)command, (u_long)FIONBIO);
    assert_int_equal(*argument, 0);
    spy__note(MADE_BLOCKING);
    return win_faults_table()->ioctlsocket(socket, command, argument);
}

static int WINAPI spy__send(SOCKET socket, WSABUF *buffers, DWORD count, DWORD *sent, DWORD flags,
                            OVERLAPPED *overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
    if (now.sent_bytes == 0) {
        return win_faults_table()->WSASend(socket, buffers, count, sent, flags, overlapped,
                                           routine);
    }
    overlapped->InternalHigh = now.sent_bytes;
    if (!now.sends_inline) {
        spy__post(overlapped, 0, now.sent_bytes);
    }
    return 0;
}

static int WINAPI spy__recv(SOCKET socket, WSABUF *buffers, DWORD count, DWORD *received,
                            DWORD *flags, OVERLAPPED *overlapped,
                            LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
    now.receive_flags = *flags;
    if (now.received_status == 0) {
        return win_faults_table()->WSARecv(socket, buffers, count, received, flags, overlapped,
                                           routine);
    }
    spy__post(overlapped, now.received_status, 0);
    WSASetLastError(WSA_IO_PENDING);
    return SOCKET_ERROR;
}

/* Of datagram sockets. */
static int WINAPI spy__connect(SOCKET socket, const struct sockaddr *address, int length)
{
    now.connect_length = length;
    return win_faults_table()->connect(socket, address, length);
}

static int WINAPI spy__shutdown(SOCKET socket, int how)
{
    now.shut_down = how;
    return win_faults_table()->shutdown(socket, how);
}

static SOCKET WINAPI spy__socket(int family, int type, int protocol, WSAPROTOCOL_INFOW *info,
                                 GROUP group, DWORD flags)
{
    now.socket_flags = flags;
    if (now.tries < (int)IOC_COUNT_OF(now.tries_ns) && win.loop != NULL) {
        now.tries_ns[now.tries++] = iocp_loop_now(win.loop); /* by which pauses are counted */
    }
    return win_faults_table()->WSASocketW(family, type, protocol, info, group, flags);
}

/* ---- The environment ---- */

static int conn__setup(void **state)
{
    (void)state;
    memset(&now, 0, sizeof now);
    win_begin();
    win.sys.WSAIoctl = spy__ioctl;
    win.sys.setsockopt = spy__set_option;
    win.sys.bind = spy__bind;
    win.sys.closesocket = spy__close_socket;
    win.sys.ioctlsocket = spy__ioctl_socket;
    win.sys.WSARecv = spy__recv;
    win.sys.connect = spy__connect;
    win.sys.shutdown = spy__shutdown;
    win.sys.WSASend = spy__send;
    win.sys.WSASocketW = spy__socket;
    win_open(IOCP_COMPLETION_AUTO);
    return 0;
}

/* ---- Steps ---- */

static int conn__bind(iocp_handle_t handle, int family, contract_address *address)
{
    *address = contract_loopback(family, 0);
    return iocp_socket_bind(win.loop, handle, contract_sockaddr(address), address->length);
}

static iocp_op_t conn__accept(iocp_handle_t listener, contract_record *accepted)
{
    iocp_op_t op = {0};
    assert_int_equal(iocp_accept(win.loop, listener, contract_keep, accepted, &op), IOCP_OK);
    return op;
}

/* The loop's end of a connection, and the other. */
static iocp_handle_t conn__meet(SOCKET *plain)
{
    contract_address address;
    contract_record accepted = {0};
    iocp_handle_t listener = contract_listen(win.loop, AF_INET, &address);
    *plain = win_connect(&address);
    (void)conn__accept(listener, &accepted);
    win_wait(&accepted, 1);
    win_expect(&accepted, 1, IOCP_OK, 0);
    return accepted.result.opened;
}

/* ---- Peers that are gone before they are accepted ---- */

/* The first connection that there is comes to the same accept. */
static void check_that_it_goes_on(iocp_handle_t listener, const contract_address *address,
                                  contract_record *accepted)
{
    (void)conn__accept(listener, accepted);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(iocp_loop_tick(win.loop, 0), IOCP_OK);
    }
    assert_int_equal(accepted->calls, 0);
    SOCKET plain = win_connect(address);
    win_wait(accepted, 1);
    win_expect(accepted, 1, IOCP_OK, 0);
    assert_true(accepted->result.opened.id != 0);
    assert_int_equal(closesocket(plain), 0);
}

static void a_peer_that_resets_before_it_is_accepted_does_not_end_the_accept(void **state)
{
    (void)state;
    static const uint32_t statuses[] = {
        STATUS_OF_RESET,         STATUS_OF_NETNAME_DELETED, STATUS_OF_ABORT,
        STATUS_OF_HOPS_EXCEEDED, STATUS_OF_TIMEOUT,         STATUS_OF_NO_CONNECTION,
    };
    contract_address address;
    iocp_handle_t listener = contract_listen(win.loop, AF_INET, &address);
    for (size_t i = 0; i < IOC_COUNT_OF(statuses); i++) {
        contract_record accepted = {0};
        now.lost = 3;
        now.lost_status = statuses[i];
        check_that_it_goes_on(listener, &address, &accepted);
        assert_int_equal(now.lost, 0);
    }
}

static void an_accepted_socket_that_is_not_connected_does_not_end_the_accept(void **state)
{
    (void)state;
    static const iocp_completion_mode_t modes[] = {IOCP_COMPLETION_AUTO, IOCP_COMPLETION_PACKET};
    for (size_t i = 0; i < IOC_COUNT_OF(modes); i++) {
        contract_address address;
        contract_record accepted = {0};
        win_open(modes[i]);
        iocp_handle_t listener = contract_listen(win.loop, AF_INET, &address);
        now.unaccepted = 1;
        SOCKET gone = win_connect(&address);
        check_that_it_goes_on(listener, &address, &accepted);
        assert_int_equal(now.unaccepted, 0);
        assert_int_equal(closesocket(gone), 0);
    }
}

/* Within the starting call; each takes a turn, so that a flood of them does not hold up the loop. */
static void peers_that_are_gone_within_the_call_take_a_turn_each(void **state)
{
    (void)state;
    contract_address address;
    contract_record accepted = {0};
    iocp_handle_t listener = contract_listen(win.loop, AF_INET, &address);
    now.lost_inline = 5;
    now.unaccepted = 5;
    iocp_op_t op = conn__accept(listener, &accepted);
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    assert_int_equal(now.lost_inline, 4);
    assert_int_equal(iocp_cancel(win.loop, op, NULL, NULL, NULL), IOCP_OK);
    win_wait(&accepted, 1);
    win_expect(&accepted, 1, IOCP_ECANCELED, 0);
    assert_int_equal(now.lost_inline, 4);
    memset(&accepted, 0, sizeof accepted);
    check_that_it_goes_on(listener, &address, &accepted);
    assert_int_equal(now.lost_inline, 0);
}

/* An accept that is about to wait for the next peer. */
static iocp_op_t conn__lose_peer(iocp_handle_t listener, contract_record *accepted)
{
    now.lost = 1;
    now.lost_status = STATUS_OF_RESET;
    iocp_op_t op = conn__accept(listener, accepted);
    while (now.lost > 0) {
        assert_int_equal(iocp_loop_tick(win.loop, 0), IOCP_OK);
    }
    assert_int_equal(accepted->calls, 0);
    return op;
}

static void an_accept_that_has_lost_its_peer_can_be_cancelled(void **state)
{
    (void)state;
    contract_address address;
    iocp_handle_t listener = contract_listen(win.loop, AF_INET, &address);
    for (int is_deadline = 0; is_deadline <= 1; is_deadline++) {
        contract_record accepted = {0};
        iocp_op_t op = conn__lose_peer(listener, &accepted);
        uint64_t accepts = win_faults_count_of(WIN_ACCEPT_EX);
        assert_int_equal(is_deadline ? iocp_op_deadline(win.loop, op, 0)
                                     : iocp_cancel(win.loop, op, NULL, NULL, NULL),
                         IOCP_OK);
        win_wait(&accepted, 1);
        assert_int_equal(accepted.result.status, is_deadline ? IOCP_ETIMEDOUT : IOCP_ECANCELED);
        assert_int_equal(win_faults_count_of(WIN_ACCEPT_EX), accepts);
    }
}

static void an_accept_that_has_lost_its_peer_ends_with_its_listener(void **state)
{
    (void)state;
    contract_address address;
    contract_record accepted = {.rearms = 5};
    contract_record closed = {0};
    iocp_handle_t listener = contract_listen(win.loop, AF_INET, &address);
    (void)conn__lose_peer(listener, &accepted);
    assert_int_equal(iocp_close(win.loop, listener, contract_keep, &closed, NULL), IOCP_OK);
    win_wait(&closed, 1);
    win_expect(&accepted, 1, IOCP_ECANCELED, 0);
}

static void an_accept_that_has_lost_its_peer_ends_with_its_loop(void **state)
{
    (void)state;
    contract_address address;
    contract_record accepted = {.rearms = 5};
    (void)conn__lose_peer(contract_listen(win.loop, AF_INET, &address), &accepted);
    win_open(IOCP_COMPLETION_AUTO); /* destroys it */
    win_expect(&accepted, 1, IOCP_ECANCELED, 0);
}

/* ---- Short of something ---- */

static void check_shortage(win_call call, uint32_t error, int status)
{
    contract_address address;
    contract_record accepted = {.rearms = 1};
    iocp_handle_t listener = contract_listen(win.loop, AF_INET, &address);
    SOCKET plain = win_connect(&address);
    now.tries = 0;
    win_faults_fail_all_of(call, error);
    (void)conn__accept(listener, &accepted);
    while (now.tries < 6) {
        assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    }
    assert_int_equal(accepted.calls, 1); /* told once */
    win_expect(&accepted, 1, status, error);
    for (int i = 1; i < 6; i++) { /* 1, 2, 4, 8, 16 ms */
        assert_true(now.tries_ns[i] - now.tries_ns[i - 1] >= MS << (i - 1));
    }
    win_faults_stop();
    win_wait(&accepted, 2);
    win_expect(&accepted, 2, IOCP_OK, 0);
    assert_int_equal(closesocket(plain), 0);
}

static void an_accept_without_resources_is_told_once_and_tries_again_with_pauses(void **state)
{
    (void)state;
    check_shortage(WIN_SOCKET, WSAEMFILE, IOCP_EMFILE);
    check_shortage(WIN_SOCKET, WSAENOBUFS, IOCP_ENOBUFS);
    check_shortage(WIN_ACCEPT_EX, WSAENOBUFS, IOCP_ENOBUFS);
    check_shortage(WIN_ACCEPT_EX, ERROR_NOT_ENOUGH_MEMORY, IOCP_ENOMEM);
}

static void an_accept_that_pauses_ends_with_its_listener(void **state)
{
    (void)state;
    contract_address address;
    contract_record accepted = {.rearms = 5};
    contract_record closed = {0};
    iocp_handle_t listener = contract_listen(win.loop, AF_INET, &address);
    win_faults_fail_all_of(WIN_SOCKET, WSAEMFILE);
    now.tries = 0;
    (void)conn__accept(listener, &accepted);
    while (now.tries < 3) {
        assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    }
    assert_int_equal(iocp_close(win.loop, listener, contract_keep, &closed, NULL), IOCP_OK);
    win_wait(&closed, 1);
    win_expect(&accepted, 2, IOCP_ECANCELED, 0);
}

/* ---- Sends ---- */

static void a_send_that_succeeds_with_less_than_all_is_an_error_with_its_count(void **state)
{
    (void)state;
    for (int is_inline = 0; is_inline <= 1; is_inline++) {
        SOCKET plain;
        contract_record sent = {0};
        win_open(is_inline ? IOCP_COMPLETION_AUTO : IOCP_COMPLETION_PACKET);
        iocp_handle_t handle = conn__meet(&plain);
        now.sends_inline = is_inline != 0;
        now.sent_bytes = 3;
        assert_int_equal(iocp_send(win.loop, handle, "hello", 5, contract_keep, &sent, NULL),
                         IOCP_OK);
        win_wait(&sent, 1);
        now.sent_bytes = 0;
        win_expect(&sent, 1, IOCP_ECONNABORTED, 0);
        assert_int_equal(sent.result.bytes, 3);
        assert_int_equal(closesocket(plain), 0);
    }
}

#define MANY_SENDS 2000
#define LARGE_SEND ((size_t)64 << 20)

/* Behind two that the system does not take, since nobody reads. */
static iocp_handle_t conn__send_many(SOCKET *plain, const char *large, contract_record *sent)
{
    iocp_handle_t handle = conn__meet(plain);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(iocp_send(win.loop, handle, large, LARGE_SEND, contract_keep, sent, NULL),
                         IOCP_OK);
    }
    for (int i = 0; i < MANY_SENDS; i++) {
        assert_int_equal(iocp_send(win.loop, handle, "x", 1, contract_keep, sent, NULL), IOCP_OK);
    }
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    return handle;
}

static void many_sends_are_called_off_by_one_call(void **state)
{
    (void)state;
    char *large = calloc(1, LARGE_SEND);
    assert_non_null(large);
    for (int is_destroy = 0; is_destroy <= 1; is_destroy++) {
        SOCKET plain;
        contract_record sent = {0};
        contract_record closed = {0};
        iocp_handle_t handle = conn__send_many(&plain, large, &sent);
        uint64_t cancels = win_faults_count_of(WIN_CANCEL);
        if (is_destroy) {
            win_open(IOCP_COMPLETION_AUTO);
        } else {
            assert_int_equal(iocp_close(win.loop, handle, contract_keep, &closed, NULL), IOCP_OK);
            win_wait(&closed, 1);
        }
        assert_int_equal(sent.calls, MANY_SENDS + 2);
        assert_int_equal(win_faults_count_of(WIN_CANCEL), cancels + 1);
        assert_int_equal(closesocket(plain), 0);
    }
    free(large);
}

/* ---- Receives ---- */

/* A datagram would have to be looked at, not taken. */
static void a_receive_of_nothing_on_a_stream_leaves_its_data_by_itself(void **state)
{
    (void)state;
    SOCKET plain;
    char data[8] = {0};
    contract_record waited = {0};
    contract_record received = {0};
    iocp_handle_t handle = conn__meet(&plain);
    now.receive_flags = UINT32_MAX;
    assert_int_equal(iocp_recv(win.loop, handle, NULL, 0, contract_keep, &waited, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    assert_int_equal(now.receive_flags, 0);
    assert_int_equal(send(plain, "data", 4, 0), 4);
    win_wait(&waited, 1);
    win_expect(&waited, 1, IOCP_OK, 0);
    assert_int_equal(iocp_recv(win.loop, handle, data, 4, contract_keep, &received, NULL), IOCP_OK);
    win_wait(&received, 1);
    assert_string_equal(data, "data");
    assert_int_equal(closesocket(plain), 0);
}

/* There are no messages on a stream, so that would be no success of any kind. */
static void a_stream_is_never_cut_off_as_a_datagram_is(void **state)
{
    (void)state;
    SOCKET plain;
    char data[8];
    contract_record received = {0};
    iocp_handle_t handle = conn__meet(&plain);
    now.received_status = STATUS_OF_LONG_MESSAGE;
    assert_int_equal(iocp_recv(win.loop, handle, data, 8, contract_keep, &received, NULL), IOCP_OK);
    win_wait(&received, 1);
    win_expect(&received, 1, IOCP_EMSGSIZE, WSAEMSGSIZE);
    assert_int_equal(received.result.flags, 0);
    assert_int_equal(closesocket(plain), 0);
}

/* ---- Connecting ---- */

static void conn__expect_events(const event *events, int count)
{
    assert_int_equal(now.event_count, count);
    for (int i = 0; i < count; i++) {
        assert_int_equal(now.events[i], events[i]);
    }
    now.event_count = 0;
}

static int conn__count(event wanted)
{
    int count = 0;
    for (int i = 0; i < now.event_count; i++) {
        count += now.events[i] == wanted;
    }
    return count;
}

static void conn__connect(iocp_handle_t handle, const struct sockaddr *address, size_t length,
                          contract_record *connected)
{
    assert_int_equal(
        iocp_connect(win.loop, handle, address, length, contract_keep, connected, NULL), IOCP_OK);
    win_wait(connected, 1);
}

static void a_connect_shares_its_port_with_those_to_other_peers(void **state)
{
    (void)state;
    static const event expected[] = {MADE_REUSABLE, BOUND, MADE_TO_ASK_ONCE, TOLD_CONNECTED};
    contract_address address;
    (void)contract_listen(win.loop, AF_INET, &address);
    for (int is_refused = 0; is_refused <= 1; is_refused++) {
        contract_record connected = {0};
        iocp_handle_t handle = contract_open(win.loop, AF_INET);
        now.refused_option = is_refused ? SO_REUSE_UNICASTPORT : 0;
        now.event_count = 0;
        conn__connect(handle, contract_sockaddr(&address), address.length, &connected);
        win_expect(&connected, 1, IOCP_OK, 0);
        conn__expect_events(expected, 4);
    }
}

static int conn__ask_twice(int error)
{
    contract_address address;
    win_open(IOCP_COMPLETION_AUTO);
    (void)contract_listen(win.loop, AF_INET, &address);
    now.rto_error = error;
    now.event_count = 0;
    for (int i = 0; i < 2; i++) {
        contract_record connected = {0};
        conn__connect(contract_open(win.loop, AF_INET), contract_sockaddr(&address), address.length,
                      &connected);
        win_expect(&connected, 1, IOCP_OK, 0);
    }
    return conn__count(MADE_TO_ASK_ONCE);
}

/* Any other refusal may be that of one socket, or of the moment. */
static void a_provider_that_does_not_know_a_request_hears_it_once(void **state)
{
    (void)state;
    assert_int_equal(conn__ask_twice(0), 2);
    assert_int_equal(conn__ask_twice(WSAENOBUFS), 2);
    assert_int_equal(conn__ask_twice(WSAEOPNOTSUPP), 1);
    assert_int_equal(conn__ask_twice(0), 2); /* a loop asks for itself */
}

static void a_connect_of_a_bound_socket_leaves_its_port_alone(void **state)
{
    (void)state;
    static const event expected[] = {MADE_EXCLUSIVE, BOUND, MADE_TO_ASK_ONCE, TOLD_CONNECTED};
    contract_address address;
    contract_address own;
    contract_record connected = {0};
    (void)contract_listen(win.loop, AF_INET, &address);
    iocp_handle_t handle = contract_open(win.loop, AF_INET);
    now.event_count = 0;
    assert_int_equal(conn__bind(handle, AF_INET, &own), IOCP_OK);
    conn__connect(handle, contract_sockaddr(&address), address.length, &connected);
    win_expect(&connected, 1, IOCP_OK, 0);
    conn__expect_events(expected, 4);
}

static void a_connect_whose_socket_cannot_be_bound_says_why(void **state)
{
    (void)state;
    contract_address address;
    contract_record connected = {.rearms = 1};
    (void)contract_listen(win.loop, AF_INET, &address);
    win_faults_fail_next_of(WIN_BIND, WSAENOBUFS);
    conn__connect(contract_open(win.loop, AF_INET), contract_sockaddr(&address), address.length,
                  &connected);
    win_expect(&connected, 1, IOCP_ENOBUFS, WSAENOBUFS);
    win_wait(&connected, 2); /* and is bound the next time */
    win_expect(&connected, 2, IOCP_OK, 0);
}

/* Wine works without; on Windows neither end can be shut down, nor has a peer. */
static void both_ends_of_a_connection_are_told_that_they_are_connected(void **state)
{
    (void)state;
    contract_address address;
    contract_record accepted = {0};
    contract_record connected = {0};
    void *native = NULL;
    iocp_handle_t listener = contract_listen(win.loop, AF_INET, &address);
    (void)conn__accept(listener, &accepted);
    conn__connect(contract_open(win.loop, AF_INET), contract_sockaddr(&address), address.length,
                  &connected);
    win_wait(&accepted, 1);
    win_expect(&connected, 1, IOCP_OK, 0);
    win_expect(&accepted, 1, IOCP_OK, 0);
    assert_int_equal(conn__count(TOLD_CONNECTED), 1);
    assert_int_equal(conn__count(TOLD_ACCEPTED), 1);
    assert_int_equal(iocp_handle_native(win.loop, listener, &native), IOCP_OK);
    assert_int_equal(now.accepted_by, (SOCKET)(uintptr_t)native);
}

static void a_connection_that_does_not_know_that_it_is_one_is_an_error(void **state)
{
    (void)state;
    contract_address address;
    contract_record connected = {0};
    (void)contract_listen(win.loop, AF_INET, &address);
    now.refused_option = SO_UPDATE_CONNECT_CONTEXT;
    conn__connect(contract_open(win.loop, AF_INET), contract_sockaddr(&address), address.length,
                  &connected);
    win_expect(&connected, 1, IOCP_ENOPROTOOPT, WSAENOPROTOOPT);
}

/* It only notes its peer. */
static void a_datagram_socket_that_is_connected_is_told_nothing(void **state)
{
    (void)state;
    contract_address address = contract_loopback(AF_INET, 9);
    iocp_handle_t handle = {0};
    contract_record connected = {0};
    assert_int_equal(iocp_socket_open(win.loop, AF_INET, SOCK_DGRAM, 0, &handle), IOCP_OK);
    conn__connect(handle, contract_sockaddr(&address), address.length, &connected);
    win_expect(&connected, 1, IOCP_OK, 0);
    conn__expect_events(NULL, 0);
    assert_int_equal(now.connect_length, address.length);
}

/* Sixteen bytes more for each than an address has: AcceptEx's page. */
static void addresses_have_the_room_that_their_family_needs(void **state)
{
    (void)state;
    static const int families[] = {AF_INET, AF_INET6};
    for (int i = 0; i < 1 + contract_has_ipv6(); i++) {
        contract_address address;
        contract_record accepted = {0};
        contract_record connected = {0};
        (void)conn__accept(contract_listen(win.loop, families[i], &address), &accepted);
        conn__connect(contract_open(win.loop, families[i]), contract_sockaddr(&address),
                      address.length, &connected);
        win_wait(&accepted, 1);
        win_expect(&accepted, 1, IOCP_OK, 0);
        win_expect(&connected, 1, IOCP_OK, 0);
        assert_int_equal(now.accept_sizes[0], 0); /* it does not wait for data */
        assert_int_equal(now.accept_sizes[1], address.length + 16);
        assert_int_equal(now.accept_sizes[2], address.length + 16);
        assert_int_equal(now.connect_length, address.length);
        assert_int_equal(now.bind_length, address.length);
    }
}

static void a_shutdown_ends_what_it_says(void **state)
{
    (void)state;
    static const struct {
        iocp_shutdown_how_t how;
        int native;
    } table[] = {
        {IOCP_SHUTDOWN_RECV, SD_RECEIVE},
        {IOCP_SHUTDOWN_SEND, SD_SEND},
        {IOCP_SHUTDOWN_BOTH, SD_BOTH},
    };
    for (size_t i = 0; i < IOC_COUNT_OF(table); i++) {
        SOCKET plain;
        contract_record ended = {0};
        iocp_handle_t handle = conn__meet(&plain);
        now.shut_down = -1;
        assert_int_equal(iocp_shutdown(win.loop, handle, table[i].how, contract_keep, &ended, NULL),
                         IOCP_OK);
        win_wait(&ended, 1);
        win_expect(&ended, 1, IOCP_OK, 0);
        assert_int_equal(now.shut_down, table[i].native);
        assert_int_equal(closesocket(plain), 0);
    }
}

static void a_shutdown_that_works_at_last_does_not_tell_why_it_did_not(void **state)
{
    (void)state;
    SOCKET plain;
    contract_record ended = {.rearms = 1};
    iocp_handle_t handle = conn__meet(&plain);
    win_faults_fail_next_of(WIN_SHUTDOWN, WSAENOBUFS);
    assert_int_equal(
        iocp_shutdown(win.loop, handle, IOCP_SHUTDOWN_SEND, contract_keep, &ended, NULL), IOCP_OK);
    win_wait(&ended, 1);
    win_expect(&ended, 1, IOCP_ENOBUFS, WSAENOBUFS);
    win_wait(&ended, 2);
    win_expect(&ended, 2, IOCP_OK, 0);
    assert_int_equal(closesocket(plain), 0);
}

static bool conn__asks_once(int family, const void *ip, size_t size)
{
    struct sockaddr_in6 address6 = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
    struct sockaddr_in address4 = {.sin_family = AF_INET, .sin_port = htons(9)};
    contract_record connected = {0};
    bool is_ipv6 = family == AF_INET6;
    memcpy(is_ipv6 ? (void *)&address6.sin6_addr : (void *)&address4.sin_addr, ip, size);
    iocp_handle_t handle = contract_open(win.loop, family);
    win_faults_fail_next_of(WIN_CONNECT_EX, WSAENETUNREACH);
    conn__connect(handle,
                  is_ipv6 ? (const struct sockaddr *)&address6 : (const struct sockaddr *)&address4,
                  is_ipv6 ? sizeof address6 : sizeof address4, &connected);
    win_expect(&connected, 1, IOCP_ENETUNREACH, WSAENETUNREACH);
    bool asks_once = now.event_count > 0 && now.events[now.event_count - 1] == MADE_TO_ASK_ONCE;
    now.event_count = 0;
    return asks_once;
}

static void only_a_connect_on_this_machine_asks_once(void **state)
{
    (void)state;
    static const unsigned char ipv6[][16] = {
        {[15] = 1},                                       /* ::1 */
        {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}, /* ::ffff:127.0.0.1 */
        {[15] = 2},                                       /* ::2 */
        {[10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2}, /* ::ffff:192.0.2.0 */
        {0x20, 0x01, 0x0d, 0xb8, [15] = 1},               /* 2001:db8::1 */
    };
    assert_true(conn__asks_once(AF_INET, "\x7f\x00\x00\x01", 4));
    assert_true(conn__asks_once(AF_INET, "\x7f\x01\x02\x03", 4));
    assert_false(conn__asks_once(AF_INET, "\xc0\x00\x02\x7f", 4));
    assert_false(conn__asks_once(AF_INET, "\x01\x00\x00\x7f", 4));
    if (!contract_has_ipv6()) {
        skip();
    }
    for (size_t i = 0; i < IOC_COUNT_OF(ipv6); i++) {
        assert_int_equal(conn__asks_once(AF_INET6, ipv6[i], 16), i < 2);
    }
}

/* ---- Whose an address is ---- */

static void a_stream_is_bound_for_itself_alone(void **state)
{
    (void)state;
    static const event expected[] = {MADE_EXCLUSIVE, BOUND};
    contract_address address;
    for (int is_refused = 0; is_refused <= 1; is_refused++) {
        iocp_handle_t handle = contract_open(win.loop, AF_INET);
        now.refused_option = is_refused ? (int)SO_EXCLUSIVEADDRUSE : 0;
        now.event_count = 0;
        assert_int_equal(conn__bind(handle, AF_INET, &address), IOCP_OK);
        conn__expect_events(expected, 2);
    }
}

static void what_the_program_says_of_sharing_an_address_stays(void **state)
{
    (void)state;
    static const iocp_socket_option_t options[] = {IOCP_SOCKET_EXCLUSIVE,
                                                   IOCP_SOCKET_REUSE_ADDRESS};
    static const event expected[] = {BOUND};
    contract_address address;
    for (int i = 0; i < 4; i++) {
        iocp_handle_t handle = contract_open(win.loop, AF_INET);
        assert_int_equal(iocp_socket_set_option(win.loop, handle, options[i / 2], i % 2), IOCP_OK);
        now.event_count = 0;
        assert_int_equal(conn__bind(handle, AF_INET, &address), IOCP_OK);
        conn__expect_events(expected, 1);
    }
}

static void a_refused_wish_to_share_an_address_is_none(void **state)
{
    (void)state;
    static const event expected[] = {MADE_EXCLUSIVE, BOUND};
    contract_address address;
    iocp_handle_t handle = contract_open(win.loop, AF_INET);
    now.refused_option = SO_REUSEADDR;
    assert_true(iocp_socket_set_option(win.loop, handle, IOCP_SOCKET_REUSE_ADDRESS, 1) != IOCP_OK);
    now.event_count = 0;
    assert_int_equal(conn__bind(handle, AF_INET, &address), IOCP_OK);
    conn__expect_events(expected, 2);
}

static void datagram_sockets_and_adopted_ones_are_bound_as_they_are(void **state)
{
    (void)state;
    static const event expected[] = {BOUND};
    contract_address address;
    iocp_handle_t datagram = {0};
    iocp_handle_t adopted = {0};
    assert_int_equal(iocp_socket_open(win.loop, AF_INET, SOCK_DGRAM, 0, &datagram), IOCP_OK);
    assert_int_equal(iocp_socket_adopt(win.loop, contract_socket_create(AF_INET), &adopted),
                     IOCP_OK);
    assert_int_equal(conn__bind(datagram, AF_INET, &address), IOCP_OK);
    conn__expect_events(expected, 1);
    assert_int_equal(conn__bind(adopted, AF_INET, &address), IOCP_OK);
    conn__expect_events(expected, 1);
}

static void a_port_has_one_listener(void **state)
{
    (void)state;
    contract_address address;
    (void)contract_listen(win.loop, AF_INET, &address);
    for (int reuses = 0; reuses <= 1; reuses++) {
        iocp_handle_t second = contract_open(win.loop, AF_INET);
        if (reuses && win_is_wine()) {
            break; /* Wine 8 knows no exclusive ports */
        }
        if (reuses) {
            assert_int_equal(iocp_socket_set_option(win.loop, second, IOCP_SOCKET_REUSE_ADDRESS, 1),
                             IOCP_OK);
        }
        int status =
            iocp_socket_bind(win.loop, second, contract_sockaddr(&address), address.length);
        assert_true(status == IOCP_EADDRINUSE || status == IOCP_EACCES);
    }
}

/* ---- Closing ---- */

static void a_socket_that_lingers_without_blocking_is_closed_all_the_same(void **state)
{
    (void)state;
    static const event expected[] = {CLOSED, MADE_BLOCKING, CLOSED};
    for (int is_destroy = 0; is_destroy <= 1; is_destroy++) {
        contract_record closed = {0};
        iocp_handle_t handle = contract_open(win.loop, AF_INET);
        now.event_count = 0;
        now.lingering = 1;
        if (is_destroy) {
            win_open(IOCP_COMPLETION_AUTO);
        } else {
            assert_int_equal(iocp_close(win.loop, handle, contract_keep, &closed, NULL), IOCP_OK);
            win_wait(&closed, 1);
        }
        conn__expect_events(expected, 3);
    }
}

static void a_close_that_fails_for_another_reason_is_not_repeated(void **state)
{
    (void)state;
    static const event expected[] = {CLOSED};
    contract_record closed = {0};
    iocp_handle_t handle = contract_open(win.loop, AF_INET);
    now.event_count = 0;
    win_faults_fail_next_of(WIN_CLOSE_SOCKET, WSAENETDOWN);
    assert_int_equal(iocp_close(win.loop, handle, contract_keep, &closed, NULL), IOCP_OK);
    win_wait(&closed, 1);
    conn__expect_events(expected, 1);
}

/* What the system opens once and keeps is open before the first test counts. */
static int conn__warm_up(void **state)
{
    SOCKET plain;
    win_use_winsock();
    assert_int_equal(conn__setup(state), 0);
    (void)conn__meet(&plain);
    win_loop_destroy(&win.loop);
    return closesocket(plain);
}

#define CONN_TEST(function) cmocka_unit_test_setup_teardown(function, conn__setup, win_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONN_TEST(a_peer_that_resets_before_it_is_accepted_does_not_end_the_accept),
        CONN_TEST(an_accepted_socket_that_is_not_connected_does_not_end_the_accept),
        CONN_TEST(peers_that_are_gone_within_the_call_take_a_turn_each),
        CONN_TEST(an_accept_that_has_lost_its_peer_can_be_cancelled),
        CONN_TEST(an_accept_that_has_lost_its_peer_ends_with_its_listener),
        CONN_TEST(an_accept_that_has_lost_its_peer_ends_with_its_loop),
        CONN_TEST(an_accept_without_resources_is_told_once_and_tries_again_with_pauses),
        CONN_TEST(an_accept_that_pauses_ends_with_its_listener),
        CONN_TEST(a_send_that_succeeds_with_less_than_all_is_an_error_with_its_count),
        CONN_TEST(a_receive_of_nothing_on_a_stream_leaves_its_data_by_itself),
        CONN_TEST(a_stream_is_never_cut_off_as_a_datagram_is),
        CONN_TEST(many_sends_are_called_off_by_one_call),
        CONN_TEST(a_connect_shares_its_port_with_those_to_other_peers),
        CONN_TEST(a_provider_that_does_not_know_a_request_hears_it_once),
        CONN_TEST(a_connect_of_a_bound_socket_leaves_its_port_alone),
        CONN_TEST(a_connect_whose_socket_cannot_be_bound_says_why),
        CONN_TEST(both_ends_of_a_connection_are_told_that_they_are_connected),
        CONN_TEST(a_connection_that_does_not_know_that_it_is_one_is_an_error),
        CONN_TEST(a_datagram_socket_that_is_connected_is_told_nothing),
        CONN_TEST(addresses_have_the_room_that_their_family_needs),
        CONN_TEST(a_shutdown_ends_what_it_says),
        CONN_TEST(a_shutdown_that_works_at_last_does_not_tell_why_it_did_not),
        CONN_TEST(only_a_connect_on_this_machine_asks_once),
        CONN_TEST(a_stream_is_bound_for_itself_alone),
        CONN_TEST(what_the_program_says_of_sharing_an_address_stays),
        CONN_TEST(a_refused_wish_to_share_an_address_is_none),
        CONN_TEST(datagram_sockets_and_adopted_ones_are_bound_as_they_are),
        CONN_TEST(a_port_has_one_listener),
        CONN_TEST(a_socket_that_lingers_without_blocking_is_closed_all_the_same),
        CONN_TEST(a_close_that_fails_for_another_reason_is_not_repeated),
    };
    win_catch_crashes();
    return cmocka_run_group_tests(tests, conn__warm_up, NULL);
}
