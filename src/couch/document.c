/* The pass over a document: its ordinary members are copied token by token into the normalised
 * body.
 *
 * Duplicates are looked for when an object ends: its members stand on a stack with their places in
 * the body, so that dropping an earlier one is moving bytes. Small objects are compared pair by
 * pair, large ones sorted, so no input is quadratic. */
#include "couch/document.h"

#include <stdlib.h>

#include "base/mem.h"
#include "couch/document_parser.h"

enum {
    DEPTH_MAX = 1024,
    BODY_BYTES_DEFAULT = 8000000,
    PAIRWISE_MAX = 16,
};

/* ---- the body -----------------------------------------------------------------------------------
 */

static int push_level(struct dv_document_parser *p, bool object)
{
    struct level *l;

    if (!dv_grow(&p->levels, &p->cap_levels, p->n_levels + 1, sizeof(*p->levels)))
        return DV_ENOMEM;
    l = &p->levels[p->n_levels++];
    l->first_member = object ? p->n_members : SIZE_MAX;
    l->body_start = p->body.n;
    l->comma = false;
    return 0;
}

static struct level *top_level(struct dv_document_parser *p)
{
    return &p->levels[p->n_levels - 1];
}

static int add_comma(struct dv_document_parser *p)
{
    struct level *l = top_level(p);

    if (!l->comma) {
        l->comma = true;
        return 0;
    }
    return dv_buf_add_char(&p->body, ',');
}

/* A key without escapes is a piece of the input and needs no copy. */
static int keep_key(struct dv_document_parser *p, const struct dv_json_event *ev,
                    struct dv_slice *key)
{
    if (ev->end - ev->start - 2 == ev->text.n)
        *key = dv_slice(p->input.p + ev->start + 1, ev->text.n);
    else
        *key = dv_arena_copy(p->arena, ev->text);
    return key->p ? 0 : DV_ENOMEM;
}

static int add_key(struct dv_document_parser *p, const struct dv_json_event *ev)
{
    struct member *m;

    if (add_comma(p) < 0 ||
        !dv_grow(&p->members, &p->cap_members, p->n_members + 1, sizeof(*p->members)))
        return p->body.failed ? p->body.failed : DV_ENOMEM;
    m = &p->members[p->n_members];
    if (keep_key(p, ev, &m->key) < 0)
        return DV_ENOMEM;
    p->n_members++;
    m->start = m->end = p->body.n;
    dv_buf_add(&p->body, p->input.p + ev->start, (size_t)(ev->end - ev->start));
    return dv_buf_add_char(&p->body, ':');
}

/* A value of the innermost container is complete. */
static void value_done(struct dv_document_parser *p)
{
    if (p->n_levels > 0 && top_level(p)->first_member != SIZE_MAX)
        p->members[p->n_members - 1].end = p->body.n;
}

static int by_key_then_place(const void *a, const void *b)
{
    const struct member *const *x = a, *const *y = b;
    int c = dv_slice_cmp((*x)->key, (*y)->key);

    return c ? c : (*x)->start < (*y)->start ? -1 : 1;
}

/* Mark members that a later one of the same key replaces by end = 0. Returns how many. */
static size_t mark_pairwise(struct member *m, size_t n)
{
    size_t marked = 0;

    for (size_t i = 0; i + 1 < n; i++)
        for (size_t j = i + 1; j < n; j++)
            if (dv_slice_eq(m[i].key, m[j].key)) {
                m[i].end = 0;
                marked++;
                break;
            }
    return marked;
}

static int mark_sorted(struct member *m, size_t n, size_t *marked)
{
    struct member **order = dv_calloc(n, sizeof(struct member *));

    if (!order)
        return DV_ENOMEM;
    for (size_t i = 0; i < n; i++)
        order[i] = &m[i];
    qsort(order, n, sizeof(struct member *), by_key_then_place);
    for (size_t i = 0; i + 1 < n; i++)
        if (dv_slice_eq(order[i]->key, order[i + 1]->key)) {
            order[i]->end = 0;
            (*marked)++;
        }
    dv_free(order);
    return 0;
}

/* Close the gaps of the marked members: the object's text begins at body_start with '{'. */
static void remove_marked(struct dv_document_parser *p, const struct level *l)
{
    size_t to = l->body_start + 1;

    for (size_t i = l->first_member; i < p->n_members; i++) {
        const struct member *m = &p->members[i];
        size_t n = m->end - m->start;

        if (m->end == 0)
            continue;
        if (to > l->body_start + 1)
            p->body.p[to++] = ',';
        memmove(p->body.p + to, p->body.p + m->start, n);
        to += n;
    }
    p->body.n = to;
}

static int end_object(struct dv_document_parser *p)
{
    struct level *l = top_level(p);
    size_t n = p->n_members - l->first_member, marked = 0;
    int rc = 0;

    if (n > PAIRWISE_MAX)
        rc = mark_sorted(&p->members[l->first_member], n, &marked);
    else if (n > 0)
        marked = mark_pairwise(&p->members[l->first_member], n);
    if (rc < 0)
        return rc;
    if (marked > 0)
        remove_marked(p, l);
    p->n_members = l->first_member;
    return dv_buf_add_char(&p->body, '}');
}

static int add_value(struct dv_document_parser *p, const struct dv_json_event *ev)
{
    int rc;

    if (p->n_levels > 0 && top_level(p)->first_member == SIZE_MAX && add_comma(p) < 0)
        return p->body.failed;
    if (ev->type == DV_JSON_OBJECT || ev->type == DV_JSON_ARRAY) {
        rc = push_level(p, ev->type == DV_JSON_OBJECT);
        return rc < 0 ? rc : dv_buf_add_char(&p->body, ev->type == DV_JSON_OBJECT ? '{' : '[');
    }
    rc = dv_buf_add(&p->body, p->input.p + ev->start, (size_t)(ev->end - ev->start));
    value_done(p);
    return rc;
}

static int end_value(struct dv_document_parser *p, const struct dv_json_event *ev)
{
    int rc = ev->type == DV_JSON_OBJECT_END ? end_object(p) : dv_buf_add_char(&p->body, ']');

    p->n_levels--;
    value_done(p);
    return rc;
}

/* ---- events
 * ------------------------------------------------------------------------------------------ */

static int body_event(struct dv_document_parser *p, const struct dv_json_event *ev)
{
    switch (ev->type) {
    case DV_JSON_KEY:
        return add_key(p, ev);
    case DV_JSON_OBJECT_END:
    case DV_JSON_ARRAY_END:
        return end_value(p, ev);
    default:
        return add_value(p, ev);
    }
}

static int on_event(void *arg, const struct dv_json_event *ev, struct dv_err *err)
{
    struct dv_document_parser *p = arg;
    int rc;

    if (ev->depth == 0 && ev->type != DV_JSON_OBJECT && ev->type != DV_JSON_OBJECT_END)
        p->not_object = true; /* told once the rest proves to be JSON */
    if (p->not_object)
        return 0;
    if (p->special == SP_NONE && ev->depth == 1 && ev->type == DV_JSON_KEY && ev->text.n > 0 &&
        *ev->text.p == '_' && special_of(ev->text) > SP_KEPT) {
        special_begin(p, ev->text, ev->start);
        return 0;
    }
    if (p->special != SP_NONE) {
        rc = special_event(p, ev, err);
        if (ev->depth == 1 && ev->type != DV_JSON_OBJECT && ev->type != DV_JSON_ARRAY)
            p->special = SP_NONE;
        return rc;
    }
    rc = body_event(p, ev);
    return rc < 0 ? dv_err_set(err, rc, NULL) : 0;
}

/* ---- the parser
 * ------------------------------------------------------------------------------------------ */

int dv_document_parser_new(uint64_t max_body_bytes, uint64_t max_input_bytes,
                           struct dv_document_parser **out, struct dv_err *err)
{
    struct dv_json_limits limits = { .depth = DEPTH_MAX, .total_bytes = max_input_bytes };
    struct dv_document_parser *p = dv_calloc(1, sizeof(*p));
    int rc;

    if (!p)
        return dv_err_set(err, DV_ENOMEM, NULL);
    p->max_body_bytes = max_body_bytes ? max_body_bytes : BODY_BYTES_DEFAULT;
    dv_buf_init(&p->body, SIZE_MAX / 4); /* never longer than the input */
    rc = dv_json_reader_new(&limits, on_event, p, &p->reader, err);
    if (rc < 0) {
        dv_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

void dv_document_parser_free(struct dv_document_parser *p)
{
    if (!p)
        return;
    dv_json_reader_free(p->reader);
    dv_buf_fini(&p->body);
    dv_free(p->members);
    dv_free(p->levels);
    dv_free(p->ids);
    dv_free(p->atts);
    dv_free(p);
}

static void reset(struct dv_document_parser *p)
{
    dv_json_reader_reset(p->reader, p);
    dv_buf_reset(&p->body);
    p->n_members = p->n_levels = p->n_ids = p->n_atts = 0;
    p->special = SP_NONE;
    p->not_object = p->rev_given = p->revisions_given = p->in_att = false;
    for (size_t i = 0; i < SP_COUNT; i++)
        p->complaints[i].set = false;
}

static int check_size(struct dv_document_parser *p, struct dv_err *err)
{
    const struct dv_document *doc = &p->doc;

    if (p->body.n <= p->max_body_bytes)
        return 0;
    return dv_err_couch(err, DV_ETOOBIG, 413, "document_too_large", "%.*s",
                        (int)(doc->id.n > 200 ? 200 : doc->id.n), doc->id.n ? doc->id.p : "");
}

int dv_document_parse(struct dv_document_parser *p, struct dv_slice json, struct dv_arena *arena,
                      struct dv_document *out, struct dv_err *err)
{
    struct dv_slice body;
    int rc;

    reset(p);
    p->input = json;
    p->arena = arena;
    memset(&p->doc, 0, sizeof(p->doc));
    rc = dv_json_reader_feed(p->reader, json, err);
    if (rc == 0)
        rc = dv_json_reader_end(p->reader, err);
    if (rc < 0)
        return rc;
    if (p->not_object)
        return dv_err_set(err, DV_EINVAL, "Document must be a JSON object");
    rc = special_finish(p, err);
    if (rc == 0)
        rc = check_size(p, err);
    if (rc < 0)
        return rc;
    body = dv_arena_copy(arena, dv_buf_slice(&p->body));
    if (!body.p)
        return dv_err_set(err, DV_ENOMEM, NULL);
    *out = p->doc;
    out->body = body;
    return 0;
}
