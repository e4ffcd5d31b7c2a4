#include "unit_backend.h"

#include "accept.h"
#include "cancel.h"

#define ACCEPT_TEST(name) \
    cmocka_unit_test_setup_teardown(name, unit_core_set_up, unit_core_tear_down)

static ioc_op *queue_accept(unit_core *core)
{
    ioc_op *op = unit_core_queue(core, IOCP_TYPE_ACCEPT, unit_core_open(core));
    assert_int_equal(ioc_accept_prepare(&core->ops, op), IOCP_OK);
    return op;
}

static void set_start(unit_core *core, ioc_start answer, int status)
{
    core->port.start_answer = answer;
    core->port.start_outcome = (ioc_outcome){.status = status};
}

/* Deliver the next result, which must be this, to a callback that rearms; and start it again. */
static void rearm(unit_core *core, ioc_op *op, int status)
{
    assert_ptr_equal(ioc_op_next_ready(&core->ops), op);
    assert_int_equal(op->outcome.status, status);
    assert_false(ioc_op_is_last(&core->ops, op));
    op->kind->ended(&core->ops, op);
    ioc_op_rearm(&core->ops, op);
    op->kind->start(&core->ops, op);
}

/* Let the pause pass that it is in, which must be so long, and start it again. */
static void pass_pause(unit_core *core, ioc_op *op, uint64_t pause_ns)
{
    uint64_t due_ns = core->port.now_ns + pause_ns;
    assert_int_equal(op->phase, IOC_PHASE_TIMED);
    assert_true(ioc_timers_next_due(&core->ops.deadlines) == due_ns);
    core->port.now_ns = due_ns - 1;
    ioc_ops_update_now(&core->ops);
    ioc_cancel_run_deadlines(&core->ops, 1);
    assert_int_equal(op->phase, IOC_PHASE_TIMED);
    core->port.now_ns = due_ns;
    ioc_ops_update_now(&core->ops);
    ioc_cancel_run_deadlines(&core->ops, 1); /* no callback: it is queued */
    assert_int_equal(op->phase, IOC_PHASE_QUEUED);
    op->kind->start(&core->ops, op);
}

static void end_by_packet(unit_core *core, ioc_op *op)
{
    assert_int_equal(op->phase, IOC_PHASE_KERNEL);
    unit_core_packet(core, op, IOCP_ECONNABORTED, 0);
    assert_int_equal(unit_core_deliver(core, op), IOCP_ECONNABORTED);
}

static void a_want_is_told_once_and_tried_again_after_longer_and_longer_pauses(void **state)
{
    unit_core *core = *state;
    static const int wants[] = {IOCP_EMFILE, IOCP_ENOBUFS, IOCP_ENOMEM};
    static const uint64_t pauses_ms[] = {1, 2, 4, 8, 16, 32, 64, 64, 64};
    for (size_t i = 0; i < IOC_COUNT_OF(wants); i++) {
        unsigned starts = core->port.starts;
        ioc_op *op = queue_accept(core);
        set_start(core, IOC_START_FAILED, wants[i]);
        op->kind->start(&core->ops, op);
        rearm(core, op, wants[i]);
        assert_int_equal(core->port.starts - starts, 1); /* the pause comes first */
        for (size_t k = 0; k < IOC_COUNT_OF(pauses_ms); k++) {
            assert_null(ioc_op_next_ready(&core->ops));
            pass_pause(core, op, pauses_ms[k] * IOC_NS_PER_MS);
            assert_int_equal(core->port.starts - starts, k + 2);
        }
        set_start(core, IOC_START_PENDING, IOCP_OK);
        pass_pause(core, op, 64 * IOC_NS_PER_MS);
        end_by_packet(core, op);
    }
}

static void once_it_was_under_way_the_next_want_is_told_anew(void **state)
{
    unit_core *core = *state;
    ioc_op *op = queue_accept(core);
    set_start(core, IOC_START_FAILED, IOCP_EMFILE);
    op->kind->start(&core->ops, op);
    rearm(core, op, IOCP_EMFILE);
    set_start(core, IOC_START_PENDING, IOCP_OK);
    pass_pause(core, op, IOC_NS_PER_MS);
    unit_core_packet(core, op, IOCP_ECONNABORTED, 0);
    set_start(core, IOC_START_FAILED, IOCP_EMFILE);
    rearm(core, op, IOCP_ECONNABORTED);
    rearm(core, op, IOCP_EMFILE);
    set_start(core, IOC_START_PENDING, IOCP_OK);
    pass_pause(core, op, IOC_NS_PER_MS); /* it begins with the shortest */
    end_by_packet(core, op);
}

static void another_error_is_told_each_time_and_at_once(void **state)
{
    unit_core *core = *state;
    ioc_op *op = queue_accept(core);
    set_start(core, IOC_START_FAILED, IOCP_EINVAL);
    op->kind->start(&core->ops, op);
    rearm(core, op, IOCP_EINVAL);
    rearm(core, op, IOCP_EINVAL);
    assert_int_equal(core->port.starts, 3);
    assert_int_equal(unit_core_deliver(core, op), IOCP_EINVAL);
}

static void another_error_ends_the_pauses(void **state)
{
    unit_core *core = *state;
    ioc_op *op = queue_accept(core);
    set_start(core, IOC_START_FAILED, IOCP_ENOBUFS);
    op->kind->start(&core->ops, op);
    rearm(core, op, IOCP_ENOBUFS);
    set_start(core, IOC_START_FAILED, IOCP_EINVAL);
    pass_pause(core, op, IOC_NS_PER_MS);
    set_start(core, IOC_START_FAILED, IOCP_ENOBUFS);
    rearm(core, op, IOCP_EINVAL);
    rearm(core, op, IOCP_ENOBUFS); /* told anew, and it begins with the shortest */
    set_start(core, IOC_START_PENDING, IOCP_OK);
    pass_pause(core, op, IOC_NS_PER_MS);
    end_by_packet(core, op);
}

/* What it lacks was told. */
static void a_pause_that_was_cancelled_goes_on_if_that_is_still_lacking(void **state)
{
    unit_core *core = *state;
    ioc_op *op = queue_accept(core);
    set_start(core, IOC_START_FAILED, IOCP_EMFILE);
    op->kind->start(&core->ops, op);
    rearm(core, op, IOCP_EMFILE);
    assert_int_equal(ioc_cancel_op(&core->ops, op, IOCP_ECANCELED), IOCP_OK);
    rearm(core, op, IOCP_ECANCELED);
    set_start(core, IOC_START_PENDING, IOCP_OK);
    pass_pause(core, op, 2 * IOC_NS_PER_MS);
    end_by_packet(core, op);
}

/* As for a connection that the system has no memory for. */
static void without_memory_for_the_connections_handle_it_pauses_too(void **state)
{
    unit_core *core = *state;
    ioc_op *op = queue_accept(core);
    set_start(core, IOC_START_PENDING, IOCP_OK);
    unit_memory_allow(&core->memory, 0);
    while (ioc_handle_new(&core->ops, IOCP_HANDLE_STREAM) != NULL) {}
    op->kind->start(&core->ops, op);
    assert_null(ioc_opening_of(op)->handle);
    unit_memory_allow(&core->memory, 3); /* for the alarm and its entry */
    rearm(core, op, IOCP_ENOMEM);
    pass_pause(core, op, IOC_NS_PER_MS);
    assert_int_equal(op->phase, IOC_PHASE_TIMED);
    assert_int_equal(core->port.starts, 0); /* the system was not asked */
    unit_memory_allow(&core->memory, UINT64_MAX);
    pass_pause(core, op, 2 * IOC_NS_PER_MS);
    assert_non_null(ioc_opening_of(op)->handle);
    end_by_packet(core, op);
}

static void without_memory_for_a_pause_it_ends_with_that_error(void **state)
{
    unit_core *core = *state;
    ioc_op *op = queue_accept(core);
    set_start(core, IOC_START_FAILED, IOCP_EMFILE);
    op->kind->start(&core->ops, op);
    unit_memory_allow(&core->memory, 0);
    rearm(core, op, IOCP_EMFILE);
    assert_int_equal(unit_core_deliver(core, op), IOCP_ENOMEM);
    unit_memory_allow(&core->memory, UINT64_MAX);
}

static void a_pause_can_be_cancelled(void **state)
{
    unit_core *core = *state;
    ioc_op *op = queue_accept(core);
    set_start(core, IOC_START_FAILED, IOCP_EMFILE);
    op->kind->start(&core->ops, op);
    rearm(core, op, IOCP_EMFILE);
    assert_int_equal(ioc_cancel_op(&core->ops, op, IOCP_ECANCELED), IOCP_OK);
    assert_int_equal(core->port.cancels, 0);
    assert_int_equal(ioc_timers_count(&core->ops.deadlines), 0);
    assert_int_equal(unit_core_deliver(core, op), IOCP_ECANCELED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ACCEPT_TEST(a_want_is_told_once_and_tried_again_after_longer_and_longer_pauses),
        ACCEPT_TEST(once_it_was_under_way_the_next_want_is_told_anew),
        ACCEPT_TEST(another_error_is_told_each_time_and_at_once),
        ACCEPT_TEST(another_error_ends_the_pauses),
        ACCEPT_TEST(a_pause_that_was_cancelled_goes_on_if_that_is_still_lacking),
        ACCEPT_TEST(without_memory_for_the_connections_handle_it_pauses_too),
        ACCEPT_TEST(without_memory_for_a_pause_it_ends_with_that_error),
        ACCEPT_TEST(a_pause_can_be_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
