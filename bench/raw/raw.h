/*
 * What the raw twins share: a completion port used by hand, as one would write it for one program.
 * It asks the port for as many packets at once as can come, as the library does, skips the port
 * where the kernel is done at once, and has one structure for each operation with the OVERLAPPED in
 * front.
 */
#ifndef BENCH_RAW_H
#define BENCH_RAW_H

#include "../bench_win.h"
#include "../harness.h"

#define RAW_BATCH 128 /* iocp_loop_options_t.batch by default */

struct raw_op;

/* `error` is 0 or the NTSTATUS of the operation. */
typedef void (*raw_done_fn)(struct raw_op *op, DWORD bytes, ULONG error);

typedef struct raw_op {
    OVERLAPPED overlapped;
    raw_done_fn done;
    void *owner;
} raw_op;

typedef struct raw_loop {
    bench_run *run;
    HANDLE port;
    bool is_stopped;
    unsigned pending; /* packets that are to come */
    OVERLAPPED_ENTRY entries[RAW_BATCH];
} raw_loop;

bool raw_open(raw_loop *loop, bench_run *run);

/* Wait for what is pending (its sockets are closed already), then close the port. */
void raw_close(raw_loop *loop);

/* How many packets to ask for: those that can come, one at least. */
ULONG raw_capacity(const raw_loop *loop);

/* Dequeue and call `done` until it sets is_stopped. */
bool raw_run(raw_loop *loop);

void raw_fail(raw_loop *loop, const char *what, long code);

/* What became of a call that started an operation. */
typedef enum raw_start {
    RAW_DONE,    /* at once, no packet comes */
    RAW_PENDING, /* a packet comes */
    RAW_FAILED   /* the loop is stopped and the error noted */
} raw_start;

raw_start raw_started(raw_loop *loop, bool is_success, const char *what);
raw_start raw_recv(raw_loop *loop, SOCKET socket, raw_op *op, void *data, ULONG size, DWORD *bytes);
raw_start raw_send(raw_loop *loop, SOCKET socket, raw_op *op, void *data, ULONG size, DWORD *bytes);

/* Have the port get the packets of a socket or file, but for calls that are done at once. */
bool raw_associate(raw_loop *loop, HANDLE handle);

/* A file that others share, to be read. */
bool raw_open_file(raw_loop *loop, const char *path, HANDLE *file);

/* A function of Winsock's provider, such as AcceptEx. */
bool raw_look_up(raw_loop *loop, SOCKET socket, GUID guid, void *function, DWORD size);

/* An overlapped socket for streams or datagrams: SOCK_STREAM, SOCK_DGRAM. */
bool raw_socket(raw_loop *loop, int type, SOCKET *opened);

/* Give it a free port of 127.0.0.1, and tell which. */
bool raw_bind(raw_loop *loop, SOCKET socket, struct sockaddr_in *address);

/* A listener on such a port. */
bool raw_listen(raw_loop *loop, SOCKET *listener, struct sockaddr_in *address);

/* Two connected sockets of the port, without delay of small segments. */
bool raw_pair(raw_loop *loop, SOCKET *client, SOCKET *server);

void raw_close_socket(SOCKET *socket);

#endif
