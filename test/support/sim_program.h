/*
 * Random programs on the simulation, and what must hold whatever they do.
 *
 * Where the choices come from is the caller's: the tests run a program for each seed, the fuzz
 * targets one for each input.
 */
#ifndef TEST_SIM_PROGRAM_H
#define TEST_SIM_PROGRAM_H

#include "choices.h"

/* The first thing that was not so. */
typedef struct sim_complaint {
    const char *what; /* NULL: all was well */
    const char *file;
    int line;
} sim_complaint;

#define SIM_EXPECT(complaint, condition)                                    \
    do {                                                                    \
        if (!(condition) && (complaint)->what == NULL) {                    \
            *(complaint) = (sim_complaint){#condition, __FILE__, __LINE__}; \
        }                                                                   \
    } while (0)

typedef sim_complaint (*sim_program)(choices choices);

/* Operations of every kind but those of files alone, on one loop; in a folder, too. */
sim_complaint sim_program_run(choices choices);

/* Reads and writes of one file, in the folder of a CONTRACT_FILE_TEST. */
sim_complaint sim_file_program_run(choices choices);

/* What is sent on one connection, be it of files, and received; in such a folder, too. */
sim_complaint sim_stream_program_run(choices choices);

/*
 * A test: a program for each seed, with so many steps. Fails with the seed and what was not so. With
 * a seed of their own (0: none) only that.
 */
void sim_programs_assert(sim_program run, uint64_t only_seed, uint64_t seeds, uint32_t steps);

#endif
