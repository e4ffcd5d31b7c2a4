/*
 * The simulated system's names. It answers at an event of its own, in a dequeue; sim_hold_names keeps it
 * from that. All ports share them.
 *
 *   localhost           ::1, 127.0.0.1
 *   many.test           more addresses than a list holds
 *   twice.test          10.0.0.1, 10.0.0.2, 10.0.0.1, and an address of another family
 *   ipv4.test           10.0.0.1
 *   bücher.test     10.0.0.3
 *   busy.test           no name server answers
 *
 * and the services "http" of streams, "domain" of both.
 */
#ifndef TEST_SIM_NAME_H
#define TEST_SIM_NAME_H

#include "sim_net.h"

/* Slots of sim_kind, of LOOKUP. */
int sim_name_start(sim_op *op);
void sim_name_answer(sim_op *op);
void sim_name_tell(sim_op *op);

#endif
