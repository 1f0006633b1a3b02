/* Which document ids are legal; see docid.h. The order of the checks is CouchDB's, since it
 * decides which reason an id with several faults is refused for. */
#include "couch/docid.h"

#include "base/utf8.h"

int dv_docid_check(struct dv_slice id, struct dv_err *err)
{
    if (id.n == 0)
        return dv_err_set(err, DV_EILLEGALID, "Document id must not be empty");
    if (dv_slice_eq_str(id, "_design/") || dv_slice_eq_str(id, "_local/"))
        return dv_err_set(err, DV_EILLEGALID, "Illegal document id `%.*s`", (int)id.n, id.p);
    if (id.n > DV_DOCID_MAX)
        return dv_err_set(err, DV_EILLEGALID, "Document id is too long");
    if (!dv_utf8_valid(id))
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
