#include "load_main.h"

#include "unit.h"

#include <windows.h>

#include <stdio.h>
#include <stdlib.h>

#define LOAD_MODES 3

static iocp_loop_t *load_loops[LOAD_MODES];
static unit_memory load_memory;
static ioc_atomic_u64 load_happened;
static bool load_is_silent;

/* ---- Sentences ---- */

static void load__fail(const char *format, va_list values)
{
    (void)fflush(stdout);
    (void)fputs("FAILED: ", stderr);
    (void)vfprintf(stderr, format, values);
    (void)fputs("\n", stderr);
    (void)fflush(stderr);
    (void)TerminateProcess(GetCurrentProcess(), 1); /* other threads may hold any lock */
}

void load_require(bool holds, const char *format, ...)
{
    va_list values;
    if (!holds) {
        va_start(values, format);
        load__fail(format, values);
        va_end(values);
    }
}

void load_require_ok(int status, const char *what)
{
    load_require(status == IOCP_OK, "%s: %s (%s)", what, iocp_error_text(status),
                 iocp_error_name(status));
}

void load_print(const char *format, ...)
{
    va_list values;
    if (!load_is_silent) {
        va_start(values, format);
        (void)vprintf(format, values);
        va_end(values);
        (void)fflush(stdout);
    }
}

void load_be_silent(bool is_silent)
{
    load_is_silent = is_silent;
}

/* ---- Something has happened ---- */

void load_progress(void)
{
    ioc_increment_u64(&load_happened);
}

uint64_t load_progress_count(void)
{
    return ioc_load_u64(&load_happened);
}

/* ---- Loops ---- */

iocp_loop_options_t load_options(iocp_completion_mode_t mode)
{
    if (load_memory.alloc.allocate == NULL) {
        unit_memory_init(&load_memory);
    }
    return (iocp_loop_options_t){
        .size = sizeof(iocp_loop_options_t),
        .completion_mode = (uint32_t)mode,
        .allocate = load_memory.alloc.allocate,
        .free = load_memory.alloc.free,
        .allocator_context = &load_memory,
    };
}

iocp_loop_t *load_loop(iocp_completion_mode_t mode)
{
    if (load_loops[mode] == NULL) {
        iocp_loop_options_t options = load_options(mode);
        load_require_ok(iocp_loop_create(&options, &load_loops[mode]), "iocp_loop_create");
    }
    return load_loops[mode];
}

void load_run_down(iocp_loop_t *loop, const uint64_t *left)
{
    while (*left > 0) {
        load_require_ok(iocp_loop_run(loop, IOCP_RUN_ONCE), "iocp_loop_run");
        load_require(*left == 0 || iocp_loop_active(loop) > 0,
                     "the loop has nothing to do, and %llu have not ended",
                     (unsigned long long)*left);
        load_progress();
    }
}

uint64_t load_pending(void)
{
    uint64_t pending = 0;
    for (int i = 0; i < LOAD_MODES; i++) {
        iocp_stats_t stats = {.size = sizeof stats};
        if (load_loops[i] != NULL) {
            load_require_ok(iocp_loop_stats(load_loops[i], &stats), "iocp_loop_stats");
            pending += stats.operations;
        }
    }
    return pending;
}

uint64_t load_blocks(void)
{
    return unit_memory_live(&load_memory);
}

void load_loops_destroy(void)
{
    for (int i = 0; i < LOAD_MODES; i++) {
        if (load_loops[i] != NULL) {
            load_require_ok(iocp_loop_destroy(load_loops[i], UINT64_MAX), "iocp_loop_destroy");
            load_loops[i] = NULL;
        }
    }
}

/* ---- Data ---- */

unsigned char load_byte(uint64_t seed, uint64_t place)
{
    return (unsigned char)(seed * 101 + place * 7 + (place >> 8) * 13 + (place >> 16) * 29);
}

void load_fill(unsigned char *data, size_t size, uint64_t seed, uint64_t place)
{
    for (size_t i = 0; i < size; i++) {
        data[i] = load_byte(seed, place + i);
    }
}

uint64_t load_sum(uint64_t sum, const unsigned char *data, size_t size)
{
    uint32_t low = (uint32_t)sum;
    uint32_t high = (uint32_t)(sum >> 32);
    for (size_t i = 0; i < size; i++) {
        low += data[i] + 1u;
        high += low;
    }
    return (uint64_t)high << 32 | low;
}
