/*
 * Inside the simulation: ports, sockets, ends of pipes and the operations on them. Everything here is
 * guarded by one lock, and every function runs with it held, except for sim_lock.
 */
#ifndef TEST_SIM_NET_H
#define TEST_SIM_NET_H

#include "sim.h"

#include "accept.h"
#include "datagram.h"
#include "handle.h"
#include "op.h"
#include "sendfile.h"
#include "watch.h"

#include <pthread.h>

/* An invariant of the simulation or of its contract with the core; also in release builds. */
#define SIM_CHECK(condition)                             \
    do {                                                 \
        if (!(condition)) {                              \
            sim_give_up(#condition, __FILE__, __LINE__); \
        }                                                \
    } while (0)

void sim_give_up(const char *condition, const char *file, int line);

void sim_lock(void);
void sim_unlock(void);

typedef struct sim_failure {
    uint32_t count;
    int status;
} sim_failure;

typedef struct sim_port {
    ioc_port base;
    ioc_alloc *alloc;
    const ioc_ops *ops;
    uint32_t batch;
    iocp_completion_mode_t mode;
    iocp_sleep_method_t sleep_method;
    sim_script script;
    uint64_t random;
    uint64_t now_ns;
    pthread_cond_t changed; /* a packet or a wake has come */
    ioc_list pending;       /* sim_op.link */
    ioc_list packets;       /* sim_op.place, first that comes first */
    ioc_list messages;      /* of jobs, likewise */
    uint32_t wakes;
    uint64_t wake_due_ns;
    bool is_nudged; /* the next dequeue returns at once */
    uint32_t foreign;
    iocp_packet_t *room;   /* for those that are others' */
    iocp_packet_t *posted; /* that were sent and not taken, in their order */
    size_t posted_count;
    size_t posted_capacity;
    bool is_holding;
    bool is_holding_files;
    bool is_holding_names;
    uint64_t cancel_delay_ns;
    sim_failure starts;
    sim_failure cancels;
    sim_failure dequeues;
    sim_failure sockets;
    sim_failure diverted;
    sim_failure refused; /* packets */
    uint32_t wake_ms;
    sim_counts counts;
} sim_port;

typedef struct sim_address {
    int family;
    uint16_t port;
    bool is_any;    /* otherwise loopback */
    bool is_mapped; /* an IPv4 address in IPv6 clothes */
} sim_address;

/* What goes with a datagram. */
typedef struct sim_beside {
    uint32_t segment_bytes; /* 0: it is one */
    uint8_t hops;
    uint8_t ecn;
    uint8_t fields; /* IOCP_MESSAGE_ bits that a receive is told of */
} sim_beside;

typedef enum sim_phase {
    SIM_IDLE,    /* not in the kernel */
    SIM_WAITING, /* in the queue of a socket, file or object, or for its time */
    SIM_INLINE,  /* done within its start */
    SIM_DONE     /* its packet is coming */
} sim_phase;

typedef struct sim_op {
    ioc_op op;
    sim_phase phase;
    bool may_be_inline : 1;
    bool took_empty : 1; /* of a receive: a message of no bytes */
    uint8_t flags;       /* IOCP_RESULT_ bits, if it is a success */
    uint16_t sent_count; /* of `sent` */
    ioc_link link;       /* sim_port.pending */
    ioc_link place;      /* WAITING: in such a queue; DONE: sim_port.packets */
    iocp_op_t id;        /* whose memory this was at the start */
    sim_port *port;
    struct sim_socket *socket; /* one of these, or none */
    struct sim_file *file;
    uintptr_t process;
    uint64_t abort_ns;     /* WAITING: when a cancel takes effect */
    uint64_t effect_ns;    /* WAITING: when the file is read or written, or the work is done */
    uint64_t due_ns;       /* DONE: when the packet comes */
    uint64_t *last_due_ns; /* of the packets that it must not overtake, or NULL */
    ioc_outcome outcome;
    size_t total_bytes;
    union {
        struct {
            const iocp_buf_t *sent; /* of a send: its buffers */
            iocp_buf_t *portion;    /* of a sendfile: three, whose middle is its own */
        };
        iocp_buf_t room;        /* of a call of the program's: where what it receives goes */
        unsigned char *records; /* of a watch: what has happened, likewise */
    };
    unsigned char *received; /* what goes to the buffers just before the packet is taken */
    struct sim_socket *accepted;
    sim_address from; /* of a datagram */
    sim_beside beside;
    uint64_t value; /* of a wait or work */
    union {
        uint32_t pipe_flags;  /* of a connect to a pipe */
        uint32_t start_error; /* what a call of the program's answered, if it was not started */
    };
    uint32_t message; /* or the events that a poll has found */
} sim_op;

_Static_assert(IOCP_BUFFERS_MAX <= UINT16_MAX, "sim_op.sent_count");

/* The data of a send that the kernel has copied. */
typedef struct sim_chunk {
    ioc_link link;
    size_t bytes;
    size_t sent;
    unsigned char data[];
} sim_chunk;

/* A message of a pipe, whose bytes are among those that its reader has not read. */
typedef struct sim_message {
    ioc_link link;
    size_t left;
} sim_message;

typedef enum sim_state {
    SIM_CLOSED, /* neither of these */
    SIM_LISTENING,
    SIM_CONNECTING,
    SIM_CONNECTED
} sim_state;

/* Also an end of a pipe, which is connected from its birth and never reset. */
typedef struct sim_socket {
    ioc_link link;  /* all sockets */
    ioc_link place; /* in its listener's backlog */
    uintptr_t number;
    int family;
    sim_state state;
    sim_port *port;  /* bound to, or NULL */
    bool is_adopted; /* belongs to a loop */
    bool is_foreign; /* it was adopted */
    bool is_pipe;
    bool is_overlapped; /* of a pipe */
    bool cannot_read;   /* it was opened for the other way alone */
    bool cannot_write;
    bool has_messages;   /* what is written to it is kept apart */
    bool reads_messages; /* and is read so */
    uint32_t pipe_flags; /* of a pipe that has a name: IOCP_PIPE_ bits */
    uintptr_t served_by; /* the number of the listener that made it; it may be gone */
    char *pipe_name;     /* of a listener */
    uint32_t instances;  /* of a listener, 0: no limit */
    uint32_t more_users; /* that have a handle of their own: it stays until the last has closed */
    bool is_bound;
    bool owns_port; /* of its local address */
    sim_address local;
    sim_address remote;
    int options[IOCP_SOCKET_OPTIONS];
    struct sim_datagrams *datagrams; /* NULL: a stream socket */

    struct sim_socket *peer; /* NULL: not connected, or it is gone */
    unsigned char *incoming;
    size_t incoming_bytes;
    size_t capacity_bytes;
    ioc_list messages; /* sim_message.link: what the incoming bytes are, if it has such */
    bool is_ended;     /* after the incoming bytes comes the end */
    bool is_reset;
    bool is_send_shut;
    bool is_recv_shut;
    bool was_refused;  /* its connect was */
    ioc_list receives; /* sim_op.place */
    ioc_list sends;
    ioc_list buffered; /* sim_chunk.link: sends that are done and not with the receiver yet */
    int buffered_count;
    ioc_list accepts; /* also the connect of this socket, when it has found no listener */
    ioc_list callers; /* connects that find the backlog full */
    ioc_list backlog; /* sim_socket.place */
    int backlog_count;
    int backlog_limit;
    uint64_t last_due_ns[2]; /* of packets in each direction: they keep their order */
} sim_socket;

typedef struct sim_handle {
    ioc_handle handle;
    sim_socket *socket; /* one of these */
    struct sim_file *file;
    uintptr_t process; /* its number among the objects */
    uintptr_t tree;    /* of a process, its tree's number, or 0 */
    bool has_console;  /* a pseudo console, which ends with this handle */
    uintptr_t adopted; /* the number of what was not looked at yet, or cannot be used */
} sim_handle;

/* What the simulation does for a kind of operation: a row in sim_backend.c. */
typedef struct sim_kind {
    /* Start it: on a stream or pipe, on datagrams, on a file, on a process, on nothing. */
    int (*on_stream)(sim_op *op);
    int (*on_datagrams)(sim_op *op);
    int (*on_file)(sim_op *op);
    int (*on_process)(sim_op *op);
    int (*on_nothing)(sim_op *op);
    void (*take_effect)(sim_op *op); /* its time has come (sim_op.effect_ns) */
    void (*tell)(sim_op *op);        /* it is handed over: what only this kind tells */
    void (*release)(sim_op *op);     /* it is over, and was held */
    bool (*revise)(sim_op *op);      /* it is to do something else now; false: it cannot */
    bool ends_by_cancel;             /* a cancel brings it back at once */
} sim_kind;

const sim_kind *sim_kind_of(const sim_op *op);

/* The handle for what an operation opens. */
static inline sim_handle *sim_opened_by(const sim_op *op)
{
    return IOC_CONTAINER_OF(ioc_opening_of(&op->op)->handle, sim_handle, handle);
}

/* ---- sim_port.c ---- */

/* Draw: true with a chance of `percent`. */
bool sim_chance(sim_port *port, uint32_t percent);
uint64_t sim_below(sim_port *port, uint64_t limit);

/* A number that no other native handle has. */
uintptr_t sim_next_number(void);

/* The raw code that stands behind a status, and back. */
uint32_t sim_native_error(int status);
int sim_status_of(uint32_t native_error);

/* Whether this call is one that shall fail, and how. */
bool sim_fails(sim_failure *failure, int *status);

/* An operation has ended in the kernel: its packet comes, or it is done inline. */
void sim_complete(sim_op *op, int status, uint64_t bytes);

/* Give an ended operation back to the core; from here on it is not touched. */
void sim_hand_over(sim_op *op);

int sim_port_open(const ioc_port_options *options, ioc_port **port, uint32_t *native_error);
void sim_port_close(ioc_port *port);
uint64_t sim_port_now(ioc_port *port);
uintptr_t sim_port_thread_id(ioc_port *port);
iocp_sleep_method_t sim_port_sleep_method(ioc_port *port);
int sim_port_dequeue(ioc_port *port, uint64_t now_ns, uint64_t until_ns, ioc_list *ended,
                     ioc_dequeued *dequeued);
ioc_wake sim_port_wake(ioc_port *port);
int sim_port_post_packet(ioc_port *port, const iocp_packet_t *packet);
void *sim_port_native(ioc_port *port);

/* ---- sim_net.c ---- */

sim_socket *sim_socket_new(int family, size_t capacity_bytes);
sim_socket *sim_socket_find(uintptr_t number);
void sim_socket_close(sim_socket *socket);
int sim_socket_bind_to(sim_socket *socket, const struct sockaddr *address, size_t length);
int sim_socket_listen_on(sim_socket *socket, int backlog);
int sim_socket_set(sim_socket *socket, iocp_socket_option_t option, int value);

/* The next of all sockets, the first one after NULL; NULL: that was the last. */
sim_socket *sim_socket_next(const sim_socket *socket);
bool sim_socket_is_dual(const sim_socket *socket);

/* Bind to a free port if the address has none. */
void sim_socket_take_name(sim_socket *socket, sim_address local);

/* An address for a socket of `family`; IOCP_EADDRNOTAVAIL, IOCP_EAFNOSUPPORT, IOCP_EFAULT. */
int sim_address_read(sim_address *address, int family, const struct sockaddr *from, size_t length);

/* 0 or IOCP_EFAULT. */
int sim_address_write(const sim_address *address, struct sockaddr *to, size_t *length);

/* Start an operation on op->socket. An error: it was not started. */
int sim_accept(sim_op *op);
int sim_connect(sim_op *op);
int sim_send(sim_op *op);
int sim_send_file(sim_op *op);
void sim_send_file_tell(sim_op *op);
int sim_receive(sim_op *op);
int sim_receive_bytes(sim_op *op); /* as many as op->total_bytes says */
int sim_shutdown(sim_op *op);

/* See ioc_backend.socket_try_send. */
int sim_socket_try_send(sim_socket *socket, const iocp_buf_t *buffers, uint32_t count,
                        uint64_t *sent);

/* Both ends of a fresh pipe; of messages, which both read as such, or of bytes. */
void sim_pipe_new(sim_socket *ends[2], bool is_overlapped, bool has_messages);

/* A connect to a pipe waits for its listener to have an instance for it. */
void sim_pipe_call(sim_op *connect, sim_socket *listener);

/* sim_kind.tell of an accept. */
void sim_accept_tell(sim_op *op);

/* End an operation that waits; what it waited on goes on without it. */
void sim_end_waiting(sim_op *op, int status);

#endif
