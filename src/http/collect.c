/* A small answer into one buffer. */
#include "http/http.h"

static int on_headers(void *arg, struct dv_http_request *r, int status, struct dv_err *err)
{
    struct dv_http_collect *c = arg;

    (void)r;
    (void)err;
    c->status = status;
    dv_buf_reset(&c->body);
    return 0;
}

static int on_data(void *arg, struct dv_http_request *r, struct dv_slice bytes, struct dv_err *err)
{
    struct dv_http_collect *c = arg;
    int rc = dv_buf_add_slice(&c->body, bytes);

    (void)r;
    if (rc < 0)
        dv_err_set(err, rc, "the answer is longer than %zu bytes", c->body.max);
    return rc;
}

static void on_done(void *arg, struct dv_http_request *r, int code, const struct dv_err *err)
{
    struct dv_http_collect *c = arg;

    c->done(c, r, code, err);
}

const struct dv_http_callbacks dv_http_collect_callbacks = {
    .headers = on_headers,
    .data = on_data,
    .done = on_done,
};
