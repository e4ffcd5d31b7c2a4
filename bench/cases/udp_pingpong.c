/* udp_pingpong: a datagram to and fro between two sockets on one loop. */
#include <stdlib.h>

#include "../bench_win.h"
#include "../cases.h"
#include "lib.h"

typedef struct end {
    struct pingpong *game;
    struct end *other;
    iocp_handle_t handle;
    struct sockaddr_in address;
    char in[BENCH_MESSAGE_BYTES];
    char out[BENCH_MESSAGE_BYTES];
} end;

typedef struct pingpong {
    bench_run *run;
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
    return iocp_sendto(loop, from->handle, from->out, sizeof from->out,
                       (const struct sockaddr *)&from->other->address, sizeof from->other->address,
                       pingpong__on_send, from, NULL);
}

static iocp_action_t IOCP_CALL pingpong__on_recv(iocp_loop_t *loop, const iocp_result_t *result,
                                                 void *userdata)
{
    end *at = userdata;
    pingpong *game = at->game;
    int status = result->status;
    if (status == IOCP_OK && at == &game->client && --game->left == 0) {
        iocp_loop_stop(loop);
        return IOCP_REARM;
    }
    if (status == IOCP_OK) {
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

static bool pingpong__open_end(pingpong *game, end *one, end *other)
{
    iocp_loop_t *loop = game->run->loops[0];
    size_t length = sizeof one->address;
    one->game = game;
    one->other = other;
    one->address.sin_family = AF_INET;
    one->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return bench_check(game->run, iocp_socket_open(loop, AF_INET, SOCK_DGRAM, 0, &one->handle),
                       "iocp_socket_open") &&
           bench_check(game->run,
                       iocp_socket_bind(loop, one->handle, (const struct sockaddr *)&one->address,
                                        sizeof one->address),
                       "iocp_socket_bind") &&
           bench_check(
               game->run,
               iocp_socket_get_name(loop, one->handle, (struct sockaddr *)&one->address, &length),
               "iocp_socket_get_name") &&
           bench_check(game->run,
                       iocp_recvfrom(loop, one->handle, one->in, sizeof one->in, pingpong__on_recv,
                                     one, NULL),
                       "iocp_recvfrom");
}

static bool pingpong__setup(bench_run *run)
{
    pingpong *game = calloc(1, sizeof *game);
    run->state = game;
    if (game == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    game->run = run;
    return bench_lib_open_loop(run, 0) && pingpong__open_end(game, &game->client, &game->server) &&
           pingpong__open_end(game, &game->server, &game->client);
}

static bool pingpong__measure(bench_run *run, uint64_t iterations)
{
    pingpong *game = run->state;
    game->left = iterations;
    return bench_check(run, pingpong__send(run->loops[0], &game->client), "iocp_sendto") &&
           bench_lib_run(run, run->loops[0]);
}

const bench_body bench_lib_udp_pingpong = {
    .setup = pingpong__setup,
    .measure = pingpong__measure,
    .teardown = bench_lib_close_and_free,
};
