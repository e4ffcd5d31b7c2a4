#include "scene.h"

#include <stdlib.h>

bool bench_scene_open(bench_run *run, size_t bytes, const bench_cast *cast)
{
    bench_scene *scene = calloc(1, bytes);
    run->state = scene;
    if (scene == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    scene->server.deepens = cast->deepens;
    scene->crowd.address = &scene->server.address;
    return bench_crowd_open(&scene->crowd, run, cast->workers, cast->clients, cast->trips_each,
                            cast->has_notes) &&
           bench_server_open(&scene->server, run, scene->crowd.loop, cast->workers);
}

bool bench_scene_prepare(bench_run *run)
{
    bench_scene *scene = run->state;
    return bench_server_start(&scene->server);
}

bool bench_scene_finish(bench_run *run)
{
    bench_scene *scene = run->state;
    return bench_server_stop(&scene->server);
}

/* The loops first: their callbacks use the rest. */
void bench_scene_teardown(bench_run *run)
{
    bench_scene *scene = run->state;
    if (scene != NULL) {
        (void)bench_server_stop(&scene->server);
    }
    bench_lib_close(run);
    if (scene != NULL) {
        bench_crowd_free(&scene->crowd);
    }
    free(scene);
}
