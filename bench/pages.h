/* Memory that nobody has used before: its first use costs what the system takes for it. */
#ifndef BENCH_PAGES_H
#define BENCH_PAGES_H

#include <stddef.h>

/* Zeroed pages, or NULL. They cost no memory until they are written to. */
void *bench_pages_take(size_t bytes);

/* All of them. */
void bench_pages_give(void *pages, size_t bytes);

#endif
