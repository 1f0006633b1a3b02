/* Everything that makes time and order: clocks, timers, randomness, the next turn of the loop, and
 * work handed to threads. The core (peer, replicate, schedule) knows only this; libuv stands
 * behind it in production (world_uv.c), virtual time and a seeded order in tests
 * (tests/lib/simworld.h), so that a run is reproducible from its seed.
 *
 * Threads: one loop thread. Every call here and every callback is on it, except dv_work.run
 * (on a worker thread) and dv_world_wake (any thread). */
#ifndef DV_BASE_WORLD_H
#define DV_BASE_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct dv_world;
struct dv_timer;
struct dv_work;
struct dv_task;

/* All structs below are the caller's (embed them); they must stay where they are while armed,
 * queued or under way. */

/* Fires once, `ms` after start. Starting an armed timer moves it. stop is fine at any time: fn does
 * not run after it. */
struct dv_timer {
    struct dv_world *world;
    void (*fn)(void *arg);
    void *arg;
    bool armed;
    void *impl; /* the world's */
};

/* Runs fn on the loop in a later turn, in the order posted. */
struct dv_task {
    void (*fn)(void *arg);
    void *arg;
    bool queued;
    struct dv_task *next; /* the world's */
};

/* run() on a worker thread, then done() on the loop thread, each exactly once. Bounded: submit
 * answers DV_EBUSY when the queue is full; nothing was taken. */
struct dv_work {
    void (*run)(void *arg);
    void (*done)(void *arg);
    void *arg;
    void *impl;
};

struct dv_world_ops {
    int64_t (*now_ms)(struct dv_world *w);  /* monotonic */
    int64_t (*wall_ms)(struct dv_world *w); /* since 1970 UTC; may jump */
    uint64_t (*random)(struct dv_world *w);
    int (*timer_init)(struct dv_world *w, struct dv_timer *t, struct dv_err *err);
    void (*timer_start)(struct dv_world *w, struct dv_timer *t, int64_t ms);
    void (*timer_stop)(struct dv_world *w, struct dv_timer *t);
    void (*timer_fini)(struct dv_world *w, struct dv_timer *t);
    void (*post)(struct dv_world *w, struct dv_task *task);
    int (*submit)(struct dv_world *w, struct dv_work *work, struct dv_err *err);
    void (*wake)(struct dv_world *w, struct dv_task *task); /* post from any thread */
    void (*unpost)(struct dv_world *w, struct dv_task *task);
    void (*hold)(struct dv_world *w, int by);
    int (*run)(struct dv_world *w, struct dv_err *err); /* until stopped or nothing is left */
    void (*stop)(struct dv_world *w);
    void *(*loop)(struct dv_world *w); /* uv_loop_t of the production world, else NULL */
    void (*free)(struct dv_world *w);
};

/* First member of every world. */
struct dv_world {
    const struct dv_world_ops *ops;
};

static inline int64_t dv_world_now_ms(struct dv_world *w)
{
    return w->ops->now_ms(w);
}

static inline int64_t dv_world_wall_ms(struct dv_world *w)
{
    return w->ops->wall_ms(w);
}

static inline uint64_t dv_world_random(struct dv_world *w)
{
    return w->ops->random(w);
}

/* fini stops it; init can fail (memory). */
int dv_timer_init(struct dv_timer *t, struct dv_world *w, void (*fn)(void *arg), void *arg,
                  struct dv_err *err);
void dv_timer_start(struct dv_timer *t, int64_t ms); /* ms < 0 counts as 0 */
void dv_timer_stop(struct dv_timer *t);
void dv_timer_fini(struct dv_timer *t);

void dv_task_init(struct dv_task *task, void (*fn)(void *arg), void *arg);
void dv_world_post(struct dv_world *w, struct dv_task *task); /* queued already: nothing happens */
void dv_world_wake(struct dv_world *w, struct dv_task *task);
/* It does not run any more. On the loop thread; nobody wakes it meanwhile. */
void dv_world_unpost(struct dv_world *w, struct dv_task *task);
int dv_world_submit(struct dv_world *w, struct dv_work *work, struct dv_err *err);
/* run() goes on while something outside (another thread's work) will wake it: +1 before, -1 after.
 */
void dv_world_hold(struct dv_world *w, int by);
int dv_world_run(struct dv_world *w, struct dv_err *err);
void dv_world_stop(struct dv_world *w);
void dv_world_free(struct dv_world *w);

/* Production: libuv. threads: of the worker pool (0: one per core, at least 2). */
int dv_world_uv_new(unsigned threads, struct dv_world **w, struct dv_err *err);

#endif
