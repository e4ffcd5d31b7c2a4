/* libuv/tcp_pingpong: a message there and back over loopback TCP, both ends on one loop. */
#include <stdlib.h>

#include "../cases.h"
#include "libuv.h"

enum {
    CLIENT = 0,
    SERVER = 1
};

typedef struct pingpong {
    bench_run *run;
    uv_loop_t loop;
    bool is_open;
    uv_tcp_t listener;
    uv_tcp_t ends[2];
    uv_connect_t connect;
    uv_write_t writes[2];
    int connected; /* ends */
    uint64_t left;
    char sent[BENCH_MESSAGE_BYTES];
    char received[2][BENCH_MESSAGE_BYTES];
    size_t filled[2];
} pingpong;

static void pingpong__check(pingpong *state, int status, const char *what)
{
    if (!bench_libuv_check(state->run, status, what)) {
        uv_stop(&state->loop);
    }
}

static void pingpong__meet(pingpong *state)
{
    if (++state->connected == 2) {
        uv_stop(&state->loop);
    }
}

static void pingpong__on_connection(uv_stream_t *listener, int status)
{
    pingpong *state = listener->loop->data;
    pingpong__check(state, status, "connection");
    pingpong__check(state, uv_accept(listener, (uv_stream_t *)&state->ends[SERVER]), "uv_accept");
    pingpong__meet(state);
}

static void pingpong__on_connect(uv_connect_t *connect, int status)
{
    pingpong *state = connect->handle->loop->data;
    pingpong__check(state, status, "connect");
    pingpong__meet(state);
}

static void pingpong__on_written(uv_write_t *write, int status)
{
    pingpong__check(write->handle->loop->data, status, "write");
}

static void pingpong__send(pingpong *state, int end)
{
    uv_buf_t buffer = uv_buf_init(state->sent, sizeof state->sent);
    pingpong__check(state,
                    uv_write(&state->writes[end], (uv_stream_t *)&state->ends[end], &buffer, 1,
                             pingpong__on_written),
                    "uv_write");
}

static int pingpong__end_of(const uv_stream_t *stream)
{
    const pingpong *state = stream->loop->data;
    return stream == (const uv_stream_t *)&state->ends[SERVER] ? SERVER : CLIENT;
}

static void pingpong__give_buffer(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer)
{
    pingpong *state = handle->loop->data;
    int end = pingpong__end_of((const uv_stream_t *)handle);
    (void)wanted;
    *buffer = uv_buf_init(state->received[end] + state->filled[end],
                          (unsigned)(BENCH_MESSAGE_BYTES - state->filled[end]));
}

static void pingpong__on_read(uv_stream_t *stream, ssize_t bytes, const uv_buf_t *buffer)
{
    pingpong *state = stream->loop->data;
    int end = pingpong__end_of(stream);
    (void)buffer;
    if (bytes < 0) {
        pingpong__check(state, (int)bytes, "read");
        return;
    }
    state->filled[end] += (size_t)bytes;
    if (state->filled[end] < BENCH_MESSAGE_BYTES) {
        return;
    }
    state->filled[end] = 0;
    if (end == SERVER || --state->left > 0) {
        pingpong__send(state, end);
    } else {
        uv_stop(&state->loop);
    }
}

static bool pingpong__open_sockets(pingpong *state)
{
    bench_run *run = state->run;
    struct sockaddr_in address;
    int length = sizeof address;
    uv_ip4_addr("127.0.0.1", 0, &address);
    uv_tcp_init(&state->loop, &state->listener);
    for (int i = 0; i < 2; i++) {
        uv_tcp_init(&state->loop, &state->ends[i]);
    }
    return bench_libuv_check(run, uv_tcp_bind(&state->listener, (struct sockaddr *)&address, 0),
                             "uv_tcp_bind") &&
           bench_libuv_check(run,
                             uv_listen((uv_stream_t *)&state->listener, 1, pingpong__on_connection),
                             "uv_listen") &&
           bench_libuv_check(
               run, uv_tcp_getsockname(&state->listener, (struct sockaddr *)&address, &length),
               "uv_tcp_getsockname") &&
           bench_libuv_check(run,
                             uv_tcp_connect(&state->connect, &state->ends[CLIENT],
                                            (struct sockaddr *)&address, pingpong__on_connect),
                             "uv_tcp_connect");
}

static bool pingpong__setup(bench_run *run)
{
    pingpong *state = calloc(1, sizeof *state);
    run->state = state;
    if (state == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    state->run = run;
    state->is_open = bench_libuv_open(run, &state->loop);
    state->loop.data = state;
    if (!state->is_open || !pingpong__open_sockets(state)) {
        return false;
    }
    uv_run(&state->loop, UV_RUN_DEFAULT);
    for (int i = 0; i < 2 && run->error[0] == '\0'; i++) {
        uv_tcp_nodelay(&state->ends[i], 1);
        bench_libuv_check(
            run,
            uv_read_start((uv_stream_t *)&state->ends[i], pingpong__give_buffer, pingpong__on_read),
            "uv_read_start");
    }
    return run->error[0] == '\0';
}

static bool pingpong__measure(bench_run *run, uint64_t iterations)
{
    pingpong *state = run->state;
    state->left = iterations;
    pingpong__send(state, CLIENT);
    uv_run(&state->loop, UV_RUN_DEFAULT);
    return run->error[0] == '\0';
}

static void pingpong__teardown(bench_run *run)
{
    pingpong *state = run->state;
    if (state != NULL && state->is_open) {
        bench_libuv_close(run, &state->loop);
    }
    free(state);
}

const bench_body bench_libuv_tcp_pingpong = {
    .setup = pingpong__setup,
    .measure = pingpong__measure,
    .teardown = pingpong__teardown,
};
