/* Weight-balanced trees with shared nodes; see map.h for the invariants. Depth is bounded by
 * them, so recursion is too. */
#include "engine/memory/map.h"

#include <assert.h>

#include "base/err.h"
#include "base/mem.h"

struct dv_pmap_node {
    atomic_uint refs;
    bool counted;
    uint64_t size;       /* of this subtree */
    uint64_t n_counted;  /* of this subtree */
    struct dv_slice key; /* borrowed: value */
    struct dv_pmap_value *value;
    struct dv_pmap_node *left, *right; /* one reference each */
};

enum { DELTA = 3, GAMMA = 2 };

void *dv_pmap_value_new(size_t bytes)
{
    struct dv_pmap_value *v = dv_malloc(bytes);

    if (v)
        atomic_init(&v->refs, 1);
    return v;
}

void dv_pmap_value_ref(struct dv_pmap_value *v)
{
    atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
}

void dv_pmap_value_unref(struct dv_pmap_value *v)
{
    if (v && atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) == 1)
        dv_free(v);
}

static void ref_node(struct dv_pmap_node *n)
{
    if (n)
        atomic_fetch_add_explicit(&n->refs, 1, memory_order_relaxed);
}

static void unref_node(struct dv_pmap_node *n)
{
    while (n && atomic_fetch_sub_explicit(&n->refs, 1, memory_order_acq_rel) == 1) {
        struct dv_pmap_node *right = n->right;

        unref_node(n->left);
        dv_pmap_value_unref(n->value);
        dv_free(n);
        n = right;
    }
}

static uint64_t size_of(const struct dv_pmap_node *n)
{
    return n ? n->size : 0;
}

static uint64_t counted_of(const struct dv_pmap_node *n)
{
    return n ? n->n_counted : 0;
}

static void recount(struct dv_pmap_node *n)
{
    n->size = 1 + size_of(n->left) + size_of(n->right);
    n->n_counted = (n->counted ? 1u : 0u) + counted_of(n->left) + counted_of(n->right);
}

static struct dv_pmap_node *new_node(struct dv_slice key, struct dv_pmap_value *v, bool counted)
{
    struct dv_pmap_node *n = dv_malloc(sizeof(*n));

    if (!n)
        return NULL;
    atomic_init(&n->refs, 1);
    n->counted = counted;
    n->key = key;
    n->value = v;
    dv_pmap_value_ref(v);
    n->left = n->right = NULL;
    recount(n);
    return n;
}

/* Make *slot a node that only this version holds (invariant 2 for the nodes above it). */
static int own(struct dv_pmap_node **slot)
{
    struct dv_pmap_node *old = *slot, *n;

    assert(old);
    if (atomic_load_explicit(&old->refs, memory_order_acquire) == 1)
        return 0;
    n = new_node(old->key, old->value, old->counted);
    if (!n)
        return DV_ENOMEM;
    n->left = old->left;
    n->right = old->right;
    ref_node(n->left);
    ref_node(n->right);
    recount(n);
    *slot = n;
    unref_node(old);
    return 0;
}

/* The child on the right comes up; both nodes are owned. */
static void rotate_left(struct dv_pmap_node **slot)
{
    struct dv_pmap_node *n = *slot, *up = n->right;

    n->right = up->left;
    up->left = n;
    recount(n);
    recount(up);
    *slot = up;
}

static void rotate_right(struct dv_pmap_node **slot)
{
    struct dv_pmap_node *n = *slot, *up = n->left;

    n->left = up->right;
    up->right = n;
    recount(n);
    recount(up);
    *slot = up;
}

static int lean_left(struct dv_pmap_node **slot)
{
    struct dv_pmap_node *n = *slot;

    if (own(&n->right) < 0)
        return DV_ENOMEM;
    if (size_of(n->right->left) + 1 >= GAMMA * (size_of(n->right->right) + 1)) {
        if (own(&n->right->left) < 0)
            return DV_ENOMEM;
        rotate_right(&n->right);
    }
    rotate_left(slot);
    return 0;
}

static int lean_right(struct dv_pmap_node **slot)
{
    struct dv_pmap_node *n = *slot;

    if (own(&n->left) < 0)
        return DV_ENOMEM;
    if (size_of(n->left->right) + 1 >= GAMMA * (size_of(n->left->left) + 1)) {
        if (own(&n->left->right) < 0)
            return DV_ENOMEM;
        rotate_left(&n->left);
    }
    rotate_right(slot);
    return 0;
}

/* After one entry came or went below *slot, which is owned. Without memory the shape stays. */
static int balance(struct dv_pmap_node **slot)
{
    uint64_t left = size_of((*slot)->left) + 1, right = size_of((*slot)->right) + 1;

    recount(*slot);
    if (right > DELTA * left)
        return lean_left(slot);
    if (left > DELTA * right)
        return lean_right(slot);
    return 0;
}

static int put(struct dv_pmap_node **slot, struct dv_slice key, struct dv_pmap_value *v,
               bool counted)
{
    struct dv_pmap_node *n = *slot;
    int order, rc, rc2;

    if (!n) {
        *slot = new_node(key, v, counted);
        return *slot ? 0 : DV_ENOMEM;
    }
    if (own(slot) < 0)
        return DV_ENOMEM;
    n = *slot;
    order = dv_slice_cmp(key, n->key);
    if (order == 0) {
        dv_pmap_value_ref(v);
        dv_pmap_value_unref(n->value);
        n->key = key;
        n->value = v;
        n->counted = counted;
        recount(n);
        return 0;
    }
    rc = put(order < 0 ? &n->left : &n->right, key, v, counted);
    rc2 = balance(slot);
    return rc < 0 ? rc : rc2;
}

int dv_pmap_put(struct dv_pmap *m, struct dv_slice key, struct dv_pmap_value *v, bool counted)
{
    return put(&m->root, key, v, counted);
}

/* Take out the first (or last) node below *slot. *out is set even when balancing had no memory. */
static int take_end(struct dv_pmap_node **slot, bool last, struct dv_pmap_node **out)
{
    struct dv_pmap_node *n;
    int rc, rc2;

    if (own(slot) < 0)
        return DV_ENOMEM;
    n = *slot;
    if (last ? !n->right : !n->left) {
        *slot = last ? n->left : n->right;
        n->left = n->right = NULL;
        *out = n;
        return 0;
    }
    rc = take_end(last ? &n->right : &n->left, last, out);
    rc2 = balance(slot);
    return rc < 0 ? rc : rc2;
}

/* Remove the owned node *slot itself. */
static int remove_here(struct dv_pmap_node **slot)
{
    struct dv_pmap_node *n = *slot, *heir = NULL;
    bool from_left = size_of(n->left) > size_of(n->right);
    int rc = 0, rc2;

    if (!n->left || !n->right) {
        *slot = n->left ? n->left : n->right;
        n->left = n->right = NULL;
        unref_node(n);
        return 0;
    }
    rc = take_end(from_left ? &n->left : &n->right, from_left, &heir);
    if (!heir)
        return rc;
    heir->left = n->left;
    heir->right = n->right;
    n->left = n->right = NULL;
    unref_node(n);
    *slot = heir;
    rc2 = balance(slot);
    return rc < 0 ? rc : rc2;
}

static int remove_below(struct dv_pmap_node **slot, struct dv_slice key)
{
    int order, rc, rc2;

    assert(*slot); /* the key is here */
    if (own(slot) < 0)
        return DV_ENOMEM;
    order = dv_slice_cmp(key, (*slot)->key);
    if (order == 0)
        return remove_here(slot);
    rc = remove_below(order < 0 ? &(*slot)->left : &(*slot)->right, key);
    rc2 = balance(slot);
    return rc < 0 ? rc : rc2;
}

int dv_pmap_remove(struct dv_pmap *m, struct dv_slice key)
{
    return dv_pmap_get(m, key) ? remove_below(&m->root, key) : 0;
}

struct dv_pmap dv_pmap_share(const struct dv_pmap *m)
{
    ref_node(m->root);
    return *m;
}

void dv_pmap_clear(struct dv_pmap *m)
{
    unref_node(m->root);
    m->root = NULL;
}

void *dv_pmap_get(const struct dv_pmap *m, struct dv_slice key)
{
    const struct dv_pmap_node *n = m->root;

    while (n) {
        int order = dv_slice_cmp(key, n->key);

        if (order == 0)
            return n->value;
        n = order < 0 ? n->left : n->right;
    }
    return NULL;
}

uint64_t dv_pmap_size(const struct dv_pmap *m)
{
    return size_of(m->root);
}

uint64_t dv_pmap_counted(const struct dv_pmap *m)
{
    return counted_of(m->root);
}

uint64_t dv_pmap_size_before(const struct dv_pmap *m, struct dv_slice key)
{
    const struct dv_pmap_node *n = m->root;
    uint64_t before = 0;

    while (n) {
        if (dv_slice_cmp(n->key, key) < 0) {
            before += 1 + size_of(n->left);
            n = n->right;
        } else {
            n = n->left;
        }
    }
    return before;
}

uint64_t dv_pmap_counted_before(const struct dv_pmap *m, struct dv_slice key)
{
    const struct dv_pmap_node *n = m->root;
    uint64_t before = 0;

    while (n) {
        if (dv_slice_cmp(n->key, key) < 0) {
            before += (n->counted ? 1u : 0u) + counted_of(n->left);
            n = n->right;
        } else {
            n = n->left;
        }
    }
    return before;
}

static void push(struct dv_pmap_iter *it, const struct dv_pmap_node *n)
{
    assert(it->depth < DV_PMAP_DEPTH);
    it->path[it->depth++] = n;
}

void dv_pmap_seek(struct dv_pmap_iter *it, const struct dv_pmap *m, const struct dv_slice *from,
                  bool descending)
{
    const struct dv_pmap_node *n = m->root;

    it->depth = 0;
    it->descending = descending;
    while (n) {
        int order = from ? dv_slice_cmp(n->key, *from) : 0;
        bool wanted = !from || (descending ? order <= 0 : order >= 0);

        if (wanted)
            push(it, n);
        n = wanted == descending ? n->right : n->left;
    }
}

void *dv_pmap_next(struct dv_pmap_iter *it)
{
    const struct dv_pmap_node *n, *below;

    if (it->depth == 0)
        return NULL;
    n = it->path[--it->depth];
    below = it->descending ? n->left : n->right;
    while (below) {
        push(it, below);
        below = it->descending ? below->right : below->left;
    }
    return n->value;
}

void *dv_pmap_after(const struct dv_pmap *m, const struct dv_slice *key, struct dv_slice *found)
{
    const struct dv_pmap_node *n = m->root, *best = NULL;

    while (n) {
        if (!key || dv_slice_cmp(n->key, *key) > 0) {
            best = n;
            n = n->left;
        } else {
            n = n->right;
        }
    }
    if (!best)
        return NULL;
    *found = best->key;
    return best->value;
}

bool dv_pmap_has_prefix(const struct dv_pmap *m, struct dv_slice prefix)
{
    const struct dv_pmap_node *n = m->root, *best = NULL;

    while (n) {
        if (dv_slice_cmp(n->key, prefix) >= 0) {
            best = n;
            n = n->left;
        } else {
            n = n->right;
        }
    }
    return best && best->key.n >= prefix.n && memcmp(best->key.p, prefix.p, prefix.n) == 0;
}
