/* Work on the process's thread pool, and how it comes back when the port refuses its packet. */
#include "contract_object.h"

#include "unit.h"

#include "win32/sys.h"

#include "threads.h"
#include "win_faults.h"
#include "win_leaks.h"
#include "win_loop.h"

#include <string.h>

#define WORK_MOST_HELD 32

typedef struct work_test {
    HANDLE begun;       /* set by a function that then waits until the loop sleeps */
    HANDLE asleep;      /* set when the loop is about to sleep without a time limit */
    HANDLE delivered;   /* set when an APC has been sent to it */
    ioc_atomic_u32 out; /* calls of QueueUserAPC that have returned, and done so */
} work_test;

static work_test work_now;

/* ---- Spies ---- */

/* What was submitted to a pool that begins when the test says so. */
static struct {
    PTP_WORK work[WORK_MOST_HELD];
    int count;
    int begun;
    int closed;
    int late; /* begun just when they had been cancelled */
} work_held;

static void WINAPI work__spy_hold(PTP_WORK work)
{
    assert_in_range(work_held.count, 0, WORK_MOST_HELD - 1);
    work_held.work[work_held.count++] = work;
}

static void WINAPI work__spy_close(PTP_WORK work)
{
    work_held.closed++;
    win_faults_table()->CloseThreadpoolWork(work);
}

/* The pool has run it, if it is not cancelled, when this returns. */
static void work__begin_next(void)
{
    assert_true(work_held.begun < work_held.count);
    PTP_WORK work = work_held.work[work_held.begun++];
    SubmitThreadpoolWork(work);
    WaitForThreadpoolWorkCallbacks(work, FALSE);
}

/* The pool's thread comes to it just when it has been cancelled. */
static void WINAPI work__spy_late_thread(PTP_WORK work, BOOL is_cancelled)
{
    assert_true(is_cancelled);
    work_held.late++;
    SubmitThreadpoolWork(work);
    WaitForThreadpoolWorkCallbacks(work, FALSE);
}

static BOOL WINAPI work__spy_dequeue(HANDLE port, OVERLAPPED_ENTRY *entries, ULONG capacity,
                                     ULONG *count, DWORD timeout_ms, BOOL is_alertable)
{
    if (timeout_ms == INFINITE) {
        (void)SetEvent(work_now.asleep);
    }
    return win_faults_table()->GetQueuedCompletionStatusEx(port, entries, capacity, count,
                                                           timeout_ms, is_alertable);
}

/* Comes back long after its effect. */
static DWORD WINAPI work__spy_slow_apc(PAPCFUNC function, HANDLE thread, ULONG_PTR argument)
{
    DWORD is_sent = QueueUserAPC(function, thread, argument);
    (void)SetEvent(work_now.delivered);
    Sleep(50);
    ioc_add_u32(&work_now.out, 1);
    return is_sent;
}

/* ---- One test ---- */

/* It sleeps without a timer, so that the handles that are counted are those of the work. */
static void work__create_loop(void)
{
    iocp_loop_options_t options = {.sleep_method = IOCP_SLEEP_PORT};
    win_open_with(options);
}

static int work__setup(void **state)
{
    (void)state;
    win_begin();
    memset(&work_held, 0, sizeof work_held);
    win.sys.GetQueuedCompletionStatusEx = work__spy_dequeue;
    work_now.begun = contract_event_create(false, false);
    work_now.asleep = contract_event_create(false, false);
    work_now.delivered = contract_event_create(false, false);
    ioc_store_u32(&work_now.out, 0);
    work__create_loop();
    return 0;
}

static int work__teardown(void **state)
{
    win_close();
    contract_object_close(work_now.begun);
    contract_object_close(work_now.asleep);
    contract_object_close(work_now.delivered);
    return win_end(state);
}

/* ---- Steps ---- */

static uint64_t IOCP_CALL work__count(void *arg)
{
    return ioc_add_u32(arg, 1) + 1;
}

static uint64_t IOCP_CALL work__times_it_said_so(void *unused)
{
    (void)unused;
    return win_faults_count_of(WIN_MAY_RUN_LONG);
}

static uint64_t IOCP_CALL work__count_once_it_sleeps(void *arg)
{
    (void)SetEvent(work_now.begun);
    (void)WaitForSingleObject(work_now.asleep, INFINITE);
    return work__count(arg);
}

static iocp_op_t work__start(iocp_work_fn function, ioc_atomic_u32 *runs, contract_record *record)
{
    iocp_op_t op = {0};
    assert_int_equal(iocp_work(win.loop, function, runs, contract_keep, record, &op), IOCP_OK);
    return op;
}

static void work__run(void)
{
    assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
}

static void assert_ended(const contract_record *record, int status, uint64_t value)
{
    assert_int_equal(record->calls, 1);
    assert_int_equal(record->status, status);
    assert_int_equal(record->result.value, value);
}

/* Another loop, whose pool begins when the test says so. */
static void work__hold_pool(void)
{
    win.sys.SubmitThreadpoolWork = work__spy_hold;
    win.sys.CloseThreadpoolWork = work__spy_close;
    work__create_loop();
}

/* ---- Refused by the pool ---- */

static void work_that_the_pool_refuses_is_an_error_and_can_be_tried_again(void **state)
{
    ioc_atomic_u32 runs = {0};
    contract_record record = {.rearms = 2};
    (void)state;
    win_faults_fail_next_of(WIN_CREATE_WORK, 0);
    (void)work__start(work__count, &runs, &record);
    assert_int_equal(iocp_loop_tick(win.loop, 0), IOCP_OK);
    assert_ended(&record, IOCP_ENOMEM, 0);
    assert_int_equal(record.result.native_error, ERROR_NOT_ENOUGH_MEMORY);
    assert_int_equal(ioc_load_u32(&runs), 0);
    work__run();
    assert_int_equal(record.calls, 3);
    assert_int_equal(record.status, IOCP_OK);
    assert_int_equal(record.result.value, 2);
    assert_int_equal(ioc_load_u32(&runs), 2);
}

static void work_runs_when_its_module_cannot_be_found(void **state)
{
    ioc_atomic_u32 runs = {0};
    contract_record record = {0};
    (void)state;
    win_faults_fail_all_of(WIN_GET_MODULE_OF, 0);
    (void)work__start(work__count, &runs, &record);
    work__run();
    assert_ended(&record, IOCP_OK, 1);
    assert_true(win_faults_count_of(WIN_GET_MODULE_OF) > 0);
}

/* ---- Who is quicker ---- */

static void work__expect_cancelled(const contract_record *record, const ioc_atomic_u32 *runs)
{
    assert_ended(record, IOCP_ECANCELED, 0);
    assert_int_equal(record->result.native_error, ERROR_OPERATION_ABORTED);
    assert_int_equal(ioc_load_u32(runs), 0);
    assert_int_equal(iocp_loop_active(win.loop), 0);
}

static void work_that_is_cancelled_in_the_queue_of_the_pool_is_back_at_once(void **state)
{
    ioc_atomic_u32 runs = {0};
    contract_record record = {0};
    contract_record cancel = {0};
    (void)state;
    work__hold_pool();
    iocp_op_t op = work__start(work__count, &runs, &record);
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    assert_int_equal(iocp_cancel(win.loop, op, contract_keep, &cancel, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_tick(win.loop, 0), IOCP_OK);
    assert_ended(&cancel, IOCP_OK, 0);
    work__expect_cancelled(&record, &runs);
    assert_int_equal(work_held.closed, 1);
}

/* It sees that it is cancelled, and touches nothing more. */
static void a_thread_of_the_pool_that_comes_late_leaves_cancelled_work_alone(void **state)
{
    ioc_atomic_u32 runs = {0};
    contract_record record = {0};
    (void)state;
    work__hold_pool();
    win.sys.WaitForThreadpoolWorkCallbacks = work__spy_late_thread;
    iocp_op_t op = work__start(work__count, &runs, &record);
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    assert_int_equal(iocp_cancel(win.loop, op, NULL, NULL, NULL), IOCP_OK);
    uint64_t packets = win_faults_count_of(WIN_POST);
    assert_int_equal(iocp_loop_tick(win.loop, 0), IOCP_OK);
    work__expect_cancelled(&record, &runs);
    assert_int_equal(work_held.late, 1);
    assert_int_equal(win_faults_count_of(WIN_POST), packets);
    assert_int_equal(win_faults_count_of(WIN_MAY_RUN_LONG), 0);
}

static void a_deadline_takes_work_out_of_the_queue_of_the_pool(void **state)
{
    ioc_atomic_u32 runs = {0};
    contract_record record = {0};
    (void)state;
    work__hold_pool();
    iocp_op_t op = work__start(work__count, &runs, &record);
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK); /* before its time has come */
    assert_int_equal(iocp_op_deadline(win.loop, op, IOC_NS_PER_MS), IOCP_OK);
    work__run(); /* without the pool's doing */
    assert_ended(&record, IOCP_ETIMEDOUT, 0);
    assert_int_equal(ioc_load_u32(&runs), 0);
    assert_int_equal(work_held.closed, 1);
}

static void a_cancel_of_work_that_has_run_delivers_its_answer_and_is_kept(void **state)
{
    ioc_atomic_u32 runs = {0};
    contract_record record = {.rearms = 1};
    (void)state;
    work__hold_pool();
    iocp_op_t op = work__start(work__count, &runs, &record);
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    work__begin_next();
    assert_int_equal(iocp_cancel(win.loop, op, NULL, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_tick(win.loop, 0), IOCP_OK);
    assert_int_equal(record.result.value, 1);
    work__run();
    assert_int_equal(record.calls, 2);
    assert_int_equal(record.status, IOCP_ECANCELED);
    assert_int_equal(ioc_load_u32(&runs), 1);
}

static void destroy_takes_work_back_that_has_not_begun(void **state)
{
    ioc_atomic_u32 runs = {0};
    contract_record records[3] = {{.rearms = 5}, {.rearms = 5}, {.rearms = 5}};
    (void)state;
    work__hold_pool();
    for (int i = 0; i < 3; i++) {
        (void)work__start(work__count, &runs, &records[i]);
        assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    }
    work__begin_next();
    assert_int_equal(iocp_loop_destroy(win.loop, 0), IOCP_OK);
    win.loop = NULL;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(records[i].status, IOCP_ECANCELED);
        assert_int_equal(records[i].calls, i == 0 ? 2 : 1); /* the first has run, and rearmed */
    }
    assert_int_equal(ioc_load_u32(&runs), 1);
    assert_int_equal(work_held.closed, 3);
}

static void destroy_waits_for_work_that_has_begun(void **state)
{
    ioc_atomic_u32 runs = {0};
    contract_record record = {0};
    (void)state;
    (void)work__start(work__count_once_it_sleeps, &runs, &record);
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    contract_object_block(work_now.begun);
    assert_int_equal(iocp_loop_destroy(win.loop, 0), IOCP_ETIMEDOUT);
    assert_int_equal(record.calls, 0);
    win_loop_destroy(&win.loop);
    assert_ended(&record, IOCP_OK, 1);
}

static void work_that_begins_says_that_it_may_run_long(void **state)
{
    ioc_atomic_u32 runs = {0};
    contract_record records[2] = {{0}};
    (void)state;
    (void)work__start(work__times_it_said_so, &runs, &records[0]);
    work__run();
    assert_ended(&records[0], IOCP_OK, 1);       /* before it began */
    win_faults_fail_all_of(WIN_MAY_RUN_LONG, 0); /* the pool has no other thread: all the same */
    (void)work__start(work__count, &runs, &records[1]);
    work__run();
    assert_ended(&records[1], IOCP_OK, 1);
}

/* What the pool was told of the module whose function it runs. */
static struct {
    void *module; /* of the last work object */
    DWORD flags;  /* by which that was looked for */
} pool_seen;

static PTP_WORK WINAPI pool__create_work(PTP_WORK_CALLBACK function, void *context,
                                         PTP_CALLBACK_ENVIRON environment)
{
    pool_seen.module = environment->RaceDll;
    return win_faults_table()->CreateThreadpoolWork(function, context, environment);
}

static BOOL WINAPI pool__find_module(DWORD flags, const wchar_t *name, HMODULE *module)
{
    pool_seen.flags = flags;
    return win_faults_table()->GetModuleHandleExW(flags, name, module);
}

/* Not for longer: a look that counted, or pinned, would keep it for good. */
static void work_keeps_its_module_for_as_long_as_it_runs(void **state)
{
    ioc_atomic_u32 runs = {0};
    contract_record record = {0};
    (void)state;
    memset(&pool_seen, 0, sizeof pool_seen);
    win.sys.CreateThreadpoolWork = pool__create_work;
    win.sys.GetModuleHandleExW = pool__find_module;
    work__create_loop();
    (void)work__start(work__count, &runs, &record);
    work__run();
    assert_ended(&record, IOCP_OK, 1);
    assert_ptr_equal(pool_seen.module, GetModuleHandleW(NULL));
    assert_int_equal(pool_seen.flags, GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS |
                                          GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT);
}

/* ---- Refused by the port ---- */

static void work_whose_packet_is_refused_wakes_a_loop_that_sleeps(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        ioc_atomic_u32 runs = {0};
        contract_record record = {0};
        uint64_t packets = win_faults_count_of(WIN_POST);
        win_faults_fail_all_of(WIN_POST, 0);
        (void)work__start(work__count_once_it_sleeps, &runs, &record);
        work__run();
        win_faults_stop();
        assert_ended(&record, IOCP_OK, 1);
        assert_int_equal(win_faults_count_of(WIN_POST), packets + 1);
    }
    assert_int_equal(win_faults_count_of(WIN_QUEUE_APC), 20);
}

static void work_whose_packet_is_refused_before_the_sleep_prevents_it(void **state)
{
    ioc_atomic_u32 runs = {0};
    contract_record records[3] = {{0}};
    (void)state;
    work__hold_pool();
    for (int i = 0; i < 3; i++) {
        (void)work__start(work__count, &runs, &records[i]);
    }
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    win_faults_fail_all_of(WIN_POST, 0);
    for (int i = 0; i < 3; i++) {
        work__begin_next();
    }
    work__run();
    for (int i = 0; i < 3; i++) {
        assert_ended(&records[i], IOCP_OK, (uint64_t)i + 1);
    }
    assert_int_equal(WaitForSingleObject(work_now.asleep, 0), WAIT_TIMEOUT);
}

static void work_comes_back_without_any_means_to_wake_the_loop(void **state)
{
    ioc_atomic_u32 runs = {0};
    contract_record record = {0};
    (void)state;
    work__hold_pool();
    (void)work__start(work__count, &runs, &record);
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    win_faults_fail_all_of(WIN_POST, 0);
    win_faults_fail_all_of(WIN_QUEUE_APC, 0);
    work__begin_next();
    work__run();
    assert_ended(&record, IOCP_OK, 1);
}

static void a_cancel_of_work_needs_no_packet(void **state)
{
    ioc_atomic_u32 runs = {0};
    contract_record record = {0};
    (void)state;
    work__hold_pool();
    iocp_op_t op = work__start(work__count, &runs, &record);
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    win_faults_fail_all_of(WIN_POST, 0);
    assert_int_equal(iocp_cancel(win.loop, op, NULL, NULL, NULL), IOCP_OK);
    work__run();
    work__expect_cancelled(&record, &runs);
}

#define WORK_MANY 200

static void no_work_is_lost_while_packets_are_refused(void **state)
{
    static contract_record records[WORK_MANY];
    ioc_atomic_u32 runs = {0};
    uint64_t sum = 0;
    (void)state;
    memset(records, 0, sizeof records);
    for (int i = 0; i < WORK_MANY; i++) {
        if (i % 3 == 0) {
            win_faults_fail_next_of(WIN_POST, 0);
        }
        (void)work__start(work__count, &runs, &records[i]);
        assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    }
    work__run();
    for (int i = 0; i < WORK_MANY; i++) {
        assert_int_equal(records[i].calls, 1);
        assert_int_equal(records[i].status, IOCP_OK);
        sum += records[i].result.value;
    }
    assert_int_equal(ioc_load_u32(&runs), WORK_MANY);
    assert_int_equal(sum, WORK_MANY * (WORK_MANY + 1) / 2);
}

typedef struct work_runner {
    test_thread thread;
    int status;
} work_runner;

static void work__run_on_thread(void *arg)
{
    work_runner *runner = arg;
    runner->status = iocp_loop_run(win.loop, IOCP_RUN_UNTIL_DONE);
}

static void work_whose_packet_is_refused_finds_the_thread_that_sleeps_now(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        work_runner runner = {.status = IOCP_EUNKNOWN};
        ioc_atomic_u32 runs = {0};
        contract_record record = {0};
        win_faults_fail_all_of(WIN_POST, 0);
        (void)work__start(work__count_once_it_sleeps, &runs, &record);
        assert_true(test_thread_start(&runner.thread, work__run_on_thread, &runner));
        test_thread_join(&runner.thread);
        win_faults_stop();
        assert_int_equal(runner.status, IOCP_OK);
        assert_ended(&record, IOCP_OK, 1);
    }
}

/* The operation is back, and the pool's thread is still on its way out. */
static void a_port_is_closed_after_its_guests_have_left(void **state)
{
    ioc_atomic_u32 runs = {0};
    contract_record record = {0};
    (void)state;
    win.sys.QueueUserAPC = work__spy_slow_apc;
    work__create_loop();
    win_faults_fail_all_of(WIN_POST, 0);
    (void)work__start(work__count_once_it_sleeps, &runs, &record);
    work__run();
    assert_ended(&record, IOCP_OK, 1);
    contract_object_block(work_now.delivered);
    win_loop_destroy(&win.loop);
    assert_int_equal(ioc_load_u32(&work_now.out), 1);
}

/* ---- Flushing a file ---- */

static iocp_handle_t work__open_file(void)
{
    char folder[MAX_PATH];
    char path[MAX_PATH];
    iocp_handle_t file = {0};
    contract_record record = {0};
    assert_in_range(GetTempPathA(MAX_PATH, folder), 1, MAX_PATH - 1);
    assert_true(GetTempFileNameA(folder, "iol", 0, path) != 0);
    assert_int_equal(iocp_file_open(win.loop, path, IOCP_FILE_WRITE, &file), IOCP_OK);
    assert_true(DeleteFileA(path)); /* gone with its last handle */
    assert_int_equal(iocp_pwrite(win.loop, file, "data", 4, 0, contract_keep, &record, NULL),
                     IOCP_OK);
    work__run();
    assert_ended(&record, IOCP_OK, 0);
    return file;
}

static void a_flush_runs_on_the_pool(void **state)
{
    contract_record record = {.rearms = 2};
    (void)state;
    iocp_handle_t file = work__open_file();
    assert_int_equal(iocp_file_flush(win.loop, file, contract_keep, &record, NULL), IOCP_OK);
    assert_int_equal(win_faults_count_of(WIN_FLUSH_FILE), 0);
    work__run();
    assert_int_equal(record.calls, 3);
    assert_int_equal(record.status, IOCP_OK);
    assert_int_equal(record.result.value, 0);
    assert_int_equal(win_faults_count_of(WIN_FLUSH_FILE), 3);
    assert_int_equal(win_faults_count_of(WIN_CREATE_WORK), 3);
}

static HANDLE flush_seen;
static DWORD flush_flags;

static BOOL WINAPI flush__spy(HANDLE file)
{
    flush_seen = file;
    (void)GetHandleInformation(file, &flush_flags);
    return FlushFileBuffers(file);
}

/* So that closing the file for another reason does not pull it away under the pool's thread. */
static void a_flush_has_a_handle_of_its_own(void **state)
{
    contract_record record = {0};
    void *native = NULL;
    DWORD flags = 0;
    (void)state;
    flush_flags = HANDLE_FLAG_INHERIT;
    win.sys.FlushFileBuffers = flush__spy;
    work__create_loop();
    iocp_handle_t file = work__open_file();
    assert_int_equal(iocp_handle_native(win.loop, file, &native), IOCP_OK);
    assert_int_equal(iocp_file_flush(win.loop, file, contract_keep, &record, NULL), IOCP_OK);
    work__run();
    assert_ended(&record, IOCP_OK, 0);
    assert_true(flush_seen != NULL && flush_seen != native);
    assert_int_equal(flush_flags & HANDLE_FLAG_INHERIT, 0);
    assert_false(GetHandleInformation(flush_seen, &flags)); /* and it is closed */
}

static void a_flush_that_fails_tells_why(void **state)
{
    contract_record failed = {0};
    contract_record refused = {0};
    (void)state;
    iocp_handle_t file = work__open_file();
    win_faults_fail_next_of(WIN_FLUSH_FILE, 0);
    assert_int_equal(iocp_file_flush(win.loop, file, contract_keep, &failed, NULL), IOCP_OK);
    work__run();
    assert_ended(&failed, IOCP_EIO, 0);
    assert_int_equal(failed.result.native_error, ERROR_IO_DEVICE);
    win_faults_fail_next_of(WIN_CREATE_WORK, 0);
    assert_int_equal(iocp_file_flush(win.loop, file, contract_keep, &refused, NULL), IOCP_OK);
    work__run();
    assert_ended(&refused, IOCP_ENOMEM, 0);
    assert_int_equal(win_faults_count_of(WIN_FLUSH_FILE), 1);
}

static void a_flush_of_a_file_that_is_closed_does_not_run(void **state)
{
    contract_record record = {.rearms = 3};
    contract_record closed = {0};
    (void)state;
    work__hold_pool();
    iocp_handle_t file = work__open_file();
    assert_int_equal(iocp_file_flush(win.loop, file, contract_keep, &record, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    assert_int_equal(iocp_close(win.loop, file, contract_keep, &closed, NULL), IOCP_OK);
    work__run(); /* the pool never comes to it */
    assert_ended(&record, IOCP_ECANCELED, 0);
    assert_ended(&closed, IOCP_OK, 0);
    assert_int_equal(win_faults_count_of(WIN_FLUSH_FILE), 0);
}

static void a_flush_that_has_not_begun_ends_by_cancel_and_by_deadline(void **state)
{
    (void)state;
    work__hold_pool();
    iocp_handle_t file = work__open_file();
    for (int is_deadline = 0; is_deadline <= 1; is_deadline++) {
        contract_record record = {0};
        iocp_op_t op = {0};
        assert_int_equal(iocp_file_flush(win.loop, file, contract_keep, &record, &op), IOCP_OK);
        assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
        size_t handles = win_open_handles();
        assert_int_equal(is_deadline ? iocp_op_deadline(win.loop, op, IOC_NS_PER_MS)
                                     : iocp_cancel(win.loop, op, NULL, NULL, NULL),
                         IOCP_OK);
        work__run();
        assert_ended(&record, is_deadline ? IOCP_ETIMEDOUT : IOCP_ECANCELED, 0);
        assert_int_equal(win_open_handles(), handles - 1); /* its own of the file is closed */
    }
    assert_int_equal(win_faults_count_of(WIN_FLUSH_FILE), 0);
}

static void a_flush_whose_packet_is_refused_comes_back(void **state)
{
    contract_record record = {0};
    (void)state;
    iocp_handle_t file = work__open_file();
    win_faults_fail_all_of(WIN_POST, 0);
    assert_int_equal(iocp_file_flush(win.loop, file, contract_keep, &record, NULL), IOCP_OK);
    work__run();
    assert_ended(&record, IOCP_OK, 0);
    assert_int_equal(win_faults_count_of(WIN_FLUSH_FILE), 1);
}

#define WORK_TEST(function) cmocka_unit_test_setup_teardown(function, work__setup, work__teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORK_TEST(work_that_the_pool_refuses_is_an_error_and_can_be_tried_again),
        WORK_TEST(work_runs_when_its_module_cannot_be_found),
        WORK_TEST(work_that_is_cancelled_in_the_queue_of_the_pool_is_back_at_once),
        WORK_TEST(a_thread_of_the_pool_that_comes_late_leaves_cancelled_work_alone),
        WORK_TEST(a_deadline_takes_work_out_of_the_queue_of_the_pool),
        WORK_TEST(a_cancel_of_work_that_has_run_delivers_its_answer_and_is_kept),
        WORK_TEST(destroy_takes_work_back_that_has_not_begun),
        WORK_TEST(destroy_waits_for_work_that_has_begun),
        WORK_TEST(work_that_begins_says_that_it_may_run_long),
        WORK_TEST(work_keeps_its_module_for_as_long_as_it_runs),
        WORK_TEST(work_whose_packet_is_refused_wakes_a_loop_that_sleeps),
        WORK_TEST(work_whose_packet_is_refused_before_the_sleep_prevents_it),
        WORK_TEST(work_comes_back_without_any_means_to_wake_the_loop),
        WORK_TEST(a_cancel_of_work_needs_no_packet),
        WORK_TEST(no_work_is_lost_while_packets_are_refused),
        WORK_TEST(work_whose_packet_is_refused_finds_the_thread_that_sleeps_now),
        WORK_TEST(a_port_is_closed_after_its_guests_have_left),
        WORK_TEST(a_flush_runs_on_the_pool),
        WORK_TEST(a_flush_has_a_handle_of_its_own),
        WORK_TEST(a_flush_that_fails_tells_why),
        WORK_TEST(a_flush_of_a_file_that_is_closed_does_not_run),
        WORK_TEST(a_flush_that_has_not_begun_ends_by_cancel_and_by_deadline),
        WORK_TEST(a_flush_whose_packet_is_refused_comes_back),
    };
    contract_object_begin();
    win_catch_crashes();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
