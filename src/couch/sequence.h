/* Sequences. A peer's seq is opaque text (numbers, strings and arrays are all seen): it is kept and
 * sent back as it came, never parsed, compared or counted with. Only our own databases' seqs
 * are read, here: "N-<database uuid>-<node>", a uint64 and two random ids of 32 lower-case hex
 * digits, so that a `since` of another database or of a copy is noticed. Pure, any thread. */
#ifndef DV_COUCH_SEQUENCE_H
#define DV_COUCH_SEQUENCE_H

#include <stdint.h>

#include "base/buf.h"

struct dv_seq {
    uint64_t number;
    char uuid[33]; /* of the database */
    char node[33]; /* of the data folder that wrote it; may be empty: then "N-<uuid>" */
};

int dv_seq_add_text(struct dv_buf *out, const struct dv_seq *seq);

/* False when it is not the text of one of our seqs, exactly as dv_seq_add_text writes it. */
bool dv_seq_parse(struct dv_slice text, struct dv_seq *seq);

/* A bare number, as old clients and "0" have it. No sign, no leading zeros. */
bool dv_seq_parse_number(struct dv_slice text, uint64_t *number);

#endif
