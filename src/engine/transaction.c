/* The front door, second part: transactions and what is read and written in them.
 *
 * Refused here, as errors: a write in a read transaction, below a running fold, or with an id of
 * the wrong kind or length. Using a transaction that has ended is asserted.
 *
 * An engine's write that fails may leave half of its work in the transaction. The transaction is
 * then broken: it reads on, but refuses writes and its commit rolls back. Only put_body's
 * DV_ENOTFOUND, which comes before any effect, leaves it whole. */
#include "engine/front.h"

#include <assert.h>

#include "base/mem.h"

/* Optimistic engines make progress somewhere each time one closure has to run again; a closure that
 * loses this often meets a fault, not competition. */
enum { RUNS_MAX = 1000 };

static struct dv_txn *take_txn(struct dv_store *s)
{
    struct dv_txn *t;

    pthread_mutex_lock(&s->lock);
    t = s->idle;
    if (t)
        s->idle = t->next;
    pthread_mutex_unlock(&s->lock);
    return t ? t : dv_calloc(1, sizeof(*t));
}

static void give_txn(struct dv_store *s, struct dv_txn *t)
{
    t->backend = NULL;
    pthread_mutex_lock(&s->lock);
    t->next = s->idle;
    s->idle = t;
    pthread_mutex_unlock(&s->lock);
}

static int begin(struct dv_store *s, bool write, struct dv_txn **txn, struct dv_err *err)
{
    struct dv_txn *t = take_txn(s);
    int rc;

    if (!t)
        return dv_err_set(err, DV_ENOMEM, NULL);
    t->backend = NULL;
    rc = dv_store_ops(s)->begin(s->backend, write, &t->backend, err);
    if (rc < 0) {
        give_txn(s, t);
        return rc;
    }
    t->store = s;
    t->write = write;
    t->folds = 0;
    t->broken = 0;
    t->number++;
    *txn = t;
    return 0;
}

int dv_store_begin_read(struct dv_store *s, struct dv_txn **txn, struct dv_err *err)
{
    return begin(s, false, txn, err);
}

int dv_store_begin_write(struct dv_store *s, struct dv_txn **txn, struct dv_err *err)
{
    if (s->read_only)
        return dv_err_set(err, DV_EREADONLY, "the database is open for reading only");
    return begin(s, true, txn, err);
}

int dv_txn_commit(struct dv_txn *t, enum dv_commit how, struct dv_err *err)
{
    struct dv_store *s = t->store;
    int rc;

    assert(t->backend && t->folds == 0);
    if (!t->write || t->broken < 0) {
        rc = t->broken;
        dv_store_ops(s)->rollback(t->backend);
    } else {
        rc = dv_store_ops(s)->commit(t->backend, how, err);
    }
    if (t->broken < 0)
        dv_err_set(err, rc, "a write of this transaction failed: nothing of it is stored");
    give_txn(s, t);
    return rc;
}

void dv_txn_rollback(struct dv_txn *t)
{
    if (!t)
        return;
    assert(t->backend && t->folds == 0);
    dv_store_ops(t->store)->rollback(t->backend);
    give_txn(t->store, t);
}

int dv_txn_check_write(struct dv_txn *t, struct dv_err *err)
{
    assert(t->backend);
    if (!t->write)
        return dv_err_set(err, DV_EINVAL, "a write in a read transaction");
    if (t->folds > 0)
        return dv_err_set(err, DV_EINVAL, "a write below a running fold");
    if (t->broken < 0)
        return dv_err_set(err, t->broken, "an earlier write of this transaction failed");
    return 0;
}

int dv_txn_wrote(struct dv_txn *t, int rc)
{
    if (rc < 0 && t->broken == 0)
        t->broken = rc;
    return rc;
}

int dv_store_run(struct dv_store *s, dv_closure_fn *fn, void *arg, struct dv_err *err)
{
    int rc = DV_ERETRY;

    for (int run = 0; rc == DV_ERETRY && run < RUNS_MAX; run++) {
        struct dv_txn *t = NULL;

        rc = dv_store_begin_write(s, &t, err);
        if (rc < 0)
            return rc;
        assert(t);
        rc = fn(arg, t, err);
        if (rc < 0)
            dv_txn_rollback(t);
        else
            rc = dv_txn_commit(t, DV_COMMIT_LAZY, err);
    }
    return rc;
}

/* ---- properties ---- */

int dv_txn_props(struct dv_txn *t, struct dv_props *props, struct dv_err *err)
{
    assert(t->backend);
    return dv_store_ops(t->store)->props(t->backend, props, err);
}

int dv_txn_epochs(struct dv_txn *t, struct dv_arena *arena, struct dv_epoch **epochs, size_t *n,
                  struct dv_err *err)
{
    assert(t->backend);
    return dv_store_ops(t->store)->epochs(t->backend, arena, epochs, n, err);
}

int dv_txn_security(struct dv_txn *t, struct dv_buf *out, struct dv_err *err)
{
    assert(t->backend);
    return dv_store_ops(t->store)->security(t->backend, out, err);
}

int dv_txn_set_security(struct dv_txn *t, struct dv_slice json, struct dv_err *err)
{
    int rc = dv_txn_check_write(t, err);

    if (rc < 0)
        return rc;
    if (json.n == 0)
        return dv_err_set(err, DV_EINVAL, "an empty security object");
    if (json.n > DV_RECORD_MAX_BYTES)
        return dv_err_set(err, DV_ETOOBIG, "security object of %zu bytes", json.n);
    return dv_txn_wrote(t, dv_store_ops(t->store)->set_security(t->backend, json, err));
}

int dv_txn_set_revs_limit(struct dv_txn *t, uint64_t limit, struct dv_err *err)
{
    int rc = dv_txn_check_write(t, err);

    if (rc < 0)
        return rc;
    if (limit == 0)
        return dv_err_set(err, DV_EINVAL, "revs_limit is at least 1");
    return dv_txn_wrote(t, dv_store_ops(t->store)->set_revs_limit(t->backend, limit, err));
}

/* ---- documents ---- */

int dv_txn_open_docs(struct dv_txn *t, const struct dv_slice *ids, size_t n, struct dv_arena *arena,
                     struct dv_doc_info *infos, struct dv_err *err)
{
    assert(t->backend);
    return dv_store_ops(t->store)->open_docs(t->backend, ids, n, arena, infos, err);
}

int dv_txn_read_body(struct dv_txn *t, uint64_t ref, struct dv_buf *out, struct dv_err *err)
{
    assert(t->backend);
    if (ref == 0)
        return dv_err_set(err, DV_ENOTFOUND, "no body is kept of this revision");
    return dv_store_ops(t->store)->read_body(t->backend, ref, out, err);
}

int dv_txn_put_body(struct dv_txn *t, struct dv_slice record, const struct dv_att_key *atts,
                    size_t n_atts, uint64_t *ref, struct dv_err *err)
{
    int rc = dv_txn_check_write(t, err);

    if (rc < 0)
        return rc;
    if (record.n > DV_RECORD_MAX_BYTES)
        return dv_err_set(err, DV_ETOOBIG, "record of %zu bytes", record.n);
    rc = dv_store_ops(t->store)->put_body(t->backend, record, atts, n_atts, ref, err);
    return rc == DV_ENOTFOUND ? rc : dv_txn_wrote(t, rc);
}

int dv_txn_drop_body(struct dv_txn *t, uint64_t ref, struct dv_err *err)
{
    int rc = dv_txn_check_write(t, err);

    if (rc < 0 || ref == 0)
        return rc;
    return dv_txn_wrote(t, dv_store_ops(t->store)->drop_body(t->backend, ref, err));
}

static int check_doc_id(struct dv_slice id, struct dv_err *err)
{
    if (id.n == 0)
        return dv_err_set(err, DV_EILLEGALID, "a document id is empty");
    if (id.n > DV_ID_MAX_BYTES)
        return dv_err_set(err, DV_EILLEGALID, "document id of %zu bytes", id.n);
    if (id.p[0] == '_' && dv_slice_starts(id, "_local/"))
        return dv_err_set(err, DV_EILLEGALID, "the id of a local document names a document");
    return 0;
}

static int check_doc(const struct dv_doc_write *d, struct dv_err *err)
{
    if (d->old && (!d->old->found || !dv_slice_eq(d->old->id, d->id)))
        return dv_err_set(err, DV_EINVAL, "the old state is that of another document");
    if (d->tree.n == 0)
        return dv_err_set(err, DV_EINVAL, "a document without a revision tree");
    if (d->tree.n > DV_RECORD_MAX_BYTES)
        return dv_err_set(err, DV_ETOOBIG, "revision tree of %zu bytes", d->tree.n);
    return check_doc_id(d->id, err);
}

int dv_txn_write_docs(struct dv_txn *t, struct dv_doc_write *docs, size_t n, struct dv_err *err)
{
    int rc = dv_txn_check_write(t, err);

    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = check_doc(&docs[i], err);
    if (rc < 0 || n == 0)
        return rc;
    return dv_txn_wrote(t, dv_store_ops(t->store)->write_docs(t->backend, docs, n, err));
}

/* ---- local documents ---- */

int dv_txn_open_locals(struct dv_txn *t, const struct dv_slice *ids, size_t n,
                       struct dv_arena *arena, struct dv_local *out, struct dv_err *err)
{
    assert(t->backend);
    return dv_store_ops(t->store)->open_locals(t->backend, ids, n, arena, out, err);
}

static int check_local(const struct dv_local *l, struct dv_err *err)
{
    if (!dv_slice_starts(l->id, "_local/") || l->id.n == strlen("_local/"))
        return dv_err_set(err, DV_EILLEGALID, "the id of a local document starts with _local/");
    if (l->id.n > DV_ID_MAX_BYTES)
        return dv_err_set(err, DV_EILLEGALID, "local document id of %zu bytes", l->id.n);
    if (l->found && l->body.n > DV_RECORD_MAX_BYTES)
        return dv_err_set(err, DV_ETOOBIG, "local document of %zu bytes", l->body.n);
    return 0;
}

int dv_txn_write_locals(struct dv_txn *t, const struct dv_local *locals, size_t n,
                        struct dv_err *err)
{
    int rc = dv_txn_check_write(t, err);

    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = check_local(&locals[i], err);
    if (rc < 0 || n == 0)
        return rc;
    return dv_txn_wrote(t, dv_store_ops(t->store)->write_locals(t->backend, locals, n, err));
}

/* ---- folds ---- */

int dv_txn_fold_docs(struct dv_txn *t, const struct dv_range *range, dv_doc_fn *fn, void *arg,
                     struct dv_err *err)
{
    int rc;

    assert(t->backend && range && fn);
    t->folds++;
    rc = dv_store_ops(t->store)->fold_docs(t->backend, range, fn, arg, err);
    t->folds--;
    return rc;
}

int dv_txn_fold_locals(struct dv_txn *t, const struct dv_range *range, dv_local_fn *fn, void *arg,
                       struct dv_err *err)
{
    int rc;

    assert(t->backend && range && fn);
    t->folds++;
    rc = dv_store_ops(t->store)->fold_locals(t->backend, range, fn, arg, err);
    t->folds--;
    return rc;
}

int dv_txn_fold_changes(struct dv_txn *t, uint64_t since, bool descending, dv_doc_fn *fn, void *arg,
                        struct dv_err *err)
{
    int rc;

    assert(t->backend && fn);
    t->folds++;
    rc = dv_store_ops(t->store)->fold_changes(t->backend, since, descending, fn, arg, err);
    t->folds--;
    return rc;
}

int dv_txn_count_changes(struct dv_txn *t, uint64_t since, uint64_t *n, struct dv_err *err)
{
    assert(t->backend);
    return dv_store_ops(t->store)->count_changes(t->backend, since, n, err);
}

int dv_txn_count_docs_before(struct dv_txn *t, struct dv_slice key, uint64_t *n, struct dv_err *err)
{
    assert(t->backend);
    return dv_store_ops(t->store)->count_docs_before(t->backend, key, n, err);
}

/* ---- purge ---- */

static int check_purge(const struct dv_purge *p, struct dv_err *err)
{
    int rc = check_doc_id(p->info.id, err);

    if (rc < 0)
        return rc;
    if (p->info.uuid.n == 0 || p->info.uuid.n > DV_ID_MAX_BYTES)
        return dv_err_set(err, DV_EINVAL, "a purge needs a uuid");
    if (p->changes && !p->old)
        return dv_err_set(err, DV_EINVAL, "a purge of a document that is not there");
    if (p->old && (!p->old->found || !dv_slice_eq(p->old->id, p->info.id)))
        return dv_err_set(err, DV_EINVAL, "the old state is that of another document");
    if (p->left && (!p->changes || !dv_slice_eq(p->left->id, p->info.id)))
        return dv_err_set(err, DV_EINVAL, "what is left is not of this document");
    return p->left ? check_doc(p->left, err) : 0;
}

int dv_txn_purge(struct dv_txn *t, struct dv_purge *purges, size_t n, struct dv_err *err)
{
    int rc = dv_txn_check_write(t, err);

    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = check_purge(&purges[i], err);
    if (rc < 0 || n == 0)
        return rc;
    return dv_txn_wrote(t, dv_store_ops(t->store)->purge(t->backend, purges, n, err));
}

int dv_txn_load_purge(struct dv_txn *t, struct dv_slice uuid, struct dv_arena *arena,
                      struct dv_purge_info *info, bool *found, struct dv_err *err)
{
    assert(t->backend);
    return dv_store_ops(t->store)->load_purge(t->backend, uuid, arena, info, found, err);
}

int dv_txn_fold_purges(struct dv_txn *t, uint64_t since, dv_purge_fn *fn, void *arg,
                       struct dv_err *err)
{
    int rc;

    assert(t->backend && fn);
    t->folds++;
    rc = dv_store_ops(t->store)->fold_purges(t->backend, since, fn, arg, err);
    t->folds--;
    return rc;
}
