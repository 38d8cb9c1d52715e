/*
 * Any text as a statement: the guard accepts or refuses, and of what it accepts a second, much
 * simpler walk over DuckDB's tree must find no denied function, no schema and no name that looks
 * like a file. Good seeds are the statements of tests/guard.
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "base/file.h"
#include "engine/guard.h"
#include "engine/guard_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct lh_engine *engine;
static char folder[] = "/tmp/lh-guard-fuzz-XXXXXX";

static void
folder_remove(void)
{
    lh_engine_free(engine);
    (void)lh_dir_remove_tree(folder, NULL);
}

static void
must(lh_status status, const struct lh_error *err)
{
    if (status == LH_OK)
        return;
    fprintf(stderr, "%s: %s\n", err->reason, err->text);
    abort();
}

static void
engine_start(void)
{
    static const struct lh_config_key *const tables[] = {lh_store_config, lh_engine_config, NULL};
    static struct lh_config *config;
    static struct lh_store *store;
    LH_AUTO_ERROR(err);

    if (!mkdtemp(folder))
        abort();
    must(lh_config_parse(tables, LH_STR("engine.threads = 1\n"), "fuzz.toml", &config, &err), &err);
    must(lh_store_open(config, folder, NULL, &store, &err), &err);
    must(lh_engine_open(LH_ENGINE_QUERY, config, store, &engine, &err), &err);
    (void)atexit(folder_remove);
}

/* ---- the second walk ---- */

static bool
is_denied(const char *name)
{
    static const char *const denied[] = {"getenv",
                                         "current_setting",
                                         "query",
                                         "query_table",
                                         "glob",
                                         "sniff_csv",
                                         "json_execute_serialized_sql",
                                         "nextval",
                                         "getvariable",
                                         "write_log",
                                         "which_secret",
                                         "finalize"};

    for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++)
        if (lh_str_eq_nocase(lh_str_of(name), lh_str_of(denied[i])))
            return true;
    return strncasecmp(name, "read_", 5) == 0 || strncasecmp(name, "parquet_", 8) == 0 ||
           strncasecmp(name, "duckdb_", 7) == 0 || strncasecmp(name, "pragma_", 7) == 0;
}

static void
text_inspect(const char *key, const char *text)
{
    if (strcmp(key, "function_name") == 0 && is_denied(text))
        abort();
    if (strcmp(key, "schema_name") == 0 && *text && strcasecmp(text, "recurring") != 0)
        abort();
    if (strcmp(key, "catalog_name") == 0 && *text)
        abort();
}

static void
tree_inspect(const json_t *node)
{
    const char *key;
    json_t *value;
    size_t i;

    json_object_foreach ((json_t *)(uintptr_t)node, key, value) {
        if (json_is_string(value))
            text_inspect(key, json_string_value(value));
        tree_inspect(value);
    }
    json_array_foreach (node, i, value)
        tree_inspect(value);
}

static void
sql_inspect(struct engine_connection *c, lh_str sql)
{
    GUARD_AUTO_PARSED(parsed);
    LH_AUTO_ERROR(err);

    must(guard_parse(c, sql, &parsed, &err), &err);
    if (json_array_size(parsed.statements) != 1)
        abort();
    tree_inspect(parsed.statements);
}

static void
verdict_inspect(struct engine_connection *c, const struct guard_verdict *v)
{
    if (!v->is_explain && v->sql.len > 0)
        sql_inspect(c, v->sql);
    for (size_t i = 0; i < v->pivot_count; i++)
        sql_inspect(c, v->pivot_sql[i]);
    for (size_t i = 0; i < v->table_count; i++)
        if (v->tables[i].dataset.len == 0 || v->tables[i].dataset.len > 63)
            abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    LH_AUTO(engine_connection) *c = NULL;
    LH_AUTO_ERROR(err);
    struct guard_verdict v;
    struct lh_call call;

    if (!engine)
        engine_start();
    lh_call_init(&call);
    must(engine_connection_take(engine, &call, &c, &err), &err);
    if (guard_check(c, &call, (lh_str){(const char *)data, size}, &v, &err) == LH_OK)
        verdict_inspect(c, &v);
    engine_connection_free(lh_take(c));
    lh_call_fini(&call);
    return 0;
}
