#include "engine/database.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/thread.h"
#include "engine/lake_fs.h"
#include "engine/table_cells.h"
#include "engine/vectors_register.h"

#define GIB ((uint64_t)1 << 30)

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

uint64_t
engine_memory_limit(enum lh_engine_kind kind, const struct lh_config *config)
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
statements_run(duckdb_connection c, const char *const *statements, struct lh_error *err)
{
    for (size_t i = 0; statements[i]; i++) {
        duckdb_result r;
        duckdb_state state = duckdb_query(c, statements[i], &r);

        if (state != DuckDBSuccess)
            lh_fail(err, LH_BUG, "engine.open", "%s: %s", statements[i], duckdb_result_error(&r));
        duckdb_destroy_result(&r);
        if (state != DuckDBSuccess)
            return LH_BUG;
    }
    return LH_OK;
}

static lh_status
database_furnish(const struct lh_engine *e, duckdb_connection c, struct lh_error *err)
{
    LH_TRY(statements_run(c, settings_both, err));
    if (e->kind == LH_ENGINE_WORK) {
        LH_TRY(engine_table_register(c, err));
        return engine_vectors_register(c, err);
    }
    LH_TRY(engine_search_register(c, err));
    return statements_run(c, settings_query, err);
}

struct opening {
    duckdb_config settings;
    duckdb_database *db;
    char *text;
    duckdb_state state;
};

static void
opening_run(void *arg)
{
    struct opening *o = arg;

    o->state = duckdb_open_ext(NULL, o->db, o->settings, &o->text);
}

/* DuckDB's threads are born here and get the priority of whoever opens it. Those of the work engine
 * give way to queries and searches. */
static void
opening_run_as(enum lh_engine_kind kind, struct opening *o)
{
    if (kind == LH_ENGINE_WORK)
        lh_thread_run_aside("engine-open", opening_run, o);
    else
        opening_run(o);
}

static lh_status
database_start(const struct lh_engine *e, unsigned generation, duckdb_database *db,
               struct lh_error *err)
{
    LH_AUTO_CHARS spill_dir =
        lh_asprintf("%s/duckdb-%s-%u", lh_store_spool_dir(e->store),
                    e->kind == LH_ENGINE_QUERY ? "query" : "work", generation);
    struct opening o = {.settings = settings_new(e, e->config, spill_dir), .db = db};

    opening_run_as(e->kind, &o);
    duckdb_destroy_config(&o.settings);
    if (o.state == DuckDBSuccess)
        return LH_OK;
    lh_fail(err, LH_IO, "engine.open", "%s", o.text ? o.text : "DuckDB does not open");
    duckdb_free(o.text);
    return LH_IO;
}

lh_status
engine_database_open(const struct lh_engine *e, unsigned generation, duckdb_database *out,
                     struct lh_error *err)
{
    duckdb_database db = NULL;
    duckdb_connection c = NULL;
    lh_status status;

    LH_TRY(database_start(e, generation, &db, err));
    if (!engine_lake_register(db) || duckdb_connect(db, &c) != DuckDBSuccess)
        status = lh_fail(err, LH_BUG, "engine.open", "DuckDB refused the lake file system");
    else
        status = database_furnish(e, c, err);
    duckdb_disconnect(&c);
    if (status == LH_OK)
        *out = db;
    else
        duckdb_close(&db);
    return status;
}
