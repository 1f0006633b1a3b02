/* See check_main.h. */
#include "lib/check_main.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[256];

int dv_check_run(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

const char *dv_test_path(const char *relative)
{
    static char path[4096];
    const char *root = getenv("srcdir");

    snprintf(path, sizeof(path), "%s/tests/%s", root ? root : ".", relative);
    return path;
}

const char *dv_test_dir(void)
{
    const char *base = getenv("TMPDIR");

    if (dir[0])
        return dir;
    snprintf(dir, sizeof(dir), "%s/divan-test-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(dir)) {
        perror(dir);
        abort();
    }
    return dir;
}

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

void dv_test_dir_remove(void)
{
    if (dir[0])
        nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    dir[0] = '\0';
}

int dv_test_level(void)
{
    const char *level = getenv("DIVAN_TEST_LEVEL");

    return level && !strcmp(level, "soak") ? 1 : 0;
}

int dv_test_scale(int normal, int soak)
{
    return dv_test_level() ? soak : normal;
}
