#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "services/catalogd/client.h"
#include "services/jobs.h"
#include "services/vectord/keeper.h"

#define HOUR_MS ((int64_t)3600 * 1000)

const struct lh_config_key vectord_config[] = {
    {"vectors.indexes_max", LH_CONFIG_I64, "1000", 1, 100000,
     "Vector indexes that there may be; one more is refused.", NULL, false},
    {"vectors.memory_max", LH_CONFIG_SIZE, "2GiB", 1 << 20, INT64_MAX,
     "Memory for all open vector indexes, filters included; what does not fit is refused.", NULL,
     false},
    {"vectors.items_max", LH_CONFIG_I64, "10000", 1, 100000,
     "Items, or ids to remove, in one request.", NULL, false},
    {"vectors.text_max", LH_CONFIG_SIZE, "1MiB", 1, 64 << 20, "Text of one item or question.", NULL,
     false},
    {"vectors.metadata_max", LH_CONFIG_SIZE, "64KiB", 2, 1 << 20, "Metadata of one item, as JSON.",
     NULL, false},
    {"vectors.refresh", LH_CONFIG_DURATION, "1s", 10, HOUR_MS,
     "How old the view of what other processes wrote to an open index may be.", NULL, false},
    {"vectors.commit_timeout", LH_CONFIG_DURATION, "60s", 100, HOUR_MS,
     "Time for one batch of items to reach the bucket.", NULL, false},
    {"vectors.generations_keep", LH_CONFIG_I64, "4", 1, 30,
     "Generations of an index that stay when another is made, the current one included; the "
     "oldest go.",
     NULL, false},
    {"vectors.drift_max", LH_CONFIG_F64, "0.3", 0, 1,
     "Share of unknown words in new texts from which a refresh learns a model anew.", NULL, false},
    {"vectors.recall_gate", LH_CONFIG_F64, "0.95", 0, 1,
     "Recall that a trial must reach to be called the best.", NULL, false},
    {"vectors.autotune_promote", LH_CONFIG_BOOL, "false", 0, 0,
     "Whether autotune promotes the best parameters that it finds, unless the request says.", NULL,
     false},
    {"vectors.threads", LH_CONFIG_I64, "0", 0, 256,
     "Threads that build a graph; 0 for one per processor.", NULL, false},
    {"rag.prompt_tokens", LH_CONFIG_I64, "3000", 100, 1000000,
     "Tokens of passages and question that a model is given, at four bytes a token.", NULL, false},
    {"rag.answer_tokens", LH_CONFIG_I64, "600", 1, 100000, "Tokens of a model's answer.", NULL,
     false},
    {"rag.cover_min", LH_CONFIG_F64, "0.5", 0, 1,
     "Share of a question's words, by their rarity, that sentences must hold to be an answer when "
     "no model makes one.",
     NULL, false},
    {0},
};

static int64_t
memory_read(void *self)
{
    struct vectord *v = self;

    return (int64_t)atomic_load(&v->budget.used_bytes);
}

static void
metrics_find(struct vectord *v)
{
    v->metrics.searches = lh_counter("lakehouse_vector_searches_total", "Searches.", "", NULL);
    v->metrics.failures =
        lh_counter("lakehouse_vector_search_failures_total", "Searches that failed.", "", NULL);
    v->metrics.search_seconds = lh_histogram("lakehouse_vector_search_seconds",
                                             "Time of a search, its JSON included.", "", NULL);
    v->metrics.swaps = lh_counter("lakehouse_vector_swaps_total",
                                  "Generations promoted or rolled back.", "", NULL);
    v->metrics.items =
        lh_counter("lakehouse_vector_items_total", "Items written or removed.", "", NULL);
    lh_gauge_callback("lakehouse_vector_memory_bytes", "Memory of open vector indexes.",
                      memory_read, v);
}

static void
settings_read(struct vectord *v)
{
    const struct lh_config *c = v->env->config;
    int64_t threads = lh_config_i64(c, "vectors.threads");

    v->budget.max_bytes = (size_t)lh_config_size(c, "vectors.memory_max");
    v->items_max = (size_t)lh_config_i64(c, "vectors.items_max");
    v->text_max = (size_t)lh_config_size(c, "vectors.text_max");
    v->metadata_max = (size_t)lh_config_size(c, "vectors.metadata_max");
    v->commit_timeout_ms = lh_config_ms(c, "vectors.commit_timeout");
    if (threads == 0)
        threads = sysconf(_SC_NPROCESSORS_ONLN);
    v->build_threads = threads > 0 ? (unsigned)threads : 1;
}

static void vectord_stop(void *self);

static lh_status
vectord_start(const struct lh_env *env, void **self, struct lh_error *err)
{
    struct vectord *v = LH_NEW(struct vectord);
    lh_status status;

    v->env = env;
    v->bucket = lh_store_primary(env->store);
    settings_read(v);
    metrics_find(v);
    v->registry = vector_registry_new(v);
    v->catalog = lh_catalog_client_new(env->mesh);
    status = lh_bridge_new(env->config, env->secrets, &v->bridge, err);
    if (status == LH_OK)
        status = lh_jobs_open(env, "vectord", &v->jobs, err);
    if (status == LH_OK)
        status = vector_keeper_start(v, &v->keeper, err);
    if (status != LH_OK) {
        vectord_stop(v);
        return status;
    }
    *self = v;
    return LH_OK;
}

static void
vectord_drain(void *self)
{
    struct vectord *v = self;

    lh_jobs_close(v->jobs);
    v->jobs = NULL;
    vector_keeper_stop(v->keeper);
    v->keeper = NULL;
}

static void
vectord_stop(void *self)
{
    struct vectord *v = self;

    vectord_drain(v);
    lh_gauge_callback("lakehouse_vector_memory_bytes", "Memory of open vector indexes.", NULL,
                      NULL);
    vector_registry_free(v->registry);
    lh_bridge_free(v->bridge);
    lh_catalog_client_free(v->catalog);
    free(v);
}

static size_t
vectord_ready(void *self, struct lh_call *call, struct lh_ready_check *checks, size_t max)
{
    const struct vectord *v = self;
    LH_AUTO_ERROR(err);
    bool has_more;
    size_t count;
    lh_str *names;

    if (max == 0)
        return 0;
    checks[0] = (struct lh_ready_check){
        .name = "vectors",
        .is_ok = vector_definition_names(v->bucket, call, LH_STR_NONE, 1, &names, &count, &has_more,
                                         &err) == LH_OK};
    lh_str_copy(checks[0].detail, sizeof(checks[0].detail), lh_str_of(err.text));
    return 1;
}

void
vectord_status_print(struct vectord *v, struct lh_json_writer *w)
{
    struct vector_registry_stats s = vector_registry_stats_get(v);

    lh_json_set_u64(w, "open_indexes", s.indexes);
    lh_json_set_u64(w, "open_generations", s.generations);
    lh_json_set_u64(w, "items", s.items);
    lh_json_set_u64(w, "memory_bytes", s.bytes);
    lh_json_set_u64(w, "jobs", v->jobs ? lh_jobs_running(v->jobs) : 0);
    lh_json_set_u64(w, "memory_max", v->budget.max_bytes);
    lh_json_key(w, "models");
    lh_bridge_status(v->bridge, w);
}

static void
vectord_status(void *self, struct lh_json_writer *w)
{
    vectord_status_print(self, w);
}

const struct lh_service lh_vectord = {
    .name = "vectord",
    .what = "vector indexes and search by meaning",
    .config = vectord_config,
    .routes = vectord_routes,
    .start = vectord_start,
    .drain = vectord_drain,
    .stop = vectord_stop,
    .ready = vectord_ready,
    .status = vectord_status,
};
