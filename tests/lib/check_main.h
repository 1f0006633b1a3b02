/* The main() of a Check program: tests register cases in a table. */
#ifndef DV_TESTS_CHECK_MAIN_H
#define DV_TESTS_CHECK_MAIN_H

#include <check.h>

/* Run the suite; honours CK_FORK, CK_RUN_CASE. Returns the exit status. */
int dv_check_run(Suite *suite);

/* Path of a file below the source's tests/ folder: uses $srcdir, static buffer. */
const char *dv_test_path(const char *relative);

/* A fresh folder of this process for files, removed by dv_test_dir_remove(). Never returns NULL. */
const char *dv_test_dir(void);
void dv_test_dir_remove(void);

/* How long to try, from $DIVAN_TEST_LEVEL: 0 normally, 1 when it is "soak" (`make soak`). */
int dv_test_level(void);
/* normal or soak, by the level: for counts of tries and sizes of inputs. */
int dv_test_scale(int normal, int soak);

#endif
