/*
 * iocploop: an event loop on Windows I/O completion ports.
 *
 * This header is the manual. Its order: version and capabilities, errors, identifiers and results,
 * the loop, operations, timers, handles, sockets, pipes, files, names and addresses, waits, processes,
 * the console and the standard streams, any overlapped call, blocking work, waking and posting,
 * statistics.
 *
 * How it works in one paragraph. A program creates a loop and opens sockets, pipes and files on it.
 * Each operation (a receive, a timer, a read) is one function call that queues it and returns at
 * once. A tick starts what is queued, asks the completion port what is done, and calls one callback
 * for each operation that ended. The callback answers IOCP_DISARM (done) or IOCP_REARM (the same
 * again).
 *
 * How to read an entry. *The result* is the iocp_result_t that a callback is told. "Errors" are the
 * codes that the function itself returns, at once: then nothing was queued, and no callback comes.
 * "Errors in the result" are what the callback finds in its `status`. Both name the codes that a
 * program may want to tell apart; others of iocp_error_t can come. "Loop thread" and "any thread"
 * say who may call, see Threads below. "N.B." is what does harm when it is not known, and "Win32"
 * the system's calls that it rests on.
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
 *    process's own thread pool is used by iocp_work, iocp_file_flush, iocp_handle_adopt, iocp_spawn
 *    and iocp_process_stop, by what takes a path and calls back, by iocp_folder_list, for the standard
 *    streams, to close a pseudo console, when the last iocp_console_watch ends, and for iocp_wait,
 *    iocp_process_wait, iocp_process_stop and iocp_resolve where the system has no wait completion
 *    packets; by nothing else. Names are looked up on threads
 *    of Winsock's. The console's handler is Windows' and the process's, and is there while somebody
 *    watches; so is the notice that the machine resumes, while a loop with wake_on_resume is there.)
 *
 * Threads. A loop is used by one thread at a time: the *loop thread*. That is the thread inside
 * iocp_loop_run, iocp_loop_tick or iocp_loop_destroy while one of these runs, and otherwise
 * whichever thread calls (the caller makes sure that it is one at a time). Functions marked
 * *any thread* may be called at any time from any thread, but have to return before
 * iocp_loop_destroy frees the loop: see there. A call from the wrong thread is answered with
 * IOCP_ETHREAD: in builds without NDEBUG while the loop runs, and with
 * iocp_loop_options_t.check_threads in every build and between two ticks as well. (Functions that
 * do not return a code are not checked.)
 * N.B. A thread that ends while I/O is pending that it has started may lose it: while Resource
 * Monitor is attached Windows ties the I/O of a port, too, to the thread that issued it. Such
 * operations end as IOCP_ECONNABORTED. Keep the thread until they have ended.
 *
 * Text is UTF-8 and ends with a zero; other text is IOCP_EINVAL. Windows' names of files need not be
 * valid UTF-16: what is not (half of a surrogate pair that stands alone) is written in three bytes as
 * if it were a character (WTF-8), and every function that takes a path takes it back, so that each
 * name that the library tells can be given to it again. The console shows U+FFFD for what it cannot
 * show.
 *
 * Times are in nanoseconds and their names end in _ns. Sizes are size_t. All functions that return
 * int return 0 or one of the negative IOCP_E codes, unless said otherwise. A structure that begins
 * with `size` is told there how large the caller's is; a size of more than 4096 is IOCP_EINVAL.
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
    IOCP_CAP_WAIT_PACKETS = 1,           /* wait completion packets: waits need no thread */
    IOCP_CAP_HIGH_RESOLUTION_TIMERS = 2, /* waitable timers that do not follow the system's tick */
    IOCP_CAP_PSEUDO_CONSOLE = 4,         /* IOCP_SPAWN_PSEUDO_CONSOLE */
    IOCP_CAP_UNIX_SOCKETS = 8,           /* AF_UNIX streams */
    IOCP_CAP_SEGMENTS = 16,              /* iocp_message_t.segment_bytes to send (2004) */
    IOCP_CAP_CHANGE_DETAILS = 32         /* iocp_entry_t.info of a change (1709) */
} iocp_capability_t;

/*
 * The IOCP_CAP_ bits of this system. Any thread. The system is asked at each call, so keep them.
 * Win32: NtAssociateWaitCompletionPacket (Windows 8, not documented for programs before 10),
 * CREATE_WAITABLE_TIMER_HIGH_RESOLUTION (Windows 10 1803), CreatePseudoConsole (Windows 10 1809),
 * ReadDirectoryChangesExW (Windows 10 1709);
 * WSASocketW with AF_UNIX (Windows 10 1803), UDP_SEND_MSG_SIZE: of sockets that are closed again.
 */
IOCP_API uint32_t IOCP_CALL iocp_capabilities(void);

/*
 * Example: is the DLL that was found new enough for what this program was built with?
 *
 *   static int library_is_new_enough(void)
 *   {
 *       return iocp_version() >= IOCP_VERSION;
 *   }
 */

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
    IOCP_ETHREAD = -7,          /* called from another thread than the loop's */
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

/*
 * Example: an error, for people.
 *
 *   static void print_error(const char *what, int error, uint32_t native_error)
 *   {
 *       fprintf(stderr, "%s: %s (%s, the system says %lu)\n", what, iocp_error_text(error),
 *               iocp_error_name(error), (unsigned long)native_error);
 *   }
 */

/* ==== Identifiers and results ================================================================ */

typedef struct iocp_loop iocp_loop_t;   /* opaque */
typedef struct iocp_async iocp_async_t; /* opaque */

/*
 * Operations and handles are named by value. Each id is given out once, and carries a tag of its
 * loop: an id of another loop is IOCP_EBADF or IOCP_ENOENT like one of the past. {0} names nothing.
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
    IOCP_TYPE_WORK = 22,
    IOCP_TYPE_CONSOLE_WATCH = 23,
    IOCP_TYPE_PIPE_CONNECT = 24,
    IOCP_TYPE_SPAWN = 25,
    IOCP_TYPE_PROCESS_STOP = 26,
    IOCP_TYPE_SENDFILE = 27,
    IOCP_TYPE_POLL = 28,
    IOCP_TYPE_RESOLVE = 29,
    IOCP_TYPE_RECV_LENT = 30,
    IOCP_TYPE_SENDMSG = 31,
    IOCP_TYPE_RECVMSG = 32,
    IOCP_TYPE_OVERLAPPED = 33,
    IOCP_TYPE_OPEN = 34,
    IOCP_TYPE_STAT = 35,
    IOCP_TYPE_COPY = 36,
    IOCP_TYPE_RENAME = 37,
    IOCP_TYPE_REMOVE = 38,
    IOCP_TYPE_FOLDER_CREATE = 39,
    IOCP_TYPE_FOLDER_WATCH = 40,
    IOCP_TYPE_FOLDER_LIST = 41
} iocp_type_t;

/* The kinds of this version are 1 to IOCP_TYPES - 1. */
#define IOCP_TYPES (IOCP_TYPE_FOLDER_LIST + 1)

/* Bits of iocp_result_t.flags. */
typedef enum iocp_result_flag {
    IOCP_RESULT_INLINE = 1,    /* done within the call that started it; no packet was queued */
    IOCP_RESULT_TRUNCATED = 2, /* the datagram was longer than the buffer; the rest is lost */
    IOCP_RESULT_MORE = 4,      /* the pipe's message is longer; the rest comes with the next read.
                                  overlapped: there is more than the buffer took (ERROR_MORE_DATA) */
    IOCP_RESULT_RESCAN = 8,    /* folder_watch: changes were lost: list the folder again */
    IOCP_RESULT_FORCED = 16    /* process_stop: it had to be ended, it did not go by itself */
} iocp_result_flag_t;

typedef struct iocp_message iocp_message_t;     /* see iocp_sendmsg */
typedef struct iocp_file_info iocp_file_info_t; /* see iocp_stat */
typedef struct iocp_entry iocp_entry_t;         /* see iocp_folder_watch */

/*
 * What a callback is told. It belongs to the library, is read-only, and ends with the callback, as
 * does all that it points to, `data` excepted. Later versions add members at the end.
 */
typedef struct iocp_result {
    iocp_op_t op;         /* the operation; its id stays good if it is rearmed */
    iocp_handle_t handle; /* what it ran on, or {0} */
    iocp_type_t type;
    int status;            /* 0, or an IOCP_E code */
    uint32_t native_error; /* the raw code behind status, 0 if there is none */
    uint32_t flags;        /* IOCP_RESULT_ bits */
    uint64_t bytes;        /* transferred; may be non-zero beside an error (part sent) */
    uint64_t value;        /* spawn: the child's id; process_wait: the exit code; job_watch: the
                              process's id; work: its answer */
    uint32_t event;        /* job_watch: which message, JOB_OBJECT_MSG_ of <winnt.h>; console_watch:
                              which, iocp_console_event_t */
    uint32_t reserved;     /* 0 */
    iocp_handle_t opened;  /* accept: the connection; spawn: the process; open: the file. The
                              callback's: use it or close it */
    const struct sockaddr *address;       /* accept: the peer; recvfrom, recvmsg, and recv_lent of a
                                       datagram: the sender; otherwise NULL */
    size_t address_length;                /* its size in bytes */
    const iocp_message_t *message;        /* recvmsg: what came with the datagram; otherwise NULL */
    const struct iocp_address *addresses; /* resolve: the first of the list; otherwise NULL */
    void *data; /* recv_lent: the buffer, the program's until it gives it back; otherwise NULL */
    const iocp_file_info_t *info; /* open, stat: what it is; otherwise NULL */
    const iocp_entry_t *entries;  /* folder_list, folder_watch: the first of the list, or NULL */
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
 * be called once in each tick. iocp_cancel and iocp_close have one callback, whatever it answers.
 *
 * The one rule of lifetimes: where nothing can be started again (the handle is closing, its async
 * is gone, the loop is being destroyed) a callback that answers IOCP_REARM is followed by one more,
 * with IOCP_ECANCELED, whose answer does not count. So what belongs to an operation is freed in the
 * callback that answers IOCP_DISARM or is told IOCP_ECANCELED there, and what belongs to a handle
 * in the callback of iocp_close, which comes last, also while the loop is being destroyed.
 */
typedef iocp_action_t(IOCP_CALL *iocp_callback_t)(iocp_loop_t *loop, const iocp_result_t *result,
                                                  void *userdata);

/*
 * Example: a connection that is received from until it ends, and then freed.
 *
 *   struct connection {
 *       char buffer[4096];
 *       uint64_t received;
 *   };
 *
 *   static iocp_action_t IOCP_CALL on_close(iocp_loop_t *loop, const iocp_result_t *result,
 *                                           void *connection)
 *   {
 *       free(connection);
 *       return IOCP_DISARM;
 *   }
 *
 *   static iocp_action_t IOCP_CALL on_recv(iocp_loop_t *loop, const iocp_result_t *result,
 *                                          void *userdata)
 *   {
 *       struct connection *connection = userdata;
 *       connection->received += result->bytes;
 *       if (result->status == IOCP_OK) {
 *           return IOCP_REARM;
 *       }
 *       iocp_close(loop, result->handle, on_close, connection, NULL);
 *       return IOCP_DISARM;
 *   }
 */

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
 * exact as the system's waitable timers: a packet's is better than a millisecond with
 * IOCP_CAP_HIGH_RESOLUTION_TIMERS, an APC's follows the system's tick. A loop whose next time is
 * further away than five minutes looks at its clock every five.
 */
typedef enum iocp_sleep_method {
    IOCP_SLEEP_AUTO = 0,        /* the first of these that the system has */
    IOCP_SLEEP_WAIT_PACKET = 1, /* a waitable timer whose packet comes to the port */
    IOCP_SLEEP_APC = 2,         /* a waitable timer whose APC ends the wait for packets */
    IOCP_SLEEP_PORT = 3 /* the port's own time limit: late by up to the system's tick, 16 ms */
} iocp_sleep_method_t;

/* A packet of the port, laid out as OVERLAPPED_ENTRY. */
typedef struct iocp_packet {
    uintptr_t key;
    void *overlapped;
    uintptr_t internal; /* the operation's NTSTATUS; of a posted packet 0 */
    uint32_t bytes;
} iocp_packet_t;

/*
 * A packet that is not the loop's: of a handle that the program, or a library in it, has bound to
 * iocp_loop_native_port with a key of its own, or of iocp_loop_post_packet. It runs on the loop
 * thread as callbacks do, packets in the order of the port, and counts as a callback for
 * iocp_loop_tick. It may call what a callback may. `packet` ends with the call; what `overlapped`
 * points to is the program's, and the loop does not look at it.
 */
typedef void(IOCP_CALL *iocp_packet_fn)(iocp_loop_t *loop, const iocp_packet_t *packet,
                                        void *context);

/*
 * Set size to sizeof(iocp_loop_options_t) and everything else to 0 for the defaults. A structure
 * of a later version is taken as long as what this version does not know in it is 0. A size that is
 * no multiple of the structure's alignment is no version's: IOCP_EINVAL.
 */
typedef struct iocp_loop_options {
    uint32_t size;
    uint32_t batch;            /* what a step of a turn handles. 0: 128, most: 4096 */
    uint32_t completion_mode;  /* iocp_completion_mode_t */
    uint32_t sleep_method;     /* iocp_sleep_method_t */
    iocp_allocate_fn allocate; /* NULL: malloc */
    iocp_free_fn free;         /* NULL: free */
    void *allocator_context;
    uint32_t check_threads;   /* 1: IOCP_ETHREAD in every build, also for calls of another thread
                               between two ticks: the loop belongs to the thread that created it,
                               then to the one that ran it last; another takes it over by
                               iocp_loop_run, iocp_loop_tick or iocp_loop_destroy. 0: in builds
                               without NDEBUG, while the loop runs */
    uint32_t wake_on_resume;  /* 1: when the machine resumes from sleep, what is overdue runs at
                                once: see iocp_loop_now */
    iocp_packet_fn on_packet; /* NULL: packets of others are dropped and counted */
    void *packet_context;
} iocp_loop_options_t;

/*
 * Create a loop: one completion port, no thread. `options` may be NULL and is copied.
 * Any thread. Errors: IOCP_EINVAL, IOCP_ENOMEM, IOCP_ENOTSUP (a sleep_method that this system does
 * not have, or wake_on_resume where it does not tell), or what the system said.
 * Win32: CreateIoCompletionPort, WSAStartup; CreateWaitableTimerExW for a sleep_method that was asked
 * for. IOCP_SLEEP_AUTO opens its timer when the loop first sleeps until a time.
 */
IOCP_API int IOCP_CALL iocp_loop_create(const iocp_loop_options_t *options, iocp_loop_t **loop);

/*
 * End a loop. Refuses new work from here on (IOCP_ECLOSING; iocp_close works), ends every pending
 * operation as IOCP_ECANCELED (or with its true result if that was quicker), closes every handle,
 * runs all callbacks and posted functions, and frees the loop once the kernel has given everything
 * back. Works on a stopped loop too.
 *
 * Loop thread. Works for `timeout_ns` at most (UINT64_MAX: as long as it takes) and looks at the
 * clock before each callback, whatever is pending; 0 does not wait for the kernel, but does all that
 * can be done without that. Returns 0: everything is back and the
 * loop is gone. IOCP_ETIMEDOUT: something did not come back; the loop stays, so that nothing writes
 * to freed memory; iocp_loop_dump tells what it is, and iocp_loop_destroy can be called again.
 * IOCP_EASYNC: everything is back, but asyncs still exist (destroy them, then call again).
 * IOCP_EBUSY: called from a callback (nothing has happened). Or what the system said of the port
 * (call it again).
 * N.B. No thread may be inside a call on the loop, or begin one, when this returns 0. To wait for
 * IOCP_ECLOSING does not do, since that call may come too late: end such threads first, or let the
 * loop have an async until they have ended, since with one it is not freed.
 */
IOCP_API int IOCP_CALL iocp_loop_destroy(iocp_loop_t *loop, uint64_t timeout_ns);

typedef enum iocp_run_mode {
    IOCP_RUN_NO_WAIT = 0,      /* one tick that does not sleep */
    IOCP_RUN_ONCE = 1,         /* tick until at least one callback or posted function has run */
    IOCP_RUN_UNTIL_DONE = 2,   /* until no operation keeps the loop running, or it is stopped */
    IOCP_RUN_UNTIL_STOPPED = 3 /* until it is stopped: one with nothing to do waits for posts */
} iocp_run_mode_t;

/*
 * Run the loop on the calling thread. All modes return when the loop is stopped, and all but
 * IOCP_RUN_UNTIL_STOPPED when no operation is left that keeps it running.
 * N.B. The loop sleeps in an alertable wait, with each method of sleeping: APCs that the program
 * has queued to this thread (QueueUserAPC, ReadFileEx) run inside it. They may call what *any
 * thread* may, and nothing else of this loop.
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
 * A turn in which nothing is in the kernel makes no system call but reading the clock, unless the
 * loop has an on_packet: then it always asks the port.
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
 * when a turn needs the time and after each sleep, and by iocp_op_deadline; iocp_loop_update_now
 * reads it again. 0 only if loop is NULL.
 * N.B. It goes on while the machine is suspended, so timers and deadlines count that time; but the
 * sleep of a loop stands still. Afterwards what is overdue runs with the next thing that wakes the loop,
 * within five minutes; at once with iocp_loop_options_t.wake_on_resume. A timer that repeats fires once
 * then, and skips the times that have passed.
 * Loop thread. Win32: QueryPerformanceCounter; PowerRegisterSuspendResumeNotification, once for the
 * process while a loop with wake_on_resume is there.
 */
IOCP_API uint64_t IOCP_CALL iocp_loop_now(const iocp_loop_t *loop);
IOCP_API void IOCP_CALL iocp_loop_update_now(iocp_loop_t *loop);

/*
 * How many operations keep IOCP_RUN_UNTIL_DONE going: all that are pending, but for those of
 * iocp_op_unref and timers of UINT64_MAX. Loop thread.
 */
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
 * loop thread tick before it goes on.
 *
 * A program may bind handles of its own to it (CreateIoCompletionPort), with a key that is even and
 * not an address within the loop's memory: the address of an object of its own, say. Their packets
 * come to iocp_loop_options_t.on_packet; without one they are dropped and counted
 * (iocp_stats_t.foreign_packets).
 * N.B. The loop cannot know what is in the kernel for such handles. iocp_loop_destroy delivers what
 * has come to the port, and does not wait for more: end that work first, and close the handles.
 *
 * Loop thread.
 * N.B. That thread posts a packet back also when GetQueuedCompletionStatus has returned FALSE with
 * an OVERLAPPED: it is that of an operation which failed, and without it the operation never ends.
 * Only FALSE with NULL is no packet.
 */
IOCP_API int IOCP_CALL iocp_loop_native_port(const iocp_loop_t *loop, void **handle);

/*
 * Put a packet into the loop's port, for iocp_loop_options_t.on_packet: it comes back with this
 * key, these bytes and this `overlapped`, which may be anything and is not looked at. Each packet
 * that was accepted is delivered once, those of one thread in their order, at the latest in
 * iocp_loop_destroy. Packets do not keep IOCP_RUN_UNTIL_DONE going. Any thread.
 * Errors: IOCP_EINVAL (a key that is 0, odd or one of the loop's own; the loop has no on_packet),
 * IOCP_ENOMEM, IOCP_ENOBUFS (the system takes no more), IOCP_ECLOSING.
 * Win32: PostQueuedCompletionStatus.
 */
IOCP_API int IOCP_CALL iocp_loop_post_packet(iocp_loop_t *loop, uintptr_t key, uint32_t bytes,
                                             void *overlapped);

/*
 * Give back the memory of a burst that is over: all pages of operations, handles, posts and copies
 * of which nothing is in use. What comes next allocates again. Returns how many bytes went back to
 * the allocator. Loop thread, also in callbacks. It looks at each page once: call it when the load
 * has gone, not in each turn.
 */
IOCP_API size_t IOCP_CALL iocp_loop_trim(iocp_loop_t *loop);

/*
 * A pointer of the program's that stays with the loop, NULL at first, so that each callback and
 * each posted function finds what the loop is part of. The loop does nothing with it. Loop thread.
 * Errors: IOCP_EINVAL.
 */
IOCP_API int IOCP_CALL iocp_loop_set_data(iocp_loop_t *loop, void *data);
IOCP_API int IOCP_CALL iocp_loop_get_data(const iocp_loop_t *loop, void **data);

/*
 * Example: a loop for a thread of its own, until somebody calls iocp_loop_stop.
 *
 *   static int serve(void *server)
 *   {
 *       const iocp_loop_options_t options = {.size = sizeof options, .check_threads = 1};
 *       iocp_loop_t *loop = NULL;
 *       int status = iocp_loop_create(&options, &loop);
 *       if (status != IOCP_OK) {
 *           return status;
 *       }
 *       iocp_loop_set_data(loop, server);
 *       status = iocp_loop_run(loop, IOCP_RUN_UNTIL_STOPPED);
 *       iocp_loop_destroy(loop, UINT64_MAX);
 *       return status;
 *   }
 */

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
 * Every function may return IOCP_EINVAL, IOCP_ENOMEM, IOCP_ECLOSING (iocp_close does not); those
 * that take a handle also IOCP_EBADF and, if its kind does not fit, IOCP_ENOTSUP.
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
 * has ended, or never was), IOCP_ENOTSUP (a close cannot be taken back), or what the kernel said.
 * With neither a callback nor `op` nobody is told, and the cancel is no operation: it is never
 * refused for want of memory, and does not count in iocp_loop_active.
 * Cancels are handled first in a tick. Which of these it is shows when the cancel's turn comes, in
 * the next tick or iocp_loop_submit: IOCP_ENOENT is also one that was pending at the call, and has
 * ended since.
 *
 * A cancel is for the operation, and not for one run of it: where the callback is due or running,
 * also the operation's own, and then answers IOCP_REARM, it has one more callback, with
 * IOCP_ECANCELED, and is not started for that; likewise where the run that was asked to end has
 * ended otherwise. So a program that has cancelled can rearm without asking, and frees what belongs
 * to the operation when it is told IOCP_ECANCELED.
 *
 * N.B. A send, or a write to a pipe, that is cancelled, also by its deadline, may have gone out in
 * part. `bytes` is what the system says that it had taken: the other end may have got that much or
 * less of a send, and of a write to a pipe the system may say 0 where some of it was read. Nothing
 * but closing the connection makes sense after that.
 */
IOCP_API int IOCP_CALL iocp_cancel(iocp_loop_t *loop, iocp_op_t target, iocp_callback_t callback,
                                   void *userdata, iocp_op_t *op);

/*
 * End an operation with IOCP_ETIMEDOUT if its run has not ended after `delay_ns`. It stays with the
 * operation: the run that is under way has this long from now on, and each one after IOCP_REARM
 * has it anew, from the return of the callback. Another call replaces it, for the run under way
 * too; UINT64_MAX takes it away. In the operation's own callback it sets what the next run has.
 *
 * The time also counts while the operation is queued, or waits its turn on its handle (a receive
 * behind others, a shutdown behind sends): one that has not been started by then never starts.
 *
 * So one call at the start is the idle limit of a receive that is rearmed for ever. A limit for all
 * runs together is a timer that cancels, or a call with what is left in each callback.
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

/*
 * In an operation's own callback: what IOCP_REARM then starts has this memory instead of what it
 * had, with the same address and offset; a list of buffers becomes this one. So a receive can go
 * on into the next buffer while the last one is worked on, or into the rest of this one, and one
 * operation can send a long text piece by piece. Without IOCP_REARM the call has no effect.
 *
 * For recv, recvv, recvfrom, recvmsg, read, pread, and send, sendv, sendto, sendmsg, write, pwrite
 * (which only read the memory). `size` as in the function that queued it.
 * Loop thread. Errors: IOCP_ENOENT (it has ended), IOCP_EBUSY (its callback is not running: the
 * memory is the kernel's), IOCP_ENOTSUP (a kind without such memory), IOCP_EINVAL (too large, NULL
 * with a size).
 */
IOCP_API int IOCP_CALL iocp_op_set_buffer(iocp_loop_t *loop, iocp_op_t op, void *data, size_t size);

/*
 * Example: a request is received piece by piece into one buffer, and a client that says nothing
 * for 30 seconds has had its time.
 *
 *   struct request {
 *       char text[8192];
 *       size_t length;
 *   };
 *
 *   static iocp_action_t IOCP_CALL on_piece(iocp_loop_t *loop, const iocp_result_t *result,
 *                                           void *userdata)
 *   {
 *       struct request *request = userdata;
 *       request->length += (size_t)result->bytes;
 *       if (result->status != IOCP_OK || request->length == sizeof request->text) {
 *           return IOCP_DISARM;
 *       }
 *       iocp_op_set_buffer(loop, result->op, request->text + request->length,
 *                          sizeof request->text - request->length);
 *       return IOCP_REARM;
 *   }
 *
 *   static int request_receive(iocp_loop_t *loop, iocp_handle_t handle, struct request *request)
 *   {
 *       iocp_op_t op;
 *       int status = iocp_recv(loop, handle, request->text, sizeof request->text, on_piece,
 *                              request, &op);
 *       return status == IOCP_OK ? iocp_op_deadline(loop, op, 30000000000u) : status;
 *   }
 */

/* ==== Timers ================================================================================= */

/*
 * Call back after `delay_ns`, never earlier. The delay counts from the operation's start: the next
 * tick or iocp_loop_submit. Timers fire in order of time, equal times in order of adding.
 *
 * IOCP_REARM repeats it without drift: the next time is the previous due time plus `delay_ns`. A
 * timer that fell behind skips the times that have passed. A delay of 0 rearmed fires once in each
 * tick. One of UINT64_MAX never fires, until it is reset or cancelled, and does not keep
 * IOCP_RUN_UNTIL_DONE going: a program may have one timer for good, and set it when it needs it.
 */
IOCP_API int IOCP_CALL iocp_timer(iocp_loop_t *loop, uint64_t delay_ns, iocp_callback_t callback,
                                  void *userdata, iocp_op_t *op);

/*
 * Give a pending timer a new delay, which counts as that of a new timer: from the next tick or
 * iocp_loop_submit, which starts it again. Until then it is queued (IOCP_OP_ADDING), and does not
 * fire. It keeps its id and has no extra callback. In the timer's own callback: IOCP_REARM then
 * starts it anew with this delay.
 * Loop thread. Errors: IOCP_ENOENT (it has ended: add a new one), IOCP_EINVAL (not a timer),
 * IOCP_EBUSY (its callback is due). Errors in the result: IOCP_ENOMEM.
 */
IOCP_API int IOCP_CALL iocp_timer_reset(iocp_loop_t *loop, iocp_op_t op, uint64_t delay_ns);

/*
 * Example: once in a second, ten times.
 *
 *   static iocp_action_t IOCP_CALL on_second(iocp_loop_t *loop, const iocp_result_t *result,
 *                                            void *userdata)
 *   {
 *       int *left = userdata;
 *       return result->status == IOCP_OK && --*left > 0 ? IOCP_REARM : IOCP_DISARM;
 *   }
 *
 *   static int count_down(iocp_loop_t *loop, int *left)
 *   {
 *       *left = 10;
 *       return iocp_timer(loop, 1000000000u, on_second, left, NULL);
 *   }
 */

/* ==== Handles ================================================================================ */

/* What a handle is. */
typedef enum iocp_handle_kind {
    IOCP_HANDLE_STREAM = 1,        /* a stream socket, or one that listens */
    IOCP_HANDLE_DATAGRAM = 2,      /* a datagram socket */
    IOCP_HANDLE_FILE = 3,          /* a file */
    IOCP_HANDLE_FOLDER = 4,        /* a folder */
    IOCP_HANDLE_PIPE = 5,          /* a pipe, connected */
    IOCP_HANDLE_PIPE_LISTENER = 6, /* iocp_pipe_listen */
    IOCP_HANDLE_PIPE_END = 7,      /* a child's end, of iocp_pipe_pair */
    IOCP_HANDLE_PROCESS = 8,       /* iocp_spawn, iocp_process_adopt */
    IOCP_HANDLE_STDIO = 9,         /* iocp_stdio_open */
    IOCP_HANDLE_OTHER = 10         /* adopted: not looked at yet, or for iocp_overlapped alone */
} iocp_handle_kind_t;

/* An iocp_handle_kind_t, or IOCP_EBADF. Loop thread. Asks nothing of the system. */
IOCP_API int IOCP_CALL iocp_handle_kind(const iocp_loop_t *loop, iocp_handle_t handle);

/*
 * A pointer of the program's that stays with a handle, NULL at first. The loop does nothing with
 * it; it is there until the callback of iocp_close has returned. Loop thread. Errors: IOCP_EBADF
 * (not while it is closing: then both still work), IOCP_EINVAL.
 */
IOCP_API int IOCP_CALL iocp_handle_set_data(iocp_loop_t *loop, iocp_handle_t handle, void *data);
IOCP_API int IOCP_CALL iocp_handle_get_data(const iocp_loop_t *loop, iocp_handle_t handle,
                                            void **data);

/*
 * Close a handle. From this call on the handle takes no new operation (IOCP_EBADF). Everything
 * pending on it is cancelled, and the close calls back last, after every other operation of the
 * handle. `callback` may be NULL. It works while the loop is being destroyed, too.
 * N.B. Data that is still being sent is lost. For an orderly end wait for the sends, call
 * iocp_shutdown and receive until IOCP_EOF first.
 * Win32: CancelIoEx, and closesocket or CloseHandle once every packet is back.
 */
IOCP_API int IOCP_CALL iocp_close(iocp_loop_t *loop, iocp_handle_t handle, iocp_callback_t callback,
                                  void *userdata, iocp_op_t *op);

/*
 * Take over a HANDLE that was opened with FILE_FLAG_OVERLAPPED, which belongs to the loop from here
 * on (unless this fails), and is not inherited by child processes. A file is read and written from
 * its beginning; one that was opened to append only (FILE_APPEND_DATA without FILE_WRITE_DATA)
 * appends. A pipe takes iocp_read and iocp_write. Anything else that a completion port takes (a
 * device, a serial line, a mailslot, a folder) is an IOCP_HANDLE_OTHER and takes iocp_overlapped; all
 * kinds take that and iocp_close.
 *
 * What it is, is asked on the process's thread pool, since Windows lets the question wait while
 * somebody reads a synchronous pipe. Operations can be started meanwhile, and wait for the answer; a
 * cancel, a deadline or iocp_close ends them as they wait, and the close itself calls back when the
 * answer is there. Until then the handle's kind is IOCP_HANDLE_OTHER,
 * and functions that answer at once (iocp_file_get_size, set_size, get_position, set_position) say
 * IOCP_EAGAIN. What cannot be used stays the loop's until iocp_close, and its operations tell why.
 * Errors in their results: IOCP_ENOTOVERLAPPED (opened without FILE_FLAG_OVERLAPPED: they would
 * block the loop, and no packet would come), IOCP_EINVAL (bound to another completion port, or a
 * socket: iocp_socket_adopt), IOCP_ENOTSUP (what it turned out to be does not have this operation),
 * IOCP_EBADF (not a handle).
 *
 * N.B. Nothing of the program's own may be pending on it from this call on (ConnectNamedPipe is the
 * natural one: wait for its end first). Its packet would come here, and be dropped.
 * N.B. Binding to a port is for all who share the handle's file object, in other processes too:
 * adopt none that you have inherited. Nothing else of the file object is changed that others feel.
 * Loop thread. Errors: IOCP_EINVAL (NULL, INVALID_HANDLE_VALUE), IOCP_ENOMEM, IOCP_ECLOSING.
 * Win32: on the pool GetFileType, NtQueryInformationFile, CreateIoCompletionPort.
 */
IOCP_API int IOCP_CALL iocp_handle_adopt(iocp_loop_t *loop, void *native, iocp_handle_t *handle);

/*
 * Back-pressure. `*bytes` gets what is queued to go out on the handle: the bytes of every send,
 * sendto, write and pwrite that was accepted and has not called back. `*most` gets the high-water
 * mark: the most that it has been since the handle was opened or this was last asked with `most`.
 * Either may be NULL. Loop thread. Errors: IOCP_EBADF.
 * N.B. That is what the system has not taken. What it has taken, and the peer not yet, does not
 * count here: see iocp_send.
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
 * NULL for a pipe's listener, which has one for each client that may come.
 * N.B. Start no overlapped call of your own on it unless the lowest bit of its hEvent is set: the
 * loop would take its OVERLAPPED for one of its own, and write beside it.
 * Loop thread. Errors: IOCP_EBADF.
 */
IOCP_API int IOCP_CALL iocp_handle_native(iocp_loop_t *loop, iocp_handle_t handle, void **native);

/*
 * Example: a source that is asked for more only when the reader keeps up with it.
 *
 *   struct source {
 *       void (*produce)(struct source *source, iocp_loop_t *loop, iocp_handle_t handle);
 *   };
 *
 *   static iocp_action_t IOCP_CALL on_drain(iocp_loop_t *loop, const iocp_result_t *result,
 *                                           void *userdata)
 *   {
 *       struct source *source = userdata;
 *       if (result->status == IOCP_OK) {
 *           source->produce(source, loop, result->handle);
 *       }
 *       return IOCP_DISARM;
 *   }
 *
 *   static int source_go_on(iocp_loop_t *loop, iocp_handle_t handle, struct source *source)
 *   {
 *       uint64_t queued = 0;
 *       int status = iocp_handle_queued(loop, handle, &queued, NULL);
 *       if (status == IOCP_OK && queued >= 1048576) {
 *           return iocp_drain(loop, handle, 262144, on_drain, source, NULL);
 *       }
 *       if (status == IOCP_OK) {
 *           source->produce(source, loop, handle);
 *       }
 *       return status;
 *   }
 */

/* ==== Sockets ================================================================================ */

/*
 * Open a socket: `family` AF_INET or AF_INET6, or AF_UNIX where the system has it (streams only;
 * IOCP_CAP_UNIX_SOCKETS); `type` SOCK_STREAM (TCP) or SOCK_DGRAM (UDP);
 * `protocol` 0 or the one that belongs to the type (values of <winsock2.h>). Not inheritable by
 * child processes. AF_INET6 sockets are IPv6 only unless IOCP_SOCKET_V6ONLY is set to 0.
 *
 * Operations of a stream: accept, connect, send, recv, shutdown. Of a datagram socket: sendto,
 * recvfrom, sendmsg, recvmsg; connect, which names the peer for send and recv and exchanges no
 * packet; send, recv.
 *
 * A Unix socket's address is a path: sockaddr_un of <afunix.h>, or iocp_address_parse of
 * "unix:C:\\run\\socket". A bind makes a file there, in an existing folder, whose access rights say
 * who may connect. N.B. The file stays when the socket is closed, and the next bind is
 * IOCP_EADDRINUSE until somebody removes it (DeleteFile): a server does so before it binds, when it
 * knows that no other serves there, and at its end. A connect where nobody listens is
 * IOCP_ECONNREFUSED. A peer that has not bound, as clients seldom have, has no name: its address is
 * the family alone, and "unix:" as text. There are no abstract names and no passing of handles on
 * Windows. Of the options there are IOCP_SOCKET_RECV_BUFFER, _SEND_BUFFER, _LINGER, _ERROR,
 * _AVAILABLE, _FAMILY and _TYPE.
 *
 * Loop thread. Errors: IOCP_EINVAL, IOCP_ENOMEM, IOCP_ECLOSING, IOCP_EAFNOSUPPORT (also: AF_UNIX
 * without the capability, or not as a stream), IOCP_EPROTONOSUPPORT, IOCP_ENOTSUP (another type),
 * IOCP_EMFILE, IOCP_ENOBUFS.
 * Win32: WSASocketW, CreateIoCompletionPort, SetFileCompletionNotificationModes.
 */
IOCP_API int IOCP_CALL iocp_socket_open(iocp_loop_t *loop, int family, int type, int protocol,
                                        iocp_handle_t *handle);

/*
 * Take over an overlapped stream or datagram SOCKET, which belongs to the loop from here on, and is
 * not inherited by child processes. If this fails the socket is as it was, and the caller's. It
 * must not belong to another completion port.
 * N.B. Nothing of the program's own may be pending on it, see iocp_handle_adopt.
 * Loop thread. Errors: IOCP_ENOTSOCK, IOCP_ENOTOVERLAPPED (opened without WSA_FLAG_OVERLAPPED),
 * IOCP_EINVAL (bound to another port), as iocp_socket_open.
 */
IOCP_API int IOCP_CALL iocp_socket_adopt(iocp_loop_t *loop, uintptr_t socket,
                                         iocp_handle_t *handle);

/*
 * Give a socket back: it belongs to the program again, is bound to no port, and can be adopted by
 * another loop. The handle is gone afterwards. Nothing may be pending on it: cancel, and detach in
 * the last callback. The operation whose callback this is does not count; if it is rearmed it has one
 * more callback, with IOCP_ECANCELED.
 *
 * An accepted socket with which nothing has been done here is given back on every system. One that has
 * been used needs Windows 8.1, and each loop that had it may have left its mark (an iocp_completion_mode_t
 * other than IOCP_COMPLETION_PACKET): where the kernel finishes at once it sends no packet. That cannot
 * be taken off it. iocp_socket_adopt knows, in every mode; other code must not be surprised.
 *
 * Loop thread. Errors: IOCP_EBADF, IOCP_EBUSY (something is pending on it; or it has been used, and this
 * system keeps it bound: iocp_loop_native_error says why). Win32: NtSetInformationFile
 * (FileReplaceCompletionInformation).
 */
IOCP_API int IOCP_CALL iocp_socket_detach(iocp_loop_t *loop, iocp_handle_t handle,
                                          uintptr_t *socket);

/*
 * Bind to a local address, which is copied; listen for connections, `backlog` of which may wait for
 * an accept (0: the system's largest, 65535; below 200 the system decides). Those beyond are refused.
 *
 * A stream socket is bound for itself alone: unless IOCP_SOCKET_EXCLUSIVE or
 * IOCP_SOCKET_REUSE_ADDRESS has been set on it before, to whatever value, bind sets
 * SO_EXCLUSIVEADDRUSE, as Microsoft asks of all servers ("Using SO_REUSEADDR and
 * SO_EXCLUSIVEADDRUSE"). Without it another process of the same user could bind 127.0.0.1:p beside
 * our 0.0.0.0:p, with SO_REUSEADDR or with no option at all, and steal what comes there; and our
 * bind of 0.0.0.0:p beside its 127.0.0.1:p would succeed, and never see it. With it either is
 * IOCP_EADDRINUSE or IOCP_EACCES.
 * N.B. While a connection that came in on an exclusive port is active the port cannot be bound
 * exclusively anew, also after its listener is closed; Windows keeps one active that was closed
 * with data on its way. One that has ended by iocp_shutdown on both sides is not in the way;
 * Microsoft's page does not say what counts, its developers wrote that TIME_WAIT does not.
 *
 * Loop thread. Errors: IOCP_EINVAL (bound already; to listen: not bound), IOCP_EBADF, IOCP_ENOTSUP
 * (not a socket; a datagram socket does not listen), IOCP_EISCONN (to listen), IOCP_EADDRINUSE,
 * IOCP_EADDRNOTAVAIL, IOCP_EACCES (also: somebody has the port for himself), IOCP_EFAULT (the
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

/*
 * Options of sockets: the values, what it is, the name that it has on Windows, and since when, where
 * that is later than Windows 10 1607. Those of IP itself (their names begin with IP_ and IPV6_) a dual
 * stack socket has for IPv6 and for IPv4, and both are set: so set IOCP_SOCKET_V6ONLY first.
 */
typedef enum iocp_socket_option {
    IOCP_SOCKET_NODELAY = 1,       /* streams. 0 or 1: TCP_NODELAY */
    IOCP_SOCKET_KEEPALIVE = 2,     /* streams. 0 or 1: SO_KEEPALIVE */
    IOCP_SOCKET_RECV_BUFFER = 3,   /* bytes: SO_RCVBUF */
    IOCP_SOCKET_SEND_BUFFER = 4,   /* bytes: SO_SNDBUF */
    IOCP_SOCKET_LINGER = 5,        /* streams. Seconds, to 65535, or -1 for off: SO_LINGER. 0: close
                                    resets. N.B. More than 0: a close keeps the loop waiting, so long */
    IOCP_SOCKET_V6ONLY = 6,        /* IPv6. 0 or 1, before bind: IPV6_V6ONLY. 0: dual stack */
    IOCP_SOCKET_EXCLUSIVE = 7,     /* 0 or 1, before bind: SO_EXCLUSIVEADDRUSE. Streams: bind sets
                                      it to 1 where neither this nor the next was set, and says why */
    IOCP_SOCKET_REUSE_ADDRESS = 8, /* 0 or 1, before bind: SO_REUSEADDR, which takes a port over */
    IOCP_SOCKET_ERROR = 9,         /* get only: SO_ERROR, a raw Winsock code */
    /* Datagram sockets: */
    IOCP_SOCKET_BROADCAST = 10,      /* 0 or 1: SO_BROADCAST */
    IOCP_SOCKET_MULTICAST_LOOP = 11, /* 0 or 1 (default): whether this socket gets what this host
                                        sends to its groups: IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP.
                                        N.B. On Windows the receiver's setting, on other systems the
                                        sender's */
    IOCP_SOCKET_MULTICAST_HOPS = 12, /* 0 to 255: how far what is sent to a group goes:
                                        IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS */
    IOCP_SOCKET_UNREACHABLE = 13,    /* 0 (default): that nobody listens where a datagram was sent,
                                        or that it went too far, is ignored; 1: a receive then ends
                                        with IOCP_ECONNRESET or IOCP_ENETRESET, the next goes on.
                                        SIO_UDP_CONNRESET, SIO_UDP_NETRESET. Set only */
    IOCP_SOCKET_MULTICAST_INTERFACE = 14, /* index, to 16777215, 0: the system's choice:
                                        where what is sent to a group leaves: IP_MULTICAST_IF,
                                        IPV6_MULTICAST_IF */
    /* These four are for iocp_recvmsg, which tells what they ask for in its message. */
    IOCP_SOCKET_RECV_LOCAL = 15,    /* 0 or 1: iocp_message_t.local, .interface_index: IP_PKTINFO,
                                       IPV6_PKTINFO */
    IOCP_SOCKET_RECV_HOPS = 16,     /* 0 or 1: iocp_message_t.hops: IP_HOPLIMIT, IPV6_HOPLIMIT */
    IOCP_SOCKET_RECV_ECN = 17,      /* 0 or 1: iocp_message_t.ecn: IP_RECVECN, IPV6_RECVECN (11,
                                       Server 2022) */
    IOCP_SOCKET_RECV_SEGMENTS = 18, /* bytes, to 65535, 0: off (default). The system may glue
                                       datagrams of one sender up to this size:
                                       iocp_message_t.segment_bytes tells where to cut.
                                       N.B. Other receives get them glued, and do not see where.
                                       UDP_RECV_MAX_COALESCED_SIZE (2004) */
    IOCP_SOCKET_MTU_DISCOVER = 19,  /* 0: as the system does, 1: never fragment, 2: may fragment,
                                       3: never, and do not learn: IP_MTU_DISCOVER,
                                       IPV6_MTU_DISCOVER (1803) */
    IOCP_SOCKET_MTU = 20,           /* get only, connected: bytes: IP_MTU, IPV6_MTU (1803) */
    IOCP_SOCKET_SEND_SEGMENTS = 21, /* get only, 0 or 1: the system cuts what is sent into datagrams
                                       if iocp_message_t.segment_bytes tells it to:
                                       UDP_SEND_MSG_SIZE (2004), which is only read */
    /* Stream sockets: */
    IOCP_SOCKET_KEEPALIVE_IDLE = 22,     /* seconds, 1 to 32767, until the first probe: TCP_KEEPIDLE
                                            (1709) */
    IOCP_SOCKET_KEEPALIVE_INTERVAL = 23, /* seconds, 1 to 32767, between two probes:
                                            TCP_KEEPINTVL (1709) */
    IOCP_SOCKET_KEEPALIVE_COUNT = 24,    /* probes, 1 to 255: TCP_KEEPCNT (1703) */
    IOCP_SOCKET_RETRY_LIMIT = 25,        /* seconds without an answer until the connection, or
                                            iocp_connect, gives up; -1: never: TCP_MAXRT */
    IOCP_SOCKET_INITIAL_RTO = 26,   /* ms, to 65534, 0: the system's default: the round trip that
                                            a connect reckons with before it knows one, and so how
                                            soon it asks again. Set only: SIO_TCP_INITIAL_RTO */
    IOCP_SOCKET_ACK_FREQUENCY = 27, /* segments, 1 to 255, for one acknowledgement; 1: each at
                                            once. Set only: SIO_TCP_SET_ACK_FREQUENCY */
    IOCP_SOCKET_TIMESTAMPS = 28,    /* 0 or 1: TCP_TIMESTAMPS */
    IOCP_SOCKET_FAST_OPEN = 29,     /* 0 or 1: TCP_FASTOPEN. For those who accept: iocp_connect
                                            has no data to send along */
    IOCP_SOCKET_OOB_INLINE = 30,    /* 0 or 1: SO_OOBINLINE */
    IOCP_SOCKET_AVAILABLE = 31,     /* get only, datagrams too: bytes that are there: FIONREAD */
    /* Both: */
    IOCP_SOCKET_HOPS = 32,          /* 1 to 255: IP_TTL, IPV6_UNICAST_HOPS */
    IOCP_SOCKET_INTERFACE = 33,     /* index, to 16777215, 0: by the route: IP_UNICAST_IF,
                                     IPV6_UNICAST_IF */
    IOCP_SOCKET_RANDOM_PORT = 34,   /* 0 or 1, before bind: SO_RANDOMIZE_PORT */
    IOCP_SOCKET_FAMILY = 35,        /* get only: AF_ */
    IOCP_SOCKET_TYPE = 36,          /* get only: SOCK_ */
    IOCP_SOCKET_TRAFFIC_CLASS = 37, /* 0 to 255, DSCP in the upper six bits: IP_TOS, IPV6_TCLASS.
                                       N.B. Windows takes it and sends 0, unless an administrator has
                                       allowed it; a policy or qWAVE mark what is sent */
    IOCP_SOCKET_DONT_FRAGMENT = 38, /* datagrams. 0 or 1: IP_DONTFRAGMENT, IPV6_DONTFRAG */
    IOCP_SOCKET_MTU_LIMIT = 39,     /* datagrams. Bytes, 0: none (default): longer packets are
                                       fragmented, or refused where that is not allowed: IP_USER_MTU,
                                       IPV6_USER_MTU (2004) */
    IOCP_SOCKET_REUSE_UNICAST_PORT = 40, /* streams. 0 or 1, before bind: SO_REUSE_UNICASTPORT;
                                       for a bind of the program's own, see iocp_connect */
    IOCP_SOCKET_CONDITIONAL_ACCEPT = 41, /* streams. 0 or 1, before listen: SO_CONDITIONAL_ACCEPT:
                                       the system answers nobody before the program accepts.
                                       N.B. Without backlog, and without its guard against floods.
                                       Its page speaks of WSAAccept, and not of AcceptEx */
    IOCP_SOCKET_FAIL_ON_ICMP = 42,  /* streams. 0 or 1: a connect ends with IOCP_EHOSTUNREACH when a
                                       router says so, and does not go on trying:
                                       TCP_FAIL_CONNECT_ON_ICMP_ERROR (2004) */
    IOCP_SOCKET_IDEAL_BACKLOG = 43, /* streams. Get only, connected: bytes that are best on their
                                       way: SIO_IDEAL_SEND_BACKLOG_QUERY */
    IOCP_SOCKET_RSS = 44,           /* get only: 1 if an interface spreads what it receives over the
                                       processors: SIO_QUERY_RSS_SCALABILITY_INFO */
    IOCP_SOCKET_PROCESSOR = 45, /* get only, connected: where what is received is handled, 64 times
                                       the group and the number in it: SIO_QUERY_RSS_PROCESSOR_INFO */
    IOCP_SOCKET_AFFINITY = 46   /* datagrams. Processor, to 65535, before bind: of the sockets
                                       of one address the one of the processor gets what arrives there.
                                       Set only: SIO_CPU_AFFINITY (no page says since when) */
} iocp_socket_option_t;

/* The options of this version are 1 to IOCP_SOCKET_OPTIONS - 1. */
#define IOCP_SOCKET_OPTIONS (IOCP_SOCKET_AFFINITY + 1)

/*
 * Set and get an option. A call that fails has changed nothing. For other options use setsockopt on
 * iocp_handle_native. Loop thread.
 * Errors: IOCP_EINVAL (no such option, a value that it does not take, or it can only be read; too
 * late for it), IOCP_ENOPROTOOPT (sockets of this kind do not have it, or it can only be set),
 * IOCP_ENOTSUP (this Windows does not have it; not a socket), IOCP_ENOTCONN.
 * Win32: setsockopt, getsockopt, WSAIoctl.
 */
IOCP_API int IOCP_CALL iocp_socket_set_option(iocp_loop_t *loop, iocp_handle_t handle,
                                              iocp_socket_option_t option, int value);
IOCP_API int IOCP_CALL iocp_socket_get_option(iocp_loop_t *loop, iocp_handle_t handle,
                                              iocp_socket_option_t option, int *value);

/*
 * Accept one connection: the result holds the new handle in `opened`, and the peer's address (none
 * of a pipe's listener, see iocp_pipe_listen). The new socket belongs to no completion port until
 * its first operation here, so iocp_socket_detach can hand it to another loop. Several accepts may
 * be pending; a failed one leaves the listener as it is. With IOCP_REARM the next connection comes
 * to the same callback.
 * N.B. The opened handle is the callback's: use it or close it.
 *
 * How many accepts should be pending? One suffices until more clients come at once than a turn
 * serves. A rearmed accept queues behind the packets of all connections that are busy, so of N
 * clients that come at once the last one waits while the others get about N * N / 2D answers, if D
 * accepts are pending. Each holds a socket ready. examples/echo_server.c begins with 16 and doubles
 * them in a burst.
 *
 * Errors in the result, and what to do. A peer that has gone before it was accepted is none of
 * them: it is dropped, and the accept waits for the next one.
 *   IOCP_EMFILE, IOCP_ENOBUFS, IOCP_ENOMEM: no handle or memory for another connection. Answer
 *     IOCP_REARM. This is told once: the rearmed accept tries again by itself, after a pause that
 *     grows from 1 to 64 ms, and calls back with the next connection. Meanwhile connections wait in
 *     the backlog; closing idle ones helps (iocp_loop_handles).
 *   IOCP_EINVAL: the socket does not listen (where the system checks it). Answer IOCP_DISARM.
 *   IOCP_ECANCELED, IOCP_ETIMEDOUT: the program's own doing, a cancel, a close or a deadline.
 *   Anything else, IOCP_ENETDOWN for instance: the listener may be of no more use. A program that
 *     rearms gives it a pause (iocp_timer), or it closes the listener and opens it anew.
 * Win32: AcceptEx, SO_UPDATE_ACCEPT_CONTEXT.
 */
IOCP_API int IOCP_CALL iocp_accept(iocp_loop_t *loop, iocp_handle_t listener,
                                   iocp_callback_t callback, void *userdata, iocp_op_t *op);

/*
 * Connect to an address, which is copied. A socket that is not bound is bound to any address first
 * (a Unix socket to none), with SO_REUSE_UNICASTPORT, so that the system can use a port for several
 * destinations, and not only some 16 000 connections fit for all of them together. Never blocks. On
 * the loopback address a port with no listener, or with a full backlog, refuses at once, and not
 * after Windows' two seconds of trying. Errors in the result: IOCP_ECONNREFUSED, IOCP_EHOSTUNREACH,
 * IOCP_ETIMEDOUT and others.
 * Win32: ConnectEx, SO_UPDATE_CONNECT_CONTEXT; SIO_TCP_INITIAL_RTO.
 */
IOCP_API int IOCP_CALL iocp_connect(iocp_loop_t *loop, iocp_handle_t handle,
                                    const struct sockaddr *address, size_t length,
                                    iocp_callback_t callback, void *userdata, iocp_op_t *op);

/*
 * Send all of the data. What is sent on one socket goes out in the order of the calls; the
 * callbacks may come in another. At most UINT32_MAX bytes altogether, IOCP_BUFFERS_MAX buffers.
 * Status 0 says that the system has the data, and not that the peer has. A send of a stream that
 * did not take everything is never a success, whatever the system says: it is IOCP_ECONNABORTED
 * with the true count in `bytes`.
 *
 * Winsock takes sends of any size while at most one is buffered: two of 64 MB to a peer that does
 * not read are done at once, and the kernel keeps them. iocp_handle_queued and iocp_drain count the
 * bytes that the system has not taken, and a deadline sees no more: it ends a send that the system
 * does not take. (Whether the peer goes on reading its answer tells: set a deadline on the receive
 * of that.) To bound what the kernel keeps, send pieces of 64 KiB, the next when the last has
 * called back; or set IOCP_SOCKET_SEND_BUFFER to 0, which has it copy nothing: a send then calls
 * back when the peer's system has acknowledged it, and the connection idles meanwhile unless
 * several are pending.
 * N.B. A cancelled send tells in `bytes` how much was taken. That much may reach the peer, or less.
 * Errors in the result: IOCP_ECONNRESET, IOCP_ECONNABORTED, IOCP_EPIPE (after iocp_shutdown),
 * IOCP_ENOTCONN.
 * Win32: WSASend.
 */
IOCP_API int IOCP_CALL iocp_send(iocp_loop_t *loop, iocp_handle_t handle, const void *data,
                                 size_t size, iocp_callback_t callback, void *userdata,
                                 iocp_op_t *op);
IOCP_API int IOCP_CALL iocp_sendv(iocp_loop_t *loop, iocp_handle_t handle,
                                  const iocp_buf_t *buffers, size_t count, iocp_callback_t callback,
                                  void *userdata, iocp_op_t *op);

/*
 * Send at once what the socket takes, and queue nothing: no operation, no callback, and the
 * memory is free again when the call returns. `*sent` gets the bytes, 1 at least if it returns 0,
 * perhaps not all: the rest is for iocp_send, or for a later try. Lists as in iocp_sendv. Of a
 * datagram socket that is connected: the whole datagram, or nothing.
 *
 * Loop thread, also in callbacks. Never waits. Errors: IOCP_EAGAIN (the socket takes nothing now,
 * or something of iocp_send, sendv, sendto is queued, which goes first), IOCP_EINVAL (no bytes),
 * IOCP_ENOTSUP (not a socket; a socket that was adopted: whether a call on it may wait is a setting
 * that others might share), IOCP_ECONNRESET, IOCP_EPIPE, IOCP_ENOTCONN, as a result of iocp_send
 * would say.
 * Win32: WSASend without OVERLAPPED on a non-blocking socket.
 */
IOCP_API int IOCP_CALL iocp_try_send(iocp_loop_t *loop, iocp_handle_t handle,
                                     const iocp_buf_t *buffers, size_t count, uint64_t *sent);

/*
 * Send `bytes` of a file from `offset`, in order with the socket's other sends, and around them
 * `head` and `tail`, each of which may be NULL (the structures are copied, their data is not).
 * UINT64_MAX bytes: up to the end of the file, as it is at the call and at each IOCP_REARM, which
 * sends the same again. The file's own position does not move; any number of sendfiles may read one
 * file. Head and tail have 2^30 bytes together at most. Result: bytes, all that was sent, head and
 * tail too, also where it has failed.
 *
 * It begins when the sends before it have called back, and those behind it when it has. It is an
 * operation of the socket, and uses the file: iocp_close of the file ends it as IOCP_ECANCELED and
 * calls back behind it, while the socket and its other operations go on.
 *
 * Errors: as iocp_send, for both handles; IOCP_ENOTSUP also for a socket of datagrams; IOCP_EAGAIN
 * (the file was adopted, and not looked at yet). Errors in the result: as iocp_send and iocp_pread;
 * IOCP_EOF (the file is shorter: what there was has been sent, the tail has not).
 * N.B. Client editions of Windows carry out two at a time, of all programs, and queue the others; a
 * slow reader is one of these two. A server for them reads and sends.
 * N.B. The size of the file is asked for on the loop thread, as by iocp_file_get_size: of a file on
 * another machine that may take a while.
 * Win32: TransmitFile, as often as it takes; GetFileSizeEx.
 */
IOCP_API int IOCP_CALL iocp_sendfile(iocp_loop_t *loop, iocp_handle_t socket, iocp_handle_t file,
                                     uint64_t offset, uint64_t bytes, const iocp_buf_t *head,
                                     const iocp_buf_t *tail, iocp_callback_t callback,
                                     void *userdata, iocp_op_t *op);

/*
 * Receive what is there, at least one byte. At the end of the stream the status is IOCP_EOF, also
 * that of each receive after it. A size of 0 waits until there is something to receive (or the
 * end), and takes none of it: the next receive gets it, on datagram sockets too. Sizes and lists as
 * in iocp_send. On a stream receives are carried out one after the other, in the order of their
 * calls.
 * Errors in the result: IOCP_ECONNRESET, IOCP_ECONNABORTED (also after the peer has closed and was
 * sent more: its system answers with a reset, which Windows tells by either code), IOCP_EPIPE
 * (after IOCP_SHUTDOWN_RECV), IOCP_ENOTCONN. Win32: WSARecv; MSG_PEEK.
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
 * IOCP_EOF). A size of 0 waits until there is a datagram and takes nothing: 0 bytes, not
 * IOCP_RESULT_TRUNCATED, and the next receive gets it.
 * N.B. The socket must be bound: by iocp_socket_bind, or by a first iocp_sendto.
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

/*
 * The same, of a group, for what one sender alone sends to it; of several senders join each.
 * Errors: as above; IOCP_EINVAL also for a group that was joined as a whole.
 * Win32: IP_ADD_SOURCE_MEMBERSHIP, for IPv6 MCAST_JOIN_SOURCE_GROUP, and their opposites.
 */
IOCP_API int IOCP_CALL iocp_socket_join_source(iocp_loop_t *loop, iocp_handle_t handle,
                                               const struct sockaddr *group, size_t group_length,
                                               const struct sockaddr *source, size_t source_length,
                                               uint32_t interface_index);
IOCP_API int IOCP_CALL iocp_socket_leave_source(iocp_loop_t *loop, iocp_handle_t handle,
                                                const struct sockaddr *group, size_t group_length,
                                                const struct sockaddr *source, size_t source_length,
                                                uint32_t interface_index);

typedef enum iocp_shutdown_how {
    IOCP_SHUTDOWN_RECV = 0,
    IOCP_SHUTDOWN_SEND = 1,
    IOCP_SHUTDOWN_BOTH = 2
} iocp_shutdown_how_t;

/*
 * End one or both directions. Ending the sending side first waits for the sends that are pending,
 * then the peer receives IOCP_EOF after their data.
 * N.B. Shutting down the receiving side does not end a receive that is pending: cancel it. One that
 * is started afterwards is IOCP_EPIPE, and data that was not received, or comes later, resets the
 * connection.
 * Win32: shutdown.
 */
IOCP_API int IOCP_CALL iocp_shutdown(iocp_loop_t *loop, iocp_handle_t handle,
                                     iocp_shutdown_how_t how, iocp_callback_t callback,
                                     void *userdata, iocp_op_t *op);

/*
 * Example: a server on a port, which closes each connection when it has it.
 *
 *   static iocp_action_t IOCP_CALL on_accept(iocp_loop_t *loop, const iocp_result_t *result,
 *                                            void *userdata)
 *   {
 *       switch (result->status) {
 *       case IOCP_OK:
 *           iocp_close(loop, result->opened, NULL, NULL, NULL);
 *           return IOCP_REARM;
 *       case IOCP_EMFILE:
 *       case IOCP_ENOBUFS:
 *       case IOCP_ENOMEM:
 *           return IOCP_REARM;
 *       default:
 *           fprintf(stderr, "accept: %s\n", iocp_error_text(result->status));
 *           return IOCP_DISARM;
 *       }
 *   }
 *
 *   static int listen_on(iocp_loop_t *loop, uint16_t port, iocp_handle_t *listener)
 *   {
 *       struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
 *       int status = iocp_socket_open(loop, AF_INET, SOCK_STREAM, 0, listener);
 *       if (status != IOCP_OK) {
 *           return status;
 *       }
 *       status = iocp_socket_bind(loop, *listener, (struct sockaddr *)&address, sizeof address);
 *       if (status == IOCP_OK) {
 *           status = iocp_socket_listen(loop, *listener, 0);
 *       }
 *       if (status == IOCP_OK) {
 *           status = iocp_accept(loop, *listener, on_accept, NULL, NULL);
 *       }
 *       if (status != IOCP_OK) {
 *           iocp_close(loop, *listener, NULL, NULL, NULL);
 *       }
 *       return status;
 *   }
 */

/* ==== Sockets: messages ====================================================================== */

/* Bits of iocp_message_t.fields: what came with a datagram. */
typedef enum iocp_message_field {
    IOCP_MESSAGE_LOCAL = 1,    /* local, interface_index: IOCP_SOCKET_RECV_LOCAL */
    IOCP_MESSAGE_HOPS = 2,     /* hops: IOCP_SOCKET_RECV_HOPS */
    IOCP_MESSAGE_ECN = 4,      /* ecn: IOCP_SOCKET_RECV_ECN */
    IOCP_MESSAGE_SEGMENTS = 8, /* segment_bytes: IOCP_SOCKET_RECV_SEGMENTS, and several were glued:
                                    there is more than one of that size */
    /* There was no room for all that came with it (MSG_CTRUNC): what is missing above may have been
       there, segment_bytes too. */
    IOCP_MESSAGE_INCOMPLETE = 16
} iocp_message_field_t;

/*
 * What goes with a datagram beside its data; the control data of sendmsg and recvmsg, decoded.
 * To send: set size to sizeof(iocp_message_t) and what is not asked for to 0, `fields` too.
 * Received: it belongs to the result. `fields` says which of the members are known, since 0 may be
 * what was received. Later versions add members at the end.
 */
struct iocp_message {
    uint32_t size;
    uint32_t fields;             /* received: IOCP_MESSAGE_ bits */
    const struct sockaddr *peer; /* to whom (NULL: the socket is connected); from whom (NULL: the
                                    system does not say) */
    size_t peer_length;
    const struct sockaddr *local; /* from which of this machine's addresses (NULL: the system
                                     chooses); at which it arrived. Its port does not count. Of the
                                     socket's family, as `peer`: on a dual stack socket an IPv4
                                     address is one in IPv6 clothes */
    size_t local_length;
    uint32_t interface_index; /* where it leaves (0: by the route); where it arrived */
    uint32_t hops;            /* 1 to 255, to send also 0: the socket's */
    uint32_t ecn;             /* 0 to 3, the codepoint of RFC 3168 */
    uint32_t segment_bytes;   /* to send: cut the data into datagrams of this size, the last may be
                                 shorter (to 65535, 0: one datagram); received: so it has to be cut */
    uint32_t dont_fragment; /* to send, 0: as the socket does, 1: no fragments, whatever the MTU */
    uint32_t reserved;      /* 0 */
};

/*
 * Send one datagram, or with segment_bytes several, with what `message` says, which is not NULL. All
 * of it is copied by the call but the data. Lists as in iocp_sendv. Result: bytes.
 * Errors in the result: as iocp_sendto; IOCP_EINVAL (something that the system does not take: ecn
 * before Windows 11 and Server 2022, a local address that is not this machine's or of another
 * family), IOCP_ENOTSUP (segments without IOCP_CAP_SEGMENTS: nothing was sent), IOCP_ENOTCONN.
 * Win32: WSASendMsg; IP_PKTINFO, IP_HOPLIMIT, IP_ECN, IP_DONTFRAGMENT, UDP_SEND_MSG_SIZE, those of
 * IPv6 alike.
 */
IOCP_API int IOCP_CALL iocp_sendmsg(iocp_loop_t *loop, iocp_handle_t handle,
                                    const iocp_buf_t *buffers, size_t count,
                                    const iocp_message_t *message, iocp_callback_t callback,
                                    void *userdata, iocp_op_t *op);

/*
 * Receive one datagram, as iocp_recvfrom, and what came with it: the result's `message`, as far as
 * the options IOCP_SOCKET_RECV_ ask for it. With IOCP_SOCKET_RECV_SEGMENTS the buffer has to hold
 * that many bytes. Lists as in iocp_recvv. The message of a success is the library's, and ends with
 * the callback; iocp_sendmsg copies what it is given of it.
 * N.B. Then look at IOCP_MESSAGE_SEGMENTS in each callback: what came may be several datagrams.
 * Win32: WSARecvMsg.
 */
IOCP_API int IOCP_CALL iocp_recvmsg(iocp_loop_t *loop, iocp_handle_t handle,
                                    const iocp_buf_t *buffers, size_t count,
                                    iocp_callback_t callback, void *userdata, iocp_op_t *op);

/*
 * Example: a server with several addresses answers from the one that it was asked at, with
 * IOCP_SOCKET_RECV_LOCAL set to 1. Otherwise the system chooses, and the client may hear from a
 * stranger.
 *
 *   struct question {
 *       char text[2048];
 *   };
 *
 *   static iocp_action_t IOCP_CALL on_answered(iocp_loop_t *loop, const iocp_result_t *result,
 *                                              void *text)
 *   {
 *       free(text);
 *       return IOCP_DISARM;
 *   }
 *
 *   static iocp_action_t IOCP_CALL on_question(iocp_loop_t *loop, const iocp_result_t *result,
 *                                              void *userdata)
 *   {
 *       struct question *question = userdata;
 *       if (result->status != IOCP_OK) {
 *           return result->status == IOCP_ECANCELED ? IOCP_DISARM : IOCP_REARM;
 *       }
 *       const iocp_message_t *asked = result->message;
 *       iocp_message_t message = {.size = sizeof message,
 *                                 .peer = asked->peer,
 *                                 .peer_length = asked->peer_length,
 *                                 .local = asked->local,
 *                                 .local_length = asked->local_length,
 *                                 .interface_index = asked->interface_index};
 *       iocp_buf_t text = {(uint32_t)result->bytes, malloc(sizeof question->text)};
 *       if (text.base == NULL) {
 *           return IOCP_REARM;
 *       }
 *       memcpy(text.base, question->text, text.length);
 *       if (iocp_sendmsg(loop, result->handle, &text, 1, &message, on_answered, text.base, NULL) !=
 *           IOCP_OK) {
 *           free(text.base);
 *       }
 *       return IOCP_REARM;
 *   }
 */

/* ==== Sockets and pipes: lent buffers ======================================================== */

typedef struct iocp_buffers iocp_buffers_t; /* opaque */

/*
 * A pool of `count` buffers of `size` bytes each, taken from the loop's allocator at once, each
 * aligned as malloc's memory is (16 bytes, for 32 bits 8). One pool serves any number of handles of its loop. Loop thread. Errors:
 * IOCP_EINVAL (also more than 2^32 - 1 bytes each), IOCP_ENOMEM, IOCP_ECLOSING.
 *
 * iocp_buffers_destroy lends no more from here on; receives that wait, for data or for a buffer, end
 * as IOCP_ECANCELED, and the memory goes back to the allocator with the last buffer that comes back.
 * A receive that has its data already is told so, and lends its buffer all the same.
 * iocp_loop_destroy frees the pools that are left with the loop, and what is lent of them.
 */
IOCP_API int IOCP_CALL iocp_buffers_create(iocp_loop_t *loop, size_t count, size_t size,
                                           iocp_buffers_t **pool);
IOCP_API int IOCP_CALL iocp_buffers_destroy(iocp_buffers_t *pool);

/*
 * Give a lent buffer back. `data` is what the result told. The oldest receive that waits for one
 * gets it, in the next tick. Loop thread, also while the loop is being destroyed. Errors:
 * IOCP_EINVAL (not a buffer of this pool, or not lent: given back twice).
 * N.B. A pool that was destroyed is gone with the last one.
 */
IOCP_API int IOCP_CALL iocp_buffers_return(iocp_buffers_t *pool, void *data);

/*
 * How many buffers are with the program, and how many receives wait for one. Loop thread. Errors:
 * IOCP_EINVAL.
 */
IOCP_API int IOCP_CALL iocp_buffers_lent(const iocp_buffers_t *pool, size_t *lent, size_t *waiting);

/*
 * Receive or read as iocp_recv, iocp_recvfrom and iocp_read do, into a buffer that is taken from
 * the pool when there is data, and not before: an idle connection has none. Where the pool is empty
 * the receive waits, and what was sent stays in the socket or pipe: its peer is held back, and
 * nothing is lost. One callback has one buffer; IOCP_REARM waits for the next data. On each handle
 * they are carried out one after the other; on streams and pipes also with other receives and reads.
 *
 * The result's `data` is the buffer, with `bytes` in it. It is the program's from here on, after
 * the callback too: to work on, to send from, to hand to another thread (and back, by iocp_post).
 * With each status but 0 it is NULL, and there is none: at the end of a stream, say.
 * A message that is longer than the buffer is IOCP_RESULT_TRUNCATED or _MORE. A datagram's sender is
 * in the result. An empty datagram or message is 0 bytes in a buffer.
 * Errors: IOCP_EINVAL also for a pool of another loop, or one that was destroyed.
 * N.B. Give every buffer back, by iocp_buffers_return. A pool that runs dry stalls its connections:
 * iocp_buffers_lent and iocp_stats_t.lent show it.
 * N.B. Whoever else takes the data meanwhile (iocp_recvfrom on the same socket, another process with
 * the same socket) leaves the receive with a buffer in hand until the next comes.
 * Win32: WSARecv, WSARecvFrom (MSG_PEEK) and ReadFile of no bytes, then of what is there. On a stream
 * whose last receive had no need to wait, except for one that was adopted: first WSARecv without
 * OVERLAPPED on the socket made non-blocking, so that a busy one takes one call for each receive.
 */
IOCP_API int IOCP_CALL iocp_recv_lent(iocp_loop_t *loop, iocp_handle_t handle, iocp_buffers_t *pool,
                                      iocp_callback_t callback, void *userdata, iocp_op_t *op);

/*
 * Example: an echo that has memory only for those connections that have said something.
 *
 *   typedef struct echo {
 *       iocp_buffers_t *pool;
 *       iocp_handle_t connection;
 *       void *data;
 *   } echo;
 *
 *   static iocp_action_t IOCP_CALL on_data(iocp_loop_t *loop, const iocp_result_t *result,
 *                                          void *userdata);
 *
 *   static iocp_action_t IOCP_CALL on_sent(iocp_loop_t *loop, const iocp_result_t *result,
 *                                          void *userdata)
 *   {
 *       echo *e = userdata;
 *       iocp_buffers_return(e->pool, e->data);
 *       if (result->status != IOCP_OK ||
 *           iocp_recv_lent(loop, e->connection, e->pool, on_data, e, NULL) != IOCP_OK) {
 *           iocp_close(loop, e->connection, NULL, NULL, NULL);
 *           free(e);
 *       }
 *       return IOCP_DISARM;
 *   }
 *
 *   static iocp_action_t IOCP_CALL on_data(iocp_loop_t *loop, const iocp_result_t *result,
 *                                          void *userdata)
 *   {
 *       echo *e = userdata;
 *       e->data = result->data;
 *       if (result->status == IOCP_OK && iocp_send(loop, e->connection, e->data, result->bytes,
 *                                                  on_sent, e, NULL) == IOCP_OK) {
 *           return IOCP_DISARM;
 *       }
 *       if (e->data != NULL) {
 *           iocp_buffers_return(e->pool, e->data);
 *       }
 *       iocp_close(loop, e->connection, NULL, NULL, NULL);
 *       free(e);
 *       return IOCP_DISARM;
 *   }
 */

/* ==== Sockets of others: readiness =========================================================== */

/* Bits of `events`, and of iocp_result_t.event. */
typedef enum iocp_poll_event {
    IOCP_POLL_READ = 1,     /* a receive or an accept gets something, if only the end */
    IOCP_POLL_WRITE = 2,    /* a send takes something; a connect has succeeded */
    IOCP_POLL_PRIORITY = 4, /* urgent data */
    IOCP_POLL_HANGUP = 8,   /* the peer has ended its side */
    IOCP_POLL_ERROR = 16    /* a connect has failed, or the connection is broken. Always told */
} iocp_poll_event_t;

/*
 * Wait until a socket that belongs to somebody else (libcurl, c-ares, libpq) is ready: one callback
 * with the bits of `event` that are. Level, not edge: IOCP_REARM asks again, for the same events,
 * and a socket that is still ready calls back again in the next tick. So answer IOCP_REARM after
 * having done what it is ready for. `events` 0 waits for IOCP_POLL_ERROR alone.
 *
 * `socket` stays its owner's: it is not bound to the port, and nothing of it is changed. Several
 * polls may wait on one. When it is closed the poll ends as IOCP_EBADF.
 * N.B. A socket's number is used again after it is closed. Where a library tells that it will close
 * one, cancel the poll then.
 * Errors in the result: IOCP_ENOTSOCK, IOCP_EBADF, IOCP_ENOTSUP (a layered provider hides the
 * system's socket; native_error is what it said, and `netsh winsock show catalog` names it).
 * Win32: IOCTL_AFD_POLL on the base socket (SIO_BASE_HANDLE, SIO_BSP_HANDLE_POLL).
 */
IOCP_API int IOCP_CALL iocp_poll(iocp_loop_t *loop, uintptr_t socket, uint32_t events,
                                 iocp_callback_t callback, void *userdata, iocp_op_t *op);

/*
 * Give a pending poll other events: it keeps its id and has no extra callback. In its own callback:
 * what IOCP_REARM then waits for. Loop thread. Errors: IOCP_ENOENT (it has ended), IOCP_EINVAL (not
 * a poll, no such event), IOCP_EBUSY (its callback is due: set it there); or that of the system,
 * which did not take the request: it waits for the events that it had.
 */
IOCP_API int IOCP_CALL iocp_poll_set(iocp_loop_t *loop, iocp_op_t op, uint32_t events);

/*
 * Example: a library that tells its socket and what it waits for there, and is called when that has come.
 *
 *   struct watch {
 *       uintptr_t socket;
 *       uint32_t (*work)(uintptr_t socket, uint32_t ready);   // says what it waits for next, 0: done
 *   };
 *
 *   static iocp_action_t IOCP_CALL on_ready(iocp_loop_t *loop, const iocp_result_t *result,
 *                                           void *userdata)
 *   {
 *       struct watch *watch = userdata;
 *       if (result->status != IOCP_OK) {
 *           return IOCP_DISARM;
 *       }
 *       uint32_t events = watch->work(watch->socket, result->event);
 *       if (events == 0) {
 *           return IOCP_DISARM;
 *       }
 *       iocp_poll_set(loop, result->op, events);
 *       return IOCP_REARM;
 *   }
 *
 *   static int watch_begin(iocp_loop_t *loop, struct watch *watch)
 *   {
 *       return iocp_poll(loop, watch->socket, IOCP_POLL_READ, on_ready, watch, NULL);
 *   }
 */

/* ==== Pipes ================================================================================== */

/* Bits of `flags`. Where neither READ nor WRITE is set, both are meant. */
typedef enum iocp_pipe_flag {
    IOCP_PIPE_READ = 1,     /* we read, the other end writes */
    IOCP_PIPE_WRITE = 2,    /* we write, the other end reads */
    IOCP_PIPE_MESSAGE = 4,  /* each write is a message, and a read ends where one does */
    IOCP_PIPE_REMOTE = 8,   /* listen: other machines too. Without it they are refused */
    IOCP_PIPE_SHARED = 16,  /* listen: other processes may serve this name, or do already */
    IOCP_PIPE_CHILDREN = 32 /* pair: both ends are for children; the first reads */
} iocp_pipe_flag_t;

/* Set size to sizeof(iocp_pipe_options_t) and everything else to 0 for the defaults. */
typedef struct iocp_pipe_options {
    uint32_t size;
    uint32_t flags;        /* IOCP_PIPE_ bits. 0: bytes, both ways, this machine, ours alone */
    uint32_t instances;    /* connections at most at one time, to 254. 0: no limit */
    uint32_t buffer_bytes; /* what each direction holds until it is read. 0: 65536 */
    const char *security;  /* who may open it, in SDDL; NULL: the owner of what this process makes,
                              and SYSTEM: "D:P(A;;GA;;;SY)(A;;GA;;;OW)" */
} iocp_pipe_options_t;

/*
 * Serve a pipe: "\\\\.\\pipe\\name". Clients can connect from here on, as with iocp_socket_listen.
 * iocp_accept(listener) then gives one connection for each callback, in `opened`; as many clients
 * can come in at the same moment as accepts are pending (one, if none is), and others wait in
 * iocp_pipe_connect (programs that use CreateFileW themselves see ERROR_PIPE_BUSY). A client that
 * has written and left is a connection like any other: what it wrote is read, then IOCP_EOF.
 * Closing the listener leaves connections that were accepted, and the name is free when the last of
 * them is closed, at both ends. `options` may be NULL and is copied.
 *
 * A pipe takes iocp_read, iocp_write, iocp_drain and iocp_close. It has no iocp_shutdown: Windows
 * knows no end of one direction. Say it in a message, or use two pipes.
 * N.B. Who is to connect and not to serve gets 0x12019b in SDDL, as PipeAccessRights.ReadWrite of
 * .NET; GW has the right to make instances of the pipe in it, which the owner needs:
 * "D:(A;;0x12019b;;;AU)(A;;GA;;;OW)".
 * N.B. A write has called back when the pipe has the data. After iocp_close the other end still
 * reads what the pipe has; what is still in a pending write is lost.
 * N.B. With a limit, the last connection leaves no instance for the next client. An accept then
 * ends as IOCP_EMFILE once, and if rearmed tries again until a connection has been closed, at both
 * ends; a name of which all connections are closed meanwhile is free for a moment.
 *
 * Other programs connect by CreateFileW of the name; in PowerShell and .NET by
 * System.IO.Pipes.NamedPipeClientStream('.', 'name', ...), which wants the name alone. .NET reads
 * bytes unless ReadMode is set to Message; our messages are bytes to it then.
 *
 * Loop thread. Errors: IOCP_EADDRINUSE (somebody serves this name), IOCP_EACCES (with SHARED:
 * somebody does who does not let us), IOCP_EINVAL (a name that is none, SDDL that is none),
 * IOCP_EMFILE, IOCP_ENOMEM, IOCP_ECLOSING. Win32: CreateNamedPipeW (FILE_FLAG_FIRST_PIPE_INSTANCE,
 * PIPE_REJECT_REMOTE_CLIENTS), ConvertStringSecurityDescriptorToSecurityDescriptorW; an accept is
 * ConnectNamedPipe.
 */
IOCP_API int IOCP_CALL iocp_pipe_listen(iocp_loop_t *loop, const char *name,
                                        const iocp_pipe_options_t *options,
                                        iocp_handle_t *listener);

/*
 * Connect to a pipe, here or on another machine ("\\\\machine\\pipe\\name"); the result's `opened`
 * is the connection. While all instances are busy it waits for one, without end: set a deadline.
 * `flags`: IOCP_PIPE_READ, WRITE, MESSAGE (the server must have it too). The server may learn who
 * we are, and not act in our name. On the pool.
 * Errors: IOCP_EINVAL (a name that is none). Errors in the result: IOCP_ENOTFOUND (nobody serves
 * it), IOCP_EACCES, IOCP_EINVAL (MESSAGE, and the pipe is one of bytes), IOCP_EMFILE,
 * IOCP_EHOSTUNREACH (a pipe of another machine).
 * Win32: CreateFileW (SECURITY_IDENTIFICATION), SetNamedPipeHandleState; FSCTL_PIPE_WAIT, with
 * which no thread waits.
 */
IOCP_API int IOCP_CALL iocp_pipe_connect(iocp_loop_t *loop, const char *name, uint32_t flags,
                                         iocp_callback_t callback, void *userdata, iocp_op_t *op);

/*
 * The process at the other end of a pipe: its id. It has opened the pipe; whether it still lives
 * and still has it is not said. Of a pair: ourselves. Loop thread. Errors: IOCP_EBADF, IOCP_EINVAL,
 * IOCP_EAGAIN (adopted, and not looked at yet), IOCP_ENOTSUP (not a pipe, one on another machine,
 * or one whose listener lets other machines in: their processes have ids of their own).
 * Win32: GetNamedPipeInfo, GetNamedPipeClientProcessId, GetNamedPipeServerProcessId.
 */
IOCP_API int IOCP_CALL iocp_pipe_peer(iocp_loop_t *loop, iocp_handle_t handle,
                                      uint32_t *process_id);

/*
 * A pipe between us and a child: `*ours` is a pipe of this loop; `*theirs` is a synchronous handle,
 * as a child's standard streams have to be, and not inheritable. Both belong to the loop. `theirs`
 * takes no operation but iocp_close; it is for iocp_spawn, which takes it over, or for whoever
 * starts a process himself: iocp_handle_native, SetHandleInformation.
 * With IOCP_PIPE_CHILDREN both are such ends: `*ours` reads, `*theirs` writes, and two children get
 * them. `flags`: IOCP_PIPE_READ, WRITE, MESSAGE, CHILDREN (without READ and WRITE).
 *
 * N.B. We read IOCP_EOF when every copy of the other end is closed: ours of it, too.
 * Loop thread. Errors: IOCP_EINVAL, IOCP_EMFILE, IOCP_ENOMEM, IOCP_ECLOSING.
 * Win32: CreateNamedPipeW and CreateFileW of a name that nobody can guess (RtlGenRandom), for the
 * owner of this process alone.
 */
IOCP_API int IOCP_CALL iocp_pipe_pair(iocp_loop_t *loop, uint32_t flags, iocp_handle_t *ours,
                                      iocp_handle_t *theirs);

/*
 * Example: what a child writes is read here. `start` hands the HANDLE to the child and closes
 * nothing.
 *
 *   static char said[4096];
 *
 *   static iocp_action_t IOCP_CALL on_said(iocp_loop_t *loop, const iocp_result_t *result,
 *                                          void *userdata)
 *   {
 *       if (result->status == IOCP_OK) {
 *           fwrite(said, 1, (size_t)result->bytes, stdout);
 *           return IOCP_REARM;
 *       }
 *       iocp_close(loop, result->handle, NULL, NULL, NULL);
 *       return IOCP_DISARM;
 *   }
 *
 *   static int listen_to_child(iocp_loop_t *loop, int (*start)(void *output))
 *   {
 *       iocp_handle_t ours;
 *       iocp_handle_t theirs;
 *       void *output = NULL;
 *       int status = iocp_pipe_pair(loop, IOCP_PIPE_READ, &ours, &theirs);
 *       if (status != IOCP_OK) {
 *           return status;
 *       }
 *       iocp_handle_native(loop, theirs, &output);
 *       status = start(output);
 *       iocp_close(loop, theirs, NULL, NULL, NULL);
 *       return status == IOCP_OK
 *                  ? iocp_read(loop, ours, said, sizeof said, on_said, NULL, NULL)
 *                  : status;
 *   }
 */

/* ==== Files ================================================================================== */

/* Bits of `flags` of iocp_file_open and iocp_open. At least one of the first three is set. */
typedef enum iocp_file_flag {
    IOCP_FILE_READ = 1,
    IOCP_FILE_WRITE = 2,
    IOCP_FILE_APPEND = 4,        /* write, always behind the end, whoever else appends; not WRITE */
    IOCP_FILE_CREATE = 8,        /* if it does not exist */
    IOCP_FILE_TRUNCATE = 16,     /* empty it if it exists; with WRITE */
    IOCP_FILE_EXCLUSIVE = 32,    /* with CREATE: fail if it exists */
    IOCP_FILE_NO_BUFFERING = 64, /* past the cache; addresses, sizes, offsets in whole sectors */
    IOCP_FILE_SEQUENTIAL = 128,  /* a hint: it will be read from the beginning to the end */
    IOCP_FILE_FOLDER = 256,      /* with READ alone: a folder, to list and to watch */
    IOCP_FILE_DENY_READ = 512,   /* nobody else can open it meanwhile: to read */
    IOCP_FILE_DENY_WRITE = 1024, /* to write or append */
    IOCP_FILE_DENY_DELETE = 2048 /* to remove or rename it */
} iocp_file_flag_t;

/*
 * Open a file. `path` (WTF-8, see the beginning) may be longer than MAX_PATH; it is copied. One that
 * begins with \\?\ is taken to the letter. Others may read, write, rename and delete the file
 * meanwhile, unless that is denied. A file that exists keeps its attributes and its other streams, also
 * when it is truncated; so a hidden file, or a system's, can be. If what a path leads to turns out to
 * be a pipe, who serves it may learn who has opened it, but not act in that name. Not inheritable by
 * child processes.
 * N.B. Opening blocks while the system looks for the file: iocp_open does not.
 *
 * What is no file is refused, and nothing stays open. A folder is IOCP_EISFOLDER; with a slash
 * behind its name it may also be IOCP_ENOTFOUND. With IOCP_FILE_FOLDER what is none is
 * IOCP_ENOTFOLDER. CON, CONIN$, \\.\C: and other devices are IOCP_ENOTSUP, and so is a pipe:
 * iocp_pipe_connect.
 *
 * Loop thread. Errors: IOCP_EINVAL (flags that contradict each other, a path that is not UTF-8 or
 * not a name), IOCP_ENOTFOUND, IOCP_EEXIST, IOCP_EACCES, IOCP_EISFOLDER, IOCP_EBUSY (somebody has
 * it open and does not share; to truncate: has it mapped),
 * IOCP_ENOTSUP, IOCP_ENAMETOOLONG, IOCP_EMFILE, IOCP_ENOMEM, IOCP_ECLOSING.
 * Win32: CreateFileW with FILE_FLAG_OVERLAPPED, SECURITY_IDENTIFICATION.
 */
IOCP_API int IOCP_CALL iocp_file_open(iocp_loop_t *loop, const char *path, uint32_t flags,
                                      iocp_handle_t *handle);

/*
 * Read at, or write to, an offset in bytes, below 2^63. Any number may be in flight at once, and
 * they may end in any order. At most UINT32_MAX bytes. A read gets fewer bytes than were asked for
 * only where the file ends, and IOCP_EOF at its end (0 bytes can be read anywhere). With
 * IOCP_FILE_NO_BUFFERING, too, a read that gets fewer has come to the end, and the next one, from
 * there on, is IOCP_EOF, although that is not an offset in whole sectors. A write may extend the
 * file; it writes all, or fails. The handle's own position does not change.
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
 *    than their data. What a cancelled write is worth is said at iocp_cancel.
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
 * is in flight. Loop thread. Errors: IOCP_EBADF, IOCP_ENOTSUP (not a file), IOCP_EAGAIN (adopted,
 * and not looked at yet), IOCP_EINVAL, IOCP_EACCES, IOCP_ENOSPC.
 * Win32: GetFileSizeEx, SetFileInformationByHandle (FileEndOfFileInfo).
 */
IOCP_API int IOCP_CALL iocp_file_get_size(iocp_loop_t *loop, iocp_handle_t handle, uint64_t *size);
IOCP_API int IOCP_CALL iocp_file_set_size(iocp_loop_t *loop, iocp_handle_t handle, uint64_t size);

/*
 * The position of iocp_read and iocp_write, 0 at first. It may lie behind the end of the file.
 * Loop thread. Errors: IOCP_EBADF, IOCP_ENOTSUP (not a file), IOCP_EAGAIN (adopted, and not looked
 * at yet), IOCP_EINVAL (2^63 and more), IOCP_EBUSY (set_position: an iocp_read or iocp_write is
 * under way).
 */
IOCP_API int IOCP_CALL iocp_file_get_position(iocp_loop_t *loop, iocp_handle_t handle,
                                              uint64_t *position);
IOCP_API int IOCP_CALL iocp_file_set_position(iocp_loop_t *loop, iocp_handle_t handle,
                                              uint64_t position);

/*
 * Example: a file is read to its end, a piece at a time.
 *
 *   static char piece[65536];
 *
 *   static iocp_action_t IOCP_CALL on_read(iocp_loop_t *loop, const iocp_result_t *result,
 *                                          void *userdata)
 *   {
 *       if (result->status == IOCP_OK) {
 *           fwrite(piece, 1, (size_t)result->bytes, stdout);
 *           return IOCP_REARM;
 *       }
 *       if (result->status != IOCP_EOF) {
 *           fprintf(stderr, "%s\n", iocp_error_text(result->status));
 *       }
 *       iocp_close(loop, result->handle, NULL, NULL, NULL);
 *       return IOCP_DISARM;
 *   }
 *
 *   static int print_file(iocp_loop_t *loop, const char *path)
 *   {
 *       iocp_handle_t file;
 *       int status = iocp_file_open(loop, path, IOCP_FILE_READ | IOCP_FILE_SEQUENTIAL, &file);
 *       return status == IOCP_OK
 *                  ? iocp_read(loop, file, piece, sizeof piece, on_read, NULL, NULL)
 *                  : status;
 *   }
 */

/* ==== Paths ================================================================================== */

/*
 * Paths are WTF-8, as those of iocp_file_open, and are copied by the call; a relative one counts from
 * the working folder at the call. What takes a path here runs on the process's thread pool, since
 * Windows does the work synchronously: the loop never waits for a disk or a network. So does
 * iocp_folder_list; a watch is the kernel's. Of what runs on the pool a cancel or a deadline ends at
 * once what has not begun; what has begun is asked to end (CancelSynchronousIo), and ends as what it
 * has become. iocp_loop_destroy waits for that.
 *
 * Loop thread. Errors: IOCP_EINVAL (unknown flags, a path that is empty or no WTF-8),
 * IOCP_ENAMETOOLONG, IOCP_ENOMEM, IOCP_ECLOSING. All else is in the result, IOCP_EINVAL too: a path
 * that is not a name.
 */

/* What a name in a file system stands for. */
typedef enum iocp_file_kind {
    IOCP_KIND_FILE = 1,
    IOCP_KIND_FOLDER = 2,
    IOCP_KIND_LINK = 3, /* a symbolic link or a junction, with IOCP_STAT_LINK or in a listing */
    IOCP_KIND_OTHER = 4 /* a device, or a reparse point of somebody else's */
} iocp_file_kind_t;

/* What is known of a file. Later versions add members at the end. Times count from 1970, UTC. */
struct iocp_file_info {
    uint32_t kind;        /* iocp_file_kind_t */
    uint32_t attributes;  /* FILE_ATTRIBUTE_ of <winnt.h> */
    uint64_t size;        /* bytes */
    int64_t created_ns;   /* in steps of 100, as the file system has it; negative before 1970 */
    int64_t written_ns;   /* its data */
    int64_t changed_ns;   /* its data, name or attributes; 0: not known */
    int64_t accessed_ns;  /* often not kept up by the system */
    uint64_t volume;      /* with `file`: equal for names of the same file. 0: not known */
    uint64_t file;        /* the lower half of the file's 128 bit id */
    uint64_t file_high;   /* the upper half */
    uint32_t links;       /* names of this file; 0: not known */
    uint32_t reparse_tag; /* IO_REPARSE_TAG_ of <winnt.h>, 0: none */
};

/*
 * As iocp_file_open, and on the pool: `opened` is the file, or with IOCP_FILE_FOLDER the folder, and
 * `info` what it is, found out on the way. Errors in the result: as iocp_file_open returns. One that
 * was cancelled while it ran and succeeded is told as the success it is: close what it opened.
 * Win32: CreateFileW, GetFileInformationByHandleEx.
 */
IOCP_API int IOCP_CALL iocp_open(iocp_loop_t *loop, const char *path, uint32_t flags,
                                 iocp_callback_t callback, void *userdata, iocp_op_t *op);

/* Bits of `flags` of iocp_stat. */
typedef enum iocp_stat_flag {
    IOCP_STAT_LINK = 1 /* of a symbolic link itself, not of what it leads to */
} iocp_stat_flag_t;

/*
 * What a path stands for: `info`. It opens the file for nothing but its attributes, so that nobody
 * else is in the way. Errors in the result: IOCP_ENOTFOUND, IOCP_EACCES, IOCP_ELOOP, IOCP_ENOTSUP (a
 * pipe, which to look at is to connect to).
 * Win32: CreateFileW, GetFileInformationByHandleEx.
 */
IOCP_API int IOCP_CALL iocp_stat(iocp_loop_t *loop, const char *path, uint32_t flags,
                                 iocp_callback_t callback, void *userdata, iocp_op_t *op);

/* Bits of `flags` of iocp_copy and iocp_rename. */
typedef enum iocp_replace_flag {
    IOCP_REPLACE = 1 /* take the place of a file that has the new name. Without it: IOCP_EEXIST */
} iocp_replace_flag_t;

/*
 * Copy a file with its attributes and streams; or give a file or folder another name on the same
 * volume, at once for all who look. A copy that was cancelled leaves nothing under the new name. Of a
 * symbolic link what it leads to is copied, and the link itself renamed. Result of a copy: bytes, the
 * size that it has.
 * Errors in the result: IOCP_EEXIST, IOCP_ENOTFOUND, IOCP_EACCES (also a read-only file in the place
 * that is to be taken), IOCP_EBUSY (somebody has it open and does not share it), IOCP_ENOSPC,
 * IOCP_EXDEV (a rename), IOCP_EISFOLDER (a copy of, or in place of, a folder).
 * Win32: CopyFileExW; SetFileInformationByHandle (FileRenameInfoEx, with POSIX semantics; on file
 * systems that do not have these FileRenameInfo, which does not replace a file that is open).
 */
IOCP_API int IOCP_CALL iocp_copy(iocp_loop_t *loop, const char *from, const char *to,
                                 uint32_t flags, iocp_callback_t callback, void *userdata,
                                 iocp_op_t *op);
IOCP_API int IOCP_CALL iocp_rename(iocp_loop_t *loop, const char *from, const char *to,
                                   uint32_t flags, iocp_callback_t callback, void *userdata,
                                   iocp_op_t *op);

/* Bits of `flags` of iocp_remove. */
typedef enum iocp_remove_flag {
    IOCP_REMOVE_TREE = 1 /* a folder with all that is in it; links in it, not what they lead to */
} iocp_remove_flag_t;

/*
 * Remove a file, a link (not what it leads to) or a folder, which is empty or goes as a tree. The
 * name is free when it is told, also while others have the file open (NTFS; on other file systems
 * when they close it). A tree that was cancelled, or failed, is removed in part.
 * Errors in the result: IOCP_ENOTFOUND, IOCP_EACCES (a read-only file too), IOCP_ENOTEMPTY,
 * IOCP_EBUSY (somebody has it open and does not let it be deleted).
 * Win32: SetFileInformationByHandle (FileDispositionInfoEx, with POSIX semantics, or
 * FileDispositionInfo); a tree by opens that are relative to the folder (NtOpenFile), so that no
 * link can come in between.
 */
IOCP_API int IOCP_CALL iocp_remove(iocp_loop_t *loop, const char *path, uint32_t flags,
                                   iocp_callback_t callback, void *userdata, iocp_op_t *op);

/* Bits of `flags` of iocp_folder_create. */
typedef enum iocp_folder_flag {
    IOCP_FOLDER_PARENTS = 1 /* and those it lies in; it is no error if there is one already */
} iocp_folder_flag_t;

/*
 * Make a folder. Errors in the result: IOCP_EEXIST, IOCP_ENOTFOUND (what it is to lie in),
 * IOCP_EACCES, IOCP_ENOSPC. Win32: CreateDirectoryW.
 */
IOCP_API int IOCP_CALL iocp_folder_create(iocp_loop_t *loop, const char *path, uint32_t flags,
                                          iocp_callback_t callback, void *userdata, iocp_op_t *op);

/* What became of a name in a folder. */
typedef enum iocp_change {
    IOCP_CHANGE_NONE = 0, /* a listing: it is there */
    IOCP_CHANGE_ADDED = 1,
    IOCP_CHANGE_REMOVED = 2,
    IOCP_CHANGE_MODIFIED = 3,
    IOCP_CHANGE_RENAMED = 4 /* old_name is now name, both within what is watched */
} iocp_change_t;

/*
 * One name of a folder: of a listing, or of its changes. A list, so that later versions can add
 * members at the end:
 *
 *   for (const iocp_entry_t *entry = result->entries; entry != NULL; entry = entry->next)
 *
 * Names are relative to the folder that the handle is of ("sub\\name" where a tree is watched), as
 * the file system has them, in no order; "." and ".." are left out.
 */
struct iocp_entry {
    const struct iocp_entry *next;
    const char *name;
    size_t name_length;           /* in bytes, without the zero */
    const char *old_name;         /* IOCP_CHANGE_RENAMED, otherwise NULL */
    uint32_t change;              /* iocp_change_t */
    uint32_t reserved;            /* 0 */
    const iocp_file_info_t *info; /* a listing: all but the links. A change: with
                                     IOCP_CAP_CHANGE_DETAILS, and where the file system has them, all
                                     but links and volume, as it was then; otherwise NULL */
};

/*
 * The names in a folder, a portion at a time: `entries` has some of them; IOCP_REARM goes on, and
 * IOCP_EOF, without entries, is the end. Then, and with IOCP_DISARM, the next iocp_folder_list begins
 * anew. One list at a time on a handle (IOCP_EALREADY). It takes 64 KiB and more of memory, which the
 * handle keeps. A name that comes or goes meanwhile may be told or not. Without ids (`volume` 0) where
 * the file system has none. On the pool.
 * Errors in the result: IOCP_EOF, IOCP_EBUSY (the folder was opened with IOCP_FILE_DENY_READ),
 * IOCP_ENOMEM, IOCP_EIO: after these two it begins anew as well.
 * Win32: ReOpenFile, GetFileInformationByHandleEx (FileIdExtdDirectoryInfo, or FileIdBothDirectoryInfo
 * or FileFullDirectoryInfo where the file system lacks it).
 */
IOCP_API int IOCP_CALL iocp_folder_list(iocp_loop_t *loop, iocp_handle_t folder,
                                        iocp_callback_t callback, void *userdata, iocp_op_t *op);

/* Bits of `flags` of iocp_folder_watch. None of the last three: NAMES and CONTENTS. */
typedef enum iocp_watch_flag {
    IOCP_WATCH_TREE = 1,      /* and all folders within it */
    IOCP_WATCH_NAMES = 2,     /* files and folders that come, go and are renamed */
    IOCP_WATCH_CONTENTS = 4,  /* sizes and times of the last write */
    IOCP_WATCH_ATTRIBUTES = 8 /* attributes and access rights */
} iocp_watch_flag_t;

/*
 * Watch a folder: one callback for what has changed, oldest first, in `entries`. IOCP_REARM goes on;
 * Windows keeps what happens meanwhile, from the first start of a watch to the close of the handle,
 * so nothing is missed between two runs, nor between two watches. The first watch of a handle settles
 * its flags; another with other flags is IOCP_EINVAL, one at the same time IOCP_EALREADY. It takes
 * 64 KiB and more of memory, which the handle keeps.
 *
 * IOCP_RESULT_RESCAN: more happened than 64 KiB hold, and some or all of it is not told. Status is 0,
 * `entries` may be NULL: list the folder and compare. A program that lists a folder starts its watch
 * first (iocp_loop_submit): what changes while it lists is then told twice, and not never.
 * N.B. It is told what happened, not what is: a name that was added may be gone, or still being
 * written. One write is often two changes.
 * N.B. The folder itself can be renamed and removed meanwhile, and those that it lies in, too: of a
 * new name nothing is told; when it is removed the watch ends as IOCP_ENOTFOUND.
 * Errors: IOCP_EINVAL (also other flags than before), IOCP_EALREADY. Errors in the result:
 * IOCP_ENOTFOUND, IOCP_ENOTSUP (a file system that does not tell), IOCP_EIO.
 * Win32: ReadDirectoryChangesExW, ReadDirectoryChangesW.
 */
IOCP_API int IOCP_CALL iocp_folder_watch(iocp_loop_t *loop, iocp_handle_t folder, uint32_t flags,
                                         iocp_callback_t callback, void *userdata, iocp_op_t *op);

/*
 * Example: a file is replaced by a new version that was written beside it.
 *
 *   static iocp_action_t IOCP_CALL on_replaced(iocp_loop_t *loop, const iocp_result_t *result,
 *                                              void *userdata)
 *   {
 *       (void)loop;
 *       (void)userdata;
 *       if (result->status != IOCP_OK) {
 *           fprintf(stderr, "settings: %s\n", iocp_error_text(result->status));
 *       }
 *       return IOCP_DISARM;
 *   }
 *
 *   static int replace_settings(iocp_loop_t *loop)
 *   {
 *       return iocp_rename(loop, "settings.new", "settings.ini", IOCP_REPLACE, on_replaced, NULL,
 *                          NULL);
 *   }
 */

/* ==== Names and addresses ==================================================================== */

/* One address of a list, in the order in which to try them (RFC 6724). Later versions add members
 * at the end. */
typedef struct iocp_address {
    const struct iocp_address *next;
    const struct sockaddr *address; /* with the port of the service */
    size_t address_length;
} iocp_address_t;

/* Bits of iocp_resolve_options_t.flags. */
typedef enum iocp_resolve_flag {
    IOCP_RESOLVE_NUMERIC = 1, /* the host is an address already: ask nobody */
    IOCP_RESOLVE_LISTEN = 2   /* host NULL: any address, to bind to. Without it: loopback */
} iocp_resolve_flag_t;

/* Set size to sizeof(iocp_resolve_options_t) and everything else to 0 for the defaults. */
typedef struct iocp_resolve_options {
    uint32_t size;
    uint32_t flags; /* IOCP_RESOLVE_ bits */
    int family;     /* AF_INET, AF_INET6. 0: both */
    int type;       /* SOCK_STREAM, SOCK_DGRAM: whose services. 0: SOCK_STREAM */
} iocp_resolve_options_t;

/* The most addresses of a list: the rest of a longer answer is left out. */
#define IOCP_RESOLVE_ADDRESSES_MAX 100

/*
 * The addresses of a host and service: `addresses`, at least one. `host` is a name in UTF-8
 * (international ones too), an address as text, or NULL; `service` a name, a number, or NULL for
 * port 0; `options` may be NULL. All is copied. Each address comes once. What has no name in it is
 * answered in the next tick, without asking the system.
 *
 * The list ends with the callback: connect in it (iocp_connect copies), or keep a copy. A cancel or
 * a deadline ends it at once, also while the system still asks; what the system tells afterwards is
 * dropped, and iocp_loop_destroy waits for it: within its time limit, after which iocp_loop_dump
 * shows it as "lookup".
 * N.B. How long the system asks is its own affair: some ten seconds where no name server answers. A
 * program that has a user waiting sets a deadline.
 * Errors in the result: IOCP_ENONAME, IOCP_ENOADDRESS, IOCP_EAGAIN (no name server answered),
 * IOCP_EINVAL (not a name: empty, too long, not UTF-8).
 * Win32: GetAddrInfoExW, GetAddrInfoExCancel.
 */
IOCP_API int IOCP_CALL iocp_resolve(iocp_loop_t *loop, const char *host, const char *service,
                                    const iocp_resolve_options_t *options, iocp_callback_t callback,
                                    void *userdata, iocp_op_t *op);

/*
 * A copy of a list, in one piece of the loop's memory, which is the program's until it frees it;
 * before the loop is destroyed. `copy` NULL may be freed. Loop thread. Errors: IOCP_EINVAL,
 * IOCP_ENOMEM.
 */
IOCP_API int IOCP_CALL iocp_addresses_copy(iocp_loop_t *loop, const iocp_address_t *addresses,
                                           iocp_address_t **copy);
IOCP_API void IOCP_CALL iocp_addresses_free(iocp_loop_t *loop, iocp_address_t *copy);

/*
 * Example: all addresses of a name, as text.
 *
 *   static iocp_action_t IOCP_CALL on_resolved(iocp_loop_t *loop, const iocp_result_t *result,
 *                                              void *userdata)
 *   {
 *       const iocp_address_t *each;
 *       for (each = result->addresses; each != NULL; each = each->next) {
 *           char text[IOCP_ADDRESS_TEXT_BYTES];
 *           iocp_address_format(each->address, each->address_length, text, sizeof text);
 *           puts(text);
 *       }
 *       return IOCP_DISARM;
 *   }
 *
 *   static int print_addresses(iocp_loop_t *loop, const char *host)
 *   {
 *       return iocp_resolve(loop, host, "https", NULL, on_resolved, NULL, NULL);
 *   }
 */

/* Room for the longest text of an address, with its zero. */
#define IOCP_ADDRESS_TEXT_BYTES 128

/*
 * An address from text, and text from an address: "127.0.0.1", "127.0.0.1:80", "::1", "[::1]:80",
 * "fe80::1%7", "unix:C:\\run\\socket". `port` counts where the text has none; format writes the
 * port unless it is 0. No name is looked up, and neither waits. `*length` is the size of `address`
 * before and of what was written after the call (a sockaddr_storage takes all of these).
 *
 * Read is what means the same everywhere: four decimal numbers for IPv4, and no number with a zero
 * in front, which elsewhere is octal; IPv6 as in RFC 4291, the scope as a number. IPv6 is written as
 * in RFC 5952, "::ffff:127.0.0.1" for an IPv4 address in IPv6 clothes. The path of a Unix socket is
 * UTF-8, of up to 107 bytes. What was written is read as what it was, but for the flow label of IPv6,
 * and for "unix:", which an address of that family without a name is and which is no address to read.
 *
 * Any thread. Errors: IOCP_EINVAL (not an address, NULL), IOCP_EFAULT (too small; nothing was
 * written), IOCP_EAFNOSUPPORT (format: another family).
 */
IOCP_API int IOCP_CALL iocp_address_parse(const char *text, uint16_t port, struct sockaddr *address,
                                          size_t *length);
IOCP_API int IOCP_CALL iocp_address_format(const struct sockaddr *address, size_t length,
                                           char *text, size_t size);

/*
 * Example: where to listen, as people write it.
 *
 *   static int listen_at(iocp_loop_t *loop, const char *text, iocp_handle_t *listener)
 *   {
 *       struct sockaddr_storage address;
 *       size_t length = sizeof address;
 *       int status = iocp_address_parse(text, 7777, (struct sockaddr *)&address, &length);
 *       if (status != IOCP_OK) {
 *           return status;
 *       }
 *       status = iocp_socket_open(loop, address.ss_family, SOCK_STREAM, 0, listener);
 *       if (status != IOCP_OK) {
 *           return status;
 *       }
 *       status = iocp_socket_bind(loop, *listener, (struct sockaddr *)&address, length);
 *       return status == IOCP_OK ? iocp_socket_listen(loop, *listener, 0) : status;
 *   }
 */

/* ==== Waits ================================================================================== */

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
 * Errors in the result: IOCP_EBADF (not a handle, or of something that cannot be waited for; a
 * pseudo handle, as of GetCurrentProcess, too: duplicate it), IOCP_EACCES (without SYNCHRONIZE),
 * IOCP_EINVAL (a mutex, where the system says so: with IOCP_CAP_WAIT_PACKETS), IOCP_ENOMEM.
 * Win32: NtAssociateWaitCompletionPacket; without it RegisterWaitForSingleObject.
 */
IOCP_API int IOCP_CALL iocp_wait(iocp_loop_t *loop, void *object, iocp_callback_t callback,
                                 void *userdata, iocp_op_t *op);

/*
 * Watch a job object: one callback for each message that it sends, with `event`
 * (JOB_OBJECT_MSG_EXIT_PROCESS and so on) and `value` (the process's id, 0 where a message has
 * none). Messages that come before the callback has answered IOCP_REARM are kept, in their order,
 * and told with IOCP_RESULT_INLINE, since their packet came before; those after IOCP_DISARM or a
 * cancel are dropped. The watch hears what comes after its start (the next tick or
 * iocp_loop_submit): start a child suspended, put it into the job, and resume it. Windows begins
 * with a JOB_OBJECT_MSG_NEW_PROCESS for each process that is in the job already.
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

/*
 * Example: an event that another part of the program sets, and what then is to be done each time.
 *
 *   static iocp_action_t IOCP_CALL on_change(iocp_loop_t *loop, const iocp_result_t *result,
 *                                            void *userdata)
 *   {
 *       if (result->status != IOCP_OK) {
 *           return IOCP_DISARM;
 *       }
 *       puts("the settings have changed");
 *       return IOCP_REARM;
 *   }
 *
 *   static int watch_settings(iocp_loop_t *loop, void *changed)
 *   {
 *       return iocp_wait(loop, changed, on_change, NULL, NULL);
 *   }
 */

/* ==== Processes ============================================================================== */

/* Bits of iocp_spawn_options_t.flags. */
typedef enum iocp_spawn_flag {
    IOCP_SPAWN_TREE = 1,          /* the child and all it starts are one tree: a job of their own,
                                     from its first instruction on, for iocp_process_stop */
    IOCP_SPAWN_KILL_ON_CLOSE = 2, /* with TREE: it ends with iocp_close, and with us, however */
    IOCP_SPAWN_GROUP = 4,         /* a console group of its own, which iocp_process_stop can ask.
                                     N.B. Ctrl-C does not reach it any more, unless it asks to */
    IOCP_SPAWN_NO_WINDOW = 8,     /* a console program gets a console that nobody sees */
    IOCP_SPAWN_NEW_CONSOLE = 16,  /* a console window of its own, which it also gets as its streams
                                    where all three are IOCP_GIVE_OURS */
    IOCP_SPAWN_DETACHED = 32,     /* no console */
    IOCP_SPAWN_HIDDEN = 64,       /* its first window is hidden */
    IOCP_SPAWN_PSEUDO_CONSOLE = 128 /* a console whose window is this program: see iocp_spawn */
} iocp_spawn_flag_t;

/* What a child gets as a standard stream. */
typedef enum iocp_give {
    IOCP_GIVE_OURS = 0,    /* what we have there */
    IOCP_GIVE_NOTHING = 1, /* the null device: reads end at once, writes vanish */
    IOCP_GIVE_PIPE = 2,    /* `handle`: an end of iocp_pipe_pair, which is taken over */
    IOCP_GIVE_NATIVE = 3   /* `native`: a HANDLE, of which the child gets a copy; ours stays ours */
} iocp_give_t;

typedef struct iocp_spawn_stdio {
    uint32_t give; /* iocp_give_t */
    uint32_t reserved;
    iocp_handle_t handle;
    void *native;
} iocp_spawn_stdio_t;

/* Standard streams: places in iocp_spawn_options_t.stdio, and for iocp_stdio_open. */
typedef enum iocp_stdio {
    IOCP_STDIN = 0,
    IOCP_STDOUT = 1,
    IOCP_STDERR = 2
} iocp_stdio_t;

/* Set size to sizeof(iocp_spawn_options_t) and what is not needed to 0. */
typedef struct iocp_spawn_options {
    uint32_t size;
    uint32_t flags;                 /* IOCP_SPAWN_ bits */
    const char *program;            /* its path. NULL: arguments[0], looked for in the PATH of the
                                       child, with .com and .exe, and never in the working folder,
                                       unless it is a path itself: with a slash or a colon */
    const char *const *arguments;   /* the child's argv, NULL at its end */
    const char *const *environment; /* "NAME=value", NULL at its end. NULL: ours */
    const char *folder;             /* its working folder. NULL: ours */
    iocp_spawn_stdio_t stdio[3];    /* by IOCP_STDIN and so on. All 0: ours */
    void *const *inherit; /* more HANDLEs for the child, inheritable, by their own value */
    size_t inherit_count;
    void *job;                /* a job of the program's own, or NULL. With it no TREE */
    const char *command_line; /* instead of `arguments`, as it is, for programs that take their
                                 command line apart in a way of their own. With `program` */
    uint32_t columns;         /* with PSEUDO_CONSOLE: its size, 1 to 32767 each */
    uint32_t rows;
} iocp_spawn_options_t;

/*
 * Start a program. The operation ends when the child is there, or could not be started: `opened` is
 * the process, a handle of this loop, `value` its id. Its end is another operation,
 * iocp_process_wait; a deadline there counts from the child's existence. On the pool, since Windows
 * or a virus scanner may take seconds.
 *
 * `options` and all it points to is copied by the call. Native handles in stdio are duplicated
 * there, so the program may close its own when the call has returned; those in `inherit`, and
 * `job`, stay open until the callback. An end of a pipe pair belongs to the spawn as soon as the
 * call has returned 0 (its id is IOCP_EBADF then), and is closed on our side when the child has it
 * or the spawn has failed: IOCP_EOF comes when the child is done with it, with nothing to forget.
 * One end may stand in two places, stdout and stderr.
 *
 * The child inherits the handles that are named here, and no other; the copies that it gets are
 * inheritable only while CreateProcessW runs. Arguments are quoted by the rules of
 * CommandLineToArgvW and the C runtime.
 * N.B. A .bat or .cmd file is run by cmd.exe, whose quoting no rule makes safe: with arguments that
 * hold more than letters, digits and -_./:\\ it is refused (IOCP_EINVAL). Use command_line.
 * N.B. A spawn that was cancelled too late succeeds, and the child runs: look at the status.
 * IOCP_REARM starts the program once more, with the same of everything but ends of pipe pairs, which
 * are gone: with one it is IOCP_EBADF.
 *
 * IOCP_SPAWN_PSEUDO_CONSOLE (ConPTY) is for terminals and remote shells: the child's streams are a
 * console of its own, which reads what is typed from stdio[IOCP_STDIN] and writes what is to be seen
 * to stdio[IOCP_STDOUT], as UTF-8 with virtual terminal sequences. Two pairs, IOCP_GIVE_PIPE; or two
 * synchronous handles, IOCP_GIVE_NATIVE. stdio[IOCP_STDERR] stays 0: a window has one output. It
 * ends with the process's handle and not before, whatever has become of the child: iocp_close is the
 * window that is closed. What still runs in it is told (IOCP_CONSOLE_CLOSE) and ended by Windows
 * after some seconds, and what is still to be seen can be read, up to IOCP_EOF. So wait for the
 * child, close it, and read to the end. No call waits for the console, the end of the loop neither:
 * what nobody has read by then is lost. Ctrl-C is "\x03", written to its input; iocp_process_stop
 * cannot ask.
 * N.B. It takes the end of its input, too, for a window that is closed: keep our end open.
 * N.B. A thread of the pool waits, before Windows 11 24H2, until what was closed has been read, or
 * our end of its output is closed.
 *
 * Errors: IOCP_EINVAL (what contradicts itself or is not UTF-8; two of NO_WINDOW, NEW_CONSOLE,
 * DETACHED and PSEUDO_CONSOLE), IOCP_EBADF (an end that is none, a native handle that is none),
 * IOCP_ENOTSUP (without IOCP_CAP_PSEUDO_CONSOLE). Errors in the result: IOCP_ENOTFOUND, IOCP_EACCES,
 * IOCP_ENOEXEC, IOCP_EELEVATION, IOCP_ENOTFOLDER (the working folder), IOCP_EINVAL, IOCP_ENOMEM.
 * Win32: CreateProcessW, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, PROC_THREAD_ATTRIBUTE_JOB_LIST,
 * PROC_THREAD_ATTRIBUTE_PSEUDOCONSOLE, CreatePseudoConsole, ClosePseudoConsole (Windows 10 1809).
 */
IOCP_API int IOCP_CALL iocp_spawn(iocp_loop_t *loop, const iocp_spawn_options_t *options,
                                  iocp_callback_t callback, void *userdata, iocp_op_t *op);

/*
 * Take over a process HANDLE (of CreateProcessW, OpenProcess), which belongs to the loop from here
 * on unless this fails, and is not inherited by child processes. It needs SYNCHRONIZE and
 * PROCESS_QUERY_LIMITED_INFORMATION, for iocp_process_stop also PROCESS_TERMINATE; it has no tree
 * and no group.
 * Loop thread. Errors: IOCP_EBADF (not a process; a pseudo handle, as of GetCurrentProcess, too:
 * duplicate it), IOCP_EACCES (without PROCESS_QUERY_LIMITED_INFORMATION), IOCP_EINVAL (NULL),
 * IOCP_ENOMEM, IOCP_ECLOSING. Win32: GetProcessId.
 */
IOCP_API int IOCP_CALL iocp_process_adopt(iocp_loop_t *loop, void *native, iocp_handle_t *process);

/*
 * Wait for a process to end; the result's `value` is its exit code, 259 (STILL_ACTIVE) like any
 * other. Any number of waits; one that comes later than the end is told at once. Closing the handle
 * ends the waits, not the process (unless IOCP_SPAWN_KILL_ON_CLOSE). As iocp_wait. Win32: GetExitCodeProcess.
 */
IOCP_API int IOCP_CALL iocp_process_wait(iocp_loop_t *loop, iocp_handle_t process,
                                         iocp_callback_t callback, void *userdata, iocp_op_t *op);

/*
 * Make a process end: ask it by CTRL_BREAK if it has a group (IOCP_SPAWN_GROUP) and shares our
 * console, give it `grace_ns`, then end it, with its tree (IOCP_SPAWN_TREE). The callback comes
 * when the process has ended, with its exit code in `value`: STATUS_CONTROL_C_EXIT (0xC000013A)
 * and IOCP_RESULT_FORCED if it had to be ended. What is left of its tree after an orderly end is
 * ended too. 0 does not ask, UINT64_MAX only asks. A process that can be asked in another way (its
 * stdin, a message to its window) is asked by the program, before. Waits on it end as well.
 *
 * A cancel or a deadline of this operation stops the stopping: the process goes on, or not.
 * Errors in the result: IOCP_EACCES, IOCP_ENOTSUP (UINT64_MAX, and it cannot be asked). On the pool
 * as far as it asks.
 * Win32: GenerateConsoleCtrlEvent, TerminateJobObject, TerminateProcess.
 */
IOCP_API int IOCP_CALL iocp_process_stop(iocp_loop_t *loop, iocp_handle_t process,
                                         uint64_t grace_ns, iocp_callback_t callback,
                                         void *userdata, iocp_op_t *op);

/* A process's id. Loop thread. Errors: IOCP_EBADF, IOCP_ENOTSUP (not a process), IOCP_EINVAL. */
IOCP_API int IOCP_CALL iocp_process_get_id(const iocp_loop_t *loop, iocp_handle_t process,
                                           uint32_t *process_id);

/*
 * Another size for the pseudo console that a process was spawned in; its programs are told.
 * N.B. The console's host is told through a pipe. If its output is not read it does not listen, and
 * after some hundred sizes this would wait for it: resize what is read.
 * Loop thread. Errors: IOCP_EINVAL (not 1 to 32767), IOCP_EBADF, IOCP_ENOTSUP (not a process, or in
 * no such console), IOCP_EPIPE and IOCP_EOF (its host has ended). Win32: ResizePseudoConsole.
 */
IOCP_API int IOCP_CALL iocp_console_resize(iocp_loop_t *loop, iocp_handle_t process,
                                           uint32_t columns, uint32_t rows);

/*
 * Example: a program that reads nothing, what it prints, and how it has ended; after a minute it is
 * asked to end, and five seconds later it is ended.
 *
 *   static char printed[4096];
 *
 *   static iocp_action_t IOCP_CALL on_print(iocp_loop_t *loop, const iocp_result_t *result,
 *                                           void *userdata)
 *   {
 *       if (result->status == IOCP_OK) {
 *           fwrite(printed, 1, (size_t)result->bytes, stdout);
 *           return IOCP_REARM;
 *       }
 *       iocp_close(loop, result->handle, NULL, NULL, NULL);
 *       return IOCP_DISARM;
 *   }
 *
 *   static iocp_action_t IOCP_CALL on_child_end(iocp_loop_t *loop, const iocp_result_t *result,
 *                                               void *userdata)
 *   {
 *       if (result->status == IOCP_ETIMEDOUT &&
 *           iocp_process_stop(loop, result->handle, 5000000000u, on_child_end, NULL, NULL) ==
 *               IOCP_OK) {
 *           return IOCP_DISARM;
 *       }
 *       if (result->status == IOCP_OK) {
 *           printf("it %s with %lu\n",
 *                  (result->flags & IOCP_RESULT_FORCED) != 0 ? "was ended" : "ended",
 *                  (unsigned long)result->value);
 *       }
 *       iocp_close(loop, result->handle, NULL, NULL, NULL);
 *       return IOCP_DISARM;
 *   }
 *
 *   static iocp_action_t IOCP_CALL on_started(iocp_loop_t *loop, const iocp_result_t *result,
 *                                             void *userdata)
 *   {
 *       iocp_op_t op;
 *       if (result->status != IOCP_OK) {
 *           fprintf(stderr, "%s\n", iocp_error_text(result->status));
 *       } else if (iocp_process_wait(loop, result->opened, on_child_end, NULL, &op) == IOCP_OK) {
 *           iocp_op_deadline(loop, op, 60000000000u);
 *       }
 *       return IOCP_DISARM;
 *   }
 *
 *   static int run(iocp_loop_t *loop, const char *const *arguments)
 *   {
 *       iocp_spawn_options_t options = {.size = sizeof options, .arguments = arguments};
 *       iocp_handle_t output;
 *       options.flags = IOCP_SPAWN_TREE | IOCP_SPAWN_KILL_ON_CLOSE | IOCP_SPAWN_GROUP;
 *       options.stdio[IOCP_STDIN].give = IOCP_GIVE_NOTHING;
 *       options.stdio[IOCP_STDOUT].give = IOCP_GIVE_PIPE;
 *       int status = iocp_pipe_pair(loop, IOCP_PIPE_READ, &output,
 *                                   &options.stdio[IOCP_STDOUT].handle);
 *       if (status == IOCP_OK) {
 *           status = iocp_spawn(loop, &options, on_started, NULL, NULL);
 *       }
 *       return status == IOCP_OK ? iocp_read(loop, output, printed, sizeof printed, on_print, NULL,
 *                                            NULL)
 *                                : status;
 *   }
 */

/*
 * Example: a shell in a pseudo console. What it shows goes to our own output, what is typed to
 * `keyboard`; `shell` is told when our window has another size.
 *
 *   static iocp_handle_t keyboard;
 *   static iocp_handle_t shell;
 *   static char shown[4096];
 *
 *   static iocp_action_t IOCP_CALL on_shown(iocp_loop_t *loop, const iocp_result_t *result,
 *                                           void *userdata)
 *   {
 *       if (result->status == IOCP_OK) {
 *           fwrite(shown, 1, (size_t)result->bytes, stdout);
 *           return IOCP_REARM;
 *       }
 *       iocp_close(loop, result->handle, NULL, NULL, NULL);
 *       iocp_close(loop, keyboard, NULL, NULL, NULL);
 *       return IOCP_DISARM;
 *   }
 *
 *   static iocp_action_t IOCP_CALL on_shell_end(iocp_loop_t *loop, const iocp_result_t *result,
 *                                               void *userdata)
 *   {
 *       iocp_close(loop, result->handle, NULL, NULL, NULL); // the window: on_shown gets the rest
 *       return IOCP_DISARM;
 *   }
 *
 *   static iocp_action_t IOCP_CALL on_shell(iocp_loop_t *loop, const iocp_result_t *result,
 *                                           void *userdata)
 *   {
 *       shell = result->opened;
 *       if (result->status == IOCP_OK) {
 *           iocp_process_wait(loop, shell, on_shell_end, NULL, NULL);
 *       }
 *       return IOCP_DISARM;
 *   }
 *
 *   static int open_shell(iocp_loop_t *loop, uint32_t columns, uint32_t rows)
 *   {
 *       static const char *const arguments[] = {"cmd.exe", NULL};
 *       iocp_spawn_options_t options = {.size = sizeof options, .arguments = arguments};
 *       iocp_spawn_stdio_t *stdio = options.stdio;
 *       iocp_handle_t screen;
 *       options.flags = IOCP_SPAWN_PSEUDO_CONSOLE;
 *       options.columns = columns;
 *       options.rows = rows;
 *       stdio[IOCP_STDIN].give = stdio[IOCP_STDOUT].give = IOCP_GIVE_PIPE;
 *       int status = iocp_pipe_pair(loop, IOCP_PIPE_WRITE, &keyboard, &stdio[IOCP_STDIN].handle);
 *       if (status == IOCP_OK) {
 *           status = iocp_pipe_pair(loop, IOCP_PIPE_READ, &screen, &stdio[IOCP_STDOUT].handle);
 *       }
 *       if (status == IOCP_OK) {
 *           status = iocp_spawn(loop, &options, on_shell, NULL, NULL);
 *       }
 *       return status == IOCP_OK ? iocp_read(loop, screen, shown, sizeof shown, on_shown, NULL,
 *                                            NULL)
 *                                : status;
 *   }
 *
 *   static int resize_shell(iocp_loop_t *loop, uint32_t columns, uint32_t rows)
 *   {
 *       return iocp_console_resize(loop, shell, columns, rows);
 *   }
 */

/* ==== Console and standard streams =========================================================== */

/* iocp_result_t.event of iocp_console_watch. */
typedef enum iocp_console_event {
    IOCP_CONSOLE_C = 1,       /* Ctrl-C */
    IOCP_CONSOLE_BREAK = 2,   /* Ctrl-Break, or iocp_process_stop of whoever started us */
    IOCP_CONSOLE_CLOSE = 3,   /* the console's window is closed; Windows waits 5 seconds */
    IOCP_CONSOLE_LOGOFF = 4,  /* a user logs off, told to services: 5 seconds */
    IOCP_CONSOLE_SHUTDOWN = 5 /* the system ends, told to services: 20 seconds. All as set there */
} iocp_console_event_t;

/*
 * Be told what happens to the console: one callback for each event, in `event`. While it runs
 * Windows waits. What it answers is the acknowledgement:
 *
 *   IOCP_REARM   handled, and the watch goes on. After CLOSE, LOGOFF and SHUTDOWN Windows ends the
 *                process now (LOGOFF: not a service).
 *   IOCP_DISARM  handled, and the watch is over: the program is about to end. After CLOSE, LOGOFF
 *                and SHUTDOWN Windows is kept waiting until the process ends itself, or for as long
 *                as Windows waits. The next Ctrl-C finds no watch and ends the process.
 *
 * (IOCP_REARM acknowledges when the watch starts again: in the next tick, or, if the loop has been
 * stopped, when it goes on or ends.)
 *
 * So a server stops accepting in the callback, answers IOCP_DISARM, lets its connections come to an
 * end and returns from main; and whoever presses Ctrl-C twice is not kept.
 *
 * The watch hears what comes after its start (the next tick or iocp_loop_submit). Events that come
 * while the callback runs are kept for the next run, and told with IOCP_RESULT_INLINE. With several
 * watches, of several loops too, each is told; all have to answer, and one IOCP_DISARM among the
 * answers keeps Windows waiting. An event of which no callback was told, since the watch was
 * cancelled, goes on to the process's other handlers. A program that ends by itself has the watch
 * not keep it going: iocp_op_unref. It needs no console.
 * N.B. AttachConsole, AllocConsole and FreeConsole make Windows forget all handlers: watch anew
 * after them, when every other watch of the process has ended.
 * N.B. A process that loads user32.dll is told of LOGOFF and SHUTDOWN by window messages alone.
 * N.B. For Ctrl-C and Ctrl-Break Windows waits for ever. For the others it ends the process when
 * its time is up, also if the loop was busy or stopped and no callback has run.
 * N.B. While a handler of the program's own runs, the start of the process's first watch waits for
 * it to return, since Windows does.
 * Errors in the result: IOCP_ENOMEM, or what the system said.
 * Win32: SetConsoleCtrlHandler, while there is a watch; Windows calls it on a thread of its own,
 * which waits there. The library stays loaded meanwhile (GetModuleHandleExW). What was is restored
 * on the thread pool, a moment after the last watch, since Windows lets whoever asks for that wait
 * while any handler runs.
 */
IOCP_API int IOCP_CALL iocp_console_watch(iocp_loop_t *loop, iocp_callback_t callback,
                                          void *userdata, iocp_op_t *op);

/*
 * Example: the first Ctrl-C, or a closed window, ends the program in order; the second at once.
 *
 *   static iocp_action_t IOCP_CALL on_console(iocp_loop_t *loop, const iocp_result_t *result,
 *                                             void *listener)
 *   {
 *       if (result->status == IOCP_OK) {
 *           iocp_close(loop, *(iocp_handle_t *)listener, NULL, NULL, NULL);
 *       }
 *       return IOCP_DISARM;
 *   }
 *
 *   static int end_in_order(iocp_loop_t *loop, iocp_handle_t *listener)
 *   {
 *       iocp_op_t op;
 *       int status = iocp_console_watch(loop, on_console, listener, &op);
 *       return status == IOCP_OK ? iocp_op_unref(loop, op) : status;
 *   }
 */

/*
 * Use one of the process's standard streams, whatever it is: a pipe, a file, a console, the null
 * device; overlapped or not. It takes iocp_read (stdin), iocp_write (the others), iocp_drain,
 * iocp_close. Reads are carried out one after the other, writes too, in the order of their calls. A
 * file is read from its position on, which is shared with whoever gave it to us.
 *
 * The first operation finds out what it is, on the pool, since the question may wait. Then what is
 * synchronous is done there; what is overlapped is started from there, with an event, and never
 * bound to the port: it may be others' too, and nothing of it is changed for them. A console reads
 * and writes UTF-8, whatever its code page; Ctrl-Z at the beginning of a line is IOCP_EOF.
 *
 * It is a copy of the handle: closing it leaves the process's own. A read that is cancelled ends at
 * once. Of a console the line that is being typed is then the next read's, since Windows cannot
 * take a question back that it has put to the person; the thread that waits for it ends with the
 * close.
 * Errors: IOCP_EBADF (the process has no such stream: a GUI program), IOCP_EINVAL, IOCP_EMFILE,
 * IOCP_ENOMEM, IOCP_ECLOSING. Errors in the result: as iocp_read and iocp_write.
 * Win32: GetStdHandle, DuplicateHandle; ReadFile, WriteFile, ReadConsoleW, WriteConsoleW,
 * CancelSynchronousIo.
 */
IOCP_API int IOCP_CALL iocp_stdio_open(iocp_loop_t *loop, iocp_stdio_t which,
                                       iocp_handle_t *handle);

/*
 * Example: what comes in goes out, line by line or piece by piece, as it comes.
 *
 *   struct copy {
 *       iocp_handle_t in;
 *       iocp_handle_t out;
 *       char piece[65536];
 *   };
 *
 *   static iocp_action_t IOCP_CALL on_piece_read(iocp_loop_t *loop, const iocp_result_t *result,
 *                                                void *userdata);
 *
 *   static iocp_action_t IOCP_CALL on_piece_written(iocp_loop_t *loop, const iocp_result_t *result,
 *                                                   void *userdata)
 *   {
 *       struct copy *copy = userdata;
 *       if (result->status == IOCP_OK) {
 *           iocp_read(loop, copy->in, copy->piece, sizeof copy->piece, on_piece_read, copy, NULL);
 *       }
 *       return IOCP_DISARM;
 *   }
 *
 *   static iocp_action_t IOCP_CALL on_piece_read(iocp_loop_t *loop, const iocp_result_t *result,
 *                                                void *userdata)
 *   {
 *       struct copy *copy = userdata;
 *       if (result->status == IOCP_OK) {
 *           iocp_write(loop, copy->out, copy->piece, (size_t)result->bytes, on_piece_written, copy,
 *                      NULL);
 *       }
 *       return IOCP_DISARM;
 *   }
 *
 *   static int copy_through(iocp_loop_t *loop, struct copy *copy)
 *   {
 *       int status = iocp_stdio_open(loop, IOCP_STDIN, &copy->in);
 *       if (status == IOCP_OK) {
 *           status = iocp_stdio_open(loop, IOCP_STDOUT, &copy->out);
 *       }
 *       return status == IOCP_OK ? iocp_read(loop, copy->in, copy->piece, sizeof copy->piece,
 *                                            on_piece_read, copy, NULL)
 *                                : status;
 *   }
 */

/* ==== Any overlapped call ==================================================================== */

/*
 * Starts the system's work: one call of a function that takes an OVERLAPPED, with `native`, the
 * handle's HANDLE or SOCKET, and `overlapped`, which is all zero, and may have its Offset and
 * OffsetHigh set. Returns 0 if the call succeeded, otherwise what GetLastError or WSAGetLastError
 * says, of which ERROR_IO_PENDING means that it goes on. Where a function says that it succeeded as soon
 * as it has begun (ReadDirectoryChangesW), 0 is right, too. Runs on the loop thread, in the tick that
 * starts the operation, again after each IOCP_REARM, and must not call the loop.
 *
 * N.B. Exactly one call that uses `overlapped`, and nothing after it. It needs no event: leave hEvent
 * alone, since the system does not tell the loop of the end of a call that has one whose lowest bit is
 * set. Pass NULL for the number of bytes. An operation whose function says that something goes on, and
 * has started nothing, never ends; one that says that it failed, and has started something, has the
 * system write to memory that is the next operation's.
 */
typedef uint32_t(IOCP_CALL *iocp_start_fn)(void *native, void *overlapped, void *arg);

/*
 * Any function of Windows' that takes an OVERLAPPED, on any handle of the loop but a process, a standard
 * stream, a pipe's listener and a child's end of a pair: DeviceIoControl, LockFileEx,
 * TransactNamedPipe, WaitCommEvent, TransmitPackets, DisconnectEx, HttpReceiveHttpRequest. What this
 * library does not know is opened by the program with FILE_FLAG_OVERLAPPED, and adopted:
 * iocp_handle_adopt; what is started meanwhile waits until it is known what that is.
 *
 * The result has status, native_error and bytes. If there was more than the buffer took
 * (ERROR_MORE_DATA), it is 0 with IOCP_RESULT_MORE; of a datagram socket with IOCP_RESULT_TRUNCATED.
 * A cancel, a deadline and iocp_close end it as any other: CancelIoEx.
 * N.B. Not every driver heeds that. What it still has to write to stays in use until the callback, and
 * iocp_loop_destroy says IOCP_ETIMEDOUT until then.
 *
 * `arg`, and what the function gave to the system, is in use until the callback.
 * N.B. Of sends and receives on a socket or a pipe the library keeps the order of its own only.
 * Errors: IOCP_EINVAL (no function). Errors in the result: what the function answered, and the system.
 */
IOCP_API int IOCP_CALL iocp_overlapped(iocp_loop_t *loop, iocp_handle_t handle, iocp_start_fn start,
                                       void *arg, iocp_callback_t callback, void *userdata,
                                       iocp_op_t *op);

/*
 * Example: a range of a file is locked, however long that takes; somebody else has it. To give it back
 * takes no time: UnlockFileEx, or the end of the handle.
 *
 *   static uint32_t IOCP_CALL start_lock(void *native, void *overlapped, void *arg)
 *   {
 *       uint32_t bytes = *(uint32_t *)arg;
 *       return LockFileEx(native, LOCKFILE_EXCLUSIVE_LOCK, 0, bytes, 0, overlapped)
 *                  ? 0
 *                  : GetLastError();
 *   }
 *
 *   static int lock_head(iocp_loop_t *loop, iocp_handle_t file, iocp_callback_t on_locked)
 *   {
 *       static uint32_t bytes = 4096;
 *       return iocp_overlapped(loop, file, start_lock, &bytes, on_locked, NULL, NULL);
 *   }
 */

/* ==== Blocking work ========================================================================== */

/* Runs on a thread of the pool, and must not call the loop, except for what any thread may. */
typedef uint64_t(IOCP_CALL *iocp_work_fn)(void *arg);

/*
 * Run a function that may block on the process's thread pool; then the callback, on the loop
 * thread, with what it returned in `value`. A function that has not begun is taken back at once by
 * a cancel or a deadline, however long the pool's queue is, and never runs; one that runs is not
 * ended, and its result is the success that it is.
 * N.B. `arg` is in use until the callback. iocp_loop_destroy waits for functions that run.
 * Errors in the result: IOCP_ENOMEM. Win32: CreateThreadpoolWork, SubmitThreadpoolWork.
 */
IOCP_API int IOCP_CALL iocp_work(iocp_loop_t *loop, iocp_work_fn function, void *arg,
                                 iocp_callback_t callback, void *userdata, iocp_op_t *op);

/*
 * Example: something that blocks, and its answer on the loop thread.
 *
 *   static uint64_t IOCP_CALL remove_file(void *path)
 *   {
 *       return remove(path) == 0;
 *   }
 *
 *   static iocp_action_t IOCP_CALL on_removed(iocp_loop_t *loop, const iocp_result_t *result,
 *                                             void *path)
 *   {
 *       puts(result->status == IOCP_OK && result->value == 1 ? "it is gone" : "it is still there");
 *       free(path);
 *       return IOCP_DISARM;
 *   }
 *
 *   static int remove_later(iocp_loop_t *loop, char *path)
 *   {
 *       return iocp_work(loop, remove_file, path, on_removed, path, NULL);
 *   }
 */

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

/*
 * Example: another thread hands a connection over, and the loop that gets it adopts it.
 *
 *   static void IOCP_CALL on_hand_over(iocp_loop_t *loop, void *arg)
 *   {
 *       uintptr_t *native = arg;
 *       iocp_handle_t handle;
 *       int status = iocp_socket_adopt(loop, *native, &handle);
 *       if (status != IOCP_OK) {
 *           fprintf(stderr, "%s\n", iocp_error_text(status));
 *       }
 *       free(native);
 *   }
 *
 *   static int hand_over(iocp_loop_t *loop, uintptr_t *native)
 *   {
 *       return iocp_post(loop, on_hand_over, native);
 *   }
 */

/* ==== Statistics ============================================================================= */

/* Counters since the loop was created, and a few levels. Set size before the call. */
typedef struct iocp_stats {
    uint32_t size;
    uint32_t sleep_method;    /* iocp_sleep_method_t: the one in use, never AUTO; before the first
                                 sleep until a time, the one that it will try first */
    uint64_t turns;           /* passes through the steps of iocp_loop_tick */
    uint64_t callbacks;       /* of operations */
    uint64_t posts;           /* posted functions that ran */
    uint64_t starts;          /* operations started, rearmed ones and reset timers again */
    uint64_t inline_results;  /* of these, done or failed at once, with no packet */
    uint64_t dequeues;        /* calls that asked the port */
    uint64_t sleeps;          /* of these, those that were allowed to wait: wake-ups of the loop */
    uint64_t packets;         /* packets of operations taken from the port */
    uint64_t wake_packets;    /* packets sent to wake the loop */
    uint64_t foreign_packets; /* dropped: not this library's, or of a job whose watch is over */
    uint64_t allocations;     /* calls of the allocator; stands still in the steady state */
    uint64_t operations;      /* level: operations that have not ended */
    uint64_t kernel;          /* level: of these, in the hands of the kernel */
    uint64_t timers;          /* level: timers and deadlines that are set */
    uint64_t handles;         /* level: handles; each accept in the kernel holds one ready */
    uint64_t timer_fires;     /* timers whose time came; beside `sleeps`: wake-ups for each */
    uint64_t lent;            /* level: buffers of all pools that are with the program */
} iocp_stats_t;

/* Loop thread. A smaller structure (an older version's) gets what fits. Errors: IOCP_EINVAL. */
IOCP_API int IOCP_CALL iocp_loop_stats(const iocp_loop_t *loop, iocp_stats_t *stats);

/* Counters of a kind of operation since the loop was created. Set size before the call. */
typedef struct iocp_type_stats {
    uint32_t size;
    uint32_t reserved; /* 0 */
    uint64_t started;  /* rearmed ones and reset timers again */
    uint64_t ended;    /* callbacks */
    uint64_t failed;   /* of these, with a status that is neither 0 nor IOCP_EOF */
    uint64_t bytes;
} iocp_type_stats_t;

/*
 * Loop thread. A smaller structure (an older version's) gets what fits. Errors: IOCP_EINVAL (no
 * such type).
 */
IOCP_API int IOCP_CALL iocp_loop_type_stats(const iocp_loop_t *loop, iocp_type_t type,
                                            iocp_type_stats_t *stats);

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
 * Tell of every operation that has not ended, in no order. `function` must not call the loop. One of
 * type 0 is the library's own: it finds out what an adopted handle is, or waits for the thread that
 * is still at work on a standard stream which closes.
 * Loop thread.
 */
IOCP_API int IOCP_CALL iocp_loop_dump(const iocp_loop_t *loop, iocp_dump_fn function,
                                      void *userdata);

/* One open handle, for iocp_loop_handles. Later versions add members at the end. */
typedef struct iocp_handle_entry {
    iocp_handle_t handle;
    iocp_handle_kind_t kind;
    int closing;           /* 1: iocp_close was called */
    uint64_t age_ns;       /* since it was opened, about */
    uint64_t idle_ns;      /* since an operation of it ended, or since it was opened */
    uint64_t operations;   /* on it, that have not ended */
    uint64_t bytes_in;     /* received and read since it was opened */
    uint64_t bytes_out;    /* sent and written */
    const char *kind_name; /* "stream" */
    void *native;          /* as iocp_handle_native */
    void *data;            /* as iocp_handle_get_data */
} iocp_handle_entry_t;

typedef void(IOCP_CALL *iocp_handle_entry_fn)(const iocp_handle_entry_t *entry, void *userdata);

/*
 * Tell of every handle that is not closed, in no order: the leak finder, and with idle_ns the way
 * to the connections that a server may end. `function` must not call the loop. Loop thread.
 */
IOCP_API int IOCP_CALL iocp_loop_handles(const iocp_loop_t *loop, iocp_handle_entry_fn function,
                                         void *userdata);

/*
 * Example: closes the connection that has been idle for the longest time. Those of this program
 * have data (iocp_handle_set_data), its listeners have none.
 *
 *   static void IOCP_CALL compare_idle(const iocp_handle_entry_t *entry, void *userdata)
 *   {
 *       iocp_handle_entry_t *longest = userdata;
 *       if (entry->data != NULL && entry->idle_ns >= longest->idle_ns) {
 *           *longest = *entry;
 *       }
 *   }
 *
 *   static int close_the_most_idle(iocp_loop_t *loop)
 *   {
 *       iocp_handle_entry_t longest = {.idle_ns = 0};
 *       int status = iocp_loop_handles(loop, compare_idle, &longest);
 *       return status == IOCP_OK ? iocp_close(loop, longest.handle, NULL, NULL, NULL) : status;
 *   }
 */

#ifdef __cplusplus
}
#endif

#endif /* IOCPLOOP_H */
