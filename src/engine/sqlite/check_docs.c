/* The check of documents, both indexes of ids, and bodies. */
#include "couch/revtree.h"
#include "engine/sqlite/check.h"

static bool mark_named(struct dv_sqcheck *c, uint64_t ref)
{
    unsigned char bit = (unsigned char)(1u << (ref & 7));
    bool was;

    if (!c->named || ref >= c->named_bits)
        return false;
    was = c->named[ref >> 3] & bit;
    c->named[ref >> 3] |= bit;
    return was;
}

static bool is_named(const struct dv_sqcheck *c, uint64_t ref)
{
    return ref < c->named_bits && (c->named[ref >> 3] & 1u << (ref & 7));
}

/* ---- trees ---- */

static int check_body_of(struct dv_sqcheck *c, const struct dv_doc_info *d,
                         const struct dv_revnode *node, struct dv_err *err)
{
    sqlite3_stmt *st;
    uint64_t bytes;
    int rc = dv_sqconn_stmt(c->t->conn, DV_SQL_BODY_BYTES, &st, err);

    if (rc < 0)
        return rc;
    dv_sq_bind_u64(st, 1, node->body);
    rc = dv_sqconn_step(c->t->conn, st, err);
    if (rc < 0)
        return rc;
    if (rc == 0) {
        dv_sqcheck_finding(c, "document %s: body %llu of a revision is missing",
                           dv_sqcheck_show(d->id).text, (unsigned long long)node->body);
        return 0;
    }
    bytes = dv_sq_column_u64(st, 0);
    sqlite3_reset(st);
    if (bytes != node->bytes)
        dv_sqcheck_finding(c, "document %s: body %llu has another size than its revision says",
                           dv_sqcheck_show(d->id).text, (unsigned long long)node->body);
    if (mark_named(c, node->body))
        dv_sqcheck_finding(c, "document %s: body %llu belongs to two revisions",
                           dv_sqcheck_show(d->id).text, (unsigned long long)node->body);
    return 0;
}

static int check_nodes(struct dv_sqcheck *c, const struct dv_doc_info *d,
                       const struct dv_revtree *tree, struct dv_err *err)
{
    int32_t winner = dv_revtree_winner(tree);
    uint64_t leaf_bytes = 0;
    int rc = 0;

    for (int32_t i = 0; rc == 0 && i < tree->n; i++) {
        const struct dv_revnode *node = &tree->nodes[i];

        if (node->children == 0)
            leaf_bytes += node->bytes;
        if (node->body)
            rc = check_body_of(c, d, node, err);
    }
    if (rc == 0 && leaf_bytes != d->leaf_bytes)
        dv_sqcheck_finding(c, "document %s: its size is not that of its leaves",
                           dv_sqcheck_show(d->id).text);
    if (rc == 0 && (winner < 0 || tree->nodes[winner].deleted != d->deleted))
        dv_sqcheck_finding(c, "document %s: is not as deleted as its winner",
                           dv_sqcheck_show(d->id).text);
    return rc;
}

static int check_tree(struct dv_sqcheck *c, const struct dv_doc_info *d, struct dv_err *err)
{
    struct dv_revtree tree;
    struct dv_err why;
    int rc;

    dv_arena_reset(&c->arena);
    rc = dv_revtree_parse(d->tree, &c->arena, &tree, &why);
    if (rc == DV_ENOMEM)
        return dv_err_set(err, rc, "out of memory");
    if (rc == 0)
        return check_nodes(c, d, &tree, err);
    dv_sqcheck_finding(c, "document %s: revision tree: %s", dv_sqcheck_show(d->id).text,
                       why.reason);
    return 0;
}

/* ---- docs ---- */

static int check_entry(struct dv_sqcheck *c, enum dv_sql which, const struct dv_doc_info *d,
                       bool *found, struct dv_err *err)
{
    sqlite3_stmt *st;
    int rc = dv_sqconn_stmt(c->t->conn, which, &st, err);

    if (rc < 0)
        return rc;
    dv_sq_bind_id(st, 1, d->id);
    rc = dv_sqconn_step(c->t->conn, st, err);
    *found = rc > 0;
    if (rc <= 0)
        return rc;
    if (dv_sq_column_u64(st, 0) != d->seq || sqlite3_column_int64(st, 1) != (d->deleted ? 1 : 0))
        dv_sqcheck_finding(c, "document %s: the index of ids says something else",
                           dv_sqcheck_show(d->id).text);
    sqlite3_reset(st);
    return 0;
}

static int check_doc(struct dv_sqcheck *c, sqlite3_stmt *st, struct dv_err *err)
{
    struct dv_doc_info d;
    bool found;
    int rc;

    c->result.docs++;
    rc = dv_sqdoc_row(c->t, st, &d, err);
    if (rc < 0)
        return dv_sqcheck_damage(c, rc, err);
    c->docs += !d.deleted;
    c->deleted += d.deleted;
    c->leaf_bytes += d.leaf_bytes;
    c->tree_bytes += d.tree.n;
    if (d.seq == 0 || d.seq > c->t->state.update_seq)
        dv_sqcheck_finding(c, "document %s: its seq is beyond update_seq",
                           dv_sqcheck_show(d.id).text);
    rc = check_entry(c, DV_SQL_NEW_ID_ROW, &d, &found, err);
    if (rc == 0 && !found)
        rc = check_entry(c, DV_SQL_ID_ROW, &d, &found, err);
    if (rc == 0 && !found)
        dv_sqcheck_finding(c, "document %s: is not in the index of ids",
                           dv_sqcheck_show(d.id).text);
    return rc < 0 ? rc : check_tree(c, &d, err);
}

/* ---- ids and bodies ---- */

static int check_id(struct dv_sqcheck *c, sqlite3_stmt *index, struct dv_err *err)
{
    struct dv_slice id = dv_sq_column(index, 0);
    sqlite3_stmt *st;
    int rc = dv_sqconn_stmt(c->t->conn, DV_SQL_DOC_ID, &st, err);

    if (rc < 0)
        return rc;
    dv_sq_bind_u64(st, 1, dv_sq_column_u64(index, 1));
    rc = dv_sqconn_step(c->t->conn, st, err);
    if (rc < 0)
        return rc;
    if (rc == 0 || !dv_slice_eq(dv_sq_column(st, 0), id))
        dv_sqcheck_finding(c, "the index of ids has %s, which is no document",
                           dv_sqcheck_show(id).text);
    sqlite3_reset(st);
    return 0;
}

static int check_old_id(struct dv_sqcheck *c, sqlite3_stmt *st, struct dv_err *err)
{
    c->ids++;
    return check_id(c, st, err);
}

static int check_new_id(struct dv_sqcheck *c, sqlite3_stmt *st, struct dv_err *err)
{
    c->ids_new++;
    return check_id(c, st, err);
}

static int check_body(struct dv_sqcheck *c, sqlite3_stmt *st, struct dv_err *err)
{
    uint64_t ref = dv_sq_column_u64(st, 0);
    int rc = dv_sqbody_row(c->t, ref, sqlite3_column_int64(st, 1), dv_sq_column(st, 2), err);

    c->result.bodies++;
    if (ref == 0 || ref > c->t->state.last_body)
        dv_sqcheck_finding(c, "body %llu has a number that was not given out",
                           (unsigned long long)ref);
    else if (c->named && !is_named(c, ref))
        dv_sqcheck_finding(c, "body %llu belongs to no revision", (unsigned long long)ref);
    return dv_sqcheck_damage(c, rc, err);
}

int dv_sqcheck_docs(struct dv_sqcheck *c, struct dv_err *err)
{
    int rc = dv_sqcheck_walk(c, DV_SQL_DOCS_AFTER, false, check_doc, err);

    if (rc == 0)
        rc = dv_sqcheck_walk(c, DV_SQL_IDS_AFTER, true, check_old_id, err);
    if (rc == 0)
        rc = dv_sqcheck_walk(c, DV_SQL_NEW_IDS_AFTER, true, check_new_id, err);
    if (rc == 0)
        rc = dv_sqcheck_walk(c, DV_SQL_BODIES_AFTER, false, check_body, err);
    return rc;
}
