/*
 * Objects are grouped by the first tombstone that hides rows of theirs. Each group is one
 * read_parquet, and a filter that keeps what no value matches (a key that is NULL matches none).
 * The groups are joined by the names of their columns, with a last one that has no rows but every
 * column, so that a column which no object has is there too.
 */
#include "engine/footer.h"
#include "engine/rows_parts.h"

static void
values_print(const struct lh_erasure *e, size_t key, uint64_t first, struct lh_buf *sql)
{
    lh_buf_add_char(sql, '(');
    engine_quote_name(sql, lh_str_of(e->keys[key]));
    lh_buf_printf(sql, " IN (SELECT TRY_CAST(value AS %s) FROM read_parquet(", e->key_types[key]);
    engine_quote_literal(sql, lh_str_of(e->values_uri));
    lh_buf_add_cstr(sql, ") WHERE key_column = ");
    engine_quote_literal(sql, lh_str_of(e->keys[key]));
    lh_buf_printf(sql, " AND tombstone >= %llu)) IS NOT TRUE", (unsigned long long)first);
}

static void
filter_print(const struct lh_erasure *e, uint64_t first, struct lh_buf *sql)
{
    for (size_t i = 0; i < e->key_count; i++) {
        lh_buf_add_cstr(sql, i > 0 ? " AND " : " WHERE ");
        values_print(e, i, first, sql);
    }
}

static uint64_t
first_of(const struct lh_rows *rows, size_t i)
{
    return rows->erasure ? rows->erasure->first[i] : 0;
}

static void
objects_print(const struct lh_rows *rows, uint64_t first, struct lh_buf *sql)
{
    const char *separator = "";

    lh_buf_add_char(sql, '[');
    for (size_t i = 0; i < rows->uri_count; i++) {
        if (first_of(rows, i) != first)
            continue;
        lh_buf_add_cstr(sql, separator);
        engine_quote_literal(sql, lh_str_of(rows->uris[i]));
        separator = ", ";
    }
    lh_buf_add_char(sql, ']');
}

static void
group_print(const struct lh_rows *rows, uint64_t first, const char *object_column,
            struct lh_buf *sql)
{
    lh_buf_add_cstr(sql, "SELECT * FROM read_parquet(");
    objects_print(rows, first, sql);
    lh_buf_add_cstr(sql, ", hive_partitioning = false, union_by_name = true");
    if (object_column) {
        lh_buf_add_cstr(sql, ", filename = ");
        engine_quote_literal(sql, lh_str_of(object_column));
    }
    lh_buf_add_char(sql, ')');
    if (first > 0)
        filter_print(rows->erasure, first, sql);
    lh_buf_add_cstr(sql, " UNION ALL BY NAME ");
}

/* The smallest number of a group above `after`; 0 when there is none. */
static uint64_t
group_next(const struct lh_rows *rows, uint64_t after)
{
    uint64_t next = 0;

    for (size_t i = 0; i < rows->uri_count; i++) {
        uint64_t first = first_of(rows, i);

        if (first > after && (next == 0 || first < next))
            next = first;
    }
    return next;
}

static bool
has_group(const struct lh_rows *rows, uint64_t first)
{
    for (size_t i = 0; i < rows->uri_count; i++)
        if (first_of(rows, i) == first)
            return true;
    return false;
}

static void
names_print(const struct lh_rows *rows, const char *object_column, struct lh_buf *sql)
{
    for (size_t i = 0; i < rows->column_count; i++) {
        lh_buf_add_cstr(sql, i > 0 ? ", " : "");
        engine_quote_name(sql, lh_str_of(rows->column_names[i]));
    }
    if (!object_column)
        return;
    lh_buf_add_cstr(sql, rows->column_count > 0 ? ", " : "");
    engine_quote_name(sql, lh_str_of(object_column));
}

/* No rows, but every column with its type. */
static void
empty_print(const struct lh_rows *rows, const char *object_column, struct lh_buf *sql)
{
    lh_buf_add_cstr(sql, "SELECT ");
    for (size_t i = 0; i < rows->column_count; i++) {
        lh_buf_printf(sql, "%sNULL::%s AS ", i > 0 ? ", " : "", rows->column_types[i]);
        engine_quote_name(sql, lh_str_of(rows->column_names[i]));
    }
    if (object_column) {
        lh_buf_add_cstr(sql, rows->column_count > 0 ? ", NULL::VARCHAR AS " : "NULL::VARCHAR AS ");
        engine_quote_name(sql, lh_str_of(object_column));
    }
    lh_buf_add_cstr(sql, " WHERE false");
}

void
engine_rows_select(const struct lh_rows *rows, const char *object_column, struct lh_buf *sql)
{
    lh_buf_add_cstr(sql, "SELECT ");
    names_print(rows, object_column, sql);
    lh_buf_add_cstr(sql, " FROM (");
    if (has_group(rows, 0))
        group_print(rows, 0, object_column, sql);
    for (uint64_t first = group_next(rows, 0); first > 0; first = group_next(rows, first))
        group_print(rows, first, object_column, sql);
    empty_print(rows, object_column, sql);
    lh_buf_add_char(sql, ')');
}
