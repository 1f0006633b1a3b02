/* An endpoint: its URL taken apart, its options copied, and the credentials' precedence settled:
 * those given apart, then userinfo of the URL, then an Authorization: Basic header. */
#include "http/internal.h"

#include <openssl/evp.h>
#include <strings.h>

#include "base/mem.h"

enum {
    ARENA_BYTES = 256 * 1024,
    CONNECT_MS = 30 * 1000,
    IDLE_MS = 60 * 1000,
    TOTAL_MS = 600 * 1000,
    RETRIES = 5,
};

static int copy(struct dv_http_endpoint *ep, struct dv_slice *s)
{
    if (s->n == 0) {
        *s = dv_slice(NULL, 0);
        return 0;
    }
    *s = dv_arena_copy(&ep->arena, *s);
    return s->p ? 0 : DV_ENOMEM;
}

static int copy_texts(struct dv_http_endpoint *ep)
{
    struct dv_http_endpoint_options *o = &ep->opt;
    struct dv_slice *const texts[] = {
        &o->url,   &o->user,     &o->password, &o->bearer_file, &o->bearer_command,
        &o->proxy, &o->no_proxy, &o->ca_file,  &o->client_cert, &o->client_key,
        &o->pin
    };
    struct dv_http_header *headers;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (copy(ep, texts[i]) < 0)
            return DV_ENOMEM;
    headers = dv_arena_alloc(&ep->arena, (o->n_headers + 1) * sizeof(*headers));
    if (!headers)
        return DV_ENOMEM;
    for (size_t i = 0; i < o->n_headers; i++) {
        headers[i] = o->headers[i];
        if (copy(ep, &headers[i].name) < 0 || copy(ep, &headers[i].value) < 0)
            return DV_ENOMEM;
    }
    o->headers = headers;
    return 0;
}

static bool has_line_end(struct dv_slice s)
{
    return s.n > 0 && (memchr(s.p, '\r', s.n) || memchr(s.p, '\n', s.n) || memchr(s.p, 0, s.n));
}

static int check_headers(const struct dv_http_endpoint_options *o, struct dv_err *err)
{
    for (size_t i = 0; i < o->n_headers; i++)
        if (o->headers[i].name.n == 0 || has_line_end(o->headers[i].name) ||
            has_line_end(o->headers[i].value))
            return dv_err_set(err, DV_EINVAL, "a header is empty or has a line end in it");
    if (has_line_end(o->user) || has_line_end(o->password))
        return dv_err_set(err, DV_EINVAL, "user or password has a line end in it");
    return 0;
}

static bool is_basic_header(const struct dv_http_header *h)
{
    return h->name.n == 13 && strncasecmp(h->name.p, "authorization", 13) == 0 && h->value.n > 6 &&
           strncasecmp(h->value.p, "basic ", 6) == 0;
}

/* Decode "Basic base64(user:password)"; false: malformed, left as it is. */
static bool take_basic(struct dv_http_endpoint *ep, struct dv_slice value)
{
    unsigned char *out;
    const char *colon;
    int n, pad = 0;

    value.p += 6;
    value.n -= 6;
    while (value.n > 0 && *value.p == ' ') {
        value.p++;
        value.n--;
    }
    if (value.n == 0 || value.n % 4 != 0 || value.n > 8192)
        return false;
    out = dv_arena_zalloc(&ep->arena, value.n + 1);
    if (!out)
        return false;
    n = EVP_DecodeBlock(out, (const unsigned char *)value.p, (int)value.n);
    for (size_t i = value.n; i > 0 && value.p[i - 1] == '='; i--)
        pad++;
    if (n < pad || !(colon = memchr(out, ':', (size_t)(n - pad))))
        return false;
    ep->opt.user = dv_slice(out, (size_t)(colon - (char *)out));
    ep->opt.password = dv_slice(colon + 1, (size_t)(n - pad) - ep->opt.user.n - 1);
    return true;
}

/* Take the basic header out; use it when nothing better was given. */
static void settle_credentials(struct dv_http_endpoint *ep, const struct dv_url *url)
{
    struct dv_http_endpoint_options *o = &ep->opt;
    struct dv_http_header *headers = (struct dv_http_header *)(uintptr_t)o->headers;
    bool given = o->user.n > 0;
    size_t n = 0;

    if (!given && url->has_user) {
        o->user = url->user;
        o->password = url->password;
        given = true;
    }
    for (size_t i = 0; i < o->n_headers; i++) {
        if (is_basic_header(&headers[i]) && (given || take_basic(ep, headers[i].value)))
            given = true;
        else
            headers[n++] = headers[i];
    }
    o->n_headers = n;
    ep->auth = o->auth;
    if (ep->auth == DV_AUTH_NONE && given)
        ep->auth = DV_AUTH_BASIC;
    if (ep->auth == DV_AUTH_NONE && (o->bearer_file.n || o->bearer_command.n))
        ep->auth = DV_AUTH_BEARER;
}

static const char *arena_text(struct dv_http_endpoint *ep, struct dv_buf *b)
{
    const char *text = b->failed ? NULL : dv_arena_copy(&ep->arena, dv_buf_slice(b)).p;

    dv_buf_reset(b);
    return text;
}

/* name, root and path from the URL. */
static int make_texts(struct dv_http_endpoint *ep, const struct dv_url *url)
{
    struct dv_url root = *url;
    struct dv_slice path = url->path;
    struct dv_buf b;

    dv_buf_init(&b, 2 * DV_URL_MAX);
    dv_url_add_redacted(&b, url);
    ep->name = arena_text(ep, &b);
    root.path = root.query = dv_slice(NULL, 0);
    dv_url_add_public(&b, &root);
    ep->root = arena_text(ep, &b);
    while (path.n > 0 && path.p[path.n - 1] == '/')
        path.n--;
    dv_buf_add_slice(&b, path);
    ep->path = arena_text(ep, &b);
    dv_buf_printf(&b, "%s://%.*s:%u", url->https ? "https" : "http", (int)url->host.n, url->host.p,
                  url->port);
    if (!b.failed && dv_buf_cstr(&b))
        ep->origin = http_origin(ep->http, b.p);
    dv_buf_fini(&b);
    return ep->name && ep->root && ep->path && ep->origin ? 0 : DV_ENOMEM;
}

static void set_defaults(struct dv_http_endpoint *ep)
{
    struct dv_http_endpoint_options *o = &ep->opt;
    int64_t now = dv_world_now_ms(ep->http->world);

    if (o->connect_timeout_ms <= 0)
        o->connect_timeout_ms = CONNECT_MS;
    if (o->idle_timeout_ms <= 0)
        o->idle_timeout_ms = IDLE_MS;
    if (o->total_timeout_ms <= 0)
        o->total_timeout_ms = TOTAL_MS;
    if (o->retries == 0)
        o->retries = RETRIES;
    ep->wire = (struct dv_wire_options){
        .proxy = o->proxy.p,
        .no_proxy = o->no_proxy.p,
        .ca_file = o->ca_file.p,
        .client_cert = o->client_cert.p,
        .client_key = o->client_key.p,
        .pin = o->pin.p,
        .insecure = o->insecure,
        .netrc = o->netrc && ep->auth == DV_AUTH_NONE,
        .connect_timeout_ms = o->connect_timeout_ms,
    };
    dv_rate_init(&ep->request_rate, o->max_requests_per_s, now);
    dv_rate_init(&ep->byte_rate, (double)o->max_bytes_per_s, now);
}

static int fill(struct dv_http_endpoint *ep, struct dv_err *err)
{
    struct dv_url url;
    int rc = check_headers(&ep->opt, err);

    if (rc < 0)
        return rc;
    if (copy_texts(ep) < 0)
        return dv_err_set(err, DV_ENOMEM, NULL);
    rc = dv_url_parse(ep->opt.url, &ep->arena, &url, err);
    if (rc < 0)
        return rc;
    settle_credentials(ep, &url);
    if (make_texts(ep, &url) < 0)
        return dv_err_set(err, DV_ENOMEM, NULL);
    set_defaults(ep);
    return 0;
}

int dv_http_endpoint_new(struct dv_http *h, const struct dv_http_endpoint_options *opt,
                         struct dv_http_endpoint **out, struct dv_err *err)
{
    struct dv_http_endpoint *ep = dv_calloc(1, sizeof(*ep));
    int rc;

    if (!ep)
        return dv_err_set(err, DV_ENOMEM, NULL);
    ep->http = h;
    ep->refs = 1;
    ep->opt = *opt;
    dv_arena_init(&ep->arena, ARENA_BYTES);
    rc = fill(ep, err);
    if (rc < 0) {
        dv_http_endpoint_unref(ep);
        return rc;
    }
    *out = ep;
    return 0;
}

struct dv_http_endpoint *dv_http_endpoint_ref(struct dv_http_endpoint *ep)
{
    ep->refs++;
    return ep;
}

void dv_http_endpoint_unref(struct dv_http_endpoint *ep)
{
    if (!ep || --ep->refs > 0)
        return;
    auth_fini(ep);
    dv_arena_fini(&ep->arena);
    dv_free(ep);
}

const char *dv_http_endpoint_name(const struct dv_http_endpoint *ep)
{
    return ep->name;
}

int64_t dv_http_fact(const struct dv_http_endpoint *ep, unsigned fact)
{
    return fact < DV_HTTP_FACTS ? ep->origin->facts[fact] : 0;
}

void dv_http_set_fact(struct dv_http_endpoint *ep, unsigned fact, int64_t value)
{
    if (fact < DV_HTTP_FACTS)
        ep->origin->facts[fact] = value;
}
