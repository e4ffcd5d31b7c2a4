/* Making processes end: how much time they are given, who hears of it, and what stops the stopping. */
#include "contract_env.h"
#include "contract_object.h"

#include <string.h>

#define STOPPED 0xC000013Au /* STATUS_CONTROL_C_EXIT */
#define LASTING (1000 * S)  /* a grace that does not pass */

static iocp_op_t stop__start(iocp_loop_t *loop, iocp_handle_t process, uint64_t grace_ns,
                             contract_record *record)
{
    iocp_op_t op = {0};
    assert_int_equal(iocp_process_stop(loop, process, grace_ns, contract_keep, record, &op),
                     IOCP_OK);
    return op;
}

static void assert_forced(const contract_record *record)
{
    assert_int_equal(record->status, IOCP_OK);
    assert_int_equal(record->result.value, STOPPED);
    assert_int_equal(record->result.flags & IOCP_RESULT_FORCED, IOCP_RESULT_FORCED);
}

static void assert_not_forced(const contract_record *record, uint32_t exit_code)
{
    assert_int_equal(record->status, IOCP_OK);
    assert_int_equal(record->result.value, exit_code);
    assert_int_equal(record->result.flags & IOCP_RESULT_FORCED, 0);
}

static void assert_failed(const contract_record *record, int calls, int status)
{
    assert_int_equal(record->calls, calls);
    assert_int_equal(record->status, status);
    assert_int_equal(record->result.value, 0);
    assert_int_equal(record->result.flags & IOCP_RESULT_FORCED, 0);
}

/* That the process is there although so much time has passed; then it ends. */
static void stop__end(iocp_loop_t *loop, contract_process *process, uint64_t ns)
{
    contract_pass_time(loop, ns);
    contract_idle(loop);
    assert_false(contract_object_try(process->handle));
    contract_process_end(process, 0);
    contract_process_close(process);
}

/* ---- How it ends ---- */

static void a_process_that_does_not_end_within_its_grace_is_ended(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_process process = contract_process_start(NULL);
    iocp_handle_t handle = contract_process_adopt(loop, &process);
    uint64_t before_ns = iocp_loop_now(loop);
    (void)stop__start(loop, handle, 3 * MS, &record);
    contract_wait(loop, &record, 1);
    assert_forced(&record);
    assert_int_equal(record.result.type, IOCP_TYPE_PROCESS_STOP);
    assert_int_equal(record.result.handle.id, handle.id);
    assert_int_equal(record.result.event, 0);
    assert_true(record.now_ns - before_ns >= 3 * MS);
    assert_true(contract_object_try(process.handle));
    contract_process_close(&process);
}

static void without_a_grace_it_is_ended_at_once(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_process process = contract_process_start(NULL);
    (void)stop__start(loop, contract_process_adopt(loop, &process), 0, &record);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(record.calls, 1);
    assert_forced(&record);
    contract_process_close(&process);
}

static void one_that_ends_within_its_grace_was_not_forced(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_process process = contract_process_start(NULL);
    (void)stop__start(loop, contract_process_adopt(loop, &process), LASTING, &record);
    contract_idle(loop);
    assert_int_equal(record.calls, 0);
    contract_process_order_end(&process, 7);
    contract_wait(loop, &record, 1);
    assert_not_forced(&record, 7);
    contract_process_close(&process);
}

static void one_that_has_ended_already_is_told_at_once(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static const uint64_t graces[] = {0, MS, LASTING, UINT64_MAX};
    contract_process process = contract_process_start(NULL);
    iocp_handle_t handle = contract_process_adopt(loop, &process);
    iocp_handle_t guarded = contract_process_adopt_guarded(loop, &process);
    contract_process_end(&process, 9);
    for (size_t i = 0; i < sizeof graces / sizeof graces[0]; i++) {
        contract_record records[2] = {{.rearms = 1}, {0}};
        (void)stop__start(loop, handle, graces[i], &records[0]);
        (void)stop__start(loop, guarded, graces[i], &records[1]);
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
        assert_int_equal(records[0].calls, 2);
        assert_not_forced(&records[0], 9);
        assert_not_forced(&records[1], 9);
    }
    contract_process_close(&process);
}

static void all_stops_and_waits_hear_of_the_end(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record patient = {.rearms = 1};
    contract_record hasty = {0};
    contract_record wait = {0};
    contract_process process = contract_process_start(NULL);
    iocp_handle_t handle = contract_process_adopt(loop, &process);
    (void)stop__start(loop, handle, LASTING, &patient);
    assert_int_equal(iocp_process_wait(loop, handle, contract_keep, &wait, NULL), IOCP_OK);
    (void)stop__start(loop, handle, 3 * MS, &hasty);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(hasty.calls, 1);
    assert_forced(&hasty);
    assert_int_equal(patient.calls, 2); /* rearmed it says the same */
    assert_forced(&patient);
    assert_int_equal(wait.calls, 1);
    assert_not_forced(&wait, STOPPED); /* that is for a stop to say */
    contract_process_close(&process);
}

/* ---- Asking ---- */

static void a_process_that_is_asked_ends_without_force(void **state)
{
    static const uint64_t graces[] = {LASTING, UINT64_MAX};
    iocp_loop_t *loop = contract_loop(state);
    if (!contract_process_can_be_asked()) {
        skip();
    }
    for (size_t i = 0; i < sizeof graces / sizeof graces[0]; i++) {
        contract_record started = {0};
        contract_record record = {0};
        contract_spawn spawn;
        contract_spawn_open(&spawn);
        spawn.options.flags = IOCP_SPAWN_GROUP;
        assert_int_equal(iocp_spawn(loop, &spawn.options, contract_keep, &started, NULL), IOCP_OK);
        contract_wait(loop, &started, 1);
        assert_int_equal(started.status, IOCP_OK);
        (void)stop__start(loop, started.result.opened, graces[i], &record);
        contract_wait(loop, &record, 1);
        assert_not_forced(&record, STOPPED);
        contract_spawn_close(&spawn);
    }
}

static void one_that_cannot_be_asked_is_not_only_asked(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {.rearms = 1};
    contract_process process = contract_process_start(NULL);
    (void)stop__start(loop, contract_process_adopt(loop, &process), UINT64_MAX, &record);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_failed(&record, 2, IOCP_ENOTSUP);
    stop__end(loop, &process, 0);
}

/* ---- What cannot be ended ---- */

static void what_we_may_not_end_is_told_when_it_would_be_ended(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record now = {.rearms = 1};
    contract_record later = {.rearms = 1};
    contract_process process = contract_process_start(NULL);
    iocp_handle_t handle = contract_process_adopt_guarded(loop, &process);
    (void)stop__start(loop, handle, 0, &now);
    (void)stop__start(loop, handle, 3 * MS, &later);
    uint64_t before_ns = iocp_loop_now(loop);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_failed(&now, 2, IOCP_EACCES);
    assert_true(now.result.native_error != 0);
    assert_failed(&later, 2, IOCP_EACCES);
    assert_int_equal(later.result.native_error, now.result.native_error);
    assert_true(later.now_ns - before_ns >= 6 * MS); /* the second run has a grace of its own */
    stop__end(loop, &process, 0);
}

static void what_we_may_not_end_may_end_by_itself(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_process process = contract_process_start(NULL);
    (void)stop__start(loop, contract_process_adopt_guarded(loop, &process), LASTING, &record);
    contract_idle(loop);
    contract_process_order_end(&process, 4);
    contract_wait(loop, &record, 1);
    assert_not_forced(&record, 4);
    contract_process_close(&process);
}

/* ---- What stops the stopping ---- */

static void a_cancel_lets_the_process_go_on(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_process process = contract_process_start(NULL);
    iocp_op_t op = stop__start(loop, contract_process_adopt(loop, &process), 100 * MS, &record);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_failed(&record, 1, IOCP_ECANCELED);
    stop__end(loop, &process, 101 * MS);
}

static void a_deadline_lets_the_process_go_on(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_process process = contract_process_start(NULL);
    iocp_op_t op = stop__start(loop, contract_process_adopt(loop, &process), LASTING, &record);
    assert_int_equal(iocp_op_deadline(loop, op, 3 * MS), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_failed(&record, 1, IOCP_ETIMEDOUT);
    stop__end(loop, &process, contract_clock_is_virtual() ? 2 * LASTING : 0);
}

static void a_close_lets_the_process_go_on(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[2] = {{.rearms = 5}, {0}};
    contract_record closed = {0};
    contract_process process = contract_process_start(NULL);
    iocp_handle_t handle = contract_process_adopt(loop, &process);
    (void)stop__start(loop, handle, 100 * MS, &records[0]);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    (void)stop__start(loop, handle, 0, &records[1]); /* which is never started */
    assert_int_equal(iocp_close(loop, handle, contract_keep, &closed, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    for (int i = 0; i < 2; i++) {
        assert_failed(&records[i], 1, IOCP_ECANCELED);
        assert_true(records[i].order < closed.order);
    }
    stop__end(loop, &process, 101 * MS);
}

static void destroy_lets_the_process_go_on(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {.rearms = 5};
    contract_process process = contract_process_start(NULL);
    (void)stop__start(loop, contract_process_adopt(loop, &process), LASTING, &record);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    contract_loop_destroy(loop);
    contract_forget_loop(state);
    assert_failed(&record, 1, IOCP_ECANCELED);
    assert_false(contract_object_try(process.handle));
    contract_process_end(&process, 0);
    contract_process_close(&process);
}

/* ---- Trees ---- */

/* A process of the loop's, which has started a child by itself. */
typedef struct tree {
    contract_spawn spawn;
    iocp_handle_t process;
    uint64_t id;
    void *child;
} tree;

static void tree__open(iocp_loop_t *loop, tree *self, uint32_t flags)
{
    contract_record started = {0};
    contract_spawn_open(&self->spawn);
    contract_spawn_be_parent(&self->spawn);
    self->spawn.options.flags = flags;
    assert_int_equal(iocp_spawn(loop, &self->spawn.options, contract_keep, &started, NULL),
                     IOCP_OK);
    contract_wait(loop, &started, 1);
    assert_int_equal(started.status, IOCP_OK);
    self->process = started.result.opened;
    self->id = started.result.value;
    self->child = contract_spawn_child(&self->spawn, self->id);
}

/* Its child has ended, or does so now. */
static void tree__close(tree *self, bool goes_on)
{
    if (goes_on) {
        assert_false(contract_object_try(self->child));
        contract_spawn_end_child(self->child);
    } else {
        contract_object_block(self->child);
    }
    contract_object_close(self->child);
    contract_spawn_close(&self->spawn);
}

static void a_tree_is_ended_with_its_first_process(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    tree self;
    tree__open(loop, &self, IOCP_SPAWN_TREE);
    (void)stop__start(loop, self.process, 0, &record);
    contract_wait(loop, &record, 1);
    assert_forced(&record);
    tree__close(&self, false);
}

static void a_tree_is_ended_when_the_grace_is_over(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    tree self;
    tree__open(loop, &self, IOCP_SPAWN_TREE);
    (void)stop__start(loop, self.process, 3 * MS, &record);
    contract_wait(loop, &record, 1);
    assert_forced(&record);
    tree__close(&self, false);
}

static void what_is_left_of_a_tree_after_an_orderly_end_is_ended(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    tree self;
    tree__open(loop, &self, IOCP_SPAWN_TREE);
    (void)stop__start(loop, self.process, LASTING, &record);
    contract_idle(loop);
    contract_spawn_order_end(&self.spawn, self.id, 3);
    contract_wait(loop, &record, 1);
    assert_not_forced(&record, 3);
    tree__close(&self, false);
}

static void without_a_tree_its_children_go_on(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    tree self;
    tree__open(loop, &self, 0);
    (void)stop__start(loop, self.process, 0, &record);
    contract_wait(loop, &record, 1);
    assert_forced(&record);
    tree__close(&self, true);
}

static void a_tree_goes_on_when_its_handle_is_closed(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record closed = {0};
    tree self;
    void *native = NULL;
    tree__open(loop, &self, IOCP_SPAWN_TREE);
    assert_int_equal(iocp_handle_native(loop, self.process, &native), IOCP_OK);
    void *own = contract_object_duplicate(native);
    assert_int_equal(iocp_close(loop, self.process, contract_keep, &closed, NULL), IOCP_OK);
    contract_wait(loop, &closed, 1);
    assert_false(contract_object_try(own));
    contract_spawn_order_end(&self.spawn, self.id, 0);
    contract_object_block(own);
    contract_object_close(own);
    tree__close(&self, true);
}

static void a_tree_ends_with_its_handle_if_so_wanted(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record closed = {0};
    tree self;
    tree__open(loop, &self, IOCP_SPAWN_TREE | IOCP_SPAWN_KILL_ON_CLOSE);
    contract_idle(loop);
    assert_false(contract_object_try(self.child));
    assert_int_equal(iocp_close(loop, self.process, contract_keep, &closed, NULL), IOCP_OK);
    contract_wait(loop, &closed, 1);
    tree__close(&self, false);
}

static void a_tree_ends_with_the_loop_if_so_wanted(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    tree self;
    tree__open(loop, &self, IOCP_SPAWN_TREE | IOCP_SPAWN_KILL_ON_CLOSE);
    contract_loop_destroy(loop);
    contract_forget_loop(state);
    tree__close(&self, false);
}

/* ---- Bad arguments ---- */

static void what_is_no_process_is_not_stopped(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    iocp_handle_t socket = contract_open(loop, AF_INET);
    contract_process process = contract_process_start(NULL);
    iocp_handle_t handle = contract_process_adopt(loop, &process);
    assert_int_equal(iocp_process_stop(loop, socket, 0, contract_keep, &record, NULL),
                     IOCP_ENOTSUP);
    assert_int_equal(iocp_process_stop(loop, (iocp_handle_t){0}, 0, contract_keep, &record, NULL),
                     IOCP_EBADF);
    assert_int_equal(iocp_process_stop(loop, handle, 0, NULL, &record, NULL), IOCP_EINVAL);
    contract_allow_blocks(0);
    assert_int_equal(iocp_process_stop(loop, handle, 0, contract_keep, &record, NULL), IOCP_ENOMEM);
    contract_allow_blocks(UINT64_MAX);
    contract_idle(loop);
    assert_int_equal(record.calls, 0);
    stop__end(loop, &process, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TEST(a_process_that_does_not_end_within_its_grace_is_ended),
        CONTRACT_TEST(without_a_grace_it_is_ended_at_once),
        CONTRACT_TEST(one_that_ends_within_its_grace_was_not_forced),
        CONTRACT_TEST(one_that_has_ended_already_is_told_at_once),
        CONTRACT_TEST(all_stops_and_waits_hear_of_the_end),
        CONTRACT_TEST(a_process_that_is_asked_ends_without_force),
        CONTRACT_TEST(one_that_cannot_be_asked_is_not_only_asked),
        CONTRACT_TEST(what_we_may_not_end_is_told_when_it_would_be_ended),
        CONTRACT_TEST(what_we_may_not_end_may_end_by_itself),
        CONTRACT_TEST(a_cancel_lets_the_process_go_on),
        CONTRACT_TEST(a_deadline_lets_the_process_go_on),
        CONTRACT_TEST(a_close_lets_the_process_go_on),
        CONTRACT_TEST(destroy_lets_the_process_go_on),
        CONTRACT_TEST(a_tree_is_ended_with_its_first_process),
        CONTRACT_TEST(a_tree_is_ended_when_the_grace_is_over),
        CONTRACT_TEST(what_is_left_of_a_tree_after_an_orderly_end_is_ended),
        CONTRACT_TEST(without_a_tree_its_children_go_on),
        CONTRACT_TEST(a_tree_goes_on_when_its_handle_is_closed),
        CONTRACT_TEST(a_tree_ends_with_its_handle_if_so_wanted),
        CONTRACT_TEST(a_tree_ends_with_the_loop_if_so_wanted),
        CONTRACT_TEST(what_is_no_process_is_not_stopped),
    };
    contract_object_begin();
    return CONTRACT_RUN(tests);
}
