/* Open addressing with linear probing, at most 3/4 full. Mixing: FNV-1a from a random
 * start with a final avalanche; the start is drawn once per process. */
#include "base/hash.h"

#include <pthread.h>

#include "base/mem.h"
#include "base/rand.h"

struct dv_hash_slot {
    struct dv_slice key;
    void *value;
    uint64_t hash;
    bool used;
};

static uint64_t seed;
static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void draw_seed(void)
{
    dv_rand_bytes(&seed, sizeof(seed));
}

uint64_t dv_hash_bytes(struct dv_slice s)
{
    uint64_t h;

    pthread_once(&seed_once, draw_seed);
    h = seed ^ 0xcbf29ce484222325u;
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3u;
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccdu;
    return h ^ (h >> 33);
}

void dv_hash_init(struct dv_hash *h)
{
    memset(h, 0, sizeof(*h));
}

void dv_hash_fini(struct dv_hash *h)
{
    dv_free(h->slots);
    memset(h, 0, sizeof(*h));
}

void dv_hash_reset(struct dv_hash *h)
{
    if (h->slots)
        memset(h->slots, 0, h->capacity * sizeof(*h->slots));
    h->count = 0;
}

static struct dv_hash_slot *find(const struct dv_hash *h, struct dv_slice key, uint64_t hash)
{
    size_t i = (size_t)hash & (h->capacity - 1);

    while (h->slots[i].used && (h->slots[i].hash != hash || !dv_slice_eq(h->slots[i].key, key)))
        i = (i + 1) & (h->capacity - 1);
    return &h->slots[i];
}

static bool grow(struct dv_hash *h)
{
    struct dv_hash bigger = { .capacity = h->capacity ? h->capacity * 2 : 16, .count = h->count };

    bigger.slots = dv_calloc(bigger.capacity, sizeof(*bigger.slots));
    if (!bigger.slots)
        return false;
    for (size_t i = 0; i < h->capacity; i++)
        if (h->slots[i].used)
            *find(&bigger, h->slots[i].key, h->slots[i].hash) = h->slots[i];
    dv_free(h->slots);
    *h = bigger;
    return true;
}

void **dv_hash_put(struct dv_hash *h, struct dv_slice key, bool *is_new)
{
    uint64_t hash = dv_hash_bytes(key);
    struct dv_hash_slot *slot;

    if (h->count + 1 > h->capacity - h->capacity / 4 && !grow(h))
        return NULL;
    slot = find(h, key, hash);
    if (is_new)
        *is_new = !slot->used;
    if (!slot->used) {
        *slot = (struct dv_hash_slot){ key, NULL, hash, true };
        h->count++;
    }
    return &slot->value;
}

void **dv_hash_get(const struct dv_hash *h, struct dv_slice key)
{
    struct dv_hash_slot *slot;

    if (h->count == 0)
        return NULL;
    slot = find(h, key, dv_hash_bytes(key));
    return slot->used ? &slot->value : NULL;
}
