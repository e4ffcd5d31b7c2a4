#include "sleep.h"

#include "apc.h"
#include "base.h"
#include "errmap.h"

#include <string.h>

#define SLEEP_NS_PER_UNIT 100 /* the system's unit of time */

/* What is asked of the system at once at most. */
#define SLEEP_MOST_NS (300 * (1000 * IOC_NS_PER_MS))

/* What the port's own time limit grants a timer: two ticks, so that it is the timer that wakes. */
#define SLEEP_ROOM_MS 32

/* Rounded up, so that no timer is early and no wait of less than a millisecond becomes a spin. */
static DWORD sleep__milliseconds(uint64_t timeout_ns)
{
    return (DWORD)ioc_divide_up(timeout_ns, IOC_NS_PER_MS);
}

/* ---- Opening and closing ---- */

static HANDLE sleep__create_timer(const ioc_sys *sys, DWORD flags)
{
    return sys->CreateWaitableTimerExW(NULL, NULL, flags, SYNCHRONIZE | TIMER_MODIFY_STATE);
}

bool ioc_sleep_has_high_resolution(const ioc_sys *sys)
{
    HANDLE timer = sleep__create_timer(sys, CREATE_WAITABLE_TIMER_HIGH_RESOLUTION);
    if (timer != NULL) {
        (void)sys->CloseHandle(timer);
    }
    return timer != NULL;
}

/* Of high resolution where its packet is asked for and the system has such, Windows 10 1803. */
static HANDLE sleep__open_timer(const ioc_sleep *sleep)
{
    HANDLE timer = NULL;
    if (sleep->method == IOCP_SLEEP_WAIT_PACKET) {
        timer = sleep__create_timer(sleep->sys, CREATE_WAITABLE_TIMER_HIGH_RESOLUTION);
    }
    return timer != NULL ? timer : sleep__create_timer(sleep->sys, 0);
}

/* What a method needs, or a Win32 code. After an error nothing of it is left. */
static uint32_t sleep__open_parts(ioc_sleep *sleep)
{
    const ioc_sys *sys = sleep->sys;
    sleep->timer = sleep__open_timer(sleep);
    if (sleep->timer == NULL) {
        return sys->GetLastError();
    }
    if (sleep->method != IOCP_SLEEP_WAIT_PACKET) {
        return 0;
    }
    LONG status = sleep->nt->NtCreateWaitCompletionPacket(&sleep->packet, GENERIC_ALL, NULL);
    if (status == IOC_NT_SUCCESS) {
        return 0;
    }
    uint32_t native_error;
    (void)ioc_errmap_from_status((uint32_t)status, false, &native_error);
    (void)sys->CloseHandle(sleep->timer);
    sleep->timer = NULL;
    sleep->packet = NULL;
    return native_error;
}

static int sleep__open(ioc_sleep *sleep, iocp_sleep_method_t method, uint32_t *native_error)
{
    sleep->method = method;
    if (method == IOCP_SLEEP_PORT) {
        return IOCP_OK;
    }
    if (method == IOCP_SLEEP_WAIT_PACKET && !ioc_nt_has_wait_packets(sleep->nt)) {
        return IOCP_ENOTSUP;
    }
    uint32_t error = sleep__open_parts(sleep);
    if (error == 0) {
        return IOCP_OK;
    }
    *native_error = error;
    return ioc_errmap_from_native(error);
}

/* The best that works. */
static void sleep__open_any(ioc_sleep *sleep)
{
    uint32_t unused;
    if (sleep__open(sleep, IOCP_SLEEP_WAIT_PACKET, &unused) != IOCP_OK &&
        sleep__open(sleep, IOCP_SLEEP_APC, &unused) != IOCP_OK) {
        (void)sleep__open(sleep, IOCP_SLEEP_PORT, &unused);
    }
}

/* A packet is closed neither while it waits nor in the port. */
static void sleep__close_packet(ioc_sleep *sleep)
{
    if (sleep->is_associated) {
        (void)sleep->nt->NtCancelWaitCompletionPacket(sleep->packet, TRUE);
    }
    (void)sleep->sys->CloseHandle(sleep->packet);
}

static void sleep__close(ioc_win_port *port, ioc_part *part)
{
    ioc_sleep *sleep = IOC_CONTAINER_OF(part, ioc_sleep, part);
    (void)port;
    if (sleep->packet != NULL) {
        sleep__close_packet(sleep);
    }
    if (sleep->timer != NULL) {
        (void)sleep->sys->CancelWaitableTimer(sleep->timer); /* and its APC, if that has not run */
        (void)sleep->sys->CloseHandle(sleep->timer);
    }
}

/* ---- The timer ---- */

static bool sleep__set_timer(ioc_sleep *sleep, uint64_t timeout_ns)
{
    bool is_apc = sleep->method == IOCP_SLEEP_APC;
    LARGE_INTEGER due; /* below 0: from now */
    due.QuadPart = -(LONGLONG)ioc_divide_up(timeout_ns, SLEEP_NS_PER_UNIT);
    return sleep->sys->SetWaitableTimer(sleep->timer, &due, 0, is_apc ? ioc_apc_of_timer() : NULL,
                                        NULL, FALSE);
}

/* Have the timer's packet sent to the port. One that waits already does so for the new time. */
static bool sleep__associate(ioc_sleep *sleep)
{
    if (!sleep->is_associated) {
        sleep->is_associated = sleep->nt->NtAssociateWaitCompletionPacket(
                                   sleep->packet, sleep->port, sleep->timer, &sleep->source,
                                   &sleep->source, IOC_NT_SUCCESS, 0, NULL) == IOC_NT_SUCCESS;
    }
    return sleep->is_associated;
}

/* True: the timer will wake us, at the time or on the way there. */
static bool sleep__arm(ioc_sleep *sleep, uint64_t timeout_ns, uint64_t until_ns)
{
    bool is_packet = sleep->method == IOCP_SLEEP_WAIT_PACKET;
    if (is_packet && sleep->until_ns == until_ns) {
        return true;
    }
    sleep->until_ns = 0;
    if (sleep__set_timer(sleep, timeout_ns) && (!is_packet || sleep__associate(sleep))) {
        sleep->until_ns = until_ns;
    }
    return sleep->until_ns != 0;
}

static void sleep__disarm(ioc_sleep *sleep)
{
    if (sleep->until_ns != 0) {
        (void)sleep->sys->CancelWaitableTimer(sleep->timer);
        sleep->until_ns = 0;
    }
}

/* An ioc_limit_fn: before a wait for packets, which is alertable. */
static DWORD sleep__prepare(void *context, uint64_t now_ns, uint64_t until_ns)
{
    ioc_sleep *sleep = context;
    if (until_ns == IOC_FOREVER) {
        sleep__disarm(sleep);
        return INFINITE;
    }
    uint64_t left_ns = until_ns - now_ns;
    uint64_t timeout_ns = left_ns < SLEEP_MOST_NS ? left_ns : SLEEP_MOST_NS;
    DWORD limit_ms = sleep__milliseconds(timeout_ns);
    if (sleep->method == IOCP_SLEEP_PORT || !sleep__arm(sleep, timeout_ns, until_ns)) {
        return limit_ms;
    }
    return limit_ms + SLEEP_ROOM_MS;
}

static ioc_link *sleep__take(ioc_win_port *port, ioc_source *source, const OVERLAPPED_ENTRY *entry,
                             ioc_dequeued *dequeued)
{
    ioc_sleep *sleep = IOC_CONTAINER_OF(source, ioc_sleep, source);
    (void)port;
    (void)entry;
    (void)dequeued;
    sleep->is_associated = false;
    sleep->until_ns = 0;
    return NULL;
}

/* ---- With the port ---- */

int ioc_sleep_attach(ioc_sleep *sleep, ioc_win_port *port, iocp_sleep_method_t method,
                     uint32_t *native_error)
{
    int status = IOCP_OK;
    memset(sleep, 0, sizeof *sleep);
    sleep->sys = port->sys;
    sleep->nt = &port->nt;
    sleep->port = port->port;
    if (method == IOCP_SLEEP_AUTO) {
        sleep__open_any(sleep);
    } else {
        status = sleep__open(sleep, method, native_error);
    }
    if (status != IOCP_OK) {
        return status;
    }
    sleep->source.take = sleep__take;
    ioc_port_attach(port, &sleep->part, sleep__close);
    ioc_port_add_source(port, &sleep->source);
    port->limit = sleep__prepare;
    port->limit_context = sleep;
    return IOCP_OK;
}

iocp_sleep_method_t ioc_sleep_method(const ioc_win_port *port)
{
    return IOC_CONTAINER_OF(ioc_port_part(port, sleep__close), ioc_sleep, part)->method;
}
