#include "pipe_client.h"

#include "../work.h"
#include "file.h"
#include "pipe.h"
#include "text/utf8.h"

#include <string.h>
#include <wchar.h>

/* ---- Opening ---- */

/* To change how it reads, a pipe has to be opened with one right more. */
static DWORD client__access(uint32_t flags)
{
    return ((flags & IOCP_PIPE_READ) != 0 ? GENERIC_READ | FILE_WRITE_ATTRIBUTES : 0u) |
           ((flags & IOCP_PIPE_WRITE) != 0 ? GENERIC_WRITE : 0u);
}

/* Whoever serves what is opened may learn who we are, and not act in our name. */
static HANDLE client__create(const ioc_sys *sys, const wchar_t *name, DWORD access, DWORD share,
                             DWORD how)
{
    return sys->CreateFileW(name, access, share, NULL, OPEN_EXISTING,
                            SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION | how, NULL);
}

/* A client reads bytes at first. One that only writes has nothing to say about it. */
static bool client__set_mode(const ioc_sys *sys, HANDLE client, uint32_t flags)
{
    DWORD mode = PIPE_READMODE_MESSAGE;
    const uint32_t both = IOCP_PIPE_READ | IOCP_PIPE_MESSAGE;
    return (flags & both) != both || sys->SetNamedPipeHandleState(client, &mode, NULL, NULL);
}

uint32_t ioc_pipe_client_open(const ioc_sys *sys, const wchar_t *name, uint32_t flags, DWORD how,
                              HANDLE *client)
{
    *client = client__create(sys, name, client__access(flags), 0, how);
    if (*client == INVALID_HANDLE_VALUE) {
        return sys->GetLastError();
    }
    if (client__set_mode(sys, *client, flags)) {
        return 0;
    }
    uint32_t error = sys->GetLastError();
    (void)sys->CloseHandle(*client);
    *client = INVALID_HANDLE_VALUE;
    return error;
}

/* ---- The other end ---- */

/* On another machine its number means nothing here. */
int ioc_pipe_client_peer(ioc_port *base, ioc_handle *core_handle, uint32_t *process_id)
{
    ioc_win_port *port = ioc_win_port_of(base);
    const ioc_win_handle *handle = ioc_win_handle_of(core_handle);
    const ioc_sys *sys = port->sys;
    DWORD end = 0;
    ULONG id = 0;
    if (handle->is_remote) {
        return IOCP_ENOTSUP;
    }
    if (!sys->GetNamedPipeInfo(handle->native, &end, NULL, NULL, NULL)) {
        return ioc_port_fail_last(port);
    }
    BOOL is_told = (end & PIPE_SERVER_END) != 0
                       ? sys->GetNamedPipeClientProcessId(handle->native, &id)
                       : sys->GetNamedPipeServerProcessId(handle->native, &id);
    if (!is_told) {
        return ioc_port_fail_last(port);
    }
    *process_id = id;
    return IOCP_OK;
}

/* ---- Connecting: on the pool ---- */

#define CONNECT_UNITS       (IOC_PIPE_NAME_BYTES + 1)
#define CONNECT_PIPES       L"\\pipe\\"
#define CONNECT_PIPES_UNITS 6

/* Where the pipe's own name begins, behind "\\machine\pipe\": the form was looked at before. */
static wchar_t *connect__own_name(wchar_t *name)
{
    return wcschr(name + 2, L'\\') + CONNECT_PIPES_UNITS;
}

/* All pipes of the machine that the name is on: who has that can wait for one of them. */
static uint32_t connect__open_pipes(const ioc_sys *sys, ioc_pipe_connect *connect, wchar_t *name)
{
    if (connect->opening.backend != NULL) {
        return 0;
    }
    *connect__own_name(name) = L'\0';
    HANDLE pipes = client__create(sys, name, FILE_READ_ATTRIBUTES | SYNCHRONIZE,
                                  FILE_SHARE_READ | FILE_SHARE_WRITE, FILE_FLAG_OVERLAPPED);
    if (pipes == INVALID_HANDLE_VALUE) {
        return sys->GetLastError();
    }
    connect->opening.backend = pipes;
    return 0;
}

/* The Win32 code; ERROR_PIPE_BUSY: all that is needed to wait is there. */
static uint64_t IOCP_CALL connect__try(void *arg)
{
    ioc_op *op = arg;
    const ioc_sys *sys = ioc_overlapped_port(op)->sys;
    ioc_pipe_connect *connect = ioc_pipe_connect_of(op);
    wchar_t name[CONNECT_UNITS];
    if (ioc_utf8_to_utf16(connect->name, name, CONNECT_UNITS) == 0) {
        return ERROR_NO_UNICODE_TRANSLATION;
    }
    uint32_t error = ioc_pipe_client_open(sys, name, connect->flags, FILE_FLAG_OVERLAPPED,
                                          &ioc_win_opened_by(op)->native);
    if (error != ERROR_PIPE_BUSY) {
        return error;
    }
    uint32_t other_error = connect__open_pipes(sys, connect, name);
    return other_error != 0 ? other_error : error;
}

static ioc_start connect__start_try(ioc_port *port, ioc_op *op)
{
    ioc_pipe_connect_of(op)->is_waiting = false;
    *ioc_work_of(op) = (ioc_work){.function = connect__try, .arg = op};
    return ioc_work_start(port, op);
}

/* ---- Connecting: waiting for an instance ---- */

#define CONNECT_WAIT_MS 250

/* FILE_PIPE_WAIT_FOR_BUFFER of <ntifs.h>; the code is there, too (FSCTL_PIPE_WAIT). */
typedef struct connect_wait {
    LARGE_INTEGER timeout; /* below 0: from now on, in 100 ns */
    ULONG name_bytes;
    BOOLEAN has_timeout;
    wchar_t name[CONNECT_UNITS];
} connect_wait;

#define CONNECT_FSCTL_WAIT 0x00110018u

/* The pipe's own name, without a zero. How large the whole is. */
static DWORD wait__fill(connect_wait *wait, const ioc_pipe_connect *connect)
{
    wchar_t name[CONNECT_UNITS];
    (void)ioc_utf8_to_utf16(connect->name, name, CONNECT_UNITS);
    const wchar_t *own = connect__own_name(name);
    size_t bytes = wcslen(own) * sizeof *own;
    wait->timeout.QuadPart = -10000ll * CONNECT_WAIT_MS;
    wait->name_bytes = (ULONG)bytes;
    wait->has_timeout = TRUE;
    memcpy(wait->name, own, bytes);
    return (DWORD)(offsetof(connect_wait, name) + bytes);
}

/* The system copies what it is given. */
static ioc_start connect__start_wait(ioc_win_port *port, ioc_op *op)
{
    ioc_pipe_connect *connect = ioc_pipe_connect_of(op);
    connect_wait wait;
    DWORD bytes = wait__fill(&wait, connect);
    if (!connect->is_joined && ioc_port_associate(port, connect->opening.backend) != IOCP_OK) {
        return ioc_overlapped_failed(op, port->base.native_error);
    }
    connect->is_joined = true;
    connect->is_waiting = true;
    OVERLAPPED *overlapped = ioc_overlapped_prepare(op);
    /* What is done at once sends a packet, too. */
    if (port->sys->DeviceIoControl(connect->opening.backend, CONNECT_FSCTL_WAIT, &wait, bytes, NULL,
                                   0, NULL, overlapped)) {
        return IOC_START_PENDING;
    }
    uint32_t error = port->sys->GetLastError();
    return error == ERROR_IO_PENDING ? IOC_START_PENDING : ioc_overlapped_failed(op, error);
}

/* ---- Connecting: the operation ---- */

/* Whatever goes on is asked for the end again: here. */
static bool connect__may_go_on(const ioc_win_port *port, ioc_op *op)
{
    if (op->intent == 0 && ioc_op_can_start(port->ops, op)) {
        return true;
    }
    op->outcome = (ioc_outcome){.status = IOCP_ECANCELED};
    return false;
}

static void connect__fail(ioc_op *op, uint32_t error)
{
    (void)ioc_overlapped_failed(op, error);
    if (error == ERROR_BAD_NETPATH) {
        op->outcome.status = IOCP_EHOSTUNREACH;
    }
}

static void connect__use(ioc_win_port *port, ioc_op *op)
{
    const ioc_pipe_connect *connect = ioc_pipe_connect_of(op);
    ioc_win_handle *handle = ioc_win_opened_by(op);
    handle->is_remote = ioc_pipe_is_remote(connect->name);
    int status = ioc_file_join_port(port, handle);
    if (status != IOCP_OK) {
        (void)ioc_overlapped_failed(op, port->base.native_error);
        ioc_file_close(port, handle);
    }
}

/* Whether the operation is over. */
static bool connect__has_tried(ioc_win_port *port, ioc_op *op)
{
    bool has_run = op->outcome.status == IOCP_OK;
    uint32_t error = (uint32_t)ioc_work_of(op)->value;
    (void)ioc_work_complete(&port->base, op);
    if (!has_run) {
        return true;
    }
    if (error == 0) {
        connect__use(port, op);
        return true;
    }
    if (error != ERROR_PIPE_BUSY) {
        connect__fail(op, error);
        return true;
    }
    return !connect__may_go_on(port, op) || connect__start_wait(port, op) != IOC_START_PENDING;
}

/* An instance is there, or was; or the wait's limit has passed; or somebody else has aborted it. */
static bool connect__is_worth_a_try(int status)
{
    return status == IOCP_OK || status == IOCP_ETIMEDOUT || status == IOCP_ECANCELED;
}

static bool connect__has_waited(ioc_win_port *port, ioc_op *op)
{
    return !connect__is_worth_a_try(op->outcome.status) || !connect__may_go_on(port, op) ||
           connect__start_try(&port->base, op) != IOC_START_PENDING;
}

bool ioc_pipe_client_connected(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    return ioc_pipe_connect_of(op)->is_waiting ? connect__has_waited(port, op)
                                               : connect__has_tried(port, op);
}

ioc_start ioc_pipe_client_start(ioc_port *port, ioc_op *op)
{
    op->is_held = true;
    return connect__start_try(port, op);
}

int ioc_pipe_client_cancel(ioc_port *base, ioc_op *op, bool *is_back)
{
    ioc_win_port *port = ioc_win_port_of(base);
    const ioc_pipe_connect *connect = ioc_pipe_connect_of(op);
    if (!connect->is_waiting) {
        return ioc_work_cancel_call(base, op, is_back);
    }
    return ioc_overlapped_cancel_call(port, connect->opening.backend, op);
}

void ioc_pipe_client_release(ioc_port *base, ioc_op *op)
{
    ioc_pipe_connect *connect = ioc_pipe_connect_of(op);
    if (connect->opening.backend != NULL) {
        (void)ioc_win_port_of(base)->sys->CloseHandle(connect->opening.backend);
        connect->opening.backend = NULL;
    }
}
