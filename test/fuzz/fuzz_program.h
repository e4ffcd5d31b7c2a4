/* Of the targets that run a random program. */
#ifndef TEST_FUZZ_PROGRAM_H
#define TEST_FUZZ_PROGRAM_H

#include "fuzz.h"
#include "sim_program.h"

static inline void fuzz_assert(sim_complaint complaint)
{
    if (complaint.what != NULL) {
        (void)fprintf(stderr, "%s:%d: not so: %s\n", complaint.file, complaint.line,
                      complaint.what);
        abort();
    }
}

#endif
