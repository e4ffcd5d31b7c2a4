#include "resume.h"

#include "errmap.h"

#include <string.h>

/* Of <powerbase.h> and <winuser.h>, which are not read for these alone. */
#define RESUME_CALLBACK  2u  /* DEVICE_NOTIFY_CALLBACK */
#define RESUME_AUTOMATIC 18u /* PBT_APMRESUMEAUTOMATIC: each time, also if nobody is there */

typedef ULONG(CALLBACK *resume_fn)(void *context, ULONG event, void *setting);

typedef struct resume_subscription { /* DEVICE_NOTIFY_SUBSCRIBE_PARAMETERS */
    resume_fn function;
    void *context;
} resume_subscription;

typedef DWORD(WINAPI *resume_register_fn)(DWORD flags, HANDLE recipient, void **registration);
typedef DWORD(WINAPI *resume_unregister_fn)(void *registration);

static struct {
    SRWLOCK changing; /* guards the registration */
    HMODULE module;   /* NULL: there is none */
    void *registration;
    resume_unregister_fn unregister;
    uint32_t users;
    ioc_atomic_u32 inside; /* calls of Windows' */
    SRWLOCK lock;          /* guards the list */
    ioc_resume *first;
} resume = {.changing = SRWLOCK_INIT, .lock = SRWLOCK_INIT};

/* ---- Windows' thread ---- */

static void resume__wake_all(void)
{
    AcquireSRWLockShared(&resume.lock);
    for (ioc_resume *one = resume.first; one != NULL; one = one->next) {
        ioc_port_nudge(one->port, &one->source);
    }
    ReleaseSRWLockShared(&resume.lock);
}

static ULONG CALLBACK resume__told(void *context, ULONG event, void *setting)
{
    (void)context;
    (void)setting;
    ioc_add_u32(&resume.inside, 1);
    if (event == RESUME_AUTOMATIC) {
        resume__wake_all();
    }
    ioc_add_u32(&resume.inside, 0u - 1u);
    return ERROR_SUCCESS;
}

/* ---- The registration ---- */

static void resume__give_up(const ioc_sys *sys)
{
    if (resume.registration != NULL) {
        (void)resume.unregister(resume.registration);
        resume.registration = NULL;
    }
    while (ioc_load_u32(&resume.inside) > 0) {
        (void)sys->SwitchToThread();
    }
    (void)sys->FreeLibrary(resume.module);
    resume.module = NULL;
}

/* 0, or a Win32 code; ERROR_PROC_NOT_FOUND: the system does not tell. */
static uint32_t resume__begin(const ioc_sys *sys)
{
    resume_register_fn subscribe = NULL;
    static resume_subscription subscription = {.function = resume__told};
    resume.module = sys->LoadLibraryExW(L"powrprof.dll", NULL, LOAD_LIBRARY_SEARCH_SYSTEM32);
    if (resume.module == NULL) {
        return ERROR_PROC_NOT_FOUND;
    }
    ioc_nt_look_up(sys, resume.module, "PowerRegisterSuspendResumeNotification", &subscribe);
    ioc_nt_look_up(sys, resume.module, "PowerUnregisterSuspendResumeNotification",
                   &resume.unregister);
    uint32_t error = subscribe != NULL && resume.unregister != NULL
                         ? subscribe(RESUME_CALLBACK, &subscription, &resume.registration)
                         : ERROR_PROC_NOT_FOUND;
    if (error != 0) {
        resume.registration = NULL;
        resume__give_up(sys);
    }
    return error;
}

static uint32_t resume__join(const ioc_sys *sys)
{
    AcquireSRWLockExclusive(&resume.changing);
    uint32_t error = resume.users == 0 ? resume__begin(sys) : 0;
    resume.users += error == 0;
    ReleaseSRWLockExclusive(&resume.changing);
    return error;
}

static void resume__leave(const ioc_sys *sys)
{
    AcquireSRWLockExclusive(&resume.changing);
    if (--resume.users == 0) {
        resume__give_up(sys);
    }
    ReleaseSRWLockExclusive(&resume.changing);
}

/* ---- With the port ---- */

static void resume__enter(ioc_resume *own)
{
    AcquireSRWLockExclusive(&resume.lock);
    own->next = resume.first;
    resume.first = own;
    ReleaseSRWLockExclusive(&resume.lock);
}

static void resume__take_out(const ioc_resume *own)
{
    AcquireSRWLockExclusive(&resume.lock);
    ioc_resume **place = &resume.first;
    while (*place != own) {
        place = &(*place)->next;
    }
    *place = own->next;
    ReleaseSRWLockExclusive(&resume.lock);
}

static void resume__close(ioc_win_port *port, ioc_part *part)
{
    resume__take_out(IOC_CONTAINER_OF(part, ioc_resume, part));
    resume__leave(port->sys);
}

/* It has ended the sleep, and that was all. */
static ioc_link *resume__take(ioc_win_port *port, ioc_source *source, const OVERLAPPED_ENTRY *entry,
                              ioc_dequeued *dequeued)
{
    (void)port;
    (void)source;
    (void)entry;
    (void)dequeued;
    return NULL;
}

int ioc_resume_attach(ioc_resume *own, ioc_win_port *port, uint32_t *native_error)
{
    memset(own, 0, sizeof *own);
    uint32_t error = resume__join(port->sys);
    if (error != 0) {
        *native_error = error;
        return error == ERROR_PROC_NOT_FOUND ? IOCP_ENOTSUP : ioc_errmap_from_native(error);
    }
    own->port = port;
    own->source.take = resume__take;
    ioc_port_attach(port, &own->part, resume__close);
    ioc_port_add_source(port, &own->source);
    resume__enter(own);
    return IOCP_OK;
}
