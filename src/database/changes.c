/* The changes of a database by seq: a page of rows is collected in a read transaction, told outside
 * of it, and the next page begins behind its last seq. A document that is written again in
 * between comes again, at its new seq: nothing is skipped. */
#include "database/show.h"

/* One change as collected; slices are in the page's arena. */
struct row {
    struct dv_change change;
    bool shown; /* with its document in the page's buffer */
    struct dv_shown doc;
    size_t doc_end;
    struct row *next;
};

struct feed {
    struct dv_database *db;
    const struct dv_changes_options *opt;
    struct dv_txn *txn;
    struct dv_view view;
    struct dv_arena page; /* rows of a page */
    struct dv_arena work; /* of one row */
    struct dv_buf record, docs, out;
    struct row *first, **last;
    size_t n_rows;
    uint64_t since; /* where the next page begins */
    uint64_t limit; /* still to be told */
    uint64_t left;  /* changes from since on, when pending is wanted */
    bool counted, ended;
    uint64_t update_seq; /* once ended */
};

static int name_revs(struct feed *f, const struct dv_revtree *tree, int32_t winner,
                     struct dv_change *change, struct dv_err *err)
{
    struct dv_slice *revs;
    int32_t *leaves = &winner;
    int32_t n = 1;

    if (f->opt->all_docs && tree->n > 1) {
        leaves = dv_arena_array(&f->work, (size_t)tree->n, sizeof(*leaves), err);
        if (!leaves)
            return DV_ENOMEM;
        n = dv_revtree_leaves_by_rank(tree, leaves);
    }
    revs = dv_arena_array(&f->page, (size_t)n, sizeof(*revs), err);
    if (!revs)
        return DV_ENOMEM;
    change->revs = revs;
    change->n_revs = (size_t)n;
    for (int32_t i = 0; i < n; i++) {
        int code = dv_rev_text(tree->nodes[leaves[i]].rev, &f->page, &revs[i], err);

        if (code < 0)
            return code;
    }
    return 0;
}

static int collect_row(void *arg, const struct dv_doc_info *info, struct dv_err *err)
{
    struct feed *f = arg;
    struct dv_opened doc = { .txn = f->txn, .id = info->id, .seq = info->seq };
    struct row *row;
    int32_t winner;
    int code;

    if (f->n_rows >= DV_PAGE_ROWS || f->n_rows >= f->limit || f->docs.n >= DV_PAGE_BYTES ||
        f->page.used_bytes >= DV_PAGE_ARENA)
        return 1;
    dv_arena_reset(&f->work);
    row = dv_arena_zalloc(&f->page, sizeof(*row));
    if (!row)
        return dv_err_set(err, DV_ENOMEM, "changes");
    code = dv_tree_load(info, &f->work, &doc.tree, err);
    if (code < 0)
        return code;
    winner = dv_revtree_winner(&doc.tree);
    row->change.seq = info->seq;
    row->change.deleted = info->deleted;
    row->change.id = dv_arena_copy(&f->page, info->id);
    if (!row->change.id.p)
        return dv_err_set(err, DV_ENOMEM, "changes");
    code = name_revs(f, &doc.tree, winner, &row->change, err);
    if (code == 0 && f->opt->include_docs && doc.tree.nodes[winner].body != 0) {
        code = dv_show_head(&doc, winner, true, &f->view, &f->page, &f->record, &f->docs, &row->doc,
                            err);
        if (code == 0 && row->doc.read.n_atts == 0) /* whole */
            code = dv_show_tail(f->db, &f->view, &row->doc, &f->docs, err);
        row->shown = true;
        row->doc_end = f->docs.n;
    }
    if (code < 0)
        return code;
    *f->last = row;
    f->last = &row->next;
    f->n_rows++;
    return 0;
}

static int collect_page(void *arg, struct dv_txn *txn, struct dv_err *err)
{
    struct feed *f = arg;
    struct dv_props props;
    int code = dv_view_limit(&f->view, txn, err);

    dv_arena_reset(&f->page);
    dv_buf_reset(&f->docs);
    f->first = NULL;
    f->last = &f->first;
    f->n_rows = 0;
    f->txn = txn;
    if (code == 0 && f->opt->pending && !f->counted) {
        code = dv_txn_count_changes(txn, f->opt->descending ? 0 : f->since, &f->left, err);
        f->counted = true;
    }
    if (code == 0 && f->limit > 0)
        code = dv_txn_fold_changes(txn, f->since, f->opt->descending, collect_row, f, err);
    if (code < 0)
        return code;
    f->ended = code == 0 && f->limit > 0;
    if (!f->ended)
        return 0;
    code = dv_txn_props(txn, &props, err);
    f->update_seq = props.update_seq;
    return code;
}

static int tell_row(struct feed *f, struct row *row, dv_change_fn *fn, void *arg,
                    struct dv_err *err)
{
    int code = 0;

    if (row->shown && row->doc.read.n_atts == 0) {
        row->change.doc = dv_slice(f->docs.p + row->doc.begin, row->doc_end - row->doc.begin);
    } else if (row->shown) {
        dv_buf_reset(&f->out);
        code = dv_buf_add(&f->out, f->docs.p + row->doc.begin, row->doc_end - row->doc.begin);
        if (code < 0)
            return dv_err_set(err, code, "a document");
        code = dv_show_tail(f->db, &f->view, &row->doc, &f->out, err);
        row->change.doc = dv_buf_slice(&f->out);
    }
    if (f->left > 0)
        row->change.pending = --f->left;
    return code < 0 ? code : fn(arg, &row->change, err);
}

static int tell_page(struct feed *f, dv_change_fn *fn, void *arg, uint64_t *last_seq,
                     struct dv_err *err)
{
    for (struct row *row = f->first; row; row = row->next) {
        int code = tell_row(f, row, fn, arg, err);

        if (code < 0)
            return code;
        *last_seq = row->change.seq;
        f->since = f->opt->descending ? row->change.seq - 1 : row->change.seq;
        f->limit--;
        if (code > 0)
            return code;
    }
    return 0;
}

static int run_feed(struct feed *f, dv_change_fn *fn, void *arg, uint64_t *last_seq,
                    struct dv_err *err)
{
    bool any = false;
    int code = 0;

    while (code == 0 && f->limit > 0 && !f->ended) {
        code = dv_database_view(f->db, collect_page, f, err);
        if (code == 0)
            code = tell_page(f, fn, arg, last_seq, err);
        any = any || f->first;
        if (code == 0 && f->ended && (!f->opt->descending || !any))
            *last_seq = f->update_seq;
    }
    return code;
}

static int refresh_epochs(void *arg, struct dv_txn *txn, struct dv_err *err)
{
    return dv_database_load_epochs(arg, txn, err);
}

int dv_database_changes(struct dv_database *db, const struct dv_changes_options *opt,
                        dv_change_fn *fn, void *arg, uint64_t *last_seq, struct dv_err *err)
{
    struct dv_get_options get = { .flags = opt->get_flags };
    struct feed f = { .db = db, .opt = opt, .since = opt->since, .limit = opt->limit };
    uint64_t last = opt->since;
    int code;

    if (opt->descending)
        f.since = UINT64_MAX;
    dv_arena_init(&f.page, DV_CALL_ARENA_BYTES);
    dv_arena_init(&f.work, DV_CALL_ARENA_BYTES);
    dv_buf_init(&f.record, DV_RECORD_BUF_BYTES);
    dv_buf_init(&f.docs, 2 * DV_RECORD_BUF_BYTES);
    dv_buf_init(&f.out, DV_RECORD_BUF_BYTES);
    code = dv_view_init(&f.view, &get, &f.page, err);
    if (code == 0) /* the seqs that are told will be printed */
        code = dv_database_view(db, refresh_epochs, db, err);
    if (code == 0)
        code = run_feed(&f, fn, arg, &last, err);
    dv_buf_fini(&f.out);
    dv_buf_fini(&f.docs);
    dv_buf_fini(&f.record);
    dv_arena_fini(&f.work);
    dv_arena_fini(&f.page);
    if (code >= 0 && last_seq)
        *last_seq = last;
    return code;
}

/* ---- how many -----------------------------------------------------------------------------------
 */

struct count_call {
    uint64_t since, n;
};

static int count_changes(void *arg, struct dv_txn *txn, struct dv_err *err)
{
    struct count_call *c = arg;

    return dv_txn_count_changes(txn, c->since, &c->n, err);
}

int dv_database_count_changes(struct dv_database *db, uint64_t since, uint64_t *n,
                              struct dv_err *err)
{
    struct count_call c = { .since = since };
    int code = dv_database_view(db, count_changes, &c, err);

    if (code == 0)
        *n = c.n;
    return code;
}
