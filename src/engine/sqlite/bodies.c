/* Records of revisions: appended under numbers that are never used twice. */
#include "engine/sqlite/internal.h"

static int32_t body_sum(uint64_t ref, struct dv_slice record)
{
    return dv_sqsum(&ref, 1, record, dv_slice(NULL, 0));
}

int dv_sqbody_row(struct dv_txn_backend *t, uint64_t ref, int64_t sum, struct dv_slice record,
                  struct dv_err *err)
{
    return sum == body_sum(ref, record) ? 0
                                        : dv_sqtxn_corrupt(t, err, "checksum of body %llu is wrong",
                                                           (unsigned long long)ref);
}

int dv_sqbody_read(struct dv_txn_backend *t, uint64_t ref, struct dv_buf *out, struct dv_err *err)
{
    struct dv_slice record;
    sqlite3_stmt *st;
    int rc = dv_sqconn_stmt(t->conn, DV_SQL_BODY_GET, &st, err);

    if (rc < 0)
        return rc;
    dv_sq_bind_u64(st, 1, ref);
    rc = dv_sqconn_step(t->conn, st, err);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return dv_err_set(err, DV_ENOTFOUND, "missing");
    record = dv_sq_column(st, 1);
    rc = dv_sqbody_row(t, ref, sqlite3_column_int64(st, 0), record, err);
    if (rc == 0 && (rc = dv_buf_add_slice(out, record)) < 0)
        dv_err_set(err, rc, "record of %zu bytes does not fit", record.n);
    sqlite3_reset(st);
    return rc;
}

int dv_sqbody_put(struct dv_txn_backend *t, struct dv_slice record, const struct dv_att_key *atts,
                  size_t n_atts, uint64_t *ref, struct dv_err *err)
{
    uint64_t next = t->state.last_body + 1;
    sqlite3_stmt *st;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < n_atts; i++)
        rc = dv_sqatt_find(t, &atts[i], NULL, err);
    if (rc < 0)
        return rc; /* an unknown attachment: nothing was done yet */
    rc = dv_sqconn_stmt(t->conn, DV_SQL_BODY_PUT, &st, err);
    if (rc < 0)
        return dv_sqtxn_fail(t, rc);
    dv_sq_bind_u64(st, 1, next);
    sqlite3_bind_int(st, 2, body_sum(next, record));
    dv_sq_bind_bytes(st, 3, record);
    rc = dv_sqconn_done(t->conn, st, err);
    for (size_t i = 0; rc == 0 && i < n_atts; i++)
        rc = dv_sqatt_refer(t, next, &atts[i], err);
    if (rc < 0)
        return dv_sqtxn_fail(t, rc);
    t->state.last_body = next;
    t->dirty = true;
    *ref = next;
    return 0;
}

int dv_sqbody_drop(struct dv_txn_backend *t, uint64_t ref, struct dv_err *err)
{
    sqlite3_stmt *st;
    int rc = dv_sqconn_stmt(t->conn, DV_SQL_BODY_DELETE, &st, err);

    if (rc == 0) {
        dv_sq_bind_u64(st, 1, ref);
        rc = dv_sqconn_done(t->conn, st, err);
    }
    if (rc < 0)
        return dv_sqtxn_fail(t, rc);
    return sqlite3_changes(t->conn->db) ? dv_sqatt_unrefer(t, ref, err) : 0;
}
