/* The stream reader of multipart bodies. See multipart.h.
 *
 * The delimiter is CR LF "--" boundary. A CR can stand only at its first place (boundaries with
 * line ends are refused), so after a mismatch the search starts again at the current byte and no
 * backtracking is needed: what had matched is data and is the known prefix of the delimiter.
 * The body starts, and each part's body starts, as if a CR LF had just been seen: that finds a
 * delimiter at the very beginning, and the imagined bytes are never handed out (`imagined`). */
#include "couch/multipart.h"

#include "base/mem.h"

enum state {
    IN_PREAMBLE,
    AFTER_DELIMITER, /* "--" closes, else white space up to the line's end */
    IN_HEADERS,
    IN_DATA,
    IN_EPILOGUE,
};

struct dv_multipart_reader {
    const struct dv_multipart_callbacks *cb; /* borrowed */
    void *arg;
    enum state state;
    char delimiter[DV_MULTIPART_BOUNDARY_MAX + 4];
    size_t delimiter_n;
    size_t matched;  /* bytes of the delimiter seen last */
    size_t imagined; /* of those, how many never came over the wire */
    unsigned dashes; /* after a delimiter */
    bool line_began; /* after a delimiter: padding was seen, dashes count no more */
    struct dv_buf headers;
};

int dv_multipart_reader_new(struct dv_slice boundary, const struct dv_multipart_callbacks *cb,
                            void *arg, struct dv_multipart_reader **reader, struct dv_err *err)
{
    struct dv_multipart_reader *r;

    if (boundary.n == 0 || boundary.n > DV_MULTIPART_BOUNDARY_MAX ||
        memchr(boundary.p, '\r', boundary.n) || memchr(boundary.p, '\n', boundary.n))
        return dv_err_set(err, DV_EINVAL, "multipart boundary is empty, too long or not one line");
    r = dv_calloc(1, sizeof(*r));
    if (!r)
        return dv_err_set(err, DV_ENOMEM, NULL);
    r->cb = cb;
    r->arg = arg;
    memcpy(r->delimiter, "\r\n--", 4);
    memcpy(r->delimiter + 4, boundary.p, boundary.n);
    r->delimiter_n = boundary.n + 4;
    r->matched = r->imagined = 2;
    dv_buf_init(&r->headers, DV_MULTIPART_HEADERS_MAX);
    *reader = r;
    return 0;
}

void dv_multipart_reader_free(struct dv_multipart_reader *r)
{
    if (!r)
        return;
    dv_buf_fini(&r->headers);
    dv_free(r);
}

static int give(struct dv_multipart_reader *r, const char *p, size_t n, struct dv_err *err)
{
    if (n == 0 || r->state != IN_DATA)
        return 0;
    return r->cb->data(r->arg, dv_slice(p, n), err);
}

/* What had matched turned out to be data. */
static int give_matched(struct dv_multipart_reader *r, struct dv_err *err)
{
    size_t from = r->imagined, n = r->matched;

    r->matched = r->imagined = 0;
    return n > from ? give(r, r->delimiter + from, n - from, err) : 0;
}

static int end_of_part(struct dv_multipart_reader *r, struct dv_err *err)
{
    int rc = r->state == IN_DATA ? r->cb->part_end(r->arg, err) : 0;

    r->state = AFTER_DELIMITER;
    r->matched = r->imagined = 0;
    r->dashes = 0;
    r->line_began = false;
    return rc;
}

/* Take bytes of a preamble or a part's data up to a delimiter or the end; *s moves on. */
static int take_data(struct dv_multipart_reader *r, struct dv_slice *s, struct dv_err *err)
{
    int rc = 0;

    while (s->n > 0 && rc == 0) {
        const char *cr;
        size_t run;

        if (r->matched > 0 && *s->p == r->delimiter[r->matched]) {
            s->p++;
            s->n--;
            if (++r->matched == r->delimiter_n)
                return end_of_part(r, err);
            continue;
        }
        if (r->matched > 0) {
            rc = give_matched(r, err);
            continue;
        }
        cr = memchr(s->p, '\r', s->n);
        run = cr ? (size_t)(cr - s->p) : s->n;
        rc = give(r, s->p, run, err);
        s->p += run;
        s->n -= run;
        if (cr) {
            r->matched = 1;
            s->p++;
            s->n--;
        }
    }
    return rc;
}

/* Behind a delimiter: "--" ends the body, else padding and a line end open a part. */
static int take_delimiter_line(struct dv_multipart_reader *r, struct dv_slice *s,
                               struct dv_err *err)
{
    while (s->n > 0) {
        char c = *s->p;

        s->p++;
        s->n--;
        if (c == '-' && !r->line_began) {
            if (++r->dashes == 2) {
                r->state = IN_EPILOGUE;
                return 0;
            }
        } else if (r->dashes == 0 && (c == ' ' || c == '\t' || c == '\r')) {
            r->line_began = true;
        } else if (r->dashes == 0 && c == '\n') {
            r->state = IN_HEADERS;
            dv_buf_reset(&r->headers);
            return 0;
        } else {
            return dv_err_set(err, DV_EINVAL, "multipart delimiter is followed by other bytes");
        }
    }
    return 0;
}

static struct dv_slice trim(struct dv_slice s)
{
    while (s.n > 0 && (*s.p == ' ' || *s.p == '\t')) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t' || s.p[s.n - 1] == '\r'))
        s.n--;
    return s;
}

static int parse_headers(struct dv_slice block, struct dv_multipart_header *headers, size_t *count,
                         struct dv_err *err)
{
    size_t n = 0;

    while (block.n > 0) {
        const char *lf = memchr(block.p, '\n', block.n);
        size_t line_n = lf ? (size_t)(lf - block.p) : block.n;
        struct dv_slice line = trim(dv_slice(block.p, line_n));
        const char *colon = line.n ? memchr(line.p, ':', line.n) : NULL;

        block.p += line_n + (lf ? 1 : 0);
        block.n -= line_n + (lf ? 1 : 0);
        if (line.n == 0)
            continue;
        if (!colon || colon == line.p)
            return dv_err_set(err, DV_EINVAL, "multipart header line has no name");
        if (n == DV_MULTIPART_HEADER_COUNT_MAX)
            return dv_err_set(err, DV_ETOOBIG, "multipart part has more than %d headers",
                              DV_MULTIPART_HEADER_COUNT_MAX);
        headers[n].name = trim(dv_slice(line.p, (size_t)(colon - line.p)));
        headers[n].value = trim(dv_slice(colon + 1, (size_t)(line.p + line.n - colon - 1)));
        n++;
    }
    *count = n;
    return 0;
}

static int end_of_headers(struct dv_multipart_reader *r, struct dv_err *err)
{
    struct dv_multipart_header headers[DV_MULTIPART_HEADER_COUNT_MAX];
    size_t n = 0;
    int rc = parse_headers(dv_buf_slice(&r->headers), headers, &n, err);

    if (rc < 0)
        return rc;
    r->state = IN_DATA;
    r->matched = r->imagined = 2;
    return r->cb->part(r->arg, headers, n, err);
}

static int take_headers(struct dv_multipart_reader *r, struct dv_slice *s, struct dv_err *err)
{
    while (s->n > 0) {
        char c = *s->p;
        size_t n = r->headers.n;
        bool blank;

        s->p++;
        s->n--;
        if (c == '\n') {
            if (n > 0 && r->headers.p[n - 1] == '\r')
                n--;
            blank = n == 0 || r->headers.p[n - 1] == '\n';
            if (blank)
                return end_of_headers(r, err);
        }
        if (dv_buf_add_char(&r->headers, c) < 0)
            return dv_err_set(err, r->headers.failed, "multipart headers over %d bytes",
                              DV_MULTIPART_HEADERS_MAX);
    }
    return 0;
}

int dv_multipart_reader_feed(struct dv_multipart_reader *r, struct dv_slice s, struct dv_err *err)
{
    int rc = 0;

    while (s.n > 0 && rc == 0) {
        switch (r->state) {
        case IN_PREAMBLE:
        case IN_DATA:
            rc = take_data(r, &s, err);
            break;
        case AFTER_DELIMITER:
            rc = take_delimiter_line(r, &s, err);
            break;
        case IN_HEADERS:
            rc = take_headers(r, &s, err);
            break;
        case IN_EPILOGUE:
            return 0;
        }
    }
    return rc;
}

bool dv_multipart_reader_complete(const struct dv_multipart_reader *r)
{
    return r->state == IN_EPILOGUE;
}

int dv_multipart_reader_end(struct dv_multipart_reader *r, struct dv_err *err)
{
    if (r->state == IN_EPILOGUE)
        return 0;
    return dv_err_set(err, DV_EINVAL, "multipart body ended early");
}
