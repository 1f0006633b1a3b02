/* Check. */
#include "engine/sqlite/internal.h"

int dv_sqcheck_run(struct dv_store_backend *s, bool deep, dv_check_fn *fn, void *arg,
                   struct dv_check_result *result, struct dv_err *err)
{
    (void)deep;
    (void)fn;
    (void)arg;
    (void)result;
    return dv_err_set(err, DV_ENOTSUP, "%s: check", s->path);
}
