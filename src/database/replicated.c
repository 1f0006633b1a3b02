/* A revision as it is elsewhere, with its ancestry: couch_db_updater:merge_rev_tree/4 for
 * replicated changes. Conflicts are kept, not found. A revision that is there already is a success
 * and changes nothing, unless its path tells ancestors that were unknown. */
#include "database/apply.h"

static size_t depth_of(const struct dv_revtree *tree, int32_t node)
{
    size_t n = 0;

    for (; node >= 0; node = tree->nodes[node].parent)
        n++;
    return n;
}

/* The nearest ancestor whose attachments are known, as couch_db:make_first_doc_on_disk/4: along
 * the path as far as it goes, then along the tree. */
static int32_t known_ancestor(const struct dv_revtree *tree, const struct dv_revpath *path)
{
    int32_t node = -1;

    for (size_t i = 1; i < path->n && node < 0; i++)
        node = dv_revtree_find(tree, (struct dv_rev){ path->start - i, path->ids[i] });
    while (node >= 0 && tree->nodes[node].body == 0)
        node = tree->nodes[node].parent;
    return node;
}

static int store_body(struct dv_group *g, const struct dv_prepared *p, const struct dv_atts *atts,
                      int32_t leaf, struct dv_err *err)
{
    struct dv_slice record = p->record;
    uint64_t body;
    int code;

    if (!record.p) {
        struct dv_record full = { p->body, atts->metas, atts->n };

        dv_buf_reset(g->record);
        code = dv_record_encode(&full, g->record, err);
        if (code < 0)
            return code;
        record = dv_buf_slice(g->record);
    }
    code = dv_txn_put_body(g->txn, record, atts->keys, atts->n, &body, err);
    if (code < 0)
        return code;
    g->tree.nodes[leaf].body = body;
    g->tree.nodes[leaf].bytes = record.n;
    return 0;
}

int dv_group_replicated(struct dv_group *g, const struct dv_prepared *p, struct dv_edit_result *r,
                        struct dv_err *err)
{
    struct dv_rev rev = { p->path.start, p->path.ids[0] };
    int32_t known = g->tree.n ? dv_revtree_find(&g->tree, rev) : -1;
    struct dv_atts atts = { NULL, NULL, 0 };
    enum dv_merge what;
    int32_t leaf;
    int code;

    if (known >= 0 && depth_of(&g->tree, known) >= p->path.n)
        return 0;
    if (known < 0 && p->n_atts > 0) {
        code = dv_atts_resolve(g, p, known_ancestor(&g->tree, &p->path), rev.gen, &atts, r, err);
        if (code < 0 || r->code < 0)
            return code;
    }
    code = dv_revtree_merge(&g->tree, &p->path, &what, &leaf, err);
    if (code == DV_EINVAL || code == DV_ETOOBIG) { /* too many revisions: this document only */
        return dv_refuse(r, g->results, code, "revisions cannot be merged");
    }
    if (code < 0)
        return code;
    g->changed = true;
    return known < 0 ? store_body(g, p, &atts, leaf, err) : 0;
}
