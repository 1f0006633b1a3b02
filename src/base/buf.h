/* A growing byte buffer with a ceiling fixed at birth. Growth past the ceiling is
 * DV_ETOOBIG, no memory DV_ENOMEM; the content is then as before the call. Failure is also
 * remembered (`failed`), so that a writer may append many times and look once. */
#ifndef DV_BASE_BUF_H
#define DV_BASE_BUF_H

#include <stdarg.h>
#include <stdint.h>

#include "base/slice.h"

struct dv_buf {
    char *p; /* owned */
    size_t n;
    size_t capacity;
    size_t max;
    int failed; /* first DV_E... since init or reset, or 0 */
};

void dv_buf_init(struct dv_buf *b, size_t max_bytes);
void dv_buf_fini(struct dv_buf *b);
void dv_buf_reset(struct dv_buf *b); /* empty, forget failure, keep the memory */

int dv_buf_grow(struct dv_buf *b, size_t more_bytes); /* dv_buf_reserve's slow way */
static inline int dv_buf_reserve(struct dv_buf *b, size_t more_bytes)
{
    return more_bytes <= b->capacity - b->n ? 0 : dv_buf_grow(b, more_bytes);
}
static inline int dv_buf_add(struct dv_buf *b, const void *p, size_t n)
{
    int rc = dv_buf_reserve(b, n);

    if (rc < 0)
        return rc;
    if (n)
        memcpy(b->p + b->n, p, n);
    b->n += n;
    return 0;
}
static inline int dv_buf_add_char(struct dv_buf *b, char c)
{
    return dv_buf_add(b, &c, 1);
}
int dv_buf_add_str(struct dv_buf *b, const char *s);
int dv_buf_printf(struct dv_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Lower-case hexadecimal. */
int dv_buf_add_hex(struct dv_buf *b, const void *p, size_t n);
/* LEB128, least significant group first: the integers of our blobs. */
int dv_buf_add_varint(struct dv_buf *b, uint64_t v);

static inline int dv_buf_add_slice(struct dv_buf *b, struct dv_slice s)
{
    return dv_buf_add(b, s.p, s.n);
}

/* Borrowed until the next change of b. */
static inline struct dv_slice dv_buf_slice(const struct dv_buf *b)
{
    return dv_slice(b->p, b->n);
}

/* Put a NUL behind the content (not counted) and return it; NULL when memory is out. */
const char *dv_buf_cstr(struct dv_buf *b);

/* Move the content out; the caller frees it with dv_free(). b is empty afterwards. */
char *dv_buf_take(struct dv_buf *b, size_t *n);

/* Read one varint from *s and move *s past it. False when it is cut or over 64 bits. */
bool dv_varint_read(struct dv_slice *s, uint64_t *v);

#endif
