/* Steps that write: documents, attachments, _bulk_docs. */
#include "lib/dbanswer.h"

#include <strings.h>

#include "couch/document.h"
#include "couch/multipart.h"
#include "lib/check_main.h"
#include "json/writer.h"

enum { EDITS_MAX = 64, ATTS_MAX = 8 };

void dbanswer_error(struct dbanswer *a, const struct dv_err *err)
{
    struct dv_json_writer w;

    a->status = err->http_status;
    dv_json_writer_init(&w, &a->body);
    dv_json_begin_object(&w);
    dv_json_key(&w, "error");
    dv_json_cstring(&w, err->name);
    dv_json_key(&w, "reason");
    dv_json_cstring(&w, err->reason);
    dv_json_end_object(&w);
}

static void stored(struct dbanswer *a, int status, const struct dv_edit_result *r, bool with_rev)
{
    struct dv_json_writer w;

    if (r->code < 0) {
        dbanswer_error(a, r->err);
        return;
    }
    a->status = status;
    dv_json_writer_init(&w, &a->body);
    dv_json_begin_object(&w);
    dv_json_key(&w, "ok");
    dv_json_bool(&w, true);
    dv_json_key(&w, "id");
    dv_json_string(&w, r->id);
    if (with_rev) {
        dv_json_key(&w, "rev");
        dv_json_string(&w, r->rev);
    }
    dv_json_end_object(&w);
}

static void must_write(struct testdb *t, const struct dv_edit *edits, size_t n, bool replicated,
                       struct dv_edit_result *results)
{
    struct dv_write_options opt = { .replicated = replicated };

    ck_assert_msg(dv_database_write(t->db, edits, n, &opt, &t->arena, results, &t->err) == 0,
                  "%s: %s", t->err.context, t->err.reason);
}

/* ---- multipart/related
 * --------------------------------------------------------------------------- */

struct related {
    struct testdb *t;
    struct dv_buf json, data;
    struct dv_slice parts[ATTS_MAX];
    size_t n; /* parts begun, the JSON included */
};

static int part(void *arg, const struct dv_multipart_header *headers, size_t n, struct dv_err *err)
{
    struct related *r = arg;

    (void)headers;
    (void)n;
    (void)err;
    r->n++;
    dv_buf_reset(&r->data);
    return 0;
}

static int data(void *arg, struct dv_slice bytes, struct dv_err *err)
{
    struct related *r = arg;

    (void)err;
    return dv_buf_add_slice(r->n == 1 ? &r->json : &r->data, bytes);
}

static int part_end(void *arg, struct dv_err *err)
{
    struct related *r = arg;

    (void)err;
    if (r->n > 1 && r->n <= ATTS_MAX)
        r->parts[r->n - 2] = dv_arena_copy(&r->t->arena, dv_buf_slice(&r->data));
    return 0;
}

static void store_att(struct testdb *t, struct dv_slice bytes, struct dv_edit_attachment *att)
{
    struct dv_att_writer *w;
    enum dv_att_mode mode = dv_type_compresses(att->content_type) ? DV_ATT_COMPRESS : DV_ATT_AS_IS;

    ck_assert_int_eq(dv_att_writer_open(dv_database_store(t->db), NULL, mode, 0, &w, &t->err), 0);
    ck_assert_int_eq(dv_att_writer_append(w, bytes, &t->err), 0);
    ck_assert_int_eq(dv_att_writer_finish(w, &att->info, &t->err), 0);
}

/* The parts belong to the members that follow, in their order. */
static size_t store_parts(struct related *r, struct dv_edit_attachment *atts)
{
    const struct dv_json *doc = testdb_json(r->t, dv_buf_slice(&r->json));
    const struct dv_json *members = dv_json_get(doc, "_attachments");
    size_t n = 0;

    for (const struct dv_json *m = members ? members->first : NULL; m; m = m->next) {
        if (!dv_json_true(dv_json_get(m, "follows")))
            continue;
        atts[n] = (struct dv_edit_attachment){ .name = m->key,
                                               .content_type =
                                                   dv_json_str(dv_json_get(m, "content_type")) };
        store_att(r->t, r->parts[n], &atts[n]);
        n++;
    }
    return n;
}

static void put_related(struct testdb *t, const struct httpstep *s, struct dv_edit *edit,
                        bool replicated, struct dv_edit_result *result)
{
    static const struct dv_multipart_callbacks callbacks = { part, data, part_end };
    struct dv_edit_attachment atts[ATTS_MAX];
    struct dv_multipart_reader *reader;
    struct related r = { .t = t };
    struct dv_slice boundary;

    dv_buf_init(&r.json, 1 << 20);
    dv_buf_init(&r.data, 1 << 20);
    ck_assert(
        dv_header_param(httpstep_header(s, "content-type"), "boundary", &t->arena, &boundary));
    ck_assert_int_eq(dv_multipart_reader_new(boundary, &callbacks, &r, &reader, &t->err), 0);
    ck_assert_int_eq(dv_multipart_reader_feed(reader, s->body, &t->err), 0);
    ck_assert_int_eq(dv_multipart_reader_end(reader, &t->err), 0);
    dv_multipart_reader_free(reader);
    edit->json = dv_buf_slice(&r.json);
    edit->attachments = atts;
    edit->n_attachments = store_parts(&r, atts);
    must_write(t, edit, 1, replicated, result);
    dv_buf_fini(&r.json);
    dv_buf_fini(&r.data);
}

/* ---- one document
 * ---------------------------------------------------------------------------------- */

static struct dv_slice named_rev(const struct httpstep *s)
{
    struct dv_slice rev = httpstep_header(s, "if-match");

    return rev.n ? rev : httpstep_param(s, "rev");
}

static void put_doc(struct testdb *t, const struct httpstep *s, struct dv_slice id,
                    struct dbanswer *a)
{
    bool replicated = dv_slice_eq_str(httpstep_param(s, "new_edits"), "false");
    struct dv_edit edit = { .json = s->body, .id = id, .rev = named_rev(s) };
    struct dv_edit_result r;

    if (dv_slice_starts(httpstep_header(s, "content-type"), "multipart/related"))
        put_related(t, s, &edit, replicated, &r);
    else
        must_write(t, &edit, 1, replicated, &r);
    stored(a, 201, &r, true);
}

static void delete_doc(struct testdb *t, const struct httpstep *s, struct dv_slice id,
                       struct dbanswer *a)
{
    struct dv_edit edit = { .json = DV_SLICE_LIT("{\"_deleted\":true}"),
                            .id = id,
                            .rev = named_rev(s) };
    struct dv_edit_result r;

    must_write(t, &edit, 1, false, &r);
    stored(a, 200, &r, true);
}

/* The id that the server made up is taken over, so that later answers can be compared. */
static bool post_doc(struct testdb *t, const struct httpstep *s, struct dbanswer *a)
{
    bool batch = dv_slice_eq_str(httpstep_param(s, "batch"), "ok");
    struct dv_edit edit = { .json = s->body };
    struct dv_edit_result r;

    if (!dv_slice_starts(httpstep_header(s, "content-type"), "application/json"))
        return false;
    if (!dv_json_get(testdb_json(t, s->body), "_id"))
        edit.id = dv_json_str(dv_json_get(testdb_json(t, s->answer), "id"));
    must_write(t, &edit, 1, false, &r);
    stored(a, batch ? 202 : 201, &r, !batch);
    return true;
}

static void copy_doc(struct testdb *t, const struct httpstep *s, struct dbanswer *a)
{
    struct dv_get_options opt = { .flags = 0 };
    struct dv_edit edit = { .id = httpstep_header(s, "destination") };
    struct dv_edit_result r;
    struct dv_buf doc;
    char *rev, *end;

    dv_buf_init(&doc, 1 << 20);
    ck_assert_int_eq(dv_database_get(t->db, s->segments[1], &opt, &t->arena, &doc, NULL, &t->err),
                     0);
    /* Without its revision: the member and its comma are blanked. */
    rev = strstr(dv_buf_cstr(&doc), "\"_rev\":");
    end = strpbrk(rev + 8, ",}");
    memset(rev, ' ', (size_t)(end - rev) + (*end == ','));
    edit.json = dv_buf_slice(&doc);
    must_write(t, &edit, 1, false, &r);
    dv_buf_fini(&doc);
    stored(a, 201, &r, true);
}

static void write_attachment(struct testdb *t, const struct httpstep *s, struct dbanswer *a)
{
    struct dv_edit_attachment att = { .name = s->segments[2],
                                      .content_type = httpstep_header(s, "content-type") };
    bool remove = httpstep_is(s, "DELETE");
    struct dv_edit_result r;

    if (!remove)
        store_att(t, s->body, &att);
    ck_assert_int_eq(dv_database_put_attachment(t->db, s->segments[1], named_rev(s), &att, remove,
                                                DV_COMMIT_LAZY, &t->arena, &r, &t->err),
                     0);
    stored(a, remove ? 200 : 201, &r, true);
}

/* ---- _bulk_docs
 * -------------------------------------------------------------------------------------- */

static void bulk_item(struct dv_json_writer *w, const struct dv_edit_result *r, bool replicated)
{
    if (replicated && r->code == 0)
        return;
    dv_json_begin_object(w);
    if (r->code == 0) {
        dv_json_key(w, "ok");
        dv_json_bool(w, true);
    }
    dv_json_key(w, "id");
    dv_json_string(w, r->id);
    if (r->code == 0 || replicated) {
        dv_json_key(w, "rev");
        dv_json_string(w, r->rev);
    }
    if (r->code < 0) {
        dv_json_key(w, "error");
        dv_json_cstring(w, r->err->name);
        dv_json_key(w, "reason");
        dv_json_cstring(w, r->err->reason);
    }
    dv_json_end_object(w);
}

/* Anything but a conflict refuses the whole request. */
static const struct dv_err *whole_error(const struct dv_edit_result *r, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (r[i].code < 0 && r[i].code != DV_ECONFLICT)
            return r[i].err;
    return NULL;
}

static bool bulk_docs(struct testdb *t, const struct httpstep *s, struct dbanswer *a)
{
    const struct dv_json *root = testdb_json(t, s->body), *docs = dv_json_get(root, "docs");
    const struct dv_json *new_edits = dv_json_get(root, "new_edits");
    const struct dv_json *said = testdb_json(t, s->answer)->first;
    bool replicated = new_edits && !new_edits->boolean;
    struct dv_edit_result results[EDITS_MAX];
    struct dv_edit edits[EDITS_MAX];
    struct dv_json_writer w;
    size_t n = 0;

    if (!docs)
        return false;
    for (const struct dv_json *d = docs->first; d; d = d->next, said = said ? said->next : NULL) {
        edits[n] = (struct dv_edit){ .json = d->raw };
        if (dv_json_is(d, DV_JSON_IS_OBJECT) && !dv_json_get(d, "_id"))
            edits[n].id = dv_json_str(dv_json_get(said, "id"));
        n++;
    }
    must_write(t, edits, n, replicated, results);
    if (whole_error(results, n)) {
        dbanswer_error(a, whole_error(results, n));
        return true;
    }
    a->status = 201;
    dv_json_writer_init(&w, &a->body);
    dv_json_begin_array(&w);
    for (size_t i = 0; i < n; i++)
        bulk_item(&w, &results[i], replicated);
    dv_json_end_array(&w);
    return true;
}

/* ---- which
 * ------------------------------------------------------------------------------------------- */

/* _local/x is one document id in two segments. */
static struct dv_slice doc_id(struct testdb *t, const struct httpstep *s, size_t *segments)
{
    *segments = 2;
    if (s->n_segments < 3 || !dv_slice_eq_str(s->segments[1], "_local"))
        return s->segments[1];
    *segments = 3;
    return dv_slice_str(testdb_text(t, "_local/%.*s", (int)s->segments[2].n, s->segments[2].p));
}

static bool write_step(struct testdb *t, const struct httpstep *s, struct dbanswer *a)
{
    struct dv_slice id;
    size_t segments;

    if (s->n_segments == 1)
        return httpstep_is(s, "POST") && post_doc(t, s, a);
    id = doc_id(t, s, &segments);
    if (httpstep_is(s, "POST"))
        return dv_slice_eq_str(s->segments[1], "_bulk_docs") && bulk_docs(t, s, a);
    if (httpstep_is(s, "COPY"))
        copy_doc(t, s, a);
    else if (segments < s->n_segments)
        write_attachment(t, s, a);
    else if (httpstep_is(s, "PUT"))
        put_doc(t, s, id, a);
    else
        delete_doc(t, s, id, a);
    return true;
}

bool dbanswer_step(struct testdb *t, const struct httpstep *s, struct dbanswer *a)
{
    if (s->n_segments == 0 || !dv_slice_eq_str(s->segments[0], "rec_http"))
        return false;
    if (dbanswer_admin(t, s, a) || dbanswer_list(t, s, a) || dbanswer_read(t, s, a))
        return true;
    if (httpstep_is(s, "GET") || httpstep_is(s, "HEAD"))
        return false;
    if (s->n_segments > 1 && (dv_slice_eq_str(s->segments[1], "_security") ||
                              dv_slice_eq_str(s->segments[1], "_revs_limit")))
        return false;
    return write_step(t, s, a);
}
