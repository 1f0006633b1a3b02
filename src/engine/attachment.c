/* The front door, third part: writing attachments. Bytes pass
 *
 *     given -> [gzip] -> stored (sha256, md5) -> chunks of DV_ATT_CHUNK_BYTES -> engine
 *       \--> [gunzip] -> decoded (md5)
 *
 * and none is held for longer than a chunk. Without a transaction of the caller's, each full chunk
 * is stored in a short one; what fits into one chunk is stored whole when it is finished, in one.
 * A writer that failed once fails ever after with the same code, and finish or abort removes what
 * the engine has of it. */
#include <assert.h>

#include "base/mem.h"
#include "couch/gzip.h"
#include "engine/digest.h"
#include "engine/front.h"

struct dv_att_writer {
    struct dv_store *store; /* one reference */
    struct dv_txn *txn;     /* borrowed; NULL: short ones of our own */
    uint64_t txn_number;
    enum dv_att_mode mode;
    uint64_t max_bytes; /* UINT64_MAX: no limit */
    uint64_t given;
    uint64_t stored;
    uint64_t decoded;
    struct dv_digest *sha256;
    struct dv_digest *md5_stored;
    struct dv_digest *md5_decoded; /* NULL for DV_ATT_AS_IS: the same as stored */
    struct dv_gzip *gzip;          /* NULL for DV_ATT_AS_IS */
    struct dv_buf chunk;           /* the one that is not full yet */
    uint64_t n_chunks;             /* given to the engine */
    uint64_t stream;
    bool begun; /* stream is valid */
    int failed;
};

static bool has_txn(const struct dv_att_writer *w)
{
    return w->txn != NULL;
}

static void free_writer(struct dv_att_writer *w)
{
    dv_gzip_free(w->gzip);
    dv_digest_free(w->sha256);
    dv_digest_free(w->md5_stored);
    dv_digest_free(w->md5_decoded);
    dv_buf_fini(&w->chunk);
    dv_store_unref(w->store);
    dv_free(w);
}

static int open_gzip(struct dv_att_writer *w, struct dv_err *err)
{
    if (w->mode == DV_ATT_COMPRESS)
        return dv_gzip_new_deflate(&w->gzip, err);
    return dv_gzip_new_inflate(w->max_bytes, &w->gzip, err);
}

int dv_att_writer_open(struct dv_store *s, struct dv_txn *txn, enum dv_att_mode mode,
                       uint64_t max_bytes, struct dv_att_writer **writer, struct dv_err *err)
{
    struct dv_att_writer *w;
    int rc = txn ? dv_txn_check_write(txn, err) : 0;

    assert(!txn || txn->store == s);
    if (rc < 0)
        return rc;
    if (s->read_only)
        return dv_err_set(err, DV_EREADONLY, "the database is open for reading only");
    w = dv_calloc(1, sizeof(*w));
    if (!w)
        return dv_err_set(err, DV_ENOMEM, NULL);
    w->store = dv_store_ref(s);
    w->txn = txn;
    w->txn_number = txn ? txn->number : 0;
    w->mode = mode;
    w->max_bytes = max_bytes ? max_bytes : UINT64_MAX;
    dv_buf_init(&w->chunk, DV_ATT_CHUNK_BYTES);
    rc = dv_digest_new(DV_DIGEST_SHA256, &w->sha256, err);
    if (rc == 0)
        rc = dv_digest_new(DV_DIGEST_MD5, &w->md5_stored, err);
    if (rc == 0 && mode != DV_ATT_AS_IS)
        rc = dv_digest_new(DV_DIGEST_MD5, &w->md5_decoded, err);
    if (rc == 0 && mode != DV_ATT_AS_IS)
        rc = open_gzip(w, err);
    if (rc < 0) {
        free_writer(w);
        return rc;
    }
    *writer = w;
    return 0;
}

/* ---- towards the engine ---- */

/* Run fn in the caller's transaction or in a short one. */
static int run(struct dv_att_writer *w, dv_closure_fn *fn, void *arg, struct dv_err *err)
{
    int rc;

    if (!has_txn(w))
        return dv_store_run(w->store, fn, arg, err);
    assert(w->txn->number == w->txn_number); /* it has not ended */
    rc = dv_txn_check_write(w->txn, err);
    return rc < 0 ? rc : dv_txn_wrote(w->txn, fn(arg, w->txn, err));
}

struct put_chunk {
    struct dv_att_writer *w;
    uint64_t stream;                /* out, when the writer has none yet */
    const struct dv_att_info *info; /* the last chunk: finish as this */
};

static int put_chunk(void *arg, struct dv_txn *t, struct dv_err *err)
{
    struct put_chunk *p = arg;
    struct dv_att_writer *w = p->w;
    const struct dv_engine_ops *ops = dv_store_ops(w->store);
    int rc = 0;

    p->stream = w->stream;
    if (!w->begun)
        rc = ops->att_begin(t->backend, &p->stream, err);
    if (rc == 0 && w->chunk.n > 0)
        rc = ops->att_chunk(t->backend, p->stream, w->n_chunks, dv_buf_slice(&w->chunk), err);
    if (rc == 0 && p->info)
        rc = ops->att_finish(t->backend, p->stream, p->info, err);
    return rc;
}

static int flush_chunk(struct dv_att_writer *w, struct dv_err *err)
{
    struct put_chunk p = { .w = w };
    int rc = run(w, put_chunk, &p, err);

    if (rc < 0)
        return rc;
    w->stream = p.stream;
    w->begun = true;
    w->n_chunks++;
    dv_buf_reset(&w->chunk);
    return 0;
}

/* A full chunk waits for the byte behind it: the last one is stored together with the finish. */
static int store_bytes(void *arg, struct dv_slice bytes, struct dv_err *err)
{
    struct dv_att_writer *w = arg;
    int rc = dv_digest_add(w->sha256, bytes, err);

    if (rc == 0)
        rc = dv_digest_add(w->md5_stored, bytes, err);
    while (rc == 0 && bytes.n > 0) {
        size_t n = DV_ATT_CHUNK_BYTES - w->chunk.n;

        if (n == 0) {
            rc = flush_chunk(w, err);
            continue;
        }
        n = n < bytes.n ? n : bytes.n;
        if (dv_buf_add(&w->chunk, bytes.p, n) < 0)
            return dv_err_set(err, DV_ENOMEM, NULL);
        w->stored += n;
        bytes = dv_slice(bytes.p + n, bytes.n - n);
    }
    return rc;
}

static int count_decoded(void *arg, struct dv_slice bytes, struct dv_err *err)
{
    struct dv_att_writer *w = arg;

    w->decoded += bytes.n;
    return dv_digest_add(w->md5_decoded, bytes, err);
}

/* ---- towards the caller ---- */

static int append(struct dv_att_writer *w, struct dv_slice bytes, struct dv_err *err)
{
    int rc;

    if (bytes.n > w->max_bytes - w->given)
        return dv_err_set(err, DV_ETOOBIG, "the attachment is over its limit of %llu bytes",
                          (unsigned long long)w->max_bytes);
    w->given += bytes.n;
    if (w->mode == DV_ATT_AS_IS)
        return store_bytes(w, bytes, err);
    if (w->mode == DV_ATT_COMPRESS) {
        rc = count_decoded(w, bytes, err);
        return rc < 0 ? rc : dv_gzip_add(w->gzip, bytes, store_bytes, w, err);
    }
    rc = store_bytes(w, bytes, err);
    return rc < 0 ? rc : dv_gzip_add(w->gzip, bytes, count_decoded, w, err);
}

int dv_att_writer_append(struct dv_att_writer *w, struct dv_slice bytes, struct dv_err *err)
{
    if (w->failed < 0)
        return dv_err_set(err, w->failed, "the attachment failed before");
    w->failed = append(w, bytes, err);
    return w->failed;
}

static int fill_info(struct dv_att_writer *w, struct dv_att_info *info, struct dv_err *err)
{
    int rc;

    memset(info, 0, sizeof(*info));
    info->key.encoding = w->mode == DV_ATT_AS_IS ? DV_ENC_IDENTITY : DV_ENC_GZIP;
    info->stored_bytes = w->stored;
    info->decoded_bytes = w->mode == DV_ATT_AS_IS ? w->stored : w->decoded;
    info->opened = w->store->opened;
    rc = dv_digest_end(w->sha256, info->key.sha256, err);
    if (rc == 0)
        rc = dv_digest_end(w->md5_stored, info->md5_stored, err);
    memcpy(info->md5_decoded, info->md5_stored, sizeof(info->md5_decoded));
    if (rc == 0 && w->md5_decoded)
        rc = dv_digest_end(w->md5_decoded, info->md5_decoded, err);
    return rc;
}

static int finish(struct dv_att_writer *w, struct dv_att_info *info, struct dv_err *err)
{
    struct put_chunk p = { .w = w, .info = info };
    int rc = 0;

    if (w->failed < 0)
        return dv_err_set(err, w->failed, "the attachment failed before");
    if (w->mode == DV_ATT_COMPRESS)
        rc = dv_gzip_end(w->gzip, store_bytes, w, err);
    else if (w->mode == DV_ATT_ENCODED)
        rc = dv_gzip_end(w->gzip, count_decoded, w, err);
    if (rc == 0)
        rc = fill_info(w, info, err);
    return rc < 0 ? rc : run(w, put_chunk, &p, err);
}

static int drop_stream(void *arg, struct dv_txn *t, struct dv_err *err)
{
    struct dv_att_writer *w = arg;

    return dv_store_ops(w->store)->att_drop(t->backend, w->stream, err);
}

/* A transaction that has ended or is broken took the stream with it, or will. If the short one
 * fails, compaction removes the stream after the next open. */
void dv_att_writer_abort(struct dv_att_writer *w)
{
    if (!w)
        return;
    if (w->begun && !has_txn(w))
        dv_store_run(w->store, drop_stream, w, NULL);
    else if (w->begun && w->txn->number == w->txn_number && w->txn->backend && w->txn->broken == 0)
        run(w, drop_stream, w, NULL);
    free_writer(w);
}

int dv_att_writer_finish(struct dv_att_writer *w, struct dv_att_info *info, struct dv_err *err)
{
    struct dv_att_info done;
    int rc = finish(w, &done, err);

    if (rc < 0) {
        dv_att_writer_abort(w);
        return rc;
    }
    *info = done;
    free_writer(w);
    return 0;
}

void dv_att_forget(struct dv_store *s, const struct dv_att_key *key)
{
    dv_store_ops(s)->att_forget(s->backend, key);
}
