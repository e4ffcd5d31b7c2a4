/* Processes and jobs: exit codes, and messages that come one by one, in one batch, and too late. */
#include "contract_env.h"
#include "contract_object.h"

#include <string.h>

#define JOB_MOST_CALLS 16

/* All that the callbacks of a watch were told. */
typedef struct job_record {
    int calls;
    int rearms;       /* answer IOCP_REARM this many more times */
    int cancel_after; /* in this call, counted from 1, cancel the watch */
    int status[JOB_MOST_CALLS];
    uint32_t message[JOB_MOST_CALLS];
    uint64_t value[JOB_MOST_CALLS];
} job_record;

static iocp_action_t IOCP_CALL job__keep(iocp_loop_t *loop, const iocp_result_t *result,
                                         void *userdata)
{
    job_record *record = userdata;
    if (contract_is_over()) {
        return IOCP_DISARM;
    }
    int i = record->calls++;
    assert_int_equal(result->type, IOCP_TYPE_JOB_WATCH);
    assert_in_range(i, 0, JOB_MOST_CALLS - 1);
    record->status[i] = result->status;
    record->message[i] = result->event;
    record->value[i] = result->value;
    if (record->calls == record->cancel_after) {
        assert_int_equal(iocp_cancel(loop, result->op, NULL, NULL, NULL), IOCP_OK);
    }
    return record->rearms-- > 0 ? IOCP_REARM : IOCP_DISARM;
}

static iocp_op_t job__watch(iocp_loop_t *loop, void *job, job_record *record)
{
    iocp_op_t op = {0};
    assert_int_equal(iocp_job_watch(loop, job, job__keep, record, &op), IOCP_OK);
    return op;
}

static void job__wait(iocp_loop_t *loop, const job_record *record, int calls)
{
    while (record->calls < calls) {
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_ONCE), IOCP_OK);
        assert_true(record->calls >= calls || iocp_loop_active(loop) > 0);
    }
}

static void assert_message(const job_record *record, int call, uint32_t message, uint64_t value)
{
    assert_true(record->calls >= call);
    assert_int_equal(record->status[call - 1], IOCP_OK);
    assert_int_equal(record->message[call - 1], message);
    assert_int_equal(record->value[call - 1], value);
}

static void assert_no_message(const job_record *record, int call, int status)
{
    assert_true(record->calls >= call);
    assert_int_equal(record->status[call - 1], status);
    assert_int_equal(record->message[call - 1], 0);
    assert_int_equal(record->value[call - 1], 0);
}

/* A watched job with a process in it that was told of. */
static contract_process job__start(iocp_loop_t *loop, void *job, job_record *record)
{
    contract_process process = contract_process_start(job);
    job__wait(loop, record, 1);
    assert_message(record, 1, CONTRACT_JOB_NEW_PROCESS, process.id);
    return process;
}

/* The process has ended, and its job has sent what it has to say of that. */
static void job__end(contract_process *process, uint32_t exit_code)
{
    contract_process_end(process, exit_code);
    contract_process_close(process);
}

/* ---- Exit codes ---- */

static iocp_op_t process__wait(iocp_loop_t *loop, iocp_handle_t process, contract_record *record)
{
    iocp_op_t op = {0};
    assert_int_equal(iocp_process_wait(loop, process, contract_keep, record, &op), IOCP_OK);
    return op;
}

static void the_exit_code_of_a_process_is_told(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static const uint32_t codes[] = {0, 42, 259 /* STILL_ACTIVE */, UINT32_MAX};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        contract_record record = {0};
        contract_process process = contract_process_start(NULL);
        iocp_handle_t handle = contract_process_adopt(loop, &process);
        process__wait(loop, handle, &record);
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
        assert_int_equal(record.calls, 0);
        contract_process_order_end(&process, codes[i]);
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
        assert_int_equal(record.calls, 1);
        assert_int_equal(record.status, IOCP_OK);
        assert_int_equal(record.result.type, IOCP_TYPE_PROCESS_WAIT);
        assert_int_equal(record.result.handle.id, handle.id);
        assert_int_equal(record.result.value, codes[i]);
        assert_int_equal(record.result.event, 0);
        contract_process_close(&process);
    }
}

static void a_process_that_has_ended_already_ends_its_waits_at_once(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[3] = {{.rearms = 1}};
    contract_process process = contract_process_start(NULL);
    iocp_handle_t handle = contract_process_adopt(loop, &process);
    contract_process_end(&process, 7);
    for (int i = 0; i < 3; i++) {
        (void)process__wait(loop, handle, &records[i]);
        assert_int_equal(records[i].calls, 0);
    }
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(records[i].calls, i == 0 ? 2 : 1);
        assert_int_equal(records[i].status, IOCP_OK);
        assert_int_equal(records[i].result.value, 7);
    }
    contract_process_close(&process);
}

static void all_waits_for_a_process_end_with_it(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record exits[3] = {{0}};
    contract_record plain = {0};
    contract_process process = contract_process_start(NULL);
    iocp_handle_t handle = contract_process_adopt(loop, &process);
    for (int i = 0; i < 3; i++) {
        (void)process__wait(loop, handle, &exits[i]);
    }
    assert_int_equal(iocp_wait(loop, process.handle, contract_keep, &plain, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    contract_process_order_end(&process, 3);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(exits[i].calls, 1);
        assert_int_equal(exits[i].status, IOCP_OK);
        assert_int_equal(exits[i].result.value, 3);
    }
    assert_int_equal(plain.calls, 1);
    assert_int_equal(plain.status, IOCP_OK);
    assert_int_equal(plain.result.value, 0); /* asked for by iocp_process_wait only */
    contract_process_close(&process);
}

static void a_process_goes_on_when_the_wait_for_it_ends_early(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record cancelled = {0};
    contract_record late = {0};
    contract_record record = {0};
    contract_process process = contract_process_start(NULL);
    iocp_handle_t handle = contract_process_adopt(loop, &process);
    iocp_op_t op = process__wait(loop, handle, &cancelled);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    op = process__wait(loop, handle, &late);
    assert_int_equal(iocp_op_deadline(loop, op, 3 * MS), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(cancelled.calls, 1);
    assert_int_equal(cancelled.status, IOCP_ECANCELED);
    assert_int_equal(cancelled.result.value, 0);
    assert_int_equal(late.calls, 1);
    assert_int_equal(late.status, IOCP_ETIMEDOUT);
    assert_int_equal(late.result.value, 0);
    assert_false(contract_object_try(process.handle));

    (void)process__wait(loop, handle, &record);
    contract_process_order_end(&process, 1);
    contract_wait(loop, &record, 1);
    assert_int_equal(record.status, IOCP_OK);
    assert_int_equal(record.result.value, 1);
    contract_process_close(&process);
}

static void destroy_leaves_the_process_alone(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_process process = contract_process_start(NULL);
    (void)process__wait(loop, contract_process_adopt(loop, &process), &record);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    contract_loop_destroy(loop);
    contract_forget_loop(state);
    assert_int_equal(record.calls, 1);
    assert_int_equal(record.status, IOCP_ECANCELED);
    assert_false(contract_object_try(process.handle));
    contract_process_end(&process, 0);
    contract_process_close(&process);
}

static void a_close_ends_the_waits_and_not_the_process(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[3] = {{.rearms = 5}, {0}, {0}};
    contract_record closed = {0};
    contract_process process = contract_process_start(NULL);
    iocp_handle_t handle = contract_process_adopt(loop, &process);
    (void)process__wait(loop, handle, &records[0]);
    (void)process__wait(loop, handle, &records[1]);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    (void)process__wait(loop, handle, &records[2]); /* which is never started */
    assert_int_equal(iocp_close(loop, handle, contract_keep, &closed, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(records[i].calls, 1);
        assert_int_equal(records[i].status, IOCP_ECANCELED);
        assert_true(records[i].order < closed.order);
    }
    assert_int_equal(closed.calls, 1);
    assert_false(contract_object_try(process.handle));
    contract_process_end(&process, 0);
    contract_process_close(&process);
}

/* ---- Processes that were started elsewhere ---- */

static void IOCP_CALL process__keep_entry(const iocp_handle_entry_t *entry, void *userdata)
{
    *(iocp_handle_entry_t *)userdata = *entry;
}

static void a_process_that_is_adopted_is_a_handle_with_an_id(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    uint32_t id = 0;
    iocp_handle_entry_t entry;
    contract_process process = contract_process_start(NULL);
    void *own = contract_object_duplicate(process.handle);
    iocp_handle_t handle = {0};
    assert_int_equal(iocp_process_adopt(loop, own, &handle), IOCP_OK);
    assert_int_equal(iocp_handle_kind(loop, handle), IOCP_HANDLE_PROCESS);
    assert_int_equal(iocp_process_get_id(loop, handle, &id), IOCP_OK);
    assert_int_equal(id, process.id);
    assert_int_equal(iocp_loop_handles(loop, process__keep_entry, &entry), IOCP_OK);
    assert_int_equal(entry.handle.id, handle.id);
    assert_string_equal(entry.kind_name, "process");
    assert_ptr_equal(entry.native, own);
    contract_process_end(&process, 0);
    assert_int_equal(iocp_process_get_id(loop, handle, &id), IOCP_OK);
    assert_int_equal(id, process.id); /* it stays its own while a handle is open */
    contract_process_close(&process);
}

static void what_is_no_process_is_not_adopted_and_stays_the_callers(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_handle_t handle = {.id = 77};
    void *event = contract_event_create(true, true);
    assert_int_equal(iocp_process_adopt(loop, NULL, &handle), IOCP_EINVAL);
    assert_int_equal(iocp_process_adopt(loop, event, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_process_adopt(NULL, event, &handle), IOCP_EINVAL);
    assert_int_equal(iocp_process_adopt(loop, contract_object_bad(), &handle), IOCP_EBADF);
    assert_int_equal(iocp_process_adopt(loop, (void *)(intptr_t)-1, &handle), IOCP_EBADF);
    assert_int_equal(iocp_process_adopt(loop, event, &handle), IOCP_EBADF);
    assert_int_equal(iocp_loop_native_error(loop), 6); /* ERROR_INVALID_HANDLE */
    assert_int_equal(handle.id, 77);
    assert_true(contract_object_try(event));
    contract_object_close(event);
}

static void what_is_no_process_has_no_end_and_no_id(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    uint32_t id = 77;
    iocp_handle_t socket = contract_open(loop, AF_INET);
    contract_process process = contract_process_start(NULL);
    iocp_handle_t handle = contract_process_adopt(loop, &process);
    assert_int_equal(iocp_process_wait(loop, socket, contract_keep, &record, NULL), IOCP_ENOTSUP);
    assert_int_equal(iocp_process_get_id(loop, socket, &id), IOCP_ENOTSUP);
    assert_int_equal(iocp_process_get_id(loop, (iocp_handle_t){0}, &id), IOCP_EBADF);
    assert_int_equal(iocp_process_get_id(loop, handle, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_process_get_id(NULL, handle, &id), IOCP_EINVAL);
    assert_int_equal(id, 77);
    assert_int_equal(iocp_read(loop, handle, &id, sizeof id, contract_keep, &record, NULL),
                     IOCP_ENOTSUP);
    assert_int_equal(iocp_close(loop, handle, NULL, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_process_get_id(loop, handle, &id), IOCP_EBADF);
    contract_process_end(&process, 0);
    contract_process_close(&process);
}

/* ---- Messages of jobs ---- */

static void a_job_tells_each_message_once_and_in_order(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    job_record record = {.rearms = 5};
    void *job = contract_job_create();
    iocp_op_t op = job__watch(loop, job, &record);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    contract_process first = job__start(loop, job, &record);
    contract_process second = contract_process_start(job);
    job__wait(loop, &record, 2);
    assert_message(&record, 2, CONTRACT_JOB_NEW_PROCESS, second.id);
    contract_idle(loop);
    assert_int_equal(record.calls, 2);

    contract_process_order_end(&first, 42);
    job__wait(loop, &record, 3);
    assert_message(&record, 3, CONTRACT_JOB_EXIT_PROCESS, first.id);
    contract_idle(loop);
    assert_int_equal(record.calls, 3);

    contract_process_order_end(&second, 0);
    job__wait(loop, &record, 5);
    assert_message(&record, 4, CONTRACT_JOB_EXIT_PROCESS, second.id);
    assert_message(&record, 5, CONTRACT_JOB_NO_PROCESS, 0);
    contract_idle(loop);
    assert_int_equal(record.calls, 5);
    assert_int_equal(iocp_op_state(loop, op), IOCP_OP_ACTIVE);
    record.rearms = 0;
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    job__wait(loop, &record, 6);
    assert_no_message(&record, 6, IOCP_ECANCELED);
    contract_process_close(&first);
    contract_process_close(&second);
    contract_object_close(job);
}

static void messages_that_come_together_are_told_one_by_one(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    job_record record = {.rearms = 2};
    void *job = contract_job_create();
    (void)job__watch(loop, job, &record);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    contract_process process = job__start(loop, job, &record);
    uint64_t id = process.id;
    job__end(&process, 0);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(record.calls, 3);
    assert_message(&record, 2, CONTRACT_JOB_EXIT_PROCESS, id);
    assert_message(&record, 3, CONTRACT_JOB_NO_PROCESS, 0);
    contract_object_close(job);
}

/* The next message is there already when the callback says that it wants no more. */
static void a_message_after_a_disarm_is_dropped(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    job_record record = {.rearms = 1};
    void *job = contract_job_create();
    iocp_op_t op = job__watch(loop, job, &record);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    contract_process process = job__start(loop, job, &record);
    uint64_t id = process.id;
    job__end(&process, 0);
    job__wait(loop, &record, 2);
    assert_message(&record, 2, CONTRACT_JOB_EXIT_PROCESS, id);
    assert_int_equal(iocp_op_state(loop, op), IOCP_OP_DEAD);
    assert_int_equal(iocp_loop_active(loop), 0);
    contract_idle(loop);
    assert_int_equal(record.calls, 2);
    assert_int_equal(contract_stats(loop).operations, 0);
    contract_object_close(job);
}

static void a_job_goes_on_after_its_watch(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record timer = {0};
    job_record record = {.rearms = 0};
    void *job = contract_job_create();
    (void)job__watch(loop, job, &record);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    contract_process first = job__start(loop, job, &record);
    contract_process second = contract_process_start(job);
    contract_process_end(&first, 0);
    contract_process_end(&second, 0);
    contract_idle(loop);
    assert_int_equal(iocp_timer(loop, 1 * MS, contract_keep, &timer, NULL), IOCP_OK);
    contract_wait(loop, &timer, 1);
    assert_int_equal(record.calls, 1);
    contract_process_close(&first);
    contract_process_close(&second);
    contract_object_close(job);
}

static void messages_wait_for_a_watch_that_is_rearmed_late(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    job_record record = {.rearms = 2};
    void *job = contract_job_create();
    (void)job__watch(loop, job, &record);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    contract_process process = contract_process_start(job);
    uint64_t id = process.id;
    job__end(&process, 0); /* all three are there before the first is told */
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(record.calls, 3);
    assert_message(&record, 1, CONTRACT_JOB_NEW_PROCESS, id);
    assert_message(&record, 2, CONTRACT_JOB_EXIT_PROCESS, id);
    assert_message(&record, 3, CONTRACT_JOB_NO_PROCESS, 0);
    contract_object_close(job);
}

static void cancel_of_a_watch_ends_it_as_cancelled(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    job_record record = {.rearms = 0};
    contract_record cancel = {0};
    void *job = contract_job_create();
    iocp_op_t op = job__watch(loop, job, &record);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(record.calls, 0);
    assert_int_equal(iocp_cancel(loop, op, contract_keep, &cancel, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(record.calls, 1);
    assert_no_message(&record, 1, IOCP_ECANCELED);
    assert_int_equal(cancel.status, IOCP_OK);
    contract_process process = contract_process_start(job);
    job__end(&process, 0);
    contract_idle(loop);
    assert_int_equal(record.calls, 1);
    contract_object_close(job);
}

static void cancel_of_a_queued_watch_leaves_the_job_unwatched(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    job_record never = {.rearms = 0};
    job_record record = {.rearms = 0};
    void *job = contract_job_create();
    iocp_op_t op = job__watch(loop, job, &never);
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_no_message(&never, 1, IOCP_ECANCELED);
    (void)job__watch(loop, job, &record); /* nobody else is in the way */
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    contract_process process = job__start(loop, job, &record);
    job__end(&process, 0);
    contract_object_close(job);
}

static void a_cancelled_watch_that_rearms_goes_on(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    job_record record = {.rearms = 3};
    void *job = contract_job_create();
    iocp_op_t op = job__watch(loop, job, &record);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    job__wait(loop, &record, 1);
    assert_no_message(&record, 1, IOCP_ECANCELED);
    contract_process process = contract_process_start(job);
    uint64_t id = process.id;
    job__end(&process, 0);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(record.calls, 4);
    assert_message(&record, 2, CONTRACT_JOB_NEW_PROCESS, id);
    assert_message(&record, 3, CONTRACT_JOB_EXIT_PROCESS, id);
    assert_message(&record, 4, CONTRACT_JOB_NO_PROCESS, 0);
    contract_object_close(job);
}

/* Cancelled by the callback that rearms it, while the next messages are there or on their way. */
static void cancel_of_a_watch_drops_what_was_kept_for_it(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    job_record record = {.rearms = 1, .cancel_after = 1};
    void *job = contract_job_create();
    (void)job__watch(loop, job, &record);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    contract_process process = contract_process_start(job);
    uint64_t id = process.id;
    job__end(&process, 0);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    contract_idle(loop);
    assert_int_equal(record.calls, 2);
    assert_message(&record, 1, CONTRACT_JOB_NEW_PROCESS, id);
    assert_no_message(&record, 2, IOCP_ECANCELED);
    contract_object_close(job);
}

static void a_cancel_loses_no_message_of_a_watch_that_goes_on(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    job_record record = {.rearms = 3, .cancel_after = 1};
    void *job = contract_job_create();
    (void)job__watch(loop, job, &record);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    contract_process process = contract_process_start(job);
    uint64_t id = process.id;
    job__end(&process, 0);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(record.calls, 4);
    assert_message(&record, 1, CONTRACT_JOB_NEW_PROCESS, id);
    assert_no_message(&record, 2, IOCP_ECANCELED);
    assert_message(&record, 3, CONTRACT_JOB_EXIT_PROCESS, id);
    assert_message(&record, 4, CONTRACT_JOB_NO_PROCESS, 0);
    contract_object_close(job);
}

static void a_deadline_ends_a_watch(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    job_record record = {.rearms = 0};
    void *job = contract_job_create();
    iocp_op_t op = job__watch(loop, job, &record);
    assert_int_equal(iocp_op_deadline(loop, op, 5 * MS), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(record.calls, 1);
    assert_no_message(&record, 1, IOCP_ETIMEDOUT);
    contract_object_close(job);
}

static void the_messages_of_two_jobs_are_not_mixed_up(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    job_record records[2] = {{.rearms = 2}, {.rearms = 2}};
    void *jobs[2] = {contract_job_create(), contract_job_create()};
    uint64_t ids[2];
    for (int i = 0; i < 2; i++) {
        (void)job__watch(loop, jobs[i], &records[i]);
    }
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    for (int i = 0; i < 2; i++) {
        contract_process process = contract_process_start(jobs[i]);
        ids[i] = process.id;
        job__end(&process, 0);
    }
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(records[i].calls, 3);
        assert_message(&records[i], 1, CONTRACT_JOB_NEW_PROCESS, ids[i]);
        assert_message(&records[i], 2, CONTRACT_JOB_EXIT_PROCESS, ids[i]);
        assert_message(&records[i], 3, CONTRACT_JOB_NO_PROCESS, 0);
        contract_object_close(jobs[i]);
    }
}

static void a_job_is_watched_once_at_a_time(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_loop_t *other_loop = contract_loop_create();
    job_record record = {.rearms = 0};
    job_record here = {.rearms = 0};
    job_record elsewhere = {.rearms = 0};
    void *job = contract_job_create();
    (void)job__watch(loop, job, &record);
    (void)job__watch(loop, job, &here);
    (void)job__watch(other_loop, job, &elsewhere);
    job__wait(loop, &here, 1);
    assert_no_message(&here, 1, IOCP_EINVAL);
    job__wait(other_loop, &elsewhere, 1);
    assert_no_message(&elsewhere, 1, IOCP_EINVAL);
    contract_process process = job__start(loop, job, &record);
    job__end(&process, 0);
    assert_int_equal(here.calls, 1);
    assert_int_equal(elsewhere.calls, 1);
    contract_loop_destroy(other_loop);
    contract_object_close(job);
}

static void a_job_can_be_watched_again(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    job_record first = {.rearms = 0};
    job_record second = {.rearms = 0};
    if (!contract_job_can_be_watched_again()) {
        skip(); /* there a job keeps its port for good */
    }
    void *job = contract_job_create();
    iocp_op_t op = job__watch(loop, job, &first);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    job__wait(loop, &first, 1);
    (void)job__watch(loop, job, &second);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    contract_process process = job__start(loop, job, &second);
    job__end(&process, 0);
    assert_int_equal(first.calls, 1);
    contract_object_close(job);
}

static void a_watch_holds_the_job_when_its_handle_is_closed(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    job_record record = {.rearms = 2};
    void *job = contract_job_create();
    (void)job__watch(loop, job, &record);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    contract_process process = job__start(loop, job, &record);
    contract_object_close(job);
    uint64_t id = process.id;
    job__end(&process, 0);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(record.calls, 3);
    assert_message(&record, 2, CONTRACT_JOB_EXIT_PROCESS, id);
    assert_message(&record, 3, CONTRACT_JOB_NO_PROCESS, 0);
}

static void what_is_no_job_is_told_in_the_result(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    job_record bad = {.rearms = 1};
    job_record other = {.rearms = 0};
    void *event = contract_event_create(true, true);
    assert_int_equal(iocp_job_watch(loop, NULL, job__keep, &bad, NULL), IOCP_EINVAL);
    (void)job__watch(loop, contract_object_bad(), &bad);
    (void)job__watch(loop, event, &other);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(bad.calls, 2);
    assert_no_message(&bad, 2, IOCP_EBADF);
    assert_int_equal(other.calls, 1);
    assert_no_message(&other, 1, IOCP_EBADF);
    contract_object_close(event);
}

static void a_watch_keeps_the_loop_running_unless_it_is_unreffed(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    job_record record = {.rearms = 0};
    void *job = contract_job_create();
    iocp_op_t op = job__watch(loop, job, &record);
    assert_int_equal(iocp_loop_active(loop), 1);
    assert_int_equal(iocp_op_unref(loop, op), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(record.calls, 0);
    assert_int_equal(iocp_op_state(loop, op), IOCP_OP_ACTIVE);
    contract_object_close(job);
    contract_loop_destroy(loop);
    contract_forget_loop(state);
    assert_no_message(&record, 1, IOCP_ECANCELED);
}

static void destroy_ends_watches_whatever_their_jobs_do(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    job_record idle = {.rearms = 9};
    job_record busy = {.rearms = 9};
    void *jobs[2] = {contract_job_create(), contract_job_create()};
    (void)job__watch(loop, jobs[0], &idle);
    (void)job__watch(loop, jobs[1], &busy);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    contract_process process = contract_process_start(jobs[1]);
    job__wait(loop, &busy, 1);
    job__end(&process, 0); /* its messages are on their way, or kept */
    contract_loop_destroy(loop);
    contract_forget_loop(state);
    assert_int_equal(idle.calls, 1);
    assert_no_message(&idle, 1, IOCP_ECANCELED);
    assert_int_equal(busy.calls, 2);
    assert_true(busy.status[1] == IOCP_ECANCELED || busy.status[1] == IOCP_OK);
    contract_object_close(jobs[0]);
    contract_object_close(jobs[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TEST(the_exit_code_of_a_process_is_told),
        CONTRACT_TEST(a_process_that_has_ended_already_ends_its_waits_at_once),
        CONTRACT_TEST(all_waits_for_a_process_end_with_it),
        CONTRACT_TEST(a_process_goes_on_when_the_wait_for_it_ends_early),
        CONTRACT_TEST(destroy_leaves_the_process_alone),
        CONTRACT_TEST(a_close_ends_the_waits_and_not_the_process),
        CONTRACT_TEST(a_process_that_is_adopted_is_a_handle_with_an_id),
        CONTRACT_TEST(what_is_no_process_is_not_adopted_and_stays_the_callers),
        CONTRACT_TEST(what_is_no_process_has_no_end_and_no_id),
        CONTRACT_TEST(a_job_tells_each_message_once_and_in_order),
        CONTRACT_TEST(messages_that_come_together_are_told_one_by_one),
        CONTRACT_TEST(a_message_after_a_disarm_is_dropped),
        CONTRACT_TEST(a_job_goes_on_after_its_watch),
        CONTRACT_TEST(messages_wait_for_a_watch_that_is_rearmed_late),
        CONTRACT_TEST(cancel_of_a_watch_ends_it_as_cancelled),
        CONTRACT_TEST(cancel_of_a_queued_watch_leaves_the_job_unwatched),
        CONTRACT_TEST(a_cancelled_watch_that_rearms_goes_on),
        CONTRACT_TEST(cancel_of_a_watch_drops_what_was_kept_for_it),
        CONTRACT_TEST(a_cancel_loses_no_message_of_a_watch_that_goes_on),
        CONTRACT_TEST(a_deadline_ends_a_watch),
        CONTRACT_TEST(the_messages_of_two_jobs_are_not_mixed_up),
        CONTRACT_TEST(a_job_is_watched_once_at_a_time),
        CONTRACT_TEST(a_job_can_be_watched_again),
        CONTRACT_TEST(a_watch_holds_the_job_when_its_handle_is_closed),
        CONTRACT_TEST(what_is_no_job_is_told_in_the_result),
        CONTRACT_TEST(a_watch_keeps_the_loop_running_unless_it_is_unreffed),
        CONTRACT_TEST(destroy_ends_watches_whatever_their_jobs_do),
    };
    contract_object_begin();
    return CONTRACT_RUN(tests);
}
