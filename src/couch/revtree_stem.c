/* Cutting a revision tree: stemming to a limit, and taking out a leaf.
 *
 * As in couch_key_tree:stem/2 there are two ways. The plain one drops each node from which every
 * leaf is `limit` or more steps away. When an id stands in the tree twice (at whatever
 * generation: CouchDB looks at ids alone), the tree is *rebuilt* instead: the path of each leaf
 * is cut to the limit and all are merged anew, lowest root first. Only that joins a root with the
 * same revision inside another tree. The two differ for a leaf whose ancestor is kept for the
 * sake of another leaf: plain keeps it connected, rebuilding cuts it off. */
#include "couch/revtree.h"

#include <stdlib.h>

#include "base/hash.h"
#include "couch/revtree_nodes.h"

/* Sets each node's mark to its distance from its root; returns the longest path in nodes. */
static uint64_t measure_paths(struct dv_revtree *t)
{
    struct dv_revnode *nodes = t->nodes;
    int32_t up, longest = 0;

    for (int32_t i = DV_REVNODE_ROOTS;
         (i = dv_revtree_preorder(t, DV_REVNODE_ROOTS, i, &up)) >= 0;) {
        nodes[i].mark = nodes[i].parent >= 0 ? nodes[nodes[i].parent].mark + 1 : 0;
        if (nodes[i].mark >= longest)
            longest = nodes[i].mark + 1;
    }
    return (uint64_t)longest;
}

/* Whether some root is also a node of another tree. Roots of the lowest generation can not be:
 * whatever has their generation is a root too, and no two roots are equal. */
static bool has_joinable_root(const struct dv_revtree *t)
{
    const struct dv_revnode *nodes = t->nodes;
    int32_t first = dv_revtree_first_child(t, DV_REVNODE_ROOTS);

    for (int32_t r = first; r >= 0; r = nodes[r].next) {
        struct dv_revtree_matches m;

        if (nodes[r].rev.gen == nodes[first].rev.gen)
            continue;
        dv_revtree_matches_init(&m, t, nodes[r].rev);
        for (int32_t i; (i = dv_revtree_matches_next(&m, t)) >= 0;)
            if (i != r)
                return true;
    }
    return false;
}

/* Whether two nodes have the same id, at any generation: 1, 0 or DV_ENOMEM. */
static int has_equal_ids(const struct dv_revtree *t)
{
    uint32_t capacity = 16;
    uint32_t *slots;

    while (capacity < (uint32_t)t->n * 2)
        capacity *= 2;
    slots = dv_arena_zalloc(t->arena, capacity * sizeof(*slots));
    if (!slots)
        return DV_ENOMEM;
    for (int32_t k = 0; k < t->n; k++) {
        struct dv_slice id = t->nodes[k].rev.id;
        uint32_t i = (uint32_t)dv_hash_bytes(id) & (capacity - 1);

        for (; slots[i]; i = (i + 1) & (capacity - 1))
            if (dv_revid_eq(t->nodes[slots[i] - 1].rev.id, id))
                return 1;
        slots[i] = (uint32_t)k + 1;
    }
    return 0;
}

/* Sets each node's mark to its distance from the nearest leaf below it. */
static void measure_heights(struct dv_revtree *t)
{
    struct dv_revnode *nodes = t->nodes;
    int32_t i = nodes[DV_REVNODE_ROOTS].first_child;

    for (int32_t k = 0; k < t->n; k++)
        nodes[k].mark = nodes[k].children ? INT32_MAX : 0;
    while (i >= 0) {
        int32_t parent;

        while (nodes[i].first_child >= 0)
            i = nodes[i].first_child;
        while (nodes[i].next < 0 && nodes[i].parent >= 0) {
            parent = nodes[i].parent;
            if (nodes[parent].mark > nodes[i].mark + 1)
                nodes[parent].mark = nodes[i].mark + 1;
            i = parent;
        }
        parent = nodes[i].parent;
        if (parent >= 0 && nodes[parent].mark > nodes[i].mark + 1)
            nodes[parent].mark = nodes[i].mark + 1;
        i = nodes[i].next;
    }
}

static int stem_plainly(struct dv_revtree *t, uint64_t limit, dv_revtree_drop_fn *drop, void *arg)
{
    int32_t before = t->n;

    measure_heights(t);
    for (int32_t i = 0; i < t->n; i++)
        t->nodes[i].mark = (uint64_t)t->nodes[i].mark < limit ? 0 : -1;
    dv_revtree_compact(t, drop, arg);
    return t->n != before;
}

/* A leaf and the generation at which its cut path begins. */
struct stem_path {
    uint64_t from;
    int32_t leaf; /* in the old tree */
    int32_t made; /* in the new one */
};

/* By where they begin; then as Erlang compares the paths, newest id first. */
static int cmp_stem_paths(const void *pa, const void *pb, void *arg)
{
    const struct stem_path *a = pa, *b = pb;
    const struct dv_revnode *nodes = arg;
    int32_t i = a->leaf, k = b->leaf;

    if (a->from != b->from)
        return a->from < b->from ? -1 : 1;
    while (i >= 0 && k >= 0 && nodes[i].rev.gen >= a->from && nodes[k].rev.gen >= b->from) {
        int c = dv_slice_cmp(nodes[i].rev.id, nodes[k].rev.id);

        if (c != 0)
            return c;
        i = nodes[i].parent;
        k = nodes[k].parent;
    }
    if (nodes[a->leaf].rev.gen != nodes[b->leaf].rev.gen)
        return nodes[a->leaf].rev.gen < nodes[b->leaf].rev.gen ? -1 : 1;
    return a->leaf < b->leaf ? -1 : a->leaf > b->leaf;
}

/* What a rebuild works with. */
struct rebuild {
    struct dv_revtree *old;
    struct dv_revtree made;
    struct stem_path *paths;
    int32_t n_paths;
    struct dv_slice *ids; /* of one path */
};

/* measure_paths has been run: marks are distances from the root. */
static int start_rebuild(struct rebuild *r, struct dv_revtree *t, uint64_t limit, uint64_t longest)
{
    struct dv_arena *arena = t->arena;

    *r = (struct rebuild){ .old = t };
    dv_revtree_init(&r->made, arena);
    r->paths = dv_arena_alloc(arena, (size_t)t->n * sizeof(*r->paths));
    r->ids = dv_arena_alloc(arena, (size_t)longest * sizeof(*r->ids));
    if (!r->paths || !r->ids || dv_revtree_reserve(&r->made, (size_t)t->n) < 0)
        return DV_ENOMEM;
    for (int32_t i = 0; i < t->n; i++) {
        uint64_t above = (uint64_t)t->nodes[i].mark;

        if (t->nodes[i].children > 0)
            continue;
        above = above < limit ? above : limit - 1;
        r->paths[r->n_paths++] =
            (struct stem_path){ .from = t->nodes[i].rev.gen - above, .leaf = i };
    }
    qsort_r(r->paths, (size_t)r->n_paths, sizeof(*r->paths), cmp_stem_paths, t->nodes);
    return 0;
}

static int merge_path(struct rebuild *r, struct stem_path *p)
{
    const struct dv_revnode *nodes = r->old->nodes;
    struct dv_revpath path = { .start = nodes[p->leaf].rev.gen,
                               .ids = r->ids,
                               .deleted = nodes[p->leaf].deleted };
    int32_t i = p->leaf;
    enum dv_merge what;

    path.n = (size_t)(path.start - p->from + 1);
    for (size_t k = 0; k < path.n; k++, i = nodes[i].parent)
        r->ids[k] = nodes[i].rev.id;
    return dv_revtree_merge(&r->made, &path, &what, &p->made, NULL);
}

/* An old node's body moves to the new node it became; where it met another revision's node
 * that has a body, that one stays. Marks say which nodes have been seen. */
static void move_body(struct dv_revnode *from, struct dv_revnode *to, dv_revtree_drop_fn *drop,
                      void *arg)
{
    if (from->mark)
        return;
    from->mark = 1;
    if (!to->mark || (to->body == 0 && from->body != 0)) {
        to->mark = 1;
        to->body = from->body;
        to->bytes = from->bytes;
        to->deleted = from->deleted;
    } else if (from->body != 0 && drop) {
        drop(arg, from);
    }
}

static void move_bodies(struct rebuild *r, dv_revtree_drop_fn *drop, void *arg)
{
    struct dv_revtree *t = r->old;

    for (int32_t i = 0; i < t->n; i++)
        t->nodes[i].mark = 0;
    for (int32_t k = 0; k < r->n_paths; k++) {
        const struct stem_path *p = &r->paths[k];
        int32_t to = p->made;

        for (int32_t i = p->leaf; i >= 0 && t->nodes[i].rev.gen >= p->from;
             i = t->nodes[i].parent) {
            move_body(&t->nodes[i], &r->made.nodes[to], drop, arg);
            to = r->made.nodes[to].parent;
        }
    }
    for (int32_t i = 0; drop && i < t->n; i++)
        if (!t->nodes[i].mark && t->nodes[i].body)
            drop(arg, &t->nodes[i]);
}

static int rebuild(struct dv_revtree *t, uint64_t limit, uint64_t longest, dv_revtree_drop_fn *drop,
                   void *arg)
{
    struct rebuild r;
    int rc = start_rebuild(&r, t, limit, longest);
    bool changed;

    for (int32_t i = 0; rc == 0 && i < r.n_paths; i++)
        rc = merge_path(&r, &r.paths[i]);
    if (rc < 0)
        return rc;
    move_bodies(&r, drop, arg);
    changed = r.made.n != t->n ||
              r.made.nodes[DV_REVNODE_ROOTS].children != t->nodes[DV_REVNODE_ROOTS].children;
    *t = r.made;
    t->joinable = false;
    return changed;
}

int dv_revtree_stem(struct dv_revtree *t, uint64_t limit, dv_revtree_drop_fn *drop, void *arg)
{
    uint64_t longest;
    int rc = 0;

    if (limit == 0)
        limit = 1;
    if (t->n == 0 || ((uint64_t)t->n <= limit && !t->joinable))
        return 0;
    longest = measure_paths(t);
    if (longest <= limit) {
        if (t->joinable && has_joinable_root(t))
            rc = rebuild(t, limit, longest, drop, arg);
        if (rc >= 0)
            t->joinable = false;
        return rc;
    }
    rc = has_equal_ids(t);
    if (rc < 0)
        return rc;
    if (rc > 0)
        return rebuild(t, limit, longest, drop, arg);
    t->joinable = false;
    return stem_plainly(t, limit, drop, arg);
}

/* Tree order of two nodes; of trees the later one comes first. */
static bool comes_before(const struct dv_revtree *t, int32_t a, int32_t b)
{
    int32_t root_a = a, root_b = b;

    while (t->nodes[root_a].parent >= 0)
        root_a = t->nodes[root_a].parent;
    while (t->nodes[root_b].parent >= 0)
        root_b = t->nodes[root_b].parent;
    return root_a == root_b ? dv_revtree_precedes(t, a, b) : dv_revtree_precedes(t, b, a);
}

bool dv_revtree_remove_leaf(struct dv_revtree *t, struct dv_rev rev, dv_revtree_drop_fn *drop,
                            void *arg)
{
    struct dv_revtree_matches m;
    int32_t leaf = DV_REVNODE_NONE, i;

    if (t->n == 0)
        return false;
    dv_revtree_matches_init(&m, t, rev);
    while ((i = dv_revtree_matches_next(&m, t)) >= 0)
        if (t->nodes[i].children == 0 && (leaf < 0 || comes_before(t, i, leaf)))
            leaf = i;
    if (leaf < 0)
        return false;
    for (i = 0; i < t->n; i++)
        t->nodes[i].mark = 0;
    for (i = leaf; i >= 0 && t->nodes[i].children <= 1; i = t->nodes[i].parent)
        t->nodes[i].mark = -1;
    dv_revtree_compact(t, drop, arg);
    return true;
}
