/* A new revision of a document, with conflict detection: couch_db_updater:merge_rev_tree/4 for
 * interactive edits.
 *
 *   the document is   parent given                     no parent given
 *   unknown           conflict                         first revision
 *   deleted           conflict                         continues the deleted winner; deleting:
 * conflict live              must be a leaf, else conflict    conflict
 *
 * A leaf need not be the winner, nor live. The new revision's id is a hash over the edit, so the
 * same edit made elsewhere is the same revision. */
#include "couch/revhash.h"
#include "database/apply.h"

enum { NO_PARENT = -1, CONFLICT = -2 };

/* The node to continue, NO_PARENT or CONFLICT. */
static int32_t find_parent(const struct dv_revtree *tree, const struct dv_prepared *p)
{
    int32_t node;

    if (tree->n == 0)
        return p->path.n ? CONFLICT : NO_PARENT;
    node = dv_revtree_winner(tree);
    if (tree->nodes[node].deleted)
        return p->path.n || p->deleted ? CONFLICT : node;
    if (p->path.n == 0)
        return CONFLICT;
    node = dv_revtree_find(tree, (struct dv_rev){ p->path.start, p->path.ids[0] });
    if (node < 0 || tree->nodes[node].children > 0)
        return CONFLICT;
    return node;
}

/* The id of the new revision in g->arena. */
static int hash_edit(struct dv_group *g, const struct dv_prepared *p, const struct dv_rev *parent,
                     const struct dv_atts *atts, struct dv_slice *id, struct dv_err *err)
{
    struct dv_revhash_edit edit = { .deleted = p->deleted, .body = p->body, .n_atts = atts->n };
    struct dv_revhash_att *list;
    unsigned char *hash = dv_arena_alloc(g->arena, DV_REV_RAW_BYTES);

    if (!hash)
        return dv_err_set(err, DV_ENOMEM, "a revision");
    *id = dv_slice(hash, DV_REV_RAW_BYTES);
    /* A recreated document has another parent than was thought when it was prepared. */
    if (p->hashed && (p->path.n > 0 || !parent)) {
        memcpy(hash, p->hash, DV_REV_RAW_BYTES);
        return 0;
    }
    list = dv_arena_array(g->arena, atts->n, sizeof(*list), err);
    if (!list)
        return DV_ENOMEM;
    for (size_t i = 0; i < atts->n; i++)
        list[i] = (struct dv_revhash_att){ atts->metas[i].name, atts->metas[i].content_type,
                                           atts->metas[i].md5 };
    edit.atts = list;
    if (parent)
        edit.parent = *parent;
    return dv_revhash(&edit, hash, err);
}

static int store_edit(struct dv_group *g, const struct dv_prepared *p, int32_t parent,
                      const struct dv_atts *atts, struct dv_edit_result *r, struct dv_err *err)
{
    struct dv_revnode *node;
    struct dv_slice ids[2];
    struct dv_revpath path = { .ids = ids, .n = 1, .start = 1, .deleted = p->deleted };
    struct dv_slice record = p->record;
    enum dv_merge what;
    uint64_t body;
    int32_t leaf;
    int code;

    if (parent >= 0) {
        path.start = g->tree.nodes[parent].rev.gen + 1;
        path.n = 2;
        ids[1] = g->tree.nodes[parent].rev.id;
    }
    code = hash_edit(g, p, parent >= 0 ? &g->tree.nodes[parent].rev : NULL, atts, &ids[0], err);
    if (code < 0)
        return code;
    if (!record.p) {
        struct dv_record full = { p->body, atts->metas, atts->n };

        dv_buf_reset(g->record);
        code = dv_record_encode(&full, g->record, err);
        if (code < 0)
            return code;
        record = dv_buf_slice(g->record);
    }
    code = dv_txn_put_body(g->txn, record, atts->keys, atts->n, &body, err);
    if (code == 0)
        code = dv_revtree_merge(&g->tree, &path, &what, &leaf, err);
    if (code < 0)
        return code;
    node = &g->tree.nodes[leaf];
    node->body = body;
    node->bytes = record.n;
    g->changed = true;
    return dv_rev_text(node->rev, g->results, &r->rev, err);
}

/* One attachment added, replaced or removed (chttpd_db:db_attachment_req): everything else is as in
 * the parent, the new one stands first. Makes the whole edit of it. */
static int expand_attach(struct dv_group *g, const struct dv_prepared *p, int32_t base,
                         struct dv_prepared *out, struct dv_edit_result *r, struct dv_err *err)
{
    struct dv_record record = { .body = DV_SLICE_LIT("{}") };
    bool found = false;
    int code;

    *out = *p;
    if (base >= 0) {
        code = dv_record_read(g->txn, g->tree.nodes[base].body, g->parent, g->arena, &record, err);
        if (code < 0)
            return code;
        out->deleted = g->tree.nodes[base].deleted;
    }
    out->body = dv_arena_copy(g->arena, record.body); /* g->parent is used again for stubs */
    out->atts = dv_arena_array(g->arena, record.n_atts + 1, sizeof(*out->atts), err);
    if (!out->body.p || !out->atts)
        return dv_err_set(err, DV_ENOMEM, "an attachment");
    out->n_atts = 0;
    if (!p->remove)
        out->atts[out->n_atts++] = p->atts[0];
    for (size_t i = 0; i < record.n_atts; i++) {
        struct dv_new_att *stub = &out->atts[out->n_atts];

        if (dv_slice_eq(record.atts[i].name, p->atts[0].name)) {
            found = true;
            continue;
        }
        memset(stub, 0, sizeof(*stub));
        stub->name = dv_arena_copy(g->arena, record.atts[i].name);
        stub->kind = DV_NEW_STUB;
        if (!stub->name.p)
            return dv_err_set(err, DV_ENOMEM, "an attachment");
        out->n_atts++;
    }
    if (p->remove && !found)
        return dv_refuse(r, g->results, DV_ENOTFOUND, "Document is missing attachment");
    return 0;
}

/* The revision whose attachments are changed, in the order in which chttpd looks; -1: none. */
static int find_attach_base(struct dv_group *g, const struct dv_prepared *p,
                            struct dv_edit_result *r)
{
    int32_t winner = g->tree.n ? dv_revtree_winner(&g->tree) : -1;
    int32_t node;

    if (p->path.n > 0) {
        node = dv_revtree_find(&g->tree, (struct dv_rev){ p->path.start, p->path.ids[0] });
        if (node < 0 || g->tree.nodes[node].body == 0) {
            dv_refuse_as(r, g->results, DV_ECONFLICT, 409, "not_found", "missing_rev");
            return -1;
        }
        return node;
    }
    if (!p->remove)
        return -1;
    if (winner < 0)
        dv_refuse(r, g->results, DV_ENOTFOUND, "missing");
    else if (g->tree.nodes[winner].deleted)
        dv_refuse(r, g->results, DV_ENOTFOUND, "deleted");
    return winner;
}

int dv_group_edit(struct dv_group *g, const struct dv_prepared *p, struct dv_edit_result *r,
                  struct dv_err *err)
{
    struct dv_atts atts = { NULL, NULL, 0 };
    struct dv_prepared whole;
    int32_t base, parent;
    uint64_t gen;
    int code = 0;

    if (p->kind == DV_PREP_ATTACH) {
        base = find_attach_base(g, p, r);
        if (r->code == 0)
            code = expand_attach(g, p, base, &whole, r, err);
        if (code < 0 || r->code < 0)
            return code;
        p = &whole;
    }
    parent = find_parent(&g->tree, p);
    if (parent == CONFLICT)
        return dv_refuse(r, g->results, DV_ECONFLICT, "Document update conflict.");
    gen = parent >= 0 ? g->tree.nodes[parent].rev.gen : 0;
    if (gen >= DV_REV_GEN_MAX)
        return dv_refuse(r, g->results, DV_EINVAL, "Invalid rev format");
    /* Stubs mean the revision that was named, never the tombstone of a document made anew. */
    base = p->path.n > 0 ? parent : -1;
    if (p->n_atts > 0) {
        code = dv_atts_resolve(g, p, base, gen + 1, &atts, r, err);
        if (code < 0 || r->code < 0)
            return code;
    }
    return store_edit(g, p, parent, &atts, r, err);
}
