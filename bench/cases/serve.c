/*
 * serve/N: so many clients connect at the same moment to a server that has BENCH_ACCEPTS accepts
 * pending, and more in such a burst; serve_16/N: never more. What one waits for its first answer is, but for that answer, the wait to be accepted;
 * and since the server is busy with those that are in already, the answers that they have got
 * meanwhile are counted, too: a figure that does not depend on how fast the machine is.
 */
#include "../cases.h"
#include "scene.h"

#define SERVE_TRIPS 4 /* messages there and back for each connection */

static bool serve__open(bench_run *run, bool deepens)
{
    bench_cast cast = {.workers = 1,
                       .clients = (size_t)run->size,
                       .trips_each = SERVE_TRIPS,
                       .has_notes = true,
                       .deepens = deepens};
    return bench_scene_open(run, sizeof(bench_scene), &cast);
}

static bool serve__setup(bench_run *run)
{
    return serve__open(run, true);
}

static bool serve__setup_16(bench_run *run)
{
    return serve__open(run, false);
}

static bool serve__measure(bench_run *run, uint64_t iterations)
{
    bench_scene *scene = run->state;
    bool is_good = true;
    for (uint64_t i = 0; i < iterations && is_good; i++) {
        is_good = bench_crowd_live(&scene->crowd, scene->crowd.count);
    }
    return is_good;
}

static bool serve__finish(bench_run *run)
{
    bench_scene *scene = run->state;
    bench_crowd *crowd = &scene->crowd;
    bool is_good = bench_scene_finish(run);
    bench_tell_times(run, "wait", crowd->waits.values, crowd->waits.count);
    bench_tell_counts(run, "behind", crowd->behind.values, crowd->behind.count);
    bench_tell_times(run, "trip", crowd->trips.values, crowd->trips.count);
    return is_good;
}

const bench_body bench_lib_serve_16 = {
    .setup = serve__setup_16,
    .prepare = bench_scene_prepare,
    .measure = serve__measure,
    .finish = serve__finish,
    .teardown = bench_scene_teardown,
};

const bench_body bench_lib_serve = {
    .setup = serve__setup,
    .prepare = bench_scene_prepare,
    .measure = serve__measure,
    .finish = serve__finish,
    .teardown = bench_scene_teardown,
};
