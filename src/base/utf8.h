/* Well-formed UTF-8 (RFC 3629): no overlong forms, surrogates or values over U+10FFFF. */
#ifndef DV_BASE_UTF8_H
#define DV_BASE_UTF8_H

#include "base/slice.h"

/* Bytes of the sequence that s, which is not empty, begins with: 1 to 4, or 0 for none. */
size_t dv_utf8_length(struct dv_slice s);
bool dv_utf8_valid(struct dv_slice s);

#endif
