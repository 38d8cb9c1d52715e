#include "engine/convert.h"
#include "engine/footer.h"
#include "engine/rows_parts.h"

#define SQL_MAX ((size_t)64 << 20)

struct merge {
    struct engine_connection *c;
    const struct lh_merge_options *o;
    struct lh_convert_result old_columns, new_columns; /* names and types only */
    struct lh_buf old_list, new_list;                  /* what to select of each from */
    bool has_repeats;
};

/* ---- what is there ---- */

static lh_status
source_describe(struct merge *m, const struct lh_buf *list, struct lh_convert_result *out,
                struct lh_error *err)
{
    LH_AUTO_BUF(sql, SQL_MAX);
    duckdb_result r;

    lh_buf_add_cstr(&sql, "DESCRIBE SELECT * FROM ");
    lh_buf_add_str(&sql, lh_buf_str(list));
    LH_TRY(lh_buf_check(&sql, "the statement", err));
    LH_TRY(engine_run(m->c, lh_buf_cstr(&sql), &r, err));
    out->column_count = duckdb_row_count(&r);
    out->columns = lh_arena_array(&out->arena, out->column_count, sizeof(*out->columns));
    for (size_t i = 0; i < out->column_count; i++) {
        char *name = duckdb_value_varchar(&r, 0, i), *type = duckdb_value_varchar(&r, 1, i);
        out->columns[i].name = lh_arena_cstr(&out->arena, lh_str_of(name));
        out->columns[i].type = lh_arena_cstr(&out->arena, lh_str_of(type));
        duckdb_free(name);
        duckdb_free(type);
    }
    duckdb_destroy_result(&r);
    return LH_OK;
}

static const struct lh_convert_column *
column_find(const struct lh_convert_result *in, const char *name)
{
    for (size_t i = 0; i < in->column_count; i++)
        if (lh_str_eq_nocase(lh_str_of(in->columns[i].name), lh_str_of(name)))
            return &in->columns[i];
    return NULL;
}

static lh_status
keys_check(struct merge *m, struct lh_error *err)
{
    LH_AUTO_BUF(key, 4096);
    LH_AUTO_BUF(sql, SQL_MAX);
    duckdb_result r;
    int64_t rows, keys, distinct;

    if (!column_find(&m->new_columns, m->o->key_column))
        return lh_fail(err, LH_INVALID, "ingest.key", "the file has no key column \"%s\"",
                       m->o->key_column);
    engine_quote_name(&key, lh_str_of(m->o->key_column));
    lh_buf_printf(&sql, "SELECT count(*), count(%s), count(DISTINCT %s) FROM %.*s",
                  lh_buf_cstr(&key), lh_buf_cstr(&key), LH_FMT(lh_buf_str(&m->new_list)));
    LH_TRY(lh_buf_check(&sql, "the statement", err));
    LH_TRY(engine_run(m->c, lh_buf_cstr(&sql), &r, err));
    rows = duckdb_value_int64(&r, 0, 0);
    keys = duckdb_value_int64(&r, 1, 0);
    distinct = duckdb_value_int64(&r, 2, 0);
    duckdb_destroy_result(&r);
    if (keys < rows)
        return lh_fail(err, LH_INVALID, "ingest.key",
                       "%lld rows have no value in the key column \"%s\"", (long long)(rows - keys),
                       m->o->key_column);
    m->has_repeats = distinct < keys;
    return LH_OK;
}

/* ---- the statement ---- */

static bool
is_nested(const char *type)
{
    return strchr(type, '[') != NULL || strncmp(type, "STRUCT", 6) == 0 ||
           strncmp(type, "MAP", 3) == 0;
}

static void
column_print(const struct merge *m, struct lh_buf *sql, const struct lh_convert_result *from,
             size_t i)
{
    const char *name = m->o->column_names[i], *type = m->o->column_types[i];
    const struct lh_convert_column *column = column_find(from, name);
    bool to_text = column && strcmp(type, "VARCHAR") == 0 && is_nested(column->type);

    lh_buf_add_cstr(sql, to_text ? "CAST(to_json(" : "CAST(");
    if (column)
        engine_quote_name(sql, lh_str_of(column->name));
    else
        lh_buf_add_cstr(sql, "NULL");
    lh_buf_printf(sql, to_text ? ") AS %s) AS " : " AS %s) AS ", type);
    engine_quote_name(sql, lh_str_of(name));
}

static void
columns_print(const struct merge *m, struct lh_buf *sql, const struct lh_convert_result *from)
{
    lh_buf_add_cstr(sql, "SELECT ");
    for (size_t i = 0; i < m->o->column_count; i++) {
        lh_buf_add_cstr(sql, i > 0 ? ", " : "");
        column_print(m, sql, from, i);
    }
    lh_buf_add_cstr(sql, " FROM ");
}

static const char *
key_type(const struct merge *m)
{
    for (size_t i = 0; i < m->o->column_count; i++)
        if (lh_str_eq_nocase(lh_str_of(m->o->column_names[i]), lh_str_of(m->o->key_column)))
            return m->o->column_types[i];
    return "VARCHAR";
}

static void
old_print(const struct merge *m, struct lh_buf *sql)
{
    LH_AUTO_BUF(key, 4096);
    const char *type;

    columns_print(m, sql, &m->old_columns);
    lh_buf_add_str(sql, lh_buf_str(&m->old_list));
    if (!m->o->key_column)
        return;
    type = key_type(m);
    engine_quote_name(&key, lh_str_of(m->o->key_column));
    lh_buf_printf(sql, " o ANTI JOIN (SELECT %s AS k FROM ", lh_buf_cstr(&key));
    lh_buf_add_str(sql, lh_buf_str(&m->new_list));
    lh_buf_printf(sql, ") n ON CAST(o.%s AS %s) = CAST(n.k AS %s)", lh_buf_cstr(&key), type, type);
}

static void
new_print(const struct merge *m, struct lh_buf *sql)
{
    LH_AUTO_BUF(key, 4096);

    columns_print(m, sql, &m->new_columns);
    if (!m->has_repeats) {
        lh_buf_add_str(sql, lh_buf_str(&m->new_list));
        return;
    }
    /* The last row of a key wins; the rest keeps the order of the file. */
    engine_quote_name(&key, lh_str_of(m->o->key_column));
    lh_buf_add_cstr(sql, "(SELECT *, row_number() OVER () AS lh_row FROM ");
    lh_buf_add_str(sql, lh_buf_str(&m->new_list));
    lh_buf_printf(sql,
                  ") QUALIFY row_number() OVER (PARTITION BY %s ORDER BY lh_row DESC) = 1 "
                  "ORDER BY lh_row",
                  lh_buf_cstr(&key));
}

static lh_status
merge_write(struct merge *m, struct lh_error *err)
{
    LH_AUTO_BUF(sql, SQL_MAX);

    lh_buf_add_cstr(&sql, "COPY (");
    if (m->o->old.uri_count > 0) {
        lh_buf_add_cstr(&sql, "(");
        old_print(m, &sql);
        lh_buf_add_cstr(&sql, ") UNION ALL ");
    }
    lh_buf_add_cstr(&sql, "(");
    new_print(m, &sql);
    lh_buf_add_cstr(&sql, ")) TO ");
    engine_quote_literal(&sql, lh_str_of(m->o->out_path));
    lh_buf_add_cstr(&sql, " (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)");
    LH_TRY(lh_buf_check(&sql, "the statement", err));
    return engine_run(m->c, lh_buf_cstr(&sql), NULL, err);
}

static void
source_print(struct lh_buf *list, const char *const *uris, size_t count)
{
    lh_buf_init(list, SQL_MAX);
    lh_buf_add_cstr(list, "read_parquet(");
    footer_list_print(list, uris, count);
    lh_buf_add_cstr(list, ", union_by_name = true)");
}

/* Rows that tombstones hide are not carried over: the outcome is an object that none applies to. */
static void
old_source_print(struct lh_buf *list, const struct lh_rows *old)
{
    if (!old->erasure) {
        source_print(list, old->uris, old->uri_count);
        return;
    }
    lh_buf_init(list, SQL_MAX);
    lh_buf_add_char(list, '(');
    engine_rows_select(old, NULL, list);
    lh_buf_add_char(list, ')');
}

static lh_status
merge_run(struct merge *m, struct lh_convert_result *out, struct lh_error *err)
{
    if (m->o->old.uri_count > 0)
        LH_TRY(source_describe(m, &m->old_list, &m->old_columns, err));
    LH_TRY(source_describe(m, &m->new_list, &m->new_columns, err));
    if (m->o->key_column)
        LH_TRY(keys_check(m, err));
    LH_TRY(merge_write(m, err));
    LH_TRY(footer_read(m->c, &m->o->out_path, 1, out, err));
    out->rows_in = out->rows;
    return LH_OK;
}

lh_status
lh_merge_files(struct lh_engine *work, struct lh_call *call, const struct lh_merge_options *options,
               struct lh_convert_result *out, struct lh_error *err)
{
    struct merge m = {.o = options};
    lh_status status;

    *out = (struct lh_convert_result){.format = LH_FORMAT_PARQUET};
    old_source_print(&m.old_list, &options->old);
    source_print(&m.new_list, &options->new_path, 1);
    status = engine_connection_take(work, call, &m.c, err);
    if (status == LH_OK)
        status = merge_run(&m, out, err);
    engine_connection_free(m.c);
    lh_convert_result_fini(&m.old_columns);
    lh_convert_result_fini(&m.new_columns);
    lh_buf_fini(&m.old_list);
    lh_buf_fini(&m.new_list);
    if (status != LH_OK)
        lh_convert_result_fini(out);
    return status;
}
