/* Several revisions of one document (open_revs). The first transaction finds out which revisions
 * are meant; then they are read page by page, each page in a transaction of its own, and told
 * outside of it. A revision that compaction or purge takes away in between is told as missing. */
#include "base/hash.h"
#include "database/show.h"

/* One answer: a revision to read, or the text of one that is missing. */
struct wanted {
    struct dv_rev rev;
    struct dv_slice text;
    bool missing;
    struct dv_shown shown; /* once read */
    size_t end;            /* in the page's buffer */
};

struct open_call {
    struct dv_database *db;
    struct dv_slice id;
    bool all;
    const struct dv_slice *revs;
    size_t n_revs;
    struct dv_view view;
    struct dv_arena arena; /* of the whole call */
    struct dv_arena work;  /* of one transaction */
    struct dv_buf record, page;
    struct wanted *wanted; /* in arena */
    size_t n_wanted, room;
    size_t at, read; /* [at, read) is in the page */
};

static int open_tree(struct open_call *c, struct dv_txn *txn, struct dv_opened *doc, bool *found,
                     struct dv_err *err)
{
    struct dv_doc_info info;
    int code;

    dv_arena_reset(&c->work);
    code = dv_txn_open_docs(txn, &c->id, 1, &c->work, &info, err);
    if (code < 0)
        return code;
    *found = info.found;
    *doc = (struct dv_opened){ .txn = txn, .id = c->id, .seq = info.seq };
    return info.found ? dv_tree_load(&info, &c->work, &doc->tree, err) : 0;
}

static int add_wanted(struct open_call *c, struct dv_rev rev, struct dv_slice text, bool missing,
                      struct dv_err *err)
{
    struct wanted *w;

    if (c->n_wanted == c->room) {
        size_t room = c->room ? 2 * c->room : 16;

        w = dv_arena_array(&c->arena, room, sizeof(*w), err);
        if (!w)
            return DV_ENOMEM;
        if (c->n_wanted)
            memcpy(w, c->wanted, c->n_wanted * sizeof(*w));
        c->wanted = w;
        c->room = room;
    }
    w = &c->wanted[c->n_wanted];
    memset(w, 0, sizeof(*w));
    w->missing = missing;
    w->rev = rev;
    w->rev.id = dv_arena_copy(&c->arena, rev.id);
    w->text = text;
    if (!w->rev.id.p)
        return dv_err_set(err, DV_ENOMEM, "revisions");
    c->n_wanted++;
    return 0;
}

static int want_leaves(struct open_call *c, const struct dv_revtree *tree, struct dv_err *err)
{
    int32_t *leaves = dv_arena_array(&c->work, (size_t)tree->n, sizeof(*leaves), err);
    int code = leaves ? 0 : DV_ENOMEM;

    for (int32_t i = 0, n = leaves ? dv_revtree_leaves(tree, leaves) : 0; code == 0 && i < n; i++)
        code = add_wanted(c, tree->nodes[leaves[i]].rev, dv_slice(NULL, 0), false, err);
    return code;
}

/* The leaves that descend from node, each only once however it was reached. */
static int want_latest(struct open_call *c, const struct dv_revtree *tree, int32_t node, bool *seen,
                       struct dv_err *err)
{
    int32_t *leaves = dv_arena_array(&c->work, (size_t)tree->n, sizeof(*leaves), err);
    int code = leaves ? 0 : DV_ENOMEM;
    int32_t n = leaves ? dv_revtree_descendant_leaves(tree, node, leaves) : 0;

    for (int32_t i = 0; code == 0 && i < n; i++) {
        if (seen[leaves[i]])
            continue;
        seen[leaves[i]] = true;
        code = add_wanted(c, tree->nodes[leaves[i]].rev, dv_slice(NULL, 0), false, err);
    }
    return code;
}

static int want_asked(struct open_call *c, const struct dv_revtree *tree, struct dv_err *err)
{
    bool *seen = dv_arena_zalloc(&c->work, (size_t)tree->n + 1);
    int code = seen ? 0 : dv_err_set(err, DV_ENOMEM, "revisions");

    for (size_t i = 0; code == 0 && i < c->n_revs; i++) {
        struct dv_rev rev;
        int32_t node;

        code = dv_rev_parse(c->revs[i], &c->work, &rev, err);
        if (code < 0)
            break;
        node = tree->n ? dv_revtree_find(tree, rev) : -1;
        if (node >= 0 && c->view.flags & DV_GET_LATEST)
            code = want_latest(c, tree, node, seen, err);
        else
            code = add_wanted(c, rev, c->revs[i], node < 0 || tree->nodes[node].body == 0, err);
    }
    return code;
}

static int find_wanted(void *arg, struct dv_txn *txn, struct dv_err *err)
{
    struct open_call *c = arg;
    struct dv_opened doc;
    bool found;
    int code = open_tree(c, txn, &doc, &found, err);

    if (code < 0)
        return code;
    if (!found && c->all)
        return dv_err_set(err, DV_ENOTFOUND, "missing");
    if (!found)
        dv_revtree_init(&doc.tree, &c->work);
    return c->all ? want_leaves(c, &doc.tree, err) : want_asked(c, &doc.tree, err);
}

static int now_missing(struct open_call *c, struct wanted *w, struct dv_err *err)
{
    w->missing = true;
    return w->text.p ? 0 : dv_rev_text(w->rev, &c->arena, &w->text, err);
}

static int read_page(void *arg, struct dv_txn *txn, struct dv_err *err)
{
    struct open_call *c = arg;
    struct dv_opened doc;
    bool found;
    int code = open_tree(c, txn, &doc, &found, err);

    if (code == 0)
        code = dv_view_limit(&c->view, txn, err);
    dv_buf_reset(&c->page);
    for (c->read = c->at; code == 0 && c->read < c->n_wanted; c->read++) {
        struct wanted *w = &c->wanted[c->read];
        int32_t node = found ? dv_revtree_find(&doc.tree, w->rev) : -1;

        if (c->read - c->at >= DV_PAGE_ROWS || c->page.n >= DV_PAGE_BYTES)
            break;
        if (!w->missing && (node < 0 || doc.tree.nodes[node].body == 0))
            code = now_missing(c, w, err);
        else if (!w->missing)
            code = dv_show_head(&doc, node, false, &c->view, &c->arena, &c->record, &c->page,
                                &w->shown, err);
        w->end = c->page.n;
    }
    return code;
}

/* Tell what the page holds; attachments are added here, each document in `out`. */
static int tell_page(struct open_call *c, struct dv_buf *out, dv_open_rev_fn *fn, void *arg,
                     struct dv_err *err)
{
    int code = 0;

    for (; code == 0 && c->at < c->read; c->at++) {
        const struct wanted *w = &c->wanted[c->at];

        if (w->missing) {
            code = fn(arg, w->text, dv_slice(NULL, 0), NULL, err);
            continue;
        }
        dv_buf_reset(out);
        code = dv_buf_add(out, c->page.p + w->shown.begin, w->end - w->shown.begin);
        if (code < 0)
            return dv_err_set(err, code, "a document");
        code = dv_show_tail(c->db, &c->view, &w->shown, out, err);
        if (code == 0)
            code = fn(arg, dv_slice(NULL, 0), dv_buf_slice(out), &w->shown.read, err);
    }
    return code;
}

static int tell_all(struct open_call *c, dv_open_rev_fn *fn, void *arg, struct dv_err *err)
{
    struct dv_buf out;
    int code = 0;

    dv_buf_init(&out, DV_RECORD_BUF_BYTES);
    while (code == 0 && c->at < c->n_wanted) {
        code = dv_database_view(c->db, read_page, c, err);
        if (code == 0)
            code = tell_page(c, &out, fn, arg, err);
    }
    dv_buf_fini(&out);
    return code;
}

int dv_database_open_revs(struct dv_database *db, struct dv_slice id, bool all,
                          const struct dv_slice *revs, size_t n_revs,
                          const struct dv_get_options *opt, dv_open_rev_fn *fn, void *arg,
                          struct dv_err *err)
{
    static const struct dv_get_options plain;
    struct open_call c = { .db = db, .id = id, .all = all, .revs = revs, .n_revs = n_revs };
    int code;

    dv_arena_init(&c.arena, DV_CALL_ARENA_BYTES);
    dv_arena_init(&c.work, DV_CALL_ARENA_BYTES);
    dv_buf_init(&c.record, DV_RECORD_BUF_BYTES);
    dv_buf_init(&c.page, 2 * DV_RECORD_BUF_BYTES);
    code = dv_view_init(&c.view, opt ? opt : &plain, &c.arena, err);
    if (code == 0)
        code = dv_database_view(db, find_wanted, &c, err);
    if (code == 0)
        code = tell_all(&c, fn, arg, err);
    dv_buf_fini(&c.page);
    dv_buf_fini(&c.record);
    dv_arena_fini(&c.work);
    dv_arena_fini(&c.arena);
    return code;
}
