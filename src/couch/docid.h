/* Document ids: couch_doc:validate_docid, with its error texts. Ids are ordered by raw bytes.
 * Pure functions, any thread. */
#ifndef DV_COUCH_DOCID_H
#define DV_COUCH_DOCID_H

#include "base/err.h"
#include "base/slice.h"

/* Longest id, bytes. Ours: CouchDB's max_document_id_length is infinite unless configured. */
enum { DV_DOCID_MAX = 32 * 1024 };

/* 0, or DV_EILLEGALID (illegal_docid, 400): empty, not UTF-8 (strictly, since it must go into
 * JSON), nothing behind _design/ or _local/, another leading underscore, or too long. An id
 * that is not a string in JSON is the parser's to refuse ("Document id must be a string"). */
int dv_docid_check(struct dv_slice id, struct dv_err *err);

bool dv_docid_is_design(struct dv_slice id); /* _design/... */
bool dv_docid_is_local(struct dv_slice id);  /* _local/... */

#endif
