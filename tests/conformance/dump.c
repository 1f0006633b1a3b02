/* A database as lines of text, so that two states of it can be compared in every detail. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "conformance/cf.h"

struct dump {
    struct dv_txn *txn;
    struct dv_buf *out;
    struct dv_arena arena;
};

/* Bytes so that a line stays a line. */
static void add_bytes(struct dv_buf *out, struct dv_slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] > 0x20 && s.p[i] < 0x7f && s.p[i] != '%')
            dv_buf_add_char(out, s.p[i]);
        else
            dv_buf_printf(out, "%%%02x", (unsigned char)s.p[i]);
}

static int dump_props(struct dump *d, struct dv_err *err)
{
    struct dv_props p;
    struct dv_epoch *epochs;
    size_t n;
    int rc = dv_txn_props(d->txn, &p, err);

    if (rc == 0)
        rc = dv_txn_epochs(d->txn, &d->arena, &epochs, &n, err);
    if (rc < 0)
        return rc;
    dv_buf_printf(d->out, "counts %llu %llu seqs %llu %llu limit %llu uuid %s external %llu\n",
                  (unsigned long long)p.doc_count, (unsigned long long)p.deleted_doc_count,
                  (unsigned long long)p.update_seq, (unsigned long long)p.purge_seq,
                  (unsigned long long)p.revs_limit, p.uuid, (unsigned long long)p.external_bytes);
    for (size_t i = 0; i < n; i++)
        dv_buf_printf(d->out, "epoch %s %llu\n", epochs[i].node, (unsigned long long)epochs[i].seq);
    dv_buf_add_str(d->out, "security ");
    rc = dv_txn_security(d->txn, d->out, err);
    dv_buf_add_char(d->out, '\n');
    return rc;
}

static int dump_node(struct dump *d, const struct dv_revnode *node, struct dv_err *err)
{
    struct dv_buf body;
    int rc;

    dv_buf_printf(d->out, "  %d ", (int)node->parent);
    dv_rev_add_text(d->out, node->rev);
    if (node->children > 0) {
        dv_buf_add_char(d->out, '\n');
        return 0;
    }
    dv_buf_printf(d->out, " deleted %d bytes %llu ", node->deleted,
                  (unsigned long long)node->bytes);
    dv_buf_init(&body, CF_ANY);
    rc = dv_txn_read_body(d->txn, node->body, &body, err);
    add_bytes(d->out, dv_buf_slice(&body));
    dv_buf_add_char(d->out, '\n');
    dv_buf_fini(&body);
    return rc;
}

static int dump_doc(void *arg, const struct dv_doc_info *info, struct dv_err *err)
{
    struct dump *d = arg;
    struct dv_revtree tree;
    int rc;

    dv_arena_reset(&d->arena);
    dv_buf_add_str(d->out, "doc ");
    add_bytes(d->out, info->id);
    dv_buf_printf(d->out, " seq %llu deleted %d leaf bytes %llu\n", (unsigned long long)info->seq,
                  info->deleted, (unsigned long long)info->leaf_bytes);
    rc = dv_revtree_parse(info->tree, &d->arena, &tree, err);
    for (int32_t i = 0; rc == 0 && i < tree.n; i++)
        rc = dump_node(d, &tree.nodes[i], err);
    return rc;
}

static int dump_change(void *arg, const struct dv_doc_info *info, struct dv_err *err)
{
    struct dump *d = arg;

    (void)err;
    dv_buf_printf(d->out, "change %llu ", (unsigned long long)info->seq);
    add_bytes(d->out, info->id);
    dv_buf_add_char(d->out, '\n');
    return 0;
}

static int dump_local(void *arg, const struct dv_local *l, struct dv_err *err)
{
    struct dump *d = arg;

    (void)err;
    dv_buf_add_str(d->out, "local ");
    add_bytes(d->out, l->id);
    dv_buf_printf(d->out, " 0-%llu ", (unsigned long long)l->rev);
    add_bytes(d->out, l->body);
    dv_buf_add_char(d->out, '\n');
    return 0;
}

static int dump_purge(void *arg, const struct dv_purge_info *info, struct dv_err *err)
{
    struct dump *d = arg;

    (void)err;
    dv_buf_printf(d->out, "purge %llu ", (unsigned long long)info->purge_seq);
    add_bytes(d->out, info->uuid);
    dv_buf_add_char(d->out, ' ');
    add_bytes(d->out, info->id);
    for (size_t i = 0; i < info->n_revs; i++) {
        dv_buf_add_char(d->out, ' ');
        add_bytes(d->out, info->revs[i]);
    }
    dv_buf_add_char(d->out, '\n');
    return 0;
}

static int dump_all(struct dump *d, struct dv_err *err)
{
    struct dv_range all = { .include_deleted = true };
    int rc = dump_props(d, err);

    if (rc == 0)
        rc = dv_txn_fold_docs(d->txn, &all, dump_doc, d, err);
    if (rc == 0)
        rc = dv_txn_fold_changes(d->txn, 0, false, dump_change, d, err);
    if (rc == 0)
        rc = dv_txn_fold_locals(d->txn, &all, dump_local, d, err);
    if (rc == 0)
        rc = dv_txn_fold_purges(d->txn, 0, dump_purge, d, err);
    return rc;
}

int cf_dump(struct dv_store *s, struct dv_buf *out, struct dv_err *err)
{
    struct dump d = { .out = out };
    int rc = dv_store_begin_read(s, &d.txn, err);

    if (rc < 0)
        return rc;
    dv_arena_init(&d.arena, CF_ANY);
    rc = dump_all(&d, err);
    dv_arena_fini(&d.arena);
    dv_txn_rollback(d.txn);
    return rc < 0 ? rc : out->failed;
}

/* The line that starts at `from`, its first 200 bytes. */
static struct dv_slice line_at(const struct dv_buf *b, size_t from)
{
    size_t n = 0;

    while (from + n < b->n && n < 200 && b->p[from + n] != '\n')
        n++;
    return dv_slice(b->p + from, n);
}

void cf_dump_equal(const struct dv_buf *before, const struct dv_buf *after)
{
    size_t i = 0, line = 0;
    struct dv_slice a, b;

    while (i < before->n && i < after->n && before->p[i] == after->p[i])
        if (before->p[i++] == '\n')
            line = i;
    a = line_at(before, line);
    b = line_at(after, line);
    ck_assert_msg(i == before->n && i == after->n, "before: %.*s\nafter:  %.*s", (int)a.n, a.p,
                  (int)b.n, b.p);
}
