/* One try of one request on the wire: the seam below the HTTP client. In production curl stands
 * behind it (transport_curl.c, the only user of <curl/curl.h>); tests put a simulated network
 * there, so that retries, logins, limits and time-outs run in virtual time.
 *
 * A transport knows nothing of retries, redirects, credentials by name, rates or gzip. All on the
 * loop thread; callbacks run from the loop, never from inside start(), pause() or resume(). done()
 * runs exactly once for each started attempt unless it was cancelled before. */
#ifndef DV_HTTP_TRANSPORT_H
#define DV_HTTP_TRANSPORT_H

#include "base/err.h"
#include "base/slice.h"
#include "base/world.h"

/* TLS and proxy, as in struct dv_http_endpoint_options; NULL: not given. Borrowed by attempts. */
struct dv_wire_options {
    const char *proxy, *no_proxy;
    const char *ca_file, *client_cert, *client_key, *pin;
    bool insecure;
    bool netrc;
    int connect_timeout_ms;
};

struct dv_attempt {
    /* in; borrowed until done() or cancel() */
    const char *method;
    const char *url;                 /* without userinfo */
    const char *const *header_lines; /* "Name: value", NULL-terminated */
    const struct dv_wire_options *wire;
    bool http2; /* may use it */
    bool has_body;
    int64_t body_bytes; /* -1: chunked */
    /* Fill the body; *got 0 and not *end: nothing now, dv_transport body_ready later. */
    int (*body)(struct dv_attempt *a, void *out, size_t room, size_t *got, bool *end);
    /* Start the body again (a connection that had died under us); < 0: it cannot. */
    int (*rewind)(struct dv_attempt *a);
    /* Status line and each header line of the final answer (1xx are not shown). < 0 ends it. */
    int (*status)(struct dv_attempt *a, int status);
    int (*header)(struct dv_attempt *a, struct dv_slice name, struct dv_slice value);
    /* Return 0, < 0 to end the attempt, or DV_WIRE_PAUSE: not taken, give it again after resume().
     */
    int (*data)(struct dv_attempt *a, struct dv_slice bytes);
    /* 0: the whole answer came. DV_ETIMEOUT, DV_EIO, DV_ETLS, ... err is set. */
    void (*done)(struct dv_attempt *a, int code, const struct dv_err *err);
    void *arg;  /* the caller's */
    void *impl; /* the transport's */
    /* out */
    bool sent;      /* some byte of the request may have reached the server */
    bool connected; /* a connection was there */
};

enum { DV_WIRE_PAUSE = 1 };

struct dv_transport;

struct dv_transport_ops {
    int (*start)(struct dv_transport *t, struct dv_attempt *a, struct dv_err *err);
    void (*cancel)(struct dv_transport *t, struct dv_attempt *a); /* no callback after it */
    void (*resume)(struct dv_transport *t, struct dv_attempt *a);
    void (*body_ready)(struct dv_transport *t, struct dv_attempt *a);
    void (*free)(struct dv_transport *t); /* no attempt is under way */
};

struct dv_transport {
    const struct dv_transport_ops *ops;
};

/* The production one; max_idle: connections kept open for reuse. */
int dv_transport_curl_new(struct dv_world *w, unsigned max_idle, struct dv_transport **t,
                          struct dv_err *err);

/* A client over a transport of the caller's choice, which it takes on success. */
struct dv_http;
struct dv_http_options;
int dv_http_new_over(struct dv_world *w, const struct dv_http_options *opt,
                     struct dv_transport *transport, struct dv_http **h, struct dv_err *err);

#endif
