/*
 * What is special about datagram sockets on Windows: that nobody listens is news that has to be
 * switched off, a datagram that is too long is a warning, and Winsock may say so within the call.
 * What holds on every backend is in test/contract/.
 *
 * The table of system calls is that of the faults with a few calls watched: Wine knows no news of
 * unreachable ports, so a packet that brings them is made of one that brings a datagram.
 */
#include "unit.h"

#include "loop.h"
#include "win32/port.h"
#include "win32/sys.h"

#include "win_faults.h"
#include "win_leaks.h"
#include "win_loop.h"

#include <mswsock.h>
#include <string.h>

#define STATUS_OF_PORT_UNREACHABLE 0xC000023Fu
#define STATUS_OF_LONG_MESSAGE     0x80000005u

/* ---- What is watched ---- */

static int watch_requests;       /* SIO_UDP_CONNRESET */
static BOOL watch_requested;     /* the last of them */
static BOOL watch_requested_net; /* the last SIO_UDP_NETRESET */
static bool watch_is_known;      /* else the system does not have these requests */
static int watch_unreachable;    /* so many packets of operations are still to bring this news */
static DWORD watch_flags;        /* of the last WSARecvFrom or WSARecv */
static int watch_length;         /* of the address, of the last WSARecvFrom */
static int watch_error;          /* of the last WSARecvFrom or WSARecv; 0: it succeeded */

static int WINAPI watch__ioctl(SOCKET socket, DWORD code, void *in, DWORD in_bytes, void *out,
                               DWORD out_bytes, DWORD *returned, OVERLAPPED *overlapped,
                               LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
    bool is_reset = code == SIO_UDP_CONNRESET || code == SIO_UDP_NETRESET;
    if (is_reset) {
        BOOL *requested = code == SIO_UDP_CONNRESET ? &watch_requested : &watch_requested_net;
        assert_int_equal(in_bytes, sizeof *requested);
        memcpy(requested, in, sizeof *requested);
        watch_requests += code == SIO_UDP_CONNRESET;
    }
    if (is_reset && !watch_is_known) {
        WSASetLastError(WSAEOPNOTSUPP);
        return SOCKET_ERROR;
    }
    return win_faults_table()->WSAIoctl(socket, code, in, in_bytes, out, out_bytes, returned,
                                        overlapped, routine);
}

static BOOL WINAPI watch__dequeue(HANDLE port, OVERLAPPED_ENTRY *entries, ULONG capacity,
                                  ULONG *count, DWORD timeout_ms, BOOL is_alertable)
{
    BOOL is_done = win_faults_table()->GetQueuedCompletionStatusEx(port, entries, capacity, count,
                                                                   timeout_ms, is_alertable);
    for (ULONG i = 0; is_done && i < *count && watch_unreachable > 0; i++) {
        if (entries[i].lpOverlapped != NULL) {
            watch_unreachable--;
            entries[i].lpOverlapped->Internal = STATUS_OF_PORT_UNREACHABLE;
            entries[i].lpOverlapped->InternalHigh = 0;
            entries[i].dwNumberOfBytesTransferred = 0;
        }
    }
    return is_done;
}

/* How a system ends a receive that meets too long a datagram. */
typedef enum long_answer {
    LONG_WARNED,
    LONG_WARNED_WITH_PACKET, /* which is in the port when the call returns */
    LONG_PENDING,            /* the packet brings the warning */
    LONG_ANSWERS
} long_answer;

static struct {
    int left; /* so many receives meet one */
    long_answer answer;
} watch_long;

static void long__post(OVERLAPPED *overlapped)
{
    void *port = NULL;
    ULONG_PTR key = (ULONG_PTR)&ioc_win_port_of(win.loop->loop_only.ops.port)->tokens;
    assert_int_equal(iocp_loop_native_port(win.loop, &port), IOCP_OK);
    assert_true(PostQueuedCompletionStatus(port, 0, key, overlapped));
}

static int long__meet(const WSABUF *buffer, OVERLAPPED *overlapped)
{
    watch_long.left--;
    memset(buffer->buf, 'L', buffer->len);
    overlapped->Internal = STATUS_OF_LONG_MESSAGE;
    overlapped->InternalHigh = buffer->len;
    if (watch_long.answer != LONG_WARNED) {
        long__post(overlapped);
    }
    WSASetLastError(watch_long.answer == LONG_PENDING ? WSA_IO_PENDING : WSAEMSGSIZE);
    return SOCKET_ERROR;
}

/* Whatever the flags were, they say something of what was received now. */
static int watch__keep_error(int status, DWORD *flags)
{
    watch_error = status == 0 ? 0 : WSAGetLastError();
    *flags = MSG_PARTIAL | MSG_PEEK;
    return status;
}

static int WINAPI watch__recv(SOCKET socket, WSABUF *buffers, DWORD count, DWORD *received,
                              DWORD *flags, OVERLAPPED *overlapped,
                              LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
    watch_flags = *flags;
    if (watch_long.left > 0) {
        return long__meet(buffers, overlapped);
    }
    int status =
        win_faults_table()->WSARecv(socket, buffers, count, received, flags, overlapped, routine);
    return watch__keep_error(status, flags);
}

static int WINAPI watch__recv_from(SOCKET socket, WSABUF *buffers, DWORD count, DWORD *received,
                                   DWORD *flags, struct sockaddr *address, int *length,
                                   OVERLAPPED *overlapped,
                                   LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
    watch_flags = *flags;
    watch_length = *length;
    if (watch_long.left > 0) {
        *length = (int)sizeof(struct sockaddr_in);
        memset(address, 0, sizeof(struct sockaddr_in));
        return long__meet(buffers, overlapped);
    }
    int status = win_faults_table()->WSARecvFrom(socket, buffers, count, received, flags, address,
                                                 length, overlapped, routine);
    return watch__keep_error(status, flags);
}

static void watch__begin(void)
{
    win.sys.WSAIoctl = watch__ioctl;
    win.sys.GetQueuedCompletionStatusEx = watch__dequeue;
    win.sys.WSARecv = watch__recv;
    win.sys.WSARecvFrom = watch__recv_from;
    watch_requests = 0;
    watch_requested = -1;
    watch_requested_net = -1;
    watch_is_known = true;
    watch_unreachable = 0;
    watch_error = 0;
    watch_flags = 0;
    memset(&watch_long, 0, sizeof watch_long);
}

/* ---- The environment ---- */

static int udp__setup(void **state)
{
    (void)state;
    win_begin();
    watch__begin();
    win_open(IOCP_COMPLETION_AUTO);
    return 0;
}

static int udp__teardown(void **state)
{
    watch_unreachable = 0;
    return win_end(state);
}

static iocp_handle_t udp__open(void)
{
    iocp_handle_t handle = {0};
    assert_int_equal(iocp_socket_open(win.loop, AF_INET, SOCK_DGRAM, 0, &handle), IOCP_OK);
    return handle;
}

static iocp_handle_t udp__bind(contract_address *name)
{
    iocp_handle_t handle = udp__open();
    *name = contract_loopback(AF_INET, 0);
    assert_int_equal(iocp_socket_bind(win.loop, handle, contract_sockaddr(name), name->length),
                     IOCP_OK);
    assert_int_equal(
        iocp_socket_get_name(win.loop, handle, (struct sockaddr *)&name->storage, &name->length),
        IOCP_OK);
    return handle;
}

/* From a plain socket. */
static void udp__send(const contract_address *to, const char *text)
{
    SOCKET plain = WSASocketW(AF_INET, SOCK_DGRAM, 0, NULL, 0, 0);
    int length = (int)strlen(text);
    assert_int_equal(sendto(plain, text, length, 0, contract_sockaddr(to), (int)to->length),
                     length);
    assert_int_equal(closesocket(plain), 0);
}

/* Until a receive would find something. */
static void udp__wait_until_readable(iocp_handle_t handle)
{
    void *native = NULL;
    fd_set set;
    struct timeval timeout = {.tv_sec = 10};
    assert_int_equal(iocp_handle_native(win.loop, handle, &native), IOCP_OK);
    FD_ZERO(&set);
    FD_SET((SOCKET)(uintptr_t)native, &set);
    assert_int_equal(select(0, &set, NULL, NULL, &timeout), 1);
}

/* ---- Nobody listens ---- */

static void a_socket_for_datagrams_is_opened_with_the_news_switched_off(void **state)
{
    (void)state;
    iocp_handle_t stream = {0};
    iocp_handle_t adopted = {0};
    assert_int_equal(iocp_socket_open(win.loop, AF_INET, SOCK_STREAM, 0, &stream), IOCP_OK);
    assert_int_equal(watch_requests, 0);
    udp__open();
    assert_int_equal(watch_requests, 1);
    assert_int_equal(watch_requested, FALSE);
    assert_int_equal(watch_requested_net, FALSE);
    watch_requested = -1;
    if (!contract_has_ipv6()) {
        skip();
    }
    SOCKET plain = WSASocketW(AF_INET6, SOCK_DGRAM, 0, NULL, 0, WSA_FLAG_OVERLAPPED);
    assert_int_equal(iocp_socket_adopt(win.loop, plain, &adopted), IOCP_OK);
    assert_int_equal(watch_requests, 2);
    assert_int_equal(watch_requested, FALSE);
}

static void the_option_switches_the_news_on_and_off(void **state)
{
    (void)state;
    iocp_handle_t handle = udp__open();
    assert_int_equal(iocp_socket_set_option(win.loop, handle, IOCP_SOCKET_UNREACHABLE, 1), IOCP_OK);
    assert_int_equal(watch_requests, 2);
    assert_int_equal(watch_requested, TRUE);
    assert_int_equal(watch_requested_net, TRUE);
    assert_int_equal(iocp_socket_set_option(win.loop, handle, IOCP_SOCKET_UNREACHABLE, 0), IOCP_OK);
    assert_int_equal(watch_requests, 3);
    assert_int_equal(watch_requested, FALSE);
    assert_int_equal(watch_requested_net, FALSE);
}

static void a_system_without_the_news_opens_sockets_but_cannot_switch_them_on(void **state)
{
    (void)state;
    watch_is_known = false;
    iocp_handle_t handle = udp__open();
    assert_int_equal(iocp_socket_set_option(win.loop, handle, IOCP_SOCKET_UNREACHABLE, 0), IOCP_OK);
    assert_int_equal(iocp_socket_set_option(win.loop, handle, IOCP_SOCKET_UNREACHABLE, 1),
                     IOCP_ENOTSUP);
    assert_int_equal(iocp_loop_native_error(win.loop), WSAEOPNOTSUPP);
}

static void a_receive_that_a_packet_ended_with_the_news_can_be_rearmed(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) { /* recvfrom and recv */
        contract_address name;
        contract_record received = {.rearms = 1};
        char data[8] = {0};
        iocp_handle_t handle = udp__bind(&name);
        assert_int_equal(iocp_socket_set_option(win.loop, handle, IOCP_SOCKET_UNREACHABLE, 1),
                         IOCP_OK);
        int status =
            i == 0
                ? iocp_recvfrom(win.loop, handle, data, sizeof data, contract_keep, &received, NULL)
                : iocp_recv(win.loop, handle, data, sizeof data, contract_keep, &received, NULL);
        assert_int_equal(status, IOCP_OK);
        assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
        watch_unreachable = 1;
        udp__send(&name, "x");
        win_wait(&received, 1);
        win_expect(&received, 1, IOCP_ECONNRESET, WSAECONNRESET);
        assert_int_equal(received.result.flags, 0);
        assert_int_equal(received.result.bytes, 0);
        assert_int_equal(received.address.length, 0);
        assert_int_equal(received.result.address_length, 0);
        udp__send(&name, "next");
        win_wait(&received, 2);
        win_expect(&received, 2, IOCP_OK, 0);
        assert_int_equal(received.result.bytes, 4);
        assert_memory_equal(data, "next", 4);
        assert_int_equal(received.address.length, i == 0 ? sizeof(struct sockaddr_in) : 0);
    }
}

static void a_receive_that_its_call_ended_with_the_news_can_be_rearmed(void **state)
{
    (void)state;
    contract_address name;
    contract_record received = {.rearms = 1};
    char data[8];
    iocp_handle_t handle = udp__bind(&name);
    win_faults_fail_next_of(WIN_RECV_FROM, WSAECONNRESET);
    assert_int_equal(
        iocp_recvfrom(win.loop, handle, data, sizeof data, contract_keep, &received, NULL),
        IOCP_OK);
    win_wait(&received, 1);
    win_expect(&received, 1, IOCP_ECONNRESET, WSAECONNRESET);
    assert_int_equal(received.result.flags, IOCP_RESULT_INLINE);
    udp__send(&name, "next");
    win_wait(&received, 2);
    win_expect(&received, 2, IOCP_OK, 0);
    assert_int_equal(received.result.bytes, 4);
}

/* ---- What the system writes into ---- */

/* The flags, and the length of the address, are other ones when a receive has ended. */
static void what_the_system_has_written_is_not_what_the_next_receive_asks_for(void **state)
{
    (void)state;
    for (int is_recv = 0; is_recv <= 1; is_recv++) {
        contract_address name;
        contract_record received = {.rearms = 1};
        char data[8];
        iocp_handle_t handle = udp__bind(&name);
        int status =
            is_recv ? iocp_recv(win.loop, handle, data, sizeof data, contract_keep, &received, NULL)
                    : iocp_recvfrom(win.loop, handle, data, sizeof data, contract_keep, &received,
                                    NULL);
        assert_int_equal(status, IOCP_OK);
        for (int calls = 1; calls <= 2; calls++) {
            watch_flags = UINT32_MAX;
            watch_length = 0;
            assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
            assert_int_equal(watch_flags, 0);
            assert_int_equal(watch_length, is_recv ? 0 : sizeof(struct sockaddr_storage));
            udp__send(&name, "x");
            win_wait(&received, calls);
            win_expect(&received, calls, IOCP_OK, 0);
            assert_int_equal(received.result.flags & IOCP_RESULT_TRUNCATED, 0);
        }
    }
}

/* ---- Too long ---- */

/* A datagram of 9 bytes is there, and a receive has room for 4. */
static void receive__warned(iocp_completion_mode_t mode, bool is_recv)
{
    contract_address name;
    contract_record received = {0};
    char data[8] = "........";
    win_open(mode);
    iocp_handle_t handle = udp__bind(&name);
    udp__send(&name, "truncated");
    udp__wait_until_readable(handle);
    iocp_stats_t before = {.size = sizeof before};
    iocp_stats_t after = {.size = sizeof after};
    assert_int_equal(iocp_loop_stats(win.loop, &before), IOCP_OK);
    int status = is_recv ? iocp_recv(win.loop, handle, data, 4, contract_keep, &received, NULL)
                         : iocp_recvfrom(win.loop, handle, data, 4, contract_keep, &received, NULL);
    assert_int_equal(status, IOCP_OK);
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    assert_int_equal(received.calls, 0);
    win_wait(&received, 1);
    win_expect(&received, 1, IOCP_OK, 0);
    assert_int_equal(received.result.flags, IOCP_RESULT_TRUNCATED);
    assert_int_equal(received.result.bytes, 4);
    assert_memory_equal(data, "trun....", 8);
    assert_int_equal(received.address.length, is_recv ? 0 : sizeof(struct sockaddr_in));
    assert_int_equal(iocp_loop_stats(win.loop, &after), IOCP_OK);
    assert_int_equal(after.packets - before.packets, 1);
    assert_int_equal(after.foreign_packets, 0);
    /* If there were a packet in spite of it, it would come now. */
    assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(received.calls, 1);
    if (watch_error != WSAEMSGSIZE) {
        print_message("no warning within the call: error %d\n", watch_error);
    }
}

static void a_real_datagram_that_is_too_long_ends_its_receive_once(void **state)
{
    (void)state;
    for (int is_recv = 0; is_recv <= 1; is_recv++) {
        receive__warned(IOCP_COMPLETION_PACKET, is_recv != 0);
        receive__warned(IOCP_COMPLETION_SKIP, is_recv != 0);
    }
}

static const iocp_completion_mode_t udp_modes[] = {IOCP_COMPLETION_PACKET, IOCP_COMPLETION_SKIP};

/* Whatever the system does, in both regimes; `i` from 0. False: that was all. */
static bool long__next(int i, bool *is_recv)
{
    int regimes = (int)IOC_COUNT_OF(udp_modes);
    if (i >= 2 * regimes * LONG_ANSWERS) {
        return false;
    }
    *is_recv = i % 2 != 0;
    watch_long.answer = (long_answer)(i / 2 % LONG_ANSWERS);
    win_open(udp_modes[i / 2 / LONG_ANSWERS]);
    return true;
}

/* Its first `count` receives meet too long a datagram. */
static iocp_handle_t long__start(bool is_recv, int count, char data[4], contract_record *received,
                                 contract_address *name)
{
    iocp_handle_t handle = udp__bind(name);
    watch_long.left = count;
    int status = is_recv ? iocp_recv(win.loop, handle, data, 4, contract_keep, received, NULL)
                         : iocp_recvfrom(win.loop, handle, data, 4, contract_keep, received, NULL);
    assert_int_equal(status, IOCP_OK);
    return handle;
}

static void long__expect(const contract_record *received, int calls, const char *data, bool is_recv)
{
    win_expect(received, calls, IOCP_OK, 0);
    assert_int_equal(received->result.flags, IOCP_RESULT_TRUNCATED);
    assert_int_equal(received->result.bytes, 4);
    assert_int_equal(received->result.address_length, is_recv ? 0 : sizeof(struct sockaddr_in));
    assert_memory_equal(data, "LLLL", 4);
}

/* A packet too many would end the third before its datagram is there. */
static void too_long_a_datagram_ends_its_receive_once_and_not_the_next(void **state)
{
    (void)state;
    bool is_recv;
    for (int i = 0; long__next(i, &is_recv); i++) {
        contract_address name;
        char data[4];
        contract_record received = {.rearms = 2};
        (void)long__start(is_recv, 2, data, &received, &name);
        win_wait(&received, 1);
        long__expect(&received, 1, data, is_recv);
        win_wait(&received, 2);
        long__expect(&received, 2, data, is_recv);
        for (int k = 0; k < 3; k++) {
            assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_NO_WAIT), IOCP_OK);
        }
        assert_int_equal(received.calls, 2);
        udp__send(&name, "ok");
        win_wait(&received, 3);
        win_expect(&received, 3, IOCP_OK, 0);
        assert_int_equal(received.result.bytes, 2);
        assert_int_equal(received.result.flags & IOCP_RESULT_TRUNCATED, 0);
        assert_memory_equal(data, "okLL", 4);
    }
}

static void too_long_a_datagram_does_not_hold_up_a_close(void **state)
{
    (void)state;
    bool is_recv;
    for (int i = 0; long__next(i, &is_recv); i++) {
        contract_address name;
        char data[4];
        contract_record received = {.rearms = 9};
        contract_record closed = {0};
        iocp_handle_t handle = long__start(is_recv, 1, data, &received, &name);
        assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
        assert_int_equal(iocp_close(win.loop, handle, contract_keep, &closed, NULL), IOCP_OK);
        assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
        assert_int_equal(closed.calls, 1);
        assert_int_equal(received.calls, 2); /* the datagram; and that it was not rearmed */
        win_expect(&received, 2, IOCP_ECANCELED, 0);
    }
}

static void too_long_a_datagram_does_not_hold_up_a_destroy(void **state)
{
    (void)state;
    bool is_recv;
    for (int i = 0; long__next(i, &is_recv); i++) {
        contract_address name;
        char data[4];
        contract_record received = {0};
        (void)long__start(is_recv, 1, data, &received, &name);
        assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
        win_open(IOCP_COMPLETION_AUTO); /* destroys it */
        assert_int_equal(received.calls, 1);
        long__expect(&received, 1, data, is_recv);
    }
}

/* Once, and for as long as the system has no memory for it. */
static void too_long_a_datagram_ends_although_its_marker_is_refused(void **state)
{
    (void)state;
    bool is_recv;
    for (int i = 0; long__next(i, &is_recv); i++) {
        contract_address name;
        char data[4];
        contract_record received = {.rearms = 1};
        (void)long__start(is_recv, 2, data, &received, &name);
        win_faults_fail_next_of(WIN_POST, 0);
        win_wait(&received, 1);
        long__expect(&received, 1, data, is_recv);
        win_faults_fail_all_of(WIN_POST, 0);
        for (int k = 0; k < 5; k++) {
            assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_NO_WAIT), IOCP_OK);
        }
        assert_int_equal(received.calls, watch_long.answer == LONG_PENDING ? 2 : 1);
        win_faults_stop();
        win_wait(&received, 2);
        long__expect(&received, 2, data, is_recv);
    }
}

/* ---- A look ---- */

static void check_look(iocp_completion_mode_t mode, bool is_recv, bool is_there)
{
    contract_address name;
    contract_record looked = {0};
    contract_record received = {0};
    char data[8];
    win_open(mode);
    iocp_handle_t handle = udp__bind(&name);
    if (is_there) {
        udp__send(&name, "data");
        udp__wait_until_readable(handle);
    }
    assert_int_equal(is_recv
                         ? iocp_recv(win.loop, handle, data, 0, contract_keep, &looked, NULL)
                         : iocp_recvfrom(win.loop, handle, data, 0, contract_keep, &looked, NULL),
                     IOCP_OK);
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    assert_int_equal(watch_flags, MSG_PEEK);
    if (!is_there) {
        udp__send(&name, "data");
    }
    win_wait(&looked, 1);
    win_expect(&looked, 1, IOCP_OK, 0);
    assert_int_equal(looked.result.bytes, 0);
    assert_int_equal(looked.result.flags & IOCP_RESULT_TRUNCATED, 0);
    assert_int_equal(iocp_recv(win.loop, handle, data, 8, contract_keep, &received, NULL), IOCP_OK);
    win_wait(&received, 1);
    assert_int_equal(watch_flags, 0);
    assert_int_equal(received.result.bytes, 4);
    assert_memory_equal(data, "data", 4);
}

static void a_receive_of_no_bytes_takes_no_datagram(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) {
        check_look(udp_modes[i / 4], i % 2 != 0, i / 2 % 2 != 0);
    }
}

static void a_refusal_that_looks_like_a_warning_is_an_error(void **state)
{
    (void)state;
    contract_address name;
    contract_record sent = {0};
    iocp_handle_t handle = udp__bind(&name);
    win_faults_fail_next_of(WIN_SEND_TO, WSAEMSGSIZE);
    assert_int_equal(iocp_sendto(win.loop, handle, "x", 1, contract_sockaddr(&name), name.length,
                                 contract_keep, &sent, NULL),
                     IOCP_OK);
    win_wait(&sent, 1);
    win_expect(&sent, 1, IOCP_EMSGSIZE, WSAEMSGSIZE);
    assert_int_equal(sent.result.flags, IOCP_RESULT_INLINE);
    assert_int_equal(sent.result.bytes, 0);
}

/* ---- Calls that fail ---- */

static void a_send_that_fails_says_why(void **state)
{
    (void)state;
    static const struct {
        uint32_t error;
        int status;
    } errors[] = {
        {WSAENETUNREACH, IOCP_ENETUNREACH},     {WSAEACCES, IOCP_EACCES},
        {WSAEADDRNOTAVAIL, IOCP_EADDRNOTAVAIL}, {WSAENOBUFS, IOCP_ENOBUFS},
        {WSAEHOSTUNREACH, IOCP_EHOSTUNREACH},
    };
    contract_address name;
    iocp_handle_t handle = udp__bind(&name);
    for (size_t i = 0; i < IOC_COUNT_OF(errors); i++) {
        contract_record sent = {0};
        win_faults_fail_next_of(WIN_SEND_TO, errors[i].error);
        assert_int_equal(iocp_sendto(win.loop, handle, "x", 1, contract_sockaddr(&name),
                                     name.length, contract_keep, &sent, NULL),
                         IOCP_OK);
        win_wait(&sent, 1);
        win_expect(&sent, 1, errors[i].status, errors[i].error);
    }
}

static void a_connect_names_the_peer_within_the_call(void **state)
{
    (void)state;
    contract_address name;
    contract_record refused = {0};
    contract_record connected = {0};
    iocp_handle_t handle = udp__open();
    udp__bind(&name);
    win_faults_fail_next_of(WIN_CONNECT, WSAENETUNREACH);
    assert_int_equal(iocp_connect(win.loop, handle, contract_sockaddr(&name), name.length,
                                  contract_keep, &refused, NULL),
                     IOCP_OK);
    win_wait(&refused, 1);
    win_expect(&refused, 1, IOCP_ENETUNREACH, WSAENETUNREACH);
    assert_int_equal(iocp_connect(win.loop, handle, contract_sockaddr(&name), name.length,
                                  contract_keep, &connected, NULL),
                     IOCP_OK);
    win_wait(&connected, 1);
    win_expect(&connected, 1, IOCP_OK, 0);
    assert_int_equal(connected.result.flags, IOCP_RESULT_INLINE);
    assert_int_equal(win_faults_count_of(WIN_CONNECT_EX), 0);
}

/* Open, bind, receive, connect, send in both ways, cancel, close. Any of it may fail. */
static void udp__live(iocp_loop_t *loop, win_life *life)
{
    iocp_handle_t handle = {0};
    iocp_op_t op = {0};
    contract_address name = contract_loopback(AF_INET, 0);
    const struct sockaddr *to = contract_sockaddr(&name);
    contract_record *records = life->records;
    if (iocp_socket_open(loop, AF_INET, SOCK_DGRAM, 0, &handle) != IOCP_OK) {
        return;
    }
    if (iocp_socket_bind(loop, handle, to, name.length) == IOCP_OK &&
        iocp_socket_get_name(loop, handle, (struct sockaddr *)&name.storage, &name.length) ==
            IOCP_OK) {
        win_life_count(life, iocp_recvfrom(loop, handle, life->data, sizeof life->data,
                                           contract_keep, &records[0], &op));
        win_life_count(life, iocp_sendto(loop, handle, "one", 3, to, name.length, contract_keep,
                                         &records[1], NULL));
        win_life_count(
            life, iocp_connect(loop, handle, to, name.length, contract_keep, &records[2], NULL));
        win_life_count(life, iocp_send(loop, handle, "two", 3, contract_keep, &records[3], NULL));
        (void)iocp_loop_run(loop, IOCP_RUN_NO_WAIT);
        (void)iocp_loop_run(loop, IOCP_RUN_NO_WAIT);
        (void)iocp_cancel(loop, op, NULL, NULL, NULL);
    }
    win_life_count(life, iocp_close(loop, handle, contract_keep, &records[4], NULL));
    (void)iocp_loop_run(loop, IOCP_RUN_NO_WAIT);
}

static void whichever_call_fails_each_operation_calls_back_once(void **state)
{
    (void)state;
    win_live_with_faults(udp__live);
}

/* What the system opens once and keeps is open before the first test counts. */
static int udp__warm_up(void **state)
{
    contract_address name;
    contract_record received = {0};
    char buffer[8];
    win_use_winsock();
    assert_int_equal(udp__setup(state), 0);
    iocp_handle_t handle = udp__bind(&name);
    assert_int_equal(
        iocp_recvfrom(win.loop, handle, buffer, sizeof buffer, contract_keep, &received, NULL),
        IOCP_OK);
    udp__send(&name, "x");
    win_wait(&received, 1);
    win_loop_destroy(&win.loop);
    return 0;
}

int main(void)
{
#define UDP_TEST(function) cmocka_unit_test_setup_teardown(function, udp__setup, udp__teardown)
    const struct CMUnitTest tests[] = {
        UDP_TEST(a_socket_for_datagrams_is_opened_with_the_news_switched_off),
        UDP_TEST(the_option_switches_the_news_on_and_off),
        UDP_TEST(a_system_without_the_news_opens_sockets_but_cannot_switch_them_on),
        UDP_TEST(a_receive_that_a_packet_ended_with_the_news_can_be_rearmed),
        UDP_TEST(a_receive_that_its_call_ended_with_the_news_can_be_rearmed),
        UDP_TEST(a_real_datagram_that_is_too_long_ends_its_receive_once),
        UDP_TEST(what_the_system_has_written_is_not_what_the_next_receive_asks_for),
        UDP_TEST(too_long_a_datagram_ends_its_receive_once_and_not_the_next),
        UDP_TEST(too_long_a_datagram_does_not_hold_up_a_close),
        UDP_TEST(too_long_a_datagram_does_not_hold_up_a_destroy),
        UDP_TEST(too_long_a_datagram_ends_although_its_marker_is_refused),
        UDP_TEST(a_receive_of_no_bytes_takes_no_datagram),
        UDP_TEST(a_refusal_that_looks_like_a_warning_is_an_error),
        UDP_TEST(a_send_that_fails_says_why),
        UDP_TEST(a_connect_names_the_peer_within_the_call),
        UDP_TEST(whichever_call_fails_each_operation_calls_back_once),
    };
    win_catch_crashes();
    return cmocka_run_group_tests(tests, udp__warm_up, NULL);
}
