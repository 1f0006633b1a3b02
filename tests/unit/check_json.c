/* The JSON reader against the test suite (tests/vectors/json-test-suite), its positions and
 * ceilings, and trees, writer, canonical form and equality. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "lib/check_main.h"
#include "json/tree.h"
#include "json/writer.h"

static int ignore(void *arg, const struct dv_json_event *ev, struct dv_err *err)
{
    (void)arg;
    (void)ev;
    (void)err;
    return 0;
}

static int read_in_steps(struct dv_json_reader *r, struct dv_slice text, size_t step)
{
    struct dv_err err;
    int rc = 0;

    dv_json_reader_reset(r, NULL);
    for (size_t at = 0; at < text.n && rc == 0; at += step)
        rc = dv_json_reader_feed(r, dv_slice(text.p + at, step < text.n - at ? step : text.n - at),
                                 &err);
    return rc < 0 ? rc : dv_json_reader_end(r, &err);
}

static struct dv_slice read_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    char *p = malloc(1 << 20);
    size_t n;

    ck_assert_msg(f && p, "%s", path);
    n = fread(p, 1, 1 << 20, f);
    fclose(f);
    return dv_slice(p, n);
}

static void check_file(struct dv_json_reader *r, const char *dir, const char *name)
{
    char path[4096];
    struct dv_slice text;
    int whole, bytes;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    text = read_file(path);
    whole = read_in_steps(r, text, text.n ? text.n : 1);
    bytes = read_in_steps(r, text, 1);
    ck_assert_msg((whole == 0) == (bytes == 0), "%s: cut into bytes it is judged otherwise", name);
    if (name[0] == 'y')
        ck_assert_msg(whole == 0, "%s was refused", name);
    if (name[0] == 'n')
        ck_assert_msg(whole < 0, "%s was accepted", name);
    free((char *)(uintptr_t)text.p);
}

START_TEST(every_file_of_the_test_suite_is_judged_right_whole_and_byte_by_byte)
{
    const char *dir = dv_test_path("vectors/json-test-suite");
    struct dv_json_limits limits = { .depth = 1000, .any_number = true };
    struct dv_json_reader *r;
    struct dirent *e;
    DIR *d = opendir(dir);
    int n = 0;

    ck_assert_ptr_nonnull(d);
    ck_assert_int_eq(dv_json_reader_new(&limits, ignore, NULL, &r, NULL), 0);
    while ((e = readdir(d))) {
        if (!strchr("yni", e->d_name[0]) || e->d_name[1] != '_')
            continue;
        check_file(r, dir, e->d_name);
        n++;
    }
    closedir(d);
    dv_json_reader_free(r);
    ck_assert_int_eq(n, 318);
}
END_TEST

struct trace {
    struct dv_slice input;
    struct dv_buf out;
};

static int record(void *arg, const struct dv_json_event *ev, struct dv_err *err)
{
    struct trace *t = arg;

    (void)err;
    dv_buf_printf(&t->out, "%d@%u:%.*s ", (int)ev->type, ev->depth, (int)(ev->end - ev->start),
                  t->input.p + ev->start);
    ck_assert(
        dv_slice_eq(ev->raw, dv_slice(t->input.p + ev->start, (size_t)(ev->end - ev->start))));
    return 0;
}

START_TEST(positions_are_those_of_the_token_however_the_input_is_cut)
{
    const char *text = " { \"a\\u0041\" : [ 1 , -2.5e3,true ,null,\"x\\\\\\\"\" ] , \"b\":{}} ";
    const char *expected = "5@0:{ 4@1:\"a\\u0041\" 7@1:[ 2@2:1 2@2:-2.5e3 1@2:true 0@2:null "
                           "3@2:\"x\\\\\\\"\" 8@1:] 4@1:\"b\" 5@1:{ 6@1:} 6@0:} ";
    struct dv_slice input = dv_slice_str(text);

    for (size_t step = 1; step <= input.n; step++) {
        struct trace t = { .input = input };
        struct dv_json_reader *r;

        dv_buf_init(&t.out, 10000);
        ck_assert_int_eq(dv_json_reader_new(NULL, record, &t, &r, NULL), 0);
        for (size_t at = 0; at < input.n; at += step) {
            size_t n = step < input.n - at ? step : input.n - at;
            char *chunk = dv_memdup(text + at, n); /* gone when the next one comes */

            ck_assert_int_eq(dv_json_reader_feed(r, dv_slice(chunk, n), NULL), 0);
            dv_free(chunk);
        }
        ck_assert_int_eq(dv_json_reader_end(r, NULL), 0);
        ck_assert_str_eq(dv_buf_cstr(&t.out), expected);
        dv_json_reader_free(r);
        dv_buf_fini(&t.out);
    }
}
END_TEST

START_TEST(what_yajl_lets_through_is_refused)
{
    static const char *const bad[] = {
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "\"\\ud800x\"",
        "\"\\ud800\\n\"",
        "\"\xc0\xaf\"",
        "\"\xed\xa0\x80\"",
        "\"\xf4\x90\x80\x80\"",
        "\"\xff\"",
        "\"\xc3\"",
        "\f1",
        "1\f",
        "[1\v]",
        "1e400",
        "-1e400",
        "{}{}",
        "1 2",
        "",
        " ",
        "[1,]",
        "{\"a\":1,}",
        "01",
        "/**/1",
        "\"\t\"",
        "nul",
        "[",
        "\"abc",
        "{\"a\"}",
        "tru",
        "\xef\xbb\xbf{}",
    };
    static const char *const good[] = { "\"\\ud83d\\ude80\"",
                                        "\"\xf0\x9f\x9a\x80\"",
                                        "1e308",
                                        "123456789012345678901234567890",
                                        "\"\x7f\"",
                                        " 1 ",
                                        "[]" };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(dv_json_read(dv_slice_str(bad[i]), NULL, ignore, NULL, NULL) == DV_EUTF8,
                      "%s was accepted", bad[i]);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        ck_assert_msg(dv_json_read(dv_slice_str(good[i]), NULL, ignore, NULL, NULL) == 0,
                      "%s was refused", good[i]);
}
END_TEST

/* The code for a string, key or number of `n` bytes where 8 are allowed, however it is cut. */
static int read_token_of(const char *before, size_t n, const char *behind)
{
    struct dv_json_limits limits = { .string_bytes = 8 };
    struct dv_json_reader *r;
    struct dv_slice input;
    char text[100];
    int whole;

    snprintf(text, sizeof(text), "%s%.*s%s", before, (int)n, "1234567890", behind);
    input = dv_slice_str(text);
    ck_assert_int_eq(dv_json_reader_new(&limits, ignore, NULL, &r, NULL), 0);
    whole = read_in_steps(r, input, input.n);
    for (size_t step = 1; step < input.n; step++)
        ck_assert_int_eq(read_in_steps(r, input, step), whole);
    dv_json_reader_free(r);
    return whole;
}

START_TEST(a_token_may_be_exactly_as_long_as_its_ceiling)
{
    static const char *const around[][2] = { { "\"", "\"" },
                                             { "[\"", "\"]" },
                                             { "", "" },
                                             { "[", ",1]" },
                                             { "{\"", "\":1}" },
                                             { "{\"a\":", "}" },
                                             { "[\"x\",\"", "\",\"y\"]" } };

    for (size_t i = 0; i < sizeof(around) / sizeof(around[0]); i++) {
        ck_assert_int_eq(read_token_of(around[i][0], 8, around[i][1]), 0);
        ck_assert_int_eq(read_token_of(around[i][0], 9, around[i][1]), DV_ETOOBIG);
    }
}
END_TEST

START_TEST(tokens_side_by_side_are_refused_however_they_are_cut)
{
    static const char *const bad[] = { "12\"a\"",       "[1\"a\"]",     "\"a\"12",
                                       "[true\"a\",1]", "[\"a\"\"b\"]", "1 2",
                                       "12[]",          "[1 2]",        "truefalse" };
    struct dv_json_reader *r;

    ck_assert_int_eq(dv_json_reader_new(NULL, ignore, NULL, &r, NULL), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        for (size_t step = 1; step < 16; step++)
            ck_assert_msg(read_in_steps(r, dv_slice_str(bad[i]), step) == DV_EUTF8, "%s", bad[i]);
    dv_json_reader_free(r);
}
END_TEST

START_TEST(a_long_string_in_small_chunks_costs_no_square)
{
    /* 4 MB in chunks of 64: lexing it again with each chunk would be 130 GB and run into the time
     * limit. */
    enum { BYTES = 4 << 20, CHUNK = 64 };
    char chunk[CHUNK];
    struct dv_json_reader *r;

    memset(chunk, 'x', sizeof(chunk));
    ck_assert_int_eq(dv_json_reader_new(NULL, ignore, NULL, &r, NULL), 0);
    ck_assert_int_eq(dv_json_reader_feed(r, DV_SLICE_LIT("[\"\\t"), NULL), 0);
    for (int i = 0; i < BYTES / CHUNK; i++)
        ck_assert_int_eq(dv_json_reader_feed(r, dv_slice(chunk, CHUNK), NULL), 0);
    ck_assert_int_eq(dv_json_reader_feed(r, DV_SLICE_LIT("\"]"), NULL), 0);
    ck_assert_int_eq(dv_json_reader_end(r, NULL), 0);
    dv_json_reader_free(r);
}
END_TEST

START_TEST(each_ceiling_is_kept_and_named)
{
    struct dv_json_limits limits = { .depth = 3, .string_bytes = 4, .total_bytes = 20 };
    struct dv_err err;

    ck_assert_int_eq(dv_json_read(dv_slice_str("[[[]]]"), &limits, ignore, NULL, &err), 0);
    ck_assert_int_eq(dv_json_read(dv_slice_str("[[[[]]]]"), &limits, ignore, NULL, &err),
                     DV_ETOOBIG);
    ck_assert_ptr_nonnull(strstr(err.reason, "deeper than 3"));
    ck_assert_int_eq(dv_json_read(dv_slice_str("\"abcde\""), &limits, ignore, NULL, &err),
                     DV_ETOOBIG);
    ck_assert_ptr_nonnull(strstr(err.reason, "string longer than 4"));
    ck_assert_int_eq(dv_json_read(dv_slice_str("12345"), &limits, ignore, NULL, &err), DV_ETOOBIG);
    ck_assert_int_eq(
        dv_json_read(dv_slice_str("[                      ]"), &limits, ignore, NULL, &err),
        DV_ETOOBIG);
    ck_assert_ptr_nonnull(strstr(err.reason, "longer than 20 bytes"));
}
END_TEST

START_TEST(a_reader_serves_many_documents_also_after_errors)
{
    static const char *const texts[] = { "{\"a\":1}", "[", "2", "nope", "\"s\"", "1e999", "[[]]" };
    static const int codes[] = { 0, DV_EUTF8, 0, DV_EUTF8, 0, DV_EUTF8, 0 };
    struct dv_json_reader *r;

    ck_assert_int_eq(dv_json_reader_new(NULL, ignore, NULL, &r, NULL), 0);
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
            ck_assert_int_eq(read_in_steps(r, dv_slice_str(texts[i]), 1 + (size_t)round), codes[i]);
    dv_json_reader_free(r);
}
END_TEST

static bool fail_nth(void *arg)
{
    int *n = arg;

    return --*n == 0;
}

START_TEST(each_failed_allocation_is_an_error_and_nothing_leaks)
{
    const char *text =
        "{\"a\\u0041\":[1,2,[3,{\"b\":\"c\\n\"}]],\"d\":\"long enough to be split\"}";
    int n, rc = DV_ENOMEM;

    for (n = 1; rc == DV_ENOMEM; n++) {
        struct dv_json_reader *r = NULL;
        int left = n;

        dv_mem_set_fault(fail_nth, &left);
        rc = dv_json_reader_new(NULL, ignore, NULL, &r, NULL);
        if (rc == 0)
            rc = read_in_steps(r, dv_slice_str(text), 3);
        dv_mem_set_fault(NULL, NULL);
        ck_assert(rc == 0 || rc == DV_ENOMEM);
        dv_json_reader_free(r);
    }
    ck_assert_int_gt(n, 5);
}
END_TEST

static struct dv_arena arena;

static const struct dv_json *tree(const char *text)
{
    struct dv_json *root;
    struct dv_err err;

    ck_assert_msg(dv_json_tree(dv_slice_str(text), NULL, &arena, &root, &err) == 0, "%s", text);
    return root;
}

START_TEST(trees_find_members_and_the_last_duplicate_stands)
{
    const struct dv_json *t = tree("{\"a\":1,\"b\":{\"c\":[true,null]},\"a\":\"two\",\"n\":-7}");
    int64_t i;
    uint64_t u;

    ck_assert(dv_slice_eq_str(dv_json_str(dv_json_get(t, "a")), "two"));
    ck_assert_uint_eq(t->count, 3);
    ck_assert_ptr_null(dv_json_get(t, "x"));
    ck_assert_ptr_null(dv_json_get(NULL, "x"));
    ck_assert(dv_slice_eq_str(dv_json_get(t, "b")->raw, "{\"c\":[true,null]}"));
    ck_assert(dv_json_true(dv_json_get(dv_json_get(t, "b"), "c")->first));
    ck_assert(dv_json_int(dv_json_get(t, "n"), &i) && i == -7);
    ck_assert(!dv_json_uint(dv_json_get(t, "n"), &u));
    ck_assert(dv_json_uint(tree("18446744073709551615"), &u) && u == UINT64_MAX);
    ck_assert(!dv_json_uint(tree("18446744073709551616"), &u));
    ck_assert(!dv_json_int(tree("1.0"), &i));
}
END_TEST

static const char *canonical(const char *text)
{
    struct dv_buf b;
    struct dv_slice copy;

    dv_buf_init(&b, 1 << 20);
    ck_assert_int_eq(dv_json_canonical(tree(text), &arena, &b, NULL), 0);
    copy = dv_arena_copy(&arena, dv_buf_slice(&b));
    dv_buf_fini(&b);
    return copy.p;
}

/* {"k0":0,...} with n members over `keys` different keys, the numbers rising. */
static void add_object(struct dv_buf *out, int n, int keys)
{
    dv_buf_add_char(out, '{');
    for (int i = 0; i < n; i++)
        dv_buf_printf(out, "%s\"k%d\":%d", i ? "," : "", i % keys, i);
    dv_buf_add_char(out, '}');
}

START_TEST(large_objects_keep_the_last_of_duplicates_and_cost_no_square)
{
    struct dv_buf text, once, twice;
    struct dv_json *t, *u;
    int64_t v;

    dv_buf_init(&text, 1 << 23);
    dv_buf_init(&once, 1 << 23);
    dv_buf_init(&twice, 1 << 23);
    add_object(&text, 200000, 120000);
    ck_assert_int_eq(dv_json_tree(dv_buf_slice(&text), NULL, &arena, &t, NULL), 0);
    ck_assert_uint_eq(t->count, 120000);
    ck_assert(dv_slice_eq_str(t->first->key, "k80000")); /* the first that has no later double */
    ck_assert(dv_slice_eq_str(t->last->key, "k79999"));
    for (int i = 0; i < 200000; i++) {
        char key[16];

        snprintf(key, sizeof(key), "k%d", i % 120000);
        ck_assert(dv_json_int(dv_json_get(t, key), &v));
        ck_assert_int_eq(v % 120000, i % 120000);
        ck_assert_int_ge(v, i % 120000 < 80000 ? 120000 : 0);
    }
    ck_assert_ptr_null(dv_json_get(t, "k120000"));
    ck_assert_ptr_null(dv_json_get(t, ""));
    ck_assert_int_eq(dv_json_canonical(t, &arena, &once, NULL), 0);
    ck_assert_int_eq(dv_json_tree(dv_buf_slice(&once), NULL, &arena, &u, NULL), 0);
    ck_assert_int_eq(dv_json_canonical(u, &arena, &twice, NULL), 0);
    ck_assert(dv_slice_eq(dv_buf_slice(&once), dv_buf_slice(&twice)));
    ck_assert(dv_json_equal(t, u, 0));
    dv_buf_fini(&text);
    dv_buf_fini(&once);
    dv_buf_fini(&twice);
}
END_TEST

START_TEST(the_canonical_form_sorts_keys_at_every_level)
{
    ck_assert_str_eq(
        canonical(" { \"b\" : [ 1.50 , {\"z\":0,\"a\":\"\\u00e9\\n\"} ], \"a\":1,\"b\\u0000\":2}"),
        "{\"a\":1,\"b\":[1.50,{\"a\":\"\xc3\xa9\\n\",\"z\":0}],\"b\\u0000\":2}");
    ck_assert_str_eq(canonical(canonical("{\"x\":{\"b\":[],\"a\":{}}}")),
                     "{\"x\":{\"a\":{},\"b\":[]}}");
}
END_TEST

START_TEST(equality_is_that_of_values)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } cases[] = {
        { "1e10", "10000000000.0", true },
        { "{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", true },
        { "1", "1.0", true },
        { "[1,2]", "[2,1]", false },
        { "9007199254740993", "9007199254740992", false },
        { "123456789.123456789", "123456789.12345679", true },
        { "\"\\u00e9\"", "\"\xc3\xa9\"", true },
        { "{\"a\":1}", "{\"a\":1,\"b\":1}", false },
        { "0.1", "0.2", false },
        { "null", "false", false },
        { "5e-324", "0.0", false },
        { "-0", "0", true },
        { "{\"a\":1}", "{\"b\":1}", false },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        ck_assert_msg(dv_json_equal(tree(cases[i].a), tree(cases[i].b), 0) == cases[i].equal,
                      "%s and %s", cases[i].a, cases[i].b);
    ck_assert(dv_json_equal(tree("5e-324"), tree("0.0"), DV_JSON_SUBNORMAL_IS_ZERO));
}
END_TEST

START_TEST(the_writer_puts_commas_and_escapes_where_they_belong)
{
    struct dv_json_writer w;
    struct dv_buf b;

    dv_buf_init(&b, 1000);
    dv_json_writer_init(&w, &b);
    dv_json_begin_object(&w);
    dv_json_key(&w, "a");
    dv_json_begin_array(&w);
    dv_json_number(&w, -1);
    dv_json_unsigned(&w, UINT64_MAX);
    dv_json_bool(&w, true);
    dv_json_null(&w);
    dv_json_end_array(&w);
    dv_json_key(&w, "q\"");
    dv_json_string(&w, dv_slice("\x01\n\x7f\xc3\xa9\xff\xed\xa0\x80", 9));
    dv_json_key(&w, "r");
    dv_json_raw(&w, DV_SLICE_LIT("{}"));
    dv_json_end_object(&w);
    ck_assert_str_eq(dv_buf_cstr(&b),
                     "{\"a\":[-1,18446744073709551615,true,null],\"q\\\"\":\"\\u0001\\n\x7f\xc3\xa9"
                     "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\",\"r\":{}}");
    ck_assert_int_eq(dv_json_read(dv_buf_slice(&b), NULL, ignore, NULL, NULL), 0);
    dv_buf_fini(&b);
}
END_TEST

static void setup(void)
{
    dv_arena_init(&arena, 1 << 28);
}

static void teardown(void)
{
    dv_arena_fini(&arena);
}

int main(void)
{
    Suite *s = suite_create("json");
    TCase *t = tcase_create("json");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, every_file_of_the_test_suite_is_judged_right_whole_and_byte_by_byte);
    tcase_add_test(t, positions_are_those_of_the_token_however_the_input_is_cut);
    tcase_add_test(t, what_yajl_lets_through_is_refused);
    tcase_add_test(t, each_ceiling_is_kept_and_named);
    tcase_add_test(t, a_token_may_be_exactly_as_long_as_its_ceiling);
    tcase_add_test(t, tokens_side_by_side_are_refused_however_they_are_cut);
    tcase_add_test(t, a_long_string_in_small_chunks_costs_no_square);
    tcase_add_test(t, a_reader_serves_many_documents_also_after_errors);
    tcase_add_test(t, each_failed_allocation_is_an_error_and_nothing_leaks);
    tcase_add_test(t, trees_find_members_and_the_last_duplicate_stands);
    tcase_add_test(t, large_objects_keep_the_last_of_duplicates_and_cost_no_square);
    tcase_add_test(t, the_canonical_form_sorts_keys_at_every_level);
    tcase_add_test(t, equality_is_that_of_values);
    tcase_add_test(t, the_writer_puts_commas_and_escapes_where_they_belong);
    suite_add_tcase(s, t);
    return dv_check_run(s);
}
