#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

/* The number of iterations grows by at most this factor from one attempt to the next. */
#define GROWTH_MAX 10

/* How much of the wanted time an attempt must take to be extrapolated from. */
#define ATTEMPT_PART 4

/* ---- For the cases ---- */

bool bench_fail(bench_run *run, const char *what, long code)
{
    if (run->error[0] == '\0') {
        snprintf(run->error, sizeof run->error, "%s: error %ld", what, code);
    }
    return false;
}

bool bench_check(bench_run *run, int status, const char *what)
{
    if (status == IOCP_OK) {
        return true;
    }
    if (run->error[0] == '\0') {
        snprintf(run->error, sizeof run->error, "%s: %s", what, iocp_error_name(status));
    }
    return false;
}

bool bench_skip(bench_run *run, const char *reason)
{
    if (run->error[0] == '\0') {
        snprintf(run->error, sizeof run->error, "%s", reason);
        run->is_skipped = true;
    }
    return false;
}

static int value__compare(const void *a, const void *b)
{
    uint64_t first = *(const uint64_t *)a;
    uint64_t second = *(const uint64_t *)b;
    return (first > second) - (first < second);
}

/* The value that so many of a thousand do not exceed. */
static double spread__at(const uint64_t *sorted, size_t count, size_t per_mille)
{
    return (double)sorted[(count - 1) * per_mille / 1000];
}

static void run__tell(bench_run *run, const char *name, bool is_time, uint64_t *values,
                      size_t count)
{
    for (size_t i = 0; i < BENCH_SPREADS && count > 0; i++) {
        if (run->spreads[i].name == NULL) {
            qsort(values, count, sizeof *values, value__compare);
            run->spreads[i] = (bench_spread){.name = name,
                                             .is_time = is_time,
                                             .p50 = spread__at(values, count, 500),
                                             .p99 = spread__at(values, count, 990),
                                             .p999 = spread__at(values, count, 999)};
            return;
        }
    }
}

void bench_tell_times(bench_run *run, const char *name, uint64_t *values_ns, size_t count)
{
    run__tell(run, name, true, values_ns, count);
}

void bench_tell_counts(bench_run *run, const char *name, uint64_t *values, size_t count)
{
    run__tell(run, name, false, values, count);
}

bench_pause bench_pause_begin(const bench_run *run)
{
    bench_pause pause = {0, 0};
    if (!run->is_counting) {
        pause.since_ns = bench_now_ns();
        pause.since_cpu_ns = bench_cpu_ns();
    }
    return pause;
}

void bench_pause_end(bench_run *run, bench_pause pause)
{
    if (!run->is_counting) {
        run->pauses++;
        run->excluded_cpu_ns += bench_cpu_ns() - pause.since_cpu_ns;
        run->excluded_ns += bench_now_ns() - pause.since_ns;
    }
}

/* What a pause leaves of itself in the measurement, which is not little where clocks are slow. */
static bench_pause pause__cost(void)
{
    enum {
        PAUSES = 1000
    };
    static bench_pause cost;
    static bool is_known;
    if (!is_known) {
        bench_run run = {0};
        uint64_t cpu_ns = bench_cpu_ns();
        uint64_t since_ns = bench_now_ns();
        for (int i = 0; i < PAUSES; i++) {
            bench_pause_end(&run, bench_pause_begin(&run));
        }
        uint64_t ns = bench_now_ns() - since_ns;
        cost.since_ns = (ns - run.excluded_ns) / PAUSES;
        cost.since_cpu_ns = (bench_cpu_ns() - cpu_ns - run.excluded_cpu_ns) / PAUSES;
        is_known = true;
    }
    return cost;
}

static uint64_t ns__without(uint64_t ns, uint64_t excluded_ns)
{
    return ns > excluded_ns ? ns - excluded_ns : 0;
}

/* ---- One side ---- */

typedef struct side {
    const bench_body *body; /* NULL: this side is not wanted */
    bench_figures *figures;
    bench_run run;
    bool is_broken;
    uint64_t iterations;
    double operations; /* in one iteration */
    double *samples;   /* ns for one operation */
    double *longest;   /* of each sample, a single turn */
    uint64_t total_cpu_ns;
} side;

typedef struct sample {
    uint64_t ns;
    uint64_t cpu_ns;
    uint64_t longest_ns;
    uint64_t allocations;
} sample;

static uint64_t side__count_allocations(const side *one)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < BENCH_LOOPS; i++) {
        iocp_stats_t stats = {.size = sizeof stats};
        if (one->run.loops[i] != NULL && iocp_loop_stats(one->run.loops[i], &stats) == IOCP_OK) {
            sum += stats.allocations;
        }
    }
    return sum;
}

static bool side__sample(side *one, uint64_t iterations, sample *taken)
{
    bench_run *run = &one->run;
    uint64_t allocations = side__count_allocations(one);
    if (one->body->prepare != NULL && !one->body->prepare(run)) {
        return false;
    }
    memset(run->spreads, 0, sizeof run->spreads);
    run->excluded_ns = 0;
    run->excluded_cpu_ns = 0;
    run->pauses = 0;
    run->longest_ns = 0;
    uint64_t cpu_ns = bench_cpu_ns();
    uint64_t since_ns = bench_now_ns();
    bool is_good = one->body->measure(run, iterations);
    uint64_t ns = bench_now_ns() - since_ns;
    cpu_ns = bench_cpu_ns() - cpu_ns;
    bench_pause cost = run->pauses > 0 ? pause__cost() : (bench_pause){0, 0};
    ns = ns__without(ns, run->excluded_ns + run->pauses * cost.since_ns);
    cpu_ns = ns__without(cpu_ns, run->excluded_cpu_ns + run->pauses * cost.since_cpu_ns);
    if (one->body->finish != NULL && !one->body->finish(run)) {
        is_good = false;
    }
    *taken = (sample){.ns = ns,
                      .cpu_ns = cpu_ns,
                      .longest_ns = run->longest_ns,
                      .allocations = side__count_allocations(one) - allocations};
    return is_good && run->error[0] == '\0';
}

/* How many iterations take the wanted time. What it runs is also the first warming up. */
static bool side__calibrate(side *one, uint64_t min_time_ns)
{
    uint64_t iterations = 1;
    for (;;) {
        sample taken;
        if (!side__sample(one, iterations, &taken)) {
            return false;
        }
        if (taken.ns >= min_time_ns) {
            break;
        }
        double wanted = (double)iterations * (double)min_time_ns / ((double)taken.ns + 1.0);
        if (taken.ns >= min_time_ns / ATTEMPT_PART) {
            iterations = (uint64_t)wanted + 1;
            break;
        }
        double most = (double)iterations * GROWTH_MAX;
        iterations = (uint64_t)(wanted < most ? wanted : most) + 1;
    }
    one->iterations = iterations;
    return true;
}

static void side__break(side *one)
{
    one->is_broken = true;
    one->figures->is_skipped = one->run.is_skipped;
    snprintf(one->figures->error, sizeof one->figures->error, "%s",
             one->run.error[0] != '\0' ? one->run.error : "failed");
}

static bool side__has_failed(const side *one)
{
    return one->is_broken && !one->run.is_skipped;
}

static bool side__is_good(const side *one)
{
    return one->body != NULL && !one->is_broken;
}

static void side__open(side *one, const bench_plan *plan)
{
    one->run.is_counting = plan->iterations > 0;
    one->samples = calloc(plan->repeat, sizeof *one->samples);
    one->longest = calloc(plan->repeat, sizeof *one->longest);
    bool is_good = one->samples != NULL && one->longest != NULL &&
                   (one->body->setup == NULL || one->body->setup(&one->run));
    if (is_good && plan->iterations > 0) {
        one->iterations = plan->iterations;
    } else if (is_good) {
        sample warm_up;
        is_good =
            side__calibrate(one, plan->min_time_ns) && side__sample(one, one->iterations, &warm_up);
    }
    if (!is_good) {
        side__break(one);
    }
}

static void side__close(side *one)
{
    if (one->body != NULL && one->body->teardown != NULL) {
        one->body->teardown(&one->run);
        if (!one->is_broken && one->run.error[0] != '\0') {
            side__break(one);
        }
    }
    free(one->samples);
    free(one->longest);
}

static void side__take(side *one, uint32_t index)
{
    sample taken;
    if (!side__sample(one, one->iterations, &taken)) {
        side__break(one);
        return;
    }
    one->samples[index] = (double)taken.ns / ((double)one->iterations * one->operations);
    one->longest[index] = (double)taken.longest_ns;
    one->total_cpu_ns += taken.cpu_ns;
    one->figures->allocations += taken.allocations;
}

/* ---- Figures ---- */

static int double__compare(const void *a, const void *b)
{
    double first = *(const double *)a;
    double second = *(const double *)b;
    return (first > second) - (first < second);
}

/* The value below which a part of the sorted values lies, between two of them if need be. */
static double values__quantile(const double *sorted, uint32_t count, double part)
{
    double place = part * (double)(count - 1);
    uint32_t below = (uint32_t)place;
    uint32_t above = below + 1 < count ? below + 1 : below;
    return sorted[below] + (sorted[above] - sorted[below]) * (place - (double)below);
}

/* Each pair was measured one right after the other, so what slowed both does not show. */
static double sides__ratio(const side *library, const side *raw, uint32_t count)
{
    double *ratios = calloc(count, sizeof *ratios);
    if (ratios == NULL) {
        return 0.0;
    }
    for (uint32_t i = 0; i < count; i++) {
        ratios[i] = raw->samples[i] > 0.0 ? library->samples[i] / raw->samples[i] : 0.0;
    }
    qsort(ratios, count, sizeof *ratios, double__compare);
    double median = values__quantile(ratios, count, 0.5);
    free(ratios);
    return median;
}

static void side__summarize(side *one, uint32_t count, const bench_case *which)
{
    bench_figures *figures = one->figures;
    double *samples = one->samples;
    double operations = (double)one->iterations * one->operations;
    qsort(samples, count, sizeof *samples, double__compare);
    qsort(one->longest, count, sizeof *one->longest, double__compare);
    figures->operations = (uint64_t)operations;
    figures->samples = count;
    figures->median_ns = values__quantile(samples, count, 0.5);
    figures->least_ns = samples[0];
    figures->most_ns = samples[count - 1];
    figures->longest_ns = values__quantile(one->longest, count, 0.5);
    figures->cpu_ns =
        one->run.is_counting ? -1.0 : (double)one->total_cpu_ns / (operations * (double)count);
    if (figures->median_ns > 0.0) {
        double middle =
            values__quantile(samples, count, 0.75) - values__quantile(samples, count, 0.25);
        figures->spread_percent = 100.0 * middle / figures->median_ns;
        figures->bytes_per_second = (double)which->bytes * 1e9 / figures->median_ns;
    }
    memcpy(figures->spreads, one->run.spreads, sizeof figures->spreads);
    if (which->delay_ns > 0) {
        figures->late_ns = figures->median_ns - (double)which->delay_ns;
    }
}

void bench_side_name(const bench_case *which, bench_side side, char name[BENCH_NAME_BYTES])
{
    static const char *const prefixes[BENCH_SIDES] = {"", "raw/", "libuv/", "asio/"};
    snprintf(name, BENCH_NAME_BYTES, "%s%s", prefixes[side], which->name);
}

static void side__init(side *one, const bench_case *which, bench_side is, bench_figures *figures)
{
    memset(one, 0, sizeof *one);
    if (figures == NULL) {
        return;
    }
    memset(figures, 0, sizeof *figures);
    bench_side_name(which, is, figures->name);
    figures->has_allocations = is == BENCH_LIBRARY;
    one->body = bench_side_body(which, is);
    one->figures = figures;
    one->run.size = which->size;
    one->operations = (double)which->operations;
}

bool bench_measure(const bench_case *which, const bench_plan *plan,
                   bench_figures *const figures[BENCH_SIDES])
{
    side sides[BENCH_SIDES];
    bool is_good = true;
    for (size_t i = 0; i < BENCH_SIDES; i++) {
        side__init(&sides[i], which, (bench_side)i, figures[i]);
        if (sides[i].body != NULL) {
            side__open(&sides[i], plan);
        }
    }
    for (uint32_t sample_index = 0; sample_index < plan->repeat; sample_index++) {
        for (size_t i = 0; i < BENCH_SIDES; i++) {
            if (side__is_good(&sides[i])) {
                side__take(&sides[i], sample_index);
            }
        }
    }
    if (side__is_good(&sides[BENCH_LIBRARY]) && side__is_good(&sides[BENCH_RAW])) {
        figures[BENCH_LIBRARY]->ratio =
            sides__ratio(&sides[BENCH_LIBRARY], &sides[BENCH_RAW], plan->repeat);
    }
    for (size_t i = 0; i < BENCH_SIDES; i++) {
        if (side__is_good(&sides[i])) {
            side__summarize(&sides[i], plan->repeat, which);
        }
        side__close(&sides[i]);
        is_good = is_good && !side__has_failed(&sides[i]);
    }
    return is_good;
}
