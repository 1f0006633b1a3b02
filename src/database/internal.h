/* What the files of src/database share: the database itself, transactions as closures, trees of
 * documents, texts of revisions. Nobody outside of this folder includes it. */
#ifndef DV_DATABASE_INTERNAL_H
#define DV_DATABASE_INTERNAL_H

#include <pthread.h>

#include "couch/revtree.h"
#include "database/database.h"

enum {
    /* A read transaction holds no more than this and gives way to the next. */
    DV_PAGE_ROWS = 1000,
    DV_PAGE_BYTES = 1024 * 1024,     /* of documents */
    DV_PAGE_ARENA = 4 * 1024 * 1024, /* of what stands beside them: revisions, attachments' names */
    /* Documents looked up in one call, and the trees after which no more are: hostile ones have
     * hundreds of kilobytes each. */
    DV_LOOKUP_IDS = 100,
    DV_LOOKUP_BYTES = 16 * 1024 * 1024,
};

/* Ceilings of the working memory of one call. Trees are the largest: see DV_REVTREE_NODES_MAX. */
#define DV_CALL_ARENA_BYTES ((size_t)1 << 30)
#define DV_RECORD_BUF_BYTES ((size_t)DV_RECORD_MAX_BYTES)

struct dv_apply;

struct dv_database {
    struct dv_store *store; /* owned: one reference */
    char uuid[33];
    uint64_t max_document_bytes;
    uint64_t max_attachment_bytes;
    bool shared; /* other processes may write */

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t moved; /* commits or wakes changed */
    uint64_t commits;     /* of this struct */
    uint64_t wakes;
    struct dv_watch *watches; /* owned by those who watch */
    struct dv_epoch *epochs;  /* owned; as last read, newest first */
    size_t n_epochs;
    struct dv_batch *spare_batches; /* owned; their memory is used again */
    unsigned n_spare_batches;
    struct dv_apply *spare_apply; /* owned or NULL: memory of the last transaction */
};

/* ---- transactions as closures ------------------------------------------------------------- */

/* 0: commit; 1: there is nothing to commit; < 0: roll back. May run several times (DV_ERETRY). */
typedef int dv_closure_fn(void *arg, struct dv_txn *txn, struct dv_err *err);

/* Run fn in a write transaction and wake the waiters. With DV_COMMIT_DURABLE everything so far is
 * durable on success, also when there was nothing to commit. */
int dv_database_update(struct dv_database *db, enum dv_commit how, dv_closure_fn *fn, void *arg,
                       struct dv_err *err);
/* Run fn in a read transaction; returns what it returned. */
int dv_database_view(struct dv_database *db, dv_closure_fn *fn, void *arg, struct dv_err *err);

void dv_database_notify(struct dv_database *db);       /* something was committed */
void dv_database_tell_watches(struct dv_database *db); /* under the lock */

/* ---- seqs ---------------------------------------------------------------------------------- */

/* Read the epochs again: another node may have taken the file over. */
int dv_database_load_epochs(struct dv_database *db, struct dv_txn *txn, struct dv_err *err);

/* ---- trees ---------------------------------------------------------------------------------- */

int dv_tree_load(const struct dv_doc_info *info, struct dv_arena *arena, struct dv_revtree *tree,
                 struct dv_err *err);
/* "G-ID" in the arena. */
int dv_rev_text(struct dv_rev rev, struct dv_arena *arena, struct dv_slice *text,
                struct dv_err *err);
/* Revisions from the node to its root, newest first, at most limit; in the arena. */
int dv_tree_path(const struct dv_revtree *tree, int32_t node, uint64_t limit,
                 struct dv_arena *arena, struct dv_revpath *path, struct dv_err *err);
/* What the tree means for the engine: winner's state, sizes, blob (in the arena). write->old and
 * write->id are the caller's. The tree has at least one node. */
int dv_tree_store(struct dv_revtree *tree, struct dv_buf *scratch, struct dv_arena *arena,
                  struct dv_doc_write *write, struct dv_err *err);

void *dv_arena_array(struct dv_arena *arena, size_t n, size_t bytes, struct dv_err *err);

#endif
