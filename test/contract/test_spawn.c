/* Starting programs: what comes of it, whose the ends of pipes are, and what is refused. */
#include "contract_env.h"
#include "contract_object.h"

#include <string.h>

static iocp_op_t spawn__start(iocp_loop_t *loop, const contract_spawn *spawn,
                              contract_record *record)
{
    iocp_op_t op = {0};
    assert_int_equal(iocp_spawn(loop, &spawn->options, contract_keep, record, &op), IOCP_OK);
    return op;
}

static void spawn__use_missing_program(contract_spawn *spawn)
{
    spawn->options.program = NULL;
    spawn->options.arguments = spawn->arguments;
    spawn->arguments[0] = "no_such_program";
}

static void pair__open(iocp_loop_t *loop, uint32_t flags, iocp_handle_t *ours,
                       iocp_spawn_stdio_t *theirs)
{
    theirs->give = IOCP_GIVE_PIPE;
    assert_int_equal(iocp_pipe_pair(loop, flags, ours, &theirs->handle), IOCP_OK);
}

static void pair__read(iocp_loop_t *loop, iocp_handle_t ours, contract_record *record)
{
    static char buffer[64];
    assert_int_equal(iocp_read(loop, ours, buffer, sizeof buffer, contract_keep, record, NULL),
                     IOCP_OK);
}

/* ---- The child ---- */

static void a_child_is_a_handle_with_an_id_whose_end_is_told(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record started = {0};
    contract_record ended = {0};
    contract_spawn spawn;
    uint32_t id = 0;
    contract_spawn_open(&spawn);
    (void)spawn__start(loop, &spawn, &started);
    contract_wait(loop, &started, 1);
    assert_int_equal(started.status, IOCP_OK);
    assert_int_equal(started.result.type, IOCP_TYPE_SPAWN);
    assert_int_equal(started.result.handle.id, 0);
    iocp_handle_t child = started.result.opened;
    assert_int_equal(iocp_handle_kind(loop, child), IOCP_HANDLE_PROCESS);
    assert_int_equal(iocp_process_get_id(loop, child, &id), IOCP_OK);
    assert_int_equal(started.result.value, id);
    assert_true(id != 0);
    assert_int_equal(iocp_process_wait(loop, child, contract_keep, &ended, NULL), IOCP_OK);
    contract_idle(loop);
    assert_int_equal(ended.calls, 0);
    contract_spawn_order_end(&spawn, id, 259);
    contract_wait(loop, &ended, 1);
    assert_int_equal(ended.status, IOCP_OK);
    assert_int_equal(ended.result.value, 259);
    contract_spawn_close(&spawn);
}

static void a_program_that_is_not_there_is_not_found(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_spawn spawn;
    contract_spawn_open(&spawn);
    spawn__use_missing_program(&spawn);
    (void)spawn__start(loop, &spawn, &record);
    contract_wait(loop, &record, 1);
    assert_int_equal(record.status, IOCP_ENOTFOUND);
    assert_int_equal(record.result.opened.id, 0);
    assert_int_equal(record.result.value, 0);
    assert_int_equal(record.result.native_error, 2); /* ERROR_FILE_NOT_FOUND */
    contract_spawn_close(&spawn);
}

/* All that the options point to may be gone when the call has returned. */
static void a_spawn_keeps_copies_of_what_it_was_told(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_spawn spawn;
    contract_spawn_open(&spawn);
    contract_spawn gone = spawn;
    gone.options.arguments = gone.arguments;
    gone.options.program = spawn.options.program != NULL ? gone.program : NULL;
    (void)spawn__start(loop, &gone, &record);
    memset(&gone, 0x5a, sizeof gone);
    contract_wait(loop, &record, 1);
    assert_int_equal(record.status, IOCP_OK);
    contract_spawn_close(&spawn);
}

static void a_child_goes_on_when_its_handle_is_closed(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record started = {0};
    contract_record closed = {0};
    contract_record ended = {0};
    contract_spawn spawn;
    void *native = NULL;
    contract_spawn_open(&spawn);
    (void)spawn__start(loop, &spawn, &started);
    contract_wait(loop, &started, 1);
    assert_int_equal(iocp_handle_native(loop, started.result.opened, &native), IOCP_OK);
    void *own = contract_object_duplicate(native);
    assert_int_equal(iocp_close(loop, started.result.opened, contract_keep, &closed, NULL),
                     IOCP_OK);
    contract_wait(loop, &closed, 1);
    assert_false(contract_object_try(own));
    assert_int_equal(iocp_wait(loop, own, contract_keep, &ended, NULL), IOCP_OK);
    contract_spawn_order_end(&spawn, started.result.value, 0);
    contract_wait(loop, &ended, 1);
    contract_object_close(own);
    contract_spawn_close(&spawn);
}

/* ---- Ends of pairs ---- */

static void an_end_of_a_pair_is_the_childs_until_it_ends(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record started = {0};
    contract_record read = {0};
    contract_spawn spawn;
    iocp_handle_t ours;
    contract_spawn_open(&spawn);
    pair__open(loop, IOCP_PIPE_READ, &ours, &spawn.options.stdio[IOCP_STDOUT]);
    (void)spawn__start(loop, &spawn, &started);
    assert_int_equal(iocp_handle_kind(loop, spawn.options.stdio[IOCP_STDOUT].handle), IOCP_EBADF);
    pair__read(loop, ours, &read);
    contract_wait(loop, &started, 1);
    contract_idle(loop);
    assert_int_equal(read.calls, 0);
    contract_spawn_order_end(&spawn, started.result.value, 0);
    contract_wait(loop, &read, 1);
    assert_int_equal(read.status, IOCP_EOF);
    contract_spawn_close(&spawn);
}

static void one_end_may_stand_in_two_places(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record started = {0};
    contract_record read = {0};
    contract_spawn spawn;
    iocp_handle_t ours;
    contract_spawn_open(&spawn);
    pair__open(loop, IOCP_PIPE_READ, &ours, &spawn.options.stdio[IOCP_STDOUT]);
    spawn.options.stdio[IOCP_STDERR] = spawn.options.stdio[IOCP_STDOUT];
    (void)spawn__start(loop, &spawn, &started);
    pair__read(loop, ours, &read);
    contract_wait(loop, &started, 1);
    assert_int_equal(started.status, IOCP_OK);
    contract_spawn_order_end(&spawn, started.result.value, 0);
    contract_wait(loop, &read, 1);
    assert_int_equal(read.status, IOCP_EOF);
    contract_spawn_close(&spawn);
}

static void an_end_is_closed_by_a_spawn_that_fails(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record started = {.rearms = 1};
    contract_record read = {0};
    contract_spawn spawn;
    iocp_handle_t ours;
    contract_spawn_open(&spawn);
    spawn__use_missing_program(&spawn);
    pair__open(loop, IOCP_PIPE_READ, &ours, &spawn.options.stdio[IOCP_STDOUT]);
    (void)spawn__start(loop, &spawn, &started);
    pair__read(loop, ours, &read);
    contract_wait(loop, &started, 1);
    assert_int_equal(started.status, IOCP_ENOTFOUND);
    contract_wait(loop, &read, 1);
    assert_int_equal(read.status, IOCP_EOF);
    contract_wait(loop, &started, 2); /* rearmed it has nothing to give any more */
    assert_int_equal(started.status, IOCP_EBADF);
    contract_spawn_close(&spawn);
}

static void an_end_is_closed_by_a_spawn_that_is_cancelled(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record started = {0};
    contract_record read = {0};
    contract_spawn spawn;
    iocp_handle_t ours;
    contract_spawn_open(&spawn);
    pair__open(loop, IOCP_PIPE_READ, &ours, &spawn.options.stdio[IOCP_STDOUT]);
    iocp_op_t op = spawn__start(loop, &spawn, &started);
    pair__read(loop, ours, &read);
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    contract_wait(loop, &started, 1);
    assert_int_equal(started.status, IOCP_ECANCELED);
    contract_wait(loop, &read, 1);
    assert_int_equal(read.status, IOCP_EOF);
    contract_spawn_close(&spawn);
}

/* What ends one before it is started. */
static void end_queued_by_cancel(iocp_loop_t *loop, iocp_op_t op)
{
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
}

static void end_queued_by_deadline(iocp_loop_t *loop, iocp_op_t op)
{
    assert_int_equal(iocp_op_deadline(loop, op, 0), IOCP_OK);
}

static void an_end_is_gone_when_a_spawn_that_never_began_is_rearmed(void **state)
{
    static const struct {
        void (*end)(iocp_loop_t *loop, iocp_op_t op);
        int status;
    } ways[] = {{end_queued_by_cancel, IOCP_ECANCELED}, {end_queued_by_deadline, IOCP_ETIMEDOUT}};
    iocp_loop_t *loop = contract_loop(state);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        contract_record started = {.rearms = 1};
        contract_record read = {0};
        contract_spawn spawn;
        iocp_handle_t ours;
        contract_spawn_open(&spawn);
        pair__open(loop, IOCP_PIPE_READ, &ours, &spawn.options.stdio[IOCP_STDOUT]);
        ways[i].end(loop, spawn__start(loop, &spawn, &started));
        pair__read(loop, ours, &read);
        contract_wait(loop, &started, 1);
        assert_int_equal(started.status, ways[i].status);
        contract_wait(loop, &started, 2);
        assert_int_equal(started.status, IOCP_EBADF);
        contract_wait(loop, &read, 1);
        assert_int_equal(read.status, IOCP_EOF);
        contract_spawn_close(&spawn);
    }
}

/* ---- Pseudo consoles ---- */

typedef struct console {
    contract_spawn spawn;
    contract_record started;
    contract_record seen; /* how its output has ended */
    iocp_handle_t input;
    iocp_handle_t output;
} console;

static void console__open(iocp_loop_t *loop, console *self)
{
    if ((iocp_capabilities() & IOCP_CAP_PSEUDO_CONSOLE) == 0) {
        skip();
    }
    memset(self, 0, sizeof *self);
    contract_spawn_open(&self->spawn);
    self->spawn.options.flags = IOCP_SPAWN_PSEUDO_CONSOLE;
    self->spawn.options.columns = 80;
    self->spawn.options.rows = 25;
    pair__open(loop, IOCP_PIPE_WRITE, &self->input, &self->spawn.options.stdio[IOCP_STDIN]);
    pair__open(loop, IOCP_PIPE_READ, &self->output, &self->spawn.options.stdio[IOCP_STDOUT]);
}

/* What is seen is the system's affair. */
static iocp_action_t IOCP_CALL console__see(iocp_loop_t *loop, const iocp_result_t *result,
                                            void *userdata)
{
    return result->status == IOCP_OK ? IOCP_REARM : contract_keep(loop, result, userdata);
}

static void console__start(iocp_loop_t *loop, console *self)
{
    static char buffer[64];
    (void)spawn__start(loop, &self->spawn, &self->started);
    assert_int_equal(
        iocp_read(loop, self->output, buffer, sizeof buffer, console__see, &self->seen, NULL),
        IOCP_OK);
    contract_wait(loop, &self->started, 1);
}

static void console__wait_until_gone(iocp_loop_t *loop, console *self)
{
    contract_wait(loop, &self->seen, 1);
    assert_int_equal(self->seen.status, IOCP_EOF);
    contract_spawn_close(&self->spawn);
}

static void a_pseudo_console_outlives_its_child_and_ends_with_its_handle(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record stopped = {0};
    contract_record closed = {0};
    console self;
    console__open(loop, &self);
    console__start(loop, &self);
    assert_int_equal(self.started.status, IOCP_OK);
    iocp_handle_t child = self.started.result.opened;
    assert_int_equal(iocp_process_stop(loop, child, 0, contract_keep, &stopped, NULL), IOCP_OK);
    contract_wait(loop, &stopped, 1);
    assert_int_equal(stopped.status, IOCP_OK);
    contract_idle(loop);
    assert_int_equal(self.seen.calls, 0);
    assert_int_equal(iocp_close(loop, child, contract_keep, &closed, NULL), IOCP_OK);
    contract_wait(loop, &closed, 1);
    console__wait_until_gone(loop, &self);
}

static void what_runs_in_a_pseudo_console_ends_with_its_handle(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record ended = {0};
    void *native = NULL;
    console self;
    console__open(loop, &self);
    console__start(loop, &self);
    assert_int_equal(iocp_handle_native(loop, self.started.result.opened, &native), IOCP_OK);
    void *own = contract_object_duplicate(native);
    assert_int_equal(iocp_wait(loop, own, contract_keep, &ended, NULL), IOCP_OK);
    assert_int_equal(iocp_close(loop, self.started.result.opened, NULL, NULL, NULL), IOCP_OK);
    contract_wait(loop, &ended, 1);
    assert_int_equal(ended.status, IOCP_OK);
    console__wait_until_gone(loop, &self);
    contract_object_close(own);
}

static void a_spawn_that_fails_leaves_no_pseudo_console(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    console self;
    console__open(loop, &self);
    spawn__use_missing_program(&self.spawn);
    console__start(loop, &self);
    assert_int_equal(self.started.status, IOCP_ENOTFOUND);
    console__wait_until_gone(loop, &self);
}

static void a_pseudo_console_has_another_size_when_it_is_told(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record plain = {0};
    contract_spawn spawn;
    console self;
    console__open(loop, &self);
    console__start(loop, &self);
    iocp_handle_t child = self.started.result.opened;
    int status = contract_is_wine() ? IOCP_ENOTSUP : IOCP_OK;
    assert_int_equal(iocp_console_resize(loop, child, 1, 1), status);
    assert_int_equal(iocp_console_resize(loop, child, 32767, 32767), status);
    assert_int_equal(iocp_console_resize(loop, child, 0, 1), IOCP_EINVAL);
    assert_int_equal(iocp_console_resize(loop, child, 1, 0), IOCP_EINVAL);
    assert_int_equal(iocp_console_resize(loop, child, 32768, 1), IOCP_EINVAL);
    assert_int_equal(iocp_console_resize(loop, child, 1, 32768), IOCP_EINVAL);
    assert_int_equal(iocp_console_resize(NULL, child, 1, 1), IOCP_EINVAL);
    assert_int_equal(iocp_console_resize(loop, self.output, 1, 1), IOCP_ENOTSUP);
    contract_spawn_open(&spawn);
    (void)spawn__start(loop, &spawn, &plain);
    contract_wait(loop, &plain, 1);
    assert_int_equal(iocp_console_resize(loop, plain.result.opened, 1, 1), IOCP_ENOTSUP);
    contract_spawn_close(&spawn);
    assert_int_equal(iocp_close(loop, child, NULL, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_console_resize(loop, child, 1, 1), IOCP_EBADF);
    console__wait_until_gone(loop, &self);
}

/* ---- What is refused ---- */

static void assert_refused(iocp_loop_t *loop, const iocp_spawn_options_t *options, int status)
{
    contract_record record = {0};
    iocp_op_t op = {.id = 77};
    assert_int_equal(iocp_spawn(loop, options, contract_keep, &record, &op), status);
    assert_int_equal(op.id, 77);
    contract_idle(loop);
    assert_int_equal(record.calls, 0);
}

static void a_refused_call_leaves_its_ends_alone(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_spawn spawn;
    iocp_handle_t ours;
    contract_spawn_open(&spawn);
    pair__open(loop, IOCP_PIPE_READ, &ours, &spawn.options.stdio[IOCP_STDOUT]);
    iocp_spawn_stdio_t *bad = &spawn.options.stdio[IOCP_STDERR];
    *bad = (iocp_spawn_stdio_t){.give = IOCP_GIVE_PIPE, .handle = ours};
    assert_refused(loop, &spawn.options, IOCP_ENOTSUP); /* ours is for us */
    *bad = (iocp_spawn_stdio_t){.give = IOCP_GIVE_PIPE};
    assert_refused(loop, &spawn.options, IOCP_EBADF);
    *bad = (iocp_spawn_stdio_t){.give = IOCP_GIVE_NATIVE};
    assert_refused(loop, &spawn.options, IOCP_EINVAL);
    assert_int_equal(iocp_handle_kind(loop, spawn.options.stdio[IOCP_STDOUT].handle),
                     IOCP_HANDLE_PIPE_END);
    contract_spawn_close(&spawn);
}

static void flags_that_contradict_each_other_are_refused(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static const uint32_t flags[] = {
        IOCP_SPAWN_KILL_ON_CLOSE,
        IOCP_SPAWN_NO_WINDOW | IOCP_SPAWN_NEW_CONSOLE,
        IOCP_SPAWN_NO_WINDOW | IOCP_SPAWN_DETACHED,
        IOCP_SPAWN_NEW_CONSOLE | IOCP_SPAWN_DETACHED,
        2u * IOCP_SPAWN_PSEUDO_CONSOLE,
        UINT32_MAX,
    };
    contract_spawn spawn;
    contract_spawn_open(&spawn);
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        spawn.options.flags = flags[i];
        assert_refused(loop, &spawn.options, IOCP_EINVAL);
    }
    spawn.options.flags = IOCP_SPAWN_TREE;
    spawn.options.job = &spawn; /* one of the program's own: no other beside it */
    assert_refused(loop, &spawn.options, IOCP_EINVAL);
    contract_spawn_close(&spawn);
}

static void a_command_that_is_none_or_two_is_refused(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_spawn spawn;
    contract_spawn_open(&spawn);
    const iocp_spawn_options_t good = spawn.options;
    iocp_spawn_options_t options = good;
    const char *const nothing[] = {NULL};
    const char *const nobody[] = {"", NULL};
    assert_refused(loop, NULL, IOCP_EINVAL);
    options.arguments = NULL;
    assert_refused(loop, &options, IOCP_EINVAL);
    options.arguments = nothing;
    assert_refused(loop, &options, IOCP_EINVAL);
    options.arguments = nobody;
    options.program = NULL;
    assert_refused(loop, &options, IOCP_EINVAL);
    options = good;
    options.program = "";
    assert_refused(loop, &options, IOCP_EINVAL);
    options = good;
    options.command_line = "program";
    assert_refused(loop, &options, IOCP_EINVAL);
    options.arguments = NULL;
    options.program = NULL;
    assert_refused(loop, &options, IOCP_EINVAL);
    contract_spawn_close(&spawn);
}

static void a_pseudo_console_needs_a_size_and_two_pipes_of_its_own(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    console self;
    console__open(loop, &self);
    const iocp_spawn_options_t good = self.spawn.options;
    iocp_spawn_options_t options = good;
    options.columns = 0;
    assert_refused(loop, &options, IOCP_EINVAL);
    options.columns = 32768;
    assert_refused(loop, &options, IOCP_EINVAL);
    options = good;
    options.rows = 0;
    assert_refused(loop, &options, IOCP_EINVAL);
    options.rows = UINT32_MAX;
    assert_refused(loop, &options, IOCP_EINVAL);
    for (int i = 0; i < 3; i++) {
        for (uint32_t give = 0; give <= IOCP_GIVE_NOTHING; give++) {
            options = good;
            options.stdio[i].give = i == IOCP_STDERR ? IOCP_GIVE_NOTHING : give;
            assert_refused(loop, &options, IOCP_EINVAL);
        }
    }
    options = good;
    options.stdio[IOCP_STDOUT] = good.stdio[IOCP_STDIN];
    assert_refused(loop, &options, IOCP_EINVAL);
    options.stdio[IOCP_STDIN] =
        (iocp_spawn_stdio_t){.give = IOCP_GIVE_NATIVE, .native = &self.spawn};
    options.stdio[IOCP_STDOUT] = options.stdio[IOCP_STDIN];
    assert_refused(loop, &options, IOCP_EINVAL);
    options = good;
    options.flags = 0;
    options.rows = 0;
    assert_refused(loop, &options, IOCP_EINVAL); /* a size for nothing */
    options.columns = 0;
    options.rows = 1;
    assert_refused(loop, &options, IOCP_EINVAL);
    contract_spawn_close(&self.spawn);
}

static void what_is_out_of_range_in_the_options_is_refused(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    void *none[] = {NULL};
    contract_spawn spawn;
    contract_spawn_open(&spawn);
    const iocp_spawn_options_t good = spawn.options;
    iocp_spawn_options_t options = good;
    options.size = 0;
    assert_refused(loop, &options, IOCP_EINVAL);
    options = good;
    options.size = 5000;
    assert_refused(loop, &options, IOCP_EINVAL);
    options = good;
    options.stdio[IOCP_STDOUT].give = IOCP_GIVE_NATIVE + 1;
    assert_refused(loop, &options, IOCP_EINVAL);
    options = good;
    options.stdio[IOCP_STDERR].reserved = 1;
    assert_refused(loop, &options, IOCP_EINVAL);
    options = good;
    options.inherit_count = 1;
    assert_refused(loop, &options, IOCP_EINVAL);
    options.inherit = none;
    assert_refused(loop, &options, IOCP_EINVAL);
    options.inherit_count = SIZE_MAX;
    assert_refused(loop, &options, IOCP_EINVAL);
    contract_spawn_close(&spawn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TEST(a_child_is_a_handle_with_an_id_whose_end_is_told),
        CONTRACT_TEST(a_program_that_is_not_there_is_not_found),
        CONTRACT_TEST(a_spawn_keeps_copies_of_what_it_was_told),
        CONTRACT_TEST(a_child_goes_on_when_its_handle_is_closed),
        CONTRACT_TEST(an_end_of_a_pair_is_the_childs_until_it_ends),
        CONTRACT_TEST(one_end_may_stand_in_two_places),
        CONTRACT_TEST(an_end_is_closed_by_a_spawn_that_fails),
        CONTRACT_TEST(an_end_is_closed_by_a_spawn_that_is_cancelled),
        CONTRACT_TEST(an_end_is_gone_when_a_spawn_that_never_began_is_rearmed),
        CONTRACT_TEST(a_pseudo_console_outlives_its_child_and_ends_with_its_handle),
        CONTRACT_TEST(what_runs_in_a_pseudo_console_ends_with_its_handle),
        CONTRACT_TEST(a_spawn_that_fails_leaves_no_pseudo_console),
        CONTRACT_TEST(a_pseudo_console_has_another_size_when_it_is_told),
        CONTRACT_TEST(a_refused_call_leaves_its_ends_alone),
        CONTRACT_TEST(flags_that_contradict_each_other_are_refused),
        CONTRACT_TEST(a_command_that_is_none_or_two_is_refused),
        CONTRACT_TEST(a_pseudo_console_needs_a_size_and_two_pipes_of_its_own),
        CONTRACT_TEST(what_is_out_of_range_in_the_options_is_refused),
    };
    contract_object_begin();
    return CONTRACT_RUN(tests);
}
