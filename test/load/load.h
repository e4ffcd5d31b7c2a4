/*
 * What the cases of the load program share. A case does what its count says, and its own books
 * decide: each operation ends once, each byte arrives in its place, and when the program ends its
 * handles and its memory are back where they began. No time decides anything.
 */
#ifndef TEST_LOAD_H
#define TEST_LOAD_H

#include "iocploop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct load_case {
    const char *name;
    void (*run)(uint64_t count);
    uint64_t count; /* of the short form, which tools/test.sh runs */
    const char *counted;
    const char *what;
} load_case;

void load_connections(uint64_t count);
void load_races_packet(uint64_t count);
void load_races_skip(uint64_t count);
void load_wake(uint64_t count);
void load_destroy(uint64_t count);
void load_dll(uint64_t count);
void load_soak(uint64_t seconds);

/* Ends the program with this sentence unless it holds. Any thread. */
void load_require(bool holds, const char *format, ...);

/* The same for what a function of the library has answered, or a callback was told. */
void load_require_ok(int status, const char *what);

/* Something has happened. A program in which nothing happens for two minutes ends with a sentence. */
void load_progress(void);

/* A line of figures; silent while others print theirs. */
void load_print(const char *format, ...);
void load_be_silent(bool is_silent);

/* ---- Loops ---- */

/* Options for a case's own loops, whose memory is counted. */
iocp_loop_options_t load_options(iocp_completion_mode_t mode);

/* The loop of the program's that has this mode. It lives until the program ends. */
iocp_loop_t *load_loop(iocp_completion_mode_t mode);

/* Run it until the count has come down to 0. */
void load_run_down(iocp_loop_t *loop, const uint64_t *left);

/* What has not ended on the program's loops. Blocks of the library's that were not given back. */
uint64_t load_pending(void);
uint64_t load_blocks(void);

/* ---- Data ---- */

/* The byte at a place of a stream that is told from others by its seed. */
unsigned char load_byte(uint64_t seed, uint64_t place);
void load_fill(unsigned char *data, size_t size, uint64_t seed, uint64_t place);

/* Fletcher's sums in 64 bits: they tell the order, too. Begin with 0. */
uint64_t load_sum(uint64_t sum, const unsigned char *data, size_t size);

#endif
