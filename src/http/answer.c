/* The callbacks of an attempt: bytes sent and bytes received.
 *
 * The verdict on an answer is made once its headers are complete: hand it out, or discard it
 * because the request will be sent again (redirect, new credentials, a status that is retried).
 * Bytes are then counted, decoded and handed out; when the caller pauses in the middle of a decoded
 * piece the encoded rest is held, and the transport is told at its next bytes. */
#include "http/internal.h"

#include <stdlib.h>
#include <strings.h>

#include "base/mem.h"

static struct dv_http_request *self(struct dv_attempt *a)
{
    return a->arg;
}

static void touch(struct dv_http_request *r)
{
    r->last_ms = dv_world_now_ms(r->http->world);
}

/* ---- the request's body ---------------------------------------------------------------------- */

static int give_slice(struct dv_http_request *r, void *out, size_t room, size_t *got, bool *end)
{
    size_t left = r->send.body.n - r->body_at;
    size_t n = left < room ? left : room;

    if (n)
        memcpy(out, r->send.body.p + r->body_at, n);
    r->body_at += n;
    *got = n;
    *end = r->body_at == r->send.body.n;
    return 0;
}

/* A cap in debt makes an upload wait; the timer wakes it. */
static bool over_byte_rate(struct dv_http_request *r)
{
    int64_t now = dv_world_now_ms(r->http->world);

    return dv_rate_wait_ms(&r->http->byte_rate, now) > 0 ||
           dv_rate_wait_ms(&r->ep->byte_rate, now) > 0;
}

static void spend_bytes(struct dv_http_request *r, size_t n)
{
    int64_t now = dv_world_now_ms(r->http->world);

    dv_rate_spend(&r->http->byte_rate, (double)n, now);
    dv_rate_spend(&r->ep->byte_rate, (double)n, now);
}

static int on_body(struct dv_attempt *a, void *out, size_t room, size_t *got, bool *end)
{
    struct dv_http_request *r = self(a);
    int rc;

    *got = 0;
    *end = false;
    if (over_byte_rate(r)) {
        r->body_waits = r->rate_paused = true;
        return 0;
    }
    if (!r->send.stream_body)
        rc = give_slice(r, out, room, got, end);
    else
        rc = r->send.callbacks->body(r->send.arg, r, out, room, got, end, &r->wire_err);
    r->body_waits = rc == 0 && *got == 0 && !*end;
    if (*got > 0) {
        spend_bytes(r, *got);
        touch(r);
    }
    return rc;
}

static int on_rewind(struct dv_attempt *a)
{
    struct dv_http_request *r = self(a);

    if (!r->send.stream_body) {
        r->body_at = 0;
        return 0;
    }
    if (!r->send.callbacks->rewind)
        return DV_EINVAL;
    return r->send.callbacks->rewind(r->send.arg, r, &r->wire_err);
}

/* ---- the answer's head --------------------------------------------------------------------------
 */

void answer_reset(struct dv_http_request *r)
{
    r->status = 0;
    dv_buf_reset(&r->headers);
    r->headers_complete = r->discard = false;
    r->answer_bytes = r->discarded_bytes = 0;
    dv_decoder_free(r->decoder);
    r->decoder = NULL;
    dv_buf_reset(&r->held);
    r->held_at = 0;
    r->wire_paused = r->wire_over = r->rate_paused = r->body_waits = false;
    r->wire_code = 0;
    dv_err_clear(&r->wire_err);
}

static int on_status(struct dv_attempt *a, int status)
{
    struct dv_http_request *r = self(a);

    touch(r);
    r->status = status;
    dv_buf_reset(&r->headers);
    return 0;
}

static int on_header(struct dv_attempt *a, struct dv_slice name, struct dv_slice value)
{
    struct dv_http_request *r = self(a);

    touch(r);
    if (r->headers_complete)
        return 0; /* a trailer */
    dv_buf_add_slice(&r->headers, name);
    dv_buf_add_char(&r->headers, '\0');
    dv_buf_add_slice(&r->headers, value);
    dv_buf_add_char(&r->headers, '\0');
    if (r->headers.failed)
        return dv_err_set(&r->wire_err, r->headers.failed, "the answer's headers are over %d bytes",
                          MAX_HEADER_BYTES);
    return 0;
}

const char *dv_http_header_value(const struct dv_http_request *r, const char *name)
{
    const char *p = r->headers.p, *end = p ? p + r->headers.n : NULL;

    while (p && p < end) {
        const char *value = p + strlen(p) + 1;

        if (strcasecmp(p, name) == 0)
            return value;
        p = value + strlen(value) + 1;
    }
    return NULL;
}

int dv_http_status(const struct dv_http_request *r)
{
    return r->status;
}

int dv_http_tries(const struct dv_http_request *r)
{
    return r->tries;
}

static int start_decoder(struct dv_http_request *r)
{
    const char *encoding = dv_http_header_value(r, "Content-Encoding");

    if (!encoding || (r->send.flags & DV_HTTP_RAW_GZIP) || strcmp(r->send.method, "HEAD") == 0)
        return 0;
    if (strcasecmp(encoding, "gzip") == 0 || strcasecmp(encoding, "x-gzip") == 0)
        return dv_decoder_new(&r->decoder, &r->wire_err);
    if (strcasecmp(encoding, "identity") == 0)
        return 0;
    return dv_err_set(&r->wire_err, DV_EIO, "the answer has an encoding that was not asked for");
}

static int complete_headers(struct dv_http_request *r)
{
    int rc;

    if (r->headers_complete)
        return 0;
    r->headers_complete = true;
    r->discard = request_wants_again(r);
    if (r->discard)
        return 0;
    rc = start_decoder(r);
    if (rc < 0)
        return rc;
    r->handed_out = true;
    return r->send.callbacks->headers
               ? r->send.callbacks->headers(r->send.arg, r, r->status, &r->wire_err)
               : 0;
}

/* ---- the answer's body
 * ------------------------------------------------------------------------------ */

static int hand_out(struct dv_http_request *r, struct dv_slice bytes)
{
    uint64_t max = r->send.max_answer_bytes;

    if (bytes.n == 0)
        return 0;
    if (r->state == R_ENDING) /* cancelled by the piece before */
        return DV_ECANCELLED;
    r->answer_bytes += bytes.n;
    if (max && r->answer_bytes > max)
        return dv_err_set(&r->wire_err, DV_ETOOBIG, "the answer is longer than %llu bytes",
                          (unsigned long long)max);
    return r->send.callbacks->data ? r->send.callbacks->data(r->send.arg, r, bytes, &r->wire_err)
                                   : 0;
}

/* Decode and hand out until the input is used up or the caller pauses; *in moves on. */
static int pump(struct dv_http_request *r, struct dv_slice *in)
{
    struct dv_slice out;
    int rc;

    if (!r->decoder) {
        out = *in;
        in->n = 0;
        return hand_out(r, out);
    }
    do {
        rc = dv_decoder_step(r->decoder, in, &out, &r->wire_err);
        if (rc == 0)
            rc = hand_out(r, out);
    } while (rc == 0 && !r->paused && (out.n > 0 || in->n > 0));
    return rc;
}

static int discard(struct dv_http_request *r, size_t n)
{
    r->discarded_bytes += n;
    return r->discarded_bytes > DISCARD_BYTES ? DV_ECANCELLED : 0;
}

static int on_data(struct dv_attempt *a, struct dv_slice bytes)
{
    struct dv_http_request *r = self(a);
    int rc;

    touch(r);
    if ((r->paused || r->rate_paused) && !r->discard && r->headers_complete) {
        r->wire_paused = true;
        return DV_WIRE_PAUSE;
    }
    rc = complete_headers(r);
    if (rc < 0)
        return rc;
    if (r->discard)
        return discard(r, bytes.n);
    if (r->paused) { /* by headers() */
        r->wire_paused = true;
        return DV_WIRE_PAUSE;
    }
    spend_bytes(r, bytes.n);
    if (over_byte_rate(r))
        r->rate_paused = true;
    rc = pump(r, &bytes);
    if (rc == 0 && bytes.n > 0 && dv_buf_add_slice(&r->held, bytes) < 0)
        rc = dv_err_set(&r->wire_err, r->held.failed, NULL);
    return rc;
}

/* ---- the end
 * ----------------------------------------------------------------------------------------- */

/* Whatever was held is handed out; the whole answer must have come. */
static void drained(struct dv_http_request *r)
{
    if (r->wire_code == 0 && r->decoder && !dv_decoder_complete(r->decoder))
        r->wire_code = dv_err_set(&r->wire_err, DV_EIO, "the answer's gzip data was cut");
    request_after_attempt(r);
}

static void on_done(struct dv_attempt *a, int code, const struct dv_err *err)
{
    struct dv_http_request *r = self(a);

    http_left_wire(r);
    r->wire_over = true;
    if (code == DV_ECANCELLED && r->discard)
        code = 0; /* we ended it ourselves: enough of an unwanted body */
    r->wire_code = code;
    if (code < 0 && r->wire_err.code != code)
        r->wire_err = *err;
    if (code == 0 && complete_headers(r) < 0)
        r->wire_code = r->wire_err.code;
    r->state = R_DRAINING;
    if (r->wire_code == 0 && (r->held_at < r->held.n || (r->paused && r->decoder)))
        return; /* answer_resume goes on */
    drained(r);
}

void answer_resume(struct dv_http_request *r)
{
    struct dv_slice rest = dv_slice(r->held.p + r->held_at, r->held.n - r->held_at);
    int rc = 0;

    if (r->paused || r->state == R_ENDING)
        return;
    if (r->decoder && r->handed_out)
        rc = pump(r, &rest);
    r->held_at = r->held.n - rest.n;
    if (r->held_at == r->held.n) {
        dv_buf_reset(&r->held);
        r->held_at = 0;
    }
    if (rc < 0) {
        request_end(r, rc, &r->wire_err);
        return;
    }
    if (r->paused)
        return;
    if (r->state == R_DRAINING) {
        drained(r);
    } else if (r->state == R_ACTIVE && r->wire_paused && !r->rate_paused) {
        r->wire_paused = false;
        touch(r);
        r->http->transport->ops->resume(r->http->transport, &r->attempt);
    }
}

void answer_set_callbacks(struct dv_http_request *r)
{
    r->attempt.body = on_body;
    r->attempt.rewind = on_rewind;
    r->attempt.status = on_status;
    r->attempt.header = on_header;
    r->attempt.data = on_data;
    r->attempt.done = on_done;
    r->attempt.arg = r;
}
