/* See suggest.h. */
#include "cli/suggest.h"

/* Longer words are never near: a bound for the table below. */
enum { WORD_MAX = 40 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Optimal string alignment; rows of the table are prefixes of a. Both are at most WORD_MAX. */
static size_t word_distance(struct dv_slice a, struct dv_slice b)
{
    size_t d[WORD_MAX + 1][WORD_MAX + 1];

    for (size_t i = 0; i <= a.n; i++)
        d[i][0] = i;
    for (size_t j = 0; j <= b.n; j++)
        d[0][j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        for (size_t j = 1; j <= b.n; j++) {
            size_t same = a.p[i - 1] == b.p[j - 1] ? 0 : 1;

            d[i][j] = least(d[i - 1][j - 1] + same, least(d[i - 1][j], d[i][j - 1]) + 1);
            if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1])
                d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
        }
    }
    return d[a.n][b.n];
}

void dv_suggest_init(struct dv_suggestion *s, struct dv_slice typed)
{
    s->typed = typed;
    s->best = NULL;
    s->distance = (typed.n / 3 > 2 ? typed.n / 3 : 2) + 1;
}

void dv_suggest_offer(struct dv_suggestion *s, const char *word)
{
    struct dv_slice offered = dv_slice_str(word);
    size_t distance;

    if (s->typed.n > WORD_MAX || offered.n > WORD_MAX)
        return;
    distance = word_distance(s->typed, offered);
    /* A word that shares no letter with the typed one is far however short both are. */
    if (distance < s->distance && distance < (s->typed.n > offered.n ? s->typed.n : offered.n)) {
        s->distance = distance;
        s->best = word;
    }
}
