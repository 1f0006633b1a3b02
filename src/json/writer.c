/* See writer.h. */
#include "json/writer.h"

#include <assert.h>

#include "base/utf8.h"

void dv_json_writer_init(struct dv_json_writer *w, struct dv_buf *out)
{
    memset(w, 0, sizeof(*w));
    w->out = out;
}

static void item(struct dv_json_writer *w)
{
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    if (w->comma[w->depth])
        dv_buf_add_char(w->out, ',');
    w->comma[w->depth] = true;
}

static void begin(struct dv_json_writer *w, char c)
{
    item(w);
    assert(w->depth < DV_JSON_WRITER_DEPTH);
    w->comma[++w->depth] = false;
    dv_buf_add_char(w->out, c);
}

static void end(struct dv_json_writer *w, char c)
{
    assert(w->depth > 0 && !w->after_key);
    w->depth--;
    dv_buf_add_char(w->out, c);
}

void dv_json_begin_object(struct dv_json_writer *w)
{
    begin(w, '{');
}

void dv_json_end_object(struct dv_json_writer *w)
{
    end(w, '}');
}

void dv_json_begin_array(struct dv_json_writer *w)
{
    begin(w, '[');
}

void dv_json_end_array(struct dv_json_writer *w)
{
    end(w, ']');
}

void dv_json_key_slice(struct dv_json_writer *w, struct dv_slice key)
{
    item(w);
    dv_json_quote(w->out, key);
    dv_buf_add_char(w->out, ':');
    w->after_key = true;
}

void dv_json_key(struct dv_json_writer *w, const char *key)
{
    dv_json_key_slice(w, dv_slice_str(key));
}

void dv_json_string(struct dv_json_writer *w, struct dv_slice s)
{
    item(w);
    dv_json_quote(w->out, s);
}

void dv_json_cstring(struct dv_json_writer *w, const char *s)
{
    dv_json_string(w, dv_slice_str(s));
}

void dv_json_number(struct dv_json_writer *w, int64_t v)
{
    item(w);
    dv_buf_printf(w->out, "%lld", (long long)v);
}

void dv_json_unsigned(struct dv_json_writer *w, uint64_t v)
{
    item(w);
    dv_buf_printf(w->out, "%llu", (unsigned long long)v);
}

void dv_json_bool(struct dv_json_writer *w, bool v)
{
    item(w);
    dv_buf_add_str(w->out, v ? "true" : "false");
}

void dv_json_null(struct dv_json_writer *w)
{
    item(w);
    dv_buf_add_str(w->out, "null");
}

void dv_json_raw(struct dv_json_writer *w, struct dv_slice json)
{
    item(w);
    dv_buf_add_slice(w->out, json);
}

static void add_escape(struct dv_buf *out, unsigned char c)
{
    static const char names[] = "\bb\ff\nn\rr\tt\"\"\\\\";
    const char *p;

    for (p = names; *p; p += 2)
        if ((unsigned char)*p == c)
            break;
    if (*p) {
        dv_buf_add_char(out, '\\');
        dv_buf_add_char(out, p[1]);
    } else {
        dv_buf_printf(out, "\\u%04x", (unsigned)c);
    }
}

int dv_json_quote(struct dv_buf *out, struct dv_slice s)
{
    const unsigned char *p = (const unsigned char *)s.p, *end = p + s.n;

    dv_buf_add_char(out, '"');
    while (p < end) {
        const unsigned char *from = p;
        size_t len;

        while (p < end && *p >= 0x20 && *p < 0x7f && *p != '"' && *p != '\\')
            p++;
        dv_buf_add(out, from, (size_t)(p - from));
        if (p == end)
            break;
        len = *p >= 0x80 ? dv_utf8_length(dv_slice(p, (size_t)(end - p))) : 0;
        if (len > 0)
            dv_buf_add(out, p, len);
        else if (*p >= 0x80)
            dv_buf_add_str(out, "\xef\xbf\xbd");
        else if (*p == 0x7f)
            dv_buf_add_char(out, 0x7f);
        else
            add_escape(out, *p);
        p += len ? len : 1;
    }
    return dv_buf_add_char(out, '"');
}
