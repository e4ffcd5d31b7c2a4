#include "mutants.h"

#include <stdio.h>
#include <stdlib.h>

unsigned ioc_mutants_active;
unsigned char ioc_mutants_reached[IOC_MUTANTS_PLACES];

__attribute__((constructor)) void ioc_mutants_load(void)
{
    const char *number = getenv("IOCPLOOP_MUTANT");
    ioc_mutants_active = number != NULL ? (unsigned)strtoul(number, NULL, 10) : 0;
}

__attribute__((destructor)) static void mutants__record(void)
{
    const char *path = getenv("IOCPLOOP_MUTANT_RECORD");
    FILE *file = path != NULL ? fopen(path, "a") : NULL;
    if (file == NULL) {
        return;
    }
    for (unsigned place = 0; place < IOC_MUTANTS_PLACES; place++) {
        if (ioc_mutants_reached[place]) {
            (void)fprintf(file, "%u\n", place);
        }
    }
    (void)fclose(file);
}
