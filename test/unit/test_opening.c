#include "unit_backend.h"

#include "cancel.h"
#include "opening.h"

#define OPENING_TEST(name) \
    cmocka_unit_test_setup_teardown(name, unit_core_set_up, unit_core_tear_down)

/* A spawn stands for all: it opens a handle, and its ends of pipes are told of as well. */
static ioc_op *queue_opening(unit_core *core)
{
    const ioc_opening none = {0};
    ioc_op *op = unit_core_queue(core, IOCP_TYPE_SPAWN, NULL);
    assert_int_equal(ioc_op_copy(&core->ops, op, &none, sizeof none), IOCP_OK);
    return op;
}

static void set_start(unit_core *core, ioc_start answer, int status)
{
    core->port.start_answer = answer;
    core->port.start_outcome = (ioc_outcome){.status = status};
}

/* Deliver the next result, which must be this, to a callback that rearms. What it tells as opened. */
static iocp_handle_t rearm(unit_core *core, ioc_op *op, int status)
{
    iocp_result_t result = {.opened = {.id = 0}};
    assert_ptr_equal(ioc_op_next_ready(&core->ops), op);
    assert_int_equal(op->outcome.status, status);
    if (status == IOCP_OK) {
        op->kind->tell(op, &result);
    }
    assert_false(ioc_op_is_last(&core->ops, op));
    op->kind->ended(&core->ops, op);
    ioc_op_rearm(&core->ops, op);
    return result.opened;
}

static void end_cancelled(unit_core *core, ioc_op *op)
{
    assert_int_equal(ioc_cancel_op(&core->ops, op, IOCP_ECANCELED), IOCP_OK);
    assert_int_equal(unit_core_deliver(core, op), IOCP_ECANCELED);
}

static void what_is_opened_is_the_programs_and_each_run_opens_another(void **state)
{
    unit_core *core = *state;
    ioc_op *op = queue_opening(core);
    op->kind->start(&core->ops, op);
    core->port.now_ns += 5;
    ioc_ops_update_now(&core->ops);
    unit_core_packet(core, op, IOCP_OK, 0);
    iocp_handle_t first = rearm(core, op, IOCP_OK);
    const ioc_handle *opened = ioc_handle_find(&core->ops, first);
    assert_non_null(opened);
    assert_int_equal(ioc_handle_kind(opened), IOCP_HANDLE_PROCESS);
    assert_true(opened->opened_ns == core->port.now_ns && opened->used_ns == core->port.now_ns);
    op->kind->start(&core->ops, op);
    unit_core_packet(core, op, IOCP_OK, 0);
    iocp_handle_t second = rearm(core, op, IOCP_OK);
    assert_true(second.id != first.id);
    end_cancelled(core, op);
    assert_non_null(ioc_handle_find(&core->ops, first));
    assert_non_null(ioc_handle_find(&core->ops, second));
    assert_int_equal(core->ops.handles.live, 2);
}

static void the_handle_of_a_run_that_fails_is_given_back_unopened(void **state)
{
    unit_core *core = *state;
    ioc_op *op = queue_opening(core);
    op->kind->start(&core->ops, op);
    assert_int_equal(core->ops.handles.live, 1);
    assert_null(ioc_handle_find(&core->ops, ioc_handle_id(ioc_opening_of(op)->handle)));
    unit_core_packet(core, op, IOCP_ENOTFOUND, 0);
    (void)rearm(core, op, IOCP_ENOTFOUND);
    assert_int_equal(core->ops.handles.live, 0);
    set_start(core, IOC_START_FAILED, IOCP_EMFILE);
    op->kind->start(&core->ops, op);
    assert_int_equal(unit_core_deliver(core, op), IOCP_EMFILE);
    assert_int_equal(core->ops.handles.live, 0);
    assert_int_equal(core->port.closes, 0);
}

static void without_memory_for_its_handle_the_system_is_not_asked(void **state)
{
    unit_core *core = *state;
    ioc_op *op = queue_opening(core);
    unit_memory_allow(&core->memory, 0);
    while (ioc_handle_new(&core->ops, IOCP_HANDLE_PROCESS) != NULL) {}
    op->kind->start(&core->ops, op);
    unit_memory_allow(&core->memory, UINT64_MAX);
    assert_int_equal(core->port.starts, 0);
    assert_int_equal(unit_core_deliver(core, op), IOCP_ENOMEM);
}

/* What it was given it has for one run: see ioc_backend.spawn_ended. */
static void the_backend_is_told_of_each_end_of_a_spawn_also_if_it_never_began(void **state)
{
    unit_core *core = *state;
    ioc_op *op = queue_opening(core);
    op->kind->start(&core->ops, op);
    unit_core_packet(core, op, IOCP_OK, 0);
    (void)rearm(core, op, IOCP_OK);
    assert_int_equal(core->port.spawns_ended, 1);
    assert_int_equal(ioc_cancel_op(&core->ops, op, IOCP_ETIMEDOUT), IOCP_OK);
    (void)rearm(core, op, IOCP_ETIMEDOUT);
    assert_int_equal(core->port.spawns_ended, 2);
    unit_memory_allow(&core->memory, 0);
    while (ioc_handle_new(&core->ops, IOCP_HANDLE_PROCESS) != NULL) {}
    op->kind->start(&core->ops, op);
    unit_memory_allow(&core->memory, UINT64_MAX);
    (void)rearm(core, op, IOCP_ENOMEM);
    assert_int_equal(core->port.spawns_ended, 3);
    end_cancelled(core, op);
    assert_int_equal(core->port.spawns_ended, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OPENING_TEST(what_is_opened_is_the_programs_and_each_run_opens_another),
        OPENING_TEST(the_handle_of_a_run_that_fails_is_given_back_unopened),
        OPENING_TEST(without_memory_for_its_handle_the_system_is_not_asked),
        OPENING_TEST(the_backend_is_told_of_each_end_of_a_spawn_also_if_it_never_began),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
