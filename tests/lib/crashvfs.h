/* An SQLite VFS on a disk in memory (crashdisk.h) that stops at the n-th operation, loses power,
 * leaves out one class of syncs, or fails the n-th operation.
 *
 * Operations, counted from 1: creating a file (xOpen), xWrite, xTruncate, xSync, xDelete, and the
 * folder sync that SQLite's unix VFS does by itself, each as one of its own: after the first xSync
 * of a log or a rollback journal that was opened with CREATE, and in xDelete(syncDir). As there, a
 * database's own name is not made safe by syncing the database. Reads and locks are not counted.
 *
 * A crash at n: operation n is not done, and from then on every call fails with SQLITE_IOERR.
 * The program lets go of everything; crashvfs_power_cut() then shows the disk as the next start
 * finds it, and counting begins at 0. Handles from before the cut stay dead for ever.
 *
 * One process; any number of connections and threads (one lock around everything). The memory of
 * the log's index is written by SQLite without locks a thread sanitizer knows. */
#ifndef DV_TESTS_CRASHVFS_H
#define DV_TESTS_CRASHVFS_H

#include "lib/crashdisk.h"

/* Whose sync it is. */
enum crash_sync {
    CRASH_SYNC_BARRIER,  /* the log, at a commit or on demand */
    CRASH_SYNC_LOG_HEAD, /* the log, after its new header alone was written (a restart) */
    CRASH_SYNC_CKPT_LOG, /* the log, before a checkpoint writes the database */
    CRASH_SYNC_CKPT_DB,  /* the database, after a checkpoint wrote it */
    CRASH_SYNC_DB_1,     /* the database otherwise: the first, second, third ... */
    CRASH_SYNC_DB_2,     /* ... since the file is there */
    CRASH_SYNC_DB_3,
    CRASH_SYNC_DB_MORE,
    CRASH_SYNC_JOURNAL,        /* a rollback journal */
    CRASH_SYNC_LOG_NAME,       /* the folder, at the first sync of a log */
    CRASH_SYNC_JOURNAL_NAME,   /* the folder, at the first sync of a rollback journal */
    CRASH_SYNC_DELETE_DB,      /* the folder, after xDelete of a database, */
    CRASH_SYNC_DELETE_LOG,     /* of a log, */
    CRASH_SYNC_DELETE_JOURNAL, /* of a rollback journal: what a VFS offers as a folder's sync */
    CRASH_SYNCS
};

enum { CRASH_SYNC_LOG = 200 };

enum crash_fail {
    CRASH_FAIL_NONE,
    CRASH_FAIL_FULL,  /* create, write: nothing is done, disk full */
    CRASH_FAIL_SHORT, /* write: the first half is done, then disk full */
    CRASH_FAIL_WRITE, /* create, write, truncate, delete: EIO, nothing is done */
    CRASH_FAIL_SYNC,  /* sync: EIO, what it was for stays unsynced */
    CRASH_FAIL_LOSE,  /* sync: EIO, and what it was for will never be written (fsync on Linux) */
    CRASH_FAIL_READ,  /* read: EIO. Counts reads, not operations */
};

/* Registers the VFS (not as the default). Once per process; the name is kept. */
int crashvfs_register(const char *name);
/* An empty disk, no crash or fault armed, no sync left out, counting from 0. SQLite's own
 * randomness is seeded, so that the same program writes the same bytes. */
void crashvfs_reset(uint64_t seed);

uint64_t crashvfs_count(void);                  /* operations since reset or power cut */
uint64_t crashvfs_syncs(enum crash_sync which); /* of them; also those left out */
/* The operation that the k-th of them was since reset (k from 0; the first CRASH_SYNC_LOG). */
uint64_t crashvfs_sync_at(enum crash_sync which, uint64_t k);
const char *crashvfs_sync_name(enum crash_sync which);

void crashvfs_crash_at(uint64_t n); /* 0: never */
bool crashvfs_crashed(void);
/* Pull the plug (also without a crash before). May be called again: each time the disk is what this
 * cut leaves of the state at the first one, until crashvfs_accept(). */
void crashvfs_power_cut(enum crash_cut how, uint64_t seed);
/* The disk as it is now is the one that the next power cut is about. */
void crashvfs_accept(void);

/* Bits 1 << enum crash_sync: these syncs say that they are done and do nothing. */
void crashvfs_skip_sync(unsigned classes);

/* The n-th operation from now that `what` is about fails; sticky: and all after it, until the next
 * call. n = 0 with NONE disarms. */
void crashvfs_fail_at(uint64_t n, enum crash_fail what, bool sticky);
bool crashvfs_fail_fired(void);

/* Bytes a program sees now; NULL when there is no such file. Borrowed until the next write. */
const struct crash_bytes *crashvfs_file(const char *name);

#endif
