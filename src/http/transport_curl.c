/* libcurl's multi interface on the world's libuv loop.
 *
 * curl says which sockets and which timer it wants; uv_poll and one uv_timer call back into
 * curl_multi_socket_action; finished transfers are collected after each such call, outside of
 * curl's callbacks, so that whoever is told may start and cancel attempts freely. cancel() from
 * inside a curl callback is deferred to that point (curl forbids removing a handle there).
 *
 * A paused HTTP/1.1 transfer stops reading its socket: at most one network buffer waits. */
#include <curl/curl.h>
#include <uv.h>

#include "base/mem.h"
#include "http/transport.h"

enum { BUFFER_BYTES = 128 * 1024 };

struct
try {
    struct dv_attempt *attempt; /* borrowed; NULL once cancelled */
    struct curl_transport *t;
    CURL *easy;
    struct curl_slist *headers; /* owned */
    struct try *next_dead;
    int code; /* what a callback ended it with, or 0 */
    bool body_paused, data_paused;
    bool status_told;
    char error[CURL_ERROR_SIZE];
};

struct curl_transport {
    struct dv_transport base; /* first */
    struct dv_world *world;
    uv_loop_t *loop;
    uv_timer_t *timer; /* owned; NULL once closing */
    CURLM *multi;
    unsigned inside;      /* depth of curl calls whose callbacks may reach us */
    struct try *dead;     /* cancelled while inside */
    struct dv_task check; /* look for finished transfers in a fresh turn */
};

struct sock {
    uv_poll_t poll;
    struct curl_transport *t;
    curl_socket_t fd;
};

static void free_try(struct try *y)
{
    curl_multi_remove_handle(y->t->multi, y->easy);
    curl_easy_cleanup(y->easy);
    curl_slist_free_all(y->headers);
    dv_free(y);
}

/* ---- what curl's result means -------------------------------------------------------------- */

static int code_of(CURLcode rc)
{
    switch (rc) {
    case CURLE_OUT_OF_MEMORY:
        return DV_ENOMEM;
    case CURLE_OPERATION_TIMEDOUT:
        return DV_ETIMEOUT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
        return DV_ETLS;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_FAILED_INIT:
    case CURLE_NOT_BUILT_IN:
    case CURLE_BAD_FUNCTION_ARGUMENT:
    case CURLE_UNKNOWN_OPTION:
        return DV_EINVAL;
    default:
        return DV_EIO;
    }
}

static const char *hint_of(CURLcode rc)
{
    switch (rc) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return "; check the name and the network";
    case CURLE_COULDNT_RESOLVE_PROXY:
        return "; check the proxy's name";
    case CURLE_COULDNT_CONNECT:
        return "; is the server running and reachable?";
    case CURLE_PEER_FAILED_VERIFICATION:
        return "; give its CA with the ca_file option if you trust it";
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
        return "; the server has another key than the one pinned";
    case CURLE_GOT_NOTHING:
        return "; the server closed the connection without an answer";
    case CURLE_PARTIAL_FILE:
        return "; the answer was cut";
    default:
        return "";
    }
}

static void finish(struct try *y, CURLcode rc)
{
    struct dv_attempt *a = y->attempt;
    struct dv_err err;
    int code = 0;
    long sent = 0;

    dv_err_clear(&err);
    curl_easy_getinfo(y->easy, CURLINFO_REQUEST_SIZE, &sent);
    a->sent = a->sent || sent > 0;
    if (rc != CURLE_OK) {
        code = y->code ? y->code : code_of(rc);
        dv_err_set(&err, code, "%s%s", y->error[0] ? y->error : curl_easy_strerror(rc),
                   hint_of(rc));
    }
    free_try(y);
    a->impl = NULL;
    a->done(a, code, &err);
}

static void collect(struct curl_transport *t)
{
    CURLMsg *msg;
    int left;

    while ((msg = curl_multi_info_read(t->multi, &left))) {
        struct try *y = NULL;
        CURLcode rc = msg->data.result;

        if (msg->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &y);
        if (y->attempt)
            finish(y, rc); /* may start and cancel others */
    }
}

static void enter(struct curl_transport *t)
{
    t->inside++;
}

/* The only place where handles die and finished ones are told: curl is not on the stack. */
static void leave(struct curl_transport *t)
{
    if (--t->inside > 0)
        return;
    while (t->dead) {
        struct try *y = t->dead;

        t->dead = y->next_dead;
        free_try(y);
    }
    dv_world_post(t->world, &t->check);
}

static void on_check(void *arg)
{
    collect(arg);
}

/* ---- curl <-> uv ------------------------------------------------------------------------------
 */

static void act(struct curl_transport *t, curl_socket_t fd, int events)
{
    int running;

    enter(t);
    curl_multi_socket_action(t->multi, fd, events, &running);
    leave(t);
}

static void on_poll(uv_poll_t *h, int status, int events)
{
    struct sock *s = h->data;
    int flags = 0;

    if (status < 0)
        flags = CURL_CSELECT_ERR;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    act(s->t, s->fd, flags);
}

static void on_timer(uv_timer_t *h)
{
    act(h->data, CURL_SOCKET_TIMEOUT, 0);
}

static int set_timer(CURLM *multi, long ms, void *arg)
{
    struct curl_transport *t = arg;

    (void)multi;
    if (!t->timer)
        return 0;
    if (ms < 0) {
        uv_timer_stop(t->timer);
        return 0;
    }
    uv_update_time(t->loop);
    uv_timer_start(t->timer, on_timer, (uint64_t)ms, 0);
    return 0;
}

static void free_sock(uv_handle_t *h)
{
    dv_free(h->data);
}

static void free_timer(uv_handle_t *h)
{
    dv_free(h);
}

static int set_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *sock_arg)
{
    struct curl_transport *t = arg;
    struct sock *s = sock_arg;
    int events = 0;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (s) {
            uv_poll_stop(&s->poll);
            curl_multi_assign(t->multi, fd, NULL);
            uv_close((uv_handle_t *)&s->poll, free_sock);
        }
        return 0;
    }
    if (!s) {
        s = dv_calloc(1, sizeof(*s));
        if (!s)
            return -1;
        s->t = t;
        s->fd = fd;
        if (uv_poll_init_socket(t->loop, &s->poll, fd) < 0) {
            dv_free(s);
            return -1;
        }
        s->poll.data = s;
        curl_multi_assign(t->multi, fd, s);
    }
    if (what & CURL_POLL_IN)
        events |= UV_READABLE;
    if (what & CURL_POLL_OUT)
        events |= UV_WRITABLE;
    uv_poll_start(&s->poll, events, on_poll);
    return 0;
}

/* ---- one attempt
 * --------------------------------------------------------------------------------- */

static int fail(struct try *y, int code)
{
    if (!y->code)
        y->code = code;
    return code;
}

static size_t read_body(char *out, size_t size, size_t count, void *arg)
{
    struct try *y = arg;
    size_t got = 0;
    bool end = false;

    if (!y->attempt)
        return CURL_READFUNC_ABORT;
    if (y->attempt->body(y->attempt, out, size * count, &got, &end) < 0) {
        fail(y, DV_EIO);
        return CURL_READFUNC_ABORT;
    }
    if (got == 0 && !end) {
        y->body_paused = true;
        return CURL_READFUNC_PAUSE;
    }
    return got;
}

static int seek_body(void *arg, curl_off_t offset, int origin)
{
    struct try *y = arg;

    if (offset != 0 || origin != SEEK_SET || !y->attempt || !y->attempt->rewind)
        return CURL_SEEKFUNC_CANTSEEK;
    return y->attempt->rewind(y->attempt) < 0 ? CURL_SEEKFUNC_FAIL : CURL_SEEKFUNC_OK;
}

/* "Name: value" or the status line; the trailer of chunked bodies comes here as well. */
static size_t take_header(char *line, size_t size, size_t count, void *arg)
{
    struct try *y = arg;
    size_t n = size * count, len = n;
    const char *colon;
    long status = 0;
    int rc = 0;

    if (!y->attempt)
        return 0;
    while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r' || line[len - 1] == ' '))
        len--;
    curl_easy_getinfo(y->easy, CURLINFO_RESPONSE_CODE, &status);
    if (len >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        y->attempt->connected = y->attempt->sent = true;
        y->status_told = status >= 200;
        if (y->status_told)
            rc = y->attempt->status(y->attempt, (int)status);
    } else if (y->status_told && len > 0) {
        colon = memchr(line, ':', len);
        if (colon) {
            struct dv_slice value = dv_slice(colon + 1, (size_t)(line + len - colon - 1));

            while (value.n > 0 && (*value.p == ' ' || *value.p == '\t')) {
                value.p++;
                value.n--;
            }
            rc = y->attempt->header(y->attempt, dv_slice(line, (size_t)(colon - line)), value);
        }
    }
    if (rc < 0)
        fail(y, rc);
    return rc < 0 ? 0 : n;
}

static size_t take_data(char *p, size_t size, size_t count, void *arg)
{
    struct try *y = arg;
    size_t n = size * count;
    int rc;

    if (!y->attempt)
        return n + 1; /* ends the transfer */
    rc = y->attempt->data(y->attempt, dv_slice(p, n));
    if (rc == DV_WIRE_PAUSE) {
        y->data_paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (rc < 0)
        fail(y, rc);
    return rc < 0 ? n + 1 : n;
}

static void set_string(CURL *easy, CURLoption option, const char *value)
{
    if (value && *value)
        curl_easy_setopt(easy, option, value);
}

static void set_wire(CURL *easy, const struct dv_wire_options *w)
{
    set_string(easy, CURLOPT_PROXY, w->proxy);
    set_string(easy, CURLOPT_NOPROXY, w->no_proxy);
    set_string(easy, CURLOPT_CAINFO, w->ca_file);
    set_string(easy, CURLOPT_SSLCERT, w->client_cert);
    set_string(easy, CURLOPT_SSLKEY, w->client_key);
    set_string(easy, CURLOPT_PINNEDPUBLICKEY, w->pin);
    if (w->insecure) {
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (w->netrc)
        curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_OPTIONAL);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)w->connect_timeout_ms);
}

static void set_body(struct try *y, const struct dv_attempt *a)
{
    CURL *easy = y->easy;

    if (strcmp(a->method, "HEAD") == 0)
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    if (a->has_body) {
        curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, read_body);
        curl_easy_setopt(easy, CURLOPT_READDATA, y);
        curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, seek_body);
        curl_easy_setopt(easy, CURLOPT_SEEKDATA, y);
        curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)BUFFER_BYTES);
        curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)a->body_bytes);
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, a->method);
}

static int add_line(struct try *y, const char *line)
{
    struct curl_slist *longer = curl_slist_append(y->headers, line);

    if (!longer)
        return DV_ENOMEM;
    y->headers = longer;
    return 0;
}

static int set_headers(struct try *y, const struct dv_attempt *a)
{
    int rc = add_line(y, "Expect:"); /* no round trip before a body */

    for (size_t i = 0; rc == 0 && a->header_lines[i]; i++)
        rc = add_line(y, a->header_lines[i]);
    if (rc == 0 && a->has_body && a->body_bytes < 0)
        rc = add_line(y, "Transfer-Encoding: chunked");
    return rc;
}

static void set_options(struct try *y, const struct dv_attempt *a)
{
    CURL *easy = y->easy;

    curl_easy_setopt(easy, CURLOPT_PRIVATE, y);
    curl_easy_setopt(easy, CURLOPT_URL, a->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L); /* ids like ".." are path pieces */
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, y->headers);
    curl_easy_setopt(easy, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, y->error);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                     (long)(a->http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)BUFFER_BYTES);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, y);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_data);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, y);
    set_wire(easy, a->wire);
    set_body(y, a);
}

static int start(struct dv_transport *base, struct dv_attempt *a, struct dv_err *err)
{
    struct curl_transport *t = (struct curl_transport *)base;
    struct try *y = dv_calloc(1, sizeof(*y));
    CURLMcode mrc;

    if (!y)
        return dv_err_set(err, DV_ENOMEM, NULL);
    y->t = t;
    y->attempt = a;
    y->easy = curl_easy_init();
    if (!y->easy || set_headers(y, a) < 0)
        goto no_memory;
    set_options(y, a);
    enter(t);
    mrc = curl_multi_add_handle(t->multi, y->easy);
    leave(t);
    if (mrc != CURLM_OK)
        goto no_memory;
    a->impl = y;
    a->sent = a->connected = false;
    return 0;
no_memory:
    curl_easy_cleanup(y->easy);
    curl_slist_free_all(y->headers);
    dv_free(y);
    return dv_err_set(err, DV_ENOMEM, NULL);
}

static void cancel(struct dv_transport *base, struct dv_attempt *a)
{
    struct curl_transport *t = (struct curl_transport *)base;
    struct try *y = a->impl;

    if (!y)
        return;
    a->impl = NULL;
    y->attempt = NULL;
    if (t->inside > 0) {
        y->next_dead = t->dead;
        t->dead = y;
        return;
    }
    enter(t);
    free_try(y);
    leave(t);
}

/* Unpausing may call data() at once: it runs from a fresh turn only because callers resume from
 * tasks of their own (request.c). */
static void unpause(struct try *y)
{
    int mask = (y->body_paused ? CURLPAUSE_SEND : 0) | (y->data_paused ? CURLPAUSE_RECV : 0);

    enter(y->t);
    curl_easy_pause(y->easy, mask);
    leave(y->t);
}

static void resume(struct dv_transport *base, struct dv_attempt *a)
{
    struct try *y = a->impl;

    (void)base;
    if (!y || !y->data_paused)
        return;
    y->data_paused = false;
    unpause(y);
}

static void body_ready(struct dv_transport *base, struct dv_attempt *a)
{
    struct try *y = a->impl;

    (void)base;
    if (!y || !y->body_paused)
        return;
    y->body_paused = false;
    unpause(y);
}

static void free_transport(struct dv_transport *base)
{
    struct curl_transport *t = (struct curl_transport *)base;
    uv_timer_t *timer = t->timer;

    t->timer = NULL; /* curl may ask for it while it cleans up */
    curl_multi_cleanup(t->multi);
    uv_close((uv_handle_t *)timer, free_timer);
    dv_world_unpost(t->world, &t->check);
    dv_free(t);
}

static const struct dv_transport_ops ops = {
    .start = start,
    .cancel = cancel,
    .resume = resume,
    .body_ready = body_ready,
    .free = free_transport,
};

int dv_transport_curl_new(struct dv_world *w, unsigned max_idle, struct dv_transport **out,
                          struct dv_err *err)
{
    struct curl_transport *t = dv_calloc(1, sizeof(*t));

    if (!t)
        return dv_err_set(err, DV_ENOMEM, NULL);
    t->base.ops = &ops;
    t->world = w;
    t->loop = w->ops->loop(w);
    dv_task_init(&t->check, on_check, t);
    t->timer = dv_malloc(sizeof(*t->timer));
    if (!t->timer || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
        !(t->multi = curl_multi_init())) {
        dv_free(t->timer);
        dv_free(t);
        return dv_err_set(err, DV_ENOMEM, "start libcurl");
    }
    uv_timer_init(t->loop, t->timer);
    t->timer->data = t;
    curl_multi_setopt(t->multi, CURLMOPT_SOCKETFUNCTION, set_socket);
    curl_multi_setopt(t->multi, CURLMOPT_SOCKETDATA, t);
    curl_multi_setopt(t->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(t->multi, CURLMOPT_TIMERDATA, t);
    curl_multi_setopt(t->multi, CURLMOPT_MAXCONNECTS, (long)max_idle);
    *out = &t->base;
    return 0;
}
