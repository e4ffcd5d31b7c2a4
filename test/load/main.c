/*
 * Load on the library, and what must hold under it.
 *
 *   iocploop_load                  lists the cases
 *   iocploop_load CASE [COUNT]     runs one, as a test of CMocka's
 *
 * It prints its figures, and ends with 0. If anything is off it prints a sentence about that, and
 * ends with something else.
 */
#include "load_main.h"

#include "threads.h"
#include "unit.h"
#include "win_leaks.h"

#include <windows.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAIN_QUIET_SECONDS 120

static const load_case main_cases[] = {
    {"connections", load_connections, 2000, "connections", "all open at once, each echoing"},
    {"races-packet", load_races_packet, 20000, "races", "receives and cancels, each with a packet"},
    {"races-skip", load_races_skip, 20000, "races", "the same with packets skipped on success"},
    {"wake", load_wake, 20000, "posts", "eight threads wake a loop that sleeps"},
    {"destroy", load_destroy, 300, "loops", "created, used and destroyed while threads signal"},
    {"dll", load_dll, 1000, "loads", "the DLL loaded, used and unloaded"},
    {"soak", load_soak, 20, "seconds", "all of the above again and again; is it flat?"},
};

#define MAIN_CASES (sizeof main_cases / sizeof main_cases[0])

/* ---- Nothing happens ---- */

static HANDLE main_has_ended;

static void main__watch(void *arg)
{
    const load_case *running = arg;
    uint64_t before = 0;
    int quiet_seconds = 0;
    while (WaitForSingleObject(main_has_ended, 1000) == WAIT_TIMEOUT) {
        uint64_t now = load_progress_count();
        quiet_seconds = now == before ? quiet_seconds + 1 : 0;
        before = now;
        load_require(quiet_seconds < MAIN_QUIET_SECONDS, "%s: nothing has happened for %d s",
                     running->name, MAIN_QUIET_SECONDS);
    }
}

/* ---- One case ---- */

static void main__do_nothing(void *arg)
{
    (void)arg;
}

/* What the system opens once and keeps is open before anybody counts. */
static void main__warm_up(void)
{
    test_thread thread;
    load_require(test_thread_start(&thread, main__do_nothing, NULL), "no thread to be had");
    test_thread_join(&thread);
    load_be_silent(true);
    load_connections(1);
    load_races_packet(1);
    load_loops_destroy();
    load_be_silent(false);
}

typedef struct main_test {
    const load_case *running;
    uint64_t count;
} main_test;

static void main__test(void **state)
{
    const main_test *test = *state;
    const load_case *running = test->running;
    main__warm_up();
    ULONGLONG begin_ms = GetTickCount64();
    size_t handles = win_open_handles();
    running->run(test->count);
    load_loops_destroy();
    load_require(load_blocks() == 0, "%s: %llu blocks of memory were not given back", running->name,
                 (unsigned long long)load_blocks());
    load_require(win_open_handles() == handles, "%s: there were %zu handles, and are %zu now",
                 running->name, handles, win_open_handles());
    printf("%s: %llu %s in %.1f s; %zu handles before and after, no memory left over\n",
           running->name, (unsigned long long)test->count, running->counted,
           (double)(GetTickCount64() - begin_ms) / 1e3, handles);
}

static int main__list(void)
{
    for (size_t i = 0; i < MAIN_CASES; i++) {
        printf("%-12s  %5llu %-11s  %s\n", main_cases[i].name,
               (unsigned long long)main_cases[i].count, main_cases[i].counted, main_cases[i].what);
    }
    return 0;
}

static const load_case *main__find(const char *name)
{
    for (size_t i = 0; i < MAIN_CASES; i++) {
        if (strcmp(main_cases[i].name, name) == 0) {
            return &main_cases[i];
        }
    }
    return NULL;
}

static bool main__parse(const char *text, uint64_t *count)
{
    char *end;
    *count = strtoull(text, &end, 10);
    return *count > 0 && *end == '\0';
}

int main(int argc, char **argv)
{
    test_thread watchdog;
    main_test chosen = {.running = argc > 1 ? main__find(argv[1]) : NULL};
    if (argc == 1) {
        return main__list();
    }
    if (chosen.running == NULL || argc > 3 || (argc == 3 && !main__parse(argv[2], &chosen.count))) {
        (void)fprintf(stderr, "usage: iocploop_load [CASE [COUNT]]\n");
        return 2;
    }
    if (argc == 2) {
        chosen.count = chosen.running->count;
    }
    win_catch_crashes();
    main_has_ended = CreateEventW(NULL, TRUE, FALSE, NULL);
    load_require(main_has_ended != NULL &&
                     test_thread_start(&watchdog, main__watch, (void *)chosen.running),
                 "no thread to be had");
    const struct CMUnitTest tests[] = {
        {.name = chosen.running->name, .test_func = main__test, .initial_state = &chosen},
    };
    int failed = cmocka_run_group_tests_name(chosen.running->name, tests, NULL, NULL);
    SetEvent(main_has_ended);
    test_thread_join(&watchdog);
    return failed;
}
