/* Comparisons of byte runs that are too long to inline. */
#include "base/slice.h"

int dv_slice_cmp(struct dv_slice a, struct dv_slice b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n ? memcmp(a.p, b.p, n) : 0;

    if (c != 0)
        return c;
    return a.n < b.n ? -1 : a.n > b.n;
}

bool dv_slice_starts(struct dv_slice a, const char *prefix)
{
    size_t n = strlen(prefix);

    return a.n >= n && memcmp(a.p, prefix, n) == 0;
}
