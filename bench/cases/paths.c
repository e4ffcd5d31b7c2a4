/* open_close, stat: a file is opened and closed, or looked at, by its path, one at a time. */
#include <stdlib.h>

#include "../cases.h"
#include "../scratch.h"
#include "lib.h"

typedef struct looking {
    bench_run *run;
    bench_scratch scratch;
    uint64_t left; /* to be started */
} looking;

static bool looking__setup(bench_run *run)
{
    looking *all = calloc(1, sizeof *all);
    run->state = all;
    if (all == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    all->run = run;
    return bench_lib_open_loop(run, 0) && bench_scratch_open(run, &all->scratch, BENCH_LOOK_BYTES);
}

static void looking__teardown(bench_run *run)
{
    looking *all = run->state;
    bench_lib_close(run);
    if (all != NULL) {
        bench_scratch_close(&all->scratch);
    }
    free(all);
}

static void looking__check(looking *all, iocp_loop_t *loop, int status, const char *what)
{
    if (status != IOCP_OK) {
        bench_lib_fail(all->run, loop, status, what);
    }
}

/* ---- open_close ---- */

static void looking__open(iocp_loop_t *loop, looking *all);

static iocp_action_t IOCP_CALL looking__on_closed(iocp_loop_t *loop, const iocp_result_t *result,
                                                  void *userdata)
{
    looking *all = userdata;
    (void)result;
    if (all->left > 0) {
        looking__open(loop, all);
    }
    return IOCP_DISARM;
}

static iocp_action_t IOCP_CALL looking__on_opened(iocp_loop_t *loop, const iocp_result_t *result,
                                                  void *userdata)
{
    looking *all = userdata;
    if (result->status != IOCP_OK || result->info->size != BENCH_LOOK_BYTES) {
        bench_lib_fail(all->run, loop, result->status, "open");
        return IOCP_DISARM;
    }
    looking__check(all, loop, iocp_close(loop, result->opened, looking__on_closed, all, NULL),
                   "iocp_close");
    return IOCP_DISARM;
}

static void looking__open(iocp_loop_t *loop, looking *all)
{
    all->left--;
    looking__check(
        all, loop,
        iocp_open(loop, all->scratch.path, IOCP_FILE_READ, looking__on_opened, all, NULL),
        "iocp_open");
}

static bool looking__measure_opens(bench_run *run, uint64_t iterations)
{
    looking *all = run->state;
    all->left = iterations;
    looking__open(run->loops[0], all);
    return bench_lib_run(run, run->loops[0]);
}

const bench_body bench_lib_open_close = {
    .setup = looking__setup,
    .measure = looking__measure_opens,
    .teardown = looking__teardown,
};

/* ---- stat ---- */

static iocp_action_t IOCP_CALL looking__on_told(iocp_loop_t *loop, const iocp_result_t *result,
                                                void *userdata)
{
    looking *all = userdata;
    if (result->status != IOCP_OK || result->info->size != BENCH_LOOK_BYTES) {
        bench_lib_fail(all->run, loop, result->status, "stat");
        return IOCP_DISARM;
    }
    return --all->left > 0 ? IOCP_REARM : IOCP_DISARM;
}

static bool looking__measure_stats(bench_run *run, uint64_t iterations)
{
    looking *all = run->state;
    all->left = iterations;
    looking__check(all, run->loops[0],
                   iocp_stat(run->loops[0], all->scratch.path, 0, looking__on_told, all, NULL),
                   "iocp_stat");
    return bench_lib_run(run, run->loops[0]);
}

const bench_body bench_lib_stat = {
    .setup = looking__setup,
    .measure = looking__measure_stats,
    .teardown = looking__teardown,
};
