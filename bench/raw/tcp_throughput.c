/* raw/tcp_throughput: blocks go one way, one send at a time; both ends are on one port. */
#include <stdlib.h>

#include "../cases.h"
#include "raw.h"

typedef struct stream {
    raw_loop loop;
    SOCKET client;
    SOCKET server;
    raw_op send;
    raw_op recv;
    uint64_t sends_left;
    uint64_t bytes_left;
    char out[BENCH_BLOCK_BYTES];
    char in[BENCH_BLOCK_BYTES];
} stream;

static void stream__stop_if_done(stream *flow)
{
    if (flow->sends_left == 0 && flow->bytes_left == 0) {
        flow->loop.is_stopped = true;
    }
}

static void stream__send(stream *flow)
{
    DWORD bytes = 0;
    while (flow->sends_left > 0 && raw_send(&flow->loop, flow->client, &flow->send, flow->out,
                                            sizeof flow->out, &bytes) == RAW_DONE) {
        flow->sends_left--;
    }
}

static void stream__on_send(raw_op *op, DWORD bytes, ULONG error)
{
    stream *flow = op->owner;
    if (error != 0 || bytes != BENCH_BLOCK_BYTES) {
        raw_fail(&flow->loop, "send", (long)error);
        return;
    }
    flow->sends_left--;
    stream__stop_if_done(flow);
    stream__send(flow);
}

static void stream__take(stream *flow, DWORD bytes)
{
    if (bytes == 0) {
        raw_fail(&flow->loop, "the connection has ended", 0);
        return;
    }
    flow->bytes_left -= bytes;
    stream__stop_if_done(flow);
}

static void stream__recv(stream *flow)
{
    DWORD bytes = 0;
    while (raw_recv(&flow->loop, flow->server, &flow->recv, flow->in, sizeof flow->in, &bytes) ==
           RAW_DONE) {
        stream__take(flow, bytes);
    }
}

static void stream__on_recv(raw_op *op, DWORD bytes, ULONG error)
{
    stream *flow = op->owner;
    if (error != 0) {
        raw_fail(&flow->loop, "receive", (long)error);
        return;
    }
    stream__take(flow, bytes);
    stream__recv(flow);
}

static bool stream__setup(bench_run *run)
{
    stream *flow = calloc(1, sizeof *flow);
    run->state = flow;
    if (flow == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    flow->client = INVALID_SOCKET;
    flow->server = INVALID_SOCKET;
    flow->send.done = stream__on_send;
    flow->send.owner = flow;
    flow->recv.done = stream__on_recv;
    flow->recv.owner = flow;
    if (!raw_open(&flow->loop, run) || !raw_pair(&flow->loop, &flow->client, &flow->server)) {
        return false;
    }
    stream__recv(flow);
    return run->error[0] == '\0';
}

static bool stream__measure(bench_run *run, uint64_t iterations)
{
    stream *flow = run->state;
    flow->sends_left = iterations;
    flow->bytes_left = iterations * BENCH_BLOCK_BYTES;
    stream__send(flow);
    return raw_run(&flow->loop);
}

static void stream__teardown(bench_run *run)
{
    stream *flow = run->state;
    if (flow != NULL) {
        raw_close_socket(&flow->client);
        raw_close_socket(&flow->server);
        raw_close(&flow->loop);
    }
    free(flow);
}

const bench_body bench_raw_tcp_throughput = {
    .setup = stream__setup,
    .measure = stream__measure,
    .teardown = stream__teardown,
};
