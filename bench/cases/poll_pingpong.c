/* poll_pingpong: a datagram to and fro between two sockets of somebody else's, both polled by one loop. */
#include <stdlib.h>

#include "../foreign.h"
#include "lib.h"

typedef struct game {
    bench_run *run;
    bench_foreign owner;
    uint64_t left;
} game;

static bool game__take(game *self, iocp_loop_t *loop, SOCKET at)
{
    if (!bench_foreign_recv(at, self->run)) {
        return false;
    }
    if (at == self->owner.sockets[0] && --self->left == 0) {
        iocp_loop_stop(loop);
        return true;
    }
    return bench_foreign_send(at, self->run);
}

static iocp_action_t game__on_ready(iocp_loop_t *loop, const iocp_result_t *result, game *self,
                                    SOCKET at)
{
    if (result->status == IOCP_ECANCELED) { /* the end of the loop */
        return IOCP_DISARM;
    }
    if (result->status != IOCP_OK) {
        bench_lib_fail(self->run, loop, result->status, "poll");
        return IOCP_DISARM;
    }
    if (!game__take(self, loop, at)) {
        iocp_loop_stop(loop);
        return IOCP_DISARM;
    }
    return IOCP_REARM;
}

static iocp_action_t IOCP_CALL game__on_client(iocp_loop_t *loop, const iocp_result_t *result,
                                               void *userdata)
{
    game *self = userdata;
    return game__on_ready(loop, result, self, self->owner.sockets[0]);
}

static iocp_action_t IOCP_CALL game__on_server(iocp_loop_t *loop, const iocp_result_t *result,
                                               void *userdata)
{
    game *self = userdata;
    return game__on_ready(loop, result, self, self->owner.sockets[1]);
}

static bool game__poll(game *self, int side, iocp_callback_t callback)
{
    return bench_check(self->run,
                       iocp_poll(self->run->loops[0], self->owner.sockets[side], IOCP_POLL_READ,
                                 callback, self, NULL),
                       "iocp_poll");
}

static bool game__setup(bench_run *run)
{
    game *self = calloc(1, sizeof *self);
    run->state = self;
    if (self == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    self->run = run;
    return bench_foreign_open(&self->owner, run) && bench_lib_open_loop(run, 0) &&
           game__poll(self, 0, game__on_client) && game__poll(self, 1, game__on_server);
}

static bool game__measure(bench_run *run, uint64_t iterations)
{
    game *self = run->state;
    self->left = iterations;
    return bench_foreign_send(self->owner.sockets[0], run) && bench_lib_run(run, run->loops[0]);
}

static void game__teardown(bench_run *run)
{
    game *self = run->state;
    bench_lib_close(run);
    if (self != NULL) {
        bench_foreign_close(&self->owner);
    }
    free(self);
}

const bench_body bench_lib_poll_pingpong = {
    .setup = game__setup,
    .measure = game__measure,
    .teardown = game__teardown,
};
