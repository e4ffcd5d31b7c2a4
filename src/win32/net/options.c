#include "options.h"

#include "family.h"
#include "winsock.h"

#include <string.h>

#define STREAM   IOC_ON(IOCP_HANDLE_STREAM)
#define DATAGRAM IOC_ON(IOCP_HANDLE_DATAGRAM)
#define ANY      (STREAM | DATAGRAM)

/* What may be done with an option. */
enum {
    OPTION_GET = 1,
    OPTION_SET = 2,
    OPTION_BOTH = OPTION_GET | OPTION_SET
};

/* As setsockopt has it, or a request of WSAIoctl's, which has no level. */
typedef struct option_name {
    int level;
    int name;
} option_name;

/* One reading or writing. */
typedef struct option_use {
    ioc_win_port *port;
    ioc_win_handle *handle;
    option_name native;
} option_use;

/* How an option is written and read: its type, and what else is to be done. */
typedef struct option_way {
    int (*set)(const option_use *use, int value);
    int (*get)(const option_use *use, int *value);
} option_way;

typedef struct option_row {
    uint32_t handles; /* the kinds of socket that have it */
    int rights;       /* OPTION_ */
    int least;        /* of the values that may be set */
    int most;
    option_name on[IOC_FAMILIES]; /* name 0: sockets of the family do not have it */
    const option_way *way;
} option_row;

/* ---- By setsockopt and getsockopt ---- */

static int option__write(const option_use *use, const void *value, int size)
{
    const ioc_win_port *port = use->port;
    int status = port->sys->setsockopt(use->handle->socket, use->native.level, use->native.name,
                                       value, size);
    return status == 0 ? IOCP_OK : ioc_port_fail_winsock(use->port);
}

/* Some write less than they have room for. */
static int option__read(const option_use *use, void *value, int size)
{
    const ioc_win_port *port = use->port;
    memset(value, 0, (size_t)size);
    int status = port->sys->getsockopt(use->handle->socket, use->native.level, use->native.name,
                                       value, &size);
    return status == 0 ? IOCP_OK : ioc_port_fail_winsock(use->port);
}

static int option__set_int(const option_use *use, int value)
{
    return option__write(use, &value, (int)sizeof value);
}

static int option__get_int(const option_use *use, int *value)
{
    int number;
    int status = option__read(use, &number, (int)sizeof number);
    *value = status == IOCP_OK ? number : *value;
    return status;
}

static int option__set_linger(const option_use *use, int value)
{
    struct linger linger = {.l_onoff = value >= 0, .l_linger = (u_short)(value >= 0 ? value : 0)};
    return option__write(use, &linger, (int)sizeof linger);
}

static int option__get_linger(const option_use *use, int *value)
{
    struct linger linger;
    int status = option__read(use, &linger, (int)sizeof linger);
    if (status == IOCP_OK) {
        *value = linger.l_onoff ? linger.l_linger : -1;
    }
    return status;
}

/* From here on it is the program's to say, and bind leaves it alone. */
static int option__set_sharing(const option_use *use, int value)
{
    int status = option__set_int(use, value);
    use->handle->is_shared = use->handle->is_shared || status == IOCP_OK;
    return status;
}

/* IPv4 takes the number of an interface in the network's order, and tells it in ours. */
static int option__set_interface(const option_use *use, int value)
{
    return option__set_int(use,
                           use->native.level == IPPROTO_IP ? (int)htonl((u_long)value) : value);
}

/* No limit is IP_UNSPECIFIED_USER_MTU, with all bits set. */
static int option__set_limit(const option_use *use, int value)
{
    return option__set_int(use, value == 0 ? -1 : value);
}

static int option__get_limit(const option_use *use, int *value)
{
    int status = option__get_int(use, value);
    if (status == IOCP_OK && *value == -1) {
        *value = 0;
    }
    return status;
}

/* A system that has no options of UDP calls the level invalid; the value is not. */
static int option__status_of_udp(int status)
{
    return status == IOCP_EINVAL ? IOCP_ENOPROTOOPT : status;
}

static int option__set_segments(const option_use *use, int value)
{
    return option__status_of_udp(option__set_int(use, value));
}

static int option__get_segments(const option_use *use, int *value)
{
    return option__status_of_udp(option__get_int(use, value));
}

/* To try it out would leave it on: it is only read, and whether that works is the answer. */
static int option__has_segments(const option_use *use, int *value)
{
    int segment_bytes = 0;
    int status = option__get_segments(use, &segment_bytes);
    if (status != IOCP_OK && status != IOCP_ENOPROTOOPT) {
        return status;
    }
    *value = status == IOCP_OK;
    return IOCP_OK;
}

/* ---- By WSAIoctl ---- */

static int option__request(const option_use *use, void *data, DWORD size)
{
    bool is_done = ioc_winsock_request(use->port->sys, use->handle->socket, (DWORD)use->native.name,
                                       data, size);
    return is_done ? IOCP_OK : ioc_port_fail_winsock(use->port);
}

static int option__query(const option_use *use, void *answer, DWORD size)
{
    memset(answer, 0, size);
    bool is_done = ioc_winsock_query(use->port->sys, use->handle->socket, (DWORD)use->native.name,
                                     answer, size);
    return is_done ? IOCP_OK : ioc_port_fail_winsock(use->port);
}

static int option__request_byte(const option_use *use, int value)
{
    uint8_t byte = (uint8_t)value;
    return option__request(use, &byte, sizeof byte);
}

static int option__request_word(const option_use *use, int value)
{
    uint16_t word = (uint16_t)value;
    return option__request(use, &word, sizeof word);
}

static int option__request_rto(const option_use *use, int value)
{
    ioc_initial_rto rto = {.rtt = (USHORT)value,
                           .max_syn_retransmissions = IOC_RTO_UNSPECIFIED_RETRANSMISSIONS};
    return option__request(use, &rto, sizeof rto);
}

/* Of four bytes, or of the first one. */
static int option__query_int(const option_use *use, int *value)
{
    int number;
    int status = option__query(use, &number, sizeof number);
    *value = status == IOCP_OK ? number : *value;
    return status;
}

/* SOCKET_PROCESSOR_AFFINITY of <ws2def.h>, which not every header set has. */
typedef struct option_affinity {
    PROCESSOR_NUMBER processor;
    USHORT numa_node;
    USHORT reserved;
} option_affinity;

static int option__query_processor(const option_use *use, int *value)
{
    option_affinity affinity;
    int status = option__query(use, &affinity, sizeof affinity);
    if (status == IOCP_OK) {
        *value = affinity.processor.Group * 64 + affinity.processor.Number;
    }
    return status;
}

static bool option__switch(ioc_win_port *port, SOCKET socket, DWORD request, BOOL value)
{
    return ioc_winsock_request(port->sys, socket, request, &value, sizeof value);
}

/*
 * Not an error if the system does not know the request: then it does not report it, either. The
 * second of the two requests came later than the first.
 */
int ioc_options_report_unreachable(ioc_win_port *port, SOCKET socket, bool is_reported)
{
    bool is_switched = option__switch(port, socket, SIO_UDP_CONNRESET, is_reported);
    int status = is_switched || !is_reported ? IOCP_OK : ioc_port_fail_winsock(port);
    (void)option__switch(port, socket, SIO_UDP_NETRESET, is_reported);
    return status;
}

static int option__set_unreachable(const option_use *use, int value)
{
    return ioc_options_report_unreachable(use->port, use->handle->socket, value != 0);
}

/* ---- What the handle knows ---- */

static int option__family(const option_use *use, int *value)
{
    *value = use->handle->family->number;
    return IOCP_OK;
}

static int option__type(const option_use *use, int *value)
{
    *value = use->handle->handle.kind == IOCP_HANDLE_STREAM ? SOCK_STREAM : SOCK_DGRAM;
    return IOCP_OK;
}

/* ---- The table ---- */

static const option_way option_int = {option__set_int, option__get_int};
static const option_way option_linger = {option__set_linger, option__get_linger};
static const option_way option_sharing = {option__set_sharing, option__get_int};
static const option_way option_interface = {option__set_interface, option__get_int};
static const option_way option_limit = {option__set_limit, option__get_limit};
static const option_way option_segments = {option__set_segments, option__get_segments};
static const option_way option_has_segments = {.get = option__has_segments};
static const option_way option_unreachable = {.set = option__set_unreachable};
static const option_way option_byte = {.set = option__request_byte};
static const option_way option_word = {.set = option__request_word};
static const option_way option_rto = {.set = option__request_rto};
static const option_way option_answer = {.get = option__query_int};
static const option_way option_processor = {.get = option__query_processor};
static const option_way option_of_family = {.get = option__family};
static const option_way option_of_type = {.get = option__type};

#define OPTION_AT(level, name) \
    {                          \
        (level), (name)        \
    }

/* The same name for both families of IP, or for every family; each with its own; a request. */
#define OPTION_NAME(level, name)                                                 \
    {                                                                            \
        [IOC_IPV4] = OPTION_AT(level, name), [IOC_IPV6] = OPTION_AT(level, name) \
    }
#define OPTION_IP(ipv4, ipv6)                                                                \
    {                                                                                        \
        [IOC_IPV4] = OPTION_AT(IPPROTO_IP, ipv4), [IOC_IPV6] = OPTION_AT(IPPROTO_IPV6, ipv6) \
    }
#define OPTION_EVERY(level, name)                                                 \
    {                                                                             \
        [IOC_IPV4] = OPTION_AT(level, name), [IOC_IPV6] = OPTION_AT(level, name), \
        [IOC_LOCAL] = OPTION_AT(level, name)                                      \
    }
#define OPTION_REQUEST(code) OPTION_NAME(0, (int)(code))
#define OPTION_INDEX_MOST    0xffffff /* an interface's number has 24 bits: see IP_MULTICAST_IF */

/* A name that is not used says which families have the option. */
static const option_row option_rows[IOCP_SOCKET_OPTIONS] = {
    [IOCP_SOCKET_NODELAY] = {STREAM, OPTION_BOTH, 0, 1, OPTION_NAME(IPPROTO_TCP, TCP_NODELAY),
                             &option_int},
    [IOCP_SOCKET_KEEPALIVE] = {STREAM, OPTION_BOTH, 0, 1, OPTION_NAME(SOL_SOCKET, SO_KEEPALIVE),
                               &option_int},
    [IOCP_SOCKET_RECV_BUFFER] = {ANY, OPTION_BOTH, 0, INT32_MAX,
                                 OPTION_EVERY(SOL_SOCKET, SO_RCVBUF), &option_int},
    [IOCP_SOCKET_SEND_BUFFER] = {ANY, OPTION_BOTH, 0, INT32_MAX,
                                 OPTION_EVERY(SOL_SOCKET, SO_SNDBUF), &option_int},
    [IOCP_SOCKET_LINGER] = {STREAM, OPTION_BOTH, -1, UINT16_MAX,
                            OPTION_EVERY(SOL_SOCKET, SO_LINGER), &option_linger},
    [IOCP_SOCKET_V6ONLY] =
        {ANY, OPTION_BOTH, 0, 1, {[IOC_IPV6] = OPTION_AT(IPPROTO_IPV6, IPV6_V6ONLY)}, &option_int},
    [IOCP_SOCKET_EXCLUSIVE] = {ANY, OPTION_BOTH, 0, 1,
                               OPTION_NAME(SOL_SOCKET, (int)SO_EXCLUSIVEADDRUSE), &option_sharing},
    [IOCP_SOCKET_REUSE_ADDRESS] = {ANY, OPTION_BOTH, 0, 1, OPTION_NAME(SOL_SOCKET, SO_REUSEADDR),
                                   &option_sharing},
    [IOCP_SOCKET_ERROR] = {ANY, OPTION_GET, 0, 0, OPTION_EVERY(SOL_SOCKET, SO_ERROR), &option_int},
    [IOCP_SOCKET_BROADCAST] = {DATAGRAM, OPTION_BOTH, 0, 1, OPTION_NAME(SOL_SOCKET, SO_BROADCAST),
                               &option_int},
    [IOCP_SOCKET_MULTICAST_LOOP] = {DATAGRAM, OPTION_BOTH, 0, 1,
                                    OPTION_IP(IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP), &option_int},
    [IOCP_SOCKET_MULTICAST_HOPS] = {DATAGRAM, OPTION_BOTH, 0, UINT8_MAX,
                                    OPTION_IP(IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS), &option_int},
    [IOCP_SOCKET_UNREACHABLE] = {DATAGRAM, OPTION_SET, 0, 1, OPTION_REQUEST(SIO_UDP_CONNRESET),
                                 &option_unreachable},
    [IOCP_SOCKET_MULTICAST_INTERFACE] = {DATAGRAM, OPTION_BOTH, 0, OPTION_INDEX_MOST,
                                         OPTION_IP(IP_MULTICAST_IF, IPV6_MULTICAST_IF),
                                         &option_interface},
    [IOCP_SOCKET_RECV_LOCAL] = {DATAGRAM, OPTION_BOTH, 0, 1, OPTION_IP(IP_PKTINFO, IPV6_PKTINFO),
                                &option_int},
    [IOCP_SOCKET_RECV_HOPS] = {DATAGRAM, OPTION_BOTH, 0, 1, OPTION_IP(IP_HOPLIMIT, IPV6_HOPLIMIT),
                               &option_int},
    [IOCP_SOCKET_RECV_ECN] = {DATAGRAM, OPTION_BOTH, 0, 1, OPTION_IP(IP_RECVECN, IPV6_RECVECN),
                              &option_int},
    [IOCP_SOCKET_RECV_SEGMENTS] = {DATAGRAM, OPTION_BOTH, 0, UINT16_MAX,
                                   OPTION_NAME(IPPROTO_UDP, UDP_RECV_MAX_COALESCED_SIZE),
                                   &option_segments},
    [IOCP_SOCKET_MTU_DISCOVER] = {ANY, OPTION_BOTH, 0, 3,
                                  OPTION_IP(IP_MTU_DISCOVER, IPV6_MTU_DISCOVER), &option_int},
    [IOCP_SOCKET_MTU] = {ANY, OPTION_GET, 0, 0, OPTION_IP(IP_MTU, IPV6_MTU), &option_int},
    [IOCP_SOCKET_SEND_SEGMENTS] = {DATAGRAM, OPTION_GET, 0, 0,
                                   OPTION_NAME(IPPROTO_UDP, UDP_SEND_MSG_SIZE),
                                   &option_has_segments},
    [IOCP_SOCKET_KEEPALIVE_IDLE] = {STREAM, OPTION_BOTH, 1, INT16_MAX,
                                    OPTION_NAME(IPPROTO_TCP, TCP_KEEPIDLE), &option_int},
    [IOCP_SOCKET_KEEPALIVE_INTERVAL] = {STREAM, OPTION_BOTH, 1, INT16_MAX,
                                        OPTION_NAME(IPPROTO_TCP, TCP_KEEPINTVL), &option_int},
    [IOCP_SOCKET_KEEPALIVE_COUNT] = {STREAM, OPTION_BOTH, 1, UINT8_MAX,
                                     OPTION_NAME(IPPROTO_TCP, TCP_KEEPCNT), &option_int},
    [IOCP_SOCKET_RETRY_LIMIT] = {STREAM, OPTION_BOTH, -1, INT32_MAX,
                                 OPTION_NAME(IPPROTO_TCP, TCP_MAXRT), &option_int},
    [IOCP_SOCKET_INITIAL_RTO] = {STREAM, OPTION_SET, 0, UINT16_MAX - 1,
                                 OPTION_REQUEST(SIO_TCP_INITIAL_RTO), &option_rto},
    [IOCP_SOCKET_ACK_FREQUENCY] = {STREAM, OPTION_SET, 1, UINT8_MAX,
                                   OPTION_REQUEST(SIO_TCP_SET_ACK_FREQUENCY), &option_byte},
    [IOCP_SOCKET_TIMESTAMPS] = {STREAM, OPTION_BOTH, 0, 1, OPTION_NAME(IPPROTO_TCP, TCP_TIMESTAMPS),
                                &option_int},
    [IOCP_SOCKET_FAST_OPEN] = {STREAM, OPTION_BOTH, 0, 1, OPTION_NAME(IPPROTO_TCP, TCP_FASTOPEN),
                               &option_int},
    [IOCP_SOCKET_OOB_INLINE] = {STREAM, OPTION_BOTH, 0, 1, OPTION_NAME(SOL_SOCKET, SO_OOBINLINE),
                                &option_int},
    [IOCP_SOCKET_AVAILABLE] = {ANY, OPTION_GET, 0, 0, OPTION_EVERY(0, (int)FIONREAD),
                               &option_answer},
    [IOCP_SOCKET_HOPS] = {ANY, OPTION_BOTH, 1, UINT8_MAX, OPTION_IP(IP_TTL, IPV6_UNICAST_HOPS),
                          &option_int},
    [IOCP_SOCKET_INTERFACE] = {ANY, OPTION_BOTH, 0, OPTION_INDEX_MOST,
                               OPTION_IP(IP_UNICAST_IF, IPV6_UNICAST_IF), &option_interface},
    [IOCP_SOCKET_RANDOM_PORT] = {ANY, OPTION_BOTH, 0, 1, OPTION_NAME(SOL_SOCKET, SO_RANDOMIZE_PORT),
                                 &option_int},
    [IOCP_SOCKET_FAMILY] = {ANY, OPTION_GET, 0, 0, OPTION_EVERY(SOL_SOCKET, SO_TYPE),
                            &option_of_family},
    [IOCP_SOCKET_TYPE] = {ANY, OPTION_GET, 0, 0, OPTION_EVERY(SOL_SOCKET, SO_TYPE),
                          &option_of_type},
    [IOCP_SOCKET_TRAFFIC_CLASS] = {ANY, OPTION_BOTH, 0, UINT8_MAX, OPTION_IP(IP_TOS, IPV6_TCLASS),
                                   &option_int},
    [IOCP_SOCKET_DONT_FRAGMENT] = {DATAGRAM, OPTION_BOTH, 0, 1,
                                   OPTION_IP(IP_DONTFRAGMENT, IPV6_DONTFRAG), &option_int},
    [IOCP_SOCKET_MTU_LIMIT] = {DATAGRAM, OPTION_BOTH, 0, INT32_MAX,
                               OPTION_IP(IP_USER_MTU, IPV6_USER_MTU), &option_limit},
    [IOCP_SOCKET_REUSE_UNICAST_PORT] = {STREAM, OPTION_BOTH, 0, 1,
                                        OPTION_NAME(SOL_SOCKET, SO_REUSE_UNICASTPORT), &option_int},
    [IOCP_SOCKET_CONDITIONAL_ACCEPT] = {STREAM, OPTION_BOTH, 0, 1,
                                        OPTION_NAME(SOL_SOCKET, SO_CONDITIONAL_ACCEPT),
                                        &option_int},
    [IOCP_SOCKET_FAIL_ON_ICMP] = {STREAM, OPTION_BOTH, 0, 1,
                                  OPTION_NAME(IPPROTO_TCP, TCP_FAIL_CONNECT_ON_ICMP_ERROR),
                                  &option_int},
    [IOCP_SOCKET_IDEAL_BACKLOG] = {STREAM, OPTION_GET, 0, 0,
                                   OPTION_REQUEST(SIO_IDEAL_SEND_BACKLOG_QUERY), &option_answer},
    [IOCP_SOCKET_RSS] = {ANY, OPTION_GET, 0, 0, OPTION_REQUEST(SIO_QUERY_RSS_SCALABILITY_INFO),
                         &option_answer},
    [IOCP_SOCKET_PROCESSOR] = {ANY, OPTION_GET, 0, 0, OPTION_REQUEST(SIO_QUERY_RSS_PROCESSOR_INFO),
                               &option_processor},
    [IOCP_SOCKET_AFFINITY] = {DATAGRAM, OPTION_SET, 0, UINT16_MAX, OPTION_REQUEST(SIO_CPU_AFFINITY),
                              &option_word},
};

/* The public function has refused what is no option. */
static const option_row *option__row(iocp_socket_option_t option)
{
    IOC_ASSERT(option > 0 && (size_t)option < IOC_COUNT_OF(option_rows));
    return &option_rows[option];
}

/* False: the socket does not have it. Not every system says so of its own accord. */
static bool option__begin(option_use *use, ioc_port *port, ioc_handle *handle,
                          const option_row *row)
{
    use->port = ioc_win_port_of(port);
    use->handle = ioc_win_handle_of(handle);
    use->native = row->on[ioc_family_place(use->handle->family)];
    return (row->handles & IOC_ON(handle->kind)) != 0 && use->native.name != 0;
}

/* The socket has it: so it is the system that does not. */
static int option__end(int status)
{
    return status == IOCP_ENOPROTOOPT ? IOCP_ENOTSUP : status;
}

/* What is IP's own a dual stack socket has twice. */
static bool option__is_twofold(const option_use *use)
{
    option_use dual = *use;
    int is_ipv6_only = 1;
    dual.native = option_rows[IOCP_SOCKET_V6ONLY].on[IOC_IPV6];
    return use->native.level == IPPROTO_IPV6 && use->native.name != dual.native.name &&
           option__get_int(&dual, &is_ipv6_only) == IOCP_OK && !is_ipv6_only;
}

/* If IPv4 does not take it IPv6 has again what it had. */
static int option__set_both(const option_row *row, const option_use *use, int value)
{
    option_use mapped = *use;
    int former = 0;
    mapped.native = row->on[IOC_IPV4];
    int status = row->way->get(use, &former);
    if (status == IOCP_OK) {
        status = row->way->set(use, value);
    }
    if (status != IOCP_OK) {
        return status;
    }
    status = row->way->set(&mapped, value);
    if (status != IOCP_OK) {
        (void)row->way->set(use, former);
    }
    return status;
}

int ioc_options_set(ioc_port *port, ioc_handle *handle, iocp_socket_option_t option, int value)
{
    const option_row *row = option__row(option);
    option_use use;
    if ((row->rights & OPTION_SET) == 0 || value < row->least || value > row->most) {
        return IOCP_EINVAL;
    }
    if (!option__begin(&use, port, handle, row)) {
        return IOCP_ENOPROTOOPT;
    }
    return option__end(option__is_twofold(&use) ? option__set_both(row, &use, value)
                                                : row->way->set(&use, value));
}

int ioc_options_get(ioc_port *port, ioc_handle *handle, iocp_socket_option_t option, int *value)
{
    const option_row *row = option__row(option);
    option_use use;
    if ((row->rights & OPTION_GET) == 0 || !option__begin(&use, port, handle, row)) {
        return IOCP_ENOPROTOOPT;
    }
    return option__end(row->way->get(&use, value));
}
