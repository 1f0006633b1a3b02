/* Who keeps what no body refers to yet: one row of `owners` per open store that has written an
 * attachment or compacts.
 *
 * A process is known by boot id, pid and its start time; pids of another pid namespace (a
 * container) say nothing here, so such an owner counts as alive for a day after its last sign. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/sqlite/internal.h"

enum { LEASE_MS = 24 * 3600 * 1000, TEXT_BYTES = 64 };

struct identity {
    char boot[TEXT_BYTES];
    char ns[TEXT_BYTES];
    int64_t pid;
    uint64_t start;
};

static const char *pretended_boot;

void dv_sqowner_set_boot(const char *id)
{
    pretended_boot = id;
}

/* First line of a file in /proc, or "". */
static void read_line(const char *path, char *out, size_t room)
{
    FILE *f = fopen(path, "re");

    out[0] = '\0';
    if (f) {
        if (!fgets(out, (int)room, f))
            out[0] = '\0';
        fclose(f);
    }
    out[strcspn(out, "\n")] = '\0';
}

/* Field 22 of /proc/PID/stat (the name in field 2 may hold anything); 0: no such process. */
static uint64_t start_time(int64_t pid)
{
    char path[64], line[1024];
    const char *p;

    snprintf(path, sizeof(path), "/proc/%lld/stat", (long long)pid);
    read_line(path, line, sizeof(line));
    p = strrchr(line, ')');
    for (int field = 2; p && field < 22; field++)
        p = strchr(p + 1, ' ');
    return p ? strtoull(p + 1, NULL, 10) : 0;
}

static void identify(struct identity *me)
{
    ssize_t n;

    memset(me, 0, sizeof(*me));
    if (pretended_boot)
        snprintf(me->boot, sizeof(me->boot), "%s", pretended_boot);
    else
        read_line("/proc/sys/kernel/random/boot_id", me->boot, sizeof(me->boot));
    n = readlink("/proc/self/ns/pid", me->ns, sizeof(me->ns) - 1);
    me->ns[n > 0 ? n : 0] = '\0';
    me->pid = getpid();
    me->start = start_time(me->pid);
}

bool dv_sqowner_alive(sqlite3_stmt *st)
{
    struct identity me;

    identify(&me);
    if (!dv_slice_eq_str(dv_sq_column(st, 1), me.boot))
        return false;
    if (!dv_slice_eq_str(dv_sq_column(st, 2), me.ns))
        return dv_clock_wall_ms() - sqlite3_column_int64(st, 5) < LEASE_MS;
    return start_time(sqlite3_column_int64(st, 3)) == dv_sq_column_u64(st, 4);
}

static int put_owner(struct dv_txn_backend *t, uint64_t n, struct dv_err *err)
{
    struct identity me;
    sqlite3_stmt *st;
    int rc = dv_sqconn_stmt(t->conn, DV_SQL_OWNER_PUT, &st, err);

    if (rc < 0)
        return dv_sqtxn_fail(t, rc);
    identify(&me);
    dv_sq_bind_u64(st, 1, n);
    dv_sq_bind_id(st, 2, dv_slice_str(me.boot));
    dv_sq_bind_id(st, 3, dv_slice_str(me.ns));
    sqlite3_bind_int64(st, 4, me.pid);
    dv_sq_bind_u64(st, 5, me.start);
    sqlite3_bind_int64(st, 6, dv_clock_wall_ms());
    rc = dv_sqtxn_fail(t, dv_sqconn_done(t->conn, st, err));
    sqlite3_clear_bindings(st);
    return rc;
}

/* Is our row still there (another process may have taken us for dead), and fresh enough? */
static int is_fresh(struct dv_txn_backend *t, bool *fresh, struct dv_err *err)
{
    sqlite3_stmt *st;
    int rc = dv_sqconn_stmt(t->conn, DV_SQL_OWNER_GET, &st, err);

    if (rc < 0)
        return rc;
    dv_sq_bind_u64(st, 1, t->owner);
    rc = dv_sqconn_step(t->conn, st, err);
    if (rc < 0)
        return rc;
    *fresh = false;
    if (rc > 0) {
        *fresh = dv_clock_wall_ms() - sqlite3_column_int64(st, 5) < LEASE_MS / 4;
        sqlite3_reset(st);
    } else {
        t->owner = 0;
    }
    return 0;
}

int dv_sqowner_need(struct dv_txn_backend *t, uint64_t *owner, struct dv_err *err)
{
    bool fresh = false;
    int rc = t->owner ? is_fresh(t, &fresh, err) : 0;

    if (rc == 0 && !t->owner) {
        t->owner = ++t->state.last_owner;
        t->dirty = true;
    }
    if (rc == 0 && !fresh)
        rc = put_owner(t, t->owner, err);
    if (rc == 0)
        *owner = t->owner;
    return rc;
}

/* ---- leaving ---- */

static int run1(struct dv_txn_backend *t, enum dv_sql which, uint64_t n, struct dv_err *err)
{
    sqlite3_stmt *st;
    int rc = dv_sqconn_stmt(t->conn, which, &st, err);

    if (rc < 0)
        return dv_sqtxn_fail(t, rc);
    dv_sq_bind_u64(st, 1, n);
    return dv_sqtxn_fail(t, dv_sqconn_done(t->conn, st, err));
}

int dv_sqowner_remove(struct dv_txn_backend *t, uint64_t owner, struct dv_err *err)
{
    int rc = run1(t, DV_SQL_ATTS_OF_OWNER_DISOWN, owner, err);

    if (rc == 0)
        rc = run1(t, DV_SQL_KEEPS_OF_OWNER_DELETE, owner, err);
    if (rc == 0)
        rc = run1(t, DV_SQL_OWNER_DELETE, owner, err);
    if (rc == 0 && t->state.compactor == owner) {
        t->state.compactor = 0;
        t->dirty = true;
    }
    return rc;
}

void dv_sqowner_leave(struct dv_store_backend *s)
{
    struct dv_txn_backend *t;

    if (!s->owner || dv_sqtxn_begin(s, true, &t, NULL) < 0)
        return;
    if (dv_sqowner_remove(t, t->owner, NULL) == 0) {
        t->owner = 0;
        dv_sqtxn_commit(t, DV_COMMIT_LAZY, NULL);
    } else {
        dv_sqtxn_rollback(t);
    }
}
