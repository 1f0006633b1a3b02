/* zlib's inflate over gzip members, one after another as RFC 1952 allows. */
#include "http/decode.h"

#include <stdint.h>
#include <zlib.h>

#include "base/mem.h"

enum { OUT_BYTES = 64 * 1024 };

struct dv_decoder {
    z_stream z;
    bool started, at_end; /* at_end: between members */
    char out[OUT_BYTES];
};

int dv_decoder_new(struct dv_decoder **decoder, struct dv_err *err)
{
    struct dv_decoder *d = dv_calloc(1, sizeof(*d));

    if (!d)
        return dv_err_set(err, DV_ENOMEM, NULL);
    if (inflateInit2(&d->z, 15 + 32) != Z_OK) { /* gzip or zlib by its header */
        dv_free(d);
        return dv_err_set(err, DV_ENOMEM, NULL);
    }
    *decoder = d;
    return 0;
}

void dv_decoder_free(struct dv_decoder *d)
{
    if (!d)
        return;
    inflateEnd(&d->z);
    dv_free(d);
}

int dv_decoder_step(struct dv_decoder *d, struct dv_slice *in, struct dv_slice *out,
                    struct dv_err *err)
{
    uInt room = in->n > 1u << 30 ? 1u << 30 : (uInt)in->n;
    int rc;

    if (d->at_end && in->n > 0) {
        inflateReset(&d->z);
        d->at_end = false;
    }
    d->z.next_in = (Bytef *)(uintptr_t)in->p;
    d->z.avail_in = room;
    d->z.next_out = (Bytef *)d->out;
    d->z.avail_out = OUT_BYTES;
    rc = d->at_end ? Z_BUF_ERROR : inflate(&d->z, Z_NO_FLUSH);
    d->started = d->started || room > 0;
    if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
        return dv_err_set(err, rc == Z_MEM_ERROR ? DV_ENOMEM : DV_EIO,
                          "the answer is not the gzip it says it is");
    d->at_end = d->at_end || rc == Z_STREAM_END;
    in->p += room - d->z.avail_in;
    in->n -= room - d->z.avail_in;
    *out = dv_slice(d->out, OUT_BYTES - d->z.avail_out);
    return 0;
}

bool dv_decoder_complete(const struct dv_decoder *d)
{
    return d->at_end || !d->started;
}
