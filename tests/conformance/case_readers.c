/* long readers: whoever reads slowly costs the writers no space. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "conformance/cf.h"

enum {
    BODY = 64 * 1024,
    WAL_MAX = 64 << 20,
    /* Bodies. A log that nobody moved into the file would hold at least as much again for trees,
     * indexes and half-filled pages: 100 MiB. */
    MORE_THAN_WAL = 800,
    HELD = 100, /* bodies written while one read transaction is held */
    HELD_MS = 100,
};

/* Bytes of the log beside the database; 0 for an engine without one. */
static uint64_t wal_bytes(const struct cf *c)
{
    char path[600];
    struct stat st;

    snprintf(path, sizeof(path), "%s-wal", c->path);
    return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void write_bodies(struct cf *c, int from, int n)
{
    static char body[BODY + 1];

    memset(body, 'b', BODY);
    for (int i = from; i < from + n; i++) {
        char id[16], path[16];

        snprintf(id, sizeof(id), "doc%d", i % 100);
        snprintf(path, sizeof(path), "rev%d", i);
        cf_put(c, id, path, body);
        dv_arena_reset(&c->arena);
        ck_assert_uint_lt(wal_bytes(c), WAL_MAX);
    }
}

struct client {
    uint64_t since;
    int rows;
    int stop_after;
};

static int send_row(void *arg, const struct dv_doc_info *info, struct dv_err *err)
{
    struct client *client = arg;

    (void)err;
    client->since = info->seq;
    return ++client->rows == client->stop_after ? 1 : 0;
}

static void a_client_that_stops_reading_its_changes_in_the_middle(struct cf *c)
{
    struct client client = { .stop_after = 50 };
    struct dv_txn *t;

    cf_create(c);
    write_bodies(c, 0, 100);
    t = cf_read(c);
    ck_assert_int_eq(dv_txn_fold_changes(t, 0, false, send_row, &client, &c->err), 1);
    dv_txn_rollback(t); /* it resumes by seq: nothing is held while it does not read */
    ck_assert_uint_eq(client.since, 50);
    write_bodies(c, 100, MORE_THAN_WAL);
    client.stop_after = 0;
    t = cf_read(c);
    CF_OK(dv_txn_fold_changes(t, client.since, false, send_row, &client, &c->err));
    dv_txn_rollback(t);
    ck_assert_int_eq(client.rows, 50 + 100); /* all have moved behind it */
}

struct writing {
    struct cf cf;
    atomic_int written;
};

static void *write_on(void *arg)
{
    struct writing *w = arg;

    for (int i = 0; i < MORE_THAN_WAL; i++) {
        write_bodies(&w->cf, i, 1);
        atomic_store(&w->written, i + 1);
    }
    return NULL;
}

static int count_row(void *arg, const struct dv_doc_info *info, struct dv_err *err)
{
    (void)info;
    (void)err;
    ++*(int *)arg;
    return 0;
}

/* Hold one read transaction until HELD bodies were written or HELD_MS have passed (an engine may
 * let its writers wait for readers, which are short by contract). Returns how many were. */
static int hold_a_read(struct cf *c, struct writing *w)
{
    struct dv_range all = { .include_deleted = true };
    struct dv_txn *t = cf_read(c);
    int64_t until = dv_clock_monotonic_ms() + HELD_MS;
    struct dv_props before, after;
    int start = atomic_load(&w->written), now = start, rows = 0;

    CF_OK(dv_txn_props(t, &before, &c->err));
    while (now < start + HELD && now < MORE_THAN_WAL && dv_clock_monotonic_ms() < until) {
        sched_yield();
        now = atomic_load(&w->written);
    }
    CF_OK(dv_txn_props(t, &after, &c->err));
    ck_assert_uint_eq(before.update_seq, after.update_seq);
    CF_OK(dv_txn_fold_docs(t, &all, count_row, &rows, &c->err));
    ck_assert_int_eq(rows, before.update_seq < 100 ? (int)before.update_seq : 100);
    dv_txn_rollback(t);
    return now - start;
}

static void a_read_transaction_held_for_a_while_while_writers_go_on(struct cf *c)
{
    struct writing w = { .cf = { .engine = c->engine } };
    int most = 0;
    pthread_t writer;

    cf_create(c);
    w.cf = *c;
    dv_arena_init(&w.cf.arena, CF_ANY);
    ck_assert_int_eq(pthread_create(&writer, NULL, write_on, &w), 0);
    while (atomic_load(&w.written) < MORE_THAN_WAL) {
        int written = hold_a_read(c, &w);

        most = written > most ? written : most;
    }
    pthread_join(writer, NULL);
    ck_assert_int_gt(most, 1);
    ck_assert_uint_eq(cf_props(c).update_seq, MORE_THAN_WAL);
    dv_arena_fini(&w.cf.arena);
}

static const struct cf_case cases[] = {
    CF_CASE(a_client_that_stops_reading_its_changes_in_the_middle, 0),
    CF_CASE(a_read_transaction_held_for_a_while_while_writers_go_on, 0),
};
CF_GROUP(cf_readers, "long readers");
