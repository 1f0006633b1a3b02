/* What the front door refuses, and that a refusal leaves the database as it was. */
#include <string.h>

#include "base/mem.h"
#include "conformance/cf.h"

/* Every write call in t fails with this code. */
static void all_writes_fail(struct cf *c, struct dv_txn *t, int code)
{
    struct cf_edit e = { .id = "a", .path = "x", .body = DV_SLICE_LIT("A") };
    struct dv_local l = { .found = true, .id = DV_SLICE_LIT("_local/a"), .rev = 1 };
    struct dv_doc_write w = { .id = DV_SLICE_LIT("a"), .tree = DV_SLICE_LIT("t") };
    struct dv_purge p = { .info = { .uuid = DV_SLICE_LIT("u"), .id = DV_SLICE_LIT("a") } };
    struct dv_att_writer *writer;
    uint64_t ref;

    CF_FAILS(dv_txn_put_body(t, e.body, NULL, 0, &ref, &c->err), code);
    CF_FAILS(dv_txn_drop_body(t, 1, &c->err), code);
    CF_FAILS(dv_txn_write_docs(t, &w, 1, &c->err), code);
    CF_FAILS(dv_txn_write_locals(t, &l, 1, &c->err), code);
    CF_FAILS(dv_txn_purge(t, &p, 1, &c->err), code);
    CF_FAILS(dv_txn_set_security(t, cf_str("{}"), &c->err), code);
    CF_FAILS(dv_txn_set_revs_limit(t, 1, &c->err), code);
    CF_FAILS(dv_att_writer_open(c->store, t, DV_ATT_AS_IS, 0, &writer, &c->err), code);
}

static void a_write_in_a_read_transaction_is_refused(struct cf *c)
{
    struct dv_txn *t;

    cf_create(c);
    t = cf_read(c);
    all_writes_fail(c, t, DV_EINVAL);
    dv_txn_rollback(t);
    ck_assert_uint_eq(cf_props(c).update_seq, 0);
}

struct inner {
    struct cf *c;
    struct dv_txn *t;
    int rows;
};

static int write_inside(void *arg, const struct dv_doc_info *info, struct dv_err *err)
{
    struct inner *in = arg;

    (void)info;
    (void)err;
    in->rows++;
    all_writes_fail(in->c, in->t, DV_EINVAL);
    return 0;
}

static void a_write_below_a_fold_is_refused(struct cf *c)
{
    struct inner in = { .c = c };
    struct dv_range all = { .include_deleted = true };

    cf_create(c);
    cf_put(c, "a", "x", "{}");
    in.t = cf_write(c);
    CF_OK(dv_txn_fold_docs(in.t, &all, write_inside, &in, &c->err));
    CF_OK(dv_txn_fold_changes(in.t, 0, false, write_inside, &in, &c->err));
    ck_assert_int_eq(in.rows, 2);
    cf_commit(c, in.t);
    ck_assert_uint_eq(cf_props(c).update_seq, 1);
}

static void a_document_with_the_id_of_a_local_one_is_refused(struct cf *c)
{
    struct cf_edit e = { .id = "_local/a", .path = "x", .body = DV_SLICE_LIT("{}") };
    struct dv_local l = { .found = true, .id = DV_SLICE_LIT("a"), .rev = 1 };
    struct dv_txn *t;

    cf_create(c);
    t = cf_write(c);
    CF_FAILS(cf_merge(t, &e, 1, &c->arena, &c->err), DV_EILLEGALID);
    CF_FAILS(dv_txn_write_locals(t, &l, 1, &c->err), DV_EILLEGALID);
    l.id = cf_str("_local/");
    CF_FAILS(dv_txn_write_locals(t, &l, 1, &c->err), DV_EILLEGALID);
    l.id = cf_str("_loca");
    CF_FAILS(dv_txn_write_locals(t, &l, 1, &c->err), DV_EILLEGALID);
    dv_txn_rollback(t);
    e.id = "_design/a"; /* an ordinary document here */
    t = cf_write(c);
    CF_OK(cf_merge(t, &e, 1, &c->arena, &c->err));
    cf_commit(c, t);
}

static void an_empty_id_and_one_over_the_ceiling_are_refused(struct cf *c)
{
    char *id = dv_calloc(1, DV_ID_MAX_BYTES + 2);
    struct dv_doc_write w = { .tree = DV_SLICE_LIT("t") };
    struct dv_local l = { .found = true, .rev = 1 };
    struct dv_txn *t;

    cf_create(c);
    t = cf_write(c);
    CF_FAILS(dv_txn_write_docs(t, &w, 1, &c->err), DV_EILLEGALID);
    memset(id, 'x', DV_ID_MAX_BYTES + 1);
    w.id = cf_str(id);
    CF_FAILS(dv_txn_write_docs(t, &w, 1, &c->err), DV_EILLEGALID);
    memcpy(id, "_local/", 7);
    l.id = cf_str(id);
    CF_FAILS(dv_txn_write_locals(t, &l, 1, &c->err), DV_EILLEGALID);
    dv_txn_rollback(t);
    dv_free(id);
}

static void a_record_over_the_ceiling_is_refused(struct cf *c)
{
    static const char byte[1] = { 0 };
    struct dv_slice huge = dv_slice(byte, (size_t)DV_RECORD_MAX_BYTES + 1);
    struct dv_doc_write w = { .id = DV_SLICE_LIT("a"), .tree = huge };
    struct dv_local l = { .found = true, .id = DV_SLICE_LIT("_local/a"), .body = huge };
    struct dv_txn *t;
    uint64_t ref;

    cf_create(c);
    t = cf_write(c);
    CF_FAILS(dv_txn_put_body(t, huge, NULL, 0, &ref, &c->err), DV_ETOOBIG);
    CF_FAILS(dv_txn_write_docs(t, &w, 1, &c->err), DV_ETOOBIG);
    CF_FAILS(dv_txn_write_locals(t, &l, 1, &c->err), DV_ETOOBIG);
    CF_FAILS(dv_txn_set_security(t, huge, &c->err), DV_ETOOBIG);
    cf_commit(c, t);
    ck_assert_uint_eq(cf_props(c).update_seq, 0);
}

static void a_state_that_is_not_the_documents_is_refused(struct cf *c)
{
    struct dv_doc_info a, missing;
    struct dv_doc_write w = { .id = DV_SLICE_LIT("b"), .tree = DV_SLICE_LIT("t"), .old = &a };
    struct dv_purge p = { .info = { .uuid = DV_SLICE_LIT("u"), .id = DV_SLICE_LIT("b") },
                          .changes = true };
    struct dv_txn *t;

    cf_create(c);
    cf_put(c, "a", "x", "{}");
    a = cf_find(c, "a");
    missing = cf_find(c, "b");
    t = cf_write(c);
    CF_FAILS(dv_txn_write_docs(t, &w, 1, &c->err), DV_EINVAL);
    w.old = &missing;
    CF_FAILS(dv_txn_write_docs(t, &w, 1, &c->err), DV_EINVAL);
    w.old = NULL;
    w.tree = cf_str("");
    CF_FAILS(dv_txn_write_docs(t, &w, 1, &c->err), DV_EINVAL);
    CF_FAILS(dv_txn_purge(t, &p, 1, &c->err), DV_EINVAL); /* nothing there to change */
    p.old = &a;
    CF_FAILS(dv_txn_purge(t, &p, 1, &c->err), DV_EINVAL);
    p.info.uuid = cf_str("");
    CF_FAILS(dv_txn_purge(t, &p, 1, &c->err), DV_EINVAL);
    cf_commit(c, t);
    ck_assert_uint_eq(cf_props(c).update_seq, 1);
}

static void a_write_that_failed_half_way_can_not_be_committed(struct cf *c)
{
    struct dv_doc_write twice[2] = { { .id = DV_SLICE_LIT("a"), .tree = DV_SLICE_LIT("t") },
                                     { .id = DV_SLICE_LIT("a"), .tree = DV_SLICE_LIT("t") } };
    struct dv_txn *t;

    cf_create(c);
    t = cf_write(c);
    ck_assert_int_lt(dv_txn_write_docs(t, twice, 2, &c->err), 0);
    ck_assert_int_lt(dv_txn_write_docs(t, twice, 1, &c->err), 0);
    ck_assert_int_lt(dv_txn_commit(t, DV_COMMIT_LAZY, &c->err), 0);
    ck_assert_uint_eq(cf_props(c).update_seq, 0);
    ck_assert(!cf_find(c, "a").found);
    cf_put(c, "a", "x", "{}");
}

static void an_unknown_attachment_is_refused_and_the_transaction_goes_on(struct cf *c)
{
    struct dv_att_key unknown = { .encoding = DV_ENC_IDENTITY };
    struct dv_txn *t;
    uint64_t ref = 0;

    cf_create(c);
    t = cf_write(c);
    CF_FAILS(dv_txn_put_body(t, cf_str("{}"), &unknown, 1, &ref, &c->err), DV_ENOTFOUND);
    ck_assert_uint_eq(ref, 0);
    dv_txn_set_revs_limit(t, 9, &c->err);
    cf_commit(c, t);
    ck_assert_uint_eq(cf_props(c).revs_limit, 9);
    ck_assert_uint_eq(cf_account(c).bodies, 0);
}

static const struct cf_case cases[] = {
    CF_CASE(a_write_in_a_read_transaction_is_refused, 0),
    CF_CASE(a_write_below_a_fold_is_refused, 0),
    CF_CASE(a_document_with_the_id_of_a_local_one_is_refused, 0),
    CF_CASE(an_empty_id_and_one_over_the_ceiling_are_refused, 0),
    CF_CASE(a_record_over_the_ceiling_is_refused, 0),
    CF_CASE(a_state_that_is_not_the_documents_is_refused, 0),
    CF_CASE(a_write_that_failed_half_way_can_not_be_committed, 0),
    CF_CASE(an_unknown_attachment_is_refused_and_the_transaction_goes_on, 0),
};
CF_GROUP(cf_arguments, "arguments");
