/*
 * What the simulation keeps of changes in folders. A folder that was watched once keeps what happens in
 * it, in 64 KiB, until it is closed; the one watch that waits for it is told the first that happens,
 * and the next one all that has come since. The records are those of Windows, with details. Half of a
 * rename may end a watch without the other (sim_script.partial).
 *
 * Under the lock.
 */
#ifndef TEST_SIM_FOLDER_H
#define TEST_SIM_FOLDER_H

#include "sim_content.h"

/* Slots of sim_kind. */
int sim_folder_start_watch(sim_op *op);
bool sim_folder_revise_watch(sim_op *op);
void sim_folder_tell_watch(sim_op *op);

/* The same of a list, which is what was there when it began, some names at a time. */
int sim_folder_start_list(sim_op *op);
void sim_folder_list(sim_op *op);
void sim_folder_release_list(sim_op *op);

/* An open folder is closed. */
void sim_folder_close(uintptr_t number);

/* What the disk tells, when it is so; of what is removed, and has its name still. */
void sim_folder_added(const sim_content *content);
void sim_folder_removed(const sim_content *content);
void sim_folder_modified(const sim_content *content);
void sim_folder_renamed(const sim_content *content, const char *old_path);

#endif
