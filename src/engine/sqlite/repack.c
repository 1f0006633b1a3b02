/* The part of compaction that fills half-empty pages. SQLite gives a page back only when it is
 * empty, so a table that lost every other row keeps nearly all of its pages. A run of neighbouring
 * rows that is deleted and inserted again, under the same numbers, comes to stand in pages that are
 * seven eighths full (measured: 52 % before, 87 % after, with runs of 50 to 1000 rows).
 *
 * Only for a file with much air: see judge(). */
#include "engine/sqlite/compact.h"

enum {
    COLUMNS_MAX = 5,
    RUN_ROWS = 64,
    RUN_BYTES = 128 * 1024,
    WIDE_ROW_BYTES = 2048, /* rows beyond live on pages of their own, which do come back */
    /* What a row takes beside its data: header, numbers, checksum, place in the page. */
    DOC_BYTES = 40,
    BODY_BYTES = 16,
    SLACK_BYTES = 32 * DV_SQ_PAGE_BYTES, /* an empty file has 15 */
};

/* ---- is it worth it ---- */

static int number_of(struct dv_sqcompaction *c, enum dv_sql which, uint64_t *n, struct dv_err *err)
{
    sqlite3_stmt *st;
    int rc = dv_sqconn_stmt(c->t->conn, which, &st, err);

    if (rc == 0)
        rc = dv_sqconn_step(c->t->conn, st, err);
    if (rc < 0)
        return rc;
    *n = rc > 0 ? dv_sq_column_u64(st, 0) : 0;
    sqlite3_reset(st);
    return 0;
}

/* Yes for a file more than 1.25 times as large as its rows need, or 1.15 times when this compaction
 * dropped a tenth of the records (a compaction that was killed may have dropped them before). What
 * was just rewritten measures 0.9 to 1.1. */
static int judge(struct dv_sqcompaction *c, struct dv_err *err)
{
    const struct dv_sqstate *s = &c->t->state;
    uint64_t docs = s->docs + s->deleted;
    uint64_t pages, free_pages, locals, atts, used, need, id_bytes;
    int rc = number_of(c, DV_SQL_PAGE_COUNT, &pages, err);

    if (rc == 0)
        rc = number_of(c, DV_SQL_FREE_PAGES, &free_pages, err);
    if (rc == 0)
        rc = number_of(c, DV_SQL_LOCALS_BYTES, &locals, err);
    if (rc == 0)
        rc = number_of(c, DV_SQL_ATTS_BYTES, &atts, err);
    if (rc < 0)
        return rc;
    used = (pages - free_pages) * DV_SQ_PAGE_BYTES;
    id_bytes = c->n_docs ? c->id_bytes / c->n_docs * docs : 0;
    need = s->leaf_bytes + s->tree_bytes + 2 * id_bytes + locals + atts + SLACK_BYTES +
           docs * (DOC_BYTES + BODY_BYTES);
    c->repack = used > need + need / 4 ||
                (used > need + need * 3 / 20 && c->dropped_bytes > s->leaf_bytes / 10);
    return 0;
}

/* ---- runs ---- */

struct row {
    uint64_t number;
    sqlite3_value *columns[COLUMNS_MAX]; /* owned: the others, in order */
};

struct run {
    struct row rows[RUN_ROWS];
    size_t n;
    size_t bytes;
};

struct table {
    enum dv_sql after, delete_run, put;
    int columns;   /* beside the number */
    uint64_t last; /* what is newer was just appended */
};

static void drop_run(struct run *run)
{
    for (size_t i = 0; i < run->n; i++)
        for (int k = 0; k < COLUMNS_MAX; k++)
            sqlite3_value_free(run->rows[i].columns[k]);
}

static bool copy_row(const struct table *table, sqlite3_stmt *st, struct run *run)
{
    struct row *row = &run->rows[run->n];

    memset(row, 0, sizeof(*row));
    row->number = dv_sq_column_u64(st, 0);
    run->n++;
    for (int k = 0; k < table->columns; k++) {
        row->columns[k] = sqlite3_value_dup(sqlite3_column_value(st, k + 1));
        if (!row->columns[k])
            return false;
        run->bytes += (size_t)sqlite3_value_bytes(row->columns[k]);
    }
    return true;
}

static int read_run(struct dv_sqcompaction *c, const struct table *table, struct run *run,
                    struct dv_err *err)
{
    size_t rows =
        c->opt->rows_per_txn && c->opt->rows_per_txn < RUN_ROWS ? c->opt->rows_per_txn : RUN_ROWS;
    sqlite3_stmt *st;
    int rc = dv_sqconn_stmt(c->t->conn, table->after, &st, err);

    if (rc < 0)
        return rc;
    dv_sq_bind_u64(st, 1, c->cursor);
    while (run->n < rows && run->bytes < RUN_BYTES &&
           (rc = dv_sqconn_step(c->t->conn, st, err)) > 0) {
        if (dv_sq_column_u64(st, 0) > table->last)
            break;
        if (!copy_row(table, st, run)) {
            rc = dv_err_set(err, DV_ENOMEM, "out of memory");
            break;
        }
    }
    sqlite3_reset(st);
    return rc < 0 ? rc : 0;
}

static int write_run(struct dv_sqcompaction *c, const struct table *table, const struct run *run,
                     struct dv_err *err)
{
    sqlite3_stmt *st;
    int rc = dv_sqconn_stmt(c->t->conn, table->delete_run, &st, err);

    if (rc < 0)
        return rc;
    dv_sq_bind_u64(st, 1, run->rows[0].number);
    dv_sq_bind_u64(st, 2, run->rows[run->n - 1].number);
    rc = dv_sqconn_done(c->t->conn, st, err);
    if (rc == 0)
        rc = dv_sqconn_stmt(c->t->conn, table->put, &st, err);
    for (size_t i = 0; rc == 0 && i < run->n; i++) {
        dv_sq_bind_u64(st, 1, run->rows[i].number);
        for (int k = 0; k < table->columns; k++)
            sqlite3_bind_value(st, k + 2, run->rows[i].columns[k]);
        rc = dv_sqconn_done(c->t->conn, st, err);
    }
    if (rc == 0)
        sqlite3_clear_bindings(st);
    return rc;
}

static int step_run(struct dv_sqcompaction *c, const struct table *table, struct dv_err *err)
{
    struct run run = { .n = 0 };
    int rc = read_run(c, table, &run, err);

    if (rc == 0 && run.n == 0)
        return 1;
    if (rc == 0) {
        c->cursor = run.rows[run.n - 1].number;
        if (run.bytes / run.n < WIDE_ROW_BYTES)
            rc = write_run(c, table, &run, err);
    }
    drop_run(&run);
    return rc;
}

int dv_sqrepack_bodies(struct dv_sqcompaction *c, struct dv_err *err)
{
    const struct table bodies = { DV_SQL_BODIES_AFTER, DV_SQL_BODIES_DELETE, DV_SQL_BODY_PUT, 2,
                                  c->start_body };
    int rc;

    if (!c->judged) {
        rc = judge(c, err);
        if (rc < 0)
            return rc;
        c->judged = true;
    }
    return c->repack ? step_run(c, &bodies, err) : 1;
}

int dv_sqrepack_docs(struct dv_sqcompaction *c, struct dv_err *err)
{
    const struct table docs = { DV_SQL_DOCS_AFTER, DV_SQL_DOCS_DELETE, DV_SQL_DOC_PUT, 5,
                                c->start_seq };

    return c->repack ? step_run(c, &docs, err) : 1;
}
