/*
 * iocp_overlapped: calls of the program's own, on every kind of handle that takes them. What they have
 * in common with all operations is in test_operations.c.
 */
#include "contract_env.h"
#include "contract_call.h"
#include "contract_datagram.h"
#include "contract_object.h"
#include "base.h"

#include <string.h>

/* What a function that starts a call is given, and what it does. */
typedef struct own_call {
    uint32_t (*make)(struct own_call *call, void *native, void *overlapped);
    int starts;
    void *native;
    uint32_t answer; /* of one that fails */
    uint64_t offset; /* of a lock, as what follows */
    uint64_t bytes;
    char data[16];
} own_call;

static uint32_t IOCP_CALL own_call__start(void *native, void *overlapped, void *arg)
{
    own_call *call = arg;
    call->starts++;
    call->native = native;
    assert_non_null(overlapped);
    return call->make(call, native, overlapped);
}

static uint32_t own_call__receive(own_call *call, void *native, void *overlapped)
{
    return contract_call_receive(native, overlapped, call->data, sizeof call->data);
}

static uint32_t own_call__fail(own_call *call, void *native, void *overlapped)
{
    (void)native;
    (void)overlapped;
    return call->answer;
}

static uint32_t own_call__lock(own_call *call, void *native, void *overlapped)
{
    return contract_call_lock(native, overlapped, call->offset, call->bytes);
}

static iocp_op_t own_call__add(iocp_loop_t *loop, iocp_handle_t handle, own_call *call,
                               contract_record *record)
{
    iocp_op_t op = {0};
    assert_int_equal(
        iocp_overlapped(loop, handle, own_call__start, call, contract_keep, record, &op), IOCP_OK);
    assert_int_equal(call->starts, 0); /* never inside */
    return op;
}

static void own_call__write(iocp_loop_t *loop, iocp_handle_t handle, const char *text)
{
    contract_record written = {0};
    assert_int_equal(iocp_write(loop, handle, text, strlen(text), contract_keep, &written, NULL),
                     IOCP_OK);
    contract_wait(loop, &written, 1);
    assert_int_equal(written.status, IOCP_OK);
}

/* ---- On each kind of handle ---- */

/* It has received "hello" by one call, or as much as that got. */
static void own_call__check_hello(iocp_loop_t *loop, iocp_handle_t handle, const own_call *call,
                                  const contract_record *record)
{
    void *native = NULL;
    contract_wait(loop, record, 1);
    assert_int_equal(record->status, IOCP_OK);
    assert_int_equal(record->result.type, IOCP_TYPE_OVERLAPPED);
    assert_int_equal(record->result.handle.id, handle.id);
    assert_in_range(record->result.bytes, 1, 5);
    assert_memory_equal(call->data, "hello", (size_t)record->result.bytes);
    assert_int_equal(call->starts, 1);
    assert_int_equal(iocp_handle_native(loop, handle, &native), IOCP_OK);
    assert_ptr_equal(call->native, native);
}

static void a_call_on_a_pipe_ends_with_its_bytes(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pipe pipe = contract_pipe_open(loop);
    own_call call = {.make = own_call__receive};
    contract_record record = {0};
    (void)own_call__add(loop, pipe.ends[0], &call, &record);
    own_call__write(loop, pipe.ends[1], "hello");
    own_call__check_hello(loop, pipe.ends[0], &call, &record);
}

static void a_call_on_a_connection_ends_with_its_bytes(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pair pair = contract_connect(loop, AF_INET);
    own_call call = {.make = own_call__receive};
    contract_record record = {0};
    (void)own_call__add(loop, pair.server, &call, &record); /* whose first operation it is */
    contract_send_all(loop, pair.client, "hello", 5);
    own_call__check_hello(loop, pair.server, &call, &record);
}

static void a_call_on_a_datagram_socket_ends_with_its_bytes(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_address address;
    iocp_handle_t socket = contract_datagram_bind(loop, AF_INET, &address);
    own_call call = {.make = own_call__receive};
    contract_record record = {0};
    (void)own_call__add(loop, socket, &call, &record);
    contract_datagram_send(loop, socket, &address, "hello", 5);
    own_call__check_hello(loop, socket, &call, &record);
}

/* Twice as long as the room for it. */
static void the_rest_of_a_datagram_is_lost_and_that_is_said(void **state)
{
    static const char text[] = "a datagram that is far too long.";
    iocp_loop_t *loop = contract_loop(state);
    contract_address address;
    iocp_handle_t socket = contract_datagram_bind(loop, AF_INET, &address);
    for (int is_there = 0; is_there <= 1; is_there++) {
        own_call call = {.make = own_call__receive};
        contract_record record = {0};
        if (is_there) {
            contract_datagram_send(loop, socket, &address, text, sizeof text - 1);
        }
        (void)own_call__add(loop, socket, &call, &record);
        if (!is_there) {
            assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
            contract_datagram_send(loop, socket, &address, text, sizeof text - 1);
        }
        contract_wait(loop, &record, 1);
        assert_int_equal(record.status, IOCP_OK);
        assert_int_equal(record.result.native_error, 0);
        assert_int_equal(record.result.bytes, sizeof call.data);
        assert_int_equal(record.result.flags & IOCP_RESULT_TRUNCATED, IOCP_RESULT_TRUNCATED);
        assert_memory_equal(call.data, text, sizeof call.data);
    }
}

/* Nobody knows yet what it is: the call waits, and finds it known. */
static void a_call_on_what_was_adopted_just_now_waits_until_it_is_known(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    void *ends[2];
    own_call call = {.make = own_call__receive};
    own_call second = {.make = own_call__receive};
    contract_record record = {0};
    contract_record cancelled = {0};
    contract_native_pipe(ends, CONTRACT_NATIVE_OVERLAPPED);
    iocp_handle_t pipe = contract_adopt(loop, ends[0]);
    iocp_handle_t other = contract_adopt(loop, ends[1]);
    (void)own_call__add(loop, pipe, &call, &record);
    iocp_op_t op = own_call__add(loop, pipe, &second, &cancelled);
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    contract_wait(loop, &cancelled, 1);
    assert_int_equal(cancelled.status, IOCP_ECANCELED);
    assert_int_equal(second.starts, 0);
    own_call__write(loop, other, "hello");
    own_call__check_hello(loop, pipe, &call, &record);
}

/* The function is not called at all. */
static void a_call_on_what_is_not_overlapped_is_told_so(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    void *ends[2];
    contract_native_pipe(ends, 0);
    for (int i = 0; i < 2; i++) {
        own_call call = {.make = own_call__receive};
        contract_record record = {0};
        iocp_handle_t pipe = contract_adopt(loop, ends[i]);
        (void)own_call__add(loop, pipe, &call, &record);
        contract_wait(loop, &record, 1);
        assert_int_equal(record.status, IOCP_ENOTOVERLAPPED);
        assert_int_equal(call.starts, 0);
    }
}

/* What the library carries out in other ways, or has no native handle for. */
static void a_call_is_refused_on_what_is_bound_to_no_port(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    own_call call = {.make = own_call__receive};
    contract_record never = {0};
    iocp_handle_t ours = {0};
    iocp_handle_t theirs = {0};
    void *ends[2];
    contract_native_pipe(ends, 0);
    contract_stdio_use(IOCP_STDIN, ends[0]);
    contract_process process = contract_process_start(NULL);
    assert_int_equal(iocp_pipe_pair(loop, IOCP_PIPE_READ, &ours, &theirs), IOCP_OK);
    const iocp_handle_t handles[] = {
        contract_process_adopt(loop, &process),
        contract_stdio_open(loop, IOCP_STDIN),
        contract_pipe_listen(loop, NULL).listener,
        theirs,
    };
    for (size_t i = 0; i < IOC_COUNT_OF(handles); i++) {
        assert_int_equal(
            iocp_overlapped(loop, handles[i], own_call__start, &call, contract_keep, &never, NULL),
            IOCP_ENOTSUP);
    }
    contract_idle(loop);
    assert_int_equal(never.calls, 0);
    assert_int_equal(call.starts, 0);
    contract_process_order_end(&process, 0);
    contract_process_close(&process);
    for (size_t i = 0; i < IOC_COUNT_OF(handles); i++) {
        contract_file_close(loop, handles[i]);
    }
    contract_native_close(ends[0]);
    contract_native_close(ends[1]);
}

static void a_call_needs_a_function_that_makes_it(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pipe pipe = contract_pipe_open(loop);
    contract_record never = {0};
    assert_int_equal(iocp_overlapped(loop, pipe.ends[0], NULL, NULL, contract_keep, &never, NULL),
                     IOCP_EINVAL);
    contract_idle(loop);
    assert_int_equal(never.calls, 0);
}

/* ---- What the function answers ---- */

/* Each time that it is started. */
static void a_call_that_fails_ends_with_its_code(void **state)
{
    static const struct {
        uint32_t answer;
        int status;
    } rows[] = {
        {CONTRACT_NOT_CONNECTED, IOCP_ENOTCONN},
        {CONTRACT_IS_UNKNOWN, IOCP_EUNKNOWN},
        {2, IOCP_ENOTFOUND},
    };
    iocp_loop_t *loop = contract_loop(state);
    contract_pipe pipe = contract_pipe_open(loop);
    for (size_t i = 0; i < IOC_COUNT_OF(rows); i++) {
        own_call call = {.make = own_call__fail, .answer = rows[i].answer};
        contract_record record = {.rearms = 1};
        (void)own_call__add(loop, pipe.ends[0], &call, &record);
        contract_wait(loop, &record, 1);
        assert_int_equal(call.starts, 1);
        contract_wait(loop, &record, 2);
        assert_int_equal(record.status, rows[i].status);
        assert_int_equal(record.result.native_error, rows[i].answer);
        assert_int_equal(record.result.bytes, 0);
        assert_int_equal(call.starts, 2);
    }
}

/* Its data may be there before it is started, so that it may have no need to wait. */
static void a_call_that_is_done_at_once_says_so(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pipe pipe = contract_pipe_open(loop);
    own_call call = {.make = own_call__receive};
    contract_record record = {.rearms = 1};
    own_call__write(loop, pipe.ends[1], "a");
    uint64_t inline_before = contract_stats(loop).inline_results;
    (void)own_call__add(loop, pipe.ends[0], &call, &record);
    contract_wait(loop, &record, 1);
    assert_int_equal(record.result.bytes, 1);
    bool is_inline = (record.result.flags & IOCP_RESULT_INLINE) != 0;
    assert_true(!is_inline || contract_may_be_inline());
    assert_int_equal(contract_stats(loop).inline_results - inline_before, is_inline);
    own_call__write(loop, pipe.ends[1], "b");
    contract_wait(loop, &record, 2);
    assert_memory_equal(call.data, "b", 1);
    assert_int_equal(call.starts, 2);
}

/* ---- Locks of files ---- */

/* A file on a loop, and a native handle to it, of which the loop knows nothing. */
typedef struct locked {
    iocp_loop_t *loop;
    iocp_handle_t file;
    void *other;
} locked;

static locked locked__open(void **state)
{
    locked l = {.loop = contract_loop(state)};
    l.file = contract_file_with(l.loop, "file", "some text", 9);
    l.other = contract_native_file("file", IOCP_FILE_READ | IOCP_FILE_WRITE, 0);
    return l;
}

static void locked__close(const locked *l)
{
    contract_native_close(l->other);
}

static own_call lock_of(uint64_t offset, uint64_t bytes)
{
    return (own_call){.make = own_call__lock, .offset = offset, .bytes = bytes};
}

/* The other handle has the range, and the loop waits for it. False: nothing shows that here. */
static bool locked__wait(const locked *l, own_call *call, contract_record *record, iocp_op_t *op)
{
    assert_true(contract_lock(l->other, 2, 4));
    if (!contract_locks_wait()) {
        print_message("a lock that conflicts never ends here\n");
        contract_unlock(l->other, 2, 4);
        return false;
    }
    *op = own_call__add(l->loop, l->file, call, record);
    contract_idle(l->loop);
    assert_int_equal(call->starts, 1);
    assert_int_equal(record->calls, 0);
    assert_int_equal(iocp_op_state(l->loop, *op), IOCP_OP_ACTIVE);
    return true;
}

static void a_lock_that_nobody_has_is_taken(void **state)
{
    locked l = locked__open(state);
    own_call call = lock_of(2, 4);
    contract_record record = {0};
    if (!contract_may_be_inline() && !contract_locks_bring_packets()) {
        locked__close(&l);
        skip();
    }
    (void)own_call__add(l.loop, l.file, &call, &record);
    contract_wait(l.loop, &record, 1);
    assert_int_equal(record.status, IOCP_OK);
    assert_false(contract_lock(l.other, 5, 1));
    assert_true(contract_lock(l.other, 6, 1));
    contract_unlock(l.other, 6, 1);
    contract_file_close(l.loop, l.file); /* and it goes with its handle */
    assert_true(contract_lock(l.other, 5, 1));
    contract_unlock(l.other, 5, 1);
    locked__close(&l);
}

static void a_lock_waits_until_another_handle_gives_it_up(void **state)
{
    locked l = locked__open(state);
    own_call call = lock_of(0, 9);
    contract_record record = {0};
    iocp_op_t op = {0};
    if (locked__wait(&l, &call, &record, &op)) {
        contract_unlock(l.other, 2, 4);
        contract_wait(l.loop, &record, 1);
        assert_int_equal(record.status, IOCP_OK);
        assert_false(contract_lock(l.other, 2, 4));
        assert_int_equal(call.starts, 1);
    }
    locked__close(&l);
}

/* It was not taken, and is not taken later. */
static void assert_lock_was_not_taken(const locked *l)
{
    contract_unlock(l->other, 2, 4);
    contract_idle(l->loop);
    assert_true(contract_lock(l->other, 0, 9));
    contract_unlock(l->other, 0, 9);
}

static void a_lock_that_waits_is_cancelled(void **state)
{
    locked l = locked__open(state);
    own_call call = lock_of(2, 4);
    contract_record record = {0};
    iocp_op_t op = {0};
    if (locked__wait(&l, &call, &record, &op)) {
        assert_int_equal(iocp_cancel(l.loop, op, NULL, NULL, NULL), IOCP_OK);
        contract_wait(l.loop, &record, 1);
        assert_int_equal(record.status, IOCP_ECANCELED);
        assert_lock_was_not_taken(&l);
    }
    locked__close(&l);
}

static void a_lock_that_waits_too_long_times_out_and_waits_again(void **state)
{
    locked l = locked__open(state);
    own_call call = lock_of(2, 4);
    contract_record record = {.rearms = 2};
    iocp_op_t op = {0};
    if (locked__wait(&l, &call, &record, &op)) {
        assert_int_equal(iocp_op_deadline(l.loop, op, MS), IOCP_OK);
        contract_wait(l.loop, &record, 1);
        assert_int_equal(record.status, IOCP_ETIMEDOUT);
        assert_int_equal(iocp_op_deadline(l.loop, op, 1000 * S), IOCP_OK);
        contract_idle(l.loop);
        assert_int_equal(call.starts, 2);
        assert_int_equal(record.calls, 1);
        record.rearms = 0;
        contract_unlock(l.other, 2, 4);
        contract_wait(l.loop, &record, 2);
        assert_int_equal(record.status, IOCP_OK);
    }
    locked__close(&l);
}

static void a_lock_that_waits_ends_with_its_handle(void **state)
{
    locked l = locked__open(state);
    own_call call = lock_of(2, 4);
    contract_record record = {0};
    iocp_op_t op = {0};
    if (locked__wait(&l, &call, &record, &op)) {
        contract_file_close(l.loop, l.file);
        assert_int_equal(record.calls, 1);
        assert_int_equal(record.status, IOCP_ECANCELED);
        assert_lock_was_not_taken(&l);
    }
    locked__close(&l);
}

/* Given to it before the cancel comes: a success is one. */
static void a_lock_that_was_got_before_it_is_cancelled_is_the_success_that_it_is(void **state)
{
    locked l = locked__open(state);
    own_call call = lock_of(2, 4);
    contract_record record = {0};
    iocp_op_t op = {0};
    if (locked__wait(&l, &call, &record, &op)) {
        contract_unlock(l.other, 2, 4);
        assert_int_equal(iocp_cancel(l.loop, op, NULL, NULL, NULL), IOCP_OK);
        contract_wait(l.loop, &record, 1);
        assert_int_equal(record.status, IOCP_OK);
        assert_false(contract_lock(l.other, 2, 4));
    }
    locked__close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_FILE_TEST(a_call_on_a_pipe_ends_with_its_bytes),
        CONTRACT_FILE_TEST(a_call_on_a_connection_ends_with_its_bytes),
        CONTRACT_FILE_TEST(a_call_on_a_datagram_socket_ends_with_its_bytes),
        CONTRACT_FILE_TEST(the_rest_of_a_datagram_is_lost_and_that_is_said),
        CONTRACT_FILE_TEST(a_call_on_what_was_adopted_just_now_waits_until_it_is_known),
        CONTRACT_FILE_TEST(a_call_on_what_is_not_overlapped_is_told_so),
        CONTRACT_FILE_TEST(a_call_is_refused_on_what_is_bound_to_no_port),
        CONTRACT_FILE_TEST(a_call_needs_a_function_that_makes_it),
        CONTRACT_FILE_TEST(a_call_that_fails_ends_with_its_code),
        CONTRACT_FILE_TEST(a_call_that_is_done_at_once_says_so),
        CONTRACT_FILE_TEST(a_lock_that_nobody_has_is_taken),
        CONTRACT_FILE_TEST(a_lock_waits_until_another_handle_gives_it_up),
        CONTRACT_FILE_TEST(a_lock_that_waits_is_cancelled),
        CONTRACT_FILE_TEST(a_lock_that_waits_too_long_times_out_and_waits_again),
        CONTRACT_FILE_TEST(a_lock_that_waits_ends_with_its_handle),
        CONTRACT_FILE_TEST(a_lock_that_was_got_before_it_is_cancelled_is_the_success_that_it_is),
    };
    contract_object_begin();
    return CONTRACT_RUN(tests);
}
