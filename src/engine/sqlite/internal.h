/* The SQLite engine's own shapes; only src/engine/sqlite includes this.
 *
 * One file per database in WAL mode (docs/FORMAT.md). Invariants:
 *  1. A connection is used by one thread at a time: the writer under the store's write queue, the
 *     watcher under its own lock, a reader by the transaction that took it out of the pool.
 *  2. Counters and the next numbers live in one row (struct dv_sqstate), read when a transaction
 *     begins and written once when it commits.
 *  3. Every row that carries content has a CRC-32, checked whenever the row is read.
 *  4. Numbers (seq, body ref, attachment, owner) only grow; none is used twice.
 *  5. After an error that may have lost a part of a write, the transaction can only roll back. No
 *     statement runs when SQLite has rolled back by itself: it would be a transaction of its own.
 */
#ifndef DV_ENGINE_SQLITE_INTERNAL_H
#define DV_ENGINE_SQLITE_INTERNAL_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "engine/engine_ops.h"
#include "engine/sqlite/sql.h"

enum {
    DV_SQ_APPLICATION_ID = 0x6469766e, /* "divn" */
    DV_SQ_VERSION = 1,
    DV_SQ_PAGE_BYTES = 8192,
    DV_SQ_HEADER_BYTES = 100, /* of a SQLite file */
    DV_SQ_SECTOR_BYTES = 512, /* what a disk writes whole */
    DV_SQ_READERS_MAX = 8,    /* idle read connections kept */
    /* A stored id, body or tree longer than this is taken as damage (SQLite's own limit). */
    DV_SQ_BLOB_MAX = 1000 * 1000 * 1000,
};

/* Before SQLite's first use; any number of times, any thread (memory.c). */
void dv_sqmemory_init(void);

/* ---- files (file.c) ---- */

enum dv_sqfile_kind {
    DV_SQFILE_ABSENT,
    DV_SQFILE_UNFINISHED, /* a creation that was cut off: counts as absent */
    DV_SQFILE_OURS,
    DV_SQFILE_OTHER, /* foreign, newer or truncated: code and reason say which */
};

struct dv_sqfile {
    enum dv_sqfile_kind kind;
    int code;   /* of DV_SQFILE_OTHER */
    bool divan; /* of DV_SQFILE_OTHER: a damaged file of ours */
    char reason[128];
};

/* Look at the first bytes through an open file, changing nothing. wal: there is a log beside it. */
int dv_sqfile_inspect(sqlite3_file *file, bool wal, struct dv_sqfile *out, struct dv_err *err);
/* By path; opens and closes it through the VFS. */
int dv_sqfile_inspect_path(const char *path, const char *vfs, struct dv_sqfile *out,
                           struct dv_err *err);
int dv_sqfile_exists(sqlite3_vfs *vfs, const char *path, const char *suffix, bool *yes,
                     struct dv_err *err);
/* Write a whole new database into an empty file so that at any cut it is unfinished or complete.
 * The first DV_SQ_SECTOR_BYTES go last. */
int dv_sqfile_write_image(sqlite3_vfs *vfs, sqlite3_file *file, const char *path,
                          struct dv_slice image, struct dv_err *err);
/* Unlink the database and its side files, the main file first (a log without it is ignored, a
 * database without its log would be an older state). Missing ones are fine. */
int dv_sqfile_remove(sqlite3_vfs *vfs, const char *path, struct dv_err *err);
int dv_sqfile_remove_sides(sqlite3_vfs *vfs, const char *path, struct dv_err *err);
/* The VFS named, or the default; NULL name is the default. DV_EINVAL when unknown. */
int dv_sqfile_vfs(const char *name, sqlite3_vfs **vfs, struct dv_err *err);

/* Name of a network file system's magic number (statfs f_type), or NULL. */
const char *dv_sqfile_netfs_name(unsigned long magic);
/* DV_ENETFS when path's folder is on a network file system. */
int dv_sqfile_check_fs(const char *path, struct dv_err *err);
/* For tests: take this as the magic number of every folder; 0: ask the system. */
void dv_sqfile_set_fs_magic(unsigned long magic);

/* ---- checksums and numbers (sum.c) ---- */

/* CRC-32 over n numbers (each 8 bytes, little-endian) and then the slices, as SQLite stores it: a
 * signed 32-bit integer. */
int32_t dv_sqsum(const uint64_t *numbers, size_t n, struct dv_slice a, struct dv_slice b);
void dv_sqput_u64(unsigned char *p, uint64_t v);
uint64_t dv_sqget_u64(const unsigned char *p);

/* ---- counters (state.c) ---- */

/* In the order of the stored row. */
#define DV_SQ_COUNTERS(X)                                                                          \
    X(update_seq)                                                                                  \
    X(purge_seq)                                                                                   \
    X(compacted_seq)                                                                               \
    X(docs)      /* winner is live */                                                              \
    X(deleted)   /* winner is a tombstone */                                                       \
    X(staged)    /* of both: ids that stand in ids_new */                                          \
    X(last_body) /* numbers given out so far */                                                    \
    X(last_att)                                                                                    \
    X(last_owner)                                                                                  \
    X(leaf_bytes)                                                                                  \
    X(tree_bytes)                                                                                  \
    X(att_stored_bytes) /* of attachments a body refers to */                                      \
    X(att_decoded_bytes)                                                                           \
    X(revs_limit)                                                                                  \
    X(compactor) /* owner that compacts, or 0 */                                                   \
    X(gone)      /* 1: deleted, holders must let go */

struct dv_sqstate {
#define X(name) uint64_t name;
    DV_SQ_COUNTERS(X)
#undef X
    unsigned char uuid[16];
};

enum dv_sqstate_row { DV_SQSTATE_COUNTERS = 1, DV_SQSTATE_SECURITY = 2, DV_SQSTATE_EPOCHS = 3 };

/* ---- connections (conn.c) ---- */

struct dv_sqconn {
    sqlite3 *db;
    const char *path; /* borrowed: store */
    sqlite3_stmt *stmts[DV_SQL_COUNT];
    int busy_timeout_ms;
    int64_t busy_since_ms;
    int wal_frames; /* in the log after the last commit of this connection */
    bool in_txn;    /* between BEGIN and its end */
    int lost;       /* error at which SQLite gave the transaction up by itself: nothing runs */
};

enum dv_sqconn_use { DV_SQCONN_READ, DV_SQCONN_WRITE, DV_SQCONN_WATCH };

struct dv_sqconn_options {
    const char *vfs;
    enum dv_sqconn_use use;
    size_t cache_bytes;
    int busy_timeout_ms;
    bool immutable; /* a file in a folder that can not be written, with nobody else */
    bool keep_log;  /* closing last leaves the log as it is */
};

/* Opens an existing, inspected database file. */
int dv_sqconn_open(const char *path, const struct dv_sqconn_options *opt, struct dv_sqconn **c,
                   struct dv_err *err);
void dv_sqconn_close(struct dv_sqconn *c);
/* The cached statement, reset and ready to bind. */
int dv_sqconn_stmt(struct dv_sqconn *c, enum dv_sql which, sqlite3_stmt **st, struct dv_err *err);
/* As above, but the statement is the caller's until it is given back: for folds, whose callback may
 * run the same statement again. */
int dv_sqconn_take(struct dv_sqconn *c, enum dv_sql which, sqlite3_stmt **st, struct dv_err *err);
void dv_sqconn_give(struct dv_sqconn *c, enum dv_sql which, sqlite3_stmt *st);
/* Run a statement without bindings to its end. */
int dv_sqconn_run(struct dv_sqconn *c, enum dv_sql which, struct dv_err *err);
/* A transaction's bounds. A commit that fails has rolled back. */
int dv_sqconn_begin(struct dv_sqconn *c, enum dv_sql which, struct dv_err *err);
int dv_sqconn_commit(struct dv_sqconn *c, struct dv_err *err);
void dv_sqconn_rollback(struct dv_sqconn *c);
/* Step a bound statement that gives no rows, and reset it. */
int dv_sqconn_done(struct dv_sqconn *c, sqlite3_stmt *st, struct dv_err *err);
/* 1 a row, 0 the end; resets at the end and on failure. */
int dv_sqconn_step(struct dv_sqconn *c, sqlite3_stmt *st, struct dv_err *err);
/* SQLite's result as ours, with one line that names the file. */
int dv_sqconn_error(struct dv_sqconn *c, int rc, struct dv_err *err);
int dv_sq_error(sqlite3 *db, const char *path, int rc, struct dv_err *err);

/* Ids are bound as text, any bytes: compared as bytes, and a fold's open end is a number or a blob,
 * which sort before and behind every text. */
static inline void dv_sq_bind_id(sqlite3_stmt *st, int at, struct dv_slice id)
{
    sqlite3_bind_text64(st, at, id.n ? id.p : "", id.n, SQLITE_STATIC, SQLITE_UTF8);
}

static inline void dv_sq_bind_bytes(sqlite3_stmt *st, int at, struct dv_slice s)
{
    sqlite3_bind_blob64(st, at, s.n ? s.p : "", s.n, SQLITE_STATIC);
}

static inline void dv_sq_bind_u64(sqlite3_stmt *st, int at, uint64_t v)
{
    sqlite3_bind_int64(st, at, (sqlite3_int64)v);
}

/* Borrowed until the statement moves. */
static inline struct dv_slice dv_sq_column(sqlite3_stmt *st, int at)
{
    const void *p = sqlite3_column_blob(st, at);
    int n = sqlite3_column_bytes(st, at);

    return dv_slice(p ? p : "", p && n > 0 ? (size_t)n : 0);
}

static inline uint64_t dv_sq_column_u64(sqlite3_stmt *st, int at)
{
    return (uint64_t)sqlite3_column_int64(st, at);
}

/* ---- the store and its transactions (store.c, txn.c) ---- */

enum { DV_SQ_FILTER_LEVELS = 6 };

struct dv_sqfilter_level {
    uint32_t *words; /* owned */
    uint32_t blocks;
    uint64_t room; /* ids that may still be added */
};

struct dv_sqfilter {
    bool on;
    bool unproven; /* made within the transaction that runs */
    uint64_t seq;  /* ids of all documents up to it are in */
    uint64_t n_ids;
    uint64_t looks; /* in vain, while there is no filter */
    struct dv_sqfilter_level levels[DV_SQ_FILTER_LEVELS];
    int n_levels;
};

struct dv_txn_backend {
    struct dv_store_backend *store; /* borrowed */
    struct dv_sqconn *conn;         /* borrowed: the writer; owned while reading */
    bool write;
    bool dirty;         /* state differs from the stored row */
    int failed;         /* first error of a write: only rollback is left */
    uint64_t begin_seq; /* update_seq when it began */
    uint64_t owner;     /* this store's owner row as this transaction sees it, or 0 */
    struct dv_sqstate state;
};

struct dv_store_backend {
    char *path;     /* owned */
    char *vfs_name; /* owned, or NULL */
    sqlite3_vfs *vfs;
    size_t cache_bytes;
    int busy_timeout_ms;
    bool read_only; /* asked for, or the file can not be written */
    bool immutable;
    bool keep_log;
    dev_t dev;
    ino_t ino;

    /* The write queue: tickets are served in order. */
    pthread_mutex_t write_lock;
    pthread_cond_t write_turn;
    uint64_t next_ticket, serving;
    struct dv_sqconn *writer;        /* owned; opened at the first write */
    struct dv_txn_backend write_txn; /* of whoever is served */
    uint64_t owner;                  /* our row of owners, 0 while there is none */
    int log_waits_at;          /* frames in the log when a reader last kept it from being emptied */
    struct dv_sqfilter filter; /* of ids, filter.c */
    struct dv_buf merge_pos;   /* id behind which the next merge of ids_new starts */

    pthread_mutex_t pool_lock;
    struct dv_sqconn *idle[DV_SQ_READERS_MAX]; /* owned */
    size_t n_idle;

    pthread_mutex_t watch_lock;
    struct dv_sqconn *watch; /* owned */
    uint64_t synced;         /* commits of this store known to be on the disk */
    _Atomic uint64_t commits;
    /* A sync of the log failed: what it was for may be gone though it still reads well, and the
     * next sync would say nothing of it (Linux). */
    atomic_bool log_torn;

    atomic_bool compacting;
};

int dv_sqstore_exists(const char *path, bool *exists, struct dv_err *err);
int dv_sqstore_create(const char *path, const struct dv_store_options *opt,
                      struct dv_store_backend **s, struct dv_err *err);
int dv_sqstore_open(const char *path, const struct dv_store_options *opt,
                    struct dv_store_backend **s, struct dv_err *err);
void dv_sqstore_close(struct dv_store_backend *s);
int dv_sqstore_remove(const char *path, const struct dv_store_options *opt, struct dv_err *err);
/* DV_EGONE when the file at path is not the one that was opened. */
int dv_sqstore_check_path(struct dv_store_backend *s, struct dv_err *err);
/* The bytes of an empty database. *image is freed with sqlite3_free(). */
int dv_sqschema_image(const struct dv_store_options *opt, unsigned char **image, size_t *n,
                      struct dv_err *err);
/* DV_EFORMAT unless the schema is exactly ours (a hostile file may hold triggers). */
int dv_sqschema_verify(struct dv_sqconn *c, struct dv_err *err);

int dv_sqtxn_begin(struct dv_store_backend *s, bool write, struct dv_txn_backend **t,
                   struct dv_err *err);
int dv_sqtxn_commit(struct dv_txn_backend *t, enum dv_commit how, struct dv_err *err);
void dv_sqtxn_rollback(struct dv_txn_backend *t);
/* Open s->writer if it is not yet; only with the write turn, or while nobody else has s. */
int dv_sqtxn_open_writer(struct dv_store_backend *s, struct dv_err *err);
int dv_sqtxn_fail(struct dv_txn_backend *t, int code); /* remembers it, returns it */
int dv_sqtxn_sync(struct dv_store_backend *s, struct dv_err *err);
int dv_sqtxn_stamp(struct dv_store_backend *s, uint64_t *stamp, struct dv_err *err);
/* Move the whole log into the file and empty it, waiting for readers. */
int dv_sqtxn_empty_log(struct dv_store_backend *s, struct dv_err *err);
/* The barrier: what this connection sees in the log is on the disk. The only sync outside SQLite's
 * checkpoints and dv_sqfile_write_image. */
int dv_sqtxn_barrier(struct dv_sqconn *c, struct dv_err *err);
/* A checksum or a link is wrong: DV_ECORRUPT naming the file and the row. */
int dv_sqtxn_corrupt(struct dv_txn_backend *t, struct dv_err *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

int dv_sqstate_load(struct dv_txn_backend *t, struct dv_err *err);
int dv_sqstate_save(struct dv_txn_backend *t, struct dv_err *err);
/* The counters as a row's value (DV_SQSTATE_BYTES). */
enum {
#define X(name) +1
    DV_SQSTATE_BYTES = 16 + 8 * (0 DV_SQ_COUNTERS(X)),
#undef X
};
void dv_sqstate_encode(const struct dv_sqstate *s, unsigned char out[DV_SQSTATE_BYTES]);
/* Record opt->node as owner, as engine.h says at dv_store_open. */
int dv_sqstate_take_over(struct dv_txn_backend *t, const char *node, struct dv_err *err);
int dv_sqstate_owned_by(struct dv_txn_backend *t, const char *node, bool *owned,
                        struct dv_err *err);
int dv_sqstate_props(struct dv_txn_backend *t, struct dv_props *props, struct dv_err *err);
int dv_sqstate_epochs(struct dv_txn_backend *t, struct dv_arena *arena, struct dv_epoch **epochs,
                      size_t *n, struct dv_err *err);
int dv_sqstate_security(struct dv_txn_backend *t, struct dv_buf *out, struct dv_err *err);
int dv_sqstate_set_security(struct dv_txn_backend *t, struct dv_slice json, struct dv_err *err);
int dv_sqstate_set_revs_limit(struct dv_txn_backend *t, uint64_t limit, struct dv_err *err);

/* ---- documents, bodies, local documents, folds, purges ---- */

int dv_sqdoc_open(struct dv_txn_backend *t, const struct dv_slice *ids, size_t n,
                  struct dv_arena *arena, struct dv_doc_info *infos, struct dv_err *err);
int dv_sqdoc_write(struct dv_txn_backend *t, struct dv_doc_write *docs, size_t n,
                   struct dv_err *err);
/* Take a document out of docs and ids (purge). */
int dv_sqdoc_remove(struct dv_txn_backend *t, const struct dv_doc_info *old, struct dv_err *err);
/* The row of `st` (DV_SQL_DOC_COLUMNS) as info, borrowed from st, checksum verified. */
int dv_sqdoc_row(struct dv_txn_backend *t, sqlite3_stmt *st, struct dv_doc_info *info,
                 struct dv_err *err);
int32_t dv_sqdoc_sum(uint64_t seq, bool deleted, uint64_t leaf_bytes, struct dv_slice id,
                     struct dv_slice tree);

int dv_sqbody_read(struct dv_txn_backend *t, uint64_t ref, struct dv_buf *out, struct dv_err *err);
int dv_sqbody_put(struct dv_txn_backend *t, struct dv_slice record, const struct dv_att_key *atts,
                  size_t n_atts, uint64_t *ref, struct dv_err *err);
/* DV_ECORRUPT unless the stored sum is the record's. */
int dv_sqbody_row(struct dv_txn_backend *t, uint64_t ref, int64_t sum, struct dv_slice record,
                  struct dv_err *err);
int dv_sqbody_drop(struct dv_txn_backend *t, uint64_t ref, struct dv_err *err);

/* ids_new (ids.c): new ids of a large database wait there and are merged in order of id, so that a
 * batch of random ids touches few pages of the large index. An id stands in one of the two. */
/* Up to DV_SQL_ROWS new ids at once, of documents that have their seqs. */
int dv_sqids_insert(struct dv_txn_backend *t, const struct dv_doc_write *const *docs, size_t n,
                    struct dv_err *err);
int dv_sqids_update(struct dv_txn_backend *t, struct dv_slice id, uint64_t seq, bool deleted,
                    struct dv_err *err);
int dv_sqids_remove(struct dv_txn_backend *t, struct dv_slice id, struct dv_err *err);
/* When too many are staged, move about n of them. */
int dv_sqids_merge(struct dv_txn_backend *t, size_t n, struct dv_err *err);
/* Move about n whatever their number (compaction). */
int dv_sqids_settle(struct dv_txn_backend *t, size_t n, struct dv_err *err);
/* For tests: where ids_new comes in (documents), and when it is moved (ids). */
void dv_sqids_set_limits(uint64_t from, uint64_t max);

/* The filter of new ids (filter.c); only inside a write transaction. */
void dv_sqfilter_begin(struct dv_txn_backend *t);
void dv_sqfilter_add(struct dv_sqfilter *f, struct dv_slice id);
bool dv_sqfilter_is_new(const struct dv_sqfilter *f, struct dv_slice id);
/* n ids were looked up in vain. */
void dv_sqfilter_missed(struct dv_txn_backend *t, size_t n);
void dv_sqfilter_drop(struct dv_sqfilter *f);

/* The order in which to touch a batch of ids: neighbours share pages. */
struct dv_sqids_key {
    uint64_t prefix; /* first bytes of the id, big-endian */
    uint32_t index;
};
typedef struct dv_slice dv_sqids_at(const void *batch, size_t i);
/* The keys of batch[0..n-1] in that order; freed with dv_free(). NULL when memory is out. */
struct dv_sqids_key *dv_sqids_sort(const void *batch, size_t n, dv_sqids_at *at);

int dv_sqlocal_open(struct dv_txn_backend *t, const struct dv_slice *ids, size_t n,
                    struct dv_arena *arena, struct dv_local *out, struct dv_err *err);
int dv_sqlocal_write(struct dv_txn_backend *t, const struct dv_local *locals, size_t n,
                     struct dv_err *err);
int dv_sqlocal_row(struct dv_txn_backend *t, sqlite3_stmt *st, struct dv_local *out,
                   struct dv_err *err);

int dv_sqfold_docs(struct dv_txn_backend *t, const struct dv_range *range, dv_doc_fn *fn, void *arg,
                   struct dv_err *err);
int dv_sqfold_locals(struct dv_txn_backend *t, const struct dv_range *range, dv_local_fn *fn,
                     void *arg, struct dv_err *err);
int dv_sqfold_changes(struct dv_txn_backend *t, uint64_t since, bool descending, dv_doc_fn *fn,
                      void *arg, struct dv_err *err);
int dv_sqfold_count_changes(struct dv_txn_backend *t, uint64_t since, uint64_t *n,
                            struct dv_err *err);
int dv_sqfold_count_before(struct dv_txn_backend *t, struct dv_slice key, uint64_t *n,
                           struct dv_err *err);

int dv_sqpurge_run(struct dv_txn_backend *t, struct dv_purge *purges, size_t n, struct dv_err *err);
int dv_sqpurge_load(struct dv_txn_backend *t, struct dv_slice uuid, struct dv_arena *arena,
                    struct dv_purge_info *info, bool *found, struct dv_err *err);
/* The row of DV_SQL_PURGE_COLUMNS, checksum verified, all of it in the arena. */
int dv_sqpurge_row(struct dv_txn_backend *t, sqlite3_stmt *st, struct dv_arena *arena,
                   struct dv_purge_info *out, struct dv_err *err);
int dv_sqpurge_fold(struct dv_txn_backend *t, uint64_t since, dv_purge_fn *fn, void *arg,
                    struct dv_err *err);

/* ---- attachments and owners ---- */

/* Compaction takes an attachment whose count of references is 0, so the count must not be damaged
 * unseen. It changes too often for the row's checksum and carries its own: count * STEP + BASE.
 * STEP is a prime above 255, so no changed byte leads from one such number to another. The first
 * BASE is in sql.h. */
enum { DV_SQ_REFS_STEP = 1000003, DV_SQ_REFS_BASE = 17 };
enum { DV_SQ_ATT_KEY_BYTES = 33, DV_SQ_CHUNK_BITS = 24 }; /* chunk row: stream << 24 | number */

struct dv_sqatt {
    uint64_t n;
    bool finished; /* else a provisional stream */
    struct dv_att_info info;
    uint64_t refs, owner, chunks;
};
/* The row of DV_SQL_ATT_COLUMNS, checksum verified. */
int dv_sqatt_row(struct dv_txn_backend *t, sqlite3_stmt *st, struct dv_sqatt *out,
                 struct dv_err *err);
/* out may be NULL. DV_ENOTFOUND. */
int dv_sqatt_find(struct dv_txn_backend *t, const struct dv_att_key *key, struct dv_sqatt *out,
                  struct dv_err *err);
/* By number. out may be NULL. DV_ENOTFOUND. */
int dv_sqatt_at(struct dv_txn_backend *t, uint64_t n, struct dv_sqatt *out, struct dv_err *err);
/* DV_ECORRUPT unless the stored sum is the chunk's. */
int dv_sqatt_chunk_row(struct dv_txn_backend *t, uint64_t at, int64_t sum, struct dv_slice data,
                       struct dv_err *err);
int dv_sqatt_delete(struct dv_txn_backend *t, uint64_t n, struct dv_err *err);
int dv_sqatt_read_chunk(struct dv_txn_backend *t, uint64_t at, struct dv_buf *out,
                        struct dv_err *err);
int dv_sqatt_begin(struct dv_txn_backend *t, uint64_t *stream, struct dv_err *err);
int dv_sqatt_chunk(struct dv_txn_backend *t, uint64_t stream, uint64_t n, struct dv_slice bytes,
                   struct dv_err *err);
int dv_sqatt_finish(struct dv_txn_backend *t, uint64_t stream, const struct dv_att_info *info,
                    struct dv_err *err);
int dv_sqatt_drop(struct dv_txn_backend *t, uint64_t stream, struct dv_err *err);
void dv_sqatt_forget(struct dv_store_backend *s, const struct dv_att_key *key);
int dv_sqatt_info(struct dv_txn_backend *t, const struct dv_att_key *key, struct dv_att_info *info,
                  struct dv_err *err);
int dv_sqatt_read(struct dv_txn_backend *t, const struct dv_att_key *key, uint64_t n,
                  struct dv_buf *out, struct dv_err *err);
/* Body `ref` refers to the attachment (once, however often it is said). DV_ENOTFOUND. */
int dv_sqatt_refer(struct dv_txn_backend *t, uint64_t ref, const struct dv_att_key *key,
                   struct dv_err *err);
/* Body `ref` is dropped: what it referred to has one reference less. */
int dv_sqatt_unrefer(struct dv_txn_backend *t, uint64_t ref, struct dv_err *err);

/* Who keeps provisional streams and unreferenced attachments: one row per open store. */
int dv_sqowner_need(struct dv_txn_backend *t, uint64_t *owner, struct dv_err *err);
/* Does the process behind the row of DV_SQL_OWNER_GET's columns still live? */
bool dv_sqowner_alive(sqlite3_stmt *st);
/* Remove everything this store keeps; best effort, at close. */
void dv_sqowner_leave(struct dv_store_backend *s);
/* For tests: the machine was started anew under this boot id (the string is borrowed); NULL: ask
 * the system. While nothing is open. */
void dv_sqowner_set_boot(const char *id);
/* Remove an owner's keeps and row, and leave its streams without one: compaction takes them. */
int dv_sqowner_remove(struct dv_txn_backend *t, uint64_t owner, struct dv_err *err);

int dv_sqcompact_run(struct dv_store_backend *s, const struct dv_compact_options *opt,
                     struct dv_err *err);
int dv_sqcheck_run(struct dv_store_backend *s, bool deep, dv_check_fn *fn, void *arg,
                   struct dv_check_result *result, struct dv_err *err);

#endif
