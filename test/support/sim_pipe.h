/*
 * Simulated named pipes. An end is a stream that is connected from its birth (sim_net.h), and one
 * that serves a pipe is a listener whose backlog is the one instance that nobody has accepted from.
 * What is here is how they come to be. They carry bytes, also where messages are asked for.
 */
#ifndef TEST_SIM_PIPE_H
#define TEST_SIM_PIPE_H

#include "sim_net.h"

/* ---- Under the lock ---- */

/* Slots of the backend. */
int sim_pipe_listen(sim_port *port, sim_handle *handle, const char *name,
                    const iocp_pipe_options_t *options);
int sim_pipe_pair(sim_port *port, sim_handle *ours, sim_handle *theirs, uint32_t flags);
void sim_pipe_give_away(sim_handle *handle);

/* Slots of sim_kind for a connect: a thread of the pool opens the pipe, or finds it busy. */
int sim_pipe_connect(sim_op *op);
void sim_pipe_open(sim_op *op);
void sim_pipe_tell(sim_op *op);

/* Close the ends of a child's streams, by IOCP_STDIN and so on. NULL: none; one may stand in several. */
void sim_pipe_close_ends(sim_socket **ends);

#endif
