/* Undoing gzip of an answer piece by piece: the output of one step is bounded, so that a bomb
 * cannot grow beyond the caller's budget and a pause can come between two pieces. */
#ifndef DV_HTTP_DECODE_H
#define DV_HTTP_DECODE_H

#include "base/err.h"
#include "base/slice.h"

struct dv_decoder;

int dv_decoder_new(struct dv_decoder **d, struct dv_err *err);
void dv_decoder_free(struct dv_decoder *d); /* NULL is fine */
/* Take some of *in (it moves on) and give up to 64 KiB of output, borrowed until the next step. An
 * empty *out with an empty *in: more input is wanted. DV_EIO: not gzip. */
int dv_decoder_step(struct dv_decoder *d, struct dv_slice *in, struct dv_slice *out,
                    struct dv_err *err);
/* The input may end here. */
bool dv_decoder_complete(const struct dv_decoder *d);

#endif
