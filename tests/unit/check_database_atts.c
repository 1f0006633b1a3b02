/* database: attachments: stubs and what they may refer to, streamed ones, revpos, limits. */
#include <stdio.h>
#include <stdlib.h>

#include "lib/check_main.h"
#include "lib/testdb.h"

static struct testdb t;

/* "aGVsbG8=" is hello, "d29ybGQ=" is world. */
static const char hello_md5[] = "md5-XUFAKrxLKna5cZ2REBfFkg==";

static const char *inline_att(const char *name, const char *base64)
{
    return testdb_text(&t, "\"%s\":{\"content_type\":\"a/b\",\"data\":\"%s\"}", name, base64);
}

static void expect_stub_refused(int code, const char *id, const char *name)
{
    ck_assert_int_eq(code, DV_EMISSINGSTUB);
    testdb_expect_error(&t.err, 412, "missing_stub",
                        testdb_text(&t, "Invalid attachment stub in %s for %s", id, name));
}

START_TEST(an_edit_keeps_what_its_stubs_name)
{
    const char *rev;

    testdb_create(&t, _i, "stubs");
    rev = testdb_must_put(&t, "a", "",
                          testdb_text(&t, "{\"_attachments\":{%s,%s}}", inline_att("x", "aGVsbG8="),
                                      inline_att("y", "d29ybGQ=")));
    rev = testdb_must_put(&t, "a", rev,
                          testdb_text(&t, "{\"_attachments\":{\"x\":{\"stub\":true},%s}}",
                                      inline_att("y", "aGVsbG8=")));
    testdb_expect(&t, "a", "", 0,
                  testdb_text(&t,
                              "{\"_id\":\"a\",\"_rev\":\"%s\",\"_attachments\":{"
                              "\"x\":{\"content_type\":\"a/b\",\"revpos\":1,\"digest\":\"%s\","
                              "\"length\":5,\"stub\":true},"
                              "\"y\":{\"content_type\":\"a/b\",\"revpos\":2,\"digest\":\"%s\","
                              "\"length\":5,\"stub\":true}}}",
                              rev, hello_md5, hello_md5));
    expect_stub_refused(
        testdb_put(&t, "a", rev, "{\"_attachments\":{\"z\":{\"stub\":true}}}", NULL), "a", "z");
    expect_stub_refused(
        testdb_put(&t, "a", rev, "{\"_attachments\":{\"x\":{\"stub\":true,\"revpos\":2}}}", NULL),
        "a", "x");
    expect_stub_refused(
        testdb_put(&t, "new", "", "{\"_attachments\":{\"x\":{\"stub\":true}}}", NULL), "new", "x");
    ck_assert_uint_eq(testdb_update_seq(&t), 2);
    testdb_close(&t);
}
END_TEST

START_TEST(a_document_made_anew_has_no_stubs_to_refer_to)
{
    const char *rev;

    testdb_create(&t, _i, "anew");
    rev = testdb_must_put(&t, "a", "",
                          testdb_text(&t, "{\"_attachments\":{%s}}", inline_att("x", "aGVsbG8=")));
    testdb_must_put(&t, "a", rev, "{\"_deleted\":true,\"_attachments\":{\"x\":{\"stub\":true}}}");
    expect_stub_refused(testdb_put(&t, "a", "", "{\"_attachments\":{\"x\":{\"stub\":true}}}", NULL),
                        "a", "x");
    testdb_must_put(&t, "a", "",
                    testdb_text(&t, "{\"_attachments\":{%s}}", inline_att("x", "d29ybGQ=")));
    testdb_close(&t);
}
END_TEST

static const char *replicated_stub(const char *revisions, const char *stub)
{
    return testdb_text(&t,
                       "{\"_id\":\"a\",\"_revisions\":%s,\"_attachments\":{\"x\":{\"stub\":true,"
                       "\"content_type\":\"a/b\",%s}}}",
                       revisions, stub);
}

START_TEST(a_replicated_stub_means_the_nearest_ancestor_that_is_here)
{
    testdb_create(&t, _i, "ancestor");
    testdb_must_replicate(&t,
                          testdb_text(&t, "{\"_id\":\"a\",\"_rev\":\"1-a\",\"_attachments\":{%s}}",
                                      inline_att("x", "aGVsbG8=")));
    testdb_must_replicate(
        &t, replicated_stub("{\"start\":4,\"ids\":[\"d\",\"c\",\"b\",\"a\"]}", "\"revpos\":1"));
    ck_assert_ptr_nonnull(strstr(testdb_get(&t, "a", "4-d", DV_GET_ATTACHMENTS), "aGVsbG8="));
    /* Replaced somewhere on the way: those bytes are not here. */
    expect_stub_refused(
        testdb_replicate(
            &t,
            replicated_stub("{\"start\":6,\"ids\":[\"f\",\"e\",\"d\"]}",
                            "\"revpos\":5,\"digest\":\"md5-uKn3Fdu2T9XFbneDxoIKYQ==\""),
            NULL),
        "a", "x");
    ck_assert_ptr_null(testdb_get(&t, "a", "6-f", 0));
    testdb_close(&t);
}
END_TEST

START_TEST(a_replicated_stub_may_be_found_in_another_leaf_by_its_digest)
{
    testdb_create(&t, _i, "leaf");
    testdb_must_replicate(&t,
                          testdb_text(&t, "{\"_id\":\"a\",\"_rev\":\"1-a\",\"_attachments\":{%s}}",
                                      inline_att("x", "aGVsbG8=")));
    testdb_must_replicate(
        &t, replicated_stub("{\"start\":3,\"ids\":[\"z\",\"y\"]}",
                            testdb_text(&t, "\"revpos\":2,\"digest\":\"%s\"", hello_md5)));
    ck_assert_ptr_nonnull(strstr(testdb_get(&t, "a", "3-z", DV_GET_ATTACHMENTS), "aGVsbG8="));
    expect_stub_refused(
        testdb_replicate(&t, replicated_stub("{\"start\":2,\"ids\":[\"q\"]}", "\"revpos\":2"),
                         NULL),
        "a", "x");
    testdb_close(&t);
}
END_TEST

static void stream(const char *bytes, enum dv_att_mode mode, struct dv_edit_attachment *att)
{
    struct dv_att_writer *w;

    ck_assert_int_eq(dv_att_writer_open(dv_database_store(t.db), NULL, mode, 0, &w, &t.err), 0);
    ck_assert_int_eq(dv_att_writer_append(w, dv_slice_str(bytes), &t.err), 0);
    ck_assert_int_eq(dv_att_writer_finish(w, &att->info, &t.err), 0);
}

static int put_following(const char *json, const struct dv_edit_attachment *att,
                         struct dv_edit_result *r)
{
    static const struct dv_write_options opt;
    struct dv_edit edit = { .json = dv_slice_str(json), .attachments = att, .n_attachments = 1 };

    ck_assert_int_eq(dv_database_write(t.db, &edit, 1, &opt, &t.arena, r, &t.err), 0);
    return r->code;
}

START_TEST(what_follows_must_have_come_and_agree_with_its_digest)
{
    struct dv_edit_attachment att = { .name = DV_SLICE_LIT("x"),
                                      .content_type = DV_SLICE_LIT("a/b") };
    struct dv_edit_result r;

    testdb_create(&t, _i, "follows");
    stream("hello", DV_ATT_AS_IS, &att);
    ck_assert_int_eq(put_following(testdb_text(&t,
                                               "{\"_id\":\"a\",\"_attachments\":{\"x\":{"
                                               "\"follows\":true,\"digest\":\"%s\"}}}",
                                               hello_md5),
                                   &att, &r),
                     0);
    ck_assert_ptr_nonnull(strstr(testdb_get(&t, "a", "", DV_GET_ATTACHMENTS), "aGVsbG8="));
    ck_assert_int_eq(put_following("{\"_id\":\"b\",\"_attachments\":{\"x\":{\"follows\":true,"
                                   "\"digest\":\"md5-uKn3Fdu2T9XFbneDxoIKYQ==\"}}}",
                                   &att, &r),
                     DV_EDIGEST);
    testdb_expect_error(r.err, 400, "content_md5_mismatch", "Possible message corruption.");
    ck_assert_int_eq(
        put_following("{\"_id\":\"b\",\"_attachments\":{\"y\":{\"follows\":true}}}", &att, &r),
        DV_EINVAL);
    ck_assert_int_eq(put_following("{\"_id\":\"c\"}", &att, &r), 0); /* came along unnamed */
    ck_assert_ptr_nonnull(strstr(testdb_get(&t, "c", "", 0), hello_md5));
    testdb_close(&t);
}
END_TEST

START_TEST(an_attachment_alone_makes_a_revision_and_keeps_the_rest)
{
    struct dv_edit_attachment att = { .name = DV_SLICE_LIT("y"),
                                      .content_type = DV_SLICE_LIT("a/b") };
    struct dv_edit_result r;
    const char *rev;

    testdb_create(&t, _i, "alone");
    rev = testdb_must_put(
        &t, "a", "",
        testdb_text(&t, "{\"v\":1,\"_attachments\":{%s}}", inline_att("x", "aGVsbG8=")));
    stream("world", DV_ATT_AS_IS, &att);
    ck_assert_int_eq(dv_database_put_attachment(t.db, DV_SLICE_LIT("a"), dv_slice_str(rev), &att,
                                                false, DV_COMMIT_LAZY, &t.arena, &r, &t.err),
                     0);
    ck_assert_int_eq(r.code, 0);
    rev = r.rev.p;
    ck_assert_ptr_nonnull(strstr(testdb_get(&t, "a", rev, DV_GET_ATTACHMENTS), "d29ybGQ="));
    ck_assert_ptr_nonnull(strstr(testdb_get(&t, "a", rev, 0), "\"v\":1"));
    ck_assert_int_eq(dv_database_put_attachment(t.db, DV_SLICE_LIT("a"), DV_SLICE_LIT("9-abc"),
                                                &att, false, DV_COMMIT_LAZY, &t.arena, &r, &t.err),
                     0);
    testdb_expect_error(r.err, 409, "not_found", "missing_rev");
    att.name = DV_SLICE_LIT("x");
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(dv_database_put_attachment(t.db, DV_SLICE_LIT("a"), dv_slice_str(rev),
                                                    &att, true, DV_COMMIT_LAZY, &t.arena, &r,
                                                    &t.err),
                         0);
        rev = r.code == 0 ? r.rev.p : rev;
    }
    testdb_expect_error(r.err, 404, "not_found", "Document is missing attachment");
    att.name = DV_SLICE_LIT("_x");
    ck_assert_int_eq(dv_database_put_attachment(t.db, DV_SLICE_LIT("a"), dv_slice_str(rev), &att,
                                                false, DV_COMMIT_LAZY, &t.arena, &r, &t.err),
                     0);
    testdb_expect_error(r.err, 400, "bad_request",
                        "Attachment name '_x' starts with prohibited character '_'");
    testdb_close(&t);
}
END_TEST

START_TEST(an_attachment_over_the_limit_is_refused_by_the_limits_name)
{
    testdb_create(&t, _i, "limit");
    dv_database_close(t.db);
    dv_database_remove(t.path, &t.opt, &t.err);
    t.opt.max_attachment_bytes = 4;
    ck_assert_int_eq(dv_database_create(t.path, &t.opt, &t.db, &t.err), 0);
    ck_assert_int_eq(
        testdb_put(&t, "a", "",
                   testdb_text(&t, "{\"_attachments\":{%s}}", inline_att("x", "aGVsbG8=")), NULL),
        DV_ETOOBIG);
    testdb_expect_error(&t.err, 413, "attachment_too_large", "x");
    testdb_must_put(&t, "a", "",
                    testdb_text(&t, "{\"_attachments\":{%s}}", inline_att("x", "aGVs")));
    testdb_close(&t);
}
END_TEST

static int count_bytes(void *arg, struct dv_slice missing, struct dv_slice json,
                       const struct dv_revision_read *read, struct dv_err *err)
{
    size_t *following = arg;

    (void)missing;
    (void)err;
    ck_assert(json.n > 0);
    for (size_t i = 0; i < read->n_atts; i++)
        *following += read->atts[i].follows;
    return 0;
}

START_TEST(only_what_is_newer_than_the_askers_revisions_is_sent)
{
    struct dv_slice since = DV_SLICE_LIT("2-b");
    struct dv_get_options opt = {
        .flags = DV_GET_FOLLOWS, .has_atts_since = true, .atts_since = &since, .n_atts_since = 1
    };
    size_t following = 0;

    testdb_create(&t, _i, "since");
    testdb_must_replicate(
        &t,
        "{\"_id\":\"a\",\"_revisions\":{\"start\":3,\"ids\":[\"c\",\"b\",\"a\"]},"
        "\"_attachments\":{\"old\":{\"content_type\":\"a/b\",\"revpos\":2,\"data\":\"aGVsbG8=\"},"
        "\"new\":{\"content_type\":\"a/b\",\"revpos\":3,\"data\":\"aGVsbG8=\"},"
        "\"odd\":{\"content_type\":\"a/b\",\"data\":\"aGVsbG8=\"}}}");
    ck_assert_int_eq(dv_database_open_revs(t.db, DV_SLICE_LIT("a"), true, NULL, 0, &opt,
                                           count_bytes, &following, &t.err),
                     0);
    ck_assert_uint_eq(following, 2); /* one without revpos counts as this revision's */
    since = DV_SLICE_LIT("9-z");
    following = 0;
    ck_assert_int_eq(dv_database_open_revs(t.db, DV_SLICE_LIT("a"), true, NULL, 0, &opt,
                                           count_bytes, &following, &t.err),
                     0);
    ck_assert_uint_eq(following, 3);
    testdb_close(&t);
}
END_TEST

START_TEST(bytes_are_stored_once_and_read_in_any_pieces)
{
    struct dv_edit_attachment att = { .name = DV_SLICE_LIT("x"),
                                      .content_type = DV_SLICE_LIT("text/plain") };
    char *text = malloc(200001), *got = malloc(200001);
    struct dv_att_source *s;
    struct dv_edit_result r;
    struct dv_att_meta meta;
    size_t n = 0, more = 1;

    testdb_create(&t, _i, "pieces");
    for (int i = 0; i < 200000; i++)
        text[i] = (char)('a' + i % 7 * (i % 11) % 26);
    text[200000] = '\0';
    stream(text, DV_ATT_COMPRESS, &att);
    ck_assert_int_eq(put_following("{\"_id\":\"a\"}", &att, &r), 0);
    ck_assert_int_eq(dv_database_find_attachment(t.db, DV_SLICE_LIT("a"), dv_slice(NULL, 0),
                                                 att.name, &t.arena, &meta, NULL, &t.err),
                     0);
    ck_assert_uint_eq(meta.decoded_bytes, 200000);
    ck_assert_int_eq(dv_att_source_open(t.db, &meta, true, 0, UINT64_MAX, &s, &t.err), 0);
    for (size_t room = 1; more > 0; room = room * 3 % 9973) {
        if (room > 200000 - n + 1)
            room = 200000 - n + 1;
        ck_assert_int_eq(dv_att_source_read(s, got + n, room, &more, &t.err), 0);
        n += more;
    }
    dv_att_source_close(s);
    ck_assert_uint_eq(n, 200000);
    ck_assert_int_eq(memcmp(got, text, n), 0);
    free(text);
    free(got);
    testdb_close(&t);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("attachments of documents");
    TCase *tc = tcase_create("attachments");

    tcase_add_loop_test(tc, an_edit_keeps_what_its_stubs_name, 0, TESTDB_ENGINES);
    tcase_add_loop_test(tc, a_document_made_anew_has_no_stubs_to_refer_to, 0, TESTDB_ENGINES);
    tcase_add_loop_test(tc, a_replicated_stub_means_the_nearest_ancestor_that_is_here, 0,
                        TESTDB_ENGINES);
    tcase_add_loop_test(tc, a_replicated_stub_may_be_found_in_another_leaf_by_its_digest, 0,
                        TESTDB_ENGINES);
    tcase_add_loop_test(tc, what_follows_must_have_come_and_agree_with_its_digest, 0,
                        TESTDB_ENGINES);
    tcase_add_loop_test(tc, an_attachment_alone_makes_a_revision_and_keeps_the_rest, 0,
                        TESTDB_ENGINES);
    tcase_add_loop_test(tc, an_attachment_over_the_limit_is_refused_by_the_limits_name, 0,
                        TESTDB_ENGINES);
    tcase_add_loop_test(tc, only_what_is_newer_than_the_askers_revisions_is_sent, 0,
                        TESTDB_ENGINES);
    tcase_add_loop_test(tc, bytes_are_stored_once_and_read_in_any_pieces, 0, TESTDB_ENGINES);
    suite_add_tcase(suite, tc);
    return dv_check_run(suite);
}
