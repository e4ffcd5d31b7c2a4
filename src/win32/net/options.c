#include "options.h"

#include "family.h"
#include "winsock.h"

#define STREAM   IOC_ON(IOCP_HANDLE_STREAM)
#define DATAGRAM IOC_ON(IOCP_HANDLE_DATAGRAM)
#define ANY      (STREAM | DATAGRAM)

/* What may be done with an option. */
enum {
    OPTION_GET = 1,
    OPTION_SET = 2,
    OPTION_BOTH = OPTION_GET | OPTION_SET
};

typedef struct option_name {
    int level;
    int name;
} option_name;

typedef struct option_row option_row;

struct option_row {
    uint32_t handles; /* the kinds of socket that have it */
    int rights;       /* OPTION_ */
    int least;        /* of the values that may be set */
    int most;
    option_name on_ipv4; /* name 0: sockets of the family do not have it */
    option_name on_ipv6;
    int (*set)(ioc_win_port *port, ioc_win_handle *handle, option_name native, int value);
    int (*get)(ioc_win_port *port, const ioc_win_handle *handle, option_name native, int *value);
};

/* ---- How options are read and written ---- */

static int option__set_int(ioc_win_port *port, ioc_win_handle *handle, option_name native,
                           int value)
{
    int status = port->sys->setsockopt(handle->socket, native.level, native.name,
                                       (const char *)&value, (int)sizeof value);
    return status == 0 ? IOCP_OK : ioc_port_fail_winsock(port);
}

static int option__get_int(ioc_win_port *port, const ioc_win_handle *handle, option_name native,
                           int *value)
{
    int number = 0; /* some options write less than an int */
    int size = (int)sizeof number;
    if (port->sys->getsockopt(handle->socket, native.level, native.name, (char *)&number, &size) !=
        0) {
        return ioc_port_fail_winsock(port);
    }
    *value = number;
    return IOCP_OK;
}

static int option__set_linger(ioc_win_port *port, ioc_win_handle *handle, option_name native,
                              int value)
{
    struct linger linger = {.l_onoff = value >= 0, .l_linger = (u_short)(value >= 0 ? value : 0)};
    int status = port->sys->setsockopt(handle->socket, native.level, native.name,
                                       (const char *)&linger, (int)sizeof linger);
    return status == 0 ? IOCP_OK : ioc_port_fail_winsock(port);
}

static int option__get_linger(ioc_win_port *port, const ioc_win_handle *handle, option_name native,
                              int *value)
{
    struct linger linger = {0};
    int size = (int)sizeof linger;
    if (port->sys->getsockopt(handle->socket, native.level, native.name, (char *)&linger, &size) !=
        0) {
        return ioc_port_fail_winsock(port);
    }
    *value = linger.l_onoff ? linger.l_linger : -1;
    return IOCP_OK;
}

/* From here on it is the program's to say, and bind leaves it alone. */
static int option__set_sharing(ioc_win_port *port, ioc_win_handle *handle, option_name native,
                               int value)
{
    int status = option__set_int(port, handle, native, value);
    handle->is_shared = handle->is_shared || status == IOCP_OK;
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

static int option__set_unreachable(ioc_win_port *port, ioc_win_handle *handle, option_name native,
                                   int value)
{
    (void)native;
    return ioc_options_report_unreachable(port, handle->socket, value != 0);
}

/* ---- The table ---- */

#define OPTION_INT     .set = option__set_int, .get = option__get_int
#define OPTION_SHARING .set = option__set_sharing, .get = option__get_int

/* An option whose name is that of both families. */
#define OPTION_NAME(level, name) .on_ipv4 = {(level), (name)}, .on_ipv6 = {(level), (name)}

static const option_row option_rows[] = {
    [IOCP_SOCKET_NODELAY] = {ANY, OPTION_BOTH, 0, 1, OPTION_NAME(IPPROTO_TCP, TCP_NODELAY),
                             OPTION_INT},
    [IOCP_SOCKET_KEEPALIVE] = {ANY, OPTION_BOTH, 0, 1, OPTION_NAME(SOL_SOCKET, SO_KEEPALIVE),
                               OPTION_INT},
    [IOCP_SOCKET_RECV_BUFFER] = {ANY, OPTION_BOTH, 0, INT32_MAX, OPTION_NAME(SOL_SOCKET, SO_RCVBUF),
                                 OPTION_INT},
    [IOCP_SOCKET_SEND_BUFFER] = {ANY, OPTION_BOTH, 0, INT32_MAX, OPTION_NAME(SOL_SOCKET, SO_SNDBUF),
                                 OPTION_INT},
    [IOCP_SOCKET_LINGER] = {ANY, OPTION_BOTH, -1, UINT16_MAX, OPTION_NAME(SOL_SOCKET, SO_LINGER),
                            .set = option__set_linger, .get = option__get_linger},
    [IOCP_SOCKET_V6ONLY] = {ANY, OPTION_BOTH, 0, 1, .on_ipv6 = {IPPROTO_IPV6, IPV6_V6ONLY},
                            OPTION_INT},
    [IOCP_SOCKET_EXCLUSIVE] = {ANY, OPTION_BOTH, 0, 1,
                               OPTION_NAME(SOL_SOCKET, (int)SO_EXCLUSIVEADDRUSE), OPTION_SHARING},
    [IOCP_SOCKET_REUSE_ADDRESS] = {ANY, OPTION_BOTH, 0, 1, OPTION_NAME(SOL_SOCKET, SO_REUSEADDR),
                                   OPTION_SHARING},
    [IOCP_SOCKET_ERROR] = {ANY, OPTION_GET, 0, 0, OPTION_NAME(SOL_SOCKET, SO_ERROR), OPTION_INT},
    [IOCP_SOCKET_BROADCAST] = {DATAGRAM, OPTION_BOTH, 0, 1, OPTION_NAME(SOL_SOCKET, SO_BROADCAST),
                               OPTION_INT},
    [IOCP_SOCKET_MULTICAST_LOOP] = {DATAGRAM, OPTION_BOTH, 0, 1,
                                    .on_ipv4 = {IPPROTO_IP, IP_MULTICAST_LOOP},
                                    .on_ipv6 = {IPPROTO_IPV6, IPV6_MULTICAST_LOOP}, OPTION_INT},
    [IOCP_SOCKET_MULTICAST_HOPS] = {DATAGRAM, OPTION_BOTH, 0, UINT8_MAX,
                                    .on_ipv4 = {IPPROTO_IP, IP_MULTICAST_TTL},
                                    .on_ipv6 = {IPPROTO_IPV6, IPV6_MULTICAST_HOPS}, OPTION_INT},
    /* A request of its own: the name only says that both families have it. */
    [IOCP_SOCKET_UNREACHABLE] = {DATAGRAM, OPTION_SET, 0, 1, OPTION_NAME(SOL_SOCKET, SO_ERROR),
                                 .set = option__set_unreachable, .get = option__get_int},
};

/* The public function has refused what is no option. */
static const option_row *option__row(iocp_socket_option_t option)
{
    IOC_ASSERT(option > 0 && (size_t)option < IOC_COUNT_OF(option_rows));
    return &option_rows[option];
}

/* False: the socket does not have it. Not every system says so of its own accord. */
static bool option__name(const option_row *row, const ioc_win_handle *handle, option_name *native)
{
    *native = handle->family->number == AF_INET6 ? row->on_ipv6 : row->on_ipv4;
    return (row->handles & IOC_ON(handle->handle.kind)) != 0 && native->name != 0;
}

int ioc_options_set(ioc_port *port, ioc_handle *core_handle, iocp_socket_option_t option, int value)
{
    ioc_win_handle *handle = ioc_win_handle_of(core_handle);
    const option_row *row = option__row(option);
    option_name native;
    if ((row->rights & OPTION_SET) == 0 || value < row->least || value > row->most) {
        return IOCP_EINVAL;
    }
    if (!option__name(row, handle, &native)) {
        return IOCP_ENOPROTOOPT;
    }
    return row->set(ioc_win_port_of(port), handle, native, value);
}

int ioc_options_get(ioc_port *port, ioc_handle *core_handle, iocp_socket_option_t option,
                    int *value)
{
    const ioc_win_handle *handle = ioc_win_handle_of(core_handle);
    const option_row *row = option__row(option);
    option_name native;
    if ((row->rights & OPTION_GET) == 0 || !option__name(row, handle, &native)) {
        return IOCP_ENOPROTOOPT;
    }
    return row->get(ioc_win_port_of(port), handle, native, value);
}
