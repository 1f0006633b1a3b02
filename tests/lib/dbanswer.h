/* What a server over src/database would answer to a recorded step, as far as the step is about
 * documents: the methods, paths and parameters are turned into calls, the results into CouchDB's
 * JSON. What is HTTP's own (ranges and multipart in answers, ETags, sessions) is left to src/serve.
 */
#ifndef DV_TESTS_DBANSWER_H
#define DV_TESTS_DBANSWER_H

#include "lib/httpstep.h"
#include "lib/testdb.h"

struct dbanswer {
    int status;
    struct dv_buf body;
    bool raw; /* body is an attachment's bytes, not JSON */
};

/* False: the step is left to the server. */
bool dbanswer_step(struct testdb *t, const struct httpstep *s, struct dbanswer *a);

/* Used between its files. */
bool dbanswer_read(struct testdb *t, const struct httpstep *s, struct dbanswer *a);
bool dbanswer_list(struct testdb *t, const struct httpstep *s, struct dbanswer *a);
bool dbanswer_admin(struct testdb *t, const struct httpstep *s, struct dbanswer *a);
void dbanswer_error(struct dbanswer *a, const struct dv_err *err);
/* Strings of a JSON array, in t->arena. */
struct dv_slice *dbanswer_strings(struct testdb *t, const struct dv_json *array, size_t *n);
unsigned dbanswer_flags(const struct httpstep *s);

#endif
