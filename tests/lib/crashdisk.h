/* A disk in memory that knows what a power cut would leave: the model under crashvfs.
 *
 * A file is a node; a name in a folder is an entry that points to one. For each node the disk keeps
 * the bytes as programs see them, the bytes as of the last sync, and every write and truncation
 * since. For each name it keeps what the folder says now, what it said at the folder's last sync,
 * and every step since. Syncing a file makes its bytes safe, not its name; syncing a folder makes
 * names safe, not bytes (POSIX; several file systems promise more).
 *
 * What a cut may leave (CRASH_CUT_TORN), drawn from a seed, each file and each name by itself:
 *  - of the writes since the sync any subset, cut into sectors of 512 bytes, in any order between
 *    two truncations; each truncation was done or not; bytes outside a write never change;
 *  - a file that was growing may have its new length with zeros where bytes are missing;
 *  - a name shows any of the steps since its folder's sync, in their order.
 * Not modelled: rename and links (SQLite has none), bad sectors, other bytes than were written.
 * One thread at a time (crashvfs holds a lock). Out of memory aborts: tests only. */
#ifndef DV_TESTS_CRASHDISK_H
#define DV_TESTS_CRASHDISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/crashlock.h"

enum { CRASH_SECTOR_BYTES = 512 };

enum crash_cut {
    CRASH_CUT_CLEAN, /* everything that was not synced is gone */
    CRASH_CUT_TORN,  /* a seeded part of it is there */
    CRASH_CUT_NONE,  /* everything is there: the process died, the machine did not */
};

struct crash_bytes {
    unsigned char *p; /* owned */
    size_t n, room;
};

struct crash_change {
    size_t at;
    size_t n;
    unsigned char *bytes; /* owned; NULL: the file was truncated to `at` */
};

struct crash_node {
    unsigned refs;
    struct crash_bytes now, safe;
    struct crash_change *changes; /* owned, in order, since the last sync */
    size_t n_changes, room;
    unsigned own_syncs; /* for crashvfs: syncs that no checkpoint asked for */
    struct crash_locks locks;
};

struct crash_disk;

struct crash_disk *crashdisk_new(void);
void crashdisk_free(struct crash_disk *d); /* NULL is fine */
/* A new disk with what a power cut leaves of d; d is as before. The same seed gives the same. */
struct crash_disk *crashdisk_cut(const struct crash_disk *d, enum crash_cut how, uint64_t seed);

/* The node of a name now, or NULL. Borrowed. */
struct crash_node *crashdisk_find(const struct crash_disk *d, const char *name);
/* An empty file under the name, which is free. Borrowed. */
struct crash_node *crashdisk_create(struct crash_disk *d, const char *name);
void crashdisk_unlink(struct crash_disk *d, const char *name);      /* the name is taken */
void crashdisk_sync_folder(struct crash_disk *d, const char *name); /* the one that name is in */

struct crash_node *crashnode_new(void); /* without a name */
struct crash_node *crashnode_ref(struct crash_node *f);
void crashnode_unref(struct crash_node *f);
void crashnode_write(struct crash_node *f, const void *p, size_t n, size_t at);
void crashnode_truncate(struct crash_node *f, size_t n);
void crashnode_sync(struct crash_node *f);
/* A sync that failed: the changes are dropped from the list of what has to be written, and stay
 * visible (what Linux does with dirty pages after EIO). */
void crashnode_lose(struct crash_node *f);

#endif
