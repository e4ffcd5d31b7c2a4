/* What comes after the wait for a process: its exit code. */
#ifndef IOC_PROCESS_H
#define IOC_PROCESS_H

#include "../overlapped.h"

/* ioc_win_kind.complete of PROCESS_WAIT. */
bool ioc_process_exited(ioc_port *port, ioc_op *op);

#endif
