/*
 * gc_plan: which versions and objects of one dataset a collection may remove. Reads only.
 *
 * First the versions, so that it can be asked whether somebody still reads one of them; then the
 * objects that those which stay do not name.
 */
#ifndef LH_SERVICES_CATALOGD_GC_PLAN_H
#define LH_SERVICES_CATALOGD_GC_PLAN_H

#include "services/catalogd/gc.h"
#include "services/catalogd/tombstones.h"

struct gc_version {
    uint64_t number;
    int64_t created_us;
    bool is_expired, is_erased; /* erased: rows of it were deleted, and that is why it goes */
    struct catalog_snapshot *snapshot;
};

struct gc_orphan {
    struct lh_bucket *bucket;
    const char *key, *etag;
    uint64_t size_bytes;
};

struct gc_plan {
    struct gc_version *versions; /* ascending */
    size_t version_count;
    struct catalog_tombstones *tombstones; /* in force; NULL: none */
    struct gc_orphan *orphans;
    size_t orphan_count, orphan_cap;
    uint64_t reachable_count, young_count;
    struct lh_arena arena;
};

/* `*refusal` says in words why nothing of the dataset may be removed, or is left NULL. */
lh_status gc_plan_versions(struct catalog *c, struct lh_call *call, lh_str dataset,
                           const struct catalog_gc_options *options, struct gc_plan *out,
                           const char **refusal, struct lh_error *err);
lh_status gc_plan_objects(struct catalog *c, struct lh_call *call, lh_str dataset,
                          const struct catalog_gc_options *options, struct gc_plan *plan,
                          const char **refusal, struct lh_error *err);
/* Whether the bucket still has exactly the versions that were planned with. */
lh_status gc_plan_check(struct catalog *c, struct lh_call *call, lh_str dataset,
                        const struct gc_plan *plan, bool *is_same, struct lh_error *err);
void gc_plan_fini(struct gc_plan *plan);

/* ---- pure ---- */

/* From the oldest on, and never past one that must stay: what remains is an unbroken history. A
 * version's age begins when the next one takes its place. Versions that name an object with deleted
 * rows go when they are as old as that, and all before them, whatever else is to be kept. */
void gc_plan_expire(struct gc_plan *plan, uint64_t keep_versions, int64_t before_us);
/* The first version that stays. */
uint64_t gc_plan_floor(const struct gc_plan *plan);
/* Versions from `number` on stay after all. */
void gc_plan_spare(struct gc_plan *plan, uint64_t number);

/* The next dataset, in byte order of `_data/<dataset>/`, that has objects; "" when there is none.
 */
lh_status gc_owner_next(struct catalog *c, struct lh_call *call, lh_str after, lh_str *owner,
                        struct lh_error *err);

#endif
