#include "engine/rows.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "engine/footer.h"
#include "engine/rows_parts.h"

#define SQL_MAX ((size_t)64 << 20)
#define OBJECT_COLUMN "lh object"

static void
texts_print(const char *const *texts, size_t count, struct lh_buf *sql)
{
    lh_buf_add_char(sql, '[');
    for (size_t i = 0; i < count; i++) {
        lh_buf_add_cstr(sql, i > 0 ? ", " : "");
        engine_quote_literal(sql, lh_str_of(texts[i]));
    }
    lh_buf_add_cstr(sql, "]::VARCHAR[]");
}

static const char *
cell_copy(struct lh_arena *arena, duckdb_result *r, idx_t column, idx_t row)
{
    char *text = duckdb_value_varchar(r, column, row);
    const char *copy = text ? lh_arena_cstr(arena, lh_str_of(text)) : NULL;

    duckdb_free(text);
    return copy;
}

static lh_status
ask(struct lh_engine *work, struct lh_call *call, struct lh_buf *sql, duckdb_result *out,
    struct lh_error *err)
{
    LH_AUTO(engine_connection) *c = NULL;

    LH_TRY(lh_buf_check(sql, "the statement", err));
    LH_TRY(engine_connection_take(work, call, &c, err));
    return engine_run(c, lh_buf_cstr(sql), out, err);
}

/* ---- counting what tombstones would hide ---- */

static void
counts_take(duckdb_result *r, const struct lh_rows *rows, uint64_t *counts)
{
    for (idx_t row = 0; row < duckdb_row_count(r); row++) {
        LH_AUTO_ARENA(arena);
        const char *uri = cell_copy(&arena, r, 0, row);

        for (size_t i = 0; uri && i < rows->uri_count; i++)
            if (strcmp(rows->uris[i], uri) == 0)
                counts[i] = (uint64_t)duckdb_value_int64(r, 1, row);
    }
}

lh_status
lh_rows_match_count(struct lh_engine *work, struct lh_call *call, const struct lh_rows *rows,
                    const struct lh_rows_match *match, uint64_t *counts, struct lh_error *err)
{
    LH_AUTO_BUF(sql, SQL_MAX);
    duckdb_result r;

    memset(counts, 0, rows->uri_count * sizeof(*counts));
    if (rows->uri_count == 0 || match->value_count == 0)
        return LH_OK;
    lh_buf_add_cstr(&sql, "SELECT \"" OBJECT_COLUMN "\", count(*) FROM (");
    engine_rows_select(rows, OBJECT_COLUMN, &sql);
    lh_buf_add_cstr(&sql, ") WHERE ");
    engine_quote_name(&sql, lh_str_of(match->key));
    lh_buf_printf(&sql, " IN (SELECT TRY_CAST(value AS %s) FROM (SELECT unnest(", match->type);
    texts_print(match->values, match->value_count, &sql);
    lh_buf_add_cstr(&sql, ") AS value)) GROUP BY \"" OBJECT_COLUMN "\"");
    LH_TRY(ask(work, call, &sql, &r, err));
    counts_take(&r, rows, counts);
    duckdb_destroy_result(&r);
    return LH_OK;
}

/* ---- values ---- */

lh_status
lh_rows_values_check(struct lh_engine *work, struct lh_call *call, const char *type,
                     const char *const *texts, size_t count, struct lh_arena *arena,
                     const char **out, struct lh_error *err)
{
    LH_AUTO_BUF(sql, SQL_MAX);
    lh_status status = LH_OK;
    duckdb_result r;

    lh_buf_printf(&sql, "SELECT CAST(TRY_CAST(value AS %s) AS VARCHAR) FROM (SELECT unnest(", type);
    texts_print(texts, count, &sql);
    lh_buf_add_cstr(&sql, ") AS value)");
    LH_TRY(ask(work, call, &sql, &r, err));
    for (size_t i = 0; status == LH_OK && i < count; i++) {
        out[i] = cell_copy(arena, &r, 0, i);
        if (!out[i])
            status = lh_fail(err, LH_INVALID, "rows.value", "value %zu, '%.*s', is no %s", i,
                             LH_FMT(lh_str_fit(lh_str_of(texts[i]), 64)), type);
    }
    duckdb_destroy_result(&r);
    return status;
}

/* ---- writing ---- */

lh_status
lh_rows_write(struct lh_engine *work, struct lh_call *call, const struct lh_rows *rows,
              const char *path, struct lh_error *err)
{
    LH_AUTO_BUF(sql, SQL_MAX);
    duckdb_result r;

    lh_buf_add_cstr(&sql, "COPY (");
    engine_rows_select(rows, NULL, &sql);
    lh_buf_add_cstr(&sql, ") TO ");
    engine_quote_literal(&sql, lh_str_of(path));
    lh_buf_add_cstr(&sql, " (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)");
    LH_TRY(ask(work, call, &sql, &r, err));
    duckdb_destroy_result(&r);
    return LH_OK;
}

/* ---- digest ---- */

static void
hash_print(const struct lh_rows *rows, struct lh_buf *sql)
{
    lh_buf_add_cstr(sql, "hash(");
    for (size_t i = 0; i < rows->column_count; i++) {
        lh_buf_add_cstr(sql, i > 0 ? ", " : "");
        engine_quote_name(sql, lh_str_of(rows->column_names[i]));
    }
    lh_buf_add_char(sql, ')');
}

static void
digest_print(const struct lh_rows *rows, struct lh_buf *sql)
{
    lh_buf_add_cstr(sql, "SELECT count(*), CAST(sum(CAST(");
    hash_print(rows, sql);
    lh_buf_add_cstr(sql, " AS HUGEINT)) AS VARCHAR), CAST(bit_xor(");
    hash_print(rows, sql);
    lh_buf_add_cstr(sql, ") AS VARCHAR)");
    for (size_t i = 0; i < rows->column_count; i++) {
        lh_buf_add_cstr(sql, ", CAST(count(");
        engine_quote_name(sql, lh_str_of(rows->column_names[i]));
        lh_buf_add_cstr(sql, ") AS VARCHAR)");
    }
    lh_buf_add_cstr(sql, " FROM (");
    engine_rows_select(rows, NULL, sql);
    lh_buf_add_char(sql, ')');
}

static void
digest_take(duckdb_result *r, size_t column_count, struct lh_rows_digest *out)
{
    LH_AUTO_ARENA(arena);
    LH_AUTO_BUF(text, LH_BUF_UNLIMITED);
    uint8_t sha[LH_SHA256_BYTES];

    out->rows = (uint64_t)duckdb_value_int64(r, 0, 0);
    lh_buf_printf(&text, "%llu", (unsigned long long)out->rows);
    for (size_t i = 1; i < 3 + column_count; i++) {
        const char *cell = cell_copy(&arena, r, i, 0);

        lh_buf_printf(&text, "|%s", cell ? cell : "");
    }
    lh_sha256_of(lh_buf_bytes(&text), sha);
    lh_sha256_hex(sha, out->text);
}

lh_status
lh_rows_digest(struct lh_engine *work, struct lh_call *call, const struct lh_rows *rows,
               struct lh_rows_digest *out, struct lh_error *err)
{
    LH_AUTO_BUF(sql, SQL_MAX);
    duckdb_result r;

    digest_print(rows, &sql);
    LH_TRY(ask(work, call, &sql, &r, err));
    digest_take(&r, rows->column_count, out);
    duckdb_destroy_result(&r);
    return LH_OK;
}

/* ---- statistics ---- */

static void
statistics_print(const struct lh_rows *rows, struct lh_buf *sql)
{
    lh_buf_add_cstr(sql, "SELECT count(*)");
    for (size_t i = 0; i < rows->column_count; i++) {
        LH_AUTO_BUF(name, 8192);

        engine_quote_name(&name, lh_str_of(rows->column_names[i]));
        lh_buf_printf(sql, ", count(%s)", lh_buf_cstr(&name));
        if (footer_type_has_bounds(rows->column_types[i]))
            lh_buf_printf(sql, ", CAST(min(%s) AS VARCHAR), CAST(max(%s) AS VARCHAR)",
                          lh_buf_cstr(&name), lh_buf_cstr(&name));
        else
            lh_buf_add_cstr(sql, ", NULL, NULL");
    }
    lh_buf_add_cstr(sql, " FROM (");
    engine_rows_select(rows, NULL, sql);
    lh_buf_add_char(sql, ')');
}

static void
statistics_take(duckdb_result *r, const struct lh_rows *rows, struct lh_convert_result *out)
{
    out->rows = out->rows_in = (uint64_t)duckdb_value_int64(r, 0, 0);
    out->column_count = rows->column_count;
    out->columns = lh_arena_array(&out->arena, rows->column_count + 1, sizeof(*out->columns));
    for (size_t i = 0; i < rows->column_count; i++)
        out->columns[i] = (struct lh_convert_column){
            .name = lh_arena_cstr(&out->arena, lh_str_of(rows->column_names[i])),
            .type = lh_arena_cstr(&out->arena, lh_str_of(rows->column_types[i])),
            .null_count = out->rows - (uint64_t)duckdb_value_int64(r, 1 + 3 * i, 0),
            .min = cell_copy(&out->arena, r, 2 + 3 * i, 0),
            .max = cell_copy(&out->arena, r, 3 + 3 * i, 0)};
}

lh_status
lh_rows_statistics(struct lh_engine *work, struct lh_call *call, const struct lh_rows *rows,
                   struct lh_convert_result *out, struct lh_error *err)
{
    LH_AUTO_BUF(sql, SQL_MAX);
    duckdb_result r;

    statistics_print(rows, &sql);
    LH_TRY(ask(work, call, &sql, &r, err));
    *out = (struct lh_convert_result){.format = LH_FORMAT_PARQUET};
    statistics_take(&r, rows, out);
    duckdb_destroy_result(&r);
    return LH_OK;
}
