/* The small rules of attachments: names, base64, digests, which types compress. */
#include <strings.h>

#include "base/utf8.h"
#include "couch/document.h"

int dv_attachment_name_check(struct dv_slice name, struct dv_err *err)
{
    if (!dv_utf8_valid(name))
        return dv_err_set(err, DV_EINVAL, "Attachment name is not UTF-8 encoded");
    if (name.n > 0 && *name.p == '_')
        return dv_err_set(err, DV_EINVAL,
                          "Attachment name '%.*s' starts with prohibited character '_'",
                          (int)(name.n > 200 ? 200 : name.n), name.p);
    return 0;
}

static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Up to four digits of a quartet; *pad counts '='. False: something else stands there. */
static bool take_quartet(struct dv_slice *s, unsigned *bits, unsigned *digits, unsigned *pad)
{
    *bits = *digits = *pad = 0;
    while (s->n > 0 && *digits + *pad < 4) {
        char c = *s->p;
        int v = sextet(c);

        s->p++;
        s->n--;
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
            continue;
        if (c == '=')
            (*pad)++;
        else if (v < 0 || *pad > 0)
            return false;
        else
            (*digits)++;
        *bits = *bits << 6 | (v > 0 ? (unsigned)v : 0);
    }
    return true;
}

bool dv_base64_decode(struct dv_slice text, struct dv_buf *out)
{
    size_t before = out->n;
    unsigned bits, digits, pad = 0;

    if (dv_buf_reserve(out, text.n / 4 * 3 + 3) < 0)
        return false;
    while (text.n > 0 && pad == 0) {
        char bytes[3];

        if (!take_quartet(&text, &bits, &digits, &pad))
            goto fail;
        if (digits == 0 && pad == 0)
            break; /* only white space was left */
        if (digits + pad != 4 || digits < 2)
            goto fail;
        bytes[0] = (char)(bits >> 16);
        bytes[1] = (char)(bits >> 8);
        bytes[2] = (char)bits;
        dv_buf_add(out, bytes, digits - 1);
    }
    while (text.n > 0) {
        if (!strchr(" \t\r\n", *text.p) || *text.p == '\0')
            goto fail;
        text.p++;
        text.n--;
    }
    return true;
fail:
    out->n = before;
    return false;
}

int dv_base64_encode(struct dv_buf *out, const void *data, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = data;
    int rc = n > SIZE_MAX / 2 ? DV_ETOOBIG : dv_buf_reserve(out, (n + 2) / 3 * 4);

    if (rc < 0)
        return rc;
    for (size_t i = 0; i < n; i += 3) {
        unsigned bits = (unsigned)p[i] << 16;

        bits |= i + 1 < n ? (unsigned)p[i + 1] << 8 : 0;
        bits |= i + 2 < n ? p[i + 2] : 0;
        out->p[out->n++] = digits[bits >> 18];
        out->p[out->n++] = digits[bits >> 12 & 63];
        out->p[out->n++] = i + 1 < n ? digits[bits >> 6 & 63] : '=';
        out->p[out->n++] = i + 2 < n ? digits[bits & 63] : '=';
    }
    return 0;
}

bool dv_md5_digest_parse(struct dv_slice text, unsigned char md5[16])
{
    struct dv_buf b;
    bool ok;

    if (!dv_slice_starts(text, "md5-") || text.n > 64)
        return false;
    dv_buf_init(&b, 64);
    ok = dv_base64_decode(dv_slice(text.p + 4, text.n - 4), &b) && b.n == 16;
    if (ok)
        memcpy(md5, b.p, 16);
    dv_buf_fini(&b);
    return ok;
}

int dv_md5_digest_add(struct dv_buf *out, const unsigned char md5[16])
{
    int rc = dv_buf_add_str(out, "md5-");

    return rc < 0 ? rc : dv_base64_encode(out, md5, 16);
}

bool dv_type_compresses(struct dv_slice type)
{
    static const char *const types[] = { "application/javascript", "application/json",
                                         "application/xml" };
    const char *end = type.n ? memchr(type.p, ';', type.n) : NULL;

    if (end)
        type.n = (size_t)(end - type.p);
    while (type.n > 0 && type.p[type.n - 1] == ' ')
        type.n--;
    if (type.n >= 5 && strncasecmp(type.p, "text/", 5) == 0)
        return true;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (type.n == strlen(types[i]) && strncasecmp(type.p, types[i], type.n) == 0)
            return true;
    return false;
}
