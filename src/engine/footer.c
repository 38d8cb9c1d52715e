#include "engine/footer.h"

#include <stdlib.h>

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

/* Types whose bounds a footer gives as text that casts back. */
static bool
has_bounds(const char *type)
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

/* A bound counts only when every row group that has values gives one. */
static void
bound_print(struct lh_buf *sql, const char *which, const char *type, const char *name)
{
    lh_buf_printf(sql,
                  "CASE WHEN bool_and(stats_%s_value IS NOT NULL OR stats_null_count = num_values) "
                  "FILTER (path_in_schema = ",
                  which);
    engine_quote_literal(sql, lh_str_of(name));
    lh_buf_printf(sql,
                  ") THEN CAST(%s(TRY_CAST(stats_%s_value AS %s)) FILTER (path_in_schema = ", which,
                  which, type);
    engine_quote_literal(sql, lh_str_of(name));
    lh_buf_add_cstr(sql, ") AS VARCHAR) END, ");
}

static void
column_print(struct lh_buf *sql, const struct lh_convert_column *column)
{
    lh_buf_add_cstr(sql, "CAST(coalesce(sum(stats_null_count) FILTER (path_in_schema = ");
    engine_quote_literal(sql, lh_str_of(column->name));
    lh_buf_add_cstr(sql, "), 0) AS BIGINT), ");
    if (has_bounds(column->type)) {
        bound_print(sql, "min", column->type, column->name);
        bound_print(sql, "max", column->type, column->name);
    } else {
        lh_buf_add_cstr(sql, "NULL, NULL, ");
    }
}

static lh_status
statistics_read(struct engine_connection *c, const char *const *uris, size_t count,
                struct lh_convert_result *out, struct lh_error *err)
{
    LH_AUTO_BUF(sql, SQL_MAX);
    duckdb_result r;

    lh_buf_add_cstr(&sql, "SELECT ");
    for (size_t i = 0; i < out->column_count; i++)
        column_print(&sql, &out->columns[i]);
    lh_buf_add_cstr(&sql, "0 FROM parquet_metadata(");
    footer_list_print(&sql, uris, count);
    lh_buf_add_char(&sql, ')');
    LH_TRY(lh_buf_check(&sql, "the statement", err));
    LH_TRY(engine_run(c, lh_buf_cstr(&sql), &r, err));
    for (size_t i = 0; i < out->column_count; i++) {
        struct lh_convert_column *column = &out->columns[i];
        column->null_count = (uint64_t)duckdb_value_int64(&r, i * 3, 0);
        column->min = cell_text(&out->arena, &r, i * 3 + 1, 0);
        column->max = cell_text(&out->arena, &r, i * 3 + 2, 0);
    }
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
lh_distinct_estimates(struct lh_engine *work, struct lh_call *call, const char *const *uris,
                      size_t count, const char *const *columns, size_t column_count, uint64_t *out,
                      struct lh_error *err)
{
    LH_AUTO(engine_connection) *c = NULL;
    LH_AUTO_BUF(sql, SQL_MAX);
    duckdb_result r;

    memset(out, 0, column_count * sizeof(*out));
    if (count == 0 || column_count == 0)
        return LH_OK;
    lh_buf_add_cstr(&sql, "SELECT ");
    for (size_t i = 0; i < column_count; i++) {
        lh_buf_add_cstr(&sql, i > 0 ? ", approx_count_distinct(" : "approx_count_distinct(");
        engine_quote_name(&sql, lh_str_of(columns[i]));
        lh_buf_add_char(&sql, ')');
    }
    lh_buf_add_cstr(&sql, " FROM read_parquet(");
    footer_list_print(&sql, uris, count);
    lh_buf_add_char(&sql, ')');
    LH_TRY(lh_buf_check(&sql, "the statement", err));
    LH_TRY(engine_connection_take(work, call, &c, err));
    LH_TRY(engine_run(c, lh_buf_cstr(&sql), &r, err));
    for (size_t i = 0; i < column_count; i++)
        out[i] = (uint64_t)duckdb_value_int64(&r, i, 0);
    duckdb_destroy_result(&r);
    return LH_OK;
}
