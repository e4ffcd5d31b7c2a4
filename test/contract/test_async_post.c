/* The ways into a loop from other threads: asyncs, posts, stop; and waking it when it sleeps. */
#include "contract_env.h"

#include "contract_net.h"
#include "threads.h"

#include "atomic.h"

#include <string.h>

static iocp_async_t *async__new(iocp_loop_t *loop)
{
    iocp_async_t *async = NULL;
    assert_int_equal(iocp_async_create(loop, &async), IOCP_OK);
    assert_non_null(async);
    return async;
}

static iocp_op_t async__wait(iocp_loop_t *loop, iocp_async_t *async, contract_record *record)
{
    iocp_op_t op = {0};
    assert_int_equal(iocp_async_wait(loop, async, contract_keep, record, &op), IOCP_OK);
    return op;
}

/* ---- Asyncs ---- */

static void a_notify_ends_the_wait_once(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    iocp_async_t *async = async__new(loop);
    iocp_op_t op = async__wait(loop, async, &record);
    contract_idle(loop);
    assert_int_equal(record.calls, 0);
    assert_int_equal(iocp_op_state(loop, op), IOCP_OP_ACTIVE);
    assert_int_equal(iocp_async_notify(async), IOCP_OK);
    assert_int_equal(record.calls, 0);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(record.calls, 1);
    assert_int_equal(record.status, IOCP_OK);
    assert_int_equal(record.result.type, IOCP_TYPE_ASYNC_WAIT);
    contract_idle(loop);
    assert_int_equal(record.calls, 1);
    assert_int_equal(iocp_op_state(loop, op), IOCP_OP_DEAD);
    assert_int_equal(iocp_async_destroy(async), IOCP_OK);
}

static void a_notify_before_the_wait_still_ends_it(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_record next = {0};
    iocp_async_t *async = async__new(loop);
    assert_int_equal(iocp_async_notify(async), IOCP_OK);
    contract_idle(loop); /* served when nobody waits */
    (void)async__wait(loop, async, &record);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(record.calls, 1);

    /* It was kept once: the next wait has to be notified. */
    (void)async__wait(loop, async, &next);
    contract_idle(loop);
    assert_int_equal(next.calls, 0);
    assert_int_equal(iocp_async_notify(async), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(next.calls, 1);
    assert_int_equal(iocp_async_destroy(async), IOCP_OK);
}

static void many_notifies_before_the_wait_is_served_are_one_callback(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_record next = {0};
    iocp_async_t *async = async__new(loop);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(iocp_async_notify(async), IOCP_OK);
    }
    (void)async__wait(loop, async, &record);
    assert_int_equal(iocp_async_notify(async), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(record.calls, 1);
    (void)async__wait(loop, async, &next);
    contract_idle(loop);
    assert_int_equal(next.calls, 0);
    assert_int_equal(iocp_async_destroy(async), IOCP_OK);
}

static void notifies_that_nobody_waits_for_are_kept_as_one(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[2] = {{0}};
    iocp_async_t *async = async__new(loop);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(iocp_async_notify(async), IOCP_OK);
        contract_idle(loop);
    }
    (void)async__wait(loop, async, &records[0]);
    (void)async__wait(loop, async, &records[1]);
    contract_idle(loop);
    assert_int_equal(records[0].calls, 1);
    assert_int_equal(records[1].calls, 0);
    assert_int_equal(iocp_async_destroy(async), IOCP_OK);
}

static iocp_action_t IOCP_CALL async__notify_again(iocp_loop_t *loop, const iocp_result_t *result,
                                                   void *userdata)
{
    void **arguments = userdata;
    (void)iocp_async_notify(arguments[0]);
    return contract_keep(loop, result, arguments[1]);
}

static void a_notify_between_the_callback_and_the_next_wait_is_not_lost(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record first = {0};
    contract_record second = {0};
    iocp_async_t *async = async__new(loop);
    void *arguments[] = {async, &first};
    assert_int_equal(iocp_async_wait(loop, async, async__notify_again, arguments, NULL), IOCP_OK);
    assert_int_equal(iocp_async_notify(async), IOCP_OK);
    contract_wait(loop, &first, 1);
    contract_idle(loop);
    (void)async__wait(loop, async, &second);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(first.calls, 1);
    assert_int_equal(second.calls, 1);
    assert_int_equal(iocp_async_destroy(async), IOCP_OK);
}

static void a_rearmed_wait_gets_each_notify(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {.rearms = 1000};
    iocp_async_t *async = async__new(loop);
    iocp_op_t op = async__wait(loop, async, &record);
    for (int i = 1; i <= 1000; i++) {
        assert_int_equal(iocp_async_notify(async), IOCP_OK);
        contract_wait(loop, &record, i);
        assert_true(record.result.op.id == op.id);
    }
    contract_idle(loop);
    assert_int_equal(record.calls, 1000);
    /* The loop never slept when it was notified: no packet was needed, and none is left behind. */
    assert_int_equal(contract_stats(loop).wake_packets, 0);
    assert_int_equal(iocp_async_destroy(async), IOCP_OK);
}

static void a_notify_ends_the_oldest_of_several_waits(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[3] = {{0}};
    iocp_async_t *async = async__new(loop);
    for (int i = 0; i < 3; i++) {
        (void)async__wait(loop, async, &records[i]);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(iocp_async_notify(async), IOCP_OK);
        contract_idle(loop);
        for (int j = 0; j < 3; j++) {
            assert_int_equal(records[j].calls, j <= i);
        }
    }
    assert_int_equal(iocp_async_destroy(async), IOCP_OK);
}

static void destroying_an_async_ends_its_waits_as_cancelled(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[3] = {{0}};
    iocp_async_t *async = async__new(loop);
    for (int i = 0; i < 2; i++) {
        records[i].rearms = 10; /* there is nothing to wait for any more */
        (void)async__wait(loop, async, &records[i]);
    }
    contract_idle(loop);
    (void)async__wait(loop, async, &records[2]);
    assert_int_equal(iocp_async_destroy(async), IOCP_OK);
    assert_int_equal(records[0].calls, 0);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(records[i].calls, 1);
        assert_int_equal(records[i].status, IOCP_ECANCELED);
    }
}

static void an_async_can_be_destroyed_when_it_was_just_notified(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_record nop = {0};
    iocp_async_t *async = async__new(loop);
    iocp_async_t *other = async__new(loop);
    (void)async__wait(loop, async, &record);
    contract_idle(loop);
    assert_int_equal(iocp_async_notify(async), IOCP_OK);
    assert_int_equal(iocp_async_notify(other), IOCP_OK);
    assert_int_equal(iocp_async_destroy(async), IOCP_OK);
    assert_int_equal(iocp_async_destroy(other), IOCP_OK);
    assert_int_equal(iocp_nop(loop, contract_keep, &nop, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(record.calls, 1);
    assert_int_equal(record.status, IOCP_ECANCELED);
}

static iocp_action_t IOCP_CALL async__destroy_it(iocp_loop_t *loop, const iocp_result_t *result,
                                                 void *userdata)
{
    void **arguments = userdata;
    if (arguments[0] != NULL) {
        (void)iocp_async_destroy(arguments[0]);
        arguments[0] = NULL;
    }
    (void)contract_keep(loop, result, arguments[1]);
    return IOCP_REARM;
}

static void an_async_can_be_destroyed_in_the_callback_of_its_wait(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_record other = {0};
    iocp_async_t *async = async__new(loop);
    void *arguments[] = {async, &record};
    assert_int_equal(iocp_async_wait(loop, async, async__destroy_it, arguments, NULL), IOCP_OK);
    (void)async__wait(loop, async, &other);
    assert_int_equal(iocp_async_notify(async), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(record.calls, 2); /* with the one that tells that it cannot wait again */
    assert_int_equal(record.status, IOCP_ECANCELED);
    assert_int_equal(other.calls, 1);
    assert_int_equal(other.status, IOCP_ECANCELED);
}

/* ---- Posts ---- */

typedef struct post_log {
    int count;
    int numbers[64];
    iocp_loop_t *loop;
    int wrong_loop;
} post_log;

typedef struct post_item {
    post_log *log;
    int number;
} post_item;

static void IOCP_CALL post__log(iocp_loop_t *loop, void *arg)
{
    post_item *item = arg;
    item->log->wrong_loop += loop != item->log->loop;
    if (item->log->count < 64) {
        item->log->numbers[item->log->count] = item->number;
    }
    item->log->count++;
}

static void posts_run_once_each_in_their_order_and_not_inside_the_call(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    post_log log = {.loop = loop};
    post_item items[10];
    for (int i = 0; i < 10; i++) {
        items[i] = (post_item){&log, i};
        assert_int_equal(iocp_post(loop, post__log, &items[i]), IOCP_OK);
    }
    assert_int_equal(log.count, 0);
    contract_idle(loop);
    assert_int_equal(log.count, 10);
    assert_int_equal(log.wrong_loop, 0);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(log.numbers[i], i);
    }
    assert_int_equal(contract_stats(loop).posts, 10);
}

static void IOCP_CALL post__count(iocp_loop_t *loop, void *arg)
{
    (void)loop;
    ++*(int *)arg;
}

static void a_post_does_not_keep_the_loop_running_but_ends_run_once(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record timer = {0};
    iocp_op_t op = {0};
    int posts = 0;
    assert_int_equal(iocp_post(loop, post__count, &posts), IOCP_OK);
    assert_int_equal(iocp_loop_active(loop), 0);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(posts, 1);
    assert_int_equal(iocp_timer(loop, 1000 * S, contract_keep, &timer, &op), IOCP_OK);
    assert_int_equal(iocp_post(loop, post__count, &posts), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_ONCE), IOCP_OK);
    assert_int_equal(posts, 2);
    assert_int_equal(timer.calls, 0);
}

typedef struct test_chain {
    int left;
    int ran;
} test_chain;

static void IOCP_CALL chain__next(iocp_loop_t *loop, void *arg)
{
    test_chain *chain = arg;
    chain->ran++;
    if (--chain->left > 0) {
        (void)iocp_post(loop, chain__next, chain);
    }
}

static void chain__run_a_turn_each(iocp_loop_t *loop)
{
    test_chain chain = {.left = 5};
    assert_int_equal(iocp_post(loop, chain__next, &chain), IOCP_OK);
    for (int i = 1; i <= 5; i++) {
        assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
        assert_int_equal(chain.ran, i);
    }
}

static void a_post_from_a_post_runs_in_a_later_turn(void **state)
{
    chain__run_a_turn_each(contract_loop(state));
}

static void a_post_from_a_post_runs_in_a_later_turn_though_the_port_is_asked(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    char data[8];
    contract_pair pair = contract_connect(loop, AF_INET);
    assert_int_equal(iocp_recv(loop, pair.server, data, sizeof data, contract_keep, &record, NULL),
                     IOCP_OK);
    chain__run_a_turn_each(loop);
    assert_int_equal(record.calls, 0);
    contract_close_pair(loop, pair);
    contract_wait(loop, &record, 1);
}

/* ---- Threads ---- */

typedef struct test_poster {
    test_thread thread;
    iocp_loop_t *loop;
    iocp_async_t *async;
    ioc_atomic_u32 *go_on;
    int number;
    int count;
    int errors;
    int refused;
} test_poster;

typedef struct test_arrivals {
    uint64_t next[4]; /* the number that must come next, by thread */
    uint64_t total;
    uint64_t wrong;
    uint64_t expected;
    iocp_async_t *async;
} test_arrivals;

/* What a post carries: a place in its thread's array tells thread and number. */
typedef struct test_arrival {
    test_arrivals *arrivals;
    uint32_t thread;
    uint32_t number;
} test_arrival;

/*
 * ThreadSanitizer gets fewer: after so many atomic operations its runtime (clang 14) can be busy with
 * itself for minutes.
 */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ARRIVALS_PER_THREAD 20000
#endif
#endif
#if !defined(ARRIVALS_PER_THREAD)
#define ARRIVALS_PER_THREAD 250000
#endif

static test_arrival million[4][ARRIVALS_PER_THREAD];

static void IOCP_CALL arrival__come(iocp_loop_t *loop, void *arg)
{
    test_arrival *arrival = arg;
    test_arrivals *arrivals = arrival->arrivals;
    (void)loop;
    arrivals->wrong += arrivals->next[arrival->thread] != arrival->number;
    arrivals->next[arrival->thread] = (uint64_t)arrival->number + 1;
    arrivals->total++;
    if (arrivals->total == arrivals->expected) {
        (void)iocp_async_notify(arrivals->async);
    }
}

static void poster__post_all(void *arg)
{
    test_poster *poster = arg;
    for (int i = 0; i < poster->count; i++) {
        poster->errors +=
            iocp_post(poster->loop, arrival__come, &million[poster->number][i]) != IOCP_OK;
    }
}

static void a_million_posts_from_four_threads_arrive_once_each_in_order(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static test_arrivals arrivals;
    static test_poster posters[4];
    contract_record done = {0};
    memset(&arrivals, 0, sizeof arrivals);
    memset(posters, 0, sizeof posters);
    arrivals.expected = UINT64_C(4) * ARRIVALS_PER_THREAD;
    arrivals.async = async__new(loop);
    (void)async__wait(loop, arrivals.async, &done);
    for (int t = 0; t < 4; t++) {
        for (int i = 0; i < ARRIVALS_PER_THREAD; i++) {
            million[t][i] = (test_arrival){&arrivals, (uint32_t)t, (uint32_t)i};
        }
        posters[t].loop = loop;
        posters[t].number = t;
        posters[t].count = ARRIVALS_PER_THREAD;
    }
    for (int t = 0; t < 4; t++) {
        assert_true(test_thread_start(&posters[t].thread, poster__post_all, &posters[t]));
    }
    int status = iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE);
    for (int t = 0; t < 4; t++) {
        test_thread_join(&posters[t].thread);
    }
    assert_int_equal(status, IOCP_OK);
    assert_int_equal(done.calls, 1);
    assert_int_equal(arrivals.total, arrivals.expected);
    assert_int_equal(arrivals.wrong, 0);
    for (int t = 0; t < 4; t++) {
        assert_int_equal(posters[t].errors, 0);
    }
    assert_int_equal(contract_stats(loop).posts, arrivals.expected);
    assert_int_equal(iocp_async_destroy(arrivals.async), IOCP_OK);
}

static void IOCP_CALL post__set(iocp_loop_t *loop, void *arg)
{
    (void)loop;
    ioc_store_u32(arg, 1);
}

/* Post, wait until it has run, post again: each time the loop may be about to fall asleep. */
static void poster__ping(void *arg)
{
    test_poster *poster = arg;
    for (int i = 0; i < poster->count; i++) {
        ioc_atomic_u32 ran = {0};
        poster->errors += iocp_post(poster->loop, post__set, &ran) != IOCP_OK;
        while (ioc_load_u32(&ran) == 0 && ioc_load_u32(poster->go_on) != 0) {
            test_yield();
        }
    }
    poster->errors += iocp_async_notify(poster->async) != IOCP_OK;
}

static void a_wake_is_never_lost(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    enum {
        THREADS = 3,
        COUNT = 5000
    };
    static test_poster posters[THREADS];
    static ioc_atomic_u32 go_on;
    contract_record done = {.rearms = THREADS - 1};
    iocp_async_t *asyncs[THREADS];
    memset(posters, 0, sizeof posters);
    ioc_store_u32(&go_on, 1);
    for (int t = 0; t < THREADS; t++) {
        asyncs[t] = async__new(loop);
        (void)async__wait(loop, asyncs[t], &done);
        done.rearms = 0;
        posters[t].loop = loop;
        posters[t].async = asyncs[t];
        posters[t].go_on = &go_on;
        posters[t].count = COUNT;
        assert_true(test_thread_start(&posters[t].thread, poster__ping, &posters[t]));
    }
    int status = iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE);
    ioc_store_u32(&go_on, 0); /* should it have failed, the threads end all the same */
    for (int t = 0; t < THREADS; t++) {
        test_thread_join(&posters[t].thread);
    }
    assert_int_equal(status, IOCP_OK);
    assert_int_equal(done.calls, THREADS);
    iocp_stats_t stats = contract_stats(loop);
    assert_int_equal(stats.posts, THREADS * COUNT);
    /* At most one packet for each time that the loop was about to sleep. */
    assert_true(stats.wake_packets <= stats.dequeues);
    for (int t = 0; t < THREADS; t++) {
        assert_int_equal(posters[t].errors, 0);
        assert_int_equal(iocp_async_destroy(asyncs[t]), IOCP_OK);
    }
}

static void poster__notify_many(void *arg)
{
    test_poster *poster = arg;
    for (int i = 0; i < poster->count; i++) {
        poster->errors += iocp_async_notify(poster->async) != IOCP_OK;
        if (i % 64 == 0) {
            test_yield();
        }
    }
    ioc_add_u32(poster->go_on, 1);
    poster->errors += iocp_async_notify(poster->async) != IOCP_OK;
}

typedef struct test_notified {
    ioc_atomic_u32 *finished;
    uint32_t threads;
    int calls;
} test_notified;

/* The last notify comes after its thread's count, so the callback that follows it sees them all. */
static iocp_action_t IOCP_CALL notified__look(iocp_loop_t *loop, const iocp_result_t *result,
                                              void *userdata)
{
    test_notified *notified = userdata;
    (void)loop;
    (void)result;
    notified->calls++;
    return ioc_load_u32(notified->finished) < notified->threads ? IOCP_REARM : IOCP_DISARM;
}

static void notifies_from_many_threads_coalesce_and_the_last_is_not_lost(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    enum {
        THREADS = 4,
        COUNT = 20000
    };
    static test_poster posters[THREADS];
    static ioc_atomic_u32 finished;
    test_notified notified = {&finished, THREADS, 0};
    memset(posters, 0, sizeof posters);
    ioc_store_u32(&finished, 0);
    iocp_async_t *async = async__new(loop);
    assert_int_equal(iocp_async_wait(loop, async, notified__look, &notified, NULL), IOCP_OK);
    for (int t = 0; t < THREADS; t++) {
        posters[t].async = async;
        posters[t].go_on = &finished;
        posters[t].count = COUNT;
        assert_true(test_thread_start(&posters[t].thread, poster__notify_many, &posters[t]));
    }
    int status = iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE);
    for (int t = 0; t < THREADS; t++) {
        test_thread_join(&posters[t].thread);
        assert_int_equal(posters[t].errors, 0);
    }
    assert_int_equal(status, IOCP_OK);
    assert_int_equal(ioc_load_u32(&finished), THREADS);
    assert_in_range(notified.calls, 1, THREADS * (COUNT + 1));
    assert_int_equal(iocp_async_destroy(async), IOCP_OK);
}

static void stopper__stop(void *arg)
{
    test_poster *poster = arg;
    for (int i = 0; i < poster->count; i++) {
        /* Wait until the loop was resumed, then stop it again. */
        while (iocp_loop_stopped(poster->loop) && ioc_load_u32(poster->go_on) != 0) {
            test_yield();
        }
        poster->errors += iocp_loop_stop(poster->loop) != IOCP_OK;
    }
}

static void stop_from_another_thread_wakes_a_loop_that_sleeps(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    enum {
        COUNT = 2000
    };
    static test_poster stopper;
    static ioc_atomic_u32 go_on;
    contract_record wait = {0};
    int statuses = 0;
    iocp_async_t *async = async__new(loop);
    (void)async__wait(loop, async, &wait);
    memset(&stopper, 0, sizeof stopper);
    ioc_store_u32(&go_on, 1);
    stopper.loop = loop;
    stopper.go_on = &go_on;
    stopper.count = COUNT;
    assert_true(test_thread_start(&stopper.thread, stopper__stop, &stopper));
    for (int i = 0; i < COUNT && statuses == 0; i++) {
        statuses += iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE) != IOCP_OK;
        statuses += iocp_loop_stopped(loop) != 1;
        statuses += iocp_loop_resume(loop) != IOCP_OK;
    }
    ioc_store_u32(&go_on, 0);
    test_thread_join(&stopper.thread);
    assert_int_equal(statuses, 0);
    assert_int_equal(stopper.errors, 0);
    assert_int_equal(wait.calls, 0);
    assert_int_equal(iocp_async_destroy(async), IOCP_OK);
}

/* Two loops on two threads that post to each other. */
typedef struct test_player {
    test_thread thread;
    iocp_loop_t *loop;
    struct test_player *other;
    iocp_async_t *done;
    bool begins;
    int left;
    int status;
} test_player;

static void IOCP_CALL player__hit(iocp_loop_t *loop, void *arg)
{
    test_player *player = arg;
    (void)loop;
    if (--player->left == 0) {
        player->status += iocp_async_notify(player->done);
    }
    if (player->left > 0 || player->begins) {
        player->status += iocp_post(player->other->loop, player__hit, player->other);
    }
}

static void player__run(void *arg)
{
    test_player *player = arg;
    player->status += iocp_loop_run(player->loop, IOCP_RUN_UNTIL_DONE);
}

static void two_loops_on_two_threads_post_to_each_other(void **state)
{
    enum {
        COUNT = 3000
    };
    static test_player players[2];
    contract_record done[2] = {{0}};
    memset(players, 0, sizeof players);
    players[0].loop = contract_loop(state);
    players[1].loop = contract_loop_create();
    players[0].begins = true;
    for (int i = 0; i < 2; i++) {
        players[i].other = &players[1 - i];
        players[i].left = COUNT;
        players[i].done = async__new(players[i].loop);
        (void)async__wait(players[i].loop, players[i].done, &done[i]);
    }
    assert_int_equal(iocp_post(players[0].loop, player__hit, &players[0]), IOCP_OK);
    assert_true(test_thread_start(&players[1].thread, player__run, &players[1]));
    player__run(&players[0]);
    test_thread_join(&players[1].thread);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(players[i].status, IOCP_OK);
        assert_int_equal(done[i].calls, 1);
        assert_int_equal(players[i].left, 0);
        assert_int_equal(iocp_async_destroy(players[i].done), IOCP_OK);
    }
    contract_loop_destroy(players[1].loop);
}

/* A loop that is being destroyed either runs a post or refuses it, however often it is asked. */
static void poster__post_until_refused(void *arg)
{
    test_poster *poster = arg;
    while (poster->refused < 1000) {
        int status = iocp_post(poster->loop, post__count, &poster->number);
        if (status == IOCP_OK) {
            poster->count++;
            test_yield();
        } else {
            poster->errors += status != IOCP_ECLOSING;
            poster->refused++;
        }
    }
}

static void race__round(int yields)
{
    iocp_loop_t *loop = contract_loop_create();
    enum {
        THREADS = 3
    };
    static test_poster posters[THREADS];
    memset(posters, 0, sizeof posters);
    /* As long as it exists the loop does, too. */
    iocp_async_t *async = async__new(loop);
    for (int t = 0; t < THREADS; t++) {
        posters[t].loop = loop;
        assert_true(test_thread_start(&posters[t].thread, poster__post_until_refused, &posters[t]));
    }
    for (int i = 0; i < yields; i++) {
        test_yield();
    }
    /* However long it takes: a clock that is virtual runs ahead of the threads. */
    int status = iocp_loop_destroy(loop, UINT64_MAX);
    for (int t = 0; t < THREADS; t++) {
        test_thread_join(&posters[t].thread);
    }
    assert_int_equal(status, IOCP_EASYNC);
    for (int t = 0; t < THREADS; t++) {
        assert_int_equal(posters[t].errors, 0);
        assert_int_equal(posters[t].number, posters[t].count);
    }
    assert_int_equal(iocp_async_destroy(async), IOCP_OK);
    contract_loop_destroy(loop);
}

static void posts_that_race_with_destroy_run_or_are_refused(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        race__round(round % 10 * 10);
    }
}

/* ---- The wrong thread ---- */

static void trespasser__call(void *arg)
{
    test_poster *poster = arg;
    uint64_t when_ns = 0;
    iocp_handle_t handle = {0};
    poster->errors += iocp_nop(poster->loop, contract_keep, NULL, NULL) != IOCP_ETHREAD;
    poster->errors += iocp_loop_run(poster->loop, IOCP_RUN_NO_WAIT) != IOCP_ETHREAD;
    poster->errors += iocp_loop_next_deadline(poster->loop, &when_ns) != IOCP_ETHREAD;
    poster->errors +=
        iocp_socket_open(poster->loop, AF_INET, SOCK_STREAM, 0, &handle) != IOCP_ETHREAD;
    poster->errors += iocp_cancel(poster->loop, (iocp_op_t){1}, NULL, NULL, NULL) != IOCP_ETHREAD;
    poster->errors += iocp_async_destroy(poster->async) != IOCP_ETHREAD;
    poster->errors += iocp_loop_destroy(poster->loop, 0) != IOCP_ETHREAD;
}

static iocp_action_t IOCP_CALL trespasser__let_in(iocp_loop_t *loop, const iocp_result_t *result,
                                                  void *userdata)
{
    test_poster *poster = userdata;
    (void)loop;
    (void)result;
    poster->count += test_thread_start(&poster->thread, trespasser__call, poster);
    test_thread_join(&poster->thread);
    return IOCP_DISARM;
}

static void a_call_from_the_wrong_thread_is_refused_in_debug_builds(void **state)
{
#ifdef NDEBUG
    (void)state;
    (void)trespasser__let_in;
    skip();
#else
    iocp_loop_t *loop = contract_loop(state);
    static test_poster poster;
    memset(&poster, 0, sizeof poster);
    poster.loop = loop;
    assert_int_equal(iocp_async_create(loop, &poster.async), IOCP_OK);
    assert_int_equal(iocp_nop(loop, trespasser__let_in, &poster, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(poster.count, 1);
    assert_int_equal(poster.errors, 0);
    assert_int_equal(iocp_async_destroy(poster.async), IOCP_OK);
#endif
}

/* Between two ticks, in every build. */
static void intruder__call(void *arg)
{
    test_poster *poster = arg;
    void *data = NULL;
    iocp_handle_t handle = {0};
    poster->errors += iocp_nop(poster->loop, contract_keep, NULL, NULL) != IOCP_ETHREAD;
    poster->errors += iocp_cancel(poster->loop, (iocp_op_t){1}, NULL, NULL, NULL) != IOCP_ETHREAD;
    poster->errors += iocp_loop_submit(poster->loop) != IOCP_ETHREAD;
    poster->errors +=
        iocp_socket_open(poster->loop, AF_INET, SOCK_STREAM, 0, &handle) != IOCP_ETHREAD;
    poster->errors += iocp_loop_get_data(poster->loop, &data) != IOCP_ETHREAD;
    poster->errors += iocp_loop_set_data(poster->loop, data) != IOCP_ETHREAD;
    poster->errors += iocp_async_destroy(poster->async) != IOCP_ETHREAD;
    poster->errors += iocp_post(poster->loop, post__count, &poster->number) != IOCP_OK;
    poster->errors += iocp_async_notify(poster->async) != IOCP_OK;
}

static void taker__run(void *arg)
{
    test_poster *poster = arg;
    poster->errors += iocp_loop_run(poster->loop, IOCP_RUN_NO_WAIT) != IOCP_OK;
    poster->errors += iocp_loop_submit(poster->loop) != IOCP_OK; /* it is its own now */
}

static void poster__on_thread(test_poster *poster, void (*function)(void *arg))
{
    assert_true(test_thread_start(&poster->thread, function, poster));
    test_thread_join(&poster->thread);
    assert_int_equal(poster->errors, 0);
}

static void destroyer__run(void *arg)
{
    test_poster *poster = arg;
    poster->errors += iocp_loop_destroy(poster->loop, UINT64_MAX) != IOCP_OK;
}

static void a_loop_that_checks_threads_belongs_to_the_one_that_ran_it_last(void **state)
{
    (void)state;
    iocp_loop_options_t options = contract_options();
    static test_poster poster;
    contract_record nop = {0};
    memset(&poster, 0, sizeof poster);
    options.check_threads = 1;
    assert_int_equal(iocp_loop_create(&options, &poster.loop), IOCP_OK);
    assert_int_equal(iocp_async_create(poster.loop, &poster.async), IOCP_OK);
    poster__on_thread(&poster, intruder__call);
    assert_int_equal(iocp_nop(poster.loop, contract_keep, &nop, NULL), IOCP_OK);

    poster__on_thread(&poster, taker__run);
    assert_int_equal(nop.calls, 1);
    assert_int_equal(poster.number, 1);
    assert_int_equal(iocp_loop_submit(poster.loop), IOCP_ETHREAD);
    assert_int_equal(iocp_async_destroy(poster.async), IOCP_ETHREAD);

    assert_int_equal(iocp_loop_tick(poster.loop, 0), IOCP_OK);
    assert_int_equal(iocp_loop_submit(poster.loop), IOCP_OK);
    poster__on_thread(&poster, intruder__call);
    assert_int_equal(iocp_async_destroy(poster.async), IOCP_OK);
    poster__on_thread(&poster, destroyer__run); /* takes it over, too */
    assert_int_equal(poster.number, 2);
}

/* What no loop asked for is not found. */
static void stranger__call(void *arg)
{
    test_poster *poster = arg;
    poster->errors += iocp_loop_submit(poster->loop) != IOCP_OK;
}

static void without_that_option_only_a_running_loop_checks_threads(void **state)
{
    static test_poster poster;
    memset(&poster, 0, sizeof poster);
    poster.loop = contract_loop(state);
    poster__on_thread(&poster, stranger__call);
}

static void until_stopped__feed(void *arg)
{
    test_poster *poster = arg;
    for (int i = 0; i < 3; i++) {
        ioc_atomic_u32 ran = {0};
        test_sleep_ms(5);
        poster->errors += iocp_post(poster->loop, post__set, &ran) != IOCP_OK;
        while (ioc_load_u32(&ran) == 0 && poster->errors == 0) {
            test_yield(); /* a stop would come before what has not run */
        }
        poster->number++;
    }
    test_sleep_ms(5);
    poster->errors += iocp_loop_stop(poster->loop) != IOCP_OK;
}

static void a_loop_that_runs_until_stopped_sleeps_with_nothing_to_do(void **state)
{
    static test_poster poster;
    memset(&poster, 0, sizeof poster);
    poster.loop = contract_loop(state);
    assert_true(test_thread_start(&poster.thread, until_stopped__feed, &poster));
    int status = iocp_loop_run(poster.loop, IOCP_RUN_UNTIL_STOPPED);
    test_thread_join(&poster.thread);
    assert_int_equal(status, IOCP_OK);
    assert_int_equal(poster.errors, 0);
    assert_int_equal(poster.number, 3);
    assert_int_equal(iocp_loop_stopped(poster.loop), 1);
    assert_in_range(contract_stats(poster.loop).turns, 1, 50); /* it does not spin */
}

static void handover__run(void *arg)
{
    test_poster *poster = arg;
    poster->errors += iocp_loop_run(poster->loop, IOCP_RUN_UNTIL_DONE);
}

static void a_loop_may_be_used_by_one_thread_after_another(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static test_poster poster;
    contract_record record = {0};
    memset(&poster, 0, sizeof poster);
    poster.loop = loop;
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(iocp_timer(loop, 1 * MS, contract_keep, &record, NULL), IOCP_OK);
        assert_true(test_thread_start(&poster.thread, handover__run, &poster));
        test_thread_join(&poster.thread);
        assert_int_equal(poster.errors, 0);
        assert_int_equal(record.calls, i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TEST(a_notify_ends_the_wait_once),
        CONTRACT_TEST(a_notify_before_the_wait_still_ends_it),
        CONTRACT_TEST(many_notifies_before_the_wait_is_served_are_one_callback),
        CONTRACT_TEST(notifies_that_nobody_waits_for_are_kept_as_one),
        CONTRACT_TEST(a_notify_between_the_callback_and_the_next_wait_is_not_lost),
        CONTRACT_TEST(a_rearmed_wait_gets_each_notify),
        CONTRACT_TEST(a_notify_ends_the_oldest_of_several_waits),
        CONTRACT_TEST(destroying_an_async_ends_its_waits_as_cancelled),
        CONTRACT_TEST(an_async_can_be_destroyed_when_it_was_just_notified),
        CONTRACT_TEST(an_async_can_be_destroyed_in_the_callback_of_its_wait),
        CONTRACT_TEST(posts_run_once_each_in_their_order_and_not_inside_the_call),
        CONTRACT_TEST(a_post_does_not_keep_the_loop_running_but_ends_run_once),
        CONTRACT_TEST(a_post_from_a_post_runs_in_a_later_turn),
        CONTRACT_TEST(a_post_from_a_post_runs_in_a_later_turn_though_the_port_is_asked),
        CONTRACT_TEST(a_million_posts_from_four_threads_arrive_once_each_in_order),
        CONTRACT_TEST(a_wake_is_never_lost),
        CONTRACT_TEST(notifies_from_many_threads_coalesce_and_the_last_is_not_lost),
        CONTRACT_TEST(stop_from_another_thread_wakes_a_loop_that_sleeps),
        CONTRACT_TEST(two_loops_on_two_threads_post_to_each_other),
        CONTRACT_TEST(posts_that_race_with_destroy_run_or_are_refused),
        CONTRACT_TEST(a_call_from_the_wrong_thread_is_refused_in_debug_builds),
        CONTRACT_TEST(a_loop_that_checks_threads_belongs_to_the_one_that_ran_it_last),
        CONTRACT_TEST(without_that_option_only_a_running_loop_checks_threads),
        CONTRACT_TEST(a_loop_that_runs_until_stopped_sleeps_with_nothing_to_do),
        CONTRACT_TEST(a_loop_may_be_used_by_one_thread_after_another),
    };
    return CONTRACT_RUN_WITHOUT_SOCKETS(tests);
}
