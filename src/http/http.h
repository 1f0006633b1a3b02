/* The HTTP client: requests to endpoints, with pools, limits, authentication and retries behind
 * them. Callers give a request and get its answer as a stream, or one error; they never see curl.
 *
 * Threads: all on the loop thread of the world. Callbacks run from the loop, never from inside
 * dv_http_send, and done() exactly once for every request that send took, also after cancel.
 *
 * Time: no request is without a connect, an idle and a total time-out. What is retried (by error
 * class, only while nothing of the answer has been handed out, only when the body can be given
 * again) is retried inside, with backoff and jitter, honouring Retry-After; done() says how often.
 *
 * Secrets: an endpoint prints itself with `***` in place of every credential. A redirect to another
 * host carries none. */
#ifndef DV_HTTP_HTTP_H
#define DV_HTTP_HTTP_H

#include "base/buf.h"
#include "base/err.h"
#include "base/world.h"

struct dv_http;          /* the client: pool, limits, learned facts per host */
struct dv_http_endpoint; /* where and as whom: base URL, auth, proxy, TLS; shared, refcounted */

/* ---- client ------------------------------------------------------------------------------- */

struct dv_http_options {
    unsigned max_connections;          /* in all; 0: 256 */
    unsigned max_connections_per_host; /* 0: 20, CouchDB's http_connections */
    uint64_t max_bytes_per_s;          /* both ways together; 0: no cap */
    unsigned max_requests_per_s;       /* 0: no cap */
    const char *user_agent;            /* NULL: divan/VERSION */
};

int dv_http_new(struct dv_world *w, const struct dv_http_options *opt, struct dv_http **h,
                struct dv_err *err);
/* Cancels what is under way (its done() runs before this returns). NULL is fine. */
void dv_http_free(struct dv_http *h);

/* ---- endpoint ----------------------------------------------------------------------------- */

enum dv_auth_kind {
    DV_AUTH_NONE,
    DV_AUTH_BASIC,
    DV_AUTH_SESSION, /* POST /_session, cookie, refreshed before it expires, once again on 401 */
    DV_AUTH_BEARER,
};

struct dv_http_header {
    struct dv_slice name;
    struct dv_slice value;
};

/* All slices are copied. Precedence of credentials: user and password here, then userinfo of the
 * URL, then an Authorization: Basic header; the winner is taken out of URL and headers. */
struct dv_http_endpoint_options {
    struct dv_slice url; /* http:// or https://, path kept, may hold userinfo */
    enum dv_auth_kind auth;
    struct dv_slice user, password;
    struct dv_slice bearer_file;    /* read again when it changes and on 401 */
    struct dv_slice bearer_command; /* run through /bin/sh, its first line is the token */
    bool netrc;                     /* ~/.netrc when nothing else gives credentials */
    const struct dv_http_header *headers;
    size_t n_headers;
    struct dv_slice proxy;    /* http, https, socks5, socks5h URL; empty: environment's */
    struct dv_slice no_proxy; /* empty: environment's */
    struct dv_slice ca_file, client_cert, client_key;
    struct dv_slice pin;      /* "sha256//base64", curl's syntax */
    bool insecure;            /* no verification of the server's certificate */
    int connect_timeout_ms;   /* 0: 30 000 */
    int idle_timeout_ms;      /* no byte either way; 0: 60 000 */
    int64_t total_timeout_ms; /* of one request; 0: 600 000; feeds set their own */
    int retries;              /* per request; 0: 5; -1: none */
    uint64_t max_bytes_per_s;
    unsigned max_requests_per_s;
};

int dv_http_endpoint_new(struct dv_http *h, const struct dv_http_endpoint_options *opt,
                         struct dv_http_endpoint **ep, struct dv_err *err);
struct dv_http_endpoint *dv_http_endpoint_ref(struct dv_http_endpoint *ep);
void dv_http_endpoint_unref(struct dv_http_endpoint *ep);
/* The URL for people: credentials as ***. Borrowed, lives with the endpoint. */
const char *dv_http_endpoint_name(const struct dv_http_endpoint *ep);

/* What was learned about the server of an endpoint ("never ask twice"): small flags by number, the
 * caller's meaning, shared by all endpoints of one origin. 0 until set. */
enum { DV_HTTP_FACTS = 16 };
int64_t dv_http_fact(const struct dv_http_endpoint *ep, unsigned fact);
void dv_http_set_fact(struct dv_http_endpoint *ep, unsigned fact, int64_t value);

/* ---- request ------------------------------------------------------------------------------ */

enum dv_http_flag {
    DV_HTTP_SMALL = 1,      /* answer is small: HTTP/2 may carry it; no pausing */
    DV_HTTP_NO_RETRY = 2,   /* give the first failure */
    DV_HTTP_IDEMPOTENT = 4, /* may be repeated though the method is POST (reads, new_edits=false) */
    DV_HTTP_RAW_GZIP = 8,   /* Accept-Encoding: gzip is sent, the body is not decoded */
    DV_HTTP_FEED = 16,      /* lives for hours: no total time-out but the one given here */
};

struct dv_http_request;

/* All run on the loop. A negative return from headers or data ends the request with that code. */
struct dv_http_callbacks {
    /* Once per answer that is handed out, before data. Answers that are retried or that follow a
     * redirect or a login are not seen. */
    int (*headers)(void *arg, struct dv_http_request *r, int status, struct dv_err *err);
    int (*data)(void *arg, struct dv_http_request *r, struct dv_slice bytes, struct dv_err *err);
    /* 0, or why there is no whole answer. An answer of any status is 0. */
    void (*done)(void *arg, struct dv_http_request *r, int code, const struct dv_err *err);
    /* The body when it is not a slice: fill up to room bytes; *got 0 with *end false: nothing yet,
     * call dv_http_body_ready later. */
    int (*body)(void *arg, struct dv_http_request *r, void *out, size_t room, size_t *got,
                bool *end, struct dv_err *err);
    /* Start the body again from its first byte; NULL: it cannot, the request is sent once. */
    int (*rewind)(void *arg, struct dv_http_request *r, struct dv_err *err);
};

struct dv_http_send {
    struct dv_http_endpoint *endpoint; /* a reference is taken */
    const char *method;
    struct dv_slice
        path;       /* raw and encoded, appended to the endpoint's path ("/_changes?x=y"); copied */
    bool from_root; /* path replaces the endpoint's path ("/_session") */
    const struct dv_http_header *headers; /* copied */
    size_t n_headers;
    struct dv_slice body; /* borrowed until done() */
    bool has_body;
    bool stream_body;   /* use callbacks.body instead */
    int64_t body_bytes; /* of a streamed body; -1: chunked */
    unsigned flags;
    int64_t idle_timeout_ms, total_timeout_ms; /* 0: the endpoint's */
    uint64_t
        max_answer_bytes; /* decoded; more is DV_ETOOBIG; 0: 64 MiB with SMALL, else no limit */
    const struct dv_http_callbacks *callbacks; /* borrowed until done() */
    void *arg;
};

/* *r is valid until done() has returned. */
int dv_http_send(struct dv_http *h, const struct dv_http_send *s, struct dv_http_request **r,
                 struct dv_err *err);
/* done() follows in a later turn with DV_ECANCELLED (unless it is already on its way). */
void dv_http_cancel(struct dv_http_request *r);
/* No data() until resume; what arrives meanwhile stays in the socket. */
void dv_http_pause(struct dv_http_request *r);
void dv_http_resume(struct dv_http_request *r);
void dv_http_body_ready(struct dv_http_request *r);
/* Of the answer being handed out; name in any case. NULL when absent. Valid until done() returned.
 */
const char *dv_http_header_value(const struct dv_http_request *r, const char *name);
int dv_http_status(const struct dv_http_request *r);
int dv_http_tries(const struct dv_http_request *r);

/* Collect a small answer whole: callbacks for requests whose answer goes into a buffer. */
struct dv_http_collect {
    struct dv_buf body; /* init before send, fini by the caller */
    int status;
    void (*done)(struct dv_http_collect *c, struct dv_http_request *r, int code,
                 const struct dv_err *err);
    void *arg; /* the caller's */
};
extern const struct dv_http_callbacks dv_http_collect_callbacks; /* arg: struct dv_http_collect */

#endif
