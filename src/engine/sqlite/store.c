/* Finding, creating, opening, closing and deleting a database file.
 *
 * A file is looked at before SQLite may touch it, so that a foreign, newer or truncated one stays
 * as it is. A deletion first says so inside the database, durably, then unlinks: a holder finds
 * out at its next transaction by the mark, or because the path names another file. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "engine/sqlite/internal.h"

static const struct dv_store_options no_options;

static int refuse(const char *path, const struct dv_sqfile *file, struct dv_err *err)
{
    if (file->kind == DV_SQFILE_OTHER)
        return dv_err_set(err, file->code, "%s: %s", path, file->reason);
    return dv_err_set(err, DV_ENODB, "Database does not exist.");
}

int dv_sqstore_exists(const char *path, bool *exists, struct dv_err *err)
{
    struct dv_sqfile file;
    int rc = dv_sqfile_inspect_path(path, NULL, &file, err);

    if (rc < 0)
        return rc;
    *exists = file.kind == DV_SQFILE_OURS || file.kind == DV_SQFILE_OTHER;
    return 0;
}

int dv_sqstore_check_path(struct dv_store_backend *s, struct dv_err *err)
{
    struct stat st;
    bool same = false;

    if (s->vfs_name) {
        int rc = dv_sqfile_exists(s->vfs, s->path, "", &same, err);

        if (rc < 0)
            return rc;
    } else {
        same = stat(s->path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino;
    }
    if (same && s->immutable) {
        bool wal;
        int rc = dv_sqfile_exists(s->vfs, s->path, "-wal", &wal, err);

        if (rc < 0)
            return rc;
        same = !wal; /* somebody writes it after all: open it again */
    }
    return same ? 0 : dv_err_set(err, DV_EGONE, "%s: was deleted or replaced", s->path);
}

/* ---- opening a file ---- */

static void free_store(struct dv_store_backend *s)
{
    /* The writer last: whoever closes last moves the log into the file. */
    for (size_t i = 0; i < s->n_idle; i++)
        dv_sqconn_close(s->idle[i]);
    dv_sqconn_close(s->watch);
    dv_sqconn_close(s->writer);
    pthread_mutex_destroy(&s->write_lock);
    pthread_cond_destroy(&s->write_turn);
    pthread_mutex_destroy(&s->pool_lock);
    pthread_mutex_destroy(&s->watch_lock);
    dv_sqfilter_drop(&s->filter);
    dv_buf_fini(&s->merge_pos);
    dv_free(s->path);
    dv_free(s->vfs_name);
    dv_free(s);
}

static int new_store(const char *path, const struct dv_store_options *opt,
                     struct dv_store_backend **out, struct dv_err *err)
{
    struct dv_store_backend *s = dv_calloc(1, sizeof(*s));

    if (!s)
        return dv_err_set(err, DV_ENOMEM, "out of memory");
    pthread_mutex_init(&s->write_lock, NULL);
    pthread_cond_init(&s->write_turn, NULL);
    pthread_mutex_init(&s->pool_lock, NULL);
    pthread_mutex_init(&s->watch_lock, NULL);
    dv_buf_init(&s->merge_pos, 1 << 20);
    s->path = dv_strdup(path);
    s->vfs_name = opt->vfs ? dv_strdup(opt->vfs) : NULL;
    s->cache_bytes = opt->cache_bytes;
    s->busy_timeout_ms = opt->busy_timeout_ms;
    s->read_only = opt->read_only;
    if (!s->path || (opt->vfs && !s->vfs_name)) {
        free_store(s);
        return dv_err_set(err, DV_ENOMEM, "out of memory");
    }
    *out = s;
    return 0;
}

static int open_watch(struct dv_store_backend *s, struct dv_err *err)
{
    struct dv_sqconn_options opt = { .vfs = s->vfs_name,
                                     .use = DV_SQCONN_WATCH,
                                     .busy_timeout_ms = s->busy_timeout_ms,
                                     .immutable = s->immutable,
                                     .keep_log = s->keep_log };
    int rc = dv_sqconn_open(s->path, &opt, &s->watch, err);

    if (rc < 0)
        return rc;
    rc = dv_sqschema_verify(s->watch, err);
    if (rc < 0)
        return rc;
    if (sqlite3_db_readonly(s->watch->db, "main") == 1)
        s->read_only = true;
    return 0;
}

/* A file or folder that can not be written: with no log beside it nobody is writing now, so the
 * file is read as it is, without a log of ours. dv_sqstore_check_path notices who comes later. */
static int open_unwritable(struct dv_store_backend *s, struct dv_err *err)
{
    dv_sqconn_close(s->watch);
    s->watch = NULL;
    s->read_only = s->immutable = true;
    return open_watch(s, err);
}

static int open_any(struct dv_store_backend *s, struct dv_err *err)
{
    bool wal;
    int rc = dv_sqfile_exists(s->vfs, s->path, "-wal", &wal, err);

    if (rc < 0)
        return rc;
    if (s->vfs_name || wal)
        return open_watch(s, err);
    if (faccessat(AT_FDCWD, s->path, W_OK, AT_EACCESS) < 0)
        return open_unwritable(s, err);
    rc = open_watch(s, err);
    return rc == DV_EREADONLY || rc == DV_EIO ? open_unwritable(s, err) : rc;
}

static int take_ownership(struct dv_store_backend *s, const char *node, struct dv_err *err)
{
    struct dv_txn_backend *t;
    bool owned;
    int rc = dv_sqtxn_begin(s, false, &t, err);

    if (rc < 0)
        return rc;
    rc = dv_sqstate_owned_by(t, node, &owned, err);
    dv_sqtxn_rollback(t);
    if (rc < 0 || owned || s->read_only)
        return rc;
    rc = dv_sqtxn_begin(s, true, &t, err);
    if (rc < 0)
        return rc;
    rc = dv_sqstate_take_over(t, node, err);
    if (rc < 0) {
        dv_sqtxn_rollback(t);
        return rc;
    }
    return dv_sqtxn_commit(t, DV_COMMIT_LAZY, err);
}

static int inspect_for_open(struct dv_store_backend *s, struct dv_err *err)
{
    struct dv_sqfile file;
    struct stat st;
    int rc;

    rc = dv_sqfile_vfs(s->vfs_name, &s->vfs, err);
    if (rc == 0 && !s->vfs_name)
        rc = dv_sqfile_check_fs(s->path, err);
    if (rc == 0)
        rc = dv_sqfile_inspect_path(s->path, s->vfs_name, &file, err);
    if (rc < 0)
        return rc;
    if (file.kind != DV_SQFILE_OURS)
        return refuse(s->path, &file, err);
    if (!s->vfs_name) {
        if (stat(s->path, &st) < 0)
            return dv_err_errno(err, errno, "%s", s->path);
        s->dev = st.st_dev;
        s->ino = st.st_ino;
    }
    return s->read_only ? dv_sqfile_exists(s->vfs, s->path, "-wal", &s->keep_log, err) : 0;
}

static int open_store(const char *path, const struct dv_store_options *opt,
                      struct dv_store_backend **out, struct dv_err *err)
{
    struct dv_store_backend *s = NULL;
    int rc = new_store(path, opt, &s, err);

    if (rc < 0)
        return rc;
    rc = inspect_for_open(s, err);
    if (rc == 0)
        rc = open_any(s, err);
    if (rc < 0) {
        free_store(s);
        return rc;
    }
    *out = s;
    return 0;
}

/* ---- delete ---- */

/* The database says that it is gone. With the mark in the main file the log can go first, and the
 * name is free only when nothing else is left to delete; while a reader keeps the log, the main
 * file goes first, since it must not outlive a log that has the mark. */
static int unlink_files(struct dv_store_backend *s, struct dv_err *err)
{
    bool emptied;
    int rc = dv_sqtxn_open_writer(s, err);

    if (rc < 0)
        return rc;
    emptied = sqlite3_wal_checkpoint_v2(s->writer->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL,
                                        NULL) == SQLITE_OK;
    sqlite3_db_config(s->watch->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_db_config(s->writer->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    /* Against another process that deletes it too: the name may soon be another database's. */
    rc = dv_sqconn_run(s->writer, DV_SQL_BEGIN_WRITE, err);
    if (rc < 0)
        return rc;
    if (dv_sqstore_check_path(s, NULL) == 0) {
        if (emptied)
            rc = dv_sqfile_remove_sides(s->vfs, s->path, err);
        if (rc == 0)
            rc = dv_sqfile_remove(s->vfs, s->path, err);
    }
    dv_sqconn_run(s->writer, DV_SQL_ROLLBACK, NULL);
    return rc;
}

static int mark_gone(struct dv_store_backend *s, struct dv_err *err)
{
    struct dv_txn_backend *t;
    int rc = dv_sqtxn_begin(s, true, &t, err);

    if (rc < 0)
        return rc == DV_EGONE ? 0 : rc;
    t->state.gone = 1;
    t->dirty = true;
    return dv_sqtxn_commit(t, DV_COMMIT_DURABLE, err);
}

static int remove_ours(const char *path, const struct dv_store_options *opt, struct dv_err *err)
{
    struct dv_store_options plain = { .vfs = opt->vfs, .busy_timeout_ms = opt->busy_timeout_ms };
    struct dv_store_backend *s;
    int rc = open_store(path, &plain, &s, err);

    if (rc < 0)
        return rc;
    rc = mark_gone(s, err);
    if (rc == 0)
        rc = unlink_files(s, err);
    free_store(s);
    return rc;
}

int dv_sqstore_remove(const char *path, const struct dv_store_options *opt, struct dv_err *err)
{
    struct dv_sqfile file;
    sqlite3_vfs *vfs;
    int rc;

    if (!opt)
        opt = &no_options;
    rc = dv_sqfile_vfs(opt->vfs, &vfs, err);
    if (rc == 0)
        rc = dv_sqfile_inspect_path(path, opt->vfs, &file, err);
    if (rc < 0)
        return rc;
    if (file.kind == DV_SQFILE_OTHER && !file.divan)
        return refuse(path, &file, err);
    if (file.kind == DV_SQFILE_OURS) {
        rc = remove_ours(path, opt, err);
        /* A damaged database can not be told that it is gone. */
        if (rc != DV_ECORRUPT && rc != DV_EFORMAT)
            return rc;
    }
    rc = dv_sqfile_remove(vfs, path, err);
    if (rc == 0 && (file.kind == DV_SQFILE_ABSENT || file.kind == DV_SQFILE_UNFINISHED))
        return refuse(path, &file, err);
    return rc;
}

/* ---- open ---- */

int dv_sqstore_open(const char *path, const struct dv_store_options *opt,
                    struct dv_store_backend **out, struct dv_err *err)
{
    struct dv_store_backend *s;
    int rc;

    if (!opt)
        opt = &no_options;
    rc = open_store(path, opt, &s, err);
    if (rc < 0)
        return rc;
    rc = take_ownership(s, opt->node, err);
    if (rc == DV_EGONE && !s->read_only && unlink_files(s, NULL) == 0)
        rc = dv_err_set(err, DV_ENODB, "Database does not exist."); /* a deletion was cut off */
    if (rc < 0) {
        free_store(s);
        return rc;
    }
    *out = s;
    return 0;
}

void dv_sqstore_close(struct dv_store_backend *s)
{
    if (!s)
        return;
    dv_sqowner_leave(s);
    free_store(s);
}

/* ---- create ---- */

/* With the file locked: only now is it certain that nobody else is creating it. */
static int create_locked(sqlite3_vfs *vfs, sqlite3_file *f, const char *path,
                         const struct dv_store_options *opt, struct dv_err *err)
{
    struct dv_sqfile file;
    unsigned char *image;
    size_t n;
    bool wal;
    int rc = dv_sqfile_exists(vfs, path, "-wal", &wal, err);

    if (rc == 0)
        rc = dv_sqfile_inspect(f, wal, &file, err);
    if (rc < 0)
        return rc;
    if (file.kind != DV_SQFILE_UNFINISHED)
        return dv_err_set(err, DV_EEXISTS,
                          "The database could not be created, the file already exists.");
    rc = dv_sqschema_image(opt, &image, &n, err);
    if (rc < 0)
        return rc;
    /* A log left by a deletion that was cut off would be replayed into the new database. */
    rc = dv_sqfile_remove_sides(vfs, path, err);
    if (rc == 0)
        rc = dv_sqfile_write_image(vfs, f, path, dv_slice(image, n), err);
    if (rc < 0)
        dv_sqfile_remove(vfs, path, NULL);
    sqlite3_free(image);
    return rc;
}

/* SQLite has lost why a file could not be made. */
static int explain(sqlite3 *db, const char *path, const char *vfs, int rc, struct dv_err *err)
{
    char folder[4096];
    char *slash;

    snprintf(folder, sizeof(folder), "%s", path);
    slash = strrchr(folder, '/');
    snprintf(slash ? slash + 1 : folder, 2, "%s", ".");
    if (!vfs && (rc & 0xff) == SQLITE_CANTOPEN &&
        faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) < 0)
        return dv_err_errno(err, errno, "%s: can not be created in its folder", path);
    return dv_sq_error(db, path, rc, err);
}

static int create_file(sqlite3_vfs *vfs, const char *path, const struct dv_store_options *opt,
                       struct dv_err *err)
{
    sqlite3_file *f = NULL;
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(
        path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, opt->vfs);

    if (rc == SQLITE_OK)
        rc = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &f);
    if (rc == SQLITE_OK)
        rc = f->pMethods->xLock(f, SQLITE_LOCK_SHARED);
    if (rc == SQLITE_OK)
        rc = f->pMethods->xLock(f, SQLITE_LOCK_EXCLUSIVE);
    if (rc == SQLITE_OK)
        rc = create_locked(vfs, f, path, opt, err);
    else if (rc == SQLITE_BUSY)
        rc = dv_err_set(err, DV_EEXISTS,
                        "The database could not be created, the file already exists.");
    else
        rc = explain(db, path, opt->vfs, rc, err);
    if (f && f->pMethods)
        f->pMethods->xUnlock(f, SQLITE_LOCK_NONE);
    sqlite3_close(db);
    return rc;
}

/* Opening finishes a deletion that was cut off. */
static bool is_half_deleted(const char *path, const struct dv_store_options *opt)
{
    struct dv_store_options plain = { .vfs = opt->vfs };
    struct dv_store_backend *s;
    int rc = dv_sqstore_open(path, &plain, &s, NULL);

    if (rc == 0)
        dv_sqstore_close(s);
    return rc == DV_ENODB;
}

int dv_sqstore_create(const char *path, const struct dv_store_options *opt,
                      struct dv_store_backend **s, struct dv_err *err)
{
    struct dv_sqfile file;
    sqlite3_vfs *vfs;
    int rc;

    if (!opt)
        opt = &no_options;
    rc = dv_sqfile_vfs(opt->vfs, &vfs, err);
    if (rc == 0 && !opt->vfs)
        rc = dv_sqfile_check_fs(path, err);
    if (rc == 0)
        rc = dv_sqfile_inspect_path(path, opt->vfs, &file, err);
    if (rc < 0)
        return rc;
    if (file.kind == DV_SQFILE_OURS && is_half_deleted(path, opt))
        file.kind = DV_SQFILE_ABSENT;
    if (file.kind == DV_SQFILE_OURS || file.kind == DV_SQFILE_OTHER)
        return dv_err_set(err, DV_EEXISTS,
                          "The database could not be created, the file already exists.");
    rc = create_file(vfs, path, opt, err);
    if (rc < 0)
        return rc;
    rc = dv_sqstore_open(path, opt, s, err);
    if (rc < 0)
        dv_sqfile_remove(vfs, path, NULL);
    return rc;
}
