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
        2u * IOCP_SPAWN_HIDDEN,
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
        CONTRACT_TEST(a_refused_call_leaves_its_ends_alone),
        CONTRACT_TEST(flags_that_contradict_each_other_are_refused),
        CONTRACT_TEST(a_command_that_is_none_or_two_is_refused),
        CONTRACT_TEST(what_is_out_of_range_in_the_options_is_refused),
    };
    contract_object_begin();
    return CONTRACT_RUN(tests);
}
