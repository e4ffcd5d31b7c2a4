/*
 * The loop: its parts and its turn.
 *
 * One turn goes through these steps, each bounded by what was there when it began:
 *
 *   cancels, closes, deadlines   so that what is cancelled never starts; what the loop's end ends
 *   starts                       what callbacks and the program have queued
 *   timers                       those due at one reading of the clock
 *   ready                        results that needed no packet, or had no room in the last turn; and
 *                                packets of others that the last turn broke off before
 *   inbox                        posts and asyncs
 *   dequeue, and its results     sleeps here, if nothing is ready and the caller may wait
 *
 * While callbacks keep bringing work that needs no packet, running functions put the dequeue off
 * for up to one batch of callbacks: asking an idle port costs more than most callbacks. If starts are
 * all that such a turn would find, it looks for nothing else. One that would find nothing, in a loop
 * without operations, ends at once.
 */
#ifndef IOC_LOOP_H
#define IOC_LOOP_H

#include "cancel.h"
#include "handle.h"
#include "op.h"
#include "post.h"

#define IOC_BATCH_DEFAULT 128
#define IOC_BATCH_MAX     4096

/* Packets of others, of one dequeue; the port is not asked for more before all are delivered. */
typedef struct ioc_packets {
    iocp_packet_fn deliver; /* NULL: there are none */
    void *context;
    iocp_packet_t *list; /* of a batch */
    uint32_t first;      /* of those that are to be delivered */
    uint32_t count;
    bool is_port_empty; /* nothing more was in it, and no thread was about to put anything there */
} ioc_packets;

struct iocp_loop {
    struct { /* any thread */
        ioc_alloc alloc;
        ioc_inbox inbox;        /* with a part of its own for the loop thread */
        ioc_atomic_ptr runs_on; /* number of the thread that runs it, NULL if none does */
        ioc_atomic_ptr owner;   /* of the thread that made it or ran it last */
        bool checks_threads;    /* iocp_loop_options_t.check_threads */
        bool takes_packets;     /* iocp_loop_options_t.on_packet */
    } shared;
    struct {
        ioc_ops ops;
        uint32_t batch;
        void *data;            /* the program's */
        uint32_t native_error; /* behind the last error that a call returned */
        bool is_until_stopped; /* the running function goes on when nothing is active */
        ioc_packets packets;
        uint64_t delivered; /* callbacks, posts and packets that have run */
        uint64_t goal;      /* how many of them when the running function returns */
        uint64_t asked_at;  /* how many of them when the port was asked last */
        uint64_t end_ns;    /* the loop's end works until then, IOC_FOREVER: no limit */
    } loop_only;
};

/* `options` are checked and complete; `extra` is the backend's own (see ioc_port_options). */
int ioc_loop_create(const iocp_loop_options_t *options, const ioc_backend *backend,
                    const void *extra, iocp_loop_t **loop);
int ioc_loop_destroy(iocp_loop_t *loop, uint64_t timeout_ns);

/*
 * Turns until `wanted` callbacks or posts have run, it is stopped, or nothing is active, unless it
 * is to go on then.
 */
int ioc_loop_run(iocp_loop_t *loop, uint64_t wanted, bool until_stopped);

/* Carry out queued cancels and start queued operations. */
void ioc_loop_submit(iocp_loop_t *loop);

/*
 * IOC_FOREVER: nothing to be done before something else happens, which from here on sends a packet
 * to the port.
 */
uint64_t ioc_loop_next_deadline(iocp_loop_t *loop);

/* Give memory back that nothing is in: how many bytes that were. */
size_t ioc_loop_trim(iocp_loop_t *loop);

#endif
