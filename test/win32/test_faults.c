/*
 * One life of a loop, from its creation to its end, in which something goes wrong: every system call
 * in turn fails once, every system call fails from some stage on, every allocation in turn is
 * refused. Whatever it is, these hold:
 *
 *  - an operation that was accepted calls back once, one that was refused does not;
 *  - nothing is written into a buffer whose operation has ended;
 *  - destroying the loop gives everything back, at the latest once the faults have stopped;
 *  - no handle of the system and no memory is left.
 */
#include "unit.h"

#include "contract_object.h"
#include "win_faults.h"
#include "win_files.h"
#include "win_leaks.h"
#include "win_loop.h"

#include <stdio.h>
#include <string.h>

#define LIFE_OPS      64
#define LIFE_BUFFER   32
#define LIFE_POISON   0xEE
#define LIFE_S        UINT64_C(1000000000)
#define LIFE_MS       UINT64_C(1000000)
#define LIFE_ANY      1 /* an expected status that no operation has: whatever it is */
#define LIFE_ATTEMPTS 20
#define LIFE_PATIENCE 3000 /* times 10 ms */

/* An operation that was tried. */
typedef struct life_op {
    struct life *life;
    int started; /* what the function returned */
    int calls;
    int expected; /* a status, or LIFE_ANY */
    uint64_t bytes;
    iocp_handle_t accepted;
    char data[LIFE_BUFFER]; /* of a receive */
} life_op;

typedef struct life {
    iocp_loop_t *loop;
    iocp_async_t *async;
    iocp_handle_t listener;
    iocp_handle_t client;
    iocp_handle_t server;
    struct sockaddr_in address;
    iocp_handle_t file;
    HANDLE ends[2]; /* of a pipe that is standard input and output */
    iocp_handle_t in;
    iocp_handle_t out;
    void *event; /* auto-reset */
    void *job;
    int waiting;    /* for so many callbacks */
    bool is_broken; /* something did not go as it should have: go straight to the end */
    int op_count;
    life_op ops[LIFE_OPS];
} life;

typedef void (*life_stage)(life *l);

static life life_now;
static unit_memory life_memory;

/* ---- Steps ---- */

static iocp_action_t IOCP_CALL life__callback(iocp_loop_t *loop, const iocp_result_t *result,
                                              void *userdata)
{
    life_op *op = userdata;
    (void)loop;
    op->calls++;
    op->bytes = result->bytes;
    op->accepted = result->opened;
    if (op->expected != LIFE_ANY) {
        op->life->waiting--;
        op->life->is_broken = op->life->is_broken || result->status != op->expected;
    }
    bool is_input = result->type == IOCP_TYPE_RECV || result->type == IOCP_TYPE_READ ||
                    result->type == IOCP_TYPE_PREAD || result->type == IOCP_TYPE_OVERLAPPED;
    if (is_input) {
        bool is_right = result->status != IOCP_OK || memcmp(op->data, "hello", 5) == 0;
        op->life->is_broken = op->life->is_broken || !is_right;
        memset(op->data, LIFE_POISON, sizeof op->data);
    }
    return IOCP_DISARM;
}

/* The record of an operation about to be tried, which is to end with this status. */
static life_op *life__op(life *l, int expected)
{
    assert_true(l->op_count < LIFE_OPS);
    life_op *op = &l->ops[l->op_count++];
    op->life = l;
    op->expected = expected;
    return op;
}

/* Whether a call worked; if not, the life is broken. */
static bool life__ok(life *l, int status)
{
    l->is_broken = l->is_broken || status != IOCP_OK;
    return status == IOCP_OK;
}

static void life__started(life *l, life_op *op, int status)
{
    op->started = status;
    if (life__ok(l, status) && op->expected != LIFE_ANY) {
        l->waiting++;
    }
}

static iocp_op_t life__recv(life *l, iocp_handle_t handle, int expected)
{
    life_op *op = life__op(l, expected);
    iocp_op_t id = {0};
    life__started(l, op,
                  iocp_recv(l->loop, handle, op->data, sizeof op->data, life__callback, op, &id));
    return id;
}

static void life__send(life *l, iocp_handle_t handle)
{
    static char hello[] = "hello";
    iocp_buf_t buffers[2] = {{.length = 2, .base = hello}, {.length = 3, .base = hello + 2}};
    life_op *op = life__op(l, IOCP_OK);
    life__started(l, op, iocp_sendv(l->loop, handle, buffers, 2, life__callback, op, NULL));
}

/* Cancel what the loop has started. */
static void life__cancel(life *l, iocp_op_t unwanted)
{
    if (life__ok(l, iocp_loop_submit(l->loop))) {
        life_op *cancel = life__op(l, IOCP_OK);
        life__started(l, cancel, iocp_cancel(l->loop, unwanted, life__callback, cancel, NULL));
    }
}

/* Until everything that this stage waits for has called back. A run that failed is repeated. */
static void life__wait(life *l)
{
    for (int failures = 0; l->waiting > 0 && !l->is_broken && failures < LIFE_ATTEMPTS;) {
        failures += iocp_loop_run(l->loop, IOCP_RUN_ONCE) != IOCP_OK;
    }
    l->is_broken = l->is_broken || l->waiting > 0;
}

/* ---- Stages ---- */

static void life__listen(life *l)
{
    size_t length = sizeof l->address;
    life_op *guard = life__op(l, LIFE_ANY);
    iocp_op_t guard_id = {0};
    /* When it fires, it ends a wait for what will not come. */
    life__started(l, guard, iocp_timer(l->loop, 2 * LIFE_S, life__callback, guard, &guard_id));
    (void)iocp_op_unref(l->loop, guard_id);

    l->address = (struct sockaddr_in){.sin_family = AF_INET};
    l->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (life__ok(l, iocp_socket_open(l->loop, AF_INET, SOCK_STREAM, 0, &l->listener)) &&
        life__ok(l, iocp_socket_set_option(l->loop, l->listener, IOCP_SOCKET_EXCLUSIVE, 1)) &&
        life__ok(l, iocp_socket_bind(l->loop, l->listener, (struct sockaddr *)&l->address,
                                     sizeof l->address)) &&
        life__ok(l, iocp_socket_listen(l->loop, l->listener, 0))) {
        (void)life__ok(
            l, iocp_socket_get_name(l->loop, l->listener, (struct sockaddr *)&l->address, &length));
    }
}

static void life__meet(life *l)
{
    life_op *accept = life__op(l, IOCP_OK);
    life__started(l, accept, iocp_accept(l->loop, l->listener, life__callback, accept, NULL));
    if (life__ok(l, iocp_socket_open(l->loop, AF_INET, SOCK_STREAM, 0, &l->client))) {
        life_op *connect = life__op(l, IOCP_OK);
        life__started(l, connect,
                      iocp_connect(l->loop, l->client, (struct sockaddr *)&l->address,
                                   sizeof l->address, life__callback, connect, NULL));
    }
    life__wait(l);
    l->server = accept->accepted;
}

static void life__talk(life *l)
{
    int value = 0;
    struct sockaddr_in peer;
    size_t length = sizeof peer;
    (void)life__ok(l, iocp_socket_set_option(l->loop, l->client, IOCP_SOCKET_NODELAY, 1));
    (void)life__ok(l, iocp_socket_get_option(l->loop, l->client, IOCP_SOCKET_NODELAY, &value));
    (void)life__ok(l, iocp_socket_get_peer(l->loop, l->server, (struct sockaddr *)&peer, &length));
    (void)life__recv(l, l->server, IOCP_OK);
    life__send(l, l->client);
    life__wait(l);
    if (!l->is_broken) {
        life__send(l, l->server);
        life__wait(l);
    }
    if (!l->is_broken) {
        (void)life__recv(l, l->client, IOCP_OK);
        life__wait(l);
    }
}

static void life__signal(life *l)
{
    if (!life__ok(l, iocp_async_create(l->loop, &l->async))) {
        return;
    }
    life_op *wait = life__op(l, IOCP_OK);
    life__started(l, wait, iocp_async_wait(l->loop, l->async, life__callback, wait, NULL));
    (void)life__ok(l, iocp_async_notify(l->async));
    life_op *timer = life__op(l, IOCP_OK);
    life__started(l, timer, iocp_timer(l->loop, LIFE_MS, life__callback, timer, NULL));
    life__wait(l);
}

/* In the folder for temporary files, and gone when its last handle is closed and it is deleted. */
static const char *life__path(void)
{
    static char path[MAX_PATH + 32];
    char folder[MAX_PATH];
    DWORD length = GetTempPathA(MAX_PATH, folder);
    assert_in_range(length, 1, MAX_PATH - 1);
    (void)snprintf(path, sizeof path, "%siocploop-faults-%lu.tmp", folder, GetCurrentProcessId());
    return path;
}

static void life__read(life *l, iocp_type_t type)
{
    life_op *op = life__op(l, IOCP_OK);
    int status =
        type == IOCP_TYPE_READ
            ? iocp_read(l->loop, l->file, op->data, sizeof op->data, life__callback, op, NULL)
            : iocp_pread(l->loop, l->file, op->data, sizeof op->data, 0, life__callback, op, NULL);
    life__started(l, op, status);
    life__wait(l);
}

static uint32_t IOCP_CALL life__start(void *native, void *overlapped, void *arg)
{
    const ioc_sys *sys = win_faults_table();
    life_op *op = arg;
    return sys->ReadFile(native, op->data, sizeof op->data, NULL, overlapped) ? 0
                                                                              : sys->GetLastError();
}

/* A call of the program's own. */
static void life__call(life *l)
{
    life_op *op = life__op(l, IOCP_OK);
    life__started(l, op,
                  iocp_overlapped(l->loop, l->file, life__start, op, life__callback, op, NULL));
    life__wait(l);
}

static void life__store(life *l)
{
    uint64_t size = 0;
    if (!life__ok(l, iocp_file_open(l->loop, life__path(),
                                    IOCP_FILE_READ | IOCP_FILE_WRITE | IOCP_FILE_CREATE |
                                        IOCP_FILE_TRUNCATE,
                                    &l->file))) {
        return;
    }
    life_op *write = life__op(l, IOCP_OK);
    life__started(l, write, iocp_write(l->loop, l->file, "hello", 5, life__callback, write, NULL));
    life__wait(l);
    (void)life__ok(l, iocp_file_get_size(l->loop, l->file, &size));
    (void)life__ok(l, iocp_file_set_size(l->loop, l->file, size));
    (void)life__ok(l, iocp_file_set_position(l->loop, l->file, 0));
    life__read(l, IOCP_TYPE_READ);
    life__read(l, IOCP_TYPE_PREAD);
    life__call(l);
}

static void life__secure(life *l)
{
    life_op *flush = life__op(l, IOCP_OK);
    life__started(l, flush, iocp_file_flush(l->loop, l->file, life__callback, flush, NULL));
    life__wait(l);
    life_op *close = life__op(l, IOCP_OK);
    life__started(l, close, iocp_close(l->loop, l->file, life__callback, close, NULL));
    life__wait(l);
}

static void life__pair(life *l)
{
    iocp_handle_t ours = {0};
    iocp_handle_t theirs = {0};
    if (!life__ok(l, iocp_pipe_pair(l->loop, IOCP_PIPE_READ | IOCP_PIPE_MESSAGE, &ours, &theirs))) {
        return;
    }
    life_op *read = life__op(l, IOCP_EOF);
    life__started(
        l, read,
        iocp_read(l->loop, ours, read->data, sizeof read->data, life__callback, read, NULL));
    life_op *close = life__op(l, IOCP_OK);
    life__started(l, close, iocp_close(l->loop, theirs, life__callback, close, NULL));
    life__wait(l);
}

static life_op *life__connect(life *l, const char *name)
{
    life_op *connect = life__op(l, IOCP_OK);
    life__started(l, connect,
                  iocp_pipe_connect(l->loop, name, IOCP_PIPE_WRITE, life__callback, connect, NULL));
    return connect;
}

static life_op *life__accept(life *l, iocp_handle_t listener)
{
    life_op *accept = life__op(l, IOCP_OK);
    life__started(l, accept, iocp_accept(l->loop, listener, life__callback, accept, NULL));
    return accept;
}

/* Two clients for one instance: the second waits until the first is accepted. */
static void life__serve(life *l)
{
    char name[64];
    uint32_t peer = 0;
    iocp_handle_t listener = {0};
    (void)snprintf(name, sizeof name, "\\\\.\\pipe\\iocploop-faults-%lu", GetCurrentProcessId());
    if (!life__ok(l, iocp_pipe_listen(l->loop, name, NULL, &listener))) {
        return;
    }
    (void)life__connect(l, name);
    life__wait(l);
    life_op *waiting = life__connect(l, name);
    (void)life__ok(l, iocp_loop_run(l->loop, IOCP_RUN_NO_WAIT));
    life_op *first = life__accept(l, listener);
    life_op *second = life__accept(l, listener);
    life__wait(l);
    if (!l->is_broken) {
        (void)life__ok(l, iocp_pipe_peer(l->loop, first->accepted, &peer));
        (void)life__ok(l, iocp_pipe_peer(l->loop, waiting->accepted, &peer));
        (void)life__ok(l, iocp_close(l->loop, second->accepted, NULL, NULL, NULL));
    }
}

static uint64_t IOCP_CALL life__work(void *arg)
{
    contract_event_set(arg);
    return 1;
}

static iocp_op_t life__wait_for(life *l, void *object, int expected)
{
    life_op *op = life__op(l, expected);
    iocp_op_t id = {0};
    life__started(l, op, iocp_wait(l->loop, object, life__callback, op, &id));
    return id;
}

static iocp_op_t life__watch(life *l, int expected)
{
    life_op *op = life__op(l, expected);
    iocp_op_t id = {0};
    life__started(l, op, iocp_job_watch(l->loop, l->job, life__callback, op, &id));
    return id;
}

static iocp_op_t life__watch_console(life *l, int expected)
{
    life_op *op = life__op(l, expected);
    iocp_op_t id = {0};
    life__started(l, op, iocp_console_watch(l->loop, life__callback, op, &id));
    return id;
}

/* The function of the work ends the second wait; a wait and two watches are cancelled. */
static void life__use_objects(life *l)
{
    contract_event_set(l->event);
    (void)life__wait_for(l, l->event, IOCP_OK);
    life__wait(l);
    iocp_op_t unwanted = life__wait_for(l, l->job, IOCP_ECANCELED);
    iocp_op_t watch = life__watch(l, IOCP_ECANCELED);
    (void)life__wait_for(l, l->event, IOCP_OK);
    life_op *work = life__op(l, IOCP_OK);
    life__started(l, work, iocp_work(l->loop, life__work, l->event, life__callback, work, NULL));
    life__cancel(l, unwanted);
    life__cancel(l, watch);
    life__cancel(l, life__watch_console(l, IOCP_ECANCELED));
    life__wait(l);
}

/* A name that every machine has. */
static void life__look_up(life *l)
{
    life_op *op = life__op(l, IOCP_OK);
    life__started(l, op, iocp_resolve(l->loop, "localhost", "80", NULL, life__callback, op, NULL));
    life__wait(l);
}

static iocp_op_t life__poll(life *l, uint32_t events, int expected)
{
    life_op *op = life__op(l, expected);
    iocp_op_t id = {0};
    void *socket = NULL;
    if (life__ok(l, iocp_handle_native(l->loop, l->server, &socket))) {
        life__started(l, op,
                      iocp_poll(l->loop, (uintptr_t)socket, events, life__callback, op, &id));
    }
    return id;
}

/* One is ready, one becomes so when it is changed, and one is cancelled. */
static void life__poll_sockets(life *l)
{
    (void)life__poll(l, IOCP_POLL_WRITE, IOCP_OK);
    iocp_op_t changed = life__poll(l, IOCP_POLL_PRIORITY, IOCP_OK);
    iocp_op_t unwanted = life__poll(l, IOCP_POLL_PRIORITY, IOCP_ECANCELED);
    (void)life__ok(l, iocp_loop_run(l->loop, IOCP_RUN_NO_WAIT));
    if (life__ok(l, iocp_poll_set(l->loop, changed, IOCP_POLL_WRITE))) {
        life__cancel(l, unwanted);
    }
    life__wait(l);
}

static void life__end_early(life *l)
{
    iocp_op_t late = life__recv(l, l->client, IOCP_ETIMEDOUT);
    iocp_op_t unwanted = life__recv(l, l->server, IOCP_ECANCELED);
    if (life__ok(l, iocp_op_deadline(l->loop, late, LIFE_MS))) {
        life__cancel(l, unwanted);
    }
    life__wait(l);
}

static void life__hang_up(life *l)
{
    life_op *shutdown = life__op(l, IOCP_OK);
    (void)life__recv(l, l->server, IOCP_EOF);
    life__started(
        l, shutdown,
        iocp_shutdown(l->loop, l->client, IOCP_SHUTDOWN_SEND, life__callback, shutdown, NULL));
    life__wait(l);
}

static void life__close_one(life *l)
{
    life_op *close = life__op(l, IOCP_OK);
    (void)life__recv(l, l->client, IOCP_ECANCELED);
    (void)life__ok(l, iocp_loop_submit(l->loop));
    life__started(l, close, iocp_close(l->loop, l->client, life__callback, close, NULL));
    life__wait(l);
}

static void life__read_stream(life *l, int expected)
{
    life_op *op = life__op(l, expected);
    life__started(l, op, iocp_read(l->loop, l->in, op->data, 5, life__callback, op, NULL));
}

/* A thread of the pool finds out what they are, and is still reading when the loop ends. */
static void life__use_streams(life *l)
{
    if (!life__ok(l, iocp_stdio_open(l->loop, IOCP_STDIN, &l->in)) ||
        !life__ok(l, iocp_stdio_open(l->loop, IOCP_STDOUT, &l->out))) {
        return;
    }
    life_op *write = life__op(l, IOCP_OK);
    life__started(l, write, iocp_write(l->loop, l->out, "hello", 5, life__callback, write, NULL));
    life__wait(l);
    if (!l->is_broken) {
        life__read_stream(l, IOCP_OK);
        life__wait(l);
    }
    if (!l->is_broken) {
        life__read_stream(l, LIFE_ANY);
        life_op *close = life__op(l, IOCP_OK);
        life__started(l, close, iocp_close(l->loop, l->out, life__callback, close, NULL));
        life__wait(l);
    }
}

/* What is still pending when the loop ends. */
static void life__leave_pending(life *l)
{
    life_op *accept = life__op(l, LIFE_ANY);
    life_op *timer = life__op(l, LIFE_ANY);
    (void)life__wait_for(l, l->event, LIFE_ANY);
    (void)life__watch(l, LIFE_ANY);
    (void)life__watch_console(l, LIFE_ANY);
    (void)life__poll(l, IOCP_POLL_PRIORITY, LIFE_ANY);
    (void)life__recv(l, l->server, LIFE_ANY);
    life__started(l, accept, iocp_accept(l->loop, l->listener, life__callback, accept, NULL));
    life__started(l, timer, iocp_timer(l->loop, 100 * LIFE_S, life__callback, timer, NULL));
    (void)life__ok(l, iocp_loop_run(l->loop, IOCP_RUN_NO_WAIT));
}

static const life_stage life_stages[] = {
    life__listen,      life__meet,         life__talk,      life__signal,
    life__store,       life__secure,       life__pair,      life__serve,
    life__use_objects, life__poll_sockets, life__look_up,   life__end_early,
    life__use_streams, life__hang_up,      life__close_one, life__leave_pending,
};

/* ---- The whole ---- */

/* The end must come once the faults have stopped, if not before. */
static void life__end(life *l)
{
    if (l->async != NULL) {
        assert_int_equal(iocp_async_destroy(l->async), IOCP_OK);
    }
    if (iocp_loop_destroy(l->loop, LIFE_S) != IOCP_OK) {
        win_faults_stop();
        assert_int_equal(iocp_loop_destroy(l->loop, 10 * LIFE_S), IOCP_OK);
    }
    (void)DeleteFileA(life__path());
}

/*
 * The pool takes the console's handler back: when it has, nothing of this life will fail any more. If
 * it was not asked, since that failed, the next watch does.
 */
static void life__settle_console(void)
{
    if (win_faults_struck() > 0 && win_faults_last_struck() == WIN_TRY_SUBMIT) {
        life next = {.loop = NULL};
        win_faults_stop();
        next.loop = win_loop_create(win_faults_table(), &life_memory, IOCP_COMPLETION_AUTO);
        (void)life__watch_console(&next, LIFE_ANY);
        (void)life__ok(&next, iocp_loop_submit(next.loop));
        win_loop_destroy(&next.loop);
        assert_false(next.is_broken);
    }
    for (int i = 0; i < LIFE_PATIENCE && win_faults_held() > 0; i++) {
        Sleep(10);
    }
}

static void life__check_ops(const life *l)
{
    for (int i = 0; i < l->op_count; i++) {
        const life_op *op = &l->ops[i];
        assert_int_equal(op->calls, op->started == IOCP_OK ? 1 : 0);
        for (size_t k = 0;
             op->calls > 0 && (unsigned char)op->data[0] == LIFE_POISON && k < sizeof op->data;
             k++) {
            assert_int_equal((unsigned char)op->data[k], LIFE_POISON);
        }
    }
}

typedef struct life_plan {
    iocp_completion_mode_t mode;
    int first_faulty_stage; /* before which all_of begins to fail; -1: before the creation */
    win_call all_of;        /* WIN_CALLS: none */
} life_plan;

static void life__begin_faults(const life_plan *plan, int stage)
{
    if (plan->first_faulty_stage == stage && plan->all_of != WIN_CALLS) {
        win_faults_fail_all_of(plan->all_of, 0);
    }
}

/* True: nothing went wrong. */
static bool life__run(const life_plan *plan)
{
    life *l = &life_now;
    iocp_loop_options_t options = {.completion_mode = (uint32_t)plan->mode};
    memset(l, 0, sizeof *l);
    life__begin_faults(plan, -1);
    if (win_loop_try_create(win_faults_table(), &life_memory, options, &l->loop) != IOCP_OK) {
        return false;
    }
    l->event = contract_event_create(false, false);
    l->job = contract_job_create();
    assert_true(win_pipe_create(l->ends, false, false, 4096));
    assert_true(SetStdHandle(STD_INPUT_HANDLE, l->ends[0]));
    assert_true(SetStdHandle(STD_OUTPUT_HANDLE, l->ends[1]));
    for (int stage = 0; stage < (int)IOC_COUNT_OF(life_stages) && !l->is_broken; stage++) {
        life__begin_faults(plan, stage);
        life_stages[stage](l);
    }
    bool is_whole = !l->is_broken;
    life__end(l);
    life__settle_console();
    win_faults_stop();
    contract_object_close(l->event);
    contract_object_close(l->job);
    contract_object_close(l->ends[0]);
    contract_object_close(l->ends[1]);
    life__check_ops(l);
    return is_whole;
}

/* ---- Tests ---- */

static const iocp_completion_mode_t life_modes[] = {
    IOCP_COMPLETION_AUTO,
    IOCP_COMPLETION_PACKET,
    IOCP_COMPLETION_SKIP,
};

static size_t life_handles;

static int life__setup(void **state)
{
    life_plan plan = {.all_of = WIN_CALLS};
    (void)state;
    win_faults_reset();
    unit_memory_init(&life_memory);
    assert_true(life__run(&plan)); /* what the system opens once and keeps */
    win_faults_reset();
    unit_memory_init(&life_memory);
    life_handles = win_open_handles();
    return 0;
}

static void life__check_leaks(void)
{
    win_loop_check_leaks(&life_memory, life_handles);
}

static void without_a_fault_everything_goes_well(void **state)
{
    (void)state;
    for (size_t i = 0; i < IOC_COUNT_OF(life_modes); i++) {
        life_plan plan = {.mode = life_modes[i], .all_of = WIN_CALLS};
        assert_true(life__run(&plan));
        assert_int_equal(win_faults_struck(), 0);
        life__check_leaks();
    }
}

static void any_one_system_call_may_fail(void **state)
{
    (void)state;
    for (size_t i = 0; i < IOC_COUNT_OF(life_modes); i++) {
        life_plan plan = {.mode = life_modes[i], .all_of = WIN_CALLS};
        bool has_struck = true;
        uint64_t k = 0;
        while (has_struck) {
            win_faults_reset();
            win_faults_fail_nth(++k);
            bool is_whole = life__run(&plan);
            has_struck = win_faults_struck() > 0;
            if (win_open_handles() != life_handles || unit_memory_live(&life_memory) != 0) {
                print_error("mode %d, call %u: %s\n", (int)plan.mode, (unsigned)k,
                            win_call_name(win_faults_last_struck()));
            }
            life__check_leaks();
            assert_true(is_whole || has_struck);
        }
        print_message("mode %d: %u calls were made to fail\n", (int)plan.mode, (unsigned)k - 1);
        assert_true(k > 40);
    }
}

static void any_system_call_may_fail_from_now_on(void **state)
{
    (void)state;
    for (int call = 0; call < WIN_CALLS; call++) {
        if (call == WIN_COUNTER) {
            continue; /* without a clock no timer fires, which is as it should be */
        }
        for (int stage = -1; stage < (int)IOC_COUNT_OF(life_stages); stage++) {
            life_plan plan = {
                .mode = life_modes[(stage + 1) % 3],
                .first_faulty_stage = stage,
                .all_of = (win_call)call,
            };
            win_faults_reset();
            (void)life__run(&plan);
            if (win_open_handles() != life_handles || unit_memory_live(&life_memory) != 0) {
                print_error("%s from stage %d on\n", win_call_name((win_call)call), stage);
            }
            life__check_leaks();
        }
    }
}

static void any_one_allocation_may_be_refused(void **state)
{
    (void)state;
    life_plan plan = {.all_of = WIN_CALLS};
    uint64_t allowed = 0;
    while (true) {
        unit_memory_init(&life_memory);
        unit_memory_allow(&life_memory, allowed);
        bool is_whole = life__run(&plan);
        unit_memory_allow(&life_memory, UINT64_MAX);
        life__check_leaks();
        if (is_whole) {
            break;
        }
        allowed++;
    }
    print_message("%u allocations were refused\n", (unsigned)allowed);
    assert_true(allowed > 8);
}

/* With a time limit that is not needed. */
static void a_loop_with_nothing_in_the_kernel_is_destroyed_without_waiting(void **state)
{
    (void)state;
    life *l = &life_now;
    memset(l, 0, sizeof *l);
    l->loop = win_loop_create(win_faults_table(), &life_memory, IOCP_COMPLETION_AUTO);
    life_op *timer = life__op(l, IOCP_ECANCELED);
    life__started(l, timer, iocp_timer(l->loop, 100 * LIFE_S, life__callback, timer, NULL));
    assert_int_equal(iocp_loop_run(l->loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    win_faults_reset();
    assert_int_equal(iocp_loop_destroy(l->loop, 2 * LIFE_S), IOCP_OK);
    assert_int_equal(win_faults_count_of(WIN_DEQUEUE), 0);
    assert_int_equal(timer->calls, 1);
    assert_false(l->is_broken);
}

/* While this test holds Winsock, a loop's WSACleanup does not close the sockets that it forgot. */
static int life__hold_winsock(void **state)
{
    WSADATA data;
    (void)state;
    return WSAStartup(MAKEWORD(2, 2), &data);
}

static int life__release_winsock(void **state)
{
    (void)state;
    return WSACleanup();
}

#define LIFE_TEST(function) cmocka_unit_test_setup(function, life__setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIFE_TEST(without_a_fault_everything_goes_well),
        LIFE_TEST(any_one_system_call_may_fail),
        LIFE_TEST(any_system_call_may_fail_from_now_on),
        LIFE_TEST(any_one_allocation_may_be_refused),
        LIFE_TEST(a_loop_with_nothing_in_the_kernel_is_destroyed_without_waiting),
    };
    contract_object_begin();
    win_catch_crashes();
    return cmocka_run_group_tests(tests, life__hold_winsock, life__release_winsock);
}
