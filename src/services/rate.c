/*
 * Kept as the time at which the bucket was, or will be, empty ("generic cell rate algorithm", ITU-T
 * I.371): one number says the level at any moment, so nothing has to be refilled and one
 * compare-and-swap takes a request.
 */
#include "services/rate.h"

#include <stdatomic.h>
#include <stdlib.h>
#include "base/alloc.h"

#define SECOND_NS INT64_C(1000000000)

struct lh_rate {
    int64_t step_ns;  /* what one request costs; 0: no limit */
    int64_t depth_ns; /* how far ahead of the clock a full burst gets */
    int64_t per_second;
    size_t count;
    _Atomic int64_t empty_at_ns[];
};

struct lh_rate *
lh_rate_new(int64_t per_second, int64_t burst, size_t principals)
{
    struct lh_rate *r = lh_alloc(sizeof(*r) + principals * sizeof(r->empty_at_ns[0]));

    r->count = principals;
    r->per_second = per_second;
    if (per_second > 0) {
        r->step_ns = SECOND_NS / per_second;
        r->depth_ns = r->step_ns * (burst > 0 ? burst : 2 * per_second);
    }
    return r;
}

void
lh_rate_free(struct lh_rate *r)
{
    free(r);
}

lh_status
lh_rate_take(struct lh_rate *r, size_t principal, int64_t now_ns, struct lh_error *err)
{
    _Atomic int64_t *slot;
    int64_t seen, from;

    if (r->step_ns == 0)
        return LH_OK;
    slot = &r->empty_at_ns[principal < r->count ? principal : 0];
    seen = atomic_load_explicit(slot, memory_order_relaxed);
    do {
        from = seen > now_ns ? seen : now_ns;
        if (from + r->step_ns - now_ns > r->depth_ns)
            return lh_fail(err, LH_BUSY, "auth.rate", "more than %lld requests a second",
                           (long long)r->per_second);
    } while (!atomic_compare_exchange_weak_explicit(slot, &seen, from + r->step_ns,
                                                    memory_order_relaxed, memory_order_relaxed));
    return LH_OK;
}
