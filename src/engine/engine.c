#include "engine/engine.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/thread.h"
#include "engine/database.h"
#include "engine/footers.h"
#include "engine/hot.h"
#include "engine/instance.h"
#include "engine/verdicts.h"

/* Of the headers this is compiled against: DuckDB's C++ classes cross the seam, so any other
 * library is refused. */
#define ENGINE_DUCKDB_VERSION "v1.4.4"

const struct lh_config_key lh_engine_config[] = {
    {"engine.memory_limit", LH_CONFIG_SIZE, "0", 0, 0,
     "Memory of the engine that answers SQL; 0 means half of the machine's, at most 64 GiB.", NULL,
     false},
    {"engine.work_memory_limit", LH_CONFIG_SIZE, "0", 0, 0,
     "Memory of the engine that converts files; 0 means a quarter of the machine's, at most 16 "
     "GiB.",
     NULL, false},
    {"engine.threads", LH_CONFIG_I64, "0", 0, 1024,
     "Threads of each engine; 0 means one for each core.", NULL, false},
    {"engine.spill_max", LH_CONFIG_SIZE, "64GiB", 0, 0,
     "Disk that each engine may use for what does not fit into its memory.", NULL, false},
    {0},
};

const char *
lh_engine_version(void)
{
    return "DuckDB " ENGINE_DUCKDB_VERSION;
}

/* ---- open and close ---- */

static lh_status
version_check(struct lh_error *err)
{
    if (strcmp(duckdb_library_version(), ENGINE_DUCKDB_VERSION) == 0)
        return LH_OK;
    return lh_fail(err, LH_UNSUPPORTED, "engine.version",
                   "libduckdb is %s, this program was built for " ENGINE_DUCKDB_VERSION,
                   duckdb_library_version());
}

lh_status
lh_engine_open(enum lh_engine_kind kind, const struct lh_config *config, struct lh_store *store,
               struct lh_engine **out, struct lh_error *err)
{
    LH_AUTO(lh_engine) *e = NULL;

    LH_TRY(version_check(err));
    LH_TRY(engine_watchdog_ref(err));
    e = LH_NEW(struct lh_engine);
    e->kind = kind;
    e->store = store;
    e->config = config;
    e->memory_limit_bytes = engine_memory_limit(kind, config);
    pthread_mutex_init(&e->revive_lock, NULL);
    pthread_mutex_init(&e->pool.lock, NULL);
    e->hot = engine_hot_new();
    e->verdicts = engine_verdicts_new();
    e->footers = engine_footers_new();
    LH_TRY(engine_database_open(e, 0, &e->pool.db, err));
    *out = lh_take(e);
    return LH_OK;
}

void
lh_engine_free(struct lh_engine *e)
{
    if (!e)
        return;
    engine_pool_drain(e);
    duckdb_close(&e->pool.db);
    engine_hot_free(e->hot);
    engine_verdicts_free(e->verdicts);
    engine_footers_free(e->footers);
    pthread_mutex_destroy(&e->pool.lock);
    pthread_mutex_destroy(&e->revive_lock);
    free(e);
    engine_watchdog_unref();
}

/*
 * An error inside DuckDB makes it refuse every further statement of the instance. Then the next
 * statement gets a new instance; whatever still runs on the old one ends there, and the old one
 * goes with its last connection. Hot tables were of the old one.
 */
lh_status
engine_revive(struct lh_engine *e, struct lh_error *err)
{
    LH_AUTO_LOCK(&e->revive_lock);
    duckdb_database fresh, old;

    if (!atomic_load(&e->is_broken))
        return LH_OK;
    LH_TRY(engine_database_open(e, e->pool.generation + 1, &fresh, err));
    pthread_mutex_lock(&e->pool.lock);
    old = e->pool.db;
    e->pool.db = fresh;
    e->pool.generation++;
    atomic_store(&e->is_broken, false);
    pthread_mutex_unlock(&e->pool.lock);
    engine_hot_forget(e);
    engine_pool_drain(e);
    duckdb_close(&old);
    return LH_OK;
}

/* ---- statistics ---- */

struct lh_engine_stats
lh_engine_stats_get(struct lh_engine *e)
{
    struct lh_engine_stats s = {
        .memory_limit_bytes = e->memory_limit_bytes,
        .statements = atomic_load(&e->statements),
        .running = atomic_load(&e->running),
    };
    LH_AUTO(engine_connection) *c = NULL;
    LH_AUTO_ERROR(err);
    duckdb_result r;

    if (engine_connection_take(e, NULL, &c, &err) != LH_OK ||
        engine_run(c,
                   "SELECT sum(memory_usage_bytes)::UBIGINT, "
                   "sum(temporary_storage_bytes)::UBIGINT FROM duckdb_memory()",
                   &r, &err) != LH_OK)
        return s;
    s.memory_bytes = duckdb_value_uint64(&r, 0, 0);
    s.spill_bytes = duckdb_value_uint64(&r, 1, 0);
    duckdb_destroy_result(&r);
    return s;
}
