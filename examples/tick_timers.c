/*
 * How late are timers? Starts many of them at once, with random delays, and tells how long after
 * its time each one called back.
 *
 *   tick_timers [--count N] [--span MS] [--seed S] [--method auto|packet|apc|port]
 *
 * The delays are spread evenly over --span milliseconds; equal seeds give equal delays. --method is
 * how the loop sleeps until the next timer (iocp_sleep_method_t). The exit code is 0 if every timer
 * fired and none of them early, 1 if not, 2 if the arguments are wrong.
 *
 * A delay counts from its timer's start, on the clock as the loop has read it. So the clock is read
 * and then iocp_loop_submit starts all timers at once: when each of them is due is known exactly.
 */
#include <iocploop.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define US        1000
#define MS        UINT64_C(1000000)
#define COUNT_MAX 10000000
#define SPAN_MAX  3600000 /* an hour */
#define BINS      33      /* below 1 us, 2 us, 4 us, ... 2^32 us, which is more than an hour */
#define BAR       "########################################" /* all timers in one bin */

static const char *const method_names[] = {"auto", "packet", "apc", "port"}; /* as the enum */

typedef struct trial {
    uint64_t count;
    uint64_t span_ms;
    uint64_t seed;
    uint32_t method;
    uint64_t start_ns; /* of all timers */
} trial;

typedef struct timer {
    const trial *trial;
    uint64_t delay_ns;
    int64_t late_ns; /* below 0: early, or not fired yet */
} timer;

static bool check(int status, const char *what)
{
    if (status != IOCP_OK) {
        fprintf(stderr, "tick_timers: %s: %s (%s)\n", what, iocp_error_text(status),
                iocp_error_name(status));
    }
    return status == IOCP_OK;
}

/* ---- The timers ---- */

static iocp_action_t IOCP_CALL on_timer(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    timer *self = arg;
    if (result->status == IOCP_OK) {
        iocp_loop_update_now(loop); /* other callbacks of this turn have taken their time */
        uint64_t due_ns = self->trial->start_ns + self->delay_ns;
        self->late_ns = (int64_t)(iocp_loop_now(loop) - due_ns);
    }
    return IOCP_DISARM;
}

/* Knuth's linear congruential generator; its high bits are the good ones. */
static uint64_t random_number(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 20;
}

static bool run_timers(iocp_loop_t *loop, trial *trial, timer *timers)
{
    uint64_t state = trial->seed;
    for (uint64_t i = 0; i < trial->count; i++) {
        uint64_t delay_ns = random_number(&state) % (trial->span_ms * MS);
        timers[i] = (timer){.trial = trial, .delay_ns = delay_ns, .late_ns = INT64_MIN};
        if (!check(iocp_timer(loop, delay_ns, on_timer, &timers[i], NULL), "iocp_timer")) {
            return false;
        }
    }
    iocp_loop_update_now(loop);
    trial->start_ns = iocp_loop_now(loop);
    return check(iocp_loop_submit(loop), "iocp_loop_submit") &&
           check(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), "iocp_loop_run");
}

/* ---- The report ---- */

static int compare_late(const void *a, const void *b)
{
    int64_t first = ((const timer *)a)->late_ns;
    int64_t second = ((const timer *)b)->late_ns;
    return (first > second) - (first < second);
}

/* From the first bin that has timers in it to the last. */
static void print_histogram(const timer *sorted, uint64_t count)
{
    uint64_t end = 0; /* of the bin's timers */
    printf("%20s %9s\n", "late by (us)", "timers");
    for (unsigned bin = 0; bin < BINS && end < count; bin++) {
        uint64_t begin = end;
        while (end < count && sorted[end].late_ns < (int64_t)US << bin) {
            end++;
        }
        if (end > 0) {
            printf("%8llu - %9llu %9llu  %.*s\n", bin > 0 ? 1ULL << (bin - 1) : 0, 1ULL << bin,
                   (unsigned long long)(end - begin),
                   (int)(((sizeof BAR - 1) * (end - begin) + count - 1) / count), BAR);
        }
    }
}

static double late_us(const timer *sorted, uint64_t count, uint64_t percent)
{
    return (double)sorted[(size_t)((count - 1) * percent / 100)].late_ns / US;
}

/* True: no timer was early. */
static bool report(const trial *trial, timer *timers, const iocp_stats_t *stats)
{
    uint64_t early = 0;
    qsort(timers, (size_t)trial->count, sizeof *timers, compare_late);
    while (early < trial->count && timers[early].late_ns < 0) {
        early++;
    }
    print_histogram(timers, trial->count);
    printf("\nlate by   min %.1f us, median %.1f us, p99 %.1f us, max %.1f us\n",
           late_us(timers, trial->count, 0), late_us(timers, trial->count, 50),
           late_us(timers, trial->count, 99), late_us(timers, trial->count, 100));
    printf("early     %llu\nwake-ups  %llu, for each timer %.3f\nmethod    %s\n",
           (unsigned long long)early, (unsigned long long)stats->sleeps,
           (double)stats->sleeps / (double)stats->timer_fires, method_names[stats->sleep_method]);
    return early == 0;
}

static bool run(trial *trial)
{
    iocp_loop_options_t options = {.size = sizeof options, .sleep_method = trial->method};
    iocp_stats_t stats = {.size = sizeof stats};
    iocp_loop_t *loop = NULL;
    timer *timers = calloc((size_t)trial->count, sizeof *timers);
    bool is_good = check(timers != NULL ? IOCP_OK : IOCP_ENOMEM, "calloc") &&
                   check(iocp_loop_create(&options, &loop), "iocp_loop_create");
    if (is_good) {
        is_good = run_timers(loop, trial, timers) &&
                  check(iocp_loop_stats(loop, &stats), "iocp_loop_stats") &&
                  report(trial, timers, &stats);
        is_good = check(iocp_loop_destroy(loop, UINT64_MAX), "iocp_loop_destroy") && is_good;
    }
    free(timers);
    return is_good;
}

/* ---- The arguments ---- */

static bool parse_number(const char *text, uint64_t most, uint64_t *number)
{
    char *end = NULL;
    *number = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && *number > 0 && *number <= most;
}

static bool parse_method(const char *text, uint32_t *method)
{
    *method = IOCP_SLEEP_AUTO;
    while (*method <= IOCP_SLEEP_PORT && strcmp(text, method_names[*method]) != 0) {
        ++*method;
    }
    return *method <= IOCP_SLEEP_PORT;
}

static bool parse_option(trial *trial, const char *option, const char *value)
{
    return strcmp(option, "--count") == 0    ? parse_number(value, COUNT_MAX, &trial->count)
           : strcmp(option, "--span") == 0   ? parse_number(value, SPAN_MAX, &trial->span_ms)
           : strcmp(option, "--seed") == 0   ? parse_number(value, UINT32_MAX, &trial->seed)
           : strcmp(option, "--method") == 0 ? parse_method(value, &trial->method)
                                             : false;
}

int main(int argc, char **argv)
{
    trial trial = {.count = 1000, .span_ms = 1000, .seed = 1};
    bool wants_help = argc == 2 && strcmp(argv[1], "--help") == 0;
    bool is_good = argc % 2 == 1;
    for (int i = 1; i + 1 < argc && is_good; i += 2) {
        is_good = parse_option(&trial, argv[i], argv[i + 1]);
    }
    if (wants_help || !is_good) {
        fputs("usage: tick_timers [--count N] [--span MS] [--seed S]\n"
              "                   [--method auto|packet|apc|port]\n",
              wants_help ? stdout : stderr);
        return wants_help ? 0 : 2;
    }
    return run(&trial) ? 0 : 1;
}
