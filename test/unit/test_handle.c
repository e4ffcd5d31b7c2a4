/* What a handle keeps: who may move a file's position, what is queued to go out, who waits for it. */
#include "unit_backend.h"

#include "cancel.h"

#define HANDLE_TEST(name) \
    cmocka_unit_test_setup_teardown(name, unit_core_set_up, unit_core_tear_down)

static ioc_handle *open_file(unit_core *core)
{
    ioc_handle *handle = unit_core_open(core);
    handle->kind = IOCP_HANDLE_FILE;
    return handle;
}

static ioc_op *queue_transfer(unit_core *core, ioc_handle *handle, iocp_type_t type, uint32_t bytes)
{
    static char data[1];
    ioc_op *op = ioc_op_new(&core->ops, type, unit_core_disarm, core);
    assert_non_null(op);
    iocp_buf_t buffer = {.length = bytes, .base = data};
    assert_int_equal(ioc_transfer_set_buffers(&core->ops, op, &buffer, 1), IOCP_OK);
    ioc_handle_enter(handle, op);
    ioc_op_queue(&core->ops, op, NULL);
    return op;
}

static ioc_op *queue_drain(unit_core *core, ioc_handle *handle, uint64_t bytes)
{
    ioc_op *op = unit_core_queue(core, IOCP_TYPE_DRAIN, handle);
    ioc_drain_of(op)->bytes = bytes;
    return op;
}

/* Start all that is queued, in order, as a turn does. */
static void start_all(unit_core *core)
{
    for (ioc_link *link; (link = ioc_list_first(&core->ops.submissions)) != NULL;) {
        ioc_op *op = IOC_CONTAINER_OF(link, ioc_op, link);
        if (ioc_handle_admits(&core->ops, op)) {
            op->kind->start(&core->ops, op);
        }
    }
}

static void end(unit_core *core, ioc_op *op, uint64_t bytes)
{
    unit_core_packet(core, op, IOCP_OK, bytes);
    assert_int_equal(unit_core_deliver(core, op), IOCP_OK);
}

/* ---- The position ---- */

static void moves_are_started_one_after_the_other(void **state)
{
    unit_core *core = *state;
    ioc_handle *file = open_file(core);
    ioc_op *first = queue_transfer(core, file, IOCP_TYPE_WRITE, 10);
    ioc_op *second = queue_transfer(core, file, IOCP_TYPE_WRITE, 10);
    start_all(core);
    assert_int_equal(core->port.starts, 1);
    assert_int_equal(ioc_transfer_of(first)->offset, 0);
    assert_int_equal(second->phase, IOC_PHASE_PARKED);
    assert_int_equal(ioc_op_state(second), IOCP_OP_ADDING);
    end(core, first, 10);
    start_all(core);
    assert_int_equal(core->port.starts, 2);
    assert_int_equal(ioc_transfer_of(second)->offset, 10);
    end(core, second, 10);
    assert_int_equal(file->position, 20);
}

static void the_position_moves_by_what_was_transferred(void **state)
{
    unit_core *core = *state;
    ioc_handle *file = open_file(core);
    ioc_op *read = queue_transfer(core, file, IOCP_TYPE_READ, 100);
    start_all(core);
    end(core, read, 7);
    assert_int_equal(file->position, 7);
    ioc_op *failing = queue_transfer(core, file, IOCP_TYPE_READ, 100);
    start_all(core);
    assert_int_equal(ioc_transfer_of(failing)->offset, 7);
    unit_core_packet(core, failing, IOCP_EOF, 0);
    assert_int_equal(unit_core_deliver(core, failing), IOCP_EOF);
    assert_int_equal(file->position, 7);
}

/* The turn passes to who has waited longest, also if another one is about to be started. */
static void a_move_that_is_queued_does_not_overtake_one_that_waits(void **state)
{
    unit_core *core = *state;
    ioc_handle *file = open_file(core);
    ioc_op *first = queue_transfer(core, file, IOCP_TYPE_WRITE, 1);
    ioc_op *waiting = queue_transfer(core, file, IOCP_TYPE_WRITE, 1);
    start_all(core);
    ioc_op *late = queue_transfer(core, file, IOCP_TYPE_WRITE, 1);
    end(core, first, 1);
    start_all(core);
    assert_int_equal(waiting->phase, IOC_PHASE_KERNEL);
    assert_int_equal(late->phase, IOC_PHASE_PARKED);
    end(core, waiting, 1);
    start_all(core);
    assert_int_equal(ioc_transfer_of(late)->offset, 2);
    end(core, late, 1);
}

static void a_move_that_ends_before_its_turn_passes_it_on(void **state)
{
    unit_core *core = *state;
    ioc_handle *file = open_file(core);
    ioc_op *first = queue_transfer(core, file, IOCP_TYPE_WRITE, 1);
    ioc_op *second = queue_transfer(core, file, IOCP_TYPE_WRITE, 1);
    ioc_op *third = queue_transfer(core, file, IOCP_TYPE_WRITE, 1);
    start_all(core);
    end(core, first, 1);
    assert_ptr_equal(file->mover, second);
    ioc_op_finish(&core->ops, second, IOCP_ECANCELED);
    assert_int_equal(unit_core_deliver(core, second), IOCP_ECANCELED);
    start_all(core);
    assert_int_equal(ioc_transfer_of(third)->offset, 1);
    end(core, third, 1);
    assert_null(file->mover);
}

static void an_append_goes_behind_the_end_and_leaves_the_position(void **state)
{
    unit_core *core = *state;
    ioc_handle *file = open_file(core);
    file->is_append = true;
    ioc_op *write = queue_transfer(core, file, IOCP_TYPE_WRITE, 5);
    start_all(core);
    assert_true(ioc_transfer_of(write)->offset == IOC_OFFSET_END);
    end(core, write, 5);
    assert_int_equal(file->position, 0);
    ioc_op *read = queue_transfer(core, file, IOCP_TYPE_READ, 5);
    start_all(core);
    assert_int_equal(ioc_transfer_of(read)->offset, 0);
    end(core, read, 5);
    assert_int_equal(file->position, 5);
}

static void a_pipe_is_read_in_turns_and_written_without(void **state)
{
    unit_core *core = *state;
    ioc_handle *pipe = unit_core_open(core);
    pipe->kind = IOCP_HANDLE_PIPE;
    ioc_op *first = queue_transfer(core, pipe, IOCP_TYPE_WRITE, 1);
    ioc_op *second = queue_transfer(core, pipe, IOCP_TYPE_WRITE, 1);
    ioc_op *read = queue_transfer(core, pipe, IOCP_TYPE_READ, 1);
    ioc_op *waiting = queue_transfer(core, pipe, IOCP_TYPE_READ, 1);
    start_all(core);
    assert_int_equal(core->port.starts, 3);
    assert_int_equal(waiting->phase, IOC_PHASE_PARKED);
    end(core, first, 1);
    end(core, second, 1);
    assert_int_equal(core->port.starts, 3);
    end(core, read, 1);
    start_all(core);
    assert_int_equal(waiting->phase, IOC_PHASE_KERNEL);
    end(core, waiting, 1);
    assert_int_equal(pipe->position, 0);
}

static void an_end_that_is_given_away_is_not_closed_and_its_id_is_stale(void **state)
{
    unit_core *core = *state;
    ioc_handle *end = unit_core_open(core);
    end->kind = IOCP_HANDLE_PIPE_END;
    iocp_handle_t id = ioc_handle_id(end);
    assert_ptr_equal(ioc_handle_give_away(&core->ops, end), end);
    assert_int_equal(core->port.closes, 0);
    assert_null(ioc_handle_find_closing(&core->ops, id));
}

static void a_file_is_moving_from_the_call_until_the_callback(void **state)
{
    unit_core *core = *state;
    ioc_handle *file = open_file(core);
    assert_false(ioc_transfer_is_moving(file));
    ioc_op *positional = queue_transfer(core, file, IOCP_TYPE_PREAD, 1);
    assert_false(ioc_transfer_is_moving(file));
    ioc_op *read = queue_transfer(core, file, IOCP_TYPE_READ, 1);
    assert_true(ioc_transfer_is_moving(file));
    ioc_op_start_in_kernel(&core->ops, positional);
    start_all(core);
    end(core, positional, 1);
    assert_true(ioc_transfer_is_moving(file));
    unit_core_packet(core, read, IOCP_OK, 1);
    assert_true(ioc_transfer_is_moving(file));
    assert_int_equal(unit_core_deliver(core, read), IOCP_OK);
    assert_false(ioc_transfer_is_moving(file));
}

/* ---- What is queued to go out ---- */

static void what_goes_out_counts_from_the_call_until_the_callback(void **state)
{
    unit_core *core = *state;
    ioc_handle *file = open_file(core);
    ioc_op *first = queue_transfer(core, file, IOCP_TYPE_WRITE, 10);
    ioc_op *second = queue_transfer(core, file, IOCP_TYPE_WRITE, 7);
    ioc_op *read = queue_transfer(core, file, IOCP_TYPE_READ, 100);
    assert_int_equal(file->queued_bytes, 17);
    start_all(core);
    unit_core_packet(core, first, IOCP_OK, 10);
    assert_int_equal(file->queued_bytes, 17);
    assert_int_equal(unit_core_deliver(core, first), IOCP_OK);
    assert_int_equal(file->queued_bytes, 7);
    start_all(core);
    unit_core_packet(core, second, IOCP_ENOSPC, 3);
    assert_int_equal(unit_core_deliver(core, second), IOCP_ENOSPC);
    assert_int_equal(file->queued_bytes, 0);
    assert_int_equal(file->most_queued_bytes, 17);
    start_all(core);
    end(core, read, 1);
}

static void an_operation_that_is_rearmed_counts_again(void **state)
{
    unit_core *core = *state;
    ioc_handle *file = open_file(core);
    ioc_op *write = queue_transfer(core, file, IOCP_TYPE_WRITE, 10);
    start_all(core);
    unit_core_packet(core, write, IOCP_OK, 10);
    assert_ptr_equal(ioc_op_next_ready(&core->ops), write);
    write->kind->ended(&core->ops, write);
    assert_int_equal(file->queued_bytes, 0);
    ioc_op_rearm(&core->ops, write);
    assert_int_equal(file->queued_bytes, 10);
    start_all(core);
    assert_int_equal(ioc_transfer_of(write)->offset, 10);
    end(core, write, 10);
    assert_int_equal(file->queued_bytes, 0);
}

static void a_drain_waits_until_little_enough_is_queued(void **state)
{
    unit_core *core = *state;
    ioc_handle *pipe = unit_core_open(core);
    pipe->kind = IOCP_HANDLE_PIPE;
    ioc_op *first = queue_transfer(core, pipe, IOCP_TYPE_WRITE, 10);
    ioc_op *second = queue_transfer(core, pipe, IOCP_TYPE_WRITE, 10);
    ioc_op *to_none = queue_drain(core, pipe, 0);
    ioc_op *to_ten = queue_drain(core, pipe, 10);
    ioc_op *to_plenty = queue_drain(core, pipe, 20);
    start_all(core);
    assert_int_equal(unit_core_deliver(core, to_plenty), IOCP_OK);
    assert_int_equal(to_ten->phase, IOC_PHASE_PARKED);
    end(core, first, 10);
    assert_int_equal(unit_core_deliver(core, to_ten), IOCP_OK);
    assert_int_equal(to_none->phase, IOC_PHASE_PARKED);
    end(core, second, 10);
    assert_int_equal(unit_core_deliver(core, to_none), IOCP_OK);
}

static ioc_op *queue_shutdown(unit_core *core, ioc_handle *handle, iocp_shutdown_how_t how)
{
    ioc_op *op = unit_core_queue(core, IOCP_TYPE_SHUTDOWN, handle);
    ioc_shutdown_of(op)->how = how;
    return op;
}

static void a_shutdown_waits_for_the_sends_that_have_started_and_for_no_others(void **state)
{
    unit_core *core = *state;
    ioc_handle *stream = unit_core_open(core);
    ioc_op *sends[2];
    for (int i = 0; i < 2; i++) {
        sends[i] = queue_transfer(core, stream, IOCP_TYPE_SEND, 10);
    }
    ioc_op *drain = queue_drain(core, stream, 0);
    ioc_op *shutdown = queue_shutdown(core, stream, IOCP_SHUTDOWN_SEND);
    ioc_transfer_start_send(&core->ops, sends[0]);
    ioc_drain_start(&core->ops, drain);
    ioc_shutdown_start(&core->ops, shutdown);
    assert_int_equal(shutdown->phase, IOC_PHASE_PARKED);
    end(core, sends[0], 10);
    assert_int_equal(shutdown->phase, IOC_PHASE_KERNEL); /* before the send that is still queued */
    assert_int_equal(stream->queued_bytes, 10);
    end(core, shutdown, 0);
    ioc_transfer_start_send(&core->ops, sends[1]);
    end(core, sends[1], 10);
    assert_int_equal(unit_core_deliver(core, drain), IOCP_OK);
}

static void a_shutdown_waits_for_the_sends_if_it_ends_them(void **state)
{
    unit_core *core = *state;
    static const iocp_shutdown_how_t hows[] = {IOCP_SHUTDOWN_RECV, IOCP_SHUTDOWN_SEND,
                                               IOCP_SHUTDOWN_BOTH};
    for (size_t i = 0; i < IOC_COUNT_OF(hows); i++) {
        ioc_handle *stream = unit_core_open(core);
        ioc_op *send = queue_transfer(core, stream, IOCP_TYPE_SEND, 10);
        ioc_op *shutdown = queue_shutdown(core, stream, hows[i]);
        start_all(core);
        bool waits = hows[i] != IOCP_SHUTDOWN_RECV;
        assert_int_equal(shutdown->phase, waits ? IOC_PHASE_PARKED : IOC_PHASE_KERNEL);
        end(core, send, 10);
        end(core, shutdown, 0);
    }
}

/* The sends may be gone before a close, which asks a batch in each turn, comes to it. */
static void a_shutdown_that_waits_does_not_start_on_a_handle_that_closes(void **state)
{
    unit_core *core = *state;
    ioc_handle *stream = unit_core_open(core);
    ioc_op *send = queue_transfer(core, stream, IOCP_TYPE_SEND, 10);
    ioc_op *shutdown = queue_shutdown(core, stream, IOCP_SHUTDOWN_SEND);
    start_all(core);
    ioc_op *close = unit_core_queue(core, IOCP_TYPE_CLOSE, NULL);
    ioc_handle_shut_gate(stream, close);
    ioc_cancel_run_queued(&core->ops, 1);
    end(core, send, 10);
    assert_int_equal(core->port.starts, 1); /* the send's */
    assert_int_equal(unit_core_deliver(core, shutdown), IOCP_ECANCELED);
    ioc_cancel_run_queued(&core->ops, 1);
    assert_int_equal(unit_core_deliver(core, close), IOCP_OK);
}

/* ---- Adopted ---- */

/* The backend knows it with the packet, the program with the answer's delivery. */
/* What a handle needs for those that wait comes with the first one. */
static void without_memory_what_would_have_to_wait_ends_with_that_error(void **state)
{
    unit_core *core = *state;
    ioc_handle *socket = unit_core_open(core);
    ioc_op *recv = queue_transfer(core, socket, IOCP_TYPE_RECV, 1);
    ioc_op *send = queue_transfer(core, socket, IOCP_TYPE_SEND, 1);
    start_all(core);
    ioc_op *waiting[] = {queue_transfer(core, socket, IOCP_TYPE_RECV, 1),
                         queue_drain(core, socket, 0),
                         queue_shutdown(core, socket, IOCP_SHUTDOWN_SEND)};
    unit_memory_allow(&core->memory, 0);
    start_all(core);
    for (size_t i = 0; i < IOC_COUNT_OF(waiting); i++) {
        assert_int_equal(unit_core_deliver(core, waiting[i]), IOCP_ENOMEM);
    }
    unit_memory_allow(&core->memory, UINT64_MAX);
    end(core, send, 1);
    end(core, recv, 1);
    assert_null(socket->mover);
}

static void what_an_adopted_handle_is_is_told_once_that_is_delivered(void **state)
{
    unit_core *core = *state;
    ioc_handle *handle = unit_core_open(core);
    handle->kind = IOCP_HANDLE_OTHER;
    handle->is_unknown = true;
    ioc_op *question = unit_core_queue(core, (iocp_type_t)0, handle);
    ioc_op *read = queue_transfer(core, handle, IOCP_TYPE_PREAD, 10);
    start_all(core);
    assert_int_equal(ioc_op_state(read), IOCP_OP_ADDING); /* it waits until that is known */
    handle->kind = IOCP_HANDLE_FILE;
    unit_core_packet(core, question, IOCP_OK, 0);
    assert_int_equal(ioc_handle_kind(handle), IOCP_HANDLE_OTHER);
    assert_int_equal(unit_core_deliver(core, question), IOCP_OK);
    assert_int_equal(ioc_handle_kind(handle), IOCP_HANDLE_FILE);
    start_all(core);
    end(core, read, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HANDLE_TEST(moves_are_started_one_after_the_other),
        HANDLE_TEST(the_position_moves_by_what_was_transferred),
        HANDLE_TEST(a_move_that_is_queued_does_not_overtake_one_that_waits),
        HANDLE_TEST(a_move_that_ends_before_its_turn_passes_it_on),
        HANDLE_TEST(an_append_goes_behind_the_end_and_leaves_the_position),
        HANDLE_TEST(a_pipe_is_read_in_turns_and_written_without),
        HANDLE_TEST(an_end_that_is_given_away_is_not_closed_and_its_id_is_stale),
        HANDLE_TEST(a_file_is_moving_from_the_call_until_the_callback),
        HANDLE_TEST(what_goes_out_counts_from_the_call_until_the_callback),
        HANDLE_TEST(an_operation_that_is_rearmed_counts_again),
        HANDLE_TEST(a_drain_waits_until_little_enough_is_queued),
        HANDLE_TEST(a_shutdown_waits_for_the_sends_that_have_started_and_for_no_others),
        HANDLE_TEST(a_shutdown_waits_for_the_sends_if_it_ends_them),
        HANDLE_TEST(a_shutdown_that_waits_does_not_start_on_a_handle_that_closes),
        HANDLE_TEST(without_memory_what_would_have_to_wait_ends_with_that_error),
        HANDLE_TEST(what_an_adopted_handle_is_is_told_once_that_is_delivered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
