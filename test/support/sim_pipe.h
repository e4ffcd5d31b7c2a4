/*
 * Simulated named pipes. An end is a stream that is connected from its birth (sim_net.h); what is
 * here is how one comes to be.
 */
#ifndef TEST_SIM_PIPE_H
#define TEST_SIM_PIPE_H

#include "sim_net.h"

/* ---- Under the lock ---- */

/* Slots of the backend. */
int sim_pipe_pair(sim_port *port, sim_handle *ours, sim_handle *theirs, uint32_t flags);
void sim_pipe_give_away(sim_handle *handle);

#endif
