/* See simnet.h. Each attempt is a little machine driven by one timer. */
#include "lib/simnet.h"

#include <stdlib.h>
#include <strings.h>

struct net {
    struct dv_transport base; /* first */
    struct dv_world *world;
    simnet_handler *fn;
    void *arg;
    unsigned active, peak;
};

struct wire {
    struct net *net;
    struct dv_attempt *attempt;
    struct dv_timer timer;
    struct dv_buf sent;
    struct simnet_answer answer;
    size_t at;
    bool asked, told, stuck, paused;
};

static void step(void *arg);

static void again(struct wire *w, int64_t ms)
{
    dv_timer_start(&w->timer, ms);
}

static void free_wire(struct wire *w)
{
    w->net->active--;
    dv_timer_fini(&w->timer);
    dv_buf_fini(&w->sent);
    dv_buf_fini(&w->answer.headers);
    dv_buf_fini(&w->answer.body);
    free(w);
}

static void finish(struct wire *w, int code, const char *why)
{
    struct dv_attempt *a = w->attempt;
    struct dv_err err;

    dv_err_clear(&err);
    if (code < 0)
        dv_err_set(&err, code, "%s", why);
    free_wire(w);
    a->impl = NULL;
    a->done(a, code, &err);
}

/* False: more of the body is to come. */
static bool take_body(struct wire *w)
{
    struct dv_attempt *a = w->attempt;
    bool end = !a->has_body;

    while (!end) {
        char piece[777];
        size_t got = 0;

        if (a->body(a, piece, sizeof(piece), &got, &end) < 0) {
            finish(w, DV_EIO, "the body could not be read");
            return false;
        }
        if (got == 0 && !end)
            return false; /* body_ready */
        dv_buf_add(&w->sent, piece, got);
    }
    return true;
}

static void ask(struct wire *w)
{
    struct dv_attempt *a = w->attempt;
    struct simnet_request q = { a->method, a->url, a->header_lines, { NULL, 0 } };

    w->asked = true;
    q.body = dv_buf_slice(&w->sent);
    w->answer.status = 200;
    w->net->fn(w->net->arg, &q, &w->answer);
    a->sent = a->connected =
        w->answer.fault != SIMNET_REFUSED && w->answer.fault != SIMNET_UNTRUSTED;
    again(w, w->answer.latency_ms);
}

/* Returns false when the attempt is over. */
static bool tell_head(struct wire *w)
{
    struct dv_attempt *a = w->attempt;
    char *line = w->answer.headers.n ? (char *)(uintptr_t)dv_buf_cstr(&w->answer.headers) : NULL;
    int rc = a->status(a, w->answer.status);

    w->told = true;
    while (rc == 0 && line && *line) {
        char *colon = strchr(line, ':'), *end = strchr(line, '\n');

        rc = a->header(a, dv_slice(line, (size_t)(colon - line)),
                       dv_slice(colon + 2, (size_t)(end - colon - 2)));
        line = end + 1;
    }
    if (rc < 0)
        finish(w, rc, "ended by the caller");
    return rc == 0;
}

static void tell_data(struct wire *w)
{
    struct dv_attempt *a = w->attempt;
    size_t limit = w->answer.body.n, n = w->answer.piece_bytes ? w->answer.piece_bytes : 1000;
    bool faulty = w->answer.fault == SIMNET_CUT || w->answer.fault == SIMNET_STALLED;
    int rc;

    if (faulty && w->answer.cut_at < limit)
        limit = w->answer.cut_at;
    if (w->at == limit) {
        if (w->answer.fault == SIMNET_STALLED)
            return; /* for ever */
        finish(w, faulty ? DV_EIO : 0, "the connection was cut");
        return;
    }
    if (n > limit - w->at)
        n = limit - w->at;
    rc = a->data(a, dv_slice(w->answer.body.p + w->at, n));
    if (a->impl != w)
        return; /* cancelled */
    if (rc < 0) {
        finish(w, rc, "ended by the caller");
        return;
    }
    if (rc == DV_WIRE_PAUSE) {
        w->paused = true;
        return;
    }
    w->at += n;
    again(w, 0);
}

static void step(void *arg)
{
    struct wire *w = arg;

    if (!w->asked) {
        if (take_body(w))
            ask(w);
        return;
    }
    switch (w->answer.fault) {
    case SIMNET_REFUSED:
        finish(w, DV_EIO, "Connection refused");
        return;
    case SIMNET_UNTRUSTED:
        finish(w, DV_ETLS, "certificate has expired");
        return;
    case SIMNET_DROPPED:
        finish(w, DV_EIO, "the connection was dropped");
        return;
    case SIMNET_SILENT:
        return;
    case SIMNET_FINE:
    case SIMNET_CUT:
    case SIMNET_STALLED:
        break;
    }
    if (!w->told && !tell_head(w))
        return;
    tell_data(w);
}

static int start(struct dv_transport *t, struct dv_attempt *a, struct dv_err *err)
{
    struct net *net = (struct net *)t;
    struct wire *w = calloc(1, sizeof(*w));

    (void)err;
    if (!w || dv_timer_init(&w->timer, net->world, step, w, NULL) < 0)
        abort();
    w->net = net;
    w->attempt = a;
    dv_buf_init(&w->sent, 1 << 30);
    dv_buf_init(&w->answer.headers, 1 << 20);
    dv_buf_init(&w->answer.body, 1 << 30);
    a->impl = w;
    a->sent = a->connected = false;
    if (++net->active > net->peak)
        net->peak = net->active;
    again(w, 0);
    return 0;
}

static void cancel(struct dv_transport *t, struct dv_attempt *a)
{
    (void)t;
    if (a->impl)
        free_wire(a->impl);
    a->impl = NULL;
}

static void resume(struct dv_transport *t, struct dv_attempt *a)
{
    struct wire *w = a->impl;

    (void)t;
    if (!w || !w->paused)
        return;
    w->paused = false;
    again(w, 0);
}

static void body_ready(struct dv_transport *t, struct dv_attempt *a)
{
    struct wire *w = a->impl;

    (void)t;
    if (w && !w->asked)
        again(w, 0);
}

static void free_net(struct dv_transport *t)
{
    free(t);
}

static const struct dv_transport_ops ops = { start, cancel, resume, body_ready, free_net };

struct dv_transport *simnet_new(struct dv_world *w, simnet_handler *fn, void *arg)
{
    struct net *net = calloc(1, sizeof(*net));

    if (!net)
        abort();
    net->base.ops = &ops;
    net->world = w;
    net->fn = fn;
    net->arg = arg;
    return &net->base;
}

const char *simnet_header(const struct simnet_request *q, const char *name)
{
    size_t n = strlen(name);

    for (size_t i = 0; q->headers[i]; i++)
        if (strncasecmp(q->headers[i], name, n) == 0 && q->headers[i][n] == ':')
            return q->headers[i] + n + 2;
    return NULL;
}

unsigned simnet_active(struct dv_transport *t)
{
    return ((struct net *)t)->active;
}

unsigned simnet_peak(struct dv_transport *t)
{
    return ((struct net *)t)->peak;
}
