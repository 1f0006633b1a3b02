/* Lifetime of a database, its properties, and transactions as closures. */
#include "base/mem.h"
#include "database/apply.h"
#include "database/internal.h"

/* CouchDB's default of [couchdb] max_document_size, and ours for attachments. */
#define MAX_DOCUMENT_BYTES   8000000u
#define MAX_ATTACHMENT_BYTES ((uint64_t)1 << 30)

static const struct dv_engine *engine_of(const struct dv_database_options *opt)
{
    return opt && opt->engine ? opt->engine : &dv_engine_sqlite;
}

static int read_identity(void *arg, struct dv_txn *txn, struct dv_err *err)
{
    struct dv_database *db = arg;
    struct dv_props props;
    int code = dv_txn_props(txn, &props, err);

    if (code < 0)
        return code;
    memcpy(db->uuid, props.uuid, sizeof(db->uuid));
    return dv_database_load_epochs(db, txn, err);
}

static void free_database(struct dv_database *db)
{
    while (db->spare_batches)
        dv_batch_destroy_spare(db);
    dv_apply_free(db->spare_apply);
    pthread_cond_destroy(&db->moved);
    pthread_mutex_destroy(&db->lock);
    dv_free(db->epochs);
    dv_free(db);
}

/* Takes store over, also on failure. */
static int wrap_store(struct dv_store *store, const struct dv_database_options *opt,
                      struct dv_database **out, struct dv_err *err)
{
    struct dv_database *db = dv_calloc(1, sizeof(*db));
    pthread_condattr_t monotonic;
    int code;

    if (!db) {
        dv_store_unref(store);
        return dv_err_set(err, DV_ENOMEM, "a database");
    }
    db->store = store;
    db->shared = dv_store_engine(store)->abilities & DV_ABLE_SHARED;
    db->max_document_bytes = MAX_DOCUMENT_BYTES;
    db->max_attachment_bytes = MAX_ATTACHMENT_BYTES;
    if (opt && opt->max_document_bytes)
        db->max_document_bytes = opt->max_document_bytes;
    if (opt && opt->max_attachment_bytes)
        db->max_attachment_bytes = opt->max_attachment_bytes;
    pthread_mutex_init(&db->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&db->moved, &monotonic);
    pthread_condattr_destroy(&monotonic);
    code = dv_database_view(db, read_identity, db, err);
    if (code < 0) {
        dv_database_close(db);
        return code;
    }
    *out = db;
    return 0;
}

int dv_database_create(const char *path, const struct dv_database_options *opt,
                       struct dv_database **db, struct dv_err *err)
{
    struct dv_store *store;
    int code = dv_store_create(engine_of(opt), path, opt ? &opt->store : NULL, &store, err);

    return code < 0 ? code : wrap_store(store, opt, db, err);
}

int dv_database_open(const char *path, const struct dv_database_options *opt,
                     struct dv_database **db, struct dv_err *err)
{
    struct dv_store *store;
    int code = dv_store_open(engine_of(opt), path, opt ? &opt->store : NULL, &store, err);

    return code < 0 ? code : wrap_store(store, opt, db, err);
}

int dv_database_remove(const char *path, const struct dv_database_options *opt, struct dv_err *err)
{
    return dv_store_delete(engine_of(opt), path, opt ? &opt->store : NULL, err);
}

void dv_database_close(struct dv_database *db)
{
    if (!db)
        return;
    dv_store_unref(db->store);
    free_database(db);
}

struct dv_store *dv_database_store(struct dv_database *db)
{
    return db->store;
}

int dv_database_view(struct dv_database *db, dv_closure_fn *fn, void *arg, struct dv_err *err)
{
    struct dv_txn *txn;
    int code = dv_store_begin_read(db->store, &txn, err);

    if (code < 0)
        return code;
    code = fn(arg, txn, err);
    dv_txn_rollback(txn);
    return code;
}

/* One try. 1: nothing was to be committed. */
static int try_update(struct dv_database *db, enum dv_commit how, dv_closure_fn *fn, void *arg,
                      struct dv_err *err)
{
    struct dv_txn *txn;
    int code = dv_store_begin_write(db->store, &txn, err);

    if (code < 0)
        return code;
    code = fn(arg, txn, err);
    if (code == 0)
        return dv_txn_commit(txn, how, err);
    dv_txn_rollback(txn);
    return code;
}

int dv_database_update(struct dv_database *db, enum dv_commit how, dv_closure_fn *fn, void *arg,
                       struct dv_err *err)
{
    int code;

    /* Each lost race means that another writer has won one: together they move on. */
    while ((code = try_update(db, how, fn, arg, err)) == DV_ERETRY)
        dv_err_clear(err);
    if (code == 0)
        dv_database_notify(db);
    if (code == 1)
        code = how == DV_COMMIT_DURABLE ? dv_store_sync(db->store, err) : 0;
    return code;
}

int dv_database_sync(struct dv_database *db, struct dv_err *err)
{
    return dv_store_sync(db->store, err);
}

static int read_props(void *arg, struct dv_txn *txn, struct dv_err *err)
{
    return dv_txn_props(txn, arg, err);
}

int dv_database_props(struct dv_database *db, struct dv_props *props, struct dv_err *err)
{
    struct dv_props found;
    int code = dv_database_view(db, read_props, &found, err);

    if (code == 0)
        *props = found;
    return code;
}

int dv_database_compact(struct dv_database *db, const struct dv_compact_options *opt,
                        struct dv_err *err)
{
    return dv_store_compact(db->store, opt, err);
}

int dv_database_check(struct dv_database *db, bool deep, dv_check_fn *fn, void *arg,
                      struct dv_check_result *result, struct dv_err *err)
{
    return dv_store_check(db->store, deep, fn, arg, result, err);
}
