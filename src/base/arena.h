/* Many small allocations that die together. Blocks are kept on reset, so a loop over
 * documents allocates only at its first turns. A ceiling bounds the whole. Not thread-safe. */
#ifndef DV_BASE_ARENA_H
#define DV_BASE_ARENA_H

#include "base/slice.h"

struct dv_arena_block;

struct dv_arena {
    struct dv_arena_block *blocks; /* owned; the one in use first */
    struct dv_arena_block *spare;  /* owned */
    size_t used_bytes;
    size_t max_bytes;
};

void dv_arena_init(struct dv_arena *a, size_t max_bytes);
void dv_arena_fini(struct dv_arena *a);
void dv_arena_reset(struct dv_arena *a);

/* Aligned for any type, not cleared. NULL when memory is out or the ceiling is met. */
void *dv_arena_alloc(struct dv_arena *a, size_t bytes);
void *dv_arena_zalloc(struct dv_arena *a, size_t bytes);
/* Copies live until reset; a NUL stands behind the copy. p is NULL on failure. */
struct dv_slice dv_arena_copy(struct dv_arena *a, struct dv_slice s);

#endif
