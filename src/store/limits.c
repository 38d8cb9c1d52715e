#include "store/limits.h"

#include <inttypes.h>
#include <stdlib.h>
#include "base/alloc.h"

void
store_limits_init(struct store_limits *l, uint64_t object_max, unsigned puts_max)
{
    memset(l, 0, sizeof(*l));
    l->object_max = object_max;
    l->puts_max = puts_max;
    l->running =
        lh_gauge("lakehouse_store_puts_running", "Puts under way in all buckets.", "", NULL);
    l->refused = lh_counter("lakehouse_store_puts_refused_total",
                            "Puts refused because too many were under way.", "", NULL);
}

void
store_limits_fini(struct store_limits *l)
{
    for (size_t i = 0; i < l->prefix_count; i++)
        free(l->prefixes[i].prefix);
    free(l->prefixes);
    l->prefixes = NULL;
    l->prefix_count = 0;
}

void
store_limits_add(struct store_limits *l, const char *prefix, uint64_t size_max)
{
    l->prefixes = lh_realloc_array(l->prefixes, l->prefix_count + 1, sizeof(l->prefixes[0]));
    l->prefixes[l->prefix_count++] =
        (struct store_prefix_limit){.prefix = lh_strdup(prefix), .size_max = size_max};
}

uint64_t
store_limits_size_max(const struct store_limits *l, lh_str key, uint64_t asked)
{
    uint64_t max = l->object_max;

    if (asked > 0 && asked < max)
        max = asked;
    for (size_t i = 0; i < l->prefix_count; i++)
        if (lh_str_starts(key, lh_str_of(l->prefixes[i].prefix)) && l->prefixes[i].size_max < max)
            max = l->prefixes[i].size_max;
    return max;
}

lh_status
store_limits_size_check(lh_str key, uint64_t size, uint64_t size_max, struct lh_error *err)
{
    if (size <= size_max)
        return LH_OK;
    return lh_fail(err, LH_TOO_BIG, "store.object_too_big",
                   "object '%.*s' has %" PRIu64 " bytes or more, the limit is %" PRIu64,
                   LH_FMT(lh_str_fit(key, 200)), size, size_max);
}

lh_status
store_limits_put_enter(struct store_limits *l, struct lh_error *err)
{
    unsigned running = atomic_fetch_add(&l->puts_running, 1);

    lh_metric_add(l->running, 1);
    if (running < l->puts_max)
        return LH_OK;
    store_limits_put_leave(l);
    lh_metric_add(l->refused, 1);
    return lh_fail(err, LH_BUSY, "store.too_many_puts",
                   "%u puts are running, which is the limit (store.puts_max)", running);
}

void
store_limits_put_leave(struct store_limits *l)
{
    lh_metric_add(l->running, -1);
    atomic_fetch_sub(&l->puts_running, 1);
}
