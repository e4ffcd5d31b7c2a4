/* libuv/tick_empty, notify_signalled, async_roundtrip. */
#include <stdlib.h>

#include "libuv.h"

enum {
    HERE = 0,
    THERE = 1
}; /* which loop: of this thread, of the other one */

typedef struct async_state {
    bench_run *run;
    uv_loop_t loops[2];
    uv_async_t asyncs[2];
    int opened; /* loops with their asyncs */
    uint64_t left;
    uv_thread_t thread;
} async_state;

static bool async__open(bench_run *run, int count, uv_async_cb callbacks[2])
{
    async_state *state = calloc(1, sizeof *state);
    run->state = state;
    if (state == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    state->run = run;
    for (int i = 0; i < count; i++) {
        if (!bench_libuv_open(run, &state->loops[i])) {
            return false;
        }
        state->opened++;
        state->loops[i].data = state;
        if (!bench_libuv_check(run,
                               uv_async_init(&state->loops[i], &state->asyncs[i], callbacks[i]),
                               "uv_async_init")) {
            return false;
        }
    }
    return true;
}

static void async__teardown(bench_run *run)
{
    async_state *state = run->state;
    while (state != NULL && state->opened > 0) {
        bench_libuv_close(run, &state->loops[--state->opened]);
    }
    free(state);
}

/* ---- One loop ---- */

static void async__ignore(uv_async_t *async)
{
    (void)async;
}

static bool async_one__setup(bench_run *run)
{
    return async__open(run, 1, (uv_async_cb[2]){async__ignore, async__ignore});
}

static bool tick_empty__measure(bench_run *run, uint64_t iterations)
{
    async_state *state = run->state;
    for (uint64_t i = 0; i < iterations; i++) {
        uv_run(&state->loops[0], UV_RUN_NOWAIT);
    }
    return true;
}

static bool notify_signalled__measure(bench_run *run, uint64_t iterations)
{
    async_state *state = run->state;
    for (uint64_t i = 0; i < iterations; i++) {
        uv_async_send(&state->asyncs[0]);
    }
    return true;
}

const bench_body bench_libuv_tick_empty = {
    .setup = async_one__setup,
    .measure = tick_empty__measure,
    .teardown = async__teardown,
};

const bench_body bench_libuv_notify_signalled = {
    .setup = async_one__setup,
    .measure = notify_signalled__measure,
    .teardown = async__teardown,
};

/* ---- Two loops in two threads ---- */

static void async__on_wake_here(uv_async_t *async)
{
    async_state *state = async->loop->data;
    if (--state->left > 0) {
        uv_async_send(&state->asyncs[THERE]);
    } else {
        uv_stop(async->loop);
    }
}

static void async__on_wake_there(uv_async_t *async)
{
    async_state *state = async->loop->data;
    if (state->left == 0) {
        uv_stop(async->loop);
    } else {
        uv_async_send(&state->asyncs[HERE]);
    }
}

static bool async_roundtrip__setup(bench_run *run)
{
    return async__open(run, 2, (uv_async_cb[2]){async__on_wake_here, async__on_wake_there});
}

static void async__run_there(void *arg)
{
    async_state *state = arg;
    uv_run(&state->loops[THERE], UV_RUN_DEFAULT);
}

static bool async_roundtrip__prepare(bench_run *run)
{
    async_state *state = run->state;
    state->left = 1;
    return bench_libuv_check(run, uv_thread_create(&state->thread, async__run_there, state),
                             "uv_thread_create");
}

static bool async_roundtrip__measure(bench_run *run, uint64_t iterations)
{
    async_state *state = run->state;
    state->left = iterations;
    uv_async_send(&state->asyncs[THERE]);
    uv_run(&state->loops[HERE], UV_RUN_DEFAULT);
    return true;
}

static bool async_roundtrip__finish(bench_run *run)
{
    async_state *state = run->state;
    state->left = 0;
    uv_async_send(&state->asyncs[THERE]);
    return bench_libuv_check(run, uv_thread_join(&state->thread), "uv_thread_join");
}

const bench_body bench_libuv_async_roundtrip = {
    .setup = async_roundtrip__setup,
    .prepare = async_roundtrip__prepare,
    .measure = async_roundtrip__measure,
    .finish = async_roundtrip__finish,
    .teardown = async__teardown,
};
