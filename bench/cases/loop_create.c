/*
 * loop_create: a loop is created and destroyed. Another one is there all the time, so that what the
 * first loop of a program makes the system load is not in it.
 */
#include "../cases.h"
#include "lib.h"

static bool loop_create__setup(bench_run *run)
{
    return bench_lib_open_loop(run, 0);
}

static bool loop_create__measure(bench_run *run, uint64_t iterations)
{
    for (uint64_t i = 0; i < iterations; i++) {
        iocp_loop_t *loop = NULL;
        if (!bench_check(run, iocp_loop_create(NULL, &loop), "iocp_loop_create") ||
            !bench_check(run, iocp_loop_destroy(loop, 0), "iocp_loop_destroy")) {
            return false;
        }
    }
    return true;
}

const bench_body bench_lib_loop_create = {
    .setup = loop_create__setup,
    .measure = loop_create__measure,
    .teardown = bench_lib_close,
};
