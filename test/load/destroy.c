/*
 * Loops that are created, used and destroyed while threads signal to them, as the manual allows it:
 * an async keeps the loop from being freed until the threads have ended.
 */
#include "load.h"

#include "atomic.h"
#include "contract_net.h"
#include "threads.h"
#include "unit.h"

#define DESTROY_THREADS 4
#define DESTROY_AHEAD   64 /* posts that have not run, of one thread */

typedef struct destroy_thread {
    test_thread thread;
    struct destroy_round *round;
    uint64_t random;
    uint64_t accepted; /* posts */
    ioc_atomic_u64 ran;
} destroy_thread;

typedef struct destroy_round {
    iocp_loop_t *loop;
    iocp_async_t *async;
    ioc_atomic_u64 signalling; /* threads that have begun */
    unsigned char data[64];
    uint64_t pending; /* operations that have not called back for the last time */
    uint64_t posts;
    destroy_thread threads[DESTROY_THREADS];
} destroy_round;

/* ---- The threads ---- */

static void IOCP_CALL on_post(iocp_loop_t *loop, void *arg)
{
    destroy_thread *self = arg;
    (void)loop;
    ioc_increment_u64(&self->ran);
}

static int thread__post(destroy_thread *self)
{
    int status = IOCP_OK;
    if (self->accepted - ioc_load_u64(&self->ran) < DESTROY_AHEAD) {
        status = iocp_post(self->round->loop, on_post, self);
        self->accepted += status == IOCP_OK;
    }
    return status;
}

/* Until it is refused: the loop is being destroyed. */
static void thread__signal(void *arg)
{
    destroy_thread *self = arg;
    iocp_loop_t *loop = self->round->loop;
    int status = IOCP_OK;
    ioc_increment_u64(&self->round->signalling);
    while (status == IOCP_OK) {
        switch (unit_random_below(&self->random, 8)) {
        case 0:
            load_require_ok(iocp_loop_stop(loop), "iocp_loop_stop");
            break;
        case 1:
        case 2:
            load_require_ok(iocp_loop_resume(loop), "iocp_loop_resume");
            break;
        case 3:
            test_yield();
            break;
        case 4:
            status = iocp_async_notify(self->round->async);
            break;
        default:
            status = thread__post(self);
        }
    }
    load_require(status == IOCP_ECLOSING, "a signal was answered with %s", iocp_error_name(status));
}

/* ---- The loop ---- */

static iocp_action_t IOCP_CALL on_end(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    destroy_round *round = arg;
    (void)loop;
    if (result->status == IOCP_OK) {
        return IOCP_REARM; /* one more callback in any case */
    }
    load_require(result->status == IOCP_ECANCELED, "%d ended with %s", result->type,
                 iocp_error_name(result->status));
    load_require(round->pending > 0, "a callback came twice");
    round->pending--;
    return IOCP_DISARM;
}

static void round__begin(destroy_round *round, uint64_t number)
{
    iocp_handle_t socket = {0};
    contract_address address = contract_loopback(AF_INET, 0);
    iocp_loop_options_t options = load_options(IOCP_COMPLETION_AUTO);
    options.sleep_method = number % 2 == 0 ? IOCP_SLEEP_AUTO : IOCP_SLEEP_PORT;
    load_require_ok(iocp_loop_create(&options, &round->loop), "iocp_loop_create");
    load_require_ok(iocp_async_create(round->loop, &round->async), "iocp_async_create");
    load_require_ok(iocp_socket_open(round->loop, AF_INET, SOCK_DGRAM, 0, &socket),
                    "iocp_socket_open");
    load_require_ok(
        iocp_socket_bind(round->loop, socket, contract_sockaddr(&address), address.length),
        "iocp_socket_bind");
    round->pending = 4;
    load_require_ok(
        iocp_recvfrom(round->loop, socket, round->data, sizeof round->data, on_end, round, NULL),
        "iocp_recvfrom");
    load_require_ok(iocp_async_wait(round->loop, round->async, on_end, round, NULL),
                    "iocp_async_wait");
    load_require_ok(iocp_timer(round->loop, 50000, on_end, round, NULL), "iocp_timer");
    load_require_ok(iocp_nop(round->loop, on_end, round, NULL), "iocp_nop");
    for (uint64_t i = 0; i < DESTROY_THREADS; i++) {
        destroy_thread *thread = &round->threads[i];
        thread->round = round;
        thread->random = number * DESTROY_THREADS + i;
        load_require(test_thread_start(&thread->thread, thread__signal, thread),
                     "no thread to be had");
    }
}

/* Some turns, of which a stopped loop makes none, while all of the threads are at it. */
static void round__use(destroy_round *round, uint64_t number)
{
    while (ioc_load_u64(&round->signalling) < DESTROY_THREADS) {
        load_require_ok(iocp_loop_run(round->loop, IOCP_RUN_NO_WAIT), "iocp_loop_run");
    }
    for (uint64_t turns = number % 8; turns > 0; turns--) {
        load_require_ok(iocp_loop_tick(round->loop, (uint32_t)(turns % 2)), "iocp_loop_tick");
    }
}

static void round__end(destroy_round *round)
{
    int status = iocp_loop_destroy(round->loop, UINT64_MAX);
    load_require(status == IOCP_EASYNC, "iocp_loop_destroy with an async: %s",
                 iocp_error_name(status));
    load_require(round->pending == 0, "%llu operations have no last callback",
                 (unsigned long long)round->pending);
    for (size_t i = 0; i < DESTROY_THREADS; i++) {
        test_thread_join(&round->threads[i].thread);
    }
    load_require_ok(iocp_async_destroy(round->async), "iocp_async_destroy");
    load_require_ok(iocp_loop_destroy(round->loop, UINT64_MAX), "iocp_loop_destroy");
    for (size_t i = 0; i < DESTROY_THREADS; i++) {
        destroy_thread *thread = &round->threads[i];
        load_require(ioc_load_u64(&thread->ran) == thread->accepted,
                     "%llu posts were accepted, and %llu ran", (unsigned long long)thread->accepted,
                     (unsigned long long)ioc_load_u64(&thread->ran));
        round->posts += thread->accepted;
    }
}

void load_destroy(uint64_t count)
{
    uint64_t posts = 0;
    for (uint64_t i = 0; i < count; i++) {
        destroy_round round = {.loop = NULL};
        round__begin(&round, i);
        round__use(&round, i);
        round__end(&round);
        posts += round.posts;
        load_progress();
    }
    load_print("destroy: %llu posts were accepted, and ran; the loops refused the next of each of "
               "%d threads\n",
               (unsigned long long)posts, DESTROY_THREADS);
}
