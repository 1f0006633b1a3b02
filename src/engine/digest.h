/* SHA-256 and MD5 of a stream of bytes, by libcrypto; the algorithms are looked up once in the
 * process. For engines and their front door. One digest belongs to one thread at a time. */
#ifndef DV_ENGINE_DIGEST_H
#define DV_ENGINE_DIGEST_H

#include "base/err.h"
#include "base/slice.h"

enum dv_digest_kind { DV_DIGEST_SHA256, DV_DIGEST_MD5 };
enum { DV_SHA256_BYTES = 32, DV_MD5_BYTES = 16 };

struct dv_digest; /* a libcrypto context */

int dv_digest_new(enum dv_digest_kind kind, struct dv_digest **d, struct dv_err *err);
void dv_digest_free(struct dv_digest *d); /* NULL is fine */
int dv_digest_add(struct dv_digest *d, struct dv_slice bytes, struct dv_err *err);
/* 32 or 16 bytes to out. Once; then only free. */
int dv_digest_end(struct dv_digest *d, unsigned char *out, struct dv_err *err);

#endif
