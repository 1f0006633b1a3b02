/* Walks over a version, in the order of ids or of seqs, and the counts that the maps keep. */
#include "engine/memory/ram.h"

/* Is key behind the end of the range, seen in its direction? */
static bool is_past(const struct dv_range *r, struct dv_slice key)
{
    int order;

    if (!r->has_end)
        return false;
    order = dv_slice_cmp(key, r->end_key);
    if (order == 0)
        return r->end_exclusive;
    return r->descending ? order < 0 : order > 0;
}

static void seek_range(struct dv_pmap_iter *it, const struct dv_pmap *m, const struct dv_range *r)
{
    dv_pmap_seek(it, m, r->has_start ? &r->start_key : NULL, r->descending);
}

int dv_ram_fold_docs(struct dv_txn_backend *t, const struct dv_range *range, dv_doc_fn *fn,
                     void *arg, struct dv_err *err)
{
    struct dv_pmap_iter it;
    const struct dv_ram_doc *d;
    int rc = 0;

    seek_range(&it, &t->state->docs, range);
    while (rc == 0 && (d = dv_pmap_next(&it)) != NULL && !is_past(range, d->id)) {
        struct dv_doc_info info;

        if (d->deleted && !range->include_deleted)
            continue;
        dv_ram_doc_info(d, &info);
        rc = fn(arg, &info, err);
    }
    return rc;
}

int dv_ram_fold_locals(struct dv_txn_backend *t, const struct dv_range *range, dv_local_fn *fn,
                       void *arg, struct dv_err *err)
{
    struct dv_pmap_iter it;
    const struct dv_ram_local *row;
    int rc = 0;

    seek_range(&it, &t->state->locals, range);
    while (rc == 0 && (row = dv_pmap_next(&it)) != NULL && !is_past(range, row->id)) {
        struct dv_local l = { .found = true, .id = row->id, .rev = row->rev, .body = row->body };

        rc = fn(arg, &l, err);
    }
    return rc;
}

int dv_ram_fold_changes(struct dv_txn_backend *t, uint64_t since, bool descending, dv_doc_fn *fn,
                        void *arg, struct dv_err *err)
{
    struct dv_pmap_iter it;
    const struct dv_ram_doc *d;
    unsigned char key[8];
    struct dv_slice from = dv_ram_key(key, 8);
    int rc = 0;

    if (!descending && since == UINT64_MAX)
        return 0;
    dv_ram_put_u64(key, descending ? since : since + 1);
    dv_pmap_seek(&it, &t->state->seqs, &from, descending);
    while (rc == 0 && (d = dv_pmap_next(&it)) != NULL) {
        struct dv_doc_info info;

        dv_ram_doc_info(d, &info);
        rc = fn(arg, &info, err);
    }
    return rc;
}

int dv_ram_count_changes(struct dv_txn_backend *t, uint64_t since, uint64_t *n, struct dv_err *err)
{
    const struct dv_pmap *seqs = &t->state->seqs;
    unsigned char key[8];

    (void)err;
    dv_ram_put_u64(key, since == UINT64_MAX ? since : since + 1);
    *n = since == UINT64_MAX ? 0
                             : dv_pmap_size(seqs) - dv_pmap_size_before(seqs, dv_ram_key(key, 8));
    return 0;
}

int dv_ram_count_docs_before(struct dv_txn_backend *t, struct dv_slice key, uint64_t *n,
                             struct dv_err *err)
{
    (void)err;
    *n = dv_pmap_counted_before(&t->state->docs, key);
    return 0;
}
