/* Recordings: a file of one JSON object per line, below tests/vectors. */
#ifndef DV_TESTS_JSONL_H
#define DV_TESTS_JSONL_H

#include "json/tree.h"

/* Called with each line; the arena is reset before the next. Returns how many lines there were. A
 * file that can not be read or a line that is not JSON fails the running test. */
typedef void jsonl_fn(const struct dv_json *line, struct dv_arena *arena, size_t number);
size_t jsonl_each(const char *name, jsonl_fn *fn);

/* A member that must be there. */
const struct dv_json *jsonl_get(const struct dv_json *object, const char *key);

#endif
