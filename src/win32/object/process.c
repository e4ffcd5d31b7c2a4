#include "process.h"

#include "../wait.h"
#include "../work.h"
#include "pseudo_console.h"
#include "stop.h"
#include "watch.h"

void ioc_process_open(ioc_handle *core_handle, HANDLE process, DWORD id, HANDLE tree)
{
    ioc_win_handle *handle = ioc_win_handle_of(core_handle);
    core_handle->kind = IOCP_HANDLE_PROCESS;
    core_handle->process_id = id;
    handle->native = process;
    handle->tree = tree;
}

/* The handle that stands for this process has an id, and cannot be waited for nor closed. */
int ioc_process_adopt(ioc_port *base, ioc_handle *core_handle, void *native)
{
    ioc_win_port *port = ioc_win_port_of(base);
    if (native == INVALID_HANDLE_VALUE) {
        return ioc_port_fail(port, ERROR_INVALID_HANDLE);
    }
    DWORD id = port->sys->GetProcessId(native);
    if (id == 0 || !port->sys->SetHandleInformation(native, HANDLE_FLAG_INHERIT, 0)) {
        return ioc_port_fail_last(port);
    }
    ioc_process_open(core_handle, native, id, NULL);
    return IOCP_OK;
}

void ioc_process_close(ioc_win_port *port, ioc_win_handle *handle)
{
    if (handle->native != INVALID_HANDLE_VALUE) {
        (void)port->sys->CloseHandle(handle->native);
        handle->native = INVALID_HANDLE_VALUE;
    }
    if (handle->tree != NULL) {
        (void)port->sys->CloseHandle(handle->tree);
        handle->tree = NULL;
    }
    if (handle->console != NULL) {
        ioc_pseudo_console_close(port, handle->console);
        handle->console = NULL;
    }
}

ioc_start ioc_process_start_wait(ioc_port *port, ioc_op *op)
{
    ioc_watch_of(op)->object = ioc_win_handle_of(op->handle)->native;
    return ioc_wait_start(port, op);
}

bool ioc_process_exited(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    ioc_watch *watch = ioc_watch_of(op);
    DWORD code = 0;
    (void)ioc_wait_complete(base, op);
    if (op->outcome.status != IOCP_OK) {
        return true;
    }
    if (!port->sys->GetExitCodeProcess(watch->object, &code)) {
        (void)ioc_overlapped_failed(op, port->sys->GetLastError());
        return true;
    }
    watch->value = code;
    return true;
}

/* ---- Stopping: ending the process ---- */

/* As of one that Ctrl-Break has ended. */
#define STOP_EXIT_CODE 0xC000013Au /* STATUS_CONTROL_C_EXIT */

static bool process__has_ended(const ioc_win_port *port, HANDLE process)
{
    return port->sys->WaitForSingleObject(process, 0) == WAIT_OBJECT_0;
}

/*
 * Windows denies access also to a process that is ending: then what it was asked for comes by itself.
 * Our handle says which of the two it was.
 */
static bool process__is_ending(const ioc_win_port *port, HANDLE process, uint32_t error)
{
    return error == ERROR_ACCESS_DENIED &&
           (ioc_nt_granted(port->sys, process) & PROCESS_TERMINATE) != 0;
}

/* The process with its tree. False: see ioc_stop.native_error. */
static bool stop__end(ioc_win_port *port, const ioc_op *op)
{
    const ioc_sys *sys = port->sys;
    ioc_win_handle *handle = ioc_win_handle_of(op->handle);
    ioc_stop *stop = ioc_stop_of(op);
    stop->native_error = 0;
    if (process__has_ended(port, handle->native)) {
        return true;
    }
    if (handle->tree != NULL ? sys->TerminateJobObject(handle->tree, STOP_EXIT_CODE)
                             : sys->TerminateProcess(handle->native, STOP_EXIT_CODE)) {
        handle->is_forced = true;
        return true;
    }
    uint32_t error = sys->GetLastError();
    stop->native_error = process__is_ending(port, handle->native, error) ? 0 : error;
    return stop->native_error == 0;
}

/* ---- Stopping: waiting for its end ---- */

static ioc_start stop__start_wait(ioc_port *port, ioc_op *op)
{
    ioc_stop_of(op)->is_waiting = true;
    *ioc_watch_of(op) = (ioc_watch){.object = ioc_win_handle_of(op->handle)->native};
    return ioc_wait_start(port, op);
}

/* Of a tree, whose first process has ended. */
static void stop__end_rest(ioc_win_port *port, ioc_op *op)
{
    const ioc_win_handle *handle = ioc_win_handle_of(op->handle);
    if (handle->tree != NULL && !port->sys->TerminateJobObject(handle->tree, STOP_EXIT_CODE)) {
        (void)ioc_overlapped_failed(op, port->sys->GetLastError());
    }
}

/* Back without an end: because it could not be ended, or since somebody did not want to wait. */
static void stop__explain(ioc_op *op)
{
    uint32_t error = ioc_stop_of(op)->native_error;
    if (op->outcome.status == IOCP_ECANCELED && error != 0) {
        (void)ioc_overlapped_failed(op, error);
    }
}

/* One that was quicker than its end by a stop has an exit code of its own. */
static bool stop__has_waited(ioc_win_port *port, ioc_op *op)
{
    (void)ioc_process_exited(&port->base, op);
    if (op->outcome.status != IOCP_OK) {
        stop__explain(op);
        return true;
    }
    if (ioc_win_handle_of(op->handle)->is_forced && ioc_watch_of(op)->value == STOP_EXIT_CODE) {
        op->flags |= IOCP_RESULT_FORCED;
    }
    stop__end_rest(port, op);
    return true;
}

/* ---- Stopping: asking ---- */

/* 0, or the Win32 code. The console may hold it up. */
static uint64_t IOCP_CALL stop__ask(void *arg)
{
    const ioc_op *op = arg;
    const ioc_sys *sys = ioc_overlapped_port(op)->sys;
    return sys->GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, op->handle->process_id)
               ? 0
               : sys->GetLastError();
}

static ioc_start stop__cannot_ask(ioc_op *op, uint32_t error)
{
    op->outcome = (ioc_outcome){.status = IOCP_ENOTSUP, .native_error = error};
    return IOC_START_FAILED;
}

/* Whether the operation is over. Nobody asks for its end again who has asked meanwhile. */
static bool stop__has_asked(ioc_win_port *port, ioc_op *op)
{
    bool has_run = op->outcome.status == IOCP_OK;
    uint32_t error = (uint32_t)ioc_work_of(op)->value;
    (void)ioc_work_complete(&port->base, op);
    if (has_run && (op->intent != 0 || !ioc_op_can_start(port->ops, op) ||
                    ioc_stop_of(op)->native_error != 0)) {
        op->outcome = (ioc_outcome){.status = IOCP_ECANCELED};
    }
    if (op->outcome.status != IOCP_OK) {
        stop__explain(op);
        return true;
    }
    if (error != 0 && ioc_stop_of(op)->grace_ns == IOC_FOREVER &&
        !process__has_ended(port, ioc_win_handle_of(op->handle)->native)) {
        (void)stop__cannot_ask(op, error);
        return true;
    }
    return stop__start_wait(&port->base, op) != IOC_START_PENDING;
}

/* ---- Stopping: the operation ---- */

bool ioc_process_stopped(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    return ioc_stop_of(op)->is_waiting ? stop__has_waited(port, op) : stop__has_asked(port, op);
}

ioc_start ioc_process_start_stop(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    const ioc_win_handle *handle = ioc_win_handle_of(op->handle);
    ioc_stop *stop = ioc_stop_of(op);
    stop->native_error = 0;
    stop->is_waiting = false;
    if (stop->grace_ns == 0 && !stop__end(port, op)) {
        return ioc_overlapped_failed(op, stop->native_error);
    }
    if (stop->grace_ns == 0 || process__has_ended(port, handle->native)) {
        return stop__start_wait(base, op);
    }
    if (handle->has_group) {
        *ioc_work_of(op) = (ioc_work){.function = stop__ask, .arg = op};
        return ioc_work_start(base, op);
    }
    return stop->grace_ns == IOC_FOREVER ? stop__cannot_ask(op, 0) : stop__start_wait(base, op);
}

int ioc_process_cancel_stop(ioc_port *port, ioc_op *op, bool *is_back)
{
    return ioc_stop_of(op)->is_waiting ? ioc_wait_cancel(port, op, is_back)
                                       : ioc_work_cancel_call(port, op, is_back);
}

/* What cannot be ended is not waited for. */
int ioc_process_revise_stop(ioc_port *port, ioc_op *op, bool *is_back)
{
    return stop__end(ioc_win_port_of(port), op) ? IOCP_OK
                                                : ioc_process_cancel_stop(port, op, is_back);
}
