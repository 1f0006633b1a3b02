/* purge: CouchDB 3.5's arithmetic, and the infos that remember it. */
#include <stdio.h>
#include <string.h>

#include "conformance/cf.h"

static void numbers_are(struct cf *c, uint64_t docs, uint64_t deleted, uint64_t update_seq,
                        uint64_t purge_seq)
{
    for (int i = 0; i < 2; i++) {
        struct dv_props p = cf_props(c);

        ck_assert_uint_eq(p.doc_count, docs);
        ck_assert_uint_eq(p.deleted_doc_count, deleted);
        ck_assert_uint_eq(p.update_seq, update_seq);
        ck_assert_uint_eq(p.purge_seq, purge_seq);
        cf_check(c);
        cf_reopen(c);
    }
}

/* The info of a uuid, or not found. */
static struct dv_purge_info load(struct cf *c, const char *uuid, bool *found)
{
    struct dv_txn *t = cf_read(c);
    struct dv_purge_info info = { .purge_seq = 0 };

    CF_OK(dv_txn_load_purge(t, cf_str(uuid), &c->arena, &info, found, &c->err));
    dv_txn_rollback(t);
    return info;
}

static void a_simple_purge(struct cf *c)
{
    struct dv_purge_info info;
    bool found;

    cf_create(c);
    cf_put(c, "a", "x", "{}");
    cf_purge_revs(c, "u1", "a", "1-x");
    numbers_are(c, 0, 0, 2, 1);
    ck_assert(!cf_find(c, "a").found);
    info = load(c, "u1", &found);
    ck_assert(found);
    ck_assert_uint_eq(info.purge_seq, 1);
    ck_assert(dv_slice_eq_str(info.uuid, "u1"));
    ck_assert(dv_slice_eq_str(info.id, "a"));
    ck_assert_uint_eq(info.n_revs, 1);
    ck_assert(dv_slice_eq_str(info.revs[0], "1-x"));
    load(c, "u2", &found);
    ck_assert(!found);
    ck_assert_uint_eq(cf_account(c).bodies, 0);
}

static void a_conflicted_document_purged_leaf_by_leaf(struct cf *c)
{
    struct dv_doc_info info;

    cf_create(c);
    cf_put(c, "a", "x", "X");
    cf_put(c, "a", "y", "Y");
    numbers_are(c, 1, 0, 2, 0);
    cf_purge_revs(c, "u1", "a", "1-y");
    numbers_are(c, 1, 0, 3, 1);
    info = cf_find(c, "a");
    ck_assert_uint_eq(info.seq, 3);
    cf_body_is(c, "a", "X");
    cf_purge_revs(c, "u2", "a", "1-x");
    numbers_are(c, 0, 0, 4, 2);
}

static void both_leaves_in_one_purge(struct cf *c)
{
    bool found;

    cf_create(c);
    cf_put(c, "a", "x", "X");
    cf_put(c, "a", "y", "Y");
    cf_purge_revs(c, "u1", "a", "1-x,1-y");
    numbers_are(c, 0, 0, 3, 1);
    ck_assert_uint_eq(load(c, "u1", &found).n_revs, 2);
}

static void a_purge_after_delete(struct cf *c)
{
    cf_create(c);
    cf_put(c, "a", "x", "{}");
    cf_delete(c, "a", "y,x");
    numbers_are(c, 0, 1, 2, 0);
    cf_purge_revs(c, "u1", "a", "2-y");
    numbers_are(c, 0, 0, 3, 1);
}

static void two_documents_one_purged(struct cf *c)
{
    cf_create(c);
    cf_put(c, "a", "x", "{}");
    cf_put(c, "b", "x", "{}");
    cf_purge_revs(c, "u1", "a", "1-x");
    numbers_are(c, 1, 0, 3, 1);
    cf_body_is(c, "b", "{}");
}

static void purging_the_live_leaf_may_leave_a_tombstone(struct cf *c)
{
    cf_create(c);
    cf_put(c, "a", "x", "{}");
    cf_delete(c, "a", "y");
    numbers_are(c, 1, 0, 2, 0);
    cf_purge_revs(c, "u1", "a", "1-x");
    numbers_are(c, 0, 1, 3, 1);
}

static void a_purge_that_removes_nothing_still_counts(struct cf *c)
{
    bool purged = true;
    struct dv_txn *t;

    cf_create(c);
    cf_put(c, "a", "x", "{}");
    t = cf_write(c);
    CF_OK(cf_purge_in(t, "u1", "a", "1-unknown", &purged, &c->arena, &c->err));
    ck_assert(!purged);
    CF_OK(cf_purge_in(t, "u2", "missing", "1-x", &purged, &c->arena, &c->err));
    ck_assert(!purged);
    cf_commit(c, t);
    numbers_are(c, 1, 0, 1, 2);
}

static void a_purged_document_may_be_written_again(struct cf *c)
{
    cf_create(c);
    cf_put(c, "a", "x", "old");
    cf_purge_revs(c, "u1", "a", "1-x");
    ck_assert_uint_eq(cf_put(c, "a", "x", "new"), 3);
    numbers_are(c, 1, 0, 3, 1);
    cf_body_is(c, "a", "new");
}

static int count_infos(void *arg, const struct dv_purge_info *info, struct dv_err *err)
{
    uint64_t *last = arg;

    (void)err;
    ck_assert_uint_eq(info->purge_seq, last[0] + 1);
    last[0] = info->purge_seq;
    return info->purge_seq == last[1] ? 5 : 0;
}

static void infos_fold_since_a_purge_seq(struct cf *c)
{
    uint64_t last[2] = { 0, 0 };
    struct dv_txn *t;

    cf_create(c);
    for (int i = 0; i < 10; i++) {
        char uuid[16];

        snprintf(uuid, sizeof(uuid), "u%d", i);
        cf_purge_revs(c, uuid, "a", "1-x");
    }
    t = cf_read(c);
    CF_OK(dv_txn_fold_purges(t, 0, count_infos, last, &c->err));
    ck_assert_uint_eq(last[0], 10);
    last[0] = 7;
    CF_OK(dv_txn_fold_purges(t, 7, count_infos, last, &c->err));
    ck_assert_uint_eq(last[0], 10);
    CF_OK(dv_txn_fold_purges(t, 10, count_infos, last, &c->err));
    CF_OK(dv_txn_fold_purges(t, UINT64_MAX, count_infos, last, &c->err));
    last[0] = 2;
    last[1] = 4; /* stops early */
    ck_assert_int_eq(dv_txn_fold_purges(t, 2, count_infos, last, &c->err), 5);
    ck_assert_uint_eq(last[0], 4);
    dv_txn_rollback(t);
}

static int count_row(void *arg, const struct dv_purge_info *info, struct dv_err *err)
{
    (void)info;
    (void)err;
    ++*(uint64_t *)arg;
    return 0;
}

static void the_newest_thousand_infos_are_remembered(struct cf *c)
{
    struct dv_txn *t;
    uint64_t n = 0;
    bool found;

    cf_create(c);
    t = cf_write(c);
    for (int i = 1; i <= 1005; i++) {
        char uuid[16];

        snprintf(uuid, sizeof(uuid), "u%d", i);
        CF_OK(cf_purge_in(t, uuid, "a", "1-x", NULL, &c->arena, &c->err));
    }
    cf_commit(c, t);
    cf_compact(c, 0);
    cf_reopen(c);
    load(c, "u5", &found);
    ck_assert(!found);
    ck_assert_uint_eq(load(c, "u6", &found).purge_seq, 6);
    ck_assert(found);
    load(c, "u1005", &found);
    ck_assert(found);
    t = cf_read(c);
    CF_OK(dv_txn_fold_purges(t, 5, count_row, &n, &c->err));
    dv_txn_rollback(t);
    ck_assert_uint_eq(n, 1000);
    ck_assert_uint_eq(cf_props(c).purge_seq, 1005);
}

static void a_batch_of_purges_takes_seqs_in_order(struct cf *c)
{
    struct dv_doc_info a, b;
    struct dv_purge p[3];
    struct dv_txn *t;

    cf_create(c);
    cf_put(c, "a", "x", "{}");
    cf_put(c, "b", "x", "{}");
    a = cf_find(c, "a");
    b = cf_find(c, "b");
    memset(p, 0, sizeof(p));
    p[0].info = (struct dv_purge_info){ .uuid = cf_str("u1"), .id = a.id };
    p[1].info = (struct dv_purge_info){ .uuid = cf_str("u2"), .id = cf_str("c") };
    p[2].info = (struct dv_purge_info){ .uuid = cf_str("u3"), .id = b.id };
    p[0].old = &a;
    p[2].old = &b;
    p[0].changes = p[2].changes = true;
    t = cf_write(c);
    CF_OK(dv_txn_purge(t, p, 3, &c->err));
    for (uint64_t i = 0; i < 3; i++)
        ck_assert_uint_eq(p[i].info.purge_seq, i + 1);
    dv_txn_rollback(t);
    numbers_are(c, 2, 0, 2, 0);
    cf_purge_revs(c, "u1", "a", "1-x");
    cf_purge_revs(c, "u2", "c", "1-x");
    cf_purge_revs(c, "u3", "b", "1-x");
    numbers_are(c, 0, 0, 4, 3);
}

static void a_purge_takes_the_attachments_of_its_bodies_along(struct cf *c)
{
    struct dv_att_info info;
    struct cf_edit e = { .id = "a", .path = "x", .body = DV_SLICE_LIT("{}"), .n_atts = 1 };
    struct dv_txn *t;

    cf_create(c);
    CF_OK(cf_att_write(c->store, NULL, DV_ATT_AS_IS, cf_str("attached"), 3, &info, &c->err));
    e.atts = &info.key;
    t = cf_write(c);
    CF_OK(cf_merge(t, &e, 1, &c->arena, &c->err));
    cf_commit(c, t);
    cf_purge_revs(c, "u1", "a", "1-x");
    ck_assert_uint_eq(cf_props(c).external_bytes, 0);
    cf_compact(c, 1);
    ck_assert_uint_eq(cf_account(c).attachments, 0);
}

static const struct cf_case cases[] = {
    CF_CASE(a_simple_purge, 0),
    CF_CASE(a_conflicted_document_purged_leaf_by_leaf, 0),
    CF_CASE(both_leaves_in_one_purge, 0),
    CF_CASE(a_purge_after_delete, 0),
    CF_CASE(two_documents_one_purged, 0),
    CF_CASE(purging_the_live_leaf_may_leave_a_tombstone, 0),
    CF_CASE(a_purge_that_removes_nothing_still_counts, 0),
    CF_CASE(a_purged_document_may_be_written_again, 0),
    CF_CASE(infos_fold_since_a_purge_seq, 0),
    CF_CASE(the_newest_thousand_infos_are_remembered, 0),
    CF_CASE(a_batch_of_purges_takes_seqs_in_order, 0),
    CF_CASE(a_purge_takes_the_attachments_of_its_bodies_along, 0),
};
CF_GROUP(cf_purge, "purge");
