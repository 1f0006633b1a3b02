/* What decides over each operation of crashvfs: counts it, stops the machine at it, fails it,
 * leaves its sync out. Between the VFS's methods and crashvfs.h's calls; tests use crashvfs.h. */
#ifndef DV_TESTS_CRASHGATE_H
#define DV_TESTS_CRASHGATE_H

#include "lib/crashvfs.h"

enum crash_deed {
    CRASH_DEED_CREATE,
    CRASH_DEED_WRITE,
    CRASH_DEED_TRUNCATE,
    CRASH_DEED_DELETE,
    CRASH_DEED_SYNC,
    CRASH_DEED_READ,
};

/* The one lock, which all below need. leave returns rc. */
void crashgate_enter(void);
int crashgate_leave(int rc);

/* False: the machine has stopped. *fail says what is to go wrong with this operation. */
bool crashgate_pass(enum crash_deed deed, enum crash_fail *fail);
/* Counts it among its class; false when it is to be left out. */
bool crashgate_sync(enum crash_sync which);
bool crashgate_is_stopped(void);
/* Does the machine of that number still run? Sets the errno when not. */
bool crashgate_is_alive(unsigned boot);
unsigned crashgate_boot(void);
/* A new machine, on which nothing has been done or armed; syncs left out stay so. */
void crashgate_restart(void);
void crashgate_forget_syncs(void); /* counts and classes left out */

void crashgate_set_errno(int e);
int crashgate_errno(void);

#endif
