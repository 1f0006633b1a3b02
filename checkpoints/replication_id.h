/* Replication ids: the names under which checkpoints are kept. Pure.
 *
 * Ours is a hash over canonical JSON of what decides which changes arrive: it does not move when
 * options are reordered, spelled with their defaults, or when passwords change. CouchDB's (version
 * 4) serves only to adopt a replication that a CouchDB server has run: PROTOCOL rules in
 * couch_replicator_ids, tests/vectors/replication-ids.jsonl. */
#ifndef DV_CHECKPOINTS_REPLICATION_ID_H
#define DV_CHECKPOINTS_REPLICATION_ID_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

struct dv_replid_header {
    struct dv_slice name, value;
};

struct dv_replid_endpoint {
    struct dv_slice url;  /* as given, may hold userinfo; or "local:<database uuid>" */
    struct dv_slice user; /* empty: from the URL, if it has one */
    const struct dv_replid_header *headers; /* basic authorization already taken out */
    size_t n_headers;
};

enum dv_replid_filter {
    DV_REPLID_NONE,
    DV_REPLID_DOC_IDS,
    DV_REPLID_SELECTOR,
    DV_REPLID_FUNCTION, /* "ddoc/name": filter_code is its text */
    DV_REPLID_BUILT_IN, /* "_view", "_design", ...: filter_name */
};

struct dv_replid_job {
    struct dv_replid_endpoint source, target;
    enum dv_replid_filter filter;
    const struct dv_slice *doc_ids; /* percent-decoded, any order, duplicates allowed */
    size_t n_doc_ids;
    struct dv_slice selector; /* JSON */
    struct dv_slice filter_name;
    struct dv_slice filter_code;
    struct dv_slice query_params; /* JSON object; empty: {} */
    bool winning_revs_only;
    bool continuous, create_target; /* only in the suffix of CouchDB's job id */
};

enum { DV_REPLID_BYTES = 33 }; /* 32 hex digits and a NUL */

int dv_replid_ours(const struct dv_replid_job *job, char out[DV_REPLID_BYTES], struct dv_err *err);
/* Without the suffix. server_uuid: of the CouchDB that ran the job. */
int dv_replid_couch(const struct dv_replid_job *job, struct dv_slice server_uuid,
                    char out[DV_REPLID_BYTES], struct dv_err *err);
/* "+continuous" and "+create_target" as the job asks. */
int dv_replid_add_suffix(const struct dv_replid_job *job, struct dv_buf *out);

#endif
