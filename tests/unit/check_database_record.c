/* database: the stored record of a revision: what goes in comes out, damage is told. */
#include "base/mem.h"
#include "database/apply.h"
#include "lib/check_main.h"

enum { ATTS = 3 };

static struct dv_buf record;
static struct dv_arena arena;

static void encode(void)
{
    struct dv_att_meta atts[ATTS];
    struct dv_record r = { DV_SLICE_LIT("{\"a\":1}"), atts, ATTS };

    memset(atts, 0, sizeof(atts));
    for (size_t i = 0; i < ATTS; i++) {
        atts[i].name = dv_slice("abc", i + 1);
        atts[i].content_type = DV_SLICE_LIT("text/plain");
        atts[i].revpos = i * 100;
        atts[i].stored_bytes = i * 1000;
        atts[i].decoded_bytes = i * 100000;
        atts[i].key.encoding = i % 2 ? DV_ENC_GZIP : DV_ENC_IDENTITY;
        memset(atts[i].md5, (int)i + 1, sizeof(atts[i].md5));
        memset(atts[i].key.sha256, (int)i + 50, sizeof(atts[i].key.sha256));
    }
    dv_buf_init(&record, 10000);
    dv_arena_init(&arena, 1 << 20);
    ck_assert_int_eq(dv_record_encode(&r, &record, NULL), 0);
}

static void done(void)
{
    dv_buf_fini(&record);
    dv_arena_fini(&arena);
}

START_TEST(what_is_encoded_is_decoded)
{
    struct dv_record r;

    encode();
    ck_assert_int_eq(dv_record_decode(dv_buf_slice(&record), &arena, &r, NULL), 0);
    ck_assert(dv_slice_eq_str(r.body, "{\"a\":1}"));
    ck_assert_uint_eq(r.n_atts, ATTS);
    ck_assert(dv_slice_eq_str(r.atts[2].name, "abc"));
    ck_assert(dv_slice_eq_str(r.atts[2].content_type, "text/plain"));
    ck_assert_uint_eq(r.atts[2].revpos, 200);
    ck_assert_uint_eq(r.atts[2].stored_bytes, 2000);
    ck_assert_uint_eq(r.atts[2].decoded_bytes, 200000);
    ck_assert_int_eq(r.atts[1].key.encoding, DV_ENC_GZIP);
    ck_assert_int_eq(r.atts[1].key.sha256[31], 51);
    ck_assert_int_eq(r.atts[0].md5[15], 1);
    done();
}
END_TEST

START_TEST(a_cut_record_is_told_and_nothing_behind_it_is_read)
{
    struct dv_record r;
    struct dv_err err;

    encode();
    for (size_t n = 0; n + 7 <= record.n; n++) { /* without the whole body */
        char *copy = dv_memdup(record.p, n);
        struct dv_slice cut = dv_slice(copy, n);

        ck_assert_int_eq(dv_record_decode(cut, &arena, &r, &err), DV_ECORRUPT);
        dv_free(copy);
    }
    done();
}
END_TEST

START_TEST(flipped_bits_never_lead_outside_the_record)
{
    encode();
    for (size_t bit = 0; bit < record.n * 8; bit++) {
        char *copy = dv_memdup(record.p, record.n);
        struct dv_record r;
        int code;

        copy[bit / 8] = (char)(copy[bit / 8] ^ 1 << bit % 8);
        code = dv_record_decode(dv_slice(copy, record.n), &arena, &r, NULL);
        ck_assert(code == 0 || code == DV_ECORRUPT || code == DV_ENEWER);
        for (size_t i = 0; code == 0 && i < r.n_atts; i++)
            ck_assert(r.atts[i].name.p >= copy &&
                      r.atts[i].name.p + r.atts[i].name.n <= copy + record.n);
        dv_free(copy);
    }
    done();
}
END_TEST

START_TEST(a_newer_record_is_refused_not_guessed)
{
    struct dv_record r;

    encode();
    record.p[0] = 2;
    ck_assert_int_eq(dv_record_decode(dv_buf_slice(&record), &arena, &r, NULL), DV_ENEWER);
    done();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("records of revisions");
    TCase *tc = tcase_create("record");

    tcase_add_test(tc, what_is_encoded_is_decoded);
    tcase_add_test(tc, a_cut_record_is_told_and_nothing_behind_it_is_read);
    tcase_add_test(tc, flipped_bits_never_lead_outside_the_record);
    tcase_add_test(tc, a_newer_record_is_refused_not_guessed);
    suite_add_tcase(suite, tc);
    return dv_check_run(suite);
}
