/* Compaction in place: passes over the tables, each in write transactions of a bounded number of
 * steps, so that other writers get their turn between them. Nothing is moved to another number and
 * no seq changes. Killed anywhere, it leaves a good database that is merely less compact.
 *
 *   documents    bodies of revisions that are no leaves go, trees are stemmed (what was there when
 *                it began; what is written meanwhile waits for the next one)
 *   owners       of processes that are dead lose what they kept
 *   attachments  nobody refers to or keeps lose their key, then their chunks, then their row
 *   purges       beyond the newest DV_PURGE_INFOS_LIMIT
 *   ids          waiting in ids_new join the others
 *   pages        that are half empty are filled (repack.c)
 *   free pages   go to the end of the file, which is cut
 *
 * One at a time: state.compactor names the owner; one that is dead is taken over. */
#include "engine/sqlite/compact.h"
#include "base/mem.h"
#include "couch/revtree.h"

enum { STEPS = 500, RUNS = 20, SETTLE_RUN = 64, TREE_ARENA_BYTES = 512 << 20 };

static int run1(struct dv_sqcompaction *c, enum dv_sql which, uint64_t n, struct dv_err *err)
{
    sqlite3_stmt *st;
    int rc = dv_sqconn_stmt(c->t->conn, which, &st, err);

    if (rc < 0)
        return rc;
    dv_sq_bind_u64(st, 1, n);
    return dv_sqconn_done(c->t->conn, st, err);
}

/* ---- documents ----------------------------------------------------------------------------------
 */

struct dropping {
    struct dv_sqcompaction *c;
    struct dv_err *err;
    int rc;
};

static void drop_stemmed(void *arg, const struct dv_revnode *node)
{
    struct dropping *d = arg;

    if (d->rc == 0)
        d->rc = dv_sqbody_drop(d->c->t, node->body, d->err);
}

static int trim_tree(struct dv_sqcompaction *c, struct dv_revtree *tree, bool *changed,
                     struct dv_err *err)
{
    struct dropping d = { .c = c, .err = err };
    int rc;

    for (int32_t i = 0; i < tree->n; i++) {
        struct dv_revnode *node = &tree->nodes[i];

        if (node->children == 0 || node->body == 0)
            continue;
        rc = dv_sqbody_drop(c->t, node->body, err);
        if (rc < 0)
            return rc;
        c->dropped_bytes += node->bytes;
        node->body = 0;
        node->bytes = 0;
        *changed = true;
    }
    rc = dv_revtree_stem(tree, c->t->state.revs_limit, drop_stemmed, &d);
    if (rc < 0)
        return dv_err_set(err, rc, "out of memory");
    if (rc > 0)
        *changed = true;
    return d.rc;
}

static int rewrite_doc(struct dv_sqcompaction *c, const struct dv_doc_info *old,
                       const struct dv_revtree *tree, struct dv_err *err)
{
    struct dv_sqstate *s = &c->t->state;
    uint64_t leaf_bytes = 0;
    sqlite3_stmt *st;
    struct dv_slice blob;
    int rc;

    for (int32_t i = 0; i < tree->n; i++)
        if (tree->nodes[i].children == 0)
            leaf_bytes += tree->nodes[i].bytes;
    dv_buf_reset(&c->blob);
    rc = dv_revtree_serialise(tree, &c->blob);
    if (rc < 0)
        return dv_err_set(err, rc, "revision tree does not fit");
    blob = dv_buf_slice(&c->blob);
    rc = dv_sqconn_stmt(c->t->conn, DV_SQL_DOC_REWRITE, &st, err);
    if (rc < 0)
        return rc;
    dv_sq_bind_u64(st, 1, old->seq);
    sqlite3_bind_int(st, 2, dv_sqdoc_sum(old->seq, old->deleted, leaf_bytes, old->id, blob));
    dv_sq_bind_u64(st, 3, leaf_bytes);
    dv_sq_bind_bytes(st, 4, blob);
    rc = dv_sqconn_done(c->t->conn, st, err);
    sqlite3_clear_bindings(st);
    s->leaf_bytes = s->leaf_bytes - old->leaf_bytes + leaf_bytes;
    s->tree_bytes = s->tree_bytes - old->tree.n + blob.n;
    c->t->dirty = true;
    return rc;
}

/* The next document, copied: its row is about to be rewritten. */
static int next_doc(struct dv_sqcompaction *c, struct dv_doc_info *info, struct dv_err *err)
{
    sqlite3_stmt *st;
    int rc = dv_sqconn_stmt(c->t->conn, DV_SQL_DOC_NEXT, &st, err);

    if (rc < 0)
        return rc;
    dv_sq_bind_u64(st, 1, c->cursor);
    dv_sq_bind_u64(st, 2, c->start_seq);
    rc = dv_sqconn_step(c->t->conn, st, err);
    if (rc <= 0)
        return rc;
    rc = dv_sqdoc_row(c->t, st, info, err);
    if (rc == 0) {
        info->id = dv_arena_copy(&c->arena, info->id);
        info->tree = dv_arena_copy(&c->arena, info->tree);
        rc = info->id.p && info->tree.p ? 1 : dv_err_set(err, DV_ENOMEM, "out of memory");
    }
    sqlite3_reset(st);
    return rc;
}

static int step_doc(struct dv_sqcompaction *c, struct dv_err *err)
{
    struct dv_doc_info info;
    struct dv_revtree tree;
    bool changed = false;
    int rc;

    dv_arena_reset(&c->arena);
    rc = next_doc(c, &info, err);
    if (rc <= 0)
        return rc < 0 ? rc : 1;
    c->cursor = info.seq;
    c->n_docs++;
    c->id_bytes += info.id.n;
    rc = dv_revtree_parse(info.tree, &c->arena, &tree, err);
    if (rc == 0)
        rc = trim_tree(c, &tree, &changed, err);
    if (rc == 0 && changed)
        rc = rewrite_doc(c, &info, &tree, err);
    return rc < 0 ? dv_err_wrap(err, rc, "document at seq %llu", (unsigned long long)info.seq) : 0;
}

/* ---- owners and attachments ---- */

static int step_owner(struct dv_sqcompaction *c, struct dv_err *err)
{
    sqlite3_stmt *st;
    bool alive;
    int rc = dv_sqconn_stmt(c->t->conn, DV_SQL_OWNERS, &st, err);

    if (rc < 0)
        return rc;
    dv_sq_bind_u64(st, 1, c->cursor);
    rc = dv_sqconn_step(c->t->conn, st, err);
    if (rc <= 0)
        return rc < 0 ? rc : 1;
    c->cursor = dv_sq_column_u64(st, 0);
    alive = dv_sqowner_alive(st);
    sqlite3_reset(st);
    return alive ? 0 : dv_sqowner_remove(c->t, c->cursor, err);
}

/* *yes: a row answers. */
static int has_row(struct dv_sqcompaction *c, enum dv_sql which, uint64_t n, bool *yes,
                   struct dv_err *err)
{
    sqlite3_stmt *st;
    int rc = dv_sqconn_stmt(c->t->conn, which, &st, err);

    if (rc < 0)
        return rc;
    dv_sq_bind_u64(st, 1, n);
    rc = dv_sqconn_step(c->t->conn, st, err);
    *yes = rc > 0;
    sqlite3_reset(st);
    return rc < 0 ? rc : 0;
}

/* A stream without a living owner: one chunk per step, the row last. */
static int erase_some(struct dv_sqcompaction *c, uint64_t n, struct dv_err *err)
{
    uint64_t first = n << DV_SQ_CHUNK_BITS;
    sqlite3_stmt *st;
    int rc = dv_sqconn_stmt(c->t->conn, DV_SQL_CHUNK_DELETE_FIRST, &st, err);

    if (rc < 0)
        return rc;
    dv_sq_bind_u64(st, 1, first);
    dv_sq_bind_u64(st, 2, first | ((1u << DV_SQ_CHUNK_BITS) - 1));
    rc = dv_sqconn_done(c->t->conn, st, err);
    if (rc < 0 || sqlite3_changes(c->t->conn->db))
        return rc;
    c->cursor = n;
    return dv_sqatt_delete(c->t, n, err);
}

static int step_att(struct dv_sqcompaction *c, struct dv_err *err)
{
    struct dv_sqatt a;
    sqlite3_stmt *st;
    bool held = false;
    int rc = dv_sqconn_stmt(c->t->conn, DV_SQL_ATTS_AFTER, &st, err);

    if (rc < 0)
        return rc;
    dv_sq_bind_u64(st, 1, c->cursor);
    rc = dv_sqconn_step(c->t->conn, st, err);
    if (rc <= 0)
        return rc < 0 ? rc : 1;
    rc = dv_sqatt_row(c->t, st, &a, err);
    sqlite3_reset(st);
    if (rc < 0)
        return rc;
    if (a.finished && a.refs)
        held = true;
    else
        rc = a.finished ? has_row(c, DV_SQL_KEEP_ANY, a.n, &held, err)
                        : has_row(c, DV_SQL_OWNER_GET, a.owner, &held, err);
    if (rc < 0)
        return rc;
    if (held)
        c->cursor = a.n;
    else if (a.finished)
        return run1(c, DV_SQL_ATT_DISOWN, a.n, err); /* from here on nobody finds it */
    else
        return erase_some(c, a.n, err);
    return 0;
}

/* ---- purges, ids, pages ---- */

static int step_purges(struct dv_sqcompaction *c, struct dv_err *err)
{
    uint64_t last = c->t->state.purge_seq;
    int rc;

    if (last <= DV_PURGE_INFOS_LIMIT)
        return 1;
    rc = run1(c, DV_SQL_PURGES_TRIM, last - DV_PURGE_INFOS_LIMIT, err);
    return rc < 0 ? rc : sqlite3_changes(c->t->conn->db) == 0;
}

static int step_ids(struct dv_sqcompaction *c, struct dv_err *err)
{
    if (c->cursor++ == 0)
        c->budget = c->t->state.staged / SETTLE_RUN + 2;
    if (c->t->state.staged == 0 || c->budget-- == 0)
        return 1;
    return dv_sqids_settle(c->t, SETTLE_RUN, err);
}

static int step_page(struct dv_sqcompaction *c, struct dv_err *err)
{
    sqlite3_stmt *st;
    uint64_t free_pages;
    int rc = dv_sqconn_stmt(c->t->conn, DV_SQL_FREE_PAGES, &st, err);

    if (rc == 0)
        rc = dv_sqconn_step(c->t->conn, st, err);
    if (rc < 0)
        return rc;
    free_pages = dv_sq_column_u64(st, 0);
    sqlite3_reset(st);
    if (c->cursor++ == 0)
        c->budget = free_pages;
    if (free_pages == 0 || c->budget-- == 0)
        return 1;
    rc = dv_sqconn_stmt(c->t->conn, DV_SQL_VACUUM_PAGE, &st, err);
    while (rc >= 0 && (rc = dv_sqconn_step(c->t->conn, st, err)) > 0)
        ;
    return rc;
}

/* ---- the whole ---- */

struct pass {
    dv_sqcompact_step_fn *step;
    size_t steps_per_txn; /* when the caller does not say */
};

static int run_txn(struct dv_sqcompaction *c, const struct pass *pass, int *over,
                   struct dv_err *err)
{
    size_t steps = c->opt->rows_per_txn ? c->opt->rows_per_txn : pass->steps_per_txn;
    int rc = dv_sqtxn_begin(c->store, true, &c->t, err);

    if (rc < 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < steps; i++)
        rc = pass->step(c, err);
    if (rc < 0) {
        dv_sqtxn_rollback(c->t);
        return rc;
    }
    *over = rc;
    return dv_sqtxn_commit(c->t, DV_COMMIT_LAZY, err);
}

static int run_pass(struct dv_sqcompaction *c, const struct pass *pass, struct dv_err *err)
{
    int over = 0, rc = 0;

    c->cursor = 0;
    while (rc == 0 && !over) {
        if (c->opt->cancelled && c->opt->cancelled(c->opt->arg))
            return dv_err_set(err, DV_ECANCELLED, "compaction was cancelled");
        rc = run_txn(c, pass, &over, err);
    }
    return rc;
}

static int is_alive(struct dv_txn_backend *t, uint64_t owner, bool *alive, struct dv_err *err)
{
    sqlite3_stmt *st;
    int rc = dv_sqconn_stmt(t->conn, DV_SQL_OWNER_GET, &st, err);

    if (rc < 0)
        return rc;
    dv_sq_bind_u64(st, 1, owner);
    rc = dv_sqconn_step(t->conn, st, err);
    *alive = rc > 0 && dv_sqowner_alive(st);
    sqlite3_reset(st);
    return rc < 0 ? rc : 0;
}

static int claim(struct dv_sqcompaction *c, struct dv_err *err)
{
    struct dv_txn_backend *t;
    uint64_t me;
    bool alive = false;
    int rc = dv_sqtxn_begin(c->store, true, &t, err);

    if (rc < 0)
        return rc;
    if (t->state.compactor && t->state.compactor != t->owner)
        rc = is_alive(t, t->state.compactor, &alive, err);
    if (rc == 0 && alive)
        rc = dv_err_set(err, DV_EBUSY, "%s: is being compacted", c->store->path);
    if (rc == 0)
        rc = dv_sqowner_need(t, &me, err);
    if (rc < 0) {
        dv_sqtxn_rollback(t);
        return rc;
    }
    t->state.compactor = me;
    t->dirty = true;
    c->start_seq = t->state.update_seq;
    c->start_body = t->state.last_body;
    return dv_sqtxn_commit(t, DV_COMMIT_LAZY, err);
}

static int release(struct dv_sqcompaction *c, bool finished, struct dv_err *err)
{
    struct dv_txn_backend *t;
    int rc = dv_sqtxn_begin(c->store, true, &t, err);

    if (rc < 0)
        return rc;
    if (t->state.compactor == t->owner)
        t->state.compactor = 0;
    if (finished && c->start_seq > t->state.compacted_seq)
        t->state.compacted_seq = c->start_seq;
    t->dirty = true;
    return dv_sqtxn_commit(t, finished ? DV_COMMIT_DURABLE : DV_COMMIT_LAZY, err);
}

static int run(struct dv_sqcompaction *c, struct dv_err *err)
{
    static const struct pass passes[] = {
        { step_doc, STEPS },        { step_owner, STEPS }, { step_att, STEPS },
        { step_purges, STEPS },     { step_ids, STEPS },   { dv_sqrepack_bodies, RUNS },
        { dv_sqrepack_docs, RUNS }, { step_page, STEPS },
    };
    int rc = claim(c, err);

    if (rc < 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < sizeof(passes) / sizeof(passes[0]); i++)
        rc = run_pass(c, &passes[i], err);
    if (rc < 0) {
        release(c, false, NULL);
        return rc;
    }
    rc = release(c, true, err);
    return rc < 0 ? rc : dv_sqtxn_empty_log(c->store, err);
}

int dv_sqcompact_run(struct dv_store_backend *s, const struct dv_compact_options *opt,
                     struct dv_err *err)
{
    static const struct dv_compact_options usual;
    struct dv_sqcompaction c = { .store = s, .opt = opt ? opt : &usual };
    int rc;

    if (atomic_exchange(&s->compacting, true))
        return dv_err_set(err, DV_EBUSY, "%s: is being compacted", s->path);
    dv_arena_init(&c.arena, TREE_ARENA_BYTES);
    dv_buf_init(&c.blob, DV_SQ_BLOB_MAX);
    rc = run(&c, err);
    dv_buf_fini(&c.blob);
    dv_arena_fini(&c.arena);
    atomic_store(&s->compacting, false);
    return rc;
}
