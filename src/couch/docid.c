/* Which document ids are legal; see docid.h. The order of the checks is CouchDB's, since it
 * decides which reason an id with several faults is refused for. */
#include "couch/docid.h"

/* Length of the UTF-8 sequence at s (RFC 3629: no overlong forms, surrogates or values over
 * U+10FFFF), or 0. */
static size_t utf8_length(struct dv_slice s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    unsigned char low = 0x80, high = 0xbf;
    size_t n;

    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (p[0] == 0xe0)
        low = 0xa0;
    else if (p[0] == 0xed)
        high = 0x9f;
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f;
    if (s.n < n || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

static bool is_utf8(struct dv_slice s)
{
    size_t n;

    for (; s.n > 0; s = dv_slice(s.p + n, s.n - n)) {
        n = utf8_length(s);
        if (n == 0)
            return false;
    }
    return true;
}

int dv_docid_check(struct dv_slice id, struct dv_err *err)
{
    if (id.n == 0)
        return dv_err_set(err, DV_EILLEGALID, "Document id must not be empty");
    if (dv_slice_eq_str(id, "_design/") || dv_slice_eq_str(id, "_local/"))
        return dv_err_set(err, DV_EILLEGALID, "Illegal document id `%.*s`", (int)id.n, id.p);
    if (id.n > DV_DOCID_MAX)
        return dv_err_set(err, DV_EILLEGALID, "Document id is too long");
    if (!is_utf8(id))
        return dv_err_set(err, DV_EILLEGALID, "Document id must be valid UTF-8");
    if (id.p[0] == '_' && !dv_docid_is_design(id) && !dv_docid_is_local(id))
        return dv_err_set(err, DV_EILLEGALID,
                          "Only reserved document ids may start with underscore.");
    return 0;
}

bool dv_docid_is_design(struct dv_slice id)
{
    return dv_slice_starts(id, "_design/");
}

bool dv_docid_is_local(struct dv_slice id)
{
    return dv_slice_starts(id, "_local/");
}
