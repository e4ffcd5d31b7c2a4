#include "pipe.h"

#include "file.h"

#include <string.h>

#define PIPE_BUFFER_BYTES 65536

/* ---- Instances ---- */

/* What all instances of a pipe have in common. */
typedef struct pipe_shape {
    const wchar_t *name;
    SECURITY_ATTRIBUTES security; /* inherited by nobody */
    uint32_t flags;               /* IOCP_PIPE_ bits */
    DWORD instances;
    DWORD buffer_bytes;
} pipe_shape;

/* The text is SDDL. What it became is given back by shape__forget_security. */
static int shape__set_security(ioc_win_port *port, pipe_shape *shape, const wchar_t *text)
{
    shape->security.nLength = sizeof shape->security;
    return port->sys->ConvertStringSecurityDescriptorToSecurityDescriptorW(
               text, SDDL_REVISION_1, &shape->security.lpSecurityDescriptor, NULL)
               ? IOCP_OK
               : ioc_port_fail_last(port);
}

static void shape__forget_security(const ioc_win_port *port, pipe_shape *shape)
{
    if (shape->security.lpSecurityDescriptor != NULL) {
        (void)port->sys->LocalFree(shape->security.lpSecurityDescriptor);
    }
}

static DWORD shape__access(const pipe_shape *shape)
{
    return ((shape->flags & IOCP_PIPE_READ) != 0 ? PIPE_ACCESS_INBOUND : 0u) |
           ((shape->flags & IOCP_PIPE_WRITE) != 0 ? PIPE_ACCESS_OUTBOUND : 0u);
}

static DWORD shape__type(const pipe_shape *shape)
{
    bool has_messages = (shape->flags & IOCP_PIPE_MESSAGE) != 0;
    return (has_messages ? PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE : 0u) |
           PIPE_REJECT_REMOTE_CLIENTS;
}

/* `how` are FILE_FLAG_ bits. */
static int shape__create(ioc_win_port *port, const pipe_shape *shape, DWORD how, HANDLE *instance)
{
    SECURITY_ATTRIBUTES security = shape->security;
    *instance = port->sys->CreateNamedPipeW(shape->name, shape__access(shape) | how,
                                            shape__type(shape), shape->instances,
                                            shape->buffer_bytes, shape->buffer_bytes, 0, &security);
    return *instance != INVALID_HANDLE_VALUE ? IOCP_OK : ioc_port_fail_last(port);
}

/* ---- Clients ---- */

/* To change how it reads, a pipe has to be opened with one right more. */
static DWORD client__access(uint32_t flags)
{
    return ((flags & IOCP_PIPE_READ) != 0 ? GENERIC_READ | FILE_WRITE_ATTRIBUTES : 0u) |
           ((flags & IOCP_PIPE_WRITE) != 0 ? GENERIC_WRITE : 0u);
}

/* Whoever serves it may learn who we are, and not act in our name. */
static HANDLE client__open(const ioc_sys *sys, const wchar_t *name, uint32_t flags, DWORD how)
{
    return sys->CreateFileW(name, client__access(flags), 0, NULL, OPEN_EXISTING,
                            SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION | how, NULL);
}

/* A client reads bytes at first. */
static bool client__read_messages(const ioc_sys *sys, HANDLE client, uint32_t flags)
{
    DWORD mode = PIPE_READMODE_MESSAGE;
    const uint32_t both = IOCP_PIPE_READ | IOCP_PIPE_MESSAGE;
    return (flags & both) != both || sys->SetNamedPipeHandleState(client, &mode, NULL, NULL);
}

/* ---- Pairs ---- */

#define PAIR_PREFIX       L"\\\\.\\pipe\\iocploop-"
#define PAIR_PREFIX_UNITS (sizeof PAIR_PREFIX / sizeof(wchar_t) - 1)
#define PAIR_RANDOM_BYTES 16
#define PAIR_NAME_UNITS   (PAIR_PREFIX_UNITS + 2 * PAIR_RANDOM_BYTES + 1)
#define PAIR_OWNER_ALONE  L"D:P(A;;GA;;;OW)"

static int pair__invent_name(ioc_win_port *port, wchar_t name[PAIR_NAME_UNITS])
{
    static const wchar_t digits[] = L"0123456789abcdef";
    unsigned char random[PAIR_RANDOM_BYTES];
    if (!port->sys->RtlGenRandom(random, sizeof random)) {
        return ioc_port_fail(port, ERROR_NO_SYSTEM_RESOURCES); /* it sets no code */
    }
    memcpy(name, PAIR_PREFIX, PAIR_PREFIX_UNITS * sizeof *name);
    wchar_t *to = name + PAIR_PREFIX_UNITS;
    for (size_t i = 0; i < sizeof random; i++) {
        *to++ = digits[random[i] >> 4];
        *to++ = digits[random[i] & 15];
    }
    *to = L'\0';
    return IOCP_OK;
}

/* The other end of what the shape's one instance reads and writes. */
static int pair__open_theirs(ioc_win_port *port, const pipe_shape *shape, HANDLE *theirs)
{
    uint32_t flags = (shape->flags & IOCP_PIPE_MESSAGE) |
                     ((shape->flags & IOCP_PIPE_READ) != 0 ? IOCP_PIPE_WRITE : 0u) |
                     ((shape->flags & IOCP_PIPE_WRITE) != 0 ? IOCP_PIPE_READ : 0u);
    *theirs = client__open(port->sys, shape->name, flags, 0);
    if (*theirs == INVALID_HANDLE_VALUE) {
        return ioc_port_fail_last(port);
    }
    if (client__read_messages(port->sys, *theirs, flags)) {
        return IOCP_OK;
    }
    int status = ioc_port_fail_last(port);
    (void)port->sys->CloseHandle(*theirs);
    return status;
}

/* Both ends, or none. */
static int pair__create(ioc_win_port *port, ioc_win_handle *ours, ioc_win_handle *theirs,
                        const pipe_shape *shape)
{
    bool is_for_children = (shape->flags & IOCP_PIPE_CHILDREN) != 0;
    DWORD how = FILE_FLAG_FIRST_PIPE_INSTANCE | (is_for_children ? 0u : FILE_FLAG_OVERLAPPED);
    int status = shape__create(port, shape, how, &ours->native);
    if (status != IOCP_OK) {
        return status;
    }
    ours->handle.kind = (uint8_t)(is_for_children ? IOCP_HANDLE_PIPE_END : IOCP_HANDLE_PIPE);
    theirs->handle.kind = IOCP_HANDLE_PIPE_END;
    status = is_for_children ? IOCP_OK : ioc_file_join_port(port, ours);
    if (status == IOCP_OK) {
        status = pair__open_theirs(port, shape, &theirs->native);
    }
    if (status != IOCP_OK) {
        (void)port->sys->CloseHandle(ours->native);
    }
    return status;
}

int ioc_pipe_pair(ioc_port *base, ioc_handle *ours, ioc_handle *theirs, uint32_t flags)
{
    ioc_win_port *port = ioc_win_port_of(base);
    wchar_t name[PAIR_NAME_UNITS];
    pipe_shape shape = {
        .name = name, .flags = flags, .instances = 1, .buffer_bytes = PIPE_BUFFER_BYTES};
    int status = pair__invent_name(port, name);
    if (status == IOCP_OK) {
        status = shape__set_security(port, &shape, PAIR_OWNER_ALONE);
    }
    if (status == IOCP_OK) {
        status = pair__create(port, ioc_win_handle_of(ours), ioc_win_handle_of(theirs), &shape);
    }
    shape__forget_security(port, &shape);
    return status;
}
