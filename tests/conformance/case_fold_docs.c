/* fold docs and local docs, over 100 ids "0001".."0100"; the same cases for both kinds. */
#include <stdio.h>
#include <string.h>

#include "conformance/cf.h"

enum { N = 100 };

/* The numbers a fold gave, in its order. */
struct seen {
    int rows[2 * N];
    int n;
    int stop_after; /* 0: never */
    int fail_after;
};

static int number_of(struct dv_slice id)
{
    int v = 0;

    for (size_t i = id.n - 4; i < id.n; i++)
        v = v * 10 + (id.p[i] - '0');
    return v;
}

static int see(struct seen *s, struct dv_slice id, struct dv_err *err)
{
    s->rows[s->n++] = number_of(id);
    if (s->n == s->fail_after)
        return dv_err_set(err, DV_EFORBIDDEN, "from the callback");
    return s->n == s->stop_after ? 7 : 0;
}

static int see_doc(void *arg, const struct dv_doc_info *info, struct dv_err *err)
{
    ck_assert(info->found);
    ck_assert_uint_gt(info->tree.n, 0);
    return see(arg, info->id, err);
}

static int see_local(void *arg, const struct dv_local *l, struct dv_err *err)
{
    ck_assert(l->found);
    ck_assert_uint_eq(l->rev, (uint64_t)number_of(l->id));
    ck_assert(dv_slice_eq(l->body, dv_slice(l->id.p + 7, l->id.n - 7)));
    return see(arg, l->id, err);
}

static int fold(struct cf *c, bool local, struct dv_range r, struct seen *s)
{
    struct dv_txn *t = cf_read(c);
    int rc;

    if (local)
        rc = dv_txn_fold_locals(t, &r, see_local, s, &c->err);
    else
        rc = dv_txn_fold_docs(t, &r, see_doc, s, &c->err);
    dv_txn_rollback(t);
    return rc;
}

static void fill(struct cf *c, bool local)
{
    struct dv_txn *t;

    cf_create(c);
    t = cf_write(c);
    for (int i = 0; i < N; i++) {
        char id[32];
        int k = (i * 37) % N + 1; /* not in order */
        struct cf_edit e = { .path = "x", .body = DV_SLICE_LIT("{}"), .id = id };
        struct dv_local l = { .found = true, .rev = (uint64_t)k };

        snprintf(id, sizeof(id), "%s%04d", local ? "_local/" : "", k);
        l.id = cf_str(id);
        l.body = cf_str(id + 7 * local);
        if (local)
            CF_OK(dv_txn_write_locals(t, &l, 1, &c->err));
        else
            CF_OK(cf_merge(t, &e, 1, &c->arena, &c->err));
    }
    cf_commit(c, t);
}

/* A range from texts; NULL is open, "" stays empty. Keys of local documents get their prefix. */
struct keys {
    char start[40], end[40];
};

static struct dv_range range(bool local, struct keys *k, const char *start, const char *end)
{
    struct dv_range r = { .has_start = start != NULL, .has_end = end != NULL };

    snprintf(k->start, sizeof(k->start), "%s%s", local ? "_local/" : "", start ? start : "");
    snprintf(k->end, sizeof(k->end), "%s%s", local ? "_local/" : "", end ? end : "");
    r.start_key = cf_str(k->start);
    r.end_key = cf_str(k->end);
    return r;
}

/* The fold gives first, first+-1, .., last. first 0: nothing. */
static void gives(struct cf *c, bool local, struct dv_range r, int first, int last)
{
    struct seen s = { .n = 0 };
    int step = r.descending ? -1 : 1, n = first ? (last - first) * step + 1 : 0;

    CF_OK(fold(c, local, r, &s));
    ck_assert_int_eq(s.n, n);
    for (int i = 0; i < n; i++)
        ck_assert_int_eq(s.rows[i], first + i * step);
}

static void fresh_and_reopened(struct cf *c, bool local, const char *start, const char *end,
                               bool exclusive, int first, int last)
{
    struct keys k;
    struct dv_range r = range(local, &k, start, end);

    r.end_exclusive = exclusive;
    gives(c, local, r, first, last);
    cf_reopen(c);
    gives(c, local, r, first, last);
}

static void backwards(struct cf *c, bool local, const char *start, const char *end, bool exclusive,
                      int first, int last)
{
    struct keys k;
    struct dv_range r = range(local, &k, start, end);

    r.descending = true;
    r.end_exclusive = exclusive;
    gives(c, local, r, first, last);
}

static void fold_all(struct cf *c, bool local)
{
    fill(c, local);
    fresh_and_reopened(c, local, NULL, NULL, false, 1, N);
    backwards(c, local, NULL, NULL, false, N, 1);
}

static void fold_start_key(struct cf *c, bool local)
{
    fill(c, local);
    fresh_and_reopened(c, local, "0042", NULL, false, 42, N);
    fresh_and_reopened(c, local, "0042x", NULL, false, 43, N);
    fresh_and_reopened(c, local, "0000", NULL, false, 1, N);
    fresh_and_reopened(c, local, "", NULL, false, 1, N);
    fresh_and_reopened(c, local, "0101", NULL, false, 0, 0);
    backwards(c, local, "0042", NULL, false, 42, 1);
    backwards(c, local, "0042x", NULL, false, 42, 1);
    backwards(c, local, "0000", NULL, false, 0, 0);
    backwards(c, local, "0101", NULL, false, N, 1);
}

static void fold_end_key(struct cf *c, bool local)
{
    fill(c, local);
    fresh_and_reopened(c, local, NULL, "0042", false, 1, 42);
    fresh_and_reopened(c, local, NULL, "0042x", false, 1, 42);
    fresh_and_reopened(c, local, NULL, "0000", false, 0, 0);
    fresh_and_reopened(c, local, NULL, "0101", false, 1, N);
    backwards(c, local, NULL, "0042", false, N, 42);
    backwards(c, local, NULL, "0042x", false, N, 43);
    backwards(c, local, NULL, "0000", false, N, 1);
    backwards(c, local, NULL, "0101", false, 0, 0);
}

static void fold_end_key_gt(struct cf *c, bool local)
{
    fill(c, local);
    fresh_and_reopened(c, local, NULL, "0042", true, 1, 41);
    fresh_and_reopened(c, local, NULL, "0042x", true, 1, 42);
    fresh_and_reopened(c, local, NULL, "0001", true, 0, 0);
    fresh_and_reopened(c, local, NULL, "0101", true, 1, N);
    backwards(c, local, NULL, "0042", true, N, 43);
    backwards(c, local, NULL, "0042x", true, N, 43);
    backwards(c, local, NULL, "0100", true, 0, 0);
    backwards(c, local, NULL, "0000", true, N, 1);
}

static void fold_ranges(struct cf *c, bool local)
{
    fill(c, local);
    fresh_and_reopened(c, local, "0010", "0020", false, 10, 20);
    fresh_and_reopened(c, local, "0010", "0020", true, 10, 19);
    fresh_and_reopened(c, local, "0010", "0010", false, 10, 10);
    fresh_and_reopened(c, local, "0010", "0010", true, 0, 0);
    backwards(c, local, "0020", "0010", false, 20, 10);
    backwards(c, local, "0020", "0010", true, 20, 11);
    backwards(c, local, "0010", "0010", false, 10, 10);
    fresh_and_reopened(c, local, "0020", "0010", false, 0, 0); /* inverted */
    fresh_and_reopened(c, local, "0020", "0010", true, 0, 0);
    backwards(c, local, "0010", "0020", false, 0, 0);
    backwards(c, local, "0010", "0020", true, 0, 0);
}

static void fold_stop(struct cf *c, bool local)
{
    struct seen s = { .stop_after = 10 }, rest = { .n = 0 };
    struct keys k;
    char at[16];

    fill(c, local);
    ck_assert_int_eq(fold(c, local, range(local, &k, NULL, NULL), &s), 7);
    ck_assert_int_eq(s.n, 10);
    ck_assert_int_eq(s.rows[9], 10);
    snprintf(at, sizeof(at), "%04d", s.rows[9] + 1);
    CF_OK(fold(c, local, range(local, &k, at, NULL), &rest));
    ck_assert_int_eq(rest.n, N - 10);
    ck_assert_int_eq(rest.rows[0], 11);
}

static void fold_error(struct cf *c, bool local)
{
    struct seen s = { .fail_after = 3 };
    struct keys k;

    fill(c, local);
    CF_FAILS(fold(c, local, range(local, &k, NULL, NULL), &s), DV_EFORBIDDEN);
    ck_assert_int_eq(s.n, 3);
    ck_assert_str_eq(c->err.reason, "from the callback");
    fresh_and_reopened(c, local, NULL, NULL, false, 1, N); /* nothing is left of it */
}

#define BOTH_KINDS(what)                                                                           \
    static void docs_##what(struct cf *c)                                                          \
    {                                                                                              \
        fold_##what(c, false);                                                                     \
    }                                                                                              \
    static void locals_##what(struct cf *c)                                                        \
    {                                                                                              \
        fold_##what(c, true);                                                                      \
    }
BOTH_KINDS(all)
BOTH_KINDS(start_key)
BOTH_KINDS(end_key)
BOTH_KINDS(end_key_gt)
BOTH_KINDS(ranges)
BOTH_KINDS(stop)
BOTH_KINDS(error)

static void fold_docs_with_deleted_ones_included_and_not(struct cf *c)
{
    struct dv_range all = { .include_deleted = true }, live = { .include_deleted = false };
    struct seen s = { .n = 0 };
    struct dv_txn *t;
    uint64_t n;

    fill(c, false);
    for (int i = 2; i <= N; i += 2) {
        char id[16];

        snprintf(id, sizeof(id), "%04d", i);
        cf_delete(c, id, "y,x");
    }
    gives(c, false, all, 1, N);
    all.descending = true;
    gives(c, false, all, N, 1);
    CF_OK(fold(c, false, live, &s));
    ck_assert_int_eq(s.n, N / 2);
    for (int i = 0; i < s.n; i++)
        ck_assert_int_eq(s.rows[i], 2 * i + 1);
    s = (struct seen){ .stop_after = 5 }; /* only rows that are given count */
    live.descending = true;
    ck_assert_int_eq(fold(c, false, live, &s), 7);
    ck_assert_int_eq(s.rows[4], 91);
    t = cf_read(c);
    CF_OK(dv_txn_count_docs_before(t, cf_str("0051"), &n, &c->err));
    ck_assert_uint_eq(n, 25);
    CF_OK(dv_txn_count_docs_before(t, cf_str(""), &n, &c->err));
    ck_assert_uint_eq(n, 0);
    CF_OK(dv_txn_count_docs_before(t, cf_str("\xff"), &n, &c->err));
    ck_assert_uint_eq(n, N / 2);
    dv_txn_rollback(t);
}

static void folds_of_an_empty_database_give_nothing(struct cf *c)
{
    struct dv_range all = { .include_deleted = true };

    cf_create(c);
    gives(c, false, all, 0, 0);
    gives(c, true, all, 0, 0);
    all.descending = true;
    gives(c, false, all, 0, 0);
    gives(c, true, all, 0, 0);
}

struct reader {
    struct cf *c;
    struct dv_txn *t;
    int rows;
};

static int count_row(void *arg, const struct dv_doc_info *info, struct dv_err *err)
{
    (void)info;
    (void)err;
    ++*(int *)arg;
    return 0;
}

/* Read the row's body, another document, and fold again, all below the fold. */
static int read_inside(void *arg, const struct dv_doc_info *info, struct dv_err *err)
{
    struct reader *r = arg;
    struct cf *c = r->c;
    struct dv_slice other = cf_str("0007");
    struct dv_range all = { .has_start = true, .start_key = info->id };
    struct dv_doc_info found;
    struct dv_revtree tree;
    struct dv_buf body;
    int inner = 0, number = number_of(info->id);

    (void)err;
    dv_buf_init(&body, CF_ANY);
    CF_OK(dv_revtree_parse(info->tree, &c->arena, &tree, &c->err));
    CF_OK(dv_txn_read_body(r->t, tree.nodes[0].body, &body, &c->err));
    ck_assert(dv_slice_eq_str(dv_buf_slice(&body), "{}"));
    CF_OK(dv_txn_open_docs(r->t, &other, 1, &c->arena, &found, &c->err));
    ck_assert(found.found);
    if (r->rows < 3)
        CF_OK(dv_txn_fold_docs(r->t, &all, count_row, &inner, &c->err));
    ck_assert_int_eq(inner, r->rows < 3 ? N - number + 1 : 0);
    ck_assert_int_eq(number_of(info->id), number); /* still valid */
    dv_buf_fini(&body);
    r->rows++;
    return 0;
}

static void a_fold_may_read_through_its_transaction(struct cf *c)
{
    struct reader r = { .c = c };
    struct dv_range all = { .include_deleted = true };

    fill(c, false);
    r.t = cf_read(c);
    CF_OK(dv_txn_fold_docs(r.t, &all, read_inside, &r, &c->err));
    ck_assert_int_eq(r.rows, N);
    dv_txn_rollback(r.t);
    r.rows = 0;
    r.t = cf_write(c);
    CF_OK(dv_txn_fold_docs(r.t, &all, read_inside, &r, &c->err));
    ck_assert_int_eq(r.rows, N);
    dv_txn_rollback(r.t);
}

#define BOTH_CASES(what, sentence)                                                                 \
    { "fold_docs_" sentence, 0, docs_##what },                                                     \
    {                                                                                              \
        "fold_local_docs_" sentence, 0, locals_##what                                              \
    }

static const struct cf_case cases[] = {
    BOTH_CASES(all, "all_forward_and_reverse"),
    BOTH_CASES(start_key, "start_key_in_the_middle_before_the_first_after_the_last"),
    BOTH_CASES(end_key, "end_key_likewise_inclusive"),
    BOTH_CASES(end_key_gt, "end_key_gt_exclusive"),
    BOTH_CASES(ranges, "ranges_both_ways_and_an_inverted_range_is_empty"),
    BOTH_CASES(stop, "stop_after_n_rows_and_resume"),
    BOTH_CASES(error, "an_error_of_the_callback_passes_through"),
    CF_CASE(fold_docs_with_deleted_ones_included_and_not, 0),
    CF_CASE(folds_of_an_empty_database_give_nothing, 0),
    CF_CASE(a_fold_may_read_through_its_transaction, 0),
};
CF_GROUP(cf_fold_docs, "fold docs and local docs");
