/* post_burst, post_thread: functions posted to the loop, many at a time; from another thread. */
#include "../cases.h"
#include "lib.h"

#include "threads.h"

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

/* ---- From another thread ---- */

typedef struct drain {
    bench_run *run;
    uint64_t ran;
} drain;

static void post_thread__run_loop(void *arg)
{
    drain *all = arg;
    for (int turn = 0; turn < BENCH_POSTS && all->ran < BENCH_POSTS; turn++) {
        bench_check(all->run, iocp_loop_run(all->run->loops[0], IOCP_RUN_NO_WAIT), "iocp_loop_run");
    }
}

/* What was posted runs in a thread of the loop's, so that the next posts meet what that has left. */
static bool post_thread__drain(drain *all)
{
    test_thread thread;
    if (!test_thread_start(&thread, post_thread__run_loop, all)) {
        return bench_fail(all->run, "no thread", 0);
    }
    test_thread_join(&thread);
    return all->ran == BENCH_POSTS ||
           bench_fail(all->run, "posted functions that ran", (long)all->ran);
}

/* Only the posts are measured: what the thread that posts pays. */
static bool post_thread__measure(bench_run *run, uint64_t iterations)
{
    for (uint64_t i = 0; i < iterations; i++) {
        drain all = {.run = run};
        for (int k = 0; k < BENCH_POSTS; k++) {
            int status = iocp_post(run->loops[0], post__count, &all.ran);
            if (status != IOCP_OK) {
                return bench_check(run, status, "iocp_post");
            }
        }
        bench_pause pause = bench_pause_begin(run);
        bool is_good = post_thread__drain(&all);
        bench_pause_end(run, pause);
        if (!is_good) {
            return false;
        }
    }
    return true;
}

const bench_body bench_lib_post_thread = {
    .setup = post_burst__setup,
    .measure = post_thread__measure,
    .teardown = bench_lib_close,
};
