/* The front door, first part: finding, opening, closing, references and holds. Every call checks
 * what its caller gave before the engine sees it. Wrong values are errors, since names and ids come
 * from outside; a NULL where a pointer must be, or a store used after its last unref, is a bug of
 * ours and asserted.
 *
 * Locks: a store's mutex guards its lists and is never held while an engine works. */
#include "engine/front.h"

#include <assert.h>

#include "base/mem.h"
#include "base/rand.h"

enum { BUSY_TIMEOUT_MS = 10 * 1000 };

struct dv_hold {
    struct dv_hold *next, *previous;
    struct dv_store *store; /* borrowed */
    char who[];
};

static int check_path(const char *path, struct dv_err *err)
{
    assert(path);
    return path[0] ? 0 : dv_err_set(err, DV_EINVAL, "the path of a database is empty");
}

static bool is_node(const char *node)
{
    size_t n = strnlen(node, 33);

    return n == 0 || (n == 32 && strspn(node, "0123456789abcdef") == 32);
}

/* A full set of options: engines need no defaults of their own for these. */
static int fill_options(struct dv_store_options *full, const struct dv_store_options *given,
                        struct dv_err *err)
{
    struct dv_store_options none = { .busy_timeout_ms = 0 };

    *full = given ? *given : none;
    if (!is_node(full->node))
        return dv_err_set(err, DV_EINVAL, "a node is 32 lower-case hexadecimal digits");
    if (full->busy_timeout_ms < 0)
        return dv_err_set(err, DV_EINVAL, "the time to wait for a lock is negative");
    if (full->busy_timeout_ms == 0)
        full->busy_timeout_ms = BUSY_TIMEOUT_MS;
    if (full->security.n == 0)
        full->security = DV_SLICE_LIT("{}");
    return 0;
}

int dv_store_exists(const struct dv_engine *e, const char *path, bool *exists, struct dv_err *err)
{
    int rc = check_path(path, err);

    return rc < 0 ? rc : e->ops->exists(path, exists, err);
}

static uint64_t draw_opening(void)
{
    uint64_t n = 0;

    while (n == 0)
        dv_rand_bytes(&n, sizeof(n));
    return n;
}

static void free_store(struct dv_store *s)
{
    while (s->idle) {
        struct dv_txn *t = s->idle;

        s->idle = t->next;
        dv_free(t);
    }
    pthread_mutex_destroy(&s->lock);
    dv_free(s->path);
    dv_free(s);
}

static struct dv_store *new_store(const struct dv_engine *e, const char *path, bool read_only)
{
    struct dv_store *s = dv_calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    s->engine = e;
    s->read_only = read_only;
    s->opened = draw_opening();
    atomic_init(&s->refs, 1);
    pthread_mutex_init(&s->lock, NULL);
    s->path = dv_strdup(path);
    if (s->path)
        return s;
    free_store(s);
    return NULL;
}

int dv_store_create(const struct dv_engine *e, const char *path, const struct dv_store_options *opt,
                    struct dv_store **store, struct dv_err *err)
{
    struct dv_store_options full = { .busy_timeout_ms = 0 };
    struct dv_store *s;
    int rc = check_path(path, err);

    if (rc == 0)
        rc = fill_options(&full, opt, err);
    if (rc < 0)
        return rc;
    if (full.read_only)
        return dv_err_set(err, DV_EINVAL, "a database is not created for reading only");
    s = new_store(e, path, false);
    if (!s)
        return dv_err_set(err, DV_ENOMEM, NULL);
    rc = e->ops->create(path, &full, &s->backend, err);
    if (rc < 0) {
        free_store(s);
        return dv_err_wrap(err, rc, "create %s", path);
    }
    *store = s;
    return 0;
}

int dv_store_open(const struct dv_engine *e, const char *path, const struct dv_store_options *opt,
                  struct dv_store **store, struct dv_err *err)
{
    struct dv_store_options full = { .busy_timeout_ms = 0 };
    struct dv_store *s;
    int rc = check_path(path, err);

    if (rc == 0)
        rc = fill_options(&full, opt, err);
    if (rc < 0)
        return rc;
    s = new_store(e, path, full.read_only);
    if (!s)
        return dv_err_set(err, DV_ENOMEM, NULL);
    rc = e->ops->open(path, &full, &s->backend, err);
    if (rc < 0) {
        free_store(s);
        return dv_err_wrap(err, rc, "open %s", path);
    }
    *store = s;
    return 0;
}

int dv_store_delete(const struct dv_engine *e, const char *path, const struct dv_store_options *opt,
                    struct dv_err *err)
{
    struct dv_store_options full = { .busy_timeout_ms = 0 };
    int rc = check_path(path, err);

    if (rc == 0)
        rc = fill_options(&full, opt, err);
    if (rc < 0)
        return rc;
    rc = e->ops->remove(path, &full, err);
    return rc < 0 ? dv_err_wrap(err, rc, "delete %s", path) : 0;
}

struct dv_store *dv_store_ref(struct dv_store *s)
{
    unsigned before = atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);

    assert(before > 0);
    (void)before;
    return s;
}

void dv_store_unref(struct dv_store *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    assert(!s->holds); /* a hold has a pointer to the store */
    s->engine->ops->close(s->backend);
    free_store(s);
}

const struct dv_engine *dv_store_engine(const struct dv_store *s)
{
    return s->engine;
}

const char *dv_store_path(const struct dv_store *s)
{
    return s->path;
}

int dv_store_hold(struct dv_store *s, const char *who, struct dv_hold **hold, struct dv_err *err)
{
    size_t n = strlen(who) + 1;
    struct dv_hold *h = dv_malloc(sizeof(*h) + n);

    if (!h)
        return dv_err_set(err, DV_ENOMEM, NULL);
    memcpy(h->who, who, n);
    h->store = s;
    h->next = NULL;
    pthread_mutex_lock(&s->lock);
    h->previous = s->last_hold;
    if (s->last_hold)
        s->last_hold->next = h;
    else
        s->holds = h;
    s->last_hold = h;
    s->n_holds++;
    pthread_mutex_unlock(&s->lock);
    *hold = h;
    return 0;
}

void dv_store_release(struct dv_hold *h)
{
    struct dv_store *s;

    if (!h)
        return;
    s = h->store;
    pthread_mutex_lock(&s->lock);
    if (h->previous)
        h->previous->next = h->next;
    else
        s->holds = h->next;
    if (h->next)
        h->next->previous = h->previous;
    else
        s->last_hold = h->previous;
    s->n_holds--;
    pthread_mutex_unlock(&s->lock);
    dv_free(h);
}

size_t dv_store_holders(struct dv_store *s, void (*fn)(void *arg, const char *who), void *arg)
{
    size_t n;

    pthread_mutex_lock(&s->lock);
    n = s->n_holds;
    for (const struct dv_hold *h = s->holds; fn && h; h = h->next)
        fn(arg, h->who);
    pthread_mutex_unlock(&s->lock);
    return n;
}

int dv_store_sync(struct dv_store *s, struct dv_err *err)
{
    return dv_store_ops(s)->sync(s->backend, err);
}

int dv_store_stamp(struct dv_store *s, uint64_t *stamp, struct dv_err *err)
{
    return dv_store_ops(s)->stamp(s->backend, stamp, err);
}

int dv_store_compact(struct dv_store *s, const struct dv_compact_options *opt, struct dv_err *err)
{
    static const struct dv_compact_options defaults;
    int rc;

    if (s->read_only)
        return dv_err_set(err, DV_EREADONLY, "the database is open for reading only");
    rc = dv_store_ops(s)->compact(s->backend, opt ? opt : &defaults, err);
    return rc < 0 ? dv_err_wrap(err, rc, "compact %s", s->path) : 0;
}

int dv_store_check(struct dv_store *s, bool deep, dv_check_fn *fn, void *arg,
                   struct dv_check_result *result, struct dv_err *err)
{
    struct dv_check_result found = { .findings = 0 };
    int rc = dv_store_ops(s)->check(s->backend, deep, fn, arg, &found, err);

    if (rc < 0)
        return dv_err_wrap(err, rc, "check %s", s->path);
    *result = found;
    return 0;
}
