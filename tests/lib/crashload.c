/* See crashload.h. Each step draws from a generator of its own, seeded by (seed, step), so that a
 * step done again does the same. */
#include "lib/crashload_steps.h"

#include <stdio.h>

#include "base/mem.h"
#include "lib/crashdoc.h"

enum { DOCS = 12, LOCALS = 4, DELETE_WHILE_READ = 32, DELETE_ALONE = 52 };

static const char node[] = "0123456789abcdef0123456789abcdef";

uint64_t crashload_draw(struct crash_load *l, uint64_t below)
{
    return dv_rng_below(&l->rng, below);
}

struct dv_store_options crashload_options(const struct crash_load *l)
{
    /* Nobody to wait for but readers that do not end. */
    struct dv_store_options opt = { .vfs = l->vfs, .busy_timeout_ms = 1 };

    memcpy(opt.node, node, sizeof(node));
    return opt;
}

/* ---- states --------------------------------------------------------------------------------- */

int crashload_note_state(struct crash_load *l, bool durable, struct dv_err *err)
{
    struct dv_buf dump;
    int rc = 0;

    l->stored++;
    if (durable)
        l->durable = l->stored;
    if (!l->history || l->stored < l->history->n)
        return 0;
    dv_buf_init(&dump, CRASHDOC_DUMP_BYTES);
    if (l->store)
        rc = crashdoc_dump(l->store, &dump, err);
    if (rc == 0 && (l->stored == CRASHLOAD_STATES_MAX || !dv_buf_cstr(&dump)))
        rc = dv_err_set(err, DV_ENOMEM, "state %d", l->stored);
    if (rc == 0) {
        l->history->states[l->stored] = dv_strdup(dv_buf_cstr(&dump));
        l->history->n = l->stored + 1;
    }
    dv_buf_fini(&dump);
    return rc;
}

void crashload_history_fini(struct crash_history *h)
{
    for (int i = 0; i < h->n; i++)
        dv_free(h->states[i]);
    h->n = 0;
}

static int commit(struct crash_load *l, struct dv_txn *t, int rc, struct dv_err *err)
{
    bool durable = crashload_draw(l, 3) == 0;

    if (rc < 0) {
        dv_txn_rollback(t);
        return rc;
    }
    rc = dv_txn_commit(t, durable ? DV_COMMIT_DURABLE : DV_COMMIT_LAZY, err);
    return rc < 0 ? rc : crashload_note_state(l, durable, err);
}

/* ---- another connection --------------------------------------------------------------------- */

static void leave_other(struct crash_load *l)
{
    sqlite3_close(l->other);
    l->other = NULL;
}

static int fail_other(const char *what, int rc, struct dv_err *err)
{
    return dv_err_set(err, (rc & 0xff) == SQLITE_FULL ? DV_EFULL : DV_EIO, "%s: %s", what,
                      sqlite3_errstr(rc));
}

static int open_other(struct crash_load *l, struct dv_err *err)
{
    int rc = SQLITE_OK;

    if (!l->other)
        rc = sqlite3_open_v2(l->path, &l->other, SQLITE_OPEN_READWRITE, l->vfs);
    if (rc == SQLITE_OK)
        return 0;
    leave_other(l);
    return fail_other("another connection", rc, err);
}

static bool is_reading(const struct crash_load *l)
{
    return l->other && !sqlite3_get_autocommit(l->other);
}

static int step_reader(struct crash_load *l, struct dv_err *err)
{
    int rc = open_other(l, err);

    if (rc < 0)
        return rc;
    rc = is_reading(l)
             ? sqlite3_exec(l->other, "COMMIT", NULL, NULL, NULL)
             : sqlite3_exec(l->other, "BEGIN; SELECT * FROM sqlite_schema", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        return 0;
    leave_other(l);
    return fail_other("another reader", rc, err);
}

/* A reader that stands still keeps a checkpoint from going all the way; that is no failure. */
static int step_checkpoint(struct crash_load *l, struct dv_err *err)
{
    int mode = (int)crashload_draw(l, 4); /* PASSIVE, FULL, RESTART, TRUNCATE */
    sqlite3 *db;
    int rc = sqlite3_open_v2(l->path, &db, SQLITE_OPEN_READWRITE, l->vfs);

    if (rc == SQLITE_OK) /* a connection that never read does not know that there is a log */
        rc = sqlite3_exec(db, "SELECT * FROM sqlite_schema", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_wal_checkpoint_v2(db, NULL, mode, NULL, NULL);
    sqlite3_close(db);
    if (rc == SQLITE_OK || rc == SQLITE_BUSY)
        return 0;
    return fail_other("checkpoint", rc, err);
}

/* ---- steps ---------------------------------------------------------------------------------- */

void crashload_name(struct crash_load *l, char id[20])
{
    snprintf(id, 20, "doc-%02u", (unsigned)crashload_draw(l, DOCS));
}

static struct crash_edit draw_edit(struct crash_load *l, const char *id)
{
    struct crash_edit e = { .id = id, .salt = dv_rng_next(&l->rng) };

    e.conflict = crashload_draw(l, 4) == 0;
    e.deleted = crashload_draw(l, 6) == 0;
    e.body_bytes = crashload_draw(l, crashload_draw(l, 8) ? 700 : 20000);
    return e;
}

static int write_docs(struct crash_load *l, struct dv_txn *t, struct dv_err *err)
{
    int rc = 0;

    for (uint64_t n = 1 + crashload_draw(l, 4); rc == 0 && n > 0; n--) {
        char id[20];
        struct crash_edit e;

        crashload_name(l, id);
        e = draw_edit(l, id);
        rc = crashdoc_edit(t, &e, err);
    }
    return rc;
}

static int step_create(struct crash_load *l, struct dv_err *err)
{
    struct dv_store_options opt = crashload_options(l);
    int rc = dv_store_create(l->engine, l->path, &opt, &l->store, err);

    return rc < 0 ? rc : crashload_note_state(l, true, err);
}

static int step_edit(struct crash_load *l, struct dv_err *err)
{
    struct dv_txn *t;
    int rc = dv_store_begin_write(l->store, &t, err);

    return rc < 0 ? rc : commit(l, t, write_docs(l, t, err), err);
}

static int step_give_up(struct crash_load *l, struct dv_err *err)
{
    struct dv_txn *t;
    int rc = dv_store_begin_write(l->store, &t, err);

    if (rc < 0)
        return rc;
    rc = write_docs(l, t, err);
    dv_txn_rollback(t);
    return rc;
}

static int write_locals(struct crash_load *l, struct dv_txn *t, struct dv_err *err)
{
    char id[20], body[60];
    struct dv_local local = { .found = crashload_draw(l, 5) > 0 };

    local.rev = crashload_draw(l, 100);
    snprintf(id, sizeof(id), "_local/%u", (unsigned)crashload_draw(l, LOCALS));
    snprintf(body, sizeof(body), "{\"n\":%llu}", (unsigned long long)crashload_draw(l, 1u << 30));
    local.id = dv_slice_str(id);
    local.body = dv_slice_str(body);
    return dv_txn_write_locals(t, &local, 1, err);
}

static int step_local(struct crash_load *l, struct dv_err *err)
{
    struct dv_txn *t;
    int rc = dv_store_begin_write(l->store, &t, err);

    return rc < 0 ? rc : commit(l, t, write_locals(l, t, err), err);
}

static int write_attached(struct crash_load *l, struct dv_txn *t, const struct dv_att_key *key,
                          struct dv_err *err)
{
    char id[20];
    struct crash_edit e;

    crashload_name(l, id);
    e = draw_edit(l, id);
    e.atts = key;
    e.n_atts = 1;
    return crashdoc_edit(t, &e, err);
}

/* Three chunks, two, and parts of one; some content comes again, in another document. */
size_t crashload_draw_content(struct crash_load *l, uint64_t *salt)
{
    static const size_t bytes[] = { 140000, 70000, 9000, 700, 0 };

    *salt = crashload_draw(l, sizeof(bytes) / sizeof(bytes[0]));
    return bytes[*salt];
}

static int step_attach(struct crash_load *l, struct dv_err *err)
{
    uint64_t salt;
    size_t bytes = crashload_draw_content(l, &salt);
    struct dv_att_info info;
    struct dv_txn *t;
    int rc = crashdoc_attach(l->store, NULL, salt, bytes, &info, err);

    if (rc == 0)
        rc = dv_store_begin_write(l->store, &t, err);
    return rc < 0 ? rc : commit(l, t, write_attached(l, t, &info.key, err), err);
}

static int step_attach_inside(struct crash_load *l, struct dv_err *err)
{
    uint64_t salt;
    size_t bytes = crashload_draw_content(l, &salt);
    struct dv_att_info info;
    struct dv_txn *t;
    int rc = dv_store_begin_write(l->store, &t, err);

    if (rc < 0)
        return rc;
    rc = crashdoc_attach(l->store, t, salt, bytes, &info, err);
    if (rc == 0)
        rc = write_attached(l, t, &info.key, err);
    return commit(l, t, rc, err);
}

static int step_purge(struct crash_load *l, struct dv_err *err)
{
    char id[20], uuid[40];
    struct dv_txn *t;
    int rc = dv_store_begin_write(l->store, &t, err);

    if (rc < 0)
        return rc;
    crashload_name(l, id);
    snprintf(uuid, sizeof(uuid), "purge-%d", l->step);
    return commit(l, t, crashdoc_purge(t, id, uuid, err), err);
}

static int step_security(struct crash_load *l, struct dv_err *err)
{
    char json[60];
    struct dv_txn *t;
    int rc = dv_store_begin_write(l->store, &t, err);

    if (rc < 0)
        return rc;
    snprintf(json, sizeof(json), "{\"admins\":{\"names\":[\"n%d\"]}}", l->step);
    return commit(l, t, dv_txn_set_security(t, dv_slice_str(json), err), err);
}

static int step_revs_limit(struct crash_load *l, struct dv_err *err)
{
    struct dv_txn *t;
    int rc = dv_store_begin_write(l->store, &t, err);

    return rc < 0 ? rc : commit(l, t, dv_txn_set_revs_limit(t, 2 + crashload_draw(l, 6), err), err);
}

static int step_compact(struct crash_load *l, struct dv_err *err)
{
    struct dv_compact_options opt = { .rows_per_txn = 1 + crashload_draw(l, 8) };

    return dv_store_compact(l->store, &opt, err);
}

static int step_sync(struct crash_load *l, struct dv_err *err)
{
    int rc = dv_store_sync(l->store, err);

    if (rc == 0)
        l->durable = l->stored;
    return rc;
}

static void close_store(struct crash_load *l)
{
    if (l->db)
        crashload_db_close(l);
    else if (l->store)
        dv_store_unref(l->store);
    l->store = NULL;
}

static int step_reopen(struct crash_load *l, struct dv_err *err)
{
    struct dv_store_options opt = crashload_options(l);

    close_store(l);
    return dv_store_open(l->engine, l->path, &opt, &l->store, err);
}

static int step_delete(struct crash_load *l, struct dv_err *err)
{
    struct dv_store_options opt = crashload_options(l);
    int rc;

    close_store(l);
    rc = dv_store_delete(l->engine, l->path, &opt, err);
    if (rc == DV_ENODB && l->again)
        rc = 0; /* the try that failed had got far enough */
    return rc < 0 ? rc : crashload_note_state(l, true, err);
}

/* ---- running -------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    crashload_step_fn *run;
    unsigned weight; /* of 100 */
    bool alone;      /* waits for readers, so there must be none */
} steps[CRASH_STEPS] = {
    [CRASH_STEP_CREATE] = { "create", step_create, 0, true },
    [CRASH_STEP_EDIT] = { "edit", step_edit, 34, false },
    [CRASH_STEP_GIVE_UP] = { "give up", step_give_up, 3, false },
    [CRASH_STEP_LOCAL] = { "local", step_local, 8, false },
    [CRASH_STEP_ATTACH] = { "attach", step_attach, 9, false },
    [CRASH_STEP_ATTACH_INSIDE] = { "attach inside", step_attach_inside, 5, false },
    [CRASH_STEP_PURGE] = { "purge", step_purge, 8, false },
    [CRASH_STEP_SECURITY] = { "security", step_security, 3, false },
    [CRASH_STEP_REVS_LIMIT] = { "revs limit", step_revs_limit, 3, false },
    [CRASH_STEP_COMPACT] = { "compact", step_compact, 7, true },
    [CRASH_STEP_CHECKPOINT] = { "checkpoint", step_checkpoint, 8, false },
    [CRASH_STEP_READER] = { "reader", step_reader, 5, false },
    [CRASH_STEP_SYNC] = { "sync", step_sync, 3, false },
    [CRASH_STEP_REOPEN] = { "reopen", step_reopen, 4, true },
    [CRASH_STEP_DELETE] = { "delete", step_delete, 0, false },
};

const char *crashload_step_name(enum crash_step step)
{
    return steps[step].name;
}

/* Every kind comes once, then by weight. The database is deleted twice: while a reader keeps what
 * was last written from leaving the log, and with nobody there. */
static enum crash_step choose(struct crash_load *l)
{
    unsigned at = (unsigned)crashload_draw(l, 100);
    enum crash_step step = CRASH_STEP_EDIT;

    if (l->restarts && l->step > 0)
        return l->step % 4 == 0 ? CRASH_STEP_CHECKPOINT : CRASH_STEP_EDIT;
    if (l->step == 0 || l->step == DELETE_WHILE_READ + 1 || l->step == DELETE_ALONE + 1)
        return CRASH_STEP_CREATE;
    if (l->step == DELETE_WHILE_READ || l->step == DELETE_ALONE)
        return CRASH_STEP_DELETE;
    if (l->step == DELETE_WHILE_READ - 1 || l->step == DELETE_WHILE_READ - 2)
        return CRASH_STEP_EDIT;
    if (l->step == DELETE_WHILE_READ - 3) {
        leave_other(l);
        return CRASH_STEP_READER;
    }
    if (l->step < CRASH_STEP_DELETE)
        return (enum crash_step)l->step;
    while (at >= steps[step].weight)
        at -= steps[step++].weight;
    return step;
}

static int run_step(struct crash_load *l, enum crash_step which, struct dv_err *err)
{
    if (l->documents && crashload_db_steps[which])
        return crashload_db_steps[which](l, err);
    return steps[which].run(l, err);
}

int crashload_step(struct crash_load *l, struct dv_err *err)
{
    enum crash_step which;
    int rc = 0;

    dv_rng_seed(&l->rng, l->seed * 1000003 + (uint64_t)l->step);
    which = choose(l);
    if (steps[which].alone)
        leave_other(l);
    if (!l->store && which != CRASH_STEP_CREATE && which != CRASH_STEP_DELETE)
        rc = run_step(l, CRASH_STEP_REOPEN, err);
    if (rc == 0)
        rc = run_step(l, which, err);
    if (which == CRASH_STEP_DELETE)
        leave_other(l);
    l->again = rc < 0;
    if (rc < 0)
        return dv_err_wrap(err, rc, "step %d (%s)", l->step, steps[which].name);
    l->done[which]++;
    l->step++;
    return 0;
}

void crashload_close(struct crash_load *l)
{
    leave_other(l);
    close_store(l);
}

int crashload_run(struct crash_load *l, struct dv_err *err)
{
    int rc = 0;

    if (l->history && l->history->n == 0) {
        l->history->states[0] = dv_strdup("");
        l->history->n = 1;
    }
    while (rc == 0 && l->step < l->steps)
        rc = crashload_step(l, err);
    crashload_close(l);
    return rc;
}
