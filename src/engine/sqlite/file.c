/* Files below SQLite: what a file is before SQLite may touch it, creating, removing.
 *
 * Everything goes through the VFS: a test VFS sees it, and closing a descriptor of our own would
 * drop the locks this process holds on the same file.
 *
 * Creation: a marker fills the first sector and is synced with its folder entry; then everything
 * but the first sector, synced; then the first sector, synced. A file that is empty or begins with
 * the marker is a creation that was cut off, and counts as absent. */
#include <errno.h>
#include <stdio.h>

#include "base/mem.h"
#include "engine/sqlite/internal.h"

static const char marker[] = "divan: the creation of this database was not finished\n";

int dv_sqfile_vfs(const char *name, sqlite3_vfs **vfs, struct dv_err *err)
{
    sqlite3_vfs *found;
    int rc;

    dv_sqmemory_init();
    rc = sqlite3_initialize();
    if (rc)
        return dv_sq_error(NULL, "sqlite", rc, err);
    found = sqlite3_vfs_find(name);
    if (!found)
        return dv_err_set(err, DV_EINVAL, "no VFS named %s", name ? name : "(default)");
    *vfs = found;
    return 0;
}

/* ---- looking ---- */

static uint32_t get_be32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void other(struct dv_sqfile *out, int code, const char *reason)
{
    out->kind = DV_SQFILE_OTHER;
    out->code = code;
    snprintf(out->reason, sizeof(out->reason), "%s", reason);
}

/* Page count against file size. With a log beside it the file may rightly be behind. */
static void judge_size(const unsigned char *h, sqlite3_int64 size, bool wal, struct dv_sqfile *out)
{
    uint32_t page = (uint32_t)h[16] << 8 | h[17];
    uint32_t pages = get_be32(h + 28);

    if (page == 1)
        page = 65536;
    if (page < 512 || (page & (page - 1)) != 0)
        other(out, DV_EFORMAT, "not a divan database file (page size)");
    else if (!wal && (get_be32(h + 24) != get_be32(h + 92) || pages == 0))
        other(out, DV_EFORMAT, "damaged header");
    else if (!wal && (uint64_t)size < (uint64_t)pages * page)
        other(out, DV_EFORMAT, "the file is truncated");
    else
        out->kind = DV_SQFILE_OURS;
}

static void judge(const unsigned char *h, sqlite3_int64 size, bool wal, struct dv_sqfile *out)
{
    memset(out, 0, sizeof(*out));
    if (size == 0 ||
        (size >= (sqlite3_int64)sizeof(marker) - 1 && memcmp(h, marker, sizeof(marker) - 1) == 0)) {
        out->kind = DV_SQFILE_UNFINISHED;
        return;
    }
    if (size < DV_SQ_HEADER_BYTES || memcmp(h, "SQLite format 3", 16) != 0 ||
        get_be32(h + 68) != DV_SQ_APPLICATION_ID)
        other(out, DV_EFORMAT, "not a divan database file");
    else if (get_be32(h + 60) > DV_SQ_VERSION || h[18] > 2 || h[19] > 2)
        other(out, DV_ENEWER, "written by a newer divan");
    else if (get_be32(h + 60) != DV_SQ_VERSION)
        other(out, DV_EFORMAT, "unknown version of the file format");
    else if (h[18] != 2 ||
             h[19] != 2) /* switched by somebody: the barrier would have no log to sync */
        other(out, DV_EFORMAT, "not in WAL mode any more (PRAGMA journal_mode=WAL brings it back)");
    else
        judge_size(h, size, wal, out);
    out->divan = get_be32(h + 68) == DV_SQ_APPLICATION_ID && out->code != DV_ENEWER;
}

/* A marker that a power cut kept from the disk: the file was made longer, the bytes are zero. */
static bool all_zero(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i])
            return false;
    return true;
}

int dv_sqfile_inspect(sqlite3_file *file, bool wal, struct dv_sqfile *out, struct dv_err *err)
{
    unsigned char h[DV_SQ_SECTOR_BYTES] = { 0 };
    sqlite3_int64 size;
    int rc = file->pMethods->xFileSize(file, &size);

    if (rc == SQLITE_OK && size > 0)
        rc = file->pMethods->xRead(file, h, size < (int)sizeof(h) ? (int)size : (int)sizeof(h), 0);
    if (rc != SQLITE_OK && rc != SQLITE_IOERR_SHORT_READ)
        return dv_sq_error(NULL, "header", rc, err);
    judge(h, size, wal, out);
    if (out->kind == DV_SQFILE_OTHER && size <= DV_SQ_SECTOR_BYTES && all_zero(h, sizeof(h)))
        out->kind = DV_SQFILE_UNFINISHED;
    return 0;
}

static int full_path(sqlite3_vfs *vfs, const char *path, char **full, struct dv_err *err)
{
    int room = vfs->mxPathname + 1;
    char *p = dv_malloc((size_t)room);
    int rc;

    if (!p)
        return dv_err_set(err, DV_ENOMEM, "out of memory");
    rc = vfs->xFullPathname(vfs, path, room, p);
    if (rc & 0xff) {
        dv_free(p);
        return dv_sq_error(NULL, path, rc, err);
    }
    *full = p;
    return 0;
}

static int join(const char *path, const char *suffix, char **out, struct dv_err *err)
{
    size_t n = strlen(path) + strlen(suffix) + 1;

    *out = dv_malloc(n);
    if (!*out)
        return dv_err_set(err, DV_ENOMEM, "out of memory");
    snprintf(*out, n, "%s%s", path, suffix);
    return 0;
}

int dv_sqfile_exists(sqlite3_vfs *vfs, const char *path, const char *suffix, bool *yes,
                     struct dv_err *err)
{
    char *full, *name;
    int found = 0;
    int rc = full_path(vfs, path, &full, err);

    if (rc < 0)
        return rc;
    rc = join(full, suffix, &name, err);
    dv_free(full);
    if (rc < 0)
        return rc;
    rc = vfs->xAccess(vfs, name, SQLITE_ACCESS_EXISTS, &found);
    dv_free(name);
    if (rc)
        return dv_sq_error(NULL, path, rc, err);
    *yes = found != 0;
    return 0;
}

/* sqlite3_open_v2 opens the file but neither reads nor locks before the first statement. */
static int inspect_existing(sqlite3_vfs *vfs, const char *path, const char *vfs_name,
                            struct dv_sqfile *out, struct dv_err *err)
{
    sqlite3_file *file = NULL;
    sqlite3 *db = NULL;
    bool wal;
    int rc = dv_sqfile_exists(vfs, path, "-wal", &wal, err);

    if (rc < 0)
        return rc;
    rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, vfs_name);
    if (rc == SQLITE_OK)
        rc = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    rc = rc ? dv_sq_error(db, path, rc, err) : dv_sqfile_inspect(file, wal, out, err);
    sqlite3_close(db);
    return rc;
}

int dv_sqfile_inspect_path(const char *path, const char *vfs_name, struct dv_sqfile *out,
                           struct dv_err *err)
{
    sqlite3_vfs *vfs;
    bool there;
    int rc = dv_sqfile_vfs(vfs_name, &vfs, err);

    if (rc == 0)
        rc = dv_sqfile_exists(vfs, path, "", &there, err);
    if (rc < 0)
        return rc;
    if (there)
        return inspect_existing(vfs, path, vfs_name, out, err);
    memset(out, 0, sizeof(*out));
    return 0;
}

/* ---- creating ---- */

/* Make the folder's entries durable: deleting a file with the sync flag does, in every VFS. */
static int sync_folder(sqlite3_vfs *vfs, const char *full, struct dv_err *err)
{
    char *name;
    const char *made;
    sqlite3_file *f;
    int rc = join(full, "-journal", &name, err);

    if (rc < 0)
        return rc;
    f = dv_calloc(1, (size_t)vfs->szOsFile);
    made = f ? sqlite3_create_filename(full, name, "", 0, NULL) : NULL;
    if (!made) {
        rc = dv_err_set(err, DV_ENOMEM, "out of memory");
    } else {
        rc =
            vfs->xOpen(vfs, sqlite3_filename_journal(made), f,
                       SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MAIN_JOURNAL, NULL);
        if (f->pMethods)
            f->pMethods->xClose(f);
        if (rc == SQLITE_OK)
            rc = vfs->xDelete(vfs, name, 1);
        if ((rc & 0xff) == SQLITE_CANTOPEN && vfs->xGetLastError(vfs, 0, NULL) == ENOSPC)
            rc = SQLITE_FULL;
        rc = rc ? dv_sq_error(NULL, full, rc, err) : 0;
        sqlite3_free_filename((char *)made);
    }
    dv_free(f);
    dv_free(name);
    return rc;
}

static int write_all(sqlite3_file *f, struct dv_slice image, size_t from)
{
    int rc = SQLITE_OK;

    /* In pages: what a VFS is used to. */
    for (size_t at = from; rc == SQLITE_OK && at < image.n;) {
        size_t end = (at / DV_SQ_PAGE_BYTES + 1) * DV_SQ_PAGE_BYTES;

        if (end > image.n)
            end = image.n;
        rc = f->pMethods->xWrite(f, image.p + at, (int)(end - at), (sqlite3_int64)at);
        at = end;
    }
    return rc;
}

int dv_sqfile_write_image(sqlite3_vfs *vfs, sqlite3_file *f, const char *path,
                          struct dv_slice image, struct dv_err *err)
{
    char first[DV_SQ_SECTOR_BYTES] = { 0 };
    char *full;
    int rc = full_path(vfs, path, &full, err);

    if (rc < 0)
        return rc;
    memcpy(first, marker, sizeof(marker) - 1);
    rc = f->pMethods->xTruncate(f, 0);
    if (rc == SQLITE_OK)
        rc = f->pMethods->xWrite(f, first, sizeof(first), 0);
    if (rc == SQLITE_OK)
        rc = f->pMethods->xSync(f, SQLITE_SYNC_NORMAL);
    rc = rc ? dv_sq_error(NULL, path, rc, err) : sync_folder(vfs, full, err);
    dv_free(full);
    if (rc < 0)
        return rc;
    rc = write_all(f, image, sizeof(first));
    if (rc == SQLITE_OK)
        rc = f->pMethods->xSync(f, SQLITE_SYNC_NORMAL);
    if (rc == SQLITE_OK)
        rc = f->pMethods->xWrite(f, image.p, sizeof(first), 0);
    if (rc == SQLITE_OK)
        rc = f->pMethods->xSync(f, SQLITE_SYNC_NORMAL);
    return rc ? dv_sq_error(NULL, path, rc, err) : 0;
}

/* ---- removing ---- */

static int remove_one(sqlite3_vfs *vfs, const char *full, const char *suffix, struct dv_err *err)
{
    char *name;
    int rc = join(full, suffix, &name, err);

    if (rc < 0)
        return rc;
    rc = vfs->xDelete(vfs, name, 1);
    if (rc == SQLITE_IOERR_DELETE_NOENT)
        rc = SQLITE_OK;
    if (rc)
        rc = errno == EACCES || errno == EROFS || errno == EPERM
                 ? dv_err_errno(err, errno, "delete %s", name)
                 : dv_sq_error(NULL, name, rc, err);
    dv_free(name);
    return rc;
}

static int remove_list(sqlite3_vfs *vfs, const char *path, const char *const *suffixes,
                       struct dv_err *err)
{
    char *full;
    int rc = full_path(vfs, path, &full, err);

    if (rc < 0)
        return rc;
    for (; rc == 0 && *suffixes; suffixes++)
        rc = remove_one(vfs, full, *suffixes, err);
    dv_free(full);
    return rc;
}

int dv_sqfile_remove_sides(sqlite3_vfs *vfs, const char *path, struct dv_err *err)
{
    static const char *const sides[] = { "-wal", "-shm", "-journal", NULL };

    return remove_list(vfs, path, sides, err);
}

int dv_sqfile_remove(sqlite3_vfs *vfs, const char *path, struct dv_err *err)
{
    static const char *const main_file[] = { "", NULL };
    int rc = remove_list(vfs, path, main_file, err);

    return rc < 0 ? rc : dv_sqfile_remove_sides(vfs, path, err);
}
