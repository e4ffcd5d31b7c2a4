#include "report.h"

#include <inttypes.h>

#define TEXT_BYTES 32

/* ---- Table ---- */

/* "12 345 678" */
static void text__grouped(char text[TEXT_BYTES], uint64_t value)
{
    char digits[TEXT_BYTES];
    int count = snprintf(digits, sizeof digits, "%" PRIu64, value);
    size_t length = 0;
    for (int i = 0; i < count && length + 2 < TEXT_BYTES; i++) {
        if (i > 0 && (count - i) % 3 == 0) {
            text[length++] = ' ';
        }
        text[length++] = digits[i];
    }
    text[length] = '\0';
}

/* One digit behind the point where it still says something. */
static void text__ns(char text[TEXT_BYTES], double ns)
{
    if (ns < 0.0) {
        snprintf(text, TEXT_BYTES, "-");
    } else if (ns < 1000.0) {
        snprintf(text, TEXT_BYTES, "%.1f", ns);
    } else {
        text__grouped(text, (uint64_t)(ns + 0.5));
    }
}

void bench_table_begin(FILE *file, int name_width)
{
    fprintf(file, "%-*s %14s %8s %13s %13s %7s %8s\n", name_width, "case", "median ns/op", "spread",
            "ops/s", "CPU ns/op", "allocs", "vs raw");
}

void bench_table_row(FILE *file, int name_width, const bench_figures *figures)
{
    if (figures->error[0] != '\0') {
        fprintf(file, "%-*s %s: %s\n", name_width, figures->name,
                figures->is_skipped ? "skipped" : "FAILED", figures->error);
        return;
    }
    char median[TEXT_BYTES];
    char rate[TEXT_BYTES];
    char cpu[TEXT_BYTES];
    char allocations[TEXT_BYTES] = "-";
    char ratio[TEXT_BYTES] = "-";
    text__ns(median, figures->median_ns);
    text__ns(cpu, figures->cpu_ns);
    text__grouped(rate, figures->median_ns > 0.0 ? (uint64_t)(1e9 / figures->median_ns) : 0);
    if (figures->has_allocations) {
        text__grouped(allocations, figures->allocations);
    }
    if (figures->ratio > 0.0) {
        snprintf(ratio, sizeof ratio, figures->ratio < 0.1 ? "%.4fx" : "%.2fx", figures->ratio);
    }
    fprintf(file, "%-*s %14s %6.1f %% %13s %13s %7s %8s", name_width, figures->name, median,
            figures->spread_percent, rate, cpu, allocations, ratio);
    if (figures->bytes_per_second > 0.0) {
        fprintf(file, "  %.0f MB/s", figures->bytes_per_second / 1e6);
    }
    if (figures->longest_ns > 0.0) {
        fprintf(file, "  %.0f us the longest turn", figures->longest_ns / 1e3);
    }
    if (figures->late_ns != 0.0) {
        fprintf(file, "  %.0f us late", figures->late_ns / 1e3);
    }
    for (size_t i = 0; i < BENCH_SPREADS && figures->spreads[i].name != NULL; i++) {
        const bench_spread *spread = &figures->spreads[i];
        double unit = spread->is_time ? 1e3 : 1.0;
        fprintf(file, "  %s %.0f/%.0f/%.0f%s", spread->name, spread->p50 / unit, spread->p99 / unit,
                spread->p999 / unit, spread->is_time ? " us" : "");
    }
    fputc('\n', file);
}

/* ---- CSV ---- */

/* In one field: "wait 1 2 3; trip 4 5 6". */
static void csv__spreads(FILE *file, const bench_spread spreads[BENCH_SPREADS])
{
    for (size_t i = 0; i < BENCH_SPREADS && spreads[i].name != NULL; i++) {
        fprintf(file, "%s%s %.0f %.0f %.0f", i > 0 ? "; " : "", spreads[i].name, spreads[i].p50,
                spreads[i].p99, spreads[i].p999);
    }
}

void bench_csv_write(FILE *file, const bench_figures *results, size_t count)
{
    fprintf(file,
            "case,operations,samples,median_ns,spread_percent,least_ns,most_ns,ops_per_second,"
            "cpu_ns,allocations,ratio,bytes_per_second,longest_ns,late_ns,spreads,error\n");
    for (size_t i = 0; i < count; i++) {
        const bench_figures *one = &results[i];
        if (one->error[0] != '\0') {
            fprintf(file, "%s,,,,,,,,,,,,,,,%s%s\n", one->name, one->is_skipped ? "skipped: " : "",
                    one->error);
            continue;
        }
        fprintf(file, "%s,%" PRIu64 ",%" PRIu32 ",%.3f,%.3f,%.3f,%.3f,%.3f,", one->name,
                one->operations, one->samples, one->median_ns, one->spread_percent, one->least_ns,
                one->most_ns, one->median_ns > 0.0 ? 1e9 / one->median_ns : 0.0);
        if (one->cpu_ns >= 0.0) {
            fprintf(file, "%.3f", one->cpu_ns);
        }
        fputc(',', file);
        if (one->has_allocations) {
            fprintf(file, "%" PRIu64, one->allocations);
        }
        fputc(',', file);
        if (one->ratio > 0.0) {
            fprintf(file, "%.6f", one->ratio);
        }
        fputc(',', file);
        if (one->bytes_per_second > 0.0) {
            fprintf(file, "%.0f", one->bytes_per_second);
        }
        fputc(',', file);
        if (one->longest_ns > 0.0) {
            fprintf(file, "%.0f", one->longest_ns);
        }
        fputc(',', file);
        if (one->late_ns != 0.0) {
            fprintf(file, "%.3f", one->late_ns);
        }
        fputc(',', file);
        csv__spreads(file, one->spreads);
        fputs(",\n", file);
    }
}

/* ---- JSON ---- */

/* Texts are ASCII without control characters, but may hold quotes. */
static void json__string(FILE *file, const char *text)
{
    fputc('"', file);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            fputc('\\', file);
        }
        fputc(*text, file);
    }
    fputc('"', file);
}

static void json__number(FILE *file, const char *name, double value, bool is_known)
{
    if (is_known) {
        fprintf(file, ", \"%s\": %.6f", name, value);
    } else {
        fprintf(file, ", \"%s\": null", name);
    }
}

static void json__figures(FILE *file, const bench_figures *one)
{
    fprintf(file, ", \"operations\": %" PRIu64 ", \"samples\": %" PRIu32, one->operations,
            one->samples);
    json__number(file, "median_ns", one->median_ns, true);
    json__number(file, "spread_percent", one->spread_percent, true);
    json__number(file, "least_ns", one->least_ns, true);
    json__number(file, "most_ns", one->most_ns, true);
    json__number(file, "ops_per_second", 1e9 / one->median_ns, one->median_ns > 0.0);
    json__number(file, "cpu_ns", one->cpu_ns, one->cpu_ns >= 0.0);
    if (one->has_allocations) {
        fprintf(file, ", \"allocations\": %" PRIu64, one->allocations);
    } else {
        fprintf(file, ", \"allocations\": null");
    }
    json__number(file, "ratio", one->ratio, one->ratio > 0.0);
    json__number(file, "bytes_per_second", one->bytes_per_second, one->bytes_per_second > 0.0);
    json__number(file, "longest_ns", one->longest_ns, one->longest_ns > 0.0);
    json__number(file, "late_ns", one->late_ns, one->late_ns != 0.0);
    for (size_t i = 0; i < BENCH_SPREADS && one->spreads[i].name != NULL; i++) {
        const bench_spread *spread = &one->spreads[i];
        fprintf(file, ", \"%s_p50\": %.0f, \"%s_p99\": %.0f, \"%s_p999\": %.0f", spread->name,
                spread->p50, spread->name, spread->p99, spread->name, spread->p999);
    }
}

void bench_json_write(FILE *file, const bench_figures *results, size_t count)
{
    fprintf(file,
            "{\n  \"program\": \"iocploop_bench\",\n  \"library\": \"%s\",\n"
            "  \"results\": [\n",
            iocp_version_string());
    for (size_t i = 0; i < count; i++) {
        fputs("    {\"name\": ", file);
        json__string(file, results[i].name);
        if (results[i].error[0] != '\0') {
            fputs(results[i].is_skipped ? ", \"skipped\": " : ", \"error\": ", file);
            json__string(file, results[i].error);
        } else {
            json__figures(file, &results[i]);
        }
        fputs(i + 1 < count ? "},\n" : "}\n", file);
    }
    fputs("  ]\n}\n", file);
}
