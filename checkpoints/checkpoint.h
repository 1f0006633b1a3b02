/* The checkpoint document `_local/<replication id>` and what two of them have in common. Pure.
 *
 * Shapes: CouchDB's (replication_id_version 4, source_last_seq, history of recorded_seq) and
 * PouchDB's (last_seq, history of last_seq) are read; CouchDB's is written. Seqs are JSON text,
 * passed through as they came. Everything read is borrowed from the JSON and lives in the caller's
 * arena. */
#ifndef DV_CHECKPOINTS_CHECKPOINT_H
#define DV_CHECKPOINTS_CHECKPOINT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum { DV_CHECKPOINT_HISTORY_MAX = 50 };

/* One run of a replication. */
struct dv_checkpoint_session {
    struct dv_slice id;                   /* session_id */
    struct dv_slice start_time, end_time; /* RFC 1123, GMT */
    struct dv_slice start_last_seq, end_last_seq;
    struct dv_slice recorded_seq; /* never empty */
    uint64_t missing_checked, missing_found;
    uint64_t docs_read, docs_written, doc_write_failures;
    uint64_t bulk_get_docs, bulk_get_attempts;
};

struct dv_checkpoint {
    struct dv_slice rev;        /* of the document as read; empty when it is new */
    struct dv_slice session_id; /* of the newest session */
    struct dv_slice source_last_seq;
    struct dv_checkpoint_session *history; /* newest first */
    size_t n_history;
};

/* An empty text is the checkpoint that does not exist. A document that is not a checkpoint
 * (somebody else's _local document, damage) reads as one without history, keeping its rev, so that
 * it can be replaced; only memory fails (DV_ENOMEM). */
int dv_checkpoint_read(struct dv_slice json, struct dv_arena *arena, struct dv_checkpoint *cp,
                       struct dv_err *err);

/* Where two copies agree: the same newest session gives its source_last_seq; else the newest
 * session of one history that is also in the other gives the recorded_seq, the smaller where the
 * two differ for one session, so that nothing is skipped. False: nothing in common. */
bool dv_checkpoint_common(const struct dv_checkpoint *a, const struct dv_checkpoint *b,
                          struct dv_slice *seq);

/* The next version of one side's copy: `now` first (in place of an entry of the same session), then
 * what the copy holds as just read (a foreign agent's sessions are kept, not overwritten), then
 * sessions that we knew on the same side and somebody has dropped, at most
 * DV_CHECKPOINT_HISTORY_MAX. `known` may be NULL; it must never be the other side's copy: a target
 * that was restored would then claim runs whose data it has lost. The result's slices are borrowed
 * from all three; its rev is the copy's. */
int dv_checkpoint_next(const struct dv_checkpoint *copy, const struct dv_checkpoint *known,
                       const struct dv_checkpoint_session *now, struct dv_arena *arena,
                       struct dv_checkpoint *next, struct dv_err *err);

/* The document, with _id "_local/<id>" and _rev when there is one. */
int dv_checkpoint_write(const struct dv_checkpoint *cp, struct dv_slice id, struct dv_buf *out);

/* "Thu, 01 Jan 1970 00:00:00 GMT" and a NUL. */
enum { DV_HTTP_TIME_BYTES = 30 };
void dv_http_time(int64_t wall_ms, char out[DV_HTTP_TIME_BYTES]);

#endif
