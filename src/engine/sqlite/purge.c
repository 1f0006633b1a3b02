/* Purges: what was removed for good, told by uuid, so that a replica can ask.
 *
 * `revs` of a row is a run of length-prefixed texts (varint, bytes). */
#include "base/mem.h"
#include "engine/sqlite/internal.h"

static int32_t purge_sum(uint64_t purge_seq, struct dv_slice uuid, struct dv_slice id,
                         struct dv_slice revs)
{
    int32_t names = dv_sqsum((uint64_t[]){ purge_seq, uuid.n, id.n, revs.n }, 4, uuid, id);

    return dv_sqsum(&(uint64_t){ (uint64_t)(uint32_t)names }, 1, revs, dv_slice(NULL, 0));
}

/* ---- writing ---- */

static int put_row(struct dv_txn_backend *t, const struct dv_purge_info *p, struct dv_slice revs,
                   struct dv_err *err)
{
    sqlite3_stmt *st;
    int rc = dv_sqconn_stmt(t->conn, DV_SQL_PURGE_PUT, &st, err);

    if (rc < 0)
        return rc;
    dv_sq_bind_u64(st, 1, p->purge_seq);
    sqlite3_bind_int(st, 2, purge_sum(p->purge_seq, p->uuid, p->id, revs));
    dv_sq_bind_id(st, 3, p->uuid);
    dv_sq_bind_id(st, 4, p->id);
    dv_sq_bind_bytes(st, 5, revs);
    rc = dv_sqconn_done(t->conn, st, err);
    sqlite3_clear_bindings(st);
    return rc;
}

static int put_info(struct dv_txn_backend *t, struct dv_purge_info *p, struct dv_err *err)
{
    struct dv_buf revs;
    int rc;

    p->purge_seq = t->state.purge_seq + 1;
    dv_buf_init(&revs, DV_SQ_BLOB_MAX);
    for (size_t i = 0; i < p->n_revs; i++) {
        dv_buf_add_varint(&revs, p->revs[i].n);
        dv_buf_add_slice(&revs, p->revs[i]);
    }
    rc = revs.failed ? dv_err_set(err, revs.failed, "out of memory")
                     : put_row(t, p, dv_buf_slice(&revs), err);
    dv_buf_fini(&revs);
    if (rc == 0)
        t->state.purge_seq = p->purge_seq;
    return rc;
}

static int change_doc(struct dv_txn_backend *t, const struct dv_purge *p, struct dv_err *err)
{
    struct dv_doc_write left;
    int rc;

    if (p->left) {
        left = *p->left;
        left.old = p->old;
        return dv_sqdoc_write(t, &left, 1, err);
    }
    rc = p->old ? dv_sqdoc_remove(t, p->old, err) : 0;
    if (rc == 0)
        t->state.update_seq++;
    return rc;
}

int dv_sqpurge_run(struct dv_txn_backend *t, struct dv_purge *purges, size_t n, struct dv_err *err)
{
    int rc = 0;

    t->dirty = true;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct dv_purge *p = &purges[i];

        rc = put_info(t, &p->info, err);
        if (rc == 0 && p->changes)
            rc = change_doc(t, p, err);
        for (size_t b = 0; rc == 0 && b < p->n_bodies; b++)
            rc = dv_sqbody_drop(t, p->bodies[b], err);
    }
    return dv_sqtxn_fail(t, rc);
}

/* ---- reading ---- */

static int parse_revs(struct dv_slice blob, struct dv_arena *arena, struct dv_purge_info *p)
{
    struct dv_slice rest = blob;
    struct dv_slice *revs;
    uint64_t n;
    size_t count = 0;

    for (; rest.n; count++) {
        if (!dv_varint_read(&rest, &n) || n > rest.n)
            return DV_ECORRUPT;
        rest = dv_slice(rest.p + n, rest.n - (size_t)n);
    }
    revs = dv_arena_alloc(arena, (count ? count : 1) * sizeof(*revs));
    if (!revs)
        return DV_ENOMEM;
    rest = blob;
    for (size_t i = 0; i < count; i++) {
        dv_varint_read(&rest, &n);
        revs[i] = dv_slice(rest.p, (size_t)n);
        rest = dv_slice(rest.p + n, rest.n - (size_t)n);
    }
    p->revs = revs;
    p->n_revs = count;
    return 0;
}

int dv_sqpurge_row(struct dv_txn_backend *t, sqlite3_stmt *st, struct dv_arena *arena,
                   struct dv_purge_info *out, struct dv_err *err)
{
    struct dv_slice revs = dv_sq_column(st, 4);
    struct dv_purge_info p = { .purge_seq = dv_sq_column_u64(st, 0),
                               .uuid = dv_sq_column(st, 2),
                               .id = dv_sq_column(st, 3) };
    int rc;

    if (sqlite3_column_int64(st, 1) != purge_sum(p.purge_seq, p.uuid, p.id, revs))
        return dv_sqtxn_corrupt(t, err, "checksum of purge %llu is wrong",
                                (unsigned long long)p.purge_seq);
    p.uuid = dv_arena_copy(arena, p.uuid);
    p.id = dv_arena_copy(arena, p.id);
    revs = dv_arena_copy(arena, revs);
    if (!p.uuid.p || !p.id.p || !revs.p)
        return dv_err_set(err, DV_ENOMEM, "out of memory");
    rc = parse_revs(revs, arena, &p);
    if (rc == DV_ECORRUPT)
        return dv_sqtxn_corrupt(t, err, "revisions of purge %llu", (unsigned long long)p.purge_seq);
    if (rc < 0)
        return dv_err_set(err, rc, "out of memory");
    *out = p;
    return 0;
}

int dv_sqpurge_load(struct dv_txn_backend *t, struct dv_slice uuid, struct dv_arena *arena,
                    struct dv_purge_info *info, bool *found, struct dv_err *err)
{
    sqlite3_stmt *st;
    int rc = dv_sqconn_stmt(t->conn, DV_SQL_PURGE_GET, &st, err);

    if (rc < 0)
        return rc;
    dv_sq_bind_id(st, 1, uuid);
    rc = dv_sqconn_step(t->conn, st, err);
    if (rc < 0)
        return rc;
    if (rc == 0) {
        *found = false;
        return 0;
    }
    rc = dv_sqpurge_row(t, st, arena, info, err);
    sqlite3_reset(st);
    if (rc == 0)
        *found = true;
    return rc;
}

int dv_sqpurge_fold(struct dv_txn_backend *t, uint64_t since, dv_purge_fn *fn, void *arg,
                    struct dv_err *err)
{
    struct dv_purge_info info;
    struct dv_arena arena;
    sqlite3_stmt *st;
    int rc = dv_sqconn_take(t->conn, DV_SQL_PURGES_AFTER, &st, err);

    if (rc < 0)
        return rc;
    dv_arena_init(&arena, (size_t)4 * DV_SQ_BLOB_MAX);
    sqlite3_bind_int64(st, 1, since > INT64_MAX ? INT64_MAX : (sqlite3_int64)since);
    while ((rc = dv_sqconn_step(t->conn, st, err)) > 0) {
        dv_arena_reset(&arena);
        rc = dv_sqpurge_row(t, st, &arena, &info, err);
        if (rc == 0)
            rc = fn(arg, &info, err);
        if (rc != 0)
            break;
    }
    dv_sqconn_give(t->conn, DV_SQL_PURGES_AFTER, st);
    dv_arena_fini(&arena);
    return rc;
}
