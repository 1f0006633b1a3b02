/* database: folds over more than a page, several revisions, purge, and documents made to hurt. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/check_main.h"
#include "lib/testdb.h"

enum { MANY = 2500 };

static struct testdb t;

static void put_many(int n)
{
    static const struct dv_write_options replicated = { .replicated = true };
    struct dv_edit *edits = calloc((size_t)n, sizeof(*edits));
    struct dv_edit_result *results = calloc((size_t)n, sizeof(*results));

    for (int i = 0; i < n; i++)
        edits[i].json =
            dv_slice_str(testdb_text(&t, "{\"_id\":\"%05d\",\"_rev\":\"1-a\",\"n\":%d}", i, i));
    ck_assert_int_eq(
        dv_database_write(t.db, edits, (size_t)n, &replicated, &t.arena, results, &t.err), 0);
    for (int i = 0; i < n; i++)
        ck_assert_int_eq(results[i].code, 0);
    free(edits);
    free(results);
}

/* ---- changes ----------------------------------------------------------------------------------
 */

struct told {
    uint64_t n, last, pending;
    bool descending;
    bool meddle; /* write while the feed is told */
    uint64_t stop_at;
};

static int tell(void *arg, const struct dv_change *c, struct dv_err *err)
{
    struct told *told = arg;

    (void)err;
    if (told->n > 0)
        ck_assert(told->descending ? c->seq < told->last : c->seq > told->last);
    ck_assert(c->doc.n > 0);
    ck_assert_uint_eq(c->n_revs, 1);
    told->last = c->seq;
    told->pending = c->pending;
    told->n++;
    if (told->meddle && told->n == 10) { /* a document of the next page moves to the end */
        testdb_must_put(&t, "02000", "1-a", "{\"moved\":true}");
        told->meddle = false;
    }
    return told->n == told->stop_at ? 1 : 0;
}

static uint64_t run_feed(struct dv_changes_options opt, struct told *told, int code)
{
    uint64_t last = 0;

    opt.include_docs = true;
    opt.pending = true;
    told->descending = opt.descending;
    ck_assert_int_eq(dv_database_changes(t.db, &opt, tell, told, &last, &t.err), code);
    return last;
}

START_TEST(a_feed_of_many_pages_tells_each_change_once)
{
    struct told told = { .n = 0 };

    testdb_create(&t, _i, "feed");
    put_many(MANY);
    ck_assert_uint_eq(run_feed((struct dv_changes_options){ .limit = UINT64_MAX }, &told, 0), MANY);
    ck_assert_uint_eq(told.n, MANY);
    ck_assert_uint_eq(told.pending, 0);
    told = (struct told){ .n = 0 };
    ck_assert_uint_eq(
        run_feed((struct dv_changes_options){ .limit = UINT64_MAX, .descending = true }, &told, 0),
        1);
    ck_assert_uint_eq(told.n, MANY);
    told = (struct told){ .stop_at = 1500 };
    ck_assert_uint_eq(run_feed((struct dv_changes_options){ .limit = UINT64_MAX }, &told, 1), 1500);
    ck_assert_uint_eq(told.pending, MANY - 1500);
    told = (struct told){ .n = 0 };
    ck_assert_uint_eq(
        run_feed((struct dv_changes_options){ .limit = 1200, .since = 100 }, &told, 0), 1300);
    ck_assert_uint_eq(told.n, 1200);
    testdb_close(&t);
}
END_TEST

START_TEST(a_document_that_moves_while_a_feed_is_told_comes_at_its_new_seq)
{
    struct told told = { .meddle = true };

    testdb_create(&t, _i, "moving");
    put_many(MANY);
    ck_assert_uint_eq(run_feed((struct dv_changes_options){ .limit = UINT64_MAX }, &told, 0),
                      MANY + 1);
    ck_assert_uint_eq(told.n, MANY);
    ck_assert_uint_eq(told.last, MANY + 1);
    testdb_close(&t);
}
END_TEST

START_TEST(a_feed_of_nothing_ends_at_the_update_seq)
{
    struct told told = { .n = 0 };

    testdb_create(&t, _i, "nothing");
    ck_assert_int_eq(dv_database_set_revs_limit(t.db, 10, &t.err), 0);
    ck_assert_uint_eq(run_feed((struct dv_changes_options){ .limit = UINT64_MAX }, &told, 0), 1);
    ck_assert_uint_eq(run_feed((struct dv_changes_options){ .limit = 0 }, &told, 0), 0);
    ck_assert_uint_eq(told.n, 0);
    testdb_close(&t);
}
END_TEST

/* ---- all_docs ----------------------------------------------------------------------------------
 */

struct rows {
    int n, first, last;
    bool descending;
};

static int tell_row(void *arg, const struct dv_row *row, struct dv_err *err)
{
    struct rows *rows = arg;
    int id = atoi(row->key.p);

    (void)err;
    ck_assert(row->found && row->doc.n > 0);
    if (rows->n > 0)
        ck_assert_int_eq(id, rows->descending ? rows->last - 1 : rows->last + 1);
    else
        rows->first = id;
    rows->last = id;
    rows->n++;
    return 0;
}

static struct rows list(struct dv_all_docs_options opt, uint64_t expected_offset)
{
    struct rows rows = { .descending = opt.range.descending };
    uint64_t total = 0, offset = 77;

    opt.include_docs = true;
    ck_assert_int_eq(dv_database_all_docs(t.db, &opt, tell_row, &rows, &total, &offset, &t.err), 0);
    ck_assert_uint_eq(total, MANY);
    ck_assert_uint_eq(offset, expected_offset);
    return rows;
}

START_TEST(a_range_of_many_pages_tells_each_row_once_in_either_direction)
{
    struct dv_all_docs_options all = { .limit = UINT64_MAX };
    struct rows rows;

    testdb_create(&t, _i, "range");
    put_many(MANY);
    rows = list(all, 0);
    ck_assert_int_eq(rows.n, MANY);
    all.skip = 1234;
    rows = list(all, 1234);
    ck_assert_int_eq(rows.first, 1234);
    ck_assert_int_eq(rows.n, MANY - 1234);
    all.range = (struct dv_range){ .descending = true,
                                   .has_start = true,
                                   .has_end = true,
                                   .start_key = DV_SLICE_LIT("02222"),
                                   .end_key = DV_SLICE_LIT("00100") };
    all.skip = 2;
    rows = list(all, MANY - 1 - 2222 + 2);
    ck_assert_int_eq(rows.first, 2220);
    ck_assert_int_eq(rows.last, 100);
    all.limit = 1001;
    rows = list(all, MANY - 1 - 2222 + 2);
    ck_assert_int_eq(rows.n, 1001);
    all.range.end_key = DV_SLICE_LIT("03000");
    rows = list(all, MANY - 1 - 2222 + 2);
    ck_assert_int_eq(rows.n, 0);
    testdb_close(&t);
}
END_TEST

static int tell_key(void *arg, const struct dv_row *row, struct dv_err *err)
{
    struct dv_buf *out = arg;

    (void)err;
    dv_buf_printf(out, "%.*s %d %d %d;", (int)row->key.n, row->key.p, row->found, row->deleted,
                  row->doc.n > 0);
    return 0;
}

START_TEST(keys_are_answered_in_their_order_with_missing_and_deleted_ones)
{
    static const struct dv_slice keys[] = { DV_SLICE_LIT("b"), DV_SLICE_LIT("none"),
                                            DV_SLICE_LIT("gone"), DV_SLICE_LIT("a"),
                                            DV_SLICE_LIT("b") };
    struct dv_all_docs_options opt = {
        .keys = keys, .n_keys = 5, .has_keys = true, .include_docs = true, .limit = UINT64_MAX
    };
    uint64_t total, offset;
    struct dv_buf out;

    testdb_create(&t, _i, "keys");
    testdb_must_put(&t, "a", "", "{}");
    testdb_must_put(&t, "b", "", "{}");
    testdb_must_put(&t, "gone", "", "{\"_deleted\":true}");
    dv_buf_init(&out, 1000);
    ck_assert_int_eq(dv_database_all_docs(t.db, &opt, tell_key, &out, &total, &offset, &t.err), 0);
    ck_assert_str_eq(dv_buf_cstr(&out), "b 1 0 1;none 0 0 0;gone 1 1 0;a 1 0 1;b 1 0 1;");
    dv_buf_reset(&out);
    opt.skip = 1;
    opt.limit = 2;
    opt.range.descending = true;
    ck_assert_int_eq(dv_database_all_docs(t.db, &opt, tell_key, &out, &total, &offset, &t.err), 0);
    ck_assert_str_eq(dv_buf_cstr(&out), "a 1 0 1;gone 1 1 0;");
    dv_buf_fini(&out);
    testdb_close(&t);
}
END_TEST

/* ---- revisions
 * ----------------------------------------------------------------------------------- */

static int tell_rev(void *arg, struct dv_slice missing, struct dv_slice json,
                    const struct dv_revision_read *read, struct dv_err *err)
{
    (void)json;
    (void)err;
    return dv_buf_printf(arg, "%s%.*s ", missing.n ? "-" : "",
                         (int)(missing.n ? missing.n : read->rev.n),
                         missing.n ? missing.p : read->rev.p);
}

static const char *revs_of(const char *id, bool all, const struct dv_slice *revs, size_t n,
                           unsigned flags)
{
    struct dv_get_options opt = { .flags = flags };
    const char *text;
    struct dv_buf out;

    dv_buf_init(&out, 1 << 20);
    ck_assert_int_eq(
        dv_database_open_revs(t.db, dv_slice_str(id), all, revs, n, &opt, tell_rev, &out, &t.err),
        0);
    text = testdb_text(&t, "%s", dv_buf_cstr(&out));
    dv_buf_fini(&out);
    return text;
}

START_TEST(asked_revisions_are_told_in_the_order_asked)
{
    static const struct dv_slice asked[] = { DV_SLICE_LIT("9-x"), DV_SLICE_LIT("2-b"),
                                             DV_SLICE_LIT("1-a") };
    struct dv_get_options latest = { .flags = DV_GET_LATEST, .rev = DV_SLICE_LIT("1-a") };
    struct dv_buf out;

    testdb_create(&t, _i, "asked");
    testdb_must_replicate(&t, "{\"_id\":\"a\",\"_rev\":\"1-a\"}");
    testdb_must_replicate(&t, "{\"_id\":\"a\",\"_revisions\":{\"start\":2,\"ids\":[\"b\",\"a\"]}}");
    testdb_must_replicate(&t,
                          "{\"_id\":\"a\",\"_revisions\":{\"start\":3,\"ids\":[\"d\",\"c\",\"a\"]},"
                          "\"_deleted\":true}");
    ck_assert_str_eq(revs_of("a", true, NULL, 0, 0), "2-b 3-d ");
    ck_assert_str_eq(revs_of("a", false, asked, 3, 0), "-9-x 2-b 1-a ");
    ck_assert_str_eq(revs_of("a", false, asked, 3, DV_GET_LATEST), "-9-x 2-b 3-d ");
    ck_assert_str_eq(revs_of("none", false, asked, 3, 0), "-9-x -2-b -1-a ");
    dv_buf_init(&out, 1000);
    ck_assert_int_eq(
        dv_database_get(t.db, DV_SLICE_LIT("a"), &latest, &t.arena, &out, NULL, &t.err), 0);
    ck_assert_str_eq(dv_buf_cstr(&out), "{\"_id\":\"a\",\"_rev\":\"2-b\"}");
    dv_buf_fini(&out);
    ck_assert_int_eq(dv_database_compact(t.db, NULL, &t.err), 0);
    ck_assert_str_eq(revs_of("a", false, asked, 3, 0), "-9-x 2-b -1-a ");
    ck_assert_ptr_null(testdb_get(&t, "a", "1-a", 0));
    testdb_expect_error(&t.err, 404, "not_found", "missing");
    testdb_close(&t);
}
END_TEST

/* ---- purge
 * ----------------------------------------------------------------------------------------- */

static size_t purge(const char *id, const char *rev, uint64_t purge_seq)
{
    struct dv_slice text = dv_slice_str(rev);
    struct dv_purge_request r = { .id = dv_slice_str(id), .revs = &text, .n_revs = 1 };
    uint64_t seq = 0;

    ck_assert_int_eq(dv_database_purge(t.db, &r, 1, &t.arena, &seq, &t.err), 0);
    ck_assert_uint_eq(seq, purge_seq);
    return r.n_purged;
}

START_TEST(purged_leaves_are_as_if_they_had_never_been)
{
    testdb_create(&t, _i, "purge");
    testdb_must_replicate(&t, "{\"_id\":\"a\",\"_revisions\":{\"start\":2,\"ids\":[\"b\",\"a\"]}}");
    testdb_must_replicate(&t, "{\"_id\":\"a\",\"_revisions\":{\"start\":2,\"ids\":[\"c\",\"a\"]}}");
    ck_assert_uint_eq(purge("a", "1-a", 1), 0);
    ck_assert_uint_eq(purge("a", "2-c", 2), 1);
    testdb_expect(&t, "a", "", DV_GET_CONFLICTS, "{\"_id\":\"a\",\"_rev\":\"2-b\"}");
    ck_assert_uint_eq(testdb_update_seq(&t), 3);
    ck_assert_uint_eq(purge("a", "2-c", 3), 0);
    ck_assert_uint_eq(purge("a", "2-b", 4), 1);
    ck_assert_uint_eq(purge("a", "2-b", 5), 0);
    ck_assert_uint_eq(testdb_doc_count(&t), 0);
    ck_assert_ptr_null(testdb_get(&t, "a", "", 0));
    testdb_expect_error(&t.err, 404, "not_found", "missing");
    testdb_must_put(&t, "a", "", "{}");
    testdb_close(&t);
}
END_TEST

/* ---- documents made to hurt
 * -------------------------------------------------------------------------- */

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static double write_conflicts(int n)
{
    static const struct dv_write_options replicated = { .replicated = true };
    struct dv_edit *edits = calloc((size_t)n, sizeof(*edits));
    struct dv_edit_result *results = calloc((size_t)n, sizeof(*results));
    const char *id = testdb_text(&t, "with-%d", n);
    double start;

    for (int i = 0; i < n; i++)
        edits[i].json = dv_slice_str(testdb_text(
            &t, "{\"_id\":\"%s\",\"_revisions\":{\"start\":2,\"ids\":[\"%032x\",\"a\"]}}", id, i));
    start = seconds();
    ck_assert_int_eq(
        dv_database_write(t.db, edits, (size_t)n, &replicated, &t.arena, results, &t.err), 0);
    ck_assert_ptr_nonnull(testdb_get(&t, id, "", DV_GET_CONFLICTS));
    revs_of(id, true, NULL, 0, 0);
    free(edits);
    free(results);
    return seconds() - start;
}

START_TEST(ten_thousand_conflicts_cost_ten_times_a_thousand)
{
    double small, large;

    testdb_create(&t, _i, "conflicts");
    small = write_conflicts(1000);
    large = write_conflicts(10000);
    ck_assert_msg(large < 40 * small + 0.5, "%.3f s for 10000, %.3f s for 1000", large, small);
    testdb_close(&t);
}
END_TEST

START_TEST(a_path_of_thousands_of_revisions_is_cut_and_kept)
{
    enum { PATH = 5000 };
    struct dv_buf json;

    testdb_create(&t, _i, "path");
    dv_buf_init(&json, 1 << 20);
    dv_buf_printf(&json, "{\"_id\":\"a\",\"_revisions\":{\"start\":%d,\"ids\":[", PATH);
    for (int i = PATH; i > 0; i--)
        dv_buf_printf(&json, "\"%032x\"%s", i, i > 1 ? "," : "]}}");
    testdb_must_replicate(&t, dv_buf_cstr(&json));
    testdb_must_put(&t, "a", testdb_text(&t, "%d-%032x", PATH, PATH), "{\"v\":1}");
    dv_buf_fini(&json);
    ck_assert_uint_eq(
        testdb_json(&t, dv_slice_str(testdb_get(&t, "a", "", DV_GET_REVS)))->last->last->count,
        1000);
    testdb_close(&t);
}
END_TEST

START_TEST(a_thousand_attachments_and_eight_megabytes_are_a_document)
{
    enum { ATTS = 1000, BODY = 7900000 };
    const char *rev;
    struct dv_buf json;

    testdb_create(&t, _i, "large");
    dv_buf_init(&json, 1 << 24);
    dv_buf_add_str(&json, "{\"text\":\"");
    for (int i = 0; i < BODY / 10; i++)
        dv_buf_add_str(&json, "0123456789");
    dv_buf_add_str(&json, "\",\"_attachments\":{");
    for (int i = 0; i < ATTS; i++)
        dv_buf_printf(&json, "%s\"%d\":{\"data\":\"aGVsbG8=\"}", i ? "," : "", i);
    dv_buf_add_str(&json, "}}");
    rev = testdb_must_put(&t, "a", "", dv_buf_cstr(&json));
    dv_buf_reset(&json);
    dv_buf_add_str(&json, "{\"_attachments\":{");
    for (int i = 0; i < ATTS; i++)
        dv_buf_printf(&json, "%s\"%d\":{\"stub\":true,\"revpos\":1}", i ? "," : "", i);
    dv_buf_add_str(&json, "}}");
    ck_assert_uint_gt(strlen(testdb_get(&t, "a", rev, 0)), BODY);
    testdb_must_put(&t, "a", rev, dv_buf_cstr(&json));
    dv_buf_fini(&json);
    testdb_close(&t);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reads of a database");
    TCase *tc = tcase_create("reads"), *hostile = tcase_create("hostile");

    tcase_add_loop_test(tc, a_feed_of_many_pages_tells_each_change_once, 0, TESTDB_ENGINES);
    tcase_add_loop_test(tc, a_document_that_moves_while_a_feed_is_told_comes_at_its_new_seq, 0,
                        TESTDB_ENGINES);
    tcase_add_loop_test(tc, a_feed_of_nothing_ends_at_the_update_seq, 0, TESTDB_ENGINES);
    tcase_add_loop_test(tc, a_range_of_many_pages_tells_each_row_once_in_either_direction, 0,
                        TESTDB_ENGINES);
    tcase_add_loop_test(tc, keys_are_answered_in_their_order_with_missing_and_deleted_ones, 0,
                        TESTDB_ENGINES);
    tcase_add_loop_test(tc, asked_revisions_are_told_in_the_order_asked, 0, TESTDB_ENGINES);
    tcase_add_loop_test(tc, purged_leaves_are_as_if_they_had_never_been, 0, TESTDB_ENGINES);
    tcase_add_loop_test(hostile, ten_thousand_conflicts_cost_ten_times_a_thousand, 0,
                        TESTDB_ENGINES);
    tcase_add_loop_test(hostile, a_path_of_thousands_of_revisions_is_cut_and_kept, 0,
                        TESTDB_ENGINES);
    tcase_add_loop_test(hostile, a_thousand_attachments_and_eight_megabytes_are_a_document, 0,
                        TESTDB_ENGINES);
    tcase_set_timeout(hostile, 20);
    suite_add_tcase(suite, tc);
    suite_add_tcase(suite, hostile);
    return dv_check_run(suite);
}
