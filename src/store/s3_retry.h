/*
 * s3_retry: when to try again, and how often.
 *
 * Waits grow by doubling and are drawn at random between nothing and their bound ("full jitter"),
 * so that many who failed together do not come back together. A budget bounds what all requests of
 * a bucket retry together: while a store is down, each request would otherwise be sent attempts_max
 * times.
 *
 * Source   https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 * Threads  a budget may be used by all threads.
 */
#ifndef LH_STORE_S3_RETRY_H
#define LH_STORE_S3_RETRY_H

#include <stdatomic.h>
#include "base/str.h"
#include "net/call.h"

struct s3_budget {
    int64_t max; /* in hundredths of a retry */
    atomic_llong left;
};

void s3_budget_init(struct s3_budget *b, unsigned retries);
/* False when nothing is left. */
bool s3_budget_take(struct s3_budget *b);
void s3_budget_refill(struct s3_budget *b); /* after a request that succeeded at once */

/* The wait before attempt `n` (2 is the first retry); `random` is any number. `retry_after_ms` is
 * the least, 0 when the store did not say. */
int64_t s3_backoff_ms(unsigned n, int64_t first_ms, int64_t max_ms, int64_t retry_after_ms,
                      uint64_t random);
/* Seconds or an HTTP date (RFC 9110 10.2.3), as milliseconds from `now_us`; 0 for anything else. */
int64_t s3_retry_after_ms(lh_str field, int64_t now_us);

/* False when the call ends before. */
bool s3_wait(struct lh_call *call, int64_t ms);

#endif
