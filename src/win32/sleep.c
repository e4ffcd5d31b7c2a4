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

int ioc_sleep_init(ioc_sleep *sleep, iocp_sleep_method_t method, const ioc_sys *sys,
                   const ioc_nt *nt, HANDLE port, void *key, uint32_t *native_error)
{
    memset(sleep, 0, sizeof *sleep);
    sleep->sys = sys;
    sleep->nt = nt;
    sleep->port = port;
    sleep->key = key;
    if (method != IOCP_SLEEP_AUTO) {
        return sleep__open(sleep, method, native_error);
    }
    sleep__open_any(sleep);
    return IOCP_OK;
}

/* A packet is closed neither while it waits nor in the port. */
static void sleep__close_packet(ioc_sleep *sleep)
{
    if (sleep->is_associated) {
        (void)sleep->nt->NtCancelWaitCompletionPacket(sleep->packet, TRUE);
    }
    (void)sleep->sys->CloseHandle(sleep->packet);
}

void ioc_sleep_deinit(ioc_sleep *sleep)
{
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
                                   sleep->packet, sleep->port, sleep->timer, sleep->key,
                                   &sleep->token, IOC_NT_SUCCESS, 0, NULL) == IOC_NT_SUCCESS;
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

DWORD ioc_sleep_prepare(ioc_sleep *sleep, uint64_t now_ns, uint64_t until_ns)
{
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

void ioc_sleep_take_packet(ioc_sleep *sleep)
{
    sleep->is_associated = false;
    sleep->until_ns = 0;
}
