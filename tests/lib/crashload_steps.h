/* Between the parts of crashload: the steps over the engine (crashload.c) and over src/database
 * (crashload_db.c). Tests use crashload.h. */
#ifndef DV_TESTS_CRASHLOAD_STEPS_H
#define DV_TESTS_CRASHLOAD_STEPS_H

#include "lib/crashload.h"

typedef int crashload_step_fn(struct crash_load *l, struct dv_err *err);

uint64_t crashload_draw(struct crash_load *l, uint64_t below);
void crashload_name(struct crash_load *l, char id[20]); /* of a document */
/* Of an attachment: the bytes and what draws its content. */
size_t crashload_draw_content(struct crash_load *l, uint64_t *salt);
struct dv_store_options crashload_options(const struct crash_load *l);
/* A new state is stored. */
int crashload_note_state(struct crash_load *l, bool durable, struct dv_err *err);

/* By enum crash_step; NULL where the engine's step is the one. */
extern crashload_step_fn *const crashload_db_steps[CRASH_STEPS];
void crashload_db_close(struct crash_load *l);

#endif
