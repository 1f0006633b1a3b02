/* See crashgate.h, and crashvfs.h for the calls of tests that concern it. */
#include "lib/crashgate.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned boot;
static uint64_t count, crash_at;
static bool stopped;
static unsigned left_out;
static uint64_t syncs[CRASH_SYNCS];
static uint64_t sync_at[CRASH_SYNCS][CRASH_SYNC_LOG];
static struct {
    enum crash_fail what;
    uint64_t left; /* operations it is about until it fires */
    bool sticky, fired;
} fault;
static int last_errno;

void crashgate_enter(void)
{
    pthread_mutex_lock(&lock);
}

int crashgate_leave(int rc)
{
    pthread_mutex_unlock(&lock);
    return rc;
}

static bool is_about(enum crash_fail what, enum crash_deed deed)
{
    switch (what) {
    case CRASH_FAIL_FULL:
        return deed == CRASH_DEED_CREATE || deed == CRASH_DEED_WRITE;
    case CRASH_FAIL_SHORT:
        return deed == CRASH_DEED_WRITE;
    case CRASH_FAIL_WRITE:
        return deed != CRASH_DEED_SYNC && deed != CRASH_DEED_READ;
    case CRASH_FAIL_SYNC:
    case CRASH_FAIL_LOSE:
        return deed == CRASH_DEED_SYNC;
    case CRASH_FAIL_READ:
        return deed == CRASH_DEED_READ;
    case CRASH_FAIL_NONE:
        break;
    }
    return false;
}

static enum crash_fail next_fault(enum crash_deed deed)
{
    if (!is_about(fault.what, deed) || (fault.fired && !fault.sticky))
        return CRASH_FAIL_NONE;
    if (fault.left > 0 && --fault.left > 0)
        return CRASH_FAIL_NONE;
    fault.fired = true;
    last_errno = fault.what == CRASH_FAIL_FULL || fault.what == CRASH_FAIL_SHORT ? ENOSPC : EIO;
    return fault.what;
}

bool crashgate_pass(enum crash_deed deed, enum crash_fail *fail)
{
    if (!stopped && deed != CRASH_DEED_READ && ++count == crash_at)
        stopped = true;
    if (stopped) {
        last_errno = EIO;
        return false;
    }
    *fail = next_fault(deed);
    return true;
}

bool crashgate_sync(enum crash_sync which)
{
    if (syncs[which] < CRASH_SYNC_LOG)
        sync_at[which][syncs[which]] = count;
    syncs[which]++;
    return !(left_out & 1u << which);
}

bool crashgate_is_stopped(void)
{
    return stopped;
}

bool crashgate_is_alive(unsigned of_boot)
{
    if (!stopped && of_boot == boot)
        return true;
    last_errno = EIO;
    return false;
}

unsigned crashgate_boot(void)
{
    return boot;
}

void crashgate_restart(void)
{
    boot++;
    count = 0;
    crash_at = 0;
    stopped = false;
    memset(&fault, 0, sizeof(fault));
}

void crashgate_forget_syncs(void)
{
    left_out = 0;
    memset(syncs, 0, sizeof(syncs));
}

void crashgate_set_errno(int e)
{
    last_errno = e;
}

int crashgate_errno(void)
{
    return last_errno;
}

/* ---- what tests call ------------------------------------------------------------------------ */

uint64_t crashvfs_count(void)
{
    uint64_t n;

    crashgate_enter();
    n = count;
    crashgate_leave(0);
    return n;
}

uint64_t crashvfs_syncs(enum crash_sync which)
{
    uint64_t n;

    crashgate_enter();
    n = syncs[which];
    crashgate_leave(0);
    return n;
}

uint64_t crashvfs_sync_at(enum crash_sync which, uint64_t k)
{
    uint64_t n;

    crashgate_enter();
    n = k < syncs[which] && k < CRASH_SYNC_LOG ? sync_at[which][k] : 0;
    crashgate_leave(0);
    return n;
}

const char *crashvfs_sync_name(enum crash_sync which)
{
    static const char *const names[CRASH_SYNCS] = {
        [CRASH_SYNC_BARRIER] = "log at a barrier",
        [CRASH_SYNC_LOG_HEAD] = "log after its new header",
        [CRASH_SYNC_CKPT_LOG] = "log before a checkpoint",
        [CRASH_SYNC_CKPT_DB] = "database after a checkpoint",
        [CRASH_SYNC_DB_1] = "database, first of its own",
        [CRASH_SYNC_DB_2] = "database, second of its own",
        [CRASH_SYNC_DB_3] = "database, third of its own",
        [CRASH_SYNC_DB_MORE] = "database, later of its own",
        [CRASH_SYNC_JOURNAL] = "rollback journal",
        [CRASH_SYNC_LOG_NAME] = "folder after the log's first",
        [CRASH_SYNC_JOURNAL_NAME] = "folder after the journal's first",
        [CRASH_SYNC_DELETE_DB] = "folder after the database's deletion",
        [CRASH_SYNC_DELETE_LOG] = "folder after the log's deletion",
        [CRASH_SYNC_DELETE_JOURNAL] = "folder after a journal's deletion",
    };

    return names[which];
}

void crashvfs_crash_at(uint64_t n)
{
    crashgate_enter();
    crash_at = n;
    crashgate_leave(0);
}

bool crashvfs_crashed(void)
{
    bool yes;

    crashgate_enter();
    yes = stopped;
    crashgate_leave(0);
    return yes;
}

void crashvfs_skip_sync(unsigned classes)
{
    crashgate_enter();
    left_out = classes;
    crashgate_leave(0);
}

void crashvfs_fail_at(uint64_t n, enum crash_fail what, bool sticky)
{
    crashgate_enter();
    memset(&fault, 0, sizeof(fault));
    fault.what = what;
    fault.left = n;
    fault.sticky = sticky;
    crashgate_leave(0);
}

bool crashvfs_fail_fired(void)
{
    bool yes;

    crashgate_enter();
    yes = fault.fired;
    crashgate_leave(0);
    return yes;
}
