/* A stop's grace: when the backend is told that it is over, and when nobody is told any more. */
#include "unit_backend.h"

#include "cancel.h"
#include "stop.h"

#define GRACE_NS (5 * IOC_NS_PER_MS)

static ioc_op *stop__start(unit_core *core, ioc_handle *handle, uint64_t grace_ns)
{
    const ioc_stop stop = {.grace_ns = grace_ns};
    ioc_op *op = unit_core_queue(core, IOCP_TYPE_PROCESS_STOP, handle);
    assert_int_equal(ioc_op_copy(&core->ops, op, &stop, sizeof stop), IOCP_OK);
    op->kind->start(&core->ops, op);
    return op;
}

static ioc_handle *stop__open(unit_core *core)
{
    ioc_handle *handle = unit_core_open(core);
    handle->kind = IOCP_HANDLE_PROCESS;
    return handle;
}

/* Let time pass, and run what is due. */
static void stop__pass(unit_core *core, uint64_t ns)
{
    core->port.now_ns += ns;
    ioc_ops_forget_now(&core->ops);
    ioc_cancel_run_deadlines(&core->ops, 100);
}

static void stop__end(unit_core *core, ioc_op *op, int status)
{
    unit_core_packet(core, op, status, 0);
    (void)unit_core_deliver(core, op);
}

static void the_backend_is_told_once_when_the_grace_is_over(void **state)
{
    unit_core *core = *state;
    ioc_op *op = stop__start(core, stop__open(core), GRACE_NS);
    stop__pass(core, GRACE_NS - 1);
    assert_int_equal(core->port.revisions, 0);
    stop__pass(core, 1);
    assert_int_equal(core->port.revisions, 1);
    assert_int_equal(op->phase, IOC_PHASE_KERNEL); /* its end comes by a packet */
    stop__pass(core, 10 * GRACE_NS);
    assert_int_equal(core->port.revisions, 1);
    assert_int_equal(core->port.cancels, 0);
    stop__end(core, op, IOCP_OK);
}

static void no_grace_and_one_without_end_are_no_times(void **state)
{
    unit_core *core = *state;
    ioc_op *never = stop__start(core, stop__open(core), 0);
    ioc_op *always = stop__start(core, stop__open(core), IOC_FOREVER);
    assert_int_equal(ioc_timers_count(&core->ops.deadlines), 0);
    stop__pass(core, 10 * GRACE_NS);
    assert_int_equal(core->port.revisions, 0);
    stop__end(core, never, IOCP_OK);
    stop__end(core, always, IOCP_OK);
}

static void a_process_that_ends_ends_the_grace(void **state)
{
    unit_core *core = *state;
    ioc_op *op = stop__start(core, stop__open(core), GRACE_NS);
    unit_core_packet(core, op, IOCP_OK, 0);
    assert_int_equal(ioc_timers_count(&core->ops.deadlines), 0);
    stop__pass(core, 10 * GRACE_NS);
    assert_int_equal(core->port.revisions, 0);
    assert_int_equal(unit_core_deliver(core, op), IOCP_OK);
}

static void what_cannot_be_ended_comes_back_with_the_reason(void **state)
{
    unit_core *core = *state;
    core->port.revise_ends = true;
    ioc_op *op = stop__start(core, stop__open(core), GRACE_NS);
    stop__pass(core, GRACE_NS);
    assert_int_equal(unit_core_deliver(core, op), IOCP_EACCES);
}

static void a_refusal_is_asked_again(void **state)
{
    unit_core *core = *state;
    core->port.cancel_answer = IOCP_ENOBUFS;
    ioc_op *op = stop__start(core, stop__open(core), GRACE_NS);
    stop__pass(core, GRACE_NS);
    assert_int_equal(core->port.revisions, 1);
    stop__pass(core, IOC_NS_PER_MS - 1);
    assert_int_equal(core->port.revisions, 1);
    core->port.cancel_answer = IOCP_OK;
    stop__pass(core, 1);
    assert_int_equal(core->port.revisions, 2);
    stop__pass(core, 10 * GRACE_NS);
    assert_int_equal(core->port.revisions, 2);
    stop__end(core, op, IOCP_OK);
}

/* The request to end it is on its way: the process must not be ended behind it. */
static void one_that_was_asked_to_end_does_nothing_more(void **state)
{
    unit_core *core = *state;
    ioc_op *op = stop__start(core, stop__open(core), GRACE_NS);
    assert_int_equal(ioc_cancel_op(&core->ops, op, IOCP_ECANCELED), IOCP_OK);
    stop__pass(core, GRACE_NS);
    assert_int_equal(core->port.revisions, 0);
    unit_core_packet(core, op, IOCP_ECANCELED, 0);
    assert_int_equal(unit_core_deliver(core, op), IOCP_ECANCELED);

    ioc_handle *handle = stop__open(core);
    op = stop__start(core, handle, GRACE_NS);
    ioc_op *close = ioc_op_new(&core->ops, IOCP_TYPE_CLOSE, unit_core_disarm, core);
    assert_non_null(close);
    ioc_handle_shut_gate(handle, close);
    ioc_op_queue(&core->ops, close, NULL);
    stop__pass(core, GRACE_NS);
    assert_int_equal(core->port.revisions, 0);
    ioc_cancel_run_queued(&core->ops, 100);
    unit_core_packet(core, op, IOCP_ECANCELED, 0);
    assert_int_equal(unit_core_deliver(core, op), IOCP_ECANCELED);
    assert_int_equal(unit_core_deliver(core, close), IOCP_OK);
}

/* A deadline is a time of its own. */
static void a_deadline_ends_the_stop_and_not_the_process(void **state)
{
    unit_core *core = *state;
    ioc_op *op = stop__start(core, stop__open(core), 2 * GRACE_NS);
    assert_int_equal(ioc_op_set_deadline(&core->ops, op, GRACE_NS), IOCP_OK);
    stop__pass(core, GRACE_NS);
    assert_int_equal(core->port.cancels, 1);
    stop__pass(core, GRACE_NS);
    assert_int_equal(core->port.revisions, 0);
    unit_core_packet(core, op, IOCP_ECANCELED, 0);
    assert_int_equal(unit_core_deliver(core, op), IOCP_ETIMEDOUT);
}

static void without_memory_for_its_time_nobody_is_asked(void **state)
{
    unit_core *core = *state;
    const ioc_stop stop = {.grace_ns = GRACE_NS};
    ioc_op *op = unit_core_queue(core, IOCP_TYPE_PROCESS_STOP, stop__open(core));
    assert_int_equal(ioc_op_copy(&core->ops, op, &stop, sizeof stop), IOCP_OK);
    unit_memory_allow(&core->memory, 0);
    op->kind->start(&core->ops, op);
    unit_memory_allow(&core->memory, UINT64_MAX);
    assert_int_equal(core->port.starts, 0);
    assert_int_equal(unit_core_deliver(core, op), IOCP_ENOMEM);
}

#define STOP_TEST(function) \
    cmocka_unit_test_setup_teardown(function, unit_core_set_up, unit_core_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STOP_TEST(the_backend_is_told_once_when_the_grace_is_over),
        STOP_TEST(no_grace_and_one_without_end_are_no_times),
        STOP_TEST(a_process_that_ends_ends_the_grace),
        STOP_TEST(what_cannot_be_ended_comes_back_with_the_reason),
        STOP_TEST(a_refusal_is_asked_again),
        STOP_TEST(one_that_was_asked_to_end_does_nothing_more),
        STOP_TEST(a_deadline_ends_the_stop_and_not_the_process),
        STOP_TEST(without_memory_for_its_time_nobody_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
