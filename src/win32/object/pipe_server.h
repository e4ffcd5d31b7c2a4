/*
 * The side of a pipe that makes it: listeners, and pairs. Once connected both sides are read,
 * written and closed as files are (file.h).
 *
 * Listeners. Each accept waits on an instance of the pipe that becomes its connection. From listen
 * on at least one instance waits for a client, as far as the limit and the system allow: when the
 * last accept that waits has got its client, the next instance is made before its callback runs. An
 * instance whose accept was cancelled goes on waiting, with its client if one has come in the
 * meantime, and is the next accept's; so a cancel loses nobody.
 *
 * Pairs. A pipe whose ends need no name has one all the same, for Windows' anonymous pipes cannot
 * be overlapped: a name of 128 random bits, which is served once, to its owner alone. The owner of
 * what a process makes is its user; of one that is elevated it is the administrators.
 */
#ifndef IOC_PIPE_SERVER_H
#define IOC_PIPE_SERVER_H

#include "../overlapped.h"

/* Slots of ioc_backend. */
int ioc_pipe_server_listen(ioc_port *port, ioc_handle *handle, const char *name,
                           const iocp_pipe_options_t *options);
int ioc_pipe_server_pair(ioc_port *port, ioc_handle *ours, ioc_handle *theirs, uint32_t flags);

/* Of a class of handles, listeners: see backend.c. */
void ioc_pipe_server_close(ioc_win_port *port, ioc_win_handle *handle);

/* Slots of ioc_win_kind. */
ioc_start ioc_pipe_server_start_accept(ioc_port *port, ioc_op *op);
int ioc_pipe_server_cancel_accept(ioc_port *port, ioc_op *op, bool *is_back);
bool ioc_pipe_server_accepted(ioc_port *port, ioc_op *op);

#endif
