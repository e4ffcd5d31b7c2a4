/*
 * Every operation through the same tests: how it can end, and what is refused. The table below is the
 * list of operations; what is special about one of them is tested where it belongs.
 */
#include "contract_env.h"
#include "contract_call.h"
#include "contract_console.h"
#include "contract_datagram.h"
#include "contract_file.h"
#include "contract_object.h"
#include "base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STAGE_BUFFER 65536

/* What an operation needs around it. */
typedef struct stage {
    iocp_loop_t *loop;
    iocp_handle_t handle; /* what it runs on */
    iocp_handle_t other;  /* the other end of that */
    iocp_handle_t file;
    contract_pair pair;
    contract_pipe pipe;
    contract_server server;
    uintptr_t native_socket;
    void *natives[2]; /* the ends of a pipe that is the standard streams */
    contract_address address;
    void *object;
    contract_process process;
    contract_spawn spawn;
    bool has_spawn;
    bool is_process_told_to_end;
    iocp_async_t *async;
    iocp_buffers_t *buffers;
    void *lent[2];
    iocp_op_t timer;
    unsigned char *block;
    unsigned char buffer[STAGE_BUFFER];
    contract_record blockers[3]; /* sends that fill the way out */
    contract_console events[2];  /* of the console, of which so many came */
    int event_count;
} stage;

typedef struct operation {
    const char *name;
    void (*open)(stage *s);
    int (*start)(stage *s, iocp_loop_t *loop, iocp_handle_t handle, iocp_callback_t callback,
                 void *userdata, iocp_op_t *op);
    void (*finish)(stage *s, const contract_record *record); /* NULL: it never waits for anything */
    bool has_handle;
    bool is_once;     /* the second time it would fail */
    const char *kind; /* the name of its kind, NULL: the same */
} operation;

/* More than a narrow connection takes that nobody reads from, or a pipe. */
static size_t stage__block_bytes(void)
{
    return contract_clock_is_virtual() ? (size_t)1 << 18 : (size_t)1 << 20;
}

static const operation *operation_now;
static stage stage_now;

/* ---- Without a handle ---- */

static void open_nothing(stage *s)
{
    (void)s;
}

static int start_nop(stage *s, iocp_loop_t *loop, iocp_handle_t handle, iocp_callback_t callback,
                     void *userdata, iocp_op_t *op)
{
    (void)s;
    (void)handle;
    return iocp_nop(loop, callback, userdata, op);
}

static int start_timer(stage *s, iocp_loop_t *loop, iocp_handle_t handle, iocp_callback_t callback,
                       void *userdata, iocp_op_t *op)
{
    (void)handle;
    int status = iocp_timer(loop, 1000 * S, callback, userdata, op);
    s->timer = status == IOCP_OK && op != NULL ? *op : (iocp_op_t){0};
    return status;
}

static void finish_timer(stage *s, const contract_record *record)
{
    int calls = record->calls + 1;
    if (record->calls == 0) { /* rearmed it keeps this delay */
        assert_int_equal(iocp_timer_reset(s->loop, s->timer, MS), IOCP_OK);
    }
    contract_wait(s->loop, record, calls);
}

static void open_async(stage *s)
{
    assert_int_equal(iocp_async_create(s->loop, &s->async), IOCP_OK);
}

static int start_async_wait(stage *s, iocp_loop_t *loop, iocp_handle_t handle,
                            iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    (void)handle;
    return iocp_async_wait(loop, s->async, callback, userdata, op);
}

static void finish_async_wait(stage *s, const contract_record *record)
{
    int calls = record->calls + 1;
    assert_int_equal(iocp_async_notify(s->async), IOCP_OK);
    contract_wait(s->loop, record, calls);
}

static void open_event(stage *s)
{
    s->object = contract_event_create(false, false);
}

static int start_wait(stage *s, iocp_loop_t *loop, iocp_handle_t handle, iocp_callback_t callback,
                      void *userdata, iocp_op_t *op)
{
    (void)handle;
    return iocp_wait(loop, s->object, callback, userdata, op);
}

static void finish_wait(stage *s, const contract_record *record)
{
    int calls = record->calls + 1;
    contract_event_set(s->object);
    contract_wait(s->loop, record, calls);
}

static void open_process(stage *s)
{
    s->process = contract_process_start(NULL);
    s->handle = contract_process_adopt(s->loop, &s->process);
}

static void process__order_end(stage *s, uint32_t exit_code)
{
    if (!s->is_process_told_to_end) {
        s->is_process_told_to_end = true;
        contract_process_order_end(&s->process, exit_code);
    }
}

static int start_process_wait(stage *s, iocp_loop_t *loop, iocp_handle_t handle,
                              iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    (void)s;
    return iocp_process_wait(loop, handle, callback, userdata, op);
}

static void finish_process_wait(stage *s, const contract_record *record)
{
    int calls = record->calls + 1;
    process__order_end(s, 7); /* and it stays ended */
    contract_wait(s->loop, record, calls);
    assert_int_equal(record->result.value, record->status == IOCP_OK ? 7 : 0);
}

/* With a grace that does not pass. */
static int start_process_stop(stage *s, iocp_loop_t *loop, iocp_handle_t handle,
                              iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    (void)s;
    return iocp_process_stop(loop, handle, 1000 * S, callback, userdata, op);
}

static void open_job(stage *s)
{
    s->object = contract_job_create();
}

static int start_job_watch(stage *s, iocp_loop_t *loop, iocp_handle_t handle,
                           iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    (void)handle;
    return iocp_job_watch(loop, s->object, callback, userdata, op);
}

/* The first message of the two that a process sends when it begins and ends, then the other. */
static void finish_job_watch(stage *s, const contract_record *record)
{
    int calls = record->calls + 1;
    assert_int_equal(iocp_loop_submit(s->loop), IOCP_OK); /* it hears what comes from here on */
    if (calls == 1) {
        s->process = contract_process_start(s->object);
    } else {
        process__order_end(s, 0);
    }
    contract_wait(s->loop, record, calls);
}

static uint64_t IOCP_CALL work__answer(void *arg)
{
    return *(uint64_t *)arg;
}

static int start_work(stage *s, iocp_loop_t *loop, iocp_handle_t handle, iocp_callback_t callback,
                      void *userdata, iocp_op_t *op)
{
    static uint64_t answer = 42;
    (void)s;
    (void)handle;
    return iocp_work(loop, work__answer, &answer, callback, userdata, op);
}

static int start_console_watch(stage *s, iocp_loop_t *loop, iocp_handle_t handle,
                               iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    (void)s;
    (void)handle;
    return iocp_console_watch(loop, callback, userdata, op);
}

static void finish_console_watch(stage *s, const contract_record *record)
{
    int calls = record->calls + 1;
    assert_int_equal(iocp_loop_submit(s->loop), IOCP_OK); /* it hears what comes from here on */
    assert_in_range(s->event_count, 0, (int)IOC_COUNT_OF(s->events) - 1);
    contract_console_raise(&s->events[s->event_count++], IOCP_CONSOLE_BREAK);
    contract_wait(s->loop, record, calls);
    assert_int_equal(record->result.event, record->status == IOCP_OK ? IOCP_CONSOLE_BREAK : 0);
}

static void open_spawn(stage *s)
{
    contract_spawn_open(&s->spawn);
    s->has_spawn = true;
}

static int start_spawn(stage *s, iocp_loop_t *loop, iocp_handle_t handle, iocp_callback_t callback,
                       void *userdata, iocp_op_t *op)
{
    (void)handle;
    return iocp_spawn(loop, &s->spawn.options, callback, userdata, op);
}

static int start_resolve(stage *s, iocp_loop_t *loop, iocp_handle_t handle,
                         iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    (void)s;
    (void)handle;
    return iocp_resolve(loop, "localhost", "80", NULL, callback, userdata, op);
}

/* ---- Stream sockets ---- */

static void open_pair(stage *s)
{
    s->pair = contract_connect(s->loop, AF_INET);
    s->handle = s->pair.server;
    s->other = s->pair.client;
}

static void open_listener(stage *s)
{
    s->handle = contract_listen(s->loop, AF_INET, &s->address);
}

static int start_accept(stage *s, iocp_loop_t *loop, iocp_handle_t handle, iocp_callback_t callback,
                        void *userdata, iocp_op_t *op)
{
    (void)s;
    return iocp_accept(loop, handle, callback, userdata, op);
}

static void finish_accept(stage *s, const contract_record *record)
{
    int calls = record->calls + 1;
    contract_record connected = {0};
    iocp_handle_t client = contract_open(s->loop, s->address.storage.ss_family);
    assert_int_equal(iocp_connect(s->loop, client, contract_sockaddr(&s->address),
                                  s->address.length, contract_keep, &connected, NULL),
                     IOCP_OK);
    contract_wait(s->loop, record, calls);
    contract_wait(s->loop, &connected, 1);
}

static void open_unix_listener(stage *s)
{
    s->handle = contract_unix_listen(s->loop, "socket", &s->address);
}

static void open_unix_client(stage *s)
{
    (void)contract_unix_listen(s->loop, "socket", &s->address);
    s->handle = contract_open(s->loop, AF_UNIX);
}

static void open_client(stage *s)
{
    (void)contract_listen(s->loop, AF_INET, &s->address);
    s->handle = contract_open(s->loop, AF_INET);
}

static int start_connect(stage *s, iocp_loop_t *loop, iocp_handle_t handle,
                         iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    return iocp_connect(loop, handle, contract_sockaddr(&s->address), s->address.length, callback,
                        userdata, op);
}

static int start_recv(stage *s, iocp_loop_t *loop, iocp_handle_t handle, iocp_callback_t callback,
                      void *userdata, iocp_op_t *op)
{
    return iocp_recv(loop, handle, s->buffer, sizeof s->buffer, callback, userdata, op);
}

static void finish_recv(stage *s, const contract_record *record)
{
    int calls = record->calls + 1;
    contract_send_all(s->loop, s->pair.client, "x", 1);
    contract_wait(s->loop, record, calls);
}

static void open_buffers(stage *s)
{
    assert_int_equal(iocp_buffers_create(s->loop, 2, 16, &s->buffers), IOCP_OK);
}

static void open_lent(stage *s)
{
    open_pair(s);
    open_buffers(s);
}

static int start_recv_lent(stage *s, iocp_loop_t *loop, iocp_handle_t handle,
                           iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    return iocp_recv_lent(loop, handle, s->buffers, callback, userdata, op);
}

static void give_back(stage *s, const contract_record *record)
{
    bool is_lent = record->status == IOCP_OK;
    assert_int_equal(record->result.data != NULL, is_lent);
    assert_int_equal(iocp_buffers_return(s->buffers, record->result.data),
                     is_lent ? IOCP_OK : IOCP_EINVAL);
}

static void finish_recv_lent(stage *s, const contract_record *record)
{
    finish_recv(s, record);
    give_back(s, record);
}

/* One that waits for a buffer: there is data, and no buffer is free. */
static void open_lent_out(stage *s)
{
    contract_record records[2] = {{0}};
    open_lent(s);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(start_recv_lent(s, s->loop, s->handle, contract_keep, &records[i], NULL),
                         IOCP_OK);
        contract_send_all(s->loop, s->pair.client, "x", 1);
        contract_wait(s->loop, &records[i], 1);
        s->lent[i] = records[i].result.data;
    }
    contract_send_all(s->loop, s->pair.client, "x", 1);
}

static void finish_lent_out(stage *s, const contract_record *record)
{
    int calls = record->calls + 1;
    assert_int_equal(iocp_buffers_return(s->buffers, s->lent[record->calls]), IOCP_OK);
    if (calls == 2) {
        contract_send_all(s->loop, s->pair.client, "x", 1);
    }
    contract_wait(s->loop, record, calls);
}

static int start_send(stage *s, iocp_loop_t *loop, iocp_handle_t handle, iocp_callback_t callback,
                      void *userdata, iocp_op_t *op)
{
    return iocp_send(loop, handle, s->block, sizeof s->buffer, callback, userdata, op);
}

/* With little room, so that it is full soon. */
static void open_narrow_pair(stage *s)
{
    open_pair(s);
    assert_int_equal(iocp_socket_set_option(s->loop, s->handle, IOCP_SOCKET_SEND_BUFFER, 65536),
                     IOCP_OK);
    assert_int_equal(iocp_socket_set_option(s->loop, s->other, IOCP_SOCKET_RECV_BUFFER, 65536),
                     IOCP_OK);
}

/*
 * A connection that nobody reads from, and sends on it of which the last is stuck at least: Winsock
 * takes any send while at most one is buffered.
 */
static void open_blocked(stage *s)
{
    open_narrow_pair(s);
    s->block = calloc(1, stage__block_bytes());
    assert_non_null(s->block);
    for (size_t i = 0; i < IOC_COUNT_OF(s->blockers); i++) {
        size_t size = i == 0 ? stage__block_bytes() : 1;
        assert_int_equal(
            iocp_send(s->loop, s->handle, s->block, size, contract_keep, &s->blockers[i], NULL),
            IOCP_OK);
    }
}

/* Read until the operation has called back. */
static void finish_stalled(stage *s, const contract_record *record)
{
    int calls = record->calls + 1;
    contract_record received = {.rearms = INT32_MAX};
    iocp_op_t op = {0};
    assert_int_equal(
        iocp_read(s->loop, s->other, s->buffer, sizeof s->buffer, contract_keep, &received, &op),
        IOCP_OK);
    contract_wait(s->loop, record, calls);
    received.rearms = 0;
    assert_int_equal(iocp_cancel(s->loop, op, NULL, NULL, NULL), IOCP_OK);
    while (iocp_op_state(s->loop, op) != IOCP_OP_DEAD) {
        assert_int_equal(iocp_loop_run(s->loop, IOCP_RUN_ONCE), IOCP_OK);
    }
}

/* Full before it starts: Wine's server forgets a cancel of a send that is just getting on. */
static void open_sendfile(stage *s)
{
    static const char data[4096];
    open_narrow_pair(s);
    contract_fill(s->loop, s->handle);
    s->file = contract_file_with(s->loop, "file", data, sizeof data);
}

static int start_sendfile(stage *s, iocp_loop_t *loop, iocp_handle_t handle,
                          iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    iocp_buf_t head = {.length = 1, .base = s->buffer};
    return iocp_sendfile(loop, handle, s->file, 0, UINT64_MAX, &head, NULL, callback, userdata, op);
}

static int start_shutdown(stage *s, iocp_loop_t *loop, iocp_handle_t handle,
                          iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    (void)s;
    return iocp_shutdown(loop, handle, IOCP_SHUTDOWN_SEND, callback, userdata, op);
}

static int start_drain(stage *s, iocp_loop_t *loop, iocp_handle_t handle, iocp_callback_t callback,
                       void *userdata, iocp_op_t *op)
{
    (void)s;
    return iocp_drain(loop, handle, 0, callback, userdata, op);
}

/* A poll of a socket that is not bound to any port, of which the loop does not know that it waits. */
static void open_polled(stage *s)
{
    s->pair = contract_connect(s->loop, AF_INET);
    s->native_socket = contract_native_socket(s->loop, s->pair.server);
}

static int start_poll(stage *s, iocp_loop_t *loop, iocp_handle_t handle, iocp_callback_t callback,
                      void *userdata, iocp_op_t *op)
{
    (void)handle;
    return iocp_poll(loop, s->native_socket, IOCP_POLL_READ, callback, userdata, op);
}

static void finish_poll(stage *s, const contract_record *record)
{
    int calls = record->calls + 1;
    contract_send_all(s->loop, s->pair.client, "x", 1);
    contract_wait(s->loop, record, calls);
    assert_int_equal(record->result.event, record->status == IOCP_OK ? IOCP_POLL_READ : 0);
}

/* ---- Datagrams ---- */

static void open_datagram(stage *s)
{
    s->handle = contract_datagram_bind(s->loop, AF_INET, &s->address);
}

static int start_sendto(stage *s, iocp_loop_t *loop, iocp_handle_t handle, iocp_callback_t callback,
                        void *userdata, iocp_op_t *op)
{
    return iocp_sendto(loop, handle, "x", 1, contract_sockaddr(&s->address), s->address.length,
                       callback, userdata, op);
}

static int start_recvfrom(stage *s, iocp_loop_t *loop, iocp_handle_t handle,
                          iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    return iocp_recvfrom(loop, handle, s->buffer, sizeof s->buffer, callback, userdata, op);
}

static void finish_recvfrom(stage *s, const contract_record *record)
{
    int calls = record->calls + 1;
    contract_datagram_send(s->loop, s->handle, &s->address, "x", 1);
    contract_wait(s->loop, record, calls);
}

static void open_datagram_lent(stage *s)
{
    open_datagram(s);
    open_buffers(s);
}

static void finish_datagram_lent(stage *s, const contract_record *record)
{
    finish_recvfrom(s, record);
    give_back(s, record);
}

/* With its sender's own address in it. */
static int start_sendmsg(stage *s, iocp_loop_t *loop, iocp_handle_t handle,
                         iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    static char text[2] = "xy";
    iocp_buf_t buffers[2] = {{.length = 1, .base = text}, {.length = 1, .base = text + 1}};
    iocp_message_t message = {.size = sizeof message,
                              .peer = contract_sockaddr(&s->address),
                              .peer_length = s->address.length,
                              .local = contract_sockaddr(&s->address),
                              .local_length = s->address.length};
    return iocp_sendmsg(loop, handle, buffers, 2, &message, callback, userdata, op);
}

static int start_recvmsg(stage *s, iocp_loop_t *loop, iocp_handle_t handle,
                         iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    iocp_buf_t buffers[2] = {{.length = 1, .base = s->buffer},
                             {.length = sizeof s->buffer - 1, .base = s->buffer + 1}};
    return iocp_recvmsg(loop, handle, buffers, 2, callback, userdata, op);
}

/* ---- Files and pipes ---- */

static void open_pipe(stage *s)
{
    s->pipe = contract_pipe_open(s->loop);
    s->handle = s->pipe.ends[0];
    s->other = s->pipe.ends[1];
    s->block = calloc(1, stage__block_bytes());
    assert_non_null(s->block);
}

static int start_read(stage *s, iocp_loop_t *loop, iocp_handle_t handle, iocp_callback_t callback,
                      void *userdata, iocp_op_t *op)
{
    return iocp_read(loop, handle, s->buffer, 1, callback, userdata, op);
}

static void finish_read(stage *s, const contract_record *record)
{
    int calls = record->calls + 1;
    contract_record written = {0};
    assert_int_equal(iocp_write(s->loop, s->pipe.ends[1], "x", 1, contract_keep, &written, NULL),
                     IOCP_OK);
    contract_wait(s->loop, record, calls);
    contract_wait(s->loop, &written, 1);
}

static uint32_t IOCP_CALL overlapped__receive(void *native, void *overlapped, void *arg)
{
    stage *s = arg;
    return contract_call_receive(native, overlapped, s->buffer, 1);
}

static int start_overlapped(stage *s, iocp_loop_t *loop, iocp_handle_t handle,
                            iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    return iocp_overlapped(loop, handle, overlapped__receive, s, callback, userdata, op);
}

static void open_pipe_lent(stage *s)
{
    open_pipe(s);
    open_buffers(s);
}

static void finish_pipe_lent(stage *s, const contract_record *record)
{
    finish_read(s, record);
    give_back(s, record);
}

static int start_write(stage *s, iocp_loop_t *loop, iocp_handle_t handle, iocp_callback_t callback,
                       void *userdata, iocp_op_t *op)
{
    return iocp_write(loop, handle, s->block, 4 * CONTRACT_PIPE_BYTES, callback, userdata, op);
}

static void open_pipe_listener(stage *s)
{
    s->server = contract_pipe_listen(s->loop, NULL);
    s->handle = s->server.listener;
}

static int start_pipe_connect(stage *s, iocp_loop_t *loop, iocp_handle_t handle,
                              iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    (void)handle;
    return iocp_pipe_connect(loop, s->server.name, 0, callback, userdata, op);
}

static void finish_pipe_accept(stage *s, const contract_record *record)
{
    int calls = record->calls + 1;
    contract_record connected = {0};
    assert_int_equal(iocp_pipe_connect(s->loop, s->server.name, 0, contract_keep, &connected, NULL),
                     IOCP_OK);
    contract_wait(s->loop, record, calls);
    contract_wait(s->loop, &connected, 1);
    assert_int_equal(connected.status, IOCP_OK);
}

/* The one instance that waits has a client already. */
static void open_busy_pipe(stage *s)
{
    contract_record connected = {0};
    s->server = contract_pipe_listen(s->loop, NULL);
    assert_int_equal(iocp_pipe_connect(s->loop, s->server.name, 0, contract_keep, &connected, NULL),
                     IOCP_OK);
    contract_wait(s->loop, &connected, 1);
    assert_int_equal(connected.status, IOCP_OK);
}

/* Its client is accepted, and the next instance is there. */
static void finish_pipe_connect(stage *s, const contract_record *record)
{
    int calls = record->calls + 1;
    contract_record accepted = {0};
    assert_int_equal(iocp_accept(s->loop, s->server.listener, contract_keep, &accepted, NULL),
                     IOCP_OK);
    contract_wait(s->loop, &accepted, 1);
    contract_wait(s->loop, record, calls);
}

static void open_file(stage *s)
{
    s->handle = contract_file_with(s->loop, "file", "some text", 9);
}

static int start_pread(stage *s, iocp_loop_t *loop, iocp_handle_t handle, iocp_callback_t callback,
                       void *userdata, iocp_op_t *op)
{
    return iocp_pread(loop, handle, s->buffer, sizeof s->buffer, 5, callback, userdata, op);
}

static int start_pwrite(stage *s, iocp_loop_t *loop, iocp_handle_t handle, iocp_callback_t callback,
                        void *userdata, iocp_op_t *op)
{
    return iocp_pwrite(loop, handle, s->buffer, sizeof s->buffer, 5, callback, userdata, op);
}

static int start_flush(stage *s, iocp_loop_t *loop, iocp_handle_t handle, iocp_callback_t callback,
                       void *userdata, iocp_op_t *op)
{
    (void)s;
    return iocp_file_flush(loop, handle, callback, userdata, op);
}

/* ---- Paths ---- */

static void open_path(stage *s)
{
    contract_file_close(s->loop, contract_file_with(s->loop, "file", "some text", 9));
}

static int start_open(stage *s, iocp_loop_t *loop, iocp_handle_t handle, iocp_callback_t callback,
                      void *userdata, iocp_op_t *op)
{
    (void)s;
    (void)handle;
    return iocp_open(loop, contract_path_of("file").text, IOCP_FILE_READ, callback, userdata, op);
}

static int start_stat(stage *s, iocp_loop_t *loop, iocp_handle_t handle, iocp_callback_t callback,
                      void *userdata, iocp_op_t *op)
{
    (void)s;
    (void)handle;
    return iocp_stat(loop, contract_path_of("file").text, 0, callback, userdata, op);
}

static int start_copy(stage *s, iocp_loop_t *loop, iocp_handle_t handle, iocp_callback_t callback,
                      void *userdata, iocp_op_t *op)
{
    (void)s;
    (void)handle;
    return iocp_copy(loop, contract_path_of("file").text, contract_path_of("copy").text,
                     IOCP_REPLACE, callback, userdata, op);
}

static int start_rename(stage *s, iocp_loop_t *loop, iocp_handle_t handle, iocp_callback_t callback,
                        void *userdata, iocp_op_t *op)
{
    (void)s;
    (void)handle;
    return iocp_rename(loop, contract_path_of("file").text, contract_path_of("new").text, 0,
                       callback, userdata, op);
}

static int start_remove(stage *s, iocp_loop_t *loop, iocp_handle_t handle, iocp_callback_t callback,
                        void *userdata, iocp_op_t *op)
{
    (void)s;
    (void)handle;
    return iocp_remove(loop, contract_path_of("file").text, 0, callback, userdata, op);
}

static int start_folder_create(stage *s, iocp_loop_t *loop, iocp_handle_t handle,
                               iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    (void)s;
    (void)handle;
    return iocp_folder_create(loop, contract_path_of("a/b").text, IOCP_FOLDER_PARENTS, callback,
                              userdata, op);
}

/* ---- Standard streams ---- */

static void open_stdio(stage *s)
{
    contract_native_pipe(s->natives, 0);
    contract_stdio_use(IOCP_STDIN, s->natives[0]);
    contract_stdio_use(IOCP_STDOUT, s->natives[1]);
    s->block = calloc(1, stage__block_bytes());
    assert_non_null(s->block);
}

static void open_stdin(stage *s)
{
    open_stdio(s);
    s->handle = contract_stdio_open(s->loop, IOCP_STDIN);
    s->pipe.ends[1] = contract_stdio_open(s->loop, IOCP_STDOUT);
}

static void open_stdout(stage *s)
{
    open_stdio(s);
    s->handle = contract_stdio_open(s->loop, IOCP_STDOUT);
    s->other = contract_stdio_open(s->loop, IOCP_STDIN);
}

/* ---- Folders ---- */

static void open_folder(stage *s)
{
    contract_folder_create("folder");
    s->handle = contract_file_open(s->loop, "folder", IOCP_FILE_READ | IOCP_FILE_FOLDER);
}

static int start_folder_watch(stage *s, iocp_loop_t *loop, iocp_handle_t handle,
                              iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    (void)s;
    return iocp_folder_watch(loop, handle, IOCP_WATCH_NAMES, callback, userdata, op);
}

/* Of a folder nothing but its name changes. */
static void finish_folder_watch(stage *s, const contract_record *record)
{
    static unsigned number;
    char name[32];
    int calls = record->calls + 1;
    (void)snprintf(name, sizeof name, "folder/%u", ++number);
    assert_int_equal(iocp_loop_submit(s->loop), IOCP_OK); /* it is told what comes from here on */
    contract_folder_create(name);
    contract_wait(s->loop, record, calls);
}

static int start_folder_list(stage *s, iocp_loop_t *loop, iocp_handle_t handle,
                             iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    (void)s;
    return iocp_folder_list(loop, handle, callback, userdata, op);
}

/* With names for two portions, in the simulation. */
static void open_full_folder(stage *s)
{
    open_folder(s);
    for (int i = 0; i < 8; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "folder/%d", i);
        contract_folder_create(name);
    }
}

static const operation operations[] = {
    {"nop", open_nothing, start_nop, NULL, false, false},
    {"timer", open_nothing, start_timer, finish_timer, false, false},
    {"async_wait", open_async, start_async_wait, finish_async_wait, false, false},
    {"wait", open_event, start_wait, finish_wait, false, false},
    {"process_wait", open_process, start_process_wait, finish_process_wait, true, false},
    {"process_stop", open_process, start_process_stop, finish_process_wait, true, false},
    {"job_watch", open_job, start_job_watch, finish_job_watch, false, false},
    {"work", open_nothing, start_work, NULL, false, false},
    {"console_watch", open_nothing, start_console_watch, finish_console_watch, false, false},
    {"spawn", open_spawn, start_spawn, NULL, false, false},
    {"resolve", open_nothing, start_resolve, NULL, false, false},
    {"accept", open_listener, start_accept, finish_accept, true, false},
    {"connect", open_client, start_connect, NULL, true, true},
    {"unix_accept", open_unix_listener, start_accept, finish_accept, true, false, "accept"},
    {"unix_connect", open_unix_client, start_connect, NULL, true, true, "connect"},
    {"recv", open_pair, start_recv, finish_recv, true, false},
    {"recv_lent", open_lent, start_recv_lent, finish_recv_lent, true, false},
    {"recv_lent_out", open_lent_out, start_recv_lent, finish_lent_out, true, false, "recv_lent"},
    {"recv_lent_datagram", open_datagram_lent, start_recv_lent, finish_datagram_lent, true, false,
     "recv_lent"},
    {"recv_lent_pipe", open_pipe_lent, start_recv_lent, finish_pipe_lent, true, false, "recv_lent"},
    {"send", open_blocked, start_send, finish_stalled, true, false},
    {"sendfile", open_sendfile, start_sendfile, finish_stalled, true, false},
    {"shutdown", open_blocked, start_shutdown, finish_stalled, true, true},
    {"drain", open_blocked, start_drain, finish_stalled, true, false},
    {"poll", open_polled, start_poll, finish_poll, false, false},
    {"sendto", open_datagram, start_sendto, NULL, true, false},
    {"recvfrom", open_datagram, start_recvfrom, finish_recvfrom, true, false},
    {"sendmsg", open_datagram, start_sendmsg, NULL, true, false},
    {"recvmsg", open_datagram, start_recvmsg, finish_recvfrom, true, false},
    {"read", open_pipe, start_read, finish_read, true, false},
    {"write", open_pipe, start_write, finish_stalled, true, false},
    {"pipe_accept", open_pipe_listener, start_accept, finish_pipe_accept, true, false, "accept"},
    {"pipe_connect", open_busy_pipe, start_pipe_connect, finish_pipe_connect, false, false},
    {"pread", open_file, start_pread, NULL, true, false},
    {"pwrite", open_file, start_pwrite, NULL, true, false},
    {"flush", open_file, start_flush, NULL, true, false},
    {"overlapped", open_pipe, start_overlapped, finish_read, true, false},
    {"open", open_path, start_open, NULL, false, false},
    {"stat", open_path, start_stat, NULL, false, false},
    {"copy", open_path, start_copy, NULL, false, false},
    {"rename", open_path, start_rename, NULL, false, true},
    {"remove", open_path, start_remove, NULL, false, true},
    {"folder_create", open_nothing, start_folder_create, NULL, false, false},
    {"folder_watch", open_folder, start_folder_watch, finish_folder_watch, true, false},
    {"folder_list", open_full_folder, start_folder_list, NULL, true, true},
    {"stdio_read", open_stdin, start_read, finish_read, true, false, "read"},
    {"stdio_write", open_stdout, start_write, finish_stalled, true, false, "write"},
};

/* ---- Before and after each test ---- */

static int operation__setup(void **state)
{
    operation_now = *state;
    int result = contract_file_setup(state);
    memset(&stage_now, 0, sizeof stage_now);
    if (result == 0) {
        stage_now.loop = contract_loop(state);
        operation_now->open(&stage_now);
    }
    return result;
}

static void stage__close(stage *s)
{
    for (int i = 0; i < s->event_count; i++) {
        (void)contract_console_end(&s->events[i]);
    }
    if (s->async != NULL) {
        assert_int_equal(iocp_async_destroy(s->async), IOCP_OK);
    }
    if (s->process.handle != NULL) {
        process__order_end(s, 0);
        contract_process_close(&s->process);
    }
    if (s->has_spawn) {
        contract_spawn_close(&s->spawn);
    }
    if (s->object != NULL) {
        contract_object_close(s->object);
    }
    for (int i = 0; i < 2; i++) {
        if (s->natives[i] != NULL) {
            contract_native_close(s->natives[i]);
        }
    }
    free(s->block);
    memset(s, 0, sizeof *s);
}

/* The loop first: what is still pending there uses the rest. An async goes before its loop. */
static int operation__teardown(void **state)
{
    contract_env *env = *state;
    contract_set_over(true);
    if (stage_now.async != NULL) {
        assert_int_equal(iocp_async_destroy(stage_now.async), IOCP_OK);
        stage_now.async = NULL;
    }
    if (env->loop != NULL) {
        contract_loop_destroy(env->loop);
        contract_forget_loop(state);
    }
    stage__close(&stage_now);
    return contract_file_teardown(state);
}

/* ---- Steps ---- */

static iocp_op_t operation__start_with(iocp_callback_t callback, void *userdata)
{
    stage *s = &stage_now;
    iocp_op_t op = {0};
    assert_int_equal(operation_now->start(s, s->loop, s->handle, callback, userdata, &op), IOCP_OK);
    assert_int_equal(iocp_op_state(s->loop, op), IOCP_OP_ADDING);
    return op;
}

static iocp_op_t operation__start(contract_record *record)
{
    iocp_op_t op = operation__start_with(contract_keep, record);
    assert_int_equal(record->calls, 0);
    return op;
}

/* Until it has called back well, by itself or with some help. */
static void operation__finish(const contract_record *record)
{
    if (operation_now->finish != NULL) {
        operation_now->finish(&stage_now, record);
    }
    contract_wait(stage_now.loop, record, 1);
}

/* Started, and waiting for something that does not come. */
static iocp_op_t operation__pend(contract_record *record)
{
    iocp_op_t op = operation__start(record);
    assert_int_equal(iocp_loop_submit(stage_now.loop), IOCP_OK);
    assert_int_equal(iocp_loop_run(stage_now.loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(record->calls, 0);
    assert_int_equal(iocp_op_state(stage_now.loop, op), IOCP_OP_ACTIVE);
    return op;
}

static void operation__cancel(iocp_op_t op, const contract_record *record)
{
    int calls = record->calls + 1;
    contract_record cancel = {0};
    assert_int_equal(iocp_cancel(stage_now.loop, op, contract_keep, &cancel, NULL), IOCP_OK);
    contract_wait(stage_now.loop, record, calls);
    contract_wait(stage_now.loop, &cancel, 1);
    assert_int_equal(cancel.status, IOCP_OK);
    assert_int_equal(record->calls, calls);
    assert_int_equal(record->status, IOCP_ECANCELED);
}

/* ---- The tests ---- */

static void ends_well_and_its_id_is_stale(void **state)
{
    (void)state;
    contract_record record = {0};
    iocp_op_t op = operation__start(&record);
    operation__finish(&record);
    assert_int_equal(record.status, IOCP_OK);
    assert_int_equal(record.result.op.id, op.id);
    assert_int_equal(iocp_op_state(stage_now.loop, op), IOCP_OP_DEAD);
    contract_record cancel = {0};
    assert_int_equal(iocp_cancel(stage_now.loop, op, contract_keep, &cancel, NULL), IOCP_OK);
    contract_wait(stage_now.loop, &cancel, 1);
    assert_int_equal(cancel.status, IOCP_ENOENT);
    assert_int_equal(record.calls, 1);
}

static void ends_well_again_when_rearmed(void **state)
{
    (void)state;
    contract_record record = {.rearms = 1};
    iocp_op_t op = operation__start(&record);
    for (int calls = 1; calls <= 2; calls++) {
        bool is_waiting = operation_now->finish != NULL && record.calls < calls;
        if (is_waiting && !(operation_now->is_once && calls == 2)) {
            operation_now->finish(&stage_now, &record);
        }
        contract_wait(stage_now.loop, &record, calls);
        assert_true(record.status == IOCP_OK || operation_now->is_once);
        assert_int_equal(record.result.op.id, op.id);
    }
    assert_int_equal(record.calls, 2);
    assert_int_equal(iocp_op_state(stage_now.loop, op), IOCP_OP_DEAD);
}

static void cancelled_while_queued_never_starts(void **state)
{
    (void)state;
    contract_record record = {0};
    iocp_op_t op = operation__start(&record);
    operation__cancel(op, &record);
    assert_int_equal(record.result.bytes, 0);
}

/* What the dump tells of one operation. */
typedef struct told {
    iocp_op_t op;
    iocp_dump_entry_t entry;
    int count;
} told;

static void IOCP_CALL told__keep(const iocp_dump_entry_t *entry, void *userdata)
{
    told *t = userdata;
    if (entry->op.id == t->op.id) {
        t->entry = *entry;
        t->count++;
    }
}

static iocp_dump_entry_t operation__dump(iocp_op_t op)
{
    told t = {.op = op};
    assert_int_equal(iocp_loop_dump(stage_now.loop, told__keep, &t), IOCP_OK);
    assert_int_equal(t.count, 1);
    return t.entry;
}

static void is_told_by_its_name_while_queued(void **state)
{
    (void)state;
    contract_record record = {0};
    iocp_op_t op = operation__start(&record);
    iocp_dump_entry_t entry = operation__dump(op);
    assert_string_equal(entry.type_name,
                        operation_now->kind != NULL ? operation_now->kind : operation_now->name);
    assert_int_equal(entry.handle.id, operation_now->has_handle ? stage_now.handle.id : 0);
    assert_int_equal(entry.state, IOCP_OP_ADDING);
    assert_int_equal(entry.in_kernel, 0);
    assert_int_equal(entry.cancelled, 0);
    assert_int_equal(entry.referenced, 1);
    assert_ptr_equal(entry.userdata, &record);
    assert_int_equal(iocp_cancel(stage_now.loop, op, NULL, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_submit(stage_now.loop), IOCP_OK);
    assert_int_equal(operation__dump(op).cancelled, IOCP_ECANCELED);
    contract_wait(stage_now.loop, &record, 1);
    assert_int_equal(record.result.type, entry.type);
}

/* It counts from the call, and rearmed from the callback. */
static void is_as_old_as_its_run(void **state)
{
    (void)state;
    iocp_loop_t *loop = stage_now.loop;
    contract_record record = {.rearms = 1};
    iocp_loop_update_now(loop);
    uint64_t since_ns = iocp_loop_now(loop);
    iocp_op_t op = operation__pend(&record);
    for (int run = 0; run < 2; run++) {
        contract_pass_time(loop, 5 * MS);
        iocp_loop_update_now(loop);
        assert_true(operation__dump(op).age_ns == iocp_loop_now(loop) - since_ns);
        operation__cancel(op, &record);
        since_ns = record.now_ns;
    }
}

static void with_a_deadline_that_has_passed_while_queued_times_out(void **state)
{
    (void)state;
    contract_record record = {0};
    iocp_op_t op = operation__start(&record);
    assert_int_equal(iocp_op_deadline(stage_now.loop, op, 0), IOCP_OK);
    contract_wait(stage_now.loop, &record, 1);
    assert_int_equal(record.status, IOCP_ETIMEDOUT);
}

static void cancelled_while_pending_ends_as_cancelled(void **state)
{
    (void)state;
    contract_record record = {0};
    operation__cancel(operation__pend(&record), &record);
}

static void cancelled_and_rearmed_waits_again(void **state)
{
    (void)state;
    contract_record record = {.rearms = 1};
    iocp_op_t op = operation__pend(&record);
    operation__cancel(op, &record);
    assert_int_equal(iocp_loop_submit(stage_now.loop), IOCP_OK);
    assert_int_equal(iocp_op_state(stage_now.loop, op), IOCP_OP_ACTIVE);
    operation__cancel(op, &record);
    assert_int_equal(record.calls, 2);
}

static void times_out_while_pending(void **state)
{
    (void)state;
    contract_record record = {0};
    iocp_op_t op = operation__start(&record);
    assert_int_equal(iocp_op_deadline(stage_now.loop, op, 2 * MS), IOCP_OK);
    contract_wait(stage_now.loop, &record, 1);
    assert_int_equal(record.calls, 1);
    assert_int_equal(record.status, IOCP_ETIMEDOUT);
}

/* One call is for all runs. */
static void keeps_its_deadline_when_rearmed(void **state)
{
    (void)state;
    contract_record record = {.rearms = 3};
    uint64_t last_ns = 0;
    iocp_op_t op = operation__start(&record);
    assert_int_equal(iocp_op_deadline(stage_now.loop, op, 2 * MS), IOCP_OK);
    for (int calls = 1; calls <= 4; calls++) {
        contract_wait(stage_now.loop, &record, calls);
        assert_int_equal(record.calls, calls);
        assert_int_equal(record.status, IOCP_ETIMEDOUT);
        assert_true(calls == 1 || record.now_ns >= last_ns + 2 * MS);
        last_ns = record.now_ns;
    }
    assert_int_equal(iocp_op_state(stage_now.loop, op), IOCP_OP_DEAD);
}

static void does_not_keep_the_loop_running_if_unreferenced(void **state)
{
    (void)state;
    contract_record record = {0};
    size_t active_before = iocp_loop_active(stage_now.loop);
    iocp_op_t op = operation__start(&record);
    assert_int_equal(iocp_loop_active(stage_now.loop), active_before + 1);
    assert_int_equal(iocp_op_unref(stage_now.loop, op), IOCP_OK);
    assert_int_equal(iocp_loop_active(stage_now.loop), active_before);
    assert_int_equal(iocp_loop_run(stage_now.loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(iocp_op_state(stage_now.loop, op), IOCP_OP_ACTIVE);
    active_before = iocp_loop_active(stage_now.loop);
    assert_int_equal(iocp_op_ref(stage_now.loop, op), IOCP_OK);
    assert_int_equal(iocp_loop_active(stage_now.loop), active_before + 1);
    operation__cancel(op, &record);
}

static void closed_while_pending_ends_as_cancelled_before_the_close(void **state)
{
    (void)state;
    contract_record record = {.rearms = 3}; /* which is not granted: it has been told */
    contract_record closed = {0};
    (void)operation__pend(&record);
    assert_int_equal(iocp_close(stage_now.loop, stage_now.handle, contract_keep, &closed, NULL),
                     IOCP_OK);
    contract_wait(stage_now.loop, &closed, 1);
    assert_int_equal(closed.status, IOCP_OK);
    assert_int_equal(record.calls, 1);
    assert_int_equal(record.status, IOCP_ECANCELED);
    assert_true(record.order < closed.order);
}

static void is_refused_on_a_handle_that_is_closed_or_none(void **state)
{
    (void)state;
    stage *s = &stage_now;
    contract_record record = {0};
    iocp_handle_t none = {0};
    assert_int_equal(operation_now->start(s, s->loop, none, contract_keep, &record, NULL),
                     IOCP_EBADF);
    assert_int_equal(iocp_close(s->loop, s->handle, NULL, NULL, NULL), IOCP_OK);
    assert_int_equal(operation_now->start(s, s->loop, s->handle, contract_keep, &record, NULL),
                     IOCP_EBADF);
    contract_idle(s->loop);
    assert_int_equal(operation_now->start(s, s->loop, s->handle, contract_keep, &record, NULL),
                     IOCP_EBADF);
    assert_int_equal(record.calls, 0);
}

static void ends_as_cancelled_when_the_loop_is_destroyed(void **state)
{
    contract_record record = {.rearms = 3}; /* which is not granted: it has been told */
    (void)operation__pend(&record);
    if (stage_now.async != NULL) {
        assert_int_equal(iocp_async_destroy(stage_now.async), IOCP_OK);
        stage_now.async = NULL;
    }
    contract_loop_destroy(stage_now.loop);
    contract_forget_loop(state);
    assert_int_equal(record.calls, 1);
    assert_int_equal(record.status, IOCP_ECANCELED);
}

/* ---- One more callback ---- */

/* An operation that rearms whatever it is told, and what it has been told. */
typedef struct insistent {
    contract_record record;
    contract_record other; /* of the cancel or the close */
    int statuses[4];
    uint64_t started; /* of its kind, when it was told the first time */
    bool cancels;
    bool submits; /* so that its cancel is carried out while its callback runs */
    bool closes;
    bool ends_by_cancel; /* told of it the operation would start again: it disarms then */
} insistent;

static insistent insistent_now;

static uint64_t insistent__started(iocp_loop_t *loop, iocp_type_t type)
{
    iocp_type_stats_t stats = {.size = sizeof stats};
    assert_int_equal(iocp_loop_type_stats(loop, type, &stats), IOCP_OK);
    return stats.started;
}

static iocp_action_t IOCP_CALL insistent__rearm(iocp_loop_t *loop, const iocp_result_t *result,
                                                void *userdata)
{
    insistent *i = userdata;
    if (contract_is_over()) {
        return IOCP_DISARM;
    }
    if (i->record.calls == 0) {
        i->started = insistent__started(loop, result->type);
        if (i->cancels) {
            assert_int_equal(iocp_cancel(loop, result->op, contract_keep, &i->other, NULL),
                             IOCP_OK);
        }
        if (i->submits) {
            assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
        }
        if (i->closes) {
            assert_int_equal(iocp_close(loop, result->handle, contract_keep, &i->other, NULL),
                             IOCP_OK);
        }
    }
    if (i->record.calls < (int)IOC_COUNT_OF(i->statuses)) {
        i->statuses[i->record.calls] = result->status;
    }
    i->record.rearms = i->record.calls == 0 || !i->ends_by_cancel;
    return contract_keep(loop, result, &i->record);
}

static iocp_op_t insistent__start(void)
{
    memset(&insistent_now, 0, sizeof insistent_now);
    return operation__start_with(insistent__rearm, &insistent_now);
}

/* Told so, and then told that it is cancelled, without having been started for that. */
static void assert_told_once_more(int status)
{
    const insistent *i = &insistent_now;
    assert_int_equal(i->record.calls, 2);
    assert_int_equal(i->statuses[0], status);
    assert_int_equal(i->statuses[1], IOCP_ECANCELED);
    assert_int_equal(i->record.result.bytes, 0);
    assert_int_equal(i->record.result.native_error, 0);
    assert_int_equal(i->record.result.flags, 0);
}

static void assert_not_started_again(void)
{
    assert_int_equal(insistent__started(stage_now.loop, insistent_now.record.result.type),
                     insistent_now.started);
}

static void rearmed_on_a_closing_handle_has_one_more_callback(void **state)
{
    (void)state;
    iocp_op_t op = insistent__start();
    insistent_now.closes = true;
    operation__finish(&insistent_now.record);
    contract_wait(stage_now.loop, &insistent_now.other, 1);
    assert_told_once_more(IOCP_OK);
    assert_not_started_again();
    assert_int_equal(insistent_now.other.status, IOCP_OK);
    assert_true(insistent_now.record.order < insistent_now.other.order);
    assert_int_equal(iocp_op_state(stage_now.loop, op), IOCP_OP_DEAD);
}

static void assert_cancelled_in_its_own_callback(bool submits)
{
    iocp_op_t op = insistent__start();
    insistent_now.cancels = true;
    insistent_now.submits = submits;
    insistent_now.ends_by_cancel = true;
    operation__finish(&insistent_now.record);
    contract_wait(stage_now.loop, &insistent_now.record, 2);
    contract_wait(stage_now.loop, &insistent_now.other, 1);
    assert_told_once_more(IOCP_OK);
    assert_not_started_again();
    assert_int_equal(insistent_now.other.status, IOCP_OK);
    assert_int_equal(iocp_op_state(stage_now.loop, op), IOCP_OP_DEAD);
}

static void cancelled_in_its_own_callback_and_rearmed_has_one_more_callback(void **state)
{
    (void)state;
    assert_cancelled_in_its_own_callback(false);
}

static void cancelled_while_its_callback_runs_and_rearmed_has_one_more_callback(void **state)
{
    (void)state;
    assert_cancelled_in_its_own_callback(true);
}

static iocp_action_t IOCP_CALL due__stop(iocp_loop_t *loop, const iocp_result_t *result,
                                         void *userdata)
{
    (void)result;
    (void)userdata;
    assert_int_equal(iocp_loop_stop(loop), IOCP_OK);
    return IOCP_DISARM;
}

/* A stopped loop, in which the operation has timed out and its callback is due. */
static iocp_op_t insistent__make_due(void)
{
    iocp_loop_t *loop = stage_now.loop;
    assert_int_equal(iocp_nop(loop, due__stop, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    iocp_op_t op = insistent__start();
    assert_int_equal(iocp_op_deadline(loop, op, 0), IOCP_OK);
    while (!iocp_loop_stopped(loop)) {
        assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
    }
    assert_int_equal(insistent_now.record.calls, 0);
    assert_int_equal(iocp_op_deadline(loop, op, 0), IOCP_ENOENT); /* it is due */
    return op;
}

static void cancelled_while_its_callback_is_due_and_rearmed_has_one_more_callback(void **state)
{
    (void)state;
    contract_record cancel = {0};
    iocp_loop_t *loop = stage_now.loop;
    iocp_op_t op = insistent__make_due();
    assert_int_equal(iocp_loop_resume(loop), IOCP_OK);
    assert_int_equal(iocp_cancel(loop, op, contract_keep, &cancel, NULL), IOCP_OK);
    insistent_now.ends_by_cancel = true;
    contract_wait(loop, &insistent_now.record, 2);
    contract_wait(loop, &cancel, 1);
    assert_told_once_more(IOCP_ETIMEDOUT);
    assert_not_started_again();
    assert_int_equal(cancel.status, IOCP_OK);
    assert_int_equal(iocp_op_state(loop, op), IOCP_OP_DEAD);
}

static void rearmed_while_the_loop_ends_has_one_more_callback(void **state)
{
    (void)insistent__make_due();
    if (stage_now.async != NULL) {
        assert_int_equal(iocp_loop_destroy(stage_now.loop, UINT64_MAX), IOCP_EASYNC);
    } else {
        contract_loop_destroy(stage_now.loop);
        contract_forget_loop(state);
    }
    assert_told_once_more(IOCP_ETIMEDOUT);
}

/* ---- Refused ---- */

static int refused_status;

static iocp_action_t IOCP_CALL refused__try(iocp_loop_t *loop, const iocp_result_t *result,
                                            void *record)
{
    (void)result;
    refused_status =
        operation_now->start(&stage_now, loop, stage_now.handle, contract_keep, record, NULL);
    return IOCP_REARM;
}

static void is_refused_while_the_loop_is_being_destroyed(void **state)
{
    contract_record record = {0};
    refused_status = IOCP_OK;
    assert_int_equal(iocp_timer(stage_now.loop, 100 * S, refused__try, &record, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(stage_now.loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    if (stage_now.async != NULL) { /* refuses the wait by itself when it is gone */
        contract_record waited = {0};
        (void)operation__start(&waited);
        assert_int_equal(iocp_loop_destroy(stage_now.loop, UINT64_MAX), IOCP_EASYNC);
        assert_int_equal(refused_status, IOCP_ECLOSING);
        return;
    }
    contract_loop_destroy(stage_now.loop);
    contract_forget_loop(state);
    assert_int_equal(refused_status, IOCP_ECLOSING);
    assert_int_equal(record.calls, 0);
}

static void is_refused_without_a_loop_or_a_callback(void **state)
{
    (void)state;
    stage *s = &stage_now;
    contract_record record = {0};
    iocp_op_t op = {.id = 77};
    assert_int_equal(operation_now->start(s, NULL, s->handle, contract_keep, &record, &op),
                     IOCP_EINVAL);
    assert_int_equal(operation_now->start(s, s->loop, s->handle, NULL, &record, &op), IOCP_EINVAL);
    assert_int_equal(op.id, 77);
    contract_idle(s->loop);
    assert_int_equal(record.calls, 0);
}

/* ---- Each test with each operation ---- */

typedef struct operation_test {
    const char *name;
    CMUnitTestFunction function;
    bool needs_pending; /* only for operations that can wait for something */
    bool needs_handle;
} operation_test;

#define OPERATION_TEST(function, needs_pending, needs_handle) \
    {                                                         \
#function, function, needs_pending, needs_handle      \
    }

static const operation_test operation_tests[] = {
    OPERATION_TEST(ends_well_and_its_id_is_stale, false, false),
    OPERATION_TEST(ends_well_again_when_rearmed, false, false),
    OPERATION_TEST(cancelled_while_queued_never_starts, false, false),
    OPERATION_TEST(is_told_by_its_name_while_queued, false, false),
    OPERATION_TEST(is_as_old_as_its_run, true, false),
    OPERATION_TEST(with_a_deadline_that_has_passed_while_queued_times_out, false, false),
    OPERATION_TEST(cancelled_while_pending_ends_as_cancelled, true, false),
    OPERATION_TEST(cancelled_and_rearmed_waits_again, true, false),
    OPERATION_TEST(times_out_while_pending, true, false),
    OPERATION_TEST(keeps_its_deadline_when_rearmed, true, false),
    OPERATION_TEST(does_not_keep_the_loop_running_if_unreferenced, true, false),
    OPERATION_TEST(closed_while_pending_ends_as_cancelled_before_the_close, true, true),
    OPERATION_TEST(is_refused_on_a_handle_that_is_closed_or_none, false, true),
    OPERATION_TEST(ends_as_cancelled_when_the_loop_is_destroyed, true, false),
    OPERATION_TEST(rearmed_on_a_closing_handle_has_one_more_callback, false, true),
    OPERATION_TEST(cancelled_in_its_own_callback_and_rearmed_has_one_more_callback, false, false),
    OPERATION_TEST(cancelled_while_its_callback_runs_and_rearmed_has_one_more_callback, false,
                   false),
    OPERATION_TEST(cancelled_while_its_callback_is_due_and_rearmed_has_one_more_callback, false,
                   false),
    OPERATION_TEST(rearmed_while_the_loop_ends_has_one_more_callback, false, false),
    OPERATION_TEST(is_refused_while_the_loop_is_being_destroyed, false, false),
    OPERATION_TEST(is_refused_without_a_loop_or_a_callback, false, false),
};

#define MOST_TESTS      (IOC_COUNT_OF(operations) * IOC_COUNT_OF(operation_tests))
#define TEST_NAME_BYTES 96

/* Where there are no Unix sockets the simulation alone shows them. */
static bool tests__can_run(const operation *what)
{
    bool is_unix = what->open == open_unix_listener || what->open == open_unix_client;
    return !is_unix || contract_has_unix();
}

static size_t tests__compose(struct CMUnitTest *tests)
{
    static char names[MOST_TESTS][TEST_NAME_BYTES];
    size_t count = 0;
    for (size_t i = 0; i < IOC_COUNT_OF(operations); i++) {
        for (size_t k = 0; k < IOC_COUNT_OF(operation_tests); k++) {
            const operation *what = &operations[i];
            const operation_test *test = &operation_tests[k];
            if ((test->needs_pending && what->finish == NULL) ||
                (test->needs_handle && !what->has_handle) || !tests__can_run(what)) {
                continue;
            }
            (void)snprintf(names[count], TEST_NAME_BYTES, "%s_%s", what->name, test->name);
            tests[count] = (struct CMUnitTest){
                .name = names[count],
                .test_func = test->function,
                .setup_func = operation__setup,
                .teardown_func = operation__teardown,
                .initial_state = (void *)(uintptr_t)what,
            };
            count++;
        }
    }
    return count;
}

int main(void)
{
    static struct CMUnitTest tests[MOST_TESTS];
    contract_object_begin();
    contract_console_begin();
    return contract_run(__FILE__, tests, tests__compose(tests), true);
}
