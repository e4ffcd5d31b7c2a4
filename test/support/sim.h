/*
 * The simulated backend: a double of the kernel for tests on systems without completion ports.
 *
 * It defines ioc_backend_default() with a port, loopback stream sockets, files and pipes in memory,
 * and a clock that moves only when a dequeue sleeps: up to the next event, or by the time that it
 * was asked for. A dequeue that may sleep without end and has no packet coming waits for another
 * thread's wake; if none comes for a long real time it gives up with an error, so that a test fails
 * and does not hang.
 *
 * All ports share one network and one file system, so that two loops can talk to each other. Each
 * port has a clock of its own.
 *
 * What it checks by itself, ending the process with a message: that an operation is started once,
 * that its memory is the same operation's from its start to its packet (the kernel writes to buffers
 * as late as it may, just before the packet is taken), that no more than one wake packet is in
 * flight, that everything is given back before a port is closed.
 */
#ifndef TEST_SIM_H
#define TEST_SIM_H

#include "iocploop.h"

#include "backend.h"

#include <stdbool.h>

/*
 * How the kernel behaves. All zeroes: at once and well. Chances are in percent and drawn from the
 * seed. Reaches a port as ioc_port_options.extra, or by sim_use_script.
 */
typedef struct sim_script {
    uint64_t seed;
    uint64_t latency_ns;     /* the most that a packet takes */
    uint64_t file_ns;        /* the most that it takes until a file is read or written */
    uint64_t dequeue_ns;     /* what each dequeue takes */
    uint32_t capacity_bytes; /* of the queue to one receiver; 0: 64 KiB */

    /*
     * As Winsock: while at most one send of a stream is buffered the next is taken whole, whatever
     * its size, and is done. Otherwise it is as large as the receiver's queue.
     */
    bool sends_any_size;

    /* What may happen on a good day. */
    uint32_t packet;        /* what could be done at once comes by a packet */
    uint32_t partial;       /* a receive gets less than there is */
    uint32_t early_dequeue; /* a dequeue returns early with nothing */
    uint32_t foreign;       /* somebody else's packet comes, too */
    uint32_t late_wake;     /* a wake packet takes its time as others do */
    uint32_t late_cancel; /* a cancel takes effect later, if the operation has not ended by then */

    /* What may happen on a bad day. */
    uint32_t abort; /* at a dequeue: an operation is aborted that nobody cancelled */
    uint32_t failed_start;
    uint32_t failed_cancel;
    uint32_t failed_dequeue;
} sim_script;

/* From now on a socket that was used stays bound to its port, as before Windows 8.1. */
void sim_keep_ports(bool keep);

/* For every port that is opened without a script of its own, from now on. NULL: all zeroes. */
void sim_use_script(const sim_script *script);

/* ---- One loop's port. Loop thread. ---- */

/* From now on its kernel behaves so. What is open keeps its capacity. */
void sim_set_script(const iocp_loop_t *loop, const sim_script *script);

/* Time passes while the loop does something else. */
void sim_advance(const iocp_loop_t *loop, uint64_t ns);

/* The next `count` calls fail with `status`. */
void sim_fail_starts(const iocp_loop_t *loop, uint32_t count, int status);
void sim_fail_cancels(const iocp_loop_t *loop, uint32_t count, int status);
void sim_fail_dequeues(const iocp_loop_t *loop, uint32_t count, int status);
void sim_fail_sockets(const iocp_loop_t *loop, uint32_t count, int status);

/* The next `count` wakes go this way: IOC_WAKE_DIRECT, or IOC_WAKE_FAILED. */
void sim_divert_wakes(const iocp_loop_t *loop, uint32_t count, ioc_wake how);

/* From now on a thread that wakes the loop stays in that call for so long after its effect. */
void sim_slow_wakes(const iocp_loop_t *loop, uint32_t milliseconds);

/* Keep all packets of operations back, until it is called with false. */
void sim_hold_packets(const iocp_loop_t *loop, bool hold);

/* Keep files from being read and written, until it is called with false. */
void sim_hold_files(const iocp_loop_t *loop, bool hold);

/* Keep names from being answered, until it is called with false. */
void sim_hold_names(const iocp_loop_t *loop, bool hold);

/* Cancels take effect after `ns`, if the operation has not ended by then. */
void sim_delay_cancels(const iocp_loop_t *loop, uint64_t ns);

/* End an operation that is in the kernel, without being asked; the packet says `status`. */
void sim_end_op(const iocp_loop_t *loop, iocp_op_t op, int status);

/* Packets of somebody else with a key of the loop's, ready to be taken. */
void sim_add_foreign_packets(const iocp_loop_t *loop, uint32_t count);

/* The next `count` packets that are to be posted are refused with `status`. */
void sim_fail_packets(const iocp_loop_t *loop, uint32_t count, int status);

/* A packet as the system has it, of a handle that is not the loop's. Any thread. */
void sim_send_packet(const iocp_loop_t *loop, iocp_packet_t packet);

typedef struct sim_counts {
    uint64_t clock_reads;
    uint64_t dequeues;
    uint64_t sleeps; /* of these, those that were allowed to wait */
    uint64_t starts;
    uint64_t cancels;
    uint64_t wakes;
    uint64_t pending; /* level: operations that were started and not given back */
} sim_counts;

void sim_read_counts(const iocp_loop_t *loop, sim_counts *counts);

/* ---- The whole simulation ---- */

/* What is open. */
size_t sim_port_count(void);
size_t sim_socket_count(void); /* ends of pipes, too */
size_t sim_file_count(void);

/* A stream socket that belongs to no loop. 0: failed. */
uintptr_t sim_socket_create(int family);
void sim_socket_destroy(uintptr_t socket);

#endif
