/* What the parts of compaction share. */
#ifndef DV_ENGINE_SQLITE_COMPACT_H
#define DV_ENGINE_SQLITE_COMPACT_H

#include "engine/sqlite/internal.h"

struct dv_sqcompaction {
    struct dv_store_backend *store;
    const struct dv_compact_options *opt;
    struct dv_txn_backend *t;       /* of the transaction that runs */
    uint64_t start_seq, start_body; /* the last ones when it began */
    uint64_t cursor;                /* last number this pass is done with */
    uint64_t budget;                /* steps of a pass that writers could prolong for ever */
    struct dv_arena arena;
    struct dv_buf blob;

    /* Seen and done by the pass over the documents. */
    uint64_t n_docs, id_bytes, dropped_bytes;
    bool judged, repack;
};

/* One step of a pass, bounded work. 1: the pass is over. */
typedef int dv_sqcompact_step_fn(struct dv_sqcompaction *c, struct dv_err *err);

/* Rewrite runs of rows so that pages fill up again, if the file has much air (repack.c). */
dv_sqcompact_step_fn dv_sqrepack_bodies, dv_sqrepack_docs;

#endif
