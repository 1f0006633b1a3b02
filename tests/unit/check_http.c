/* The HTTP client in virtual time, over a simulated network: retries, credentials, redirects,
 * limits, time-outs, gzip and flow. What libcurl adds is tested in tests/unit/check_http_wire.c. */
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "http/http.h"
#include "lib/check_main.h"
#include "lib/simnet.h"
#include "lib/simworld.h"

struct ask {
    char method[16], url[300], auth[200], cookie[200], own[100], body[200];
    int64_t at_ms;
};

static struct dv_world *world;
static struct dv_transport *net;
static struct dv_http *http;
static struct ask asked[500];
static int n_asked;
static simnet_handler *script;

static void note(char *out, size_t room, const char *s)
{
    snprintf(out, room, "%s", s ? s : "");
}

static void handle(void *arg, const struct simnet_request *q, struct simnet_answer *a)
{
    struct ask *k = &asked[n_asked++];

    (void)arg;
    note(k->method, sizeof(k->method), q->method);
    note(k->url, sizeof(k->url), q->url);
    note(k->auth, sizeof(k->auth), simnet_header(q, "Authorization"));
    note(k->cookie, sizeof(k->cookie), simnet_header(q, "Cookie"));
    note(k->own, sizeof(k->own), simnet_header(q, "X-Own"));
    snprintf(k->body, sizeof(k->body), "%.*s", (int)q->body.n, q->body.n ? q->body.p : "");
    k->at_ms = dv_world_now_ms(world);
    ck_assert_int_lt(n_asked, 500);
    script(arg, q, a);
}

static void setup(void)
{
    world = simworld_new(1);
    simworld_limit(world, 1000000, INT64_C(100) * 3600 * 1000);
    net = simnet_new(world, handle, NULL);
    ck_assert_int_eq(dv_http_new_over(world, NULL, net, &http, NULL), 0);
    n_asked = 0;
}

static void teardown(void)
{
    dv_http_free(http);
    dv_world_free(world);
}

struct got {
    struct dv_buf body;
    int status, code, done, headers;
    struct dv_err err;
    char etag[50];
    int pause_every; /* pause after each n-th piece */
    int pieces;
    struct dv_http_request *request;
    struct dv_timer timer;
    int tries;
    size_t upload_at, upload_size;
    bool can_rewind;
    size_t largest_piece;
};

static int on_headers(void *arg, struct dv_http_request *r, int status, struct dv_err *err)
{
    struct got *g = arg;

    (void)err;
    g->status = status;
    g->headers++;
    note(g->etag, sizeof(g->etag), dv_http_header_value(r, "etag"));
    return 0;
}

static void unpause(void *arg)
{
    struct got *g = arg;

    dv_http_resume(g->request);
}

static int on_data(void *arg, struct dv_http_request *r, struct dv_slice bytes, struct dv_err *err)
{
    struct got *g = arg;

    (void)err;
    dv_buf_add_slice(&g->body, bytes);
    if (bytes.n > g->largest_piece)
        g->largest_piece = bytes.n;
    if (g->pause_every && ++g->pieces % g->pause_every == 0) {
        dv_http_pause(r);
        dv_timer_start(&g->timer, 100 * 1000); /* longer than the idle time-out */
    }
    return 0;
}

static void on_done(void *arg, struct dv_http_request *r, int code, const struct dv_err *err)
{
    struct got *g = arg;

    g->done++;
    g->code = code;
    g->err = *err;
    g->tries = dv_http_tries(r);
    dv_timer_fini(&g->timer);
}

static int on_body(void *arg, struct dv_http_request *r, void *out, size_t room, size_t *got,
                   bool *end, struct dv_err *err)
{
    struct got *g = arg;
    size_t n = room < 5 ? room : 5;

    (void)r;
    (void)err;
    if (n > g->upload_size - g->upload_at)
        n = g->upload_size - g->upload_at;
    memset(out, 'u', n);
    g->upload_at += n;
    *got = n;
    *end = g->upload_at == g->upload_size;
    return 0;
}

static int on_rewind(void *arg, struct dv_http_request *r, struct dv_err *err)
{
    struct got *g = arg;

    (void)r;
    (void)err;
    g->upload_at = 0;
    return 0;
}

static const struct dv_http_callbacks callbacks = { on_headers, on_data, on_done, on_body,
                                                    on_rewind };
static const struct dv_http_callbacks once_callbacks = { on_headers, on_data, on_done, on_body,
                                                         NULL };

static struct dv_http_endpoint *endpoint(const struct dv_http_endpoint_options *opt)
{
    struct dv_http_endpoint *ep;
    struct dv_err err;

    ck_assert_msg(dv_http_endpoint_new(http, opt, &ep, &err) == 0, "%s", err.reason);
    return ep;
}

static struct dv_http_endpoint *plain(void)
{
    struct dv_http_endpoint_options opt = { .url = DV_SLICE_LIT("http://h:5984/db/") };

    return endpoint(&opt);
}

static struct dv_http_send get(struct dv_http_endpoint *ep, const char *path, struct got *g)
{
    memset(g, 0, sizeof(*g));
    dv_buf_init(&g->body, 1 << 28);
    ck_assert_int_eq(dv_timer_init(&g->timer, world, unpause, g, NULL), 0);
    return (struct dv_http_send){ .endpoint = ep,
                                  .method = "GET",
                                  .path = dv_slice_str(path),
                                  .callbacks = &callbacks,
                                  .arg = g };
}

static void send_and_run(struct dv_http_send *s, struct got *g)
{
    struct dv_err err;

    ck_assert_int_eq(dv_http_send(http, s, &g->request, NULL), 0);
    ck_assert_int_eq(g->done, 0);
    ck_assert_msg(dv_world_run(world, &err) == 0, "%s", err.reason);
    ck_assert_int_eq(g->done, 1);
    ck_assert_uint_eq(simnet_active(net), 0);
}

static void end(struct got *g, struct dv_http_endpoint *ep)
{
    dv_buf_fini(&g->body);
    dv_http_endpoint_unref(ep);
}

static void fine(void *arg, const struct simnet_request *q, struct simnet_answer *a)
{
    (void)arg;
    (void)q;
    dv_buf_add_str(&a->headers, "ETag: \"x\"\n");
    dv_buf_add_str(&a->body, "hello");
}

START_TEST(an_answer_comes_whole_with_its_headers)
{
    struct dv_http_endpoint *ep = plain();
    struct got g;
    struct dv_http_send s = get(ep, "/doc?rev=1-a", &g);

    script = fine;
    send_and_run(&s, &g);
    ck_assert_int_eq(g.code, 0);
    ck_assert_int_eq(g.status, 200);
    ck_assert_str_eq(g.etag, "\"x\"");
    ck_assert(dv_slice_eq_str(dv_buf_slice(&g.body), "hello"));
    ck_assert_str_eq(asked[0].url, "http://h:5984/db/doc?rev=1-a");
    end(&g, ep);
}
END_TEST

static int failures_left;
static enum simnet_fault failure;
static int failure_status;
static const char *failure_header;

static void fail_then_fine(void *arg, const struct simnet_request *q, struct simnet_answer *a)
{
    if (failures_left-- <= 0) {
        fine(arg, q, a);
        return;
    }
    a->fault = failure;
    a->cut_at = 2;
    if (failure_status)
        a->status = failure_status;
    if (failure_header)
        dv_buf_add_str(&a->headers, failure_header);
    dv_buf_add_str(&a->body, "{\"error\":\"x\"}");
}

static void expect_retries(enum simnet_fault fault, int status, int n, int code, int tries)
{
    struct dv_http_endpoint *ep = plain();
    struct got g;
    struct dv_http_send s = get(ep, "/doc", &g);

    script = fail_then_fine;
    failure = fault;
    failure_status = status;
    failures_left = n;
    send_and_run(&s, &g);
    ck_assert_msg(g.code == code, "fault %d status %d: code %d", (int)fault, status, g.code);
    ck_assert_int_eq(g.tries, tries);
    end(&g, ep);
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
    struct dv_http_endpoint *ep = plain();
    struct got g;
    struct dv_http_send s = get(ep, "/doc", &g);

    script = fail_then_fine;
    failure = SIMNET_FINE;
    failure_status = 503;
    failures_left = 4;
    send_and_run(&s, &g);
    for (int i = 1; i < 5; i++) {
        int64_t gap = asked[i].at_ms - asked[i - 1].at_ms;

        ck_assert_int_ge(gap, 125 << (i - 1));
        ck_assert_int_le(gap, 250 << (i - 1));
    }
    end(&g, ep);
    ep = plain();
    s = get(ep, "/doc", &g);
    failures_left = 1;
    failure_header = "Retry-After: 17\n";
    n_asked = 0;
    send_and_run(&s, &g);
    ck_assert_int_ge(asked[1].at_ms - asked[0].at_ms, 17000);
    failure_header = NULL;
    end(&g, ep);
}
END_TEST

START_TEST(a_post_is_not_repeated_unless_it_is_marked_so)
{
    struct dv_http_endpoint *ep = plain();
    struct got g;
    struct dv_http_send s = get(ep, "/_bulk_docs", &g);

    script = fail_then_fine;
    failure = SIMNET_DROPPED;
    failure_status = 0;
    s.method = "POST";
    s.body = DV_SLICE_LIT("{}");
    s.has_body = true;
    failures_left = 1;
    send_and_run(&s, &g);
    ck_assert_int_eq(g.code, DV_EIO);
    end(&g, ep);
    ep = plain();
    s = get(ep, "/_bulk_docs", &g);
    s.method = "POST";
    s.body = DV_SLICE_LIT("{}");
    s.has_body = true;
    s.flags = DV_HTTP_IDEMPOTENT;
    failures_left = 1;
    send_and_run(&s, &g);
    ck_assert_int_eq(g.code, 0);
    ck_assert_str_eq(asked[2].body, "{}");
    end(&g, ep);
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
    struct dv_http_endpoint *ep = endpoint(&opt);
    struct got g;
    struct dv_http_send s = get(ep, "/doc", &g);
    int64_t from = dv_world_now_ms(world);

    script = fail_then_fine;
    failure = SIMNET_STALLED;
    failure_status = 200;
    failures_left = 1;
    send_and_run(&s, &g);
    ck_assert_int_eq(g.code, DV_ETIMEOUT);
    ck_assert_int_ge(dv_world_now_ms(world) - from, 7000);
    ck_assert_int_le(dv_world_now_ms(world) - from, 9000);
    ck_assert_ptr_nonnull(strstr(g.err.reason, "no byte came for 7 s"));
    end(&g, ep);
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
    struct dv_http_endpoint *ep = plain();
    struct got g;
    struct dv_http_send s = get(ep, "/doc", &g);

    script = trickle;
    s.total_timeout_ms = 20000;
    s.flags = DV_HTTP_NO_RETRY;
    send_and_run(&s, &g);
    ck_assert_int_eq(g.code, DV_ETIMEOUT);
    ck_assert_ptr_nonnull(strstr(g.err.reason, "not finished for 20 s"));
    end(&g, ep);
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
    struct dv_http_endpoint *ep = plain();
    struct got g;
    struct dv_http_send s = get(ep, "/doc", &g);

    script = large;
    s.total_timeout_ms = INT64_C(24) * 3600 * 1000;
    g.pause_every = 3;
    send_and_run(&s, &g);
    ck_assert_int_eq(g.code, 0);
    ck_assert_uint_eq(g.body.n, 20000);
    ck_assert_int_ge(dv_world_now_ms(world), 600 * 1000);
    end(&g, ep);
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
    struct dv_http_endpoint *ep = plain();
    struct got g;
    struct dv_http_send s = get(ep, "/doc", &g);

    script = zipped;
    bomb_bytes = 5000000;
    gzip_cut = 0;
    g.pause_every = 7;
    s.total_timeout_ms = INT64_C(24) * 3600 * 1000;
    send_and_run(&s, &g);
    ck_assert_int_eq(g.code, 0);
    ck_assert_uint_eq(g.body.n, bomb_bytes);
    ck_assert_uint_le(g.largest_piece, 64 * 1024);
    end(&g, ep);
}
END_TEST

START_TEST(a_gzip_bomb_ends_at_the_ceiling_and_cut_gzip_is_an_error)
{
    struct dv_http_endpoint *ep = plain();
    struct got g;
    struct dv_http_send s = get(ep, "/doc", &g);

    script = zipped;
    bomb_bytes = 5000000;
    gzip_cut = 0;
    s.max_answer_bytes = 100000;
    send_and_run(&s, &g);
    ck_assert_int_eq(g.code, DV_ETOOBIG);
    ck_assert_uint_le(g.body.n, 100000);
    end(&g, ep);
    ep = plain();
    s = get(ep, "/doc", &g);
    bomb_bytes = 1000;
    gzip_cut = 3;
    send_and_run(&s, &g);
    ck_assert_int_eq(g.code, DV_EIO);
    end(&g, ep);
}
END_TEST

START_TEST(credentials_go_as_basic_and_never_into_names_or_errors)
{
    struct dv_http_header headers[] = { { { "X-Own", 5 }, { "secret3", 7 } },
                                        { { "authorization", 13 }, { "Basic YTpi", 10 } } };
    struct dv_http_endpoint_options opt = { .url = DV_SLICE_LIT("http://us%65r:se%63ret@h/db"),
                                            .headers = headers,
                                            .n_headers = 2,
                                            .retries = -1 };
    struct dv_http_endpoint *ep = endpoint(&opt);
    struct got g;
    struct dv_http_send s = get(ep, "/doc", &g);
    char text[800];

    script = fine;
    send_and_run(&s, &g);
    ck_assert_str_eq(asked[0].url, "http://h/db/doc");
    ck_assert_str_eq(asked[0].auth, "Basic dXNlcjpzZWNyZXQ="); /* user:secret beats the header */
    ck_assert_str_eq(asked[0].own, "secret3");
    ck_assert_str_eq(dv_http_endpoint_name(ep), "http://***:***@h/db");
    end(&g, ep);
    ep = endpoint(&opt);
    s = get(ep, "/doc?token=secret2", &g);
    script = fail_then_fine;
    failure = SIMNET_REFUSED;
    failures_left = 1;
    send_and_run(&s, &g);
    dv_err_text(&g.err, text, sizeof(text));
    ck_assert_str_eq(text, "GET http://h/db/doc: Connection refused");
    end(&g, ep);
    opt.url = DV_SLICE_LIT("http://h/db");
    ep = endpoint(&opt);
    s = get(ep, "/doc", &g);
    script = fine;
    n_asked = 0;
    send_and_run(&s, &g);
    ck_assert_str_eq(asked[0].auth, "Basic YTpi"); /* taken out of the headers and made anew */
    end(&g, ep);
}
END_TEST

static const char *redirect_to;

static void redirecting(void *arg, const struct simnet_request *q, struct simnet_answer *a)
{
    if (n_asked > 1) {
        fine(arg, q, a);
        return;
    }
    a->status = 307;
    dv_buf_printf(&a->headers, "Location: %s\n", redirect_to);
}

START_TEST(a_redirect_to_another_host_carries_no_credentials)
{
    static const struct {
        const char *to, *url;
        bool secret;
    } cases[] = {
        { "http://h/other/doc", "http://h/other/doc", true },
        { "/x?y", "http://h/x?y", true },
        { "doc2", "http://h/db/doc2", true },
        { "http://evil/db/doc", "http://evil/db/doc", false },
        { "http://h:81/db/doc", "http://h:81/db/doc", false },
        { "//evil/x", "http://evil/x", false },
        { "http://u:p@h/db/doc", "http://h/db/doc", true },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct dv_http_header own = { { "X-Own", 5 }, { "s", 1 } };
        struct dv_http_endpoint_options opt = { .url = DV_SLICE_LIT("http://user:pw@h/db"),
                                                .headers = &own,
                                                .n_headers = 1 };
        struct dv_http_endpoint *ep = endpoint(&opt);
        struct got g;
        struct dv_http_send s = get(ep, "/doc", &g);

        script = redirecting;
        redirect_to = cases[i].to;
        n_asked = 0;
        send_and_run(&s, &g);
        ck_assert_int_eq(g.status, 200);
        ck_assert_str_eq(asked[1].url, cases[i].url);
        ck_assert_int_eq(asked[1].auth[0] != '\0', cases[i].secret);
        ck_assert_int_eq(asked[1].own[0] != '\0', cases[i].secret);
        end(&g, ep);
    }
}
END_TEST

static void redirect_for_ever(void *arg, const struct simnet_request *q, struct simnet_answer *a)
{
    (void)arg;
    (void)q;
    a->status = 302;
    dv_buf_add_str(&a->headers, "Location: /again\n");
}

START_TEST(a_redirect_loop_ends_and_https_never_becomes_http)
{
    struct dv_http_endpoint_options opt = { .url = DV_SLICE_LIT("https://h/db") };
    struct dv_http_endpoint *ep = endpoint(&opt);
    struct got g;
    struct dv_http_send s = get(ep, "/doc", &g);

    script = redirect_for_ever;
    send_and_run(&s, &g);
    ck_assert_int_eq(g.status, 302);
    ck_assert_int_eq(n_asked, 6);
    end(&g, ep);
    ep = endpoint(&opt);
    s = get(ep, "/doc", &g);
    script = redirecting;
    redirect_to = "http://h/db";
    n_asked = 0;
    send_and_run(&s, &g);
    ck_assert_int_eq(g.code, DV_ETLS);
    end(&g, ep);
}
END_TEST

static int logins, session_denied;
static const char *valid_cookie;

static void couch(void *arg, const struct simnet_request *q, struct simnet_answer *a)
{
    const char *cookie = simnet_header(q, "Cookie");

    if (strstr(q->url, "/_session")) {
        logins++;
        ck_assert_str_eq(q->method, "POST");
        ck_assert(dv_slice_eq_str(q->body, "name=us%26er&password=p%3Dw"));
        a->latency_ms = 50;
        a->status = session_denied ? session_denied : 200;
        if (!session_denied)
            dv_buf_printf(&a->headers, "Set-Cookie: AuthSession=c%d; Version=1; Max-Age=600\n",
                          logins);
        return;
    }
    if (!cookie || (valid_cookie && strcmp(cookie, valid_cookie) != 0))
        a->status = 401;
    else
        fine(arg, q, a);
}

static struct dv_http_endpoint *session_endpoint(void)
{
    struct dv_http_endpoint_options opt = { .url = DV_SLICE_LIT("http://h/db"),
                                            .auth = DV_AUTH_SESSION,
                                            .user = DV_SLICE_LIT("us&er"),
                                            .password = DV_SLICE_LIT("p=w") };

    logins = session_denied = 0;
    valid_cookie = NULL;
    script = couch;
    return endpoint(&opt);
}

static void nothing(void *arg)
{
    (void)arg;
}

START_TEST(one_login_serves_all_who_wait_and_is_renewed_before_it_expires)
{
    struct dv_http_endpoint *ep = session_endpoint();
    struct got g[5];

    for (int i = 0; i < 5; i++) {
        struct dv_http_send s = get(ep, "/doc", &g[i]);

        ck_assert_int_eq(dv_http_send(http, &s, NULL, NULL), 0);
    }
    ck_assert_int_eq(dv_world_run(world, NULL), 0);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(g[i].status, 200);
        dv_buf_fini(&g[i].body);
    }
    ck_assert_int_eq(logins, 1);
    for (int i = 1; i <= 3; i++) { /* nine tenths of the cookie's 600 s is 540 s */
        struct dv_timer wait;
        struct dv_http_send s;

        ck_assert_int_eq(dv_timer_init(&wait, world, nothing, NULL, NULL), 0);
        dv_timer_start(&wait, 270 * 1000);
        ck_assert_int_eq(dv_world_run(world, NULL), 0);
        dv_timer_fini(&wait);
        s = get(ep, "/doc", &g[0]);
        send_and_run(&s, &g[0]);
        ck_assert_int_eq(g[0].status, 200);
        ck_assert_int_eq(logins, i < 2 ? 1 : 2);
        dv_buf_fini(&g[0].body);
    }
    dv_http_endpoint_unref(ep);
}
END_TEST

START_TEST(a_401_renews_the_session_once_and_then_is_believed)
{
    struct dv_http_endpoint *ep = session_endpoint();
    struct got g;
    struct dv_http_send s = get(ep, "/doc", &g);

    valid_cookie = "AuthSession=c2"; /* the first cookie is dead on arrival */
    send_and_run(&s, &g);
    ck_assert_int_eq(g.status, 200);
    ck_assert_int_eq(logins, 2);
    dv_buf_fini(&g.body);
    s = get(ep, "/doc", &g);
    valid_cookie = "never";
    send_and_run(&s, &g);
    ck_assert_int_eq(g.status, 401);
    ck_assert_int_eq(logins, 3);
    end(&g, ep);
}
END_TEST

START_TEST(a_refused_login_says_so_and_a_server_without_sessions_gets_basic)
{
    struct dv_http_endpoint *ep = session_endpoint();
    struct got g;
    struct dv_http_send s = get(ep, "/doc", &g);

    session_denied = 401;
    send_and_run(&s, &g);
    ck_assert_int_eq(g.code, DV_EUNAUTHORIZED);
    ck_assert_ptr_nonnull(strstr(g.err.reason, "name or password is incorrect"));
    end(&g, ep);
    ep = session_endpoint();
    s = get(ep, "/doc", &g);
    session_denied = 404;
    n_asked = 0;
    send_and_run(&s, &g);
    ck_assert_int_eq(g.status, 401); /* the script wants cookies */
    ck_assert_str_eq(asked[1].auth, "Basic dXMmZXI6cD13");
    end(&g, ep);
}
END_TEST

START_TEST(a_bearer_token_comes_from_a_file_or_command_and_is_read_again_on_401)
{
    struct dv_http_endpoint_options opt = { .url = DV_SLICE_LIT("http://h/db"),
                                            .bearer_command = DV_SLICE_LIT("echo tok; echo x") };
    struct dv_http_endpoint *ep = endpoint(&opt);
    struct got g;
    struct dv_http_send s = get(ep, "/doc", &g);

    script = fail_then_fine;
    failure = SIMNET_FINE;
    failure_status = 401;
    failures_left = 1;
    send_and_run(&s, &g);
    ck_assert_int_eq(g.status, 200);
    ck_assert_str_eq(asked[0].auth, "Bearer tok");
    ck_assert_int_eq(n_asked, 2);
    end(&g, ep);
    opt.bearer_command = dv_slice(NULL, 0);
    opt.bearer_file = DV_SLICE_LIT("/nonexistent/token");
    ep = endpoint(&opt);
    s = get(ep, "/doc", &g);
    send_and_run(&s, &g);
    ck_assert_int_eq(g.code, DV_EUNAUTHORIZED);
    ck_assert_ptr_nonnull(strstr(g.err.reason, "/nonexistent/token: No such file"));
    end(&g, ep);
}
END_TEST

START_TEST(no_more_than_the_cap_are_on_the_wire_and_the_rest_follow_in_order)
{
    struct dv_http_endpoint *ep = plain();
    static struct got g[60];

    script = fine;
    for (int i = 0; i < 60; i++) {
        char path[20];
        struct dv_http_send s;

        snprintf(path, sizeof(path), "/%03d", i);
        s = get(ep, path, &g[i]);
        ck_assert_int_eq(dv_http_send(http, &s, NULL, NULL), 0);
    }
    ck_assert_int_eq(dv_world_run(world, NULL), 0);
    ck_assert_uint_eq(simnet_peak(net), 20);
    for (int i = 0; i < 60; i++) {
        ck_assert_int_eq(g[i].code, 0);
        ck_assert_int_eq(atoi(asked[i].url + strlen("http://h:5984/db/")), i);
        dv_buf_fini(&g[i].body);
    }
    dv_http_endpoint_unref(ep);
}
END_TEST

START_TEST(caps_on_requests_and_bytes_are_kept)
{
    struct dv_http_endpoint_options opt = { .url = DV_SLICE_LIT("http://h/db"),
                                            .max_requests_per_s = 10 };
    struct dv_http_endpoint *ep = endpoint(&opt);
    static struct got g[50];
    int64_t from = dv_world_now_ms(world);

    script = fine;
    for (int i = 0; i < 50; i++) {
        struct dv_http_send s = get(ep, "/x", &g[i]);

        ck_assert_int_eq(dv_http_send(http, &s, NULL, NULL), 0);
    }
    ck_assert_int_eq(dv_world_run(world, NULL), 0);
    for (int i = 0; i < 50; i++)
        dv_buf_fini(&g[i].body);
    ck_assert_int_ge(asked[49].at_ms - from, 3900); /* the first ten at once */
    ck_assert_int_le(asked[49].at_ms - from, 4500);
    dv_http_endpoint_unref(ep);
    opt.max_requests_per_s = 0;
    opt.max_bytes_per_s = 1000;
    ep = endpoint(&opt);
    from = dv_world_now_ms(world);
    {
        struct dv_http_send s = get(ep, "/x", &g[0]);

        script = large;
        send_and_run(&s, &g[0]);
    }
    ck_assert_int_eq(g[0].code, 0);
    ck_assert_int_ge(dv_world_now_ms(world) - from, 17000);
    ck_assert_int_le(dv_world_now_ms(world) - from, 23000);
    end(&g[0], ep);
}
END_TEST

static int64_t served_in_window[200];

static void limited(void *arg, const struct simnet_request *q, struct simnet_answer *a)
{
    int64_t second = dv_world_now_ms(world) / 1000;

    a->latency_ms = 5;
    if (second < 200 && ++served_in_window[second] > 20)
        a->status = 429;
    else
        fine(arg, q, a);
}

START_TEST(a_host_that_answers_429_is_asked_more_slowly_and_none_fails)
{
    struct dv_http_endpoint *ep = plain();
    static struct got g[200];
    int refused = 0;

    memset(served_in_window, 0, sizeof(served_in_window));
    script = limited;
    for (int i = 0; i < 200; i++) {
        struct dv_http_send s = get(ep, "/x", &g[i]);

        ck_assert_int_eq(dv_http_send(http, &s, NULL, NULL), 0);
    }
    ck_assert_int_eq(dv_world_run(world, NULL), 0);
    for (int i = 0; i < 200; i++) {
        refused += g[i].status != 200;
        dv_buf_fini(&g[i].body);
    }
    ck_assert_int_eq(refused, 0);
    ck_assert_int_lt(n_asked, 330); /* not each of them bounced again and again */
    dv_http_endpoint_unref(ep);
}
END_TEST

START_TEST(an_upload_is_rewound_for_a_retry_or_sent_only_once)
{
    struct dv_http_endpoint *ep = plain();
    struct got g;
    struct dv_http_send s = get(ep, "/doc", &g);

    script = fail_then_fine;
    failure = SIMNET_FINE;
    failure_status = 503;
    failures_left = 1;
    s.method = "PUT";
    s.stream_body = true;
    s.body_bytes = 23;
    g.upload_size = 23;
    send_and_run(&s, &g);
    ck_assert_int_eq(g.status, 200);
    ck_assert_str_eq(asked[1].body, "uuuuuuuuuuuuuuuuuuuuuuu");
    end(&g, ep);
    ep = plain();
    s = get(ep, "/doc", &g);
    s.method = "PUT";
    s.stream_body = true;
    s.body_bytes = -1;
    s.callbacks = &once_callbacks;
    g.upload_size = 23;
    failures_left = 1;
    send_and_run(&s, &g);
    ck_assert_int_eq(g.status, 503);
    ck_assert_int_eq(g.tries, 1);
    end(&g, ep);
}
END_TEST

static void cancel_it(void *arg)
{
    struct got *g = arg;

    dv_http_cancel(g->request);
}

START_TEST(cancel_ends_a_request_in_every_state_exactly_once)
{
    for (int64_t ms = 0; ms < 3000; ms += 37) {
        struct dv_http_endpoint *ep = session_endpoint();
        struct got g;
        struct dv_http_send s = get(ep, "/doc", &g);
        struct dv_timer t;

        script = couch;
        if (ms % 2)
            session_denied = 503;
        ck_assert_int_eq(dv_timer_init(&t, world, cancel_it, &g, NULL), 0);
        ck_assert_int_eq(dv_http_send(http, &s, &g.request, NULL), 0);
        if (ms == 0)
            dv_http_cancel(g.request);
        else if (ms < 50 || ms % 2)
            dv_timer_start(&t, ms);
        ck_assert_int_eq(dv_world_run(world, NULL), 0);
        ck_assert_int_eq(g.done, 1);
        dv_timer_fini(&t);
        end(&g, ep);
        n_asked = 0;
    }
}
END_TEST

START_TEST(freeing_the_client_ends_what_is_under_way)
{
    struct dv_http_endpoint *ep = plain();
    struct got g;
    struct dv_http_send s = get(ep, "/doc", &g);

    script = fine;
    ck_assert_int_eq(dv_http_send(http, &s, &g.request, NULL), 0);
    dv_http_endpoint_unref(ep);
    dv_http_free(http);
    ck_assert_int_eq(g.done, 1);
    ck_assert_int_eq(g.code, DV_ECANCELLED);
    dv_buf_fini(&g.body);
    net = simnet_new(world, handle, NULL);
    ck_assert_int_eq(dv_http_new_over(world, NULL, net, &http, NULL), 0);
}
END_TEST

START_TEST(bad_endpoints_are_refused_without_showing_their_secrets)
{
    struct dv_http_header evil = { { "X", 1 }, { "a\r\nHost: evil", 13 } };
    struct dv_http_endpoint_options opt = { .url = DV_SLICE_LIT("ftp://u:secret@h/") };
    struct dv_http_endpoint *ep;
    struct dv_err err;

    ck_assert_int_eq(dv_http_endpoint_new(http, &opt, &ep, &err), DV_EINVAL);
    ck_assert_ptr_null(strstr(err.reason, "secret"));
    opt.url = DV_SLICE_LIT("http://h/");
    opt.headers = &evil;
    opt.n_headers = 1;
    ck_assert_int_eq(dv_http_endpoint_new(http, &opt, &ep, &err), DV_EINVAL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("http");
    TCase *t = tcase_create("http");

    tcase_add_checked_fixture(t, setup, teardown);
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
    tcase_add_test(t, credentials_go_as_basic_and_never_into_names_or_errors);
    tcase_add_test(t, a_redirect_to_another_host_carries_no_credentials);
    tcase_add_test(t, a_redirect_loop_ends_and_https_never_becomes_http);
    tcase_add_test(t, one_login_serves_all_who_wait_and_is_renewed_before_it_expires);
    tcase_add_test(t, a_401_renews_the_session_once_and_then_is_believed);
    tcase_add_test(t, a_refused_login_says_so_and_a_server_without_sessions_gets_basic);
    tcase_add_test(t, a_bearer_token_comes_from_a_file_or_command_and_is_read_again_on_401);
    tcase_add_test(t, no_more_than_the_cap_are_on_the_wire_and_the_rest_follow_in_order);
    tcase_add_test(t, caps_on_requests_and_bytes_are_kept);
    tcase_add_test(t, a_host_that_answers_429_is_asked_more_slowly_and_none_fails);
    tcase_add_test(t, an_upload_is_rewound_for_a_retry_or_sent_only_once);
    tcase_add_test(t, cancel_ends_a_request_in_every_state_exactly_once);
    tcase_add_test(t, freeing_the_client_ends_what_is_under_way);
    tcase_add_test(t, bad_endpoints_are_refused_without_showing_their_secrets);
    suite_add_tcase(s, t);
    return dv_check_run(s);
}
