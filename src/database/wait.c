/* Waiting for a change: commits of this process wake at once; those of others are seen by looking
 * at the engine's stamp (shared memory, no disk) every POLL_MS. */
#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "database/internal.h"

/* HOUSE.md promises 200 ms; half of it leaves room for a busy machine. */
enum { POLL_MS = 100 };

void dv_database_notify(struct dv_database *db)
{
    pthread_mutex_lock(&db->lock);
    db->commits++;
    pthread_cond_broadcast(&db->moved);
    dv_database_tell_watches(db);
    pthread_mutex_unlock(&db->lock);
}

void dv_database_wake(struct dv_database *db)
{
    pthread_mutex_lock(&db->lock);
    db->wakes++;
    pthread_cond_broadcast(&db->moved);
    pthread_mutex_unlock(&db->lock);
}

static struct timespec moment(int64_t ms)
{
    return (struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
}

struct waiter {
    uint64_t commits, wakes; /* as they were */
    uint64_t stamp;
};

enum wake { WAKE_COMMIT, WAKE_CALLED, WAKE_TIME };

/* Sleep until one of them moves or the time has come. */
static enum wake sleep_until(struct dv_database *db, const struct waiter *w, int64_t until_ms)
{
    struct timespec until = moment(until_ms);
    enum wake wake = WAKE_TIME;
    int code = 0;

    pthread_mutex_lock(&db->lock);
    while (db->commits == w->commits && db->wakes == w->wakes && code != ETIMEDOUT)
        code = pthread_cond_timedwait(&db->moved, &db->lock, &until);
    if (db->wakes != w->wakes)
        wake = WAKE_CALLED;
    else if (db->commits != w->commits)
        wake = WAKE_COMMIT;
    pthread_mutex_unlock(&db->lock);
    return wake;
}

/* Look, then sleep until something was committed. The counters are read before looking, so that a
 * commit in between is not slept through. 1: above since; 0: look again; 2: give up. */
static int look_and_sleep(struct dv_database *db, struct waiter *w, uint64_t since,
                          int64_t deadline_ms, struct dv_err *err)
{
    struct dv_props props;
    int code;

    pthread_mutex_lock(&db->lock);
    w->commits = db->commits;
    pthread_mutex_unlock(&db->lock);
    code = dv_store_stamp(db->store, &w->stamp, err);
    if (code == 0)
        code = dv_database_props(db, &props, err);
    if (code < 0)
        return code;
    if (props.update_seq > since)
        return 1;
    for (;;) {
        int64_t now = dv_clock_monotonic_ms();
        int64_t until = deadline_ms;
        uint64_t stamp;

        if (db->shared && until - now > POLL_MS)
            until = now + POLL_MS;
        switch (sleep_until(db, w, until)) {
        case WAKE_COMMIT:
            return 0;
        case WAKE_CALLED:
            return 2;
        case WAKE_TIME:
            break;
        }
        code = dv_store_stamp(db->store, &stamp, err);
        if (code < 0)
            return code;
        if (stamp != w->stamp)
            return 0;
        if (dv_clock_monotonic_ms() >= deadline_ms)
            return 2;
    }
}

int dv_database_wait(struct dv_database *db, uint64_t since, int64_t timeout_ms, bool *changed,
                     struct dv_err *err)
{
    int64_t now = dv_clock_monotonic_ms();
    int64_t deadline = timeout_ms > INT64_MAX / 2 ? INT64_MAX / 2 : now + timeout_ms;
    struct waiter w;
    int code;

    pthread_mutex_lock(&db->lock);
    w.wakes = db->wakes;
    pthread_mutex_unlock(&db->lock);
    while ((code = look_and_sleep(db, &w, since, deadline, err)) == 0)
        ;
    if (code < 0)
        return code;
    *changed = code == 1;
    return 0;
}
