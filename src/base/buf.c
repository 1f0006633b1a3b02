/* Growing buffer; see buf.h. */
#include "base/buf.h"

#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"

void dv_buf_init(struct dv_buf *b, size_t max_bytes)
{
    memset(b, 0, sizeof(*b));
    b->max = max_bytes;
}

void dv_buf_fini(struct dv_buf *b)
{
    dv_free(b->p);
    b->p = NULL;
    b->n = b->capacity = 0;
}

void dv_buf_reset(struct dv_buf *b)
{
    b->n = 0;
    b->failed = 0;
}

static int fail(struct dv_buf *b, int code)
{
    if (!b->failed)
        b->failed = code;
    return code;
}

int dv_buf_grow(struct dv_buf *b, size_t more_bytes)
{
    size_t need, cap;
    char *p;

    if (more_bytes > b->max || b->n > b->max - more_bytes)
        return fail(b, DV_ETOOBIG);
    need = b->n + more_bytes;
    cap = b->capacity < 64 ? (b->max < 64 ? b->max : 64) : b->capacity;
    while (cap < need)
        cap = cap > b->max / 2 ? b->max : cap * 2;
    p = dv_realloc(b->p, cap);
    if (!p)
        return fail(b, DV_ENOMEM);
    b->p = p;
    b->capacity = cap;
    return 0;
}

int dv_buf_add_str(struct dv_buf *b, const char *s)
{
    return dv_buf_add(b, s, strlen(s));
}

int dv_buf_printf(struct dv_buf *b, const char *fmt, ...)
{
    va_list ap, again;
    char small[256];
    int n, rc;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(small, sizeof(small), fmt, ap);
    va_end(ap);
    if (n < 0) {
        rc = fail(b, DV_EINVAL);
    } else if ((size_t)n < sizeof(small)) {
        rc = dv_buf_add(b, small, (size_t)n);
    } else {
        rc = dv_buf_reserve(b, (size_t)n + 1);
        if (rc == 0) {
            vsnprintf(b->p + b->n, (size_t)n + 1, fmt, again);
            b->n += (size_t)n;
        }
    }
    va_end(again);
    return rc;
}

int dv_buf_add_hex(struct dv_buf *b, const void *p, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *u = p;
    int rc = n > SIZE_MAX / 2 ? fail(b, DV_ETOOBIG) : dv_buf_reserve(b, n * 2);

    if (rc < 0)
        return rc;
    for (size_t i = 0; i < n; i++) {
        b->p[b->n++] = digits[u[i] >> 4];
        b->p[b->n++] = digits[u[i] & 15];
    }
    return 0;
}

int dv_buf_add_varint(struct dv_buf *b, uint64_t v)
{
    char tmp[10];
    size_t n = 0;

    while (v >= 0x80) {
        tmp[n++] = (char)(unsigned char)(v | 0x80);
        v >>= 7;
    }
    tmp[n++] = (char)v;
    return dv_buf_add(b, tmp, n);
}

const char *dv_buf_cstr(struct dv_buf *b)
{
    if (dv_buf_add_char(b, '\0') < 0)
        return NULL;
    b->n--;
    return b->p;
}

char *dv_buf_take(struct dv_buf *b, size_t *n)
{
    char *p = b->p;

    if (n)
        *n = b->n;
    b->p = NULL;
    b->n = b->capacity = 0;
    return p;
}

bool dv_varint_read(struct dv_slice *s, uint64_t *v)
{
    uint64_t out = 0;

    for (size_t i = 0; i < s->n && i < 10; i++) {
        unsigned char c = (unsigned char)s->p[i];

        if (i == 9 && c > 1)
            return false;
        out |= (uint64_t)(c & 0x7f) << (7 * i);
        if (!(c & 0x80)) {
            s->p += i + 1;
            s->n -= i + 1;
            *v = out;
            return true;
        }
    }
    return false;
}
