#include "clock.h"

#define CLOCK_NS_PER_S UINT64_C(1000000000)

void ioc_clock_init(ioc_clock *clock, const ioc_sys *sys)
{
    LARGE_INTEGER frequency;
    frequency.QuadPart = 0;
    (void)sys->QueryPerformanceFrequency(&frequency); /* cannot fail since Windows XP */
    clock->frequency = frequency.QuadPart > 0 ? (uint64_t)frequency.QuadPart : CLOCK_NS_PER_S;
    clock->ns_per_tick =
        CLOCK_NS_PER_S % clock->frequency == 0 ? CLOCK_NS_PER_S / clock->frequency : 0;
    clock->last_ns = 1;
}

/* Whole seconds and the rest by themselves: their product with 10^9 does not overflow. */
static uint64_t clock__to_ns(const ioc_clock *clock, uint64_t ticks)
{
    if (clock->ns_per_tick != 0) {
        return ticks * clock->ns_per_tick;
    }
    return ticks / clock->frequency * CLOCK_NS_PER_S +
           ticks % clock->frequency * CLOCK_NS_PER_S / clock->frequency;
}

uint64_t ioc_clock_now(ioc_clock *clock, const ioc_sys *sys)
{
    LARGE_INTEGER ticks;
    ticks.QuadPart = 0;
    (void)sys->QueryPerformanceCounter(&ticks);
    uint64_t now_ns = clock__to_ns(clock, (uint64_t)ticks.QuadPart);
    if (now_ns > clock->last_ns) {
        clock->last_ns = now_ns;
    }
    return clock->last_ns;
}
