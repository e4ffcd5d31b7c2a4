#include "work.h"

#include "port.h"

/* ioc_win_op.state */
enum {
    WORK_QUEUED,
    WORK_RUNNING,
    WORK_CANCELLED
};

/* On a thread of the pool. */
static void CALLBACK work__run(PTP_CALLBACK_INSTANCE instance, void *context)
{
    ioc_op *op = context;
    (void)instance;
    if (ioc_compare_exchange_u32(&ioc_win_op_of(op)->state, WORK_QUEUED, WORK_RUNNING)) {
        op->as.work.value = op->as.work.function(op->as.work.arg);
    } else {
        ioc_overlapped_settle_cancelled(op);
    }
    ioc_port_post_back(ioc_overlapped_port(op), op);
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

ioc_start ioc_work_start(ioc_port *base, ioc_op *op, ioc_complete_fn complete)
{
    ioc_win_port *port = ioc_win_port_of(base);
    TP_CALLBACK_ENVIRON environment = {.Version = 1, .RaceDll = work__module(port->sys)};
    ioc_overlapped_prepare_posted(op, base, complete);
    ioc_store_u32(&ioc_win_op_of(op)->state, WORK_QUEUED);
    if (!port->sys->TrySubmitThreadpoolCallback(work__run, op, &environment)) {
        return ioc_overlapped_failed(op, port->sys->GetLastError());
    }
    return IOC_START_PENDING;
}

int ioc_work_cancel(ioc_port *port, ioc_op *op)
{
    (void)port;
    (void)ioc_compare_exchange_u32(&ioc_win_op_of(op)->state, WORK_QUEUED, WORK_CANCELLED);
    return IOCP_OK;
}
