/* Our own sequences as text; see sequence.h. */
#include "couch/sequence.h"

#include <inttypes.h>

enum { ID_CHARS = 32, NUMBER_CHARS_MAX = 20 };

int dv_seq_add_text(struct dv_buf *out, const struct dv_seq *seq)
{
    return dv_buf_printf(out, "%" PRIu64 "-%s%s%s", seq->number, seq->uuid, seq->node[0] ? "-" : "",
                         seq->node);
}

bool dv_seq_parse_number(struct dv_slice text, uint64_t *number)
{
    uint64_t n = 0;

    if (text.n == 0 || text.n > NUMBER_CHARS_MAX || (text.n > 1 && text.p[0] == '0'))
        return false;
    for (size_t i = 0; i < text.n; i++) {
        uint64_t digit = (uint64_t)((unsigned char)text.p[i]) - '0';

        if (digit > 9 || n > (UINT64_MAX - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    *number = n;
    return true;
}

/* Takes "-<32 hex digits>" off the front of text. */
static bool take_id(struct dv_slice *text, char out[ID_CHARS + 1])
{
    if (text->n < 1 + ID_CHARS || text->p[0] != '-')
        return false;
    for (size_t i = 1; i <= ID_CHARS; i++) {
        char c = text->p[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        out[i - 1] = c;
    }
    out[ID_CHARS] = '\0';
    *text = dv_slice(text->p + 1 + ID_CHARS, text->n - 1 - ID_CHARS);
    return true;
}

bool dv_seq_parse(struct dv_slice text, struct dv_seq *seq)
{
    struct dv_seq s = { 0 };
    const char *dash = text.n ? memchr(text.p, '-', text.n) : NULL;
    size_t digits = dash ? (size_t)(dash - text.p) : 0;

    if (!dv_seq_parse_number(dv_slice(text.p, digits), &s.number))
        return false;
    text = dv_slice(text.p + digits, text.n - digits);
    if (!take_id(&text, s.uuid) || (text.n > 0 && !take_id(&text, s.node)) || text.n > 0)
        return false;
    *seq = s;
    return true;
}
