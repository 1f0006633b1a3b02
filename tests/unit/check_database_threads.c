/* database: strands, waiters, readers and compaction at the same time (the program TSan watches).
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "database/strand.h"
#include "lib/check_main.h"
#include "lib/testdb.h"

enum { WRITERS = 4, BATCHES = 40, BATCH = 10 };

static struct testdb t;

/* ---- strands ------------------------------------------------------------------------------------
 */

struct answers {
    pthread_mutex_t lock;
    int n, last, stored;
    bool in_order;
};

struct ticket {
    struct answers *answers;
    int number;
};

static void answer(void *arg, struct dv_batch *batch, int code, const struct dv_err *err)
{
    struct ticket *ticket = arg;
    struct answers *a = ticket->answers;

    (void)err;
    ck_assert_int_eq(code, 0);
    pthread_mutex_lock(&a->lock);
    a->n++;
    a->in_order = a->in_order && ticket->number > a->last;
    a->last = ticket->number;
    for (size_t i = 0; i < dv_batch_size(batch); i++)
        a->stored += dv_batch_results(batch)[i].code == 0;
    pthread_mutex_unlock(&a->lock);
    dv_batch_free(batch);
}

static struct dv_batch *prepare(int writer, int number)
{
    struct dv_edit edits[BATCH];
    char json[BATCH][100];
    struct dv_batch *batch;
    struct dv_err err;

    for (int i = 0; i < BATCH; i++) {
        snprintf(json[i], sizeof(json[i]), "{\"_id\":\"w%d-%03d-%d\",\"v\":%d}", writer, number, i,
                 i);
        edits[i] = (struct dv_edit){ .json = dv_slice_str(json[i]) };
    }
    ck_assert_int_eq(dv_batch_prepare(t.db, edits, BATCH, false, &batch, &err), 0);
    return batch;
}

struct writer {
    pthread_t thread;
    struct dv_strand *strand;
    int number;
    struct answers answers;
    struct ticket tickets[BATCHES];
};

static void *write_batches(void *arg)
{
    struct writer *w = arg;

    for (int i = 0; i < BATCHES; i++) {
        w->tickets[i] = (struct ticket){ &w->answers, i };
        ck_assert_int_eq(dv_strand_submit_wait(w->strand, prepare(w->number, i),
                                               i % 16 == 0 ? DV_COMMIT_DURABLE : DV_COMMIT_LAZY,
                                               answer, &w->tickets[i], NULL),
                         0);
    }
    return NULL;
}

static void start_writers(struct writer *writers, struct dv_strand *strand)
{
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){ .strand = strand,
                                      .number = i,
                                      .answers = { .last = -1, .in_order = true } };
        pthread_mutex_init(&writers[i].answers.lock, NULL);
        ck_assert_int_eq(pthread_create(&writers[i].thread, NULL, write_batches, &writers[i]), 0);
    }
}

static void finish_writers(struct writer *writers, struct dv_strand *strand)
{
    for (int i = 0; i < WRITERS; i++)
        pthread_join(writers[i].thread, NULL);
    dv_strand_drain(strand);
    for (int i = 0; i < WRITERS; i++) {
        ck_assert_int_eq(writers[i].answers.n, BATCHES);
        ck_assert_int_eq(writers[i].answers.stored, BATCHES * BATCH);
        ck_assert(writers[i].answers.in_order);
        pthread_mutex_destroy(&writers[i].answers.lock);
    }
}

START_TEST(a_strand_answers_every_write_once_and_in_order)
{
    struct dv_strand_options small = { .max_batches = 3, .max_docs = 25 };
    struct writer writers[WRITERS];
    struct dv_strand *strand;
    struct dv_pool *pool;

    testdb_create(&t, _i, "strand");
    ck_assert_int_eq(dv_pool_new(2, &pool, &t.err), 0);
    ck_assert_int_eq(dv_strand_new(pool, t.db, &small, &strand, &t.err), 0);
    start_writers(writers, strand);
    finish_writers(writers, strand);
    ck_assert_uint_eq(testdb_doc_count(&t), WRITERS * BATCHES * BATCH);
    dv_strand_free(strand);
    dv_pool_free(pool);
    testdb_close(&t);
}
END_TEST

/* A task that keeps the pool's only thread until it is let go. */
struct gate {
    struct dv_task task;
    pthread_mutex_t lock;
    pthread_cond_t moved;
    bool open;
};

static void wait_at_gate(struct dv_task *task)
{
    struct gate *g = (struct gate *)task;

    pthread_mutex_lock(&g->lock);
    while (!g->open)
        pthread_cond_wait(&g->moved, &g->lock);
    pthread_mutex_unlock(&g->lock);
}

/* A strand that has room for two batches, by one limit or another, refuses the third. */
static void fill_strand(const struct dv_strand_options *two)
{
    struct gate gate = { .task = { wait_at_gate, NULL }, .open = false };
    struct answers answers = { .last = -1, .in_order = true };
    struct ticket tickets[3];
    struct dv_batch *batch;
    struct dv_strand *strand;
    struct dv_pool *pool;

    pthread_mutex_init(&gate.lock, NULL);
    pthread_cond_init(&gate.moved, NULL);
    pthread_mutex_init(&answers.lock, NULL);
    ck_assert_int_eq(dv_pool_new(1, &pool, &t.err), 0);
    ck_assert_int_eq(dv_strand_new(pool, t.db, two, &strand, &t.err), 0);
    dv_pool_submit(pool, &gate.task);
    for (int i = 0; i < 3; i++)
        tickets[i] = (struct ticket){ &answers, i };
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(
            dv_strand_submit(strand, prepare(0, i), DV_COMMIT_LAZY, answer, &tickets[i], &t.err),
            0);
    batch = prepare(0, 2);
    ck_assert_int_eq(dv_strand_submit(strand, batch, DV_COMMIT_LAZY, answer, &tickets[2], &t.err),
                     DV_EBUSY);
    dv_batch_free(batch);
    pthread_mutex_lock(&gate.lock);
    gate.open = true;
    pthread_cond_signal(&gate.moved);
    pthread_mutex_unlock(&gate.lock);
    dv_strand_free(strand); /* writes what is queued first */
    ck_assert_int_eq(answers.n, 2);
    ck_assert_uint_eq(testdb_doc_count(&t), 2 * BATCH);
    dv_pool_free(pool);
}

START_TEST(a_full_strand_takes_nothing_and_says_so)
{
    struct dv_strand_options two = { .max_batches = 2 };

    testdb_create(&t, _i, "full");
    fill_strand(&two);
    testdb_close(&t);
}
END_TEST

START_TEST(what_waits_is_bounded_in_documents_and_in_bytes_too)
{
    struct dv_strand_options documents = { .max_docs = 2 * BATCH + 1 }, bytes = { .max_docs = 0 };
    struct dv_batch *batch;

    testdb_create(&t, _i, "documents");
    fill_strand(&documents);
    testdb_close(&t);
    testdb_create(&t, _i, "bytes");
    batch = prepare(0, 0);
    bytes.max_bytes = dv_batch_bytes(batch) * 5 / 2;
    dv_batch_free(batch);
    fill_strand(&bytes);
    testdb_close(&t);
}
END_TEST

/* ---- waiting
 * -------------------------------------------------------------------------------------- */

struct waiting {
    pthread_t thread;
    struct dv_database *db;
    uint64_t since;
    int64_t timeout_ms, waited_ms;
    bool changed;
};

static void *wait_for_change(void *arg)
{
    struct waiting *w = arg;
    int64_t start = dv_clock_monotonic_ms();

    ck_assert_int_eq(dv_database_wait(w->db, w->since, w->timeout_ms, &w->changed, NULL), 0);
    w->waited_ms = dv_clock_monotonic_ms() - start;
    return NULL;
}

START_TEST(a_waiter_sees_a_change_a_time_out_and_a_call)
{
    struct waiting w = { .since = 0, .timeout_ms = 60000 };

    testdb_create(&t, _i, "wait");
    w.db = t.db;
    ck_assert_int_eq(pthread_create(&w.thread, NULL, wait_for_change, &w), 0);
    testdb_must_put(&t, "_local/x", "",
                    "{}"); /* a commit that moves no seq wakes nobody for good */
    testdb_must_put(&t, "a", "", "{}");
    pthread_join(w.thread, NULL);
    ck_assert(w.changed);
    ck_assert_int_lt(w.waited_ms, 30000);

    w = (struct waiting){ .db = t.db, .since = 1, .timeout_ms = 30 };
    wait_for_change(&w);
    ck_assert(!w.changed);
    ck_assert_int_ge(w.waited_ms, 30);

    w = (struct waiting){ .db = t.db, .since = 0, .timeout_ms = 60000 };
    wait_for_change(&w); /* is there already */
    ck_assert(w.changed);

    w = (struct waiting){ .db = t.db, .since = 1, .timeout_ms = 300 };
    ck_assert_int_eq(pthread_create(&w.thread, NULL, wait_for_change, &w), 0);
    dv_database_wake(t.db);
    pthread_join(w.thread, NULL);
    ck_assert(!w.changed);
    testdb_close(&t);
}
END_TEST

START_TEST(a_waiter_sees_what_another_opening_of_the_file_writes)
{
    struct waiting w = { .since = 0, .timeout_ms = 60000 };
    struct dv_database *other;

    testdb_create(&t, 1, "other");
    ck_assert_int_eq(dv_database_open(t.path, &t.opt, &other, &t.err), 0);
    w.db = other;
    ck_assert_int_eq(pthread_create(&w.thread, NULL, wait_for_change, &w), 0);
    testdb_must_put(&t, "a", "", "{}");
    pthread_join(w.thread, NULL);
    ck_assert(w.changed);
    ck_assert_int_lt(w.waited_ms, 30000);
    dv_database_close(other);
    testdb_close(&t);
}
END_TEST

/* ---- watching ----------------------------------------------------------------------------------
 */

struct watching {
    pthread_mutex_t lock;
    pthread_cond_t told;
    int n;
};

static void count_news(void *arg)
{
    struct watching *w = arg;

    pthread_mutex_lock(&w->lock);
    w->n++;
    pthread_cond_signal(&w->told);
    pthread_mutex_unlock(&w->lock);
}

static void wait_for_news(struct watching *w)
{
    pthread_mutex_lock(&w->lock);
    while (w->n == 0)
        pthread_cond_wait(&w->told, &w->lock);
    w->n = 0;
    pthread_mutex_unlock(&w->lock);
}

START_TEST(a_watch_is_told_of_every_commit_until_it_is_stopped)
{
    struct watching w = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0 };
    struct dv_watch *watch;

    testdb_create(&t, _i, "watch");
    ck_assert_int_eq(dv_database_watch(t.db, count_news, &w, &watch, &t.err), 0);
    testdb_must_put(&t, "a", "", "{}");
    wait_for_news(&w);
    testdb_must_put(&t, "b", "", "{}");
    wait_for_news(&w);
    dv_watch_stop(watch);
    w.n = 0;
    testdb_must_put(&t, "c", "", "{}");
    ck_assert_int_eq(w.n, 0);
    testdb_close(&t);
}
END_TEST

START_TEST(watches_are_told_of_what_another_opening_of_the_file_writes)
{
    struct watching w[3] = { { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0 },
                             { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0 },
                             { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0 } };
    struct dv_watch *watches[3];
    struct dv_database *other;

    testdb_create(&t, 1, "watched");
    ck_assert_int_eq(dv_database_open(t.path, &t.opt, &other, &t.err), 0);
    for (int round = 0; round < 2; round++) { /* the thread ends and begins again */
        for (int i = 0; i < 3; i++)
            ck_assert_int_eq(dv_database_watch(other, count_news, &w[i], &watches[i], &t.err), 0);
        testdb_must_put(&t, round ? "a" : "b", "", "{}");
        for (int i = 0; i < 3; i++)
            wait_for_news(&w[i]);
        for (int i = 0; i < 3; i++)
            dv_watch_stop(watches[(i + round) % 3]);
    }
    dv_database_close(other);
    testdb_close(&t);
}
END_TEST

struct running {
    pthread_t thread;
    bool *stop;
    pthread_mutex_t *lock;
    uint64_t told;
};

static bool is_stopped(const struct running *r)
{
    bool stop;

    pthread_mutex_lock(r->lock);
    stop = *r->stop;
    pthread_mutex_unlock(r->lock);
    return stop;
}

/* ---- attachments that go -----------------------------------------------------------------------
 */

static void *purge_and_write(void *arg)
{
    struct dv_slice rev = DV_SLICE_LIT("1-a");
    struct running *r = arg;
    struct dv_arena arena;

    dv_arena_init(&arena, 1 << 24);
    for (int i = 0; i < 150; i++) {
        static const struct dv_write_options replicated = { .replicated = true };
        struct dv_edit edit = { .json = DV_SLICE_LIT(
                                    "{\"_id\":\"a\",\"_rev\":\"1-a\",\"_attachments\":{"
                                    "\"x\":{\"data\":\"aGVsbG8=\"}}}") };
        struct dv_purge_request purge = { .id = DV_SLICE_LIT("a"), .revs = &rev, .n_revs = 1 };
        struct dv_edit_result result;
        uint64_t seq;

        ck_assert_int_eq(dv_database_write(t.db, &edit, 1, &replicated, &arena, &result, NULL), 0);
        ck_assert_int_eq(result.code, 0);
        ck_assert_int_eq(dv_database_purge(t.db, &purge, 1, &arena, &seq, NULL), 0);
        ck_assert_int_eq(dv_database_compact(t.db, NULL, NULL), 0);
        dv_arena_reset(&arena);
    }
    pthread_mutex_lock(r->lock);
    *r->stop = true;
    pthread_mutex_unlock(r->lock);
    dv_arena_fini(&arena);
    return NULL;
}

START_TEST(a_document_is_read_whole_or_not_found_while_it_is_purged)
{
    struct dv_get_options opt = { .flags = DV_GET_ATTACHMENTS };
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    bool stop = false;
    struct running purging = { .stop = &stop, .lock = &lock };
    struct dv_arena arena;
    struct dv_buf out;

    testdb_create(&t, _i, "going");
    dv_arena_init(&arena, 1 << 20);
    dv_buf_init(&out, 1000);
    ck_assert_int_eq(pthread_create(&purging.thread, NULL, purge_and_write, &purging), 0);
    while (!is_stopped(&purging)) {
        struct dv_err err;
        int code = dv_database_get(t.db, DV_SLICE_LIT("a"), &opt, &arena, &out, NULL, &err);

        ck_assert(code == 0 ? strstr(dv_buf_cstr(&out), "aGVsbG8=") != NULL
                            : code == DV_ENOTFOUND && out.n == 0);
        dv_buf_reset(&out);
        dv_arena_reset(&arena);
    }
    pthread_join(purging.thread, NULL);
    dv_buf_fini(&out);
    dv_arena_fini(&arena);
    testdb_close(&t);
}
END_TEST

/* ---- everything at once
 * ------------------------------------------------------------------------------ */

static int follow(void *arg, const struct dv_change *c, struct dv_err *err)
{
    struct running *r = arg;

    (void)err;
    ck_assert(c->doc.n > 0);
    r->told++;
    return 0;
}

/* A feed that waits: sees each document once, since each is written once. */
static void *read_feed(void *arg)
{
    struct running *r = arg;
    struct dv_changes_options opt = { .limit = UINT64_MAX, .include_docs = true };
    bool changed;

    while (r->told < WRITERS * BATCHES * BATCH) {
        struct dv_err err;

        ck_assert_int_eq(dv_database_wait(t.db, opt.since, 1000, &changed, &err), 0);
        ck_assert_int_eq(dv_database_changes(t.db, &opt, follow, r, &opt.since, &err), 0);
    }
    return NULL;
}

static int look(void *arg, const struct dv_row *row, struct dv_err *err)
{
    (void)arg;
    (void)err;
    ck_assert(row->found);
    return 0;
}

static void *read_rows(void *arg)
{
    struct running *r = arg;
    struct dv_all_docs_options opt = { .limit = UINT64_MAX, .include_docs = true };
    uint64_t total, offset;

    while (!is_stopped(r))
        ck_assert_int_eq(dv_database_all_docs(t.db, &opt, look, NULL, &total, &offset, NULL), 0);
    return NULL;
}

static void *compact(void *arg)
{
    struct running *r = arg;
    struct dv_compact_options opt = { .rows_per_txn = 16 };

    while (!is_stopped(r))
        ck_assert_int_eq(dv_database_compact(t.db, &opt, NULL), 0);
    return NULL;
}

START_TEST(readers_a_feed_and_compaction_run_beside_the_writers)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct running feed, rows, compaction;
    struct writer writers[WRITERS];
    struct dv_strand *strand;
    struct dv_pool *pool;
    bool stop = false;

    feed = rows = compaction = (struct running){ .stop = &stop, .lock = &lock };
    testdb_create(&t, _i, "together");
    ck_assert_int_eq(dv_pool_new(1, &pool, &t.err), 0);
    ck_assert_int_eq(dv_strand_new(pool, t.db, NULL, &strand, &t.err), 0);
    ck_assert_int_eq(pthread_create(&feed.thread, NULL, read_feed, &feed), 0);
    ck_assert_int_eq(pthread_create(&rows.thread, NULL, read_rows, &rows), 0);
    ck_assert_int_eq(pthread_create(&compaction.thread, NULL, compact, &compaction), 0);
    start_writers(writers, strand);
    finish_writers(writers, strand);
    pthread_join(feed.thread, NULL);
    pthread_mutex_lock(&lock);
    stop = true;
    pthread_mutex_unlock(&lock);
    pthread_join(rows.thread, NULL);
    pthread_join(compaction.thread, NULL);
    ck_assert_uint_eq(feed.told, WRITERS * BATCHES * BATCH);
    dv_strand_free(strand);
    dv_pool_free(pool);
    testdb_close(&t);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("database and threads");
    TCase *tc = tcase_create("threads");

    tcase_set_timeout(tc, 20);
    tcase_add_loop_test(tc, a_strand_answers_every_write_once_and_in_order, 0, TESTDB_ENGINES);
    tcase_add_loop_test(tc, a_full_strand_takes_nothing_and_says_so, 0, TESTDB_ENGINES);
    tcase_add_loop_test(tc, what_waits_is_bounded_in_documents_and_in_bytes_too, 0, TESTDB_ENGINES);
    tcase_add_loop_test(tc, a_waiter_sees_a_change_a_time_out_and_a_call, 0, TESTDB_ENGINES);
    tcase_add_test(tc, a_waiter_sees_what_another_opening_of_the_file_writes);
    tcase_add_loop_test(tc, a_watch_is_told_of_every_commit_until_it_is_stopped, 0, TESTDB_ENGINES);
    tcase_add_test(tc, watches_are_told_of_what_another_opening_of_the_file_writes);
    tcase_add_loop_test(tc, a_document_is_read_whole_or_not_found_while_it_is_purged, 0,
                        TESTDB_ENGINES);
    tcase_add_loop_test(tc, readers_a_feed_and_compaction_run_beside_the_writers, 0,
                        TESTDB_ENGINES);
    suite_add_tcase(suite, tc);
    return dv_check_run(suite);
}
