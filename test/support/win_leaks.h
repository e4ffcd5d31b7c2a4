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

/*
 * The same once no more than so many are open, or after some seconds. A thread of the pool ends later
 * than what it was asked for, and the pool opens one for a moment when it makes a thread. If there are
 * not as many as that, it says of what types they are.
 */
size_t win_settled_handles(size_t handles_before);

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
