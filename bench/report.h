/* How figures are told: a table, CSV, JSON, and the change since an earlier JSON. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdio.h>

#include "harness.h"

/* Names are padded to `name_width`. */
void bench_table_begin(FILE *file, int name_width);
void bench_table_row(FILE *file, int name_width, const bench_figures *figures);

void bench_csv_write(FILE *file, const bench_figures *results, size_t count);
void bench_json_write(FILE *file, const bench_figures *results, size_t count);

#endif
