/*
 * raw/tcp_accept: a connection is opened, accepted and closed on both sides, on one port. The
 * client closes with a reset, as in the library case.
 */
#include <stdlib.h>
#include <string.h>

#include "../cases.h"
#include "raw.h"

#define ADDRESS_BYTES (sizeof(struct sockaddr_storage) + 16)

typedef struct accepting {
    raw_loop loop;
    LPFN_ACCEPTEX accept_ex;
    LPFN_CONNECTEX connect_ex;
    LPFN_GETACCEPTEXSOCKADDRS get_addresses;
    SOCKET listener;
    SOCKET incoming; /* what the pending accept fills */
    SOCKET client;
    SOCKET server;
    raw_op accept;
    raw_op connect;
    unsigned waiting;
    uint64_t left;
    struct sockaddr_in address;
    struct sockaddr_storage peer;
    char addresses[2 * ADDRESS_BYTES];
} accepting;

static bool accepting__bind_any(accepting *state, SOCKET socket)
{
    struct sockaddr_in any = {.sin_family = AF_INET};
    return bind(socket, (struct sockaddr *)&any, sizeof any) == 0 ||
           bench_fail(state->loop.run, "bind", WSAGetLastError());
}

static bool accepting__reset_on_close(accepting *state, SOCKET socket)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    return setsockopt(socket, SOL_SOCKET, SO_LINGER, (const char *)&linger, sizeof linger) == 0 ||
           bench_fail(state->loop.run, "setsockopt", WSAGetLastError());
}

static void accepting__start_connect(accepting *state)
{
    state->waiting = 2;
    if (!raw_socket(&state->loop, SOCK_STREAM, &state->client) ||
        !raw_associate(&state->loop, (HANDLE)state->client) ||
        !accepting__reset_on_close(state, state->client) ||
        !accepting__bind_any(state, state->client)) {
        state->loop.is_stopped = true;
        return;
    }
    memset(&state->connect.overlapped, 0, sizeof state->connect.overlapped);
    BOOL result =
        state->connect_ex(state->client, (struct sockaddr *)&state->address, sizeof state->address,
                          NULL, 0, NULL, &state->connect.overlapped);
    if (raw_started(&state->loop, result, "ConnectEx") == RAW_DONE) {
        state->connect.done(&state->connect, 0, 0);
    }
}

static void accepting__start_accept(accepting *state)
{
    DWORD bytes = 0;
    if (!raw_socket(&state->loop, SOCK_STREAM, &state->incoming)) {
        state->loop.is_stopped = true;
        return;
    }
    memset(&state->accept.overlapped, 0, sizeof state->accept.overlapped);
    BOOL result = state->accept_ex(state->listener, state->incoming, state->addresses, 0,
                                   ADDRESS_BYTES, ADDRESS_BYTES, &bytes, &state->accept.overlapped);
    if (raw_started(&state->loop, result, "AcceptEx") == RAW_DONE) {
        state->accept.done(&state->accept, 0, 0);
    }
}

/* One side is connected; when both are, close both and begin again. */
static void accepting__advance(accepting *state)
{
    if (--state->waiting > 0) {
        return;
    }
    raw_close_socket(&state->client);
    raw_close_socket(&state->server);
    if (--state->left == 0) {
        state->loop.is_stopped = true;
    } else {
        accepting__start_connect(state);
    }
}

static void accepting__on_connect(raw_op *op, DWORD bytes, ULONG error)
{
    accepting *state = op->owner;
    (void)bytes;
    if (error != 0) {
        raw_fail(&state->loop, "connect", (long)error);
    } else if (setsockopt(state->client, SOL_SOCKET, SO_UPDATE_CONNECT_CONTEXT, NULL, 0) != 0) {
        raw_fail(&state->loop, "SO_UPDATE_CONNECT_CONTEXT", WSAGetLastError());
    } else {
        accepting__advance(state);
    }
}

static void accepting__on_accept(raw_op *op, DWORD bytes, ULONG error)
{
    accepting *state = op->owner;
    struct sockaddr *local = NULL;
    struct sockaddr *peer = NULL;
    int local_length = 0;
    int peer_length = 0;
    (void)bytes;
    if (error != 0) {
        raw_fail(&state->loop, "accept", (long)error);
        return;
    }
    state->server = state->incoming;
    state->incoming = INVALID_SOCKET;
    if (setsockopt(state->server, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT,
                   (const char *)&state->listener, sizeof state->listener) != 0) {
        raw_fail(&state->loop, "SO_UPDATE_ACCEPT_CONTEXT", WSAGetLastError());
        return;
    }
    state->get_addresses(state->addresses, 0, ADDRESS_BYTES, ADDRESS_BYTES, &local, &local_length,
                         &peer, &peer_length);
    if (peer != NULL && peer_length > 0 && (size_t)peer_length <= sizeof state->peer) {
        memcpy(&state->peer, peer, (size_t)peer_length);
    }
    accepting__start_accept(state);
    accepting__advance(state);
}

static bool accepting__setup(bench_run *run)
{
    static const GUID accept_guid = WSAID_ACCEPTEX;
    static const GUID connect_guid = WSAID_CONNECTEX;
    static const GUID addresses_guid = WSAID_GETACCEPTEXSOCKADDRS;
    accepting *state = calloc(1, sizeof *state);
    run->state = state;
    if (state == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    state->listener = INVALID_SOCKET;
    state->incoming = INVALID_SOCKET;
    state->client = INVALID_SOCKET;
    state->server = INVALID_SOCKET;
    state->accept.done = accepting__on_accept;
    state->accept.owner = state;
    state->connect.done = accepting__on_connect;
    state->connect.owner = state;
    if (!raw_open(&state->loop, run) ||
        !raw_listen(&state->loop, &state->listener, &state->address) ||
        !raw_associate(&state->loop, (HANDLE)state->listener) ||
        !raw_look_up(&state->loop, state->listener, accept_guid, &state->accept_ex,
                     sizeof state->accept_ex) ||
        !raw_look_up(&state->loop, state->listener, connect_guid, &state->connect_ex,
                     sizeof state->connect_ex) ||
        !raw_look_up(&state->loop, state->listener, addresses_guid, &state->get_addresses,
                     sizeof state->get_addresses)) {
        return false;
    }
    accepting__start_accept(state);
    return run->error[0] == '\0';
}

static bool accepting__measure(bench_run *run, uint64_t iterations)
{
    accepting *state = run->state;
    state->left = iterations;
    accepting__start_connect(state);
    return raw_run(&state->loop);
}

static void accepting__teardown(bench_run *run)
{
    accepting *state = run->state;
    if (state != NULL) {
        raw_close_socket(&state->client);
        raw_close_socket(&state->server);
        raw_close_socket(&state->listener);
        raw_close_socket(&state->incoming);
        raw_close(&state->loop);
    }
    free(state);
}

const bench_body bench_raw_tcp_accept = {
    .setup = accepting__setup,
    .measure = accepting__measure,
    .teardown = accepting__teardown,
};
