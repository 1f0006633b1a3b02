/* Checkpoints: both dialects are read, common pasts are found, foreign sessions survive. */
#include "checkpoints/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/rand.h"
#include "lib/check_main.h"
#include "json/tree.h"

static struct dv_arena arena;

static void setup(void)
{
    dv_arena_init(&arena, 64 << 20);
}

static void teardown(void)
{
    dv_arena_fini(&arena);
}

static struct dv_checkpoint read_text(const char *json)
{
    struct dv_checkpoint cp;

    ck_assert_int_eq(dv_checkpoint_read(dv_slice_str(json), &arena, &cp, NULL), 0);
    return cp;
}

/* "s3:30 s2:20": newest first; source_last_seq is that of the first. */
static struct dv_checkpoint make(const char *spec)
{
    struct dv_buf b;
    struct dv_slice text;
    struct dv_checkpoint cp;
    int seq, n, used;
    char id[20];

    dv_buf_init(&b, 100000);
    if (sscanf(spec, "%19[^:]:%d", id, &seq) != 2)
        return read_text("");
    dv_buf_printf(&b, "{\"session_id\":\"%s\",\"source_last_seq\":\"%d-x\",\"history\":[", id, seq);
    for (n = 0; sscanf(spec, " %19[^:]:%d%n", id, &seq, &used) == 2; n++, spec += used)
        dv_buf_printf(&b, "%s{\"session_id\":\"%s\",\"recorded_seq\":\"%d-x\"}", n ? "," : "", id,
                      seq);
    dv_buf_add_str(&b, "]}");
    text = dv_arena_copy(&arena, dv_buf_slice(&b));
    dv_buf_fini(&b);
    ck_assert_int_eq(dv_checkpoint_read(text, &arena, &cp, NULL), 0);
    return cp;
}

static void assert_common(const char *a, const char *b, const char *seq)
{
    struct dv_checkpoint x = make(a), y = make(b);

    for (int turn = 0; turn < 2; turn++) {
        struct dv_slice got = { NULL, 0 };
        bool found = turn ? dv_checkpoint_common(&y, &x, &got) : dv_checkpoint_common(&x, &y, &got);

        ck_assert_msg(found == (seq != NULL), "%s | %s", a, b);
        if (seq)
            ck_assert_msg(dv_slice_eq_str(got, seq), "%s | %s: %.*s", a, b, (int)got.n, got.p);
    }
}

START_TEST(the_common_past_is_found_and_nothing_is_skipped)
{
    assert_common("s1:10", "s1:10", "\"10-x\"");
    assert_common("s2:20 s1:10", "s1:10", "\"10-x\"");
    assert_common("s3:30 s1:10", "s2:20 s1:10", "\"10-x\"");
    assert_common("s1:10", "s2:20", NULL);
    assert_common("", "s2:20", NULL);
    assert_common("", "", NULL);
    /* one copy went on in s1 after the other's last record of it, then ran s2 */
    assert_common("s2:20 s1:15", "s1:10", "\"10-x\"");
    /* killed between writing the two copies: the run before settles it */
    assert_common("s2:25 s1:10", "s2:20 s1:10", "\"20-x\"");
    assert_common("s1:9", "s1:20", "\"9-x\"");
}
END_TEST

START_TEST(both_dialects_are_read)
{
    struct dv_checkpoint couch = read_text(
        "{\"_id\":\"_local/x\",\"_rev\":\"0-7\",\"session_id\":\"s\",\"source_last_seq\":\"9-a\","
        "\"replication_id_version\":4,\"history\":[{\"session_id\":\"s\",\"start_time\":\"t0\","
        "\"end_time\":\"t1\",\"start_last_seq\":0,\"end_last_seq\":\"9-a\",\"recorded_seq\":\"9-a\","
        "\"missing_checked\":4,\"missing_found\":3,\"docs_read\":2,\"docs_written\":1,"
        "\"doc_write_failures\":5,\"bulk_get_docs\":6,\"bulk_get_attempts\":7}]}");
    struct dv_checkpoint pouch = read_text(
        "{\"session_id\":\"p\",\"_id\":\"_local/y\",\"history\":[{\"last_seq\":[3,\"b\"],"
        "\"session_id\":\"p\"},{\"last_seq\":2,\"session_id\":\"o\"}],\"replicator\":\"pouchdb\","
        "\"version\":1,\"last_seq\":[3,\"b\"]}");

    ck_assert(dv_slice_eq_str(couch.rev, "0-7"));
    ck_assert(dv_slice_eq_str(couch.source_last_seq, "\"9-a\""));
    ck_assert_uint_eq(couch.n_history, 1);
    ck_assert_uint_eq(couch.history[0].doc_write_failures, 5);
    ck_assert(dv_slice_eq_str(couch.history[0].start_last_seq, "0"));
    ck_assert(dv_slice_eq_str(pouch.source_last_seq, "[3,\"b\"]"));
    ck_assert_uint_eq(pouch.n_history, 2);
    ck_assert(dv_slice_eq_str(pouch.history[1].recorded_seq, "2"));
}
END_TEST

START_TEST(what_is_no_checkpoint_reads_as_an_empty_one)
{
    static const char *const texts[] = { "",
                                         "nonsense",
                                         "[]",
                                         "7",
                                         "{}",
                                         "{\"history\":{}}",
                                         "{\"history\":[1,{},{\"session_id\":\"x\"},"
                                         "{\"recorded_seq\":1},{\"session_id\":\"x\","
                                         "\"recorded_seq\":null}]}" };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        ck_assert_uint_eq(read_text(texts[i]).n_history, 0);
    ck_assert(dv_slice_eq_str(read_text("{\"_rev\":\"0-3\",\"a\":1}").rev, "0-3"));
}
END_TEST

START_TEST(a_foreign_session_is_merged_and_the_history_is_bounded)
{
    struct dv_checkpoint copy = make("s2:20 s1:10"), other = make("f9:90 s1:10"), next;
    struct dv_checkpoint_session now = { .id = DV_SLICE_LIT("s3"),
                                         .recorded_seq = DV_SLICE_LIT("\"30-x\"") };

    ck_assert_int_eq(dv_checkpoint_next(&copy, &other, &now, &arena, &next, NULL), 0);
    ck_assert_uint_eq(next.n_history, 4);
    ck_assert(dv_slice_eq_str(next.history[0].id, "s3"));
    ck_assert(dv_slice_eq_str(next.history[3].id, "f9"));
    ck_assert(dv_slice_eq_str(next.source_last_seq, "\"30-x\""));
    now.id = DV_SLICE_LIT("s2");
    ck_assert_int_eq(dv_checkpoint_next(&copy, NULL, &now, &arena, &next, NULL), 0);
    ck_assert_uint_eq(next.n_history, 2);
    for (int i = 0; i < 200; i++) {
        char id[20];

        snprintf(id, sizeof(id), "r%d", i);
        now.id = dv_arena_copy(&arena, dv_slice_str(id));
        copy = next;
        ck_assert_int_eq(dv_checkpoint_next(&copy, NULL, &now, &arena, &next, NULL), 0);
        ck_assert_uint_le(next.n_history, DV_CHECKPOINT_HISTORY_MAX);
    }
    ck_assert(dv_slice_eq_str(next.history[DV_CHECKPOINT_HISTORY_MAX - 1].id, "r150"));
}
END_TEST

START_TEST(what_is_written_is_read_back)
{
    struct dv_checkpoint copy = read_text("{\"_rev\":\"0-2\"}"), next, back;
    struct dv_checkpoint_session now = {
        .id = DV_SLICE_LIT("s\"1"),
        .recorded_seq = DV_SLICE_LIT("[1,\"z\"]"),
        .start_last_seq = DV_SLICE_LIT("0"),
        .end_last_seq = DV_SLICE_LIT("[1,\"z\"]"),
        .docs_written = 12,
    };
    char start[DV_HTTP_TIME_BYTES];
    struct dv_buf b;

    dv_http_time(INT64_C(1763596800123), start);
    ck_assert_str_eq(start, "Thu, 20 Nov 2025 00:00:00 GMT");
    now.start_time = dv_slice_str(start);
    dv_buf_init(&b, 100000);
    ck_assert_int_eq(dv_checkpoint_next(&copy, NULL, &now, &arena, &next, NULL), 0);
    ck_assert_int_eq(dv_checkpoint_write(&next, DV_SLICE_LIT("abc+continuous"), &b), 0);
    ck_assert(dv_slice_starts(
        dv_buf_slice(&b), "{\"_id\":\"_local/abc+continuous\",\"_rev\":\"0-2\",\"session_id\":"));
    ck_assert_int_eq(dv_checkpoint_read(dv_buf_slice(&b), &arena, &back, NULL), 0);
    ck_assert_uint_eq(back.n_history, 1);
    ck_assert(dv_slice_eq(back.history[0].id, now.id));
    ck_assert(dv_slice_eq(back.history[0].recorded_seq, now.recorded_seq));
    ck_assert(dv_slice_eq(back.history[0].start_time, now.start_time));
    ck_assert_uint_eq(back.history[0].docs_written, 12);
    dv_buf_fini(&b);
}
END_TEST

START_TEST(seqs_that_cannot_be_compared_fall_back_to_an_older_run)
{
    struct dv_checkpoint a = read_text(
        "{\"session_id\":\"s2\",\"source_last_seq\":[9],\"history\":[{\"session_id\":\"s2\","
        "\"recorded_seq\":[9]},{\"session_id\":\"s1\",\"recorded_seq\":[3]}]}");
    struct dv_checkpoint b = read_text(
        "{\"session_id\":\"s2\",\"source_last_seq\":[7],\"history\":[{\"session_id\":\"s2\","
        "\"recorded_seq\":[7]},{\"session_id\":\"s1\",\"recorded_seq\":[3]}]}");
    struct dv_slice seq;

    ck_assert(dv_checkpoint_common(&a, &b, &seq));
    ck_assert(dv_slice_eq_str(seq, "[3]"));
}
END_TEST

/* A source and a target with their copies of the checkpoint, and how far their data goes. A run
 * writes the copies one after the other and may be killed between any two steps; either side may be
 * restored to an earlier state. The agreed seq must never be beyond what both really have. */
struct side {
    struct dv_checkpoint cp;
    int have;
};

START_TEST(killed_or_restored_anywhere_the_common_seq_never_runs_ahead)
{
    struct dv_rng rng;
    int resumed = 0;

    dv_rng_seed(&rng, 42);
    for (int round = 0; round < 500; round++) {
        struct side source, target, old[2];

        memset(&source, 0, sizeof(source));
        target = old[0] = old[1] = source;

        for (int run = 0; run < 12; run++) {
            struct dv_slice common;
            char id[20], seq[20];
            int at = 0;

            source.have += (int)dv_rng_below(&rng, 10);
            if (dv_checkpoint_common(&source.cp, &target.cp, &common))
                at = atoi(common.p + 1);
            resumed += at > 0;
            ck_assert_int_le(at, source.have);
            ck_assert_int_le(at, target.have);
            if (dv_rng_below(&rng, 4) == 0)
                old[0] = source;
            if (dv_rng_below(&rng, 4) == 0)
                old[1] = target;
            snprintf(id, sizeof(id), "run%d", run);
            for (uint64_t k = dv_rng_below(&rng, 4); k > 0 && at < source.have; k--) {
                struct dv_checkpoint_session now = { .id =
                                                         dv_arena_copy(&arena, dv_slice_str(id)) };

                at += 1 + (int)dv_rng_below(&rng, (uint64_t)(source.have - at));
                target.have = at > target.have ? at : target.have;
                snprintf(seq, sizeof(seq), "\"%d-x\"", at);
                now.recorded_seq = dv_arena_copy(&arena, dv_slice_str(seq));
                if (dv_rng_below(&rng, 10) == 0)
                    break;
                ck_assert_int_eq(
                    dv_checkpoint_next(&source.cp, NULL, &now, &arena, &source.cp, NULL), 0);
                if (dv_rng_below(&rng, 5) == 0)
                    break; /* killed between the two */
                ck_assert_int_eq(
                    dv_checkpoint_next(&target.cp, NULL, &now, &arena, &target.cp, NULL), 0);
            }
            if (dv_rng_below(&rng, 8) == 0)
                source = old[0];
            if (dv_rng_below(&rng, 8) == 0)
                target = old[1];
        }
        dv_arena_reset(&arena);
    }
    ck_assert_int_gt(resumed, 1000); /* and it is of use */
}
END_TEST

int main(void)
{
    Suite *s = suite_create("checkpoint");
    TCase *t = tcase_create("checkpoint");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, the_common_past_is_found_and_nothing_is_skipped);
    tcase_add_test(t, both_dialects_are_read);
    tcase_add_test(t, what_is_no_checkpoint_reads_as_an_empty_one);
    tcase_add_test(t, a_foreign_session_is_merged_and_the_history_is_bounded);
    tcase_add_test(t, what_is_written_is_read_back);
    tcase_add_test(t, seqs_that_cannot_be_compared_fall_back_to_an_older_run);
    tcase_add_test(t, killed_or_restored_anywhere_the_common_seq_never_runs_ahead);
    suite_add_tcase(s, t);
    return dv_check_run(s);
}
