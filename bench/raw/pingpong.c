/*
 * raw/tcp_pingpong, pipe_pingpong, udp_pingpong: a short message to and fro, by a stream, by a named
 * pipe of bytes, or as a datagram; raw/recvmsg_pingpong: the datagram says from which address it comes,
 * and tells at which it arrives; raw/lent_pingpong: by a stream, whose receives have memory when there
 * is data; raw/http_small: what comes back by the stream is longer, and in two buffers. Both ends are on
 * one port.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../cases.h"
#include "raw.h"

/* What goes beside a datagram, laid out as Winsock does. */
typedef struct beside {
    WSACMSGHDR head;
    IN_PKTINFO packet;
} beside;

typedef struct end {
    struct pingpong *game;
    union { /* both say "none" with all bits set */
        SOCKET socket;
        HANDLE pipe;
    };
    raw_op recv;
    raw_op send;
    struct sockaddr_in to;          /* of datagrams: the other end */
    struct sockaddr_storage sender; /* these three: of the receive that is pending */
    int sender_length;
    DWORD flags;
    WSAMSG message; /* these three: of messages, of the receive that is pending */
    WSABUF room;
    beside beside;
    size_t expected; /* the bytes of a message that comes in */
    size_t received; /* of the one that is coming in */
    char in[BENCH_ANSWER_BYTES];
    char out[BENCH_ANSWER_BYTES];
} end;

/* How the message goes. A receive that is done at once tells its bytes. */
typedef struct way {
    bool (*open)(raw_loop *loop, end *client, end *server);
    void (*send)(raw_loop *loop, end *from);
    raw_start (*recv)(raw_loop *loop, end *at, DWORD *bytes);
    void (*close)(end *one);
} way;

typedef struct pingpong {
    raw_loop loop;
    const way *way;
    LPFN_WSASENDMSG send_message; /* these two: of messages */
    LPFN_WSARECVMSG receive_message;
    end client;
    end server;
    uint64_t left;
} pingpong;

/* ---- The game ---- */

static void pingpong__on_send(raw_op *op, DWORD bytes, ULONG error)
{
    end *from = op->owner;
    (void)bytes;
    if (error != 0) {
        raw_fail(&from->game->loop, "send", (long)error);
    }
}

/* A message or a part of it has come: answer a whole one. */
static void pingpong__take(end *at, DWORD bytes)
{
    pingpong *game = at->game;
    at->received += bytes;
    if (bytes == 0) {
        raw_fail(&game->loop, "the connection has ended", 0);
    } else if (at->received >= at->expected) {
        at->received -= at->expected;
        if (at == &game->client && --game->left == 0) {
            game->loop.is_stopped = true;
        } else {
            game->way->send(&game->loop, at);
        }
    }
}

static void pingpong__recv(end *at)
{
    pingpong *game = at->game;
    DWORD bytes = 0;
    while (game->way->recv(&game->loop, at, &bytes) == RAW_DONE) {
        pingpong__take(at, bytes);
    }
}

static void pingpong__on_recv(raw_op *op, DWORD bytes, ULONG error)
{
    end *at = op->owner;
    if (error != 0) {
        raw_fail(&at->game->loop, "receive", (long)error);
        return;
    }
    pingpong__take(at, bytes);
    pingpong__recv(at);
}

static void pingpong__init_end(pingpong *game, end *one)
{
    one->game = game;
    one->expected = BENCH_MESSAGE_BYTES;
    one->socket = INVALID_SOCKET;
    one->recv.done = pingpong__on_recv;
    one->recv.owner = one;
    one->send.done = pingpong__on_send;
    one->send.owner = one;
}

static bool pingpong__setup(bench_run *run, const way *by)
{
    pingpong *game = calloc(1, sizeof *game);
    run->state = game;
    if (game == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    game->way = by;
    pingpong__init_end(game, &game->client);
    pingpong__init_end(game, &game->server);
    if (!raw_open(&game->loop, run) || !by->open(&game->loop, &game->client, &game->server)) {
        return false;
    }
    pingpong__recv(&game->client);
    pingpong__recv(&game->server);
    return run->error[0] == '\0';
}

static bool pingpong__measure(bench_run *run, uint64_t iterations)
{
    pingpong *game = run->state;
    game->left = iterations;
    game->way->send(&game->loop, &game->client);
    return raw_run(&game->loop);
}

static void pingpong__teardown(bench_run *run)
{
    pingpong *game = run->state;
    if (game != NULL) {
        game->way->close(&game->client);
        game->way->close(&game->server);
        raw_close(&game->loop);
    }
    free(game);
}

/* ---- By a stream ---- */

static bool tcp__open(raw_loop *loop, end *client, end *server)
{
    return raw_pair(loop, &client->socket, &server->socket);
}

static void tcp__send(raw_loop *loop, end *from)
{
    DWORD bytes = 0;
    raw_send(loop, from->socket, &from->send, from->out, BENCH_MESSAGE_BYTES, &bytes);
}

static raw_start tcp__recv(raw_loop *loop, end *at, DWORD *bytes)
{
    return raw_recv(loop, at->socket, &at->recv, at->in, sizeof at->in, bytes);
}

/* ---- Into memory that a receive has when there is data ---- */

static raw_start lent__recv_data(raw_loop *loop, end *at, DWORD *bytes)
{
    at->recv.done = pingpong__on_recv;
    return tcp__recv(loop, at, bytes);
}

static void lent__on_wait(raw_op *op, DWORD bytes, ULONG error)
{
    end *at = op->owner;
    if (error != 0 || lent__recv_data(&at->game->loop, at, &bytes) == RAW_DONE) {
        pingpong__on_recv(op, bytes, error);
    }
}

static raw_start lent__recv(raw_loop *loop, end *at, DWORD *bytes)
{
    at->recv.done = lent__on_wait;
    raw_start start = raw_recv(loop, at->socket, &at->recv, NULL, 0, bytes);
    return start == RAW_DONE ? lent__recv_data(loop, at, bytes) : start;
}

/* ---- As a request and its answer ---- */

static bool http__open(raw_loop *loop, end *client, end *server)
{
    client->expected = BENCH_ANSWER_BYTES;
    return tcp__open(loop, client, server);
}

static void http__send(raw_loop *loop, end *from)
{
    WSABUF answer[] = {
        {.len = BENCH_HEAD_BYTES, .buf = from->out},
        {.len = BENCH_BODY_BYTES, .buf = from->out + BENCH_HEAD_BYTES},
    };
    if (from == &from->game->client) {
        tcp__send(loop, from);
        return;
    }
    memset(&from->send.overlapped, 0, sizeof from->send.overlapped);
    int result = WSASend(from->socket, answer, 2, NULL, 0, &from->send.overlapped, NULL);
    raw_started(loop, result == 0, "WSASend");
}

static void socket__close(end *one)
{
    raw_close_socket(&one->socket);
}

/* ---- By a pipe ---- */

static bool pipe__open(raw_loop *loop, end *client, end *server)
{
    char name[64];
    (void)snprintf(name, sizeof name, "\\\\.\\pipe\\iocploop-bench-%p", (void *)loop);
    server->pipe = CreateNamedPipeA(name, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED, PIPE_TYPE_BYTE,
                                    1, BENCH_BLOCK_BYTES, BENCH_BLOCK_BYTES, 0, NULL);
    client->pipe = CreateFileA(name, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
                               FILE_FLAG_OVERLAPPED, NULL);
    if (server->pipe == INVALID_HANDLE_VALUE || client->pipe == INVALID_HANDLE_VALUE) {
        return bench_fail(loop->run, "a pipe", (long)GetLastError());
    }
    return raw_associate(loop, client->pipe) && raw_associate(loop, server->pipe);
}

static void pipe__send(raw_loop *loop, end *from)
{
    OVERLAPPED *overlapped = &from->send.overlapped;
    memset(overlapped, 0, sizeof *overlapped);
    raw_started(loop, WriteFile(from->pipe, from->out, BENCH_MESSAGE_BYTES, NULL, overlapped),
                "WriteFile");
}

static raw_start pipe__recv(raw_loop *loop, end *at, DWORD *bytes)
{
    OVERLAPPED *overlapped = &at->recv.overlapped;
    memset(overlapped, 0, sizeof *overlapped);
    raw_start start =
        raw_started(loop, ReadFile(at->pipe, at->in, sizeof at->in, NULL, overlapped), "ReadFile");
    *bytes = (DWORD)overlapped->InternalHigh;
    return start;
}

static void pipe__close(end *one)
{
    if (one->pipe != INVALID_HANDLE_VALUE) {
        (void)CloseHandle(one->pipe);
        one->pipe = INVALID_HANDLE_VALUE;
    }
}

/* ---- As a datagram ---- */

static bool udp__open_end(raw_loop *loop, end *one, end *other)
{
    return raw_socket(loop, SOCK_DGRAM, &one->socket) && raw_bind(loop, one->socket, &other->to) &&
           raw_associate(loop, (HANDLE)one->socket);
}

static bool udp__open(raw_loop *loop, end *client, end *server)
{
    return udp__open_end(loop, client, server) && udp__open_end(loop, server, client);
}

static void udp__send(raw_loop *loop, end *from)
{
    WSABUF buffer = {.len = BENCH_MESSAGE_BYTES, .buf = from->out};
    DWORD bytes = 0;
    memset(&from->send.overlapped, 0, sizeof from->send.overlapped);
    int result = WSASendTo(from->socket, &buffer, 1, &bytes, 0, (const struct sockaddr *)&from->to,
                           sizeof from->to, &from->send.overlapped, NULL);
    raw_started(loop, result == 0, "WSASendTo");
}

static raw_start udp__recv(raw_loop *loop, end *at, DWORD *bytes)
{
    WSABUF buffer = {.len = sizeof at->in, .buf = at->in};
    memset(&at->recv.overlapped, 0, sizeof at->recv.overlapped);
    at->flags = 0;
    at->sender_length = sizeof at->sender;
    int result =
        WSARecvFrom(at->socket, &buffer, 1, bytes, &at->flags, (struct sockaddr *)&at->sender,
                    &at->sender_length, &at->recv.overlapped, NULL);
    return raw_started(loop, result == 0, "WSARecvFrom");
}

/* ---- As a message: a datagram and what goes beside it ---- */

static bool message__ask_for_local(raw_loop *loop, SOCKET socket)
{
    DWORD on = 1;
    return setsockopt(socket, IPPROTO_IP, IP_PKTINFO, (const char *)&on, sizeof on) == 0 ||
           bench_fail(loop->run, "setsockopt", WSAGetLastError());
}

static bool message__open(raw_loop *loop, end *client, end *server)
{
    GUID send_guid = WSAID_WSASENDMSG;
    GUID receive_guid = WSAID_WSARECVMSG;
    pingpong *game = client->game;
    return udp__open(loop, client, server) &&
           raw_look_up(loop, client->socket, send_guid, &game->send_message,
                       sizeof game->send_message) &&
           raw_look_up(loop, client->socket, receive_guid, &game->receive_message,
                       sizeof game->receive_message) &&
           message__ask_for_local(loop, client->socket) &&
           message__ask_for_local(loop, server->socket);
}

/* The system has read all but the data when the call is back. */
static void message__send(raw_loop *loop, end *from)
{
    WSABUF data = {.len = BENCH_MESSAGE_BYTES, .buf = from->out};
    beside local = {.head = {.cmsg_len = offsetof(beside, packet) + sizeof local.packet,
                             .cmsg_level = IPPROTO_IP,
                             .cmsg_type = IP_PKTINFO},
                    .packet.ipi_addr = from->to.sin_addr};
    WSAMSG message = {.name = (struct sockaddr *)&from->to,
                      .namelen = sizeof from->to,
                      .lpBuffers = &data,
                      .dwBufferCount = 1,
                      .Control = {.len = sizeof local, .buf = (char *)&local}};
    memset(&from->send.overlapped, 0, sizeof from->send.overlapped);
    int result =
        from->game->send_message(from->socket, &message, 0, NULL, &from->send.overlapped, NULL);
    raw_started(loop, result == 0, "WSASendMsg");
}

static raw_start message__recv(raw_loop *loop, end *at, DWORD *bytes)
{
    at->room = (WSABUF){.len = sizeof at->in, .buf = at->in};
    at->message = (WSAMSG){.name = (struct sockaddr *)&at->sender,
                           .namelen = sizeof at->sender,
                           .lpBuffers = &at->room,
                           .dwBufferCount = 1,
                           .Control = {.len = sizeof at->beside, .buf = (char *)&at->beside}};
    memset(&at->recv.overlapped, 0, sizeof at->recv.overlapped);
    int result =
        at->game->receive_message(at->socket, &at->message, bytes, &at->recv.overlapped, NULL);
    return raw_started(loop, result == 0, "WSARecvMsg");
}

/* ---- The cases ---- */

static bool tcp__setup(bench_run *run)
{
    static const way how = {tcp__open, tcp__send, tcp__recv, socket__close};
    return pingpong__setup(run, &how);
}

static bool lent__setup(bench_run *run)
{
    static const way how = {tcp__open, tcp__send, lent__recv, socket__close};
    return pingpong__setup(run, &how);
}

static bool http__setup(bench_run *run)
{
    static const way how = {http__open, http__send, tcp__recv, socket__close};
    return pingpong__setup(run, &how);
}

static bool pipe__setup(bench_run *run)
{
    static const way how = {pipe__open, pipe__send, pipe__recv, pipe__close};
    return pingpong__setup(run, &how);
}

static bool udp__setup(bench_run *run)
{
    static const way how = {udp__open, udp__send, udp__recv, socket__close};
    return pingpong__setup(run, &how);
}

static bool message__setup(bench_run *run)
{
    static const way how = {message__open, message__send, message__recv, socket__close};
    return pingpong__setup(run, &how);
}

#define PINGPONG(how)                                                                \
    {                                                                                \
        .setup = (how), .measure = pingpong__measure, .teardown = pingpong__teardown \
    }

const bench_body bench_raw_tcp_pingpong = PINGPONG(tcp__setup);
const bench_body bench_raw_lent_pingpong = PINGPONG(lent__setup);
const bench_body bench_raw_http_small = PINGPONG(http__setup);
const bench_body bench_raw_pipe_pingpong = PINGPONG(pipe__setup);
const bench_body bench_raw_udp_pingpong = PINGPONG(udp__setup);
const bench_body bench_raw_recvmsg_pingpong = PINGPONG(message__setup);
