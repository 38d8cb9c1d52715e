#include <stdlib.h>

#include "base/alloc.h"
#include "services/ingestd/ingestd.h"

const struct lh_config_key ingestd_config[] = {
    {"ingest.body_max", LH_CONFIG_SIZE, "32GiB", 1, INT64_MAX, "The largest file, as it is sent.",
     NULL, false},
    {"ingest.unpacked_max", LH_CONFIG_SIZE, "64GiB", 1, INT64_MAX,
     "The largest file, once unpacked from gzip or zstd.", NULL, false},
    {"ingest.concurrency", LH_CONFIG_I64, "32", 1, 1000,
     "Files that may be taken in at once; more are answered 503.", NULL, false},
    {0},
};

static struct lh_metric *
stage_seconds(const char *stage)
{
    return lh_histogram("lakehouse_ingest_stage_seconds", "Time of each stage of an ingest.",
                        "stage", stage, NULL);
}

static void
metrics_find(struct ingestd_metrics *m)
{
    m->bytes = lh_counter("lakehouse_ingest_bytes_total", "Bytes of files received.", "", NULL);
    m->rows = lh_counter("lakehouse_ingest_rows_total", "Rows taken in.", "", NULL);
    m->rejects = lh_counter("lakehouse_ingest_rejected_rows_total", "Rows refused and kept aside.",
                            "", NULL);
    m->versions = lh_counter("lakehouse_ingest_versions_total", "Versions made.", "", NULL);
    m->unchanged =
        lh_counter("lakehouse_ingest_unchanged_total",
                   "Files that changed nothing because they were there already.", "", NULL);
    m->failures = lh_counter("lakehouse_ingest_failures_total", "Ingests that failed.", "", NULL);
    m->running = lh_gauge("lakehouse_ingest_running", "Files being taken in now.", "", NULL);
    m->spool_seconds = stage_seconds("spool");
    m->convert_seconds = stage_seconds("convert");
    m->put_seconds = stage_seconds("put");
    m->commit_seconds = stage_seconds("commit");
}

static lh_status
ingestd_start(const struct lh_env *env, void **self, struct lh_error *err)
{
    struct ingestd *d = LH_NEW(struct ingestd);

    (void)err;
    d->env = env;
    d->catalog = lh_catalog_client_new(env->mesh);
    d->body_max = lh_config_size(env->config, "ingest.body_max");
    d->unpacked_max = lh_config_size(env->config, "ingest.unpacked_max");
    d->concurrency = lh_config_i64(env->config, "ingest.concurrency");
    metrics_find(&d->metrics);
    *self = d;
    return LH_OK;
}

static void
ingestd_stop(void *self)
{
    struct ingestd *d = self;

    lh_catalog_client_free(d->catalog);
    free(d);
}

static void
ingestd_status(void *self, struct lh_json_writer *w)
{
    struct ingestd *d = self;

    lh_json_set_i64(w, "running", atomic_load(&d->running));
    lh_json_set_i64(w, "concurrency", d->concurrency);
    lh_json_set_u64(w, "versions", atomic_load(&d->versions));
    lh_json_set_u64(w, "unchanged", atomic_load(&d->unchanged));
    lh_json_set_u64(w, "failures", atomic_load(&d->failures));
    lh_json_set_i64(w, "rows", lh_metric_value(d->metrics.rows));
    lh_json_set_i64(w, "rows_rejected", lh_metric_value(d->metrics.rejects));
}

const struct lh_service lh_ingestd = {
    .name = "ingestd",
    .what = "files in, versions out",
    .config = ingestd_config,
    .routes = ingestd_routes,
    .start = ingestd_start,
    .stop = ingestd_stop,
    .status = ingestd_status,
};
