#if !defined(_WIN32)
#define _POSIX_C_SOURCE 200809L /* for nanosleep */
#endif

#include "threads.h"

#if defined(_WIN32)

#include <windows.h>

static DWORD WINAPI thread__main(void *arg)
{
    test_thread *thread = arg;
    thread->function(thread->arg);
    return 0;
}

bool test_thread_start(test_thread *thread, test_thread_fn function, void *arg)
{
    thread->function = function;
    thread->arg = arg;
    thread->native = CreateThread(NULL, 0, thread__main, thread, 0, NULL);
    return thread->native != NULL;
}

void test_thread_join(test_thread *thread)
{
    WaitForSingleObject(thread->native, INFINITE);
    CloseHandle(thread->native);
    thread->native = NULL;
}

void test_yield(void)
{
    SwitchToThread();
}

void test_sleep_ms(unsigned milliseconds)
{
    Sleep(milliseconds);
}

#else

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

static void *thread__main(void *arg)
{
    test_thread *thread = arg;
    thread->function(thread->arg);
    return NULL;
}

bool test_thread_start(test_thread *thread, test_thread_fn function, void *arg)
{
    pthread_t *native = malloc(sizeof *native);
    thread->function = function;
    thread->arg = arg;
    thread->native = native;
    if (native == NULL) {
        return false;
    }
    if (pthread_create(native, NULL, thread__main, thread) != 0) {
        free(native);
        thread->native = NULL;
        return false;
    }
    return true;
}

void test_thread_join(test_thread *thread)
{
    pthread_t *native = thread->native;
    (void)pthread_join(*native, NULL);
    free(native);
    thread->native = NULL;
}

void test_yield(void)
{
    (void)sched_yield();
}

void test_sleep_ms(unsigned milliseconds)
{
    struct timespec left = {(time_t)(milliseconds / 1000), (long)(milliseconds % 1000) * 1000000L};
    while (nanosleep(&left, &left) != 0) {}
}

#endif
