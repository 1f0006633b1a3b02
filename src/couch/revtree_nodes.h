/* Private to the revtree files: the node array as a linked structure. Node -1 is the parent of
 * the roots, so roots and children are handled alike; siblings are ordered by revision.
 * Nothing here allocates except reserve and the index, which does without when it can not. */
#ifndef DV_COUCH_REVTREE_NODES_H
#define DV_COUCH_REVTREE_NODES_H

#include "couch/revtree.h"

enum { DV_REVNODE_ROOTS = -1, DV_REVNODE_NONE = -2 };

/* Room for `more` nodes. DV_ETOOBIG, DV_ENOMEM: unchanged. */
int dv_revtree_reserve(struct dv_revtree *t, size_t more);

/* Append a node without a parent; there must be room. */
int32_t dv_revtree_append(struct dv_revtree *t, struct dv_rev rev);
/* Put a node without a parent under one (or among the roots). */
void dv_revtree_attach(struct dv_revtree *t, int32_t node, int32_t parent);
/* Take a root out of the list of roots, to attach it elsewhere. */
void dv_revtree_detach_root(struct dv_revtree *t, int32_t root);

/* First child in order, or DV_REVNODE_NONE; brings the siblings in order first. */
int32_t dv_revtree_first_child(const struct dv_revtree *t, int32_t parent);
/* The next node in depth-first order below `top` (DV_REVNODE_ROOTS: all), DV_REVNODE_NONE at
 * the end. *up counts the levels climbed to reach it: its parent is the up-th ancestor of
 * node. Start with node = top. */
int32_t dv_revtree_preorder(const struct dv_revtree *t, int32_t top, int32_t node, int32_t *up);

/* The child of parent with this id, or DV_REVNODE_NONE. */
int32_t dv_revtree_child(const struct dv_revtree *t, int32_t parent, struct dv_slice id);
/* Whether a stands before b in depth-first order. */
bool dv_revtree_precedes(const struct dv_revtree *t, int32_t a, int32_t b);

/* Remove all nodes whose mark is negative (children of removed nodes become roots) and close
 * the gaps in the array. */
void dv_revtree_compact(struct dv_revtree *t, dv_revtree_drop_fn *drop, void *arg);

/* All nodes of one revision: at = -1 to start, then again until it returns DV_REVNODE_NONE. */
struct dv_revtree_matches {
    struct dv_rev rev;
    uint32_t slot;
    int32_t at;
    bool hashed;
};
void dv_revtree_matches_init(struct dv_revtree_matches *m, const struct dv_revtree *t,
                             struct dv_rev rev);
int32_t dv_revtree_matches_next(struct dv_revtree_matches *m, const struct dv_revtree *t);

/* The index, made when the array is large and looked through often (revtree_index.c). */
enum { DV_REVTREE_INDEX_MIN = 32 };
struct dv_revtree_index {
    uint32_t *slots; /* node index + 1, 0 is free; NULL: not built */
    uint32_t mask;
    int32_t count;    /* nodes [0, count) are in it */
    uint64_t scanned; /* nodes looked at one by one so far */
    uint64_t walked;  /* siblings passed by new nodes so far */
};
/* Forget it: node indexes have changed. */
void dv_revtree_index_drop(struct dv_revtree *t);

static inline bool dv_revid_eq(struct dv_slice a, struct dv_slice b)
{
    return a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

#endif
