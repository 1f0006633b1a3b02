/* The SQLite engine's two indexes of ids and its filter of new ids: whatever they do, documents are
 * those of the memory engine, which has neither. */
#include <stdio.h>
#include <stdlib.h>

#include "base/rand.h"
#include "conformance/cf.h"
#include "engine/sqlite/internal.h"

enum { IDS = 400, BATCH = 12 };

static struct cf disk, ram;

static void set_up(void)
{
    char path[400];

    snprintf(path, sizeof(path), "%s/unit.divan", dv_test_dir());
    cf_init(&disk, &dv_engine_sqlite, path);
    cf_init(&ram, &dv_engine_memory, path);
    cf_create(&disk);
    cf_create(&ram);
}

static void tear_down(void)
{
    cf_close(&disk);
    cf_close(&ram);
    dv_arena_fini(&disk.arena);
    dv_arena_fini(&ram.arena);
    dv_test_dir_remove();
}

/* Without the line of counts, which has the uuid; the counts come again behind it. */
static void dump(struct cf *c, struct dv_buf *out)
{
    struct dv_buf all;
    struct dv_props p = cf_props(c);
    const char *rest;

    dv_buf_init(&all, CF_ANY);
    dv_buf_reset(out);
    CF_OK(cf_dump(c->store, &all, &c->err));
    rest = strchr(dv_buf_cstr(&all), '\n');
    dv_buf_add_str(out, rest);
    dv_buf_printf(out, "docs %d deleted %d seq %d purge %d external %d\n", (int)p.doc_count,
                  (int)p.deleted_doc_count, (int)p.update_seq, (int)p.purge_seq,
                  (int)p.external_bytes);
    ck_assert_int_eq(out->failed, 0);
    dv_buf_fini(&all);
}

struct batch {
    char ids[BATCH][32];
    char paths[BATCH][400];
    struct cf_edit edits[BATCH];
    size_t n;
};

/* How many revisions a document has, by its number. */
static int made[IDS];

static void name_revs(char *out, size_t room, int n)
{
    size_t at = 0;

    for (int i = n; i > 0; i--)
        at += (size_t)snprintf(out + at, room - at, i > 1 ? "r%d," : "r%d", i);
}

static void make_batch(struct batch *b, struct dv_rng *rng, const int *now, int *next)
{
    bool used[IDS] = { false };

    memcpy(next, now, sizeof(made));
    b->n = 1 + (size_t)dv_rng_below(rng, BATCH);
    for (size_t i = 0; i < b->n; i++) {
        int k = (int)dv_rng_below(rng, IDS);

        while (used[k] || next[k] > 20)
            k = (k + 1) % IDS;
        used[k] = true;
        snprintf(b->ids[i], sizeof(b->ids[i]), "%x-%d", (unsigned)k * 2654435761u, k);
        name_revs(b->paths[i], sizeof(b->paths[i]), ++next[k]);
        b->edits[i] = (struct cf_edit){ .id = b->ids[i],
                                        .path = b->paths[i],
                                        .deleted = dv_rng_below(rng, 6) == 0,
                                        .body = cf_str(b->ids[i]) };
    }
}

static void write_batch(struct cf *c, struct dv_store *store, struct batch *b, bool commit)
{
    struct dv_txn *t = NULL;

    dv_arena_reset(&c->arena);
    CF_OK(dv_store_begin_write(store, &t, &c->err));
    CF_OK(cf_merge(t, b->edits, b->n, &c->arena, &c->err));
    if (commit)
        cf_commit(c, t);
    else
        dv_txn_rollback(t);
}

/* A document that was just made goes for good. */
static void purge_one(const char *id)
{
    char uuid[32];
    static int n;

    snprintf(uuid, sizeof(uuid), "uuid%d", n++);
    cf_purge_revs(&disk, uuid, id, "1-r1");
    cf_purge_revs(&ram, uuid, id, "1-r1");
    made[strtol(strchr(id, '-') + 1, NULL, 10)] = 0;
}

static void compare_counts(struct dv_rng *rng)
{
    char key[16];
    uint64_t n[2];
    struct cf *both[2] = { &disk, &ram };

    snprintf(key, sizeof(key), "%x", (unsigned)dv_rng_next(rng));
    for (int i = 0; i < 2; i++) {
        struct cf *c = both[i];
        struct dv_txn *t = cf_read(c);

        CF_OK(dv_txn_count_docs_before(t, cf_str(key), &n[i], &c->err));
        dv_txn_rollback(t);
    }
    ck_assert_uint_eq(n[0], n[1]);
}

static void compare_all(struct dv_buf *a, struct dv_buf *b)
{
    dump(&disk, a);
    dump(&ram, b);
    cf_dump_equal(b, a);
    cf_check(&disk);
}

/* Two openings of the file write in turn, some of it in vain; both must know all ids. */
static void run_model(uint64_t seed, int rounds)
{
    struct dv_store *stores[2] = { disk.store, NULL };
    struct cf *c = &disk;
    struct dv_buf a, b;
    struct dv_rng rng;
    int next[IDS];

    dv_rng_seed(&rng, seed);
    dv_buf_init(&a, CF_ANY);
    dv_buf_init(&b, CF_ANY);
    CF_OK(dv_store_open(disk.engine, disk.path, NULL, &stores[1], &disk.err));
    for (int round = 0; round < rounds; round++) {
        struct dv_store *store = stores[dv_rng_below(&rng, 2)];
        struct batch batch;

        make_batch(&batch, &rng, made, next);
        if (dv_rng_below(&rng, 4) == 0)
            write_batch(&disk, store, &batch, false);
        if (dv_rng_below(&rng, 4) == 0) /* the other one writes where this one had begun */
            store = stores[store == stores[0]];
        write_batch(&disk, store, &batch, true);
        write_batch(&ram, ram.store, &batch, true);
        memcpy(made, next, sizeof(made));
        if (strcmp(batch.paths[0], "r1") == 0)
            purge_one(batch.ids[0]);
        compare_counts(&rng);
        if (round % 50 == 49)
            compare_all(&a, &b);
        if (round % 150 == 149)
            cf_compact(&disk, 7);
    }
    compare_all(&a, &b);
    dv_store_unref(stores[1]);
    dv_buf_fini(&a);
    dv_buf_fini(&b);
}

static uint64_t staged(void)
{
    struct dv_store_backend *s;
    struct dv_txn_backend *t;
    struct cf *c = &disk;
    uint64_t n;

    CF_OK(dv_sqstore_open(disk.path, NULL, &s, &c->err));
    CF_OK(dv_sqtxn_begin(s, false, &t, &c->err));
    n = t->state.staged;
    dv_sqtxn_rollback(t);
    dv_sqstore_close(s);
    return n;
}

START_TEST(documents_are_the_same_with_a_filter_of_new_ids)
{
    run_model(1, 600);
    ck_assert_uint_eq(staged(), 0);
}
END_TEST

START_TEST(documents_are_the_same_with_two_indexes_of_ids)
{
    dv_sqids_set_limits(20, 30);
    run_model(2, 600);
}
END_TEST

START_TEST(compaction_leaves_one_index_of_ids)
{
    dv_sqids_set_limits(20, 1000);
    run_model(3, 140);
    ck_assert_uint_gt(staged(), 20);
    cf_compact(&disk, 7);
    ck_assert_uint_eq(staged(), 0);
    cf_check(&disk);
}
END_TEST

/* Look for so many ids that are not there that a filter is worth while. */
static void look_in_vain(struct dv_txn *t)
{
    enum { N = 11000 };
    static char names[N][16];
    static struct dv_slice ids[N];
    static struct dv_doc_info infos[N];
    struct cf *c = &disk;

    for (size_t i = 0; i < N; i++) {
        snprintf(names[i], sizeof(names[i]), "vain%zu", i);
        ids[i] = cf_str(names[i]);
    }
    CF_OK(dv_txn_open_docs(t, ids, N, &c->arena, infos, &c->err));
    for (size_t i = 0; i < N; i++)
        ck_assert(!infos[i].found);
}

static struct cf_edit new_doc(const char *id)
{
    return (struct cf_edit){ .id = id, .path = "x", .body = DV_SLICE_LIT("{}") };
}

START_TEST(a_filter_made_in_a_transaction_that_was_rolled_back_misses_nothing)
{
    struct cf_edit mine = new_doc("mine"), theirs = new_doc("theirs");
    struct dv_slice id = DV_SLICE_LIT("theirs");
    struct dv_store *other = NULL;
    struct cf *c = &disk;
    struct dv_doc_info info;
    struct dv_txn *t;

    cf_put(c, "first", "x", "{}");
    cf_reopen(c); /* it is not empty: there is no filter */
    CF_OK(dv_store_open(c->engine, c->path, NULL, &other, &c->err));
    t = cf_write(c);
    CF_OK(cf_merge(t, &mine, 1, &c->arena, &c->err));
    look_in_vain(t);
    dv_txn_rollback(t);
    CF_OK(dv_store_begin_write(other, &t, &c->err));
    CF_OK(cf_merge(t, &theirs, 1, &c->arena, &c->err));
    cf_commit(c, t); /* at the seq that "mine" had */
    t = cf_write(c);
    CF_OK(dv_txn_open_docs(t, &id, 1, &c->arena, &info, &c->err));
    ck_assert(info.found);
    dv_txn_rollback(t);
    dv_store_unref(other);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine sqlite ids");
    TCase *tc = tcase_create("ids");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, documents_are_the_same_with_a_filter_of_new_ids);
    tcase_add_test(tc, documents_are_the_same_with_two_indexes_of_ids);
    tcase_add_test(tc, a_filter_made_in_a_transaction_that_was_rolled_back_misses_nothing);
    tcase_add_test(tc, compaction_leaves_one_index_of_ids);
    suite_add_tcase(suite, tc);
    return dv_check_run(suite);
}
