#include "libuv.h"

#include "../peers.h"

#include <stdio.h>

bool bench_libuv_check(bench_run *run, int status, const char *what)
{
    if (status >= 0) {
        return true;
    }
    return bench_fail(run, what, status);
}

bool bench_libuv_open(bench_run *run, uv_loop_t *loop)
{
    return bench_libuv_check(run, uv_loop_init(loop), "uv_loop_init");
}

static void libuv__close_handle(uv_handle_t *handle, void *context)
{
    (void)context;
    if (!uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
}

void bench_libuv_close(bench_run *run, uv_loop_t *loop)
{
    uv_walk(loop, libuv__close_handle, NULL);
    uv_run(loop, UV_RUN_DEFAULT);
    bench_libuv_check(run, uv_loop_close(loop), "uv_loop_close");
}

const bench_peer_row bench_libuv_rows[] = {
    {"tick_empty", &bench_libuv_tick_empty},
    {"notify_signalled", &bench_libuv_notify_signalled},
    {"async_roundtrip", &bench_libuv_async_roundtrip},
    {"tcp_pingpong", &bench_libuv_tcp_pingpong},
    {"timers_insert", &bench_libuv_timers_insert},
    {"timers_insert_fire", &bench_libuv_timers_insert_fire},
    {"timers_cancel", &bench_libuv_timers_cancel},
    {"timers_reset", &bench_libuv_timers_reset},
    {NULL, NULL},
};
