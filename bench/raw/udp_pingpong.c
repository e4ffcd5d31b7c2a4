/* raw/udp_pingpong: a datagram to and fro between two sockets on one port. */
#include <stdlib.h>
#include <string.h>

#include "../cases.h"
#include "raw.h"

typedef struct end {
    struct pingpong *game;
    struct end *other;
    SOCKET socket;
    struct sockaddr_in address;
    raw_op recv;
    raw_op send;
    struct sockaddr_storage sender; /* these three: of the receive that is pending */
    int sender_length;
    DWORD flags;
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
    WSABUF buffer = {.len = sizeof from->out, .buf = from->out};
    DWORD bytes = 0;
    memset(&from->send.overlapped, 0, sizeof from->send.overlapped);
    int result = WSASendTo(from->socket, &buffer, 1, &bytes, 0,
                           (const struct sockaddr *)&from->other->address,
                           sizeof from->other->address, &from->send.overlapped, NULL);
    raw_started(&from->game->loop, result == 0, "WSASendTo");
}

static void pingpong__on_send(raw_op *op, DWORD bytes, ULONG error)
{
    end *from = op->owner;
    (void)bytes;
    if (error != 0) {
        raw_fail(&from->game->loop, "send", (long)error);
    }
}

static void pingpong__take(end *at)
{
    pingpong *game = at->game;
    if (at == &game->client && --game->left == 0) {
        game->loop.is_stopped = true;
    } else {
        pingpong__send(at);
    }
}

static raw_start pingpong__start_recv(end *at)
{
    WSABUF buffer = {.len = sizeof at->in, .buf = at->in};
    DWORD bytes = 0;
    memset(&at->recv.overlapped, 0, sizeof at->recv.overlapped);
    at->flags = 0;
    at->sender_length = sizeof at->sender;
    int result =
        WSARecvFrom(at->socket, &buffer, 1, &bytes, &at->flags, (struct sockaddr *)&at->sender,
                    &at->sender_length, &at->recv.overlapped, NULL);
    return raw_started(&at->game->loop, result == 0, "WSARecvFrom");
}

static void pingpong__recv(end *at)
{
    while (pingpong__start_recv(at) == RAW_DONE) {
        pingpong__take(at);
    }
}

static void pingpong__on_recv(raw_op *op, DWORD bytes, ULONG error)
{
    end *at = op->owner;
    (void)bytes;
    if (error != 0) {
        raw_fail(&at->game->loop, "receive", (long)error);
        return;
    }
    pingpong__take(at);
    pingpong__recv(at);
}

static void pingpong__init_end(pingpong *game, end *one, end *other)
{
    one->game = game;
    one->other = other;
    one->socket = INVALID_SOCKET;
    one->recv.done = pingpong__on_recv;
    one->recv.owner = one;
    one->send.done = pingpong__on_send;
    one->send.owner = one;
}

static bool pingpong__open_end(pingpong *game, end *one)
{
    return raw_socket(&game->loop, SOCK_DGRAM, &one->socket) &&
           raw_bind(&game->loop, one->socket, &one->address) &&
           raw_associate(&game->loop, (HANDLE)one->socket);
}

static bool pingpong__setup(bench_run *run)
{
    pingpong *game = calloc(1, sizeof *game);
    run->state = game;
    if (game == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    pingpong__init_end(game, &game->client, &game->server);
    pingpong__init_end(game, &game->server, &game->client);
    if (!raw_open(&game->loop, run) || !pingpong__open_end(game, &game->client) ||
        !pingpong__open_end(game, &game->server)) {
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

const bench_body bench_raw_udp_pingpong = {
    .setup = pingpong__setup,
    .measure = pingpong__measure,
    .teardown = pingpong__teardown,
};
