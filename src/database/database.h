/* Documents over any engine: edits and replicated edits, reads in every form CouchDB offers,
 * changes, local documents, attachments, purge, compaction. This is where revisions are
 * merged, winners chosen and conflicts found, once for every engine.
 *
 * Threads: a struct dv_database may be used by many threads. Calls block; none is made on the loop
 * thread (src/peer and src/serve go through the strand, database/strand.h). No call holds a
 * transaction when it returns or while it calls back into code that may wait: folds collect a
 * bounded number of rows per transaction and resume by key or seq.
 *
 * JSON in and out is bytes: numbers, member order and escapes of bodies are kept (HOUSE.md's fourth
 * invariant). Output goes to a struct dv_buf whose ceiling the caller chose.
 *
 * Errors are CouchDB's (name, reason, HTTP status in struct dv_err), from the recordings in
 * tests/vectors. Besides the ones named below every call may return the engine's. */
#ifndef DV_DATABASE_DATABASE_H
#define DV_DATABASE_DATABASE_H

#include "engine/engine.h"

struct dv_database;

struct dv_database_options {
    const struct dv_engine *engine; /* NULL: sqlite */
    struct dv_store_options store;
    uint64_t max_document_bytes;   /* 0: 8 000 000, CouchDB's default */
    uint64_t max_attachment_bytes; /* 0: 1 GiB; UINT64_MAX: no limit */
};

/* ---- lifetime --------------------------------------------------------------------------- */

int dv_database_create(const char *path, const struct dv_database_options *opt,
                       struct dv_database **db, struct dv_err *err);
int dv_database_open(const char *path, const struct dv_database_options *opt,
                     struct dv_database **db, struct dv_err *err);
int dv_database_remove(const char *path, const struct dv_database_options *opt, struct dv_err *err);
void dv_database_close(struct dv_database *db); /* NULL is fine; nobody uses it any more */
struct dv_store *dv_database_store(struct dv_database *db); /* borrowed */

int dv_database_props(struct dv_database *db, struct dv_props *props, struct dv_err *err);
/* Our seq outside: N-<uuid>-<node>. */
int dv_database_seq_text(struct dv_database *db, uint64_t seq, struct dv_buf *out,
                         struct dv_err *err);
/* The seq a client's `since` means here: "0", "now", a number, ours; the text of another database
 * or one that our epochs do not explain goes back to the last common epoch or 0 (never skips). */
int dv_database_since(struct dv_database *db, struct dv_slice text, uint64_t *since,
                      struct dv_err *err);

/* ---- writing ---------------------------------------------------------------------------- */

/* An attachment that was streamed in beforehand, for a member marked follows:true, or (standalone)
 * one to add without naming it in the JSON. */
struct dv_edit_attachment {
    struct dv_slice name;
    struct dv_slice content_type;
    struct dv_att_info info;
};

/* One document to write. Slices are borrowed until the write has returned. */
struct dv_edit {
    struct dv_slice json; /* the document as received */
    struct dv_slice id;   /* from the URL; empty: taken from _id, else a new uuid */
    struct dv_slice rev;  /* from the query or If-Match; empty: from _rev */
    const struct dv_edit_attachment *attachments;
    size_t n_attachments;
};

struct dv_edit_result {
    int code;                 /* 0 stored (or, replicated: already there), else DV_E... */
    struct dv_slice id;       /* in the arena */
    struct dv_slice rev;      /* text; empty when not known */
    const struct dv_err *err; /* what a client is told; NULL when stored; in the arena */
};

struct dv_write_options {
    bool replicated; /* new_edits=false */
    enum dv_commit commit;
};

/* Write up to n documents, local ones ("_local/...") included, in one transaction. Each gets its
 * own result; one refused document does not touch the others. A failure of the whole (disk, parse
 * of nothing at all) is the return value and nothing was written. Two edits of one document in a
 * batch are applied in order. */
int dv_database_write(struct dv_database *db, const struct dv_edit *edits, size_t n,
                      const struct dv_write_options *opt, struct dv_arena *arena,
                      struct dv_edit_result *results, struct dv_err *err);

/* Parsing, validation and hashing of a write without its transaction, so that one thread may
 * prepare while another stores; dv_database_write is prepare and apply. A batch is filled by one
 * thread, then applied once by any. Bytes of the edits may go once prepare has returned. */
struct dv_batch;
int dv_batch_prepare(struct dv_database *db, const struct dv_edit *edits, size_t n, bool replicated,
                     struct dv_batch **batch, struct dv_err *err);
size_t dv_batch_size(const struct dv_batch *b);  /* edits in it */
size_t dv_batch_bytes(const struct dv_batch *b); /* memory it holds */
const struct dv_edit_result *
dv_batch_results(const struct dv_batch *b); /* after apply; n of them */
void dv_batch_free(struct dv_batch *b);     /* before its database is closed */
/* All of several batches in one transaction, in order; results are in each. */
int dv_database_apply(struct dv_database *db, struct dv_batch **batches, size_t n,
                      enum dv_commit commit, struct dv_err *err);

int dv_database_sync(struct dv_database *db, struct dv_err *err); /* the barrier alone */

/* A stream for an attachment that is to follow: stored as CouchDB would for its type (compressible
 * ones as gzip; `gzip`: the bytes are that already), up to max_attachment_bytes. Append, finish
 * into dv_edit_attachment.info, then write the document. */
int dv_database_att_writer(struct dv_database *db, struct dv_slice content_type, bool gzip,
                           struct dv_att_writer **w, struct dv_err *err);

/* Add, replace or delete one attachment of a document: a new revision. edit->info NULL-like (data
 * false) deletes. rev as in CouchDB: needed when the document exists. */
int dv_database_put_attachment(struct dv_database *db, struct dv_slice id, struct dv_slice rev,
                               const struct dv_edit_attachment *att, bool remove,
                               enum dv_commit commit, struct dv_arena *arena,
                               struct dv_edit_result *result, struct dv_err *err);

/* ---- reading ---------------------------------------------------------------------------- */

enum dv_get_flag {
    DV_GET_REVS = 1,              /* _revisions */
    DV_GET_REVS_INFO = 2,         /* _revs_info */
    DV_GET_CONFLICTS = 4,         /* _conflicts */
    DV_GET_DELETED_CONFLICTS = 8, /* _deleted_conflicts */
    DV_GET_LOCAL_SEQ = 16,        /* _local_seq */
    DV_GET_ATTACHMENTS = 32,      /* data inline, base64 */
    DV_GET_ATT_ENCODING = 64,     /* att_encoding_info */
    DV_GET_LATEST = 128,          /* follow rev to its leaves */
    DV_GET_META = DV_GET_REVS_INFO | DV_GET_CONFLICTS | DV_GET_DELETED_CONFLICTS,
    DV_GET_FOLLOWS = 256, /* attachments as follows:true (for multipart) */
};

struct dv_get_options {
    unsigned flags;
    struct dv_slice rev;               /* empty: the winner */
    const struct dv_slice *atts_since; /* revisions; only newer attachments are inline/follow */
    size_t n_atts_since;
    bool has_atts_since;
};

/* One attachment of a revision, as stored. In the arena. */
struct dv_att_meta {
    struct dv_slice name;
    struct dv_slice content_type;
    uint64_t revpos;
    uint64_t stored_bytes, decoded_bytes;
    unsigned char md5[16]; /* of the stored bytes */
    struct dv_att_key key; /* encoding inside */
    bool follows;          /* printed as follows:true */
};

/* A revision that was read, for callers that need more than its text. */
struct dv_revision_read {
    struct dv_slice rev; /* text, in the arena */
    bool deleted;
    struct dv_att_meta *atts;
    size_t n_atts;
};

/* The document as a JSON object appended to out. Local documents too. DV_ENOTFOUND with reason
 * "missing" or "deleted". `read` may be NULL. */
int dv_database_get(struct dv_database *db, struct dv_slice id, const struct dv_get_options *opt,
                    struct dv_arena *arena, struct dv_buf *out, struct dv_revision_read *read,
                    struct dv_err *err);

/* open_revs: for each leaf (all true) or each asked revision, in order, one call: json of the
 * document when found (then missing is empty), else the text of the missing revision. Return
 * nonzero to stop. Called outside of any transaction. */
typedef int dv_open_rev_fn(void *arg, struct dv_slice missing, struct dv_slice json,
                           const struct dv_revision_read *read, struct dv_err *err);
int dv_database_open_revs(struct dv_database *db, struct dv_slice id, bool all,
                          const struct dv_slice *revs, size_t n_revs,
                          const struct dv_get_options *opt, dv_open_rev_fn *fn, void *arg,
                          struct dv_err *err);

/* An attachment of a revision (rev empty: the winner). */
int dv_database_find_attachment(struct dv_database *db, struct dv_slice id, struct dv_slice rev,
                                struct dv_slice name, struct dv_arena *arena,
                                struct dv_att_meta *meta, struct dv_slice *rev_out,
                                struct dv_err *err);
/* Stored bytes, or decoded ones when `decode`. Ranges are over the stored bytes. */
struct dv_att_source;
int dv_att_source_open(struct dv_database *db, const struct dv_att_meta *meta, bool decode,
                       uint64_t offset, uint64_t length, struct dv_att_source **s,
                       struct dv_err *err);
int dv_att_source_read(struct dv_att_source *s, void *out, size_t room, size_t *got,
                       struct dv_err *err); /* *got 0: end */
void dv_att_source_close(struct dv_att_source *s);

/* Which of these revisions are missing, for many documents: input {"id":["rev",..],..} or parsed.
 */
struct dv_revs_query {
    struct dv_slice id;
    const struct dv_slice *revs; /* texts */
    size_t n_revs;
    struct dv_slice *missing; /* out, in the arena; texts as asked */
    size_t n_missing;
    struct dv_slice *possible_ancestors; /* out */
    size_t n_possible_ancestors;
};
int dv_database_revs_diff(struct dv_database *db, struct dv_revs_query *queries, size_t n,
                          struct dv_arena *arena, struct dv_err *err);

/* ---- changes, all_docs, local docs --------------------------------------------------------- */

struct dv_change {
    uint64_t seq;
    struct dv_slice id;
    bool deleted;
    const struct dv_slice *revs; /* texts: the winner first; with all_docs every leaf */
    size_t n_revs;
    struct dv_slice doc; /* JSON when include_docs, else empty */
    uint64_t pending;    /* changes after this one when wanted, else 0 */
};

struct dv_changes_options {
    uint64_t since;
    uint64_t limit;  /* UINT64_MAX: none */
    bool descending; /* from the newest; since is not looked at, as in CouchDB */
    bool all_docs;   /* style=all_docs; else main_only */
    bool include_docs;
    bool pending;       /* count what follows each change */
    unsigned get_flags; /* for include_docs */
};

/* Called outside of any transaction; return > 0 to stop (returned), < 0 on error. Slices are
 * borrowed for the call. *last_seq is the seq up to which everything was told: the last change's,
 * or update_seq when there is nothing more. */
typedef int dv_change_fn(void *arg, const struct dv_change *change, struct dv_err *err);
int dv_database_changes(struct dv_database *db, const struct dv_changes_options *opt,
                        dv_change_fn *fn, void *arg, uint64_t *last_seq, struct dv_err *err);

/* How many documents have changed after since. */
int dv_database_count_changes(struct dv_database *db, uint64_t since, uint64_t *n,
                              struct dv_err *err);

/* Wait until update_seq is above since, also by another process within 200 ms, or timeout_ms passed
 * (then *changed is false), or dv_database_wake was called. */
int dv_database_wait(struct dv_database *db, uint64_t since, int64_t timeout_ms, bool *changed,
                     struct dv_err *err);
/* From any thread: all who wait now return. One who is about to wait is not held back, so a caller
 * with something else to look at gives a timeout. */
void dv_database_wake(struct dv_database *db);

/* Be told when the database may have changed: at once after a commit of this process, within 200 ms
 * after one of another. No thread for each watch. fn runs on some other thread, under a lock: it
 * only passes the news on (a wake-up of a loop), calls nothing of here and does not block. */
struct dv_watch;
typedef void dv_watch_fn(void *arg);
int dv_database_watch(struct dv_database *db, dv_watch_fn *fn, void *arg, struct dv_watch **watch,
                      struct dv_err *err);
/* fn is not running and will not run again on return. Before the database is closed. NULL is fine.
 */
void dv_watch_stop(struct dv_watch *watch);

struct dv_row {
    struct dv_slice key;
    bool found; /* false: {"key":..,"error":"not_found"} */
    bool deleted;
    struct dv_slice rev; /* text of the winner */
    struct dv_slice doc; /* JSON when include_docs and there is one to show */
};

struct dv_all_docs_options {
    struct dv_range range;       /* include_deleted for "deleted" */
    const struct dv_slice *keys; /* instead of a range */
    size_t n_keys;
    bool has_keys;
    uint64_t skip, limit; /* limit UINT64_MAX: none */
    bool include_docs;
    unsigned get_flags;
};
typedef int dv_row_fn(void *arg, const struct dv_row *row, struct dv_err *err);
/* total: live documents; offset: rows before the first one shown (after skip), for range queries.
 */
int dv_database_all_docs(struct dv_database *db, const struct dv_all_docs_options *opt,
                         dv_row_fn *fn, void *arg, uint64_t *total, uint64_t *offset,
                         struct dv_err *err);
/* Local documents by id; same row shape, rev "0-N". */
int dv_database_local_docs(struct dv_database *db, const struct dv_all_docs_options *opt,
                           dv_row_fn *fn, void *arg, struct dv_err *err);

/* ---- administration ------------------------------------------------------------------------- */

/* JSON object, checked for CouchDB's shape ({"admins":{"names":[],"roles":[]},"members":{..}}). */
int dv_database_security(struct dv_database *db, struct dv_buf *out, struct dv_err *err);
int dv_database_set_security(struct dv_database *db, struct dv_slice json, struct dv_err *err);
int dv_database_set_revs_limit(struct dv_database *db, uint64_t limit, struct dv_err *err);

struct dv_purge_request {
    struct dv_slice id;
    const struct dv_slice *revs; /* texts */
    size_t n_revs;
    struct dv_slice *purged; /* out, in the arena: those that were leaves */
    size_t n_purged;
};
int dv_database_purge(struct dv_database *db, struct dv_purge_request *requests, size_t n,
                      struct dv_arena *arena, uint64_t *purge_seq, struct dv_err *err);

int dv_database_compact(struct dv_database *db, const struct dv_compact_options *opt,
                        struct dv_err *err);
int dv_database_check(struct dv_database *db, bool deep, dv_check_fn *fn, void *arg,
                      struct dv_check_result *result, struct dv_err *err);

#endif
