#include "engine/result.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "engine/result_text.h"
#include "engine/result_writer.h"

/* ---- output ---- */

lh_status
result_flush(struct result_writer *w, struct lh_error *err)
{
    lh_status status;

    LH_TRY(lh_buf_check(&w->out, "a row of the answer", err));
    if (w->out.len == 0)
        return LH_OK;
    status = w->sink.write(w->sink.self, lh_buf_bytes(&w->out), err);
    lh_buf_clear(&w->out);
    return status;
}

static inline lh_status
flush_when_full(struct result_writer *w, struct lh_error *err)
{
    return w->out.len >= RESULT_BLOCK_BYTES || w->out.is_failed ? result_flush(w, err) : LH_OK;
}

/* ---- JSON ---- */

static lh_status
json_begin(struct result_writer *w, struct lh_error *err)
{
    (void)err;
    lh_buf_add_cstr(&w->out, "\"columns\":[");
    for (size_t i = 0; i < w->column_count; i++) {
        lh_buf_add_cstr(&w->out, i > 0 ? ",{\"name\":" : "{\"name\":");
        result_json_string(&w->out, w->columns[i].name);
        lh_buf_add_cstr(&w->out, ",\"type\":");
        result_json_string(&w->out, w->columns[i].type_name);
        lh_buf_add_char(&w->out, '}');
    }
    lh_buf_add_cstr(&w->out, "],\"rows\":[");
    return LH_OK;
}

static inline void
cell_json(const struct result_column *column, size_t row, struct lh_buf *out)
{
    if (result_cell_is_null(&column->cells, row))
        result_put(out, "null", 4);
    else
        column->format.json(&column->cells, row, out);
}

static lh_status
json_rows(struct result_writer *w, size_t count, struct lh_error *err)
{
    for (size_t row = 0; row < count; row++) {
        if (w->has_rows)
            result_put_char(&w->out, ',');
        w->has_rows = true;
        for (size_t i = 0; i < w->column_count; i++) {
            result_put_char(&w->out, i > 0 ? ',' : '[');
            cell_json(&w->columns[i], row, &w->out);
        }
        result_put_char(&w->out, ']');
        LH_TRY(flush_when_full(w, err));
    }
    return LH_OK;
}

static lh_status
json_end(struct result_writer *w, struct lh_error *err)
{
    result_put_char(&w->out, ']');
    return result_flush(w, err);
}

/* ---- NDJSON ---- */

static lh_status
nothing_begin(struct result_writer *w, struct lh_error *err)
{
    (void)w;
    (void)err;
    return LH_OK;
}

static lh_status
ndjson_rows(struct result_writer *w, size_t count, struct lh_error *err)
{
    for (size_t row = 0; row < count; row++) {
        for (size_t i = 0; i < w->column_count; i++) {
            result_put(&w->out, w->columns[i].key.ptr, w->columns[i].key.len);
            cell_json(&w->columns[i], row, &w->out);
        }
        result_put(&w->out, "}\n", 2);
        LH_TRY(flush_when_full(w, err));
    }
    return LH_OK;
}

/* ---- CSV ---- */

static lh_status
csv_begin(struct result_writer *w, struct lh_error *err)
{
    (void)err;
    for (size_t i = 0; i < w->column_count; i++) {
        if (i > 0)
            result_put_char(&w->out, ',');
        result_csv_field(&w->out, w->columns[i].name);
    }
    result_put_char(&w->out, '\n');
    return LH_OK;
}

static lh_status
csv_rows(struct result_writer *w, size_t count, struct lh_error *err)
{
    for (size_t row = 0; row < count; row++) {
        for (size_t i = 0; i < w->column_count; i++) {
            const struct result_column *column = &w->columns[i];

            if (i > 0)
                result_put_char(&w->out, ',');
            if (!result_cell_is_null(&column->cells, row))
                column->format.csv(&column->cells, row, &w->out);
        }
        result_put_char(&w->out, '\n');
        LH_TRY(flush_when_full(w, err));
    }
    return LH_OK;
}

/* ---- the writer ---- */

static const struct result_form *
form_of(enum lh_result_format format)
{
    static const struct result_form json = {json_begin, json_rows, json_end};
    static const struct result_form ndjson = {nothing_begin, ndjson_rows, result_flush};
    static const struct result_form csv = {csv_begin, csv_rows, result_flush};

    switch (format) {
    case LH_RESULT_JSON:
        return &json;
    case LH_RESULT_NDJSON:
        return &ndjson;
    case LH_RESULT_CSV:
        return &csv;
    case LH_RESULT_ARROW:
        return &result_form_arrow;
    default:
        return NULL;
    }
}

static bool
name_is_taken(const struct result_writer *w, size_t count, lh_str name)
{
    for (size_t i = 0; i < count; i++)
        if (lh_str_eq(w->columns[i].key, name))
            return true;
    return false;
}

/* The names as the keys of one object: a repeated one gets a number. They are put into their final
 * form by keys_write. */
static void
keys_choose(struct result_writer *w)
{
    for (size_t i = 0; i < w->column_count; i++) {
        lh_str name = w->columns[i].name, key = name;

        for (unsigned n = 1; name_is_taken(w, i, key); n++)
            key = lh_str_of(lh_arena_printf(&w->arena, "%.*s_%u", LH_FMT(name), n));
        w->columns[i].key = key;
    }
}

static void
keys_write(struct result_writer *w)
{
    for (size_t i = 0; i < w->column_count; i++) {
        LH_AUTO_BUF(text, LH_BUF_UNLIMITED);

        lh_buf_add_char(&text, i > 0 ? ',' : '{');
        result_json_string(&text, w->columns[i].key);
        lh_buf_add_char(&text, ':');
        w->columns[i].key = lh_arena_str(&w->arena, lh_buf_str(&text));
    }
}

static lh_status
column_init(struct result_writer *w, duckdb_result *result, size_t i, struct lh_error *err)
{
    struct result_column *column = &w->columns[i];
    duckdb_logical_type type = duckdb_column_logical_type(result, i);
    LH_AUTO_BUF(name, LH_BUF_UNLIMITED);
    lh_status status;

    column->name = lh_arena_str(&w->arena, lh_str_of(duckdb_column_name(result, i)));
    result_type_name(type, &name);
    column->type_name = lh_arena_str(&w->arena, lh_buf_str(&name));
    status = result_type_of(type, &w->arena, &column->type, err);
    duckdb_destroy_logical_type(&type);
    if (status != LH_OK) {
        (void)lh_error_wrap(err, "column \"%.*s\"", LH_FMT(column->name));
        return status;
    }
    result_cells_init(&column->cells, &column->type, &w->arena);
    column->format = result_format_of(&column->type);
    return LH_OK;
}

lh_status
result_writer_new(enum lh_result_format format, duckdb_result *result, duckdb_connection connection,
                  const struct lh_result_sink *sink, struct result_writer **out,
                  struct lh_error *err)
{
    LH_AUTO(result_writer) *w = LH_NEW(struct result_writer);

    (void)connection;
    lh_arena_init(&w->arena);
    lh_buf_init(&w->out, LH_BUF_UNLIMITED);
    w->form = form_of(format);
    w->sink = *sink;
    if (!w->form)
        return lh_fail(err, LH_BUG, "engine.result_format", "no writer for format %d", format);
    w->column_count = duckdb_column_count(result);
    w->columns = lh_arena_array(&w->arena, w->column_count + 1, sizeof(*w->columns));
    for (size_t i = 0; i < w->column_count; i++)
        LH_TRY(column_init(w, result, i, err));
    keys_choose(w);
    keys_write(w);
    *out = lh_take(w);
    return LH_OK;
}

lh_status
result_writer_begin(struct result_writer *w, struct lh_error *err)
{
    return w->form->begin(w, err);
}

lh_status
result_writer_chunk(struct result_writer *w, duckdb_data_chunk chunk, size_t rows,
                    struct lh_error *err)
{
    for (size_t i = 0; i < w->column_count; i++)
        result_cells_see(&w->columns[i].cells, duckdb_data_chunk_get_vector(chunk, i));
    return w->form->rows(w, rows, err);
}

lh_status
result_writer_end(struct result_writer *w, struct lh_error *err)
{
    return w->form->end(w, err);
}

void
result_writer_free(struct result_writer *w)
{
    if (!w)
        return;
    result_arrow_free(w);
    lh_buf_fini(&w->out);
    lh_arena_fini(&w->arena);
    free(w);
}
