/* long readers: whoever reads slowly costs the writers no space. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "conformance/cf.h"

enum {
    BODY = 64 * 1024,
    WAL_MAX = 64 << 20,
    MORE_THAN_WAL = 1400, /* bodies, 88 MiB */
    HELD = 250,           /* bodies written while one read transaction is held, 16 MiB */
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
    int from;
};

static void *write_held(void *arg)
{
    struct writing *w = arg;

    write_bodies(&w->cf, w->from, HELD);
    return NULL;
}

static int count_row(void *arg, const struct dv_doc_info *info, struct dv_err *err)
{
    (void)info;
    (void)err;
    ++*(int *)arg;
    return 0;
}

static void a_read_transaction_held_for_a_while_while_writers_go_on(struct cf *c)
{
    struct writing w = { .from = 0 };

    cf_create(c);
    w.cf = *c;
    dv_arena_init(&w.cf.arena, CF_ANY);
    while (w.from < MORE_THAN_WAL) {
        struct dv_range all = { .include_deleted = true };
        struct dv_txn *t = cf_read(c);
        struct dv_props p;
        pthread_t writer;
        int rows = 0;

        ck_assert_int_eq(pthread_create(&writer, NULL, write_held, &w), 0);
        pthread_join(writer, NULL);
        CF_OK(dv_txn_props(t, &p, &c->err));
        ck_assert_uint_eq(p.update_seq, (uint64_t)w.from); /* still as it was */
        CF_OK(dv_txn_fold_docs(t, &all, count_row, &rows, &c->err));
        ck_assert_int_eq(rows, w.from ? 100 : 0);
        dv_txn_rollback(t);
        w.from += HELD;
    }
    ck_assert_uint_eq(cf_props(c).update_seq, (uint64_t)w.from);
    dv_arena_fini(&w.cf.arena);
}

static const struct cf_case cases[] = {
    CF_CASE(a_client_that_stops_reading_its_changes_in_the_middle, 0),
    CF_CASE(a_read_transaction_held_for_a_while_while_writers_go_on, 0),
};
CF_GROUP(cf_readers, "long readers");
