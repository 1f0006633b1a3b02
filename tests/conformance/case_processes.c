/* Writers at the same time, in processes and in threads: nothing is lost, and who polls the changes
 * misses none. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conformance/cf.h"

enum { WRITERS = 2, LEAVES = 1000, DOCS = 10 };

/* Shared by all of them; each field has one writer, and `finished` is read with acquire. */
struct shared {
    uint64_t seqs[WRITERS][LEAVES];
    atomic_int finished; /* writers */
    uint64_t polls;      /* of the reader that saw something */
};

struct worker {
    struct cf cf;
    struct shared *shared;
    int number;
    bool ok;
};

/* ---- a writer ---- */

static int add_leaf(struct cf *c, int writer, int i, uint64_t *seq)
{
    int rc = DV_ERETRY;

    while (rc == DV_ERETRY) {
        char id[16], path[32], body[32];
        struct cf_edit e = { .id = id, .path = path };
        struct dv_txn *t;

        snprintf(id, sizeof(id), "doc%d", i % DOCS);
        snprintf(path, sizeof(path), "w%di%d,root", writer, i);
        snprintf(body, sizeof(body), "{\"w\":%d,\"i\":%d}", writer, i);
        e.body = cf_str(body);
        dv_arena_reset(&c->arena);
        rc = dv_store_begin_write(c->store, &t, &c->err);
        if (rc < 0)
            return rc;
        rc = cf_merge(t, &e, 1, &c->arena, &c->err);
        if (rc < 0)
            dv_txn_rollback(t);
        else
            rc = dv_txn_commit(t, DV_COMMIT_LAZY, &c->err);
        *seq = e.seq;
    }
    return rc;
}

static void *write_leaves(void *arg)
{
    struct worker *w = arg;

    w->ok = true;
    for (int i = 0; w->ok && i < LEAVES; i++) {
        w->ok = add_leaf(&w->cf, w->number, i, &w->shared->seqs[w->number][i]) == 0;
        if (!w->ok)
            fprintf(stderr, "writer %d: %s\n", w->number, cf_words(&w->cf));
    }
    atomic_fetch_add(&w->shared->finished, 1);
    return NULL;
}

/* ---- the reader that polls ---- */

struct view {
    uint64_t latest[DOCS]; /* seq of each document's latest change */
    uint64_t last;         /* greatest seq seen */
    int rows;
};

static int see_change(void *arg, const struct dv_doc_info *info, struct dv_err *err)
{
    struct view *v = arg;

    if (info->seq <= v->last)
        return dv_err_set(err, DV_ECORRUPT, "changes out of order");
    v->last = info->seq;
    v->latest[info->id.p[3] - '0'] = info->seq;
    v->rows++;
    return 0;
}

/* One poll: the changes since the last one, in one snapshot with all changes. What the reader has
 * put together must be the whole. */
static int poll_once(struct cf *c, struct view *v)
{
    struct view whole = { .last = 0 };
    struct dv_txn *t;
    int rc = dv_store_begin_read(c->store, &t, &c->err);

    if (rc < 0)
        return rc;
    rc = dv_txn_fold_changes(t, v->last, false, see_change, v, &c->err);
    if (rc == 0)
        rc = dv_txn_fold_changes(t, 0, false, see_change, &whole, &c->err);
    dv_txn_rollback(t);
    if (rc == 0 && memcmp(whole.latest, v->latest, sizeof(whole.latest)) != 0)
        rc = dv_err_set(&c->err, DV_ECORRUPT, "the reader has missed a change");
    return rc;
}

static void *poll_changes(void *arg)
{
    struct worker *w = arg;
    struct view v = { .last = 0 };
    uint64_t stamp = 0, seen = UINT64_MAX;
    bool last = false;
    int rc = 0;

    while (rc == 0) {
        int rows = v.rows;
        bool finished = atomic_load(&w->shared->finished) == WRITERS;

        rc = dv_store_stamp(w->cf.store, &stamp, &w->cf.err);
        if (rc == 0 && stamp == seen && !finished) {
            sched_yield();
            continue;
        }
        seen = stamp;
        if (rc == 0)
            rc = poll_once(&w->cf, &v);
        w->shared->polls += v.rows > rows;
        if (last)
            break;
        last = finished;
    }
    w->ok = rc == 0 && v.last == WRITERS * LEAVES + 1;
    if (!w->ok)
        fprintf(stderr, "reader: at %llu: %s\n", (unsigned long long)v.last, cf_words(&w->cf));
    return NULL;
}

/* ---- the judgement ---- */

static void seqs_are_unique(const struct shared *shared)
{
    static bool taken[WRITERS * LEAVES + 2];

    for (int w = 0; w < WRITERS; w++)
        for (int i = 0; i < LEAVES; i++) {
            uint64_t seq = shared->seqs[w][i];

            ck_assert_uint_gt(seq, 1); /* 1 is the security object's */
            ck_assert_uint_le(seq, WRITERS * LEAVES + 1);
            ck_assert(!taken[seq]);
            ck_assert(i == 0 || seq > shared->seqs[w][i - 1]);
            taken[seq] = true;
        }
}

static void no_leaf_is_lost(struct cf *c)
{
    int leaves = 0;

    for (int d = 0; d < DOCS; d++) {
        struct dv_doc_info info;
        struct dv_revtree tree;
        char id[16];

        snprintf(id, sizeof(id), "doc%d", d);
        info = cf_find(c, id);
        CF_OK(dv_revtree_parse(info.tree, &c->arena, &tree, &c->err));
        for (int32_t i = 0; i < tree.n; i++)
            leaves += tree.nodes[i].children == 0;
    }
    ck_assert_int_eq(leaves, WRITERS * LEAVES);
    ck_assert_uint_eq(cf_account(c).bodies, WRITERS * LEAVES);
    ck_assert_uint_eq(cf_props(c).update_seq, WRITERS * LEAVES + 1);
}

static void make_database(struct cf *c)
{
    struct dv_txn *t;

    cf_create(c);
    t = cf_write(c);
    CF_OK(dv_txn_set_security(t, cf_str("{}"), &c->err));
    cf_commit(c, t);
}

static struct shared *share(void)
{
    struct shared *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    ck_assert_ptr_ne(shared, MAP_FAILED);
    return shared;
}

static void run_child(struct cf *c, struct shared *shared, int number)
{
    struct worker w = { .shared = shared, .number = number };

    w.cf = *c;
    dv_arena_init(&w.cf.arena, CF_ANY);
    if (dv_store_open(c->engine, c->path, NULL, &w.cf.store, &w.cf.err) < 0)
        _exit(2);
    if (number < WRITERS)
        write_leaves(&w);
    else
        poll_changes(&w);
    dv_store_unref(w.cf.store);
    _exit(w.ok ? 0 : 3);
}

static void two_processes_adding_leaves_to_the_same_documents_lose_none(struct cf *c)
{
    struct shared *shared = share();
    pid_t children[WRITERS + 1];
    int failed = 0;

    make_database(c);
    cf_close(c); /* a connection does not cross a fork */
    for (int i = 0; i <= WRITERS; i++) {
        children[i] = fork();
        ck_assert_int_ge(children[i], 0);
        if (children[i] == 0)
            run_child(c, shared, i);
    }
    for (int i = 0; i <= WRITERS; i++) {
        int status;

        ck_assert_int_eq(waitpid(children[i], &status, 0), children[i]);
        failed += status != 0;
    }
    ck_assert_int_eq(failed, 0);
    cf_open(c);
    seqs_are_unique(shared);
    no_leaf_is_lost(c);
    ck_assert_uint_gt(shared->polls, 1);
    munmap(shared, sizeof(*shared));
}

/* With one store for all, or one each. */
static void run_threads(struct cf *c, bool own_stores)
{
    struct shared *shared = share();
    struct worker workers[WRITERS + 1];
    pthread_t threads[WRITERS + 1];

    make_database(c);
    for (int i = 0; i <= WRITERS; i++) {
        struct worker *w = &workers[i];

        *w = (struct worker){ .cf = *c, .shared = shared, .number = i };
        dv_arena_init(&w->cf.arena, CF_ANY);
        if (own_stores)
            CF_OK(dv_store_open(c->engine, c->path, NULL, &w->cf.store, &c->err));
    }
    for (int i = 0; i <= WRITERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL,
                                        i < WRITERS ? write_leaves : poll_changes, &workers[i]),
                         0);
    for (int i = 0; i <= WRITERS; i++) {
        pthread_join(threads[i], NULL);
        ck_assert(workers[i].ok);
        dv_arena_fini(&workers[i].cf.arena);
        if (own_stores)
            dv_store_unref(workers[i].cf.store);
    }
    seqs_are_unique(shared);
    no_leaf_is_lost(c);
    munmap(shared, sizeof(*shared));
}

static void two_threads_adding_leaves_through_one_store_lose_none(struct cf *c)
{
    run_threads(c, false);
}

static void two_threads_adding_leaves_through_their_own_stores_lose_none(struct cf *c)
{
    run_threads(c, true);
}

static const struct cf_case cases[] = {
    CF_CASE(two_processes_adding_leaves_to_the_same_documents_lose_none, DV_ABLE_SHARED),
    CF_CASE(two_threads_adding_leaves_through_one_store_lose_none, 0),
    CF_CASE(two_threads_adding_leaves_through_their_own_stores_lose_none, 0),
};
CF_GROUP(cf_processes, "two processes");
