/* faults: the n-th allocation fails, for every n until none does. Afterwards the database is as it
 * was or as it should have become, never between, and nothing has leaked. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "conformance/cf.h"

struct fault {
    int left; /* allocations until the one that fails */
    bool fired;
};

static bool fail_now(void *arg)
{
    struct fault *f = arg;
    bool now = f->left-- == 0;

    f->fired = f->fired || now;
    return now;
}

static void arm(struct fault *f, int n)
{
    *f = (struct fault){ .left = n };
    dv_mem_set_fault(fail_now, f);
}

static void disarm(void)
{
    dv_mem_set_fault(NULL, NULL);
}

/* Work to be done over and over; it begins and ends with the store closed or open as `open` says,
 * checks nothing and cleans up behind a failure. */
typedef int work_fn(struct cf *c, struct dv_err *err);

static void dump_to(struct cf *c, struct dv_buf *out)
{
    dv_buf_reset(out);
    CF_OK(cf_dump(c->store, out, &c->err));
}

/* Run work with every allocation failing in turn, on a database that is as prepare made it. */
static void fail_each(struct cf *c, void (*prepare)(struct cf *c), work_fn *work)
{
    struct dv_buf before, after;
    struct fault f = { .fired = true };
    int failures = 0;

    dv_buf_init(&before, CF_ANY);
    dv_buf_init(&after, CF_ANY);
    cf_create(c);
    prepare(c);
    dump_to(c, &before);
    for (int n = 0; f.fired; n++) {
        int rc;

        dv_arena_fini(&c->arena); /* its blocks shall be allocated below as well */
        arm(&f, n);
        rc = work(c, &c->err);
        disarm();
        ck_assert_msg(rc == 0 || rc == DV_ENOMEM, "at %d: %s", n, cf_words(c));
        ck_assert_msg(f.fired || rc == 0, "at %d: failed by itself: %s", n, cf_words(c));
        if (rc < 0) {
            failures++;
            dump_to(c, &after);
            cf_dump_equal(&before, &after);
            cf_check(c);
            continue;
        }
        cf_check(c);
        cf_close(c); /* it went through, perhaps without what failed: again from the start */
        CF_OK(dv_store_delete(c->engine, c->path, NULL, &c->err));
        cf_create(c);
        prepare(c);
        dump_to(c, &before);
    }
    ck_assert_int_gt(failures, 3);
    dv_buf_fini(&before);
    dv_buf_fini(&after);
}

static void prepare_some(struct cf *c)
{
    struct dv_att_info info;
    struct cf_edit e = { .id = "att", .path = "x", .body = DV_SLICE_LIT("{}"), .n_atts = 1 };
    struct dv_txn *t;

    cf_put(c, "a", "x", "A");
    cf_put(c, "a", "y,x", "AA");
    cf_put(c, "b", "x", "B");
    cf_put(c, "b", "y", "BB");
    cf_put(c, "c", "x", "C");
    cf_put_local(c, "_local/a", 1, "LA");
    CF_OK(cf_att_write(c->store, NULL, DV_ATT_AS_IS, cf_str("attached"), 3, &info, &c->err));
    e.atts = &info.key;
    t = cf_write(c);
    CF_OK(cf_merge(t, &e, 1, &c->arena, &c->err));
    cf_commit(c, t);
}

/* ---- open, and create ---- */

static int close_and_open(struct cf *c, struct dv_err *err)
{
    struct dv_store_options opt = { .node = CF_NODE_A };
    struct dv_store *again = NULL;
    int rc = dv_store_open(c->engine, c->path, &opt, &again, err);

    if (rc == 0)
        dv_store_unref(again);
    return rc;
}

static void open_under_faults(struct cf *c)
{
    fail_each(c, prepare_some, close_and_open);
}

static void create_under_faults_leaves_nothing_or_a_database(struct cf *c)
{
    struct fault f = { .fired = true };
    int failures = 0;

    for (int n = 0; f.fired; n++) {
        struct dv_store_options opt = { .node = CF_NODE_A, .security = DV_SLICE_LIT("{\"a\":1}") };
        bool exists;
        int rc;

        arm(&f, n);
        rc = dv_store_create(c->engine, c->path, &opt, &c->store, &c->err);
        disarm();
        ck_assert(rc == 0 || rc == DV_ENOMEM);
        CF_OK(dv_store_exists(c->engine, c->path, &exists, &c->err));
        ck_assert(exists == (rc == 0));
        failures += rc < 0;
        cf_close(c);
        if (rc == 0)
            CF_OK(dv_store_delete(c->engine, c->path, NULL, &c->err));
    }
    ck_assert_int_gt(failures, 1);
}

/* ---- a transaction with a little of everything ---- */

static int write_in(struct cf *c, struct dv_txn *t, struct dv_err *err)
{
    struct cf_edit e[3] = { { .id = "a", .path = "z,y,x", .body = DV_SLICE_LIT("AAA") },
                            { .id = "new", .path = "x", .body = DV_SLICE_LIT("N") },
                            { .id = "b", .path = "z", .body = DV_SLICE_LIT("BBB") } };
    struct dv_local l[2] = {
        { .found = true, .id = DV_SLICE_LIT("_local/n"), .rev = 1, .body = DV_SLICE_LIT("LN") },
        { .found = false, .id = DV_SLICE_LIT("_local/a") }
    };
    struct dv_att_info info;
    int rc = cf_att_write(c->store, t, DV_ATT_COMPRESS, cf_str("compress me"), 4, &info, err);

    e[1].atts = &info.key;
    e[1].n_atts = 1;
    if (rc == 0)
        rc = cf_merge(t, e, 3, &c->arena, err);
    if (rc == 0)
        rc = dv_txn_write_locals(t, l, 2, err);
    if (rc == 0)
        rc = dv_txn_set_security(t, cf_str("{\"a\":1}"), err);
    if (rc == 0)
        rc = cf_purge_in(t, "u1", "c", "1-x", NULL, &c->arena, err);
    if (rc == 0)
        rc = cf_purge_in(t, "u2", "b", "1-y", NULL, &c->arena, err);
    return rc;
}

static int write_and_commit(struct cf *c, struct dv_err *err)
{
    struct dv_txn *t;
    int rc = dv_store_begin_write(c->store, &t, err);

    if (rc < 0)
        return rc;
    rc = write_in(c, t, err);
    if (rc == 0)
        return dv_txn_commit(t, DV_COMMIT_DURABLE, err);
    dv_txn_rollback(t);
    return rc;
}

static void writes_and_commits_under_faults(struct cf *c)
{
    fail_each(c, prepare_some, write_and_commit);
}

/* As a careless caller: a write fails half-way, and is committed all the same. */
static void a_commit_after_a_failed_write_is_refused(struct cf *c)
{
    struct dv_local l[3] = {
        { .found = true, .id = DV_SLICE_LIT("_local/x"), .rev = 1, .body = DV_SLICE_LIT("X") },
        { .found = true, .id = DV_SLICE_LIT("_local/y"), .rev = 1, .body = DV_SLICE_LIT("Y") },
        { .found = true, .id = DV_SLICE_LIT("_local/a"), .rev = 2, .body = DV_SLICE_LIT("A") }
    };
    struct dv_buf before, after;
    struct fault f = { .fired = true };

    dv_buf_init(&before, CF_ANY);
    dv_buf_init(&after, CF_ANY);
    cf_create(c);
    prepare_some(c);
    dump_to(c, &before);
    for (int n = 0; f.fired; n++) {
        struct dv_txn *t = cf_write(c);
        int rc, committed;

        arm(&f, n);
        rc = dv_txn_write_locals(t, l, 3, &c->err);
        disarm();
        committed = dv_txn_commit(t, DV_COMMIT_LAZY, &c->err);
        ck_assert_int_eq(rc, committed);
        dump_to(c, &after);
        if (rc < 0)
            cf_dump_equal(&before, &after);
        else
            cf_put_local(c, "_local/a", 1, "LA");
    }
    dv_buf_fini(&before);
    dv_buf_fini(&after);
}

/* ---- reading ---- */

static int read_all(struct cf *c, struct dv_err *err)
{
    struct dv_buf out;
    int rc;

    dv_buf_init(&out, CF_ANY);
    rc = cf_dump(c->store, &out, err);
    dv_buf_fini(&out);
    return rc;
}

static void folds_and_reads_under_faults(struct cf *c)
{
    fail_each(c, prepare_some, read_all);
}

/* ---- attachments without a transaction ---- */

static int attach(struct cf *c, struct dv_err *err)
{
    static char bytes[150 * 1024];
    struct dv_att_info info, copy;
    struct dv_buf out;
    int rc = cf_att_write(c->store, NULL, DV_ATT_AS_IS, dv_slice(bytes, sizeof(bytes)), 40000,
                          &info, err);

    if (rc < 0)
        return rc;
    dv_buf_init(&out, CF_ANY);
    rc = cf_att_read(c->store, NULL, &info.key, 10, 100000, &out, err);
    if (rc == 0)
        rc = dv_att_copy(c->store, &info.key, c->store, &copy, err);
    dv_buf_fini(&out);
    dv_att_forget(c->store, &info.key);
    if (rc == 0)
        dv_att_forget(c->store, &info.key);
    return rc;
}

static void attachments_under_faults(struct cf *c)
{
    fail_each(c, prepare_some, attach);
    cf_reopen(c);
    cf_compact(c, 0);
    ck_assert_uint_eq(cf_account(c).attachments, 1);
}

/* ---- compaction and check ---- */

static int compact_and_check(struct cf *c, struct dv_err *err)
{
    struct dv_compact_options opt = { .rows_per_txn = 2 };
    struct dv_check_result found;
    int rc = dv_store_compact(c->store, &opt, err);

    return rc < 0 ? rc : dv_store_check(c->store, true, NULL, NULL, &found, err);
}

static void compaction_and_check_under_faults(struct cf *c)
{
    fail_each(c, prepare_some, compact_and_check);
}

static int hold(struct cf *c, struct dv_err *err)
{
    struct dv_hold *h;
    int rc = dv_store_hold(c->store, "me", &h, err);

    if (rc == 0)
        dv_store_release(h);
    return rc;
}

static void a_hold_under_faults(struct cf *c)
{
    struct fault f;

    cf_create(c);
    arm(&f, 0);
    CF_FAILS(hold(c, &c->err), DV_ENOMEM);
    disarm();
    ck_assert_uint_eq(dv_store_holders(c->store, NULL, NULL), 0);
}

static const struct cf_case cases[] = {
    CF_CASE(create_under_faults_leaves_nothing_or_a_database, 0),
    CF_CASE(open_under_faults, 0),
    CF_CASE(writes_and_commits_under_faults, 0),
    CF_CASE(a_commit_after_a_failed_write_is_refused, 0),
    CF_CASE(folds_and_reads_under_faults, 0),
    CF_CASE(attachments_under_faults, 0),
    CF_CASE(compaction_and_check_under_faults, 0),
    CF_CASE(a_hold_under_faults, 0),
};
CF_GROUP(cf_faults, "faults");
