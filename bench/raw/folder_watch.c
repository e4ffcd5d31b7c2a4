/* raw/folder_watch: ReadDirectoryChangesW on a port, asked again for what comes next. */
#include <stdlib.h>
#include <string.h>

#include "../cases.h"
#include "../scratch.h"
#include "raw.h"

#define WATCHING_BYTES 65536

typedef struct watching {
    raw_loop loop;
    bench_folder folder;
    HANDLE handle;
    raw_op op;
    uint64_t left;
    union {
        DWORD alignment;
        unsigned char bytes[WATCHING_BYTES];
    } buffer;
} watching;

/* What it answers is that it was begun: a packet comes in any case. */
static bool watching__ask(watching *all)
{
    memset(&all->op.overlapped, 0, sizeof all->op.overlapped);
    if (!ReadDirectoryChangesW(all->handle, &all->buffer, sizeof all->buffer, FALSE,
                               FILE_NOTIFY_CHANGE_FILE_NAME | FILE_NOTIFY_CHANGE_DIR_NAME, NULL,
                               &all->op.overlapped, NULL)) {
        raw_fail(&all->loop, "ReadDirectoryChangesW", (long)GetLastError());
        return false;
    }
    all->loop.pending++;
    return true;
}

static void watching__on_change(raw_op *op, DWORD bytes, ULONG error)
{
    watching *all = op->owner;
    if (error != 0 || bytes == 0) {
        raw_fail(&all->loop, "watch", (long)error);
        return;
    }
    if (--all->left == 0) {
        all->loop.is_stopped = true;
    } else if (watching__ask(all) && !bench_folder_change(all->loop.run, &all->folder)) {
        all->loop.is_stopped = true;
    }
}

static bool watching__open(watching *all)
{
    WCHAR path[MAX_PATH];
    MultiByteToWideChar(CP_UTF8, 0, all->folder.path, -1, path, MAX_PATH);
    all->handle =
        CreateFileW(path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                    NULL, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OVERLAPPED, NULL);
    if (all->handle == INVALID_HANDLE_VALUE ||
        CreateIoCompletionPort(all->handle, all->loop.port, 0, 0) == NULL) {
        return bench_fail(all->loop.run, "CreateFileW", (long)GetLastError());
    }
    return true;
}

static bool watching__setup(bench_run *run)
{
    watching *all = calloc(1, sizeof *all);
    run->state = all;
    if (all == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    all->handle = INVALID_HANDLE_VALUE;
    all->op.owner = all;
    all->op.done = watching__on_change;
    return raw_open(&all->loop, run) && bench_folder_open(run, &all->folder) && watching__open(all);
}

static bool watching__measure(bench_run *run, uint64_t iterations)
{
    watching *all = run->state;
    all->left = iterations;
    return watching__ask(all) && bench_folder_change(run, &all->folder) && raw_run(&all->loop);
}

static void watching__teardown(bench_run *run)
{
    watching *all = run->state;
    if (all != NULL) {
        if (all->handle != INVALID_HANDLE_VALUE) {
            CloseHandle(all->handle);
        }
        raw_close(&all->loop);
        bench_folder_close(&all->folder);
    }
    free(all);
}

const bench_body bench_raw_folder_watch = {
    .setup = watching__setup,
    .measure = watching__measure,
    .teardown = watching__teardown,
};
