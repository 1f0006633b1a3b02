/* See utf8.h. The first byte says how many follow, and narrows what the second may be. */
#include "base/utf8.h"

#include <stdint.h>

size_t dv_utf8_length(struct dv_slice s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    unsigned char low = 0x80, high = 0xbf;
    size_t n;

    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (p[0] == 0xe0)
        low = 0xa0;
    else if (p[0] == 0xed)
        high = 0x9f;
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f;
    if (s.n < n || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

bool dv_utf8_valid(struct dv_slice s)
{
    uint64_t eight;
    size_t n;

    for (; s.n >= 8; s = dv_slice(s.p + 8, s.n - 8)) { /* most text is ASCII */
        memcpy(&eight, s.p, 8);
        if (eight & UINT64_C(0x8080808080808080))
            break;
    }
    for (; s.n > 0; s = dv_slice(s.p + n, s.n - n)) {
        n = dv_utf8_length(s);
        if (n == 0)
            return false;
    }
    return true;
}
