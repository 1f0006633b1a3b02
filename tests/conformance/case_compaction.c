/* compaction: the database before equals the database after, but for what it is there to drop. */
#include <stdio.h>
#include <string.h>

#include "conformance/cf.h"

/* Dump, compact, dump; equal also after a reopen. */
static void compaction_keeps_everything(struct cf *c, size_t rows_per_txn)
{
    struct dv_props props;
    struct dv_buf before, after;
    uint64_t seq = cf_props(c).update_seq;

    dv_buf_init(&before, CF_ANY);
    dv_buf_init(&after, CF_ANY);
    CF_OK(cf_dump(c->store, &before, &c->err));
    cf_compact(c, rows_per_txn);
    CF_OK(cf_dump(c->store, &after, &c->err));
    cf_dump_equal(&before, &after);
    props = cf_props(c);
    ck_assert_uint_eq(props.compacted_seq, seq);
    cf_check(c);
    cf_reopen(c);
    dv_buf_reset(&after);
    CF_OK(cf_dump(c->store, &after, &c->err));
    cf_dump_equal(&before, &after);
    dv_buf_fini(&before);
    dv_buf_fini(&after);
}

static void compaction_of_an_empty_database(struct cf *c)
{
    cf_create(c);
    compaction_keeps_everything(c, 0);
}

static void compaction_of_one_document(struct cf *c)
{
    cf_create(c);
    cf_put(c, "a", "x", "{\"v\":1}");
    compaction_keeps_everything(c, 0);
    cf_body_is(c, "a", "{\"v\":1}");
}

static void compaction_of_one_local_document(struct cf *c)
{
    cf_create(c);
    cf_put_local(c, "_local/a", 3, "{\"v\":1}");
    compaction_keeps_everything(c, 0);
}

/* ---- everything ---- */

static const size_t att_bytes[5] = { 29, 1024, 4096, 20000, 32768 };

struct everything {
    struct dv_att_key keys[5];
    struct dv_buf bytes[5];
};

static void put_batch(struct cf *c, int from, int n, const char *path, const char *body)
{
    struct cf_edit e[50];
    char ids[50][16];
    struct dv_txn *t = cf_write(c);

    ck_assert_int_le(n, 50);
    memset(e, 0, sizeof(e));
    for (int i = 0; i < n; i++) {
        snprintf(ids[i], sizeof(ids[i]), "doc%04d", from + i);
        e[i] = (struct cf_edit){ .id = ids[i], .path = path, .body = cf_str(body) };
    }
    CF_OK(cf_merge(t, e, (size_t)n, &c->arena, &c->err));
    cf_commit(c, t);
    dv_arena_reset(&c->arena);
}

static void put_attachments(struct cf *c, struct everything *all)
{
    for (size_t i = 0; i < 5; i++) {
        struct dv_att_info info;
        char id[16];
        struct cf_edit e = { .id = id, .path = "att", .body = DV_SLICE_LIT("{}"), .n_atts = 1 };
        struct dv_txn *t;

        snprintf(id, sizeof(id), "att%zu", i);
        dv_buf_init(&all->bytes[i], CF_ANY);
        cf_random(&all->bytes[i], att_bytes[i], i);
        CF_OK(cf_att_write(c->store, NULL, DV_ATT_AS_IS, dv_buf_slice(&all->bytes[i]), 4096, &info,
                           &c->err));
        all->keys[i] = info.key;
        e.atts = &info.key;
        t = cf_write(c);
        CF_OK(cf_merge(t, &e, 1, &c->arena, &c->err));
        cf_commit(c, t);
    }
}

/* 1 000 documents (a third updated, some deleted), 25 local ones, security, revs_limit 500, a
 * conflict, purges, five attachments. */
static void make_everything(struct cf *c, struct everything *all)
{
    struct dv_txn *t;

    for (int i = 0; i < 1000; i += 50)
        put_batch(c, i, 50, "one", "{\"some\":\"body\"}");
    for (int i = 0; i < 300; i += 50)
        put_batch(c, i * 3, 50, "two,one", "{\"another\":\"body\"}");
    for (int i = 0; i < 25; i++) {
        char id[32];

        snprintf(id, sizeof(id), "_local/%d", i);
        cf_put_local(c, id, (uint64_t)i, "{\"local\":true}");
    }
    t = cf_write(c);
    CF_OK(dv_txn_set_security(t, cf_str("{\"admins\":{\"names\":[\"foo\"]}}"), &c->err));
    CF_OK(dv_txn_set_revs_limit(t, 500, &c->err));
    cf_commit(c, t);
    cf_delete(c, "doc0010", "gone,two,one");
    cf_put(c, "doc0500", "three,two,one", "{\"deep\":1}");
    cf_put(c, "doc0500", "conflict,one", "{\"conflict\":1}");
    cf_put(c, "doc0500", "alone", "{\"another\":\"root\"}");
    cf_purge_revs(c, "purge-1", "doc0998", "1-one");
    cf_purge_revs(c, "purge-2", "doc0500", "1-alone");
    cf_purge_revs(c, "purge-3", "missing", "1-one");
    put_attachments(c, all);
}

static void free_everything(struct everything *all)
{
    for (size_t i = 0; i < 5; i++)
        dv_buf_fini(&all->bytes[i]);
}

static void compaction_of_everything(struct cf *c)
{
    struct everything all;
    struct dv_check_result before, after;

    cf_create(c);
    make_everything(c, &all);
    before = cf_account(c);
    compaction_keeps_everything(c, 3);
    after = cf_account(c);
    ck_assert_uint_eq(before.docs, after.docs);
    ck_assert_uint_eq(after.docs, 1000 + 5 - 1);
    ck_assert_uint_eq(after.locals, 25);
    ck_assert_uint_eq(after.purges, 3);
    ck_assert_uint_eq(after.attachments, 5);
    ck_assert_uint_eq(after.bodies, after.docs + 1); /* the conflict */
    ck_assert_uint_gt(before.bodies, after.bodies);
    for (size_t i = 0; i < 5; i++)
        cf_att_is(c, &all.keys[i], dv_buf_slice(&all.bytes[i]));
    free_everything(&all);
}

/* ---- while it runs ---- */

struct meanwhile {
    struct cf *other; /* another opening of the database */
    int writes;
    int stop_after; /* calls; 0: never */
    int calls;
};

/* Between two transactions of the compaction: write something of every kind. */
static bool write_meanwhile(void *arg)
{
    struct meanwhile *m = arg;
    struct cf *c = m->other;
    char id[32], body[32];

    m->calls++;
    if (m->writes < 200) {
        snprintf(body, sizeof(body), "{\"written\":%d}", m->writes);
        snprintf(id, sizeof(id), "doc%04d", (m->writes * 7) % 1000);
        cf_put(c, id, "during,one", body);
        snprintf(id, sizeof(id), "new%d", m->writes);
        cf_put(c, id, "x", body);
        snprintf(id, sizeof(id), "_local/new%d", m->writes++);
        cf_put_local(c, id, 1, body);
        dv_arena_reset(&c->arena);
    }
    return m->stop_after && m->calls >= m->stop_after;
}

static void check_writes(struct cf *c, int writes)
{
    for (int i = 0; i < writes; i++) {
        char id[32], body[32];
        struct dv_slice key;
        struct dv_local l;
        struct dv_txn *t;

        snprintf(body, sizeof(body), "{\"written\":%d}", i);
        snprintf(id, sizeof(id), "new%d", i);
        cf_body_is(c, id, body);
        snprintf(id, sizeof(id), "_local/new%d", i);
        key = cf_str(id);
        t = cf_read(c);
        CF_OK(dv_txn_open_locals(t, &key, 1, &c->arena, &l, &c->err));
        ck_assert(l.found && dv_slice_eq_str(l.body, body));
        dv_txn_rollback(t);
    }
}

static void writes_made_while_it_runs_are_there_afterwards(struct cf *c)
{
    struct everything all;
    struct cf other;
    struct meanwhile m = { .other = &other };
    struct dv_compact_options opt = { .rows_per_txn = 10, .cancelled = write_meanwhile, .arg = &m };
    struct dv_buf before, after;
    uint64_t seq;

    cf_create(c);
    make_everything(c, &all);
    cf_init(&other, c->engine, c->path);
    cf_open(&other);
    seq = cf_props(c).update_seq;
    CF_OK(dv_store_compact(c->store, &opt, &c->err));
    ck_assert_int_gt(m.writes, 50);
    ck_assert_uint_eq(cf_props(c).compacted_seq, seq); /* of its start */
    check_writes(c, m.writes);
    ck_assert_uint_eq(cf_props(c).update_seq, seq + 2 * (uint64_t)m.writes);
    cf_close(&other);
    dv_arena_fini(&other.arena);
    cf_check(c);
    for (size_t i = 0; i < 5; i++)
        cf_att_is(c, &all.keys[i], dv_buf_slice(&all.bytes[i]));
    dv_buf_init(&before, CF_ANY);
    dv_buf_init(&after, CF_ANY);
    CF_OK(cf_dump(c->store, &before, &c->err));
    cf_compact(c, 10);
    CF_OK(cf_dump(c->store, &after, &c->err));
    cf_dump_equal(&before, &after);
    dv_buf_fini(&before);
    dv_buf_fini(&after);
    free_everything(&all);
}

static void stopped_anywhere_it_can_be_run_again(struct cf *c)
{
    struct everything all;
    struct dv_buf before, after;
    int stopped = 0;
    int rc = DV_ECANCELLED;

    cf_create(c);
    make_everything(c, &all);
    dv_buf_init(&before, CF_ANY);
    dv_buf_init(&after, CF_ANY);
    CF_OK(cf_dump(c->store, &before, &c->err));
    for (int n = 1; rc == DV_ECANCELLED; n += n < 5 ? 1 : 9) {
        struct meanwhile m = { .other = c, .writes = 200, .stop_after = n };
        struct dv_compact_options opt = { .rows_per_txn = 20,
                                          .cancelled = write_meanwhile,
                                          .arg = &m };

        rc = dv_store_compact(c->store, &opt, &c->err);
        stopped += rc == DV_ECANCELLED;
        if (rc == DV_ECANCELLED)
            ck_assert_uint_eq(cf_props(c).compacted_seq, 0);
        dv_buf_reset(&after);
        CF_OK(cf_dump(c->store, &after, &c->err));
        cf_dump_equal(&before, &after);
    }
    CF_OK(rc);
    ck_assert_int_gt(stopped, 5);
    ck_assert_uint_gt(cf_props(c).compacted_seq, 0);
    dv_buf_fini(&before);
    dv_buf_fini(&after);
    free_everything(&all);
}

static bool compact_inside(void *arg)
{
    struct cf *c = arg;
    struct dv_store *other = NULL;

    CF_FAILS(dv_store_compact(c->store, NULL, &c->err), DV_EBUSY);
    CF_OK(dv_store_open(c->engine, c->path, NULL, &other, &c->err));
    CF_FAILS(dv_store_compact(other, NULL, &c->err), DV_EBUSY);
    dv_store_unref(other);
    return false;
}

static void two_at_once_are_one_and_a_busy_one(struct cf *c)
{
    struct dv_compact_options opt = { .cancelled = compact_inside, .arg = c };

    cf_create(c);
    cf_put(c, "a", "x", "{}");
    CF_OK(dv_store_compact(c->store, &opt, &c->err));
    cf_compact(c, 0); /* and it is over */
}

/* ---- what it drops ---- */

static void the_space_of_dropped_data_comes_back(struct cf *c)
{
    enum { DOCS = 100, REVS = 10, BODY = 8000 };
    static char body[BODY + 1];
    char path[64] = "";
    struct dv_props before, after;
    struct dv_buf att;
    struct dv_att_info info;

    cf_create(c);
    memset(body, 'b', BODY);
    for (int rev = 0; rev < REVS; rev++) {
        char next[80];

        snprintf(next, sizeof(next), "r%d%s%s", rev, rev ? "," : "", path);
        memcpy(path, next, sizeof(path));
        for (int i = 0; i < DOCS; i += 50)
            put_batch(c, i, 50, path, body);
    }
    dv_buf_init(&att, CF_ANY);
    cf_random(&att, 2 << 20, 1);
    CF_OK(cf_att_write(c->store, NULL, DV_ATT_AS_IS, dv_buf_slice(&att), 1 << 20, &info, &c->err));
    dv_att_forget(c->store, &info.key);
    before = cf_props(c);
    ck_assert_uint_gt(before.file_bytes, DOCS * REVS * BODY + (2 << 20));
    cf_compact(c, 0);
    after = cf_props(c);
    ck_assert_uint_lt(after.file_bytes, DOCS * BODY * 2);
    ck_assert_uint_eq(after.external_bytes, DOCS * BODY);
    ck_assert_uint_eq(before.external_bytes, after.external_bytes);
    cf_reopen(c);
    ck_assert_uint_lt(cf_props(c).file_bytes, DOCS * BODY * 2);
    dv_buf_fini(&att);
}

static void trees_are_stemmed_to_revs_limit(struct cf *c)
{
    struct dv_doc_info info;
    struct dv_revtree tree;
    struct dv_txn *t;

    cf_create(c);
    cf_put(c, "a", "j,i,h,g,f,e,d,c,b,a", "{\"deep\":1}");
    cf_put(c, "a", "z,a", "{\"shallow\":1}");
    t = cf_write(c);
    CF_OK(dv_txn_set_revs_limit(t, 4, &c->err));
    cf_commit(c, t);
    cf_compact(c, 0);
    info = cf_find(c, "a");
    CF_OK(dv_revtree_parse(info.tree, &c->arena, &tree, &c->err));
    ck_assert_int_eq(tree.n, 4 + 2);
    cf_body_is(c, "a", "{\"deep\":1}");
    ck_assert_uint_eq(info.seq, 2); /* not an edit */
    ck_assert_uint_eq(cf_props(c).update_seq, 3);
    ck_assert_uint_eq(cf_account(c).bodies, 2);
}

static const struct cf_case cases[] = {
    CF_CASE(compaction_of_an_empty_database, 0),
    CF_CASE(compaction_of_one_document, 0),
    CF_CASE(compaction_of_one_local_document, 0),
    CF_CASE(compaction_of_everything, 0),
    CF_CASE(writes_made_while_it_runs_are_there_afterwards, 0),
    CF_CASE(stopped_anywhere_it_can_be_run_again, 0),
    CF_CASE(two_at_once_are_one_and_a_busy_one, 0),
    CF_CASE(the_space_of_dropped_data_comes_back, 0),
    CF_CASE(trees_are_stemmed_to_revs_limit, 0),
};
CF_GROUP(cf_compaction, "compaction");
