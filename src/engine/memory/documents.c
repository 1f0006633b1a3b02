/* Documents and local documents. A document's row is one value in two maps, by id and by seq. */
#include <assert.h>

#include "base/mem.h"
#include "engine/memory/ram.h"

/* Of a document: what stored_bytes counts. */
static uint64_t doc_bytes(const struct dv_ram_doc *d)
{
    return d->id.n + d->tree.n;
}

void dv_ram_doc_info(const struct dv_ram_doc *d, struct dv_doc_info *info)
{
    *info = (struct dv_doc_info){ .found = true,
                                  .id = d->id,
                                  .seq = d->seq,
                                  .deleted = d->deleted,
                                  .tree = d->tree,
                                  .leaf_bytes = d->leaf_bytes };
}

int dv_ram_open_docs(struct dv_txn_backend *t, const struct dv_slice *ids, size_t n,
                     struct dv_arena *arena, struct dv_doc_info *infos, struct dv_err *err)
{
    for (size_t i = 0; i < n; i++) {
        const struct dv_ram_doc *d = dv_pmap_get(&t->state->docs, ids[i]);
        struct dv_doc_info info = { .id = ids[i] };

        if (d)
            dv_ram_doc_info(d, &info);
        info.id = dv_arena_copy(arena, info.id);
        info.tree = dv_arena_copy(arena, info.tree);
        if (!info.id.p || !info.tree.p)
            return dv_err_set(err, DV_ENOMEM, NULL);
        infos[i] = info;
    }
    return 0;
}

/* The stored row behind old. Null with a code: old is not what this transaction would read. */
static int match_old(const struct dv_ram_state *s, struct dv_slice id,
                     const struct dv_doc_info *old, struct dv_ram_doc **row, struct dv_err *err)
{
    struct dv_ram_doc *d = dv_pmap_get(&s->docs, id);

    if ((d != NULL) != (old != NULL) || (d && d->seq != old->seq))
        return dv_err_set(err, DV_EINVAL, "a document is written over a state it has not");
    *row = d;
    return 0;
}

static struct dv_ram_doc *new_doc(const struct dv_doc_write *w, uint64_t seq)
{
    struct dv_ram_doc *d = dv_pmap_value_new(sizeof(*d) + w->id.n + w->tree.n);

    if (!d)
        return NULL;
    d->seq = seq;
    dv_ram_put_u64(d->seq_key, seq);
    d->deleted = w->deleted;
    d->leaf_bytes = w->leaf_bytes;
    d->id = dv_slice(d->data, w->id.n);
    d->tree = dv_slice(d->data + w->id.n, w->tree.n);
    memcpy(d->data, w->id.p, w->id.n);
    memcpy(d->data + w->id.n, w->tree.p, w->tree.n);
    return d;
}

static void count_out(struct dv_ram_state *s, const struct dv_ram_doc *d)
{
    s->stored_bytes -= doc_bytes(d);
    s->tree_bytes -= d->tree.n;
    s->leaf_bytes -= d->leaf_bytes;
}

static void count_in(struct dv_ram_state *s, const struct dv_ram_doc *d)
{
    s->stored_bytes += doc_bytes(d);
    s->tree_bytes += d->tree.n;
    s->leaf_bytes += d->leaf_bytes;
}

int dv_ram_replace_doc(struct dv_ram_state *s, const struct dv_doc_info *old,
                       const struct dv_doc_write *w, uint64_t seq, struct dv_err *err)
{
    struct dv_ram_doc *before = NULL, *d;
    int rc = match_old(s, w->id, old, &before, err);

    if (rc < 0)
        return rc;
    d = new_doc(w, seq);
    if (!d)
        return dv_err_set(err, DV_ENOMEM, NULL);
    if (before) {
        count_out(s, before);
        rc = dv_pmap_remove(&s->seqs, dv_ram_key(before->seq_key, 8));
    }
    if (rc == 0)
        rc = dv_pmap_put(&s->docs, d->id, &d->value, !d->deleted);
    if (rc == 0)
        rc = dv_pmap_put(&s->seqs, dv_ram_key(d->seq_key, 8), &d->value, false);
    if (rc == 0)
        count_in(s, d);
    dv_pmap_value_unref(&d->value);
    return rc < 0 ? dv_err_set(err, rc, NULL) : 0;
}

int dv_ram_remove_doc(struct dv_ram_state *s, const struct dv_doc_info *old, struct dv_err *err)
{
    struct dv_ram_doc *before = NULL;
    int rc = match_old(s, old->id, old, &before, err);

    if (rc < 0)
        return rc;
    assert(before); /* as old is not NULL */
    count_out(s, before);
    rc = dv_pmap_remove(&s->seqs, dv_ram_key(before->seq_key, 8));
    if (rc == 0)
        rc = dv_pmap_remove(&s->docs, old->id);
    return rc < 0 ? dv_err_set(err, rc, NULL) : 0;
}

int dv_ram_write_docs(struct dv_txn_backend *t, struct dv_doc_write *docs, size_t n,
                      struct dv_err *err)
{
    for (size_t i = 0; i < n; i++) {
        int rc = dv_ram_replace_doc(t->state, docs[i].old, &docs[i], t->state->update_seq + 1, err);

        if (rc < 0)
            return rc;
        docs[i].seq = ++t->state->update_seq;
    }
    return 0;
}

int dv_ram_open_locals(struct dv_txn_backend *t, const struct dv_slice *ids, size_t n,
                       struct dv_arena *arena, struct dv_local *out, struct dv_err *err)
{
    for (size_t i = 0; i < n; i++) {
        const struct dv_ram_local *row = dv_pmap_get(&t->state->locals, ids[i]);
        struct dv_local l = { .found = row != NULL, .id = ids[i] };

        if (row) {
            l.rev = row->rev;
            l.body = row->body;
        }
        l.id = dv_arena_copy(arena, l.id);
        l.body = dv_arena_copy(arena, l.body);
        if (!l.id.p || !l.body.p)
            return dv_err_set(err, DV_ENOMEM, NULL);
        out[i] = l;
    }
    return 0;
}

static struct dv_ram_local *new_local(const struct dv_local *l)
{
    struct dv_ram_local *row = dv_pmap_value_new(sizeof(*row) + l->id.n + l->body.n);

    if (!row)
        return NULL;
    row->rev = l->rev;
    row->id = dv_slice(row->data, l->id.n);
    row->body = dv_slice(row->data + l->id.n, l->body.n);
    memcpy(row->data, l->id.p, l->id.n);
    if (l->body.n)
        memcpy(row->data + l->id.n, l->body.p, l->body.n);
    return row;
}

static int write_local(struct dv_ram_state *s, const struct dv_local *l)
{
    const struct dv_ram_local *before = dv_pmap_get(&s->locals, l->id);
    struct dv_ram_local *row;
    int rc;

    if (before)
        s->stored_bytes -= before->id.n + before->body.n;
    if (!l->found)
        return dv_pmap_remove(&s->locals, l->id);
    row = new_local(l);
    if (!row)
        return DV_ENOMEM;
    s->stored_bytes += row->id.n + row->body.n;
    rc = dv_pmap_put(&s->locals, row->id, &row->value, true);
    dv_pmap_value_unref(&row->value);
    return rc;
}

int dv_ram_write_locals(struct dv_txn_backend *t, const struct dv_local *locals, size_t n,
                        struct dv_err *err)
{
    for (size_t i = 0; i < n; i++) {
        int rc = write_local(t->state, &locals[i]);

        if (rc < 0)
            return dv_err_set(err, rc, NULL);
    }
    return 0;
}
