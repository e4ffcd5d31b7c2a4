/* Memory of a burst that is over goes back, and nothing but memory changes by it. */
#include "contract_meter.h"

#include <stdlib.h>

#define BURST       100000
#define CONNECTIONS 300

/* What an empty loop may hold: the loop, and which ids there were. */
static void assert_trimmed(iocp_loop_t *loop, const contract_meter *memory, size_t base,
                           size_t most)
{
    size_t before = memory->held;
    size_t bytes = iocp_loop_trim(loop);
    assert_int_equal(before - memory->held, bytes);
    assert_in_range(memory->held, 0, base + most);
    assert_int_equal(iocp_loop_trim(loop), 0);
}

static iocp_op_t *start_timers(iocp_loop_t *loop, contract_record *record, size_t count,
                               uint64_t delay_ns)
{
    iocp_op_t *ops = calloc(count, sizeof *ops);
    assert_non_null(ops);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(iocp_timer(loop, delay_ns, contract_keep, record, &ops[i]), IOCP_OK);
    }
    assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
    return ops;
}

static void a_loop_without_a_burst_has_nothing_to_give(void **state)
{
    (void)state;
    contract_meter memory = {0};
    iocp_loop_t *loop = contract_meter_loop(&memory);
    assert_int_equal(iocp_loop_trim(loop), 0);
    contract_loop_destroy(loop);
}

/* Half of them fire, half are cancelled. */
static void the_memory_of_a_burst_of_timers_goes_back(void **state)
{
    (void)state;
    contract_meter memory = {0};
    contract_record fired = {0};
    contract_record cancelled = {0};
    iocp_loop_t *loop = contract_meter_loop(&memory);
    size_t base = memory.held;
    iocp_op_t *first = start_timers(loop, &fired, BURST / 2, MS);
    iocp_op_t *second = start_timers(loop, &cancelled, BURST / 2, 1000 * S);
    size_t full = memory.held;
    assert_in_range(full, BURST * 100, BURST * 288);
    for (size_t i = 0; i < BURST / 2; i++) {
        assert_int_equal(iocp_cancel(loop, second[i], NULL, NULL, NULL), IOCP_OK);
    }
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(fired.calls, BURST / 2);
    assert_int_equal(cancelled.calls, BURST / 2);
    assert_trimmed(loop, &memory, base, full / 100);
    for (size_t i = 0; i < BURST / 2; i++) {
        assert_int_equal(iocp_op_state(loop, first[i]), IOCP_OP_DEAD);
        assert_int_equal(iocp_timer_reset(loop, second[i], 0), IOCP_ENOENT);
    }
    free(second);
    free(first);
    contract_loop_destroy(loop);
    assert_int_equal(memory.held, 0);
}

/* In the places of the pages that went back. */
static void ids_from_before_a_trim_reach_nothing_that_comes_after(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record before = {0};
    contract_record after = {0};
    iocp_op_t *old = start_timers(loop, &before, 5000, 0);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    for (int round = 0; round < 4; round++) {
        after = (contract_record){0};
        assert_true(iocp_loop_trim(loop) > 0);
        iocp_op_t *ops = start_timers(loop, &after, 5000, 1000 * S);
        for (size_t i = 0; i < 5000; i++) {
            assert_true(ops[i].id != old[i].id);
            assert_int_equal(iocp_op_state(loop, old[i]), IOCP_OP_DEAD);
            assert_int_equal(iocp_op_deadline(loop, old[i], 0), IOCP_ENOENT);
            assert_int_equal(iocp_op_state(loop, ops[i]), IOCP_OP_ACTIVE);
            assert_int_equal(iocp_cancel(loop, old[i], NULL, NULL, NULL), IOCP_OK);
        }
        assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
        assert_int_equal(after.calls, 0);
        for (size_t i = 0; i < 5000; i++) {
            assert_int_equal(iocp_cancel(loop, ops[i], NULL, NULL, NULL), IOCP_OK);
        }
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
        assert_int_equal(after.calls, 5000);
        free(old);
        old = ops;
    }
    free(old);
}

/* Timers that are set stay in order, whatever else goes; also those moved and those with deadlines. */
static void what_is_pending_stays_as_it_is(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    enum {
        KEPT = 40
    };
    static contract_record kept[KEPT];
    contract_record burst = {0};
    iocp_op_t ops[KEPT];
    for (int i = 0; i < KEPT; i++) {
        kept[i] = (contract_record){0};
        iocp_op_t *some = start_timers(loop, &burst, 250, 1000 * S);
        assert_int_equal(iocp_timer(loop, 10000 * S, contract_keep, &kept[i], &ops[i]), IOCP_OK);
        for (int j = 0; j < 250; j++) {
            assert_int_equal(iocp_op_deadline(loop, some[j], 900 * S), IOCP_OK);
            assert_int_equal(iocp_cancel(loop, some[j], NULL, NULL, NULL), IOCP_OK);
        }
        free(some);
    }
    assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
    assert_int_equal(iocp_op_deadline(loop, ops[0], 800 * S), IOCP_OK);
    while (iocp_loop_active(loop) > KEPT) {
        assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
    }
    assert_true(iocp_loop_trim(loop) > 0);
    for (int i = 1; i < KEPT; i++) {
        assert_int_equal(iocp_timer_reset(loop, ops[i], (uint64_t)(KEPT - i) * MS), IOCP_OK);
    }
    contract_wait(loop, &kept[1], 1);
    for (int i = 1; i < KEPT; i++) {
        assert_int_equal(kept[i].calls, 1);
        assert_int_equal(kept[i].order, kept[1].order - i + 1);
    }
    assert_int_equal(iocp_op_deadline(loop, ops[0], MS), IOCP_OK);
    contract_wait(loop, &kept[0], 1);
    assert_int_equal(kept[0].status, IOCP_ETIMEDOUT);
}

/* ---- In a callback ---- */

static iocp_action_t IOCP_CALL trim_and_rearm(iocp_loop_t *loop, const iocp_result_t *result,
                                              void *userdata)
{
    contract_record *record = userdata;
    iocp_action_t answer = contract_keep(loop, result, record);
    (void)iocp_loop_trim(loop);
    assert_int_equal(iocp_op_state(loop, result->op), IOCP_OP_ACTIVE);
    return answer;
}

static void IOCP_CALL trim_in_a_post(iocp_loop_t *loop, void *arg)
{
    (*(int *)arg)++;
    (void)iocp_loop_trim(loop);
}

static void a_callback_and_a_posted_function_can_trim(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record all = {.rearms = 500};
    contract_record burst = {0};
    int posts = 0;
    free(start_timers(loop, &burst, 1000, 0));
    for (int i = 0; i < 200; i++) {
        assert_int_equal(iocp_post(loop, trim_in_a_post, &posts), IOCP_OK);
    }
    for (int i = 0; i < 100; i++) {
        assert_int_equal(iocp_timer(loop, (uint64_t)i * MS / 4, trim_and_rearm, &all, NULL),
                         IOCP_OK);
        assert_int_equal(iocp_nop(loop, trim_and_rearm, &all, NULL), IOCP_OK);
    }
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(burst.calls, 1000);
    assert_int_equal(all.calls, 700);
    assert_int_equal(posts, 200);
}

/* ---- Posts ---- */

static void IOCP_CALL count_post(iocp_loop_t *loop, void *arg)
{
    (void)loop;
    (*(int *)arg)++;
}

static void the_memory_of_a_burst_of_posts_goes_back(void **state)
{
    (void)state;
    contract_meter memory = {0};
    iocp_loop_t *loop = contract_meter_loop(&memory);
    size_t base = memory.held;
    for (int round = 1; round <= 3; round++) {
        int posts = 0;
        for (int i = 0; i < 10000; i++) {
            assert_int_equal(iocp_post(loop, count_post, &posts), IOCP_OK);
        }
        assert_in_range(memory.held, base + 10000 * sizeof(void *), SIZE_MAX);
        while (posts < 10000) {
            assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
        }
        assert_trimmed(loop, &memory, base, 0);
    }
    contract_loop_destroy(loop);
}

/* ---- Handles, and what operations on them copy ---- */

static void the_memory_of_many_connections_goes_back(void **state)
{
    iocp_loop_t *clients = contract_loop(state);
    contract_meter memory = {0};
    static contract_record received[CONNECTIONS];
    static iocp_handle_t handles[CONNECTIONS];
    iocp_loop_t *loop = contract_meter_loop(&memory);
    size_t base = memory.held;
    contract_address address;
    iocp_handle_t listener = contract_listen(clients, AF_INET, &address);
    for (int i = 0; i < CONNECTIONS; i++) {
        received[i] = (contract_record){0};
        contract_record connected = {0};
        contract_record accepted = {0};
        handles[i] = contract_open(loop, AF_INET);
        assert_int_equal(iocp_accept(clients, listener, contract_keep, &accepted, NULL), IOCP_OK);
        assert_int_equal(iocp_connect(loop, handles[i], contract_sockaddr(&address), address.length,
                                      contract_keep, &connected, NULL),
                         IOCP_OK);
        contract_wait(loop, &connected, 1);
        contract_wait(clients, &accepted, 1);
        contract_close(clients, accepted.result.opened);
        assert_int_equal(iocp_recv(loop, handles[i], NULL, 0, contract_keep, &received[i], NULL),
                         IOCP_OK);
    }
    assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
    assert_int_equal(iocp_loop_trim(loop) > 4096, 0);
    for (int i = 0; i < CONNECTIONS; i++) {
        contract_close(loop, handles[i]);
    }
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_trimmed(loop, &memory, base, 8192);
    for (int i = 0; i < CONNECTIONS; i++) {
        assert_int_equal(received[i].calls, 1);
        assert_int_equal(iocp_handle_kind(loop, handles[i]), IOCP_EBADF);
    }
    contract_close(clients, listener);
    assert_int_equal(iocp_loop_run(clients, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    contract_loop_destroy(loop);
}

/* ---- Who may ---- */

static void without_a_loop_nothing_goes_back(void **state)
{
    (void)state;
    assert_int_equal(iocp_loop_trim(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TEST(a_loop_without_a_burst_has_nothing_to_give),
        CONTRACT_TEST(the_memory_of_a_burst_of_timers_goes_back),
        CONTRACT_TEST(ids_from_before_a_trim_reach_nothing_that_comes_after),
        CONTRACT_TEST(what_is_pending_stays_as_it_is),
        CONTRACT_TEST(a_callback_and_a_posted_function_can_trim),
        CONTRACT_TEST(the_memory_of_a_burst_of_posts_goes_back),
        CONTRACT_TEST(the_memory_of_many_connections_goes_back),
        CONTRACT_TEST(without_a_loop_nothing_goes_back),
    };
    return contract_run_once(__FILE__, tests, sizeof tests / sizeof tests[0]);
}
