/* The revision tree of one document (several roots are possible after stemming: a forest).
 *
 * Nodes live in an array inside the caller's arena; a node never moves to another index
 * except through dv_revtree_stem and dv_revtree_remove_leaf, which compact the array (they
 * say so). Rules are CouchDB's key tree: tests/vectors/revtrees.jsonl is the referee.
 * Ids are borrowed from the arena or from the blob that was parsed: both must outlive the
 * tree. Pure, single-threaded, no I/O.
 *
 * Ceilings: DV_REVTREE_NODES_MAX nodes, path length 2^20. */
#ifndef DV_COUCH_REVTREE_H
#define DV_COUCH_REVTREE_H

#include "couch/revision.h"

enum { DV_REVTREE_NODES_MAX = 1 << 20 };

struct dv_revnode {
    struct dv_rev rev;
    int32_t parent;   /* index, -1 for a root */
    int32_t children; /* how many nodes name this one as parent; 0 = leaf */
    bool deleted;     /* meaningful where a body was stored */
    uint64_t body;    /* the engine's reference of the stored body; 0: none kept */
    uint64_t bytes;   /* size of that body's record, for size accounting */
};

struct dv_revtree {
    struct dv_arena *arena; /* borrowed */
    struct dv_revnode *nodes;
    int32_t n;
    int32_t capacity;
};

/* A path as it arrives in _revisions: newest first, consecutive generations. */
struct dv_revpath {
    uint64_t start;             /* generation of ids[0] */
    const struct dv_slice *ids; /* borrowed; raw ids, newest first */
    size_t n;                   /* 1 .. start */
    bool deleted;
};

enum dv_merge {
    DV_MERGE_NEW_LEAF,      /* extends a leaf */
    DV_MERGE_NEW_BRANCH,    /* a conflict, or a first revision */
    DV_MERGE_INTERNAL_NODE, /* already known: the tree is as it was, or got longer roots */
};

void dv_revtree_init(struct dv_revtree *t, struct dv_arena *arena);

/* Merge a path. *leaf is the index of ids[0]'s node; when it is new its body is 0 and deleted is
 * the path's. New inner nodes have body 0. */
int dv_revtree_merge(struct dv_revtree *t, const struct dv_revpath *path, enum dv_merge *what,
                     int32_t *leaf, struct dv_err *err);

/* Called with every node that a cut removes and that still had a body. */
typedef void dv_revtree_drop_fn(void *arg, const struct dv_revnode *node);

/* Keep at most `limit` revisions on each path from a leaf. Indexes change. True if it cut. */
bool dv_revtree_stem(struct dv_revtree *t, uint64_t limit, dv_revtree_drop_fn *drop, void *arg);

/* Remove a leaf and its ancestors that lead to no other leaf (purge). False when rev is not a
 * leaf: nothing changed. Indexes change. */
bool dv_revtree_remove_leaf(struct dv_revtree *t, struct dv_rev rev, dv_revtree_drop_fn *drop,
                            void *arg);

int32_t dv_revtree_find(const struct dv_revtree *t, struct dv_rev rev); /* -1: unknown */
/* The winning leaf: live before deleted, higher generation, greater id. -1 for an empty tree. */
int32_t dv_revtree_winner(const struct dv_revtree *t);

/* Leaves into out (room for t->n indexes): in the key tree's order, or winner first. Returns
 * how many. */
int32_t dv_revtree_leaves(const struct dv_revtree *t, int32_t *out);
int32_t dv_revtree_leaves_by_rank(const struct dv_revtree *t, int32_t *out);

/* The leaf that `latest=true` follows: leaves that descend from node, by rank. */
int32_t dv_revtree_descendant_leaves(const struct dv_revtree *t, int32_t node, int32_t *out);

/* For a revision that is missing: the leaves of a lower generation that could be its
 * ancestors (_revs_diff's possible_ancestors), as couch_db computes them. */
int32_t dv_revtree_possible_ancestors(const struct dv_revtree *t, const struct dv_rev *missing,
                                      size_t n_missing, int32_t *out);

/* Serialised form: see docs/FORMAT.md. First byte is the version. `body` and `bytes` of nodes
 * are kept. Parsing refuses anything that is not the canonical output (DV_ECORRUPT), newer
 * versions with DV_ENEWER; ids of the parsed tree borrow from blob. */
int dv_revtree_serialise(const struct dv_revtree *t, struct dv_buf *out);
int dv_revtree_parse(struct dv_slice blob, struct dv_arena *arena, struct dv_revtree *t,
                     struct dv_err *err);

#endif
