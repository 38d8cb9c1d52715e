/*
 * gc_plan: which versions and objects of one dataset a collection may remove. Reads only.
 */
#ifndef LH_SERVICES_CATALOGD_GC_PLAN_H
#define LH_SERVICES_CATALOGD_GC_PLAN_H

#include "services/catalogd/gc.h"

struct gc_version {
    uint64_t number;
    int64_t created_us;
    bool is_expired;
    struct catalog_snapshot *snapshot; /* NULL after planning */
};

struct gc_orphan {
    const char *key, *etag;
    uint64_t size_bytes;
};

struct gc_plan {
    struct gc_version *versions; /* ascending */
    size_t version_count;
    struct gc_orphan *orphans;
    size_t orphan_count, orphan_cap;
    uint64_t reachable_count, young_count;
    struct lh_arena arena;
};

/* `*refusal` says in words why nothing of the dataset may be removed, or is left NULL. */
lh_status gc_plan_make(struct catalog *c, struct lh_call *call, lh_str dataset,
                       const struct catalog_gc_options *options, struct gc_plan *out,
                       const char **refusal, struct lh_error *err);
/* Whether the bucket still has exactly the versions that were planned with. */
lh_status gc_plan_check(struct catalog *c, struct lh_call *call, lh_str dataset,
                        const struct gc_plan *plan, bool *is_same, struct lh_error *err);
void gc_plan_fini(struct gc_plan *plan);

/* The next dataset, in byte order of `_data/<dataset>/`, that has objects; "" when there is none.
 */
lh_status gc_owner_next(struct catalog *c, struct lh_call *call, lh_str after, lh_str *owner,
                        struct lh_error *err);

#endif
