/* raw/tcp_pingpong: a short message to and fro; both ends are on one port. */
#include <stdlib.h>

#include "../cases.h"
#include "raw.h"

typedef struct end {
    struct pingpong *game;
    SOCKET socket;
    raw_op recv;
    raw_op send;
    size_t received; /* of the message that is coming in */
    char in[BENCH_MESSAGE_BYTES];
    char out[BENCH_MESSAGE_BYTES];
} end;

typedef struct pingpong {
    raw_loop loop;
    end client;
    end server;
    uint64_t left;
} pingpong;

static void pingpong__send(end *from)
{
    DWORD bytes = 0;
    raw_send(&from->game->loop, from->socket, &from->send, from->out, sizeof from->out, &bytes);
}

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
    } else if (at->received >= BENCH_MESSAGE_BYTES) {
        at->received -= BENCH_MESSAGE_BYTES;
        if (at == &game->client && --game->left == 0) {
            game->loop.is_stopped = true;
        } else {
            pingpong__send(at);
        }
    }
}

static void pingpong__recv(end *at)
{
    DWORD bytes = 0;
    while (raw_recv(&at->game->loop, at->socket, &at->recv, at->in, sizeof at->in, &bytes) ==
           RAW_DONE) {
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
    one->socket = INVALID_SOCKET;
    one->recv.done = pingpong__on_recv;
    one->recv.owner = one;
    one->send.done = pingpong__on_send;
    one->send.owner = one;
}

static bool pingpong__setup(bench_run *run)
{
    pingpong *game = calloc(1, sizeof *game);
    run->state = game;
    if (game == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    pingpong__init_end(game, &game->client);
    pingpong__init_end(game, &game->server);
    if (!raw_open(&game->loop, run) ||
        !raw_pair(&game->loop, &game->client.socket, &game->server.socket)) {
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
    pingpong__send(&game->client);
    return raw_run(&game->loop);
}

static void pingpong__teardown(bench_run *run)
{
    pingpong *game = run->state;
    if (game != NULL) {
        raw_close_socket(&game->client.socket);
        raw_close_socket(&game->server.socket);
        raw_close(&game->loop);
    }
    free(game);
}

const bench_body bench_raw_tcp_pingpong = {
    .setup = pingpong__setup,
    .measure = pingpong__measure,
    .teardown = pingpong__teardown,
};
