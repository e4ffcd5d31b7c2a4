/*
 * All cases by turns, on loops that live as long as the program does: what grows? The first window
 * is the warm-up.
 */
#include "load.h"

#include "win_leaks.h"

#include <windows.h>

#include <psapi.h>

#include <stdio.h>

#define SOAK_WINDOWS   20
#define SOAK_FEWEST    3    /* where the time is over before, since the machine is busy */
#define SOAK_SLACK_KIB 2048 /* what the C library and the system keep, whoever runs */
#define SOAK_BLOCKS    8    /* a page more of operations, of connections */

typedef struct soak_window {
    size_t handles;
    uint64_t kib;
    uint64_t blocks;
    uint64_t pending;
} soak_window;

static uint64_t soak__kib(void)
{
    PROCESS_MEMORY_COUNTERS counters = {.cb = sizeof counters};
    load_require(K32GetProcessMemoryInfo(GetCurrentProcess(), &counters, sizeof counters) != 0,
                 "GetProcessMemoryInfo: error %lu", GetLastError());
    return counters.PagefileUsage / 1024;
}

static void soak__work(void)
{
    load_connections(50);
    load_races_packet(500);
    load_races_skip(500);
    load_wake(800);
    load_destroy(5);
    load_dll(5);
}

/* At least one turn of the work, and as many as there is time for. */
static soak_window soak__run_window(ULONGLONG until_ms)
{
    do {
        soak__work();
    } while (GetTickCount64() < until_ms);
    return (soak_window){win_open_handles(), soak__kib(), load_blocks(), load_pending()};
}

static void soak__print(const char *name, soak_window first, soak_window last)
{
    printf("%s: handles %zu, then %zu; memory %llu KiB, then %llu; blocks in use %llu, "
           "then %llu; pending %llu, then %llu\n",
           name, first.handles, last.handles, (unsigned long long)first.kib,
           (unsigned long long)last.kib, (unsigned long long)first.blocks,
           (unsigned long long)last.blocks, (unsigned long long)first.pending,
           (unsigned long long)last.pending);
    (void)fflush(stdout);
}

void load_soak(uint64_t seconds)
{
    soak_window first = {0};
    soak_window last = {0};
    char name[16];
    ULONGLONG begin_ms = GetTickCount64();
    ULONGLONG end_ms = begin_ms + seconds * 1000;
    load_be_silent(true);
    soak__work();
    for (uint64_t i = 1; i <= SOAK_FEWEST || (i <= SOAK_WINDOWS && GetTickCount64() < end_ms);
         i++) {
        last = soak__run_window(begin_ms + seconds * 1000 * i / SOAK_WINDOWS);
        if (i == 1) {
            first = last;
        }
        (void)snprintf(name, sizeof name, "window %llu", (unsigned long long)i);
        soak__print(name, first, last);
    }
    load_require(last.handles == first.handles, "handles grew from %zu to %zu", first.handles,
                 last.handles);
    load_require(last.pending == 0 && first.pending == 0, "operations are pending");
    load_require(last.blocks <= first.blocks + SOAK_BLOCKS, "blocks grew from %llu to %llu",
                 (unsigned long long)first.blocks, (unsigned long long)last.blocks);
    load_require(last.kib <= first.kib + SOAK_SLACK_KIB, "memory grew from %llu KiB to %llu",
                 (unsigned long long)first.kib, (unsigned long long)last.kib);
    soak__print("flat", first, last);
}
