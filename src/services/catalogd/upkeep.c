#include "services/catalogd/upkeep.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/time.h"
#include "services/catalogd/compact.h"
#include "services/catalogd/gc.h"
#include "services/journald/client.h"
#include "services/rounds.h"

struct task {
    int64_t interval_ms; /* 0: never */
    int64_t next_ms;
};

struct catalog_upkeep {
    struct catalog *catalog;
    struct task compaction, collection;
    struct lh_metric *compactions, *compacted, *removed_rows, *failures, *seconds;
    struct lh_rounds *rounds;
};

/* ---- compaction ---- */

static void
failure_note(struct catalog_upkeep *u, struct lh_call *call, const char *what, const char *dataset,
             const struct lh_error *err)
{
    /* Somebody was faster, or asked to stop: the next time will do. */
    if (err->status == LH_CONFLICT || err->status == LH_BUSY || err->status == LH_CANCELED ||
        err->status == LH_NOT_FOUND)
        return;
    lh_metric_add(u->failures, 1);
    lh_log_error(LH_LOG_WARN, "catalogd", what, err);
    lh_journal_failure(u->catalog->env->mesh, call,
                       &(struct lh_journal_failure){.service = "catalogd",
                                                    .code = err->reason,
                                                    .detail = err->text,
                                                    .object = dataset,
                                                    .bucket = ""});
}

static void
dataset_compact(struct catalog_upkeep *u, struct lh_call *call, const char *dataset)
{
    size_t min = (size_t)lh_config_i64(u->catalog->env->config, "catalog.compact_objects_min");
    struct catalog_compact_report r;
    LH_AUTO_ERROR(err);

    if (catalog_compact(u->catalog, call, lh_str_of(dataset), min, &r, &err) != LH_OK) {
        failure_note(u, call, "a dataset was not compacted", dataset, &err);
        return;
    }
    if (r.is_unchanged)
        return;
    lh_metric_add(u->compactions, 1);
    lh_metric_add(u->compacted, (int64_t)r.objects_before);
    lh_metric_add(u->removed_rows, (int64_t)r.rows_removed);
}

/* Most datasets have nothing to do, which is seen by the number of their objects. */
static bool
is_worth_a_look(const struct catalog_entry *e, const struct catalog *c)
{
    uint64_t min = (uint64_t)lh_config_i64(c->env->config, "catalog.compact_objects_min");

    return catalog_entry_is_shown(e) &&
           (e->head.digest.erased > 0 || e->head.digest.file_count > min);
}

static void
all_compact(struct catalog_upkeep *u, struct lh_call *call)
{
    struct catalog_entry *entries;
    size_t count = catalog_index_entries(u->catalog->index, LH_STR(""), &call->arena, &entries);

    for (size_t i = 0; i < count && lh_call_check(call, NULL) == LH_OK; i++)
        if (catalog_entry_read(u->catalog, call, &entries[i], NULL) == LH_OK &&
            is_worth_a_look(&entries[i], u->catalog))
            dataset_compact(u, call, entries[i].name);
}

/* ---- collection ---- */

static void
all_collect(struct catalog_upkeep *u, struct lh_call *call)
{
    const struct lh_config *config = u->catalog->env->config;
    struct catalog_gc_options options = {
        .keep_versions = (uint64_t)lh_config_i64(config, "catalog.gc_keep_versions"),
        .older_than_us = lh_config_ms(config, "catalog.retention") * 1000};
    LH_AUTO_ERROR(err);

    if (catalog_gc(u->catalog, call, &options, NULL, &err) != LH_OK)
        failure_note(u, call, "what no version names was not collected", "", &err);
}

/* ---- rounds ---- */

/* Counted from the end of a run, so that slow runs leave time between them. */
static void
task_due_run(struct catalog_upkeep *u, struct lh_call *call, struct task *t,
             void (*run)(struct catalog_upkeep *u, struct lh_call *call))
{
    int64_t from_ns = lh_time_mono_ns();

    if (t->interval_ms == 0 || lh_time_mono_ms() < t->next_ms)
        return;
    run(u, call);
    lh_metric_observe_ns(u->seconds, lh_time_mono_ns() - from_ns);
    t->next_ms = lh_time_mono_ms() + t->interval_ms;
}

static void
round_run(void *self, struct lh_call *call)
{
    struct catalog_upkeep *u = self;

    task_due_run(u, call, &u->compaction, all_compact);
    task_due_run(u, call, &u->collection, all_collect);
}

static int64_t
next_ms(void *self)
{
    const struct catalog_upkeep *u = self;
    int64_t next = INT64_MAX;

    if (u->compaction.interval_ms > 0)
        next = u->compaction.next_ms;
    if (u->collection.interval_ms > 0 && u->collection.next_ms < next)
        next = u->collection.next_ms;
    return next;
}

static struct task
task_make(const struct lh_config *config, const char *key)
{
    int64_t interval = lh_config_ms(config, key);

    return (struct task){.interval_ms = interval, .next_ms = lh_time_mono_ms() + interval};
}

static void
metrics_find(struct catalog_upkeep *u)
{
    u->compactions = lh_counter("lakehouse_catalog_compactions_total",
                                "Versions that compaction made in the background.", "", NULL);
    u->compacted = lh_counter("lakehouse_catalog_compacted_objects_total",
                              "Objects that compaction rewrote in the background.", "", NULL);
    u->removed_rows = lh_counter("lakehouse_catalog_erased_rows_total",
                                 "Rows deleted by key that compaction left out.", "", NULL);
    u->failures =
        lh_counter("lakehouse_catalog_upkeep_failures_total",
                   "Compactions and collections in the background that failed.", "", NULL);
    u->seconds = lh_histogram("lakehouse_catalog_upkeep_seconds",
                              "Time of one run over all datasets.", "", NULL);
}

lh_status
catalog_upkeep_start(struct catalog *c, struct catalog_upkeep **out, struct lh_error *err)
{
    const struct lh_config *config = c->env->config;
    struct catalog_upkeep *u = LH_NEW(struct catalog_upkeep);
    const struct lh_rounds_options options = {
        .name = "catalog-upkeep", .run = round_run, .next_ms = next_ms, .self = u};
    lh_status status;

    u->catalog = c;
    u->compaction = task_make(config, "catalog.compact_interval");
    u->collection = task_make(config, "catalog.gc_interval");
    metrics_find(u);
    status = lh_rounds_start(&options, &u->rounds, err);
    if (status != LH_OK) {
        free(u);
        return status;
    }
    *out = u;
    return LH_OK;
}

void
catalog_upkeep_stop(struct catalog_upkeep *u)
{
    if (u == NULL)
        return;
    lh_rounds_stop(u->rounds);
    free(u);
}
