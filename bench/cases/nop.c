/* nop, nop_rearm: an operation that asks nothing of the kernel, from its start to its callback. */
#include "../cases.h"
#include "lib.h"

#include <stdlib.h>

typedef struct nop_state {
    bench_run *run;
    uint64_t left;
} nop_state;

static iocp_action_t IOCP_CALL nop__on_done(iocp_loop_t *loop, const iocp_result_t *result,
                                            void *userdata)
{
    nop_state *state = userdata;
    int status = result->status;
    if (status == IOCP_OK && --state->left > 0) {
        status = iocp_nop(loop, nop__on_done, state, NULL);
    }
    if (status != IOCP_OK) {
        bench_lib_fail(state->run, loop, status, "nop");
    }
    return IOCP_DISARM;
}

static iocp_action_t IOCP_CALL nop_rearm__on_done(iocp_loop_t *loop, const iocp_result_t *result,
                                                  void *userdata)
{
    nop_state *state = userdata;
    if (result->status != IOCP_OK) {
        bench_lib_fail(state->run, loop, result->status, "nop");
        return IOCP_DISARM;
    }
    return --state->left > 0 ? IOCP_REARM : IOCP_DISARM;
}

static bool nop__setup(bench_run *run)
{
    nop_state *state = calloc(1, sizeof *state);
    run->state = state;
    if (state == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    state->run = run;
    return bench_lib_open_loop(run, 0);
}

static bool nop__run(bench_run *run, uint64_t iterations, iocp_callback_t callback)
{
    nop_state *state = run->state;
    state->left = iterations;
    return bench_check(run, iocp_nop(run->loops[0], callback, state, NULL), "iocp_nop") &&
           bench_lib_run(run, run->loops[0]);
}

static bool nop__measure(bench_run *run, uint64_t iterations)
{
    return nop__run(run, iterations, nop__on_done);
}

static bool nop_rearm__measure(bench_run *run, uint64_t iterations)
{
    return nop__run(run, iterations, nop_rearm__on_done);
}

const bench_body bench_lib_nop = {
    .setup = nop__setup,
    .measure = nop__measure,
    .teardown = bench_lib_close_and_free,
};

const bench_body bench_lib_nop_rearm = {
    .setup = nop__setup,
    .measure = nop_rearm__measure,
    .teardown = bench_lib_close_and_free,
};
