/* The write queue of one database. States: idle (nothing queued, not at the pool) -> scheduled (at
 * the pool or running) -> idle. One task of a strand exists at a time, so writes are answered in
 * the order in which they were taken. Everything it needs is allocated when it is made: an accepted
 * write cannot fail for want of memory here. */
#include "database/strand.h"

#include <pthread.h>

#include "base/mem.h"

/* Measured with 400-byte documents on a file: groups of 10 000 reach the ceiling of SQLite; larger
 * ones only hold the write lock longer. With larger documents the bytes end a group, and bound what
 * one transaction writes into the log. */
enum { MAX_BATCHES = 32, MAX_DOCS = 10000, MAX_BYTES = 12 * 1024 * 1024 };

struct load {
    size_t docs, bytes;
};

struct job {
    struct dv_batch *batch; /* owned until done() */
    enum dv_commit commit;
    dv_strand_fn *done;
    void *arg;
};

struct dv_strand {
    struct dv_task task;    /* first: the pool hands it back */
    struct dv_pool *pool;   /* borrowed */
    struct dv_database *db; /* borrowed */
    pthread_mutex_t lock;
    pthread_cond_t moved; /* room was made, or the strand became idle */
    struct job *ring;     /* owned */
    size_t max, first, count;
    struct load limit;
    struct load queued;
    uint64_t taken, answered; /* batches since the beginning */
    bool scheduled;
    struct job *group; /* owned; the running ones, up to max; of the running task alone */
    struct dv_batch **batches;
};

static struct load with_batch(struct load load, const struct dv_batch *batch)
{
    return (struct load){ load.docs + dv_batch_size(batch), load.bytes + dv_batch_bytes(batch) };
}

static bool is_within(struct load load, struct load limit)
{
    return load.docs <= limit.docs && load.bytes <= limit.bytes;
}

/* Take what one transaction should hold: at least one batch. */
static size_t take_group(struct dv_strand *s, enum dv_commit *commit)
{
    struct load taken = { 0, 0 };
    size_t n = 0;

    *commit = DV_COMMIT_LAZY;
    while (s->count > 0) {
        struct job *job = &s->ring[s->first];
        struct load more = with_batch(taken, job->batch);

        if (n > 0 && !is_within(more, s->limit))
            break;
        taken = more;
        if (job->commit == DV_COMMIT_DURABLE)
            *commit = DV_COMMIT_DURABLE;
        s->group[n] = *job;
        s->batches[n++] = job->batch;
        s->first = (s->first + 1) % s->max;
        s->count--;
    }
    s->queued.docs -= taken.docs;
    s->queued.bytes -= taken.bytes;
    return n;
}

static void answer(struct job *job, int code, const struct dv_err *err)
{
    job->done(job->arg, job->batch, code, err);
}

/* One transaction for all. When it fails each has its own, so that a batch pays for itself
 * only. When the barrier alone fails, who asked for it is told: edits made a second time would meet
 * themselves as conflicts. */
static void store_group(struct dv_strand *s, size_t n, enum dv_commit commit)
{
    struct dv_err err;
    bool stored;
    int code;

    dv_err_clear(&err);
    code = dv_database_apply(s->db, s->batches, n, DV_COMMIT_LAZY, &err);
    stored = code == 0;
    if (stored && commit == DV_COMMIT_DURABLE)
        code = dv_database_sync(s->db, &err);
    for (size_t i = 0; i < n; i++) {
        if (stored || n == 1) {
            bool lazy = stored && s->group[i].commit == DV_COMMIT_LAZY;

            answer(&s->group[i], lazy ? 0 : code, &err);
            continue;
        }
        dv_err_clear(&err);
        answer(&s->group[i], dv_database_apply(s->db, &s->batches[i], 1, commit, &err), &err);
    }
}

static void run(struct dv_task *task)
{
    struct dv_strand *s = (struct dv_strand *)task;
    enum dv_commit commit;
    bool more;
    size_t n;

    pthread_mutex_lock(&s->lock);
    n = take_group(s, &commit);
    pthread_cond_broadcast(&s->moved);
    pthread_mutex_unlock(&s->lock);

    store_group(s, n, commit);

    pthread_mutex_lock(&s->lock);
    s->answered += n;
    more = s->count > 0;
    s->scheduled = more;
    pthread_cond_broadcast(&s->moved);
    pthread_mutex_unlock(&s->lock);
    if (more) /* behind the other strands: still ours, nobody frees a scheduled strand */
        dv_pool_submit(s->pool, &s->task);
}

static void destroy(struct dv_strand *s)
{
    pthread_cond_destroy(&s->moved);
    pthread_mutex_destroy(&s->lock);
    dv_free(s->ring);
    dv_free(s->group);
    dv_free(s->batches);
    dv_free(s);
}

int dv_strand_new(struct dv_pool *pool, struct dv_database *db, const struct dv_strand_options *opt,
                  struct dv_strand **strand, struct dv_err *err)
{
    struct dv_strand *s = dv_calloc(1, sizeof(*s));

    if (!s)
        return dv_err_set(err, DV_ENOMEM, "a write queue");
    s->task.run = run;
    s->pool = pool;
    s->db = db;
    s->max = opt && opt->max_batches ? opt->max_batches : MAX_BATCHES;
    s->limit.docs = opt && opt->max_docs ? opt->max_docs : MAX_DOCS;
    s->limit.bytes = opt && opt->max_bytes ? opt->max_bytes : MAX_BYTES;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->moved, NULL);
    s->ring = dv_calloc(s->max, sizeof(s->ring[0]));
    s->group = dv_calloc(s->max, sizeof(s->group[0]));
    s->batches = dv_calloc(s->max, sizeof(struct dv_batch *));
    if (!s->ring || !s->group || !s->batches) {
        destroy(s);
        return dv_err_set(err, DV_ENOMEM, "a write queue of %zu batches",
                          opt ? opt->max_batches : 0);
    }
    *strand = s;
    return 0;
}

void dv_strand_free(struct dv_strand *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    while (s->scheduled)
        pthread_cond_wait(&s->moved, &s->lock);
    pthread_mutex_unlock(&s->lock);
    destroy(s);
}

/* What fits one transaction may wait, however it is cut into batches: with those being written that
 * bounds the memory. */
static bool is_full(const struct dv_strand *s, const struct dv_batch *batch)
{
    return s->count == s->max ||
           (s->count > 0 && !is_within(with_batch(s->queued, batch), s->limit));
}

static int submit(struct dv_strand *s, struct job job, bool wait, struct dv_err *err)
{
    bool schedule;

    pthread_mutex_lock(&s->lock);
    while (wait && is_full(s, job.batch))
        pthread_cond_wait(&s->moved, &s->lock);
    if (is_full(s, job.batch)) {
        pthread_mutex_unlock(&s->lock);
        return dv_err_set(err, DV_EBUSY, "the write queue is full");
    }
    s->queued = with_batch(s->queued, job.batch);
    s->ring[(s->first + s->count++) % s->max] = job;
    s->taken++;
    schedule = !s->scheduled;
    s->scheduled = true;
    pthread_mutex_unlock(&s->lock);
    if (schedule)
        dv_pool_submit(s->pool, &s->task);
    return 0;
}

int dv_strand_submit(struct dv_strand *s, struct dv_batch *batch, enum dv_commit commit,
                     dv_strand_fn *done, void *arg, struct dv_err *err)
{
    return submit(s, (struct job){ batch, commit, done, arg }, false, err);
}

int dv_strand_submit_wait(struct dv_strand *s, struct dv_batch *batch, enum dv_commit commit,
                          dv_strand_fn *done, void *arg, struct dv_err *err)
{
    return submit(s, (struct job){ batch, commit, done, arg }, true, err);
}

void dv_strand_drain(struct dv_strand *s)
{
    uint64_t target;

    pthread_mutex_lock(&s->lock);
    target = s->taken;
    while (s->answered < target)
        pthread_cond_wait(&s->moved, &s->lock);
    pthread_mutex_unlock(&s->lock);
}
