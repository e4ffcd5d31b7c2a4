/*
 * tcp_pingpong, pipe_pingpong: a short message to and fro, by a socket or by a named pipe of bytes;
 * both ends are on one loop.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../cases.h"
#include "lib.h"

typedef struct end {
    struct pingpong *game;
    iocp_handle_t handle;
    size_t received; /* of the message that is coming in */
    char in[BENCH_MESSAGE_BYTES];
    char out[BENCH_MESSAGE_BYTES];
} end;

typedef struct pingpong {
    bench_run *run;
    bool is_pipe;
    end client;
    end server;
    uint64_t left;
} pingpong;

static iocp_action_t IOCP_CALL pingpong__on_send(iocp_loop_t *loop, const iocp_result_t *result,
                                                 void *userdata)
{
    end *from = userdata;
    if (result->status != IOCP_OK) {
        bench_lib_fail(from->game->run, loop, result->status, "send");
    }
    return IOCP_DISARM;
}

static int pingpong__send(iocp_loop_t *loop, end *from)
{
    return from->game->is_pipe ? iocp_write(loop, from->handle, from->out, sizeof from->out,
                                            pingpong__on_send, from, NULL)
                               : iocp_send(loop, from->handle, from->out, sizeof from->out,
                                           pingpong__on_send, from, NULL);
}

static iocp_action_t IOCP_CALL pingpong__on_recv(iocp_loop_t *loop, const iocp_result_t *result,
                                                 void *userdata)
{
    end *at = userdata;
    pingpong *game = at->game;
    int status = result->status;
    at->received += (size_t)result->bytes;
    if (status == IOCP_OK && at->received >= BENCH_MESSAGE_BYTES) {
        at->received -= BENCH_MESSAGE_BYTES;
        if (at == &game->client && --game->left == 0) {
            iocp_loop_stop(loop);
            return IOCP_REARM;
        }
        status = pingpong__send(loop, at);
    }
    if (status != IOCP_OK) {
        if (status != IOCP_ECANCELED) { /* the end of the loop */
            bench_lib_fail(game->run, loop, status, "receive");
        }
        return IOCP_DISARM;
    }
    return IOCP_REARM;
}

static bool pingpong__recv(bench_run *run, end *at)
{
    iocp_loop_t *loop = run->loops[0];
    int status =
        at->game->is_pipe
            ? iocp_read(loop, at->handle, at->in, sizeof at->in, pingpong__on_recv, at, NULL)
            : iocp_recv(loop, at->handle, at->in, sizeof at->in, pingpong__on_recv, at, NULL);
    return bench_check(run, status, at->game->is_pipe ? "iocp_read" : "iocp_recv");
}

/* ---- Pipes ---- */

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

static bool pipe__open(bench_run *run, pingpong *game)
{
    iocp_loop_t *loop = run->loops[0];
    iocp_handle_t listener = {0};
    char name[64];
    (void)snprintf(name, sizeof name, "\\\\.\\pipe\\iocploop-bench-%p", (void *)game);
    return bench_check(run, iocp_pipe_listen(loop, name, NULL, &listener), "iocp_pipe_listen") &&
           bench_check(run, iocp_accept(loop, listener, pipe__on_opened, &game->server, NULL),
                       "iocp_accept") &&
           bench_check(run, iocp_pipe_connect(loop, name, 0, pipe__on_opened, &game->client, NULL),
                       "iocp_pipe_connect") &&
           bench_lib_run(run, loop) &&
           bench_check(run, iocp_close(loop, listener, NULL, NULL, NULL), "iocp_close") &&
           bench_lib_run(run, loop);
}

static bool tcp__open(bench_run *run, pingpong *game)
{
    bench_pair pair;
    if (!bench_lib_open_pair(run, run->loops[0], &pair)) {
        return false;
    }
    game->client.handle = pair.client;
    game->server.handle = pair.server;
    return true;
}

/* ---- The case ---- */

static bool pingpong__setup(bench_run *run, bool is_pipe)
{
    pingpong *game = calloc(1, sizeof *game);
    run->state = game;
    if (game == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    game->run = run;
    game->is_pipe = is_pipe;
    game->client.game = game;
    game->server.game = game;
    return bench_lib_open_loop(run, 0) &&
           (is_pipe ? pipe__open(run, game) : tcp__open(run, game)) &&
           pingpong__recv(run, &game->client) && pingpong__recv(run, &game->server);
}

static bool tcp__setup(bench_run *run)
{
    return pingpong__setup(run, false);
}

static bool pipe__setup(bench_run *run)
{
    return pingpong__setup(run, true);
}

static bool pingpong__measure(bench_run *run, uint64_t iterations)
{
    pingpong *game = run->state;
    game->left = iterations;
    return bench_check(run, pingpong__send(run->loops[0], &game->client), "iocp_send") &&
           bench_lib_run(run, run->loops[0]);
}

const bench_body bench_lib_tcp_pingpong = {
    .setup = tcp__setup,
    .measure = pingpong__measure,
    .teardown = bench_lib_close_and_free,
};

const bench_body bench_lib_pipe_pingpong = {
    .setup = pipe__setup,
    .measure = pingpong__measure,
    .teardown = bench_lib_close_and_free,
};
