/* What the library cases share. */
#ifndef BENCH_LIB_H
#define BENCH_LIB_H

#include "../harness.h"

/* A loop that run->loops[index] names, so that the harness counts its allocations. */
bool bench_lib_open_loop(bench_run *run, size_t index);
bool bench_lib_open_loop_with(bench_run *run, size_t index, const iocp_loop_options_t *options);

/* Destroy all loops of the run, also of one whose setup failed. Works as a case's teardown. */
void bench_lib_close(bench_run *run);

/* The same, then free run->state. */
void bench_lib_close_and_free(bench_run *run);

/* A callback met an error: note it, stop the loop. */
void bench_lib_fail(bench_run *run, iocp_loop_t *loop, int status, const char *what);

/* As bench_check, but where the system has too few handles or ports the case is skipped. */
bool bench_lib_check(bench_run *run, int status, const char *what);

/* Run until the case's callbacks have stopped the loop or nothing is left, and clear the stop. */
bool bench_lib_run(bench_run *run, iocp_loop_t *loop);

/* A TCP listener on a port of 127.0.0.1 that is free. */
bool bench_lib_listen(bench_run *run, iocp_loop_t *loop, iocp_handle_t *listener);

/* Two connected sockets on one loop, without delay of small segments. */
typedef struct bench_pair {
    iocp_handle_t client;
    iocp_handle_t server;
} bench_pair;

bool bench_lib_open_pair(bench_run *run, iocp_loop_t *loop, bench_pair *pair);

#endif
