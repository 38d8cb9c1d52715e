#include <stdlib.h>

#include "base/alloc.h"
#include "services/queryd/hot.h"
#include "services/queryd/queryd.h"
#include "services/queryd/running.h"

#define DAY_MS ((int64_t)86400 * 1000)

const struct lh_config_key queryd_config[] = {
    {"query.concurrency", LH_CONFIG_I64, "64", 1, 10000,
     "Statements that may run at once; more are answered 503.", NULL, false},
    {"query.timeout", LH_CONFIG_DURATION, "30s", 1, DAY_MS,
     "Time of a statement that does not ask for another.", NULL, false},
    {"query.timeout_max", LH_CONFIG_DURATION, "10m", 1, DAY_MS,
     "The longest time a statement may ask for.", NULL, false},
    {"query.rows_default", LH_CONFIG_I64, "10000", 1, INT64_MAX,
     "Rows of a JSON answer when the request sets no limit; the other forms are not cut.", NULL,
     false},
    {"query.bytes_max", LH_CONFIG_SIZE, "8GiB", 1, INT64_MAX, "The largest answer.", NULL, false},
    {"query.hot_max", LH_CONFIG_SIZE, "1GiB", 0, 0,
     "Memory for pinned datasets, out of engine.memory_limit.", NULL, false},
    {0},
};

static void
metrics_find(struct queryd *q)
{
    q->seconds = lh_histogram("lakehouse_query_seconds",
                              "Time of a statement from its arrival to its last byte.", "", NULL);
    q->rows = lh_counter("lakehouse_query_rows_total", "Rows answered.", "", NULL);
    q->lake_bytes = lh_counter("lakehouse_query_lake_bytes_total",
                               "Bytes that statements read from buckets.", "", NULL);
    q->lake_requests = lh_counter("lakehouse_query_lake_requests_total",
                                  "Reads of buckets by statements.", "", NULL);
    q->remote_bytes = lh_counter("lakehouse_query_remote_bytes_total",
                                 "Bytes of those that came from remote buckets.", "", NULL);
    q->remote_requests = lh_counter(
        "lakehouse_query_remote_requests_total",
        "Requests of statements to remote buckets, to open objects and for ranges.", "", NULL);
    q->cached_bytes =
        lh_counter("lakehouse_query_cached_bytes_total",
                   "Bytes of remote objects that statements found cached, in pages.", "", NULL);
    q->running_now = lh_gauge("lakehouse_query_running", "Statements running now.", "", NULL);
    q->failures = lh_counter("lakehouse_query_failures_total", "Statements that failed.", "", NULL);
}

static lh_status
queryd_start(const struct lh_env *env, void **self, struct lh_error *err)
{
    struct queryd *q = LH_NEW(struct queryd);

    (void)err;
    q->env = env;
    q->catalog = lh_catalog_client_new(env->mesh);
    q->running = query_running_new((size_t)lh_config_i64(env->config, "query.concurrency"));
    q->hot = query_hot_new(q, lh_config_size(env->config, "query.hot_max"));
    metrics_find(q);
    *self = q;
    return LH_OK;
}

static void
queryd_stop(void *self)
{
    struct queryd *q = self;

    query_hot_free(q->hot);
    query_running_free(q->running);
    lh_catalog_client_free(q->catalog);
    free(q);
}

static void
queryd_status(void *self, struct lh_json_writer *w)
{
    struct queryd *q = self;

    lh_json_set_u64(w, "running", query_running_count(q->running));
    lh_json_set_u64(w, "statements", query_running_started(q->running));
    lh_json_key(w, "hot");
    query_hot_print(q->hot, w, false);
}

const struct lh_service lh_queryd = {
    .name = "queryd",
    .what = "SQL over the datasets",
    .config = queryd_config,
    .routes = queryd_routes,
    .start = queryd_start,
    .stop = queryd_stop,
    .status = queryd_status,
};
