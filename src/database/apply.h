/* A write between its two halves: what prepare (parse, validate, hash; any thread) leaves for apply
 * (one write transaction, usually on a strand's thread). Private to src/database. */
#ifndef DV_DATABASE_APPLY_H
#define DV_DATABASE_APPLY_H

#include "database/internal.h"

enum dv_prepared_kind {
    DV_PREP_REFUSED,    /* its result is set; apply leaves it alone */
    DV_PREP_LOCAL,      /* _local/... */
    DV_PREP_EDIT,       /* a new revision of a parent */
    DV_PREP_REPLICATED, /* a revision as it is elsewhere */
    DV_PREP_ATTACH,     /* the parent's revision with one attachment added, replaced or removed */
};

enum dv_new_att_kind {
    DV_NEW_STUB,   /* as in another revision of the document */
    DV_NEW_DATA,   /* bytes given inline: stored by apply */
    DV_NEW_STORED, /* streamed in before */
};

/* An attachment of a document that comes in. */
struct dv_new_att {
    struct dv_slice name;
    struct dv_slice content_type;
    enum dv_new_att_kind kind;
    uint64_t revpos; /* 0: not given */
    bool has_md5;
    unsigned char md5[16];
    struct dv_slice data;    /* DATA: decoded from base64 */
    struct dv_att_info info; /* STORED */
};

/* All slices are in the batch's arena. */
struct dv_prepared {
    enum dv_prepared_kind kind;
    struct dv_slice id;
    bool deleted;
    struct dv_revpath path; /* REPLICATED: the revision first; EDIT: the parent alone, or n 0 */
    struct dv_slice body;   /* normalised JSON object without special members */
    struct dv_new_att *atts;
    size_t n_atts;
    bool hashed; /* EDIT: hash is the new revision's id if the parent is found */
    unsigned char hash[16];
    struct dv_slice record; /* what is stored, if it does not depend on attachments; else empty */
    uint64_t local_rev;     /* LOCAL: the N of the new "0-N" */
    bool remove;            /* ATTACH: take atts[0].name away */
};

struct dv_batch {
    struct dv_database *db; /* borrowed */
    struct dv_arena arena;
    struct dv_prepared *edits;      /* owned */
    struct dv_edit_result *results; /* owned */
    size_t n, capacity;
    struct dv_batch *next; /* in the list of spare ones */
};

/* A batch with room for n edits, all refused so far, from the spare ones if possible. */
int dv_batch_new(struct dv_database *db, size_t n, struct dv_batch **batch, struct dv_err *err);
void dv_batch_destroy_spare(struct dv_database *db); /* the first of them */

/* Memory of a transaction, kept for the next. */
struct dv_apply;
void dv_apply_free(struct dv_apply *a); /* NULL is fine */

/* ---- one document inside the transaction ---------------------------------------------------- */

/* The document that is being changed. A refusal goes into the result and the function returns 0; a
 * negative return ends the transaction. */
struct dv_group {
    struct dv_database *db;
    struct dv_txn *txn;
    struct dv_slice id;
    struct dv_revtree tree;   /* as it is now, edits of this transaction included */
    struct dv_arena *arena;   /* of this document */
    struct dv_arena *results; /* of the batch the edit came in */
    struct dv_buf *record;    /* scratch */
    struct dv_buf *parent;    /* scratch: another revision's record */
    bool changed;
};

int dv_group_edit(struct dv_group *g, const struct dv_prepared *p, struct dv_edit_result *r,
                  struct dv_err *err);
int dv_group_replicated(struct dv_group *g, const struct dv_prepared *p, struct dv_edit_result *r,
                        struct dv_err *err);

/* Say no: the result gets a code and its words, which are in the arena (out_of_memory when they do
 * not fit there). Returns 0. */
int dv_refuse(struct dv_edit_result *r, struct dv_arena *arena, int code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
int dv_refuse_as(struct dv_edit_result *r, struct dv_arena *arena, int code, int http_status,
                 const char *name, const char *fmt, ...) __attribute__((format(printf, 6, 7)));
int dv_refuse_err(struct dv_edit_result *r, struct dv_arena *arena, const struct dv_err *err);

/* ---- attachments of a revision that is written -------------------------------------------------
 */

struct dv_atts {
    struct dv_att_meta *metas;
    struct dv_att_key *keys; /* the same, for the engine */
    size_t n;
};

/* Find what the stubs of p refer to and store what it brings along. `base` is the node whose
 * attachments an edit's stubs mean, or the nearest known ancestor of a replicated revision (-1:
 * none); gen the generation of the new revision. When r->code is set afterwards it was refused. */
int dv_atts_resolve(struct dv_group *g, const struct dv_prepared *p, int32_t base, uint64_t gen,
                    struct dv_atts *atts, struct dv_edit_result *r, struct dv_err *err);

/* ---- records ----------------------------------------------------------------------------------
 */

/* What is stored of a revision: its body and what its attachments are. */
struct dv_record {
    struct dv_slice body;
    struct dv_att_meta *atts;
    size_t n_atts;
};
/* Appends to out. */
int dv_record_encode(const struct dv_record *record, struct dv_buf *out, struct dv_err *err);
/* Slices are borrowed from bytes, the array is in the arena. DV_ECORRUPT, DV_ENEWER. */
int dv_record_decode(struct dv_slice bytes, struct dv_arena *arena, struct dv_record *record,
                     struct dv_err *err);
/* Read and decode a stored revision; buf is emptied first and must outlive the record. */
int dv_record_read(struct dv_txn *txn, uint64_t body, struct dv_buf *buf, struct dv_arena *arena,
                   struct dv_record *record, struct dv_err *err);

#endif
