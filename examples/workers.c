/*
 * A TCP echo server with a loop for each processor: one accepts, the others serve.
 *
 *   workers [--address A] [--port P] [--workers N] [--seconds N]
 *
 * Port 0 picks a free one; without --workers there is one for each processor. 0: nothing went wrong.
 *
 * Loops share nothing. The accepting one detaches a socket with which nothing has been done yet, and
 * posts it to the worker that has the fewest; that one adopts it, and posts when it is gone. So all
 * that the first loop counts is its own, as are a worker's connections the worker's, and there is no
 * lock.
 *
 * The end (Ctrl-C, the closed window, or the time is up) has two phases. First the listener is closed
 * and each worker is asked to drain: it takes back the receives of connections that are idle, and the
 * others are closed behind what they are sending. When the last is gone, or after DRAIN_NS, the loops
 * are stopped, and what is left is cut off by their iocp_loop_destroy.
 */
#include <iocploop.h>

#include <winsock2.h>
#include <ws2tcpip.h>
#include <windows.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACCEPTS      16
#define BUFFER_BYTES 65536
#define WORKERS_MAX  256
#define SECOND_NS    UINT64_C(1000000000)
#define DRAIN_NS     (3 * SECOND_NS) /* Windows gives five seconds to end, all in all */
#define DESTROY_NS   (1 * SECOND_NS)

typedef struct worker {
    iocp_loop_t *loop; /* whose data is the worker */
    struct server *server;
    HANDLE thread;
    unsigned has;                   /* connections, as the accepting loop knows */
    struct connection *connections; /* from here on the worker's own, until its thread has ended */
    bool is_draining;
    bool has_failed;
    unsigned long long served, bytes;
} worker;

typedef struct server {
    iocp_loop_t *loop;
    iocp_handle_t listener;
    worker workers[WORKERS_MAX];
    unsigned count; /* of them */
    unsigned has;   /* connections, all workers together */
    unsigned cut_off;
    bool is_ending;
    bool has_failed;
} server;

typedef struct connection {
    worker *worker;
    struct connection *next;
    struct connection **place; /* of the pointer to this one */
    iocp_handle_t handle;
    iocp_op_t receive; /* if it is idle */
    bool is_idle;
    char buffer[BUFFER_BYTES];
} connection;

/* Whether a call went well; if not, says so. */
static bool check(bool *has_failed, int status, const char *what)
{
    if (status != IOCP_OK) {
        fprintf(stderr, "%s: %s (%s)\n", what, iocp_error_text(status), iocp_error_name(status));
        *has_failed = true;
    }
    return status == IOCP_OK;
}

/* ---- The accepting loop: who has how many ---- */

static void IOCP_CALL on_gone(iocp_loop_t *loop, void *arg)
{
    worker *from = arg;
    server *self = from->server;
    from->has--;
    self->has--;
    if (self->is_ending && self->has == 0) {
        check(&self->has_failed, iocp_loop_stop(loop), "stop");
    }
}

/* ---- A worker: on its own thread ---- */

static iocp_action_t IOCP_CALL on_closed(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    connection *self = arg;
    worker *of = self->worker;
    (void)loop;
    (void)result;
    *self->place = self->next;
    if (self->next != NULL) {
        self->next->place = self->place;
    }
    free(self);
    check(&of->has_failed, iocp_post(of->server->loop, on_gone, of), "gone");
    return IOCP_DISARM;
}

static void connection__close(connection *self)
{
    worker *of = self->worker;
    check(&of->has_failed, iocp_close(of->loop, self->handle, on_closed, self, NULL), "close");
}

static iocp_action_t IOCP_CALL on_received(iocp_loop_t *loop, const iocp_result_t *result,
                                           void *arg);

static void connection__receive(connection *self)
{
    self->is_idle = iocp_recv(self->worker->loop, self->handle, self->buffer, BUFFER_BYTES,
                              on_received, self, &self->receive) == IOCP_OK;
    if (!self->is_idle) {
        connection__close(self);
    }
}

static iocp_action_t IOCP_CALL on_sent(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    connection *self = arg;
    (void)loop;
    self->worker->bytes += result->bytes;
    if (result->status == IOCP_OK && !self->worker->is_draining) {
        connection__receive(self);
    } else {
        connection__close(self);
    }
    return IOCP_DISARM;
}

/* IOCP_EOF: all that the peer has sent it has got back. */
static iocp_action_t IOCP_CALL on_received(iocp_loop_t *loop, const iocp_result_t *result,
                                           void *arg)
{
    connection *self = arg;
    self->is_idle = false;
    if (result->status != IOCP_OK ||
        iocp_send(loop, self->handle, self->buffer, (size_t)result->bytes, on_sent, self, NULL) !=
            IOCP_OK) {
        connection__close(self);
    }
    return IOCP_DISARM;
}

static void worker__insert(worker *self, connection *opened)
{
    opened->worker = self;
    opened->next = self->connections;
    opened->place = &self->connections;
    if (opened->next != NULL) {
        opened->next->place = &opened->next;
    }
    self->connections = opened;
    self->served++;
}

/* The socket is the worker's from here on: adopted, or closed. */
static void IOCP_CALL on_handed_over(iocp_loop_t *loop, void *arg)
{
    uintptr_t socket = (uintptr_t)arg;
    void *data = NULL;
    (void)iocp_loop_get_data(loop, &data); /* which was set before it ran */
    worker *self = data;
    connection *opened = malloc(sizeof *opened);
    if (opened == NULL ||
        !check(&self->has_failed, iocp_socket_adopt(loop, socket, &opened->handle), "adopt")) {
        free(opened);
        closesocket(socket);
        check(&self->has_failed, iocp_post(self->server->loop, on_gone, self), "gone");
        return;
    }
    worker__insert(self, opened);
    connection__receive(opened);
}

/* A receive that was quicker than its cancel is answered, and closed behind the answer. */
static void IOCP_CALL on_drain(iocp_loop_t *loop, void *arg)
{
    worker *self = arg;
    self->is_draining = true;
    for (connection *one = self->connections; one != NULL; one = one->next) {
        if (one->is_idle) {
            check(&self->has_failed, iocp_cancel(loop, one->receive, NULL, NULL, NULL), "cancel");
        }
    }
}

static DWORD WINAPI worker__run(void *arg)
{
    worker *self = arg;
    check(&self->has_failed, iocp_loop_run(self->loop, IOCP_RUN_UNTIL_STOPPED), "run");
    return 0; /* main destroys the loop: until then it can be posted to */
}

static bool worker__start(worker *self, server *of)
{
    iocp_loop_options_t options = {.size = sizeof options, .check_threads = 1};
    self->server = of;
    if (!check(&of->has_failed, iocp_loop_create(&options, &self->loop), "loop") ||
        !check(&of->has_failed, iocp_loop_set_data(self->loop, self), "data")) {
        return false;
    }
    self->thread = CreateThread(NULL, 0, worker__run, self, 0, NULL);
    return check(&of->has_failed, self->thread != NULL ? IOCP_OK : IOCP_ENOMEM, "thread");
}

/* Its thread ends; then its loop is main's. */
static void worker__end(worker *self)
{
    if (self->thread != NULL) {
        check(&self->has_failed, iocp_loop_stop(self->loop), "stop");
        WaitForSingleObject(self->thread, INFINITE);
        CloseHandle(self->thread);
    }
    if (self->loop != NULL) {
        check(&self->has_failed, iocp_loop_destroy(self->loop, DESTROY_NS), "destroy");
    }
}

/* ---- The accepting loop: on main's thread ---- */

static worker *server__choose(server *self)
{
    worker *chosen = &self->workers[0];
    for (unsigned i = 1; i < self->count; i++) {
        chosen = self->workers[i].has < chosen->has ? &self->workers[i] : chosen;
    }
    return chosen;
}

static iocp_action_t IOCP_CALL on_accepted(iocp_loop_t *loop, const iocp_result_t *result,
                                           void *arg)
{
    server *self = arg;
    worker *to = server__choose(self);
    uintptr_t socket;
    if (result->status != IOCP_OK) {
        return IOCP_REARM; /* something is short: the loop tries again after a pause */
    }
    if (self->is_ending ||
        !check(&self->has_failed, iocp_socket_detach(loop, result->opened, &socket), "detach")) {
        check(&self->has_failed, iocp_close(loop, result->opened, NULL, NULL, NULL), "close");
    } else if (!check(&self->has_failed, iocp_post(to->loop, on_handed_over, (void *)socket),
                      "hand over")) {
        closesocket(socket);
    } else {
        to->has++;
        self->has++;
    }
    return IOCP_REARM;
}

static iocp_action_t IOCP_CALL on_time_up(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    server *self = arg;
    if (result->status == IOCP_OK) {
        self->cut_off = self->has;
        check(&self->has_failed, iocp_loop_stop(loop), "stop");
    }
    return IOCP_DISARM;
}

/* The console, or its watch's deadline. Windows waits until main has returned. */
static iocp_action_t IOCP_CALL on_end(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    server *self = arg;
    if (result->status == IOCP_ECANCELED) { /* the loop ends without having run */
        return IOCP_DISARM;
    }
    self->is_ending = true;
    for (unsigned i = 0; i < self->count; i++) {
        worker *one = &self->workers[i];
        check(&self->has_failed, iocp_post(one->loop, on_drain, one), "drain");
    }
    if (!check(&self->has_failed, iocp_close(loop, self->listener, NULL, NULL, NULL), "close") ||
        !check(&self->has_failed, iocp_timer(loop, DRAIN_NS, on_time_up, self, NULL), "timer") ||
        self->has == 0) {
        check(&self->has_failed, iocp_loop_stop(loop), "stop");
    }
    return IOCP_DISARM;
}

static bool server__listen(server *self, const struct addrinfo *at)
{
    struct sockaddr_in6 name = {0}; /* one of IPv4 has its port in the same place */
    size_t size = sizeof name;
    bool *failed = &self->has_failed;
    iocp_loop_t *loop = self->loop;
    iocp_handle_t *own = &self->listener;
    if (!check(failed, iocp_socket_open(loop, at->ai_family, SOCK_STREAM, 0, own), "open") ||
        !check(failed, iocp_socket_bind(loop, *own, at->ai_addr, at->ai_addrlen), "bind") ||
        !check(failed, iocp_socket_listen(loop, *own, 0), "listen") ||
        !check(failed, iocp_socket_get_name(loop, *own, (struct sockaddr *)&name, &size), "name")) {
        return false;
    }
    for (int i = 0; i < ACCEPTS; i++) {
        if (!check(failed, iocp_accept(loop, *own, on_accepted, self, NULL), "accept")) {
            return false;
        }
    }
    return printf("listening on port %u\n", ntohs(name.sin6_port)) > 0 && fflush(stdout) == 0;
}

static bool server__start_workers(server *self, unsigned count)
{
    while (self->count < count && worker__start(&self->workers[self->count], self)) {
        self->count++;
    }
    return self->count == count;
}

static void server__run(server *self, const struct addrinfo *at, unsigned workers,
                        uint64_t limit_ns)
{
    iocp_op_t watch;
    bool *failed = &self->has_failed;
    if (check(failed, iocp_console_watch(self->loop, on_end, self, &watch), "console") &&
        (limit_ns == 0 || check(failed, iocp_op_deadline(self->loop, watch, limit_ns), "limit")) &&
        check(failed, iocp_loop_submit(self->loop), "submit") &&
        server__start_workers(self, workers) && server__listen(self, at)) {
        check(failed, iocp_loop_run(self->loop, IOCP_RUN_UNTIL_STOPPED), "run");
    }
}

static void server__end(server *self)
{
    unsigned long long served = 0, bytes = 0;
    self->is_ending = true;
    for (unsigned i = 0; i < WORKERS_MAX && self->workers[i].server != NULL; i++) {
        worker *one = &self->workers[i];
        worker__end(one);
        printf("worker %u: connections: %llu, bytes: %llu\n", i + 1, one->served, one->bytes);
        served += one->served;
        bytes += one->bytes;
        self->has_failed = self->has_failed || one->has_failed;
    }
    check(&self->has_failed, iocp_loop_destroy(self->loop, DESTROY_NS), "destroy");
    printf("connections: %llu, bytes: %llu, cut off: %u\n", served, bytes, self->cut_off);
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"--address", "--port", "--workers", "--seconds"};
    static server self;
    const struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM};
    const char *options[] = {"127.0.0.1", "7000", "0", "0"};
    struct addrinfo *at = NULL;
    for (int i = 1; i < argc; i += 2) {
        int k = 0;
        for (; k < 4 && strcmp(argv[i], names[k]) != 0; k++) {}
        if (k == 4 || argv[i + 1] == NULL) {
            fputs("usage: workers [--address A] [--port P] [--workers N] [--seconds N]\n", stderr);
            return 2;
        }
        options[k] = argv[i + 1];
    }
    unsigned long count = strtoul(options[2], NULL, 10);
    count = count != 0 ? count : GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
    count = count < WORKERS_MAX ? count : WORKERS_MAX;
    if (!check(&self.has_failed, iocp_loop_create(NULL, &self.loop), "loop")) {
        return 1;
    }
    if (getaddrinfo(options[0], options[1], &hints, &at) != 0) { /* the loop has started Winsock */
        check(&self.has_failed, IOCP_ENONAME, options[0]);
    } else {
        server__run(&self, at, (unsigned)count, strtoul(options[3], NULL, 10) * SECOND_NS);
        freeaddrinfo(at);
    }
    server__end(&self);
    return self.has_failed ? 1 : 0;
}
