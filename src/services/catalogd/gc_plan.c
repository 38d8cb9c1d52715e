#include "services/catalogd/gc_plan.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/time.h"

#define DATA_PREFIX "_data/"

/* Keys of this bucket that some version names, in byte order. */
struct reach {
    const char **keys;
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
        lh_status status = catalog_version_load(c, call, dataset, numbers[i], &v->snapshot, &why);

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

/* From the oldest on, and never past one that must stay: what remains is an unbroken history. */
static void
versions_expire(struct gc_plan *plan, const struct catalog_gc_options *options, int64_t before_us)
{
    if (options->keep_versions == 0)
        return;
    for (size_t i = 0; i + options->keep_versions < plan->version_count; i++) {
        if (plan->versions[i].created_us > before_us)
            return;
        plan->versions[i].is_expired = true;
    }
}

/* ---- what is reachable ---- */

static void
reach_add(struct reach *r, const char *key)
{
    if (r->count == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 256;
        r->keys = lh_realloc_array(r->keys, r->cap, sizeof(*r->keys));
    }
    r->keys[r->count++] = key;
}

static void
reach_fini(struct reach *r)
{
    free(r->keys);
}

static int
keys_order(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
snapshot_reach(struct catalog *c, const struct lh_snapshot *v, struct reach *r)
{
    const char *bucket = lh_bucket_name(c->bucket);
    lh_str rejects_bucket, rejects_key;

    for (size_t i = 0; i < v->file_count; i++)
        if (strcmp(v->files[i].bucket, bucket) == 0)
            reach_add(r, v->files[i].key);
    /* The key is the end of the uri, so it ends with the same NUL. */
    if (v->rejects != NULL &&
        lh_lake_uri_parse(lh_str_of(v->rejects), &rejects_bucket, &rejects_key))
        reach_add(r, rejects_key.ptr);
    else if (v->rejects != NULL)
        reach_add(r, v->rejects);
}

static void
reach_make(struct catalog *c, const struct gc_plan *plan, struct reach *r)
{
    for (size_t i = 0; i < plan->version_count; i++)
        if (!plan->versions[i].is_expired)
            snapshot_reach(c, &plan->versions[i].snapshot->shown, r);
    if (r->count > 0)
        qsort(r->keys, r->count, sizeof(*r->keys), keys_order);
}

static bool
reach_has(const struct reach *r, const char *key)
{
    return r->count > 0 && bsearch(&key, r->keys, r->count, sizeof(*r->keys), keys_order) != NULL;
}

/* ---- objects ---- */

struct sweep {
    struct gc_plan *plan;
    const struct reach *reach;
    int64_t before_us;
};

static void
orphan_add(struct gc_plan *plan, const struct lh_object_entry *entry)
{
    if (plan->orphan_count == plan->orphan_cap) {
        plan->orphan_cap = plan->orphan_cap ? plan->orphan_cap * 2 : 64;
        plan->orphans = lh_realloc_array(plan->orphans, plan->orphan_cap, sizeof(*plan->orphans));
    }
    plan->orphans[plan->orphan_count++] =
        (struct gc_orphan){.key = lh_arena_cstr(&plan->arena, lh_str_of(entry->key)),
                           .etag = lh_arena_cstr(&plan->arena, lh_str_of(entry->info.etag)),
                           .size_bytes = entry->info.size_bytes};
}

static lh_status
sweep_visit(void *self, const struct lh_object_entry *entry, struct lh_error *err)
{
    struct sweep *s = self;

    (void)err;
    if (reach_has(s->reach, entry->key))
        s->plan->reachable_count++;
    else if (entry->info.modified_us > s->before_us)
        s->plan->young_count++;
    else
        orphan_add(s->plan, entry);
    return LH_OK;
}

static lh_status
objects_sweep(struct catalog *c, struct lh_call *call, lh_str dataset, int64_t before_us,
              struct gc_plan *plan, struct lh_error *err)
{
    struct reach reach __attribute__((cleanup(reach_fini))) = {0};
    struct sweep sweep = {.plan = plan, .reach = &reach, .before_us = before_us};
    const char *prefix = lh_arena_printf(&call->arena, DATA_PREFIX "%.*s/", LH_FMT(dataset));

    reach_make(c, plan, &reach);
    return lh_object_walk(c->bucket, call, lh_str_of(prefix), sweep_visit, &sweep, err);
}

static void
snapshots_release(struct gc_plan *plan)
{
    for (size_t i = 0; i < plan->version_count; i++) {
        catalog_snapshot_unref(plan->versions[i].snapshot);
        plan->versions[i].snapshot = NULL;
    }
}

lh_status
gc_plan_make(struct catalog *c, struct lh_call *call, lh_str dataset,
             const struct catalog_gc_options *options, struct gc_plan *out, const char **refusal,
             struct lh_error *err)
{
    int64_t before_us = lh_time_now_us() - options->older_than_us;
    lh_status status = versions_load(c, call, dataset, out, refusal, err);

    if (status == LH_OK && *refusal == NULL) {
        versions_expire(out, options, before_us);
        status = objects_sweep(c, call, dataset, before_us, out, err);
    }
    snapshots_release(out);
    return status;
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
    snapshots_release(plan);
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
