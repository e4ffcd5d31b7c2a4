#include "sim_datagram.h"

#include "lent.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define DATAGRAM_MAX_BYTES  65507 /* what IPv4 takes */
#define DATAGRAM_LOOPBACK   1     /* its interface */
#define DATAGRAM_INTERFACES 1     /* 0: any, and that one */

/* A datagram in the queue of a socket. */
typedef struct datagram {
    ioc_link link;
    sim_address from;
    sim_beside beside;
    size_t bytes;
    unsigned char data[];
} datagram;

/* Of all that is sent to a group, or of what one sender sends; the simulated hosts are one. */
typedef struct membership {
    ioc_link link;
    unsigned char group[16];
    bool has_source;
    bool is_of_others; /* the sender is no address of this host, so nothing comes */
} membership;

struct sim_datagrams {
    ioc_list queue; /* datagram.link */
    size_t queued_bytes;
    uint32_t unreachable; /* receives that are still to end with the news */
    ioc_list groups;      /* membership.link */
};

/* Where a datagram goes. */
typedef struct target {
    sim_address address;
    bool is_broadcast;
    bool is_group;
    unsigned char group[16];
} target;

static void *datagram__allocate(size_t size)
{
    void *memory = calloc(1, size);
    SIM_CHECK(memory != NULL);
    return memory;
}

/* ---- Birth and death ---- */

sim_socket *sim_datagram_new(int family, size_t capacity_bytes)
{
    sim_socket *socket = sim_socket_new(family, capacity_bytes);
    socket->datagrams = datagram__allocate(sizeof *socket->datagrams);
    ioc_list_init(&socket->datagrams->queue);
    ioc_list_init(&socket->datagrams->groups);
    return socket;
}

void sim_datagram_close(sim_socket *socket)
{
    struct sim_datagrams *datagrams = socket->datagrams;
    if (datagrams == NULL) {
        return;
    }
    for (ioc_link *link; (link = ioc_list_pop(&datagrams->queue)) != NULL;) {
        free(IOC_CONTAINER_OF(link, datagram, link));
    }
    for (ioc_link *link; (link = ioc_list_pop(&datagrams->groups)) != NULL;) {
        free(IOC_CONTAINER_OF(link, membership, link));
    }
    free(datagrams);
    socket->datagrams = NULL;
}

bool sim_datagram_has_queued(const sim_socket *socket)
{
    return !ioc_list_is_empty(&socket->datagrams->queue);
}

size_t sim_datagram_queued_bytes(const sim_socket *socket)
{
    return socket->datagrams->queued_bytes;
}

/* ---- Groups ---- */

/* The group that an address names; false: it does not name one. */
static bool group__read(unsigned char group[16], const struct sockaddr *from, size_t length)
{
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;
    memset(group, 0, 16);
    if (from->sa_family == AF_INET && length >= sizeof in4) {
        memcpy(&in4, from, sizeof in4);
        memcpy(group, &in4.sin_addr, sizeof in4.sin_addr);
        return group[0] >= 224 && group[0] < 240;
    }
    if (from->sa_family == AF_INET6 && length >= sizeof in6) {
        memcpy(&in6, from, sizeof in6);
        memcpy(group, &in6.sin6_addr, sizeof in6.sin6_addr);
        return group[0] == 0xff;
    }
    return false;
}

static membership *group__next(const sim_socket *socket, const membership *last,
                               const unsigned char group[16])
{
    const ioc_list *groups = &socket->datagrams->groups;
    const ioc_link *link = last != NULL ? &last->link : &groups->ends;
    while ((link = link->next) != &groups->ends) {
        membership *member = IOC_CONTAINER_OF(link, membership, link);
        if (memcmp(member->group, group, sizeof member->group) == 0) {
            return member;
        }
    }
    return NULL;
}

/* Whether what this host sends to a group is heard. */
static bool group__hears(const sim_socket *socket, const unsigned char group[16])
{
    membership *member = NULL;
    do {
        member = group__next(socket, member, group);
    } while (member != NULL && member->is_of_others);
    return member != NULL;
}

static int group__leave(membership *member)
{
    if (member == NULL) {
        return IOCP_EADDRNOTAVAIL;
    }
    ioc_link_remove(&member->link);
    free(member);
    return IOCP_OK;
}

/* 0, or IOCP_EINVAL: no address of the family. */
static int group__read_source(membership *member, const sim_socket *socket, const ioc_group *group)
{
    sim_address source;
    int status = sim_address_read(&source, socket->family, group->source, group->source_length);
    member->has_source = true;
    member->is_of_others = status == IOCP_EADDRNOTAVAIL;
    return status == IOCP_OK || status == IOCP_EADDRNOTAVAIL ? IOCP_OK : IOCP_EINVAL;
}

static int group__read_membership(membership *member, const sim_socket *socket,
                                  const ioc_group *group)
{
    memset(member, 0, sizeof *member);
    if (!group__read(member->group, group->address, group->length) ||
        group->address->sa_family != socket->family) {
        return IOCP_EINVAL;
    }
    return group->source != NULL ? group__read_source(member, socket, group) : IOCP_OK;
}

static int group__enter(sim_socket *socket, const membership *wanted)
{
    membership *member = datagram__allocate(sizeof *member);
    *member = *wanted;
    ioc_link_init(&member->link);
    ioc_list_push(&socket->datagrams->groups, &member->link);
    return IOCP_OK;
}

int sim_datagram_join(sim_socket *socket, const ioc_group *group, bool leaves)
{
    membership wanted;
    int status = group__read_membership(&wanted, socket, group);
    if (status != IOCP_OK) {
        return status;
    }
    if (group->interface_index > DATAGRAM_INTERFACES) {
        return IOCP_EADDRNOTAVAIL;
    }
    membership *member = group__next(socket, NULL, wanted.group);
    if (member != NULL && member->has_source != wanted.has_source) {
        return IOCP_EINVAL;
    }
    while (member != NULL && member->is_of_others != wanted.is_of_others) {
        member = group__next(socket, member, wanted.group);
    }
    if (leaves) {
        return group__leave(member);
    }
    return member != NULL ? IOCP_EADDRINUSE : group__enter(socket, &wanted);
}

/* ---- Receiving ---- */

static uint8_t receive__field(const sim_socket *socket, iocp_socket_option_t option,
                              iocp_message_field_t field)
{
    return socket->options[option] != 0 ? (uint8_t)field : 0;
}

/* Who it is from and what goes with it, as far as the socket is to tell. */
static void receive__note(sim_op *receive, const sim_address *from, const sim_beside *beside)
{
    const sim_socket *socket = receive->socket;
    receive->from = *from;
    receive->beside = *beside;
    receive->beside.fields =
        (uint8_t)(receive__field(socket, IOCP_SOCKET_RECV_LOCAL, IOCP_MESSAGE_LOCAL) |
                  receive__field(socket, IOCP_SOCKET_RECV_HOPS, IOCP_MESSAGE_HOPS) |
                  receive__field(socket, IOCP_SOCKET_RECV_ECN, IOCP_MESSAGE_ECN));
}

/* Its bytes and its sender get to the operation's memory just before the packet is taken. */
static void receive__take(sim_op *receive, const sim_address *from, const sim_beside *beside,
                          const unsigned char *data, size_t bytes)
{
    bool is_truncated = bytes > receive->total_bytes;
    size_t taken = is_truncated ? receive->total_bytes : bytes;
    receive->flags = is_truncated ? IOCP_RESULT_TRUNCATED : 0;
    if (taken > 0) {
        receive->received = datagram__allocate(taken);
        memcpy(receive->received, data, taken);
    }
    receive__note(receive, from, beside);
    sim_complete(receive, IOCP_OK, taken);
}

/* One without room only looks whether there is a datagram. */
static bool receive__is_look(const sim_op *receive)
{
    return receive->total_bytes == 0;
}

static void receive__look(sim_op *receive, const sim_address *from, const sim_beside *beside)
{
    receive__note(receive, from, beside);
    sim_complete(receive, IOCP_OK, 0);
}

static void receive__take_queued(sim_socket *socket, sim_op *receive)
{
    datagram *first = IOC_CONTAINER_OF(ioc_list_first(&socket->datagrams->queue), datagram, link);
    if (receive__is_look(receive)) {
        receive__look(receive, &first->from, &first->beside);
        return;
    }
    ioc_link_remove(&first->link);
    socket->datagrams->queued_bytes -= first->bytes;
    receive__take(receive, &first->from, &first->beside, first->data, first->bytes);
    free(first);
}

static sim_op *receive__first(const sim_socket *socket)
{
    ioc_link *place = ioc_list_first(&socket->receives);
    return place != NULL ? IOC_CONTAINER_OF(place, sim_op, place) : NULL;
}

int sim_datagram_receive(sim_op *op)
{
    op->total_bytes = ioc_transfer_of(&op->op)->bytes;
    return sim_datagram_receive_bytes(op);
}

int sim_datagram_receive_bytes(sim_op *op)
{
    sim_socket *socket = op->socket;
    if (!socket->is_bound) {
        return IOCP_EINVAL;
    }
    op->phase = SIM_WAITING;
    if (socket->datagrams->unreachable > 0) {
        socket->datagrams->unreachable--;
        sim_complete(op, IOCP_ECONNRESET, 0);
    } else if (!ioc_list_is_empty(&socket->datagrams->queue)) {
        receive__take_queued(socket, op);
    } else {
        ioc_list_push(&socket->receives, &op->place);
    }
    return IOCP_OK;
}

/* ---- Who gets a datagram ---- */

static bool target__is_4(const target *to)
{
    return to->address.family == AF_INET || to->address.is_mapped;
}

static bool socket__has_family(const sim_socket *socket, const target *to)
{
    bool may_take_4 =
        sim_socket_is_dual(socket) && (socket->local.is_any || socket->local.is_mapped);
    return target__is_4(to) ? socket->family == AF_INET || may_take_4
                            : socket->family == AF_INET6 && !socket->local.is_mapped;
}

/* A connected socket hears its peer alone. */
static bool socket__hears(const sim_socket *socket, const sim_socket *sender)
{
    return socket->state != SIM_CONNECTED || socket->remote.port == sender->local.port;
}

static bool socket__gets(const sim_socket *socket, const sim_socket *sender, const target *to)
{
    bool is_there = socket->datagrams != NULL && socket->is_bound &&
                    socket->local.port == to->address.port && socket__has_family(socket, to);
    if (!is_there || !socket__hears(socket, sender)) {
        return false;
    }
    if (to->is_group) {
        return group__hears(socket, to->group) &&
               socket->options[IOCP_SOCKET_MULTICAST_LOOP] != 0; /* on Windows the receiver's */
    }
    return !to->is_broadcast || socket->local.is_any;
}

static void socket__deliver(sim_socket *socket, const sim_address *from, const sim_beside *beside,
                            const unsigned char *data, size_t bytes)
{
    struct sim_datagrams *datagrams = socket->datagrams;
    sim_op *receive = NULL;
    while ((receive = receive__first(socket)) != NULL && receive__is_look(receive)) {
        receive__look(receive, from, beside);
    }
    if (receive != NULL) {
        receive__take(receive, from, beside, data, bytes);
        return;
    }
    if (datagrams->queued_bytes + bytes > socket->capacity_bytes) {
        return; /* lost */
    }
    datagram *queued = datagram__allocate(sizeof *queued + bytes);
    ioc_link_init(&queued->link);
    queued->from = *from;
    queued->beside = *beside;
    queued->bytes = bytes;
    if (bytes > 0) {
        memcpy(queued->data, data, bytes);
    }
    datagrams->queued_bytes += bytes;
    ioc_list_push(&datagrams->queue, &queued->link);
}

/* In segments, or glued where there is room for them. */
static void socket__deliver_cut(sim_socket *socket, const sim_address *from,
                                const sim_beside *beside, const unsigned char *data, size_t bytes)
{
    size_t segment = beside->segment_bytes;
    sim_beside single = *beside;
    single.segment_bytes = 0;
    if (segment == 0 || bytes <= segment) {
        socket__deliver(socket, from, &single, data, bytes);
    } else if ((size_t)socket->options[IOCP_SOCKET_RECV_SEGMENTS] >= bytes) {
        socket__deliver(socket, from, beside, data, bytes);
    } else {
        for (size_t at = 0; at < bytes; at += segment) {
            socket__deliver(socket, from, &single, data + at,
                            bytes - at < segment ? bytes - at : segment);
        }
    }
}

static void sender__learns_that_nobody_listens(sim_socket *sender)
{
    sim_op *receive = receive__first(sender);
    if (sender->options[IOCP_SOCKET_UNREACHABLE] == 0) {
        return;
    }
    if (receive != NULL) {
        sim_complete(receive, IOCP_ECONNRESET, 0);
    } else {
        sender->datagrams->unreachable++;
    }
}

static void datagram__spread(sim_socket *sender, const target *to, const sim_beside *beside,
                             const unsigned char *data, size_t bytes)
{
    bool is_heard = to->is_group || to->is_broadcast;
    for (sim_socket *socket = sim_socket_next(NULL); socket != NULL;
         socket = sim_socket_next(socket)) {
        if (socket__gets(socket, sender, to)) {
            sim_address from = {.family = socket->family, .port = sender->local.port};
            from.is_mapped = socket->family == AF_INET6 && target__is_4(to);
            socket__deliver_cut(socket, &from, beside, data, bytes);
            is_heard = true;
            if (!to->is_group && !to->is_broadcast) {
                return;
            }
        }
    }
    if (!is_heard) {
        sender__learns_that_nobody_listens(sender);
    }
}

/* ---- Sending ---- */

static bool target__is_broadcast(const struct sockaddr *address, size_t length)
{
    struct sockaddr_in in;
    if (address->sa_family != AF_INET || length < sizeof in) {
        return false;
    }
    memcpy(&in, address, sizeof in);
    return in.sin_addr.s_addr == htonl(INADDR_BROADCAST);
}

/* Where a socket may send to, or name as its peer. */
static int target__read(target *to, const sim_socket *socket, const struct sockaddr *address,
                        size_t length)
{
    memset(to, 0, sizeof *to);
    int status = sim_address_read(&to->address, socket->family, address, length);
    if (status == IOCP_EADDRNOTAVAIL) { /* not an address of this host */
        to->is_group = group__read(to->group, address, length);
        to->is_broadcast = target__is_broadcast(address, length);
        status = to->is_group || to->is_broadcast ? IOCP_OK : IOCP_ENETUNREACH;
    }
    if (status != IOCP_OK) {
        return status;
    }
    if (to->is_broadcast && socket->options[IOCP_SOCKET_BROADCAST] == 0) {
        return IOCP_EACCES;
    }
    bool is_reachable = to->address.port != 0 && !to->address.is_any &&
                        (!to->address.is_mapped || sim_socket_is_dual(socket));
    return is_reachable ? IOCP_OK : IOCP_EADDRNOTAVAIL;
}

static unsigned char *buffers__gather(const iocp_buf_t *list, uint32_t count, size_t total)
{
    unsigned char *data = datagram__allocate(total + 1);
    size_t size = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (list[i].length > 0) {
            memcpy(data + size, list[i].base, list[i].length);
            size += list[i].length;
        }
    }
    return data;
}

static void socket__bind_to_any(sim_socket *socket)
{
    if (!socket->is_bound) {
        sim_socket_take_name(socket, (sim_address){.family = socket->family, .is_any = true});
    }
}

/* What goes with all that says nothing of it. */
static sim_beside datagram__plain(const sim_socket *socket)
{
    return (sim_beside){.hops = (uint8_t)socket->options[IOCP_SOCKET_HOPS]};
}

static int datagram__send(sim_op *op, const target *to, const sim_beside *beside)
{
    const ioc_transfer *transfer = ioc_transfer_of(&op->op);
    op->total_bytes = transfer->bytes;
    if (op->total_bytes > DATAGRAM_MAX_BYTES) {
        return IOCP_EMSGSIZE;
    }
    socket__bind_to_any(op->socket);
    unsigned char *data =
        buffers__gather(ioc_transfer_buffers(&op->op), transfer->count, op->total_bytes);
    op->phase = SIM_WAITING;
    sim_complete(op, IOCP_OK, op->total_bytes);
    datagram__spread(op->socket, to, beside, data, op->total_bytes);
    free(data);
    return IOCP_OK;
}

int sim_datagram_send_to(sim_op *op)
{
    target to;
    sim_beside beside = datagram__plain(op->socket);
    int status = target__read(&to, op->socket, op->op.block,
                              (size_t)ioc_transfer_of(&op->op)->address_length);
    return status == IOCP_OK ? datagram__send(op, &to, &beside) : status;
}

int sim_datagram_send(sim_op *op)
{
    target to = {.address = op->socket->remote};
    if (op->socket->state != SIM_CONNECTED) {
        return IOCP_ENOTCONN;
    }
    sim_beside beside = datagram__plain(op->socket);
    return datagram__send(op, &to, &beside);
}

/* IPv4 goes from IPv4, and each from an address and an interface of this host. */
static int message__check_local(const sim_socket *socket, const iocp_message_t *message,
                                const target *to)
{
    sim_address local = to->address;
    if (message->interface_index > DATAGRAM_INTERFACES) {
        return IOCP_EINVAL;
    }
    if (message->local != NULL && sim_address_read(&local, socket->family, message->local,
                                                   message->local_length) != IOCP_OK) {
        return IOCP_EINVAL;
    }
    return local.is_mapped == to->address.is_mapped ? IOCP_OK : IOCP_EINVAL;
}

int sim_datagram_send_message(sim_op *op)
{
    const iocp_message_t *message = &ioc_datagram_of(&op->op)->message;
    sim_socket *socket = op->socket;
    target to = {.address = socket->remote};
    int status = socket->state == SIM_CONNECTED ? IOCP_OK : IOCP_ENOTCONN;
    if (message->peer != NULL) {
        status = target__read(&to, socket, message->peer, message->peer_length);
    }
    if (status == IOCP_OK) {
        status = message__check_local(socket, message, &to);
    }
    if (status != IOCP_OK) {
        return status;
    }
    sim_beside beside = datagram__plain(socket);
    beside.hops = message->hops != 0 ? (uint8_t)message->hops : beside.hops;
    beside.ecn = (uint8_t)message->ecn;
    beside.segment_bytes = message->segment_bytes;
    return datagram__send(op, &to, &beside);
}

int sim_datagram_try_send(sim_socket *socket, const iocp_buf_t *buffers, uint32_t count,
                          uint64_t *sent)
{
    target to = {.address = socket->remote};
    size_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        total += buffers[i].length;
    }
    if (socket->state != SIM_CONNECTED) {
        return IOCP_ENOTCONN;
    }
    if (total > DATAGRAM_MAX_BYTES) {
        return IOCP_EMSGSIZE;
    }
    unsigned char *data = buffers__gather(buffers, count, total);
    sim_beside beside = datagram__plain(socket);
    datagram__spread(socket, &to, &beside, data, total);
    free(data);
    *sent = total;
    return IOCP_OK;
}

/* Only a note: done at once, whatever the regime. */
int sim_datagram_connect(sim_op *op)
{
    sim_socket *socket = op->socket;
    target to;
    int status =
        target__read(&to, socket, op->op.block, (size_t)ioc_transfer_of(&op->op)->address_length);
    if (status != IOCP_OK) {
        return status;
    }
    if (to.is_group || to.is_broadcast) {
        return IOCP_EADDRNOTAVAIL; /* not in this simulation */
    }
    socket__bind_to_any(socket);
    socket->state = SIM_CONNECTED;
    socket->remote = to.address;
    socket->local.is_any = false;
    socket->local.is_mapped = to.address.is_mapped;
    op->phase = SIM_INLINE;
    return IOCP_OK;
}

static size_t datagram__tell_sender(sim_op *op, size_t room)
{
    size_t length = room;
    SIM_CHECK(op->op.block != NULL);
    SIM_CHECK(sim_address_write(&op->from, op->op.block, &length) == IOCP_OK);
    return length;
}

void sim_datagram_tell_sender(sim_op *op)
{
    if (op->outcome.status == IOCP_OK) {
        ioc_transfer_of(&op->op)->address_length = datagram__tell_sender(op, IOC_BLOCK_BYTES);
    }
}

void sim_datagram_tell_lent(sim_op *op)
{
    ioc_lent_sender *sender = op->op.block;
    if (op->outcome.status == IOCP_OK) {
        sender->length = datagram__tell_sender(op, sizeof sender->address);
    }
}

static void message__tell_address(const sim_address *address, ioc_address *to,
                                  const struct sockaddr **told, size_t *length)
{
    *told = (const struct sockaddr *)(const void *)to;
    *length = sizeof to->bytes;
    SIM_CHECK(sim_address_write(address, (struct sockaddr *)(void *)to, length) == IOCP_OK);
}

static void message__tell(const sim_op *op, ioc_datagram *datagram)
{
    iocp_message_t *message = &datagram->message;
    const sim_beside *beside = &op->beside;
    sim_address here = {.family = op->from.family, .is_mapped = op->from.is_mapped};
    message__tell_address(&op->from, &datagram->peer, &message->peer, &message->peer_length);
    message->fields = beside->fields;
    if ((beside->fields & IOCP_MESSAGE_LOCAL) != 0) {
        message__tell_address(&here, &datagram->local, &message->local, &message->local_length);
        message->interface_index = DATAGRAM_LOOPBACK;
    }
    message->hops = (beside->fields & IOCP_MESSAGE_HOPS) != 0 ? beside->hops : 0;
    message->ecn = (beside->fields & IOCP_MESSAGE_ECN) != 0 ? beside->ecn : 0;
    if (beside->segment_bytes != 0) {
        message->segment_bytes = beside->segment_bytes;
        message->fields |= op->outcome.bytes > beside->segment_bytes ? IOCP_MESSAGE_SEGMENTS : 0;
    }
}

void sim_datagram_tell_message(sim_op *op)
{
    if (op->outcome.status == IOCP_OK) {
        ioc_datagram_clear(&op->op);
        message__tell(op, ioc_datagram_of(&op->op));
    }
}

/* ---- The tests' side ---- */

uintptr_t sim_datagram_create(int family)
{
    sim_lock();
    uintptr_t number = sim_datagram_new(family, 0)->number;
    sim_unlock();
    return number;
}
