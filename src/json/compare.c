/* The canonical form, and equality as JSON values. */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "json/tree.h"
#include "json/writer.h"

static int by_key(const void *a, const void *b)
{
    const struct dv_json *const *x = a, *const *y = b;

    return dv_slice_cmp((*x)->key, (*y)->key);
}

static bool is_container(const struct dv_json *v)
{
    return v->kind == DV_JSON_IS_ARRAY || v->kind == DV_JSON_IS_OBJECT;
}

/* Members in key order. */
static const struct dv_json **sorted_members(const struct dv_json *obj, struct dv_arena *arena,
                                             size_t *n)
{
    const struct dv_json **all = dv_arena_alloc(arena, (obj->count + 1) * sizeof(*all));
    size_t count = 0;

    if (!all)
        return NULL;
    for (const struct dv_json *c = obj->first; c; c = c->next)
        all[count++] = c;
    qsort(all, count, sizeof(*all), by_key);
    *n = count;
    return all;
}

static void add_scalar(const struct dv_json *v, struct dv_buf *out)
{
    switch (v->kind) {
    case DV_JSON_IS_NULL:
        dv_buf_add_str(out, "null");
        break;
    case DV_JSON_IS_BOOL:
        dv_buf_add_str(out, v->boolean ? "true" : "false");
        break;
    case DV_JSON_IS_NUMBER:
        dv_buf_add_slice(out, v->text);
        break;
    default:
        dv_json_quote(out, v->text);
    }
}

/* Recursion is bounded by the depth of trees (512). */
static int add_canonical(const struct dv_json *v, struct dv_arena *arena, struct dv_buf *out)
{
    const struct dv_json **members;
    size_t n = 0;
    int rc = 0;

    if (!is_container(v)) {
        add_scalar(v, out);
        return out->failed;
    }
    if (v->kind == DV_JSON_IS_ARRAY) {
        dv_buf_add_char(out, '[');
        for (const struct dv_json *c = v->first; c && rc == 0; c = c->next) {
            if (c != v->first)
                dv_buf_add_char(out, ',');
            rc = add_canonical(c, arena, out);
        }
        dv_buf_add_char(out, ']');
        return rc < 0 ? rc : out->failed;
    }
    members = sorted_members(v, arena, &n);
    if (!members)
        return DV_ENOMEM;
    dv_buf_add_char(out, '{');
    for (size_t i = 0; i < n && rc == 0; i++) {
        if (i > 0)
            dv_buf_add_char(out, ',');
        dv_json_quote(out, members[i]->key);
        dv_buf_add_char(out, ':');
        rc = add_canonical(members[i], arena, out);
    }
    dv_buf_add_char(out, '}');
    return rc < 0 ? rc : out->failed;
}

int dv_json_canonical(const struct dv_json *v, struct dv_arena *arena, struct dv_buf *out,
                      struct dv_err *err)
{
    int rc = add_canonical(v, arena, out);

    return rc < 0 ? dv_err_set(err, rc, NULL) : 0;
}

static bool is_integer(struct dv_slice s)
{
    return !memchr(s.p, '.', s.n) && !memchr(s.p, 'e', s.n) && !memchr(s.p, 'E', s.n);
}

static double as_double(struct dv_slice s, unsigned flags)
{
    double d = strtod(s.p, NULL); /* the arena put a NUL behind it */

    return (flags & DV_JSON_SUBNORMAL_IS_ZERO) && fpclassify(d) == FP_SUBNORMAL ? 0.0 : d;
}

static bool equal_numbers(struct dv_slice a, struct dv_slice b, unsigned flags)
{
    if (dv_slice_eq(a, b))
        return true;
    if (is_integer(a) && is_integer(b)) /* only -0 has two spellings */
        return (dv_slice_eq_str(a, "-0") && dv_slice_eq_str(b, "0")) ||
               (dv_slice_eq_str(a, "0") && dv_slice_eq_str(b, "-0"));
    return as_double(a, flags) <= as_double(b, flags) && as_double(a, flags) >= as_double(b, flags);
}

static bool equal_children(const struct dv_json *a, const struct dv_json *b, unsigned flags)
{
    const struct dv_json *y = b->first;

    if (a->count != b->count)
        return false;
    for (const struct dv_json *x = a->first; x; x = x->next) {
        const struct dv_json *other = y;

        if (a->kind == DV_JSON_IS_OBJECT && !dv_slice_eq(x->key, y->key))
            other = dv_json_get_slice(b, x->key);
        if (!other || !dv_json_equal(x, other, flags))
            return false;
        y = y->next;
    }
    return true;
}

bool dv_json_equal(const struct dv_json *a, const struct dv_json *b, unsigned flags)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case DV_JSON_IS_NULL:
        return true;
    case DV_JSON_IS_BOOL:
        return a->boolean == b->boolean;
    case DV_JSON_IS_NUMBER:
        return equal_numbers(a->text, b->text, flags);
    case DV_JSON_IS_STRING:
        return dv_slice_eq(a->text, b->text);
    case DV_JSON_IS_ARRAY:
    case DV_JSON_IS_OBJECT:
        break;
    }
    return equal_children(a, b, flags);
}
