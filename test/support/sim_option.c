#include "sim_option.h"

#include "sim_datagram.h"

#include <sys/socket.h>

#define OPTION_MTU_BYTES     1500
#define OPTION_BACKLOG_BYTES 65536

/* Which sockets have an option, and what may be done with it. */
enum {
    OF_STREAMS = 1,
    OF_DATAGRAMS = 2,
    OF_IPV6 = 4,   /* and of no others */
    OF_UNIX = 128, /* too */
    MAY_GET = 8,
    MAY_SET = 16,
    BEFORE_BIND = 32,
    CONNECTED = 64, /* to be read */
    OF_BOTH = OF_STREAMS | OF_DATAGRAMS,
    MAY_BOTH = MAY_GET | MAY_SET
};

typedef struct option_row {
    int traits;
    int least;
    int most;
    int initial;
    int (*get)(const sim_socket *socket); /* NULL: as it was set */
} option_row;

static int option__family(const sim_socket *socket)
{
    return socket->family;
}

static int option__type(const sim_socket *socket)
{
    return socket->datagrams == NULL ? SOCK_STREAM : SOCK_DGRAM;
}

static int option__available(const sim_socket *socket)
{
    return (int)(socket->datagrams == NULL ? socket->incoming_bytes
                                           : sim_datagram_queued_bytes(socket));
}

static const option_row option_rows[IOCP_SOCKET_OPTIONS] = {
    [IOCP_SOCKET_NODELAY] = {OF_STREAMS | MAY_BOTH, 0, 1},
    [IOCP_SOCKET_KEEPALIVE] = {OF_STREAMS | MAY_BOTH, 0, 1},
    [IOCP_SOCKET_RECV_BUFFER] = {OF_BOTH | OF_UNIX | MAY_BOTH, 0, INT32_MAX},
    [IOCP_SOCKET_SEND_BUFFER] = {OF_BOTH | OF_UNIX | MAY_BOTH, 0, INT32_MAX, 65536},
    [IOCP_SOCKET_LINGER] = {OF_STREAMS | OF_UNIX | MAY_BOTH, -1, UINT16_MAX, -1},
    [IOCP_SOCKET_V6ONLY] = {OF_BOTH | OF_IPV6 | MAY_BOTH | BEFORE_BIND, 0, 1, 1},
    [IOCP_SOCKET_EXCLUSIVE] = {OF_BOTH | MAY_BOTH | BEFORE_BIND, 0, 1},
    [IOCP_SOCKET_REUSE_ADDRESS] = {OF_BOTH | MAY_BOTH | BEFORE_BIND, 0, 1},
    [IOCP_SOCKET_ERROR] = {OF_BOTH | OF_UNIX | MAY_GET},
    [IOCP_SOCKET_BROADCAST] = {OF_DATAGRAMS | MAY_BOTH, 0, 1},
    [IOCP_SOCKET_MULTICAST_LOOP] = {OF_DATAGRAMS | MAY_BOTH, 0, 1, 1},
    [IOCP_SOCKET_MULTICAST_HOPS] = {OF_DATAGRAMS | MAY_BOTH, 0, UINT8_MAX, 1},
    [IOCP_SOCKET_UNREACHABLE] = {OF_DATAGRAMS | MAY_SET, 0, 1},
    [IOCP_SOCKET_MULTICAST_INTERFACE] = {OF_DATAGRAMS | MAY_BOTH, 0, 0xffffff},
    [IOCP_SOCKET_RECV_LOCAL] = {OF_DATAGRAMS | MAY_BOTH, 0, 1},
    [IOCP_SOCKET_RECV_HOPS] = {OF_DATAGRAMS | MAY_BOTH, 0, 1},
    [IOCP_SOCKET_RECV_ECN] = {OF_DATAGRAMS | MAY_BOTH, 0, 1},
    [IOCP_SOCKET_RECV_SEGMENTS] = {OF_DATAGRAMS | MAY_BOTH, 0, UINT16_MAX},
    [IOCP_SOCKET_MTU_DISCOVER] = {OF_BOTH | MAY_BOTH, 0, 3},
    [IOCP_SOCKET_MTU] = {OF_BOTH | MAY_GET | CONNECTED, 0, 0, OPTION_MTU_BYTES},
    [IOCP_SOCKET_SEND_SEGMENTS] = {OF_DATAGRAMS | MAY_GET, 0, 0, 1},
    [IOCP_SOCKET_KEEPALIVE_IDLE] = {OF_STREAMS | MAY_BOTH, 1, INT16_MAX, 7200},
    [IOCP_SOCKET_KEEPALIVE_INTERVAL] = {OF_STREAMS | MAY_BOTH, 1, INT16_MAX, 1},
    [IOCP_SOCKET_KEEPALIVE_COUNT] = {OF_STREAMS | MAY_BOTH, 1, UINT8_MAX, 10},
    [IOCP_SOCKET_RETRY_LIMIT] = {OF_STREAMS | MAY_BOTH, -1, INT32_MAX, 21},
    [IOCP_SOCKET_INITIAL_RTO] = {OF_STREAMS | MAY_SET, 0, UINT16_MAX - 1},
    [IOCP_SOCKET_ACK_FREQUENCY] = {OF_STREAMS | MAY_SET, 1, UINT8_MAX},
    [IOCP_SOCKET_TIMESTAMPS] = {OF_STREAMS | MAY_BOTH, 0, 1},
    [IOCP_SOCKET_FAST_OPEN] = {OF_STREAMS | MAY_BOTH, 0, 1},
    [IOCP_SOCKET_OOB_INLINE] = {OF_STREAMS | MAY_BOTH, 0, 1},
    [IOCP_SOCKET_AVAILABLE] = {OF_BOTH | OF_UNIX | MAY_GET, .get = option__available},
    [IOCP_SOCKET_HOPS] = {OF_BOTH | MAY_BOTH, 1, UINT8_MAX, 128},
    [IOCP_SOCKET_INTERFACE] = {OF_BOTH | MAY_BOTH, 0, 0xffffff},
    [IOCP_SOCKET_RANDOM_PORT] = {OF_BOTH | MAY_BOTH | BEFORE_BIND, 0, 1},
    [IOCP_SOCKET_FAMILY] = {OF_BOTH | OF_UNIX | MAY_GET, .get = option__family},
    [IOCP_SOCKET_TYPE] = {OF_BOTH | OF_UNIX | MAY_GET, .get = option__type},
    [IOCP_SOCKET_TRAFFIC_CLASS] = {OF_BOTH | MAY_BOTH, 0, UINT8_MAX},
    [IOCP_SOCKET_DONT_FRAGMENT] = {OF_DATAGRAMS | MAY_BOTH, 0, 1},
    [IOCP_SOCKET_MTU_LIMIT] = {OF_DATAGRAMS | MAY_BOTH, 0, INT32_MAX},
    [IOCP_SOCKET_REUSE_UNICAST_PORT] = {OF_STREAMS | MAY_BOTH | BEFORE_BIND, 0, 1},
    [IOCP_SOCKET_CONDITIONAL_ACCEPT] = {OF_STREAMS | MAY_BOTH, 0, 1},
    [IOCP_SOCKET_FAIL_ON_ICMP] = {OF_STREAMS | MAY_BOTH, 0, 1},
    [IOCP_SOCKET_IDEAL_BACKLOG] = {OF_STREAMS | MAY_GET | CONNECTED, 0, 0, OPTION_BACKLOG_BYTES},
    [IOCP_SOCKET_RSS] = {OF_BOTH | MAY_GET},
    [IOCP_SOCKET_PROCESSOR] = {OF_BOTH | MAY_GET | CONNECTED},
    [IOCP_SOCKET_AFFINITY] = {OF_DATAGRAMS | MAY_SET | BEFORE_BIND, 0, UINT16_MAX},
};

void sim_option_init(sim_socket *socket)
{
    for (size_t i = 0; i < IOCP_SOCKET_OPTIONS; i++) {
        socket->options[i] = option_rows[i].initial;
    }
    socket->options[IOCP_SOCKET_RECV_BUFFER] = (int)socket->capacity_bytes;
}

static bool option__has(const sim_socket *socket, int traits)
{
    int kind = socket->datagrams == NULL ? OF_STREAMS : OF_DATAGRAMS;
    return (traits & kind) != 0 && ((traits & OF_IPV6) == 0 || socket->family == AF_INET6) &&
           ((traits & OF_UNIX) != 0 || socket->family != AF_UNIX);
}

int sim_option_set(sim_socket *socket, iocp_socket_option_t option, int value)
{
    const option_row *row = &option_rows[option];
    if ((row->traits & MAY_SET) == 0 || value < row->least || value > row->most) {
        return IOCP_EINVAL;
    }
    if (!option__has(socket, row->traits)) {
        return IOCP_ENOPROTOOPT;
    }
    if ((row->traits & BEFORE_BIND) != 0 && socket->is_bound) {
        return IOCP_EINVAL;
    }
    socket->options[option] = value;
    return IOCP_OK;
}

int sim_option_get(const sim_socket *socket, iocp_socket_option_t option, int *value)
{
    const option_row *row = &option_rows[option];
    if ((row->traits & MAY_GET) == 0 || !option__has(socket, row->traits)) {
        return IOCP_ENOPROTOOPT;
    }
    if ((row->traits & CONNECTED) != 0 && socket->state != SIM_CONNECTED) {
        return IOCP_ENOTCONN;
    }
    *value = row->get != NULL ? row->get(socket) : socket->options[option];
    return IOCP_OK;
}
