/* Locks and shared memory of one file, between the connections of one process: what SQLite's unix
 * VFS does with fcntl locks and the -shm file. All calls under crashvfs's lock. */
#ifndef DV_TESTS_CRASHLOCK_H
#define DV_TESTS_CRASHLOCK_H

#include <sqlite3.h>
#include <stdbool.h>

/* Of a file. Zero is a file nobody has locked. */
struct crash_locks {
    int shared;           /* holders of SHARED or more */
    const void *reserved; /* who holds RESERVED or more */
    const void *pending;  /* who holds PENDING or EXCLUSIVE */
    int shm_users;
    void **regions; /* owned */
    int n_regions;
    int slots[SQLITE_SHM_NLOCK]; /* > 0: that many shared, -1: exclusive */
};

/* Of a connection. Zero holds nothing. */
struct crash_holder {
    int level;                  /* SQLITE_LOCK_NONE ... EXCLUSIVE */
    bool shm;                   /* has mapped the shared memory */
    unsigned shared, exclusive; /* slots, one bit each */
};

/* SQLITE_OK or SQLITE_BUSY. */
int crashlock_lock(struct crash_locks *l, struct crash_holder *h, int level);
void crashlock_unlock(struct crash_locks *l, struct crash_holder *h, int level);
bool crashlock_is_reserved(const struct crash_locks *l);

int crashlock_shm_map(struct crash_locks *l, struct crash_holder *h, int region, int bytes,
                      bool extend, void volatile **p);
int crashlock_shm_lock(struct crash_locks *l, struct crash_holder *h, int first, int n, int flags);
void crashlock_shm_unmap(struct crash_locks *l, struct crash_holder *h);
void crashlock_fini(struct crash_locks *l);

#endif
