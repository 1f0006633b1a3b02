/* See crashlock.h. Levels are SQLite's: many SHARED; one RESERVED beside them; PENDING keeps new
 * SHARED out; EXCLUSIVE is alone. A connection that asked for EXCLUSIVE in vain stays PENDING. */
#include "lib/crashlock.h"

#include <stdlib.h>

int crashlock_lock(struct crash_locks *l, struct crash_holder *h, int level)
{
    if (h->level >= level)
        return SQLITE_OK;
    if ((l->pending && l->pending != h) ||
        (level > SQLITE_LOCK_SHARED && l->reserved && l->reserved != h))
        return SQLITE_BUSY;
    if (h->level == SQLITE_LOCK_NONE) {
        l->shared++;
        h->level = SQLITE_LOCK_SHARED;
    }
    if (level == SQLITE_LOCK_SHARED)
        return SQLITE_OK;
    l->reserved = h;
    h->level = SQLITE_LOCK_RESERVED;
    if (level == SQLITE_LOCK_RESERVED)
        return SQLITE_OK;
    l->pending = h;
    h->level = SQLITE_LOCK_PENDING;
    if (level == SQLITE_LOCK_PENDING)
        return SQLITE_OK;
    if (l->shared > 1)
        return SQLITE_BUSY;
    h->level = SQLITE_LOCK_EXCLUSIVE;
    return SQLITE_OK;
}

void crashlock_unlock(struct crash_locks *l, struct crash_holder *h, int level)
{
    if (h->level <= level)
        return;
    if (l->pending == h)
        l->pending = NULL;
    if (l->reserved == h)
        l->reserved = NULL;
    if (level == SQLITE_LOCK_NONE)
        l->shared--;
    h->level = level;
}

bool crashlock_is_reserved(const struct crash_locks *l)
{
    return l->reserved != NULL;
}

static void drop_regions(struct crash_locks *l)
{
    for (int i = 0; i < l->n_regions; i++)
        free(l->regions[i]);
    free(l->regions);
    l->regions = NULL;
    l->n_regions = 0;
}

int crashlock_shm_map(struct crash_locks *l, struct crash_holder *h, int region, int bytes,
                      bool extend, void volatile **p)
{
    if (!h->shm) {
        h->shm = true;
        l->shm_users++;
    }
    *p = NULL;
    if (region >= l->n_regions && !extend)
        return SQLITE_OK;
    while (region >= l->n_regions) {
        void **more = realloc(l->regions, (size_t)(l->n_regions + 1) * sizeof(*more));

        if (more)
            l->regions = more;
        if (!more || !(more[l->n_regions] = calloc(1, (size_t)bytes)))
            return SQLITE_IOERR_NOMEM;
        l->n_regions++;
    }
    *p = l->regions[region];
    return SQLITE_OK;
}

static void release_slots(struct crash_locks *l, struct crash_holder *h, unsigned mask)
{
    for (int i = 0; i < SQLITE_SHM_NLOCK; i++) {
        unsigned bit = 1u << i;

        if (!(mask & bit))
            continue;
        if (h->exclusive & bit)
            l->slots[i] = 0;
        else if (h->shared & bit)
            l->slots[i]--;
        h->exclusive &= ~bit;
        h->shared &= ~bit;
    }
}

int crashlock_shm_lock(struct crash_locks *l, struct crash_holder *h, int first, int n, int flags)
{
    unsigned mask = ((1u << n) - 1) << first;
    bool exclusive = flags & SQLITE_SHM_EXCLUSIVE;

    if (flags & SQLITE_SHM_UNLOCK) {
        release_slots(l, h, mask);
        return SQLITE_OK;
    }
    for (int i = first; i < first + n; i++) {
        if ((h->exclusive | h->shared) & 1u << i)
            continue; /* its own, of the same kind: SQLite never changes the kind */
        if (l->slots[i] < 0 || (exclusive && l->slots[i] > 0))
            return SQLITE_BUSY;
    }
    for (int i = first; i < first + n; i++) {
        if ((h->exclusive | h->shared) & 1u << i)
            continue;
        l->slots[i] = exclusive ? -1 : l->slots[i] + 1;
        if (exclusive)
            h->exclusive |= 1u << i;
        else
            h->shared |= 1u << i;
    }
    return SQLITE_OK;
}

void crashlock_shm_unmap(struct crash_locks *l, struct crash_holder *h)
{
    release_slots(l, h, ~0u);
    if (!h->shm)
        return;
    h->shm = false;
    /* The first to come after the last has gone rebuilds the index from the log. */
    if (--l->shm_users == 0)
        drop_regions(l);
}

void crashlock_fini(struct crash_locks *l)
{
    drop_regions(l);
}
