/* Attachments: a row of `atts`, chunks beside it.
 *
 * A provisional stream has an owner (a row of `owners`) and no key; a finished attachment has a key
 * (SHA-256 of the stored bytes and encoding, unique) and no owner. A finished one is kept while a
 * body refers to it (counted in atts.refs) or a living owner keeps it; compaction takes the others.
 * Both stand in `att_holds`: a body under its number, an owner under minus its number. Chunk k of
 * stream n is row n << 24 | k, a plain integer key: the chunk's data stays out of the interior
 * pages. */
#include "engine/sqlite/internal.h"

static struct dv_slice key_bytes(const struct dv_att_key *key, unsigned char out[])
{
    memcpy(out, key->sha256, 32);
    out[32] = key->encoding;
    return dv_slice(out, DV_SQ_ATT_KEY_BYTES);
}

static int32_t att_sum(uint64_t n, const struct dv_att_info *i)
{
    unsigned char key[DV_SQ_ATT_KEY_BYTES], digests[32];

    memcpy(digests, i->md5_stored, 16);
    memcpy(digests + 16, i->md5_decoded, 16);
    return dv_sqsum((uint64_t[]){ n, i->stored_bytes, i->decoded_bytes }, 3,
                    key_bytes(&i->key, key), dv_slice(digests, sizeof(digests)));
}

static int32_t chunk_sum(uint64_t at, struct dv_slice data)
{
    return dv_sqsum(&at, 1, data, dv_slice(NULL, 0));
}

/* False: no number that a count can be. */
static bool read_refs(sqlite3_stmt *st, int column, uint64_t *refs)
{
    int64_t v = sqlite3_column_int64(st, column) - DV_SQ_REFS_BASE;

    if (sqlite3_column_type(st, column) != SQLITE_INTEGER || v < 0 || v % DV_SQ_REFS_STEP != 0)
        return false;
    *refs = (uint64_t)(v / DV_SQ_REFS_STEP);
    return true;
}

/* ---- rows ---------------------------------------------------------------------------------------
 */

int dv_sqatt_row(struct dv_txn_backend *t, sqlite3_stmt *st, struct dv_sqatt *out,
                 struct dv_err *err)
{
    struct dv_slice key = dv_sq_column(st, 2);
    struct dv_slice md5[2] = { dv_sq_column(st, 5), dv_sq_column(st, 6) };
    struct dv_sqatt a = { .n = dv_sq_column_u64(st, 0),
                          .owner = dv_sq_column_u64(st, 8),
                          .chunks = dv_sq_column_u64(st, 9) };

    if (!read_refs(st, 7, &a.refs))
        return dv_sqtxn_corrupt(t, err, "references of attachment %llu are miscounted",
                                (unsigned long long)a.n);
    a.finished = sqlite3_column_type(st, 2) != SQLITE_NULL;
    if (a.finished) {
        bool whole = key.n == DV_SQ_ATT_KEY_BYTES && md5[0].n == 16 && md5[1].n == 16;

        if (whole) {
            memcpy(a.info.key.sha256, key.p, 32);
            a.info.key.encoding = (unsigned char)key.p[32];
            memcpy(a.info.md5_stored, md5[0].p, 16);
            memcpy(a.info.md5_decoded, md5[1].p, 16);
        }
        a.info.stored_bytes = dv_sq_column_u64(st, 3);
        a.info.decoded_bytes = dv_sq_column_u64(st, 4);
        if (!whole || sqlite3_column_int64(st, 1) != att_sum(a.n, &a.info))
            return dv_sqtxn_corrupt(t, err, "checksum of attachment %llu is wrong",
                                    (unsigned long long)a.n);
    }
    *out = a;
    return 0;
}

static int one_row(struct dv_txn_backend *t, sqlite3_stmt *st, struct dv_sqatt *out,
                   struct dv_err *err)
{
    struct dv_sqatt a;
    int rc = dv_sqconn_step(t->conn, st, err);

    if (rc < 0)
        return rc;
    if (rc == 0)
        return dv_err_set(err, DV_ENOTFOUND, "no such attachment");
    rc = dv_sqatt_row(t, st, &a, err);
    sqlite3_reset(st);
    if (rc == 0 && out)
        *out = a;
    return rc;
}

int dv_sqatt_find(struct dv_txn_backend *t, const struct dv_att_key *key, struct dv_sqatt *out,
                  struct dv_err *err)
{
    unsigned char bytes[DV_SQ_ATT_KEY_BYTES];
    sqlite3_stmt *st;
    int rc = dv_sqconn_stmt(t->conn, DV_SQL_ATT_GET, &st, err);

    if (rc < 0)
        return rc;
    dv_sq_bind_bytes(st, 1, key_bytes(key, bytes));
    rc = one_row(t, st, out, err);
    sqlite3_clear_bindings(st);
    return rc;
}

int dv_sqatt_at(struct dv_txn_backend *t, uint64_t n, struct dv_sqatt *out, struct dv_err *err)
{
    sqlite3_stmt *st;
    int rc = dv_sqconn_stmt(t->conn, DV_SQL_ATT_STREAM, &st, err);

    if (rc < 0)
        return rc;
    dv_sq_bind_u64(st, 1, n);
    return one_row(t, st, out, err);
}

/* Our own provisional stream; another process may have taken us for dead. */
static int find_stream(struct dv_txn_backend *t, uint64_t stream, struct dv_sqatt *out,
                       struct dv_err *err)
{
    int rc = dv_sqatt_at(t, stream, out, err);

    if (rc == 0 && (out->finished || out->owner != t->owner))
        rc = dv_err_set(err, DV_ENOTFOUND, "no such attachment stream");
    return rc;
}

/* Run a statement over up to two numbers. */
static int run2(struct dv_txn_backend *t, enum dv_sql which, uint64_t a, int64_t b,
                struct dv_err *err)
{
    sqlite3_stmt *st;
    int rc = dv_sqconn_stmt(t->conn, which, &st, err);

    if (rc < 0)
        return dv_sqtxn_fail(t, rc);
    dv_sq_bind_u64(st, 1, a);
    if (sqlite3_bind_parameter_count(st) > 1)
        sqlite3_bind_int64(st, 2, b);
    return dv_sqtxn_fail(t, dv_sqconn_done(t->conn, st, err));
}

/* ---- writing ---- */

int dv_sqatt_begin(struct dv_txn_backend *t, uint64_t *stream, struct dv_err *err)
{
    uint64_t owner, n = t->state.last_att + 1;
    int rc = dv_sqowner_need(t, &owner, err);

    if (rc == 0)
        rc = run2(t, DV_SQL_ATT_BEGIN, n, (int64_t)owner, err);
    if (rc < 0)
        return rc;
    t->state.last_att = n;
    t->dirty = true;
    *stream = n;
    return 0;
}

int dv_sqatt_chunk(struct dv_txn_backend *t, uint64_t stream, uint64_t n, struct dv_slice bytes,
                   struct dv_err *err)
{
    uint64_t at = stream << DV_SQ_CHUNK_BITS | n;
    struct dv_sqatt a;
    sqlite3_stmt *st;
    int rc = find_stream(t, stream, &a, err);

    if (rc < 0)
        return rc;
    if (n >> DV_SQ_CHUNK_BITS)
        return dv_err_set(err, DV_ETOOBIG, "attachment has too many chunks");
    rc = dv_sqconn_stmt(t->conn, DV_SQL_CHUNK_PUT, &st, err);
    if (rc < 0)
        return dv_sqtxn_fail(t, rc);
    dv_sq_bind_u64(st, 1, at);
    sqlite3_bind_int(st, 2, chunk_sum(at, bytes));
    dv_sq_bind_bytes(st, 3, bytes);
    rc = dv_sqtxn_fail(t, dv_sqconn_done(t->conn, st, err));
    return rc < 0 ? rc : run2(t, DV_SQL_ATT_GROW, stream, (int64_t)n + 1, err);
}

int dv_sqatt_delete(struct dv_txn_backend *t, uint64_t n, struct dv_err *err)
{
    uint64_t first = n << DV_SQ_CHUNK_BITS;
    int rc = run2(t, DV_SQL_CHUNKS_DELETE, first, (int64_t)(first | ((1u << DV_SQ_CHUNK_BITS) - 1)),
                  err);

    if (rc == 0)
        rc = run2(t, DV_SQL_KEEPS_OF_ATT_DELETE, n, 0, err);
    return rc < 0 ? rc : run2(t, DV_SQL_ATT_DELETE, n, 0, err);
}

int dv_sqatt_drop(struct dv_txn_backend *t, uint64_t stream, struct dv_err *err)
{
    struct dv_sqatt a;
    int rc = find_stream(t, stream, &a, err);

    if (rc == DV_ENOTFOUND)
        return 0;
    return rc < 0 ? rc : dv_sqatt_delete(t, stream, err);
}

static int finish_row(struct dv_txn_backend *t, uint64_t stream, const struct dv_att_info *info,
                      struct dv_err *err)
{
    unsigned char key[DV_SQ_ATT_KEY_BYTES];
    sqlite3_stmt *st;
    int rc = dv_sqconn_stmt(t->conn, DV_SQL_ATT_FINISH, &st, err);

    if (rc < 0)
        return dv_sqtxn_fail(t, rc);
    dv_sq_bind_u64(st, 1, stream);
    sqlite3_bind_int(st, 2, att_sum(stream, info));
    dv_sq_bind_bytes(st, 3, key_bytes(&info->key, key));
    dv_sq_bind_u64(st, 4, info->stored_bytes);
    dv_sq_bind_u64(st, 5, info->decoded_bytes);
    dv_sq_bind_bytes(st, 6, dv_slice(info->md5_stored, 16));
    dv_sq_bind_bytes(st, 7, dv_slice(info->md5_decoded, 16));
    rc = dv_sqtxn_fail(t, dv_sqconn_done(t->conn, st, err));
    sqlite3_clear_bindings(st);
    return rc;
}

int dv_sqatt_finish(struct dv_txn_backend *t, uint64_t stream, const struct dv_att_info *info,
                    struct dv_err *err)
{
    struct dv_sqatt mine, same;
    uint64_t kept = stream;
    int rc = find_stream(t, stream, &mine, err);

    if (rc < 0)
        return rc;
    rc = dv_sqatt_find(t, &info->key, &same, err);
    if (rc == 0) {
        kept = same.n;
        rc = dv_sqatt_delete(t, stream, err);
    } else if (rc == DV_ENOTFOUND) {
        rc = finish_row(t, stream, info, err);
    }
    if (rc == 0)
        rc = run2(t, DV_SQL_KEEP_PUT, kept, (int64_t)t->owner, err);
    return dv_sqtxn_fail(t, rc);
}

static int forget(struct dv_txn_backend *t, const struct dv_att_key *key)
{
    struct dv_sqatt a;
    int rc = dv_sqatt_find(t, key, &a, NULL);

    return rc < 0 ? rc : run2(t, DV_SQL_KEEP_DELETE, a.n, (int64_t)t->owner, NULL);
}

/* What nobody keeps stays until the next compaction. */
void dv_sqatt_forget(struct dv_store_backend *s, const struct dv_att_key *key)
{
    struct dv_txn_backend *t;

    if (dv_sqtxn_begin(s, true, &t, NULL) < 0)
        return;
    if (t->owner && forget(t, key) == 0)
        dv_sqtxn_commit(t, DV_COMMIT_LAZY, NULL);
    else
        dv_sqtxn_rollback(t);
}

/* ---- references ---- */

static void count_bytes(struct dv_sqstate *s, uint64_t stored, uint64_t decoded, bool more)
{
    s->att_stored_bytes = more ? s->att_stored_bytes + stored : s->att_stored_bytes - stored;
    s->att_decoded_bytes = more ? s->att_decoded_bytes + decoded : s->att_decoded_bytes - decoded;
}

int dv_sqatt_refer(struct dv_txn_backend *t, uint64_t ref, const struct dv_att_key *key,
                   struct dv_err *err)
{
    struct dv_sqatt a;
    int rc = dv_sqatt_find(t, key, &a, err);

    if (rc == 0)
        rc = run2(t, DV_SQL_REF_PUT, ref, (int64_t)a.n, err);
    if (rc < 0 || sqlite3_changes(t->conn->db) == 0)
        return rc;
    rc = run2(t, DV_SQL_ATT_COUNT, a.n, DV_SQ_REFS_STEP, err);
    if (rc == 0 && t->owner)
        rc = run2(t, DV_SQL_KEEP_DELETE, a.n, (int64_t)t->owner, err);
    if (rc == 0 && a.refs == 0)
        count_bytes(&t->state, a.info.stored_bytes, a.info.decoded_bytes, true);
    return rc;
}

int dv_sqatt_unrefer(struct dv_txn_backend *t, uint64_t ref, struct dv_err *err)
{
    sqlite3_stmt *st;
    bool any = false;
    int rc = dv_sqconn_stmt(t->conn, DV_SQL_REFS_OF, &st, err);

    if (rc < 0)
        return dv_sqtxn_fail(t, rc);
    dv_sq_bind_u64(st, 1, ref);
    while ((rc = dv_sqconn_step(t->conn, st, err)) > 0) {
        any = true;
        if (sqlite3_column_int64(st, 1) == DV_SQ_REFS_STEP + DV_SQ_REFS_BASE) {
            count_bytes(&t->state, dv_sq_column_u64(st, 2), dv_sq_column_u64(st, 3), false);
            t->dirty = true;
        }
        rc = run2(t, DV_SQL_ATT_COUNT, dv_sq_column_u64(st, 0), -DV_SQ_REFS_STEP, err);
        if (rc < 0)
            break;
    }
    sqlite3_reset(st);
    if (rc < 0)
        return dv_sqtxn_fail(t, rc);
    return any ? run2(t, DV_SQL_REFS_DELETE, ref, 0, err) : 0;
}

/* ---- reading ---- */

int dv_sqatt_info(struct dv_txn_backend *t, const struct dv_att_key *key, struct dv_att_info *info,
                  struct dv_err *err)
{
    struct dv_sqatt a;
    int rc = dv_sqatt_find(t, key, &a, err);

    if (rc == 0)
        *info = a.info;
    return rc;
}

int dv_sqatt_chunk_row(struct dv_txn_backend *t, uint64_t at, int64_t sum, struct dv_slice data,
                       struct dv_err *err)
{
    return sum == chunk_sum(at, data)
               ? 0
               : dv_sqtxn_corrupt(t, err, "checksum of chunk %llu of attachment %llu is wrong",
                                  (unsigned long long)(at & ((1u << DV_SQ_CHUNK_BITS) - 1)),
                                  (unsigned long long)(at >> DV_SQ_CHUNK_BITS));
}

int dv_sqatt_read_chunk(struct dv_txn_backend *t, uint64_t at, struct dv_buf *out,
                        struct dv_err *err)
{
    struct dv_slice data;
    sqlite3_stmt *st;
    int rc = dv_sqconn_stmt(t->conn, DV_SQL_CHUNK_GET, &st, err);

    if (rc < 0)
        return rc;
    dv_sq_bind_u64(st, 1, at);
    rc = dv_sqconn_step(t->conn, st, err);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return dv_sqtxn_corrupt(t, err, "chunk %llu of attachment %llu is missing",
                                (unsigned long long)(at & ((1u << DV_SQ_CHUNK_BITS) - 1)),
                                (unsigned long long)(at >> DV_SQ_CHUNK_BITS));
    data = dv_sq_column(st, 1);
    rc = dv_sqatt_chunk_row(t, at, sqlite3_column_int64(st, 0), data, err);
    if (rc == 0 && (rc = dv_buf_add_slice(out, data)) < 0)
        dv_err_set(err, rc, "chunk of %zu bytes does not fit", data.n);
    sqlite3_reset(st);
    return rc;
}

int dv_sqatt_read(struct dv_txn_backend *t, const struct dv_att_key *key, uint64_t n,
                  struct dv_buf *out, struct dv_err *err)
{
    struct dv_sqatt a;
    int rc = dv_sqatt_find(t, key, &a, err);

    if (rc < 0)
        return rc;
    if (n >= a.chunks)
        return dv_sqtxn_corrupt(t, err, "attachment %llu has no chunk %llu",
                                (unsigned long long)a.n, (unsigned long long)n);
    return dv_sqatt_read_chunk(t, a.n << DV_SQ_CHUNK_BITS | n, out, err);
}
