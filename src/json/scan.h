/* The byte-level rules that yajl does not keep: UTF-8, \u surrogate pairs, white space, lengths of
 * tokens. A state machine that runs over each chunk before yajl sees it. */
#ifndef DV_JSON_SCAN_H
#define DV_JSON_SCAN_H

#include <stdint.h>

#include "base/slice.h"

struct dv_json_scan {
    uint8_t state;               /* scan.c's */
    uint8_t utf8_left;           /* continuation bytes to come */
    uint8_t utf8_low, utf8_high; /* what the next one may be */
    uint8_t hex_left;
    uint16_t hex;
    bool want_low; /* a high surrogate came */
    size_t token;  /* bytes of the string or number so far */
    size_t token_max;
};

enum dv_json_scan_result { DV_SCAN_OK, DV_SCAN_BAD, DV_SCAN_LONG };

void dv_json_scan_init(struct dv_json_scan *s, size_t token_max);
enum dv_json_scan_result dv_json_scan_feed(struct dv_json_scan *s, struct dv_slice bytes);
/* Not inside a string. */
bool dv_json_scan_at_end(const struct dv_json_scan *s);
/* Bytes of the token that the last chunk left open, its quote included; 0 when none is. */
size_t dv_json_scan_open(const struct dv_json_scan *s);

#endif
