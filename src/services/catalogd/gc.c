#include "services/catalogd/gc.h"

#include <stdio.h>

#include "base/fault.h"
#include "base/metrics.h"
#include "base/time.h"
#include "services/catalogd/gc_plan.h"
#include "services/catalogd/restore.h"
#include "services/catalogd/writer.h"
#include "services/journald/client.h"
#include "services/queryd/client.h"

#define PAGE_BYTES_MAX ((size_t)256 << 20)

enum { SHOWN_MAX = 10000, READERS_POLLS = 100, READERS_POLL_MS = 20 };

/* One run, and what it has done so far. */
struct gc {
    struct catalog *c;
    struct lh_call *call;
    const struct catalog_gc_options *options;
    struct lh_buf removed, refused; /* JSON arrays without brackets */
    uint64_t removed_objects, removed_versions, bytes, reachable, young;
};

/* ---- the report ---- */

static void
removed_note(struct gc *g, const char *bucket, const char *key, uint64_t size_bytes,
             const char *why)
{
    struct lh_json_writer w = lh_json_writer_over(&g->removed);

    g->bytes += size_bytes;
    if (g->removed_objects + g->removed_versions > SHOWN_MAX)
        return;
    if (g->removed.len > 0)
        lh_buf_add_char(&g->removed, ',');
    lh_json_object_begin(&w);
    lh_json_set_cstr(&w, "bucket", bucket);
    lh_json_set_cstr(&w, "key", key);
    lh_json_set_u64(&w, "size_bytes", size_bytes);
    lh_json_set_cstr(&w, "why", why);
    lh_json_object_end(&w);
}

static void
refused_note(struct gc *g, lh_str dataset, const char *why)
{
    struct lh_json_writer w = lh_json_writer_over(&g->refused);

    if (g->refused.len > 0)
        lh_buf_add_char(&g->refused, ',');
    lh_json_object_begin(&w);
    lh_json_set_str(&w, "dataset", dataset);
    lh_json_set_cstr(&w, "why", why);
    lh_json_object_end(&w);
}

static void
counts_print(const struct gc *g, struct lh_json_writer *w)
{
    lh_json_set_u64(w, "removed_objects", g->removed_objects);
    lh_json_set_u64(w, "removed_versions", g->removed_versions);
    lh_json_set_u64(w, "bytes", g->bytes);
}

static void
report_print(struct gc *g, struct lh_buf *out)
{
    struct lh_json_writer w = lh_json_writer_over(out);

    lh_json_object_begin(&w);
    lh_json_set_bool(&w, "dry_run", g->options->is_dry);
    lh_json_key(&w, "removed");
    lh_json_array_begin(&w);
    if (g->removed.len > 0)
        lh_json_put_raw(&w, lh_buf_str(&g->removed));
    lh_json_array_end(&w);
    counts_print(g, &w);
    lh_json_key(&w, "kept");
    lh_json_object_begin(&w);
    lh_json_set_u64(&w, "reachable", g->reachable);
    lh_json_set_u64(&w, "young", g->young);
    lh_json_object_end(&w);
    lh_json_key(&w, "refused");
    lh_json_array_begin(&w);
    if (g->refused.len > 0)
        lh_json_put_raw(&w, lh_buf_str(&g->refused));
    lh_json_array_end(&w);
    lh_json_object_end(&w);
}

static lh_status
event_write(struct gc *g, struct lh_error *err)
{
    LH_AUTO_BUF(text, 4096);
    struct lh_json_writer w = lh_json_writer_over(&text);

    lh_json_object_begin(&w);
    counts_print(g, &w);
    lh_json_object_end(&w);
    return lh_journal_event(g->c->env->mesh, g->call,
                            &(struct lh_journal_event){.entity_type = "catalog",
                                                       .entity_id = "gc",
                                                       .action = "catalog.collected",
                                                       .new_json = lh_buf_str(&text)},
                            err);
}

/* ---- carrying a plan out ---- */

/* A plan is carried out by a lease, or, in a dry run, only told. */
struct hand {
    struct gc *g;
    lh_str dataset;
    struct catalog_lease *lease; /* NULL: dry */
};

static lh_status
object_remove(struct hand *h, struct lh_bucket *bucket, lh_str key, const char *etag,
              struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    lh_status status;

    if (h->lease == NULL)
        return LH_OK;
    LH_TRY(lh_call_check(h->g->call, err));
    LH_TRY(catalog_lease_hold(h->g->c->writers, h->g->call, h->lease, err));
    LH_FAULT("catalog.gc.before_delete", err);
    status = lh_object_delete(bucket, h->g->call, key, etag, &why);
    if (status == LH_OK || status == LH_NOT_FOUND)
        return LH_OK;
    lh_error_copy(err, &why);
    return status;
}

static lh_status
version_remove(struct hand *h, const struct gc_version *v, struct lh_error *err)
{
    char key[CATALOG_KEY_TEXT], cached[CATALOG_SNAPSHOT_KEY], why[96];

    LH_TRY(object_remove(h, h->g->c->bucket, catalog_manifest_key(h->dataset, v->number, key), NULL,
                         err));
    if (h->lease != NULL) {
        catalog_index_remove(h->g->c->index, h->dataset, v->number);
        lh_cache_drop(h->g->c->snapshots, catalog_snapshot_key(h->dataset, v->number, cached));
    }
    h->g->removed_versions++;
    if (v->is_erased)
        snprintf(why, sizeof(why),
                 "it holds rows that were deleted by key, or precedes one that does");
    else
        snprintf(why, sizeof(why), "not among the newest %llu versions",
                 (unsigned long long)h->g->options->keep_versions);
    removed_note(h->g, lh_bucket_name(h->g->c->bucket), key, 0, why);
    return LH_OK;
}

static lh_status
plan_carry_out(struct hand *h, const struct gc_plan *plan, struct lh_error *err)
{
    for (size_t i = 0; i < plan->version_count; i++)
        if (plan->versions[i].is_expired)
            LH_TRY(version_remove(h, &plan->versions[i], err));
    for (size_t i = 0; i < plan->orphan_count; i++) {
        const struct gc_orphan *o = &plan->orphans[i];

        LH_TRY(object_remove(h, o->bucket, lh_str_of(o->key), o->etag, err));
        h->g->removed_objects++;
        removed_note(h->g, lh_bucket_name(o->bucket), o->key, o->size_bytes, "no version names it");
    }
    h->g->reachable += plan->reachable_count;
    h->g->young += plan->young_count;
    return LH_OK;
}

/* ---- who still reads ---- */

/* The oldest version of the dataset that a running statement reads, if it is below `floor`. */
static uint64_t
oldest_read(const json_t *answer, lh_str dataset, uint64_t floor)
{
    const json_t *item;
    size_t i;

    json_array_foreach (json_object_get(answer, "reading"), i, item) {
        const char *name = json_string_value(json_object_get(item, "dataset"));
        int64_t version = 0;

        if (name != NULL && lh_str_eq(lh_str_of(name), dataset) &&
            lh_json_int_value(json_object_get(item, "version"), &version) &&
            (uint64_t)version < floor)
            floor = (uint64_t)version;
    }
    return floor;
}

/* Asks until every statement that began before `since_us` knows what it reads. A service that is
 * not there runs none. */
static lh_status
readers_ask(struct gc *g, int64_t since_us, json_t **out, const char **refusal,
            struct lh_error *err)
{
    *out = NULL;
    for (int i = 0; i < READERS_POLLS; i++) {
        LH_AUTO_JSON answer = NULL;
        LH_AUTO_ERROR(why);
        lh_status status = lh_query_reading(g->c->env->mesh, g->call, since_us, &answer, &why);

        LH_TRY(lh_call_check(g->call, err));
        if (lh_error_is(&why, "mesh.unreachable"))
            return LH_OK;
        if (status != LH_OK) {
            *refusal =
                lh_arena_printf(&g->call->arena, "what statements read is not known: %s", why.text);
            return LH_OK;
        }
        if (json_integer_value(json_object_get(answer, "starting")) == 0) {
            *out = lh_take(answer);
            return LH_OK;
        }
        lh_time_nap_ms(READERS_POLL_MS);
    }
    *refusal = "statements are starting that may read it";
    return LH_OK;
}

/* From the floor's moment on nobody can begin to read an expired version; who has begun before
 * keeps it, and all later ones. */
static lh_status
readers_spare(struct hand *h, struct gc_plan *plan, const char **refusal, struct lh_error *err)
{
    uint64_t floor = gc_plan_floor(plan), read;
    LH_AUTO_JSON answer = NULL;

    if (h->lease == NULL || plan->version_count == 0 || floor == plan->versions[0].number)
        return LH_OK;
    catalog_index_floor_set(h->g->c->index, h->dataset, floor);
    LH_TRY(readers_ask(h->g, lh_time_now_us(), &answer, refusal, err));
    read = oldest_read(answer, h->dataset, floor);
    if (*refusal != NULL)
        read = 0;
    if (read < floor) {
        gc_plan_spare(plan, read);
        catalog_index_floor_set(h->g->c->index, h->dataset, read);
    }
    return LH_OK;
}

/* Nothing that could be named, and nothing that could be followed: then nobody can commit. */
static lh_status
dataset_is_empty(struct hand *h, bool *is_empty, struct lh_error *err)
{
    struct gc *g = h->g;
    LH_AUTO(lh_object_list) *page = NULL;
    const char *prefix = lh_arena_printf(&g->call->arena, "_data/%.*s/", LH_FMT(h->dataset));
    struct catalog_entry entry;

    LH_TRY(lh_object_list(g->c->bucket, g->call, lh_str_of(prefix), LH_STR(""), 1, &page, err));
    *is_empty =
        page->count == 0 && !catalog_index_entry(g->c->index, h->dataset, &g->call->arena, &entry);
    return LH_OK;
}

/* Before what an expired writer has put may go, and before its record does: the writer may be a
 * process that stands still, and would commit on the next number when it goes on. */
static lh_status
stale_fence(struct hand *h, struct lh_error *err)
{
    struct gc *g = h->g;
    const struct catalog_stale *stale;
    bool is_empty;

    LH_TRY(catalog_writers_stale(g->c->writers, g->call, h->dataset, &stale, err));
    if (stale == NULL)
        return LH_OK;
    LH_TRY(dataset_is_empty(h, &is_empty, err));
    if (!is_empty) {
        LH_TRY(catalog_lease_hold(g->c->writers, g->call, h->lease, err));
        LH_TRY(catalog_fence(g->c, g->call, h->dataset, err));
    }
    for (; stale != NULL; stale = stale->next)
        LH_TRY(catalog_stale_remove(g->c->writers, g->call, stale, err));
    return LH_OK;
}

/* Says why the dataset must not be touched, or nothing. */
static lh_status
dataset_ask(struct hand *h, struct gc_plan *plan, const char **refusal, struct lh_error *err)
{
    struct gc *g = h->g;
    bool is_written, is_same;

    *refusal = NULL;
    LH_TRY(catalog_writers_live(g->c->writers, g->call, h->dataset, &is_written, err));
    if (is_written) {
        *refusal = "a writer is in progress";
        return LH_OK;
    }
    if (h->lease != NULL)
        LH_TRY(stale_fence(h, err));
    LH_TRY(gc_plan_versions(g->c, g->call, h->dataset, g->options, plan, refusal, err));
    if (*refusal == NULL)
        LH_TRY(readers_spare(h, plan, refusal, err));
    if (*refusal == NULL)
        LH_TRY(gc_plan_objects(g->c, g->call, h->dataset, g->options, plan, refusal, err));
    if (*refusal != NULL || h->lease == NULL)
        return LH_OK;
    LH_TRY(gc_plan_check(g->c, g->call, h->dataset, plan, &is_same, err));
    if (!is_same)
        *refusal = "a version was committed meanwhile";
    return LH_OK;
}

static lh_status
dataset_treat(struct hand *h, struct lh_error *err)
{
    struct gc_plan plan __attribute__((cleanup(gc_plan_fini))) = {0};
    const char *refusal;

    LH_TRY(dataset_ask(h, &plan, &refusal, err));
    if (refusal != NULL) {
        catalog_index_floor_set(h->g->c->index, h->dataset, 0);
        refused_note(h->g, h->dataset, refusal);
        return LH_OK;
    }
    return plan_carry_out(h, &plan, err);
}

static lh_status
dataset_collect(struct gc *g, lh_str dataset, struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    struct catalog_lease lease;
    struct hand h = {.g = g, .dataset = dataset, .lease = &lease};
    lh_status status;

    if (g->options->is_dry) {
        h.lease = NULL;
        return dataset_treat(&h, err);
    }
    status = catalog_lease_take(g->c->writers, g->call, dataset, &lease, &why);
    if (status == LH_BUSY) {
        refused_note(g, dataset, "another collection is in progress");
        return LH_OK;
    }
    if (status != LH_OK) {
        lh_error_copy(err, &why);
        return status;
    }
    status = dataset_treat(&h, err);
    if (status != LH_OK)
        catalog_index_floor_set(g->c->index, dataset, 0);
    catalog_lease_drop(g->c->writers, g->call, &lease);
    return status;
}

/* ---- all datasets ---- */

/* Also those that have objects but no version yet: the first ingest of a dataset may have died. */
static lh_status
owners_collect(struct gc *g, struct lh_error *err)
{
    lh_str owner = LH_STR("");

    for (;;) {
        LH_TRY(lh_call_check(g->call, err));
        LH_TRY(gc_owner_next(g->c, g->call, owner, &owner, err));
        if (owner.len == 0)
            return LH_OK;
        if (!catalog_index_entry(g->c->index, owner, &g->call->arena, &(struct catalog_entry){0}))
            LH_TRY(dataset_collect(g, owner, err));
    }
}

/* Writers that died before they had put anything. */
static lh_status
writers_collect(struct gc *g, struct lh_error *err)
{
    const struct catalog_stale *stale;

    if (g->options->is_dry)
        return LH_OK;
    LH_TRY(catalog_writers_stale(g->c->writers, g->call, LH_STR(""), &stale, err));
    for (; stale != NULL; stale = stale->next) {
        lh_str dataset = lh_str_of(stale->dataset);

        if (dataset.len > 0 &&
            !catalog_index_entry(g->c->index, dataset, &g->call->arena, &(struct catalog_entry){0}))
            LH_TRY(dataset_collect(g, dataset, err));
    }
    return LH_OK;
}

static lh_status
datasets_collect(struct gc *g, struct lh_error *err)
{
    struct catalog_entry *entries;
    size_t count;

    LH_TRY(catalog_refresh(g->c, g->call, true, err));
    count = catalog_index_entries(g->c->index, LH_STR(""), &g->call->arena, &entries);
    for (size_t i = 0; i < count; i++)
        LH_TRY(dataset_collect(g, lh_str_of(entries[i].name), err));
    LH_TRY(owners_collect(g, err));
    return writers_collect(g, err);
}

static void
measure(const struct gc *g)
{
    lh_metric_add(lh_counter("lakehouse_catalog_collected_objects_total",
                             "Objects that no version named any more and collection removed.", "",
                             NULL),
                  (int64_t)g->removed_objects);
    lh_metric_add(lh_counter("lakehouse_catalog_collected_versions_total",
                             "Versions that collection removed.", "", NULL),
                  (int64_t)g->removed_versions);
    lh_metric_add(lh_counter("lakehouse_catalog_collected_bytes_total",
                             "Bytes of objects that collection removed.", "", NULL),
                  (int64_t)g->bytes);
}

/* What was removed before a failure was removed all the same, and the journal says so. */
lh_status
catalog_gc(struct catalog *c, struct lh_call *call, const struct catalog_gc_options *options,
           struct lh_buf *out, struct lh_error *err)
{
    struct gc g = {.c = c, .call = call, .options = options};
    lh_status status, noted = LH_OK;
    LH_AUTO_ERROR(why);

    lh_buf_init(&g.removed, PAGE_BYTES_MAX);
    lh_buf_init(&g.refused, PAGE_BYTES_MAX);
    status = datasets_collect(&g, err);
    if (!options->is_dry && g.removed_objects + g.removed_versions > 0)
        noted = event_write(&g, status == LH_OK ? err : &why);
    if (!options->is_dry)
        measure(&g);
    if (status == LH_OK && noted == LH_OK && out != NULL)
        report_print(&g, out);
    lh_buf_fini(&g.removed);
    lh_buf_fini(&g.refused);
    LH_TRY(status);
    LH_TRY(noted);
    return out == NULL ? LH_OK : lh_buf_check(out, "the report of the collection", err);
}
