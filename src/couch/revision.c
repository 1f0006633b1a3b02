/* Parsing and printing of revisions; see revision.h. The two forms of an id are told apart by
 * length alone: 32 characters are hexadecimal, 16 bytes are raw. */
#include "couch/revision.h"

enum { HEX_CHARS = 2 * DV_REV_RAW_BYTES };

/* A digit's value plus one. Digits of hashes are random, which branches would not foresee. */
static const unsigned char hex_values[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

/* False when it is not hexadecimal. */
static bool decode_hex(struct dv_slice text, char *raw)
{
    for (size_t i = 0; i < text.n; i += 2) {
        unsigned hi = hex_values[(unsigned char)text.p[i]];
        unsigned lo = hex_values[(unsigned char)text.p[i + 1]];

        if (hi == 0 || lo == 0)
            return false;
        raw[i / 2] = (char)(unsigned char)((hi - 1) << 4 | (lo - 1));
    }
    return true;
}

/* DV_EINVAL, without a record, when the text is no id. */
static int parse_id(struct dv_slice text, struct dv_arena *arena, struct dv_slice *id)
{
    char raw[DV_REV_RAW_BYTES];

    if (text.n == 0 || text.n > DV_REV_ID_MAX)
        return DV_EINVAL;
    if (text.n != HEX_CHARS) {
        *id = text;
        return 0;
    }
    if (!decode_hex(text, raw))
        return DV_EINVAL;
    text = dv_arena_copy(arena, dv_slice(raw, sizeof(raw)));
    if (!text.p)
        return DV_ENOMEM;
    *id = text;
    return 0;
}

/* The generation before the first '-', as list_to_integer reads it: leading zeros and one '+'
 * are fine. *text moves past the '-'. */
static bool parse_gen(struct dv_slice *text, uint64_t *gen)
{
    size_t i = text->n && text->p[0] == '+' ? 1 : 0;
    size_t first = i;
    uint64_t g = 0;

    for (; i < text->n && text->p[i] >= '0' && text->p[i] <= '9'; i++) {
        g = g * 10 + (uint64_t)(text->p[i] - '0');
        if (g > DV_REV_GEN_MAX)
            return false;
    }
    if (i == first || i == text->n || text->p[i] != '-')
        return false;
    *gen = g;
    *text = dv_slice(text->p + i + 1, text->n - i - 1);
    return true;
}

int dv_rev_parse(struct dv_slice text, struct dv_arena *arena, struct dv_rev *rev,
                 struct dv_err *err)
{
    struct dv_rev r = { 0 };
    int rc = DV_EINVAL;

    if (!parse_gen(&text, &r.gen))
        goto fail;
    if (r.gen == 0) {
        if (text.n == 0 || text.n > DV_REV_ID_MAX)
            goto fail;
        r.id = text;
    } else {
        rc = parse_id(text, arena, &r.id);
        if (rc < 0)
            goto fail;
    }
    *rev = r;
    return 0;
fail:
    if (rc == DV_EINVAL)
        return dv_err_set(err, rc, "Invalid rev format");
    return dv_err_set(err, rc, "out of memory for a revision");
}

int dv_rev_id_parse(struct dv_slice text, struct dv_arena *arena, struct dv_slice *id,
                    struct dv_err *err)
{
    int rc = parse_id(text, arena, id);

    if (rc == DV_ENOMEM)
        return dv_err_set(err, rc, "out of memory for a revision");
    if (rc == 0)
        return 0;
    if (text.n == HEX_CHARS)
        return dv_err_set(err, DV_EVALIDATION, "RevId isn't a valid hexadecimal");
    return dv_err_set(err, DV_EVALIDATION, "RevId must have 1 to %d bytes", DV_REV_ID_MAX);
}

int dv_rev_add_text(struct dv_buf *out, struct dv_rev rev)
{
    char gen[24];
    char *p = gen + sizeof(gen);
    uint64_t g = rev.gen;
    int rc = dv_buf_reserve(out, sizeof(gen) + 2 * rev.id.n); /* so that it is all or nothing */

    if (rc < 0)
        return rc;
    *--p = '-';
    do {
        *--p = (char)('0' + g % 10);
        g /= 10;
    } while (g);
    dv_buf_add(out, p, (size_t)(gen + sizeof(gen) - p));
    return rev.gen == 0 ? dv_buf_add_slice(out, rev.id) : dv_rev_add_id_text(out, rev.id);
}

int dv_rev_add_id_text(struct dv_buf *out, struct dv_slice id)
{
    return id.n == DV_REV_RAW_BYTES ? dv_buf_add_hex(out, id.p, id.n) : dv_buf_add_slice(out, id);
}

int dv_rev_cmp(struct dv_rev a, struct dv_rev b)
{
    if (a.gen != b.gen)
        return a.gen < b.gen ? -1 : 1;
    return dv_slice_cmp(a.id, b.id);
}

bool dv_rev_eq(struct dv_rev a, struct dv_rev b)
{
    return a.gen == b.gen && dv_slice_eq(a.id, b.id);
}
