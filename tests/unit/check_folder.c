/* database/folder: where databases are, what they are called, which node this is. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "database/folder.h"
#include "lib/check_main.h"

static struct dv_folder folder;

static void set_up(void)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/deep/data", dv_test_dir());
    ck_assert_int_eq(dv_folder_init(&folder, path, NULL), 0);
}

static void tear_down(void)
{
    dv_folder_fini(&folder);
    dv_test_dir_remove();
}

static const char *path_in(const char *name)
{
    static char path[1024];

    snprintf(path, sizeof(path), "%s/%s", folder.path, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(path_in(name), "w");

    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

START_TEST(the_environment_names_the_folder_in_order)
{
    struct dv_folder f;

    setenv("DIVAN_DATA", "/one/", 1);
    setenv("XDG_DATA_HOME", "/two", 1);
    setenv("HOME", "/three", 1);
    ck_assert_int_eq(dv_folder_init(&f, NULL, NULL), 0);
    ck_assert_str_eq(f.path, "/one");
    dv_folder_fini(&f);
    setenv("DIVAN_DATA", "", 1);
    ck_assert_int_eq(dv_folder_init(&f, NULL, NULL), 0);
    ck_assert_str_eq(f.path, "/two/divan");
    dv_folder_fini(&f);
    setenv("XDG_DATA_HOME", "relative", 1);
    ck_assert_int_eq(dv_folder_init(&f, NULL, NULL), 0);
    ck_assert_str_eq(f.path, "/three/.local/share/divan");
    dv_folder_fini(&f);
    unsetenv("HOME");
    ck_assert_int_eq(dv_folder_init(&f, NULL, NULL), DV_EINVAL);
}
END_TEST

START_TEST(a_name_is_one_file_of_the_folder)
{
    static const struct {
        const char *name, *file;
    } cases[] = {
        { "a", "a.divan" },
        { "a/b", "a.b.divan" },
        { "a//b/", "a..b..divan" },
        { "a/divan", "a.divan.divan" },
        { "a_$()+-0", "a_$()+-0.divan" },
        { "_users", "_users.divan" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct dv_slice name = dv_slice_str(cases[i].name);
        struct dv_buf path;

        dv_buf_init(&path, 4096);
        ck_assert(!dv_folder_is_path(name));
        ck_assert_int_eq(dv_folder_file_of(&folder, name, &path, NULL), 0);
        ck_assert_str_eq(path.p, path_in(cases[i].file));
        dv_buf_fini(&path);
    }
}
END_TEST

START_TEST(what_is_no_name_and_no_path_is_refused)
{
    static const char *const names[] = { "", "A", "1", ".", "..", "a.b", "_secret", "a b", "a\n" };
    struct dv_buf path;
    struct dv_err err;

    dv_buf_init(&path, 4096);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        ck_assert_int_eq(dv_folder_file_of(&folder, dv_slice_str(names[i]), &path, &err),
                         DV_EILLEGALNAME);
        ck_assert_str_eq(err.name, "illegal_database_name");
        ck_assert_uint_eq(path.n, 0);
    }
    ck_assert_int_eq(dv_folder_file_of(&folder, DV_SLICE_LIT("a\0/x.divan"), &path, NULL),
                     DV_EILLEGALNAME);
    dv_buf_fini(&path);
}
END_TEST

START_TEST(a_path_is_taken_as_it_is_and_named_by_its_end)
{
    static const struct {
        const char *path, *name;
    } cases[] = {
        { "/tmp/x.divan", "x" }, { "./x", "x" },         { "../up/a.b.divan", "a/b" },
        { "x.divan", "x" },      { "sub/y.divan", "y" }, { "plain/name", "plain/name" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct dv_slice path = dv_slice_str(cases[i].path);
        struct dv_buf out;

        dv_buf_init(&out, 4096);
        ck_assert_int_eq(dv_folder_name_of(path, &out), 0);
        ck_assert(dv_slice_eq_str(dv_buf_slice(&out), cases[i].name));
        dv_buf_reset(&out);
        if (dv_folder_is_path(path)) {
            ck_assert_int_eq(dv_folder_file_of(&folder, path, &out, NULL), 0);
            ck_assert_str_eq(out.p, cases[i].path);
        }
        dv_buf_fini(&out);
    }
}
END_TEST

START_TEST(the_node_id_is_made_once_and_survives)
{
    char first[33], second[33];
    struct stat st;

    ck_assert_int_eq(dv_folder_peek_node(&folder, first, NULL), DV_ENOTFOUND);
    ck_assert_int_lt(stat(folder.path, &st), 0);
    ck_assert_int_eq(dv_folder_node(&folder, first, NULL), 0);
    ck_assert_uint_eq(strspn(first, "0123456789abcdef"), 32);
    ck_assert_int_eq(dv_folder_node(&folder, second, NULL), 0);
    ck_assert_str_eq(first, second);
    ck_assert_int_eq(dv_folder_peek_node(&folder, second, NULL), 0);
    ck_assert_str_eq(first, second);
    ck_assert_int_eq(stat(folder.path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0700);
}
END_TEST

/* Children are held at a pipe until all are there. */
START_TEST(processes_that_make_the_node_id_at_once_agree)
{
    enum { CHILDREN = 8 };
    char ids[CHILDREN][33];
    int gate[2], answers[2];
    char c;

    ck_assert_int_eq(pipe(gate), 0);
    ck_assert_int_eq(pipe(answers), 0);
    for (int i = 0; i < CHILDREN; i++) {
        if (fork() == 0) {
            close(gate[1]);
            if (read(gate[0], &c, 1) != 0 || dv_folder_node(&folder, ids[i], NULL) < 0 ||
                write(answers[1], ids[i], 33) != 33)
                _exit(1);
            _exit(0);
        }
    }
    close(gate[1]);
    for (int i = 0; i < CHILDREN; i++) {
        int status;

        ck_assert_int_eq(read(answers[0], ids[i], 33), 33);
        ck_assert_str_eq(ids[i], ids[0]);
        ck_assert_int_gt(wait(&status), 0);
        ck_assert_int_eq(status, 0);
    }
}
END_TEST

START_TEST(a_damaged_node_file_is_an_error_that_names_it)
{
    static const char *const texts[] = { "", "short\n", "0123456789abcdef0123456789abcdef",
                                         "0123456789abcdef0123456789abcdeX\n",
                                         "0123456789abcdef0123456789abcdef\n\n" };
    char node[33] = "untouched";
    struct dv_err err;

    ck_assert_int_eq(dv_folder_make(&folder, NULL), 0);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        write_file("node", texts[i]);
        ck_assert_int_eq(dv_folder_node(&folder, node, &err), DV_ECORRUPT);
        ck_assert_ptr_nonnull(strstr(err.reason, path_in("node")));
        ck_assert_str_eq(node, "untouched");
    }
}
END_TEST

START_TEST(databases_are_listed_sorted_beside_what_is_foreign)
{
    struct dv_folder_listing list;
    struct dv_arena arena;

    dv_arena_init(&arena, 1 << 20);
    ck_assert_int_eq(dv_folder_list(&folder, &arena, &list, NULL), 0);
    ck_assert_uint_eq(list.n, 0);
    ck_assert_int_eq(dv_folder_make(&folder, NULL), 0);
    write_file("b.divan", "");
    write_file("a.c.divan", "");
    write_file("a.c.divan-wal", "");
    write_file("a.c.divan-shm", "");
    write_file("node", "");
    write_file(".hidden", "");
    write_file("Z.divan", "");
    write_file("notes.txt", "");
    ck_assert_int_eq(mkdir(path_in("folder.divan"), 0700), 0);
    ck_assert_int_eq(dv_folder_list(&folder, &arena, &list, NULL), 0);
    ck_assert_uint_eq(list.n, 2);
    ck_assert(dv_slice_eq_str(list.names[0], "a/c"));
    ck_assert(dv_slice_eq_str(list.names[1], "b"));
    ck_assert_uint_eq(list.n_foreign, 3);
    ck_assert(dv_slice_eq_str(list.foreign[0], "Z.divan"));
    ck_assert(dv_slice_eq_str(list.foreign[1], "folder.divan"));
    ck_assert(dv_slice_eq_str(list.foreign[2], "notes.txt"));
    dv_arena_fini(&arena);
}
END_TEST

START_TEST(a_file_in_the_way_of_the_folder_is_an_error)
{
    struct dv_folder inside;
    char path[2048], node[33];
    struct dv_err err;

    ck_assert_int_eq(dv_folder_make(&folder, NULL), 0);
    write_file("file", "");
    snprintf(path, sizeof(path), "%s/file/data", folder.path);
    ck_assert_int_eq(dv_folder_init(&inside, path, NULL), 0);
    ck_assert_int_lt(dv_folder_node(&inside, node, &err), 0);
    ck_assert_ptr_nonnull(strstr(err.reason, "Not a directory"));
    dv_folder_fini(&inside);
}
END_TEST

static bool fail_nth(void *arg)
{
    int *left = arg;

    return --*left == 0;
}

START_TEST(without_memory_every_call_fails_and_leaves_nothing_behind)
{
    bool done = false;

    for (int n = 1; !done; n++) {
        struct dv_folder_listing list;
        struct dv_arena arena;
        struct dv_folder f;
        char node[33];
        int left = n, code;

        ck_assert_int_lt(n, 1000);
        dv_arena_init(&arena, 1 << 20);
        dv_mem_set_fault(fail_nth, &left);
        code = dv_folder_init(&f, folder.path, NULL);
        if (code == 0) {
            code = dv_folder_node(&f, node, NULL);
            if (code == 0)
                code = dv_folder_list(&f, &arena, &list, NULL);
            dv_folder_fini(&f);
        }
        dv_mem_set_fault(NULL, NULL);
        dv_arena_fini(&arena);
        done = left > 0;
        ck_assert_int_eq(code, done ? 0 : DV_ENOMEM);
    }
    ck_assert_int_eq(access(path_in("node"), R_OK), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("folder");
    TCase *tests = tcase_create("folder"), *faults = tcase_create("faults");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, the_environment_names_the_folder_in_order);
    tcase_add_test(tests, a_name_is_one_file_of_the_folder);
    tcase_add_test(tests, what_is_no_name_and_no_path_is_refused);
    tcase_add_test(tests, a_path_is_taken_as_it_is_and_named_by_its_end);
    tcase_add_test(tests, the_node_id_is_made_once_and_survives);
    tcase_add_test(tests, processes_that_make_the_node_id_at_once_agree);
    tcase_add_test(tests, a_damaged_node_file_is_an_error_that_names_it);
    tcase_add_test(tests, databases_are_listed_sorted_beside_what_is_foreign);
    tcase_add_test(tests, a_file_in_the_way_of_the_folder_is_an_error);
    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(faults, set_up, tear_down);
    tcase_add_test(faults, without_memory_every_call_fails_and_leaves_nothing_behind);
    suite_add_tcase(suite, faults);
    return dv_check_run(suite);
}
