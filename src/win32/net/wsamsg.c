#include "wsamsg.h"

#include "control.h"
#include "datagram.h"
#include "family.h"
#include "message.h"
#include "winsock.h"

#include <string.h>

/* What the kernel reads and writes: see ioc_datagram. */
typedef struct wsamsg {
    WSAMSG head;
    union {
        unsigned char bytes[IOC_CONTROL_BYTES];
        WSACMSGHDR alignment;
    } control;
} wsamsg;

_Static_assert(sizeof(wsamsg) <= IOC_DATAGRAM_BACKEND_BYTES, "it fits");
_Static_assert(sizeof(SOCKADDR_STORAGE) <= IOC_ADDRESS_BYTES, "any address fits");
_Static_assert(IPPROTO_IP == IOC_LEVEL_IPV4, "as <ws2def.h>");
_Static_assert(IPPROTO_IPV6 == IOC_LEVEL_IPV6, "as <ws2def.h>");
_Static_assert(IPPROTO_UDP == IOC_LEVEL_UDP, "as <ws2def.h>");
_Static_assert(UDP_SEND_MSG_SIZE == IOC_CONTROL_UDP_SEND_SIZE, "as <ws2tcpip.h>");
_Static_assert(UDP_COALESCED_INFO == IOC_CONTROL_UDP_COALESCED, "as <ws2tcpip.h>");
_Static_assert(IP_TOS == IOC_CONTROL_IPV4_TOS, "as <ws2ipdef.h>");
_Static_assert(IP_TTL == IOC_CONTROL_IPV4_TTL, "as <ws2ipdef.h>");
_Static_assert(IP_DONTFRAGMENT == IOC_CONTROL_IP_DONT_FRAGMENT, "as <ws2ipdef.h>");
_Static_assert(IPV6_DONTFRAG == IOC_CONTROL_IP_DONT_FRAGMENT, "as <ws2ipdef.h>");
_Static_assert(IP_PKTINFO == IOC_CONTROL_IP_PACKET_INFO, "as <ws2ipdef.h>");
_Static_assert(IPV6_PKTINFO == IOC_CONTROL_IP_PACKET_INFO, "as <ws2ipdef.h>");
_Static_assert(IP_HOPLIMIT == IOC_CONTROL_IP_HOP_LIMIT, "as <ws2ipdef.h>");
_Static_assert(IPV6_HOPLIMIT == IOC_CONTROL_IP_HOP_LIMIT, "as <ws2ipdef.h>");
_Static_assert(IPV6_TCLASS == IOC_CONTROL_IPV6_TRAFFIC_CLASS, "as <ws2ipdef.h>");
_Static_assert(IP_ECN == IOC_CONTROL_IP_ECN, "as <ws2ipdef.h>");
_Static_assert(IPV6_ECN == IOC_CONTROL_IP_ECN, "as <ws2ipdef.h>");
_Static_assert(sizeof(WSACMSGHDR) == sizeof(size_t) + 8, "a head is that of control.c");
_Static_assert(sizeof(IN_PKTINFO) == 8 && sizeof(IN6_PKTINFO) == 20, "as in ioc_control");

static wsamsg *wsamsg__of(const ioc_op *op)
{
    return (wsamsg *)(void *)ioc_datagram_of(op)->backend.bytes;
}

static const ioc_win_handle *wsamsg__handle(const ioc_op *op)
{
    return ioc_win_handle_of(op->handle);
}

static ioc_start wsamsg__failed(const ioc_win_port *port, ioc_op *op)
{
    return ioc_overlapped_failed(op, (uint32_t)port->sys->WSAGetLastError());
}

static const ioc_winsock_functions *wsamsg__functions(ioc_win_port *port, const ioc_op *op)
{
    const ioc_win_handle *handle = wsamsg__handle(op);
    return ioc_winsock_load_messages(port, handle->socket, handle->family)
               ? ioc_winsock_functions_of(port, handle->family)
               : NULL;
}

static void wsamsg__fill(ioc_op *op, const ioc_address *peer, int length)
{
    WSAMSG *head = &wsamsg__of(op)->head;
    head->name = (struct sockaddr *)(void *)(uintptr_t)peer;
    head->namelen = length;
    head->lpBuffers = (WSABUF *)(uintptr_t)ioc_transfer_buffers(op);
    head->dwBufferCount = ioc_transfer_of(op)->count;
    head->Control.buf = (char *)wsamsg__of(op)->control.bytes;
    head->Control.len = IOC_CONTROL_BYTES;
    head->dwFlags = 0;
}

static ioc_start wsamsg__started(ioc_win_port *port, ioc_op *op, int result)
{
    uint32_t error = result == 0 ? 0 : (uint32_t)port->sys->WSAGetLastError();
    return ioc_overlapped_started(&port->base, op, result != 0, error);
}

/* ---- IPv4 in IPv6 clothes ---- */

static const unsigned char wsamsg_mapped[12] = {[10] = 0xff, [11] = 0xff};

static unsigned char *wsamsg__bytes_of_6(const struct sockaddr *address)
{
    return (unsigned char *)(uintptr_t) & ((const SOCKADDR_IN6 *)(const void *)address)->sin6_addr;
}

static bool wsamsg__is_mapped(const struct sockaddr *address)
{
    return address->sa_family == AF_INET6 &&
           memcmp(wsamsg__bytes_of_6(address), wsamsg_mapped, sizeof wsamsg_mapped) == 0;
}

/* ---- Sending ---- */

static bool send__is_connected_to_4(const ioc_win_port *port, const ioc_win_handle *handle)
{
    SOCKADDR_STORAGE peer;
    struct sockaddr *address = (struct sockaddr *)(void *)&peer;
    int length = sizeof peer;
    return port->sys->getpeername(handle->socket, address, &length) == 0 &&
           wsamsg__is_mapped(address);
}

/* By the peer of the message, or that of the socket, who is asked for only if it makes a difference. */
static int32_t send__level(const ioc_win_port *port, const ioc_op *op, uint32_t parts)
{
    const ioc_win_handle *handle = wsamsg__handle(op);
    const struct sockaddr *peer = ioc_datagram_of(op)->message.peer;
    if (handle->family->number == AF_INET) {
        return IOC_LEVEL_IPV4;
    }
    bool is_4 = peer != NULL ? wsamsg__is_mapped(peer)
                             : (parts & ~(uint32_t)IOC_CONTROL_SEGMENTS) != 0 &&
                                   send__is_connected_to_4(port, handle);
    return is_4 ? IOC_LEVEL_IPV4 : IOC_LEVEL_IPV6;
}

/* False: it is no address that goes with the socket and the peer. */
static bool send__read_local(ioc_control *control, const ioc_win_handle *handle, int32_t level,
                             const iocp_message_t *message)
{
    const struct sockaddr *local = message->local;
    if (local == NULL) {
        return true;
    }
    if (local->sa_family != handle->family->number ||
        message->local_length < (size_t)handle->family->address_size) {
        return false;
    }
    if (local->sa_family == AF_INET) {
        memcpy(control->local_4.address, &((const SOCKADDR_IN *)(const void *)local)->sin_addr,
               sizeof control->local_4.address);
        return true;
    }
    const unsigned char *bytes = wsamsg__bytes_of_6(local);
    memcpy(control->local_6.address, bytes, sizeof control->local_6.address);
    memcpy(control->local_4.address, bytes + sizeof wsamsg_mapped, sizeof control->local_4.address);
    return wsamsg__is_mapped(local) == (level == IOC_LEVEL_IPV4);
}

static uint32_t send__part(bool is_there, uint32_t part)
{
    return is_there ? part : 0;
}

/* Both forms of the local address: the level chooses. */
static void send__read(ioc_control *control, const iocp_message_t *message)
{
    memset(control, 0, sizeof *control);
    bool has_local = message->local != NULL || message->interface_index != 0;
    control->parts = send__part(has_local, IOC_CONTROL_LOCAL_4 | IOC_CONTROL_LOCAL_6) |
                     send__part(message->hops != 0, IOC_CONTROL_HOPS) |
                     send__part(message->ecn != 0, IOC_CONTROL_ECN) |
                     send__part(message->segment_bytes != 0, IOC_CONTROL_SEGMENTS) |
                     send__part(message->dont_fragment != 0, IOC_CONTROL_WHOLE);
    control->local_4.interface_index = message->interface_index;
    control->local_6.interface_index = message->interface_index;
    control->hops = message->hops;
    control->ecn = message->ecn;
    control->segment_bytes = message->segment_bytes;
    control->dont_fragment = message->dont_fragment;
}

/* 0, or the Winsock code for why not. */
static uint32_t send__prepare(ioc_win_port *port, ioc_op *op)
{
    const ioc_datagram *datagram = ioc_datagram_of(op);
    wsamsg *own = wsamsg__of(op);
    ioc_control control;
    send__read(&control, &datagram->message);
    int32_t level = send__level(port, op, control.parts);
    if (!send__read_local(&control, wsamsg__handle(op), level, &datagram->message)) {
        return WSAEINVAL;
    }
    wsamsg__fill(op, datagram->message.peer != NULL ? &datagram->peer : NULL,
                 (int)datagram->message.peer_length);
    own->head.Control.len = (ULONG)ioc_control_write(&control, level, sizeof(size_t),
                                                     own->control.bytes, sizeof own->control.bytes);
    if (own->head.Control.len == 0) {
        own->head.Control.buf = NULL;
    }
    /* A system that does not know the request might send it all as one. */
    return datagram->message.segment_bytes != 0 ? ioc_winsock_ask_segments(port) : 0;
}

ioc_start ioc_wsamsg_start_send(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    const ioc_winsock_functions *functions = wsamsg__functions(port, op);
    if (functions == NULL) {
        return wsamsg__failed(port, op);
    }
    uint32_t error = send__prepare(port, op);
    if (error != 0) {
        return ioc_overlapped_failed(op, error);
    }
    OVERLAPPED *overlapped = ioc_overlapped_prepare(op);
    return wsamsg__started(port, op,
                           functions->WSASendMsg(wsamsg__handle(op)->socket, &wsamsg__of(op)->head,
                                                 0, NULL, overlapped, NULL));
}

/* ---- Receiving ---- */

/* One of no bytes only looks, as every receive of datagrams: see message.c. */
ioc_start ioc_wsamsg_start_recv(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    const ioc_winsock_functions *functions = wsamsg__functions(port, op);
    ioc_datagram *datagram = ioc_datagram_of(op);
    wsamsg *own = wsamsg__of(op);
    if (functions == NULL) {
        return wsamsg__failed(port, op);
    }
    OVERLAPPED *overlapped = ioc_overlapped_prepare(op);
    memset(&datagram->peer, 0, sizeof datagram->peer);
    wsamsg__fill(op, &datagram->peer, (int)sizeof(SOCKADDR_STORAGE));
    own->head.dwFlags = ioc_transfer_of(op)->bytes == 0 ? MSG_PEEK : 0;
    return wsamsg__started(
        port, op,
        functions->WSARecvMsg(wsamsg__handle(op)->socket, &own->head, NULL, overlapped, NULL));
}

static void received__tell_peer(ioc_datagram *datagram, const WSAMSG *head)
{
    const struct sockaddr *peer = (const struct sockaddr *)(const void *)&datagram->peer;
    if (peer->sa_family != AF_UNSPEC && head->namelen > 0) {
        datagram->message.peer = peer;
        datagram->message.peer_length = (size_t)head->namelen;
    }
}

static void received__write_4(ioc_address *local, const unsigned char address[4])
{
    SOCKADDR_IN *in = (SOCKADDR_IN *)(void *)local;
    in->sin_family = AF_INET;
    memcpy(&in->sin_addr, address, sizeof in->sin_addr);
}

/* An address that is good on one link alone says which. */
static void received__write_6(ioc_address *local, const unsigned char address[16],
                              uint32_t interface_index)
{
    SOCKADDR_IN6 *in = (SOCKADDR_IN6 *)(void *)local;
    bool is_of_link = address[0] == 0xfe && (address[1] & 0xc0) == 0x80;
    in->sin6_family = AF_INET6;
    memcpy(&in->sin6_addr, address, sizeof in->sin6_addr);
    in->sin6_scope_id = is_of_link ? interface_index : 0;
}

/* In the family of the socket: what a dual stack one has got over IPv4 in IPv6 clothes. */
static void received__tell_local(ioc_datagram *datagram, const ioc_control *control,
                                 const ioc_family *family)
{
    bool is_6 = (control->parts & IOC_CONTROL_LOCAL_6) != 0;
    unsigned char mapped[16];
    memset(&datagram->local, 0, sizeof datagram->local);
    memcpy(mapped, wsamsg_mapped, sizeof wsamsg_mapped);
    memcpy(mapped + sizeof wsamsg_mapped, control->local_4.address,
           sizeof control->local_4.address);
    if (family->number == AF_INET) {
        received__write_4(&datagram->local, control->local_4.address);
    } else {
        received__write_6(&datagram->local, is_6 ? control->local_6.address : mapped,
                          control->local_6.interface_index);
    }
    datagram->message.local = (const struct sockaddr *)(const void *)&datagram->local;
    datagram->message.local_length = (size_t)family->address_size;
    datagram->message.interface_index =
        is_6 ? control->local_6.interface_index : control->local_4.interface_index;
    datagram->message.fields |= IOCP_MESSAGE_LOCAL;
}

static void received__tell_ecn(iocp_message_t *message, const ioc_control *control)
{
    bool is_told = (control->parts & IOC_CONTROL_ECN) != 0;
    message->ecn = (is_told ? control->ecn : control->traffic_class) & 3;
    message->fields |= IOCP_MESSAGE_ECN;
}

/* Of one datagram the size says nothing; one of 0 would have a program cut for ever. */
static void received__tell_segments(iocp_message_t *message, uint32_t segment_bytes, uint64_t bytes)
{
    if (segment_bytes > 0 && bytes > segment_bytes) {
        message->segment_bytes = segment_bytes;
        message->fields |= IOCP_MESSAGE_SEGMENTS;
    }
}

static void received__tell(ioc_op *op)
{
    ioc_datagram *datagram = ioc_datagram_of(op);
    iocp_message_t *message = &datagram->message;
    const wsamsg *own = wsamsg__of(op);
    const ioc_family *family = wsamsg__handle(op)->family;
    ULONG given = own->head.Control.len; /* perhaps what there would have been, if it was cut */
    ioc_control control;
    ioc_control_read(&control, sizeof(size_t), own->control.bytes,
                     given < IOC_CONTROL_BYTES ? given : IOC_CONTROL_BYTES);
    ioc_datagram_clear(op);
    received__tell_peer(datagram, &own->head);
    uint32_t local =
        family->number == AF_INET ? IOC_CONTROL_LOCAL_4 : IOC_CONTROL_LOCAL_4 | IOC_CONTROL_LOCAL_6;
    if ((control.parts & local) != 0) {
        received__tell_local(datagram, &control, family);
    }
    if ((control.parts & IOC_CONTROL_HOPS) != 0) {
        message->hops = control.hops;
        message->fields |= IOCP_MESSAGE_HOPS;
    }
    if ((control.parts & (IOC_CONTROL_ECN | IOC_CONTROL_CLASS)) != 0) {
        received__tell_ecn(message, &control);
    }
    received__tell_segments(message, control.segment_bytes, op->outcome.bytes);
    if ((own->head.dwFlags & MSG_CTRUNC) != 0) {
        message->fields |= IOCP_MESSAGE_INCOMPLETE;
    }
}

/*
 * The flags say whether it was the data that had no room, or what goes beside it; the warning is the
 * same.
 */
bool ioc_wsamsg_received(ioc_port *port, ioc_op *op)
{
    DWORD flags = wsamsg__of(op)->head.dwFlags & (MSG_TRUNC | MSG_CTRUNC);
    bool is_look = ioc_transfer_of(op)->bytes == 0;
    (void)ioc_message_received(port, op);
    if (op->outcome.status != IOCP_OK) {
        return true;
    }
    if (flags == MSG_CTRUNC) {
        op->flags &= (uint8_t)~IOCP_RESULT_TRUNCATED;
    } else if ((flags & MSG_TRUNC) != 0 && !is_look) {
        op->flags |= IOCP_RESULT_TRUNCATED;
    }
    received__tell(op);
    return true;
}
