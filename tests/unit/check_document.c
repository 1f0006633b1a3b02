/* Documents as they arrive: the normalised body, the special members, CouchDB's complaints. */
#include <stdio.h>

#include "base/mem.h"
#include "base/rand.h"
#include "couch/document.h"
#include "lib/check_main.h"

static struct dv_arena arena;
static struct dv_document_parser *parser;
static struct dv_document doc;
static struct dv_err err;

static void setup(void)
{
    dv_arena_init(&arena, 64 << 20);
    ck_assert_int_eq(dv_document_parser_new(0, 0, &parser, NULL), 0);
}

static void teardown(void)
{
    dv_document_parser_free(parser);
    dv_arena_fini(&arena);
}

static int parse(const char *json)
{
    dv_arena_reset(&arena);
    dv_err_clear(&err);
    return dv_document_parse(parser, dv_slice_str(json), &arena, &doc, &err);
}

static void assert_body(const char *json, const char *body)
{
    ck_assert_msg(parse(json) == 0, "%s: %s", json, err.reason);
    ck_assert_msg(dv_slice_eq_str(doc.body, body), "%s became %.*s", json, (int)doc.body.n,
                  doc.body.p);
}

static void assert_refused(const char *json, const char *name, const char *reason)
{
    ck_assert_msg(parse(json) < 0, "%s was accepted", json);
    ck_assert_str_eq(err.name, name);
    ck_assert_str_eq(err.reason, reason);
    ck_assert_int_eq(err.http_status, 400);
}

START_TEST(the_body_keeps_bytes_order_and_escapes_and_loses_white_space)
{
    assert_body("{}", "{}");
    assert_body(" { \"b\" : 1.50 , \"a\\u0041\" : [ 1e2 , { } , \"x\\/ y\" ] }\n",
                "{\"b\":1.50,\"a\\u0041\":[1e2,{},\"x\\/ y\"]}");
    assert_body("{\"n\":[[],[[null,true]],-0,12345678901234567890123]}",
                "{\"n\":[[],[[null,true]],-0,12345678901234567890123]}");
}
END_TEST

START_TEST(underscore_members_are_taken_out_wherever_they_stand)
{
    assert_body("{\"_id\":\"x\",\"a\":1,\"_rev\":\"1-a\",\"b\":{\"_id\":2},\"_deleted\":true}",
                "{\"a\":1,\"b\":{\"_id\":2}}");
    ck_assert(doc.deleted && doc.has_id && dv_slice_eq_str(doc.id, "x"));
    assert_body("{\"_revs_info\":[{\"rev\":\"1-a\"}],\"_conflicts\":[\"2-b\"],\"_local_seq\":4,"
                "\"_deleted_conflicts\":{\"x\":[1]},\"c\":3}",
                "{\"c\":3}");
    assert_body("{\"\\u005fid\":\"y\",\"z\":1}", "{\"z\":1}");
    ck_assert(dv_slice_eq_str(doc.id, "y"));
}
END_TEST

START_TEST(members_of_the_replicator_and_access_stay_in_the_body)
{
    assert_body("{\"_replication_state\":\"x\",\"a\":1,\"_replication_stats\":{\"b\":[2]},"
                "\"_replication_id\":\"q\",\"_replication_state_time\":1,"
                "\"_replication_state_reason\":null,\"_access\":[]}",
                "{\"_replication_state\":\"x\",\"a\":1,\"_replication_stats\":{\"b\":[2]},"
                "\"_replication_id\":\"q\",\"_replication_state_time\":1,"
                "\"_replication_state_reason\":null,\"_access\":[]}");
}
END_TEST

START_TEST(of_duplicate_members_the_last_stands_in_its_own_place)
{
    assert_body("{\"a\":1,\"b\":2,\"a\":3}", "{\"b\":2,\"a\":3}");
    assert_body("{\"a\":1,\"\\u0061\":{\"x\":1,\"x\":[2],\"y\":{\"z\":1,\"z\":1,\"z\":2}},\"c\":0}",
                "{\"\\u0061\":{\"x\":[2],\"y\":{\"z\":2}},\"c\":0}");
    assert_body("{\"a\":[{\"k\":1,\"k\":2},{\"k\":1}],\"a\":[{\"k\":1,\"k\":3}]}",
                "{\"a\":[{\"k\":3}]}");
    assert_body("{\"_id\":5,\"_id\":\"ok\",\"_rev\":\"bad\",\"_rev\":\"1-a\"}", "{}");
    ck_assert(dv_slice_eq_str(doc.id, "ok") && doc.has_rev);
}
END_TEST

START_TEST(duplicates_are_found_in_large_objects_too)
{
    struct dv_buf in, out;

    dv_buf_init(&in, 1 << 20);
    dv_buf_init(&out, 1 << 20);
    dv_buf_add_char(&in, '{');
    dv_buf_add_char(&out, '{');
    for (int i = 0; i < 3000; i++)
        dv_buf_printf(&in, "\"k%d\":%d,", i % 1000, i);
    for (int i = 2000; i < 3000; i++)
        dv_buf_printf(&out, "\"k%d\":%d,", i % 1000, i);
    in.p[in.n - 1] = '}';
    out.p[out.n - 1] = '}';
    ck_assert_int_eq(dv_document_parse(parser, dv_buf_slice(&in), &arena, &doc, &err), 0);
    ck_assert(dv_slice_eq(doc.body, dv_buf_slice(&out)));
    dv_buf_fini(&in);
    dv_buf_fini(&out);
}
END_TEST

START_TEST(the_recorded_complaints_are_made)
{
    assert_refused("{\"a\":", "bad_request", "invalid UTF-8 JSON");
    assert_refused("{\"_foo\":1,\"a\":01}", "bad_request", "invalid UTF-8 JSON");
    assert_refused("{\"a\":1e400}", "bad_request", "invalid UTF-8 JSON");
    assert_refused("", "bad_request", "invalid UTF-8 JSON");
    assert_refused("[1]", "bad_request", "Document must be a JSON object");
    assert_refused("\"s\"", "bad_request", "Document must be a JSON object");
    assert_refused("[1", "bad_request", "invalid UTF-8 JSON");
    assert_refused("{\"_foo\":1}", "doc_validation", "Bad special document member: _foo");
    assert_refused("{\"_id\":5}", "illegal_docid", "Document id must be a string");
    assert_refused("{\"_id\":\"\"}", "illegal_docid", "Document id must not be empty");
    assert_refused("{\"_id\":\"_x\"}", "illegal_docid",
                   "Only reserved document ids may start with underscore.");
    assert_refused("{\"_rev\":\"abc\"}", "bad_request", "Invalid rev format");
    assert_refused("{\"_rev\":7}", "bad_request", "Invalid rev format");
    assert_refused("{\"_deleted\":1}", "doc_validation", "Bad special document member: _deleted");
    assert_refused("{\"_attachments\":[]}", "doc_validation",
                   "Bad special document member: _attachments");
    assert_refused("{\"_revisions\":{\"start\":\"1\",\"ids\":[]}}", "doc_validation",
                   "_revisions.start isn't an integer.");
    assert_refused("{\"_revisions\":{\"start\":1,\"ids\":3}}", "doc_validation",
                   "_revisions.ids isn't a array.");
    assert_refused("{\"_revisions\":{\"start\":1,\"ids\":[3]}}", "doc_validation",
                   "RevId isn't a string");
    assert_refused("{\"_revisions\":{\"start\":1,\"ids\":[\"zz345678901234567890123456789012\"]}}",
                   "doc_validation", "RevId isn't a valid hexadecimal");
    assert_refused("{\"_revisions\":{\"start\":1,\"ids\":[\"a\",\"b\"]}}", "doc_validation",
                   "_revisions.ids is longer than _revisions.start");
    assert_refused("{\"_attachments\":{\"a.bin\":{\"content_type\":\"x/y\"}}}", "bad_request",
                   "Invalid attachment data for a.bin");
    assert_refused("{\"_attachments\":{\"_a\":{\"data\":\"\"}}}", "bad_request",
                   "Attachment name '_a' starts with prohibited character '_'");
    assert_refused("{\"_x\":1,\"_id\":5}", "doc_validation", "Bad special document member: _x");
    assert_refused("{\"_id\":5,\"_x\":1}", "illegal_docid", "Document id must be a string");
}
END_TEST

START_TEST(revisions_come_from_the_path_or_from_rev_alone)
{
    ck_assert_int_eq(parse("{\"_rev\":\"3-0123456789abcdef0123456789ABCDEF\"}"), 0);
    ck_assert(doc.has_rev && !doc.from_revisions && doc.start == 3 && doc.n_ids == 1);
    ck_assert_uint_eq(doc.ids[0].n, 16);
    ck_assert_int_eq(doc.ids[0].p[1], 0x23);
    ck_assert_int_eq(
        parse("{\"_revisions\":{\"ids\":[\"c\",\"b\"],\"start\":9,\"x\":[{\"ids\":[1]}]},"
              "\"_rev\":\"nonsense is not looked at\"}"),
        0);
    ck_assert(doc.has_rev && doc.from_revisions && doc.start == 9 && doc.n_ids == 2);
    ck_assert(dv_slice_eq_str(doc.ids[0], "c") && dv_slice_eq_str(doc.ids[1], "b"));
    ck_assert_int_eq(parse("{}"), 0);
    ck_assert(!doc.has_rev && !doc.has_id && !doc.deleted);
}
END_TEST

START_TEST(attachments_are_told_apart)
{
    struct dv_buf b;

    ck_assert_int_eq(
        parse(
            "{\"_attachments\":{\"a\":{\"content_type\":\"t/p\",\"revpos\":3,\"digest\":"
            "\"md5-1B2M2Y8AsgTpgAmY7PhCfg==\",\"length\":10,\"stub\":true,\"data\":\"x\"},"
            "\"skipped\":7,\"skipped too\":[{\"stub\":true}],"
            "\"b\\n\":{\"follows\":true,\"length\":23,\"encoding\":\"gzip\",\"encoded_length\":28},"
            "\"a\":{\"data\":\"aGVs\\u0062G8=\",\"deep\":{\"data\":1}}}}"),
        0);
    ck_assert_uint_eq(doc.n_atts, 2);
    ck_assert(dv_slice_eq_str(doc.atts[0].name, "b\n"));
    ck_assert(doc.atts[0].kind == DV_DOC_ATT_FOLLOWS && doc.atts[0].gzip);
    ck_assert_uint_eq(doc.atts[0].encoded_length, 28);
    ck_assert(doc.atts[1].kind == DV_DOC_ATT_INLINE && !doc.atts[1].has_revpos);
    ck_assert(dv_slice_eq_str(doc.atts[1].content_type, "application/octet-stream"));
    dv_buf_init(&b, 100);
    ck_assert(dv_base64_decode(doc.atts[1].data, &b));
    ck_assert(dv_slice_eq_str(dv_buf_slice(&b), "hello"));
    dv_buf_fini(&b);
    ck_assert_int_eq(parse("{\"_attachments\":{\"s\":{\"stub\":true,\"revpos\":2,\"digest\":"
                           "\"md5-1B2M2Y8AsgTpgAmY7PhCfg==\"}}}"),
                     0);
    ck_assert(doc.atts[0].kind == DV_DOC_ATT_STUB && doc.atts[0].has_md5 &&
              doc.atts[0].revpos == 2);
    ck_assert_int_eq(doc.atts[0].md5[0], 0xd4);
}
END_TEST

START_TEST(of_attachments_of_one_name_the_last_stands)
{
    struct dv_buf text;

    ck_assert_int_eq(parse("{\"_attachments\":{\"a\":{\"stub\":true},\"b\":{\"stub\":true},"
                           "\"a\":7,\"c\":[],\"b\":{\"follows\":true}}}"),
                     0);
    ck_assert_uint_eq(doc.n_atts, 1);
    ck_assert(dv_slice_eq_str(doc.atts[0].name, "b") && doc.atts[0].kind == DV_DOC_ATT_FOLLOWS);
    dv_buf_init(&text, 1 << 20);
    dv_buf_add_str(&text, "{\"_attachments\":{");
    for (int i = 0; i < 3000; i++)
        dv_buf_printf(&text, "%s\"a%d\":{\"stub\":true,\"revpos\":%d}", i ? "," : "", i % 2000, i);
    dv_buf_add_str(&text, "}}");
    ck_assert_int_eq(parse(dv_buf_cstr(&text)), 0);
    ck_assert_uint_eq(doc.n_atts, 2000);
    ck_assert(dv_slice_eq_str(doc.atts[0].name, "a1000") && doc.atts[0].revpos == 1000);
    ck_assert(dv_slice_eq_str(doc.atts[1999].name, "a999") && doc.atts[1999].revpos == 2999);
    dv_buf_fini(&text);
}
END_TEST

START_TEST(a_body_over_the_limit_is_refused_by_its_id)
{
    struct dv_document_parser *small;

    ck_assert_int_eq(dv_document_parser_new(20, 0, &small, NULL), 0);
    ck_assert_int_eq(dv_document_parse(small,
                                       dv_slice_str("{\"_id\":\"big\",\"a\":\"0123456789\"     }"),
                                       &arena, &doc, &err),
                     0);
    ck_assert_int_eq(dv_document_parse(small,
                                       dv_slice_str("{\"_id\":\"big\",\"a\":\"012345678901234\"}"),
                                       &arena, &doc, &err),
                     DV_ETOOBIG);
    ck_assert_int_eq(err.http_status, 413);
    ck_assert_str_eq(err.name, "document_too_large");
    ck_assert_str_eq(err.reason, "big");
    dv_document_parser_free(small);
}
END_TEST

START_TEST(every_truncation_is_refused_and_deep_nesting_has_a_ceiling)
{
    const char *whole =
        "{\"_id\":\"a\",\"_rev\":\"1-b\",\"_revisions\":{\"start\":1,\"ids\":[\"b\"]},"
        "\"_attachments\":{\"n\":{\"data\":\"\"}},\"x\":[{\"y\":\"\\u00e9\"}]}";
    struct dv_buf deep;

    for (size_t n = 0; n < strlen(whole); n++) {
        dv_arena_reset(&arena);
        ck_assert_int_lt(dv_document_parse(parser, dv_slice(whole, n), &arena, &doc, &err), 0);
    }
    ck_assert_int_eq(parse(whole), 0);
    dv_buf_init(&deep, 1 << 20);
    dv_buf_add_str(&deep, "{\"a\":");
    for (int i = 0; i < 100000; i++)
        dv_buf_add_char(&deep, '[');
    ck_assert_int_eq(dv_document_parse(parser, dv_buf_slice(&deep), &arena, &doc, &err),
                     DV_ETOOBIG);
    dv_buf_fini(&deep);
}
END_TEST

static bool fail_nth(void *arg)
{
    int *n = arg;

    return --*n == 0;
}

START_TEST(each_failed_allocation_is_an_error_and_the_parser_goes_on)
{
    const char *json = "{\"_id\":\"a\\u0041\",\"_rev\":\"1-b\",\"x\":{\"k\\n\":1,\"k\\n\":2},"
                       "\"_revisions\":{\"start\":2,\"ids\":[\"b\",\"a\"]},"
                       "\"_attachments\":{\"n\":{\"data\":\"eA==\"}}}";
    int rc = DV_ENOMEM, n;

    for (n = 1; rc == DV_ENOMEM; n++) {
        struct dv_document_parser *p = NULL;
        struct dv_arena a;
        int left = n;

        dv_arena_init(&a, 1 << 20);
        dv_mem_set_fault(fail_nth, &left);
        rc = dv_document_parser_new(0, 0, &p, &err);
        if (rc == 0)
            rc = dv_document_parse(p, dv_slice_str(json), &a, &doc, &err);
        dv_mem_set_fault(NULL, NULL);
        if (rc < 0 && p)
            ck_assert_int_eq(dv_document_parse(p, dv_slice_str(json), &a, &doc, &err), 0);
        ck_assert(rc == 0 || rc == DV_ENOMEM);
        dv_document_parser_free(p);
        dv_arena_fini(&a);
    }
    ck_assert_int_gt(n, 8);
}
END_TEST

START_TEST(mutated_documents_never_do_harm)
{
    const char *seed_text =
        "{\"_id\":\"a\",\"_rev\":\"1-b\",\"_revisions\":{\"start\":2,\"ids\":[\"b\",\"c\"]},"
        "\"_attachments\":{\"n\":{\"data\":\"eA==\",\"stub\":false}},\"x\":{\"x\":1,\"x\":[1,2]}}";
    struct dv_rng rng;

    dv_rng_seed(&rng, 11);
    for (int round = 0; round < 20000; round++) {
        char text[300];
        size_t n = strlen(seed_text);

        memcpy(text, seed_text, n);
        for (uint64_t k = 1 + dv_rng_below(&rng, 3); k > 0; k--)
            text[dv_rng_below(&rng, n)] = seed_text[dv_rng_below(&rng, n)];
        dv_arena_reset(&arena);
        if (dv_document_parse(parser, dv_slice(text, n), &arena, &doc, &err) == 0)
            ck_assert_uint_ge(doc.body.n, 2);
    }
}
END_TEST

START_TEST(base64_is_strict_about_all_but_white_space)
{
    static const char *const bad[] = { "@@@",   "a",        "ab",   "abc",  "ab=",
                                       "abc=d", "ab==cd==", "=abc", "a===", "abcd=" };
    struct dv_buf b, text;
    struct dv_rng rng;

    dv_buf_init(&b, 1000);
    dv_buf_init(&text, 1000);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!dv_base64_decode(dv_slice_str(bad[i]), &b) && b.n == 0, "%s", bad[i]);
    ck_assert(dv_base64_decode(DV_SLICE_LIT(" aG\nVs bG8= \r\n"), &b));
    ck_assert(dv_slice_eq_str(dv_buf_slice(&b), "hello"));
    dv_rng_seed(&rng, 5);
    for (int round = 0; round < 500; round++) {
        char raw[50];
        size_t n = (size_t)dv_rng_below(&rng, sizeof(raw));

        for (size_t i = 0; i < n; i++)
            raw[i] = (char)dv_rng_below(&rng, 256);
        dv_buf_reset(&b);
        dv_buf_reset(&text);
        ck_assert_int_eq(dv_base64_encode(&text, raw, n), 0);
        ck_assert(dv_base64_decode(dv_buf_slice(&text), &b));
        ck_assert(dv_slice_eq(dv_buf_slice(&b), dv_slice(raw, n)));
    }
    dv_buf_fini(&b);
    dv_buf_fini(&text);
}
END_TEST

START_TEST(types_that_compress_are_couchdbs)
{
    ck_assert(dv_type_compresses(DV_SLICE_LIT("text/plain; charset=utf-8")));
    ck_assert(dv_type_compresses(DV_SLICE_LIT("application/json")));
    ck_assert(dv_type_compresses(DV_SLICE_LIT("application/xml ;x")));
    ck_assert(!dv_type_compresses(DV_SLICE_LIT("application/octet-stream")));
    ck_assert(!dv_type_compresses(DV_SLICE_LIT("image/svg+xml")));
    ck_assert(!dv_type_compresses(DV_SLICE_LIT("")));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("document");
    TCase *t = tcase_create("document");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, the_body_keeps_bytes_order_and_escapes_and_loses_white_space);
    tcase_add_test(t, underscore_members_are_taken_out_wherever_they_stand);
    tcase_add_test(t, members_of_the_replicator_and_access_stay_in_the_body);
    tcase_add_test(t, of_duplicate_members_the_last_stands_in_its_own_place);
    tcase_add_test(t, duplicates_are_found_in_large_objects_too);
    tcase_add_test(t, the_recorded_complaints_are_made);
    tcase_add_test(t, revisions_come_from_the_path_or_from_rev_alone);
    tcase_add_test(t, attachments_are_told_apart);
    tcase_add_test(t, of_attachments_of_one_name_the_last_stands);
    tcase_add_test(t, a_body_over_the_limit_is_refused_by_its_id);
    tcase_add_test(t, every_truncation_is_refused_and_deep_nesting_has_a_ceiling);
    tcase_add_test(t, each_failed_allocation_is_an_error_and_the_parser_goes_on);
    tcase_add_test(t, mutated_documents_never_do_harm);
    tcase_add_test(t, base64_is_strict_about_all_but_white_space);
    tcase_add_test(t, types_that_compress_are_couchdbs);
    suite_add_tcase(s, t);
    return dv_check_run(s);
}
