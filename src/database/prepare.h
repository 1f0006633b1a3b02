/* From the bytes of an edit to what apply needs. Private to src/database. */
#ifndef DV_DATABASE_PREPARE_H
#define DV_DATABASE_PREPARE_H

#include "couch/document.h"
#include "database/apply.h"

/* What is used again for every document of a batch. */
struct dv_parser {
    struct dv_database *db;
    struct dv_batch *batch;
    struct dv_document_parser *document; /* owned */
    struct dv_arena work;                /* of one document, until what is kept is copied */
    struct dv_buf scratch;
};

int dv_parser_init(struct dv_parser *p, struct dv_database *db, struct dv_batch *batch,
                   struct dv_err *err);
void dv_parser_fini(struct dv_parser *p);

/* What is wrong with the document goes into the result and makes it a refused one; < 0 only when
 * memory is out. */
int dv_prepare_edit(struct dv_parser *parser, const struct dv_edit *edit, bool replicated,
                    struct dv_prepared *p, struct dv_edit_result *r, struct dv_err *err);
/* The only edit of a batch: one attachment of a document. */
int dv_prepare_attachment(struct dv_batch *b, struct dv_slice id, struct dv_slice rev,
                          const struct dv_edit_attachment *att, bool remove, struct dv_err *err);

#endif
