/* Writing of Erlang terms; see etf.h. Tags and lengths are big-endian, the digits of big
 * integers little-endian. */
#include "couch/etf.h"

#include <assert.h>

enum {
    VERSION = 131,
    NEW_FLOAT = 70,
    SMALL_INTEGER = 97,
    INTEGER = 98,
    ATOM = 100, /* minor version 1 still writes Latin-1 atoms */
    SMALL_TUPLE = 104,
    NIL = 106,
    STRING = 107,
    LIST = 108,
    BINARY = 109,
    SMALL_BIG = 110,
    STRING_ITEMS_MAX = 65535,
    LIST_HEADER = 5,
    STRING_HEADER = 3,
};

static int put_header(struct dv_buf *b, int tag, uint64_t v, int bytes)
{
    char h[9];

    h[0] = (char)tag;
    for (int i = bytes; i > 0; i--, v >>= 8)
        h[i] = (char)(v & 0xff);
    return dv_buf_add(b, h, (size_t)bytes + 1);
}

int dv_etf_begin(struct dv_buf *b)
{
    return dv_buf_add_char(b, (char)VERSION);
}

static int put_big(struct dv_buf *b, uint64_t v, bool negative)
{
    char h[3 + 8] = { SMALL_BIG, 0, negative };
    int n = 0;

    for (; v; v >>= 8)
        h[3 + n++] = (char)(v & 0xff);
    h[1] = (char)n;
    return dv_buf_add(b, h, (size_t)n + 3);
}

int dv_etf_uint(struct dv_buf *b, uint64_t v)
{
    if (v <= 255)
        return put_header(b, SMALL_INTEGER, v, 1);
    if (v <= INT32_MAX)
        return put_header(b, INTEGER, v, 4);
    return put_big(b, v, false);
}

int dv_etf_int(struct dv_buf *b, int64_t v)
{
    if (v >= 0)
        return dv_etf_uint(b, (uint64_t)v);
    if (v >= INT32_MIN)
        return put_header(b, INTEGER, (uint64_t)v, 4);
    return put_big(b, ~(uint64_t)v + 1, true);
}

int dv_etf_atom(struct dv_buf *b, const char *name)
{
    size_t n = strlen(name);

    assert(n <= 255);
    put_header(b, ATOM, n, 2);
    return dv_buf_add(b, name, n);
}

int dv_etf_bool(struct dv_buf *b, bool v)
{
    return dv_etf_atom(b, v ? "true" : "false");
}

int dv_etf_binary(struct dv_buf *b, struct dv_slice bytes)
{
    if (bytes.n > UINT32_MAX)
        return dv_buf_reserve(b, SIZE_MAX); /* fails */
    put_header(b, BINARY, bytes.n, 4);
    return dv_buf_add_slice(b, bytes);
}

int dv_etf_float(struct dv_buf *b, double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof(bits));
    return put_header(b, NEW_FLOAT, bits, 8);
}

int dv_etf_nil(struct dv_buf *b)
{
    return dv_buf_add_char(b, NIL);
}

int dv_etf_tuple(struct dv_buf *b, size_t arity)
{
    assert(arity <= 255);
    return put_header(b, SMALL_TUPLE, arity, 1);
}

int dv_etf_string(struct dv_buf *b, struct dv_slice bytes)
{
    if (bytes.n == 0)
        return dv_etf_nil(b);
    if (bytes.n <= STRING_ITEMS_MAX) {
        put_header(b, STRING, bytes.n, 2);
        return dv_buf_add_slice(b, bytes);
    }
    put_header(b, LIST, bytes.n, 4);
    for (size_t i = 0; i < bytes.n; i++)
        dv_etf_uint(b, (unsigned char)bytes.p[i]);
    return dv_etf_nil(b);
}

size_t dv_etf_list_open(struct dv_buf *b)
{
    size_t mark = b->n;

    put_header(b, LIST, 0, 4);
    return mark;
}

/* n items of two bytes each that all begin with the tag of a small integer: by induction none of
 * them can be anything else. */
static bool is_string(const char *items, size_t bytes, size_t n)
{
    if (n > STRING_ITEMS_MAX || bytes != 2 * n)
        return false;
    for (size_t i = 0; i < bytes; i += 2)
        if (items[i] != SMALL_INTEGER)
            return false;
    return true;
}

int dv_etf_list_close(struct dv_buf *b, size_t mark, size_t n)
{
    char *p = b->p + mark;

    if (b->failed)
        return b->failed;
    if (n == 0) {
        b->n = mark;
        return dv_etf_nil(b);
    }
    if (is_string(p + LIST_HEADER, b->n - mark - LIST_HEADER, n)) {
        for (size_t i = 0; i < n; i++)
            p[STRING_HEADER + i] = p[LIST_HEADER + 2 * i + 1];
        b->n = mark;
        put_header(b, STRING, n, 2);
        b->n += n;
        return 0;
    }
    if (n > UINT32_MAX)
        return dv_buf_reserve(b, SIZE_MAX); /* fails */
    for (int i = 4; i > 0; i--, n >>= 8)
        p[i] = (char)(n & 0xff);
    return dv_etf_nil(b);
}
