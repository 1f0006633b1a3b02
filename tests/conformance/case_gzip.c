/* attachments that are compressed, by us or before they came. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "conformance/cf.h"

/* The stored bytes of what COMPRESS makes of a text. */
static struct dv_att_info compress(struct cf *c, struct dv_slice text, struct dv_buf *stored)
{
    struct dv_att_info info;

    CF_OK(cf_att_write(c->store, NULL, DV_ATT_COMPRESS, text, 1000, &info, &c->err));
    dv_buf_init(stored, CF_ANY);
    CF_OK(cf_att_read(c->store, NULL, &info.key, 0, UINT64_MAX, stored, &c->err));
    return info;
}

static void fill(struct dv_buf *text, size_t n)
{
    dv_buf_init(text, CF_ANY);
    for (int i = 0; text->n < n; i++)
        dv_buf_printf(text, "line %d of a text that compresses well\n", i);
    text->n = n;
}

static void what_is_compressed_is_stored_as_gzip(struct cf *c)
{
    static const unsigned char hello_md5[] = "\x5d\x41\x40\x2a\xbc\x4b\x2a\x76"
                                             "\xb9\x71\x9d\x91\x10\x17\xc5\x92";
    struct dv_att_info info;
    struct dv_buf stored, text;

    cf_create(c);
    info = compress(c, cf_str("hello"), &stored);
    ck_assert_int_eq(info.key.encoding, DV_ENC_GZIP);
    ck_assert_uint_eq(info.decoded_bytes, 5);
    ck_assert_uint_eq(info.stored_bytes, stored.n);
    ck_assert_mem_eq(info.md5_decoded, hello_md5, 16);
    ck_assert_mem_ne(info.md5_stored, hello_md5, 16);
    ck_assert_mem_eq(stored.p, "\x1f\x8b\x08", 3);
    dv_buf_fini(&stored);
    fill(&text, 1 << 20);
    info = compress(c, dv_buf_slice(&text), &stored);
    ck_assert_uint_eq(info.decoded_bytes, 1 << 20);
    ck_assert_uint_lt(info.stored_bytes, 1 << 18);
    dv_buf_fini(&stored);
    dv_buf_fini(&text);
}

static void what_comes_encoded_is_stored_as_it_comes(struct cf *c)
{
    struct dv_att_info ours, theirs;
    struct dv_buf stored, text;

    cf_create(c);
    fill(&text, 300000);
    ours = compress(c, dv_buf_slice(&text), &stored);
    CF_OK(
        cf_att_write(c->store, NULL, DV_ATT_ENCODED, dv_buf_slice(&stored), 17, &theirs, &c->err));
    ck_assert_mem_eq(&ours.key, &theirs.key, sizeof(ours.key));
    ck_assert_uint_eq(theirs.decoded_bytes, 300000);
    ck_assert_mem_eq(ours.md5_stored, theirs.md5_stored, 16);
    ck_assert_mem_eq(ours.md5_decoded, theirs.md5_decoded, 16);
    ck_assert_uint_eq(cf_account(c).attachments, 1);
    dv_buf_fini(&stored);
    dv_buf_fini(&text);
}

static int write_encoded(struct cf *c, struct dv_slice bytes, uint64_t max)
{
    struct dv_att_writer *w;
    struct dv_att_info info;
    int rc;

    CF_OK(dv_att_writer_open(c->store, NULL, DV_ATT_ENCODED, max, &w, &c->err));
    rc = dv_att_writer_append(w, bytes, &c->err);
    if (rc == 0)
        return dv_att_writer_finish(w, &info, &c->err);
    ck_assert_int_eq(dv_att_writer_append(w, bytes, &c->err), rc);
    ck_assert_int_eq(dv_att_writer_finish(w, &info, &c->err), rc);
    return rc;
}

static void broken_gzip_is_refused_and_leaves_nothing(struct cf *c)
{
    struct dv_att_info info;
    struct dv_buf good, text;

    cf_create(c);
    fill(&text, 5000);
    info = compress(c, dv_buf_slice(&text), &good);
    dv_att_forget(c->store, &info.key);
    cf_compact(c, 0);
    CF_FAILS(write_encoded(c, cf_str("this is no gzip"), 0), DV_EINVAL);
    CF_FAILS(write_encoded(c, cf_str(""), 0), DV_EINVAL);
    for (size_t n = 1; n < good.n; n += 7)
        CF_FAILS(write_encoded(c, dv_slice(good.p, n), 0), DV_EINVAL);
    for (size_t i = 10; i < good.n; i += 7) {
        good.p[i] = (char)(good.p[i] ^ 0x10);
        CF_FAILS(write_encoded(c, dv_buf_slice(&good), 0), DV_EINVAL);
        good.p[i] = (char)(good.p[i] ^ 0x10);
    }
    ck_assert_uint_eq(cf_account(c).attachments, 0);
    ck_assert_uint_eq(cf_account(c).chunks, 0);
    CF_OK(write_encoded(c, dv_buf_slice(&good), 0));
    dv_buf_fini(&good);
    dv_buf_fini(&text);
}

static void a_gzip_bomb_is_too_big(struct cf *c)
{
    struct dv_att_info info;
    struct dv_buf bomb, zeros;

    cf_create(c);
    dv_buf_init(&zeros, CF_ANY);
    ck_assert_int_eq(dv_buf_reserve(&zeros, 4 << 20), 0);
    memset(zeros.p, 0, 4 << 20);
    zeros.n = 4 << 20;
    info = compress(c, dv_buf_slice(&zeros), &bomb);
    ck_assert_uint_lt(info.stored_bytes, 10000);
    CF_FAILS(write_encoded(c, dv_buf_slice(&bomb), 1 << 20), DV_ETOOBIG);
    CF_FAILS(write_encoded(c, dv_buf_slice(&bomb), (4 << 20) - 1), DV_ETOOBIG);
    CF_FAILS(write_encoded(c, dv_buf_slice(&bomb), 100), DV_ETOOBIG);
    CF_OK(write_encoded(c, dv_buf_slice(&bomb), 4 << 20));
    dv_buf_fini(&bomb);
    dv_buf_fini(&zeros);
}

static const struct cf_case cases[] = {
    CF_CASE(what_is_compressed_is_stored_as_gzip, 0),
    CF_CASE(what_comes_encoded_is_stored_as_it_comes, 0),
    CF_CASE(broken_gzip_is_refused_and_leaves_nothing, 0),
    CF_CASE(a_gzip_bomb_is_too_big, 0),
};
CF_GROUP(cf_gzip, "attachments: gzip");
