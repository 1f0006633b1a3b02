/* Documents as the layer above an engine writes them: read the tree, merge a path, store the body,
 * write the tree back, all in one transaction. */
#include <stdio.h>
#include <string.h>

#include "conformance/cf.h"

enum { PATH_MAX_IDS = 1100 };

/* "c,b,a" in the arena. Returns how many. */
static size_t split(const char *list, struct dv_slice *out, size_t max)
{
    size_t n = 0;

    for (const char *p = list; *p && n < max;) {
        size_t k = strcspn(p, ",");

        out[n++] = dv_slice(p, k);
        p += k + (p[k] == ',');
    }
    return n;
}

static struct dv_slice id_of(const struct cf_edit *e)
{
    return dv_slice(e->id, e->id_bytes ? e->id_bytes : strlen(e->id));
}

static int load_tree(const struct dv_doc_info *info, struct dv_revtree *tree,
                     struct dv_arena *arena, struct dv_err *err)
{
    if (info->found)
        return dv_revtree_parse(info->tree, arena, tree, err);
    dv_revtree_init(tree, arena);
    return 0;
}

/* What write_docs wants to know of a tree; the blob lives in the arena. */
static int describe(const struct dv_revtree *tree, struct dv_doc_write *w, struct dv_arena *arena,
                    struct dv_err *err)
{
    struct dv_buf blob;
    int32_t winner = dv_revtree_winner(tree);
    int rc;

    dv_buf_init(&blob, CF_ANY);
    rc = dv_revtree_serialise(tree, &blob);
    w->tree = dv_arena_copy(arena, dv_buf_slice(&blob));
    dv_buf_fini(&blob);
    if (rc < 0 || !w->tree.p)
        return dv_err_set(err, DV_ENOMEM, NULL);
    w->deleted = tree->nodes[winner].deleted;
    w->leaf_bytes = 0;
    for (int32_t i = 0; i < tree->n; i++)
        if (tree->nodes[i].children == 0)
            w->leaf_bytes += tree->nodes[i].bytes;
    return 0;
}

static int merge_path(struct dv_txn *t, struct cf_edit *e, struct dv_revtree *tree,
                      struct dv_arena *arena, struct dv_err *err)
{
    struct dv_slice *ids = dv_arena_alloc(arena, PATH_MAX_IDS * sizeof(*ids));
    struct dv_revpath path = { .ids = ids, .deleted = e->deleted };
    enum dv_merge what;
    int32_t leaf;
    int rc;

    if (!ids)
        return dv_err_set(err, DV_ENOMEM, NULL);
    path.n = split(e->path, ids, PATH_MAX_IDS);
    path.start = path.n;
    rc = dv_revtree_merge(tree, &path, &what, &leaf, err);
    if (rc < 0 || what == DV_MERGE_INTERNAL_NODE)
        return rc;
    rc = dv_txn_put_body(t, e->body, e->atts, e->n_atts, &e->ref, err);
    if (rc < 0)
        return rc;
    tree->nodes[leaf].body = e->ref;
    tree->nodes[leaf].bytes = e->body.n;
    return 0;
}

int cf_merge(struct dv_txn *t, struct cf_edit *edits, size_t n, struct dv_arena *arena,
             struct dv_err *err)
{
    struct dv_slice *ids = dv_arena_zalloc(arena, n * sizeof(*ids));
    struct dv_doc_info *old = dv_arena_zalloc(arena, n * sizeof(*old));
    struct dv_doc_write *w = dv_arena_zalloc(arena, n * sizeof(*w));
    int rc;

    if (!ids || !old || !w)
        return dv_err_set(err, DV_ENOMEM, NULL);
    for (size_t i = 0; i < n; i++)
        ids[i] = id_of(&edits[i]);
    rc = dv_txn_open_docs(t, ids, n, arena, old, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct dv_revtree tree;

        edits[i].ref = 0;
        w[i].id = ids[i];
        w[i].old = old[i].found ? &old[i] : NULL;
        rc = load_tree(&old[i], &tree, arena, err);
        if (rc == 0)
            rc = merge_path(t, &edits[i], &tree, arena, err);
        if (rc == 0)
            rc = describe(&tree, &w[i], arena, err);
    }
    if (rc == 0)
        rc = dv_txn_write_docs(t, w, n, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        edits[i].seq = w[i].seq;
    return rc;
}

static uint64_t edit_one(struct cf *c, struct cf_edit e)
{
    struct dv_txn *t = cf_write(c);

    CF_OK(cf_merge(t, &e, 1, &c->arena, &c->err));
    cf_commit(c, t);
    return e.seq;
}

uint64_t cf_put(struct cf *c, const char *id, const char *path, const char *body)
{
    return edit_one(c, (struct cf_edit){ .id = id, .path = path, .body = cf_str(body) });
}

uint64_t cf_delete(struct cf *c, const char *id, const char *path)
{
    return edit_one(
        c, (struct cf_edit){ .id = id, .path = path, .body = cf_str("{}"), .deleted = true });
}

/* ---- purge ---- */

struct dropped {
    uint64_t refs[64];
    size_t n;
};

static void note_dropped(void *arg, const struct dv_revnode *node)
{
    struct dropped *d = arg;

    ck_assert_uint_lt(d->n, 64);
    d->refs[d->n++] = node->body;
}

int cf_purge_in(struct dv_txn *t, const char *uuid, const char *id, const char *revs, bool *purged,
                struct dv_arena *arena, struct dv_err *err)
{
    struct dv_slice texts[16];
    struct dv_doc_info info;
    struct dv_revtree tree;
    struct dropped dropped = { .n = 0 };
    struct dv_doc_write left = { .id = cf_str(id) };
    struct dv_purge p = { .info = { .uuid = cf_str(uuid), .id = cf_str(id), .revs = texts } };
    int rc = dv_txn_open_docs(t, &p.info.id, 1, arena, &info, err);

    p.info.n_revs = split(revs, texts, 16);
    if (rc == 0)
        rc = load_tree(&info, &tree, arena, err);
    for (size_t i = 0; rc == 0 && i < p.info.n_revs; i++) {
        struct dv_rev rev;

        rc = dv_rev_parse(texts[i], arena, &rev, err);
        if (rc == 0 && info.found && dv_revtree_remove_leaf(&tree, rev, note_dropped, &dropped))
            p.changes = true;
    }
    if (rc < 0)
        return rc;
    left.old = p.old = info.found ? &info : NULL;
    p.bodies = dropped.refs;
    p.n_bodies = dropped.n;
    if (p.changes && tree.n > 0) {
        p.left = &left;
        rc = describe(&tree, &left, arena, err);
    }
    if (rc == 0)
        rc = dv_txn_purge(t, &p, 1, err);
    if (rc == 0 && purged)
        *purged = p.changes;
    return rc;
}

void cf_purge_revs(struct cf *c, const char *uuid, const char *id, const char *revs)
{
    struct dv_txn *t = cf_write(c);

    CF_OK(cf_purge_in(t, uuid, id, revs, NULL, &c->arena, &c->err));
    cf_commit(c, t);
}

/* ---- looking ---- */

struct dv_doc_info cf_find(struct cf *c, const char *id)
{
    struct dv_txn *t = cf_read(c);
    struct dv_slice key = cf_str(id);
    struct dv_doc_info info;

    CF_OK(dv_txn_open_docs(t, &key, 1, &c->arena, &info, &c->err));
    dv_txn_rollback(t);
    return info;
}

void cf_body_is(struct cf *c, const char *id, const char *body)
{
    struct dv_doc_info info = cf_find(c, id);
    struct dv_txn *t = cf_read(c);
    struct dv_revtree tree;
    struct dv_buf read;

    ck_assert_msg(info.found, "%s is missing", id);
    CF_OK(dv_revtree_parse(info.tree, &c->arena, &tree, &c->err));
    dv_buf_init(&read, CF_ANY);
    CF_OK(dv_txn_read_body(t, tree.nodes[dv_revtree_winner(&tree)].body, &read, &c->err));
    ck_assert_msg(dv_slice_eq_str(dv_buf_slice(&read), body), "%s: %.*s, and not %s", id,
                  (int)read.n, read.p, body);
    dv_buf_fini(&read);
    dv_txn_rollback(t);
}

uint64_t cf_ref(struct cf *c, const char *id, const char *rev)
{
    struct dv_doc_info info = cf_find(c, id);
    struct dv_revtree tree;
    struct dv_rev wanted;
    int32_t i;

    ck_assert(info.found);
    CF_OK(dv_revtree_parse(info.tree, &c->arena, &tree, &c->err));
    CF_OK(dv_rev_parse(cf_str(rev), &c->arena, &wanted, &c->err));
    i = dv_revtree_find(&tree, wanted);
    ck_assert_int_ge(i, 0);
    return tree.nodes[i].body;
}

void cf_put_local(struct cf *c, const char *id, uint64_t rev, const char *body)
{
    struct dv_local l = {
        .found = body != NULL, .id = cf_str(id), .rev = rev, .body = cf_str(body)
    };
    struct dv_txn *t = cf_write(c);

    CF_OK(dv_txn_write_locals(t, &l, 1, &c->err));
    cf_commit(c, t);
}
