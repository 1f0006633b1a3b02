/* "A database one can replicate with": what the replicator sees. HTTP (peer_http), local store
 * (peer_local) and the wrapping tracer (peer_trace) look the same, so pull, push, remote to remote
 * and local to local are one code path.
 *
 * Asynchronous: the caller owns the call struct, fills its inputs and starts it; done() runs
 * exactly once, on the loop thread, from the loop (never from inside the start), also after
 * dv_peer_cancel. Inputs are borrowed until done() has returned; outputs live in the call until the
 * caller frees its arena. Several calls may be under way at once on one peer.
 *
 * Memory: answers that may be large are streamed (changes, documents, attachments) and stop when
 * the caller pauses; everything else has a ceiling fixed here. Seqs are JSON text ("12-abc" with
 * its quotes, 12, [1,"x"]), passed back as they came. Revisions are texts.
 *
 * Errors carry the HTTP status in struct dv_err where there was one. A peer retries by itself what
 * its transport may retry; what it reports is final for that call, dv_err_retry() says whether a
 * later try makes sense. */
#ifndef DV_PEER_PEER_H
#define DV_PEER_PEER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/world.h"

struct dv_peer;

/* What every call begins with. */
struct dv_peer_call {
    void (*done)(struct dv_peer_call *call, int code, const struct dv_err *err);
    void *arg;  /* the caller's */
    void *impl; /* the peer's, from start to done */
};

/* ---- small calls: outputs are copied into `arena`, at most 16 MiB an answer
 * ---------------------- */

struct dv_peer_info_call {
    struct dv_peer_call call;
    struct dv_arena *arena; /* borrowed */
    /* out */
    bool exists;                         /* false: 404; nothing else is set then */
    struct dv_slice update_seq;          /* JSON text */
    struct dv_slice instance_start_time; /* text, "0" when unknown */
    struct dv_slice uuid; /* of the database or server when it tells one, else empty */
    uint64_t doc_count, deleted_doc_count;
    bool empty; /* counts are zero and its seq says nothing was ever written: no revs_diff needed */
};

struct dv_peer_create_call {
    struct dv_peer_call call;
    struct dv_slice query; /* "q=2&n=1", encoded; may be empty. An existing database is success */
};

struct dv_peer_local_call { /* a _local document, read or written */
    struct dv_peer_call call;
    struct dv_arena *arena;
    struct dv_slice id; /* without "_local/" */
    struct dv_slice
        json;   /* get: out, empty when not found. put: in, with _rev where there was one */
    bool found; /* get: out */
    struct dv_slice rev; /* put: out, text */
};

struct dv_peer_diff_item {
    struct dv_slice id;
    const struct dv_slice *revs; /* texts */
    size_t n_revs;
    struct dv_slice *missing; /* out */
    size_t n_missing;
    struct dv_slice *possible_ancestors; /* out */
    size_t n_possible_ancestors;
};

struct dv_peer_diff_call {
    struct dv_peer_call call;
    struct dv_arena *arena;
    struct dv_peer_diff_item *items;
    size_t n;
};

struct dv_peer_sync_call { /* make all that was acknowledged durable */
    struct dv_peer_call call;
    struct dv_arena *arena;
    struct dv_slice instance_start_time; /* out; "0" when unknown */
};

/* ---- the changes feed ---------------------------------------------------------------------------
 */

struct dv_peer_change {
    struct dv_slice seq; /* JSON text; "null" between seq_interval steps */
    struct dv_slice id;
    const struct dv_slice *revs; /* texts; the winner first */
    size_t n_revs;
    bool deleted;
};

struct dv_peer_changes_call {
    struct dv_peer_call call; /* done: the feed ended (normal, limit) or broke */
    struct dv_slice since;    /* JSON text; empty: from the start */
    bool continuous; /* stay and wait for more (longpoll where continuous is not offered) */
    bool main_only;  /* winning_revs_only */
    uint64_t limit;  /* 0: none */
    struct dv_slice filter_query; /* encoded, appended to the query; may be empty */
    struct dv_slice filter_body;  /* JSON; not empty: POST. 405 there is DV_ENOTSUP */
    int heartbeat_ms;             /* asked of the server; 0: 10 000 */
    unsigned seq_interval;        /* 0: not asked */
    /* A run of rows in feed order; slices are borrowed for the call. The feed is paused when it
     * returns > 0 (dv_peer_changes_resume goes on), ends with that code when < 0. */
    int (*rows)(struct dv_peer_changes_call *c, const struct dv_peer_change *rows, size_t n);
    /* All that is known was told (continuous), or anything at all came: heartbeat, empty answer. */
    void (*alive)(struct dv_peer_changes_call *c, bool caught_up);
    /* out, valid from the first alive(true) or at done: seq the feed has reached, JSON text */
    struct dv_buf last_seq;
    int64_t pending; /* -1 unknown */
};

/* ---- documents
 * ------------------------------------------------------------------------------------ */

struct dv_peer_want {
    struct dv_slice id;
    const struct dv_slice *revs; /* texts */
    size_t n_revs;
    const struct dv_slice *atts_since; /* revisions the target has; newer attachments are wanted */
    size_t n_atts_since;
    void *arg;
};

/* What came for a wanted document: exactly one of json and missing is not empty. */
struct dv_peer_got {
    struct dv_slice json;    /* whole document with _id, _rev, _revisions; attachments as stubs */
    struct dv_slice missing; /* a revision the source does not have (any more) */
    int status;              /* with missing: HTTP status or 404 */
    struct dv_slice reason;
    bool has_attachments; /* stubs that are not in atts_since: fetch them before writing */
};

struct dv_peer_get_call { /* many documents without attachments' data, latest=true revs=true */
    struct dv_peer_call call;
    const struct dv_peer_want *wants;
    size_t n;
    bool latest;
    uint64_t max_document_bytes; /* of one document's JSON; 0: 64 MiB. A larger one: missing, 413 */
    /* Borrowed for the call. > 0 pauses (dv_peer_get_resume), < 0 ends with that code. */
    int (*doc)(struct dv_peer_get_call *c, const struct dv_peer_want *want,
               const struct dv_peer_got *got);
};

/* One attachment's stored bytes, as a stream that can begin anywhere. The call resumes by itself
 * (Range where the server allows and the ETag is the same) and reports when it had to start over.
 */
struct dv_peer_att_call {
    struct dv_peer_call call;
    struct dv_slice id, rev, name;
    struct dv_slice digest;   /* "md5-..." of the stub; empty: not checked */
    struct dv_slice encoding; /* of the stub: "gzip" or empty */
    uint64_t stored_bytes;    /* of the stub; UINT64_MAX unknown */
    /* Called before the first byte: what will come, which may differ from what the stub said. */
    int (*begin)(struct dv_peer_att_call *c, bool gzip, int64_t stored_bytes);
    int (*data)(struct dv_peer_att_call *c, struct dv_slice bytes); /* > 0 pauses, < 0 ends */
    int (*restart)(struct dv_peer_att_call *c); /* forget what came: it begins again; < 0 ends */
};

/* ---- writing
 * --------------------------------------------------------------------------------------- */

struct dv_peer_put_doc {
    struct dv_slice json; /* as it came: _id, _rev, _revisions */
    struct dv_slice id, rev;
    int code; /* out: 0 stored or already there */
    int status;
    struct dv_slice reason; /* out, in the call's arena; the target's words */
};

/* Store revisions as given (new_edits=false), all of them or each with its error. A code of the
 * whole call (a refused batch) leaves the documents' codes unset: the caller halves the batch. */
struct dv_peer_put_call {
    struct dv_peer_call call;
    struct dv_arena *arena;
    struct dv_peer_put_doc *docs;
    size_t n;
};

/* One revision with the data of some attachments (the others are stubs the target has). The bytes
 * are pulled by the peer in the order of atts, each exactly stored_bytes long. */
struct dv_peer_put_att {
    struct dv_slice name;
    struct dv_slice content_type;
    bool gzip;
    uint64_t stored_bytes;
    struct dv_slice digest; /* "md5-..." or empty */
};

struct dv_peer_put_stream_call {
    struct dv_peer_call call;
    struct dv_slice id, rev;
    struct dv_slice json; /* with follows:true for the atts below */
    const struct dv_peer_put_att *atts;
    size_t n_atts;
    /* Up to room bytes of attachment i; *got 0: nothing yet, dv_peer_put_stream_ready later. */
    int (*read)(struct dv_peer_put_stream_call *c, size_t i, void *out, size_t room, size_t *got);
    /* Start over from the first attachment's first byte (a retry); < 0: it cannot. */
    int (*rewind)(struct dv_peer_put_stream_call *c);
    int status;             /* out: HTTP status of a refusal */
    struct dv_slice reason; /* out, lives until done() returns */
};

/* ---- the table
 * -------------------------------------------------------------------------------------- */

struct dv_peer_ops {
    void (*info)(struct dv_peer *p, struct dv_peer_info_call *c);
    void (*create)(struct dv_peer *p, struct dv_peer_create_call *c);
    void (*get_local)(struct dv_peer *p, struct dv_peer_local_call *c);
    void (*put_local)(struct dv_peer *p, struct dv_peer_local_call *c);
    void (*diff)(struct dv_peer *p, struct dv_peer_diff_call *c);
    void (*sync)(struct dv_peer *p, struct dv_peer_sync_call *c);
    void (*changes)(struct dv_peer *p, struct dv_peer_changes_call *c);
    void (*changes_resume)(struct dv_peer *p, struct dv_peer_changes_call *c);
    void (*get)(struct dv_peer *p, struct dv_peer_get_call *c);
    void (*get_resume)(struct dv_peer *p, struct dv_peer_get_call *c);
    void (*att)(struct dv_peer *p, struct dv_peer_att_call *c);
    void (*att_resume)(struct dv_peer *p, struct dv_peer_att_call *c);
    void (*put)(struct dv_peer *p, struct dv_peer_put_call *c);
    void (*put_stream)(struct dv_peer *p, struct dv_peer_put_stream_call *c);
    void (*put_stream_ready)(struct dv_peer *p, struct dv_peer_put_stream_call *c);
    void (*cancel)(struct dv_peer *p, struct dv_peer_call *c);
    void (*free)(struct dv_peer *p); /* no call is under way */
};

struct dv_peer {
    const struct dv_peer_ops *ops;
    struct dv_world *world; /* borrowed */
    const char *name;       /* for people, credentials as ***; owned by the peer */
    bool local;             /* a store on this machine */
};

#endif
