/* iocploop_bench: the options, and which cases are measured. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "harness.h"
#include "report.h"

#define EXIT_FAILED 1
#define EXIT_USAGE  2

#define FILTERS_MAX    32
#define REPEAT_MAX     1000
#define REPEAT_DEFAULT 5
#define MIN_TIME_MAX_S 3600.0
#define MIN_TIME_NS    UINT64_C(100000000)
#define NAME_WIDTH_MIN 20

#if defined(__MINGW32__)
/* MinGW's start-up code would turn the patterns of --filter into names of files. */
int _dowildcard = 0;
#endif

static const char help_text[] =
    "usage: iocploop_bench [OPTION...]\n"
    "Measures iocploop, and the same work done with no library (raw/...) and, if it was built "
    "with\n"
    "it, by libuv (libuv/...), in turn.\n"
    "\n"
    "  --list              print the names of the cases and exit\n"
    "  --filter GLOB       only cases of this name (* and ?), with their twins; may be repeated.\n"
    "                      raw/GLOB is the twins alone\n"
    "  --alone             without the twins\n"
    "  --repeat N          samples of each case (5)\n"
    "  --min-time SECONDS  the least duration of a sample (0.1)\n"
    "  --iterations N      exactly N iterations, once, without warming up: for counting requests\n"
    "  --json FILE         write the figures as JSON too\n"
    "  --csv FILE          write the figures as CSV too\n"
    "  --compare FILE      print the change since an earlier --json\n"
    "  --help              print this and exit\n"
    "\n"
    "The exit code is 0, 1 if a case failed, 2 if the options are wrong.\n";

typedef struct options {
    const char *filters[FILTERS_MAX];
    size_t filter_count;
    bool is_alone;
    bool wants_list;
    bool wants_help;
    bench_plan plan;
    const char *json_path;
    const char *csv_path;
    const char *compare_path;
} options;

/* ---- Options ---- */

static bool options__complain(const char *option, const char *problem)
{
    fprintf(stderr, "iocploop_bench: %s: %s (--help lists the options)\n", option, problem);
    return false;
}

static bool options__count(const char *option, const char *value, uint64_t most, uint64_t *count)
{
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end != '\0' || errno != 0 || number == 0 ||
        number > most) {
        return options__complain(option, "wants a whole number above 0, and not too large a one");
    }
    *count = number;
    return true;
}

static bool options__seconds(const char *option, const char *value, uint64_t *ns)
{
    char *end = NULL;
    double seconds = strtod(value, &end);
    if (end == value || *end != '\0' || !(seconds > 0.0 && seconds <= MIN_TIME_MAX_S)) {
        return options__complain(option, "wants a number of seconds above 0, at most 3600");
    }
    *ns = (uint64_t)(seconds * 1e9) + 1;
    return true;
}

static bool options__set(options *to, const char *option, const char *value)
{
    if (strcmp(option, "--filter") == 0) {
        if (to->filter_count == FILTERS_MAX) {
            return options__complain(option, "given too often");
        }
        to->filters[to->filter_count++] = value;
        return true;
    }
    if (strcmp(option, "--iterations") == 0) {
        return options__count(option, value, UINT32_MAX, &to->plan.iterations);
    }
    if (strcmp(option, "--repeat") == 0) {
        uint64_t repeat = 0;
        bool is_good = options__count(option, value, REPEAT_MAX, &repeat);
        to->plan.repeat = (uint32_t)repeat;
        return is_good;
    }
    if (strcmp(option, "--min-time") == 0) {
        return options__seconds(option, value, &to->plan.min_time_ns);
    }
    const char **path = strcmp(option, "--json") == 0      ? &to->json_path
                        : strcmp(option, "--csv") == 0     ? &to->csv_path
                        : strcmp(option, "--compare") == 0 ? &to->compare_path
                                                           : NULL;
    if (path == NULL) {
        return options__complain(option, "no such option");
    }
    *path = value;
    return true;
}

/* An option without a value; NULL: it is not one. */
static bool *options__flag(options *to, const char *option)
{
    return strcmp(option, "--list") == 0    ? &to->wants_list
           : strcmp(option, "--help") == 0  ? &to->wants_help
           : strcmp(option, "--alone") == 0 ? &to->is_alone
                                            : NULL;
}

static bool options__takes_value(const char *option)
{
    static const char *const names[] = {"--filter", "--iterations", "--repeat", "--min-time",
                                        "--json",   "--csv",        "--compare"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(option, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* "--option value" and "--option=value" */
static bool options__parse(options *to, int count, char **arguments)
{
    for (int i = 1; i < count; i++) {
        char option[32];
        const char *argument = arguments[i];
        const char *equals = strncmp(argument, "--", 2) == 0 ? strchr(argument, '=') : NULL;
        size_t length = equals != NULL ? (size_t)(equals - argument) : strlen(argument);
        if (length >= sizeof option) {
            return options__complain(argument, "no such option");
        }
        memcpy(option, argument, length);
        option[length] = '\0';

        bool *flag = options__flag(to, option);
        if (flag != NULL) {
            if (equals != NULL) {
                return options__complain(option, "takes no value");
            }
            *flag = true;
            continue;
        }
        if (!options__takes_value(option)) {
            return options__complain(option, "no such option");
        }
        const char *value = equals != NULL ? equals + 1 : i + 1 < count ? arguments[++i] : NULL;
        if (value == NULL || value[0] == '\0') {
            return options__complain(option, "wants a value");
        }
        if (!options__set(to, option, value)) {
            return false;
        }
    }
    if (to->plan.iterations > 0) {
        to->plan.repeat = 1;
    }
    return true;
}

/* ---- Which cases ---- */

static bool glob__matches(const char *glob, const char *text)
{
    const char *star = NULL;   /* behind the last * */
    const char *resume = NULL; /* the text that it may take next */
    while (*text != '\0') {
        if (*glob == '*') {
            star = ++glob;
            resume = text;
        } else if (*glob == '?' || *glob == *text) {
            glob++;
            text++;
        } else if (star != NULL) {
            glob = star;
            text = ++resume;
        } else {
            return false;
        }
    }
    while (*glob == '*') {
        glob++;
    }
    return *glob == '\0';
}

static bool options__select(const options *from, const char *name)
{
    for (size_t i = 0; i < from->filter_count; i++) {
        if (glob__matches(from->filters[i], name)) {
            return true;
        }
    }
    return from->filter_count == 0;
}

/* A case brings its twins; a twin can be chosen without its case. */
static bool options__select_side(const options *from, const bench_case *which, bench_side side)
{
    char name[BENCH_NAME_BYTES];
    if (bench_side_body(which, side) == NULL) {
        return false;
    }
    bench_side_name(which, side, name);
    if (side == BENCH_LIBRARY) {
        return options__select(from, name);
    }
    bool is_brought = !from->is_alone && options__select(from, which->name);
    return is_brought || (from->filter_count > 0 && options__select(from, name));
}

/* ---- Running ---- */

typedef struct series {
    const options *from;
    bench_figures *results;
    size_t count;
    int name_width;
    bool has_failed;
} series;

/* How many sides are wanted; also finds the width of the first column. */
static size_t series__count(series *all, bool wants_names)
{
    size_t count = 0;
    all->name_width = NAME_WIDTH_MIN;
    for (size_t i = 0; i < bench_case_count; i++) {
        for (int side = 0; side < BENCH_SIDES; side++) {
            if (!options__select_side(all->from, &bench_cases[i], (bench_side)side)) {
                continue;
            }
            char name[BENCH_NAME_BYTES];
            bench_side_name(&bench_cases[i], (bench_side)side, name);
            int width = (int)strlen(name);
            all->name_width = width > all->name_width ? width : all->name_width;
            count++;
            if (wants_names) {
                puts(name);
            }
        }
    }
    return count;
}

static void series__measure(series *all, const bench_case *which)
{
    bench_figures *figures[BENCH_SIDES] = {NULL};
    size_t first = all->count;
    for (int side = 0; side < BENCH_SIDES; side++) {
        if (options__select_side(all->from, which, (bench_side)side)) {
            figures[side] = &all->results[all->count++];
        }
    }
    if (all->count == first) {
        return;
    }
    if (!bench_measure(which, &all->from->plan, figures)) {
        all->has_failed = true;
    }
    for (size_t i = first; i < all->count; i++) {
        bench_table_row(stdout, all->name_width, &all->results[i]);
    }
    fflush(stdout);
}

typedef void (*write_fn)(FILE *file, const bench_figures *results, size_t count);

static void series__write(series *all, const char *path, write_fn write)
{
    if (path == NULL) {
        return;
    }
    FILE *file = fopen(path, "wb");
    bool is_good = file != NULL;
    if (is_good) {
        write(file, all->results, all->count);
        is_good = ferror(file) == 0;
        is_good = fclose(file) == 0 && is_good;
    }
    if (!is_good) {
        fprintf(stderr, "iocploop_bench: %s: cannot be written\n", path);
        all->has_failed = true;
    }
}

static int series__run(series *all, const bench_baseline *baseline)
{
    bench_table_begin(stdout, all->name_width);
    for (size_t i = 0; i < bench_case_count; i++) {
        series__measure(all, &bench_cases[i]);
    }
    series__write(all, all->from->json_path, bench_json_write);
    series__write(all, all->from->csv_path, bench_csv_write);
    if (baseline != NULL) {
        bench_baseline_compare(stdout, all->name_width, baseline, all->results, all->count);
    }
    return all->has_failed ? EXIT_FAILED : EXIT_SUCCESS;
}

int main(int argument_count, char **arguments)
{
    options from = {.plan = {.repeat = REPEAT_DEFAULT, .min_time_ns = MIN_TIME_NS}};
    if (!options__parse(&from, argument_count, arguments)) {
        return EXIT_USAGE;
    }
    if (from.wants_help) {
        fputs(help_text, stdout);
        return EXIT_SUCCESS;
    }
    series all = {.from = &from};
    size_t count = series__count(&all, from.wants_list);
    if (count == 0) {
        options__complain("--filter", "no case has such a name");
        return EXIT_USAGE;
    }
    if (from.wants_list) {
        return EXIT_SUCCESS;
    }

    bench_baseline *baseline = NULL;
    if (from.compare_path != NULL) {
        const char *reason = NULL;
        baseline = bench_baseline_read(from.compare_path, &reason);
        if (baseline == NULL) {
            options__complain(from.compare_path, reason);
            return EXIT_USAGE;
        }
    }
    all.results = calloc(count, sizeof *all.results);
    int code = all.results != NULL ? series__run(&all, baseline) : EXIT_FAILED;
    free(all.results);
    bench_baseline_free(baseline);
    return code;
}
