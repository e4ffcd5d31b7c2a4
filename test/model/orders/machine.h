/*
 * The machine on which the scenarios of this folder run: threads whose steps Relacy chooses, and memory
 * that is as weak as C11 allows. The sources of the library run on it as they are. They are compiled
 * with -fsanitize=thread, so that each access to memory is a call first; machine.cpp answers these
 * calls in the place of the sanitizer's library. An atomic access happens in a Relacy atomic, with the
 * order that src/atomic.h asks for; any other is looked at for a race.
 */
#ifndef ORDERS_MACHINE_H
#define ORDERS_MACHINE_H

#include <stdbool.h>
#include <stddef.h>

#define MACHINE_THREADS 3

typedef struct scenario {
    const char *name;
    void (*before)(void);
    void (*threads[MACHINE_THREADS])(void);
    void (*after)(void);
} scenario;

#ifdef __cplusplus
extern "C" {
#endif

extern const scenario queue_scenario;
extern const scenario pool_scenario;
extern const scenario inbox_scenarios[];
extern const size_t inbox_scenario_count;

/* The next atomic access is `call` in `function`: see sites.h. */
void machine_at(const char *function, const char *call);

void *machine_set(void *memory, int byte, size_t size);

/* The hooks of a loop. What is freed must not be used again, and all is to be freed in the end. */
void *machine_allocate(size_t size, void *context);
void machine_free(void *memory, void *context);

/* The others go on, and what this thread has seen becomes old. */
void machine_yield(void);

/* What the kernel counts: each signal is one wait that returns, now or later. */
void machine_signal(void);
bool machine_wait(bool may_sleep);

#ifdef __cplusplus
}
#endif

#endif
