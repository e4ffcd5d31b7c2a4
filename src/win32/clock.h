/*
 * The performance counter in nanoseconds: exact for any frequency, never 0, never going back.
 */
#ifndef IOC_CLOCK_H
#define IOC_CLOCK_H

#include "sys.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct ioc_clock {
    uint64_t frequency;   /* counts a second */
    uint64_t ns_per_tick; /* if that is a whole number, otherwise 0 */
    uint64_t last_ns;
} ioc_clock;

/* False: the system has no such counter, see GetLastError. */
bool ioc_clock_init(ioc_clock *clock, const ioc_sys *sys);
uint64_t ioc_clock_now(ioc_clock *clock, const ioc_sys *sys);

#endif
