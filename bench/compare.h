/* What has changed since an earlier run. */
#ifndef BENCH_COMPARE_H
#define BENCH_COMPARE_H

#include <stdio.h>

#include "harness.h"

typedef struct bench_baseline bench_baseline;

/*
 * Read a file that bench_json_write has written. NULL: it cannot be read, or is no such file, and
 * `*reason` says which.
 */
bench_baseline *bench_baseline_read(const char *path, const char **reason);
void bench_baseline_free(bench_baseline *baseline);

/* A table of the results that both have. */
void bench_baseline_compare(FILE *file, int name_width, const bench_baseline *baseline,
                            const bench_figures *results, size_t count);

#endif
