#include "process.h"

#include "../wait.h"
#include "watch.h"

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
