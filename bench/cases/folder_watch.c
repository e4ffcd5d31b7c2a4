/* folder_watch: from a change in a folder to the callback that tells of it, one at a time. */
#include <stdlib.h>

#include "../cases.h"
#include "../scratch.h"
#include "lib.h"

typedef struct watching {
    bench_run *run;
    bench_folder folder;
    iocp_handle_t handle;
    uint64_t left; /* to be told */
} watching;

static iocp_action_t IOCP_CALL watching__on_change(iocp_loop_t *loop, const iocp_result_t *result,
                                                   void *userdata)
{
    watching *all = userdata;
    if (result->status != IOCP_OK || result->entries == NULL) {
        bench_lib_fail(all->run, loop, result->status, "watch");
        return IOCP_DISARM;
    }
    if (--all->left == 0) {
        return IOCP_DISARM;
    }
    if (!bench_folder_change(all->run, &all->folder)) {
        iocp_loop_stop(loop);
        return IOCP_DISARM;
    }
    return IOCP_REARM;
}

static bool watching__setup(bench_run *run)
{
    watching *all = calloc(1, sizeof *all);
    run->state = all;
    if (all == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    all->run = run;
    return bench_lib_open_loop(run, 0) && bench_folder_open(run, &all->folder) &&
           bench_check(run,
                       iocp_file_open(run->loops[0], all->folder.path,
                                      IOCP_FILE_READ | IOCP_FILE_FOLDER, &all->handle),
                       "iocp_file_open");
}

/* The watch has begun when the first change is made. */
static bool watching__measure(bench_run *run, uint64_t iterations)
{
    watching *all = run->state;
    iocp_loop_t *loop = run->loops[0];
    all->left = iterations;
    return bench_check(run,
                       iocp_folder_watch(loop, all->handle, IOCP_WATCH_NAMES, watching__on_change,
                                         all, NULL),
                       "iocp_folder_watch") &&
           bench_check(run, iocp_loop_submit(loop), "iocp_loop_submit") &&
           bench_folder_change(run, &all->folder) && bench_lib_run(run, loop);
}

static void watching__teardown(bench_run *run)
{
    watching *all = run->state;
    bench_lib_close(run);
    if (all != NULL) {
        bench_folder_close(&all->folder);
    }
    free(all);
}

const bench_body bench_lib_folder_watch = {
    .setup = watching__setup,
    .measure = watching__measure,
    .teardown = watching__teardown,
};
