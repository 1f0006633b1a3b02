/* See utf8.h. Widths come from the C library's tables in its C.UTF-8 locale, whatever locale the
 * user runs under; where that is missing every character takes one column. */
#include "cli/utf8.h"

#include <locale.h>
#include <wchar.h>

size_t dv_utf8_next(struct dv_slice s, uint32_t *character)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    unsigned char first = (unsigned char)s.p[0];
    size_t n = first < 0x80   ? 1
               : first < 0xc2 ? 0
               : first < 0xe0 ? 2
               : first < 0xf0 ? 3
               : first < 0xf5 ? 4
                              : 0;
    uint32_t c = n <= 1 ? first : first & (0x7fu >> n);

    if (n == 0 || n > s.n)
        return 0;
    for (size_t i = 1; i < n; i++) {
        unsigned char next = (unsigned char)s.p[i];

        if ((next & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (next & 0x3f);
    }
    if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    *character = c;
    return n;
}

int dv_utf8_columns(uint32_t character)
{
    static locale_t utf8;
    locale_t before;
    int columns;

    if (character < 0x20 || (character >= 0x7f && character < 0xa0))
        return -1;
    if (character < 0x7f)
        return 1;
    if ((character >= 0x202a && character <= 0x202e) ||
        (character >= 0x2066 && character <= 0x2069))
        return -1;
    if (!utf8 && !(utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0)))
        return 1;
    before = uselocale(utf8);
    columns = wcwidth((wchar_t)character);
    uselocale(before);
    return columns < 0 ? 1 : columns;
}
