/* Timers: order, never early, reset, repetition without drift and without bursts. */
#include "contract_env.h"

#include <string.h>

static iocp_op_t timer__add(iocp_loop_t *loop, uint64_t delay_ns, contract_record *record)
{
    iocp_op_t op = {0};
    assert_int_equal(iocp_timer(loop, delay_ns, contract_keep, record, &op), IOCP_OK);
    assert_true(op.id != 0);
    return op;
}

/* The loop's time, read now. */
static uint64_t timer__now(iocp_loop_t *loop)
{
    iocp_loop_update_now(loop);
    return iocp_loop_now(loop);
}

/* ---- When they fire ---- */

static void a_timer_fires_once_and_not_early(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_record later = {0};
    uint64_t start_ns = timer__now(loop);
    iocp_op_t op = timer__add(loop, 10 * MS, &record);
    iocp_op_t later_op = timer__add(loop, 100 * S, &later);
    assert_int_equal(iocp_op_state(loop, op), IOCP_OP_ADDING);
    assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
    assert_int_equal(iocp_op_state(loop, op), IOCP_OP_ACTIVE);
    contract_wait(loop, &record, 1);
    assert_int_equal(record.status, IOCP_OK);
    assert_int_equal(record.result.type, IOCP_TYPE_TIMER);
    assert_true(record.result.op.id == op.id);
    assert_true(record.now_ns >= start_ns + 10 * MS);
    assert_int_equal(iocp_op_state(loop, op), IOCP_OP_DEAD);
    assert_int_equal(iocp_op_state(loop, later_op), IOCP_OP_ACTIVE);
    contract_idle(loop);
    assert_int_equal(record.calls, 1);
    assert_int_equal(later.calls, 0);
}

static iocp_action_t IOCP_CALL timer__take_time(iocp_loop_t *loop, const iocp_result_t *result,
                                                void *userdata)
{
    (void)result;
    (void)userdata;
    contract_pass_time(loop, 30 * MS);
    return IOCP_DISARM;
}

/* The simulation gives up if a loop sleeps by a time that it has asked for before. */
static void the_time_that_a_callback_takes_is_not_slept_again(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    uint64_t start_ns = timer__now(loop);
    timer__add(loop, 100 * MS, &record);
    assert_int_equal(iocp_nop(loop, timer__take_time, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(record.calls, 1);
    assert_true(record.now_ns >= start_ns + 100 * MS);
    assert_true(!contract_clock_is_virtual() || record.now_ns == start_ns + 100 * MS);
}

static void timers_of_less_than_a_millisecond_are_not_early_either(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static const uint64_t delays_ns[] = {1, 1000, 999999, 1000001, 1500000, 2999999};
    for (size_t i = 0; i < sizeof delays_ns / sizeof delays_ns[0]; i++) {
        contract_record record = {0};
        uint64_t start_ns = timer__now(loop);
        (void)timer__add(loop, delays_ns[i], &record);
        uint64_t sleeps = contract_stats(loop).sleeps;
        contract_wait(loop, &record, 1);
        assert_true(record.now_ns >= start_ns + delays_ns[i]);
        /* A timeout that is rounded down would be repeated until the time has come. */
        assert_in_range(contract_stats(loop).sleeps - sleeps, 0,
                        contract_clock_is_virtual() ? 20 : 3);
    }
}

static void timers_fire_in_order_of_time(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static const uint64_t delays_ms[] = {5, 1, 4, 2, 3};
    contract_record records[5] = {{0}};
    for (int i = 0; i < 5; i++) {
        (void)timer__add(loop, delays_ms[i] * MS, &records[i]);
    }
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(records[i].calls, 1);
        assert_int_equal(records[i].order, delays_ms[i]);
    }
}

static void timers_that_are_due_together_fire_in_order_of_time(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static const uint64_t delays_ms[] = {5, 1, 4, 2, 3};
    contract_record records[5] = {{0}};
    for (int i = 0; i < 5; i++) {
        (void)timer__add(loop, delays_ms[i] * MS, &records[i]);
    }
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    contract_pass_time(loop, 10 * MS);
    assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(records[i].calls, 1);
        assert_int_equal(records[i].order, delays_ms[i]);
    }
}

static void equal_times_fire_in_order_of_adding(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    enum {
        COUNT = 100
    };
    static contract_record records[COUNT];
    memset(records, 0, sizeof records);
    for (int i = 0; i < COUNT; i++) {
        (void)timer__add(loop, 2 * MS, &records[i]);
    }
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(records[i].order, i + 1);
    }
}

static void ten_thousand_timers_fire_sorted(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    enum {
        COUNT = 10000
    };
    static contract_record records[COUNT];
    static uint64_t delays_ns[COUNT];
    static int by_order[COUNT];
    memset(records, 0, sizeof records);
    uint32_t random = 12345;
    for (int i = 0; i < COUNT; i++) {
        random = random * 1664525u + 1013904223u;
        delays_ns[i] = (random >> 12) % 64 * (MS / 4);
        (void)timer__add(loop, delays_ns[i], &records[i]);
    }
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(records[i].calls, 1);
        assert_in_range(records[i].order, 1, COUNT);
        by_order[records[i].order - 1] = i;
    }
    for (int i = 1; i < COUNT; i++) {
        int earlier = by_order[i - 1];
        int later = by_order[i];
        assert_true(delays_ns[earlier] < delays_ns[later] ||
                    (delays_ns[earlier] == delays_ns[later] && earlier < later));
    }
}

/* The loop's time may be old when a timer is added. */
static void a_delay_does_not_count_from_the_last_turn(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record first = {0};
    contract_record second = {0};
    contract_record third = {0};
    (void)timer__add(loop, 1 * MS, &first);
    contract_wait(loop, &first, 1);
    contract_pass_time(loop, 50 * MS);
    (void)timer__add(loop, 40 * MS, &second);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(second.calls, 0);
    contract_pass_time(loop, 50 * MS);
    (void)timer__add(loop, 40 * MS, &third);
    uint64_t start_ns = iocp_loop_now(loop) + 50 * MS;
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    contract_wait(loop, &third, 1);
    assert_true(third.now_ns >= start_ns + 40 * MS);
}

typedef struct test_slow {
    contract_record record;
    uint64_t work_ns;
    contract_record inner;
    uint64_t inner_start_ns;
} test_slow;

static iocp_action_t IOCP_CALL slow__submit_a_timer(iocp_loop_t *loop, const iocp_result_t *result,
                                                    void *userdata)
{
    test_slow *slow = userdata;
    contract_pass_time(loop, slow->work_ns);
    (void)iocp_timer(loop, 40 * MS, contract_keep, &slow->inner, NULL);
    slow->inner_start_ns = iocp_loop_now(loop) + slow->work_ns;
    (void)iocp_loop_submit(loop);
    return contract_keep(loop, result, &slow->record);
}

static void a_delay_does_not_count_from_the_begin_of_a_slow_callback(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    test_slow slow = {.work_ns = 50 * MS};
    assert_int_equal(iocp_timer(loop, 1 * MS, slow__submit_a_timer, &slow, NULL), IOCP_OK);
    contract_wait(loop, &slow.inner, 1);
    assert_true(slow.inner.now_ns >= slow.inner_start_ns + 40 * MS);
}

static void a_timer_with_no_delay_fires_in_its_first_turn(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    (void)timer__add(loop, 0, &record);
    assert_int_equal(record.calls, 0);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(record.calls, 1);
}

static void a_rearmed_timer_with_no_delay_fires_once_in_each_turn(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {.rearms = 9};
    (void)timer__add(loop, 0, &record);
    for (int i = 1; i <= 10; i++) {
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
        assert_int_equal(record.calls, i);
    }
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(record.calls, 10);
}

static void the_longest_delays_do_not_wrap_around(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static const uint64_t delays_ns[] = {UINT64_MAX, UINT64_MAX - 1, UINT64_MAX / 2,
                                         UINT64_C(4294967296) * MS, UINT64_C(4294967295) * MS};
    contract_record records[5] = {{0}};
    contract_record reset = {0};
    contract_record soon = {0};
    iocp_op_t ops[5];
    for (int i = 0; i < 5; i++) {
        ops[i] = timer__add(loop, delays_ns[i], &records[i]);
    }
    iocp_op_t reset_op = timer__add(loop, 1 * MS, &reset);
    (void)timer__add(loop, 5 * MS, &soon);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(iocp_timer_reset(loop, reset_op, UINT64_MAX), IOCP_OK);
    contract_wait(loop, &soon, 1);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(records[i].calls, 0);
        assert_int_equal(iocp_op_state(loop, ops[i]), IOCP_OP_ACTIVE);
    }
    assert_int_equal(reset.calls, 0);
}

/* ---- Reset ---- */

/* What a callback does to another timer. */
typedef struct test_postponer {
    iocp_op_t op;
    uint64_t delay_ns;
    uint64_t now_ns;
    int status;
} test_postponer;

static iocp_action_t IOCP_CALL postponer__reset(iocp_loop_t *loop, const iocp_result_t *result,
                                                void *userdata)
{
    test_postponer *postponer = userdata;
    (void)result;
    postponer->now_ns = timer__now(loop);
    postponer->status = iocp_timer_reset(loop, postponer->op, postponer->delay_ns);
    return IOCP_DISARM;
}

static void reset_of_a_queued_timer_changes_it_in_place(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    iocp_op_t op = timer__add(loop, 100 * S, &record);
    assert_int_equal(iocp_timer_reset(loop, op, 1 * MS), IOCP_OK);
    assert_int_equal(iocp_op_state(loop, op), IOCP_OP_ADDING);
    assert_int_equal(iocp_loop_active(loop), 1);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(record.calls, 1);
    assert_int_equal(record.status, IOCP_OK);
}

static void reset_of_an_active_timer_to_earlier_gives_one_callback(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    iocp_op_t op = timer__add(loop, 100 * S, &record);
    assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
    assert_int_equal(iocp_op_state(loop, op), IOCP_OP_ACTIVE);
    uint64_t start_ns = timer__now(loop);
    assert_int_equal(iocp_timer_reset(loop, op, 2 * MS), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(record.calls, 1);
    assert_int_equal(record.status, IOCP_OK);
    assert_true(record.now_ns >= start_ns + 2 * MS);
    assert_int_equal(iocp_op_state(loop, op), IOCP_OP_DEAD);
    assert_int_equal(iocp_loop_active(loop), 0);
}

static void reset_of_an_active_timer_to_later_gives_one_callback(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record moved = {0};
    contract_record other = {0};
    iocp_op_t op = timer__add(loop, 2 * MS, &moved);
    (void)timer__add(loop, 5 * MS, &other);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    uint64_t start_ns = timer__now(loop);
    assert_int_equal(iocp_timer_reset(loop, op, 10 * MS), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(moved.calls, 1);
    assert_int_equal(other.calls, 1);
    assert_int_equal(moved.order, 2);
    assert_true(moved.now_ns >= start_ns + 10 * MS);
}

static void reset_counts_from_the_next_tick_and_never_from_a_time_before_the_call(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    iocp_op_t op = timer__add(loop, 100 * S, &record);
    assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
    contract_pass_time(loop, 50 * MS);
    assert_int_equal(iocp_timer_reset(loop, op, 40 * MS), IOCP_OK);
    assert_int_equal(iocp_op_state(loop, op), IOCP_OP_ADDING);
    contract_pass_time(loop, 50 * MS);
    uint64_t start_ns = timer__now(loop);
    assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
    assert_int_equal(record.calls, 0);
    assert_int_equal(iocp_op_state(loop, op), IOCP_OP_ACTIVE);
    contract_wait(loop, &record, 1);
    assert_true(record.now_ns >= start_ns + 40 * MS);
}

/* Both are due in one turn, and the first to fire resets the other, which is then queued. */
static void a_timer_that_is_reset_as_it_comes_due_keeps_the_new_time(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    test_postponer first = {.delay_ns = 30 * MS};
    contract_record second = {0};
    assert_int_equal(iocp_timer(loop, MS, postponer__reset, &first, NULL), IOCP_OK);
    first.op = timer__add(loop, MS, &second);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    contract_pass_time(loop, 2 * MS);
    assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
    assert_int_equal(first.status, IOCP_OK);
    assert_int_equal(second.calls, 0);
    contract_wait(loop, &second, 1);
    assert_true(second.now_ns >= first.now_ns + 30 * MS);
}

static void a_timer_that_is_reset_over_and_over_fires_once(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_record other = {0};
    iocp_op_t op = timer__add(loop, 1000 * S, &record);
    assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
    for (uint64_t i = 0; i < 10000; i++) {
        assert_int_equal(iocp_timer_reset(loop, op, (1 + i * 7919 % 1000) * S), IOCP_OK);
        if (i % 2 == 0) {
            assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
        }
    }
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    assert_int_equal(contract_stats(loop).timers, 1);
    (void)timer__add(loop, 3 * MS, &other);
    assert_int_equal(iocp_timer_reset(loop, op, 1 * MS), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(record.calls, 1);
    assert_int_equal(other.calls, 1);
}

static void reset_of_a_timer_that_has_fired_says_so(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    iocp_op_t op = timer__add(loop, 1 * MS, &record);
    contract_wait(loop, &record, 1);
    assert_int_equal(iocp_timer_reset(loop, op, 1 * MS), IOCP_ENOENT);
    contract_idle(loop);
    assert_int_equal(record.calls, 1);
    (void)timer__add(loop, 1 * MS, &record);
    contract_wait(loop, &record, 2);
}

typedef struct test_resetter {
    contract_record record;
    uint64_t delay_ns;
    int status;
    iocp_action_t answer;
    uint64_t end_ns;
} test_resetter;

static iocp_action_t IOCP_CALL resetter__reset_itself(iocp_loop_t *loop,
                                                      const iocp_result_t *result, void *userdata)
{
    test_resetter *resetter = userdata;
    (void)contract_keep(loop, result, &resetter->record);
    if (resetter->record.calls > 1) {
        return IOCP_DISARM;
    }
    resetter->status = iocp_timer_reset(loop, result->op, resetter->delay_ns);
    contract_pass_time(loop, 20 * MS);
    resetter->end_ns = timer__now(loop);
    return resetter->answer;
}

static void reset_in_its_own_callback_and_rearm_starts_it_anew(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    test_resetter resetter = {.delay_ns = 30 * MS, .answer = IOCP_REARM};
    assert_int_equal(iocp_timer(loop, 1 * MS, resetter__reset_itself, &resetter, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(resetter.status, IOCP_OK);
    assert_int_equal(resetter.record.calls, 2);
    assert_true(resetter.record.now_ns >= resetter.end_ns + 30 * MS);
}

static void reset_in_its_own_callback_does_not_start_it_without_rearm(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    test_resetter resetter = {.delay_ns = 1 * MS, .answer = IOCP_DISARM};
    assert_int_equal(iocp_timer(loop, 1 * MS, resetter__reset_itself, &resetter, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    contract_idle(loop);
    assert_int_equal(resetter.record.calls, 1);
    assert_int_equal(iocp_loop_active(loop), 0);
}

static void reset_of_a_cancelled_timer_comes_too_late(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_record cancel = {0};
    iocp_op_t op = timer__add(loop, 100 * S, &record);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    assert_int_equal(iocp_cancel(loop, op, contract_keep, &cancel, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    assert_int_equal(record.calls, 0);
    assert_int_equal(iocp_timer_reset(loop, op, 1 * MS), IOCP_EBUSY);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(record.calls, 1);
    assert_int_equal(record.status, IOCP_ECANCELED);
    assert_int_equal(cancel.status, IOCP_OK);
}

static void only_timers_can_be_reset(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    iocp_op_t op = {0};
    assert_int_equal(iocp_nop(loop, contract_keep, &record, &op), IOCP_OK);
    assert_int_equal(iocp_timer_reset(loop, op, 1 * MS), IOCP_EINVAL);
    assert_int_equal(iocp_timer_reset(loop, (iocp_op_t){0}, 1 * MS), IOCP_ENOENT);
}

/* ---- Repetition ---- */

typedef struct test_ticker {
    contract_record record;
    uint64_t start_ns;
    uint64_t period_ns;
    int wanted;
    int slow_call;   /* the how many-th call takes long */
    uint64_t last;   /* the period that the last call fell into */
    int bad_periods; /* calls that came early or twice in one period */
} test_ticker;

static iocp_action_t IOCP_CALL ticker__tick(iocp_loop_t *loop, const iocp_result_t *result,
                                            void *userdata)
{
    test_ticker *ticker = userdata;
    (void)contract_keep(loop, result, &ticker->record);
    uint64_t period = (ticker->record.now_ns - ticker->start_ns) / ticker->period_ns;
    ticker->bad_periods += period <= ticker->last;
    ticker->last = period;
    if (ticker->record.calls == ticker->slow_call) {
        contract_pass_time(loop, 7 * ticker->period_ns / 2);
    }
    return ticker->record.calls < ticker->wanted ? IOCP_REARM : IOCP_DISARM;
}

static void ticker__run(iocp_loop_t *loop, test_ticker *ticker)
{
    iocp_op_t op = {0};
    assert_int_equal(iocp_timer(loop, ticker->period_ns, ticker__tick, ticker, &op), IOCP_OK);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    /* The first due time tells when it was started. */
    assert_int_equal(iocp_loop_next_deadline(loop, &ticker->start_ns), IOCP_OK);
    ticker->start_ns -= ticker->period_ns;
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(ticker->record.calls, ticker->wanted);
    assert_int_equal(ticker->bad_periods, 0);
}

static void a_repeating_timer_does_not_drift(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    test_ticker ticker = {.period_ns = 10 * MS, .wanted = 10};
    ticker__run(loop, &ticker);
    if (contract_clock_is_virtual()) {
        assert_true(ticker.record.now_ns == ticker.start_ns + 10 * ticker.period_ns);
    }
}

static void a_repeating_timer_that_fell_behind_skips_and_does_not_burst(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    test_ticker ticker = {.period_ns = 10 * MS, .wanted = 5, .slow_call = 2};
    ticker__run(loop, &ticker);
    if (contract_clock_is_virtual()) {
        /* Due at 10, 20, and then not at 30, 40 and 50, but at 60, 70 and 80. */
        assert_true(ticker.record.now_ns == ticker.start_ns + 8 * ticker.period_ns);
    }
}

static void a_loop_that_was_not_run_for_long_does_not_make_a_timer_burst(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {.rearms = 100};
    iocp_op_t op = timer__add(loop, 2 * MS, &record);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    contract_pass_time(loop, 101 * MS);
    assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
    assert_int_equal(record.calls, 1);
    if (contract_clock_is_virtual()) {
        assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
        assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
        assert_int_equal(record.calls, 1);
    }
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    record.rearms = 0;
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
}

/* ---- Cancel ---- */

static void a_cancelled_timer_calls_back_as_cancelled(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_record cancel = {0};
    iocp_op_t op = timer__add(loop, 100 * S, &record);
    assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
    assert_int_equal(iocp_cancel(loop, op, contract_keep, &cancel, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(record.calls, 1);
    assert_int_equal(record.status, IOCP_ECANCELED);
    assert_int_equal(record.result.native_error, 0);
    assert_int_equal(cancel.calls, 1);
    assert_int_equal(cancel.status, IOCP_OK);
    assert_int_equal(cancel.result.type, IOCP_TYPE_CANCEL);
    assert_int_equal(iocp_loop_active(loop), 0);
}

static void a_cancelled_queued_timer_never_starts(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    iocp_op_t op = timer__add(loop, 0, &record);
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(record.calls, 1);
    assert_int_equal(record.status, IOCP_ECANCELED);
}

/* Also from behind the time at which it was due. */
static void a_cancelled_timer_that_rearms_runs_its_full_delay(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static const uint64_t cancelled_after_ns[] = {0, 15 * MS};
    for (size_t i = 0; i < sizeof cancelled_after_ns / sizeof cancelled_after_ns[0]; i++) {
        contract_record record = {.rearms = 1};
        iocp_op_t op = timer__add(loop, 10 * MS, &record);
        assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
        contract_pass_time(loop, cancelled_after_ns[i]);
        assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
        contract_wait(loop, &record, 1);
        assert_int_equal(record.status, IOCP_ECANCELED);
        assert_int_equal(iocp_loop_active(loop), 1);
        uint64_t start_ns = record.now_ns;
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
        assert_int_equal(record.calls, 2);
        assert_int_equal(record.status, IOCP_OK);
        assert_true(record.now_ns >= start_ns + 10 * MS);
        assert_true(!contract_clock_is_virtual() || record.now_ns == start_ns + 10 * MS);
        assert_int_equal(iocp_loop_active(loop), 0);
    }
}

typedef struct test_neighbour {
    contract_record record;
    contract_record cancel;
    iocp_op_t other;
} test_neighbour;

static iocp_action_t IOCP_CALL neighbour__cancel_other(iocp_loop_t *loop,
                                                       const iocp_result_t *result, void *userdata)
{
    test_neighbour *neighbour = userdata;
    (void)iocp_cancel(loop, neighbour->other, contract_keep, &neighbour->cancel, NULL);
    return contract_keep(loop, result, &neighbour->record);
}

static void two_timers_that_cancel_each_other_end_once_each(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static const uint64_t delays_ns[][2] = {{2 * MS, 2 * MS}, {2 * MS, 1000 * S}};
    for (int i = 0; i < 2; i++) {
        test_neighbour a = {.other = {0}};
        test_neighbour b = {.other = {0}};
        assert_int_equal(iocp_timer(loop, delays_ns[i][0], neighbour__cancel_other, &a, &b.other),
                         IOCP_OK);
        assert_int_equal(iocp_timer(loop, delays_ns[i][1], neighbour__cancel_other, &b, &a.other),
                         IOCP_OK);
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
        assert_int_equal(a.record.calls, 1);
        assert_int_equal(b.record.calls, 1);
        assert_int_equal(a.cancel.calls, 1);
        assert_int_equal(b.cancel.calls, 1);
        assert_int_equal(a.record.status, IOCP_OK);
        assert_int_equal(b.cancel.status, IOCP_ENOENT);
        assert_int_equal(iocp_loop_active(loop), 0);
    }
}

/* ---- Deadlines of timers ---- */

/* ---- Timers for good ---- */

static void a_timer_without_an_end_does_not_keep_the_loop_running(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_record nop = {0};
    iocp_op_t op = timer__add(loop, UINT64_MAX, &record);
    assert_int_equal(iocp_loop_active(loop), 0);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(iocp_op_state(loop, op), IOCP_OP_ACTIVE);
    assert_int_equal(iocp_loop_active(loop), 0);
    assert_int_equal(iocp_nop(loop, contract_keep, &nop, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(nop.calls, 1);
    assert_int_equal(record.calls, 0);

    /* Its end keeps it running. */
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(record.calls, 1);
    assert_int_equal(record.status, IOCP_ECANCELED);
    assert_int_equal(iocp_loop_active(loop), 0);
}

static void a_timer_without_an_end_counts_once_its_callback_is_due(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    iocp_op_t op = timer__add(loop, UINT64_MAX, &record);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    assert_int_equal(iocp_loop_active(loop), 0);
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    assert_int_equal(iocp_loop_active(loop), 1);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(record.calls, 1);
    assert_int_equal(record.status, IOCP_ECANCELED);
}

static void a_timer_without_an_end_counts_while_it_has_one(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    iocp_op_t op = timer__add(loop, UINT64_MAX, &record);
    assert_int_equal(iocp_timer_reset(loop, op, 1000 * S), IOCP_OK); /* it is queued still */
    assert_int_equal(iocp_loop_active(loop), 1);
    assert_int_equal(iocp_timer_reset(loop, op, UINT64_MAX), IOCP_OK);
    assert_int_equal(iocp_loop_active(loop), 0);
    assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
    assert_int_equal(iocp_loop_active(loop), 0);
    assert_int_equal(iocp_timer_reset(loop, op, 1000 * S), IOCP_OK);
    assert_int_equal(iocp_loop_active(loop), 1);
    assert_int_equal(iocp_timer_reset(loop, op, UINT64_MAX), IOCP_OK);
    assert_int_equal(iocp_loop_active(loop), 0);
    assert_int_equal(iocp_timer_reset(loop, op, 2 * MS), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(record.calls, 1);
    assert_int_equal(record.status, IOCP_OK);
}

static void references_of_a_timer_without_an_end_are_kept(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    iocp_op_t op = timer__add(loop, UINT64_MAX, &record);
    assert_int_equal(iocp_op_unref(loop, op), IOCP_OK);
    assert_int_equal(iocp_timer_reset(loop, op, 1000 * S), IOCP_OK);
    assert_int_equal(iocp_loop_active(loop), 0);
    assert_int_equal(iocp_op_ref(loop, op), IOCP_OK);
    assert_int_equal(iocp_loop_active(loop), 1);
    assert_int_equal(iocp_timer_reset(loop, op, UINT64_MAX), IOCP_OK);
    assert_int_equal(iocp_loop_active(loop), 0);
    assert_int_equal(iocp_op_ref(loop, op), IOCP_OK);
    assert_int_equal(iocp_loop_active(loop), 0);
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(record.calls, 1);
}

static iocp_action_t IOCP_CALL timer__set_for_good(iocp_loop_t *loop, const iocp_result_t *result,
                                                   void *record)
{
    if (result->status == IOCP_OK) {
        assert_int_equal(iocp_timer_reset(loop, result->op, UINT64_MAX), IOCP_OK);
    }
    return contract_keep(loop, result, record);
}

/* One timer for good, which the program sets when it needs it. */
static void a_timer_that_fired_can_wait_for_its_next_use(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {.rearms = 3};
    iocp_op_t op = {0};
    assert_int_equal(iocp_timer(loop, UINT64_MAX, timer__set_for_good, &record, &op), IOCP_OK);
    for (int calls = 1; calls <= 3; calls++) {
        assert_int_equal(iocp_timer_reset(loop, op, MS), IOCP_OK);
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
        assert_int_equal(record.calls, calls);
        assert_int_equal(record.status, IOCP_OK);
        assert_int_equal(iocp_loop_active(loop), 0);
    }
    contract_idle(loop);
    assert_int_equal(record.calls, 3);
}

static void a_timer_ends_at_its_deadline_if_that_is_earlier(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record late = {0};
    contract_record soon = {0};
    iocp_op_t late_op = timer__add(loop, 100 * S, &late);
    iocp_op_t soon_op = timer__add(loop, 2 * MS, &soon);
    uint64_t start_ns = timer__now(loop);
    assert_int_equal(iocp_op_deadline(loop, late_op, 5 * MS), IOCP_OK);
    assert_int_equal(iocp_op_deadline(loop, soon_op, 100 * S), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(late.calls, 1);
    assert_int_equal(late.status, IOCP_ETIMEDOUT);
    assert_true(late.now_ns >= start_ns + 5 * MS);
    assert_int_equal(soon.calls, 1);
    assert_int_equal(soon.status, IOCP_OK);
    assert_int_equal(contract_stats(loop).timers, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TEST(a_timer_fires_once_and_not_early),
        CONTRACT_TEST(the_time_that_a_callback_takes_is_not_slept_again),
        CONTRACT_TEST(timers_of_less_than_a_millisecond_are_not_early_either),
        CONTRACT_TEST(timers_fire_in_order_of_time),
        CONTRACT_TEST(timers_that_are_due_together_fire_in_order_of_time),
        CONTRACT_TEST(equal_times_fire_in_order_of_adding),
        CONTRACT_TEST(ten_thousand_timers_fire_sorted),
        CONTRACT_TEST(a_delay_does_not_count_from_the_last_turn),
        CONTRACT_TEST(a_delay_does_not_count_from_the_begin_of_a_slow_callback),
        CONTRACT_TEST(a_timer_with_no_delay_fires_in_its_first_turn),
        CONTRACT_TEST(a_rearmed_timer_with_no_delay_fires_once_in_each_turn),
        CONTRACT_TEST(the_longest_delays_do_not_wrap_around),
        CONTRACT_TEST(reset_of_a_queued_timer_changes_it_in_place),
        CONTRACT_TEST(reset_of_an_active_timer_to_earlier_gives_one_callback),
        CONTRACT_TEST(reset_of_an_active_timer_to_later_gives_one_callback),
        CONTRACT_TEST(reset_counts_from_the_next_tick_and_never_from_a_time_before_the_call),
        CONTRACT_TEST(a_timer_that_is_reset_as_it_comes_due_keeps_the_new_time),
        CONTRACT_TEST(a_timer_that_is_reset_over_and_over_fires_once),
        CONTRACT_TEST(reset_of_a_timer_that_has_fired_says_so),
        CONTRACT_TEST(reset_in_its_own_callback_and_rearm_starts_it_anew),
        CONTRACT_TEST(reset_in_its_own_callback_does_not_start_it_without_rearm),
        CONTRACT_TEST(reset_of_a_cancelled_timer_comes_too_late),
        CONTRACT_TEST(only_timers_can_be_reset),
        CONTRACT_TEST(a_repeating_timer_does_not_drift),
        CONTRACT_TEST(a_repeating_timer_that_fell_behind_skips_and_does_not_burst),
        CONTRACT_TEST(a_loop_that_was_not_run_for_long_does_not_make_a_timer_burst),
        CONTRACT_TEST(a_cancelled_timer_calls_back_as_cancelled),
        CONTRACT_TEST(a_cancelled_queued_timer_never_starts),
        CONTRACT_TEST(a_cancelled_timer_that_rearms_runs_its_full_delay),
        CONTRACT_TEST(two_timers_that_cancel_each_other_end_once_each),
        CONTRACT_TEST(a_timer_without_an_end_does_not_keep_the_loop_running),
        CONTRACT_TEST(a_timer_without_an_end_counts_once_its_callback_is_due),
        CONTRACT_TEST(a_timer_without_an_end_counts_while_it_has_one),
        CONTRACT_TEST(references_of_a_timer_without_an_end_are_kept),
        CONTRACT_TEST(a_timer_that_fired_can_wait_for_its_next_use),
        CONTRACT_TEST(a_timer_ends_at_its_deadline_if_that_is_earlier),
    };
    return CONTRACT_RUN_WITHOUT_SOCKETS(tests);
}
