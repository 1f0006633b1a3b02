/* open/close/delete. */
#include <sys/wait.h>
#include <unistd.h>

#include "conformance/cf.h"

static bool exists(struct cf *c)
{
    bool there;

    CF_OK(dv_store_exists(c->engine, c->path, &there, &c->err));
    return there;
}

static void opening_a_missing_database_fails_and_creates_nothing(struct cf *c)
{
    CF_FAILS(dv_store_open(c->engine, c->path, NULL, &c->store, &c->err), DV_ENODB);
    ck_assert_ptr_null(c->store);
    ck_assert(!exists(c));
    if (c->engine->abilities & DV_ABLE_DURABLE)
        ck_assert_int_ne(access(c->path, F_OK), 0);
}

static void create_makes_it_exist(struct cf *c)
{
    ck_assert(!exists(c));
    cf_create(c);
    ck_assert(exists(c));
    ck_assert_str_eq(dv_store_path(c->store), c->path);
    ck_assert_ptr_eq(dv_store_engine(c->store), c->engine);
}

static void create_when_it_exists_fails(struct cf *c)
{
    struct dv_store *second = NULL;

    cf_create(c);
    cf_put(c, "a", "x", "{}");
    CF_FAILS(dv_store_create(c->engine, c->path, NULL, &second, &c->err), DV_EEXISTS);
    ck_assert_ptr_null(second);
    cf_close(c);
    CF_FAILS(dv_store_create(c->engine, c->path, NULL, &second, &c->err), DV_EEXISTS);
    cf_open(c);
    cf_body_is(c, "a", "{}");
}

static void closing_keeps_it(struct cf *c)
{
    cf_create(c);
    cf_put(c, "a", "x", "{\"kept\":1}");
    cf_close(c);
    ck_assert(exists(c));
    cf_open(c);
    cf_body_is(c, "a", "{\"kept\":1}");
}

static void a_hundred_rapid_open_close_cycles(struct cf *c)
{
    cf_create(c);
    cf_put(c, "a", "x", "{}");
    for (int i = 0; i < 100; i++) {
        cf_reopen(c);
        ck_assert_uint_eq(cf_props(c).doc_count, 1);
    }
}

static void delete_removes_it(struct cf *c)
{
    char first[33];

    cf_create(c);
    strcpy(first, cf_props(c).uuid);
    cf_put(c, "a", "x", "{}");
    cf_close(c);
    CF_OK(dv_store_delete(c->engine, c->path, NULL, &c->err));
    ck_assert(!exists(c));
    CF_FAILS(dv_store_open(c->engine, c->path, NULL, &c->store, &c->err), DV_ENODB);
    CF_FAILS(dv_store_delete(c->engine, c->path, NULL, &c->err), DV_ENODB);
    cf_create(c);
    ck_assert_uint_eq(cf_props(c).doc_count, 0);
    ck_assert_str_ne(cf_props(c).uuid, first);
}

static bool stop_at_once(void *arg)
{
    int *calls = arg;

    return ++*calls > 2;
}

static void delete_removes_a_half_finished_compaction(struct cf *c)
{
    int calls = 0;
    struct dv_compact_options opt = { .rows_per_txn = 1, .cancelled = stop_at_once, .arg = &calls };

    cf_create(c);
    cf_put(c, "a", "x", "{}");
    cf_put(c, "a", "y,x", "{}");
    cf_put(c, "b", "x", "{}");
    cf_put(c, "c", "x", "{}");
    CF_FAILS(dv_store_compact(c->store, &opt, &c->err), DV_ECANCELLED);
    cf_close(c);
    CF_OK(dv_store_delete(c->engine, c->path, NULL, &c->err));
    ck_assert(!exists(c));
    cf_create(c);
    ck_assert_uint_eq(cf_props(c).update_seq, 0);
}

/* What every call of a holder says after the database is deleted. */
static int use_deleted(struct dv_store *s)
{
    struct dv_txn *t;
    int rc = dv_store_begin_read(s, &t, NULL);

    if (rc == DV_EGONE)
        rc = dv_store_begin_write(s, &t, NULL);
    return rc;
}

static void a_holder_gets_gone(struct cf *c)
{
    struct dv_store *holder = NULL;

    cf_create(c);
    CF_OK(dv_store_open(c->engine, c->path, NULL, &holder, &c->err));
    cf_close(c);
    CF_OK(dv_store_delete(c->engine, c->path, NULL, &c->err));
    CF_FAILS(use_deleted(holder), DV_EGONE);
    cf_create(c); /* another one at its place does not revive it */
    CF_FAILS(use_deleted(holder), DV_EGONE);
    dv_store_unref(holder);
    cf_put(c, "a", "x", "{}");
}

/* The other process: say that it is open, wait for the deletion, tell what it got. */
static void hold_and_report(struct cf *c, int told[2], int tell[2])
{
    char word = 'o';
    int rc;

    if (dv_store_open(c->engine, c->path, NULL, &c->store, &c->err) < 0)
        _exit(2);
    if (write(tell[1], &word, 1) != 1 || read(told[0], &word, 1) != 1)
        _exit(3);
    rc = use_deleted(c->store);
    dv_store_unref(c->store);
    _exit(rc == DV_EGONE ? 0 : 4);
}

static void a_holder_in_another_process_gets_gone(struct cf *c)
{
    int told[2], tell[2], status;
    char word;
    pid_t child;

    cf_create(c);
    cf_close(c);
    ck_assert_int_eq(pipe(told), 0);
    ck_assert_int_eq(pipe(tell), 0);
    child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        hold_and_report(c, told, tell);
    ck_assert_int_eq(read(tell[0], &word, 1), 1);
    CF_OK(dv_store_delete(c->engine, c->path, NULL, &c->err));
    ck_assert_int_eq(write(told[1], &word, 1), 1);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert(!exists(c));
}

static void what_is_open_for_reading_only_takes_no_write(struct cf *c)
{
    struct dv_store_options opt = { .node = CF_NODE_B, .read_only = true };
    struct dv_att_writer *w;
    struct dv_epoch *epochs;
    struct dv_txn *t;
    size_t n;

    CF_FAILS(dv_store_create(c->engine, c->path, &opt, &c->store, &c->err), DV_EINVAL);
    cf_create(c);
    cf_put(c, "a", "x", "{}");
    cf_close(c);
    CF_OK(dv_store_open(c->engine, c->path, &opt, &c->store, &c->err));
    CF_FAILS(dv_store_begin_write(c->store, &t, &c->err), DV_EREADONLY);
    CF_FAILS(dv_store_compact(c->store, NULL, &c->err), DV_EREADONLY);
    CF_FAILS(dv_att_writer_open(c->store, NULL, DV_ATT_AS_IS, 0, &w, &c->err), DV_EREADONLY);
    cf_body_is(c, "a", "{}");
    t = cf_read(c);
    CF_OK(dv_txn_epochs(t, &c->arena, &epochs, &n, &c->err));
    ck_assert_uint_eq(n, 1);
    ck_assert_str_eq(epochs[0].node, CF_NODE_A);
    dv_txn_rollback(t);
    cf_close(c);
}

static void odd_options_are_refused(struct cf *c)
{
    struct dv_store_options node = { .node = "not-a-node" };
    struct dv_store_options timeout = { .busy_timeout_ms = -1 };
    bool there;

    CF_FAILS(dv_store_create(c->engine, c->path, &node, &c->store, &c->err), DV_EINVAL);
    CF_FAILS(dv_store_create(c->engine, c->path, &timeout, &c->store, &c->err), DV_EINVAL);
    CF_FAILS(dv_store_create(c->engine, "", NULL, &c->store, &c->err), DV_EINVAL);
    CF_FAILS(dv_store_exists(c->engine, "", &there, &c->err), DV_EINVAL);
    ck_assert(!exists(c));
}

static const struct cf_case cases[] = {
    CF_CASE(opening_a_missing_database_fails_and_creates_nothing, 0),
    CF_CASE(create_makes_it_exist, 0),
    CF_CASE(create_when_it_exists_fails, 0),
    CF_CASE(closing_keeps_it, 0),
    CF_CASE(a_hundred_rapid_open_close_cycles, 0),
    CF_CASE(delete_removes_it, 0),
    CF_CASE(delete_removes_a_half_finished_compaction, 0),
    CF_CASE(a_holder_gets_gone, 0),
    CF_CASE(a_holder_in_another_process_gets_gone, DV_ABLE_SHARED),
    CF_CASE(what_is_open_for_reading_only_takes_no_write, 0),
    CF_CASE(odd_options_are_refused, 0),
};
CF_GROUP(cf_lifetime, "open, close, delete");
