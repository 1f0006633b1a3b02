/* Writers over the real file system, through src/database, are killed with SIGKILL at random
 * moments.
 *
 * Each writer is a child that writes documents, conflicts, attachments of several chunks and local
 * documents, compacts and reopens at times, and tells of each write through a pipe as soon as it
 * was acknowledged. The parent reads a drawn number of these, spins a drawn while, and kills. Then
 * it opens the file: it is sound, and every write that was told of is there (the kernel lives on,
 * so also those that no barrier covers). Every third round has two writers at once, every eighth
 * starts with no database. The same database goes through all rounds in between.
 *
 * DIVAN_SEED=n draws other rounds; the moment of a kill depends on the machine, too. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rand.h"
#include "database/database.h"
#include "lib/check_main.h"
#include "lib/crashdoc.h"

enum { WRITERS = 2, DOCS = 40, ARENA_BYTES = 64 << 20, TOLD_MAX = 100000, BIG_BYTES = 200000 };

/* One write that was acknowledged. Fits into a pipe's atomic write. */
struct told {
    char id[32];
    char rev[48];
    uint64_t att_salt; /* 0: no attachment */
};

static uint64_t seed_of_all(void)
{
    const char *text = getenv("DIVAN_SEED");

    return text ? strtoull(text, NULL, 10) : 1;
}

static struct dv_database_options options(void)
{
    struct dv_database_options opt = { .engine = &dv_engine_sqlite };

    memcpy(opt.store.node, "0123456789abcdef0123456789abcdef", 33);
    return opt;
}

/* ---- the writer ----------------------------------------------------------------------------- */

struct writer {
    const char *path;
    int number, pipe;
    struct dv_database *db;
    struct dv_arena arena;
    struct dv_rng rng;
    char revs[DOCS][48]; /* the last revision this writer knows of its documents */
    int round;
};

/* Ends the child; the parent sees the status and what is said here. */
static void must(int rc, const char *what, const struct dv_err *err)
{
    char text[800];

    if (rc >= 0)
        return;
    dv_err_text(err, text, sizeof(text));
    fprintf(stderr, "writer: %s: %s\n", what, text);
    _exit(1);
}

/* While the other writer is creating it, it neither exists nor can be created. */
static void open_database(struct writer *w)
{
    struct dv_database_options opt = options();
    struct dv_err err = { 0 };
    int rc;

    do {
        rc = dv_database_open(w->path, &opt, &w->db, &err);
        if (rc == DV_ENODB)
            rc = dv_database_create(w->path, &opt, &w->db, &err);
        if (rc == DV_EEXISTS)
            sched_yield();
    } while (rc == DV_EEXISTS);
    must(rc, "open", &err);
}

static void tell(struct writer *w, const struct told *t)
{
    if (write(w->pipe, t, sizeof(*t)) != (ssize_t)sizeof(*t))
        _exit(2);
}

static uint64_t draw(struct writer *w, uint64_t below)
{
    return dv_rng_below(&w->rng, below);
}

/* An attachment streamed in before the document that has it. */
static size_t prepare_attachment(struct writer *w, struct dv_edit_attachment *att, uint64_t *salt)
{
    struct dv_err err = { 0 };
    size_t bytes = draw(w, 2) ? 100 + draw(w, 20000) : BIG_BYTES;

    *salt = 0;
    if (draw(w, 4) > 0)
        return 0;
    *salt = 1 + draw(w, 1u << 20);
    memset(att, 0, sizeof(*att));
    att->name = DV_SLICE_LIT("a.bin");
    att->content_type = DV_SLICE_LIT("application/octet-stream");
    must(crashdoc_attach(dv_database_store(w->db), NULL, *salt, bytes, &att->info, &err), "attach",
         &err);
    return 1;
}

static void put(struct writer *w, struct dv_slice json, struct dv_slice id, struct dv_slice rev,
                bool replicated, struct told *t)
{
    struct dv_write_options opt = { .replicated = replicated,
                                    .commit = draw(w, 3) ? DV_COMMIT_LAZY : DV_COMMIT_DURABLE };
    struct dv_edit_attachment att;
    struct dv_edit edit = { .json = json, .id = id, .rev = rev, .attachments = &att };
    struct dv_edit_result result;
    struct dv_err err = { 0 };

    edit.n_attachments = replicated ? 0 : prepare_attachment(w, &att, &t->att_salt);
    must(dv_database_write(w->db, &edit, 1, &opt, &w->arena, &result, &err), "write", &err);
    must(result.code, "document", result.err);
    snprintf(t->id, sizeof(t->id), "%.*s", (int)result.id.n, result.id.p);
    snprintf(t->rev, sizeof(t->rev), "%.*s", (int)result.rev.n, result.rev.p);
    tell(w, t);
}

static void edit_document(struct writer *w)
{
    size_t which = draw(w, DOCS);
    struct told t = { .att_salt = 0 };
    char id[32], json[200];

    snprintf(id, sizeof(id), "doc-%d-%zu-%d", w->number, which, w->round);
    snprintf(json, sizeof(json), "{\"n\":%llu}", (unsigned long long)dv_rng_next(&w->rng));
    put(w, dv_slice_str(json), dv_slice_str(id), dv_slice_str(w->revs[which]), false, &t);
    memcpy(w->revs[which], t.rev, sizeof(t.rev));
}

/* A revision of another root, in documents that both writers write. */
static void add_conflict(struct writer *w)
{
    struct told t = { .att_salt = 0 };
    char json[200];

    snprintf(json, sizeof(json), "{\"_id\":\"shared-%u\",\"_rev\":\"1-%016llx%016llx\",\"w\":%d}",
             (unsigned)draw(w, DOCS), (unsigned long long)dv_rng_next(&w->rng),
             (unsigned long long)dv_rng_next(&w->rng), w->number);
    put(w, dv_slice_str(json), dv_slice_str(""), dv_slice_str(""), true, &t);
}

static void write_something(struct writer *w)
{
    struct dv_compact_options opt = { .rows_per_txn = 20 };
    struct dv_err err = { 0 };
    uint64_t what = draw(w, 100);
    int rc;

    dv_arena_reset(&w->arena);
    if (what < 60) {
        edit_document(w);
    } else if (what < 94) {
        add_conflict(w);
    } else if (what < 97) {
        rc = dv_database_compact(w->db, &opt, &err);
        if (rc != DV_EBUSY) /* the other writer compacts */
            must(rc, "compact", &err);
    } else if (what < 98) {
        must(dv_database_sync(w->db, &err), "sync", &err);
    } else {
        dv_database_close(w->db);
        open_database(w);
    }
}

static pid_t start_writer(const char *path, int number, int round, int *pipe_end)
{
    int ends[2];
    pid_t pid;

    ck_assert_int_eq(pipe(ends), 0);
    fflush(NULL);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        struct writer *w = calloc(1, sizeof(*w));

        close(ends[0]);
        w->path = path;
        w->number = number;
        w->round = round;
        w->pipe = ends[1];
        dv_arena_init(&w->arena, ARENA_BYTES);
        dv_rng_seed(&w->rng, seed_of_all() * 7919 + (uint64_t)(round * WRITERS + number));
        open_database(w);
        for (;;)
            write_something(w);
    }
    close(ends[1]);
    *pipe_end = ends[0];
    return pid;
}

/* ---- the parent ----------------------------------------------------------------------------- */

static struct told *all_told;
static size_t n_told;

/* False at the end of the pipe. */
static bool hear(int from)
{
    ssize_t n;

    ck_assert_uint_lt(n_told, TOLD_MAX);
    do
        n = read(from, &all_told[n_told], sizeof(*all_told));
    while (n < 0 && errno == EINTR);
    ck_assert_msg(n == 0 || n == (ssize_t)sizeof(*all_told), "half a message: %zd", n);
    n_told += n > 0;
    return n > 0;
}

static void spin(uint64_t turns)
{
    for (volatile uint64_t i = 0; i < turns; i++)
        ;
}

static void kill_writer(pid_t pid)
{
    int status;

    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
                  "the writer ended by itself: status %#x", (unsigned)status);
}

static void run_writers(const char *path, int round, struct dv_rng *rng)
{
    int writers = round % 3 == 2 ? 2 : 1, ends[WRITERS];
    uint64_t hear_first = dv_rng_below(rng, 200);
    pid_t pids[WRITERS];

    for (int i = 0; i < writers; i++)
        pids[i] = start_writer(path, i, round, &ends[i]);
    /* Two are killed together: none may repair what the other left. */
    for (uint64_t i = 0; i < hear_first && hear(ends[i % (uint64_t)writers]); i++)
        ;
    spin(dv_rng_below(rng, 3000000));
    for (int i = 0; i < writers; i++)
        kill_writer(pids[i]);
    for (int i = 0; i < writers; i++) {
        while (hear(ends[i]))
            ;
        close(ends[i]);
    }
}

static void check_integrity(const char *path)
{
    sqlite3_stmt *st;
    sqlite3 *db;

    ck_assert_int_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &st, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(st), SQLITE_ROW);
    ck_assert_str_eq((const char *)sqlite3_column_text(st, 0), "ok");
    sqlite3_finalize(st);
    sqlite3_close(db);
}

static void show_finding(void *arg, const char *finding)
{
    (void)arg;
    fprintf(stderr, "finding: %s\n", finding);
}

static void check_revision(struct dv_database *db, const struct told *t, struct dv_arena *arena)
{
    struct dv_slice rev = dv_slice_str(t->rev);
    struct dv_revs_query q = { .id = dv_slice_str(t->id), .revs = &rev, .n_revs = 1 };
    struct dv_err err = { 0 };
    struct dv_att_meta meta;
    struct dv_slice found;
    int rc;

    dv_arena_reset(arena);
    ck_assert_int_eq(dv_database_revs_diff(db, &q, 1, arena, &err), 0);
    ck_assert_msg(q.n_missing == 0, "lost: %s %s", t->id, t->rev);
    if (!t->att_salt)
        return;
    rc = dv_database_find_attachment(db, q.id, rev, DV_SLICE_LIT("a.bin"), arena, &meta, &found,
                                     &err);
    /* Compaction may have dropped the body of a revision that is no leaf any more. */
    ck_assert_msg(rc == 0 || rc == DV_ENOTFOUND, "%s %s: %s", t->id, t->rev, err.reason);
}

static void check_database(const char *path, size_t told_from)
{
    struct dv_database_options opt = options();
    struct dv_check_result result = { 0 };
    struct dv_database *db;
    struct dv_arena arena;
    struct dv_err err = { 0 };
    int rc = dv_database_open(path, &opt, &db, &err);

    if (rc == DV_ENODB) {
        ck_assert_msg(n_told == 0, "the database is gone, with %zu writes", n_told);
        return;
    }
    ck_assert_msg(rc == 0, "open: %s: %s", err.context, err.reason);
    dv_arena_init(&arena, ARENA_BYTES);
    ck_assert_int_eq(dv_database_check(db, true, show_finding, NULL, &result, &err), 0);
    ck_assert_uint_eq(result.findings, 0);
    for (size_t i = told_from; i < n_told; i++)
        check_revision(db, &all_told[i], &arena);
    dv_arena_fini(&arena);
    dv_database_close(db);
    check_integrity(path);
}

START_TEST(a_killed_writer_loses_no_acknowledged_write)
{
    struct dv_database_options opt = options();
    int rounds = dv_test_scale(25, 200);
    size_t writes = 0, from;
    char path[300];
    struct dv_rng rng;

    all_told = calloc(TOLD_MAX, sizeof(*all_told));
    snprintf(path, sizeof(path), "%s/kill.divan", dv_test_dir());
    dv_rng_seed(&rng, seed_of_all());
    for (int round = 0; round < rounds; round++) {
        if (round % 8 == 0) {
            if (round > 0)
                check_database(path, 0);
            dv_database_remove(path, &opt, NULL);
            writes += n_told;
            n_told = 0;
        }
        from = n_told;
        run_writers(path, round, &rng);
        check_database(path, from);
    }
    check_database(path, 0);
    writes += n_told;
    printf("%d kills, %zu acknowledged writes, none lost\n", rounds, writes);
    fflush(stdout);
    ck_assert_uint_gt(writes, (size_t)rounds);
    free(all_told);
    dv_test_dir_remove();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kill");
    TCase *kills = tcase_create("kills");

    tcase_set_timeout(kills, dv_test_scale(60, 0));
    tcase_add_test(kills, a_killed_writer_loses_no_acknowledged_write);
    suite_add_tcase(suite, kills);
    return dv_check_run(suite);
}
