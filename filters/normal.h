/* The normal form of a Mango selector, as CouchDB hashes it into replication ids: every operator
 * explicit ({"a":1} is {"a":{"$eq":1}}), several conditions one $and, nested fields dotted paths,
 * negations pushed down to the operators, members sorted. Rules: mango_selector:normalize,
 * couch_replicator_filters; tests/vectors/replication-ids.jsonl. Pure. */
#ifndef DV_FILTERS_NORMAL_H
#define DV_FILTERS_NORMAL_H

#include "json/tree.h"

/* Appends the normal form's JSON text. DV_EINVAL when it is not a selector: not an object, an
 * operator that does not exist or whose argument has the wrong shape, an empty field name. */
int dv_selector_normal(struct dv_slice selector, struct dv_buf *out, struct dv_err *err);

#endif
