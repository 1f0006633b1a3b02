/* Purges: what they leave of a document, and the infos that tell other copies about them. */
#include "base/mem.h"
#include "engine/memory/ram.h"

static char *put_slice(char *at, struct dv_slice from, struct dv_slice *to)
{
    if (from.n)
        memcpy(at, from.p, from.n);
    *to = dv_slice(at, from.n);
    return at + from.n;
}

static size_t info_bytes(const struct dv_purge_info *info)
{
    size_t n = info->uuid.n + info->id.n + info->n_revs * sizeof(*info->revs);

    for (size_t i = 0; i < info->n_revs; i++)
        n += info->revs[i].n;
    return n;
}

static struct dv_ram_purge *new_purge(const struct dv_purge_info *info, uint64_t seq)
{
    struct dv_ram_purge *p = dv_pmap_value_new(sizeof(*p) + info_bytes(info));
    struct dv_slice *revs;
    char *at;

    if (!p)
        return NULL;
    dv_ram_put_u64(p->seq_key, seq);
    revs = (struct dv_slice *)(void *)p->data;
    at = p->data + info->n_revs * sizeof(*revs);
    for (size_t i = 0; i < info->n_revs; i++)
        at = put_slice(at, info->revs[i], &revs[i]);
    at = put_slice(at, info->uuid, &p->info.uuid);
    put_slice(at, info->id, &p->info.id);
    p->info.purge_seq = seq;
    p->info.revs = revs;
    p->info.n_revs = info->n_revs;
    return p;
}

static int forget_oldest(struct dv_ram_state *s)
{
    struct dv_slice key;
    struct dv_ram_purge *p = dv_pmap_after(&s->purges, NULL, &key);
    int rc;

    s->stored_bytes -= info_bytes(&p->info);
    rc = dv_pmap_remove(&s->purge_uuids, p->info.uuid);
    return rc < 0 ? rc : dv_pmap_remove(&s->purges, key);
}

static int keep_info(struct dv_ram_state *s, const struct dv_purge_info *info, struct dv_err *err)
{
    struct dv_ram_purge *p;
    int rc;

    if (dv_pmap_get(&s->purge_uuids, info->uuid))
        return dv_err_set(err, DV_EINVAL, "a purge with a uuid that was seen before");
    p = new_purge(info, s->purge_seq + 1);
    if (!p)
        return dv_err_set(err, DV_ENOMEM, NULL);
    s->stored_bytes += info_bytes(&p->info);
    rc = dv_pmap_put(&s->purges, dv_ram_key(p->seq_key, 8), &p->value, false);
    if (rc == 0)
        rc = dv_pmap_put(&s->purge_uuids, p->info.uuid, &p->value, false);
    if (rc == 0 && dv_pmap_size(&s->purges) > DV_PURGE_INFOS_LIMIT)
        rc = forget_oldest(s);
    dv_pmap_value_unref(&p->value);
    if (rc < 0)
        return dv_err_set(err, rc, NULL);
    s->purge_seq++;
    return 0;
}

static int purge_one(struct dv_txn_backend *t, const struct dv_purge *p, struct dv_err *err)
{
    struct dv_ram_state *s = t->state;
    int rc = keep_info(s, &p->info, err);

    if (rc == 0 && p->changes) {
        if (p->left)
            rc = dv_ram_replace_doc(s, p->old, p->left, s->update_seq + 1, err);
        else
            rc = dv_ram_remove_doc(s, p->old, err);
        s->update_seq++;
    }
    for (size_t i = 0; rc == 0 && i < p->n_bodies; i++)
        rc = dv_ram_drop_body(t, p->bodies[i], err);
    return rc;
}

int dv_ram_purge(struct dv_txn_backend *t, struct dv_purge *purges, size_t n, struct dv_err *err)
{
    for (size_t i = 0; i < n; i++) {
        int rc = purge_one(t, &purges[i], err);

        if (rc < 0)
            return rc;
        purges[i].info.purge_seq = t->state->purge_seq;
    }
    return 0;
}

int dv_ram_load_purge(struct dv_txn_backend *t, struct dv_slice uuid, struct dv_arena *arena,
                      struct dv_purge_info *info, bool *found, struct dv_err *err)
{
    const struct dv_ram_purge *p = dv_pmap_get(&t->state->purge_uuids, uuid);
    struct dv_purge_info copy;
    struct dv_slice *revs;
    bool whole = true;

    if (!p) {
        *found = false;
        return 0;
    }
    copy = p->info;
    revs = dv_arena_alloc(arena, copy.n_revs * sizeof(*revs));
    for (size_t i = 0; revs && i < copy.n_revs; i++) {
        revs[i] = dv_arena_copy(arena, copy.revs[i]);
        whole = whole && revs[i].p;
    }
    copy.revs = revs;
    copy.uuid = dv_arena_copy(arena, copy.uuid);
    copy.id = dv_arena_copy(arena, copy.id);
    if (!whole || !revs || !copy.uuid.p || !copy.id.p)
        return dv_err_set(err, DV_ENOMEM, NULL);
    *info = copy;
    *found = true;
    return 0;
}

int dv_ram_fold_purges(struct dv_txn_backend *t, uint64_t since, dv_purge_fn *fn, void *arg,
                       struct dv_err *err)
{
    struct dv_pmap_iter it;
    const struct dv_ram_purge *p;
    unsigned char key[8];
    struct dv_slice from = dv_ram_key(key, 8);
    int rc = 0;

    if (since == UINT64_MAX)
        return 0;
    dv_ram_put_u64(key, since + 1);
    dv_pmap_seek(&it, &t->state->purges, &from, false);
    while (rc == 0 && (p = dv_pmap_next(&it)) != NULL)
        rc = fn(arg, &p->info, err);
    return rc;
}
