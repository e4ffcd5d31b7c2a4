/* Kernel objects, processes and jobs of the test's own, for the contract tests. */
#ifndef TEST_CONTRACT_OBJECT_H
#define TEST_CONTRACT_OBJECT_H

#include "contract_env.h"

/* What jobs tell, as <winnt.h> has it. */
#define CONTRACT_JOB_NO_PROCESS   4 /* JOB_OBJECT_MSG_ACTIVE_PROCESS_ZERO */
#define CONTRACT_JOB_NEW_PROCESS  6
#define CONTRACT_JOB_EXIT_PROCESS 7

/* Of any thread; objects are closed by contract_object_close. */
void *contract_event_create(bool is_manual, bool is_set);
void contract_event_set(void *event);
void contract_event_reset(void *event);

void *contract_semaphore_create(uint32_t count);
void contract_semaphore_release(void *semaphore, uint32_t count);

void *contract_job_create(void);

/* Take a signal if there is one, as a wait does that does not wait. */
bool contract_object_try(void *object);

/* Wait for a signal. N.B. Not in the simulation: there nobody else would run meanwhile. */
void contract_object_block(void *object);

/* One more handle to the same. */
void *contract_object_duplicate(void *object);
void contract_object_close(void *object);

/* Something that is not the name of an object. */
void *contract_object_bad(void);

typedef struct contract_process {
    void *handle;
    void *orders; /* where the exit code goes in */
    uint64_t id;
} contract_process;

/* A process that runs, in a job if that is not NULL. */
contract_process contract_process_start(void *job);

/* Tell it to end, which it need not hear any more; the first form returns when it has ended. */
void contract_process_end(contract_process *process, uint32_t exit_code);
void contract_process_order_end(contract_process *process, uint32_t exit_code);
void contract_process_close(contract_process *process);

/* On a loop, which gets a handle of its own. */
iocp_handle_t contract_process_adopt(iocp_loop_t *loop, const contract_process *process);

/* The same with a handle that does not allow to end it. */
iocp_handle_t contract_process_adopt_guarded(iocp_loop_t *loop, const contract_process *process);

/* Whether a process with a group of its own hears a Ctrl-Break that is made here. */
bool contract_process_can_be_asked(void);

/* How to start such processes by iocp_spawn, which take their orders from where `orders` leads. */
typedef struct contract_spawn {
    iocp_spawn_options_t options;
    const char *arguments[3];
    char program[1024];
    void *input;
    void *orders;
    void *output;
    void *told; /* by one that has a child */
} contract_spawn;

void contract_spawn_open(contract_spawn *spawn);

/* As contract_process_order_end, to whichever of them comes first, or with the id of the only one. */
void contract_spawn_order_end(contract_spawn *spawn, uint64_t id, uint32_t exit_code);

/*
 * One that starts a child by itself, which goes on until somebody ends it; with nothing but its arguments
 * and its output that is the test's. A handle to that child, of the one with this id.
 */
void contract_spawn_be_parent(contract_spawn *spawn);
void *contract_spawn_child(contract_spawn *spawn, uint64_t id);

/* End such a child. */
void contract_spawn_end_child(void *child);

/* Those that have had no order end now. */
void contract_spawn_close(contract_spawn *spawn);

/*
 * First in the main function of every program that uses any of this. A process that the tests start
 * is the same program again: it does not return from here.
 */
void contract_object_begin(void);

/* Whether a job that was watched once can be watched again. */
bool contract_job_can_be_watched_again(void);

/* A number for the calling thread. */
uint64_t contract_thread_id(void);

#endif
