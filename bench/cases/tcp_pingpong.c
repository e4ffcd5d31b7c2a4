/* tcp_pingpong: a short message to and fro; both ends are on one loop. */
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
    return iocp_send(loop, from->handle, from->out, sizeof from->out, pingpong__on_send, from,
                     NULL);
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
    return bench_check(
        run,
        iocp_recv(run->loops[0], at->handle, at->in, sizeof at->in, pingpong__on_recv, at, NULL),
        "iocp_recv");
}

static bool pingpong__setup(bench_run *run)
{
    pingpong *game = calloc(1, sizeof *game);
    bench_pair pair;
    run->state = game;
    if (game == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    if (!bench_lib_open_loop(run, 0) || !bench_lib_open_pair(run, run->loops[0], &pair)) {
        return false;
    }
    game->run = run;
    game->client.game = game;
    game->client.handle = pair.client;
    game->server.game = game;
    game->server.handle = pair.server;
    return pingpong__recv(run, &game->client) && pingpong__recv(run, &game->server);
}

static bool pingpong__measure(bench_run *run, uint64_t iterations)
{
    pingpong *game = run->state;
    game->left = iterations;
    return bench_check(run, pingpong__send(run->loops[0], &game->client), "iocp_send") &&
           bench_lib_run(run, run->loops[0]);
}

const bench_body bench_lib_tcp_pingpong = {
    .setup = pingpong__setup,
    .measure = pingpong__measure,
    .teardown = bench_lib_close_and_free,
};
