#include "work.h"

/* ioc_win_op.state */
enum {
    WORK_QUEUED,
    WORK_RUNNING,
    WORK_ASKED, /* right now, by a thread that has to be waited for */
    WORK_DONE,
    WORK_CANCELLED
};

static bool work__change(ioc_op *op, uint32_t from, uint32_t to)
{
    return ioc_compare_exchange_u32(&ioc_win_op_of(op)->state, from, to);
}

/* On a thread of the pool. One that was cancelled is not touched any more behind that. */
static void CALLBACK work__run(PTP_CALLBACK_INSTANCE instance, void *context, PTP_WORK pool_work)
{
    ioc_op *op = context;
    ioc_work *work = ioc_work_of(op);
    (void)pool_work;
    ioc_win_port *port = ioc_overlapped_port(op);
    ioc_win_op_of(op)->thread_id = port->sys->GetCurrentThreadId();
    if (!work__change(op, WORK_QUEUED, WORK_RUNNING)) {
        return;
    }
    (void)port->sys->CallbackMayRunLong(instance); /* others need not wait behind it */
    work->value = work->function(work->arg);
    while (!work__change(op, WORK_RUNNING, WORK_DONE)) {
        (void)port->sys->SwitchToThread();
    }
    ioc_port_post_back(port, &ioc_win_op_of(op)->token);
}

/* The module that this is linked into must stay until the pool's thread has left it. */
static HMODULE work__module(const ioc_sys *sys)
{
    HMODULE module = NULL;
    DWORD flags =
        GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
    return sys->GetModuleHandleExW(flags, (const wchar_t *)(uintptr_t)work__run, &module) ? module
                                                                                          : NULL;
}

PTP_WORK ioc_work_create(const ioc_sys *sys, PTP_WORK_CALLBACK function, void *context)
{
    TP_CALLBACK_ENVIRON environment = {.Version = 1, .RaceDll = work__module(sys)};
    return sys->CreateThreadpoolWork(function, context, &environment);
}

ioc_start ioc_work_start(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    ioc_overlapped_prepare_posted(op, base);
    ioc_store_u32(&ioc_win_op_of(op)->state, WORK_QUEUED);
    PTP_WORK pool_work = ioc_work_create(port->sys, work__run, op);
    if (pool_work == NULL) {
        return ioc_overlapped_failed(op, port->sys->GetLastError());
    }
    ioc_work_of(op)->backend = pool_work;
    port->sys->SubmitThreadpoolWork(pool_work);
    return IOC_START_PENDING;
}

/*
 * The wait takes the work out of the pool's queue, or, if a thread has just taken it, lasts until
 * that has seen that it is cancelled.
 */
int ioc_work_cancel(ioc_port *base, ioc_op *op, bool *is_back)
{
    ioc_win_port *port = ioc_win_port_of(base);
    if (!work__change(op, WORK_QUEUED, WORK_CANCELLED)) {
        return IOCP_OK;
    }
    port->sys->WaitForThreadpoolWorkCallbacks(ioc_work_of(op)->backend, TRUE);
    *is_back = true;
    ioc_overlapped_abort(base, op);
    return IOCP_OK;
}

/* Its thread is in the function. That there is nothing to be cancelled (ERROR_NOT_FOUND) is fine. */
static int work__ask(ioc_win_port *port, const ioc_op *op)
{
    HANDLE thread = port->sys->OpenThread(THREAD_TERMINATE, FALSE, ioc_win_op_of(op)->thread_id);
    if (thread == NULL) {
        return ioc_port_fail_last(port);
    }
    bool is_asked = port->sys->CancelSynchronousIo(thread);
    DWORD error = is_asked ? 0 : port->sys->GetLastError();
    (void)port->sys->CloseHandle(thread);
    return is_asked || error == ERROR_NOT_FOUND ? IOCP_OK : ioc_port_fail(port, error);
}

int ioc_work_cancel_call(ioc_port *base, ioc_op *op, bool *is_back)
{
    int status = ioc_work_cancel(base, op, is_back);
    if (status == IOCP_OK && !*is_back && work__change(op, WORK_RUNNING, WORK_ASKED)) {
        status = work__ask(ioc_win_port_of(base), op);
        ioc_store_u32(&ioc_win_op_of(op)->state, WORK_RUNNING);
    }
    return status;
}

bool ioc_work_complete(ioc_port *base, ioc_op *op)
{
    ioc_win_port_of(base)->sys->CloseThreadpoolWork(ioc_work_of(op)->backend);
    ioc_work_of(op)->backend = NULL;
    return true;
}

/* ---- On a handle ---- */

HANDLE ioc_work_take_duplicate(ioc_op *op)
{
    ioc_work *work = ioc_work_of(op);
    HANDLE duplicate = (HANDLE)(uintptr_t)work->value;
    work->value = 0;
    return duplicate;
}

ioc_start ioc_work_start_on_duplicate(ioc_port *base, ioc_op *op, iocp_work_fn function)
{
    ioc_win_port *port = ioc_win_port_of(base);
    HANDLE duplicate = NULL;
    if (!ioc_port_duplicate(port, ioc_win_handle_of(op->handle)->native, &duplicate)) {
        return ioc_overlapped_failed(op, port->sys->GetLastError());
    }
    *ioc_work_of(op) = (ioc_work){.function = function, .arg = op, .value = (uintptr_t)duplicate};
    ioc_start start = ioc_work_start(base, op);
    if (start == IOC_START_FAILED) {
        (void)port->sys->CloseHandle(duplicate);
    }
    return start;
}

bool ioc_work_complete_on_duplicate(ioc_port *base, ioc_op *op)
{
    bool has_run = op->outcome.status == IOCP_OK;
    (void)ioc_work_complete(base, op);
    if (!has_run) {
        (void)ioc_win_port_of(base)->sys->CloseHandle(ioc_work_take_duplicate(op));
    }
    return has_run;
}
