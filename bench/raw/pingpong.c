/*
 * raw/tcp_pingpong, pipe_pingpong: a short message to and fro, by a socket or by a named pipe of
 * bytes; both ends are on one port.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../cases.h"
#include "raw.h"

typedef struct end {
    struct pingpong *game;
    union { /* both say "none" with all bits set */
        SOCKET socket;
        HANDLE pipe;
    };
    raw_op recv;
    raw_op send;
    size_t received; /* of the message that is coming in */
    char in[BENCH_MESSAGE_BYTES];
    char out[BENCH_MESSAGE_BYTES];
} end;

typedef struct pingpong {
    raw_loop loop;
    bool is_pipe;
    end client;
    end server;
    uint64_t left;
} pingpong;

static void pingpong__send(end *from)
{
    DWORD bytes = 0;
    if (from->game->is_pipe) {
        memset(&from->send.overlapped, 0, sizeof from->send.overlapped);
        raw_started(
            &from->game->loop,
            WriteFile(from->pipe, from->out, sizeof from->out, NULL, &from->send.overlapped),
            "WriteFile");
        return;
    }
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

static raw_start pingpong__start_recv(end *at, DWORD *bytes)
{
    raw_loop *loop = &at->game->loop;
    OVERLAPPED *overlapped = &at->recv.overlapped;
    if (!at->game->is_pipe) {
        return raw_recv(loop, at->socket, &at->recv, at->in, sizeof at->in, bytes);
    }
    memset(overlapped, 0, sizeof *overlapped);
    raw_start start =
        raw_started(loop, ReadFile(at->pipe, at->in, sizeof at->in, NULL, overlapped), "ReadFile");
    *bytes = (DWORD)overlapped->InternalHigh;
    return start;
}

static void pingpong__recv(end *at)
{
    DWORD bytes = 0;
    while (pingpong__start_recv(at, &bytes) == RAW_DONE) {
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

static bool pipe__open(raw_loop *loop, HANDLE *client, HANDLE *server)
{
    char name[64];
    (void)snprintf(name, sizeof name, "\\\\.\\pipe\\iocploop-bench-%p", (void *)loop);
    *server = CreateNamedPipeA(name, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED, PIPE_TYPE_BYTE, 1,
                               BENCH_BLOCK_BYTES, BENCH_BLOCK_BYTES, 0, NULL);
    *client = CreateFileA(name, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
                          FILE_FLAG_OVERLAPPED, NULL);
    if (*server == INVALID_HANDLE_VALUE || *client == INVALID_HANDLE_VALUE) {
        return bench_fail(loop->run, "a pipe", (long)GetLastError());
    }
    return raw_associate(loop, *client) && raw_associate(loop, *server);
}

static void pipe__close(HANDLE *pipe)
{
    if (*pipe != INVALID_HANDLE_VALUE) {
        (void)CloseHandle(*pipe);
        *pipe = INVALID_HANDLE_VALUE;
    }
}

static bool pingpong__setup(bench_run *run, bool is_pipe)
{
    pingpong *game = calloc(1, sizeof *game);
    run->state = game;
    if (game == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    pingpong__init_end(game, &game->client);
    pingpong__init_end(game, &game->server);
    game->is_pipe = is_pipe;
    if (!raw_open(&game->loop, run) ||
        !(is_pipe ? pipe__open(&game->loop, &game->client.pipe, &game->server.pipe)
                  : raw_pair(&game->loop, &game->client.socket, &game->server.socket))) {
        return false;
    }
    pingpong__recv(&game->client);
    pingpong__recv(&game->server);
    return run->error[0] == '\0';
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
    pingpong__send(&game->client);
    return raw_run(&game->loop);
}

static void pingpong__teardown(bench_run *run)
{
    pingpong *game = run->state;
    if (game != NULL && game->is_pipe) {
        pipe__close(&game->client.pipe);
        pipe__close(&game->server.pipe);
        raw_close(&game->loop);
    } else if (game != NULL) {
        raw_close_socket(&game->client.socket);
        raw_close_socket(&game->server.socket);
        raw_close(&game->loop);
    }
    free(game);
}

const bench_body bench_raw_tcp_pingpong = {
    .setup = tcp__setup,
    .measure = pingpong__measure,
    .teardown = pingpong__teardown,
};

const bench_body bench_raw_pipe_pingpong = {
    .setup = pipe__setup,
    .measure = pingpong__measure,
    .teardown = pingpong__teardown,
};
