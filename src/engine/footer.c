#include "engine/footer.h"

#include <stdlib.h>

#include "engine/rows_parts.h"

#define SQL_MAX ((size_t)64 << 20)

void
footer_list_print(struct lh_buf *sql, const char *const *uris, size_t count)
{
    lh_buf_add_char(sql, '[');
    for (size_t i = 0; i < count; i++) {
        lh_buf_add_cstr(sql, i > 0 ? ", " : "");
        engine_quote_literal(sql, lh_str_of(uris[i]));
    }
    lh_buf_add_char(sql, ']');
}

static const char *
cell_text(struct lh_arena *arena, duckdb_result *r, idx_t column, idx_t row)
{
    char *text = duckdb_value_varchar(r, column, row);
    const char *copy = text ? lh_arena_cstr(arena, lh_str_of(text)) : NULL;

    duckdb_free(text);
    return copy;
}

/* ---- schema ---- */

static lh_status
schema_read(struct engine_connection *c, const char *const *uris, size_t count,
            struct lh_convert_result *out, struct lh_error *err)
{
    LH_AUTO_BUF(sql, SQL_MAX);
    duckdb_result r;

    lh_buf_add_cstr(&sql, "DESCRIBE SELECT * FROM read_parquet(");
    footer_list_print(&sql, uris, count);
    lh_buf_add_char(&sql, ')');
    LH_TRY(lh_buf_check(&sql, "the statement", err));
    LH_TRY(engine_run(c, lh_buf_cstr(&sql), &r, err));
    out->column_count = duckdb_row_count(&r);
    out->columns = lh_arena_array(&out->arena, out->column_count, sizeof(*out->columns));
    for (size_t i = 0; i < out->column_count; i++) {
        out->columns[i].name = cell_text(&out->arena, &r, 0, i);
        out->columns[i].type = cell_text(&out->arena, &r, 1, i);
    }
    duckdb_destroy_result(&r);
    return LH_OK;
}

/* ---- statistics ---- */

bool
footer_type_has_bounds(const char *type)
{
    static const char *const without[] = {"STRUCT", "MAP",   "BLOB",     "INTERVAL", "UUID",
                                          "BIT",    "UNION", "GEOMETRY", "JSON",     "VARIANT"};

    if (strchr(type, '['))
        return false;
    for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); i++)
        if (strncmp(type, without[i], strlen(without[i])) == 0)
            return false;
    return true;
}

/* The place of `type` among `types`, where equal types share one. */
static size_t
type_place(const char **types, size_t *count, const char *type)
{
    for (size_t i = 0; i < *count; i++)
        if (strcmp(types[i], type) == 0)
            return i;
    types[*count] = type;
    return (*count)++;
}

/*
 * One row for each path of the footers: whether its bounds count (only when every row group that
 * has values gives them), its nulls, and the bounds as each type that occurs. Grouped, not filtered
 * for each column: that took time and memory by the square of the columns, gigabytes for a few
 * hundred.
 */
static void
statistics_print(struct lh_buf *sql, const char *const *types, size_t count)
{
    lh_buf_add_cstr(sql,
                    "SELECT path_in_schema, CAST(coalesce(sum(stats_null_count), 0) AS BIGINT), "
                    "bool_and(stats_min_value IS NOT NULL OR stats_null_count = num_values), "
                    "bool_and(stats_max_value IS NOT NULL OR stats_null_count = num_values)");
    for (size_t i = 0; i < count; i++)
        lh_buf_printf(sql,
                      ", CAST(min(TRY_CAST(stats_min_value AS %s)) AS VARCHAR), "
                      "CAST(max(TRY_CAST(stats_max_value AS %s)) AS VARCHAR)",
                      types[i], types[i]);
    lh_buf_add_cstr(sql, " FROM parquet_metadata(");
}

/* Columns and paths come in much the same order, so the search goes on from the last find. */
static struct lh_convert_column *
column_find(struct lh_convert_result *out, const char *path, size_t *from)
{
    for (size_t n = 0; n < out->column_count; n++) {
        size_t i = (*from + n) % out->column_count;
        if (strcmp(out->columns[i].name, path) != 0)
            continue;
        *from = i + 1;
        return &out->columns[i];
    }
    return NULL;
}

static void
statistics_take(struct lh_convert_result *out, duckdb_result *r, const char **types,
                size_t type_count)
{
    size_t from = 0;

    for (idx_t row = 0; row < duckdb_row_count(r); row++) {
        LH_AUTO_ARENA(arena);
        const char *path = cell_text(&arena, r, 0, row);
        struct lh_convert_column *column = path ? column_find(out, path, &from) : NULL;
        if (!column)
            continue; /* inside a nested column */
        column->null_count = (uint64_t)duckdb_value_int64(r, 1, row);
        if (!footer_type_has_bounds(column->type))
            continue;
        size_t place = type_place(types, &type_count, column->type);
        if (duckdb_value_boolean(r, 2, row))
            column->min = cell_text(&out->arena, r, 4 + 2 * place, row);
        if (duckdb_value_boolean(r, 3, row))
            column->max = cell_text(&out->arena, r, 5 + 2 * place, row);
    }
}

static lh_status
statistics_read(struct engine_connection *c, const char *const *uris, size_t count,
                struct lh_convert_result *out, struct lh_error *err)
{
    LH_AUTO_BUF(sql, SQL_MAX);
    const char **types = lh_arena_array(&out->arena, out->column_count + 1, sizeof(*types));
    size_t type_count = 0;
    duckdb_result r;

    for (size_t i = 0; i < out->column_count; i++)
        if (footer_type_has_bounds(out->columns[i].type))
            (void)type_place(types, &type_count, out->columns[i].type);
    statistics_print(&sql, types, type_count);
    footer_list_print(&sql, uris, count);
    lh_buf_add_cstr(&sql, ") GROUP BY path_in_schema ORDER BY min(column_id)");
    LH_TRY(lh_buf_check(&sql, "the statement", err));
    LH_TRY(engine_run(c, lh_buf_cstr(&sql), &r, err));
    statistics_take(out, &r, types, type_count);
    duckdb_destroy_result(&r);
    return LH_OK;
}

static lh_status
rows_read(struct engine_connection *c, const char *const *uris, size_t count,
          struct lh_convert_result *out, struct lh_error *err)
{
    LH_AUTO_BUF(sql, SQL_MAX);
    duckdb_result r;

    lh_buf_add_cstr(
        &sql, "SELECT CAST(coalesce(sum(num_rows), 0) AS BIGINT) FROM parquet_file_metadata(");
    footer_list_print(&sql, uris, count);
    lh_buf_add_char(&sql, ')');
    LH_TRY(lh_buf_check(&sql, "the statement", err));
    LH_TRY(engine_run(c, lh_buf_cstr(&sql), &r, err));
    out->rows = (uint64_t)duckdb_value_int64(&r, 0, 0);
    duckdb_destroy_result(&r);
    return LH_OK;
}

lh_status
footer_read(struct engine_connection *c, const char *const *uris, size_t count,
            struct lh_convert_result *out, struct lh_error *err)
{
    LH_TRY(schema_read(c, uris, count, out, err));
    LH_TRY(rows_read(c, uris, count, out, err));
    return statistics_read(c, uris, count, out, err);
}

lh_status
lh_footer_statistics(struct lh_engine *work, struct lh_call *call, const char *const *uris,
                     size_t count, struct lh_convert_result *out, struct lh_error *err)
{
    LH_AUTO(engine_connection) *c = NULL;
    lh_status status;

    *out = (struct lh_convert_result){.format = LH_FORMAT_PARQUET};
    if (count == 0)
        return LH_OK;
    LH_TRY(engine_connection_take(work, call, &c, err));
    status = footer_read(c, uris, count, out, err);
    if (status != LH_OK)
        lh_convert_result_fini(out);
    out->rows_in = out->rows;
    return status;
}

lh_status
lh_distinct_estimates(struct lh_engine *work, struct lh_call *call, const struct lh_rows *rows,
                      uint64_t *out, struct lh_error *err)
{
    LH_AUTO(engine_connection) *c = NULL;
    LH_AUTO_BUF(sql, SQL_MAX);
    duckdb_result r;

    memset(out, 0, rows->column_count * sizeof(*out));
    if (rows->uri_count == 0 || rows->column_count == 0)
        return LH_OK;
    lh_buf_add_cstr(&sql, "SELECT ");
    for (size_t i = 0; i < rows->column_count; i++) {
        lh_buf_add_cstr(&sql, i > 0 ? ", approx_count_distinct(" : "approx_count_distinct(");
        engine_quote_name(&sql, lh_str_of(rows->column_names[i]));
        lh_buf_add_char(&sql, ')');
    }
    lh_buf_add_cstr(&sql, " FROM (");
    engine_rows_select(rows, NULL, &sql);
    lh_buf_add_char(&sql, ')');
    LH_TRY(lh_buf_check(&sql, "the statement", err));
    LH_TRY(engine_connection_take(work, call, &c, err));
    LH_TRY(engine_run(c, lh_buf_cstr(&sql), &r, err));
    for (size_t i = 0; i < rows->column_count; i++)
        out[i] = (uint64_t)duckdb_value_int64(&r, i, 0);
    duckdb_destroy_result(&r);
    return LH_OK;
}
