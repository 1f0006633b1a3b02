/* What the crash tests do with a database that was left by a cut: look at all of it, and go on. See
 * crashload.h. */
#include <stdio.h>

#include "base/mem.h"
#include "lib/crashdoc.h"
#include "lib/crashload_steps.h"

static int check_integrity(const struct crash_load *l, struct dv_err *err)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;
    const char *said = NULL;
    int rc = 0;

    if (sqlite3_open_v2(l->path, &db, SQLITE_OPEN_READWRITE, l->vfs) == SQLITE_OK &&
        sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &st, NULL) == SQLITE_OK &&
        sqlite3_step(st) == SQLITE_ROW)
        said = (const char *)sqlite3_column_text(st, 0);
    if (!said || strcmp(said, "ok") != 0)
        rc = dv_err_set(err, DV_ECORRUPT, "integrity_check: %s", said ? said : sqlite3_errmsg(db));
    sqlite3_finalize(st);
    sqlite3_close(db);
    return rc;
}

static void note_finding(void *arg, const char *finding)
{
    char *first = arg;

    if (!first[0])
        snprintf(first, 200, "%s", finding);
}

static int check_store(struct dv_store *s, struct dv_err *err)
{
    struct dv_check_result result;
    char first[200] = "";
    int rc = dv_store_check(s, true, note_finding, first, &result, err);

    if (rc == 0 && result.findings > 0)
        rc = dv_err_set(err, DV_ECORRUPT, "%llu findings, the first: %s",
                        (unsigned long long)result.findings, first);
    return rc;
}

int crashload_look(const struct crash_load *l, char **state, struct dv_err *err)
{
    struct dv_store_options opt = crashload_options(l);
    struct dv_store *s;
    struct dv_buf dump;
    int rc = dv_store_open(l->engine, l->path, &opt, &s, err);

    if (rc == DV_ENODB) {
        *state = dv_strdup("");
        return *state ? 0 : dv_err_set(err, DV_ENOMEM, NULL);
    }
    if (rc < 0)
        return rc;
    dv_buf_init(&dump, CRASHDOC_DUMP_BYTES);
    rc = crashdoc_dump(s, &dump, err);
    if (rc == 0)
        rc = check_store(s, err);
    if (rc == 0)
        rc = check_integrity(l, err);
    dv_store_unref(s);
    if (rc == 0) {
        *state = dv_buf_cstr(&dump) ? dv_strdup(dv_buf_cstr(&dump)) : NULL;
        rc = *state ? 0 : dv_err_set(err, DV_ENOMEM, NULL);
    }
    dv_buf_fini(&dump);
    return rc;
}

static int write_one_more(struct dv_store *s, struct dv_err *err)
{
    struct crash_edit e = { .id = "one-more", .salt = 1, .body_bytes = 100 };
    struct dv_txn *t;
    int rc = dv_store_begin_write(s, &t, err);

    if (rc < 0)
        return rc;
    rc = crashdoc_edit(t, &e, err);
    if (rc < 0) {
        dv_txn_rollback(t);
        return rc;
    }
    return dv_txn_commit(t, DV_COMMIT_DURABLE, err);
}

int crashload_go_on(const struct crash_load *l, bool *written, struct dv_err *err)
{
    struct dv_store_options opt = crashload_options(l);
    struct dv_compact_options compact = { .rows_per_txn = 5 };
    struct dv_store *s;
    int rc = dv_store_open(l->engine, l->path, &opt, &s, err);

    *written = false;
    if (rc == DV_ENODB)
        rc = dv_store_create(l->engine, l->path, &opt, &s, err);
    if (rc < 0)
        return rc;
    rc = write_one_more(s, err);
    *written = rc == 0;
    if (rc == 0)
        rc = dv_store_compact(s, &compact, err);
    dv_store_unref(s);
    return rc;
}
