/* A file of known size for a case to read. Nothing of it is left, however the program ends. */
#ifndef BENCH_SCRATCH_H
#define BENCH_SCRATCH_H

#include "harness.h"

#define BENCH_SCRATCH_PATH_BYTES 1024

typedef struct bench_scratch {
    void *keeper;                        /* while it is open the file is there */
    char path[BENCH_SCRATCH_PATH_BYTES]; /* UTF-8 */
} bench_scratch;

/* Written just now, so the system has it in its cache. Others have to open it sharing everything. */
bool bench_scratch_open(bench_run *run, bench_scratch *scratch, uint64_t bytes);

/* Also of one that was all zero, or whose opening has failed. */
void bench_scratch_close(bench_scratch *scratch);

/* An empty folder, in which a file comes and goes. */
typedef struct bench_folder {
    bool is_open;
    bool has_file;
    char path[BENCH_SCRATCH_PATH_BYTES]; /* UTF-8 */
} bench_folder;

bool bench_folder_open(bench_run *run, bench_folder *folder);
void bench_folder_close(bench_folder *folder); /* likewise */

/* The file comes, or goes if it is there. */
bool bench_folder_change(bench_run *run, bench_folder *folder);

#endif
