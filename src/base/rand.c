/* getrandom(2) and splitmix64. */
#include "base/rand.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

void dv_rand_bytes(void *p, size_t n)
{
    unsigned char *u = p;

    while (n > 0) {
        ssize_t got = getrandom(u, n, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            abort(); /* Linux 3.17 and later always answer */
        u += got;
        n -= (size_t)got;
    }
}

void dv_rand_uuid(char out[33])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char raw[16];

    dv_rand_bytes(raw, sizeof(raw));
    for (int i = 0; i < 16; i++) {
        out[2 * i] = digits[raw[i] >> 4];
        out[2 * i + 1] = digits[raw[i] & 15];
    }
    out[32] = '\0';
}

void dv_rng_seed(struct dv_rng *r, uint64_t seed)
{
    r->state = seed;
}

uint64_t dv_rng_next(struct dv_rng *r)
{
    uint64_t z = (r->state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t dv_rng_below(struct dv_rng *r, uint64_t n)
{
    uint64_t limit = UINT64_MAX - UINT64_MAX % n, x;

    do
        x = dv_rng_next(r);
    while (x >= limit);
    return x % n;
}
