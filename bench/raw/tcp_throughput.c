/*
 * raw/tcp_throughput, raw/sendfile: blocks go one way, one send at a time, out of memory or of a file
 * that is in the cache; both ends are on one port.
 */
#include <stdlib.h>
#include <string.h>

#include "../cases.h"
#include "../scratch.h"
#include "raw.h"

typedef struct stream stream;

typedef raw_start (*stream_send_fn)(stream *flow);

struct stream {
    raw_loop loop;
    stream_send_fn send_block;
    bench_scratch scratch;
    HANDLE file;
    LPFN_TRANSMITFILE transmit_file;
    SOCKET client;
    SOCKET server;
    raw_op send;
    raw_op recv;
    uint64_t sends_left;
    uint64_t bytes_left;
    char out[BENCH_BLOCK_BYTES];
    char in[BENCH_BLOCK_BYTES];
};

static void stream__stop_if_done(stream *flow)
{
    if (flow->sends_left == 0 && flow->bytes_left == 0) {
        flow->loop.is_stopped = true;
    }
}

static void stream__send(stream *flow)
{
    while (flow->sends_left > 0 && flow->send_block(flow) == RAW_DONE) {
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

static bool stream__setup(bench_run *run, stream_send_fn send_block)
{
    stream *flow = calloc(1, sizeof *flow);
    run->state = flow;
    if (flow == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    flow->send_block = send_block;
    flow->file = INVALID_HANDLE_VALUE;
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
        if (flow->file != INVALID_HANDLE_VALUE) {
            CloseHandle(flow->file);
        }
        bench_scratch_close(&flow->scratch);
    }
    free(flow);
}

/* ---- Out of memory ---- */

static raw_start memory__send(stream *flow)
{
    DWORD bytes = 0;
    return raw_send(&flow->loop, flow->client, &flow->send, flow->out, sizeof flow->out, &bytes);
}

static bool memory__setup(bench_run *run)
{
    return stream__setup(run, memory__send);
}

const bench_body bench_raw_tcp_throughput = {
    .setup = memory__setup,
    .measure = stream__measure,
    .teardown = stream__teardown,
};

/* ---- Out of a file ---- */

static raw_start file__send(stream *flow)
{
    memset(&flow->send.overlapped, 0, sizeof flow->send.overlapped);
    BOOL is_done = flow->transmit_file(flow->client, flow->file, BENCH_BLOCK_BYTES, 0,
                                       &flow->send.overlapped, NULL, 0);
    return raw_started(&flow->loop, is_done, "TransmitFile");
}

static bool file__setup(bench_run *run)
{
    GUID transmit_file = WSAID_TRANSMITFILE;
    if (!stream__setup(run, file__send)) {
        return false;
    }
    stream *flow = run->state;
    return raw_look_up(&flow->loop, flow->client, transmit_file, &flow->transmit_file,
                       sizeof flow->transmit_file) &&
           bench_scratch_open(run, &flow->scratch, BENCH_BLOCK_BYTES) &&
           raw_open_file(&flow->loop, flow->scratch.path, &flow->file);
}

const bench_body bench_raw_sendfile = {
    .setup = file__setup,
    .measure = stream__measure,
    .teardown = stream__teardown,
};
