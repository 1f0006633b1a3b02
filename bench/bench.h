/* What the files behind `make bench` share: the documents, cases that run in a process of their
 * own, plain SQLite and divan doing the same work. Failures end the process with one line: a bench
 * that went wrong has nothing to print. */
#ifndef DV_BENCH_BENCH_H
#define DV_BENCH_BENCH_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum {
    BENCH_BATCH = 1000,              /* documents handed over at a time */
    BENCH_CACHE_BYTES = 28 << 20,    /* of the writing connection, plain and divan */
    BENCH_MILLION_PART = 100 * 1000, /* documents of which the first and last are compared */
};

void bench_die(const char *what, const struct dv_err *err) __attribute__((noreturn));
void bench_check(bool ok, const char *what); /* bench_die(what) unless ok */
double bench_now_s(void);

/* ---- documents (rows.c) ---- */

/* Document n, always the same: a random id of 32 characters, a revision 1-..., a body of 300 to
 * 500 bytes with the members of an ordinary record. */
struct bench_doc {
    char id[33];
    char hash[33];  /* of revision 1 */
    char body[512]; /* the JSON object without special members */
    size_t body_bytes;
};
void bench_doc_make(uint64_t n, struct bench_doc *doc);

/* A batch of documents as JSON. */
struct bench_batch {
    struct dv_buf text;
    size_t ends[BENCH_BATCH];
    size_t n;
};
enum bench_form {
    BENCH_REPLICATED, /* _id, _rev, _revisions */
    BENCH_EDIT,       /* _id and the _rev of the first revision; the body differs from it */
};
void bench_batch_init(struct bench_batch *b);
void bench_batch_fini(struct bench_batch *b);
/* Documents first to first + n, n at most BENCH_BATCH. */
void bench_batch_fill(struct bench_batch *b, uint64_t first, size_t n, enum bench_form form);

/* ---- processes (child.c) ---- */

struct bench_result {
    double seconds;
    uint64_t rows;
    double first_s, last_s; /* million: the first and the last BENCH_MILLION_PART */
    uint64_t json_bytes, file_bytes;
    uint64_t peak_log_bytes; /* of the write-ahead log beside the file, seen after each batch */
    double caller_cpu_s;     /* processor time of the thread that ran fn */
    double other_cpu_s;      /* of all others */
    uint64_t peak_anon_kib;  /* largest RssAnon seen while it ran */
};
typedef void bench_fn(const void *arg, struct bench_result *result);
/* Run fn in a child process, sampling its memory. */
void bench_run(bench_fn *fn, const void *arg, struct bench_result *result);

/* ---- plain SQLite (plain.c) ---- */

struct bench_plain {
    const char *path; /* made anew by write */
    uint64_t docs;
    int page_bytes;
    int rows_per_txn;
    int log_bytes; /* the log is moved into the file beyond that */
};
bench_fn bench_plain_write, bench_plain_read; /* arg: struct bench_plain */

/* ---- divan (divan.c) ---- */

struct bench_divan {
    const char *path;
    uint64_t docs;
};
/* arg: struct bench_divan. write makes the database anew, the others use what it left. */
bench_fn bench_divan_write, bench_divan_edit, bench_divan_changes, bench_divan_compact;

#endif
