#include "port.h"

#include "apc.h"
#include "errmap.h"
#include "op.h"

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

static ioc_link *port__take_wake(ioc_win_port *port, ioc_source *source,
                                 const OVERLAPPED_ENTRY *entry, ioc_dequeued *dequeued)
{
    (void)port;
    (void)source;
    (void)entry;
    dequeued->wakes++;
    return NULL;
}

int ioc_port_init(ioc_win_port *port, const ioc_port_options *options, uint32_t *native_error)
{
    const ioc_sys *sys = port__sys(options->extra);
    port->sys = sys;
    port->alloc = options->alloc;
    port->ops = options->ops;
    port->batch = options->batch;
    port->packets = options->packets;
    port->least = options->packets != NULL ? options->batch : 1; /* others may send any number */
    port->completion_mode = options->completion_mode;
    port->wake.take = port__take_wake;
    InitializeSRWLock(&port->thread_lock);
    ioc_mpsc_init(&port->returned);
    ioc_nt_load(&port->nt, sys);
    if (!ioc_clock_init(&port->clock, sys)) {
        *native_error = sys->GetLastError();
        return ioc_errmap_from_native(*native_error);
    }
    port->entries = ioc_alloc_take(options->alloc, options->batch * sizeof *port->entries);
    if (port->entries == NULL) {
        return IOCP_ENOMEM;
    }
    port->port = sys->CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, PORT_THREADS);
    if (port->port == NULL) {
        *native_error = sys->GetLastError();
        ioc_alloc_give(options->alloc, port->entries);
        return ioc_errmap_from_native(*native_error);
    }
    ioc_port_add_source(port, &port->tokens);
    ioc_port_add_source(port, &port->wake);
    return IOCP_OK;
}

void ioc_port_deinit(ioc_win_port *port)
{
    const ioc_sys *sys = port->sys;
    while (ioc_load_u32(&port->guests) > 0) {
        (void)sys->SwitchToThread();
    }
    while (port->parts != NULL) {
        ioc_part *part = port->parts;
        port->parts = part->next;
        part->close(port, part);
    }
    if (port->thread != NULL) {
        (void)sys->CloseHandle(port->thread);
    }
    (void)sys->CloseHandle(port->port);
    ioc_alloc_give(port->alloc, port->entries);
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
    ioc_port_expect_any(ioc_win_port_of(base));
    return ioc_win_port_of(base)->port;
}

int ioc_port_associate(ioc_win_port *port, HANDLE handle)
{
    ULONG_PTR key = (ULONG_PTR)&port->tokens;
    HANDLE answer = port->sys->CreateIoCompletionPort(handle, port->port, key, 0);
    return answer != NULL ? IOCP_OK : ioc_port_fail_last(port);
}

bool ioc_port_duplicate(const ioc_win_port *port, HANDLE handle, HANDLE *copy)
{
    HANDLE process = GetCurrentProcess(); /* a constant */
    return port->sys->DuplicateHandle(process, handle, process, copy, 0, FALSE,
                                      DUPLICATE_SAME_ACCESS);
}

/* ---- What the units have with it ---- */

void ioc_port_add_source(ioc_win_port *port, ioc_source *source)
{
    IOC_ASSERT(port->source_count < IOC_SOURCES_MAX);
    port->sources[port->source_count++] = source;
}

void ioc_port_attach(ioc_win_port *port, ioc_part *part, ioc_part_close_fn close)
{
    part->close = close;
    part->next = port->parts;
    port->parts = part;
}

ioc_part *ioc_port_part(const ioc_win_port *port, ioc_part_close_fn close)
{
    ioc_part *part = port->parts;
    while (part->close != close) {
        part = part->next;
    }
    return part;
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

/* Most packets are those of the first. */
static ioc_source *port__source(const ioc_win_port *port, ULONG_PTR key)
{
    for (uint32_t i = 0; i < port->source_count; i++) {
        if (key == (ULONG_PTR)port->sources[i]) {
            return port->sources[i];
        }
    }
    return (key & 1) != 0 ? port->odd_source : NULL;
}

static void port__end(ioc_link *link, ioc_list *ended, ioc_dequeued *dequeued)
{
    if (link != NULL) {
        ioc_list_push(ended, link);
        dequeued->operations++;
    }
}

/* Somebody else's: kept for him, or dropped. */
static void port__keep(const ioc_win_port *port, const OVERLAPPED_ENTRY *entry,
                       ioc_dequeued *dequeued)
{
    if (port->packets == NULL || (entry->lpCompletionKey & 1) != 0) {
        dequeued->foreign++;
        return;
    }
    port->packets[dequeued->packets++] = (iocp_packet_t){
        .key = entry->lpCompletionKey,
        .overlapped = entry->lpOverlapped,
        .internal = entry->Internal,
        .bytes = entry->dwNumberOfBytesTransferred,
    };
}

static void port__take(ioc_win_port *port, const OVERLAPPED_ENTRY *entry, ioc_list *ended,
                       ioc_dequeued *dequeued)
{
    ioc_source *source = port__source(port, entry->lpCompletionKey);
    if (source == NULL) {
        port__keep(port, entry, dequeued);
        return;
    }
    port__end(source->take(port, source, entry, dequeued), ended, dequeued);
}

void ioc_port_expect_any(ioc_win_port *port)
{
    port->least = port->batch;
}

/*
 * As many as can come, so that the array is filled as a rule. Windows does not care; Wine asks its
 * server once more where it is not. A wake comes besides, or a marker, or the packet of who shares
 * an adopted handle: one or two, and if they come at the same moment as all the others, the next
 * dequeue takes them.
 */
static ULONG port__capacity(const ioc_win_port *port)
{
    size_t expected = port->ops->in_kernel + port->besides;
    expected = expected > port->least ? expected : port->least;
    return expected < port->batch ? (ULONG)expected : port->batch;
}

static void port__take_returned(ioc_win_port *port, ioc_list *ended, ioc_dequeued *dequeued)
{
    for (size_t left = ioc_mpsc_take(&port->returned); left > 0; left--) {
        ioc_mpsc_node *node = ioc_mpsc_pop(&port->returned);
        ioc_token *token = IOC_CONTAINER_OF(node, ioc_token, returned);
        port__end(token->take(port, token), ended, dequeued);
    }
}

static DWORD port__time_limit(ioc_win_port *port, uint64_t now_ns, uint64_t until_ns)
{
    if (until_ns <= now_ns) {
        return 0;
    }
    port__note_thread(port);
    bool may_sleep = !port__take_owed_wake(port) && ioc_mpsc_is_empty(&port->returned);
    return may_sleep ? port->limit(port->limit_context, now_ns, until_ns) : 0;
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
    if (!port->sys->GetQueuedCompletionStatusEx(port->port, port->entries, port__capacity(port),
                                                &count, limit_ms, TRUE)) {
        DWORD error = port->sys->GetLastError();
        bool is_quiet = error == WAIT_TIMEOUT || error == WAIT_IO_COMPLETION;
        status = is_quiet ? IOCP_OK : ioc_port_fail(port, error);
        dequeued->is_empty = error == WAIT_TIMEOUT;
        count = 0;
    }
    for (ULONG i = 0; i < count; i++) {
        port__take(port, &port->entries[i], ended, dequeued);
    }
    if (dequeued->foreign > 0) {
        ioc_port_expect_any(port);
    }
    port__take_returned(port, ended, dequeued);
    return status;
}

/* ---- Waking ---- */

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

/* With an OVERLAPPED that is not looked at: without one a program may take the packet for none. */
ioc_wake ioc_port_wake(ioc_port *base)
{
    ioc_win_port *port = ioc_win_port_of(base);
    if (port->sys->PostQueuedCompletionStatus(port->port, 0, (ULONG_PTR)&port->wake,
                                              (OVERLAPPED *)(void *)&port->wake)) {
        return IOC_WAKE_PACKET;
    }
    return port__wake_without_packet(port) ? IOC_WAKE_DIRECT : IOC_WAKE_FAILED;
}

void ioc_port_nudge(ioc_win_port *port, const ioc_source *source)
{
    if (!port->sys->PostQueuedCompletionStatus(port->port, 0, (ULONG_PTR)source,
                                               (OVERLAPPED *)(uintptr_t)source)) {
        (void)port__wake_without_packet(port);
    }
}

/* ---- Packets of others ---- */

_Static_assert(sizeof(iocp_packet_t) == sizeof(OVERLAPPED_ENTRY),
               "is laid out as OVERLAPPED_ENTRY");
_Static_assert(offsetof(iocp_packet_t, overlapped) == offsetof(OVERLAPPED_ENTRY, lpOverlapped),
               "as");
_Static_assert(offsetof(iocp_packet_t, internal) == offsetof(OVERLAPPED_ENTRY, Internal), "that");
_Static_assert(offsetof(iocp_packet_t, bytes) ==
                   offsetof(OVERLAPPED_ENTRY, dwNumberOfBytesTransferred),
               "one");

/* The sources are those that it had when it was opened. */
int ioc_port_post_packet(ioc_port *base, const iocp_packet_t *packet)
{
    const ioc_win_port *port = ioc_win_port_of(base);
    if (port__source(port, packet->key) != NULL) {
        return IOCP_EINVAL;
    }
    bool is_posted = port->sys->PostQueuedCompletionStatus(port->port, packet->bytes, packet->key,
                                                           packet->overlapped);
    return is_posted ? IOCP_OK : ioc_errmap_from_native(port->sys->GetLastError());
}

/* ---- Tokens that come back by themselves ---- */

/* Once the operation is back the loop may end: the port waits for its guests. */
void ioc_port_return(ioc_win_port *port, ioc_token *token)
{
    ioc_add_u32(&port->guests, 1);
    ioc_mpsc_push(&port->returned, &token->returned);
    (void)port__wake_without_packet(port);
    ioc_add_u32(&port->guests, 0u - 1u);
}

void ioc_port_post_back(ioc_win_port *port, ioc_token *token)
{
    if (!port->sys->PostQueuedCompletionStatus(port->port, 0, (ULONG_PTR)&port->tokens,
                                               &token->overlapped)) {
        ioc_port_return(port, token);
    }
}
