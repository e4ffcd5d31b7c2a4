/*
 * mixed_latency: a loop with BENCH_SERVED connections and BENCH_MIXED_TIMERS timers. A part of the
 * connections has a message under way at any moment, all of them in turn; each timer that fires is
 * set anew. How long a message takes there and back, and how late the timers are, is told by the
 * tails of both.
 */
#include <stdlib.h>

#include "../cases.h"
#include "../clock.h"
#include "scene.h"

#define MIXED_CHAINS    50 /* messages under way at once: a divisor of BENCH_SERVED */
#define MIXED_ROOM      8 /* messages of each connection that are noted, the first ones of a sample */
#define MIXED_SPAN_NS   UINT64_C(2000000000) /* the longest delay */
#define MIXED_SEED      UINT64_C(20261128)
#define MIXED_LATE_ROOM 100000

typedef struct mixed_timer {
    struct mixed *state;
    iocp_op_t id;
    uint64_t due_ns;
} mixed_timer;

/* A chain is the connections whose numbers differ by MIXED_CHAINS: one of them has a message. */
typedef struct mixed {
    bench_scene scene; /* first */
    uint64_t chain_left[MIXED_CHAINS];
    mixed_timer timers[BENCH_MIXED_TIMERS];
    bench_notes late;
    uint64_t seed;
    uint64_t values[MIXED_LATE_ROOM];
} mixed;

/* ---- Timers, on the server's loop ---- */

static uint64_t mixed__delay(mixed_timer *timer)
{
    uint64_t delay_ns = bench_random_below(&timer->state->seed, MIXED_SPAN_NS);
    timer->due_ns = bench_now_ns() + delay_ns;
    return delay_ns;
}

static iocp_action_t IOCP_CALL mixed__on_timer(iocp_loop_t *loop, const iocp_result_t *result,
                                               void *userdata)
{
    mixed_timer *timer = userdata;
    if (result->status != IOCP_OK) {
        return IOCP_DISARM; /* the end of the loop */
    }
    uint64_t now_ns = bench_now_ns();
    bench_notes_add(&timer->state->late, now_ns > timer->due_ns ? now_ns - timer->due_ns : 0);
    return iocp_timer_reset(loop, result->op, mixed__delay(timer)) == IOCP_OK ? IOCP_REARM
                                                                              : IOCP_DISARM;
}

static bool mixed__start_timers(bench_run *run)
{
    mixed *state = run->state;
    bool is_good = true;
    for (size_t i = 0; i < BENCH_MIXED_TIMERS && is_good; i++) {
        mixed_timer *timer = &state->timers[i];
        timer->state = state;
        is_good = bench_check(
            run, iocp_timer(run->loops[0], mixed__delay(timer), mixed__on_timer, timer, &timer->id),
            "iocp_timer");
    }
    return is_good;
}

/* While the server stood still they have become late: that is not to be measured. */
static bool mixed__prepare(bench_run *run)
{
    mixed *state = run->state;
    bool is_good = true;
    for (size_t i = 0; i < BENCH_MIXED_TIMERS && is_good; i++) {
        mixed_timer *timer = &state->timers[i];
        is_good = bench_check(run, iocp_timer_reset(run->loops[0], timer->id, mixed__delay(timer)),
                              "iocp_timer_reset");
    }
    state->late.count = 0;
    return is_good && bench_scene_prepare(run);
}

/* ---- Connections ---- */

static void mixed__on_first_answer(bench_client *client)
{
    bench_crowd_count_down(client->crowd);
}

static void mixed__on_answer(bench_client *client)
{
    bench_crowd *crowd = client->crowd;
    mixed *state = crowd->run->state;
    size_t next = ((size_t)(client - crowd->clients) + MIXED_CHAINS) % crowd->count;
    if (--state->chain_left[next % MIXED_CHAINS] == 0) {
        bench_crowd_count_down(crowd);
    } else {
        bench_client_send(&crowd->clients[next]);
    }
}

static bool mixed__connect(bench_run *run)
{
    mixed *state = run->state;
    bench_crowd *crowd = &state->scene.crowd;
    crowd->answered = mixed__on_first_answer;
    bool is_good = bench_scene_prepare(run) && bench_crowd_live(crowd, crowd->count);
    crowd->answered = mixed__on_answer;
    return bench_scene_finish(run) && is_good;
}

static bool mixed__setup(bench_run *run)
{
    bench_cast cast = {
        .workers = 1, .clients = BENCH_SERVED, .trips_each = MIXED_ROOM, .has_notes = true};
    if (!bench_scene_open(run, sizeof(mixed), &cast)) {
        return false;
    }
    mixed *state = run->state;
    state->seed = MIXED_SEED;
    state->late = (bench_notes){.values = state->values, .room = MIXED_LATE_ROOM};
    return mixed__connect(run) && mixed__start_timers(run);
}

static bool mixed__measure(bench_run *run, uint64_t iterations)
{
    mixed *state = run->state;
    bench_crowd *crowd = &state->scene.crowd;
    bench_crowd_begin(crowd);
    crowd->left = MIXED_CHAINS;
    for (size_t i = 0; i < MIXED_CHAINS; i++) {
        state->chain_left[i] = iterations * (BENCH_SERVED / MIXED_CHAINS);
        bench_client_send(&crowd->clients[i]);
    }
    return bench_crowd_run(crowd);
}

static bool mixed__finish(bench_run *run)
{
    mixed *state = run->state;
    bench_notes *trips = &state->scene.crowd.trips;
    bool is_good = bench_scene_finish(run);
    bench_tell_times(run, "trip", trips->values, trips->count);
    bench_tell_times(run, "late", state->late.values, state->late.count);
    return is_good;
}

const bench_body bench_lib_mixed_latency = {
    .setup = mixed__setup,
    .prepare = mixed__prepare,
    .measure = mixed__measure,
    .finish = mixed__finish,
    .teardown = bench_scene_teardown,
};
