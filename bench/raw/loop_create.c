/* raw/loop_create: a port is created and closed, while Winsock has been started by another one. */
#include <stdlib.h>

#include "../cases.h"
#include "raw.h"

typedef struct create_state {
    raw_loop other;
    raw_loop loop;
} create_state;

static bool loop_create__setup(bench_run *run)
{
    create_state *state = calloc(1, sizeof *state);
    run->state = state;
    return state != NULL ? raw_open(&state->other, run) : bench_fail(run, "calloc", 0);
}

static bool loop_create__measure(bench_run *run, uint64_t iterations)
{
    create_state *state = run->state;
    for (uint64_t i = 0; i < iterations; i++) {
        if (!raw_open(&state->loop, run)) {
            return false;
        }
        raw_close(&state->loop);
    }
    return true;
}

static void loop_create__teardown(bench_run *run)
{
    create_state *state = run->state;
    if (state != NULL) {
        raw_close(&state->other);
    }
    free(state);
}

const bench_body bench_raw_loop_create = {
    .setup = loop_create__setup,
    .measure = loop_create__measure,
    .teardown = loop_create__teardown,
};
