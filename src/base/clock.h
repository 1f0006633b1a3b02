/* Time in milliseconds. monotonic never jumps and is for intervals; wall is for people and
 * may jump either way. */
#ifndef DV_BASE_CLOCK_H
#define DV_BASE_CLOCK_H

#include <stdint.h>

int64_t dv_clock_monotonic_ms(void);
int64_t dv_clock_wall_ms(void); /* since 1970-01-01 UTC */

#endif
