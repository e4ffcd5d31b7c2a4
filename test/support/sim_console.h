/*
 * The simulated console: events that come to every watch of every port, and wait for their answers. On
 * Windows a thread waits with each of them; here a test asks what has become of it.
 */
#ifndef TEST_SIM_CONSOLE_H
#define TEST_SIM_CONSOLE_H

#include "sim_net.h"

/* ---- Under the lock. Slots of sim_kind; its tell is that of the other watches. ---- */

int sim_console_start(sim_op *op);
void sim_console_release(sim_op *op);

/* ---- The tests' side. Any thread. ---- */

typedef enum sim_console_answer {
    SIM_CONSOLE_NONE,    /* a watch has not answered yet */
    SIM_CONSOLE_PASSED,  /* nobody was told: it goes on to other handlers */
    SIM_CONSOLE_HANDLED, /* and Windows goes on */
    SIM_CONSOLE_STAYS    /* Windows is kept waiting until the process ends */
} sim_console_answer;

typedef struct sim_console_event sim_console_event;

/* An event comes; what came of it so far; forget it, once there is an answer. */
sim_console_event *sim_console_raise(iocp_console_event_t which);
sim_console_answer sim_console_look(const sim_console_event *event);
void sim_console_forget(sim_console_event *event);

/* Events that were not forgotten, and watches. */
size_t sim_console_count(void);

#endif
