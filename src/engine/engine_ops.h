/* What a storage engine implements; only src/engine includes this. Every method is present. The
 * front door (engine.c, attachment.c) has checked arguments, transaction mode and use after end
 * before a method runs; it does hashing, compression and limits of attachments, references and
 * holds. Meanings are those of engine.h; only what differs is said here. */
#ifndef DV_ENGINE_ENGINE_OPS_H
#define DV_ENGINE_ENGINE_OPS_H

#include "engine/engine.h"

struct dv_store_backend; /* the engine's own */
struct dv_txn_backend;

struct dv_engine_ops {
    int (*exists)(const char *path, bool *exists, struct dv_err *err);
    int (*create)(const char *path, const struct dv_store_options *opt, struct dv_store_backend **s,
                  struct dv_err *err);
    int (*open)(const char *path, const struct dv_store_options *opt, struct dv_store_backend **s,
                struct dv_err *err);
    void (*close)(struct dv_store_backend *s);
    int (*remove)(const char *path, const struct dv_store_options *opt, struct dv_err *err);

    int (*begin)(struct dv_store_backend *s, bool write, struct dv_txn_backend **t,
                 struct dv_err *err);
    int (*commit)(struct dv_txn_backend *t, enum dv_commit how, struct dv_err *err);
    void (*rollback)(struct dv_txn_backend *t);
    int (*sync)(struct dv_store_backend *s, struct dv_err *err);
    int (*stamp)(struct dv_store_backend *s, uint64_t *stamp, struct dv_err *err);

    int (*props)(struct dv_txn_backend *t, struct dv_props *props, struct dv_err *err);
    int (*epochs)(struct dv_txn_backend *t, struct dv_arena *arena, struct dv_epoch **epochs,
                  size_t *n, struct dv_err *err);
    int (*security)(struct dv_txn_backend *t, struct dv_buf *out, struct dv_err *err);
    int (*set_security)(struct dv_txn_backend *t, struct dv_slice json, struct dv_err *err);
    int (*set_revs_limit)(struct dv_txn_backend *t, uint64_t limit, struct dv_err *err);

    int (*open_docs)(struct dv_txn_backend *t, const struct dv_slice *ids, size_t n,
                     struct dv_arena *arena, struct dv_doc_info *infos, struct dv_err *err);
    int (*read_body)(struct dv_txn_backend *t, uint64_t ref, struct dv_buf *out,
                     struct dv_err *err);
    int (*put_body)(struct dv_txn_backend *t, struct dv_slice record, const struct dv_att_key *atts,
                    size_t n_atts, uint64_t *ref, struct dv_err *err);
    int (*drop_body)(struct dv_txn_backend *t, uint64_t ref, struct dv_err *err);
    int (*write_docs)(struct dv_txn_backend *t, struct dv_doc_write *docs, size_t n,
                      struct dv_err *err);

    int (*open_locals)(struct dv_txn_backend *t, const struct dv_slice *ids, size_t n,
                       struct dv_arena *arena, struct dv_local *out, struct dv_err *err);
    int (*write_locals)(struct dv_txn_backend *t, const struct dv_local *locals, size_t n,
                        struct dv_err *err);

    int (*fold_docs)(struct dv_txn_backend *t, const struct dv_range *range, dv_doc_fn *fn,
                     void *arg, struct dv_err *err);
    int (*fold_locals)(struct dv_txn_backend *t, const struct dv_range *range, dv_local_fn *fn,
                       void *arg, struct dv_err *err);
    int (*fold_changes)(struct dv_txn_backend *t, uint64_t since, bool descending, dv_doc_fn *fn,
                        void *arg, struct dv_err *err);
    int (*count_changes)(struct dv_txn_backend *t, uint64_t since, uint64_t *n, struct dv_err *err);
    int (*count_docs_before)(struct dv_txn_backend *t, struct dv_slice key, uint64_t *n,
                             struct dv_err *err);

    int (*purge)(struct dv_txn_backend *t, struct dv_purge *purges, size_t n, struct dv_err *err);
    int (*load_purge)(struct dv_txn_backend *t, struct dv_slice uuid, struct dv_arena *arena,
                      struct dv_purge_info *info, bool *found, struct dv_err *err);
    int (*fold_purges)(struct dv_txn_backend *t, uint64_t since, dv_purge_fn *fn, void *arg,
                       struct dv_err *err);

    /* A provisional stream of stored bytes, owned by this process; *stream names it inside the
     * database. Called inside a write transaction, as the two below. */
    int (*att_begin)(struct dv_txn_backend *t, uint64_t *stream, struct dv_err *err);
    /* Chunk number n, counted from 0; at most DV_ATT_CHUNK_BYTES; all but the last are full. */
    int (*att_chunk)(struct dv_txn_backend *t, uint64_t stream, uint64_t n, struct dv_slice bytes,
                     struct dv_err *err);
    /* The stream becomes the attachment of this key; if that exists already the stream is removed
     * and the existing one is kept for this process as well. */
    int (*att_finish)(struct dv_txn_backend *t, uint64_t stream, const struct dv_att_info *info,
                      struct dv_err *err);
    int (*att_drop)(struct dv_txn_backend *t, uint64_t stream, struct dv_err *err);
    /* This process no longer keeps a finished attachment that no body refers to. Best effort. */
    void (*att_forget)(struct dv_store_backend *s, const struct dv_att_key *key);
    /* Lengths and digests of a finished attachment; DV_ENOTFOUND. */
    int (*att_info)(struct dv_txn_backend *t, const struct dv_att_key *key,
                    struct dv_att_info *info, struct dv_err *err);
    /* Chunk n of a finished attachment, appended to out, checksum verified. */
    int (*att_read)(struct dv_txn_backend *t, const struct dv_att_key *key, uint64_t n,
                    struct dv_buf *out, struct dv_err *err);

    int (*compact)(struct dv_store_backend *s, const struct dv_compact_options *opt,
                   struct dv_err *err);
    int (*check)(struct dv_store_backend *s, bool deep, dv_check_fn *fn, void *arg,
                 struct dv_check_result *result, struct dv_err *err);
};

enum { DV_ATT_CHUNK_BYTES = 64 * 1024 };

#endif
