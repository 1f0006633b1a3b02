/* Randomness. dv_rand_bytes is the system's (ids, seeds). struct dv_rng is a small seeded
 * generator for tests and jitter: the same seed gives the same run on every machine. */
#ifndef DV_BASE_RAND_H
#define DV_BASE_RAND_H

#include <stddef.h>
#include <stdint.h>

void dv_rand_bytes(void *p, size_t n); /* aborts if the system has no randomness */
/* 32 lower-case hex digits and a NUL. */
void dv_rand_uuid(char out[33]);

struct dv_rng {
    uint64_t state;
};

void dv_rng_seed(struct dv_rng *r, uint64_t seed);
uint64_t dv_rng_next(struct dv_rng *r);
uint64_t dv_rng_below(struct dv_rng *r, uint64_t n); /* 0 <= x < n; n > 0 */

#endif
