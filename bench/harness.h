/*
 * The harness: it sets a case and its raw twin up side by side, finds how many iterations fill the
 * time, warms up, and measures them in turn (A B A B ...), so that whatever else the machine does
 * meets both.
 */
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iocploop.h"

#define BENCH_LOOPS      5
#define BENCH_SPREADS    3
#define BENCH_NAME_BYTES 48
#define BENCH_TEXT_BYTES 160

/* How values that a case has noted are spread: times in nanoseconds, or counts. */
typedef struct bench_spread {
    const char *name;
    bool is_time;
    double p50;
    double p99;
    double p999;
} bench_spread;

/* One side of a case while it is measured: what its functions share with the harness. */
typedef struct bench_run {
    uint64_t size;                   /* the case's parameter, such as how many timers */
    void *state;                     /* the case's own */
    iocp_loop_t *loops[BENCH_LOOPS]; /* of a library case, so that their allocations are counted */
    char error[BENCH_TEXT_BYTES];    /* the first error, "" if there was none */
    bool is_skipped;                 /* `error` says what the system lacks */
    bench_spread spreads[BENCH_SPREADS]; /* of the last sample; name NULL: no more */
    bool is_counting;                    /* requests are being counted: no needless system calls */
    uint64_t excluded_ns;
    uint64_t excluded_cpu_ns;
    uint64_t pauses;
    uint64_t longest_ns; /* set by a case that times single turns: the longest; 0: none was */
} bench_run;

/*
 * How one side is measured. All but `measure` may be NULL. Functions that return bool return false
 * after bench_fail or bench_check; teardown is called also if setup has failed half way.
 */
typedef struct bench_body {
    bool (*setup)(bench_run *run);                        /* once */
    bool (*prepare)(bench_run *run);                      /* before each sample, not measured */
    bool (*measure)(bench_run *run, uint64_t iterations); /* the sample */
    bool (*finish)(bench_run *run);                       /* after each sample, not measured */
    void (*teardown)(bench_run *run);                     /* once */
} bench_body;

typedef struct bench_case {
    const char *name;
    const bench_body *library;
    const bench_body *raw; /* NULL: it has no twin */
    uint64_t size;
    uint64_t operations; /* in one iteration; the figures are for one operation */
    uint64_t bytes;      /* moved by one operation, 0: this is no throughput case */
    uint64_t delay_ns;   /* that one operation asks for; what it takes longer is its lateness */
} bench_case;

/* Who does the work of a case. The last ones are other libraries, as options of the build. */
typedef enum bench_side {
    BENCH_LIBRARY,
    BENCH_RAW,
    BENCH_LIBUV,
    BENCH_ASIO,
    BENCH_SIDES
} bench_side;

/* NULL: it does not do this case. */
const bench_body *bench_side_body(const bench_case *which, bench_side side);

/* Every case, in the order of the table. */
extern const bench_case bench_cases[];
extern const size_t bench_case_count;

/* ---- For the cases ---- */

/* Note an error; the first one stays. Returns false. */
bool bench_fail(bench_run *run, const char *what, long code);

/* Whether a status of the library is 0; if not, it is noted. */
bool bench_check(bench_run *run, int status, const char *what);

/* What the system lacks for this case: that is no failure. Returns false. */
bool bench_skip(bench_run *run, const char *reason);

/* Tell behind the other figures how these values are spread, which are sorted by it. */
void bench_tell_times(bench_run *run, const char *name, uint64_t *values_ns, size_t count);
void bench_tell_counts(bench_run *run, const char *name, uint64_t *values, size_t count);

/* Between these two nothing is measured. */
typedef struct bench_pause {
    uint64_t since_ns;
    uint64_t since_cpu_ns;
} bench_pause;

bench_pause bench_pause_begin(const bench_run *run);
void bench_pause_end(bench_run *run, bench_pause pause);

/* A sequence of random numbers; equal seeds give equal sequences. */
static inline uint64_t bench_random(uint64_t *seed)
{
    /* splitmix64, by Sebastiano Vigna: public domain */
    uint64_t z = (*seed += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* One of 0 ... limit - 1; limit is at most 2^32. Without a division, which would cost more than
 * what is measured. */
static inline uint64_t bench_random_below(uint64_t *seed, uint64_t limit)
{
    return ((bench_random(seed) >> 32) * limit) >> 32;
}

/* ---- For the runner ---- */

typedef struct bench_plan {
    uint64_t
        iterations; /* exactly so many, once, without warming up; 0: as many as fill the time */
    uint32_t repeat;
    uint64_t min_time_ns;
} bench_plan;

/* What was measured of one side. All times are for one operation. */
typedef struct bench_figures {
    char name[BENCH_NAME_BYTES];
    char error[BENCH_TEXT_BYTES]; /* not "": there are no figures */
    bool is_skipped;              /* and that is no failure */
    uint64_t operations;          /* in one sample */
    uint32_t samples;
    double median_ns;
    double spread_percent; /* the middle half of the samples, relative to the median */
    double least_ns;
    double most_ns;
    double cpu_ns;           /* mean over all samples; below 0: not measured */
    uint64_t allocations;    /* in all samples */
    bool has_allocations;    /* a library case */
    double ratio;            /* to the raw twin: median over pairs of samples; 0: there is none */
    double bytes_per_second; /* 0: this is no throughput case */
    double longest_ns;       /* a single turn, median over the samples; 0: not measured */
    double late_ns;          /* median_ns without the delay that was asked for; 0: none was */
    bench_spread spreads[BENCH_SPREADS];
} bench_figures;

/*
 * Measure those sides of a case that have figures; NULL: it is not wanted. False: one of them failed,
 * and says why in its `error`, as one does that was skipped.
 */
bool bench_measure(const bench_case *which, const bench_plan *plan,
                   bench_figures *const figures[BENCH_SIDES]);

/* "case", "raw/case", "libuv/case", "asio/case": the name of a side. */
void bench_side_name(const bench_case *which, bench_side side, char name[BENCH_NAME_BYTES]);

#endif
