/* raw/async_roundtrip: two threads wake each other through a port each. */
#include <stdlib.h>

#include "../cases.h"
#include "raw.h"

typedef struct async_state {
    raw_loop here;
    raw_loop there;
    raw_op wake_here;
    raw_op wake_there;
    raw_op quit;
    uint64_t left;
    HANDLE thread;
} async_state;

static bool async__send(raw_loop *to, raw_op *op)
{
    return PostQueuedCompletionStatus(to->port, 0, 0, &op->overlapped) != 0;
}

static void async__on_wake_here(raw_op *op, DWORD bytes, ULONG error)
{
    async_state *state = op->owner;
    (void)bytes;
    (void)error;
    state->here.pending++;
    if (--state->left == 0) {
        state->here.is_stopped = true;
    } else if (!async__send(&state->there, &state->wake_there)) {
        raw_fail(&state->here, "PostQueuedCompletionStatus", (long)GetLastError());
    }
}

static void async__on_wake_there(raw_op *op, DWORD bytes, ULONG error)
{
    async_state *state = op->owner;
    (void)bytes;
    (void)error;
    state->there.pending++;
    async__send(&state->here, &state->wake_here);
}

static void async__on_quit(raw_op *op, DWORD bytes, ULONG error)
{
    async_state *state = op->owner;
    (void)bytes;
    (void)error;
    state->there.pending++;
    state->there.is_stopped = true;
}

static DWORD WINAPI async__run_there(void *parameter)
{
    async_state *state = parameter;
    raw_run(&state->there);
    return 0;
}

static bool async__setup(bench_run *run)
{
    async_state *state = calloc(1, sizeof *state);
    run->state = state;
    if (state == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    state->wake_here.done = async__on_wake_here;
    state->wake_here.owner = state;
    state->wake_there.done = async__on_wake_there;
    state->wake_there.owner = state;
    state->quit.done = async__on_quit;
    state->quit.owner = state;
    if (!raw_open(&state->here, run) || !raw_open(&state->there, run)) {
        return false;
    }
    /* Always one: the other thread sends the next when the last has been taken. */
    state->here.pending = 1;
    state->there.pending = 1;
    return true;
}

static bool async__prepare(bench_run *run)
{
    async_state *state = run->state;
    state->thread = CreateThread(NULL, 0, async__run_there, state, 0, NULL);
    return state->thread != NULL || bench_fail(run, "CreateThread", (long)GetLastError());
}

static bool async__measure(bench_run *run, uint64_t iterations)
{
    async_state *state = run->state;
    state->left = iterations;
    if (!async__send(&state->there, &state->wake_there)) {
        return bench_fail(run, "PostQueuedCompletionStatus", (long)GetLastError());
    }
    return raw_run(&state->here);
}

static bool async__finish(bench_run *run)
{
    async_state *state = run->state;
    if (!async__send(&state->there, &state->quit)) {
        return bench_fail(run, "PostQueuedCompletionStatus", (long)GetLastError());
    }
    WaitForSingleObject(state->thread, INFINITE);
    CloseHandle(state->thread);
    return true;
}

static void async__teardown(bench_run *run)
{
    async_state *state = run->state;
    if (state != NULL) {
        state->here.pending = 0; /* no packet comes any more */
        state->there.pending = 0;
        raw_close(&state->here);
        raw_close(&state->there);
    }
    free(state);
}

const bench_body bench_raw_async_roundtrip = {
    .setup = async__setup,
    .prepare = async__prepare,
    .measure = async__measure,
    .finish = async__finish,
    .teardown = async__teardown,
};
