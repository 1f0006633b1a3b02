/* The production world: one libuv loop, its thread pool, the system's clocks.
 *
 * Tasks go through one queue drained by a uv_async handle, so that posting from any thread and from
 * the loop is the same path and keeps its order. The loop ends when it is stopped or when nothing
 * is left: the async handle counts only while a task was posted on the loop or somebody holds. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rand.h"
#include "base/world.h"

enum { MAX_WORKS = 4096 };

struct world_uv {
    struct dv_world world; /* first */
    uv_loop_t loop;
    uv_async_t async;
    pthread_mutex_t lock; /* over the queue and `queued` of its tasks */
    struct dv_task *head, **tail;
    struct dv_task *turn; /* taken from the queue for this turn */
    unsigned works;       /* under way; loop thread only */
    int holds;            /* loop thread only */
};

struct uv_work {
    uv_work_t req;
    struct dv_work *work; /* borrowed */
    struct world_uv *world;
};

static struct world_uv *self(struct dv_world *w)
{
    return (struct world_uv *)w;
}

static int64_t now_ms(struct dv_world *w)
{
    (void)w;
    return dv_clock_monotonic_ms();
}

static int64_t wall_ms(struct dv_world *w)
{
    (void)w;
    return dv_clock_wall_ms();
}

static uint64_t random_number(struct dv_world *w)
{
    uint64_t x;

    (void)w;
    dv_rand_bytes(&x, sizeof(x));
    return x;
}

static void on_timer(uv_timer_t *h)
{
    struct dv_timer *t = h->data;

    t->armed = false;
    t->fn(t->arg);
}

static int timer_init(struct dv_world *w, struct dv_timer *t, struct dv_err *err)
{
    uv_timer_t *h = dv_malloc(sizeof(*h));

    if (!h)
        return dv_err_set(err, DV_ENOMEM, NULL);
    uv_timer_init(&self(w)->loop, h); /* never fails */
    h->data = t;
    t->impl = h;
    return 0;
}

static void timer_start(struct dv_world *w, struct dv_timer *t, int64_t ms)
{
    /* The loop's idea of now may be old after a long callback: a timer must not fire early. */
    uv_update_time(&self(w)->loop);
    uv_timer_start(t->impl, on_timer, (uint64_t)ms, 0);
    t->armed = true;
}

static void timer_stop(struct dv_world *w, struct dv_timer *t)
{
    (void)w;
    uv_timer_stop(t->impl);
    t->armed = false;
}

static void free_handle(uv_handle_t *h)
{
    dv_free(h);
}

static void timer_fini(struct dv_world *w, struct dv_timer *t)
{
    (void)w;
    uv_close(t->impl, free_handle);
    t->impl = NULL;
}

/* A turn runs what was queued when it began; what is posted meanwhile waits for the next. */
static void on_async(uv_async_t *h)
{
    struct world_uv *w = h->data;
    struct dv_task *task;

    pthread_mutex_lock(&w->lock);
    w->turn = w->head;
    w->head = NULL;
    w->tail = &w->head;
    if (w->holds == 0)
        uv_unref((uv_handle_t *)h);
    while ((task = w->turn)) {
        w->turn = task->next;
        task->queued = false; /* from here on it may be posted again, or freed by fn */
        pthread_mutex_unlock(&w->lock);
        task->fn(task->arg);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
}

static bool unlink_task(struct dv_task **link, struct dv_task *task)
{
    while (*link && *link != task)
        link = &(*link)->next;
    if (!*link)
        return false;
    *link = task->next;
    return true;
}

static void unpost(struct dv_world *world, struct dv_task *task)
{
    struct world_uv *w = (struct world_uv *)world;

    pthread_mutex_lock(&w->lock);
    if (!unlink_task(&w->turn, task) && unlink_task(&w->head, task))
        for (w->tail = &w->head; *w->tail;)
            w->tail = &(*w->tail)->next;
    task->queued = false;
    pthread_mutex_unlock(&w->lock);
}

static bool enqueue(struct world_uv *w, struct dv_task *task)
{
    bool fresh;

    pthread_mutex_lock(&w->lock);
    fresh = !task->queued;
    if (fresh) {
        task->queued = true;
        task->next = NULL;
        *w->tail = task;
        w->tail = &task->next;
    }
    pthread_mutex_unlock(&w->lock);
    return fresh;
}

static void wake(struct dv_world *w, struct dv_task *task)
{
    if (enqueue(self(w), task))
        uv_async_send(&self(w)->async);
}

static void post(struct dv_world *w, struct dv_task *task)
{
    wake(w, task);
    uv_ref((uv_handle_t *)&self(w)->async); /* the loop stays for it */
}

static void hold(struct dv_world *w, int by)
{
    struct world_uv *u = self(w);

    u->holds += by;
    if (u->holds > 0)
        uv_ref((uv_handle_t *)&u->async);
    else
        uv_async_send(&u->async); /* its turn takes the reference back */
}

static void run_work(uv_work_t *req)
{
    struct uv_work *u = req->data;

    u->work->run(u->work->arg);
}

static void work_done(uv_work_t *req, int status)
{
    struct uv_work *u = req->data;
    struct dv_work *work = u->work;

    (void)status; /* works are never cancelled: run() has run */
    u->world->works--;
    dv_free(u);
    work->impl = NULL;
    work->done(work->arg);
}

static int submit(struct dv_world *w, struct dv_work *work, struct dv_err *err)
{
    struct uv_work *u;

    if (self(w)->works >= MAX_WORKS)
        return dv_err_set(err, DV_EBUSY, "%d works are waiting for a thread", MAX_WORKS);
    u = dv_calloc(1, sizeof(*u));
    if (!u)
        return dv_err_set(err, DV_ENOMEM, NULL);
    u->req.data = u;
    u->work = work;
    u->world = self(w);
    work->impl = u;
    self(w)->works++;
    uv_queue_work(&self(w)->loop, &u->req, run_work, work_done); /* fails only without a callback */
    return 0;
}

static int run(struct dv_world *w, struct dv_err *err)
{
    (void)err;
    uv_run(&self(w)->loop, UV_RUN_DEFAULT);
    return 0;
}

static void stop(struct dv_world *w)
{
    uv_stop(&self(w)->loop);
}

static void *loop_of(struct dv_world *w)
{
    return &self(w)->loop;
}

static void free_world(struct dv_world *world)
{
    struct world_uv *w = self(world);

    uv_close((uv_handle_t *)&w->async, NULL);
    uv_run(&w->loop, UV_RUN_DEFAULT); /* lets the closings finish */
    uv_loop_close(&w->loop);
    pthread_mutex_destroy(&w->lock);
    dv_free(w);
}

static const struct dv_world_ops ops = {
    .now_ms = now_ms,
    .wall_ms = wall_ms,
    .random = random_number,
    .timer_init = timer_init,
    .timer_start = timer_start,
    .timer_stop = timer_stop,
    .timer_fini = timer_fini,
    .post = post,
    .submit = submit,
    .wake = wake,
    .unpost = unpost,
    .hold = hold,
    .run = run,
    .stop = stop,
    .loop = loop_of,
    .free = free_world,
};

/* libuv's pool is the process's; its size is read from the environment at the first work. */
static void size_pool(unsigned threads)
{
    char text[16];

    if (threads == 0)
        threads = uv_available_parallelism();
    if (threads < 2)
        threads = 2;
    snprintf(text, sizeof(text), "%u", threads);
    setenv("UV_THREADPOOL_SIZE", text, 0);
}

int dv_world_uv_new(unsigned threads, struct dv_world **world, struct dv_err *err)
{
    struct world_uv *w = dv_calloc(1, sizeof(*w));
    int rc;

    if (!w)
        return dv_err_set(err, DV_ENOMEM, NULL);
    size_pool(threads);
    rc = uv_loop_init(&w->loop);
    if (rc < 0)
        goto fail;
    rc = uv_async_init(&w->loop, &w->async, on_async);
    if (rc < 0)
        goto close_loop;
    w->async.data = w;
    uv_unref((uv_handle_t *)&w->async);
    pthread_mutex_init(&w->lock, NULL);
    w->tail = &w->head;
    w->world.ops = &ops;
    *world = &w->world;
    return 0;
close_loop:
    uv_loop_close(&w->loop);
fail:
    dv_free(w);
    return dv_err_errno(err, -rc, "start the event loop");
}
