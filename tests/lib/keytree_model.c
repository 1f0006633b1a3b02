/* See keytree_model.h. */
#include "lib/keytree_model.h"

#include <stdlib.h>

typedef const struct model_node *list;

static void *take(struct dv_arena *a, size_t bytes)
{
    void *p = dv_arena_alloc(a, bytes);

    if (!p)
        abort();
    return p;
}

/* A copy of node with other children and another tail. */
static list cons(struct dv_arena *a, const struct model_node *node, list kids, list next)
{
    struct model_node *n = take(a, sizeof(*n));

    *n = *node;
    n->kids = kids;
    n->next = next;
    return n;
}

static size_t length(list l)
{
    size_t n = 0;

    for (; l; l = l->next)
        n++;
    return n;
}

static enum dv_merge merge_extend(struct dv_arena *a, list nodes, list in, list *out)
{
    enum dv_merge result;
    list merged;

    if (!nodes && in) {
        *out = in;
        return DV_MERGE_NEW_LEAF;
    }
    if (!in) {
        *out = nodes;
        return DV_MERGE_INTERNAL_NODE;
    }
    if (dv_slice_eq(nodes->key, in->key)) {
        result = merge_extend(a, nodes->kids, in->kids, &merged);
        *out = cons(a, nodes, merged, nodes->next);
        return result;
    }
    if (dv_slice_cmp(nodes->key, in->key) > 0) {
        *out = cons(a, in, in->kids, nodes);
        return DV_MERGE_NEW_BRANCH;
    }
    result = merge_extend(a, nodes->next, in, &merged);
    if (length(merged) != length(nodes->next))
        result = DV_MERGE_NEW_BRANCH;
    *out = cons(a, nodes, nodes->kids, merged);
    return result;
}

static bool merge_at(struct dv_arena *a, list nodes, int64_t pos, list in, list *out,
                     enum dv_merge *result)
{
    list merged;

    if (!in || !nodes)
        return false;
    if (pos > 0) {
        if (!merge_at(a, nodes, pos - 1, in->kids, &merged, result))
            return false;
        *out = cons(a, in, merged, NULL);
        return true;
    }
    if (pos < 0) {
        if (merge_at(a, nodes->kids, pos + 1, in, &merged, result)) {
            *out = cons(a, nodes, merged, nodes->next);
            return true;
        }
    } else if (dv_slice_eq(nodes->key, in->key)) {
        *result = merge_extend(a, nodes->kids, in->kids, &merged);
        *out = cons(a, nodes, merged, nodes->next);
        return true;
    } else if (dv_slice_cmp(nodes->key, in->key) > 0) {
        return false;
    }
    if (!merge_at(a, nodes->next, pos, in, &merged, result))
        return false;
    *out = cons(a, nodes, nodes->kids, merged);
    return true;
}

/* Put a root into its place: by generation, then key. */
static list insert_root(struct dv_arena *a, list roots, const struct model_node *root)
{
    if (roots && (roots->gen < root->gen ||
                  (roots->gen == root->gen && dv_slice_cmp(roots->key, root->key) < 0)))
        return cons(a, roots, roots->kids, insert_root(a, roots->next, root));
    return cons(a, root, root->kids, roots);
}

static list without(struct dv_arena *a, list roots, const struct model_node *root)
{
    if (roots == root)
        return roots->next;
    return cons(a, roots, roots->kids, without(a, roots->next, root));
}

static enum dv_merge merge_tree(struct model *m, const struct model_node *tree)
{
    struct dv_arena *a = m->arena;
    enum dv_merge result = m->roots ? DV_MERGE_NEW_BRANCH : DV_MERGE_NEW_LEAF;

    for (list root = m->roots; root; root = root->next) {
        list one = cons(a, root, root->kids, NULL), merged;

        if (merge_at(a, one, (int64_t)(root->gen - tree->gen), tree, &merged, &result)) {
            struct model_node made = *merged;

            made.gen = root->gen < tree->gen ? root->gen : tree->gen;
            m->roots = insert_root(a, without(a, m->roots, root), &made);
            return result;
        }
    }
    m->roots = insert_root(a, m->roots, tree);
    return result;
}

static list chain_of(struct dv_arena *a, const struct dv_revpath *path)
{
    list below = NULL;

    for (size_t i = 0; i < path->n; i++) {
        struct model_node n = { .key = path->ids[i],
                                .gen = path->start - i,
                                .deleted = i == 0 && path->deleted };

        below = cons(a, &n, below, NULL);
    }
    return below;
}

enum dv_merge model_merge(struct model *m, const struct dv_revpath *path)
{
    return merge_tree(m, chain_of(m->arena, path));
}

/* All leaves with their paths, in tree order. */
struct leaves {
    struct dv_arena *arena;
    struct dv_revpath *paths;
    size_t n;
};

static void collect(struct leaves *out, list nodes, uint64_t gen, const struct dv_slice *above,
                    size_t n_above)
{
    for (; nodes; nodes = nodes->next) {
        struct dv_slice *path = take(out->arena, (n_above + 1) * sizeof(*path));

        path[0] = nodes->key;
        if (n_above)
            memcpy(path + 1, above, n_above * sizeof(*path));
        if (nodes->kids)
            collect(out, nodes->kids, gen + 1, path, n_above + 1);
        else
            out->paths[out->n++] = (struct dv_revpath){ gen, path, n_above + 1, nodes->deleted };
    }
}

static size_t count_leaves(list nodes)
{
    size_t n = 0;

    for (; nodes; nodes = nodes->next)
        n += nodes->kids ? count_leaves(nodes->kids) : 1;
    return n;
}

static void collect_roots(struct leaves *out, list roots)
{
    if (!roots)
        return;
    collect_roots(out, roots->next);
    collect(out, cons(out->arena, roots, roots->kids, NULL), roots->gen, NULL, 0);
}

static struct leaves all_leaves(const struct model *m)
{
    struct leaves l = { m->arena, NULL, 0 };

    l.paths = take(m->arena, (count_leaves(m->roots) + 1) * sizeof(*l.paths));
    collect_roots(&l, m->roots);
    return l;
}

static int cmp_paths(const void *pa, const void *pb)
{
    const struct dv_revpath *a = pa, *b = pb;
    uint64_t from_a = a->start + 1 - a->n, from_b = b->start + 1 - b->n;

    if (from_a != from_b)
        return from_a < from_b ? -1 : 1;
    for (size_t i = 0; i < a->n && i < b->n; i++)
        if (dv_slice_cmp(a->ids[i], b->ids[i]) != 0)
            return dv_slice_cmp(a->ids[i], b->ids[i]);
    return (a->n > b->n) - (a->n < b->n);
}

static void merge_paths(struct model *m, struct leaves *l)
{
    qsort(l->paths, l->n, sizeof(*l->paths), cmp_paths);
    m->roots = NULL;
    for (size_t i = 0; i < l->n; i++)
        model_merge(m, &l->paths[i]);
}

static bool id_occurs(list nodes, struct dv_slice key, const struct model_node *except)
{
    for (; nodes; nodes = nodes->next)
        if ((nodes != except && dv_slice_eq(nodes->key, key)) ||
            id_occurs(nodes->kids, key, except))
            return true;
    return false;
}

static bool has_equal_ids(const struct model *m, list nodes)
{
    for (; nodes; nodes = nodes->next)
        if (id_occurs(m->roots, nodes->key, nodes) || has_equal_ids(m, nodes->kids))
            return true;
    return false;
}

/* Returns how many more ancestors are to be kept (negative: not this one either); *kept is NULL
 * when the node goes. Its surviving children become roots. */
static int64_t stem_node(struct model *m, uint64_t gen, const struct model_node *node,
                         uint64_t limit, list *kept)
{
    struct model_node *kids[64];
    int64_t best = -1;
    size_t n = 0;
    list chain = NULL;

    if (!node->kids) {
        *kept = node;
        return (int64_t)limit - 1;
    }
    for (list k = node->kids; k; k = k->next) {
        list kid = NULL;
        int64_t left = stem_node(m, gen + 1, k, limit, &kid);

        best = left > best ? left : best;
        if (!kid)
            continue;
        if (n == sizeof(kids) / sizeof(kids[0]))
            abort();
        kids[n] = take(m->arena, sizeof(*kids[n]));
        *kids[n] = *kid;
        kids[n++]->gen = gen + 1;
    }
    *kept = NULL;
    if (best > 0) {
        while (n-- > 0)
            chain = cons(m->arena, kids[n], kids[n]->kids, chain);
        *kept = cons(m->arena, node, chain, NULL);
        return best - 1;
    }
    for (size_t i = 0; i < n; i++)
        m->roots = insert_root(m->arena, m->roots, kids[i]);
    return best == 0 ? -1 : best - 1;
}

static void stem_plainly(struct model *m, uint64_t limit)
{
    list old = m->roots;

    m->roots = NULL;
    for (; old; old = old->next) {
        list kept = NULL;

        stem_node(m, old->gen, old, limit, &kept);
        if (kept)
            m->roots = insert_root(m->arena, m->roots, kept);
    }
}

void model_stem(struct model *m, uint64_t limit)
{
    struct leaves l;

    if (!has_equal_ids(m, m->roots)) {
        stem_plainly(m, limit);
        return;
    }
    l = all_leaves(m);
    for (size_t i = 0; i < l.n; i++)
        if (l.paths[i].n > limit)
            l.paths[i].n = (size_t)limit;
    merge_paths(m, &l);
}

bool model_remove_leaf(struct model *m, struct dv_rev rev)
{
    struct leaves l = all_leaves(m);

    for (size_t i = 0; i < l.n; i++) {
        if (l.paths[i].start != rev.gen || !dv_slice_eq(l.paths[i].ids[0], rev.id))
            continue;
        memmove(&l.paths[i], &l.paths[i + 1], (l.n - i - 1) * sizeof(*l.paths));
        l.n--;
        merge_paths(m, &l);
        return true;
    }
    return false;
}

static void print_node(struct dv_buf *out, uint64_t gen, struct dv_slice id, bool deleted,
                       int depth)
{
    for (int i = 0; i < depth; i++)
        dv_buf_add_str(out, ". ");
    dv_rev_add_text(out, (struct dv_rev){ gen, id });
    dv_buf_add_str(out, deleted ? " deleted\n" : "\n");
}

static void print_list(list nodes, uint64_t gen, int depth, struct dv_buf *out)
{
    for (; nodes; nodes = nodes->next) {
        print_node(out, depth ? gen : nodes->gen, nodes->key, !nodes->kids && nodes->deleted,
                   depth);
        print_list(nodes->kids, (depth ? gen : nodes->gen) + 1, depth + 1, out);
    }
}

void model_print(const struct model *m, struct dv_buf *out)
{
    struct leaves l = all_leaves(m);

    print_list(m->roots, 0, 0, out);
    for (size_t i = 0; i < l.n; i++) {
        dv_buf_add_str(out, "leaf");
        for (size_t k = 0; k < l.paths[i].n; k++) {
            dv_buf_add_str(out, " ");
            dv_rev_add_id_text(out, l.paths[i].ids[k]);
        }
        dv_buf_add_str(out, "\n");
    }
}

static void print_tree(const struct dv_revtree *t, int32_t parent, int depth, struct dv_buf *out)
{
    int32_t last = -1;

    /* Siblings by id, found without the tree's own lists. */
    for (;;) {
        int32_t next = -1;

        for (int32_t i = 0; i < t->n; i++)
            if (t->nodes[i].parent == parent &&
                (last < 0 || dv_rev_cmp(t->nodes[i].rev, t->nodes[last].rev) > 0) &&
                (next < 0 || dv_rev_cmp(t->nodes[i].rev, t->nodes[next].rev) < 0))
                next = i;
        if (next < 0)
            return;
        print_node(out, t->nodes[next].rev.gen, t->nodes[next].rev.id,
                   !t->nodes[next].children && t->nodes[next].deleted, depth);
        print_tree(t, next, depth + 1, out);
        last = next;
    }
}

void revtree_print(const struct dv_revtree *t, struct dv_buf *out)
{
    int32_t *leaves = calloc((size_t)t->n + 1, sizeof(*leaves));
    int32_t n = dv_revtree_leaves(t, leaves);

    print_tree(t, -1, 0, out);
    for (int32_t i = 0; i < n; i++) {
        dv_buf_add_str(out, "leaf");
        for (int32_t k = leaves[i]; k >= 0; k = t->nodes[k].parent) {
            dv_buf_add_str(out, " ");
            dv_rev_add_id_text(out, t->nodes[k].rev.id);
        }
        dv_buf_add_str(out, "\n");
    }
    free(leaves);
}
