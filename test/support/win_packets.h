/*
 * A double of the system's wait completion packets, for systems that have none and for tests that
 * want to decide what happens when. It behaves as Microsoft's developer notes say:
 *
 *  - a packet that is associated with a port and an object goes to the port once, when the object is
 *    signaled, or at once if it is signaled already; when it has been picked up it can be associated
 *    again, and not before;
 *  - a cancel answers STATUS_SUCCESS if the wait has ended and the object's signal is not taken,
 *    STATUS_PENDING if the packet is in the port or about to be, STATUS_CANCELLED if it has been
 *    picked up or was never associated.
 *
 * Real objects drive it: threads of its own wait for them, so that a signal is taken by exactly one
 * wait, and real packets go to the port. What has to be seen on the way out of the port is seen
 * because the dequeue goes through the double, too.
 *
 * A packet's handle is a real one, so counts of open handles tell of packets that are left. What
 * Windows would refuse or, worse, take without a word is counted as misuse: associating a packet that
 * is in use or with a port that is none of the table's, closing one that is in use, cancelling one
 * again whose wait a cancel has ended, handles that are no packets.
 *
 * One for the whole process, as win_faults.h, whose table it builds on.
 */
#ifndef TEST_WIN_PACKETS_H
#define TEST_WIN_PACKETS_H

#include "win32/nt.h"
#include "win32/sys.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum win_packet_call {
    WIN_PACKET_CREATE,
    WIN_PACKET_ASSOCIATE,
    WIN_PACKET_CANCEL,
    WIN_PACKET_CALLS
} win_packet_call;

/* Where packets are held up. */
typedef enum win_packet_hold {
    WIN_PACKET_FLOWS,     /* nowhere */
    WIN_PACKET_IN_FLIGHT, /* the signal is taken, and the packet is not in the port yet */
    WIN_PACKET_PICKED_UP  /* a dequeue has taken it from the port, and shows it to a later one */
} win_packet_hold;

/* A fresh double. All functions are there, nothing fails, nothing is held up, all counts are 0. */
void win_packets_begin(void);

/* Ends the double's threads. False: packets are open still, or there was misuse. */
bool win_packets_end(void);

/* The table of win_faults.h, in which looking up finds the double's functions. */
const ioc_sys *win_packets_table(void);

/* Only these are found from now on: bits, 1 << WIN_PACKET_CREATE and so on. */
#define WIN_PACKETS_NONE 0u
#define WIN_PACKETS_ALL  7u
void win_packets_offer(unsigned calls);

/* The n-th call from now, 1 being the next, is refused with this status. */
void win_packets_refuse_nth(win_packet_call call, uint32_t n, uint32_t nt_status);

/* Hold packets up, or let go of all that were. */
void win_packets_hold_up(win_packet_hold hold);

uint32_t win_packets_count_of(win_packet_call call);
uint32_t win_packets_open(void);    /* packets that are not closed */
uint32_t win_packets_in_use(void);  /* of these, associated: waiting or on the way */
uint32_t win_packets_signals(void); /* signals that were taken since the beginning */
uint32_t win_packets_misuses(void);

#endif
