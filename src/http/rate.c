/* See rate.h. */
#include "http/rate.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    BACKOFF_FIRST_MS = 250,
    BACKOFF_MAX_MS = 30 * 1000,
    RETRY_AFTER_MAX_MS = 5 * 60 * 1000,
    CUT_EVERY_MS = 1000,
};

static const double aimd_floor = 0.2; /* a request every five seconds still makes progress */
static const double aimd_free = 2000; /* faster than any host we met: the cap is lifted */

void dv_rate_init(struct dv_rate *r, double per_s, int64_t now_ms)
{
    r->per_s = per_s;
    r->tokens = per_s < 1 ? 1 : per_s;
    r->last_ms = now_ms;
}

static void refill(struct dv_rate *r, int64_t now_ms)
{
    double full = r->per_s < 1 ? 1 : r->per_s;

    r->tokens += r->per_s * (double)(now_ms - r->last_ms) / 1000;
    if (r->tokens > full)
        r->tokens = full;
    r->last_ms = now_ms;
}

void dv_rate_spend(struct dv_rate *r, double tokens, int64_t now_ms)
{
    if (r->per_s <= 0)
        return;
    refill(r, now_ms);
    r->tokens -= tokens;
}

int64_t dv_rate_wait_ms(struct dv_rate *r, int64_t now_ms)
{
    if (r->per_s <= 0)
        return 0;
    refill(r, now_ms);
    if (r->tokens >= 0)
        return 0;
    return (int64_t)(-r->tokens * 1000 / r->per_s) + 1;
}

void dv_aimd_init(struct dv_aimd *a, int64_t now_ms)
{
    memset(a, 0, sizeof(*a));
    a->seen_last_ms = now_ms;
    a->cut_ms = now_ms - CUT_EVERY_MS;
}

int64_t dv_aimd_take_ms(struct dv_aimd *a, int64_t now_ms)
{
    int64_t start = a->next_ms > now_ms ? a->next_ms : now_ms;

    if (a->per_s <= 0)
        return 0;
    a->next_ms = start + (int64_t)(1000 / a->per_s);
    return start - now_ms;
}

/* An exponential average over about a second of when answers come. */
static void see(struct dv_aimd *a, int64_t now_ms)
{
    double gap_s = (double)(now_ms - a->seen_last_ms) / 1000;
    double keep = gap_s >= 1 ? 0 : 1 - gap_s;

    a->seen_per_s = a->seen_per_s * keep + 1;
    a->seen_last_ms = now_ms;
}

void dv_aimd_good(struct dv_aimd *a, int64_t now_ms)
{
    see(a, now_ms);
    if (a->per_s <= 0)
        return;
    a->per_s += 1 / (a->per_s < 1 ? 1 : a->per_s);
    if (a->per_s > aimd_free)
        a->per_s = 0;
}

void dv_aimd_refused(struct dv_aimd *a, int64_t now_ms)
{
    see(a, now_ms);
    if (now_ms - a->cut_ms < CUT_EVERY_MS)
        return; /* answers to requests that left before the last cut */
    a->cut_ms = now_ms;
    a->per_s = (a->per_s > 0 ? a->per_s : a->seen_per_s) / 2;
    if (a->per_s < aimd_floor)
        a->per_s = aimd_floor;
}

int64_t dv_backoff_ms(int tries, uint64_t random)
{
    int64_t ms = BACKOFF_FIRST_MS;

    for (int i = 1; i < tries && ms < BACKOFF_MAX_MS; i++)
        ms *= 2;
    if (ms > BACKOFF_MAX_MS)
        ms = BACKOFF_MAX_MS;
    return ms / 2 + (int64_t)(random % (uint64_t)(ms / 2 + 1));
}

int64_t dv_retry_after_ms(const char *value, int64_t wall_ms)
{
    struct tm tm;
    const char *end;
    char *digits_end;
    int64_t ms;

    if (!value || !*value)
        return -1;
    if (*value >= '0' && *value <= '9') {
        long long s = strtoll(value, &digits_end, 10);

        if (*digits_end != '\0')
            return -1;
        return s > RETRY_AFTER_MAX_MS / 1000 ? RETRY_AFTER_MAX_MS : (int64_t)s * 1000;
    }
    memset(&tm, 0, sizeof(tm));
    end = strptime(value, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    if (!end || *end != '\0')
        return -1;
    ms = (int64_t)timegm(&tm) * 1000 - wall_ms;
    if (ms < 0)
        return 0;
    return ms > RETRY_AFTER_MAX_MS ? RETRY_AFTER_MAX_MS : ms;
}
