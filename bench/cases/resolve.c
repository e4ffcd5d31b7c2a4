/* resolve_localhost: the addresses of this machine's own name, one look-up at a time. */
#include <stdlib.h>

#include "../cases.h"
#include "lib.h"

typedef struct resolving {
    bench_run *run;
    uint64_t left;
} resolving;

static iocp_action_t IOCP_CALL resolving__on_addresses(iocp_loop_t *loop,
                                                       const iocp_result_t *result, void *userdata)
{
    resolving *state = userdata;
    if (result->status != IOCP_OK) {
        bench_lib_fail(state->run, loop, result->status, "resolve");
        return IOCP_DISARM;
    }
    return --state->left > 0 ? IOCP_REARM : IOCP_DISARM;
}

static bool resolving__setup(bench_run *run)
{
    resolving *state = calloc(1, sizeof *state);
    run->state = state;
    if (state == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    state->run = run;
    return bench_lib_open_loop(run, 0);
}

static bool resolving__measure(bench_run *run, uint64_t iterations)
{
    resolving *state = run->state;
    state->left = iterations;
    return bench_check(run,
                       iocp_resolve(run->loops[0], "localhost", NULL, NULL, resolving__on_addresses,
                                    state, NULL),
                       "iocp_resolve") &&
           bench_lib_run(run, run->loops[0]);
}

const bench_body bench_lib_resolve_localhost = {
    .setup = resolving__setup,
    .measure = resolving__measure,
    .teardown = bench_lib_close_and_free,
};
