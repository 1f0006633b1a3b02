/* Random revision paths that have much in common, and small helpers for tests of revision
 * trees. Everything lives in the given arena; failures fail the running test. */
#ifndef DV_TESTS_RANDOM_PATHS_H
#define DV_TESTS_RANDOM_PATHS_H

#include "base/rand.h"
#include "couch/revtree.h"

struct random_paths {
    struct dv_arena *arena; /* borrowed */
    struct dv_rng rng;
    struct dv_revpath *made;
    size_t n;
    int alphabet; /* ids per generation; negative: shared by all generations */
    bool whole;   /* paths reach the root, and an id says its whole past */
};

/* Fills made with n paths; each extends, branches off or cuts one before it, or starts afresh. */
void random_paths_make(struct random_paths *r, uint64_t seed, size_t n);

/* "c b a" newest first, as text ids. */
struct dv_revpath path_of(struct dv_arena *arena, uint64_t start, const char *words, bool deleted);

/* Merge, which must succeed. */
enum dv_merge merge_path(struct dv_revtree *t, const struct dv_revpath *path);

/* Its serialised form. */
struct dv_slice blob_of(struct dv_arena *arena, const struct dv_revtree *t);

#endif
