/* A strict JSON reader (RFC 8259) over yajl that takes its input in chunks of any size.
 *
 * Every event carries the byte positions of its token in the whole input, so that a member's value
 * can be taken as a slice of it. Numbers keep their text. What yajl would let through is refused
 * here: lone surrogates in \u escapes, invalid UTF-8, form feeds as white space. Ceilings are the
 * caller's. One value per document; a reader is reset and used again without new allocations. Time
 * is linear in the input however it is cut: a token that a chunk's end cuts is held back until it
 * is whole (its chunk with it, at most string_bytes and one chunk).
 *
 * Errors: DV_EUTF8 with CouchDB's reason "invalid UTF-8 JSON" for anything that is not JSON,
 * DV_ETOOBIG for a ceiling (the reason names it). Threads: one at a time per reader. */
#ifndef DV_JSON_READER_H
#define DV_JSON_READER_H

#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

enum dv_json_type {
    DV_JSON_NULL,
    DV_JSON_BOOL,
    DV_JSON_NUMBER,
    DV_JSON_STRING,
    DV_JSON_KEY,
    DV_JSON_OBJECT, /* begins */
    DV_JSON_OBJECT_END,
    DV_JSON_ARRAY,
    DV_JSON_ARRAY_END,
};

struct dv_json_event {
    enum dv_json_type type;
    bool boolean;
    struct dv_slice
        text; /* a number's text; a string's or key's decoded bytes; borrowed for the call */
    struct dv_slice raw; /* the token as it stands in the input; borrowed for the call */
    uint64_t start, end; /* of the token in the input, quotes included */
    unsigned depth;      /* of the containers around it: 0 for the top value and its end */
};

/* A negative return ends the parse with that code. */
typedef int dv_json_fn(void *arg, const struct dv_json_event *ev, struct dv_err *err);

struct dv_json_limits {
    unsigned depth;       /* nested containers; 0: 512 */
    size_t string_bytes;  /* raw bytes of one string or number; 0: no own limit */
    uint64_t total_bytes; /* 0: no limit */
    bool any_number;      /* take numbers that no double can hold (1e400); CouchDB refuses them */
};

struct dv_json_reader;

int dv_json_reader_new(const struct dv_json_limits *limits, dv_json_fn *fn, void *arg,
                       struct dv_json_reader **r, struct dv_err *err);
void dv_json_reader_free(struct dv_json_reader *r); /* NULL is fine */
int dv_json_reader_feed(struct dv_json_reader *r, struct dv_slice bytes, struct dv_err *err);
/* The input is over: one whole value must have come. */
int dv_json_reader_end(struct dv_json_reader *r, struct dv_err *err);
/* For one who feeds it and failed meanwhile: from now on it answers this code, as after an error.
 */
void dv_json_reader_stop(struct dv_json_reader *r, int code);
/* Ready for another document, with another callback argument. Also after an error. */
void dv_json_reader_reset(struct dv_json_reader *r, void *arg);

/* All of it at once with a reader of its own. */
int dv_json_read(struct dv_slice text, const struct dv_json_limits *limits, dv_json_fn *fn,
                 void *arg, struct dv_err *err);

#endif
