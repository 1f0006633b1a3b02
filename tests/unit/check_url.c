/* URLs: what is taken, what is refused, and that secrets stay out of what is printed. */
#include "base/rand.h"
#include "couch/url.h"
#include "lib/check_main.h"

static struct dv_arena arena;

static void setup(void)
{
    dv_arena_init(&arena, 1 << 20);
}

static void teardown(void)
{
    dv_arena_fini(&arena);
}

static struct dv_url parse(const char *text)
{
    struct dv_url url;
    struct dv_err err;

    ck_assert_msg(dv_url_parse(dv_slice_str(text), &arena, &url, &err) == 0, "%s", text);
    return url;
}

START_TEST(a_full_url_comes_apart)
{
    struct dv_url u = parse("https://us%40er:p%3Aw@[::1]:5984/a/db%2Fx?q=1");

    ck_assert(u.https && u.ipv6 && u.has_port && u.has_user && u.has_password);
    ck_assert(dv_slice_eq_str(u.user, "us@er"));
    ck_assert(dv_slice_eq_str(u.password, "p:w"));
    ck_assert(dv_slice_eq_str(u.host, "::1"));
    ck_assert_uint_eq(u.port, 5984);
    ck_assert(dv_slice_eq_str(u.path, "/a/db%2Fx"));
    ck_assert(dv_slice_eq_str(u.query, "q=1"));
}
END_TEST

START_TEST(defaults_are_filled_in)
{
    struct dv_url u = parse("HTTP://example.org");

    ck_assert(!u.https && !u.has_port && !u.has_user);
    ck_assert_uint_eq(u.port, 80);
    ck_assert_uint_eq(u.path.n, 0);
    ck_assert_uint_eq(parse("https://h:/x").port, 443);
}
END_TEST

START_TEST(the_password_ends_at_the_last_at_sign_before_the_path)
{
    struct dv_url u = parse("http://u:p@ss@host/a@b");

    ck_assert(dv_slice_eq_str(u.password, "p@ss"));
    ck_assert(dv_slice_eq_str(u.host, "host"));
    ck_assert(dv_slice_eq_str(u.path, "/a@b"));
}
END_TEST

START_TEST(what_is_not_a_database_url_is_refused_without_repeating_it)
{
    static const char *const bad[] = {
        "ftp://secret@h/x", "http:/h",
        "http://",          "http://u:secret@/x",
        "http://h:99999/",  "http://h:0/",
        "http://h:8x/",     "http://[::1/x",
        "http://[::1]x/",   "http://h/a b",
        "http://h/\x01",    "http://h\\@evil/",
        "http://h/#frag",   "http://secret%zz@h",
        "http://a%4@h/",    "",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct dv_err err;
        struct dv_url url;

        ck_assert_msg(dv_url_parse(dv_slice_str(bad[i]), &arena, &url, &err) == DV_EINVAL, "%s",
                      bad[i]);
        ck_assert_ptr_null(strstr(err.reason, "secret"));
    }
}
END_TEST

START_TEST(printing_never_shows_credentials)
{
    struct dv_url u = parse("https://user:secret@[fe80::1]:6984/db?x=y");
    struct dv_buf b;

    dv_buf_init(&b, 1000);
    dv_url_add_public(&b, &u);
    ck_assert_str_eq(dv_buf_cstr(&b), "https://[fe80::1]:6984/db?x=y");
    dv_buf_reset(&b);
    dv_url_add_redacted(&b, &u);
    ck_assert_str_eq(dv_buf_cstr(&b), "https://***:***@[fe80::1]:6984/db?x=y");
    dv_buf_fini(&b);
}
END_TEST

START_TEST(odd_document_ids_become_one_path_piece)
{
    static const struct {
        const char *id, *path;
    } cases[] = {
        { "a/b+c d?e#f%", "a%2Fb%2Bc%20d%3Fe%23f%25" },
        { "_design/a/b", "_design/a%2Fb" },
        { "_local/x y", "_local/x%20y" },
        { "\xc3\xbc\x01", "%C3%BC%01" },
        { "A-z0.9_~", "A-z0.9_~" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct dv_buf b;

        dv_buf_init(&b, 1000);
        ck_assert_int_eq(dv_url_encode_docid(&b, dv_slice_str(cases[i].id)), 0);
        ck_assert_str_eq(dv_buf_cstr(&b), cases[i].path);
        dv_buf_fini(&b);
    }
}
END_TEST

START_TEST(decoding_undoes_encoding_for_any_bytes)
{
    struct dv_rng rng;

    dv_rng_seed(&rng, 3);
    for (int round = 0; round < 2000; round++) {
        char raw[40];
        size_t n = (size_t)dv_rng_below(&rng, sizeof(raw));
        struct dv_buf encoded, decoded;

        for (size_t i = 0; i < n; i++)
            raw[i] = (char)dv_rng_below(&rng, 256);
        dv_buf_init(&encoded, 1000);
        dv_buf_init(&decoded, 1000);
        ck_assert_int_eq(dv_url_encode(&encoded, dv_slice(raw, n)), 0);
        ck_assert_int_eq(dv_url_decode(&decoded, dv_buf_slice(&encoded)), 0);
        ck_assert(dv_slice_eq(dv_buf_slice(&decoded), dv_slice(raw, n)));
        dv_buf_fini(&encoded);
        dv_buf_fini(&decoded);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("url");
    TCase *t = tcase_create("url");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_full_url_comes_apart);
    tcase_add_test(t, defaults_are_filled_in);
    tcase_add_test(t, the_password_ends_at_the_last_at_sign_before_the_path);
    tcase_add_test(t, what_is_not_a_database_url_is_refused_without_repeating_it);
    tcase_add_test(t, printing_never_shows_credentials);
    tcase_add_test(t, odd_document_ids_become_one_path_piece);
    tcase_add_test(t, decoding_undoes_encoding_for_any_bytes);
    suite_add_tcase(s, t);
    return dv_check_run(s);
}
