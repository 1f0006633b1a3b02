/* Gzip as a stream, in either direction, over zlib: what attachments are compressed with. The
 * parameters are CouchDB's (couch_stream: level 8, window bits 16 + 15), and so are the bytes for
 * the same zlib; an attachment's digest is over them.
 *
 * Output goes to a sink in pieces; nothing but zlib's window is held. One stream belongs to one
 * thread at a time. After an error it can only be freed. */
#ifndef DV_COUCH_GZIP_H
#define DV_COUCH_GZIP_H

#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

struct dv_gzip;

/* The slice is borrowed for the call. < 0: an error that add or end returns as it is. */
typedef int dv_gzip_sink(void *arg, struct dv_slice out, struct dv_err *err);

int dv_gzip_new_deflate(struct dv_gzip **z, struct dv_err *err);
/* More than max_bytes out is DV_ETOOBIG, noticed before the excess reaches the sink. */
int dv_gzip_new_inflate(uint64_t max_bytes, struct dv_gzip **z, struct dv_err *err);
void dv_gzip_free(struct dv_gzip *z); /* NULL is fine */

/* Inflating: DV_EINVAL when it is not gzip, or when its check sums or lengths are wrong. Several
 * members one after another are one content (RFC 1952, 2.2). */
int dv_gzip_add(struct dv_gzip *z, struct dv_slice in, dv_gzip_sink *sink, void *arg,
                struct dv_err *err);
/* No more input. Deflating: the rest comes out. Inflating: DV_EINVAL when the content is cut. */
int dv_gzip_end(struct dv_gzip *z, dv_gzip_sink *sink, void *arg, struct dv_err *err);

#endif
