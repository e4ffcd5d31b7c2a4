/*
 * Options of sockets: which kinds have which, the values that they take, and that a call which is
 * refused has changed nothing. The table here was written from the manual, as a second witness. What
 * a system does not have it says with IOCP_ENOTSUP; the simulation has all of them.
 */
#include "contract_datagram.h"
#include "contract_env.h"
#include "contract_net.h"

#include <limits.h>

enum {
    STREAMS = 1,
    DATAGRAMS = 2,
    IPV6 = 4,  /* and no others */
    UNIX = 64, /* too */
    GET = 8,
    SET = 16,
    ALWAYS = 32, /* Windows has had it for long, and so has Wine */
    ALL = STREAMS | DATAGRAMS,
    BOTH = GET | SET
};

typedef struct option {
    iocp_socket_option_t option;
    int traits;
    int least;
    int most;
    int value; /* one that a fresh socket does not have */
} option;

static const option options[] = {
    {IOCP_SOCKET_NODELAY, STREAMS | BOTH | ALWAYS, 0, 1, 1},
    {IOCP_SOCKET_KEEPALIVE, STREAMS | BOTH | ALWAYS, 0, 1, 1},
    {IOCP_SOCKET_RECV_BUFFER, ALL | UNIX | BOTH | ALWAYS, 0, INT_MAX, 40000},
    {IOCP_SOCKET_SEND_BUFFER, ALL | UNIX | BOTH | ALWAYS, 0, INT_MAX, 40000},
    {IOCP_SOCKET_LINGER, STREAMS | UNIX | BOTH | ALWAYS, -1, 65535, 3},
    {IOCP_SOCKET_V6ONLY, ALL | IPV6 | BOTH | ALWAYS, 0, 1, 0},
    {IOCP_SOCKET_EXCLUSIVE, ALL | BOTH | ALWAYS, 0, 1, 1},
    {IOCP_SOCKET_REUSE_ADDRESS, ALL | BOTH | ALWAYS, 0, 1, 1},
    {IOCP_SOCKET_ERROR, ALL | UNIX | GET | ALWAYS, 0, 0, 0},
    {IOCP_SOCKET_BROADCAST, DATAGRAMS | BOTH | ALWAYS, 0, 1, 1},
    {IOCP_SOCKET_MULTICAST_LOOP, DATAGRAMS | BOTH | ALWAYS, 0, 1, 0},
    {IOCP_SOCKET_MULTICAST_HOPS, DATAGRAMS | BOTH | ALWAYS, 0, 255, 7},
    {IOCP_SOCKET_UNREACHABLE, DATAGRAMS | SET, 0, 1, 1},
    {IOCP_SOCKET_MULTICAST_INTERFACE, DATAGRAMS | BOTH, 0, 0xffffff, 1},
    {IOCP_SOCKET_RECV_LOCAL, DATAGRAMS | BOTH | ALWAYS, 0, 1, 1},
    {IOCP_SOCKET_RECV_HOPS, DATAGRAMS | BOTH | ALWAYS, 0, 1, 1},
    {IOCP_SOCKET_RECV_ECN, DATAGRAMS | BOTH, 0, 1, 1},
    {IOCP_SOCKET_RECV_SEGMENTS, DATAGRAMS | BOTH, 0, 65535, 9000},
    {IOCP_SOCKET_MTU_DISCOVER, ALL | BOTH, 0, 3, 1},
    {IOCP_SOCKET_MTU, ALL | GET, 0, 0, 0},
    {IOCP_SOCKET_SEND_SEGMENTS, DATAGRAMS | GET | ALWAYS, 0, 0, 0},
    {IOCP_SOCKET_KEEPALIVE_IDLE, STREAMS | BOTH, 1, 32767, 33},
    {IOCP_SOCKET_KEEPALIVE_INTERVAL, STREAMS | BOTH, 1, 32767, 5},
    {IOCP_SOCKET_KEEPALIVE_COUNT, STREAMS | BOTH, 1, 255, 4},
    {IOCP_SOCKET_RETRY_LIMIT, STREAMS | BOTH, -1, INT_MAX, 60},
    {IOCP_SOCKET_INITIAL_RTO, STREAMS | SET, 0, 65534, 300},
    {IOCP_SOCKET_ACK_FREQUENCY, STREAMS | SET, 1, 255, 1},
    {IOCP_SOCKET_TIMESTAMPS, STREAMS | BOTH, 0, 1, 1},
    {IOCP_SOCKET_FAST_OPEN, STREAMS | BOTH, 0, 1, 1},
    {IOCP_SOCKET_OOB_INLINE, STREAMS | BOTH | ALWAYS, 0, 1, 1},
    {IOCP_SOCKET_AVAILABLE, ALL | UNIX | GET | ALWAYS, 0, 0, 0},
    {IOCP_SOCKET_HOPS, ALL | BOTH | ALWAYS, 1, 255, 9},
    {IOCP_SOCKET_INTERFACE, ALL | BOTH, 0, 0xffffff, 1},
    {IOCP_SOCKET_RANDOM_PORT, ALL | BOTH, 0, 1, 1},
    {IOCP_SOCKET_FAMILY, ALL | UNIX | GET | ALWAYS, 0, 0, 0},
    {IOCP_SOCKET_TYPE, ALL | UNIX | GET | ALWAYS, 0, 0, 0},
    {IOCP_SOCKET_TRAFFIC_CLASS, ALL | BOTH, 0, 255, 0xb8},
    {IOCP_SOCKET_DONT_FRAGMENT, DATAGRAMS | BOTH | ALWAYS, 0, 1, 1},
    {IOCP_SOCKET_MTU_LIMIT, DATAGRAMS | BOTH, 0, INT_MAX, 1400},
    {IOCP_SOCKET_REUSE_UNICAST_PORT, STREAMS | BOTH, 0, 1, 1},
    {IOCP_SOCKET_CONDITIONAL_ACCEPT, STREAMS | BOTH, 0, 1, 1},
    {IOCP_SOCKET_FAIL_ON_ICMP, STREAMS | BOTH, 0, 1, 1},
    {IOCP_SOCKET_IDEAL_BACKLOG, STREAMS | GET, 0, 0, 0},
    {IOCP_SOCKET_RSS, ALL | GET, 0, 0, 0},
    {IOCP_SOCKET_PROCESSOR, ALL | GET, 0, 0, 0},
    {IOCP_SOCKET_AFFINITY, DATAGRAMS | SET, 0, 65535, 0},
};

#define OPTIONS (sizeof options / sizeof options[0])

#if defined(_WIN32)
static const bool has_all = false;
#else
static const bool has_all = true;
#endif

/* ---- Sockets of each kind ---- */

static const struct {
    int family;
    int type;
    int traits;
} kinds[] = {
    {AF_INET, SOCK_STREAM, STREAMS},         {AF_INET, SOCK_DGRAM, DATAGRAMS},
    {AF_INET6, SOCK_STREAM, STREAMS | IPV6}, {AF_INET6, SOCK_DGRAM, DATAGRAMS | IPV6},
    {AF_UNIX, SOCK_STREAM, STREAMS | UNIX},
};

#define KINDS (sizeof kinds / sizeof kinds[0])

static bool kind__is_there(size_t kind)
{
    return kinds[kind].family == AF_INET6  ? contract_has_ipv6() != 0
           : kinds[kind].family == AF_UNIX ? (iocp_capabilities() & IOCP_CAP_UNIX_SOCKETS) != 0
                                           : true;
}

static iocp_handle_t kind__open(iocp_loop_t *loop, size_t kind)
{
    iocp_handle_t handle = {0};
    assert_int_equal(iocp_socket_open(loop, kinds[kind].family, kinds[kind].type, 0, &handle),
                     IOCP_OK);
    return handle;
}

static bool kind__has(size_t kind, const option *row)
{
    bool is_of_type = (kinds[kind].traits & row->traits & ALL) != 0;
    return is_of_type && ((row->traits & IPV6) == 0 || (kinds[kind].traits & IPV6) != 0) &&
           ((row->traits & UNIX) != 0 || (kinds[kind].traits & UNIX) == 0);
}

typedef void (*option_fn)(iocp_loop_t *loop, size_t kind, const option *row);

static void options__each(void **state, option_fn function)
{
    iocp_loop_t *loop = contract_loop(state);
    for (size_t kind = 0; kind < KINDS; kind++) {
        for (size_t i = 0; i < OPTIONS && kind__is_there(kind); i++) {
            function(loop, kind, &options[i]);
        }
    }
}

/* ---- Each option on each kind ---- */

static void no_option_is_missing_here(void **state)
{
    (void)state;
    assert_int_equal(OPTIONS, IOCP_SOCKET_OPTIONS - 1);
    for (size_t i = 0; i < OPTIONS; i++) {
        assert_int_equal(options[i].option, i + 1);
    }
}

/* What the system has not, it says; what Wine has had for long it has. */
static bool option__is_there(const option *row, int status)
{
    if (status == IOCP_ENOTSUP) {
        assert_false(has_all || (row->traits & ALWAYS) != 0);
        return false;
    }
    return true;
}

static void option__try_another_kind(iocp_loop_t *loop, size_t kind, const option *row)
{
    int value = 4711;
    if (kind__has(kind, row)) {
        return;
    }
    iocp_handle_t handle = kind__open(loop, kind);
    assert_int_equal(iocp_socket_get_option(loop, handle, row->option, &value), IOCP_ENOPROTOOPT);
    assert_int_equal(value, 4711);
    assert_int_equal(iocp_socket_set_option(loop, handle, row->option, row->value),
                     (row->traits & SET) != 0 ? IOCP_ENOPROTOOPT : IOCP_EINVAL);
}

static void a_socket_of_another_kind_does_not_have_it(void **state)
{
    options__each(state, option__try_another_kind);
}

static void option__try_the_other_way(iocp_loop_t *loop, size_t kind, const option *row)
{
    int value = 4711;
    if (!kind__has(kind, row)) {
        return;
    }
    iocp_handle_t handle = kind__open(loop, kind);
    if ((row->traits & GET) == 0) {
        assert_int_equal(iocp_socket_get_option(loop, handle, row->option, &value),
                         IOCP_ENOPROTOOPT);
        assert_int_equal(value, 4711);
    }
    if ((row->traits & SET) == 0) {
        assert_int_equal(iocp_socket_set_option(loop, handle, row->option, 0), IOCP_EINVAL);
        assert_int_equal(iocp_socket_set_option(loop, handle, row->option, 1), IOCP_EINVAL);
    }
}

static void what_can_only_be_read_or_only_be_set_says_so(void **state)
{
    options__each(state, option__try_the_other_way);
}

static void option__try_outside(iocp_loop_t *loop, size_t kind, const option *row)
{
    int before = 4711;
    int after = 4712;
    if (!kind__has(kind, row) || (row->traits & SET) == 0) {
        return;
    }
    iocp_handle_t handle = kind__open(loop, kind);
    bool is_read = iocp_socket_get_option(loop, handle, row->option, &before) == IOCP_OK;
    assert_int_equal(iocp_socket_set_option(loop, handle, row->option, row->least - 1),
                     IOCP_EINVAL);
    assert_int_equal(iocp_socket_set_option(loop, handle, row->option, INT_MIN), IOCP_EINVAL);
    if (row->most < INT_MAX) {
        assert_int_equal(iocp_socket_set_option(loop, handle, row->option, row->most + 1),
                         IOCP_EINVAL);
        assert_int_equal(iocp_socket_set_option(loop, handle, row->option, INT_MAX), IOCP_EINVAL);
    }
    if (is_read) {
        assert_int_equal(iocp_socket_get_option(loop, handle, row->option, &after), IOCP_OK);
        assert_int_equal(after, before);
    }
}

static void a_value_outside_its_range_is_refused_and_changes_nothing(void **state)
{
    options__each(state, option__try_outside);
}

/* Linux, below Wine, keeps twice the bytes of a buffer. */
static bool option__is_kept_exactly(const option *row)
{
    bool is_buffer =
        row->option == IOCP_SOCKET_RECV_BUFFER || row->option == IOCP_SOCKET_SEND_BUFFER;
    return has_all || ((row->traits & ALWAYS) != 0 && !is_buffer);
}

static void option__keep(iocp_loop_t *loop, size_t kind, const option *row)
{
    int value = 4711;
    if (!kind__has(kind, row) || (row->traits & SET) == 0) {
        return;
    }
    iocp_handle_t handle = kind__open(loop, kind);
    int status = iocp_socket_set_option(loop, handle, row->option, row->value);
    if (!option__is_there(row, status) || !option__is_kept_exactly(row)) {
        return;
    }
    assert_int_equal(status, IOCP_OK);
    if ((row->traits & GET) != 0) {
        assert_int_equal(iocp_socket_get_option(loop, handle, row->option, &value), IOCP_OK);
        assert_int_equal(value, row->value);
    }
}

static void a_value_that_was_set_is_told(void **state)
{
    options__each(state, option__keep);
}

static void option__read(iocp_loop_t *loop, size_t kind, const option *row)
{
    int value = 4711;
    if (!kind__has(kind, row) || (row->traits & GET) == 0) {
        return;
    }
    iocp_handle_t handle = kind__open(loop, kind);
    int status = iocp_socket_get_option(loop, handle, row->option, &value);
    bool is_there = option__is_there(row, status);
    assert_true(!is_there || status == IOCP_OK || status == IOCP_ENOTCONN);
    assert_int_equal(value == 4711, status != IOCP_OK);
}

static void a_value_is_read_or_it_is_said_why_not(void **state)
{
    options__each(state, option__read);
}

/* ---- What they tell ---- */

static int option__get(iocp_loop_t *loop, iocp_handle_t handle, iocp_socket_option_t which)
{
    int value = -4711;
    assert_int_equal(iocp_socket_get_option(loop, handle, which, &value), IOCP_OK);
    return value;
}

static void a_socket_tells_its_family_and_its_type(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    for (size_t kind = 0; kind < KINDS; kind++) {
        if (!kind__is_there(kind)) {
            continue;
        }
        iocp_handle_t handle = kind__open(loop, kind);
        assert_int_equal(option__get(loop, handle, IOCP_SOCKET_FAMILY), kinds[kind].family);
        assert_int_equal(option__get(loop, handle, IOCP_SOCKET_TYPE), kinds[kind].type);
    }
}

static void what_is_there_to_be_received_is_counted(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_address address;
    contract_record record = {0};
    char data[8];
    iocp_handle_t receiver = contract_datagram_bind(loop, AF_INET, &address);
    iocp_handle_t sender = contract_datagram_open(loop, AF_INET);
    assert_int_equal(option__get(loop, receiver, IOCP_SOCKET_AVAILABLE), 0);
    contract_datagram_send(loop, sender, &address, "five!", 5);
    contract_datagram_start(loop, receiver, data, 0, &record); /* until it is there */
    contract_wait(loop, &record, 1);
    assert_int_equal(option__get(loop, receiver, IOCP_SOCKET_AVAILABLE), 5);
}

static void a_socket_that_is_bound_is_too_late_for_some(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_address any = contract_loopback(AF_INET, 0);
    iocp_handle_t handle = contract_open(loop, AF_INET);
    assert_int_equal(iocp_socket_bind(loop, handle, contract_sockaddr(&any), any.length), IOCP_OK);
    if (contract_is_wine()) {
        skip(); /* it takes them at any time */
    }
    assert_int_equal(iocp_socket_set_option(loop, handle, IOCP_SOCKET_REUSE_ADDRESS, 1),
                     IOCP_EINVAL);
}

/* ---- Groups of one sender ---- */

typedef struct member {
    iocp_handle_t handle;
    contract_address group;
    contract_record record;
    char data[8];
} member;

static void member__open(iocp_loop_t *loop, member *m)
{
    contract_address any = contract_any(AF_INET, 0);
    m->handle = contract_datagram_open(loop, AF_INET);
    assert_int_equal(iocp_socket_bind(loop, m->handle, contract_sockaddr(&any), any.length),
                     IOCP_OK);
    contract_address name = contract_datagram_name(loop, m->handle);
    m->group = contract_datagram_group(AF_INET, contract_port(&name));
}

static int member__join(iocp_loop_t *loop, const member *m, uint32_t host)
{
    contract_address source = contract_datagram_ipv4(host, 0);
    return iocp_socket_join_source(loop, m->handle, contract_sockaddr(&m->group), m->group.length,
                                   contract_sockaddr(&source), source.length, 0);
}

static int member__leave(iocp_loop_t *loop, const member *m, uint32_t host)
{
    contract_address source = contract_datagram_ipv4(host, 0);
    return iocp_socket_leave_source(loop, m->handle, contract_sockaddr(&m->group), m->group.length,
                                    contract_sockaddr(&source), source.length, 0);
}

#define A_STRANGER 0xc0000201u /* 192.0.2.1, for documentation: RFC 5737 */

/* Wine 8 gives Linux the request as it is, which has its members in another order. */
static void a_member_for_one_sender_does_not_hear_the_others(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    member m = {0};
    member__open(loop, &m);
    iocp_handle_t sender = contract_datagram_open(loop, AF_INET);
    if (contract_is_wine() ||
        contract_datagram_try_send(loop, sender, &m.group, "group", 5) != IOCP_OK) {
        print_message("no groups of one sender, or no route to one\n");
        skip();
    }
    assert_int_equal(member__join(loop, &m, A_STRANGER), IOCP_OK);
    contract_datagram_start(loop, m.handle, m.data, sizeof m.data, &m.record);
    contract_datagram_send(loop, sender, &m.group, "away", 4);
    contract_idle(loop);
    assert_int_equal(m.record.calls, 0);
    assert_int_equal(member__leave(loop, &m, A_STRANGER), IOCP_OK);
    assert_int_not_equal(member__leave(loop, &m, A_STRANGER), IOCP_OK);
    assert_int_equal(
        iocp_socket_join(loop, m.handle, contract_sockaddr(&m.group), m.group.length, 0), IOCP_OK);
    contract_datagram_send(loop, sender, &m.group, "here", 4);
    contract_datagram_expect(loop, &m.record, 4);
    assert_memory_equal(m.data, "here", 4);
}

/* In the simulation all that is sent comes from the loopback address. */
static void a_member_for_one_sender_hears_that_one(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    member m = {0};
    if (!has_all) {
        skip(); /* which of its addresses a machine sends from is its own affair */
    }
    member__open(loop, &m);
    iocp_handle_t sender = contract_datagram_open(loop, AF_INET);
    assert_int_equal(member__join(loop, &m, A_STRANGER), IOCP_OK);
    assert_int_equal(member__join(loop, &m, INADDR_LOOPBACK), IOCP_OK);
    contract_datagram_start(loop, m.handle, m.data, sizeof m.data, &m.record);
    contract_datagram_send(loop, sender, &m.group, "here", 4);
    contract_datagram_expect(loop, &m.record, 4);
}

static void a_group_is_joined_as_a_whole_or_by_its_senders(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    member m = {0};
    if (contract_is_wine()) {
        skip(); /* it takes the group for the sender */
    }
    member__open(loop, &m);
    const struct sockaddr *group = contract_sockaddr(&m.group);
    assert_int_equal(iocp_socket_join(loop, m.handle, group, m.group.length, 0), IOCP_OK);
    assert_int_not_equal(member__join(loop, &m, A_STRANGER), IOCP_OK);
}

static void a_sender_has_an_address_of_the_sockets_family(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    member m = {0};
    contract_address other = contract_loopback(AF_INET6, 0);
    member__open(loop, &m);
    const struct sockaddr *group = contract_sockaddr(&m.group);
    size_t length = m.group.length;
    assert_int_equal(iocp_socket_join_source(loop, m.handle, group, length,
                                             contract_sockaddr(&other), other.length, 0),
                     IOCP_EINVAL);
    assert_int_equal(iocp_socket_join_source(loop, m.handle, group, length, group, length - 1, 0),
                     IOCP_EINVAL);
    assert_int_equal(iocp_socket_join_source(loop, m.handle, group, length, NULL, length, 0),
                     IOCP_EINVAL);
    assert_int_equal(iocp_socket_leave_source(loop, m.handle, group, length, NULL, length, 0),
                     IOCP_EINVAL);
    assert_int_equal(iocp_socket_leave_source(NULL, m.handle, group, length, group, length, 0),
                     IOCP_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TEST(no_option_is_missing_here),
        CONTRACT_TEST(a_socket_of_another_kind_does_not_have_it),
        CONTRACT_TEST(what_can_only_be_read_or_only_be_set_says_so),
        CONTRACT_TEST(a_value_outside_its_range_is_refused_and_changes_nothing),
        CONTRACT_TEST(a_value_that_was_set_is_told),
        CONTRACT_TEST(a_value_is_read_or_it_is_said_why_not),
        CONTRACT_TEST(a_socket_tells_its_family_and_its_type),
        CONTRACT_TEST(what_is_there_to_be_received_is_counted),
        CONTRACT_TEST(a_socket_that_is_bound_is_too_late_for_some),
        CONTRACT_TEST(a_member_for_one_sender_does_not_hear_the_others),
        CONTRACT_TEST(a_member_for_one_sender_hears_that_one),
        CONTRACT_TEST(a_group_is_joined_as_a_whole_or_by_its_senders),
        CONTRACT_TEST(a_sender_has_an_address_of_the_sockets_family),
    };
    return CONTRACT_RUN(tests);
}
