/* post_burst: functions posted to the loop, many at a time. */
#include "../cases.h"
#include "lib.h"

static void IOCP_CALL post__count(iocp_loop_t *loop, void *arg)
{
    uint64_t *ran = arg;
    (void)loop;
    ++*ran;
}

static bool post_burst__setup(bench_run *run)
{
    return bench_lib_open_loop(run, 0);
}

static bool post_burst__measure(bench_run *run, uint64_t iterations)
{
    iocp_loop_t *loop = run->loops[0];
    for (uint64_t i = 0; i < iterations; i++) {
        uint64_t ran = 0;
        for (int k = 0; k < BENCH_BURST; k++) {
            int status = iocp_post(loop, post__count, &ran);
            if (status != IOCP_OK) {
                return bench_check(run, status, "iocp_post");
            }
        }
        for (int turn = 0; turn < BENCH_BURST && ran < BENCH_BURST; turn++) {
            int status = iocp_loop_run(loop, IOCP_RUN_NO_WAIT);
            if (status != IOCP_OK) {
                return bench_check(run, status, "iocp_loop_run");
            }
        }
        if (ran != BENCH_BURST) {
            return bench_fail(run, "posted functions that ran", (long)ran);
        }
    }
    return true;
}

const bench_body bench_lib_post_burst = {
    .setup = post_burst__setup,
    .measure = post_burst__measure,
    .teardown = bench_lib_close,
};
