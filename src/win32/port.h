/*
 * The completion port: packets out of it, and a packet into it to wake who sleeps on it.
 *
 * The port knows no unit that stands above it. A unit that has packets registers a *source*; the
 * packets carry the source's address as their completion key, and the source says what one means.
 * Most packets are those of *tokens*, an OVERLAPPED with the function that takes its packet. A
 * packet whose key is no source's is somebody else's (the port's handle can be had from the loop):
 * its OVERLAPPED is not looked at. What a unit keeps with each port it attaches as a *part*.
 */
#ifndef IOC_PORT_H
#define IOC_PORT_H

#include "atomic.h"
#include "backend.h"
#include "clock.h"
#include "nt.h"
#include "queue/mpsc.h"

typedef struct ioc_win_port ioc_win_port;
typedef struct ioc_source ioc_source;
typedef struct ioc_token ioc_token;
typedef struct ioc_part ioc_part;

struct ioc_source {
    /*
     * A packet has come. Returns the link of the operation that it ends, or NULL. What is not the
     * source's after all it counts in dequeued->foreign.
     */
    ioc_link *(*take)(ioc_win_port *port, ioc_source *source, const OVERLAPPED_ENTRY *entry,
                      ioc_dequeued *dequeued);
};

/*
 * The event of an OVERLAPPED is looked at when a call starts, and none ever has one. When a token comes
 * back without a packet that is over, and its place is that of the link.
 */
struct ioc_token {
    union {
        OVERLAPPED overlapped;
        struct {
            ULONG_PTR before[offsetof(OVERLAPPED, hEvent) / sizeof(ULONG_PTR)];
            ioc_mpsc_node returned; /* in port.returned */
        };
    };
    ioc_link *(*take)(ioc_win_port *port, ioc_token *token); /* as ioc_source.take */
};

_Static_assert(sizeof(ioc_mpsc_node) == sizeof(HANDLE), "the link fits");
_Static_assert(offsetof(ioc_token, returned) == offsetof(OVERLAPPED, hEvent), "and is there");

typedef void (*ioc_part_close_fn)(ioc_win_port *port, ioc_part *part);

struct ioc_part {
    ioc_part_close_fn close; /* names it, too */
    ioc_part *next;
};

/* How the time limit of a dequeue is found, in milliseconds; see sleep.h. */
typedef DWORD (*ioc_limit_fn)(void *context, uint64_t now_ns, uint64_t until_ns);

#define IOC_SOURCES_MAX 5

struct ioc_win_port {
    ioc_port base;
    const ioc_sys *sys; /* for any thread from here on */
    HANDLE port;
    ioc_source tokens; /* of all packets that end operations */
    ioc_source wake;
    SRWLOCK thread_lock;
    HANDLE thread; /* that slept here last: whom to send an APC if no packet can be sent */
    DWORD thread_id;
    ioc_atomic_u32 is_wake_owed; /* a wake that no packet carries: do not sleep next time */
    ioc_mpsc returned;           /* tokens that come back without a packet */
    ioc_atomic_u32 guests;       /* threads of the pool that are giving one back */
    ioc_alloc *alloc;            /* loop thread from here on */
    const struct ioc_ops *ops;
    OVERLAPPED_ENTRY *entries;
    uint32_t batch;
    iocp_packet_t *packets; /* see ioc_port_options */
    uint32_t least;         /* of packets that are asked for at once: 1, or all of the batch */
    uint32_t besides;       /* packets that may come for no operation in the kernel */
    iocp_completion_mode_t completion_mode;
    ioc_clock clock;
    ioc_nt nt;
    ioc_source *sources[IOC_SOURCES_MAX];
    uint32_t source_count;
    ioc_source *odd_source; /* of all packets with an odd key */
    ioc_part *parts;
    ioc_limit_fn limit;
    void *limit_context;
};

static inline ioc_win_port *ioc_win_port_of(ioc_port *port)
{
    return (ioc_win_port *)(void *)port;
}

/* The port alone: a port's memory is the caller's. */
int ioc_port_init(ioc_win_port *port, const ioc_port_options *options, uint32_t *native_error);
void ioc_port_deinit(ioc_win_port *port);

/* Slots of ioc_backend. */
uint64_t ioc_port_now(ioc_port *port);
uintptr_t ioc_port_thread_id(ioc_port *port);
int ioc_port_dequeue(ioc_port *port, uint64_t now_ns, uint64_t until_ns, ioc_list *ended,
                     ioc_dequeued *dequeued);
ioc_wake ioc_port_wake(ioc_port *port);
int ioc_port_post_packet(ioc_port *port, const iocp_packet_t *packet);
void *ioc_port_native(ioc_port *port);

/*
 * From here on packets may come that nobody has asked for one by one: a job's messages, or what the
 * program sends. Without this a dequeue asks for one packet for each operation in the kernel.
 */
void ioc_port_expect_any(ioc_win_port *port);

/* For units: what they have with the port. A part is closed with it, the last one first. */
void ioc_port_add_source(ioc_win_port *port, ioc_source *source);
void ioc_port_attach(ioc_win_port *port, ioc_part *part, ioc_part_close_fn close);
ioc_part *ioc_port_part(const ioc_win_port *port, ioc_part_close_fn close);

/*
 * Bring a token back that no packet of the kernel's will: by a packet of our own, or without one if
 * that is refused. Any thread.
 * N.B. After this the caller does not touch the operation.
 */
void ioc_port_post_back(ioc_win_port *port, ioc_token *token);

/* The same without a packet: the next dequeue takes it behind its packets. */
void ioc_port_return(ioc_win_port *port, ioc_token *token);

/*
 * End a sleep on the port, or the next one: by a packet for a source that is to make nothing of it, or
 * without one if that is refused. Any thread.
 */
void ioc_port_nudge(ioc_win_port *port, const ioc_source *source);

/* Bind a kernel handle to the port, once in its life. */
int ioc_port_associate(ioc_win_port *port, HANDLE handle);

/* A handle of our own to what another one names. False: see GetLastError. */
bool ioc_port_duplicate(const ioc_win_port *port, HANDLE handle, HANDLE *copy);

/* The portable code of a call that failed; the raw one is kept. */
int ioc_port_fail(ioc_win_port *port, uint32_t native_error);
int ioc_port_fail_last(ioc_win_port *port);
int ioc_port_fail_winsock(ioc_win_port *port);
int ioc_port_fail_nt(ioc_win_port *port, LONG nt_status);

#endif
