/* A fixed set of threads and one queue of tasks. Tasks are linked through themselves, so that
 * submitting never allocates and never fails. */
#include <pthread.h>

#include "base/mem.h"
#include "database/strand.h"

struct dv_pool {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct dv_task *first, *last; /* borrowed: their owners wait until they have run */
    bool stopping;
    unsigned n_threads;
    pthread_t threads[];
};

static struct dv_task *next_task(struct dv_pool *pool)
{
    struct dv_task *task;

    pthread_mutex_lock(&pool->lock);
    while (!pool->first && !pool->stopping)
        pthread_cond_wait(&pool->work, &pool->lock);
    task = pool->first;
    if (task) {
        pool->first = task->next;
        if (!pool->first)
            pool->last = NULL;
    }
    pthread_mutex_unlock(&pool->lock);
    return task;
}

static void *work(void *arg)
{
    struct dv_pool *pool = arg;

    for (struct dv_task *task; (task = next_task(pool));)
        task->run(task);
    return NULL;
}

static void stop(struct dv_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->n_threads; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    dv_free(pool);
}

int dv_pool_new(unsigned threads, struct dv_pool **pool, struct dv_err *err)
{
    struct dv_pool *p = dv_calloc(1, sizeof(*p) + threads * sizeof(p->threads[0]));

    if (!p)
        return dv_err_set(err, DV_ENOMEM, "a pool of %u threads", threads);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    for (; p->n_threads < threads; p->n_threads++) {
        int code = pthread_create(&p->threads[p->n_threads], NULL, work, p);

        if (code != 0) {
            stop(p);
            return dv_err_errno(err, code, "start thread %u of a pool", threads);
        }
    }
    *pool = p;
    return 0;
}

void dv_pool_free(struct dv_pool *pool)
{
    if (pool)
        stop(pool);
}

void dv_pool_submit(struct dv_pool *pool, struct dv_task *task)
{
    task->next = NULL;
    pthread_mutex_lock(&pool->lock);
    if (pool->last)
        pool->last->next = task;
    else
        pool->first = task;
    pool->last = task;
    pthread_cond_signal(&pool->work);
    pthread_mutex_unlock(&pool->lock);
}
