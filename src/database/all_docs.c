/* Documents by id, by range or by keys, and local documents by id: pages collected in read
 * transactions and told outside of them. A range goes on behind the last id of the page before. */
#include <stdio.h>

#include "database/show.h"

struct shown_row {
    struct dv_row row; /* slices in the page's arena */
    bool shown;
    struct dv_shown doc;
    size_t doc_end;
    struct shown_row *next;
};

struct scan {
    struct dv_database *db;
    const struct dv_all_docs_options *opt;
    struct dv_txn *txn;
    struct dv_view view;
    struct dv_arena page; /* rows of a page */
    struct dv_arena work; /* of one row */
    struct dv_buf record, docs, out;
    struct dv_buf last_id; /* of the page before */
    bool resumed;
    struct shown_row *first, **last;
    size_t n_rows, n_seen; /* of this page: collected, walked over */
    uint64_t skip, limit;  /* still to be done */
    size_t key;            /* the next of opt->keys */
    bool counted, ended;
    uint64_t total, offset;
};

static struct shown_row *add_row(struct scan *s, struct dv_slice key, struct dv_err *err)
{
    struct shown_row *row = dv_arena_zalloc(&s->page, sizeof(*row));

    if (row)
        row->row.key = dv_arena_copy(&s->page, key);
    if (!row || !row->row.key.p) {
        dv_err_set(err, DV_ENOMEM, "rows");
        return NULL;
    }
    *s->last = row;
    s->last = &row->next;
    s->n_rows++;
    return row;
}

static bool is_full(const struct scan *s)
{
    return s->n_seen >= DV_PAGE_ROWS || s->docs.n >= DV_PAGE_BYTES ||
           s->page.used_bytes >= DV_PAGE_ARENA;
}

static int fill_row(struct scan *s, struct shown_row *row, const struct dv_doc_info *info,
                    struct dv_err *err)
{
    struct dv_opened doc = { .txn = s->txn, .id = info->id, .seq = info->seq };
    int32_t winner;
    int code;

    dv_arena_reset(&s->work);
    code = dv_tree_load(info, &s->work, &doc.tree, err);
    if (code < 0)
        return code;
    winner = dv_revtree_winner(&doc.tree);
    row->row.found = true;
    row->row.deleted = info->deleted;
    code = dv_rev_text(doc.tree.nodes[winner].rev, &s->page, &row->row.rev, err);
    if (code < 0 || !s->opt->include_docs || info->deleted || doc.tree.nodes[winner].body == 0)
        return code;
    code =
        dv_show_head(&doc, winner, true, &s->view, &s->page, &s->record, &s->docs, &row->doc, err);
    if (code == 0 && row->doc.read.n_atts == 0)
        code = dv_show_tail(s->db, &s->view, &row->doc, &s->docs, err);
    row->shown = true;
    row->doc_end = s->docs.n;
    return code;
}

static void begin_page(struct scan *s, struct dv_txn *txn)
{
    dv_arena_reset(&s->page);
    dv_buf_reset(&s->docs);
    s->first = NULL;
    s->last = &s->first;
    s->n_rows = s->n_seen = 0;
    s->txn = txn;
}

/* ---- ranges -------------------------------------------------------------------------------------
 */

/* Remember where to go on; skips what the page before ended with. 1: not a row of this page. */
static int walk(struct scan *s, struct dv_slice id, struct dv_err *err)
{
    int code;

    if (s->resumed && dv_slice_eq(id, dv_buf_slice(&s->last_id)))
        return 1;
    s->n_seen++;
    dv_buf_reset(&s->last_id);
    code = dv_buf_add_slice(&s->last_id, id);
    if (code < 0)
        return dv_err_set(err, code, "an id");
    if (s->skip == 0)
        return 0;
    s->skip--;
    return 1;
}

static int collect_doc(void *arg, const struct dv_doc_info *info, struct dv_err *err)
{
    struct scan *s = arg;
    struct shown_row *row;
    int code;

    if (is_full(s) || s->n_rows >= s->limit)
        return 1;
    code = walk(s, info->id, err);
    if (code != 0)
        return code < 0 ? code : 0;
    row = add_row(s, info->id, err);
    return row ? fill_row(s, row, info, err) : DV_ENOMEM;
}

static int collect_local(void *arg, const struct dv_local *local, struct dv_err *err)
{
    struct scan *s = arg;
    struct shown_row *row;
    char rev[24];
    int code;

    if (is_full(s) || s->n_rows >= s->limit)
        return 1;
    code = walk(s, local->id, err);
    if (code != 0)
        return code < 0 ? code : 0;
    row = add_row(s, local->id, err);
    if (!row)
        return DV_ENOMEM;
    snprintf(rev, sizeof(rev), "0-%llu", (unsigned long long)local->rev);
    row->row.found = true;
    row->row.rev = dv_arena_copy(&s->page, dv_slice_str(rev));
    if (!row->row.rev.p)
        return dv_err_set(err, DV_ENOMEM, "rows");
    if (!s->opt->include_docs)
        return 0;
    row->doc.begin = s->docs.n;
    code = dv_show_local(local, &s->docs, err);
    row->shown = true;
    row->doc_end = s->docs.n;
    return code;
}

/* Live documents that stand before the first row, seen in the direction of the range. */
static int count_before(struct scan *s, struct dv_txn *txn, struct dv_err *err)
{
    const struct dv_range *r = &s->opt->range;
    struct dv_props props;
    char *behind;
    uint64_t n = 0;
    int code = dv_txn_props(txn, &props, err);

    s->counted = true;
    if (code < 0)
        return code;
    s->total = props.doc_count;
    if (r->has_start && !r->descending) {
        code = dv_txn_count_docs_before(txn, r->start_key, &n, err);
    } else if (r->has_start) {
        /* The key with a NUL behind it is the next key there can be. */
        behind = dv_arena_alloc(&s->work, r->start_key.n + 1);
        if (!behind)
            return dv_err_set(err, DV_ENOMEM, "a key");
        if (r->start_key.n)
            memcpy(behind, r->start_key.p, r->start_key.n);
        behind[r->start_key.n] = '\0';
        code = dv_txn_count_docs_before(txn, dv_slice(behind, r->start_key.n + 1), &n, err);
        n = s->total - n;
    }
    s->offset = n + s->opt->skip;
    if (s->offset > s->total)
        s->offset = s->total;
    return code;
}

static struct dv_range rest_of(const struct scan *s)
{
    struct dv_range r = s->opt->range;

    if (s->resumed) {
        r.has_start = true;
        r.start_key = dv_buf_slice(&s->last_id);
    }
    return r;
}

static int collect_range(void *arg, struct dv_txn *txn, struct dv_err *err)
{
    struct scan *s = arg;
    struct dv_range range;
    struct dv_buf from;
    int code = dv_view_limit(&s->view, txn, err);

    begin_page(s, txn);
    if (code == 0 && !s->counted)
        code = count_before(s, txn, err);
    if (code < 0 || s->limit == 0)
        return code;
    /* last_id changes while the engine still looks at where to start. */
    dv_buf_init(&from, DV_PAGE_BYTES);
    range = rest_of(s);
    code = dv_buf_add_slice(&from, range.start_key);
    range.start_key = dv_buf_slice(&from);
    if (code < 0)
        dv_err_set(err, code, "a key");
    else
        code = dv_txn_fold_docs(txn, &range, collect_doc, s, err);
    dv_buf_fini(&from);
    s->ended = code == 0;
    return code < 0 ? code : 0;
}

static int collect_locals(void *arg, struct dv_txn *txn, struct dv_err *err)
{
    struct scan *s = arg;
    struct dv_range range = rest_of(s);
    struct dv_buf from;
    int code;

    begin_page(s, txn);
    if (s->limit == 0)
        return 0;
    dv_buf_init(&from, DV_PAGE_BYTES);
    code = dv_buf_add_slice(&from, range.start_key);
    range.start_key = dv_buf_slice(&from);
    if (code < 0)
        dv_err_set(err, code, "a key");
    else
        code = dv_txn_fold_locals(txn, &range, collect_local, s, err);
    dv_buf_fini(&from);
    s->ended = code == 0;
    return code < 0 ? code : 0;
}

/* ---- keys ---------------------------------------------------------------------------------------
 */

static int collect_key(struct scan *s, struct dv_slice key, struct dv_err *err)
{
    struct dv_doc_info info;
    struct shown_row *row;
    int code;

    dv_arena_reset(&s->work);
    code = dv_txn_open_docs(s->txn, &key, 1, &s->work, &info, err);
    if (code < 0)
        return code;
    row = add_row(s, key, err);
    if (!row)
        return DV_ENOMEM;
    if (!info.found)
        return 0;
    info.tree = dv_arena_copy(&s->page, info.tree); /* fill_row begins with an empty arena */
    info.id = row->row.key;
    if (!info.tree.p)
        return dv_err_set(err, DV_ENOMEM, "rows");
    return fill_row(s, row, &info, err);
}

static int collect_keys(void *arg, struct dv_txn *txn, struct dv_err *err)
{
    struct scan *s = arg;
    size_t n_keys = s->opt->n_keys;
    struct dv_props props;
    int code = dv_view_limit(&s->view, txn, err);

    begin_page(s, txn);
    if (code == 0)
        code = dv_txn_props(txn, &props, err);
    if (code < 0)
        return code;
    s->total = props.doc_count;
    if (s->key == 0 && s->skip > 0) {
        s->key = s->skip < n_keys ? (size_t)s->skip : n_keys;
        s->skip = 0;
    }
    while (code == 0 && s->key < n_keys && !is_full(s) && s->n_rows < s->limit) {
        struct dv_slice key = s->opt->keys[s->opt->range.descending ? n_keys - 1 - s->key : s->key];

        s->n_seen++;
        s->key++;
        code = collect_key(s, key, err);
    }
    s->ended = s->key == n_keys;
    return code;
}

/* ---- telling ------------------------------------------------------------------------------------
 */

static int tell_row(struct scan *s, struct shown_row *row, dv_row_fn *fn, void *arg,
                    struct dv_err *err)
{
    int code = 0;

    if (row->shown && row->doc.read.n_atts == 0) {
        row->row.doc = dv_slice(s->docs.p + row->doc.begin, row->doc_end - row->doc.begin);
    } else if (row->shown) {
        dv_buf_reset(&s->out);
        code = dv_buf_add(&s->out, s->docs.p + row->doc.begin, row->doc_end - row->doc.begin);
        if (code < 0)
            return dv_err_set(err, code, "a document");
        code = dv_show_tail(s->db, &s->view, &row->doc, &s->out, err);
        row->row.doc = dv_buf_slice(&s->out);
    }
    return code < 0 ? code : fn(arg, &row->row, err);
}

/* total and offset are the caller's from the first page on, so that fn may use them. */
static int run_scan(struct scan *s, dv_closure_fn *collect, dv_row_fn *fn, void *arg,
                    uint64_t *total, uint64_t *offset, struct dv_err *err)
{
    int code;

    do {
        code = dv_database_view(s->db, collect, s, err);
        if (code < 0)
            return code;
        if (!s->resumed) {
            if (total)
                *total = s->total;
            if (offset)
                *offset = s->offset;
        }
        s->resumed = true;
        for (struct shown_row *row = s->first; code == 0 && row; row = row->next) {
            code = tell_row(s, row, fn, arg, err);
            s->limit--;
        }
    } while (code == 0 && !s->ended && s->limit > 0);
    return code;
}

static int scan(struct dv_database *db, const struct dv_all_docs_options *opt,
                dv_closure_fn *collect, dv_row_fn *fn, void *arg, uint64_t *total, uint64_t *offset,
                struct dv_err *err)
{
    struct dv_get_options get = { .flags = opt->get_flags };
    struct scan s = { .db = db, .opt = opt, .skip = opt->skip, .limit = opt->limit };
    int code;

    dv_arena_init(&s.page, DV_CALL_ARENA_BYTES);
    dv_arena_init(&s.work, DV_CALL_ARENA_BYTES);
    dv_buf_init(&s.record, DV_RECORD_BUF_BYTES);
    dv_buf_init(&s.docs, 2 * DV_RECORD_BUF_BYTES);
    dv_buf_init(&s.out, DV_RECORD_BUF_BYTES);
    dv_buf_init(&s.last_id, DV_PAGE_BYTES);
    code = dv_view_init(&s.view, &get, &s.page, err);
    if (code == 0)
        code = run_scan(&s, collect, fn, arg, total, offset, err);
    dv_buf_fini(&s.last_id);
    dv_buf_fini(&s.out);
    dv_buf_fini(&s.docs);
    dv_buf_fini(&s.record);
    dv_arena_fini(&s.work);
    dv_arena_fini(&s.page);
    return code;
}

int dv_database_all_docs(struct dv_database *db, const struct dv_all_docs_options *opt,
                         dv_row_fn *fn, void *arg, uint64_t *total, uint64_t *offset,
                         struct dv_err *err)
{
    return scan(db, opt, opt->has_keys ? collect_keys : collect_range, fn, arg, total, offset, err);
}

int dv_database_local_docs(struct dv_database *db, const struct dv_all_docs_options *opt,
                           dv_row_fn *fn, void *arg, struct dv_err *err)
{
    return scan(db, opt, collect_locals, fn, arg, NULL, NULL, err);
}
