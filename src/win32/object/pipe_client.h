/*
 * The side of a pipe that opens it, and PIPE_CONNECT.
 *
 * A thread of the pool opens the pipe. If all instances are busy the operation waits in the kernel
 * for one, and tries again on the pool: others may have been quicker. That wait has a limit and is
 * repeated, since not every system can take it back when it is cancelled (Wine 8 cannot): the
 * operation ends then when the limit has passed. If the pipe is gone the wait lasts that long, or
 * ends as aborted (in Wine); the next try says so.
 */
#ifndef IOC_PIPE_CLIENT_H
#define IOC_PIPE_CLIENT_H

#include "../overlapped.h"

/*
 * Open the other end of a pipe. `flags` are IOCP_PIPE_ bits of the end that is opened, `how`
 * FILE_FLAG_ bits. The Win32 code; with an error nothing is open. Any thread.
 */
uint32_t ioc_pipe_client_open(const ioc_sys *sys, const wchar_t *name, uint32_t flags, DWORD how,
                              HANDLE *client);

/* The slot of ioc_backend, for both sides. */
int ioc_pipe_client_peer(ioc_port *port, ioc_handle *handle, uint32_t *process_id);

/* Slots of ioc_win_kind. */
ioc_start ioc_pipe_client_start(ioc_port *port, ioc_op *op);
int ioc_pipe_client_cancel(ioc_port *port, ioc_op *op, bool *is_back);
void ioc_pipe_client_release(ioc_port *port, ioc_op *op);
bool ioc_pipe_client_connected(ioc_port *port, ioc_op *op);

#endif
