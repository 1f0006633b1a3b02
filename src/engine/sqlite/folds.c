/* Walks in order of id or of seq. Each takes its statements out of the connection's cache, so that
 * the callback may read, or walk, through the same transaction. */
#include "engine/sqlite/internal.h"

/* Ids are text: a number sorts before every id, a blob behind. */
static void bind_low(sqlite3_stmt *st, int at, bool has, struct dv_slice key)
{
    if (has)
        dv_sq_bind_id(st, at, key);
    else
        sqlite3_bind_int(st, at, 0);
}

static void bind_high(sqlite3_stmt *st, int at, bool has, struct dv_slice key)
{
    if (has)
        dv_sq_bind_id(st, at, key);
    else
        sqlite3_bind_zeroblob(st, at, 0);
}

static void bind_range(sqlite3_stmt *st, const struct dv_range *r)
{
    if (r->descending) {
        bind_low(st, 1, r->has_end, r->end_key);
        bind_high(st, 2, r->has_start, r->start_key);
    } else {
        bind_low(st, 1, r->has_start, r->start_key);
        bind_high(st, 2, r->has_end, r->end_key);
    }
}

static bool past_end(const struct dv_range *r, struct dv_slice id)
{
    return r->has_end && r->end_exclusive && dv_slice_eq(id, r->end_key);
}

/* ---- documents by id ---- */

/* The document an index row (id, seq, deleted) points to. */
static int visit_doc(struct dv_txn_backend *t, sqlite3_stmt *index, sqlite3_stmt *doc,
                     dv_doc_fn *fn, void *arg, struct dv_err *err)
{
    struct dv_slice id = dv_sq_column(index, 0);
    uint64_t seq = dv_sq_column_u64(index, 1);
    struct dv_doc_info info;
    int rc;

    dv_sq_bind_u64(doc, 1, seq);
    rc = dv_sqconn_step(t->conn, doc, err);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return dv_sqtxn_corrupt(t, err, "the document at seq %llu is missing",
                                (unsigned long long)seq);
    rc = dv_sqdoc_row(t, doc, &info, err);
    if (rc == 0 &&
        (!dv_slice_eq(info.id, id) || info.deleted != (sqlite3_column_int(index, 2) != 0)))
        rc = dv_sqtxn_corrupt(t, err, "the document at seq %llu is not what the index says",
                              (unsigned long long)seq);
    if (rc == 0)
        rc = fn(arg, &info, err);
    sqlite3_reset(doc);
    return rc;
}

int dv_sqfold_docs(struct dv_txn_backend *t, const struct dv_range *range, dv_doc_fn *fn, void *arg,
                   struct dv_err *err)
{
    enum dv_sql which = t->state.staged
                            ? (range->descending ? DV_SQL_BOTH_IDS_DOWN : DV_SQL_BOTH_IDS_UP)
                            : (range->descending ? DV_SQL_IDS_DOWN : DV_SQL_IDS_UP);
    sqlite3_stmt *index, *doc;
    int rc = dv_sqconn_take(t->conn, which, &index, err);

    if (rc < 0)
        return rc;
    rc = dv_sqconn_take(t->conn, DV_SQL_DOC_GET, &doc, err);
    if (rc < 0) {
        dv_sqconn_give(t->conn, which, index);
        return rc;
    }
    bind_range(index, range);
    sqlite3_bind_int(index, 3, range->include_deleted);
    while ((rc = dv_sqconn_step(t->conn, index, err)) > 0) {
        if (past_end(range, dv_sq_column(index, 0))) {
            rc = 0;
            break;
        }
        rc = visit_doc(t, index, doc, fn, arg, err);
        if (rc != 0)
            break;
    }
    dv_sqconn_give(t->conn, DV_SQL_DOC_GET, doc);
    dv_sqconn_give(t->conn, which, index);
    return rc;
}

/* ---- local documents by id ---- */

int dv_sqfold_locals(struct dv_txn_backend *t, const struct dv_range *range, dv_local_fn *fn,
                     void *arg, struct dv_err *err)
{
    enum dv_sql which = range->descending ? DV_SQL_LOCALS_DOWN : DV_SQL_LOCALS_UP;
    struct dv_local local;
    sqlite3_stmt *st;
    int rc = dv_sqconn_take(t->conn, which, &st, err);

    if (rc < 0)
        return rc;
    bind_range(st, range);
    while ((rc = dv_sqconn_step(t->conn, st, err)) > 0) {
        rc = dv_sqlocal_row(t, st, &local, err);
        if (rc == 0 && past_end(range, local.id))
            break;
        if (rc == 0)
            rc = fn(arg, &local, err);
        if (rc != 0)
            break;
    }
    dv_sqconn_give(t->conn, which, st);
    return rc;
}

/* ---- changes ---- */

static sqlite3_int64 as_seq(uint64_t seq)
{
    return seq > INT64_MAX ? INT64_MAX : (sqlite3_int64)seq;
}

int dv_sqfold_changes(struct dv_txn_backend *t, uint64_t since, bool descending, dv_doc_fn *fn,
                      void *arg, struct dv_err *err)
{
    enum dv_sql which = descending ? DV_SQL_DOCS_UNTIL : DV_SQL_DOCS_AFTER;
    struct dv_doc_info info;
    sqlite3_stmt *st;
    int rc = dv_sqconn_take(t->conn, which, &st, err);

    if (rc < 0)
        return rc;
    sqlite3_bind_int64(st, 1, as_seq(since));
    while ((rc = dv_sqconn_step(t->conn, st, err)) > 0) {
        rc = dv_sqdoc_row(t, st, &info, err);
        if (rc == 0)
            rc = fn(arg, &info, err);
        if (rc != 0)
            break;
    }
    dv_sqconn_give(t->conn, which, st);
    return rc;
}

static int one_number(struct dv_txn_backend *t, sqlite3_stmt *st, uint64_t *n, struct dv_err *err)
{
    int rc = dv_sqconn_step(t->conn, st, err);

    if (rc <= 0)
        return rc;
    *n = dv_sq_column_u64(st, 0);
    sqlite3_reset(st);
    return 0;
}

int dv_sqfold_count_changes(struct dv_txn_backend *t, uint64_t since, uint64_t *n,
                            struct dv_err *err)
{
    sqlite3_stmt *st;
    int rc = dv_sqconn_stmt(t->conn, DV_SQL_DOCS_COUNT_AFTER, &st, err);

    if (rc < 0)
        return rc;
    sqlite3_bind_int64(st, 1, as_seq(since));
    return one_number(t, st, n, err);
}

int dv_sqfold_count_before(struct dv_txn_backend *t, struct dv_slice key, uint64_t *n,
                           struct dv_err *err)
{
    static const enum dv_sql both[] = { DV_SQL_IDS_COUNT_BEFORE, DV_SQL_NEW_IDS_COUNT_BEFORE };
    uint64_t count = 0, part = 0;
    int rc = 0;

    for (int i = 0; rc == 0 && i < 2; i++) {
        sqlite3_stmt *st;

        rc = dv_sqconn_stmt(t->conn, both[i], &st, err);
        if (rc == 0) {
            dv_sq_bind_id(st, 1, key);
            rc = one_number(t, st, &part, err);
        }
        count += part;
    }
    if (rc == 0)
        *n = count;
    return rc;
}
