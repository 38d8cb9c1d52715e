/*
 * rate: how many requests a second one principal may make.
 *
 * A token bucket for each principal: it fills at so many a second up to a burst, a request takes
 * one. Off when the rate is 0. The gateway has one for its tokens, the S3 door one for its key.
 *
 * Threads  any.
 * Fails    BUSY "auth.rate", which is 429. A request fits again after one step of at most a second,
 * so Retry-After: 1 is right.
 */
#ifndef LH_SERVICES_RATE_H
#define LH_SERVICES_RATE_H

#include "base/status.h"
#include "base/str.h"

struct lh_rate;

/* `principals` is one more than the highest number. burst 0: twice the rate. */
struct lh_rate *lh_rate_new(int64_t per_second, int64_t burst, size_t principals);
void lh_rate_free(struct lh_rate *r);
LH_AUTO_DEFINE(lh_rate)

lh_status lh_rate_take(struct lh_rate *r, size_t principal, int64_t now_ns, struct lh_error *err);

#endif
