/*
 * tcp_throughput, sendfile: blocks go one way, one send at a time, out of memory or of a file that is in
 * the cache; both ends are on one loop.
 */
#include <stdlib.h>

#include "../cases.h"
#include "../scratch.h"
#include "lib.h"

typedef struct stream {
    bench_run *run;
    bench_pair pair;
    bench_scratch scratch;
    iocp_handle_t file;
    uint64_t sends_left;
    uint64_t bytes_left;
    char out[BENCH_BLOCK_BYTES];
    char in[BENCH_BLOCK_BYTES];
} stream;

static void stream__stop_if_done(const stream *flow, iocp_loop_t *loop)
{
    if (flow->sends_left == 0 && flow->bytes_left == 0) {
        iocp_loop_stop(loop);
    }
}

static iocp_action_t IOCP_CALL stream__on_send(iocp_loop_t *loop, const iocp_result_t *result,
                                               void *userdata)
{
    stream *flow = userdata;
    if (result->status != IOCP_OK) {
        bench_lib_fail(flow->run, loop, result->status, "send");
        return IOCP_DISARM;
    }
    if (--flow->sends_left > 0) {
        return IOCP_REARM;
    }
    stream__stop_if_done(flow, loop);
    return IOCP_DISARM;
}

static iocp_action_t IOCP_CALL stream__on_recv(iocp_loop_t *loop, const iocp_result_t *result,
                                               void *userdata)
{
    stream *flow = userdata;
    if (result->status != IOCP_OK) {
        if (result->status != IOCP_ECANCELED) { /* the end of the loop */
            bench_lib_fail(flow->run, loop, result->status, "receive");
        }
        return IOCP_DISARM;
    }
    flow->bytes_left -= result->bytes;
    stream__stop_if_done(flow, loop);
    return IOCP_REARM;
}

static bool stream__setup(bench_run *run)
{
    stream *flow = calloc(1, sizeof *flow);
    run->state = flow;
    if (flow == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    flow->run = run;
    return bench_lib_open_loop(run, 0) && bench_lib_open_pair(run, run->loops[0], &flow->pair) &&
           bench_check(run,
                       iocp_recv(run->loops[0], flow->pair.server, flow->in, sizeof flow->in,
                                 stream__on_recv, flow, NULL),
                       "iocp_recv");
}

static bool stream__measure(bench_run *run, uint64_t iterations,
                            int (*send)(iocp_loop_t *loop, stream *flow))
{
    stream *flow = run->state;
    flow->sends_left = iterations;
    flow->bytes_left = iterations * BENCH_BLOCK_BYTES;
    return bench_check(run, send(run->loops[0], flow), "send") && bench_lib_run(run, run->loops[0]);
}

/* ---- Out of memory ---- */

static int memory__send(iocp_loop_t *loop, stream *flow)
{
    return iocp_send(loop, flow->pair.client, flow->out, sizeof flow->out, stream__on_send, flow,
                     NULL);
}

static bool memory__measure(bench_run *run, uint64_t iterations)
{
    return stream__measure(run, iterations, memory__send);
}

const bench_body bench_lib_tcp_throughput = {
    .setup = stream__setup,
    .measure = memory__measure,
    .teardown = bench_lib_close_and_free,
};

/* ---- Out of a file ---- */

static bool file__setup(bench_run *run)
{
    if (!stream__setup(run)) {
        return false;
    }
    stream *flow = run->state;
    return bench_scratch_open(run, &flow->scratch, BENCH_BLOCK_BYTES) &&
           bench_check(
               run, iocp_file_open(run->loops[0], flow->scratch.path, IOCP_FILE_READ, &flow->file),
               "iocp_file_open");
}

static int file__send(iocp_loop_t *loop, stream *flow)
{
    return iocp_sendfile(loop, flow->pair.client, flow->file, 0, BENCH_BLOCK_BYTES, NULL, NULL,
                         stream__on_send, flow, NULL);
}

static bool file__measure(bench_run *run, uint64_t iterations)
{
    return stream__measure(run, iterations, file__send);
}

static void file__teardown(bench_run *run)
{
    stream *flow = run->state;
    bench_lib_close(run);
    if (flow != NULL) {
        bench_scratch_close(&flow->scratch);
    }
    free(flow);
}

const bench_body bench_lib_sendfile = {
    .setup = file__setup,
    .measure = file__measure,
    .teardown = file__teardown,
};
