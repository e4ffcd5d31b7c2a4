/*
 * What every test program on Windows needs: a count of open handles, whether it is Windows, and an
 * end for crashes.
 */
#ifndef TEST_WIN_LEAKS_H
#define TEST_WIN_LEAKS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * How many handles of the system this process has open: sockets, ports, threads, everything. Exact,
 * so two counts can be compared; the first loop of a process opens a few that stay.
 */
size_t win_open_handles(void);

/* Which Wine this is, 8 or 10 or another; 0: it is Windows. */
int win_wine_version(void);

/* Whether this is Wine: a test that only Windows passes is skipped there, and says so. */
bool win_is_wine(void);

/*
 * From here on a crash ends the process with an exit code of its own. Under Wine the code of a crash
 * is one byte of the NTSTATUS, which may be 0 and then looks like success.
 */
#define WIN_CRASH_EXIT_CODE 99
void win_catch_crashes(void);

#endif
