/*
 * Waits for kernel objects, and what comes after them: a process's exit code.
 *
 * With wait completion packets the kernel itself puts a packet into the port when the object is
 * signaled, with the operation's OVERLAPPED as its context. Without them the object is looked at,
 * and if it is not signaled registered with the thread pool, whose wait thread posts that packet.
 *
 * A cancel has to find out whether the object was quicker, since a signal that a wait has taken is
 * taken for good. It makes sure that nothing can come any more, or that the packet is on its way:
 * NtCancelWaitCompletionPacket says which; UnregisterWaitEx says whether the wait thread is at it,
 * and what that has done is in ioc_win_op.state. In the first case the operation is back by the
 * cancel. What the pool cannot tell is that its thread has taken a signal for a wait that it then
 * found unregistered: that signal is lost. Packets lose none.
 */
#ifndef IOC_WAIT_H
#define IOC_WAIT_H

#include "overlapped.h"

/* Those that wait for nothing now, kept for the next waits. */
#define IOC_WAIT_PACKETS_KEPT 32

typedef struct ioc_waits {
    ioc_part part;
    HANDLE spare[IOC_WAIT_PACKETS_KEPT];
    uint32_t spare_count;
    HANDLE unregistered; /* an event, from the first cancel of a registered wait on */
} ioc_waits;

void ioc_waits_attach(ioc_waits *waits, ioc_win_port *port);

/* Slots of ioc_win_kind, of WAIT and PROCESS_WAIT. */
ioc_start ioc_wait_start(ioc_port *port, ioc_op *op);
int ioc_wait_cancel(ioc_port *port, ioc_op *op, bool *is_back);
bool ioc_wait_complete(ioc_port *port, ioc_op *op);

#endif
