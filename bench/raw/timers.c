/* raw/timers_*: the same timers in a heap of one's own; the loop around them is a clock. */
#include <stdlib.h>

#include "../cases.h"
#include "../clock.h"
#include "heap.h"

typedef struct timers {
    bench_run *run;
    uint64_t seed;
    uint64_t ended;
    raw_heap plain;
    raw_indexed_heap indexed;
    raw_indexed_timer *timers;
    uint32_t *order; /* in which they are cancelled */
} timers;

static void timers__on_end(void *owner)
{
    timers *all = owner;
    all->ended++;
}

static bool timers__setup(bench_run *run)
{
    timers *all = calloc(1, sizeof *all);
    run->state = all;
    if (all == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    all->run = run;
    all->seed = BENCH_TIMER_SEED;
    return true;
}

static void timers__teardown(bench_run *run)
{
    timers *all = run->state;
    if (all != NULL) {
        free(all->plain.timers);
        free(all->indexed.entries);
        free(all->timers);
        free(all->order);
    }
    free(all);
}

/* ---- Insert and fire ---- */

static bool timers__insert(bench_run *run)
{
    timers *all = run->state;
    uint64_t spread_ns = run->size * BENCH_TIMER_SPACING_NS;
    uint64_t now_ns = bench_now_ns();
    all->ended = 0;
    for (uint64_t i = 0; i < run->size; i++) {
        raw_timer timer = {.due_ns = now_ns + bench_random_below(&all->seed, spread_ns),
                           .function = timers__on_end,
                           .owner = all};
        if (!raw_heap_push(&all->plain, timer)) {
            return bench_fail(run, "realloc", 0);
        }
    }
    return true;
}

static bool timers__fire(bench_run *run)
{
    timers *all = run->state;
    while (all->plain.count > 0) {
        uint64_t now_ns = bench_now_ns();
        while (all->plain.count > 0 && all->plain.timers[0].due_ns <= now_ns) {
            raw_timer timer = raw_heap_pop(&all->plain);
            timer.function(timer.owner);
        }
    }
    return all->ended == run->size || bench_fail(run, "timers that ended", (long)all->ended);
}

static void timers__wait_until_due(const bench_run *run)
{
    uint64_t due_ns = bench_now_ns() + run->size * BENCH_TIMER_SPACING_NS;
    while (bench_now_ns() <= due_ns) {
        /* as the library case does */
    }
}

static bool timers_insert_fire__measure(bench_run *run, uint64_t iterations)
{
    for (uint64_t i = 0; i < iterations; i++) {
        if (!timers__insert(run)) {
            return false;
        }
        timers__wait_until_due(run);
        if (!timers__fire(run)) {
            return false;
        }
    }
    return true;
}

static bool timers_insert__measure(bench_run *run, uint64_t iterations)
{
    for (uint64_t i = 0; i < iterations; i++) {
        if (!timers__insert(run)) {
            return false;
        }
        bench_pause pause = bench_pause_begin(run);
        timers__wait_until_due(run);
        bool is_good = timers__fire(run);
        bench_pause_end(run, pause);
        if (!is_good) {
            return false;
        }
    }
    return true;
}

/* ---- Cancel and reset ---- */

static bool timers_indexed__setup(bench_run *run)
{
    if (!timers__setup(run)) {
        return false;
    }
    timers *all = run->state;
    all->timers = calloc((size_t)run->size, sizeof *all->timers);
    return all->timers != NULL || bench_fail(run, "calloc", 0);
}

static uint64_t timers__far(timers *all)
{
    return BENCH_TIMER_FAR_NS + (bench_random(&all->seed) & BENCH_TIMER_FAR_MASK);
}

static bool timers_indexed__insert(bench_run *run)
{
    timers *all = run->state;
    uint64_t now_ns = bench_now_ns();
    all->ended = 0;
    for (uint64_t i = 0; i < run->size; i++) {
        uint64_t delay_ns = timers__far(all);
        all->timers[i].function = timers__on_end;
        all->timers[i].owner = all;
        if (!raw_indexed_heap_push(&all->indexed, &all->timers[i], now_ns + delay_ns)) {
            return bench_fail(run, "realloc", 0);
        }
    }
    return true;
}

static bool timers_insert_cancel__measure(bench_run *run, uint64_t iterations)
{
    timers *all = run->state;
    for (uint64_t i = 0; i < iterations; i++) {
        if (!timers_indexed__insert(run)) {
            return false;
        }
        for (uint64_t k = 0; k < run->size; k++) {
            raw_indexed_heap_remove(&all->indexed, &all->timers[k]);
            all->timers[k].function(all->timers[k].owner);
        }
        if (all->ended != run->size) {
            return bench_fail(run, "timers that ended", (long)all->ended);
        }
    }
    return true;
}

static void timers__shuffle(timers *all)
{
    for (uint64_t i = all->run->size - 1; i > 0; i--) {
        uint64_t k = bench_random_below(&all->seed, i + 1);
        uint32_t index = all->order[i];
        all->order[i] = all->order[k];
        all->order[k] = index;
    }
}

static bool timers_cancel__setup(bench_run *run)
{
    if (!timers_indexed__setup(run)) {
        return false;
    }
    timers *all = run->state;
    all->order = calloc((size_t)run->size, sizeof *all->order);
    if (all->order == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    for (uint32_t i = 0; i < run->size; i++) {
        all->order[i] = i;
    }
    return true;
}

static bool timers_cancel__measure(bench_run *run, uint64_t iterations)
{
    timers *all = run->state;
    for (uint64_t i = 0; i < iterations; i++) {
        bench_pause pause = bench_pause_begin(run);
        bool is_good = timers_indexed__insert(run);
        timers__shuffle(all);
        bench_pause_end(run, pause);
        for (uint64_t k = 0; is_good && k < run->size; k++) {
            raw_indexed_timer *timer = &all->timers[all->order[k]];
            raw_indexed_heap_remove(&all->indexed, timer);
            timer->function(timer->owner);
        }
        if (all->ended != run->size) {
            return bench_fail(run, "timers that ended", (long)all->ended);
        }
    }
    return true;
}

static bool timers_reset__setup(bench_run *run)
{
    return timers_indexed__setup(run) && timers_indexed__insert(run);
}

static void timers__reset_one(timers *all, uint64_t due_ns)
{
    uint64_t index = bench_random_below(&all->seed, all->run->size);
    raw_indexed_heap_move(&all->indexed, &all->timers[index], due_ns);
}

/* The clock is read once for all timers, as a loop reads it once in a turn. */
static bool timers_reset__measure(bench_run *run, uint64_t iterations)
{
    timers *all = run->state;
    for (uint64_t i = 0; i < iterations; i++) {
        uint64_t now_ns = bench_now_ns();
        for (uint64_t k = 0; k < run->size; k++) {
            timers__reset_one(all, now_ns + timers__far(all));
        }
    }
    return true;
}

static bool timers_postpone__measure(bench_run *run, uint64_t iterations)
{
    timers *all = run->state;
    for (uint64_t i = 0; i < iterations; i++) {
        uint64_t now_ns = bench_now_ns();
        for (uint64_t k = 0; k < run->size; k++) {
            timers__reset_one(all, now_ns + 2 * BENCH_TIMER_FAR_NS);
        }
    }
    return true;
}

const bench_body bench_raw_timers_insert = {
    .setup = timers__setup,
    .measure = timers_insert__measure,
    .teardown = timers__teardown,
};

const bench_body bench_raw_timers_insert_fire = {
    .setup = timers__setup,
    .measure = timers_insert_fire__measure,
    .teardown = timers__teardown,
};

const bench_body bench_raw_timers_insert_cancel = {
    .setup = timers_indexed__setup,
    .measure = timers_insert_cancel__measure,
    .teardown = timers__teardown,
};

const bench_body bench_raw_timers_cancel = {
    .setup = timers_cancel__setup,
    .measure = timers_cancel__measure,
    .teardown = timers__teardown,
};

const bench_body bench_raw_timers_reset = {
    .setup = timers_reset__setup,
    .measure = timers_reset__measure,
    .teardown = timers__teardown,
};

const bench_body bench_raw_timers_postpone = {
    .setup = timers_reset__setup,
    .measure = timers_postpone__measure,
    .teardown = timers__teardown,
};
