/* Revisions "G-ID". Inside, an id is what CouchDB holds: 32 hexadecimal digits are 16 raw
 * bytes, any other id is its text; ranks and equality go over these bytes. 32 characters
 * that are not hexadecimal are refused. Rules: shared recordings (tests/vectors/revs.jsonl,
 * http.jsonl) and couch_doc:parse_rev/1. Pure functions, any thread. */
#ifndef DV_COUCH_REVISION_H
#define DV_COUCH_REVISION_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/* Longest text id taken from outside, bytes; generations are 1 .. 2^53-1 (0 only for local
 * documents and `0-N`). Ours: CouchDB has no ceiling. */
enum { DV_REV_ID_MAX = 255, DV_REV_RAW_BYTES = 16 };
#define DV_REV_GEN_MAX ((UINT64_C(1) << 53) - 1)

struct dv_rev {
    uint64_t gen;
    struct dv_slice id; /* borrowed; raw form as above, never empty for a real revision */
};

/* Parse "G-ID" as couch_doc:parse_rev: the error is bad_request "Invalid rev format". A raw id
 * decoded from hex lives in `arena`; a text id is borrowed from text. The id of generation 0
 * (local documents) is always text, also when it has 32 characters. Stricter than CouchDB,
 * which takes an empty id and any generation. */
int dv_rev_parse(struct dv_slice text, struct dv_arena *arena, struct dv_rev *rev,
                 struct dv_err *err);
/* Only the id part, as in _revisions.ids; the error is doc_validation "RevId isn't a valid
 * hexadecimal", or a reason of ours for an empty or overlong one. */
int dv_rev_id_parse(struct dv_slice text, struct dv_arena *arena, struct dv_slice *id,
                    struct dv_err *err);

/* G-ID, and ID alone (hexadecimal when it is 16 bytes, as CouchDB prints any 16 bytes). A text
 * id may hold any character, quotes too: escape it when it goes into JSON. */
int dv_rev_add_text(struct dv_buf *out, struct dv_rev rev);
int dv_rev_add_id_text(struct dv_buf *out, struct dv_slice id);

/* By generation, then raw id bytes. */
int dv_rev_cmp(struct dv_rev a, struct dv_rev b);
bool dv_rev_eq(struct dv_rev a, struct dv_rev b);

#endif
