#include "clock.h"

#define CLOCK_NS_PER_S UINT64_C(1000000000)

bool ioc_clock_init(ioc_clock *clock, const ioc_sys *sys)
{
    LARGE_INTEGER frequency;
    if (!sys->QueryPerformanceFrequency(&frequency) || frequency.QuadPart <= 0) {
        return false;
    }
    clock->frequency = (uint64_t)frequency.QuadPart;
    clock->ns_per_tick =
        CLOCK_NS_PER_S % clock->frequency == 0 ? CLOCK_NS_PER_S / clock->frequency : 0;
    clock->last_ns = 1;
    return true;
}

/*
 * rest * 10^9 / frequency, where rest < frequency < 2^63: a long division in binary, since the
 * product does not fit. `left` stays below the frequency, so twice of it fits.
 */
static uint64_t clock__divide_long(uint64_t rest, uint64_t frequency)
{
    uint64_t quotient = 0;
    uint64_t left = 0;
    for (uint64_t bit = UINT64_C(1) << 29; bit != 0; bit >>= 1) { /* 10^9 < 2^30 */
        quotient *= 2;
        left *= 2;
        if (left >= frequency) {
            left -= frequency;
            quotient++;
        }
        left += (CLOCK_NS_PER_S & bit) != 0 ? rest : 0;
        if (left >= frequency) {
            left -= frequency;
            quotient++;
        }
    }
    return quotient;
}

/* Whole seconds and the rest by themselves: so the product fits for any common frequency. */
static uint64_t clock__to_ns(const ioc_clock *clock, uint64_t ticks)
{
    if (clock->ns_per_tick != 0) {
        return ticks * clock->ns_per_tick;
    }
    uint64_t seconds = ticks / clock->frequency;
    uint64_t rest = ticks % clock->frequency;
    uint64_t rest_ns = rest <= UINT64_MAX / CLOCK_NS_PER_S
                           ? rest * CLOCK_NS_PER_S / clock->frequency
                           : clock__divide_long(rest, clock->frequency);
    return seconds * CLOCK_NS_PER_S + rest_ns;
}

uint64_t ioc_clock_now(ioc_clock *clock, const ioc_sys *sys)
{
    LARGE_INTEGER ticks;
    ticks.QuadPart = 0;
    (void)sys->QueryPerformanceCounter(&ticks); /* should it fail, time stands still */
    uint64_t now_ns = clock__to_ns(clock, (uint64_t)ticks.QuadPart);
    if (now_ns > clock->last_ns) {
        clock->last_ns = now_ns;
    }
    return clock->last_ns;
}
