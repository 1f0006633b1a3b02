/* Replication ids: CouchDB's on every recorded line, ours stable where it must be. */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "checkpoints/replication_id.h"
#include "couch/document.h"
#include "couch/url.h"
#include "filters/normal.h"
#include "lib/check_main.h"
#include "lib/jsonl.h"
#include "json/tree.h"

/* What the job reader will do with an endpoint: basic credentials out of headers and auth. */
static void read_endpoint(const struct dv_json *v, struct dv_arena *arena,
                          struct dv_replid_endpoint *e)
{
    const struct dv_json *headers, *basic;
    struct dv_replid_header *list;

    memset(e, 0, sizeof(*e));
    if (v->kind == DV_JSON_IS_STRING) {
        e->url = v->text;
        return;
    }
    e->url = dv_json_str(jsonl_get(v, "url"));
    basic = dv_json_get(dv_json_get(v, "auth"), "basic");
    if (basic)
        e->user = dv_json_str(jsonl_get(basic, "username"));
    headers = dv_json_get(v, "headers");
    list = dv_arena_alloc(arena, ((headers ? headers->count : 0) + 1) * sizeof(*list));
    for (const struct dv_json *h = headers ? headers->first : NULL; h; h = h->next) {
        if (strncasecmp(h->key.p, "authorization", h->key.n) == 0 &&
            dv_slice_starts(h->text, "Basic ")) {
            struct dv_buf b;

            dv_buf_init(&b, 1000);
            ck_assert(dv_base64_decode(dv_slice(h->text.p + 6, h->text.n - 6), &b));
            e->user = dv_arena_copy(arena, dv_buf_slice(&b));
            e->user.n = (size_t)((const char *)memchr(e->user.p, ':', e->user.n) - e->user.p);
            dv_buf_fini(&b);
        } else {
            list[e->n_headers++] = (struct dv_replid_header){ h->key, h->text };
        }
    }
    e->headers = list;
}

static void read_doc_ids(const struct dv_json *v, struct dv_arena *arena, struct dv_replid_job *job)
{
    struct dv_slice *ids = dv_arena_alloc(arena, (v->count + 1) * sizeof(*ids));

    for (const struct dv_json *c = v->first; c; c = c->next) {
        struct dv_buf b;

        dv_buf_init(&b, 1000);
        ck_assert_int_eq(dv_url_decode(&b, c->text), 0);
        ids[job->n_doc_ids++] = dv_arena_copy(arena, dv_buf_slice(&b));
        dv_buf_fini(&b);
    }
    job->filter = DV_REPLID_DOC_IDS;
    job->doc_ids = ids;
}

static void read_job(const struct dv_json *v, const struct dv_json *code, struct dv_arena *arena,
                     struct dv_replid_job *job)
{
    const struct dv_json *m;

    memset(job, 0, sizeof(*job));
    read_endpoint(jsonl_get(v, "source"), arena, &job->source);
    read_endpoint(jsonl_get(v, "target"), arena, &job->target);
    job->continuous = dv_json_true(dv_json_get(v, "continuous"));
    job->create_target = dv_json_true(dv_json_get(v, "create_target"));
    job->winning_revs_only = dv_json_true(dv_json_get(v, "winning_revs_only"));
    if ((m = dv_json_get(v, "query_params")))
        job->query_params = m->raw;
    if ((m = dv_json_get(v, "doc_ids")))
        read_doc_ids(m, arena, job);
    if ((m = dv_json_get(v, "selector"))) {
        job->filter = DV_REPLID_SELECTOR;
        job->selector = m->raw;
    }
    if ((m = dv_json_get(v, "filter"))) {
        job->filter = m->text.p[0] == '_' ? DV_REPLID_BUILT_IN : DV_REPLID_FUNCTION;
        job->filter_name = m->text;
        job->filter_code = dv_json_str(code);
    }
}

static void check_line(const struct dv_json *line, struct dv_arena *arena, size_t number)
{
    struct dv_replid_job job;
    struct dv_buf id;
    struct dv_err err;
    char hex[DV_REPLID_BYTES];

    read_job(jsonl_get(line, "job"), dv_json_get(line, "filter_code"), arena, &job);
    ck_assert_msg(dv_replid_couch(&job, dv_json_str(jsonl_get(line, "server_uuid")), hex, &err) ==
                      0,
                  "line %zu: %s", number, err.reason);
    dv_buf_init(&id, 1000);
    dv_buf_add_str(&id, hex);
    dv_replid_add_suffix(&job, &id);
    ck_assert_msg(dv_slice_eq(dv_buf_slice(&id), dv_json_str(jsonl_get(line, "id"))),
                  "line %zu: %s instead of %s", number, dv_buf_cstr(&id),
                  jsonl_get(line, "id")->text.p);
    dv_buf_fini(&id);
}

START_TEST(couchdbs_id_is_reproduced_on_every_recorded_line)
{
    ck_assert_uint_eq(jsonl_each("replication-ids.jsonl", check_line), 42);
}
END_TEST

static const char *ours(const char *json)
{
    static char out[8][DV_REPLID_BYTES];
    static int next;
    char *hex = out[next++ % 8];
    struct dv_replid_job job;
    struct dv_arena arena;
    struct dv_json *tree;
    struct dv_err err;

    dv_arena_init(&arena, 1 << 20);
    ck_assert_int_eq(dv_json_tree(dv_slice_str(json), NULL, &arena, &tree, &err), 0);
    read_job(tree, dv_json_get(tree, "code"), &arena, &job);
    ck_assert_msg(dv_replid_ours(&job, hex, &err) == 0, "%s: %s", json, err.reason);
    dv_arena_fini(&arena);
    ck_assert_uint_eq(strlen(hex), 32);
    return hex;
}

#define ST "\"source\":\"http://a/x\",\"target\":\"http://b/y\""

START_TEST(our_id_does_not_move_with_order_spelling_or_passwords)
{
    static const char *const same[][2] = {
        { "{" ST "}", "{\"target\":\"http://B:80/y/\",\"source\":\"http://A/x/\"}" },
        { "{" ST "}", "{" ST ",\"continuous\":true,\"create_target\":true}" },
        { "{\"source\":\"http://u:one@a/x\",\"target\":\"local:1\"}",
          "{\"source\":{\"url\":\"http://a/x\",\"auth\":{\"basic\":{\"username\":\"u\",\"password\":"
          "\"two\"}}},\"target\":\"local:1\"}" },
        { "{" ST ",\"doc_ids\":[\"b\",\"a\",\"b\"]}", "{" ST ",\"doc_ids\":[\"a\",\"b\"]}" },
        { "{" ST ",\"selector\":{\"a\":1}}", "{" ST ",\"selector\":{\"a\":{\"$eq\":1}}}" },
        { "{" ST ",\"filter\":\"d/f\",\"code\":\"x\",\"query_params\":{\"a\":1,\"b\":[2]}}",
          "{" ST ",\"filter\":\"d/f\",\"code\":\"x\",\"query_params\":{\"b\":[2],\"a\":1}}" },
        { "{\"source\":{\"url\":\"http://a/x\",\"headers\":{\"X\":\"1\",\"Y\":\"2\"}},"
          "\"target\":\"local:1\"}",
          "{\"source\":{\"url\":\"http://a/x\",\"headers\":{\"y\":\"2\",\"x\":\"1\",\"Authorization\":"
          "\"Bearer z\"}},\"target\":\"local:1\"}" },
    };

    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
        ck_assert_msg(strcmp(ours(same[i][0]), ours(same[i][1])) == 0, "%s and %s", same[i][0],
                      same[i][1]);
}
END_TEST

START_TEST(our_id_differs_where_other_changes_would_come)
{
    static const char *const jobs[] = {
        "{" ST "}",
        "{\"source\":\"http://b/y\",\"target\":\"http://a/x\"}",
        "{\"source\":\"https://a:80/x\",\"target\":\"http://b/z\"}",
        "{\"source\":\"http://u@a/x\",\"target\":\"http://b/y\"}",
        "{" ST ",\"winning_revs_only\":true}",
        "{" ST ",\"doc_ids\":[]}",
        "{" ST ",\"doc_ids\":[\"a\"]}",
        "{" ST ",\"doc_ids\":[\"a,b\"]}",
        "{" ST ",\"selector\":{}}",
        "{" ST ",\"selector\":{\"a\":1}}",
        "{" ST ",\"filter\":\"d/f\",\"code\":\"x\"}",
        "{" ST ",\"filter\":\"d/f\",\"code\":\"y\"}",
        "{" ST ",\"filter\":\"d/f\",\"code\":\"x\",\"query_params\":{\"a\":1}}",
        "{" ST ",\"filter\":\"_design\"}",
        "{\"source\":\"http://a/x\",\"target\":\"local:1\"}",
        "{\"source\":\"http://a/x\",\"target\":\"local:2\"}",
    };

    for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++)
        for (size_t j = 0; j < i; j++)
            ck_assert_msg(strcmp(ours(jobs[i]), ours(jobs[j])) != 0, "%s and %s", jobs[i], jobs[j]);
}
END_TEST

static void assert_normal(const char *selector, const char *normal)
{
    struct dv_buf b;
    struct dv_err err;

    dv_buf_init(&b, 10000);
    ck_assert_msg(dv_selector_normal(dv_slice_str(selector), &b, &err) == 0, "%s: %s", selector,
                  err.reason);
    ck_assert_str_eq(dv_buf_cstr(&b), normal);
    dv_buf_fini(&b);
}

START_TEST(selectors_are_brought_to_their_normal_form)
{
    assert_normal("{}", "{}");
    assert_normal("{\"a\":{\"b\":1}}", "{\"a.b\":{\"$eq\":1}}");
    assert_normal("{\"a\\\\.b\":1}", "{\"a.b\":{\"$eq\":1}}");
    assert_normal(
        "{\"b\":1,\"a\":{\"$gt\":1,\"$lt\":5}}",
        "{\"$and\":[{\"b\":{\"$eq\":1}},{\"$and\":[{\"a\":{\"$gt\":1}},{\"a\":{\"$lt\":5}}]}]}");
    assert_normal("{\"$not\":{\"a\":{\"$gt\":1},\"b\":{\"$exists\":true}}}",
                  "{\"$or\":[{\"a\":{\"$lte\":1}},{\"b\":{\"$exists\":false}}]}");
    assert_normal("{\"$nor\":[{\"a\":1},{\"$not\":{\"b\":{\"$size\":2}}}]}",
                  "{\"$and\":[{\"a\":{\"$ne\":1}},{\"b\":{\"$size\":2}}]}");
    assert_normal("{\"$not\":{\"a\":{\"$regex\":\"x\"}}}", "{\"a\":{\"$not\":{\"$regex\":\"x\"}}}");
    assert_normal(
        "{\"a\":{\"$elemMatch\":{\"$gte\":1,\"$not\":{\"b\":2}}}}",
        "{\"a\":{\"$elemMatch\":{\"$and\":[{\"\":{\"$gte\":1}},{\"$not\":{\"b\":{\"$eq\":2}}}]}}}");
    assert_normal("{\"a\":{}}", "{\"a\":{\"$eq\":{}}}");
}
END_TEST

START_TEST(what_is_not_a_selector_is_refused)
{
    static const char *const bad[] = { "5",
                                       "[]",
                                       "{\"$x\":1}",
                                       "{\"$and\":{}}",
                                       "{\"$not\":5}",
                                       "{\"\":1}",
                                       "{\"a..b\":1}",
                                       "{\"a.\":1}",
                                       "{\".a\":1}",
                                       "{\"$eq\":1}",
                                       "{\"a\":{\"$size\":-1}}",
                                       "{\"a\":{\"$in\":1}}",
                                       "{\"a\":{\"$mod\":[1]}}",
                                       "{" };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct dv_buf b;

        dv_buf_init(&b, 10000);
        ck_assert_msg(dv_selector_normal(dv_slice_str(bad[i]), &b, NULL) < 0, "%s", bad[i]);
        dv_buf_fini(&b);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("replication_id");
    TCase *t = tcase_create("replication_id");

    tcase_add_test(t, couchdbs_id_is_reproduced_on_every_recorded_line);
    tcase_add_test(t, our_id_does_not_move_with_order_spelling_or_passwords);
    tcase_add_test(t, our_id_differs_where_other_changes_would_come);
    tcase_add_test(t, selectors_are_brought_to_their_normal_form);
    tcase_add_test(t, what_is_not_a_selector_is_refused);
    suite_add_tcase(s, t);
    return dv_check_run(s);
}
