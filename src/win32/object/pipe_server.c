#include "pipe_server.h"

#include "file.h"
#include "pipe.h"
#include "pipe_client.h"
#include "text/utf8.h"

#include <string.h>

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
           ((shape->flags & IOCP_PIPE_REMOTE) != 0 ? 0u : PIPE_REJECT_REMOTE_CLIENTS);
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

/* ---- Pairs ---- */

#define PAIR_PREFIX       L"\\\\.\\pipe\\iocploop-"
#define PAIR_PREFIX_UNITS (sizeof PAIR_PREFIX / sizeof(wchar_t) - 1)
#define PAIR_RANDOM_BYTES 16
#define PAIR_NAME_UNITS   (PAIR_PREFIX_UNITS + 2 * PAIR_RANDOM_BYTES + 1)
#define PAIR_BUFFER_BYTES 65536
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
    uint32_t error = ioc_pipe_client_open(port->sys, shape->name, flags, 0, theirs);
    return error == 0 ? IOCP_OK : ioc_port_fail(port, error);
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

int ioc_pipe_server_pair(ioc_port *base, ioc_handle *ours, ioc_handle *theirs, uint32_t flags)
{
    ioc_win_port *port = ioc_win_port_of(base);
    wchar_t name[PAIR_NAME_UNITS];
    pipe_shape shape = {
        .name = name, .flags = flags, .instances = 1, .buffer_bytes = PAIR_BUFFER_BYTES};
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

/* ---- Listeners ---- */

/* One that waits for a client, or has one that nobody has accepted. It is bound to the port. */
typedef struct pipe_instance {
    HANDLE native;
    bool skips_packets;
} pipe_instance;

struct ioc_pipe_listener {
    pipe_shape shape;
    pipe_instance
        *idle; /* without an accept; there is room for those of all accepts that wait, too */
    uint32_t idle_count;
    uint32_t accepts; /* that wait, each with an instance */
    uint32_t room;
    wchar_t name[IOC_PIPE_NAME_BYTES];
};

typedef struct ioc_pipe_listener pipe_listener;

#define LISTENER_OWNER_AND_SYSTEM L"D:P(A;;GA;;;SY)(A;;GA;;;OW)"
#define LISTENER_ROOM             4

/* In SDDL, in UTF-8. */
static int listener__set_security(ioc_win_port *port, pipe_listener *self, const char *text)
{
    if (text == NULL) {
        return shape__set_security(port, &self->shape, LISTENER_OWNER_AND_SYSTEM);
    }
    size_t units = ioc_utf8_to_utf16(text, NULL, 0);
    if (units == 0) {
        return IOCP_EINVAL;
    }
    wchar_t *wide = ioc_alloc_take(port->alloc, units * sizeof *wide);
    if (wide == NULL) {
        return IOCP_ENOMEM;
    }
    (void)ioc_utf8_to_utf16(text, wide, units);
    int status = shape__set_security(port, &self->shape, wide);
    ioc_alloc_give(port->alloc, wide);
    return status == IOCP_OK || status == IOCP_ENOMEM ? status : IOCP_EINVAL; /* of many codes */
}

static bool listener__make_room(ioc_win_port *port, pipe_listener *self)
{
    if (self->idle_count + self->accepts < self->room) {
        return true;
    }
    uint32_t room = self->room == 0 ? LISTENER_ROOM : 2 * self->room;
    pipe_instance *idle = ioc_alloc_take(port->alloc, room * sizeof *idle);
    if (idle == NULL) {
        return false;
    }
    if (self->idle_count > 0) {
        memcpy(idle, self->idle, self->idle_count * sizeof *idle);
    }
    ioc_alloc_give(port->alloc, self->idle);
    self->idle = idle;
    self->room = room;
    return true;
}

/* There is room for it. The handle has none then. */
static void listener__keep(pipe_listener *self, ioc_win_handle *instance)
{
    IOC_ASSERT(self->idle_count < self->room);
    self->idle[self->idle_count++] = (pipe_instance){instance->native, instance->skips_packets};
    instance->native = INVALID_HANDLE_VALUE;
    instance->is_associated = false;
}

/* A fresh instance, bound to the port. `how` are FILE_FLAG_ bits. */
static int listener__create(ioc_win_port *port, const pipe_listener *self, DWORD how,
                            ioc_win_handle *instance)
{
    int status = shape__create(port, &self->shape, how | FILE_FLAG_OVERLAPPED, &instance->native);
    if (status != IOCP_OK) {
        return status;
    }
    status = ioc_file_join_port(port, instance);
    if (status != IOCP_OK) {
        ioc_file_close(port, instance);
    }
    return status;
}

/* For the next client, without an accept. */
static int listener__create_idle(ioc_win_port *port, pipe_listener *self, DWORD how)
{
    ioc_win_handle instance = {.is_associated = false};
    if (!listener__make_room(port, self)) {
        return IOCP_ENOMEM;
    }
    int status = listener__create(port, self, how, &instance);
    if (status == IOCP_OK) {
        listener__keep(self, &instance);
    }
    return status;
}

static void listener__free(ioc_win_port *port, pipe_listener *self)
{
    for (uint32_t i = 0; i < self->idle_count; i++) {
        (void)port->sys->CloseHandle(self->idle[i].native);
    }
    shape__forget_security(port, &self->shape);
    ioc_alloc_give(port->alloc, self->idle);
    ioc_alloc_give(port->alloc, self);
}

/*
 * For the first instance the system has one code more for a name that is taken, and says the same
 * of one that may not be used.
 */
static int listener__explain(const ioc_win_port *port, const pipe_listener *self, int status)
{
    bool is_taken = port->base.native_error == ERROR_PIPE_BUSY ||
                    (port->base.native_error == ERROR_ACCESS_DENIED &&
                     (self->shape.flags & IOCP_PIPE_SHARED) == 0);
    return status != IOCP_OK && is_taken ? IOCP_EADDRINUSE : status;
}

static int listener__open(ioc_win_port *port, pipe_listener *self,
                          const iocp_pipe_options_t *options)
{
    bool is_shared = (options->flags & IOCP_PIPE_SHARED) != 0;
    int status = listener__set_security(port, self, options->security);
    if (status != IOCP_OK) {
        return status;
    }
    status = listener__create_idle(port, self, is_shared ? 0u : FILE_FLAG_FIRST_PIPE_INSTANCE);
    return listener__explain(port, self, status);
}

int ioc_pipe_server_listen(ioc_port *base, ioc_handle *core_handle, const char *name,
                           const iocp_pipe_options_t *options)
{
    ioc_win_port *port = ioc_win_port_of(base);
    ioc_win_handle *handle = ioc_win_handle_of(core_handle);
    pipe_listener *self = ioc_alloc_take(port->alloc, sizeof *self);
    if (self == NULL) {
        return IOCP_ENOMEM;
    }
    *self =
        (pipe_listener){.shape = {.flags = options->flags,
                                  .instances = options->instances != 0 ? options->instances
                                                                       : PIPE_UNLIMITED_INSTANCES,
                                  .buffer_bytes = options->buffer_bytes}};
    self->shape.name = self->name;
    bool is_text = ioc_utf8_to_utf16(name, self->name, IOC_PIPE_NAME_BYTES) != 0;
    int status = is_text ? listener__open(port, self, options) : IOCP_EINVAL;
    if (status != IOCP_OK) {
        listener__free(port, self);
        return status;
    }
    handle->handle.kind = IOCP_HANDLE_PIPE_LISTENER;
    handle->instances = self;
    return IOCP_OK;
}

void ioc_pipe_server_close(ioc_win_port *port, ioc_win_handle *handle)
{
    if (handle->instances != NULL) {
        listener__free(port, handle->instances);
        handle->instances = NULL;
    }
}

/* ---- Accepting ---- */

static pipe_listener *accept__listener(const ioc_op *op)
{
    return ioc_win_handle_of(op->handle)->instances;
}

/* One that waits already, the longest first: its client is there perhaps. Or a fresh one. */
static int accept__take_instance(ioc_win_port *port, pipe_listener *self, ioc_win_handle *instance)
{
    if (!listener__make_room(port, self)) {
        return IOCP_ENOMEM;
    }
    if (self->idle_count == 0) {
        int status = listener__create(port, self, 0, instance);
        /* As many as it may have are connections: a want, as that of handles. */
        return port->base.native_error == ERROR_PIPE_BUSY && status != IOCP_OK ? IOCP_EMFILE
                                                                               : status;
    }
    instance->native = self->idle[0].native;
    instance->skips_packets = self->idle[0].skips_packets;
    instance->is_associated = true;
    self->idle_count--;
    memmove(self->idle, self->idle + 1, self->idle_count * sizeof *self->idle);
    return IOCP_OK;
}

/*
 * A client that came before this call has the one code, and one that has left again the other: what
 * it wrote can still be read.
 */
static bool accept__has_client(uint32_t error)
{
    return error == ERROR_PIPE_CONNECTED || error == ERROR_NO_DATA;
}

static ioc_start accept__connect(ioc_port *base, ioc_op *op)
{
    const ioc_win_port *port = ioc_win_port_of(base);
    OVERLAPPED *overlapped = ioc_overlapped_prepare(op);
    /* By an overlapped handle it is never done at once (its page). */
    uint32_t error = port->sys->ConnectNamedPipe(ioc_win_opened_by(op)->native, overlapped)
                         ? ERROR_IO_PENDING
                         : port->sys->GetLastError();
    if (accept__has_client(error)) {
        (void)ioc_overlapped_prepare(op);
        return ioc_overlapped_settled(base, op);
    }
    return ioc_overlapped_started(base, op, true, error);
}

ioc_start ioc_pipe_server_start_accept(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    pipe_listener *self = accept__listener(op);
    base->native_error = 0;
    int status = accept__take_instance(port, self, ioc_win_opened_by(op));
    if (status != IOCP_OK) {
        op->outcome = (ioc_outcome){.status = status, .native_error = base->native_error};
        return IOC_START_FAILED;
    }
    self->accepts++;
    ioc_start start = accept__connect(base, op);
    if (start == IOC_START_FAILED) {
        self->accepts--;
        listener__keep(self, ioc_win_opened_by(op));
    }
    return start;
}

/*
 * Where the system refuses although the listener or the loop ends, closing the instance is the
 * other way: no request to end all of a handle's reaches it.
 */
int ioc_pipe_server_cancel_accept(ioc_port *base, ioc_op *op, bool *is_back)
{
    ioc_win_port *port = ioc_win_port_of(base);
    ioc_win_handle *instance = ioc_win_opened_by(op);
    (void)is_back;
    if (instance->native == INVALID_HANDLE_VALUE ||
        port->sys->CancelIoEx(instance->native, &ioc_win_op_of(op)->token.overlapped)) {
        return IOCP_OK;
    }
    DWORD error = port->sys->GetLastError();
    if (error == ERROR_NOT_FOUND) {
        return IOCP_OK;
    }
    if (ioc_op_can_start(port->ops, op)) {
        return ioc_port_fail(port, error);
    }
    ioc_file_close(port, instance);
    return IOCP_OK;
}

/* A failure to make the next instance is told by the accept that misses it. */
static void accept__succeed(ioc_win_port *port, pipe_listener *self, ioc_win_handle *instance)
{
    instance->handle.kind = IOCP_HANDLE_PIPE;
    instance->is_remote = (self->shape.flags & IOCP_PIPE_REMOTE) != 0;
    if (self->accepts == 0 && self->idle_count == 0) {
        (void)listener__create_idle(port, self, 0);
    }
}

bool ioc_pipe_server_accepted(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    pipe_listener *self = accept__listener(op);
    ioc_win_handle *instance = ioc_win_opened_by(op);
    self->accepts--;
    if (instance->native == INVALID_HANDLE_VALUE) {
        op->outcome = (ioc_outcome){.status = IOCP_ECANCELED};
    } else if (op->outcome.status == IOCP_OK) {
        accept__succeed(port, self, instance);
    } else if (op->outcome.status == IOCP_ECANCELED) {
        listener__keep(self, instance);
    } else {
        ioc_file_close(port, instance);
    }
    return true;
}
