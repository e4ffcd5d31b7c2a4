/*
 * Datagrams with what goes beside their data, as the system is told them and tells them. WSASendMsg
 * and WSARecvMsg are looked at, and answer for a system that has what Wine lacks: its WSASendMsg
 * takes no notice of control data, its WSARecvMsg tells local addresses and hops alone. The control
 * data is taken apart, and made, by WSACMSGHDR of the system's own headers. What holds on every
 * backend is in test/contract/.
 */
#include "unit.h"

#include "loop.h"
#include "win32/net/winsock.h"
#include "win32/port.h"
#include "win32/sys.h"

#include "contract_net.h"
#include "win_faults.h"
#include "win_leaks.h"
#include "win_loop.h"

#include <string.h>

#define STATUS_OF_LONG_MESSAGE 0x80000005u
#define MOST_CONTROL           8
#define SEGMENTS_OPTION        2 /* UDP_SEND_MSG_SIZE */

/* What a callback was told, copied. */
typedef struct record {
    contract_record kept;
    iocp_message_t message;
    SOCKADDR_STORAGE peer;
    SOCKADDR_STORAGE local;
} record;

/* A piece of control data. */
typedef struct piece {
    int level;
    int type;
    size_t bytes;
    unsigned char data[24];
} piece;

static struct {
    /* The system's functions, and whether they are called at all. */
    LPFN_WSASENDMSG send_msg;
    LPFN_WSARECVMSG recv_msg;
    bool is_scripted;
    int asked; /* extension functions that were asked for */

    /* What the last of each was told. */
    SOCKET sent_on;
    piece sent[MOST_CONTROL];
    int sent_count;
    SOCKADDR_STORAGE sent_to;
    int sent_to_length; /* -1: to nobody */
    DWORD sent_buffers;
    DWORD recv_flags;
    int sends;

    /* What the next WSARecvMsg finds. */
    struct {
        const piece *pieces;
        size_t count;
        DWORD flags;
        DWORD bytes;
        int error; /* of the call; 0: success. WSA_IO_PENDING: `status` comes by a packet */
        uint32_t status;
        bool has_packet;
        bool has_no_peer;
        ULONG control_bytes; /* 0: as many as were written */
    } answer;

    /* Segments. */
    int segments_error; /* of getsockopt(UDP_SEND_MSG_SIZE); 0: the system has them */
    int segments_asked;
    SOCKET segments_asked_on;
    int options_set; /* of any socket */
} now;

/* ---- Doubles ---- */

/* WSA_CMSG_LEN and WSA_CMSG_SPACE, which some headers lack, and in some do not compile without warnings. */
static ULONG double__length(size_t bytes)
{
    return (ULONG)(sizeof(WSACMSGHDR) + bytes);
}

static ULONG double__space(size_t bytes)
{
    size_t length = double__length(bytes);
    return (ULONG)((length + sizeof(void *) - 1) / sizeof(void *) * sizeof(void *));
}

static void double__take_apart(WSAMSG *message)
{
    now.sent_count = 0;
    if (message->Control.len == 0) {
        assert_null(message->Control.buf);
        return;
    }
    for (ULONG at = 0; at < message->Control.len;) {
        WSACMSGHDR *head = (WSACMSGHDR *)(void *)(message->Control.buf + at);
        assert_true(at + sizeof *head <= message->Control.len);
        assert_in_range(now.sent_count, 0, MOST_CONTROL - 1);
        piece *p = &now.sent[now.sent_count++];
        *p = (piece){.level = head->cmsg_level, .type = head->cmsg_type};
        p->bytes = head->cmsg_len - double__length(0);
        assert_in_range(p->bytes, 0, sizeof p->data);
        memcpy(p->data, WSA_CMSG_DATA(head), p->bytes);
        at += double__space(p->bytes);
        assert_true(at <= message->Control.len);
    }
}

static INT WINAPI double__send_msg(SOCKET socket, WSAMSG *message, DWORD flags, DWORD *sent,
                                   OVERLAPPED *overlapped,
                                   LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
    assert_int_equal(flags, 0);
    assert_int_equal(message->dwFlags, 0);
    assert_null(sent);
    now.sends++;
    now.sent_on = socket;
    now.sent_buffers = message->dwBufferCount;
    now.sent_to_length = message->name != NULL ? message->namelen : -1;
    if (message->name != NULL) {
        memcpy(&now.sent_to, message->name, (size_t)message->namelen);
    }
    double__take_apart(message);
    return now.send_msg(socket, message, flags, sent, overlapped, routine);
}

static ULONG double__put_together(WSAMSG *message)
{
    ULONG at = 0;
    for (size_t i = 0; i < now.answer.count; i++) {
        const piece *p = &now.answer.pieces[i];
        WSACMSGHDR *head = (WSACMSGHDR *)(void *)(message->Control.buf + at);
        assert_true(at + double__space(p->bytes) <= message->Control.len);
        head->cmsg_len = double__length(p->bytes);
        head->cmsg_level = p->level;
        head->cmsg_type = p->type;
        memcpy(WSA_CMSG_DATA(head), p->data, p->bytes);
        at += double__space(p->bytes);
    }
    return at;
}

/* The last piece stands at the end of the room, and says that its data comes behind that. */
static void double__run_over(WSAMSG *message, ULONG at)
{
    ULONG last = message->Control.len - (ULONG)sizeof(WSACMSGHDR);
    WSACMSGHDR filler = {.cmsg_len = last - at};
    WSACMSGHDR ecn = {double__length(sizeof(INT)), IPPROTO_IP, IP_ECN};
    memcpy(message->Control.buf + at, &filler, sizeof filler);
    memcpy(message->Control.buf + last, &ecn, sizeof ecn);
}

static void double__post(OVERLAPPED *overlapped)
{
    void *port = NULL;
    ULONG_PTR key = (ULONG_PTR)&ioc_win_port_of(win.loop->loop_only.ops.port)->tokens;
    assert_int_equal(iocp_loop_native_port(win.loop, &port), IOCP_OK);
    assert_true(PostQueuedCompletionStatus(port, now.answer.bytes, key, overlapped));
}

static INT WINAPI double__recv_msg(SOCKET socket, WSAMSG *message, DWORD *received,
                                   OVERLAPPED *overlapped,
                                   LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(99)};
    now.recv_flags = message->dwFlags;
    assert_null(received);
    assert_int_equal(message->namelen, sizeof(SOCKADDR_STORAGE));
    if (!now.is_scripted) {
        return now.recv_msg(socket, message, received, overlapped, routine);
    }
    ULONG written = double__put_together(message);
    if (now.answer.control_bytes != 0) {
        double__run_over(message, written);
    }
    message->Control.len = now.answer.control_bytes != 0 ? now.answer.control_bytes : written;
    message->dwFlags = now.answer.flags;
    message->namelen = now.answer.has_no_peer ? message->namelen : (int)sizeof peer;
    if (!now.answer.has_no_peer) {
        memcpy(message->name, &peer, sizeof peer);
    }
    memset(message->lpBuffers[0].buf, 'L', now.answer.bytes);
    overlapped->Internal = now.answer.status;
    overlapped->InternalHigh = now.answer.bytes;
    if (now.answer.has_packet) {
        double__post(overlapped);
    }
    WSASetLastError(now.answer.error);
    return now.answer.error == 0 ? 0 : SOCKET_ERROR;
}

static int WINAPI double__ioctl(SOCKET socket, DWORD code, void *in, DWORD in_bytes, void *out,
                                DWORD out_bytes, DWORD *returned, OVERLAPPED *overlapped,
                                LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
    static const GUID send_msg = WSAID_WSASENDMSG;
    static const GUID recv_msg = WSAID_WSARECVMSG;
    int status = win_faults_table()->WSAIoctl(socket, code, in, in_bytes, out, out_bytes, returned,
                                              overlapped, routine);
    if (code != SIO_GET_EXTENSION_FUNCTION_POINTER) {
        return status;
    }
    now.asked++;
    if (status == 0 && memcmp(in, &send_msg, sizeof send_msg) == 0) {
        LPFN_WSASENDMSG ours = double__send_msg;
        memcpy(&now.send_msg, out, sizeof now.send_msg);
        memcpy(out, &ours, sizeof ours);
    } else if (status == 0 && memcmp(in, &recv_msg, sizeof recv_msg) == 0) {
        LPFN_WSARECVMSG ours = double__recv_msg;
        memcpy(&now.recv_msg, out, sizeof now.recv_msg);
        memcpy(out, &ours, sizeof ours);
    }
    return status;
}

static int WINAPI double__get_option(SOCKET socket, int level, int name, char *value, int *length)
{
    if (level != IPPROTO_UDP || name != SEGMENTS_OPTION) {
        return win_faults_table()->getsockopt(socket, level, name, value, length);
    }
    now.segments_asked++;
    now.segments_asked_on = socket;
    assert_int_equal(*length, sizeof(DWORD));
    memset(value, 0, sizeof(DWORD));
    WSASetLastError(now.segments_error);
    return now.segments_error == 0 ? 0 : SOCKET_ERROR;
}

static int WINAPI double__set_option(SOCKET socket, int level, int name, const char *value,
                                     int length)
{
    now.options_set++;
    return win_faults_table()->setsockopt(socket, level, name, value, length);
}

/* ---- The environment ---- */

static int message__setup(void **state)
{
    (void)state;
    memset(&now, 0, sizeof now);
    win_begin();
    win.sys.WSAIoctl = double__ioctl;
    win.sys.getsockopt = double__get_option;
    win.sys.setsockopt = double__set_option;
    now.segments_error = WSAEINVAL;
    win_open(IOCP_COMPLETION_AUTO);
    return 0;
}

static iocp_action_t IOCP_CALL message__keep(iocp_loop_t *loop, const iocp_result_t *result,
                                             void *userdata)
{
    record *kept = userdata;
    memset(&kept->message, 0, sizeof kept->message);
    if (result->message != NULL) {
        kept->message = *result->message;
        memcpy(&kept->peer, kept->message.peer, kept->message.peer_length);
        memcpy(&kept->local, kept->message.local, kept->message.local_length);
    }
    return contract_keep(loop, result, &kept->kept);
}

static iocp_handle_t message__bind_to(contract_address *name)
{
    iocp_handle_t handle = {0};
    int family = name->storage.ss_family;
    assert_int_equal(iocp_socket_open(win.loop, family, SOCK_DGRAM, 0, &handle), IOCP_OK);
    if (family == AF_INET6) {
        assert_int_equal(iocp_socket_set_option(win.loop, handle, IOCP_SOCKET_V6ONLY, 0), IOCP_OK);
    }
    assert_int_equal(iocp_socket_bind(win.loop, handle, contract_sockaddr(name), name->length),
                     IOCP_OK);
    assert_int_equal(
        iocp_socket_get_name(win.loop, handle, (struct sockaddr *)&name->storage, &name->length),
        IOCP_OK);
    return handle;
}

static iocp_handle_t message__bind(contract_address *name)
{
    *name = contract_loopback(AF_INET, 0);
    return message__bind_to(name);
}

static iocp_message_t message__to(const contract_address *peer)
{
    return (iocp_message_t){.size = sizeof(iocp_message_t),
                            .peer = contract_sockaddr(peer),
                            .peer_length = peer->length};
}

static int message__send(iocp_handle_t handle, const iocp_message_t *message)
{
    static char text[1] = "x";
    iocp_buf_t buffer = {1, text};
    record sent = {0};
    assert_int_equal(
        iocp_sendmsg(win.loop, handle, &buffer, 1, message, message__keep, &sent, NULL), IOCP_OK);
    win_wait(&sent.kept, 1);
    return sent.kept.result.status;
}

static void message__start(iocp_handle_t handle, void *data, size_t size, record *received)
{
    iocp_buf_t buffer = {(uint32_t)size, data};
    assert_int_equal(iocp_recvmsg(win.loop, handle, &buffer, 1, message__keep, received, NULL),
                     IOCP_OK);
}

static SOCKET message__native(iocp_handle_t handle)
{
    void *native = NULL;
    assert_int_equal(iocp_handle_native(win.loop, handle, &native), IOCP_OK);
    return (SOCKET)(uintptr_t)native;
}

static piece piece__number(int level, int type, uint32_t value)
{
    piece p = {level, type, sizeof value, {0}};
    memcpy(p.data, &value, sizeof value);
    return p;
}

/* The address of either family, and 7 as the interface. */
static piece piece__local(const contract_address *address, bool as_ipv4)
{
    uint32_t interface_index = 7;
    bool is_6 = address->storage.ss_family == AF_INET6;
    const void *bytes = is_6 ? (const void *)&((const SOCKADDR_IN6 *)&address->storage)->sin6_addr
                             : (const void *)&((const SOCKADDR_IN *)&address->storage)->sin_addr;
    size_t skipped = is_6 && as_ipv4 ? 12 : 0;
    size_t length = as_ipv4 ? 4 : 16;
    piece p = {as_ipv4 ? IPPROTO_IP : IPPROTO_IPV6,
               as_ipv4 ? IP_PKTINFO : IPV6_PKTINFO,
               length + sizeof interface_index,
               {0}};
    memcpy(p.data, (const unsigned char *)bytes + skipped, length);
    memcpy(p.data + length, &interface_index, sizeof interface_index);
    return p;
}

static void piece__expect(int at, piece expected)
{
    assert_true(at < now.sent_count);
    assert_int_equal(now.sent[at].level, expected.level);
    assert_int_equal(now.sent[at].type, expected.type);
    assert_int_equal(now.sent[at].bytes, expected.bytes);
    assert_memory_equal(now.sent[at].data, expected.data, expected.bytes);
}

/* ---- The functions ---- */

static void the_functions_are_asked_for_with_the_first_message_and_once(void **state)
{
    (void)state;
    contract_address name;
    iocp_handle_t handle = message__bind(&name);
    iocp_handle_t other = message__bind(&name);
    iocp_message_t message = message__to(&name);
    assert_int_equal(now.asked, 0);
    for (int i = 0; i < 2; i++) {
        char data[8];
        record received = {0};
        assert_int_equal(message__send(handle, &message), IOCP_OK);
        message__start(other, data, sizeof data, &received);
        win_wait(&received.kept, 1);
        assert_int_equal(now.asked, 2);
    }
}

static void a_provider_without_messages_does_not_support_them(void **state)
{
    (void)state;
    contract_address name;
    char data[8];
    iocp_handle_t handle = message__bind(&name);
    iocp_message_t message = message__to(&name);
    win_faults_fail_next_of(WIN_IOCTL, WSAEOPNOTSUPP);
    assert_int_equal(message__send(handle, &message), IOCP_ENOTSUP);
    record received = {0};
    win_faults_fail_next_of(WIN_IOCTL, WSAEOPNOTSUPP);
    message__start(handle, data, sizeof data, &received);
    win_wait(&received.kept, 1);
    assert_int_equal(received.kept.result.status, IOCP_ENOTSUP);
    assert_int_equal(received.kept.result.native_error, WSAEOPNOTSUPP);
    assert_int_equal(now.sends, 0);
    assert_int_equal(message__send(handle, &message), IOCP_OK); /* it was a passing trouble */
}

/* ---- What the system is told ---- */

static iocp_message_t message__of_all(const contract_address *peer, const contract_address *local)
{
    iocp_message_t message = message__to(peer);
    message.local = contract_sockaddr(local);
    message.local_length = local->length;
    message.interface_index = 7;
    message.hops = 42;
    message.ecn = 2;
    message.dont_fragment = 1;
    return message;
}

static void expect__all(const contract_address *local, bool as_ipv4)
{
    int level = as_ipv4 ? IPPROTO_IP : IPPROTO_IPV6;
    assert_int_equal(now.sent_count, 4);
    piece__expect(0, piece__local(local, as_ipv4));
    piece__expect(1, piece__number(level, as_ipv4 ? IP_HOPLIMIT : IPV6_HOPLIMIT, 42));
    piece__expect(2, piece__number(level, 50, 2)); /* IP_ECN, IPV6_ECN */
    piece__expect(3, piece__number(level, as_ipv4 ? IP_DONTFRAGMENT : IPV6_DONTFRAG, 1));
}

static void all_of_a_message_is_told_to_the_system(void **state)
{
    (void)state;
    static const int families[] = {AF_INET, AF_INET6};
    for (int f = 0; f < 1 + contract_has_ipv6(); f++) {
        contract_address name = contract_loopback(families[f], 0);
        iocp_handle_t handle = message__bind_to(&name);
        iocp_message_t message = message__of_all(&name, &name);
        assert_int_equal(message__send(handle, &message), IOCP_OK);
        assert_int_equal(now.sent_on, message__native(handle));
        assert_int_equal(now.sent_buffers, 1);
        assert_int_equal(now.sent_to_length, name.length);
        assert_memory_equal(&now.sent_to, &name.storage, name.length);
        expect__all(&name, families[f] == AF_INET);
    }
}

static void a_message_that_asks_for_nothing_has_no_control_data(void **state)
{
    (void)state;
    contract_address name;
    iocp_handle_t handle = message__bind(&name);
    iocp_message_t message = message__to(&name);
    assert_int_equal(message__send(handle, &message), IOCP_OK);
    assert_int_equal(now.sent_count, 0);
    message.interface_index = 7; /* an interface without an address */
    contract_address any = contract_any(AF_INET, 0);
    assert_int_equal(message__send(handle, &message), IOCP_OK);
    assert_int_equal(now.sent_count, 1);
    piece__expect(0, piece__local(&any, true));
}

/* By the peer of the message, and by that of a connected socket, who is asked for only then. */
static void what_goes_over_ipv4_from_a_dual_stack_socket_is_said_as_for_ipv4(void **state)
{
    (void)state;
    contract_address name = contract_any(AF_INET6, 0);
    record connected = {0};
    if (!contract_has_ipv6()) {
        skip();
    }
    iocp_handle_t handle = message__bind_to(&name);
    contract_address mapped = contract_mapped_loopback(contract_port(&name));
    iocp_message_t message = message__of_all(&mapped, &mapped);
    assert_int_equal(message__send(handle, &message), IOCP_OK);
    expect__all(&mapped, true);
    assert_int_equal(win_faults_count_of(WIN_GET_PEER), 0);
    assert_int_equal(iocp_connect(win.loop, handle, contract_sockaddr(&mapped), mapped.length,
                                  message__keep, &connected, NULL),
                     IOCP_OK);
    win_wait(&connected.kept, 1);
    assert_int_equal(connected.kept.result.status, IOCP_OK);
    message.peer = NULL;
    message.peer_length = 0;
    assert_int_equal(message__send(handle, &message), IOCP_OK);
    assert_int_equal(now.sent_to_length, -1);
    expect__all(&mapped, true);
    assert_int_equal(win_faults_count_of(WIN_GET_PEER), 1);
    iocp_message_t plain = {.size = sizeof plain};
    assert_int_equal(message__send(handle, &plain), IOCP_OK);
    assert_int_equal(win_faults_count_of(WIN_GET_PEER), 1);
}

static void an_address_that_does_not_go_with_the_message_is_not_sent(void **state)
{
    (void)state;
    contract_address name = contract_any(AF_INET6, 0);
    if (!contract_has_ipv6()) {
        skip();
    }
    iocp_handle_t handle = message__bind_to(&name);
    contract_address mapped = contract_mapped_loopback(contract_port(&name));
    contract_address plain = contract_loopback(AF_INET6, contract_port(&name));
    contract_address ipv4 = contract_loopback(AF_INET, 0);
    iocp_message_t messages[] = {message__of_all(&mapped, &plain), message__of_all(&plain, &mapped),
                                 message__of_all(&mapped, &ipv4), message__of_all(&plain, &plain)};
    messages[3].local_length--;
    for (size_t i = 0; i < IOC_COUNT_OF(messages); i++) {
        assert_int_equal(message__send(handle, &messages[i]), IOCP_EINVAL);
    }
    assert_int_equal(now.sends, 0);
}

static void a_refused_message_says_why(void **state)
{
    (void)state;
    static const struct {
        uint32_t error;
        int status;
    } errors[] = {
        {WSAEINVAL, IOCP_EINVAL},
        {WSAENETUNREACH, IOCP_ENETUNREACH},
        {WSAEMSGSIZE, IOCP_EMSGSIZE},
        {WSAENOTCONN, IOCP_ENOTCONN},
        {WSAEADDRNOTAVAIL, IOCP_EADDRNOTAVAIL},
    };
    contract_address name;
    iocp_handle_t handle = message__bind(&name);
    iocp_message_t message = message__to(&name);
    for (size_t i = 0; i < IOC_COUNT_OF(errors); i++) {
        win_faults_fail_next_of(WIN_SEND_MSG, errors[i].error);
        assert_int_equal(message__send(handle, &message), errors[i].status);
    }
}

/* ---- Segments ---- */

static void segments_are_asked_for_once_on_a_socket_of_their_own(void **state)
{
    (void)state;
    contract_address name;
    iocp_handle_t handle = message__bind(&name);
    iocp_message_t message = message__to(&name);
    uint64_t sockets = win_faults_count_of(WIN_SOCKET);
    int options_set = now.options_set;
    now.segments_error = 0;
    message.segment_bytes = 1200;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(message__send(handle, &message), IOCP_OK);
        assert_int_equal(now.sent_count, 1);
        piece__expect(0, piece__number(IPPROTO_UDP, SEGMENTS_OPTION, 1200));
    }
    assert_int_equal(now.segments_asked, 1);
    assert_true(now.segments_asked_on != message__native(handle));
    assert_int_equal(win_faults_count_of(WIN_SOCKET), sockets + 1);
    assert_int_equal(win_faults_count_of(WIN_CLOSE_SOCKET), 1);
    assert_int_equal(now.options_set, options_set);
}

static void without_segments_nothing_is_sent(void **state)
{
    (void)state;
    static const int errors[] = {WSAEINVAL, WSAENOPROTOOPT};
    for (size_t i = 0; i < IOC_COUNT_OF(errors); i++) {
        contract_address name;
        win_open(IOCP_COMPLETION_AUTO);
        iocp_handle_t handle = message__bind(&name);
        iocp_message_t message = message__to(&name);
        message.segment_bytes = 1200;
        now.segments_error = errors[i];
        now.segments_asked = 0;
        for (int k = 0; k < 2; k++) {
            assert_int_equal(message__send(handle, &message), IOCP_ENOTSUP);
        }
        assert_int_equal(now.segments_asked, 1);
        assert_int_equal(now.sends, 0);
    }
}

/* That nobody could ask is not an answer: the next one asks again. */
static void a_question_for_segments_that_fails_is_put_again(void **state)
{
    (void)state;
    contract_address name;
    iocp_handle_t handle = message__bind(&name);
    iocp_message_t message = message__to(&name);
    message.segment_bytes = 1200;
    win_faults_fail_next_of(WIN_SOCKET, WSAEMFILE);
    assert_int_equal(message__send(handle, &message), IOCP_EMFILE);
    now.segments_error = WSAENOBUFS;
    assert_int_equal(message__send(handle, &message), IOCP_ENOBUFS);
    assert_int_equal(now.sends, 0);
    now.segments_error = 0;
    assert_int_equal(message__send(handle, &message), IOCP_OK);
    assert_int_equal(now.sends, 1);
}

static void the_capability_is_what_the_system_answers(void **state)
{
    (void)state;
    now.segments_error = 0;
    assert_true(ioc_winsock_has_segments(&win.sys));
    now.segments_error = WSAEINVAL;
    assert_false(ioc_winsock_has_segments(&win.sys));
    now.segments_error = 0;
    win_faults_fail_next_of(WIN_STARTUP, WSASYSNOTREADY);
    assert_false(ioc_winsock_has_segments(&win.sys));
    win_faults_fail_next_of(WIN_SOCKET, WSAEMFILE);
    assert_false(ioc_winsock_has_segments(&win.sys));
    assert_int_equal(now.segments_asked, 2);
}

/* ---- What the system tells ---- */

static const iocp_completion_mode_t message_modes[] = {IOCP_COMPLETION_PACKET,
                                                       IOCP_COMPLETION_SKIP};

static void answer__script(const piece *pieces, size_t count, DWORD bytes)
{
    memset(&now.answer, 0, sizeof now.answer);
    now.is_scripted = true;
    now.answer.pieces = pieces;
    now.answer.count = count;
    now.answer.bytes = bytes;
    now.answer.has_packet = true;
    now.answer.error = WSA_IO_PENDING;
}

/* What is told of `bytes` that came with these, on a fresh socket of the family. */
static record answer__receive(int family, const piece *pieces, size_t count, DWORD bytes)
{
    char data[64];
    record received = {0};
    contract_address name = contract_loopback(family, 0);
    iocp_handle_t handle = message__bind_to(&name);
    answer__script(pieces, count, bytes);
    message__start(handle, data, sizeof data, &received);
    win_wait(&received.kept, 1);
    assert_int_equal(received.kept.result.status, IOCP_OK);
    assert_int_equal(received.kept.result.bytes, bytes);
    return received;
}

static void all_that_the_system_gives_is_told(void **state)
{
    (void)state;
    static const int families[] = {AF_INET, AF_INET6};
    for (int f = 0; f < 1 + contract_has_ipv6(); f++) {
        int level = f == 0 ? IPPROTO_IP : IPPROTO_IPV6;
        contract_address local = contract_loopback(families[f], 0);
        piece pieces[] = {piece__local(&local, f == 0), piece__number(level, IP_HOPLIMIT, 42),
                          piece__number(level, 50, 3), piece__number(IPPROTO_UDP, 3, 10)};
        record received = answer__receive(families[f], pieces, IOC_COUNT_OF(pieces), 25);
        const iocp_message_t *message = &received.message;
        assert_int_equal(message->fields, IOCP_MESSAGE_LOCAL | IOCP_MESSAGE_HOPS |
                                              IOCP_MESSAGE_ECN | IOCP_MESSAGE_SEGMENTS);
        assert_int_equal(message->local_length, local.length);
        assert_memory_equal(&received.local, &local.storage, local.length);
        assert_int_equal(message->interface_index, 7);
        assert_int_equal(message->hops, 42);
        assert_int_equal(message->ecn, 3);
        assert_int_equal(message->segment_bytes, 10);
        assert_int_equal(((const SOCKADDR_IN *)&received.peer)->sin_port, htons(99));
        assert_int_equal(message->peer_length, sizeof(struct sockaddr_in));
        assert_int_equal(received.kept.result.flags & IOCP_RESULT_TRUNCATED, 0);
    }
}

/* IP_RECVTOS and IPV6_RECVTCLASS, which a program may have set itself. */
static void a_traffic_class_tells_the_codepoint_too(void **state)
{
    (void)state;
    piece class = piece__number(IPPROTO_IP, IP_TOS, 0xb9); /* DSCP 46, codepoint 1 */
    piece both[] = {class, piece__number(IPPROTO_IP, 50, 2)};
    record received = answer__receive(AF_INET, &class, 1, 1);
    assert_int_equal(received.message.fields, IOCP_MESSAGE_ECN);
    assert_int_equal(received.message.ecn, 1);
    received = answer__receive(AF_INET, both, 2, 1);
    assert_int_equal(received.message.ecn, 2);
}

static void what_came_over_ipv4_a_dual_stack_socket_tells_in_ipv6_clothes(void **state)
{
    (void)state;
    contract_address ipv4 = contract_loopback(AF_INET, 0);
    contract_address mapped = contract_mapped_loopback(0);
    piece pieces[] = {piece__local(&ipv4, true), piece__number(IPPROTO_IP, 50, 1)};
    if (!contract_has_ipv6()) {
        skip();
    }
    record received = answer__receive(AF_INET6, pieces, IOC_COUNT_OF(pieces), 1);
    assert_int_equal(received.message.fields, IOCP_MESSAGE_LOCAL | IOCP_MESSAGE_ECN);
    assert_int_equal(received.message.local_length, mapped.length);
    assert_memory_equal(&received.local, &mapped.storage, mapped.length);
    assert_int_equal(received.message.interface_index, 7);
    assert_int_equal(received.message.ecn, 1);
}

static void an_address_of_one_link_tells_which(void **state)
{
    (void)state;
    contract_address local = contract_loopback(AF_INET6, 0);
    SOCKADDR_IN6 *in = (SOCKADDR_IN6 *)&local.storage;
    if (!contract_has_ipv6()) {
        skip();
    }
    memset(&in->sin6_addr, 0, sizeof in->sin6_addr);
    ((unsigned char *)&in->sin6_addr)[0] = 0xfe;
    ((unsigned char *)&in->sin6_addr)[1] = 0xbf;
    piece p = piece__local(&local, false);
    record received = answer__receive(AF_INET6, &p, 1, 1);
    assert_int_equal(((const SOCKADDR_IN6 *)&received.local)->sin6_scope_id, 7);
    in = (SOCKADDR_IN6 *)&local.storage;
    ((unsigned char *)&in->sin6_addr)[1] = 0xc0; /* good on a site */
    p = piece__local(&local, false);
    received = answer__receive(AF_INET6, &p, 1, 1);
    assert_int_equal(((const SOCKADDR_IN6 *)&received.local)->sin6_scope_id, 0);
}

/* A size of one datagram, or of 0, tells nothing: a program that cuts by it would never end. */
static void a_size_is_told_only_where_there_is_something_to_cut(void **state)
{
    (void)state;
    static const struct {
        uint32_t segment;
        DWORD bytes;
        bool is_told;
    } rows[] = {{10, 11, true}, {10, 10, false}, {10, 9, false}, {0, 10, false}, {10, 0, false}};
    for (size_t i = 0; i < IOC_COUNT_OF(rows); i++) {
        piece p = piece__number(IPPROTO_UDP, 3, rows[i].segment);
        record received = answer__receive(AF_INET, &p, 1, rows[i].bytes);
        assert_int_equal(received.message.fields, rows[i].is_told ? IOCP_MESSAGE_SEGMENTS : 0);
        assert_int_equal(received.message.segment_bytes, rows[i].is_told ? rows[i].segment : 0);
    }
}

static void nothing_is_known_of_a_peer_that_the_system_does_not_name(void **state)
{
    (void)state;
    char data[8];
    record received = {0};
    contract_address name;
    iocp_handle_t handle = message__bind(&name);
    answer__script(NULL, 0, 3);
    now.answer.has_no_peer = true;
    message__start(handle, data, sizeof data, &received);
    win_wait(&received.kept, 1);
    assert_int_equal(received.kept.result.status, IOCP_OK);
    assert_null(received.message.peer);
    assert_int_equal(received.message.peer_length, 0);
    assert_null(received.kept.result.address);
}

/* The next run does not find what the last one has left. */
static void a_rearmed_receive_is_told_anew(void **state)
{
    (void)state;
    char data[64];
    record received = {.kept.rearms = 1};
    contract_address name;
    piece pieces[] = {piece__number(IPPROTO_IP, IP_HOPLIMIT, 42),
                      piece__number(IPPROTO_UDP, 3, 10)};
    iocp_handle_t handle = message__bind(&name);
    answer__script(pieces, 2, 25);
    now.answer.flags = MSG_CTRUNC;
    message__start(handle, data, sizeof data, &received);
    win_wait(&received.kept, 1);
    assert_int_equal(received.message.fields,
                     IOCP_MESSAGE_HOPS | IOCP_MESSAGE_SEGMENTS | IOCP_MESSAGE_INCOMPLETE);
    answer__script(NULL, 0, 25);
    now.answer.has_no_peer = true;
    win_wait(&received.kept, 2);
    assert_int_equal(now.recv_flags, 0);
    assert_int_equal(received.message.fields, 0);
    assert_int_equal(received.message.hops + received.message.segment_bytes, 0);
    assert_null(received.message.peer);
}

/* More than there was room for may be claimed; it is not read. */
static void a_length_beyond_the_room_is_not_believed(void **state)
{
    (void)state;
    char data[8];
    record received = {0};
    contract_address name;
    piece p = piece__number(IPPROTO_IP, IP_HOPLIMIT, 42);
    iocp_handle_t handle = message__bind(&name);
    answer__script(&p, 1, 3);
    now.answer.control_bytes = 100000;
    now.answer.flags = MSG_CTRUNC;
    message__start(handle, data, sizeof data, &received);
    win_wait(&received.kept, 1);
    assert_int_equal(received.message.fields, IOCP_MESSAGE_HOPS | IOCP_MESSAGE_INCOMPLETE);
    assert_int_equal(received.message.hops, 42);
}

/* ---- What had no room ---- */

typedef struct cut {
    DWORD flags;
    uint32_t status; /* of the system's */
    bool is_truncated;
    bool is_incomplete;
} cut;

static const cut cuts[] = {
    {0, 0, false, false},
    {MSG_TRUNC, 0, true, false},
    {MSG_CTRUNC, 0, false, true},
    {MSG_TRUNC | MSG_CTRUNC, 0, true, true},
    {0, STATUS_OF_LONG_MESSAGE, true, false},
    {MSG_TRUNC, STATUS_OF_LONG_MESSAGE, true, false},
    {MSG_CTRUNC, STATUS_OF_LONG_MESSAGE, false, true},
    {MSG_TRUNC | MSG_CTRUNC, STATUS_OF_LONG_MESSAGE, true, true},
    {MSG_BCAST | MSG_MCAST, 0, false, false},
};

/* How the call ends: it is pending; done, or warned, with a packet behind it; the same without. */
static void cut__receive(const cut *row, iocp_completion_mode_t mode, bool is_pending)
{
    char data[8];
    record received = {.kept.rearms = 1};
    contract_address name;
    bool is_warned = row->status != 0;
    win_open(mode);
    iocp_handle_t handle = message__bind(&name);
    answer__script(NULL, 0, 3);
    now.answer.flags = row->flags;
    now.answer.status = row->status;
    now.answer.error = is_pending ? WSA_IO_PENDING : is_warned ? WSAEMSGSIZE : 0;
    now.answer.has_packet = is_pending || mode == IOCP_COMPLETION_PACKET;
    message__start(handle, data, sizeof data, &received);
    win_wait(&received.kept, 1);
    assert_int_equal(received.kept.result.status, IOCP_OK);
    assert_int_equal(received.kept.result.native_error, 0);
    assert_int_equal(received.kept.result.bytes, 3);
    assert_int_equal((received.kept.result.flags & IOCP_RESULT_TRUNCATED) != 0, row->is_truncated);
    assert_int_equal(received.message.fields, row->is_incomplete ? IOCP_MESSAGE_INCOMPLETE : 0);
    now.answer.flags = 0;
    now.answer.status = 0;
    now.answer.error = WSA_IO_PENDING;
    now.answer.has_packet = true;
    win_wait(&received.kept, 2);
    assert_int_equal(received.kept.result.flags & IOCP_RESULT_TRUNCATED, 0);
    assert_int_equal(received.message.fields, 0);
}

static void what_had_no_room_is_told_of_the_data_and_of_what_goes_with_it(void **state)
{
    (void)state;
    for (size_t m = 0; m < IOC_COUNT_OF(message_modes); m++) {
        for (size_t i = 0; i < IOC_COUNT_OF(cuts); i++) {
            cut__receive(&cuts[i], message_modes[m], true);
            cut__receive(&cuts[i], message_modes[m], false);
        }
    }
}

static void a_receive_without_room_only_looks(void **state)
{
    (void)state;
    record received = {0};
    contract_address name;
    iocp_handle_t handle = message__bind(&name);
    answer__script(NULL, 0, 0);
    now.answer.flags = MSG_TRUNC;
    now.answer.status = STATUS_OF_LONG_MESSAGE;
    message__start(handle, NULL, 0, &received);
    win_wait(&received.kept, 1);
    assert_int_equal(now.recv_flags, MSG_PEEK);
    assert_int_equal(received.kept.result.status, IOCP_OK);
    assert_int_equal(received.kept.result.flags & IOCP_RESULT_TRUNCATED, 0);
}

/* ---- Of the system itself ---- */

/* One socket for all addresses; it is asked at two of them. */
static void a_server_is_told_at_which_of_its_addresses_it_was_asked(void **state)
{
    (void)state;
    contract_address name = contract_any(AF_INET, 0);
    contract_address client_name;
    iocp_handle_t server = message__bind_to(&name);
    iocp_handle_t client = message__bind(&client_name);
    assert_int_equal(iocp_socket_set_option(win.loop, server, IOCP_SOCKET_RECV_LOCAL, 1), IOCP_OK);
    for (uint32_t host = 1; host <= 3; host++) {
        char data[8];
        record received = {0};
        contract_address to = contract_loopback(AF_INET, contract_port(&name));
        SOCKADDR_IN *in = (SOCKADDR_IN *)&to.storage;
        in->sin_addr.s_addr = htonl(0x7f000000u + host);
        iocp_message_t message = message__to(&to);
        assert_int_equal(message__send(client, &message), IOCP_OK);
        message__start(server, data, sizeof data, &received);
        win_wait(&received.kept, 1);
        assert_int_equal(received.kept.result.status, IOCP_OK);
        assert_int_equal(received.message.fields, IOCP_MESSAGE_LOCAL);
        assert_int_equal(((const SOCKADDR_IN *)&received.local)->sin_addr.s_addr,
                         in->sin_addr.s_addr);
        assert_true(received.message.interface_index > 0);
    }
}

/* ---- Calls that fail ---- */

/* Open, bind, receive, send, send in segments, cancel, close. Any of it may fail. */
static void message__live(iocp_loop_t *loop, win_life *life)
{
    iocp_handle_t handle = {0};
    iocp_op_t op = {0};
    contract_address name = contract_loopback(AF_INET, 0);
    iocp_buf_t buffer = {sizeof life->data, life->data};
    contract_record *records = life->records;
    if (iocp_socket_open(loop, AF_INET, SOCK_DGRAM, 0, &handle) != IOCP_OK) {
        return;
    }
    if (iocp_socket_bind(loop, handle, contract_sockaddr(&name), name.length) == IOCP_OK &&
        iocp_socket_get_name(loop, handle, (struct sockaddr *)&name.storage, &name.length) ==
            IOCP_OK) {
        iocp_message_t message = message__of_all(&name, &name);
        win_life_count(life,
                       iocp_recvmsg(loop, handle, &buffer, 1, contract_keep, &records[0], &op));
        win_life_count(life, iocp_sendmsg(loop, handle, &buffer, 1, &message, contract_keep,
                                          &records[1], NULL));
        message.segment_bytes = 4;
        win_life_count(life, iocp_sendmsg(loop, handle, &buffer, 1, &message, contract_keep,
                                          &records[2], NULL));
        (void)iocp_loop_run(loop, IOCP_RUN_NO_WAIT);
        (void)iocp_loop_run(loop, IOCP_RUN_NO_WAIT);
        (void)iocp_cancel(loop, op, NULL, NULL, NULL);
    }
    win_life_count(life, iocp_close(loop, handle, contract_keep, &records[3], NULL));
    (void)iocp_loop_run(loop, IOCP_RUN_NO_WAIT);
}

static void whichever_call_fails_each_message_calls_back_once(void **state)
{
    (void)state;
    now.segments_error = 0;
    win_live_with_faults(message__live);
}

/* What the system opens once and keeps is open before the first test counts. */
static int message__warm_up(void **state)
{
    contract_address name;
    win_use_winsock();
    assert_int_equal(message__setup(state), 0);
    iocp_handle_t handle = message__bind(&name);
    iocp_message_t message = message__to(&name);
    assert_int_equal(message__send(handle, &message), IOCP_OK);
    win_loop_destroy(&win.loop);
    return 0;
}

int main(void)
{
#define MESSAGE_TEST(function) cmocka_unit_test_setup_teardown(function, message__setup, win_end)
    const struct CMUnitTest tests[] = {
        MESSAGE_TEST(the_functions_are_asked_for_with_the_first_message_and_once),
        MESSAGE_TEST(a_provider_without_messages_does_not_support_them),
        MESSAGE_TEST(all_of_a_message_is_told_to_the_system),
        MESSAGE_TEST(a_message_that_asks_for_nothing_has_no_control_data),
        MESSAGE_TEST(what_goes_over_ipv4_from_a_dual_stack_socket_is_said_as_for_ipv4),
        MESSAGE_TEST(an_address_that_does_not_go_with_the_message_is_not_sent),
        MESSAGE_TEST(a_refused_message_says_why),
        MESSAGE_TEST(segments_are_asked_for_once_on_a_socket_of_their_own),
        MESSAGE_TEST(without_segments_nothing_is_sent),
        MESSAGE_TEST(a_question_for_segments_that_fails_is_put_again),
        MESSAGE_TEST(the_capability_is_what_the_system_answers),
        MESSAGE_TEST(all_that_the_system_gives_is_told),
        MESSAGE_TEST(a_traffic_class_tells_the_codepoint_too),
        MESSAGE_TEST(what_came_over_ipv4_a_dual_stack_socket_tells_in_ipv6_clothes),
        MESSAGE_TEST(an_address_of_one_link_tells_which),
        MESSAGE_TEST(a_size_is_told_only_where_there_is_something_to_cut),
        MESSAGE_TEST(nothing_is_known_of_a_peer_that_the_system_does_not_name),
        MESSAGE_TEST(a_rearmed_receive_is_told_anew),
        MESSAGE_TEST(a_length_beyond_the_room_is_not_believed),
        MESSAGE_TEST(what_had_no_room_is_told_of_the_data_and_of_what_goes_with_it),
        MESSAGE_TEST(a_receive_without_room_only_looks),
        MESSAGE_TEST(a_server_is_told_at_which_of_its_addresses_it_was_asked),
        MESSAGE_TEST(whichever_call_fails_each_message_calls_back_once),
    };
    win_catch_crashes();
    return cmocka_run_group_tests(tests, message__warm_up, NULL);
}
