/* Compaction: passes over the newest version, each in write transactions of a bounded number of
 * rows, so that other writers get their turn between them. A pass goes on behind the last key it
 * looked at; what was written meanwhile is looked at if it lies ahead and is compact enough if it
 * lies behind. Stopping anywhere leaves a good database that is merely less compact.
 *
 * Passes: documents (bodies of revisions that are no leaves go, trees are stemmed), keeps and
 * streams of openings that are closed, attachments nobody refers to or keeps. */
#include <stddef.h>

#include "base/mem.h"
#include "couch/revtree.h"
#include "engine/memory/ram.h"

enum { ROWS_PER_TXN = 1000, TREE_ARENA_BYTES = 512 * 1024 * 1024 };

struct compaction {
    struct dv_store_backend *store;
    const struct dv_compact_options *opt;
    struct dv_buf cursor; /* last key looked at */
    bool begun;           /* cursor is valid */
    struct dv_arena arena;
    struct dv_buf tree;
};

/* Look at one entry of the pass's map; may change any map. */
typedef int visit_fn(struct compaction *c, struct dv_txn_backend *t, const void *value,
                     struct dv_err *err);

struct pass {
    size_t map; /* its offset in a version */
    visit_fn *visit;
};

/* ---- documents ---- */

struct dropping {
    struct dv_txn_backend *t;
    int rc;
};

static void drop_stemmed(void *arg, const struct dv_revnode *node)
{
    struct dropping *d = arg;

    if (d->rc == 0)
        d->rc = dv_ram_drop_body(d->t, node->body, NULL);
}

/* *changed: the tree is not what is stored. */
static int trim_tree(struct dv_txn_backend *t, struct dv_revtree *tree, bool *changed)
{
    struct dropping d = { .t = t };
    int stemmed;

    for (int32_t i = 0; i < tree->n; i++) {
        struct dv_revnode *node = &tree->nodes[i];

        if (node->children == 0 || node->body == 0)
            continue;
        d.rc = dv_ram_drop_body(t, node->body, NULL);
        if (d.rc < 0)
            return d.rc;
        node->body = 0;
        node->bytes = 0;
        *changed = true;
    }
    stemmed = dv_revtree_stem(tree, t->state->revs_limit, drop_stemmed, &d);
    if (stemmed > 0)
        *changed = true;
    return stemmed < 0 ? stemmed : d.rc;
}

static int rewrite_doc(struct compaction *c, struct dv_txn_backend *t, const struct dv_ram_doc *doc,
                       const struct dv_revtree *tree, struct dv_err *err)
{
    struct dv_doc_info old;
    struct dv_doc_write w = { .deleted = doc->deleted, .leaf_bytes = doc->leaf_bytes };
    int rc;

    dv_ram_doc_info(doc, &old);
    dv_buf_reset(&c->tree);
    rc = dv_revtree_serialise(tree, &c->tree);
    if (rc < 0)
        return dv_err_set(err, rc, "revision tree");
    w.id = dv_buf_slice(&c->cursor); /* doc->id goes with doc */
    w.tree = dv_buf_slice(&c->tree);
    return dv_ram_replace_doc(t->state, &old, &w, doc->seq, err);
}

static int visit_doc(struct compaction *c, struct dv_txn_backend *t, const void *value,
                     struct dv_err *err)
{
    const struct dv_ram_doc *doc = value;
    struct dv_revtree tree;
    bool changed = false;
    int rc;

    dv_arena_reset(&c->arena);
    rc = dv_revtree_parse(doc->tree, &c->arena, &tree, err);
    if (rc < 0)
        return dv_err_wrap(err, rc, "document %.*s", (int)(doc->id.n < 64 ? doc->id.n : 64),
                           doc->id.p);
    rc = trim_tree(t, &tree, &changed);
    if (rc < 0)
        return dv_err_set(err, rc, NULL);
    return changed ? rewrite_doc(c, t, doc, &tree, err) : 0;
}

/* ---- attachments ---- */

static bool is_open(struct dv_ram_db *db, uint64_t opening)
{
    const struct dv_store_backend *s;

    pthread_mutex_lock(&db->lock);
    for (s = db->openings; s && s->opening != opening; s = s->next)
        ;
    pthread_mutex_unlock(&db->lock);
    return s != NULL;
}

static int visit_keep(struct compaction *c, struct dv_txn_backend *t, const void *value,
                      struct dv_err *err)
{
    const struct dv_ram_keep *keep = value;

    if (is_open(c->store->db, keep->opening))
        return 0;
    if (dv_pmap_remove(&t->state->keeps, dv_buf_slice(&c->cursor)) < 0)
        return dv_err_set(err, DV_ENOMEM, NULL);
    return 0;
}

static int visit_stream(struct compaction *c, struct dv_txn_backend *t, const void *value,
                        struct dv_err *err)
{
    const struct dv_ram_stream *stream = value;

    if (is_open(c->store->db, stream->opening))
        return 0;
    return dv_ram_att_drop(t, dv_ram_get_u64(stream->key), err);
}

static int visit_att(struct compaction *c, struct dv_txn_backend *t, const void *value,
                     struct dv_err *err)
{
    const struct dv_ram_att *att = value;
    struct dv_ram_state *s = t->state;

    if (dv_ram_att_is_used(s, att->key) ||
        dv_pmap_has_prefix(&s->keeps, dv_ram_key(att->key, sizeof(att->key))))
        return 0;
    if (dv_ram_remove_chunks(s, att->stream, att->n_chunks) < 0 ||
        dv_pmap_remove(&s->atts, dv_buf_slice(&c->cursor)) < 0)
        return dv_err_set(err, DV_ENOMEM, NULL);
    return 0;
}

/* ---- passes ---- */

static const struct pass passes[] = {
    { offsetof(struct dv_ram_state, docs), visit_doc },
    { offsetof(struct dv_ram_state, keeps), visit_keep },
    { offsetof(struct dv_ram_state, streams), visit_stream },
    { offsetof(struct dv_ram_state, atts), visit_att },
};

static struct dv_pmap *map_of(struct dv_ram_state *s, const struct pass *p)
{
    return (struct dv_pmap *)(void *)((char *)s + p->map);
}

/* > 0: the pass is over. */
static int visit_rows(struct compaction *c, const struct pass *p, struct dv_txn_backend *t,
                      struct dv_err *err)
{
    size_t rows = c->opt->rows_per_txn ? c->opt->rows_per_txn : ROWS_PER_TXN;

    for (size_t i = 0; i < rows; i++) {
        struct dv_slice from = dv_buf_slice(&c->cursor), key;
        const void *value = dv_pmap_after(map_of(t->state, p), c->begun ? &from : NULL, &key);
        int rc;

        if (!value)
            return 1;
        dv_buf_reset(&c->cursor);
        rc = dv_buf_add_slice(&c->cursor, key);
        if (rc < 0)
            return dv_err_set(err, rc, NULL);
        c->begun = true;
        rc = p->visit(c, t, value, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int run_pass(struct compaction *c, const struct pass *p, struct dv_err *err)
{
    int rc = 0, done = 0;

    c->begun = false;
    dv_buf_reset(&c->cursor);
    while (rc == 0 && !done) {
        struct dv_txn_backend *t;

        if (c->opt->cancelled && c->opt->cancelled(c->opt->arg))
            return dv_err_set(err, DV_ECANCELLED, "compaction was cancelled");
        rc = dv_ram_begin(c->store, true, &t, err);
        if (rc < 0)
            return rc;
        done = visit_rows(c, p, t, err);
        if (done < 0) {
            dv_ram_rollback(t);
            return done;
        }
        rc = dv_ram_commit(t, DV_COMMIT_LAZY, err);
    }
    return rc;
}

static int note_compacted(struct dv_store_backend *s, uint64_t seq, struct dv_err *err)
{
    struct dv_txn_backend *t;
    int rc = dv_ram_begin(s, true, &t, err);

    if (rc < 0)
        return rc;
    t->state->compacted_seq = seq;
    return dv_ram_commit(t, DV_COMMIT_DURABLE, err);
}

static int run(struct compaction *c, struct dv_err *err)
{
    struct dv_txn_backend *t;
    uint64_t start_seq;
    int rc = dv_ram_begin(c->store, false, &t, err);

    if (rc < 0)
        return rc;
    start_seq = t->state->update_seq;
    dv_ram_rollback(t);
    for (size_t i = 0; rc == 0 && i < sizeof(passes) / sizeof(passes[0]); i++)
        rc = run_pass(c, &passes[i], err);
    return rc < 0 ? rc : note_compacted(c->store, start_seq, err);
}

static bool set_compacting(struct dv_ram_db *db, bool compacting)
{
    bool was;

    pthread_mutex_lock(&db->lock);
    was = db->compacting;
    db->compacting = compacting;
    pthread_mutex_unlock(&db->lock);
    return was;
}

int dv_ram_compact(struct dv_store_backend *s, const struct dv_compact_options *opt,
                   struct dv_err *err)
{
    struct compaction c = { .store = s, .opt = opt };
    int rc;

    if (set_compacting(s->db, true))
        return dv_err_set(err, DV_EBUSY, "the database is being compacted");
    dv_arena_init(&c.arena, TREE_ARENA_BYTES);
    dv_buf_init(&c.cursor, DV_ID_MAX_BYTES);
    dv_buf_init(&c.tree, DV_RECORD_MAX_BYTES);
    rc = run(&c, err);
    dv_buf_fini(&c.tree);
    dv_buf_fini(&c.cursor);
    dv_arena_fini(&c.arena);
    set_compacting(s->db, false);
    return rc;
}
