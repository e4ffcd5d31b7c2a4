/* What main.c needs of load.c beside what the cases do. */
#ifndef TEST_LOAD_MAIN_H
#define TEST_LOAD_MAIN_H

#include "load.h"

/* How often something has happened. */
uint64_t load_progress_count(void);

/* The end of the program's loops. */
void load_loops_destroy(void);

#endif
