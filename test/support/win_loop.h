/*
 * The loop of a test on Windows: on IOCP, with a table of system calls and an allocator of the test's
 * own, so that the test sees what it asks of the system and that nothing of it is left.
 */
#ifndef TEST_WIN_LOOP_H
#define TEST_WIN_LOOP_H

#include "unit.h"

#include "iocploop.h"
#include "win32/sys.h"

/* `options` but for its size and its allocator. The table has to live as long as the loop. */
int win_loop_try_create(const ioc_sys *sys, unit_memory *memory, iocp_loop_options_t options,
                        iocp_loop_t **loop);
iocp_loop_t *win_loop_create(const ioc_sys *sys, unit_memory *memory, iocp_completion_mode_t mode);

/* If there is one, however long it takes; there is none then. */
void win_loop_destroy(iocp_loop_t **loop);

/* When all loops are gone: that they gave back their memory, their handles and what else they took. */
void win_loop_check_leaks(const unit_memory *memory, size_t handles_before);

#endif
