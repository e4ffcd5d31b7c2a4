/* Without memory an operation is refused, or ends with that, and everything works again later. */
#include "contract_env.h"

/* The memory for operations is used up, but for one of them. */
static void use_up_operations(iocp_loop_t *loop, contract_record *record)
{
    int status = IOCP_OK;
    int accepted = 0;
    contract_allow_blocks(0);
    for (; status == IOCP_OK && accepted < 1000000; accepted++) {
        status = iocp_nop(loop, contract_keep, record, NULL);
    }
    assert_int_equal(status, IOCP_ENOMEM);
}

static void a_close_without_memory_is_refused_and_the_handle_stays_open(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record nops = {0};
    contract_record closed = {0};
    iocp_handle_t handle = contract_open(loop, AF_INET);
    use_up_operations(loop, &nops);
    assert_int_equal(iocp_close(loop, handle, contract_keep, &closed, NULL), IOCP_ENOMEM);
    assert_int_equal(iocp_handle_kind(loop, handle), IOCP_HANDLE_STREAM);
    contract_allow_blocks(UINT64_MAX);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(closed.calls, 0);
    assert_int_equal(iocp_close(loop, handle, contract_keep, &closed, NULL), IOCP_OK);
    contract_wait(loop, &closed, 1);
    assert_int_equal(closed.status, IOCP_OK);
}

static void a_cancel_that_nobody_is_told_of_needs_no_memory(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record nops = {0};
    contract_record timer = {0};
    contract_record told = {0};
    iocp_op_t op = {0};
    assert_int_equal(iocp_timer(loop, 1000 * S, contract_keep, &timer, &op), IOCP_OK);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    use_up_operations(loop, &nops);
    assert_int_equal(iocp_cancel(loop, op, contract_keep, &told, NULL), IOCP_ENOMEM);
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    assert_int_equal(timer.calls, 0);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    contract_allow_blocks(UINT64_MAX);
    assert_int_equal(timer.calls, 1);
    assert_int_equal(timer.status, IOCP_ECANCELED);
    assert_int_equal(told.calls, 0);
}

static void an_accept_without_memory_for_addresses_is_refused_and_leaves_nothing(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record accepted = {0};
    contract_address address;
    iocp_handle_t listener = contract_listen(loop, AF_INET, &address);
    contract_record nop = {0};
    assert_int_equal(iocp_nop(loop, contract_keep, &nop, NULL), IOCP_OK);
    contract_wait(loop, &nop, 1); /* there is memory for operations now */
    iocp_stats_t before = contract_stats(loop);
    contract_allow_blocks(0);
    assert_int_equal(iocp_accept(loop, listener, contract_keep, &accepted, NULL), IOCP_ENOMEM);
    contract_allow_blocks(UINT64_MAX);
    assert_true(contract_stats(loop).operations == before.operations);
    assert_int_equal(iocp_loop_active(loop), 0);
    contract_close(loop, listener);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(accepted.calls, 0);
}

/* ---- Handles ---- */

/* No memory is left for another handle. */
static void use_up_handles(iocp_loop_t *loop)
{
    iocp_handle_t handle = contract_open(loop, AF_INET);
    int status = IOCP_OK;
    contract_allow_blocks(0);
    while (status == IOCP_OK) {
        status = iocp_socket_open(loop, AF_INET, SOCK_STREAM, 0, &handle);
    }
    assert_int_equal(status, IOCP_ENOMEM);
}

static void a_pair_without_memory_for_its_second_end_leaves_nothing(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_handle_t ours = {0};
    iocp_handle_t theirs = {0};
    contract_record closed = {0};
    iocp_handle_t last = contract_open(loop, AF_INET);
    assert_int_equal(iocp_close(loop, last, contract_keep, &closed, NULL), IOCP_OK);
    use_up_handles(loop);
    contract_wait(loop, &closed, 1); /* there is memory for one handle now */
    uint64_t handles = contract_stats(loop).handles;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(iocp_pipe_pair(loop, IOCP_PIPE_READ, &ours, &theirs), IOCP_ENOMEM);
        assert_int_equal(ours.id, 0);
        assert_int_equal(theirs.id, 0);
        assert_true(contract_stats(loop).handles == handles);
    }
    assert_int_equal(iocp_socket_open(loop, AF_INET, SOCK_STREAM, 0, &last), IOCP_OK);
    contract_allow_blocks(UINT64_MAX);
    assert_int_equal(iocp_pipe_pair(loop, IOCP_PIPE_READ, &ours, &theirs), IOCP_OK);
}

/* ---- The deadline of the next run ---- */

typedef struct crowd {
    contract_record own; /* of the operation that gets a deadline in its callback */
    contract_record others;
    iocp_op_t ops[4096]; /* which have none now */
    size_t count;
    bool is_full; /* the deadlines have no place left */
} crowd;

/* With no memory, each of the others takes a place among the deadlines, until none is left. */
static iocp_action_t IOCP_CALL crowd__take_all_places(iocp_loop_t *loop,
                                                      const iocp_result_t *result, void *userdata)
{
    crowd *self = userdata;
    size_t i = 0;
    if (self->own.calls++ > 0 || contract_is_over()) {
        self->own.status = result->status;
        return IOCP_DISARM;
    }
    contract_allow_blocks(0);
    while (i < self->count && iocp_op_deadline(loop, self->ops[i], 1000 * S) == IOCP_OK) {
        i++;
    }
    self->is_full = i < self->count;
    self->own.status = iocp_op_deadline(loop, result->op, 1000 * S); /* the next run's */
    return self->own.status == IOCP_OK ? IOCP_REARM : IOCP_DISARM;
}

static void a_run_without_memory_for_its_deadline_ends_with_that_error(void **state)
{
    static crowd all;
    iocp_loop_t *loop = contract_loop(state);
    iocp_op_t op = {0};
    all = (crowd){.count = sizeof all.ops / sizeof all.ops[0]};
    for (size_t i = 0; i < all.count; i++) {
        assert_int_equal(iocp_timer(loop, UINT64_MAX, contract_keep, &all.others, &all.ops[i]),
                         IOCP_OK);
    }
    assert_int_equal(iocp_nop(loop, crowd__take_all_places, &all, &op), IOCP_OK);
    /* What an operation needs for its deadlines it keeps; a place among them it gives back. */
    for (size_t i = 0; i < all.count; i++) {
        assert_int_equal(iocp_op_deadline(loop, all.ops[i], 5000 * S), IOCP_OK);
        assert_int_equal(iocp_op_deadline(loop, all.ops[i], UINT64_MAX), IOCP_OK);
    }
    assert_int_equal(iocp_op_deadline(loop, op, 5000 * S), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_ONCE), IOCP_OK);
    assert_int_equal(all.own.calls, 1);
    assert_true(all.is_full);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_ONCE), IOCP_OK);
    contract_allow_blocks(UINT64_MAX);
    assert_int_equal(all.own.calls, 2);
    assert_int_equal(all.own.status, IOCP_ENOMEM);
    assert_int_equal(iocp_op_state(loop, op), IOCP_OP_DEAD);
    assert_int_equal(all.others.calls, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TEST(a_close_without_memory_is_refused_and_the_handle_stays_open),
        CONTRACT_TEST(a_cancel_that_nobody_is_told_of_needs_no_memory),
        CONTRACT_TEST(an_accept_without_memory_for_addresses_is_refused_and_leaves_nothing),
        CONTRACT_TEST(a_pair_without_memory_for_its_second_end_leaves_nothing),
        CONTRACT_TEST(a_run_without_memory_for_its_deadline_ends_with_that_error),
    };
    return CONTRACT_RUN_WITHOUT_SOCKETS(tests);
}
