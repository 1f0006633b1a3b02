/* A disk that fails once, at a place of our choosing, below one or two stores of a file, or a write
 * queue: what is acknowledged afterwards holds, and nothing is half done or done twice. */
#include <pthread.h>
#include <stdio.h>

#include "database/database.h"
#include "database/strand.h"
#include "engine/sqlite/internal.h"
#include "lib/check_main.h"
#include "lib/crashdoc.h"
#include "lib/crashvfs.h"

#define DB_PATH "/disk/db.divan"

static struct dv_err err;

static void setup(void)
{
    ck_assert_int_eq(crashvfs_register("disk"), SQLITE_OK);
}

static struct dv_store *open_db(bool create)
{
    struct dv_store_options opt = { .vfs = "disk" };
    struct dv_store *s = NULL;
    int rc = create ? dv_store_create(&dv_engine_sqlite, DB_PATH, &opt, &s, &err)
                    : dv_store_open(&dv_engine_sqlite, DB_PATH, &opt, &s, &err);

    ck_assert_msg(rc == 0, "%s", err.reason);
    return s;
}

static int put(struct dv_store *s, const char *id, uint64_t salt, enum dv_commit how)
{
    struct crash_edit e = { .id = id, .salt = salt, .body_bytes = 3000 };
    struct dv_txn *t;
    int rc = dv_store_begin_write(s, &t, &err);

    if (rc < 0)
        return rc;
    rc = crashdoc_edit(t, &e, &err);
    if (rc == 0)
        return dv_txn_commit(t, how, &err);
    dv_txn_rollback(t);
    return rc;
}

static uint64_t seq_of(struct dv_store *s)
{
    struct dv_props props;
    struct dv_txn *t;

    ck_assert_int_eq(dv_store_begin_read(s, &t, &err), 0);
    ck_assert_int_eq(dv_txn_props(t, &props, &err), 0);
    dv_txn_rollback(t);
    return props.update_seq;
}

static void print_finding(void *arg, const char *finding)
{
    (void)arg;
    printf("%s\n", finding);
}

static void check_db(struct dv_store *s)
{
    struct dv_check_result result;

    ck_assert_msg(dv_store_check(s, true, print_finding, NULL, &result, &err) == 0, "%s",
                  err.reason);
    ck_assert_uint_eq(result.findings, 0);
}

/* Linux marks pages as clean when it could not write them: the next fsync has nothing to do. */
START_TEST(a_barrier_after_a_failed_one_does_not_build_on_what_is_lost)
{
    struct dv_store *s;

    crashvfs_reset(7);
    s = open_db(true);
    ck_assert_int_eq(put(s, "first", 1, DV_COMMIT_DURABLE), 0);
    crashvfs_fail_at(1, CRASH_FAIL_LOSE, false);
    ck_assert_int_eq(put(s, "second", 2, DV_COMMIT_DURABLE), DV_EIO);
    ck_assert(crashvfs_fail_fired());
    ck_assert_int_eq(put(s, "third", 3, DV_COMMIT_DURABLE), 0);
    crashvfs_crash_at(crashvfs_count() + 1);
    dv_store_unref(s);
    crashvfs_power_cut(CRASH_CUT_CLEAN, 7);
    s = open_db(false);
    ck_assert_uint_eq(seq_of(s), 3);
    check_db(s);
    dv_store_unref(s);
}
END_TEST

/* SQLite ends the transaction by itself; what follows must not be stored bit by bit. */
START_TEST(a_page_that_cannot_be_read_while_catching_up_fails_the_write_whole)
{
    bool fired = true;
    int failures = 0;

    for (uint64_t n = 1; fired; n++) {
        struct dv_store *a, *b;
        uint64_t before;
        int rc;

        crashvfs_reset(7);
        a = open_db(true);
        b = open_db(false);
        ck_assert_int_eq(put(a, "mine", 1, DV_COMMIT_LAZY), 0);
        for (uint64_t i = 0; i < 40; i++) {
            char id[8];

            snprintf(id, sizeof(id), "%llu", (unsigned long long)i);
            ck_assert_int_eq(put(b, id, i, DV_COMMIT_LAZY), 0);
        }
        before = seq_of(b);
        crashvfs_fail_at(n, CRASH_FAIL_READ, false);
        rc = put(a, "new", 2, DV_COMMIT_LAZY);
        fired = crashvfs_fail_fired();
        crashvfs_fail_at(0, CRASH_FAIL_NONE, false);
        ck_assert_msg(seq_of(b) == before + (rc == 0), "read %llu: %d", (unsigned long long)n, rc);
        check_db(b);
        failures += rc < 0;
        dv_store_unref(a);
        dv_store_unref(b);
    }
    ck_assert_int_gt(failures, 0);
}
END_TEST

/* ---- a write queue ------------------------------------------------------------------------- */

struct gate {
    struct dv_task task; /* first */
    pthread_mutex_t lock;
};

static void wait_at_gate(struct dv_task *task)
{
    struct gate *g = (struct gate *)task;

    pthread_mutex_lock(&g->lock);
    pthread_mutex_unlock(&g->lock);
}

struct answer {
    int code, edit_code;
    bool has_rev;
};

static void note_answer(void *arg, struct dv_batch *batch, int code, const struct dv_err *why)
{
    struct answer *a = arg;
    const struct dv_edit_result *r = dv_batch_results(batch);

    (void)why;
    *a = (struct answer){ code, r->code, r->rev.n > 0 };
    dv_batch_free(batch);
}

static void submit_edit(struct dv_strand *strand, struct dv_database *db, const char *id,
                        enum dv_commit commit, struct answer *a)
{
    struct dv_edit edit = { .id = dv_slice_str(id), .json = DV_SLICE_LIT("{}") };
    struct dv_batch *batch;

    ck_assert_int_eq(dv_batch_prepare(db, &edit, 1, false, &batch, &err), 0);
    ck_assert_int_eq(dv_strand_submit(strand, batch, commit, note_answer, a, &err), 0);
}

START_TEST(edits_whose_barrier_failed_are_not_made_again_and_called_conflicts)
{
    struct dv_database_options opt = { .store = { .vfs = "disk" } };
    struct gate gate = { .task = { .run = wait_at_gate }, .lock = PTHREAD_MUTEX_INITIALIZER };
    struct answer answers[3];
    struct dv_database *db;
    struct dv_strand *strand;
    struct dv_pool *pool;

    crashvfs_reset(7);
    ck_assert_int_eq(dv_database_create(DB_PATH, &opt, &db, &err), 0);
    ck_assert_int_eq(put(dv_database_store(db), "0", 1, DV_COMMIT_DURABLE), 0);
    ck_assert_int_eq(dv_pool_new(1, &pool, &err), 0);
    ck_assert_int_eq(dv_strand_new(pool, db, NULL, &strand, &err), 0);
    pthread_mutex_lock(&gate.lock); /* all three in one transaction */
    dv_pool_submit(pool, &gate.task);
    submit_edit(strand, db, "a", DV_COMMIT_DURABLE, &answers[0]);
    submit_edit(strand, db, "b", DV_COMMIT_DURABLE, &answers[1]);
    submit_edit(strand, db, "c", DV_COMMIT_LAZY, &answers[2]);
    crashvfs_fail_at(1, CRASH_FAIL_SYNC, false);
    pthread_mutex_unlock(&gate.lock);
    dv_strand_drain(strand);
    ck_assert(crashvfs_fail_fired());
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(answers[i].code, i < 2 ? DV_EIO : 0);
        ck_assert_int_eq(answers[i].edit_code, 0);
        ck_assert(answers[i].has_rev);
    }
    dv_strand_free(strand);
    dv_pool_free(pool);
    ck_assert_uint_eq(seq_of(dv_database_store(db)), 4);
    dv_database_close(db);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("disk");
    TCase *tc = tcase_create("disk");

    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_barrier_after_a_failed_one_does_not_build_on_what_is_lost);
    tcase_add_test(tc, a_page_that_cannot_be_read_while_catching_up_fails_the_write_whole);
    tcase_add_test(tc, edits_whose_barrier_failed_are_not_made_again_and_called_conflicts);
    suite_add_tcase(suite, tc);
    return dv_check_run(suite);
}
