/* The calls that are the same in every world. */
#include "base/world.h"

#include <string.h>

int dv_timer_init(struct dv_timer *t, struct dv_world *w, void (*fn)(void *arg), void *arg,
                  struct dv_err *err)
{
    memset(t, 0, sizeof(*t));
    t->world = w;
    t->fn = fn;
    t->arg = arg;
    return w->ops->timer_init(w, t, err);
}

void dv_timer_start(struct dv_timer *t, int64_t ms)
{
    t->world->ops->timer_start(t->world, t, ms < 0 ? 0 : ms);
}

void dv_timer_stop(struct dv_timer *t)
{
    if (t->armed)
        t->world->ops->timer_stop(t->world, t);
}

void dv_timer_fini(struct dv_timer *t)
{
    if (!t->world)
        return;
    dv_timer_stop(t);
    t->world->ops->timer_fini(t->world, t);
    t->world = NULL;
}

void dv_task_init(struct dv_task *task, void (*fn)(void *arg), void *arg)
{
    memset(task, 0, sizeof(*task));
    task->fn = fn;
    task->arg = arg;
}

void dv_world_post(struct dv_world *w, struct dv_task *task)
{
    w->ops->post(w, task);
}

void dv_world_wake(struct dv_world *w, struct dv_task *task)
{
    w->ops->wake(w, task);
}

int dv_world_submit(struct dv_world *w, struct dv_work *work, struct dv_err *err)
{
    return w->ops->submit(w, work, err);
}

void dv_world_unpost(struct dv_world *w, struct dv_task *task)
{
    if (task->queued)
        w->ops->unpost(w, task);
}

void dv_world_hold(struct dv_world *w, int by)
{
    w->ops->hold(w, by);
}

int dv_world_run(struct dv_world *w, struct dv_err *err)
{
    return w->ops->run(w, err);
}

void dv_world_stop(struct dv_world *w)
{
    w->ops->stop(w);
}

void dv_world_free(struct dv_world *w)
{
    if (w)
        w->ops->free(w);
}
