/* The two indexes from id to seq, and the order of ids within a batch.
 *
 * A batch of random ids touches about one page per id of a large index, and every touched page goes
 * through the log: 8 KiB per document. So once the database is large (stage_from documents) a new
 * id goes into `ids_new`, which stays small, and is moved to `ids` together with its neighbours:
 * each write moves a run of ids in byte order, from where the last one stopped, round and round.
 * What that is worth: README.md. An id stands in exactly one of the two. */
#include <stdlib.h>

#include "base/mem.h"
#include "engine/sqlite/internal.h"

/* Documents below which the whole index fits the cache; ids in ids_new before a write moves some.
 */
enum { STAGE_FROM = 200 * 1000, STAGE_MAX = 64 * 1024 };

static uint64_t stage_from = STAGE_FROM;
static uint64_t stage_max = STAGE_MAX;

void dv_sqids_set_limits(uint64_t from, uint64_t max)
{
    stage_from = from;
    stage_max = max;
}

/* ---- order ------------------------------------------------------------------------------------
 */

struct batch {
    const void *base;
    dv_sqids_at *at;
};

static uint64_t prefix_of(struct dv_slice id)
{
    uint64_t prefix = 0;

    for (size_t i = 0; i < 8; i++)
        prefix = prefix << 8 | (i < id.n ? (unsigned char)id.p[i] : 0);
    return prefix;
}

static int compare_keys(const void *a, const void *b, void *arg)
{
    const struct dv_sqids_key *x = a, *y = b;
    const struct batch *batch = arg;

    if (x->prefix != y->prefix)
        return x->prefix < y->prefix ? -1 : 1;
    return dv_slice_cmp(batch->at(batch->base, x->index), batch->at(batch->base, y->index));
}

struct dv_sqids_key *dv_sqids_sort(const void *base, size_t n, dv_sqids_at *at)
{
    struct dv_sqids_key *keys = dv_malloc(n * sizeof(*keys));
    struct batch batch = { base, at };
    size_t sorted = 1;

    if (!keys)
        return NULL;
    for (size_t i = 0; i < n; i++)
        keys[i] = (struct dv_sqids_key){ prefix_of(at(base, i)), (uint32_t)i };
    while (sorted < n && compare_keys(&keys[sorted - 1], &keys[sorted], &batch) <= 0)
        sorted++;
    if (sorted < n) /* src/database hands them over in order */
        qsort_r(keys, n, sizeof(*keys), compare_keys, &batch);
    return keys;
}

/* ---- one id ------------------------------------------------------------------------------------
 */

static int put(struct dv_txn_backend *t, enum dv_sql which, struct dv_slice id, uint64_t seq,
               bool deleted, struct dv_err *err)
{
    sqlite3_stmt *st;
    int rc = dv_sqconn_stmt(t->conn, which, &st, err);

    if (rc < 0)
        return dv_sqtxn_fail(t, rc);
    dv_sq_bind_id(st, 1, id);
    dv_sq_bind_u64(st, 2, seq);
    sqlite3_bind_int(st, 3, deleted);
    return dv_sqtxn_fail(t, dv_sqconn_done(t->conn, st, err));
}

static int put_rows(struct dv_txn_backend *t, enum dv_sql which,
                    const struct dv_doc_write *const *docs, struct dv_err *err)
{
    sqlite3_stmt *st;
    int rc = dv_sqconn_stmt(t->conn, which, &st, err);

    if (rc < 0)
        return dv_sqtxn_fail(t, rc);
    for (int i = 0; i < DV_SQL_ROWS; i++) {
        dv_sq_bind_id(st, 3 * i + 1, docs[i]->id);
        dv_sq_bind_u64(st, 3 * i + 2, docs[i]->seq);
        sqlite3_bind_int(st, 3 * i + 3, docs[i]->deleted);
    }
    return dv_sqtxn_fail(t, dv_sqconn_done(t->conn, st, err));
}

int dv_sqids_insert(struct dv_txn_backend *t, const struct dv_doc_write *const *docs, size_t n,
                    struct dv_err *err)
{
    bool stage = t->state.staged || t->state.docs + t->state.deleted >= stage_from;
    int rc = 0;

    for (size_t i = 0; i < n; i++)
        dv_sqfilter_add(&t->store->filter, docs[i]->id);
    if (stage)
        t->state.staged += n;
    if (n == DV_SQL_ROWS)
        return put_rows(t, stage ? DV_SQL_NEW_IDS_PUT : DV_SQL_IDS_PUT, docs, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = put(t, stage ? DV_SQL_NEW_ID_PUT : DV_SQL_ID_PUT, docs[i]->id, docs[i]->seq,
                 docs[i]->deleted, err);
    return rc;
}

int dv_sqids_update(struct dv_txn_backend *t, struct dv_slice id, uint64_t seq, bool deleted,
                    struct dv_err *err)
{
    int rc;

    if (t->state.staged) {
        rc = put(t, DV_SQL_NEW_ID_UPDATE, id, seq, deleted, err);
        if (rc < 0 || sqlite3_changes(t->conn->db) == 1)
            return rc;
    }
    rc = put(t, DV_SQL_ID_UPDATE, id, seq, deleted, err);
    if (rc == 0 && sqlite3_changes(t->conn->db) != 1)
        rc = dv_sqtxn_fail(t, dv_sqtxn_corrupt(t, err,
                                               "id of the document at seq %llu is not in"
                                               " the index of ids",
                                               (unsigned long long)seq));
    return rc;
}

static int delete_from(struct dv_txn_backend *t, enum dv_sql which, struct dv_slice id,
                       bool *deleted, struct dv_err *err)
{
    sqlite3_stmt *st;
    int rc = dv_sqconn_stmt(t->conn, which, &st, err);

    if (rc == 0) {
        dv_sq_bind_id(st, 1, id);
        rc = dv_sqconn_done(t->conn, st, err);
    }
    if (rc == 0)
        *deleted = sqlite3_changes(t->conn->db) == 1;
    return dv_sqtxn_fail(t, rc);
}

int dv_sqids_remove(struct dv_txn_backend *t, struct dv_slice id, struct dv_err *err)
{
    bool deleted = false;
    int rc = 0;

    if (t->state.staged) {
        rc = delete_from(t, DV_SQL_NEW_ID_DELETE, id, &deleted, err);
        if (deleted)
            t->state.staged--;
    }
    if (rc == 0 && !deleted)
        rc = delete_from(t, DV_SQL_ID_DELETE, id, &deleted, err);
    if (rc == 0 && !deleted)
        rc = dv_sqtxn_fail(t, dv_sqtxn_corrupt(t, err, "an id is not in the index of ids"));
    return rc;
}

/* ---- moving ------------------------------------------------------------------------------------
 */

/* The id n places behind the last merge's end, or the last one of all. */
static int find_edge(struct dv_txn_backend *t, size_t n, struct dv_buf *edge, bool *last,
                     struct dv_err *err)
{
    sqlite3_stmt *st;
    int rc = dv_sqconn_stmt(t->conn, DV_SQL_NEW_IDS_EDGE, &st, err);

    if (rc < 0)
        return rc;
    dv_sq_bind_id(st, 1, dv_buf_slice(&t->store->merge_pos));
    dv_sq_bind_u64(st, 2, n - 1);
    rc = dv_sqconn_step(t->conn, st, err);
    *last = rc == 0;
    if (rc == 0) {
        rc = dv_sqconn_stmt(t->conn, DV_SQL_NEW_IDS_LAST, &st, err);
        if (rc == 0)
            rc = dv_sqconn_step(t->conn, st, err);
    }
    if (rc > 0) {
        rc = dv_buf_add_slice(edge, dv_sq_column(st, 0));
        if (rc < 0)
            dv_err_set(err, rc, "%s: no room for an id", t->store->path);
        sqlite3_reset(st);
    }
    return rc;
}

static int run_range(struct dv_txn_backend *t, enum dv_sql which, struct dv_slice to,
                     struct dv_err *err)
{
    sqlite3_stmt *st;
    int rc = dv_sqconn_stmt(t->conn, which, &st, err);

    if (rc < 0)
        return rc;
    dv_sq_bind_id(st, 1, dv_buf_slice(&t->store->merge_pos));
    dv_sq_bind_id(st, 2, to);
    return dv_sqconn_done(t->conn, st, err);
}

static int move_run(struct dv_txn_backend *t, size_t n, struct dv_err *err)
{
    struct dv_buf edge;
    bool last = false;
    int rc;

    dv_buf_init(&edge, DV_SQ_BLOB_MAX);
    rc = find_edge(t, n, &edge, &last, err);
    if (rc == 0)
        rc = run_range(t, DV_SQL_NEW_IDS_MOVE, dv_buf_slice(&edge), err);
    if (rc == 0)
        rc = run_range(t, DV_SQL_NEW_IDS_CLEAR, dv_buf_slice(&edge), err);
    if (rc == 0) {
        uint64_t moved = (uint64_t)sqlite3_changes(t->conn->db);

        t->state.staged -= moved < t->state.staged ? moved : t->state.staged;
        t->dirty = true;
        dv_buf_reset(&t->store->merge_pos);
        if (!last && dv_buf_add_slice(&t->store->merge_pos, dv_buf_slice(&edge)) < 0)
            dv_buf_reset(&t->store->merge_pos); /* only a hint: start over */
    }
    dv_buf_fini(&edge);
    return dv_sqtxn_fail(t, rc);
}

int dv_sqids_merge(struct dv_txn_backend *t, size_t n, struct dv_err *err)
{
    if (t->state.staged <= stage_max || n == 0)
        return 0;
    return move_run(t, n, err);
}

int dv_sqids_settle(struct dv_txn_backend *t, size_t n, struct dv_err *err)
{
    return t->state.staged ? move_run(t, n, err) : 0;
}
