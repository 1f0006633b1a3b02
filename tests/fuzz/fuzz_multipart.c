/* The reader tells the same of a body however the bytes are cut: the same headers, data and ends,
 * and the same verdict. The first byte is the size of the cuts, the boundary is "frontier". */
#include "couch/multipart.h"
#include "fuzz/fuzz.h"

static int note_part(void *arg, const struct dv_multipart_header *headers, size_t n,
                     struct dv_err *err)
{
    struct dv_buf *notes = arg;

    (void)err;
    dv_buf_add_str(notes, "<part");
    for (size_t i = 0; i < n; i++) {
        dv_buf_add_char(notes, ' ');
        dv_buf_add_slice(notes, headers[i].name);
        dv_buf_add_char(notes, '=');
        dv_buf_add_slice(notes, headers[i].value);
    }
    return dv_buf_add_char(notes, '>');
}

static int note_data(void *arg, struct dv_slice bytes, struct dv_err *err)
{
    (void)err;
    return dv_buf_add_slice(arg, bytes);
}

static int note_end(void *arg, struct dv_err *err)
{
    (void)err;
    return dv_buf_add_str(arg, "<end>");
}

static int read_in_cuts(struct dv_slice body, size_t cut, struct dv_buf *notes)
{
    static const struct dv_multipart_callbacks callbacks = { note_part, note_data, note_end };
    struct dv_multipart_reader *r;
    struct dv_err err;
    int rc = 0;

    DV_FUZZ_CHECK(dv_multipart_reader_new(DV_SLICE_LIT("frontier"), &callbacks, notes, &r, &err) ==
                  0);
    for (size_t at = 0; rc == 0 && at < body.n; at += cut) {
        size_t n = body.n - at < cut ? body.n - at : cut;

        rc = dv_multipart_reader_feed(r, dv_slice(body.p + at, n), &err);
    }
    if (rc == 0) {
        rc = dv_multipart_reader_end(r, &err);
        DV_FUZZ_CHECK((rc == 0) == dv_multipart_reader_complete(r));
    }
    dv_multipart_reader_free(r);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct dv_buf whole, cut;
    struct dv_slice body;

    if (n < 2)
        return 0;
    body = dv_slice(bytes + 1, n - 1);
    dv_buf_init(&whole, SIZE_MAX / 2);
    dv_buf_init(&cut, SIZE_MAX / 2);
    DV_FUZZ_CHECK(read_in_cuts(body, body.n, &whole) ==
                  read_in_cuts(body, (size_t)bytes[0] % 64 + 1, &cut));
    DV_FUZZ_CHECK(dv_slice_eq(dv_buf_slice(&whole), dv_buf_slice(&cut)));
    dv_buf_fini(&whole);
    dv_buf_fini(&cut);
    return 0;
}
