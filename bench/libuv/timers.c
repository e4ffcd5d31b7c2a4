/*
 * libuv/timers_*: the same timers. libuv counts milliseconds, so those that are to fire within a
 * hundredth of one are due at once: the order of most is that of setting.
 */
#include <stdlib.h>

#include "../cases.h"
#include "libuv.h"

#define NS_PER_MS 1000000

typedef struct timers {
    uv_loop_t loop;
    bool is_open;
    uint64_t seed;
    uint64_t ended;
    uv_timer_t *timers;
    uint32_t *order; /* in which they are cancelled */
} timers;

static void timers__on_end(uv_timer_t *timer)
{
    timers *all = timer->loop->data;
    all->ended++;
}

static bool timers__setup(bench_run *run)
{
    timers *all = calloc(1, sizeof *all);
    run->state = all;
    if (all == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    all->seed = BENCH_TIMER_SEED;
    all->timers = calloc((size_t)run->size, sizeof *all->timers);
    all->order = calloc((size_t)run->size, sizeof *all->order);
    if (all->timers == NULL || all->order == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    if (!bench_libuv_open(run, &all->loop)) {
        return false;
    }
    all->is_open = true;
    all->loop.data = all;
    for (uint32_t i = 0; i < run->size; i++) {
        all->order[i] = i;
        uv_timer_init(&all->loop, &all->timers[i]);
    }
    return true;
}

static void timers__teardown(bench_run *run)
{
    timers *all = run->state;
    if (all != NULL && all->is_open) {
        bench_libuv_close(run, &all->loop);
    }
    if (all != NULL) {
        free(all->timers);
        free(all->order);
    }
    free(all);
}

static uint64_t timers__near_ms(timers *all, uint64_t count)
{
    return bench_random_below(&all->seed, count * BENCH_TIMER_SPACING_NS) / NS_PER_MS;
}

static uint64_t timers__far_ms(timers *all)
{
    return (BENCH_TIMER_FAR_NS + (bench_random(&all->seed) & BENCH_TIMER_FAR_MASK)) / NS_PER_MS;
}

static void timers__insert_near(bench_run *run)
{
    timers *all = run->state;
    all->ended = 0;
    for (uint64_t i = 0; i < run->size; i++) {
        uv_timer_start(&all->timers[i], timers__on_end, timers__near_ms(all, run->size), 0);
    }
}

static bool timers__fire(bench_run *run)
{
    timers *all = run->state;
    uv_run(&all->loop, UV_RUN_DEFAULT);
    return all->ended == run->size || bench_fail(run, "timers that ended", (long)all->ended);
}

static bool timers_insert__measure(bench_run *run, uint64_t iterations)
{
    bool is_good = true;
    for (uint64_t i = 0; i < iterations && is_good; i++) {
        timers__insert_near(run);
        bench_pause pause = bench_pause_begin(run);
        is_good = timers__fire(run);
        bench_pause_end(run, pause);
    }
    return is_good;
}

static void timers__wait_until_due(bench_run *run)
{
    timers *all = run->state;
    uint64_t due_ms = uv_now(&all->loop) + run->size * BENCH_TIMER_SPACING_NS / NS_PER_MS;
    while (uv_now(&all->loop) < due_ms) {
        uv_update_time(&all->loop);
    }
}

/* The wait for the last one's millisecond is not measured. */
static bool timers_insert_fire__measure(bench_run *run, uint64_t iterations)
{
    bool is_good = true;
    for (uint64_t i = 0; i < iterations && is_good; i++) {
        timers__insert_near(run);
        bench_pause pause = bench_pause_begin(run);
        timers__wait_until_due(run);
        bench_pause_end(run, pause);
        is_good = timers__fire(run);
    }
    return is_good;
}

static void timers__insert_far(bench_run *run)
{
    timers *all = run->state;
    for (uint64_t i = 0; i < run->size; i++) {
        uv_timer_start(&all->timers[i], timers__on_end, timers__far_ms(all), 0);
    }
}

static void timers__shuffle(bench_run *run)
{
    timers *all = run->state;
    for (uint64_t i = run->size - 1; i > 0; i--) {
        uint64_t k = bench_random_below(&all->seed, i + 1);
        uint32_t index = all->order[i];
        all->order[i] = all->order[k];
        all->order[k] = index;
    }
}

/* A timer that is stopped has no callback. */
static bool timers_cancel__measure(bench_run *run, uint64_t iterations)
{
    timers *all = run->state;
    for (uint64_t i = 0; i < iterations; i++) {
        bench_pause pause = bench_pause_begin(run);
        timers__insert_far(run);
        timers__shuffle(run);
        bench_pause_end(run, pause);
        for (uint64_t k = 0; k < run->size; k++) {
            uv_timer_stop(&all->timers[all->order[k]]);
        }
    }
    return true;
}

static bool timers_reset__setup(bench_run *run)
{
    if (!timers__setup(run)) {
        return false;
    }
    timers__insert_far(run);
    return true;
}

static bool timers_reset__measure(bench_run *run, uint64_t iterations)
{
    timers *all = run->state;
    for (uint64_t i = 0; i < iterations * run->size; i++) {
        uv_timer_t *timer = &all->timers[bench_random_below(&all->seed, run->size)];
        uv_timer_start(timer, timers__on_end, timers__far_ms(all), 0);
    }
    return true;
}

const bench_body bench_libuv_timers_insert = {
    .setup = timers__setup,
    .measure = timers_insert__measure,
    .teardown = timers__teardown,
};

const bench_body bench_libuv_timers_insert_fire = {
    .setup = timers__setup,
    .measure = timers_insert_fire__measure,
    .teardown = timers__teardown,
};

const bench_body bench_libuv_timers_cancel = {
    .setup = timers__setup,
    .measure = timers_cancel__measure,
    .teardown = timers__teardown,
};

const bench_body bench_libuv_timers_reset = {
    .setup = timers_reset__setup,
    .measure = timers_reset__measure,
    .teardown = timers__teardown,
};
