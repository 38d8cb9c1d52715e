/*
 * limits: how big an object may be, and how many puts may run at once, in all buckets of a store
 * together.
 *
 * Fails    TOO_BIG "store.object_too_big", BUSY "store.too_many_puts".
 * Threads  filled in by one thread, then shared; only the count of running puts changes.
 */
#ifndef LH_STORE_LIMITS_H
#define LH_STORE_LIMITS_H

#include <stdatomic.h>
#include <stdint.h>
#include "base/metrics.h"
#include "base/status.h"
#include "base/str.h"

struct store_prefix_limit {
    char *prefix;
    uint64_t size_max;
};

struct store_limits {
    uint64_t object_max;
    unsigned puts_max;
    struct store_prefix_limit *prefixes;
    size_t prefix_count;
    atomic_uint puts_running;
    struct lh_metric *running, *refused;
};

void store_limits_init(struct store_limits *l, uint64_t object_max, unsigned puts_max);
void store_limits_fini(struct store_limits *l);
void store_limits_add(struct store_limits *l, const char *prefix, uint64_t size_max);

/* The smallest of the general limit, the caller's (0: none) and those of every prefix the key
 * begins with. */
uint64_t store_limits_size_max(const struct store_limits *l, lh_str key, uint64_t asked);
lh_status
store_limits_size_check(lh_str key, uint64_t size, uint64_t size_max, struct lh_error *err);

lh_status store_limits_put_enter(struct store_limits *l, struct lh_error *err);
void store_limits_put_leave(struct store_limits *l);

#endif
