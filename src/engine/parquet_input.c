#include "engine/parquet_input.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "engine/convert_plan.h"
#include "engine/footer.h"

#define SAMPLE_ROWS "20"

struct parquet_job {
    struct engine_connection *c;
    const struct lh_convert_options *options;
    struct lh_convert_result *out;
    const char *path;
    const char **names; /* the names to be */
    const char **casts; /* types to be, NULL where they stay */
    bool *is_forced;    /* by `types`: what does not cast is a reject */
    bool must_rewrite;
};

/* ---- reading all of it ---- */

static lh_status
unreadable(lh_status status, const struct lh_error *why, struct lh_error *err)
{
    switch (status) {
    case LH_CANCELED:
    case LH_TIMEOUT:
    case LH_NO_SPACE:
    case LH_TOO_BIG:
        lh_error_copy(err, why);
        return status;
    default:
        return lh_fail(err, LH_INVALID, "ingest.unreadable",
                       "the Parquet file is damaged or not supported: %.300s", why->text);
    }
}

static lh_status
pages_check(struct parquet_job *j, struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    LH_AUTO_BUF(sql, 64 * 1024);
    duckdb_result r;
    lh_status status;
    uint64_t rows;

    lh_buf_add_cstr(&sql, "SELECT count(*), bit_xor(hash(t)) FROM read_parquet(");
    footer_list_print(&sql, &j->path, 1);
    lh_buf_add_cstr(&sql, ") t");
    status = engine_run(j->c, lh_buf_cstr(&sql), &r, &why);
    if (status != LH_OK)
        return unreadable(status, &why, err);
    rows = (uint64_t)duckdb_value_int64(&r, 0, 0);
    duckdb_destroy_result(&r);
    if (rows != j->out->rows)
        return lh_fail(err, LH_INVALID, "ingest.unreadable",
                       "the Parquet file has %llu rows, its footer says %llu",
                       (unsigned long long)rows, (unsigned long long)j->out->rows);
    return LH_OK;
}

/* Names as the file has them: DuckDB hides repeated ones by numbering them. */
static lh_status
raw_names_check(struct parquet_job *j, struct lh_error *err)
{
    LH_AUTO_BUF(sql, 64 * 1024);
    duckdb_result r;
    idx_t rows, at = 1;

    lh_buf_add_cstr(&sql,
                    "SELECT name, CAST(coalesce(num_children, 0) AS BIGINT) FROM parquet_schema(");
    footer_list_print(&sql, &j->path, 1);
    lh_buf_add_char(&sql, ')');
    LH_TRY(engine_run(j->c, lh_buf_cstr(&sql), &r, err));
    rows = duckdb_row_count(&r);
    for (size_t i = 0; i < j->out->column_count && at < rows; i++) {
        char *name = duckdb_value_varchar(&r, 0, at);
        int64_t open = 1;
        j->must_rewrite |= strcmp(name ? name : "", j->names[i]) != 0;
        duckdb_free(name);
        for (; open > 0 && at < rows; at++) /* past the column's whole subtree */
            open += duckdb_value_int64(&r, 1, at) - 1;
    }
    duckdb_destroy_result(&r);
    return LH_OK;
}

/* ---- what to change ---- */

static lh_status
names_plan(struct parquet_job *j, struct lh_error *err)
{
    size_t n = j->out->column_count;
    lh_str *written = lh_arena_array(&j->out->arena, n, sizeof(*written));

    for (size_t i = 0; i < n; i++)
        written[i] = lh_str_of(j->out->columns[i].name);
    convert_names_fix(written, n, &j->out->arena, j->names);
    return raw_names_check(j, err);
}

static bool
column_at(const struct parquet_job *j, const char *name, size_t *at)
{
    for (size_t i = 0; i < j->out->column_count; i++) {
        if (lh_str_eq_nocase(lh_str_of(j->names[i]), lh_str_of(name))) {
            *at = i;
            return true;
        }
    }
    return false;
}

static lh_status
forced_plan(struct parquet_job *j, struct lh_error *err)
{
    const char *name;
    json_t *value;

    json_object_foreach ((json_t *)(uintptr_t)j->options->types, name, value) {
        size_t at;
        if (!column_at(j, name, &at))
            return lh_fail(err, LH_INVALID, "ingest.types", "types: the file has no column \"%s\"",
                           name);
        if (!json_is_string(value))
            return lh_fail(err, LH_INVALID, "ingest.types", "types: \"%s\" needs a type's name",
                           name);
        LH_TRY(convert_type_name_check(j->c, lh_str_of(json_string_value(value)), err));
        j->casts[at] = json_string_value(value);
        j->is_forced[at] = true;
        j->must_rewrite = true;
    }
    return LH_OK;
}

/* There and back without a change, for every value. */
static lh_status
fits_check(struct parquet_job *j, size_t at, const char *want, bool *fits, struct lh_error *err)
{
    LH_AUTO_BUF(sql, 64 * 1024);
    LH_AUTO_BUF(name, 4096);
    LH_AUTO_ERROR(ignored);
    const char *type = j->out->columns[at].type;
    duckdb_result r;

    (void)err;
    engine_quote_name(&name, lh_str_of(j->out->columns[at].name));
    lh_buf_printf(
        &sql,
        "SELECT coalesce(bool_and(TRY_CAST(TRY_CAST(%s AS %s) AS %s) IS NOT DISTINCT FROM %s),"
        " true) FROM read_parquet(",
        lh_buf_cstr(&name), want, type, lh_buf_cstr(&name));
    footer_list_print(&sql, &j->path, 1);
    lh_buf_add_char(&sql, ')');
    *fits = false;
    if (engine_run(j->c, lh_buf_cstr(&sql), &r, &ignored) != LH_OK)
        return LH_OK; /* no such cast */
    *fits = duckdb_value_boolean(&r, 0, 0);
    duckdb_destroy_result(&r);
    return LH_OK;
}

static lh_status
wanted_plan(struct parquet_job *j, struct lh_error *err)
{
    for (size_t i = 0; i < j->options->want_count; i++) {
        const char *want = j->options->want_types[i];
        bool fits;
        size_t at;
        if (!column_at(j, j->options->want_names[i], &at) || j->casts[at] ||
            strcmp(j->out->columns[at].type, want) == 0)
            continue;
        LH_TRY(fits_check(j, at, want, &fits, err));
        if (!fits)
            continue;
        j->casts[at] = want;
        j->must_rewrite = true;
    }
    return LH_OK;
}

/* ---- writing anew ---- */

static void
columns_print(const struct parquet_job *j, struct lh_buf *sql)
{
    for (size_t i = 0; i < j->out->column_count; i++) {
        lh_buf_add_cstr(sql, i > 0 ? ", " : "");
        lh_buf_add_cstr(sql, j->casts[i] ? "TRY_CAST(" : "");
        engine_quote_name(sql, lh_str_of(j->out->columns[i].name));
        if (j->casts[i])
            lh_buf_printf(sql, " AS %s)", j->casts[i]);
        lh_buf_add_cstr(sql, " AS ");
        engine_quote_name(sql, lh_str_of(j->names[i]));
    }
}

/* True for rows with a value that does not cast; `label` instead tells which column. */
static void
bad_print(const struct parquet_job *j, struct lh_buf *sql, bool is_label)
{
    lh_buf_add_cstr(sql, is_label ? "CASE" : "(false");
    for (size_t i = 0; i < j->out->column_count; i++) {
        if (!j->is_forced[i])
            continue;
        lh_buf_add_cstr(sql, is_label ? " WHEN " : " OR ");
        engine_quote_name(sql, lh_str_of(j->out->columns[i].name));
        lh_buf_add_cstr(sql, " IS NOT NULL AND TRY_CAST(");
        engine_quote_name(sql, lh_str_of(j->out->columns[i].name));
        lh_buf_printf(sql, " AS %s) IS NULL", j->casts[i]);
        if (is_label) {
            lh_buf_add_cstr(sql, " THEN ");
            engine_quote_literal(sql, lh_str_of(j->names[i]));
        }
    }
    lh_buf_add_cstr(sql, is_label ? " END" : ")");
}

static void
source_print(const struct parquet_job *j, struct lh_buf *sql, bool is_bad)
{
    lh_buf_add_cstr(sql, " FROM read_parquet(");
    footer_list_print(sql, &j->path, 1);
    lh_buf_add_cstr(sql, is_bad ? ", file_row_number = true) t WHERE " : ") t WHERE NOT ");
    bad_print(j, sql, false);
}

static lh_status
copy_run(struct parquet_job *j, struct lh_buf *sql, const char *to, struct lh_error *err)
{
    lh_buf_add_cstr(sql, ") TO ");
    engine_quote_literal(sql, lh_str_of(to));
    lh_buf_add_cstr(sql, " (FORMAT parquet, COMPRESSION zstd)");
    LH_TRY(lh_buf_check(sql, "the statement", err));
    return engine_run(j->c, lh_buf_cstr(sql), NULL, err);
}

static lh_status
rejects_write(struct parquet_job *j, struct lh_error *err)
{
    LH_AUTO_BUF(sql, (size_t)1 << 24);

    lh_buf_add_cstr(
        &sql, "COPY (SELECT file_row_number + 1 AS line, CAST(NULL AS BIGINT) AS byte_offset, ");
    bad_print(j, &sql, true);
    lh_buf_add_cstr(&sql,
                    " AS column_name, 'the value does not cast to the type asked for' AS reason, "
                    "CAST(to_json(t) AS VARCHAR) AS raw");
    source_print(j, &sql, true);
    return copy_run(j, &sql, j->options->rejects_path, err);
}

static lh_status
rewrite(struct parquet_job *j, struct lh_error *err)
{
    LH_AUTO_BUF(sql, (size_t)1 << 24);
    uint64_t rows_in = j->out->rows;

    lh_buf_add_cstr(&sql, "COPY (SELECT ");
    columns_print(j, &sql);
    source_print(j, &sql, false);
    LH_TRY(copy_run(j, &sql, j->options->out_path, err));
    LH_TRY(footer_read(j->c, &j->options->out_path, 1, j->out, err));
    j->out->rows_in = rows_in;
    j->out->rows_rejected = rows_in - j->out->rows;
    return j->out->rows_rejected > 0 ? rejects_write(j, err) : LH_OK;
}

/* What a preview shows: types as they would be, nothing written. */
static lh_status
preview(struct parquet_job *j, struct lh_error *err)
{
    LH_AUTO_BUF(sql, (size_t)1 << 24);
    duckdb_result r;
    char *text;

    lh_buf_add_cstr(&sql, "SELECT CAST(to_json(list(p)) AS VARCHAR) FROM (SELECT ");
    columns_print(j, &sql);
    source_print(j, &sql, false);
    lh_buf_add_cstr(&sql, " LIMIT " SAMPLE_ROWS ") p");
    LH_TRY(lh_buf_check(&sql, "the statement", err));
    LH_TRY(engine_run(j->c, lh_buf_cstr(&sql), &r, err));
    text = duckdb_value_varchar(&r, 0, 0);
    j->out->sample = lh_strdup(text ? text : "[]");
    duckdb_free(text);
    duckdb_destroy_result(&r);
    for (size_t i = 0; i < j->out->column_count; i++) {
        j->out->columns[i].name = j->names[i];
        if (j->casts[i])
            j->out->columns[i].type = lh_arena_cstr(&j->out->arena, lh_str_of(j->casts[i]));
    }
    return LH_OK;
}

lh_status
parquet_input_convert(struct engine_connection *c, const struct convert_input *in,
                      const struct lh_convert_options *options, struct lh_convert_result *out,
                      struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    struct parquet_job j = {.c = c,
                            .options = options,
                            .out = out,
                            .path = in->unpacked_path ? in->unpacked_path : options->path};
    lh_status status;

    if (memcmp(in->data.ptr, "PARE", 4) == 0)
        return lh_fail(err, LH_INVALID, "ingest.unreadable", "the Parquet file is encrypted");
    status = footer_read(c, &j.path, 1, out, &why);
    if (status != LH_OK)
        return unreadable(status, &why, err);
    if (out->column_count == 0)
        return lh_fail(err, LH_INVALID, "ingest.unreadable", "the Parquet file has no columns");
    LH_TRY(pages_check(&j, err));
    out->rows_in = out->rows;
    j.names = lh_arena_array(&out->arena, out->column_count, sizeof(*j.names));
    j.casts = lh_arena_array(&out->arena, out->column_count, sizeof(*j.casts));
    j.is_forced = lh_arena_array(&out->arena, out->column_count, sizeof(*j.is_forced));
    LH_TRY(names_plan(&j, err));
    LH_TRY(forced_plan(&j, err));
    LH_TRY(wanted_plan(&j, err));
    out->details =
        lh_asprintf("{\"compression\":\"%s\",\"adopted\":%s}", compression_name(in->compression),
                    j.must_rewrite ? "false" : "true");
    if (options->is_preview)
        return preview(&j, err);
    if (j.must_rewrite)
        return rewrite(&j, err);
    if (in->unpacked_path && rename(in->unpacked_path, options->out_path) != 0)
        return lh_fail_errno(err, errno, "moving the unpacked file");
    out->is_adopted = in->unpacked_path == NULL;
    return LH_OK;
}
