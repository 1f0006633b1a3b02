/* Documents for the crash tests, over the engine's contract alone: edits, conflicts, deletions and
 * purges whose bytes follow from (id, salt), and a dump of everything that a reader can see. */
#ifndef DV_TESTS_CRASHDOC_H
#define DV_TESTS_CRASHDOC_H

#include "engine/engine.h"

enum { CRASHDOC_ATTS_MAX = 4, CRASHDOC_DUMP_BYTES = 64 << 20 };

struct crash_edit {
    const char *id;
    uint64_t salt;     /* makes the revision id and the body */
    bool conflict;     /* beside the winner instead of on top of it */
    bool deleted;      /* a tombstone */
    size_t body_bytes; /* of filling */
    const struct dv_att_key *atts;
    size_t n_atts; /* at most CRASHDOC_ATTS_MAX */
};

/* One new leaf, in the transaction; the tree is stemmed to revs_limit. */
int crashdoc_edit(struct dv_txn *t, const struct crash_edit *e, struct dv_err *err);
/* Purge the winner of a document (also of one that is not there). */
int crashdoc_purge(struct dv_txn *t, const char *id, const char *uuid, struct dv_err *err);
/* Bytes 0..n of the stream `salt`: content that compression does not make small. */
void crashdoc_fill(uint64_t salt, void *p, size_t n);
/* A whole attachment, appended in odd sizes, a small one compressed; txn as in dv_att_writer_open.
 */
int crashdoc_attach(struct dv_store *s, struct dv_txn *txn, uint64_t salt, size_t bytes,
                    struct dv_att_info *info, struct dv_err *err);

/* Everything a reader can see, as text, in one snapshot: properties, security, epochs, every change
 * with its tree (stemmed to revs_limit, as compaction may do at any time), the records of the
 * leaves and the attachments they name, ids in order, local documents, purge infos. Not in it: the
 * uuid, sizes, compacted_seq, records of inner revisions. */
int crashdoc_dump(struct dv_store *s, struct dv_buf *out, struct dv_err *err);

#endif
