/* A damaged count of references must not make compaction throw away an attachment that is in use.
 */
#include <sqlite3.h>
#include <stdio.h>

#include "engine/engine.h"
#include "lib/check_main.h"

enum { STORED_FOR_ONE = 1000003 + 17 }; /* docs/FORMAT.md: count * 1000003 + 17 */

static char path[400];
static struct dv_att_info info;

static void make_database(void)
{
    struct dv_store_options opt = { .node = "0123456789abcdef0123456789abcdef" };
    struct dv_att_writer *w;
    struct dv_store *s;
    struct dv_txn *t;
    struct dv_err err;
    uint64_t ref;

    snprintf(path, sizeof(path), "%s/refs.divan", dv_test_dir());
    ck_assert_msg(dv_store_create(&dv_engine_sqlite, path, &opt, &s, &err) == 0, "%s", err.reason);
    ck_assert_int_eq(dv_att_writer_open(s, NULL, DV_ATT_AS_IS, 0, &w, &err), 0);
    ck_assert_int_eq(dv_att_writer_append(w, DV_SLICE_LIT("precious"), &err), 0);
    ck_assert_int_eq(dv_att_writer_finish(w, &info, &err), 0);
    ck_assert_int_eq(dv_store_begin_write(s, &t, &err), 0);
    ck_assert_int_eq(dv_txn_put_body(t, DV_SLICE_LIT("body"), &info.key, 1, &ref, &err), 0);
    ck_assert_int_eq(dv_txn_commit(t, DV_COMMIT_DURABLE, &err), 0);
    dv_store_unref(s);
}

static void set_refs(sqlite3 *db, int64_t value)
{
    char sql[100];

    snprintf(sql, sizeof(sql), "UPDATE atts SET refs = %lld", (long long)value);
    ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
}

static bool opens(struct dv_store *s)
{
    struct dv_att_reader *r;
    struct dv_err err;
    char text[20];
    size_t got;
    int rc = dv_att_reader_open(s, NULL, &info.key, 0, UINT64_MAX, &r, &err);

    if (rc < 0) {
        ck_assert_int_eq(rc, DV_ECORRUPT);
        return false;
    }
    ck_assert_int_eq(dv_att_reader_read(r, text, sizeof(text), &got, &err), 0);
    ck_assert_uint_eq(got, 8);
    dv_att_reader_close(r);
    return true;
}

START_TEST(a_count_with_one_byte_changed_stops_compaction_and_nothing_is_lost)
{
    struct dv_store_options opt = { .node = "0123456789abcdef0123456789abcdef" };
    struct dv_store *s;
    struct dv_err err;
    sqlite3 *db;

    make_database();
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(dv_store_open(&dv_engine_sqlite, path, &opt, &s, &err), 0);
    for (int byte = 0; byte < 3; byte++)
        for (int change = 1; change < 256; change += byte == 0 ? 1 : 7) {
            set_refs(db, STORED_FOR_ONE ^ ((int64_t)change << (8 * byte)));
            ck_assert_int_eq(dv_store_compact(s, NULL, &err), DV_ECORRUPT);
            ck_assert(!opens(s));
        }
    for (int64_t value = -1; value <= 1; value++) { /* what SQLite stores without any byte */
        set_refs(db, value);
        ck_assert_int_eq(dv_store_compact(s, NULL, &err), DV_ECORRUPT);
    }
    set_refs(db, STORED_FOR_ONE);
    ck_assert_msg(dv_store_compact(s, NULL, &err) == 0, "%s", err.reason);
    ck_assert(opens(s));
    sqlite3_close(db);
    dv_store_unref(s);
    dv_test_dir_remove();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine_refs");
    TCase *t = tcase_create("engine_refs");

    tcase_add_test(t, a_count_with_one_byte_changed_stops_compaction_and_nothing_is_lost);
    suite_add_tcase(s, t);
    return dv_check_run(s);
}
