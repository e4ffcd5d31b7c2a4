/*
 * raw/resolve_localhost: the addresses of this machine's own name, one look-up at a time. What the
 * system's resolver calls when it has them posts to the port.
 */
#include <stdlib.h>
#include <string.h>

#include "../cases.h"
#include "raw.h"

typedef struct resolving {
    OVERLAPPED overlapped; /* first: of the look-up */
    raw_loop loop;
    raw_op op;
    ADDRINFOEXW *addresses;
    uint64_t left;
} resolving;

/* On a thread of the system's pool. */
static void CALLBACK resolving__tell(DWORD error, DWORD bytes, LPWSAOVERLAPPED overlapped)
{
    resolving *state = (resolving *)overlapped;
    (void)bytes;
    state->op.overlapped.Internal = error;
    PostQueuedCompletionStatus(state->loop.port, 0, 0, &state->op.overlapped);
}

static void resolving__start(resolving *state)
{
    ADDRINFOEXW hints = {.ai_socktype = SOCK_STREAM};
    HANDLE handle = NULL;
    void(CALLBACK * tell)(DWORD, DWORD, LPWSAOVERLAPPED) = resolving__tell;
    LPLOOKUPSERVICE_COMPLETION_ROUTINE routine; /* for mingw-w64 a pointer to data */
    memcpy(&routine, &tell, sizeof routine);
    memset(&state->overlapped, 0, sizeof state->overlapped);
    state->loop.pending++;
    int error = GetAddrInfoExW(L"localhost", NULL, NS_ALL, NULL, &hints, &state->addresses, NULL,
                               &state->overlapped, routine, &handle);
    if (error != WSA_IO_PENDING) {
        resolving__tell((DWORD)error, 0, &state->overlapped);
    }
}

static void resolving__on_addresses(raw_op *op, DWORD bytes, ULONG error)
{
    resolving *state = op->owner;
    (void)bytes;
    if (error != 0) {
        raw_fail(&state->loop, "GetAddrInfoExW", (long)error);
        return;
    }
    FreeAddrInfoExW(state->addresses);
    state->addresses = NULL;
    if (--state->left > 0) {
        resolving__start(state);
    } else {
        state->loop.is_stopped = true;
    }
}

static bool resolving__setup(bench_run *run)
{
    resolving *state = calloc(1, sizeof *state);
    run->state = state;
    if (state == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    state->op.done = resolving__on_addresses;
    state->op.owner = state;
    return raw_open(&state->loop, run);
}

static bool resolving__measure(bench_run *run, uint64_t iterations)
{
    resolving *state = run->state;
    state->left = iterations;
    resolving__start(state);
    return raw_run(&state->loop);
}

static void resolving__teardown(bench_run *run)
{
    resolving *state = run->state;
    if (state != NULL) {
        raw_close(&state->loop);
    }
    free(state);
}

const bench_body bench_raw_resolve_localhost = {
    .setup = resolving__setup,
    .measure = resolving__measure,
    .teardown = resolving__teardown,
};
