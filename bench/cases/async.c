/* async_roundtrip: two loops in two threads wake each other. */
#include <stdlib.h>

#include "../bench_win.h"
#include "../cases.h"
#include "lib.h"

enum {
    HERE = 0,
    THERE = 1,
    SIDES
}; /* which loop: of this thread, of the other one */

typedef struct async_state {
    bench_run *run;
    iocp_async_t *asyncs[SIDES];
    uint64_t left;
    HANDLE thread;
    int there_status; /* the other thread's, read once it has ended */
} async_state;

static iocp_action_t IOCP_CALL async__on_wake_here(iocp_loop_t *loop, const iocp_result_t *result,
                                                   void *userdata)
{
    async_state *state = userdata;
    int status = result->status;
    if (status == IOCP_OK && --state->left > 0) {
        status = iocp_async_notify(state->asyncs[THERE]);
        if (status == IOCP_OK) {
            return IOCP_REARM;
        }
    }
    if (status != IOCP_OK) {
        bench_lib_fail(state->run, loop, status, "async");
    }
    return IOCP_DISARM;
}

static iocp_action_t IOCP_CALL async__on_wake_there(iocp_loop_t *loop, const iocp_result_t *result,
                                                    void *userdata)
{
    async_state *state = userdata;
    (void)loop;
    if (result->status != IOCP_OK) {
        return IOCP_DISARM; /* the async was destroyed */
    }
    iocp_async_notify(state->asyncs[HERE]);
    return IOCP_REARM;
}

static DWORD WINAPI async__run_there(void *parameter)
{
    async_state *state = parameter;
    state->there_status = iocp_loop_run(state->run->loops[THERE], IOCP_RUN_UNTIL_DONE);
    return 0;
}

static bool async__setup(bench_run *run)
{
    async_state *state = calloc(1, sizeof *state);
    run->state = state;
    if (state == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    state->run = run;
    for (size_t i = 0; i < SIDES; i++) {
        if (!bench_lib_open_loop(run, i) ||
            !bench_check(run, iocp_async_create(run->loops[i], &state->asyncs[i]),
                         "iocp_async_create")) {
            return false;
        }
    }
    return bench_check(
        run,
        iocp_async_wait(run->loops[THERE], state->asyncs[THERE], async__on_wake_there, state, NULL),
        "iocp_async_wait");
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
    return bench_check(run,
                       iocp_async_wait(run->loops[HERE], state->asyncs[HERE], async__on_wake_here,
                                       state, NULL),
                       "iocp_async_wait") &&
           bench_check(run, iocp_async_notify(state->asyncs[THERE]), "iocp_async_notify") &&
           bench_lib_run(run, run->loops[HERE]);
}

static bool async__finish(bench_run *run)
{
    async_state *state = run->state;
    iocp_loop_stop(run->loops[THERE]);
    WaitForSingleObject(state->thread, INFINITE);
    CloseHandle(state->thread);
    return bench_check(run, state->there_status, "iocp_loop_run in the other thread") &&
           bench_check(run, iocp_loop_resume(run->loops[THERE]), "iocp_loop_resume");
}

static void async__teardown(bench_run *run)
{
    async_state *state = run->state;
    for (size_t i = 0; state != NULL && i < SIDES; i++) {
        if (state->asyncs[i] != NULL) {
            bench_check(run, iocp_async_destroy(state->asyncs[i]), "iocp_async_destroy");
        }
    }
    bench_lib_close_and_free(run);
}

const bench_body bench_lib_async_roundtrip = {
    .setup = async__setup,
    .prepare = async__prepare,
    .measure = async__measure,
    .finish = async__finish,
    .teardown = async__teardown,
};
