/* process_spawn: this program is started again, with nothing to read and write, and its end is told. */
#include <stdlib.h>

#include "../bench_win.h"
#include "../cases.h"
#include "lib.h"

typedef struct spawn_state {
    bench_run *run;
    uint64_t left;
    const char *arguments[3];
    char program[3 * MAX_PATH];
    iocp_spawn_options_t options;
} spawn_state;

static bool spawn__check(spawn_state *state, iocp_loop_t *loop, int status, const char *what)
{
    if (status != IOCP_OK) {
        bench_lib_fail(state->run, loop, status, what);
    }
    return status == IOCP_OK;
}

static iocp_action_t IOCP_CALL spawn__on_started(iocp_loop_t *loop, const iocp_result_t *result,
                                                 void *userdata);

static void spawn__next(spawn_state *state, iocp_loop_t *loop)
{
    spawn__check(state, loop, iocp_spawn(loop, &state->options, spawn__on_started, state, NULL),
                 "iocp_spawn");
}

static iocp_action_t IOCP_CALL spawn__on_end(iocp_loop_t *loop, const iocp_result_t *result,
                                             void *userdata)
{
    spawn_state *state = userdata;
    if (spawn__check(state, loop, result->status, "process_wait") &&
        spawn__check(state, loop, iocp_close(loop, result->handle, NULL, NULL, NULL),
                     "iocp_close") &&
        --state->left > 0) {
        spawn__next(state, loop);
    }
    return IOCP_DISARM;
}

static iocp_action_t IOCP_CALL spawn__on_started(iocp_loop_t *loop, const iocp_result_t *result,
                                                 void *userdata)
{
    spawn_state *state = userdata;
    if (spawn__check(state, loop, result->status, "spawn")) {
        spawn__check(state, loop,
                     iocp_process_wait(loop, result->opened, spawn__on_end, state, NULL),
                     "iocp_process_wait");
    }
    return IOCP_DISARM;
}

static bool spawn__setup(bench_run *run)
{
    wchar_t program[MAX_PATH];
    spawn_state *state = calloc(1, sizeof *state);
    run->state = state;
    if (state == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    state->run = run;
    DWORD length = GetModuleFileNameW(NULL, program, MAX_PATH);
    if (length == 0 || length == MAX_PATH ||
        WideCharToMultiByte(CP_UTF8, 0, program, -1, state->program, sizeof state->program, NULL,
                            NULL) == 0) {
        return bench_fail(run, "GetModuleFileNameW", (long)GetLastError());
    }
    state->arguments[0] = state->program;
    state->arguments[1] = "--help";
    state->options.size = sizeof state->options;
    state->options.program = state->program;
    state->options.arguments = state->arguments;
    for (int i = 0; i < 3; i++) {
        state->options.stdio[i].give = IOCP_GIVE_NOTHING;
    }
    return bench_lib_open_loop(run, 0);
}

static bool spawn__measure(bench_run *run, uint64_t iterations)
{
    spawn_state *state = run->state;
    state->left = iterations;
    spawn__next(state, run->loops[0]);
    return bench_lib_run(run, run->loops[0]);
}

const bench_body bench_lib_process_spawn = {
    .setup = spawn__setup,
    .measure = spawn__measure,
    .teardown = bench_lib_close_and_free,
};
