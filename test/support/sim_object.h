/*
 * Simulated kernel objects: events, semaphores, processes that end when the test says so, jobs; and
 * blocking work. Like the network they are shared by all ports. A test names one by its number.
 *
 * A signal goes to the wait that has waited longest, the moment that it is given; from then on it is
 * taken, whether the wait is cancelled before its packet comes or not.
 *
 * A job sends its messages to the port of its watch. They are packets that name the watch by a
 * number of its own, and may come when it waits, when it does not, and when it is over.
 *
 * A process that a loop has started with a group of its own ends when it is asked to. A tree is a job
 * whose number the loop's handle of the first process has: a stop ends all that runs in it, and so
 * does its close if that is so wanted.
 *
 * A function of blocking work runs in a dequeue, when its time has come. Until then a cancel keeps
 * it from running.
 */
#ifndef TEST_SIM_OBJECT_H
#define TEST_SIM_OBJECT_H

#include "sim_net.h"

/* ---- Under the lock ---- */

/* Slots of sim_kind; tell_watch also of a console's watch. */
int sim_object_start_wait(sim_op *op);
int sim_object_start_watch(sim_op *op);
int sim_object_start_work(sim_op *op);
void sim_object_tell_watch(sim_op *op);
void sim_object_tell_work(sim_op *op);
void sim_object_release(sim_op *op); /* the watch of a job */

/* A handle of a loop's to a process: whether this is one; its waits; its end. */
bool sim_process_is(uintptr_t number);
int sim_process_start_wait(sim_op *op);
void sim_process_close(uintptr_t number);

/* One that runs, of which there is one handle; these three ends of pipes, or NULL, are its own. */
uintptr_t sim_process_spawn(sim_socket **ends, bool has_group, bool has_console);

/* Its pseudo console, whose the ends of pipes are; all that is in it ends with it. */
void sim_process_close_console(uintptr_t number);

/* Its tree, which all that it starts is in as well. */
uintptr_t sim_tree_create(uintptr_t process, bool ends_by_close);
void sim_tree_close(uintptr_t tree);

/* Its stops: slots of sim_kind, and of the backend. False: it cannot be ended. */
int sim_process_start_stop(sim_op *op);
void sim_process_ask(sim_op *op);
void sim_process_tell_stop(sim_op *op);
bool sim_process_revise(sim_op *op);

/* Run the function of an operation. N.B. Not under the lock: it may call what any thread may. */
void sim_object_run_work(sim_op *op);

/*
 * Take the message of a job that comes first. The operation that it ends, to be handed over, or
 * NULL; *is_known tells whether the watch is one of today's. Forget all that a port has.
 */
sim_op *sim_object_take_message(sim_port *port, bool *is_known);
void sim_object_drop_messages(sim_port *port);

/* When the first message comes; IOC_FOREVER: there is none. */
uint64_t sim_object_next_message(const sim_port *port);

/* ---- The tests' side. Any thread. ---- */

uintptr_t sim_event_create(bool is_manual, bool is_set);
void sim_event_set(uintptr_t event);
void sim_event_reset(uintptr_t event);

uintptr_t sim_semaphore_create(uint32_t count);
void sim_semaphore_release(uintptr_t semaphore, uint32_t count);

/* A process that runs; in a job if that is not 0, which then sends its messages. */
uintptr_t sim_process_create(uintptr_t job);
void sim_process_end(uintptr_t process, uint32_t exit_code);

/* One that a process has started by itself. */
uintptr_t sim_process_create_child(uintptr_t process);

/* From now on it cannot be ended by a stop. */
void sim_process_guard(uintptr_t process);

/* All that a loop has started; and how many ever. */
void sim_process_end_spawned(uint32_t exit_code);
uint64_t sim_process_spawned(void);

uintptr_t sim_job_create(void);

/* A message of the test's own. */
void sim_job_send(uintptr_t job, uint32_t message, uint64_t value);

/* Take a signal if there is one, as a wait does that does not wait. */
bool sim_object_try(uintptr_t object);

/* One more handle, which has the same number, and is closed for itself. */
uintptr_t sim_object_duplicate(uintptr_t object);
void sim_object_close(uintptr_t object);

/* Objects that have a handle or are in use. */
size_t sim_object_count(void);

#endif
