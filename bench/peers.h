/* What other libraries do of the cases, where the build has found them. */
#ifndef BENCH_PEERS_H
#define BENCH_PEERS_H

#include "harness.h"

typedef struct bench_peer_row {
    const char *name; /* of the case, without its size; NULL: the end */
    const bench_body *body;
} bench_peer_row;

extern const bench_peer_row bench_libuv_rows[];
extern const bench_peer_row bench_asio_rows[];

#endif
