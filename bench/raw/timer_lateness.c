/* raw/timer_lateness: a waitable timer whose APC ends the wait for packets. */
#include <stdlib.h>

#include "../cases.h"
#include "../clock.h"
#include "raw.h"

#define NS_PER_UNIT 100 /* the system's unit of time */

typedef struct lateness_state {
    raw_loop loop;
    HANDLE timer;
} lateness_state;

static bool lateness__setup(bench_run *run)
{
    const DWORD access = SYNCHRONIZE | TIMER_MODIFY_STATE;
    lateness_state *state = calloc(1, sizeof *state);
    run->state = state;
    if (state == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    state->timer =
        CreateWaitableTimerExW(NULL, NULL, CREATE_WAITABLE_TIMER_HIGH_RESOLUTION, access);
    if (state->timer == NULL) { /* before Windows 10 1803 */
        state->timer = CreateWaitableTimerExW(NULL, NULL, 0, access);
    }
    return state->timer != NULL ? raw_open(&state->loop, run)
                                : bench_fail(run, "CreateWaitableTimerExW", (long)GetLastError());
}

static void CALLBACK lateness__alert(void *unused, DWORD low_time, DWORD high_time)
{
    (void)unused; /* that it runs is all: it ends the alertable wait */
    (void)low_time;
    (void)high_time;
}

static bool lateness__sleep(lateness_state *state, uint64_t ns)
{
    raw_loop *loop = &state->loop;
    ULONG count = 0;
    LARGE_INTEGER due; /* below 0: from now */
    due.QuadPart = -(LONGLONG)((ns + NS_PER_UNIT - 1) / NS_PER_UNIT);
    if (!SetWaitableTimer(state->timer, &due, 0, lateness__alert, NULL, FALSE)) {
        return bench_fail(loop->run, "SetWaitableTimer", (long)GetLastError());
    }
    if (GetQueuedCompletionStatusEx(loop->port, loop->entries, raw_capacity(loop), &count, INFINITE,
                                    TRUE)) {
        return bench_fail(loop->run, "packets nobody expected", (long)count);
    }
    return GetLastError() == WAIT_IO_COMPLETION ||
           bench_fail(loop->run, "GetQueuedCompletionStatusEx", (long)GetLastError());
}

/* The clock has the last word, as in the library: no timer is early. */
static bool lateness__measure(bench_run *run, uint64_t iterations)
{
    lateness_state *state = run->state;
    for (uint64_t i = 0; i < iterations; i++) {
        uint64_t now_ns = bench_now_ns();
        uint64_t due_ns = now_ns + BENCH_TIMER_DELAY_NS;
        for (; now_ns < due_ns; now_ns = bench_now_ns()) {
            if (!lateness__sleep(state, due_ns - now_ns)) {
                return false;
            }
        }
    }
    return true;
}

static void lateness__teardown(bench_run *run)
{
    lateness_state *state = run->state;
    if (state == NULL) {
        return;
    }
    raw_close(&state->loop);
    if (state->timer != NULL) {
        CloseHandle(state->timer);
    }
    free(state);
}

const bench_body bench_raw_timer_lateness = {
    .setup = lateness__setup,
    .measure = lateness__measure,
    .teardown = lateness__teardown,
};
