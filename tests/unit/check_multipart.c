/* The multipart reader over every way of cutting its input, and what the writer makes. */
#include <stdio.h>

#include "base/rand.h"
#include "couch/multipart.h"
#include "lib/check_main.h"

struct seen {
    struct dv_buf text; /* "[type|data]" for each part */
    int fail_at;        /* the n-th callback fails */
    int calls;
};

static int count(struct seen *s)
{
    return ++s->calls == s->fail_at ? DV_ECANCELLED : 0;
}

static int on_part(void *arg, const struct dv_multipart_header *h, size_t n, struct dv_err *err)
{
    struct seen *s = arg;

    (void)err;
    dv_buf_add_char(&s->text, '[');
    dv_buf_add_slice(&s->text, dv_multipart_header_find(h, n, "CONTENT-TYPE"));
    dv_buf_add_char(&s->text, '|');
    return count(s);
}

static int on_data(void *arg, struct dv_slice bytes, struct dv_err *err)
{
    struct seen *s = arg;

    (void)err;
    ck_assert_uint_gt(bytes.n, 0);
    dv_buf_add_slice(&s->text, bytes);
    return s->fail_at ? count(s) : 0;
}

static int on_end(void *arg, struct dv_err *err)
{
    struct seen *s = arg;

    (void)err;
    dv_buf_add_char(&s->text, ']');
    return count(s);
}

static const struct dv_multipart_callbacks callbacks = { on_part, on_data, on_end };

/* Feed in pieces of `step` bytes; returns the code, the text is in *s. */
static int feed(struct seen *s, const char *boundary, struct dv_slice body, size_t step)
{
    struct dv_multipart_reader *r;
    struct dv_err err;
    int rc = 0;

    dv_buf_init(&s->text, 1 << 20);
    ck_assert_int_eq(dv_multipart_reader_new(dv_slice_str(boundary), &callbacks, s, &r, &err), 0);
    for (size_t at = 0; at < body.n && rc == 0; at += step)
        rc = dv_multipart_reader_feed(
            r, dv_slice(body.p + at, step < body.n - at ? step : body.n - at), &err);
    if (rc == 0)
        rc = dv_multipart_reader_end(r, &err);
    dv_multipart_reader_free(r);
    return rc;
}

static void assert_parts(const char *boundary, const char *body, const char *expected)
{
    size_t n = strlen(body);

    for (size_t step = 1; step <= n; step++) {
        struct seen s = { 0 };

        ck_assert_int_eq(feed(&s, boundary, dv_slice(body, n), step), 0);
        ck_assert_str_eq(dv_buf_cstr(&s.text), expected);
        dv_buf_fini(&s.text);
    }
}

START_TEST(parts_come_out_whole_however_the_stream_is_cut)
{
    assert_parts("b",
                 "--b\r\nContent-Type: a/b\r\n\r\nhello\r\n--b\r\ncontent-type:c\r\n\r\n"
                 "wor\r\nld\r\n--b--",
                 "[a/b|hello][c|wor\r\nld]");
}
END_TEST

START_TEST(preamble_epilogue_padding_and_bare_line_feeds_in_headers_are_taken)
{
    assert_parts("x",
                 "ignore me\r\n--x \t\r\nA: 1\nContent-Type: t\n\nbody\r\n--x--\r\n--x trailing",
                 "[t|body]");
}
END_TEST

START_TEST(empty_parts_and_no_parts_at_all_are_fine)
{
    assert_parts("b", "--b\r\n\r\n\r\n--b\r\n\r\n--b--", "[|][|]");
    assert_parts("b", "--b--", "");
    assert_parts("b", "\r\n--b--\r\n", "");
}
END_TEST

START_TEST(data_that_looks_almost_like_a_delimiter_is_data)
{
    assert_parts("bb", "--bb\r\n\r\n\r\n--b\r\r\n-\r\n--\r\n--bc\r\n\r\n--bb--",
                 "[|\r\n--b\r\r\n-\r\n--\r\n--bc\r\n]");
}
END_TEST

START_TEST(a_nested_body_is_data_to_the_outer_reader)
{
    assert_parts("outer",
                 "--outer\r\nContent-Type: multipart/related; boundary=\"in\"\r\n\r\n"
                 "--in\r\n\r\n{}\r\n--in--\r\n--outer--",
                 "[multipart/related; boundary=\"in\"|--in\r\n\r\n{}\r\n--in--]");
}
END_TEST

START_TEST(an_end_at_any_byte_before_the_last_delimiter_is_an_error)
{
    const char *body = "--b\r\nContent-Type: a\r\n\r\nhello\r\n--b--";

    for (size_t n = 0; n < strlen(body); n++) {
        struct seen s = { 0 };

        ck_assert_int_eq(feed(&s, "b", dv_slice(body, n), n ? n : 1), DV_EINVAL);
        dv_buf_fini(&s.text);
    }
}
END_TEST

START_TEST(ceilings_and_malformed_heads_are_refused)
{
    struct dv_multipart_reader *r;
    struct dv_buf body;
    struct seen s = { 0 };
    char boundary[DV_MULTIPART_BOUNDARY_MAX + 2];

    memset(boundary, 'x', sizeof(boundary) - 1);
    boundary[sizeof(boundary) - 1] = '\0';
    ck_assert_int_eq(dv_multipart_reader_new(dv_slice_str(boundary), &callbacks, &s, &r, NULL),
                     DV_EINVAL);
    ck_assert_int_eq(dv_multipart_reader_new(dv_slice_str("a\r\nb"), &callbacks, &s, &r, NULL),
                     DV_EINVAL);
    ck_assert_int_eq(dv_multipart_reader_new(dv_slice_str(""), &callbacks, &s, &r, NULL),
                     DV_EINVAL);
    dv_buf_init(&body, 1 << 20);
    dv_buf_add_str(&body, "--b\r\nX: ");
    for (int i = 0; i < DV_MULTIPART_HEADERS_MAX; i++)
        dv_buf_add_char(&body, 'y');
    ck_assert_int_eq(feed(&s, "b", dv_buf_slice(&body), 1000), DV_ETOOBIG);
    dv_buf_fini(&s.text);
    dv_buf_reset(&body);
    dv_buf_add_str(&body, "--b\r\n");
    for (int i = 0; i <= DV_MULTIPART_HEADER_COUNT_MAX; i++)
        dv_buf_add_str(&body, "X: y\r\n");
    dv_buf_add_str(&body, "\r\n");
    ck_assert_int_eq(feed(&s, "b", dv_buf_slice(&body), 1000), DV_ETOOBIG);
    dv_buf_fini(&s.text);
    dv_buf_fini(&body);
    ck_assert_int_eq(feed(&s, "b", DV_SLICE_LIT("--b\r\nno colon\r\n\r\n"), 50), DV_EINVAL);
    dv_buf_fini(&s.text);
    ck_assert_int_eq(feed(&s, "b", DV_SLICE_LIT("--bX\r\n\r\n"), 50), DV_EINVAL);
    dv_buf_fini(&s.text);
}
END_TEST

START_TEST(a_callback_that_fails_ends_the_feed_with_its_code)
{
    const char *body = "--b\r\n\r\nhello\r\n--b\r\n\r\nworld\r\n--b--";

    for (int n = 1; n <= 6; n++) {
        struct seen s = { .fail_at = n };

        ck_assert_int_eq(feed(&s, "b", dv_slice_str(body), 1000), DV_ECANCELLED);
        ck_assert_int_eq(s.calls, n);
        dv_buf_fini(&s.text);
    }
}
END_TEST

START_TEST(random_bytes_never_do_harm)
{
    static const char alphabet[] = "\r\n--bb: x";
    struct dv_rng rng;

    dv_rng_seed(&rng, 7);
    for (int round = 0; round < 20000; round++) {
        char body[64];
        struct seen s = { 0 };
        size_t n = (size_t)dv_rng_below(&rng, sizeof(body));

        for (size_t i = 0; i < n; i++)
            body[i] = alphabet[dv_rng_below(&rng, sizeof(alphabet) - 1)];
        feed(&s, "bb", dv_slice(body, n), 1 + (size_t)dv_rng_below(&rng, 9));
        dv_buf_fini(&s.text);
    }
}
END_TEST

START_TEST(parameters_are_found_quoted_or_not)
{
    struct dv_arena a;
    struct dv_slice v = dv_slice_str(
                        "multipart/mixed ; charset=utf-8;  Boundary = \"a \\\" b\" ;q"),
                    out;

    dv_arena_init(&a, 10000);
    ck_assert(dv_slice_eq_str(dv_header_main(v), "multipart/mixed"));
    ck_assert(dv_header_param(v, "boundary", &a, &out));
    ck_assert(dv_slice_eq_str(out, "a \" b"));
    ck_assert(dv_header_param(v, "charset", &a, &out));
    ck_assert(dv_slice_eq_str(out, "utf-8"));
    ck_assert(!dv_header_param(v, "q", &a, &out));
    ck_assert(!dv_header_param(v, "none", &a, &out));
    ck_assert(!dv_header_param(dv_slice_str("a; b=\"open"), "b", &a, &out));
    dv_arena_fini(&a);
}
END_TEST

START_TEST(what_is_written_is_read_back_and_names_cannot_break_out)
{
    struct dv_buf b;
    struct seen s = { 0 };

    dv_buf_init(&b, 10000);
    dv_multipart_add_json(&b, DV_SLICE_LIT("bd"), DV_SLICE_LIT("{\"a\":1}"));
    dv_multipart_add_attachment(&b, DV_SLICE_LIT("bd"), DV_SLICE_LIT("x\"\r\nEvil: 1"),
                                DV_SLICE_LIT("text/plain"), true, 3);
    dv_buf_add_str(&b, "\x1f\x8b!");
    dv_multipart_add_attachment(&b, DV_SLICE_LIT("bd"), DV_SLICE_LIT("y"), DV_SLICE_LIT("i/p"),
                                false, 0);
    ck_assert_int_eq(dv_multipart_add_end(&b, DV_SLICE_LIT("bd")), 0);
    ck_assert_ptr_nonnull(strstr(dv_buf_cstr(&b), "filename=\"x\\\"__Evil: 1\"\r\n"));
    ck_assert_int_eq(feed(&s, "bd", dv_buf_slice(&b), 7), 0);
    ck_assert_str_eq(dv_buf_cstr(&s.text),
                     "[application/json|{\"a\":1}][text/plain|\x1f\x8b!][i/p|]");
    dv_buf_fini(&s.text);
    dv_buf_fini(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("multipart");
    TCase *t = tcase_create("multipart");

    tcase_add_test(t, parts_come_out_whole_however_the_stream_is_cut);
    tcase_add_test(t, preamble_epilogue_padding_and_bare_line_feeds_in_headers_are_taken);
    tcase_add_test(t, empty_parts_and_no_parts_at_all_are_fine);
    tcase_add_test(t, data_that_looks_almost_like_a_delimiter_is_data);
    tcase_add_test(t, a_nested_body_is_data_to_the_outer_reader);
    tcase_add_test(t, an_end_at_any_byte_before_the_last_delimiter_is_an_error);
    tcase_add_test(t, ceilings_and_malformed_heads_are_refused);
    tcase_add_test(t, a_callback_that_fails_ends_the_feed_with_its_code);
    tcase_add_test(t, random_bytes_never_do_harm);
    tcase_add_test(t, parameters_are_found_quoted_or_not);
    tcase_add_test(t, what_is_written_is_read_back_and_names_cannot_break_out);
    suite_add_tcase(s, t);
    return dv_check_run(s);
}
