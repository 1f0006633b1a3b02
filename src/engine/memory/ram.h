/* Insides of the memory engine, for its own files.
 *
 * A database is a list of versions of which only the newest is reachable from it. A version
 * (struct dv_ram_state) never changes after its commit. A read transaction holds the version that
 * was newest when it began, so it blocks nobody and nobody blocks it. A write transaction holds
 * the database's only writer's place, changes a copy of the newest version and puts it in the
 * newest's place when it commits. Maps share what two versions have in common (map.h).
 *
 * Numbers inside keys are big-endian, so that byte order is number order. */
#ifndef DV_ENGINE_MEMORY_RAM_H
#define DV_ENGINE_MEMORY_RAM_H

#include <pthread.h>

#include "engine/engine_ops.h"
#include "engine/memory/map.h"

enum { DV_RAM_DISK_VERSION = 1 };
enum { DV_RAM_ATT_KEY = 33 }; /* bytes of a struct dv_att_key as a key: sha256, encoding */

/* ---- values: one allocation each, unchanged once they are in a map ---- */

struct dv_ram_doc { /* docs by id, seqs by seq */
    struct dv_pmap_value value;
    unsigned char seq_key[8];
    bool deleted;
    uint64_t seq;
    uint64_t leaf_bytes;
    struct dv_slice id, tree; /* in data */
    char data[];
};

struct dv_ram_body { /* bodies by ref */
    struct dv_pmap_value value;
    unsigned char ref_key[8];
    size_t n_atts;
    struct dv_att_key *atts; /* in data, as is record */
    struct dv_slice record;
    char data[];
};

struct dv_ram_local { /* locals by id */
    struct dv_pmap_value value;
    uint64_t rev;
    struct dv_slice id, body;
    char data[];
};

struct dv_ram_purge { /* purges by seq, purge_uuids by uuid */
    struct dv_pmap_value value;
    unsigned char seq_key[8];
    struct dv_purge_info info; /* its slices in data */
    char data[];
};

struct dv_ram_att { /* atts by key */
    struct dv_pmap_value value;
    unsigned char key[DV_RAM_ATT_KEY];
    uint64_t stream; /* its chunks' */
    uint64_t n_chunks;
    struct dv_att_info info;
};

struct dv_ram_use { /* uses by (attachment key, ref): that body refers to that attachment */
    struct dv_pmap_value value;
    unsigned char key[DV_RAM_ATT_KEY + 8];
};

struct dv_ram_keep { /* keeps by (attachment key, opening): finished, and no body yet */
    struct dv_pmap_value value;
    unsigned char key[DV_RAM_ATT_KEY + 8];
    uint64_t opening;
    uint64_t count; /* of finishes not yet matched by a body or a forget */
};

struct dv_ram_stream { /* streams by number: being written */
    struct dv_pmap_value value;
    unsigned char key[8];
    uint64_t opening; /* of the store that writes it */
    uint64_t n_chunks;
    uint64_t bytes;
};

struct dv_ram_chunk { /* chunks by (stream, number) */
    struct dv_pmap_value value;
    unsigned char key[16];
    struct dv_slice bytes; /* in data */
    char data[];
};

struct dv_ram_blob { /* the security object; the epochs */
    struct dv_pmap_value value;
    size_t n;
    char data[];
};

/* ---- a version ---- */

struct dv_ram_state {
    struct dv_pmap docs, seqs, bodies, locals, purges, purge_uuids;
    struct dv_pmap atts, uses, keeps, streams, chunks;
    struct dv_ram_blob *security; /* one reference each */
    struct dv_ram_blob *epochs;   /* struct dv_epoch, newest first */
    uint64_t update_seq, purge_seq, compacted_seq, revs_limit;
    uint64_t last_ref, last_stream; /* given so far */
    uint64_t stored_bytes;          /* everything kept */
    uint64_t tree_bytes, leaf_bytes;
    uint64_t att_stored_bytes, att_decoded_bytes; /* of attachments that are referred to */
    atomic_uint refs; /* last: what stands before it is what a copy copies */
};

struct dv_ram_db {
    struct dv_ram_db *next; /* in the registry */
    atomic_uint refs;       /* the registry's and one of each opening */
    char *path;             /* owned */
    char uuid[33];
    pthread_mutex_t lock;  /* the members below */
    pthread_cond_t change; /* the writer's place is free, or the database is gone */
    bool gone;
    bool writing;
    bool compacting;
    uint64_t stamp;
    struct dv_ram_state *newest;       /* one reference */
    struct dv_store_backend *openings; /* borrowed */
};

struct dv_store_backend {
    struct dv_ram_db *db; /* one reference */
    struct dv_store_backend *next;
    uint64_t opening; /* number in this process, never used again */
    int busy_timeout_ms;
    pthread_mutex_t lock;         /* forgotten */
    struct dv_att_key *forgotten; /* owned; taken out of keeps by the next write */
    size_t n_forgotten, forgotten_capacity;
};

struct dv_txn_backend {
    struct dv_store_backend *store; /* borrowed */
    struct dv_ram_state *state;     /* one reference; of a write: changeable */
    size_t n_forgotten;             /* of store->forgotten, taken out of keeps in state */
    bool write;
};

static inline struct dv_slice dv_ram_key(const void *p, size_t n)
{
    return dv_slice(p, n);
}

static inline void dv_ram_put_u64(unsigned char *p, uint64_t v)
{
    for (int i = 7; i >= 0; i--, v >>= 8)
        p[i] = (unsigned char)v;
}

static inline uint64_t dv_ram_get_u64(const unsigned char *p)
{
    uint64_t v = 0;

    for (int i = 0; i < 8; i++)
        v = v << 8 | p[i];
    return v;
}

static inline void dv_ram_put_att_key(unsigned char *p, const struct dv_att_key *key)
{
    memcpy(p, key->sha256, 32);
    p[32] = key->encoding;
}

/* state.c */
struct dv_ram_state *dv_ram_state_new(const struct dv_store_options *opt, struct dv_err *err);
struct dv_ram_state *dv_ram_state_copy(const struct dv_ram_state *s, struct dv_err *err);
void dv_ram_state_unref(struct dv_ram_state *s);
int dv_ram_take_ownership(struct dv_ram_state *s, const char *node, struct dv_err *err);

/* memory.c: transactions, for the engine's own use as well */
int dv_ram_begin(struct dv_store_backend *s, bool write, struct dv_txn_backend **t,
                 struct dv_err *err);
int dv_ram_commit(struct dv_txn_backend *t, enum dv_commit how, struct dv_err *err);
void dv_ram_rollback(struct dv_txn_backend *t);

/* state.c */
int dv_ram_props(struct dv_txn_backend *t, struct dv_props *props, struct dv_err *err);
int dv_ram_epochs(struct dv_txn_backend *t, struct dv_arena *arena, struct dv_epoch **epochs,
                  size_t *n, struct dv_err *err);
int dv_ram_security(struct dv_txn_backend *t, struct dv_buf *out, struct dv_err *err);
int dv_ram_set_security(struct dv_txn_backend *t, struct dv_slice json, struct dv_err *err);
int dv_ram_set_revs_limit(struct dv_txn_backend *t, uint64_t limit, struct dv_err *err);

/* documents.c */
int dv_ram_open_docs(struct dv_txn_backend *t, const struct dv_slice *ids, size_t n,
                     struct dv_arena *arena, struct dv_doc_info *infos, struct dv_err *err);
int dv_ram_write_docs(struct dv_txn_backend *t, struct dv_doc_write *docs, size_t n,
                      struct dv_err *err);
/* Put w in the place of old (NULL: none) at this seq. */
int dv_ram_replace_doc(struct dv_ram_state *s, const struct dv_doc_info *old,
                       const struct dv_doc_write *w, uint64_t seq, struct dv_err *err);
int dv_ram_remove_doc(struct dv_ram_state *s, const struct dv_doc_info *old, struct dv_err *err);
void dv_ram_doc_info(const struct dv_ram_doc *d, struct dv_doc_info *info);
int dv_ram_open_locals(struct dv_txn_backend *t, const struct dv_slice *ids, size_t n,
                       struct dv_arena *arena, struct dv_local *out, struct dv_err *err);
int dv_ram_write_locals(struct dv_txn_backend *t, const struct dv_local *locals, size_t n,
                        struct dv_err *err);

/* bodies.c */
int dv_ram_read_body(struct dv_txn_backend *t, uint64_t ref, struct dv_buf *out,
                     struct dv_err *err);
int dv_ram_put_body(struct dv_txn_backend *t, struct dv_slice record, const struct dv_att_key *atts,
                    size_t n_atts, uint64_t *ref, struct dv_err *err);
int dv_ram_drop_body(struct dv_txn_backend *t, uint64_t ref, struct dv_err *err);

/* folds.c */
int dv_ram_fold_docs(struct dv_txn_backend *t, const struct dv_range *range, dv_doc_fn *fn,
                     void *arg, struct dv_err *err);
int dv_ram_fold_locals(struct dv_txn_backend *t, const struct dv_range *range, dv_local_fn *fn,
                       void *arg, struct dv_err *err);
int dv_ram_fold_changes(struct dv_txn_backend *t, uint64_t since, bool descending, dv_doc_fn *fn,
                        void *arg, struct dv_err *err);
int dv_ram_count_changes(struct dv_txn_backend *t, uint64_t since, uint64_t *n, struct dv_err *err);
int dv_ram_count_docs_before(struct dv_txn_backend *t, struct dv_slice key, uint64_t *n,
                             struct dv_err *err);

/* purge.c */
int dv_ram_purge(struct dv_txn_backend *t, struct dv_purge *purges, size_t n, struct dv_err *err);
int dv_ram_load_purge(struct dv_txn_backend *t, struct dv_slice uuid, struct dv_arena *arena,
                      struct dv_purge_info *info, bool *found, struct dv_err *err);
int dv_ram_fold_purges(struct dv_txn_backend *t, uint64_t since, dv_purge_fn *fn, void *arg,
                       struct dv_err *err);

/* attachments.c */
int dv_ram_att_begin(struct dv_txn_backend *t, uint64_t *stream, struct dv_err *err);
int dv_ram_att_chunk(struct dv_txn_backend *t, uint64_t stream, uint64_t n, struct dv_slice bytes,
                     struct dv_err *err);
int dv_ram_att_finish(struct dv_txn_backend *t, uint64_t stream, const struct dv_att_info *info,
                      struct dv_err *err);
int dv_ram_att_drop(struct dv_txn_backend *t, uint64_t stream, struct dv_err *err);
void dv_ram_att_forget(struct dv_store_backend *s, const struct dv_att_key *key);
int dv_ram_att_info(struct dv_txn_backend *t, const struct dv_att_key *key,
                    struct dv_att_info *info, struct dv_err *err);
int dv_ram_att_read(struct dv_txn_backend *t, const struct dv_att_key *key, uint64_t n,
                    struct dv_buf *out, struct dv_err *err);
bool dv_ram_att_is_used(const struct dv_ram_state *s, const unsigned char key[DV_RAM_ATT_KEY]);
/* One finish fewer is kept for this opening. */
int dv_ram_unkeep(struct dv_ram_state *s, uint64_t opening, const struct dv_att_key *key);
/* Take what the store has forgotten out of the keeps: at the start of a write, and at its commit,
 * before another can start. */
int dv_ram_apply_forgotten(struct dv_txn_backend *t);
void dv_ram_applied_forgotten(struct dv_txn_backend *t);
int dv_ram_remove_chunks(struct dv_ram_state *s, uint64_t stream, uint64_t n_chunks);

/* compact.c, check.c */
int dv_ram_compact(struct dv_store_backend *s, const struct dv_compact_options *opt,
                   struct dv_err *err);
int dv_ram_check(struct dv_store_backend *s, bool deep, dv_check_fn *fn, void *arg,
                 struct dv_check_result *result, struct dv_err *err);

#endif
