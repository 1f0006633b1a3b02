/* A map from byte strings to pointers, for sets built from untrusted input: SipHash-free
 * but seeded per process, so that colliding keys cannot be prepared. Keys are borrowed and
 * must outlive the map. Not thread-safe. */
#ifndef DV_BASE_HASH_H
#define DV_BASE_HASH_H

#include <stdint.h>

#include "base/slice.h"

struct dv_hash_slot;

struct dv_hash {
    struct dv_hash_slot *slots; /* owned */
    size_t capacity;            /* power of two, or 0 */
    size_t count;
};

void dv_hash_init(struct dv_hash *h);
void dv_hash_fini(struct dv_hash *h);
void dv_hash_reset(struct dv_hash *h);

/* The place of key's value, created with NULL when new (*is_new says so, may be NULL).
 * Valid until the next insertion. NULL when memory is out. */
void **dv_hash_put(struct dv_hash *h, struct dv_slice key, bool *is_new);
/* NULL when absent. */
void **dv_hash_get(const struct dv_hash *h, struct dv_slice key);

uint64_t dv_hash_bytes(struct dv_slice s);

#endif
