/* A step of http.jsonl taken apart: what was asked of CouchDB and what it answered. */
#ifndef DV_TESTS_HTTPSTEP_H
#define DV_TESTS_HTTPSTEP_H

#include "json/tree.h"

enum { HTTPSTEP_SEGMENTS = 8, HTTPSTEP_PARAMS = 16 };

struct httpstep {
    int64_t number;
    struct dv_slice needs, name;
    struct dv_slice method;
    struct dv_slice segments[HTTPSTEP_SEGMENTS]; /* of the path, decoded; the database first */
    size_t n_segments;
    struct dv_slice keys[HTTPSTEP_PARAMS], values[HTTPSTEP_PARAMS]; /* of the query, decoded */
    size_t n_params;
    const struct dv_json *headers;
    struct dv_slice body; /* decoded if it was base64 */
    int64_t status;
    const struct dv_json *answer_headers;
    struct dv_slice answer;
};

/* Everything is in the arena or borrowed from the line. */
void httpstep_read(const struct dv_json *line, struct dv_arena *arena, struct httpstep *s);

bool httpstep_is(const struct httpstep *s, const char *method); /* the request's method */
/* A parameter of the query; empty when absent. */
struct dv_slice httpstep_param(const struct httpstep *s, const char *key);
bool httpstep_true(const struct httpstep *s, const char *key);
uint64_t httpstep_number(const struct httpstep *s, const char *key, uint64_t absent);
struct dv_slice httpstep_header(const struct httpstep *s, const char *name);

/* The text with "N-<opaque>" in strings cut to "N": seqs of another run are told by their number.
 */
struct dv_slice httpstep_cut_seqs(struct dv_slice text, struct dv_arena *arena);

#endif
