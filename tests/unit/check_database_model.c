/* database: seeded random edits, replicated edits, deletions and purges on two databases, then
 * copied both ways as a replicator does (changes, revs_diff, open_revs, replicated writes) until
 * nothing is missing: both hold the same documents, leaves, winners and attachments. The same seed
 * gives the same databases. Beside them a model of each document's leaves says what each edit must
 * do. */
#include <stdio.h>
#include <stdlib.h>

#include "base/rand.h"
#include "couch/document.h"
#include "lib/check_main.h"
#include "lib/testdb.h"

enum { DOCS = 12, STEPS = 150, DUMP_MAX = 1 << 26, REVS_MAX = 256 };

/* ---- what a database holds, as text
 * --------------------------------------------------------------- */

static int dump_rev(void *arg, struct dv_slice missing, struct dv_slice json,
                    const struct dv_revision_read *read, struct dv_err *err)
{
    (void)read;
    (void)err;
    ck_assert_uint_eq(missing.n, 0);
    return dv_buf_printf(arg, "%.*s\n", (int)json.n, json.p);
}

struct dumping {
    struct testdb *t;
    struct dv_buf *out;
};

static int dump_doc(void *arg, const struct dv_row *row, struct dv_err *err)
{
    struct dv_get_options opt = { .flags = DV_GET_REVS | DV_GET_ATTACHMENTS };
    struct dumping *d = arg;

    (void)err;
    dv_buf_printf(d->out, "%.*s %.*s %d\n", (int)row->key.n, row->key.p, (int)row->rev.n,
                  row->rev.p, row->deleted);
    ck_assert_int_eq(dv_database_open_revs(d->t->db, row->key, true, NULL, 0, &opt, dump_rev,
                                           d->out, &d->t->err),
                     0);
    return 0;
}

static void dump(struct testdb *t, struct dv_buf *out)
{
    struct dv_all_docs_options opt = { .limit = UINT64_MAX, .range.include_deleted = true };
    struct dumping d = { t, out };
    struct dv_check_result check;
    uint64_t total, offset;

    ck_assert_int_eq(dv_database_all_docs(t->db, &opt, dump_doc, &d, &total, &offset, &t->err), 0);
    ck_assert_int_eq(dv_database_check(t->db, true, NULL, NULL, &check, &t->err), 0);
    ck_assert_uint_eq(check.findings, 0);
}

/* ---- random edits
 * ------------------------------------------------------------------------------------ */

struct leaf {
    char rev[64];
    bool deleted;
};

struct leaves {
    struct leaf v[REVS_MAX];
    size_t n;
};

static int collect_leaf(void *arg, struct dv_slice missing, struct dv_slice json,
                        const struct dv_revision_read *read, struct dv_err *err)
{
    struct leaves *l = arg;

    (void)missing;
    (void)json;
    (void)err;
    ck_assert_uint_lt(l->n, REVS_MAX);
    l->v[l->n].deleted = read->deleted;
    snprintf(l->v[l->n++].rev, sizeof(l->v[0].rev), "%.*s", (int)read->rev.n, read->rev.p);
    return 0;
}

static void leaves_of(struct testdb *t, const char *id, struct leaves *l)
{
    int code;

    l->n = 0;
    code = dv_database_open_revs(t->db, dv_slice_str(id), true, NULL, 0, NULL, collect_leaf, l,
                                 &t->err);
    ck_assert(code == 0 || code == DV_ENOTFOUND);
}

static bool all_deleted(const struct leaves *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (!l->v[i].deleted)
            return false;
    return true;
}

/* An attachment given, or the one of the revision before (which may have none). */
static const char *random_atts(struct testdb *t, struct dv_rng *r)
{
    switch (dv_rng_below(r, 4)) {
    case 0:
        return testdb_text(t,
                           ",\"_attachments\":{\"f\":{\"content_type\":\"text/plain\","
                           "\"data\":\"%04d\"}}",
                           (int)dv_rng_below(r, 10000));
    case 1:
        return ",\"_attachments\":{\"f\":{\"stub\":true}}";
    default:
        return "";
    }
}

/* With the revision of a leaf, an older one or none: it must be stored exactly when it names a live
 * document's leaf, or none and there is no live one. */
static void random_edit(struct testdb *t, struct dv_rng *r, const char *id)
{
    bool deleting = dv_rng_below(r, 5) == 0;
    const char *atts = random_atts(t, r), *rev = "";
    struct leaves l;
    bool allowed;
    int code;

    leaves_of(t, id, &l);
    allowed = l.n == 0 || (all_deleted(&l) && !deleting);
    if (l.n > 0 && dv_rng_below(r, 4) > 0) {
        rev = l.v[dv_rng_below(r, l.n)].rev;
        allowed = !all_deleted(&l);
    } else if (dv_rng_below(r, 8) == 0) {
        rev = "1-beef";
        allowed = false;
    }
    code = testdb_put(t, id, rev,
                      testdb_text(t, "{\"v\":%d%s%s}", (int)dv_rng_below(r, 3),
                                  deleting ? ",\"_deleted\":true" : "", atts),
                      NULL);
    if (code == DV_EMISSINGSTUB)
        ck_assert_ptr_nonnull(strstr(atts, "stub"));
    else
        ck_assert_int_eq(code, allowed ? 0 : DV_ECONFLICT);
}

/* A branch from elsewhere, ids from a small set so that both databases meet the same ones. */
static void random_branch(struct testdb *t, struct dv_rng *r, const char *id)
{
    int start = 1 + (int)dv_rng_below(r, 4);
    char ancestry[8];
    struct dv_buf b;

    for (size_t i = 0; i < sizeof(ancestry); i++)
        ancestry[i] = (char)('x' + dv_rng_below(r, 2));

    dv_buf_init(&b, 4096);
    dv_buf_printf(&b, "{\"_id\":\"%s\",%s\"_revisions\":{\"start\":%d,\"ids\":[", id,
                  start == 3 && ancestry[2] == 'x' ? "\"_deleted\":true," : "", start);
    for (int gen = start; gen > 0; gen--) /* an id spells its ancestry: equal ids, equal paths */
        dv_buf_printf(&b, "\"%.*s\"%s", gen, ancestry, gen > 1 ? "," : "]}}");
    testdb_must_replicate(t, dv_buf_cstr(&b));
    dv_buf_fini(&b);
}

static void random_purge(struct testdb *t, struct dv_rng *r, const char *id)
{
    struct dv_purge_request request = { .id = dv_slice_str(id), .n_revs = 1 };
    struct dv_slice rev;
    struct leaves l;
    uint64_t seq;

    leaves_of(t, id, &l);
    if (l.n == 0)
        return;
    rev = dv_slice_str(l.v[dv_rng_below(r, l.n)].rev);
    request.revs = &rev;
    ck_assert_int_eq(dv_database_purge(t->db, &request, 1, &t->arena, &seq, &t->err), 0);
    ck_assert_uint_eq(request.n_purged, 1);
}

static void random_steps(struct testdb *t, struct dv_rng *r)
{
    for (int i = 0; i < STEPS; i++) {
        const char *id = testdb_text(t, "doc%d", (int)dv_rng_below(r, DOCS));

        switch (dv_rng_below(r, 12)) {
        case 0:
            random_purge(t, r, id);
            break;
        case 1:
        case 2:
            random_branch(t, r, id);
            break;
        case 3:
            if (dv_rng_below(r, 10) == 0)
                ck_assert_int_eq(dv_database_compact(t->db, NULL, &t->err), 0);
            break;
        default:
            random_edit(t, r, id);
        }
    }
}

/* ---- a replicator
 * ------------------------------------------------------------------------------------ */

struct copying {
    struct testdb *from, *to;
    uint64_t copied;
};

static int copy_rev(void *arg, struct dv_slice missing, struct dv_slice json,
                    const struct dv_revision_read *read, struct dv_err *err)
{
    struct copying *c = arg;

    (void)read;
    (void)err;
    ck_assert_uint_eq(missing.n, 0);
    testdb_must_replicate(c->to, testdb_text(c->to, "%.*s", (int)json.n, json.p));
    c->copied++;
    return 0;
}

static int copy_change(void *arg, const struct dv_change *change, struct dv_err *err)
{
    struct dv_get_options opt = { .flags = DV_GET_REVS | DV_GET_ATTACHMENTS };
    struct copying *c = arg;
    struct dv_revs_query q = { .id = change->id, .revs = change->revs, .n_revs = change->n_revs };

    (void)err;
    ck_assert_int_eq(dv_database_revs_diff(c->to->db, &q, 1, &c->to->arena, &c->to->err), 0);
    if (q.n_missing == 0)
        return 0;
    /* Half of the time only what is newer than what is there, the rest as stubs. */
    if (q.n_possible_ancestors > 0 && change->seq % 2 == 0) {
        opt.has_atts_since = true;
        opt.atts_since = q.possible_ancestors;
        opt.n_atts_since = q.n_possible_ancestors;
    }
    ck_assert_int_eq(dv_database_open_revs(c->from->db, change->id, false, q.missing, q.n_missing,
                                           &opt, copy_rev, c, &c->from->err),
                     0);
    return 0;
}

static uint64_t copy(struct testdb *from, struct testdb *to)
{
    struct dv_changes_options opt = { .limit = UINT64_MAX, .all_docs = true };
    struct copying c = { .from = from, .to = to };
    uint64_t last;

    ck_assert_int_eq(dv_database_changes(from->db, &opt, copy_change, &c, &last, &from->err), 0);
    return c.copied;
}

/* ---- the cases
 * ---------------------------------------------------------------------------------------- */

static void expect_equal(struct dv_buf *a, struct dv_buf *b, uint64_t seed)
{
    const char *x = dv_buf_cstr(a), *y = dv_buf_cstr(b);
    size_t n = 0;

    while (n < a->n && x[n] == y[n])
        n++;
    if (n < a->n || n < b->n)
        ck_abort_msg("seed %d: the databases differ: %.300s\n---\n%.300s", (int)seed, x + n, y + n);
}

static void run_seed(uint64_t seed, struct dv_buf *out)
{
    struct testdb a, b;
    struct dv_buf other;
    struct dv_rng r;

    dv_rng_seed(&r, seed);
    dv_buf_init(&other, DUMP_MAX);
    testdb_create(&a, 0, "a");
    testdb_create(&b, 1, "b");
    for (int round = 0; round < 3; round++) {
        random_steps(&a, &r);
        random_steps(&b, &r);
        copy(&a, &b);
        copy(&b, &a);
        ck_assert_uint_eq(copy(&a, &b), 0);
        dv_buf_reset(&other);
        dv_buf_reset(out);
        dump(&a, out);
        dump(&b, &other);
        expect_equal(out, &other, seed);
    }
    dv_buf_fini(&other);
    dv_database_close(a.db);
    ck_assert_int_eq(dv_database_remove(a.path, &a.opt, &a.err), 0);
    dv_arena_fini(&a.arena);
    testdb_close(&b);
}

START_TEST(two_databases_that_exchange_what_they_miss_become_equal)
{
    struct dv_buf out;

    dv_buf_init(&out, DUMP_MAX);
    for (int seed = 1; seed <= dv_test_scale(6, 500); seed++)
        run_seed((uint64_t)seed, &out);
    ck_assert_uint_gt(out.n, 1000);
    dv_buf_fini(&out);
}
END_TEST

START_TEST(the_same_seed_gives_the_same_databases)
{
    struct dv_buf one, two;

    dv_buf_init(&one, DUMP_MAX);
    dv_buf_init(&two, DUMP_MAX);
    run_seed(42, &one);
    run_seed(42, &two);
    ck_assert(dv_slice_eq(dv_buf_slice(&one), dv_buf_slice(&two)));
    dv_buf_fini(&one);
    dv_buf_fini(&two);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("databases at random");
    TCase *tc = tcase_create("model");

    tcase_set_timeout(tc, dv_test_scale(20, 3600));
    tcase_add_test(tc, two_databases_that_exchange_what_they_miss_become_equal);
    tcase_add_test(tc, the_same_seed_gives_the_same_databases);
    suite_add_tcase(suite, tc);
    return dv_check_run(suite);
}
