/* Runs every case over every engine that can hold it, and keeps the account: at the end it prints
 * which case ran on which engine. A case that ran on none is an error.
 *
 * DIVAN_CASE=words runs only the cases whose names contain them, DIVAN_ENGINE=name only one engine;
 * CK_RUN_CASE=group is Check's own. With one of them nothing is said about cases left out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "conformance/cf.h"

static const struct dv_engine *const engines[] = { &dv_engine_sqlite, &dv_engine_memory };
static const struct cf_group *const groups[] = {
    &cf_lifetime,    &cf_properties, &cf_documents, &cf_arguments,    &cf_processes,
    &cf_attachments, &cf_gzip,       &cf_fold_docs, &cf_fold_changes, &cf_purge,
    &cf_compaction,  &cf_readers,    &cf_clients,   &cf_faults,
};

enum {
    N_ENGINES = sizeof(engines) / sizeof(*engines),
    N_GROUPS = sizeof(groups) / sizeof(*groups),
    SECONDS = 60, /* of a case, before CK_TIMEOUT_MULTIPLIER */
};

/* The state of one case on one engine, in memory shared with the forked tests. */
enum state { NOT_RUN, LEFT_OUT, FAILED, PASSED };

static struct plan {
    const struct cf_case *test;
    const struct dv_engine *engine;
} * plans;
static unsigned char *states; /* one per plan */
static size_t n_plans;

START_TEST(run_case)
{
    const struct plan *p = &plans[_i];
    struct cf c;
    char path[400];

    states[_i] = FAILED; /* until the end is reached */
    snprintf(path, sizeof(path), "%s/case.divan", dv_test_dir());
    cf_init(&c, p->engine, path);
    p->test->run(&c);
    cf_fini(&c);
    dv_test_dir_remove();
    states[_i] = PASSED;
}
END_TEST

static bool is_wanted(const char *variable, const char *name, bool whole)
{
    const char *want = getenv(variable);

    if (!want)
        return true;
    return whole ? strcmp(want, name) == 0 : strstr(name, want) != NULL;
}

static void plan_case(const struct cf_case *test, const struct dv_engine *e)
{
    bool able = (test->needs & ~e->abilities) == 0;

    plans[n_plans] = (struct plan){ test, e };
    states[n_plans] = able && is_wanted("DIVAN_CASE", test->name, false) &&
                              is_wanted("DIVAN_ENGINE", e->name, true)
                          ? NOT_RUN
                          : LEFT_OUT;
    n_plans++;
}

static void make_plans(void)
{
    size_t n = 0;

    for (size_t g = 0; g < N_GROUPS; g++)
        n += groups[g]->n * N_ENGINES;
    plans = calloc(n, sizeof(*plans));
    states = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (!plans || states == MAP_FAILED)
        abort();
    for (size_t g = 0; g < N_GROUPS; g++)
        for (size_t i = 0; i < groups[g]->n; i++)
            for (size_t e = 0; e < N_ENGINES; e++)
                plan_case(&groups[g]->cases[i], engines[e]);
}

static Suite *make_suite(void)
{
    Suite *suite = suite_create("engines");
    size_t at = 0;

    for (size_t g = 0; g < N_GROUPS; g++) {
        TCase *tc = tcase_create(groups[g]->name);

        tcase_set_timeout(tc, dv_test_scale(SECONDS, SECONDS * 60));
        for (size_t i = 0; i < groups[g]->n * N_ENGINES; i++, at++)
            if (states[at] == NOT_RUN)
                tcase_add_loop_test(tc, run_case, (int)at, (int)at + 1);
        suite_add_tcase(suite, tc);
    }
    return suite;
}

/* The sentence, as it reads. */
static void print_name(const char *name)
{
    for (; *name; name++)
        putchar(*name == '_' ? ' ' : *name);
    putchar('\n');
}

/* True when some case ran on no engine. */
static bool print_account(void)
{
    static const char *const words[] = { "-", "-", "FAILED", "passed" };
    size_t at = 0, ran[N_ENGINES] = { 0 }, cases = 0;
    bool missing = false;

    for (size_t g = 0; g < N_GROUPS; g++) {
        printf("\n%s\n", groups[g]->name);
        for (size_t i = 0; i < groups[g]->n; i++) {
            bool somewhere = false;

            for (size_t e = 0; e < N_ENGINES; e++, at++) {
                printf("  %-7s", words[states[at]]);
                ran[e] += states[at] >= FAILED;
                somewhere = somewhere || states[at] >= FAILED;
            }
            printf(somewhere ? "  " : "  [ran on no engine] ");
            print_name(groups[g]->cases[i].name);
            missing = missing || !somewhere;
            cases++;
        }
    }
    printf("\n%zu cases;", cases);
    for (size_t e = 0; e < N_ENGINES; e++)
        printf(" on %s ran %zu%s", engines[e]->name, ran[e], e + 1 < N_ENGINES ? "," : "\n");
    return missing;
}

int main(void)
{
    bool all = !getenv("DIVAN_CASE") && !getenv("DIVAN_ENGINE") && !getenv("CK_RUN_CASE");
    int status;

    make_plans();
    status = dv_check_run(make_suite());
    printf("\nengines:");
    for (size_t e = 0; e < N_ENGINES; e++)
        printf(" %s", engines[e]->name);
    putchar('\n');
    if (print_account() && all) {
        printf("a case ran on no engine\n");
        status = EXIT_FAILURE;
    }
    free(plans);
    return status;
}
