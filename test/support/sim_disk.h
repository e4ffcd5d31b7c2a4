/* Simulated operations on paths: each takes effect some time after its start, as those of files do. */
#ifndef TEST_SIM_DISK_H
#define TEST_SIM_DISK_H

#include "sim_net.h"

/* The slot of the backend. Under the lock. */
int sim_disk_plan(sim_op *op, const char *from, const char *to);

/* Slots of sim_kind. */
int sim_disk_start(sim_op *op);
void sim_disk_release(sim_op *op);
void sim_disk_open(sim_op *op);
void sim_disk_tell_opened(sim_op *op);
void sim_disk_stat(sim_op *op);
void sim_disk_copy(sim_op *op);
void sim_disk_rename(sim_op *op);
void sim_disk_remove(sim_op *op);
void sim_disk_create_folder(sim_op *op);

#endif
