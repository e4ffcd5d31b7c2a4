/* The console: each event is told to each watch, and what they answer goes back to Windows. */
#include "contract_console.h"
#include "contract_object.h"

#include "base.h"

#define CONSOLE_MOST_CALLS 8

/* All that the callbacks of a watch were told. */
typedef struct console_record {
    int calls;
    int rearms;              /* answer IOCP_REARM this many more times */
    contract_console *raise; /* in the first call another event comes */
    iocp_console_event_t which;
    bool cancels; /* in the first call, itself */
    bool stops;   /* in the first call, its loop */
    int status[CONSOLE_MOST_CALLS];
    uint32_t event[CONSOLE_MOST_CALLS];
    uint32_t flags[CONSOLE_MOST_CALLS];
} console_record;

static void console__act(iocp_loop_t *loop, const iocp_result_t *result,
                         const console_record *record)
{
    if (record->raise != NULL) {
        contract_console_raise(record->raise, record->which);
    }
    if (record->cancels) {
        assert_int_equal(iocp_cancel(loop, result->op, NULL, NULL, NULL), IOCP_OK);
    }
    if (record->stops) {
        assert_int_equal(iocp_loop_stop(loop), IOCP_OK);
    }
}

static iocp_action_t IOCP_CALL console__keep(iocp_loop_t *loop, const iocp_result_t *result,
                                             void *userdata)
{
    console_record *record = userdata;
    if (contract_is_over()) {
        return IOCP_DISARM;
    }
    int i = record->calls++;
    assert_int_equal(result->type, IOCP_TYPE_CONSOLE_WATCH);
    assert_in_range(i, 0, CONSOLE_MOST_CALLS - 1);
    record->status[i] = result->status;
    record->event[i] = result->event;
    record->flags[i] = result->flags;
    if (i == 0) {
        console__act(loop, result, record);
    }
    return record->rearms-- > 0 ? IOCP_REARM : IOCP_DISARM;
}

/* A watch that hears what comes from here on. */
static iocp_op_t console__watch(iocp_loop_t *loop, console_record *record)
{
    iocp_op_t op = {0};
    assert_int_equal(iocp_console_watch(loop, console__keep, record, &op), IOCP_OK);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    return op;
}

static void console__wait(iocp_loop_t *loop, const console_record *record, int calls)
{
    while (record->calls < calls) {
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_ONCE), IOCP_OK);
        assert_true(record->calls >= calls || iocp_loop_active(loop) > 0);
    }
}

static void assert_told(const console_record *record, int call, iocp_console_event_t which)
{
    assert_true(record->calls >= call);
    assert_int_equal(record->status[call - 1], IOCP_OK);
    assert_int_equal(record->event[call - 1], which);
}

static void assert_ended(const console_record *record, int call, int status)
{
    assert_true(record->calls >= call);
    assert_int_equal(record->status[call - 1], status);
    assert_int_equal(record->event[call - 1], 0);
}

/* What becomes of an event while nobody watches. */
static void assert_nobody_watches(void)
{
    contract_console event;
    contract_console_raise(&event, IOCP_CONSOLE_C);
    assert_int_equal(contract_console_end(&event), CONTRACT_CONSOLE_PASSED);
}

/* ---- One watch ---- */

static void each_event_is_told_and_handled(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    console_record record = {.rearms = 5};
    iocp_op_t op = console__watch(loop, &record);
    for (int which = IOCP_CONSOLE_C; which <= IOCP_CONSOLE_SHUTDOWN; which++) {
        contract_console event;
        contract_console_raise(&event, (iocp_console_event_t)which);
        console__wait(loop, &record, which);
        assert_told(&record, which, (iocp_console_event_t)which);
        assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
        assert_int_equal(contract_console_end(&event), CONTRACT_CONSOLE_HANDLED);
    }
    contract_idle(loop);
    assert_int_equal(record.calls, 5);
    assert_int_equal(iocp_op_state(loop, op), IOCP_OP_ACTIVE);
}

static void without_a_watch_an_event_goes_on_to_other_handlers(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    console_record record = {.rearms = 0};
    assert_nobody_watches();
    assert_int_equal(iocp_console_watch(loop, console__keep, &record, NULL), IOCP_OK);
    assert_nobody_watches(); /* it has not begun */
    assert_int_equal(record.calls, 0);
}

static void the_event_behind_a_disarm_finds_no_watch(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    console_record record = {.rearms = 0};
    contract_console event;
    iocp_op_t op = console__watch(loop, &record);
    contract_console_raise(&event, IOCP_CONSOLE_C);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(contract_console_end(&event), CONTRACT_CONSOLE_HANDLED);
    assert_int_equal(iocp_op_state(loop, op), IOCP_OP_DEAD);
    assert_nobody_watches();
    assert_int_equal(record.calls, 1);
}

static void an_event_that_comes_while_the_callback_runs_is_told_next(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_console events[2];
    console_record record = {.rearms = 1, .raise = &events[1], .which = IOCP_CONSOLE_BREAK};
    console__watch(loop, &record);
    contract_console_raise(&events[0], IOCP_CONSOLE_C);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(record.calls, 2);
    assert_told(&record, 1, IOCP_CONSOLE_C);
    assert_told(&record, 2, IOCP_CONSOLE_BREAK);
    if (contract_clock_is_virtual()) { /* Windows' threads come one after the other */
        assert_int_equal(record.flags[1], IOCP_RESULT_INLINE);
    }
    assert_int_equal(contract_console_end(&events[0]), CONTRACT_CONSOLE_HANDLED);
    assert_int_equal(contract_console_end(&events[1]), CONTRACT_CONSOLE_HANDLED);
}

static void an_event_that_comes_with_the_end_of_the_watch_goes_on(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    for (int cancels = 0; cancels < 2; cancels++) {
        contract_console events[2];
        console_record record = {.rearms = cancels, .raise = &events[1], .cancels = cancels == 1};
        record.which = IOCP_CONSOLE_BREAK;
        console__watch(loop, &record);
        contract_console_raise(&events[0], IOCP_CONSOLE_C);
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
        assert_int_equal(contract_console_end(&events[0]), CONTRACT_CONSOLE_HANDLED);
        assert_int_equal(contract_console_end(&events[1]), CONTRACT_CONSOLE_PASSED);
        assert_told(&record, 1, IOCP_CONSOLE_C);
        assert_int_equal(record.calls, 1 + cancels);
        if (cancels == 1) {
            assert_ended(&record, 2, IOCP_ECANCELED);
        }
    }
}

static void an_event_is_told_or_goes_on_when_its_watch_is_cancelled(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    console_record record = {.rearms = 1};
    contract_console event;
    int told = 0;
    iocp_op_t op = console__watch(loop, &record);
    contract_console_raise(&event, IOCP_CONSOLE_C); /* quicker than one of these, or not */
    for (int calls = 1; calls <= 2; calls++) {
        assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
        console__wait(loop, &record, calls);
        assert_true(record.status[calls - 1] == IOCP_OK || record.event[calls - 1] == 0);
        told += record.status[calls - 1] == IOCP_OK;
    }
    assert_int_equal(iocp_op_state(loop, op), IOCP_OP_DEAD);
    assert_in_range(told, 0, 1);
    contract_console_answer answer = told == 1 ? CONTRACT_CONSOLE_HANDLED : CONTRACT_CONSOLE_PASSED;
    assert_int_equal(contract_console_end(&event), answer);
    assert_nobody_watches();
}

static void a_watch_that_has_timed_out_and_rearms_hears_what_comes_then(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    console_record record = {.rearms = 1};
    contract_console event;
    iocp_op_t op = console__watch(loop, &record);
    assert_int_equal(iocp_op_deadline(loop, op, 3 * MS), IOCP_OK);
    console__wait(loop, &record, 1);
    assert_ended(&record, 1, IOCP_ETIMEDOUT);
    assert_int_equal(iocp_op_deadline(loop, op, UINT64_MAX), IOCP_OK);
    contract_console_raise(&event, IOCP_CONSOLE_BREAK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_told(&record, 2, IOCP_CONSOLE_BREAK);
    assert_int_equal(contract_console_end(&event), CONTRACT_CONSOLE_HANDLED);
}

static void a_stopped_loop_tells_of_the_event_when_it_goes_on(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    console_record record = {.rearms = 0};
    contract_console event;
    console__watch(loop, &record);
    assert_int_equal(iocp_loop_stop(loop), IOCP_OK);
    contract_console_raise(&event, IOCP_CONSOLE_C);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(record.calls, 0);
    assert_int_equal(iocp_loop_resume(loop), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_told(&record, 1, IOCP_CONSOLE_C);
    assert_int_equal(contract_console_end(&event), CONTRACT_CONSOLE_HANDLED);
}

/* What was told counts, also where the wish to go on cannot be granted. */
static void an_event_is_handled_if_its_loop_is_stopped_in_the_callback_and_destroyed(void **state)
{
    for (int rearms = 0; rearms < 2; rearms++) {
        iocp_loop_t *loop = contract_loop_create();
        console_record record = {.rearms = rearms, .stops = true};
        contract_console event;
        console__watch(loop, &record);
        contract_console_raise(&event, IOCP_CONSOLE_C);
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
        assert_told(&record, 1, IOCP_CONSOLE_C);
        contract_loop_destroy(loop);
        assert_int_equal(record.calls, 1 + rearms);
        assert_int_equal(contract_console_end(&event), CONTRACT_CONSOLE_HANDLED);
        assert_nobody_watches();
    }
    (void)state;
}

static void the_end_of_its_loop_ends_a_watch_and_an_event_that_comes_with_it_is_told_or_goes_on(
    void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    console_record record = {.rearms = 0};
    contract_console event;
    console__watch(loop, &record);
    contract_console_raise(&event, IOCP_CONSOLE_BREAK);
    contract_loop_destroy(loop);
    contract_forget_loop(state);
    assert_int_equal(record.calls, 1);
    assert_int_equal(contract_console_end(&event), record.status[0] == IOCP_OK
                                                       ? CONTRACT_CONSOLE_HANDLED
                                                       : CONTRACT_CONSOLE_PASSED);
    assert_nobody_watches();
}

/* ---- Several ---- */

#define CONSOLE_WATCHES 4

/* Two loops with two watches each. */
typedef struct console_crowd {
    iocp_loop_t *loops[2];
    console_record records[CONSOLE_WATCHES];
} console_crowd;

static void crowd__watch(console_crowd *crowd, int rearms)
{
    for (int i = 0; i < CONSOLE_WATCHES; i++) {
        crowd->records[i].rearms = rearms;
        console__watch(crowd->loops[i % 2], &crowd->records[i]);
    }
}

static void crowd__wait(console_crowd *crowd, int calls)
{
    for (int i = 0; i < CONSOLE_WATCHES; i++) {
        console__wait(crowd->loops[i % 2], &crowd->records[i], calls);
        assert_int_equal(crowd->records[i].calls, calls);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(iocp_loop_submit(crowd->loops[i]), IOCP_OK);
    }
}

static void every_watch_of_every_loop_is_told(void **state)
{
    console_crowd crowd = {.loops = {contract_loop(state), contract_loop_create()}};
    static const iocp_console_event_t events[] = {IOCP_CONSOLE_C, IOCP_CONSOLE_CLOSE,
                                                  IOCP_CONSOLE_C};
    crowd__watch(&crowd, 3);
    for (int i = 0; i < (int)IOC_COUNT_OF(events); i++) {
        contract_console event;
        contract_console_raise(&event, events[i]);
        crowd__wait(&crowd, i + 1);
        for (int k = 0; k < CONSOLE_WATCHES; k++) {
            assert_told(&crowd.records[k], i + 1, events[i]);
        }
        assert_int_equal(contract_console_end(&event), CONTRACT_CONSOLE_HANDLED);
    }
    contract_loop_destroy(crowd.loops[1]);
}

static void a_watch_that_is_left_goes_on_alone(void **state)
{
    console_crowd crowd = {.loops = {contract_loop(state), contract_loop_create()}};
    contract_console event;
    crowd__watch(&crowd, 9);
    contract_loop_destroy(crowd.loops[1]);
    contract_console_raise(&event, IOCP_CONSOLE_C);
    console__wait(crowd.loops[0], &crowd.records[0], 1);
    console__wait(crowd.loops[0], &crowd.records[2], 1);
    assert_told(&crowd.records[0], 1, IOCP_CONSOLE_C);
    assert_told(&crowd.records[2], 1, IOCP_CONSOLE_C);
    assert_ended(&crowd.records[1], 1, IOCP_ECANCELED);
    assert_ended(&crowd.records[3], 1, IOCP_ECANCELED);
    assert_int_equal(iocp_loop_submit(crowd.loops[0]), IOCP_OK);
    assert_int_equal(contract_console_end(&event), CONTRACT_CONSOLE_HANDLED);
}

/* Which of the answers it is does not matter; Ctrl-C is only handled. */
static void one_disarm_among_the_answers_keeps_windows_waiting(void **state)
{
    if (!contract_clock_is_virtual()) {
        skip(); /* its thread would stay until the end of this program: see win32/test_console.c */
    }
    for (int disarms = 0; disarms <= CONSOLE_WATCHES; disarms++) {
        for (int which = IOCP_CONSOLE_C; which <= IOCP_CONSOLE_SHUTDOWN; which++) {
            console_crowd crowd = {.loops = {contract_loop_create(), contract_loop_create()}};
            contract_console event;
            crowd__watch(&crowd, 9);
            if (disarms < CONSOLE_WATCHES) {
                crowd.records[disarms].rearms = 0;
            }
            contract_console_raise(&event, (iocp_console_event_t)which);
            crowd__wait(&crowd, 1);
            bool stays = disarms < CONSOLE_WATCHES && which >= IOCP_CONSOLE_CLOSE;
            assert_int_equal(contract_console_end(&event),
                             stays ? CONTRACT_CONSOLE_STAYS : CONTRACT_CONSOLE_HANDLED);
            contract_loop_destroy(crowd.loops[0]);
            contract_loop_destroy(crowd.loops[1]);
        }
    }
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TEST(each_event_is_told_and_handled),
        CONTRACT_TEST(without_a_watch_an_event_goes_on_to_other_handlers),
        CONTRACT_TEST(the_event_behind_a_disarm_finds_no_watch),
        CONTRACT_TEST(an_event_that_comes_while_the_callback_runs_is_told_next),
        CONTRACT_TEST(an_event_that_comes_with_the_end_of_the_watch_goes_on),
        CONTRACT_TEST(an_event_is_told_or_goes_on_when_its_watch_is_cancelled),
        CONTRACT_TEST(a_watch_that_has_timed_out_and_rearms_hears_what_comes_then),
        CONTRACT_TEST(a_stopped_loop_tells_of_the_event_when_it_goes_on),
        CONTRACT_TEST(an_event_is_handled_if_its_loop_is_stopped_in_the_callback_and_destroyed),
        CONTRACT_TEST(
            the_end_of_its_loop_ends_a_watch_and_an_event_that_comes_with_it_is_told_or_goes_on),
        CONTRACT_TEST(every_watch_of_every_loop_is_told),
        CONTRACT_TEST(a_watch_that_is_left_goes_on_alone),
        CONTRACT_TEST(one_disarm_among_the_answers_keeps_windows_waiting),
    };
    contract_object_begin();
    contract_console_begin();
    return CONTRACT_RUN_WITHOUT_SOCKETS(tests);
}
