/* One walk does what CouchDB does in three: operators made explicit, paths pushed down to the
 * conditions, negations as well. `sign` says how a place is to be read. Inside $elemMatch and its
 * kin paths begin anew and negations stay where they are. The depth of trees (512) bounds the
 * recursion. */
#include "filters/normal.h"

#include "json/writer.h"

enum sign { AS_IS, POSITIVE, NEGATIVE };

enum shape { ANY, LIST, SELECTORS, SELECTOR, BOOLEAN, STRING, WHOLE, PAIR, ELEMENTS };

struct op {
    const char *name;
    enum shape shape;
    const char *negated; /* NULL: {"$not": ..} around it */
};

static const struct op ops[] = {
    { "$and", SELECTORS, "$or" },    { "$or", SELECTORS, "$and" },
    { "$nor", SELECTORS, NULL },     { "$not", SELECTOR, NULL },
    { "$lt", ANY, "$gte" },          { "$lte", ANY, "$gt" },
    { "$eq", ANY, "$ne" },           { "$ne", ANY, "$eq" },
    { "$gte", ANY, "$lt" },          { "$gt", ANY, "$lte" },
    { "$in", LIST, "$nin" },         { "$nin", LIST, "$in" },
    { "$exists", BOOLEAN, NULL },    { "$type", STRING, NULL },
    { "$mod", PAIR, NULL },          { "$regex", STRING, NULL },
    { "$beginsWith", STRING, NULL }, { "$all", LIST, NULL },
    { "$size", WHOLE, NULL },        { "$elemMatch", ELEMENTS, NULL },
    { "$allMatch", ELEMENTS, NULL }, { "$keyMapMatch", ELEMENTS, NULL },
};

struct walk {
    struct dv_buf *out;
    struct dv_err *err;
};

static int add_selector(struct walk *w, const struct dv_json *v, struct dv_slice path,
                        enum sign sign);

static bool has_shape(const struct dv_json *v, enum shape shape)
{
    int64_t i;

    switch (shape) {
    case ANY:
        return true;
    case LIST:
    case SELECTORS:
        return v->kind == DV_JSON_IS_ARRAY;
    case SELECTOR:
    case ELEMENTS:
        return v->kind == DV_JSON_IS_OBJECT;
    case BOOLEAN:
        return v->kind == DV_JSON_IS_BOOL;
    case STRING:
        return v->kind == DV_JSON_IS_STRING;
    case WHOLE:
        return dv_json_int(v, &i) && i >= 0;
    case PAIR:
        return v->kind == DV_JSON_IS_ARRAY && v->count == 2 && dv_json_int(v->first, &i) &&
               dv_json_int(v->first->next, &i);
    }
    return false;
}

static const struct op *find_op(struct dv_slice name)
{
    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
        if (dv_slice_eq_str(name, ops[i].name))
            return &ops[i];
    return NULL;
}

static void open_member(struct walk *w, struct dv_slice name)
{
    dv_buf_add_char(w->out, '{');
    dv_json_quote(w->out, name);
    dv_buf_add_char(w->out, ':');
}

/* {"path":{"$op":value}}, with $not around the operator where it has no negation of its own. */
static int add_condition(struct walk *w, const struct op *op, const struct dv_json *v,
                         struct dv_slice path, enum sign sign)
{
    bool flip = sign == NEGATIVE && op->shape == BOOLEAN;
    bool wrap = sign == NEGATIVE && !op->negated && !flip;
    const char *name = sign == NEGATIVE && op->negated ? op->negated : op->name;
    int rc = 0;

    open_member(w, path);
    if (wrap)
        open_member(w, DV_SLICE_LIT("$not"));
    open_member(w, dv_slice_str(name));
    if (op->shape == ELEMENTS)
        rc = add_selector(w, v, dv_slice("", 0), AS_IS);
    else if (flip)
        dv_buf_add_str(w->out, v->boolean ? "false" : "true");
    else
        dv_buf_add_slice(w->out, v->raw);
    dv_buf_add_str(w->out, wrap ? "}}}" : "}}");
    return rc < 0 ? rc : w->out->failed;
}

static int add_equal(struct walk *w, const struct dv_json *v, struct dv_slice path, enum sign sign)
{
    static const struct op equal = { "$eq", ANY, "$ne" };

    return add_condition(w, &equal, v, path, sign);
}

/* The items of a list of selectors under the operator `name`. */
static int add_list(struct walk *w, const char *name, const struct dv_json *list,
                    struct dv_slice path, enum sign sign)
{
    int rc = 0;

    open_member(w, dv_slice_str(name));
    dv_buf_add_char(w->out, '[');
    for (const struct dv_json *c = list->first; c && rc == 0; c = c->next) {
        if (c != list->first)
            dv_buf_add_char(w->out, ',');
        rc = add_selector(w, c, path, sign);
    }
    dv_buf_add_str(w->out, "]}");
    return rc < 0 ? rc : w->out->failed;
}

static int add_operator(struct walk *w, const struct op *op, const struct dv_json *v,
                        struct dv_slice path, enum sign sign)
{
    if (op->shape == SELECTOR && sign == AS_IS) {
        int rc;

        open_member(w, DV_SLICE_LIT("$not"));
        rc = add_selector(w, v, path, AS_IS);
        dv_buf_add_char(w->out, '}');
        return rc < 0 ? rc : w->out->failed;
    }
    if (op->shape == SELECTOR)
        return add_selector(w, v, path, sign == NEGATIVE ? POSITIVE : NEGATIVE);
    if (op->shape != SELECTORS)
        return add_condition(w, op, v, path, sign);
    if (op->negated)
        return add_list(w, sign == NEGATIVE ? op->negated : op->name, v, path, sign);
    if (sign == AS_IS) /* $nor */
        return add_list(w, op->name, v, path, AS_IS);
    return add_list(w, sign == NEGATIVE ? "$or" : "$and", v, path,
                    sign == NEGATIVE ? POSITIVE : NEGATIVE);
}

/* path "." field, backslashes of escaped dots taken out. Empty pieces are refused. */
static int extend_path(struct walk *w, struct dv_slice path, struct dv_slice field,
                       struct dv_buf *longer)
{
    size_t piece = 0;

    dv_buf_add_slice(longer, path);
    if (path.n)
        dv_buf_add_char(longer, '.');
    for (size_t i = 0; i < field.n; i++) {
        bool escaped = i > 0 && field.p[i - 1] == '\\';

        if (field.p[i] == '.' && !escaped && piece == 0)
            break;
        piece = field.p[i] == '.' && !escaped ? 0 : piece + 1;
        if (field.p[i] != '\\')
            dv_buf_add_char(longer, field.p[i]);
    }
    if (piece == 0)
        return dv_err_set(w->err, DV_EINVAL, "One or more conditions is missing a field name.");
    return longer->failed ? dv_err_set(w->err, longer->failed, NULL) : 0;
}

static int add_field(struct walk *w, const struct dv_json *member, struct dv_slice path,
                     enum sign sign)
{
    struct dv_buf longer;
    int rc;

    dv_buf_init(&longer, 1 << 20);
    rc = extend_path(w, path, member->key, &longer);
    if (rc == 0)
        rc = add_selector(w, member, dv_buf_slice(&longer), sign);
    dv_buf_fini(&longer);
    return rc;
}

static int add_member(struct walk *w, const struct dv_json *m, struct dv_slice path, enum sign sign)
{
    const struct op *op;

    if (m->key.n == 0 || *m->key.p != '$')
        return add_field(w, m, path, sign);
    op = find_op(m->key);
    if (!op)
        return dv_err_set(w->err, DV_EINVAL, "Invalid operator: %.*s",
                          (int)(m->key.n > 100 ? 100 : m->key.n), m->key.p);
    if (!has_shape(m, op->shape))
        return dv_err_set(w->err, DV_EINVAL, "Bad argument for operator %s", op->name);
    return add_operator(w, op, m, path, sign);
}

/* Several members are one $and of each alone. */
static int add_members(struct walk *w, const struct dv_json *obj, struct dv_slice path,
                       enum sign sign)
{
    int rc = 0;

    open_member(w, dv_slice_str(sign == NEGATIVE ? "$or" : "$and"));
    dv_buf_add_char(w->out, '[');
    for (const struct dv_json *m = obj->first; m && rc == 0; m = m->next) {
        if (m != obj->first)
            dv_buf_add_char(w->out, ',');
        rc = add_member(w, m, path, sign);
    }
    dv_buf_add_str(w->out, "]}");
    return rc < 0 ? rc : w->out->failed;
}

static int add_selector(struct walk *w, const struct dv_json *v, struct dv_slice path,
                        enum sign sign)
{
    if (v->kind != DV_JSON_IS_OBJECT || v->count == 0)
        return add_equal(w, v, path, sign);
    if (v->count > 1)
        return add_members(w, v, path, sign);
    return add_member(w, v->first, path, sign);
}

/* Members sorted at every level. */
static int sort_members(struct dv_slice text, struct dv_arena *arena, struct dv_buf *out,
                        struct dv_err *err)
{
    struct dv_json *tree;
    int rc = dv_json_tree(text, NULL, arena, &tree, err);

    return rc < 0 ? rc : dv_json_canonical(tree, arena, out, err);
}

static int check_top(const struct dv_json *top, struct dv_err *err)
{
    const struct op *op;

    if (top->kind != DV_JSON_IS_OBJECT)
        return dv_err_set(err, DV_EINVAL, "Selector error: expected a JSON object");
    op = top->count == 1 ? find_op(top->first->key) : NULL;
    if (op && op->shape != SELECTORS && op->shape != SELECTOR)
        return dv_err_set(err, DV_EINVAL, "One or more conditions is missing a field name.");
    return 0;
}

int dv_selector_normal(struct dv_slice selector, struct dv_buf *out, struct dv_err *err)
{
    struct dv_arena arena;
    struct dv_json *top;
    struct dv_buf text;
    struct walk w = { &text, err };
    int rc;

    dv_arena_init(&arena, 16 << 20);
    dv_buf_init(&text, 16 << 20);
    rc = dv_json_tree(selector, NULL, &arena, &top, err);
    if (rc == 0)
        rc = check_top(top, err);
    if (rc == 0 && top->count == 0)
        rc = dv_buf_add_str(out, "{}");
    else if (rc == 0)
        rc = add_selector(&w, top, dv_slice("", 0), POSITIVE);
    if (rc == 0 && top->count > 0)
        rc = sort_members(dv_buf_slice(&text), &arena, out, err);
    else if (text.failed)
        rc = dv_err_set(err, text.failed, NULL);
    dv_buf_fini(&text);
    dv_arena_fini(&arena);
    return rc;
}
