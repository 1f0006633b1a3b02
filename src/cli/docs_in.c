/* See docs_in.h. The window holds what was read and not yet handed on: it begins at `window_at` of
 * the whole input, where a line, or a document of the array, begins. */
#include "cli/docs_in.h"

#include "json/reader.h"

enum { STEP_BYTES = 64 * 1024 };

/* One document with attachments inline; as for `doc put`. */
#define WINDOW_BYTES_MAX ((size_t)256 << 20)

struct docs_in {
    struct dv_input *in;
    dv_doc_in_fn *fn;
    void *arg;
    struct dv_buf window;
    uint64_t window_at;
    /* of {"docs":[...]} alone */
    bool replicated;
    bool in_docs;   /* between the brackets */
    bool docs_next; /* the key "docs" came */
    bool new_edits_next;
    bool in_value;     /* between the braces of a document */
    uint64_t value_at; /* where it begins */
};

static int read_step(struct docs_in *d, size_t *got, struct dv_err *err)
{
    char step[STEP_BYTES];
    int code = dv_input_read(d->in, step, sizeof(step), got, err);

    if (code < 0)
        return code;
    if (dv_buf_add(&d->window, step, *got) == 0)
        return 0;
    return d->window.failed == DV_ETOOBIG
               ? dv_err_set(err, DV_ETOOBIG, "%s holds a document of more than %zu MiB",
                            d->in->name, WINDOW_BYTES_MAX >> 20)
               : dv_err_set(err, d->window.failed, "no memory for a document");
}

static void drop_window(struct docs_in *d, size_t n)
{
    memmove(d->window.p, d->window.p + n, d->window.n - n);
    d->window.n -= n;
    d->window_at += n;
}

/* ---- lines ------------------------------------------------------------------------------ */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static struct dv_slice trim(struct dv_slice s)
{
    while (s.n > 0 && is_space(s.p[0]))
        s = dv_slice(s.p + 1, s.n - 1);
    while (s.n > 0 && is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

static int give_line(struct docs_in *d, struct dv_slice line, struct dv_err *err)
{
    line = trim(line);
    return line.n ? d->fn(d->arg, line, err) : 0;
}

/* Whole lines of the window; `from` is where no newline was seen yet. */
static int give_lines(struct docs_in *d, size_t from, struct dv_err *err)
{
    size_t begin = 0;
    int code = 0;

    while (code == 0) {
        const char *end = memchr(d->window.p + from, '\n', d->window.n - from);

        if (!end)
            break;
        from = (size_t)(end - d->window.p) + 1;
        code = give_line(d, dv_slice(d->window.p + begin, from - begin), err);
        begin = from;
    }
    drop_window(d, begin);
    return code;
}

static int read_lines(struct docs_in *d, struct dv_err *err)
{
    size_t got = d->window.n, seen = 0;
    int code = 0;

    while (code == 0 && got > 0) {
        if ((code = give_lines(d, seen, err)) != 0)
            return code;
        seen = d->window.n;
        code = read_step(d, &got, err);
    }
    return code == 0 ? give_line(d, dv_buf_slice(&d->window), err) : code;
}

/* ---- {"docs":[...]} --------------------------------------------------------------------- */

static int take_member(struct docs_in *d, const struct dv_json_event *ev, struct dv_err *err)
{
    if (ev->type == DV_JSON_KEY) {
        d->docs_next = dv_slice_eq_str(ev->text, "docs");
        d->new_edits_next = dv_slice_eq_str(ev->text, "new_edits");
        return d->docs_next || d->new_edits_next
                   ? 0
                   : dv_err_set(err, DV_EINVAL, "a member that is not known beside \"docs\"");
    }
    if (d->new_edits_next)
        return ev->type == DV_JSON_BOOL && ev->boolean == !d->replicated
                   ? 0
                   : dv_err_set(err, DV_EINVAL, "\"new_edits\":false and --replicated go together");
    if (ev->type == DV_JSON_ARRAY_END)
        d->in_docs = false;
    else if (d->docs_next && ev->type == DV_JSON_ARRAY)
        d->in_docs = true;
    else
        return dv_err_set(err, DV_EINVAL, "\"docs\" must be an array");
    return 0;
}

static int give_value(struct docs_in *d, uint64_t start, uint64_t end, struct dv_err *err)
{
    d->in_value = false;
    return d->fn(d->arg, dv_slice(d->window.p + (start - d->window_at), end - start), err);
}

static int take_event(void *arg, const struct dv_json_event *ev, struct dv_err *err)
{
    struct docs_in *d = arg;

    if (ev->depth == 1)
        return take_member(d, ev, err);
    if (ev->depth != 2 || !d->in_docs)
        return 0;
    if (ev->type == DV_JSON_OBJECT || ev->type == DV_JSON_ARRAY) {
        d->in_value = true;
        d->value_at = ev->start;
        return 0;
    }
    if (ev->type == DV_JSON_OBJECT_END || ev->type == DV_JSON_ARRAY_END)
        return give_value(d, d->value_at, ev->end, err);
    return give_value(d, ev->start, ev->end, err);
}

static int feed_steps(struct docs_in *d, struct dv_json_reader *reader, struct dv_err *err)
{
    size_t got = d->window.n;
    int code = 0;

    while (code == 0 && got > 0) {
        code = dv_json_reader_feed(reader, dv_slice(d->window.p + d->window.n - got, got), err);
        if (code == 0)
            drop_window(d, d->in_value ? (size_t)(d->value_at - d->window_at) : d->window.n);
        if (code == 0)
            code = read_step(d, &got, err);
    }
    return code == 0 ? dv_json_reader_end(reader, err) : code;
}

static int read_array(struct docs_in *d, struct dv_err *err)
{
    static const struct dv_json_limits limits = { .depth = 0 };
    struct dv_json_reader *reader;
    int code = dv_json_reader_new(&limits, take_event, d, &reader, err);

    if (code < 0)
        return code;
    code = feed_steps(d, reader, err);
    dv_json_reader_free(reader);
    return code;
}

/* ---- which ------------------------------------------------------------------------------ */

enum begin { BEGIN_LINES, BEGIN_ARRAY, BEGIN_UNDECIDED };

/* Whether s goes on with the token: undecided when s ends inside of it. */
static enum begin goes_on(struct dv_slice s, const char *token)
{
    size_t n = strlen(token);
    size_t common = s.n < n ? s.n : n;

    if (common && memcmp(s.p, token, common) != 0)
        return BEGIN_LINES;
    return common < n ? BEGIN_UNDECIDED : BEGIN_ARRAY;
}

/* {"docs":[ or {"new_edits" with any space between: how a body for _bulk_docs begins. */
static enum begin judge_begin(struct dv_slice s)
{
    static const char *const tokens[] = { "{", "\"docs\"", ":", "[" };

    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        enum begin begin;

        while (s.n > 0 && is_space(s.p[0]))
            s = dv_slice(s.p + 1, s.n - 1);
        if (i == 1 && (begin = goes_on(s, "\"new_edits\"")) != BEGIN_LINES)
            return begin;
        if ((begin = goes_on(s, tokens[i])) != BEGIN_ARRAY)
            return begin;
        s = dv_slice(s.p + strlen(tokens[i]), s.n - strlen(tokens[i]));
    }
    return BEGIN_ARRAY;
}

int dv_docs_in_read(struct dv_input *in, bool replicated, dv_doc_in_fn *fn, void *arg,
                    struct dv_err *err)
{
    struct docs_in d = { .in = in, .fn = fn, .arg = arg, .replicated = replicated };
    enum begin begin = BEGIN_UNDECIDED;
    size_t got = 1;
    int code = 0;

    dv_buf_init(&d.window, WINDOW_BYTES_MAX);
    while (code == 0 && got > 0 && begin == BEGIN_UNDECIDED) {
        code = read_step(&d, &got, err);
        begin = judge_begin(dv_buf_slice(&d.window));
    }
    if (code == 0)
        code = begin == BEGIN_ARRAY ? read_array(&d, err) : read_lines(&d, err);
    dv_buf_fini(&d.window);
    return code;
}
