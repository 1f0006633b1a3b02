/* See crashvfs.h. Every method enters the gate (crashgate.h), which counts, stops and fails, and
 * works on the handle's node. */
#include "lib/crashvfs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/crashgate.h"

enum { PATH_BYTES = 512, LOG_HEAD_BYTES = 32 };

struct handle {
    sqlite3_file base; /* first: SQLite's view */
    struct handle *next;
    char *name;              /* owned; NULL: a temporary file */
    struct crash_node *node; /* referenced */
    unsigned boot;           /* the run of the machine it belongs to */
    int type;                /* SQLITE_OPEN_MAIN_DB, _WAL ... */
    bool sync_folder;        /* at the first sync */
    bool delete_on_close;
    struct crash_holder holder;
};

static sqlite3_vfs vfs;
static char vfs_name[64];
static struct crash_disk *disk;   /* as programs see it */
static struct crash_disk *before; /* at the first power cut since accept, or NULL */
static struct handle *handles;    /* open */

/* ---- files ---------------------------------------------------------------------------------- */

static struct handle *take(sqlite3_file *file)
{
    crashgate_enter();
    return (struct handle *)file;
}

static bool is_dead(const struct handle *h)
{
    return !crashgate_is_alive(h->boot);
}

static int file_close(sqlite3_file *file)
{
    struct handle *h = take(file);
    struct handle **at = &handles;

    while (*at != h)
        at = &(*at)->next;
    *at = h->next;
    crashlock_shm_unmap(&h->node->locks, &h->holder);
    crashlock_unlock(&h->node->locks, &h->holder, SQLITE_LOCK_NONE);
    if (h->delete_on_close && h->name && !is_dead(h) && crashdisk_find(disk, h->name) == h->node)
        crashdisk_unlink(disk, h->name);
    crashnode_unref(h->node);
    free(h->name);
    h->base.pMethods = NULL;
    return crashgate_leave(SQLITE_OK);
}

static int file_read(sqlite3_file *file, void *out, int n, sqlite3_int64 at)
{
    struct handle *h = take(file);
    size_t have = (size_t)at < h->node->now.n ? h->node->now.n - (size_t)at : 0;
    enum crash_fail fail = CRASH_FAIL_NONE;

    if (is_dead(h) || !crashgate_pass(CRASH_DEED_READ, &fail) || fail)
        return crashgate_leave(SQLITE_IOERR_READ);
    if (have > (size_t)n)
        have = (size_t)n;
    if (have > 0)
        memcpy(out, h->node->now.p + at, have);
    memset((char *)out + have, 0, (size_t)n - have);
    return crashgate_leave(have == (size_t)n ? SQLITE_OK : SQLITE_IOERR_SHORT_READ);
}

static int file_write(sqlite3_file *file, const void *p, int n, sqlite3_int64 at)
{
    struct handle *h = take(file);
    enum crash_fail fail;

    if (is_dead(h) || !crashgate_pass(CRASH_DEED_WRITE, &fail))
        return crashgate_leave(SQLITE_IOERR_WRITE);
    if (fail == CRASH_FAIL_SHORT)
        crashnode_write(h->node, p, (size_t)n / 2, (size_t)at);
    if (fail == CRASH_FAIL_FULL || fail == CRASH_FAIL_SHORT)
        return crashgate_leave(SQLITE_FULL);
    if (fail)
        return crashgate_leave(SQLITE_IOERR_WRITE);
    crashnode_write(h->node, p, (size_t)n, (size_t)at);
    return crashgate_leave(SQLITE_OK);
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 n)
{
    struct handle *h = take(file);
    enum crash_fail fail;

    if (is_dead(h) || !crashgate_pass(CRASH_DEED_TRUNCATE, &fail) || fail)
        return crashgate_leave(SQLITE_IOERR_TRUNCATE);
    crashnode_truncate(h->node, (size_t)n);
    return crashgate_leave(SQLITE_OK);
}

static int file_size(sqlite3_file *file, sqlite3_int64 *n)
{
    struct handle *h = take(file);

    if (is_dead(h))
        return crashgate_leave(SQLITE_IOERR_FSTAT);
    *n = (sqlite3_int64)h->node->now.n;
    return crashgate_leave(SQLITE_OK);
}

/* ---- syncs ---------------------------------------------------------------------------------- */

static bool is_log_of(const char *log, const char *db)
{
    size_t n = strlen(db);

    return strncmp(log, db, n) == 0 && strcmp(log + n, "-wal") == 0;
}

/* A connection holds the checkpointer's slot (1, see SQLite's wal.c) while it checkpoints; at the
 * last close it has the whole database instead. */
static bool is_checkpointing(const struct handle *db)
{
    if (db->holder.exclusive & 1u << 1)
        return true;
    for (const struct handle *h = handles; h && db->holder.level == SQLITE_LOCK_EXCLUSIVE;
         h = h->next)
        if (h->type == SQLITE_OPEN_WAL && is_log_of(h->name, db->name))
            return true;
    return false;
}

/* A truncation before it is part of starting over. */
static bool only_head_changed(const struct crash_node *f)
{
    for (size_t i = 0; i < f->n_changes; i++)
        if (f->changes[i].bytes && f->changes[i].at + f->changes[i].n > LOG_HEAD_BYTES)
            return false;
    return f->n_changes > 0 && f->changes[f->n_changes - 1].bytes;
}

static enum crash_sync class_of(const struct handle *h)
{
    unsigned own = h->node->own_syncs;

    if (h->type == SQLITE_OPEN_WAL) {
        for (const struct handle *p = handles; p; p = p->next)
            if (p->type == SQLITE_OPEN_MAIN_DB && is_log_of(h->name, p->name) &&
                is_checkpointing(p))
                return CRASH_SYNC_CKPT_LOG;
        return only_head_changed(h->node) ? CRASH_SYNC_LOG_HEAD : CRASH_SYNC_BARRIER;
    }
    if (h->type != SQLITE_OPEN_MAIN_DB)
        return CRASH_SYNC_JOURNAL;
    if (is_checkpointing(h))
        return CRASH_SYNC_CKPT_DB;
    return own < 3 ? (enum crash_sync)(CRASH_SYNC_DB_1 + own) : CRASH_SYNC_DB_MORE;
}

/* The folder that name is in, as one operation. */
static int sync_folder(const char *name, enum crash_sync which)
{
    enum crash_fail fail;

    if (!crashgate_pass(CRASH_DEED_SYNC, &fail) || fail)
        return SQLITE_IOERR_DIR_FSYNC;
    if (crashgate_sync(which))
        crashdisk_sync_folder(disk, name);
    return SQLITE_OK;
}

static int file_sync(sqlite3_file *file, int flags)
{
    struct handle *h = take(file);
    enum crash_sync which;
    enum crash_fail fail;

    (void)flags;
    if (is_dead(h) || !crashgate_pass(CRASH_DEED_SYNC, &fail))
        return crashgate_leave(SQLITE_IOERR_FSYNC);
    if (!h->name)
        return crashgate_leave(SQLITE_OK);
    which = class_of(h);
    if (which >= CRASH_SYNC_DB_1 && which <= CRASH_SYNC_DB_MORE)
        h->node->own_syncs++;
    if (fail == CRASH_FAIL_LOSE)
        crashnode_lose(h->node);
    if (fail)
        return crashgate_leave(SQLITE_IOERR_FSYNC);
    if (crashgate_sync(which))
        crashnode_sync(h->node);
    if (!h->sync_folder)
        return crashgate_leave(SQLITE_OK);
    h->sync_folder = false;
    return crashgate_leave(sync_folder(
        h->name, h->type == SQLITE_OPEN_WAL ? CRASH_SYNC_LOG_NAME : CRASH_SYNC_JOURNAL_NAME));
}

/* ---- locks and shared memory ---------------------------------------------------------------- */

static int file_lock(sqlite3_file *file, int level)
{
    struct handle *h = take(file);

    if (is_dead(h))
        return crashgate_leave(SQLITE_IOERR_LOCK);
    return crashgate_leave(crashlock_lock(&h->node->locks, &h->holder, level));
}

/* Letting go works on a dead machine too. */
static int file_unlock(sqlite3_file *file, int level)
{
    struct handle *h = take(file);

    crashlock_unlock(&h->node->locks, &h->holder, level);
    return crashgate_leave(SQLITE_OK);
}

static int file_check_reserved(sqlite3_file *file, int *yes)
{
    struct handle *h = take(file);

    if (is_dead(h))
        return crashgate_leave(SQLITE_IOERR_CHECKRESERVEDLOCK);
    *yes = crashlock_is_reserved(&h->node->locks);
    return crashgate_leave(SQLITE_OK);
}

static int shm_map(sqlite3_file *file, int region, int bytes, int extend, void volatile **p)
{
    struct handle *h = take(file);

    if (is_dead(h))
        return crashgate_leave(SQLITE_IOERR_SHMMAP);
    return crashgate_leave(
        crashlock_shm_map(&h->node->locks, &h->holder, region, bytes, extend != 0, p));
}

static int shm_lock(sqlite3_file *file, int first, int n, int flags)
{
    struct handle *h = take(file);

    if (is_dead(h) && !(flags & SQLITE_SHM_UNLOCK))
        return crashgate_leave(SQLITE_IOERR_SHMLOCK);
    return crashgate_leave(crashlock_shm_lock(&h->node->locks, &h->holder, first, n, flags));
}

static void shm_barrier(sqlite3_file *file)
{
    (void)take(file);
    crashgate_leave(SQLITE_OK);
}

static int shm_unmap(sqlite3_file *file, int delete)
{
    struct handle *h = take(file);

    (void)delete; /* there is no -shm file */
    crashlock_shm_unmap(&h->node->locks, &h->holder);
    return crashgate_leave(SQLITE_OK);
}

/* ---- what unix VFS files are ---------------------------------------------------------------- */

static int file_control(sqlite3_file *file, int op, void *arg)
{
    struct handle *h = take(file);

    switch (op) {
    case SQLITE_FCNTL_HAS_MOVED:
        *(int *)arg =
            !h->name || h->boot != crashgate_boot() || crashdisk_find(disk, h->name) != h->node;
        return crashgate_leave(SQLITE_OK);
    case SQLITE_FCNTL_LOCKSTATE:
        *(int *)arg = h->holder.level;
        return crashgate_leave(SQLITE_OK);
    case SQLITE_FCNTL_LAST_ERRNO:
        *(int *)arg = crashgate_errno();
        return crashgate_leave(SQLITE_OK);
    case SQLITE_FCNTL_VFSNAME:
        *(char **)arg = sqlite3_mprintf("%s", vfs.zName);
        return crashgate_leave(SQLITE_OK);
    default:
        return crashgate_leave(SQLITE_NOTFOUND);
    }
}

/* As the unix VFS says, so that SQLite does here what it does there. */
static int file_sector_bytes(sqlite3_file *file)
{
    (void)file;
    return 4096;
}

static int file_characteristics(sqlite3_file *file)
{
    (void)file;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

/* ---- the VFS -------------------------------------------------------------------------------- */

static const sqlite3_io_methods methods = {
    .iVersion = 2, /* no memory mapping */
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector_bytes,
    .xDeviceCharacteristics = file_characteristics,
    .xShmMap = shm_map,
    .xShmLock = shm_lock,
    .xShmBarrier = shm_barrier,
    .xShmUnmap = shm_unmap,
};

/* A reference to the node, or NULL with *rc set. */
static struct crash_node *open_node(const char *name, int flags, int *rc)
{
    struct crash_node *found = name ? crashdisk_find(disk, name) : NULL;
    enum crash_fail fail;

    *rc = SQLITE_CANTOPEN;
    if (!name)
        return crashnode_new();
    if (found && !((flags & SQLITE_OPEN_CREATE) && (flags & SQLITE_OPEN_EXCLUSIVE)))
        return crashnode_ref(found);
    crashgate_set_errno(found ? EEXIST : ENOENT);
    if (found || !(flags & SQLITE_OPEN_CREATE))
        return NULL;
    if (!crashgate_pass(CRASH_DEED_CREATE, &fail)) {
        *rc = SQLITE_IOERR;
        return NULL;
    }
    return fail ? NULL : crashnode_ref(crashdisk_create(disk, name));
}

static int vfs_open(sqlite3_vfs *v, const char *name, sqlite3_file *file, int flags, int *out)
{
    const int types = SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL |
                      SQLITE_OPEN_SUPER_JOURNAL;
    struct handle *h = take(file);
    int rc = SQLITE_IOERR;

    (void)v;
    memset(h, 0, sizeof(*h));
    if (crashgate_is_stopped())
        return crashgate_leave(rc);
    h->node = open_node(name, flags, &rc);
    if (!h->node)
        return crashgate_leave(rc);
    if (name && !(h->name = strdup(name))) {
        crashnode_unref(h->node);
        return crashgate_leave(SQLITE_NOMEM);
    }
    h->boot = crashgate_boot();
    h->type = flags & types;
    h->sync_folder = (flags & SQLITE_OPEN_CREATE) && h->type && h->type != SQLITE_OPEN_MAIN_DB;
    h->delete_on_close = flags & SQLITE_OPEN_DELETEONCLOSE;
    h->base.pMethods = &methods;
    h->next = handles;
    handles = h;
    if (out)
        *out = flags;
    return crashgate_leave(SQLITE_OK);
}

static enum crash_sync class_of_deletion(const char *name)
{
    const char *dash = strrchr(name, '-');

    if (dash && strcmp(dash, "-wal") == 0)
        return CRASH_SYNC_DELETE_LOG;
    return dash && strcmp(dash, "-journal") == 0 ? CRASH_SYNC_DELETE_JOURNAL : CRASH_SYNC_DELETE_DB;
}

static int vfs_delete(sqlite3_vfs *v, const char *name, int and_sync)
{
    enum crash_fail fail;

    (void)v;
    crashgate_enter();
    if (crashgate_is_stopped())
        return crashgate_leave(SQLITE_IOERR_DELETE);
    if (!crashdisk_find(disk, name))
        return crashgate_leave(SQLITE_IOERR_DELETE_NOENT);
    if (!crashgate_pass(CRASH_DEED_DELETE, &fail) || fail)
        return crashgate_leave(SQLITE_IOERR_DELETE);
    crashdisk_unlink(disk, name);
    return crashgate_leave(and_sync ? sync_folder(name, class_of_deletion(name)) : SQLITE_OK);
}

static int vfs_access(sqlite3_vfs *v, const char *name, int flags, int *yes)
{
    const struct crash_node *f;

    (void)v;
    crashgate_enter();
    if (crashgate_is_stopped())
        return crashgate_leave(SQLITE_IOERR_ACCESS);
    f = crashdisk_find(disk, name);
    /* An empty file does not exist for this question: the unix VFS says so of journals. */
    *yes = f && (flags != SQLITE_ACCESS_EXISTS || f->now.n > 0);
    return crashgate_leave(SQLITE_OK);
}

static int vfs_full_path(sqlite3_vfs *v, const char *name, int room, char *out)
{
    (void)v;
    if (snprintf(out, (size_t)room, "%s%s", name[0] == '/' ? "" : "/", name) >= room)
        return SQLITE_CANTOPEN;
    return SQLITE_OK;
}

static int vfs_last_error(sqlite3_vfs *v, int room, char *out)
{
    int e;

    (void)v;
    (void)room;
    (void)out;
    crashgate_enter();
    e = crashgate_errno();
    return crashgate_leave(e);
}

/* ---- what tests call ------------------------------------------------------------------------ */

int crashvfs_register(const char *name)
{
    sqlite3_vfs *base;

    if (vfs.zName)
        return SQLITE_OK;
    base = sqlite3_vfs_find(NULL);
    if (!base)
        return SQLITE_ERROR;
    vfs = *base; /* clock, randomness, sleep */
    snprintf(vfs_name, sizeof(vfs_name), "%s", name);
    vfs.iVersion = 2;
    vfs.szOsFile = sizeof(struct handle);
    vfs.mxPathname = PATH_BYTES;
    vfs.zName = vfs_name;
    vfs.pNext = NULL;
    vfs.pAppData = NULL;
    vfs.xOpen = vfs_open;
    vfs.xDelete = vfs_delete;
    vfs.xAccess = vfs_access;
    vfs.xFullPathname = vfs_full_path;
    vfs.xGetLastError = vfs_last_error;
    crashvfs_reset(1);
    return sqlite3_vfs_register(&vfs, 0);
}

/* Everything that is open belongs to a machine that is no more. */
static void start_machine(struct crash_disk *with)
{
    crashdisk_free(disk);
    disk = with;
    crashgate_restart();
}

void crashvfs_reset(uint64_t seed)
{
    crashgate_enter();
    crashdisk_free(before);
    before = NULL;
    start_machine(crashdisk_new());
    crashgate_forget_syncs();
    sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, (int)(seed | 1) & 0x7fffffff, NULL);
    crashgate_leave(SQLITE_OK);
}

void crashvfs_power_cut(enum crash_cut how, uint64_t seed)
{
    crashgate_enter();
    if (!before) {
        before = disk;
        disk = NULL;
    }
    start_machine(crashdisk_cut(before, how, seed));
    crashgate_leave(SQLITE_OK);
}

void crashvfs_accept(void)
{
    crashgate_enter();
    crashdisk_free(before);
    before = NULL;
    crashgate_leave(0);
}

const struct crash_bytes *crashvfs_file(const char *name)
{
    const struct crash_node *f;

    crashgate_enter();
    f = crashdisk_find(disk, name);
    crashgate_leave(0);
    return f ? &f->now : NULL;
}
