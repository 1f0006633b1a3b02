/* The mixed workload of the crash tests, drawn from a seed: documents, conflicts, deletions, local
 * documents, attachments of several chunks, purges, security, revs_limit, compaction, checkpoints
 * and readers by another connection, barriers, close and reopen, deletion and creation of the
 * database.
 *
 * A state is what crashdoc_dump shows after a commit. A run without trouble writes the history: the
 * states in order. The same seed makes the same history, and a step that failed can be done again.
 * A run that is stopped knows the number of the last state it was told is stored, and of the last
 * it was told is on the disk; what is found afterwards must be one of the history's states from the
 * latter to one after the former. */
#ifndef DV_TESTS_CRASHLOAD_H
#define DV_TESTS_CRASHLOAD_H

#include <sqlite3.h>

#include "base/rand.h"
#include "engine/engine.h"

struct dv_database;

enum { CRASHLOAD_STATES_MAX = 2000 };

struct crash_history {
    char *states[CRASHLOAD_STATES_MAX]; /* owned; "" while there is no database */
    int n;
};

enum crash_step {
    CRASH_STEP_CREATE,
    CRASH_STEP_EDIT,
    CRASH_STEP_GIVE_UP, /* writes, rolled back */
    CRASH_STEP_LOCAL,
    CRASH_STEP_ATTACH,        /* chunks in transactions of their own, then the document */
    CRASH_STEP_ATTACH_INSIDE, /* all in one transaction */
    CRASH_STEP_PURGE,
    CRASH_STEP_SECURITY,
    CRASH_STEP_REVS_LIMIT,
    CRASH_STEP_COMPACT,
    CRASH_STEP_CHECKPOINT, /* by another connection, of any kind */
    CRASH_STEP_READER,     /* another connection begins to read, or ends */
    CRASH_STEP_SYNC,
    CRASH_STEP_REOPEN,
    CRASH_STEP_DELETE,
    CRASH_STEPS
};

struct crash_load {
    /* Given. */
    const struct dv_engine *engine;
    const char *path;
    const char *vfs; /* NULL for the default */
    uint64_t seed;
    int steps;
    bool documents; /* write through src/database instead of the engine alone */
    bool restarts;  /* only edits and checkpoints, so that the log starts over often */
    struct crash_history *history; /* to be written; NULL: not */

    /* Found out. */
    struct dv_store *store; /* owned (with db: borrowed from it), NULL while closed */
    struct dv_database *db; /* owned, or NULL */
    sqlite3 *other;         /* owned, a connection beside the store, or NULL */
    int step;               /* the next one */
    bool again;             /* which failed at the last try */
    int stored, durable;    /* see above; 0 is "no database" */
    int done[CRASH_STEPS];
    struct dv_rng rng;
};

/* One step. On failure the same step comes again at the next call. */
int crashload_step(struct crash_load *l, struct dv_err *err);
/* All steps, or until one fails; then let go of the database. */
int crashload_run(struct crash_load *l, struct dv_err *err);
void crashload_close(struct crash_load *l);
const char *crashload_step_name(enum crash_step step);

/* Open (or find no database), dump, dv_store_check, PRAGMA integrity_check, close. *state is freed
 * with dv_free(); "" when there is no database. A finding is DV_ECORRUPT. */
int crashload_look(const struct crash_load *l, char **state, struct dv_err *err);
/* As a user would: create it if it is not there, write one document durably (*written: that was
 * acknowledged), compact, close. */
int crashload_go_on(const struct crash_load *l, bool *written, struct dv_err *err);

void crashload_history_fini(struct crash_history *h);

#endif
