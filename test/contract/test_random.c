/*
 * Random programs, a seed each: sim_program.c says what they do and what must hold, sim_file_program.c of
 * those on one file, sim_stream_program.c of those on one connection.
 * A seed that fails is printed; with it as the argument only it is run. Native only.
 */
#include "contract_file.h"

#include <stdio.h>

#if defined(_WIN32)

int main(void)
{
    printf("skipped: these tests script the simulated kernel\n");
    return 77;
}

#else

#include "sim_program.h"

#include <stdlib.h>

static uint64_t random_only_seed; /* 0: all */

static void random_programs_keep_every_promise(void **state)
{
    (void)state;
    sim_programs_assert(sim_program_run, random_only_seed, 2000, 300);
}

static void random_programs_find_in_a_file_what_they_have_written(void **state)
{
    (void)state;
    sim_programs_assert(sim_file_program_run, random_only_seed, 1500, 200);
}

static void random_programs_receive_what_they_have_sent_in_order_and_once(void **state)
{
    (void)state;
    sim_programs_assert(sim_stream_program_run, random_only_seed, 1500, 200);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_FILE_TEST(random_programs_keep_every_promise),
        CONTRACT_FILE_TEST(random_programs_find_in_a_file_what_they_have_written),
        CONTRACT_FILE_TEST(random_programs_receive_what_they_have_sent_in_order_and_once),
    };
    if (argc > 1) {
        random_only_seed = strtoull(argv[1], NULL, 0);
    }
    return contract_run_once(__FILE__, tests, sizeof tests / sizeof tests[0]);
}

#endif
