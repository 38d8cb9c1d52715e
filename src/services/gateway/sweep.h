/*
 * sweep: removes objects that are past their time, now and then, on a thread of its own.
 *
 * An object is deleted only as it was listed: one that was written anew in between stays. Any
 * number of processes may sweep the same prefix.
 *
 * Threads  gateway_sweep_run may be called by any; start and stop belong to one.
 */
#ifndef LH_SERVICES_GATEWAY_SWEEP_H
#define LH_SERVICES_GATEWAY_SWEEP_H

#include "store/bucket.h"

struct gateway_sweep {
    struct lh_bucket *bucket;
    const char *prefix; /* borrowed for the life of the sweeper */
    int64_t older_than_ms;
};

lh_status gateway_sweep_run(const struct gateway_sweep *sweep, struct lh_call *call,
                            size_t *removed, struct lh_error *err);

struct gateway_sweeper;

lh_status gateway_sweeper_start(const struct gateway_sweep *sweep, int64_t every_ms,
                                struct gateway_sweeper **out, struct lh_error *err);
/* Breaks off a sweep that is running; NULL is fine. */
void gateway_sweeper_stop(struct gateway_sweeper *s);

#endif
