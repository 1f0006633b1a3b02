/* database: edits and their conflicts, replicated edits, local documents, limits, security, seqs.
 */
#include <stdio.h>
#include <stdlib.h>

#include "lib/check_main.h"
#include "lib/testdb.h"

static struct testdb t;

/* ---- edits -------------------------------------------------------------------------------------
 */

static void expect_conflict(const char *id, const char *rev, const char *json)
{
    uint64_t seq = testdb_update_seq(&t);

    ck_assert_int_eq(testdb_put(&t, id, rev, json, NULL), DV_ECONFLICT);
    testdb_expect_error(&t.err, 409, "conflict", "Document update conflict.");
    ck_assert_uint_eq(testdb_update_seq(&t), seq);
}

START_TEST(an_edit_must_name_a_leaf_of_a_live_document)
{
    const char *first, *second;

    testdb_create(&t, _i, "edits");
    expect_conflict("a", "1-abc", "{}");
    first = testdb_must_put(&t, "a", "", "{\"v\":1}");
    expect_conflict("a", "", "{\"v\":2}");
    expect_conflict("a", "1-abc", "{\"v\":2}");
    second = testdb_must_put(&t, "a", first, "{\"v\":2}");
    expect_conflict("a", first, "{\"v\":3}");
    testdb_expect(&t, "a", "", 0,
                  testdb_text(&t, "{\"_id\":\"a\",\"_rev\":\"%s\",\"v\":2}", second));
    ck_assert_uint_eq(testdb_doc_count(&t), 1);
    testdb_close(&t);
}
END_TEST

START_TEST(a_deleted_document_is_made_anew_on_its_tombstone)
{
    const char *rev, *gone, *again;

    testdb_create(&t, _i, "recreate");
    rev = testdb_must_put(&t, "a", "", "{\"v\":1}");
    gone = testdb_must_put(&t, "a", rev, "{\"_deleted\":true}");
    ck_assert_ptr_null(testdb_get(&t, "a", "", 0));
    testdb_expect_error(&t.err, 404, "not_found", "deleted");
    testdb_expect(&t, "a", gone, 0,
                  testdb_text(&t, "{\"_id\":\"a\",\"_rev\":\"%s\",\"_deleted\":true}", gone));
    expect_conflict("a", gone, "{\"v\":2}");
    expect_conflict("a", "", "{\"_deleted\":true}");
    again = testdb_must_put(&t, "a", "", "{\"v\":2}");
    ck_assert(dv_slice_starts(dv_slice_str(again), "3-"));
    ck_assert_uint_eq(testdb_doc_count(&t), 1);
    testdb_close(&t);
}
END_TEST

START_TEST(a_leaf_that_is_not_the_winner_can_be_edited_and_deleted)
{
    const char *rev;

    testdb_create(&t, _i, "branches");
    testdb_must_replicate(&t, "{\"_id\":\"a\",\"_rev\":\"1-aaa\"}");
    testdb_must_replicate(&t, "{\"_id\":\"a\",\"_rev\":\"1-bbb\",\"v\":2}");
    rev = testdb_must_put(&t, "a", "1-aaa", "{\"v\":3}");
    testdb_expect(
        &t, "a", "", DV_GET_CONFLICTS,
        testdb_text(&t, "{\"_id\":\"a\",\"_rev\":\"%s\",\"v\":3,\"_conflicts\":[\"1-bbb\"]}", rev));
    rev = testdb_must_put(&t, "a", rev, "{\"_deleted\":true}");
    testdb_expect(&t, "a", "", DV_GET_CONFLICTS | DV_GET_DELETED_CONFLICTS,
                  testdb_text(&t,
                              "{\"_id\":\"a\",\"_rev\":\"1-bbb\",\"v\":2,\"_deleted_conflicts\":"
                              "[\"%s\"]}",
                              rev));
    testdb_must_put(&t, "a", rev, "{\"v\":4}"); /* the tombstone of a live document is a leaf too */
    testdb_close(&t);
}
END_TEST

START_TEST(edits_of_one_document_in_a_batch_are_applied_in_order)
{
    static const struct dv_write_options opt;
    struct dv_edit edits[5] = { { .json = DV_SLICE_LIT("{\"_id\":\"b\",\"n\":1}") },
                                { .json = DV_SLICE_LIT("{\"_id\":\"b\",\"n\":2}") },
                                { .json = DV_SLICE_LIT("{\"_id\":\"a\"}") },
                                { .json = DV_SLICE_LIT("{\"_id\":\"a\",\"_nope\":1}") },
                                { .json = DV_SLICE_LIT("{\"x\":1}") } };
    struct dv_edit_result r[5];

    testdb_create(&t, _i, "batch");
    ck_assert_int_eq(dv_database_write(t.db, edits, 5, &opt, &t.arena, r, &t.err), 0);
    ck_assert_int_eq(r[0].code, 0);
    ck_assert_int_eq(r[1].code, DV_ECONFLICT);
    ck_assert_int_eq(r[2].code, 0);
    testdb_expect_error(r[3].err, 400, "doc_validation", "Bad special document member: _nope");
    ck_assert_int_eq(r[4].code, 0);
    ck_assert_uint_eq(r[4].id.n, 32);
    edits[0] =
        (struct dv_edit){ .json = DV_SLICE_LIT("{\"n\":3}"), .id = r[0].id, .rev = r[0].rev };
    edits[1] =
        (struct dv_edit){ .json = DV_SLICE_LIT("{\"n\":4}"), .id = r[0].id, .rev = r[0].rev };
    ck_assert_int_eq(dv_database_write(t.db, edits, 2, &opt, &t.arena, r, &t.err), 0);
    ck_assert_int_eq(r[0].code, 0);
    ck_assert_int_eq(r[1].code, DV_ECONFLICT);
    ck_assert_uint_eq(testdb_doc_count(&t), 3);
    ck_assert_uint_eq(testdb_update_seq(&t), 4);
    testdb_close(&t);
}
END_TEST

START_TEST(a_body_comes_back_as_the_bytes_that_were_given)
{
    static const char body[] =
        "\"n\":1.50e+1,\"big\":123456789012345678901234567890,\"z\":-0.0,"
        "\"e\":\"\\u00e9\\/\\ud83d\\ude00\",\"u\":\"\xc3\xa9\",\"a\":[{},[]]";
    const char *rev, *got;

    testdb_create(&t, _i, "bytes");
    rev =
        testdb_must_put(&t, "a", "", testdb_text(&t, " {%s , \"_access\" : [ \"x y\" ] } ", body));
    testdb_reopen(&t);
    got = testdb_get(&t, "a", "", 0);
    ck_assert_str_eq(
        got,
        testdb_text(&t, "{\"_id\":\"a\",\"_rev\":\"%s\",%s,\"_access\":[\"x y\"]}", rev, body));
    testdb_close(&t);
}
END_TEST

START_TEST(a_document_over_the_limit_is_refused_by_the_limits_name)
{
    struct dv_database_options opt;
    char json[200];

    testdb_create(&t, _i, "limit");
    opt = t.opt;
    opt.max_document_bytes = 100;
    dv_database_close(t.db);
    dv_database_remove(t.path, &opt, &t.err);
    ck_assert_int_eq(dv_database_create(t.path, &opt, &t.db, &t.err), 0);
    snprintf(json, sizeof(json), "{\"v\":\"%0*d\"}", 92, 1);
    testdb_must_put(&t, "fits", "", json);
    snprintf(json, sizeof(json), "{\"v\":\"%0*d\"}", 93, 1);
    ck_assert_int_eq(testdb_put(&t, "large", "", json, NULL), DV_ETOOBIG);
    testdb_expect_error(&t.err, 413, "document_too_large", "large");
    testdb_close(&t);
}
END_TEST

START_TEST(a_revision_beside_the_document_must_be_the_one_inside)
{
    const char *rev;

    testdb_create(&t, _i, "revs");
    rev = testdb_must_put(&t, "a", "", "{}");
    ck_assert_int_eq(testdb_put(&t, "a", rev, "{\"_rev\":\"1-abc\"}", NULL), DV_EINVAL);
    testdb_expect_error(&t.err, 400, "bad_request",
                        "Document rev from request body and query string have different values");
    ck_assert_int_eq(testdb_put(&t, "a", "banana", "{}", NULL), DV_EINVAL);
    testdb_expect_error(&t.err, 400, "bad_request", "Invalid rev format");
    testdb_must_put(&t, "a", rev, testdb_text(&t, "{\"_rev\":\"%s\"}", rev));
    testdb_close(&t);
}
END_TEST

/* ---- replicated edits
 * ---------------------------------------------------------------------------- */

START_TEST(a_revision_that_is_there_changes_nothing)
{
    static const char doc[] =
        "{\"_id\":\"a\",\"_revisions\":{\"start\":3,\"ids\":[\"ccc\",\"bbb\"]},\"v\":1}";
    uint64_t seq;

    testdb_create(&t, _i, "again");
    testdb_must_replicate(&t, doc);
    seq = testdb_update_seq(&t);
    testdb_must_replicate(&t, doc);
    testdb_must_replicate(&t, "{\"_id\":\"a\",\"_rev\":\"3-ccc\",\"v\":2}");
    testdb_must_replicate(&t, "{\"_id\":\"a\",\"_rev\":\"2-bbb\",\"v\":3}");
    ck_assert_uint_eq(testdb_update_seq(&t), seq);
    /* Roots that were unknown are news. */
    testdb_must_replicate(&t, "{\"_id\":\"a\",\"_revisions\":{\"start\":3,"
                              "\"ids\":[\"ccc\",\"bbb\",\"aaa\"]},\"v\":1}");
    ck_assert_uint_eq(testdb_update_seq(&t), seq + 1);
    testdb_expect(&t, "a", "", DV_GET_REVS | DV_GET_REVS_INFO,
                  "{\"_id\":\"a\",\"_rev\":\"3-ccc\",\"v\":1,"
                  "\"_revisions\":{\"start\":3,\"ids\":[\"ccc\",\"bbb\",\"aaa\"]},"
                  "\"_revs_info\":[{\"rev\":\"3-ccc\",\"status\":\"available\"},"
                  "{\"rev\":\"2-bbb\",\"status\":\"missing\"},{\"rev\":\"1-aaa\",\"status\":"
                  "\"missing\"}]}");
    testdb_close(&t);
}
END_TEST

START_TEST(paths_are_stemmed_to_the_limit)
{
    const char *rev = "";

    testdb_create(&t, _i, "stem");
    ck_assert_int_eq(dv_database_set_revs_limit(t.db, 3, &t.err), 0);
    for (int i = 0; i < 5; i++)
        rev = testdb_must_put(&t, "a", rev, testdb_text(&t, "{\"v\":%d}", i));
    testdb_must_replicate(&t, "{\"_id\":\"b\",\"_revisions\":{\"start\":5,"
                              "\"ids\":[\"e\",\"d\",\"c\",\"b\",\"a\"]}}");
    testdb_expect(&t, "b", "", DV_GET_REVS,
                  "{\"_id\":\"b\",\"_rev\":\"5-e\",\"_revisions\":{\"start\":5,"
                  "\"ids\":[\"e\",\"d\",\"c\"]}}");
    /* A cut path that comes whole again is not news. */
    ck_assert_uint_eq(testdb_update_seq(&t), 7);
    testdb_must_replicate(&t, "{\"_id\":\"b\",\"_revisions\":{\"start\":5,"
                              "\"ids\":[\"e\",\"d\",\"c\",\"b\",\"a\"]}}");
    ck_assert_uint_eq(testdb_update_seq(&t), 7);
    testdb_close(&t);
}
END_TEST

START_TEST(bad_paths_are_refused_each_alone)
{
    testdb_create(&t, _i, "paths");
    ck_assert_int_eq(testdb_replicate(&t, "{\"_id\":\"a\"}", NULL), DV_EINVAL);
    testdb_expect_error(&t.err, 400, "bad_request",
                        "When `new_edits: false`, the document needs `_rev` or `_revisions` "
                        "specified");
    ck_assert_int_lt(testdb_replicate(&t, "{\"_id\":\"a\",\"_rev\":\"0-a\"}", NULL), 0);
    ck_assert_int_lt(testdb_replicate(&t,
                                      "{\"_id\":\"a\",\"_revisions\":{\"start\":1,"
                                      "\"ids\":[\"b\",\"a\"]}}",
                                      NULL),
                     0);
    ck_assert_int_lt(testdb_replicate(&t,
                                      "{\"_id\":\"a\",\"_revisions\":{\"start\":\"x\","
                                      "\"ids\":[]}}",
                                      NULL),
                     0);
    ck_assert_uint_eq(testdb_update_seq(&t), 0);
    testdb_close(&t);
}
END_TEST

/* ---- local documents
 * ------------------------------------------------------------------------------ */

START_TEST(local_documents_count_their_edits_and_never_conflict)
{
    testdb_create(&t, _i, "local");
    ck_assert_str_eq(testdb_must_put(&t, "_local/x", "", "{\"v\":1}"), "0-1");
    ck_assert_str_eq(testdb_must_put(&t, "_local/x", "", "{\"v\":2}"), "0-1");
    ck_assert_str_eq(testdb_must_put(&t, "_local/x", "0-1234567890123456", "{\"v\":3}"),
                     "0-1234567890123457");
    testdb_expect(&t, "_local/x", "", 0,
                  "{\"_id\":\"_local/x\",\"_rev\":\"0-1234567890123457\",\"v\":3}");
    ck_assert_int_eq(testdb_put(&t, "_local/x", "1-abc", "{}", NULL), DV_EINVAL);
    ck_assert_int_eq(testdb_put(&t, "_local/x", "0-abc", "{}", NULL), DV_EINVAL);
    ck_assert_str_eq(testdb_must_put(&t, "_local/x", "0-7", "{\"_deleted\":true}"), "0-0");
    ck_assert_ptr_null(testdb_get(&t, "_local/x", "", 0));
    testdb_expect_error(&t.err, 404, "not_found", "missing");
    ck_assert_uint_eq(testdb_update_seq(&t), 0);
    testdb_close(&t);
}
END_TEST

/* ---- administration
 * -------------------------------------------------------------------------------- */

static void expect_bad_security(const char *json, const char *reason)
{
    ck_assert_int_eq(dv_database_set_security(t.db, dv_slice_str(json), &t.err), DV_EINVAL);
    testdb_expect_error(&t.err, 400, "bad_request", reason);
}

START_TEST(a_security_object_has_couchdbs_shape)
{
    struct dv_buf out;

    testdb_create(&t, _i, "security");
    expect_bad_security("{\"admins\":{\"names\":\"bob\"}}", "names must be a JSON list of strings");
    expect_bad_security("{\"members\":{\"roles\":[1]}}", "roles must be a JSON list of strings");
    expect_bad_security("{\"admins\":[]}", "admins or members must be a JSON list of strings");
    expect_bad_security("[]", "Request body must be a JSON object");
    ck_assert_int_eq(
        dv_database_set_security(t.db, DV_SLICE_LIT("{\"admins\":{\"names\":[\"b\"]}}"), &t.err),
        0);
    dv_buf_init(&out, 1000);
    ck_assert_int_eq(dv_database_security(t.db, &out, &t.err), 0);
    ck_assert(dv_slice_eq_str(dv_buf_slice(&out), "{\"admins\":{\"names\":[\"b\"]}}"));
    dv_buf_fini(&out);
    ck_assert_int_eq(dv_database_set_revs_limit(t.db, 0, &t.err), DV_EINVAL);
    testdb_close(&t);
}
END_TEST

/* ---- seqs
 * ------------------------------------------------------------------------------------------ */

static uint64_t since(const char *text)
{
    uint64_t seq = 77;

    ck_assert_msg(dv_database_since(t.db, dv_slice_str(text), &seq, &t.err) == 0, "%s: %s", text,
                  t.err.reason);
    return seq;
}

static const char *seq_text(uint64_t seq)
{
    struct dv_buf out;
    const char *text;

    dv_buf_init(&out, 200);
    ck_assert_int_eq(dv_database_seq_text(t.db, seq, &out, &t.err), 0);
    text = testdb_text(&t, "%s", dv_buf_cstr(&out));
    dv_buf_fini(&out);
    return text;
}

START_TEST(a_since_that_is_not_explained_goes_back)
{
    struct dv_props props;
    uint64_t seq;

    testdb_create(&t, _i, "since");
    for (int i = 0; i < 3; i++)
        testdb_must_put(&t, testdb_text(&t, "%d", i), "", "{}");
    ck_assert_int_eq(dv_database_props(t.db, &props, &t.err), 0);
    ck_assert_uint_eq(since("0"), 0);
    ck_assert_uint_eq(since("2"), 2);
    ck_assert_uint_eq(since("now"), 3);
    ck_assert_uint_eq(since("4"), 0);
    ck_assert_uint_eq(since(seq_text(2)), 2);
    ck_assert_uint_eq(since(seq_text(9)), 0); /* the file was restored from before */
    ck_assert_uint_eq(since("2-g1AAAABPeJzLYWBgYM"), 0);
    ck_assert_uint_eq(since("2-ffffffffffffffffffffffffffffffff-0123456789abcdef0123456789abcdef"),
                      0);
    ck_assert_uint_eq(since(testdb_text(&t, "2-%s-ffffffffffffffffffffffffffffffff", props.uuid)),
                      0);
    ck_assert_int_eq(dv_database_since(t.db, DV_SLICE_LIT("banana"), &seq, &t.err), DV_EINVAL);
    testdb_expect_error(&t.err, 400, "bad_request",
                        "Malformed sequence supplied in 'since' parameter.");
    testdb_close(&t);
}
END_TEST

START_TEST(a_copy_goes_on_from_where_it_was_taken)
{
    const char *two, *four;

    testdb_create(&t, 1, "copied");
    for (int i = 0; i < 3; i++)
        testdb_must_put(&t, testdb_text(&t, "%d", i), "", "{}");
    two = seq_text(2);
    four = testdb_text(&t, "4%s", two + 1); /* the first node went on with the original */
    memcpy(t.opt.store.node, "fedcba9876543210fedcba9876543210", 33);
    testdb_reopen(&t);
    for (int i = 3; i < 6; i++)
        testdb_must_put(&t, testdb_text(&t, "%d", i), "", "{}");
    ck_assert_uint_eq(since(two), 2);
    ck_assert_uint_eq(since(four), 3);
    ck_assert_uint_eq(since(seq_text(5)), 5);
    ck_assert_ptr_nonnull(strstr(seq_text(5), "fedcba98"));
    ck_assert_ptr_nonnull(strstr(seq_text(2), "01234567"));
    testdb_close(&t);
}
END_TEST

static void add_cases(TCase *tc)
{
    tcase_add_loop_test(tc, an_edit_must_name_a_leaf_of_a_live_document, 0, TESTDB_ENGINES);
    tcase_add_loop_test(tc, a_deleted_document_is_made_anew_on_its_tombstone, 0, TESTDB_ENGINES);
    tcase_add_loop_test(tc, a_leaf_that_is_not_the_winner_can_be_edited_and_deleted, 0,
                        TESTDB_ENGINES);
    tcase_add_loop_test(tc, edits_of_one_document_in_a_batch_are_applied_in_order, 0,
                        TESTDB_ENGINES);
    tcase_add_loop_test(tc, a_body_comes_back_as_the_bytes_that_were_given, 0, TESTDB_ENGINES);
    tcase_add_loop_test(tc, a_document_over_the_limit_is_refused_by_the_limits_name, 0,
                        TESTDB_ENGINES);
    tcase_add_loop_test(tc, a_revision_beside_the_document_must_be_the_one_inside, 0,
                        TESTDB_ENGINES);
    tcase_add_loop_test(tc, a_revision_that_is_there_changes_nothing, 0, TESTDB_ENGINES);
    tcase_add_loop_test(tc, paths_are_stemmed_to_the_limit, 0, TESTDB_ENGINES);
    tcase_add_loop_test(tc, bad_paths_are_refused_each_alone, 0, TESTDB_ENGINES);
    tcase_add_loop_test(tc, local_documents_count_their_edits_and_never_conflict, 0,
                        TESTDB_ENGINES);
    tcase_add_loop_test(tc, a_security_object_has_couchdbs_shape, 0, TESTDB_ENGINES);
    tcase_add_loop_test(tc, a_since_that_is_not_explained_goes_back, 0, TESTDB_ENGINES);
    tcase_add_test(tc, a_copy_goes_on_from_where_it_was_taken);
}

int main(void)
{
    Suite *suite = suite_create("database");
    TCase *tc = tcase_create("documents");

    add_cases(tc);
    suite_add_tcase(suite, tc);
    return dv_check_run(suite);
}
