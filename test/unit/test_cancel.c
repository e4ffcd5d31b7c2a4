#include "unit_backend.h"

#include "timeout.h"

#include "cancel.h"

#define CANCEL_TEST(name) \
    cmocka_unit_test_setup_teardown(name, unit_core_set_up, unit_core_tear_down)

static ioc_op *start_recv(unit_core *core, ioc_handle *handle)
{
    static char data[16];
    iocp_buf_t buffer = {.length = sizeof data, .base = data};
    ioc_op *op = unit_core_queue(core, IOCP_TYPE_RECV, handle);
    assert_int_equal(ioc_transfer_set_buffers(&core->ops, op, &buffer, 1), IOCP_OK);
    ioc_op_start_in_kernel(&core->ops, op);
    return op;
}

static ioc_op *start_timer(unit_core *core, uint64_t delay_ns)
{
    ioc_op *op = unit_core_queue(core, IOCP_TYPE_TIMER, NULL);
    ioc_timeout_of(op)->delay_ns = delay_ns;
    ioc_timeout_start(&core->ops, op);
    return op;
}

static int cancel(unit_core *core, ioc_op *op)
{
    return ioc_cancel_op(&core->ops, op, IOCP_ECANCELED);
}

static ioc_op *queue_cancel(unit_core *core, iocp_op_t target)
{
    ioc_op *op = unit_core_queue(core, IOCP_TYPE_CANCEL, NULL);
    ioc_cancel_of(op)->target = target;
    return op;
}

static ioc_op *queue_close(unit_core *core, ioc_handle *handle)
{
    ioc_op *op = unit_core_queue(core, IOCP_TYPE_CLOSE, NULL);
    ioc_handle_shut_gate(handle, op);
    return op;
}

static void run_queued(unit_core *core)
{
    ioc_cancel_run_queued(&core->ops, UINT32_MAX);
}

static ioc_ending run_ending(unit_core *core)
{
    return ioc_cancel_run_ending(&core->ops, UINT32_MAX);
}

static void pass_time(unit_core *core, uint64_t ns)
{
    core->port.now_ns += ns;
    ioc_ops_update_now(&core->ops);
    ioc_cancel_run_deadlines(&core->ops, UINT32_MAX);
}

/* ---- One operation ---- */

static void a_queued_operation_never_starts(void **state)
{
    unit_core *core = *state;
    ioc_op *op = unit_core_queue(core, IOCP_TYPE_RECV, unit_core_open(core));
    assert_int_equal(cancel(core, op), IOCP_OK);
    assert_true(ioc_list_is_empty(&core->ops.submissions));
    assert_int_equal(core->port.starts, 0);
    assert_int_equal(core->port.cancels, 0);
    assert_int_equal(unit_core_deliver(core, op), IOCP_ECANCELED);
}

static void a_timer_that_is_cancelled_is_not_set_any_more(void **state)
{
    unit_core *core = *state;
    ioc_op *op = start_timer(core, 100);
    assert_int_equal(cancel(core, op), IOCP_OK);
    assert_int_equal(ioc_timers_count(&core->ops.timers), 0);
    pass_time(core, 1000);
    assert_null(ioc_op_next_timer(&core->ops, core->ops.now_ns));
    assert_int_equal(unit_core_deliver(core, op), IOCP_ECANCELED);
}

static void a_parked_operation_leaves_its_list(void **state)
{
    unit_core *core = *state;
    ioc_list waiting;
    ioc_list_init(&waiting);
    ioc_op *op = unit_core_queue(core, IOCP_TYPE_ASYNC_WAIT, NULL);
    ioc_op_park(op, &waiting);
    assert_int_equal(cancel(core, op), IOCP_OK);
    assert_true(ioc_list_is_empty(&waiting));
    assert_int_equal(unit_core_deliver(core, op), IOCP_ECANCELED);
}

static void in_the_kernel_it_is_only_asked(void **state)
{
    unit_core *core = *state;
    ioc_op *op = start_recv(core, unit_core_open(core));
    assert_int_equal(cancel(core, op), IOCP_OK);
    assert_int_equal(core->port.cancels, 1);
    assert_ptr_equal(core->port.last_cancelled, op);
    assert_int_equal(op->phase, IOC_PHASE_KERNEL);
    assert_null(ioc_op_next_ready(&core->ops));
    unit_core_packet(core, op, IOCP_ECANCELED, 0);
    assert_int_equal(unit_core_deliver(core, op), IOCP_ECANCELED);
}

static void a_success_that_was_quicker_is_delivered_with_its_bytes(void **state)
{
    unit_core *core = *state;
    ioc_op *op = start_recv(core, unit_core_open(core));
    assert_int_equal(cancel(core, op), IOCP_OK);
    unit_core_packet(core, op, IOCP_OK, 12);
    assert_int_equal(op->outcome.bytes, 12);
    assert_int_equal(unit_core_deliver(core, op), IOCP_OK);
}

static void an_error_that_was_quicker_stays_that_error(void **state)
{
    unit_core *core = *state;
    ioc_op *op = start_recv(core, unit_core_open(core));
    assert_int_equal(cancel(core, op), IOCP_OK);
    unit_core_packet(core, op, IOCP_ECONNRESET, 0);
    assert_int_equal(unit_core_deliver(core, op), IOCP_ECONNRESET);
}

static void a_cancelled_send_tells_how_much_was_taken(void **state)
{
    unit_core *core = *state;
    ioc_op *op = unit_core_queue(core, IOCP_TYPE_SEND, unit_core_open(core));
    ioc_transfer_start_send(&core->ops, op);
    assert_int_equal(cancel(core, op), IOCP_OK);
    unit_core_packet(core, op, IOCP_ECANCELED, 4096);
    assert_int_equal(op->outcome.bytes, 4096);
    assert_int_equal(unit_core_deliver(core, op), IOCP_ECANCELED);
}

static void if_the_kernel_refuses_the_operation_goes_on(void **state)
{
    unit_core *core = *state;
    ioc_op *op = start_recv(core, unit_core_open(core));
    core->port.cancel_answer = IOCP_EUNKNOWN;
    assert_int_equal(cancel(core, op), IOCP_EUNKNOWN);
    assert_int_equal(op->intent, 0);
    unit_core_packet(core, op, IOCP_ECANCELED, 0); /* so this is not our doing */
    assert_int_equal(unit_core_deliver(core, op), IOCP_ECONNABORTED);
}

/* Its callback answers IOCP_REARM. */
static void rearm(unit_core *core, ioc_op *op)
{
    assert_ptr_equal(ioc_op_next_ready(&core->ops), op);
    assert_false(ioc_op_is_last(&core->ops, op));
    op->kind->ended(&core->ops, op);
    ioc_op_rearm(&core->ops, op);
}

static void a_cancel_that_the_kernel_refused_does_not_end_the_next_run(void **state)
{
    unit_core *core = *state;
    ioc_op *op = start_recv(core, unit_core_open(core));
    core->port.cancel_answer = IOCP_ENOBUFS;
    assert_int_equal(cancel(core, op), IOCP_ENOBUFS);
    assert_false(op->is_cancelled);
    unit_core_packet(core, op, IOCP_OK, 1);
    assert_int_equal(unit_core_deliver(core, op), IOCP_OK);
}

static void a_deadline_behind_a_cancel_does_not_make_it_forgotten(void **state)
{
    unit_core *core = *state;
    ioc_op *op = start_recv(core, unit_core_open(core));
    assert_int_equal(cancel(core, op), IOCP_OK);
    assert_int_equal(ioc_cancel_op(&core->ops, op, IOCP_ETIMEDOUT), IOCP_OK);
    assert_true(op->is_cancelled);
    unit_core_packet(core, op, IOCP_OK, 1);
    assert_int_equal(unit_core_deliver(core, op), IOCP_OK);
}

static void a_cancel_changes_no_settled_outcome(void **state)
{
    unit_core *core = *state;
    ioc_op *op = start_recv(core, unit_core_open(core));
    unit_core_packet(core, op, IOCP_OK, 7);
    assert_int_equal(cancel(core, op), IOCP_OK);
    assert_int_equal(core->port.cancels, 0);
    assert_int_equal(op->outcome.bytes, 7);
    assert_int_equal(unit_core_deliver(core, op), IOCP_OK);
}

static void a_cancel_that_no_result_has_answered_ends_the_next_run(void **state)
{
    unit_core *core = *state;
    enum {
        IN_KERNEL,
        READY,
        IN_CALLBACK
    };
    for (int when = IN_KERNEL; when <= IN_CALLBACK; when++) {
        ioc_op *op = start_recv(core, unit_core_open(core));
        unsigned starts = core->port.starts;
        if (when == IN_KERNEL) {
            assert_int_equal(cancel(core, op), IOCP_OK);
        }
        unit_core_packet(core, op, IOCP_OK, 7);
        if (when == READY) {
            assert_int_equal(cancel(core, op), IOCP_OK);
        }
        assert_ptr_equal(ioc_op_next_ready(&core->ops), op);
        assert_false(ioc_op_is_last(&core->ops, op));
        op->kind->ended(&core->ops, op);
        if (when == IN_CALLBACK) {
            assert_int_equal(cancel(core, op), IOCP_OK);
        }
        ioc_op_rearm(&core->ops, op);
        assert_int_equal(op->phase, IOC_PHASE_READY);
        assert_int_equal(core->port.starts, starts);
        assert_int_equal(unit_core_deliver(core, op), IOCP_ECANCELED);
    }
}

static void a_cancel_that_was_answered_leaves_the_next_run_alone(void **state)
{
    unit_core *core = *state;
    ioc_op *op = start_recv(core, unit_core_open(core));
    assert_int_equal(cancel(core, op), IOCP_OK);
    unit_core_packet(core, op, IOCP_ECANCELED, 0);
    assert_int_equal(cancel(core, op), IOCP_OK); /* the result that is due answers this one, too */
    rearm(core, op);
    assert_int_equal(op->phase, IOC_PHASE_QUEUED);
    ioc_op_start_in_kernel(&core->ops, op);
    unit_core_packet(core, op, IOCP_OK, 1);
    assert_int_equal(unit_core_deliver(core, op), IOCP_OK);
}

static void a_cancel_is_kept_when_the_deadline_was_quicker(void **state)
{
    unit_core *core = *state;
    ioc_op *op = start_recv(core, unit_core_open(core));
    assert_int_equal(ioc_cancel_op(&core->ops, op, IOCP_ETIMEDOUT), IOCP_OK);
    assert_int_equal(cancel(core, op), IOCP_OK);
    unit_core_packet(core, op, IOCP_ECANCELED, 0);
    assert_int_equal(op->outcome.status, IOCP_ETIMEDOUT);
    rearm(core, op);
    assert_int_equal(unit_core_deliver(core, op), IOCP_ECANCELED);
}

static void a_rearm_that_cannot_be_granted_has_one_more_callback(void **state)
{
    unit_core *core = *state;
    ioc_handle *handle = unit_core_open(core);
    ioc_op *op = start_recv(core, handle);
    unit_core_packet(core, op, IOCP_OK, 7);
    ioc_op *close = queue_close(core, handle);
    run_queued(core);
    rearm(core, op);
    assert_ptr_equal(ioc_op_next_ready(&core->ops), op);
    assert_int_equal(op->outcome.status, IOCP_ECANCELED);
    assert_true(ioc_op_is_last(&core->ops, op)); /* and no third one */
    op->kind->ended(&core->ops, op);
    ioc_handle_leave(&core->ops, op);
    ioc_op_end(&core->ops, op);
    assert_int_equal(unit_core_deliver(core, close), IOCP_OK);
}

static void what_has_ended_is_not_found(void **state)
{
    unit_core *core = *state;
    assert_int_equal(cancel(core, NULL), IOCP_ENOENT);
}

static void cancelling_twice_asks_twice_and_ends_once(void **state)
{
    unit_core *core = *state;
    ioc_op *op = start_recv(core, unit_core_open(core));
    assert_int_equal(cancel(core, op), IOCP_OK);
    assert_int_equal(cancel(core, op), IOCP_OK);
    unit_core_packet(core, op, IOCP_ECANCELED, 0);
    assert_int_equal(unit_core_deliver(core, op), IOCP_ECANCELED);
    assert_null(ioc_op_next_ready(&core->ops));
}

/* ---- Queued cancels ---- */

static void a_queued_cancel_ends_its_target_and_says_asked(void **state)
{
    unit_core *core = *state;
    ioc_op *target = start_timer(core, 100);
    ioc_op *asker = queue_cancel(core, ioc_op_id(target));
    run_queued(core);
    assert_int_equal(unit_core_deliver(core, target), IOCP_ECANCELED);
    assert_int_equal(unit_core_deliver(core, asker), IOCP_OK);
}

static void a_queued_cancel_of_a_stale_id_says_so(void **state)
{
    unit_core *core = *state;
    ioc_op *gone = unit_core_queue(core, IOCP_TYPE_NOP, NULL);
    iocp_op_t id = ioc_op_id(gone);
    ioc_op_finish(&core->ops, gone, IOCP_OK);
    (void)unit_core_deliver(core, gone);
    ioc_op *asker = queue_cancel(core, id); /* in the slot of the one that is gone */
    run_queued(core);
    assert_int_equal(unit_core_deliver(core, asker), IOCP_ENOENT);
}

static void a_queued_cancel_tells_what_the_kernel_said(void **state)
{
    unit_core *core = *state;
    ioc_op *target = start_recv(core, unit_core_open(core));
    ioc_op *asker = queue_cancel(core, ioc_op_id(target));
    core->port.cancel_answer = IOCP_EUNKNOWN;
    core->port.cancel_native_error = 4711;
    run_queued(core);
    assert_int_equal(asker->outcome.native_error, 4711);
    assert_int_equal(unit_core_deliver(core, asker), IOCP_EUNKNOWN);
    ioc_op *other = queue_cancel(core, (iocp_op_t){0});
    run_queued(core);
    assert_int_equal(other->outcome.native_error, 0);
    assert_int_equal(unit_core_deliver(core, other), IOCP_ENOENT);
    unit_core_packet(core, target, IOCP_OK, 1);
    assert_int_equal(unit_core_deliver(core, target), IOCP_OK);
}

static void a_cancel_that_brings_the_operation_back_needs_no_packet(void **state)
{
    unit_core *core = *state;
    ioc_op *target = start_recv(core, unit_core_open(core));
    core->port.cancel_ends = true;
    assert_int_equal(ioc_cancel_op(&core->ops, target, IOCP_ETIMEDOUT), IOCP_OK);
    assert_int_equal(target->phase, IOC_PHASE_READY);
    assert_int_equal(core->ops.in_kernel, 0);
    assert_int_equal(ioc_cancel_op(&core->ops, target, IOCP_ECANCELED), IOCP_OK);
    assert_int_equal(core->port.cancels, 1);
    assert_int_equal(unit_core_deliver(core, target), IOCP_ETIMEDOUT);
}

static void what_cannot_be_cancelled_nor_closed_is_told(void **state)
{
    unit_core *core = *state;
    ioc_op *on_handle = start_recv(core, unit_core_open(core));
    ioc_op *wait = unit_core_queue(core, IOCP_TYPE_WAIT, NULL);
    ioc_op_start_in_kernel(&core->ops, wait);
    core->port.cancel_answer = IOCP_EUNKNOWN;
    core->ops.is_ending = true;
    assert_int_equal(run_ending(core), IOC_ENDING_REFUSED);
    assert_int_equal(core->port.closes, 1);
    core->port.cancel_answer = IOCP_OK;
    assert_int_equal(run_ending(core), IOC_ENDING_ASKED);
    assert_int_equal(core->port.closes, 1);
    assert_int_equal(core->port.handle_cancels, 1);
    unit_core_packet(core, on_handle, IOCP_ECANCELED, 0);
    unit_core_packet(core, wait, IOCP_ECANCELED, 0);
    assert_int_equal(unit_core_deliver(core, on_handle), IOCP_ECANCELED);
    assert_int_equal(unit_core_deliver(core, wait), IOCP_ECANCELED);
}

static void a_cancel_of_itself_ends_once(void **state)
{
    unit_core *core = *state;
    ioc_op *asker = unit_core_queue(core, IOCP_TYPE_CANCEL, NULL);
    ioc_cancel_of(asker)->target = ioc_op_id(asker);
    run_queued(core);
    assert_int_equal(unit_core_deliver(core, asker), IOCP_ECANCELED);
    assert_null(ioc_op_next_ready(&core->ops));
}

static void a_cancel_can_be_cancelled_before_its_turn(void **state)
{
    unit_core *core = *state;
    ioc_op *timer = start_timer(core, 100);
    ioc_op *first = unit_core_queue(core, IOCP_TYPE_CANCEL, NULL);
    ioc_op *second = queue_cancel(core, ioc_op_id(timer));
    ioc_cancel_of(first)->target = ioc_op_id(second);
    run_queued(core);
    assert_int_equal(unit_core_deliver(core, second), IOCP_ECANCELED);
    assert_int_equal(unit_core_deliver(core, first), IOCP_OK);
    assert_int_equal(timer->phase, IOC_PHASE_TIMED);
    assert_int_equal(cancel(core, timer), IOCP_OK);
    (void)unit_core_deliver(core, timer);
}

/* ---- Deadlines ---- */

static void a_deadline_ends_with_timed_out_and_not_before(void **state)
{
    unit_core *core = *state;
    ioc_op *op = start_recv(core, unit_core_open(core));
    assert_int_equal(ioc_op_set_deadline(&core->ops, op, 50), IOCP_OK);
    pass_time(core, 49);
    assert_int_equal(core->port.cancels, 0);
    pass_time(core, 1);
    assert_int_equal(core->port.cancels, 1);
    unit_core_packet(core, op, IOCP_ECANCELED, 0);
    assert_int_equal(unit_core_deliver(core, op), IOCP_ETIMEDOUT);
}

static void the_first_reason_stays(void **state)
{
    unit_core *core = *state;
    ioc_handle *handle = unit_core_open(core);
    ioc_op *late = start_recv(core, handle);
    assert_int_equal(ioc_op_set_deadline(&core->ops, late, 50), IOCP_OK);
    pass_time(core, 50);
    assert_int_equal(cancel(core, late), IOCP_OK);
    unit_core_packet(core, late, IOCP_ECANCELED, 0);
    assert_int_equal(unit_core_deliver(core, late), IOCP_ETIMEDOUT);

    ioc_op *early = start_recv(core, handle);
    assert_int_equal(ioc_op_set_deadline(&core->ops, early, 50), IOCP_OK);
    assert_int_equal(cancel(core, early), IOCP_OK);
    pass_time(core, 50);
    unit_core_packet(core, early, IOCP_ECANCELED, 0);
    assert_int_equal(unit_core_deliver(core, early), IOCP_ECANCELED);
}

static void a_deadline_is_gone_once_the_outcome_is_settled(void **state)
{
    unit_core *core = *state;
    ioc_op *op = start_recv(core, unit_core_open(core));
    assert_int_equal(ioc_op_set_deadline(&core->ops, op, 50), IOCP_OK);
    unit_core_packet(core, op, IOCP_OK, 3);
    assert_int_equal(ioc_timers_count(&core->ops.deadlines), 0);
    assert_int_equal(ioc_op_set_deadline(&core->ops, op, 50), IOCP_ENOENT);
    pass_time(core, 100);
    assert_int_equal(core->port.cancels, 0);
    assert_int_equal(unit_core_deliver(core, op), IOCP_OK);
}

static void a_deadline_can_be_moved_and_taken_away(void **state)
{
    unit_core *core = *state;
    ioc_op *op = start_recv(core, unit_core_open(core));
    assert_int_equal(ioc_op_set_deadline(&core->ops, op, 50), IOCP_OK);
    assert_int_equal(ioc_op_set_deadline(&core->ops, op, 200), IOCP_OK);
    pass_time(core, 199);
    assert_int_equal(core->port.cancels, 0);
    assert_int_equal(ioc_op_set_deadline(&core->ops, op, IOC_FOREVER), IOCP_OK);
    pass_time(core, 1000);
    assert_int_equal(core->port.cancels, 0);
    assert_int_equal(ioc_timers_count(&core->ops.deadlines), 0);
    unit_core_packet(core, op, IOCP_OK, 1);
    (void)unit_core_deliver(core, op);
}

static void a_deadline_that_the_kernel_refuses_asks_again(void **state)
{
    unit_core *core = *state;
    ioc_op *op = start_recv(core, unit_core_open(core));
    assert_int_equal(ioc_op_set_deadline(&core->ops, op, 50), IOCP_OK);
    core->port.cancel_answer = IOCP_EUNKNOWN;
    pass_time(core, 50);
    assert_int_equal(core->port.cancels, 1);
    pass_time(core, 0); /* but not all the time */
    assert_int_equal(core->port.cancels, 1);
    core->port.cancel_answer = IOCP_OK;
    pass_time(core, 1000 * IOC_NS_PER_MS);
    assert_int_equal(core->port.cancels, 2);
    pass_time(core, 1000 * IOC_NS_PER_MS);
    assert_int_equal(core->port.cancels, 2);
    unit_core_packet(core, op, IOCP_ECANCELED, 0);
    assert_int_equal(unit_core_deliver(core, op), IOCP_ETIMEDOUT);
}

static void a_refused_deadline_asks_again_in_the_next_turn_without_memory(void **state)
{
    unit_core *core = *state;
    ioc_op *op = start_recv(core, unit_core_open(core));
    assert_int_equal(ioc_op_set_deadline(&core->ops, op, 50), IOCP_OK);
    ioc_op *others[IOC_TIMER_CHUNK_ROOM - 1]; /* so that the next time takes memory */
    for (size_t i = 0; i < IOC_COUNT_OF(others); i++) {
        others[i] = start_recv(core, unit_core_open(core));
        assert_int_equal(ioc_op_set_deadline(&core->ops, others[i], 1000000), IOCP_OK);
    }
    unit_memory_allow(&core->memory, 0);
    core->port.cancel_answer = IOCP_EUNKNOWN;
    pass_time(core, 50);
    assert_int_equal(core->port.cancels, 1);
    assert_true(ioc_timers_next_due(&core->ops.deadlines) <= core->ops.now_ns);
    core->port.cancel_answer = IOCP_OK;
    pass_time(core, 0);
    assert_int_equal(core->port.cancels, 2);
    pass_time(core, 0);
    assert_int_equal(core->port.cancels, 2);
    unit_core_packet(core, op, IOCP_ECANCELED, 0);
    assert_int_equal(unit_core_deliver(core, op), IOCP_ETIMEDOUT);
    unit_memory_allow(&core->memory, UINT64_MAX);
    for (size_t i = 0; i < IOC_COUNT_OF(others); i++) {
        unit_core_packet(core, others[i], IOCP_OK, 1);
        assert_int_equal(unit_core_deliver(core, others[i]), IOCP_OK);
    }
}

static void a_queued_operation_can_time_out(void **state)
{
    unit_core *core = *state;
    ioc_op *op = unit_core_queue(core, IOCP_TYPE_RECV, unit_core_open(core));
    assert_int_equal(ioc_op_set_deadline(&core->ops, op, 0), IOCP_OK);
    pass_time(core, 0);
    assert_int_equal(core->port.starts, 0);
    assert_int_equal(unit_core_deliver(core, op), IOCP_ETIMEDOUT);
}

static void cancels_and_closes_have_no_deadline(void **state)
{
    unit_core *core = *state;
    ioc_op *asker = queue_cancel(core, (iocp_op_t){0});
    ioc_op *close = queue_close(core, unit_core_open(core));
    assert_int_equal(ioc_op_set_deadline(&core->ops, asker, 5), IOCP_ENOTSUP);
    assert_int_equal(ioc_op_set_deadline(&core->ops, close, 5), IOCP_ENOTSUP);
    run_queued(core);
    assert_int_equal(unit_core_deliver(core, asker), IOCP_ENOENT);
    assert_int_equal(unit_core_deliver(core, close), IOCP_OK);
}

/* ---- Closing a handle ---- */

static void a_close_comes_last(void **state)
{
    unit_core *core = *state;
    ioc_handle *handle = unit_core_open(core);
    ioc_op *pending = start_recv(core, handle);
    ioc_op *queued = unit_core_queue(core, IOCP_TYPE_RECV, handle);
    ioc_op *close = queue_close(core, handle);
    run_queued(core);
    assert_int_equal(core->port.handle_cancels, 1);
    assert_int_equal(core->port.cancels, 0);
    assert_int_equal(core->port.closes, 0); /* the kernel still has one of its operations */
    assert_int_equal(unit_core_deliver(core, queued), IOCP_ECANCELED);
    assert_null(ioc_op_next_ready(&core->ops));
    unit_core_packet(core, pending, IOCP_ECANCELED, 0);
    assert_int_equal(core->port.closes, 0); /* nor before the callback has run */
    assert_int_equal(unit_core_deliver(core, pending), IOCP_ECANCELED);
    assert_int_equal(core->port.closes, 1);
    assert_int_equal(unit_core_deliver(core, close), IOCP_OK);
    assert_int_equal(core->port.closes, 1);
    assert_int_equal(core->ops.handles.live, 0);
}

static void a_close_that_is_queued_when_the_last_callback_returns_has_its_turn(void **state)
{
    unit_core *core = *state;
    ioc_handle *handle = unit_core_open(core);
    ioc_op *recv = start_recv(core, handle);
    unit_core_packet(core, recv, IOCP_OK, 1);
    ioc_op *close = queue_close(core, handle);
    assert_int_equal(unit_core_deliver(core, recv), IOCP_OK);
    assert_int_equal(close->phase, IOC_PHASE_QUEUED);
    assert_int_equal(core->port.closes, 0);
    run_queued(core);
    assert_int_equal(core->port.closes, 1);
    assert_int_equal(unit_core_deliver(core, close), IOCP_OK);
}

static void a_close_of_an_idle_handle_is_done_at_once(void **state)
{
    unit_core *core = *state;
    ioc_handle *handle = unit_core_open(core);
    iocp_handle_t id = ioc_handle_id(handle);
    ioc_op *close = queue_close(core, handle);
    assert_null(ioc_handle_find(&core->ops, id)); /* the gate is shut from the call on */
    run_queued(core);
    assert_int_equal(core->port.closes, 1);
    assert_int_equal(unit_core_deliver(core, close), IOCP_OK);
    assert_null(ioc_handle_find(&core->ops, id));
}

static void a_close_delivers_the_bytes_that_were_quicker(void **state)
{
    unit_core *core = *state;
    ioc_handle *handle = unit_core_open(core);
    ioc_op *op = start_recv(core, handle);
    ioc_op *close = queue_close(core, handle);
    run_queued(core);
    unit_core_packet(core, op, IOCP_OK, 9);
    assert_int_equal(op->outcome.bytes, 9);
    assert_int_equal(unit_core_deliver(core, op), IOCP_OK);
    assert_int_equal(unit_core_deliver(core, close), IOCP_OK);
}

static void a_close_cannot_be_cancelled(void **state)
{
    unit_core *core = *state;
    ioc_handle *handle = unit_core_open(core);
    ioc_op *op = start_recv(core, handle);
    ioc_op *close = queue_close(core, handle);
    assert_int_equal(cancel(core, close), IOCP_ENOTSUP);
    ioc_op *asker = queue_cancel(core, ioc_op_id(close));
    run_queued(core);
    assert_int_equal(unit_core_deliver(core, asker), IOCP_ENOTSUP);
    unit_core_packet(core, op, IOCP_ECANCELED, 0);
    (void)unit_core_deliver(core, op);
    assert_int_equal(unit_core_deliver(core, close), IOCP_OK);
}

static void where_the_kernel_refuses_a_close_closes_the_object(void **state)
{
    unit_core *core = *state;
    ioc_handle *handle = unit_core_open(core);
    ioc_op *first = start_recv(core, handle);
    ioc_op *second = start_recv(core, handle);
    ioc_op *close = queue_close(core, handle);
    core->port.cancel_answer = IOCP_EUNKNOWN;
    run_queued(core);
    assert_int_equal(core->port.closes, 1);
    unit_core_packet(core, first, IOCP_ECANCELED, 0);
    unit_core_packet(core, second, IOCP_ECANCELED, 0);
    assert_int_equal(unit_core_deliver(core, first), IOCP_ECANCELED);
    assert_int_equal(unit_core_deliver(core, second), IOCP_ECANCELED);
    assert_int_equal(unit_core_deliver(core, close), IOCP_OK);
    assert_int_equal(core->port.closes, 1);
}

static void a_shutdown_waits_for_the_sends_and_a_close_ends_it(void **state)
{
    unit_core *core = *state;
    ioc_handle *handle = unit_core_open(core);
    ioc_op *send = unit_core_queue(core, IOCP_TYPE_SEND, handle);
    ioc_transfer_start_send(&core->ops, send);
    ioc_op *shutdown = unit_core_queue(core, IOCP_TYPE_SHUTDOWN, handle);
    ioc_shutdown_of(shutdown)->how = IOCP_SHUTDOWN_SEND;
    ioc_shutdown_start(&core->ops, shutdown);
    assert_int_equal(shutdown->phase, IOC_PHASE_PARKED);
    ioc_op *close = queue_close(core, handle);
    run_queued(core);
    assert_int_equal(unit_core_deliver(core, shutdown), IOCP_ECANCELED);
    unit_core_packet(core, send, IOCP_ECANCELED, 0);
    assert_int_equal(unit_core_deliver(core, send), IOCP_ECANCELED);
    assert_int_equal(unit_core_deliver(core, close), IOCP_OK);
}

/* What ends a standard stream: parked, as the loop's start leaves it. */
static ioc_op *park_last(unit_core *core, ioc_handle *handle)
{
    handle->kind = IOC_HANDLE_STDIN;
    ioc_op *last = unit_core_queue(core, (iocp_type_t)IOC_TYPE_STDIO_END, handle);
    last->kind->start(&core->ops, last);
    assert_int_equal(last->phase, IOC_PHASE_PARKED);
    assert_int_equal(handle->count, 0); /* nobody is told that it is there */
    return last;
}

static ioc_op *start_read(unit_core *core, ioc_handle *handle)
{
    ioc_op *op = unit_core_queue(core, IOCP_TYPE_READ, handle);
    op->kind->start(&core->ops, op);
    assert_int_equal(op->phase, IOC_PHASE_KERNEL);
    return op;
}

static void what_comes_last_on_a_handle_begins_with_its_close(void **state)
{
    unit_core *core = *state;
    ioc_handle *handle = unit_core_open(core);
    ioc_op *last = park_last(core, handle);
    ioc_op *read = start_read(core, handle);
    ioc_op *close = queue_close(core, handle);
    run_queued(core);
    assert_int_equal(last->phase, IOC_PHASE_KERNEL);
    assert_int_equal(core->port.cancels, 1); /* of the read alone */
    assert_int_equal(core->port.handle_cancels, 0);
    unit_core_packet(core, read, IOCP_ECANCELED, 0);
    assert_int_equal(unit_core_deliver(core, read), IOCP_ECANCELED);
    assert_int_equal(core->port.closes, 0); /* something is at work there */
    unit_core_packet(core, last, IOCP_OK, 0);
    assert_int_equal(unit_core_deliver(core, last), IOCP_OK);
    assert_int_equal(core->port.closes, 1);
    assert_int_equal(unit_core_deliver(core, close), IOCP_OK);
}

static void what_comes_last_on_a_handle_begins_with_the_loops_end(void **state)
{
    unit_core *core = *state;
    ioc_op *last = park_last(core, unit_core_open(core));
    core->ops.is_ending = true;
    assert_int_equal(run_ending(core), IOC_ENDING_ASKED);
    assert_int_equal(last->phase, IOC_PHASE_KERNEL);
    assert_int_equal(core->port.cancels, 0);
    assert_int_equal(run_ending(core), IOC_ENDING_ASKED); /* and is left alone then */
    unit_core_packet(core, last, IOCP_OK, 0);
    assert_int_equal(unit_core_deliver(core, last), IOCP_OK);
}

/* Nothing can be at work on a handle that is closed before the loop has begun anything on it. */
static void what_comes_last_on_a_handle_does_not_begin_if_nothing_has(void **state)
{
    unit_core *core = *state;
    ioc_handle *handle = unit_core_open(core);
    ioc_op *last = unit_core_queue(core, (iocp_type_t)IOC_TYPE_STDIO_END, handle);
    ioc_op *close = queue_close(core, handle);
    run_queued(core);
    assert_int_equal(core->port.starts, 0);
    assert_int_equal(unit_core_deliver(core, last), IOCP_ECANCELED);
    assert_int_equal(unit_core_deliver(core, close), IOCP_OK);
}

static void a_close_asks_the_kernel_once_however_much_is_pending(void **state)
{
    unit_core *core = *state;
    enum {
        COUNT = 300,
        LIMIT = 100
    };
    static ioc_op *ops[COUNT];
    ioc_handle *handle = unit_core_open(core);
    for (int i = 0; i < COUNT; i++) {
        ops[i] = start_recv(core, handle);
    }
    ioc_op *queued = unit_core_queue(core, IOCP_TYPE_RECV, handle);
    ioc_op *close = queue_close(core, handle);
    for (int turn = 0; turn < COUNT / LIMIT; turn++) {
        assert_int_equal(queued->phase, IOC_PHASE_QUEUED); /* comes in a later turn */
        ioc_cancel_run_queued(&core->ops, LIMIT);
    }
    assert_false(ioc_list_is_empty(&core->ops.closing));
    ioc_cancel_run_queued(&core->ops, LIMIT);
    assert_true(ioc_list_is_empty(&core->ops.closing));
    assert_int_equal(core->port.handle_cancels, 1);
    assert_int_equal(core->port.cancels, 0);
    assert_int_equal(unit_core_deliver(core, queued), IOCP_ECANCELED);
    for (int i = 0; i < COUNT; i++) {
        unit_core_packet(core, ops[i], IOCP_ECANCELED, 0);
        assert_int_equal(unit_core_deliver(core, ops[i]), IOCP_ECANCELED);
    }
    assert_int_equal(unit_core_deliver(core, close), IOCP_OK);
}

/* The kernel does not know of it. */
static void a_close_asks_for_what_the_pool_does_by_itself(void **state)
{
    unit_core *core = *state;
    ioc_handle *handle = unit_core_open(core);
    handle->kind = IOCP_HANDLE_FILE;
    ioc_op *flush = unit_core_queue(core, IOCP_TYPE_FLUSH, handle);
    ioc_op_start_in_kernel(&core->ops, flush);
    ioc_op *close = queue_close(core, handle);
    run_queued(core);
    assert_ptr_equal(core->port.last_cancelled, flush);
    assert_int_equal(core->port.handle_cancels, 0);
    unit_core_packet(core, flush, IOCP_ECANCELED, 0);
    assert_int_equal(unit_core_deliver(core, flush), IOCP_ECANCELED);
    assert_int_equal(unit_core_deliver(core, close), IOCP_OK);
}

/* In the next turns, until it takes the request; what comes behind it waits for that. */
static void a_close_asks_again_for_what_the_system_refuses_to_end(void **state)
{
    unit_core *core = *state;
    ioc_op *waits[2];
    ioc_handle *handle = unit_core_open(core);
    handle->kind = IOCP_HANDLE_PROCESS;
    for (int i = 0; i < 2; i++) {
        waits[i] = unit_core_queue(core, IOCP_TYPE_PROCESS_WAIT, handle);
        ioc_op_start_in_kernel(&core->ops, waits[i]);
    }
    ioc_op *close = queue_close(core, handle);
    core->port.cancel_answer = IOCP_ENOBUFS;
    for (int turn = 1; turn <= 3; turn++) {
        run_queued(core);
        assert_int_equal(core->port.cancels, turn);
        assert_true(ioc_cancel_is_queued(&core->ops));
    }
    core->port.cancel_answer = IOCP_OK;
    run_queued(core);
    assert_int_equal(core->port.cancels, 5);
    assert_false(ioc_cancel_is_queued(&core->ops));
    for (int i = 0; i < 2; i++) {
        unit_core_packet(core, waits[i], IOCP_ECANCELED, 0);
        assert_int_equal(unit_core_deliver(core, waits[i]), IOCP_ECANCELED);
    }
    assert_int_equal(unit_core_deliver(core, close), IOCP_OK);
    assert_int_equal(core->port.handle_cancels, 0);
}

/* ---- Everything ---- */

static void cancelling_all_reaches_every_phase(void **state)
{
    unit_core *core = *state;
    ioc_handle *handle = unit_core_open(core);
    ioc_op *pending = start_recv(core, handle);
    ioc_op *queued = unit_core_queue(core, IOCP_TYPE_RECV, handle);
    ioc_op *timer = start_timer(core, 100);
    ioc_op *parked = unit_core_queue(core, IOCP_TYPE_ASYNC_WAIT, NULL);
    ioc_op_park(parked, NULL);
    ioc_op *done = start_recv(core, handle);
    unit_core_packet(core, done, IOCP_OK, 2);
    core->ops.is_ending = true;
    assert_int_equal(run_ending(core), IOC_ENDING_ASKED);
    unit_core_packet(core, pending, IOCP_ECANCELED, 0);
    assert_int_equal(unit_core_deliver(core, done), IOCP_OK);
    assert_int_equal(unit_core_deliver(core, queued), IOCP_ECANCELED);
    assert_int_equal(unit_core_deliver(core, parked), IOCP_ECANCELED);
    assert_int_equal(unit_core_deliver(core, timer), IOCP_ECANCELED); /* is in another page */
    assert_int_equal(unit_core_deliver(core, pending), IOCP_ECANCELED);
    assert_int_equal(core->ops.slab.live, 0);
    assert_int_equal(core->ops.active, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CANCEL_TEST(a_queued_operation_never_starts),
        CANCEL_TEST(a_timer_that_is_cancelled_is_not_set_any_more),
        CANCEL_TEST(a_parked_operation_leaves_its_list),
        CANCEL_TEST(in_the_kernel_it_is_only_asked),
        CANCEL_TEST(a_success_that_was_quicker_is_delivered_with_its_bytes),
        CANCEL_TEST(an_error_that_was_quicker_stays_that_error),
        CANCEL_TEST(a_cancelled_send_tells_how_much_was_taken),
        CANCEL_TEST(if_the_kernel_refuses_the_operation_goes_on),
        CANCEL_TEST(a_cancel_that_the_kernel_refused_does_not_end_the_next_run),
        CANCEL_TEST(a_deadline_behind_a_cancel_does_not_make_it_forgotten),
        CANCEL_TEST(a_cancel_changes_no_settled_outcome),
        CANCEL_TEST(a_cancel_that_no_result_has_answered_ends_the_next_run),
        CANCEL_TEST(a_cancel_that_was_answered_leaves_the_next_run_alone),
        CANCEL_TEST(a_cancel_is_kept_when_the_deadline_was_quicker),
        CANCEL_TEST(a_rearm_that_cannot_be_granted_has_one_more_callback),
        CANCEL_TEST(what_has_ended_is_not_found),
        CANCEL_TEST(cancelling_twice_asks_twice_and_ends_once),
        CANCEL_TEST(a_queued_cancel_ends_its_target_and_says_asked),
        CANCEL_TEST(a_queued_cancel_of_a_stale_id_says_so),
        CANCEL_TEST(a_queued_cancel_tells_what_the_kernel_said),
        CANCEL_TEST(a_cancel_of_itself_ends_once),
        CANCEL_TEST(a_cancel_that_brings_the_operation_back_needs_no_packet),
        CANCEL_TEST(what_cannot_be_cancelled_nor_closed_is_told),
        CANCEL_TEST(a_cancel_can_be_cancelled_before_its_turn),
        CANCEL_TEST(a_deadline_ends_with_timed_out_and_not_before),
        CANCEL_TEST(the_first_reason_stays),
        CANCEL_TEST(a_deadline_is_gone_once_the_outcome_is_settled),
        CANCEL_TEST(a_deadline_can_be_moved_and_taken_away),
        CANCEL_TEST(a_deadline_that_the_kernel_refuses_asks_again),
        CANCEL_TEST(a_refused_deadline_asks_again_in_the_next_turn_without_memory),
        CANCEL_TEST(a_queued_operation_can_time_out),
        CANCEL_TEST(cancels_and_closes_have_no_deadline),
        CANCEL_TEST(a_close_comes_last),
        CANCEL_TEST(a_close_that_is_queued_when_the_last_callback_returns_has_its_turn),
        CANCEL_TEST(a_close_of_an_idle_handle_is_done_at_once),
        CANCEL_TEST(a_close_delivers_the_bytes_that_were_quicker),
        CANCEL_TEST(a_close_cannot_be_cancelled),
        CANCEL_TEST(what_comes_last_on_a_handle_begins_with_its_close),
        CANCEL_TEST(what_comes_last_on_a_handle_begins_with_the_loops_end),
        CANCEL_TEST(what_comes_last_on_a_handle_does_not_begin_if_nothing_has),
        CANCEL_TEST(a_close_asks_the_kernel_once_however_much_is_pending),
        CANCEL_TEST(a_close_asks_for_what_the_pool_does_by_itself),
        CANCEL_TEST(a_close_asks_again_for_what_the_system_refuses_to_end),
        CANCEL_TEST(where_the_kernel_refuses_a_close_closes_the_object),
        CANCEL_TEST(a_shutdown_waits_for_the_sends_and_a_close_ends_it),
        CANCEL_TEST(cancelling_all_reaches_every_phase),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
