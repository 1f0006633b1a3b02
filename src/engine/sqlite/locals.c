/* Local documents: by id, never counted, never in the changes. */
#include "engine/sqlite/internal.h"

static int32_t local_sum(const struct dv_local *l)
{
    return dv_sqsum((uint64_t[]){ l->rev, l->id.n }, 2, l->id, l->body);
}

int dv_sqlocal_row(struct dv_txn_backend *t, sqlite3_stmt *st, struct dv_local *out,
                   struct dv_err *err)
{
    struct dv_local l = { .found = true,
                          .id = dv_sq_column(st, 0),
                          .rev = dv_sq_column_u64(st, 2),
                          .body = dv_sq_column(st, 3) };

    if (sqlite3_column_int64(st, 1) != local_sum(&l))
        return dv_sqtxn_corrupt(t, err, "checksum of local document %.*s is wrong",
                                (int)(l.id.n < 200 ? l.id.n : 200), l.id.p);
    *out = l;
    return 0;
}

static int open_one(struct dv_txn_backend *t, struct dv_slice id, struct dv_arena *arena,
                    struct dv_local *out, struct dv_err *err)
{
    struct dv_local l = { .found = false };
    sqlite3_stmt *st;
    int rc = dv_sqconn_stmt(t->conn, DV_SQL_LOCAL_GET, &st, err);

    if (rc < 0)
        return rc;
    dv_sq_bind_id(st, 1, id);
    rc = dv_sqconn_step(t->conn, st, err);
    if (rc < 0)
        return rc;
    if (rc > 0) {
        rc = dv_sqlocal_row(t, st, &l, err);
        if (rc == 0)
            l.body = dv_arena_copy(arena, l.body);
        sqlite3_reset(st);
        if (rc < 0)
            return rc;
    } else {
        l.body = DV_SLICE_LIT("");
    }
    l.id = dv_arena_copy(arena, id);
    if (!l.id.p || !l.body.p)
        return dv_err_set(err, DV_ENOMEM, "out of memory");
    *out = l;
    return 0;
}

int dv_sqlocal_open(struct dv_txn_backend *t, const struct dv_slice *ids, size_t n,
                    struct dv_arena *arena, struct dv_local *out, struct dv_err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = open_one(t, ids[i], arena, &out[i], err);
    return rc;
}

static int write_one(struct dv_txn_backend *t, const struct dv_local *l, struct dv_err *err)
{
    sqlite3_stmt *st;
    int rc = dv_sqconn_stmt(t->conn, l->found ? DV_SQL_LOCAL_PUT : DV_SQL_LOCAL_DELETE, &st, err);

    if (rc < 0)
        return rc;
    dv_sq_bind_id(st, 1, l->id);
    if (l->found) {
        sqlite3_bind_int(st, 2, local_sum(l));
        dv_sq_bind_u64(st, 3, l->rev);
        dv_sq_bind_bytes(st, 4, l->body);
    }
    return dv_sqconn_done(t->conn, st, err);
}

int dv_sqlocal_write(struct dv_txn_backend *t, const struct dv_local *locals, size_t n,
                     struct dv_err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = write_one(t, &locals[i], err);
    return dv_sqtxn_fail(t, rc);
}
