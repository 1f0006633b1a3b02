/* See output.h. */
#include "cli/output.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

/* Enough that a long listing is a few writes, little enough to stay in the cache. */
enum { FLUSH_BYTES = 64 * 1024 };
/* Above FLUSH_BYTES comes at most one value: a document with its attachments inline. */
#define BUFFER_MAX ((size_t)1 << 31)

void dv_output_init(struct dv_output *o, int fd)
{
    o->fd = fd;
    o->failed_errno = 0;
    dv_buf_init(&o->buf, BUFFER_MAX);
}

void dv_output_fini(struct dv_output *o)
{
    dv_buf_fini(&o->buf);
}

int dv_output_write_all(int fd, struct dv_slice bytes, struct dv_err *err)
{
    while (bytes.n > 0) {
        ssize_t n = write(fd, bytes.p, bytes.n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return dv_err_errno(err, errno, "write");
        bytes.p += n;
        bytes.n -= (size_t)n;
    }
    return 0;
}

static int output_failure(const struct dv_output *o, struct dv_err *err)
{
    return dv_err_errno(err, o->failed_errno, "write to standard output");
}

static int write_out(struct dv_output *o, struct dv_slice bytes, struct dv_err *err)
{
    errno = 0;
    if (dv_output_write_all(o->fd, bytes, NULL) == 0)
        return 0;
    o->failed_errno = errno ? errno : EIO;
    return output_failure(o, err);
}

int dv_output_flush(struct dv_output *o, struct dv_err *err)
{
    int code;

    if (o->failed_errno)
        return output_failure(o, err);
    if (o->buf.failed)
        return dv_err_set(err, o->buf.failed, "output is too large");
    code = write_out(o, dv_buf_slice(&o->buf), err);
    dv_buf_reset(&o->buf);
    return code;
}

int dv_output_add(struct dv_output *o, struct dv_slice bytes, struct dv_err *err)
{
    int code;

    if (bytes.n < FLUSH_BYTES) {
        dv_buf_add_slice(&o->buf, bytes);
        return o->buf.n < FLUSH_BYTES && !o->buf.failed ? 0 : dv_output_flush(o, err);
    }
    if ((code = dv_output_flush(o, err)) < 0)
        return code;
    return write_out(o, bytes, err);
}

int dv_output_add_str(struct dv_output *o, const char *text, struct dv_err *err)
{
    return dv_output_add(o, dv_slice_str(text), err);
}

int dv_output_printf(struct dv_output *o, struct dv_err *err, const char *fmt, ...)
{
    va_list args;
    char text[4096]; /* callers print words and numbers of our own */
    int n;

    va_start(args, fmt);
    n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof(text))
        return dv_err_set(err, DV_ETOOBIG, "a line of output is too long");
    return dv_output_add(o, dv_slice(text, (size_t)n), err);
}

int dv_output_line(struct dv_output *o, const struct dv_buf *line, struct dv_err *err)
{
    int code;

    if (line->failed)
        return dv_err_set(err, line->failed, "%s",
                          line->failed == DV_ENOMEM ? "out of memory" : "output is too large");
    code = dv_output_add(o, dv_buf_slice(line), err);
    return code < 0 ? code : dv_output_add_str(o, "\n", err);
}

bool dv_output_is_gone(const struct dv_output *o)
{
    return o->failed_errno == EPIPE;
}

bool dv_output_poll_gone(const struct dv_output *o)
{
    struct pollfd p = { .fd = o->fd, .events = 0 };

    return poll(&p, 1, 0) > 0 && (p.revents & (POLLERR | POLLNVAL));
}
