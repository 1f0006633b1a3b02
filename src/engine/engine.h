/* Storage of one database: the contract of every engine, behind checked front-door calls.
 *
 * An engine keeps rows, bodies, local documents, attachments, properties and purge infos, in
 * transactions. It does not know how revisions merge: src/database decides, the engine stores
 * what it is told (compaction alone reads trees, to see which bodies are still leaves).
 *
 * Threads: a struct dv_store may be used by any number of threads at once. A struct dv_txn and an
 * attachment reader or writer belong to the thread that uses them, one at a time. A thread ends its
 * read transaction before it begins a write on the same store. Calls block (disk, locks).
 *
 * Time: a read transaction is a snapshot and short by contract: a bounded number of rows and
 * milliseconds, never across a send or a wait. Writers of all processes run one after another.
 *
 * Errors every call may return: DV_ENOMEM, DV_EIO, DV_EFULL, DV_ECORRUPT (a checksum or a
 * structure is wrong; the text names the row), DV_EGONE (the database was deleted or replaced),
 * DV_EBUSY (another process kept the lock longer than busy_timeout_ms). */
#ifndef DV_ENGINE_ENGINE_H
#define DV_ENGINE_ENGINE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

struct dv_store;
struct dv_txn;
struct dv_engine_ops;

/* What an engine is; conformance cases that need one bind the engines that declare it. */
enum dv_ability {
    DV_ABLE_DURABLE = 1, /* survives the process */
    DV_ABLE_SHARED = 2,  /* several processes at once */
    DV_ABLE_SWAPS = 4,   /* compaction replaces the storage */
};

struct dv_engine {
    const char *name;
    unsigned abilities;
    const struct dv_engine_ops *ops;
};

extern const struct dv_engine dv_engine_sqlite; /* one file per database, path ends .divan */
extern const struct dv_engine dv_engine_memory; /* path is a key in this process */

enum { DV_PURGE_INFOS_LIMIT = 1000, DV_REVS_LIMIT_DEFAULT = 1000 };

/* Ceilings of the front door, far above what src/database lets in: an id (DV_EILLEGALID), a
 * record, tree or local body (DV_ETOOBIG). */
enum { DV_ID_MAX_BYTES = 64 * 1024, DV_RECORD_MAX_BYTES = 512 * 1024 * 1024 };

/* ---- find and lifetime ------------------------------------------------------------- */

struct dv_store_options {
    char node[33]; /* id of the data folder, 32 hex; empty: "no node", takes no ownership */
    struct dv_slice security; /* security object at creation (JSON), borrowed; empty: {} */
    const char *vfs;          /* sqlite: name of a registered VFS, NULL for the default */
    size_t cache_bytes;       /* page cache of the writing handle; 0: the engine's default */
    int busy_timeout_ms;      /* 0: 10 000 */
    bool read_only;           /* open: no write of any kind, not even recovery of ownership */
};

int dv_store_exists(const struct dv_engine *e, const char *path, bool *exists, struct dv_err *err);
/* DV_EEXISTS when there is one. On failure nothing is left behind. */
int dv_store_create(const struct dv_engine *e, const char *path, const struct dv_store_options *opt,
                    struct dv_store **store, struct dv_err *err);
/* DV_ENODB when there is none (nothing is created), DV_EFORMAT for a foreign or truncated file,
 * DV_ENEWER, DV_ENETFS. The file is untouched in these cases. Finishes recovery after a crash.
 * An owner (node) that differs from the newest epoch's is recorded as a new epoch. */
int dv_store_open(const struct dv_engine *e, const char *path, const struct dv_store_options *opt,
                  struct dv_store **store, struct dv_err *err);
/* DV_ENODB when there is none. Removes every file of it. Holders get DV_EGONE. */
int dv_store_delete(const struct dv_engine *e, const char *path, const struct dv_store_options *opt,
                    struct dv_err *err);

/* A store starts with one reference; the last unref closes it (all transactions are over). */
struct dv_store *dv_store_ref(struct dv_store *s);
void dv_store_unref(struct dv_store *s);
const struct dv_engine *dv_store_engine(const struct dv_store *s);
const char *dv_store_path(const struct dv_store *s);

/* Who uses it, by name, for people and for idle closing. A hold is not a reference. */
struct dv_hold;
int dv_store_hold(struct dv_store *s, const char *who, struct dv_hold **hold, struct dv_err *err);
void dv_store_release(struct dv_hold *hold);
/* Calls fn for each under a lock (fn must not call back). Returns how many. */
size_t dv_store_holders(struct dv_store *s, void (*fn)(void *arg, const char *who), void *arg);

/* ---- transactions ------------------------------------------------------------------ */

enum dv_commit {
    DV_COMMIT_LAZY,    /* a later barrier makes it durable; a power cut before may lose it whole */
    DV_COMMIT_DURABLE, /* the barrier: this and every earlier commit is on the disk on return */
};

int dv_store_begin_read(struct dv_store *s, struct dv_txn **txn, struct dv_err *err);
/* Waits for the writers before it. Reads in it see its own writes. */
int dv_store_begin_write(struct dv_store *s, struct dv_txn **txn, struct dv_err *err);
/* Ends the transaction in every case; on failure nothing of it is stored. DV_ERETRY: run the
 * whole closure again. After a write of it that failed (but for DV_ENOTFOUND of put_body, and what
 * the front door refused before the engine saw it) it fails with that code. When the commit is done
 * and only the barrier fails (the disk's sync does), it stays stored, without a promise. */
int dv_txn_commit(struct dv_txn *t, enum dv_commit how, struct dv_err *err);
/* Ends a read or an unwanted write. NULL is fine. */
void dv_txn_rollback(struct dv_txn *t);
/* The barrier alone: all commits so far (of any process) are durable on return. */
int dv_store_sync(struct dv_store *s, struct dv_err *err);
/* A number that changes when any process has committed to the database. Cheap (no disk). */
int dv_store_stamp(struct dv_store *s, uint64_t *stamp, struct dv_err *err);

/* ---- properties -------------------------------------------------------------------- */

struct dv_props {
    uint64_t doc_count; /* documents whose winner is live */
    uint64_t deleted_doc_count;
    uint64_t update_seq;
    uint64_t purge_seq;
    uint64_t compacted_seq; /* update_seq at the start of the last finished compaction */
    uint64_t revs_limit;
    unsigned disk_version;
    char uuid[33];           /* made at creation, survives compaction */
    uint64_t file_bytes;     /* storage taken */
    uint64_t active_bytes;   /* of it: leaf records, trees, attachments that are referred to */
    uint64_t external_bytes; /* leaf bodies and decoded attachments */
};

struct dv_epoch {
    char node[33];
    uint64_t seq; /* at which it took ownership */
};

int dv_txn_props(struct dv_txn *t, struct dv_props *props, struct dv_err *err);
/* Newest first, in the arena. */
int dv_txn_epochs(struct dv_txn *t, struct dv_arena *arena, struct dv_epoch **epochs, size_t *n,
                  struct dv_err *err);
int dv_txn_security(struct dv_txn *t, struct dv_buf *out, struct dv_err *err);
/* Setting either raises update_seq by one. */
int dv_txn_set_security(struct dv_txn *t, struct dv_slice json, struct dv_err *err);
int dv_txn_set_revs_limit(struct dv_txn *t, uint64_t limit, struct dv_err *err);

/* ---- documents --------------------------------------------------------------------- */

struct dv_doc_info {
    bool found;
    struct dv_slice id;
    uint64_t seq;         /* update_seq of its latest change */
    bool deleted;         /* the winner is a tombstone */
    struct dv_slice tree; /* serialised revision tree (couch/revtree.h) */
    uint64_t leaf_bytes;  /* sum of the records of its leaves */
};

/* In the order asked; `found` false and `id` set for a missing one. Slices live in the arena. */
int dv_txn_open_docs(struct dv_txn *t, const struct dv_slice *ids, size_t n, struct dv_arena *arena,
                     struct dv_doc_info *infos, struct dv_err *err);

/* The record of a revision (any bytes). Appends to out. DV_ENOTFOUND when it is not kept any
 * more, DV_ECORRUPT when its checksum is wrong. May be called inside a fold. */
int dv_txn_read_body(struct dv_txn *t, uint64_t ref, struct dv_buf *out, struct dv_err *err);

/* Address of an attachment's stored bytes inside a database. */
struct dv_att_key {
    unsigned char sha256[32]; /* of the stored bytes */
    unsigned char encoding;   /* enum dv_encoding */
};

/* Store a revision's record, and that it refers to these attachments (DV_ENOTFOUND if one is
 * unknown). *ref is never 0 and never used again in this database. */
int dv_txn_put_body(struct dv_txn *t, struct dv_slice record, const struct dv_att_key *atts,
                    size_t n_atts, uint64_t *ref, struct dv_err *err);
/* Forget a record at once (purge, stemming). An unknown ref is fine. */
int dv_txn_drop_body(struct dv_txn *t, uint64_t ref, struct dv_err *err);

struct dv_doc_write {
    const struct dv_doc_info *old; /* as read in this transaction; NULL: the id is new */
    struct dv_slice id;
    struct dv_slice tree;
    bool deleted;
    uint64_t leaf_bytes;
    uint64_t seq; /* out */
};

/* Each takes the next seq, in order. At most one entry per id per call. */
int dv_txn_write_docs(struct dv_txn *t, struct dv_doc_write *docs, size_t n, struct dv_err *err);

/* ---- local documents ---------------------------------------------------------------- */

struct dv_local {
    bool found;
    struct dv_slice id; /* "_local/..." */
    uint64_t rev;       /* the N of "0-N" */
    struct dv_slice body;
};

int dv_txn_open_locals(struct dv_txn *t, const struct dv_slice *ids, size_t n,
                       struct dv_arena *arena, struct dv_local *out, struct dv_err *err);
/* Stores id, rev, body (found true) or deletes (found false). Never moves update_seq. */
int dv_txn_write_locals(struct dv_txn *t, const struct dv_local *locals, size_t n,
                        struct dv_err *err);

/* ---- folds -------------------------------------------------------------------------- */

struct dv_range {
    bool has_start, has_end;
    struct dv_slice start_key; /* inclusive; where the fold begins, in its direction */
    struct dv_slice end_key;   /* inclusive unless end_exclusive (end_key_gt) */
    bool end_exclusive;
    bool descending;
    bool include_deleted;
};

/* 0: go on; > 0: stop, the fold returns that value; < 0: an error the fold returns as it is.
 * Slices are borrowed for the call. fn may read through the same transaction, not write. */
typedef int dv_doc_fn(void *arg, const struct dv_doc_info *info, struct dv_err *err);
typedef int dv_local_fn(void *arg, const struct dv_local *local, struct dv_err *err);

int dv_txn_fold_docs(struct dv_txn *t, const struct dv_range *range, dv_doc_fn *fn, void *arg,
                     struct dv_err *err);
int dv_txn_fold_locals(struct dv_txn *t, const struct dv_range *range, dv_local_fn *fn, void *arg,
                       struct dv_err *err);
/* Documents with seq > since, ascending; or descending: documents with seq <= since, newest
 * first (UINT64_MAX for all). Deleted ones included. */
int dv_txn_fold_changes(struct dv_txn *t, uint64_t since, bool descending, dv_doc_fn *fn, void *arg,
                        struct dv_err *err);
int dv_txn_count_changes(struct dv_txn *t, uint64_t since, uint64_t *n, struct dv_err *err);
/* Live documents whose id is before key in raw byte order. */
int dv_txn_count_docs_before(struct dv_txn *t, struct dv_slice key, uint64_t *n,
                             struct dv_err *err);

/* ---- purge -------------------------------------------------------------------------- */

struct dv_purge_info {
    uint64_t purge_seq;
    struct dv_slice uuid;
    struct dv_slice id;
    const struct dv_slice *revs; /* "G-ID" texts as asked for */
    size_t n_revs;
};

struct dv_purge {
    struct dv_purge_info info;       /* purge_seq is out */
    const struct dv_doc_info *old;   /* NULL: there is no such document */
    bool changes;                    /* some revision is removed */
    const struct dv_doc_write *left; /* what is left of it; NULL with changes: nothing is left */
    const uint64_t *bodies;          /* records to forget */
    size_t n_bodies;
};

/* Each raises purge_seq by one, and update_seq by one when it changes something (what is left
 * moves to that seq). The caller leaves out uuids that dv_txn_load_purge finds. */
int dv_txn_purge(struct dv_txn *t, struct dv_purge *purges, size_t n, struct dv_err *err);
/* *found false when unknown or forgotten. */
int dv_txn_load_purge(struct dv_txn *t, struct dv_slice uuid, struct dv_arena *arena,
                      struct dv_purge_info *info, bool *found, struct dv_err *err);
typedef int dv_purge_fn(void *arg, const struct dv_purge_info *info, struct dv_err *err);
int dv_txn_fold_purges(struct dv_txn *t, uint64_t since, dv_purge_fn *fn, void *arg,
                       struct dv_err *err);

/* ---- attachments --------------------------------------------------------------------- */

enum dv_encoding { DV_ENC_IDENTITY, DV_ENC_GZIP };

enum dv_att_mode {
    DV_ATT_AS_IS,    /* bytes given are stored; identity */
    DV_ATT_COMPRESS, /* bytes given are gzipped (couch/gzip.h), stored as DV_ENC_GZIP */
    DV_ATT_ENCODED,  /* bytes given are already gzip: checked, stored as they come */
};

struct dv_att_info {
    struct dv_att_key key;
    uint64_t stored_bytes;
    uint64_t decoded_bytes;
    unsigned char md5_stored[16]; /* the protocol's digest */
    unsigned char md5_decoded[16];
    uint64_t opened; /* of the store that gave it; see dv_store_att_is_active */
};

struct dv_att_writer;
struct dv_att_reader;

/* Without txn each chunk is stored in a short transaction of its own; with txn all of it belongs
 * to that transaction. More than max_bytes given (decoded bytes for COMPRESS and AS_IS, stored for
 * ENCODED, where decoding is bounded by max_bytes too) is DV_ETOOBIG (0: no limit). */
int dv_att_writer_open(struct dv_store *s, struct dv_txn *txn, enum dv_att_mode mode,
                       uint64_t max_bytes, struct dv_att_writer **w, struct dv_err *err);
int dv_att_writer_append(struct dv_att_writer *w, struct dv_slice bytes, struct dv_err *err);
/* Frees the writer in every case. On success the attachment is kept for this process until a body
 * refers to it, dv_att_forget is called, or the store is closed: after that compaction may take it.
 */
int dv_att_writer_finish(struct dv_att_writer *w, struct dv_att_info *info, struct dv_err *err);
void dv_att_writer_abort(struct dv_att_writer *w); /* NULL is fine */
void dv_att_forget(struct dv_store *s, const struct dv_att_key *key);

/* Stored bytes from offset, at most length (UINT64_MAX: to the end). Every chunk's checksum is
 * verified. Without txn each read is a short transaction of its own. DV_ENOTFOUND. */
int dv_att_reader_open(struct dv_store *s, struct dv_txn *txn, const struct dv_att_key *key,
                       uint64_t offset, uint64_t length, struct dv_att_reader **r,
                       struct dv_err *err);
/* *got 0 at the end. */
int dv_att_reader_read(struct dv_att_reader *r, void *out, size_t room, size_t *got,
                       struct dv_err *err);
void dv_att_reader_close(struct dv_att_reader *r); /* NULL is fine */

/* Copy between databases, stored bytes as they are; the copy is kept as after finish. */
int dv_att_copy(struct dv_store *from, const struct dv_att_key *key, struct dv_store *to,
                struct dv_att_info *info, struct dv_err *err);
/* False when info came from another opening of the database, or from storage that was swapped. */
bool dv_store_att_is_active(struct dv_store *s, const struct dv_att_info *info);

/* ---- compaction and check -------------------------------------------------------------- */

struct dv_compact_options {
    size_t rows_per_txn;          /* 0: the engine's choice; tests use tiny ones */
    bool (*cancelled)(void *arg); /* asked between transactions; may be NULL */
    void *arg;
};

/* Runs beside readers and writers, in place, in bounded transactions; may be killed anywhere and
 * run again. DV_EBUSY when another thread or process is compacting it. */
int dv_store_compact(struct dv_store *s, const struct dv_compact_options *opt, struct dv_err *err);

/* One line about something wrong. */
typedef void dv_check_fn(void *arg, const char *finding);
struct dv_check_result {
    uint64_t docs, bodies, locals, attachments, chunks, purges; /* looked at */
    uint64_t findings;
};
/* Structure, checksums, trees, counts, orphans; deep: attachment digests. Writes nothing. 0 also
 * when there are findings; an error only when the check itself cannot go on. */
int dv_store_check(struct dv_store *s, bool deep, dv_check_fn *fn, void *arg,
                   struct dv_check_result *result, struct dv_err *err);

#endif
