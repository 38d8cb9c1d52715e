/*
 * The way out is a table function, lakehouse_vectors(address), and a COPY to mem://; the way back a
 * read_parquet over mem://. As in table_parquet.c the address is a number in a statement that only
 * this file writes, and only the work engine knows the function.
 */
#include "engine/vectors.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "engine/instance.h"
#include "engine/vectors_register.h"

/* Rows of a row group, and floats of a chunk: what DuckDB holds at a time stays small. */
enum { GROUP_ROWS = 10240, CHUNK_FLOATS_MAX = 1 << 20 };

enum { ID, VECTOR, TEXT, METADATA, SEQUENCE, OP, COLUMN_COUNT };

struct batch {
    const struct lh_vector_row *rows;
    size_t count;
    uint32_t dim;
};

/* ---- rows to vectors ---- */

static duckdb_logical_type
column_type_new(size_t column)
{
    duckdb_logical_type item, list;

    if (column == SEQUENCE)
        return duckdb_create_logical_type(DUCKDB_TYPE_BIGINT);
    if (column != VECTOR)
        return duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
    item = duckdb_create_logical_type(DUCKDB_TYPE_FLOAT);
    list = duckdb_create_list_type(item);
    duckdb_destroy_logical_type(&item);
    return list;
}

static void
rows_bind(duckdb_bind_info info)
{
    static const char *const names[] = {"id", "vector", "text", "metadata", "sequence", "op"};
    duckdb_value address = duckdb_bind_get_parameter(info, 0);
    struct batch *b = (struct batch *)(uintptr_t)duckdb_get_uint64(address);

    duckdb_destroy_value(&address);
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        duckdb_logical_type type = column_type_new(i);

        duckdb_bind_add_result_column(info, names[i], type);
        duckdb_destroy_logical_type(&type);
    }
    duckdb_bind_set_cardinality(info, b->count, true);
    duckdb_bind_set_bind_data(info, b, NULL);
}

static void
rows_init(duckdb_init_info info)
{
    duckdb_init_set_max_threads(info, 1);
    duckdb_init_set_init_data(info, calloc(1, sizeof(size_t)), free);
}

static uint64_t *
validity_of(duckdb_vector vector)
{
    duckdb_vector_ensure_validity_writable(vector);
    return duckdb_vector_get_validity(vector);
}

static bool
lists_store(duckdb_vector vector, const struct batch *b, const struct lh_vector_row *rows,
            size_t count)
{
    duckdb_list_entry *entries = duckdb_vector_get_data(vector);
    uint64_t *validity = validity_of(vector);
    size_t used = 0;
    float *to;

    if (duckdb_list_vector_reserve(vector, count * b->dim) != DuckDBSuccess)
        return false;
    to = duckdb_vector_get_data(duckdb_list_vector_get_child(vector));
    for (size_t i = 0; i < count; i++) {
        size_t length = rows[i].vector ? b->dim : 0;

        entries[i] = (duckdb_list_entry){.offset = used, .length = length};
        duckdb_validity_set_row_validity(validity, i, rows[i].vector != NULL);
        if (length > 0)
            memcpy(to + used, rows[i].vector, length * sizeof(float));
        used += length;
    }
    return duckdb_list_vector_set_size(vector, used) == DuckDBSuccess;
}

static lh_str
text_of(const struct lh_vector_row *row, size_t column)
{
    switch (column) {
    case ID:
        return row->id;
    case TEXT:
        return row->text;
    case METADATA:
        return row->metadata;
    default:
        return row->is_removal ? LH_STR("delete") : LH_STR("upsert");
    }
}

static void
texts_store(duckdb_vector vector, const struct lh_vector_row *rows, size_t count, size_t column)
{
    uint64_t *validity = validity_of(vector);

    for (size_t i = 0; i < count; i++) {
        lh_str text = text_of(&rows[i], column);

        duckdb_validity_set_row_validity(validity, i, text.ptr != NULL);
        if (text.ptr)
            duckdb_vector_assign_string_element_len(vector, i, text.ptr, text.len);
    }
}

static size_t
chunk_rows(const struct batch *b, size_t done)
{
    size_t most = duckdb_vector_size(), left = b->count - done;

    if (most > CHUNK_FLOATS_MAX / b->dim)
        most = CHUNK_FLOATS_MAX / b->dim;
    return left < most ? left : most;
}

static void
rows_scan(duckdb_function_info info, duckdb_data_chunk out)
{
    const struct batch *b = duckdb_function_get_bind_data(info);
    size_t *done = duckdb_function_get_init_data(info);
    const struct lh_vector_row *rows = b->rows + *done;
    size_t count = chunk_rows(b, *done);
    int64_t *sequences = duckdb_vector_get_data(duckdb_data_chunk_get_vector(out, SEQUENCE));

    if (!lists_store(duckdb_data_chunk_get_vector(out, VECTOR), b, rows, count)) {
        duckdb_function_set_error(info, "no memory for vectors");
        return;
    }
    for (size_t i = 0; i < count; i++)
        sequences[i] = rows[i].sequence;
    texts_store(duckdb_data_chunk_get_vector(out, ID), rows, count, ID);
    texts_store(duckdb_data_chunk_get_vector(out, TEXT), rows, count, TEXT);
    texts_store(duckdb_data_chunk_get_vector(out, METADATA), rows, count, METADATA);
    texts_store(duckdb_data_chunk_get_vector(out, OP), rows, count, OP);
    duckdb_data_chunk_set_size(out, count);
    *done += count;
}

lh_status
engine_vectors_register(duckdb_connection connection, struct lh_error *err)
{
    duckdb_table_function f = duckdb_create_table_function();
    duckdb_logical_type address = duckdb_create_logical_type(DUCKDB_TYPE_UBIGINT);
    duckdb_state state;

    duckdb_table_function_set_name(f, "lakehouse_vectors");
    duckdb_table_function_add_parameter(f, address);
    duckdb_table_function_set_bind(f, rows_bind);
    duckdb_table_function_set_init(f, rows_init);
    duckdb_table_function_set_function(f, rows_scan);
    state = duckdb_register_table_function(connection, f);
    duckdb_destroy_logical_type(&address);
    duckdb_destroy_table_function(&f);
    if (state != DuckDBSuccess)
        return lh_fail(err, LH_BUG, "engine.open", "DuckDB refused the function of vectors");
    return LH_OK;
}

lh_status
lh_vectors_encode(struct lh_engine *work, struct lh_call *call, const struct lh_vector_row *rows,
                  size_t count, uint32_t dim, lh_str meta, struct lh_buf *parquet,
                  struct lh_error *err)
{
    struct batch batch = {rows, count, dim};
    LH_AUTO(engine_connection) *c = NULL;
    LH_AUTO_BUF(sql, LH_BUF_UNLIMITED);
    LH_AUTO_BUF(bytes, parquet->max - parquet->len);
    char name[ENGINE_MEM_NAME];

    LH_TRY(engine_connection_take(work, call, &c, err));
    lh_buf_printf(&sql,
                  "COPY (SELECT * FROM lakehouse_vectors(%" PRIuPTR "::UBIGINT)) TO '%s' "
                  "(FORMAT parquet, CODEC snappy, ROW_GROUP_SIZE %d",
                  (uintptr_t)&batch, engine_mem_begin(&c->reads, name), GROUP_ROWS);
    if (meta.ptr) {
        lh_buf_add_cstr(&sql, ", KV_METADATA {'lakehouse': ");
        engine_quote_literal(&sql, meta);
        lh_buf_add_cstr(&sql, "}");
    }
    lh_buf_add_cstr(&sql, ")");
    c->reads.mem.write = &bytes;
    LH_TRY(engine_run(c, lh_buf_cstr(&sql), NULL, err));
    lh_buf_add(parquet, bytes.data, bytes.len);
    return lh_buf_check(parquet, "the batch of vectors", err);
}

/* ---- back ---- */

struct decoding {
    uint32_t dim;
    const struct lh_vector_visitor *visitor;
    struct lh_vector_row *rows; /* of one chunk */
};

static lh_status
corrupt(struct lh_error *err, const char *what)
{
    return lh_fail(err, LH_CORRUPT, "vectors.parquet", "not a batch of vectors: %s", what);
}

/* What DuckDB cannot read is no batch; only the end of the call is somebody else's doing. */
static lh_status
batch_query(struct engine_connection *c, const char *sql, duckdb_result *r, struct lh_error *err)
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

static lh_str
cell_text(duckdb_data_chunk chunk, size_t column, size_t row)
{
    duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, column);
    duckdb_string_t *s = (duckdb_string_t *)duckdb_vector_get_data(vector) + row;

    if (!duckdb_validity_row_is_valid(duckdb_vector_get_validity(vector), row))
        return LH_STR_NONE;
    return (lh_str){duckdb_string_t_data(s), duckdb_string_t_length(*s)};
}

/* NULL for a NULL list. False: of another length than it must have, or with NULLs inside. */
static bool
cell_vector(const struct decoding *d, duckdb_vector vector, size_t row, const float **out)
{
    duckdb_list_entry entry = ((duckdb_list_entry *)duckdb_vector_get_data(vector))[row];
    duckdb_vector child = duckdb_list_vector_get_child(vector);
    uint64_t *validity = duckdb_vector_get_validity(child);

    *out = NULL;
    if (!duckdb_validity_row_is_valid(duckdb_vector_get_validity(vector), row))
        return true;
    if (entry.length != d->dim)
        return false;
    for (size_t i = 0; validity && i < entry.length; i++) {
        if (!duckdb_validity_row_is_valid(validity, entry.offset + i))
            return false;
    }
    *out = (const float *)duckdb_vector_get_data(child) + entry.offset;
    return true;
}

static lh_status
row_decode(const struct decoding *d, duckdb_data_chunk chunk, size_t i, struct lh_vector_row *row,
           struct lh_error *err)
{
    const int64_t *sequences =
        duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, SEQUENCE));
    lh_str op = cell_text(chunk, OP, i);

    *row = (struct lh_vector_row){
        .id = cell_text(chunk, ID, i),
        .text = cell_text(chunk, TEXT, i),
        .metadata = cell_text(chunk, METADATA, i),
        .sequence = sequences[i],
        .is_removal = lh_str_eq(op, LH_STR("delete")),
    };
    if (row->id.ptr == NULL || (!row->is_removal && !lh_str_eq(op, LH_STR("upsert"))))
        return corrupt(err, "a row without an id or an op");
    if (!cell_vector(d, duckdb_data_chunk_get_vector(chunk, VECTOR), i, &row->vector) ||
        (row->vector == NULL) != row->is_removal)
        return corrupt(err, "a vector of another dimension");
    return LH_OK;
}

static lh_status
chunk_decode(const struct decoding *d, duckdb_data_chunk chunk, struct lh_error *err)
{
    size_t count = duckdb_data_chunk_get_size(chunk);

    for (size_t i = 0; i < count; i++)
        LH_TRY(row_decode(d, chunk, i, &d->rows[i], err));
    return d->visitor->see(d->visitor->ctx, d->rows, count, err);
}

static lh_status
chunks_decode(const struct decoding *d, duckdb_result *r, struct lh_error *err)
{
    lh_status status = LH_OK;

    for (duckdb_data_chunk chunk; status == LH_OK && (chunk = duckdb_fetch_chunk(*r)) != NULL;) {
        status = chunk_decode(d, chunk, err);
        duckdb_destroy_data_chunk(&chunk);
    }
    return status;
}

static lh_status
meta_decode(struct engine_connection *c, const char *name, struct lh_buf *meta,
            struct lh_error *err)
{
    LH_AUTO_CHARS sql = lh_asprintf(
        "SELECT value FROM parquet_kv_metadata('%s') WHERE key = 'lakehouse'::BLOB", name);
    duckdb_data_chunk chunk;
    duckdb_result r;

    LH_TRY(batch_query(c, sql, &r, err));
    chunk = duckdb_fetch_chunk(r);
    if (chunk) {
        if (duckdb_data_chunk_get_size(chunk) > 0)
            lh_buf_add_str(meta, cell_text(chunk, 0, 0));
        duckdb_destroy_data_chunk(&chunk);
    }
    duckdb_destroy_result(&r);
    return lh_buf_check(meta, "the metadata of the batch", err);
}

lh_status
lh_vectors_decode(struct lh_engine *work, struct lh_call *call, lh_bytes parquet, uint32_t dim,
                  const struct lh_vector_visitor *visitor, struct lh_buf *meta,
                  struct lh_error *err)
{
    struct decoding d = {.dim = dim, .visitor = visitor};
    LH_AUTO(engine_connection) *c = NULL;
    LH_AUTO_CHARS sql = NULL;
    char name[ENGINE_MEM_NAME];
    duckdb_result r;
    lh_status status;

    LH_TRY(engine_connection_take(work, call, &c, err));
    engine_mem_begin(&c->reads, name);
    c->reads.mem.read = parquet;
    sql = lh_asprintf("SELECT id::VARCHAR, vector::FLOAT[], text::VARCHAR, metadata::VARCHAR, "
                      "sequence::BIGINT, op::VARCHAR FROM read_parquet('%s', "
                      "hive_partitioning = false)",
                      name);
    LH_TRY(batch_query(c, sql, &r, err));
    d.rows = lh_alloc_array(duckdb_vector_size(), sizeof(*d.rows));
    status = chunks_decode(&d, &r, err);
    free(d.rows);
    duckdb_destroy_result(&r);
    if (status == LH_OK && meta)
        status = meta_decode(c, name, meta, err);
    return status;
}
