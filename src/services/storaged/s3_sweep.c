/*
 * Collecting uploads that nobody completes or aborts: one thread, now and then through every
 * bucket. An upload goes when nothing in its folder is younger than s3_door.upload_ttl. Several
 * processes may sweep the same bucket; what one has removed the other does not find.
 */
#include <stdlib.h>
#include "base/alloc.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/time.h"
#include "services/rounds.h"
#include "services/storaged/s3_upload.h"

struct s3_sweeper {
    struct s3_door *door;
    int64_t ttl_ms;
    struct lh_metric *collected;
    struct lh_rounds *rounds;
};

struct sweep {
    struct s3_sweeper *s;
    struct lh_call *call;
    struct lh_bucket *b;
    int64_t older_than_us;
};

static lh_status
youngest_find(struct sweep *w, lh_str id, int64_t *modified_us, struct lh_error *err)
{
    LH_AUTO(lh_object_list) *list = NULL;
    struct lh_call *call = w->call;

    *modified_us = 0;
    LH_TRY(lh_object_list(w->b, call, door_upload_folder(&call->arena, id), LH_STR(""),
                          S3_PARTS_MAX + 1, &list, err));
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].info.modified_us > *modified_us)
            *modified_us = list->items[i].info.modified_us;
    }
    return LH_OK;
}

static lh_status
upload_visit(void *self, lh_str id, struct lh_error *err)
{
    struct sweep *w = self;
    int64_t modified_us;

    LH_TRY(lh_call_check(w->call, err));
    LH_TRY(youngest_find(w, id, &modified_us, err));
    if (modified_us >= w->older_than_us)
        return LH_OK;
    LH_TRY(door_upload_remove(w->b, w->call, id, err));
    lh_metric_add(w->s->collected, 1);
    lh_log(LH_LOG_INFO, "storaged", "abandoned upload removed",
           LH_LOG_S("bucket", lh_bucket_name(w->b)), LH_LOG_V("upload", id));
    return LH_OK;
}

static void
bucket_sweep(void *self, struct lh_bucket *b, const struct lh_bucket_spec *spec)
{
    struct sweep *w = self;
    LH_AUTO_ERROR(err);

    (void)spec;
    if (!b || lh_call_check(w->call, NULL) != LH_OK)
        return;
    w->b = b;
    if (door_uploads_walk(b, w->call, upload_visit, w, &err) != LH_OK && err.status != LH_CANCELED)
        lh_log_error(LH_LOG_WARN, "storaged", "looking for abandoned uploads", &err);
}

static void
round_run(void *self, struct lh_call *call)
{
    struct s3_sweeper *s = self;
    struct sweep w = {.s = s, .call = call, .older_than_us = lh_time_now_us() - s->ttl_ms * 1000};
    LH_AUTO_ERROR(err);

    if (lh_store_buckets(s->door->storage->env->store, call, bucket_sweep, &w, &err) != LH_OK &&
        err.status != LH_CANCELED)
        lh_log_error(LH_LOG_WARN, "storaged", "looking for abandoned uploads", &err);
}

lh_status
door_sweeper_start(struct s3_door *d, struct s3_sweeper **out, struct lh_error *err)
{
    const struct lh_config *config = d->storage->env->config;
    struct lh_rounds_options options = {
        .name = "s3-sweep",
        .interval_ms = lh_config_ms(config, "s3_door.sweep_interval"),
        .is_at_once = true,
        .run = round_run,
    };
    struct s3_sweeper *s;
    lh_status status;

    if (lh_config_ms(config, "s3_door.upload_ttl") == 0)
        return LH_OK;
    s = LH_NEW(struct s3_sweeper);
    s->door = d;
    s->ttl_ms = lh_config_ms(config, "s3_door.upload_ttl");
    s->collected = lh_counter("lakehouse_s3_uploads_collected_total",
                              "Uploads in parts that were abandoned and removed.", "", NULL);
    options.self = s;
    status = lh_rounds_start(&options, &s->rounds, err);
    if (status != LH_OK) {
        free(s);
        return status;
    }
    *out = s;
    return LH_OK;
}

void
door_sweeper_stop(struct s3_sweeper *s)
{
    if (!s)
        return;
    lh_rounds_stop(s->rounds);
    free(s);
}
