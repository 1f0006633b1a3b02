/* What the two halves of the document parser share: the body (document.c) and the special members
 * (document_special.c). Private to src/couch. */
#ifndef DV_COUCH_DOCUMENT_PARSER_H
#define DV_COUCH_DOCUMENT_PARSER_H

#include "couch/document.h"
#include "json/reader.h"

/* Top-level members that are taken out. Each remembers its own complaint, since of duplicate
 * members only the last is judged and of complaints the first in the document is told. */
enum special {
    SP_NONE, /* an ordinary member */
    SP_KEPT, /* _access, _replication_*: ordinary too */
    SP_ID,
    SP_REV,
    SP_REVISIONS,
    SP_DELETED,
    SP_ATTACHMENTS,
    SP_IGNORED,
    SP_UNKNOWN,
    SP_COUNT,
};

struct complaint {
    bool set;
    uint64_t position;
    struct dv_err err;
};

/* A member of an object that is open, for finding duplicates at its end. */
struct member {
    struct dv_slice key; /* decoded */
    size_t start, end;   /* in body: key, colon and value */
};

struct dv_document_parser {
    uint64_t max_body_bytes;
    struct dv_json_reader *reader;
    struct dv_arena *arena; /* of this document, borrowed */
    struct dv_document doc; /* what was gathered so far */
    struct dv_slice input;
    /* the body */
    struct dv_buf body;
    struct member *members; /* owned; a stack over all open objects */
    size_t n_members, cap_members;
    struct level {
        size_t first_member; /* SIZE_MAX: an array */
        size_t body_start;
        bool comma;
    } * levels; /* owned */
    size_t n_levels, cap_levels;
    bool not_object;
    /* the special member we are in */
    enum special special;
    uint64_t special_start;
    unsigned special_field; /* the member inside it */
    struct complaint complaints[SP_COUNT];
    /* _rev and _revisions */
    bool rev_given, revisions_given, start_given, ids_given;
    struct dv_rev rev;
    uint64_t start;
    struct dv_slice *ids; /* owned array; slices in the arena */
    size_t n_ids, cap_ids;
    /* _attachments */
    struct dv_doc_att *atts; /* owned array */
    size_t n_atts, cap_atts;
    bool in_att, att_stub, att_follows;
};

enum special special_of(struct dv_slice key);
void special_begin(struct dv_document_parser *p, struct dv_slice key, uint64_t position);
int special_event(struct dv_document_parser *p, const struct dv_json_event *ev, struct dv_err *err);
/* After the whole document: fill doc from what was gathered, or the first complaint. */
int special_finish(struct dv_document_parser *p, struct dv_err *err);

#endif
