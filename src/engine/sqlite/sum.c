/* Checksums and fixed-width numbers of the stored rows. CRC-32 finds every single flipped byte
 * (every burst up to 32 bits); it is no protection against somebody who means to. */
#include <assert.h>
#include <string.h>
#include <zlib.h>

#include "engine/sqlite/internal.h"

enum { NUMBERS_MAX = 8, SMALL_BYTES = 256 };

void dv_sqput_u64(unsigned char *p, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        p[i] = (unsigned char)(v >> (8 * i));
}

uint64_t dv_sqget_u64(const unsigned char *p)
{
    uint64_t v = 0;

    for (int i = 7; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

int32_t dv_sqsum(const uint64_t *numbers, size_t n, struct dv_slice a, struct dv_slice b)
{
    unsigned char small[SMALL_BYTES];
    size_t used = 8 * n;
    uLong crc = 0;

    assert(n <= NUMBERS_MAX);
    for (size_t i = 0; i < n; i++)
        dv_sqput_u64(small + 8 * i, numbers[i]);
    if (a.n + b.n <= sizeof(small) - used) { /* zlib is slow on short pieces */
        if (a.n)
            memcpy(small + used, a.p, a.n);
        if (b.n)
            memcpy(small + used + a.n, b.p, b.n);
        return (int32_t)(uint32_t)crc32_z(crc, small, used + a.n + b.n);
    }
    crc = crc32_z(crc, small, used);
    if (a.n)
        crc = crc32_z(crc, (const unsigned char *)a.p, a.n);
    if (b.n)
        crc = crc32_z(crc, (const unsigned char *)b.p, b.n);
    return (int32_t)(uint32_t)crc;
}
