#include "port.h"

#include "errmap.h"
#include "overlapped.h"

/* ---- Errors ---- */

int ioc_port_fail(ioc_win_port *port, uint32_t native_error)
{
    port->base.native_error = native_error;
    return ioc_errmap_from_native(native_error);
}

int ioc_port_fail_last(ioc_win_port *port)
{
    return ioc_port_fail(port, port->sys->GetLastError());
}

int ioc_port_fail_winsock(ioc_win_port *port)
{
    return ioc_port_fail(port, (uint32_t)port->sys->WSAGetLastError());
}

/* ---- Opening and closing ---- */

static const ioc_sys *port__sys(const ioc_win_options *options)
{
    return options != NULL && options->sys != NULL ? options->sys : ioc_sys_default();
}

/* What needs no memory. After an error nothing of it is left. */
static int port__open_parts(ioc_win_port *port, uint32_t *native_error)
{
    const ioc_sys *sys = port->sys;
    InitializeSRWLock(&port->thread_lock);
    if (!ioc_clock_init(&port->clock, sys)) {
        *native_error = sys->GetLastError();
        return ioc_errmap_from_native(*native_error);
    }
    *native_error = ioc_winsock_start(sys);
    if (*native_error != 0) {
        return ioc_errmap_from_native(*native_error);
    }
    port->port = sys->CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);
    if (port->port == NULL) {
        *native_error = sys->GetLastError();
        (void)sys->WSACleanup();
        return ioc_errmap_from_native(*native_error);
    }
    return IOCP_OK;
}

int ioc_port_open(const ioc_port_options *options, ioc_port **opened, uint32_t *native_error)
{
    ioc_win_port *port = ioc_alloc_take(options->alloc, sizeof *port);
    OVERLAPPED_ENTRY *entries = ioc_alloc_take(options->alloc, options->batch * sizeof *entries);
    int status = IOCP_ENOMEM;
    if (port != NULL && entries != NULL) {
        port->sys = port__sys(options->extra);
        port->alloc = options->alloc;
        port->entries = entries;
        port->batch = options->batch;
        port->completion_mode = options->completion_mode;
        status = port__open_parts(port, native_error);
    }
    if (status != IOCP_OK) {
        ioc_alloc_give(options->alloc, entries);
        ioc_alloc_give(options->alloc, port);
        return status;
    }
    *opened = &port->base;
    return IOCP_OK;
}

void ioc_port_close(ioc_port *base)
{
    ioc_win_port *port = ioc_win_port_of(base);
    const ioc_sys *sys = port->sys;
    ioc_alloc *alloc = port->alloc;
    if (port->thread != NULL) {
        (void)sys->CloseHandle(port->thread);
    }
    (void)sys->CloseHandle(port->port);
    (void)sys->WSACleanup();
    ioc_alloc_give(alloc, port->entries);
    ioc_alloc_give(alloc, port);
}

uint64_t ioc_port_now(ioc_port *base)
{
    ioc_win_port *port = ioc_win_port_of(base);
    return ioc_clock_now(&port->clock, port->sys);
}

uintptr_t ioc_port_thread_id(ioc_port *base)
{
    return ioc_win_port_of(base)->sys->GetCurrentThreadId();
}

void *ioc_port_native(ioc_port *base)
{
    return ioc_win_port_of(base)->port;
}

int ioc_port_associate(ioc_win_port *port, HANDLE handle)
{
    HANDLE answer = port->sys->CreateIoCompletionPort(handle, port->port, (ULONG_PTR)port, 0);
    return answer != NULL ? IOCP_OK : ioc_port_fail_last(port);
}

/* ---- Packets ---- */

/* Rounded up, so that no timer is early and no wait of less than a millisecond becomes a spin. */
static DWORD port__milliseconds(uint64_t timeout_ns)
{
    if (timeout_ns == IOC_FOREVER) {
        return INFINITE;
    }
    uint64_t ms = ioc_divide_up(timeout_ns, IOC_NS_PER_MS);
    return ms < INFINITE - 1 ? (DWORD)ms : INFINITE - 1;
}

/*
 * Keep a handle of the thread that is about to sleep. Without one only the fallback is lost. While
 * the handle is kept Windows does not give the thread's number to another.
 */
static void port__note_thread(ioc_win_port *port)
{
    DWORD id = port->sys->GetCurrentThreadId();
    if (id == port->thread_id) {
        return;
    }
    HANDLE thread = port->sys->OpenThread(THREAD_SET_CONTEXT, FALSE, id);
    AcquireSRWLockExclusive(&port->thread_lock);
    HANDLE former = port->thread;
    port->thread = thread;
    port->thread_id = thread != NULL ? id : 0;
    ReleaseSRWLockExclusive(&port->thread_lock);
    if (former != NULL) {
        (void)port->sys->CloseHandle(former);
    }
}

/*
 * A wake without a packet sets the mark first and then reads the thread; here the thread is noted
 * first and then the mark is read. So either it is seen here, or the APC goes to this thread, where
 * it waits for the alertable call.
 */
static bool port__take_owed_wake(ioc_win_port *port)
{
    return ioc_load_seq_cst_u32(&port->is_wake_owed) != 0 &&
           ioc_exchange_u32(&port->is_wake_owed, 0) != 0;
}

static void port__take(ioc_win_port *port, const OVERLAPPED_ENTRY *entry, ioc_list *ended,
                       ioc_dequeued *dequeued)
{
    if (entry->lpCompletionKey != (ULONG_PTR)port) {
        dequeued->foreign++;
    } else if (entry->lpOverlapped == &port->wake) {
        dequeued->wakes++;
    } else {
        ioc_op *op = ioc_overlapped_ended(&port->base, entry->lpOverlapped);
        ioc_list_push(ended, &op->link);
        dequeued->operations++;
    }
}

int ioc_port_dequeue(ioc_port *base, uint64_t timeout_ns, ioc_list *ended, ioc_dequeued *dequeued)
{
    ioc_win_port *port = ioc_win_port_of(base);
    ULONG count = 0;
    *dequeued = (ioc_dequeued){0};
    if (timeout_ns > 0) {
        port__note_thread(port);
        if (port__take_owed_wake(port)) {
            timeout_ns = 0;
        }
    }
    /* Alertable, for the APC of ioc_port_wake. After a timeout `count` means nothing. */
    if (!port->sys->GetQueuedCompletionStatusEx(port->port, port->entries, port->batch, &count,
                                                port__milliseconds(timeout_ns), TRUE)) {
        DWORD error = port->sys->GetLastError();
        bool is_quiet = error == WAIT_TIMEOUT || error == WAIT_IO_COMPLETION;
        return is_quiet ? IOCP_OK : ioc_port_fail(port, error);
    }
    for (ULONG i = 0; i < count; i++) {
        port__take(port, &port->entries[i], ended, dequeued);
    }
    return IOCP_OK;
}

/* ---- Waking ---- */

static void CALLBACK port__alert(ULONG_PTR unused)
{
    (void)unused; /* that it runs is all: it ends the alertable wait */
}

static bool port__send_apc(ioc_win_port *port)
{
    AcquireSRWLockShared(&port->thread_lock);
    bool is_sent =
        port->thread != NULL && port->sys->QueueUserAPC(port__alert, port->thread, 0) != 0;
    ReleaseSRWLockShared(&port->thread_lock);
    return is_sent;
}

ioc_wake ioc_port_wake(ioc_port *base)
{
    ioc_win_port *port = ioc_win_port_of(base);
    if (port->sys->PostQueuedCompletionStatus(port->port, 0, (ULONG_PTR)port, &port->wake)) {
        return IOC_WAKE_PACKET;
    }
    ioc_exchange_u32(&port->is_wake_owed, 1);
    return port__send_apc(port) ? IOC_WAKE_DIRECT : IOC_WAKE_FAILED;
}
