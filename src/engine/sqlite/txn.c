/* Transactions, the write queue, the reader pool, the barrier and the log's size.
 *
 * A write transaction: wait for our turn in this process, BEGIN IMMEDIATE (the busy handler waits
 * for other processes), read the counters. Commit writes the counters if they moved, then commits;
 * the next writer goes on while a durable commit waits for the disk.
 *
 * The log: SQLite can start it over only when all of it is in the file and no reader still looks
 * into it. Past LOG_SOFT a commit, and the end of a read, moves what it can into the file without
 * waiting. Past LOG_HARD a commit waits for the readers, which are short by contract, once per
 * LOG_STEP: a reader that never ends slows writers down but does not stop them. */
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/sqlite/internal.h"

enum {
    FRAME_BYTES = DV_SQ_PAGE_BYTES + 24,
    LOG_SOFT_BYTES = 16 << 20,
    LOG_SOFT = LOG_SOFT_BYTES / FRAME_BYTES,
    LOG_HARD = (36 << 20) / FRAME_BYTES,
    LOG_STEP = (4 << 20) / FRAME_BYTES,
    LOG_WAIT_MS = 1000,
    LOG_TRY_MS = 20,
    REWRITE_BYTES = 64 << 10,
};

int dv_sqtxn_corrupt(struct dv_txn_backend *t, struct dv_err *err, const char *fmt, ...)
{
    char what[300];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    return dv_err_set(err, DV_ECORRUPT, "%s: damaged: %s", t->store->path, what);
}

int dv_sqtxn_fail(struct dv_txn_backend *t, int code)
{
    if (code < 0 && !t->failed)
        t->failed = code;
    return code;
}

/* ---- readers ---- */

static int open_conn(struct dv_store_backend *s, enum dv_sqconn_use use, struct dv_sqconn **c,
                     struct dv_err *err)
{
    struct dv_sqconn_options opt = { .vfs = s->vfs_name,
                                     .use = use,
                                     .cache_bytes = use == DV_SQCONN_WRITE ? s->cache_bytes : 0,
                                     .busy_timeout_ms = s->busy_timeout_ms,
                                     .immutable = s->immutable,
                                     .keep_log = s->keep_log };

    return dv_sqconn_open(s->path, &opt, c, err);
}

static int take_reader(struct dv_store_backend *s, struct dv_sqconn **c, struct dv_err *err)
{
    *c = NULL;
    pthread_mutex_lock(&s->pool_lock);
    if (s->n_idle)
        *c = s->idle[--s->n_idle];
    pthread_mutex_unlock(&s->pool_lock);
    return *c ? 0 : open_conn(s, DV_SQCONN_READ, c, err);
}

static void give_reader(struct dv_store_backend *s, struct dv_sqconn *c)
{
    pthread_mutex_lock(&s->pool_lock);
    if (s->n_idle < DV_SQ_READERS_MAX) {
        s->idle[s->n_idle++] = c;
        c = NULL;
    }
    pthread_mutex_unlock(&s->pool_lock);
    dv_sqconn_close(c);
}

/* ---- the write queue ---- */

static void wait_turn(struct dv_store_backend *s)
{
    uint64_t ticket;

    pthread_mutex_lock(&s->write_lock);
    ticket = s->next_ticket++;
    while (s->serving != ticket)
        pthread_cond_wait(&s->write_turn, &s->write_lock);
    pthread_mutex_unlock(&s->write_lock);
}

static void end_turn(struct dv_store_backend *s)
{
    pthread_mutex_lock(&s->write_lock);
    s->serving++;
    pthread_cond_broadcast(&s->write_turn);
    pthread_mutex_unlock(&s->write_lock);
}

/* ---- begin ------------------------------------------------------------------------------------
 */

static int load(struct dv_txn_backend *t, struct dv_err *err)
{
    int rc = dv_sqstate_load(t, err);

    if (rc == 0 && t->state.gone)
        rc = dv_err_set(err, DV_EGONE, "%s: was deleted", t->store->path);
    return rc;
}

int dv_sqtxn_open_writer(struct dv_store_backend *s, struct dv_err *err)
{
    return s->writer ? 0 : open_conn(s, DV_SQCONN_WRITE, &s->writer, err);
}

static int begin_write(struct dv_store_backend *s, struct dv_txn_backend **out, struct dv_err *err)
{
    struct dv_txn_backend *t = &s->write_txn;
    int rc;

    if (s->read_only)
        return dv_err_set(err, DV_EREADONLY, "%s: can not be written", s->path);
    wait_turn(s);
    rc = dv_sqstore_check_path(s, err);
    if (rc == 0)
        rc = dv_sqtxn_open_writer(s, err);
    if (rc < 0)
        goto fail;
    memset(t, 0, sizeof(*t));
    t->store = s;
    t->conn = s->writer;
    t->write = true;
    t->owner = s->owner;
    rc = dv_sqconn_begin(t->conn, DV_SQL_BEGIN_WRITE, err);
    if (rc < 0)
        goto fail;
    rc = load(t, err);
    if (rc < 0) {
        dv_sqconn_rollback(t->conn);
        goto fail;
    }
    t->begin_seq = t->state.update_seq;
    dv_sqfilter_begin(t);
    *out = t;
    return 0;
fail:
    end_turn(s);
    return rc;
}

static int begin_read(struct dv_store_backend *s, struct dv_txn_backend **out, struct dv_err *err)
{
    struct dv_txn_backend *t;
    int rc = dv_sqstore_check_path(s, err);

    if (rc < 0)
        return rc;
    t = dv_calloc(1, sizeof(*t));
    if (!t)
        return dv_err_set(err, DV_ENOMEM, "out of memory");
    t->store = s;
    rc = take_reader(s, &t->conn, err);
    if (rc == 0)
        rc = dv_sqconn_begin(t->conn, DV_SQL_BEGIN, err);
    if (rc == 0)
        rc = load(t, err);
    if (rc < 0) {
        dv_sqconn_close(t->conn);
        dv_free(t);
        return rc;
    }
    *out = t;
    return 0;
}

int dv_sqtxn_begin(struct dv_store_backend *s, bool write, struct dv_txn_backend **t,
                   struct dv_err *err)
{
    return write ? begin_write(s, t, err) : begin_read(s, t, err);
}

/* ---- the log -----------------------------------------------------------------------------------
 */

/* Waits in short attempts: one attempt waits for the slot that one old reader had, while new
 * readers may take that very slot without need; the next attempt sees that they are new. And SQLite
 * does not wait for another connection's checkpoint at all. */
static int checkpoint(struct dv_sqconn *c, int mode, int wait_ms)
{
    const struct timespec nap = { 0, 2 * 1000 * 1000L };
    int64_t end_ms = dv_clock_monotonic_ms() + wait_ms;
    int usual = c->busy_timeout_ms;
    int rc;

    c->busy_timeout_ms = wait_ms < LOG_TRY_MS ? wait_ms : LOG_TRY_MS;
    for (;;) {
        rc = sqlite3_wal_checkpoint_v2(c->db, NULL, mode, NULL, NULL);
        if (rc != SQLITE_BUSY || dv_clock_monotonic_ms() >= end_ms)
            break;
        nanosleep(&nap, NULL);
    }
    c->busy_timeout_ms = usual;
    return rc;
}

/* The commit stands whatever happens here: trouble is only told. */
static void bound_log(struct dv_store_backend *s)
{
    struct dv_sqconn *c = s->writer;
    int rc;

    if (c->wal_frames < LOG_SOFT)
        return;
    if (c->wal_frames < s->log_waits_at)
        s->log_waits_at = 0; /* it was started over */
    if (c->wal_frames < LOG_HARD || c->wal_frames < s->log_waits_at + LOG_STEP) {
        rc = checkpoint(c, SQLITE_CHECKPOINT_PASSIVE, 0);
    } else {
        rc = checkpoint(c, SQLITE_CHECKPOINT_RESTART, LOG_WAIT_MS);
        if (rc == SQLITE_BUSY)
            s->log_waits_at = c->wal_frames;
    }
    if (rc == SQLITE_IOERR_FSYNC)
        atomic_store(&s->log_torn, true);
    if (rc != SQLITE_OK && rc != SQLITE_BUSY)
        dv_log(DV_LOG_WARN, "%s: moving the log into the file: %s", s->path, sqlite3_errstr(rc));
}

/* This reader may be what kept the log from being moved, or what a writer waits for right now. The
 * log's size is what it once was: after it was started over SQLite cuts it to LOG_SOFT_BYTES
 * (journal_size_limit). */
static void bound_log_after_read(struct dv_store_backend *s, struct dv_sqconn *c)
{
    sqlite3_file *log = NULL;
    sqlite3_int64 bytes = 0;

    if (s->read_only)
        return;
    if (sqlite3_file_control(c->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) == SQLITE_OK &&
        log && log->pMethods && log->pMethods->xFileSize(log, &bytes) == SQLITE_OK &&
        bytes > LOG_SOFT_BYTES + LOG_SOFT_BYTES / 2)
        checkpoint(c, SQLITE_CHECKPOINT_PASSIVE, LOG_TRY_MS);
}

int dv_sqtxn_empty_log(struct dv_store_backend *s, struct dv_err *err)
{
    int rc;

    if (s->read_only)
        return 0;
    wait_turn(s);
    rc = dv_sqtxn_open_writer(s, err);
    if (rc == 0) {
        int got = checkpoint(s->writer, SQLITE_CHECKPOINT_TRUNCATE, LOG_WAIT_MS);

        if (got != SQLITE_OK && got != SQLITE_BUSY)
            rc = dv_sqconn_error(s->writer, got, err);
    }
    end_turn(s);
    return rc;
}

int dv_sqtxn_barrier(struct dv_sqconn *c, struct dv_err *err)
{
    sqlite3_file *log = NULL;
    int rc = sqlite3_file_control(c->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);

    if (rc == SQLITE_OK && log && log->pMethods)
        rc = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL);
    return rc ? dv_sqconn_error(c, rc, err) : 0;
}

/* Write what the log holds over itself: what the disk did not take has to be written again. */
static int rewrite_log(sqlite3_file *log)
{
    char *piece = dv_malloc(REWRITE_BYTES);
    sqlite3_int64 size = 0;
    int rc = piece ? log->pMethods->xFileSize(log, &size) : SQLITE_NOMEM;

    for (sqlite3_int64 at = 0; rc == SQLITE_OK && at < size; at += REWRITE_BYTES) {
        int n = size - at < REWRITE_BYTES ? (int)(size - at) : REWRITE_BYTES;

        rc = log->pMethods->xRead(log, piece, n, at);
        if (rc == SQLITE_OK)
            rc = log->pMethods->xWrite(log, piece, n, at);
    }
    dv_free(piece);
    return rc;
}

/* After a failed sync of the log, until this has worked no barrier does. With the write lock:
 * nobody may start the log over meanwhile. */
static int renew_log(struct dv_store_backend *s, struct dv_err *err)
{
    sqlite3_file *log = NULL;
    int rc;

    wait_turn(s);
    rc = dv_sqtxn_open_writer(s, err);
    if (rc == 0)
        rc = dv_sqconn_begin(s->writer, DV_SQL_BEGIN_WRITE, err);
    if (rc == 0) {
        rc = sqlite3_file_control(s->watch->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
        if (rc == SQLITE_OK && log && log->pMethods)
            rc = rewrite_log(log);
        if (rc != SQLITE_OK)
            rc = dv_sqconn_error(s->watch, rc, err);
        dv_sqconn_rollback(s->writer);
    }
    end_turn(s);
    if (rc == 0)
        rc = dv_sqtxn_barrier(s->watch, err);
    if (rc == 0)
        atomic_store(&s->log_torn, false);
    return rc;
}

/* Sync the log through the watcher: writers go on meanwhile, and one sync serves all who wait.
 * need: this many commits must be on the disk; UINT64_MAX: whatever any process committed. */
static int sync_commits(struct dv_store_backend *s, uint64_t need, struct dv_err *err)
{
    int rc = 0;

    pthread_mutex_lock(&s->watch_lock);
    if (s->synced < need) {
        uint64_t n = atomic_load(&s->commits);

        /* Opens the log, if this connection has not yet. */
        rc = dv_sqconn_run(s->watch, DV_SQL_DATA_VERSION, err);
        if (rc == 0 && atomic_load(&s->log_torn))
            rc = renew_log(s, err);
        else if (rc == 0 && (rc = dv_sqtxn_barrier(s->watch, err)) < 0)
            atomic_store(&s->log_torn, true);
        if (rc == 0)
            s->synced = n;
    }
    pthread_mutex_unlock(&s->watch_lock);
    return rc;
}

/* ---- end ---- */

/* What the filter took in of a transaction that is not stored says nothing about others' seqs; and
 * made from what the transaction saw, it lacks the ids that came back with it. */
static void undo_filter(struct dv_txn_backend *t)
{
    struct dv_sqfilter *f = &t->store->filter;

    if (!t->write)
        return;
    if (f->unproven)
        dv_sqfilter_drop(f);
    else if (f->seq > t->begin_seq)
        f->seq = t->begin_seq;
}

static void finish(struct dv_txn_backend *t)
{
    struct dv_store_backend *s = t->store;

    if (t->write) {
        end_turn(s);
    } else {
        bound_log_after_read(s, t->conn);
        give_reader(s, t->conn);
        dv_free(t);
    }
}

static int commit_write(struct dv_txn_backend *t, struct dv_err *err)
{
    int rc = t->failed;

    if (rc < 0)
        dv_err_set(err, rc, "%s: the transaction failed before", t->store->path);
    if (rc == 0 && t->dirty)
        rc = dv_sqstate_save(t, err);
    if (rc == 0)
        rc = dv_sqconn_commit(t->conn, err);
    if (rc < 0) {
        dv_sqconn_rollback(t->conn);
        undo_filter(t);
        return rc;
    }
    t->store->owner = t->owner;
    t->store->filter.seq = t->state.update_seq;
    t->store->filter.unproven = false;
    bound_log(t->store);
    return 0;
}

int dv_sqtxn_commit(struct dv_txn_backend *t, enum dv_commit how, struct dv_err *err)
{
    struct dv_store_backend *s = t->store;
    uint64_t mine = 0;
    bool write = t->write;
    int rc = 0;

    if (write) {
        rc = commit_write(t, err);
        if (rc == 0)
            mine = atomic_fetch_add(&s->commits, 1) + 1;
    } else {
        dv_sqconn_rollback(t->conn);
    }
    finish(t);
    if (rc == 0 && write && how == DV_COMMIT_DURABLE)
        rc = sync_commits(s, mine, err);
    return rc;
}

void dv_sqtxn_rollback(struct dv_txn_backend *t)
{
    if (!t)
        return;
    dv_sqconn_rollback(t->conn);
    undo_filter(t);
    finish(t);
}

int dv_sqtxn_sync(struct dv_store_backend *s, struct dv_err *err)
{
    return s->read_only ? 0 : sync_commits(s, UINT64_MAX, err);
}

int dv_sqtxn_stamp(struct dv_store_backend *s, uint64_t *stamp, struct dv_err *err)
{
    sqlite3_stmt *st;
    int rc = dv_sqstore_check_path(s, err);

    if (rc < 0)
        return rc;
    pthread_mutex_lock(&s->watch_lock);
    rc = dv_sqconn_stmt(s->watch, DV_SQL_DATA_VERSION, &st, err);
    if (rc == 0)
        rc = dv_sqconn_step(s->watch, st, err);
    if (rc > 0) {
        *stamp = dv_sq_column_u64(st, 0);
        sqlite3_reset(st);
        rc = 0;
    }
    pthread_mutex_unlock(&s->watch_lock);
    return rc;
}
