/* Threads for tests: pthreads natively, CreateThread on Windows. */
#ifndef TEST_THREADS_H
#define TEST_THREADS_H

#include <stdbool.h>

typedef void (*test_thread_fn)(void *arg);

/* In the test's storage; stays in place until it is joined. */
typedef struct test_thread {
    test_thread_fn function;
    void *arg;
    void *native;
} test_thread;

/* Run `function` on a thread of its own. False if the system has no thread to give. */
bool test_thread_start(test_thread *thread, test_thread_fn function, void *arg);

/* Wait until the function has returned. What it wrote can be read afterwards. */
void test_thread_join(test_thread *thread);

/* Let another thread run. */
void test_yield(void);

/* Let others run for at least this long. */
void test_sleep_ms(unsigned milliseconds);

#endif
