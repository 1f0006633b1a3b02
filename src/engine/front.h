/* The front door's own structures, shared by engine.c, transaction.c, hold.c and the attachment
 * files; nobody else includes this. */
#ifndef DV_ENGINE_FRONT_H
#define DV_ENGINE_FRONT_H

#include <pthread.h>
#include <stdatomic.h>

#include "engine/engine_ops.h"

/* Transactions' structs stay with their store until it closes and are used again, so that a
 * pointer kept too long meets `backend == NULL` or another number, and not freed memory. */
struct dv_txn {
    struct dv_txn *next;            /* in the store's list of idle ones */
    struct dv_store *store;         /* borrowed: a transaction ends before its store */
    struct dv_txn_backend *backend; /* NULL: ended */
    uint64_t number;                /* of this use of the struct, counted */
    bool write;
    unsigned folds; /* running now; no write below them */
    int broken;     /* first DV_E... of a write that may have stored half of what it should */
};

struct dv_store {
    const struct dv_engine *engine;
    struct dv_store_backend *backend; /* owned */
    char *path;                       /* owned */
    bool read_only;
    uint64_t opened; /* drawn at open; never 0 */
    atomic_uint refs;
    pthread_mutex_t lock;  /* the members below */
    struct dv_txn *idle;   /* owned */
    struct dv_hold *holds; /* owned, oldest first */
    struct dv_hold *last_hold;
    size_t n_holds;
};

static inline const struct dv_engine_ops *dv_store_ops(const struct dv_store *s)
{
    return s->engine->ops;
}

/* Is t open for a write now? Says why not. */
int dv_txn_check_write(struct dv_txn *t, struct dv_err *err);
/* Note the result of an engine's write: after a failure nothing of t can be committed. */
int dv_txn_wrote(struct dv_txn *t, int rc);

/* Run fn in a write transaction of its own, lazily committed; again when the engine says
 * DV_ERETRY. */
typedef int dv_closure_fn(void *arg, struct dv_txn *t, struct dv_err *err);
int dv_store_run(struct dv_store *s, dv_closure_fn *fn, void *arg, struct dv_err *err);

#endif
