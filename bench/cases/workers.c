/*
 * workers/N: one listener and N loops in N threads. The first loop accepts and hands each connection
 * to the next loop in turn: detach, post, adopt.
 */
#include "../cases.h"
#include "scene.h"

#define WORKERS_TRIPS 8 /* messages there and back for each connection */

static bool workers__setup(bench_run *run)
{
    bench_cast cast = {
        .workers = (size_t)run->size, .clients = BENCH_WORKED, .trips_each = WORKERS_TRIPS};
    return bench_scene_open(run, sizeof(bench_scene), &cast);
}

static bool workers__measure(bench_run *run, uint64_t iterations)
{
    bench_scene *scene = run->state;
    return bench_crowd_live(&scene->crowd, BENCH_WORKED * iterations);
}

const bench_body bench_lib_workers = {
    .setup = workers__setup,
    .prepare = bench_scene_prepare,
    .measure = workers__measure,
    .finish = bench_scene_finish,
    .teardown = bench_scene_teardown,
};
