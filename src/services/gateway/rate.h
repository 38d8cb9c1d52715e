/*
 * rate: how many requests a second one principal may make.
 *
 * A token bucket for each principal: it fills at gateway.requests_per_second up to gateway.burst, a
 * request takes one. Off when the rate is 0.
 *
 * Threads  any.
 * Fails    BUSY "auth.rate", which is 429. A request fits again after one step of at most a second,
 * so Retry-After: 1 is right.
 */
#ifndef LH_SERVICES_GATEWAY_RATE_H
#define LH_SERVICES_GATEWAY_RATE_H

#include "base/status.h"
#include "base/str.h"

struct gateway_rate;

/* `principals` is one more than the highest number. burst 0: twice the rate. */
struct gateway_rate *gateway_rate_new(int64_t per_second, int64_t burst, size_t principals);
void gateway_rate_free(struct gateway_rate *r);
LH_AUTO_DEFINE(gateway_rate)

lh_status
gateway_rate_take(struct gateway_rate *r, size_t principal, int64_t now_ns, struct lh_error *err);

#endif
