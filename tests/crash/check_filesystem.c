/* Real file systems that refuse: a small tmpfs that fills up (in a mount namespace of its own), a
 * limit on file sizes, a folder and a mount that can not be written. The write fails whole and by
 * name, what was there is still read, and with room again writing goes on.
 *
 * Mounting needs root or user namespaces, being refused needs not to be root: a test that can have
 * neither says so and passes. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "lib/check_main.h"
#include "lib/crashdoc.h"
#include "lib/crashload.h"

enum { NOBODY = 65534, DUMP_BYTES = 64 << 20 };

static char path[400];

static struct dv_store *must_open(bool create)
{
    struct dv_store_options opt = { .node = "0123456789abcdef0123456789abcdef" };
    struct dv_err err = { 0 };
    struct dv_store *s;
    int rc = create ? dv_store_create(&dv_engine_sqlite, path, &opt, &s, &err)
                    : dv_store_open(&dv_engine_sqlite, path, &opt, &s, &err);

    ck_assert_msg(rc == 0, "%s: %s", err.context, err.reason);
    return s;
}

/* One document of some kilobytes, durably; every fifth with an attachment. */
static int write_one(struct dv_store *s, int number, struct dv_err *err)
{
    struct dv_att_info att;
    char id[20];
    struct crash_edit e = { .id = id, .salt = (uint64_t)number, .body_bytes = 5000 };
    struct dv_txn *t;
    int rc = 0;

    snprintf(id, sizeof(id), "doc-%d", number);
    if (number % 5 == 0) {
        rc = crashdoc_attach(s, NULL, (uint64_t)number, 100000, &att, err);
        e.atts = &att.key;
        e.n_atts = 1;
    }
    if (rc == 0)
        rc = dv_store_begin_write(s, &t, err);
    if (rc < 0)
        return rc;
    rc = crashdoc_edit(t, &e, err);
    if (rc == 0)
        return dv_txn_commit(t, DV_COMMIT_DURABLE, err);
    dv_txn_rollback(t);
    return rc;
}

/* Everything a reader sees. Freed with dv_free(). */
static char *dump(struct dv_store *s)
{
    struct dv_err err = { 0 };
    struct dv_buf out;
    size_t n;
    int rc;

    dv_buf_init(&out, DUMP_BYTES);
    rc = crashdoc_dump(s, &out, &err);
    ck_assert_msg(rc == 0 && dv_buf_cstr(&out), "%s: %s", err.context, err.reason);
    return dv_buf_take(&out, &n);
}

static void must_be_sound(void)
{
    struct crash_load l = { .engine = &dv_engine_sqlite, .path = path };
    struct dv_err err = { 0 };
    char *state = NULL;
    int rc = crashload_look(&l, &state, &err);

    ck_assert_msg(rc == 0, "%s: %s", err.context, err.reason);
    dv_free(state);
}

/* ---- mounts --------------------------------------------------------------------------------- */

static void write_text(const char *file, const char *text)
{
    int fd = open(file, O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    if (write(fd, text, strlen(text)) < 0)
        perror(file);
    close(fd);
}

/* Mount a tmpfs over the test's folder, seen by this process alone. */
static bool mount_tmpfs(const char *size)
{
    char map[60];

    snprintf(map, sizeof(map), "0 %u 1", (unsigned)geteuid());
    if (unshare(CLONE_NEWNS) < 0) {
        if (unshare(CLONE_NEWNS | CLONE_NEWUSER) < 0)
            return false;
        write_text("/proc/self/setgroups", "deny");
        write_text("/proc/self/uid_map", map);
    }
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", dv_test_dir(), "tmpfs", MS_NODEV, size) == 0;
}

static bool skip(const char *why)
{
    printf("skipped: %s (%s)\n", why, strerror(errno));
    fflush(stdout);
    return true;
}

static void setup(void)
{
    snprintf(path, sizeof(path), "%s/disk.divan", dv_test_dir());
}

static void teardown(void)
{
    umount2(dv_test_dir(), MNT_DETACH);
    dv_test_dir_remove();
}

/* ---- full ----------------------------------------------------------------------------------- */

static void write_ballast(const char *file, size_t bytes)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(posix_fallocate(fd, 0, (off_t)bytes), 0);
    close(fd);
}

/* Write until it fails; returns the number of the first that failed. */
static int fill(struct dv_store *s, int from, struct dv_err *err)
{
    int number = from;

    while (write_one(s, number, err) == 0)
        ck_assert_int_lt(++number, 100000);
    return number;
}

/* The disk fills up at another page each time. */
START_TEST(a_full_file_system_fails_the_write_whole_and_takes_it_when_there_is_room)
{
    char ballast[400];
    int rounds = dv_test_scale(12, 100), written = 0;

    if (!mount_tmpfs("size=3m") && skip("no tmpfs can be mounted"))
        return;
    snprintf(ballast, sizeof(ballast), "%s/ballast", dv_test_dir());
    for (int round = 0; round < rounds; round++) {
        struct dv_store *s = must_open(true);
        struct dv_err err = { 0 };
        char *before, *after;
        int failed;

        write_ballast(ballast, (size_t)(1 << 20) + (size_t)round * 36864 % (1 << 20));
        failed = fill(s, 1, &err);
        ck_assert_msg(err.code == DV_EFULL, "%s: %s", err.context, err.reason);
        before = dump(s);
        for (int again = 0; again < 3; again++)
            ck_assert_int_eq(write_one(s, failed - failed % 5 + 5, &err), DV_EFULL);
        after = dump(s);
        ck_assert_str_eq(before, after);
        ck_assert_int_eq(unlink(ballast), 0);
        ck_assert_int_eq(write_one(s, failed, &err), 0);
        written += failed;
        dv_free(before);
        dv_free(after);
        dv_store_unref(s);
        must_be_sound();
        ck_assert_int_eq(dv_store_delete(&dv_engine_sqlite, path, NULL, &err), 0);
    }
    printf("%d full disks, %d documents\n", rounds, written);
    fflush(stdout);
}
END_TEST

/* Also opening and closing while it is full: the log can not be moved into the file then. */
START_TEST(a_database_on_a_full_file_system_can_be_closed_and_read_again)
{
    char ballast[400], *before, *after;
    struct dv_err err = { 0 };
    struct dv_store *s;

    if (!mount_tmpfs("size=3m") && skip("no tmpfs can be mounted"))
        return;
    snprintf(ballast, sizeof(ballast), "%s/ballast", dv_test_dir());
    write_ballast(ballast, 1 << 20);
    s = must_open(true);
    fill(s, 1, &err);
    before = dump(s);
    dv_store_unref(s);
    s = must_open(false);
    after = dump(s);
    ck_assert_str_eq(before, after);
    dv_store_unref(s);
    must_be_sound();
    dv_free(before);
    dv_free(after);
}
END_TEST

START_TEST(a_limit_on_file_sizes_is_a_full_disk)
{
    struct rlimit limit = { 600000, 600000 }, usual;
    struct dv_store *s = must_open(true);
    struct dv_err err = { 0 };
    char *before, *after;

    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &usual), 0);
    limit.rlim_max = usual.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    fill(s, 1, &err);
    ck_assert_msg(err.code == DV_EFULL, "%s: %s", err.context, err.reason);
    before = dump(s);
    ck_assert_int_eq(write_one(s, 5, &err), DV_EFULL);
    after = dump(s);
    ck_assert_str_eq(before, after);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &usual), 0);
    ck_assert_int_eq(write_one(s, 50001, &err), 0);
    dv_store_unref(s);
    must_be_sound();
    dv_free(before);
    dv_free(after);
}
END_TEST

/* ---- not writable --------------------------------------------------------------------------- */

/* Reading goes, writing and creating are refused by name. */
static void must_be_read_only(const char *expected)
{
    struct dv_store *s = must_open(false), *other;
    struct dv_err err = { 0 };
    char *seen = dump(s), beside[420];

    ck_assert_str_eq(seen, expected);
    ck_assert_int_eq(write_one(s, 1000, &err), DV_EREADONLY);
    ck_assert_int_eq(write_one(s, 1001, &err), DV_EREADONLY);
    dv_free(seen);
    seen = dump(s);
    ck_assert_str_eq(seen, expected);
    dv_free(seen);
    dv_store_unref(s);
    snprintf(beside, sizeof(beside), "%s/new.divan", dv_test_dir());
    ck_assert_int_eq(dv_store_create(&dv_engine_sqlite, beside, NULL, &other, &err), DV_EREADONLY);
    ck_assert_int_eq(access(beside, F_OK), -1);
    ck_assert_int_eq(dv_store_delete(&dv_engine_sqlite, path, NULL, &err), DV_EREADONLY);
    ck_assert_int_eq(access(path, F_OK), 0);
}

static char *write_some(void)
{
    struct dv_store *s = must_open(true);
    struct dv_err err = { 0 };
    char *state;

    for (int i = 1; i <= 12; i++)
        ck_assert_int_eq(write_one(s, i, &err), 0);
    state = dump(s);
    dv_store_unref(s);
    return state;
}

START_TEST(a_folder_that_can_not_be_written_is_read_and_nothing_else)
{
    char *state = write_some();
    int status;
    pid_t pid;

    ck_assert_int_eq(chmod(path, 0644), 0);
    ck_assert_int_eq(chmod(dv_test_dir(), 0555), 0);
    fflush(NULL);
    pid = fork(); /* Check's own files stay with whoever started it */
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        if (geteuid() == 0 && setuid(NOBODY) < 0)
            _exit(skip("root can not become somebody else") ? 0 : 1);
        if (access(path, R_OK) < 0)
            _exit(skip("the temporary folder is not for everybody") ? 0 : 1);
        must_be_read_only(state);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(chmod(dv_test_dir(), 0755), 0);
    must_be_sound();
    dv_free(state);
}
END_TEST

START_TEST(a_file_system_mounted_read_only_is_read_and_nothing_else)
{
    char *state;

    if (!mount_tmpfs("size=8m") && skip("no tmpfs can be mounted"))
        return;
    state = write_some();
    if (mount(NULL, dv_test_dir(), NULL, MS_REMOUNT | MS_RDONLY | MS_NODEV, NULL) < 0) {
        skip("no file system can be made read-only");
    } else {
        must_be_read_only(state);
        ck_assert_int_eq(mount(NULL, dv_test_dir(), NULL, MS_REMOUNT | MS_NODEV, NULL), 0);
        must_be_sound();
    }
    dv_free(state);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("filesystem");
    TCase *disks = tcase_create("faults");

    tcase_add_checked_fixture(disks, setup, teardown);
    tcase_set_timeout(disks, dv_test_scale(20, 0));
    tcase_add_test(disks, a_full_file_system_fails_the_write_whole_and_takes_it_when_there_is_room);
    tcase_add_test(disks, a_database_on_a_full_file_system_can_be_closed_and_read_again);
    tcase_add_test(disks, a_limit_on_file_sizes_is_a_full_disk);
    tcase_add_test(disks, a_folder_that_can_not_be_written_is_read_and_nothing_else);
    tcase_add_test(disks, a_file_system_mounted_read_only_is_read_and_nothing_else);
    suite_add_tcase(suite, disks);
    return dv_check_run(suite);
}
