/* raw/file_read: pages of a file that is in the cache, at random places, so many reads in flight. */
#include <stdlib.h>
#include <string.h>

#include "../cases.h"
#include "../scratch.h"
#include "raw.h"

typedef struct reader {
    struct reading *all;
    raw_op op;
    char page[BENCH_PAGE_BYTES];
} reader;

typedef struct reading {
    raw_loop loop;
    bench_scratch scratch;
    HANDLE file;
    uint64_t left; /* to be started */
    uint64_t seed;
    reader readers[BENCH_READS_MAX];
} reading;

static raw_start reading__start(reader *one)
{
    reading *all = one->all;
    uint64_t offset = bench_random_below(&all->seed, BENCH_FILE_PAGES) * BENCH_PAGE_BYTES;
    OVERLAPPED *overlapped = &one->op.overlapped;
    all->left--;
    memset(overlapped, 0, sizeof *overlapped);
    overlapped->Offset = (DWORD)offset;
    overlapped->OffsetHigh = (DWORD)(offset >> 32);
    BOOL is_done = ReadFile(all->file, one->page, sizeof one->page, NULL, overlapped);
    return raw_started(&all->loop, is_done, "ReadFile");
}

/* A reader has nothing in flight: have it read until it has to wait, or all have been started. */
static void reading__go_on(reader *one)
{
    reading *all = one->all;
    while (all->left > 0 && reading__start(one) == RAW_DONE) {}
    if (all->left == 0 && all->loop.pending == 0) {
        all->loop.is_stopped = true;
    }
}

static void reading__on_read(raw_op *op, DWORD bytes, ULONG error)
{
    reader *one = op->owner;
    if (error != 0 || bytes != BENCH_PAGE_BYTES) {
        raw_fail(&one->all->loop, "read", (long)error);
        return;
    }
    reading__go_on(one);
}

static bool reading__setup(bench_run *run)
{
    reading *all = calloc(1, sizeof *all);
    run->state = all;
    if (all == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    all->file = INVALID_HANDLE_VALUE;
    for (uint64_t i = 0; i < run->size; i++) {
        all->readers[i].all = all;
        all->readers[i].op.done = reading__on_read;
        all->readers[i].op.owner = &all->readers[i];
    }
    return raw_open(&all->loop, run) && bench_scratch_open(run, &all->scratch, BENCH_FILE_BYTES) &&
           raw_open_file(&all->loop, all->scratch.path, &all->file) &&
           raw_associate(&all->loop, all->file);
}

static bool reading__measure(bench_run *run, uint64_t iterations)
{
    reading *all = run->state;
    all->left = iterations;
    all->seed = BENCH_FILE_SEED;
    for (uint64_t i = 0; i < run->size && all->left > 0; i++) {
        reading__go_on(&all->readers[i]);
    }
    return raw_run(&all->loop);
}

static void reading__teardown(bench_run *run)
{
    reading *all = run->state;
    if (all != NULL) {
        raw_close(&all->loop);
        if (all->file != INVALID_HANDLE_VALUE) {
            CloseHandle(all->file);
        }
        bench_scratch_close(&all->scratch);
    }
    free(all);
}

const bench_body bench_raw_file_read = {
    .setup = reading__setup,
    .measure = reading__measure,
    .teardown = reading__teardown,
};
