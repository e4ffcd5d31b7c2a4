/* Programs on one connection, whose other end gets what was sent: see sim_stream_program.c. */
#include "contract_file.h"
#include "fuzz_program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    void *state = NULL;
    (void)contract_file_setup(&state);
    fuzz_assert(sim_stream_program_run(choices_from_bytes(data, size)));
    (void)contract_file_teardown(&state);
    return 0;
}
