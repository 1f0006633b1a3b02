/* The speed and size divan promises (README.md here), as one table of ratios.
 *
 * Every figure is the median over rounds; a round runs plain SQLite and divan one after another,
 * and a ratio is taken within its round, so that a machine with other work is slow for both.
 * Nothing fails on time: the table says PASS or SHORT, and the exit status tells only of broken
 * runs. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/bench.h"

enum { ROUNDS_MAX = 51, PASSES = 2 };

struct setup {
    uint64_t docs;
    int rounds;
    bool million;
    char folder[256];
};

/* One line of the table, a value and its ratio per round. */
struct line {
    const char *what;
    const char *of; /* what the ratio is taken of; NULL: no ratio */
    const char *unit;
    double value[ROUNDS_MAX];
    double ratio[ROUNDS_MAX];
    double promise_ratio, promise_value; /* 0: none */
    bool at_most;
    uint64_t peak_anon_kib;
    double caller_us, other_us; /* processor time per row, least of all rounds */
    int n;
};

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(const double *v, int n)
{
    double sorted[ROUNDS_MAX];

    memcpy(sorted, v, (size_t)n * sizeof(*v));
    qsort(sorted, (size_t)n, sizeof(*sorted), compare_doubles);
    return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

static void add(struct line *l, double value, double ratio, const struct bench_result *r)
{
    l->value[l->n] = value;
    l->ratio[l->n++] = ratio;
    if (r->peak_anon_kib > l->peak_anon_kib)
        l->peak_anon_kib = r->peak_anon_kib;
    if (l->n == 1 || 1e6 * r->caller_cpu_s / (double)r->rows < l->caller_us)
        l->caller_us = 1e6 * r->caller_cpu_s / (double)r->rows;
    if (l->n == 1 || 1e6 * r->other_cpu_s / (double)r->rows < l->other_us)
        l->other_us = 1e6 * r->other_cpu_s / (double)r->rows;
}

static const char *verdict(const struct line *l)
{
    double value = l->promise_ratio > 0 ? median(l->ratio, l->n) : median(l->value, l->n);
    double promise = l->promise_ratio > 0 ? l->promise_ratio : l->promise_value;

    return (l->at_most ? value <= promise : value >= promise) ? "PASS" : "SHORT";
}

static void print_heading(void)
{
    printf("\n%-34s %12s %21s %7s %-22s %9s\n", "", "median", "lowest - highest", "ratio", "of",
           "promise");
}

static void print_line(const struct line *l)
{
    double low = l->value[0], high = l->value[0];
    char range[40], promise[40] = "";

    for (int i = 1; i < l->n; i++) {
        low = l->value[i] < low ? l->value[i] : low;
        high = l->value[i] > high ? l->value[i] : high;
    }
    snprintf(range, sizeof(range), "%.0f - %.0f", low, high);
    printf("%-34s %12.0f %21s ", l->what, median(l->value, l->n), range);
    if (l->of)
        printf("%7.2f %-22s", median(l->ratio, l->n), l->of);
    else
        printf("%7s %-22s", "", l->unit);
    if (l->promise_ratio > 0)
        snprintf(promise, sizeof(promise), "%s %.2f", l->at_most ? "<=" : ">=", l->promise_ratio);
    else if (l->promise_value > 0)
        snprintf(promise, sizeof(promise), "%s %.0f", l->at_most ? "<=" : ">=", l->promise_value);
    printf(" %9s %s\n", promise, promise[0] ? verdict(l) : "");
}

static double rate(const struct bench_result *r)
{
    return (double)r->rows / r->seconds;
}

/* ---- plain SQLite: which settings are its best here --------------------------------------- */

/* Rows per second, the better of PASSES: what else the machine does must not choose. */
static double try_plain(const struct bench_plain *plain)
{
    double best = 0;

    for (int i = 0; i < PASSES; i++) {
        struct bench_result r;

        bench_run(bench_plain_write, plain, &r);
        best = rate(&r) > best ? rate(&r) : best;
    }
    return best;
}

static void find_best(const struct setup *s, struct bench_plain *best)
{
    static const int pages[] = { 4096, 8192, 16384 }, txns[] = { 1000, 10000 };
    static const int logs[] = { 4 << 20, 24 << 20, 256 << 20 };
    double best_rate = 0;

    printf("plain SQLite, %llu rows, rows/s by page, transaction and log:\n",
           (unsigned long long)s->docs);
    for (int p = 0; p < 3; p++)
        for (int t = 0; t < 2; t++) {
            printf("  %2d KiB %5d rows:", pages[p] / 1024, txns[t]);
            for (int l = 0; l < 3; l++) {
                struct bench_plain plain = { best->path, s->docs, pages[p], txns[t], logs[l] };
                double got = try_plain(&plain);

                printf(" %8.0f (%d MiB)", got, logs[l] >> 20);
                fflush(stdout);
                if (got > best_rate) {
                    best_rate = got;
                    *best = plain;
                }
            }
            putchar('\n');
        }
    printf("taken: %d KiB pages, %d rows, log of %d MiB\n", best->page_bytes / 1024,
           best->rows_per_txn, best->log_bytes >> 20);
}

/* ---- speed ----------------------------------------------------------------------------------- */

static void measure_speed(const struct setup *s, const char *plain_path, const char *divan_path)
{
    struct line lines[] = {
        { .what = "plain SQLite, write", .unit = "rows/s" },
        { .what = "replicated bulk write", .of = "plain write", .promise_ratio = 0.5 },
        { .what = "local edits", .of = "replicated write", .promise_ratio = 0.5 },
        { .what = "local edits", .of = "plain write", .promise_ratio = 0.25 },
        { .what = "plain SQLite, read in order", .unit = "rows/s" },
        { .what = "changes with bodies", .unit = "documents/s", .promise_value = 200000 },
        { .what = "changes with bodies", .of = "plain read" },
    };
    struct bench_plain plain = { .path = plain_path };
    struct bench_divan divan = { divan_path, s->docs };
    struct bench_result r[5];

    find_best(s, &plain);
    for (int i = 0; i < s->rounds; i++) {
        bench_run(bench_plain_write, &plain, &r[0]);
        bench_run(bench_divan_write, &divan, &r[1]);
        bench_run(bench_plain_read, &plain, &r[2]);
        bench_run(bench_divan_changes, &divan, &r[3]);
        bench_run(bench_divan_edit, &divan, &r[4]);
        add(&lines[0], rate(&r[0]), 0, &r[0]);
        add(&lines[1], rate(&r[1]), rate(&r[1]) / rate(&r[0]), &r[1]);
        add(&lines[2], rate(&r[4]), rate(&r[4]) / rate(&r[1]), &r[4]);
        add(&lines[3], rate(&r[4]), rate(&r[4]) / rate(&r[0]), &r[4]);
        add(&lines[4], rate(&r[2]), 0, &r[2]);
        add(&lines[5], rate(&r[3]), 0, &r[3]);
        add(&lines[6], rate(&r[3]), rate(&r[3]) / rate(&r[2]), &r[3]);
    }
    print_heading();
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        print_line(&lines[i]);
    printf(
        "processor, us/document (caller + others): plain %.1f, replicated %.1f + %.1f, edits %.1f +"
        " %.1f, changes %.1f\n",
        lines[0].caller_us, lines[1].caller_us, lines[1].other_us, lines[2].caller_us,
        lines[2].other_us, lines[6].caller_us);
    printf("peak anonymous memory, MiB: plain %.0f, replicated %.0f, edits %.0f, changes %.0f\n",
           (double)lines[0].peak_anon_kib / 1024, (double)lines[1].peak_anon_kib / 1024,
           (double)lines[2].peak_anon_kib / 1024, (double)lines[6].peak_anon_kib / 1024);
}

/* ---- size ---------------------------------------------------------------------------------- */

static void measure_size(const struct setup *s, const char *path)
{
    struct line line = {
        .what = "file after compaction, KiB", .of = "JSON", .promise_ratio = 1.5, .at_most = true
    };
    struct bench_divan divan = { path, s->docs };
    struct bench_result r;

    bench_run(bench_divan_write, &divan, &r);
    bench_run(bench_divan_edit, &divan, &r); /* so that there is something to compact */
    bench_run(bench_divan_compact, &divan, &r);
    add(&line, (double)r.file_bytes / 1024, (double)r.file_bytes / (double)r.json_bytes, &r);
    print_heading();
    print_line(&line);
    printf("JSON %.1f MiB, compacted in %.2f s, peak anonymous memory %.0f MiB\n",
           (double)r.json_bytes / (1 << 20), r.seconds, (double)r.peak_anon_kib / 1024);
}

/* ---- a million ------------------------------------------------------------------------------ */

static void measure_million(const char *path)
{
    struct line lines[] = {
        { .what = "million documents: first 100 000", .unit = "documents/s" },
        { .what = "million documents: last 100 000", .of = "the first", .promise_ratio = 0.5 },
        { .what = "million documents: all", .unit = "documents/s" },
        { .what = "peak anonymous memory, KiB",
          .unit = "",
          .promise_value = 64 * 1024,
          .at_most = true },
        { .what = "largest log, KiB", .unit = "", .promise_value = 64 * 1024, .at_most = true },
    };
    struct bench_divan divan = { path, 10 * BENCH_MILLION_PART };
    struct bench_result r;

    bench_run(bench_divan_write, &divan, &r);
    add(&lines[0], BENCH_MILLION_PART / r.first_s, 0, &r);
    add(&lines[1], BENCH_MILLION_PART / r.last_s, r.first_s / r.last_s, &r);
    add(&lines[2], rate(&r), 0, &r);
    add(&lines[3], (double)r.peak_anon_kib, 0, &r);
    add(&lines[4], (double)r.peak_log_bytes / 1024, 0, &r);
    print_heading();
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        print_line(&lines[i]);
}

/* ---- command line ---------------------------------------------------------------------------- */

static int usage(void)
{
    fprintf(stderr, "usage: bench [quick] [--rounds N] [--docs N] [--folder DIR]\n");
    return 2;
}

static bool read_arguments(int argc, char **argv, struct setup *s)
{
    const char *base = ".";

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "quick") == 0)
            s->million = false;
        else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
            s->rounds = atoi(argv[++i]);
        else if (strcmp(argv[i], "--docs") == 0 && i + 1 < argc)
            s->docs = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--folder") == 0 && i + 1 < argc)
            base = argv[++i];
        else
            return false;
    }
    snprintf(s->folder, sizeof(s->folder), "%s/bench-XXXXXX", base);
    return s->rounds > 0 && s->rounds <= ROUNDS_MAX && s->docs > 0;
}

int main(int argc, char **argv)
{
    struct setup s = { .docs = 100 * 1000, .rounds = 5, .million = true };
    char plain[300], divan[300], clean[400];

    if (!read_arguments(argc, argv, &s))
        return usage();
    bench_check(mkdtemp(s.folder) != NULL, "cannot make a folder");
    snprintf(plain, sizeof(plain), "%s/plain.db", s.folder);
    snprintf(divan, sizeof(divan), "%s/bench.divan", s.folder);
    measure_speed(&s, plain, divan);
    measure_size(&s, divan);
    if (s.million)
        measure_million(divan);
    snprintf(clean, sizeof(clean), "rm -rf '%s'", s.folder);
    return system(clean) == 0 ? 0 : 1;
}
