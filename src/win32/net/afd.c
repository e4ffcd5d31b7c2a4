#include "afd.h"

#include "../errmap.h"
#include "poll.h"
#include "winsock.h"

#define AFD_IOCTL_POLL 0x00012024u

#define AFD_DEVICE L"\\Device\\Afd\\iocploop"

/* Requests of WSAIoctl's of <mswsock.h>, which not every header set has. */
#define AFD_BASE_HANDLE     0x48000022u /* SIO_BASE_HANDLE */
#define AFD_BSP_HANDLE_POLL 0x4800001Du /* SIO_BSP_HANDLE_POLL */

/* Layers of providers, at most: MAX_PROTOCOL_CHAIN. */
#define AFD_LAYERS 7

enum {
    AFD_RECEIVE = 0x001,
    AFD_RECEIVE_EXPEDITED = 0x002,
    AFD_SEND = 0x004,
    AFD_DISCONNECT = 0x008,
    AFD_ABORT = 0x010,
    AFD_LOCAL_CLOSE = 0x020,
    AFD_ACCEPT = 0x080,
    AFD_CONNECT_FAIL = 0x100
};

/* AFD_POLL_INFO with one handle: what is asked, and over it the answer. */
typedef struct afd_question {
    LARGE_INTEGER timeout; /* in 100 ns, negative: from now on */
    ULONG count;
    ULONG is_exclusive; /* other polls of the socket end by it */
    HANDLE socket;
    ULONG events;
    LONG status;
} afd_question;

_Static_assert(sizeof(afd_question) <= sizeof((ioc_poll){0}.system), "it fits");

typedef struct afd_group {
    ioc_link link; /* ioc_afd.groups */
    HANDLE device;
    uint32_t polls;
} afd_group;

/* ---- Events ---- */

/* The driver's events behind each of ours. Of a close the status tells, and it comes first. */
static const struct {
    uint32_t event;
    ULONG of_driver;
} afd_events[] = {
    {IOCP_POLL_READ, AFD_RECEIVE | AFD_ACCEPT | AFD_DISCONNECT},
    {IOCP_POLL_WRITE, AFD_SEND},
    {IOCP_POLL_PRIORITY, AFD_RECEIVE_EXPEDITED},
    {IOCP_POLL_HANGUP, AFD_DISCONNECT},
    {IOCP_POLL_ERROR, AFD_ABORT | AFD_CONNECT_FAIL | AFD_LOCAL_CLOSE},
};

/* The error is always told. */
static uint32_t afd__wanted(const ioc_poll *poll)
{
    return poll->events | IOCP_POLL_ERROR;
}

static ULONG afd__to_driver(uint32_t events)
{
    ULONG of_driver = 0;
    for (size_t i = 0; i < IOC_COUNT_OF(afd_events); i++) {
        of_driver |= (events & afd_events[i].event) != 0 ? afd_events[i].of_driver : 0;
    }
    return of_driver;
}

static uint32_t afd__from_driver(ULONG of_driver)
{
    uint32_t events = 0;
    for (size_t i = 0; i < IOC_COUNT_OF(afd_events); i++) {
        events |= (of_driver & afd_events[i].of_driver) != 0 ? afd_events[i].event : 0;
    }
    return events;
}

/* ---- Groups ---- */

static void group__close(ioc_win_port *port, afd_group *group)
{
    ioc_link_remove(&group->link);
    (void)port->sys->CloseHandle(group->device);
    ioc_alloc_give(port->alloc, group);
}

static void afd__close(ioc_win_port *port, ioc_part *part)
{
    ioc_afd *afd = IOC_CONTAINER_OF(part, ioc_afd, part);
    for (ioc_link *link; (link = ioc_list_first(&afd->groups)) != NULL;) {
        group__close(port, IOC_CONTAINER_OF(link, afd_group, link));
    }
}

void ioc_afd_attach(ioc_afd *afd, ioc_win_port *port)
{
    ioc_list_init(&afd->groups);
    afd->is_asked = false;
    ioc_port_attach(port, &afd->part, afd__close);
}

static ioc_afd *afd__of(const ioc_win_port *port)
{
    return IOC_CONTAINER_OF(ioc_port_part(port, afd__close), ioc_afd, part);
}

static bool afd__is_there(ioc_win_port *port)
{
    ioc_afd *afd = afd__of(port);
    if (!afd->is_asked) {
        afd->is_there = ioc_nt_find_device_calls(port->sys, &afd->calls);
        afd->is_asked = true;
    }
    return afd->is_there;
}

static afd_group *afd__group_with_room(const ioc_afd *afd)
{
    ioc_link *link = ioc_list_first(&afd->groups);
    afd_group *group = link != NULL ? IOC_CONTAINER_OF(link, afd_group, link) : NULL;
    return group != NULL && group->polls < IOC_AFD_GROUP ? group : NULL;
}

/* A handle of the driver's, bound to the port. A refusal is in op->outcome. */
static bool group__open(ioc_win_port *port, afd_group *group, ioc_op *op)
{
    LONG status = ioc_nt_open_device(&afd__of(port)->calls, AFD_DEVICE, &group->device);
    if (status != IOC_NT_SUCCESS) {
        (void)ioc_overlapped_failed_nt(op, status);
        return false;
    }
    if (ioc_port_associate(port, group->device) != IOCP_OK) {
        (void)ioc_overlapped_failed(op, port->base.native_error);
        (void)port->sys->CloseHandle(group->device);
        return false;
    }
    return true;
}

static afd_group *group__new(ioc_win_port *port, ioc_op *op)
{
    afd_group *group = ioc_alloc_take(port->alloc, sizeof *group);
    if (group == NULL) {
        op->outcome = (ioc_outcome){.status = IOCP_ENOMEM};
        return NULL;
    }
    *group = (afd_group){.device = NULL};
    ioc_link_init(&group->link);
    if (!group__open(port, group, op)) {
        ioc_alloc_give(port->alloc, group);
        return NULL;
    }
    return group;
}

static bool afd__join_group(ioc_win_port *port, ioc_op *op)
{
    ioc_afd *afd = afd__of(port);
    afd_group *group = afd__group_with_room(afd);
    if (group == NULL) {
        group = group__new(port, op);
        if (group == NULL) {
            return false;
        }
        ioc_list_insert_behind(&afd->groups.ends, &group->link);
    }
    group->polls++;
    if (group->polls == IOC_AFD_GROUP) { /* behind those with room */
        ioc_link_remove(&group->link);
        ioc_list_push(&afd->groups, &group->link);
    }
    ioc_poll_of(op)->backend = group;
    return true;
}

/* One that nobody is in is kept for the next poll, if there is no other with room. */
static void afd__leave_group(ioc_win_port *port, ioc_op *op)
{
    ioc_afd *afd = afd__of(port);
    afd_group *group = ioc_poll_of(op)->backend;
    ioc_poll_of(op)->backend = NULL;
    group->polls--;
    ioc_link_remove(&group->link);
    if (group->polls == 0 && afd__group_with_room(afd) != NULL) {
        group__close(port, group);
    } else {
        ioc_list_insert_behind(&afd->groups.ends, &group->link);
    }
}

/* ---- The base socket ---- */

/* 0, or a Winsock code. */
static uint32_t afd__ask_handle(const ioc_sys *sys, SOCKET socket, DWORD request, SOCKET *answer)
{
    return ioc_winsock_query(sys, socket, request, answer, sizeof *answer)
               ? 0
               : (uint32_t)sys->WSAGetLastError();
}

/* What a provider says that does not tell is kept; that it is no socket is the caller's mistake. */
static bool afd__find_base(const ioc_sys *sys, ioc_op *op)
{
    SOCKET socket = (SOCKET)ioc_poll_of(op)->socket;
    uint32_t error = 0;
    for (int layer = 0; layer < AFD_LAYERS; layer++) {
        SOCKET next = socket;
        SOCKET base = INVALID_SOCKET;
        error = afd__ask_handle(sys, socket, AFD_BASE_HANDLE, &base);
        if (error == 0) {
            ioc_poll_of(op)->base = (uintptr_t)base;
            return true;
        }
        if (error == WSAENOTSOCK || afd__ask_handle(sys, socket, AFD_BSP_HANDLE_POLL, &next) != 0 ||
            next == socket) {
            break;
        }
        socket = next;
    }
    op->outcome = (ioc_outcome){
        .status = error == WSAENOTSOCK ? IOCP_ENOTSOCK : IOCP_ENOTSUP,
        .native_error = error,
    };
    return false;
}

/* ---- The question ---- */

static afd_question *afd__question_of(const ioc_op *op)
{
    return (afd_question *)(void *)ioc_poll_of(op)->system;
}

/* The driver tells in the packet, also if it knows at once. */
static ioc_start afd__ask(ioc_win_port *port, ioc_op *op)
{
    ioc_poll *poll = ioc_poll_of(op);
    const afd_group *group = poll->backend;
    afd_question *question = afd__question_of(op);
    OVERLAPPED *overlapped = ioc_overlapped_prepare(op);
    poll->asked = afd__wanted(poll);
    poll->is_outdated = false;
    *question = (afd_question){
        .timeout = {.QuadPart = INT64_MAX},
        .count = 1,
        .socket = (HANDLE)poll->base,
        .events = afd__to_driver(poll->asked),
    };
    LONG status = ioc_nt_control(&afd__of(port)->calls, group->device, overlapped, AFD_IOCTL_POLL,
                                 question, (ULONG)sizeof *question);
    if (status == IOC_NT_SUCCESS || status == IOC_NT_PENDING) {
        return IOC_START_PENDING;
    }
    return ioc_overlapped_failed_nt(op, status);
}

ioc_start ioc_afd_start(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    ioc_poll *poll = ioc_poll_of(op);
    poll->is_ending = false;
    if (!afd__is_there(port)) {
        op->outcome = (ioc_outcome){.status = IOCP_ENOTSUP};
        return IOC_START_FAILED;
    }
    bool is_known = poll->base != 0 || afd__find_base(port->sys, op);
    if (!is_known || !afd__join_group(port, op)) {
        return IOC_START_FAILED;
    }
    ioc_start start = afd__ask(port, op);
    if (start != IOC_START_PENDING) {
        afd__leave_group(port, op);
    }
    return start;
}

static int afd__abort(ioc_win_port *port, ioc_op *op)
{
    const afd_group *group = ioc_poll_of(op)->backend;
    return ioc_overlapped_cancel_call(port, group->device, op);
}

int ioc_afd_cancel(ioc_port *port, ioc_op *op, bool *is_back)
{
    (void)is_back;
    ioc_poll *poll = ioc_poll_of(op);
    int status = afd__abort(ioc_win_port_of(port), op);
    poll->is_ending = poll->is_ending || status == IOCP_OK;
    return status;
}

int ioc_afd_revise(ioc_port *port, ioc_op *op, bool *is_back)
{
    (void)is_back;
    ioc_poll *poll = ioc_poll_of(op);
    if ((afd__wanted(poll) & ~poll->asked) == 0) {
        return IOCP_OK;
    }
    int status = afd__abort(ioc_win_port_of(port), op);
    poll->is_outdated = poll->is_outdated || status == IOCP_OK;
    return status;
}

/* Whether it has nothing to tell, and waits on, perhaps for other events than before. */
static bool afd__goes_on(ioc_op *op)
{
    ioc_poll *poll = ioc_poll_of(op);
    const afd_question *answer = afd__question_of(op);
    op->outcome.bytes = 0; /* of the answer's */
    if (op->outcome.status != IOCP_OK) {
        return op->outcome.status == IOCP_ECANCELED && poll->is_outdated && !poll->is_ending;
    }
    if ((answer->events & AFD_LOCAL_CLOSE) != 0) {
        op->outcome = (ioc_outcome){.status = IOCP_EBADF};
        return false;
    }
    poll->told = afd__from_driver(answer->events) & afd__wanted(poll);
    return poll->told == 0;
}

bool ioc_afd_complete(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    if (afd__goes_on(op) && afd__ask(port, op) == IOC_START_PENDING) {
        return false;
    }
    afd__leave_group(port, op);
    return true;
}
