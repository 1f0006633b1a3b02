/* The check of attachments: rows, chunks, references, and (deep) digests. */
#include "base/mem.h"
#include "couch/gzip.h"
#include "engine/digest.h"
#include "engine/sqlite/check.h"

enum { CHUNKS_PER_TXN = 64 };

/* ---- chunks ---- */

/* All chunks of c->att have gone by. */
static int end_of_chunks(struct dv_sqcheck *c, struct dv_err *err)
{
    struct dv_sqatt a;
    int rc;

    if (!c->att)
        return 0;
    rc = dv_sqatt_at(c->t, c->att, &a, err);
    if (rc == DV_ENOTFOUND) {
        dv_sqcheck_finding(c, "chunks of attachment %llu, which there is not",
                           (unsigned long long)c->att);
        return 0;
    }
    if (rc < 0)
        return rc == DV_ECORRUPT ? 0 : rc; /* told when its row goes by */
    c->atts_by_chunks++;
    if (a.finished && (a.chunks != c->att_chunks || a.info.stored_bytes != c->att_bytes))
        dv_sqcheck_finding(c, "attachment %llu has %llu of its %llu bytes", (unsigned long long)a.n,
                           (unsigned long long)c->att_bytes,
                           (unsigned long long)a.info.stored_bytes);
    return 0;
}

static int check_chunk(struct dv_sqcheck *c, sqlite3_stmt *st, struct dv_err *err)
{
    uint64_t at = dv_sq_column_u64(st, 0);
    uint64_t att = at >> DV_SQ_CHUNK_BITS;
    struct dv_slice data = dv_sq_column(st, 2);
    int rc = 0;

    c->result.chunks++;
    if (att != c->att) {
        rc = end_of_chunks(c, err);
        c->att = att;
        c->att_chunks = c->att_bytes = 0;
    }
    c->att_chunks++;
    c->att_bytes += data.n;
    if (rc == 0)
        rc = dv_sqatt_chunk_row(c->t, at, sqlite3_column_int64(st, 1), data, err);
    return dv_sqcheck_damage(c, rc, err);
}

/* ---- rows ---- */

static int check_att(struct dv_sqcheck *c, sqlite3_stmt *st, struct dv_err *err)
{
    struct dv_sqatt a;
    int rc = dv_sqatt_row(c->t, st, &a, err);

    if (rc < 0)
        return dv_sqcheck_damage(c, rc, err);
    if (!a.finished)
        return 0; /* somebody writes it, or compaction takes it */
    c->result.attachments++;
    if (!dv_grow(&c->atts, &c->atts_capacity, c->n_atts + 1, sizeof(*c->atts)))
        return dv_err_set(err, DV_ENOMEM, "out of memory");
    c->atts[c->n_atts++] = a.n;
    c->atts_with_chunks += a.chunks > 0;
    if (a.n > c->t->state.last_att)
        dv_sqcheck_finding(c, "attachment %llu has a number that was not given out",
                           (unsigned long long)a.n);
    else if (c->att_refs && c->att_refs[a.n] != a.refs)
        dv_sqcheck_finding(c, "attachment %llu counts %llu references, there are %lu",
                           (unsigned long long)a.n, (unsigned long long)a.refs,
                           (unsigned long)c->att_refs[a.n]);
    if (a.chunks == 0 && a.info.stored_bytes)
        dv_sqcheck_finding(c, "attachment %llu has no chunks", (unsigned long long)a.n);
    if (a.refs) {
        c->att_stored_bytes += a.info.stored_bytes;
        c->att_decoded_bytes += a.info.decoded_bytes;
    }
    return 0;
}

static int check_ref(struct dv_sqcheck *c, sqlite3_stmt *st, struct dv_err *err)
{
    uint64_t body = dv_sq_column_u64(st, 0), att = dv_sq_column_u64(st, 1);
    sqlite3_stmt *bytes;
    int rc = dv_sqconn_stmt(c->t->conn, DV_SQL_BODY_BYTES, &bytes, err);

    if (rc < 0)
        return rc;
    dv_sq_bind_u64(bytes, 1, body);
    rc = dv_sqconn_step(c->t->conn, bytes, err);
    if (rc < 0)
        return rc;
    sqlite3_reset(bytes);
    if (rc == 0)
        dv_sqcheck_finding(c, "body %llu, which there is not, refers to attachment %llu",
                           (unsigned long long)body, (unsigned long long)att);
    rc = dv_sqatt_at(c->t, att, NULL, err);
    if (rc == DV_ENOTFOUND) {
        dv_sqcheck_finding(c, "body %llu refers to attachment %llu, which there is not",
                           (unsigned long long)body, (unsigned long long)att);
        return 0;
    }
    if (c->att_refs && att < c->n_att_refs)
        c->att_refs[att]++;
    return rc == DV_ECORRUPT ? 0 : rc;
}

/* ---- digests ---- */

struct digests {
    struct dv_digest *sha256, *md5_stored, *md5_decoded;
    struct dv_gzip *gzip;
    uint64_t decoded;
};

static int add_decoded(void *arg, struct dv_slice bytes, struct dv_err *err)
{
    struct digests *d = arg;

    d->decoded += bytes.n;
    return dv_digest_add(d->md5_decoded, bytes, err);
}

static int add_chunk(struct digests *d, struct dv_slice bytes, struct dv_err *err)
{
    int rc = dv_digest_add(d->sha256, bytes, err);

    if (rc == 0)
        rc = dv_digest_add(d->md5_stored, bytes, err);
    if (rc == 0)
        rc =
            d->gzip ? dv_gzip_add(d->gzip, bytes, add_decoded, d, err) : add_decoded(d, bytes, err);
    return rc;
}

static int add_chunks(struct dv_sqcheck *c, const struct dv_sqatt *a, struct digests *d,
                      struct dv_err *err)
{
    struct dv_buf chunk;
    int rc = 0;

    dv_buf_init(&chunk, DV_SQ_BLOB_MAX);
    for (uint64_t i = 0; rc == 0 && !c->moved && i < a->chunks; i++) {
        dv_buf_reset(&chunk);
        rc = dv_sqatt_read_chunk(c->t, a->n << DV_SQ_CHUNK_BITS | i, &chunk, err);
        if (rc == 0)
            rc = add_chunk(d, dv_buf_slice(&chunk), err);
        if (rc == 0 && i % CHUNKS_PER_TXN == CHUNKS_PER_TXN - 1)
            rc = dv_sqcheck_renew(c, err);
    }
    dv_buf_fini(&chunk);
    if (rc == 0 && !c->moved && d->gzip)
        rc = dv_gzip_end(d->gzip, add_decoded, d, err);
    return rc;
}

static int compare_digests(struct dv_sqcheck *c, const struct dv_sqatt *a, struct digests *d,
                           struct dv_err *err)
{
    unsigned char sha256[DV_SHA256_BYTES], stored[DV_MD5_BYTES], decoded[DV_MD5_BYTES];
    int rc = dv_digest_end(d->sha256, sha256, err);

    if (rc == 0)
        rc = dv_digest_end(d->md5_stored, stored, err);
    if (rc == 0)
        rc = dv_digest_end(d->md5_decoded, decoded, err);
    if (rc < 0)
        return rc;
    if (memcmp(sha256, a->info.key.sha256, sizeof(sha256)) != 0 ||
        memcmp(stored, a->info.md5_stored, sizeof(stored)) != 0)
        dv_sqcheck_finding(c, "attachment %llu: stored bytes do not match their digest",
                           (unsigned long long)a->n);
    else if (memcmp(decoded, a->info.md5_decoded, sizeof(decoded)) != 0 ||
             d->decoded != a->info.decoded_bytes)
        dv_sqcheck_finding(c, "attachment %llu: decoded bytes do not match their digest",
                           (unsigned long long)a->n);
    return 0;
}

static int check_digests(struct dv_sqcheck *c, const struct dv_sqatt *a, struct dv_err *err)
{
    struct digests d = { .decoded = 0 };
    int rc = dv_digest_new(DV_DIGEST_SHA256, &d.sha256, err);

    if (rc == 0)
        rc = dv_digest_new(DV_DIGEST_MD5, &d.md5_stored, err);
    if (rc == 0)
        rc = dv_digest_new(DV_DIGEST_MD5, &d.md5_decoded, err);
    if (rc == 0 && a->info.key.encoding == DV_ENC_GZIP)
        rc = dv_gzip_new_inflate(a->info.decoded_bytes + 1, &d.gzip, err);
    if (rc == 0)
        rc = add_chunks(c, a, &d, err);
    if (rc == 0 && !c->moved)
        rc = compare_digests(c, a, &d, err);
    if (rc == DV_EINVAL || rc == DV_ETOOBIG) {
        dv_sqcheck_finding(c, "attachment %llu: can not be decoded", (unsigned long long)a->n);
        rc = 0;
    }
    dv_gzip_free(d.gzip);
    dv_digest_free(d.sha256);
    dv_digest_free(d.md5_stored);
    dv_digest_free(d.md5_decoded);
    return dv_sqcheck_damage(c, rc, err);
}

/* Of the attachments whose rows were good. One per round: its chunks may need more than one
 * transaction. */
static int check_all_digests(struct dv_sqcheck *c, struct dv_err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && !c->moved && i < c->n_atts; i++) {
        struct dv_sqatt a;

        rc = dv_sqatt_at(c->t, c->atts[i], &a, err);
        if (rc == 0)
            rc = check_digests(c, &a, err);
        else
            rc = rc == DV_ENOTFOUND ? 0 : dv_sqcheck_damage(c, rc, err);
        if (rc == 0)
            rc = dv_sqcheck_renew(c, err);
    }
    return rc;
}

int dv_sqcheck_atts(struct dv_sqcheck *c, struct dv_err *err)
{
    int rc = dv_sqcheck_walk(c, DV_SQL_REFS_AFTER, false, check_ref, err);

    if (rc == 0)
        rc = dv_sqcheck_walk(c, DV_SQL_ATTS_AFTER, false, check_att, err);
    if (rc == 0)
        rc = dv_sqcheck_walk(c, DV_SQL_CHUNKS_AFTER, false, check_chunk, err);
    if (rc == 0)
        rc = end_of_chunks(c, err);
    if (rc == 0 && c->atts_by_chunks < c->atts_with_chunks)
        dv_sqcheck_finding(c, "%llu attachments have lost all their chunks",
                           (unsigned long long)(c->atts_with_chunks - c->atts_by_chunks));
    if (rc == 0 && c->deep)
        rc = check_all_digests(c, err);
    return rc;
}
