/*
 * Processes: taking them over, waiting for their end, the exit code that comes after it, and making
 * them end.
 *
 * A stop has two steps: the pool asks, since a console takes its time, and then it waits as a wait
 * does. That its grace is over changes nothing of that: the process is ended, and its end comes.
 */
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

/* The same, of PROCESS_STOP, and a slot of ioc_backend. */
ioc_start ioc_process_start_stop(ioc_port *port, ioc_op *op);
int ioc_process_cancel_stop(ioc_port *port, ioc_op *op, bool *is_back);
bool ioc_process_stopped(ioc_port *port, ioc_op *op);
int ioc_process_revise_stop(ioc_port *port, ioc_op *op, bool *is_back);

#endif
