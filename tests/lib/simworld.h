/* The world of tests: virtual time, one thread, an order drawn from a seed.
 *
 * Whatever is ready (a posted task, a work to run, a completion to deliver) is picked by the seeded
 * generator; tasks keep their order among themselves. When nothing is ready, time jumps to the next
 * timer. The same seed gives the same run. */
#ifndef DV_TESTS_SIMWORLD_H
#define DV_TESTS_SIMWORLD_H

#include "base/rand.h"
#include "base/world.h"

struct dv_world *simworld_new(uint64_t seed);

/* Limits after which run() ends with DV_ETIMEOUT: a hang shows as one. */
void simworld_limit(struct dv_world *w, uint64_t steps, int64_t virtual_ms);
uint64_t simworld_steps(struct dv_world *w);
void simworld_jump_wall(struct dv_world *w, int64_t ms); /* the wall clock jumps, either way */

/* Called before each step with its number; true ends run() there (a kill). NULL removes it. */
void simworld_set_step_hook(struct dv_world *w, bool (*stop)(void *arg, uint64_t step), void *arg);

#endif
