#include "compare.h"

#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX (4 * 1024 * 1024)

typedef struct entry {
    char name[BENCH_NAME_BYTES];
    double median_ns;
    double ratio; /* 0: it had none */
} entry;

struct bench_baseline {
    size_t count;
    entry entries[1024];
};

/* ---- Reading ----
 * Only the JSON of bench_json_write: flat objects in a list, of which each begins with its name. */

static char *file__read(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return NULL;
    }
    char *text = malloc(FILE_BYTES_MAX + 1);
    if (text != NULL) {
        size_t length = fread(text, 1, FILE_BYTES_MAX, file);
        text[length] = '\0';
    }
    fclose(file);
    return text;
}

/* Behind `"name" :` in the text up to `end`, or NULL. */
static const char *json__find(const char *text, const char *end, const char *quoted_name)
{
    const char *found = strstr(text, quoted_name);
    if (found == NULL || found >= end) {
        return NULL;
    }
    found += strlen(quoted_name);
    found += strspn(found, " \t\r\n:");
    return found < end ? found : NULL;
}

static double json__number(const char *text, const char *end, const char *quoted_name)
{
    const char *found = json__find(text, end, quoted_name);
    return found != NULL ? strtod(found, NULL) : 0.0; /* null is 0 too */
}

static bool json__name(const char *text, const char *end, char name[BENCH_NAME_BYTES])
{
    const char *found = json__find(text, end, "\"name\"");
    if (found == NULL || *found != '"') {
        return false;
    }
    size_t length = strcspn(++found, "\"");
    if (length >= BENCH_NAME_BYTES || found + length >= end) {
        return false;
    }
    memcpy(name, found, length);
    name[length] = '\0';
    return true;
}

static void baseline__parse(bench_baseline *baseline, const char *text)
{
    const char *results = strstr(text, "\"results\"");
    if (strstr(text, "\"iocploop_bench\"") == NULL || results == NULL) {
        return;
    }
    size_t most = sizeof baseline->entries / sizeof baseline->entries[0];
    const char *object = strchr(results, '{');
    while (object != NULL && baseline->count < most) {
        const char *end = strchr(object, '}');
        if (end == NULL) {
            return;
        }
        entry *one = &baseline->entries[baseline->count];
        one->median_ns = json__number(object, end, "\"median_ns\"");
        one->ratio = json__number(object, end, "\"ratio\"");
        if (json__name(object, end, one->name) && one->median_ns > 0.0) {
            baseline->count++;
        }
        object = strchr(end, '{');
    }
}

bench_baseline *bench_baseline_read(const char *path, const char **reason)
{
    *reason = "cannot be read";
    char *text = file__read(path);
    bench_baseline *baseline = calloc(1, sizeof *baseline);
    if (text != NULL && baseline != NULL) {
        baseline__parse(baseline, text);
        if (baseline->count > 0) {
            free(text);
            return baseline;
        }
        *reason = "is not a file that --json has written";
    }
    free(text);
    free(baseline);
    return NULL;
}

void bench_baseline_free(bench_baseline *baseline)
{
    free(baseline);
}

/* ---- Comparing ---- */

static const entry *baseline__find(const bench_baseline *baseline, const char *name)
{
    for (size_t i = 0; i < baseline->count; i++) {
        if (strcmp(baseline->entries[i].name, name) == 0) {
            return &baseline->entries[i];
        }
    }
    return NULL;
}

void bench_baseline_compare(FILE *file, int name_width, const bench_baseline *baseline,
                            const bench_figures *results, size_t count)
{
    fprintf(file, "\n%-*s %14s %14s %9s %11s %11s\n", name_width, "compared", "ns/op before",
            "ns/op now", "change", "raw before", "raw now");
    for (size_t i = 0; i < count; i++) {
        const bench_figures *now = &results[i];
        const entry *before = baseline__find(baseline, now->name);
        if (now->error[0] != '\0') {
            continue;
        }
        if (before == NULL) {
            fprintf(file, "%-*s %14s %14.1f %9s\n", name_width, now->name, "-", now->median_ns,
                    "new");
            continue;
        }
        fprintf(file, "%-*s %14.1f %14.1f %+7.1f %%", name_width, now->name, before->median_ns,
                now->median_ns, 100.0 * (now->median_ns / before->median_ns - 1.0));
        if (now->ratio > 0.0 && before->ratio > 0.0) {
            fprintf(file, " %10.4fx %10.4fx", before->ratio, now->ratio);
        }
        fputc('\n', file);
    }
}
