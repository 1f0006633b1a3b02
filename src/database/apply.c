/* The second half of a write: all edits of several batches in one transaction.
 *
 * Edits are grouped by document, the documents in the order of their ids, as CouchDB's updater does
 * (so that seqs come out as there) and as suits the engine's trees. Of one document the edits are
 * applied in the order given. Documents are looked up and written PAGE_DOCS at a time, which bounds
 * the memory. An edit that is refused leaves no trace; a failure of the engine ends the whole. */
#include "database/apply.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

enum { PAGE_DOCS = 1000 }; /* a multiple of DV_LOOKUP_IDS */

/* One edit of a document, with what sorting needs close by. */
struct item {
    uint64_t prefix; /* first bytes of the id, big-endian */
    uint32_t batch;
    uint32_t edit;
    struct dv_slice id;
};

struct dv_apply {
    struct dv_arena page;     /* infos and blobs of one page */
    struct dv_arena document; /* of one document */
    struct dv_buf blob, record, parent;
    struct item *items; /* owned */
    size_t n_items, capacity;
};

struct apply_call {
    struct dv_database *db;
    struct dv_apply *a;
    struct dv_batch **batches;
    size_t n_batches;
    size_t n_locals;
    uint64_t revs_limit;
    size_t written;
};

/* ---- results ----------------------------------------------------------------------------------
 */

int dv_refuse_err(struct dv_edit_result *r, struct dv_arena *arena, const struct dv_err *err)
{
    static const struct dv_err out_of_memory = {
        .code = DV_ENOMEM, .http_status = 500, .name = "out_of_memory", .reason = "out of memory"
    };
    struct dv_err *copy = dv_arena_alloc(arena, sizeof(*copy));

    if (copy)
        *copy = *err;
    r->err = copy ? copy : &out_of_memory;
    r->code = r->err->code;
    return 0;
}

int dv_refuse(struct dv_edit_result *r, struct dv_arena *arena, int code, const char *fmt, ...)
{
    char reason[sizeof(r->err->reason)];
    struct dv_err why;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(reason, sizeof(reason), fmt, ap);
    va_end(ap);
    dv_err_set(&why, code, "%s", reason);
    return dv_refuse_err(r, arena, &why);
}

int dv_refuse_as(struct dv_edit_result *r, struct dv_arena *arena, int code, int http_status,
                 const char *name, const char *fmt, ...)
{
    char reason[sizeof(r->err->reason)];
    struct dv_err why;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(reason, sizeof(reason), fmt, ap);
    va_end(ap);
    dv_err_couch(&why, code, http_status, name, "%s", reason);
    return dv_refuse_err(r, arena, &why);
}

/* ---- grouping ---------------------------------------------------------------------------------
 */

static uint64_t prefix_of(struct dv_slice id)
{
    uint64_t prefix = 0;

    for (size_t i = 0; i < 8; i++)
        prefix = prefix << 8 | (i < id.n ? (unsigned char)id.p[i] : 0);
    return prefix;
}

static int compare_items(const void *x, const void *y)
{
    const struct item *a = x, *b = y;
    int order;

    if (a->prefix != b->prefix)
        return a->prefix < b->prefix ? -1 : 1;
    order = dv_slice_cmp(a->id, b->id);
    if (order == 0)
        order = (a->batch > b->batch) - (a->batch < b->batch);
    if (order == 0)
        order = (a->edit > b->edit) - (a->edit < b->edit);
    return order;
}

static int collect(struct apply_call *c, struct dv_err *err)
{
    struct dv_apply *a = c->a;
    size_t total = 0;

    for (size_t i = 0; i < c->n_batches; i++)
        total += c->batches[i]->n;
    if (!dv_grow(&a->items, &a->capacity, total, sizeof(a->items[0])))
        return dv_err_set(err, DV_ENOMEM, "%zu edits", total);
    a->n_items = 0;
    for (size_t i = 0; i < c->n_batches; i++) {
        const struct dv_batch *b = c->batches[i];

        for (size_t j = 0; j < b->n; j++) {
            const struct dv_prepared *p = &b->edits[j];

            if (p->kind == DV_PREP_LOCAL)
                c->n_locals++;
            else if (p->kind != DV_PREP_REFUSED)
                a->items[a->n_items++] =
                    (struct item){ prefix_of(p->id), (uint32_t)i, (uint32_t)j, p->id };
        }
    }
    qsort(a->items, a->n_items, sizeof(a->items[0]), compare_items);
    return 0;
}

/* ---- documents --------------------------------------------------------------------------------
 */

struct drop_call {
    struct dv_txn *txn;
    struct dv_err *err;
    int code;
};

static void drop_body(void *arg, const struct dv_revnode *node)
{
    struct drop_call *d = arg;

    if (d->code == 0 && node->body != 0)
        d->code = dv_txn_drop_body(d->txn, node->body, d->err);
}

/* Stem and turn into a row. *same when it is as it was. */
static int finish_group(struct apply_call *c, struct dv_group *g, const struct dv_doc_info *info,
                        struct dv_doc_write *write, bool *same, struct dv_err *err)
{
    struct drop_call drop = { .txn = g->txn, .err = err };
    int code;

    if (g->tree.n > 1) {
        code = dv_revtree_stem(&g->tree, c->revs_limit, drop_body, &drop);
        if (code < 0)
            return dv_err_set(err, code, "stemming");
        if (drop.code < 0)
            return drop.code;
    }
    write->old = info->found ? info : NULL;
    write->id = g->id;
    code = dv_tree_store(&g->tree, &c->a->blob, &c->a->page, write, err);
    *same = code == 0 && info->found && dv_slice_eq(write->tree, info->tree);
    return code;
}

/* All edits of one document. */
static int apply_group(struct apply_call *c, struct dv_txn *txn, const struct item *items, size_t n,
                       const struct dv_doc_info *info, struct dv_doc_write *write, bool *same,
                       struct dv_err *err)
{
    struct dv_apply *a = c->a;
    struct dv_group g = { .db = c->db,
                          .txn = txn,
                          .id = items[0].id,
                          .arena = &a->document,
                          .record = &a->record,
                          .parent = &a->parent };
    int code = 0;

    dv_arena_reset(&a->document);
    dv_revtree_init(&g.tree, &a->document);
    if (info->found)
        code = dv_tree_load(info, &a->document, &g.tree, err);
    for (size_t i = 0; code == 0 && i < n; i++) {
        struct dv_batch *b = c->batches[items[i].batch];
        const struct dv_prepared *p = &b->edits[items[i].edit];
        struct dv_edit_result *r = &b->results[items[i].edit];

        r->code = 0;
        r->err = NULL;
        g.results = &b->arena;
        code = p->kind == DV_PREP_REPLICATED ? dv_group_replicated(&g, p, r, err)
                                             : dv_group_edit(&g, p, r, err);
    }
    *same = true;
    if (code < 0 || !g.changed)
        return code;
    return finish_group(c, &g, info, write, same, err);
}

/* Where the edits of the document at `at` end. */
static size_t group_end(const struct dv_apply *a, size_t at)
{
    size_t end = at + 1;

    while (end < a->n_items && a->items[end].prefix == a->items[at].prefix &&
           dv_slice_eq(a->items[end].id, a->items[at].id))
        end++;
    return end;
}

/* What is changed together. */
struct page {
    struct dv_slice ids[PAGE_DOCS];
    struct dv_doc_info infos[PAGE_DOCS];
    struct dv_doc_write writes[PAGE_DOCS];
    size_t n, n_writes;
};

/* Look up the documents from item `at` on: at most a page, and fewer when their trees are large. */
static int look_up(struct apply_call *c, struct dv_txn *txn, size_t at, struct page *page,
                   struct dv_err *err)
{
    struct dv_apply *a = c->a;
    size_t known = 0;

    page->n = page->n_writes = 0;
    while (at < a->n_items && page->n < PAGE_DOCS) {
        int code;

        for (; at < a->n_items && page->n < known + DV_LOOKUP_IDS; at = group_end(a, at))
            page->ids[page->n++] = a->items[at].id;
        code = dv_txn_open_docs(txn, page->ids + known, page->n - known, &a->page,
                                page->infos + known, err);
        if (code < 0)
            return code;
        known = page->n;
        if (a->page.used_bytes > DV_LOOKUP_BYTES)
            break;
    }
    return 0;
}

/* Look up, change and write the documents from item *at on; moves *at. */
static int apply_page(struct apply_call *c, struct dv_txn *txn, size_t *at, struct dv_err *err)
{
    struct dv_apply *a = c->a;
    struct page *page;
    size_t item = *at;
    int code;

    dv_arena_reset(&a->page);
    page = dv_arena_alloc(&a->page, sizeof(*page));
    if (!page)
        return dv_err_set(err, DV_ENOMEM, "a page of documents");
    code = look_up(c, txn, item, page, err);
    for (size_t i = 0; code == 0 && i < page->n; i++) {
        size_t end = group_end(a, item);
        bool same;

        code = apply_group(c, txn, &a->items[item], end - item, &page->infos[i],
                           &page->writes[page->n_writes], &same, err);
        page->n_writes += code == 0 && !same;
        item = end;
    }
    if (code == 0 && page->n_writes > 0)
        code = dv_txn_write_docs(txn, page->writes, page->n_writes, err);
    c->written += page->n_writes;
    *at = item;
    return code;
}

/* Local documents have no history: the number asked for, plus one, and never a conflict
 * (recorded, steps 135 to 143). */
static int apply_locals(struct apply_call *c, struct dv_txn *txn, struct dv_err *err)
{
    struct dv_local *locals;
    size_t n = 0;

    dv_arena_reset(&c->a->page);
    locals = dv_arena_array(&c->a->page, c->n_locals, sizeof(*locals), err);
    if (!locals)
        return DV_ENOMEM;
    for (size_t i = 0; i < c->n_batches; i++) {
        struct dv_batch *b = c->batches[i];

        for (size_t j = 0; j < b->n; j++) {
            const struct dv_prepared *p = &b->edits[j];
            char rev[24];

            if (p->kind != DV_PREP_LOCAL)
                continue;
            locals[n++] = (struct dv_local){
                .found = !p->deleted, .id = p->id, .rev = p->local_rev, .body = p->body
            };
            b->results[j].code = 0;
            snprintf(rev, sizeof(rev), "0-%llu", (unsigned long long)p->local_rev);
            b->results[j].rev = dv_arena_copy(&b->arena, dv_slice_str(rev));
            if (!b->results[j].rev.p)
                return dv_err_set(err, DV_ENOMEM, "a local document");
        }
    }
    return dv_txn_write_locals(txn, locals, n, err);
}

static int apply_all(void *arg, struct dv_txn *txn, struct dv_err *err)
{
    struct apply_call *c = arg;
    struct dv_props props;
    int code = dv_txn_props(txn, &props, err);

    c->written = 0;
    c->revs_limit = props.revs_limit;
    for (size_t at = 0; code == 0 && at < c->a->n_items;)
        code = apply_page(c, txn, &at, err);
    if (code == 0 && c->n_locals > 0)
        code = apply_locals(c, txn, err);
    if (code < 0)
        return code;
    return c->written + c->n_locals > 0 ? 0 : 1;
}

/* ---- memory -----------------------------------------------------------------------------------
 */

void dv_apply_free(struct dv_apply *a)
{
    if (!a)
        return;
    dv_arena_fini(&a->page);
    dv_arena_fini(&a->document);
    dv_buf_fini(&a->blob);
    dv_buf_fini(&a->record);
    dv_buf_fini(&a->parent);
    dv_free(a->items);
    dv_free(a);
}

static struct dv_apply *take_apply(struct dv_database *db)
{
    struct dv_apply *a;

    pthread_mutex_lock(&db->lock);
    a = db->spare_apply;
    db->spare_apply = NULL;
    pthread_mutex_unlock(&db->lock);
    if (a)
        return a;
    a = dv_calloc(1, sizeof(*a));
    if (!a)
        return NULL;
    dv_arena_init(&a->page, DV_CALL_ARENA_BYTES);
    dv_arena_init(&a->document, DV_CALL_ARENA_BYTES);
    dv_buf_init(&a->blob, DV_RECORD_BUF_BYTES);
    dv_buf_init(&a->record, DV_RECORD_BUF_BYTES);
    dv_buf_init(&a->parent, DV_RECORD_BUF_BYTES);
    return a;
}

/* Keep it for the next transaction, unless a giant has passed through it. */
static void give_back(struct dv_database *db, struct dv_apply *a)
{
    struct dv_apply *unwanted = a;

    dv_arena_reset(&a->page);
    dv_arena_reset(&a->document);
    if (a->blob.capacity + a->record.capacity + a->parent.capacity <= 4 * DV_PAGE_BYTES) {
        pthread_mutex_lock(&db->lock);
        unwanted = db->spare_apply;
        db->spare_apply = a;
        pthread_mutex_unlock(&db->lock);
    }
    dv_apply_free(unwanted);
}

int dv_database_apply(struct dv_database *db, struct dv_batch **batches, size_t n,
                      enum dv_commit commit, struct dv_err *err)
{
    struct apply_call c = { .db = db, .batches = batches, .n_batches = n };
    int code;

    c.a = take_apply(db);
    if (!c.a) {
        code = dv_err_set(err, DV_ENOMEM, "a transaction");
    } else {
        code = collect(&c, err);
        if (code == 0 && c.a->n_items + c.n_locals > 0)
            code = dv_database_update(db, commit, apply_all, &c, err);
        give_back(db, c.a);
    }
    return code;
}
