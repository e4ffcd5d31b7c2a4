#include "unit_backend.h"

#include "timeout.h"

#include <string.h>

#define OP_TEST(name) cmocka_unit_test_setup_teardown(name, unit_core_set_up, unit_core_tear_down)

/* ---- Birth, names, parameters ---- */

static void a_queued_operation_is_found_until_it_has_ended(void **state)
{
    unit_core *core = *state;
    ioc_op *op = unit_core_queue(core, IOCP_TYPE_NOP, NULL);
    iocp_op_t id = ioc_op_id(op);
    assert_int_equal(ioc_op_state(op), IOCP_OP_ADDING);
    assert_ptr_equal(ioc_op_find(&core->ops, id), op);
    assert_int_equal(core->ops.active, 1);
    ioc_op_finish(&core->ops, op, IOCP_OK);
    assert_int_equal(ioc_op_state(op), IOCP_OP_ACTIVE);
    assert_int_equal(unit_core_deliver(core, op), IOCP_OK);
    assert_null(ioc_op_find(&core->ops, id));
    assert_int_equal(core->ops.active, 0);
}

static void queueing_tells_the_id(void **state)
{
    unit_core *core = *state;
    iocp_op_t id = {0};
    ioc_op *op = ioc_op_new(&core->ops, IOCP_TYPE_NOP, NULL, NULL);
    assert_non_null(op);
    ioc_op_queue(&core->ops, op, &id);
    assert_ptr_equal(ioc_op_find(&core->ops, id), op);
    ioc_op_finish(&core->ops, op, IOCP_OK);
    (void)unit_core_deliver(core, op);
}

static void without_memory_there_is_no_operation(void **state)
{
    unit_core *core = *state;
    unit_memory_allow(&core->memory, 0);
    assert_null(ioc_op_new(&core->ops, IOCP_TYPE_NOP, NULL, NULL));
    unit_memory_allow(&core->memory, UINT64_MAX);
    ioc_op *op = ioc_op_new(&core->ops, IOCP_TYPE_NOP, NULL, NULL);
    assert_non_null(op);
    ioc_op_free(&core->ops, op);
}

static void a_single_buffer_is_copied_in_place(void **state)
{
    unit_core *core = *state;
    char data[4];
    iocp_buf_t buffer = {.length = sizeof data, .base = data};
    ioc_op *op = ioc_op_new(&core->ops, IOCP_TYPE_SEND, NULL, NULL);
    assert_non_null(op);
    assert_int_equal(ioc_transfer_set_buffers(&core->ops, op, &buffer, 1), IOCP_OK);
    buffer.length = 0; /* the caller's own from now on */
    assert_null(op->block);
    assert_int_equal(ioc_transfer_of(op)->count, 1);
    assert_int_equal(ioc_transfer_of(op)->bytes, sizeof data);
    assert_int_equal(ioc_transfer_buffers(op)[0].length, sizeof data);
    assert_ptr_equal(ioc_transfer_buffers(op)[0].base, data);
    ioc_op_free(&core->ops, op);
}

static void lists_of_every_length_are_copied(void **state)
{
    unit_core *core = *state;
    static iocp_buf_t buffers[IOCP_BUFFERS_MAX];
    const size_t small = IOC_BLOCK_BYTES / sizeof *buffers;
    const size_t more = IOC_BLOCK_MORE_BYTES / sizeof *buffers;
    const size_t counts[] = {2, small, small + 1, more, more + 1, IOCP_BUFFERS_MAX};
    for (size_t i = 0; i < IOC_COUNT_OF(buffers); i++) {
        buffers[i] = (iocp_buf_t){.length = (uint32_t)i, .base = &buffers[i]};
    }
    for (size_t i = 0; i < IOC_COUNT_OF(counts); i++) {
        ioc_op *op = ioc_op_new(&core->ops, IOCP_TYPE_SEND, NULL, NULL);
        assert_non_null(op);
        assert_int_equal(ioc_transfer_set_buffers(&core->ops, op, buffers, counts[i]), IOCP_OK);
        assert_int_equal(ioc_transfer_of(op)->count, counts[i]);
        assert_ptr_not_equal(ioc_transfer_buffers(op), buffers);
        assert_int_equal(core->ops.small_blocks.live, counts[i] <= small);
        assert_int_equal(core->ops.large_blocks.live, counts[i] > small);
        assert_int_equal(op->is_largest_block, counts[i] > more);
        for (size_t j = 0; j < counts[i]; j++) {
            assert_int_equal(ioc_transfer_buffers(op)[j].length, j);
            assert_ptr_equal(ioc_transfer_buffers(op)[j].base, &buffers[j]);
        }
        ioc_op_free(&core->ops, op);
    }
    assert_int_equal(core->ops.small_blocks.live, 0);
    assert_int_equal(core->ops.large_blocks.live, 0);
}

static void blocks_of_two_operations_do_not_overlap(void **state)
{
    unit_core *core = *state;
    char bytes[2][IOC_BLOCK_BYTES];
    ioc_op *ops[2];
    for (int i = 0; i < 2; i++) {
        memset(bytes[i], 'a' + i, sizeof bytes[i]);
        ops[i] = ioc_op_new(&core->ops, IOCP_TYPE_CONNECT, NULL, NULL);
        assert_non_null(ops[i]);
        assert_int_equal(ioc_op_copy(&core->ops, ops[i], bytes[i], sizeof bytes[i]), IOCP_OK);
    }
    for (int i = 0; i < 2; i++) {
        assert_memory_equal(ops[i]->block, bytes[i], sizeof bytes[i]);
        ioc_op_free(&core->ops, ops[i]);
    }
}

static void a_list_without_memory_is_refused(void **state)
{
    unit_core *core = *state;
    iocp_buf_t buffers[2] = {{0}};
    ioc_op *op = ioc_op_new(&core->ops, IOCP_TYPE_SEND, NULL, NULL);
    assert_non_null(op);
    unit_memory_allow(&core->memory, 0);
    assert_int_equal(ioc_transfer_set_buffers(&core->ops, op, buffers, 2), IOCP_ENOMEM);
    unit_memory_allow(&core->memory, UINT64_MAX);
    ioc_op_free(&core->ops, op);
}

static void an_address_is_copied(void **state)
{
    unit_core *core = *state;
    char address[128];
    char same[128];
    memset(address, 0x2c, sizeof address);
    memcpy(same, address, sizeof same);
    ioc_op *op = ioc_op_new(&core->ops, IOCP_TYPE_CONNECT, NULL, NULL);
    assert_non_null(op);
    const struct sockaddr *given = (const struct sockaddr *)(const void *)address;
    assert_int_equal(ioc_transfer_set_address(&core->ops, op, given, sizeof address), IOCP_OK);
    memset(address, 0, sizeof address);
    assert_int_equal(ioc_transfer_of(op)->address_length, sizeof same);
    assert_memory_equal(op->block, same, sizeof same);
    ioc_op_free(&core->ops, op);
}

/* ---- In the kernel ---- */

static ioc_op *start_recv(unit_core *core, ioc_handle *handle, uint32_t length)
{
    static char data[64];
    iocp_buf_t buffer = {.length = length, .base = data};
    ioc_op *op = unit_core_queue(core, IOCP_TYPE_RECV, handle);
    assert_int_equal(ioc_transfer_set_buffers(&core->ops, op, &buffer, 1), IOCP_OK);
    ioc_op_start_in_kernel(&core->ops, op);
    return op;
}

static void a_pending_operation_waits_for_its_packet(void **state)
{
    unit_core *core = *state;
    ioc_op *op = start_recv(core, unit_core_open(core), 64);
    assert_int_equal(core->port.starts, 1);
    assert_int_equal(op->phase, IOC_PHASE_KERNEL);
    assert_int_equal(core->ops.in_kernel, 1);
    assert_null(ioc_op_next_ready(&core->ops));
    op->outcome = (ioc_outcome){.status = IOCP_ECONNRESET, .native_error = 10054, .bytes = 3};
    ioc_op_finish_from_backend(&core->ops, op);
    assert_int_equal(core->ops.in_kernel, 0);
    assert_int_equal(op->outcome.native_error, 10054);
    assert_int_equal(op->outcome.bytes, 3);
    assert_int_equal(op->flags & IOCP_RESULT_INLINE, 0);
    assert_int_equal(unit_core_deliver(core, op), IOCP_ECONNRESET);
}

static void an_operation_done_or_failed_at_once_is_ready_without_a_packet(void **state)
{
    unit_core *core = *state;
    const ioc_start answers[] = {IOC_START_DONE, IOC_START_FAILED};
    const int statuses[] = {IOCP_OK, IOCP_ENOBUFS};
    for (size_t i = 0; i < 2; i++) {
        core->port.start_answer = answers[i];
        core->port.start_outcome = (ioc_outcome){.status = statuses[i], .bytes = 5};
        ioc_op *op = start_recv(core, unit_core_open(core), 64);
        assert_int_equal(core->ops.in_kernel, 0);
        assert_int_equal(op->flags & IOCP_RESULT_INLINE, IOCP_RESULT_INLINE);
        assert_int_equal(op->outcome.bytes, 5);
        assert_int_equal(unit_core_deliver(core, op), statuses[i]);
    }
    assert_int_equal(core->ops.counters.inline_results, 2);
}

static void a_receive_of_no_bytes_is_the_end_of_the_stream(void **state)
{
    unit_core *core = *state;
    ioc_op *op = start_recv(core, unit_core_open(core), 64);
    unit_core_packet(core, op, IOCP_OK, 0);
    assert_int_equal(unit_core_deliver(core, op), IOCP_EOF);
}

static void a_receive_that_asked_for_no_bytes_is_a_success(void **state)
{
    unit_core *core = *state;
    ioc_op *op = start_recv(core, unit_core_open(core), 0);
    unit_core_packet(core, op, IOCP_OK, 0);
    assert_int_equal(unit_core_deliver(core, op), IOCP_OK);
}

static void an_abort_that_nobody_asked_for_is_not_called_cancelled(void **state)
{
    unit_core *core = *state;
    ioc_op *op = start_recv(core, unit_core_open(core), 64);
    unit_core_packet(core, op, IOCP_ECANCELED, 0);
    assert_int_equal(unit_core_deliver(core, op), IOCP_ECONNABORTED);
}

static void results_are_ready_in_the_order_of_their_packets(void **state)
{
    unit_core *core = *state;
    ioc_handle *handle = unit_core_open(core);
    ioc_op *ops[3];
    for (size_t i = 0; i < 3; i++) {
        ops[i] = start_recv(core, handle, 64);
    }
    unit_core_packet(core, ops[1], IOCP_OK, 1);
    unit_core_packet(core, ops[2], IOCP_OK, 1);
    unit_core_packet(core, ops[0], IOCP_OK, 1);
    (void)unit_core_deliver(core, ops[1]);
    (void)unit_core_deliver(core, ops[2]);
    (void)unit_core_deliver(core, ops[0]);
    assert_true(ioc_list_is_empty(&core->ops.ready));
}

static void a_rearmed_operation_starts_again_under_its_id(void **state)
{
    unit_core *core = *state;
    ioc_op *op = start_recv(core, unit_core_open(core), 64);
    iocp_op_t id = ioc_op_id(op);
    for (int i = 0; i < 5; i++) {
        unit_core_packet(core, op, IOCP_OK, 1);
        assert_ptr_equal(ioc_op_next_ready(&core->ops), op);
        ioc_op_rearm(&core->ops, op);
        assert_int_equal(ioc_op_state(op), IOCP_OP_ADDING);
        assert_ptr_equal(ioc_op_find(&core->ops, id), op);
        assert_int_equal(core->ops.active, 1);
        ioc_op_start_in_kernel(&core->ops, op);
    }
    unit_core_packet(core, op, IOCP_OK, 1);
    (void)unit_core_deliver(core, op);
    assert_int_equal(core->port.starts, 6);
}

/* ---- Timers ---- */

static ioc_op *start_timer(unit_core *core, uint64_t delay_ns)
{
    ioc_op *op = unit_core_queue(core, IOCP_TYPE_TIMER, NULL);
    ioc_timeout_of(op)->delay_ns = delay_ns;
    ioc_timeout_start(&core->ops, op);
    return op;
}

static void pass_time(unit_core *core, uint64_t ns)
{
    core->port.now_ns += ns;
    ioc_ops_update_now(&core->ops);
}

/* The timer that is due now, about to be delivered. */
static ioc_op *due_timer(unit_core *core)
{
    return ioc_op_next_timer(&core->ops, core->ops.now_ns);
}

static void a_timer_is_due_after_its_delay_and_not_before(void **state)
{
    unit_core *core = *state;
    ioc_op *op = start_timer(core, 100);
    pass_time(core, 99);
    assert_null(due_timer(core));
    pass_time(core, 1);
    assert_ptr_equal(due_timer(core), op);
    ioc_op_end(&core->ops, op);
    assert_null(due_timer(core));
}

static void a_rearmed_timer_keeps_its_rhythm(void **state)
{
    unit_core *core = *state;
    ioc_op *op = start_timer(core, 100);
    uint64_t start_ns = core->ops.now_ns;
    const uint64_t latenesses[] = {0, 30, 99, 5, 0};
    for (size_t i = 0; i < IOC_COUNT_OF(latenesses); i++) {
        uint64_t due_ns = start_ns + 100 * (i + 1);
        assert_true(op->timer.due_ns == due_ns);
        pass_time(core, due_ns + latenesses[i] - core->ops.now_ns);
        assert_ptr_equal(due_timer(core), op);
        ioc_op_rearm(&core->ops, op);
        ioc_timeout_start(&core->ops, op);
    }
    assert_true(op->timer.due_ns == start_ns + 600);
    ioc_op_finish(&core->ops, op, IOCP_ECANCELED);
    (void)unit_core_deliver(core, op);
}

/* The time that comes up at this very moment has passed, too. */
static void a_timer_that_fell_behind_skips_what_has_passed(void **state)
{
    unit_core *core = *state;
    const uint64_t latenesses[] = {0, 42, 99};
    for (size_t i = 0; i < IOC_COUNT_OF(latenesses); i++) {
        ioc_op *op = start_timer(core, 100);
        uint64_t start_ns = core->ops.now_ns;
        pass_time(core, 100 * 7 + latenesses[i]);
        assert_ptr_equal(due_timer(core), op);
        ioc_op_rearm(&core->ops, op);
        ioc_timeout_start(&core->ops, op);
        assert_null(due_timer(core)); /* no burst */
        assert_true(op->timer.due_ns == start_ns + 800);
        ioc_op_finish(&core->ops, op, IOCP_ECANCELED);
        (void)unit_core_deliver(core, op);
    }
}

static void a_timer_without_delay_rearms_for_now(void **state)
{
    unit_core *core = *state;
    ioc_op *op = start_timer(core, 0);
    for (int i = 0; i < 3; i++) {
        pass_time(core, 7);
        assert_ptr_equal(due_timer(core), op);
        ioc_op_rearm(&core->ops, op);
        ioc_timeout_start(&core->ops, op);
        assert_true(op->timer.due_ns == core->ops.now_ns);
    }
    assert_ptr_equal(due_timer(core), op);
    ioc_op_end(&core->ops, op);
}

/* As the loop starts an operation: its limit first. */
static void start_next_run(unit_core *core, ioc_op *op)
{
    if (ioc_op_needs_limit(op)) {
        assert_int_equal(ioc_op_set_limit(&core->ops, op), IOCP_OK);
    }
    ioc_timeout_start(&core->ops, op);
}

static void each_run_of_a_timer_has_its_limit_anew(void **state)
{
    unit_core *core = *state;
    ioc_op *op = start_timer(core, 100);
    assert_int_equal(ioc_op_set_deadline(&core->ops, op, 150), IOCP_OK);
    for (int i = 0; i < 3; i++) {
        pass_time(core, 100);
        assert_ptr_equal(due_timer(core), op);
        assert_int_equal(ioc_timers_count(&core->ops.deadlines), 0);
        ioc_op_rearm(&core->ops, op);
        start_next_run(core, op);
        assert_true(ioc_timers_next_due(&core->ops.deadlines) == core->ops.now_ns + 150);
    }
    ioc_op_finish(&core->ops, op, IOCP_ECANCELED);
    (void)unit_core_deliver(core, op);
}

static void a_deadline_set_in_the_callback_holds_for_the_next_run(void **state)
{
    unit_core *core = *state;
    ioc_op *op = start_timer(core, 100);
    pass_time(core, 100);
    assert_ptr_equal(due_timer(core), op);
    assert_int_equal(ioc_op_set_deadline(&core->ops, op, 50), IOCP_OK);
    ioc_op_rearm(&core->ops, op);
    assert_int_equal(ioc_timers_count(&core->ops.deadlines), 0);
    pass_time(core, 10); /* it counts from the start, when the clock is read anyway */
    start_next_run(core, op);
    assert_true(ioc_timers_next_due(&core->ops.deadlines) == core->ops.now_ns + 50);
    ioc_op_finish(&core->ops, op, IOCP_ETIMEDOUT);
    assert_int_equal(ioc_timers_count(&core->ops.deadlines), 0);
    (void)unit_core_deliver(core, op);
}

static void a_limit_that_is_taken_away_is_gone_for_every_run(void **state)
{
    unit_core *core = *state;
    ioc_op *op = start_timer(core, 100);
    assert_int_equal(ioc_op_set_deadline(&core->ops, op, 150), IOCP_OK);
    assert_int_equal(ioc_op_set_deadline(&core->ops, op, IOC_FOREVER), IOCP_OK);
    assert_int_equal(ioc_timers_count(&core->ops.deadlines), 0);
    pass_time(core, 100);
    assert_ptr_equal(due_timer(core), op);
    ioc_op_rearm(&core->ops, op);
    start_next_run(core, op);
    assert_int_equal(ioc_timers_count(&core->ops.deadlines), 0);
    ioc_op_finish(&core->ops, op, IOCP_ECANCELED);
    (void)unit_core_deliver(core, op);
}

static void without_memory_a_limit_is_refused_and_no_run_has_it(void **state)
{
    unit_core *core = *state;
    ioc_op *op = start_timer(core, 100);
    unit_memory_allow(&core->memory, 0);
    assert_int_equal(ioc_op_set_deadline(&core->ops, op, 50), IOCP_ENOMEM);
    assert_false(ioc_op_needs_limit(op));
    unit_memory_allow(&core->memory, UINT64_MAX);
    ioc_op_finish(&core->ops, op, IOCP_ECANCELED);
    (void)unit_core_deliver(core, op);
}

static void the_longest_delay_never_comes(void **state)
{
    unit_core *core = *state;
    ioc_op *op = start_timer(core, UINT64_MAX);
    assert_true(ioc_timers_next_due(&core->ops.timers) == IOC_FOREVER);
    pass_time(core, UINT64_MAX / 2);
    assert_null(due_timer(core));
    ioc_op_finish(&core->ops, op, IOCP_ECANCELED);
    (void)unit_core_deliver(core, op);
}

static void without_memory_a_timer_ends_with_that_error(void **state)
{
    unit_core *core = *state;
    ioc_op *op = unit_core_queue(core, IOCP_TYPE_TIMER, NULL);
    unit_memory_allow(&core->memory, 0);
    ioc_timeout_start(&core->ops, op);
    assert_int_equal(unit_core_deliver(core, op), IOCP_ENOMEM);
    unit_memory_allow(&core->memory, UINT64_MAX);
}

static void a_reset_of_a_queued_timer_changes_its_delay(void **state)
{
    unit_core *core = *state;
    ioc_op *op = unit_core_queue(core, IOCP_TYPE_TIMER, NULL);
    ioc_timeout_of(op)->delay_ns = 100;
    assert_int_equal(ioc_timeout_reset(&core->ops, op, 5), IOCP_OK);
    pass_time(core, 50); /* counts from the start, which is now */
    ioc_timeout_start(&core->ops, op);
    pass_time(core, 4);
    assert_null(due_timer(core));
    pass_time(core, 1);
    assert_ptr_equal(due_timer(core), op);
    ioc_op_end(&core->ops, op);
}

static void a_reset_of_a_running_timer_counts_from_its_start_and_reads_no_clock(void **state)
{
    unit_core *core = *state;
    ioc_op *op = start_timer(core, 100);
    uint64_t now_ns = core->ops.now_ns;
    ioc_ops_forget_now(&core->ops);
    core->port.now_ns += 90;
    assert_int_equal(ioc_timeout_reset(&core->ops, op, 100), IOCP_OK);
    assert_true(core->ops.now_ns == now_ns);
    assert_int_equal(op->phase, IOC_PHASE_QUEUED);
    pass_time(core, 100);
    assert_null(due_timer(core));
    ioc_timeout_start(&core->ops, op); /* later */
    pass_time(core, 99);
    assert_null(due_timer(core));
    assert_int_equal(ioc_timeout_reset(&core->ops, op, 0), IOCP_OK);
    ioc_timeout_start(&core->ops, op); /* earlier */
    assert_ptr_equal(due_timer(core), op);
    ioc_op_end(&core->ops, op);
}

static void a_reset_in_its_callback_restarts_a_rearmed_timer(void **state)
{
    unit_core *core = *state;
    ioc_op *op = start_timer(core, 100);
    pass_time(core, 130);
    assert_ptr_equal(due_timer(core), op);
    assert_int_equal(ioc_timeout_reset(&core->ops, op, 50), IOCP_OK);
    pass_time(core, 7); /* the callback takes its time */
    ioc_op_rearm(&core->ops, op);
    ioc_timeout_start(&core->ops, op);
    assert_true(op->timer.due_ns == core->ops.now_ns + 50);
    /* From there it is a rhythm again. */
    pass_time(core, 60);
    assert_ptr_equal(due_timer(core), op);
    ioc_op_rearm(&core->ops, op);
    ioc_timeout_start(&core->ops, op);
    assert_true(op->timer.due_ns == core->ops.now_ns + 40);
    ioc_op_finish(&core->ops, op, IOCP_ECANCELED);
    (void)unit_core_deliver(core, op);
}

static void without_memory_a_timer_that_was_reset_ends_with_that_error(void **state)
{
    unit_core *core = *state;
    ioc_op *op = start_timer(core, 100);
    while (core->ops.timers.entries < IOC_TIMER_CHUNK_ROOM) {
        (void)start_timer(core, 1000);
    }
    unit_memory_allow(&core->memory, 0);
    assert_int_equal(ioc_timeout_reset(&core->ops, op, 50), IOCP_OK);
    ioc_timeout_start(&core->ops, op);
    unit_memory_allow(&core->memory, UINT64_MAX);
    assert_int_equal(unit_core_deliver(core, op), IOCP_ENOMEM);
    pass_time(core, 1000);
    while ((op = due_timer(core)) != NULL) {
        ioc_op_end(&core->ops, op);
    }
}

static void a_reset_comes_too_late_once_the_callback_is_due(void **state)
{
    unit_core *core = *state;
    ioc_op *op = start_timer(core, 100);
    ioc_op_finish(&core->ops, op, IOCP_ECANCELED);
    assert_int_equal(ioc_timeout_reset(&core->ops, op, 5), IOCP_EBUSY);
    (void)unit_core_deliver(core, op);
}

static void only_a_timer_can_be_reset(void **state)
{
    unit_core *core = *state;
    ioc_op *op = unit_core_queue(core, IOCP_TYPE_NOP, NULL);
    assert_int_equal(ioc_timeout_reset(&core->ops, op, 5), IOCP_EINVAL);
    ioc_op_finish(&core->ops, op, IOCP_OK);
    (void)unit_core_deliver(core, op);
}

/* ---- Time and counts ---- */

static void the_loops_time_never_goes_back(void **state)
{
    unit_core *core = *state;
    uint64_t before_ns = ioc_ops_update_now(&core->ops);
    core->port.now_ns -= 500;
    assert_true(ioc_ops_update_now(&core->ops) == before_ns);
    core->port.now_ns += 600;
    assert_true(ioc_ops_update_now(&core->ops) == before_ns + 100);
}

static void the_clock_is_read_once_until_it_is_forgotten(void **state)
{
    unit_core *core = *state;
    uint64_t before_ns = ioc_ops_now(&core->ops);
    core->port.now_ns += 10;
    assert_true(ioc_ops_now(&core->ops) == before_ns);
    ioc_ops_forget_now(&core->ops);
    assert_true(ioc_ops_now(&core->ops) == before_ns + 10);
}

static void references_are_counted_once_each(void **state)
{
    unit_core *core = *state;
    ioc_op *op = unit_core_queue(core, IOCP_TYPE_NOP, NULL);
    ioc_op *other = unit_core_queue(core, IOCP_TYPE_NOP, NULL);
    assert_int_equal(core->ops.active, 2);
    ioc_op_set_referenced(&core->ops, op, false);
    ioc_op_set_referenced(&core->ops, op, false);
    assert_int_equal(core->ops.active, 1);
    ioc_op_set_referenced(&core->ops, op, true);
    ioc_op_set_referenced(&core->ops, op, true);
    assert_int_equal(core->ops.active, 2);
    ioc_op_set_referenced(&core->ops, op, false);
    ioc_op_finish(&core->ops, op, IOCP_OK);
    ioc_op_finish(&core->ops, other, IOCP_OK);
    (void)unit_core_deliver(core, op);
    assert_int_equal(core->ops.active, 1);
    (void)unit_core_deliver(core, other);
    assert_int_equal(core->ops.active, 0);
}

static void the_steady_state_allocates_nothing(void **state)
{
    unit_core *core = *state;
    ioc_handle *handle = unit_core_open(core);
    uint64_t calls = 0;
    for (int i = 0; i < 10000; i++) {
        ioc_op *recv = start_recv(core, handle, 64);
        ioc_op *timer = start_timer(core, 10);
        assert_int_equal(ioc_op_set_deadline(&core->ops, recv, 100), IOCP_OK);
        pass_time(core, 10);
        assert_ptr_equal(due_timer(core), timer);
        ioc_op_end(&core->ops, timer);
        unit_core_packet(core, recv, IOCP_OK, 1);
        (void)unit_core_deliver(core, recv);
        if (i == 100) {
            calls = unit_memory_calls(&core->memory);
        }
    }
    assert_int_equal(unit_memory_calls(&core->memory), calls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OP_TEST(a_queued_operation_is_found_until_it_has_ended),
        OP_TEST(queueing_tells_the_id),
        OP_TEST(without_memory_there_is_no_operation),
        OP_TEST(a_single_buffer_is_copied_in_place),
        OP_TEST(lists_of_every_length_are_copied),
        OP_TEST(blocks_of_two_operations_do_not_overlap),
        OP_TEST(a_list_without_memory_is_refused),
        OP_TEST(an_address_is_copied),
        OP_TEST(a_pending_operation_waits_for_its_packet),
        OP_TEST(an_operation_done_or_failed_at_once_is_ready_without_a_packet),
        OP_TEST(a_receive_of_no_bytes_is_the_end_of_the_stream),
        OP_TEST(a_receive_that_asked_for_no_bytes_is_a_success),
        OP_TEST(an_abort_that_nobody_asked_for_is_not_called_cancelled),
        OP_TEST(results_are_ready_in_the_order_of_their_packets),
        OP_TEST(a_rearmed_operation_starts_again_under_its_id),
        OP_TEST(a_timer_is_due_after_its_delay_and_not_before),
        OP_TEST(a_rearmed_timer_keeps_its_rhythm),
        OP_TEST(a_timer_that_fell_behind_skips_what_has_passed),
        OP_TEST(a_timer_without_delay_rearms_for_now),
        OP_TEST(each_run_of_a_timer_has_its_limit_anew),
        OP_TEST(a_deadline_set_in_the_callback_holds_for_the_next_run),
        OP_TEST(a_limit_that_is_taken_away_is_gone_for_every_run),
        OP_TEST(without_memory_a_limit_is_refused_and_no_run_has_it),
        OP_TEST(the_longest_delay_never_comes),
        OP_TEST(without_memory_a_timer_ends_with_that_error),
        OP_TEST(a_reset_of_a_queued_timer_changes_its_delay),
        OP_TEST(a_reset_of_a_running_timer_counts_from_its_start_and_reads_no_clock),
        OP_TEST(a_reset_in_its_callback_restarts_a_rearmed_timer),
        OP_TEST(without_memory_a_timer_that_was_reset_ends_with_that_error),
        OP_TEST(a_reset_comes_too_late_once_the_callback_is_due),
        OP_TEST(only_a_timer_can_be_reset),
        OP_TEST(the_loops_time_never_goes_back),
        OP_TEST(the_clock_is_read_once_until_it_is_forgotten),
        OP_TEST(references_are_counted_once_each),
        OP_TEST(the_steady_state_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
