/* The check: SQLite's own structure check, then every row's checksum and what rows say about each
 * other, then the counters. See check.h for how a pass goes. */
#include "engine/sqlite/check.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"

enum {
    ROWS_PER_TXN = 2000,
    PASSES = 3,
    LINES_MAX_BYTES = 1 << 20, /* of findings; all are counted */
    ARENA_BYTES = 512 << 20,
    NUMBERS_MAX = 1 << 30, /* bodies or attachments a map is made for */
};

/* ---- findings ---- */

void dv_sqcheck_finding(struct dv_sqcheck *c, const char *fmt, ...)
{
    char line[600];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    c->result.findings++;
    for (char *p = line; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    dv_buf_add(&c->lines, line, strlen(line) + 1);
}

int dv_sqcheck_damage(struct dv_sqcheck *c, int rc, const struct dv_err *err)
{
    if (rc != DV_ECORRUPT && rc != DV_ENEWER)
        return rc;
    dv_sqcheck_finding(c, "%s", err->reason);
    return 0;
}

struct dv_sqshown dv_sqcheck_show(struct dv_slice id)
{
    struct dv_sqshown s;
    size_t n = id.n < sizeof(s.text) - 1 ? id.n : sizeof(s.text) - 1;

    memcpy(s.text, id.p, n);
    s.text[n] = '\0';
    for (size_t i = 0; i < n; i++)
        if (!s.text[i])
            s.text[i] = '?';
    return s;
}

/* ---- walking ---- */

static int get_data_version(struct dv_sqcheck *c, int64_t *v, struct dv_err *err)
{
    sqlite3_stmt *st;
    int rc = dv_sqconn_stmt(c->t->conn, DV_SQL_DATA_VERSION, &st, err);

    if (rc == 0)
        rc = dv_sqconn_step(c->t->conn, st, err);
    if (rc < 0)
        return rc;
    *v = sqlite3_column_int64(st, 0);
    sqlite3_reset(st);
    return 0;
}

int dv_sqcheck_renew(struct dv_sqcheck *c, struct dv_err *err)
{
    int64_t now = 0;
    int rc;

    if (c->single)
        return 0;
    dv_sqconn_rollback(c->t->conn);
    rc = dv_sqconn_begin(c->t->conn, DV_SQL_BEGIN, err);
    if (rc == 0)
        rc = dv_sqstate_load(c->t, err);
    if (rc == 0 && c->t->state.gone)
        rc = dv_err_set(err, DV_EGONE, "%s: was deleted", c->t->store->path);
    if (rc == 0)
        rc = get_data_version(c, &now, err);
    if (now != c->data_version)
        c->moved = true;
    return rc;
}

struct cursor {
    bool by_id;
    bool started;
    int64_t numbers[2];
    struct dv_buf id;
};

static void bind_cursor(sqlite3_stmt *st, const struct cursor *at)
{
    if (at->by_id && at->started)
        dv_sq_bind_id(st, 1, dv_buf_slice(&at->id));
    else
        sqlite3_bind_int64(st, 1, at->by_id ? 0 : at->numbers[0]); /* before every text */
    if (sqlite3_bind_parameter_count(st) > 1)
        sqlite3_bind_int64(st, 2, at->numbers[1]);
}

static int move_cursor(sqlite3_stmt *st, struct cursor *at)
{
    at->started = true;
    if (at->by_id) {
        dv_buf_reset(&at->id);
        return dv_buf_add_slice(&at->id, dv_sq_column(st, 0));
    }
    at->numbers[0] = sqlite3_column_int64(st, 0);
    if (sqlite3_column_count(st) > 1)
        at->numbers[1] = sqlite3_column_int64(st, 1);
    return 0;
}

/* 1: there may be more. */
static int walk_some(struct dv_sqcheck *c, sqlite3_stmt *st, struct cursor *at,
                     dv_sqcheck_row_fn *row, struct dv_err *err)
{
    int rc = 1;

    bind_cursor(st, at);
    for (int i = 0; i < ROWS_PER_TXN; i++) {
        rc = dv_sqconn_step(c->t->conn, st, err);
        if (rc <= 0)
            break;
        rc = move_cursor(st, at);
        if (rc < 0)
            dv_err_set(err, rc, "an id does not fit");
        else
            rc = row(c, st, err);
        if (rc < 0)
            break;
        rc = 1;
    }
    sqlite3_reset(st);
    return rc;
}

int dv_sqcheck_walk(struct dv_sqcheck *c, enum dv_sql which, bool by_id, dv_sqcheck_row_fn *row,
                    struct dv_err *err)
{
    struct cursor at = { .by_id = by_id, .numbers = { 0, 0 } };
    struct dv_err why;
    sqlite3_stmt *st;
    int rc;

    if (c->moved)
        return 0;
    rc = dv_sqconn_take(c->t->conn, which, &st, err);
    if (rc < 0)
        return rc;
    dv_buf_init(&at.id, DV_SQ_BLOB_MAX);
    dv_err_clear(&why);
    while ((rc = walk_some(c, st, &at, row, &why)) > 0 && !c->moved) {
        rc = dv_sqcheck_renew(c, &why);
        if (rc < 0 || c->moved)
            break;
    }
    dv_buf_fini(&at.id);
    dv_sqconn_give(c->t->conn, which, st);
    if (rc >= 0)
        return 0;
    rc = dv_sqcheck_damage(c, rc, &why); /* the rest of this table can not be read */
    return rc < 0 ? dv_err_set(err, rc, "%s", why.reason) : 0;
}

/* ---- the small tables ---- */

static int check_local(struct dv_sqcheck *c, sqlite3_stmt *st, struct dv_err *err)
{
    struct dv_local local;

    c->result.locals++;
    return dv_sqcheck_damage(c, dv_sqlocal_row(c->t, st, &local, err), err);
}

static int check_purge(struct dv_sqcheck *c, sqlite3_stmt *st, struct dv_err *err)
{
    struct dv_purge_info info;
    int rc;

    c->result.purges++;
    dv_arena_reset(&c->arena);
    rc = dv_sqpurge_row(c->t, st, &c->arena, &info, err);
    if (rc == 0 && info.purge_seq > c->t->state.purge_seq)
        dv_sqcheck_finding(c, "purge %llu is in the future", (unsigned long long)info.purge_seq);
    return dv_sqcheck_damage(c, rc, err);
}

static int check_state(struct dv_sqcheck *c, struct dv_err *err)
{
    struct dv_epoch *epochs;
    struct dv_buf security;
    size_t n;
    int rc;

    dv_arena_reset(&c->arena);
    dv_buf_init(&security, DV_SQ_BLOB_MAX);
    rc = dv_sqcheck_damage(c, dv_sqstate_security(c->t, &security, err), err);
    dv_buf_fini(&security);
    if (rc == 0)
        rc = dv_sqcheck_damage(c, dv_sqstate_epochs(c->t, &c->arena, &epochs, &n, err), err);
    return rc;
}

static void compare(struct dv_sqcheck *c, const char *what, uint64_t counter, uint64_t seen)
{
    if (counter != seen)
        dv_sqcheck_finding(c, "counter of %s is %llu, there are %llu", what,
                           (unsigned long long)counter, (unsigned long long)seen);
}

static void compare_counters(struct dv_sqcheck *c)
{
    const struct dv_sqstate *s = &c->t->state;

    compare(c, "documents", s->docs, c->docs);
    compare(c, "deleted documents", s->deleted, c->deleted);
    compare(c, "ids", s->docs + s->deleted, c->ids + c->ids_new);
    compare(c, "ids in ids_new", s->staged, c->ids_new);
    compare(c, "bytes of leaves", s->leaf_bytes, c->leaf_bytes);
    compare(c, "bytes of trees", s->tree_bytes, c->tree_bytes);
    compare(c, "stored bytes of attachments", s->att_stored_bytes, c->att_stored_bytes);
    compare(c, "decoded bytes of attachments", s->att_decoded_bytes, c->att_decoded_bytes);
    if (s->compacted_seq > s->update_seq)
        dv_sqcheck_finding(c, "compacted_seq is beyond update_seq");
}

/* ---- a pass ---- */

static int make_maps(struct dv_sqcheck *c, struct dv_err *err)
{
    const struct dv_sqstate *s = &c->t->state;

    if (s->last_body > NUMBERS_MAX || s->last_att > NUMBERS_MAX / 4) {
        dv_sqcheck_finding(c, "numbers of bodies or attachments are beyond reason");
        return 0;
    }
    c->named_bits = s->last_body + 1;
    c->named = dv_calloc((size_t)(c->named_bits / 8 + 1), 1);
    c->n_att_refs = s->last_att + 1;
    c->att_refs = dv_calloc((size_t)c->n_att_refs, sizeof(*c->att_refs));
    return c->named && c->att_refs ? 0 : dv_err_set(err, DV_ENOMEM, "out of memory");
}

static int run_pass(struct dv_sqcheck *c, struct dv_err *err)
{
    int rc = get_data_version(c, &c->data_version, err);

    if (rc == 0)
        rc = make_maps(c, err);
    if (rc == 0)
        rc = check_state(c, err);
    if (rc == 0)
        rc = dv_sqcheck_docs(c, err);
    if (rc == 0)
        rc = dv_sqcheck_walk(c, DV_SQL_LOCALS_AFTER, true, check_local, err);
    if (rc == 0)
        rc = dv_sqcheck_walk(c, DV_SQL_PURGES_AFTER, false, check_purge, err);
    if (rc == 0)
        rc = dv_sqcheck_atts(c, err);
    if (rc == 0)
        rc = dv_sqcheck_renew(c, err);
    if (rc == 0)
        compare_counters(c);
    return rc;
}

/* *done: the findings stand. */
static int try_pass(struct dv_store_backend *s, struct dv_sqcheck *c, bool single, bool *done,
                    struct dv_err *err)
{
    bool deep = c->deep;
    int rc;

    memset(c, 0, sizeof(*c));
    c->deep = deep;
    c->single = single;
    rc = dv_sqtxn_begin(s, false, &c->t, err);
    if (rc < 0)
        return rc;
    dv_arena_init(&c->arena, ARENA_BYTES);
    dv_buf_init(&c->lines, LINES_MAX_BYTES);
    rc = run_pass(c, err);
    dv_sqtxn_rollback(c->t);
    dv_arena_fini(&c->arena);
    dv_free(c->named);
    dv_free(c->att_refs);
    dv_free(c->atts);
    *done = rc < 0 || !c->moved;
    if (!*done || rc < 0)
        dv_buf_fini(&c->lines);
    return rc;
}

static int check_structure(struct dv_store_backend *s, bool deep, struct dv_sqcheck *c,
                           struct dv_err *err)
{
    struct dv_txn_backend *t;
    sqlite3_stmt *st;
    int rc = dv_sqtxn_begin(s, false, &t, err);

    if (rc < 0)
        return rc;
    rc = dv_sqconn_stmt(t->conn, deep ? DV_SQL_INTEGRITY : DV_SQL_QUICK_CHECK, &st, err);
    while (rc >= 0 && (rc = dv_sqconn_step(t->conn, st, err)) > 0) {
        struct dv_slice line = dv_sq_column(st, 0);

        if (!dv_slice_eq_str(line, "ok"))
            dv_sqcheck_finding(c, "structure: %.*s", (int)(line.n < 400 ? line.n : 400), line.p);
    }
    dv_sqtxn_rollback(t);
    return rc;
}

static void tell(const struct dv_sqcheck *c, dv_check_fn *fn, void *arg)
{
    const char *end;

    if (!fn || c->lines.n == 0)
        return;
    end = c->lines.p + c->lines.n;
    for (const char *p = c->lines.p; p < end; p += strlen(p) + 1)
        fn(arg, p);
}

int dv_sqcheck_run(struct dv_store_backend *s, bool deep, dv_check_fn *fn, void *arg,
                   struct dv_check_result *result, struct dv_err *err)
{
    struct dv_sqcheck structure = { .deep = deep }, c = { .deep = deep };
    struct dv_err why;
    bool done = false;
    int rc;

    dv_buf_init(&structure.lines, LINES_MAX_BYTES);
    rc = dv_sqcheck_damage(&structure, check_structure(s, deep, &structure, &why), &why);
    if (rc < 0)
        dv_err_set(err, rc, "%s", why.reason);
    for (int i = 0; rc == 0 && !done && i < PASSES; i++)
        rc = try_pass(s, &c, i == PASSES - 1, &done, err);
    if (rc == 0) {
        tell(&structure, fn, arg);
        tell(&c, fn, arg);
        c.result.findings += structure.result.findings;
        *result = c.result;
        dv_buf_fini(&c.lines);
    }
    dv_buf_fini(&structure.lines);
    return rc;
}
