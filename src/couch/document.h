/* A document as it arrives: PUT body, element of _bulk_docs, line of a dump.
 *
 * One pass over the bytes takes the underscore members out and leaves the rest as the normalised
 * body: white space outside strings dropped, of duplicate keys the last stands (at its own place,
 * as CouchDB's decoder has it), numbers, order and escapes as they were sent. `_access` and
 * `_replication_id`, `_state`,
 * `_state_time`, `_state_reason`, `_stats` stay in the body. Rules and words:
 * couch_doc:transfer_fields, couch_att:from_json, and tests/vectors (revs.jsonl, http.jsonl).
 *
 * A parser is reused from document to document; one thread at a time. Everything of the result is
 * in the caller's arena. */
#ifndef DV_COUCH_DOCUMENT_H
#define DV_COUCH_DOCUMENT_H

#include "couch/revision.h"
#include "couch/revtree.h"

enum dv_doc_att_kind {
    DV_DOC_ATT_INLINE,  /* data is given in base64 */
    DV_DOC_ATT_STUB,    /* as another revision has it */
    DV_DOC_ATT_FOLLOWS, /* its bytes come behind the JSON */
};

struct dv_doc_att {
    struct dv_slice name;
    struct dv_slice content_type; /* application/octet-stream when not given */
    enum dv_doc_att_kind kind;
    struct dv_slice data; /* INLINE: base64 text; decode with dv_base64_decode */
    bool has_data;
    bool has_revpos;
    uint64_t revpos;
    bool has_md5;
    unsigned char md5[16];
    bool gzip; /* encoding: "gzip" */
    bool has_length, has_encoded_length;
    uint64_t length, encoded_length;
};

struct dv_document {
    bool has_id;
    struct dv_slice id;
    bool has_rev;         /* _rev or _revisions gave at least one revision */
    bool from_revisions;  /* the path is that of _revisions */
    uint64_t start;       /* generation of ids[0] */
    struct dv_slice *ids; /* raw, newest first; from _revisions, or _rev alone */
    size_t n_ids;
    bool deleted;
    struct dv_slice body;    /* "{...}" */
    struct dv_doc_att *atts; /* in the order of the document */
    size_t n_atts;
};

struct dv_document_parser;

/* max_body_bytes: of the normalised body, 0: 8 000 000; a larger one is 413 document_too_large with
 * the id as its reason. The input itself may be 4 times that and a MiB (white space, attachments
 * are not counted by CouchDB either: max_input_bytes, 0: no limit of its own). */
int dv_document_parser_new(uint64_t max_body_bytes, uint64_t max_input_bytes,
                           struct dv_document_parser **p, struct dv_err *err);
void dv_document_parser_free(struct dv_document_parser *p);
int dv_document_parse(struct dv_document_parser *p, struct dv_slice json, struct dv_arena *arena,
                      struct dv_document *doc, struct dv_err *err);

/* bad_request when it begins with an underscore or is not UTF-8. */
int dv_attachment_name_check(struct dv_slice name, struct dv_err *err);

/* Strict base64 with its padding; white space is skipped. Appends to out. False: not base64 (out is
 * then undefined beyond its old length, which is kept). */
bool dv_base64_decode(struct dv_slice text, struct dv_buf *out);
int dv_base64_encode(struct dv_buf *out, const void *p, size_t n);
/* "md5-<base64 of 16 bytes>"; false when it is anything else. */
bool dv_md5_digest_parse(struct dv_slice text, unsigned char md5[16]);
int dv_md5_digest_add(struct dv_buf *out, const unsigned char md5[16]);
/* text/ anything, application/javascript, json, xml (parameters aside): CouchDB's defaults. */
bool dv_type_compresses(struct dv_slice content_type);

#endif
