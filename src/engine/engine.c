#include "engine/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/thread.h"
#include "engine/footers.h"
#include "engine/hot.h"
#include "engine/instance.h"
#include "engine/lake_fs.h"
#include "engine/table_cells.h"
#include "engine/verdicts.h"

/* Of the headers this is compiled against: DuckDB's C++ classes cross the seam, so any other
 * library is refused. */
#define ENGINE_DUCKDB_VERSION "v1.4.4"

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

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

/* ---- settings ---- */

/* The limit of our control group (https://docs.kernel.org/admin-guide/cgroup-v2.html) or all of the
 * machine. */
static uint64_t
machine_memory(void)
{
    uint64_t bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    LH_AUTO_BUF(text, 64);
    uint64_t limit;

    if (lh_file_read("/sys/fs/cgroup/memory.max", 64, &text, NULL) == LH_OK &&
        lh_str_u64(lh_str_trim(lh_buf_str(&text)), &limit) && limit < bytes)
        return limit;
    return bytes;
}

static uint64_t
memory_limit(enum lh_engine_kind kind, const struct lh_config *config)
{
    bool is_query = kind == LH_ENGINE_QUERY;
    uint64_t set =
        lh_config_size(config, is_query ? "engine.memory_limit" : "engine.work_memory_limit");
    uint64_t share = machine_memory() / (is_query ? 2 : 4);
    uint64_t most = (is_query ? 64 : 16) * GIB;

    if (set > 0)
        return set;
    return share < most ? share : most;
}

static void
setting(duckdb_config c, const char *name, const char *value)
{
    /* An unknown name is found by the first test that opens an engine. */
    if (duckdb_set_config(c, name, value) != DuckDBSuccess)
        abort();
}

static void
setting_u64(duckdb_config c, const char *name, uint64_t value, const char *unit)
{
    char text[32];

    snprintf(text, sizeof(text), "%llu%s", (unsigned long long)value, unit);
    setting(c, name, text);
}

static duckdb_config
settings_new(const struct lh_engine *e, const struct lh_config *config, const char *spill_dir)
{
    int64_t threads = lh_config_i64(config, "engine.threads");
    duckdb_config c;

    if (duckdb_create_config(&c) != DuckDBSuccess)
        abort();
    setting_u64(c, "memory_limit", e->memory_limit_bytes / 1024, "KiB");
    if (threads > 0)
        setting_u64(c, "threads", (uint64_t)threads, "");
    setting(c, "temp_directory", spill_dir);
    setting_u64(c, "max_temp_directory_size", lh_config_size(config, "engine.spill_max") / 1024,
                "KiB");
    setting(c, "autoinstall_known_extensions", "false");
    setting(c, "autoload_known_extensions", "false");
    setting(c, "allow_community_extensions", "false");
    setting(c, "custom_user_agent", "lakehouse/" LH_VERSION);
    /* Store keeps blocks of remote objects and the kernel those of local ones: a third copy here
     * would only take memory from queries. */
    setting(c, "enable_external_file_cache", "false");
    setting(c, "allocator_flush_threshold", "16MiB");
    return c;
}

/* After the file system is registered. What a statement of a user could change is locked last. */
static const char *const settings_both[] = {"SET GLOBAL TimeZone = 'UTC'", NULL};
static const char *const settings_query[] = {
    "SET GLOBAL parquet_metadata_cache = true",
    "SET allowed_directories = ['lake://', 'mem://']",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
    NULL,
};

static lh_status
settings_run(struct lh_engine *e, const char *const *statements, struct lh_error *err)
{
    LH_AUTO(engine_connection) *c = NULL;

    LH_TRY(engine_connection_take(e, NULL, &c, err));
    for (size_t i = 0; statements[i]; i++)
        LH_TRY(engine_run(c, statements[i], NULL, err));
    return LH_OK;
}

static lh_status
functions_register(struct lh_engine *e, struct lh_error *err)
{
    LH_AUTO(engine_connection) *c = NULL;

    LH_TRY(engine_connection_take(e, NULL, &c, err));
    return engine_table_register(c->handle, err);
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

static lh_status
database_open(struct lh_engine *e, const struct lh_config *config, struct lh_error *err)
{
    LH_AUTO_CHARS spill_dir = lh_asprintf("%s/duckdb-%s", lh_store_spool_dir(e->store),
                                          e->kind == LH_ENGINE_QUERY ? "query" : "work");
    duckdb_config settings = settings_new(e, config, spill_dir);
    char *text = NULL;
    duckdb_state state = duckdb_open_ext(NULL, &e->db, settings, &text);

    duckdb_destroy_config(&settings);
    if (state != DuckDBSuccess) {
        lh_fail(err, LH_IO, "engine.open", "%s", text ? text : "DuckDB does not open");
        duckdb_free(text);
        return LH_IO;
    }
    if (!engine_lake_register(e->db))
        return lh_fail(err, LH_BUG, "engine.open", "DuckDB refused the lake file system");
    return LH_OK;
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
    e->memory_limit_bytes = memory_limit(kind, config);
    pthread_mutex_init(&e->pool.lock, NULL);
    e->hot = engine_hot_new();
    e->verdicts = engine_verdicts_new();
    e->footers = engine_footers_new();
    LH_TRY(database_open(e, config, err));
    LH_TRY(settings_run(e, settings_both, err));
    LH_TRY(kind == LH_ENGINE_QUERY ? settings_run(e, settings_query, err)
                                   : functions_register(e, err));
    *out = lh_take(e);
    return LH_OK;
}

void
lh_engine_free(struct lh_engine *e)
{
    if (!e)
        return;
    engine_pool_drain(e);
    if (e->db)
        duckdb_close(&e->db);
    engine_hot_free(e->hot);
    engine_verdicts_free(e->verdicts);
    engine_footers_free(e->footers);
    pthread_mutex_destroy(&e->pool.lock);
    free(e);
    engine_watchdog_unref();
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
