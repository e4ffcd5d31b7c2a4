/* notify_signalled: a notify of an async whose last one its loop has not seen yet. */
#include "../cases.h"
#include "lib.h"

static bool notify_signalled__setup(bench_run *run)
{
    iocp_async_t *async = NULL;
    if (!bench_lib_open_loop(run, 0) ||
        !bench_check(run, iocp_async_create(run->loops[0], &async), "iocp_async_create")) {
        return false;
    }
    run->state = async;
    return bench_check(run, iocp_async_notify(async), "iocp_async_notify");
}

static bool notify_signalled__measure(bench_run *run, uint64_t iterations)
{
    iocp_async_t *async = run->state;
    for (uint64_t i = 0; i < iterations; i++) {
        int status = iocp_async_notify(async);
        if (status != IOCP_OK) {
            return bench_check(run, status, "iocp_async_notify");
        }
    }
    return true;
}

static void notify_signalled__teardown(bench_run *run)
{
    if (run->state != NULL) {
        bench_check(run, iocp_async_destroy(run->state), "iocp_async_destroy");
    }
    bench_lib_close(run);
}

const bench_body bench_lib_notify_signalled = {
    .setup = notify_signalled__setup,
    .measure = notify_signalled__measure,
    .teardown = notify_signalled__teardown,
};
