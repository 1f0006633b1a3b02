/* The documents of a bulk input, one after another, while it is read: JSON lines, or CouchDB's
 * {"docs":[...]}, told apart by how the input begins. A line is handed on as it is, so that one
 * that is no JSON spoils only itself. Memory is bounded by the largest document. */
#ifndef DV_CLI_DOCS_IN_H
#define DV_CLI_DOCS_IN_H

#include "cli/input.h"

/* The bytes of one document, borrowed for the call. Below 0 ends the reading with that code. */
typedef int dv_doc_in_fn(void *arg, struct dv_slice json, struct dv_err *err);

/* Members beside "docs" are refused, but "new_edits" when it agrees with `replicated`. */
int dv_docs_in_read(struct dv_input *in, bool replicated, dv_doc_in_fn *fn, void *arg,
                    struct dv_err *err);

#endif
