/* divan at the same work: batches of JSON prepared on the caller's thread, applied on a strand. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>

#include "bench/bench.h"
#include "database/strand.h"

/* What a writer has told done(). */
struct progress {
    const char *log;
    uint64_t docs, total, peak_log_bytes;
    double first, last; /* when the first part was stored, when the last one began */
};

static struct dv_database *open_db(const struct bench_divan *d, bool anew)
{
    struct dv_database_options opt = { .store = { .cache_bytes = BENCH_CACHE_BYTES } };
    struct dv_database *db;
    struct dv_err err;

    if (anew && dv_database_remove(d->path, &opt, &err) < 0)
        bench_check(err.code == DV_ENODB, err.reason);
    if ((anew ? dv_database_create(d->path, &opt, &db, &err)
              : dv_database_open(d->path, &opt, &db, &err)) < 0)
        bench_die("cannot open a database", &err);
    return db;
}

static void stored(void *arg, struct dv_batch *batch, int code, const struct dv_err *err)
{
    const struct dv_edit_result *results = dv_batch_results(batch);
    struct progress *p = arg;
    size_t n = dv_batch_size(batch);
    struct stat st;

    if (code < 0)
        bench_die("a write failed", err);
    for (size_t i = 0; i < n; i++)
        if (results[i].code < 0)
            bench_die("a document was refused", results[i].err);
    p->docs += n;
    if (p->docs == BENCH_MILLION_PART)
        p->first = bench_now_s();
    if (p->docs + BENCH_MILLION_PART == p->total)
        p->last = bench_now_s();
    if (stat(p->log, &st) == 0 && (uint64_t)st.st_size > p->peak_log_bytes)
        p->peak_log_bytes = (uint64_t)st.st_size;
    dv_batch_free(batch);
}

/* Hand all documents over; the barrier at the end is in the time. */
static void write_all(struct dv_database *db, const struct bench_divan *d, enum bench_form form,
                      struct bench_result *result)
{
    char log[600];
    uint64_t docs = d->docs;
    struct progress progress = { .log = log, .total = docs };
    struct bench_batch texts;
    struct dv_strand *strand;
    struct dv_pool *pool;
    struct dv_err err;
    double start;

    snprintf(log, sizeof(log), "%s-wal", d->path);
    bench_batch_init(&texts);
    if (dv_pool_new(1, &pool, &err) < 0 || dv_strand_new(pool, db, NULL, &strand, &err) < 0)
        bench_die("no threads", &err);
    start = bench_now_s();
    for (uint64_t at = 0; at < docs; at += BENCH_BATCH) {
        struct dv_edit edits[BENCH_BATCH] = { 0 };
        struct dv_batch *batch;
        size_t n = docs - at < BENCH_BATCH ? (size_t)(docs - at) : BENCH_BATCH;

        bench_batch_fill(&texts, at, n, form);
        for (size_t i = 0, from = 0; i < n; from = texts.ends[i++])
            edits[i].json = dv_slice(texts.text.p + from, texts.ends[i] - from);
        if (dv_batch_prepare(db, edits, n, form == BENCH_REPLICATED, &batch, &err) < 0 ||
            dv_strand_submit_wait(strand, batch, DV_COMMIT_LAZY, stored, &progress, &err) < 0)
            bench_die("a write was not taken", &err);
    }
    dv_strand_drain(strand);
    if (dv_database_sync(db, &err) < 0)
        bench_die("the barrier", &err);
    result->seconds = bench_now_s() - start;
    result->rows = progress.docs;
    result->peak_log_bytes = progress.peak_log_bytes;
    result->first_s = progress.first - start;
    result->last_s = start + result->seconds - progress.last;
    dv_strand_free(strand);
    dv_pool_free(pool);
    bench_batch_fini(&texts);
}

void bench_divan_write(const void *arg, struct bench_result *result)
{
    const struct bench_divan *d = arg;
    struct dv_database *db = open_db(d, true);

    write_all(db, d, BENCH_REPLICATED, result);
    dv_database_close(db);
}

void bench_divan_edit(const void *arg, struct bench_result *result)
{
    const struct bench_divan *d = arg;
    struct dv_database *db = open_db(d, false);

    write_all(db, d, BENCH_EDIT, result);
    dv_database_close(db);
}

static int take_change(void *arg, const struct dv_change *change, struct dv_err *err)
{
    struct bench_result *result = arg;

    (void)err;
    bench_check(change->doc.n > 0 && change->n_revs == 1, "a change without its document");
    result->rows++;
    result->json_bytes += change->doc.n;
    return 0;
}

static void read_all(struct dv_database *db, uint64_t docs, struct bench_result *result)
{
    struct dv_changes_options opt = { .limit = UINT64_MAX, .include_docs = true };
    struct dv_err err;
    uint64_t last;
    double start = bench_now_s();

    if (dv_database_changes(db, &opt, take_change, result, &last, &err) < 0)
        bench_die("changes", &err);
    result->seconds = bench_now_s() - start;
    bench_check(result->rows == docs && last >= docs, "changes are missing");
}

void bench_divan_changes(const void *arg, struct bench_result *result)
{
    const struct bench_divan *d = arg;
    struct dv_database *db = open_db(d, false);

    read_all(db, d->docs, result);
    dv_database_close(db);
}

void bench_divan_compact(const void *arg, struct bench_result *result)
{
    const struct bench_divan *d = arg;
    struct dv_database *db = open_db(d, false);
    struct dv_compact_options opt = { 0 };
    struct dv_err err;
    struct stat st;
    double start;

    read_all(db, d->docs, result); /* the bytes of the documents as they are read */
    start = bench_now_s();
    if (dv_database_compact(db, &opt, &err) < 0)
        bench_die("compaction", &err);
    result->seconds = bench_now_s() - start;
    dv_database_close(db); /* the last close moves the log into the file */
    bench_check(stat(d->path, &st) == 0, "the file is gone");
    result->file_bytes = (uint64_t)st.st_size;
}
