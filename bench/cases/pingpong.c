/*
 * tcp_pingpong, pipe_pingpong, udp_pingpong: a short message to and fro, by a stream, by a named pipe
 * of bytes, or as a datagram; recvmsg_pingpong: the datagram says from which address it comes, and tells
 * at which it arrives; lent_pingpong: by a stream, received into lent buffers; http_small: what comes
 * back by the stream is longer, and in two buffers, as of a server that has a head and a body to send.
 * Both ends are on one loop.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../bench_win.h"
#include "../cases.h"
#include "lib.h"

typedef struct end {
    struct pingpong *game;
    iocp_handle_t handle;
    struct sockaddr_in to; /* of datagrams: the other end */
    size_t expected;       /* the bytes of a message that comes in */
    size_t received;       /* of the one that is coming in */
    char in[BENCH_ANSWER_BYTES];
    char out[BENCH_ANSWER_BYTES];
} end;

/* How the message goes. */
typedef struct way {
    bool (*open)(bench_run *run, end *client, end *server);
    int (*send)(iocp_loop_t *loop, end *from, iocp_callback_t callback);
    int (*recv)(iocp_loop_t *loop, end *at, iocp_callback_t callback);
} way;

typedef struct pingpong {
    bench_run *run;
    const way *way;
    end client;
    end server;
    iocp_buffers_t *pool; /* of lent buffers */
    uint64_t left;
} pingpong;

/* ---- The game ---- */

static iocp_action_t IOCP_CALL pingpong__on_send(iocp_loop_t *loop, const iocp_result_t *result,
                                                 void *userdata)
{
    end *from = userdata;
    if (result->status != IOCP_OK) {
        bench_lib_fail(from->game->run, loop, result->status, "send");
    }
    return IOCP_DISARM;
}

static iocp_action_t IOCP_CALL pingpong__on_recv(iocp_loop_t *loop, const iocp_result_t *result,
                                                 void *userdata)
{
    end *at = userdata;
    pingpong *game = at->game;
    int status = result->status;
    at->received += (size_t)result->bytes;
    if (result->data != NULL) {
        status = iocp_buffers_return(game->pool, result->data);
    }
    if (status == IOCP_OK && at->received >= at->expected) {
        at->received -= at->expected;
        if (at == &game->client && --game->left == 0) {
            iocp_loop_stop(loop);
            return IOCP_REARM;
        }
        status = game->way->send(loop, at, pingpong__on_send);
    }
    if (status != IOCP_OK) {
        if (status != IOCP_ECANCELED) { /* the end of the loop */
            bench_lib_fail(game->run, loop, status, "receive");
        }
        return IOCP_DISARM;
    }
    return IOCP_REARM;
}

static bool pingpong__setup(bench_run *run, const way *by)
{
    pingpong *game = calloc(1, sizeof *game);
    run->state = game;
    if (game == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    game->run = run;
    game->way = by;
    game->client.game = game;
    game->client.expected = BENCH_MESSAGE_BYTES;
    game->server.game = game;
    game->server.expected = BENCH_MESSAGE_BYTES;
    return bench_lib_open_loop(run, 0) && by->open(run, &game->client, &game->server) &&
           bench_check(run, by->recv(run->loops[0], &game->client, pingpong__on_recv), "receive") &&
           bench_check(run, by->recv(run->loops[0], &game->server, pingpong__on_recv), "receive");
}

static bool pingpong__measure(bench_run *run, uint64_t iterations)
{
    pingpong *game = run->state;
    game->left = iterations;
    return bench_check(run, game->way->send(run->loops[0], &game->client, pingpong__on_send),
                       "send") &&
           bench_lib_run(run, run->loops[0]);
}

/* ---- By a stream ---- */

static bool tcp__open(bench_run *run, end *client, end *server)
{
    bench_pair pair;
    if (!bench_lib_open_pair(run, run->loops[0], &pair)) {
        return false;
    }
    client->handle = pair.client;
    server->handle = pair.server;
    return true;
}

static int tcp__send(iocp_loop_t *loop, end *from, iocp_callback_t callback)
{
    return iocp_send(loop, from->handle, from->out, BENCH_MESSAGE_BYTES, callback, from, NULL);
}

static int tcp__recv(iocp_loop_t *loop, end *at, iocp_callback_t callback)
{
    return iocp_recv(loop, at->handle, at->in, sizeof at->in, callback, at, NULL);
}

/* ---- Into lent buffers ---- */

static bool lent__open(bench_run *run, end *client, end *server)
{
    return tcp__open(run, client, server) &&
           bench_check(
               run, iocp_buffers_create(run->loops[0], 2, sizeof client->in, &client->game->pool),
               "iocp_buffers_create");
}

static int lent__recv(iocp_loop_t *loop, end *at, iocp_callback_t callback)
{
    return iocp_recv_lent(loop, at->handle, at->game->pool, callback, at, NULL);
}

/* ---- As a request and its answer ---- */

static bool http__open(bench_run *run, end *client, end *server)
{
    client->expected = BENCH_ANSWER_BYTES;
    return tcp__open(run, client, server);
}

static int http__send(iocp_loop_t *loop, end *from, iocp_callback_t callback)
{
    iocp_buf_t answer[] = {
        {.length = BENCH_HEAD_BYTES, .base = from->out},
        {.length = BENCH_BODY_BYTES, .base = from->out + BENCH_HEAD_BYTES},
    };
    return from == &from->game->client
               ? tcp__send(loop, from, callback)
               : iocp_sendv(loop, from->handle, answer, 2, callback, from, NULL);
}

/* ---- By a pipe ---- */

static iocp_action_t IOCP_CALL pipe__on_opened(iocp_loop_t *loop, const iocp_result_t *result,
                                               void *userdata)
{
    end *at = userdata;
    if (result->status != IOCP_OK) {
        bench_lib_fail(at->game->run, loop, result->status, "a pipe");
    }
    at->handle = result->opened;
    return IOCP_DISARM;
}

static bool pipe__open(bench_run *run, end *client, end *server)
{
    iocp_loop_t *loop = run->loops[0];
    iocp_handle_t listener = {0};
    char name[64];
    (void)snprintf(name, sizeof name, "\\\\.\\pipe\\iocploop-bench-%p", (void *)client);
    return bench_check(run, iocp_pipe_listen(loop, name, NULL, &listener), "iocp_pipe_listen") &&
           bench_check(run, iocp_accept(loop, listener, pipe__on_opened, server, NULL),
                       "iocp_accept") &&
           bench_check(run, iocp_pipe_connect(loop, name, 0, pipe__on_opened, client, NULL),
                       "iocp_pipe_connect") &&
           bench_lib_run(run, loop) &&
           bench_check(run, iocp_close(loop, listener, NULL, NULL, NULL), "iocp_close") &&
           bench_lib_run(run, loop);
}

static int pipe__send(iocp_loop_t *loop, end *from, iocp_callback_t callback)
{
    return iocp_write(loop, from->handle, from->out, BENCH_MESSAGE_BYTES, callback, from, NULL);
}

static int pipe__recv(iocp_loop_t *loop, end *at, iocp_callback_t callback)
{
    return iocp_read(loop, at->handle, at->in, sizeof at->in, callback, at, NULL);
}

/* ---- As a datagram ---- */

static bool udp__open_end(bench_run *run, end *one, end *other)
{
    iocp_loop_t *loop = run->loops[0];
    struct sockaddr *name = (struct sockaddr *)&other->to;
    size_t length = sizeof other->to;
    other->to.sin_family = AF_INET;
    other->to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return bench_check(run, iocp_socket_open(loop, AF_INET, SOCK_DGRAM, 0, &one->handle),
                       "iocp_socket_open") &&
           bench_check(run, iocp_socket_bind(loop, one->handle, name, length),
                       "iocp_socket_bind") &&
           bench_check(run, iocp_socket_get_name(loop, one->handle, name, &length),
                       "iocp_socket_get_name");
}

static bool udp__open(bench_run *run, end *client, end *server)
{
    return udp__open_end(run, client, server) && udp__open_end(run, server, client);
}

static int udp__send(iocp_loop_t *loop, end *from, iocp_callback_t callback)
{
    return iocp_sendto(loop, from->handle, from->out, BENCH_MESSAGE_BYTES,
                       (const struct sockaddr *)&from->to, sizeof from->to, callback, from, NULL);
}

static int udp__recv(iocp_loop_t *loop, end *at, iocp_callback_t callback)
{
    return iocp_recvfrom(loop, at->handle, at->in, sizeof at->in, callback, at, NULL);
}

/* ---- As a message: a datagram and what goes beside it ---- */

static bool message__open(bench_run *run, end *client, end *server)
{
    iocp_loop_t *loop = run->loops[0];
    return udp__open(run, client, server) &&
           bench_check(run, iocp_socket_set_option(loop, client->handle, IOCP_SOCKET_RECV_LOCAL, 1),
                       "iocp_socket_set_option") &&
           bench_check(run, iocp_socket_set_option(loop, server->handle, IOCP_SOCKET_RECV_LOCAL, 1),
                       "iocp_socket_set_option");
}

/* Both ends have the same address, and the port of this one does not count. */
static int message__send(iocp_loop_t *loop, end *from, iocp_callback_t callback)
{
    iocp_buf_t data = {.length = BENCH_MESSAGE_BYTES, .base = from->out};
    iocp_message_t message = {.size = sizeof message,
                              .peer = (const struct sockaddr *)&from->to,
                              .peer_length = sizeof from->to,
                              .local = (const struct sockaddr *)&from->to,
                              .local_length = sizeof from->to};
    return iocp_sendmsg(loop, from->handle, &data, 1, &message, callback, from, NULL);
}

static int message__recv(iocp_loop_t *loop, end *at, iocp_callback_t callback)
{
    iocp_buf_t room = {.length = sizeof at->in, .base = at->in};
    return iocp_recvmsg(loop, at->handle, &room, 1, callback, at, NULL);
}

/* ---- The cases ---- */

static bool tcp__setup(bench_run *run)
{
    static const way how = {tcp__open, tcp__send, tcp__recv};
    return pingpong__setup(run, &how);
}

static bool lent__setup(bench_run *run)
{
    static const way how = {lent__open, tcp__send, lent__recv};
    return pingpong__setup(run, &how);
}

static bool http__setup(bench_run *run)
{
    static const way how = {http__open, http__send, tcp__recv};
    return pingpong__setup(run, &how);
}

static bool pipe__setup(bench_run *run)
{
    static const way how = {pipe__open, pipe__send, pipe__recv};
    return pingpong__setup(run, &how);
}

static bool udp__setup(bench_run *run)
{
    static const way how = {udp__open, udp__send, udp__recv};
    return pingpong__setup(run, &how);
}

static bool message__setup(bench_run *run)
{
    static const way how = {message__open, message__send, message__recv};
    return pingpong__setup(run, &how);
}

#define PINGPONG(how)                                                                      \
    {                                                                                      \
        .setup = (how), .measure = pingpong__measure, .teardown = bench_lib_close_and_free \
    }

const bench_body bench_lib_tcp_pingpong = PINGPONG(tcp__setup);
const bench_body bench_lib_lent_pingpong = PINGPONG(lent__setup);
const bench_body bench_lib_http_small = PINGPONG(http__setup);
const bench_body bench_lib_pipe_pingpong = PINGPONG(pipe__setup);
const bench_body bench_lib_udp_pingpong = PINGPONG(udp__setup);
const bench_body bench_lib_recvmsg_pingpong = PINGPONG(message__setup);
