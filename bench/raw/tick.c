/* raw/tick_empty, raw/tick_pending: ask the port without waiting. */
#include <stdlib.h>

#include "../cases.h"
#include "raw.h"

typedef struct tick_state {
    raw_loop loop;
    SOCKET client;
    SOCKET server;
    raw_op recv;
    char buffer[BENCH_MESSAGE_BYTES];
} tick_state;

static bool tick_empty__setup(bench_run *run)
{
    tick_state *state = calloc(1, sizeof *state);
    run->state = state;
    if (state == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    state->client = INVALID_SOCKET;
    state->server = INVALID_SOCKET;
    return raw_open(&state->loop, run);
}

static bool tick_pending__setup(bench_run *run)
{
    if (!tick_empty__setup(run)) {
        return false;
    }
    tick_state *state = run->state;
    DWORD bytes = 0;
    return raw_pair(&state->loop, &state->client, &state->server) &&
           raw_recv(&state->loop, state->server, &state->recv, state->buffer, sizeof state->buffer,
                    &bytes) == RAW_PENDING;
}

static bool tick__measure(bench_run *run, uint64_t iterations)
{
    raw_loop *loop = &((tick_state *)run->state)->loop;
    for (uint64_t i = 0; i < iterations; i++) {
        ULONG count = 0;
        if (GetQueuedCompletionStatusEx(loop->port, loop->entries, raw_capacity(loop), &count, 0,
                                        FALSE)) {
            return bench_fail(run, "packets nobody expected", (long)count);
        }
        if (GetLastError() != WAIT_TIMEOUT) {
            return bench_fail(run, "GetQueuedCompletionStatusEx", (long)GetLastError());
        }
    }
    return true;
}

static void tick__teardown(bench_run *run)
{
    tick_state *state = run->state;
    if (state != NULL) {
        raw_close_socket(&state->client);
        raw_close_socket(&state->server);
        raw_close(&state->loop);
    }
    free(state);
}

const bench_body bench_raw_tick_empty = {
    .setup = tick_empty__setup,
    .measure = tick__measure,
    .teardown = tick__teardown,
};

const bench_body bench_raw_tick_pending = {
    .setup = tick_pending__setup,
    .measure = tick__measure,
    .teardown = tick__teardown,
};
