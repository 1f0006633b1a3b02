/* See httprig.h. */
#include "lib/httprig.h"

#include <check.h>
#include <stdio.h>

struct dv_world *rig_world;
struct dv_transport *rig_net;
struct dv_http *rig_http;
struct rig_ask rig_asked[500];
int rig_n_asked;
simnet_handler *rig_script;

static void note(char *out, size_t room, const char *s)
{
    snprintf(out, room, "%s", s ? s : "");
}

void rig_handle(void *arg, const struct simnet_request *q, struct simnet_answer *a)
{
    struct rig_ask *k = &rig_asked[rig_n_asked++];

    (void)arg;
    note(k->method, sizeof(k->method), q->method);
    note(k->url, sizeof(k->url), q->url);
    note(k->auth, sizeof(k->auth), simnet_header(q, "Authorization"));
    note(k->cookie, sizeof(k->cookie), simnet_header(q, "Cookie"));
    note(k->own, sizeof(k->own), simnet_header(q, "X-Own"));
    snprintf(k->body, sizeof(k->body), "%.*s", (int)q->body.n, q->body.n ? q->body.p : "");
    k->at_ms = dv_world_now_ms(rig_world);
    ck_assert_int_lt(rig_n_asked, 500);
    rig_script(arg, q, a);
}

void rig_setup(void)
{
    rig_world = simworld_new(1);
    simworld_limit(rig_world, 1000000, INT64_C(100) * 3600 * 1000);
    rig_net = simnet_new(rig_world, rig_handle, NULL);
    ck_assert_int_eq(dv_http_new_over(rig_world, NULL, rig_net, &rig_http, NULL), 0);
    rig_n_asked = 0;
}

void rig_teardown(void)
{
    dv_http_free(rig_http);
    dv_world_free(rig_world);
}

static int on_headers(void *arg, struct dv_http_request *r, int status, struct dv_err *err)
{
    struct rig_got *g = arg;

    (void)err;
    g->status = status;
    g->headers++;
    note(g->etag, sizeof(g->etag), dv_http_header_value(r, "etag"));
    return 0;
}

static void unpause(void *arg)
{
    struct rig_got *g = arg;

    dv_http_resume(g->request);
}

static int on_data(void *arg, struct dv_http_request *r, struct dv_slice bytes, struct dv_err *err)
{
    struct rig_got *g = arg;

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
    struct rig_got *g = arg;

    g->done++;
    g->code = code;
    g->err = *err;
    g->tries = dv_http_tries(r);
    dv_timer_fini(&g->timer);
}

static int on_body(void *arg, struct dv_http_request *r, void *out, size_t room, size_t *got,
                   bool *end, struct dv_err *err)
{
    struct rig_got *g = arg;
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
    struct rig_got *g = arg;

    (void)r;
    (void)err;
    g->upload_at = 0;
    return 0;
}

const struct dv_http_callbacks rig_callbacks = { on_headers, on_data, on_done, on_body, on_rewind };
const struct dv_http_callbacks rig_once_callbacks = { on_headers, on_data, on_done, on_body, NULL };

struct dv_http_endpoint *rig_endpoint(const struct dv_http_endpoint_options *opt)
{
    struct dv_http_endpoint *ep;
    struct dv_err err;

    ck_assert_msg(dv_http_endpoint_new(rig_http, opt, &ep, &err) == 0, "%s", err.reason);
    return ep;
}

struct dv_http_endpoint *rig_plain(void)
{
    struct dv_http_endpoint_options opt = { .url = DV_SLICE_LIT("http://h:5984/db/") };

    return rig_endpoint(&opt);
}

struct dv_http_send rig_get(struct dv_http_endpoint *ep, const char *path, struct rig_got *g)
{
    memset(g, 0, sizeof(*g));
    dv_buf_init(&g->body, 1 << 28);
    ck_assert_int_eq(dv_timer_init(&g->timer, rig_world, unpause, g, NULL), 0);
    return (struct dv_http_send){ .endpoint = ep,
                                  .method = "GET",
                                  .path = dv_slice_str(path),
                                  .callbacks = &rig_callbacks,
                                  .arg = g };
}

void rig_send_and_run(struct dv_http_send *s, struct rig_got *g)
{
    struct dv_err err;

    ck_assert_int_eq(dv_http_send(rig_http, s, &g->request, NULL), 0);
    ck_assert_int_eq(g->done, 0);
    ck_assert_msg(dv_world_run(rig_world, &err) == 0, "%s", err.reason);
    ck_assert_int_eq(g->done, 1);
    ck_assert_uint_eq(simnet_active(rig_net), 0);
}

void rig_end(struct rig_got *g, struct dv_http_endpoint *ep)
{
    dv_buf_fini(&g->body);
    dv_http_endpoint_unref(ep);
}

void rig_fine(void *arg, const struct simnet_request *q, struct simnet_answer *a)
{
    (void)arg;
    (void)q;
    dv_buf_add_str(&a->headers, "ETag: \"x\"\n");
    dv_buf_add_str(&a->body, "hello");
}

int rig_failures_left;
enum simnet_fault rig_failure;
int rig_failure_status;
const char *rig_failure_header;

void rig_fail_then_fine(void *arg, const struct simnet_request *q, struct simnet_answer *a)
{
    if (rig_failures_left-- <= 0) {
        rig_fine(arg, q, a);
        return;
    }
    a->fault = rig_failure;
    a->cut_at = 2;
    if (rig_failure_status)
        a->status = rig_failure_status;
    if (rig_failure_header)
        dv_buf_add_str(&a->headers, rig_failure_header);
    dv_buf_add_str(&a->body, "{\"error\":\"x\"}");
}
