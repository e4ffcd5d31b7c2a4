/* tick_empty, tick_pending: one turn of a loop that has nothing to do. */
#include <stdlib.h>

#include "../cases.h"
#include "lib.h"

static bool tick__measure(bench_run *run, uint64_t iterations)
{
    iocp_loop_t *loop = run->loops[0];
    for (uint64_t i = 0; i < iterations; i++) {
        int status = iocp_loop_tick(loop, 0);
        if (status != IOCP_OK) {
            return bench_check(run, status, "iocp_loop_tick");
        }
    }
    return true;
}

static bool tick_empty__setup(bench_run *run)
{
    return bench_lib_open_loop(run, 0);
}

const bench_body bench_lib_tick_empty = {
    .setup = tick_empty__setup,
    .measure = tick__measure,
    .teardown = bench_lib_close,
};

static iocp_action_t IOCP_CALL tick_pending__on_recv(iocp_loop_t *loop, const iocp_result_t *result,
                                                     void *userdata)
{
    (void)loop;
    if (result->status != IOCP_ECANCELED) { /* the end of the loop cancels it */
        bench_fail(userdata, "the receive ended", result->status);
    }
    return IOCP_DISARM;
}

static bool tick_pending__setup(bench_run *run)
{
    bench_pair pair;
    char *buffer = calloc(1, BENCH_MESSAGE_BYTES);
    run->state = buffer;
    if (buffer == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    return bench_lib_open_loop(run, 0) && bench_lib_open_pair(run, run->loops[0], &pair) &&
           bench_check(run,
                       iocp_recv(run->loops[0], pair.server, buffer, BENCH_MESSAGE_BYTES,
                                 tick_pending__on_recv, run, NULL),
                       "iocp_recv") &&
           tick__measure(run, 1);
}

const bench_body bench_lib_tick_pending = {
    .setup = tick_pending__setup,
    .measure = tick__measure,
    .teardown = bench_lib_close_and_free,
};
