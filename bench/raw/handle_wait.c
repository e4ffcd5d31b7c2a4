/*
 * raw/handle_wait: an event that is set while a port waits for it, through a wait completion packet,
 * or where the system has none through a registered wait whose callback posts.
 */
#include <stdlib.h>
#include <string.h>

#include "../cases.h"
#include "raw.h"

/* Looked up in ntdll.dll; both NULL before Windows 8, and in Wine. */
typedef LONG(NTAPI *create_packet_fn)(HANDLE *packet, ACCESS_MASK access, void *attributes);
typedef LONG(NTAPI *associate_packet_fn)(HANDLE packet, HANDLE port, HANDLE object, void *key,
                                         void *overlapped, LONG status, ULONG_PTR information,
                                         BOOLEAN *is_signaled_already);

typedef struct wait_state {
    raw_loop loop;
    raw_op op;
    HANDLE event;
    HANDLE packet; /* NULL: waits are registered */
    associate_packet_fn associate;
} wait_state;

static void wait__on_packet(raw_op *op, DWORD bytes, ULONG error)
{
    wait_state *state = op->owner;
    (void)bytes;
    (void)error;
    state->loop.is_stopped = true;
}

static bool wait__open_packet(bench_run *run, wait_state *state)
{
    HMODULE ntdll = GetModuleHandleW(L"ntdll.dll");
    FARPROC create = GetProcAddress(ntdll, "NtCreateWaitCompletionPacket");
    FARPROC associate = GetProcAddress(ntdll, "NtAssociateWaitCompletionPacket");
    create_packet_fn create_packet;
    if (create == NULL || associate == NULL) {
        return true;
    }
    memcpy(&create_packet, &create, sizeof create_packet);
    memcpy(&state->associate, &associate, sizeof state->associate);
    LONG status = create_packet(&state->packet, GENERIC_ALL, NULL);
    return status == 0 || bench_fail(run, "NtCreateWaitCompletionPacket", status);
}

static bool wait__setup(bench_run *run)
{
    wait_state *state = calloc(1, sizeof *state);
    run->state = state;
    if (state == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    state->op.done = wait__on_packet;
    state->op.owner = state;
    state->event = CreateEventW(NULL, FALSE, FALSE, NULL);
    return (state->event != NULL || bench_fail(run, "CreateEventW", (long)GetLastError())) &&
           raw_open(&state->loop, run) && wait__open_packet(run, state);
}

static bool wait__set_and_run(wait_state *state)
{
    state->loop.pending++;
    if (!SetEvent(state->event)) {
        return bench_fail(state->loop.run, "SetEvent", (long)GetLastError());
    }
    return raw_run(&state->loop);
}

static bool wait__with_packet(wait_state *state)
{
    LONG status = state->associate(state->packet, state->loop.port, state->event, NULL,
                                   &state->op.overlapped, 0, 0, NULL);
    return status == 0 ? wait__set_and_run(state)
                       : bench_fail(state->loop.run, "NtAssociateWaitCompletionPacket", status);
}

/* On the pool's wait thread. */
static void CALLBACK wait__post(void *context, BOOLEAN is_timeout)
{
    wait_state *state = context;
    (void)is_timeout;
    PostQueuedCompletionStatus(state->loop.port, 0, 0, &state->op.overlapped);
}

static bool wait__registered(wait_state *state)
{
    HANDLE registration = NULL;
    if (!RegisterWaitForSingleObject(&registration, state->event, wait__post, state, INFINITE,
                                     WT_EXECUTEONLYONCE | WT_EXECUTEINWAITTHREAD)) {
        return bench_fail(state->loop.run, "RegisterWaitForSingleObject", (long)GetLastError());
    }
    bool is_good = wait__set_and_run(state);
    return UnregisterWaitEx(registration, INVALID_HANDLE_VALUE)
               ? is_good
               : bench_fail(state->loop.run, "UnregisterWaitEx", (long)GetLastError());
}

static bool wait__measure(bench_run *run, uint64_t iterations)
{
    wait_state *state = run->state;
    bool is_good = true;
    for (uint64_t i = 0; i < iterations && is_good; i++) {
        is_good = state->packet != NULL ? wait__with_packet(state) : wait__registered(state);
    }
    return is_good;
}

static void wait__teardown(bench_run *run)
{
    wait_state *state = run->state;
    if (state == NULL) {
        return;
    }
    raw_close(&state->loop);
    if (state->packet != NULL) {
        CloseHandle(state->packet);
    }
    if (state->event != NULL) {
        CloseHandle(state->event);
    }
    free(state);
}

const bench_body bench_raw_handle_wait = {
    .setup = wait__setup,
    .measure = wait__measure,
    .teardown = wait__teardown,
};
