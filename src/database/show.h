/* A stored revision as a JSON document, in CouchDB's order (couch_doc:to_json_obj/2): _id, _rev,
 * the body, _deleted, _revisions, _revs_info, _local_seq, _conflicts, _deleted_conflicts,
 * _attachments. What comes before the attachments is made inside a read transaction; attachments
 * are read after it, so that no transaction waits for large data. Private to src/database. */
#ifndef DV_DATABASE_SHOW_H
#define DV_DATABASE_SHOW_H

#include "database/apply.h"

/* What a caller wants to see, made from dv_get_options once per call. */
struct dv_view {
    unsigned flags;
    uint64_t revs_limit; /* of _revisions; set per transaction when flags have DV_GET_REVS */
    bool has_atts_since;
    const struct dv_rev *atts_since;
    size_t n_atts_since;
};

/* Parses atts_since into the arena. */
int dv_view_init(struct dv_view *v, const struct dv_get_options *opt, struct dv_arena *arena,
                 struct dv_err *err);

/* Call in each read transaction, before showing. */
int dv_view_limit(struct dv_view *v, struct dv_txn *txn, struct dv_err *err);

/* The best of the leaves that a node leads to. */
int dv_best_descendant(const struct dv_revtree *tree, int32_t node, struct dv_arena *arena,
                       int32_t *best, struct dv_err *err);

/* A document that was looked up; the tree lives in the arena given to open. */
struct dv_opened {
    struct dv_txn *txn;
    struct dv_slice id;
    uint64_t seq;
    struct dv_revtree tree;
};

/* A document without its closing brace, and what is to be added. */
struct dv_shown {
    size_t begin; /* in the buffer */
    struct dv_revision_read read;
};

/* Append the revision of a node, which must have a body, up to its attachments. `winner`: the
 * document was asked for, not a revision, so what concerns all its revisions is shown too. The
 * metas are in the arena; record is scratch. out NULL: only what shown->read says. */
int dv_show_head(const struct dv_opened *doc, int32_t node, bool winner, const struct dv_view *view,
                 struct dv_arena *arena, struct dv_buf *record, struct dv_buf *out,
                 struct dv_shown *shown, struct dv_err *err);
/* Append the attachments, with their data when it is asked for, and close the object. Not inside
 * a transaction. */
int dv_show_tail(struct dv_database *db, const struct dv_view *view, const struct dv_shown *shown,
                 struct dv_buf *out, struct dv_err *err);

/* dv_database_get; out may be NULL. */
int dv_read_revision(struct dv_database *db, struct dv_slice id, const struct dv_get_options *opt,
                     struct dv_arena *arena, struct dv_buf *out, struct dv_revision_read *read,
                     struct dv_err *err);

/* A local document, whole. */
int dv_show_local(const struct dv_local *local, struct dv_buf *out, struct dv_err *err);

#endif
