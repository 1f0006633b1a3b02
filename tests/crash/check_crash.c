/* The store loses power at every operation of a mixed workload (crashload.h), on a disk that keeps
 * of what was not synced nothing, or a seeded part, torn at 512 bytes. Afterwards the database
 * holds exactly the state of the last barrier or of a later commit, is sound, and goes on.
 *
 * DIVAN_SEED=n draws another workload and other cuts. A failure prints all that replays it. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "engine/sqlite/internal.h"
#include "lib/check_main.h"
#include "lib/crashdoc.h"
#include "lib/crashload.h"
#include "lib/crashvfs.h"

#define DB_PATH "/crash/db.divan"

enum { STEPS = 72 };

static struct crash_history history;

static uint64_t base_seed(void)
{
    const char *text = getenv("DIVAN_SEED");

    return text ? strtoull(text, NULL, 10) : 1;
}

enum kind {
    OVER_ENGINE,   /* every step of the engine's contract */
    OVER_DATABASE, /* the same through src/database */
    OVER_RESTARTS, /* edits and checkpoints: the log starts over in place, holding lazy commits */
};

static struct crash_load new_load(enum kind kind)
{
    return (struct crash_load){ .engine = &dv_engine_sqlite,
                                .path = DB_PATH,
                                .vfs = "crash",
                                .seed = base_seed(),
                                .steps = STEPS,
                                .documents = kind == OVER_DATABASE,
                                .restarts = kind == OVER_RESTARTS };
}

static enum kind kind_of(const struct crash_load *l)
{
    if (l->restarts)
        return OVER_RESTARTS;
    return l->documents ? OVER_DATABASE : OVER_ENGINE;
}

static void fail_with(const char *what, const struct dv_err *err)
{
    char text[800];

    dv_err_text(err, text, sizeof(text));
    ck_abort_msg("%s: %s", what, text);
}

/* The processes of before are of another boot: what they kept or had begun is nobody's. */
static void cut_power(enum crash_cut how, uint64_t seed)
{
    static unsigned boots;
    static char name[30];

    snprintf(name, sizeof(name), "boot-%u", ++boots);
    dv_sqowner_set_boot(name);
    crashvfs_power_cut(how, seed);
}

/* Runs the workload without trouble and writes its history. */
static struct crash_load write_history(enum kind kind)
{
    struct crash_load l = new_load(kind);
    struct dv_err err = { 0 };

    ck_assert_int_eq(crashvfs_register("crash"), SQLITE_OK);
    crashvfs_reset(l.seed);
    l.history = &history;
    if (crashload_run(&l, &err) < 0)
        fail_with("the workload without trouble", &err);
    for (int i = 0; i < CRASH_STEPS; i++)
        ck_assert_msg(kind == OVER_RESTARTS || l.done[i] > 0, "no step \"%s\"",
                      crashload_step_name((enum crash_step)i));
    return l;
}

static void forget_history(void)
{
    crashload_history_fini(&history);
}

/* ---- one cut -------------------------------------------------------------------------------- */

struct finding {
    char text[1200];
};

/* The first line in which a differs from b. */
static void tell_difference(const char *a, const char *b, struct finding *f)
{
    size_t at = 0, line = 0;

    for (; a[at] && a[at] == b[at]; at++)
        if (a[at] == '\n')
            line = at + 1;
    snprintf(f->text, sizeof(f->text), "found \"%.*s\" instead of \"%.*s\"",
             (int)strcspn(a + line, "\n"), a + line, (int)strcspn(b + line, "\n"), b + line);
}

/* Is the state one that the stopped run allows? Its number, or -1 and why not. */
static int judge(const struct crash_load *l, const char *state, struct finding *f)
{
    for (int i = l->durable; i <= l->stored + 1 && i < history.n; i++)
        if (strcmp(state, history.states[i]) == 0)
            return i;
    tell_difference(state, history.states[l->stored], f);
    for (int i = 0; i < history.n; i++)
        if (strcmp(state, history.states[i]) == 0)
            snprintf(f->text, sizeof(f->text), "state %d is there", i);
    return -1;
}

/* NULL and why not. */
static char *look(const struct crash_load *l, struct finding *f)
{
    struct dv_err err = { 0 };
    char *state;

    if (crashload_look(l, &state, &err) == 0)
        return state;
    dv_err_text(&err, f->text, sizeof(f->text));
    return NULL;
}

/* An acknowledged deletion leaves no log behind (a creation that follows has the database first).
 */
static bool is_clean(const struct crash_load *l, struct finding *f)
{
    if (history.states[l->durable][0] || crashvfs_file(DB_PATH) || !crashvfs_file(DB_PATH "-wal"))
        return true;
    snprintf(f->text, sizeof(f->text), "a deleted database has left its log");
    return false;
}

static bool is_allowed(const struct crash_load *l, struct finding *f)
{
    bool clean = is_clean(l, f);
    char *state = clean ? look(l, f) : NULL;
    int number = state ? judge(l, state, f) : -1;

    dv_free(state);
    return number >= 0;
}

/* Writes on. What is there then, which after another cut is there still; NULL and why not. */
static char *go_on(const struct crash_load *l, struct finding *f)
{
    struct dv_err err = { 0 };
    bool written;
    char *state;

    if (crashload_go_on(l, &written, &err) < 0) {
        dv_err_text(&err, f->text, sizeof(f->text));
        return NULL;
    }
    crashvfs_accept();
    cut_power(CRASH_CUT_CLEAN, 1);
    state = look(l, f);
    if (state && strstr(state, "one-more"))
        return state;
    if (state)
        snprintf(f->text, sizeof(f->text), "what was written after the cut is not there");
    dv_free(state);
    return NULL;
}

struct tally {
    uint64_t operations, cuts, losses;
};

/* Stop at operation n; false when the workload ends before. */
static bool stop_at(uint64_t n, unsigned skip, struct crash_load *l)
{
    *l = new_load(kind_of(l));
    crashvfs_reset(l->seed);
    crashvfs_skip_sync(skip);
    crashvfs_crash_at(n);
    crashload_run(l, NULL);
    return crashvfs_crashed();
}

static uint64_t cut_seed(uint64_t n, int cut)
{
    return base_seed() * 1000003 + n * 101 + (uint64_t)cut;
}

/* Clean, then torn cuts of the stopped run, until one shows a loss; after the last, writing on. */
static bool survives(uint64_t n, int cuts, bool and_on, const struct crash_load *l, struct tally *t,
                     struct finding *f)
{
    bool ok = true;

    for (int i = 0; ok && i < cuts; i++) {
        cut_power(i == 0 ? CRASH_CUT_CLEAN : CRASH_CUT_TORN, cut_seed(n, i));
        ok = is_allowed(l, f);
        t->cuts++;
    }
    if (ok && and_on) {
        char *state = go_on(l, f);

        ok = state != NULL;
        dv_free(state);
    }
    t->losses += !ok;
    return ok;
}

START_TEST(after_a_power_cut_at_any_operation_the_last_barrier_or_a_later_commit_is_there)
{
    struct crash_load l = write_history((enum kind)_i);
    uint64_t go_on_every = (uint64_t)dv_test_scale(4, 1);
    int cuts = dv_test_scale(kind_of(&l) == OVER_ENGINE ? 2 : 1, 12);
    struct tally t = { 0 };
    struct finding f = { "" };

    for (uint64_t n = 1; stop_at(n, 0, &l); n++) {
        t.operations++;
        ck_assert_msg(survives(n, cuts, n % go_on_every == 0, &l, &t, &f),
                      "DIVAN_SEED=%llu, operation %llu: durable %d, stored %d: %s",
                      (unsigned long long)base_seed(), (unsigned long long)n, l.durable, l.stored,
                      f.text);
    }
    printf("%s, seed %llu: %llu operations, all visited, %llu power cuts, %d states\n",
           _i ? "database" : "engine", (unsigned long long)base_seed(),
           (unsigned long long)t.operations, (unsigned long long)t.cuts, history.n);
    fflush(stdout);
    forget_history();
}
END_TEST

/* ---- two cuts ------------------------------------------------------------------------------- */

/* What the first cut left, and what is there when going on has nothing in its way. */
struct expectation {
    char *before, *after;
    uint64_t operations; /* of going on */
};

static bool expect(const struct crash_load *l, uint64_t seed, struct expectation *e,
                   struct finding *f)
{
    bool written;

    cut_power(CRASH_CUT_TORN, seed);
    e->before = look(l, f);
    cut_power(CRASH_CUT_TORN, seed);
    crashload_go_on(l, &written, NULL);
    e->operations = crashvfs_count();
    e->after = look(l, f);
    return e->before && e->after && written;
}

/* Cut again in the middle of going on: recovery can itself be cut off. */
static bool survives_again(const struct crash_load *l, uint64_t seed, struct finding *f)
{
    struct expectation e = { 0 };
    bool ok = expect(l, seed, &e, f), written;
    char *state = NULL;

    cut_power(CRASH_CUT_TORN, seed);
    crashvfs_accept();
    crashvfs_crash_at(1 + seed % (e.operations + 1));
    crashload_go_on(l, &written, NULL);
    cut_power(CRASH_CUT_TORN, seed + 1);
    if (ok)
        state = look(l, f);
    if (state && strcmp(state, e.after) != 0 &&
        (written || (strcmp(state, e.before) != 0 &&
                     (e.before[0] || strcmp(state, history.states[1]) != 0)))) {
        tell_difference(state, e.after, f);
        ok = false;
    }
    ok = ok && state;
    dv_free(state);
    dv_free(e.before);
    dv_free(e.after);
    return ok;
}

START_TEST(a_second_power_cut_during_recovery_loses_no_more)
{
    struct crash_load l = write_history(OVER_ENGINE);
    uint64_t stride = (uint64_t)dv_test_scale(9, 1), visited = 0;
    struct finding f = { "" };

    for (uint64_t n = 1 + base_seed() % stride; stop_at(n, 0, &l); n += stride) {
        ck_assert_msg(survives_again(&l, cut_seed(n, 1000), &f),
                      "DIVAN_SEED=%llu, operation %llu: %s", (unsigned long long)base_seed(),
                      (unsigned long long)n, f.text);
        visited++;
    }
    printf("seed %llu: %llu operations visited with two power cuts\n",
           (unsigned long long)base_seed(), (unsigned long long)visited);
    fflush(stdout);
    forget_history();
}
END_TEST

/* ---- no sync too many ----------------------------------------------------------------------- */

/* Operations soon after each sync of the class are tried first; all are before a sync is called
 * needless. */
static bool finds_loss(enum crash_sync which, struct crash_load *l, struct finding *f, uint64_t *at)
{
    static const uint64_t after[] = { 2, 1, 4, 8, 16, 32, 64, 24, 48, 12 };
    uint64_t near[CRASH_SYNC_LOG], n_near = 0;
    struct tally t = { 0 };

    while (n_near < CRASH_SYNC_LOG && crashvfs_sync_at(which, n_near)) {
        near[n_near] = crashvfs_sync_at(which, n_near);
        n_near++;
    }
    for (size_t i = 0; i < sizeof(after) / sizeof(after[0]); i++)
        for (uint64_t k = 0; k < n_near; k++) {
            *at = near[k] + after[i];
            if (stop_at(*at, 1u << which, l) && !survives(*at, 6, false, l, &t, f))
                return true;
        }
    for (*at = 1; stop_at(*at, 1u << which, l); ++*at)
        if (!survives(*at, 12, true, l, &t, f))
            return true;
    return false;
}

/* The classes of syncs that the engine makes; LATER shows here when there is a new kind. */
static const enum crash_sync needed[] = {
    CRASH_SYNC_BARRIER,        CRASH_SYNC_LOG_HEAD,  CRASH_SYNC_CKPT_LOG,   CRASH_SYNC_CKPT_DB,
    CRASH_SYNC_DB_1,           CRASH_SYNC_DB_2,      CRASH_SYNC_DB_3,       CRASH_SYNC_LOG_NAME,
    CRASH_SYNC_DELETE_JOURNAL, CRASH_SYNC_DELETE_DB, CRASH_SYNC_DELETE_LOG,
};
enum { NEEDED = sizeof(needed) / sizeof(needed[0]) };

START_TEST(leaving_out_any_one_sync_shows_as_a_loss)
{
    enum crash_sync which = needed[_i];
    bool restarts = which == CRASH_SYNC_LOG_HEAD || which == CRASH_SYNC_CKPT_LOG;
    struct crash_load l = write_history(restarts ? OVER_RESTARTS : OVER_ENGINE);
    struct finding f = { "" };
    uint64_t at = 0;
    uint64_t made = crashvfs_syncs(which);
    bool found = finds_loss(which, &l, &f, &at);

    printf("without the sync of the %s (%llu of them): operation %llu: %s\n",
           crashvfs_sync_name(which), (unsigned long long)made, (unsigned long long)at,
           found ? f.text : "no loss");
    fflush(stdout);
    ck_assert_msg(made > 0, "no sync of the %s", crashvfs_sync_name(which));
    ck_assert_msg(found, "nothing is lost without the sync of the %s", crashvfs_sync_name(which));
    forget_history();
}
END_TEST

START_TEST(every_sync_is_one_of_those_shown_to_be_needed)
{
    struct crash_load l = write_history((enum kind)_i);

    ck_assert_int_gt(l.stored, 0);
    for (int i = 0; i < CRASH_SYNCS; i++) {
        bool listed = false;

        for (int k = 0; k < NEEDED; k++)
            listed = listed || needed[k] == (enum crash_sync)i;
        ck_assert_msg(listed || crashvfs_syncs((enum crash_sync)i) == 0, "%s",
                      crashvfs_sync_name((enum crash_sync)i));
    }
    forget_history();
}
END_TEST

/* ---- a disk that fails ------------------------------------------------------------------------
 */

static const struct trouble {
    const char *name;
    enum crash_fail what;
    bool sticky; /* until the step has failed */
    int code;    /* what the caller is told; 0: any error */
    int stride;  /* of the operations that are visited when there is little time */
} troubles[] = {
    { "full disk", CRASH_FAIL_FULL, true, DV_EFULL, 17 },
    { "short write", CRASH_FAIL_SHORT, true, DV_EFULL, 23 },
    { "EIO of a write", CRASH_FAIL_WRITE, false, 0, 19 },
    { "EIO of a sync", CRASH_FAIL_SYNC, false, 0, 2 },
    { "EIO of a read", CRASH_FAIL_READ, false, 0, 23 },
};
enum { TROUBLES = sizeof(troubles) / sizeof(troubles[0]) };

/* The store, still open and with the trouble still there, shows the state of before the step; or of
 * after it, when only the barrier failed: then the step is done. */
static bool shows_state(struct crash_load *l, const struct trouble *trouble, struct finding *f)
{
    struct dv_err err = { 0 };
    struct dv_buf dump;
    const char *shown;
    bool ok = true;

    if (!l->store)
        return true;
    dv_buf_init(&dump, CRASHDOC_DUMP_BYTES);
    shown = crashdoc_dump(l->store, &dump, &err) < 0 ? NULL : dv_buf_cstr(&dump);
    if (!shown) {
        dv_err_text(&err, f->text, sizeof(f->text));
        ok = false;
    } else if (trouble->code != DV_EFULL && l->stored + 1 < history.n &&
               strcmp(shown, history.states[l->stored + 1]) == 0) {
        l->stored++;
        l->step++;
    } else if (strcmp(shown, history.states[l->stored]) != 0) {
        tell_difference(shown, history.states[l->stored], f);
        ok = false;
    }
    dv_buf_fini(&dump);
    return ok;
}

/* The workload with trouble at the n-th operation. False when something is wrong; *fired false when
 * the workload is shorter. */
static bool gets_over(enum kind kind, const struct trouble *trouble, uint64_t n, bool *fired,
                      struct finding *f)
{
    struct crash_load l = new_load(kind);
    struct dv_err err = { 0 };
    bool ok = true;
    int rc = 0;
    char *state;

    crashvfs_reset(l.seed);
    crashvfs_fail_at(n, trouble->what, trouble->sticky);
    while (ok && l.step < l.steps) {
        bool again = rc < 0;

        rc = crashload_step(&l, &err);
        if (rc < 0 && (again || (trouble->code && rc != trouble->code)))
            ok = false;
        if (rc < 0 && ok)
            ok = shows_state(&l, trouble, f);
        if (rc < 0 || crashvfs_fail_fired()) {
            *fired = crashvfs_fail_fired();
            crashvfs_fail_at(0, CRASH_FAIL_NONE, false);
        }
    }
    if (!ok && !f->text[0])
        dv_err_text(&err, f->text, sizeof(f->text));
    crashload_close(&l);
    crashvfs_fail_at(0, CRASH_FAIL_NONE, false);
    if (!ok)
        return false;
    state = look(&l, f);
    if (state && strcmp(state, history.states[history.n - 1]) != 0) {
        tell_difference(state, history.states[history.n - 1], f);
        ok = false;
    }
    dv_free(state);
    return ok && state;
}

START_TEST(a_failing_disk_fails_the_step_whole_and_the_next_try_succeeds)
{
    enum kind kind = _i < TROUBLES ? OVER_ENGINE : OVER_DATABASE;
    const struct trouble *trouble = &troubles[_i % TROUBLES];
    struct crash_load l = write_history(kind);
    uint64_t stride = (uint64_t)dv_test_scale(trouble->stride, 1), visited = 0;
    struct finding f = { "" };
    bool fired = true;

    for (uint64_t n = 1 + base_seed() % stride; fired; n += stride, visited += fired) {
        fired = false;
        ck_assert_msg(gets_over(kind, trouble, n, &fired, &f),
                      "DIVAN_SEED=%llu, %s at its operation %llu: %s", (unsigned long long)l.seed,
                      trouble->name, (unsigned long long)n, f.text);
    }
    printf("%s, %s: %llu operations failed\n", kind == OVER_ENGINE ? "engine" : "database",
           trouble->name, (unsigned long long)visited);
    fflush(stdout);
    ck_assert_uint_gt(visited, 5);
    forget_history();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("crash");
    TCase *cuts = tcase_create("cuts");
    TCase *faults = tcase_create("faults");
    TCase *syncs = tcase_create("syncs");

    tcase_set_timeout(cuts, dv_test_scale(60, 0));
    tcase_add_loop_test(
        cuts, after_a_power_cut_at_any_operation_the_last_barrier_or_a_later_commit_is_there, 0, 2);
    tcase_add_test(cuts, a_second_power_cut_during_recovery_loses_no_more);
    tcase_set_timeout(syncs, dv_test_scale(60, 0));
    tcase_add_loop_test(syncs, leaving_out_any_one_sync_shows_as_a_loss, 0, NEEDED);
    tcase_add_loop_test(syncs, every_sync_is_one_of_those_shown_to_be_needed, 0, 2);
    tcase_set_timeout(faults, dv_test_scale(60, 0));
    tcase_add_loop_test(faults, a_failing_disk_fails_the_step_whole_and_the_next_try_succeeds, 0,
                        2 * TROUBLES);
    suite_add_tcase(suite, cuts);
    suite_add_tcase(suite, syncs);
    suite_add_tcase(suite, faults);
    return dv_check_run(suite);
}
