/*
 * Calls of the program's own, in the simulation: the function that starts an operation is given the
 * number of its handle and a pointer, as it is given a HANDLE and an OVERLAPPED on Windows, and calls one
 * of these with both. They answer as Windows' functions do: 0, ERROR_IO_PENDING, or what is wrong.
 *
 * A file has locks of ranges of its bytes, as Windows has: each is a handle's, none of two overlap, and
 * they go with the handle.
 */
#ifndef TEST_SIM_CALL_H
#define TEST_SIM_CALL_H

#include "sim_net.h"

#define SIM_IO_PENDING 997

/* ---- Under the lock ---- */

/* The slot of sim_kind: have the program start its call. N.B. Gives the lock up meanwhile. */
int sim_call_start(sim_op *op);

/* The code that the program's function answered, if it is not one of the simulation's. */
uint32_t sim_call_error(const sim_op *op, int status);

/* An open file is closed: its locks go. */
void sim_call_forget(uintptr_t file);

/* ---- The program's side ---- */

/* Receive from a socket or a pipe. */
uint32_t sim_call_receive(void *native, void *overlapped, void *data, uint32_t size);

/* Lock a range of a file, when it is free. */
uint32_t sim_call_lock(void *native, void *overlapped, uint64_t offset, uint64_t bytes);

/* The same for a handle that is nobody's operation, now or not at all; the end of a lock. */
bool sim_lock_take(void *native, uint64_t offset, uint64_t bytes);
void sim_lock_give(void *native, uint64_t offset, uint64_t bytes);

#endif
