/* timers_*: many timers at a time, with random delays. */
#include <stdlib.h>

#include "../cases.h"
#include "../clock.h"
#include "../pages.h"
#include "lib.h"

/* Memory for a loop: blocks one behind the other, of which none is taken back. */
typedef struct arena {
    unsigned char *pages;
    size_t bytes;
    size_t used;
} arena;

static void *IOCP_CALL arena__allocate(size_t size, void *context)
{
    arena *all = context;
    size_t begin = (all->used + BENCH_LINE_BYTES - 1) / BENCH_LINE_BYTES * BENCH_LINE_BYTES;
    if (size > all->bytes - begin) {
        return NULL;
    }
    all->used = begin + size;
    return all->pages + begin;
}

static void IOCP_CALL arena__free(void *block, void *context)
{
    (void)block;
    (void)context;
}

typedef struct timers {
    bench_run *run;
    uint64_t seed;
    uint64_t ended;
    int expected; /* the status that timers end with */
    iocp_op_t *ops;
    arena memory; /* of a loop that is made anew each time */
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

/* ---- Cancel and reset, some in each turn, as a server does it ---- */

/* A turn behind each burst. */
static bool timers__turn(bench_run *run, uint64_t index)
{
    int status =
        index % BENCH_BURST == BENCH_BURST - 1 ? iocp_loop_tick(run->loops[0], 0) : IOCP_OK;
    return status == IOCP_OK || bench_check(run, status, "iocp_loop_tick");
}

static void timers__shuffle(timers *all)
{
    for (uint64_t i = all->run->size - 1; i > 0; i--) {
        uint64_t k = bench_random_below(&all->seed, i + 1);
        iocp_op_t op = all->ops[i];
        all->ops[i] = all->ops[k];
        all->ops[k] = op;
    }
}

static bool timers__cancel_all(bench_run *run)
{
    timers *all = run->state;
    for (uint64_t i = 0; i < run->size; i++) {
        int status = iocp_cancel(run->loops[0], all->ops[i], NULL, NULL, NULL);
        if (status != IOCP_OK) {
            return bench_check(run, status, "iocp_cancel");
        }
        if (!timers__turn(run, i)) {
            return false;
        }
    }
    return timers__end(run, IOCP_ECANCELED);
}

static bool timers_cancel__measure(bench_run *run, uint64_t iterations)
{
    timers *all = run->state;
    all->expected = IOCP_ECANCELED;
    for (uint64_t i = 0; i < iterations; i++) {
        bench_pause pause = bench_pause_begin(run);
        bool is_good = timers__insert_far(run);
        timers__shuffle(all);
        bench_pause_end(run, pause);
        if (!is_good || !timers__cancel_all(run)) {
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
        if (!timers__reset_one(all, timers__far(all)) || !timers__turn(run, i)) {
            return false;
        }
    }
    return true;
}

static bool timers_postpone__measure(bench_run *run, uint64_t iterations)
{
    timers *all = run->state;
    for (uint64_t i = 0; i < iterations * run->size; i++) {
        if (!timers__reset_one(all, 2 * BENCH_TIMER_FAR_NS) || !timers__turn(run, i)) {
            return false;
        }
    }
    return true;
}

/* ---- A loop made anew each time ---- */

static bool timers_anew__setup(bench_run *run)
{
    bool is_good = timers__setup(run);
    bench_lib_close(run);
    return is_good;
}

static bool memory__take(bench_run *run)
{
    timers *all = run->state;
    size_t bytes = (size_t)run->size * BENCH_TIMER_ROOM_BYTES + BENCH_LOOP_ROOM_BYTES;
    all->memory = (arena){.pages = bench_pages_take(bytes), .bytes = bytes};
    return all->memory.pages != NULL || bench_fail(run, "no pages", 0);
}

static void memory__give(bench_run *run)
{
    timers *all = run->state;
    if (all != NULL && all->memory.pages != NULL) {
        bench_pages_give(all->memory.pages, all->memory.bytes);
        all->memory.pages = NULL;
    }
}

static bool timers_anew__open(bench_run *run)
{
    timers *all = run->state;
    iocp_loop_options_t options = {.size = sizeof options,
                                   .allocate = arena__allocate,
                                   .free = arena__free,
                                   .allocator_context = &all->memory};
    all->memory.used = 0;
    return bench_lib_open_loop_with(run, 0, &options);
}

/* ---- In memory that nobody has used before ---- */

static bool timers_insert_first__measure(bench_run *run, uint64_t iterations)
{
    timers *all = run->state;
    all->expected = IOCP_ECANCELED; /* by the end of the loop */
    bool is_good = true;
    for (uint64_t i = 0; i < iterations && is_good; i++) {
        bench_pause pause = bench_pause_begin(run);
        is_good = memory__take(run) && timers_anew__open(run);
        bench_pause_end(run, pause);
        is_good = is_good && timers__insert_far(run);
        pause = bench_pause_begin(run);
        bench_lib_close(run);
        memory__give(run);
        bench_pause_end(run, pause);
    }
    return is_good;
}

/* ---- The longest turn ---- */

/* What the program does in it is in it too. */
static void longest__note(uint64_t *longest_ns, uint64_t *since_ns)
{
    uint64_t now_ns = bench_now_ns();
    uint64_t ns = now_ns - *since_ns;
    *longest_ns = ns > *longest_ns ? ns : *longest_ns;
    *since_ns = now_ns;
}

static bool timers_longest__insert(bench_run *run, uint64_t *longest_ns)
{
    timers *all = run->state;
    uint64_t since_ns = bench_now_ns();
    all->ended = 0;
    for (uint64_t i = 0; i < run->size; i++) {
        if (!timers__add(all, i, timers__near(all)) || !timers__turn(run, i)) {
            return false;
        }
        if (i % BENCH_BURST == BENCH_BURST - 1) {
            longest__note(longest_ns, &since_ns);
        }
    }
    return true;
}

static bool timers_longest__fire(bench_run *run, uint64_t *longest_ns)
{
    timers *all = run->state;
    uint64_t since_ns = bench_now_ns();
    while (all->ended < run->size && run->error[0] == '\0') {
        bench_check(run, iocp_loop_tick(run->loops[0], 0), "iocp_loop_tick");
        longest__note(longest_ns, &since_ns);
    }
    return run->error[0] == '\0';
}

/*
 * What grows has to grow again in each loop, but in memory that was used before. What the library
 * does shows in each of them, and what the system does in between not: the shortest one counts.
 */
static bool timers_longest__once(bench_run *run)
{
    uint64_t longest_ns = 0;
    bool is_good = timers_anew__open(run) && timers_longest__insert(run, &longest_ns);
    timers__wait_until_due(run);
    is_good = is_good && timers_longest__fire(run, &longest_ns);
    bench_lib_close(run);
    if (is_good && (run->longest_ns == 0 || longest_ns < run->longest_ns)) {
        run->longest_ns = longest_ns;
    }
    return is_good;
}

static bool timers_longest__setup(bench_run *run)
{
    return timers_anew__setup(run) && memory__take(run);
}

static bool timers_longest__measure(bench_run *run, uint64_t iterations)
{
    timers *all = run->state;
    all->expected = IOCP_OK;
    for (uint64_t i = 0; i < iterations; i++) {
        if (!timers_longest__once(run)) {
            return false;
        }
    }
    return true;
}

static void timers_longest__teardown(bench_run *run)
{
    memory__give(run);
    timers__teardown(run);
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

const bench_body bench_lib_timers_cancel = {
    .setup = timers__setup,
    .measure = timers_cancel__measure,
    .teardown = timers__teardown,
};

const bench_body bench_lib_timers_insert_first = {
    .setup = timers_anew__setup,
    .measure = timers_insert_first__measure,
    .teardown = timers__teardown,
};

const bench_body bench_lib_timers_longest = {
    .setup = timers_longest__setup,
    .measure = timers_longest__measure,
    .teardown = timers_longest__teardown,
};
