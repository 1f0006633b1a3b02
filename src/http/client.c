/* The client: which request may go on the wire now. Rates delay a request once per try; then it
 * waits in one queue for a free place, of its host and of the whole. Feeds live for hours and take
 * no place. */
#include "http/internal.h"

#include "base/mem.h"

enum { CONNECTIONS = 256, CONNECTIONS_PER_HOST = 20 };

int dv_http_new_over(struct dv_world *w, const struct dv_http_options *opt,
                     struct dv_transport *transport, struct dv_http **out, struct dv_err *err)
{
    struct dv_http *h = dv_calloc(1, sizeof(*h));

    if (!h)
        return dv_err_set(err, DV_ENOMEM, NULL);
    h->world = w;
    h->transport = transport;
    if (opt)
        h->opt = *opt;
    h->user_agent = dv_strdup(h->opt.user_agent ? h->opt.user_agent : "divan/" PACKAGE_VERSION);
    if (!h->user_agent) {
        dv_free(h);
        return dv_err_set(err, DV_ENOMEM, NULL);
    }
    if (!h->opt.max_connections)
        h->opt.max_connections = CONNECTIONS;
    if (!h->opt.max_connections_per_host)
        h->opt.max_connections_per_host = CONNECTIONS_PER_HOST;
    h->queue_end = &h->queue;
    dv_rate_init(&h->request_rate, h->opt.max_requests_per_s, dv_world_now_ms(w));
    dv_rate_init(&h->byte_rate, (double)h->opt.max_bytes_per_s, dv_world_now_ms(w));
    *out = h;
    return 0;
}

int dv_http_new(struct dv_world *w, const struct dv_http_options *opt, struct dv_http **h,
                struct dv_err *err)
{
    struct dv_transport *transport;
    unsigned max = opt && opt->max_connections ? opt->max_connections : CONNECTIONS;
    int rc = dv_transport_curl_new(w, max, &transport, err);

    if (rc < 0)
        return rc;
    rc = dv_http_new_over(w, opt, transport, h, err);
    if (rc < 0)
        transport->ops->free(transport);
    return rc;
}

void dv_http_free(struct dv_http *h)
{
    if (!h)
        return;
    while (h->requests)
        request_kill(h->requests);
    h->transport->ops->free(h->transport);
    while (h->origins) {
        struct origin *next = h->origins->next;

        dv_free(h->origins->key);
        dv_free(h->origins);
        h->origins = next;
    }
    dv_free(h->user_agent);
    dv_free(h);
}

struct origin *http_origin(struct dv_http *h, const char *key)
{
    struct origin *o;

    for (o = h->origins; o; o = o->next)
        if (strcmp(o->key, key) == 0)
            return o;
    o = dv_calloc(1, sizeof(*o));
    if (!o)
        return NULL;
    o->key = dv_strdup(key);
    if (!o->key) {
        dv_free(o);
        return NULL;
    }
    dv_aimd_init(&o->aimd, dv_world_now_ms(h->world));
    o->next = h->origins;
    h->origins = o;
    return o;
}

static bool has_place(struct dv_http_request *r)
{
    return (r->send.flags & DV_HTTP_FEED) ||
           (r->http->active < r->http->opt.max_connections &&
            r->ep->origin->active < r->http->opt.max_connections_per_host);
}

/* The host's own pace is asked last, so that whoever queued before a 429 came is slowed as well.
 * True: it waits and joins the queue again after that. */
static bool paced(struct dv_http_request *r)
{
    int64_t wait;

    if (r->paced)
        return false;
    r->paced = true;
    wait = dv_aimd_take_ms(&r->ep->origin->aimd, dv_world_now_ms(r->http->world));
    if (wait == 0)
        return false;
    r->state = R_DELAY;
    dv_timer_start(&r->timer, wait);
    return true;
}

static void take_place(struct dv_http_request *r)
{
    if (paced(r))
        return;
    if (!(r->send.flags & DV_HTTP_FEED)) {
        r->http->active++;
        r->ep->origin->active++;
    }
    request_start_attempt(r);
}

static void enqueue(struct dv_http_request *r)
{
    struct dv_http *h = r->http;

    if (has_place(r)) {
        take_place(r);
        return;
    }
    r->state = R_QUEUED;
    r->next_waiting = NULL;
    *h->queue_end = r;
    h->queue_end = &r->next_waiting;
}

static int64_t longest(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void http_activate(struct dv_http_request *r)
{
    int64_t now = dv_world_now_ms(r->http->world), wait = r->retry_after_ms;

    r->retry_after_ms = 0;
    r->paced = false;
    dv_rate_spend(&r->http->request_rate, 1, now);
    dv_rate_spend(&r->ep->request_rate, 1, now);
    wait = longest(wait, dv_rate_wait_ms(&r->http->request_rate, now));
    wait = longest(wait, dv_rate_wait_ms(&r->ep->request_rate, now));
    if (wait == 0) {
        enqueue(r);
        return;
    }
    r->state = R_DELAY;
    dv_timer_start(&r->timer, wait);
}

/* The first that fits; one whose host is full does not hold up the others. */
static void start_next(struct dv_http *h)
{
    struct dv_http_request **link = &h->queue;

    while (*link) {
        struct dv_http_request *r = *link;

        if (!has_place(r)) {
            link = &r->next_waiting;
            continue;
        }
        *link = r->next_waiting;
        if (h->queue_end == &r->next_waiting)
            h->queue_end = link;
        take_place(r);
        if (r->state == R_ACTIVE || r->state == R_ENDING)
            return; /* else it was paced, and the place is still free */
    }
}

static void leave_queue(struct dv_http_request *r)
{
    struct dv_http_request **link = &r->http->queue;

    while (*link != r)
        link = &(*link)->next_waiting;
    *link = r->next_waiting;
    if (r->http->queue_end == &r->next_waiting)
        r->http->queue_end = link;
}

void http_left_wire(struct dv_http_request *r)
{
    if (r->state == R_QUEUED) {
        leave_queue(r);
        return;
    }
    if (r->send.flags & DV_HTTP_FEED)
        return;
    r->http->active--;
    r->ep->origin->active--;
    start_next(r->http);
}

void http_delay_over(struct dv_http_request *r)
{
    enqueue(r);
}
