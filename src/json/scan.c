/* See scan.h. The common cases, plain ASCII inside a string and structure outside, are loops of a
 * table look-up each; everything else takes one step of the machine. */
#include "json/scan.h"

enum state { OUTSIDE, IN_STRING, ESCAPE, HEX, NEED_BACKSLASH, NEED_U, UTF8 };

/* Where a run of plain bytes inside a string ends: at a quote, backslash, control or non-ASCII
 * byte. Eight at a time: a byte of `odd` has its top bit set when the byte below it is one of those
 * (or may be, next to one: the loop behind decides). */
static const unsigned char *skip_plain(const unsigned char *p, const unsigned char *end)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;

    while (end - p >= 8) {
        uint64_t w, quote, backslash, odd;

        memcpy(&w, p, 8);
        quote = w ^ (ones * '"');
        backslash = w ^ (ones * '\\');
        odd = (w | (w - ones * 0x20) | (quote - ones) | (backslash - ones)) & tops;
        if (odd)
            break;
        p += 8;
    }
    while (p < end && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\')
        p++;
    return p;
}

void dv_json_scan_init(struct dv_json_scan *s, size_t token_max)
{
    *s = (struct dv_json_scan){ .state = OUTSIDE, .token_max = token_max ? token_max : SIZE_MAX };
}

bool dv_json_scan_at_end(const struct dv_json_scan *s)
{
    return s->state == OUTSIDE;
}

size_t dv_json_scan_open(const struct dv_json_scan *s)
{
    return s->state == OUTSIDE ? s->token : s->token + 1;
}

static bool begin_utf8(struct dv_json_scan *s, unsigned char c)
{
    s->utf8_low = 0x80;
    s->utf8_high = 0xbf;
    if (c >= 0xc2 && c <= 0xdf) {
        s->utf8_left = 1;
    } else if (c >= 0xe0 && c <= 0xef) {
        s->utf8_left = 2;
        if (c == 0xe0)
            s->utf8_low = 0xa0; /* overlong */
        if (c == 0xed)
            s->utf8_high = 0x9f; /* surrogates */
    } else if (c >= 0xf0 && c <= 0xf4) {
        s->utf8_left = 3;
        if (c == 0xf0)
            s->utf8_low = 0x90;
        if (c == 0xf4)
            s->utf8_high = 0x8f; /* above U+10FFFF */
    } else {
        return false;
    }
    s->state = UTF8;
    return true;
}

static bool step_utf8(struct dv_json_scan *s, unsigned char c)
{
    if (c < s->utf8_low || c > s->utf8_high)
        return false;
    s->utf8_low = 0x80;
    s->utf8_high = 0xbf;
    if (--s->utf8_left == 0)
        s->state = IN_STRING;
    return true;
}

static int hex_value(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool step_hex(struct dv_json_scan *s, unsigned char c)
{
    int v = hex_value(c);
    bool high, low;

    if (v < 0)
        return false;
    s->hex = (uint16_t)(s->hex << 4 | v);
    if (--s->hex_left > 0)
        return true;
    high = s->hex >= 0xd800 && s->hex <= 0xdbff;
    low = s->hex >= 0xdc00 && s->hex <= 0xdfff;
    if (low != s->want_low)
        return false;
    s->want_low = high;
    s->state = high ? NEED_BACKSLASH : IN_STRING;
    return true;
}

static bool step_escape(struct dv_json_scan *s, unsigned char c)
{
    if (c == 'u') {
        s->state = HEX;
        s->hex_left = 4;
        s->hex = 0;
        return true;
    }
    s->state = IN_STRING;
    return c != 0 && strchr("\"\\/bfnrt", c) != NULL;
}

static bool step_string(struct dv_json_scan *s, unsigned char c)
{
    if (c == '"')
        s->state = OUTSIDE;
    else if (c == '\\')
        s->state = ESCAPE;
    else if (c >= 0x80)
        return begin_utf8(s, c);
    else if (c < 0x20)
        return false;
    return true;
}

static bool step(struct dv_json_scan *s, unsigned char c)
{
    switch ((enum state)s->state) {
    case IN_STRING:
        return step_string(s, c);
    case ESCAPE:
        return step_escape(s, c);
    case HEX:
        return step_hex(s, c);
    case NEED_BACKSLASH:
        s->state = NEED_U;
        return c == '\\';
    case NEED_U:
        s->state = HEX;
        s->hex_left = 4;
        s->hex = 0;
        return c == 'u';
    case UTF8:
        return step_utf8(s, c);
    case OUTSIDE:
        break;
    }
    return false;
}

/* What a byte is outside of strings: B not allowed, S structure or white space, T of a number or
 * word (judged by yajl; here only their length counts), Q the quote. */
enum outside { B, S, T, Q };

static const unsigned char outside_class[256] = {
    ['\t'] = S, ['\n'] = S, ['\r'] = S, [' '] = S, [','] = S, [':'] = S, ['['] = S,
    [']'] = S,  ['{'] = S,  ['}'] = S,  ['"'] = Q, ['+'] = T, ['-'] = T, ['.'] = T,
    ['0'] = T,  ['1'] = T,  ['2'] = T,  ['3'] = T, ['4'] = T, ['5'] = T, ['6'] = T,
    ['7'] = T,  ['8'] = T,  ['9'] = T,  ['a'] = T, ['e'] = T, ['E'] = T, ['f'] = T,
    ['l'] = T,  ['n'] = T,  ['r'] = T,  ['s'] = T, ['t'] = T, ['u'] = T,
};

/* Takes bytes up to the end or into a string. NULL: a byte that cannot stand there. */
static const unsigned char *scan_outside(struct dv_json_scan *s, const unsigned char *p,
                                         const unsigned char *end)
{
    while (p < end) {
        switch ((enum outside)outside_class[*p++]) {
        case S:
            s->token = 0;
            break;
        case T:
            if (++s->token > s->token_max)
                return p;
            break;
        case Q:
            if (s->token > 0)
                return NULL; /* no JSON; and yajl must see what ends a number with it (reader.c) */
            s->state = IN_STRING;
            s->token = 0;
            return p;
        case B:
            return NULL;
        }
    }
    return p;
}

enum dv_json_scan_result dv_json_scan_feed(struct dv_json_scan *s, struct dv_slice bytes)
{
    const unsigned char *p = (const unsigned char *)bytes.p, *end = p + bytes.n;

    while (p < end) {
        if (s->state == OUTSIDE) {
            p = scan_outside(s, p, end);
            if (!p)
                return DV_SCAN_BAD;
        } else {
            const unsigned char *from = p;
            bool closed;

            if (s->state == IN_STRING)
                p = skip_plain(p, end);
            if (p < end && !step(s, *p++))
                return DV_SCAN_BAD;
            closed = s->state == OUTSIDE;
            s->token += (size_t)(p - from) - closed; /* the closing quote does not count */
            if (closed && s->token <= s->token_max)
                s->token = 0;
        }
        if (s->token > s->token_max)
            return DV_SCAN_LONG;
    }
    return DV_SCAN_OK;
}
