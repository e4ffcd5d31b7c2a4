/* What the cases by libuv share. */
#ifndef BENCH_LIBUV_H
#define BENCH_LIBUV_H

#include <uv.h>

#include "../harness.h"

extern const bench_body bench_libuv_tick_empty;
extern const bench_body bench_libuv_notify_signalled;
extern const bench_body bench_libuv_async_roundtrip;
extern const bench_body bench_libuv_timers_insert, bench_libuv_timers_insert_fire;
extern const bench_body bench_libuv_timers_cancel, bench_libuv_timers_reset;
extern const bench_body bench_libuv_tcp_pingpong;

/* Whether a status of libuv is not an error; if it is, it is noted. */
bool bench_libuv_check(bench_run *run, int status, const char *what);

/* A loop of its own, in storage of the case's. */
bool bench_libuv_open(bench_run *run, uv_loop_t *loop);

/* Closes every handle of it, then the loop. */
void bench_libuv_close(bench_run *run, uv_loop_t *loop);

#endif
