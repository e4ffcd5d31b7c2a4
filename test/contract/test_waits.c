/* Waits for kernel objects: what ends them, what they take, and what races with that. */
#include "contract_env.h"
#include "contract_object.h"

#include "threads.h"

#include <stdlib.h>

static iocp_op_t wait__start(iocp_loop_t *loop, void *object, contract_record *record)
{
    iocp_op_t op = {0};
    assert_int_equal(iocp_wait(loop, object, contract_keep, record, &op), IOCP_OK);
    return op;
}

static void assert_ended(const contract_record *record, int status)
{
    assert_int_equal(record->calls, 1);
    assert_int_equal(record->status, status);
}

/* The signal that was given is where the result says: in the wait, or still in the object. */
static void assert_signal_is_there_once(const contract_record *record, void *event)
{
    bool is_taken = record->status == IOCP_OK;
    assert_int_equal(record->calls, 1);
    assert_true(is_taken || record->status == IOCP_ECANCELED);
    assert_true(contract_object_try(event) == !is_taken);
}

/* Whether a signal goes to a wait the moment that it is given, not when the pool's thread sees it. */
static bool wait__takes_at_once(void)
{
    return contract_clock_is_virtual() || (iocp_capabilities() & IOCP_CAP_WAIT_PACKETS) != 0;
}

/* ---- Success ---- */

static void a_wait_ends_when_its_event_is_signaled(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    void *event = contract_event_create(false, false);
    iocp_op_t op = wait__start(loop, event, &record);
    contract_idle(loop);
    assert_int_equal(record.calls, 0);
    assert_int_equal(iocp_op_state(loop, op), IOCP_OP_ACTIVE);

    contract_event_set(event);
    contract_wait(loop, &record, 1);
    assert_ended(&record, IOCP_OK);
    assert_true(record.result.op.id == op.id);
    assert_true(record.result.handle.id == 0);
    assert_int_equal(record.result.type, IOCP_TYPE_WAIT);
    assert_int_equal(record.result.native_error, 0);
    assert_int_equal(record.result.flags, 0);
    assert_int_equal(record.result.bytes, 0);
    assert_int_equal(record.result.value, 0);
    assert_int_equal(record.result.event, 0);
    assert_int_equal(iocp_op_state(loop, op), IOCP_OP_DEAD);
    assert_false(contract_object_try(event));
    contract_object_close(event);
}

static void a_wait_for_what_is_signaled_already_ends_at_once(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record taken = {0};
    contract_record left = {0};
    void *automatic = contract_event_create(false, true);
    void *manual = contract_event_create(true, true);
    (void)wait__start(loop, automatic, &taken);
    (void)wait__start(loop, manual, &left);
    assert_int_equal(taken.calls + left.calls, 0); /* not inside the call */
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_ended(&taken, IOCP_OK);
    assert_ended(&left, IOCP_OK);
    if (!contract_may_be_inline()) {
        assert_int_equal(taken.result.flags, 0);
        assert_int_equal(left.result.flags, 0);
    }
    assert_false(contract_object_try(automatic));
    assert_true(contract_object_try(manual));
    contract_object_close(automatic);
    contract_object_close(manual);
}

static void a_rearmed_wait_calls_back_once_for_each_signal(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    enum {
        SIGNALS = 20
    };
    contract_record record = {.rearms = SIGNALS - 1};
    void *event = contract_event_create(false, false);
    iocp_op_t op = wait__start(loop, event, &record);
    for (int i = 1; i <= SIGNALS; i++) {
        contract_event_set(event);
        contract_wait(loop, &record, i);
        assert_int_equal(record.status, IOCP_OK);
        assert_true(record.result.op.id == op.id);
        if (i % 5 == 0) {
            contract_idle(loop);
        }
        assert_int_equal(record.calls, i);
    }
    assert_int_equal(iocp_loop_active(loop), 0);
    contract_object_close(event);
}

static void a_wait_that_is_over_takes_no_signal(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    void *event = contract_event_create(false, false);
    (void)wait__start(loop, event, &record);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    contract_event_set(event);
    contract_wait(loop, &record, 1);
    contract_event_set(event);
    contract_idle(loop);
    assert_ended(&record, IOCP_OK);
    assert_true(contract_object_try(event));
    contract_object_close(event);
}

static void a_rearmed_wait_takes_the_whole_count_of_a_semaphore(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {.rearms = 7};
    void *semaphore = contract_semaphore_create(5);
    (void)wait__start(loop, semaphore, &record);
    contract_wait(loop, &record, 5);
    contract_idle(loop);
    assert_int_equal(record.calls, 5);
    contract_semaphore_release(semaphore, 3);
    contract_wait(loop, &record, 8);
    contract_idle(loop);
    assert_int_equal(record.calls, 8);
    assert_false(contract_object_try(semaphore));
    contract_object_close(semaphore);
}

static int records__calls(const contract_record *records, int count)
{
    int calls = 0;
    for (int i = 0; i < count; i++) {
        calls += records[i].calls;
    }
    return calls;
}

static void one_signal_ends_exactly_one_of_several_waits(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    enum {
        WAITS = 5
    };
    contract_record records[WAITS] = {{0}};
    void *event = contract_event_create(false, false);
    for (int i = 0; i < WAITS; i++) {
        (void)wait__start(loop, event, &records[i]);
    }
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    for (int signals = 1; signals <= WAITS; signals++) {
        contract_event_set(event);
        while (records__calls(records, WAITS) < signals) {
            assert_int_equal(iocp_loop_run(loop, IOCP_RUN_ONCE), IOCP_OK);
        }
        contract_idle(loop);
        assert_int_equal(records__calls(records, WAITS), signals);
        assert_int_equal(iocp_loop_active(loop), WAITS - signals);
    }
    for (int i = 0; i < WAITS; i++) {
        assert_ended(&records[i], IOCP_OK);
    }
    contract_object_close(event);
}

static void a_manual_reset_event_ends_all_waits(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    enum {
        WAITS = 5
    };
    contract_record records[WAITS] = {{0}};
    contract_record later = {0};
    void *event = contract_event_create(true, false);
    for (int i = 0; i < WAITS; i++) {
        (void)wait__start(loop, event, &records[i]);
    }
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    contract_event_set(event);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    for (int i = 0; i < WAITS; i++) {
        assert_ended(&records[i], IOCP_OK);
    }
    contract_event_reset(event);
    (void)wait__start(loop, event, &later);
    contract_idle(loop);
    assert_int_equal(later.calls, 0);
    contract_event_set(event);
    contract_wait(loop, &later, 1);
    assert_ended(&later, IOCP_OK);
    contract_object_close(event);
}

static void two_loops_wait_for_one_event_and_one_gets_it(void **state)
{
    iocp_loop_t *loops[2] = {contract_loop(state), contract_loop_create()};
    contract_record records[2] = {{0}};
    void *event = contract_event_create(false, false);
    for (int i = 0; i < 2; i++) {
        (void)wait__start(loops[i], event, &records[i]);
        assert_int_equal(iocp_loop_submit(loops[i]), IOCP_OK);
    }
    for (int signals = 1; signals <= 2; signals++) {
        contract_event_set(event);
        while (records__calls(records, 2) < signals) {
            contract_idle(loops[0]);
            contract_idle(loops[1]);
        }
        contract_idle(loops[0]);
        contract_idle(loops[1]);
        assert_int_equal(records__calls(records, 2), signals);
    }
    contract_loop_destroy(loops[1]);
    contract_object_close(event);
}

static void loop__sleep(iocp_loop_t *loop)
{
    contract_record record = {0};
    assert_int_equal(iocp_timer(loop, MS, contract_keep, &record, NULL), IOCP_OK);
    contract_wait(loop, &record, 1);
}

#define WAIT_MANY 1000

static void a_thousand_objects_at_once(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    loop__sleep(loop); /* its first sleep opens something that stays */
    size_t open_before = contract_open_handles();
    contract_record *records = calloc(WAIT_MANY, sizeof *records);
    void **events = calloc(WAIT_MANY, sizeof *events);
    assert_non_null(records);
    assert_non_null(events);
    for (int i = 0; i < WAIT_MANY; i++) {
        events[i] = contract_event_create(false, false);
        (void)wait__start(loop, events[i], &records[i]);
    }
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    for (int i = WAIT_MANY - 1; i >= 0; i--) {
        contract_event_set(events[i]);
    }
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    for (int i = 0; i < WAIT_MANY; i++) {
        assert_ended(&records[i], IOCP_OK);
        assert_false(contract_object_try(events[i]));
        contract_object_close(events[i]);
    }
    free(events);
    free(records);
    (void)contract_settled_handles(open_before);
}

/* ---- Cancels ---- */

static void cancel_of_a_queued_wait_takes_no_signal(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_record cancel = {0};
    void *event = contract_event_create(false, true);
    iocp_op_t op = wait__start(loop, event, &record);
    assert_int_equal(iocp_cancel(loop, op, contract_keep, &cancel, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_ended(&record, IOCP_ECANCELED);
    assert_ended(&cancel, IOCP_OK);
    assert_true(contract_object_try(event));
    contract_object_close(event);
}

static void cancel_of_a_pending_wait_ends_it_as_cancelled(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_record cancel = {0};
    contract_record next = {0};
    void *event = contract_event_create(false, false);
    iocp_op_t op = wait__start(loop, event, &record);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(iocp_cancel(loop, op, contract_keep, &cancel, NULL), IOCP_OK);
    contract_wait(loop, &record, 1);
    contract_wait(loop, &cancel, 1);
    assert_ended(&record, IOCP_ECANCELED);
    assert_int_equal(record.result.native_error, 995); /* ERROR_OPERATION_ABORTED */
    assert_ended(&cancel, IOCP_OK);

    /* The signal is for the next wait, not for the one that is gone. */
    contract_event_set(event);
    contract_idle(loop);
    (void)wait__start(loop, event, &next);
    contract_wait(loop, &next, 1);
    assert_ended(&next, IOCP_OK);
    assert_int_equal(record.calls, 1);
    assert_false(contract_object_try(event));
    contract_object_close(event);
}

static void a_cancelled_wait_that_rearms_waits_again(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {.rearms = 1};
    void *event = contract_event_create(false, false);
    iocp_op_t op = wait__start(loop, event, &record);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    contract_wait(loop, &record, 1);
    assert_int_equal(record.status, IOCP_ECANCELED);
    contract_event_set(event);
    contract_wait(loop, &record, 2);
    assert_int_equal(record.status, IOCP_OK);
    assert_false(contract_object_try(event));
    contract_object_close(event);
}

static void cancel_of_a_wait_that_has_its_signal_delivers_the_success(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_record cancel = {0};
    void *event = contract_event_create(false, false);
    iocp_op_t op = wait__start(loop, event, &record);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    contract_event_set(event);
    if (!wait__takes_at_once()) {
        contract_pass_time(loop, 50 * MS);
    }
    assert_int_equal(iocp_cancel(loop, op, contract_keep, &cancel, NULL), IOCP_OK);
    contract_wait(loop, &record, 1);
    contract_wait(loop, &cancel, 1);
    if (wait__takes_at_once()) {
        assert_int_equal(record.status, IOCP_OK);
    }
    assert_int_equal(cancel.status, IOCP_OK);
    assert_signal_is_there_once(&record, event);
    contract_object_close(event);
}

static void a_signal_between_a_cancel_and_its_effect_is_in_one_place(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    void *event = contract_event_create(false, false);
    iocp_op_t op = wait__start(loop, event, &record);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    contract_event_set(event);
    contract_wait(loop, &record, 1);
    contract_idle(loop);
    assert_signal_is_there_once(&record, event);
    contract_object_close(event);
}

static void a_cancel_of_one_wait_leaves_the_signal_to_its_neighbour(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[2] = {{0}};
    void *event = contract_event_create(false, false);
    iocp_op_t op = wait__start(loop, event, &records[0]);
    (void)wait__start(loop, event, &records[1]);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    contract_wait(loop, &records[0], 1);
    assert_ended(&records[0], IOCP_ECANCELED);
    contract_event_set(event);
    contract_wait(loop, &records[1], 1);
    assert_ended(&records[1], IOCP_OK);
    assert_false(contract_object_try(event));
    contract_object_close(event);
}

static void set_now(void *event)
{
    contract_event_set(event);
}

#define WAIT_RACES 200

static void a_signal_that_races_with_a_cancel_is_in_one_place(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    if (!wait__takes_at_once()) {
        skip(); /* the pool may drop what it has taken for a wait that is being unregistered */
    }
    void *event = contract_event_create(false, false);
    for (int i = 0; i < WAIT_RACES; i++) {
        test_thread thread;
        contract_record record = {0};
        iocp_op_t op = wait__start(loop, event, &record);
        assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
        assert_true(test_thread_start(&thread, set_now, event));
        for (int yields = i % 5; yields > 0; yields--) {
            test_yield();
        }
        assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
        contract_wait(loop, &record, 1);
        test_thread_join(&thread);
        assert_signal_is_there_once(&record, event);
    }
    contract_object_close(event);
}

/* ---- Deadlines, the loop's end ---- */

static void a_deadline_ends_a_wait(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    void *event = contract_event_create(false, false);
    iocp_op_t op = wait__start(loop, event, &record);
    assert_int_equal(iocp_op_deadline(loop, op, 5 * MS), IOCP_OK);
    uint64_t begin_ns = iocp_loop_now(loop);
    contract_wait(loop, &record, 1);
    assert_ended(&record, IOCP_ETIMEDOUT);
    assert_true(record.now_ns >= begin_ns + 5 * MS);
    contract_event_set(event);
    contract_idle(loop);
    assert_true(contract_object_try(event));
    contract_object_close(event);
}

static void a_deadline_does_not_end_a_wait_that_was_quicker(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {.rearms = 1};
    void *event = contract_event_create(false, true);
    iocp_op_t op = wait__start(loop, event, &record);
    assert_int_equal(iocp_op_deadline(loop, op, 20 * S), IOCP_OK);
    contract_wait(loop, &record, 1);
    assert_int_equal(record.status, IOCP_OK);
    /* It held for the first wait only. */
    contract_idle(loop);
    contract_event_set(event);
    contract_wait(loop, &record, 2);
    assert_int_equal(record.status, IOCP_OK);
    contract_object_close(event);
}

static void destroy_ends_waits_that_are_pending(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record pending = {.rearms = 100};
    contract_record queued = {.rearms = 100};
    void *events[2] = {contract_event_create(false, false), contract_event_create(false, true)};
    (void)wait__start(loop, events[0], &pending);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    (void)wait__start(loop, events[1], &queued);
    contract_loop_destroy(loop);
    contract_forget_loop(state);
    assert_ended(&pending, IOCP_ECANCELED);
    assert_ended(&queued, IOCP_ECANCELED);
    assert_true(contract_object_try(events[1]));
    contract_event_set(events[0]); /* nobody is there any more */
    assert_true(contract_object_try(events[0]));
    contract_object_close(events[0]);
    contract_object_close(events[1]);
}

static void destroy_delivers_a_signal_that_was_quicker(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    if (!wait__takes_at_once()) {
        skip(); /* there a destroy may win against a signal that came first */
    }
    void *event = contract_event_create(false, false);
    (void)wait__start(loop, event, &record);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    contract_event_set(event);
    contract_loop_destroy(loop);
    contract_forget_loop(state);
    assert_ended(&record, IOCP_OK);
    assert_false(contract_object_try(event));
    contract_object_close(event);
}

/* ---- Bad arguments ---- */

static void what_is_no_object_is_told_in_the_result(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {.rearms = 1};
    (void)wait__start(loop, contract_object_bad(), &record);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(record.calls, 2);
    assert_int_equal(record.status, IOCP_EBADF);
    assert_int_equal(record.result.native_error, 6); /* ERROR_INVALID_HANDLE */
}

static void a_wait_for_nothing_is_refused(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    iocp_op_t op = {0};
    void *event = contract_event_create(false, false);
    assert_int_equal(iocp_wait(loop, NULL, contract_keep, &record, &op), IOCP_EINVAL);
    assert_int_equal(iocp_wait(loop, event, NULL, &record, &op), IOCP_EINVAL);
    assert_int_equal(iocp_wait(NULL, event, contract_keep, &record, &op), IOCP_EINVAL);
    contract_idle(loop);
    assert_int_equal(record.calls, 0);
    assert_int_equal(contract_stats(loop).operations, 0);
    contract_object_close(event);
}

/* ---- Threads, and what keeps a loop going ---- */

static void set_soon(void *event)
{
    test_sleep_ms(2); /* most likely the loop sleeps then; if not, the test passes all the same */
    contract_event_set(event);
}

static void a_signal_from_another_thread_wakes_the_loop(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    void *event = contract_event_create(false, false);
    for (int i = 0; i < 20; i++) {
        test_thread thread;
        contract_record record = {0};
        (void)wait__start(loop, event, &record);
        assert_true(test_thread_start(&thread, i % 2 == 0 ? set_soon : set_now, event));
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
        test_thread_join(&thread);
        assert_ended(&record, IOCP_OK);
    }
    contract_object_close(event);
}

static void a_wait_keeps_the_loop_running_unless_it_is_unreffed(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    void *event = contract_event_create(false, false);
    iocp_op_t op = wait__start(loop, event, &record);
    assert_int_equal(iocp_loop_active(loop), 1);
    assert_int_equal(iocp_op_unref(loop, op), IOCP_OK);
    assert_int_equal(iocp_loop_active(loop), 0);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(record.calls, 0);
    assert_int_equal(iocp_op_ref(loop, op), IOCP_OK);
    contract_event_set(event);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_ended(&record, IOCP_OK);
    contract_object_close(event);
}

static void the_steady_state_of_waits_allocates_nothing(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {.rearms = INT32_MAX};
    void *event = contract_event_create(false, false);
    iocp_op_t op = wait__start(loop, event, &record);
    contract_event_set(event);
    contract_wait(loop, &record, 1);
    uint64_t allocations = contract_stats(loop).allocations;
    for (int i = 2; i < 200; i++) {
        contract_record once = {0};
        contract_event_set(event);
        contract_wait(loop, &record, i);
        (void)wait__start(loop, contract_object_bad(), &once);
        contract_wait(loop, &once, 1);
    }
    assert_int_equal(contract_stats(loop).allocations, allocations);
    record.rearms = 0;
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    contract_object_close(event);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TEST(a_wait_ends_when_its_event_is_signaled),
        CONTRACT_TEST(a_wait_for_what_is_signaled_already_ends_at_once),
        CONTRACT_TEST(a_rearmed_wait_calls_back_once_for_each_signal),
        CONTRACT_TEST(a_wait_that_is_over_takes_no_signal),
        CONTRACT_TEST(a_rearmed_wait_takes_the_whole_count_of_a_semaphore),
        CONTRACT_TEST(one_signal_ends_exactly_one_of_several_waits),
        CONTRACT_TEST(a_manual_reset_event_ends_all_waits),
        CONTRACT_TEST(two_loops_wait_for_one_event_and_one_gets_it),
        CONTRACT_TEST(cancel_of_a_queued_wait_takes_no_signal),
        CONTRACT_TEST(cancel_of_a_pending_wait_ends_it_as_cancelled),
        CONTRACT_TEST(a_cancelled_wait_that_rearms_waits_again),
        CONTRACT_TEST(cancel_of_a_wait_that_has_its_signal_delivers_the_success),
        CONTRACT_TEST(a_signal_between_a_cancel_and_its_effect_is_in_one_place),
        CONTRACT_TEST(a_cancel_of_one_wait_leaves_the_signal_to_its_neighbour),
        CONTRACT_TEST(a_signal_that_races_with_a_cancel_is_in_one_place),
        CONTRACT_TEST(a_deadline_ends_a_wait),
        CONTRACT_TEST(a_deadline_does_not_end_a_wait_that_was_quicker),
        CONTRACT_TEST(destroy_ends_waits_that_are_pending),
        CONTRACT_TEST(destroy_delivers_a_signal_that_was_quicker),
        CONTRACT_TEST(what_is_no_object_is_told_in_the_result),
        CONTRACT_TEST(a_wait_for_nothing_is_refused),
        CONTRACT_TEST(a_signal_from_another_thread_wakes_the_loop),
        CONTRACT_TEST(a_wait_keeps_the_loop_running_unless_it_is_unreffed),
        CONTRACT_TEST(the_steady_state_of_waits_allocates_nothing),
    };
    const struct CMUnitTest large_tests[] = {
        CONTRACT_TEST(a_thousand_objects_at_once),
    };
    contract_object_begin();
    return CONTRACT_RUN(tests) + CONTRACT_RUN_WITHOUT_SOCKETS(large_tests);
}
