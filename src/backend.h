/*
 * What the loop needs of an operating system. The product has one backend, IOCP in src/win32/;
 * the tests have a simulated one with a virtual clock.
 *
 * The vocabulary is operations, not readiness: the loop starts an operation, and later a dequeue
 * says how it ended. A backend knows nothing of callbacks, ids, timers or the loop.
 *
 * Rules for every slot:
 *  - All slots are there; none is NULL.
 *  - Only `wake` and `post_packet` are called from any thread. All others run on the loop thread, one
 *    at a time.
 *  - Functions that return int return 0 or an IOCP_E code, and with an error they leave the raw
 *    code in port->native_error. They never abort and never print.
 *  - A backend may put its own part behind ioc_op and ioc_handle: it says how large the whole block
 *    is (op_bytes, handle_bytes), and its own structure begins with the core's. Blocks never move,
 *    and the core reuses one only when the backend has given the operation back.
 */
#ifndef IOC_BACKEND_H
#define IOC_BACKEND_H

#include "alloc.h"
#include "queue/list.h"

struct ioc_op;
struct ioc_ops;
struct ioc_handle;

/* The head of a backend's state; its own structure begins with this. */
typedef struct ioc_port {
    uint32_t native_error;
} ioc_port;

typedef struct ioc_port_options {
    ioc_alloc *alloc;
    const struct ioc_ops *ops; /* whose operations it carries out; not ready before it is open */
    uint32_t batch;            /* the most packets that one dequeue takes */
    iocp_completion_mode_t completion_mode;
    iocp_sleep_method_t sleep_method;
    bool wakes_on_resume;   /* a dequeue that sleeps returns when the machine resumes */
    iocp_packet_t *packets; /* room for a batch of others' packets, NULL: they are dropped */
    const void *extra;      /* of the backend's own: a test's table of system calls, a script */
} ioc_port_options;

/* What became of an operation that was started. */
typedef enum ioc_start {
    IOC_START_PENDING, /* a later dequeue brings it back, exactly once */
    IOC_START_DONE,    /* it is done, no packet comes; op->outcome is set */
    IOC_START_FAILED   /* it was not started, no packet comes; op->outcome is set */
} ioc_start;

/* What one dequeue brought, besides operations. */
typedef struct ioc_dequeued {
    uint32_t operations;
    uint32_t wakes;   /* packets sent by `wake` */
    uint32_t packets; /* of others, in ioc_port_options.packets */
    uint32_t foreign; /* packets that belong to somebody else, and were dropped */
    bool is_empty;    /* there is nothing more in the port */
} ioc_dequeued;

/* A group that a socket joins, or what one sender alone sends to it. */
typedef struct ioc_group {
    const struct sockaddr *address;
    size_t length;
    const struct sockaddr *source; /* NULL: all senders */
    size_t source_length;
    uint32_t interface_index;
} ioc_group;

/* How a wake was sent. */
typedef enum ioc_wake {
    IOC_WAKE_PACKET, /* one dequeue will count it in `wakes`, if not this one a later one */
    IOC_WAKE_DIRECT, /* a dequeue that sleeps now returns; nothing will be counted */
    IOC_WAKE_FAILED  /* the system had no means */
} ioc_wake;

typedef struct ioc_backend {
    const char *name;
    size_t op_bytes;
    size_t handle_bytes;

    /* IOCP_CAP_ bits. Any thread, without a port. */
    uint32_t (*capabilities)(void);

    /* ---- The port ---- */

    /* IOCP_ENOTSUP: the system does not have the sleep method that was asked for. */
    int (*open)(const ioc_port_options *options, ioc_port **port, uint32_t *native_error);

    /* All operations are back and all handles are closed. */
    void (*close)(ioc_port *port);

    /* Nanoseconds, monotonic, never 0. */
    uint64_t (*now)(ioc_port *port);

    /* A number for the calling thread that no other living thread has. */
    uintptr_t (*thread_id)(ioc_port *port);

    /* The one in use, never AUTO. */
    iocp_sleep_method_t (*sleep_method)(ioc_port *port);

    /*
     * Wait until `until_ns` (0 or not after `now_ns`: not at all, IOC_FOREVER: without end; rounded
     * up, never down) for packets and take at most one batch. `now_ns` is what `now` said last, not
     * long ago if there is a time limit. Each operation that ended gets its outcome and its `link`
     * is pushed on `ended`, in the order of the packets. `*dequeued` is set also on an error. May
     * return early with nothing.
     */
    int (*dequeue)(ioc_port *port, uint64_t now_ns, uint64_t until_ns, ioc_list *ended,
                   ioc_dequeued *dequeued);

    /*
     * A packet that comes back as one of others. Any thread; leaves native_error alone. IOCP_EINVAL: its
     * key is the port's own.
     */
    int (*post_packet)(ioc_port *port, const iocp_packet_t *packet);

    /* Make a dequeue that sleeps, or else the next one, return at once. Any thread. */
    ioc_wake (*wake)(ioc_port *port);

    /* The port's own native handle. */
    void *(*native)(ioc_port *port);

    /* ---- Operations ---- */

    /*
     * Start an operation that needs the system. Reads its parameters and writes op->outcome;
     * ACCEPT, the waits and those on the pool also fill in what they tell. The status of an
     * operation that was aborted is IOCP_ECANCELED whoever aborted it: the core knows whether it
     * was this program.
     *
     * What the backend keeps with an operation across IOCP_REARM it marks by op->is_held: then
     * `release` is called once, when the operation is over.
     */
    ioc_start (*start)(ioc_port *port, struct ioc_op *op);
    void (*release)(ioc_port *port, struct ioc_op *op);

    /*
     * Ask for the end of a pending operation. 0: asked, or its packet is on the way already; it
     * comes back through dequeue. Or *is_back, false before the call, becomes true: it has ended,
     * op->outcome is set, and no dequeue brings it. An error: the system did not take the request.
     */
    int (*cancel)(ioc_port *port, struct ioc_op *op, bool *is_back);

    /*
     * What a pending operation is to do has changed: the pause of a PROCESS_STOP is over, and it
     * ends the process; a POLL waits for other events. As cancel, but its end is not asked for: what
     * comes back is the operation's own outcome.
     */
    int (*revise)(ioc_port *port, struct ioc_op *op, bool *is_back);

    /*
     * As start, of a RECV_LENT on a stream, which has a buffer: it receives what is there now, and is
     * never PENDING. FAILED with IOCP_EAGAIN: nothing is there, or a call on this socket might wait.
     */
    ioc_start (*receive_now)(ioc_port *port, struct ioc_op *op);

    /* The same as cancel for all that is in the kernel on a handle, by one request. None comes back by it. */
    int (*handle_cancel)(ioc_port *port, struct ioc_handle *handle);

    /* ---- Sockets ---- */

    /* Fill a fresh handle, its kind too. After an error nothing is open. */
    int (*socket_open)(ioc_port *port, struct ioc_handle *handle, int family, int type,
                       int protocol);
    int (*socket_adopt)(ioc_port *port, struct ioc_handle *handle, uintptr_t socket);

    /* Give up a socket, on which nothing is pending; IOCP_EBUSY: it cannot be taken off the port. */
    int (*socket_detach)(ioc_port *port, struct ioc_handle *handle, uintptr_t *socket);

    int (*socket_bind)(ioc_port *port, struct ioc_handle *handle, const struct sockaddr *address,
                       size_t length);
    int (*socket_listen)(ioc_port *port, struct ioc_handle *handle, int backlog);
    int (*socket_name)(ioc_port *port, struct ioc_handle *handle, bool peer,
                       struct sockaddr *address, size_t *length);
    int (*socket_set_option)(ioc_port *port, struct ioc_handle *handle, iocp_socket_option_t option,
                             int value);
    int (*socket_get_option)(ioc_port *port, struct ioc_handle *handle, iocp_socket_option_t option,
                             int *value);
    /* Send what it takes now, IOCP_EAGAIN: nothing. There are bytes, and none are queued. */
    int (*socket_try_send)(ioc_port *port, struct ioc_handle *handle, const iocp_buf_t *buffers,
                           uint32_t count, uint64_t *sent);

    /* Join a group, or leave it. Its addresses have a family. */
    int (*socket_join)(ioc_port *port, struct ioc_handle *handle, const ioc_group *group,
                       bool leaves);

    /* ---- Files ---- */

    /* `flags` are IOCP_FILE_ bits that do not contradict each other. As socket_open. */
    int (*file_open)(ioc_port *port, struct ioc_handle *handle, const char *path, uint32_t flags);
    int (*file_size)(ioc_port *port, struct ioc_handle *handle, uint64_t *size);
    int (*file_set_size)(ioc_port *port, struct ioc_handle *handle, uint64_t size);

    /* ---- Paths ---- */

    /*
     * Copy what a path is called, and for COPY and RENAME what it is to be called, otherwise NULL, and
     * keep it in the operation, whose block is an ioc_paths: it is held then. After an error nothing
     * is kept.
     */
    int (*paths_plan)(ioc_port *port, struct ioc_op *op, const char *from, const char *to);

    /* ---- Pipes ---- */

    /*
     * As socket_open. The options are whole, their flags say at least one way, and the name is one
     * of this machine's (ioc_pipe_is_name).
     */
    int (*pipe_listen)(ioc_port *port, struct ioc_handle *handle, const char *name,
                       const iocp_pipe_options_t *options);

    /* The id of the process at the other end. */
    int (*pipe_peer)(ioc_port *port, struct ioc_handle *handle, uint32_t *process_id);

    /*
     * Both ends of a fresh pipe, as two calls of socket_open. `flags` are IOCP_PIPE_ bits, READ and
     * WRITE of our end.
     */
    int (*pipe_pair)(ioc_port *port, struct ioc_handle *ours, struct ioc_handle *theirs,
                     uint32_t flags);

    /* ---- Processes ---- */

    /*
     * Copy what a SPAWN is to do, and keep it in the operation: it is held then, and `release` is
     * called at its end. `ends` are those of pairs that it is given, by stream, or NULL: the native
     * handles are the operation's if this succeeds, and the caller gives them away. After an error
     * nothing is kept.
     */
    int (*spawn_plan)(ioc_port *port, struct ioc_op *op, const iocp_spawn_options_t *options,
                      struct ioc_handle *const *ends);

    /*
     * A run of a SPAWN has ended, also one that was never started: its ends of pairs are to be
     * closed, if that was not done. Each time.
     */
    void (*spawn_ended)(ioc_port *port, struct ioc_op *op);

    /* As socket_open; sets process_id, too. After an error the native handle is the caller's. */
    int (*process_adopt)(ioc_port *port, struct ioc_handle *handle, void *native);

    /* Of a process that was spawned in a pseudo console; IOCP_ENOTSUP: in none. Sizes are good ones. */
    int (*console_resize)(ioc_port *port, struct ioc_handle *handle, uint32_t columns,
                          uint32_t rows);

    /* ---- Standard streams ---- */

    /* As socket_open. What it is, is asked when its first operation has begun, and nothing here. */
    int (*stdio_open)(ioc_port *port, struct ioc_handle *handle, iocp_stdio_t which);

    /* ---- Handles of every kind ---- */

    /*
     * Take over a native handle, and ask nothing that may wait: what it is (kind, is_append) is set
     * when the operation of type 0 that the core starts on it has ended well.
     */
    int (*handle_adopt)(ioc_port *port, struct ioc_handle *handle, void *native);

    void *(*handle_native)(ioc_port *port, struct ioc_handle *handle);

    /* Give up the kernel object of a handle that is bound to no port, which the caller closes. */
    void *(*handle_give_away)(ioc_port *port, struct ioc_handle *handle);

    /*
     * Close the kernel object; what is pending on it ends as aborted. A second call does nothing.
     */
    void (*handle_close)(ioc_port *port, struct ioc_handle *handle);
} ioc_backend;

/* The product's backend. On a system without one, the tests define it as their simulation. */
const ioc_backend *ioc_backend_default(void);

#endif
