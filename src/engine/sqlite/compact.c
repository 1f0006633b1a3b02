/* Compaction in place. */
#include "engine/sqlite/internal.h"

int dv_sqcompact_run(struct dv_store_backend *s, const struct dv_compact_options *opt,
                     struct dv_err *err)
{
    (void)opt;
    return dv_err_set(err, DV_ENOTSUP, "%s: compaction", s->path);
}
