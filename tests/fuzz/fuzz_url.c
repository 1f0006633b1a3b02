/* A URL that is taken prints as one that is taken and prints the same again, without its password;
 * percent-encoding is undone by decoding. */
#include "couch/url.h"
#include "fuzz/fuzz.h"

static void check_encoding(struct dv_slice s)
{
    struct dv_buf encoded, decoded;

    dv_buf_init(&encoded, SIZE_MAX / 2);
    dv_buf_init(&decoded, SIZE_MAX / 2);
    DV_FUZZ_CHECK(dv_url_encode(&encoded, s) == 0);
    DV_FUZZ_CHECK(dv_url_decode(&decoded, dv_buf_slice(&encoded)) == 0);
    DV_FUZZ_CHECK(dv_slice_eq(dv_buf_slice(&decoded), s));
    dv_buf_reset(&decoded);
    if (dv_url_decode(&decoded, s) == 0)
        DV_FUZZ_CHECK(decoded.n <= s.n);
    dv_buf_fini(&encoded);
    dv_buf_fini(&decoded);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct dv_slice text = dv_slice(bytes, n);
    struct dv_buf once, twice;
    struct dv_arena arena;
    struct dv_url url;
    struct dv_err err;

    dv_arena_init(&arena, 1 << 22);
    dv_buf_init(&once, 1 << 22);
    dv_buf_init(&twice, 1 << 22);
    check_encoding(text);
    if (dv_url_parse(text, &arena, &url, &err) == 0) {
        DV_FUZZ_CHECK(dv_url_add_public(&once, &url) == 0);
        DV_FUZZ_CHECK(dv_url_parse(dv_buf_slice(&once), &arena, &url, &err) == 0);
        DV_FUZZ_CHECK(!url.has_user && !url.has_password);
        DV_FUZZ_CHECK(dv_url_add_public(&twice, &url) == 0);
        DV_FUZZ_CHECK(dv_slice_eq(dv_buf_slice(&once), dv_buf_slice(&twice)));
    }
    dv_buf_fini(&once);
    dv_buf_fini(&twice);
    dv_arena_fini(&arena);
    return 0;
}
