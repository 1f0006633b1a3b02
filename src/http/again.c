/* Whether a request is sent again: redirects, new credentials, and the retries by class of error.
 *
 * Retried: a failure of the wire, 408, 429, 500, 502, 503, 504. Only while nothing of the answer
 * has been handed out, and only where sending twice does no harm: the method is idempotent or
 * marked so, or the server cannot have acted (429, 503, no connection). */
#include "http/internal.h"

#include <ctype.h>
#include <strings.h>

static bool can_send_again(const struct dv_http_request *r)
{
    return !r->send.stream_body || r->send.callbacks->rewind;
}

static bool is_idempotent(const struct dv_http_request *r)
{
    static const char *const methods[] = { "GET", "HEAD", "PUT", "DELETE", "OPTIONS" };

    if (r->send.flags & DV_HTTP_IDEMPOTENT)
        return true;
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (strcmp(r->send.method, methods[i]) == 0)
            return true;
    return false;
}

static bool may_retry(const struct dv_http_request *r)
{
    return !(r->send.flags & DV_HTTP_NO_RETRY) && r->failures < r->ep->opt.retries &&
           can_send_again(r);
}

static bool is_retried_status(const struct dv_http_request *r)
{
    switch (r->status) {
    case 429:
    case 503:
        return true;
    case 408:
    case 500:
    case 502:
    case 504:
        return is_idempotent(r);
    default:
        return false;
    }
}

static bool is_redirect(const struct dv_http_request *r)
{
    bool kept = r->status == 307 || r->status == 308;
    bool reading = strcmp(r->send.method, "GET") == 0 || strcmp(r->send.method, "HEAD") == 0;
    bool moved = r->status == 301 || r->status == 302 || r->status == 303;

    /* A write that is answered "see over there" is not repeated over there unless asked to. */
    return (kept || (moved && reading)) && dv_http_header_value(r, "Location") != NULL;
}

static bool wants_credentials(const struct dv_http_request *r)
{
    return r->status == 401 && !r->auth_renewed && !r->no_auth && !r->foreign &&
           (r->ep->auth == DV_AUTH_SESSION || r->ep->auth == DV_AUTH_BEARER);
}

bool request_wants_again(struct dv_http_request *r)
{
    if (wants_credentials(r) || (is_redirect(r) && r->redirects < MAX_REDIRECTS))
        return can_send_again(r);
    return is_retried_status(r) && may_retry(r);
}

static bool same_origin(const struct dv_url *a, const struct dv_url *b)
{
    return a->https == b->https && a->port == b->port && a->host.n == b->host.n &&
           strncasecmp(a->host.p, b->host.p, a->host.n) == 0;
}

/* Location may be a whole URL, "//host/..", "/path" or a relative path (taken from the last slash).
 */
static int resolve(struct dv_http_request *r, const char *location, struct dv_buf *out)
{
    struct dv_slice base = dv_slice_str(r->target);
    const char *authority = strstr(r->target, "://") + 3;
    const char *path = strchr(authority, '/');

    if (strstr(location, "://"))
        return dv_buf_add_str(out, location);
    if (location[0] == '/' && location[1] == '/')
        base.n = (size_t)(authority - 2 - base.p);
    else if (location[0] == '/')
        base.n = path ? (size_t)(path - base.p) : base.n;
    else
        while (base.n > 0 && base.p[base.n - 1] != '/')
            base.n--;
    dv_buf_add_slice(out, base);
    return dv_buf_add_str(out, location);
}

/* The next target is stored without the userinfo that a Location may carry. */
static int follow(struct dv_http_request *r, struct dv_err *err)
{
    struct dv_url from = { 0 }, to = { 0 };
    struct dv_buf b;
    int rc;

    dv_buf_init(&b, DV_URL_MAX * 2);
    rc = resolve(r, dv_http_header_value(r, "Location"), &b);
    if (rc == 0)
        rc = dv_url_parse(dv_slice_str(r->target), &r->arena, &from, err);
    if (rc == 0)
        rc = dv_url_parse(dv_arena_copy(&r->arena, dv_buf_slice(&b)), &r->arena, &to, err);
    if (rc == 0 && from.https && !to.https)
        rc = dv_err_set(err, DV_ETLS, "the server redirects from https to http; not followed");
    dv_buf_reset(&b);
    if (rc == 0)
        rc = dv_url_add_public(&b, &to);
    if (rc == 0) {
        r->foreign = r->foreign || !same_origin(&from, &to);
        r->target = dv_arena_copy(&r->arena, dv_buf_slice(&b)).p;
        rc = r->target ? 0 : DV_ENOMEM;
    }
    dv_buf_fini(&b);
    if (rc < 0 && err->code == 0)
        dv_err_set(err, rc, "the server redirects to something that is not a URL");
    return rc;
}

static void back_off(struct dv_http_request *r)
{
    struct dv_world *w = r->http->world;
    int64_t told = dv_retry_after_ms(dv_http_header_value(r, "Retry-After"), dv_world_wall_ms(w));

    r->failures++;
    r->retry_after_ms = dv_backoff_ms(r->failures, dv_world_random(w));
    if (told > r->retry_after_ms)
        r->retry_after_ms = told;
    request_begin(r);
}

static void send_again(struct dv_http_request *r)
{
    struct dv_err err;

    dv_err_clear(&err);
    if (wants_credentials(r)) {
        r->auth_renewed = true;
        auth_renew(r);
        request_begin(r);
    } else if (is_redirect(r)) {
        r->redirects++;
        if (follow(r, &err) < 0)
            request_end(r, err.code, &err);
        else
            http_activate(r);
    } else {
        back_off(r);
    }
}

/* Nothing can have been done by a server that was never reached. */
static bool may_retry_wire(const struct dv_http_request *r)
{
    if (r->handed_out || !may_retry(r))
        return false;
    if (r->wire_code != DV_EIO && r->wire_code != DV_ETIMEOUT)
        return false;
    return is_idempotent(r) || !r->attempt.sent;
}

void request_after_attempt(struct dv_http_request *r)
{
    int64_t now = dv_world_now_ms(r->http->world);

    if (r->status == 429)
        dv_aimd_refused(&r->ep->origin->aimd, now);
    else if (r->wire_code == 0)
        dv_aimd_good(&r->ep->origin->aimd, now);
    if (r->wire_code < 0 && may_retry_wire(r))
        back_off(r);
    else if (r->wire_code < 0)
        request_end(r, r->wire_code, &r->wire_err);
    else if (r->discard)
        send_again(r);
    else
        request_end(r, 0, NULL);
}
