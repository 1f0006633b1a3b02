/* Attachments: streams being written, finished ones by key, their chunks, and for whom a finished
 * one is kept while no body refers to it. Finishes are counted: of two uploads of the same bytes
 * one may be given up and the other still be needed. */
#include "base/mem.h"
#include "engine/memory/ram.h"

bool dv_ram_att_is_used(const struct dv_ram_state *s, const unsigned char key[DV_RAM_ATT_KEY])
{
    return dv_pmap_has_prefix(&s->uses, dv_ram_key(key, DV_RAM_ATT_KEY));
}

static struct dv_ram_stream *new_stream(uint64_t number, uint64_t opening)
{
    struct dv_ram_stream *stream = dv_pmap_value_new(sizeof(*stream));

    if (!stream)
        return NULL;
    dv_ram_put_u64(stream->key, number);
    stream->opening = opening;
    stream->n_chunks = 0;
    stream->bytes = 0;
    return stream;
}

static int put_stream(struct dv_ram_state *s, struct dv_ram_stream *stream)
{
    int rc = dv_pmap_put(&s->streams, dv_ram_key(stream->key, 8), &stream->value, false);

    dv_pmap_value_unref(&stream->value);
    return rc;
}

static const struct dv_ram_stream *find_stream(const struct dv_ram_state *s, uint64_t number,
                                               struct dv_err *err)
{
    const struct dv_ram_stream *stream;
    unsigned char key[8];

    dv_ram_put_u64(key, number);
    stream = dv_pmap_get(&s->streams, dv_ram_key(key, 8));
    if (!stream)
        dv_err_set(err, DV_EINVAL, "no such stream of an attachment");
    return stream;
}

int dv_ram_att_begin(struct dv_txn_backend *t, uint64_t *number, struct dv_err *err)
{
    struct dv_ram_stream *stream = new_stream(t->state->last_stream + 1, t->store->opening);

    if (!stream || put_stream(t->state, stream) < 0)
        return dv_err_set(err, DV_ENOMEM, NULL);
    *number = ++t->state->last_stream;
    return 0;
}

static void chunk_key(unsigned char key[16], uint64_t stream, uint64_t n)
{
    dv_ram_put_u64(key, stream);
    dv_ram_put_u64(key + 8, n);
}

static int put_chunk(struct dv_ram_state *s, uint64_t stream, uint64_t n, struct dv_slice bytes)
{
    struct dv_ram_chunk *c = dv_pmap_value_new(sizeof(*c) + bytes.n);
    int rc;

    if (!c)
        return DV_ENOMEM;
    chunk_key(c->key, stream, n);
    if (bytes.n)
        memcpy(c->data, bytes.p, bytes.n);
    c->bytes = dv_slice(c->data, bytes.n);
    rc = dv_pmap_put(&s->chunks, dv_ram_key(c->key, 16), &c->value, false);
    dv_pmap_value_unref(&c->value);
    s->stored_bytes += bytes.n;
    return rc;
}

int dv_ram_att_chunk(struct dv_txn_backend *t, uint64_t number, uint64_t n, struct dv_slice bytes,
                     struct dv_err *err)
{
    const struct dv_ram_stream *old = find_stream(t->state, number, err);
    struct dv_ram_stream *stream;

    if (!old)
        return DV_EINVAL;
    if (n != old->n_chunks || old->bytes != n * DV_ATT_CHUNK_BYTES)
        return dv_err_set(err, DV_EINVAL, "chunk of an attachment out of turn");
    stream = new_stream(number, old->opening);
    if (!stream)
        return dv_err_set(err, DV_ENOMEM, NULL);
    stream->n_chunks = n + 1;
    stream->bytes = old->bytes + bytes.n;
    if (put_stream(t->state, stream) < 0 || put_chunk(t->state, number, n, bytes) < 0)
        return dv_err_set(err, DV_ENOMEM, NULL);
    return 0;
}

int dv_ram_remove_chunks(struct dv_ram_state *s, uint64_t stream, uint64_t n_chunks)
{
    for (uint64_t n = 0; n < n_chunks; n++) {
        const struct dv_ram_chunk *c;
        unsigned char key[16];

        chunk_key(key, stream, n);
        c = dv_pmap_get(&s->chunks, dv_ram_key(key, 16));
        if (!c)
            continue;
        s->stored_bytes -= c->bytes.n;
        if (dv_pmap_remove(&s->chunks, dv_ram_key(key, 16)) < 0)
            return DV_ENOMEM;
    }
    return 0;
}

static int set_keep(struct dv_ram_state *s, uint64_t opening, const struct dv_att_key *key,
                    int change)
{
    struct dv_ram_keep *keep = dv_pmap_value_new(sizeof(*keep));
    const struct dv_ram_keep *old;
    int rc = 0;

    if (!keep)
        return DV_ENOMEM;
    dv_ram_put_att_key(keep->key, key);
    dv_ram_put_u64(keep->key + DV_RAM_ATT_KEY, opening);
    keep->opening = opening;
    old = dv_pmap_get(&s->keeps, dv_ram_key(keep->key, sizeof(keep->key)));
    keep->count = old ? old->count : 0;
    if (change > 0)
        keep->count++;
    else if (keep->count > 0)
        keep->count--;
    if (keep->count > 0)
        rc = dv_pmap_put(&s->keeps, dv_ram_key(keep->key, sizeof(keep->key)), &keep->value, false);
    else
        rc = dv_pmap_remove(&s->keeps, dv_ram_key(keep->key, sizeof(keep->key)));
    dv_pmap_value_unref(&keep->value);
    return rc;
}

int dv_ram_unkeep(struct dv_ram_state *s, uint64_t opening, const struct dv_att_key *key)
{
    return set_keep(s, opening, key, -1);
}

static int put_att(struct dv_ram_state *s, uint64_t number, uint64_t n_chunks,
                   const struct dv_att_info *info)
{
    struct dv_ram_att *att = dv_pmap_value_new(sizeof(*att));
    int rc;

    if (!att)
        return DV_ENOMEM;
    dv_ram_put_att_key(att->key, &info->key);
    att->stream = number;
    att->n_chunks = n_chunks;
    att->info = *info;
    rc = dv_pmap_put(&s->atts, dv_ram_key(att->key, sizeof(att->key)), &att->value, false);
    dv_pmap_value_unref(&att->value);
    return rc;
}

static const struct dv_ram_att *find_att(const struct dv_ram_state *s, const struct dv_att_key *key)
{
    unsigned char k[DV_RAM_ATT_KEY];

    dv_ram_put_att_key(k, key);
    return dv_pmap_get(&s->atts, dv_ram_key(k, sizeof(k)));
}

int dv_ram_att_finish(struct dv_txn_backend *t, uint64_t number, const struct dv_att_info *info,
                      struct dv_err *err)
{
    struct dv_ram_state *s = t->state;
    const struct dv_ram_stream *stream = find_stream(s, number, err);
    unsigned char key[8];
    int rc;

    if (!stream)
        return DV_EINVAL;
    if (find_att(s, &info->key))
        rc = dv_ram_remove_chunks(s, number, stream->n_chunks);
    else if (stream->bytes != info->stored_bytes)
        return dv_err_set(err, DV_EINVAL, "an attachment has not the length it should have");
    else
        rc = put_att(s, number, stream->n_chunks, info);
    dv_ram_put_u64(key, number);
    if (rc == 0)
        rc = dv_pmap_remove(&s->streams, dv_ram_key(key, 8));
    if (rc == 0)
        rc = set_keep(s, t->store->opening, &info->key, 1);
    return rc < 0 ? dv_err_set(err, rc, NULL) : 0;
}

int dv_ram_att_drop(struct dv_txn_backend *t, uint64_t number, struct dv_err *err)
{
    const struct dv_ram_stream *stream = find_stream(t->state, number, NULL);
    unsigned char key[8];
    int rc;

    if (!stream)
        return 0;
    dv_ram_put_u64(key, number);
    rc = dv_ram_remove_chunks(t->state, number, stream->n_chunks);
    if (rc == 0)
        rc = dv_pmap_remove(&t->state->streams, dv_ram_key(key, 8));
    return rc < 0 ? dv_err_set(err, rc, NULL) : 0;
}

/* Noted for the next write: the caller may be inside one now. */
void dv_ram_att_forget(struct dv_store_backend *s, const struct dv_att_key *key)
{
    pthread_mutex_lock(&s->lock);
    if (dv_grow(&s->forgotten, &s->forgotten_capacity, s->n_forgotten + 1, sizeof(*key)))
        s->forgotten[s->n_forgotten++] = *key;
    pthread_mutex_unlock(&s->lock);
}

int dv_ram_apply_forgotten(struct dv_txn_backend *t)
{
    struct dv_store_backend *store = t->store;
    int rc = 0;

    pthread_mutex_lock(&store->lock);
    for (size_t i = 0; rc == 0 && i < store->n_forgotten; i++)
        rc = dv_ram_unkeep(t->state, store->opening, &store->forgotten[i]);
    t->n_forgotten = store->n_forgotten;
    pthread_mutex_unlock(&store->lock);
    return rc;
}

void dv_ram_applied_forgotten(struct dv_txn_backend *t)
{
    struct dv_store_backend *store = t->store;

    if (t->n_forgotten == 0)
        return;
    pthread_mutex_lock(&store->lock);
    store->n_forgotten -= t->n_forgotten;
    memmove(store->forgotten, store->forgotten + t->n_forgotten,
            store->n_forgotten * sizeof(*store->forgotten));
    pthread_mutex_unlock(&store->lock);
}

int dv_ram_att_info(struct dv_txn_backend *t, const struct dv_att_key *key,
                    struct dv_att_info *info, struct dv_err *err)
{
    const struct dv_ram_att *att = find_att(t->state, key);

    if (!att)
        return dv_err_set(err, DV_ENOTFOUND, "no such attachment is stored");
    *info = att->info;
    return 0;
}

int dv_ram_att_read(struct dv_txn_backend *t, const struct dv_att_key *key, uint64_t n,
                    struct dv_buf *out, struct dv_err *err)
{
    const struct dv_ram_att *att = find_att(t->state, key);
    const struct dv_ram_chunk *c;
    unsigned char k[16];
    int rc;

    if (!att)
        return dv_err_set(err, DV_ENOTFOUND, "no such attachment is stored");
    chunk_key(k, att->stream, n);
    c = dv_pmap_get(&t->state->chunks, dv_ram_key(k, 16));
    if (!c)
        return dv_err_set(err, DV_ECORRUPT, "an attachment has lost a chunk");
    rc = dv_buf_add_slice(out, c->bytes);
    return rc < 0 ? dv_err_set(err, rc, NULL) : 0;
}
