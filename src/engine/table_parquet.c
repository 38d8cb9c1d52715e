/*
 * A table goes into DuckDB through a table function, lakehouse_rows(address), and out of it as
 * Parquet by one COPY to mem://. The way back is a read_parquet and a parquet_kv_metadata over
 * mem://. Nothing touches the disk and nothing is created in the engine.
 *
 * The address of the table is a number in the text of the statement. Only this file writes such
 * statements, and only the work engine, on which no text of a user ever runs, knows the function.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "engine/instance.h"
#include "engine/table_cells.h"

enum { PARQUET_ROWS_MIN = 2048 };

/* ---- cells to vectors ---- */

static const duckdb_type types[] = {
    [LH_CELL_TEXT] = DUCKDB_TYPE_VARCHAR,      [LH_CELL_I64] = DUCKDB_TYPE_BIGINT,
    [LH_CELL_F64] = DUCKDB_TYPE_DOUBLE,        [LH_CELL_BOOL] = DUCKDB_TYPE_BOOLEAN,
    [LH_CELL_TIME] = DUCKDB_TYPE_TIMESTAMP_TZ,
};

static void
rows_bind(duckdb_bind_info info)
{
    duckdb_value address = duckdb_bind_get_parameter(info, 0);
    struct lh_table *t = (struct lh_table *)(uintptr_t)duckdb_get_uint64(address);

    duckdb_destroy_value(&address);
    for (size_t i = 0; i < t->column_count; i++) {
        duckdb_logical_type type = duckdb_create_logical_type(types[t->columns[i].type]);

        duckdb_bind_add_result_column(info, t->columns[i].name, type);
        duckdb_destroy_logical_type(&type);
    }
    duckdb_bind_set_cardinality(info, t->row_count, true);
    duckdb_bind_set_bind_data(info, t, NULL);
}

static void
rows_init(duckdb_init_info info)
{
    duckdb_init_set_max_threads(info, 1); /* the order of rows is part of the bytes */
    duckdb_init_set_init_data(info, calloc(1, sizeof(size_t)), free);
}

static void
cell_store(duckdb_vector vector, void *data, size_t at, enum lh_cell_type type,
           const struct table_cell *cell)
{
    switch (type) {
    case LH_CELL_TEXT:
        duckdb_vector_assign_string_element_len(vector, at, cell->text.ptr, cell->text.len);
        break;
    case LH_CELL_F64:
        ((double *)data)[at] = cell->f64;
        break;
    case LH_CELL_BOOL:
        ((bool *)data)[at] = cell->i64 != 0;
        break;
    default:
        ((int64_t *)data)[at] = cell->i64;
    }
}

static void
column_store(const struct lh_table *t, size_t from, size_t count, size_t column,
             duckdb_vector vector)
{
    void *data = duckdb_vector_get_data(vector);
    uint64_t *validity;

    duckdb_vector_ensure_validity_writable(vector);
    validity = duckdb_vector_get_validity(vector);
    for (size_t i = 0; i < count; i++) {
        const struct table_cell *cell = &t->cells[(from + i) * t->column_count + column];

        duckdb_validity_set_row_validity(validity, i, cell->is_set);
        if (cell->is_set)
            cell_store(vector, data, i, t->columns[column].type, cell);
    }
}

static void
rows_scan(duckdb_function_info info, duckdb_data_chunk out)
{
    const struct lh_table *t = duckdb_function_get_bind_data(info);
    size_t *done = duckdb_function_get_init_data(info);
    size_t left = t->row_count - *done, most = duckdb_vector_size();
    size_t count = left < most ? left : most;

    for (size_t i = 0; i < t->column_count; i++)
        column_store(t, *done, count, i, duckdb_data_chunk_get_vector(out, i));
    duckdb_data_chunk_set_size(out, count);
    *done += count;
}

lh_status
engine_table_register(duckdb_connection connection, struct lh_error *err)
{
    duckdb_table_function f = duckdb_create_table_function();
    duckdb_logical_type address = duckdb_create_logical_type(DUCKDB_TYPE_UBIGINT);
    duckdb_state state;

    duckdb_table_function_set_name(f, "lakehouse_rows");
    duckdb_table_function_add_parameter(f, address);
    duckdb_table_function_set_bind(f, rows_bind);
    duckdb_table_function_set_init(f, rows_init);
    duckdb_table_function_set_function(f, rows_scan);
    state = duckdb_register_table_function(connection, f);
    duckdb_destroy_logical_type(&address);
    duckdb_destroy_table_function(&f);
    if (state != DuckDBSuccess)
        return lh_fail(err, LH_BUG, "engine.open", "DuckDB refused the table function");
    return LH_OK;
}

/* ---- encode ---- */

static void
copy_statement(const struct lh_table *t, const char *to, struct lh_buf *sql)
{
    size_t group = t->row_count > PARQUET_ROWS_MIN ? t->row_count : PARQUET_ROWS_MIN;

    lh_buf_printf(sql,
                  "COPY (SELECT * FROM lakehouse_rows(%" PRIuPTR "::UBIGINT)) TO '%s' "
                  "(FORMAT parquet, CODEC zstd, ROW_GROUP_SIZE %zu",
                  (uintptr_t)t, to, group);
    for (size_t i = 0; i < t->meta_count; i++) {
        lh_buf_add_cstr(sql, i > 0 ? ", " : ", KV_METADATA {");
        engine_quote_literal(sql, lh_str_of(t->meta[i].key));
        lh_buf_add_cstr(sql, ": ");
        engine_quote_literal(sql, t->meta[i].value);
    }
    lh_buf_add_cstr(sql, t->meta_count > 0 ? "})" : ")");
}

lh_status
lh_table_encode(struct lh_engine *work, struct lh_call *call, const struct lh_table *t,
                struct lh_buf *parquet, struct lh_error *err)
{
    LH_AUTO(engine_connection) *c = NULL;
    LH_AUTO_BUF(sql, LH_BUF_UNLIMITED);
    LH_AUTO_BUF(bytes, parquet->max);
    char name[ENGINE_MEM_NAME];

    LH_TRY(engine_connection_take(work, call, &c, err));
    copy_statement(t, engine_mem_begin(&c->reads, name), &sql);
    c->reads.mem.write = &bytes;
    LH_TRY(engine_run(c, lh_buf_cstr(&sql), NULL, err));
    lh_buf_add(parquet, bytes.data, bytes.len);
    return lh_buf_check(parquet, "the table", err);
}

/* ---- decode ---- */

static lh_status
corrupt(struct lh_error *err, const char *what)
{
    return lh_fail(err, LH_CORRUPT, "table.parquet", "not a table of this house: %s", what);
}

/* What DuckDB cannot read is no table; only the end of the call is somebody else's doing. */
static lh_status
table_query(struct engine_connection *c, const char *sql, duckdb_result *r, struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    lh_status status = engine_run(c, sql, r, &why);

    if (status == LH_OK)
        return LH_OK;
    if (status == LH_INVALID || status == LH_IO || status == LH_UNSUPPORTED || status == LH_BUG)
        return corrupt(err, why.text);
    lh_error_copy(err, &why);
    return status;
}

static bool
type_parse(duckdb_type type, enum lh_cell_type *out)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (types[i] == type) {
            *out = (enum lh_cell_type)i;
            return true;
        }
    }
    return false;
}

static lh_status
columns_decode(duckdb_result *r, struct lh_table **out, struct lh_error *err)
{
    size_t count = duckdb_column_count(r);
    LH_AUTO_ARENA(arena);
    struct lh_table_column *columns = lh_arena_array(&arena, count + 1, sizeof(*columns));

    for (size_t i = 0; i < count; i++) {
        columns[i].name = duckdb_column_name(r, i);
        if (!type_parse(duckdb_column_type(r, i), &columns[i].type))
            return corrupt(err, "a column of a type that tables do not have");
    }
    *out = lh_table_new(columns, count);
    return LH_OK;
}

static void
cell_load(struct lh_table *t, size_t row, size_t column, void *data, size_t at)
{
    switch (t->columns[column].type) {
    case LH_CELL_TEXT: {
        duckdb_string_t *s = &((duckdb_string_t *)data)[at];

        lh_table_set_text(t, row, column,
                          (lh_str){duckdb_string_t_data(s), duckdb_string_t_length(*s)});
        break;
    }
    case LH_CELL_F64:
        lh_table_set_f64(t, row, column, ((double *)data)[at]);
        break;
    case LH_CELL_BOOL:
        lh_table_set_i64(t, row, column, ((bool *)data)[at]);
        break;
    default:
        lh_table_set_i64(t, row, column, ((int64_t *)data)[at]);
    }
}

static void
chunk_load(struct lh_table *t, duckdb_data_chunk chunk)
{
    size_t first = t->row_count, count = duckdb_data_chunk_get_size(chunk);

    for (size_t i = 0; i < count; i++)
        lh_table_row_add(t);
    for (size_t column = 0; column < t->column_count; column++) {
        duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, column);
        uint64_t *validity = duckdb_vector_get_validity(vector);
        void *data = duckdb_vector_get_data(vector);

        for (size_t i = 0; i < count; i++)
            if (duckdb_validity_row_is_valid(validity, i))
                cell_load(t, first + i, column, data, i);
    }
}

static void
chunks_load(struct lh_table *t, duckdb_result *r)
{
    for (duckdb_data_chunk chunk; (chunk = duckdb_fetch_chunk(*r)) != NULL;) {
        chunk_load(t, chunk);
        duckdb_destroy_data_chunk(&chunk);
    }
}

static lh_status
rows_decode(struct engine_connection *c, const char *name, struct lh_table **out,
            struct lh_error *err)
{
    LH_AUTO_CHARS sql = NULL;
    duckdb_result r;
    lh_status status;

    sql = lh_asprintf("FROM read_parquet('%s', hive_partitioning = false)", name);
    LH_TRY(table_query(c, sql, &r, err));
    status = columns_decode(&r, out, err);
    if (status == LH_OK)
        chunks_load(*out, &r);
    duckdb_destroy_result(&r);
    return status;
}

/* Two BLOB columns, key and value. */
static lh_status
meta_decode(struct engine_connection *c, const char *name, struct lh_table *t, struct lh_error *err)
{
    static const struct lh_table_column columns[] = {{"key", LH_CELL_TEXT},
                                                     {"value", LH_CELL_TEXT}};
    LH_AUTO(lh_table) *pairs = lh_table_new(columns, 2);
    LH_AUTO_CHARS sql = NULL;
    duckdb_result r;

    sql = lh_asprintf("SELECT key, value FROM parquet_kv_metadata('%s')", name);
    LH_TRY(table_query(c, sql, &r, err));
    chunks_load(pairs, &r);
    duckdb_destroy_result(&r);
    for (size_t i = 0; i < pairs->row_count; i++)
        lh_table_meta_set(t, lh_arena_cstr(&t->arena, lh_table_text(pairs, i, 0)),
                          lh_table_text(pairs, i, 1));
    return LH_OK;
}

lh_status
lh_table_decode(struct lh_engine *work, struct lh_call *call, lh_bytes parquet,
                struct lh_table **out, struct lh_error *err)
{
    LH_AUTO(engine_connection) *c = NULL;
    LH_AUTO(lh_table) *t = NULL;
    char name[ENGINE_MEM_NAME];

    LH_TRY(engine_connection_take(work, call, &c, err));
    engine_mem_begin(&c->reads, name);
    c->reads.mem.read = parquet;
    LH_TRY(rows_decode(c, name, &t, err));
    LH_TRY(meta_decode(c, name, t, err));
    *out = lh_take(t);
    return LH_OK;
}
