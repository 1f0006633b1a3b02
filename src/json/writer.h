/* Writes JSON into a buffer; commas are its affair. Failure of the buffer is remembered there. A
 * misuse (a value without its key) is a bug of ours and asserted. */
#ifndef DV_JSON_WRITER_H
#define DV_JSON_WRITER_H

#include "base/buf.h"

enum { DV_JSON_WRITER_DEPTH = 64 };

struct dv_json_writer {
    struct dv_buf *out; /* borrowed */
    unsigned depth;
    bool comma[DV_JSON_WRITER_DEPTH + 1]; /* the next item at this depth needs one */
    bool after_key;
};

void dv_json_writer_init(struct dv_json_writer *w, struct dv_buf *out);
void dv_json_begin_object(struct dv_json_writer *w);
void dv_json_end_object(struct dv_json_writer *w);
void dv_json_begin_array(struct dv_json_writer *w);
void dv_json_end_array(struct dv_json_writer *w);
void dv_json_key(struct dv_json_writer *w, const char *key);
void dv_json_key_slice(struct dv_json_writer *w, struct dv_slice key);
void dv_json_string(struct dv_json_writer *w, struct dv_slice s); /* UTF-8 */
void dv_json_cstring(struct dv_json_writer *w, const char *s);
void dv_json_number(struct dv_json_writer *w, int64_t v);
void dv_json_unsigned(struct dv_json_writer *w, uint64_t v);
void dv_json_bool(struct dv_json_writer *w, bool v);
void dv_json_null(struct dv_json_writer *w);
void dv_json_raw(struct dv_json_writer *w, struct dv_slice json); /* a whole value as it is */

/* Only the string with its quotes and escapes. Bytes that are not UTF-8 come out as U+FFFD. */
int dv_json_quote(struct dv_buf *out, struct dv_slice s);

#endif
