/* The HTTP client in virtual time: retries, time-outs, limits, gzip and flow. */
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "lib/check_main.h"
#include "lib/httprig.h"

START_TEST(an_answer_comes_whole_with_its_headers)
{
    struct dv_http_endpoint *ep = rig_plain();
    struct rig_got g;
    struct dv_http_send s = rig_get(ep, "/doc?rev=1-a", &g);

    rig_script = rig_fine;
    rig_send_and_run(&s, &g);
    ck_assert_int_eq(g.code, 0);
    ck_assert_int_eq(g.status, 200);
    ck_assert_str_eq(g.etag, "\"x\"");
    ck_assert(dv_slice_eq_str(dv_buf_slice(&g.body), "hello"));
    ck_assert_str_eq(rig_asked[0].url, "http://h:5984/db/doc?rev=1-a");
    rig_end(&g, ep);
}
END_TEST

static void expect_retries(enum simnet_fault fault, int status, int n, int code, int tries)
{
    struct dv_http_endpoint *ep = rig_plain();
    struct rig_got g;
    struct dv_http_send s = rig_get(ep, "/doc", &g);

    rig_script = rig_fail_then_fine;
    rig_failure = fault;
    rig_failure_status = status;
    rig_failures_left = n;
    rig_send_and_run(&s, &g);
    ck_assert_msg(g.code == code, "fault %d status %d: code %d", (int)fault, status, g.code);
    ck_assert_int_eq(g.tries, tries);
    rig_end(&g, ep);
}

START_TEST(failures_of_the_wire_and_busy_servers_are_retried_with_backoff)
{
    static const int statuses[] = { 408, 429, 500, 502, 503, 504 };

    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
        expect_retries(SIMNET_FINE, statuses[i], 3, 0, 4);
    expect_retries(SIMNET_REFUSED, 0, 3, 0, 4);
    expect_retries(SIMNET_DROPPED, 0, 3, 0, 4);
    expect_retries(SIMNET_SILENT, 0, 2, 0, 3);
    expect_retries(SIMNET_REFUSED, 0, 100, DV_EIO, 6);
    expect_retries(SIMNET_UNTRUSTED, 0, 1, DV_ETLS, 1);
    expect_retries(SIMNET_FINE, 404, 1, 0, 1);
    expect_retries(SIMNET_FINE, 503, 100, 0, 6); /* the last answer is handed out */
}
END_TEST

START_TEST(backoff_grows_and_retry_after_is_honoured)
{
    struct dv_http_endpoint *ep = rig_plain();
    struct rig_got g;
    struct dv_http_send s = rig_get(ep, "/doc", &g);

    rig_script = rig_fail_then_fine;
    rig_failure = SIMNET_FINE;
    rig_failure_status = 503;
    rig_failures_left = 4;
    rig_send_and_run(&s, &g);
    for (int i = 1; i < 5; i++) {
        int64_t gap = rig_asked[i].at_ms - rig_asked[i - 1].at_ms;

        ck_assert_int_ge(gap, 125 << (i - 1));
        ck_assert_int_le(gap, 250 << (i - 1));
    }
    rig_end(&g, ep);
    ep = rig_plain();
    s = rig_get(ep, "/doc", &g);
    rig_failures_left = 1;
    rig_failure_header = "Retry-After: 17\n";
    rig_n_asked = 0;
    rig_send_and_run(&s, &g);
    ck_assert_int_ge(rig_asked[1].at_ms - rig_asked[0].at_ms, 17000);
    rig_failure_header = NULL;
    rig_end(&g, ep);
}
END_TEST

START_TEST(a_post_is_not_repeated_unless_it_is_marked_so)
{
    struct dv_http_endpoint *ep = rig_plain();
    struct rig_got g;
    struct dv_http_send s = rig_get(ep, "/_bulk_docs", &g);

    rig_script = rig_fail_then_fine;
    rig_failure = SIMNET_DROPPED;
    rig_failure_status = 0;
    s.method = "POST";
    s.body = DV_SLICE_LIT("{}");
    s.has_body = true;
    rig_failures_left = 1;
    rig_send_and_run(&s, &g);
    ck_assert_int_eq(g.code, DV_EIO);
    rig_end(&g, ep);
    ep = rig_plain();
    s = rig_get(ep, "/_bulk_docs", &g);
    s.method = "POST";
    s.body = DV_SLICE_LIT("{}");
    s.has_body = true;
    s.flags = DV_HTTP_IDEMPOTENT;
    rig_failures_left = 1;
    rig_send_and_run(&s, &g);
    ck_assert_int_eq(g.code, 0);
    ck_assert_str_eq(rig_asked[2].body, "{}");
    rig_end(&g, ep);
}
END_TEST

START_TEST(nothing_is_repeated_once_bytes_were_handed_out)
{
    expect_retries(SIMNET_CUT, 200, 1, DV_EIO, 1);
}
END_TEST

START_TEST(a_silent_or_stalled_server_ends_by_the_idle_time_out)
{
    struct dv_http_endpoint_options opt = { .url = DV_SLICE_LIT("http://h/db"),
                                            .idle_timeout_ms = 7000,
                                            .retries = -1 };
    struct dv_http_endpoint *ep = rig_endpoint(&opt);
    struct rig_got g;
    struct dv_http_send s = rig_get(ep, "/doc", &g);
    int64_t from = dv_world_now_ms(rig_world);

    rig_script = rig_fail_then_fine;
    rig_failure = SIMNET_STALLED;
    rig_failure_status = 200;
    rig_failures_left = 1;
    rig_send_and_run(&s, &g);
    ck_assert_int_eq(g.code, DV_ETIMEOUT);
    ck_assert_int_ge(dv_world_now_ms(rig_world) - from, 7000);
    ck_assert_int_le(dv_world_now_ms(rig_world) - from, 9000);
    ck_assert_ptr_nonnull(strstr(g.err.reason, "no byte came for 7 s"));
    rig_end(&g, ep);
}
END_TEST

static void trickle(void *arg, const struct simnet_request *q, struct simnet_answer *a)
{
    (void)arg;
    (void)q;
    dv_buf_add_str(&a->body, "0123456789");
    a->latency_ms = 50000;
}

START_TEST(the_total_time_out_ends_what_the_idle_one_does_not)
{
    struct dv_http_endpoint *ep = rig_plain();
    struct rig_got g;
    struct dv_http_send s = rig_get(ep, "/doc", &g);

    rig_script = trickle;
    s.total_timeout_ms = 20000;
    s.flags = DV_HTTP_NO_RETRY;
    rig_send_and_run(&s, &g);
    ck_assert_int_eq(g.code, DV_ETIMEOUT);
    ck_assert_ptr_nonnull(strstr(g.err.reason, "not finished for 20 s"));
    rig_end(&g, ep);
}
END_TEST

static void large(void *arg, const struct simnet_request *q, struct simnet_answer *a)
{
    (void)arg;
    (void)q;
    for (int i = 0; i < 20000; i++)
        dv_buf_add_char(&a->body, (char)('a' + i % 26));
}

START_TEST(a_paused_answer_waits_without_timing_out_and_comes_whole)
{
    struct dv_http_endpoint *ep = rig_plain();
    struct rig_got g;
    struct dv_http_send s = rig_get(ep, "/doc", &g);

    rig_script = large;
    s.total_timeout_ms = INT64_C(24) * 3600 * 1000;
    g.pause_every = 3;
    rig_send_and_run(&s, &g);
    ck_assert_int_eq(g.code, 0);
    ck_assert_uint_eq(g.body.n, 20000);
    ck_assert_int_ge(dv_world_now_ms(rig_world), 600 * 1000);
    rig_end(&g, ep);
}
END_TEST

static size_t bomb_bytes;
static size_t gzip_cut;

static void zipped(void *arg, const struct simnet_request *q, struct simnet_answer *a)
{
    z_stream z = { 0 };
    unsigned char *in = calloc(1, bomb_bytes), *out = malloc(bomb_bytes + 1000);

    (void)arg;
    ck_assert_str_eq(simnet_header(q, "Accept-Encoding"), "gzip");
    ck_assert(deflateInit2(&z, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY) == Z_OK);
    z.next_in = in;
    z.avail_in = (uInt)bomb_bytes;
    z.next_out = out;
    z.avail_out = (uInt)bomb_bytes + 1000;
    ck_assert(deflate(&z, Z_FINISH) == Z_STREAM_END);
    dv_buf_add(&a->body, out, z.total_out - gzip_cut);
    deflateEnd(&z);
    free(in);
    free(out);
    dv_buf_add_str(&a->headers, "Content-Encoding: gzip\n");
}

START_TEST(gzip_is_undone_in_bounded_pieces_also_around_pauses)
{
    struct dv_http_endpoint *ep = rig_plain();
    struct rig_got g;
    struct dv_http_send s = rig_get(ep, "/doc", &g);

    rig_script = zipped;
    bomb_bytes = 5000000;
    gzip_cut = 0;
    g.pause_every = 7;
    s.total_timeout_ms = INT64_C(24) * 3600 * 1000;
    rig_send_and_run(&s, &g);
    ck_assert_int_eq(g.code, 0);
    ck_assert_uint_eq(g.body.n, bomb_bytes);
    ck_assert_uint_le(g.largest_piece, 64 * 1024);
    rig_end(&g, ep);
}
END_TEST

START_TEST(a_gzip_bomb_ends_at_the_ceiling_and_cut_gzip_is_an_error)
{
    struct dv_http_endpoint *ep = rig_plain();
    struct rig_got g;
    struct dv_http_send s = rig_get(ep, "/doc", &g);

    rig_script = zipped;
    bomb_bytes = 5000000;
    gzip_cut = 0;
    s.max_answer_bytes = 100000;
    rig_send_and_run(&s, &g);
    ck_assert_int_eq(g.code, DV_ETOOBIG);
    ck_assert_uint_le(g.body.n, 100000);
    rig_end(&g, ep);
    ep = rig_plain();
    s = rig_get(ep, "/doc", &g);
    bomb_bytes = 1000;
    gzip_cut = 3;
    rig_send_and_run(&s, &g);
    ck_assert_int_eq(g.code, DV_EIO);
    rig_end(&g, ep);
}
END_TEST

START_TEST(no_more_than_the_cap_are_on_the_wire_and_the_rest_follow_in_order)
{
    struct dv_http_endpoint *ep = rig_plain();
    static struct rig_got g[60];

    rig_script = rig_fine;
    for (int i = 0; i < 60; i++) {
        char path[20];
        struct dv_http_send s;

        snprintf(path, sizeof(path), "/%03d", i);
        s = rig_get(ep, path, &g[i]);
        ck_assert_int_eq(dv_http_send(rig_http, &s, NULL, NULL), 0);
    }
    ck_assert_int_eq(dv_world_run(rig_world, NULL), 0);
    ck_assert_uint_eq(simnet_peak(rig_net), 20);
    for (int i = 0; i < 60; i++) {
        ck_assert_int_eq(g[i].code, 0);
        ck_assert_int_eq(atoi(rig_asked[i].url + strlen("http://h:5984/db/")), i);
        dv_buf_fini(&g[i].body);
    }
    dv_http_endpoint_unref(ep);
}
END_TEST

START_TEST(caps_on_requests_and_bytes_are_kept)
{
    struct dv_http_endpoint_options opt = { .url = DV_SLICE_LIT("http://h/db"),
                                            .max_requests_per_s = 10 };
    struct dv_http_endpoint *ep = rig_endpoint(&opt);
    static struct rig_got g[50];
    int64_t from = dv_world_now_ms(rig_world);

    rig_script = rig_fine;
    for (int i = 0; i < 50; i++) {
        struct dv_http_send s = rig_get(ep, "/x", &g[i]);

        ck_assert_int_eq(dv_http_send(rig_http, &s, NULL, NULL), 0);
    }
    ck_assert_int_eq(dv_world_run(rig_world, NULL), 0);
    for (int i = 0; i < 50; i++)
        dv_buf_fini(&g[i].body);
    ck_assert_int_ge(rig_asked[49].at_ms - from, 3900); /* the first ten at once */
    ck_assert_int_le(rig_asked[49].at_ms - from, 4500);
    dv_http_endpoint_unref(ep);
    opt.max_requests_per_s = 0;
    opt.max_bytes_per_s = 1000;
    ep = rig_endpoint(&opt);
    from = dv_world_now_ms(rig_world);
    {
        struct dv_http_send s = rig_get(ep, "/x", &g[0]);

        rig_script = large;
        rig_send_and_run(&s, &g[0]);
    }
    ck_assert_int_eq(g[0].code, 0);
    ck_assert_int_ge(dv_world_now_ms(rig_world) - from, 17000);
    ck_assert_int_le(dv_world_now_ms(rig_world) - from, 23000);
    rig_end(&g[0], ep);
}
END_TEST

static int64_t served_in_window[200];

static void limited(void *arg, const struct simnet_request *q, struct simnet_answer *a)
{
    int64_t second = dv_world_now_ms(rig_world) / 1000;

    a->latency_ms = 5;
    if (second < 200 && ++served_in_window[second] > 20)
        a->status = 429;
    else
        rig_fine(arg, q, a);
}

START_TEST(a_host_that_answers_429_is_asked_more_slowly_and_none_fails)
{
    struct dv_http_endpoint *ep = rig_plain();
    static struct rig_got g[200];
    int refused = 0;

    memset(served_in_window, 0, sizeof(served_in_window));
    rig_script = limited;
    for (int i = 0; i < 200; i++) {
        struct dv_http_send s = rig_get(ep, "/x", &g[i]);

        ck_assert_int_eq(dv_http_send(rig_http, &s, NULL, NULL), 0);
    }
    ck_assert_int_eq(dv_world_run(rig_world, NULL), 0);
    for (int i = 0; i < 200; i++) {
        refused += g[i].status != 200;
        dv_buf_fini(&g[i].body);
    }
    ck_assert_int_eq(refused, 0);
    ck_assert_int_lt(rig_n_asked, 330); /* not each of them bounced again and again */
    dv_http_endpoint_unref(ep);
}
END_TEST

START_TEST(an_upload_is_rewound_for_a_retry_or_sent_only_once)
{
    struct dv_http_endpoint *ep = rig_plain();
    struct rig_got g;
    struct dv_http_send s = rig_get(ep, "/doc", &g);

    rig_script = rig_fail_then_fine;
    rig_failure = SIMNET_FINE;
    rig_failure_status = 503;
    rig_failures_left = 1;
    s.method = "PUT";
    s.stream_body = true;
    s.body_bytes = 23;
    g.upload_size = 23;
    rig_send_and_run(&s, &g);
    ck_assert_int_eq(g.status, 200);
    ck_assert_str_eq(rig_asked[1].body, "uuuuuuuuuuuuuuuuuuuuuuu");
    rig_end(&g, ep);
    ep = rig_plain();
    s = rig_get(ep, "/doc", &g);
    s.method = "PUT";
    s.stream_body = true;
    s.body_bytes = -1;
    s.callbacks = &rig_once_callbacks;
    g.upload_size = 23;
    rig_failures_left = 1;
    rig_send_and_run(&s, &g);
    ck_assert_int_eq(g.status, 503);
    ck_assert_int_eq(g.tries, 1);
    rig_end(&g, ep);
}
END_TEST

START_TEST(freeing_the_client_ends_what_is_under_way)
{
    struct dv_http_endpoint *ep = rig_plain();
    struct rig_got g;
    struct dv_http_send s = rig_get(ep, "/doc", &g);

    rig_script = rig_fine;
    ck_assert_int_eq(dv_http_send(rig_http, &s, &g.request, NULL), 0);
    dv_http_endpoint_unref(ep);
    dv_http_free(rig_http);
    ck_assert_int_eq(g.done, 1);
    ck_assert_int_eq(g.code, DV_ECANCELLED);
    dv_buf_fini(&g.body);
    rig_net = simnet_new(rig_world, rig_handle, NULL);
    ck_assert_int_eq(dv_http_new_over(rig_world, NULL, rig_net, &rig_http, NULL), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("http");
    TCase *t = tcase_create("http");

    tcase_add_checked_fixture(t, rig_setup, rig_teardown);
    tcase_add_test(t, an_answer_comes_whole_with_its_headers);
    tcase_add_test(t, failures_of_the_wire_and_busy_servers_are_retried_with_backoff);
    tcase_add_test(t, backoff_grows_and_retry_after_is_honoured);
    tcase_add_test(t, a_post_is_not_repeated_unless_it_is_marked_so);
    tcase_add_test(t, nothing_is_repeated_once_bytes_were_handed_out);
    tcase_add_test(t, a_silent_or_stalled_server_ends_by_the_idle_time_out);
    tcase_add_test(t, the_total_time_out_ends_what_the_idle_one_does_not);
    tcase_add_test(t, a_paused_answer_waits_without_timing_out_and_comes_whole);
    tcase_add_test(t, gzip_is_undone_in_bounded_pieces_also_around_pauses);
    tcase_add_test(t, a_gzip_bomb_ends_at_the_ceiling_and_cut_gzip_is_an_error);
    tcase_add_test(t, no_more_than_the_cap_are_on_the_wire_and_the_rest_follow_in_order);
    tcase_add_test(t, caps_on_requests_and_bytes_are_kept);
    tcase_add_test(t, a_host_that_answers_429_is_asked_more_slowly_and_none_fails);
    tcase_add_test(t, an_upload_is_rewound_for_a_retry_or_sent_only_once);
    tcase_add_test(t, freeing_the_client_ends_what_is_under_way);
    suite_add_tcase(s, t);
    return dv_check_run(s);
}
