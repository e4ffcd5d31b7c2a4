/* The simulated network: stream sockets on the two loopback addresses, and pipes, in memory. */
#include "sim_net.h"

#include "sim_datagram.h"
#include "sim_file.h"
#include "sim_option.h"
#include "sim_unix.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define NET_CAPACITY_BYTES 65536
#define NET_PIPE_BYTES     4096
#define NET_BACKLOG        200
#define NET_FIRST_PORT     49152 /* of those that are given to sockets that ask for none */

static ioc_list net_sockets = {{&net_sockets.ends, &net_sockets.ends}};
static uint16_t net_last_port = NET_FIRST_PORT;

static void *net__allocate(size_t size)
{
    void *memory = calloc(1, size > 0 ? size : 1);
    SIM_CHECK(memory != NULL);
    return memory;
}

static sim_op *net__op_at(ioc_link *place)
{
    return IOC_CONTAINER_OF(place, sim_op, place);
}

static sim_op *net__first_op(const ioc_list *list)
{
    ioc_link *place = ioc_list_first(list);
    return place != NULL ? net__op_at(place) : NULL;
}

/* ---- Addresses ---- */

static int address__read_4(sim_address *address, const struct sockaddr *from, size_t length)
{
    struct sockaddr_in in;
    if (length < sizeof in) {
        return IOCP_EFAULT;
    }
    memcpy(&in, from, sizeof in);
    address->family = AF_INET;
    address->port = ntohs(in.sin_port);
    address->is_any = in.sin_addr.s_addr == htonl(INADDR_ANY);
    bool is_local = address->is_any || in.sin_addr.s_addr == htonl(INADDR_LOOPBACK);
    return is_local ? IOCP_OK : IOCP_EADDRNOTAVAIL;
}

static int address__read_6(sim_address *address, const struct sockaddr *from, size_t length)
{
    static const unsigned char mapped[16] = {0, 0, 0,    0,    0,   0, 0, 0,
                                             0, 0, 0xff, 0xff, 127, 0, 0, 1};
    struct sockaddr_in6 in;
    if (length < sizeof in) {
        return IOCP_EFAULT;
    }
    memcpy(&in, from, sizeof in);
    address->family = AF_INET6;
    address->port = ntohs(in.sin6_port);
    address->is_any = memcmp(&in.sin6_addr, &in6addr_any, sizeof in.sin6_addr) == 0;
    address->is_mapped = memcmp(&in.sin6_addr, mapped, sizeof mapped) == 0;
    bool is_local = address->is_any || address->is_mapped ||
                    memcmp(&in.sin6_addr, &in6addr_loopback, sizeof in.sin6_addr) == 0;
    return is_local ? IOCP_OK : IOCP_EADDRNOTAVAIL;
}

int sim_address_read(sim_address *address, int family, const struct sockaddr *from, size_t length)
{
    memset(address, 0, sizeof *address);
    if (from->sa_family != family) {
        return IOCP_EAFNOSUPPORT;
    }
    return family == AF_UNIX   ? sim_unix_read(address, from, length)
           : family == AF_INET ? address__read_4(address, from, length)
                               : address__read_6(address, from, length);
}

static void address__write_4(const sim_address *address, struct sockaddr_in *in)
{
    in->sin_family = AF_INET;
    in->sin_port = htons(address->port);
    in->sin_addr.s_addr = htonl(address->is_any ? INADDR_ANY : INADDR_LOOPBACK);
}

static void address__write_6(const sim_address *address, struct sockaddr_in6 *in)
{
    in->sin6_family = AF_INET6;
    in->sin6_port = htons(address->port);
    if (address->is_mapped) {
        static const unsigned char mapped[16] = {0, 0, 0,    0,    0,   0, 0, 0,
                                                 0, 0, 0xff, 0xff, 127, 0, 0, 1};
        memcpy(&in->sin6_addr, mapped, sizeof mapped);
    } else {
        in->sin6_addr = address->is_any ? in6addr_any : in6addr_loopback;
    }
}

int sim_address_write(const sim_address *address, struct sockaddr *to, size_t *length)
{
    struct sockaddr_in in4 = {0};
    struct sockaddr_in6 in6 = {0};
    if (address->family == AF_UNIX) {
        return sim_unix_write(address, to, length);
    }
    address__write_4(address, &in4);
    address__write_6(address, &in6);
    size_t size = address->family == AF_INET ? sizeof in4 : sizeof in6;
    if (*length < size) {
        return IOCP_EFAULT;
    }
    memcpy(to, address->family == AF_INET ? (const void *)&in4 : (const void *)&in6, size);
    *length = size;
    return IOCP_OK;
}

bool sim_socket_is_dual(const sim_socket *socket)
{
    return socket->family == AF_INET6 && socket->options[IOCP_SOCKET_V6ONLY] == 0;
}

/* Whether both could get the same connection, or the same datagram. */
static bool socket__overlaps(const sim_socket *a, const sim_socket *b)
{
    if ((a->datagrams == NULL) != (b->datagrams == NULL)) {
        return false; /* ports of two protocols */
    }
    return a->family == b->family || sim_socket_is_dual(a) || sim_socket_is_dual(b);
}

static bool socket__reuses(const sim_socket *socket)
{
    return socket->options[IOCP_SOCKET_REUSE_ADDRESS] != 0;
}

static bool net__is_port_taken(const sim_socket *by, uint16_t port)
{
    for (ioc_link *link = net_sockets.ends.next; link != &net_sockets.ends; link = link->next) {
        const sim_socket *other = IOC_CONTAINER_OF(link, sim_socket, link);
        if (other != by && other->owns_port && other->local.port == port &&
            socket__overlaps(by, other) && !(socket__reuses(by) && socket__reuses(other))) {
            return true;
        }
    }
    return false;
}

static uint16_t net__free_port(const sim_socket *by)
{
    do {
        net_last_port =
            net_last_port == UINT16_MAX ? NET_FIRST_PORT : (uint16_t)(net_last_port + 1);
    } while (net__is_port_taken(by, net_last_port));
    return net_last_port;
}

void sim_socket_take_name(sim_socket *socket, sim_address local)
{
    socket->local = local;
    socket->owns_port = local.family != AF_UNIX;
    if (socket->owns_port && local.port == 0) {
        socket->local.port = net__free_port(socket);
    }
    socket->is_bound = true;
}

int sim_socket_bind_to(sim_socket *socket, const struct sockaddr *address, size_t length)
{
    sim_address local;
    int status = sim_address_read(&local, socket->family, address, length);
    if (status != IOCP_OK) {
        return status;
    }
    if (socket->is_bound) {
        return IOCP_EINVAL;
    }
    if (local.is_mapped && !sim_socket_is_dual(socket)) {
        return IOCP_EADDRNOTAVAIL;
    }
    if (socket->family == AF_UNIX) {
        status = sim_unix_create(&local, address, length);
    } else if (local.port != 0 && net__is_port_taken(socket, local.port)) {
        status = IOCP_EADDRINUSE;
    }
    if (status != IOCP_OK) {
        return status;
    }
    sim_socket_take_name(socket, local);
    return IOCP_OK;
}

int sim_socket_listen_on(sim_socket *socket, int backlog)
{
    if (socket->state == SIM_CONNECTING || socket->state == SIM_CONNECTED) {
        return IOCP_EISCONN;
    }
    if (!socket->is_bound) {
        return IOCP_EINVAL;
    }
    socket->state = SIM_LISTENING;
    socket->backlog_limit = backlog > 0 ? backlog : NET_BACKLOG;
    return IOCP_OK;
}

/* ---- Birth, options ---- */

sim_socket *sim_socket_new(int family, size_t capacity_bytes)
{
    sim_socket *socket = net__allocate(sizeof *socket);
    ioc_link_init(&socket->link);
    ioc_link_init(&socket->place);
    ioc_list_push(&net_sockets, &socket->link);
    socket->number = sim_next_number();
    socket->family = family;
    socket->capacity_bytes = capacity_bytes > 0 ? capacity_bytes : NET_CAPACITY_BYTES;
    socket->incoming = net__allocate(socket->capacity_bytes);
    ioc_list_init(&socket->messages);
    ioc_list_init(&socket->receives);
    ioc_list_init(&socket->sends);
    ioc_list_init(&socket->buffered);
    ioc_list_init(&socket->accepts);
    ioc_list_init(&socket->callers);
    ioc_list_init(&socket->backlog);
    sim_option_init(socket);
    return socket;
}

sim_socket *sim_socket_find(uintptr_t number)
{
    for (ioc_link *link = net_sockets.ends.next; link != &net_sockets.ends; link = link->next) {
        sim_socket *socket = IOC_CONTAINER_OF(link, sim_socket, link);
        if (socket->number == number) {
            return socket;
        }
    }
    return NULL;
}

sim_socket *sim_socket_next(const sim_socket *socket)
{
    ioc_link *next = socket != NULL ? socket->link.next : net_sockets.ends.next;
    return next != &net_sockets.ends ? IOC_CONTAINER_OF(next, sim_socket, link) : NULL;
}

static void stream__set_capacity(sim_socket *socket, size_t capacity_bytes)
{
    if (capacity_bytes < socket->incoming_bytes || capacity_bytes == 0) {
        return; /* what is there stays there */
    }
    unsigned char *incoming = net__allocate(capacity_bytes);
    if (socket->incoming_bytes > 0) {
        memcpy(incoming, socket->incoming, socket->incoming_bytes);
    }
    free(socket->incoming);
    socket->incoming = incoming;
    socket->capacity_bytes = capacity_bytes;
}

int sim_socket_set(sim_socket *socket, iocp_socket_option_t option, int value)
{
    int status = sim_option_set(socket, option, value);
    if (status == IOCP_OK && option == IOCP_SOCKET_RECV_BUFFER) {
        stream__set_capacity(socket, (size_t)value);
    }
    return status;
}

/* ---- Streams ---- */

static void stream__take_bytes(sim_socket *receiver, const unsigned char *data, size_t bytes)
{
    memcpy(receiver->incoming + receiver->incoming_bytes, data, bytes);
    receiver->incoming_bytes += bytes;
}

/* The part of a send that its receiver has room for. */
static size_t stream__take(sim_socket *receiver, const sim_op *send)
{
    size_t skip = (size_t)send->outcome.bytes;
    size_t taken = 0;
    for (uint32_t i = 0; i < send->sent_count; i++) {
        const iocp_buf_t *buffer = &send->sent[i];
        size_t room = receiver->capacity_bytes - receiver->incoming_bytes;
        if (skip >= buffer->length) {
            skip -= buffer->length;
            continue;
        }
        size_t part = buffer->length - skip < room ? buffer->length - skip : room;
        if (part == 0) {
            break;
        }
        stream__take_bytes(receiver, (const unsigned char *)buffer->base + skip, part);
        taken += part;
        skip = 0;
    }
    return taken;
}

static sim_chunk *stream__first_chunk(const sim_socket *sender)
{
    ioc_link *link = ioc_list_first(&sender->buffered);
    return link != NULL ? IOC_CONTAINER_OF(link, sim_chunk, link) : NULL;
}

static void stream__drop_chunk(sim_socket *sender, sim_chunk *chunk)
{
    ioc_link_remove(&chunk->link);
    sender->buffered_count--;
    free(chunk);
}

static void stream__drop_chunks(sim_socket *sender)
{
    for (sim_chunk *chunk; (chunk = stream__first_chunk(sender)) != NULL;) {
        stream__drop_chunk(sender, chunk);
    }
}

/* Copy what a send says, and end it. */
static void stream__buffer(sim_socket *sender, sim_op *send)
{
    sim_chunk *chunk = net__allocate(sizeof *chunk + send->total_bytes);
    const iocp_buf_t *list = send->sent;
    ioc_link_init(&chunk->link);
    for (uint32_t i = 0; i < send->sent_count; i++) {
        if (list[i].length > 0) {
            memcpy(chunk->data + chunk->bytes, list[i].base, list[i].length);
        }
        chunk->bytes += list[i].length;
    }
    ioc_list_push(&sender->buffered, &chunk->link);
    sender->buffered_count++;
    sim_complete(send, IOCP_OK, send->total_bytes);
}

static bool stream__buffer_a_send(sim_socket *sender)
{
    sim_op *send = net__first_op(&sender->sends);
    bool is_copied = send != NULL && send->port->script.sends_any_size && !sender->is_pipe &&
                     (send->op.kind->traits & IOC_KIND_ALONE) == 0 && /* of a file */
                     sender->options[IOCP_SOCKET_SEND_BUFFER] > 0;
    if (!is_copied || sender->buffered_count > 1) {
        return false;
    }
    stream__buffer(sender, send);
    return true;
}

static bool stream__take_from_chunks(sim_socket *receiver)
{
    sim_chunk *chunk = stream__first_chunk(receiver->peer);
    if (chunk == NULL) {
        return false;
    }
    size_t room = receiver->capacity_bytes - receiver->incoming_bytes;
    size_t left = chunk->bytes - chunk->sent;
    size_t part = left < room ? left : room;
    stream__take_bytes(receiver, chunk->data + chunk->sent, part);
    chunk->sent += part;
    if (chunk->sent == chunk->bytes) {
        stream__drop_chunk(receiver->peer, chunk);
        return true;
    }
    return part > 0;
}

/* ---- Messages of a pipe ---- */

static sim_message *message__first(const sim_socket *receiver)
{
    ioc_link *link = ioc_list_first(&receiver->messages);
    return link != NULL ? IOC_CONTAINER_OF(link, sim_message, link) : NULL;
}

/* As a whole: if the pipe has room for it, or, however long it is, if a read waits for it. */
static bool message__take(sim_socket *receiver)
{
    sim_op *send = net__first_op(&receiver->peer->sends);
    if (send == NULL) {
        return false;
    }
    size_t bytes = receiver->incoming_bytes + send->total_bytes;
    bool is_wanted = net__first_op(&receiver->receives) != NULL && message__first(receiver) == NULL;
    if (bytes > NET_PIPE_BYTES && !is_wanted) {
        return false;
    }
    if (bytes > receiver->capacity_bytes) {
        stream__set_capacity(receiver, bytes);
    }
    SIM_CHECK(stream__take(receiver, send) == send->total_bytes);
    sim_message *message = net__allocate(sizeof *message);
    ioc_link_init(&message->link);
    message->left = send->total_bytes;
    ioc_list_push(&receiver->messages, &message->link);
    sim_complete(send, IOCP_OK, send->total_bytes);
    return true;
}

static void message__drop(sim_message *message)
{
    ioc_link_remove(&message->link);
    free(message);
}

/* So many bytes were read: of the first message, or of whatever there is. */
static void message__note_read(sim_socket *receiver, size_t bytes)
{
    for (sim_message *first; (first = message__first(receiver)) != NULL;) {
        size_t part = bytes < first->left ? bytes : first->left;
        first->left -= part;
        bytes -= part;
        if (first->left > 0) {
            return;
        }
        message__drop(first);
        if (receiver->reads_messages) {
            return;
        }
    }
}

static void message__drop_all(sim_socket *receiver)
{
    for (sim_message *message; (message = message__first(receiver)) != NULL;) {
        message__drop(message);
    }
}

/* ---- Streams: what was sent goes on ---- */

/* The end comes behind all that was buffered: the receiver's queue makes room for it. */
static void stream__flush(sim_socket *sender)
{
    sim_socket *receiver = sender->peer;
    for (sim_chunk *chunk; (chunk = stream__first_chunk(sender)) != NULL;) {
        size_t left = chunk->bytes - chunk->sent;
        if (receiver->capacity_bytes - receiver->incoming_bytes < left) {
            stream__set_capacity(receiver, receiver->incoming_bytes + left);
        }
        stream__take_bytes(receiver, chunk->data + chunk->sent, left);
        stream__drop_chunk(sender, chunk);
    }
}

static bool stream__take_from_sends(sim_socket *receiver)
{
    if (receiver->peer == NULL || receiver->is_reset) {
        return false;
    }
    if (receiver->has_messages) {
        return message__take(receiver);
    }
    if (stream__buffer_a_send(receiver->peer) || stream__take_from_chunks(receiver)) {
        return true;
    }
    sim_op *send = net__first_op(&receiver->peer->sends);
    if (send == NULL || receiver->peer->buffered_count > 0) {
        return false;
    }
    size_t taken = stream__take(receiver, send);
    send->outcome.bytes += taken;
    if (send->outcome.bytes == send->total_bytes) {
        sim_complete(send, IOCP_OK, send->total_bytes);
        return true;
    }
    return taken > 0;
}

static bool stream__is_empty(const sim_socket *receiver)
{
    return receiver->incoming_bytes == 0 && message__first(receiver) == NULL;
}

/* How many bytes a receive gets. Of a message all that it has room for; more may be left of that. */
static size_t stream__part(const sim_socket *receiver, sim_op *receive)
{
    const sim_message *first = receiver->reads_messages ? message__first(receiver) : NULL;
    size_t there = first != NULL ? first->left : receiver->incoming_bytes;
    size_t bytes = receive->total_bytes < there ? receive->total_bytes : there;
    if (first != NULL) {
        receive->flags = bytes < there ? IOCP_RESULT_MORE : 0;
        receive->took_empty = there == 0;
    } else if (bytes > 1 && sim_chance(receive->port, receive->port->script.partial)) {
        bytes = 1 + (size_t)sim_below(receive->port, bytes - 1);
    }
    return bytes;
}

/* The bytes of a receive are kept apart: they get to the buffers just before the packet is taken. */
static void stream__give(sim_socket *receiver, sim_op *receive)
{
    bool is_end_of_pipe = receiver->is_pipe && stream__is_empty(receiver);
    size_t bytes = stream__part(receiver, receive);
    if (bytes > 0) {
        receive->received = net__allocate(bytes);
        memcpy(receive->received, receiver->incoming, bytes);
        receiver->incoming_bytes -= bytes;
        memmove(receiver->incoming, receiver->incoming + bytes, receiver->incoming_bytes);
    }
    message__note_read(receiver, bytes);
    sim_complete(receive, is_end_of_pipe ? IOCP_EOF : IOCP_OK, bytes);
}

static bool stream__give_to_receives(sim_socket *receiver)
{
    sim_op *receive = net__first_op(&receiver->receives);
    if (receive == NULL || (stream__is_empty(receiver) && !receiver->is_ended)) {
        return false;
    }
    stream__give(receiver, receive);
    return true;
}

static void stream__pump(sim_socket *receiver)
{
    bool has_moved = true;
    while (has_moved) {
        has_moved = stream__take_from_sends(receiver);
        has_moved = stream__give_to_receives(receiver) || has_moved;
    }
}

static void net__end_all(ioc_list *list, int status)
{
    for (sim_op *op; (op = net__first_op(list)) != NULL;) {
        sim_complete(op, status, op->outcome.bytes);
    }
}

/* The peer has reset the connection. */
static void stream__reset(sim_socket *socket)
{
    socket->is_reset = true;
    socket->incoming_bytes = 0;
    stream__drop_chunks(socket);
    net__end_all(&socket->receives, IOCP_ECONNRESET);
    net__end_all(&socket->sends, IOCP_ECONNRESET);
}

/* ---- Listeners ---- */

static bool socket__listens_to(const sim_socket *socket, const sim_address *target)
{
    bool wants_4 = target->family == AF_INET || target->is_mapped;
    bool is_its = target->port != 0 && socket->local.port == target->port;
    if (socket->state != SIM_LISTENING || !is_its) {
        return false;
    }
    if (wants_4) {
        return socket->family == AF_INET ||
               (sim_socket_is_dual(socket) && (socket->local.is_any || socket->local.is_mapped));
    }
    return socket->family == target->family && !socket->local.is_mapped;
}

static sim_socket *net__find_listener(const sim_address *target)
{
    for (ioc_link *link = net_sockets.ends.next; link != &net_sockets.ends; link = link->next) {
        sim_socket *socket = IOC_CONTAINER_OF(link, sim_socket, link);
        if (socket__listens_to(socket, target)) {
            return socket;
        }
    }
    return NULL;
}

/* Connections of a pipe's listener, also those that were not accepted yet. */
static uint32_t listener__connections(const sim_socket *listener)
{
    uint32_t count = 0;
    for (ioc_link *link = net_sockets.ends.next; link != &net_sockets.ends; link = link->next) {
        count += IOC_CONTAINER_OF(link, sim_socket, link)->served_by == listener->number;
    }
    return count;
}

/* For `more` instances than there are connections. */
static bool listener__has_room(const sim_socket *listener, uint32_t more)
{
    return listener->instances == 0 ||
           listener__connections(listener) + more <= listener->instances;
}

/* An accept that waits has an instance; without one there is one that nobody has accepted from. */
static bool listener__admits(const sim_socket *listener)
{
    bool has_accept = net__first_op(&listener->accepts) != NULL;
    return listener->backlog_count < listener->backlog_limit &&
           (!listener->is_pipe || has_accept || listener__has_room(listener, 1));
}

static void listener__admit_to_pipe(sim_socket *listener, sim_op *connect)
{
    sim_socket *ends[2]; /* the server's, the client's */
    uint32_t flags = connect->pipe_flags;
    sim_pipe_new(ends, true, (listener->pipe_flags & IOCP_PIPE_MESSAGE) != 0);
    ends[1]->reads_messages = (flags & IOCP_PIPE_MESSAGE) != 0;
    ends[0]->served_by = listener->number;
    ends[0]->cannot_read = (listener->pipe_flags & IOCP_PIPE_READ) == 0;
    ends[0]->cannot_write = (listener->pipe_flags & IOCP_PIPE_WRITE) == 0;
    ends[1]->cannot_read = (flags & IOCP_PIPE_READ) == 0;
    ends[1]->cannot_write = (flags & IOCP_PIPE_WRITE) == 0;
    ioc_list_push(&listener->backlog, &ends[0]->place);
    listener->backlog_count++;
    connect->accepted = ends[1];
    sim_complete(connect, IOCP_OK, 0);
}

static void listener__admit(sim_socket *listener, sim_op *connect)
{
    if (listener->is_pipe) {
        listener__admit_to_pipe(listener, connect);
        return;
    }
    sim_socket *client = connect->socket;
    bool is_mapped = listener->family == AF_INET6 &&
                     socket__listens_to(listener, &client->remote) &&
                     (client->family == AF_INET || client->remote.is_mapped);
    sim_socket *server = sim_socket_new(listener->family, listener->capacity_bytes);
    memcpy(server->options, listener->options, sizeof server->options);
    server->is_bound = true;
    server->local = (sim_address){
        .family = listener->family, .port = listener->local.port, .is_mapped = is_mapped};
    server->remote = (sim_address){
        .family = listener->family, .port = client->local.port, .is_mapped = is_mapped};
    server->state = SIM_CONNECTED;
    client->state = SIM_CONNECTED;
    client->local.is_any = false;
    client->local.is_mapped = client->remote.is_mapped;
    server->peer = client;
    client->peer = server;
    ioc_list_push(&listener->backlog, &server->place);
    listener->backlog_count++;
    sim_complete(connect, IOCP_OK, 0);
}

static void listener__pump(sim_socket *listener)
{
    for (;;) {
        sim_op *accept = net__first_op(&listener->accepts);
        ioc_link *place = ioc_list_first(&listener->backlog);
        sim_op *caller = net__first_op(&listener->callers);
        if (accept != NULL && place != NULL) {
            ioc_link_remove(place);
            listener->backlog_count--;
            accept->accepted = IOC_CONTAINER_OF(place, sim_socket, place);
            sim_complete(accept, IOCP_OK, 0);
        } else if (caller != NULL && listener__admits(listener)) {
            listener__admit(listener, caller);
        } else {
            return;
        }
    }
}

static void connect__refuse(sim_op *connect)
{
    if (connect->socket == NULL) {
        sim_complete(connect, IOCP_ENOTFOUND, 0); /* nobody serves this pipe any more */
        return;
    }
    connect->socket->state = SIM_CLOSED;
    connect->socket->was_refused = true;
    sim_complete(connect, IOCP_ECONNREFUSED, 0);
}

static void listener__close(sim_socket *listener)
{
    for (ioc_link *place; (place = ioc_list_pop(&listener->backlog)) != NULL;) {
        sim_socket *server = IOC_CONTAINER_OF(place, sim_socket, place);
        server->options[IOCP_SOCKET_LINGER] = 0;
        sim_socket_close(server);
    }
    for (sim_op *caller; (caller = net__first_op(&listener->callers)) != NULL;) {
        connect__refuse(caller);
    }
}

/* ---- Closing ---- */

/* A connection of a pipe is gone: there is room for another instance. */
static void listener__regain(uintptr_t number)
{
    sim_socket *listener = number != 0 ? sim_socket_find(number) : NULL;
    if (listener != NULL) {
        listener__pump(listener);
    }
}

static void stream__close(sim_socket *socket)
{
    sim_socket *peer = socket->peer;
    if (peer == NULL) {
        return;
    }
    bool is_hard = socket->incoming_bytes > 0 || socket->options[IOCP_SOCKET_LINGER] == 0;
    if (!is_hard) {
        stream__flush(socket);
    }
    stream__drop_chunks(socket);
    peer->peer = NULL;
    if (socket->is_pipe) {
        peer->is_ended = true;
        net__end_all(&peer->sends, IOCP_EPIPE);
        stream__pump(peer);
    } else if (is_hard || !ioc_list_is_empty(&peer->sends) || peer->buffered_count > 0) {
        stream__reset(peer);
    } else {
        peer->is_ended = true;
        stream__pump(peer);
    }
}

void sim_socket_close(sim_socket *socket)
{
    if (socket->more_users > 0) {
        socket->more_users--;
        return;
    }
    net__end_all(&socket->receives, IOCP_ECANCELED);
    net__end_all(&socket->sends, IOCP_ECANCELED);
    net__end_all(&socket->accepts, IOCP_ECANCELED);
    listener__close(socket);
    stream__close(socket);
    sim_datagram_close(socket);
    uintptr_t served_by = socket->served_by;
    ioc_link_remove(&socket->place);
    ioc_link_remove(&socket->link);
    message__drop_all(socket);
    free(socket->incoming);
    free(socket->pipe_name);
    free(socket);
    listener__regain(served_by);
}

/* ---- Pipes ---- */

void sim_pipe_new(sim_socket *ends[2], bool is_overlapped, bool has_messages)
{
    for (int i = 0; i < 2; i++) {
        ends[i] = sim_socket_new(0, NET_PIPE_BYTES);
        ends[i]->is_pipe = true;
        ends[i]->is_overlapped = is_overlapped;
        ends[i]->has_messages = has_messages;
        ends[i]->reads_messages = has_messages;
        ends[i]->state = SIM_CONNECTED;
    }
    ends[0]->peer = ends[1];
    ends[1]->peer = ends[0];
}

void sim_pipe_call(sim_op *connect, sim_socket *listener)
{
    connect->phase = SIM_WAITING;
    ioc_list_push(&listener->callers, &connect->place);
    listener__pump(listener);
}

/* ---- Operations ---- */

void sim_end_waiting(sim_op *op, int status)
{
    sim_socket *socket = op->socket;
    SIM_CHECK(op->phase == SIM_WAITING);
    if (socket == NULL) {
        sim_complete(op, status, 0);
        return;
    }
    if (op->op.kind->type == IOCP_TYPE_CONNECT) {
        socket->state = SIM_CLOSED;
    }
    sim_complete(op, status, op->outcome.bytes);
    if (socket != NULL && socket->peer != NULL) {
        stream__pump(socket->peer); /* the next send comes forward */
    }
}

static void op__wait(sim_op *op, ioc_list *queue)
{
    op->phase = SIM_WAITING;
    ioc_list_push(queue, &op->place);
}

int sim_accept(sim_op *op)
{
    sim_socket *listener = op->socket;
    if (listener->state != SIM_LISTENING) {
        return IOCP_EINVAL;
    }
    uint32_t waiting = 0;
    for (ioc_link *place = listener->accepts.ends.next; place != &listener->accepts.ends;
         place = place->next) {
        waiting++;
    }
    if (listener->is_pipe && listener->backlog_count == 0 &&
        !listener__has_room(listener, waiting + 1)) {
        return IOCP_EMFILE;
    }
    op__wait(op, &listener->accepts);
    listener__pump(op->socket);
    return IOCP_OK;
}

static int connect__check(sim_socket *socket, const sim_op *op)
{
    if (socket->state == SIM_CONNECTED) {
        return IOCP_EISCONN;
    }
    if (socket->state == SIM_CONNECTING) {
        return IOCP_EALREADY;
    }
    if (socket->state == SIM_LISTENING) {
        return IOCP_EINVAL;
    }
    int status = sim_address_read(&socket->remote, socket->family, op->op.block,
                                  (size_t)ioc_transfer_of(&op->op)->address_length);
    if (status != IOCP_OK) {
        return status;
    }
    if (socket->family == AF_UNIX) {
        return socket->remote.is_any ? IOCP_EINVAL : IOCP_OK;
    }
    bool is_reachable = socket->remote.port != 0 && !socket->remote.is_any &&
                        (!socket->remote.is_mapped || sim_socket_is_dual(socket));
    return is_reachable ? IOCP_OK : IOCP_EADDRNOTAVAIL;
}

int sim_connect(sim_op *op)
{
    sim_socket *socket = op->socket;
    int status = connect__check(socket, op);
    if (status != IOCP_OK) {
        return status;
    }
    if (!socket->is_bound) {
        sim_socket_take_name(socket, (sim_address){.family = socket->family, .is_any = true});
    }
    socket->state = SIM_CONNECTING;
    sim_socket *listener = net__find_listener(&socket->remote);
    if (listener == NULL) {
        op__wait(op, &socket->accepts);
        connect__refuse(op);
        return IOCP_OK;
    }
    op__wait(op, &listener->callers);
    listener__pump(listener);
    return IOCP_OK;
}

/* What the system refuses before it begins. */
static int send__check(const sim_socket *socket)
{
    if (socket->state != SIM_CONNECTED) {
        return IOCP_ENOTCONN;
    }
    if (socket->is_reset) {
        return IOCP_ECONNRESET;
    }
    if (socket->is_send_shut || (socket->is_pipe && socket->peer == NULL)) {
        return IOCP_EPIPE;
    }
    return socket->cannot_write ? IOCP_EACCES : IOCP_OK;
}

static void send__begin(sim_op *op, const iocp_buf_t *buffers, uint32_t count, uint64_t bytes)
{
    sim_socket *socket = op->socket;
    op->sent = buffers;
    op->sent_count = (uint16_t)count;
    op->total_bytes = (size_t)bytes;
    op__wait(op, &socket->sends);
    if (socket->peer != NULL) {
        stream__pump(socket->peer);
    } else {
        /* It goes out, and the reset comes in. */
        sim_complete(op, IOCP_OK, op->total_bytes);
        stream__reset(socket);
    }
}

int sim_send(sim_op *op)
{
    const ioc_transfer *transfer = ioc_transfer_of(&op->op);
    int status = send__check(op->socket);
    if (status == IOCP_OK) {
        send__begin(op, ioc_transfer_buffers(&op->op), transfer->count, transfer->bytes);
    }
    return status;
}

/* In one portion, whose bytes of the file are read when it begins. */
int sim_send_file(sim_op *op)
{
    ioc_portion next = ioc_sendfile_next(ioc_sendfile_of(&op->op), UINT32_MAX);
    const ioc_handle *file = ioc_sendfile_of(&op->op)->file.handle;
    int status = send__check(op->socket);
    if (status != IOCP_OK) {
        return status;
    }
    op->portion = net__allocate(3 * sizeof *op->portion);
    op->portion[0] = next.head;
    op->portion[1] = (iocp_buf_t){.length = next.bytes};
    op->portion[2] = next.tail;
    status = sim_file_read(IOC_CONTAINER_OF(file, const sim_handle, handle)->file, next.offset,
                           &op->portion[1]);
    if (status == IOCP_OK) {
        send__begin(op, op->portion, 3, next.total);
    } else {
        sim_send_file_tell(op);
    }
    return status;
}

/* As far as it got, whatever came then. */
void sim_send_file_tell(sim_op *op)
{
    if (op->portion != NULL) {
        free(op->portion[1].base);
        free(op->portion);
        op->portion = NULL;
    }
}

static int stream__may_send(const sim_socket *socket)
{
    if (socket->state != SIM_CONNECTED) {
        return IOCP_ENOTCONN;
    }
    if (socket->is_reset) {
        return IOCP_ECONNRESET;
    }
    if (socket->is_send_shut) {
        return IOCP_EPIPE;
    }
    return socket->buffered_count > 0 ? IOCP_EAGAIN : IOCP_OK;
}

static size_t stream__take_list(sim_socket *receiver, const iocp_buf_t *buffers, uint32_t count)
{
    size_t taken = 0;
    for (uint32_t i = 0; i < count; i++) {
        size_t room = receiver->capacity_bytes - receiver->incoming_bytes;
        size_t part = buffers[i].length < room ? buffers[i].length : room;
        if (part > 0) {
            stream__take_bytes(receiver, buffers[i].base, part);
        }
        taken += part;
    }
    return taken;
}

int sim_socket_try_send(sim_socket *socket, const iocp_buf_t *buffers, uint32_t count,
                        uint64_t *sent)
{
    int status = stream__may_send(socket);
    if (status != IOCP_OK) {
        return status;
    }
    if (socket->peer == NULL) { /* something goes out, and the reset comes in */
        stream__reset(socket);
        *sent = 1;
        return IOCP_OK;
    }
    size_t taken = stream__take_list(socket->peer, buffers, count);
    if (taken == 0) {
        return IOCP_EAGAIN;
    }
    *sent = taken;
    stream__pump(socket->peer);
    return IOCP_OK;
}

int sim_receive(sim_op *op)
{
    op->total_bytes = ioc_transfer_of(&op->op)->bytes;
    return sim_receive_bytes(op);
}

int sim_receive_bytes(sim_op *op)
{
    sim_socket *socket = op->socket;
    if (socket->state != SIM_CONNECTED) {
        return IOCP_ENOTCONN;
    }
    if (socket->is_reset) {
        return IOCP_ECONNRESET;
    }
    if (socket->is_recv_shut) {
        return IOCP_EPIPE;
    }
    if (socket->cannot_read) {
        return IOCP_EACCES;
    }
    op__wait(op, &socket->receives);
    stream__pump(socket);
    return IOCP_OK;
}

int sim_shutdown(sim_op *op)
{
    sim_socket *socket = op->socket;
    iocp_shutdown_how_t how = ioc_shutdown_of(&op->op)->how;
    if (socket->state != SIM_CONNECTED) {
        return IOCP_ENOTCONN;
    }
    if (socket->is_reset) {
        return IOCP_ECONNRESET;
    }
    if (how != IOCP_SHUTDOWN_SEND) {
        socket->is_recv_shut = true;
    }
    if (how != IOCP_SHUTDOWN_RECV) {
        SIM_CHECK(ioc_list_is_empty(&socket->sends)); /* the core waits for them */
        socket->is_send_shut = true;
        if (socket->peer != NULL) {
            stream__flush(socket);
            socket->peer->is_ended = true;
            stream__pump(socket->peer);
        }
    }
    op->phase = SIM_INLINE;
    return IOCP_OK;
}

void sim_accept_tell(sim_op *op)
{
    ioc_accept *accept = ioc_accept_of(&op->op);
    if (op->accepted == NULL) {
        return;
    }
    sim_handle *handle = sim_opened_by(op);
    SIM_CHECK(handle->socket == NULL);
    handle->handle.kind = op->accepted->is_pipe ? IOCP_HANDLE_PIPE : IOCP_HANDLE_STREAM;
    handle->socket = op->accepted;
    handle->socket->is_adopted = true;
    op->accepted = NULL;
    if (handle->socket->is_pipe) {
        return; /* which has no address */
    }
    struct sockaddr *room = (struct sockaddr *)(void *)accept->room;
    size_t length = IOC_ACCEPT_ROOM_BYTES;
    SIM_CHECK(sim_address_write(&handle->socket->remote, room, &length) == IOCP_OK);
    accept->address = room;
    accept->address_length = (uint32_t)length;
}

/* ---- The tests' side ---- */

size_t sim_socket_count(void)
{
    size_t count = 0;
    sim_lock();
    for (ioc_link *link = net_sockets.ends.next; link != &net_sockets.ends; link = link->next) {
        count++;
    }
    sim_unlock();
    return count;
}

uintptr_t sim_socket_create(int family)
{
    sim_lock();
    uintptr_t number = sim_socket_new(family, 0)->number;
    sim_unlock();
    return number;
}

void sim_socket_destroy(uintptr_t number)
{
    sim_lock();
    sim_socket *socket = sim_socket_find(number);
    SIM_CHECK(socket != NULL && !socket->is_adopted);
    sim_socket_close(socket);
    sim_unlock();
}
