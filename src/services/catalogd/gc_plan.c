#include "services/catalogd/gc_plan.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/time.h"

#define DATA_PREFIX "_data/"

/* Objects that some version names, by key and then bucket, each with the name of its bucket. */
struct place {
    const char *bucket, *key;
};

struct reach {
    struct place *items;
    size_t count, cap;
};

/* ---- versions ---- */

static lh_status
versions_load(struct catalog *c, struct lh_call *call, lh_str dataset, struct gc_plan *plan,
              const char **refusal, struct lh_error *err)
{
    uint64_t *numbers;
    size_t count;

    LH_TRY(catalog_versions_list(c, call, dataset, &numbers, &count, err));
    plan->versions = lh_arena_array(&plan->arena, count + 1, sizeof(*plan->versions));
    for (size_t i = 0; i < count; i++) {
        struct gc_version *v = &plan->versions[i];
        LH_AUTO_ERROR(why);
        char cached[CATALOG_SNAPSHOT_KEY];
        lh_status status;

        /* Only the oldest may be another than the one we have read: see echoes_expire. */
        if (i == 0)
            lh_cache_drop(c->snapshots, catalog_snapshot_key(dataset, numbers[i], cached));
        status = catalog_version_load(c, call, dataset, numbers[i], &v->snapshot, &why);

        if (status == LH_CORRUPT) {
            *refusal = lh_arena_cstr(&call->arena, lh_str_of(why.text));
            return LH_OK;
        }
        if (status != LH_OK) {
            lh_error_copy(err, &why);
            return status;
        }
        v->number = numbers[i];
        v->created_us = v->snapshot->shown.created_us;
        plan->version_count = i + 1;
    }
    return LH_OK;
}

static bool
names_deleted_rows(const struct gc_plan *plan, const struct gc_version *v)
{
    const struct lh_snapshot *s = v->snapshot ? &v->snapshot->shown : NULL;

    for (size_t i = 0; plan->tombstones != NULL && s != NULL && i < s->file_count; i++)
        if (catalog_tombstones_find(plan->tombstones, &s->files[i]) != NULL)
            return true;
    return false;
}

static void
erased_expire(struct gc_plan *plan, int64_t before_us)
{
    size_t end = 0;

    for (size_t i = 0; i + 1 < plan->version_count; i++)
        if (plan->versions[i + 1].created_us <= before_us &&
            names_deleted_rows(plan, &plan->versions[i]))
            end = i + 1;
    for (size_t i = 0; i < end; i++)
        plan->versions[i].is_expired = plan->versions[i].is_erased = true;
}

/* What stands below a gap, or is not what the next version was built on, was put by a process that
 * did not know that its number is gone (commit.h). */
static void
echoes_expire(struct gc_plan *plan)
{
    size_t end = 0;

    for (size_t i = 1; i < plan->version_count; i++) {
        const struct gc_version *v = &plan->versions[i], *before = v - 1;

        if (v->number != before->number + 1 ||
            (v->snapshot && before->snapshot &&
             !catalog_snapshot_follows(v->snapshot, before->snapshot)))
            end = i;
    }
    for (size_t i = 0; i < end; i++)
        plan->versions[i].is_expired = true;
}

void
gc_plan_expire(struct gc_plan *plan, uint64_t keep_versions, int64_t before_us)
{
    echoes_expire(plan);
    erased_expire(plan, before_us);
    if (keep_versions == 0)
        return;
    for (size_t i = 0; i + keep_versions < plan->version_count; i++) {
        if (plan->versions[i + 1].created_us > before_us)
            return;
        plan->versions[i].is_expired = true;
    }
}

uint64_t
gc_plan_floor(const struct gc_plan *plan)
{
    for (size_t i = 0; i < plan->version_count; i++)
        if (!plan->versions[i].is_expired)
            return plan->versions[i].number;
    return 0;
}

void
gc_plan_spare(struct gc_plan *plan, uint64_t number)
{
    for (size_t i = 0; i < plan->version_count; i++)
        if (plan->versions[i].number >= number)
            plan->versions[i].is_expired = false;
}

static lh_status
tombstones_load(struct catalog *c, struct lh_call *call, struct gc_plan *plan, const char **refusal,
                struct lh_error *err)
{
    const struct catalog_snapshot *head =
        plan->version_count > 0 ? plan->versions[plan->version_count - 1].snapshot : NULL;
    LH_AUTO_ERROR(why);
    lh_status status;

    if (head == NULL || head->tombstones[0] == '\0')
        return LH_OK;
    status = catalog_tombstones_load(c, call, lh_str_of(head->tombstones), &plan->tombstones, &why);
    if (status == LH_CORRUPT) {
        *refusal = lh_arena_cstr(&call->arena, lh_str_of(why.text));
        return LH_OK;
    }
    if (status != LH_OK)
        lh_error_copy(err, &why);
    return status;
}

lh_status
gc_plan_versions(struct catalog *c, struct lh_call *call, lh_str dataset,
                 const struct catalog_gc_options *options, struct gc_plan *out,
                 const char **refusal, struct lh_error *err)
{
    LH_TRY(versions_load(c, call, dataset, out, refusal, err));
    if (*refusal != NULL)
        return LH_OK;
    LH_TRY(tombstones_load(c, call, out, refusal, err));
    if (*refusal == NULL)
        gc_plan_expire(out, options->keep_versions, lh_time_now_us() - options->older_than_us);
    return LH_OK;
}

/* ---- what is reachable ---- */

static void
reach_add(struct reach *r, const char *bucket, const char *key)
{
    if (r->count == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 256;
        r->items = lh_realloc_array(r->items, r->cap, sizeof(*r->items));
    }
    r->items[r->count++] = (struct place){bucket, key};
}

static void
reach_fini(struct reach *r)
{
    free(r->items);
}

static int
places_order(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    return catalog_object_order(x->key, x->bucket, y->key, y->bucket);
}

static void
rejects_reach(struct gc_plan *plan, const char *primary, const char *rejects, struct reach *r)
{
    lh_str bucket, key;

    if (!lh_lake_uri_parse(lh_str_of(rejects), &bucket, &key))
        reach_add(r, primary, rejects);
    else /* the key is the end of the uri, so it ends with the same NUL */
        reach_add(r, lh_arena_cstr(&plan->arena, bucket), key.ptr);
}

static void
snapshot_reach(struct gc_plan *plan, const char *primary, const struct catalog_snapshot *s,
               struct reach *r)
{
    for (size_t i = 0; i < s->shown.file_count; i++)
        reach_add(r, s->shown.files[i].bucket, s->shown.files[i].key);
    if (s->shown.rejects != NULL)
        rejects_reach(plan, primary, s->shown.rejects, r);
    if (s->tombstones[0] != '\0')
        reach_add(r, primary, s->tombstones);
}

static void
reach_make(struct catalog *c, struct gc_plan *plan, struct reach *r)
{
    for (size_t i = 0; i < plan->version_count; i++)
        if (!plan->versions[i].is_expired)
            snapshot_reach(plan, lh_bucket_name(c->bucket), plan->versions[i].snapshot, r);
    if (r->count > 0)
        qsort(r->items, r->count, sizeof(*r->items), places_order);
}

static bool
reach_has(const struct reach *r, const char *bucket, const char *key)
{
    struct place wanted = {bucket, key};

    return r->count > 0 &&
           bsearch(&wanted, r->items, r->count, sizeof(*r->items), places_order) != NULL;
}

/* ---- objects ---- */

struct sweep {
    struct gc_plan *plan;
    struct lh_bucket *bucket;
    const struct reach *reach;
    int64_t before_us;
};

static void
orphan_add(struct gc_plan *plan, struct lh_bucket *bucket, const struct lh_object_entry *entry)
{
    if (plan->orphan_count == plan->orphan_cap) {
        plan->orphan_cap = plan->orphan_cap ? plan->orphan_cap * 2 : 64;
        plan->orphans = lh_realloc_array(plan->orphans, plan->orphan_cap, sizeof(*plan->orphans));
    }
    plan->orphans[plan->orphan_count++] =
        (struct gc_orphan){.bucket = bucket,
                           .key = lh_arena_cstr(&plan->arena, lh_str_of(entry->key)),
                           .etag = lh_arena_cstr(&plan->arena, lh_str_of(entry->info.etag)),
                           .size_bytes = entry->info.size_bytes};
}

static lh_status
sweep_visit(void *self, const struct lh_object_entry *entry, struct lh_error *err)
{
    struct sweep *s = self;

    (void)err;
    if (reach_has(s->reach, lh_bucket_name(s->bucket), entry->key))
        s->plan->reachable_count++;
    else if (entry->info.modified_us > s->before_us)
        s->plan->young_count++;
    else
        orphan_add(s->plan, s->bucket, entry);
    return LH_OK;
}

static lh_status
prefix_sweep(struct lh_call *call, struct sweep *s, const char *prefix, lh_str dataset,
             struct lh_error *err)
{
    const char *all = lh_arena_printf(&call->arena, "%s%.*s/", prefix, LH_FMT(dataset));

    return lh_object_walk(s->bucket, call, lh_str_of(all), sweep_visit, s, err);
}

struct names {
    const char **items;
    size_t count, cap;
};

static void
name_add(struct names *n, struct lh_arena *arena, const char *name)
{
    const char **larger;

    for (size_t i = 0; i < n->count; i++)
        if (strcmp(n->items[i], name) == 0)
            return;
    if (n->count == n->cap) {
        n->cap = n->cap ? n->cap * 2 : 8;
        larger = lh_arena_array(arena, n->cap, sizeof(*larger));
        if (n->count > 0)
            memcpy(larger, n->items, n->count * sizeof(*larger));
        n->items = larger;
    }
    n->items[n->count++] = name;
}

/* Every other bucket that a version of the dataset names, also one that is to expire. */
static struct names
others_gather(const char *primary, const struct gc_plan *plan, struct lh_arena *arena)
{
    struct names n = {0};

    for (size_t i = 0; i < plan->version_count; i++) {
        const struct lh_snapshot *v = &plan->versions[i].snapshot->shown;

        for (size_t k = 0; k < v->file_count; k++)
            if (strcmp(v->files[k].bucket, primary) != 0)
                name_add(&n, arena, v->files[k].bucket);
    }
    return n;
}

/* A bucket that is away now would keep what its versions leave behind for ever. */
static lh_status
others_sweep(struct catalog *c, struct lh_call *call, lh_str dataset, struct sweep *s,
             const char **refusal, struct lh_error *err)
{
    struct names others = others_gather(lh_bucket_name(c->bucket), s->plan, &call->arena);

    for (size_t i = 0; i < others.count; i++) {
        LH_AUTO_ERROR(why);
        lh_status status =
            lh_store_bucket(c->env->store, call, lh_str_of(others.items[i]), &s->bucket, &why);

        if (status == LH_OK)
            status = prefix_sweep(call, s, DATA_PREFIX, dataset, &why);
        if (status == LH_CANCELED || status == LH_TIMEOUT) {
            lh_error_copy(err, &why);
            return status;
        }
        if (status != LH_OK) {
            *refusal = lh_arena_printf(&call->arena, "bucket '%s' cannot be listed: %s",
                                       others.items[i], why.text);
            return LH_OK;
        }
    }
    return LH_OK;
}

lh_status
gc_plan_objects(struct catalog *c, struct lh_call *call, lh_str dataset,
                const struct catalog_gc_options *options, struct gc_plan *plan,
                const char **refusal, struct lh_error *err)
{
    struct reach reach __attribute__((cleanup(reach_fini))) = {0};
    struct sweep sweep = {.plan = plan,
                          .bucket = c->bucket,
                          .reach = &reach,
                          .before_us = lh_time_now_us() - options->older_than_us};

    reach_make(c, plan, &reach);
    LH_TRY(prefix_sweep(call, &sweep, DATA_PREFIX, dataset, err));
    LH_TRY(prefix_sweep(call, &sweep, CATALOG_TOMBSTONES_PREFIX, dataset, err));
    return others_sweep(c, call, dataset, &sweep, refusal, err);
}

lh_status
gc_plan_check(struct catalog *c, struct lh_call *call, lh_str dataset, const struct gc_plan *plan,
              bool *is_same, struct lh_error *err)
{
    uint64_t *numbers;
    size_t count;

    LH_TRY(catalog_versions_list(c, call, dataset, &numbers, &count, err));
    *is_same = count == plan->version_count;
    for (size_t i = 0; *is_same && i < count; i++)
        *is_same = numbers[i] == plan->versions[i].number;
    return LH_OK;
}

void
gc_plan_fini(struct gc_plan *plan)
{
    for (size_t i = 0; i < plan->version_count; i++)
        catalog_snapshot_unref(plan->versions[i].snapshot);
    catalog_tombstones_unref(plan->tombstones);
    free(plan->orphans);
    lh_arena_fini(&plan->arena);
}

/* ---- owners ---- */

/* '0' is the byte after '/', so "_data/<dataset>0" stands behind every object of the dataset. */
static lh_status
owner_step(struct catalog *c, struct lh_call *call, lh_str after, lh_str *part,
           struct lh_error *err)
{
    LH_AUTO(lh_object_list) *page = NULL;
    const char *from = lh_arena_printf(&call->arena, DATA_PREFIX "%.*s0", LH_FMT(after));
    lh_str rest;

    LH_TRY(lh_object_list(c->bucket, call, LH_STR(DATA_PREFIX),
                          after.len > 0 ? lh_str_of(from) : LH_STR(""), 1, &page, err));
    *part = LH_STR("");
    if (page->count == 0)
        return LH_OK;
    rest = lh_str_of(page->items[0].key + strlen(DATA_PREFIX));
    lh_str_cut(&rest, '/', part);
    *part = lh_arena_str(&call->arena, *part);
    return LH_OK;
}

/* Anything under `_data/` that is no dataset's is left alone. */
lh_status
gc_owner_next(struct catalog *c, struct lh_call *call, lh_str after, lh_str *owner,
              struct lh_error *err)
{
    lh_str part = after;

    do {
        LH_TRY(owner_step(c, call, part, &part, err));
    } while (part.len > 0 && lh_catalog_name_check(part, NULL) != LH_OK);
    *owner = part;
    return LH_OK;
}
