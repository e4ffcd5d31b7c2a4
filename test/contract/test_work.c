/* Blocking work: its answer, its thread, and what ends it before it has begun. */
#include "contract_env.h"
#include "contract_object.h"

#include "atomic.h"

#include <stdlib.h>

/* What a function did. It runs on another thread, or in the simulation on the loop's. */
typedef struct work_job {
    ioc_atomic_u32 runs;
    uint64_t answer;
    uint64_t thread;
    void *begun; /* NULL, or an event to set when it has begun */
    void *gate;  /* NULL, or an event to wait for */
} work_job;

static uint64_t IOCP_CALL work__run(void *arg)
{
    work_job *job = arg;
    ioc_add_u32(&job->runs, 1);
    job->thread = contract_thread_id();
    if (job->begun != NULL) {
        contract_event_set(job->begun);
    }
    if (job->gate != NULL) {
        contract_object_block(job->gate);
    }
    return job->answer;
}

static iocp_op_t work__start(iocp_loop_t *loop, work_job *job, contract_record *record)
{
    iocp_op_t op = {0};
    assert_int_equal(iocp_work(loop, work__run, job, contract_keep, record, &op), IOCP_OK);
    return op;
}

static void assert_ended(const contract_record *record, int status, uint64_t value)
{
    assert_int_equal(record->calls, 1);
    assert_int_equal(record->status, status);
    assert_int_equal(record->result.value, value);
}

/* The function ran and that is what the result says, or it did not and was cancelled. */
static void assert_ran_or_not(const work_job *job, const contract_record *record, int reason)
{
    assert_int_equal(record->calls, 1);
    if (ioc_load_u32(&job->runs) == 0) {
        assert_ended(record, reason, 0);
    } else {
        assert_int_equal(ioc_load_u32(&job->runs), 1);
        assert_ended(record, IOCP_OK, job->answer);
    }
}

/* ---- Success ---- */

static void the_answer_of_a_function_comes_back(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    work_job job = {.answer = UINT64_C(0xfedcba9876543210)};
    iocp_op_t op = work__start(loop, &job, &record);
    assert_int_equal(ioc_load_u32(&job.runs), 0); /* not before it was started */
    assert_int_equal(iocp_loop_active(loop), 1);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_ended(&record, IOCP_OK, job.answer);
    assert_int_equal(ioc_load_u32(&job.runs), 1);
    assert_int_equal(record.result.type, IOCP_TYPE_WORK);
    assert_true(record.result.op.id == op.id);
    assert_true(record.result.handle.id == 0);
    assert_int_equal(record.result.flags, 0);
    assert_int_equal(record.result.native_error, 0);
    assert_int_equal(iocp_op_state(loop, op), IOCP_OP_DEAD);
}

static void a_function_runs_on_another_thread(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    work_job job = {.answer = 1};
    if (contract_clock_is_virtual()) {
        skip(); /* the simulation runs it in a dequeue */
    }
    (void)work__start(loop, &job, &record);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_ended(&record, IOCP_OK, 1);
    assert_true(job.thread != contract_thread_id());
}

#define WORK_MANY 300

static void many_functions_run_each_once(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record *records = calloc(WORK_MANY, sizeof *records);
    work_job *jobs = calloc(WORK_MANY, sizeof *jobs);
    assert_non_null(records);
    assert_non_null(jobs);
    for (int i = 0; i < WORK_MANY; i++) {
        jobs[i].answer = (uint64_t)i;
        (void)work__start(loop, &jobs[i], &records[i]);
    }
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    for (int i = 0; i < WORK_MANY; i++) {
        assert_ended(&records[i], IOCP_OK, (uint64_t)i);
        assert_int_equal(ioc_load_u32(&jobs[i].runs), 1);
    }
    free(jobs);
    free(records);
}

static void rearmed_work_runs_again(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {.rearms = 9};
    work_job job = {.answer = 5};
    (void)work__start(loop, &job, &record);
    for (uint32_t runs = 1; runs <= 10; runs++) {
        contract_wait(loop, &record, (int)runs);
        assert_int_equal(record.status, IOCP_OK);
        assert_int_equal(record.result.value, 5);
        assert_int_equal(ioc_load_u32(&job.runs), runs);
    }
    assert_int_equal(iocp_loop_active(loop), 0);
}

static void the_steady_state_of_work_allocates_nothing(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record warm = {0};
    contract_record record = {.rearms = 99};
    work_job job = {.answer = 5};
    (void)work__start(loop, &job, &warm);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    uint64_t allocations = contract_stats(loop).allocations;
    (void)work__start(loop, &job, &record);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(record.calls, 100);
    assert_int_equal(contract_stats(loop).allocations, allocations);
}

/* ---- Ending early ---- */

static void work_that_is_cancelled_before_its_start_does_not_run(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_record cancel = {0};
    work_job job = {.answer = 5};
    iocp_op_t op = work__start(loop, &job, &record);
    assert_int_equal(iocp_cancel(loop, op, contract_keep, &cancel, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    contract_idle(loop);
    assert_ended(&record, IOCP_ECANCELED, 0);
    assert_int_equal(cancel.status, IOCP_OK);
    assert_int_equal(ioc_load_u32(&job.runs), 0);
}

/* It is open who comes first: the cancel or the function, and the cancel or the packet. */
static void work_that_is_cancelled_ran_or_did_not(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    for (int i = 0; i < 50; i++) {
        contract_record record = {0};
        contract_record cancel = {0};
        work_job job = {.answer = 5};
        iocp_op_t op = work__start(loop, &job, &record);
        assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
        if (i % 2 == 1) {
            contract_pass_time(loop, 1 * MS);
            assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
        }
        bool was_there = record.calls > 0;
        assert_int_equal(iocp_cancel(loop, op, contract_keep, &cancel, NULL), IOCP_OK);
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
        assert_ran_or_not(&job, &record, IOCP_ECANCELED);
        assert_int_equal(cancel.status, was_there ? IOCP_ENOENT : IOCP_OK);
    }
}

static void work_that_runs_is_not_ended_by_a_cancel(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_record cancel = {0};
    if (contract_clock_is_virtual()) {
        skip(); /* the simulation's loop does nothing else while it runs */
    }
    work_job job = {
        .answer = 5,
        .begun = contract_event_create(false, false),
        .gate = contract_event_create(false, false),
    };
    iocp_op_t op = work__start(loop, &job, &record);
    assert_int_equal(iocp_op_deadline(loop, op, 60 * S), IOCP_OK);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    contract_object_block(job.begun);
    assert_int_equal(iocp_cancel(loop, op, contract_keep, &cancel, NULL), IOCP_OK);
    contract_wait(loop, &cancel, 1);
    contract_idle(loop);
    assert_int_equal(record.calls, 0);
    contract_event_set(job.gate);
    contract_wait(loop, &record, 1);
    assert_ended(&record, IOCP_OK, 5);
    assert_int_equal(cancel.status, IOCP_OK);
    contract_object_close(job.begun);
    contract_object_close(job.gate);
}

static void work_that_runs_is_not_ended_by_a_deadline(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_record timer = {0};
    if (contract_clock_is_virtual()) {
        skip(); /* the simulation's loop does nothing else while it runs */
    }
    work_job job = {
        .answer = 5,
        .begun = contract_event_create(false, false),
        .gate = contract_event_create(false, false),
    };
    iocp_op_t op = work__start(loop, &job, &record);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    contract_object_block(job.begun);
    assert_int_equal(iocp_op_deadline(loop, op, 1 * MS), IOCP_OK);
    assert_int_equal(iocp_timer(loop, 5 * MS, contract_keep, &timer, NULL), IOCP_OK);
    contract_wait(loop, &timer, 1);
    assert_int_equal(record.calls, 0);
    contract_event_set(job.gate);
    contract_wait(loop, &record, 1);
    assert_ended(&record, IOCP_OK, 5);
    contract_object_close(job.begun);
    contract_object_close(job.gate);
}

static void a_deadline_of_no_time_keeps_work_from_running(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    work_job job = {.answer = 5};
    iocp_op_t op = work__start(loop, &job, &record);
    assert_int_equal(iocp_op_deadline(loop, op, 0), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_ended(&record, IOCP_ETIMEDOUT, 0);
    assert_int_equal(ioc_load_u32(&job.runs), 0);
}

static void destroy_waits_for_a_function_that_runs(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {.rearms = 3};
    if (contract_clock_is_virtual()) {
        skip(); /* the simulation's loop does nothing else while it runs */
    }
    work_job job = {
        .answer = 5,
        .begun = contract_event_create(false, false),
        .gate = contract_event_create(false, false),
    };
    (void)work__start(loop, &job, &record);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    contract_object_block(job.begun);
    assert_int_equal(iocp_loop_destroy(loop, 3 * MS), IOCP_ETIMEDOUT);
    assert_int_equal(record.calls, 0);
    contract_event_set(job.gate);
    contract_loop_destroy(loop);
    contract_forget_loop(state);
    assert_int_equal(record.calls, 2); /* it wished to go on, and was told once more */
    assert_int_equal(record.status, IOCP_ECANCELED);
    assert_int_equal(ioc_load_u32(&job.runs), 1);
    contract_object_close(job.begun);
    contract_object_close(job.gate);
}

static void destroy_ends_work_that_has_not_begun(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    enum {
        COUNT = 20
    };
    contract_record records[COUNT] = {{0}};
    work_job jobs[COUNT] = {{.answer = 0}};
    for (int i = 0; i < COUNT; i++) {
        jobs[i].answer = 5;
        (void)work__start(loop, &jobs[i], &records[i]);
        if (i == COUNT / 2) {
            assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
        }
    }
    contract_loop_destroy(loop);
    contract_forget_loop(state);
    for (int i = 0; i < COUNT; i++) {
        assert_ran_or_not(&jobs[i], &records[i], IOCP_ECANCELED);
        assert_true(i <= COUNT / 2 || ioc_load_u32(&jobs[i].runs) == 0); /* never started */
    }
}

/* ---- What a function may call ---- */

typedef struct work_messenger {
    iocp_loop_t *loop;
    iocp_async_t *async;
    int arrived; /* by post */
    int post_status;
    int notify_status;
} work_messenger;

static void IOCP_CALL work__arrive(iocp_loop_t *loop, void *arg)
{
    work_messenger *messenger = arg;
    (void)loop;
    messenger->arrived++;
}

static uint64_t IOCP_CALL work__send(void *arg)
{
    work_messenger *messenger = arg;
    messenger->post_status = iocp_post(messenger->loop, work__arrive, messenger);
    messenger->notify_status = iocp_async_notify(messenger->async);
    return 1;
}

static void a_function_reaches_its_loop_by_posts_and_notifies(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_record notified = {0};
    work_messenger messenger = {.loop = loop, .post_status = 1, .notify_status = 1};
    assert_int_equal(iocp_async_create(loop, &messenger.async), IOCP_OK);
    assert_int_equal(iocp_async_wait(loop, messenger.async, contract_keep, &notified, NULL),
                     IOCP_OK);
    assert_int_equal(iocp_work(loop, work__send, &messenger, contract_keep, &record, NULL),
                     IOCP_OK);
    contract_wait(loop, &record, 1);
    contract_wait(loop, &notified, 1);
    contract_idle(loop);
    assert_ended(&record, IOCP_OK, 1);
    assert_int_equal(notified.status, IOCP_OK);
    assert_int_equal(messenger.post_status, IOCP_OK);
    assert_int_equal(messenger.notify_status, IOCP_OK);
    assert_int_equal(messenger.arrived, 1);
    assert_int_equal(iocp_async_destroy(messenger.async), IOCP_OK);
}

static void work_of_nothing_is_refused(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    work_job job = {.answer = 5};
    iocp_op_t op = {0};
    assert_int_equal(iocp_work(loop, NULL, &job, contract_keep, &record, &op), IOCP_EINVAL);
    assert_int_equal(iocp_work(loop, work__run, &job, NULL, &record, &op), IOCP_EINVAL);
    assert_int_equal(iocp_work(NULL, work__run, &job, contract_keep, &record, &op), IOCP_EINVAL);
    contract_idle(loop);
    assert_int_equal(record.calls, 0);
    assert_int_equal(ioc_load_u32(&job.runs), 0);
    assert_int_equal(contract_stats(loop).operations, 0);
}

static void work_keeps_the_loop_running_unless_it_is_unreffed(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    work_job job = {.answer = 5};
    iocp_op_t op = work__start(loop, &job, &record);
    assert_int_equal(iocp_op_unref(loop, op), IOCP_OK);
    assert_int_equal(iocp_loop_active(loop), 0);
    assert_int_equal(iocp_op_ref(loop, op), IOCP_OK);
    assert_int_equal(iocp_loop_active(loop), 1);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_ended(&record, IOCP_OK, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TEST(the_answer_of_a_function_comes_back),
        CONTRACT_TEST(a_function_runs_on_another_thread),
        CONTRACT_TEST(many_functions_run_each_once),
        CONTRACT_TEST(rearmed_work_runs_again),
        CONTRACT_TEST(the_steady_state_of_work_allocates_nothing),
        CONTRACT_TEST(work_that_is_cancelled_before_its_start_does_not_run),
        CONTRACT_TEST(work_that_is_cancelled_ran_or_did_not),
        CONTRACT_TEST(work_that_runs_is_not_ended_by_a_cancel),
        CONTRACT_TEST(work_that_runs_is_not_ended_by_a_deadline),
        CONTRACT_TEST(a_deadline_of_no_time_keeps_work_from_running),
        CONTRACT_TEST(destroy_waits_for_a_function_that_runs),
        CONTRACT_TEST(destroy_ends_work_that_has_not_begun),
        CONTRACT_TEST(a_function_reaches_its_loop_by_posts_and_notifies),
        CONTRACT_TEST(work_of_nothing_is_refused),
        CONTRACT_TEST(work_keeps_the_loop_running_unless_it_is_unreffed),
    };
    contract_object_begin();
    return CONTRACT_RUN_WITHOUT_SOCKETS(tests);
}
