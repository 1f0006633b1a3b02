/* The front door, last part: reading and copying attachments. A reader holds one chunk. Without a
 * transaction of the caller's each chunk is read in a short one, so that a slow reader pins
 * nothing. */
#include <assert.h>

#include "base/mem.h"
#include "engine/digest.h"
#include "engine/front.h"

struct dv_att_reader {
    struct dv_store *store; /* one reference */
    struct dv_txn *txn;     /* borrowed; NULL: short ones of our own */
    uint64_t txn_number;
    struct dv_att_key key;
    uint64_t at, end; /* bytes still to give */
    struct dv_buf chunk;
    uint64_t chunk_number;
    bool loaded; /* chunk is chunk_number's */
};

/* The caller's transaction, or a new one that done() ends. */
static int read_txn(struct dv_store *s, struct dv_txn *given, struct dv_txn **t, struct dv_err *err)
{
    if (!given)
        return dv_store_begin_read(s, t, err);
    assert(given->backend);
    *t = given;
    return 0;
}

static void done(struct dv_txn *given, struct dv_txn *t)
{
    if (!given)
        dv_txn_rollback(t);
}

static int find_info(struct dv_store *s, struct dv_txn *txn, const struct dv_att_key *key,
                     struct dv_att_info *info, struct dv_err *err)
{
    struct dv_txn *t;
    int rc = read_txn(s, txn, &t, err);

    if (rc < 0)
        return rc;
    rc = dv_store_ops(s)->att_info(t->backend, key, info, err);
    done(txn, t);
    return rc;
}

int dv_att_reader_open(struct dv_store *s, struct dv_txn *txn, const struct dv_att_key *key,
                       uint64_t offset, uint64_t length, struct dv_att_reader **reader,
                       struct dv_err *err)
{
    struct dv_att_reader *r;
    struct dv_att_info info;
    int rc = find_info(s, txn, key, &info, err);

    assert(!txn || txn->store == s);
    if (rc < 0)
        return rc;
    r = dv_calloc(1, sizeof(*r));
    if (!r)
        return dv_err_set(err, DV_ENOMEM, NULL);
    r->store = dv_store_ref(s);
    r->txn = txn;
    r->txn_number = txn ? txn->number : 0;
    r->key = *key;
    r->at = offset < info.stored_bytes ? offset : info.stored_bytes;
    r->end = length < info.stored_bytes - r->at ? r->at + length : info.stored_bytes;
    dv_buf_init(&r->chunk, DV_ATT_CHUNK_BYTES);
    *reader = r;
    return 0;
}

static int load_chunk(struct dv_att_reader *r, uint64_t number, struct dv_err *err)
{
    struct dv_txn *t;
    int rc;

    if (r->loaded && r->chunk_number == number)
        return 0;
    assert(!r->txn || r->txn->number == r->txn_number); /* it has not ended */
    rc = read_txn(r->store, r->txn, &t, err);
    if (rc < 0)
        return rc;
    r->loaded = false;
    dv_buf_reset(&r->chunk);
    rc = dv_store_ops(r->store)->att_read(t->backend, &r->key, number, &r->chunk, err);
    done(r->txn, t);
    if (rc < 0)
        return rc;
    r->loaded = true;
    r->chunk_number = number;
    return 0;
}

int dv_att_reader_read(struct dv_att_reader *r, void *out, size_t room, size_t *got,
                       struct dv_err *err)
{
    size_t in_chunk = (size_t)(r->at % DV_ATT_CHUNK_BYTES), n = room;
    int rc;

    if (r->at == r->end || room == 0) {
        *got = 0;
        return 0;
    }
    rc = load_chunk(r, r->at / DV_ATT_CHUNK_BYTES, err);
    if (rc < 0)
        return dv_err_wrap(err, rc, "read attachment");
    if (!r->chunk.p || in_chunk >= r->chunk.n)
        return dv_err_set(err, DV_ECORRUPT, "a chunk of an attachment is too short");
    if (n > r->chunk.n - in_chunk)
        n = r->chunk.n - in_chunk;
    if (n > r->end - r->at)
        n = (size_t)(r->end - r->at);
    memcpy(out, r->chunk.p + in_chunk, n);
    r->at += n;
    *got = n;
    return 0;
}

void dv_att_reader_close(struct dv_att_reader *r)
{
    if (!r)
        return;
    dv_buf_fini(&r->chunk);
    dv_store_unref(r->store);
    dv_free(r);
}

bool dv_store_att_is_active(struct dv_store *s, const struct dv_att_info *info)
{
    return info->opened == s->opened;
}

/* ---- copies ---- */

struct copy {
    struct dv_store *to;
    const struct dv_att_info *info;
    struct dv_slice chunk;
    uint64_t n_chunks;
    uint64_t stream;
    bool begun;
    bool kept; /* out: it was there already */
};

/* A stream without chunks that is finished as an attachment that exists is removed, and the
 * existing one is kept: engine_ops.h. */
static int keep_existing(void *arg, struct dv_txn *t, struct dv_err *err)
{
    struct copy *c = arg;
    const struct dv_engine_ops *ops = dv_store_ops(c->to);
    struct dv_att_info there;
    uint64_t stream;
    int rc = ops->att_info(t->backend, &c->info->key, &there, err);

    c->kept = rc == 0;
    if (rc == DV_ENOTFOUND)
        return 0;
    if (rc == 0)
        rc = ops->att_begin(t->backend, &stream, err);
    if (rc == 0)
        rc = ops->att_finish(t->backend, stream, &there, err);
    return rc;
}

static int put_copied(void *arg, struct dv_txn *t, struct dv_err *err)
{
    struct copy *c = arg;
    const struct dv_engine_ops *ops = dv_store_ops(c->to);
    int rc = 0;

    if (!c->begun)
        rc = ops->att_begin(t->backend, &c->stream, err);
    if (rc == 0 && c->chunk.n > 0)
        rc = ops->att_chunk(t->backend, c->stream, c->n_chunks, c->chunk, err);
    return rc;
}

static int finish_copied(void *arg, struct dv_txn *t, struct dv_err *err)
{
    struct copy *c = arg;
    int rc = c->begun ? 0 : put_copied(c, t, err);

    return rc < 0 ? rc : dv_store_ops(c->to)->att_finish(t->backend, c->stream, c->info, err);
}

static int drop_copied(void *arg, struct dv_txn *t, struct dv_err *err)
{
    struct copy *c = arg;

    return dv_store_ops(c->to)->att_drop(t->backend, c->stream, err);
}

/* Chunks are as long as the reader's, so each read is one. */
static int copy_chunks(struct copy *c, struct dv_att_reader *r, char *room,
                       struct dv_digest *sha256, struct dv_err *err)
{
    size_t got = 0;
    int rc;

    assert(r);
    for (;;) {
        rc = dv_att_reader_read(r, room, DV_ATT_CHUNK_BYTES, &got, err);
        if (rc < 0 || got == 0)
            return rc;
        c->chunk = dv_slice(room, got);
        rc = dv_digest_add(sha256, c->chunk, err);
        if (rc == 0)
            rc = dv_store_run(c->to, put_copied, c, err);
        if (rc < 0)
            return rc;
        c->begun = true;
        c->n_chunks++;
        c->chunk = dv_slice(NULL, 0);
    }
}

static int copy_verified(struct copy *c, struct dv_att_reader *r, struct dv_err *err)
{
    unsigned char is[DV_SHA256_BYTES];
    struct dv_digest *sha256 = NULL;
    char *room = dv_malloc(DV_ATT_CHUNK_BYTES);
    int rc =
        room ? dv_digest_new(DV_DIGEST_SHA256, &sha256, err) : dv_err_set(err, DV_ENOMEM, NULL);

    if (rc == 0)
        rc = copy_chunks(c, r, room, sha256, err);
    if (rc == 0)
        rc = dv_digest_end(sha256, is, err);
    if (rc == 0 && memcmp(is, c->info->key.sha256, sizeof(is)) != 0)
        rc = dv_err_set(err, DV_ECORRUPT, "an attachment does not match its digest");
    if (rc == 0)
        rc = dv_store_run(c->to, finish_copied, c, err);
    if (rc < 0 && c->begun)
        dv_store_run(c->to, drop_copied, c, NULL);
    dv_digest_free(sha256);
    dv_free(room);
    return rc;
}

int dv_att_copy(struct dv_store *from, const struct dv_att_key *key, struct dv_store *to,
                struct dv_att_info *info, struct dv_err *err)
{
    struct dv_att_info source;
    struct copy c = { .to = to, .info = &source };
    struct dv_att_reader *r = NULL;
    int rc = find_info(from, NULL, key, &source, err);

    if (rc == 0)
        rc = dv_store_run(to, keep_existing, &c, err);
    if (rc == 0 && !c.kept)
        rc = dv_att_reader_open(from, NULL, key, 0, UINT64_MAX, &r, err);
    if (rc == 0 && !c.kept)
        rc = copy_verified(&c, r, err);
    dv_att_reader_close(r);
    if (rc < 0)
        return dv_err_wrap(err, rc, "copy attachment");
    source.opened = to->opened;
    *info = source;
    return 0;
}
