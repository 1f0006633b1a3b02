/* couch: revisions, document ids, database names and our own seqs as text. Expected errors are
 * those of the recordings of CouchDB 3.5 (http.jsonl) unless a test says that they are ours. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "couch/dbname.h"
#include "couch/docid.h"
#include "couch/revision.h"
#include "couch/sequence.h"
#include "lib/check_main.h"

static struct dv_arena arena;

static void setup(void)
{
    dv_arena_init(&arena, 1 << 20);
}

static void teardown(void)
{
    dv_arena_fini(&arena);
}

static void refuse(const struct dv_err *err, int rc, int code, int status, const char *name,
                   const char *reason)
{
    ck_assert_int_eq(rc, code);
    ck_assert_int_eq(err->code, code);
    ck_assert_int_eq(err->http_status, status);
    ck_assert_str_eq(err->name, name);
    ck_assert_str_eq(err->reason, reason);
}

/* Revisions. */

static struct dv_rev parse_rev(const char *text)
{
    struct dv_rev rev = { 0 };

    ck_assert_msg(dv_rev_parse(dv_slice_str(text), &arena, &rev, NULL) == 0, "%s", text);
    return rev;
}

static void prints_as(struct dv_rev rev, const char *expected)
{
    struct dv_buf b;

    dv_buf_init(&b, 1024);
    ck_assert_int_eq(dv_rev_add_text(&b, rev), 0);
    ck_assert_str_eq(dv_buf_cstr(&b), expected);
    dv_buf_fini(&b);
}

START_TEST(a_revision_of_32_hex_digits_is_16_bytes_inside)
{
    struct dv_rev rev = parse_rev("3-00112233445566778899aAbBcCdDeEfF");

    ck_assert_uint_eq(rev.gen, 3);
    ck_assert_uint_eq(rev.id.n, 16);
    ck_assert_int_eq(
        memcmp(rev.id.p, "\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff", 16),
        0);
    prints_as(rev, "3-00112233445566778899aabbccddeeff");
}
END_TEST

START_TEST(any_other_revision_is_its_text)
{
    prints_as(parse_rev("2-ccc"), "2-ccc");
    prints_as(parse_rev("1-a-b"), "1-a-b");
    prints_as(parse_rev("0-7"), "0-7");
    prints_as(parse_rev("9007199254740991-x"), "9007199254740991-x");
    prints_as(parse_rev("+007-x"), "7-x"); /* as list_to_integer */
    prints_as(parse_rev("0-zz112233445566778899aabbccddeezz"),
              "0-zz112233445566778899aabbccddeezz");
}
END_TEST

START_TEST(what_is_no_revision_is_refused)
{
    static const char *const bad[] = { "",
                                       "banana",
                                       "abc",
                                       "1",
                                       "-",
                                       "-1-a",
                                       "1-",
                                       "0-",
                                       "+-a",
                                       " 1-a",
                                       "1 -a",
                                       "0x1-a",
                                       "1.0-a",
                                       "9007199254740992-a",
                                       "99999999999999999999999-a",
                                       "1-zz112233445566778899aabbccddeezz" };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct dv_rev rev = { 42, { "kept", 4 } };
        struct dv_err err = { 0 };

        refuse(&err, dv_rev_parse(dv_slice_str(bad[i]), &arena, &rev, &err), DV_EINVAL, 400,
               "bad_request", "Invalid rev format");
        ck_assert_uint_eq(rev.gen, 42);
    }
}
END_TEST

START_TEST(an_id_in_a_revisions_list_has_its_own_errors)
{
    struct dv_slice id;
    struct dv_err err = { 0 };
    char longest[DV_REV_ID_MAX + 1];

    refuse(&err,
           dv_rev_id_parse(DV_SLICE_LIT("zz112233445566778899aabbccddeezz"), &arena, &id, &err),
           DV_EVALIDATION, 400, "doc_validation", "RevId isn't a valid hexadecimal");
    memset(longest, 'x', sizeof(longest));
    ck_assert_int_eq(dv_rev_id_parse(dv_slice(longest, DV_REV_ID_MAX), &arena, &id, &err), 0);
    ck_assert_int_eq(dv_rev_id_parse(dv_slice(longest, sizeof(longest)), &arena, &id, &err),
                     DV_EVALIDATION);
    ck_assert_int_eq(dv_rev_id_parse(dv_slice(NULL, 0), &arena, &id, &err), DV_EVALIDATION);
}
END_TEST

START_TEST(revisions_rank_by_generation_then_bytes)
{
    static const char *const ordered[] = { "1-zzz", "2-00000000000000000000000000000000",
                                           "2-a",   "2-aa",
                                           "2-zzz", "2-ffffffffffffffffffffffffffffffff",
                                           "10-a" };
    enum { N = sizeof(ordered) / sizeof(ordered[0]) };

    for (int i = 0; i < N; i++)
        for (int k = 0; k < N; k++) {
            struct dv_rev a = parse_rev(ordered[i]), b = parse_rev(ordered[k]);
            int c = dv_rev_cmp(a, b);

            ck_assert_msg((c > 0) - (c < 0) == (i > k) - (i < k), "%s against %s", ordered[i],
                          ordered[k]);
            ck_assert(dv_rev_eq(a, b) == (i == k));
        }
}
END_TEST

static bool fail_always(void *arg)
{
    (void)arg;
    return true;
}

START_TEST(a_revision_without_memory_is_an_error_of_memory)
{
    struct dv_rev rev;

    dv_mem_set_fault(fail_always, NULL);
    ck_assert_int_eq(
        dv_rev_parse(DV_SLICE_LIT("1-00112233445566778899aabbccddeeff"), &arena, &rev, NULL),
        DV_ENOMEM);
    dv_mem_set_fault(NULL, NULL);
}
END_TEST

/* Document ids. */

START_TEST(legal_document_ids_pass)
{
    static const char *const good[] = { "a",
                                        "A b/c",
                                        "ü/ß",
                                        "_design/x",
                                        "_design/_x",
                                        "_local/x",
                                        "_local/a/b",
                                        "\xf4\x8f\xbf\xbf",
                                        "\xed\x9f\xbf",
                                        "\x7f" };

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        ck_assert_msg(dv_docid_check(dv_slice_str(good[i]), NULL) == 0, "%s", good[i]);
    ck_assert_int_eq(dv_docid_check(dv_slice("a\0b", 3), NULL), 0);
    ck_assert(dv_docid_is_design(DV_SLICE_LIT("_design/x")));
    ck_assert(!dv_docid_is_design(DV_SLICE_LIT("_designx")));
    ck_assert(dv_docid_is_local(DV_SLICE_LIT("_local/x")));
    ck_assert(!dv_docid_is_local(DV_SLICE_LIT("local/x")));
}
END_TEST

START_TEST(illegal_document_ids_are_refused_with_couchdbs_reasons)
{
    static const struct {
        const char *id, *reason;
    } bad[] = {
        { "", "Document id must not be empty" },
        { "_illegal", "Only reserved document ids may start with underscore." },
        { "_", "Only reserved document ids may start with underscore." },
        { "_design", "Only reserved document ids may start with underscore." },
        { "_localx", "Only reserved document ids may start with underscore." },
        { "_design/", "Illegal document id `_design/`" },
        { "_local/", "Illegal document id `_local/`" },
        { "_\xff", "Document id must be valid UTF-8" },
        { "\x80", "Document id must be valid UTF-8" },
        { "\xc0\x80", "Document id must be valid UTF-8" },
        { "\xe0\x9f\xbf", "Document id must be valid UTF-8" },
        { "\xed\xa0\x80", "Document id must be valid UTF-8" },
        { "\xf0\x8f\xbf\xbf", "Document id must be valid UTF-8" },
        { "\xf4\x90\x80\x80", "Document id must be valid UTF-8" },
        { "\xf5\x80\x80\x80", "Document id must be valid UTF-8" },
        { "a\xe2\x82", "Document id must be valid UTF-8" },
        { "\xe2\x82z", "Document id must be valid UTF-8" },
        { "\xf0\x9f\x9a", "Document id must be valid UTF-8" },
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct dv_err err = { 0 };

        refuse(&err, dv_docid_check(dv_slice_str(bad[i].id), &err), DV_EILLEGALID, 400,
               "illegal_docid", bad[i].reason);
    }
}
END_TEST

START_TEST(a_document_id_has_a_ceiling)
{
    char *id = calloc(DV_DOCID_MAX + 1, 1);
    struct dv_err err = { 0 };

    memset(id, 'x', DV_DOCID_MAX + 1);
    ck_assert_int_eq(dv_docid_check(dv_slice(id, DV_DOCID_MAX), NULL), 0);
    refuse(&err, dv_docid_check(dv_slice(id, DV_DOCID_MAX + 1), &err), DV_EILLEGALID, 400,
           "illegal_docid", "Document id is too long");
    free(id);
}
END_TEST

/* Database names. */

START_TEST(legal_database_names_pass)
{
    static const char *const good[] = { "a",
                                        "rec_http",
                                        "a/b-ok",
                                        "x0_$()+-/",
                                        "long/co$mplex-/path+/something",
                                        "_users",
                                        "_replicator",
                                        "_global_changes",
                                        "_dbs",
                                        "_nodes",
                                        "_metadata",
                                        "long/p+/_users" };

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        ck_assert_msg(dv_dbname_check(dv_slice_str(good[i]), NULL) == 0, "%s", good[i]);
    ck_assert(dv_dbname_is_system(DV_SLICE_LIT("_users")));
    ck_assert(dv_dbname_is_system(DV_SLICE_LIT("a/_replicator")));
    ck_assert(!dv_dbname_is_system(DV_SLICE_LIT("users")));
    ck_assert(!dv_dbname_is_system(DV_SLICE_LIT("/_users")));
    ck_assert(!dv_dbname_is_system(dv_slice(NULL, 0)));
}
END_TEST

START_TEST(illegal_database_names_are_refused_with_couchdbs_reason)
{
    static const char *const bad[] = {
        "Upper", "1digit", "_under",  "sp ace",    "dot.name",      "",        "/a",
        "ünder", "a#",     "_usersx", "!a/_users", "a/_something#", "a.couch", "a.1234567890"
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct dv_err err = { 0 };
        char reason[300];

        snprintf(reason, sizeof(reason),
                 "Name: '%s'. Only lowercase characters (a-z), digits (0-9), and any of the "
                 "characters _, $, (, ), +, -, and / are allowed. Must begin with a letter.",
                 bad[i]);
        refuse(&err, dv_dbname_check(dv_slice_str(bad[i]), &err), DV_EILLEGALNAME, 400,
               "illegal_database_name", reason);
    }
    ck_assert_int_eq(dv_dbname_check(dv_slice("a\0b", 3), NULL), DV_EILLEGALNAME);
}
END_TEST

START_TEST(a_database_name_has_a_ceiling)
{
    char name[DV_DBNAME_MAX + 1];
    struct dv_err err = { 0 };

    memset(name, 'x', sizeof(name));
    ck_assert_int_eq(dv_dbname_check(dv_slice(name, DV_DBNAME_MAX), NULL), 0);
    ck_assert_int_eq(dv_dbname_check(dv_slice(name, sizeof(name)), &err), DV_EILLEGALNAME);
    ck_assert_str_eq(err.name, "database_name_too_long");
    ck_assert_int_eq(err.http_status, 400);
}
END_TEST

/* Sequences. */

#define UUID "0123456789abcdef0123456789abcdef"
#define NODE "fedcba9876543210fedcba9876543210"

START_TEST(our_sequences_come_back_from_their_text)
{
    static const char *const texts[] = { "0-" UUID "-" NODE, "17-" UUID "-" NODE, "17-" UUID,
                                         "18446744073709551615-" UUID "-" NODE };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct dv_seq seq;
        struct dv_buf b;

        ck_assert_msg(dv_seq_parse(dv_slice_str(texts[i]), &seq), "%s", texts[i]);
        ck_assert_str_eq(seq.uuid, UUID);
        dv_buf_init(&b, 1024);
        ck_assert_int_eq(dv_seq_add_text(&b, &seq), 0);
        ck_assert_str_eq(dv_buf_cstr(&b), texts[i]);
        dv_buf_fini(&b);
    }
}
END_TEST

START_TEST(anything_else_is_not_one_of_our_sequences)
{
    static const char *const texts[] = { "",
                                         "17",
                                         "17-",
                                         "-" UUID,
                                         "x-" UUID,
                                         "01-" UUID,
                                         "-1-" UUID,
                                         "18446744073709551616-" UUID,
                                         "1-0123456789abcdef",
                                         "1-0123456789ABCDEF0123456789abcdef",
                                         "1-" UUID "-",
                                         "1-" UUID "-" NODE "-",
                                         "1-" UUID NODE,
                                         "43-g1AAAABPeJzLYWBgYMxgTmEQTM4vTc5ISXIwNDLXMwBC" };
    struct dv_seq seq = { .number = 5 };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        ck_assert_msg(!dv_seq_parse(dv_slice_str(texts[i]), &seq), "%s", texts[i]);
    ck_assert_uint_eq(seq.number, 5);
}
END_TEST

START_TEST(a_bare_number_is_read_only_in_its_plain_form)
{
    static const char *const bad[] = { "",
                                       "00",
                                       "01",
                                       "-1",
                                       "+1",
                                       "1 ",
                                       "1.0",
                                       "1e3",
                                       "18446744073709551616",
                                       "99999999999999999999999" };
    uint64_t n = 7;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!dv_seq_parse_number(dv_slice_str(bad[i]), &n), "%s", bad[i]);
    ck_assert_uint_eq(n, 7);
    ck_assert(dv_seq_parse_number(DV_SLICE_LIT("0"), &n));
    ck_assert_uint_eq(n, 0);
    ck_assert(dv_seq_parse_number(DV_SLICE_LIT("18446744073709551615"), &n));
    ck_assert(n == UINT64_MAX);
}
END_TEST

static void add_tests(TCase *c)
{
    tcase_add_test(c, a_revision_of_32_hex_digits_is_16_bytes_inside);
    tcase_add_test(c, any_other_revision_is_its_text);
    tcase_add_test(c, what_is_no_revision_is_refused);
    tcase_add_test(c, an_id_in_a_revisions_list_has_its_own_errors);
    tcase_add_test(c, revisions_rank_by_generation_then_bytes);
    tcase_add_test(c, a_revision_without_memory_is_an_error_of_memory);
    tcase_add_test(c, legal_document_ids_pass);
    tcase_add_test(c, illegal_document_ids_are_refused_with_couchdbs_reasons);
    tcase_add_test(c, a_document_id_has_a_ceiling);
    tcase_add_test(c, legal_database_names_pass);
    tcase_add_test(c, illegal_database_names_are_refused_with_couchdbs_reason);
    tcase_add_test(c, a_database_name_has_a_ceiling);
    tcase_add_test(c, our_sequences_come_back_from_their_text);
    tcase_add_test(c, anything_else_is_not_one_of_our_sequences);
    tcase_add_test(c, a_bare_number_is_read_only_in_its_plain_form);
}

int main(void)
{
    Suite *s = suite_create("names of couch");
    TCase *c = tcase_create("names");

    tcase_add_checked_fixture(c, setup, teardown);
    add_tests(c);
    suite_add_tcase(s, c);
    return dv_check_run(s);
}
