/* Attachments of a revision that is being written.
 *
 * A stub of an edit means the attachment of that name in the parent (couch_att:merge_stubs: a
 * revpos, when given, must be the same). A stub of a replicated revision means that of the nearest
 * ancestor that is here; where CouchDB would give up we also look through the other leaves for one
 * of the same name and digest, since equal digests are equal bytes. What is found is referred to,
 * what is not is refused: no revision is ever stored with an attachment whose bytes are not here.
 */
#include "base/hash.h"
#include "couch/document.h"
#include "database/apply.h"

/* Leaves that are searched for the bytes of a stub. */
enum { LEAVES_MAX = 1000 };

struct resolving {
    struct dv_group *g;
    const struct dv_prepared *p;
    uint64_t gen;
    struct dv_hash base;   /* name -> struct dv_att_meta of the base revision */
    struct dv_hash leaves; /* digest and name -> struct dv_att_meta of any leaf */
    bool leaves_read;
    struct dv_edit_result *r;
};

static int refuse_stub(struct resolving *c, const struct dv_new_att *att)
{
    return dv_refuse(c->r, c->g->results, DV_EMISSINGSTUB,
                     "Invalid attachment stub in %.*s for %.*s", (int)c->g->id.n, c->g->id.p,
                     (int)att->name.n, att->name.p);
}

/* Metas whose slices survive the next use of the buffer. */
static int keep_metas(struct dv_arena *arena, struct dv_record *record, struct dv_err *err)
{
    for (size_t i = 0; i < record->n_atts; i++) {
        struct dv_att_meta *m = &record->atts[i];

        m->name = dv_arena_copy(arena, m->name);
        m->content_type = dv_arena_copy(arena, m->content_type);
        if (!m->name.p || !m->content_type.p)
            return dv_err_set(err, DV_ENOMEM, "attachments");
    }
    return 0;
}

static int load_base(struct resolving *c, int32_t base, struct dv_err *err)
{
    struct dv_group *g = c->g;
    struct dv_record record;
    int code;

    if (base < 0)
        return 0;
    code = dv_record_read(g->txn, g->tree.nodes[base].body, g->parent, g->arena, &record, err);
    if (code == 0)
        code = keep_metas(g->arena, &record, err);
    for (size_t i = 0; code == 0 && i < record.n_atts; i++) {
        void **place = dv_hash_put(&c->base, record.atts[i].name, NULL);

        if (!place)
            return dv_err_set(err, DV_ENOMEM, "attachments");
        *place = &record.atts[i];
    }
    return code;
}

/* Name behind digest: what one must have in common to be the same attachment. */
static struct dv_slice digest_key(struct dv_arena *arena, const unsigned char md5[16],
                                  struct dv_slice name)
{
    char *p = dv_arena_alloc(arena, 16 + name.n);

    if (!p)
        return dv_slice(NULL, 0);
    memcpy(p, md5, 16);
    if (name.n)
        memcpy(p + 16, name.p, name.n);
    return dv_slice(p, 16 + name.n);
}

static int note_leaf(struct resolving *c, const struct dv_revnode *node, struct dv_err *err)
{
    struct dv_group *g = c->g;
    struct dv_record record;
    int code = dv_record_read(g->txn, node->body, g->parent, g->arena, &record, err);

    for (size_t i = 0; code == 0 && i < record.n_atts; i++) {
        struct dv_slice key = digest_key(g->arena, record.atts[i].md5, record.atts[i].name);
        void **place = key.p ? dv_hash_put(&c->leaves, key, NULL) : NULL;

        if (!place)
            return dv_err_set(err, DV_ENOMEM, "attachments");
        *place = &record.atts[i];
    }
    return code;
}

/* In any leaf: an attachment of this name with these stored bytes. All leaves (up to a ceiling)
 * are read once, however many stubs ask. */
static int find_by_digest(struct resolving *c, const struct dv_new_att *att,
                          struct dv_att_meta *meta, bool *found, struct dv_err *err)
{
    struct dv_group *g = c->g;
    struct dv_slice key = digest_key(g->arena, att->md5, att->name);
    int32_t n = 0;
    void **place;

    for (int32_t i = 0; i < g->tree.n && !c->leaves_read && n < LEAVES_MAX; i++) {
        const struct dv_revnode *node = &g->tree.nodes[i];
        int code;

        if (node->children > 0 || node->body == 0)
            continue;
        n++;
        code = note_leaf(c, node, err);
        if (code < 0)
            return code;
    }
    c->leaves_read = true;
    if (!key.p)
        return dv_err_set(err, DV_ENOMEM, "attachments");
    place = dv_hash_get(&c->leaves, key);
    *found = place != NULL;
    if (!place)
        return 0;
    *meta = *(struct dv_att_meta *)*place;
    meta->name = att->name;
    meta->content_type = att->content_type;
    if (att->revpos)
        meta->revpos = att->revpos;
    return 0;
}

static int resolve_stub(struct resolving *c, const struct dv_new_att *att, struct dv_att_meta *meta,
                        struct dv_err *err)
{
    void **place = dv_hash_get(&c->base, att->name);
    bool found = false;
    int code = 0;

    if (place) {
        *meta = *(struct dv_att_meta *)*place;
        if (att->revpos == 0 || att->revpos == meta->revpos)
            return 0;
    }
    if (c->p->kind != DV_PREP_REPLICATED)
        return refuse_stub(c, att);
    if (att->has_md5)
        code = find_by_digest(c, att, meta, &found, err);
    if (code == 0 && !found)
        refuse_stub(c, att);
    return code;
}

static int store_data(struct resolving *c, const struct dv_new_att *att, struct dv_att_info *info,
                      struct dv_err *err)
{
    enum dv_att_mode mode = dv_type_compresses(att->content_type) ? DV_ATT_COMPRESS : DV_ATT_AS_IS;
    struct dv_att_writer *w;
    int code = dv_att_writer_open(c->g->db->store, c->g->txn, mode, c->g->db->max_attachment_bytes,
                                  &w, err);

    if (code < 0)
        return code;
    code = dv_att_writer_append(w, att->data, err);
    if (code < 0) {
        dv_att_writer_abort(w);
        return code;
    }
    return dv_att_writer_finish(w, info, err);
}

/* The bytes are here: describe them. A revpos beyond the revision would never be sent again by
 * atts_since; none is that of the revision which brings the bytes (CouchDB keeps 0 there, and 1 for
 * a document made anew, and then sends too little). */
static int resolve_new(struct resolving *c, const struct dv_new_att *att, struct dv_att_meta *meta,
                       struct dv_err *err)
{
    struct dv_att_info info = att->info;
    int code = att->kind == DV_NEW_DATA ? store_data(c, att, &info, err) : 0;

    if (code < 0)
        return code;
    memset(meta, 0, sizeof(*meta));
    meta->name = att->name;
    meta->content_type = att->content_type;
    meta->revpos = c->gen;
    if (c->p->kind == DV_PREP_REPLICATED && att->revpos > 0 && att->revpos < c->gen)
        meta->revpos = att->revpos;
    meta->stored_bytes = info.stored_bytes;
    meta->decoded_bytes = info.decoded_bytes;
    memcpy(meta->md5, info.md5_stored, sizeof(meta->md5));
    meta->key = info.key;
    return 0;
}

int dv_atts_resolve(struct dv_group *g, const struct dv_prepared *p, int32_t base, uint64_t gen,
                    struct dv_atts *atts, struct dv_edit_result *r, struct dv_err *err)
{
    struct resolving c = { .g = g, .p = p, .gen = gen, .r = r };
    bool stubs = false;
    int code = 0;

    atts->n = p->n_atts;
    atts->metas = dv_arena_array(g->arena, p->n_atts, sizeof(*atts->metas), err);
    atts->keys = dv_arena_array(g->arena, p->n_atts, sizeof(*atts->keys), err);
    if (!atts->metas || !atts->keys)
        return DV_ENOMEM;
    dv_hash_init(&c.base);
    dv_hash_init(&c.leaves);
    for (size_t i = 0; i < p->n_atts; i++)
        stubs = stubs || p->atts[i].kind == DV_NEW_STUB;
    if (stubs)
        code = load_base(&c, base, err);
    /* Stubs first: a refused document has then stored nothing. */
    for (size_t i = 0; code == 0 && r->code == 0 && i < p->n_atts; i++)
        if (p->atts[i].kind == DV_NEW_STUB)
            code = resolve_stub(&c, &p->atts[i], &atts->metas[i], err);
    for (size_t i = 0; code == 0 && r->code == 0 && i < p->n_atts; i++) {
        if (p->atts[i].kind != DV_NEW_STUB)
            code = resolve_new(&c, &p->atts[i], &atts->metas[i], err);
        atts->keys[i] = atts->metas[i].key;
    }
    dv_hash_fini(&c.leaves);
    dv_hash_fini(&c.base);
    return code;
}
