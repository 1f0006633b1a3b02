/* Which revisions are missing here, and which of ours may be their ancestors. */
#include "database/internal.h"

struct diff_call {
    struct dv_revs_query *queries;
    size_t n;
    struct dv_arena *arena; /* the caller's: results */
    struct dv_arena work;   /* of one page: infos; trees come and go */
    struct dv_arena trees;  /* of one document */
};

static int all_missing(struct diff_call *c, struct dv_revs_query *q, struct dv_err *err)
{
    q->missing = dv_arena_array(c->arena, q->n_revs, sizeof(struct dv_slice), err);
    if (!q->missing)
        return DV_ENOMEM;
    if (q->n_revs)
        memcpy(q->missing, q->revs, q->n_revs * sizeof(struct dv_slice));
    q->n_missing = q->n_revs;
    q->possible_ancestors = NULL;
    q->n_possible_ancestors = 0;
    return 0;
}

static int name_ancestors(struct diff_call *c, struct dv_revs_query *q,
                          const struct dv_revtree *tree, const struct dv_rev *missing,
                          struct dv_err *err)
{
    int32_t *nodes = dv_arena_array(&c->trees, (size_t)tree->n, sizeof(*nodes), err);
    int32_t n;

    if (!nodes)
        return DV_ENOMEM;
    n = dv_revtree_possible_ancestors(tree, missing, q->n_missing, nodes);
    q->possible_ancestors =
        dv_arena_array(c->arena, (size_t)n, sizeof(*q->possible_ancestors), err);
    if (!q->possible_ancestors)
        return DV_ENOMEM;
    q->n_possible_ancestors = (size_t)n;
    for (int32_t i = 0; i < n; i++) {
        int code = dv_rev_text(tree->nodes[nodes[i]].rev, c->arena, &q->possible_ancestors[i], err);

        if (code < 0)
            return code;
    }
    return 0;
}

static int diff_one(struct diff_call *c, struct dv_revs_query *q, const struct dv_doc_info *info,
                    const struct dv_rev *asked, struct dv_err *err)
{
    struct dv_revtree tree;
    struct dv_rev *missing;
    size_t *at;
    int code = dv_tree_load(info, &c->trees, &tree, err);

    if (code < 0)
        return code;
    at = dv_arena_array(&c->trees, q->n_revs, sizeof(*at), err);
    missing = at ? dv_arena_array(&c->trees, q->n_revs, sizeof(*missing), err) : NULL;
    if (!missing)
        return DV_ENOMEM;
    q->n_missing = dv_revtree_missing(&tree, asked, q->n_revs, at);
    q->missing = dv_arena_array(c->arena, q->n_missing, sizeof(*q->missing), err);
    if (!q->missing)
        return DV_ENOMEM;
    for (size_t i = 0; i < q->n_missing; i++) {
        q->missing[i] = q->revs[at[i]];
        missing[i] = asked[at[i]];
    }
    q->possible_ancestors = NULL;
    q->n_possible_ancestors = 0;
    return q->n_missing ? name_ancestors(c, q, &tree, missing, err) : 0;
}

static int parse_and_diff(struct diff_call *c, struct dv_revs_query *q,
                          const struct dv_doc_info *info, struct dv_err *err)
{
    struct dv_rev *asked;

    dv_arena_reset(&c->trees);
    asked = dv_arena_array(&c->trees, q->n_revs, sizeof(*asked), err);
    if (!asked)
        return DV_ENOMEM;
    for (size_t i = 0; i < q->n_revs; i++) {
        int code = dv_rev_parse(q->revs[i], &c->trees, &asked[i], err);

        if (code < 0)
            return code;
    }
    return info->found ? diff_one(c, q, info, asked, err) : all_missing(c, q, err);
}

static int diff_page(void *arg, struct dv_txn *txn, struct dv_err *err)
{
    struct diff_call *c = arg;
    struct dv_doc_info *infos;
    struct dv_slice *ids;
    size_t n = c->n < DV_LOOKUP_IDS ? c->n : DV_LOOKUP_IDS;
    int code;

    dv_arena_reset(&c->work);
    ids = dv_arena_array(&c->work, n, sizeof(*ids), err);
    infos = ids ? dv_arena_array(&c->work, n, sizeof(*infos), err) : NULL;
    if (!infos)
        return DV_ENOMEM;
    for (size_t i = 0; i < n; i++)
        ids[i] = c->queries[i].id;
    code = dv_txn_open_docs(txn, ids, n, &c->work, infos, err);
    for (size_t i = 0; code == 0 && i < n; i++)
        code = parse_and_diff(c, &c->queries[i], &infos[i], err);
    c->queries += n;
    c->n -= n;
    return code;
}

int dv_database_revs_diff(struct dv_database *db, struct dv_revs_query *queries, size_t n,
                          struct dv_arena *arena, struct dv_err *err)
{
    struct diff_call c = { .queries = queries, .n = n, .arena = arena };
    int code = 0;

    dv_arena_init(&c.work, DV_CALL_ARENA_BYTES);
    dv_arena_init(&c.trees, DV_CALL_ARENA_BYTES);
    while (code == 0 && c.n > 0)
        code = dv_database_view(db, diff_page, &c, err);
    dv_arena_fini(&c.trees);
    dv_arena_fini(&c.work);
    return code;
}
