/* What a thread has started does not end with it. */
#include "contract_env.h"
#include "contract_object.h"

#include "threads.h"

#include <string.h>

/* The loop thread is whichever calls: a turn of another one, which then exits. */
static void turn_once(void *arg)
{
    iocp_loop_t *loop = arg;
    if (iocp_loop_run(loop, IOCP_RUN_NO_WAIT) != IOCP_OK) {
        (void)iocp_loop_stop(loop); /* the test sees it */
    }
}

static void start_on_a_thread_that_exits(iocp_loop_t *loop)
{
    test_thread thread;
    assert_true(test_thread_start(&thread, turn_once, loop));
    test_thread_join(&thread);
    assert_int_equal(iocp_loop_stopped(loop), 0);
}

static void a_receive_outlives_the_thread_that_started_it(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record received = {0};
    char data[8] = {0};
    contract_pair pair = contract_connect(loop, AF_INET);
    iocp_op_t op = {0};
    assert_int_equal(iocp_recv(loop, pair.server, data, sizeof data, contract_keep, &received, &op),
                     IOCP_OK);
    start_on_a_thread_that_exits(loop);
    contract_idle(loop);
    assert_int_equal(received.calls, 0);
    assert_int_equal(iocp_op_state(loop, op), IOCP_OP_ACTIVE);
    contract_send_all(loop, pair.client, "hello", 5);
    contract_wait(loop, &received, 1);
    assert_int_equal(received.status, IOCP_OK);
    size_t bytes = (size_t)received.result.bytes;
    assert_in_range(bytes, 1, 5);
    contract_recv_all(loop, pair.server, data + bytes, 5 - bytes);
    assert_memory_equal(data, "hello", 5);
    contract_close_pair(loop, pair);
}

static void an_accept_outlives_the_thread_that_started_it(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record accepted = {0};
    contract_record connected = {0};
    contract_address address;
    iocp_handle_t listener = contract_listen(loop, AF_INET, &address);
    iocp_handle_t client = contract_open(loop, AF_INET);
    assert_int_equal(iocp_accept(loop, listener, contract_keep, &accepted, NULL), IOCP_OK);
    start_on_a_thread_that_exits(loop);
    assert_int_equal(accepted.calls, 0);
    assert_int_equal(iocp_connect(loop, client, contract_sockaddr(&address), address.length,
                                  contract_keep, &connected, NULL),
                     IOCP_OK);
    start_on_a_thread_that_exits(loop);
    contract_wait(loop, &accepted, 1);
    contract_wait(loop, &connected, 1);
    assert_int_equal(accepted.status, IOCP_OK);
    assert_int_equal(connected.status, IOCP_OK);
}

static void a_wait_outlives_the_thread_that_started_it(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[2] = {{0}};
    void *event = contract_event_create(false, false);
    iocp_op_t op = {0};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(iocp_wait(loop, event, contract_keep, &records[i], &op), IOCP_OK);
    }
    start_on_a_thread_that_exits(loop);
    contract_idle(loop);
    assert_int_equal(records[0].calls + records[1].calls, 0);

    /* Cancelled from this thread, or ended by a signal. */
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    contract_wait(loop, &records[1], 1);
    assert_int_equal(records[1].status, IOCP_ECANCELED);
    contract_event_set(event);
    contract_wait(loop, &records[0], 1);
    assert_int_equal(records[0].status, IOCP_OK);
    contract_object_close(event);
}

static void a_watch_outlives_the_thread_that_started_it(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record exited = {0};
    contract_record message = {0};
    void *job = contract_job_create();
    assert_int_equal(iocp_job_watch(loop, job, contract_keep, &message, NULL), IOCP_OK);
    start_on_a_thread_that_exits(loop);
    contract_process process = contract_process_start(job);
    assert_int_equal(iocp_process_wait(loop, contract_process_adopt(loop, &process), contract_keep,
                                       &exited, NULL),
                     IOCP_OK);
    start_on_a_thread_that_exits(loop);
    contract_process_order_end(&process, 42);
    contract_wait(loop, &message, 1);
    contract_wait(loop, &exited, 1);
    assert_int_equal(message.status, IOCP_OK);
    assert_int_equal(message.result.event, CONTRACT_JOB_NEW_PROCESS);
    assert_int_equal(message.result.value, process.id);
    assert_int_equal(exited.status, IOCP_OK);
    assert_int_equal(exited.result.value, 42);
    contract_process_close(&process);
    contract_object_close(job);
}

static uint64_t IOCP_CALL answer(void *arg)
{
    return *(const uint64_t *)arg;
}

static void work_and_timers_outlive_the_thread_that_started_them(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record timed = {0};
    contract_record worked = {0};
    uint64_t value = 77;
    uint64_t begin_ns = iocp_loop_now(loop);
    assert_int_equal(iocp_timer(loop, 5 * MS, contract_keep, &timed, NULL), IOCP_OK);
    assert_int_equal(iocp_work(loop, answer, &value, contract_keep, &worked, NULL), IOCP_OK);
    start_on_a_thread_that_exits(loop);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(timed.calls, 1);
    assert_int_equal(timed.status, IOCP_OK);
    assert_true(timed.now_ns >= begin_ns + 5 * MS);
    assert_int_equal(worked.calls, 1);
    assert_int_equal(worked.status, IOCP_OK);
    assert_int_equal(worked.result.value, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TEST(a_receive_outlives_the_thread_that_started_it),
        CONTRACT_TEST(an_accept_outlives_the_thread_that_started_it),
        CONTRACT_TEST(a_wait_outlives_the_thread_that_started_it),
        CONTRACT_TEST(a_watch_outlives_the_thread_that_started_it),
        CONTRACT_TEST(work_and_timers_outlive_the_thread_that_started_them),
    };
    contract_object_begin();
    return CONTRACT_RUN(tests);
}
