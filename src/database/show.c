/* See show.h. The body is copied as it was stored, between the members that are ours: a document
 * costs a few memcpys and no allocation but its attachments'. */
#include "database/show.h"

#include <stdio.h>

#include "couch/document.h"
#include "json/writer.h"

int dv_view_init(struct dv_view *v, const struct dv_get_options *opt, struct dv_arena *arena,
                 struct dv_err *err)
{
    struct dv_rev *since;

    memset(v, 0, sizeof(*v));
    v->flags = opt->flags;
    v->revs_limit = UINT64_MAX;
    v->has_atts_since = opt->has_atts_since;
    if (!opt->has_atts_since)
        return 0;
    if (!(v->flags & DV_GET_FOLLOWS)) /* as chttpd: asking which are new asks for them */
        v->flags |= DV_GET_ATTACHMENTS;
    since = dv_arena_array(arena, opt->n_atts_since, sizeof(*since), err);
    if (!since)
        return DV_ENOMEM;
    for (size_t i = 0; i < opt->n_atts_since; i++) {
        int code = dv_rev_parse(opt->atts_since[i], arena, &since[i], err);

        if (code < 0)
            return code;
    }
    v->atts_since = since;
    v->n_atts_since = opt->n_atts_since;
    return 0;
}

int dv_view_limit(struct dv_view *v, struct dv_txn *txn, struct dv_err *err)
{
    struct dv_props props;
    int code;

    if (!(v->flags & DV_GET_REVS))
        return 0;
    code = dv_txn_props(txn, &props, err);
    if (code == 0)
        v->revs_limit = props.revs_limit;
    return code;
}

int dv_best_descendant(const struct dv_revtree *tree, int32_t node, struct dv_arena *arena,
                       int32_t *best, struct dv_err *err)
{
    int32_t *mine = dv_arena_array(arena, (size_t)tree->n, sizeof(*mine), err);
    int32_t *ranked = mine ? dv_arena_array(arena, (size_t)tree->n, sizeof(*ranked), err) : NULL;
    bool *below = ranked ? dv_arena_zalloc(arena, (size_t)tree->n) : NULL;

    if (!below)
        return dv_err_set(err, DV_ENOMEM, "leaves");
    for (int32_t i = 0, n = dv_revtree_descendant_leaves(tree, node, mine); i < n; i++)
        below[mine[i]] = true;
    for (int32_t i = 0, n = dv_revtree_leaves_by_rank(tree, ranked); i < n; i++) {
        if (below[ranked[i]]) {
            *best = ranked[i];
            return 0;
        }
    }
    *best = -1;
    return 0;
}

/* ---- the parts before the attachments -----------------------------------------------------------
 */

static void add_rev(struct dv_buf *out, struct dv_rev rev)
{
    char text[DV_REV_ID_MAX + 32];
    int n;

    if (rev.id.n == DV_REV_RAW_BYTES) {
        dv_buf_add_char(out, '"');
        dv_rev_add_text(out, rev);
        dv_buf_add_char(out, '"');
        return;
    }
    n = snprintf(text, sizeof(text), "%llu-%.*s", (unsigned long long)rev.gen, (int)rev.id.n,
                 rev.id.p);
    dv_json_quote(out, dv_slice(text, (size_t)n < sizeof(text) ? (size_t)n : 0));
}

static void add_rev_id(struct dv_buf *out, struct dv_slice id)
{
    if (id.n != DV_REV_RAW_BYTES) {
        dv_json_quote(out, id);
        return;
    }
    dv_buf_add_char(out, '"');
    dv_buf_add_hex(out, id.p, id.n);
    dv_buf_add_char(out, '"');
}

static void add_revisions(struct dv_buf *out, const struct dv_revtree *tree, int32_t node,
                          uint64_t limit)
{
    const char *comma = "";

    dv_buf_printf(out, ",\"_revisions\":{\"start\":%llu,\"ids\":[",
                  (unsigned long long)tree->nodes[node].rev.gen);
    for (; node >= 0 && limit > 0; node = tree->nodes[node].parent, limit--) {
        dv_buf_add_str(out, comma);
        add_rev_id(out, tree->nodes[node].rev.id);
        comma = ",";
    }
    dv_buf_add_str(out, "]}");
}

static void add_revs_info(struct dv_buf *out, const struct dv_revtree *tree, int32_t node)
{
    const char *comma = "";

    dv_buf_add_str(out, ",\"_revs_info\":[");
    for (; node >= 0; node = tree->nodes[node].parent) {
        const struct dv_revnode *n = &tree->nodes[node];

        dv_buf_printf(out, "%s{\"rev\":", comma);
        add_rev(out, n->rev);
        dv_buf_printf(out, ",\"status\":\"%s\"}",
                      n->body == 0 ? "missing"
                      : n->deleted ? "deleted"
                                   : "available");
        comma = ",";
    }
    dv_buf_add_char(out, ']');
}

/* The other leaves that are (not) deleted, winner first; nothing when there are none. */
static void add_conflicts(struct dv_buf *out, const char *name, const struct dv_revtree *tree,
                          const int32_t *leaves, int32_t n, bool deleted)
{
    bool any = false;

    for (int32_t i = 1; i < n; i++) {
        const struct dv_revnode *node = &tree->nodes[leaves[i]];

        if (node->deleted != deleted)
            continue;
        if (any)
            dv_buf_add_char(out, ',');
        else
            dv_buf_printf(out, ",\"%s\":[", name);
        any = true;
        add_rev(out, node->rev);
    }
    if (any)
        dv_buf_add_char(out, ']');
}

static int add_meta(const struct dv_opened *doc, int32_t node, unsigned flags,
                    struct dv_arena *arena, struct dv_buf *out, struct dv_err *err)
{
    const struct dv_revtree *tree = &doc->tree;
    int32_t *leaves;
    int32_t n;

    if (flags & DV_GET_REVS_INFO)
        add_revs_info(out, tree, node);
    if (flags & DV_GET_LOCAL_SEQ)
        dv_buf_printf(out, ",\"_local_seq\":%llu", (unsigned long long)doc->seq);
    if (!(flags & (DV_GET_CONFLICTS | DV_GET_DELETED_CONFLICTS)) || tree->n == 1)
        return 0;
    leaves = dv_arena_array(arena, (size_t)tree->n, sizeof(*leaves), err);
    if (!leaves)
        return DV_ENOMEM;
    n = dv_revtree_leaves_by_rank(tree, leaves);
    if (flags & DV_GET_CONFLICTS)
        add_conflicts(out, "_conflicts", tree, leaves, n, false);
    if (flags & DV_GET_DELETED_CONFLICTS)
        add_conflicts(out, "_deleted_conflicts", tree, leaves, n, true);
    return 0;
}

/* The generation of the newest ancestor (or itself) that the asker has; 0: none. */
static uint64_t known_generation(const struct dv_revtree *tree, int32_t node,
                                 const struct dv_view *view)
{
    for (; node >= 0; node = tree->nodes[node].parent)
        for (size_t i = 0; i < view->n_atts_since; i++)
            if (dv_rev_eq(tree->nodes[node].rev, view->atts_since[i]))
                return view->atts_since[i].gen;
    return 0;
}

/* Metas that outlive the record, with `follows` where the data is wanted. */
static int keep_atts(const struct dv_opened *doc, int32_t node, const struct dv_view *view,
                     const struct dv_record *record, struct dv_arena *arena,
                     struct dv_revision_read *read, struct dv_err *err)
{
    bool wanted = view->flags & (DV_GET_ATTACHMENTS | DV_GET_FOLLOWS);
    uint64_t known = 0;
    struct dv_att_meta *metas;

    read->n_atts = record->n_atts;
    read->atts = NULL;
    if (record->n_atts == 0)
        return 0;
    if (wanted && view->has_atts_since)
        known = known_generation(&doc->tree, node, view);
    metas = dv_arena_array(arena, record->n_atts, sizeof(*metas), err);
    if (!metas)
        return DV_ENOMEM;
    for (size_t i = 0; i < record->n_atts; i++) {
        metas[i] = record->atts[i];
        metas[i].name = dv_arena_copy(arena, metas[i].name);
        metas[i].content_type = dv_arena_copy(arena, metas[i].content_type);
        metas[i].follows = wanted && (!view->has_atts_since || metas[i].revpos > known);
        if (!metas[i].name.p || !metas[i].content_type.p)
            return dv_err_set(err, DV_ENOMEM, "attachments");
    }
    read->atts = metas;
    return 0;
}

int dv_show_head(const struct dv_opened *doc, int32_t node, bool winner, const struct dv_view *view,
                 struct dv_arena *arena, struct dv_buf *record, struct dv_buf *out,
                 struct dv_shown *shown, struct dv_err *err)
{
    const struct dv_revnode *n = &doc->tree.nodes[node];
    struct dv_record parts;
    int code = dv_record_read(doc->txn, n->body, record, arena, &parts, err);

    if (code < 0)
        return code;
    shown->begin = out ? out->n : 0;
    shown->read.deleted = n->deleted;
    code = dv_rev_text(n->rev, arena, &shown->read.rev, err);
    if (code == 0)
        code = keep_atts(doc, node, view, &parts, arena, &shown->read, err);
    if (code < 0 || !out)
        return code;
    dv_buf_add_str(out, "{\"_id\":");
    dv_json_quote(out, doc->id);
    dv_buf_add_str(out, ",\"_rev\":");
    add_rev(out, n->rev);
    if (parts.body.n > 2) {
        dv_buf_add_char(out, ',');
        dv_buf_add(out, parts.body.p + 1, parts.body.n - 2);
    }
    if (n->deleted)
        dv_buf_add_str(out, ",\"_deleted\":true");
    if (view->flags & DV_GET_REVS)
        add_revisions(out, &doc->tree, node, view->revs_limit);
    if (winner)
        code = add_meta(doc, node, view->flags, arena, out, err);
    if (code == 0 && out->failed)
        code = dv_err_set(err, out->failed, "a document in JSON");
    return code;
}

/* ---- attachments -------------------------------------------------------------------------------
 */

/* Bytes read at a time: whole groups of base64. */
enum { PIECE = 3 * 4096 };

static int add_data(struct dv_database *db, const struct dv_att_meta *meta, struct dv_buf *out,
                    struct dv_err *err)
{
    unsigned char piece[PIECE];
    struct dv_att_source *s;
    size_t have = 0, got = 1;
    int code = dv_att_source_open(db, meta, true, 0, UINT64_MAX, &s, err);

    if (code < 0)
        return code;
    while (code == 0 && got > 0) {
        code = dv_att_source_read(s, piece + have, PIECE - have, &got, err);
        have += code == 0 ? got : 0;
        if (code == 0 && (have == PIECE || got == 0)) {
            code = dv_base64_encode(out, piece, have);
            have = 0;
            if (code < 0)
                dv_err_set(err, code, "an attachment in JSON");
        }
    }
    dv_att_source_close(s);
    return code;
}

static int add_att(struct dv_database *db, const struct dv_view *view,
                   const struct dv_att_meta *meta, struct dv_buf *out, struct dv_err *err)
{
    int code = 0;

    dv_json_quote(out, meta->name);
    dv_buf_add_str(out, ":{\"content_type\":");
    dv_json_quote(out, meta->content_type);
    dv_buf_printf(out, ",\"revpos\":%llu,\"digest\":\"", (unsigned long long)meta->revpos);
    dv_md5_digest_add(out, meta->md5);
    dv_buf_add_char(out, '"');
    if (meta->follows && !(view->flags & DV_GET_FOLLOWS)) {
        dv_buf_add_str(out, ",\"data\":\"");
        code = add_data(db, meta, out, err);
        dv_buf_add_char(out, '"');
    } else {
        dv_buf_printf(out, ",\"length\":%llu,\"%s\":true", (unsigned long long)meta->decoded_bytes,
                      meta->follows ? "follows" : "stub");
    }
    if (view->flags & DV_GET_ATT_ENCODING && meta->key.encoding == DV_ENC_GZIP)
        dv_buf_printf(out, ",\"encoding\":\"gzip\",\"encoded_length\":%llu",
                      (unsigned long long)meta->stored_bytes);
    dv_buf_add_char(out, '}');
    return code;
}

int dv_show_tail(struct dv_database *db, const struct dv_view *view, const struct dv_shown *shown,
                 struct dv_buf *out, struct dv_err *err)
{
    int code = 0;

    for (size_t i = 0; code == 0 && i < shown->read.n_atts; i++) {
        dv_buf_add_str(out, i == 0 ? ",\"_attachments\":{" : ",");
        code = add_att(db, view, &shown->read.atts[i], out, err);
    }
    dv_buf_add_str(out, shown->read.n_atts ? "}}" : "}");
    if (code == 0 && out->failed)
        code = dv_err_set(err, out->failed, "a document in JSON");
    return code;
}

int dv_show_local(const struct dv_local *local, struct dv_buf *out, struct dv_err *err)
{
    dv_buf_add_str(out, "{\"_id\":");
    dv_json_quote(out, local->id);
    dv_buf_printf(out, ",\"_rev\":\"0-%llu\"", (unsigned long long)local->rev);
    if (local->body.n > 2) {
        dv_buf_add_char(out, ',');
        dv_buf_add(out, local->body.p + 1, local->body.n - 1);
    } else {
        dv_buf_add_char(out, '}');
    }
    return out->failed ? dv_err_set(err, out->failed, "a local document in JSON") : 0;
}
