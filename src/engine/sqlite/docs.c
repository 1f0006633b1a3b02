/* Documents: one row of `docs` at the seq of the latest change, and the id's entry in the index.
 *
 * An update deletes the row at its old seq and appends a row at the new one. The row goes in by
 * seq, as the caller ordered; the index is touched in the order of ids. */
#include "base/mem.h"
#include "engine/sqlite/internal.h"

int32_t dv_sqdoc_sum(uint64_t seq, bool deleted, uint64_t leaf_bytes, struct dv_slice id,
                     struct dv_slice tree)
{
    return dv_sqsum((uint64_t[]){ seq, deleted, leaf_bytes, id.n }, 4, id, tree);
}

int dv_sqdoc_row(struct dv_txn_backend *t, sqlite3_stmt *st, struct dv_doc_info *info,
                 struct dv_err *err)
{
    struct dv_doc_info d = { .found = true,
                             .seq = dv_sq_column_u64(st, 0),
                             .deleted = sqlite3_column_int(st, 2) != 0,
                             .leaf_bytes = dv_sq_column_u64(st, 3),
                             .id = dv_sq_column(st, 4),
                             .tree = dv_sq_column(st, 5) };

    if (sqlite3_column_int64(st, 1) != dv_sqdoc_sum(d.seq, d.deleted, d.leaf_bytes, d.id, d.tree))
        return dv_sqtxn_corrupt(t, err, "checksum of the document at seq %llu is wrong",
                                (unsigned long long)d.seq);
    *info = d;
    return 0;
}

/* ---- reading -----------------------------------------------------------------------------------
 */

static int copy_info(struct dv_arena *arena, struct dv_slice id, const struct dv_doc_info *from,
                     struct dv_doc_info *to, struct dv_err *err)
{
    *to = *from;
    to->id = id;
    to->tree = dv_arena_copy(arena, from->tree);
    return to->tree.p ? 0 : dv_err_set(err, DV_ENOMEM, "out of memory");
}

/* 1 when it is found in the index `which` joins, 0 when not. */
static int open_in(struct dv_txn_backend *t, enum dv_sql which, struct dv_slice id,
                   struct dv_arena *arena, struct dv_doc_info *out, struct dv_err *err)
{
    struct dv_doc_info row;
    sqlite3_stmt *st;
    int rc = dv_sqconn_stmt(t->conn, which, &st, err);

    if (rc < 0)
        return rc;
    dv_sq_bind_id(st, 1, id);
    rc = dv_sqconn_step(t->conn, st, err);
    if (rc <= 0)
        return rc;
    if (sqlite3_column_type(st, DV_SQL_DOC_FOUND) == SQLITE_NULL)
        rc = dv_sqtxn_corrupt(t, err, "the document at seq %llu is missing",
                              (unsigned long long)dv_sq_column_u64(st, 0));
    else
        rc = dv_sqdoc_row(t, st, &row, err);
    if (rc == 0 && !dv_slice_eq(row.id, id))
        rc = dv_sqtxn_corrupt(t, err, "the document at seq %llu has another id",
                              (unsigned long long)row.seq);
    if (rc == 0)
        rc = copy_info(arena, id, &row, out, err);
    sqlite3_reset(st);
    return rc < 0 ? rc : 1;
}

static int open_one(struct dv_txn_backend *t, struct dv_slice id, struct dv_arena *arena,
                    struct dv_doc_info *out, struct dv_err *err)
{
    struct dv_slice kept = dv_arena_copy(arena, id);
    int rc = 0;

    if (!kept.p)
        return dv_err_set(err, DV_ENOMEM, "out of memory");
    if (!t->write || !dv_sqfilter_is_new(&t->store->filter, id)) {
        if (t->state.staged)
            rc = open_in(t, DV_SQL_DOC_OF_NEW_ID, kept, arena, out, err);
        if (rc == 0)
            rc = open_in(t, DV_SQL_DOC_OF_ID, kept, arena, out, err);
    }
    if (rc != 0)
        return rc < 0 ? rc : 0;
    memset(out, 0, sizeof(*out));
    out->id = kept;
    return 0;
}

static struct dv_slice asked_id(const void *ids, size_t i)
{
    return ((const struct dv_slice *)ids)[i];
}

int dv_sqdoc_open(struct dv_txn_backend *t, const struct dv_slice *ids, size_t n,
                  struct dv_arena *arena, struct dv_doc_info *infos, struct dv_err *err)
{
    struct dv_sqids_key *keys = dv_sqids_sort(ids, n, asked_id);
    size_t missing = 0;
    int rc = 0;

    if (!keys)
        return dv_err_set(err, DV_ENOMEM, "out of memory");
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct dv_doc_info *info = &infos[keys[i].index];

        rc = open_one(t, ids[keys[i].index], arena, info, err);
        missing += rc == 0 && !info->found;
    }
    dv_free(keys);
    if (rc == 0 && t->write)
        dv_sqfilter_missed(t, missing);
    return rc;
}

/* ---- writing -----------------------------------------------------------------------------------
 */

static int delete_row(struct dv_txn_backend *t, const struct dv_doc_info *old, struct dv_err *err)
{
    struct dv_sqstate *s = &t->state;
    sqlite3_stmt *st;
    int rc = dv_sqconn_stmt(t->conn, DV_SQL_DOC_DELETE, &st, err);

    if (rc == 0) {
        dv_sq_bind_u64(st, 1, old->seq);
        rc = dv_sqconn_done(t->conn, st, err);
    }
    if (rc == 0 && sqlite3_changes(t->conn->db) != 1)
        rc = dv_sqtxn_corrupt(t, err, "the document at seq %llu is missing",
                              (unsigned long long)old->seq);
    if (rc < 0)
        return dv_sqtxn_fail(t, rc);
    if (old->deleted)
        s->deleted--;
    else
        s->docs--;
    s->leaf_bytes -= old->leaf_bytes;
    s->tree_bytes -= old->tree.n;
    return 0;
}

static void bind_row(sqlite3_stmt *st, int at, uint64_t seq, const struct dv_doc_write *w)
{
    dv_sq_bind_u64(st, at, seq);
    sqlite3_bind_int(st, at + 1, dv_sqdoc_sum(seq, w->deleted, w->leaf_bytes, w->id, w->tree));
    sqlite3_bind_int(st, at + 2, w->deleted);
    dv_sq_bind_u64(st, at + 3, w->leaf_bytes);
    dv_sq_bind_id(st, at + 4, w->id);
    dv_sq_bind_bytes(st, at + 5, w->tree);
}

/* One row, or DV_SQL_ROWS. */
static int append_rows(struct dv_txn_backend *t, struct dv_doc_write *docs, size_t n,
                       struct dv_err *err)
{
    struct dv_sqstate *s = &t->state;
    sqlite3_stmt *st;
    int rc = dv_sqconn_stmt(t->conn, n == 1 ? DV_SQL_DOC_PUT : DV_SQL_DOCS_PUT, &st, err);

    if (rc < 0)
        return dv_sqtxn_fail(t, rc);
    for (size_t i = 0; i < n; i++)
        bind_row(st, 6 * (int)i + 1, s->update_seq + 1 + i, &docs[i]);
    rc = dv_sqconn_done(t->conn, st, err);
    if (rc < 0)
        return dv_sqtxn_fail(t, rc);
    for (size_t i = 0; i < n; i++) {
        struct dv_doc_write *w = &docs[i];

        if (w->deleted)
            s->deleted++;
        else
            s->docs++;
        s->leaf_bytes += w->leaf_bytes;
        s->tree_bytes += w->tree.n;
        w->seq = ++s->update_seq;
    }
    return 0;
}

static struct dv_slice written_id(const void *docs, size_t i)
{
    return ((const struct dv_doc_write *)docs)[i].id;
}

static int index_docs(struct dv_txn_backend *t, const struct dv_doc_write *docs, size_t n,
                      struct dv_err *err)
{
    struct dv_sqids_key *keys = dv_sqids_sort(docs, n, written_id);
    const struct dv_doc_write *fresh[DV_SQL_ROWS];
    size_t n_fresh = 0;
    int rc = 0;

    if (!keys)
        return dv_sqtxn_fail(t, dv_err_set(err, DV_ENOMEM, "out of memory"));
    for (size_t i = 0; rc == 0 && i < n; i++) {
        const struct dv_doc_write *w = &docs[keys[i].index];

        if (w->old) {
            rc = dv_sqids_update(t, w->id, w->seq, w->deleted, err);
            continue;
        }
        fresh[n_fresh++] = w;
        if (n_fresh == DV_SQL_ROWS) {
            rc = dv_sqids_insert(t, fresh, n_fresh, err);
            n_fresh = 0;
        }
    }
    if (rc == 0)
        rc = dv_sqids_insert(t, fresh, n_fresh, err);
    dv_free(keys);
    return rc;
}

int dv_sqdoc_write(struct dv_txn_backend *t, struct dv_doc_write *docs, size_t n,
                   struct dv_err *err)
{
    uint64_t staged = t->state.staged;
    int rc = 0;

    t->dirty = true;
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (docs[i].old)
            rc = delete_row(t, docs[i].old, err);
    for (size_t i = 0, step; rc == 0 && i < n; i += step) {
        step = n - i < DV_SQL_ROWS ? 1 : DV_SQL_ROWS;
        rc = append_rows(t, &docs[i], step, err);
    }
    if (rc == 0)
        rc = index_docs(t, docs, n, err);
    if (rc == 0 && t->state.staged > staged)
        rc = dv_sqids_merge(t, (size_t)(t->state.staged - staged), err);
    return rc;
}

int dv_sqdoc_remove(struct dv_txn_backend *t, const struct dv_doc_info *old, struct dv_err *err)
{
    int rc = delete_row(t, old, err);

    t->dirty = true;
    return rc < 0 ? rc : dv_sqids_remove(t, old->id, err);
}
