/* The memory engine: databases that live as long as the process, under a path that is only a key.
 * Closing keeps them, since the registry below holds them until they are deleted.
 *
 * Locks: registry_lock before db->lock before store->lock. None is held while memory for a whole
 * version is copied or freed, nor across a call of the front door's. */
#include "engine/memory/ram.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

#include "base/mem.h"
#include "base/rand.h"

/* A list: this engine serves tests and throw-away targets, a few dozen at a time. */
static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct dv_ram_db *registry;
static uint64_t openings; /* given so far; under registry_lock */

/* ---- databases ---- */

static struct dv_ram_db **find_db(const char *path)
{
    struct dv_ram_db **at = &registry;

    while (*at && strcmp((*at)->path, path) != 0)
        at = &(*at)->next;
    return at;
}

static void unref_db(struct dv_ram_db *db)
{
    if (!db || atomic_fetch_sub_explicit(&db->refs, 1, memory_order_acq_rel) != 1)
        return;
    dv_ram_state_unref(db->newest);
    pthread_cond_destroy(&db->change);
    pthread_mutex_destroy(&db->lock);
    dv_free(db->path);
    dv_free(db);
}

static struct dv_ram_db *new_db(const char *path, const struct dv_store_options *opt,
                                struct dv_err *err)
{
    struct dv_ram_db *db = dv_calloc(1, sizeof(*db));
    pthread_condattr_t monotonic;

    if (!db) {
        dv_err_set(err, DV_ENOMEM, NULL);
        return NULL;
    }
    atomic_init(&db->refs, 1);
    dv_rand_uuid(db->uuid);
    pthread_mutex_init(&db->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&db->change, &monotonic);
    pthread_condattr_destroy(&monotonic);
    db->path = dv_strdup(path);
    if (!db->path)
        dv_err_set(err, DV_ENOMEM, NULL);
    else
        db->newest = dv_ram_state_new(opt, err);
    if (db->newest)
        return db;
    unref_db(db);
    return NULL;
}

static struct dv_store_backend *new_opening(const struct dv_store_options *opt)
{
    struct dv_store_backend *s = dv_calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    s->busy_timeout_ms = opt->busy_timeout_ms;
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

static void free_opening(struct dv_store_backend *s)
{
    pthread_mutex_destroy(&s->lock);
    dv_free(s->forgotten);
    dv_free(s);
}

/* Under registry_lock: s has a reference of its own. */
static void attach(struct dv_store_backend *s, struct dv_ram_db *db)
{
    atomic_fetch_add_explicit(&db->refs, 1, memory_order_relaxed);
    s->db = db;
    s->opening = ++openings;
    pthread_mutex_lock(&db->lock);
    s->next = db->openings;
    db->openings = s;
    pthread_mutex_unlock(&db->lock);
}

static int exists(const char *path, bool *there, struct dv_err *err)
{
    (void)err;
    pthread_mutex_lock(&registry_lock);
    *there = *find_db(path) != NULL;
    pthread_mutex_unlock(&registry_lock);
    return 0;
}

static int create(const char *path, const struct dv_store_options *opt, struct dv_store_backend **s,
                  struct dv_err *err)
{
    struct dv_ram_db *db = new_db(path, opt, err), **at;
    struct dv_store_backend *opening = db ? new_opening(opt) : NULL;
    bool taken;

    if (!opening) {
        unref_db(db);
        return dv_err_set(err, DV_ENOMEM, NULL);
    }
    pthread_mutex_lock(&registry_lock);
    at = find_db(path);
    taken = *at != NULL;
    if (!taken) {
        *at = db;
        attach(opening, db);
    }
    pthread_mutex_unlock(&registry_lock);
    if (taken) {
        free_opening(opening);
        unref_db(db);
        return dv_err_set(err, DV_EEXISTS, NULL);
    }
    *s = opening;
    return 0;
}

static void close_store(struct dv_store_backend *s)
{
    struct dv_ram_db *db = s->db;
    struct dv_store_backend **at = &db->openings;

    pthread_mutex_lock(&db->lock);
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    pthread_mutex_unlock(&db->lock);
    free_opening(s);
    unref_db(db);
}

static bool is_owner(const struct dv_ram_state *s, const char *node)
{
    const struct dv_epoch *newest = (const struct dv_epoch *)(const void *)s->epochs->data;

    return s->epochs->n > 0 && strcmp(newest->node, node) == 0;
}

static int take_ownership(struct dv_store_backend *s, const char *node, struct dv_err *err)
{
    struct dv_txn_backend *t = NULL;
    int rc = dv_ram_begin(s, true, &t, err);

    if (rc < 0)
        return rc;
    assert(t);
    if (is_owner(t->state, node)) {
        dv_ram_rollback(t);
        return 0;
    }
    rc = dv_ram_take_ownership(t->state, node, err);
    if (rc == 0)
        return dv_ram_commit(t, DV_COMMIT_DURABLE, err);
    dv_ram_rollback(t);
    return rc;
}

static int open_store(const char *path, const struct dv_store_options *opt,
                      struct dv_store_backend **s, struct dv_err *err)
{
    struct dv_store_backend *opening = new_opening(opt);
    struct dv_ram_db *db;
    int rc = 0;

    if (!opening)
        return dv_err_set(err, DV_ENOMEM, NULL);
    pthread_mutex_lock(&registry_lock);
    db = *find_db(path);
    if (db)
        attach(opening, db);
    pthread_mutex_unlock(&registry_lock);
    if (!db) {
        free_opening(opening);
        return dv_err_set(err, DV_ENODB, NULL);
    }
    if (opt->node[0] && !opt->read_only)
        rc = take_ownership(opening, opt->node, err);
    if (rc < 0) {
        close_store(opening);
        return rc;
    }
    *s = opening;
    return 0;
}

static int remove_db(const char *path, const struct dv_store_options *opt, struct dv_err *err)
{
    struct dv_ram_db **at, *db;

    (void)opt;
    pthread_mutex_lock(&registry_lock);
    at = find_db(path);
    db = *at;
    if (db)
        *at = db->next;
    pthread_mutex_unlock(&registry_lock);
    if (!db)
        return dv_err_set(err, DV_ENODB, NULL);
    pthread_mutex_lock(&db->lock);
    db->gone = true;
    pthread_cond_broadcast(&db->change);
    pthread_mutex_unlock(&db->lock);
    unref_db(db);
    return 0;
}

/* ---- transactions ---- */

static struct timespec deadline(int timeout_ms)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += timeout_ms / 1000;
    at.tv_nsec += (long)(timeout_ms % 1000) * 1000 * 1000;
    if (at.tv_nsec >= 1000 * 1000 * 1000) {
        at.tv_sec++;
        at.tv_nsec -= 1000 * 1000 * 1000;
    }
    return at;
}

/* Under db->lock. */
static int take_writers_place(struct dv_ram_db *db, int timeout_ms, struct dv_err *err)
{
    struct timespec until;
    int waited = 0;

    if (db->writing)
        until = deadline(timeout_ms);
    while (db->writing && !db->gone && waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&db->change, &db->lock, &until);
    if (db->gone)
        return dv_err_set(err, DV_EGONE, NULL);
    if (db->writing)
        return dv_err_set(err, DV_EBUSY, "another writer took longer than %d ms", timeout_ms);
    db->writing = true;
    return 0;
}

static void leave_writers_place(struct dv_ram_db *db)
{
    pthread_mutex_lock(&db->lock);
    db->writing = false;
    pthread_cond_signal(&db->change);
    pthread_mutex_unlock(&db->lock);
}

/* The newest version, with a reference. */
static int take_newest(struct dv_store_backend *s, bool write, struct dv_ram_state **newest,
                       struct dv_err *err)
{
    struct dv_ram_db *db = s->db;
    int rc = 0;

    pthread_mutex_lock(&db->lock);
    if (write)
        rc = take_writers_place(db, s->busy_timeout_ms, err);
    else if (db->gone)
        rc = dv_err_set(err, DV_EGONE, NULL);
    if (rc == 0) {
        *newest = db->newest;
        atomic_fetch_add_explicit(&db->newest->refs, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&db->lock);
    return rc;
}

/* Exchange t's version for a copy. */
static int make_changeable(struct dv_txn_backend *t, struct dv_err *err)
{
    struct dv_ram_state *copy = dv_ram_state_copy(t->state, err);

    dv_ram_state_unref(t->state);
    t->state = copy;
    if (!copy)
        return DV_ENOMEM;
    return dv_ram_apply_forgotten(t) < 0 ? dv_err_set(err, DV_ENOMEM, NULL) : 0;
}

int dv_ram_begin(struct dv_store_backend *s, bool write, struct dv_txn_backend **txn,
                 struct dv_err *err)
{
    struct dv_txn_backend *t = dv_calloc(1, sizeof(*t));
    int rc;

    if (!t)
        return dv_err_set(err, DV_ENOMEM, NULL);
    t->store = s;
    t->write = write;
    rc = take_newest(s, write, &t->state, err);
    if (rc < 0) {
        dv_free(t);
        return rc;
    }
    if (write)
        rc = make_changeable(t, err);
    if (rc < 0) {
        dv_ram_rollback(t);
        return rc;
    }
    *txn = t;
    return 0;
}

int dv_ram_commit(struct dv_txn_backend *t, enum dv_commit how, struct dv_err *err)
{
    struct dv_ram_db *db = t->store->db;
    struct dv_ram_state *out = t->state;
    int rc = 0;

    (void)how;
    pthread_mutex_lock(&db->lock);
    if (db->gone) {
        rc = dv_err_set(err, DV_EGONE, NULL);
    } else {
        out = db->newest;
        db->newest = t->state;
        db->stamp++;
        dv_ram_applied_forgotten(t);
    }
    db->writing = false;
    pthread_cond_signal(&db->change);
    pthread_mutex_unlock(&db->lock);
    dv_ram_state_unref(out);
    dv_free(t);
    return rc;
}

void dv_ram_rollback(struct dv_txn_backend *t)
{
    if (t->write)
        leave_writers_place(t->store->db);
    dv_ram_state_unref(t->state);
    dv_free(t);
}

static int stamp(struct dv_store_backend *s, uint64_t *now, struct dv_err *err)
{
    struct dv_ram_db *db = s->db;
    bool gone;

    pthread_mutex_lock(&db->lock);
    gone = db->gone;
    if (!gone)
        *now = db->stamp;
    pthread_mutex_unlock(&db->lock);
    return gone ? dv_err_set(err, DV_EGONE, NULL) : 0;
}

/* There is no disk: what is committed is as durable as it gets. */
static int sync_store(struct dv_store_backend *s, struct dv_err *err)
{
    uint64_t now;

    return stamp(s, &now, err);
}

static const struct dv_engine_ops ops = {
    .exists = exists,
    .create = create,
    .open = open_store,
    .close = close_store,
    .remove = remove_db,
    .begin = dv_ram_begin,
    .commit = dv_ram_commit,
    .rollback = dv_ram_rollback,
    .sync = sync_store,
    .stamp = stamp,
    .props = dv_ram_props,
    .epochs = dv_ram_epochs,
    .security = dv_ram_security,
    .set_security = dv_ram_set_security,
    .set_revs_limit = dv_ram_set_revs_limit,
    .open_docs = dv_ram_open_docs,
    .read_body = dv_ram_read_body,
    .put_body = dv_ram_put_body,
    .drop_body = dv_ram_drop_body,
    .write_docs = dv_ram_write_docs,
    .open_locals = dv_ram_open_locals,
    .write_locals = dv_ram_write_locals,
    .fold_docs = dv_ram_fold_docs,
    .fold_locals = dv_ram_fold_locals,
    .fold_changes = dv_ram_fold_changes,
    .count_changes = dv_ram_count_changes,
    .count_docs_before = dv_ram_count_docs_before,
    .purge = dv_ram_purge,
    .load_purge = dv_ram_load_purge,
    .fold_purges = dv_ram_fold_purges,
    .att_begin = dv_ram_att_begin,
    .att_chunk = dv_ram_att_chunk,
    .att_finish = dv_ram_att_finish,
    .att_drop = dv_ram_att_drop,
    .att_forget = dv_ram_att_forget,
    .att_info = dv_ram_att_info,
    .att_read = dv_ram_att_read,
    .compact = dv_ram_compact,
    .check = dv_ram_check,
};

const struct dv_engine dv_engine_memory = { "memory", 0, &ops };
