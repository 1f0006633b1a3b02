/* database: every line of revs.jsonl as a real edit: the revision id CouchDB gave it, the same
 * words where it refused, the same JSON when it is read back. */
#include <stdio.h>
#include <stdlib.h>

#include "couch/document.h"
#include "lib/check_main.h"
#include "lib/jsonl.h"
#include "lib/testdb.h"

enum { EDITS = 208, REFUSED = 13, READBACKS = 83, TEXT_MAX = 1 << 20 };

static struct testdb t;
static size_t edits, refused, readbacks;

static const char *text_of(const struct dv_json *line, const char *key)
{
    const struct dv_json *v = dv_json_get(line, key);

    return v ? testdb_text(&t, "%.*s", (int)v->text.n, v->text.p) : "";
}

static void expect_result(const struct dv_json *line, size_t number, int code,
                          const struct dv_edit_result *r)
{
    const struct dv_json *rev = dv_json_get(line, "rev");
    int64_t status;

    if (rev) {
        ck_assert_msg(code == 0, "line %zu: %s: %s", number, r->err->name, r->err->reason);
        ck_assert_msg(dv_slice_eq(r->rev, rev->text), "line %zu: %.*s instead of %.*s", number,
                      (int)r->rev.n, r->rev.p, (int)rev->text.n, rev->text.p);
        edits++;
        return;
    }
    ck_assert(dv_json_int(dv_json_get(line, "status"), &status));
    ck_assert_msg(code < 0, "line %zu was stored", number);
    testdb_expect_error(r->err, (int)status, text_of(line, "error"), text_of(line, "reason"));
    refused++;
}

/* {...} with _attachments (and _deleted) among its members. */
static const char *with_member(const char *body, const char *member)
{
    if (body[0] != '{')
        return body;
    return testdb_text(&t, "{%s%s%s", member, body[1] == '}' ? "" : ",", body + 1);
}

static const char *inline_attachments(const struct dv_json *line)
{
    struct dv_buf b;
    const char *text;

    dv_buf_init(&b, TEXT_MAX);
    dv_buf_add_str(&b, "\"_attachments\":{");
    for (const struct dv_json *a = jsonl_get(line, "attachments")->first; a; a = a->next) {
        struct dv_slice data = dv_json_str(jsonl_get(a, "data"));

        dv_buf_printf(&b, "%s%.*s:{\"content_type\":%.*s,\"data\":\"",
                      b.p[b.n - 1] == '{' ? "" : ",", (int)jsonl_get(a, "name")->raw.n,
                      jsonl_get(a, "name")->raw.p, (int)jsonl_get(a, "content_type")->raw.n,
                      jsonl_get(a, "content_type")->raw.p);
        dv_base64_encode(&b, data.p, data.n);
        dv_buf_add_str(&b, "\"}");
    }
    dv_buf_add_char(&b, '}');
    text = testdb_text(&t, "%s", dv_buf_cstr(&b));
    dv_buf_fini(&b);
    return text;
}

/* What is stored of attachments, stubs as they are sent back. */
static void expect_stored(const struct dv_json *line, const char *id)
{
    const char *got = testdb_get(&t, id, "", DV_GET_ATT_ENCODING);
    const struct dv_json *atts = jsonl_get(testdb_json(&t, dv_slice_str(got)), "_attachments");
    const struct dv_json *stored = jsonl_get(line, "stored");

    ck_assert_msg(dv_json_equal(atts, stored, 0), "%.*s\ninstead of %.*s", (int)atts->raw.n,
                  atts->raw.p, (int)stored->raw.n, stored->raw.p);
    ck_assert(dv_slice_eq(atts->first->key, stored->first->key));
}

static void put_attachment(const struct dv_json *line, size_t number)
{
    struct dv_edit_attachment att = { .name = dv_json_str(jsonl_get(line, "name")),
                                      .content_type =
                                          dv_json_str(jsonl_get(line, "content_type")) };
    const char *id = text_of(line, "id");
    struct dv_edit_result r;
    struct dv_att_writer *w;

    ck_assert_int_eq(
        dv_att_writer_open(dv_database_store(t.db), NULL,
                           dv_type_compresses(att.content_type) ? DV_ATT_COMPRESS : DV_ATT_AS_IS, 0,
                           &w, &t.err),
        0);
    ck_assert_int_eq(dv_att_writer_append(w, dv_json_str(jsonl_get(line, "data")), &t.err), 0);
    ck_assert_int_eq(dv_att_writer_finish(w, &att.info, &t.err), 0);
    ck_assert_int_eq(dv_database_put_attachment(t.db, dv_slice_str(id),
                                                dv_slice_str(text_of(line, "parent")), &att, false,
                                                DV_COMMIT_LAZY, &t.arena, &r, &t.err),
                     0);
    expect_result(line, number, r.code, &r);
    expect_stored(line, id);
}

static void expect_readback(const struct dv_json *line, size_t number)
{
    struct dv_slice text = dv_json_str(jsonl_get(line, "text"));
    const char *got = testdb_get(&t, text_of(line, "id"), "", 0);

    ck_assert_msg(got != NULL, "line %zu", number);
    ck_assert_msg(testdb_json_equal(dv_slice_str(got), text), "line %zu: %s instead of %.*s",
                  number, got, (int)text.n, text.p);
    readbacks++;
}

static void replay_line(const struct dv_json *line, struct dv_arena *arena, size_t number)
{
    struct dv_slice kind = dv_json_str(jsonl_get(line, "kind"));
    const char *id = text_of(line, "id"), *parent = text_of(line, "parent");
    const char *body = text_of(line, "body");
    struct dv_edit_result r;
    int code;

    (void)arena;
    if (dv_slice_eq_str(kind, "readback")) {
        expect_readback(line, number);
        return;
    }
    if (dv_slice_eq_str(kind, "put_attachment")) {
        put_attachment(line, number);
        return;
    }
    if (dv_slice_eq_str(kind, "recreate_after_delete"))
        parent = "";
    if (dv_json_true(dv_json_get(line, "deleted")))
        body = with_member(body, "\"_deleted\":true");
    if (dv_slice_eq_str(kind, "create_with_attachments"))
        body = with_member(body, inline_attachments(line));
    if (dv_slice_eq_str(kind, "update_with_stubs")) {
        const struct dv_json *stubs = jsonl_get(line, "stored");

        body = with_member(
            body, testdb_text(&t, "\"_attachments\":%.*s", (int)stubs->raw.n, stubs->raw.p));
    }
    code = testdb_put(&t, id, parent, body, &r);
    expect_result(line, number, code, &r);
    if (dv_json_get(line, "stored"))
        expect_stored(line, id);
}

START_TEST(every_recorded_edit_is_stored_refused_and_read_back_as_by_couchdb)
{
    edits = refused = readbacks = 0;
    testdb_create(&t, _i, "revs");
    jsonl_each("revs.jsonl", replay_line);
    ck_assert_uint_eq(edits, EDITS);
    ck_assert_uint_eq(refused, REFUSED);
    ck_assert_uint_eq(readbacks, READBACKS);
    testdb_close(&t);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("database against revs.jsonl");
    TCase *tc = tcase_create("revs");

    tcase_add_loop_test(tc, every_recorded_edit_is_stored_refused_and_read_back_as_by_couchdb, 0,
                        TESTDB_ENGINES);
    suite_add_tcase(suite, tc);
    return dv_check_run(suite);
}
