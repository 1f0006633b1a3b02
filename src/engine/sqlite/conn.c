/* One SQLite connection: its settings, its prepared statements, and SQLite's results as ours.
 *
 * The file may be hostile: no triggers, no views, no functions from the schema, cell sizes checked.
 * The log is moved into the file by txn.c and store.c alone (no automatic checkpoint). */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/sqlite/internal.h"

/* A reader walks ranges: a small cache does. The watcher reads no pages. */
enum { READ_CACHE_BYTES = 2 << 20, WATCH_CACHE_BYTES = 64 << 10, WRITE_CACHE_BYTES = 28 << 20 };

static const char *const sql_texts[DV_SQL_COUNT] = {
#define X(name, sql) [DV_SQL_##name] = (sql),
    DV_SQL(X)
#undef X
};

/* SQLite keeps the errno of most failed calls; of those inside a commit it does not, but whoever
 * steps has cleared errno before. */
static int errno_of(sqlite3 *db)
{
    int sys = db ? sqlite3_system_errno(db) : 0;

    return sys ? sys : errno;
}

static int code_of(int rc, int sys)
{
    switch (rc & 0xff) {
    case SQLITE_NOMEM:
        return DV_ENOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return DV_EBUSY;
    case SQLITE_FULL:
        return DV_EFULL;
    case SQLITE_READONLY:
        return rc == SQLITE_READONLY_DBMOVED ? DV_EGONE : DV_EREADONLY;
    case SQLITE_PERM:
        return DV_EREADONLY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return DV_ECORRUPT;
    case SQLITE_TOOBIG:
        return DV_ETOOBIG;
    case SQLITE_CANTOPEN:
        if (sys == ENOSPC || sys == EDQUOT)
            return DV_EFULL;
        return sys == EACCES || sys == EROFS || sys == EPERM ? DV_EREADONLY : DV_EIO;
    case SQLITE_IOERR:
        if (rc == SQLITE_IOERR_NOMEM)
            return DV_ENOMEM;
        if (rc == SQLITE_IOERR_CORRUPTFS)
            return DV_ECORRUPT;
        return sys == ENOSPC || sys == EDQUOT || sys == EFBIG ? DV_EFULL : DV_EIO;
    default:
        return DV_EIO;
    }
}

int dv_sq_error(sqlite3 *db, const char *path, int rc, struct dv_err *err)
{
    int sys = errno_of(db);
    int code = code_of(rc, sys);

    dv_err_set(err, code, "%s: %s (%s, %d)", path, dv_err_name(code),
               db ? sqlite3_errmsg(db) : sqlite3_errstr(rc), rc);
    if (err && code != DV_ENOMEM && (rc & 0xff) != SQLITE_BUSY)
        err->sys_errno = sys;
    return code;
}

int dv_sqconn_error(struct dv_sqconn *c, int rc, struct dv_err *err)
{
    int extended = sqlite3_extended_errcode(c->db);

    if ((extended & 0xff) == (rc & 0xff))
        rc = extended;
    return dv_sq_error(c->db, c->path, rc, err);
}

/* Another process holds the write lock for one transaction: look often, since SQLite keeps no queue
 * and who sleeps long starves. */
static int wait_for_lock(void *arg, int tries)
{
    struct dv_sqconn *c = arg;
    int64_t now = dv_clock_monotonic_ms();
    struct timespec nap = { 0, tries < 20 ? 500 * 1000L : 2 * 1000 * 1000L };

    if (tries == 0)
        c->busy_since_ms = now;
    if (now - c->busy_since_ms >= c->busy_timeout_ms)
        return 0;
    nanosleep(&nap, NULL);
    return 1;
}

static int count_log_frames(void *arg, sqlite3 *db, const char *schema, int frames)
{
    (void)db;
    (void)schema;
    ((struct dv_sqconn *)arg)->wal_frames = frames;
    return SQLITE_OK;
}

static int set_up(struct dv_sqconn *c, const struct dv_sqconn_options *opt, struct dv_err *err)
{
    static const int off[] = {
        SQLITE_DBCONFIG_ENABLE_TRIGGER, SQLITE_DBCONFIG_ENABLE_VIEW,
        SQLITE_DBCONFIG_TRUSTED_SCHEMA, SQLITE_DBCONFIG_DQS_DML,
        SQLITE_DBCONFIG_DQS_DDL,        SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION
    };
    size_t cache = opt->use == DV_SQCONN_WRITE  ? WRITE_CACHE_BYTES
                   : opt->use == DV_SQCONN_READ ? READ_CACHE_BYTES
                                                : WATCH_CACHE_BYTES;
    char pragmas[400];
    int rc;

    if (opt->cache_bytes)
        cache = opt->cache_bytes;
    for (size_t i = 0; i < sizeof(off) / sizeof(off[0]); i++)
        sqlite3_db_config(c->db, off[i], 0, NULL);
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, opt->keep_log ? 1 : 0, NULL);
    sqlite3_extended_result_codes(c->db, 1);
    sqlite3_busy_handler(c->db, wait_for_lock, c);
    sqlite3_wal_autocheckpoint(c->db, 0);
    sqlite3_wal_hook(c->db, count_log_frames, c);
    /* secure_delete is on in Debian's build: it would write what is deleted once more. */
    snprintf(pragmas, sizeof(pragmas),
             "PRAGMA cell_size_check=1; PRAGMA temp_store=2; PRAGMA secure_delete=0;"
             "PRAGMA synchronous=1; PRAGMA cache_size=-%zu; PRAGMA journal_size_limit=16777216;"
             "PRAGMA query_only=%d; PRAGMA foreign_keys=0; PRAGMA recursive_triggers=0;",
             cache / 1024, opt->use != DV_SQCONN_WRITE);
    rc = sqlite3_exec(c->db, pragmas, NULL, NULL, NULL);
    return rc ? dv_sqconn_error(c, rc, err) : 0;
}

/* file:...?immutable=1 of a path with any bytes. */
static char *immutable_uri(const char *path)
{
    struct dv_buf b;
    size_t n;

    dv_buf_init(&b, 1 << 16);
    dv_buf_add_str(&b, "file:");
    for (const char *p = path; *p; p++) {
        if (strchr("%?#", *p))
            dv_buf_printf(&b, "%%%02x", (unsigned)*p);
        else
            dv_buf_add_char(&b, *p);
    }
    dv_buf_add_str(&b, "?immutable=1");
    if (b.failed || !dv_buf_cstr(&b)) {
        dv_buf_fini(&b);
        return NULL;
    }
    return dv_buf_take(&b, &n);
}

static int open_handle(struct dv_sqconn *c, const struct dv_sqconn_options *opt, struct dv_err *err)
{
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    char *uri = NULL;
    int rc;

    if (opt->immutable) {
        uri = immutable_uri(c->path);
        if (!uri)
            return dv_err_set(err, DV_ENOMEM, "out of memory");
        flags |= SQLITE_OPEN_READONLY | SQLITE_OPEN_URI;
    } else {
        flags |= SQLITE_OPEN_READWRITE;
    }
    rc = sqlite3_open_v2(uri ? uri : c->path, &c->db, flags, opt->vfs);
    dv_free(uri);
    return rc ? dv_sq_error(c->db, c->path, rc, err) : 0;
}

int dv_sqconn_open(const char *path, const struct dv_sqconn_options *opt, struct dv_sqconn **out,
                   struct dv_err *err)
{
    struct dv_sqconn *c = dv_calloc(1, sizeof(*c));
    int rc;

    if (!c)
        return dv_err_set(err, DV_ENOMEM, "out of memory");
    c->path = path;
    c->busy_timeout_ms = opt->busy_timeout_ms > 0 ? opt->busy_timeout_ms : 10000;
    rc = open_handle(c, opt, err);
    if (rc == 0)
        rc = set_up(c, opt, err);
    if (rc < 0) {
        dv_sqconn_close(c);
        return rc;
    }
    *out = c;
    return 0;
}

void dv_sqconn_close(struct dv_sqconn *c)
{
    if (!c)
        return;
    for (int i = 0; i < DV_SQL_COUNT; i++)
        sqlite3_finalize(c->stmts[i]);
    sqlite3_close(c->db);
    dv_free(c);
}

int dv_sqconn_take(struct dv_sqconn *c, enum dv_sql which, sqlite3_stmt **st, struct dv_err *err)
{
    int rc;

    if (c->stmts[which]) {
        *st = c->stmts[which];
        c->stmts[which] = NULL;
        return 0;
    }
    rc = sqlite3_prepare_v3(c->db, sql_texts[which], -1, SQLITE_PREPARE_PERSISTENT, st, NULL);
    return rc ? dv_sqconn_error(c, rc, err) : 0;
}

void dv_sqconn_give(struct dv_sqconn *c, enum dv_sql which, sqlite3_stmt *st)
{
    sqlite3_reset(st);
    if (c->stmts[which])
        sqlite3_finalize(st);
    else
        c->stmts[which] = st;
}

int dv_sqconn_stmt(struct dv_sqconn *c, enum dv_sql which, sqlite3_stmt **st, struct dv_err *err)
{
    int rc;

    if (!c->stmts[which]) {
        rc = dv_sqconn_take(c, which, &c->stmts[which], err);
        if (rc < 0)
            return rc;
    }
    *st = c->stmts[which];
    return 0;
}

/* A statement failed, be it one that only reads. Out of memory, disk full and I/O errors may make
 * SQLite roll the whole transaction back (sqlite.org/lang_transaction.html): what came after would
 * then be committed statement by statement, without the write lock. */
static int failed(struct dv_sqconn *c, int rc, struct dv_err *err)
{
    rc = dv_sqconn_error(c, rc, err);
    if (c->in_txn && sqlite3_get_autocommit(c->db))
        c->lost = rc;
    return rc;
}

static int refuse_lost(struct dv_sqconn *c, sqlite3_stmt *st, struct dv_err *err)
{
    sqlite3_reset(st);
    return dv_err_set(err, c->lost, "%s: the transaction failed before", c->path);
}

int dv_sqconn_step(struct dv_sqconn *c, sqlite3_stmt *st, struct dv_err *err)
{
    int rc;

    if (c->lost)
        return refuse_lost(c, st, err);
    errno = 0;
    rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        return 1;
    rc = rc == SQLITE_DONE ? 0 : failed(c, rc, err);
    sqlite3_reset(st);
    return rc;
}

int dv_sqconn_done(struct dv_sqconn *c, sqlite3_stmt *st, struct dv_err *err)
{
    int rc;

    if (c->lost)
        return refuse_lost(c, st, err);
    errno = 0;
    rc = sqlite3_step(st);
    rc = rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : failed(c, rc, err);
    sqlite3_reset(st);
    return rc;
}

int dv_sqconn_run(struct dv_sqconn *c, enum dv_sql which, struct dv_err *err)
{
    sqlite3_stmt *st;
    int rc = dv_sqconn_stmt(c, which, &st, err);

    return rc < 0 ? rc : dv_sqconn_done(c, st, err);
}

int dv_sqconn_begin(struct dv_sqconn *c, enum dv_sql which, struct dv_err *err)
{
    int rc;

    c->lost = 0;
    rc = dv_sqconn_run(c, which, err);
    c->in_txn = rc == 0;
    return rc;
}

int dv_sqconn_commit(struct dv_sqconn *c, struct dv_err *err)
{
    int rc = dv_sqconn_run(c, DV_SQL_COMMIT, err);

    if (rc < 0)
        dv_sqconn_rollback(c);
    c->in_txn = false;
    return rc;
}

void dv_sqconn_rollback(struct dv_sqconn *c)
{
    c->in_txn = false;
    c->lost = 0;
    if (!sqlite3_get_autocommit(c->db))
        dv_sqconn_run(c, DV_SQL_ROLLBACK, NULL);
}
