/* The SQLite engine's file: what is refused before it is touched, what cannot be written, what a
 * deletion or a creation that was cut off leaves, which file systems are not for it. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "conformance/cf.h"
#include "engine/sqlite/internal.h"

enum { USER_VERSION_AT = 60, NOBODY = 65534 };

static struct cf fixture;
static struct cf *const c = &fixture;

static void set_up(void)
{
    char path[400];

    snprintf(path, sizeof(path), "%s/unit.divan", dv_test_dir());
    cf_init(c, &dv_engine_sqlite, path);
}

static void tear_down(void)
{
    cf_close(c);
    dv_arena_fini(&c->arena);
    dv_test_dir_remove();
}

static const char *side(const char *suffix)
{
    static char name[600];

    snprintf(name, sizeof(name), "%s%s", c->path, suffix);
    return name;
}

static void write_file(const void *bytes, size_t n)
{
    FILE *f = fopen(c->path, "wb");

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

static void read_file(struct dv_buf *out)
{
    FILE *f = fopen(c->path, "rb");
    char part[4096];
    size_t n;

    ck_assert_ptr_nonnull(f);
    dv_buf_reset(out);
    while ((n = fread(part, 1, sizeof(part), f)) > 0)
        ck_assert_int_eq(dv_buf_add(out, part, n), 0);
    fclose(f);
}

/* A closed database with two documents: one file. */
static void make_database(void)
{
    cf_create(c);
    cf_put(c, "a", "x", "{\"a\":1}");
    cf_put(c, "b", "x", "{\"b\":1}");
    cf_close(c);
    ck_assert_int_ne(access(side("-wal"), F_OK), 0);
    ck_assert_int_ne(access(side("-shm"), F_OK), 0);
}

/* Refused with this code and these words, and neither changed nor given company. */
static void is_refused(int code, const char *words)
{
    struct dv_store *s = NULL;
    struct dv_buf before, after;

    dv_buf_init(&before, CF_ANY);
    dv_buf_init(&after, CF_ANY);
    read_file(&before);
    CF_FAILS(dv_store_open(c->engine, c->path, NULL, &s, &c->err), code);
    ck_assert_msg(strstr(c->err.reason, words) != NULL, "%s", c->err.reason);
    ck_assert_msg(strstr(c->err.reason, c->path) != NULL, "%s", c->err.reason);
    ck_assert_ptr_null(strchr(c->err.reason, '\n'));
    CF_FAILS(dv_store_create(c->engine, c->path, NULL, &s, &c->err), DV_EEXISTS);
    read_file(&after);
    ck_assert(dv_slice_eq(dv_buf_slice(&before), dv_buf_slice(&after)));
    ck_assert_int_ne(access(side("-wal"), F_OK), 0);
    ck_assert_int_ne(access(side("-shm"), F_OK), 0);
    ck_assert_int_ne(access(side("-journal"), F_OK), 0);
    dv_buf_fini(&before);
    dv_buf_fini(&after);
}

static void run_sql(const char *sql)
{
    sqlite3 *db;

    ck_assert_int_eq(sqlite3_open(c->path, &db), SQLITE_OK);
    ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

/* ---- foreign files ------------------------------------------------------------------------------
 */

START_TEST(a_file_of_words_is_refused_and_stays_as_it_was)
{
    static const char words[] = "Call me Ishmael. Some years ago, never mind how long precisely";

    write_file(words, sizeof(words));
    is_refused(DV_EFORMAT, "not a divan database");
    CF_FAILS(dv_store_delete(c->engine, c->path, NULL, &c->err), DV_EFORMAT);
    is_refused(DV_EFORMAT, "not a divan database");
}
END_TEST

START_TEST(a_long_file_of_zeros_is_not_taken_for_an_unfinished_one)
{
    static const char zeros[4096];

    write_file(zeros, sizeof(zeros));
    is_refused(DV_EFORMAT, "not a divan database");
}
END_TEST

START_TEST(somebody_elses_sqlite_database_is_refused)
{
    run_sql("CREATE TABLE t(a); INSERT INTO t VALUES(1)");
    is_refused(DV_EFORMAT, "not a divan database");
}
END_TEST

START_TEST(a_newer_version_is_refused_by_name)
{
    struct dv_buf file;

    make_database();
    dv_buf_init(&file, CF_ANY);
    read_file(&file);
    file.p[USER_VERSION_AT + 3] = 2;
    write_file(file.p, file.n);
    is_refused(DV_ENEWER, "newer divan");
    file.p[USER_VERSION_AT + 3] = 0;
    write_file(file.p, file.n);
    is_refused(DV_EFORMAT, "unknown version");
    dv_buf_fini(&file);
}
END_TEST

START_TEST(a_file_cut_anywhere_is_refused)
{
    struct dv_buf file;

    make_database();
    dv_buf_init(&file, CF_ANY);
    read_file(&file);
    for (size_t n = DV_SQ_PAGE_BYTES; n < file.n; n += DV_SQ_PAGE_BYTES) {
        write_file(file.p, n);
        is_refused(DV_EFORMAT, "truncated");
        write_file(file.p, n - 1);
        is_refused(DV_EFORMAT, n > DV_SQ_PAGE_BYTES ? "truncated" : "");
    }
    write_file(file.p, 99);
    is_refused(DV_EFORMAT, "not a divan database");
    dv_buf_fini(&file);
}
END_TEST

START_TEST(a_database_with_a_trigger_of_somebody_else_is_refused)
{
    make_database();
    run_sql("CREATE TRIGGER t AFTER INSERT ON docs BEGIN DELETE FROM bodies; END");
    CF_FAILS(dv_store_open(c->engine, c->path, NULL, &c->store, &c->err), DV_EFORMAT);
    ck_assert_ptr_nonnull(strstr(c->err.reason, "tables are not those"));
}
END_TEST

/* ---- halves ---- */

static void counts_as_absent(void)
{
    bool exists = true;

    CF_OK(dv_store_exists(c->engine, c->path, &exists, &c->err));
    ck_assert(!exists);
    CF_FAILS(dv_store_open(c->engine, c->path, NULL, &c->store, &c->err), DV_ENODB);
    cf_create(c);
    cf_put(c, "a", "x", "{}");
    cf_check(c);
    cf_close(c);
}

START_TEST(a_creation_that_was_cut_off_counts_as_absent)
{
    static const char marker[] = "divan: the creation of this database was not finished\n";
    char file[3 * DV_SQ_PAGE_BYTES] = { 0 };

    write_file("", 0);
    counts_as_absent();
    write_file(file, DV_SQ_SECTOR_BYTES); /* made longer, but the bytes never came */
    counts_as_absent();
    memcpy(file, marker, sizeof(marker) - 1);
    write_file(file, DV_SQ_SECTOR_BYTES);
    counts_as_absent();
    memset(file + DV_SQ_PAGE_BYTES, 0x5a, DV_SQ_PAGE_BYTES);
    write_file(file, sizeof(file));
    counts_as_absent();
    write_file(file, sizeof(file));
    CF_FAILS(dv_store_delete(c->engine, c->path, NULL, &c->err), DV_ENODB);
    ck_assert_int_ne(access(c->path, F_OK), 0); /* cleaned up all the same */
}
END_TEST

static void mark_gone(void)
{
    struct dv_store_backend *s;
    struct dv_txn_backend *t;

    CF_OK(dv_sqstore_open(c->path, NULL, &s, &c->err));
    CF_OK(dv_sqtxn_begin(s, true, &t, &c->err));
    t->state.gone = 1;
    t->dirty = true;
    CF_OK(dv_sqtxn_commit(t, DV_COMMIT_DURABLE, &c->err));
    dv_sqstore_close(s);
}

START_TEST(a_deletion_that_was_cut_off_is_finished_by_whoever_comes_next)
{
    make_database();
    mark_gone();
    CF_FAILS(dv_store_open(c->engine, c->path, NULL, &c->store, &c->err), DV_ENODB);
    ck_assert_int_ne(access(c->path, F_OK), 0);
    make_database();
    mark_gone();
    cf_create(c);
    ck_assert_uint_eq(cf_props(c).doc_count, 0);
    cf_close(c);
    mark_gone();
    CF_OK(dv_store_delete(c->engine, c->path, NULL, &c->err));
    ck_assert_int_ne(access(c->path, F_OK), 0);
}
END_TEST

START_TEST(a_log_left_by_a_deletion_does_not_reach_the_next_database)
{
    char copy[600];
    FILE *f;

    make_database();
    cf_open(c);
    cf_put(c, "c", "x", "{\"old\":true}");
    snprintf(copy, sizeof(copy), "%s.keep", c->path);
    ck_assert_int_eq(link(side("-wal"), copy), 0);
    cf_close(c);
    CF_OK(dv_store_delete(c->engine, c->path, NULL, &c->err));
    f = fopen(copy, "ab"); /* what a kill between the two unlinks leaves */
    ck_assert_ptr_nonnull(f);
    fclose(f);
    ck_assert_int_eq(rename(copy, side("-wal")), 0);
    cf_create(c);
    ck_assert_uint_eq(cf_props(c).doc_count, 0);
    cf_check(c);
}
END_TEST

START_TEST(another_file_at_the_path_is_noticed_at_the_next_transaction)
{
    struct cf other;
    char path[600];
    struct dv_txn *t = NULL;
    uint64_t stamp;

    make_database();
    cf_open(c);
    snprintf(path, sizeof(path), "%s.other", c->path);
    cf_init(&other, &dv_engine_sqlite, path);
    cf_create(&other);
    cf_close(&other);
    dv_arena_fini(&other.arena);
    ck_assert_int_eq(rename(path, c->path), 0);
    CF_FAILS(dv_store_begin_read(c->store, &t, &c->err), DV_EGONE);
    CF_FAILS(dv_store_begin_write(c->store, &t, &c->err), DV_EGONE);
    CF_FAILS(dv_store_stamp(c->store, &stamp, &c->err), DV_EGONE);
    cf_reopen(c);
    ck_assert_uint_eq(cf_props(c).doc_count, 0);
}
END_TEST

/* ---- what can not be written ---- */

/* Root may write everywhere: be somebody who may not. */
static void become_nobody(void)
{
    if (geteuid() != 0)
        return;
    ck_assert_int_eq(chown(dv_test_dir(), NOBODY, NOBODY), 0);
    ck_assert_int_eq(chown(c->path, NOBODY, NOBODY), 0);
    ck_assert_int_eq(setgroups(0, NULL), 0);
    ck_assert_int_eq(setresgid(NOBODY, NOBODY, NOBODY), 0);
    ck_assert_int_eq(setresuid(NOBODY, NOBODY, NOBODY), 0);
}

static void reads_and_refuses_writes(void)
{
    struct dv_txn *t = NULL;

    cf_open(c);
    cf_body_is(c, "a", "{\"a\":1}");
    CF_FAILS(dv_store_begin_write(c->store, &t, &c->err), DV_EREADONLY);
    cf_body_is(c, "b", "{\"b\":1}");
    cf_close(c);
}

START_TEST(in_a_folder_that_can_not_be_written_reads_go_on_and_writes_are_refused)
{
    make_database();
    become_nobody();
    ck_assert_int_eq(chmod(dv_test_dir(), 0555), 0);
    reads_and_refuses_writes();
    ck_assert_int_eq(chmod(c->path, 0444), 0);
    reads_and_refuses_writes();
    ck_assert_int_eq(chmod(dv_test_dir(), 0755), 0);
    reads_and_refuses_writes(); /* the file alone is protected */
    ck_assert_int_eq(chmod(c->path, 0644), 0);
    cf_open(c);
    cf_put(c, "c", "x", "{}");
}
END_TEST

START_TEST(creating_in_a_folder_that_can_not_be_written_says_so)
{
    make_database();
    become_nobody();
    CF_OK(dv_store_delete(c->engine, c->path, NULL, &c->err));
    ck_assert_int_eq(chmod(dv_test_dir(), 0555), 0);
    CF_FAILS(dv_store_create(c->engine, c->path, NULL, &c->store, &c->err), DV_EREADONLY);
    ck_assert_ptr_nonnull(strstr(c->err.reason, c->path));
    ck_assert_int_eq(chmod(dv_test_dir(), 0755), 0);
    cf_create(c);
}
END_TEST

START_TEST(opening_for_reading_only_changes_no_byte)
{
    struct dv_store_options opt = { .node = CF_NODE_B, .read_only = true };
    struct dv_buf before, after;

    make_database();
    dv_buf_init(&before, CF_ANY);
    dv_buf_init(&after, CF_ANY);
    read_file(&before);
    CF_OK(dv_store_open(c->engine, c->path, &opt, &c->store, &c->err));
    cf_body_is(c, "a", "{\"a\":1}");
    cf_check(c);
    cf_close(c);
    read_file(&after);
    ck_assert(dv_slice_eq(dv_buf_slice(&before), dv_buf_slice(&after)));
    dv_buf_fini(&before);
    dv_buf_fini(&after);
}
END_TEST

/* No more than this many bytes per file, from now on. */
static void limit_files(rlim_t bytes)
{
    struct rlimit limit = { bytes, RLIM_INFINITY };

    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

START_TEST(a_full_disk_fails_the_write_whole_and_the_database_stays_usable)
{
    static char body[600 * 1024];
    struct dv_buf before, after;
    struct dv_txn *t;
    struct cf_edit e = { .id = "big", .path = "x", .body = { body, sizeof(body) } };
    int rc;

    memset(body, 'b', sizeof(body));
    make_database();
    cf_open(c);
    dv_buf_init(&before, CF_ANY);
    dv_buf_init(&after, CF_ANY);
    CF_OK(cf_dump(c->store, &before, &c->err));
    limit_files(300 * 1024);
    t = cf_write(c);
    rc = cf_merge(t, &e, 1, &c->arena, &c->err);
    if (rc == 0) {
        rc = dv_txn_commit(t, DV_COMMIT_DURABLE, &c->err);
    } else {
        dv_txn_rollback(t);
    }
    ck_assert_msg(rc == DV_EFULL, "%s %s", dv_err_symbol(rc), cf_words(c));
    CF_OK(cf_dump(c->store, &after, &c->err));
    cf_dump_equal(&before, &after);
    cf_put(c, "small", "x", "{}"); /* there is room for this */
    limit_files(RLIM_INFINITY);
    t = cf_write(c);
    CF_OK(cf_merge(t, &e, 1, &c->arena, &c->err));
    cf_commit(c, t);
    cf_check(c);
    cf_reopen(c);
    cf_body_is(c, "small", "{}");
    dv_buf_fini(&before);
    dv_buf_fini(&after);
}
END_TEST

/* ---- space ---- */

enum { MANY = 6000 };

/* One more revision of every step-th of many documents. */
static void write_many(int step, const char *path)
{
    static char ids[MANY][16];
    static struct cf_edit edits[MANY];
    static char body[400];
    struct dv_txn *t = cf_write(c);
    size_t n = 0;

    memset(body, 'b', sizeof(body));
    for (int i = 0; i < MANY; i += step) {
        snprintf(ids[n], sizeof(ids[n]), "%08x", (unsigned)i * 2654435761u);
        edits[n] = (struct cf_edit){ .id = ids[n], .path = path, .body = { body, sizeof(body) } };
        n++;
    }
    CF_OK(cf_merge(t, edits, n, &c->arena, &c->err));
    cf_commit(c, t);
}

START_TEST(half_empty_pages_come_back_and_nothing_else_changes)
{
    uint64_t fresh, used;
    struct dv_buf before, after;

    cf_create(c);
    write_many(1, "x");
    fresh = cf_props(c).file_bytes;
    write_many(2, "y,x");
    used = cf_props(c).file_bytes;
    ck_assert_uint_gt(used, fresh + fresh / 3);
    dv_buf_init(&before, CF_ANY);
    dv_buf_init(&after, CF_ANY);
    CF_OK(cf_dump(c->store, &before, &c->err));
    cf_compact(c, 0);
    CF_OK(cf_dump(c->store, &after, &c->err));
    cf_dump_equal(&before, &after);
    cf_check(c);
    ck_assert_uint_lt(cf_props(c).file_bytes, fresh + fresh / 6);
    cf_reopen(c);
    cf_check(c);
    dv_buf_fini(&before);
    dv_buf_fini(&after);
}
END_TEST

/* ---- file systems ---- */

START_TEST(network_file_systems_are_refused_by_name)
{
    static const struct {
        unsigned long magic;
        const char *name;
    } network[] = {
        { 0x6969, "NFS" },    { 0xff534d42, "CIFS" }, { 0xfe534d42, "SMB2" },
        { 0x517b, "SMB" },    { 0x73757245, "Coda" }, { 0x5346414f, "AFS" },
        { 0x01021997, "9p" }, { 0x00c36400, "Ceph" },
    };

    make_database();
    for (size_t i = 0; i < sizeof(network) / sizeof(*network); i++) {
        dv_sqfile_set_fs_magic(network[i].magic);
        CF_FAILS(dv_store_open(c->engine, c->path, NULL, &c->store, &c->err), DV_ENETFS);
        ck_assert_msg(strstr(c->err.reason, network[i].name) != NULL, "%s", c->err.reason);
    }
    dv_sqfile_set_fs_magic(0);
    CF_OK(dv_store_delete(c->engine, c->path, NULL, &c->err));
    dv_sqfile_set_fs_magic(0x6969);
    CF_FAILS(dv_store_create(c->engine, c->path, NULL, &c->store, &c->err), DV_ENETFS);
    ck_assert_int_ne(access(c->path, F_OK), 0);
    dv_sqfile_set_fs_magic(0xef53); /* ext4 */
    cf_create(c);
    dv_sqfile_set_fs_magic(0);
}
END_TEST

/* ---- memory ---- */

static bool fail_always(void *arg)
{
    ++*(int *)arg;
    return true;
}

START_TEST(sqlite_allocates_through_the_projects_door)
{
    int asked = 0;
    void *p;

    make_database();
    dv_mem_set_fault(fail_always, &asked);
    p = sqlite3_malloc(100);
    dv_mem_set_fault(NULL, NULL);
    ck_assert_ptr_null(p);
    ck_assert_int_eq(asked, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine sqlite");
    TCase *tc = tcase_create("file");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_file_of_words_is_refused_and_stays_as_it_was);
    tcase_add_test(tc, a_long_file_of_zeros_is_not_taken_for_an_unfinished_one);
    tcase_add_test(tc, somebody_elses_sqlite_database_is_refused);
    tcase_add_test(tc, a_newer_version_is_refused_by_name);
    tcase_add_test(tc, a_file_cut_anywhere_is_refused);
    tcase_add_test(tc, a_database_with_a_trigger_of_somebody_else_is_refused);
    tcase_add_test(tc, a_creation_that_was_cut_off_counts_as_absent);
    tcase_add_test(tc, a_deletion_that_was_cut_off_is_finished_by_whoever_comes_next);
    tcase_add_test(tc, a_log_left_by_a_deletion_does_not_reach_the_next_database);
    tcase_add_test(tc, another_file_at_the_path_is_noticed_at_the_next_transaction);
    tcase_add_test(tc, in_a_folder_that_can_not_be_written_reads_go_on_and_writes_are_refused);
    tcase_add_test(tc, creating_in_a_folder_that_can_not_be_written_says_so);
    tcase_add_test(tc, opening_for_reading_only_changes_no_byte);
    tcase_add_test(tc, a_full_disk_fails_the_write_whole_and_the_database_stays_usable);
    tcase_add_test(tc, half_empty_pages_come_back_and_nothing_else_changes);
    tcase_add_test(tc, network_file_systems_are_refused_by_name);
    tcase_add_test(tc, sqlite_allocates_through_the_projects_door);
    suite_add_tcase(suite, tc);
    return dv_check_run(suite);
}
