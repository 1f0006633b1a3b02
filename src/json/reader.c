/* The reader. See reader.h.
 *
 * yajl runs with multiple values allowed, so that one handle serves many documents; that there is
 * exactly one value is counted here. Positions: yajl tells where a token ends; between the end of
 * one event's token and the start of the next only white space, ',' and ':' can stand, so the start
 * is found by skipping those (`cursor`), also over the border of chunks.
 *
 * yajl lexes a token that a chunk's end cuts again from its start with each further chunk, which is
 * quadratic in a long string. So it never gets to see one: the tail of a chunk waits in `held`
 * until the token is whole. */
#include "json/reader.h"

#include <math.h>
#include <setjmp.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>
#include <yajl/yajl_parse.h>

#include "base/buf.h"
#include "base/mem.h"
#include "json/scan.h"

enum { DEPTH_DEFAULT = 512, HELD_KEPT = 64 * 1024 };

/* In front of each of yajl's allocations. */
struct block {
    struct block *next, **link;
    alignas(max_align_t) char data[];
};

struct dv_json_reader {
    struct dv_json_limits limits;
    dv_json_fn *fn;
    void *arg;
    yajl_handle yajl; /* owned; NULL after an error */
    yajl_alloc_funcs funcs;
    struct block *blocks; /* all that yajl holds */
    jmp_buf no_memory;
    struct dv_json_scan scan;
    struct dv_buf held;    /* a cut token, from its start */
    uint64_t total;        /* bytes yajl has seen before `chunk` */
    uint64_t cursor;       /* where the next token starts, or before the white space ahead of it */
    struct dv_slice chunk; /* in work, borrowed */
    unsigned depth;
    unsigned values; /* at the top: at most one */
    int code;        /* first failure */
    struct dv_err *err;
};

static int bad(struct dv_json_reader *r)
{
    r->code = dv_err_set(r->err, DV_EUTF8, "invalid UTF-8 JSON");
    return r->code;
}

static bool is_between(char c)
{
    return c == ' ' || c == ',' || c == ':' || c == '\n' || c == '\r' || c == '\t';
}

/* Move the cursor over what may stand between tokens, up to `limit` of the chunk. */
static void skip_between(struct dv_json_reader *r, size_t limit)
{
    size_t i;

    if (r->cursor < r->total)
        return; /* the token began in an earlier chunk */
    i = (size_t)(r->cursor - r->total);
    while (i < limit && is_between(r->chunk.p[i]))
        i++;
    r->cursor = r->total + i;
}

static int emit(struct dv_json_reader *r, enum dv_json_type type, struct dv_slice text,
                bool boolean)
{
    size_t used = yajl_get_bytes_consumed(r->yajl);
    struct dv_json_event ev = { .type = type, .text = text, .boolean = boolean };
    int rc;

    skip_between(r, used);
    ev.start = r->cursor;
    ev.end = r->total + used;
    if (ev.start >= r->total)
        ev.raw = dv_slice(r->chunk.p + (ev.start - r->total), (size_t)(ev.end - ev.start));
    if (type == DV_JSON_OBJECT_END || type == DV_JSON_ARRAY_END)
        r->depth--;
    ev.depth = r->depth;
    if (r->depth == 0 && type != DV_JSON_OBJECT_END && type != DV_JSON_ARRAY_END &&
        r->values++ > 0) {
        bad(r);
        return 0;
    }
    if (type == DV_JSON_OBJECT || type == DV_JSON_ARRAY)
        r->depth++;
    if (r->depth > r->limits.depth) {
        r->code =
            dv_err_set(r->err, DV_ETOOBIG, "JSON is nested deeper than %u levels", r->limits.depth);
        return 0;
    }
    r->cursor = ev.end;
    rc = r->fn(r->arg, &ev, r->err);
    if (rc < 0)
        r->code = rc;
    return rc >= 0;
}

static const struct dv_slice none;

static int on_null(void *arg)
{
    return emit(arg, DV_JSON_NULL, none, false);
}

static int on_boolean(void *arg, int value)
{
    return emit(arg, DV_JSON_BOOL, none, value != 0);
}

/* Only a number with an exponent or hundreds of digits can leave the range of doubles. 0, DV_EUTF8,
 * or DV_ENOMEM. */
static int check_finite(const char *p, size_t n)
{
    bool exponent = memchr(p, 'e', n) || memchr(p, 'E', n);
    char small[512], *text = small;
    bool finite;

    if (!exponent && (n < 300 || !memchr(p, '.', n)))
        return 0; /* an integer may be of any size */
    if (n >= sizeof(small))
        text = dv_malloc(n + 1);
    if (!text)
        return DV_ENOMEM;
    memcpy(text, p, n);
    text[n] = '\0';
    finite = isfinite(strtod(text, NULL)) != 0;
    if (text != small)
        dv_free(text);
    return finite ? 0 : DV_EUTF8;
}

static int on_number(void *arg, const char *p, size_t n)
{
    struct dv_json_reader *r = arg;
    int rc = r->limits.any_number ? 0 : check_finite(p, n);

    if (rc < 0) {
        r->code = dv_err_set(r->err, rc, NULL);
        return 0;
    }
    return emit(r, DV_JSON_NUMBER, dv_slice(p, n), false);
}

static int on_string(void *arg, const unsigned char *p, size_t n)
{
    return emit(arg, DV_JSON_STRING, dv_slice(p, n), false);
}

static int on_key(void *arg, const unsigned char *p, size_t n)
{
    return emit(arg, DV_JSON_KEY, dv_slice(p, n), false);
}

static int on_object(void *arg)
{
    return emit(arg, DV_JSON_OBJECT, none, false);
}

static int on_object_end(void *arg)
{
    return emit(arg, DV_JSON_OBJECT_END, none, false);
}

static int on_array(void *arg)
{
    return emit(arg, DV_JSON_ARRAY, none, false);
}

static int on_array_end(void *arg)
{
    return emit(arg, DV_JSON_ARRAY_END, none, false);
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_boolean,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_start_map = on_object,
    .yajl_map_key = on_key,
    .yajl_end_map = on_object_end,
    .yajl_start_array = on_array,
    .yajl_end_array = on_array_end,
};

/* yajl does not look at what its allocator returns and would write through NULL. So a failed
 * allocation jumps out of yajl to the call that entered it, and everything yajl held is freed by
 * our own list. */
static void *link_block(struct dv_json_reader *r, struct block *b)
{
    if (!b)
        longjmp(r->no_memory, 1);
    b->next = r->blocks;
    b->link = &r->blocks;
    if (b->next)
        b->next->link = &b->next;
    r->blocks = b;
    return b->data;
}

static struct block *unlink_block(void *p)
{
    struct block *b = (struct block *)(void *)((char *)p - offsetof(struct block, data));

    *b->link = b->next;
    if (b->next)
        b->next->link = b->link;
    return b;
}

static void *alloc_for_yajl(void *ctx, size_t n)
{
    return link_block(ctx, dv_malloc(sizeof(struct block) + n));
}

static void *realloc_for_yajl(void *ctx, void *p, size_t n)
{
    struct block *b, *bigger;

    if (!p)
        return alloc_for_yajl(ctx, n);
    b = unlink_block(p);
    bigger = dv_realloc(b, sizeof(*b) + n);
    if (!bigger)
        link_block(ctx, b); /* so that it is freed with the others */
    return link_block(ctx, bigger);
}

static void free_for_yajl(void *ctx, void *p)
{
    (void)ctx;
    if (p)
        dv_free(unlink_block(p));
}

static void drop_yajl(struct dv_json_reader *r)
{
    while (r->blocks) {
        struct block *next = r->blocks->next;

        dv_free(r->blocks);
        r->blocks = next;
    }
    r->yajl = NULL;
}

/* Under setjmp. */
static void start_yajl(struct dv_json_reader *r)
{
    r->funcs = (yajl_alloc_funcs){ alloc_for_yajl, realloc_for_yajl, free_for_yajl, r };
    r->yajl = yajl_alloc(&callbacks, &r->funcs, r);
    yajl_config(r->yajl, yajl_dont_validate_strings, 1); /* the scan has done it */
    yajl_config(r->yajl, yajl_allow_multiple_values, 1);
}

int dv_json_reader_new(const struct dv_json_limits *limits, dv_json_fn *fn, void *arg,
                       struct dv_json_reader **out, struct dv_err *err)
{
    struct dv_json_reader *r = dv_calloc(1, sizeof(*r));

    if (!r)
        return dv_err_set(err, DV_ENOMEM, NULL);
    if (limits)
        r->limits = *limits;
    if (!r->limits.depth)
        r->limits.depth = DEPTH_DEFAULT;
    r->fn = fn;
    dv_buf_init(&r->held, SIZE_MAX / 2); /* the ceilings are the scan's */
    dv_json_reader_reset(r, arg);
    *out = r;
    return 0;
}

void dv_json_reader_free(struct dv_json_reader *r)
{
    if (!r)
        return;
    drop_yajl(r);
    dv_buf_fini(&r->held);
    dv_free(r);
}

void dv_json_reader_reset(struct dv_json_reader *r, void *arg)
{
    bool clean = r->code == 0 && r->depth == 0 && r->values == 1 && dv_json_scan_at_end(&r->scan);

    if (!clean)
        drop_yajl(r); /* it remembers an unfinished document */
    r->arg = arg;
    dv_json_scan_init(&r->scan, r->limits.string_bytes);
    dv_buf_reset(&r->held);
    if (r->held.capacity > HELD_KEPT)
        dv_buf_fini(&r->held);
    r->total = r->cursor = 0;
    r->depth = r->values = 0;
    r->code = 0;
}

void dv_json_reader_stop(struct dv_json_reader *r, int code)
{
    r->code = code;
}

static int parse(struct dv_json_reader *r, struct dv_slice bytes)
{
    yajl_status status;

    if (setjmp(r->no_memory)) {
        drop_yajl(r);
        return r->code = dv_err_set(r->err, DV_ENOMEM, NULL);
    }
    if (!r->yajl)
        start_yajl(r);
    status = yajl_parse(r->yajl, (const unsigned char *)bytes.p, bytes.n);
    if (r->code == 0 && status != yajl_status_ok)
        bad(r);
    return r->code;
}

static int parse_piece(struct dv_json_reader *r, struct dv_slice piece)
{
    r->chunk = piece;
    if (parse(r, piece) < 0)
        return r->code;
    skip_between(r, piece.n);
    r->total += piece.n;
    return 0;
}

static int hold(struct dv_json_reader *r, struct dv_slice bytes)
{
    int rc = dv_buf_add_slice(&r->held, bytes);

    return rc < 0 ? (r->code = dv_err_set(r->err, rc, NULL)) : 0;
}

/* Up to the token that is still open to yajl, behind what was held before; that token is held. */
static int take(struct dv_json_reader *r, struct dv_slice bytes)
{
    size_t open = dv_json_scan_open(&r->scan);
    struct dv_slice whole = bytes, tail;

    if (open > bytes.n)
        return hold(r, bytes); /* it goes on from an earlier chunk */
    whole.n -= open;
    tail = dv_slice(bytes.p + whole.n, open);
    if (r->held.n > 0) {
        if (hold(r, whole) < 0)
            return r->code;
        whole = dv_buf_slice(&r->held);
    }
    if (whole.n > 0 && parse_piece(r, whole) < 0)
        return r->code;
    dv_buf_reset(&r->held);
    return open > 0 ? hold(r, tail) : 0;
}

int dv_json_reader_feed(struct dv_json_reader *r, struct dv_slice bytes, struct dv_err *err)
{
    enum dv_json_scan_result scan;

    if (r->code < 0)
        return r->code;
    if (bytes.n == 0)
        return 0;
    r->err = err;
    if (r->limits.total_bytes && bytes.n > r->limits.total_bytes - r->total - r->held.n)
        return r->code = dv_err_set(err, DV_ETOOBIG, "JSON is longer than %llu bytes",
                                    (unsigned long long)r->limits.total_bytes);
    scan = dv_json_scan_feed(&r->scan, bytes);
    if (scan == DV_SCAN_LONG)
        return r->code = dv_err_set(err, DV_ETOOBIG, "JSON has a string longer than %zu bytes",
                                    r->limits.string_bytes);
    if (scan == DV_SCAN_BAD)
        return bad(r);
    return take(r, bytes);
}

int dv_json_reader_end(struct dv_json_reader *r, struct dv_err *err)
{
    if (r->code < 0)
        return r->code;
    r->err = err;
    if (!dv_json_scan_at_end(&r->scan))
        return bad(r);
    /* A number at the end is complete only with a byte behind it. */
    if (hold(r, DV_SLICE_LIT(" ")) < 0 || parse_piece(r, dv_buf_slice(&r->held)) < 0)
        return r->code;
    if (r->values != 1 || r->depth != 0)
        return bad(r);
    return 0;
}

int dv_json_read(struct dv_slice text, const struct dv_json_limits *limits, dv_json_fn *fn,
                 void *arg, struct dv_err *err)
{
    struct dv_json_reader *r = NULL;
    int rc = dv_json_reader_new(limits, fn, arg, &r, err);

    if (rc < 0)
        return rc;
    rc = dv_json_reader_feed(r, text, err);
    if (rc == 0)
        rc = dv_json_reader_end(r, err);
    dv_json_reader_free(r);
    return rc;
}
