/* Pipes with names: who serves them, who connects, and who is refused. */
#include "contract_file.h"

#include <string.h>

static void assert_ended(const contract_record *record, int status)
{
    assert_int_equal(record->calls, 1);
    assert_string_equal(iocp_error_name(record->status), iocp_error_name(status));
}

static void run_until_done(iocp_loop_t *loop)
{
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
}

/* As long as that, with whatever happens meanwhile. */
static void run_for(iocp_loop_t *loop, uint64_t ns)
{
    contract_record timer = {0};
    assert_int_equal(iocp_timer(loop, ns, contract_keep, &timer, NULL), IOCP_OK);
    contract_wait(loop, &timer, 1);
}

static iocp_op_t start_accept(iocp_loop_t *loop, const contract_server *server,
                              contract_record *record)
{
    iocp_op_t op = {0};
    assert_int_equal(iocp_accept(loop, server->listener, contract_keep, record, &op), IOCP_OK);
    return op;
}

static iocp_op_t start_connect(iocp_loop_t *loop, const contract_server *server, uint32_t flags,
                               contract_record *record)
{
    iocp_op_t op = {0};
    assert_int_equal(iocp_pipe_connect(loop, server->name, flags, contract_keep, record, &op),
                     IOCP_OK);
    return op;
}

/* A connection, which is there at once. */
static iocp_handle_t connect_to(iocp_loop_t *loop, const contract_server *server, uint32_t flags)
{
    contract_record connected = {0};
    start_connect(loop, server, flags, &connected);
    contract_wait(loop, &connected, 1);
    assert_ended(&connected, IOCP_OK);
    assert_int_equal(connected.result.type, IOCP_TYPE_PIPE_CONNECT);
    assert_true(connected.result.handle.id == 0);
    assert_int_equal(iocp_handle_kind(loop, connected.result.opened), IOCP_HANDLE_PIPE);
    return connected.result.opened;
}

static iocp_handle_t accept_from(iocp_loop_t *loop, const contract_server *server)
{
    contract_record accepted = {0};
    start_accept(loop, server, &accepted);
    contract_wait(loop, &accepted, 1);
    assert_ended(&accepted, IOCP_OK);
    assert_int_equal(accepted.result.type, IOCP_TYPE_ACCEPT);
    assert_true(accepted.result.handle.id == server->listener.id);
    assert_int_equal(accepted.address.length, 0);
    assert_int_equal(iocp_handle_kind(loop, accepted.result.opened), IOCP_HANDLE_PIPE);
    return accepted.result.opened;
}

static void write_all(iocp_loop_t *loop, iocp_handle_t pipe, const char *text)
{
    contract_record written = {0};
    size_t size = strlen(text);
    assert_int_equal(iocp_write(loop, pipe, text, size, contract_keep, &written, NULL), IOCP_OK);
    contract_wait(loop, &written, 1);
    assert_ended(&written, IOCP_OK);
    assert_int_equal(written.result.bytes, size);
}

static void assert_reads(iocp_loop_t *loop, iocp_handle_t pipe, const char *text)
{
    for (size_t left = strlen(text); left > 0;) {
        contract_record read = {0};
        char data[64];
        assert_in_range(left, 1, sizeof data);
        assert_int_equal(iocp_read(loop, pipe, data, left, contract_keep, &read, NULL), IOCP_OK);
        contract_wait(loop, &read, 1);
        assert_ended(&read, IOCP_OK);
        assert_in_range(read.result.bytes, 1, left);
        assert_memory_equal(data, text, (size_t)read.result.bytes);
        text += read.result.bytes;
        left -= (size_t)read.result.bytes;
    }
}

static void assert_read_ends_as(iocp_loop_t *loop, iocp_handle_t pipe, int status)
{
    contract_record read = {0};
    char data[1];
    assert_int_equal(iocp_read(loop, pipe, data, 1, contract_keep, &read, NULL), IOCP_OK);
    contract_wait(loop, &read, 1);
    assert_ended(&read, status);
}

/* ---- Clients come ---- */

static void a_client_is_accepted_and_bytes_go_both_ways(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record accepted = {0};
    contract_server server = contract_pipe_listen(loop, NULL);
    start_accept(loop, &server, &accepted);
    contract_idle(loop);
    assert_int_equal(accepted.calls, 0);
    iocp_handle_t client = connect_to(loop, &server, 0);
    contract_wait(loop, &accepted, 1);
    assert_ended(&accepted, IOCP_OK);
    write_all(loop, client, "hello");
    assert_reads(loop, accepted.result.opened, "hello");
    write_all(loop, accepted.result.opened, "there");
    assert_reads(loop, client, "there");
}

static void a_client_can_connect_before_anybody_accepts(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_server server = contract_pipe_listen(loop, NULL);
    for (int i = 0; i < 3; i++) {
        iocp_handle_t client = connect_to(loop, &server, 0);
        write_all(loop, client, "early");
        assert_reads(loop, accept_from(loop, &server), "early");
    }
}

/* None of them has to wait for a callback. */
static void each_accept_that_waits_takes_a_client_at_once(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_loop_t *other = contract_loop_create();
    contract_record accepted[3] = {{0}};
    contract_server server = contract_pipe_listen(loop, NULL);
    for (int i = 0; i < 3; i++) {
        start_accept(loop, &server, &accepted[i]);
    }
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    for (int i = 0; i < 3; i++) {
        (void)connect_to(other, &server, 0);
    }
    for (int i = 0; i < 3; i++) {
        contract_wait(loop, &accepted[i], 1);
        assert_ended(&accepted[i], IOCP_OK);
    }
    contract_loop_destroy(other);
}

static void an_accept_that_rearms_takes_one_client_after_the_other(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record accepted = {.rearms = 4};
    contract_server server = contract_pipe_listen(loop, NULL);
    start_accept(loop, &server, &accepted);
    for (int i = 1; i <= 5; i++) {
        iocp_handle_t client = connect_to(loop, &server, 0);
        contract_wait(loop, &accepted, i);
        assert_int_equal(accepted.status, IOCP_OK);
        write_all(loop, accepted.result.opened, "you");
        assert_reads(loop, client, "you");
    }
}

/* What the callback of the last accept finds: whoever connects in it need not wait for its return. */
typedef struct in_callback {
    const contract_server *server;
    iocp_loop_t *other;
    int status;
    int calls;
} in_callback;

static iocp_action_t IOCP_CALL in_callback__connect(iocp_loop_t *loop, const iocp_result_t *result,
                                                    void *userdata)
{
    in_callback *self = userdata;
    contract_record connected = {0};
    (void)loop;
    self->calls++;
    self->status = result->status;
    if (result->status == IOCP_OK && !contract_is_over()) {
        start_connect(self->other, self->server, 0, &connected);
        contract_wait(self->other, &connected, 1);
        self->status = connected.status;
    }
    return IOCP_DISARM;
}

static void the_next_instance_waits_before_the_callback_of_the_last_accept(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_server server = contract_pipe_listen(loop, NULL);
    in_callback self = {.server = &server, .other = contract_loop_create()};
    assert_int_equal(iocp_accept(loop, server.listener, in_callback__connect, &self, NULL),
                     IOCP_OK);
    (void)connect_to(self.other, &server, 0);
    run_until_done(loop);
    assert_int_equal(self.calls, 1);
    assert_int_equal(self.status, IOCP_OK);
    contract_loop_destroy(self.other);
}

static void a_client_that_wrote_and_left_is_read_and_then_ends(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_server server = contract_pipe_listen(loop, NULL);
    iocp_handle_t client = connect_to(loop, &server, IOCP_PIPE_WRITE);
    write_all(loop, client, "farewell");
    contract_file_close(loop, client);
    iocp_handle_t accepted = accept_from(loop, &server);
    assert_reads(loop, accepted, "farewell");
    assert_read_ends_as(loop, accepted, IOCP_EOF);
}

static void what_was_written_before_a_close_is_still_read(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_server server = contract_pipe_listen(loop, NULL);
    iocp_handle_t client = connect_to(loop, &server, 0);
    iocp_handle_t accepted = accept_from(loop, &server);
    write_all(loop, accepted, "last words");
    contract_file_close(loop, accepted);
    assert_reads(loop, client, "last words");
    assert_read_ends_as(loop, client, IOCP_EOF);
}

/* ---- Clients wait ---- */

static void a_client_waits_while_all_instances_are_busy(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record waiting = {0};
    contract_server server = contract_pipe_listen(loop, NULL);
    iocp_handle_t first = connect_to(loop, &server, 0);
    start_connect(loop, &server, 0, &waiting);
    run_for(loop, 600 * MS); /* longer than one wait in the kernel */
    assert_int_equal(waiting.calls, 0);
    iocp_handle_t accepted[2];
    accepted[0] = accept_from(loop, &server);
    contract_wait(loop, &waiting, 1);
    assert_ended(&waiting, IOCP_OK);
    accepted[1] = accept_from(loop, &server);
    write_all(loop, first, "1");
    write_all(loop, waiting.result.opened, "2");
    assert_reads(loop, accepted[0], "1");
    assert_reads(loop, accepted[1], "2");
}

static void a_client_that_waits_can_be_cancelled_and_has_a_deadline(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record waiting[2] = {{0}};
    contract_server server = contract_pipe_listen(loop, NULL);
    iocp_op_t ops[2];
    (void)connect_to(loop, &server, 0);
    for (int i = 0; i < 2; i++) {
        ops[i] = start_connect(loop, &server, 0, &waiting[i]);
    }
    run_for(loop, 20 * MS);
    assert_int_equal(iocp_cancel(loop, ops[0], NULL, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_op_deadline(loop, ops[1], MS), IOCP_OK);
    run_until_done(loop);
    assert_ended(&waiting[0], IOCP_ECANCELED);
    assert_ended(&waiting[1], IOCP_ETIMEDOUT);
    /* Neither took the instance that comes now. */
    (void)accept_from(loop, &server);
    (void)connect_to(loop, &server, 0);
}

static void a_client_that_waits_learns_that_nobody_serves_any_more(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record waiting = {0};
    contract_server server = contract_pipe_listen(loop, NULL);
    iocp_handle_t first = connect_to(loop, &server, 0);
    start_connect(loop, &server, 0, &waiting);
    run_for(loop, 20 * MS);
    contract_file_close(loop, server.listener);
    assert_read_ends_as(loop, first, IOCP_EOF);
    contract_file_close(loop, first); /* the last handle of an instance */
    contract_wait(loop, &waiting, 1);
    assert_ended(&waiting, IOCP_ENOTFOUND);
}

/* ---- Accepts end early ---- */

static void a_cancel_that_comes_after_the_client_leaves_the_accept_a_success(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_loop_t *other = contract_loop_create();
    contract_record accepted = {0};
    contract_server server = contract_pipe_listen(loop, NULL);
    iocp_op_t op = start_accept(loop, &server, &accepted);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    iocp_handle_t client = connect_to(other, &server, 0);
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    run_until_done(loop);
    assert_ended(&accepted, IOCP_OK);
    write_all(other, client, "here");
    assert_reads(loop, accepted.result.opened, "here");
    contract_loop_destroy(other);
}

/* More instances than anybody accepts on wait then, and one of them is the next accept's. */
static void a_client_that_comes_after_a_cancel_is_the_next_accepts(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record cancelled[3] = {{0}};
    contract_server server = contract_pipe_listen(loop, NULL);
    for (int i = 0; i < 3; i++) {
        iocp_op_t op = start_accept(loop, &server, &cancelled[i]);
        assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
        assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    }
    run_until_done(loop);
    for (int i = 0; i < 3; i++) {
        assert_ended(&cancelled[i], IOCP_ECANCELED);
    }
    iocp_handle_t client = connect_to(loop, &server, 0);
    write_all(loop, client, "still here");
    assert_reads(loop, accept_from(loop, &server), "still here");
}

static void closing_a_listener_ends_its_accepts_and_leaves_its_connections(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record accepted[2] = {{0}};
    contract_record refused = {0};
    contract_record closed = {0};
    contract_server server = contract_pipe_listen(loop, NULL);
    iocp_handle_t client = connect_to(loop, &server, 0);
    iocp_handle_t connection = accept_from(loop, &server);
    start_accept(loop, &server, &accepted[0]);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    start_accept(loop, &server, &accepted[1]);
    assert_int_equal(iocp_close(loop, server.listener, contract_keep, &closed, NULL), IOCP_OK);
    run_until_done(loop);
    assert_ended(&closed, IOCP_OK);
    for (int i = 0; i < 2; i++) {
        assert_ended(&accepted[i], IOCP_ECANCELED);
        assert_true(accepted[i].order < closed.order);
    }
    write_all(loop, client, "on and on");
    assert_reads(loop, connection, "on and on");
    contract_file_close(loop, connection);
    contract_file_close(loop, client);
    start_connect(loop, &server, 0, &refused);
    contract_wait(loop, &refused, 1);
    assert_ended(&refused, IOCP_ENOTFOUND);
}

static void destroy_ends_accepts_and_connects(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record accepted = {0};
    contract_record waiting = {0};
    contract_server server = contract_pipe_listen(loop, NULL);
    contract_server busy = contract_pipe_listen(loop, NULL);
    (void)connect_to(loop, &busy, 0);
    start_accept(loop, &server, &accepted);
    start_connect(loop, &busy, 0, &waiting);
    run_for(loop, 20 * MS);
    contract_loop_destroy(loop);
    contract_forget_loop(state);
    assert_ended(&accepted, IOCP_ECANCELED);
    assert_ended(&waiting, IOCP_ECANCELED);
}

/* ---- How many, which way ---- */

static void with_all_instances_connected_an_accept_is_told_so_once_and_waits(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_pipe_options_t options = {.size = sizeof options, .instances = 1};
    contract_record accepted = {.rearms = 1};
    contract_server server = contract_pipe_listen(loop, &options);
    iocp_handle_t client = connect_to(loop, &server, 0);
    iocp_handle_t first = accept_from(loop, &server);
    start_accept(loop, &server, &accepted);
    contract_wait(loop, &accepted, 1);
    assert_ended(&accepted, IOCP_EMFILE);
    run_for(loop, 30 * MS);
    assert_int_equal(accepted.calls, 1);
    contract_file_close(loop, first);
    contract_file_close(loop, client);
    contract_record connected = {0};
    do { /* for a moment the name is nobody's: the accept looks again by itself */
        connected = (contract_record){0};
        start_connect(loop, &server, 0, &connected);
        contract_wait(loop, &connected, 1);
    } while (connected.status == IOCP_ENOTFOUND);
    assert_ended(&connected, IOCP_OK);
    contract_wait(loop, &accepted, 2);
    assert_int_equal(accepted.status, IOCP_OK);
    write_all(loop, connected.result.opened, "second");
    assert_reads(loop, accepted.result.opened, "second");
}

static void a_client_does_what_the_server_lets_it(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_pipe_options_t options = {.size = sizeof options, .flags = IOCP_PIPE_READ};
    contract_record refused[2] = {{0}};
    contract_record written = {0};
    contract_server server = contract_pipe_listen(loop, &options);
    start_connect(loop, &server, 0, &refused[0]);
    start_connect(loop, &server, IOCP_PIPE_READ, &refused[1]);
    run_until_done(loop);
    assert_ended(&refused[0], IOCP_EACCES);
    assert_ended(&refused[1], IOCP_EACCES);
    assert_true(refused[0].result.opened.id == 0);
    iocp_handle_t client = connect_to(loop, &server, IOCP_PIPE_WRITE);
    iocp_handle_t accepted = accept_from(loop, &server);
    write_all(loop, client, "up");
    assert_reads(loop, accepted, "up");
    assert_int_equal(iocp_write(loop, accepted, "x", 1, contract_keep, &written, NULL), IOCP_OK);
    contract_wait(loop, &written, 1);
    assert_ended(&written, IOCP_EACCES);
    assert_read_ends_as(loop, client, IOCP_EACCES);
}

static void messages_are_refused_by_a_pipe_of_bytes(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record refused = {0};
    contract_server server = contract_pipe_listen(loop, NULL);
    start_connect(loop, &server, IOCP_PIPE_MESSAGE, &refused);
    contract_wait(loop, &refused, 1);
    assert_ended(&refused, IOCP_EINVAL);
}

/* ---- Messages ---- */

/* A connection to a server of messages, whose client asks for what these flags say. */
typedef struct message_pipe {
    contract_server server;
    iocp_handle_t ends[2]; /* the server's, the client's */
} message_pipe;

static message_pipe open_messages(iocp_loop_t *loop, uint32_t flags)
{
    message_pipe pipe;
    iocp_pipe_options_t options = {.size = sizeof options, .flags = IOCP_PIPE_MESSAGE};
    pipe.server = contract_pipe_listen(loop, &options);
    pipe.ends[1] = connect_to(loop, &pipe.server, flags);
    pipe.ends[0] = accept_from(loop, &pipe.server);
    return pipe;
}

static void assert_message_is(const contract_record *read, size_t bytes, uint32_t flags)
{
    assert_ended(read, IOCP_OK);
    assert_int_equal(read->result.bytes, bytes);
    assert_int_equal(read->result.flags & ~(uint32_t)IOCP_RESULT_INLINE, flags);
}

/* One read, with room for so many bytes, gets exactly this. */
static void assert_message(iocp_loop_t *loop, iocp_handle_t pipe, size_t room, const char *text,
                           uint32_t flags)
{
    contract_record read = {0};
    char data[64] = {0};
    assert_int_equal(iocp_read(loop, pipe, data, room, contract_keep, &read, NULL), IOCP_OK);
    contract_wait(loop, &read, 1);
    assert_message_is(&read, strlen(text), flags);
    assert_memory_equal(data, text, strlen(text));
}

static void messages_go_both_ways_and_end_where_they_were_written(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    message_pipe pipe = open_messages(loop, IOCP_PIPE_MESSAGE);
    for (int from = 0; from < 2; from++) {
        write_all(loop, pipe.ends[from], "first");
        write_all(loop, pipe.ends[from], "second");
        assert_message(loop, pipe.ends[1 - from], 64, "first", 0);
        assert_message(loop, pipe.ends[1 - from], 3, "sec", IOCP_RESULT_MORE);
        assert_message(loop, pipe.ends[1 - from], 3, "ond", 0);
    }
}

static void an_empty_message_is_read_as_one_and_is_not_the_end(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    message_pipe pipe = open_messages(loop, IOCP_PIPE_MESSAGE);
    write_all(loop, pipe.ends[1], "before");
    write_all(loop, pipe.ends[1], "");
    write_all(loop, pipe.ends[1], "behind");
    assert_message(loop, pipe.ends[0], 64, "before", 0);
    assert_message(loop, pipe.ends[0], 64, "", 0);
    assert_message(loop, pipe.ends[0], 64, "behind", 0);
}

static void an_empty_message_ends_the_read_that_waits_for_it(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record read = {0};
    char data[64];
    message_pipe pipe = open_messages(loop, IOCP_PIPE_MESSAGE);
    assert_int_equal(iocp_read(loop, pipe.ends[0], data, sizeof data, contract_keep, &read, NULL),
                     IOCP_OK);
    contract_idle(loop);
    assert_int_equal(read.calls, 0);
    write_all(loop, pipe.ends[1], "");
    contract_wait(loop, &read, 1);
    assert_message_is(&read, 0, 0);
}

static void a_client_that_asks_for_bytes_reads_messages_as_bytes(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    message_pipe pipe = open_messages(loop, 0);
    write_all(loop, pipe.ends[0], "first");
    write_all(loop, pipe.ends[0], "second");
    assert_reads(loop, pipe.ends[1], "firstsecond");
    write_all(loop, pipe.ends[1], "one"); /* what it writes are messages all the same */
    write_all(loop, pipe.ends[1], "two");
    assert_message(loop, pipe.ends[0], 64, "one", 0);
    assert_message(loop, pipe.ends[0], 64, "two", 0);
}

static void a_message_of_more_than_the_pipe_holds_waits_and_is_read_whole(void **state)
{
    enum {
        BYTES = 300000
    };
    static char sent[BYTES];
    static char received[BYTES + 1];
    iocp_loop_t *loop = contract_loop(state);
    contract_record written = {0};
    contract_record read = {0};
    message_pipe pipe = open_messages(loop, IOCP_PIPE_MESSAGE);
    memset(sent, 'm', sizeof sent);
    memset(received, 0, sizeof received);
    assert_int_equal(iocp_write(loop, pipe.ends[0], sent, BYTES, contract_keep, &written, NULL),
                     IOCP_OK);
    contract_idle(loop);
    assert_int_equal(written.calls, 0);
    assert_int_equal(
        iocp_read(loop, pipe.ends[1], received, sizeof received, contract_keep, &read, NULL),
        IOCP_OK);
    contract_wait(loop, &read, 1);
    assert_message_is(&read, BYTES, 0);
    assert_memory_equal(received, sent, BYTES);
    contract_wait(loop, &written, 1);
    assert_ended(&written, IOCP_OK);
    assert_int_equal(written.result.bytes, BYTES);
}

static void a_cancelled_read_leaves_the_message_whole(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record read = {0};
    iocp_op_t op = {0};
    char data[2];
    message_pipe pipe = open_messages(loop, IOCP_PIPE_MESSAGE);
    assert_int_equal(iocp_read(loop, pipe.ends[0], data, sizeof data, contract_keep, &read, &op),
                     IOCP_OK);
    contract_idle(loop);
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    contract_wait(loop, &read, 1);
    assert_ended(&read, IOCP_ECANCELED);
    write_all(loop, pipe.ends[1], "whole");
    assert_message(loop, pipe.ends[0], 64, "whole", 0);
}

/* Also what is left of one of which the beginning was read. */
static void messages_that_were_written_before_a_close_are_still_read(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    message_pipe pipe = open_messages(loop, IOCP_PIPE_MESSAGE);
    write_all(loop, pipe.ends[1], "farewell");
    write_all(loop, pipe.ends[1], "");
    assert_message(loop, pipe.ends[0], 4, "fare", IOCP_RESULT_MORE);
    contract_file_close(loop, pipe.ends[1]);
    assert_message(loop, pipe.ends[0], 64, "well", 0);
    assert_message(loop, pipe.ends[0], 64, "", 0);
    assert_read_ends_as(loop, pipe.ends[0], IOCP_EOF);
}

/* ---- Names ---- */

static void a_name_that_nobody_serves_is_not_found(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record refused = {0};
    contract_server server = {{0}, ""};
    contract_pipe_name(server.name, sizeof server.name);
    start_connect(loop, &server, 0, &refused);
    contract_wait(loop, &refused, 1);
    assert_ended(&refused, IOCP_ENOTFOUND);
    assert_true(refused.result.native_error != 0);
}

/* With a limit, since Wine does not know who was first. */
static void a_name_that_is_served_is_in_use_until_the_listener_is_closed(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_pipe_options_t options = {.size = sizeof options, .instances = 1};
    iocp_handle_t again = {0};
    contract_server server = contract_pipe_listen(loop, &options);
    iocp_stats_t before = contract_stats(loop);
    assert_int_equal(iocp_pipe_listen(loop, server.name, &options, &again), IOCP_EADDRINUSE);
    assert_true(again.id == 0);
    assert_true(contract_stats(loop).handles == before.handles);
    iocp_handle_t client = connect_to(loop, &server, 0); /* which it does not mind */
    contract_file_close(loop, client);
    contract_file_close(loop, server.listener);
    assert_int_equal(iocp_pipe_listen(loop, server.name, &options, &again), IOCP_OK);
}

static void what_is_no_name_is_refused(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record never = {0};
    iocp_handle_t listener = {0};
    static char too_long[1024] = "\\\\.\\pipe\\";
    static const char *const names[] = {
        "",
        "name",
        "\\\\.\\pipe\\",
        "\\\\.\\pipe",
        "\\\\.\\pip\\name",
        "\\\\.\\",
        "\\\\\\pipe\\x",
        "C:\\pipe\\name",
        "//./pipe/name",
        "\\.\\pipe\\name",
        "\\\\.\\C:\\",
        too_long,
    };
    memset(too_long + 9, 'n', sizeof too_long - 10);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(iocp_pipe_listen(loop, names[i], NULL, &listener), IOCP_EINVAL);
        assert_int_equal(iocp_pipe_connect(loop, names[i], 0, contract_keep, &never, NULL),
                         IOCP_EINVAL);
    }
    assert_int_equal(iocp_pipe_listen(loop, "\\\\machine\\pipe\\name", NULL, &listener),
                     IOCP_EINVAL);
    assert_int_equal(iocp_pipe_listen(loop, NULL, NULL, &listener), IOCP_EINVAL);
    assert_int_equal(iocp_pipe_connect(loop, NULL, 0, contract_keep, &never, NULL), IOCP_EINVAL);
    assert_true(listener.id == 0);
    run_until_done(loop);
    assert_int_equal(never.calls, 0);
}

static void options_that_say_nothing_are_refused(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record never = {0};
    iocp_handle_t listener = {0};
    char name[128];
    static const iocp_pipe_options_t wrong[] = {
        {.size = 0},
        {.size = 4097},
        {.size = sizeof *wrong - 1},
        {.size = sizeof *wrong, .flags = IOCP_PIPE_CHILDREN},
        {.size = sizeof *wrong, .flags = 64},
        {.size = sizeof *wrong, .instances = 255},
    };
    contract_pipe_name(name, sizeof name);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(iocp_pipe_listen(loop, name, &wrong[i], &listener), IOCP_EINVAL);
    }
    static const uint32_t flags[] = {IOCP_PIPE_REMOTE, IOCP_PIPE_SHARED, IOCP_PIPE_CHILDREN, 64};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        assert_int_equal(iocp_pipe_connect(loop, name, flags[i], contract_keep, &never, NULL),
                         IOCP_EINVAL);
    }
    assert_int_equal(iocp_pipe_listen(loop, name, NULL, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_pipe_connect(loop, name, 0, NULL, NULL, NULL), IOCP_EINVAL);
    assert_true(listener.id == 0);
    assert_int_equal(never.calls, 0);
    /* An older program's, which ends before the last member. */
    iocp_pipe_options_t shorter = {.size = offsetof(iocp_pipe_options_t, security)};
    assert_int_equal(iocp_pipe_listen(loop, name, &shorter, &listener), IOCP_OK);
}

static void a_listener_takes_nothing_but_accepts(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record never = {0};
    char data[1] = {0};
    uint32_t id = 0;
    iocp_handle_t listener = contract_pipe_listen(loop, NULL).listener;
    assert_int_equal(iocp_read(loop, listener, data, 1, contract_keep, &never, NULL), IOCP_ENOTSUP);
    assert_int_equal(iocp_write(loop, listener, data, 1, contract_keep, &never, NULL),
                     IOCP_ENOTSUP);
    assert_int_equal(iocp_drain(loop, listener, 0, contract_keep, &never, NULL), IOCP_ENOTSUP);
    assert_int_equal(iocp_socket_listen(loop, listener, 0), IOCP_ENOTSUP);
    assert_int_equal(iocp_pipe_peer(loop, listener, &id), IOCP_ENOTSUP);
    assert_int_equal(iocp_accept(loop, listener, NULL, NULL, NULL), IOCP_EINVAL);
    assert_int_equal(never.calls, 0);
}

/* ---- Who is there ---- */

static void both_ends_know_the_process_at_the_other(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_server server = contract_pipe_listen(loop, NULL);
    iocp_handle_t ends[3];
    iocp_handle_t theirs = {0};
    ends[0] = connect_to(loop, &server, 0);
    ends[1] = accept_from(loop, &server);
    assert_int_equal(iocp_pipe_pair(loop, 0, &ends[2], &theirs), IOCP_OK);
    uint32_t ids[3] = {0};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(iocp_pipe_peer(loop, ends[i], &ids[i]), IOCP_OK);
        assert_true(ids[i] != 0);
        assert_int_equal(ids[i], ids[0]); /* ourselves */
    }
    assert_int_equal(iocp_pipe_peer(loop, theirs, &ids[0]), IOCP_ENOTSUP);
    assert_int_equal(iocp_pipe_peer(loop, ends[0], NULL), IOCP_EINVAL);
    contract_file_close(loop, ends[0]);
    assert_int_equal(iocp_pipe_peer(loop, ends[0], &ids[0]), IOCP_EBADF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_FILE_TEST(a_client_is_accepted_and_bytes_go_both_ways),
        CONTRACT_FILE_TEST(a_client_can_connect_before_anybody_accepts),
        CONTRACT_FILE_TEST(each_accept_that_waits_takes_a_client_at_once),
        CONTRACT_FILE_TEST(an_accept_that_rearms_takes_one_client_after_the_other),
        CONTRACT_FILE_TEST(the_next_instance_waits_before_the_callback_of_the_last_accept),
        CONTRACT_FILE_TEST(a_client_that_wrote_and_left_is_read_and_then_ends),
        CONTRACT_FILE_TEST(what_was_written_before_a_close_is_still_read),
        CONTRACT_FILE_TEST(a_client_waits_while_all_instances_are_busy),
        CONTRACT_FILE_TEST(a_client_that_waits_can_be_cancelled_and_has_a_deadline),
        CONTRACT_FILE_TEST(a_client_that_waits_learns_that_nobody_serves_any_more),
        CONTRACT_FILE_TEST(a_cancel_that_comes_after_the_client_leaves_the_accept_a_success),
        CONTRACT_FILE_TEST(a_client_that_comes_after_a_cancel_is_the_next_accepts),
        CONTRACT_FILE_TEST(closing_a_listener_ends_its_accepts_and_leaves_its_connections),
        CONTRACT_FILE_TEST(destroy_ends_accepts_and_connects),
        CONTRACT_FILE_TEST(with_all_instances_connected_an_accept_is_told_so_once_and_waits),
        CONTRACT_FILE_TEST(a_client_does_what_the_server_lets_it),
        CONTRACT_FILE_TEST(messages_are_refused_by_a_pipe_of_bytes),
        CONTRACT_FILE_TEST(messages_go_both_ways_and_end_where_they_were_written),
        CONTRACT_FILE_TEST(an_empty_message_is_read_as_one_and_is_not_the_end),
        CONTRACT_FILE_TEST(an_empty_message_ends_the_read_that_waits_for_it),
        CONTRACT_FILE_TEST(a_client_that_asks_for_bytes_reads_messages_as_bytes),
        CONTRACT_FILE_TEST(a_message_of_more_than_the_pipe_holds_waits_and_is_read_whole),
        CONTRACT_FILE_TEST(a_cancelled_read_leaves_the_message_whole),
        CONTRACT_FILE_TEST(messages_that_were_written_before_a_close_are_still_read),
        CONTRACT_FILE_TEST(a_name_that_nobody_serves_is_not_found),
        CONTRACT_FILE_TEST(a_name_that_is_served_is_in_use_until_the_listener_is_closed),
        CONTRACT_FILE_TEST(what_is_no_name_is_refused),
        CONTRACT_FILE_TEST(options_that_say_nothing_are_refused),
        CONTRACT_FILE_TEST(a_listener_takes_nothing_but_accepts),
        CONTRACT_FILE_TEST(both_ends_know_the_process_at_the_other),
    };
    return CONTRACT_RUN(tests);
}
