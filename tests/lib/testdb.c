/* See testdb.h. */
#include "lib/testdb.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/check_main.h"

enum { OUT_MAX = 1 << 28 };

const struct dv_engine *testdb_engine(int i)
{
    return i == 0 ? &dv_engine_memory : &dv_engine_sqlite;
}

void testdb_create(struct testdb *t, int engine, const char *name)
{
    memset(t, 0, sizeof(*t));
    t->opt.engine = testdb_engine(engine);
    memcpy(t->opt.store.node, "0123456789abcdef0123456789abcdef", 33);
    dv_arena_init(&t->arena, OUT_MAX);
    snprintf(t->path, sizeof(t->path), "%s/%s.divan", dv_test_dir(), name);
    ck_assert_msg(dv_database_create(t->path, &t->opt, &t->db, &t->err) == 0, "%s: %s",
                  t->err.context, t->err.reason);
}

void testdb_reopen(struct testdb *t)
{
    if (!(t->opt.engine->abilities & DV_ABLE_DURABLE))
        return;
    dv_database_close(t->db);
    ck_assert_msg(dv_database_open(t->path, &t->opt, &t->db, &t->err) == 0, "%s: %s",
                  t->err.context, t->err.reason);
}

void testdb_close(struct testdb *t)
{
    dv_database_close(t->db);
    ck_assert_int_eq(dv_database_remove(t->path, &t->opt, &t->err), 0);
    dv_arena_fini(&t->arena);
    dv_test_dir_remove();
}

static int write_one(struct testdb *t, const struct dv_edit *edit, bool replicated,
                     struct dv_edit_result *result)
{
    struct dv_write_options opt = { .replicated = replicated };
    struct dv_edit_result own;
    struct dv_edit_result *r = result ? result : &own;

    dv_err_clear(&t->err);
    ck_assert_msg(dv_database_write(t->db, edit, 1, &opt, &t->arena, r, &t->err) == 0, "%s: %s",
                  t->err.context, t->err.reason);
    if (r->code < 0)
        t->err = *r->err;
    return r->code;
}

int testdb_put(struct testdb *t, const char *id, const char *rev, const char *json,
               struct dv_edit_result *result)
{
    struct dv_edit edit = { .json = dv_slice_str(json),
                            .id = dv_slice_str(id),
                            .rev = dv_slice_str(rev) };

    return write_one(t, &edit, false, result);
}

int testdb_replicate(struct testdb *t, const char *json, struct dv_edit_result *result)
{
    struct dv_edit edit = { .json = dv_slice_str(json) };

    return write_one(t, &edit, true, result);
}

const char *testdb_must_put(struct testdb *t, const char *id, const char *rev, const char *json)
{
    struct dv_edit_result r;

    ck_assert_msg(testdb_put(t, id, rev, json, &r) == 0, "%s: %s %s", id, r.err->name,
                  r.err->reason);
    return r.rev.p;
}

void testdb_must_replicate(struct testdb *t, const char *json)
{
    struct dv_edit_result r;

    ck_assert_msg(testdb_replicate(t, json, &r) == 0, "%s: %s %s", json, r.err->name,
                  r.err->reason);
}

const char *testdb_get(struct testdb *t, const char *id, const char *rev, unsigned flags)
{
    struct dv_get_options opt = { .flags = flags, .rev = dv_slice_str(rev) };
    struct dv_slice text;
    struct dv_buf out;
    int code;

    dv_buf_init(&out, OUT_MAX);
    dv_err_clear(&t->err);
    code = dv_database_get(t->db, dv_slice_str(id), &opt, &t->arena, &out, NULL, &t->err);
    text = dv_arena_copy(&t->arena, dv_buf_slice(&out));
    dv_buf_fini(&out);
    ck_assert_ptr_nonnull(text.p);
    return code == 0 ? text.p : NULL;
}

struct dv_json *testdb_json(struct testdb *t, struct dv_slice text)
{
    struct dv_json *root;

    ck_assert_msg(dv_json_tree(text, NULL, &t->arena, &root, &t->err) == 0, "not JSON: %.*s",
                  (int)text.n, text.p);
    return root;
}

bool testdb_json_equal(struct dv_slice a, struct dv_slice b)
{
    struct dv_json *x, *y;
    struct dv_arena arena;
    bool equal;

    dv_arena_init(&arena, OUT_MAX);
    ck_assert_int_eq(dv_json_tree(a, NULL, &arena, &x, NULL), 0);
    ck_assert_int_eq(dv_json_tree(b, NULL, &arena, &y, NULL), 0);
    equal = dv_json_equal(x, y, DV_JSON_SUBNORMAL_IS_ZERO);
    dv_arena_fini(&arena);
    return equal;
}

void testdb_expect(struct testdb *t, const char *id, const char *rev, unsigned flags,
                   const char *json)
{
    const char *got = testdb_get(t, id, rev, flags);

    ck_assert_msg(got != NULL, "%s: %s", id, t->err.reason);
    ck_assert_msg(testdb_json_equal(dv_slice_str(got), dv_slice_str(json)), "%s\ninstead of %s",
                  got, json);
}

void testdb_expect_error(const struct dv_err *err, int status, const char *name, const char *reason)
{
    ck_assert_str_eq(err->reason, reason);
    ck_assert_str_eq(err->name, name);
    ck_assert_int_eq(err->http_status, status);
}

uint64_t testdb_update_seq(struct testdb *t)
{
    struct dv_props props;

    ck_assert_int_eq(dv_database_props(t->db, &props, &t->err), 0);
    return props.update_seq;
}

uint64_t testdb_doc_count(struct testdb *t)
{
    struct dv_props props;

    ck_assert_int_eq(dv_database_props(t->db, &props, &t->err), 0);
    return props.doc_count;
}

char *testdb_text(struct testdb *t, const char *fmt, ...)
{
    va_list ap;
    char *p;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    p = dv_arena_alloc(&t->arena, (size_t)n + 1);
    ck_assert_ptr_nonnull(p);
    va_start(ap, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return p;
}
