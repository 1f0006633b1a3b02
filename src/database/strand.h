/* The writes of one database, one after another: a bounded queue in front of dv_database_apply that
 * commits whatever has queued up as one transaction (group commit). A small pool of threads serves
 * all strands; an idle strand has none.
 *
 * Durability: when any write of a group wants DV_COMMIT_DURABLE the group ends with one barrier,
 * and every waiting write is answered after it. */
#ifndef DV_DATABASE_STRAND_H
#define DV_DATABASE_STRAND_H

#include "database/database.h"

struct dv_pool; /* the threads, shared by all databases */
int dv_pool_new(unsigned threads, struct dv_pool **pool, struct dv_err *err);
void dv_pool_free(struct dv_pool *pool); /* runs what is queued first; all strands are gone */

/* Something else for these threads to do (reads of a server, say). The caller owns the task, which
 * is embedded in what it works on, until run() is entered; it may be submitted again from there. */
struct dv_task {
    void (*run)(struct dv_task *task);
    struct dv_task *next; /* private to the pool */
};
void dv_pool_submit(struct dv_pool *pool, struct dv_task *task); /* never fails */

struct dv_strand_options {
    size_t max_batches; /* queued at most; 0: 32 */
    /* Of one transaction, and of all that waits behind it, unless it is a single batch; 0: as
     * measured (docs/DESIGN.md). Bytes are the batches' memory (dv_batch_bytes). */
    size_t max_docs, max_bytes;
};

struct dv_strand;
int dv_strand_new(struct dv_pool *pool, struct dv_database *db, const struct dv_strand_options *opt,
                  struct dv_strand **strand, struct dv_err *err);
void dv_strand_free(struct dv_strand *s); /* what is queued is written first */

/* On a pool thread, exactly once per accepted submit. Owns batch again. code is 0 or why the whole
 * transaction failed. Must not block or submit with waiting. */
typedef void dv_strand_fn(void *arg, struct dv_batch *batch, int code, const struct dv_err *err);

/* Takes batch on success. DV_EBUSY when the queue is full: nothing was taken. */
int dv_strand_submit(struct dv_strand *s, struct dv_batch *batch, enum dv_commit commit,
                     dv_strand_fn *done, void *arg, struct dv_err *err);
/* As submit, but waits for room. Not on a pool thread. */
int dv_strand_submit_wait(struct dv_strand *s, struct dv_batch *batch, enum dv_commit commit,
                          dv_strand_fn *done, void *arg, struct dv_err *err);
/* Until everything that was queued when it was called is answered. Not on a pool thread. */
void dv_strand_drain(struct dv_strand *s);

#endif
