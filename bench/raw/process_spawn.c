/*
 * raw/process_spawn: CreateProcessW on a thread of the pool, which posts that the child is there; a
 * registered wait posts its end. The child inherits three handles of the null device and no others.
 */
#include <stdlib.h>
#include <wchar.h>

#include "../cases.h"
#include "raw.h"

#define SPAWN_STREAMS 3

typedef struct spawn_state {
    raw_loop loop;
    raw_op started;
    raw_op ended;
    uint64_t left;
    HANDLE process; /* NULL: it could not be started, and `error` says why */
    HANDLE registration;
    DWORD error;
    wchar_t program[MAX_PATH];
    wchar_t line[MAX_PATH + 16];
} spawn_state;

static DWORD spawn__open_streams(HANDLE *streams)
{
    SECURITY_ATTRIBUTES inherited = {.nLength = sizeof inherited, .bInheritHandle = TRUE};
    for (int i = 0; i < SPAWN_STREAMS; i++) {
        streams[i] =
            CreateFileW(L"NUL", GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE,
                        &inherited, OPEN_EXISTING, 0, NULL);
        if (streams[i] == INVALID_HANDLE_VALUE) {
            return GetLastError();
        }
    }
    return 0;
}

static DWORD spawn__create(spawn_state *state, HANDLE *streams)
{
    PROCESS_INFORMATION child;
    SIZE_T bytes = 0;
    STARTUPINFOEXW startup = {.StartupInfo = {.cb = sizeof startup,
                                              .dwFlags = STARTF_USESTDHANDLES,
                                              .hStdInput = streams[0],
                                              .hStdOutput = streams[1],
                                              .hStdError = streams[2]}};
    InitializeProcThreadAttributeList(NULL, 1, 0, &bytes);
    startup.lpAttributeList = malloc(bytes);
    if (startup.lpAttributeList == NULL ||
        !InitializeProcThreadAttributeList(startup.lpAttributeList, 1, 0, &bytes)) {
        free(startup.lpAttributeList);
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    BOOL is_good =
        UpdateProcThreadAttribute(startup.lpAttributeList, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST,
                                  streams, SPAWN_STREAMS * sizeof *streams, NULL, NULL) &&
        CreateProcessW(state->program, state->line, NULL, NULL, TRUE, EXTENDED_STARTUPINFO_PRESENT,
                       NULL, NULL, &startup.StartupInfo, &child);
    DWORD error = is_good ? 0 : GetLastError();
    DeleteProcThreadAttributeList(startup.lpAttributeList);
    free(startup.lpAttributeList);
    if (is_good) {
        CloseHandle(child.hThread);
        state->process = child.hProcess;
    }
    return error;
}

static void CALLBACK spawn__run(PTP_CALLBACK_INSTANCE instance, void *context)
{
    spawn_state *state = context;
    HANDLE streams[SPAWN_STREAMS] = {INVALID_HANDLE_VALUE, INVALID_HANDLE_VALUE,
                                     INVALID_HANDLE_VALUE};
    (void)instance;
    state->process = NULL;
    state->error = spawn__open_streams(streams);
    if (state->error == 0) {
        state->error = spawn__create(state, streams);
    }
    for (int i = 0; i < SPAWN_STREAMS; i++) {
        if (streams[i] != INVALID_HANDLE_VALUE) {
            CloseHandle(streams[i]);
        }
    }
    PostQueuedCompletionStatus(state->loop.port, 0, 0, &state->started.overlapped);
}

static void spawn__next(spawn_state *state)
{
    if (TrySubmitThreadpoolCallback(spawn__run, state, NULL)) {
        state->loop.pending++;
    } else {
        raw_fail(&state->loop, "TrySubmitThreadpoolCallback", (long)GetLastError());
    }
}

/* On the pool's wait thread. */
static void CALLBACK spawn__post_end(void *context, BOOLEAN is_timeout)
{
    spawn_state *state = context;
    (void)is_timeout;
    PostQueuedCompletionStatus(state->loop.port, 0, 0, &state->ended.overlapped);
}

static void spawn__on_started(raw_op *op, DWORD bytes, ULONG error)
{
    spawn_state *state = op->owner;
    (void)bytes;
    (void)error;
    if (state->process == NULL) {
        raw_fail(&state->loop, "CreateProcessW", (long)state->error);
    } else if (!RegisterWaitForSingleObject(&state->registration, state->process, spawn__post_end,
                                            state, INFINITE,
                                            WT_EXECUTEONLYONCE | WT_EXECUTEINWAITTHREAD)) {
        raw_fail(&state->loop, "RegisterWaitForSingleObject", (long)GetLastError());
    } else {
        state->loop.pending++;
    }
}

static void spawn__on_end(raw_op *op, DWORD bytes, ULONG error)
{
    spawn_state *state = op->owner;
    DWORD code = 0;
    (void)bytes;
    (void)error;
    UnregisterWaitEx(state->registration, INVALID_HANDLE_VALUE);
    if (!GetExitCodeProcess(state->process, &code)) {
        raw_fail(&state->loop, "GetExitCodeProcess", (long)GetLastError());
        return;
    }
    CloseHandle(state->process);
    if (--state->left == 0) {
        state->loop.is_stopped = true;
    } else {
        spawn__next(state);
    }
}

static bool spawn__setup(bench_run *run)
{
    spawn_state *state = calloc(1, sizeof *state);
    run->state = state;
    if (state == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    state->started.done = spawn__on_started;
    state->started.owner = state;
    state->ended.done = spawn__on_end;
    state->ended.owner = state;
    DWORD length = GetModuleFileNameW(NULL, state->program, MAX_PATH);
    if (length == 0 || length == MAX_PATH) {
        return bench_fail(run, "GetModuleFileNameW", (long)GetLastError());
    }
    wcscpy(state->line, L"\"");
    wcscat(state->line, state->program);
    wcscat(state->line, L"\" --help");
    return raw_open(&state->loop, run);
}

static bool spawn__measure(bench_run *run, uint64_t iterations)
{
    spawn_state *state = run->state;
    state->left = iterations;
    spawn__next(state);
    return raw_run(&state->loop);
}

static void spawn__teardown(bench_run *run)
{
    spawn_state *state = run->state;
    if (state != NULL) {
        raw_close(&state->loop);
    }
    free(state);
}

const bench_body bench_raw_process_spawn = {
    .setup = spawn__setup,
    .measure = spawn__measure,
    .teardown = spawn__teardown,
};
