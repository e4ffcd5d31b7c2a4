#include "win_packets.h"

#include "base.h"

#include "threads.h"
#include "win_faults.h"

#include <string.h>

#define PACKETS_CAPACITY   4096
#define PACKETS_PER_WAITER (MAXIMUM_WAIT_OBJECTS - 1)
#define PACKETS_WAITERS    (PACKETS_CAPACITY / PACKETS_PER_WAITER + 1)

#define PACKETS_INVALID_HANDLE     ((LONG)0xC0000008)
#define PACKETS_ACCESS_DENIED      ((LONG)0xC0000022)
#define PACKETS_TYPE_MISMATCH      ((LONG)0xC0000024)
#define PACKETS_NO_RESOURCES       ((LONG)0xC000009A)
#define PACKETS_INVALID_PARAMETER1 ((LONG)0xC00000EF)

typedef enum packet_state {
    PACKET_CLOSED,
    PACKET_FREE,    /* never associated, cancelled, or picked up */
    PACKET_WAITING, /* in its waiter's hands */
    PACKET_HELD,    /* its signal is taken, and somebody holds it up */
    PACKET_IN_PORT
} packet_state;

typedef struct packet {
    packet_state state;
    bool is_cancelling; /* WAITING: its waiter is to let go of it */
    bool was_cancelled; /* FREE: by a cancel that ended the wait */
    unsigned removed;   /* so many of its tokens that are in the port do not count any more */
    HANDLE handle;      /* a real one, that nobody waits for */
    HANDLE object;      /* WAITING */
    HANDLE port;        /* where it goes, and as what */
    OVERLAPPED_ENTRY entry;
    OVERLAPPED token; /* what is really posted: only its address counts */
    struct packet_waiter *waiter;
} packet;

/* A thread that waits for the objects of some packets. */
typedef struct packet_waiter {
    test_thread thread;
    HANDLE changed; /* NULL: not running */
    bool is_ending;
    packet *members[PACKETS_PER_WAITER];
} packet_waiter;

typedef struct packet_fault {
    uint32_t count;
    uint32_t refused_at; /* when the count comes to this */
    LONG status;
} packet_fault;

static struct {
    SRWLOCK lock;
    CONDITION_VARIABLE settled; /* a packet has left WAITING */
    packet packets[PACKETS_CAPACITY];
    packet_waiter waiters[PACKETS_WAITERS];
    packet_fault faults[WIN_PACKET_CALLS];
    unsigned offered;
    win_packet_hold hold;
    HANDLE port; /* the last that was created */
    OVERLAPPED_ENTRY kept[PACKETS_CAPACITY];
    ULONG kept_count;
    uint32_t signals;
    uint32_t misuses;
} packets_now = {.lock = SRWLOCK_INIT, .settled = CONDITION_VARIABLE_INIT};

static void packets__lock(void)
{
    AcquireSRWLockExclusive(&packets_now.lock);
}

static void packets__unlock(void)
{
    ReleaseSRWLockExclusive(&packets_now.lock);
}

/* The completion key of real packets: no loop has it. */
static ULONG_PTR packets__key(void)
{
    return (ULONG_PTR)&packets_now.hold;
}

/* Count a call. True: it is to be refused, with packets_now.faults[call].status. */
static bool packets__refuses(win_packet_call call)
{
    packet_fault *fault = &packets_now.faults[call];
    return ++fault->count == fault->refused_at;
}

static packet *packets__find(HANDLE handle)
{
    for (size_t i = 0; i < PACKETS_CAPACITY; i++) {
        packet *p = &packets_now.packets[i];
        if (p->state != PACKET_CLOSED && p->handle == handle) {
            return p;
        }
    }
    return NULL;
}

/* ---- Signals ---- */

static void packets__post(packet *p)
{
    p->state = PACKET_IN_PORT;
    if (!PostQueuedCompletionStatus(p->port, 0, packets__key(), &p->token)) {
        packets_now.misuses++; /* the port is closed */
    }
}

/* The signal of its object is taken. */
static void packets__signal(packet *p)
{
    packets_now.signals++;
    if (packets_now.hold == WIN_PACKET_IN_FLIGHT) {
        p->state = PACKET_HELD;
    } else {
        packets__post(p);
    }
}

/* ---- Waiting ---- */

static void waiter__remove(packet_waiter *waiter, packet *p)
{
    for (size_t i = 0; i < PACKETS_PER_WAITER; i++) {
        if (waiter->members[i] == p) {
            waiter->members[i] = NULL;
        }
    }
    p->waiter = NULL;
    p->is_cancelling = false;
    WakeAllConditionVariable(&packets_now.settled);
}

/* What to wait for next, `changed` first: a cancel that is as quick as the signal wins. */
static DWORD waiter__collect(packet_waiter *waiter, HANDLE *handles, packet **members)
{
    DWORD count = 0;
    handles[count++] = waiter->changed;
    packets__lock();
    for (size_t i = 0; i < PACKETS_PER_WAITER; i++) {
        packet *p = waiter->members[i];
        if (p != NULL && p->is_cancelling) {
            p->state = PACKET_FREE;
            p->was_cancelled = true;
            waiter__remove(waiter, p);
        } else if (p != NULL) {
            members[count] = p;
            handles[count++] = p->object;
        }
    }
    packets__unlock();
    return count;
}

static bool waiter__is_ending(const packet_waiter *waiter)
{
    packets__lock();
    bool is_ending = waiter->is_ending;
    packets__unlock();
    return is_ending;
}

/* An object of its was closed under it: nothing comes of these waits. */
static void waiter__fail(packet_waiter *waiter)
{
    packets__lock();
    packets_now.misuses++;
    for (size_t i = 0; i < PACKETS_PER_WAITER; i++) {
        packet *p = waiter->members[i];
        if (p != NULL) {
            p->state = PACKET_FREE;
            waiter__remove(waiter, p);
        }
    }
    packets__unlock();
}

static void waiter__run(void *arg)
{
    packet_waiter *waiter = arg;
    HANDLE handles[MAXIMUM_WAIT_OBJECTS];
    packet *members[MAXIMUM_WAIT_OBJECTS];
    while (!waiter__is_ending(waiter)) {
        DWORD count = waiter__collect(waiter, handles, members);
        DWORD index = WaitForMultipleObjects(count, handles, FALSE, INFINITE);
        if (index == WAIT_FAILED) {
            waiter__fail(waiter);
        }
        index -= index >= WAIT_ABANDONED_0 ? WAIT_ABANDONED_0 : WAIT_OBJECT_0;
        if (index > 0 && index < count) {
            packets__lock();
            packets__signal(members[index]);
            waiter__remove(waiter, members[index]);
            packets__unlock();
        }
    }
}

static bool waiter__start(packet_waiter *waiter)
{
    waiter->changed = CreateEventW(NULL, FALSE, FALSE, NULL);
    return waiter->changed != NULL && test_thread_start(&waiter->thread, waiter__run, waiter);
}

static bool waiter__add(packet_waiter *waiter, packet *p)
{
    for (size_t i = 0; i < PACKETS_PER_WAITER; i++) {
        if (waiter->members[i] == NULL) {
            waiter->members[i] = p;
            p->waiter = waiter;
            p->state = PACKET_WAITING;
            return SetEvent(waiter->changed);
        }
    }
    return false;
}

static bool packets__wait(packet *p)
{
    for (size_t i = 0; i < PACKETS_WAITERS; i++) {
        packet_waiter *waiter = &packets_now.waiters[i];
        if ((waiter->changed != NULL || waiter__start(waiter)) && waiter__add(waiter, p)) {
            return true;
        }
    }
    return false;
}

/* ---- NtCreateWaitCompletionPacket ---- */

static packet *packets__new(void)
{
    for (size_t i = 0; i < PACKETS_CAPACITY; i++) {
        packet *p = &packets_now.packets[i];
        /* Not where an old token is still in the port. */
        if (p->state == PACKET_CLOSED && p->removed == 0) {
            p->handle = CreateEventW(NULL, TRUE, FALSE, NULL);
            return p->handle != NULL ? p : NULL;
        }
    }
    return NULL;
}

static LONG packets__create(HANDLE *handle)
{
    if (packets__refuses(WIN_PACKET_CREATE)) {
        return packets_now.faults[WIN_PACKET_CREATE].status;
    }
    packet *p = packets__new();
    if (p == NULL) {
        return PACKETS_NO_RESOURCES;
    }
    p->state = PACKET_FREE;
    p->was_cancelled = false;
    *handle = p->handle;
    return IOC_NT_SUCCESS;
}

static LONG NTAPI packets__nt_create(HANDLE *handle, ACCESS_MASK access, void *attributes)
{
    packets__lock();
    packets_now.misuses += access == 0 || attributes != NULL;
    LONG status = packets__create(handle);
    packets__unlock();
    return status;
}

/* ---- NtAssociateWaitCompletionPacket ---- */

static LONG packets__misuse(LONG status)
{
    packets_now.misuses++;
    return status;
}

/* The status behind a wait that was refused. */
static LONG packets__why_no_wait(void)
{
    switch (GetLastError()) {
    case ERROR_INVALID_HANDLE:
        return PACKETS_INVALID_HANDLE;
    case ERROR_ACCESS_DENIED:
        return PACKETS_ACCESS_DENIED;
    default:
        return PACKETS_TYPE_MISMATCH;
    }
}

static LONG packets__begin_wait(packet *p, HANDLE object, BOOLEAN *is_signaled_already)
{
    DWORD answer = WaitForSingleObject(object, 0);
    if (answer == WAIT_FAILED) {
        return packets__why_no_wait();
    }
    if (is_signaled_already != NULL) {
        *is_signaled_already = answer != WAIT_TIMEOUT;
    }
    p->was_cancelled = false;
    if (answer != WAIT_TIMEOUT) {
        packets__signal(p);
        return IOC_NT_SUCCESS;
    }
    p->object = object;
    return packets__wait(p) ? IOC_NT_SUCCESS : PACKETS_NO_RESOURCES;
}

static LONG NTAPI packets__nt_associate(HANDLE handle, HANDLE port, HANDLE object, void *key,
                                        void *overlapped, LONG nt_status, ULONG_PTR information,
                                        BOOLEAN *is_signaled_already)
{
    LONG status;
    packets__lock();
    packet *p = packets__find(handle);
    if (packets__refuses(WIN_PACKET_ASSOCIATE)) {
        status = packets_now.faults[WIN_PACKET_ASSOCIATE].status;
    } else if (p == NULL) {
        status = packets__misuse(PACKETS_INVALID_HANDLE);
    } else if (p->state != PACKET_FREE) {
        status = packets__misuse(PACKETS_INVALID_PARAMETER1);
    } else if (port != packets_now.port) {
        status = packets__misuse(PACKETS_TYPE_MISMATCH);
    } else {
        p->port = port;
        p->entry.lpCompletionKey = (ULONG_PTR)key;
        p->entry.lpOverlapped = overlapped;
        p->entry.Internal = (ULONG_PTR)nt_status;
        p->entry.dwNumberOfBytesTransferred = (DWORD)information;
        status = packets__begin_wait(p, object, is_signaled_already);
    }
    packets__unlock();
    return status;
}

/* ---- NtCancelWaitCompletionPacket ---- */

/* Have the waiter let go of it, unless the signal is quicker. */
static void packets__end_wait(packet *p)
{
    p->is_cancelling = true;
    (void)SetEvent(p->waiter->changed);
    while (p->state == PACKET_WAITING) {
        (void)SleepConditionVariableSRW(&packets_now.settled, &packets_now.lock, INFINITE, 0);
    }
}

static LONG packets__cancel(packet *p, bool removes)
{
    bool was_waiting = p->state == PACKET_WAITING;
    if (was_waiting) {
        packets__end_wait(p);
    }
    switch (p->state) {
    case PACKET_FREE:
        if (!was_waiting && p->was_cancelled) {
            packets_now.misuses++;
        }
        return was_waiting ? IOC_NT_SUCCESS : IOC_NT_CANCELLED;
    case PACKET_IN_PORT:
        if (!removes) {
            return IOC_NT_PENDING;
        }
        p->removed++; /* the port has it yet, the dequeue will not show it */
        p->state = PACKET_FREE;
        p->was_cancelled = true;
        return IOC_NT_SUCCESS;
    case PACKET_HELD:
        return IOC_NT_PENDING;
    case PACKET_CLOSED:
    case PACKET_WAITING:
        break;
    }
    return packets__misuse(PACKETS_INVALID_HANDLE);
}

static LONG NTAPI packets__nt_cancel(HANDLE handle, BOOLEAN removes)
{
    LONG status;
    packets__lock();
    packet *p = packets__find(handle);
    if (packets__refuses(WIN_PACKET_CANCEL)) {
        status = packets_now.faults[WIN_PACKET_CANCEL].status;
    } else if (p == NULL) {
        status = packets__misuse(PACKETS_INVALID_HANDLE);
    } else {
        status = packets__cancel(p, removes);
    }
    packets__unlock();
    return status;
}

/* ---- The table's other functions ---- */

static BOOL WINAPI packets__close_handle(HANDLE handle)
{
    packets__lock();
    packet *p = packets__find(handle);
    if (p != NULL) {
        packets_now.misuses += p->state != PACKET_FREE;
        if (p->state == PACKET_WAITING) {
            packets__end_wait(p);
        }
        p->removed += p->state == PACKET_IN_PORT;
        p->state = PACKET_CLOSED;
    }
    packets__unlock();
    return win_faults_table()->CloseHandle(handle);
}

static HANDLE WINAPI packets__create_port(HANDLE file, HANDLE port, ULONG_PTR key, DWORD threads)
{
    HANDLE created = win_faults_table()->CreateIoCompletionPort(file, port, key, threads);
    if (file == INVALID_HANDLE_VALUE && created != NULL) {
        packets__lock();
        packets_now.port = created;
        packets__unlock();
    }
    return created;
}

/* What a packet of the double's stands for. False: for nothing that is to be shown now. */
static bool packets__pick_up(OVERLAPPED_ENTRY *entry)
{
    packet *p = IOC_CONTAINER_OF(entry->lpOverlapped, packet, token);
    if (p->removed > 0) {
        p->removed--;
        return false;
    }
    p->state = PACKET_FREE;
    *entry = p->entry;
    if (packets_now.hold == WIN_PACKET_PICKED_UP) {
        packets_now.kept[packets_now.kept_count++] = *entry;
        return false;
    }
    return true;
}

static ULONG packets__translate(OVERLAPPED_ENTRY *entries, ULONG count)
{
    ULONG shown = 0;
    packets__lock();
    for (ULONG i = 0; i < count; i++) {
        if (entries[i].lpCompletionKey != packets__key() || packets__pick_up(&entries[i])) {
            entries[shown++] = entries[i];
        }
    }
    packets__unlock();
    return shown;
}

static ULONG packets__show_kept(OVERLAPPED_ENTRY *entries, ULONG capacity)
{
    ULONG shown = 0;
    packets__lock();
    if (packets_now.hold != WIN_PACKET_PICKED_UP) {
        shown = packets_now.kept_count < capacity ? packets_now.kept_count : capacity;
        memcpy(entries, packets_now.kept, shown * sizeof *entries);
        packets_now.kept_count -= shown;
        memmove(packets_now.kept, packets_now.kept + shown,
                packets_now.kept_count * sizeof *entries);
    }
    packets__unlock();
    return shown;
}

static BOOL WINAPI packets__dequeue(HANDLE port, OVERLAPPED_ENTRY *entries, ULONG capacity,
                                    ULONG *count, DWORD timeout_ms, BOOL is_alertable)
{
    *count = packets__show_kept(entries, capacity);
    if (*count > 0) {
        return TRUE;
    }
    BOOL answer = win_faults_table()->GetQueuedCompletionStatusEx(port, entries, capacity, count,
                                                                  timeout_ms, is_alertable);
    if (answer) {
        *count = packets__translate(entries, *count);
    }
    return answer;
}

static FARPROC packets__function(win_packet_call call)
{
    switch (call) {
    case WIN_PACKET_CREATE:
        return (FARPROC)(void (*)(void))packets__nt_create;
    case WIN_PACKET_ASSOCIATE:
        return (FARPROC)(void (*)(void))packets__nt_associate;
    case WIN_PACKET_CANCEL:
        return (FARPROC)(void (*)(void))packets__nt_cancel;
    case WIN_PACKET_CALLS:
        break;
    }
    return NULL;
}

static FARPROC WINAPI packets__get_proc(HMODULE module, const char *name)
{
    static const char *const names[WIN_PACKET_CALLS] = {
        [WIN_PACKET_CREATE] = "NtCreateWaitCompletionPacket",
        [WIN_PACKET_ASSOCIATE] = "NtAssociateWaitCompletionPacket",
        [WIN_PACKET_CANCEL] = "NtCancelWaitCompletionPacket",
    };
    for (unsigned i = 0; i < WIN_PACKET_CALLS; i++) {
        if (strcmp(name, names[i]) == 0) {
            bool is_there = (packets_now.offered & 1u << i) != 0;
            return is_there ? packets__function((win_packet_call)i) : NULL;
        }
    }
    return win_faults_table()->GetProcAddress(module, name);
}

const ioc_sys *win_packets_table(void)
{
    static ioc_sys table;
    table = *win_faults_table();
    table.CloseHandle = packets__close_handle;
    table.CreateIoCompletionPort = packets__create_port;
    table.GetQueuedCompletionStatusEx = packets__dequeue;
    table.GetProcAddress = packets__get_proc;
    return &table;
}

/* ---- Control ---- */

void win_packets_begin(void)
{
    packets__lock();
    memset(packets_now.packets, 0, sizeof packets_now.packets);
    memset(packets_now.waiters, 0, sizeof packets_now.waiters);
    memset(packets_now.faults, 0, sizeof packets_now.faults);
    packets_now.offered = WIN_PACKETS_ALL;
    packets_now.hold = WIN_PACKET_FLOWS;
    packets_now.port = NULL;
    packets_now.kept_count = 0;
    packets_now.signals = 0;
    packets_now.misuses = 0;
    packets__unlock();
}

static void packets__end_waiter(packet_waiter *waiter)
{
    if (waiter->changed == NULL) {
        return;
    }
    packets__lock();
    waiter->is_ending = true;
    packets__unlock();
    (void)SetEvent(waiter->changed);
    test_thread_join(&waiter->thread);
    (void)CloseHandle(waiter->changed);
    waiter->changed = NULL;
}

bool win_packets_end(void)
{
    for (size_t i = 0; i < PACKETS_WAITERS; i++) {
        packets__end_waiter(&packets_now.waiters[i]);
    }
    return win_packets_open() == 0 && win_packets_misuses() == 0;
}

void win_packets_offer(unsigned calls)
{
    packets_now.offered = calls;
}

void win_packets_refuse_nth(win_packet_call call, uint32_t n, uint32_t nt_status)
{
    packets__lock();
    packet_fault *fault = &packets_now.faults[call];
    fault->refused_at = fault->count + n;
    fault->status = (LONG)nt_status;
    packets__unlock();
}

void win_packets_hold_up(win_packet_hold hold)
{
    packets__lock();
    packets_now.hold = hold;
    for (size_t i = 0; i < PACKETS_CAPACITY && hold != WIN_PACKET_IN_FLIGHT; i++) {
        if (packets_now.packets[i].state == PACKET_HELD) {
            packets__post(&packets_now.packets[i]);
        }
    }
    packets__unlock();
}

/* ---- Counts ---- */

uint32_t win_packets_count_of(win_packet_call call)
{
    packets__lock();
    uint32_t count = packets_now.faults[call].count;
    packets__unlock();
    return count;
}

uint32_t win_packets_open(void)
{
    uint32_t count = 0;
    packets__lock();
    for (size_t i = 0; i < PACKETS_CAPACITY; i++) {
        count += packets_now.packets[i].state != PACKET_CLOSED;
    }
    packets__unlock();
    return count;
}

uint32_t win_packets_in_use(void)
{
    uint32_t count = 0;
    packets__lock();
    for (size_t i = 0; i < PACKETS_CAPACITY; i++) {
        count += packets_now.packets[i].state > PACKET_FREE;
    }
    packets__unlock();
    return count;
}

uint32_t win_packets_signals(void)
{
    packets__lock();
    uint32_t signals = packets_now.signals;
    packets__unlock();
    return signals;
}

uint32_t win_packets_misuses(void)
{
    packets__lock();
    uint32_t misuses = packets_now.misuses;
    packets__unlock();
    return misuses;
}
