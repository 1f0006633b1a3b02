/* couch: Erlang terms, byte by byte as term_to_binary(Term, [{minor_version, 1}]) gives them. The
 * tags are those of Erlang's "External Term Format" page; whole terms of CouchDB are in
 * check_revhash.c. */
#include <stdlib.h>

#include "base/mem.h"
#include "couch/etf.h"
#include "lib/check_main.h"

static struct dv_buf b;

static void setup(void)
{
    dv_buf_init(&b, 1 << 20);
}

static void teardown(void)
{
    dv_buf_fini(&b);
}

static void expect(const char *what, const char *hex)
{
    struct dv_buf text;

    dv_buf_init(&text, 1 << 20);
    dv_buf_add_hex(&text, b.p, b.n);
    ck_assert_int_eq(b.failed, 0);
    ck_assert_msg(strcmp(dv_buf_cstr(&text), hex) == 0, "%s is %s, expected %s", what, text.p, hex);
    dv_buf_fini(&text);
    dv_buf_reset(&b);
}

START_TEST(integers_take_the_shortest_of_their_forms)
{
    static const struct {
        const char *number, *hex;
    } rows[] = {
        { "0", "6100" },
        { "-0", "6100" },
        { "255", "61ff" },
        { "256", "6200000100" },
        { "-1", "62ffffffff" },
        { "2147483647", "627fffffff" },
        { "2147483648", "6e040000000080" },
        { "-2147483648", "6280000000" },
        { "-2147483649", "6e040101000080" },
        { "9223372036854775807", "6e0800ffffffffffffff7f" },
        { "9223372036854775808", "6e08000000000000000080" },
        { "-9223372036854775807", "6e0801ffffffffffffff7f" },
        { "-9223372036854775808", "6e08010000000000000080" },
        { "-9223372036854775809", "6e08010100000000000080" },
        { "18446744073709551615", "6e0800ffffffffffffffff" },
        { "18446744073709551616", "6e0900000000000000000001" },
        { "-18446744073709551616", "6e0901000000000000000001" },
        { "1000000000000000000", "6e0800000064a7b3b6e00d" },
        { "340282366920938463463374607431768211456", "6e11000000000000000000000000000000000001" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ck_assert_int_eq(dv_etf_number(&b, dv_slice_str(rows[i].number), NULL), 0);
        expect(rows[i].number, rows[i].hex);
    }
    dv_etf_int(&b, INT64_MIN);
    expect("the least int64", "6e08010000000000000080");
    dv_etf_uint(&b, UINT64_MAX);
    expect("the greatest uint64", "6e0800ffffffffffffffff");
}
END_TEST

/* 2^(8*n) has n + 1 bytes. */
START_TEST(an_integer_over_255_bytes_takes_the_long_form)
{
    char digits[1000] = "1";

    for (int bit = 0; bit < 2040; bit++) {
        int carry = 0;

        for (size_t i = strlen(digits); i-- > 0;) {
            int d = (digits[i] - '0') * 2 + carry;

            digits[i] = (char)('0' + d % 10);
            carry = d / 10;
        }
        if (carry) {
            memmove(digits + 1, digits, strlen(digits) + 1);
            digits[0] = '1';
        }
        if (bit == 2031) {
            ck_assert_int_eq(dv_etf_number(&b, dv_slice_str(digits), NULL), 0);
            ck_assert_uint_eq(b.n, 3 + 255);
            ck_assert_int_eq(memcmp(b.p, "\x6e\xff\x00", 3), 0);
            ck_assert_int_eq(b.p[b.n - 1], 1);
            dv_buf_reset(&b);
        }
    }
    ck_assert_int_eq(dv_etf_number(&b, dv_slice_str(digits), NULL), 0);
    ck_assert_uint_eq(b.n, 6 + 256);
    ck_assert_int_eq(memcmp(b.p, "\x6f\x00\x00\x01\x00\x00", 6), 0);
    ck_assert_int_eq(b.p[b.n - 1], 1);
    ck_assert_int_eq(b.p[b.n - 2], 0);
}
END_TEST

START_TEST(numbers_with_a_fraction_or_exponent_are_doubles)
{
    static const struct {
        const char *number, *hex;
    } rows[] = {
        { "1.0", "463ff0000000000000" },
        { "1e0", "463ff0000000000000" },
        { "-1.5", "46bff8000000000000" },
        { "0.1", "463fb999999999999a" },
        { "-0.0", "468000000000000000" },
        { "0.0", "460000000000000000" },
        { "0e999", "460000000000000000" },
        { "1.7976931348623157e308", "467fefffffffffffff" },
        { "5e-324", "460000000000000000" },   /* as CouchDB 3.5: 5 times 10^-324, which is 0.0 */
        { "4.9e-324", "460000000000000001" }, /* but with a fraction it is read directly */
        { "1E-400", "460000000000000000" },
        { "-1e-400", "468000000000000000" },
        { "100000000000000000000.0", "464415af1d78b58c40" },
        { "0.1000000000000000000000000000000000000000000000000000000000000000000000000001",
          "463fb999999999999a" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ck_assert_int_eq(dv_etf_number(&b, dv_slice_str(rows[i].number), NULL), 0);
        expect(rows[i].number, rows[i].hex);
    }
}
END_TEST

START_TEST(numbers_out_of_range_are_refused_as_couchdb_refuses_them)
{
    static const char *const bad[] = { "1e400", "-1e400", "1.5e309", "5e99999999999999999999" };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct dv_err err = { 0 };

        ck_assert_int_eq(dv_etf_number(&b, dv_slice_str(bad[i]), &err), DV_EUTF8);
        ck_assert_str_eq(err.name, "bad_request");
        ck_assert_str_eq(err.reason, "invalid UTF-8 JSON");
        ck_assert_uint_eq(b.n, 0);
    }
}
END_TEST

START_TEST(an_integer_has_a_ceiling_of_digits)
{
    char *digits = malloc(DV_ETF_DIGITS_MAX + 1);
    struct dv_err err = { 0 };

    memset(digits, '9', DV_ETF_DIGITS_MAX + 1);
    ck_assert_int_eq(dv_etf_number(&b, dv_slice(digits, DV_ETF_DIGITS_MAX), NULL), 0);
    ck_assert_int_eq(dv_etf_number(&b, dv_slice(digits, DV_ETF_DIGITS_MAX + 1), &err), DV_ETOOBIG);
    free(digits);
}
END_TEST

static void add_list(const int *items, size_t n)
{
    size_t list = dv_etf_list_open(&b);

    for (size_t i = 0; i < n; i++)
        dv_etf_int(&b, items[i]);
    dv_etf_list_close(&b, list, n);
}

START_TEST(lists_of_bytes_are_strings)
{
    add_list(NULL, 0);
    expect("[]", "6a");
    add_list((const int[]){ 1, 2, 255 }, 3);
    expect("[1,2,255]", "6b00030102ff");
    add_list((const int[]){ 97 }, 1);
    expect("[97]", "6b000161");
    add_list((const int[]){ 256 }, 1);
    expect("[256]", "6c0000000162000001006a");
    add_list((const int[]){ 1, 256 }, 2);
    expect("[1,256]", "6c00000002610162000001006a");
    add_list((const int[]){ -1 }, 1);
    expect("[-1]", "6c0000000162ffffffff6a");
    dv_etf_string(&b, DV_SLICE_LIT("hi"));
    expect("\"hi\"", "6b00026869");
    dv_etf_string(&b, dv_slice(NULL, 0));
    expect("\"\"", "6a");
}
END_TEST

/* Their bytes are those of two small integers, but they are not. */
START_TEST(a_list_that_only_looks_like_bytes_is_a_list)
{
    size_t list = dv_etf_list_open(&b), inner;

    dv_etf_nil(&b);
    inner = dv_etf_list_open(&b);
    dv_etf_int(&b, 97);
    dv_etf_list_close(&b, inner, 1);
    dv_etf_list_close(&b, list, 2);
    expect("[[],[97]]", "6c000000026a6b0001616a");
}
END_TEST

START_TEST(a_string_ends_at_65535_bytes)
{
    for (size_t n = 65535; n <= 65536; n++) {
        size_t list = dv_etf_list_open(&b);
        char *bytes;

        for (size_t i = 0; i < n; i++)
            dv_etf_int(&b, (int)(i % 200));
        ck_assert_int_eq(dv_etf_list_close(&b, list, n), 0);
        if (n == 65535) {
            ck_assert_uint_eq(b.n, 3 + n);
            ck_assert_int_eq(memcmp(b.p, "\x6b\xff\xff\x00\x01", 5), 0);
        } else {
            ck_assert_uint_eq(b.n, 5 + 2 * n + 1);
            ck_assert_int_eq(memcmp(b.p, "\x6c\x00\x01\x00\x00\x61\x00\x61\x01", 9), 0);
        }
        bytes = dv_memdup(b.p, b.n);
        list = b.n;
        dv_buf_reset(&b);
        {
            char *items = malloc(n);

            for (size_t i = 0; i < n; i++)
                items[i] = (char)(i % 200);
            dv_etf_string(&b, dv_slice(items, n));
            free(items);
        }
        ck_assert(dv_slice_eq(dv_buf_slice(&b), dv_slice(bytes, list)));
        dv_free(bytes);
        dv_buf_reset(&b);
    }
}
END_TEST

START_TEST(atoms_binaries_and_tuples_have_their_headers)
{
    dv_etf_begin(&b);
    dv_etf_tuple(&b, 3);
    dv_etf_bool(&b, true);
    dv_etf_atom(&b, "null");
    dv_etf_binary(&b, DV_SLICE_LIT("ab"));
    expect("{true,null,<<\"ab\">>}", "8368036400047472756564"
                                     "00046e756c6c6d000000026162");
}
END_TEST

START_TEST(a_full_buffer_is_remembered)
{
    struct dv_buf small;
    size_t list;

    dv_buf_init(&small, 8);
    list = dv_etf_list_open(&small);
    dv_etf_int(&small, 1);
    dv_etf_int(&small, 256);
    ck_assert_int_eq(dv_etf_list_close(&small, list, 2), DV_ETOOBIG);
    ck_assert_int_eq(small.failed, DV_ETOOBIG);
    dv_buf_fini(&small);
}
END_TEST

static void add_tests(TCase *c)
{
    tcase_add_test(c, integers_take_the_shortest_of_their_forms);
    tcase_add_test(c, an_integer_over_255_bytes_takes_the_long_form);
    tcase_add_test(c, numbers_with_a_fraction_or_exponent_are_doubles);
    tcase_add_test(c, numbers_out_of_range_are_refused_as_couchdb_refuses_them);
    tcase_add_test(c, an_integer_has_a_ceiling_of_digits);
    tcase_add_test(c, lists_of_bytes_are_strings);
    tcase_add_test(c, a_list_that_only_looks_like_bytes_is_a_list);
    tcase_add_test(c, a_string_ends_at_65535_bytes);
    tcase_add_test(c, atoms_binaries_and_tuples_have_their_headers);
    tcase_add_test(c, a_full_buffer_is_remembered);
}

int main(void)
{
    Suite *s = suite_create("Erlang terms");
    TCase *c = tcase_create("etf");

    tcase_add_checked_fixture(c, setup, teardown);
    add_tests(c);
    suite_add_tcase(s, c);
    return dv_check_run(s);
}
