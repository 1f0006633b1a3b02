/* Revisions' records, and which attachments they refer to (`uses`). */
#include "base/mem.h"
#include "engine/memory/ram.h"

int dv_ram_read_body(struct dv_txn_backend *t, uint64_t ref, struct dv_buf *out, struct dv_err *err)
{
    const struct dv_ram_body *b;
    unsigned char key[8];
    int rc;

    dv_ram_put_u64(key, ref);
    b = dv_pmap_get(&t->state->bodies, dv_ram_key(key, 8));
    if (!b)
        return dv_err_set(err, DV_ENOTFOUND, "no body is kept of this revision");
    rc = dv_buf_add_slice(out, b->record);
    return rc < 0 ? dv_err_set(err, rc, "record of %zu bytes", b->record.n) : 0;
}

static const struct dv_ram_att *find_att(const struct dv_ram_state *s, const struct dv_att_key *key)
{
    unsigned char k[DV_RAM_ATT_KEY];

    dv_ram_put_att_key(k, key);
    return dv_pmap_get(&s->atts, dv_ram_key(k, sizeof(k)));
}

static struct dv_ram_body *new_body(uint64_t ref, struct dv_slice record,
                                    const struct dv_att_key *atts, size_t n_atts)
{
    size_t atts_bytes = n_atts * sizeof(*atts);
    struct dv_ram_body *b = dv_pmap_value_new(sizeof(*b) + atts_bytes + record.n);

    if (!b)
        return NULL;
    dv_ram_put_u64(b->ref_key, ref);
    b->n_atts = n_atts;
    b->atts = (struct dv_att_key *)b->data;
    b->record = dv_slice(b->data + atts_bytes, record.n);
    if (n_atts)
        memcpy(b->data, atts, atts_bytes);
    if (record.n)
        memcpy(b->data + atts_bytes, record.p, record.n);
    return b;
}

static void use_key(unsigned char key[DV_RAM_ATT_KEY + 8], const struct dv_att_key *att,
                    const unsigned char ref_key[8])
{
    dv_ram_put_att_key(key, att);
    memcpy(key + DV_RAM_ATT_KEY, ref_key, 8);
}

static int add_use(struct dv_ram_state *s, const struct dv_att_key *key,
                   const unsigned char ref_key[8])
{
    struct dv_ram_use *use = dv_pmap_value_new(sizeof(*use));
    const struct dv_ram_att *att = find_att(s, key);
    int rc;

    if (!use)
        return DV_ENOMEM;
    use_key(use->key, key, ref_key);
    if (!dv_ram_att_is_used(s, use->key)) {
        s->att_stored_bytes += att->info.stored_bytes;
        s->att_decoded_bytes += att->info.decoded_bytes;
    }
    rc = dv_pmap_put(&s->uses, dv_ram_key(use->key, sizeof(use->key)), &use->value, false);
    dv_pmap_value_unref(&use->value);
    return rc;
}

static int remove_use(struct dv_ram_state *s, const struct dv_att_key *key,
                      const unsigned char ref_key[8])
{
    unsigned char k[DV_RAM_ATT_KEY + 8];
    const struct dv_ram_att *att = find_att(s, key);
    int rc;

    use_key(k, key, ref_key);
    if (!dv_pmap_get(&s->uses, dv_ram_key(k, sizeof(k))))
        return 0; /* the same attachment twice in one record */
    rc = dv_pmap_remove(&s->uses, dv_ram_key(k, sizeof(k)));
    if (rc == 0 && !dv_ram_att_is_used(s, k)) {
        s->att_stored_bytes -= att->info.stored_bytes;
        s->att_decoded_bytes -= att->info.decoded_bytes;
    }
    return rc;
}

int dv_ram_put_body(struct dv_txn_backend *t, struct dv_slice record, const struct dv_att_key *atts,
                    size_t n_atts, uint64_t *ref, struct dv_err *err)
{
    struct dv_ram_state *s = t->state;
    struct dv_ram_body *b;
    int rc = 0;

    for (size_t i = 0; i < n_atts; i++)
        if (!find_att(s, &atts[i]))
            return dv_err_set(err, DV_ENOTFOUND, "an attachment of the revision is not stored");
    b = new_body(s->last_ref + 1, record, atts, n_atts);
    if (!b)
        return dv_err_set(err, DV_ENOMEM, NULL);
    s->stored_bytes += record.n;
    for (size_t i = 0; rc == 0 && i < n_atts; i++) {
        rc = add_use(s, &atts[i], b->ref_key);
        if (rc == 0)
            rc = dv_ram_unkeep(s, t->store->opening, &atts[i]);
    }
    if (rc == 0)
        rc = dv_pmap_put(&s->bodies, dv_ram_key(b->ref_key, 8), &b->value, false);
    dv_pmap_value_unref(&b->value);
    if (rc < 0)
        return dv_err_set(err, rc, NULL);
    *ref = ++s->last_ref;
    return 0;
}

int dv_ram_drop_body(struct dv_txn_backend *t, uint64_t ref, struct dv_err *err)
{
    struct dv_ram_state *s = t->state;
    const struct dv_ram_body *b;
    unsigned char key[8];
    int rc = 0;

    dv_ram_put_u64(key, ref);
    b = dv_pmap_get(&s->bodies, dv_ram_key(key, 8));
    if (!b)
        return 0;
    s->stored_bytes -= b->record.n;
    for (size_t i = 0; rc == 0 && i < b->n_atts; i++)
        rc = remove_use(s, &b->atts[i], key);
    if (rc == 0)
        rc = dv_pmap_remove(&s->bodies, dv_ram_key(key, 8));
    return rc < 0 ? dv_err_set(err, rc, NULL) : 0;
}
