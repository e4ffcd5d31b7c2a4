/* Events of the console, for the contract tests. */
#ifndef TEST_CONTRACT_CONSOLE_H
#define TEST_CONTRACT_CONSOLE_H

#include "contract_env.h"

#include "threads.h"

/* What the handlers have made of an event, in the end. */
typedef enum contract_console_answer {
    CONTRACT_CONSOLE_PASSED = 1, /* it went on to the handler that was there before */
    CONTRACT_CONSOLE_HANDLED,
    CONTRACT_CONSOLE_STAYS /* Windows is kept waiting: told by the simulation alone */
} contract_console_answer;

/* In place from raise to end. */
typedef struct contract_console {
    iocp_console_event_t which;
    test_thread thread;
    contract_console_answer answer;
    void *simulated;
} contract_console;

/*
 * An event comes to this process, and to no other. On Windows a thread goes through the process's
 * handlers as the one does that Windows starts for it (CtrlRoutine, of kernelbase), and several of
 * them go through one after the other, in any order. In the simulation they come at once.
 */
void contract_console_raise(contract_console *event, iocp_console_event_t which);

/* When all have answered. In the simulation they must have. */
contract_console_answer contract_console_end(contract_console *event);

/* First in the main function of every program that uses this: a handler behind all others. */
void contract_console_begin(void);

#endif
