/* The instrument itself, with plain SQLite under it, whose promises are known: with
 * synchronous=FULL (and a rollback journal: EXTRA, which also syncs the folder when the journal is
 * deleted) a commit survives every power cut. Leaving out one of the syncs that it needs for that
 * must show as a loss. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rand.h"
#include "lib/check_main.h"
#include "lib/crashvfs.h"

#define FILE_NAME "/plain.db"

enum { COMMITS = 14, TORN_CUTS = 4 };

struct ordeal {
    const char *journal; /* journal_mode */
    bool lazy;           /* synchronous=NORMAL: the last commits may go, order may not */
    unsigned skip;       /* syncs left out */
    uint64_t seed;
};

struct outcome {
    uint64_t operations;
    unsigned cuts, losses;
};

static sqlite3 *open_plain(int flags)
{
    sqlite3 *db;

    if (sqlite3_open_v2(FILE_NAME, &db, SQLITE_OPEN_READWRITE | flags, "crash") == SQLITE_OK)
        return db;
    sqlite3_close(db);
    return NULL;
}

static int run(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

/* Commits 1..COMMITS: row i, and every fourth row of before rewritten. The rows of commit i all say
 * so. Returns the last commit that was acknowledged; 0 when the table is not there yet. */
static int work(const struct ordeal *o)
{
    sqlite3 *db = open_plain(SQLITE_OPEN_CREATE);
    char sql[400];
    int done = 0;

    if (!db)
        return 0;
    snprintf(sql, sizeof(sql),
             "PRAGMA page_size=1024; PRAGMA journal_mode=%s; PRAGMA synchronous=%d;"
             "PRAGMA wal_autocheckpoint=12;"
             "CREATE TABLE t(k INTEGER PRIMARY KEY, made INT, said INT, filler)",
             o->journal, o->lazy ? 1 : 3);
    if (run(db, sql) == SQLITE_OK)
        for (int i = 1; i <= COMMITS; i++) {
            snprintf(sql, sizeof(sql),
                     "BEGIN; INSERT INTO t VALUES(%d, %d, %d, zeroblob(700));"
                     "UPDATE t SET said=%d WHERE k %% 4 = %d %% 4; COMMIT",
                     i, i, i, i, i);
            if (run(db, sql) != SQLITE_OK)
                break;
            done = i;
        }
    sqlite3_close(db);
    return done;
}

static int ask(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *st = NULL;
    int n = -1;

    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
        n = sqlite3_column_int(st, 0);
    sqlite3_finalize(st);
    return n;
}

/* The number of the commit whose state the file has, or -1 when it is none's. */
static int state_of(sqlite3 *db)
{
    char sql[300];
    int last;

    if (ask(db, "SELECT integrity_check = 'ok' FROM pragma_integrity_check") != 1)
        return -1;
    if (ask(db, "SELECT count(*) FROM sqlite_schema") == 0)
        return 0;
    last = ask(db, "SELECT coalesce(max(k), 0) FROM t");
    snprintf(sql, sizeof(sql),
             "SELECT count(*) = %d AND coalesce(min(made = k AND said ="
             " %d - ((%d - k) %% 4)), 1) FROM t",
             last, last, last);
    return ask(db, sql) == 1 ? last : -1;
}

/* Was something lost? */
static bool is_loss(const struct ordeal *o, int acknowledged)
{
    sqlite3 *db = open_plain(0);
    int state = 0;

    if (db) {
        state = state_of(db);
        if (state >= 0 && run(db, "CREATE TABLE IF NOT EXISTS after(x)") != SQLITE_OK)
            state = -1;
        sqlite3_close(db);
    }
    return state < 0 || state > acknowledged + 1 || (!o->lazy && state < acknowledged);
}

static bool crash_at(const struct ordeal *o, uint64_t n, struct outcome *out)
{
    int acknowledged;

    crashvfs_reset(o->seed);
    crashvfs_skip_sync(o->skip);
    crashvfs_crash_at(n);
    acknowledged = work(o);
    if (!crashvfs_crashed())
        return false;
    for (int i = 0; i <= TORN_CUTS; i++) {
        crashvfs_power_cut(i == 0 ? CRASH_CUT_CLEAN : CRASH_CUT_TORN,
                           o->seed * 1000003 + n * 101 + (uint64_t)i);
        out->losses += is_loss(o, acknowledged);
        out->cuts++;
    }
    return true;
}

static struct outcome suffer(struct ordeal o)
{
    struct outcome out = { 0 };
    uint64_t n = 1;

    while (crash_at(&o, n, &out))
        n++;
    out.operations = n - 1;
    printf("%s%s, without syncs %#x: %llu operations, %u cuts, %u losses\n", o.journal,
           o.lazy ? " lazy" : "", o.skip, (unsigned long long)out.operations, out.cuts, out.losses);
    fflush(stdout);
    return out;
}

static void setup(void)
{
    ck_assert_int_eq(crashvfs_register("crash"), SQLITE_OK);
}

START_TEST(commits_survive_every_power_cut_with_a_log)
{
    struct outcome out = suffer((struct ordeal){ .journal = "wal", .seed = 1 });

    ck_assert_uint_gt(out.operations, 150);
    ck_assert_uint_eq(out.losses, 0);
}
END_TEST

START_TEST(commits_survive_every_power_cut_with_a_rollback_journal)
{
    struct outcome out = suffer((struct ordeal){ .journal = "delete", .seed = 2 });

    ck_assert_uint_gt(out.operations, 150);
    ck_assert_uint_eq(out.losses, 0);
}
END_TEST

START_TEST(lazy_commits_are_lost_only_from_the_end)
{
    struct outcome out = suffer((struct ordeal){ .journal = "wal", .lazy = true, .seed = 3 });

    ck_assert_uint_eq(out.losses, 0);
}
END_TEST

/* One row per sync that SQLite needs; the run must notice that it is missing. */
static const struct ordeal needed[] = {
    { .journal = "wal", .skip = 1u << CRASH_SYNC_BARRIER },
    { .journal = "wal", .skip = 1u << CRASH_SYNC_LOG_NAME },
    { .journal = "wal", .skip = 1u << CRASH_SYNC_CKPT_DB },
    { .journal = "wal", .lazy = true, .skip = 1u << CRASH_SYNC_CKPT_LOG },
    { .journal = "wal", .lazy = true, .skip = 1u << CRASH_SYNC_LOG_HEAD },
    { .journal = "delete", .skip = 1u << CRASH_SYNC_JOURNAL },
    { .journal = "delete", .skip = 1u << CRASH_SYNC_JOURNAL_NAME },
    { .journal = "delete", .skip = 1u << CRASH_SYNC_DB_MORE },
    { .journal = "delete", .skip = 1u << CRASH_SYNC_DELETE_JOURNAL },
};
enum { NEEDED = sizeof(needed) / sizeof(needed[0]) };

START_TEST(leaving_out_a_sync_that_is_needed_shows_as_a_loss)
{
    struct ordeal o = needed[_i];
    struct outcome out = { 0 };

    for (o.seed = 1; out.losses == 0 && o.seed <= 20; o.seed++)
        out = suffer(o);
    ck_assert_uint_gt(out.losses, 0);
}
END_TEST

START_TEST(a_file_whose_folder_was_not_synced_is_gone_after_a_cut)
{
    struct crash_disk *disk = crashdisk_new(), *left;

    crashnode_write(crashdisk_create(disk, "/d/a"), "a", 1, 0);
    crashnode_sync(crashdisk_find(disk, "/d/a"));
    crashdisk_sync_folder(disk, "/other/x");
    left = crashdisk_cut(disk, CRASH_CUT_CLEAN, 1);
    ck_assert_ptr_null(crashdisk_find(left, "/d/a"));
    crashdisk_free(left);
    crashdisk_sync_folder(disk, "/d/whatever");
    left = crashdisk_cut(disk, CRASH_CUT_CLEAN, 1);
    ck_assert_uint_eq(crashdisk_find(left, "/d/a")->now.n, 1);
    crashdisk_free(left);
    crashdisk_unlink(disk, "/d/a");
    left = crashdisk_cut(disk, CRASH_CUT_CLEAN, 1);
    ck_assert_ptr_nonnull(crashdisk_find(left, "/d/a"));
    crashdisk_free(left);
    crashdisk_free(disk);
}
END_TEST

START_TEST(a_sync_that_failed_may_have_lost_what_a_later_one_calls_synced)
{
    struct crash_disk *disk = crashdisk_new(), *left;
    struct crash_node *f = crashdisk_create(disk, "/f");

    crashdisk_sync_folder(disk, "/f");
    crashnode_write(f, "a", 1, 0);
    crashnode_lose(f);
    crashnode_write(f, "b", 1, 1);
    crashnode_sync(f);
    ck_assert_mem_eq(f->now.p, "ab", 2);
    left = crashdisk_cut(disk, CRASH_CUT_CLEAN, 1);
    ck_assert_mem_eq(crashdisk_find(left, "/f")->now.p, "\0b", 2);
    crashdisk_free(left);
    crashdisk_free(disk);
}
END_TEST

/* Two writes of 1 KiB over an old KiB: each sector is old, first or second, and every combination
 * that a disk could leave turns up among the seeds. */
START_TEST(unsynced_writes_are_kept_by_sectors_in_any_combination)
{
    struct crash_disk *disk = crashdisk_new();
    struct crash_node *f = crashdisk_create(disk, "/f");
    unsigned char block[1024];
    bool seen[9] = { false };
    int combinations = 0;

    for (int i = 0; i < 3; i++) {
        memset(block, 'a' + i, sizeof(block));
        crashnode_write(f, block, sizeof(block), 0);
        if (i == 0) {
            crashnode_sync(f);
            crashdisk_sync_folder(disk, "/f");
        }
    }
    for (uint64_t seed = 1; seed <= 500; seed++) {
        struct crash_disk *left = crashdisk_cut(disk, CRASH_CUT_TORN, seed);
        const struct crash_bytes *b = &crashdisk_find(left, "/f")->now;

        ck_assert_uint_eq(b->n, 1024);
        for (int i = 0; i < 1024; i++)
            ck_assert_int_eq(b->p[i], b->p[i / 512 * 512]);
        seen[3 * (b->p[0] - 'a') + b->p[512] - 'a'] = true;
        crashdisk_free(left);
    }
    for (int i = 0; i < 9; i++)
        combinations += seen[i];
    ck_assert_int_eq(combinations, 9);
    crashdisk_free(disk);
}
END_TEST

START_TEST(the_same_seed_leaves_the_same_bytes)
{
    struct crash_bytes first;

    crashvfs_reset(7);
    crashvfs_crash_at(60);
    work(&(struct ordeal){ .journal = "wal" });
    crashvfs_power_cut(CRASH_CUT_TORN, 99);
    ck_assert_ptr_nonnull(crashvfs_file(FILE_NAME "-wal"));
    first = *crashvfs_file(FILE_NAME "-wal");
    first.p = malloc(first.n + 1);
    memcpy(first.p, crashvfs_file(FILE_NAME "-wal")->p, first.n);
    crashvfs_reset(7);
    crashvfs_crash_at(60);
    work(&(struct ordeal){ .journal = "wal" });
    crashvfs_power_cut(CRASH_CUT_TORN, 99);
    ck_assert_uint_eq(crashvfs_file(FILE_NAME "-wal")->n, first.n);
    ck_assert_mem_eq(crashvfs_file(FILE_NAME "-wal")->p, first.p, first.n);
    free(first.p);
}
END_TEST

START_TEST(connections_lock_each_other_out_and_readers_keep_their_snapshot)
{
    sqlite3 *a, *b;

    crashvfs_reset(1);
    a = open_plain(SQLITE_OPEN_CREATE);
    b = open_plain(SQLITE_OPEN_CREATE);
    ck_assert_int_eq(run(a, "PRAGMA journal_mode=wal; CREATE TABLE t(x)"), SQLITE_OK);
    ck_assert_int_eq(run(a, "BEGIN IMMEDIATE; INSERT INTO t VALUES(1)"), SQLITE_OK);
    ck_assert_int_eq(run(b, "BEGIN IMMEDIATE"), SQLITE_BUSY);
    ck_assert_int_eq(run(b, "BEGIN"), SQLITE_OK);
    ck_assert_int_eq(ask(b, "SELECT count(*) FROM t"), 0);
    ck_assert_int_eq(run(a, "COMMIT"), SQLITE_OK);
    ck_assert_int_eq(ask(b, "SELECT count(*) FROM t"), 0);
    ck_assert_int_eq(ask(a, "PRAGMA wal_checkpoint(TRUNCATE)"), 1);
    ck_assert_int_eq(run(b, "COMMIT"), SQLITE_OK);
    ck_assert_int_eq(ask(b, "SELECT count(*) FROM t"), 1);
    ck_assert_int_eq(ask(a, "PRAGMA wal_checkpoint(TRUNCATE)"), 0);
    sqlite3_close(a);
    ck_assert_ptr_nonnull(crashvfs_file(FILE_NAME "-wal"));
    sqlite3_close(b);
    ck_assert_ptr_null(crashvfs_file(FILE_NAME "-wal"));
}
END_TEST

/* A disk that is full from its n-th write on: the statement fails whole, reading goes on, and when
 * there is room again writing does. */
START_TEST(a_full_disk_fails_the_statement_and_nothing_else)
{
    static const enum crash_fail faults[] = { CRASH_FAIL_FULL, CRASH_FAIL_SHORT, CRASH_FAIL_WRITE,
                                              CRASH_FAIL_SYNC };
    bool fired = true;

    for (uint64_t n = 1; fired; n++) {
        sqlite3 *db;
        int rc;

        crashvfs_reset(1);
        db = open_plain(SQLITE_OPEN_CREATE);
        run(db, "PRAGMA journal_mode=wal; PRAGMA synchronous=2; CREATE TABLE t(x);"
                "INSERT INTO t VALUES(1)");
        crashvfs_fail_at(n, faults[_i], true);
        rc = run(db, "INSERT INTO t SELECT zeroblob(3000) FROM pragma_compile_options LIMIT 9");
        fired = crashvfs_fail_fired();
        ck_assert_int_eq(rc != SQLITE_OK, fired);
        ck_assert_int_eq(ask(db, "SELECT count(*) FROM t"), fired ? 1 : 10);
        crashvfs_fail_at(0, CRASH_FAIL_NONE, false);
        ck_assert_int_eq(run(db, "INSERT INTO t VALUES(2)"), SQLITE_OK);
        sqlite3_close(db);
    }
}
END_TEST

START_TEST(a_read_can_fail)
{
    sqlite3 *db;

    crashvfs_reset(1);
    db = open_plain(SQLITE_OPEN_CREATE);
    ck_assert_int_eq(run(db, "CREATE TABLE t(x)"), SQLITE_OK);
    sqlite3_close(db);
    db = open_plain(0);
    crashvfs_fail_at(1, CRASH_FAIL_READ, false);
    ck_assert_int_eq(run(db, "SELECT * FROM t") & 0xff, SQLITE_IOERR);
    ck_assert_int_eq(run(db, "SELECT * FROM t"), SQLITE_OK);
    sqlite3_close(db);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("crashvfs");
    TCase *cuts = tcase_create("cuts");
    TCase *disk = tcase_create("disk");
    TCase *faults = tcase_create("faults");

    tcase_add_checked_fixture(cuts, setup, NULL);
    tcase_set_timeout(cuts, dv_test_scale(20, 0));
    tcase_add_test(cuts, commits_survive_every_power_cut_with_a_log);
    tcase_add_test(cuts, commits_survive_every_power_cut_with_a_rollback_journal);
    tcase_add_test(cuts, lazy_commits_are_lost_only_from_the_end);
    tcase_add_loop_test(cuts, leaving_out_a_sync_that_is_needed_shows_as_a_loss, 0, NEEDED);
    tcase_add_checked_fixture(disk, setup, NULL);
    tcase_add_test(disk, a_file_whose_folder_was_not_synced_is_gone_after_a_cut);
    tcase_add_test(disk, a_sync_that_failed_may_have_lost_what_a_later_one_calls_synced);
    tcase_add_test(disk, unsynced_writes_are_kept_by_sectors_in_any_combination);
    tcase_add_test(disk, the_same_seed_leaves_the_same_bytes);
    tcase_add_test(disk, connections_lock_each_other_out_and_readers_keep_their_snapshot);
    tcase_add_checked_fixture(faults, setup, NULL);
    tcase_add_loop_test(faults, a_full_disk_fails_the_statement_and_nothing_else, 0, 4);
    tcase_add_test(faults, a_read_can_fail);
    suite_add_tcase(suite, cuts);
    suite_add_tcase(suite, disk);
    suite_add_tcase(suite, faults);
    return dv_check_run(suite);
}
