/* See docs_in.h. The window holds what was read and not yet handed on; of lines it begins where
 * one begins. */
#include "cli/docs_in.h"

#include "json/split.h"

enum { STEP_BYTES = 64 * 1024, DEPTH_MAX = 1024 + 2 };

/* One document with attachments inline; as for `doc put`. */
#define WINDOW_BYTES_MAX ((size_t)256 << 20)

struct docs_in {
    struct dv_input *in;
    dv_doc_in_fn *fn;
    void *arg;
    struct dv_buf window;
    bool replicated;
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
    memmove(d->window.p, d->window.p + begin, d->window.n - begin);
    d->window.n -= begin;
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

static int take_element(void *arg, struct dv_slice key, struct dv_slice value, struct dv_err *err)
{
    struct docs_in *d = arg;

    (void)key;
    return d->fn(d->arg, value, err);
}

/* What is said beside the documents must not be overlooked, since they are stored as they come. */
static int take_member(void *arg, struct dv_slice key, struct dv_slice value, struct dv_err *err)
{
    const struct docs_in *d = arg;

    if (dv_slice_eq_str(key, "docs"))
        return dv_err_set(err, DV_EINVAL, "`docs` parameter must be an array.");
    if (!dv_slice_eq_str(key, "new_edits"))
        return dv_err_set(err, DV_EINVAL, "a member beside \"docs\" that is not known");
    if (!dv_slice_eq_str(value, d->replicated ? "false" : "true"))
        return dv_err_set(err, DV_EINVAL, "\"new_edits\":false and --replicated go together");
    return 0;
}

static int feed_array(struct docs_in *d, struct dv_json_split *split, struct dv_err *err)
{
    bool seen;
    int code = dv_json_split_feed(split, dv_buf_slice(&d->window), err);
    size_t got = d->window.n;

    while (code == 0 && got > 0) {
        dv_buf_reset(&d->window);
        code = read_step(d, &got, err);
        if (code == 0)
            code = dv_json_split_feed(split, dv_buf_slice(&d->window), err);
    }
    return code == 0 ? dv_json_split_end(split, &seen, err) : code;
}

static int read_array(struct docs_in *d, struct dv_err *err)
{
    struct dv_json_split_options options = { .limits = { .depth = DEPTH_MAX },
                                             .array = "docs",
                                             .item_bytes = WINDOW_BYTES_MAX,
                                             .element = take_element,
                                             .member = take_member,
                                             .arg = d };
    struct dv_json_split *split;
    int code = dv_json_split_new(&options, &split, err);

    if (code < 0)
        return code;
    code = feed_array(d, split, err);
    dv_json_split_free(split);
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
