/* The body of POST _bulk_docs, {"new_edits":false,"docs":[...]}, taken apart while it arrives: one
 * document's JSON at a time, so that memory is that of the largest document, not of the request.
 * Words of refusal: chttpd_db's _bulk_docs and tests/vectors/http.jsonl. One thread at a time. */
#ifndef DV_COUCH_BULK_H
#define DV_COUCH_BULK_H

#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

struct dv_bulk;

/* A document's JSON (any valid value: that it is an object, dv_document_parse sees), borrowed for
 * the call. A negative return ends the reading with that code. CouchDB refuses the request whole
 * when its JSON turns out broken later: nothing may be stored before dv_bulk_end has returned 0. */
typedef int dv_bulk_fn(void *arg, struct dv_slice doc, struct dv_err *err);

/* Ceilings in bytes, 0: none. One document over doc_bytes, or the whole over total_bytes:
 * DV_ETOOBIG. fn and arg are borrowed until free. */
int dv_bulk_new(size_t doc_bytes, uint64_t total_bytes, dv_bulk_fn *fn, void *arg,
                struct dv_bulk **b, struct dv_err *err);
void dv_bulk_free(struct dv_bulk *b); /* NULL is fine */
int dv_bulk_feed(struct dv_bulk *b, struct dv_slice bytes, struct dv_err *err);
/* The body is over. *new_edits is true unless it says otherwise. Refused (400): not JSON, no
 * object, no `docs`, `docs` or `new_edits` of another type (CouchDB answers the last with 500). */
int dv_bulk_end(struct dv_bulk *b, bool *new_edits, struct dv_err *err);

#endif
