/* The key tree as a naive functional model, clause by clause after CouchDB's description of it
 * (couch_key_tree, Apache License 2.0): immutable lists, recursion, no thought of cost. It is
 * what src/couch/revtree*.c is compared with on random input. Lives in an arena and aborts when
 * that is full. */
#ifndef DV_TESTS_KEYTREE_MODEL_H
#define DV_TESTS_KEYTREE_MODEL_H

#include "couch/revtree.h"

/* A node in a list of siblings; in a forest's list also the generation of the root. */
struct model_node {
    struct dv_slice key;
    uint64_t gen; /* of a root */
    bool deleted;
    const struct model_node *kids;
    const struct model_node *next;
};

struct model {
    struct dv_arena *arena;
    const struct model_node *roots; /* NULL: empty */
};

enum dv_merge model_merge(struct model *m, const struct dv_revpath *path);
void model_stem(struct model *m, uint64_t limit);
/* couch_key_tree:remove_leafs with one key. */
bool model_remove_leaf(struct model *m, struct dv_rev rev);

/* The whole tree, then its leaves in tree order with their paths, as text. */
void model_print(const struct model *m, struct dv_buf *out);
/* The same of a real tree. */
void revtree_print(const struct dv_revtree *t, struct dv_buf *out);

#endif
