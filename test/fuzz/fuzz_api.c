/* Programs of the public API on the simulation: sim_program.c says what must hold. */
#include "fuzz_program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_assert(sim_program_run(choices_from_bytes(data, size)));
    return 0;
}
