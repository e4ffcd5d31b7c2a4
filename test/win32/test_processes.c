/* Processes and jobs on the port: packets of real jobs, and packets made up for what these seldom do. */
#include "contract_object.h"

#include "unit.h"

#include "loop.h"
#include "win32/job.h"
#include "win32/sys.h"

#include "win_faults.h"
#include "win_leaks.h"
#include "win_loop.h"

#include <string.h>

#define JOB_MOST_CALLS 1200

typedef struct job_call {
    int status;
    uint32_t native_error;
    uint32_t flags;
    uint32_t message;
    uint64_t value;
} job_call;

typedef struct job_record {
    int count;
    int rearms; /* answer IOCP_REARM this many more times */
    job_call calls[JOB_MOST_CALLS];
} job_record;

typedef struct job_test {
    HANDLE port;
    void *job;
} job_test;

static job_test job_now;
static job_record job_records[2];

/* What the spies have seen. */
static struct {
    bool is_silent; /* the association does not reach the system */
    uint32_t associations;
    uint32_t endings;       /* associations taken back */
    ULONG_PTR key;          /* of the last association */
    ULONG_PTR ended_key;    /* of the last one taken back */
    HANDLE port;            /* of the last of either */
    uint32_t most_messages; /* of jobs in one dequeue */
} job_seen;

static BOOL WINAPI job__spy_set(HANDLE job, JOBOBJECTINFOCLASS information, void *data, DWORD size)
{
    const JOBOBJECT_ASSOCIATE_COMPLETION_PORT *association = data;
    assert_int_equal(information, JobObjectAssociateCompletionPortInformation);
    assert_int_equal(size, sizeof *association);
    if (association->CompletionPort != NULL) {
        job_seen.associations++;
        job_seen.key = (ULONG_PTR)association->CompletionKey;
    } else {
        job_seen.endings++;
        job_seen.ended_key = (ULONG_PTR)association->CompletionKey;
    }
    job_seen.port = association->CompletionPort;
    return job_seen.is_silent ||
           win_faults_table()->SetInformationJobObject(job, information, data, size);
}

static BOOL WINAPI job__spy_dequeue(HANDLE port, OVERLAPPED_ENTRY *entries, ULONG capacity,
                                    ULONG *count, DWORD timeout_ms, BOOL is_alertable)
{
    uint32_t messages = 0;
    BOOL is_good = win_faults_table()->GetQueuedCompletionStatusEx(port, entries, capacity, count,
                                                                   timeout_ms, is_alertable);
    for (ULONG i = 0; is_good && i < *count; i++) {
        messages += (entries[i].lpCompletionKey & 1) != 0;
    }
    job_seen.most_messages = messages > job_seen.most_messages ? messages : job_seen.most_messages;
    return is_good;
}

/* ---- One test ---- */

static int job__setup(void **state)
{
    iocp_loop_options_t options = {.batch = 2048};
    void *port = NULL;
    (void)state;
    win_begin();
    memset(&job_seen, 0, sizeof job_seen);
    memset(job_records, 0, sizeof job_records);
    win.sys.SetInformationJobObject = job__spy_set;
    win.sys.GetQueuedCompletionStatusEx = job__spy_dequeue;
    job_now.job = contract_job_create();
    win_open_with(options);
    assert_int_equal(iocp_loop_native_port(win.loop, &port), IOCP_OK);
    job_now.port = port;
    return 0;
}

static int job__teardown(void **state)
{
    win_close();
    contract_object_close(job_now.job);
    return win_end(state);
}

/* ---- Steps ---- */

static iocp_action_t IOCP_CALL job__keep(iocp_loop_t *loop, const iocp_result_t *result,
                                         void *userdata)
{
    job_record *record = userdata;
    (void)loop;
    assert_in_range(record->count, 0, JOB_MOST_CALLS - 1);
    record->calls[record->count++] = (job_call){
        .status = result->status,
        .native_error = result->native_error,
        .flags = result->flags,
        .message = result->event,
        .value = result->value,
    };
    return record->rearms-- > 0 ? IOCP_REARM : IOCP_DISARM;
}

static iocp_op_t job__watch(void *job, job_record *record)
{
    iocp_op_t op = {0};
    assert_int_equal(iocp_job_watch(win.loop, job, job__keep, record, &op), IOCP_OK);
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    return op;
}

/* A watch of a job that sends nothing but what the test posts; the key of its packets. */
static ULONG_PTR job__watch_silently(job_record *record, iocp_op_t *op)
{
    job_seen.is_silent = true;
    iocp_op_t watch = job__watch(job_now.job, record);
    if (op != NULL) {
        *op = watch;
    }
    assert_true(job_seen.port == job_now.port);
    return job_seen.key;
}

static void job__post(ULONG_PTR key, uint32_t message, uintptr_t value)
{
    assert_true(PostQueuedCompletionStatus(job_now.port, message, key, (OVERLAPPED *)value));
}

static void job__turn(void)
{
    assert_int_equal(iocp_loop_tick(win.loop, 0), IOCP_OK);
}

static void assert_message(const job_record *record, int call, uint32_t message, uint64_t value)
{
    assert_true(record->count >= call);
    assert_int_equal(record->calls[call - 1].status, IOCP_OK);
    assert_int_equal(record->calls[call - 1].message, message);
    assert_int_equal(record->calls[call - 1].value, value);
}

static void assert_error(const job_record *record, int call, int status, uint32_t native_error)
{
    assert_true(record->count >= call);
    assert_int_equal(record->calls[call - 1].status, status);
    assert_int_equal(record->calls[call - 1].native_error, native_error);
    assert_int_equal(record->calls[call - 1].message, 0);
    assert_int_equal(record->calls[call - 1].value, 0);
}

static iocp_stats_t job__stats(void)
{
    iocp_stats_t stats = {.size = sizeof stats};
    assert_int_equal(iocp_loop_stats(win.loop, &stats), IOCP_OK);
    return stats;
}

static iocp_action_t IOCP_CALL job__ignore(iocp_loop_t *loop, const iocp_result_t *result,
                                           void *userdata)
{
    (void)loop;
    (void)result;
    (void)userdata;
    return IOCP_DISARM;
}

/* A port keeps a handle of the thread that slept on it. */
static void job__sleep(void)
{
    assert_int_equal(iocp_timer(win.loop, IOC_NS_PER_MS, job__ignore, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
}

/* ---- Real children ---- */

/* The job says so under the lock under which it sends its messages. */
static void job__wait_until_empty(void *job)
{
    JOBOBJECT_BASIC_ACCOUNTING_INFORMATION accounting = {.ActiveProcesses = 1};
    while (accounting.ActiveProcesses > 0) {
        assert_true(QueryInformationJobObject(job, JobObjectBasicAccountingInformation, &accounting,
                                              sizeof accounting, NULL));
    }
}

static void the_end_of_the_last_child_is_two_messages_in_one_batch(void **state)
{
    job_record *record = &job_records[0];
    (void)state;
    record->rearms = 2;
    (void)job__watch(job_now.job, record);
    contract_process child = contract_process_start(job_now.job);
    while (record->count < 1) {
        assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_ONCE), IOCP_OK);
    }
    contract_process_end(&child, 42);
    job__wait_until_empty(job_now.job);
    assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(job_seen.most_messages, 2);
    assert_int_equal(record->count, 3);
    assert_message(record, 1, JOB_OBJECT_MSG_NEW_PROCESS, child.id);
    assert_message(record, 2, JOB_OBJECT_MSG_EXIT_PROCESS, child.id);
    assert_message(record, 3, JOB_OBJECT_MSG_ACTIVE_PROCESS_ZERO, 0);
    assert_int_equal(job__stats().foreign_packets, 0);
    contract_process_close(&child);
}

static void a_watch_puts_off_the_kill_on_close_until_it_is_over(void **state)
{
    job_record *record = &job_records[0];
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limit = {
        .BasicLimitInformation = {.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE},
    };
    (void)state;
    void *job = contract_job_create();
    assert_true(
        SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limit, sizeof limit));
    iocp_op_t op = job__watch(job, record);
    contract_process child = contract_process_start(job);
    contract_object_close(job);
    assert_int_equal(WaitForSingleObject(child.handle, 20), WAIT_TIMEOUT); /* it lives */
    record->rearms = 0;
    assert_int_equal(iocp_cancel(win.loop, op, NULL, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(WaitForSingleObject(child.handle, INFINITE), WAIT_OBJECT_0);
    contract_process_close(&child);
}

static void an_exit_code_that_is_refused_is_an_error(void **state)
{
    job_record *record = &job_records[0];
    (void)state;
    record->rearms = 1;
    contract_process child = contract_process_start(NULL);
    contract_process_end(&child, 42);
    win_faults_fail_next_of(WIN_GET_EXIT_CODE, 0);
    assert_int_equal(iocp_process_wait(win.loop, contract_process_adopt(win.loop, &child),
                                       job__keep, record, NULL),
                     IOCP_OK);
    assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(record->count, 2);
    assert_error(record, 1, IOCP_EACCES, ERROR_ACCESS_DENIED);
    assert_message(record, 2, 0, 42);
    contract_process_close(&child);
}

static void a_process_that_is_adopted_is_not_inherited(void **state)
{
    iocp_handle_t handle = {0};
    DWORD flags = 0;
    (void)state;
    contract_process child = contract_process_start(NULL);
    HANDLE own = contract_object_duplicate(child.handle);
    assert_true(SetHandleInformation(own, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT));
    assert_int_equal(iocp_process_adopt(win.loop, own, &handle), IOCP_OK);
    assert_true(GetHandleInformation(own, &flags));
    assert_int_equal(flags, 0);
    contract_process_end(&child, 0);
    contract_process_close(&child);
}

static void a_process_that_cannot_be_adopted_stays_the_callers(void **state)
{
    static const struct {
        win_call call;
        uint32_t error;
        int status;
    } refusals[] = {
        {WIN_GET_PROCESS_ID, ERROR_INVALID_HANDLE, IOCP_EBADF},
        {WIN_GET_PROCESS_ID, ERROR_ACCESS_DENIED, IOCP_EACCES},
        {WIN_SET_HANDLE_INFORMATION, ERROR_ACCESS_DENIED, IOCP_EACCES},
    };
    iocp_handle_t handle = {.id = 77};
    (void)state;
    contract_process child = contract_process_start(NULL);
    HANDLE own = contract_object_duplicate(child.handle);
    unit_memory_allow(&win.memory, 0);
    assert_int_equal(iocp_process_adopt(win.loop, own, &handle), IOCP_ENOMEM);
    unit_memory_allow(&win.memory, UINT64_MAX);
    for (size_t i = 0; i < IOC_COUNT_OF(refusals); i++) {
        win_faults_fail_next_of(refusals[i].call, refusals[i].error);
        assert_int_equal(iocp_process_adopt(win.loop, own, &handle), refusals[i].status);
        assert_int_equal(iocp_loop_native_error(win.loop), refusals[i].error);
        assert_int_equal(handle.id, 77);
    }
    assert_int_equal(GetProcessId(own), child.id);
    contract_object_close(own);
    contract_process_end(&child, 0);
    contract_process_close(&child);
}

/* ---- Packets while it waits, and while it does not ---- */

static void messages_of_one_batch_are_told_one_in_each_turn(void **state)
{
    job_record *record = &job_records[0];
    (void)state;
    record->rearms = 100;
    ULONG_PTR key = job__watch_silently(record, NULL);
    job__post(key, JOB_OBJECT_MSG_EXIT_PROCESS, 1234);
    job__post(key, JOB_OBJECT_MSG_ACTIVE_PROCESS_ZERO, 0);
    job__post(key, JOB_OBJECT_MSG_END_OF_JOB_TIME, 0);
    for (int turn = 1; turn <= 5; turn++) {
        job__turn();
        assert_int_equal(record->count, turn < 3 ? turn : 3);
    }
    assert_int_equal(job_seen.most_messages, 3);
    assert_message(record, 1, JOB_OBJECT_MSG_EXIT_PROCESS, 1234);
    assert_message(record, 2, JOB_OBJECT_MSG_ACTIVE_PROCESS_ZERO, 0);
    assert_message(record, 3, JOB_OBJECT_MSG_END_OF_JOB_TIME, 0);
    assert_int_equal(record->calls[0].flags, 0);
    assert_int_equal(record->calls[1].flags, IOCP_RESULT_INLINE);
    assert_int_equal(job__stats().packets, 1); /* that ended an operation */
    assert_int_equal(job__stats().foreign_packets, 0);
    assert_int_equal(job__stats().kernel, 1);
}

static void a_message_that_comes_with_a_cancel_is_kept(void **state)
{
    job_record *record = &job_records[0];
    iocp_op_t op = {0};
    (void)state;
    record->rearms = 1;
    ULONG_PTR key = job__watch_silently(record, &op);
    assert_int_equal(iocp_cancel(win.loop, op, NULL, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    job__post(key, JOB_OBJECT_MSG_EXIT_PROCESS, 1234);
    assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(record->count, 2);
    assert_error(record, 1, IOCP_ECANCELED, ERROR_OPERATION_ABORTED);
    assert_message(record, 2, JOB_OBJECT_MSG_EXIT_PROCESS, 1234);
    assert_int_equal(job__stats().foreign_packets, 0);
}

static void the_watch_that_it_names_gets_a_message(void **state)
{
    (void)state;
    job_records[0].rearms = 100;
    job_records[1].rearms = 100;
    ULONG_PTR first = job__watch_silently(&job_records[0], NULL);
    ULONG_PTR second = job__watch_silently(&job_records[1], NULL);
    assert_true(first != second && (first & second & 1) != 0);
    for (uintptr_t i = 0; i < 10; i++) {
        job__post(i % 3 == 0 ? first : second, JOB_OBJECT_MSG_NEW_PROCESS, i);
    }
    for (int i = 0; i < 10; i++) {
        job__turn();
    }
    assert_int_equal(job_records[0].count, 4);
    assert_int_equal(job_records[1].count, 6);
    for (int i = 0; i < 4; i++) {
        assert_message(&job_records[0], i + 1, JOB_OBJECT_MSG_NEW_PROCESS, (uint64_t)i * 3);
    }
    for (int i = 0; i < 6; i++) {
        assert_message(&job_records[1], i + 1, JOB_OBJECT_MSG_NEW_PROCESS,
                       (uint64_t)(i + 1 + i / 2));
    }
}

/* ---- Packets after the watch ---- */

static void messages_after_the_watch_are_dropped_and_counted(void **state)
{
    (void)state;
    job_records[0].rearms = 0;
    job_records[1].rearms = 100;
    ULONG_PTR ended = job__watch_silently(&job_records[0], NULL);
    job__post(ended, JOB_OBJECT_MSG_EXIT_PROCESS, 1);
    job__post(ended, JOB_OBJECT_MSG_ACTIVE_PROCESS_ZERO, 0); /* kept, and dropped with the watch */
    job__turn();
    assert_int_equal(job_records[0].count, 1);
    assert_int_equal(job__stats().operations, 0);
    assert_int_equal(job__stats().foreign_packets, 0);

    ULONG_PTR alive = job__watch_silently(&job_records[1], NULL);
    assert_true(alive != ended); /* a key is never used again */
    job__post(ended, JOB_OBJECT_MSG_NEW_PROCESS, 2);
    job__post(alive, JOB_OBJECT_MSG_NEW_PROCESS, 3);
    job__post(alive + 2, JOB_OBJECT_MSG_NEW_PROCESS, 4); /* of nobody yet */
    job__post((ULONG_PTR)-1, JOB_OBJECT_MSG_NEW_PROCESS, 5);
    for (int i = 0; i < 3; i++) {
        job__turn();
    }
    assert_int_equal(job_records[0].count, 1);
    assert_int_equal(job_records[1].count, 1);
    assert_message(&job_records[1], 1, JOB_OBJECT_MSG_NEW_PROCESS, 3);
    assert_int_equal(job__stats().foreign_packets, 3);
}

static void messages_for_a_cancelled_watch_are_dropped(void **state)
{
    iocp_op_t op = {0};
    (void)state;
    job_records[0].rearms = 0;
    ULONG_PTR key = job__watch_silently(&job_records[0], &op);
    assert_int_equal(iocp_cancel(win.loop, op, NULL, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_error(&job_records[0], 1, IOCP_ECANCELED, ERROR_OPERATION_ABORTED);
    job__post(key, JOB_OBJECT_MSG_EXIT_PROCESS, 1);
    (void)job__watch_silently(&job_records[1], NULL); /* so that the port is asked */
    job__turn();
    assert_int_equal(job_records[0].count, 1);
    assert_int_equal(job__stats().foreign_packets, 1);
}

/* The port is closed with packets of a job in it. */
static void messages_that_nobody_takes_do_no_harm(void **state)
{
    (void)state;
    job_records[0].rearms = 100;
    ULONG_PTR key = job__watch_silently(&job_records[0], NULL);
    for (uintptr_t i = 0; i < 40; i++) {
        job__post(key, JOB_OBJECT_MSG_NEW_PROCESS, i);
    }
    job__turn();
    for (uintptr_t i = 0; i < 40; i++) {
        job__post(key, JOB_OBJECT_MSG_NEW_PROCESS, i);
    }
    win_loop_destroy(&win.loop);
    assert_int_equal(job_records[0].count, 2);
    assert_message(&job_records[0], 1, JOB_OBJECT_MSG_NEW_PROCESS, 0);
    assert_error(&job_records[0], 2, IOCP_ECANCELED, 0);
}

/* ---- Many messages, and no memory for them ---- */

static void many_messages_are_kept_in_their_order(void **state)
{
    job_record *record = &job_records[0];
    uintptr_t posted = 0;
    (void)state;
    record->rearms = JOB_MOST_CALLS;
    ULONG_PTR key = job__watch_silently(record, NULL);
    /* Three come while one is told: the ring grows again and again, wherever it begins by then. */
    while (posted < 1000) {
        for (int i = 0; i < 3 && posted < 1000; i++) {
            job__post(key, JOB_OBJECT_MSG_NEW_PROCESS, ++posted);
        }
        job__turn();
    }
    while (record->count < 1000) {
        int before = record->count;
        job__turn();
        assert_int_equal(record->count, before + 1);
    }
    for (int i = 0; i < 1000; i++) {
        assert_message(record, i + 1, JOB_OBJECT_MSG_NEW_PROCESS, (uint64_t)i + 1);
    }
    job__turn();
    assert_int_equal(record->count, 1000);
}

static void keeping_few_messages_allocates_nothing_in_the_end(void **state)
{
    job_record *record = &job_records[0];
    (void)state;
    record->rearms = JOB_MOST_CALLS;
    ULONG_PTR key = job__watch_silently(record, NULL);
    uint64_t allocations = 0;
    for (int i = 0; i < 100; i++) {
        for (uintptr_t k = 0; k < 10; k++) {
            job__post(key, JOB_OBJECT_MSG_NEW_PROCESS, k);
        }
        while (record->count < 10 * (i + 1)) {
            job__turn();
        }
        allocations = i == 0 ? job__stats().allocations : allocations;
    }
    assert_int_equal(job__stats().allocations, allocations);
}

static void messages_that_find_no_memory_are_reported_once(void **state)
{
    job_record *record = &job_records[0];
    (void)state;
    record->rearms = JOB_MOST_CALLS;
    ULONG_PTR key = job__watch_silently(record, NULL);
    for (int round = 0; round < 2; round++) {
        int kept = round == 0 ? 0 : 16; /* in the ring that it has by then */
        memset(record, 0, sizeof *record);
        record->rearms = JOB_MOST_CALLS;
        unit_memory_allow(&win.memory, 0);
        for (uintptr_t i = 1; i <= 30; i++) {
            job__post(key, JOB_OBJECT_MSG_NEW_PROCESS, i);
        }
        for (int i = 0; i < 40; i++) {
            job__turn();
        }
        unit_memory_allow(&win.memory, UINT64_MAX);
        assert_int_equal(record->count, kept + 2);
        for (int i = 1; i <= kept + 1; i++) {
            assert_message(record, i, JOB_OBJECT_MSG_NEW_PROCESS, (uint64_t)i);
        }
        assert_error(record, kept + 2, IOCP_ENOMEM, ERROR_NOT_ENOUGH_MEMORY);

        /* The watch goes on. */
        job__post(key, JOB_OBJECT_MSG_EXIT_PROCESS, 77);
        job__post(key, JOB_OBJECT_MSG_EXIT_PROCESS, 78);
        for (int i = 0; i < 4; i++) {
            job__turn();
        }
        assert_int_equal(record->count, kept + 4);
        assert_message(record, kept + 3, JOB_OBJECT_MSG_EXIT_PROCESS, 77);
        assert_message(record, kept + 4, JOB_OBJECT_MSG_EXIT_PROCESS, 78);
    }
    assert_int_equal(job__stats().foreign_packets, 0);
}

static void a_watch_that_finds_no_memory_leaves_nothing(void **state)
{
    job_record *record = &job_records[0];
    (void)state;
    record->rearms = JOB_MOST_CALLS;
    iocp_op_t op = {0};
    assert_int_equal(iocp_job_watch(win.loop, job_now.job, job__keep, record, &op), IOCP_OK);
    for (uint64_t allowed = 0; allowed < 2; allowed++) {
        unit_memory_allow(&win.memory, allowed);
        job__turn();
        assert_int_equal(record->count, (int)allowed + 1);
        assert_error(record, record->count, IOCP_ENOMEM, ERROR_NOT_ENOUGH_MEMORY);
        assert_int_equal(job_seen.associations, 0);
    }
    unit_memory_allow(&win.memory, UINT64_MAX);
    job__turn();
    assert_int_equal(job_seen.associations, 1);
    assert_int_equal(iocp_op_state(win.loop, op), IOCP_OP_ACTIVE);
}

/* Each has its place among the others, whichever of them ends first. */
static void many_watches_come_and_go(void **state)
{
    enum {
        WATCHES = 50
    };
    static job_record records[WATCHES];
    iocp_op_t ops[WATCHES] = {{0}};
    ULONG_PTR keys[WATCHES];
    (void)state;
    memset(records, 0, sizeof records);
    for (int i = 0; i < WATCHES; i++) {
        records[i].rearms = 1;
        keys[i] = job__watch_silently(&records[i], &ops[i]);
    }
    for (int i = 0; i < WATCHES; i++) {
        int ending = i * 7 % WATCHES;
        job__post(keys[ending], JOB_OBJECT_MSG_EXIT_PROCESS, (uintptr_t)ending + 1);
        job__post(keys[ending], JOB_OBJECT_MSG_EXIT_PROCESS, (uintptr_t)ending + 2);
        job__turn();
        job__turn();
        assert_int_equal(iocp_op_state(win.loop, ops[ending]), IOCP_OP_DEAD);
        assert_int_equal(job_seen.endings, i + 1);
    }
    for (int i = 0; i < WATCHES; i++) {
        assert_int_equal(records[i].count, 2);
        assert_message(&records[i], 1, JOB_OBJECT_MSG_EXIT_PROCESS, (uint64_t)i + 1);
        assert_message(&records[i], 2, JOB_OBJECT_MSG_EXIT_PROCESS, (uint64_t)i + 2);
    }
    assert_int_equal(job__stats().foreign_packets, 0);
}

/* ---- The association ---- */

static void the_association_is_taken_back_at_the_end_and_not_before(void **state)
{
    job_record *record = &job_records[0];
    (void)state;
    record->rearms = 2;
    ULONG_PTR key = job__watch_silently(record, NULL);
    assert_int_equal(job_seen.associations, 1);
    for (uintptr_t i = 0; i < 3; i++) {
        assert_int_equal(job_seen.endings, 0);
        job__post(key, JOB_OBJECT_MSG_NEW_PROCESS, i);
        job__turn();
    }
    assert_int_equal(record->count, 3);
    assert_int_equal(job_seen.associations, 1);
    assert_int_equal(job_seen.endings, 1);
    assert_true(job_seen.ended_key == key);
    assert_null(job_seen.port);

    (void)job__watch_silently(&job_records[1], NULL);
    win_loop_destroy(&win.loop);
    assert_int_equal(job_seen.associations, 2);
    assert_int_equal(job_seen.endings, 2);
}

static void an_association_that_is_not_taken_back_does_no_harm(void **state)
{
    job_record *record = &job_records[0];
    (void)state;
    job__sleep();
    size_t handles = win_open_handles();
    (void)job__watch(job_now.job, record);
    assert_int_equal(win_open_handles(), handles + 1); /* its own handle of the job */
    contract_process child = contract_process_start(job_now.job);
    win_faults_fail_all_of(WIN_SET_JOB, 0);
    assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(job_seen.endings, 1);
    assert_message(record, 1, JOB_OBJECT_MSG_NEW_PROCESS, child.id);

    /* The job goes on sending to the port, with a key that is nobody's. */
    contract_process_end(&child, 0);
    contract_process_close(&child);
    job__wait_until_empty(job_now.job);
    assert_int_equal(win_open_handles(), handles);
    win_faults_stop();
    void *other = contract_job_create();
    (void)job__watch(other, &job_records[1]);
    job__turn();
    contract_object_close(other);
    assert_int_equal(record->count, 1);
    assert_int_equal(job_records[1].count, 0);
    assert_int_equal(job__stats().foreign_packets, 2);
}

/* What the system opens when the port is asked for the first time is open after this. */
/* None is used twice, so one day there are none: after a thousand million on x86. */
static void a_job_for_which_no_key_is_left_is_not_watched(void **state)
{
    (void)state;
    ioc_win_port *port = ioc_win_port_of(win.loop->loop_only.ops.port);
    ioc_jobs *jobs = IOC_CONTAINER_OF(port->odd_source, ioc_jobs, source);
    uint64_t live = 0;
    jobs->last_key = UINTPTR_MAX - 2;
    ULONG_PTR last = job__watch_silently(&job_records[0], NULL);
    assert_true(last == UINTPTR_MAX);
    for (int i = 1; i <= 3; i++) {
        void *other = contract_job_create();
        (void)job__watch(other, &job_records[1]);
        job__turn();
        assert_int_equal(job_records[1].count, i);
        assert_error(&job_records[1], i, IOCP_ENOBUFS, ERROR_NO_SYSTEM_RESOURCES);
        assert_true(i == 1 || unit_memory_live(&win.memory) == live);
        live = unit_memory_live(&win.memory);
        contract_object_close(other);
    }
    assert_int_equal(job_seen.associations, 1);
    job__post(last, CONTRACT_JOB_NEW_PROCESS, 7);
    job__turn();
    assert_message(&job_records[0], 1, CONTRACT_JOB_NEW_PROCESS, 7);
}

static void job__ask_the_port(void)
{
    iocp_op_t op = {0};
    assert_int_equal(iocp_wait(win.loop, job_now.job, job__keep, &job_records[1], &op), IOCP_OK);
    job__turn();
    assert_int_equal(iocp_cancel(win.loop, op, NULL, NULL, NULL), IOCP_OK);
    while (iocp_op_state(win.loop, op) != IOCP_OP_DEAD) {
        job__turn();
    }
}

static void a_watch_that_is_refused_leaves_nothing_and_can_be_tried_again(void **state)
{
    static const struct {
        win_call call;
        uint32_t error;
        int status;
    } refusals[] = {
        {WIN_DUPLICATE, ERROR_INVALID_HANDLE, IOCP_EBADF},
        {WIN_DUPLICATE, ERROR_ACCESS_DENIED, IOCP_EACCES},
        {WIN_SET_JOB, ERROR_INVALID_PARAMETER, IOCP_EINVAL},
        {WIN_SET_JOB, ERROR_ACCESS_DENIED, IOCP_EACCES},
    };
    job_record *record = &job_records[0];
    iocp_op_t op = {0};
    (void)state;
    record->rearms = JOB_MOST_CALLS;
    job__ask_the_port();
    size_t handles = win_open_handles();
    assert_int_equal(iocp_job_watch(win.loop, job_now.job, job__keep, record, &op), IOCP_OK);
    for (size_t i = 0; i < IOC_COUNT_OF(refusals); i++) {
        win_faults_fail_next_of(refusals[i].call, refusals[i].error);
        job__turn();
        assert_int_equal(record->count, (int)i + 1);
        assert_error(record, record->count, refusals[i].status, refusals[i].error);
        assert_int_equal(win_open_handles(), handles);
    }
    job__turn();
    assert_int_equal(iocp_op_state(win.loop, op), IOCP_OP_ACTIVE);
    assert_int_equal(job__stats().kernel, 1);
    assert_int_equal(win_open_handles(), handles + 1);
}

#define JOB_TEST(function) cmocka_unit_test_setup_teardown(function, job__setup, job__teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        JOB_TEST(the_end_of_the_last_child_is_two_messages_in_one_batch),
        JOB_TEST(a_watch_puts_off_the_kill_on_close_until_it_is_over),
        JOB_TEST(an_exit_code_that_is_refused_is_an_error),
        JOB_TEST(a_process_that_is_adopted_is_not_inherited),
        JOB_TEST(a_process_that_cannot_be_adopted_stays_the_callers),
        JOB_TEST(messages_of_one_batch_are_told_one_in_each_turn),
        JOB_TEST(a_message_that_comes_with_a_cancel_is_kept),
        JOB_TEST(the_watch_that_it_names_gets_a_message),
        JOB_TEST(messages_after_the_watch_are_dropped_and_counted),
        JOB_TEST(messages_for_a_cancelled_watch_are_dropped),
        JOB_TEST(messages_that_nobody_takes_do_no_harm),
        JOB_TEST(many_messages_are_kept_in_their_order),
        JOB_TEST(keeping_few_messages_allocates_nothing_in_the_end),
        JOB_TEST(messages_that_find_no_memory_are_reported_once),
        JOB_TEST(a_watch_that_finds_no_memory_leaves_nothing),
        JOB_TEST(many_watches_come_and_go),
        JOB_TEST(the_association_is_taken_back_at_the_end_and_not_before),
        JOB_TEST(an_association_that_is_not_taken_back_does_no_harm),
        JOB_TEST(a_watch_that_is_refused_leaves_nothing_and_can_be_tried_again),
        JOB_TEST(a_job_for_which_no_key_is_left_is_not_watched),
    };
    contract_object_begin();
    win_catch_crashes();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
