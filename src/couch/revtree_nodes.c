/* Nodes, sibling lists and their order; see revtree_nodes.h.
 *
 * A list of siblings is kept sorted while that is cheap. A node that would have to walk far is
 * put in front and the list is sorted as a whole when its order is next asked for, so that
 * ten thousand conflicts merged one by one do not cost ten thousand walks. */
#include "couch/revtree_nodes.h"

#include <assert.h>

enum { FIRST_CAPACITY = 3, WALK_MAX = 16, WALKS_BEFORE_SORT = 4 };

int dv_revtree_reserve(struct dv_revtree *t, size_t more)
{
    struct dv_revnode *p;
    size_t need, capacity = t->capacity ? (size_t)t->capacity * 2 : FIRST_CAPACITY;

    if (more > (size_t)(DV_REVTREE_NODES_MAX - t->n))
        return DV_ETOOBIG;
    need = (size_t)t->n + more;
    if (need <= (size_t)t->capacity)
        return 0;
    if (capacity < need)
        capacity = need;
    if (capacity >= DV_REVTREE_INDEX_MIN && !t->index) {
        t->index = dv_arena_zalloc(t->arena, sizeof(*t->index));
        if (!t->index)
            return DV_ENOMEM;
    }
    p = dv_arena_alloc(t->arena, (capacity + 1) * sizeof(*p));
    if (!p)
        return DV_ENOMEM;
    if (t->nodes)
        memcpy(p, t->nodes - 1, ((size_t)t->n + 1) * sizeof(*p));
    else
        *p = (struct dv_revnode){ .parent = DV_REVNODE_NONE,
                                  .first_child = DV_REVNODE_NONE,
                                  .next = DV_REVNODE_NONE };
    t->nodes = p + 1;
    t->capacity = (int32_t)capacity;
    return 0;
}

int32_t dv_revtree_append(struct dv_revtree *t, struct dv_rev rev)
{
    assert(t->n < t->capacity);
    t->nodes[t->n] = (struct dv_revnode){ .rev = rev,
                                          .parent = DV_REVNODE_NONE,
                                          .first_child = DV_REVNODE_NONE,
                                          .next = DV_REVNODE_NONE };
    return t->n++;
}

/* How far a new node may walk to its place among its siblings. A few long walks are cheaper than
 * sorting the list afterwards; many are not. */
static int32_t walk_limit(const struct dv_revtree *t)
{
    if (t->index && t->index->walked >= (uint64_t)WALKS_BEFORE_SORT * (uint64_t)t->n)
        return WALK_MAX;
    return INT32_MAX;
}

void dv_revtree_attach(struct dv_revtree *t, int32_t node, int32_t parent)
{
    struct dv_revnode *nodes = t->nodes;
    struct dv_revnode *up = &nodes[parent];
    int32_t *link = &up->first_child;
    int32_t walked = 0, limit = walk_limit(t);

    nodes[node].parent = parent;
    up->children++;
    while (!up->unsorted && *link >= 0 && dv_rev_cmp(nodes[*link].rev, nodes[node].rev) < 0) {
        if (walked++ == limit) {
            up->unsorted = true;
            link = &up->first_child;
            break;
        }
        link = &nodes[*link].next;
    }
    if (t->index)
        t->index->walked += (uint64_t)walked;
    nodes[node].next = *link;
    *link = node;
}

void dv_revtree_detach_root(struct dv_revtree *t, int32_t root)
{
    struct dv_revnode *roots = &t->nodes[DV_REVNODE_ROOTS];
    int32_t *link = &roots->first_child;

    assert(t->nodes[root].parent == DV_REVNODE_ROOTS);
    while (*link != root)
        link = &t->nodes[*link].next;
    *link = t->nodes[root].next;
    t->nodes[root].next = DV_REVNODE_NONE;
    t->nodes[root].parent = DV_REVNODE_NONE;
    roots->children--;
}

/* Take up to n nodes off *list into a list of their own. */
static int32_t split(struct dv_revnode *nodes, int32_t *list, int32_t n)
{
    int32_t head = *list;
    int32_t last = head;

    if (head < 0)
        return head;
    for (int32_t i = 1; i < n && nodes[last].next >= 0; i++)
        last = nodes[last].next;
    *list = nodes[last].next;
    nodes[last].next = DV_REVNODE_NONE;
    return head;
}

/* Merge two sorted lists behind *link; returns the last link. */
static int32_t *merge_runs(struct dv_revnode *nodes, int32_t a, int32_t b, int32_t *link)
{
    while (a >= 0 || b >= 0) {
        int32_t *from = b < 0 || (a >= 0 && dv_rev_cmp(nodes[a].rev, nodes[b].rev) <= 0) ? &a : &b;

        *link = *from;
        link = &nodes[*from].next;
        *from = *link;
    }
    *link = DV_REVNODE_NONE;
    return link;
}

/* Bottom-up merge sort: needs no memory, so that order is never a thing that fails. */
static void sort_children(struct dv_revnode *nodes, int32_t parent)
{
    struct dv_revnode *up = &nodes[parent];

    for (int32_t run = 1; run < up->children; run *= 2) {
        int32_t rest = up->first_child;
        int32_t *link = &up->first_child;

        while (rest >= 0) {
            int32_t a = split(nodes, &rest, run);
            int32_t b = split(nodes, &rest, run);

            link = merge_runs(nodes, a, b, link);
        }
    }
    up->unsorted = false;
}

int32_t dv_revtree_first_child(const struct dv_revtree *t, int32_t parent)
{
    if (t->nodes[parent].unsorted)
        sort_children(t->nodes, parent);
    return t->nodes[parent].first_child;
}

int32_t dv_revtree_preorder(const struct dv_revtree *t, int32_t top, int32_t node, int32_t *up)
{
    int32_t next = dv_revtree_first_child(t, node);

    *up = 0;
    if (next >= 0)
        return next;
    while (node != top) {
        ++*up;
        if (t->nodes[node].next >= 0)
            return t->nodes[node].next;
        node = t->nodes[node].parent;
    }
    return DV_REVNODE_NONE;
}

static int32_t child_by_index(const struct dv_revtree *t, int32_t parent, struct dv_rev rev)
{
    struct dv_revtree_matches m;
    int32_t i;

    dv_revtree_matches_init(&m, t, rev);
    while ((i = dv_revtree_matches_next(&m, t)) >= 0)
        if (t->nodes[i].parent == parent)
            return i;
    return DV_REVNODE_NONE;
}

int32_t dv_revtree_child(const struct dv_revtree *t, int32_t parent, struct dv_slice id)
{
    const struct dv_revnode *up = &t->nodes[parent];
    int32_t i = up->first_child;

    if (up->children > WALK_MAX)
        return child_by_index(t, parent, (struct dv_rev){ up->rev.gen + 1, id });
    while (i >= 0 && !dv_revid_eq(t->nodes[i].rev.id, id))
        i = t->nodes[i].next;
    return i;
}

bool dv_revtree_precedes(const struct dv_revtree *t, int32_t a, int32_t b)
{
    const struct dv_revnode *nodes = t->nodes;
    int32_t depth_a = 0, depth_b = 0;

    for (int32_t i = a; i >= 0; i = nodes[i].parent)
        depth_a++;
    for (int32_t i = b; i >= 0; i = nodes[i].parent)
        depth_b++;
    if (a == b)
        return false;
    for (; depth_a > depth_b; depth_a--)
        if ((a = nodes[a].parent) == b)
            return false; /* below b */
    for (; depth_b > depth_a; depth_b--)
        if ((b = nodes[b].parent) == a)
            return true;
    while (nodes[a].parent != nodes[b].parent) {
        a = nodes[a].parent;
        b = nodes[b].parent;
    }
    return dv_rev_cmp(nodes[a].rev, nodes[b].rev) < 0;
}

/* Make all sibling lists anew from the parents. */
static void relink(struct dv_revtree *t)
{
    struct dv_revnode *nodes = t->nodes;

    for (int32_t i = -1; i < t->n; i++) {
        nodes[i].children = 0;
        nodes[i].unsorted = false;
        nodes[i].first_child = DV_REVNODE_NONE;
        nodes[i].next = DV_REVNODE_NONE;
    }
    for (int32_t i = t->n; i-- > 0;) {
        struct dv_revnode *up = &nodes[nodes[i].parent];

        if (up->first_child >= 0 && dv_rev_cmp(nodes[i].rev, nodes[up->first_child].rev) > 0)
            up->unsorted = true;
        nodes[i].next = up->first_child;
        up->first_child = i;
        up->children++;
    }
}

void dv_revtree_compact(struct dv_revtree *t, dv_revtree_drop_fn *drop, void *arg)
{
    struct dv_revnode *nodes = t->nodes;
    int32_t kept = 0;

    for (int32_t i = 0; i < t->n; i++) {
        if (nodes[i].mark < 0 && nodes[i].body && drop)
            drop(arg, &nodes[i]);
        nodes[i].mark = nodes[i].mark < 0 ? DV_REVNODE_ROOTS : kept++;
    }
    for (int32_t i = 0; i < t->n; i++)
        if (nodes[i].mark >= 0 && nodes[i].parent >= 0)
            nodes[i].parent = nodes[nodes[i].parent].mark;
    for (int32_t i = 0; i < t->n; i++)
        if (nodes[i].mark >= 0)
            nodes[nodes[i].mark] = nodes[i];
    t->n = kept;
    relink(t);
    dv_revtree_index_drop(t);
}
