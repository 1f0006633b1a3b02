/* See httpstep.h. */
#include "lib/httpstep.h"

#include <ctype.h>
#include <stdlib.h>

#include "couch/document.h"
#include "lib/check_main.h"
#include "lib/jsonl.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return (c | 32) - 'a' + 10;
}

static struct dv_slice decode(struct dv_slice s, struct dv_arena *arena)
{
    struct dv_slice copy = dv_arena_copy(arena, s);
    char *out = (char *)(uintptr_t)copy.p;
    size_t n = 0;

    ck_assert_ptr_nonnull(out);
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '%' && i + 2 < s.n && isxdigit((unsigned char)s.p[i + 1])) {
            out[n++] = (char)(hex_digit(s.p[i + 1]) << 4 | hex_digit(s.p[i + 2]));
            i += 2;
        } else {
            out[n++] = s.p[i];
        }
    }
    out[n] = '\0';
    return dv_slice(out, n);
}

/* What stands before the first c; *rest is what stands behind it. */
static struct dv_slice cut(struct dv_slice s, char c, struct dv_slice *rest)
{
    const char *at = s.n ? memchr(s.p, c, s.n) : NULL;

    if (!at) {
        *rest = dv_slice(NULL, 0);
        return s;
    }
    *rest = dv_slice(at + 1, s.n - (size_t)(at + 1 - s.p));
    return dv_slice(s.p, (size_t)(at - s.p));
}

static void read_path(struct httpstep *s, struct dv_slice path, struct dv_arena *arena)
{
    struct dv_slice query, rest;

    path = cut(path, '?', &query);
    rest = dv_slice(path.p + 1, path.n - 1);
    while (rest.n > 0) {
        struct dv_slice segment = cut(rest, '/', &rest);

        ck_assert_uint_lt(s->n_segments, HTTPSTEP_SEGMENTS);
        s->segments[s->n_segments++] = decode(segment, arena);
    }
    while (query.n > 0) {
        struct dv_slice value, param = cut(query, '&', &query);

        ck_assert_uint_lt(s->n_params, HTTPSTEP_PARAMS);
        param = cut(param, '=', &value);
        s->keys[s->n_params] = decode(param, arena);
        s->values[s->n_params++] = decode(value, arena);
    }
}

static struct dv_slice read_body(const struct dv_json *message, struct dv_arena *arena)
{
    const struct dv_json *base64 = dv_json_get(message, "body_base64");
    struct dv_slice bytes;
    struct dv_buf b;

    if (!base64)
        return dv_json_str(dv_json_get(message, "body"));
    dv_buf_init(&b, 1 << 20);
    ck_assert(dv_base64_decode(base64->text, &b));
    bytes = dv_arena_copy(arena, dv_buf_slice(&b));
    dv_buf_fini(&b);
    return bytes;
}

void httpstep_read(const struct dv_json *line, struct dv_arena *arena, struct httpstep *s)
{
    const struct dv_json *request = jsonl_get(line, "request");
    const struct dv_json *response = jsonl_get(line, "response");

    memset(s, 0, sizeof(*s));
    ck_assert(dv_json_int(jsonl_get(line, "n"), &s->number));
    ck_assert(dv_json_int(jsonl_get(response, "status"), &s->status));
    s->needs = dv_json_str(jsonl_get(line, "needs"));
    s->name = dv_json_str(jsonl_get(line, "step"));
    s->method = dv_json_str(jsonl_get(request, "method"));
    s->headers = dv_json_get(request, "headers");
    s->answer_headers = dv_json_get(response, "headers");
    read_path(s, dv_json_str(jsonl_get(request, "path")), arena);
    s->body = read_body(request, arena);
    s->answer = read_body(response, arena);
}

bool httpstep_is(const struct httpstep *s, const char *method)
{
    return dv_slice_eq_str(s->method, method);
}

struct dv_slice httpstep_param(const struct httpstep *s, const char *key)
{
    for (size_t i = 0; i < s->n_params; i++)
        if (dv_slice_eq_str(s->keys[i], key))
            return s->values[i];
    return dv_slice(NULL, 0);
}

bool httpstep_true(const struct httpstep *s, const char *key)
{
    return dv_slice_eq_str(httpstep_param(s, key), "true");
}

uint64_t httpstep_number(const struct httpstep *s, const char *key, uint64_t absent)
{
    struct dv_slice v = httpstep_param(s, key);

    return v.n ? strtoull(v.p, NULL, 10) : absent;
}

struct dv_slice httpstep_header(const struct httpstep *s, const char *name)
{
    return dv_json_str(dv_json_get(s->headers, name));
}

struct dv_slice httpstep_cut_seqs(struct dv_slice text, struct dv_arena *arena)
{
    char *out = dv_arena_alloc(arena, text.n + 1);
    size_t n = 0;

    ck_assert_ptr_nonnull(out);
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '-' && text.n - i > 4 &&
            (!memcmp(text.p + i, "-g1A", 4) || !memcmp(text.p + i, "-g2w", 4)))
            while (i < text.n && text.p[i] != '"')
                i++;
        if (i < text.n)
            out[n++] = text.p[i];
    }
    out[n] = '\0';
    return dv_slice(out, n);
}
