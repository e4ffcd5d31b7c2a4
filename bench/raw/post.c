/* raw/nop, raw/post_burst: packets of the program's own. */
#include <stdlib.h>

#include "../cases.h"
#include "raw.h"

typedef struct post_state {
    raw_loop loop;
    uint64_t left;
    raw_op ops[BENCH_BURST];
} post_state;

static bool post__setup(bench_run *run)
{
    post_state *state = calloc(1, sizeof *state);
    run->state = state;
    return state != NULL ? raw_open(&state->loop, run) : bench_fail(run, "calloc", 0);
}

static void post__teardown(bench_run *run)
{
    post_state *state = run->state;
    if (state != NULL) {
        raw_close(&state->loop);
    }
    free(state);
}

static void post__send(post_state *state, raw_op *op)
{
    if (PostQueuedCompletionStatus(state->loop.port, 0, 0, &op->overlapped)) {
        state->loop.pending++;
    } else {
        raw_fail(&state->loop, "PostQueuedCompletionStatus", (long)GetLastError());
    }
}

/* ---- nop: one after the other ---- */

static void nop__on_done(raw_op *op, DWORD bytes, ULONG error)
{
    post_state *state = op->owner;
    (void)bytes;
    (void)error;
    if (--state->left == 0) {
        state->loop.is_stopped = true;
    } else {
        post__send(state, op);
    }
}

static bool nop__measure(bench_run *run, uint64_t iterations)
{
    post_state *state = run->state;
    state->left = iterations;
    state->ops[0].done = nop__on_done;
    state->ops[0].owner = state;
    post__send(state, &state->ops[0]);
    return raw_run(&state->loop);
}

const bench_body bench_raw_nop = {
    .setup = post__setup,
    .measure = nop__measure,
    .teardown = post__teardown,
};

/* ---- post_burst: many at a time ---- */

static void post_burst__on_done(raw_op *op, DWORD bytes, ULONG error)
{
    post_state *state = op->owner;
    (void)bytes;
    (void)error;
    if (--state->left == 0) {
        state->loop.is_stopped = true;
    }
}

static bool post_burst__measure(bench_run *run, uint64_t iterations)
{
    post_state *state = run->state;
    for (uint64_t i = 0; i < iterations; i++) {
        state->left = BENCH_BURST;
        for (int k = 0; k < BENCH_BURST; k++) {
            state->ops[k].done = post_burst__on_done;
            state->ops[k].owner = state;
            post__send(state, &state->ops[k]);
        }
        if (!raw_run(&state->loop)) {
            return false;
        }
    }
    return true;
}

const bench_body bench_raw_post_burst = {
    .setup = post__setup,
    .measure = post_burst__measure,
    .teardown = post__teardown,
};
