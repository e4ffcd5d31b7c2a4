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
    const ioc_sys *sys = sleep->port->sys;
    HANDLE timer = NULL;
    if (sleep->method == IOCP_SLEEP_WAIT_PACKET) {
        timer = sleep__create_timer(sys, CREATE_WAITABLE_TIMER_HIGH_RESOLUTION);
    }
    return timer != NULL ? timer : sleep__create_timer(sys, 0);
}

/* What the method needs, or a Win32 code. After an error nothing of it is left. */
static uint32_t sleep__open_parts(ioc_sleep *sleep)
{
    const ioc_sys *sys = sleep->port->sys;
    sleep->timer = sleep__open_timer(sleep);
    if (sleep->timer == NULL) {
        return sys->GetLastError();
    }
    if (sleep->method != IOCP_SLEEP_WAIT_PACKET) {
        return 0;
    }
    LONG status = sleep->port->nt.NtCreateWaitCompletionPacket(&sleep->packet, GENERIC_ALL, NULL);
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

/* A method that was asked for: what cannot be opened is told now. */
static int sleep__open(ioc_sleep *sleep, uint32_t *native_error)
{
    if (sleep->method == IOCP_SLEEP_PORT) {
        return IOCP_OK;
    }
    if (sleep->method == IOCP_SLEEP_WAIT_PACKET && !ioc_nt_has_wait_packets(&sleep->port->nt)) {
        return IOCP_ENOTSUP;
    }
    uint32_t error = sleep__open_parts(sleep);
    if (error == 0) {
        return IOCP_OK;
    }
    *native_error = error;
    return ioc_errmap_from_native(error);
}

/* Of AUTO, before the first sleep until a time: if one cannot be opened, the next in their order. */
static void sleep__open_any(ioc_sleep *sleep)
{
    while (sleep->method != IOCP_SLEEP_PORT && sleep__open_parts(sleep) != 0) {
        sleep->method++;
    }
}

/* A packet is closed neither while it waits nor in the port. */
static void sleep__close_packet(ioc_sleep *sleep)
{
    if (sleep->is_associated) {
        (void)sleep->port->nt.NtCancelWaitCompletionPacket(sleep->packet, TRUE);
    }
    (void)sleep->port->sys->CloseHandle(sleep->packet);
}

static void sleep__close(ioc_win_port *port, ioc_part *part)
{
    ioc_sleep *sleep = IOC_CONTAINER_OF(part, ioc_sleep, part);
    if (sleep->packet != NULL) {
        sleep__close_packet(sleep);
    }
    if (sleep->timer != NULL) {
        (void)port->sys->CancelWaitableTimer(sleep->timer); /* and its APC, if that has not run */
        (void)port->sys->CloseHandle(sleep->timer);
    }
}

/* ---- The timer ---- */

static bool sleep__set_timer(ioc_sleep *sleep, uint64_t timeout_ns)
{
    bool is_apc = sleep->method == IOCP_SLEEP_APC;
    LARGE_INTEGER due; /* below 0: from now */
    due.QuadPart = -(LONGLONG)ioc_divide_up(timeout_ns, SLEEP_NS_PER_UNIT);
    return sleep->port->sys->SetWaitableTimer(sleep->timer, &due, 0,
                                              is_apc ? ioc_apc_of_timer() : NULL, NULL, FALSE);
}

/* Have the timer's packet sent to the port. One that waits already does so for the new time. */
static bool sleep__associate(ioc_sleep *sleep)
{
    ioc_win_port *port = sleep->port;
    if (!sleep->is_associated) {
        sleep->is_associated = port->nt.NtAssociateWaitCompletionPacket(
                                   sleep->packet, port->port, sleep->timer, &sleep->source,
                                   &sleep->source, IOC_NT_SUCCESS, 0, NULL) == IOC_NT_SUCCESS;
        port->besides += sleep->is_associated;
    }
    return sleep->is_associated;
}

static bool sleep__is_set_for(const ioc_sleep *sleep, uint64_t until_ns)
{
    return sleep->method == IOCP_SLEEP_WAIT_PACKET && sleep->until_ns != 0 &&
           sleep->until_ns <= until_ns;
}

/* True: the timer will wake us, at the time or on the way there. */
static bool sleep__arm(ioc_sleep *sleep, uint64_t timeout_ns, uint64_t until_ns)
{
    bool is_packet = sleep->method == IOCP_SLEEP_WAIT_PACKET;
    if (sleep__is_set_for(sleep, until_ns)) {
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
        (void)sleep->port->sys->CancelWaitableTimer(sleep->timer);
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
    if (sleep->timer == NULL) {
        sleep__open_any(sleep);
    }
    if (sleep->method == IOCP_SLEEP_PORT || !sleep__arm(sleep, timeout_ns, until_ns)) {
        return limit_ms;
    }
    return limit_ms + SLEEP_ROOM_MS;
}

static ioc_link *sleep__take(ioc_win_port *port, ioc_source *source, const OVERLAPPED_ENTRY *entry,
                             ioc_dequeued *dequeued)
{
    ioc_sleep *sleep = IOC_CONTAINER_OF(source, ioc_sleep, source);
    (void)entry;
    (void)dequeued;
    port->besides -= sleep->is_associated;
    sleep->is_associated = false;
    sleep->until_ns = 0;
    return NULL;
}

/* ---- With the port ---- */

/* As far as it can be told without opening anything. */
static iocp_sleep_method_t sleep__best(const ioc_win_port *port)
{
    return ioc_nt_has_wait_packets(&port->nt) ? IOCP_SLEEP_WAIT_PACKET : IOCP_SLEEP_APC;
}

int ioc_sleep_attach(ioc_sleep *sleep, ioc_win_port *port, iocp_sleep_method_t method,
                     uint32_t *native_error)
{
    memset(sleep, 0, sizeof *sleep);
    sleep->port = port;
    sleep->method = method != IOCP_SLEEP_AUTO ? method : sleep__best(port);
    int status = method != IOCP_SLEEP_AUTO ? sleep__open(sleep, native_error) : IOCP_OK;
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
