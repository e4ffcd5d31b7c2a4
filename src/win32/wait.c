#include "wait.h"

#include "errmap.h"
#include "watch.h"

/* ioc_win_op.state: whether its packet is on the way. */
enum {
    WAIT_PENDING,
    WAIT_COMING
};

/* ---- Wait completion packets ---- */

static void waits__close(ioc_win_port *port, ioc_part *part)
{
    ioc_waits *waits = IOC_CONTAINER_OF(part, ioc_waits, part);
    const ioc_sys *sys = port->sys;
    for (uint32_t i = 0; i < waits->spare_count; i++) {
        (void)sys->CloseHandle(waits->spare[i]);
    }
    if (waits->unregistered != NULL) {
        (void)sys->CloseHandle(waits->unregistered);
    }
}

void ioc_waits_attach(ioc_waits *waits, ioc_win_port *port)
{
    ioc_port_attach(port, &waits->part, waits__close);
}

static ioc_waits *waits__of(const ioc_win_port *port)
{
    return IOC_CONTAINER_OF(ioc_port_part(port, waits__close), ioc_waits, part);
}

static LONG wait__take_packet(ioc_win_port *port, HANDLE *packet)
{
    ioc_waits *waits = waits__of(port);
    if (waits->spare_count > 0) {
        *packet = waits->spare[--waits->spare_count];
        return IOC_NT_SUCCESS;
    }
    return port->nt.NtCreateWaitCompletionPacket(packet, GENERIC_ALL, NULL);
}

/* It waits for nothing, and is not in the port. */
static void wait__give_packet(ioc_win_port *port, HANDLE packet)
{
    ioc_waits *waits = waits__of(port);
    if (waits->spare_count < IOC_WAIT_PACKETS_KEPT) {
        waits->spare[waits->spare_count++] = packet;
    } else {
        (void)port->sys->CloseHandle(packet);
    }
}

static ioc_start wait__start_packet(ioc_win_port *port, ioc_op *op)
{
    HANDLE packet = NULL;
    LONG status = wait__take_packet(port, &packet);
    if (status != IOC_NT_SUCCESS) {
        return ioc_overlapped_failed_nt(op, status);
    }
    status = port->nt.NtAssociateWaitCompletionPacket(
        packet, port->port, ioc_watch_of(op)->object, &port->tokens,
        &ioc_win_op_of(op)->token.overlapped, IOC_NT_SUCCESS, 0, NULL);
    if (status != IOC_NT_SUCCESS) {
        wait__give_packet(port, packet);
        return ioc_overlapped_failed_nt(op, status);
    }
    ioc_watch_of(op)->backend = packet;
    return IOC_START_PENDING;
}

/*
 * Only success says that it waits no more. Pending: it is in the port, or about to be. Cancelled:
 * it has left the port. In both cases the wait was quicker, and its packet settles it.
 */
static int wait__cancel_packet(ioc_win_port *port, ioc_op *op, bool *is_back)
{
    LONG status = port->nt.NtCancelWaitCompletionPacket(ioc_watch_of(op)->backend, FALSE);
    *is_back = status == IOC_NT_SUCCESS;
    bool is_coming = status == IOC_NT_PENDING || status == IOC_NT_CANCELLED;
    return *is_back || is_coming ? IOCP_OK : ioc_port_fail_nt(port, status);
}

/* ---- The thread pool ---- */

/* On the pool's wait thread. */
static void CALLBACK wait__signaled(void *context, BOOLEAN is_timeout)
{
    ioc_op *op = context;
    (void)is_timeout;
    ioc_store_u32(&ioc_win_op_of(op)->state, WAIT_COMING);
    ioc_port_post_back(ioc_overlapped_port(op), &ioc_win_op_of(op)->token);
}

/*
 * The pool says nothing of a handle that is none, or cannot be waited for: the wait would never
 * end. So it is tried here first.
 */
static ioc_start wait__start_registered(ioc_win_port *port, ioc_op *op)
{
    HANDLE registration = NULL;
    switch (port->sys->WaitForSingleObject(ioc_watch_of(op)->object, 0)) {
    case WAIT_OBJECT_0:
    case WAIT_ABANDONED: /* it was signaled already, and the signal is taken */
        return ioc_overlapped_at_once(&port->base, op);
    case WAIT_TIMEOUT:
        break;
    default:
        return ioc_overlapped_failed(op, port->sys->GetLastError());
    }
    /* In the wait thread itself, where no other work of the pool can delay it. */
    if (!port->sys->RegisterWaitForSingleObject(&registration, ioc_watch_of(op)->object,
                                                wait__signaled, op, INFINITE,
                                                WT_EXECUTEONLYONCE | WT_EXECUTEINWAITTHREAD)) {
        return ioc_overlapped_failed(op, port->sys->GetLastError());
    }
    ioc_watch_of(op)->backend = registration;
    return IOC_START_PENDING;
}

/*
 * The wait thread has posted the packet. This returns when it is through with the last instruction
 * of ours, so that the program may unload us.
 */
static void wait__give_registration(ioc_win_port *port, HANDLE registration)
{
    (void)port->sys->UnregisterWaitEx(registration, INVALID_HANDLE_VALUE);
}

/* NULL: see GetLastError. */
static HANDLE wait__event(ioc_win_port *port)
{
    ioc_waits *waits = waits__of(port);
    if (waits->unregistered == NULL) {
        waits->unregistered = port->sys->CreateEventW(NULL, FALSE, FALSE, NULL);
    }
    return waits->unregistered;
}

/*
 * Pending: the wait thread is at it, or about to be, and its packet comes. It is let through with
 * the last instruction of ours, for which the event is there. That is waited for in either case: it
 * is set also "if the function succeeds" (UnregisterWaitEx), and one that is set after it was looked
 * at would let the next cancel go too early. To have that done by the call itself
 * (INVALID_HANDLE_VALUE) would also call off a callback that is about to run, and with it the signal
 * that it has taken; Wine 8 even crashes then.
 */
static int wait__cancel_registered(ioc_win_port *port, ioc_op *op, bool *is_back)
{
    HANDLE event = wait__event(port);
    if (event == NULL) {
        return ioc_port_fail_last(port);
    }
    bool is_idle = port->sys->UnregisterWaitEx(ioc_watch_of(op)->backend, event);
    uint32_t error = is_idle ? 0 : port->sys->GetLastError();
    if (!is_idle && error != ERROR_IO_PENDING) {
        return ioc_port_fail(port, error);
    }
    ioc_watch_of(op)->backend = NULL;
    *is_back = is_idle && ioc_load_u32(&ioc_win_op_of(op)->state) == WAIT_PENDING;
    (void)port->sys->WaitForSingleObject(event, INFINITE);
    return IOCP_OK;
}

/* ---- Start, end, cancel ---- */

bool ioc_wait_complete(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    ioc_watch *watch = ioc_watch_of(op);
    if (watch->backend == NULL) {
        return true;
    }
    if (ioc_nt_has_wait_packets(&port->nt)) {
        wait__give_packet(port, watch->backend);
    } else {
        wait__give_registration(port, watch->backend);
    }
    watch->backend = NULL;
    return true;
}

/*
 * The handles that stand for this very process and thread, and for their tokens, are no handles of
 * objects: -1 to -6. Nobody here lives to see the end of the first two.
 */
static bool wait__is_pseudo_handle(const void *object)
{
    return (intptr_t)object < 0 && (intptr_t)object >= -6;
}

ioc_start ioc_wait_start(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    ioc_overlapped_prepare_posted(op, base);
    ioc_store_u32(&ioc_win_op_of(op)->state, WAIT_PENDING);
    if (wait__is_pseudo_handle(ioc_watch_of(op)->object)) {
        return ioc_overlapped_failed(op, ERROR_INVALID_HANDLE);
    }
    return ioc_nt_has_wait_packets(&port->nt) ? wait__start_packet(port, op)
                                              : wait__start_registered(port, op);
}

int ioc_wait_cancel(ioc_port *base, ioc_op *op, bool *is_back)
{
    ioc_win_port *port = ioc_win_port_of(base);
    if (ioc_watch_of(op)->backend == NULL ||
        ioc_load_u32(&ioc_win_op_of(op)->state) == WAIT_COMING) {
        return IOCP_OK;
    }
    int status = ioc_nt_has_wait_packets(&port->nt) ? wait__cancel_packet(port, op, is_back)
                                                    : wait__cancel_registered(port, op, is_back);
    if (*is_back) {
        ioc_overlapped_abort(base, op);
    }
    return status;
}
