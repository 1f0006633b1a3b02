/* Questions to a revision tree: leaves, winner, missing revisions. Nothing here allocates.
 *
 * The key tree's order of leaves (couch_key_tree:get_all_leafs): the trees of the forest last
 * one first, inside each depth-first with siblings by id. */
#include "couch/revtree.h"

#include <stdlib.h>

#include "couch/revtree_nodes.h"

enum { INSERTION_MAX = 12 };

int32_t dv_revtree_find(const struct dv_revtree *t, struct dv_rev rev)
{
    struct dv_revtree_matches m;
    int32_t best, i;

    if (t->n == 0)
        return -1;
    dv_revtree_matches_init(&m, t, rev);
    best = dv_revtree_matches_next(&m, t);
    while (best >= 0 && (i = dv_revtree_matches_next(&m, t)) >= 0) {
        bool with = t->nodes[i].body != 0, best_with = t->nodes[best].body != 0;

        if (with != best_with ? with : dv_revtree_precedes(t, i, best))
            best = i;
    }
    return best >= 0 ? best : -1;
}

/* Winner first: <0 when a ranks before b. */
static int cmp_rank(const struct dv_revnode *a, const struct dv_revnode *b)
{
    if (a->deleted != b->deleted)
        return a->deleted ? 1 : -1;
    return dv_rev_cmp(b->rev, a->rev);
}

int32_t dv_revtree_winner(const struct dv_revtree *t)
{
    const struct dv_revnode *nodes = t->nodes;
    int32_t best = -1;

    for (int32_t i = 0; i < t->n; i++)
        if (nodes[i].children == 0 && (best < 0 || cmp_rank(&nodes[i], &nodes[best]) < 0))
            best = i;
    return best;
}

int32_t dv_revtree_descendant_leaves(const struct dv_revtree *t, int32_t node, int32_t *out)
{
    int32_t n = 0, up, i = node;

    if (t->nodes[node].children == 0) {
        out[0] = node;
        return 1;
    }
    while ((i = dv_revtree_preorder(t, node, i, &up)) >= 0)
        if (t->nodes[i].children == 0)
            out[n++] = i;
    return n;
}

int32_t dv_revtree_leaves(const struct dv_revtree *t, int32_t *out)
{
    int32_t n = 0, end, root;

    for (int32_t i = 0; i < t->n; i++)
        n += t->nodes[i].children == 0;
    if (n == 0)
        return 0;
    end = n;
    root = dv_revtree_first_child(t, DV_REVNODE_ROOTS);
    for (; root >= 0; root = t->nodes[root].next) {
        /* The leaves go to the front of what is free; then to its end. */
        int32_t k = dv_revtree_descendant_leaves(t, root, out);

        end -= k;
        if (end > 0)
            memmove(out + end, out, (size_t)k * sizeof(*out));
    }
    return n;
}

static int cmp_rank_indexes(const void *a, const void *b, void *arg)
{
    const struct dv_revnode *nodes = arg;

    return cmp_rank(&nodes[*(const int32_t *)a], &nodes[*(const int32_t *)b]);
}

/* qsort_r has a price that two or three leaves need not pay. */
static void sort_by_rank(const struct dv_revtree *t, int32_t *leaves, int32_t n)
{
    if (n > INSERTION_MAX) {
        qsort_r(leaves, (size_t)n, sizeof(*leaves), cmp_rank_indexes, t->nodes);
        return;
    }
    for (int32_t i = 1; i < n; i++) {
        int32_t leaf = leaves[i], k = i;

        for (; k > 0 && cmp_rank(&t->nodes[leaf], &t->nodes[leaves[k - 1]]) < 0; k--)
            leaves[k] = leaves[k - 1];
        leaves[k] = leaf;
    }
}

int32_t dv_revtree_leaves_by_rank(const struct dv_revtree *t, int32_t *out)
{
    int32_t n = 0;

    for (int32_t i = 0; i < t->n; i++)
        if (t->nodes[i].children == 0)
            out[n++] = i;
    sort_by_rank(t, out, n);
    return n;
}

static int cmp_asked(const void *a, const void *b, void *arg)
{
    const struct dv_rev *asked = arg;
    size_t i = *(const size_t *)a, k = *(const size_t *)b;
    int c = dv_rev_cmp(asked[i], asked[k]);

    return c != 0 ? c : (i > k) - (i < k);
}

static size_t count_nodes(const struct dv_revtree *t, struct dv_rev rev)
{
    struct dv_revtree_matches m;
    size_t n = 0;

    if (t->n == 0)
        return 0;
    dv_revtree_matches_init(&m, t, rev);
    while (dv_revtree_matches_next(&m, t) >= 0)
        n++;
    return n;
}

size_t dv_revtree_missing(const struct dv_revtree *t, const struct dv_rev *asked, size_t n,
                          size_t *out)
{
    size_t missing = 0, present = 0;

    for (size_t i = 0; i < n; i++)
        out[i] = i;
    if (n > 1)
        qsort_r(out, n, sizeof(*out), cmp_asked, (void *)(uintptr_t)asked);
    for (size_t i = 0; i < n; i++) {
        size_t k = out[i];

        if (i == 0 || !dv_rev_eq(asked[k], asked[out[i - 1]]))
            present = count_nodes(t, asked[k]);
        if (present > 0)
            present--;
        else
            out[missing++] = k;
    }
    return missing;
}

int32_t dv_revtree_possible_ancestors(const struct dv_revtree *t, const struct dv_rev *missing,
                                      size_t n_missing, int32_t *out)
{
    uint64_t highest = 0;
    int32_t n = 0;

    for (size_t i = 0; i < n_missing; i++)
        if (missing[i].gen > highest)
            highest = missing[i].gen;
    for (int32_t i = 0; i < t->n; i++)
        if (t->nodes[i].children == 0 && t->nodes[i].rev.gen < highest)
            out[n++] = i;
    sort_by_rank(t, out, n);
    return n;
}
