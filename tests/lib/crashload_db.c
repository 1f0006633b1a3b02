/* The workload's steps through src/database, as a program with documents would write: local edits
 * that know the revision, replicated ones that conflict, attachments inline and streamed. See
 * crashload.h. */
#include <stdio.h>

#include "base/mem.h"
#include "database/database.h"
#include "lib/crashdoc.h"
#include "lib/crashload_steps.h"

enum { ARENA_BYTES = 64 << 20, BATCH_MAX = 4, REV_BYTES = 60, JSON_BYTES = 2000 };

static struct dv_database_options database_options(const struct crash_load *l)
{
    return (struct dv_database_options){ .engine = l->engine, .store = crashload_options(l) };
}

void crashload_db_close(struct crash_load *l)
{
    dv_database_close(l->db);
    l->db = NULL;
    l->store = NULL;
}

static int opened(struct crash_load *l, int rc)
{
    if (rc == 0)
        l->store = dv_database_store(l->db);
    return rc;
}

static int step_create(struct crash_load *l, struct dv_err *err)
{
    struct dv_database_options opt = database_options(l);
    int rc = opened(l, dv_database_create(l->path, &opt, &l->db, err));

    return rc < 0 ? rc : crashload_note_state(l, true, err);
}

static int step_reopen(struct crash_load *l, struct dv_err *err)
{
    struct dv_database_options opt = database_options(l);

    if (l->db)
        crashload_db_close(l);
    return opened(l, dv_database_open(l->path, &opt, &l->db, err));
}

static int step_delete(struct crash_load *l, struct dv_err *err)
{
    struct dv_database_options opt = database_options(l);
    int rc;

    if (l->db)
        crashload_db_close(l);
    rc = dv_database_remove(l->path, &opt, err);
    if (rc == DV_ENODB && l->again)
        rc = 0;
    return rc < 0 ? rc : crashload_note_state(l, true, err);
}

/* ---- documents ------------------------------------------------------------------------------ */

struct draft {
    char id[30], rev[REV_BYTES], json[JSON_BYTES];
};

/* The winner's revision, or "" when there is none to edit. */
static int find_rev(struct crash_load *l, const char *id, char rev[REV_BYTES], struct dv_err *err)
{
    static const struct dv_get_options opt;
    struct dv_revision_read read = { .n_atts = 0 };
    struct dv_arena arena;
    struct dv_buf out;
    int rc;

    dv_arena_init(&arena, ARENA_BYTES);
    dv_buf_init(&out, ARENA_BYTES);
    rev[0] = '\0';
    rc = dv_database_get(l->db, dv_slice_str(id), &opt, &arena, &out, &read, err);
    if (rc == 0)
        snprintf(rev, REV_BYTES, "%.*s", (int)read.rev.n, read.rev.p);
    dv_buf_fini(&out);
    dv_arena_fini(&arena);
    return rc == DV_ENOTFOUND ? 0 : rc;
}

/* One transaction. Refused documents (a conflict within the batch) are part of it. */
static int write_batch(struct crash_load *l, const struct dv_edit *edits, size_t n, bool replicated,
                       struct dv_err *err)
{
    bool durable = crashload_draw(l, 3) == 0;
    struct dv_write_options opt = { .replicated = replicated,
                                    .commit = durable ? DV_COMMIT_DURABLE : DV_COMMIT_LAZY };
    struct dv_edit_result results[BATCH_MAX];
    struct dv_arena arena;
    int rc;

    dv_arena_init(&arena, ARENA_BYTES);
    rc = dv_database_write(l->db, edits, n, &opt, &arena, results, err);
    dv_arena_fini(&arena);
    return rc < 0 ? rc : crashload_note_state(l, durable, err);
}

static int draft_edit(struct crash_load *l, struct draft *d, struct dv_edit *e, struct dv_err *err)
{
    bool deleted = crashload_draw(l, 6) == 0;
    unsigned long long n = crashload_draw(l, 1u << 30);
    int rc;

    crashload_name(l, d->id);
    rc = find_rev(l, d->id, d->rev, err);
    snprintf(d->json, sizeof(d->json), "{\"n\":%llu,\"fill\":\"%*s\"%s}", n,
             (int)crashload_draw(l, JSON_BYTES / 2), "", deleted ? ",\"_deleted\":true" : "");
    *e = (struct dv_edit){ .json = dv_slice_str(d->json),
                           .id = dv_slice_str(d->id),
                           .rev = dv_slice_str(d->rev) };
    return rc;
}

static void draft_conflict(struct crash_load *l, struct draft *d, struct dv_edit *e)
{
    unsigned long long a = dv_rng_next(&l->rng), b = dv_rng_next(&l->rng);

    crashload_name(l, d->id);
    snprintf(d->json, sizeof(d->json),
             "{\"_id\":\"%.29s\",\"_rev\":\"2-%016llx%016llx\",\"_revisions\":{\"start\":2,"
             "\"ids\":[\"%016llx%016llx\",\"%032x\"]},\"n\":%llu}",
             d->id, a, b, a, b, (unsigned)crashload_draw(l, 3), a);
    *e = (struct dv_edit){ .json = dv_slice_str(d->json) };
}

static int step_edit(struct crash_load *l, struct dv_err *err)
{
    size_t n = 1 + crashload_draw(l, BATCH_MAX);
    bool replicated = crashload_draw(l, 3) == 0;
    struct draft drafts[BATCH_MAX];
    struct dv_edit edits[BATCH_MAX];
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (replicated)
            draft_conflict(l, &drafts[i], &edits[i]);
        else
            rc = draft_edit(l, &drafts[i], &edits[i], err);
    }
    return rc < 0 ? rc : write_batch(l, edits, n, replicated, err);
}

static int step_local(struct crash_load *l, struct dv_err *err)
{
    unsigned long long n = crashload_draw(l, 1u << 30);
    struct draft d;
    struct dv_edit e;
    int rc;

    snprintf(d.id, sizeof(d.id), "_local/%u", (unsigned)crashload_draw(l, 4));
    rc = find_rev(l, d.id, d.rev, err);
    snprintf(d.json, sizeof(d.json), "{\"n\":%llu}", n);
    e = (struct dv_edit){ .json = dv_slice_str(d.json),
                          .id = dv_slice_str(d.id),
                          .rev = dv_slice_str(d.rev) };
    return rc < 0 ? rc : write_batch(l, &e, 1, false, err);
}

static int step_attach(struct crash_load *l, struct dv_err *err)
{
    struct dv_edit_attachment att = { .name = DV_SLICE_LIT("a"),
                                      .content_type = DV_SLICE_LIT("text/plain") };
    uint64_t salt;
    size_t bytes = crashload_draw_content(l, &salt);
    struct draft d;
    struct dv_edit e;
    int rc = draft_edit(l, &d, &e, err);

    if (rc == 0)
        rc = crashdoc_attach(l->store, NULL, salt, bytes, &att.info, err);
    e.attachments = &att;
    e.n_attachments = 1;
    return rc < 0 ? rc : write_batch(l, &e, 1, false, err);
}

static int step_attach_inline(struct crash_load *l, struct dv_err *err)
{
    struct draft d;
    struct dv_edit e;
    int rc = draft_edit(l, &d, &e, err);

    snprintf(d.json, sizeof(d.json),
             "{\"_attachments\":{\"i\":{\"content_type\":\"text/plain\",\"data\":\"%s\"}}}",
             crashload_draw(l, 2) ? "aW5saW5l" : "YW5vdGhlcg==");
    e.json = dv_slice_str(d.json);
    return rc < 0 ? rc : write_batch(l, &e, 1, false, err);
}

static int step_purge(struct crash_load *l, struct dv_err *err)
{
    char id[20], rev[REV_BYTES];
    struct dv_slice revs[1];
    struct dv_purge_request p = { .revs = revs, .n_revs = 1 };
    struct dv_arena arena;
    uint64_t purge_seq;
    int rc;

    crashload_name(l, id);
    rc = find_rev(l, id, rev, err);
    if (rc < 0)
        return rc;
    p.id = dv_slice_str(id);
    revs[0] = dv_slice_str(rev[0] ? rev : "1-00000000000000000000000000000000");
    dv_arena_init(&arena, ARENA_BYTES);
    rc = dv_database_purge(l->db, &p, 1, &arena, &purge_seq, err);
    dv_arena_fini(&arena);
    return rc < 0 ? rc : crashload_note_state(l, true, err);
}

/* ---- administration ------------------------------------------------------------------------- */

static int step_security(struct crash_load *l, struct dv_err *err)
{
    char json[60];
    int rc;

    snprintf(json, sizeof(json), "{\"admins\":{\"names\":[\"n%d\"]}}", l->step);
    rc = dv_database_set_security(l->db, dv_slice_str(json), err);
    return rc < 0 ? rc : crashload_note_state(l, true, err);
}

static int step_revs_limit(struct crash_load *l, struct dv_err *err)
{
    int rc = dv_database_set_revs_limit(l->db, 2 + crashload_draw(l, 6), err);

    return rc < 0 ? rc : crashload_note_state(l, true, err);
}

static int step_compact(struct crash_load *l, struct dv_err *err)
{
    struct dv_compact_options opt = { .rows_per_txn = 1 + crashload_draw(l, 8) };

    return dv_database_compact(l->db, &opt, err);
}

static int step_sync(struct crash_load *l, struct dv_err *err)
{
    int rc = dv_database_sync(l->db, err);

    if (rc == 0)
        l->durable = l->stored;
    return rc;
}

crashload_step_fn *const crashload_db_steps[CRASH_STEPS] = {
    [CRASH_STEP_CREATE] = step_create,
    [CRASH_STEP_EDIT] = step_edit,
    [CRASH_STEP_LOCAL] = step_local,
    [CRASH_STEP_ATTACH] = step_attach,
    [CRASH_STEP_ATTACH_INSIDE] = step_attach_inline,
    [CRASH_STEP_PURGE] = step_purge,
    [CRASH_STEP_SECURITY] = step_security,
    [CRASH_STEP_REVS_LIMIT] = step_revs_limit,
    [CRASH_STEP_COMPACT] = step_compact,
    [CRASH_STEP_SYNC] = step_sync,
    [CRASH_STEP_REOPEN] = step_reopen,
    [CRASH_STEP_DELETE] = step_delete,
};
