/* What the files of src/http share. Loop thread only. */
#ifndef DV_HTTP_INTERNAL_H
#define DV_HTTP_INTERNAL_H

#include "base/arena.h"
#include "couch/url.h"
#include "http/decode.h"
#include "http/http.h"
#include "http/rate.h"
#include "http/transport.h"

enum {
    MAX_REDIRECTS = 5,
    MAX_HEADERS = 256,
    MAX_HEADER_BYTES = 64 * 1024,
    DISCARD_BYTES = 64 * 1024, /* of a body nobody wants; a longer one costs the connection */
};

/* scheme://host:port, shared by its endpoints: what was learned, and how many at once. */
struct origin {
    struct origin *next;
    char *key; /* owned */
    int64_t facts[DV_HTTP_FACTS];
    struct dv_aimd aimd;
    unsigned active; /* attempts on the wire, feeds not counted */
};

struct dv_http {
    struct dv_world *world;
    struct dv_transport *transport; /* owned */
    struct dv_http_options opt;
    char *user_agent;
    struct origin *origins;
    struct dv_http_request *requests;           /* all */
    struct dv_http_request *queue, **queue_end; /* waiting for a free place, in order */
    struct dv_rate request_rate, byte_rate;
    unsigned active;
};

enum auth_state { AUTH_STALE, AUTH_FETCHING, AUTH_READY };

struct dv_http_endpoint {
    struct dv_http *http;
    int refs;
    struct origin *origin;
    struct dv_arena arena; /* of all texts below */
    const char *name;      /* redacted */
    const char *root;      /* scheme://host:port */
    const char *path;      /* without the slash at its end */
    struct dv_wire_options wire;
    struct dv_http_endpoint_options opt; /* slices in the arena */
    struct dv_rate request_rate, byte_rate;
    /* credentials in force */
    enum dv_auth_kind auth;
    enum auth_state auth_state;
    char *auth_line; /* owned: "Authorization: .." or "Cookie: .."; NULL: none */
    int64_t auth_until_ms;
    unsigned auth_round; /* counts renewals, so that a late 401 does not renew twice */
    struct dv_http_request *auth_wait; /* requests that wait for it */
    struct login *login;               /* under way */
};

enum request_state {
    R_AUTH,     /* waits for credentials */
    R_DELAY,    /* waits for a rate or a backoff */
    R_QUEUED,   /* waits for a free place */
    R_ACTIVE,   /* an attempt is on the wire */
    R_DRAINING, /* the attempt is over, held bytes are still to be handed out */
    R_ENDING,   /* done() is posted */
};

struct dv_http_request {
    struct dv_http *http;
    struct dv_http_request *next, **link; /* of http->requests */
    struct dv_http_request *next_waiting; /* of the queue or auth_wait */
    struct dv_http_endpoint *ep;
    enum request_state state;
    struct dv_arena arena; /* texts below */
    struct dv_http_send send;
    const char *target; /* URL of the next attempt */
    const char *label;  /* "GET https://h/db/_changes", for errors */
    bool foreign;       /* redirected to another origin: no credentials, no own headers */
    bool no_auth;       /* the login itself */
    size_t body_at;     /* of a slice body */
    struct dv_attempt attempt;
    const char **lines;    /* header lines of the attempt; its own are freed with dv_free */
    char *own_lines[4];    /* owned */
    struct dv_timer timer; /* delay, then watchdog */
    struct dv_task resume_task, end_task;
    int64_t started_ms, active_ms, last_ms;
    int tries, redirects;
    int failures;        /* tries that count against the endpoint's retries */
    unsigned auth_round; /* of the credentials sent */
    bool auth_renewed;
    int64_t retry_after_ms;
    bool paced; /* it has its slot of the host's rate */
    /* the answer */
    int status;
    struct dv_buf headers; /* name NUL value NUL ... */
    bool headers_complete; /* verdict was made */
    bool discard;          /* nobody wants this body */
    bool handed_out;       /* callbacks.headers ran */
    uint64_t answer_bytes, discarded_bytes;
    struct dv_decoder *decoder;
    struct dv_buf held; /* encoded bytes that came before a pause took hold */
    size_t held_at;
    bool paused;      /* by the caller */
    bool rate_paused; /* by a cap, until the timer */
    bool wire_paused; /* the transport has been told */
    bool wire_over;   /* attempt's done came */
    bool body_waits;  /* body() had nothing */
    int wire_code;
    struct dv_err wire_err;
    int code; /* for done() */
    struct dv_err err;
};

/* client.c */
void http_activate(struct dv_http_request *r); /* credentials are there: delay, queue or start */
void http_delay_over(struct dv_http_request *r);
void http_left_wire(struct dv_http_request *r); /* its place, or its wait for one, is over */
struct origin *http_origin(struct dv_http *h, const char *key);

/* auth.c */
/* > 0: it waits (http_activate or request_end follows), 0: ready. */
int auth_ready(struct dv_http_request *r);
void auth_leave(struct dv_http_request *r); /* waits no more */
/* A 401 came: the credentials it was sent with are used no more. */
void auth_renew(struct dv_http_request *r);
void auth_fini(struct dv_http_endpoint *ep);

/* request.c */
/* As dv_http_send, without credentials: the login itself. */
int request_send_login(struct dv_http *h, const struct dv_http_send *s, struct dv_http_request **r,
                       struct dv_err *err);
void request_start_attempt(struct dv_http_request *r);
void request_end(struct dv_http_request *r, int code, const struct dv_err *err);
void request_kill(struct dv_http_request *r); /* the client goes: done() now */

/* answer.c: the callbacks of an attempt */
void answer_set_callbacks(struct dv_http_request *r);
void answer_reset(struct dv_http_request *r);
void answer_resume(struct dv_http_request *r);

/* again.c: send it again, or not */
bool request_wants_again(struct dv_http_request *r); /* by status and headers */
void request_after_attempt(struct dv_http_request *r);
void request_begin(struct dv_http_request *r);

#endif
