/* Builds trees from the reader's events, and looks things up. A hostile object of very many members
 * must cost no square, neither here nor when it is asked for its members: beyond SMALL they are
 * sorted once, when the object ends. */
#include "json/tree.h"

#include <stdlib.h>

enum { SMALL = 64 };

struct builder {
    struct dv_arena *arena;
    struct dv_slice input;
    struct dv_json *root;
    struct dv_json *open[513]; /* containers around the current place */
    unsigned depth;
    struct dv_slice key;
    size_t nodes;
};

static void unlink_child(struct dv_json *parent, struct dv_json *before, struct dv_json *child)
{
    if (before)
        before->next = child->next;
    else
        parent->first = child->next;
    if (parent->last == child)
        parent->last = before;
    parent->count--;
}

/* In a large object duplicates stay in until it ends. */
static void drop_duplicate(struct dv_json *parent, struct dv_slice key)
{
    struct dv_json *before = NULL;

    if (parent->count > SMALL)
        return;
    for (struct dv_json *c = parent->first; c; before = c, c = c->next) {
        if (!dv_slice_eq(c->key, key))
            continue;
        unlink_child(parent, before, c);
        return;
    }
}

static void add_child(struct builder *b, struct dv_json *node)
{
    struct dv_json *parent;

    if (b->depth == 0) {
        b->root = node;
        return;
    }
    parent = b->open[b->depth - 1];
    if (parent->kind == DV_JSON_IS_OBJECT) {
        node->key = b->key;
        drop_duplicate(parent, b->key);
    }
    if (parent->last)
        parent->last->next = node;
    else
        parent->first = node;
    parent->last = node;
    parent->count++;
}

static int by_key_then_place(const void *a, const void *b)
{
    const struct dv_json *const *x = a, *const *y = b;
    int c = dv_slice_cmp((*x)->key, (*y)->key);

    return c ? c : (*x)->raw.p < (*y)->raw.p ? -1 : 1;
}

static void unlink_dropped(struct dv_json *object)
{
    struct dv_json *before = NULL, *next;

    for (struct dv_json *c = object->first; c; c = next) {
        next = c->next;
        if (c->dropped)
            unlink_child(object, before, c);
        else
            before = c;
    }
}

/* Sort the members of a large object; of equal keys the last in the input stands. */
static int sort_members(struct builder *b, struct dv_json *object)
{
    struct dv_json **sorted = dv_arena_alloc(b->arena, object->count * sizeof(struct dv_json *));
    size_t n = 0, all = object->count;

    if (!sorted)
        return DV_ENOMEM;
    for (struct dv_json *c = object->first; c; c = c->next)
        sorted[n++] = c;
    qsort(sorted, all, sizeof(struct dv_json *), by_key_then_place);
    n = 0;
    for (size_t i = 0; i < all; i++) {
        sorted[i]->dropped = i + 1 < all && dv_slice_eq(sorted[i]->key, sorted[i + 1]->key);
        if (!sorted[i]->dropped)
            sorted[n++] = sorted[i];
    }
    if (n < all)
        unlink_dropped(object);
    object->by_key = sorted;
    return 0;
}

static int end_container(struct builder *b, const struct dv_json_event *ev, struct dv_err *err)
{
    struct dv_json *node = b->open[--b->depth];

    node->raw.n = (size_t)(b->input.p + ev->end - node->raw.p);
    if (node->kind == DV_JSON_IS_OBJECT && node->count > SMALL && sort_members(b, node) < 0)
        return dv_err_set(err, DV_ENOMEM, NULL);
    return 0;
}

static enum dv_json_kind kind_of(enum dv_json_type type)
{
    switch (type) {
    case DV_JSON_BOOL:
        return DV_JSON_IS_BOOL;
    case DV_JSON_NUMBER:
        return DV_JSON_IS_NUMBER;
    case DV_JSON_STRING:
        return DV_JSON_IS_STRING;
    case DV_JSON_OBJECT:
        return DV_JSON_IS_OBJECT;
    case DV_JSON_ARRAY:
        return DV_JSON_IS_ARRAY;
    case DV_JSON_NULL:
    case DV_JSON_KEY:
    case DV_JSON_OBJECT_END:
    case DV_JSON_ARRAY_END:
        break;
    }
    return DV_JSON_IS_NULL;
}

static int on_event(void *arg, const struct dv_json_event *ev, struct dv_err *err)
{
    struct builder *b = arg;
    struct dv_json *node;

    if (ev->type == DV_JSON_OBJECT_END || ev->type == DV_JSON_ARRAY_END)
        return end_container(b, ev, err);
    if (ev->type == DV_JSON_KEY) {
        b->key = dv_arena_copy(b->arena, ev->text);
        return b->key.p ? 0 : dv_err_set(err, DV_ENOMEM, NULL);
    }
    node = dv_arena_zalloc(b->arena, sizeof(*node));
    if (!node)
        return dv_err_set(err, DV_ENOMEM, NULL);
    if (++b->nodes > DV_JSON_TREE_NODES)
        return dv_err_set(err, DV_ETOOBIG, "JSON has more than %d values", DV_JSON_TREE_NODES);
    node->kind = kind_of(ev->type);
    node->boolean = ev->boolean;
    node->raw = dv_slice(b->input.p + ev->start, (size_t)(ev->end - ev->start));
    if (ev->text.p) {
        node->text = dv_arena_copy(b->arena, ev->text);
        if (!node->text.p)
            return dv_err_set(err, DV_ENOMEM, NULL);
    }
    add_child(b, node);
    if (ev->type == DV_JSON_OBJECT || ev->type == DV_JSON_ARRAY)
        b->open[b->depth++] = node;
    return 0;
}

int dv_json_tree(struct dv_slice text, const struct dv_json_limits *limits, struct dv_arena *arena,
                 struct dv_json **root, struct dv_err *err)
{
    struct dv_json_limits lim = limits ? *limits : (struct dv_json_limits){ 0 };
    struct builder b = { .arena = arena, .input = text };
    int rc;

    if (lim.depth == 0 || lim.depth > 512)
        lim.depth = 512;
    rc = dv_json_read(text, &lim, on_event, &b, err);
    if (rc < 0)
        return rc;
    *root = b.root;
    return 0;
}

static const struct dv_json *search(const struct dv_json *object, struct dv_slice key)
{
    size_t low = 0, high = object->count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = dv_slice_cmp(object->by_key[mid]->key, key);

        if (c == 0)
            return object->by_key[mid];
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

const struct dv_json *dv_json_get_slice(const struct dv_json *obj, struct dv_slice key)
{
    if (!dv_json_is(obj, DV_JSON_IS_OBJECT))
        return NULL;
    if (obj->by_key)
        return search(obj, key);
    for (const struct dv_json *c = obj->first; c; c = c->next)
        if (dv_slice_eq(c->key, key))
            return c;
    return NULL;
}

const struct dv_json *dv_json_get(const struct dv_json *obj, const char *key)
{
    return dv_json_get_slice(obj, dv_slice_str(key));
}

bool dv_json_is(const struct dv_json *v, enum dv_json_kind kind)
{
    return v && v->kind == kind;
}

static bool digits(struct dv_slice s, uint64_t *out)
{
    uint64_t x = 0;

    for (size_t i = 0; i < s.n; i++) {
        unsigned d = (unsigned)(s.p[i] - '0');

        if (d > 9 || x > (UINT64_MAX - d) / 10)
            return false;
        x = x * 10 + d;
    }
    *out = x;
    return s.n > 0;
}

bool dv_json_uint(const struct dv_json *v, uint64_t *out)
{
    return dv_json_is(v, DV_JSON_IS_NUMBER) && digits(v->text, out);
}

bool dv_json_int(const struct dv_json *v, int64_t *out)
{
    struct dv_slice s = dv_json_is(v, DV_JSON_IS_NUMBER) ? v->text : dv_slice(NULL, 0);
    bool negative = s.n > 0 && *s.p == '-';
    uint64_t x;

    if (negative) {
        s.p++;
        s.n--;
    }
    if (!digits(s, &x) || x > (uint64_t)INT64_MAX)
        return false;
    *out = negative ? -(int64_t)x : (int64_t)x;
    return true;
}

struct dv_slice dv_json_str(const struct dv_json *v)
{
    return dv_json_is(v, DV_JSON_IS_STRING) ? v->text : dv_slice(NULL, 0);
}

bool dv_json_true(const struct dv_json *v)
{
    return dv_json_is(v, DV_JSON_IS_BOOL) && v->boolean;
}
