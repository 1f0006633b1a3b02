/* The revision id that a local edit gets: CouchDB's (couch_db:new_revid/1), so that the same edit
 * made on two nodes is one revision. It is the MD5 of the Erlang term [deleted, generation of the
 * parent, id of the parent, body, attachments]. Referee: tests/vectors/revs.jsonl. Pure, any
 * thread. */
#ifndef DV_COUCH_REVHASH_H
#define DV_COUCH_REVHASH_H

#include "couch/revision.h"

enum { DV_REVHASH_MD5_BYTES = 16 };

struct dv_revhash_att {
    struct dv_slice name;
    struct dv_slice type;     /* content type as stored */
    const unsigned char *md5; /* of the stored bytes (the gzip's, when stored so), 16 bytes */
};

struct dv_revhash_edit {
    bool deleted;
    struct dv_rev parent; /* generation 0 and empty id: a first revision */
    struct dv_slice body; /* the JSON object as stored: without underscore members but those that
                           * are kept (_replication_*, _access), no duplicate members */
    const struct dv_revhash_att *atts; /* in the document's order; all of them, stubs too */
    size_t n_atts;
};

/* The new revision is parent.gen + 1 with this raw id. Errors are those of reading the body
 * (dv_etf_json) and DV_ENOMEM. */
int dv_revhash(const struct dv_revhash_edit *edit, unsigned char id[DV_REV_RAW_BYTES],
               struct dv_err *err);

#endif
