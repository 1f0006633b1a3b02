/* One request from send to done(): the only file that moves its state.
 *
 *   AUTH -> DELAY -> QUEUED -> ACTIVE -> DRAINING -> ENDING
 *     ^_______________________________________|  sent again: redirect, new credentials, retry
 *
 * Any state -> ENDING by cancel, a time-out or a failure. done() runs from a task of its own, so
 * the caller is never called from inside its own call. */
#include "http/internal.h"

#include <stdio.h>
#include <strings.h>

#include "base/mem.h"

enum { ARENA_BYTES = 256 * 1024, SMALL_ANSWER = 64 * 1024 * 1024, WATCH_MS = 1000 };

static void on_timer(void *arg);
static void on_end(void *arg);
static void on_resume(void *arg);

/* ---- birth -------------------------------------------------------------------------------------
 */

static int copy_headers(struct dv_http_request *r, const struct dv_http_send *s)
{
    struct dv_http_header *headers =
        dv_arena_alloc(&r->arena, (s->n_headers + 1) * sizeof(*headers));

    if (!headers)
        return DV_ENOMEM;
    for (size_t i = 0; i < s->n_headers; i++) {
        headers[i].name = dv_arena_copy(&r->arena, s->headers[i].name);
        headers[i].value = dv_arena_copy(&r->arena, s->headers[i].value);
        if (!headers[i].name.p || !headers[i].value.p)
            return DV_ENOMEM;
    }
    r->send.headers = headers;
    return 0;
}

/* target: the URL; label: method and redacted URL without the query. */
static int make_texts(struct dv_http_request *r, const struct dv_http_send *s)
{
    const char *path = s->from_root ? "" : r->ep->path;
    const char *question = s->path.n ? memchr(s->path.p, '?', s->path.n) : NULL;
    struct dv_slice text;
    struct dv_buf b;

    dv_buf_init(&b, 64 * 1024);
    dv_buf_printf(&b, "%s%s%.*s", r->ep->root, path, (int)s->path.n, s->path.n ? s->path.p : "");
    text = b.failed ? dv_slice(NULL, 0) : dv_arena_copy(&r->arena, dv_buf_slice(&b));
    r->target = text.p;
    dv_buf_reset(&b);
    dv_buf_printf(&b, "%s %s%s%.*s", s->method, r->ep->root, path,
                  question ? (int)(question - s->path.p) : (int)s->path.n,
                  s->path.n ? s->path.p : "");
    text = b.failed ? dv_slice(NULL, 0) : dv_arena_copy(&r->arena, dv_buf_slice(&b));
    r->label = text.p;
    dv_buf_fini(&b);
    return r->target && r->label ? 0 : DV_ENOMEM;
}

static void free_request(struct dv_http_request *r)
{
    *r->link = r->next;
    if (r->next)
        r->next->link = r->link;
    dv_world_unpost(r->http->world, &r->resume_task);
    dv_world_unpost(r->http->world, &r->end_task);
    dv_timer_fini(&r->timer);
    for (size_t i = 0; i < sizeof(r->own_lines) / sizeof(r->own_lines[0]); i++)
        dv_free(r->own_lines[i]);
    dv_free(r->lines);
    dv_decoder_free(r->decoder);
    dv_buf_fini(&r->headers);
    dv_buf_fini(&r->held);
    dv_arena_fini(&r->arena);
    dv_http_endpoint_unref(r->ep);
    dv_free(r);
}

static void link_request(struct dv_http *h, struct dv_http_request *r)
{
    r->next = h->requests;
    r->link = &h->requests;
    if (r->next)
        r->next->link = &r->next;
    h->requests = r;
}

static struct dv_http_request *new_request(struct dv_http *h, const struct dv_http_send *s)
{
    struct dv_http_request *r = dv_calloc(1, sizeof(*r));

    if (!r)
        return NULL;
    r->http = h;
    r->ep = dv_http_endpoint_ref(s->endpoint);
    r->send = *s;
    dv_arena_init(&r->arena, ARENA_BYTES);
    dv_buf_init(&r->headers, MAX_HEADER_BYTES);
    dv_buf_init(&r->held, 1024 * 1024); /* one network buffer at most arrives after a pause */
    dv_task_init(&r->resume_task, on_resume, r);
    dv_task_init(&r->end_task, on_end, r);
    link_request(h, r);
    answer_set_callbacks(r);
    if (!r->send.idle_timeout_ms)
        r->send.idle_timeout_ms = r->ep->opt.idle_timeout_ms;
    if (!r->send.total_timeout_ms && !(s->flags & DV_HTTP_FEED))
        r->send.total_timeout_ms = r->ep->opt.total_timeout_ms;
    if (!r->send.max_answer_bytes && (s->flags & DV_HTTP_SMALL))
        r->send.max_answer_bytes = SMALL_ANSWER;
    if (dv_timer_init(&r->timer, h->world, on_timer, r, NULL) < 0 || copy_headers(r, s) < 0 ||
        make_texts(r, s) < 0) {
        free_request(r);
        return NULL;
    }
    return r;
}

void request_begin(struct dv_http_request *r)
{
    r->state = R_AUTH;
    if (auth_ready(r) == 0)
        http_activate(r);
}

static int send_request(struct dv_http *h, const struct dv_http_send *s, bool no_auth,
                        struct dv_http_request **out, struct dv_err *err)
{
    struct dv_http_request *r;

    if (s->path.n > DV_URL_MAX * 2)
        return dv_err_set(err, DV_ETOOBIG, "URL is longer than %d bytes", DV_URL_MAX * 2);
    r = new_request(h, s);
    if (!r)
        return dv_err_set(err, DV_ENOMEM, NULL);
    r->no_auth = no_auth;
    r->started_ms = r->last_ms = dv_world_now_ms(h->world);
    if (out)
        *out = r;
    request_begin(r);
    return 0;
}

int dv_http_send(struct dv_http *h, const struct dv_http_send *s, struct dv_http_request **r,
                 struct dv_err *err)
{
    return send_request(h, s, false, r, err);
}

int request_send_login(struct dv_http *h, const struct dv_http_send *s, struct dv_http_request **r,
                       struct dv_err *err)
{
    return send_request(h, s, true, r, err);
}

/* ---- an attempt
 * -------------------------------------------------------------------------------------- */

static char *line_of(const char *name, const char *value)
{
    size_t n = strlen(name) + strlen(value) + 3;
    char *line = dv_malloc(n);

    if (line)
        snprintf(line, n, "%s: %s", name, value);
    return line;
}

static const char *add_header_line(struct dv_http_request *r, const struct dv_http_header *h)
{
    size_t n = h->name.n + h->value.n + 3;
    char *line = dv_arena_alloc(&r->arena, n);

    if (line)
        snprintf(line, n, "%s: %s", h->name.p, h->value.p);
    return line;
}

static bool is_named(const struct dv_http_request *r, const char *name)
{
    for (size_t i = 0; i < r->send.n_headers; i++)
        if (strcasecmp(r->send.headers[i].name.p, name) == 0)
            return true;
    return false;
}

static void free_own_lines(struct dv_http_request *r)
{
    for (size_t i = 0; i < sizeof(r->own_lines) / sizeof(r->own_lines[0]); i++) {
        dv_free(r->own_lines[i]);
        r->own_lines[i] = NULL;
    }
}

/* User agent, gzip, credentials, the endpoint's headers, the request's. A foreign host gets neither
 * credentials nor the endpoint's headers: they may be secrets. */
static int make_lines(struct dv_http_request *r)
{
    const struct dv_http_endpoint *ep = r->ep;
    size_t max = r->send.n_headers + ep->opt.n_headers + 6, n = 0;

    free_own_lines(r);
    dv_free(r->lines);
    r->lines = dv_calloc(max, sizeof(*r->lines));
    r->own_lines[0] = line_of("User-Agent", r->http->user_agent);
    r->own_lines[1] = is_named(r, "Accept-Encoding") ? NULL : line_of("Accept-Encoding", "gzip");
    r->own_lines[2] = is_named(r, "Accept") ? NULL : line_of("Accept", "application/json");
    if (ep->auth_line && !r->foreign && !r->no_auth)
        r->own_lines[3] = dv_strdup(ep->auth_line);
    if (!r->lines || !r->own_lines[0] ||
        (ep->auth_line && !r->foreign && !r->no_auth && !r->own_lines[3]))
        return DV_ENOMEM;
    for (size_t i = 0; i < 4; i++)
        if (r->own_lines[i])
            r->lines[n++] = r->own_lines[i];
    for (size_t i = 0; !r->foreign && i < ep->opt.n_headers; i++)
        r->lines[n++] = add_header_line(r, &ep->opt.headers[i]);
    for (size_t i = 0; i < r->send.n_headers; i++)
        r->lines[n++] = add_header_line(r, &r->send.headers[i]);
    for (size_t i = 0; i < n; i++)
        if (!r->lines[i])
            return DV_ENOMEM;
    return 0;
}

static int prepare_body(struct dv_http_request *r)
{
    struct dv_attempt *a = &r->attempt;

    a->has_body = r->send.has_body || r->send.stream_body;
    a->body_bytes = r->send.stream_body ? r->send.body_bytes : (int64_t)r->send.body.n;
    r->body_at = 0;
    if (r->tries > 1 || r->redirects || r->auth_renewed)
        return r->send.stream_body ? a->rewind(a) : 0;
    return 0;
}

void request_start_attempt(struct dv_http_request *r)
{
    struct dv_attempt *a = &r->attempt;
    struct dv_err err;
    int rc;

    r->state = R_ACTIVE;
    r->tries++;
    r->auth_round = r->ep->auth_round;
    answer_reset(r);
    r->active_ms = r->last_ms = dv_world_now_ms(r->http->world);
    a->method = r->send.method;
    a->url = r->target;
    a->wire = &r->ep->wire;
    a->http2 = (r->send.flags & DV_HTTP_SMALL) != 0;
    dv_err_clear(&err);
    rc = make_lines(r);
    a->header_lines = r->lines;
    if (rc == 0)
        rc = prepare_body(r);
    if (rc == 0)
        rc = r->http->transport->ops->start(r->http->transport, a, &err);
    if (rc < 0) {
        if (err.code == 0)
            dv_err_set(&err, rc, NULL);
        request_end(r, rc, &err);
        return;
    }
    dv_timer_start(&r->timer, WATCH_MS);
}

/* ---- time
 * ------------------------------------------------------------------------------------------------
 */

static void time_out(struct dv_http_request *r, const char *what, int64_t ms)
{
    struct dv_err err;

    dv_err_set(&err, DV_ETIMEOUT, "%s for %lld s", what, (long long)(ms / 1000));
    r->wire_code = DV_ETIMEOUT;
    r->wire_err = err;
    r->http->transport->ops->cancel(r->http->transport, &r->attempt);
    http_left_wire(r);
    r->state = R_DRAINING;
    request_after_attempt(r);
}

static void lift_rate_pause(struct dv_http_request *r)
{
    int64_t now = dv_world_now_ms(r->http->world);

    if (dv_rate_wait_ms(&r->http->byte_rate, now) > 0 ||
        dv_rate_wait_ms(&r->ep->byte_rate, now) > 0)
        return;
    r->rate_paused = false;
    if (r->body_waits)
        dv_http_body_ready(r);
    if (r->wire_paused && !r->paused)
        dv_http_resume(r);
}

static int64_t watch(struct dv_http_request *r)
{
    int64_t now = dv_world_now_ms(r->http->world), next = WATCH_MS, wait;

    if (r->send.total_timeout_ms && now - r->active_ms >= r->send.total_timeout_ms) {
        time_out(r, "not finished", r->send.total_timeout_ms);
        return -1;
    }
    if (r->paused || r->rate_paused || (r->send.stream_body && r->body_waits && !r->status))
        r->last_ms = now; /* waiting for us, not for the server */
    if (now - r->last_ms >= r->send.idle_timeout_ms) {
        time_out(r, "no byte came", r->send.idle_timeout_ms);
        return -1;
    }
    if (!r->rate_paused)
        return next;
    lift_rate_pause(r);
    wait = dv_rate_wait_ms(&r->http->byte_rate, now);
    if (wait < dv_rate_wait_ms(&r->ep->byte_rate, now))
        wait = dv_rate_wait_ms(&r->ep->byte_rate, now);
    return wait > 0 && wait < next ? wait : next;
}

static void on_timer(void *arg)
{
    struct dv_http_request *r = arg;
    int64_t next;

    if (r->state == R_DELAY) {
        http_delay_over(r);
        return;
    }
    if (r->state != R_ACTIVE)
        return;
    next = watch(r);
    if (next > 0)
        dv_timer_start(&r->timer, next);
}

/* ---- the end
 * ---------------------------------------------------------------------------------------------- */

static void leave_state(struct dv_http_request *r)
{
    dv_timer_stop(&r->timer);
    switch (r->state) {
    case R_AUTH:
        auth_leave(r);
        break;
    case R_QUEUED:
        http_left_wire(r);
        break;
    case R_ACTIVE:
        r->http->transport->ops->cancel(r->http->transport, &r->attempt);
        http_left_wire(r);
        break;
    case R_DELAY:
    case R_DRAINING:
    case R_ENDING:
        break;
    }
}

void request_end(struct dv_http_request *r, int code, const struct dv_err *err)
{
    if (r->state == R_ENDING)
        return;
    leave_state(r);
    r->state = R_ENDING;
    r->code = code;
    dv_err_clear(&r->err);
    if (code < 0) {
        r->err = *err;
        dv_err_wrap(&r->err, code, "%s", r->label);
    }
    dv_world_post(r->http->world, &r->end_task);
}

static void on_end(void *arg)
{
    struct dv_http_request *r = arg;

    r->send.callbacks->done(r->send.arg, r, r->code, &r->err);
    free_request(r);
}

void request_kill(struct dv_http_request *r)
{
    struct dv_err err;

    dv_err_set(&err, DV_ECANCELLED, NULL);
    request_end(r, DV_ECANCELLED, &err);
    dv_world_unpost(r->http->world, &r->end_task);
    on_end(r);
}

void dv_http_cancel(struct dv_http_request *r)
{
    struct dv_err err;

    dv_err_set(&err, DV_ECANCELLED, NULL);
    request_end(r, DV_ECANCELLED, &err);
}

/* ---- flow
 * --------------------------------------------------------------------------------------------------
 */

void dv_http_pause(struct dv_http_request *r)
{
    r->paused = true;
    dv_world_unpost(r->http->world, &r->resume_task);
}

void dv_http_resume(struct dv_http_request *r)
{
    r->paused = false;
    if (r->state != R_ENDING)
        dv_world_post(r->http->world, &r->resume_task);
}

void dv_http_body_ready(struct dv_http_request *r)
{
    if (r->state != R_ENDING)
        dv_world_post(r->http->world, &r->resume_task);
}

static void on_resume(void *arg)
{
    struct dv_http_request *r = arg;

    if (r->body_waits && r->state == R_ACTIVE && !r->rate_paused) {
        r->body_waits = false;
        r->last_ms = dv_world_now_ms(r->http->world);
        r->http->transport->ops->body_ready(r->http->transport, &r->attempt);
    }
    if (r->state == R_ACTIVE || r->state == R_DRAINING)
        answer_resume(r);
}
