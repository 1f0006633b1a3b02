/* couch/gzip: both directions, members, ceilings, damage, and failing allocations. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/rand.h"
#include "couch/gzip.h"
#include "lib/check_main.h"

enum { ANY = 1 << 30 };

static int to_buf(void *arg, struct dv_slice out, struct dv_err *err)
{
    int rc = dv_buf_add_slice(arg, out);

    return rc < 0 ? dv_err_set(err, rc, NULL) : 0;
}

/* Push in through z in pieces of `step` bytes; z is freed. */
static int push(struct dv_gzip *z, struct dv_slice in, size_t step, struct dv_buf *out)
{
    int rc = 0;

    while (rc == 0 && in.n > 0) {
        size_t n = in.n < step ? in.n : step;

        rc = dv_gzip_add(z, dv_slice(in.p, n), to_buf, out, NULL);
        in = dv_slice(in.p + n, in.n - n);
    }
    if (rc == 0)
        rc = dv_gzip_end(z, to_buf, out, NULL);
    dv_gzip_free(z);
    return rc;
}

static int zip(struct dv_slice in, size_t step, struct dv_buf *out)
{
    struct dv_gzip *z;
    int rc = dv_gzip_new_deflate(&z, NULL);

    return rc < 0 ? rc : push(z, in, step, out);
}

static int unzip(struct dv_slice in, size_t step, uint64_t max, struct dv_buf *out)
{
    struct dv_gzip *z;
    int rc = dv_gzip_new_inflate(max, &z, NULL);

    return rc < 0 ? rc : push(z, in, step, out);
}

static void fill(struct dv_buf *b, size_t n)
{
    struct dv_rng rng;

    dv_rng_seed(&rng, n);
    while (b->n < n)
        dv_buf_printf(b, "%u,", (unsigned)dv_rng_below(&rng, 3000));
    b->n = n;
}

START_TEST(what_was_compressed_comes_back_whatever_the_pieces)
{
    static const size_t sizes[] = { 0, 1, 17, 16384, 100000, 1000000 };
    static const size_t steps[] = { 1000000, 4096, 7 };
    struct dv_buf in, z, out;

    dv_buf_init(&in, ANY);
    dv_buf_init(&z, ANY);
    dv_buf_init(&out, ANY);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
        for (size_t k = 0; k < sizeof(steps) / sizeof(*steps); k++) {
            dv_buf_reset(&in);
            dv_buf_reset(&z);
            dv_buf_reset(&out);
            fill(&in, sizes[i]);
            ck_assert_int_eq(zip(dv_buf_slice(&in), steps[k], &z), 0);
            ck_assert_int_eq(unzip(dv_buf_slice(&z), steps[k], sizes[i], &out), 0);
            ck_assert(dv_slice_eq(dv_buf_slice(&in), dv_buf_slice(&out)));
        }
    dv_buf_fini(&in);
    dv_buf_fini(&z);
    dv_buf_fini(&out);
}
END_TEST

START_TEST(several_members_are_one_content)
{
    struct dv_buf z, out;

    dv_buf_init(&z, ANY);
    dv_buf_init(&out, ANY);
    ck_assert_int_eq(zip(DV_SLICE_LIT("hello "), 3, &z), 0);
    ck_assert_int_eq(zip(DV_SLICE_LIT("world"), 3, &z), 0);
    ck_assert_int_eq(unzip(dv_buf_slice(&z), 1, 11, &out), 0);
    ck_assert(dv_slice_eq_str(dv_buf_slice(&out), "hello world"));
    dv_buf_fini(&z);
    dv_buf_fini(&out);
}
END_TEST

START_TEST(a_bomb_stops_at_the_ceiling)
{
    struct dv_buf in, z, out;

    dv_buf_init(&in, ANY);
    dv_buf_init(&z, ANY);
    dv_buf_init(&out, ANY);
    dv_buf_reserve(&in, 1 << 24);
    memset(in.p, 0, 1 << 24);
    in.n = 1 << 24;
    ck_assert_int_eq(zip(dv_buf_slice(&in), 1 << 20, &z), 0);
    ck_assert_int_eq(unzip(dv_buf_slice(&z), 1 << 20, (1 << 24) - 1, &out), DV_ETOOBIG);
    ck_assert_uint_lt(out.n, 1 << 24);
    dv_buf_fini(&in);
    dv_buf_fini(&z);
    dv_buf_fini(&out);
}
END_TEST

START_TEST(cut_damaged_and_foreign_input_is_refused)
{
    struct dv_buf z, out;

    dv_buf_init(&z, ANY);
    dv_buf_init(&out, ANY);
    ck_assert_int_eq(zip(DV_SLICE_LIT("a text that is a little longer"), 99, &z), 0);
    for (size_t n = 0; n < z.n; n++)
        ck_assert_int_eq(unzip(dv_slice(z.p, n), 5, ANY, &out), DV_EINVAL);
    for (size_t i = 10; i < z.n; i++) { /* the header has bytes without a meaning */
        z.p[i] = (char)(z.p[i] ^ 1);
        ck_assert_int_eq(unzip(dv_buf_slice(&z), 5, ANY, &out), DV_EINVAL);
        z.p[i] = (char)(z.p[i] ^ 1);
    }
    dv_buf_add_str(&z, "behind");
    ck_assert_int_eq(unzip(dv_buf_slice(&z), 5, ANY, &out), DV_EINVAL);
    ck_assert_int_eq(unzip(DV_SLICE_LIT("{\"not\":\"gzip\"}"), 5, ANY, &out), DV_EINVAL);
    dv_buf_fini(&z);
    dv_buf_fini(&out);
}
END_TEST

struct countdown {
    int left;
};

static bool fails(void *arg)
{
    struct countdown *c = arg;

    return c->left-- == 0;
}

START_TEST(every_allocation_may_fail)
{
    int rc = DV_ENOMEM;

    for (int n = 0; rc == DV_ENOMEM; n++) {
        struct countdown c = { n };
        struct dv_buf z, out;

        dv_buf_init(&z, ANY);
        dv_buf_init(&out, ANY);
        dv_mem_set_fault(fails, &c);
        rc = zip(DV_SLICE_LIT("some text"), 4, &z);
        if (rc == 0)
            rc = unzip(dv_buf_slice(&z), 4, ANY, &out);
        dv_mem_set_fault(NULL, NULL);
        ck_assert(rc == 0 || rc == DV_ENOMEM);
        ck_assert(rc == 0 || n < 100);
        dv_buf_fini(&z);
        dv_buf_fini(&out);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gzip");
    TCase *tc = tcase_create("gzip");

    tcase_add_test(tc, what_was_compressed_comes_back_whatever_the_pieces);
    tcase_add_test(tc, several_members_are_one_content);
    tcase_add_test(tc, a_bomb_stops_at_the_ceiling);
    tcase_add_test(tc, cut_damaged_and_foreign_input_is_refused);
    tcase_add_test(tc, every_allocation_may_fail);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(suite, tc);
    return dv_check_run(suite);
}
