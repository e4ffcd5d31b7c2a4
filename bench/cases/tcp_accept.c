/*
 * tcp_accept: a connection is opened, accepted and closed on both sides, on one loop.
 *
 * The client closes with a reset. An orderly end would leave its port in TIME_WAIT, and after some
 * ten thousand operations no port would be free.
 */
#include <stdlib.h>

#include "../bench_win.h"
#include "../cases.h"
#include "lib.h"

typedef struct accepting {
    bench_run *run;
    iocp_handle_t client;
    iocp_handle_t server;
    unsigned waiting; /* callbacks that are missing to the next step */
    uint64_t left;
    struct sockaddr_in address;
} accepting;

static int accepting__connect(iocp_loop_t *loop, accepting *state);

static iocp_action_t IOCP_CALL accepting__on_close(iocp_loop_t *loop, const iocp_result_t *result,
                                                   void *userdata)
{
    accepting *state = userdata;
    int status = result->status;
    if (status == IOCP_OK && --state->waiting == 0) {
        if (--state->left == 0) {
            iocp_loop_stop(loop);
            return IOCP_DISARM;
        }
        status = accepting__connect(loop, state);
    }
    if (status != IOCP_OK) {
        bench_lib_fail(state->run, loop, status, "close");
    }
    return IOCP_DISARM;
}

/* One side is connected; when both are, close both. */
static int accepting__advance(iocp_loop_t *loop, accepting *state)
{
    if (--state->waiting > 0) {
        return IOCP_OK;
    }
    state->waiting = 2;
    int status = iocp_close(loop, state->client, accepting__on_close, state, NULL);
    return status != IOCP_OK ? status
                             : iocp_close(loop, state->server, accepting__on_close, state, NULL);
}

static iocp_action_t IOCP_CALL accepting__on_connect(iocp_loop_t *loop, const iocp_result_t *result,
                                                     void *userdata)
{
    accepting *state = userdata;
    int status = result->status;
    if (status == IOCP_OK) {
        status = accepting__advance(loop, state);
    }
    if (status != IOCP_OK) {
        bench_lib_fail(state->run, loop, status, "connect");
    }
    return IOCP_DISARM;
}

static iocp_action_t IOCP_CALL accepting__on_accept(iocp_loop_t *loop, const iocp_result_t *result,
                                                    void *userdata)
{
    accepting *state = userdata;
    int status = result->status;
    if (status == IOCP_ECANCELED) { /* the end of the loop */
        return IOCP_DISARM;
    }
    if (status == IOCP_OK) {
        state->server = result->opened;
        status = accepting__advance(loop, state);
    }
    if (status != IOCP_OK) {
        bench_lib_fail(state->run, loop, status, "accept");
        return IOCP_DISARM;
    }
    return IOCP_REARM;
}

static int accepting__connect(iocp_loop_t *loop, accepting *state)
{
    state->waiting = 2;
    int status = iocp_socket_open(loop, AF_INET, SOCK_STREAM, 0, &state->client);
    if (status == IOCP_OK) {
        status = iocp_socket_set_option(loop, state->client, IOCP_SOCKET_LINGER, 0);
    }
    if (status == IOCP_OK) {
        status = iocp_connect(loop, state->client, (struct sockaddr *)&state->address,
                              sizeof state->address, accepting__on_connect, state, NULL);
    }
    return status;
}

static bool accepting__setup(bench_run *run)
{
    accepting *state = calloc(1, sizeof *state);
    iocp_handle_t listener = {0};
    size_t length = sizeof state->address;
    run->state = state;
    if (state == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    state->run = run;
    if (!bench_lib_open_loop(run, 0) || !bench_lib_listen(run, run->loops[0], &listener)) {
        return false;
    }
    return bench_check(run,
                       iocp_socket_get_name(run->loops[0], listener,
                                            (struct sockaddr *)&state->address, &length),
                       "iocp_socket_get_name") &&
           bench_check(run, iocp_accept(run->loops[0], listener, accepting__on_accept, state, NULL),
                       "iocp_accept");
}

static bool accepting__measure(bench_run *run, uint64_t iterations)
{
    accepting *state = run->state;
    state->left = iterations;
    return bench_check(run, accepting__connect(run->loops[0], state), "connect") &&
           bench_lib_run(run, run->loops[0]);
}

const bench_body bench_lib_tcp_accept = {
    .setup = accepting__setup,
    .measure = accepting__measure,
    .teardown = bench_lib_close_and_free,
};
