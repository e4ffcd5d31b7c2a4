#include "console.h"

#include "watch.h"

typedef struct console_watch {
    ioc_link link;
    ioc_op *op;
    uint64_t answered; /* the number of the last visit that it has nothing to say to any more */
    bool is_waiting;   /* the next visit posts its packet */
    bool is_told;      /* of the next visit, which it has not answered yet */
} console_watch;

typedef struct console_visit {
    ioc_link link;
    uint64_t number;
    uint32_t event;
    bool is_handled; /* somebody was told, and has answered */
    bool is_ending;  /* one of them: that the process ends now */
} console_visit;

static struct {
    SRWLOCK lock;
    CONDITION_VARIABLE answered;
    ioc_list watches;
    ioc_list visits;
    uint64_t last_visit;
    uint32_t guests;        /* threads of Windows' in the handler */
    uint32_t registrations; /* of the handler, that nobody is taking back */
    const ioc_sys *sys;     /* by which it was registered */
    HMODULE module;         /* ours, kept once for each registration */
} console = {
    .lock = SRWLOCK_INIT,
    .answered = CONDITION_VARIABLE_INIT,
    .watches = {{&console.watches.ends, &console.watches.ends}},
    .visits = {{&console.visits.ends, &console.visits.ends}},
};

static void console__lock(void)
{
    AcquireSRWLockExclusive(&console.lock);
}

static void console__unlock(void)
{
    ReleaseSRWLockExclusive(&console.lock);
}

/* ---- A watch and its visits, under the lock ---- */

static console_visit *watch__next_visit(const console_watch *watch)
{
    for (ioc_link *link = console.visits.ends.next; link != &console.visits.ends;
         link = link->next) {
        console_visit *visit = IOC_CONTAINER_OF(link, console_visit, link);
        if (visit->number > watch->answered) {
            return visit;
        }
    }
    return NULL;
}

/* False: there is nothing to tell. */
static bool watch__tell(console_watch *watch)
{
    const console_visit *visit = watch__next_visit(watch);
    if (visit == NULL) {
        return false;
    }
    ioc_watch_of(watch->op)->event = visit->event;
    watch->is_told = true;
    return true;
}

static void watch__answer(console_watch *watch, bool is_ending)
{
    if (!watch->is_told) {
        return;
    }
    console_visit *visit = watch__next_visit(watch);
    visit->is_handled = true;
    visit->is_ending = visit->is_ending || is_ending;
    watch->answered = visit->number;
    watch->is_told = false;
    WakeAllConditionVariable(&console.answered);
}

/* N.B. After this its loop may take the packet, but not end the watch: that takes the lock. */
static void watch__call(console_watch *watch)
{
    if (watch->is_waiting) {
        watch->is_waiting = false;
        ioc_port_post_back(ioc_overlapped_port(watch->op), &ioc_win_op_of(watch->op)->token);
    }
}

/* ---- Windows' threads ---- */

static uint32_t console__event_of(DWORD code)
{
    static const uint8_t events[] = {
        [CTRL_C_EVENT] = IOCP_CONSOLE_C,
        [CTRL_BREAK_EVENT] = IOCP_CONSOLE_BREAK,
        [CTRL_CLOSE_EVENT] = IOCP_CONSOLE_CLOSE,
        [CTRL_LOGOFF_EVENT] = IOCP_CONSOLE_LOGOFF,
        [CTRL_SHUTDOWN_EVENT] = IOCP_CONSOLE_SHUTDOWN,
    };
    return code < IOC_COUNT_OF(events) ? events[code] : 0;
}

static void console__enter(console_visit *visit)
{
    console.guests++;
    visit->number = ++console.last_visit;
    ioc_link_init(&visit->link);
    ioc_list_push(&console.visits, &visit->link);
    for (ioc_link *link = console.watches.ends.next; link != &console.watches.ends;
         link = link->next) {
        watch__call(IOC_CONTAINER_OF(link, console_watch, link));
    }
}

static bool console__is_awaited(const console_visit *visit)
{
    for (ioc_link *link = console.watches.ends.next; link != &console.watches.ends;
         link = link->next) {
        if (IOC_CONTAINER_OF(link, console_watch, link)->answered < visit->number) {
            return true;
        }
    }
    return false;
}

static void console__settle(void);

/* That it returns is what tells Windows to end the process. */
static void console__stay(const ioc_sys *sys)
{
    console__unlock();
    (void)sys->WaitForSingleObject(GetCurrentProcess(), INFINITE);
    console__lock();
}

static BOOL WINAPI console__on_event(DWORD code)
{
    console_visit visit = {.event = console__event_of(code)};
    if (visit.event == 0) {
        return FALSE;
    }
    console__lock();
    const ioc_sys *sys = console.sys;
    console__enter(&visit);
    while (console__is_awaited(&visit)) {
        (void)sys->SleepConditionVariableSRW(&console.answered, &console.lock, INFINITE, 0);
    }
    ioc_link_remove(&visit.link);
    if (visit.is_ending && visit.event >= IOCP_CONSOLE_CLOSE) {
        console__stay(sys);
    }
    console.guests--;
    console__settle();
    console__unlock();
    return visit.is_handled;
}

/* ---- The registration ---- */

/* 0, or the Win32 code. Not under the lock. */
static uint32_t console__register(const ioc_sys *sys, HMODULE *module)
{
    if (!sys->GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
                                 (const wchar_t *)(uintptr_t)console__on_event, module)) {
        return sys->GetLastError();
    }
    if (!sys->SetConsoleCtrlHandler(console__on_event, TRUE)) {
        uint32_t error = sys->GetLastError();
        (void)sys->FreeLibrary(*module);
        return error;
    }
    return 0;
}

/* On the pool. Windows may have forgotten the handler (FreeConsole): then it is back, too. */
static void CALLBACK console__unregister(PTP_CALLBACK_INSTANCE instance, void *context)
{
    (void)context;
    console__lock();
    const ioc_sys *sys = console.sys;
    HMODULE module = console.module;
    console__unlock();
    (void)sys->CallbackMayRunLong(instance);
    if (sys->SetConsoleCtrlHandler(console__on_event, FALSE) ||
        sys->GetLastError() == ERROR_INVALID_PARAMETER) {
        sys->FreeLibraryWhenCallbackReturns(instance, module);
    }
}

/* If nobody uses it any more. What the pool does not take is there for the next watch. */
static void console__settle(void)
{
    bool is_used = console.guests > 0 || !ioc_list_is_empty(&console.watches);
    while (!is_used && console.registrations > 0 &&
           console.sys->TrySubmitThreadpoolCallback(console__unregister, NULL, NULL)) {
        console.registrations--;
    }
}

/* 0, or the Win32 code. The watch is entered once it is sure to be heard. */
static uint32_t console__join(const ioc_sys *sys, console_watch *watch)
{
    console__lock();
    if (console.registrations == 0) {
        HMODULE module = NULL;
        console__unlock();
        uint32_t error = console__register(sys, &module);
        if (error != 0) {
            return error;
        }
        console__lock();
        console.registrations++;
        console.sys = sys;
        console.module = module;
    }
    watch->answered = console.last_visit;
    ioc_list_push(&console.watches, &watch->link);
    console__unlock();
    return 0;
}

/* ---- Start, packets, cancel, end ---- */

/* 0, or the Win32 code. After an error nothing is left of it. */
static uint32_t console__open(ioc_win_port *port, ioc_op *op)
{
    console_watch *watch = ioc_alloc_take(port->alloc, sizeof *watch);
    if (watch == NULL) {
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    ioc_link_init(&watch->link);
    watch->op = op;
    uint32_t error = console__join(port->sys, watch);
    if (error != 0) {
        ioc_alloc_give(port->alloc, watch);
        return error;
    }
    ioc_watch_of(op)->backend = watch;
    op->is_held = true;
    return 0;
}

ioc_start ioc_console_start(ioc_port *base, ioc_op *op)
{
    uint32_t error = op->is_held ? 0 : console__open(ioc_win_port_of(base), op);
    if (error != 0) {
        return ioc_overlapped_failed(op, error);
    }
    console_watch *watch = ioc_watch_of(op)->backend;
    ioc_overlapped_prepare_posted(op, base);
    console__lock();
    watch__answer(watch, false);
    bool is_told = watch__tell(watch);
    watch->is_waiting = !is_told;
    console__unlock();
    return is_told ? ioc_overlapped_done(op) : IOC_START_PENDING;
}

/* A cancel comes here, too: it tells nothing, also if a visit has come in that moment. */
bool ioc_console_complete(ioc_port *base, ioc_op *op)
{
    (void)base;
    if (op->outcome.status == IOCP_OK) {
        console__lock();
        bool is_told = watch__tell(ioc_watch_of(op)->backend);
        console__unlock();
        IOC_ASSERT(is_told && "a visit stays until it is answered");
        (void)is_told;
    }
    return true;
}

int ioc_console_cancel(ioc_port *base, ioc_op *op, bool *is_back)
{
    console_watch *watch = ioc_watch_of(op)->backend;
    console__lock();
    *is_back = watch->is_waiting;
    watch->is_waiting = false;
    console__unlock();
    if (*is_back) {
        ioc_overlapped_abort(base, op);
    }
    return IOCP_OK;
}

void ioc_console_release(ioc_port *base, ioc_op *op)
{
    console_watch *watch = ioc_watch_of(op)->backend;
    console__lock();
    IOC_ASSERT(!watch->is_waiting);
    watch__answer(watch, op->outcome.status == IOCP_OK);
    ioc_link_remove(&watch->link);
    WakeAllConditionVariable(&console.answered);
    console__settle();
    console__unlock();
    ioc_alloc_give(ioc_win_port_of(base)->alloc, watch);
}
