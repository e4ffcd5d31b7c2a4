/* A server in threads of its own and its clients: the state of a case begins with this. */
#ifndef BENCH_SCENE_H
#define BENCH_SCENE_H

#include "crowd.h"
#include "server.h"

typedef struct bench_scene {
    bench_server server;
    bench_crowd crowd;
} bench_scene;

typedef struct bench_cast {
    size_t workers;      /* loops of the server's: the first of the run; the clients' is behind */
    size_t clients;      /* at once */
    uint64_t trips_each; /* messages there and back in a life */
    bool has_notes;      /* bench_crowd notes times */
    bool deepens;        /* bench_server.deepens */
} bench_cast;

/* run->state is a new block of so many bytes, all zero, if there is memory. */
bool bench_scene_open(bench_run *run, size_t bytes, const bench_cast *cast);

/* bench_body.prepare: the server runs. finish: it stands still. teardown */
bool bench_scene_prepare(bench_run *run);
bool bench_scene_finish(bench_run *run);
void bench_scene_teardown(bench_run *run);

#endif
