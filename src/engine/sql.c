/*
 * Parse and bind. The connection stays with the statement from parse to free, so its names, its
 * call and its reads are found through it by the replacement scan and the file system while DuckDB
 * binds and runs.
 */
#include "engine/sql.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "engine/guard_parse.h"
#include "engine/lake_fs.h"
#include "engine/search.h"
#include "engine/statement.h"
#include "engine/verdicts.h"

/* ---- parse ---- */

lh_status
lh_statement_parse(struct lh_engine *e, struct lh_call *call, lh_str sql, struct lh_statement **out,
                   struct lh_error *err)
{
    LH_AUTO(lh_statement) *s = LH_NEW(struct lh_statement);

    s->engine = e;
    s->call = call;
    s->text = lh_arena_str(&call->arena, sql);
    LH_TRY(engine_connection_take(e, call, &s->connection, err));
    if (!engine_verdicts_find(e->verdicts, sql, &call->arena, &s->verdict)) {
        LH_TRY(guard_check(s->connection, call, sql, &s->verdict, err));
        engine_verdicts_put(e->verdicts, sql, &s->verdict);
    }
    s->sql = s->verdict.sql;
    *out = lh_take(s);
    return LH_OK;
}

void
lh_statement_free(struct lh_statement *s)
{
    if (!s)
        return;
    engine_connection_free(s->connection);
    engine_sources_fini(&s->sources, s->engine);
    json_decref(s->params);
    free(s);
}

size_t
lh_statement_table_count(const struct lh_statement *s)
{
    return s->verdict.table_count;
}

struct lh_statement_table
lh_statement_table_at(const struct lh_statement *s, size_t i)
{
    const struct guard_table *t = &s->verdict.tables[i];

    return (struct lh_statement_table){
        .as_written = t->as_written,
        .dataset = t->dataset,
        .version = t->version,
    };
}

bool
lh_statement_lists_tables(const struct lh_statement *s)
{
    return s->verdict.lists_tables;
}

/* ---- execute ---- */

/* DuckDB counts bytes of what it was given; people count characters of what they wrote. */
static void
place_note(const struct lh_statement *s, lh_str sql, int64_t position, struct lh_error *err)
{
    size_t at = 0;

    if (position < 0 || (size_t)position > sql.len || !lh_str_find(s->text, sql, &at))
        return;
    guard_place_set(err, s->text, guard_place_character(s->text, at + (size_t)position));
}

static lh_status
failure(struct lh_statement *s, const struct engine_fault *fault, lh_str sql, struct lh_error *err)
{
    lh_status status = engine_error(s->connection, fault->type, fault->text, err);

    if (status == LH_INVALID)
        place_note(s, sql, fault->position, err);
    return status;
}

/* A statement that is ready to start: parsed, with its parameters. */
static lh_status
statement_make(struct lh_statement *s, lh_str sql, struct engine_parsed **out, struct lh_error *err)
{
    struct engine_fault fault;
    struct engine_parsed *p = engine_parsed_new(s->connection->handle, sql.ptr, &fault);
    lh_status status;

    if (!p)
        return failure(s, &fault, sql, err);
    status = engine_params_set(p, s->params, err);
    if (status == LH_OK)
        *out = p;
    else
        engine_parsed_free(p);
    return status;
}

static lh_status
pending_finish(struct lh_statement *s, duckdb_pending_result pending, duckdb_result *out,
               struct lh_error *err)
{
    lh_status status = LH_OK;

    if (duckdb_execute_pending(pending, out) != DuckDBSuccess) {
        status = engine_error(s->connection, duckdb_result_error_type(out),
                              duckdb_result_error(out), err);
        duckdb_destroy_result(out);
    }
    duckdb_destroy_pending(&pending);
    return status;
}

lh_status
engine_statement_execute(struct lh_statement *s, lh_str sql, bool is_streaming, duckdb_result *out,
                         struct lh_error *err)
{
    struct engine_parsed *parsed = NULL;
    struct engine_fault fault;
    duckdb_pending_result pending;

    LH_TRY(statement_make(s, sql, &parsed, err));
    engine_reads_reset(&s->connection->reads);
    atomic_fetch_add_explicit(&s->engine->statements, 1, memory_order_relaxed);
    pending = engine_parsed_start(parsed, is_streaming, &fault);
    engine_parsed_free(parsed);
    return pending ? pending_finish(s, pending, out, err) : failure(s, &fault, sql, err);
}

/* ---- PIVOT without IN ---- */

/* The values of one VARCHAR column. */
static lh_status
pivot_values(struct lh_statement *s, lh_str sql, struct guard_pivot_values *out,
             struct lh_error *err)
{
    struct lh_arena *arena = &s->call->arena;
    lh_str *items = lh_arena_array(arena, GUARD_PIVOT_VALUES_MAX + 1, sizeof(*items));
    duckdb_result r;
    size_t count = 0;

    LH_TRY(engine_run(s->connection, sql.ptr, &r, err));
    for (duckdb_data_chunk chunk; (chunk = duckdb_fetch_chunk(r)) != NULL;) {
        duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, 0);
        duckdb_string_t *data = duckdb_vector_get_data(vector);
        uint64_t *validity = duckdb_vector_get_validity(vector);
        size_t rows = duckdb_data_chunk_get_size(chunk);

        for (size_t i = 0; i < rows && count <= GUARD_PIVOT_VALUES_MAX; i++)
            if (duckdb_validity_row_is_valid(validity, i))
                items[count++] = lh_arena_str(arena, (lh_str){duckdb_string_t_data(&data[i]),
                                                              duckdb_string_t_length(data[i])});
        duckdb_destroy_data_chunk(&chunk);
    }
    duckdb_destroy_result(&r);
    *out = (struct guard_pivot_values){.items = items, .count = count};
    return LH_OK;
}

static lh_status
pivot_complete(struct lh_statement *s, struct lh_error *err)
{
    size_t count = s->verdict.pivot_count;
    struct guard_pivot_values *values = lh_arena_array(&s->call->arena, count + 1, sizeof(*values));

    for (size_t i = 0; i < count; i++)
        LH_TRY(pivot_values(s, s->verdict.pivot_sql[i], &values[i], err));
    LH_TRY(guard_pivot_complete(s->connection, s->call, &s->verdict, values, err));
    s->sql = s->verdict.sql;
    return LH_OK;
}

/* ---- bind ---- */

void
lh_statement_searches_set(struct lh_statement *s, const struct lh_search_provider *provider)
{
    s->connection->searches = (struct engine_searches){.provider = provider};
}

size_t
lh_statement_search_count(const struct lh_statement *s)
{
    return s->connection->searches.count;
}

lh_status
lh_statement_bind_tables_list(struct lh_statement *s, const char *const *names, size_t count,
                              struct lh_error *err)
{
    LH_AUTO_BUF(sql, LH_BUF_UNLIMITED);

    lh_buf_add_cstr(&sql, "SELECT unnest([");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            lh_buf_add_char(&sql, ',');
        engine_quote_literal(&sql, lh_str_of(names[i]));
    }
    lh_buf_add_cstr(&sql, "]::VARCHAR[]) AS name");
    s->sql = lh_str_of(lh_arena_cstr(&s->call->arena, lh_buf_str(&sql)));
    return lh_buf_check(&sql, "the list of tables", err);
}

lh_status
lh_statement_bind(struct lh_statement *s, const struct lh_statement_source *sources,
                  size_t source_count, const json_t *params, struct lh_error *err)
{
    struct engine_connection *c = s->connection;

    engine_sources_init(&s->sources, s->engine, &s->call->arena, sources, source_count);
    c->sources = &s->sources;
    engine_reads_allow(&c->reads, s->sources.uris, s->sources.uri_count);
    s->params = json_incref((json_t *)(uintptr_t)params);
    if (s->verdict.pivot_count > 0)
        LH_TRY(pivot_complete(s, err));
    return LH_OK;
}
