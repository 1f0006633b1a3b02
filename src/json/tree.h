/* Small bounded trees, for the places that need one: options, checkpoints, security objects. Never
 * on the path of documents. Everything lives in the caller's arena; of duplicate members the last
 * stands. */
#ifndef DV_JSON_TREE_H
#define DV_JSON_TREE_H

#include "base/arena.h"
#include "base/buf.h"
#include "json/reader.h"

enum dv_json_kind {
    DV_JSON_IS_NULL,
    DV_JSON_IS_BOOL,
    DV_JSON_IS_NUMBER,
    DV_JSON_IS_STRING,
    DV_JSON_IS_ARRAY,
    DV_JSON_IS_OBJECT,
};

struct dv_json {
    enum dv_json_kind kind;
    bool boolean;
    struct dv_slice text;  /* a number's text, a string's decoded bytes */
    struct dv_slice key;   /* decoded, when it is a member of an object */
    struct dv_slice raw;   /* the value as it stands in the input; borrowed from it */
    struct dv_json *first; /* child of an array or object */
    struct dv_json *last;
    struct dv_json *next;    /* sibling */
    size_t count;            /* children */
    struct dv_json **by_key; /* of a large object: its members sorted, for looking up; else NULL */
    bool dropped;            /* while parsing: a later member has the same key */
};

enum { DV_JSON_TREE_NODES = 1 << 20 };

/* DV_ENOMEM when the arena is full. raw slices borrow from text. */
int dv_json_tree(struct dv_slice text, const struct dv_json_limits *limits, struct dv_arena *arena,
                 struct dv_json **root, struct dv_err *err);

/* NULL when obj is NULL, not an object, or has no such member. */
const struct dv_json *dv_json_get(const struct dv_json *obj, const char *key);
const struct dv_json *dv_json_get_slice(const struct dv_json *obj, struct dv_slice key);
bool dv_json_is(const struct dv_json *v, enum dv_json_kind kind); /* false for NULL */
/* A whole number without fraction or exponent that fits; false otherwise. */
bool dv_json_int(const struct dv_json *v, int64_t *out);
bool dv_json_uint(const struct dv_json *v, uint64_t *out);
struct dv_slice dv_json_str(const struct dv_json *v); /* empty unless a string */
bool dv_json_true(const struct dv_json *v);           /* is the value true */

/* Keys sorted at every level by their decoded bytes, no white space, numbers as their text. */
int dv_json_canonical(const struct dv_json *v, struct dv_arena *arena, struct dv_buf *out,
                      struct dv_err *err);

enum dv_json_equal_flag {
    DV_JSON_SUBNORMAL_IS_ZERO = 1, /* CouchDB reads 5e-324 as 0.0 */
};
/* Equal as JSON values: member order is nothing, integers compare exactly, numbers with a fraction
 * or an exponent as doubles (1e10 equals 10000000000.0). */
bool dv_json_equal(const struct dv_json *a, const struct dv_json *b, unsigned flags);

#endif
