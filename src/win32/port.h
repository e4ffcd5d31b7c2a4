/*
 * The completion port: packets out of it, and a packet into it to wake who sleeps on it.
 *
 * Every handle is associated with the port's own address as its completion key, and the wake packet
 * carries it too. An odd key is a job's (process.h). A packet with any other key is somebody else's
 * (the port's handle can be had from the loop): its OVERLAPPED is not looked at.
 */
#ifndef IOC_PORT_H
#define IOC_PORT_H

#include "atomic.h"
#include "backend.h"
#include "clock.h"
#include "nt.h"
#include "process.h"
#include "queue/mpsc.h"
#include "sleep.h"
#include "wait.h"
#include "winsock.h"

typedef struct ioc_win_port {
    ioc_port base;
    const ioc_sys *sys; /* for any thread from here on */
    HANDLE port;
    OVERLAPPED wake; /* only its address counts */
    SRWLOCK thread_lock;
    HANDLE thread; /* that slept here last: whom to send an APC if no packet can be sent */
    DWORD thread_id;
    ioc_atomic_u32 is_wake_owed; /* a wake that no packet carries: do not sleep next time */
    ioc_mpsc returned;           /* operations that come back without a packet */
    ioc_atomic_u32 guests;       /* threads of the pool that are giving one back */
    ioc_alloc *alloc;            /* loop thread from here on */
    OVERLAPPED_ENTRY *entries;
    uint32_t batch;
    iocp_completion_mode_t completion_mode;
    ioc_clock clock;
    ioc_nt nt;
    ioc_sleep sleep;
    ioc_waits waits;
    ioc_jobs jobs;
    ioc_winsock winsock;
} ioc_win_port;

static inline ioc_win_port *ioc_win_port_of(ioc_port *port)
{
    return (ioc_win_port *)(void *)port;
}

/* The slots of ioc_backend. */
int ioc_port_open(const ioc_port_options *options, ioc_port **port, uint32_t *native_error);
void ioc_port_close(ioc_port *port);
uint64_t ioc_port_now(ioc_port *port);
uintptr_t ioc_port_thread_id(ioc_port *port);
iocp_sleep_method_t ioc_port_sleep_method(ioc_port *port);
int ioc_port_dequeue(ioc_port *port, uint64_t now_ns, uint64_t until_ns, ioc_list *ended,
                     ioc_dequeued *dequeued);
ioc_wake ioc_port_wake(ioc_port *port);
void *ioc_port_native(ioc_port *port);

/*
 * Bring an operation back that no packet of the kernel's will: by a packet of our own, or without
 * one if that is refused. What it has come to stands in its OVERLAPPED. Any thread.
 * N.B. After this the caller does not touch the operation.
 */
void ioc_port_post_back(ioc_win_port *port, ioc_op *op);

/* Bind a kernel handle to the port, once in its life. */
int ioc_port_associate(ioc_win_port *port, HANDLE handle);

/* A handle of our own to what another one names. False: see GetLastError. */
bool ioc_port_duplicate(ioc_win_port *port, HANDLE handle, HANDLE *copy);

/* The portable code of a call that failed; the raw one is kept. */
int ioc_port_fail(ioc_win_port *port, uint32_t native_error);
int ioc_port_fail_last(ioc_win_port *port);
int ioc_port_fail_winsock(ioc_win_port *port);
int ioc_port_fail_nt(ioc_win_port *port, LONG nt_status);

#endif
