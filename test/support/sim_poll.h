/* Simulated polls: of whatever socket there is, whoever has it open. */
#ifndef TEST_SIM_POLL_H
#define TEST_SIM_POLL_H

#include "sim_net.h"

/* ---- Under the lock ---- */

/* Something may have changed: end those polls that have something to tell. */
void sim_poll_look(void);

/* Whether a receive, or an accept, would have no need to wait. */
bool sim_poll_can_read(const sim_socket *socket);

/* Slots of sim_kind. */
int sim_poll_start(sim_op *op);
bool sim_poll_revise(sim_op *op);
void sim_poll_tell(sim_op *op);

#endif
