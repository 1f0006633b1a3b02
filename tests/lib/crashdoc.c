/* See crashdoc.h. A record is text: "salt N att HEX-ENC ... fill ...". */
#include "lib/crashdoc.h"

#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/rand.h"
#include "couch/revtree.h"

enum { ARENA_BYTES = 64 << 20, REVS_MAX = 1000, BODIES_MAX = 256, TREE_BYTES = 1 << 20 };

/* A document as it is being changed. */
struct draft {
    struct dv_txn *txn;
    struct dv_arena arena;
    struct dv_doc_info info;
    struct dv_revtree tree;
    struct dv_buf blob;
    uint64_t dropped[BODIES_MAX]; /* records that the change leaves without a node */
    size_t n_dropped;
};

static void draft_close(struct draft *d)
{
    dv_buf_fini(&d->blob);
    dv_arena_fini(&d->arena);
}

static int draft_open(struct draft *d, struct dv_txn *t, const char *id, struct dv_err *err)
{
    struct dv_slice name = dv_slice_str(id);
    int rc;

    memset(d, 0, sizeof(*d));
    d->txn = t;
    dv_arena_init(&d->arena, ARENA_BYTES);
    dv_buf_init(&d->blob, TREE_BYTES);
    dv_revtree_init(&d->tree, &d->arena);
    rc = dv_txn_open_docs(t, &name, 1, &d->arena, &d->info, err);
    if (rc == 0 && d->info.found)
        rc = dv_revtree_parse(d->info.tree, &d->arena, &d->tree, err);
    return rc;
}

static void note_dropped(void *arg, const struct dv_revnode *node)
{
    struct draft *d = arg;

    if (node->body && d->n_dropped < BODIES_MAX)
        d->dropped[d->n_dropped++] = node->body;
}

/* What dv_txn_write_docs and dv_txn_purge take; the tree's bytes live in the draft. */
static int draft_write(struct draft *d, struct dv_slice id, struct dv_doc_write *w,
                       struct dv_err *err)
{
    int32_t winner = dv_revtree_winner(&d->tree);
    int rc;

    memset(w, 0, sizeof(*w));
    w->old = d->info.found ? &d->info : NULL;
    w->id = id;
    w->deleted = d->tree.nodes[winner].deleted;
    for (int32_t i = 0; i < d->tree.n; i++)
        if (d->tree.nodes[i].children == 0)
            w->leaf_bytes += d->tree.nodes[i].bytes;
    rc = dv_revtree_serialise(&d->tree, &d->blob);
    w->tree = dv_buf_slice(&d->blob);
    return rc < 0 ? dv_err_set(err, rc, "tree") : 0;
}

/* 16 bytes that are this edit's revision id. */
static struct dv_slice make_rev_id(struct draft *d, const struct crash_edit *e)
{
    struct dv_rng rng;
    uint64_t raw[2], mix = e->salt * 1099511628211u;

    for (const char *p = e->id; *p; p++)
        mix = (mix ^ (unsigned char)*p) * 1099511628211u;
    dv_rng_seed(&rng, mix);
    raw[0] = dv_rng_next(&rng);
    raw[1] = dv_rng_next(&rng);
    return dv_arena_copy(&d->arena, dv_slice(raw, sizeof(raw)));
}

static int merge_edit(struct draft *d, const struct crash_edit *e, int32_t *leaf,
                      struct dv_err *err)
{
    struct dv_slice ids[REVS_MAX];
    struct dv_revpath path = { .ids = ids, .n = 1, .deleted = e->deleted };
    int32_t at = dv_revtree_winner(&d->tree);
    enum dv_merge what;

    if (e->conflict && at >= 0)
        at = d->tree.nodes[at].parent;
    path.start = at >= 0 ? d->tree.nodes[at].rev.gen + 1 : 1;
    ids[0] = make_rev_id(d, e);
    for (; at >= 0 && path.n < REVS_MAX; at = d->tree.nodes[at].parent)
        ids[path.n++] = d->tree.nodes[at].rev.id;
    return dv_revtree_merge(&d->tree, &path, &what, leaf, err);
}

void crashdoc_fill(uint64_t salt, void *p, size_t n)
{
    struct dv_rng rng;
    unsigned char *out = p;

    dv_rng_seed(&rng, salt);
    for (size_t i = 0; i < n; i += 8) {
        uint64_t v = dv_rng_next(&rng);

        memcpy(out + i, &v, n - i < 8 ? n - i : 8);
    }
}

static int make_record(const struct crash_edit *e, struct dv_buf *out)
{
    dv_buf_printf(out, "salt %llu", (unsigned long long)e->salt);
    for (size_t i = 0; i < e->n_atts; i++) {
        dv_buf_add_str(out, " att ");
        dv_buf_add_hex(out, e->atts[i].sha256, sizeof(e->atts[i].sha256));
        dv_buf_printf(out, "-%u", e->atts[i].encoding);
    }
    dv_buf_add_str(out, " fill ");
    if (dv_buf_reserve(out, e->body_bytes) == 0) {
        crashdoc_fill(e->salt, out->p + out->n, e->body_bytes);
        out->n += e->body_bytes;
    }
    return out->failed;
}

static int put_record(struct draft *d, const struct crash_edit *e, int32_t leaf, struct dv_err *err)
{
    struct dv_revnode *node = &d->tree.nodes[leaf];
    struct dv_buf record;
    int rc;

    dv_buf_init(&record, 1 << 20);
    rc = make_record(e, &record);
    if (rc == 0)
        rc = dv_txn_put_body(d->txn, dv_buf_slice(&record), e->atts, e->n_atts, &node->body, err);
    node->bytes = record.n;
    dv_buf_fini(&record);
    return rc;
}

int crashdoc_edit(struct dv_txn *t, const struct crash_edit *e, struct dv_err *err)
{
    struct dv_doc_write w;
    struct dv_props props;
    struct draft d;
    int32_t leaf;
    int rc = draft_open(&d, t, e->id, err);

    if (rc == 0)
        rc = dv_txn_props(t, &props, err);
    if (rc == 0)
        rc = merge_edit(&d, e, &leaf, err);
    if (rc == 0)
        rc = put_record(&d, e, leaf, err);
    if (rc == 0)
        dv_revtree_stem(&d.tree, props.revs_limit, note_dropped, &d);
    for (size_t i = 0; rc == 0 && i < d.n_dropped; i++)
        rc = dv_txn_drop_body(t, d.dropped[i], err);
    if (rc == 0)
        rc = draft_write(&d, dv_slice_str(e->id), &w, err);
    if (rc == 0)
        rc = dv_txn_write_docs(t, &w, 1, err);
    draft_close(&d);
    return rc;
}

static int purge_winner(struct draft *d, const char *id, const char *uuid, struct dv_err *err)
{
    int32_t winner = dv_revtree_winner(&d->tree);
    struct dv_slice rev = DV_SLICE_LIT("1-none");
    struct dv_doc_write left;
    struct dv_purge p = {
        .info = { .uuid = dv_slice_str(uuid), .id = dv_slice_str(id), .revs = &rev, .n_revs = 1 }
    };
    struct dv_buf text;
    int rc = 0;

    dv_buf_init(&text, 1000);
    if (winner >= 0) {
        dv_rev_add_text(&text, d->tree.nodes[winner].rev);
        rev = dv_buf_slice(&text);
        p.old = &d->info;
        p.changes = dv_revtree_remove_leaf(&d->tree, d->tree.nodes[winner].rev, note_dropped, d);
        p.bodies = d->dropped;
        p.n_bodies = d->n_dropped;
    }
    if (winner >= 0 && d->tree.n > 0) {
        rc = draft_write(d, p.info.id, &left, err);
        p.left = &left;
    }
    if (rc == 0)
        rc = dv_txn_purge(d->txn, &p, 1, err);
    dv_buf_fini(&text);
    return rc;
}

int crashdoc_purge(struct dv_txn *t, const char *id, const char *uuid, struct dv_err *err)
{
    struct draft d;
    int rc = draft_open(&d, t, id, err);

    if (rc == 0)
        rc = purge_winner(&d, id, uuid, err);
    draft_close(&d);
    return rc;
}

int crashdoc_attach(struct dv_store *s, struct dv_txn *txn, uint64_t salt, size_t bytes,
                    struct dv_att_info *info, struct dv_err *err)
{
    /* Compressing is slow, and the same for the store. */
    enum dv_att_mode mode = bytes < 10000 ? DV_ATT_COMPRESS : DV_ATT_AS_IS;
    char *all = dv_malloc(bytes + 1);
    struct dv_att_writer *w;
    int rc;

    if (!all)
        return dv_err_set(err, DV_ENOMEM, NULL);
    crashdoc_fill(salt, all, bytes);
    rc = dv_att_writer_open(s, txn, mode, 0, &w, err);
    for (size_t at = 0; rc == 0 && at < bytes;) {
        size_t n = 20011 < bytes - at ? 20011 : bytes - at;

        rc = dv_att_writer_append(w, dv_slice(all + at, n), err);
        if (rc < 0)
            dv_att_writer_abort(w);
        at += n;
    }
    if (rc == 0)
        rc = dv_att_writer_finish(w, info, err);
    dv_free(all);
    return rc;
}

/* ---- the dump ------------------------------------------------------------------------------- */

struct dump {
    struct dv_store *store;
    struct dv_txn *txn;
    struct dv_arena *arena;
    struct dv_buf *out;
    uint64_t revs_limit;
};

static bool read_key(const char *hex, struct dv_att_key *key)
{
    for (size_t i = 0; i < sizeof(key->sha256); i++) {
        char two[3] = { hex[2 * i], hex[2 * i + 1], '\0' };

        key->sha256[i] = (unsigned char)strtoul(two, NULL, 16);
    }
    key->encoding = (unsigned char)(hex[65] - '0');
    return hex[64] == '-';
}

static int dump_attachment(struct dump *d, const struct dv_att_key *key, struct dv_err *err)
{
    struct dv_att_reader *r;
    char chunk[8192];
    size_t got = 1, total = 0;
    unsigned long sum = 0;
    int rc = dv_att_reader_open(d->store, d->txn, key, 0, UINT64_MAX, &r, err);

    if (rc < 0)
        return rc;
    while (rc == 0 && got > 0) {
        rc = dv_att_reader_read(r, chunk, sizeof(chunk), &got, err);
        if (rc == 0) {
            sum = crc32_z(sum, (const unsigned char *)chunk, got);
            total += got;
        }
    }
    dv_att_reader_close(r);
    dv_buf_printf(d->out, " att %zu %08lx", total, sum);
    return rc;
}

static int dump_record(struct dump *d, uint64_t ref, struct dv_err *err)
{
    struct dv_buf record;
    int rc;

    dv_buf_init(&record, 1 << 20);
    rc = dv_txn_read_body(d->txn, ref, &record, err);
    if (rc == 0 && !dv_buf_cstr(&record))
        rc = DV_ENOMEM;
    if (rc == 0) {
        const char *fill = strstr(record.p, " fill ");
        struct dv_att_key key;

        /* A record of src/database names its attachments in another way: its check reads them. */
        for (const char *p = fill ? record.p : ""; (p = strstr(p, " att ")) && p < fill; p += 5)
            if (rc == 0 && read_key(p + 5, &key))
                rc = dump_attachment(d, &key, err);
        dv_buf_printf(d->out, " record %zu %08lx", record.n,
                      crc32_z(0, (const unsigned char *)record.p, record.n));
    }
    dv_buf_fini(&record);
    return rc;
}

/* Each leaf with its path: the same however the nodes are ordered. */
static int dump_leaf(struct dump *d, const struct dv_revtree *tree, int32_t leaf,
                     struct dv_err *err)
{
    dv_buf_add_str(d->out, tree->nodes[leaf].deleted ? "\n  deleted leaf" : "\n  leaf");
    for (int32_t at = leaf; at >= 0; at = tree->nodes[at].parent) {
        dv_buf_add_char(d->out, ' ');
        dv_rev_add_text(d->out, tree->nodes[at].rev);
    }
    return dump_record(d, tree->nodes[leaf].body, err);
}

static int dump_change(void *arg, const struct dv_doc_info *info, struct dv_err *err)
{
    struct dump *d = arg;
    struct dv_revtree tree;
    int32_t *leaves;
    int32_t n;
    int rc;

    dv_arena_reset(d->arena);
    dv_revtree_init(&tree, d->arena);
    rc = dv_revtree_parse(info->tree, d->arena, &tree, err);
    if (rc < 0)
        return rc;
    dv_revtree_stem(&tree, d->revs_limit, NULL, NULL);
    leaves = dv_arena_alloc(d->arena, (size_t)tree.n * sizeof(*leaves));
    if (!leaves)
        return dv_err_set(err, DV_ENOMEM, NULL);
    dv_buf_printf(d->out, "change %llu %.*s%s leaves %llu", (unsigned long long)info->seq,
                  (int)info->id.n, info->id.p, info->deleted ? " deleted" : "",
                  (unsigned long long)info->leaf_bytes);
    n = dv_revtree_leaves_by_rank(&tree, leaves);
    for (int32_t i = 0; rc == 0 && i < n; i++)
        rc = dump_leaf(d, &tree, leaves[i], err);
    dv_buf_add_char(d->out, '\n');
    return rc;
}

static int dump_id(void *arg, const struct dv_doc_info *info, struct dv_err *err)
{
    struct dump *d = arg;

    (void)err;
    dv_buf_printf(d->out, "id %.*s %llu\n", (int)info->id.n, info->id.p,
                  (unsigned long long)info->seq);
    return 0;
}

static int dump_local(void *arg, const struct dv_local *local, struct dv_err *err)
{
    struct dump *d = arg;

    (void)err;
    dv_buf_printf(d->out, "%.*s 0-%llu ", (int)local->id.n, local->id.p,
                  (unsigned long long)local->rev);
    dv_buf_add_slice(d->out, local->body);
    dv_buf_add_char(d->out, '\n');
    return 0;
}

/* src/database draws the uuid of a purge: every run has another. */
static int dump_purge(void *arg, const struct dv_purge_info *info, struct dv_err *err)
{
    struct dump *d = arg;
    struct dv_slice uuid =
        dv_slice_starts(info->uuid, "purge-") ? info->uuid : DV_SLICE_LIT("drawn");

    (void)err;
    dv_buf_printf(d->out, "purge %llu %.*s %.*s", (unsigned long long)info->purge_seq, (int)uuid.n,
                  uuid.p, (int)info->id.n, info->id.p);
    for (size_t i = 0; i < info->n_revs; i++)
        dv_buf_printf(d->out, " %.*s", (int)info->revs[i].n, info->revs[i].p);
    dv_buf_add_char(d->out, '\n');
    return 0;
}

static int dump_properties(struct dump *d, struct dv_err *err)
{
    struct dv_epoch *epochs;
    struct dv_props p;
    size_t n;
    int rc = dv_txn_props(d->txn, &p, err);

    if (rc == 0)
        rc = dv_txn_epochs(d->txn, d->arena, &epochs, &n, err);
    if (rc < 0)
        return rc;
    d->revs_limit = p.revs_limit;
    dv_buf_printf(d->out, "docs %llu deleted %llu update_seq %llu purge_seq %llu revs_limit %llu\n",
                  (unsigned long long)p.doc_count, (unsigned long long)p.deleted_doc_count,
                  (unsigned long long)p.update_seq, (unsigned long long)p.purge_seq,
                  (unsigned long long)p.revs_limit);
    for (size_t i = 0; i < n; i++)
        dv_buf_printf(d->out, "epoch %s %llu\n", epochs[i].node, (unsigned long long)epochs[i].seq);
    dv_buf_add_str(d->out, "security ");
    rc = dv_txn_security(d->txn, d->out, err);
    dv_buf_add_char(d->out, '\n');
    return rc;
}

int crashdoc_dump(struct dv_store *s, struct dv_buf *out, struct dv_err *err)
{
    static const struct dv_range all = { .include_deleted = true };
    struct dv_arena arena;
    struct dump d = { .store = s, .arena = &arena, .out = out };
    int rc = dv_store_begin_read(s, &d.txn, err);

    if (rc < 0)
        return rc;
    dv_arena_init(&arena, ARENA_BYTES);
    rc = dump_properties(&d, err);
    if (rc == 0)
        rc = dv_txn_fold_changes(d.txn, 0, false, dump_change, &d, err);
    if (rc == 0)
        rc = dv_txn_fold_docs(d.txn, &all, dump_id, &d, err);
    if (rc == 0)
        rc = dv_txn_fold_locals(d.txn, &all, dump_local, &d, err);
    if (rc == 0)
        rc = dv_txn_fold_purges(d.txn, 0, dump_purge, &d, err);
    if (rc == 0)
        rc = out->failed;
    dv_txn_rollback(d.txn);
    dv_arena_fini(&arena);
    return rc;
}
