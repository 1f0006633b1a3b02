/* What the parts of the check share. A pass looks at every row, in read transactions of a bounded
 * number of rows; when somebody commits in between, what two rows say about each other means
 * nothing, so its findings are thrown away and it starts again. The last try holds one snapshot. */
#ifndef DV_ENGINE_SQLITE_CHECK_H
#define DV_ENGINE_SQLITE_CHECK_H

#include "engine/sqlite/internal.h"

struct dv_sqcheck {
    struct dv_txn_backend *t; /* owned */
    bool deep;
    bool single; /* one snapshot to the end */
    bool moved;  /* somebody committed: the pass is void */
    int64_t data_version;
    struct dv_check_result result;
    struct dv_buf lines; /* findings, each ended by a NUL */
    struct dv_arena arena;

    /* Seen in this pass, to be compared with the counters. */
    uint64_t docs, deleted, ids, ids_new, leaf_bytes, tree_bytes;
    uint64_t att_stored_bytes, att_decoded_bytes;
    unsigned char *named; /* owned: a bit per body number: some tree names it; or NULL */
    uint64_t named_bits;
    uint32_t *att_refs; /* owned: references seen, by attachment number; or NULL */
    uint64_t n_att_refs;
    uint64_t *atts; /* owned: numbers of the finished attachments */
    size_t n_atts, atts_capacity;
    /* The attachment whose chunks go by. */
    uint64_t att, att_chunks, att_bytes;
    uint64_t atts_with_chunks, atts_by_chunks;
};

void dv_sqcheck_finding(struct dv_sqcheck *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Damage in *err becomes a finding and 0; anything else is returned. */
int dv_sqcheck_damage(struct dv_sqcheck *c, int rc, const struct dv_err *err);

/* Call row for each row of `which`, whose first column (or two) is bound as what is behind us. By
 * number (the statement has one or two parameters) or by id. Ends early when c->moved. */
typedef int dv_sqcheck_row_fn(struct dv_sqcheck *c, sqlite3_stmt *st, struct dv_err *err);
int dv_sqcheck_walk(struct dv_sqcheck *c, enum dv_sql which, bool by_id, dv_sqcheck_row_fn *row,
                    struct dv_err *err);
/* End the transaction and begin another, if the pass is not a single snapshot. */
int dv_sqcheck_renew(struct dv_sqcheck *c, struct dv_err *err);

int dv_sqcheck_docs(struct dv_sqcheck *c, struct dv_err *err); /* docs, ids, bodies */
int dv_sqcheck_atts(struct dv_sqcheck *c, struct dv_err *err); /* atts, chunks, references */

/* At most 63 bytes of an id, for people. */
struct dv_sqshown {
    char text[64];
};
struct dv_sqshown dv_sqcheck_show(struct dv_slice id);

#endif
