/* Multipart bodies as CouchDB and its relatives send and take them (RFC 2046; mixed and related).
 *
 * The reader is pushed chunks of any size and hands out parts as they pass; it never holds more
 * than one header block. Nesting is the caller's: a part whose type is multipart is fed to a second
 * reader. It accepts a preamble, an epilogue, parts with no or any headers, with or without
 * Content-Length, and empty parts whose blank line doubles as the delimiter's. The end of the
 * stream before the closing delimiter is an error. Pure, one thread per reader. */
#ifndef DV_COUCH_MULTIPART_H
#define DV_COUCH_MULTIPART_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum {
    DV_MULTIPART_BOUNDARY_MAX = 200,      /* bytes; RFC 2046 says 70, wild ones are longer */
    DV_MULTIPART_HEADERS_MAX = 16 * 1024, /* bytes of one part's header block */
    DV_MULTIPART_HEADER_COUNT_MAX = 64,
};

struct dv_multipart_header {
    struct dv_slice name;  /* compared in any case */
    struct dv_slice value; /* without white space around it */
};

struct dv_multipart_callbacks {
    /* Headers are borrowed for the call. Each returns 0, or a negative code that ends the feed. */
    int (*part)(void *arg, const struct dv_multipart_header *headers, size_t n, struct dv_err *err);
    int (*data)(void *arg, struct dv_slice bytes, struct dv_err *err);
    int (*part_end)(void *arg, struct dv_err *err);
};

struct dv_multipart_reader;

/* `boundary` without the leading dashes; DV_EINVAL when it is empty, too long or holds a line end.
 */
int dv_multipart_reader_new(struct dv_slice boundary, const struct dv_multipart_callbacks *cb,
                            void *arg, struct dv_multipart_reader **r, struct dv_err *err);
void dv_multipart_reader_free(struct dv_multipart_reader *r); /* NULL is fine */
int dv_multipart_reader_feed(struct dv_multipart_reader *r, struct dv_slice bytes,
                             struct dv_err *err);
/* The stream is over: DV_EINVAL "multipart body ended early" unless the closing delimiter came. */
int dv_multipart_reader_end(struct dv_multipart_reader *r, struct dv_err *err);
bool dv_multipart_reader_complete(const struct dv_multipart_reader *r);

/* Of a header list; the empty slice when absent. */
struct dv_slice dv_multipart_header_find(const struct dv_multipart_header *headers, size_t n,
                                         const char *name);
/* The type of "multipart/related; boundary=\"x\"" without parameters. */
struct dv_slice dv_header_main(struct dv_slice value);
/* One parameter of such a value, unquoted into the arena; false when absent or malformed. */
bool dv_header_param(struct dv_slice value, const char *name, struct dv_arena *arena,
                     struct dv_slice *out);

/* ---- writing a document with attachments (multipart/related) -------------------------------- */

/* Delimiter and headers of the first part, the JSON, up to the next delimiter's place. */
int dv_multipart_add_json(struct dv_buf *out, struct dv_slice boundary, struct dv_slice json);
/* Delimiter and headers of one attachment part; its bytes follow. Names and types are escaped so
 * that they cannot end the header. */
int dv_multipart_add_attachment(struct dv_buf *out, struct dv_slice boundary, struct dv_slice name,
                                struct dv_slice content_type, bool gzip, uint64_t stored_bytes);
int dv_multipart_add_end(struct dv_buf *out, struct dv_slice boundary);

#endif
