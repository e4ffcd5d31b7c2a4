/*
 * raw/poll_pingpong: a datagram to and fro between two sockets of somebody else's; the driver is asked for
 * both by one handle of a port.
 */
#include <stdlib.h>
#include <string.h>

#include "../foreign.h"
#include "raw.h"

#define AFD_POLL    0x00012024u
#define AFD_RECEIVE 0x001u

#define STATUS_OF_PENDING ((LONG)0x00000103)

typedef LONG(NTAPI *open_fn)(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *, IO_STATUS_BLOCK *,
                             LARGE_INTEGER *size, ULONG attributes, ULONG sharing,
                             ULONG disposition, ULONG options, void *, ULONG);
typedef LONG(NTAPI *control_fn)(HANDLE, HANDLE event, void *apc, void *apc_context,
                                IO_STATUS_BLOCK *, ULONG request, void *input, ULONG input_size,
                                void *output, ULONG output_size);

/* AFD_POLL_INFO with one handle. */
typedef struct question {
    LARGE_INTEGER timeout;
    ULONG count;
    ULONG is_exclusive;
    HANDLE socket;
    ULONG events;
    LONG status;
} question;

typedef struct end {
    raw_op op;
    SOCKET socket;
    SOCKET base;
    question question;
} end;

typedef struct game {
    raw_loop loop;
    bench_foreign owner;
    HANDLE device;
    control_fn control;
    end ends[2];
    uint64_t left;
} game;

static raw_start end__ask(game *self, end *one)
{
    OVERLAPPED *overlapped = &one->op.overlapped;
    memset(overlapped, 0, sizeof *overlapped);
    overlapped->Internal = (ULONG_PTR)STATUS_OF_PENDING;
    one->question = (question){
        .timeout = {.QuadPart = INT64_MAX},
        .count = 1,
        .socket = (HANDLE)one->base,
        .events = AFD_RECEIVE,
    };
    LONG status = self->control(self->device, NULL, NULL, overlapped,
                                (IO_STATUS_BLOCK *)(void *)overlapped, AFD_POLL, &one->question,
                                sizeof one->question, &one->question, sizeof one->question);
    if (status == STATUS_OF_PENDING) {
        self->loop.pending++;
        return RAW_PENDING;
    }
    if (status != 0) {
        raw_fail(&self->loop, "NtDeviceIoControlFile", status);
        return RAW_FAILED;
    }
    return RAW_DONE;
}

static bool end__take(game *self, end *one)
{
    if (!bench_foreign_recv(one->socket, self->loop.run)) {
        return false;
    }
    if (one == &self->ends[0] && --self->left == 0) {
        self->loop.is_stopped = true;
        return true;
    }
    return bench_foreign_send(one->socket, self->loop.run);
}

static void end__on_ready(raw_op *op, DWORD bytes, ULONG error)
{
    end *one = (end *)(void *)op;
    game *self = op->owner;
    (void)bytes;
    if (error != 0) {
        raw_fail(&self->loop, "poll", (long)error);
        return;
    }
    do {
        if (!end__take(self, one)) {
            self->loop.is_stopped = true;
            return;
        }
    } while (end__ask(self, one) == RAW_DONE);
}

static bool game__open_device(game *self)
{
    static wchar_t path[] = L"\\Device\\Afd\\bench";
    UNICODE_STRING name = {sizeof path - sizeof *path, sizeof path, path};
    OBJECT_ATTRIBUTES object = {.Length = sizeof object, .ObjectName = &name};
    IO_STATUS_BLOCK block;
    HMODULE ntdll = GetModuleHandleW(L"ntdll.dll");
    FARPROC found[] = {GetProcAddress(ntdll, "NtCreateFile"),
                       GetProcAddress(ntdll, "NtDeviceIoControlFile")};
    open_fn open_device;
    memcpy(&open_device, &found[0], sizeof open_device);
    memcpy(&self->control, &found[1], sizeof self->control);
    LONG status = open_device(&self->device, SYNCHRONIZE, &object, &block, NULL, 0,
                              FILE_SHARE_READ | FILE_SHARE_WRITE, 1 /* FILE_OPEN */, 0, NULL, 0);
    return status == 0 ? raw_associate(&self->loop, self->device)
                       : bench_fail(self->loop.run, "NtCreateFile", status);
}

static bool end__open(game *self, end *one, SOCKET socket)
{
    DWORD size = 0;
    one->op.done = end__on_ready;
    one->op.owner = self;
    one->socket = socket;
    if (WSAIoctl(socket, 0x48000022u /* SIO_BASE_HANDLE */, NULL, 0, &one->base, sizeof one->base,
                 &size, NULL, NULL) != 0) {
        return bench_fail(self->loop.run, "SIO_BASE_HANDLE", WSAGetLastError());
    }
    return end__ask(self, one) == RAW_PENDING;
}

static bool game__setup(bench_run *run)
{
    game *self = calloc(1, sizeof *self);
    run->state = self;
    if (self == NULL) {
        return bench_fail(run, "calloc", 0);
    }
    return bench_foreign_open(&self->owner, run) && raw_open(&self->loop, run) &&
           game__open_device(self) && end__open(self, &self->ends[0], self->owner.sockets[0]) &&
           end__open(self, &self->ends[1], self->owner.sockets[1]);
}

static bool game__measure(bench_run *run, uint64_t iterations)
{
    game *self = run->state;
    self->left = iterations;
    return bench_foreign_send(self->owner.sockets[0], run) && raw_run(&self->loop);
}

static void game__teardown(bench_run *run)
{
    game *self = run->state;
    if (self == NULL) {
        return;
    }
    if (self->device != NULL) {
        CancelIoEx(self->device, NULL);
        CloseHandle(self->device);
    }
    raw_close(&self->loop);
    bench_foreign_close(&self->owner);
    free(self);
}

const bench_body bench_raw_poll_pingpong = {
    .setup = game__setup,
    .measure = game__measure,
    .teardown = game__teardown,
};
