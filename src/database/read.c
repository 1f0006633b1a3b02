/* One revision of a document, or a local document. */
#include <stdio.h>

#include "database/show.h"

/* Looks at a document whose attachments keep being taken away while it is read. */
enum { TRIES = 3 };

struct get_call {
    struct dv_database *db;
    struct dv_slice id;
    const struct dv_get_options *opt;
    struct dv_view view;
    struct dv_arena *arena; /* the caller's */
    struct dv_arena work;
    struct dv_buf record;
    struct dv_buf *out;
    struct dv_shown shown;
    bool local; /* whole already */
};

static int not_found(struct dv_err *err, const char *reason)
{
    return dv_err_set(err, DV_ENOTFOUND, "%s", reason);
}

/* The node of the asked revision. With `latest` the best of the leaves it leads to. */
static int choose_node(struct get_call *c, const struct dv_revtree *tree, int32_t *node,
                       struct dv_err *err)
{
    struct dv_rev rev;
    int code;

    *node = dv_revtree_winner(tree);
    if (c->opt->rev.n == 0)
        return tree->nodes[*node].deleted ? not_found(err, "deleted") : 0;
    code = dv_rev_parse(c->opt->rev, &c->work, &rev, err);
    if (code < 0)
        return code;
    *node = dv_revtree_find(tree, rev);
    if (*node >= 0 && c->view.flags & DV_GET_LATEST) {
        code = dv_best_descendant(tree, *node, &c->work, node, err);
        if (code < 0)
            return code;
    }
    if (*node < 0 || tree->nodes[*node].body == 0)
        return not_found(err, "missing");
    return 0;
}

static int get_local(struct get_call *c, struct dv_txn *txn, struct dv_err *err)
{
    struct dv_revision_read *read = &c->shown.read;
    struct dv_local local;
    char rev[24];
    int code = dv_txn_open_locals(txn, &c->id, 1, &c->work, &local, err);

    if (code < 0)
        return code;
    if (!local.found)
        return not_found(err, "missing");
    c->local = true;
    snprintf(rev, sizeof(rev), "0-%llu", (unsigned long long)local.rev);
    memset(read, 0, sizeof(*read));
    read->rev = dv_arena_copy(c->arena, dv_slice_str(rev));
    if (!read->rev.p)
        return dv_err_set(err, DV_ENOMEM, "a local document");
    return c->out ? dv_show_local(&local, c->out, err) : 0;
}

static int get_doc(void *arg, struct dv_txn *txn, struct dv_err *err)
{
    struct get_call *c = arg;
    struct dv_opened doc = { .txn = txn, .id = c->id };
    struct dv_doc_info info;
    int32_t node;
    int code;

    if (dv_slice_starts(c->id, "_local/"))
        return get_local(c, txn, err);
    code = dv_txn_open_docs(txn, &c->id, 1, &c->work, &info, err);
    if (code == 0 && !info.found)
        code = not_found(err, "missing");
    if (code == 0)
        code = dv_view_limit(&c->view, txn, err);
    if (code == 0)
        code = dv_tree_load(&info, &c->work, &doc.tree, err);
    doc.seq = info.seq;
    if (code == 0)
        code = choose_node(c, &doc.tree, &node, err);
    if (code == 0)
        code = dv_show_head(&doc, node, c->opt->rev.n == 0, &c->view, c->arena, &c->record, c->out,
                            &c->shown, err);
    return code;
}

/* *gone: an attachment was taken away (purged, compacted) after the transaction that named it. */
static int read_once(struct get_call *c, bool *gone, struct dv_err *err)
{
    int code;

    dv_arena_reset(&c->work);
    code = dv_database_view(c->db, get_doc, c, err);
    *gone = false;
    if (code < 0 || c->local || !c->out)
        return code;
    code = dv_show_tail(c->db, &c->view, &c->shown, c->out, err);
    *gone = code == DV_ENOTFOUND;
    return code;
}

int dv_read_revision(struct dv_database *db, struct dv_slice id, const struct dv_get_options *opt,
                     struct dv_arena *arena, struct dv_buf *out, struct dv_revision_read *read,
                     struct dv_err *err)
{
    static const struct dv_get_options plain;
    struct get_call c = {
        .db = db, .id = id, .opt = opt ? opt : &plain, .arena = arena, .out = out
    };
    size_t before = out ? out->n : 0;
    bool gone = false;
    int code;

    dv_arena_init(&c.work, DV_CALL_ARENA_BYTES);
    dv_buf_init(&c.record, DV_RECORD_BUF_BYTES);
    code = dv_view_init(&c.view, c.opt, arena, err);
    for (int tries = 0; code == 0 || (gone && tries < TRIES); tries++) {
        if (out)
            out->n = before;
        code = read_once(&c, &gone, err);
        if (code == 0)
            break;
    }
    if (code < 0 && out)
        out->n = before;
    else if (code == 0 && read)
        *read = c.shown.read;
    dv_buf_fini(&c.record);
    dv_arena_fini(&c.work);
    return code;
}

int dv_database_get(struct dv_database *db, struct dv_slice id, const struct dv_get_options *opt,
                    struct dv_arena *arena, struct dv_buf *out, struct dv_revision_read *read,
                    struct dv_err *err)
{
    return dv_read_revision(db, id, opt, arena, out, read, err);
}
