/* fold changes. A model, the list of ids in the order of their latest change, says what is right.
 */
#include <stdio.h>
#include <string.h>

#include "base/rand.h"
#include "conformance/cf.h"

enum { N = 100 };

struct model {
    int order[N]; /* documents by their latest change */
    uint64_t seq[N];
    int n;
};

struct seen {
    int rows[N + 1];
    uint64_t seqs[N + 1];
    int n;
    int stop_after;
};

static int see(void *arg, const struct dv_doc_info *info, struct dv_err *err)
{
    struct seen *s = arg;
    char text[16] = "";

    (void)err;
    ck_assert_int_le(s->n, N);
    memcpy(text, info->id.p, info->id.n);
    ck_assert_int_eq(sscanf(text, "doc%d", &s->rows[s->n]), 1);
    s->seqs[s->n++] = info->seq;
    return s->n == s->stop_after ? 1 : 0;
}

/* The changes after (or, descending, up to) the k-th of the model are its suffix (prefix). */
static void suffix_is_right(struct cf *c, struct dv_txn *t, const struct model *m, int k)
{
    uint64_t since = k ? m->seq[k - 1] : 0, count;
    struct seen s = { .n = 0 };

    CF_OK(dv_txn_fold_changes(t, since, false, see, &s, &c->err));
    ck_assert_int_eq(s.n, m->n - k);
    for (int i = 0; i < s.n; i++) {
        ck_assert_int_eq(s.rows[i], m->order[k + i]);
        ck_assert_uint_eq(s.seqs[i], m->seq[k + i]);
    }
    CF_OK(dv_txn_count_changes(t, since, &count, &c->err));
    ck_assert_uint_eq(count, (uint64_t)s.n);
}

static void prefix_is_right(struct cf *c, struct dv_txn *t, const struct model *m, int k)
{
    uint64_t since = k == m->n ? UINT64_MAX : k ? m->seq[k - 1] : 0;
    struct seen s = { .n = 0 };

    CF_OK(dv_txn_fold_changes(t, since, true, see, &s, &c->err));
    ck_assert_int_eq(s.n, k);
    for (int i = 0; i < s.n; i++)
        ck_assert_int_eq(s.rows[i], m->order[k - 1 - i]);
}

static void all_is_right(struct cf *c, const struct model *m)
{
    struct dv_txn *t = cf_read(c);

    for (int k = 0; k <= m->n; k++) {
        suffix_is_right(c, t, m, k);
        prefix_is_right(c, t, m, k);
    }
    dv_txn_rollback(t);
}

static void move_to_end(struct model *m, int doc, uint64_t seq)
{
    int at = 0;

    while (at < m->n && m->order[at] != doc)
        at++;
    if (at < m->n) {
        memmove(&m->order[at], &m->order[at + 1], (size_t)(m->n - at - 1) * sizeof(int));
        memmove(&m->seq[at], &m->seq[at + 1], (size_t)(m->n - at - 1) * sizeof(uint64_t));
        m->n--;
    }
    m->order[m->n] = doc;
    m->seq[m->n++] = seq;
}

static void change(struct cf *c, struct model *m, int doc, const char *path)
{
    char id[16];

    snprintf(id, sizeof(id), "doc%d", doc);
    move_to_end(m, doc, cf_put(c, id, path, "{}"));
}

static void no_changes(struct cf *c)
{
    struct model m = { .n = 0 };

    cf_create(c);
    all_is_right(c, &m);
}

static void one_change(struct cf *c)
{
    struct model m = { .n = 0 };

    cf_create(c);
    change(c, &m, 1, "x");
    all_is_right(c, &m);
    cf_reopen(c);
    all_is_right(c, &m);
}

static void two_changes_in_order(struct cf *c)
{
    struct model m = { .n = 0 };

    cf_create(c);
    change(c, &m, 2, "x");
    change(c, &m, 1, "x");
    all_is_right(c, &m);
}

static void two_in_one_batch_in_the_order_given(struct cf *c)
{
    struct model m = { .order = { 2, 1 }, .seq = { 1, 2 }, .n = 2 };
    struct cf_edit e[2] = { { .id = "doc2", .path = "x", .body = DV_SLICE_LIT("{}") },
                            { .id = "doc1", .path = "x", .body = DV_SLICE_LIT("{}") } };
    struct dv_txn *t;

    cf_create(c);
    t = cf_write(c);
    CF_OK(cf_merge(t, e, 2, &c->arena, &c->err));
    cf_commit(c, t);
    all_is_right(c, &m);
}

static void an_update_moves_the_document_to_the_end_and_leaves_one_entry(struct cf *c)
{
    struct model m = { .n = 0 };

    cf_create(c);
    change(c, &m, 1, "x");
    change(c, &m, 2, "x");
    change(c, &m, 1, "y,x");
    ck_assert_int_eq(m.order[1], 1);
    all_is_right(c, &m);
    ck_assert_uint_eq(cf_find(c, "doc1").seq, 3);
}

static void deleted_documents_are_among_the_changes(struct cf *c)
{
    struct model m = { .n = 0 };

    cf_create(c);
    change(c, &m, 1, "x");
    change(c, &m, 2, "x");
    move_to_end(&m, 1, cf_delete(c, "doc1", "y,x"));
    all_is_right(c, &m);
}

static void with_a_hundred_shuffled_documents_every_suffix_and_prefix_is_right(struct cf *c)
{
    struct model m = { .n = 0 };
    struct dv_rng rng;
    int docs[N];

    cf_create(c);
    dv_rng_seed(&rng, 42);
    for (int i = 0; i < N; i++) {
        int k = (int)dv_rng_below(&rng, (uint64_t)i + 1);

        docs[i] = docs[k];
        docs[k] = i;
    }
    for (int i = 0; i < N; i++)
        change(c, &m, docs[i], "x");
    all_is_right(c, &m);
    cf_reopen(c);
    all_is_right(c, &m);
    for (int i = 0; i < N; i++) { /* updating each in turn keeps order right at every step */
        struct dv_txn *t;
        int k = (int)dv_rng_below(&rng, N + 1);

        change(c, &m, i, "y,x");
        t = cf_read(c);
        suffix_is_right(c, t, &m, 0);
        suffix_is_right(c, t, &m, k);
        prefix_is_right(c, t, &m, k);
        dv_txn_rollback(t);
    }
    all_is_right(c, &m);
}

static void changes_stop_and_resume_by_seq(struct cf *c)
{
    struct model m = { .n = 0 };
    uint64_t since = 0;
    int got = 0;

    cf_create(c);
    for (int i = 0; i < 50; i++)
        change(c, &m, i, "x");
    for (;;) {
        struct seen s = { .stop_after = 7 };
        struct dv_txn *t = cf_read(c);
        int rc = dv_txn_fold_changes(t, since, false, see, &s, &c->err);

        dv_txn_rollback(t);
        for (int i = 0; i < s.n; i++)
            ck_assert_int_eq(s.rows[i], m.order[got++]);
        if (rc == 0)
            break;
        ck_assert_int_eq(rc, 1);
        since = s.seqs[s.n - 1];
    }
    ck_assert_int_eq(got, 50);
}

static void since_beyond_the_end_gives_nothing(struct cf *c)
{
    struct model m = { .n = 0 };
    struct seen s = { .n = 0 };
    struct dv_txn *t;
    uint64_t n;

    cf_create(c);
    change(c, &m, 1, "x");
    t = cf_read(c);
    CF_OK(dv_txn_fold_changes(t, 99, false, see, &s, &c->err));
    CF_OK(dv_txn_fold_changes(t, UINT64_MAX, false, see, &s, &c->err));
    CF_OK(dv_txn_fold_changes(t, 0, true, see, &s, &c->err));
    ck_assert_int_eq(s.n, 0);
    CF_OK(dv_txn_count_changes(t, 99, &n, &c->err));
    ck_assert_uint_eq(n, 0);
    CF_OK(dv_txn_count_changes(t, UINT64_MAX, &n, &c->err));
    ck_assert_uint_eq(n, 0);
    dv_txn_rollback(t);
}

static int fail_at_once(void *arg, const struct dv_doc_info *info, struct dv_err *err)
{
    (void)arg;
    (void)info;
    return dv_err_set(err, DV_ECANCELLED, "from the callback");
}

static void an_error_of_the_callback_passes_through(struct cf *c)
{
    struct dv_txn *t;

    cf_create(c);
    cf_put(c, "doc1", "x", "{}");
    t = cf_read(c);
    CF_FAILS(dv_txn_fold_changes(t, 0, false, fail_at_once, NULL, &c->err), DV_ECANCELLED);
    ck_assert_str_eq(c->err.reason, "from the callback");
    CF_FAILS(dv_txn_fold_changes(t, 1, true, fail_at_once, NULL, &c->err), DV_ECANCELLED);
    dv_txn_rollback(t);
}

static const struct cf_case cases[] = {
    CF_CASE(no_changes, 0),
    CF_CASE(one_change, 0),
    CF_CASE(two_changes_in_order, 0),
    CF_CASE(two_in_one_batch_in_the_order_given, 0),
    CF_CASE(an_update_moves_the_document_to_the_end_and_leaves_one_entry, 0),
    CF_CASE(deleted_documents_are_among_the_changes, 0),
    CF_CASE(with_a_hundred_shuffled_documents_every_suffix_and_prefix_is_right, 0),
    CF_CASE(changes_stop_and_resume_by_seq, 0),
    CF_CASE(since_beyond_the_end_gives_nothing, 0),
    CF_CASE(an_error_of_the_callback_passes_through, 0),
};
CF_GROUP(cf_fold_changes, "fold changes");
