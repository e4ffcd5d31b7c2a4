/* Processes: taking them over, waiting for their end, and the exit code that comes after it. */
#ifndef IOC_PROCESS_H
#define IOC_PROCESS_H

#include "../overlapped.h"

/* A fresh handle of a process, and of the job that holds all that it starts, or NULL. */
void ioc_process_open(ioc_handle *handle, HANDLE process, DWORD id, HANDLE tree);

/* Slots of ioc_backend and of a class of handles. */
int ioc_process_adopt(ioc_port *port, ioc_handle *handle, void *native);
void ioc_process_close(ioc_win_port *port, ioc_win_handle *handle);

/* Slots of ioc_win_kind, of PROCESS_WAIT. */
ioc_start ioc_process_start_wait(ioc_port *port, ioc_op *op);
bool ioc_process_exited(ioc_port *port, ioc_op *op);

#endif
