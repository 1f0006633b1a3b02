/* "Did you mean": the offered word nearest to what was typed. Distance counts insertions, removals,
 * replacements and swaps of neighbours; a word further off than a third of what was typed (and
 * at least 2) is no suggestion. Pure. */
#ifndef DV_CLI_SUGGEST_H
#define DV_CLI_SUGGEST_H

#include "base/slice.h"

struct dv_suggestion {
    struct dv_slice typed; /* borrowed */
    const char *best;      /* borrowed from what was offered; NULL: nothing is near */
    size_t distance;       /* of best; else the greatest that would do, plus one */
};

void dv_suggest_init(struct dv_suggestion *s, struct dv_slice typed);
void dv_suggest_offer(struct dv_suggestion *s, const char *word); /* the first of equals stays */

#endif
