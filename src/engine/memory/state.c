/* Versions of a database: their birth, copy and end, and the properties in them. */
#include <stddef.h>

#include "base/mem.h"
#include "engine/memory/ram.h"

static struct dv_ram_blob *new_blob(const void *p, size_t n)
{
    struct dv_ram_blob *b = dv_pmap_value_new(sizeof(*b) + n);

    if (!b)
        return NULL;
    b->n = n;
    if (n)
        memcpy(b->data, p, n);
    return b;
}

static void unref_blob(struct dv_ram_blob *b)
{
    if (b)
        dv_pmap_value_unref(&b->value);
}

struct dv_ram_state *dv_ram_state_new(const struct dv_store_options *opt, struct dv_err *err)
{
    struct dv_ram_state *s = dv_calloc(1, sizeof(*s));
    struct dv_epoch first = { .seq = 0 };

    if (!s)
        goto no_memory;
    atomic_init(&s->refs, 1);
    s->revs_limit = DV_REVS_LIMIT_DEFAULT;
    memcpy(first.node, opt->node, sizeof(first.node));
    s->security = new_blob(opt->security.p, opt->security.n);
    s->epochs = new_blob(&first, opt->node[0] ? sizeof(first) : 0);
    if (!s->security || !s->epochs)
        goto no_memory;
    s->stored_bytes = opt->security.n;
    return s;
no_memory:
    dv_ram_state_unref(s);
    dv_err_set(err, DV_ENOMEM, NULL);
    return NULL;
}

struct dv_ram_state *dv_ram_state_copy(const struct dv_ram_state *s, struct dv_err *err)
{
    struct dv_ram_state *copy = dv_malloc(sizeof(*copy));

    if (!copy) {
        dv_err_set(err, DV_ENOMEM, NULL);
        return NULL;
    }
    memcpy(copy, s, offsetof(struct dv_ram_state, refs));
    atomic_init(&copy->refs, 1);
    dv_pmap_share(&s->docs);
    dv_pmap_share(&s->seqs);
    dv_pmap_share(&s->bodies);
    dv_pmap_share(&s->locals);
    dv_pmap_share(&s->purges);
    dv_pmap_share(&s->purge_uuids);
    dv_pmap_share(&s->atts);
    dv_pmap_share(&s->uses);
    dv_pmap_share(&s->keeps);
    dv_pmap_share(&s->streams);
    dv_pmap_share(&s->chunks);
    dv_pmap_value_ref(&s->security->value);
    dv_pmap_value_ref(&s->epochs->value);
    return copy;
}

void dv_ram_state_unref(struct dv_ram_state *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    dv_pmap_clear(&s->docs);
    dv_pmap_clear(&s->seqs);
    dv_pmap_clear(&s->bodies);
    dv_pmap_clear(&s->locals);
    dv_pmap_clear(&s->purges);
    dv_pmap_clear(&s->purge_uuids);
    dv_pmap_clear(&s->atts);
    dv_pmap_clear(&s->uses);
    dv_pmap_clear(&s->keeps);
    dv_pmap_clear(&s->streams);
    dv_pmap_clear(&s->chunks);
    unref_blob(s->security);
    unref_blob(s->epochs);
    dv_free(s);
}

/* couch_bt_engine_header:upgrade_epochs and remove_dup_epochs: of several owners at one seq only
 * the last ever wrote. */
int dv_ram_take_ownership(struct dv_ram_state *s, const char *node, struct dv_err *err)
{
    const struct dv_epoch *old = (const struct dv_epoch *)(const void *)s->epochs->data;
    size_t n = s->epochs->n / sizeof(*old), gone = 0;
    struct dv_ram_blob *b;
    struct dv_epoch newest = { .seq = s->update_seq };

    memcpy(newest.node, node, sizeof(newest.node));
    while (gone < n && old[gone].seq == newest.seq)
        gone++;
    b = dv_pmap_value_new(sizeof(*b) + (n - gone + 1) * sizeof(newest));
    if (!b)
        return dv_err_set(err, DV_ENOMEM, NULL);
    b->n = (n - gone + 1) * sizeof(newest);
    memcpy(b->data, &newest, sizeof(newest));
    memcpy(b->data + sizeof(newest), old + gone, (n - gone) * sizeof(newest));
    unref_blob(s->epochs);
    s->epochs = b;
    return 0;
}

int dv_ram_props(struct dv_txn_backend *t, struct dv_props *props, struct dv_err *err)
{
    const struct dv_ram_state *s = t->state;
    struct dv_props p = {
        .doc_count = dv_pmap_counted(&s->docs),
        .deleted_doc_count = dv_pmap_size(&s->docs) - dv_pmap_counted(&s->docs),
        .update_seq = s->update_seq,
        .purge_seq = s->purge_seq,
        .compacted_seq = s->compacted_seq,
        .revs_limit = s->revs_limit,
        .disk_version = DV_RAM_DISK_VERSION,
        .file_bytes = s->stored_bytes,
        .active_bytes = s->leaf_bytes + s->tree_bytes + s->att_stored_bytes,
        .external_bytes = s->leaf_bytes + s->att_decoded_bytes,
    };

    (void)err;
    memcpy(p.uuid, t->store->db->uuid, sizeof(p.uuid));
    *props = p;
    return 0;
}

int dv_ram_epochs(struct dv_txn_backend *t, struct dv_arena *arena, struct dv_epoch **epochs,
                  size_t *n, struct dv_err *err)
{
    const struct dv_ram_blob *b = t->state->epochs;
    void *copy = dv_arena_alloc(arena, b->n);

    if (!copy)
        return dv_err_set(err, DV_ENOMEM, NULL);
    memcpy(copy, b->data, b->n);
    *epochs = copy;
    *n = b->n / sizeof(struct dv_epoch);
    return 0;
}

int dv_ram_security(struct dv_txn_backend *t, struct dv_buf *out, struct dv_err *err)
{
    int rc = dv_buf_add(out, t->state->security->data, t->state->security->n);

    return rc < 0 ? dv_err_set(err, rc, "security object of %zu bytes", t->state->security->n) : 0;
}

int dv_ram_set_security(struct dv_txn_backend *t, struct dv_slice json, struct dv_err *err)
{
    struct dv_ram_state *s = t->state;
    struct dv_ram_blob *b = new_blob(json.p, json.n);

    if (!b)
        return dv_err_set(err, DV_ENOMEM, NULL);
    s->stored_bytes += b->n;
    s->stored_bytes -= s->security->n;
    unref_blob(s->security);
    s->security = b;
    s->update_seq++;
    return 0;
}

int dv_ram_set_revs_limit(struct dv_txn_backend *t, uint64_t limit, struct dv_err *err)
{
    (void)err;
    t->state->revs_limit = limit;
    t->state->update_seq++;
    return 0;
}
