/* database: memory runs out at every allocation in turn, in writes and in reads. A call either
 * fails with DV_ENOMEM and has changed nothing, or does all it should; the database stays usable.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "engine/engine_ops.h"
#include "lib/check_main.h"
#include "lib/testdb.h"

static struct testdb t;

struct fault {
    long left;
    bool fired;
};

static bool fail_nth(void *arg)
{
    struct fault *f = arg;

    if (f->left-- != 0)
        return false;
    f->fired = true;
    return true;
}

typedef int step_fn(struct dv_arena *arena, struct dv_err *err);

/* Without the memory that a database keeps from one call to the next. */
static void forget_memory(void)
{
    dv_database_close(t.db);
    ck_assert_int_eq(dv_database_open(t.path, &t.opt, &t.db, &t.err), 0);
}

/* Run step with the n-th allocation failing, for n = 0, 1, ... until none is left to fail. */
static void fail_each(step_fn *step, void (*after)(bool failed))
{
    struct fault f = { .fired = true };

    for (long n = 0; f.fired; n++) {
        struct dv_arena arena;
        struct dv_err err;
        int code;

        forget_memory();
        dv_err_clear(&err);
        dv_arena_init(&arena, 1 << 26);
        f = (struct fault){ .left = n };
        dv_mem_set_fault(fail_nth, &f);
        code = step(&arena, &err);
        dv_mem_set_fault(NULL, NULL);
        ck_assert_msg(code >= 0 || code == DV_ENOMEM, "allocation %ld: %s %s", n, err.context,
                      err.reason);
        ck_assert_msg(code >= 0 || f.fired, "allocation %ld: failed for nothing", n);
        dv_arena_fini(&arena);
        after(code < 0);
    }
}

/* ---- writes -----------------------------------------------------------------------------------
 */

static int number; /* of the documents written so far */
static uint64_t seq_before;

static int write_some(struct dv_arena *arena, struct dv_err *err)
{
    static const struct dv_write_options opt;
    static char json[4][300];
    struct dv_edit edits[4];
    struct dv_edit_result r[4];
    int code;

    snprintf(json[0], 300, "{\"_id\":\"new%d\",\"v\":1}", number);
    snprintf(json[1], 300,
             "{\"_id\":\"att%d\",\"_attachments\":{\"x\":{\"content_type\":\"text/plain\","
             "\"data\":\"aGVsbG8=\"},\"y\":{\"data\":\"aGVsbG8=\"}}}",
             number);
    snprintf(json[2], 300, "{\"_id\":\"_local/l\",\"v\":%d}", number);
    snprintf(json[3], 300, "{\"_id\":\"new%d\",\"v\":2}", number);
    for (int i = 0; i < 4; i++)
        edits[i] = (struct dv_edit){ .json = dv_slice_str(json[i]) };
    code = dv_database_write(t.db, edits, 4, &opt, arena, r, err);
    if (code == 0) {
        ck_assert_int_eq(r[0].code, 0);
        ck_assert_int_eq(r[1].code, 0);
        ck_assert_int_eq(r[2].code, 0);
        ck_assert_int_eq(r[3].code, DV_ECONFLICT);
    }
    return code;
}

/* Results are copied after the commit: that too may fail, so either is fine, but never a part. */
static void expect_all_or_nothing(bool failed)
{
    uint64_t seq = testdb_update_seq(&t);

    ck_assert(seq == seq_before + 2 || (failed && seq == seq_before));
    if (seq > seq_before)
        ck_assert_ptr_nonnull(
            testdb_get(&t, testdb_text(&t, "att%d", number), "", DV_GET_ATTACHMENTS));
    seq_before = seq;
    number++;
}

START_TEST(a_write_without_memory_stores_all_or_nothing)
{
    testdb_create(&t, _i, "writes");
    number = 0;
    seq_before = 0;
    fail_each(write_some, expect_all_or_nothing);
    ck_assert_int_gt(number, 30);
    testdb_close(&t);
}
END_TEST

static int replicate_some(struct dv_arena *arena, struct dv_err *err)
{
    static const struct dv_write_options opt = { .replicated = true };
    static char json[2][300];
    struct dv_edit edits[2] = { { .json = dv_slice_str(json[0]) },
                                { .json = dv_slice_str(json[1]) } };
    struct dv_edit_result r[2];
    int code;

    snprintf(json[0], 300,
             "{\"_id\":\"a\",\"_revisions\":{\"start\":3,\"ids\":[\"r%d\",\"b\",\"a\"]},"
             "\"_attachments\":{\"x\":{\"stub\":true,\"revpos\":1}}}",
             number);
    snprintf(json[1], 300, "{\"_id\":\"b\",\"_revisions\":{\"start\":2,\"ids\":[\"q%d\",\"a\"]}}",
             number);
    edits[0].json = dv_slice_str(json[0]);
    edits[1].json = dv_slice_str(json[1]);
    code = dv_database_write(t.db, edits, 2, &opt, arena, r, err);
    if (code == 0)
        ck_assert(r[0].code == 0 && r[1].code == 0);
    return code;
}

static void expect_both_or_none(bool failed)
{
    bool a = testdb_get(&t, "a", testdb_text(&t, "3-r%d", number), 0) != NULL;
    bool b = testdb_get(&t, "b", testdb_text(&t, "2-q%d", number), 0) != NULL;

    ck_assert(a == b);
    ck_assert(a || failed);
    number++;
}

START_TEST(a_replicated_write_without_memory_stores_all_or_nothing)
{
    testdb_create(&t, _i, "replicated");
    number = 0;
    testdb_must_replicate(&t, "{\"_id\":\"a\",\"_rev\":\"1-a\",\"_attachments\":{\"x\":{"
                              "\"data\":\"aGVsbG8=\"}}}");
    fail_each(replicate_some, expect_both_or_none);
    ck_assert_int_gt(number, 30);
    testdb_close(&t);
}
END_TEST

/* ---- reads -------------------------------------------------------------------------------------
 */

static int count_change(void *arg, const struct dv_change *c, struct dv_err *err)
{
    (void)err;
    *(int *)arg += c->doc.n > 0;
    return 0;
}

static int count_row(void *arg, const struct dv_row *row, struct dv_err *err)
{
    (void)err;
    *(int *)arg += row->doc.n > 0;
    return 0;
}

static int count_rev(void *arg, struct dv_slice missing, struct dv_slice json,
                     const struct dv_revision_read *read, struct dv_err *err)
{
    (void)missing;
    (void)read;
    (void)err;
    *(int *)arg += json.n > 0;
    return 0;
}

static int read_doc(struct dv_arena *arena, struct dv_err *err)
{
    struct dv_get_options opt = { .flags = DV_GET_META | DV_GET_REVS | DV_GET_ATTACHMENTS };
    struct dv_buf out;
    int code;

    dv_buf_init(&out, 1 << 20);
    code = dv_database_get(t.db, DV_SLICE_LIT("a"), &opt, arena, &out, NULL, err);
    ck_assert(code < 0 ? out.n == 0 : out.n > 100);
    dv_buf_fini(&out);
    return code;
}

static int read_changes(struct dv_arena *arena, struct dv_err *err)
{
    struct dv_changes_options opt = { .limit = UINT64_MAX,
                                      .include_docs = true,
                                      .all_docs = true,
                                      .pending = true,
                                      .get_flags = DV_GET_ATTACHMENTS };
    uint64_t last;
    int n = 0, code;

    (void)arena;
    code = dv_database_changes(t.db, &opt, count_change, &n, &last, err);
    ck_assert(code < 0 || n == 3);
    return code;
}

static int read_rows(struct dv_arena *arena, struct dv_err *err)
{
    struct dv_all_docs_options opt = { .limit = UINT64_MAX,
                                       .include_docs = true,
                                       .get_flags = DV_GET_ATTACHMENTS };
    uint64_t total, offset;
    int n = 0, code;

    (void)arena;
    code = dv_database_all_docs(t.db, &opt, count_row, &n, &total, &offset, err);
    ck_assert(code < 0 || n == 3);
    return code;
}

static int read_revs(struct dv_arena *arena, struct dv_err *err)
{
    struct dv_get_options opt = { .flags = DV_GET_REVS | DV_GET_ATTACHMENTS };
    int n = 0, code;

    (void)arena;
    code = dv_database_open_revs(t.db, DV_SLICE_LIT("a"), true, NULL, 0, &opt, count_rev, &n, err);
    ck_assert(code < 0 || n == 2);
    return code;
}

static int read_diff(struct dv_arena *arena, struct dv_err *err)
{
    static const struct dv_slice revs[] = { DV_SLICE_LIT("2-b"), DV_SLICE_LIT("9-z") };
    struct dv_revs_query q = { .id = DV_SLICE_LIT("a"), .revs = revs, .n_revs = 2 };
    int code = dv_database_revs_diff(t.db, &q, 1, arena, err);

    ck_assert(code < 0 || (q.n_missing == 1 && q.n_possible_ancestors == 2));
    return code;
}

static void nothing(bool failed)
{
    (void)failed;
}

START_TEST(a_read_without_memory_fails_and_the_next_one_does_not)
{
    static step_fn *const steps[] = { read_doc, read_changes, read_rows, read_revs, read_diff };

    testdb_create(&t, _i, "reads");
    testdb_must_replicate(&t, "{\"_id\":\"a\",\"_revisions\":{\"start\":2,\"ids\":[\"b\",\"a\"]},"
                              "\"_attachments\":{\"x\":{\"content_type\":\"text/plain\","
                              "\"data\":\"aGVsbG8=\"}}}");
    testdb_must_replicate(&t, "{\"_id\":\"a\",\"_rev\":\"1-z\"}");
    testdb_must_put(&t, "b", "", "{}");
    testdb_must_put(&t, "c", "", "{}");
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        fail_each(steps[i], nothing);
    testdb_close(&t);
}
END_TEST

/* ---- lost races -------------------------------------------------------------------------------
 */

static int races; /* still to be lost */

/* As an engine that finds out at commit that somebody else was faster. */
static int lose_race(struct dv_txn_backend *txn, enum dv_commit how, struct dv_err *err)
{
    if (races == 0)
        return dv_engine_memory.ops->commit(txn, how, err);
    races--;
    dv_engine_memory.ops->rollback(txn);
    return dv_err_set(err, DV_ERETRY, "another writer was faster");
}

START_TEST(a_write_that_loses_a_race_is_run_again_as_a_whole)
{
    static const struct dv_write_options replicated = { .replicated = true };
    struct dv_edit edits[2] = {
        { .json = DV_SLICE_LIT("{\"_id\":\"a\",\"_rev\":\"1-b\",\"_attachments\":{\"x\":{"
                               "\"data\":\"aGVsbG8=\"}}}") },
        { .json = DV_SLICE_LIT("{\"_id\":\"a\",\"_rev\":\"1-c\"}") },
    };
    struct dv_engine_ops ops = *dv_engine_memory.ops;
    struct dv_engine engine = dv_engine_memory;
    struct dv_slice rev = DV_SLICE_LIT("1-c");
    struct dv_purge_request purge = { .id = DV_SLICE_LIT("a"), .revs = &rev, .n_revs = 1 };
    struct dv_edit_result r[2];
    uint64_t purge_seq;

    ops.commit = lose_race;
    engine.ops = &ops;
    testdb_create(&t, 0, "races");
    dv_database_close(t.db);
    t.opt.engine = &engine;
    ck_assert_int_eq(dv_database_open(t.path, &t.opt, &t.db, &t.err), 0);
    races = 3;
    ck_assert_int_eq(dv_database_write(t.db, edits, 2, &replicated, &t.arena, r, &t.err), 0);
    ck_assert(r[0].code == 0 && r[1].code == 0);
    ck_assert_int_eq(races, 0);
    ck_assert_uint_eq(testdb_update_seq(&t), 1);
    testdb_expect(&t, "a", "", DV_GET_CONFLICTS,
                  "{\"_id\":\"a\",\"_rev\":\"1-c\",\"_conflicts\":[\"1-b\"]}");
    races = 2;
    ck_assert_int_eq(dv_database_purge(t.db, &purge, 1, &t.arena, &purge_seq, &t.err), 0);
    ck_assert_uint_eq(purge.n_purged, 1);
    ck_assert_uint_eq(purge_seq, 1);
    ck_assert_ptr_nonnull(testdb_get(&t, "a", "1-b", DV_GET_ATTACHMENTS));
    testdb_close(&t);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("database out of memory");
    TCase *tc = tcase_create("faults");

    tcase_set_timeout(tc, 20);
    tcase_add_loop_test(tc, a_write_without_memory_stores_all_or_nothing, 0, TESTDB_ENGINES);
    tcase_add_loop_test(tc, a_replicated_write_without_memory_stores_all_or_nothing, 0,
                        TESTDB_ENGINES);
    tcase_add_loop_test(tc, a_read_without_memory_fails_and_the_next_one_does_not, 0,
                        TESTDB_ENGINES);
    tcase_add_test(tc, a_write_that_loses_a_race_is_run_again_as_a_whole);
    suite_add_tcase(suite, tc);
    return dv_check_run(suite);
}
