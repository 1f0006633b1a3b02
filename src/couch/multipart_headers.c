/* Header values with parameters, and the text of the parts we write. */
#include <ctype.h>
#include <strings.h>

#include "couch/multipart.h"

static bool same_name(struct dv_slice a, const char *b)
{
    return a.n == strlen(b) && strncasecmp(a.p, b, a.n) == 0;
}

struct dv_slice dv_multipart_header_find(const struct dv_multipart_header *headers, size_t n,
                                         const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (same_name(headers[i].name, name))
            return headers[i].value;
    return dv_slice(NULL, 0);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

struct dv_slice dv_header_main(struct dv_slice value)
{
    const char *semicolon = value.n ? memchr(value.p, ';', value.n) : NULL;

    if (semicolon)
        value.n = (size_t)(semicolon - value.p);
    while (value.n > 0 && is_space(value.p[value.n - 1]))
        value.n--;
    return value;
}

static void skip(struct dv_slice *s, size_t n)
{
    s->p += n;
    s->n -= n;
}

static void skip_spaces(struct dv_slice *s)
{
    while (s->n > 0 && is_space(*s->p))
        skip(s, 1);
}

/* A token, or a quoted string with its escapes undone into *out. False: no closing quote. */
static bool take_value(struct dv_slice *s, struct dv_arena *arena, struct dv_slice *out)
{
    char *copy;
    size_t n = 0;

    if (s->n == 0 || *s->p != '"') {
        const char *from = s->p;

        while (s->n > 0 && *s->p != ';' && !is_space(*s->p))
            skip(s, 1);
        *out = dv_slice(from, (size_t)(s->p - from));
        return true;
    }
    skip(s, 1);
    copy = dv_arena_alloc(arena, s->n + 1);
    if (!copy)
        return false;
    while (s->n > 0 && *s->p != '"') {
        if (*s->p == '\\' && s->n > 1)
            skip(s, 1);
        copy[n++] = *s->p;
        skip(s, 1);
    }
    if (s->n == 0)
        return false;
    skip(s, 1);
    *out = dv_slice(copy, n);
    return true;
}

bool dv_header_param(struct dv_slice value, const char *name, struct dv_arena *arena,
                     struct dv_slice *out)
{
    skip(&value, dv_header_main(value).n);
    for (;;) {
        struct dv_slice key, found;

        while (value.n > 0 && (*value.p == ';' || is_space(*value.p)))
            skip(&value, 1);
        key.p = value.p;
        while (value.n > 0 && *value.p != '=' && *value.p != ';' && !is_space(*value.p))
            skip(&value, 1);
        key.n = (size_t)(value.p - key.p);
        if (key.n == 0)
            return false;
        skip_spaces(&value);
        if (value.n == 0 || *value.p != '=')
            continue;
        skip(&value, 1);
        skip_spaces(&value);
        if (!take_value(&value, arena, &found))
            return false;
        if (same_name(key, name)) {
            *out = found;
            return true;
        }
    }
}

static int add_delimiter(struct dv_buf *out, struct dv_slice boundary)
{
    dv_buf_add_str(out, "--");
    return dv_buf_add_slice(out, boundary);
}

int dv_multipart_add_json(struct dv_buf *out, struct dv_slice boundary, struct dv_slice json)
{
    add_delimiter(out, boundary);
    dv_buf_add_str(out, "\r\nContent-Type: application/json\r\n\r\n");
    dv_buf_add_slice(out, json);
    return out->failed;
}

/* Control characters would end the header or the message; quotes the file name. */
static void add_safe(struct dv_buf *out, struct dv_slice s, bool quoted)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (quoted && (c == '"' || c == '\\'))
            dv_buf_add_char(out, '\\');
        dv_buf_add_char(out, c < 0x20 || c == 0x7f ? '_' : (char)c);
    }
}

int dv_multipart_add_attachment(struct dv_buf *out, struct dv_slice boundary, struct dv_slice name,
                                struct dv_slice content_type, bool gzip, uint64_t stored_bytes)
{
    dv_buf_add_str(out, "\r\n");
    add_delimiter(out, boundary);
    dv_buf_add_str(out, "\r\nContent-Disposition: attachment; filename=\"");
    add_safe(out, name, true);
    dv_buf_add_str(out, "\"\r\nContent-Type: ");
    add_safe(out, content_type, false);
    dv_buf_printf(out, "\r\nContent-Length: %llu\r\n", (unsigned long long)stored_bytes);
    if (gzip)
        dv_buf_add_str(out, "Content-Encoding: gzip\r\n");
    dv_buf_add_str(out, "\r\n");
    return out->failed;
}

int dv_multipart_add_end(struct dv_buf *out, struct dv_slice boundary)
{
    dv_buf_add_str(out, "\r\n");
    add_delimiter(out, boundary);
    dv_buf_add_str(out, "--");
    return out->failed;
}
