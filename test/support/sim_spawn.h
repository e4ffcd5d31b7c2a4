/*
 * Simulated spawns: a process that the test ends (sim_object.h). Programs are there whatever they are
 * called, but for SIM_NO_PROGRAM. Its ends of pipes are the child's until it ends.
 */
#ifndef TEST_SIM_SPAWN_H
#define TEST_SIM_SPAWN_H

#include "sim_net.h"

#define SIM_NO_PROGRAM "no_such_program"

/* ---- Under the lock ---- */

/* Slots of the backend. */
void sim_spawn_plan(sim_op *op, const iocp_spawn_options_t *options,
                    struct ioc_handle *const *ends);
void sim_spawn_ended(sim_op *op);

/* Slots of sim_kind. */
int sim_spawn_start(sim_op *op);
void sim_spawn_carry_out(sim_op *op);
void sim_spawn_tell(sim_op *op);
void sim_spawn_release(sim_op *op);

#endif
