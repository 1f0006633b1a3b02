/* See random_paths.h. */
#include "lib/random_paths.h"

#include <check.h>
#include <stdlib.h>

enum { PATH_MAX_NODES = 12, BLOB_MAX = 64 << 20 };

/* An id of 1 or 16 bytes. With `whole` it is a hash of parent and choice, as in real life. */
static struct dv_slice random_id(struct random_paths *r, uint64_t gen,
                                 const struct dv_slice *parent)
{
    uint64_t choice = dv_rng_below(&r->rng, (uint64_t)abs(r->alphabet));
    unsigned char id[16];

    if (r->alphabet < 0) {
        id[0] = (unsigned char)('a' + choice);
        return dv_arena_copy(r->arena, dv_slice(id, 1));
    }
    for (size_t i = 0; i < sizeof(id); i++)
        id[i] = (unsigned char)(choice * 37 + gen * 11 + i * 7);
    if (r->whole && parent)
        for (size_t i = 0; i < sizeof(id); i++)
            id[i] = (unsigned char)(id[i] + 5U * (unsigned char)parent->p[i] + (choice << 4));
    return dv_arena_copy(r->arena, dv_slice(id, sizeof(id)));
}

/* Deletion is a property of a revision, so that it can not depend on the order of merging. */
static bool is_deleted(uint64_t gen, struct dv_slice id)
{
    return ((unsigned char)id.p[0] + gen) % 4 == 0;
}

/* Extends, branches off or cuts a path made before, or starts afresh. */
static struct dv_revpath random_path(struct random_paths *r)
{
    struct dv_slice ids[PATH_MAX_NODES * 2], *copy; /* oldest first */
    uint64_t from = 1;
    size_t n = 0, more = 1 + dv_rng_below(&r->rng, 3);

    if (r->n > 0 && dv_rng_below(&r->rng, 8) > 0) {
        const struct dv_revpath *old = &r->made[dv_rng_below(&r->rng, r->n)];

        from = old->start + 1 - old->n;
        n = (size_t)dv_rng_below(&r->rng, old->n + 1);
        for (size_t i = 0; i < n; i++)
            ids[i] = old->ids[old->n - 1 - i];
        if (n > 0 && dv_rng_below(&r->rng, 4) == 0)
            more = 0;
    }
    for (; more > 0 && n < PATH_MAX_NODES; more--, n++)
        ids[n] = random_id(r, from + n, n ? &ids[n - 1] : NULL);
    if (!r->whole && dv_rng_below(&r->rng, 3) == 0) {
        size_t cut = (size_t)dv_rng_below(&r->rng, n);

        memmove(ids, ids + cut, (n - cut) * sizeof(*ids));
        n -= cut;
        from += cut;
    }
    copy = dv_arena_alloc(r->arena, n * sizeof(*copy));
    for (size_t i = 0; i < n; i++)
        copy[i] = ids[n - 1 - i];
    return (struct dv_revpath){ from + n - 1, copy, n, is_deleted(from + n - 1, copy[0]) };
}

void random_paths_make(struct random_paths *r, uint64_t seed, size_t n)
{
    dv_rng_seed(&r->rng, seed);
    r->made = dv_arena_alloc(r->arena, n * sizeof(*r->made));
    for (r->n = 0; r->n < n; r->n++)
        r->made[r->n] = random_path(r);
}

struct dv_revpath path_of(struct dv_arena *arena, uint64_t start, const char *words, bool deleted)
{
    struct dv_slice *ids = dv_arena_alloc(arena, strlen(words) * sizeof(*ids));
    struct dv_revpath path = { .start = start, .ids = ids, .deleted = deleted };

    while (*words) {
        size_t n = strcspn(words, " ");

        ids[path.n++] = dv_arena_copy(arena, dv_slice(words, n));
        words += n + (words[n] == ' ');
    }
    return path;
}

enum dv_merge merge_path(struct dv_revtree *t, const struct dv_revpath *path)
{
    enum dv_merge what;
    int32_t leaf;

    ck_assert_int_eq(dv_revtree_merge(t, path, &what, &leaf, NULL), 0);
    ck_assert(dv_slice_eq(t->nodes[leaf].rev.id, path->ids[0]));
    return what;
}

struct dv_slice blob_of(struct dv_arena *arena, const struct dv_revtree *t)
{
    struct dv_buf b;
    struct dv_slice copy;

    dv_buf_init(&b, BLOB_MAX);
    ck_assert_int_eq(dv_revtree_serialise(t, &b), 0);
    copy = dv_arena_copy(arena, dv_buf_slice(&b));
    dv_buf_fini(&b);
    return copy;
}
