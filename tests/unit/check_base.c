/* base: buffers with ceilings, arenas, hash map, errors. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/rand.h"
#include "lib/check_main.h"

START_TEST(a_buffer_stops_at_its_ceiling_and_keeps_its_content)
{
    struct dv_buf b;

    dv_buf_init(&b, 5);
    ck_assert_int_eq(dv_buf_add_str(&b, "hello"), 0);
    ck_assert_int_eq(dv_buf_add_char(&b, 'x'), DV_ETOOBIG);
    ck_assert(dv_slice_eq_str(dv_buf_slice(&b), "hello"));
    ck_assert_int_eq(b.failed, DV_ETOOBIG);
    dv_buf_fini(&b);
}
END_TEST

START_TEST(varints_come_back_and_cut_ones_are_refused)
{
    static const uint64_t values[] = { 0, 1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_MAX };

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct dv_buf b;
        struct dv_slice s;
        uint64_t v;

        dv_buf_init(&b, 64);
        dv_buf_add_varint(&b, values[i]);
        s = dv_buf_slice(&b);
        ck_assert(dv_varint_read(&s, &v));
        ck_assert_uint_eq(v, values[i]);
        ck_assert_uint_eq(s.n, 0);
        s = dv_slice(b.p, b.n - 1);
        ck_assert(!dv_varint_read(&s, &v));
        dv_buf_fini(&b);
    }
}
END_TEST

START_TEST(a_varint_over_64_bits_is_refused)
{
    struct dv_slice s = DV_SLICE_LIT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02");
    uint64_t v;

    ck_assert(!dv_varint_read(&s, &v));
}
END_TEST

START_TEST(an_arena_reuses_its_blocks_and_honours_its_ceiling)
{
    struct dv_arena a;

    dv_arena_init(&a, 100000);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 1000; i++)
            ck_assert_ptr_nonnull(dv_arena_alloc(&a, 50));
        dv_arena_reset(&a);
    }
    ck_assert_ptr_nonnull(dv_arena_alloc(&a, 60000));
    ck_assert_ptr_null(dv_arena_alloc(&a, 60000));
    dv_arena_fini(&a);
}
END_TEST

START_TEST(a_hash_finds_what_was_put_and_nothing_else)
{
    static char keys[5000][16];
    struct dv_hash h;
    bool is_new;

    dv_hash_init(&h);
    for (int i = 0; i < 5000; i++) {
        snprintf(keys[i], sizeof(keys[i]), "k%d", i);
        *dv_hash_put(&h, dv_slice_str(keys[i]), &is_new) = keys[i];
        ck_assert(is_new);
    }
    for (int i = 0; i < 5000; i++)
        ck_assert_ptr_eq(*dv_hash_get(&h, dv_slice_str(keys[i])), keys[i]);
    ck_assert_ptr_null(dv_hash_get(&h, DV_SLICE_LIT("k5000")));
    dv_hash_put(&h, DV_SLICE_LIT("k7"), &is_new);
    ck_assert(!is_new);
    ck_assert_uint_eq(h.count, 5000);
    dv_hash_fini(&h);
}
END_TEST

static bool fail_always(void *arg)
{
    (void)arg;
    return true;
}

START_TEST(running_out_of_memory_is_an_error_not_a_crash)
{
    struct dv_buf b;
    struct dv_hash h;
    struct dv_arena a;

    dv_buf_init(&b, 1000);
    dv_hash_init(&h);
    dv_arena_init(&a, 1000);
    dv_mem_set_fault(fail_always, NULL);
    ck_assert_int_eq(dv_buf_add_str(&b, "x"), DV_ENOMEM);
    ck_assert_ptr_null(dv_hash_put(&h, DV_SLICE_LIT("x"), NULL));
    ck_assert_ptr_null(dv_arena_alloc(&a, 10));
    dv_mem_set_fault(NULL, NULL);
    ck_assert_int_eq(dv_buf_add_str(&b, "x"), 0);
    dv_buf_fini(&b);
}
END_TEST

START_TEST(an_error_says_what_was_done_outermost_first_on_one_line)
{
    struct dv_err err;
    char text[256];

    ck_assert_int_eq(dv_err_errno(&err, ENOSPC, "write to\n%s", "f"), DV_EFULL);
    ck_assert_int_eq(dv_err_wrap(&err, DV_EFULL, "store document"), DV_EFULL);
    dv_err_wrap(&err, DV_EFULL, "replicate a to b");
    dv_err_text(&err, text, sizeof(text));
    ck_assert_str_eq(text, "replicate a to b: store document: write to f: No space left on device");
    ck_assert_int_eq(err.http_status, 507);
    ck_assert_str_eq(dv_err_symbol(DV_EFULL), "DV_EFULL");
    ck_assert_int_eq(dv_err_retry(DV_ERETRY), DV_RETRY_NOW);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("base");
    TCase *t = tcase_create("base");
    TCase *faults = tcase_create("faults");

    tcase_add_test(t, a_buffer_stops_at_its_ceiling_and_keeps_its_content);
    tcase_add_test(t, varints_come_back_and_cut_ones_are_refused);
    tcase_add_test(t, a_varint_over_64_bits_is_refused);
    tcase_add_test(t, an_arena_reuses_its_blocks_and_honours_its_ceiling);
    tcase_add_test(t, a_hash_finds_what_was_put_and_nothing_else);
    tcase_add_test(t, an_error_says_what_was_done_outermost_first_on_one_line);
    suite_add_tcase(s, t);
    tcase_add_test(faults, running_out_of_memory_is_an_error_not_a_crash);
    suite_add_tcase(s, faults);
    return dv_check_run(s);
}
