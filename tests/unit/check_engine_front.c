/* The front door's own promises that no engine can break: bugs of the caller stop the program where
 * they happen. Over the memory engine; what holds for every engine is in tests/conformance. */
#include <signal.h>
#include <stdlib.h>

#include "engine/engine.h"
#include "lib/check_main.h"

static struct dv_store *store;

static void set_up(void)
{
    ck_assert_int_eq(dv_store_create(&dv_engine_memory, "front", NULL, &store, NULL), 0);
}

static void tear_down(void)
{
    dv_store_unref(store);
    ck_assert_int_eq(dv_store_delete(&dv_engine_memory, "front", NULL, NULL), 0);
}

static struct dv_txn *ended(void)
{
    struct dv_txn *t;

    ck_assert_int_eq(dv_store_begin_write(store, &t, NULL), 0);
    ck_assert_int_eq(dv_txn_commit(t, DV_COMMIT_LAZY, NULL), 0);
    return t;
}

START_TEST(a_read_after_the_end_of_its_transaction_stops_the_program)
{
    struct dv_props props;

    dv_txn_props(ended(), &props, NULL);
}
END_TEST

START_TEST(a_write_after_the_end_of_its_transaction_stops_the_program)
{
    dv_txn_set_revs_limit(ended(), 1, NULL);
}
END_TEST

START_TEST(a_second_commit_stops_the_program)
{
    dv_txn_commit(ended(), DV_COMMIT_LAZY, NULL);
}
END_TEST

START_TEST(an_attachment_continued_in_a_later_transaction_stops_the_program)
{
    static char bytes[70000];
    struct dv_att_writer *w;
    struct dv_txn *t;

    ck_assert_int_eq(dv_store_begin_write(store, &t, NULL), 0);
    ck_assert_int_eq(dv_att_writer_open(store, t, DV_ATT_AS_IS, 0, &w, NULL), 0);
    ck_assert_int_eq(dv_txn_commit(t, DV_COMMIT_LAZY, NULL), 0);
    ck_assert_int_eq(dv_store_begin_write(store, &t, NULL), 0);
    dv_att_writer_append(w, dv_slice(bytes, sizeof(bytes)), NULL);
}
END_TEST

START_TEST(closing_a_store_that_somebody_holds_stops_the_program)
{
    struct dv_hold *hold;

    ck_assert_int_eq(dv_store_hold(store, "me", &hold, NULL), 0);
    dv_store_unref(store);
}
END_TEST

START_TEST(errors_may_go_unheard)
{
    struct dv_store *other;
    struct dv_txn *t;

    ck_assert_int_eq(dv_store_open(&dv_engine_memory, "missing", NULL, &other, NULL), DV_ENODB);
    ck_assert_int_eq(dv_store_create(&dv_engine_memory, "front", NULL, &other, NULL), DV_EEXISTS);
    ck_assert_int_eq(dv_store_begin_read(store, &t, NULL), 0);
    ck_assert_int_eq(dv_txn_set_revs_limit(t, 1, NULL), DV_EINVAL);
    dv_txn_rollback(t);
    dv_txn_rollback(NULL);
}
END_TEST

START_TEST(a_writer_that_waits_too_long_is_told_that_it_is_busy)
{
    struct dv_store_options hurry = { .busy_timeout_ms = 1 };
    struct dv_store *other;
    struct dv_txn *first, *second;

    ck_assert_int_eq(dv_store_open(&dv_engine_memory, "front", &hurry, &other, NULL), 0);
    ck_assert_int_eq(dv_store_begin_write(store, &first, NULL), 0);
    ck_assert_int_eq(dv_store_begin_write(other, &second, NULL), DV_EBUSY);
    dv_txn_rollback(first);
    ck_assert_int_eq(dv_store_begin_write(other, &second, NULL), 0);
    dv_txn_rollback(second);
    dv_store_unref(other);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine front door");
    TCase *tc = tcase_create("front door"), *bugs = tcase_create("bugs");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, errors_may_go_unheard);
    tcase_add_test(tc, a_writer_that_waits_too_long_is_told_that_it_is_busy);
    suite_add_tcase(suite, tc);
    tcase_add_checked_fixture(bugs, set_up, NULL);
#ifndef NDEBUG
    tcase_add_test_raise_signal(bugs, a_read_after_the_end_of_its_transaction_stops_the_program,
                                SIGABRT);
    tcase_add_test_raise_signal(bugs, a_write_after_the_end_of_its_transaction_stops_the_program,
                                SIGABRT);
    tcase_add_test_raise_signal(bugs, a_second_commit_stops_the_program, SIGABRT);
    tcase_add_test_raise_signal(
        bugs, an_attachment_continued_in_a_later_transaction_stops_the_program, SIGABRT);
    tcase_add_test_raise_signal(bugs, closing_a_store_that_somebody_holds_stops_the_program,
                                SIGABRT);
#endif
    suite_add_tcase(suite, bugs);
    return dv_check_run(suite);
}
