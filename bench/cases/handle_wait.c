/* handle_wait: an event that is set while the loop waits for it. */
#include <stdlib.h>

#include "../bench_win.h"
#include "../cases.h"
#include "lib.h"

typedef struct wait_state {
    bench_run *run;
    HANDLE event;
    uint64_t left;
} wait_state;

static iocp_action_t IOCP_CALL wait__on_signaled(iocp_loop_t *loop, const iocp_result_t *result,
                                                 void *userdata)
{
    wait_state *state = userdata;
    if (result->status != IOCP_OK) {
        bench_lib_fail(state->run, loop, result->status, "wait");
        return IOCP_DISARM;
    }
    return --state->left > 0 ? IOCP_REARM : IOCP_DISARM;
}

static bool wait__setup(bench_run *run)
{
    wait_state *state = calloc(1, sizeof *state);
    run->state = state;
    if (state == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    state->run = run;
    state->event = CreateEventW(NULL, FALSE, FALSE, NULL);
    return state->event != NULL ? bench_lib_open_loop(run, 0)
                                : bench_fail(run, "CreateEventW", (long)GetLastError());
}

/* Start the wait, set the event, run its callback. */
static bool wait__once(bench_run *run, HANDLE event)
{
    int status = iocp_loop_submit(run->loops[0]);
    if (status == IOCP_OK && !SetEvent(event)) {
        return bench_fail(run, "SetEvent", (long)GetLastError());
    }
    if (status == IOCP_OK) {
        status = iocp_loop_tick(run->loops[0], 1);
    }
    return bench_check(run, status, "iocp_loop_tick") && run->error[0] == '\0';
}

static bool wait__measure(bench_run *run, uint64_t iterations)
{
    wait_state *state = run->state;
    state->left = iterations;
    int status = iocp_wait(run->loops[0], state->event, wait__on_signaled, state, NULL);
    bool is_good = bench_check(run, status, "iocp_wait");
    while (is_good && state->left > 0) {
        is_good = wait__once(run, state->event);
    }
    return is_good;
}

static void wait__teardown(bench_run *run)
{
    wait_state *state = run->state;
    bench_lib_close(run);
    if (state != NULL && state->event != NULL) {
        CloseHandle(state->event);
    }
    free(state);
}

const bench_body bench_lib_handle_wait = {
    .setup = wait__setup,
    .measure = wait__measure,
    .teardown = wait__teardown,
};
