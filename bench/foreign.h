/*
 * Two sockets that belong to nobody's loop, as another library's do: they do not block, and their owner
 * sends and receives by calls of Winsock's when it is told that they are ready.
 */
#ifndef BENCH_FOREIGN_H
#define BENCH_FOREIGN_H

#include "bench_win.h"
#include "cases.h"

typedef struct bench_foreign {
    bool is_started; /* Winsock */
    SOCKET sockets[2];
} bench_foreign;

/* Datagram sockets, each connected to the other. To be closed also if that failed half way. */
bool bench_foreign_open(bench_foreign *self, bench_run *run);
void bench_foreign_close(bench_foreign *self);

/* A message of BENCH_MESSAGE_BYTES. */
bool bench_foreign_send(SOCKET from, bench_run *run);
bool bench_foreign_recv(SOCKET at, bench_run *run);

#endif
