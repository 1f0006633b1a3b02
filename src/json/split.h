/* Takes {"other":...,"docs":[element, element, ...],"more":...} apart while it arrives: each
 * element of the one array, and each other member of the outer object, as one whole slice. For
 * bodies and answers whose elements are small and whose number is not: _bulk_docs, _changes,
 * _all_docs, _bulk_get.
 *
 * Memory: an element that lies in one chunk is not copied; one that a chunk's end cuts is gathered,
 * up to item_bytes. Members come in the order sent, duplicates too, except that the array twice is
 * refused, since its elements are gone already. What was delivered is valid JSON, but whether the
 * whole is shows only at the end. One thread at a time. */
#ifndef DV_JSON_SPLIT_H
#define DV_JSON_SPLIT_H

#include "json/reader.h"

struct dv_json_split;

/* value is borrowed for the call; key is decoded, empty for an element. A negative return ends the
 * split with that code. */
typedef int dv_json_split_fn(void *arg, struct dv_slice key, struct dv_slice value,
                             struct dv_err *err);

struct dv_json_split_options {
    struct dv_json_limits limits; /* of the whole text; depth counts the object and the array */
    const char *array;            /* name of the array's member; borrowed */
    size_t item_bytes;            /* ceiling of one element or member (DV_ETOOBIG); 0: none */
    dv_json_split_fn *element;
    dv_json_split_fn *member; /* also for the array's name when its value is no array */
    void *arg;
};

int dv_json_split_new(const struct dv_json_split_options *options, struct dv_json_split **s,
                      struct dv_err *err);
void dv_json_split_free(struct dv_json_split *s); /* NULL is fine */

/* DV_EINVAL "Request body must be a JSON object" when it is something else, else as the reader. */
int dv_json_split_feed(struct dv_json_split *s, struct dv_slice bytes, struct dv_err *err);
/* *seen: the array was there. */
int dv_json_split_end(struct dv_json_split *s, bool *seen, struct dv_err *err);

#endif
