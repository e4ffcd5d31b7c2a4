/* timers_*: many timers at a time, with random delays. */
#include <stdlib.h>

#include "../cases.h"
#include "lib.h"

typedef struct timers {
    bench_run *run;
    uint64_t seed;
    uint64_t ended;
    int expected; /* the status that timers end with */
    iocp_op_t *ops;
} timers;

static iocp_action_t IOCP_CALL timers__on_end(iocp_loop_t *loop, const iocp_result_t *result,
                                              void *userdata)
{
    timers *all = userdata;
    if (result->status != all->expected) {
        bench_lib_fail(all->run, loop, result->status, "timer");
    }
    all->ended++;
    return IOCP_DISARM;
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
    all->ops = calloc((size_t)run->size, sizeof *all->ops);
    return all->ops != NULL ? bench_lib_open_loop(run, 0) : bench_fail(run, "calloc", 0);
}

static void timers__teardown(bench_run *run)
{
    timers *all = run->state;
    bench_lib_close(run);
    if (all != NULL) {
        free(all->ops);
    }
    free(all);
}

/* Delays of timers that are to fire at once, and of those that are not. */
static uint64_t timers__near(timers *all)
{
    return bench_random_below(&all->seed, all->run->size * BENCH_TIMER_SPACING_NS);
}

static uint64_t timers__far(timers *all)
{
    return BENCH_TIMER_FAR_NS + (bench_random(&all->seed) & BENCH_TIMER_FAR_MASK);
}

/* Queue one timer. */
static bool timers__add(timers *all, uint64_t index, uint64_t delay_ns)
{
    int status = iocp_timer(all->run->loops[0], delay_ns, timers__on_end, all, &all->ops[index]);
    return status == IOCP_OK || bench_check(all->run, status, "iocp_timer");
}

static bool timers__insert_near(bench_run *run)
{
    timers *all = run->state;
    all->ended = 0;
    for (uint64_t i = 0; i < run->size; i++) {
        if (!timers__add(all, i, timers__near(all))) {
            return false;
        }
    }
    return bench_check(run, iocp_loop_submit(run->loops[0]), "iocp_loop_submit");
}

static bool timers__insert_far(bench_run *run)
{
    timers *all = run->state;
    all->ended = 0;
    for (uint64_t i = 0; i < run->size; i++) {
        if (!timers__add(all, i, timers__far(all))) {
            return false;
        }
    }
    return bench_check(run, iocp_loop_submit(run->loops[0]), "iocp_loop_submit");
}

/* Run until all timers have ended with `status`. */
static bool timers__end(bench_run *run, int status)
{
    timers *all = run->state;
    all->expected = status;
    if (!bench_lib_run(run, run->loops[0])) {
        return false;
    }
    return all->ended == run->size || bench_fail(run, "timers that ended", (long)all->ended);
}

/* So that the loop need not sleep. */
static void timers__wait_until_due(bench_run *run)
{
    iocp_loop_t *loop = run->loops[0];
    uint64_t due_ns = iocp_loop_now(loop) + run->size * BENCH_TIMER_SPACING_NS;
    while (iocp_loop_now(loop) <= due_ns) {
        iocp_loop_update_now(loop);
    }
}

static bool timers_insert_fire__measure(bench_run *run, uint64_t iterations)
{
    for (uint64_t i = 0; i < iterations; i++) {
        if (!timers__insert_near(run)) {
            return false;
        }
        timers__wait_until_due(run);
        if (!timers__end(run, IOCP_OK)) {
            return false;
        }
    }
    return true;
}

static bool timers_insert__measure(bench_run *run, uint64_t iterations)
{
    for (uint64_t i = 0; i < iterations; i++) {
        if (!timers__insert_near(run)) {
            return false;
        }
        bench_pause pause = bench_pause_begin(run);
        timers__wait_until_due(run);
        bool is_good = timers__end(run, IOCP_OK);
        bench_pause_end(run, pause);
        if (!is_good) {
            return false;
        }
    }
    return true;
}

static bool timers_insert_cancel__measure(bench_run *run, uint64_t iterations)
{
    timers *all = run->state;
    for (uint64_t i = 0; i < iterations; i++) {
        if (!timers__insert_far(run)) {
            return false;
        }
        for (uint64_t k = 0; k < run->size; k++) {
            int status = iocp_cancel(run->loops[0], all->ops[k], NULL, NULL, NULL);
            if (status != IOCP_OK) {
                return bench_check(run, status, "iocp_cancel");
            }
        }
        if (!timers__end(run, IOCP_ECANCELED)) {
            return false;
        }
    }
    return true;
}

static bool timers_reset__setup(bench_run *run)
{
    if (!timers__setup(run)) {
        return false;
    }
    timers *all = run->state;
    all->expected = IOCP_ECANCELED; /* by the end of the loop */
    return timers__insert_far(run);
}

static bool timers__reset_one(timers *all, uint64_t delay_ns)
{
    uint64_t index = bench_random_below(&all->seed, all->run->size);
    int status = iocp_timer_reset(all->run->loops[0], all->ops[index], delay_ns);
    return status == IOCP_OK || bench_check(all->run, status, "iocp_timer_reset");
}

static bool timers_reset__measure(bench_run *run, uint64_t iterations)
{
    timers *all = run->state;
    for (uint64_t i = 0; i < iterations * run->size; i++) {
        if (!timers__reset_one(all, timers__far(all))) {
            return false;
        }
    }
    return true;
}

static bool timers_postpone__measure(bench_run *run, uint64_t iterations)
{
    timers *all = run->state;
    for (uint64_t i = 0; i < iterations * run->size; i++) {
        if (!timers__reset_one(all, 2 * BENCH_TIMER_FAR_NS)) {
            return false;
        }
    }
    return true;
}

const bench_body bench_lib_timers_insert = {
    .setup = timers__setup,
    .measure = timers_insert__measure,
    .teardown = timers__teardown,
};

const bench_body bench_lib_timers_insert_fire = {
    .setup = timers__setup,
    .measure = timers_insert_fire__measure,
    .teardown = timers__teardown,
};

const bench_body bench_lib_timers_insert_cancel = {
    .setup = timers__setup,
    .measure = timers_insert_cancel__measure,
    .teardown = timers__teardown,
};

const bench_body bench_lib_timers_reset = {
    .setup = timers_reset__setup,
    .measure = timers_reset__measure,
    .teardown = timers__teardown,
};

const bench_body bench_lib_timers_postpone = {
    .setup = timers_reset__setup,
    .measure = timers_postpone__measure,
    .teardown = timers__teardown,
};
