#include "server.h"

#include <stdlib.h>

typedef struct connection {
    bench_server *server;
    uintptr_t socket; /* on its way to another loop */
    iocp_handle_t handle;
    char data[4096];
} connection;

/* On one of its threads. The clients would wait in vain. */
static void server__fail(bench_server *server, int status)
{
    InterlockedCompareExchange(&server->failure, status, IOCP_OK);
    iocp_loop_stop(server->clients);
}

/* ---- A connection ---- */

static iocp_action_t IOCP_CALL connection__on_closed(iocp_loop_t *loop, const iocp_result_t *result,
                                                     void *userdata)
{
    (void)loop;
    (void)result;
    free(userdata);
    return IOCP_DISARM;
}

/* Refused only in a loop that ends, which closes it. */
static void connection__close(iocp_loop_t *loop, connection *self)
{
    if (iocp_close(loop, self->handle, connection__on_closed, self, NULL) != IOCP_OK) {
        free(self);
    }
}

static void connection__receive(iocp_loop_t *loop, connection *self);

static iocp_action_t IOCP_CALL connection__on_sent(iocp_loop_t *loop, const iocp_result_t *result,
                                                   void *userdata)
{
    if (result->status == IOCP_OK) {
        connection__receive(loop, userdata);
    } else {
        connection__close(loop, userdata);
    }
    return IOCP_DISARM;
}

static iocp_action_t IOCP_CALL connection__on_received(iocp_loop_t *loop,
                                                       const iocp_result_t *result, void *userdata)
{
    connection *self = userdata;
    int status = result->status;
    if (status == IOCP_OK) {
        status = iocp_send(loop, self->handle, self->data, (size_t)result->bytes,
                           connection__on_sent, self, NULL);
    }
    if (status != IOCP_OK) { /* the client ends it with a reset */
        connection__close(loop, self);
    }
    return IOCP_DISARM;
}

static void connection__receive(iocp_loop_t *loop, connection *self)
{
    if (iocp_recv(loop, self->handle, self->data, sizeof self->data, connection__on_received, self,
                  NULL) != IOCP_OK) {
        connection__close(loop, self);
    }
}

/* ---- From the loop that listens to another ---- */

static void IOCP_CALL connection__on_arrived(iocp_loop_t *loop, void *arg)
{
    connection *self = arg;
    int status = iocp_socket_adopt(loop, self->socket, &self->handle);
    if (status == IOCP_OK) {
        connection__receive(loop, self);
        return;
    }
    server__fail(self->server, status);
    closesocket((SOCKET)self->socket);
    free(self);
}

static int connection__hand_over(iocp_loop_t *from, iocp_loop_t *to, connection *self)
{
    int status = iocp_socket_detach(from, self->handle, &self->socket);
    return status != IOCP_OK ? status : iocp_post(to, connection__on_arrived, self);
}

static void server__connected(bench_server *server, iocp_loop_t *loop, iocp_handle_t opened)
{
    connection *self = malloc(sizeof *self);
    if (self == NULL) {
        server__fail(server, IOCP_ENOMEM);
        return;
    }
    self->server = server;
    self->handle = opened;
    iocp_loop_t *to = server->workers[server->next].loop;
    server->next = (server->next + 1) % server->count;
    if (to == loop) {
        connection__receive(loop, self);
        return;
    }
    int status = connection__hand_over(loop, to, self);
    if (status != IOCP_OK) {
        server__fail(server, status);
        free(self);
    }
}

static iocp_action_t IOCP_CALL server__on_accepted(iocp_loop_t *loop, const iocp_result_t *result,
                                                   void *userdata);

static int server__accept(bench_server *server, iocp_loop_t *loop)
{
    int status = iocp_accept(loop, server->listener, server__on_accepted, server, NULL);
    server->accepts += status == IOCP_OK;
    return status;
}

/* As examples/echo_server.c does, and says why. */
static iocp_action_t server__rearm(bench_server *server, iocp_loop_t *loop)
{
    unsigned came_before = server->accepts_came;
    bool is_first = server->turn_ns != iocp_loop_now(loop);
    server->turn_ns = iocp_loop_now(loop);
    server->accepts_came = is_first ? 1 : came_before + 1;
    if (is_first && came_before == 1 && server->accepts > BENCH_ACCEPTS) {
        server->accepts--;
        return IOCP_DISARM;
    }
    if (4 * server->accepts_came >= server->accepts && server->accepts < BENCH_ACCEPTS_MOST) {
        server->accepts_came = 0;
        for (unsigned more = server->accepts; more > 0; more--) {
            int status = server__accept(server, loop);
            if (status != IOCP_OK) {
                server__fail(server, status);
            }
        }
    }
    return IOCP_REARM;
}

static iocp_action_t IOCP_CALL server__on_accepted(iocp_loop_t *loop, const iocp_result_t *result,
                                                   void *userdata)
{
    bench_server *server = userdata;
    if (result->status == IOCP_OK) {
        server__connected(server, loop, result->opened);
        return server->deepens ? server__rearm(server, loop) : IOCP_REARM;
    }
    if (result->status != IOCP_ECANCELED) { /* the end of the loop */
        server__fail(server, result->status);
    }
    return IOCP_DISARM;
}

/* ---- The loops ---- */

static bool server__listen(bench_server *server)
{
    bench_run *run = server->run;
    iocp_loop_t *loop = server->workers[0].loop;
    size_t length = sizeof server->address;
    bool is_good = bench_lib_listen(run, loop, &server->listener) &&
                   bench_check(run,
                               iocp_socket_get_name(loop, server->listener,
                                                    (struct sockaddr *)&server->address, &length),
                               "iocp_socket_get_name");
    for (int i = 0; i < BENCH_ACCEPTS && is_good; i++) {
        is_good = bench_check(run, server__accept(server, loop), "iocp_accept");
    }
    return is_good;
}

bool bench_server_open(bench_server *server, bench_run *run, iocp_loop_t *clients, size_t count)
{
    server->run = run;
    server->clients = clients;
    server->count = count;
    for (size_t i = 0; i < count; i++) {
        if (!bench_lib_open_loop(run, i)) {
            return false;
        }
        server->workers[i].loop = run->loops[i];
    }
    return server__listen(server);
}

static void worker__run(void *arg)
{
    bench_worker *self = arg;
    self->status = iocp_loop_run(self->loop, IOCP_RUN_UNTIL_STOPPED);
}

bool bench_server_start(bench_server *server)
{
    for (size_t i = 0; i < server->count; i++) {
        bench_worker *worker = &server->workers[i];
        worker->is_running = test_thread_start(&worker->thread, worker__run, worker);
        if (!worker->is_running) {
            return bench_fail(server->run, "no thread", (long)i);
        }
    }
    return true;
}

bool bench_server_stop(bench_server *server)
{
    bool is_good = true;
    for (size_t i = 0; i < server->count; i++) {
        bench_worker *worker = &server->workers[i];
        if (worker->is_running) {
            iocp_loop_stop(worker->loop);
            test_thread_join(&worker->thread);
            worker->is_running = false;
            is_good =
                bench_check(server->run, worker->status, "a loop of the server") &&
                bench_check(server->run, iocp_loop_resume(worker->loop), "iocp_loop_resume") &&
                is_good;
        }
    }
    return bench_lib_check(server->run, (int)server->failure, "the server") && is_good;
}
