/* How fast: caps given by the user, and what a host that answers 429 teaches. Pure: time is given.
 */
#ifndef DV_HTTP_RATE_H
#define DV_HTTP_RATE_H

#include <stdint.h>

/* A token bucket that may go into debt: spend first, then wait. per_s 0: no cap. */
struct dv_rate {
    double per_s;
    double tokens;
    int64_t last_ms;
};

/* The bucket begins full with one second's worth (at least one token). */
void dv_rate_init(struct dv_rate *r, double per_s, int64_t now_ms);
void dv_rate_spend(struct dv_rate *r, double tokens, int64_t now_ms);
/* Milliseconds until the debt is paid, 0 when there is none. */
int64_t dv_rate_wait_ms(struct dv_rate *r, int64_t now_ms);

/* Requests per second to one host: additive increase, multiplicative decrease. No cap until the
 * first 429; each 429 halves what was reached (at most one halving a second), each good answer adds
 * so that a second without a 429 brings one request a second more. */
struct dv_aimd {
    double per_s;      /* 0: no cap */
    double seen_per_s; /* smoothed rate of answers */
    int64_t seen_last_ms;
    int64_t cut_ms;  /* of the last halving */
    int64_t next_ms; /* the next request may start then */
};

void dv_aimd_init(struct dv_aimd *a, int64_t now_ms);
/* The wait before a request that would start now, whose slot it takes. */
int64_t dv_aimd_take_ms(struct dv_aimd *a, int64_t now_ms);
void dv_aimd_good(struct dv_aimd *a, int64_t now_ms);
void dv_aimd_refused(struct dv_aimd *a, int64_t now_ms);

/* Wait before try number `tries` + 1: 250 ms doubled each time up to 30 s, times 0.5 .. 1 by the
 * random number (jitter). */
int64_t dv_backoff_ms(int tries, uint64_t random);
/* Retry-After: seconds or an HTTP date, at most 5 minutes; -1 when it says nothing. */
int64_t dv_retry_after_ms(const char *value, int64_t wall_ms);

#endif
