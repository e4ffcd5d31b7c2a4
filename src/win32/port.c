#include "port.h"

#include "apc.h"
#include "errmap.h"
#include "overlapped.h"

/*
 * How many threads the port lets run at once. One would do for one loop thread; but a thread that
 * has taken packets counts for as long as it does not block, also when another has taken the loop
 * over, and that one would get none.
 */
#define PORT_THREADS INT32_MAX

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

int ioc_port_fail_nt(ioc_win_port *port, LONG nt_status)
{
    return ioc_errmap_from_status((uint32_t)nt_status, false, &port->base.native_error);
}

/* ---- Opening and closing ---- */

static const ioc_sys *port__sys(const ioc_win_options *options)
{
    return options != NULL && options->sys != NULL ? options->sys : ioc_sys_default();
}

/* What needs no memory. After an error nothing of it is left. */
static int port__open_parts(ioc_win_port *port, iocp_sleep_method_t sleep_method,
                            uint32_t *native_error)
{
    const ioc_sys *sys = port->sys;
    InitializeSRWLock(&port->thread_lock);
    ioc_mpsc_init(&port->returned);
    ioc_jobs_init(&port->jobs, &port->base);
    ioc_nt_load(&port->nt, sys);
    if (!ioc_clock_init(&port->clock, sys)) {
        *native_error = sys->GetLastError();
        return ioc_errmap_from_native(*native_error);
    }
    *native_error = ioc_winsock_start(sys);
    if (*native_error != 0) {
        return ioc_errmap_from_native(*native_error);
    }
    port->port = sys->CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, PORT_THREADS);
    if (port->port == NULL) {
        *native_error = sys->GetLastError();
        (void)sys->WSACleanup();
        return ioc_errmap_from_native(*native_error);
    }
    int status =
        ioc_sleep_init(&port->sleep, sleep_method, sys, &port->nt, port->port, port, native_error);
    if (status != IOCP_OK) {
        (void)sys->CloseHandle(port->port);
        (void)sys->WSACleanup();
    }
    return status;
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
        status = port__open_parts(port, options->sleep_method, native_error);
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
    while (ioc_load_u32(&port->guests) > 0) {
        (void)sys->SwitchToThread();
    }
    ioc_jobs_deinit(&port->jobs, alloc);
    ioc_waits_deinit(&port->waits, sys);
    ioc_sleep_deinit(&port->sleep);
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

iocp_sleep_method_t ioc_port_sleep_method(ioc_port *base)
{
    return ioc_win_port_of(base)->sleep.method;
}

int ioc_port_associate(ioc_win_port *port, HANDLE handle)
{
    HANDLE answer = port->sys->CreateIoCompletionPort(handle, port->port, (ULONG_PTR)port, 0);
    return answer != NULL ? IOCP_OK : ioc_port_fail_last(port);
}

bool ioc_port_duplicate(ioc_win_port *port, HANDLE handle, HANDLE *copy)
{
    HANDLE process = GetCurrentProcess(); /* a constant */
    return port->sys->DuplicateHandle(process, handle, process, copy, 0, FALSE,
                                      DUPLICATE_SAME_ACCESS);
}

/* ---- Packets ---- */

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

static void port__end(ioc_win_port *port, OVERLAPPED *overlapped, ioc_list *ended,
                      ioc_dequeued *dequeued)
{
    ioc_op *op = ioc_overlapped_ended(&port->base, overlapped);
    ioc_list_push(ended, &op->link);
    dequeued->operations++;
}

static void port__take_job_packet(ioc_win_port *port, const OVERLAPPED_ENTRY *entry,
                                  ioc_list *ended, ioc_dequeued *dequeued)
{
    bool is_known = false;
    ioc_op *op = ioc_job_take_packet(&port->base, entry, &is_known);
    dequeued->foreign += !is_known;
    if (op != NULL) {
        port__end(port, &ioc_win_op_of(op)->overlapped, ended, dequeued);
    }
}

static void port__take(ioc_win_port *port, const OVERLAPPED_ENTRY *entry, ioc_list *ended,
                       ioc_dequeued *dequeued)
{
    if (ioc_job_is_key(entry->lpCompletionKey)) {
        port__take_job_packet(port, entry, ended, dequeued);
    } else if (entry->lpCompletionKey != (ULONG_PTR)port) {
        dequeued->foreign++;
    } else if (entry->lpOverlapped == &port->wake) {
        dequeued->wakes++;
    } else if (entry->lpOverlapped == &port->sleep.token) {
        ioc_sleep_take_packet(&port->sleep);
    } else {
        port__end(port, entry->lpOverlapped, ended, dequeued);
    }
}

static void port__take_returned(ioc_win_port *port, ioc_list *ended, ioc_dequeued *dequeued)
{
    for (size_t left = ioc_mpsc_take(&port->returned); left > 0; left--) {
        ioc_mpsc_node *node = ioc_mpsc_pop(&port->returned);
        port__end(port, &IOC_CONTAINER_OF(node, ioc_win_op, returned)->overlapped, ended, dequeued);
    }
}

static DWORD port__time_limit(ioc_win_port *port, uint64_t now_ns, uint64_t until_ns)
{
    if (until_ns <= now_ns) {
        return 0;
    }
    port__note_thread(port);
    bool may_sleep = !port__take_owed_wake(port) && ioc_mpsc_is_empty(&port->returned);
    return may_sleep ? ioc_sleep_prepare(&port->sleep, now_ns, until_ns) : 0;
}

int ioc_port_dequeue(ioc_port *base, uint64_t now_ns, uint64_t until_ns, ioc_list *ended,
                     ioc_dequeued *dequeued)
{
    ioc_win_port *port = ioc_win_port_of(base);
    ULONG count = 0;
    int status = IOCP_OK;
    *dequeued = (ioc_dequeued){0};
    DWORD limit_ms = port__time_limit(port, now_ns, until_ns);
    /* Alertable, for the APCs of wakes and of timers. After a timeout `count` means nothing. */
    if (!port->sys->GetQueuedCompletionStatusEx(port->port, port->entries, port->batch, &count,
                                                limit_ms, TRUE)) {
        DWORD error = port->sys->GetLastError();
        bool is_quiet = error == WAIT_TIMEOUT || error == WAIT_IO_COMPLETION;
        status = is_quiet ? IOCP_OK : ioc_port_fail(port, error);
        count = 0;
    }
    for (ULONG i = 0; i < count; i++) {
        port__take(port, &port->entries[i], ended, dequeued);
    }
    port__take_returned(port, ended, dequeued);
    return status;
}

/* ---- Waking ---- */

/* It may be left over in the thread's queue when the loop, and we, are gone. */
static bool port__send_apc(ioc_win_port *port)
{
    AcquireSRWLockShared(&port->thread_lock);
    bool is_sent =
        port->thread != NULL && port->sys->QueueUserAPC(ioc_apc_of_wake(), port->thread, 0) != 0;
    ReleaseSRWLockShared(&port->thread_lock);
    return is_sent;
}

static bool port__wake_without_packet(ioc_win_port *port)
{
    ioc_exchange_u32(&port->is_wake_owed, 1);
    return port__send_apc(port);
}

ioc_wake ioc_port_wake(ioc_port *base)
{
    ioc_win_port *port = ioc_win_port_of(base);
    if (port->sys->PostQueuedCompletionStatus(port->port, 0, (ULONG_PTR)port, &port->wake)) {
        return IOC_WAKE_PACKET;
    }
    return port__wake_without_packet(port) ? IOC_WAKE_DIRECT : IOC_WAKE_FAILED;
}

/* ---- Operations that come back by themselves ---- */

/* Once the operation is back the loop may end: the port waits for its guests. */
void ioc_port_post_back(ioc_win_port *port, ioc_op *op)
{
    if (port->sys->PostQueuedCompletionStatus(port->port, 0, (ULONG_PTR)port,
                                              &ioc_win_op_of(op)->overlapped)) {
        return;
    }
    ioc_add_u32(&port->guests, 1);
    ioc_mpsc_push(&port->returned, &ioc_win_op_of(op)->returned);
    (void)port__wake_without_packet(port);
    ioc_add_u32(&port->guests, 0u - 1u);
}
