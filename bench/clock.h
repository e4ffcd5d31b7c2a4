/* The clocks of a measurement. */
#ifndef BENCH_CLOCK_H
#define BENCH_CLOCK_H

#include <stdint.h>

/* Nanoseconds since some moment. Win32: QueryPerformanceCounter. Natively the other clock. */
uint64_t bench_now_ns(void);

/*
 * What all threads of this process have used of the processors, user and kernel. Win32:
 * GetProcessTimes, which counts in steps of 10 to 16 ms: add up many samples. (The cycle counters
 * of QueryProcessCycleTime are finer, but Wine has none.) Natively exact, so a machine with other
 * work to do gives the same figures.
 */
uint64_t bench_cpu_ns(void);

#endif
