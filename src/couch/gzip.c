/* zlib with our heap, so that its allocations can be failed by a test; see gzip.h. */
#include "couch/gzip.h"

#include <limits.h>
#include <stdbool.h>
#include <zlib.h>

#include "base/mem.h"

enum { OUT_BYTES = 16 * 1024, LEVEL = 8, WINDOW_BITS = 16 + 15, MEM_LEVEL = 8 };

struct dv_gzip {
    z_stream zlib;
    bool inflating;
    bool started;        /* inflating: inside a member */
    uint64_t bytes_left; /* inflating: that may still come out */
    unsigned char out[OUT_BYTES];
};

static void *zlib_alloc(void *arg, uInt count, uInt bytes)
{
    (void)arg;
    return dv_calloc(count, bytes);
}

static void zlib_free(void *arg, void *p)
{
    (void)arg;
    dv_free(p);
}

static int new_stream(bool inflating, struct dv_gzip **z, struct dv_err *err)
{
    struct dv_gzip *s = dv_calloc(1, sizeof(*s));
    int rc;

    if (!s)
        return dv_err_set(err, DV_ENOMEM, NULL);
    s->inflating = inflating;
    s->zlib.zalloc = zlib_alloc;
    s->zlib.zfree = zlib_free;
    if (inflating)
        rc = inflateInit2(&s->zlib, WINDOW_BITS);
    else
        rc = deflateInit2(&s->zlib, LEVEL, Z_DEFLATED, WINDOW_BITS, MEM_LEVEL, Z_DEFAULT_STRATEGY);
    if (rc != Z_OK) {
        dv_free(s);
        return dv_err_set(err, DV_ENOMEM, "zlib has no memory");
    }
    *z = s;
    return 0;
}

int dv_gzip_new_deflate(struct dv_gzip **z, struct dv_err *err)
{
    return new_stream(false, z, err);
}

int dv_gzip_new_inflate(uint64_t max_bytes, struct dv_gzip **z, struct dv_err *err)
{
    int rc = new_stream(true, z, err);

    if (rc == 0)
        (*z)->bytes_left = max_bytes;
    return rc;
}

void dv_gzip_free(struct dv_gzip *z)
{
    if (!z)
        return;
    if (z->inflating)
        inflateEnd(&z->zlib);
    else
        deflateEnd(&z->zlib);
    dv_free(z);
}

static void offer_room(struct dv_gzip *z)
{
    z->zlib.next_out = z->out;
    z->zlib.avail_out = OUT_BYTES;
}

/* Hand over what zlib has put into out. */
static int give(struct dv_gzip *z, dv_gzip_sink *sink, void *arg, struct dv_err *err)
{
    size_t n = OUT_BYTES - z->zlib.avail_out;

    if (n == 0)
        return 0;
    if (z->inflating && n > z->bytes_left)
        return dv_err_set(err, DV_ETOOBIG, "the content is over its limit when decoded");
    if (z->inflating)
        z->bytes_left -= n;
    return sink(arg, dv_slice(z->out, n), err);
}

static int deflate_some(struct dv_gzip *z, int flush, dv_gzip_sink *sink, void *arg,
                        struct dv_err *err)
{
    int state, rc;

    do {
        offer_room(z);
        state = deflate(&z->zlib, flush);
        if (state == Z_STREAM_ERROR)
            return dv_err_set(err, DV_ESYS, "zlib failed to compress");
        rc = give(z, sink, arg, err);
    } while (rc == 0 && (z->zlib.avail_out == 0 || (flush == Z_FINISH && state != Z_STREAM_END)));
    return rc;
}

static int inflate_some(struct dv_gzip *z, dv_gzip_sink *sink, void *arg, struct dv_err *err)
{
    int state, rc;

    do {
        if (!z->started && z->zlib.avail_in > 0 && inflateReset(&z->zlib) == Z_OK)
            z->started = true;
        offer_room(z);
        state = z->started ? inflate(&z->zlib, Z_NO_FLUSH) : Z_BUF_ERROR;
        if (state == Z_MEM_ERROR)
            return dv_err_set(err, DV_ENOMEM, "zlib has no memory");
        if (state != Z_OK && state != Z_BUF_ERROR && state != Z_STREAM_END)
            return dv_err_set(err, DV_EINVAL, "the content is not gzip: %s",
                              z->zlib.msg ? z->zlib.msg : "damaged");
        if (state == Z_STREAM_END)
            z->started = false;
        rc = give(z, sink, arg, err);
    } while (rc == 0 && (z->zlib.avail_in > 0 || z->zlib.avail_out == 0));
    return rc;
}

int dv_gzip_add(struct dv_gzip *z, struct dv_slice in, dv_gzip_sink *sink, void *arg,
                struct dv_err *err)
{
    int rc = 0;

    while (rc == 0 && in.n > 0) {
        size_t n = in.n < UINT_MAX / 2 ? in.n : UINT_MAX / 2;

        z->zlib.next_in = (z_const Bytef *)in.p;
        z->zlib.avail_in = (uInt)n;
        if (z->inflating)
            rc = inflate_some(z, sink, arg, err);
        else
            rc = deflate_some(z, Z_NO_FLUSH, sink, arg, err);
        in = dv_slice(in.p + n, in.n - n);
    }
    return rc;
}

int dv_gzip_end(struct dv_gzip *z, dv_gzip_sink *sink, void *arg, struct dv_err *err)
{
    z->zlib.next_in = NULL;
    z->zlib.avail_in = 0;
    if (!z->inflating)
        return deflate_some(z, Z_FINISH, sink, arg, err);
    if (z->started || z->zlib.total_in == 0)
        return dv_err_set(err, DV_EINVAL, "the content is not gzip: it ends too early");
    return 0;
}
