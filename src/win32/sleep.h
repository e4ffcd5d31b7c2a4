/*
 * Sleeping until a time, more exactly than the port's own time limit does: that follows the
 * system's tick, which is 15.6 ms as a rule.
 *
 * A waitable timer is set for the time and cuts the port's wait short: by a packet that a wait
 * completion packet sends to the port when the timer is signaled (WAIT_PACKET), or by an APC to the
 * thread that waits alertably (APC). The port's own time limit is always given too, rounded up and
 * with some room, so that a timer that cannot be set makes a loop late, not deaf; with the method
 * PORT it is all there is.
 *
 * With packets a timer that is set stays set over turns that end for another reason, and is set
 * anew only for an earlier time. If a later one is wanted it ends one sleep on the way there, and
 * the next one sets it: that is one sleep too many for each time that it was set, and no call at all
 * for a deadline that moves on with every packet. With APCs it is set before each sleep: somebody
 * else's alertable wait may have used up the APC. Where no time is wanted the timer is taken back,
 * so that an idle loop sleeps on. The APC itself touches nothing, so that it cannot come too late
 * for anything (apc.h).
 *
 * A method that was asked for is opened with the port, which tells what is wrong with it. AUTO opens
 * nothing before the first sleep until a time, and takes then what can be opened: many a loop never
 * sleeps so.
 *
 * With packets the timer is one of high resolution. With APCs it never is: no page of Microsoft's
 * promises the APC of such a timer, and a program that tried says that its callback does not work
 * (Erellu/fubuki, issue 4); an APC that is dropped in silence would make every timer late by the room
 * of the port's limit. Nothing is lost by it: systems that have such timers, since Windows 10 1803,
 * have wait completion packets, too, and APCs are for those that have none.
 *
 * What is asked of the system at once is five minutes at most. Its timers, and the port's limit,
 * count by another clock than the loop, which reads QueryPerformanceCounter: crystals are off by
 * 30 to 50 parts in a million ("Acquiring high-resolution time stamps"), some seconds a day, and
 * since Windows 8 timers and limits stand still while the machine sleeps (SetWaitableTimer,
 * GetQueuedCompletionStatusEx). So on the way to a time that is far the loop looks at its own clock
 * again, and what the two disagree about in five minutes is no more than what the port's limit
 * grants a timer, 32 ms. A loop without a time sleeps on.
 */
#ifndef IOC_SLEEP_H
#define IOC_SLEEP_H

#include "iocploop.h"

#include "port.h"

typedef struct ioc_sleep {
    ioc_part part;
    ioc_source source; /* WAIT_PACKET */
    ioc_win_port *port;
    iocp_sleep_method_t method;
    HANDLE timer;       /* NULL: not opened yet, or never */
    HANDLE packet;      /* WAIT_PACKET */
    bool is_associated; /* WAIT_PACKET: the packet waits for the timer, or is in the port */
    uint64_t until_ns; /* what the timer is set for, or a part of the way to it; 0: it is not set */
} ioc_sleep;

/*
 * The port sleeps by this from here on. 0; IOCP_ENOTSUP if a method was asked for that the system
 * does not have; or a Win32 code in *native_error. AUTO never fails. After an error nothing of it
 * is left.
 */
int ioc_sleep_attach(ioc_sleep *sleep, ioc_win_port *port, iocp_sleep_method_t method,
                     uint32_t *native_error);

/* The one in use, or to be tried first, never AUTO. */
iocp_sleep_method_t ioc_sleep_method(const ioc_win_port *port);

/* Whether the system has timers that do not follow its tick. Tries. */
bool ioc_sleep_has_high_resolution(const ioc_sys *sys);

#endif
