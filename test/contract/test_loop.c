/* The loop: its time, how it runs and stops, how it ends, what it tells of itself. */
#include "contract_env.h"

#include <string.h>

/* ---- Time ---- */

static void the_time_is_not_zero_and_advances(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    uint64_t first_ns = iocp_loop_now(loop);
    assert_true(first_ns > 0);
    contract_pass_time(loop, 1 * MS);
    iocp_loop_update_now(loop);
    assert_true(iocp_loop_now(loop) >= first_ns + 1 * MS);
}

static void the_time_stands_still_until_it_is_read_again(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_loop_update_now(loop);
    uint64_t now_ns = iocp_loop_now(loop);
    contract_pass_time(loop, 1 * MS);
    assert_true(iocp_loop_now(loop) == now_ns);
}

static void the_time_advances_over_turns_that_do_not_wait(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    uint64_t last_ns = iocp_loop_now(loop);
    for (int i = 0; i < 3; i++) {
        contract_pass_time(loop, 1 * MS);
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
        uint64_t now_ns = iocp_loop_now(loop);
        assert_true(now_ns > last_ns);
        last_ns = now_ns;
    }
}

/* ---- Running ---- */

static void running_an_empty_loop_returns_at_once(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_ONCE), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
    assert_int_equal(iocp_loop_tick(loop, 5), IOCP_OK);
    assert_int_equal(contract_stats(loop).sleeps, 0);
}

static void a_nop_calls_back_once_and_not_inside_its_own_call(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    iocp_op_t op = {0};
    assert_int_equal(iocp_nop(loop, contract_keep, &record, &op), IOCP_OK);
    assert_true(op.id != 0);
    assert_int_equal(record.calls, 0);
    assert_int_equal(iocp_op_state(loop, op), IOCP_OP_ADDING);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_ONCE), IOCP_OK);
    assert_int_equal(record.calls, 1);
    assert_int_equal(record.status, IOCP_OK);
    assert_int_equal(record.result.type, IOCP_TYPE_NOP);
    assert_true(record.result.op.id == op.id);
    assert_true(record.result.handle.id == 0);
    assert_int_equal(iocp_op_state(loop, op), IOCP_OP_DEAD);
    contract_idle(loop);
    assert_int_equal(record.calls, 1);
}

static void run_until_done_runs_everything(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record nop = {.rearms = 3};
    contract_record timer = {0};
    assert_int_equal(iocp_nop(loop, contract_keep, &nop, NULL), IOCP_OK);
    assert_int_equal(iocp_timer(loop, 2 * MS, contract_keep, &timer, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(nop.calls, 4);
    assert_int_equal(timer.calls, 1);
    assert_int_equal(iocp_loop_active(loop), 0);
}

static void IOCP_CALL post__count(iocp_loop_t *loop, void *arg)
{
    (void)loop;
    ++*(int *)arg;
}

static void run_once_sleeps_until_there_is_a_callback(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record first = {0};
    contract_record second = {0};
    assert_int_equal(iocp_timer(loop, 3 * MS, contract_keep, &first, NULL), IOCP_OK);
    assert_int_equal(iocp_timer(loop, 1000 * S, contract_keep, &second, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_ONCE), IOCP_OK);
    assert_int_equal(first.calls, 1);
    assert_int_equal(second.calls, 0);
}

static void run_once_ends_with_a_posted_function(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record timer = {0};
    int posts = 0;
    assert_int_equal(iocp_timer(loop, 5 * S, contract_keep, &timer, NULL), IOCP_OK);
    assert_int_equal(iocp_post(loop, post__count, &posts), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_ONCE), IOCP_OK);
    assert_int_equal(posts, 1);
    assert_int_equal(timer.calls, 0);
}

static void run_no_wait_does_not_wait_for_a_timer(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    assert_int_equal(iocp_timer(loop, 1000 * S, contract_keep, &record, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
    assert_int_equal(record.calls, 0);
    assert_int_equal(contract_stats(loop).sleeps, 0);
}

/* A loop that only starts things would never hear of their end. */
static void run_no_wait_asks_the_port(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pair pair = contract_connect(loop, AF_INET);
    contract_record received = {0};
    char data[8];
    assert_int_equal(
        iocp_recv(loop, pair.server, data, sizeof data, contract_keep, &received, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(received.calls, 0);
    contract_send_all(loop, pair.client, "x", 1);
    for (int i = 0; i < 1000 && received.calls == 0; i++) {
        contract_pass_time(loop, 1 * MS);
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    }
    assert_int_equal(received.calls, 1);
    assert_int_equal(received.result.bytes, 1);
    contract_close_pair(loop, pair);
}

static void a_tick_waits_for_as_many_callbacks_as_it_is_asked_to(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[5] = {{0}};
    for (int i = 0; i < 5; i++) {
        uint64_t delay_ns = i < 3 ? (uint64_t)(i + 1) * MS : 1000 * S;
        assert_int_equal(iocp_timer(loop, delay_ns, contract_keep, &records[i], NULL), IOCP_OK);
    }
    assert_int_equal(iocp_loop_tick(loop, 3), IOCP_OK);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(records[i].calls, i < 3);
    }
}

static void a_tick_ends_when_nothing_is_left_to_wait_for(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    assert_int_equal(iocp_nop(loop, contract_keep, &record, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_tick(loop, 10), IOCP_OK);
    assert_int_equal(record.calls, 1);
}

static void a_turn_with_nothing_in_the_kernel_does_not_ask_the_port(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {.rearms = 99};
    contract_record timer = {0};
    assert_int_equal(iocp_nop(loop, contract_keep, &record, NULL), IOCP_OK);
    assert_int_equal(iocp_timer(loop, 1000 * S, contract_keep, &timer, NULL), IOCP_OK);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
    }
    assert_int_equal(record.calls, 100);
    assert_int_equal(contract_stats(loop).dequeues, 0);
}

static void submit_starts_what_is_queued_and_calls_nobody(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record nop = {0};
    contract_record timer = {0};
    iocp_op_t ops[2] = {{0}, {0}};
    assert_int_equal(iocp_nop(loop, contract_keep, &nop, &ops[0]), IOCP_OK);
    assert_int_equal(iocp_timer(loop, 0, contract_keep, &timer, &ops[1]), IOCP_OK);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    assert_int_equal(nop.calls + timer.calls, 0);
    assert_int_equal(iocp_op_state(loop, ops[0]), IOCP_OP_ACTIVE);
    assert_int_equal(iocp_op_state(loop, ops[1]), IOCP_OP_ACTIVE);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(nop.calls, 1);
    assert_int_equal(timer.calls, 1);
}

static void a_rearmed_operation_runs_once_a_turn_under_the_same_id(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {.rearms = 3};
    iocp_op_t op = {0};
    assert_int_equal(iocp_nop(loop, contract_keep, &record, &op), IOCP_OK);
    for (int i = 1; i <= 4; i++) {
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
        assert_int_equal(record.calls, i);
        assert_true(record.result.op.id == op.id);
        assert_int_equal(iocp_op_state(loop, op), i < 4 ? IOCP_OP_ADDING : IOCP_OP_DEAD);
    }
    assert_int_equal(iocp_loop_active(loop), 0);
}

static void ids_of_operations_are_never_used_again(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    enum {
        COUNT = 1000
    };
    static iocp_op_t ops[COUNT];
    contract_record record = {0};
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(iocp_nop(loop, contract_keep, &record, &ops[i]), IOCP_OK);
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_ONCE), IOCP_OK);
    }
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(iocp_op_state(loop, ops[i]), IOCP_OP_DEAD);
        assert_true(i == 0 || ops[i].id != ops[i - 1].id);
        assert_true(ops[i].id != ops[0].id || i == 0);
    }
}

/* ---- Bounded turns ---- */

static iocp_loop_t *loop__with_batch(uint32_t batch)
{
    iocp_loop_options_t options = contract_options();
    iocp_loop_t *loop = NULL;
    options.batch = batch;
    assert_int_equal(iocp_loop_create(&options, &loop), IOCP_OK);
    return loop;
}

static void a_turn_delivers_at_most_one_batch(void **state)
{
    (void)state;
    iocp_loop_t *loop = loop__with_batch(4);
    contract_record nops = {0};
    contract_record timers = {0};
    int posts = 0;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(iocp_nop(loop, contract_keep, &nops, NULL), IOCP_OK);
        assert_int_equal(iocp_timer(loop, 0, contract_keep, &timers, NULL), IOCP_OK);
        assert_int_equal(iocp_post(loop, post__count, &posts), IOCP_OK);
    }
    assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
    assert_in_range(nops.calls, 1, 8);
    assert_in_range(timers.calls, 1, 4);
    assert_in_range(posts, 1, 4);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(nops.calls, 10);
    assert_int_equal(timers.calls, 10);
    assert_int_equal(posts, 10);
    contract_loop_destroy(loop);
}

typedef struct test_chain {
    contract_record record;
    int left;
} test_chain;

/* Each link is ready when its predecessor's callback returns. */
static iocp_action_t IOCP_CALL chain__add(iocp_loop_t *loop, const iocp_result_t *result,
                                          void *userdata)
{
    test_chain *chain = userdata;
    if (--chain->left > 0) {
        assert_int_equal(iocp_nop(loop, chain__add, chain, NULL), IOCP_OK);
        assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    }
    return contract_keep(loop, result, &chain->record);
}

/* A turn looks at what is ready twice: before the port and behind it. */
static void what_becomes_ready_while_ready_work_is_delivered_waits_for_the_next_step(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    test_chain chain = {.left = 10};
    contract_record behind = {0};
    assert_int_equal(iocp_nop(loop, chain__add, &chain, NULL), IOCP_OK);
    assert_int_equal(iocp_nop(loop, contract_keep, &behind, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
    assert_int_equal(behind.calls, 1);
    assert_in_range(chain.record.calls, 1, 2);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(chain.record.calls, 10);
}

/* Userdata of callbacks that must not go on for ever, should a test fail. */
typedef struct test_flood {
    contract_record *until; /* ends when this has been called */
    uint64_t calls;
    uint64_t limit;
    uint64_t call_ns; /* what each takes on a virtual clock, which does not move by itself */
} test_flood;

static bool flood__goes_on(iocp_loop_t *loop, test_flood *flood)
{
    if (contract_clock_is_virtual()) {
        contract_pass_time(loop, flood->call_ns);
    }
    flood->calls++;
    return flood->until->calls == 0 && flood->calls < flood->limit;
}

static iocp_action_t IOCP_CALL flood__again(iocp_loop_t *loop, const iocp_result_t *result,
                                            void *userdata)
{
    (void)result;
    return flood__goes_on(loop, userdata) ? IOCP_REARM : IOCP_DISARM;
}

static void a_flood_of_ready_work_does_not_starve_timers(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record timer = {0};
    test_flood nops = {.until = &timer, .limit = 100000000};
    assert_int_equal(iocp_timer(loop, 0, contract_keep, &timer, NULL), IOCP_OK);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(iocp_nop(loop, flood__again, &nops, NULL), IOCP_OK);
    }
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(timer.calls, 1);
    assert_true(nops.calls < 100 * 1000);
}

static void IOCP_CALL flood__post_again(iocp_loop_t *loop, void *arg)
{
    if (flood__goes_on(loop, arg)) {
        (void)iocp_post(loop, flood__post_again, arg);
    }
}

/* Of nops that rearm, or of posts that post themselves again. */
static void assert_port_is_asked(iocp_loop_t *loop, bool of_posts)
{
    contract_pair pair = contract_connect(loop, AF_INET);
    contract_record received = {0};
    contract_record sent = {0};
    test_flood flood = {.until = &received, .limit = 20000000, .call_ns = 1000};
    char data[8];
    assert_int_equal(
        iocp_recv(loop, pair.server, data, sizeof data, contract_keep, &received, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(iocp_send(loop, pair.client, "x", 1, contract_keep, &sent, NULL), IOCP_OK);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(of_posts ? iocp_post(loop, flood__post_again, &flood)
                                  : iocp_nop(loop, flood__again, &flood, NULL),
                         IOCP_OK);
    }
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(received.calls, 1);
    assert_true(flood.calls < flood.limit);
    contract_close_pair(loop, pair);
}

static void a_flood_of_ready_work_does_not_starve_the_port(void **state)
{
    assert_port_is_asked(contract_loop(state), false);
}

static void a_flood_of_posts_does_not_starve_the_port(void **state)
{
    assert_port_is_asked(contract_loop(state), true);
}

/* Asking it costs more than most callbacks. */
static void while_callbacks_bring_work_the_port_is_asked_once_a_batch(void **state)
{
    (void)state;
    iocp_loop_t *loop = loop__with_batch(100);
    contract_pair pair = contract_connect(loop, AF_INET);
    contract_record received = {0};
    contract_record nop = {.rearms = 999};
    char data[8];
    assert_int_equal(
        iocp_recv(loop, pair.server, data, sizeof data, contract_keep, &received, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(iocp_nop(loop, contract_keep, &nop, NULL), IOCP_OK);
    uint64_t dequeues = contract_stats(loop).dequeues;
    assert_int_equal(iocp_loop_tick(loop, 1000), IOCP_OK);
    assert_int_equal(nop.calls, 1000);
    assert_in_range(contract_stats(loop).dequeues - dequeues, 9, 11);
    contract_loop_destroy(loop);
}

static void a_flood_of_timers_does_not_starve_ready_work(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record nop = {0};
    test_flood timers = {.until = &nop, .limit = 100000000};
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(iocp_timer(loop, 0, flood__again, &timers, NULL), IOCP_OK);
    }
    assert_int_equal(iocp_nop(loop, contract_keep, &nop, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(nop.calls, 1);
    assert_true(timers.calls < 100 * 1000);
}

static void a_post_that_posts_itself_does_not_starve_timers(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record timer = {0};
    test_flood posts = {.until = &timer, .limit = 100000000};
    assert_int_equal(iocp_post(loop, flood__post_again, &posts), IOCP_OK);
    assert_int_equal(iocp_timer(loop, 0, contract_keep, &timer, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(timer.calls, 1);
}

/* ---- Stopping ---- */

static void IOCP_CALL stopping__post(iocp_loop_t *loop, void *arg)
{
    int *left = arg;
    if (--*left > 0) {
        assert_int_equal(iocp_post(loop, stopping__post, left), IOCP_OK);
    } else {
        assert_int_equal(iocp_loop_stop(loop), IOCP_OK);
    }
}

/* Posts keep nothing running, and no operation is left after the first turn. */
static void run_until_stopped_goes_on_when_nothing_is_pending(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record nop = {0};
    int left = 100;
    assert_int_equal(iocp_nop(loop, contract_keep, &nop, NULL), IOCP_OK);
    assert_int_equal(iocp_post(loop, stopping__post, &left), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_STOPPED), IOCP_OK);
    assert_int_equal(left, 0);
    assert_int_equal(nop.calls, 1);
    assert_int_equal(iocp_loop_active(loop), 0);

    /* It stays stopped. */
    left = 1;
    assert_int_equal(iocp_post(loop, stopping__post, &left), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_STOPPED), IOCP_OK);
    assert_int_equal(left, 1);
    assert_int_equal(iocp_loop_resume(loop), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_STOPPED), IOCP_OK);
    assert_int_equal(left, 0);
    assert_int_equal(iocp_loop_resume(loop), IOCP_OK);
}

static iocp_action_t IOCP_CALL stopping__count(iocp_loop_t *loop, const iocp_result_t *result,
                                               void *userdata)
{
    int *left = userdata;
    if (result->status != IOCP_OK) {
        return IOCP_DISARM;
    }
    if (--*left == 0) {
        (void)iocp_loop_stop(loop);
    }
    return IOCP_REARM;
}

/* Nor does an operation that is not referenced end it. */
static void run_until_stopped_waits_for_operations_that_keep_nothing_running(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_op_t op = {0};
    int left = 5;
    assert_int_equal(iocp_timer(loop, MS, stopping__count, &left, &op), IOCP_OK);
    assert_int_equal(iocp_op_unref(loop, op), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_STOPPED), IOCP_OK);
    assert_int_equal(left, 0);
    assert_int_equal(iocp_loop_resume(loop), IOCP_OK);
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(iocp_op_state(loop, op), IOCP_OP_DEAD);
}

static void a_stopped_loop_runs_nothing_until_it_is_resumed(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record timer = {0};
    contract_record nop = {0};
    assert_int_equal(iocp_timer(loop, 0, contract_keep, &timer, NULL), IOCP_OK);
    assert_int_equal(iocp_nop(loop, contract_keep, &nop, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_stopped(loop), 0);
    assert_int_equal(iocp_loop_stop(loop), IOCP_OK);
    assert_int_equal(iocp_loop_stopped(loop), 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_ONCE), IOCP_OK);
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
        assert_int_equal(iocp_loop_tick(loop, 1), IOCP_OK);
        assert_int_equal(iocp_loop_stopped(loop), 1);
    }
    assert_int_equal(timer.calls + nop.calls, 0);
    assert_int_equal(iocp_loop_resume(loop), IOCP_OK);
    assert_int_equal(iocp_loop_stopped(loop), 0);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(timer.calls, 1);
    assert_int_equal(nop.calls, 1);
}

static iocp_action_t IOCP_CALL stop_the_loop(iocp_loop_t *loop, const iocp_result_t *result,
                                             void *userdata)
{
    (void)iocp_loop_stop(loop);
    return contract_keep(loop, result, userdata);
}

static void stop_in_a_callback_keeps_back_the_rest_of_the_batch(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record stopper = {0};
    contract_record timer_stopper = {0};
    contract_record rest = {0};
    assert_int_equal(iocp_nop(loop, stop_the_loop, &stopper, NULL), IOCP_OK);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(iocp_nop(loop, contract_keep, &rest, NULL), IOCP_OK);
    }
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(stopper.calls, 1);
    assert_int_equal(rest.calls, 0);
    assert_int_equal(iocp_loop_active(loop), 5);

    assert_int_equal(iocp_timer(loop, 0, stop_the_loop, &timer_stopper, NULL), IOCP_OK);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(iocp_timer(loop, 0, contract_keep, &rest, NULL), IOCP_OK);
    }
    assert_int_equal(iocp_loop_resume(loop), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(timer_stopper.calls, 1);
    assert_int_equal(rest.calls, 0);

    assert_int_equal(iocp_loop_resume(loop), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(rest.calls, 10);
}

static void a_turn_that_is_stopped_does_not_ask_the_port(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pair pair = contract_connect(loop, AF_INET);
    contract_record received = {0};
    contract_record stopper = {0};
    char data[8];
    assert_int_equal(
        iocp_recv(loop, pair.server, data, sizeof data, contract_keep, &received, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(iocp_nop(loop, stop_the_loop, &stopper, NULL), IOCP_OK);
    uint64_t dequeues = contract_stats(loop).dequeues;
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(stopper.calls, 1);
    assert_int_equal(contract_stats(loop).dequeues, dequeues);
}

static void IOCP_CALL post__stop(iocp_loop_t *loop, void *arg)
{
    ++*(int *)arg;
    (void)iocp_loop_stop(loop);
}

static void stop_in_a_post_keeps_back_the_posts_behind_it(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    int stops = 0;
    int posts = 0;
    assert_int_equal(iocp_post(loop, post__stop, &stops), IOCP_OK);
    assert_int_equal(iocp_post(loop, post__count, &posts), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(stops, 1);
    assert_int_equal(posts, 0);
    assert_int_equal(iocp_loop_resume(loop), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(posts, 1);
}

/* ---- Calls that a callback may not make ---- */

typedef struct test_nested {
    contract_record record;
    int run;
    int run_once;
    int tick;
    int destroy;
} test_nested;

static void nested__try(iocp_loop_t *loop, test_nested *nested)
{
    nested->run = iocp_loop_run(loop, IOCP_RUN_NO_WAIT);
    nested->run_once = iocp_loop_run(loop, IOCP_RUN_ONCE);
    nested->tick = iocp_loop_tick(loop, 0);
    nested->destroy = iocp_loop_destroy(loop, 1 * S);
}

static iocp_action_t IOCP_CALL nested__in_callback(iocp_loop_t *loop, const iocp_result_t *result,
                                                   void *userdata)
{
    test_nested *nested = userdata;
    nested__try(loop, nested);
    return contract_keep(loop, result, &nested->record);
}

static void IOCP_CALL nested__in_post(iocp_loop_t *loop, void *arg)
{
    nested__try(loop, arg);
}

static void nested__assert_refused(const test_nested *nested)
{
    assert_int_equal(nested->run, IOCP_EBUSY);
    assert_int_equal(nested->run_once, IOCP_EBUSY);
    assert_int_equal(nested->tick, IOCP_EBUSY);
    assert_int_equal(nested->destroy, IOCP_EBUSY);
}

static void a_nested_run_and_destroy_are_refused_and_change_nothing(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    test_nested in_nop = {{0}, 0, 0, 0, 0};
    test_nested in_timer = {{0}, 0, 0, 0, 0};
    test_nested in_post = {{0}, 0, 0, 0, 0};
    contract_record after = {0};
    assert_int_equal(iocp_nop(loop, nested__in_callback, &in_nop, NULL), IOCP_OK);
    assert_int_equal(iocp_timer(loop, 0, nested__in_callback, &in_timer, NULL), IOCP_OK);
    assert_int_equal(iocp_post(loop, nested__in_post, &in_post), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    nested__assert_refused(&in_nop);
    nested__assert_refused(&in_timer);
    nested__assert_refused(&in_post);
    assert_int_equal(in_nop.record.calls, 1);
    assert_int_equal(iocp_nop(loop, contract_keep, &after, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(after.calls, 1);
}

static iocp_action_t IOCP_CALL run_another_loop(iocp_loop_t *loop, const iocp_result_t *result,
                                                void *userdata)
{
    (void)loop;
    (void)result;
    iocp_loop_t *other = *(iocp_loop_t **)userdata;
    *(iocp_loop_t **)userdata = iocp_loop_run(other, IOCP_RUN_UNTIL_DONE) == IOCP_OK ? NULL : other;
    return IOCP_DISARM;
}

static void a_callback_may_run_another_loop(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_loop_t *other = contract_loop_create();
    void *userdata = other;
    contract_record record = {0};
    assert_int_equal(iocp_nop(other, contract_keep, &record, NULL), IOCP_OK);
    assert_int_equal(iocp_nop(loop, run_another_loop, &userdata, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_null(userdata);
    assert_int_equal(record.calls, 1);
    contract_loop_destroy(other);
}

/* ---- The end ---- */

static void destroying_a_fresh_loop_leaves_nothing(void **state)
{
    contract_loop_destroy(contract_loop(state));
    contract_forget_loop(state);
}

typedef enum pending {
    PENDING_NOP,
    PENDING_TIMER,
    PENDING_QUEUED_TIMER,
    PENDING_ASYNC_WAIT,
    PENDING_ACCEPT,
    PENDING_RECV,
    PENDING_QUEUED_RECV,
    PENDING_UNREFERENCED,
    PENDING_COUNT
} pending;

static void destroy_ends_everything_that_is_pending_as_cancelled(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static contract_record records[PENDING_COUNT];
    iocp_async_t *async = NULL;
    iocp_op_t unreferenced = {0};
    char data[2][8];
    memset(records, 0, sizeof records);
    contract_pair pair = contract_connect(loop, AF_INET);
    assert_int_equal(iocp_async_create(loop, &async), IOCP_OK);
    assert_int_equal(iocp_timer(loop, 1000 * S, contract_keep, &records[PENDING_TIMER], NULL),
                     IOCP_OK);
    assert_int_equal(
        iocp_async_wait(loop, async, contract_keep, &records[PENDING_ASYNC_WAIT], NULL), IOCP_OK);
    assert_int_equal(
        iocp_accept(loop, pair.listener, contract_keep, &records[PENDING_ACCEPT], NULL), IOCP_OK);
    assert_int_equal(iocp_recv(loop, pair.client, data[0], sizeof data[0], contract_keep,
                               &records[PENDING_RECV], NULL),
                     IOCP_OK);
    assert_int_equal(
        iocp_timer(loop, 1000 * S, contract_keep, &records[PENDING_UNREFERENCED], &unreferenced),
        IOCP_OK);
    assert_int_equal(iocp_op_unref(loop, unreferenced), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(iocp_nop(loop, contract_keep, &records[PENDING_NOP], NULL), IOCP_OK);
    assert_int_equal(iocp_timer(loop, 0, contract_keep, &records[PENDING_QUEUED_TIMER], NULL),
                     IOCP_OK);
    assert_int_equal(iocp_recv(loop, pair.server, data[1], sizeof data[1], contract_keep,
                               &records[PENDING_QUEUED_RECV], NULL),
                     IOCP_OK);
    assert_int_equal(iocp_async_destroy(async), IOCP_OK);
    contract_loop_destroy(loop);
    contract_forget_loop(state);
    for (int i = 0; i < PENDING_COUNT; i++) {
        assert_int_equal(records[i].calls, 1);
        assert_int_equal(records[i].status, IOCP_ECANCELED);
    }
}

static void destroy_finishes_queued_cancels_and_closes(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static contract_record recv;
    static contract_record timer;
    static contract_record cancel;
    static contract_record close;
    iocp_op_t op = {0};
    char data[8];
    recv = timer = cancel = close = (contract_record){0};
    contract_pair pair = contract_connect(loop, AF_INET);
    assert_int_equal(iocp_recv(loop, pair.server, data, sizeof data, contract_keep, &recv, NULL),
                     IOCP_OK);
    assert_int_equal(iocp_timer(loop, 1000 * S, contract_keep, &timer, &op), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(iocp_cancel(loop, op, contract_keep, &cancel, NULL), IOCP_OK);
    assert_int_equal(iocp_close(loop, pair.server, contract_keep, &close, NULL), IOCP_OK);
    contract_loop_destroy(loop);
    contract_forget_loop(state);
    assert_int_equal(recv.calls, 1);
    assert_int_equal(recv.status, IOCP_ECANCELED);
    assert_int_equal(timer.calls, 1);
    assert_int_equal(timer.status, IOCP_ECANCELED);
    assert_int_equal(cancel.calls, 1);
    assert_int_equal(cancel.status, IOCP_OK);
    assert_int_equal(close.calls, 1);
    assert_int_equal(close.status, IOCP_OK);
    assert_true(close.order > recv.order);
}

static void destroy_with_no_time_at_all_can_be_repeated(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static contract_record records[50];
    contract_address address;
    memset(records, 0, sizeof records);
    iocp_handle_t listener = contract_listen(loop, AF_INET, &address);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(iocp_accept(loop, listener, contract_keep, &records[i], NULL), IOCP_OK);
    }
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    int status = IOCP_ETIMEDOUT;
    for (int i = 0; i < 100000 && status == IOCP_ETIMEDOUT; i++) {
        status = iocp_loop_destroy(loop, i < 10 ? 0 : 1 * MS);
    }
    assert_int_equal(status, IOCP_OK);
    contract_forget_loop(state);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(records[i].calls, 1);
        assert_int_equal(records[i].status, IOCP_ECANCELED);
    }
}

static void a_stopped_loop_can_be_destroyed(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static contract_record record;
    record = (contract_record){0};
    assert_int_equal(iocp_timer(loop, 1000 * S, contract_keep, &record, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_stop(loop), IOCP_OK);
    contract_loop_destroy(loop);
    contract_forget_loop(state);
    assert_int_equal(record.calls, 1);
    assert_int_equal(record.status, IOCP_ECANCELED);
}

typedef struct test_refused {
    contract_record record;
    iocp_handle_t handle;
    int nop;
    int timer;
    int recv;
    int close;
    int open;
    int cancel;
    int post;
    int nested_destroy;
} test_refused;

static iocp_action_t IOCP_CALL refused__try(iocp_loop_t *loop, const iocp_result_t *result,
                                            void *userdata)
{
    test_refused *refused = userdata;
    iocp_handle_t handle = {0};
    char data[1];
    int posts = 0;
    refused->nop = iocp_nop(loop, contract_keep, &refused->record, NULL);
    refused->timer = iocp_timer(loop, 0, contract_keep, &refused->record, NULL);
    refused->recv =
        iocp_recv(loop, refused->handle, data, 1, contract_keep, &refused->record, NULL);
    refused->close = iocp_close(loop, refused->handle, NULL, NULL, NULL);
    refused->open = iocp_socket_open(loop, AF_INET, SOCK_STREAM, 0, &handle);
    refused->cancel = iocp_cancel(loop, result->op, NULL, NULL, NULL);
    refused->post = iocp_post(loop, post__count, &posts);
    refused->nested_destroy = iocp_loop_destroy(loop, 0);
    (void)contract_keep(loop, result, &refused->record);
    return IOCP_REARM;
}

static void a_loop_that_is_being_destroyed_takes_no_new_work(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static test_refused refused;
    memset(&refused, 0, sizeof refused);
    refused.handle = contract_open(loop, AF_INET);
    assert_int_equal(iocp_timer(loop, 1000 * S, refused__try, &refused, NULL), IOCP_OK);
    contract_loop_destroy(loop);
    contract_forget_loop(state);
    assert_int_equal(refused.record.calls, 1);
    assert_int_equal(refused.nop, IOCP_ECLOSING);
    assert_int_equal(refused.timer, IOCP_ECLOSING);
    assert_int_equal(refused.recv, IOCP_ECLOSING);
    assert_int_equal(refused.close, IOCP_OK); /* what is closed is the sooner gone */
    assert_int_equal(refused.open, IOCP_ECLOSING);
    assert_int_equal(refused.cancel, IOCP_ECLOSING);
    assert_int_equal(refused.post, IOCP_ECLOSING);
    assert_int_equal(refused.nested_destroy, IOCP_EBUSY);
}

/* A connection that frees itself: what it has pending, and the close that comes last. */
typedef struct test_owner {
    iocp_handle_t handle;
    contract_record recvs[2];
    contract_record close;
    int close_statuses[3]; /* as iocp_close answered in the callbacks */
    void *data;            /* as found in the callback of the close */
} test_owner;

static iocp_action_t IOCP_CALL owner__on_close(iocp_loop_t *loop, const iocp_result_t *result,
                                               void *userdata)
{
    test_owner *owner = userdata;
    (void)iocp_handle_get_data(loop, result->handle, &owner->data);
    return contract_keep(loop, result, &owner->close);
}

static void owner__close(iocp_loop_t *loop, test_owner *owner)
{
    int call = owner->recvs[0].calls + owner->recvs[1].calls;
    if (call < 3) {
        owner->close_statuses[call] = iocp_close(loop, owner->handle, owner__on_close, owner, NULL);
    }
}

static iocp_action_t IOCP_CALL owner__on_recv_0(iocp_loop_t *loop, const iocp_result_t *result,
                                                void *userdata)
{
    test_owner *owner = userdata;
    owner__close(loop, owner);
    return contract_keep(loop, result, &owner->recvs[0]);
}

static iocp_action_t IOCP_CALL owner__on_recv_1(iocp_loop_t *loop, const iocp_result_t *result,
                                                void *userdata)
{
    test_owner *owner = userdata;
    owner__close(loop, owner);
    return contract_keep(loop, result, &owner->recvs[1]);
}

/* One is in the kernel, the other waits its turn. */
static void a_close_while_the_loop_is_destroyed_is_accepted_and_calls_back_last(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static test_owner owner;
    static char data[2][8];
    memset(&owner, 0, sizeof owner);
    contract_pair pair = contract_connect(loop, AF_INET);
    owner.handle = pair.server;
    owner.recvs[0].rearms = owner.recvs[1].rearms = 3; /* it has been told: that is not granted */
    assert_int_equal(iocp_handle_set_data(loop, pair.server, &owner), IOCP_OK);
    assert_int_equal(iocp_recv(loop, pair.server, data[0], 8, owner__on_recv_0, &owner, NULL),
                     IOCP_OK);
    assert_int_equal(iocp_recv(loop, pair.server, data[1], 8, owner__on_recv_1, &owner, NULL),
                     IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    contract_loop_destroy(loop);
    contract_forget_loop(state);
    assert_int_equal(owner.close_statuses[0], IOCP_OK);
    assert_int_equal(owner.close_statuses[1], IOCP_EBADF); /* closing already */
    assert_int_equal(owner.close.calls, 1);
    assert_int_equal(owner.close.status, IOCP_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(owner.recvs[i].calls, 1);
        assert_int_equal(owner.recvs[i].status, IOCP_ECANCELED);
        assert_true(owner.recvs[i].order < owner.close.order);
    }
    assert_ptr_equal(owner.data, &owner);
}

/* Also one that nothing was pending on. */
static iocp_action_t IOCP_CALL owner__close_all(iocp_loop_t *loop, const iocp_result_t *result,
                                                void *userdata)
{
    test_owner *owner = userdata;
    owner__close(loop, owner);
    return contract_keep(loop, result, &owner->recvs[0]);
}

static void an_idle_handle_can_be_closed_while_the_loop_is_destroyed(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static test_owner owner;
    memset(&owner, 0, sizeof owner);
    owner.handle = contract_open(loop, AF_INET);
    assert_int_equal(iocp_timer(loop, 1000 * S, owner__close_all, &owner, NULL), IOCP_OK);
    contract_loop_destroy(loop);
    contract_forget_loop(state);
    assert_int_equal(owner.close_statuses[0], IOCP_OK);
    assert_int_equal(owner.close.calls, 1);
    assert_int_equal(owner.close.status, IOCP_OK);
}

static void destroy_runs_the_posts_that_are_queued_also_with_no_time(void **state)
{
    static const uint64_t timeouts_ns[] = {UINT64_MAX, 0};
    (void)state;
    for (size_t k = 0; k < sizeof timeouts_ns / sizeof timeouts_ns[0]; k++) {
        iocp_loop_t *loop = contract_loop_create();
        int posts = 0;
        for (int i = 0; i < 1000; i++) {
            assert_int_equal(iocp_post(loop, post__count, &posts), IOCP_OK);
        }
        assert_int_equal(iocp_loop_destroy(loop, timeouts_ns[k]), IOCP_OK);
        assert_int_equal(posts, 1000);
    }
}

static void destroy_waits_for_the_asyncs_to_be_destroyed(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_async_t *async = NULL;
    contract_record record = {0};
    assert_int_equal(iocp_async_create(loop, &async), IOCP_OK);
    assert_int_equal(iocp_async_wait(loop, async, contract_keep, &record, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_destroy(loop, 1 * S), IOCP_EASYNC);
    assert_int_equal(record.calls, 1);
    assert_int_equal(record.status, IOCP_ECANCELED);
    assert_int_equal(iocp_nop(loop, contract_keep, &record, NULL), IOCP_ECLOSING);
    assert_int_equal(iocp_async_notify(async), IOCP_ECLOSING);
    assert_int_equal(iocp_async_destroy(async), IOCP_OK);
    contract_loop_destroy(loop);
    contract_forget_loop(state);
    assert_int_equal(record.calls, 1);
}

/* ---- What it tells ---- */

static void unreferenced_operations_do_not_keep_the_loop_running(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record timer = {0};
    contract_record nop = {0};
    iocp_op_t op = {0};
    assert_int_equal(iocp_timer(loop, 1000 * S, contract_keep, &timer, &op), IOCP_OK);
    assert_int_equal(iocp_nop(loop, contract_keep, &nop, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_active(loop), 2);
    assert_int_equal(iocp_op_unref(loop, op), IOCP_OK);
    assert_int_equal(iocp_op_unref(loop, op), IOCP_OK);
    assert_int_equal(iocp_loop_active(loop), 1);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(nop.calls, 1);
    assert_int_equal(timer.calls, 0);
    assert_int_equal(iocp_op_ref(loop, op), IOCP_OK);
    assert_int_equal(iocp_op_ref(loop, op), IOCP_OK);
    assert_int_equal(iocp_loop_active(loop), 1);
    assert_int_equal(iocp_timer_reset(loop, op, 1 * MS), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(timer.calls, 1);
    assert_int_equal(iocp_loop_active(loop), 0);
    assert_int_equal(iocp_op_ref(loop, op), IOCP_ENOENT);
    assert_int_equal(iocp_op_unref(loop, op), IOCP_ENOENT);
}

static void an_unreferenced_operation_stays_so_when_it_is_rearmed(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record ticker = {.rearms = 1000};
    contract_record main_timer = {0};
    iocp_op_t op = {0};
    assert_int_equal(iocp_timer(loop, 1 * MS, contract_keep, &ticker, &op), IOCP_OK);
    assert_int_equal(iocp_op_unref(loop, op), IOCP_OK);
    assert_int_equal(iocp_timer(loop, 5 * MS, contract_keep, &main_timer, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(main_timer.calls, 1);
    assert_in_range(ticker.calls, 1, 1000);
    assert_int_equal(iocp_loop_active(loop), 0);
}

static void the_next_deadline_says_when_to_tick(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    iocp_op_t op = {0};
    uint64_t when_ns = 0;
    uint64_t before_ns = iocp_loop_now(loop);
    assert_int_equal(iocp_loop_next_deadline(loop, &when_ns), IOCP_ENOENT);
    assert_int_equal(iocp_timer(loop, 1000 * S, contract_keep, &record, &op), IOCP_OK);
    assert_int_equal(iocp_loop_next_deadline(loop, &when_ns), IOCP_OK);
    assert_true(when_ns <= iocp_loop_now(loop)); /* it is still to be started */
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(iocp_loop_next_deadline(loop, &when_ns), IOCP_OK);
    assert_true(when_ns >= before_ns + 1000 * S);
    assert_true(when_ns <= iocp_loop_now(loop) + 1000 * S);
    assert_int_equal(iocp_op_deadline(loop, op, 500 * S), IOCP_OK);
    assert_int_equal(iocp_loop_next_deadline(loop, &when_ns), IOCP_OK);
    assert_true(when_ns < before_ns + 1000 * S);
    assert_int_equal(iocp_post(loop, post__count, &record.calls), IOCP_OK);
    assert_int_equal(iocp_loop_next_deadline(loop, &when_ns), IOCP_OK);
    assert_true(when_ns <= iocp_loop_now(loop));
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(iocp_loop_next_deadline(loop, &when_ns), IOCP_ENOENT);
}

/* A program that is about to sleep on the port by itself has to be woken there. */
static void news_behind_the_next_deadline_wake_the_port(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    uint64_t when_ns = 0;
    int posts = 0;
    contract_record record = {0};
    iocp_async_t *async = NULL;
    assert_int_equal(iocp_async_create(loop, &async), IOCP_OK);
    assert_int_equal(iocp_async_wait(loop, async, contract_keep, &record, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    uint64_t wakes = contract_stats(loop).wake_packets;
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(iocp_loop_next_deadline(loop, &when_ns), IOCP_ENOENT);
        assert_int_equal(contract_stats(loop).wake_packets, wakes);
        assert_int_equal(iocp_post(loop, post__count, &posts), IOCP_OK);
        assert_int_equal(iocp_post(loop, post__count, &posts), IOCP_OK);
        assert_int_equal(contract_stats(loop).wake_packets, ++wakes); /* one for both */
        uint64_t dequeues = contract_stats(loop).dequeues;
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
        assert_int_equal(posts, 2 * i);
        assert_int_equal(contract_stats(loop).dequeues, dequeues + 1); /* for the packet */
        contract_pass_time(loop, 5 * MS);                              /* a packet may be late */
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    }
    assert_int_equal(iocp_loop_next_deadline(loop, &when_ns), IOCP_ENOENT);
    assert_int_equal(iocp_async_notify(async), IOCP_OK);
    assert_int_equal(contract_stats(loop).wake_packets, ++wakes);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(record.calls, 1);
    contract_pass_time(loop, 5 * MS);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);

    assert_int_equal(iocp_loop_next_deadline(loop, &when_ns), IOCP_ENOENT);
    assert_int_equal(iocp_loop_stop(loop), IOCP_OK);
    assert_int_equal(contract_stats(loop).wake_packets, ++wakes);
    assert_int_equal(iocp_loop_next_deadline(loop, &when_ns), IOCP_OK); /* do not sleep */
    assert_true(when_ns <= iocp_loop_now(loop));
    assert_int_equal(iocp_loop_resume(loop), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(iocp_async_destroy(async), IOCP_OK);
}

/* Nobody sleeps meanwhile, so no packet is needed. */
static iocp_action_t IOCP_CALL deadline__ask(iocp_loop_t *loop, const iocp_result_t *result,
                                             void *userdata)
{
    uint64_t when_ns = 0;
    (void)result;
    assert_int_equal(iocp_loop_next_deadline(loop, &when_ns), IOCP_ENOENT);
    assert_int_equal(iocp_post(loop, post__count, userdata), IOCP_OK);
    return IOCP_DISARM;
}

static void asking_for_the_next_deadline_in_a_callback_costs_no_packet(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    int posts = 0;
    assert_int_equal(iocp_nop(loop, deadline__ask, &posts, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(posts, 1);
    assert_int_equal(contract_stats(loop).wake_packets, 0);
}

static void the_native_port_is_told(void **state)
{
    void *port = NULL;
    assert_int_equal(iocp_loop_native_port(contract_loop(state), &port), IOCP_OK);
    assert_non_null(port);
}

static void the_raw_code_of_a_failed_call_is_kept(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_address address;
    iocp_handle_t handle = contract_open(loop, AF_INET);
    (void)contract_listen(loop, AF_INET, &address);
    assert_int_equal(iocp_loop_native_error(loop), 0);
    assert_int_equal(iocp_socket_bind(loop, handle, contract_sockaddr(&address), address.length),
                     IOCP_EADDRINUSE);
    assert_int_equal(iocp_loop_native_error(loop), 10048); /* WSAEADDRINUSE */
}

static void the_statistics_count(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record nop = {.rearms = 4};
    contract_record timer = {0};
    iocp_op_t op = {0};
    int posts = 0;
    char data[8];
    contract_record recv = {0};
    contract_pair pair = contract_connect(loop, AF_INET);
    iocp_stats_t before = contract_stats(loop);
    assert_int_equal(before.handles, 3);
    assert_int_equal(before.operations, 0);
    assert_int_equal(before.kernel, 0);
    assert_int_equal(before.timers, 0);
    assert_int_equal(iocp_nop(loop, contract_keep, &nop, NULL), IOCP_OK);
    assert_int_equal(iocp_timer(loop, 1000 * S, contract_keep, &timer, &op), IOCP_OK);
    assert_int_equal(iocp_op_deadline(loop, op, 2000 * S), IOCP_OK);
    assert_int_equal(iocp_recv(loop, pair.client, data, sizeof data, contract_keep, &recv, NULL),
                     IOCP_OK);
    assert_int_equal(iocp_post(loop, post__count, &posts), IOCP_OK);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
    }
    iocp_stats_t after = contract_stats(loop);
    assert_int_equal(after.size, sizeof after);
    assert_int_equal(after.turns - before.turns, 5);
    assert_int_equal(after.callbacks - before.callbacks, 5);
    assert_int_equal(after.posts - before.posts, 1);
    assert_int_equal(after.starts - before.starts, 7);
    assert_int_equal(after.operations, 2);
    assert_int_equal(after.kernel, 1);
    assert_int_equal(after.timers, 2);
    assert_int_equal(after.handles, 3);
    assert_true(after.dequeues > before.dequeues);
    assert_true(after.allocations > 0);
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    contract_close_pair(loop, pair);
    contract_idle(loop);
    after = contract_stats(loop);
    assert_int_equal(after.operations, 0);
    assert_int_equal(after.kernel, 0);
    assert_int_equal(after.timers, 0);
    assert_int_equal(after.handles, 0);
}

static void a_timer_that_fires_and_the_sleep_before_it_are_counted(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record timer = {0};
    iocp_stats_t before = contract_stats(loop);
    assert_int_equal(iocp_timer(loop, 5 * MS, contract_keep, &timer, NULL), IOCP_OK);
    contract_wait(loop, &timer, 1);
    iocp_stats_t after = contract_stats(loop);
    assert_int_equal(after.timer_fires - before.timer_fires, 1);
    /* A real clock may have passed the time before it was looked at. */
    assert_true(after.sleeps > before.sleeps || !contract_clock_is_virtual());
}

static void a_turn_that_asks_the_port_and_does_not_wait_is_no_sleep(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record recv = {0};
    char data[8];
    contract_pair pair = contract_connect(loop, AF_INET);
    assert_int_equal(iocp_recv(loop, pair.server, data, sizeof data, contract_keep, &recv, NULL),
                     IOCP_OK);
    iocp_stats_t before = contract_stats(loop);
    assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
    iocp_stats_t after = contract_stats(loop);
    assert_int_equal(after.dequeues - before.dequeues, 1);
    assert_int_equal(after.sleeps - before.sleeps, 0);
}

static void a_smaller_statistics_structure_gets_what_fits(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_stats_t stats;
    memset(&stats, 0xee, sizeof stats);
    stats.size = offsetof(iocp_stats_t, posts);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(iocp_loop_stats(loop, &stats), IOCP_OK);
    assert_int_equal(stats.size, offsetof(iocp_stats_t, posts));
    assert_int_equal(stats.turns, 1);
    assert_true(stats.posts == UINT64_C(0xeeeeeeeeeeeeeeee));
    stats.size = 0;
    assert_int_equal(iocp_loop_stats(loop, &stats), IOCP_EINVAL);
}

static iocp_type_stats_t type_stats(iocp_loop_t *loop, iocp_type_t type)
{
    iocp_type_stats_t stats = {.size = sizeof stats, .reserved = 77};
    assert_int_equal(iocp_loop_type_stats(loop, type, &stats), IOCP_OK);
    assert_int_equal(stats.size, sizeof stats);
    assert_int_equal(stats.reserved, 0);
    return stats;
}

static void each_kind_of_operation_is_counted(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record nop = {.rearms = 4};
    contract_record timer = {0};
    contract_record recv = {0};
    iocp_op_t op = {0};
    char data[8];
    contract_pair pair = contract_connect(loop, AF_INET);
    assert_int_equal(type_stats(loop, IOCP_TYPE_CONNECT).ended, 1);
    assert_int_equal(type_stats(loop, IOCP_TYPE_ACCEPT).ended, 1);
    assert_int_equal(iocp_nop(loop, contract_keep, &nop, NULL), IOCP_OK);
    assert_int_equal(iocp_timer(loop, 1000 * S, contract_keep, &timer, &op), IOCP_OK);
    contract_wait(loop, &nop, 5);
    assert_int_equal(type_stats(loop, IOCP_TYPE_NOP).started, 5);
    assert_int_equal(type_stats(loop, IOCP_TYPE_NOP).ended, 5);
    assert_int_equal(type_stats(loop, IOCP_TYPE_NOP).failed, 0);
    assert_int_equal(type_stats(loop, IOCP_TYPE_TIMER).started, 1);
    assert_int_equal(type_stats(loop, IOCP_TYPE_TIMER).ended, 0);
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    contract_wait(loop, &timer, 1);
    assert_int_equal(type_stats(loop, IOCP_TYPE_TIMER).ended, 1);
    assert_int_equal(type_stats(loop, IOCP_TYPE_TIMER).failed, 1);
    assert_int_equal(type_stats(loop, IOCP_TYPE_CANCEL).started, 1);
    assert_int_equal(type_stats(loop, IOCP_TYPE_CANCEL).ended, 0); /* it had no callback */

    /* The end of a stream is no failure. */
    contract_send_all(loop, pair.client, "hello", 5);
    contract_recv_all(loop, pair.server, data, 5);
    iocp_type_stats_t before = type_stats(loop, IOCP_TYPE_RECV);
    assert_int_equal(before.bytes, 5);
    assert_int_equal(type_stats(loop, IOCP_TYPE_SEND).bytes, 5);
    contract_close(loop, pair.client);
    assert_int_equal(iocp_recv(loop, pair.server, data, 8, contract_keep, &recv, NULL), IOCP_OK);
    contract_wait(loop, &recv, 1);
    assert_int_equal(recv.status, IOCP_EOF);
    iocp_type_stats_t after = type_stats(loop, IOCP_TYPE_RECV);
    assert_int_equal(after.started, before.started + 1);
    assert_int_equal(after.ended, before.ended + 1);
    assert_int_equal(after.failed, 0);
    assert_int_equal(after.bytes, 5);
}

static void a_smaller_structure_for_a_kind_gets_what_fits(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record nop = {0};
    iocp_type_stats_t stats;
    memset(&stats, 0xee, sizeof stats);
    stats.size = offsetof(iocp_type_stats_t, ended);
    assert_int_equal(iocp_nop(loop, contract_keep, &nop, NULL), IOCP_OK);
    contract_wait(loop, &nop, 1);
    assert_int_equal(iocp_loop_type_stats(loop, IOCP_TYPE_NOP, &stats), IOCP_OK);
    assert_int_equal(stats.size, offsetof(iocp_type_stats_t, ended));
    assert_int_equal(stats.started, 1);
    assert_true(stats.ended == UINT64_C(0xeeeeeeeeeeeeeeee));
}

static void a_loop_keeps_a_pointer_of_the_programs(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_loop_t *other = contract_loop_create();
    int ours = 0;
    void *data = &ours;
    assert_int_equal(iocp_loop_get_data(loop, &data), IOCP_OK);
    assert_null(data);
    assert_int_equal(iocp_loop_set_data(loop, &ours), IOCP_OK);
    assert_int_equal(iocp_loop_get_data(other, &data), IOCP_OK);
    assert_null(data);
    assert_int_equal(iocp_loop_get_data(loop, &data), IOCP_OK);
    assert_ptr_equal(data, &ours);
    assert_int_equal(iocp_loop_set_data(loop, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_get_data(loop, &data), IOCP_OK);
    assert_null(data);
    contract_loop_destroy(other);
}

typedef struct test_dump {
    int count;
    iocp_dump_entry_t entries[8];
} test_dump;

static void IOCP_CALL dump__keep(const iocp_dump_entry_t *entry, void *userdata)
{
    test_dump *dump = userdata;
    if (dump->count < 8) {
        dump->entries[dump->count] = *entry;
    }
    dump->count++;
}

static const iocp_dump_entry_t *dump__find(const test_dump *dump, iocp_op_t op)
{
    for (int i = 0; i < dump->count && i < 8; i++) {
        if (dump->entries[i].op.id == op.id) {
            return &dump->entries[i];
        }
    }
    fail_msg("operation %llu is not in the dump", (unsigned long long)op.id);
    return &dump->entries[0];
}

static iocp_action_t IOCP_CALL dump__at_callback(iocp_loop_t *loop, const iocp_result_t *result,
                                                 void *userdata)
{
    (void)result;
    assert_int_equal(iocp_loop_dump(loop, dump__keep, userdata), IOCP_OK);
    return IOCP_DISARM;
}

static void the_dump_tells_why_an_operation_whose_callback_is_due_has_ended(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    iocp_op_t ops[2] = {{0}};
    test_dump dump = {0};
    assert_int_equal(iocp_timer(loop, 1000 * S, dump__at_callback, &dump, &ops[0]), IOCP_OK);
    assert_int_equal(iocp_timer(loop, 1000 * S, contract_keep, &record, &ops[1]), IOCP_OK);
    assert_int_equal(iocp_cancel(loop, ops[0], NULL, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_cancel(loop, ops[1], NULL, NULL, NULL), IOCP_OK);
    contract_wait(loop, &record, 1);
    assert_int_equal(dump__find(&dump, ops[1])->cancelled, IOCP_ECANCELED);
    assert_int_equal(record.result.status, IOCP_ECANCELED);
}

static void the_dump_tells_of_every_pending_operation(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[3] = {{0}};
    iocp_op_t timer = {0};
    iocp_op_t recv = {0};
    iocp_op_t nop = {0};
    test_dump dump = {0};
    char data[8];
    contract_pair pair = contract_connect(loop, AF_INET);
    assert_int_equal(iocp_timer(loop, 1000 * S, contract_keep, &records[0], &timer), IOCP_OK);
    assert_int_equal(
        iocp_recv(loop, pair.server, data, sizeof data, contract_keep, &records[1], &recv),
        IOCP_OK);
    assert_int_equal(iocp_op_unref(loop, recv), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    contract_pass_time(loop, 5 * MS);
    iocp_loop_update_now(loop);
    assert_int_equal(iocp_nop(loop, contract_keep, &records[2], &nop), IOCP_OK);
    assert_int_equal(iocp_loop_dump(loop, dump__keep, &dump), IOCP_OK);
    assert_int_equal(dump.count, 3);

    const iocp_dump_entry_t *entry = dump__find(&dump, timer);
    assert_int_equal(entry->type, IOCP_TYPE_TIMER);
    assert_string_equal(entry->type_name, "timer");
    assert_true(entry->handle.id == 0);
    assert_int_equal(entry->state, IOCP_OP_ACTIVE);
    assert_int_equal(entry->in_kernel, 0);
    assert_int_equal(entry->cancelled, 0);
    assert_int_equal(entry->referenced, 1);
    assert_true(entry->age_ns >= 5 * MS);
    assert_ptr_equal(entry->userdata, &records[0]);

    entry = dump__find(&dump, recv);
    assert_int_equal(entry->type, IOCP_TYPE_RECV);
    assert_string_equal(entry->type_name, "recv");
    assert_true(entry->handle.id == pair.server.id);
    assert_int_equal(entry->in_kernel, 1);
    assert_int_equal(entry->referenced, 0);

    entry = dump__find(&dump, nop);
    assert_int_equal(entry->state, IOCP_OP_ADDING);
    assert_true(entry->age_ns < 5 * MS);
}

/* ---- Options ---- */

/* Later versions' options: longer than this version's. */
typedef struct longer_options {
    iocp_loop_options_t known;
    unsigned char tail[16];
} longer_options;

static int options__try(const void *options)
{
    iocp_loop_t *loop = NULL;
    int status = iocp_loop_create(options, &loop);
    if (status == IOCP_OK) {
        contract_loop_destroy(loop);
    } else {
        assert_null(loop);
    }
    return status;
}

static void options_of_another_version_are_taken_if_they_ask_for_nothing_unknown(void **state)
{
    (void)state;
    longer_options options;
    memset(&options, 0, sizeof options);
    assert_int_equal(options__try(NULL), IOCP_OK);
    assert_int_equal(options__try(&options), IOCP_EINVAL); /* a size of 0 */
    options.known.size = sizeof options.known;
    assert_int_equal(options__try(&options), IOCP_OK);
    options.known.size = sizeof options;
    assert_int_equal(options__try(&options), IOCP_OK);
    options.tail[15] = 1;
    assert_int_equal(options__try(&options), IOCP_EINVAL);
    options.known.size = sizeof options.known;
    assert_int_equal(options__try(&options), IOCP_OK);
    options.known.size = offsetof(iocp_loop_options_t, completion_mode);
    options.known.completion_mode = 99; /* not read */
    assert_int_equal(options__try(&options), IOCP_OK);
    options.known.size = 3;
    assert_int_equal(options__try(&options), IOCP_EINVAL);
    options.known = contract_options();
    options.known.size =
        offsetof(iocp_loop_options_t, free) + 1; /* no function in one byte of it */
    assert_int_equal(options__try(&options), IOCP_EINVAL);
}

static void bad_options_are_refused(void **state)
{
    (void)state;
    const iocp_loop_options_t good = contract_options();
    iocp_loop_options_t options = good;
    options.batch = 4096;
    assert_int_equal(options__try(&options), IOCP_OK);
    options.batch = 4097;
    assert_int_equal(options__try(&options), IOCP_EINVAL);
    options = good;
    options.completion_mode = IOCP_COMPLETION_SKIP + 1;
    assert_int_equal(options__try(&options), IOCP_EINVAL);
    options = good;
    options.sleep_method = IOCP_SLEEP_PORT + 1;
    assert_int_equal(options__try(&options), IOCP_EINVAL);
    options = good;
    options.free = NULL;
    assert_int_equal(options__try(&options), IOCP_EINVAL);
    options = good;
    options.check_threads = 1;
    assert_int_equal(options__try(&options), IOCP_OK);
    options.check_threads = 2;
    assert_int_equal(options__try(&options), IOCP_EINVAL);
    options = good;
    options.wake_on_resume = 2;
    assert_int_equal(options__try(&options), IOCP_EINVAL);
    options = good;
    options.allocate = NULL;
    assert_int_equal(options__try(&options), IOCP_EINVAL);
}

/* Where the system tells of it; the loop is as others are. */
static void a_loop_may_ask_to_be_woken_when_the_machine_resumes(void **state)
{
    (void)state;
    iocp_loop_options_t options = contract_options();
    iocp_loop_t *loop = NULL;
    contract_record record = {0};
    options.wake_on_resume = 1;
    int status = iocp_loop_create(&options, &loop);
    if (status == IOCP_ENOTSUP) {
        assert_null(loop);
        skip();
    }
    assert_int_equal(status, IOCP_OK);
    assert_int_equal(iocp_timer(loop, MS, contract_keep, &record, NULL), IOCP_OK);
    contract_wait(loop, &record, 1);
    contract_loop_destroy(loop);
}

static void a_loop_that_cannot_be_created_leaves_nothing(void **state)
{
    (void)state;
    iocp_loop_options_t options = contract_options();
    int status = IOCP_ENOMEM;
    for (uint64_t blocks = 0; blocks < 100 && status == IOCP_ENOMEM; blocks++) {
        contract_allow_blocks(blocks);
        status = options__try(&options);
    }
    contract_allow_blocks(UINT64_MAX);
    assert_int_equal(status, IOCP_OK);
}

static void without_memory_an_operation_is_refused_and_never_calls_back(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_record refused = {0};
    iocp_handle_t handle = {0};
    iocp_async_t *async = NULL;
    int accepted = 0;
    int posts = 0;
    contract_allow_blocks(0);
    int status = IOCP_OK;
    while (status == IOCP_OK && accepted < 1000000) {
        status = iocp_timer(loop, 0, contract_keep, &record, NULL);
        accepted += status == IOCP_OK;
    }
    assert_int_equal(status, IOCP_ENOMEM);
    assert_int_equal(iocp_nop(loop, contract_keep, &refused, NULL), IOCP_ENOMEM);
    assert_int_equal(iocp_cancel(loop, (iocp_op_t){0}, contract_keep, &refused, NULL), IOCP_ENOMEM);
    assert_int_equal(iocp_socket_open(loop, AF_INET, SOCK_STREAM, 0, &handle), IOCP_ENOMEM);
    assert_int_equal(iocp_async_create(loop, &async), IOCP_ENOMEM);
    assert_int_equal(iocp_post(loop, post__count, &posts), IOCP_ENOMEM);
    contract_allow_blocks(UINT64_MAX);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(record.calls, accepted);
    assert_int_equal(refused.calls, 0);
    assert_int_equal(posts, 0);
}

/* A message goes back and forth, a timer ticks, functions are posted. */
static void steady__work(iocp_loop_t *loop, contract_pair pair, iocp_async_t *async, int rounds)
{
    char data[64] = {0};
    int posts = 0;
    for (int i = 0; i < rounds; i++) {
        contract_record nop = {0};
        contract_record timer = {.rearms = 1};
        contract_record cancelled = {0};
        contract_record wait = {0};
        iocp_op_t op = {0};
        contract_send_all(loop, pair.client, data, sizeof data);
        contract_recv_all(loop, pair.server, data, sizeof data);
        assert_int_equal(iocp_nop(loop, contract_keep, &nop, NULL), IOCP_OK);
        assert_int_equal(iocp_timer(loop, 0, contract_keep, &timer, NULL), IOCP_OK);
        assert_int_equal(iocp_timer(loop, 1000 * S, contract_keep, &cancelled, &op), IOCP_OK);
        assert_int_equal(iocp_op_deadline(loop, op, 100 * S), IOCP_OK);
        assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
        assert_int_equal(iocp_async_wait(loop, async, contract_keep, &wait, NULL), IOCP_OK);
        assert_int_equal(iocp_async_notify(async), IOCP_OK);
        assert_int_equal(iocp_post(loop, post__count, &posts), IOCP_OK);
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
        assert_int_equal(timer.calls, 2);
        assert_int_equal(wait.calls, 1);
        assert_int_equal(cancelled.status, IOCP_ECANCELED);
    }
    assert_int_equal(posts, rounds);
}

static void the_steady_state_allocates_nothing(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_async_t *async = NULL;
    contract_pair pair = contract_connect(loop, AF_INET);
    assert_int_equal(iocp_async_create(loop, &async), IOCP_OK);
    steady__work(loop, pair, async, 3);
    uint64_t allocations = contract_stats(loop).allocations;
    steady__work(loop, pair, async, 100);
    assert_int_equal(contract_stats(loop).allocations, allocations);
    assert_int_equal(iocp_async_destroy(async), IOCP_OK);
    contract_close_pair(loop, pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TEST(the_time_is_not_zero_and_advances),
        CONTRACT_TEST(the_time_stands_still_until_it_is_read_again),
        CONTRACT_TEST(the_time_advances_over_turns_that_do_not_wait),
        CONTRACT_TEST(running_an_empty_loop_returns_at_once),
        CONTRACT_TEST(a_nop_calls_back_once_and_not_inside_its_own_call),
        CONTRACT_TEST(run_until_done_runs_everything),
        CONTRACT_TEST(run_until_stopped_goes_on_when_nothing_is_pending),
        CONTRACT_TEST(run_until_stopped_waits_for_operations_that_keep_nothing_running),
        CONTRACT_TEST(run_once_sleeps_until_there_is_a_callback),
        CONTRACT_TEST(run_once_ends_with_a_posted_function),
        CONTRACT_TEST(run_no_wait_does_not_wait_for_a_timer),
        CONTRACT_TEST(run_no_wait_asks_the_port),
        CONTRACT_TEST(a_tick_waits_for_as_many_callbacks_as_it_is_asked_to),
        CONTRACT_TEST(a_tick_ends_when_nothing_is_left_to_wait_for),
        CONTRACT_TEST(a_turn_with_nothing_in_the_kernel_does_not_ask_the_port),
        CONTRACT_TEST(submit_starts_what_is_queued_and_calls_nobody),
        CONTRACT_TEST(a_rearmed_operation_runs_once_a_turn_under_the_same_id),
        CONTRACT_TEST(ids_of_operations_are_never_used_again),
        CONTRACT_TEST(a_turn_delivers_at_most_one_batch),
        CONTRACT_TEST(what_becomes_ready_while_ready_work_is_delivered_waits_for_the_next_step),
        CONTRACT_TEST(a_flood_of_ready_work_does_not_starve_timers),
        CONTRACT_TEST(a_flood_of_ready_work_does_not_starve_the_port),
        CONTRACT_TEST(a_flood_of_posts_does_not_starve_the_port),
        CONTRACT_TEST(while_callbacks_bring_work_the_port_is_asked_once_a_batch),
        CONTRACT_TEST(a_flood_of_timers_does_not_starve_ready_work),
        CONTRACT_TEST(a_post_that_posts_itself_does_not_starve_timers),
        CONTRACT_TEST(a_stopped_loop_runs_nothing_until_it_is_resumed),
        CONTRACT_TEST(stop_in_a_callback_keeps_back_the_rest_of_the_batch),
        CONTRACT_TEST(a_turn_that_is_stopped_does_not_ask_the_port),
        CONTRACT_TEST(stop_in_a_post_keeps_back_the_posts_behind_it),
        CONTRACT_TEST(a_nested_run_and_destroy_are_refused_and_change_nothing),
        CONTRACT_TEST(a_callback_may_run_another_loop),
        CONTRACT_TEST(destroying_a_fresh_loop_leaves_nothing),
        CONTRACT_TEST(destroy_ends_everything_that_is_pending_as_cancelled),
        CONTRACT_TEST(destroy_finishes_queued_cancels_and_closes),
        CONTRACT_TEST(destroy_with_no_time_at_all_can_be_repeated),
        CONTRACT_TEST(a_stopped_loop_can_be_destroyed),
        CONTRACT_TEST(a_loop_that_is_being_destroyed_takes_no_new_work),
        CONTRACT_TEST(a_close_while_the_loop_is_destroyed_is_accepted_and_calls_back_last),
        CONTRACT_TEST(an_idle_handle_can_be_closed_while_the_loop_is_destroyed),
        CONTRACT_TEST(destroy_runs_the_posts_that_are_queued_also_with_no_time),
        CONTRACT_TEST(destroy_waits_for_the_asyncs_to_be_destroyed),
        CONTRACT_TEST(unreferenced_operations_do_not_keep_the_loop_running),
        CONTRACT_TEST(an_unreferenced_operation_stays_so_when_it_is_rearmed),
        CONTRACT_TEST(the_next_deadline_says_when_to_tick),
        CONTRACT_TEST(news_behind_the_next_deadline_wake_the_port),
        CONTRACT_TEST(asking_for_the_next_deadline_in_a_callback_costs_no_packet),
        CONTRACT_TEST(the_native_port_is_told),
        CONTRACT_TEST(the_raw_code_of_a_failed_call_is_kept),
        CONTRACT_TEST(the_statistics_count),
        CONTRACT_TEST(a_timer_that_fires_and_the_sleep_before_it_are_counted),
        CONTRACT_TEST(a_turn_that_asks_the_port_and_does_not_wait_is_no_sleep),
        CONTRACT_TEST(a_smaller_statistics_structure_gets_what_fits),
        CONTRACT_TEST(each_kind_of_operation_is_counted),
        CONTRACT_TEST(a_smaller_structure_for_a_kind_gets_what_fits),
        CONTRACT_TEST(a_loop_keeps_a_pointer_of_the_programs),
        CONTRACT_TEST(the_dump_tells_why_an_operation_whose_callback_is_due_has_ended),
        CONTRACT_TEST(the_dump_tells_of_every_pending_operation),
        CONTRACT_TEST(options_of_another_version_are_taken_if_they_ask_for_nothing_unknown),
        CONTRACT_TEST(bad_options_are_refused),
        CONTRACT_TEST(a_loop_may_ask_to_be_woken_when_the_machine_resumes),
        CONTRACT_TEST(a_loop_that_cannot_be_created_leaves_nothing),
        CONTRACT_TEST(without_memory_an_operation_is_refused_and_never_calls_back),
        CONTRACT_TEST(the_steady_state_allocates_nothing),
    };
    return CONTRACT_RUN(tests);
}
