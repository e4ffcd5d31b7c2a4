/*
 * raw/open_close, raw/stat: a thread of the pool opens the file, or opens it to look at it, asks what it is
 * and posts that. What was opened is bound to the port and closed by the thread that the port has.
 */
#include <stdlib.h>
#include <wchar.h>

#include "../cases.h"
#include "../scratch.h"
#include "raw.h"

typedef struct looking {
    raw_loop loop;
    bench_scratch scratch;
    wchar_t path[BENCH_SCRATCH_PATH_BYTES];
    raw_op told;
    uint64_t left;
    HANDLE file;
    DWORD error;
    uint64_t size;
} looking;

/* As a program asks that wants sizes, times, attributes and the file's id. */
static bool looking__ask(looking *all, HANDLE file)
{
    FILE_BASIC_INFO basic;
    FILE_STANDARD_INFO standard;
    ULONGLONG id[3];
    if (!GetFileInformationByHandleEx(file, FileBasicInfo, &basic, sizeof basic) ||
        !GetFileInformationByHandleEx(file, FileStandardInfo, &standard, sizeof standard)) {
        return false;
    }
    GetFileInformationByHandleEx(file, (FILE_INFO_BY_HANDLE_CLASS)18, id, sizeof id);
    all->size = (uint64_t)standard.EndOfFile.QuadPart;
    return true;
}

static void looking__open(looking *all, DWORD access, DWORD how)
{
    all->file =
        CreateFileW(all->path, access, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                    OPEN_EXISTING, how, NULL);
    bool is_good = all->file != INVALID_HANDLE_VALUE && looking__ask(all, all->file);
    all->error = is_good ? 0 : GetLastError();
}

static void looking__submit(looking *all, PTP_SIMPLE_CALLBACK function)
{
    all->left--;
    if (TrySubmitThreadpoolCallback(function, all, NULL)) {
        all->loop.pending++;
    } else {
        raw_fail(&all->loop, "TrySubmitThreadpoolCallback", (long)GetLastError());
    }
}

static void CALLBACK looking__run_open(PTP_CALLBACK_INSTANCE instance, void *context)
{
    looking *all = context;
    (void)instance;
    looking__open(all, GENERIC_READ, FILE_FLAG_OVERLAPPED);
    PostQueuedCompletionStatus(all->loop.port, 0, 0, &all->told.overlapped);
}

static void CALLBACK looking__run_stat(PTP_CALLBACK_INSTANCE instance, void *context)
{
    looking *all = context;
    (void)instance;
    looking__open(all, FILE_READ_ATTRIBUTES, FILE_FLAG_BACKUP_SEMANTICS);
    if (all->file != INVALID_HANDLE_VALUE) {
        CloseHandle(all->file);
    }
    PostQueuedCompletionStatus(all->loop.port, 0, 0, &all->told.overlapped);
}

static bool looking__is_told(looking *all)
{
    if (all->error != 0 || all->size != BENCH_LOOK_BYTES) {
        raw_fail(&all->loop, "CreateFileW", (long)all->error);
        return false;
    }
    return true;
}

static void looking__on_opened(raw_op *op, DWORD bytes, ULONG error)
{
    looking *all = op->owner;
    (void)bytes;
    (void)error;
    if (!looking__is_told(all) || !raw_associate(&all->loop, all->file)) {
        return;
    }
    CloseHandle(all->file);
    if (all->left > 0) {
        looking__submit(all, looking__run_open);
    } else {
        all->loop.is_stopped = true;
    }
}

static void looking__on_looked(raw_op *op, DWORD bytes, ULONG error)
{
    looking *all = op->owner;
    (void)bytes;
    (void)error;
    if (!looking__is_told(all)) {
        return;
    }
    if (all->left > 0) {
        looking__submit(all, looking__run_stat);
    } else {
        all->loop.is_stopped = true;
    }
}

static bool looking__setup(bench_run *run)
{
    looking *all = calloc(1, sizeof *all);
    run->state = all;
    if (all == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    all->told.owner = all;
    return raw_open(&all->loop, run) && bench_scratch_open(run, &all->scratch, BENCH_LOOK_BYTES) &&
           (MultiByteToWideChar(CP_UTF8, 0, all->scratch.path, -1, all->path,
                                BENCH_SCRATCH_PATH_BYTES) > 0 ||
            bench_fail(run, "MultiByteToWideChar", (long)GetLastError()));
}

static bool looking__measure_opens(bench_run *run, uint64_t iterations)
{
    looking *all = run->state;
    all->left = iterations;
    all->told.done = looking__on_opened;
    looking__submit(all, looking__run_open);
    return raw_run(&all->loop);
}

static bool looking__measure_stats(bench_run *run, uint64_t iterations)
{
    looking *all = run->state;
    all->left = iterations;
    all->told.done = looking__on_looked;
    looking__submit(all, looking__run_stat);
    return raw_run(&all->loop);
}

static void looking__teardown(bench_run *run)
{
    looking *all = run->state;
    if (all != NULL) {
        raw_close(&all->loop);
        bench_scratch_close(&all->scratch);
    }
    free(all);
}

const bench_body bench_raw_open_close = {
    .setup = looking__setup,
    .measure = looking__measure_opens,
    .teardown = looking__teardown,
};

const bench_body bench_raw_stat = {
    .setup = looking__setup,
    .measure = looking__measure_stats,
    .teardown = looking__teardown,
};
