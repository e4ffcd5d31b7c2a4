/* file_read: pages of a file that is in the cache, at random places, so many reads in flight. */
#include <stdlib.h>

#include "../cases.h"
#include "../scratch.h"
#include "lib.h"

typedef struct reader {
    struct reading *all;
    char page[BENCH_PAGE_BYTES];
} reader;

typedef struct reading {
    bench_run *run;
    bench_scratch scratch;
    iocp_handle_t file;
    uint64_t left; /* to be started */
    uint64_t seed;
    reader readers[BENCH_READS_MAX];
} reading;

static iocp_action_t IOCP_CALL reading__on_read(iocp_loop_t *loop, const iocp_result_t *result,
                                                void *userdata);

static void reading__start(iocp_loop_t *loop, reader *one)
{
    reading *all = one->all;
    uint64_t offset = bench_random_below(&all->seed, BENCH_FILE_PAGES) * BENCH_PAGE_BYTES;
    all->left--;
    int status = iocp_pread(loop, all->file, one->page, sizeof one->page, offset, reading__on_read,
                            one, NULL);
    if (status != IOCP_OK) {
        bench_lib_fail(all->run, loop, status, "iocp_pread");
    }
}

static iocp_action_t IOCP_CALL reading__on_read(iocp_loop_t *loop, const iocp_result_t *result,
                                                void *userdata)
{
    reader *one = userdata;
    if (result->status != IOCP_OK || result->bytes != BENCH_PAGE_BYTES) {
        int status = result->status != IOCP_OK ? result->status : IOCP_EOF;
        bench_lib_fail(one->all->run, loop, status, "read");
    } else if (one->all->left > 0) {
        reading__start(loop, one);
    }
    return IOCP_DISARM;
}

static bool reading__setup(bench_run *run)
{
    reading *all = calloc(1, sizeof *all);
    run->state = all;
    if (all == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    all->run = run;
    for (uint64_t i = 0; i < run->size; i++) {
        all->readers[i].all = all;
    }
    return bench_lib_open_loop(run, 0) &&
           bench_scratch_open(run, &all->scratch, BENCH_FILE_BYTES) &&
           bench_check(run,
                       iocp_file_open(run->loops[0], all->scratch.path, IOCP_FILE_READ, &all->file),
                       "iocp_file_open");
}

static bool reading__measure(bench_run *run, uint64_t iterations)
{
    reading *all = run->state;
    all->left = iterations;
    all->seed = BENCH_FILE_SEED;
    for (uint64_t i = 0; i < run->size && all->left > 0; i++) {
        reading__start(run->loops[0], &all->readers[i]);
    }
    return bench_lib_run(run, run->loops[0]);
}

static void reading__teardown(bench_run *run)
{
    reading *all = run->state;
    bench_lib_close(run);
    if (all != NULL) {
        bench_scratch_close(&all->scratch);
    }
    free(all);
}

const bench_body bench_lib_file_read = {
    .setup = reading__setup,
    .measure = reading__measure,
    .teardown = reading__teardown,
};
