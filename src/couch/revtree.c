/* Merging a path into a revision tree.
 *
 * What couch_key_tree:merge/2 does, said in terms of nodes: the path is joined at its *anchor*,
 * which is a node of the tree that equals the path's oldest revision, or else a root that equals
 * a later revision of the path (then the path's older part becomes the new root). Nothing else
 * joins, even where other revisions are shared: such a path becomes a tree of its own. Below the
 * anchor the path is followed as far as it is known; the rest hangs on as a new branch. */
#include "couch/revtree.h"

#include "couch/revtree_nodes.h"

/* Where a path goes. */
struct place {
    int32_t anchor; /* DV_REVNODE_NONE: a tree of its own */
    size_t at;      /* position of the anchor in the path */
    int32_t bottom; /* the deepest known node at or below the anchor */
    size_t below;   /* how many revisions of the path are below it: new nodes */
};

void dv_revtree_init(struct dv_revtree *t, struct dv_arena *arena)
{
    *t = (struct dv_revtree){ .arena = arena };
}

static struct dv_rev rev_at(const struct dv_revpath *path, size_t i)
{
    return (struct dv_rev){ path->start - i, path->ids[i] };
}

static int check_path(const struct dv_revpath *path, struct dv_err *err)
{
    if (path->n == 0 || path->n > path->start || path->start > DV_REV_GEN_MAX)
        return dv_err_set(err, DV_EINVAL, "revision path does not fit its generation");
    for (size_t i = 0; i < path->n; i++)
        if (path->ids[i].n == 0 || path->ids[i].n > DV_REV_ID_MAX)
            return dv_err_set(err, DV_EINVAL, "Invalid rev format");
    return 0;
}

/* CouchDB tries the trees in order and takes the first that fits. */
static int32_t first_match(const struct dv_revtree *t, struct dv_rev rev)
{
    struct dv_revtree_matches m;
    int32_t best, i;

    dv_revtree_matches_init(&m, t, rev);
    best = dv_revtree_matches_next(&m, t);
    if (best < 0)
        return best;
    while ((i = dv_revtree_matches_next(&m, t)) >= 0)
        if (dv_revtree_precedes(t, i, best))
            best = i;
    return best;
}

static int32_t root_match(const struct dv_revtree *t, struct dv_rev rev)
{
    struct dv_revtree_matches m;
    int32_t i;

    dv_revtree_matches_init(&m, t, rev);
    while ((i = dv_revtree_matches_next(&m, t)) >= 0)
        if (t->nodes[i].parent == DV_REVNODE_ROOTS)
            break;
    return i;
}

/* A root that is inside the path: the one of the lowest generation. Few roots are tried against
 * the path, few revisions against the roots. */
static int32_t anchor_root(const struct dv_revtree *t, const struct dv_revpath *path)
{
    const struct dv_revnode *nodes = t->nodes;
    int32_t i;

    if (path->n <= (size_t)nodes[DV_REVNODE_ROOTS].children) {
        for (size_t k = path->n - 1; k-- > 0;) {
            i = root_match(t, rev_at(path, k));
            if (i >= 0)
                return i;
        }
        return DV_REVNODE_NONE;
    }
    for (i = dv_revtree_first_child(t, DV_REVNODE_ROOTS); i >= 0; i = nodes[i].next) {
        uint64_t gen = nodes[i].rev.gen;

        if (gen <= path->start && gen > path->start - (path->n - 1) &&
            dv_revid_eq(nodes[i].rev.id, path->ids[path->start - gen]))
            break;
    }
    return i;
}

static void find_place(const struct dv_revtree *t, const struct dv_revpath *path,
                       struct place *place)
{
    struct place p = { .anchor = DV_REVNODE_NONE, .bottom = DV_REVNODE_NONE, .below = path->n };

    if (t->n > 0)
        p.anchor = first_match(t, rev_at(path, path->n - 1));
    if (p.anchor < 0 && t->n > 0 && path->n > 1)
        p.anchor = anchor_root(t, path);
    if (p.anchor >= 0) {
        p.at = (size_t)(path->start - t->nodes[p.anchor].rev.gen);
        p.bottom = p.anchor;
        for (p.below = p.at; p.below > 0; p.below--) {
            int32_t child = dv_revtree_child(t, p.bottom, path->ids[p.below - 1]);

            if (child < 0)
                break;
            p.bottom = child;
        }
    }
    *place = p;
}

static enum dv_merge kind_of(const struct dv_revtree *t, const struct place *p)
{
    if (p->anchor < 0)
        return t->n == 0 ? DV_MERGE_NEW_LEAF : DV_MERGE_NEW_BRANCH;
    if (p->below == 0)
        return DV_MERGE_INTERNAL_NODE;
    return t->nodes[p->bottom].children == 0 ? DV_MERGE_NEW_LEAF : DV_MERGE_NEW_BRANCH;
}

/* Append path[from - 1] .. path[to] as a chain below parent; returns its last node. */
static int32_t append_chain(struct dv_revtree *t, const struct dv_revpath *path, size_t from,
                            size_t to, int32_t parent)
{
    while (from > to) {
        int32_t node = dv_revtree_append(t, rev_at(path, --from));

        dv_revtree_attach(t, node, parent);
        parent = node;
    }
    return parent;
}

int dv_revtree_merge(struct dv_revtree *t, const struct dv_revpath *path, enum dv_merge *what,
                     int32_t *leaf, struct dv_err *err)
{
    struct place p;
    enum dv_merge kind;
    size_t above;
    int32_t head;
    int rc = check_path(path, err);

    if (rc < 0)
        return rc;
    find_place(t, path, &p);
    kind = kind_of(t, &p);
    above = p.anchor >= 0 ? path->n - 1 - p.at : 0;
    rc = dv_revtree_reserve(t, above + p.below);
    if (rc == DV_ETOOBIG)
        return dv_err_set(err, rc, "document has more than %d revisions", DV_REVTREE_NODES_MAX);
    if (rc < 0)
        return dv_err_set(err, rc, "out of memory for a revision tree");
    head = append_chain(t, path, p.below, 0, p.anchor >= 0 ? p.bottom : DV_REVNODE_ROOTS);
    if (p.below > 0 || (t->nodes[head].children > 0 && t->nodes[head].body == 0))
        t->nodes[head].deleted = path->deleted;
    if (above > 0) {
        dv_revtree_detach_root(t, p.anchor);
        dv_revtree_attach(t, p.anchor, append_chain(t, path, path->n, p.at + 1, DV_REVNODE_ROOTS));
    }
    if (above + p.below > 0 && t->nodes[DV_REVNODE_ROOTS].children > 1)
        t->joinable = true;
    *what = kind;
    *leaf = head;
    return 0;
}
