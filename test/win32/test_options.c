/*
 * What sockets are told, and what they are asked: each option, and each group, by the system's own
 * name and nothing else, and once for each provider whether packets can be skipped. The system
 * underneath would take, and give back, one name for the other, so the calls are looked at.
 */
#include "unit.h"

#include "win32/sys.h"

#include "win_faults.h"
#include "win_leaks.h"
#include "win_loop.h"

#include <string.h>

typedef struct option_call {
    int level;
    int name;
    int length;
    unsigned char value[264];
} option_call;

static struct {
    bool is_faked; /* options do not reach the system; all that it is asked for are 1 */
    int answer;    /* or this, of which so many bytes are written */
    int answer_bytes;
    option_call set;
    option_call also; /* the one before it: of IPv4, on a dual stack socket */
    option_call got;
    option_call asked;  /* of WSAIoctl; its name, and what it was given */
    int room;           /* that WSAIoctl has for an answer */
    int refused;        /* by the next call on this level, with WSAENOPROTOOPT */
    int layered_family; /* whose sockets of this type have a provider without handles of its own */
    int layered_type;
    int backlog;   /* as the system was told it */
    int providers; /* how many were asked */
    int skipping;  /* how many handles were made to skip packets */
} now;

/* ---- Spies ---- */

static void spy__note(option_call *call, int level, int name, const char *value, int length)
{
    *call = (option_call){.level = level, .name = name, .length = length};
    assert_in_range(length, 0, sizeof call->value);
    memcpy(call->value, value, (size_t)length);
}

static int WINAPI spy__set_option(SOCKET socket, int level, int name, const char *value, int length)
{
    now.also = now.set;
    spy__note(&now.set, level, name, value, length);
    if (now.refused != 0 && level == now.refused - 1) {
        now.refused = 0;
        WSASetLastError(WSAENOPROTOOPT);
        return SOCKET_ERROR;
    }
    return now.is_faked ? 0 : win_faults_table()->setsockopt(socket, level, name, value, length);
}

static void spy__wrap_provider(WSAPROTOCOL_INFOW *provider)
{
    now.providers++;
    if (provider->iAddressFamily == now.layered_family &&
        provider->iSocketType == now.layered_type) {
        provider->dwServiceFlags1 &= ~(DWORD)XP1_IFS_HANDLES;
    }
}

static int WINAPI spy__get_option(SOCKET socket, int level, int name, char *value, int *length)
{
    int answer = now.answer_bytes != 0 ? now.answer : 1;
    if (now.is_faked) {
        assert_int_equal(*length, sizeof answer);
        *length = now.answer_bytes != 0 ? now.answer_bytes : *length;
        memcpy(value, &answer, (size_t)*length);
        spy__note(&now.got, level, name, value, *length);
        return 0;
    }
    int status = win_faults_table()->getsockopt(socket, level, name, value, length);
    if (status == 0 && level == SOL_SOCKET && name == SO_PROTOCOL_INFOW) {
        spy__wrap_provider((WSAPROTOCOL_INFOW *)(void *)value);
    }
    return status;
}

static int WINAPI spy__ioctl(SOCKET socket, DWORD code, void *in, DWORD in_bytes, void *out,
                             DWORD out_bytes, DWORD *written, OVERLAPPED *overlapped,
                             LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
    static const unsigned char answer[8] = {1, 0, 2, 0, 0, 0, 0, 0};
    if (!now.is_faked) {
        return win_faults_table()->WSAIoctl(socket, code, in, in_bytes, out, out_bytes, written,
                                            overlapped, routine);
    }
    assert_null(overlapped);
    spy__note(&now.asked, 0, (int)code, in != NULL ? in : "", (int)in_bytes);
    now.room = (int)out_bytes;
    if (out_bytes > 0) {
        memcpy(out, answer, out_bytes);
    }
    *written = out_bytes;
    return 0;
}

static int WINAPI spy__listen(SOCKET socket, int backlog)
{
    now.backlog = backlog;
    return win_faults_table()->listen(socket, backlog);
}

static BOOL WINAPI spy__set_modes(HANDLE file, UCHAR modes)
{
    now.skipping += (modes & FILE_SKIP_COMPLETION_PORT_ON_SUCCESS) != 0;
    return win_faults_table()->SetFileCompletionNotificationModes(file, modes);
}

/* ---- The environment ---- */

static int option__setup(void **state)
{
    (void)state;
    memset(&now, 0, sizeof now);
    win_begin();
    win.sys.setsockopt = spy__set_option;
    win.sys.getsockopt = spy__get_option;
    win.sys.WSAIoctl = spy__ioctl;
    win.sys.listen = spy__listen;
    win.sys.SetFileCompletionNotificationModes = spy__set_modes;
    win_open(IOCP_COMPLETION_AUTO);
    return 0;
}

static iocp_handle_t option__open(int family, int type)
{
    iocp_handle_t handle = {0};
    assert_int_equal(iocp_socket_open(win.loop, family, type, 0, &handle), IOCP_OK);
    return handle;
}

static int option__families(void)
{
    return 1 + contract_has_ipv6();
}

static const int option_families[] = {AF_INET, AF_INET6};

/* ---- Names ---- */

typedef struct option_row {
    iocp_socket_option_t option;
    int type; /* of a socket that has it */
    struct {
        int level;
        int name;
    } native[2]; /* for IPv4 and IPv6; no name: not on these */
    int value;   /* how 1 is said */
} option_row;

#define BOTH(level, name)   \
    {                       \
        {(level), (name)},  \
        {                   \
            (level), (name) \
        }                   \
    }
#define LINGER_OF_1 0x10001    /* l_onoff, and l_linger in the upper half */
#define INDEX_OF_1  0x01000000 /* to IPv4 in the network's order; to IPv6, and read, in ours */

static const option_row option_rows[] = {
    {IOCP_SOCKET_NODELAY, SOCK_STREAM, BOTH(IPPROTO_TCP, TCP_NODELAY), 1},
    {IOCP_SOCKET_KEEPALIVE, SOCK_STREAM, BOTH(SOL_SOCKET, SO_KEEPALIVE), 1},
    {IOCP_SOCKET_RECV_BUFFER, SOCK_STREAM, BOTH(SOL_SOCKET, SO_RCVBUF), 1},
    {IOCP_SOCKET_SEND_BUFFER, SOCK_DGRAM, BOTH(SOL_SOCKET, SO_SNDBUF), 1},
    {IOCP_SOCKET_LINGER, SOCK_STREAM, BOTH(SOL_SOCKET, SO_LINGER), LINGER_OF_1},
    {IOCP_SOCKET_V6ONLY, SOCK_STREAM, {{0, 0}, {IPPROTO_IPV6, IPV6_V6ONLY}}, 1},
    {IOCP_SOCKET_EXCLUSIVE, SOCK_STREAM, BOTH(SOL_SOCKET, (int)SO_EXCLUSIVEADDRUSE), 1},
    {IOCP_SOCKET_REUSE_ADDRESS, SOCK_DGRAM, BOTH(SOL_SOCKET, SO_REUSEADDR), 1},
    {IOCP_SOCKET_BROADCAST, SOCK_DGRAM, BOTH(SOL_SOCKET, SO_BROADCAST), 1},
    {IOCP_SOCKET_MULTICAST_LOOP,
     SOCK_DGRAM,
     {{IPPROTO_IP, IP_MULTICAST_LOOP}, {IPPROTO_IPV6, IPV6_MULTICAST_LOOP}},
     1},
    {IOCP_SOCKET_MULTICAST_HOPS,
     SOCK_DGRAM,
     {{IPPROTO_IP, IP_MULTICAST_TTL}, {IPPROTO_IPV6, IPV6_MULTICAST_HOPS}},
     1},
    {IOCP_SOCKET_RECV_LOCAL, SOCK_DGRAM, {{IPPROTO_IP, 19}, {IPPROTO_IPV6, 19}}, 1},
    {IOCP_SOCKET_RECV_HOPS, SOCK_DGRAM, {{IPPROTO_IP, 21}, {IPPROTO_IPV6, 21}}, 1},
    {IOCP_SOCKET_RECV_ECN, SOCK_DGRAM, {{IPPROTO_IP, 50}, {IPPROTO_IPV6, 50}}, 1},
    {IOCP_SOCKET_RECV_SEGMENTS, SOCK_DGRAM, BOTH(IPPROTO_UDP, 3), 1},
    {IOCP_SOCKET_MTU_DISCOVER, SOCK_STREAM, {{IPPROTO_IP, 71}, {IPPROTO_IPV6, 71}}, 1},
    {IOCP_SOCKET_KEEPALIVE_IDLE, SOCK_STREAM, BOTH(IPPROTO_TCP, 3), 1},
    {IOCP_SOCKET_KEEPALIVE_INTERVAL, SOCK_STREAM, BOTH(IPPROTO_TCP, 17), 1},
    {IOCP_SOCKET_KEEPALIVE_COUNT, SOCK_STREAM, BOTH(IPPROTO_TCP, 16), 1},
    {IOCP_SOCKET_RETRY_LIMIT, SOCK_STREAM, BOTH(IPPROTO_TCP, 5), 1},
    {IOCP_SOCKET_TIMESTAMPS, SOCK_STREAM, BOTH(IPPROTO_TCP, 10), 1},
    {IOCP_SOCKET_FAST_OPEN, SOCK_STREAM, BOTH(IPPROTO_TCP, 15), 1},
    {IOCP_SOCKET_OOB_INLINE, SOCK_STREAM, BOTH(SOL_SOCKET, 0x100), 1},
    {IOCP_SOCKET_HOPS, SOCK_STREAM, {{IPPROTO_IP, 4}, {IPPROTO_IPV6, 4}}, 1},
    {IOCP_SOCKET_RANDOM_PORT, SOCK_STREAM, BOTH(SOL_SOCKET, 0x3005), 1},
    {IOCP_SOCKET_TRAFFIC_CLASS, SOCK_STREAM, {{IPPROTO_IP, 3}, {IPPROTO_IPV6, 39}}, 1},
    {IOCP_SOCKET_DONT_FRAGMENT, SOCK_DGRAM, {{IPPROTO_IP, 14}, {IPPROTO_IPV6, 14}}, 1},
    {IOCP_SOCKET_MTU_LIMIT, SOCK_DGRAM, {{IPPROTO_IP, 76}, {IPPROTO_IPV6, 76}}, 1},
    {IOCP_SOCKET_REUSE_UNICAST_PORT, SOCK_STREAM, BOTH(SOL_SOCKET, 0x3007), 1},
    {IOCP_SOCKET_CONDITIONAL_ACCEPT, SOCK_STREAM, BOTH(SOL_SOCKET, 0x3002), 1},
    {IOCP_SOCKET_FAIL_ON_ICMP, SOCK_STREAM, BOTH(IPPROTO_TCP, 18), 1},
    {IOCP_SOCKET_MULTICAST_INTERFACE, SOCK_DGRAM, {{IPPROTO_IP, 9}, {IPPROTO_IPV6, 9}}, INDEX_OF_1},
    {IOCP_SOCKET_INTERFACE, SOCK_STREAM, {{IPPROTO_IP, 31}, {IPPROTO_IPV6, 31}}, INDEX_OF_1},
};

static void option__expect(const option_call *call, int level, int name, int value)
{
    assert_int_equal(call->level, level);
    assert_int_equal(call->name, name);
    assert_int_equal(call->length, sizeof value);
    assert_memory_equal(call->value, &value, sizeof value);
}

static void each_option_is_the_systems_of_its_name(void **state)
{
    (void)state;
    for (int f = 0; f < option__families(); f++) {
        for (size_t i = 0; i < IOC_COUNT_OF(option_rows); i++) {
            const option_row *row = &option_rows[i];
            iocp_handle_t handle = option__open(option_families[f], row->type);
            int value = 0;
            if (row->native[f].name == 0) {
                continue;
            }
            now.is_faked = true;
            assert_int_equal(iocp_socket_set_option(win.loop, handle, row->option, 1), IOCP_OK);
            bool is_plain = row->value == INDEX_OF_1 && option_families[f] == AF_INET6;
            option__expect(&now.set, row->native[f].level, row->native[f].name,
                           is_plain ? 1 : row->value);
            assert_int_equal(iocp_socket_get_option(win.loop, handle, row->option, &value),
                             IOCP_OK);
            option__expect(&now.got, row->native[f].level, row->native[f].name, 1);
            assert_int_equal(value, row->value != LINGER_OF_1);
            now.is_faked = false;
        }
    }
}

/* Names and structures as in <mstcpip.h> and <ws2def.h>, written out. */
static const struct {
    iocp_socket_option_t option;
    int type;
    uint32_t code;
    int length; /* of what it is given, 0: it is asked */
    int value;
    unsigned char bytes[4];
    int room; /* for what it answers, and what its first bytes 1 0 2 0 mean */
    int answer;
} request_rows[] = {
    {IOCP_SOCKET_UNREACHABLE, SOCK_DGRAM, 0x9800000f, 4, 1, {1}, 0, 0}, /* the second of two */
    {IOCP_SOCKET_INITIAL_RTO, SOCK_STREAM, 0x98000011, 4, 300, {0x2c, 1, 0xff}, 0, 0},
    {IOCP_SOCKET_ACK_FREQUENCY, SOCK_STREAM, 0x98000017, 1, 2, {2}, 0, 0},
    {IOCP_SOCKET_AFFINITY, SOCK_DGRAM, 0x98000015, 2, 513, {1, 2}, 0, 0},
    {IOCP_SOCKET_AVAILABLE, SOCK_STREAM, 0x4004667f, 0, 0, {0}, 4, 0x20001},
    {IOCP_SOCKET_IDEAL_BACKLOG, SOCK_STREAM, 0x4004747b, 0, 0, {0}, 4, 0x20001},
    {IOCP_SOCKET_RSS, SOCK_STREAM, 0x580000d2, 0, 0, {0}, 4, 0x20001},
    {IOCP_SOCKET_PROCESSOR, SOCK_STREAM, 0x48000025, 0, 0, {0}, 8, 66},
};

static void each_request_is_the_systems_of_its_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < IOC_COUNT_OF(request_rows); i++) {
        int value = -1;
        iocp_socket_option_t which = request_rows[i].option;
        iocp_handle_t handle = option__open(AF_INET, request_rows[i].type);
        now.is_faked = true;
        int status = request_rows[i].length > 0
                         ? iocp_socket_set_option(win.loop, handle, which, request_rows[i].value)
                         : iocp_socket_get_option(win.loop, handle, which, &value);
        now.is_faked = false;
        assert_int_equal(status, IOCP_OK);
        assert_int_equal((uint32_t)now.asked.name, request_rows[i].code);
        assert_int_equal(now.asked.length, request_rows[i].length);
        assert_memory_equal(now.asked.value, request_rows[i].bytes,
                            now.asked.length > 3 ? 3 : (size_t)now.asked.length);
        assert_int_equal(now.room, request_rows[i].room);
        assert_int_equal(value, request_rows[i].length > 0 ? -1 : request_rows[i].answer);
    }
}

static void what_can_only_be_read_is_asked_for_by_its_name(void **state)
{
    (void)state;
    int value = 0;
    iocp_handle_t handle = option__open(AF_INET, SOCK_DGRAM);
    now.is_faked = true;
    assert_int_equal(iocp_socket_get_option(win.loop, handle, IOCP_SOCKET_MTU, &value), IOCP_OK);
    option__expect(&now.got, IPPROTO_IP, 73, 1);
    now.set = (option_call){0};
    assert_int_equal(iocp_socket_get_option(win.loop, handle, IOCP_SOCKET_SEND_SEGMENTS, &value),
                     IOCP_OK);
    option__expect(&now.got, IPPROTO_UDP, 2, 1);
    assert_int_equal(value, 1);
    assert_int_equal(now.set.length, 0); /* asking sets nothing */
    now.is_faked = false;
}

/* What is told if the system has written so many bytes of this. */
static void option__expect_answer(iocp_handle_t handle, iocp_socket_option_t option, int answer,
                                  int bytes, int expected)
{
    int value = 4711;
    now.answer = answer;
    now.answer_bytes = bytes;
    assert_int_equal(iocp_socket_get_option(win.loop, handle, option, &value), IOCP_OK);
    assert_int_equal(value, expected);
}

static void no_limit_of_packets_is_said_with_all_bits(void **state)
{
    (void)state;
    iocp_handle_t handle = option__open(AF_INET, SOCK_DGRAM);
    now.is_faked = true;
    assert_int_equal(iocp_socket_set_option(win.loop, handle, IOCP_SOCKET_MTU_LIMIT, 0), IOCP_OK);
    option__expect(&now.set, IPPROTO_IP, 76, -1);
    option__expect_answer(handle, IOCP_SOCKET_MTU_LIMIT, -1, 4, 0);
    option__expect_answer(handle, IOCP_SOCKET_MTU_LIMIT, 1400, 4, 1400);
    now.is_faked = false;
}

/* As of those that are one byte to the system. */
static void what_the_system_does_not_write_of_a_value_is_zero(void **state)
{
    (void)state;
    iocp_handle_t handle = option__open(AF_INET, SOCK_STREAM);
    now.is_faked = true;
    option__expect_answer(handle, IOCP_SOCKET_NODELAY, -1, 4, -1); /* what was there before */
    option__expect_answer(handle, IOCP_SOCKET_NODELAY, -1, 1, 0xff);
    now.is_faked = false;
}

/* ---- Two stacks ---- */

static iocp_handle_t dual__open(void)
{
    iocp_handle_t handle = option__open(AF_INET6, SOCK_DGRAM);
    assert_int_equal(iocp_socket_set_option(win.loop, handle, IOCP_SOCKET_V6ONLY, 0), IOCP_OK);
    return handle;
}

static void an_option_of_ip_is_set_for_both_stacks(void **state)
{
    (void)state;
    if (!contract_has_ipv6()) {
        skip();
    }
    iocp_handle_t handle = dual__open();
    assert_int_equal(iocp_socket_set_option(win.loop, handle, IOCP_SOCKET_HOPS, 9), IOCP_OK);
    option__expect(&now.also, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 9);
    option__expect(&now.set, IPPROTO_IP, IP_TTL, 9);
    now.also = (option_call){0};
    assert_int_equal(iocp_socket_set_option(win.loop, handle, IOCP_SOCKET_SEND_BUFFER, 9000),
                     IOCP_OK);
    option__expect(&now.set, SOL_SOCKET, SO_SNDBUF, 9000);
    assert_int_equal(now.also.level, IPPROTO_IP); /* that of before: once */
}

static void what_ipv4_refuses_ipv6_does_not_keep(void **state)
{
    (void)state;
    int value = 0;
    int before = 0;
    if (!contract_has_ipv6()) {
        skip();
    }
    iocp_handle_t handle = dual__open();
    assert_int_equal(iocp_socket_get_option(win.loop, handle, IOCP_SOCKET_HOPS, &before), IOCP_OK);
    now.refused = 1 + IPPROTO_IP;
    assert_int_equal(iocp_socket_set_option(win.loop, handle, IOCP_SOCKET_HOPS, 9), IOCP_ENOTSUP);
    assert_int_equal(iocp_socket_get_option(win.loop, handle, IOCP_SOCKET_HOPS, &value), IOCP_OK);
    assert_int_equal(value, before);
    assert_int_not_equal(before, 9);
}

static void the_error_of_a_socket_is_asked_for_and_not_set(void **state)
{
    (void)state;
    int value = 0;
    iocp_handle_t handle = option__open(AF_INET, SOCK_STREAM);
    now.is_faked = true;
    assert_int_equal(iocp_socket_get_option(win.loop, handle, IOCP_SOCKET_ERROR, &value), IOCP_OK);
    option__expect(&now.got, SOL_SOCKET, SO_ERROR, 1);
    assert_int_equal(iocp_socket_set_option(win.loop, handle, IOCP_SOCKET_ERROR, 1), IOCP_EINVAL);
    now.is_faked = false;
}

/* ---- Refusals ---- */

static int refused__set(iocp_handle_t handle)
{
    return iocp_socket_set_option(win.loop, handle, IOCP_SOCKET_KEEPALIVE, 1);
}

static int refused__set_linger(iocp_handle_t handle)
{
    return iocp_socket_set_option(win.loop, handle, IOCP_SOCKET_LINGER, 1);
}

static int refused__get(iocp_handle_t handle)
{
    int value = 4711;
    int status = iocp_socket_get_option(win.loop, handle, IOCP_SOCKET_KEEPALIVE, &value);
    assert_int_equal(value, 4711);
    return status;
}

static int refused__get_linger(iocp_handle_t handle)
{
    int value = 4711;
    int status = iocp_socket_get_option(win.loop, handle, IOCP_SOCKET_LINGER, &value);
    assert_int_equal(value, 4711);
    return status;
}

static int option__bind(iocp_handle_t handle)
{
    contract_address any = contract_loopback(AF_INET, 0);
    return iocp_socket_bind(win.loop, handle, contract_sockaddr(&any), any.length);
}

static int refused__listen(iocp_handle_t handle)
{
    return iocp_socket_listen(win.loop, handle, 0);
}

static int refused__name(iocp_handle_t handle)
{
    contract_address name = {.length = sizeof name.storage};
    return iocp_socket_get_name(win.loop, handle, (struct sockaddr *)&name.storage, &name.length);
}

static int refused__peer(iocp_handle_t handle)
{
    contract_address name = {.length = sizeof name.storage};
    return iocp_socket_get_peer(win.loop, handle, (struct sockaddr *)&name.storage, &name.length);
}

static void what_the_system_refuses_is_said_with_its_code(void **state)
{
    (void)state;
    static const struct {
        win_call call;
        int (*function)(iocp_handle_t handle);
    } table[] = {
        {WIN_SET_OPTION, refused__set}, {WIN_SET_OPTION, refused__set_linger},
        {WIN_GET_OPTION, refused__get}, {WIN_GET_OPTION, refused__get_linger},
        {WIN_BIND, option__bind},       {WIN_LISTEN, refused__listen},
        {WIN_GET_NAME, refused__name},  {WIN_GET_PEER, refused__peer},
    };
    for (size_t i = 0; i < IOC_COUNT_OF(table); i++) {
        iocp_handle_t handle = option__open(AF_INET, SOCK_STREAM);
        uint64_t struck = win_faults_struck();
        win_faults_fail_all_of(table[i].call, WSAENETDOWN);
        assert_int_equal(table[i].function(handle), IOCP_ENETDOWN);
        assert_int_equal(iocp_loop_native_error(win.loop), WSAENETDOWN);
        assert_true(win_faults_struck() > struck);
        win_faults_stop();
    }
}

/* What the system says that does not know it; a level of UDP's own is as new as its options. */
static void what_this_windows_lacks_is_not_supported(void **state)
{
    (void)state;
    static const struct {
        iocp_socket_option_t option;
        int type;
        win_call call;
        uint32_t error;
    } table[] = {
        {IOCP_SOCKET_KEEPALIVE_IDLE, SOCK_STREAM, WIN_SET_OPTION, WSAENOPROTOOPT},
        {IOCP_SOCKET_RECV_SEGMENTS, SOCK_DGRAM, WIN_SET_OPTION, WSAEINVAL},
        {IOCP_SOCKET_RECV_SEGMENTS, SOCK_DGRAM, WIN_SET_OPTION, WSAENOPROTOOPT},
        {IOCP_SOCKET_ACK_FREQUENCY, SOCK_STREAM, WIN_IOCTL, WSAEOPNOTSUPP},
    };
    for (size_t i = 0; i < IOC_COUNT_OF(table); i++) {
        iocp_handle_t handle = option__open(AF_INET, table[i].type);
        win_faults_fail_next_of(table[i].call, table[i].error);
        assert_int_equal(iocp_socket_set_option(win.loop, handle, table[i].option, 1),
                         IOCP_ENOTSUP);
        assert_int_equal(iocp_loop_native_error(win.loop), table[i].error);
    }
}

static void a_system_without_segments_says_so_and_a_failure_is_one(void **state)
{
    (void)state;
    int value = 4711;
    iocp_handle_t handle = option__open(AF_INET, SOCK_DGRAM);
    win_faults_fail_next_of(WIN_GET_OPTION, WSAEINVAL);
    assert_int_equal(iocp_socket_get_option(win.loop, handle, IOCP_SOCKET_SEND_SEGMENTS, &value),
                     IOCP_OK);
    assert_int_equal(value, 0);
    win_faults_fail_next_of(WIN_GET_OPTION, WSAENETDOWN);
    assert_int_equal(iocp_socket_get_option(win.loop, handle, IOCP_SOCKET_SEND_SEGMENTS, &value),
                     IOCP_ENETDOWN);
    assert_int_equal(value, 0);
}

static void a_group_that_is_refused_is_not_joined(void **state)
{
    (void)state;
    struct sockaddr_in group = {.sin_family = AF_INET};
    iocp_handle_t handle = option__open(AF_INET, SOCK_DGRAM);
    win_faults_fail_next_of(WIN_SET_OPTION, WSAENOBUFS);
    assert_int_equal(iocp_socket_join(win.loop, handle, (struct sockaddr *)&group, sizeof group, 0),
                     IOCP_ENOBUFS);
    assert_int_equal(iocp_loop_native_error(win.loop), WSAENOBUFS);
}

static void a_backlog_that_is_not_small_is_told_as_a_hint(void **state)
{
    (void)state;
    static const struct {
        int wanted;
        int told;
    } table[] = {
        {0, -65535},     {1, 1},          {199, 199},          {200, -200},
        {65534, -65534}, {65535, -65535}, {INT32_MAX, -65535},
    };
    for (size_t i = 0; i < IOC_COUNT_OF(table); i++) {
        iocp_handle_t handle = option__open(AF_INET, SOCK_STREAM);
        assert_int_equal(option__bind(handle), IOCP_OK);
        assert_int_equal(iocp_socket_listen(win.loop, handle, table[i].wanted), IOCP_OK);
        assert_int_equal(now.backlog, table[i].told);
    }
}

/* What the program has said of it stands, whatever it is. */
static void a_bound_stream_is_exclusive_unless_the_program_has_said_how(void **state)
{
    (void)state;
    static const iocp_socket_option_t own[] = {IOCP_SOCKET_EXCLUSIVE, IOCP_SOCKET_REUSE_ADDRESS};
    for (size_t i = 0; i < IOC_COUNT_OF(own); i++) {
        iocp_handle_t said = option__open(AF_INET, SOCK_STREAM);
        iocp_handle_t refused = option__open(AF_INET, SOCK_STREAM);
        now.is_faked = true;
        assert_int_equal(iocp_socket_set_option(win.loop, said, own[i], 0), IOCP_OK);
        now.refused = SOL_SOCKET + 1;
        assert_int_equal(iocp_socket_set_option(win.loop, refused, own[i], 0), IOCP_ENOTSUP);
        now.is_faked = false;
        memset(&now.set, 0, sizeof now.set);
        assert_int_equal(option__bind(said), IOCP_OK);
        assert_int_equal(now.set.length, 0); /* nothing was set */
        assert_int_equal(option__bind(refused), IOCP_OK);
        option__expect(&now.set, SOL_SOCKET, (int)SO_EXCLUSIVEADDRUSE, 1);
    }
}

/* ---- Groups ---- */

static const unsigned char group_ipv4[4] = {239, 1, 2, 3};
static const unsigned char group_ipv6[16] = {0xff, 0x02, [15] = 0x77};

static void group__expect(int level, int name, const void *request, int length)
{
    assert_int_equal(now.set.level, level);
    assert_int_equal(now.set.name, name);
    assert_int_equal(now.set.length, length);
    assert_memory_equal(now.set.value, request, (size_t)length);
}

static void an_ipv4_group_is_joined_and_left_on_the_interface_of_that_number(void **state)
{
    (void)state;
    struct sockaddr_in group = {.sin_family = AF_INET};
    struct ip_mreq request = {.imr_interface.s_addr = htonl(7)}; /* 0.0.0.7 */
    iocp_handle_t handle = option__open(AF_INET, SOCK_DGRAM);
    memcpy(&group.sin_addr, group_ipv4, sizeof group_ipv4);
    memcpy(&request.imr_multiaddr, group_ipv4, sizeof group_ipv4);
    now.is_faked = true;
    assert_int_equal(iocp_socket_join(win.loop, handle, (struct sockaddr *)&group, sizeof group, 7),
                     IOCP_OK);
    group__expect(IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, (int)sizeof request);
    assert_int_equal(
        iocp_socket_leave(win.loop, handle, (struct sockaddr *)&group, sizeof group, 7), IOCP_OK);
    group__expect(IPPROTO_IP, IP_DROP_MEMBERSHIP, &request, (int)sizeof request);
    now.is_faked = false;
}

static void an_ipv6_group_is_joined_and_left_on_the_interface_of_that_number(void **state)
{
    (void)state;
    struct sockaddr_in6 group = {.sin6_family = AF_INET6};
    struct ipv6_mreq request = {.ipv6mr_interface = 7};
    if (!contract_has_ipv6()) {
        skip();
    }
    iocp_handle_t handle = option__open(AF_INET6, SOCK_DGRAM);
    memcpy(&group.sin6_addr, group_ipv6, sizeof group_ipv6);
    memcpy(&request.ipv6mr_multiaddr, group_ipv6, sizeof group_ipv6);
    now.is_faked = true;
    assert_int_equal(iocp_socket_join(win.loop, handle, (struct sockaddr *)&group, sizeof group, 7),
                     IOCP_OK);
    group__expect(IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &request, (int)sizeof request);
    assert_int_equal(
        iocp_socket_leave(win.loop, handle, (struct sockaddr *)&group, sizeof group, 7), IOCP_OK);
    group__expect(IPPROTO_IPV6, IPV6_DROP_MEMBERSHIP, &request, (int)sizeof request);
    now.is_faked = false;
}

static void an_ipv4_group_of_one_sender_is_joined_and_left(void **state)
{
    (void)state;
    struct sockaddr_in group = {.sin_family = AF_INET};
    struct sockaddr_in source = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000201)};
    struct ip_mreq_source request = {.imr_interface.s_addr = htonl(7),
                                     .imr_sourceaddr.s_addr = htonl(0xc0000201)};
    iocp_handle_t handle = option__open(AF_INET, SOCK_DGRAM);
    memcpy(&group.sin_addr, group_ipv4, sizeof group_ipv4);
    memcpy(&request.imr_multiaddr, group_ipv4, sizeof group_ipv4);
    now.is_faked = true;
    assert_int_equal(iocp_socket_join_source(win.loop, handle, (struct sockaddr *)&group,
                                             sizeof group, (struct sockaddr *)&source,
                                             sizeof source, 7),
                     IOCP_OK);
    group__expect(IPPROTO_IP, 15, &request, (int)sizeof request);
    assert_int_equal(iocp_socket_leave_source(win.loop, handle, (struct sockaddr *)&group,
                                              sizeof group, (struct sockaddr *)&source,
                                              sizeof source, 7),
                     IOCP_OK);
    group__expect(IPPROTO_IP, 16, &request, (int)sizeof request);
    now.is_faked = false;
}

/* GROUP_SOURCE_REQ: the index, aligned to eight bytes; twice 128 bytes for an address. */
static void an_ipv6_group_of_one_sender_is_joined_and_left(void **state)
{
    (void)state;
    struct sockaddr_in6 group = {.sin6_family = AF_INET6};
    struct sockaddr_in6 source = {.sin6_family = AF_INET6};
    unsigned char request[264] = {7};
    if (!contract_has_ipv6()) {
        skip();
    }
    iocp_handle_t handle = option__open(AF_INET6, SOCK_DGRAM);
    memcpy(&group.sin6_addr, group_ipv6, sizeof group_ipv6);
    ((unsigned char *)&source.sin6_addr)[15] = 1;
    memcpy(request + 8, &group, sizeof group);
    memcpy(request + 136, &source, sizeof source);
    now.is_faked = true;
    assert_int_equal(iocp_socket_join_source(win.loop, handle, (struct sockaddr *)&group,
                                             sizeof group, (struct sockaddr *)&source,
                                             sizeof source, 7),
                     IOCP_OK);
    group__expect(IPPROTO_IPV6, 45, request, (int)sizeof request);
    assert_int_equal(iocp_socket_leave_source(win.loop, handle, (struct sockaddr *)&group,
                                              sizeof group, (struct sockaddr *)&source,
                                              sizeof source, 7),
                     IOCP_OK);
    group__expect(IPPROTO_IPV6, 46, request, (int)sizeof request);
    now.is_faked = false;
}

/* ---- Providers ---- */

/* How many sockets of a family and a type skip packets of these two. */
static int provider__skipping(int family, int type)
{
    int before = now.skipping;
    (void)option__open(family, type);
    (void)option__open(family, type);
    return now.skipping - before;
}

/* Winsock chooses the provider by family and type. */
static void each_provider_is_asked_once_whether_packets_can_be_skipped(void **state)
{
    (void)state;
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM};
    int asked = 0;
    for (int i = 0; i < 2 * option__families(); i++) {
        now.layered_family = option_families[i / 2];
        now.layered_type = types[i % 2];
        win_open(IOCP_COMPLETION_AUTO);
        for (int k = 0; k < 2 * option__families(); k++) {
            assert_int_equal(provider__skipping(option_families[k / 2], types[k % 2]),
                             i == k ? 0 : 2);
            assert_int_equal(now.providers, ++asked);
        }
    }
}

static void an_adopted_socket_skips_packets_if_its_own_provider_can(void **state)
{
    (void)state;
    now.layered_type = SOCK_STREAM;
    for (int is_layered = 0; is_layered <= 1; is_layered++) {
        iocp_handle_t handle = {0};
        int before = now.skipping;
        now.layered_family = is_layered ? AF_INET : AF_UNSPEC;
        assert_int_equal(iocp_socket_adopt(win.loop, contract_socket_create(AF_INET), &handle),
                         IOCP_OK);
        assert_int_equal(now.skipping - before, is_layered ? 0 : 1);
    }
}

static void the_program_may_know_better_than_the_provider(void **state)
{
    (void)state;
    now.layered_family = AF_INET;
    now.layered_type = SOCK_STREAM;
    win_open(IOCP_COMPLETION_SKIP);
    assert_int_equal(provider__skipping(AF_INET, SOCK_STREAM), 2);
    now.layered_family = AF_UNSPEC;
    win_open(IOCP_COMPLETION_PACKET);
    assert_int_equal(provider__skipping(AF_INET, SOCK_STREAM), 0);
}

/* What the system opens once and keeps is open before the first test counts. */
static int option__warm_up(void **state)
{
    win_use_winsock();
    assert_int_equal(option__setup(state), 0);
    (void)option__open(AF_INET, SOCK_STREAM);
    win_loop_destroy(&win.loop);
    return 0;
}

#define OPTION_TEST(function) cmocka_unit_test_setup_teardown(function, option__setup, win_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OPTION_TEST(each_option_is_the_systems_of_its_name),
        OPTION_TEST(each_request_is_the_systems_of_its_name),
        OPTION_TEST(what_can_only_be_read_is_asked_for_by_its_name),
        OPTION_TEST(no_limit_of_packets_is_said_with_all_bits),
        OPTION_TEST(what_the_system_does_not_write_of_a_value_is_zero),
        OPTION_TEST(an_option_of_ip_is_set_for_both_stacks),
        OPTION_TEST(what_ipv4_refuses_ipv6_does_not_keep),
        OPTION_TEST(the_error_of_a_socket_is_asked_for_and_not_set),
        OPTION_TEST(what_the_system_refuses_is_said_with_its_code),
        OPTION_TEST(what_this_windows_lacks_is_not_supported),
        OPTION_TEST(a_system_without_segments_says_so_and_a_failure_is_one),
        OPTION_TEST(a_backlog_that_is_not_small_is_told_as_a_hint),
        OPTION_TEST(a_bound_stream_is_exclusive_unless_the_program_has_said_how),
        OPTION_TEST(a_group_that_is_refused_is_not_joined),
        OPTION_TEST(an_ipv4_group_is_joined_and_left_on_the_interface_of_that_number),
        OPTION_TEST(an_ipv6_group_is_joined_and_left_on_the_interface_of_that_number),
        OPTION_TEST(an_ipv4_group_of_one_sender_is_joined_and_left),
        OPTION_TEST(an_ipv6_group_of_one_sender_is_joined_and_left),
        OPTION_TEST(each_provider_is_asked_once_whether_packets_can_be_skipped),
        OPTION_TEST(an_adopted_socket_skips_packets_if_its_own_provider_can),
        OPTION_TEST(the_program_may_know_better_than_the_provider),
    };
    win_catch_crashes();
    return cmocka_run_group_tests(tests, option__warm_up, NULL);
}
