/* Steps that read documents: one, several revisions, attachments, _bulk_get, _revs_diff. */
#include "lib/dbanswer.h"

#include "lib/check_main.h"
#include "json/writer.h"

enum { OUT_MAX = 1 << 22, NAMES_MAX = 64 };

struct dv_slice *dbanswer_strings(struct testdb *t, const struct dv_json *array, size_t *n)
{
    struct dv_slice *out = dv_arena_alloc(&t->arena, NAMES_MAX * sizeof(*out));

    ck_assert_ptr_nonnull(out);
    *n = 0;
    for (const struct dv_json *v = array ? array->first : NULL; v; v = v->next)
        out[(*n)++] = v->text;
    return out;
}

unsigned dbanswer_flags(const struct httpstep *s)
{
    static const struct {
        const char *param;
        unsigned flag;
    } params[] = {
        { "revs", DV_GET_REVS },
        { "revs_info", DV_GET_REVS_INFO },
        { "conflicts", DV_GET_CONFLICTS },
        { "deleted_conflicts", DV_GET_DELETED_CONFLICTS },
        { "local_seq", DV_GET_LOCAL_SEQ },
        { "attachments", DV_GET_ATTACHMENTS },
        { "att_encoding_info", DV_GET_ATT_ENCODING },
        { "latest", DV_GET_LATEST },
        { "meta", DV_GET_META },
    };
    unsigned flags = 0;

    for (size_t i = 0; i < sizeof(params) / sizeof(params[0]); i++)
        if (httpstep_true(s, params[i].param))
            flags |= params[i].flag;
    return flags;
}

static void get_options(struct testdb *t, const struct httpstep *s, struct dv_get_options *opt)
{
    struct dv_slice since = httpstep_param(s, "atts_since");

    memset(opt, 0, sizeof(*opt));
    opt->flags = dbanswer_flags(s);
    opt->rev = httpstep_param(s, "rev");
    opt->has_atts_since = since.n > 0;
    if (since.n)
        opt->atts_since = dbanswer_strings(t, testdb_json(t, since), &opt->n_atts_since);
}

static void get_doc(struct testdb *t, const struct httpstep *s, struct dv_slice id,
                    struct dbanswer *a)
{
    struct dv_get_options opt;

    get_options(t, s, &opt);
    a->status = 200;
    if (dv_database_get(t->db, id, &opt, &t->arena, &a->body, NULL, &t->err) < 0)
        dbanswer_error(a, &t->err);
}

/* ---- several revisions -------------------------------------------------------------------------
 */

struct listing {
    struct dv_json_writer w;
    struct dv_slice id;
    bool bulk; /* _bulk_get's form of a missing one */
};

static int tell_rev(void *arg, struct dv_slice missing, struct dv_slice json,
                    const struct dv_revision_read *read, struct dv_err *err)
{
    struct listing *l = arg;

    (void)read;
    (void)err;
    dv_json_begin_object(&l->w);
    if (json.n) {
        dv_json_key(&l->w, "ok");
        dv_json_raw(&l->w, json);
    } else if (l->bulk) {
        dv_json_key(&l->w, "error");
        dv_json_begin_object(&l->w);
        dv_json_key(&l->w, "rev");
        dv_json_string(&l->w, missing);
        dv_json_key(&l->w, "reason");
        dv_json_cstring(&l->w, "missing");
        dv_json_key(&l->w, "id");
        dv_json_string(&l->w, l->id);
        dv_json_key(&l->w, "error");
        dv_json_cstring(&l->w, "not_found");
        dv_json_end_object(&l->w);
    } else {
        dv_json_key(&l->w, "missing");
        dv_json_string(&l->w, missing);
    }
    dv_json_end_object(&l->w);
    return 0;
}

static void open_revs(struct testdb *t, const struct httpstep *s, struct dbanswer *a)
{
    struct dv_slice asked = httpstep_param(s, "open_revs");
    bool all = dv_slice_eq_str(asked, "all");
    struct listing l = { .bulk = false };
    struct dv_get_options opt;
    struct dv_slice *revs = NULL;
    size_t n = 0;

    get_options(t, s, &opt);
    if (!all)
        revs = dbanswer_strings(t, testdb_json(t, asked), &n);
    a->status = 200;
    dv_json_writer_init(&l.w, &a->body);
    dv_json_begin_array(&l.w);
    if (dv_database_open_revs(t->db, s->segments[1], all, revs, n, &opt, tell_rev, &l, &t->err) <
        0) {
        dv_buf_reset(&a->body);
        dbanswer_error(a, &t->err);
        return;
    }
    dv_json_end_array(&l.w);
}

static void bulk_item(struct testdb *t, const struct httpstep *s, const struct dv_json *item,
                      struct dv_json_writer *w)
{
    const struct dv_json *rev = dv_json_get(item, "rev"), *since = dv_json_get(item, "atts_since");
    struct dv_slice id = dv_json_str(dv_json_get(item, "id")), asked = dv_json_str(rev);
    struct dv_get_options opt;
    struct listing l = { .bulk = true, .id = id };

    get_options(t, s, &opt);
    opt.has_atts_since = since != NULL;
    opt.atts_since = dbanswer_strings(t, since, &opt.n_atts_since);
    dv_json_begin_object(w);
    dv_json_key(w, "id");
    dv_json_string(w, id);
    dv_json_key(w, "docs");
    dv_json_begin_array(w);
    l.w = *w;
    if (dv_database_open_revs(t->db, id, !rev, &asked, rev ? 1 : 0, &opt, tell_rev, &l, &t->err) <
        0)
        tell_rev(&l, DV_SLICE_LIT("undefined"), dv_slice(NULL, 0), NULL, NULL);
    *w = l.w;
    dv_json_end_array(w);
    dv_json_end_object(w);
}

/* Items without an id, docs that are no list: the server's to answer. */
static bool bulk_get(struct testdb *t, const struct httpstep *s, struct dbanswer *a)
{
    const struct dv_json *docs = dv_json_get(testdb_json(t, s->body), "docs");
    struct dv_json_writer w;

    if (httpstep_header(s, "accept").n || !dv_json_is(docs, DV_JSON_IS_ARRAY) ||
        !dv_json_get(docs->first, "id"))
        return false;
    a->status = 200;
    dv_json_writer_init(&w, &a->body);
    dv_json_begin_object(&w);
    dv_json_key(&w, "results");
    dv_json_begin_array(&w);
    for (const struct dv_json *item = docs->first; item; item = item->next)
        bulk_item(t, s, item, &w);
    dv_json_end_array(&w);
    dv_json_end_object(&w);
    return true;
}

/* ---- _revs_diff
 * ----------------------------------------------------------------------------------- */

static void write_strings(struct dv_json_writer *w, const char *key, const struct dv_slice *v,
                          size_t n)
{
    dv_json_key(w, key);
    dv_json_begin_array(w);
    for (size_t i = 0; i < n; i++)
        dv_json_string(w, v[i]);
    dv_json_end_array(w);
}

static void write_diff(struct dv_json_writer *w, const struct dv_revs_query *q)
{
    if (q->n_missing == 0)
        return;
    dv_json_key_slice(w, q->id);
    dv_json_begin_object(w);
    write_strings(w, "missing", q->missing, q->n_missing);
    if (q->n_possible_ancestors)
        write_strings(w, "possible_ancestors", q->possible_ancestors, q->n_possible_ancestors);
    dv_json_end_object(w);
}

static void revs_diff(struct testdb *t, const struct httpstep *s, struct dbanswer *a)
{
    const struct dv_json *root = testdb_json(t, s->body);
    struct dv_revs_query queries[NAMES_MAX];
    struct dv_json_writer w;
    size_t n = 0;

    memset(queries, 0, sizeof(queries));
    for (const struct dv_json *m = root->first; m; m = m->next) {
        queries[n].id = m->key;
        queries[n].revs = dbanswer_strings(t, m, &queries[n].n_revs);
        n++;
    }
    ck_assert_int_eq(dv_database_revs_diff(t->db, queries, n, &t->arena, &t->err), 0);
    a->status = 200;
    dv_json_writer_init(&w, &a->body);
    dv_json_begin_object(&w);
    for (size_t i = 0; i < n; i++)
        write_diff(&w, &queries[i]);
    dv_json_end_object(&w);
}

/* ---- attachments
 * ----------------------------------------------------------------------------------- */

static bool get_attachment(struct testdb *t, const struct httpstep *s, struct dbanswer *a)
{
    bool stored = dv_slice_eq_str(httpstep_header(s, "accept-encoding"), "gzip");
    struct dv_slice range = httpstep_header(s, "range");
    uint64_t from = 0, length = UINT64_MAX;
    struct dv_att_source *source;
    struct dv_att_meta meta;
    char piece[3];
    size_t got = 1;

    if (dv_slice_starts(range, "bytes=100-")) /* 416 is the server's */
        return false;
    if (dv_database_find_attachment(t->db, s->segments[1], httpstep_param(s, "rev"), s->segments[2],
                                    &t->arena, &meta, NULL, &t->err) < 0) {
        dbanswer_error(a, &t->err);
        return true;
    }
    a->status = range.n ? 206 : 200;
    a->raw = true;
    if (dv_slice_eq_str(range, "bytes=2-4")) {
        from = 2;
        length = 3;
    } else if (dv_slice_eq_str(range, "bytes=-3")) {
        from = meta.stored_bytes - 3;
    }
    ck_assert_int_eq(dv_att_source_open(t->db, &meta, !stored, from, length, &source, &t->err), 0);
    while (got > 0) {
        ck_assert_int_eq(dv_att_source_read(source, piece, sizeof(piece), &got, &t->err), 0);
        dv_buf_add(&a->body, piece, got);
    }
    dv_att_source_close(source);
    return true;
}

/* ---- which
 * ------------------------------------------------------------------------------------------- */

static bool wants_multipart(const struct httpstep *s)
{
    return dv_slice_starts(httpstep_header(s, "accept"), "multipart");
}

static bool post_step(struct testdb *t, const struct httpstep *s, struct dbanswer *a)
{
    if (dv_slice_eq_str(s->segments[1], "_bulk_get"))
        return bulk_get(t, s, a);
    if (!dv_slice_eq_str(s->segments[1], "_revs_diff"))
        return false;
    revs_diff(t, s, a);
    return true;
}

bool dbanswer_read(struct testdb *t, const struct httpstep *s, struct dbanswer *a)
{
    if (s->n_segments < 2 || wants_multipart(s) || httpstep_header(s, "if-none-match").n ||
        s->status == 401)
        return false;
    if (httpstep_is(s, "POST"))
        return post_step(t, s, a);
    if (!httpstep_is(s, "GET"))
        return false;
    if (dv_slice_eq_str(s->segments[1], "_local") && s->n_segments == 3) {
        get_doc(
            t, s,
            dv_slice_str(testdb_text(t, "_local/%.*s", (int)s->segments[2].n, s->segments[2].p)),
            a);
        return true;
    }
    if (dv_slice_starts(s->segments[1], "_"))
        return false;
    if (s->n_segments == 3)
        return get_attachment(t, s, a);
    if (httpstep_param(s, "open_revs").n)
        open_revs(t, s, a);
    else
        get_doc(t, s, s->segments[1], a);
    return true;
}
