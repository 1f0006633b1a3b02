/* read/write. */
#include <string.h>

#include "base/mem.h"
#include "conformance/cf.h"

static void counts_are(struct cf *c, uint64_t docs, uint64_t deleted, uint64_t seq)
{
    struct dv_props p = cf_props(c);

    ck_assert_uint_eq(p.doc_count, docs);
    ck_assert_uint_eq(p.deleted_doc_count, deleted);
    ck_assert_uint_eq(p.update_seq, seq);
}

static void missing_documents_are_reported_in_order(struct cf *c)
{
    struct dv_slice ids[] = { cf_str("nope"), cf_str("b"), cf_str("zz"), cf_str("a") };
    struct dv_doc_info infos[4];
    struct dv_txn *t;

    cf_create(c);
    cf_put(c, "a", "x", "{}");
    cf_put(c, "b", "x", "{}");
    t = cf_read(c);
    CF_OK(dv_txn_open_docs(t, ids, 4, &c->arena, infos, &c->err));
    dv_txn_rollback(t);
    for (size_t i = 0; i < 4; i++) {
        ck_assert(dv_slice_eq(infos[i].id, ids[i]));
        ck_assert(infos[i].found == (i % 2 != 0));
    }
    ck_assert_uint_eq(infos[1].seq, 2);
    ck_assert_uint_eq(infos[3].seq, 1);
}

static void missing_local_documents_are_reported_in_order(struct cf *c)
{
    struct dv_slice ids[] = { cf_str("_local/no"), cf_str("_local/b"), cf_str("_local/z"),
                              cf_str("_local/a") };
    struct dv_local out[4];
    struct dv_txn *t;

    cf_create(c);
    cf_put_local(c, "_local/a", 1, "A");
    cf_put_local(c, "_local/b", 7, "B");
    t = cf_read(c);
    CF_OK(dv_txn_open_locals(t, ids, 4, &c->arena, out, &c->err));
    dv_txn_rollback(t);
    for (size_t i = 0; i < 4; i++) {
        ck_assert(dv_slice_eq(out[i].id, ids[i]));
        ck_assert(out[i].found == (i % 2 != 0));
    }
    ck_assert_uint_eq(out[1].rev, 7);
    ck_assert(dv_slice_eq_str(out[3].body, "A"));
}

static void one_document(struct cf *c)
{
    cf_create(c);
    ck_assert_uint_eq(cf_put(c, "a", "x", "{\"v\":1}"), 1);
    cf_reopen(c);
    counts_are(c, 1, 0, 1);
    cf_body_is(c, "a", "{\"v\":1}");
}

static void two_documents(struct cf *c)
{
    cf_create(c);
    cf_put(c, "a", "x", "A");
    cf_put(c, "b", "x", "B");
    cf_reopen(c);
    counts_are(c, 2, 0, 2);
    cf_body_is(c, "a", "A");
    cf_body_is(c, "b", "B");
}

static void a_batch_of_three(struct cf *c)
{
    struct cf_edit e[3] = { { .id = "a", .path = "x", .body = DV_SLICE_LIT("A") },
                            { .id = "b", .path = "x", .body = DV_SLICE_LIT("B") },
                            { .id = "c", .path = "x", .body = DV_SLICE_LIT("C") } };
    struct dv_txn *t;

    cf_create(c);
    t = cf_write(c);
    CF_OK(cf_merge(t, e, 3, &c->arena, &c->err));
    cf_commit(c, t);
    for (uint64_t i = 0; i < 3; i++)
        ck_assert_uint_eq(e[i].seq, i + 1);
    cf_reopen(c);
    counts_are(c, 3, 0, 3);
    cf_body_is(c, "b", "B");
}

static void an_update_counts_one_document_at_seq_two_with_the_new_body(struct cf *c)
{
    cf_create(c);
    cf_put(c, "a", "x", "old");
    cf_put(c, "a", "y,x", "new");
    cf_reopen(c);
    counts_are(c, 1, 0, 2);
    cf_body_is(c, "a", "new");
    ck_assert_uint_eq(cf_find(c, "a").seq, 2);
}

static void bodies_of_inner_revisions_are_kept_until_compaction(struct cf *c)
{
    struct dv_buf read;
    struct dv_txn *t;
    uint64_t ref;

    cf_create(c);
    cf_put(c, "a", "x", "old");
    cf_put(c, "a", "y,x", "new");
    cf_reopen(c);
    ref = cf_ref(c, "a", "1-x");
    dv_buf_init(&read, CF_ANY);
    t = cf_read(c);
    CF_OK(dv_txn_read_body(t, ref, &read, &c->err));
    ck_assert(dv_slice_eq_str(dv_buf_slice(&read), "old"));
    dv_txn_rollback(t);
    cf_compact(c, 0);
    t = cf_read(c);
    CF_FAILS(dv_txn_read_body(t, ref, &read, &c->err), DV_ENOTFOUND);
    dv_txn_rollback(t);
    ck_assert_uint_eq(cf_ref(c, "a", "1-x"), 0);
    dv_buf_fini(&read);
}

static void a_deleted_document_counts_as_deleted_at_seq_two(struct cf *c)
{
    cf_create(c);
    cf_put(c, "a", "x", "{}");
    cf_delete(c, "a", "y,x");
    cf_reopen(c);
    counts_are(c, 0, 1, 2);
    ck_assert(cf_find(c, "a").found);
    ck_assert(cf_find(c, "a").deleted);
    cf_put(c, "a", "z,y,x", "{}"); /* and comes back */
    counts_are(c, 1, 0, 3);
}

static void local_documents_never_count_and_never_move_update_seq(struct cf *c)
{
    cf_create(c);
    cf_put(c, "a", "x", "{}");
    cf_put_local(c, "_local/a", 1, "{}");
    cf_put_local(c, "_local/b", 1, "{}");
    cf_put_local(c, "_local/b", 2, NULL);
    counts_are(c, 1, 0, 1);
    cf_reopen(c);
    counts_are(c, 1, 0, 1);
}

static void local_documents_are_not_found_as_documents_nor_documents_as_local(struct cf *c)
{
    struct dv_slice as_doc = cf_str("_local/a"), as_local = cf_str("a");
    struct dv_doc_info info;
    struct dv_local local;
    struct dv_txn *t;

    cf_create(c);
    cf_put(c, "a", "x", "{}");
    cf_put_local(c, "_local/a", 1, "{}");
    t = cf_read(c);
    CF_OK(dv_txn_open_docs(t, &as_doc, 1, &c->arena, &info, &c->err));
    CF_OK(dv_txn_open_locals(t, &as_local, 1, &c->arena, &local, &c->err));
    dv_txn_rollback(t);
    ck_assert(!info.found);
    ck_assert(!local.found);
}

static void local_is(struct cf *c, const char *id, uint64_t rev, const char *body)
{
    struct dv_txn *t = cf_read(c);
    struct dv_slice key = cf_str(id);
    struct dv_local l;

    CF_OK(dv_txn_open_locals(t, &key, 1, &c->arena, &l, &c->err));
    dv_txn_rollback(t);
    ck_assert(l.found == (body != NULL));
    if (body) {
        ck_assert_uint_eq(l.rev, rev);
        ck_assert(dv_slice_eq_str(l.body, body));
    }
}

static void local_create_update_delete(struct cf *c)
{
    cf_create(c);
    cf_put_local(c, "_local/a", 1, "{\"v\":1}");
    cf_reopen(c);
    local_is(c, "_local/a", 1, "{\"v\":1}");
    cf_put_local(c, "_local/a", 2, "{}");
    cf_reopen(c);
    local_is(c, "_local/a", 2, "{}");
    cf_put_local(c, "_local/a", 3, NULL);
    cf_put_local(c, "_local/never", 1, NULL);
    cf_reopen(c);
    local_is(c, "_local/a", 0, NULL);
}

static void a_mixed_batch_of_documents_and_local_documents(struct cf *c)
{
    struct cf_edit e[2] = { { .id = "a", .path = "x", .body = DV_SLICE_LIT("A") },
                            { .id = "b", .path = "x", .body = DV_SLICE_LIT("B") } };
    struct dv_local l[2] = {
        { .found = true, .id = DV_SLICE_LIT("_local/a"), .rev = 1, .body = DV_SLICE_LIT("LA") },
        { .found = true, .id = DV_SLICE_LIT("_local/b"), .rev = 2, .body = DV_SLICE_LIT("LB") }
    };
    struct dv_txn *t;

    cf_create(c);
    t = cf_write(c);
    CF_OK(cf_merge(t, e, 2, &c->arena, &c->err));
    CF_OK(dv_txn_write_locals(t, l, 2, &c->err));
    cf_commit(c, t);
    cf_reopen(c);
    counts_are(c, 2, 0, 2);
    cf_body_is(c, "a", "A");
    local_is(c, "_local/a", 1, "LA");
    local_is(c, "_local/b", 2, "LB");
}

static void a_rolled_back_transaction_leaves_no_trace(struct cf *c)
{
    struct cf_edit e[2] = { { .id = "a", .path = "y,x", .body = DV_SLICE_LIT("new") },
                            { .id = "b", .path = "x", .body = DV_SLICE_LIT("B") } };
    struct dv_local l = { .found = true, .id = DV_SLICE_LIT("_local/a"), .rev = 1 };
    struct dv_buf before, after;
    struct dv_txn *t;

    cf_create(c);
    cf_put(c, "a", "x", "old");
    dv_buf_init(&before, CF_ANY);
    dv_buf_init(&after, CF_ANY);
    CF_OK(cf_dump(c->store, &before, &c->err));
    t = cf_write(c);
    CF_OK(cf_merge(t, e, 2, &c->arena, &c->err));
    CF_OK(dv_txn_write_locals(t, &l, 1, &c->err));
    CF_OK(dv_txn_set_security(t, cf_str("{\"x\":1}"), &c->err));
    CF_OK(dv_txn_set_revs_limit(t, 3, &c->err));
    CF_OK(cf_purge_in(t, "u", "a", "2-y", NULL, &c->arena, &c->err));
    dv_txn_rollback(t);
    CF_OK(cf_dump(c->store, &after, &c->err));
    cf_dump_equal(&before, &after);
    cf_reopen(c);
    dv_buf_reset(&after);
    CF_OK(cf_dump(c->store, &after, &c->err));
    cf_dump_equal(&before, &after);
    ck_assert_uint_eq(cf_account(c).bodies, 1);
    dv_buf_fini(&before);
    dv_buf_fini(&after);
}

static void a_write_transaction_reads_its_own_writes(struct cf *c)
{
    struct cf_edit e = { .id = "a", .path = "x", .body = DV_SLICE_LIT("A") };
    struct dv_slice id = cf_str("a");
    struct dv_doc_info info;
    struct dv_props p;
    struct dv_buf read;
    struct dv_txn *t;

    cf_create(c);
    dv_buf_init(&read, CF_ANY);
    t = cf_write(c);
    CF_OK(cf_merge(t, &e, 1, &c->arena, &c->err));
    CF_OK(dv_txn_open_docs(t, &id, 1, &c->arena, &info, &c->err));
    ck_assert(info.found);
    CF_OK(dv_txn_read_body(t, e.ref, &read, &c->err));
    ck_assert(dv_slice_eq_str(dv_buf_slice(&read), "A"));
    CF_OK(dv_txn_props(t, &p, &c->err));
    ck_assert_uint_eq(p.doc_count, 1);
    ck_assert_uint_eq(p.update_seq, 1);
    e.path = "y,x"; /* written twice in one transaction */
    CF_OK(cf_merge(t, &e, 1, &c->arena, &c->err));
    cf_commit(c, t);
    counts_are(c, 1, 0, 2);
    dv_buf_fini(&read);
}

static void a_read_transaction_does_not_see_later_commits(struct cf *c)
{
    struct cf other;
    struct dv_slice id = cf_str("b");
    struct dv_doc_info info;
    struct dv_props p;
    struct dv_txn *t;

    cf_create(c);
    cf_put(c, "a", "x", "{}");
    cf_init(&other, c->engine, c->path);
    cf_open(&other);
    t = cf_read(c);
    CF_OK(dv_txn_props(t, &p, &c->err));
    cf_put(&other, "b", "x", "{}");
    CF_OK(dv_txn_props(t, &p, &c->err));
    ck_assert_uint_eq(p.update_seq, 1);
    CF_OK(dv_txn_open_docs(t, &id, 1, &c->arena, &info, &c->err));
    ck_assert(!info.found);
    dv_txn_rollback(t);
    counts_are(c, 2, 0, 2);
    cf_close(&other);
    dv_arena_fini(&other.arena);
}

static void ids_are_bytes_with_nul_and_0xff(struct cf *c)
{
    static const struct dv_slice ids[] = { DV_SLICE_LIT("\0"),   DV_SLICE_LIT("\0a"),
                                           DV_SLICE_LIT("a"),    DV_SLICE_LIT("a\0"),
                                           DV_SLICE_LIT("a\0b"), DV_SLICE_LIT("a\xff"),
                                           DV_SLICE_LIT("\xff"), DV_SLICE_LIT("\xff\xff") };
    enum { N = sizeof(ids) / sizeof(*ids) };
    struct dv_doc_info infos[N];
    struct dv_txn *t;

    cf_create(c);
    t = cf_write(c);
    for (size_t i = 0; i < N; i++) {
        struct cf_edit e = { .id = ids[i].p, .id_bytes = ids[i].n, .path = "x", .body = ids[i] };

        CF_OK(cf_merge(t, &e, 1, &c->arena, &c->err));
    }
    cf_commit(c, t);
    cf_reopen(c);
    t = cf_read(c);
    CF_OK(dv_txn_open_docs(t, ids, N, &c->arena, infos, &c->err));
    for (size_t i = 0; i < N; i++) {
        uint64_t before;

        ck_assert(infos[i].found);
        ck_assert_uint_eq(infos[i].seq, i + 1);
        CF_OK(dv_txn_count_docs_before(t, ids[i], &before, &c->err));
        ck_assert_uint_eq(before, i);
    }
    dv_txn_rollback(t);
}

static void an_empty_batch_changes_nothing(struct cf *c)
{
    struct dv_txn *t;

    cf_create(c);
    t = cf_write(c);
    CF_OK(dv_txn_write_docs(t, NULL, 0, &c->err));
    CF_OK(dv_txn_write_locals(t, NULL, 0, &c->err));
    CF_OK(dv_txn_purge(t, NULL, 0, &c->err));
    CF_OK(dv_txn_open_docs(t, NULL, 0, &c->arena, NULL, &c->err));
    CF_OK(dv_txn_open_locals(t, NULL, 0, &c->arena, NULL, &c->err));
    cf_commit(c, t);
    t = cf_write(c);
    cf_commit(c, t);
    counts_are(c, 0, 0, 0);
}

static void an_id_of_8_kB(struct cf *c)
{
    char id[8193];

    memset(id, 'i', sizeof(id) - 1);
    id[8192] = '\0';
    cf_create(c);
    cf_put(c, id, "x", "long");
    id[8191] = 'j';
    cf_put(c, id, "x", "longer");
    cf_reopen(c);
    cf_body_is(c, id, "longer");
    id[8191] = 'i';
    cf_body_is(c, id, "long");
}

static void bodies_of_0_bytes_and_of_8_MB(struct cf *c)
{
    struct dv_buf body, read;
    struct cf_edit e = { .id = "big", .path = "x" };
    struct dv_txn *t;

    cf_create(c);
    cf_put(c, "empty", "x", "");
    dv_buf_init(&body, CF_ANY);
    dv_buf_init(&read, CF_ANY);
    cf_random(&body, 8 * 1024 * 1024, 8);
    e.body = dv_buf_slice(&body);
    t = cf_write(c);
    CF_OK(cf_merge(t, &e, 1, &c->arena, &c->err));
    cf_commit(c, t);
    cf_reopen(c);
    cf_body_is(c, "empty", "");
    t = cf_read(c);
    CF_OK(dv_txn_read_body(t, cf_ref(c, "big", "1-x"), &read, &c->err));
    dv_txn_rollback(t);
    ck_assert(dv_slice_eq(dv_buf_slice(&body), dv_buf_slice(&read)));
    ck_assert_uint_eq(cf_find(c, "big").leaf_bytes, body.n);
    dv_buf_fini(&body);
    dv_buf_fini(&read);
}

static void a_body_is_appended_to_the_buffer_and_its_ceiling_holds(struct cf *c)
{
    struct dv_buf small, more;
    struct dv_txn *t;
    uint64_t ref;

    cf_create(c);
    cf_put(c, "a", "x", "0123456789");
    ref = cf_ref(c, "a", "1-x");
    dv_buf_init(&small, 9);
    dv_buf_init(&more, CF_ANY);
    dv_buf_add_str(&more, "before:");
    t = cf_read(c);
    CF_FAILS(dv_txn_read_body(t, ref, &small, &c->err), DV_ETOOBIG);
    ck_assert_uint_eq(small.n, 0);
    CF_OK(dv_txn_read_body(t, ref, &more, &c->err));
    ck_assert(dv_slice_eq_str(dv_buf_slice(&more), "before:0123456789"));
    dv_txn_rollback(t);
    dv_buf_fini(&small);
    dv_buf_fini(&more);
}

static void a_dropped_body_is_not_found_and_its_ref_never_given_again(struct cf *c)
{
    struct dv_buf read;
    struct dv_txn *t;
    uint64_t first, second;

    cf_create(c);
    dv_buf_init(&read, CF_ANY);
    t = cf_write(c);
    CF_OK(dv_txn_put_body(t, cf_str("one"), NULL, 0, &first, &c->err));
    ck_assert_uint_ne(first, 0);
    CF_OK(dv_txn_drop_body(t, first, &c->err));
    CF_OK(dv_txn_drop_body(t, first, &c->err));
    CF_OK(dv_txn_drop_body(t, 123456789, &c->err));
    CF_FAILS(dv_txn_read_body(t, first, &read, &c->err), DV_ENOTFOUND);
    cf_commit(c, t);
    cf_reopen(c);
    t = cf_write(c);
    CF_OK(dv_txn_put_body(t, cf_str("two"), NULL, 0, &second, &c->err));
    ck_assert_uint_ne(second, first);
    CF_FAILS(dv_txn_read_body(t, first, &read, &c->err), DV_ENOTFOUND);
    CF_FAILS(dv_txn_read_body(t, 0, &read, &c->err), DV_ENOTFOUND);
    dv_txn_rollback(t);
    dv_buf_fini(&read);
}

static void a_durable_commit_and_the_barrier_alone_succeed(struct cf *c)
{
    struct cf_edit e = { .id = "a", .path = "x", .body = DV_SLICE_LIT("A") };
    struct dv_txn *t;

    cf_create(c);
    CF_OK(dv_store_sync(c->store, &c->err));
    t = cf_write(c);
    CF_OK(cf_merge(t, &e, 1, &c->arena, &c->err));
    CF_OK(dv_txn_commit(t, DV_COMMIT_DURABLE, &c->err));
    cf_put(c, "b", "x", "B");
    CF_OK(dv_store_sync(c->store, &c->err));
    CF_OK(dv_store_sync(c->store, &c->err));
    counts_are(c, 2, 0, 2);
    t = cf_read(c);
    CF_OK(dv_txn_commit(t, DV_COMMIT_DURABLE, &c->err)); /* ends a read as well */
}

static const struct cf_case cases[] = {
    CF_CASE(missing_documents_are_reported_in_order, 0),
    CF_CASE(missing_local_documents_are_reported_in_order, 0),
    CF_CASE(one_document, 0),
    CF_CASE(two_documents, 0),
    CF_CASE(a_batch_of_three, 0),
    CF_CASE(an_update_counts_one_document_at_seq_two_with_the_new_body, 0),
    CF_CASE(bodies_of_inner_revisions_are_kept_until_compaction, 0),
    CF_CASE(a_deleted_document_counts_as_deleted_at_seq_two, 0),
    CF_CASE(local_documents_never_count_and_never_move_update_seq, 0),
    CF_CASE(local_documents_are_not_found_as_documents_nor_documents_as_local, 0),
    CF_CASE(local_create_update_delete, 0),
    CF_CASE(a_mixed_batch_of_documents_and_local_documents, 0),
    CF_CASE(a_rolled_back_transaction_leaves_no_trace, 0),
    CF_CASE(a_write_transaction_reads_its_own_writes, 0),
    CF_CASE(a_read_transaction_does_not_see_later_commits, 0),
    CF_CASE(ids_are_bytes_with_nul_and_0xff, 0),
    CF_CASE(an_empty_batch_changes_nothing, 0),
    CF_CASE(an_id_of_8_kB, 0),
    CF_CASE(bodies_of_0_bytes_and_of_8_MB, 0),
    CF_CASE(a_body_is_appended_to_the_buffer_and_its_ceiling_holds, 0),
    CF_CASE(a_dropped_body_is_not_found_and_its_ref_never_given_again, 0),
    CF_CASE(a_durable_commit_and_the_barrier_alone_succeed, 0),
};
CF_GROUP(cf_documents, "read and write");
