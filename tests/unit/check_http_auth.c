/* The HTTP client in virtual time: credentials, redirects, and ends in every state. */
#include <stdio.h>
#include <stdlib.h>

#include "lib/check_main.h"
#include "lib/httprig.h"

START_TEST(credentials_go_as_basic_and_never_into_names_or_errors)
{
    struct dv_http_header headers[] = { { { "X-Own", 5 }, { "secret3", 7 } },
                                        { { "authorization", 13 }, { "Basic YTpi", 10 } } };
    struct dv_http_endpoint_options opt = { .url = DV_SLICE_LIT("http://us%65r:se%63ret@h/db"),
                                            .headers = headers,
                                            .n_headers = 2,
                                            .retries = -1 };
    struct dv_http_endpoint *ep = rig_endpoint(&opt);
    struct rig_got g;
    struct dv_http_send s = rig_get(ep, "/doc", &g);
    char text[800];

    rig_script = rig_fine;
    rig_send_and_run(&s, &g);
    ck_assert_str_eq(rig_asked[0].url, "http://h/db/doc");
    ck_assert_str_eq(rig_asked[0].auth,
                     "Basic dXNlcjpzZWNyZXQ="); /* user:secret beats the header */
    ck_assert_str_eq(rig_asked[0].own, "secret3");
    ck_assert_str_eq(dv_http_endpoint_name(ep), "http://***:***@h/db");
    rig_end(&g, ep);
    ep = rig_endpoint(&opt);
    s = rig_get(ep, "/doc?token=secret2", &g);
    rig_script = rig_fail_then_fine;
    rig_failure = SIMNET_REFUSED;
    rig_failures_left = 1;
    rig_send_and_run(&s, &g);
    dv_err_text(&g.err, text, sizeof(text));
    ck_assert_str_eq(text, "GET http://h/db/doc: Connection refused");
    rig_end(&g, ep);
    opt.url = DV_SLICE_LIT("http://h/db");
    ep = rig_endpoint(&opt);
    s = rig_get(ep, "/doc", &g);
    rig_script = rig_fine;
    rig_n_asked = 0;
    rig_send_and_run(&s, &g);
    ck_assert_str_eq(rig_asked[0].auth, "Basic YTpi"); /* taken out of the headers and made anew */
    rig_end(&g, ep);
}
END_TEST

static const char *redirect_to;

static void redirecting(void *arg, const struct simnet_request *q, struct simnet_answer *a)
{
    if (rig_n_asked > 1) {
        rig_fine(arg, q, a);
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
        struct dv_http_endpoint *ep = rig_endpoint(&opt);
        struct rig_got g;
        struct dv_http_send s = rig_get(ep, "/doc", &g);

        rig_script = redirecting;
        redirect_to = cases[i].to;
        rig_n_asked = 0;
        rig_send_and_run(&s, &g);
        ck_assert_int_eq(g.status, 200);
        ck_assert_str_eq(rig_asked[1].url, cases[i].url);
        ck_assert_int_eq(rig_asked[1].auth[0] != '\0', cases[i].secret);
        ck_assert_int_eq(rig_asked[1].own[0] != '\0', cases[i].secret);
        rig_end(&g, ep);
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
    struct dv_http_endpoint *ep = rig_endpoint(&opt);
    struct rig_got g;
    struct dv_http_send s = rig_get(ep, "/doc", &g);

    rig_script = redirect_for_ever;
    rig_send_and_run(&s, &g);
    ck_assert_int_eq(g.status, 302);
    ck_assert_int_eq(rig_n_asked, 6);
    rig_end(&g, ep);
    ep = rig_endpoint(&opt);
    s = rig_get(ep, "/doc", &g);
    rig_script = redirecting;
    redirect_to = "http://h/db";
    rig_n_asked = 0;
    rig_send_and_run(&s, &g);
    ck_assert_int_eq(g.code, DV_ETLS);
    rig_end(&g, ep);
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
        rig_fine(arg, q, a);
}

static struct dv_http_endpoint *session_endpoint(void)
{
    struct dv_http_endpoint_options opt = { .url = DV_SLICE_LIT("http://h/db"),
                                            .auth = DV_AUTH_SESSION,
                                            .user = DV_SLICE_LIT("us&er"),
                                            .password = DV_SLICE_LIT("p=w") };

    logins = session_denied = 0;
    valid_cookie = NULL;
    rig_script = couch;
    return rig_endpoint(&opt);
}

static void nothing(void *arg)
{
    (void)arg;
}

START_TEST(one_login_serves_all_who_wait_and_is_renewed_before_it_expires)
{
    struct dv_http_endpoint *ep = session_endpoint();
    struct rig_got g[5];

    for (int i = 0; i < 5; i++) {
        struct dv_http_send s = rig_get(ep, "/doc", &g[i]);

        ck_assert_int_eq(dv_http_send(rig_http, &s, NULL, NULL), 0);
    }
    ck_assert_int_eq(dv_world_run(rig_world, NULL), 0);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(g[i].status, 200);
        dv_buf_fini(&g[i].body);
    }
    ck_assert_int_eq(logins, 1);
    for (int i = 1; i <= 3; i++) { /* nine tenths of the cookie's 600 s is 540 s */
        struct dv_timer wait;
        struct dv_http_send s;

        ck_assert_int_eq(dv_timer_init(&wait, rig_world, nothing, NULL, NULL), 0);
        dv_timer_start(&wait, 270 * 1000);
        ck_assert_int_eq(dv_world_run(rig_world, NULL), 0);
        dv_timer_fini(&wait);
        s = rig_get(ep, "/doc", &g[0]);
        rig_send_and_run(&s, &g[0]);
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
    struct rig_got g;
    struct dv_http_send s = rig_get(ep, "/doc", &g);

    valid_cookie = "AuthSession=c2"; /* the first cookie is dead on arrival */
    rig_send_and_run(&s, &g);
    ck_assert_int_eq(g.status, 200);
    ck_assert_int_eq(logins, 2);
    dv_buf_fini(&g.body);
    s = rig_get(ep, "/doc", &g);
    valid_cookie = "never";
    rig_send_and_run(&s, &g);
    ck_assert_int_eq(g.status, 401);
    ck_assert_int_eq(logins, 3);
    rig_end(&g, ep);
}
END_TEST

START_TEST(a_refused_login_says_so_and_a_server_without_sessions_gets_basic)
{
    struct dv_http_endpoint *ep = session_endpoint();
    struct rig_got g;
    struct dv_http_send s = rig_get(ep, "/doc", &g);

    session_denied = 401;
    rig_send_and_run(&s, &g);
    ck_assert_int_eq(g.code, DV_EUNAUTHORIZED);
    ck_assert_ptr_nonnull(strstr(g.err.reason, "name or password is incorrect"));
    rig_end(&g, ep);
    ep = session_endpoint();
    s = rig_get(ep, "/doc", &g);
    session_denied = 404;
    rig_n_asked = 0;
    rig_send_and_run(&s, &g);
    ck_assert_int_eq(g.status, 401); /* the rig_script wants cookies */
    ck_assert_str_eq(rig_asked[1].auth, "Basic dXMmZXI6cD13");
    rig_end(&g, ep);
}
END_TEST

START_TEST(a_bearer_token_comes_from_a_file_or_command_and_is_read_again_on_401)
{
    struct dv_http_endpoint_options opt = { .url = DV_SLICE_LIT("http://h/db"),
                                            .bearer_command = DV_SLICE_LIT("echo tok; echo x") };
    struct dv_http_endpoint *ep = rig_endpoint(&opt);
    struct rig_got g;
    struct dv_http_send s = rig_get(ep, "/doc", &g);

    rig_script = rig_fail_then_fine;
    rig_failure = SIMNET_FINE;
    rig_failure_status = 401;
    rig_failures_left = 1;
    rig_send_and_run(&s, &g);
    ck_assert_int_eq(g.status, 200);
    ck_assert_str_eq(rig_asked[0].auth, "Bearer tok");
    ck_assert_int_eq(rig_n_asked, 2);
    rig_end(&g, ep);
    opt.bearer_command = dv_slice(NULL, 0);
    opt.bearer_file = DV_SLICE_LIT("/nonexistent/token");
    ep = rig_endpoint(&opt);
    s = rig_get(ep, "/doc", &g);
    rig_send_and_run(&s, &g);
    ck_assert_int_eq(g.code, DV_EUNAUTHORIZED);
    ck_assert_ptr_nonnull(strstr(g.err.reason, "/nonexistent/token: No such file"));
    rig_end(&g, ep);
}
END_TEST

static void cancel_it(void *arg)
{
    struct rig_got *g = arg;

    dv_http_cancel(g->request);
}

START_TEST(cancel_ends_a_request_in_every_state_exactly_once)
{
    for (int64_t ms = 0; ms < 3000; ms += 37) {
        struct dv_http_endpoint *ep = session_endpoint();
        struct rig_got g;
        struct dv_http_send s = rig_get(ep, "/doc", &g);
        struct dv_timer t;

        rig_script = couch;
        if (ms % 2)
            session_denied = 503;
        ck_assert_int_eq(dv_timer_init(&t, rig_world, cancel_it, &g, NULL), 0);
        ck_assert_int_eq(dv_http_send(rig_http, &s, &g.request, NULL), 0);
        if (ms == 0)
            dv_http_cancel(g.request);
        else if (ms < 50 || ms % 2)
            dv_timer_start(&t, ms);
        ck_assert_int_eq(dv_world_run(rig_world, NULL), 0);
        ck_assert_int_eq(g.done, 1);
        dv_timer_fini(&t);
        rig_end(&g, ep);
        rig_n_asked = 0;
    }
}
END_TEST

START_TEST(bad_endpoints_are_refused_without_showing_their_secrets)
{
    struct dv_http_header evil = { { "X", 1 }, { "a\r\nHost: evil", 13 } };
    struct dv_http_endpoint_options opt = { .url = DV_SLICE_LIT("ftp://u:secret@h/") };
    struct dv_http_endpoint *ep;
    struct dv_err err;

    ck_assert_int_eq(dv_http_endpoint_new(rig_http, &opt, &ep, &err), DV_EINVAL);
    ck_assert_ptr_null(strstr(err.reason, "secret"));
    opt.url = DV_SLICE_LIT("http://h/");
    opt.headers = &evil;
    opt.n_headers = 1;
    ck_assert_int_eq(dv_http_endpoint_new(rig_http, &opt, &ep, &err), DV_EINVAL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("http_auth");
    TCase *t = tcase_create("http_auth");

    tcase_add_checked_fixture(t, rig_setup, rig_teardown);
    tcase_add_test(t, credentials_go_as_basic_and_never_into_names_or_errors);
    tcase_add_test(t, a_redirect_to_another_host_carries_no_credentials);
    tcase_add_test(t, a_redirect_loop_ends_and_https_never_becomes_http);
    tcase_add_test(t, one_login_serves_all_who_wait_and_is_renewed_before_it_expires);
    tcase_add_test(t, a_401_renews_the_session_once_and_then_is_believed);
    tcase_add_test(t, a_refused_login_says_so_and_a_server_without_sessions_gets_basic);
    tcase_add_test(t, a_bearer_token_comes_from_a_file_or_command_and_is_read_again_on_401);
    tcase_add_test(t, cancel_ends_a_request_in_every_state_exactly_once);
    tcase_add_test(t, bad_endpoints_are_refused_without_showing_their_secrets);
    suite_add_tcase(s, t);
    return dv_check_run(s);
}
