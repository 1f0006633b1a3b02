/* One store used by everything at once: writers, readers, someone who polls the stamp, compactions,
 * attachments coming and going. For the thread sanitizer as much as for the checks made here:
 * every snapshot a reader gets must be whole, which a sum over two documents shows. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rand.h"
#include "conformance/cf.h"

static const struct dv_engine *const engines[] = { &dv_engine_sqlite, &dv_engine_memory };

enum { DOCS = 20, TOTAL = DOCS * 100, WRITERS = 2, READERS = 2 };

struct scene {
    struct dv_store *store;
    atomic_int writing; /* writers that have not finished */
    int transfers;      /* of each */
};

struct actor {
    struct scene *scene;
    unsigned seed;
    int done; /* how much it has done */
    struct dv_err err;
    bool ok;
};

static bool goes_on(const struct actor *a)
{
    return atomic_load(&a->scene->writing) > 0;
}

static void report(struct actor *a, const char *who, int rc)
{
    char text[1024];

    a->ok = rc == 0;
    dv_err_text(&a->err, text, sizeof(text));
    if (rc < 0)
        fprintf(stderr, "%s: %s: %s\n", who, dv_err_symbol(rc), text);
}

/* ---- writers move an amount from one document's body to another's ---- */

static int amount_of(struct dv_txn *t, const struct dv_doc_info *info, struct dv_arena *arena,
                     uint64_t *gen, int *amount, struct dv_err *err)
{
    struct dv_revtree tree;
    struct dv_buf body;
    int32_t winner;
    int rc = dv_revtree_parse(info->tree, arena, &tree, err);

    if (rc < 0)
        return rc;
    winner = dv_revtree_winner(&tree);
    dv_buf_init(&body, 100);
    rc = dv_txn_read_body(t, tree.nodes[winner].body, &body, err);
    if (rc == 0) {
        *gen = tree.nodes[winner].rev.gen;
        *amount = atoi(dv_buf_cstr(&body));
    }
    dv_buf_fini(&body);
    return rc;
}

/* The path of the next generation: ids are "r<generation>". */
static void make_path(char *path, size_t room, uint64_t gen)
{
    size_t at = 0;

    for (uint64_t g = gen; g > 0 && at < room; g--)
        at += (size_t)snprintf(path + at, room - at, "r%llu%s", (unsigned long long)g,
                               g > 1 ? "," : "");
}

static int transfer(struct dv_txn *t, int from, int to, struct dv_arena *arena, struct dv_err *err)
{
    enum { PATH = 8000 };
    char ids[2][16], bodies[2][16];
    char *paths[2] = { dv_arena_alloc(arena, PATH), dv_arena_alloc(arena, PATH) };
    struct cf_edit e[2];
    struct dv_slice keys[2];
    struct dv_doc_info infos[2];
    int rc;

    snprintf(ids[0], sizeof(ids[0]), "d%d", from);
    snprintf(ids[1], sizeof(ids[1]), "d%d", to);
    keys[0] = cf_str(ids[0]);
    keys[1] = cf_str(ids[1]);
    rc = dv_txn_open_docs(t, keys, 2, arena, infos, err);
    for (int i = 0; rc == 0 && i < 2; i++) {
        uint64_t gen;
        int amount;

        rc = amount_of(t, &infos[i], arena, &gen, &amount, err);
        if (rc < 0)
            break;
        make_path(paths[i], PATH, gen + 1);
        snprintf(bodies[i], sizeof(bodies[i]), "%d", amount + (i ? 1 : -1));
        e[i] = (struct cf_edit){ .id = ids[i], .path = paths[i], .body = cf_str(bodies[i]) };
    }
    return rc < 0 ? rc : cf_merge(t, e, 2, arena, err);
}

static int transfer_once(struct actor *a, struct dv_rng *rng, struct dv_arena *arena)
{
    int from = (int)dv_rng_below(rng, DOCS);
    int to = (from + 1 + (int)dv_rng_below(rng, DOCS - 1)) % DOCS;
    int rc = DV_ERETRY;

    while (rc == DV_ERETRY) {
        struct dv_txn *t;

        dv_arena_reset(arena);
        rc = dv_store_begin_write(a->scene->store, &t, &a->err);
        if (rc < 0)
            return rc;
        rc = transfer(t, from, to, arena, &a->err);
        if (rc == 0 && a->done % 7 != 3)
            rc = dv_txn_commit(t, a->done % 50 ? DV_COMMIT_LAZY : DV_COMMIT_DURABLE, &a->err);
        else
            dv_txn_rollback(t);
    }
    return rc;
}

static void *write_documents(void *arg)
{
    struct actor *a = arg;
    struct dv_arena arena;
    struct dv_rng rng;
    int rc = 0;

    dv_arena_init(&arena, CF_ANY);
    dv_rng_seed(&rng, a->seed);
    for (; rc == 0 && a->done < a->scene->transfers; a->done++)
        rc = transfer_once(a, &rng, &arena);
    dv_arena_fini(&arena);
    atomic_fetch_sub(&a->scene->writing, 1);
    report(a, "writer", rc);
    return NULL;
}

/* ---- readers add up what they see ---- */

struct sum {
    struct dv_txn *t;
    struct dv_arena *arena;
    int total;
    uint64_t last_seq;
};

static int add_up(void *arg, const struct dv_doc_info *info, struct dv_err *err)
{
    struct sum *s = arg;
    uint64_t gen;
    int amount;
    int rc = amount_of(s->t, info, s->arena, &gen, &amount, err);

    if (rc < 0)
        return rc;
    s->total += amount;
    s->last_seq = info->seq > s->last_seq ? info->seq : s->last_seq;
    return 0;
}

static int read_once(struct actor *a, struct dv_arena *arena)
{
    struct dv_range all = { .include_deleted = true };
    struct sum s = { .arena = arena };
    struct dv_props p;
    uint64_t count;
    int rc = dv_store_begin_read(a->scene->store, &s.t, &a->err);

    if (rc < 0)
        return rc;
    dv_arena_reset(arena);
    rc = dv_txn_fold_docs(s.t, &all, add_up, &s, &a->err);
    if (rc == 0)
        rc = dv_txn_props(s.t, &p, &a->err);
    if (rc == 0)
        rc = dv_txn_count_changes(s.t, 0, &count, &a->err);
    dv_txn_rollback(s.t);
    if (rc == 0 && (s.total != TOTAL || p.update_seq != s.last_seq || count != DOCS))
        rc = dv_err_set(&a->err, DV_ECORRUPT, "a torn snapshot: sum %d, seq %llu of %llu", s.total,
                        (unsigned long long)s.last_seq, (unsigned long long)p.update_seq);
    return rc;
}

static void *read_documents(void *arg)
{
    struct actor *a = arg;
    struct dv_arena arena;
    int rc = 0;

    dv_arena_init(&arena, CF_ANY);
    do {
        rc = read_once(a, &arena);
        a->done++;
    } while (rc == 0 && goes_on(a));
    dv_arena_fini(&arena);
    report(a, "reader", rc);
    return NULL;
}

/* ---- the others ---- */

static void *poll_stamp(void *arg)
{
    struct actor *a = arg;
    uint64_t seen = 0, stamp = 0;
    int rc;

    do {
        rc = dv_store_stamp(a->scene->store, &stamp, &a->err);
        a->done += stamp != seen;
        seen = stamp;
        sched_yield();
    } while (rc == 0 && goes_on(a));
    report(a, "poller", rc);
    return NULL;
}

static void *compact_on(void *arg)
{
    struct dv_compact_options opt = { .rows_per_txn = 3 };
    struct actor *a = arg;
    int rc;

    do {
        struct dv_hold *hold;

        rc = dv_store_hold(a->scene->store, "compaction", &hold, &a->err);
        if (rc < 0)
            break;
        rc = dv_store_compact(a->scene->store, &opt, &a->err);
        dv_store_release(hold);
        a->done++;
    } while (rc == 0 && goes_on(a));
    report(a, "compaction", rc);
    return NULL;
}

/* Written, read back, given up; now and then the same content by chance. */
static int attach_once(struct actor *a, struct dv_buf *bytes, struct dv_buf *read)
{
    struct dv_att_info info;
    int rc;

    dv_buf_reset(bytes);
    dv_buf_reset(read);
    cf_random(bytes, 70000, (uint64_t)(a->done % 3));
    rc = cf_att_write(a->scene->store, NULL, DV_ATT_AS_IS, dv_buf_slice(bytes), 30000, &info,
                      &a->err);
    if (rc == 0)
        rc = cf_att_read(a->scene->store, NULL, &info.key, 0, UINT64_MAX, read, &a->err);
    if (rc == 0 && !dv_slice_eq(dv_buf_slice(bytes), dv_buf_slice(read)))
        rc = dv_err_set(&a->err, DV_ECORRUPT, "an attachment changed");
    if (rc == 0)
        dv_att_forget(a->scene->store, &info.key);
    return rc;
}

static void *attach_on(void *arg)
{
    struct actor *a = arg;
    struct dv_buf bytes, read;
    int rc;

    dv_buf_init(&bytes, CF_ANY);
    dv_buf_init(&read, CF_ANY);
    do {
        rc = attach_once(a, &bytes, &read);
        a->done++;
    } while (rc == 0 && goes_on(a));
    dv_buf_fini(&bytes);
    dv_buf_fini(&read);
    report(a, "attachments", rc);
    return NULL;
}

/* ---- the scene ---- */

static void set_up(struct cf *c)
{
    cf_create(c);
    for (int i = 0; i < DOCS; i++) {
        char id[16];

        snprintf(id, sizeof(id), "d%d", i);
        cf_put(c, id, "r1", "100");
    }
}

START_TEST(readers_writers_a_poller_attachments_and_compaction_share_one_store)
{
    static void *(*const parts[])(void *arg) = { write_documents, write_documents, read_documents,
                                                 read_documents,  poll_stamp,      compact_on,
                                                 attach_on };
    enum { ACTORS = sizeof(parts) / sizeof(*parts) };
    struct actor actors[ACTORS];
    pthread_t threads[ACTORS];
    struct scene scene = { .transfers = dv_test_scale(200, 5000) };
    struct cf fixture, *c = &fixture;
    struct dv_props props;
    char path[400];

    snprintf(path, sizeof(path), "%s/threads.divan", dv_test_dir());
    cf_init(c, engines[_i], path);
    set_up(c);
    scene.store = c->store;
    atomic_init(&scene.writing, WRITERS);
    for (size_t i = 0; i < ACTORS; i++) {
        actors[i] = (struct actor){ .scene = &scene, .seed = (unsigned)i };
        ck_assert_int_eq(pthread_create(&threads[i], NULL, parts[i], &actors[i]), 0);
    }
    for (size_t i = 0; i < ACTORS; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < ACTORS; i++) {
        ck_assert(actors[i].ok);
        ck_assert_int_gt(actors[i].done, 0);
    }
    props = cf_props(c);
    ck_assert_uint_gt(props.update_seq, (uint64_t)scene.transfers);
    ck_assert_uint_eq(props.doc_count, DOCS);
    cf_fini(c);
    dv_test_dir_remove();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine threads");
    TCase *tc = tcase_create("threads");

    tcase_add_loop_test(tc, readers_writers_a_poller_attachments_and_compaction_share_one_store, 0,
                        sizeof(engines) / sizeof(*engines));
    tcase_set_timeout(tc, dv_test_scale(60, 3600));
    suite_add_tcase(suite, tc);
    return dv_check_run(suite);
}
