/*
 * A test on Windows and its loop: on IOCP, with a table of system calls and an allocator of the test's
 * own, so that the test sees what it asks of the system and that nothing of it is left.
 *
 * A test begins (win_begin), puts calls of its own into the table, and opens its loop (win_open); what
 * its callbacks are told it keeps in a contract_record. In the end nothing may be left (win_end).
 */
#ifndef TEST_WIN_LOOP_H
#define TEST_WIN_LOOP_H

#include "unit.h"

#include "iocploop.h"
#include "win32/sys.h"

#include "contract_env.h"

/* ---- The test ---- */

typedef struct win_test {
    ioc_sys sys; /* of its loop: that of win_faults.h, unless the test changes it */
    unit_memory memory;
    size_t handles_before;
    iocp_loop_t *loop; /* NULL: it has none now */
} win_test;

extern win_test win;

/* From here on its records are filled, and what is open now is what may be open in the end. */
void win_begin(void);

/* Its loop, after the one that it had is destroyed. */
void win_open(iocp_completion_mode_t mode);
void win_open_with(iocp_loop_options_t options);

/* Nothing fails any more, its records may be gone, and its loop is destroyed. */
void win_close(void);

/* CMocka's: to begin with the system's own calls and open a loop; to close it, and look that nothing is left. */
int win_setup(void **state);
int win_end(void **state);

/* Winsock for the test's own sockets, until the program ends. */
void win_use_winsock(void);

/* A plain socket of the test's, which blocks, connected to that address. */
SOCKET win_connect(const contract_address *address);

/* ---- What its callbacks were told ---- */

/* Run the loop until the record has `calls` calls. Fails if it ends before, or has more. */
void win_wait(const contract_record *record, int calls);

/* It has so many calls, and the last one was told this. */
void win_expect(const contract_record *record, int calls, int status, uint32_t native_error);

/* ---- Loops besides ---- */

/* `options` but for its size and its allocator. The table has to live as long as the loop. */
int win_loop_try_create(const ioc_sys *sys, unit_memory *memory, iocp_loop_options_t options,
                        iocp_loop_t **loop);
iocp_loop_t *win_loop_create(const ioc_sys *sys, unit_memory *memory, iocp_completion_mode_t mode);

/* If there is one, however long it takes; there is none then. */
void win_loop_destroy(iocp_loop_t **loop);

/*
 * A life: a loop of few operations, each of which may fail. `started` counts those that were accepted,
 * so have to call back.
 */
typedef struct win_life {
    int started;
    contract_record records[5];
    char data[8]; /* to receive into */
} win_life;

void win_life_count(win_life *life, int status);

/*
 * In both ways of completion, each system call of a life failing in turn, opening its loop among them:
 * whatever was started has called back once, and the loop has ended.
 */
void win_live_with_faults(void (*live)(iocp_loop_t *loop, win_life *life));

/* When all loops are gone: that they gave back their memory, their handles and what else they took. */
void win_loop_check_leaks(const unit_memory *memory, size_t handles_before);

#endif
