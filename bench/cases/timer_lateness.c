/* timer_lateness: one timer after the other, for which the loop sleeps. */
#include <stdlib.h>

#include "../cases.h"
#include "lib.h"

typedef struct lateness_state {
    bench_run *run;
    uint64_t left;
} lateness_state;

static iocp_action_t IOCP_CALL lateness__on_timer(iocp_loop_t *loop, const iocp_result_t *result,
                                                  void *userdata)
{
    lateness_state *state = userdata;
    int status = result->status;
    if (status == IOCP_OK && --state->left > 0) {
        /* Counted from now on, not from when this one was due. */
        status = iocp_timer_reset(loop, result->op, BENCH_TIMER_DELAY_NS);
        if (status == IOCP_OK) {
            return IOCP_REARM;
        }
    }
    if (status != IOCP_OK) {
        bench_lib_fail(state->run, loop, status, "timer");
    }
    return IOCP_DISARM;
}

static bool lateness__setup(bench_run *run)
{
    lateness_state *state = calloc(1, sizeof *state);
    run->state = state;
    if (state == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    state->run = run;
    return bench_lib_open_loop(run, 0);
}

static bool lateness__measure(bench_run *run, uint64_t iterations)
{
    lateness_state *state = run->state;
    state->left = iterations;
    int status = iocp_timer(run->loops[0], BENCH_TIMER_DELAY_NS, lateness__on_timer, state, NULL);
    return bench_check(run, status, "iocp_timer") && bench_lib_run(run, run->loops[0]);
}

const bench_body bench_lib_timer_lateness = {
    .setup = lateness__setup,
    .measure = lateness__measure,
    .teardown = bench_lib_close_and_free,
};
