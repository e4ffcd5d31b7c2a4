#include "lookup.h"

#include "../wait.h"
#include "name.h"
#include "text/utf8.h"
#include "watch.h"
#include "winsock.h"

#include <string.h>

/* What the system knows of it, until it has answered. In op->block. */
typedef struct lookup_request {
    ioc_lookup lookup; /* first */
    OVERLAPPED overlapped;
    ADDRINFOEXW hints;
    ADDRINFOEXW *result;
    HANDLE handle;
    uint32_t error; /* of the call, WSA_IO_PENDING: the answer comes later */
    wchar_t host[IOC_NAME_HOST_BYTES];
    wchar_t service[IOC_NAME_SERVICE_BYTES];
} lookup_request;

_Static_assert(sizeof(lookup_request) <= sizeof(ioc_lookup) + IOC_LOOKUP_BYTES, "it fits");

static lookup_request *lookup__of(const ioc_op *op)
{
    return op->block;
}

/* ---- The start ---- */

/* NULL: there is none. */
static const wchar_t *lookup__widen(const char *text, wchar_t *wide, size_t room)
{
    (void)ioc_utf8_to_utf16(text, wide, room);
    return text[0] != '\0' ? wide : NULL;
}

static void lookup__fill(lookup_request *request, const ioc_names *names, HANDLE event)
{
    memset(&request->overlapped, 0, sizeof request->overlapped);
    memset(&request->hints, 0, sizeof request->hints);
    request->overlapped.hEvent = event;
    request->hints.ai_family = names->family;
    request->hints.ai_socktype = names->type;
    request->hints.ai_flags = ((names->flags & IOCP_RESOLVE_LISTEN) != 0 ? AI_PASSIVE : 0) |
                              (names->is_numeric ? AI_NUMERICHOST : 0);
    request->result = NULL;
    request->handle = NULL;
}

/* A service that is no name is none for the system: its port is known. */
static void lookup__ask(const ioc_sys *sys, lookup_request *request, const ioc_names *names)
{
    const char *service = names->has_port ? "" : names->service;
    const wchar_t *wide_host = lookup__widen(names->host, request->host, IOC_NAME_HOST_BYTES);
    const wchar_t *wide_service = lookup__widen(service, request->service, IOC_NAME_SERVICE_BYTES);
    request->error = (uint32_t)sys->GetAddrInfoExW(wide_host, wide_service, NS_ALL, NULL,
                                                   &request->hints, &request->result, NULL,
                                                   &request->overlapped, NULL, &request->handle);
    if (request->error != WSA_IO_PENDING) {
        (void)sys->SetEvent(request->overlapped.hEvent); /* which it is */
    }
}

/* The event stays set: two are told by it, us and whoever asks for the result. */
ioc_start ioc_lookup_start(ioc_port *base, ioc_op *op)
{
    const ioc_sys *sys = ioc_win_port_of(base)->sys;
    const ioc_names *names = ioc_name_target(ioc_win_port_of(base)->ops, op);
    IOC_ASSERT(names != NULL);
    HANDLE event = sys->CreateEventW(NULL, TRUE, FALSE, NULL);
    if (event == NULL) {
        return ioc_overlapped_failed(op, sys->GetLastError());
    }
    ioc_watch_of(op)->object = event;
    lookup__fill(lookup__of(op), names, event);
    ioc_start start = ioc_wait_start(base, op);
    if (start == IOC_START_PENDING) {
        lookup__ask(sys, lookup__of(op), names);
    } else {
        (void)sys->CloseHandle(event);
    }
    return start;
}

/* ---- The end ---- */

int ioc_lookup_cancel(ioc_port *base, ioc_op *op, bool *is_back)
{
    ioc_win_port *port = ioc_win_port_of(base);
    const ioc_sys *sys = port->sys;
    lookup_request *request = lookup__of(op);
    (void)is_back;
    if (request->error == WSA_IO_PENDING &&
        sys->GetAddrInfoExOverlappedResult(&request->overlapped) == WSAEINPROGRESS &&
        sys->GetAddrInfoExCancel(&request->handle) == 0) {
        ioc_winsock_keep(port);
    }
    return IOCP_OK;
}

static void lookup__tell(ioc_names *names, const ADDRINFOEXW *list)
{
    for (; names != NULL && list != NULL; list = (const ADDRINFOEXW *)list->ai_next) {
        ioc_name_add(names, list->ai_addr, list->ai_addrlen);
    }
}

bool ioc_lookup_answered(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    lookup_request *request = lookup__of(op);
    (void)ioc_wait_complete(base, op);
    if (request->error == WSA_IO_PENDING) {
        request->error = (uint32_t)port->sys->GetAddrInfoExOverlappedResult(&request->overlapped);
    }
    (void)port->sys->CloseHandle(request->overlapped.hEvent);
    if (request->error != 0) {
        (void)ioc_overlapped_failed(op, request->error);
    } else {
        lookup__tell(ioc_name_target(port->ops, op), request->result);
    }
    if (request->result != NULL) {
        port->sys->FreeAddrInfoExW(request->result);
    }
    return true;
}
