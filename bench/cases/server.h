/*
 * An echo server on loops in threads of their own, for cases whose clients are on the runner's
 * thread. The first loop listens; each connection goes to the next loop in turn.
 */
#ifndef BENCH_SERVER_H
#define BENCH_SERVER_H

#include "../bench_win.h"
#include "lib.h"
#include "threads.h"

#define BENCH_WORKERS_MAX  (BENCH_LOOPS - 1) /* one loop is the clients' */
#define BENCH_ACCEPTS      16                /* pending, as in examples/echo_server.c */
#define BENCH_ACCEPTS_MOST 1024              /* in a burst, if it deepens */

typedef struct bench_worker {
    iocp_loop_t *loop;
    test_thread thread;
    bool is_running;
    int status; /* of its run, read once it has ended */
} bench_worker;

typedef struct bench_server {
    bench_run *run;
    iocp_loop_t *clients; /* stopped if the server has failed */
    bench_worker workers[BENCH_WORKERS_MAX];
    size_t count;
    size_t next; /* which one gets the next connection */
    iocp_handle_t listener;
    bool deepens;          /* in a burst it waits with more accepts */
    unsigned accepts;      /* pending, or in their callbacks */
    unsigned accepts_came; /* in this turn */
    uint64_t turn_ns;
    volatile LONG failure; /* the first one; read while no worker runs */
    struct sockaddr_in address;
} bench_server;

/* Its loops are run->loops[0] to [count - 1]; the clients' is made before. */
bool bench_server_open(bench_server *server, bench_run *run, iocp_loop_t *clients, size_t count);

/* Before and after each sample. */
bool bench_server_start(bench_server *server);
bool bench_server_stop(bench_server *server);

#endif
