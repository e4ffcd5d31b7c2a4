/*
 * Eight threads wake a loop as often as it falls asleep. Each of them waits now and then until
 * everything that anybody has posted has run, so a wake that was lost is not made up for by others.
 */
#include "load.h"

#include "atomic.h"
#include "threads.h"
#include "unit.h"

#define WAKE_THREADS 8
#define WAKE_BURST   4 /* posts, at most, before a thread waits */

typedef struct wake_thread {
    test_thread thread;
    struct wake_storm *storm;
    uint64_t count;
    uint64_t posted;
    uint64_t ran;
} wake_thread;

typedef struct wake_storm {
    iocp_loop_t *loop;
    iocp_async_t *async;
    ioc_atomic_u64 begun; /* posts, before each */
    ioc_atomic_u64 ran;
    uint64_t seen; /* of these, by the callback */
    uint64_t callbacks;
    uint64_t left; /* posts */
    wake_thread threads[WAKE_THREADS];
} wake_storm;

static void IOCP_CALL on_post(iocp_loop_t *loop, void *arg)
{
    wake_thread *self = arg;
    (void)loop;
    load_require(self->storm->left > 0, "a post ran twice");
    self->storm->left--;
    self->ran++;
    ioc_increment_u64(&self->storm->ran);
}

static void wake__notify(wake_storm *storm)
{
    load_require_ok(iocp_async_notify(storm->async), "iocp_async_notify");
}

static void wake__post(wake_thread *self)
{
    ioc_increment_u64(&self->storm->begun);
    if (self->posted % 2 == 0) {
        wake__notify(self->storm);
    }
    self->posted++;
    load_require_ok(iocp_post(self->storm->loop, on_post, self), "iocp_post");
}

static void wake__run(void *arg)
{
    wake_thread *self = arg;
    uint64_t random = (uint64_t)(self - self->storm->threads);
    while (self->posted < self->count) {
        uint64_t burst = 1 + unit_random_below(&random, WAKE_BURST);
        for (; burst > 0 && self->posted < self->count; burst--) {
            wake__post(self);
        }
        while (ioc_load_u64(&self->storm->ran) < ioc_load_u64(&self->storm->begun)) {
            test_yield();
        }
    }
    wake__notify(self->storm);
}

static iocp_action_t IOCP_CALL on_notified(iocp_loop_t *loop, const iocp_result_t *result,
                                           void *arg)
{
    wake_storm *storm = arg;
    (void)loop;
    if (result->status == IOCP_ECANCELED) {
        return IOCP_DISARM;
    }
    load_require_ok(result->status, "a wait for an async ended");
    storm->seen = ioc_load_u64(&storm->begun);
    storm->callbacks++;
    return IOCP_REARM;
}

static iocp_stats_t wake__stats(iocp_loop_t *loop)
{
    iocp_stats_t stats = {.size = sizeof stats};
    load_require_ok(iocp_loop_stats(loop, &stats), "iocp_loop_stats");
    return stats;
}

static void storm__begin(wake_storm *storm, uint64_t count)
{
    load_require_ok(iocp_async_create(storm->loop, &storm->async), "iocp_async_create");
    load_require_ok(iocp_async_wait(storm->loop, storm->async, on_notified, storm, NULL),
                    "iocp_async_wait");
    storm->left = count;
    for (uint64_t i = 0; i < WAKE_THREADS; i++) {
        wake_thread *thread = &storm->threads[i];
        thread->storm = storm;
        thread->count = count / WAKE_THREADS + (i < count % WAKE_THREADS);
        load_require(test_thread_start(&thread->thread, wake__run, thread), "no thread to be had");
    }
}

/* No wake is lost: the loop sleeps until all have run. The last notify is behind all posts. */
static void storm__end(wake_storm *storm)
{
    load_run_down(storm->loop, &storm->left);
    for (size_t i = 0; i < WAKE_THREADS; i++) {
        test_thread_join(&storm->threads[i].thread);
        load_require(storm->threads[i].ran == storm->threads[i].count,
                     "a thread's posts did not all run");
    }
    uint64_t unseen = 1;
    while (unseen > 0) {
        unseen = ioc_load_u64(&storm->begun) - storm->seen;
        if (unseen > 0) {
            load_require_ok(iocp_loop_run(storm->loop, IOCP_RUN_ONCE), "iocp_loop_run");
            load_progress();
        }
    }
    load_require_ok(iocp_async_destroy(storm->async), "iocp_async_destroy");
    load_require_ok(iocp_loop_run(storm->loop, IOCP_RUN_UNTIL_DONE), "iocp_loop_run");
}

void load_wake(uint64_t count)
{
    wake_storm storm = {.loop = load_loop(IOCP_COMPLETION_AUTO)};
    iocp_stats_t before = wake__stats(storm.loop);
    storm__begin(&storm, count);
    storm__end(&storm);
    iocp_stats_t after = wake__stats(storm.loop);
    uint64_t sleeps = after.sleeps - before.sleeps;
    uint64_t packets = after.wake_packets - before.wake_packets;
    /* One packet at most is under way, until it is taken. A sleep may be given up for its news. */
    load_require(packets <= after.dequeues - before.dequeues,
                 "%llu wake packets, and the port was asked %llu times",
                 (unsigned long long)packets,
                 (unsigned long long)(after.dequeues - before.dequeues));
    load_print("wake: %llu posts ran; half as many notifies came in %llu callbacks; %llu sleeps, "
               "%llu wake packets\n",
               (unsigned long long)(after.posts - before.posts),
               (unsigned long long)storm.callbacks, (unsigned long long)sleeps,
               (unsigned long long)packets);
}
