/* A borrowed run of bytes. Not terminated, may hold NUL. Whoever hands one out says
 * how long it lives. */
#ifndef DV_BASE_SLICE_H
#define DV_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct dv_slice {
    const char *p; /* may be NULL only when n is 0 */
    size_t n;      /* bytes */
};

#define DV_SLICE_LIT(s) ((struct dv_slice){ (s), sizeof(s) - 1 })

static inline struct dv_slice dv_slice(const void *p, size_t n)
{
    return (struct dv_slice){ p, n };
}

/* The bytes of a C string without its terminator; NULL gives the empty slice. */
static inline struct dv_slice dv_slice_str(const char *s)
{
    return (struct dv_slice){ s, s ? strlen(s) : 0 };
}

static inline bool dv_slice_eq(struct dv_slice a, struct dv_slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool dv_slice_eq_str(struct dv_slice a, const char *s)
{
    return dv_slice_eq(a, dv_slice_str(s));
}

/* Raw byte order (the order of ids in every fold): <0, 0, >0. */
int dv_slice_cmp(struct dv_slice a, struct dv_slice b);

bool dv_slice_starts(struct dv_slice a, const char *prefix);

#endif
