/* Text for a terminal: characters of UTF-8 and the columns they take. Pure. */
#ifndef DV_CLI_UTF8_H
#define DV_CLI_UTF8_H

#include <stdint.h>

#include "base/slice.h"

/* The first character of s (not empty) and its length in bytes; 0 when s does not begin with
 * valid UTF-8. */
size_t dv_utf8_next(struct dv_slice s, uint32_t *character);

/* Columns on a terminal: 0 for combining marks, 2 for wide characters; -1 when it can not be
 * shown (control characters, bidirectional overrides). */
int dv_utf8_columns(uint32_t character);

#endif
