/* The fixture: one database of one engine, opened, closed and judged. */
#include "conformance/cf.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rand.h"

const char *cf_words(const struct cf *c)
{
    static char text[1024];

    dv_err_text(&c->err, text, sizeof(text));
    return text;
}

struct dv_slice cf_str(const char *s)
{
    return dv_slice_str(s);
}

void cf_init(struct cf *c, const struct dv_engine *engine, const char *path)
{
    memset(c, 0, sizeof(*c));
    c->engine = engine;
    snprintf(c->path, sizeof(c->path), "%s", path);
    dv_arena_init(&c->arena, CF_ANY);
}

void cf_fini(struct cf *c)
{
    bool exists = false;

    dv_arena_fini(&c->arena);
    CF_OK(dv_store_exists(c->engine, c->path, &exists, &c->err));
    if (exists && !c->store)
        cf_open(c);
    if (exists)
        cf_check(c);
    cf_close(c);
    if (exists)
        CF_OK(dv_store_delete(c->engine, c->path, NULL, &c->err));
}

void cf_create(struct cf *c)
{
    struct dv_store_options opt = { .node = CF_NODE_A };

    ck_assert_ptr_null(c->store);
    CF_OK(dv_store_create(c->engine, c->path, &opt, &c->store, &c->err));
}

void cf_open(struct cf *c)
{
    struct dv_store_options opt = { .node = CF_NODE_A };

    ck_assert_ptr_null(c->store);
    CF_OK(dv_store_open(c->engine, c->path, &opt, &c->store, &c->err));
}

void cf_close(struct cf *c)
{
    dv_store_unref(c->store);
    c->store = NULL;
}

void cf_reopen(struct cf *c)
{
    cf_close(c);
    cf_open(c);
}

struct dv_txn *cf_read(struct cf *c)
{
    struct dv_txn *t = NULL;

    CF_OK(dv_store_begin_read(c->store, &t, &c->err));
    return t;
}

struct dv_txn *cf_write(struct cf *c)
{
    struct dv_txn *t = NULL;

    CF_OK(dv_store_begin_write(c->store, &t, &c->err));
    return t;
}

void cf_commit(struct cf *c, struct dv_txn *t)
{
    CF_OK(dv_txn_commit(t, DV_COMMIT_LAZY, &c->err));
}

struct dv_props cf_props(struct cf *c)
{
    struct dv_txn *t = cf_read(c);
    struct dv_props props;

    CF_OK(dv_txn_props(t, &props, &c->err));
    dv_txn_rollback(t);
    return props;
}

static void print_finding(void *arg, const char *finding)
{
    (void)arg;
    fprintf(stderr, "check: %s\n", finding);
}

struct dv_check_result cf_account(struct cf *c)
{
    struct dv_check_result result;

    CF_OK(dv_store_check(c->store, true, print_finding, NULL, &result, &c->err));
    return result;
}

void cf_check(struct cf *c)
{
    ck_assert_uint_eq(cf_account(c).findings, 0);
}

void cf_compact(struct cf *c, size_t rows_per_txn)
{
    struct dv_compact_options opt = { .rows_per_txn = rows_per_txn };

    CF_OK(dv_store_compact(c->store, &opt, &c->err));
}

void cf_random(struct dv_buf *out, size_t n, uint64_t seed)
{
    struct dv_rng rng;

    dv_rng_seed(&rng, seed);
    while (n > 0) {
        uint64_t v = dv_rng_next(&rng);
        size_t k = n < sizeof(v) ? n : sizeof(v);

        ck_assert_int_eq(dv_buf_add(out, &v, k), 0);
        n -= k;
    }
}

int cf_att_write(struct dv_store *s, struct dv_txn *t, enum dv_att_mode mode, struct dv_slice bytes,
                 size_t piece, struct dv_att_info *info, struct dv_err *err)
{
    struct dv_att_writer *w;
    int rc = dv_att_writer_open(s, t, mode, 0, &w, err);

    if (rc < 0)
        return rc;
    while (rc == 0 && bytes.n > 0) {
        size_t n = bytes.n < piece ? bytes.n : piece;

        rc = dv_att_writer_append(w, dv_slice(bytes.p, n), err);
        bytes = dv_slice(bytes.p + n, bytes.n - n);
    }
    if (rc == 0)
        return dv_att_writer_finish(w, info, err);
    dv_att_writer_abort(w);
    return rc;
}

int cf_att_read(struct dv_store *s, struct dv_txn *t, const struct dv_att_key *key, uint64_t offset,
                uint64_t length, struct dv_buf *out, struct dv_err *err)
{
    struct dv_att_reader *r;
    char room[10000]; /* no divisor of a chunk */
    size_t got = 1;
    int rc = dv_att_reader_open(s, t, key, offset, length, &r, err);

    if (rc < 0)
        return rc;
    while (rc == 0 && got > 0) {
        rc = dv_att_reader_read(r, room, sizeof(room), &got, err);
        if (rc == 0)
            rc = dv_buf_add(out, room, got);
    }
    dv_att_reader_close(r);
    return rc;
}

void cf_att_is(struct cf *c, const struct dv_att_key *key, struct dv_slice bytes)
{
    struct dv_buf read;

    dv_buf_init(&read, CF_ANY);
    CF_OK(cf_att_read(c->store, NULL, key, 0, UINT64_MAX, &read, &c->err));
    ck_assert(dv_slice_eq(dv_buf_slice(&read), bytes));
    dv_buf_fini(&read);
}
