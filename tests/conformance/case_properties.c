/* properties. */
#include <string.h>

#include "conformance/cf.h"

static void security_is(struct cf *c, const char *json)
{
    struct dv_txn *t = cf_read(c);
    struct dv_buf read;

    dv_buf_init(&read, CF_ANY);
    CF_OK(dv_txn_security(t, &read, &c->err));
    ck_assert_msg(dv_slice_eq_str(dv_buf_slice(&read), json), "%.*s", (int)read.n, read.p);
    dv_buf_fini(&read);
    dv_txn_rollback(t);
}

static void the_defaults_on_a_fresh_database(struct cf *c)
{
    struct dv_props p;
    struct dv_epoch *epochs;
    struct dv_txn *t;
    size_t n;

    cf_create(c);
    p = cf_props(c);
    ck_assert_uint_eq(p.doc_count, 0);
    ck_assert_uint_eq(p.deleted_doc_count, 0);
    ck_assert_uint_eq(p.update_seq, 0);
    ck_assert_uint_eq(p.purge_seq, 0);
    ck_assert_uint_eq(p.compacted_seq, 0);
    ck_assert_uint_eq(p.revs_limit, 1000);
    ck_assert_uint_gt(p.disk_version, 0);
    ck_assert_uint_eq(strspn(p.uuid, "0123456789abcdef"), 32);
    ck_assert_uint_eq(strlen(p.uuid), 32);
    ck_assert_uint_eq(p.external_bytes, 0);
    t = cf_read(c);
    CF_OK(dv_txn_epochs(t, &c->arena, &epochs, &n, &c->err));
    ck_assert_uint_eq(n, 1);
    ck_assert_str_eq(epochs[0].node, CF_NODE_A);
    ck_assert_uint_eq(epochs[0].seq, 0);
    dv_txn_rollback(t);
    security_is(c, "{}");
}

static void security_and_revs_limit_survive_commit_close_open(struct cf *c)
{
    struct dv_txn *t;

    cf_create(c);
    t = cf_write(c);
    CF_OK(dv_txn_set_security(t, cf_str("{\"admins\":{\"names\":[\"me\"]}}"), &c->err));
    CF_OK(dv_txn_set_revs_limit(t, 17, &c->err));
    cf_commit(c, t);
    security_is(c, "{\"admins\":{\"names\":[\"me\"]}}");
    cf_reopen(c);
    security_is(c, "{\"admins\":{\"names\":[\"me\"]}}");
    ck_assert_uint_eq(cf_props(c).revs_limit, 17);
}

static void setting_either_raises_update_seq_by_one(struct cf *c)
{
    struct dv_txn *t;

    cf_create(c);
    t = cf_write(c);
    CF_OK(dv_txn_set_security(t, cf_str("{\"a\":1}"), &c->err));
    cf_commit(c, t);
    ck_assert_uint_eq(cf_props(c).update_seq, 1);
    t = cf_write(c);
    CF_OK(dv_txn_set_revs_limit(t, 5, &c->err));
    cf_commit(c, t);
    ck_assert_uint_eq(cf_props(c).update_seq, 2);
    ck_assert_uint_eq(cf_put(c, "a", "x", "{}"), 3);
    t = cf_write(c);
    CF_FAILS(dv_txn_set_revs_limit(t, 0, &c->err), DV_EINVAL);
    CF_FAILS(dv_txn_set_security(t, cf_str(""), &c->err), DV_EINVAL);
    cf_commit(c, t);
    ck_assert_uint_eq(cf_props(c).update_seq, 3);
}

static void a_default_security_object_is_given_at_creation(struct cf *c)
{
    struct dv_store_options opt = { .security =
                                        DV_SLICE_LIT("{\"members\":{\"roles\":[\"_admin\"]}}") };

    CF_OK(dv_store_create(c->engine, c->path, &opt, &c->store, &c->err));
    security_is(c, "{\"members\":{\"roles\":[\"_admin\"]}}");
    ck_assert_uint_eq(cf_props(c).update_seq, 0);
    cf_reopen(c);
    security_is(c, "{\"members\":{\"roles\":[\"_admin\"]}}");
}

static void a_security_object_may_be_large(struct cf *c)
{
    struct dv_buf json;
    struct dv_txn *t;

    cf_create(c);
    dv_buf_init(&json, CF_ANY);
    dv_buf_add_char(&json, '"');
    for (int i = 0; i < 100000; i++)
        dv_buf_add_char(&json, 'n');
    dv_buf_add_char(&json, '"');
    t = cf_write(c);
    CF_OK(dv_txn_set_security(t, dv_buf_slice(&json), &c->err));
    cf_commit(c, t);
    cf_reopen(c);
    security_is(c, dv_buf_cstr(&json));
    dv_buf_fini(&json);
}

static void the_uuid_stays_over_close_and_open(struct cf *c)
{
    char uuid[33];

    cf_create(c);
    strcpy(uuid, cf_props(c).uuid);
    cf_put(c, "a", "x", "{}");
    cf_reopen(c);
    ck_assert_str_eq(cf_props(c).uuid, uuid);
}

static void sizes_follow_what_is_stored(struct cf *c)
{
    struct dv_props before, after;
    struct dv_buf bytes;
    struct dv_att_info info;
    struct cf_edit e = { .id = "b", .path = "x", .body = DV_SLICE_LIT("{}"), .n_atts = 1 };
    struct dv_txn *t;

    cf_create(c);
    cf_put(c, "a", "x", "{\"ten\":123}");
    before = cf_props(c);
    ck_assert_uint_eq(before.external_bytes, 11);
    ck_assert_uint_ge(before.active_bytes, 11);
    ck_assert_uint_ge(before.file_bytes, before.active_bytes);
    cf_put(c, "a", "y,x", "{\"of_a_leaf\":1}");
    ck_assert_uint_eq(cf_props(c).external_bytes, 15);

    dv_buf_init(&bytes, CF_ANY);
    cf_random(&bytes, 100000, 1);
    CF_OK(cf_att_write(c->store, NULL, DV_ATT_AS_IS, dv_buf_slice(&bytes), 4096, &info, &c->err));
    ck_assert_uint_eq(cf_props(c).external_bytes, 15); /* nobody refers to it yet */
    e.atts = &info.key;
    t = cf_write(c);
    CF_OK(cf_merge(t, &e, 1, &c->arena, &c->err));
    cf_commit(c, t);
    after = cf_props(c);
    ck_assert_uint_eq(after.external_bytes, 15 + 2 + 100000);
    ck_assert_uint_ge(after.active_bytes, before.active_bytes + 100000);
    ck_assert_uint_ge(after.file_bytes, after.active_bytes);
    dv_buf_fini(&bytes);
}

static void the_stamp_changes_with_every_commit(struct cf *c)
{
    struct dv_store *second = NULL;
    uint64_t before, after;

    cf_create(c);
    CF_OK(dv_store_open(c->engine, c->path, NULL, &second, &c->err));
    CF_OK(dv_store_stamp(second, &before, &c->err));
    CF_OK(dv_store_stamp(second, &after, &c->err));
    ck_assert_uint_eq(before, after);
    for (int i = 0; i < 10; i++) {
        cf_put_local(c, "_local/a", 1, i % 2 ? NULL : "{}");
        CF_OK(dv_store_stamp(second, &after, &c->err));
        ck_assert_uint_ne(before, after);
        before = after;
    }
    dv_store_unref(second);
}

static const struct cf_case cases[] = {
    CF_CASE(the_defaults_on_a_fresh_database, 0),
    CF_CASE(security_and_revs_limit_survive_commit_close_open, 0),
    CF_CASE(setting_either_raises_update_seq_by_one, 0),
    CF_CASE(a_default_security_object_is_given_at_creation, 0),
    CF_CASE(a_security_object_may_be_large, 0),
    CF_CASE(the_uuid_stays_over_close_and_open, 0),
    CF_CASE(sizes_follow_what_is_stored, 0),
    CF_CASE(the_stamp_changes_with_every_commit, 0),
};
CF_GROUP(cf_properties, "properties");
