/* An ordered map from byte strings to shared values, with versions: dv_pmap_share makes a second
 * map of the same content at once, and changing one of the two copies only the path that differs.
 * A reader keeps the version it began with, a write transaction that is rolled back throws its
 * version away, and a commit is the exchange of a pointer: it cannot fail half-way. That is why
 * neither tsearch(3) nor the trees of libbsd or glib serve here; none of them has versions.
 *
 * Invariants:
 * 1. weight-balanced (Adams; delta 3, gamma 2 over size + 1): depth <= 2.41 log2(n + 1);
 * 2. a node is changed in place only when its reference count is 1 and so are those of all nodes
 *    above it in the map being changed; any other is copied first;
 * 3. the key of an entry lies inside its value, which never changes once it is in a map.
 *
 * After DV_ENOMEM a map is valid and holds its content from before or after the call, but may be
 * less well balanced: the caller drops that version. One version may be read by many threads; a
 * version being changed belongs to one. */
#ifndef DV_ENGINE_MEMORY_MAP_H
#define DV_ENGINE_MEMORY_MAP_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/slice.h"

/* First member of every value; the value is one allocation. */
struct dv_pmap_value {
    atomic_uint refs;
};

/* NULL when memory is out. The caller has the one reference; content is not cleared. */
void *dv_pmap_value_new(size_t bytes);
void dv_pmap_value_ref(struct dv_pmap_value *v);
void dv_pmap_value_unref(struct dv_pmap_value *v); /* NULL is fine */

struct dv_pmap_node;

/* All zero is the empty map. */
struct dv_pmap {
    struct dv_pmap_node *root; /* owned: one reference */
};

struct dv_pmap dv_pmap_share(const struct dv_pmap *m);
void dv_pmap_clear(struct dv_pmap *m);

/* Set key's value, taking a reference of its own. `counted` is for dv_pmap_counted_before. */
int dv_pmap_put(struct dv_pmap *m, struct dv_slice key, struct dv_pmap_value *v, bool counted);
/* An absent key is fine. */
int dv_pmap_remove(struct dv_pmap *m, struct dv_slice key);

/* Borrowed from the map; NULL when absent. */
void *dv_pmap_get(const struct dv_pmap *m, struct dv_slice key);
uint64_t dv_pmap_size(const struct dv_pmap *m);
uint64_t dv_pmap_counted(const struct dv_pmap *m);
/* Entries whose key is before `key`, all of them or only the counted ones. */
uint64_t dv_pmap_size_before(const struct dv_pmap *m, struct dv_slice key);
uint64_t dv_pmap_counted_before(const struct dv_pmap *m, struct dv_slice key);

/* Depth bound of invariant 1 for 2^48 entries. */
enum { DV_PMAP_DEPTH = 128 };

/* Valid until the map it walks is changed. */
struct dv_pmap_iter {
    const struct dv_pmap_node *path[DV_PMAP_DEPTH];
    int depth;
    bool descending;
};

/* Start at the first entry >= *from (ascending) or <= *from (descending); NULL: at the end. */
void dv_pmap_seek(struct dv_pmap_iter *it, const struct dv_pmap *m, const struct dv_slice *from,
                  bool descending);
/* The entry's value, borrowed, and on to the next. NULL at the end. */
void *dv_pmap_next(struct dv_pmap_iter *it);

/* The first entry whose key is after *key (NULL: of all), for walks that change the map. *found,
 * its key, is borrowed from the value. */
void *dv_pmap_after(const struct dv_pmap *m, const struct dv_slice *key, struct dv_slice *found);
/* Does some key start with prefix? */
bool dv_pmap_has_prefix(const struct dv_pmap *m, struct dv_slice prefix);

#endif
