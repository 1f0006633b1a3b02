/* Flipped bytes: whatever is in the file, it is told and nothing crashes. Every byte of a record, a
 * revision tree and a chunk has a checksum; the check and the read both find it. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/rand.h"
#include "conformance/cf.h"
#include "engine/sqlite/internal.h"

static struct cf fixture;
static struct cf *const c = &fixture;
static struct dv_buf file;   /* the whole database, undamaged */
static struct dv_buf record; /* of document "a" */
static struct dv_buf chunk;  /* the attachment's bytes */
static struct dv_att_info att;
static struct dv_slice tree; /* of document "a", in fixture's arena */

static void write_file(void)
{
    FILE *f = fopen(c->path, "wb");

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(file.p, 1, file.n, f), file.n);
    ck_assert_int_eq(fclose(f), 0);
}

static void read_file(void)
{
    FILE *f = fopen(c->path, "rb");
    char part[4096];
    size_t n;

    ck_assert_ptr_nonnull(f);
    while ((n = fread(part, 1, sizeof(part), f)) > 0)
        ck_assert_int_eq(dv_buf_add(&file, part, n), 0);
    fclose(f);
}

static void set_up(void)
{
    char path[400];
    struct cf_edit e = { .id = "with", .path = "x", .body = DV_SLICE_LIT("{}"), .n_atts = 1 };
    struct dv_txn *t;

    snprintf(path, sizeof(path), "%s/unit.divan", dv_test_dir());
    cf_init(c, &dv_engine_sqlite, path);
    dv_buf_init(&file, CF_ANY);
    dv_buf_init(&record, CF_ANY);
    dv_buf_init(&chunk, CF_ANY);
    cf_random(&record, 200, 1);
    cf_random(&chunk, 1500, 2);
    dv_buf_add_char(&record, '\0');
    for (size_t i = 0; i + 1 < record.n; i++)
        record.p[i] = (char)('!' + (unsigned char)record.p[i] % 90);
    cf_create(c);
    cf_put(c, "a", "first", "{}");
    cf_put(c, "a", "treeofa,first", record.p);
    cf_put(c, "a", "conflict,first", "{\"c\":1}");
    cf_put(c, "b", "x", "{\"b\":1}");
    cf_put_local(c, "_local/l", 3, "{\"local\":\"document\"}");
    cf_put(c, "p", "x", "{}");
    cf_purge_revs(c, "uuid-of-purge", "p", "1-x");
    CF_OK(cf_att_write(c->store, NULL, DV_ATT_AS_IS, dv_buf_slice(&chunk), 1500, &att, &c->err));
    e.atts = &att.key;
    t = cf_write(c);
    CF_OK(cf_merge(t, &e, 1, &c->arena, &c->err));
    cf_commit(c, t);
    tree = cf_find(c, "a").tree;
    cf_check(c);
    cf_close(c);
    read_file();
}

static void tear_down(void)
{
    cf_close(c);
    dv_arena_fini(&c->arena);
    dv_buf_fini(&file);
    dv_buf_fini(&record);
    dv_buf_fini(&chunk);
    dv_test_dir_remove();
}

/* Where these bytes stand in the file; exactly once. */
static size_t place_of(struct dv_slice bytes)
{
    const char *at = memmem(file.p, file.n, bytes.p, bytes.n);

    ck_assert_ptr_nonnull(at);
    ck_assert_ptr_null(memmem(at + 1, file.n - (size_t)(at + 1 - file.p), bytes.p, bytes.n));
    return (size_t)(at - file.p);
}

/* 0: nothing to say about it. */
static uint64_t findings_of(bool deep)
{
    struct dv_check_result result = { .findings = 0 };

    CF_OK(dv_store_check(c->store, deep, NULL, NULL, &result, &c->err));
    return result.findings;
}

typedef int read_fn(struct dv_txn *t, struct dv_err *err);

static int read_doc(struct dv_txn *t, struct dv_err *err)
{
    struct dv_slice id = DV_SLICE_LIT("a");
    struct dv_doc_info info;

    return dv_txn_open_docs(t, &id, 1, &c->arena, &info, err);
}

static int read_winner(struct dv_txn *t, struct dv_err *err)
{
    struct dv_slice id = DV_SLICE_LIT("a");
    struct dv_revtree revs;
    struct dv_doc_info info;
    struct dv_buf body;
    int rc;

    CF_OK(dv_txn_open_docs(t, &id, 1, &c->arena, &info, &c->err));
    CF_OK(dv_revtree_parse(info.tree, &c->arena, &revs, &c->err));
    dv_buf_init(&body, CF_ANY);
    rc = dv_txn_read_body(t, revs.nodes[dv_revtree_winner(&revs)].body, &body, err);
    dv_buf_fini(&body);
    return rc;
}

static int read_att(struct dv_txn *t, struct dv_err *err)
{
    struct dv_buf bytes;
    int rc;

    dv_buf_init(&bytes, CF_ANY);
    rc = cf_att_read(c->store, t, &att.key, 0, UINT64_MAX, &bytes, err);
    dv_buf_fini(&bytes);
    return rc;
}

static int read_local(struct dv_txn *t, struct dv_err *err)
{
    struct dv_slice id = DV_SLICE_LIT("_local/l");
    struct dv_local l;

    return dv_txn_open_locals(t, &id, 1, &c->arena, &l, err);
}

static int read_purge(struct dv_txn *t, struct dv_err *err)
{
    struct dv_purge_info info;
    bool found;

    return dv_txn_load_purge(t, DV_SLICE_LIT("uuid-of-purge"), &c->arena, &info, &found, err);
}

/* Each byte of `bytes`, flipped: read and check both say so. */
static void flip_each(struct dv_slice bytes, read_fn *read)
{
    size_t at = place_of(bytes);

    for (size_t i = at; i < at + bytes.n; i++) {
        struct dv_txn *t;

        file.p[i] ^= (char)(1 << (i % 8));
        write_file();
        cf_open(c);
        t = cf_read(c);
        CF_FAILS(read(t, &c->err), DV_ECORRUPT);
        ck_assert_ptr_nonnull(strstr(c->err.reason, c->path));
        dv_txn_rollback(t);
        ck_assert_msg(findings_of(false) > 0, "byte %zu", i - at);
        cf_close(c);
        file.p[i] ^= (char)(1 << (i % 8));
    }
    write_file();
    cf_open(c);
    ck_assert_uint_eq(findings_of(true), 0);
}

START_TEST(every_flipped_byte_of_a_record_is_found)
{
    flip_each(dv_slice(record.p, record.n - 1), read_winner);
}
END_TEST

START_TEST(every_flipped_byte_of_a_tree_is_found)
{
    flip_each(tree, read_doc);
}
END_TEST

START_TEST(every_flipped_byte_of_a_chunk_is_found)
{
    flip_each(dv_buf_slice(&chunk), read_att);
}
END_TEST

START_TEST(every_flipped_byte_of_a_local_document_is_found)
{
    flip_each(DV_SLICE_LIT("{\"local\":\"document\"}"), read_local);
}
END_TEST

START_TEST(every_flipped_byte_of_a_purge_is_found)
{
    flip_each(DV_SLICE_LIT("\0031-x"), read_purge);
}
END_TEST

/* ---- rows that contradict each other ---- */

static void run_sql(const char *sql)
{
    sqlite3 *db;

    ck_assert_int_eq(sqlite3_open(c->path, &db), SQLITE_OK);
    ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

static void find_words(void *arg, const char *finding)
{
    const char **words = arg;

    ck_assert_ptr_null(strchr(finding, '\n'));
    if (*words && strstr(finding, *words))
        *words = NULL;
}

START_TEST(the_check_names_what_is_missing_or_too_much)
{
    static const struct {
        const char *sql, *words;
    } damages[] = {
        { "DELETE FROM bodies WHERE ref = 2", "document a: body 2 of a revision is missing" },
        { "DELETE FROM docs WHERE id = 'b'", "the index of ids has b, which is no document" },
        { "DELETE FROM docs WHERE id = 'b'", "counter of documents is 3, there are 2" },
        { "DELETE FROM ids WHERE id = 'b'", "document b: is not in the index of ids" },
        { "UPDATE ids SET deleted = 1 WHERE id = 'b'", "document b: the index of ids says" },
        { "UPDATE ids SET seq = seq + 100 WHERE id = 'b'", "document b: the index of ids says" },
        { "INSERT INTO ids VALUES('zz', 1, 0)", "the index of ids has zz" },
        { "INSERT INTO ids_new VALUES('b', 4, 0)", "counter of ids is 3, there are 4" },
        { "INSERT INTO bodies VALUES(99, 0, x'00')",
          "body 99 has a number that was not given out" },
        { "UPDATE bodies SET ref = 5 WHERE ref = 4", "checksum of body 5 is wrong" },
        { "DELETE FROM chunks", "attachments have lost all their chunks" },
        { "DELETE FROM atts", "refers to attachment 1, which there is not" },
        { "DELETE FROM atts", "chunks of attachment 1, which there is not" },
        { "DELETE FROM att_holds", "attachment 1 counts 1 references, there are 0" },
        { "UPDATE atts SET stored_bytes = 7", "checksum of attachment 1 is wrong" },
        { "INSERT INTO purges SELECT 77, sum, 'u', id, revs FROM purges", "checksum of purge 77" },
        { "UPDATE state SET value = '{\"x\":1}' WHERE k = 2", "checksum of state row 2" },
    };

    for (size_t i = 0; i < sizeof(damages) / sizeof(*damages); i++) {
        const char *words = damages[i].words;
        struct dv_check_result result;

        write_file();
        run_sql(damages[i].sql);
        cf_open(c);
        CF_OK(dv_store_check(c->store, true, find_words, &words, &result, &c->err));
        ck_assert_uint_gt(result.findings, 0);
        ck_assert_msg(words == NULL, "%s: does not say \"%s\"", damages[i].sql, words);
        cf_close(c);
    }
}
END_TEST

/* ---- anywhere ---- */

/* Use everything; whatever comes is an error of the damage, or nothing. */
static void use_all(void)
{
    struct dv_compact_options few = { .rows_per_txn = 3 };
    struct dv_check_result result;
    struct dv_buf dump;
    struct dv_txn *t;

    dv_buf_init(&dump, CF_ANY);
    (void)dv_store_check(c->store, true, NULL, NULL, &result, &c->err);
    (void)cf_dump(c->store, &dump, &c->err);
    if (dv_store_begin_write(c->store, &t, &c->err) == 0) {
        struct cf_edit e = { .id = "b", .path = "y,x", .body = DV_SLICE_LIT("{}") };

        if (cf_merge(t, &e, 1, &c->arena, &c->err) == 0)
            (void)dv_txn_commit(t, DV_COMMIT_LAZY, &c->err);
        else
            dv_txn_rollback(t);
    }
    (void)dv_store_compact(c->store, &few, &c->err);
    dv_buf_fini(&dump);
}

START_TEST(random_bytes_anywhere_crash_nothing)
{
    struct dv_buf good = file;
    struct dv_rng rng;

    dv_rng_seed(&rng, 20);
    dv_buf_init(&file, CF_ANY);
    for (int round = 0; round < 300; round++) {
        int flips = 1 + (int)dv_rng_below(&rng, 4);

        dv_buf_reset(&file);
        ck_assert_int_eq(dv_buf_add_slice(&file, dv_buf_slice(&good)), 0);
        for (int i = 0; i < flips; i++) {
            /* Half of them where pages have their headers. */
            size_t at = (size_t)dv_rng_below(&rng, file.n);

            if (dv_rng_below(&rng, 2))
                at = at / DV_SQ_PAGE_BYTES * DV_SQ_PAGE_BYTES + at % 64;
            file.p[at] = (char)dv_rng_next(&rng);
        }
        write_file();
        dv_arena_reset(&c->arena);
        if (dv_store_open(c->engine, c->path, NULL, &c->store, &c->err) == 0)
            use_all();
        cf_close(c);
        unlink(c->path);
    }
    dv_buf_fini(&file);
    file = good;
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine sqlite damage");
    TCase *tc = tcase_create("flipped bytes");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, every_flipped_byte_of_a_record_is_found);
    tcase_add_test(tc, every_flipped_byte_of_a_tree_is_found);
    tcase_add_test(tc, every_flipped_byte_of_a_chunk_is_found);
    tcase_add_test(tc, every_flipped_byte_of_a_local_document_is_found);
    tcase_add_test(tc, every_flipped_byte_of_a_purge_is_found);
    tcase_add_test(tc, the_check_names_what_is_missing_or_too_much);
    tcase_add_test(tc, random_bytes_anywhere_crash_nothing);
    suite_add_tcase(suite, tc);
    return dv_check_run(suite);
}
