/* The revision tree of one document (several roots are possible after stemming: a forest).
 *
 * Nodes live in an array inside the caller's arena; a node never moves to another index
 * except through dv_revtree_stem and dv_revtree_remove_leaf, which compact the array (they
 * say so). Rules are CouchDB's key tree: tests/vectors/revtrees.jsonl is the referee.
 * Ids are borrowed: from the blob that was parsed and from the paths that were merged. The
 * bytes of both, and the arena, must outlive the tree. Pure, no I/O; not thread-safe, not even
 * the functions that take a const tree (they order siblings and build an index lazily).
 *
 * As in CouchDB one revision can stand in the tree twice (a partial path that met another
 * root, or one id under two parents); functions that look for one revision say which they take.
 *
 * Ceilings: DV_REVTREE_NODES_MAX nodes; what the arena allows. */
#ifndef DV_COUCH_REVTREE_H
#define DV_COUCH_REVTREE_H

#include "couch/revision.h"

enum { DV_REVTREE_NODES_MAX = 1 << 20 };

struct dv_revnode {
    struct dv_rev rev;
    int32_t parent;   /* index, -1 for a root */
    int32_t children; /* how many nodes name this one as parent; 0 = leaf */
    uint64_t body;    /* the engine's reference of the stored body; 0: none kept */
    uint64_t bytes;   /* size of that body's record, for size accounting */
    bool deleted;     /* meaningful where a body was stored */

    /* Private to the revtree files: the list of siblings, in the key tree's order (by id)
     * unless the parent says that its list still has to be sorted. */
    bool unsorted;
    int32_t mark;
    int32_t first_child;
    int32_t next;
};

struct dv_revtree_index;

struct dv_revtree {
    struct dv_arena *arena;   /* borrowed */
    struct dv_revnode *nodes; /* nodes[-1] is private: the parent of the roots. NULL when n is 0 */
    int32_t n;
    int32_t capacity;
    bool joinable;                  /* private: a root may also stand inside another tree */
    struct dv_revtree_index *index; /* private */
};

/* A path as it arrives in _revisions: newest first, consecutive generations. */
struct dv_revpath {
    uint64_t start;             /* generation of ids[0] */
    const struct dv_slice *ids; /* borrowed for the call, their bytes as long as the tree; raw
                                 * ids, newest first */
    size_t n;                   /* 1 .. start */
    bool deleted;
};

enum dv_merge {
    DV_MERGE_NEW_LEAF,      /* extends a leaf, or the first path of an empty tree */
    DV_MERGE_NEW_BRANCH,    /* a conflict */
    DV_MERGE_INTERNAL_NODE, /* already known: the tree is as it was, or got longer roots */
};

void dv_revtree_init(struct dv_revtree *t, struct dv_arena *arena);

/* Merge a path. *leaf is the index of ids[0]'s node; when it is new its body is 0 and deleted is
 * the path's (so too when it is an inner node whose body is not kept). New inner nodes have
 * body 0. DV_EINVAL for a path that is empty, longer than its generation or has bad ids,
 * DV_ETOOBIG over the ceiling of nodes, DV_ENOMEM; then the tree is as it was. */
int dv_revtree_merge(struct dv_revtree *t, const struct dv_revpath *path, enum dv_merge *what,
                     int32_t *leaf, struct dv_err *err);

/* Called with every node that a cut removes and that still had a body. */
typedef void dv_revtree_drop_fn(void *arg, const struct dv_revnode *node);

/* Keep at most `limit` (at least 1) revisions on each path from a leaf, and join trees that
 * overlap, as CouchDB does after each batch of merges; so call it after merging even when the
 * limit is far. An ancestor that another leaf needs stays for all of its leaves. Indexes
 * change. drop may be NULL. Returns 1 when the tree changed, 0 when not, or DV_ENOMEM (the tree
 * is as it was). */
int dv_revtree_stem(struct dv_revtree *t, uint64_t limit, dv_revtree_drop_fn *drop, void *arg);

/* Remove a leaf and its ancestors that lead to no other leaf (purge). False when rev is not a
 * leaf: nothing changed. Of a leaf that stands twice the first in tree order goes. Indexes
 * change. drop may be NULL. */
bool dv_revtree_remove_leaf(struct dv_revtree *t, struct dv_rev rev, dv_revtree_drop_fn *drop,
                            void *arg);

/* -1: unknown. Of a revision that stands twice: one with a body first, then the one of the
 * lower root. */
int32_t dv_revtree_find(const struct dv_revtree *t, struct dv_rev rev);
/* The winning leaf: live before deleted, higher generation, greater id. -1 for an empty tree. */
int32_t dv_revtree_winner(const struct dv_revtree *t);

/* Leaves into out (room for t->n indexes): in the key tree's order, or winner first. Returns
 * how many. */
int32_t dv_revtree_leaves(const struct dv_revtree *t, int32_t *out);
int32_t dv_revtree_leaves_by_rank(const struct dv_revtree *t, int32_t *out);

/* The leaves that `latest=true` follows: those that descend from node (itself, if it is one), in
 * tree order (http.jsonl, step 88). out has room for t->n indexes. */
int32_t dv_revtree_descendant_leaves(const struct dv_revtree *t, int32_t node, int32_t *out);

/* Which of the asked revisions are missing, as couch_key_tree:find_missing: their positions in
 * `asked`, in the order of revisions (by dv_rev_cmp). A revision that is there counts once: asked
 * twice, the second is reported missing, as CouchDB does. out has room for n. Returns how
 * many. */
size_t dv_revtree_missing(const struct dv_revtree *t, const struct dv_rev *asked, size_t n,
                          size_t *out);

/* _revs_diff's possible_ancestors: the leaves of a lower generation than the highest missing
 * one, winner first, as couch_db:possible_ancestors. out has room for t->n. */
int32_t dv_revtree_possible_ancestors(const struct dv_revtree *t, const struct dv_rev *missing,
                                      size_t n_missing, int32_t *out);

/* Serialised form: see docs/FORMAT.md. First byte is the version. `body` and `bytes` of nodes
 * are kept. Parsing refuses anything that is not the canonical output (DV_ECORRUPT), newer
 * versions with DV_ENEWER; ids of the parsed tree borrow from blob. The order of nodes of a
 * parsed tree is that of the blob: parents before children. */
int dv_revtree_serialise(const struct dv_revtree *t, struct dv_buf *out);
int dv_revtree_parse(struct dv_slice blob, struct dv_arena *arena, struct dv_revtree *t,
                     struct dv_err *err);

#endif
