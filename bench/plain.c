/* The measure of all: SQLite alone, a row per document with what a document store cannot do without
 * (look the id up, insert into a table with a unique index), no revisions, no checksums, no JSON.
 * The same cache as divan's writer, the same syncs: those of the checkpoints and one of the log at
 * the end. */
#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

#include "bench/bench.h"

static void must(sqlite3 *db, int rc)
{
    if (rc != SQLITE_OK && rc != SQLITE_ROW && rc != SQLITE_DONE) {
        fprintf(stderr, "bench: plain: %s\n", sqlite3_errmsg(db));
        _exit(1);
    }
}

static sqlite3 *open_file(const struct bench_plain *p, size_t cache_bytes)
{
    char pragmas[300];
    sqlite3 *db;

    bench_check(sqlite3_open(p->path, &db) == SQLITE_OK, "cannot open a database");
    snprintf(pragmas, sizeof(pragmas),
             "PRAGMA page_size=%d; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
             "PRAGMA cache_size=-%zu; PRAGMA wal_autocheckpoint=%d; PRAGMA secure_delete=0",
             p->page_bytes, cache_bytes / 1024, p->log_bytes / p->page_bytes);
    must(db, sqlite3_exec(db, pragmas, NULL, NULL, NULL));
    return db;
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *st;

    must(db, sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &st, NULL));
    return st;
}

static void remove_file(const char *path)
{
    static const char *const suffixes[] = { "", "-wal", "-shm" };
    char name[600];

    for (size_t i = 0; i < 3; i++) {
        snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
        unlink(name);
    }
}

static void sync_log(sqlite3 *db)
{
    sqlite3_file *log = NULL;

    must(db, sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log));
    must(db, log->pMethods->xSync(log, SQLITE_SYNC_NORMAL));
}

void bench_plain_write(const void *arg, struct bench_result *result)
{
    const struct bench_plain *p = arg;
    sqlite3_stmt *find, *put, *begin, *commit;
    double start;
    sqlite3 *db;

    remove_file(p->path);
    db = open_file(p, BENCH_CACHE_BYTES);
    must(db, sqlite3_exec(db, "CREATE TABLE rows(n INTEGER PRIMARY KEY, id UNIQUE, body)", NULL,
                          NULL, NULL));
    begin = prepare(db, "BEGIN IMMEDIATE");
    commit = prepare(db, "COMMIT");
    find = prepare(db, "SELECT n FROM rows WHERE id = ?1");
    put = prepare(db, "INSERT INTO rows(n, id, body) VALUES(?1, ?2, ?3)");
    start = bench_now_s();
    for (uint64_t i = 0; i < p->docs; i++) {
        struct bench_doc doc;

        bench_doc_make(i, &doc);
        if (i % (uint64_t)p->rows_per_txn == 0) {
            must(db, sqlite3_step(begin));
            sqlite3_reset(begin);
        }
        sqlite3_bind_text(find, 1, doc.id, 32, SQLITE_STATIC);
        bench_check(sqlite3_step(find) == SQLITE_DONE, "plain: an id is there already");
        sqlite3_reset(find);
        sqlite3_bind_int64(put, 1, (sqlite3_int64)i + 1);
        sqlite3_bind_text(put, 2, doc.id, 32, SQLITE_STATIC);
        sqlite3_bind_blob(put, 3, doc.body, (int)doc.body_bytes, SQLITE_STATIC);
        must(db, sqlite3_step(put));
        sqlite3_reset(put);
        if ((i + 1) % (uint64_t)p->rows_per_txn == 0 || i + 1 == p->docs) {
            must(db, sqlite3_step(commit));
            sqlite3_reset(commit);
        }
    }
    sync_log(db);
    result->seconds = bench_now_s() - start;
    result->rows = p->docs;
    sqlite3_finalize(begin);
    sqlite3_finalize(commit);
    sqlite3_finalize(find);
    sqlite3_finalize(put);
    must(db, sqlite3_close(db));
}

void bench_plain_read(const void *arg, struct bench_result *result)
{
    const struct bench_plain *p = arg;
    sqlite3 *db = open_file(p, 2 << 20);
    sqlite3_stmt *st = prepare(db, "SELECT n, id, body FROM rows WHERE n > ?1 ORDER BY n");
    uint64_t bytes = 0;
    double start = bench_now_s();

    sqlite3_bind_int64(st, 1, 0);
    while (sqlite3_step(st) == SQLITE_ROW) {
        bench_check(sqlite3_column_text(st, 1) && sqlite3_column_blob(st, 2), "plain: no memory");
        bytes += (uint64_t)sqlite3_column_bytes(st, 2);
        result->rows++;
    }
    result->seconds = bench_now_s() - start;
    result->json_bytes = bytes;
    bench_check(result->rows == p->docs, "plain: rows are missing");
    sqlite3_finalize(st);
    must(db, sqlite3_close(db));
}
