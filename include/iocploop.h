/*
 * iocploop: an event loop on Windows I/O completion ports.
 *
 * This header is the manual. Its order: version and capabilities, errors, identifiers and results,
 * the loop, operations, timers, handles, sockets, files, waits and processes, blocking work, waking
 * and posting, statistics.
 *
 * How it works in one paragraph. A program creates a loop and opens sockets and files on it. Each
 * operation (a receive, a timer, a read) is one function call that queues it and returns at once. A
 * tick starts what is queued, asks the completion port what is done, and calls one callback for
 * each operation that ended. The callback answers IOCP_DISARM (done) or IOCP_REARM (the same
 * again).
 *
 * What always holds:
 *  - An operation whose function returned 0 ends in exactly one callback. One whose function
 *    returned an error never calls back.
 *  - No callback runs inside the call that started its operation. Callbacks run in iocp_loop_run,
 *    iocp_loop_tick and iocp_loop_destroy, on the thread that called these.
 *  - A completion that won the race against a cancel is delivered as the success it is.
 *  - The library owns every OVERLAPPED and every out-parameter until the kernel is done with it.
 *    The caller owns data buffers, and leaves them alone until the callback.
 *  - The id of something that is gone is an error (IOCP_ENOENT, IOCP_EBADF), never a crash.
 *  - No hidden threads, no global state, no abort, nothing in DllMain, no timeBeginPeriod. (The
 *    process's own thread pool is used by iocp_work and iocp_file_flush, and for iocp_wait and
 *    iocp_process_wait where the system has no wait completion packets; by nothing else.)
 *
 * Threads. A loop is used by one thread at a time: the *loop thread*. That is the thread inside
 * iocp_loop_run, iocp_loop_tick or iocp_loop_destroy while one of these runs, and otherwise
 * whichever thread calls (the caller makes sure that it is one at a time). Functions marked
 * *any thread* may be called at any time from any thread, but have to return before
 * iocp_loop_destroy frees the loop: see there. Builds without NDEBUG answer IOCP_ETHREAD to a call
 * from the wrong thread.
 *
 * Times are in nanoseconds and their names end in _ns. Sizes are size_t. All functions that return
 * int return 0 or one of the negative IOCP_E codes, unless said otherwise.
 */
#ifndef IOCPLOOP_H
#define IOCPLOOP_H

#include <stddef.h>
#include <stdint.h>

/* The calling convention of every function and callback. */
#if defined(_WIN32)
#define IOCP_CALL __cdecl
#else
#define IOCP_CALL
#endif

/*
 * Nothing needs to be defined to use the library, static or DLL. A program that links to the DLL
 * may define IOCPLOOP_DLLIMPORT, which saves one jump in each call.
 */
#if defined(_WIN32) && defined(IOCPLOOP_DLLIMPORT)
#define IOCP_API __declspec(dllimport)
#else
#define IOCP_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

struct sockaddr; /* <winsock2.h> */

/* ==== Version ================================================================================ */

#define IOCP_VERSION_MAJOR 0
#define IOCP_VERSION_MINOR 1
#define IOCP_VERSION_PATCH 0
#define IOCP_VERSION       (IOCP_VERSION_MAJOR << 16 | IOCP_VERSION_MINOR << 8 | IOCP_VERSION_PATCH)

/*
 * The version of the library that is loaded, in the form of IOCP_VERSION, and as
 * "major.minor.patch". Any thread. The string is static.
 */
IOCP_API uint32_t IOCP_CALL iocp_version(void);
IOCP_API const char *IOCP_CALL iocp_version_string(void);

/* What this system has beyond Windows 10 1607; without it the library takes another way. */
typedef enum iocp_capability {
    IOCP_CAP_WAIT_PACKETS = 1,          /* wait completion packets: waits need no thread */
    IOCP_CAP_HIGH_RESOLUTION_TIMERS = 2 /* waitable timers that do not follow the system's tick */
} iocp_capability_t;

/*
 * The IOCP_CAP_ bits of this system. Any thread.
 * Win32: NtAssociateWaitCompletionPacket (Windows 8, not documented for programs before 10),
 * CREATE_WAITABLE_TIMER_HIGH_RESOLUTION (Windows 10 1803).
 */
IOCP_API uint32_t IOCP_CALL iocp_capabilities(void);

/* ==== Errors ================================================================================= */

/*
 * Portable codes: what a call returns and what iocp_result_t.status holds. The raw code (Win32 or
 * Winsock) is beside it: iocp_result_t.native_error, iocp_loop_native_error. A raw code that this
 * list does not know is IOCP_EUNKNOWN; one of 0x80000000 and more is an NTSTATUS that has no Win32
 * code here. Values never change, new ones come at the end.
 */
typedef enum iocp_error {
    IOCP_OK = 0,
    IOCP_EINVAL = -1,           /* an argument is NULL, out of range or self-contradictory */
    IOCP_ENOMEM = -2,           /* the allocator or the system has no memory */
    IOCP_EBADF = -3,            /* the handle is closed, closing, or never was */
    IOCP_ENOENT = -4,           /* the operation has ended, or never was */
    IOCP_EBUSY = -5,            /* not now: nested run, destroy in a callback, in use elsewhere */
    IOCP_ECLOSING = -6,         /* the loop is being destroyed and takes no new work */
    IOCP_ETHREAD = -7,          /* called from another thread than the loop's (debug builds) */
    IOCP_ENOTSUP = -8,          /* this kind of handle or operation, or this system, cannot do it */
    IOCP_EUNKNOWN = -9,         /* an error this list does not name: look at the raw code */
    IOCP_ECANCELED = -10,       /* this program cancelled it, or closed its handle or loop */
    IOCP_ETIMEDOUT = -11,       /* its deadline passed, or the network gave up */
    IOCP_EOF = -12,             /* the end of the stream or file */
    IOCP_EACCES = -13,          /* permission denied */
    IOCP_EADDRINUSE = -14,      /* the address is in use */
    IOCP_EADDRNOTAVAIL = -15,   /* the address is not one of this machine */
    IOCP_EAFNOSUPPORT = -16,    /* the address family is not supported, or not the socket's */
    IOCP_EALREADY = -17,        /* the same operation is in progress already */
    IOCP_ECONNABORTED = -18,    /* aborted by the local system, without this program asking */
    IOCP_ECONNREFUSED = -19,    /* nobody listens there */
    IOCP_ECONNRESET = -20,      /* the peer reset the connection */
    IOCP_EDESTADDRREQ = -21,    /* a destination address is needed */
    IOCP_EFAULT = -22,          /* a buffer is not readable or writable memory */
    IOCP_EHOSTUNREACH = -23,    /* no route to the host */
    IOCP_EISCONN = -24,         /* the socket or pipe is connected already */
    IOCP_EMFILE = -25,          /* too many open handles */
    IOCP_EMSGSIZE = -26,        /* a message is longer than the buffer or the protocol's limit */
    IOCP_ENETDOWN = -27,        /* the network is down */
    IOCP_ENETRESET = -28,       /* ended by the network: no answer to keep-alive, or went too far */
    IOCP_ENETUNREACH = -29,     /* no route to the network */
    IOCP_ENOBUFS = -30,         /* no buffer space in the system or network stack: try later */
    IOCP_ENOPROTOOPT = -31,     /* the protocol does not have this option */
    IOCP_ENOTCONN = -32,        /* the socket or pipe is not connected */
    IOCP_ENOTSOCK = -33,        /* not a socket */
    IOCP_EPIPE = -34,           /* this side was shut down, or nobody reads the pipe */
    IOCP_EPROTONOSUPPORT = -35, /* the protocol is not supported */
    IOCP_EPROTOTYPE = -36,      /* the protocol does not fit the socket's type */
    IOCP_EAGAIN = -37,          /* a resource is short for the moment: try again later */
    IOCP_ENOTOVERLAPPED = -38,  /* the handle was opened for synchronous use only */
    IOCP_ENOTFOUND = -39,       /* no such file or folder */
    IOCP_EEXIST = -40,          /* the file exists already */
    IOCP_ENOSPC = -41,          /* the disk, a quota, or the file itself can take no more */
    IOCP_ENAMETOOLONG = -42,    /* the path is too long for the file system */
    IOCP_EIO = -43,             /* the device failed */
    IOCP_EASYNC = -44,          /* the loop still has asyncs: destroy them first */
    IOCP_ENOTFOLDER = -45,      /* a folder is needed, and this is none */
    IOCP_EISFOLDER = -46,       /* this is a folder, and none can be used here */
    IOCP_ENOTEMPTY = -47,       /* the folder is not empty */
    IOCP_EXDEV = -48,           /* from one volume to another: copy, then remove */
    IOCP_ELOOP = -49,           /* too many links, or one that leads nowhere */
    IOCP_ENONAME = -50,         /* no host, or no service, has this name */
    IOCP_ENOADDRESS = -51,      /* the name exists, and has no address of this family */
    IOCP_ENOEXEC = -52,         /* not a program that this system can run */
    IOCP_EELEVATION = -53       /* the program asks for an administrator's rights */
} iocp_error_t;

/*
 * The name of a code ("IOCP_EINVAL") and a sentence about it. An unknown code gets
 * "IOCP_E?" and "unknown error code". Any thread. The strings are static, never NULL.
 */
IOCP_API const char *IOCP_CALL iocp_error_name(int error);
IOCP_API const char *IOCP_CALL iocp_error_text(int error);

/* ==== Identifiers and results ================================================================ */

typedef struct iocp_loop iocp_loop_t;   /* opaque */
typedef struct iocp_async iocp_async_t; /* opaque */

/*
 * Operations and handles are named by value. Each id is given out once in the life of a loop, so
 * the id of something that has ended finds nothing. An id means nothing on another loop. {0} names
 * nothing.
 */
typedef struct iocp_op {
    uint64_t id;
} iocp_op_t;

typedef struct iocp_handle {
    uint64_t id;
} iocp_handle_t;

/* A piece of memory, laid out as WSABUF. */
typedef struct iocp_buf {
    uint32_t length;
    void *base;
} iocp_buf_t;

/* The longest list of buffers that one operation takes. */
#define IOCP_BUFFERS_MAX 1024

/* What an operation is. */
typedef enum iocp_type {
    IOCP_TYPE_NOP = 1,
    IOCP_TYPE_TIMER = 2,
    IOCP_TYPE_CANCEL = 3,
    IOCP_TYPE_ASYNC_WAIT = 4,
    IOCP_TYPE_CLOSE = 5,
    IOCP_TYPE_ACCEPT = 6,
    IOCP_TYPE_CONNECT = 7,
    IOCP_TYPE_SEND = 8,
    IOCP_TYPE_RECV = 9,
    IOCP_TYPE_SHUTDOWN = 10,
    IOCP_TYPE_SENDTO = 11,
    IOCP_TYPE_RECVFROM = 12,
    IOCP_TYPE_READ = 13,
    IOCP_TYPE_WRITE = 14,
    IOCP_TYPE_PREAD = 15,
    IOCP_TYPE_PWRITE = 16,
    IOCP_TYPE_FLUSH = 17,
    IOCP_TYPE_DRAIN = 18,
    IOCP_TYPE_WAIT = 19,
    IOCP_TYPE_PROCESS_WAIT = 20,
    IOCP_TYPE_JOB_WATCH = 21,
    IOCP_TYPE_WORK = 22
} iocp_type_t;

/* Bits of iocp_result_t.flags. */
typedef enum iocp_result_flag {
    IOCP_RESULT_INLINE = 1,    /* done within the call that started it; no packet was queued */
    IOCP_RESULT_TRUNCATED = 2, /* the datagram was longer than the buffer; the rest is lost */
    IOCP_RESULT_MORE = 4       /* the pipe's message is longer; the rest comes with the next read */
} iocp_result_flag_t;

/*
 * What a callback is told. It belongs to the library, is read-only, and ends with the callback.
 * Later versions add members at the end.
 */
typedef struct iocp_result {
    iocp_op_t op;         /* the operation; its id stays good if it is rearmed */
    iocp_handle_t handle; /* what it ran on, or {0} */
    iocp_type_t type;
    int status;            /* 0, or an IOCP_E code */
    uint32_t native_error; /* the raw code behind status, 0 if there is none */
    uint32_t flags;        /* IOCP_RESULT_ bits */
    uint64_t bytes;        /* transferred; may be non-zero beside an error (part sent) */
    uint64_t value;        /* process_wait: the exit code; job_watch: the process's id; work: its
                              answer */
    uint32_t event;        /* job_watch: which message, JOB_OBJECT_MSG_ of <winnt.h> */
    uint32_t reserved;     /* 0 */
    iocp_handle_t opened;  /* accept: the connection. The callback's: use it or close it */
    const struct sockaddr *address; /* accept: the peer; recvfrom: the sender; otherwise NULL */
    size_t address_length;          /* its size in bytes */
} iocp_result_t;

typedef enum iocp_action {
    IOCP_DISARM = 0, /* the operation is over, its id is stale from now on */
    IOCP_REARM = 1 /* start it again with the same arguments, in the next tick, under the same id */
} iocp_action_t;

/*
 * The end of an operation. Runs on the loop thread. Every function of this library may be called
 * in it, except those that run or destroy this loop (they answer IOCP_EBUSY).
 *
 * IOCP_REARM works after every status, so a callback that rearms without looking at the status can
 * be called once in each tick. It is taken as IOCP_DISARM for iocp_cancel and iocp_close, on a
 * handle that is closing, for a wait whose async is gone, and while the loop is being destroyed.
 */
typedef iocp_action_t(IOCP_CALL *iocp_callback_t)(iocp_loop_t *loop, const iocp_result_t *result,
                                                  void *userdata);

/* ==== The loop =============================================================================== */

/*
 * Memory comes from these, or from malloc and free if they are NULL (set both or none). As malloc
 * they give memory aligned for any type, or NULL if there is none; `free` never gets NULL. They
 * must not call the loop. N.B. iocp_post may allocate: they are called on any thread.
 */
typedef void *(IOCP_CALL *iocp_allocate_fn)(size_t size, void *context);
typedef void(IOCP_CALL *iocp_free_fn)(void *memory, void *context);

/* How completions of operations that the kernel finishes at once come back. */
typedef enum iocp_completion_mode {
    IOCP_COMPLETION_AUTO = 0,   /* skip the port where the socket's provider allows it */
    IOCP_COMPLETION_PACKET = 1, /* always through the port */
    IOCP_COMPLETION_SKIP = 2    /* skip the port on every socket, without asking the provider */
} iocp_completion_mode_t;

/*
 * How a loop sleeps until a time. Whatever the method, no timer is early. The first two are as
 * exact as the system's waitable timers: better than a millisecond with
 * IOCP_CAP_HIGH_RESOLUTION_TIMERS.
 */
typedef enum iocp_sleep_method {
    IOCP_SLEEP_AUTO = 0,        /* the first of these that the system has */
    IOCP_SLEEP_WAIT_PACKET = 1, /* a waitable timer whose packet comes to the port */
    IOCP_SLEEP_APC = 2,         /* a waitable timer whose APC ends the wait for packets */
    IOCP_SLEEP_PORT = 3 /* the port's own time limit: late by up to the system's tick, 16 ms */
} iocp_sleep_method_t;

/*
 * Set size to sizeof(iocp_loop_options_t) and everything else to 0 for the defaults. A structure
 * of a later version is taken as long as what this version does not know in it is 0.
 */
typedef struct iocp_loop_options {
    uint32_t size;
    uint32_t batch;            /* what a step of a turn handles. 0: 128, most: 4096 */
    uint32_t completion_mode;  /* iocp_completion_mode_t */
    uint32_t sleep_method;     /* iocp_sleep_method_t */
    iocp_allocate_fn allocate; /* NULL: malloc */
    iocp_free_fn free;         /* NULL: free */
    void *allocator_context;
} iocp_loop_options_t;

/*
 * Create a loop: one completion port, no thread. `options` may be NULL and is copied.
 * Any thread. Errors: IOCP_EINVAL, IOCP_ENOMEM, IOCP_ENOTSUP (a sleep_method that this system does
 * not have), or what the system said.
 * Win32: CreateIoCompletionPort, WSAStartup, CreateWaitableTimerExW.
 */
IOCP_API int IOCP_CALL iocp_loop_create(const iocp_loop_options_t *options, iocp_loop_t **loop);

/*
 * End a loop. Refuses new work from here on (IOCP_ECLOSING), ends every pending operation as
 * IOCP_ECANCELED (or with its true result if that was quicker), closes every handle, runs all
 * callbacks and posted functions, and frees the loop once the kernel has given everything back.
 * Works on a stopped loop too.
 *
 * Loop thread. Waits at most `timeout_ns` for the kernel (UINT64_MAX: as long as it takes).
 * Returns 0: everything is back and the loop is gone. IOCP_ETIMEDOUT: something did not come back;
 * the loop stays, so that nothing writes to freed memory; iocp_loop_dump tells what it is, and
 * iocp_loop_destroy can be called again. IOCP_EBUSY: called from a callback (nothing has happened),
 * or asyncs still exist (destroy them, then call again). Or what the system said of the port (call
 * it again).
 * N.B. No thread may be inside a call on the loop, or begin one, when this returns 0. To wait for
 * IOCP_ECLOSING does not do, since that call may come too late: end such threads first, or let the
 * loop have an async until they have ended, since with one it is not freed.
 */
IOCP_API int IOCP_CALL iocp_loop_destroy(iocp_loop_t *loop, uint64_t timeout_ns);

typedef enum iocp_run_mode {
    IOCP_RUN_NO_WAIT = 0,   /* one tick that does not sleep */
    IOCP_RUN_ONCE = 1,      /* tick until at least one callback or posted function has run */
    IOCP_RUN_UNTIL_DONE = 2 /* until no operation keeps the loop running, or it is stopped */
} iocp_run_mode_t;

/*
 * Run the loop on the calling thread. All modes return when the loop is stopped, or when no
 * operation is left that keeps it running.
 * Errors: IOCP_EINVAL, IOCP_EBUSY (from a callback of this loop), or what the system said of the
 * port (nothing is lost, the call can be repeated).
 */
IOCP_API int IOCP_CALL iocp_loop_run(iocp_loop_t *loop, iocp_run_mode_t mode);

/*
 * One turn, in this order: cancellations and deadlines, starts of queued operations, due timers,
 * ready results, posted functions and asyncs, one dequeue of the port, ready results again. Each
 * step handles what was there when it began. Those that run callbacks, and the dequeue, handle at
 * most one batch of it; the first two, which run none, handle all of it.
 *
 * With `wait` 0 the turn never sleeps and always asks the port if anything is in the kernel.
 * Otherwise turns are repeated, sleeping when nothing is ready, until `wait` callbacks or posted
 * functions have run, or the loop is stopped or has nothing left to wait for. While work is ready
 * that needs no packet, these turns put the dequeue off until a batch of callbacks has run.
 * A turn in which nothing is in the kernel makes no system call but reading the clock.
 * Loop thread. Errors as iocp_loop_run.
 */
IOCP_API int IOCP_CALL iocp_loop_tick(iocp_loop_t *loop, uint32_t wait);

/*
 * Start what is queued, as a tick would, and run no callback: an operation that is done or has
 * failed at once is ready then, for the next step that delivers results. Works on a stopped loop,
 * too. Loop thread, also in callbacks. Errors: IOCP_EINVAL.
 */
IOCP_API int IOCP_CALL iocp_loop_submit(iocp_loop_t *loop);

/*
 * Stop the loop: no further callback runs, also of a batch that is being delivered, and running
 * functions return. It stays stopped until iocp_loop_resume; nothing is lost meanwhile.
 * Any thread. Errors: IOCP_EINVAL.
 */
IOCP_API int IOCP_CALL iocp_loop_stop(iocp_loop_t *loop);
IOCP_API int IOCP_CALL iocp_loop_resume(iocp_loop_t *loop);

/* 1 if the loop is stopped, 0 if not (or loop is NULL). Any thread. */
IOCP_API int IOCP_CALL iocp_loop_stopped(const iocp_loop_t *loop);

/*
 * The raw code behind the last error that the system gave to a call on this loop, 0 if there was
 * none. Errors that the library found itself (IOCP_EINVAL, IOCP_EBADF ...) leave it. Loop thread.
 */
IOCP_API uint32_t IOCP_CALL iocp_loop_native_error(const iocp_loop_t *loop);

/*
 * The loop's time in nanoseconds: monotonic, from an arbitrary origin, never 0. The clock is read
 * when a turn needs the time and after each sleep, and by calls that set a time from now on;
 * iocp_loop_update_now reads it again. 0 only if loop is NULL.
 * N.B. It goes on while the machine is suspended, but the sleep of a loop does not: afterwards
 * what is overdue runs with the next thing that wakes the loop. A program that cannot wait for that
 * posts a function when the system resumes (PowerRegisterSuspendResumeNotification).
 * Loop thread. Win32: QueryPerformanceCounter.
 */
IOCP_API uint64_t IOCP_CALL iocp_loop_now(const iocp_loop_t *loop);
IOCP_API void IOCP_CALL iocp_loop_update_now(iocp_loop_t *loop);

/* How many operations keep IOCP_RUN_UNTIL_DONE going (see iocp_op_unref). Loop thread. */
IOCP_API size_t IOCP_CALL iocp_loop_active(const iocp_loop_t *loop);

/*
 * When the loop must be ticked next if nothing else happens, on the clock of iocp_loop_now: the
 * present if work is ready, or the loop is stopped. For programs that have a loop of their own:
 *
 *   iocp_loop_tick(loop, 0), until this answers a time to come, or IOCP_ENOENT (to be compared
 *   with iocp_loop_now behind iocp_loop_update_now);
 *   then wait for iocp_loop_native_port and all other things, until that time.
 *
 * From this call on, outside callbacks, a post, a notify or a stop puts a packet into the port;
 * before it they need not.
 * Loop thread. Errors: IOCP_ENOENT if there is no such time.
 */
IOCP_API int IOCP_CALL iocp_loop_next_deadline(const iocp_loop_t *loop, uint64_t *when_ns);

/*
 * The completion port, a HANDLE that belongs to the loop. It is signaled while there are packets in
 * it, so that it can be waited for; Microsoft does not document that. The documented way is a
 * thread that takes a packet by GetQueuedCompletionStatus, posts it back as it is, and then has the
 * loop thread tick before it goes on. Packets with a key of the program's own are dropped and
 * counted (iocp_stats_t.foreign_packets). Loop thread.
 */
IOCP_API int IOCP_CALL iocp_loop_native_port(const iocp_loop_t *loop, void **handle);

/* ==== Operations ============================================================================= */

/*
 * Each function with a callback, here and in the sections below, queues one operation and returns
 * at once. `callback` must not be NULL unless said otherwise; `op` may be NULL, and gets the
 * operation's id. Loop thread.
 *
 * Memory: addresses and lists of buffers are copied by the call. The data behind a buffer is the
 * caller's; it must stay in place and untouched until the callback, also when the operation was
 * cancelled or its handle closed.
 *
 * Every function may return IOCP_EINVAL, IOCP_ENOMEM, IOCP_ECLOSING; those that take a handle
 * also IOCP_EBADF and, if its kind does not fit, IOCP_ENOTSUP.
 *
 * N.B. Callbacks of several operations come in no certain order, also on one handle, unless the
 * operation says so: one that is done at once may be told before an earlier one whose packet is
 * still in the port.
 */

/* Nothing, done when it is started: a callback on a fresh stack. */
IOCP_API int IOCP_CALL iocp_nop(iocp_loop_t *loop, iocp_callback_t callback, void *userdata,
                                iocp_op_t *op);

/*
 * Ask an operation to end. Its own callback says how it ended: IOCP_ECANCELED, or its true result
 * if that was quicker. A queued operation never starts; one in the kernel is asked with CancelIoEx.
 * This call's own callback, which may be NULL, gets status 0 (asked), IOCP_ENOENT (the operation
 * has ended, its callback is due or running, or it never was), IOCP_ENOTSUP (a close cannot be
 * taken back), or what the kernel said. Cancels are handled first in a tick.
 * N.B. One that came too late is forgotten: after IOCP_REARM the operation goes on.
 * N.B. A send that is cancelled, also by its deadline, may have gone out in part. Nothing but
 * closing the connection makes sense after that.
 */
IOCP_API int IOCP_CALL iocp_cancel(iocp_loop_t *loop, iocp_op_t target, iocp_callback_t callback,
                                   void *userdata, iocp_op_t *op);

/*
 * End an operation with IOCP_ETIMEDOUT if it has not ended in `delay_ns` from now. Replaces an
 * earlier deadline; UINT64_MAX takes it away. A deadline holds for one run of the operation: after
 * IOCP_REARM it must be set again, which its callback may do.
 * Loop thread. Errors: IOCP_ENOENT (also if its callback is due), IOCP_ENOTSUP (a close or a
 * cancel), IOCP_ENOMEM.
 */
IOCP_API int IOCP_CALL iocp_op_deadline(iocp_loop_t *loop, iocp_op_t op, uint64_t delay_ns);

/*
 * Whether an operation keeps IOCP_RUN_UNTIL_DONE going. It does, until iocp_op_unref.
 * Calling either twice is the same as once. Loop thread. Errors: IOCP_ENOENT.
 */
IOCP_API int IOCP_CALL iocp_op_unref(iocp_loop_t *loop, iocp_op_t op);
IOCP_API int IOCP_CALL iocp_op_ref(iocp_loop_t *loop, iocp_op_t op);

typedef enum iocp_op_state {
    IOCP_OP_DEAD = 0,   /* ended, or never was */
    IOCP_OP_ADDING = 1, /* queued, or waiting its turn on its handle: not started */
    IOCP_OP_ACTIVE = 2  /* started; until its callback has disarmed it */
} iocp_op_state_t;

/* An iocp_op_state_t, or IOCP_EINVAL if loop is NULL. Loop thread. */
IOCP_API int IOCP_CALL iocp_op_state(iocp_loop_t *loop, iocp_op_t op);

/* ==== Timers ================================================================================= */

/*
 * Call back after `delay_ns`, never earlier. The delay counts from the operation's start: the next
 * tick or iocp_loop_submit. Timers fire in order of time, equal times in order of adding.
 *
 * IOCP_REARM repeats it without drift: the next time is the previous due time plus `delay_ns`. A
 * timer that fell behind skips the times that have passed. A delay of 0 rearmed fires once in each
 * tick. One of UINT64_MAX never fires, until it is reset or cancelled.
 */
IOCP_API int IOCP_CALL iocp_timer(iocp_loop_t *loop, uint64_t delay_ns, iocp_callback_t callback,
                                  void *userdata, iocp_op_t *op);

/*
 * Give a pending timer a new delay, counted from now (from its start if it is still queued). It
 * keeps its id and has no extra callback. Constant time where the timer moves later. In the timer's
 * own callback: IOCP_REARM then starts it anew with this delay, counted from the end of the
 * callback.
 * Loop thread. Errors: IOCP_ENOENT (it has ended: add a new one), IOCP_EINVAL (not a timer),
 * IOCP_ENOMEM, IOCP_EBUSY (its callback is due).
 */
IOCP_API int IOCP_CALL iocp_timer_reset(iocp_loop_t *loop, iocp_op_t op, uint64_t delay_ns);

/* ==== Handles ================================================================================ */

/*
 * Close a handle. From this call on the handle takes no new operation (IOCP_EBADF). Everything
 * pending on it is cancelled, and the close calls back last, after every other operation of the
 * handle. `callback` may be NULL.
 * N.B. Data that is still being sent is lost. For an orderly end wait for the sends, call
 * iocp_shutdown and receive until IOCP_EOF first.
 * Win32: CancelIoEx, and closesocket or CloseHandle once every packet is back.
 */
IOCP_API int IOCP_CALL iocp_close(iocp_loop_t *loop, iocp_handle_t handle, iocp_callback_t callback,
                                  void *userdata, iocp_op_t *op);

/*
 * Take over an overlapped HANDLE of a file or a pipe, which belongs to the loop from here on
 * (unless this fails). A file is read and written from its beginning; one that was opened to append
 * only (FILE_APPEND_DATA without FILE_WRITE_DATA) appends. A pipe takes iocp_read and iocp_write.
 * The handle is not inherited by child processes from here on, also if this fails.
 * Loop thread. Errors: IOCP_ENOTOVERLAPPED (opened without FILE_FLAG_OVERLAPPED: its operations
 * would block the loop, and no packet would come), IOCP_ENOTSUP (neither a file nor a pipe: a
 * console, say), IOCP_EINVAL (a socket, or bound to another completion port), IOCP_EBADF,
 * IOCP_ENOMEM, IOCP_ECLOSING.
 * Win32: GetFileType, NtQueryInformationFile, CreateIoCompletionPort.
 */
IOCP_API int IOCP_CALL iocp_handle_adopt(iocp_loop_t *loop, void *native, iocp_handle_t *handle);

/*
 * Back-pressure. `*bytes` gets what is queued to go out on the handle: the bytes of every send,
 * sendto, write and pwrite that was accepted and has not called back. `*most` gets the high-water
 * mark: the most that it has been since the handle was opened or this was last asked with `most`.
 * Either may be NULL. Loop thread. Errors: IOCP_EBADF.
 */
IOCP_API int IOCP_CALL iocp_handle_queued(iocp_loop_t *loop, iocp_handle_t handle, uint64_t *bytes,
                                          uint64_t *most);

/*
 * Call back as soon as at most `bytes` are queued to go out on the handle; at 0, when everything
 * has. A sender that stops at a high-water mark of its own and goes on after the drain to a lower
 * one holds no more memory than that, however slow the reader is.
 */
IOCP_API int IOCP_CALL iocp_drain(iocp_loop_t *loop, iocp_handle_t handle, uint64_t bytes,
                                  iocp_callback_t callback, void *userdata, iocp_op_t *op);

/*
 * The native handle: a SOCKET (as a pointer) or a HANDLE. It stays the loop's: do not close it.
 * N.B. Start no overlapped call of your own on it unless the lowest bit of its hEvent is set: the
 * loop would take its OVERLAPPED for one of its own, and write beside it.
 * Loop thread. Errors: IOCP_EBADF.
 */
IOCP_API int IOCP_CALL iocp_handle_native(iocp_loop_t *loop, iocp_handle_t handle, void **native);

/* ==== Sockets ================================================================================ */

/*
 * Open a socket: `family` AF_INET or AF_INET6; `type` SOCK_STREAM (TCP) or SOCK_DGRAM (UDP);
 * `protocol` 0 or the one that belongs to the type (values of <winsock2.h>). Not inheritable by
 * child processes. AF_INET6 sockets are IPv6 only unless IOCP_SOCKET_V6ONLY is set to 0.
 *
 * Operations of a stream: accept, connect, send, recv, shutdown. Of a datagram socket: sendto,
 * recvfrom; connect, which names the peer for send and recv and exchanges no packet; send, recv.
 *
 * Loop thread. Errors: IOCP_EINVAL, IOCP_ENOMEM, IOCP_ECLOSING, IOCP_EAFNOSUPPORT,
 * IOCP_EPROTONOSUPPORT, IOCP_ENOTSUP (another type), IOCP_EMFILE, IOCP_ENOBUFS.
 * Win32: WSASocketW, CreateIoCompletionPort, SetFileCompletionNotificationModes.
 */
IOCP_API int IOCP_CALL iocp_socket_open(iocp_loop_t *loop, int family, int type, int protocol,
                                        iocp_handle_t *handle);

/*
 * Take over an overlapped stream or datagram SOCKET, which belongs to the loop from here on (unless
 * this fails). It must not belong to another completion port. It is not inheritable by child
 * processes from here on, also if this fails. Loop thread. Errors: IOCP_ENOTSOCK, IOCP_EINVAL
 * (bound to another port), as iocp_socket_open.
 */
IOCP_API int IOCP_CALL iocp_socket_adopt(iocp_loop_t *loop, uintptr_t socket,
                                         iocp_handle_t *handle);

/*
 * Give an accepted socket back, with which nothing has been done yet: it is not bound to this
 * loop's port and can be adopted by another loop. The handle is gone afterwards.
 * Loop thread. Errors: IOCP_EBADF, IOCP_EBUSY (it has been used here: Windows keeps it bound).
 */
IOCP_API int IOCP_CALL iocp_socket_detach(iocp_loop_t *loop, iocp_handle_t handle,
                                          uintptr_t *socket);

/*
 * Bind to a local address, which is copied; listen for connections, `backlog` of which may wait for
 * an accept (0: the system's largest). Loop thread. Errors: IOCP_EINVAL (bound already; to listen:
 * not bound), IOCP_EBADF, IOCP_ENOTSUP (not a socket; a datagram socket does not listen),
 * IOCP_EISCONN (to listen), IOCP_EADDRINUSE, IOCP_EADDRNOTAVAIL, IOCP_EACCES, IOCP_EFAULT (the
 * address is too short), IOCP_ENOMEM. Win32: bind, listen.
 */
IOCP_API int IOCP_CALL iocp_socket_bind(iocp_loop_t *loop, iocp_handle_t handle,
                                        const struct sockaddr *address, size_t length);
IOCP_API int IOCP_CALL iocp_socket_listen(iocp_loop_t *loop, iocp_handle_t handle, int backlog);

/*
 * The socket's own and its peer's address. `*length` is the size of `address` before and of what
 * was written after the call. Loop thread. Errors: IOCP_EFAULT (too small), IOCP_ENOTCONN,
 * IOCP_EINVAL (not bound). Win32: getsockname, getpeername.
 */
IOCP_API int IOCP_CALL iocp_socket_get_name(iocp_loop_t *loop, iocp_handle_t handle,
                                            struct sockaddr *address, size_t *length);
IOCP_API int IOCP_CALL iocp_socket_get_peer(iocp_loop_t *loop, iocp_handle_t handle,
                                            struct sockaddr *address, size_t *length);

typedef enum iocp_socket_option {
    IOCP_SOCKET_NODELAY = 1,       /* 0 or 1: TCP_NODELAY */
    IOCP_SOCKET_KEEPALIVE = 2,     /* 0 or 1: SO_KEEPALIVE */
    IOCP_SOCKET_RECV_BUFFER = 3,   /* bytes: SO_RCVBUF */
    IOCP_SOCKET_SEND_BUFFER = 4,   /* bytes: SO_SNDBUF */
    IOCP_SOCKET_LINGER = 5,        /* seconds, or -1 for off: SO_LINGER. 0: close resets.
                                    N.B. More than 0: a close keeps the loop waiting, so long */
    IOCP_SOCKET_V6ONLY = 6,        /* 0 or 1, before bind: IPV6_V6ONLY. 0: dual stack */
    IOCP_SOCKET_EXCLUSIVE = 7,     /* 0 or 1, before bind: SO_EXCLUSIVEADDRUSE */
    IOCP_SOCKET_REUSE_ADDRESS = 8, /* 0 or 1, before bind: SO_REUSEADDR, which takes a port over */
    IOCP_SOCKET_ERROR = 9,         /* get only: SO_ERROR, a raw Winsock code */
    /* Datagram sockets: */
    IOCP_SOCKET_BROADCAST = 10,      /* 0 or 1: SO_BROADCAST */
    IOCP_SOCKET_MULTICAST_LOOP = 11, /* 0 or 1: whether this host gets what it sends to a group */
    IOCP_SOCKET_MULTICAST_HOPS = 12, /* 0 to 255: how far what is sent to a group goes */
    IOCP_SOCKET_UNREACHABLE = 13     /* 0 (default): that nobody listens where a datagram was sent,
                                        or that it went too far, is ignored; 1: a receive then ends
                                        with IOCP_ECONNRESET or IOCP_ENETRESET, the next goes on.
                                        SIO_UDP_CONNRESET, SIO_UDP_NETRESET. Set only. */
} iocp_socket_option_t;

/*
 * Options of a socket. For others use setsockopt on iocp_handle_native. Loop thread.
 * Errors: IOCP_EINVAL (no such option, or a bad value), IOCP_ENOPROTOOPT.
 */
IOCP_API int IOCP_CALL iocp_socket_set_option(iocp_loop_t *loop, iocp_handle_t handle,
                                              iocp_socket_option_t option, int value);
IOCP_API int IOCP_CALL iocp_socket_get_option(iocp_loop_t *loop, iocp_handle_t handle,
                                              iocp_socket_option_t option, int *value);

/*
 * Accept one connection. The result holds the new handle and the peer's address. The new socket
 * belongs to no completion port until its first operation here, so iocp_socket_detach can hand it
 * to another loop. Several accepts may be pending; a failed one leaves the listener as it is.
 * With IOCP_REARM the next connection comes to the same callback.
 * N.B. The opened handle is the callback's: use it or close it.
 * Win32: AcceptEx, SO_UPDATE_ACCEPT_CONTEXT.
 */
IOCP_API int IOCP_CALL iocp_accept(iocp_loop_t *loop, iocp_handle_t listener,
                                   iocp_callback_t callback, void *userdata, iocp_op_t *op);

/*
 * Connect to an address, which is copied. A socket that is not bound is bound to any address first.
 * Never blocks. Errors in the result: IOCP_ECONNREFUSED, IOCP_EHOSTUNREACH, IOCP_ETIMEDOUT and
 * others.
 * Win32: ConnectEx, SO_UPDATE_CONNECT_CONTEXT.
 */
IOCP_API int IOCP_CALL iocp_connect(iocp_loop_t *loop, iocp_handle_t handle,
                                    const struct sockaddr *address, size_t length,
                                    iocp_callback_t callback, void *userdata, iocp_op_t *op);

/*
 * Send all of the data. What is sent on one socket goes out in the order of the calls; the
 * callbacks may come in another. At most UINT32_MAX bytes altogether, IOCP_BUFFERS_MAX buffers. A
 * cancelled send tells in `bytes` how much was taken.
 * Errors in the result: IOCP_ECONNRESET, IOCP_EPIPE (after iocp_shutdown), IOCP_ENOTCONN.
 * Win32: WSASend.
 */
IOCP_API int IOCP_CALL iocp_send(iocp_loop_t *loop, iocp_handle_t handle, const void *data,
                                 size_t size, iocp_callback_t callback, void *userdata,
                                 iocp_op_t *op);
IOCP_API int IOCP_CALL iocp_sendv(iocp_loop_t *loop, iocp_handle_t handle,
                                  const iocp_buf_t *buffers, size_t count, iocp_callback_t callback,
                                  void *userdata, iocp_op_t *op);

/*
 * Receive what is there, at least one byte. At the end of the stream the status is IOCP_EOF. A
 * size of 0 waits until there is something to receive (or the end), and takes none of it. Sizes and
 * lists as in iocp_send. On a stream receives are carried out one after the other, in the order of
 * their calls.
 * Errors in the result: IOCP_ECONNRESET, IOCP_ENOTCONN. Win32: WSARecv.
 */
IOCP_API int IOCP_CALL iocp_recv(iocp_loop_t *loop, iocp_handle_t handle, void *data, size_t size,
                                 iocp_callback_t callback, void *userdata, iocp_op_t *op);
IOCP_API int IOCP_CALL iocp_recvv(iocp_loop_t *loop, iocp_handle_t handle,
                                  const iocp_buf_t *buffers, size_t count, iocp_callback_t callback,
                                  void *userdata, iocp_op_t *op);

/*
 * Send one datagram, from `data` to an address, which is copied. A datagram may be empty. It is
 * sent whole or not at all. Errors in the result: IOCP_EMSGSIZE (longer than the protocol takes),
 * IOCP_EACCES (a broadcast, see IOCP_SOCKET_BROADCAST), IOCP_EADDRNOTAVAIL, IOCP_ENETUNREACH.
 * Win32: WSASendTo.
 */
IOCP_API int IOCP_CALL iocp_sendto(iocp_loop_t *loop, iocp_handle_t handle, const void *data,
                                   size_t size, const struct sockaddr *address, size_t length,
                                   iocp_callback_t callback, void *userdata, iocp_op_t *op);

/*
 * Receive one datagram. The result holds the sender's address. A datagram that is longer than the
 * buffer is a success with its beginning in the buffer and IOCP_RESULT_TRUNCATED; an empty one is
 * a success with 0 bytes (iocp_recv on a datagram socket does the same, and never ends with
 * IOCP_EOF). N.B. The socket must be bound: by iocp_socket_bind, or by a first iocp_sendto.
 * Errors in the result: IOCP_EINVAL (not bound, where the system checks it), IOCP_ECONNRESET and
 * IOCP_ENETRESET (only if asked for with IOCP_SOCKET_UNREACHABLE). Win32: WSARecvFrom.
 */
IOCP_API int IOCP_CALL iocp_recvfrom(iocp_loop_t *loop, iocp_handle_t handle, void *data,
                                     size_t size, iocp_callback_t callback, void *userdata,
                                     iocp_op_t *op);

/*
 * Join and leave a multicast group: `group` is its address, `interface_index` the network
 * interface (0: the system chooses). Loop thread. Errors: IOCP_EINVAL (no such group),
 * IOCP_EADDRNOTAVAIL or IOCP_EADDRINUSE (joined already), IOCP_EADDRNOTAVAIL or IOCP_EINVAL (not
 * joined). Win32: IP_ADD_MEMBERSHIP, IPV6_ADD_MEMBERSHIP and their opposites.
 */
IOCP_API int IOCP_CALL iocp_socket_join(iocp_loop_t *loop, iocp_handle_t handle,
                                        const struct sockaddr *group, size_t length,
                                        uint32_t interface_index);
IOCP_API int IOCP_CALL iocp_socket_leave(iocp_loop_t *loop, iocp_handle_t handle,
                                         const struct sockaddr *group, size_t length,
                                         uint32_t interface_index);

typedef enum iocp_shutdown_how {
    IOCP_SHUTDOWN_RECV = 0,
    IOCP_SHUTDOWN_SEND = 1,
    IOCP_SHUTDOWN_BOTH = 2
} iocp_shutdown_how_t;

/*
 * End one or both directions. Ending the sending side first waits for the sends that are pending,
 * then the peer receives IOCP_EOF after their data.
 * N.B. Shutting down the receiving side does not end a receive that is pending: cancel it.
 * Win32: shutdown.
 */
IOCP_API int IOCP_CALL iocp_shutdown(iocp_loop_t *loop, iocp_handle_t handle,
                                     iocp_shutdown_how_t how, iocp_callback_t callback,
                                     void *userdata, iocp_op_t *op);

/* ==== Files and pipes ======================================================================== */

/* Bits of `flags` of iocp_file_open. At least one of the first three is set. */
typedef enum iocp_file_flag {
    IOCP_FILE_READ = 1,
    IOCP_FILE_WRITE = 2,
    IOCP_FILE_APPEND = 4,        /* write, always behind the end, whoever else appends; not WRITE */
    IOCP_FILE_CREATE = 8,        /* if it does not exist */
    IOCP_FILE_TRUNCATE = 16,     /* empty it if it exists; with WRITE */
    IOCP_FILE_EXCLUSIVE = 32,    /* with CREATE: fail if it exists */
    IOCP_FILE_NO_BUFFERING = 64, /* past the cache; addresses, sizes, offsets in whole sectors */
    IOCP_FILE_SEQUENTIAL = 128   /* a hint: it will be read from the beginning to the end */
} iocp_file_flag_t;

/*
 * Open a file, or a pipe that exists (\\.\pipe\name, which then is one: see iocp_read; its server
 * may learn who opens it, but not act in that name). `path` is UTF-8, ends with a zero, and may be
 * longer than MAX_PATH; it is copied. One that begins with \\?\ is taken to the letter. Others may
 * read, write, rename and delete the file meanwhile. Not inheritable by child processes.
 * N.B. Opening blocks while the system looks for the file.
 *
 * Loop thread. Errors: IOCP_EINVAL (flags that contradict each other, a path that is not UTF-8 or
 * not a name), IOCP_ENOTFOUND, IOCP_EEXIST, IOCP_EACCES (also for a folder), IOCP_EBUSY (somebody
 * has it open and does not share; nobody serves a pipe at the moment), IOCP_ENOTSUP (a device),
 * IOCP_ENAMETOOLONG, IOCP_EMFILE, IOCP_ENOMEM, IOCP_ECLOSING.
 * Win32: CreateFileW with FILE_FLAG_OVERLAPPED.
 */
IOCP_API int IOCP_CALL iocp_file_open(iocp_loop_t *loop, const char *path, uint32_t flags,
                                      iocp_handle_t *handle);

/*
 * Read at, or write to, an offset in bytes, below 2^63. Any number may be in flight at once, and
 * they may end in any order. At most UINT32_MAX bytes. A read gets fewer bytes than were asked for
 * only where the file ends, and IOCP_EOF at its end (0 bytes can be read anywhere). A write may
 * extend the file; it writes all, or fails. The handle's own position does not change.
 * Errors in the result: IOCP_EOF, IOCP_EACCES (not opened for it), IOCP_ENOSPC, IOCP_EBUSY (the
 * range is locked), IOCP_EINVAL (not in whole sectors, see IOCP_FILE_NO_BUFFERING), IOCP_EIO.
 * iocp_pwrite answers IOCP_ENOTSUP for a file that was opened to append.
 * N.B. The system may do the work within the call that starts it (IOCP_RESULT_INLINE), and then
 * the loop waits for the disk: often for writes that extend a file, for compressed files, and for
 * what is in the cache.
 * Win32: ReadFile, WriteFile.
 */
IOCP_API int IOCP_CALL iocp_pread(iocp_loop_t *loop, iocp_handle_t handle, void *data, size_t size,
                                  uint64_t offset, iocp_callback_t callback, void *userdata,
                                  iocp_op_t *op);
IOCP_API int IOCP_CALL iocp_pwrite(iocp_loop_t *loop, iocp_handle_t handle, const void *data,
                                   size_t size, uint64_t offset, iocp_callback_t callback,
                                   void *userdata, iocp_op_t *op);

/*
 * Read or write a stream.
 *  - A file: at the position that the handle keeps, which then moves by the bytes transferred.
 *    These are carried out one after the other, in the order of their calls. On a file that was
 *    opened to append, a write goes behind the end and leaves the position.
 *  - A pipe: what is there, at least one byte; a message of a message pipe as far as it fits
 *    (IOCP_RESULT_MORE: the rest comes with the next read). IOCP_EOF: the other end has closed.
 *    Reads are carried out one after the other; the callbacks of writes may come in another order
 *    than their data.
 *  - A stream socket: these are iocp_recv and iocp_send, and the result says so.
 * Errors in the result: as iocp_pread and iocp_pwrite; IOCP_EPIPE (a write, nobody reads),
 * IOCP_ENOTCONN (the pipe's server has disconnected it).
 * Win32: ReadFile, WriteFile.
 */
IOCP_API int IOCP_CALL iocp_read(iocp_loop_t *loop, iocp_handle_t handle, void *data, size_t size,
                                 iocp_callback_t callback, void *userdata, iocp_op_t *op);
IOCP_API int IOCP_CALL iocp_write(iocp_loop_t *loop, iocp_handle_t handle, const void *data,
                                  size_t size, iocp_callback_t callback, void *userdata,
                                  iocp_op_t *op);

/*
 * Have everything that was written to a file put on the disk. It counts for the writes that have
 * called back before its call. Runs on the process's thread pool, since Windows does it
 * synchronously; once it has begun there a cancel or a deadline does not end it.
 * Errors in the result: IOCP_EACCES (not opened for writing), IOCP_EIO. Win32: FlushFileBuffers.
 */
IOCP_API int IOCP_CALL iocp_file_flush(iocp_loop_t *loop, iocp_handle_t handle,
                                       iocp_callback_t callback, void *userdata, iocp_op_t *op);

/*
 * The size of a file in bytes; set_size cuts it off or extends it (with zeroes), at once, whatever
 * is in flight. Loop thread. Errors: IOCP_EBADF, IOCP_ENOTSUP (not a file), IOCP_EINVAL,
 * IOCP_EACCES, IOCP_ENOSPC.
 * Win32: GetFileSizeEx, SetFileInformationByHandle (FileEndOfFileInfo).
 */
IOCP_API int IOCP_CALL iocp_file_get_size(iocp_loop_t *loop, iocp_handle_t handle, uint64_t *size);
IOCP_API int IOCP_CALL iocp_file_set_size(iocp_loop_t *loop, iocp_handle_t handle, uint64_t size);

/*
 * The position of iocp_read and iocp_write, 0 at first. It may lie behind the end of the file.
 * Loop thread. Errors: IOCP_EBADF, IOCP_ENOTSUP (not a file), IOCP_EINVAL (2^63 and more),
 * IOCP_EBUSY (set_position: an iocp_read or iocp_write is under way).
 */
IOCP_API int IOCP_CALL iocp_file_get_position(iocp_loop_t *loop, iocp_handle_t handle,
                                              uint64_t *position);
IOCP_API int IOCP_CALL iocp_file_set_position(iocp_loop_t *loop, iocp_handle_t handle,
                                              uint64_t position);

/* ==== Waits and processes ==================================================================== */

/*
 * Wait until a kernel object is signaled: an event, semaphore, waitable timer, process, thread or
 * any other HANDLE that WaitForSingleObject takes, except for a mutex, which a thread must own.
 * What a wait takes (an auto-reset event, one of a semaphore's count) is taken once for each
 * callback with status 0, and by no other. Any number of waits may be pending, on one object too.
 * IOCP_REARM waits again.
 *
 * `object` stays the caller's.
 * N.B. Do not close it before the callback.
 * N.B. Without IOCP_CAP_WAIT_PACKETS a wait that is cancelled at the very moment of the signal may
 * end as IOCP_ECANCELED and take the signal with it.
 * Errors in the result: IOCP_EBADF (not a handle, or of something that cannot be waited for),
 * IOCP_EACCES (without SYNCHRONIZE), IOCP_ENOMEM.
 * Win32: NtAssociateWaitCompletionPacket; without it RegisterWaitForSingleObject.
 */
IOCP_API int IOCP_CALL iocp_wait(iocp_loop_t *loop, void *object, iocp_callback_t callback,
                                 void *userdata, iocp_op_t *op);

/*
 * Wait for a process to end; the result's `value` is its exit code. As iocp_wait, and the handle
 * also needs PROCESS_QUERY_LIMITED_INFORMATION. Win32: GetExitCodeProcess.
 */
IOCP_API int IOCP_CALL iocp_process_wait(iocp_loop_t *loop, void *process, iocp_callback_t callback,
                                         void *userdata, iocp_op_t *op);

/*
 * Watch a job object: one callback for each message that it sends, with `event`
 * (JOB_OBJECT_MSG_EXIT_PROCESS and so on) and `value` (the process's id, 0 where a message has
 * none). Messages that come before the callback has answered IOCP_REARM are kept, in their order,
 * and told with IOCP_RESULT_INLINE, since their packet came before; those after IOCP_DISARM or a
 * cancel are dropped. The watch hears what comes after its start (the next tick or
 * iocp_loop_submit): start a child suspended, put it into the job, and resume it.
 *
 * `job` stays the caller's, and the watch holds another handle of it until it is over: only then
 * can JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE take effect. A job sends its messages to one port: watch
 * it once at a time.
 * N.B. Windows does not promise that every message is sent. To learn for sure that a process has
 * ended, use iocp_process_wait.
 * Errors in the result: IOCP_EBADF (not a handle, or not of a job), IOCP_EACCES (without
 * JOB_OBJECT_SET_ATTRIBUTES), IOCP_EINVAL (watched already), IOCP_ENOMEM (messages that came
 * meanwhile could not be kept and are lost; the watch can go on).
 * Win32: SetInformationJobObject with JobObjectAssociateCompletionPortInformation.
 */
IOCP_API int IOCP_CALL iocp_job_watch(iocp_loop_t *loop, void *job, iocp_callback_t callback,
                                      void *userdata, iocp_op_t *op);

/* ==== Blocking work ========================================================================== */

/* Runs on a thread of the pool, and must not call the loop, except for what any thread may. */
typedef uint64_t(IOCP_CALL *iocp_work_fn)(void *arg);

/*
 * Run a function that may block on the process's thread pool; then the callback, on the loop
 * thread, with what it returned in `value`. A cancel or a deadline keeps a function from running
 * that has not begun; one that runs is not ended, and its result is the success that it is.
 * N.B. `arg` is in use until the callback. iocp_loop_destroy waits for functions that run.
 * Errors in the result: IOCP_ENOMEM. Win32: TrySubmitThreadpoolCallback.
 */
IOCP_API int IOCP_CALL iocp_work(iocp_loop_t *loop, iocp_work_fn function, void *arg,
                                 iocp_callback_t callback, void *userdata, iocp_op_t *op);

/* ==== Waking and posting ===================================================================== */

/*
 * An async is a signal to a loop. Any number of notifies before the wait is served are one
 * callback; a notify with nobody waiting is kept for the next wait.
 *
 * iocp_async_create, _wait and _destroy: loop thread. iocp_async_notify: any thread.
 * Destroying an async ends the waits on it as IOCP_ECANCELED. With several waits pending a notify
 * ends the oldest, as an auto-reset event does. What a thread has written before a notify or a post
 * is seen by the callback. Errors: IOCP_EINVAL (wait: also an async of another loop), IOCP_ENOMEM,
 * IOCP_ECLOSING (not _destroy: an async is destroyed before its loop can be).
 * N.B. No thread may be notifying an async, or begin to, when iocp_async_destroy is called.
 */
IOCP_API int IOCP_CALL iocp_async_create(iocp_loop_t *loop, iocp_async_t **async);
IOCP_API int IOCP_CALL iocp_async_destroy(iocp_async_t *async);
IOCP_API int IOCP_CALL iocp_async_notify(iocp_async_t *async);
IOCP_API int IOCP_CALL iocp_async_wait(iocp_loop_t *loop, iocp_async_t *async,
                                       iocp_callback_t callback, void *userdata, iocp_op_t *op);

typedef void(IOCP_CALL *iocp_post_fn)(iocp_loop_t *loop, void *arg);

/*
 * Run a function on the loop thread. Each post runs once, those of one thread in their order.
 * Posts that are queued when the loop is destroyed run then. Posts do not keep
 * IOCP_RUN_UNTIL_DONE going. Any thread. Errors: IOCP_EINVAL, IOCP_ENOMEM, IOCP_ECLOSING.
 */
IOCP_API int IOCP_CALL iocp_post(iocp_loop_t *loop, iocp_post_fn function, void *arg);

/* ==== Statistics ============================================================================= */

/* Counters since the loop was created, and a few levels. Set size before the call. */
typedef struct iocp_stats {
    uint32_t size;
    uint32_t sleep_method;    /* iocp_sleep_method_t: the one in use, never AUTO */
    uint64_t turns;           /* passes through the steps of iocp_loop_tick */
    uint64_t callbacks;       /* of operations */
    uint64_t posts;           /* posted functions that ran */
    uint64_t starts;          /* operations started, rearmed ones again */
    uint64_t inline_results;  /* of these, done or failed at once, with no packet */
    uint64_t dequeues;        /* calls that asked the port */
    uint64_t sleeps;          /* of these, those that were allowed to wait: wake-ups of the loop */
    uint64_t packets;         /* packets of operations taken from the port */
    uint64_t wake_packets;    /* packets sent to wake the loop */
    uint64_t foreign_packets; /* not this library's, or of a job whose watch is over */
    uint64_t allocations;     /* calls of the allocator; stands still in the steady state */
    uint64_t operations;      /* level: operations that have not ended */
    uint64_t kernel;          /* level: of these, in the hands of the kernel */
    uint64_t timers;          /* level: timers and deadlines that are set */
    uint64_t handles;         /* level: handles; each accept in the kernel holds one ready */
    uint64_t timer_fires;     /* timers whose time came; beside `sleeps`: wake-ups for each */
} iocp_stats_t;

/* Loop thread. A smaller structure (an older version's) gets what fits. Errors: IOCP_EINVAL. */
IOCP_API int IOCP_CALL iocp_loop_stats(const iocp_loop_t *loop, iocp_stats_t *stats);

/* One pending operation, for iocp_loop_dump. Later versions add members at the end. */
typedef struct iocp_dump_entry {
    iocp_op_t op;
    iocp_handle_t handle; /* {0} if it has none */
    iocp_type_t type;
    iocp_op_state_t state;
    int in_kernel;         /* 1: waiting for the kernel */
    int cancelled;         /* 0, or the IOCP_E code that it was asked to end with */
    int referenced;        /* 1: keeps the loop running */
    uint64_t age_ns;       /* since it was queued, about */
    const char *type_name; /* "recv" */
    void *userdata;
} iocp_dump_entry_t;

typedef void(IOCP_CALL *iocp_dump_fn)(const iocp_dump_entry_t *entry, void *userdata);

/*
 * Tell of every operation that has not ended, in no order. `function` must not call the loop.
 * Loop thread.
 */
IOCP_API int IOCP_CALL iocp_loop_dump(const iocp_loop_t *loop, iocp_dump_fn function,
                                      void *userdata);

#ifdef __cplusplus
}
#endif

#endif /* IOCPLOOP_H */
