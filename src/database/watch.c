/* Watching databases without a thread for each: commits of this process tell the watchers of their
 * database at once; one thread for the whole process looks at the stamps of watched databases
 * that other processes may write to.
 *
 * Locks, in this order: life (who starts and stops the thread; held by watch and stop alone),
 * notifier .lock (the list that the thread walks), database.lock (the list that a commit walks). A
 * watcher is called under one of the latter two and is in neither list when stop returns. */
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "database/internal.h"

enum { POLL_MS = 100 };

struct dv_watch {
    struct dv_database *db; /* borrowed */
    dv_watch_fn *fn;
    void *arg;
    uint64_t stamp;               /* as last seen by the thread */
    struct dv_watch *next;        /* in the database's list */
    struct dv_watch *polled_next; /* in the notifier's, when the database is shared */
};

static pthread_mutex_t life = PTHREAD_MUTEX_INITIALIZER;

static struct {
    pthread_mutex_t lock;
    pthread_cond_t stopped;
    struct dv_watch *first;
    bool stop;
    pthread_t thread;
} notifier = { .lock = PTHREAD_MUTEX_INITIALIZER, .stopped = PTHREAD_COND_INITIALIZER };

/* A stamp that cannot be read is a change too: whoever looks will find out why. */
static void poll_one(struct dv_watch *w)
{
    uint64_t stamp = w->stamp + 1;

    if (dv_store_stamp(w->db->store, &stamp, NULL) == 0 && stamp == w->stamp)
        return;
    w->stamp = stamp;
    w->fn(w->arg);
}

static void *run_notifier(void *arg)
{
    pthread_mutex_lock(&notifier.lock);
    while (!notifier.stop) {
        struct timespec until;

        for (struct dv_watch *w = notifier.first; w; w = w->polled_next)
            poll_one(w);
        clock_gettime(CLOCK_MONOTONIC, &until); /* a clock set back must not stop the looking */
        until.tv_nsec += POLL_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        pthread_cond_clockwait(&notifier.stopped, &notifier.lock, CLOCK_MONOTONIC, &until);
    }
    pthread_mutex_unlock(&notifier.lock);
    return arg;
}

/* Under life. */
static int poll_watch(struct dv_watch *w, struct dv_err *err)
{
    bool first;
    int code;

    pthread_mutex_lock(&notifier.lock);
    first = !notifier.first;
    w->polled_next = notifier.first;
    notifier.first = w;
    notifier.stop = false;
    pthread_mutex_unlock(&notifier.lock);
    if (!first)
        return 0;
    code = pthread_create(&notifier.thread, NULL, run_notifier, NULL);
    if (code == 0)
        return 0;
    notifier.first = NULL;
    return dv_err_errno(err, code, "start the thread that watches databases");
}

/* Under life. */
static void unpoll_watch(struct dv_watch *w)
{
    struct dv_watch **place = &notifier.first;
    bool last;

    pthread_mutex_lock(&notifier.lock);
    while (*place && *place != w)
        place = &(*place)->polled_next;
    if (*place)
        *place = w->polled_next;
    last = !notifier.first;
    notifier.stop = last;
    pthread_cond_signal(&notifier.stopped);
    pthread_mutex_unlock(&notifier.lock);
    if (last)
        pthread_join(notifier.thread, NULL);
}

int dv_database_watch(struct dv_database *db, dv_watch_fn *fn, void *arg, struct dv_watch **watch,
                      struct dv_err *err)
{
    struct dv_watch *w = dv_calloc(1, sizeof(*w));
    int code;

    if (!w)
        return dv_err_set(err, DV_ENOMEM, "a watch");
    w->db = db;
    w->fn = fn;
    w->arg = arg;
    code = dv_store_stamp(db->store, &w->stamp, err);
    if (code == 0 && db->shared) {
        pthread_mutex_lock(&life);
        code = poll_watch(w, err);
        pthread_mutex_unlock(&life);
    }
    if (code < 0) {
        dv_free(w);
        return code;
    }
    pthread_mutex_lock(&db->lock);
    w->next = db->watches;
    db->watches = w;
    pthread_mutex_unlock(&db->lock);
    *watch = w;
    return 0;
}

void dv_watch_stop(struct dv_watch *w)
{
    struct dv_watch **place;

    if (!w)
        return;
    if (w->db->shared) {
        pthread_mutex_lock(&life);
        unpoll_watch(w);
        pthread_mutex_unlock(&life);
    }
    pthread_mutex_lock(&w->db->lock);
    place = &w->db->watches;
    while (*place && *place != w)
        place = &(*place)->next;
    if (*place)
        *place = w->next;
    pthread_mutex_unlock(&w->db->lock);
    dv_free(w);
}

void dv_database_tell_watches(struct dv_database *db)
{
    for (struct dv_watch *w = db->watches; w; w = w->next)
        w->fn(w->arg);
}
