/* cli: options, suggestions, text for terminals, tables. The commands are tested in tests/cli. */
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/report.h"
#include "cli/suggest.h"
#include "cli/table.h"
#include "cli/utf8.h"
#include "lib/check_main.h"

/* ---- options ---------------------------------------------------------------------------- */

static const struct dv_option own[] = {
    { "rev", 'r', DV_OPTION_TEXT, "REV", "" }, { "limit", 'n', DV_OPTION_COUNT, "N", "" },
    { "size", 0, DV_OPTION_SIZE, "SIZE", "" }, { "revs", 0, DV_OPTION_FLAG, NULL, "" },
    { NULL, 0, DV_OPTION_FLAG, NULL, NULL },
};

static const char *words[16];
static struct dv_options options;
static struct dv_err err;

/* Parses up to NULL. */
static int parse(const char *first, ...)
{
    va_list args;
    int n = 0;

    va_start(args, first);
    for (const char *word = first; word; word = va_arg(args, const char *))
        words[n++] = word;
    va_end(args);
    dv_err_clear(&err);
    return dv_options_parse(&options, own, dv_common_options, n, (char **)words, &err);
}

START_TEST(options_stand_anywhere_and_operands_keep_their_order)
{
    ck_assert_int_eq(parse("a", "--revs", "b", "-r", "1-x", "-", "--limit=7", "c", NULL), 0);
    ck_assert_int_eq(options.n_operands, 4);
    ck_assert_str_eq(options.operands[0], "a");
    ck_assert_str_eq(options.operands[1], "b");
    ck_assert_str_eq(options.operands[2], "-");
    ck_assert_str_eq(options.operands[3], "c");
    ck_assert(dv_options_flag(&options, "revs"));
    ck_assert(!dv_options_flag(&options, "json"));
    ck_assert(dv_slice_eq_str(dv_options_text(&options, "rev"), "1-x"));
    ck_assert_uint_eq(dv_options_number(&options, "limit", 0), 7);
    ck_assert_uint_eq(dv_options_number(&options, "size", 99), 99);
}
END_TEST

START_TEST(two_hyphens_end_the_options)
{
    ck_assert_int_eq(parse("--revs", "--", "--rev", "--", "-x", NULL), 0);
    ck_assert_int_eq(options.n_operands, 3);
    ck_assert_str_eq(options.operands[1], "--");
    ck_assert(!dv_options_given(&options, "rev"));
}
END_TEST

START_TEST(a_value_may_begin_with_a_hyphen_or_be_empty)
{
    ck_assert_int_eq(parse("--rev", "--revs", NULL), 0);
    ck_assert(dv_slice_eq_str(dv_options_text(&options, "rev"), "--revs"));
    ck_assert(!dv_options_flag(&options, "revs"));
    ck_assert_int_eq(parse("--rev=", NULL), 0);
    ck_assert(dv_options_given(&options, "rev"));
    ck_assert_int_eq(parse("-r1-y", "--rev=a=b", NULL), 0);
    ck_assert(dv_slice_eq_str(dv_options_text(&options, "rev"), "a=b"));
}
END_TEST

START_TEST(names_are_not_abbreviated)
{
    ck_assert_int_eq(parse("--lim", "3", NULL), DV_EUSAGE);
    ck_assert_str_eq(err.reason, "unknown option --lim; did you mean --limit?");
    ck_assert_int_eq(parse("--jsno", NULL), DV_EUSAGE);
    ck_assert_str_eq(err.reason, "unknown option --jsno; did you mean --json?");
}
END_TEST

START_TEST(sizes_take_suffixes_and_numbers_do_not)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = { { "0", 0 },
                 { "10", 10 },
                 { "2k", 2048 },
                 { "64M", 64 << 20 },
                 { "17179869183G", UINT64_MAX - (((uint64_t)1 << 30) - 1) } };
    static const char *const bad[] = {
        "", "k", "1kk", "-1", "+1", " 1", "1 ", "0x1", "1T", "17179869184G", "18446744073709551616"
    };

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ck_assert_int_eq(parse("--size", good[i].text, NULL), 0);
        ck_assert_uint_eq(dv_options_number(&options, "size", 1), good[i].bytes);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_int_eq(parse("--size", bad[i], NULL), DV_EUSAGE);
    ck_assert_int_eq(parse("--limit", "2k", NULL), DV_EUSAGE);
}
END_TEST

/* ---- the table of commands ---------------------------------------------------------------- */

START_TEST(every_command_is_found_by_its_words_and_has_no_option_twice)
{
    for (const struct dv_command *c = dv_commands; c->name; c++) {
        const struct dv_option *tables[] = { c->options, dv_common_options };
        const char *names[DV_OPTIONS_MAX];
        char letters[DV_OPTIONS_MAX];
        int n = 0;

        ck_assert_ptr_eq(dv_command_find(dv_slice_str(c->group), dv_slice_str(c->name)), c);
        ck_assert_ptr_nonnull(c->run);
        for (size_t t = 0; t < 2; t++) {
            for (const struct dv_option *o = tables[t]; o && o->name; o++, n++) {
                ck_assert_int_lt(n, DV_OPTIONS_MAX);
                ck_assert((o->kind == DV_OPTION_FLAG) == !o->value);
                for (int i = 0; i < n; i++) {
                    ck_assert_str_ne(names[i], o->name);
                    ck_assert(!o->letter || letters[i] != o->letter);
                }
                names[n] = o->name;
                letters[n] = o->letter;
            }
        }
    }
}
END_TEST

/* ---- suggestions ---------------------------------------------------------------------------- */

static const char *nearest(const char *typed)
{
    static const char *const offered[] = { "db", "doc", "changes", "help", "compact" };
    struct dv_suggestion s;

    dv_suggest_init(&s, dv_slice_str(typed));
    for (size_t i = 0; i < sizeof(offered) / sizeof(offered[0]); i++)
        dv_suggest_offer(&s, offered[i]);
    return s.best;
}

START_TEST(the_nearest_word_is_suggested_and_a_far_one_is_not)
{
    ck_assert_str_eq(nearest("chnages"), "changes");
    ck_assert_str_eq(nearest("change"), "changes");
    ck_assert_str_eq(nearest("compat"), "compact");
    ck_assert_str_eq(nearest("hlep"), "help");
    ck_assert_str_eq(nearest("dco"), "doc");
    ck_assert_ptr_null(nearest("replicate"));
    ck_assert_ptr_null(nearest("xy"));
    ck_assert_ptr_null(nearest("a-word-that-is-longer-than-any-command-or-option"));
}
END_TEST

/* ---- text ----------------------------------------------------------------------------------- */

START_TEST(only_valid_utf8_is_taken_for_characters)
{
    static const char *const bad[] = {
        "\x80", "\xc0\x80",         "\xc1\xbf",         "\xe0\x80\x80", "\xed\xa0\x80",
        "\xff", "\xf5\x80\x80\x80", "\xf4\x90\x80\x80", "\xe2\x82",     "\xe2(\xa1"
    };
    static const struct {
        const char *text;
        uint32_t character;
    } good[] = { { "a", 'a' },
                 { "\xc3\xa9", 0xe9 },
                 { "\xe2\x82\xac", 0x20ac },
                 { "\xf0\x9f\x98\x80", 0x1f600 },
                 { "\xf4\x8f\xbf\xbf", 0x10ffff } };
    uint32_t c;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_uint_eq(dv_utf8_next(dv_slice_str(bad[i]), &c), 0);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ck_assert_uint_eq(dv_utf8_next(dv_slice_str(good[i].text), &c), strlen(good[i].text));
        ck_assert_uint_eq(c, good[i].character);
    }
}
END_TEST

START_TEST(what_a_terminal_would_obey_is_made_visible)
{
    struct dv_buf out;

    dv_buf_init(&out, 4096);
    dv_report_add_visible(&out, DV_SLICE_LIT("a\x1b[31m\n\x7f\xc2\x9b\xff\xe2\x80\xae\0\xc3\xa9"));
    ck_assert(dv_slice_eq_str(dv_buf_slice(&out), "a\\x1b[31m\\x0a\\x7f\\xc2\\x9b\\xff"
                                                  "\\xe2\\x80\\xae\\x00\xc3\xa9"));
    dv_buf_fini(&out);
}
END_TEST

START_TEST(sizes_are_told_in_units_of_a_thousand)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = { { 0, "0 B" },
                  { 999, "999 B" },
                  { 1000, "1.0 kB" },
                  { 999949, "999.9 kB" },
                  { 999951, "1.0 MB" },
                  { 1234567890, "1.2 GB" },
                  { UINT64_MAX, "18.4 EB" } };
    char text[32];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        dv_table_size(cases[i].bytes, text, sizeof(text));
        ck_assert_str_eq(text, cases[i].text);
    }
}
END_TEST

/* ---- tables --------------------------------------------------------------------------------- */

static void read_pipe(int fd, char *text, size_t room)
{
    ssize_t n = read(fd, text, room - 1);

    ck_assert_int_ge(n, 0);
    text[n] = '\0';
}

START_TEST(columns_are_aligned_by_what_is_shown)
{
    static const char *const heading[] = { "N", "ID", "REV" };
    struct dv_slice rows[2][3] = {
        { DV_SLICE_LIT("10"), DV_SLICE_LIT("\xe6\x97\xa5\xe6\x9c\xac"), DV_SLICE_LIT("1-a") },
        { DV_SLICE_LIT("9"), DV_SLICE_LIT("e\xcc\x81"), DV_SLICE_LIT("2-b") },
    };
    struct dv_output out;
    struct dv_table t;
    char text[512];
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    dv_output_init(&out, fds[1]);
    ck_assert_int_eq(dv_table_init(&t, &out, heading, 3, &err), 0);
    t.right[0] = true;
    for (size_t i = 0; i < 2; i++)
        ck_assert_int_eq(dv_table_row(&t, rows[i], &err), 0);
    ck_assert_int_eq(dv_table_flush(&t, &err), 0);
    ck_assert_int_eq(dv_output_flush(&out, &err), 0);
    read_pipe(fds[0], text, sizeof(text));
    ck_assert_str_eq(text, " N  ID    REV\n"
                           "10  \xe6\x97\xa5\xe6\x9c\xac  1-a\n"
                           " 9  e\xcc\x81     2-b\n");
    dv_table_fini(&t);
    dv_output_fini(&out);
}
END_TEST

/* ---- output --------------------------------------------------------------------------------- */

START_TEST(a_failed_write_is_remembered_and_a_reader_that_left_is_told_apart)
{
    struct dv_output out;
    int fds[2];

    signal(SIGPIPE, SIG_IGN);
    ck_assert_int_eq(pipe(fds), 0);
    dv_output_init(&out, fds[1]);
    ck_assert(!dv_output_poll_gone(&out));
    close(fds[0]);
    ck_assert(dv_output_poll_gone(&out));
    ck_assert_int_eq(dv_output_add_str(&out, "text", &err), 0);
    ck_assert_int_lt(dv_output_flush(&out, &err), 0);
    ck_assert(dv_output_is_gone(&out));
    ck_assert_int_lt(dv_output_flush(&out, &err), 0);
    dv_output_fini(&out);
    out.fd = open("/dev/full", O_WRONLY);
    dv_output_init(&out, out.fd);
    ck_assert_int_eq(dv_output_add_str(&out, "text", &err), 0);
    ck_assert_int_eq(dv_output_flush(&out, &err), DV_EFULL);
    ck_assert(!dv_output_is_gone(&out));
    dv_output_fini(&out);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cli");
    TCase *tests = tcase_create("cli");

    tcase_add_test(tests, options_stand_anywhere_and_operands_keep_their_order);
    tcase_add_test(tests, two_hyphens_end_the_options);
    tcase_add_test(tests, a_value_may_begin_with_a_hyphen_or_be_empty);
    tcase_add_test(tests, names_are_not_abbreviated);
    tcase_add_test(tests, sizes_take_suffixes_and_numbers_do_not);
    tcase_add_test(tests, every_command_is_found_by_its_words_and_has_no_option_twice);
    tcase_add_test(tests, the_nearest_word_is_suggested_and_a_far_one_is_not);
    tcase_add_test(tests, only_valid_utf8_is_taken_for_characters);
    tcase_add_test(tests, what_a_terminal_would_obey_is_made_visible);
    tcase_add_test(tests, sizes_are_told_in_units_of_a_thousand);
    tcase_add_test(tests, columns_are_aligned_by_what_is_shown);
    tcase_add_test(tests, a_failed_write_is_remembered_and_a_reader_that_left_is_told_apart);
    suite_add_tcase(suite, tests);
    return dv_check_run(suite);
}
