/* See simworld.h. Lists are short in tests: timers stand in an unsorted list. */
#include "lib/simworld.h"

#include <stdlib.h>

#include "base/mem.h"

struct sim_timer {
    struct dv_timer *timer; /* borrowed */
    int64_t due_ms;
    uint64_t order; /* of starts: equal times fire in it */
    struct sim_timer *next;
};

struct sim_work {
    struct dv_work *work; /* borrowed */
    bool ran;
    struct sim_work *next;
};

struct sim {
    struct dv_world world; /* first */
    struct dv_rng rng;
    int64_t now, wall_offset;
    uint64_t steps, max_steps, starts;
    int64_t max_ms;
    bool stopped;
    int holds;
    struct dv_task *head, **tail;
    struct sim_timer *timers;
    struct sim_work *works;
    bool (*hook)(void *arg, uint64_t step);
    void *hook_arg;
};

static struct sim *self(struct dv_world *w)
{
    return (struct sim *)w;
}

static int64_t now_ms(struct dv_world *w)
{
    return self(w)->now;
}

static int64_t wall_ms(struct dv_world *w)
{
    return self(w)->now + self(w)->wall_offset;
}

static uint64_t random_number(struct dv_world *w)
{
    return dv_rng_next(&self(w)->rng);
}

static int timer_init(struct dv_world *w, struct dv_timer *t, struct dv_err *err)
{
    struct sim_timer *st = dv_calloc(1, sizeof(*st));

    if (!st)
        return dv_err_set(err, DV_ENOMEM, NULL);
    st->timer = t;
    st->next = self(w)->timers;
    self(w)->timers = st;
    t->impl = st;
    return 0;
}

static void timer_start(struct dv_world *w, struct dv_timer *t, int64_t ms)
{
    struct sim_timer *st = t->impl;

    st->due_ms = self(w)->now + ms;
    st->order = self(w)->starts++;
    t->armed = true;
}

static void timer_stop(struct dv_world *w, struct dv_timer *t)
{
    (void)w;
    t->armed = false;
}

static void timer_fini(struct dv_world *w, struct dv_timer *t)
{
    struct sim_timer **link = &self(w)->timers;

    while (*link != t->impl)
        link = &(*link)->next;
    *link = (*link)->next;
    dv_free(t->impl);
    t->impl = NULL;
}

static void post(struct dv_world *w, struct dv_task *task)
{
    if (task->queued)
        return;
    task->queued = true;
    task->next = NULL;
    *self(w)->tail = task;
    self(w)->tail = &task->next;
}

static void unpost(struct dv_world *w, struct dv_task *task)
{
    struct dv_task **link = &self(w)->head;

    while (*link != task)
        link = &(*link)->next;
    *link = task->next;
    if (!*link)
        self(w)->tail = link;
    task->queued = false;
}

static int submit(struct dv_world *w, struct dv_work *work, struct dv_err *err)
{
    struct sim_work *sw = dv_calloc(1, sizeof(*sw));

    if (!sw)
        return dv_err_set(err, DV_ENOMEM, NULL);
    sw->work = work;
    sw->next = self(w)->works;
    self(w)->works = sw;
    return 0;
}

static void hold(struct dv_world *w, int by)
{
    self(w)->holds += by;
}

static void run_task(struct sim *s)
{
    struct dv_task *task = s->head;

    s->head = task->next;
    if (!s->head)
        s->tail = &s->head;
    task->queued = false;
    task->fn(task->arg);
}

/* The first pick of a work runs it, the second delivers its completion. */
static void step_work(struct sim *s, size_t index)
{
    struct sim_work **link = &s->works, *sw;
    struct dv_work *work;

    while (index-- > 0)
        link = &(*link)->next;
    sw = *link;
    if (!sw->ran) {
        sw->ran = true;
        sw->work->run(sw->work->arg);
        return;
    }
    work = sw->work;
    *link = sw->next;
    dv_free(sw);
    work->done(work->arg);
}

static bool fire_next_timer(struct sim *s)
{
    struct sim_timer *first = NULL;

    for (struct sim_timer *t = s->timers; t; t = t->next)
        if (t->timer->armed && (!first || t->due_ms < first->due_ms ||
                                (t->due_ms == first->due_ms && t->order < first->order)))
            first = t;
    if (!first)
        return false;
    if (first->due_ms > s->now)
        s->now = first->due_ms;
    first->timer->armed = false;
    first->timer->fn(first->timer->arg);
    return true;
}

static bool step(struct sim *s)
{
    size_t works = 0, pick;

    for (struct sim_work *w = s->works; w; w = w->next)
        works++;
    if (works == 0 && !s->head)
        return fire_next_timer(s);
    pick = (size_t)dv_rng_below(&s->rng, works + (s->head ? 1 : 0));
    if (pick == works)
        run_task(s);
    else
        step_work(s, pick);
    return true;
}

static int run(struct dv_world *w, struct dv_err *err)
{
    struct sim *s = self(w);

    s->stopped = false;
    while (!s->stopped) {
        if (s->hook && s->hook(s->hook_arg, s->steps))
            return 0;
        if ((s->max_steps && s->steps >= s->max_steps) || (s->max_ms && s->now >= s->max_ms))
            return dv_err_set(err, DV_ETIMEOUT, "nothing ended it after %llu steps, %lld ms",
                              (unsigned long long)s->steps, (long long)s->now);
        s->steps++;
        if (!step(s))
            return s->holds ? dv_err_set(err, DV_ETIMEOUT, "held, but nothing will wake it") : 0;
    }
    return 0;
}

static void stop(struct dv_world *w)
{
    self(w)->stopped = true;
}

static void *no_loop(struct dv_world *w)
{
    (void)w;
    return NULL;
}

static void free_sim(struct dv_world *w)
{
    struct sim *s = self(w);

    while (s->works) {
        struct sim_work *next = s->works->next;

        dv_free(s->works);
        s->works = next;
    }
    while (s->timers) {
        struct sim_timer *next = s->timers->next;

        dv_free(s->timers);
        s->timers = next;
    }
    dv_free(s);
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
    .wake = post, /* one thread */
    .unpost = unpost,
    .hold = hold,
    .run = run,
    .stop = stop,
    .loop = no_loop,
    .free = free_sim,
};

struct dv_world *simworld_new(uint64_t seed)
{
    struct sim *s = calloc(1, sizeof(*s));

    if (!s)
        abort();
    s->world.ops = &ops;
    s->tail = &s->head;
    s->wall_offset = 1700000000000;
    dv_rng_seed(&s->rng, seed);
    return &s->world;
}

void simworld_limit(struct dv_world *w, uint64_t steps, int64_t virtual_ms)
{
    self(w)->max_steps = steps;
    self(w)->max_ms = virtual_ms;
}

uint64_t simworld_steps(struct dv_world *w)
{
    return self(w)->steps;
}

void simworld_jump_wall(struct dv_world *w, int64_t ms)
{
    self(w)->wall_offset += ms;
}

void simworld_set_step_hook(struct dv_world *w, bool (*stop_fn)(void *arg, uint64_t step),
                            void *arg)
{
    self(w)->hook = stop_fn;
    self(w)->hook_arg = arg;
}
