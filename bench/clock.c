#include "clock.h"

#include "bench_win.h"

#define NS_PER_S  UINT64_C(1000000000)
#define NS_PER_FT 100 /* FILETIME counts in steps of 100 ns */

uint64_t bench_now_ns(void)
{
    LARGE_INTEGER frequency;
    LARGE_INTEGER counter;
    QueryPerformanceFrequency(&frequency);
    QueryPerformanceCounter(&counter);
    uint64_t hz = (uint64_t)frequency.QuadPart;
    uint64_t ticks = (uint64_t)counter.QuadPart;
    return ticks / hz * NS_PER_S + ticks % hz * NS_PER_S / hz;
}

static uint64_t filetime__to_ns(FILETIME time)
{
    return ((uint64_t)time.dwHighDateTime << 32 | time.dwLowDateTime) * NS_PER_FT;
}

uint64_t bench_cpu_ns(void)
{
    FILETIME created;
    FILETIME exited;
    FILETIME kernel;
    FILETIME user;
    if (!GetProcessTimes(GetCurrentProcess(), &created, &exited, &kernel, &user)) {
        return 0;
    }
    return filetime__to_ns(kernel) + filetime__to_ns(user);
}
