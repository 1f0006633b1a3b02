/* database: the steps of http.jsonl that are about documents, in the order in which a real CouchDB
 * was asked, compared with what it answered: status, error, reason, JSON. Seqs are compared by
 * their numbers, so edits must move them just as there. */
#include <stdio.h>

#include "lib/check_main.h"
#include "lib/dbanswer.h"
#include "lib/jsonl.h"

enum {
    FIRST_STEP = 30, /* the database is there and empty */
    FIRST_FILTER = 175,
    LAST_FEED = 196,
    LAST_STEP = 210,
    REPLAYED = 129,
};

static struct testdb t;
static size_t replayed, left;

/* Filters, and what was asked while a validation function let some documents through and others
 * not: those steps need JavaScript, and the feeds among them tell of those documents. */
static bool is_beyond(const struct httpstep *s)
{
    return s->number >= FIRST_FILTER && s->number <= LAST_FEED;
}

static void expect(const struct httpstep *s, const struct dbanswer *a)
{
    struct dv_slice answer = httpstep_cut_seqs(s->answer, &t.arena);
    struct dv_slice got = dv_buf_slice(&a->body);

    ck_assert_msg(a->status == s->status, "step %d: status %d instead of %d: %.*s", (int)s->number,
                  a->status, (int)s->status, (int)got.n, got.p);
    if (a->raw)
        ck_assert_msg(dv_slice_eq(got, s->answer), "step %d: other bytes", (int)s->number);
    else
        ck_assert_msg(testdb_json_equal(got, answer), "step %d: %.*s\ninstead of %.*s",
                      (int)s->number, (int)got.n, got.p, (int)answer.n, answer.p);
}

static void replay(const struct dv_json *line, struct dv_arena *arena, size_t number)
{
    struct dbanswer a = { .status = 0 };
    struct httpstep s;

    (void)number;
    httpstep_read(line, arena, &s);
    if (s.number < FIRST_STEP || s.number > LAST_STEP)
        return;
    dv_buf_init(&a.body, 1 << 22);
    if (!is_beyond(&s) && dbanswer_step(&t, &s, &a)) {
        expect(&s, &a);
        replayed++;
    } else {
        left++;
        printf(" %d", (int)s.number);
    }
    dv_buf_fini(&a.body);
}

START_TEST(documents_answer_as_a_couchdb_did)
{
    replayed = left = 0;
    testdb_create(&t, _i, "rec_http");
    printf("%s: left to the server:", testdb_engine(_i)->name);
    jsonl_each("http.jsonl", replay);
    printf("\n%s: %zu steps replayed, %zu left\n", testdb_engine(_i)->name, replayed, left);
    ck_assert_uint_eq(replayed, REPLAYED);
    testdb_close(&t);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("database against http.jsonl");
    TCase *tc = tcase_create("http");

    tcase_add_loop_test(tc, documents_answer_as_a_couchdb_did, 0, TESTDB_ENGINES);
    suite_add_tcase(suite, tc);
    return dv_check_run(suite);
}
