/* send_inline: a send that the backend is done with at once, from its call to its callback. */
#include <stdlib.h>

#include "../cases.h"
#include "lib.h"

typedef struct send_state {
    bench_run *run;
    bench_pair pair;
    uint64_t left;
    char buffer[BENCH_MESSAGE_BYTES];
} send_state;

static iocp_action_t IOCP_CALL send__on_sent(iocp_loop_t *loop, const iocp_result_t *result,
                                             void *userdata)
{
    send_state *state = userdata;
    int status = result->status;
    if (status == IOCP_OK && --state->left > 0) {
        status = iocp_send(loop, state->pair.client, state->buffer, sizeof state->buffer,
                           send__on_sent, state, NULL);
    }
    if (status != IOCP_OK) {
        bench_lib_fail(state->run, loop, status, "send");
    }
    return IOCP_DISARM;
}

static bool send_inline__setup(bench_run *run)
{
    send_state *state = calloc(1, sizeof *state);
    run->state = state;
    if (state == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    state->run = run;
    return bench_lib_open_loop(run, 0) && bench_lib_open_pair(run, run->loops[0], &state->pair);
}

static bool send_inline__measure(bench_run *run, uint64_t iterations)
{
    send_state *state = run->state;
    state->left = iterations;
    return bench_check(run,
                       iocp_send(run->loops[0], state->pair.client, state->buffer,
                                 sizeof state->buffer, send__on_sent, state, NULL),
                       "iocp_send") &&
           bench_lib_run(run, run->loops[0]);
}

const bench_body bench_lib_send_inline = {
    .setup = send_inline__setup,
    .measure = send_inline__measure,
    .teardown = bench_lib_close_and_free,
};
