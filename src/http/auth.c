/* Credentials of an endpoint, made ready before a request goes and renewed when they run out.
 *
 * basic: a line, ready at once. session: POST /_session gives a cookie, renewed at nine tenths of
 * its life or after a 401, falling back to basic where a server has no _session. bearer: the first
 * line of a file or of a command's output, read on a worker thread, again every minute or after a
 * 401. Requests that need credentials while they are fetched wait in auth_wait; one fetch serves
 * all. */
#include "http/internal.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/mem.h"

enum {
    SESSION_DEFAULT_S = 600, /* CouchDB's time-out of cookies when none is told */
    BEARER_S = 60,
    TOKEN_BYTES = 16 * 1024,
};

struct login {
    struct dv_http_endpoint *ep;     /* a reference */
    struct dv_http_request *request; /* session */
    struct dv_http_collect collect;
    struct dv_work work; /* bearer */
    char token[TOKEN_BYTES];
    int code;
    struct dv_err err;
    char *form;
};

static void set_line(struct dv_http_endpoint *ep, char *line, int64_t life_ms)
{
    if (ep->auth_line)
        OPENSSL_cleanse(ep->auth_line, strlen(ep->auth_line));
    dv_free(ep->auth_line);
    ep->auth_line = line;
    ep->auth_state = AUTH_READY;
    ep->auth_round++;
    ep->auth_until_ms = life_ms < 0 ? INT64_MAX : dv_world_now_ms(ep->http->world) + life_ms;
}

static char *joined(const char *a, const char *b)
{
    size_t n = strlen(a) + strlen(b) + 1;
    char *s = dv_malloc(n);

    if (s)
        snprintf(s, n, "%s%s", a, b);
    return s;
}

static int make_basic(struct dv_http_endpoint *ep)
{
    struct dv_slice user = ep->opt.user, password = ep->opt.password;
    size_t n = user.n + password.n + 1;
    unsigned char *raw = dv_malloc(n), *text = dv_malloc(n / 3 * 4 + 8);
    char *line = NULL;

    if (raw && text) {
        memcpy(raw, user.p ? user.p : "", user.n);
        raw[user.n] = ':';
        memcpy(raw + user.n + 1, password.p ? password.p : "", password.n);
        EVP_EncodeBlock(text, raw, (int)n);
        line = joined("Authorization: Basic ", (const char *)text);
        OPENSSL_cleanse(raw, n);
    }
    dv_free(raw);
    dv_free(text);
    if (!line)
        return DV_ENOMEM;
    set_line(ep, line, -1);
    return 0;
}

/* ---- who waits ----------------------------------------------------------------------------------
 */

void auth_leave(struct dv_http_request *r)
{
    struct dv_http_request **link = &r->ep->auth_wait;

    while (*link && *link != r)
        link = &(*link)->next_waiting;
    if (*link)
        *link = r->next_waiting;
}

static void release_waiting(struct dv_http_endpoint *ep, int code, const struct dv_err *err)
{
    struct dv_http_request *r = ep->auth_wait;

    ep->auth_wait = NULL;
    while (r) {
        struct dv_http_request *next = r->next_waiting;

        if (code < 0)
            request_end(r, code, err);
        else
            http_activate(r);
        r = next;
    }
}

static void end_login(struct login *l, int code, const struct dv_err *err)
{
    struct dv_http_endpoint *ep = l->ep;

    ep->login = NULL;
    if (code < 0)
        ep->auth_state = AUTH_STALE;
    release_waiting(ep, code, err);
    dv_buf_fini(&l->collect.body);
    if (l->form)
        OPENSSL_cleanse(l->form, strlen(l->form));
    dv_free(l->form);
    OPENSSL_cleanse(l->token, sizeof(l->token));
    dv_free(l);
    dv_http_endpoint_unref(ep);
}

/* ---- session
 * --------------------------------------------------------------------------------------- */

/* "AuthSession=..; Version=1; Max-Age=600; ..": the pair goes back, Max-Age is its life. */
static int take_cookie(struct dv_http_endpoint *ep, const char *cookie)
{
    size_t n = strcspn(cookie, ";");
    const char *age = strcasestr(cookie, "max-age=");
    long life_s = age ? strtol(age + 8, NULL, 10) : SESSION_DEFAULT_S;
    char *line = dv_malloc(n + sizeof("Cookie: "));

    if (!line)
        return DV_ENOMEM;
    snprintf(line, n + sizeof("Cookie: "), "Cookie: %.*s", (int)n, cookie);
    if (life_s < 10)
        life_s = 10;
    set_line(ep, line, (int64_t)life_s * 900);
    return 0;
}

static void session_done(struct dv_http_collect *c, struct dv_http_request *r, int code,
                         const struct dv_err *err)
{
    struct login *l = c->arg;
    const char *cookie = dv_http_header_value(r, "Set-Cookie");
    struct dv_err own;

    dv_err_clear(&own);
    l->request = NULL;
    if (code < 0) {
        own = *err;
    } else if (c->status == 200 && cookie && strncasecmp(cookie, "AuthSession=", 12) == 0) {
        code = take_cookie(l->ep, cookie);
    } else if (c->status == 401 || c->status == 403) {
        code = dv_err_set(&own, DV_EUNAUTHORIZED, "log in: name or password is incorrect");
    } else if (c->status == 404 || c->status == 405 || c->status == 501 || c->status == 200) {
        l->ep->auth = DV_AUTH_BASIC; /* no sessions here */
        code = make_basic(l->ep);
    } else {
        code = dv_err_set(&own, DV_EIO, "log in: the server answered %d", c->status);
        own.http_status = c->status;
    }
    if (code < 0 && own.code == 0)
        dv_err_set(&own, code, NULL);
    end_login(l, code, &own);
}

static char *make_form(const struct dv_http_endpoint *ep)
{
    struct dv_buf b;

    dv_buf_init(&b, 64 * 1024);
    dv_buf_add_str(&b, "name=");
    dv_url_encode(&b, ep->opt.user);
    dv_buf_add_str(&b, "&password=");
    dv_url_encode(&b, ep->opt.password);
    dv_buf_add_char(&b, '\0');
    if (b.failed) {
        dv_buf_fini(&b);
        return NULL;
    }
    return dv_buf_take(&b, NULL);
}

static int start_session(struct login *l, struct dv_err *err)
{
    static const struct dv_http_header type = { { "Content-Type", 12 },
                                                { "application/x-www-form-urlencoded", 33 } };
    struct dv_http_send s = {
        .endpoint = l->ep,
        .method = "POST",
        .path = DV_SLICE_LIT("/_session"),
        .from_root = true,
        .headers = &type,
        .n_headers = 1,
        .has_body = true,
        .flags = DV_HTTP_SMALL | DV_HTTP_IDEMPOTENT,
        .max_answer_bytes = 64 * 1024,
        .callbacks = &dv_http_collect_callbacks,
        .arg = &l->collect,
    };

    l->form = make_form(l->ep);
    if (!l->form)
        return dv_err_set(err, DV_ENOMEM, NULL);
    s.body = dv_slice_str(l->form);
    dv_buf_init(&l->collect.body, 64 * 1024);
    l->collect.done = session_done;
    l->collect.arg = l;
    return request_send_login(l->ep->http, &s, &l->request, err);
}

/* ---- bearer
 * ------------------------------------------------------------------------------------------- */

/* On a worker thread. */
static void read_token(void *arg)
{
    struct login *l = arg;
    const struct dv_http_endpoint_options *o = &l->ep->opt;
    bool command = o->bearer_command.n > 0;
    FILE *f = command ? popen(o->bearer_command.p, "re") : fopen(o->bearer_file.p, "re");
    bool got;

    if (!f) {
        l->code = dv_err_set(&l->err, DV_EUNAUTHORIZED, "%s the bearer token %s %s: %m",
                             command ? "get" : "read", command ? "from command" : "file",
                             command ? o->bearer_command.p : o->bearer_file.p);
        return;
    }
    got = fgets(l->token, sizeof(l->token), f) != NULL;
    if (command)
        pclose(f);
    else
        fclose(f);
    l->token[strcspn(l->token, "\r\n")] = '\0';
    if (!got || !l->token[0])
        l->code = dv_err_set(&l->err, DV_EUNAUTHORIZED, "the bearer token %s is empty",
                             command ? "command's output" : "file");
}

static void token_read(void *arg)
{
    struct login *l = arg;
    char *line = l->code == 0 ? joined("Authorization: Bearer ", l->token) : NULL;
    struct dv_err err = l->err;
    int code = l->code;

    if (code == 0 && !line)
        code = dv_err_set(&err, DV_ENOMEM, NULL);
    if (code == 0)
        set_line(l->ep, line, BEARER_S * 1000);
    end_login(l, code, &err);
}

/* ---- both
 * -----------------------------------------------------------------------------------------------
 */

static int start_login(struct dv_http_endpoint *ep, struct dv_err *err)
{
    struct login *l = dv_calloc(1, sizeof(*l));
    int rc;

    if (!l)
        return dv_err_set(err, DV_ENOMEM, NULL);
    l->ep = dv_http_endpoint_ref(ep);
    if (ep->auth == DV_AUTH_SESSION) {
        rc = start_session(l, err);
    } else {
        l->work = (struct dv_work){ read_token, token_read, l, NULL };
        rc = dv_world_submit(ep->http->world, &l->work, err);
    }
    if (rc < 0) {
        dv_buf_fini(&l->collect.body);
        dv_free(l->form);
        dv_free(l);
        dv_http_endpoint_unref(ep);
        return rc;
    }
    ep->login = l;
    ep->auth_state = AUTH_FETCHING;
    return 0;
}

int auth_ready(struct dv_http_request *r)
{
    struct dv_http_endpoint *ep = r->ep;
    struct dv_err err;
    int rc = 0;

    if (r->no_auth || ep->auth == DV_AUTH_NONE)
        return 0;
    if (ep->auth_state == AUTH_READY && dv_world_now_ms(ep->http->world) < ep->auth_until_ms)
        return 0;
    dv_err_clear(&err);
    if (ep->auth == DV_AUTH_BASIC)
        rc = make_basic(ep);
    else if (ep->auth_state != AUTH_FETCHING)
        rc = start_login(ep, &err);
    if (rc < 0) {
        if (err.code == 0)
            dv_err_set(&err, rc, NULL);
        request_end(r, rc, &err);
        return 1;
    }
    if (ep->auth == DV_AUTH_BASIC)
        return 0;
    r->next_waiting = ep->auth_wait;
    ep->auth_wait = r;
    return 1;
}

void auth_renew(struct dv_http_request *r)
{
    if (r->auth_round == r->ep->auth_round && r->ep->auth_state == AUTH_READY)
        r->ep->auth_state = AUTH_STALE;
}

void auth_fini(struct dv_http_endpoint *ep)
{
    if (ep->auth_line)
        OPENSSL_cleanse(ep->auth_line, strlen(ep->auth_line));
    dv_free(ep->auth_line);
    ep->auth_line = NULL;
}
