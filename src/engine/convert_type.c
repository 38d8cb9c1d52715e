#include "engine/convert_type.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "engine/canonical.h"
#include "engine/csv_records.h"
#include "engine/json_token.h"

#define INLINE_MAX 12 /* duckdb_string_t keeps that many bytes in itself */
#define STACK_TEXT 512

/* ---- DuckDB types ---- */

static const duckdb_type plain_types[] = {
    [CONVERT_TEXT] = DUCKDB_TYPE_VARCHAR,
    [CONVERT_I64] = DUCKDB_TYPE_BIGINT,
    [CONVERT_F64] = DUCKDB_TYPE_DOUBLE,
    [CONVERT_BOOL] = DUCKDB_TYPE_BOOLEAN,
    [CONVERT_DATE] = DUCKDB_TYPE_DATE,
    [CONVERT_TIMESTAMP] = DUCKDB_TYPE_TIMESTAMP,
    [CONVERT_TIMESTAMPTZ] = DUCKDB_TYPE_TIMESTAMP_TZ,
};

static duckdb_logical_type
struct_logical(const struct convert_type *t)
{
    duckdb_logical_type *members = lh_alloc_array(t->child_count, sizeof(*members)), out;

    for (size_t i = 0; i < t->child_count; i++)
        members[i] = convert_type_logical(&t->children[i]);
    out = duckdb_create_struct_type(members, t->names, t->child_count);
    for (size_t i = 0; i < t->child_count; i++)
        duckdb_destroy_logical_type(&members[i]);
    free(members);
    return out;
}

duckdb_logical_type
convert_type_logical(const struct convert_type *t)
{
    duckdb_logical_type child, out;

    if (t->kind == CONVERT_STRUCT)
        return struct_logical(t);
    if (t->kind != CONVERT_LIST)
        return duckdb_create_logical_type(plain_types[t->kind]);
    child = convert_type_logical(&t->children[0]);
    out = duckdb_create_list_type(child);
    duckdb_destroy_logical_type(&child);
    return out;
}

/* ---- NULL ---- */

static void
null_write(struct convert_column_out *out, size_t row)
{
    if (!out->validity) {
        duckdb_vector_ensure_validity_writable(out->vector);
        out->validity = duckdb_vector_get_validity(out->vector);
    }
    out->validity[row / 64] &= ~(UINT64_C(1) << row % 64);
}

/* The validity comes with the first NULL: a column without any is cheaper to write. */
struct convert_column_out
convert_column_out_of(duckdb_vector vector)
{
    return (struct convert_column_out){.vector = vector, .data = duckdb_vector_get_data(vector)};
}

/* The members of a NULL struct are NULL as well. */
static void
nested_null_write(const struct convert_type *t, struct convert_column_out *out, size_t row)
{
    null_write(out, row);
    if (t->kind == CONVERT_LIST)
        ((duckdb_list_entry *)out->data)[row] = (duckdb_list_entry){0};
    if (t->kind != CONVERT_STRUCT)
        return;
    for (size_t i = 0; i < t->child_count; i++) {
        struct convert_column_out child =
            convert_column_out_of(duckdb_struct_vector_get_child(out->vector, i));
        nested_null_write(&t->children[i], &child, row);
    }
}

/* ---- text ---- */

/* Longer strings point into the mapped file, which outlives every chunk: no copy. */
static void
view_write(struct convert_column_out *out, size_t row, lh_str text)
{
    duckdb_string_t *s = &((duckdb_string_t *)out->data)[row];

    memset(s, 0, sizeof(*s));
    s->value.inlined.length = (uint32_t)text.len;
    if (text.len <= INLINE_MAX) {
        memcpy(s->value.inlined.inlined, text.ptr, text.len);
        return;
    }
    memcpy(s->value.pointer.prefix, text.ptr, sizeof(s->value.pointer.prefix));
    s->value.pointer.ptr = (char *)(uintptr_t)text.ptr;
}

static size_t
unescape(const struct csv_dialect *dialect, const struct record_field *f, char *to)
{
    return dialect ? csv_field_unescape(dialect, f, to) : json_string_unescape(f, to);
}

static void
unescaped_write(const struct csv_dialect *dialect, struct convert_column_out *out, size_t row,
                const struct record_field *f)
{
    char stack[STACK_TEXT];
    LH_AUTO_CHARS heap = f->len > STACK_TEXT ? lh_alloc(f->len) : NULL;
    char *to = heap ? heap : stack;
    size_t n = unescape(dialect, f, to);

    duckdb_vector_assign_string_element_len(out->vector, row, to, n);
}

void
convert_text_write(const struct csv_dialect *dialect, bool is_raw, struct convert_column_out *out,
                   size_t row, const struct record_field *f)
{
    bool is_json_string = f->kind == FIELD_JSON_STRING;

    if (is_raw && is_json_string)
        view_write(out, row, (lh_str){f->ptr - 1, f->len + 2u});
    else if (f->kind == FIELD_ESCAPED || (is_json_string && f->has_escapes))
        unescaped_write(dialect, out, row, f);
    else
        view_write(out, row, (lh_str){f->ptr, f->len});
}

static bool
text_write(const struct convert_type *t, const struct csv_dialect *dialect,
           struct convert_column_out *out, size_t row, const struct record_field *f)
{
    if (t->is_unseen || (f->kind == FIELD_JSON_NESTED && !t->is_raw && !t->is_any))
        return false;
    convert_text_write(dialect, t->is_raw, out, row, f);
    return true;
}

/* ---- numbers, dates, booleans ---- */

static bool
is_time(const struct record_field *f)
{
    return f->kind <= FIELD_QUOTED || (f->kind == FIELD_JSON_STRING && !f->has_escapes);
}

static bool
is_number(const struct record_field *f)
{
    return f->kind <= FIELD_QUOTED || f->kind == FIELD_JSON_NUMBER;
}

static bool
plain_write(const struct convert_type *t, void *data, size_t row, const struct record_field *f)
{
    lh_str text = {f->ptr, f->len};
    double *f64 = (double *)data + row;
    int32_t zone;

    switch (t->kind) {
    case CONVERT_I64:
        return is_number(f) && canonical_i64(text, (int64_t *)data + row);
    case CONVERT_F64:
        return is_number(f) && (f->kind == FIELD_JSON_NUMBER ? canonical_json_f64(text, f64)
                                                             : canonical_f64(text, f64));
    case CONVERT_BOOL:
        return (f->kind <= FIELD_QUOTED || f->kind == FIELD_JSON_BOOL) &&
               canonical_bool(text, (bool *)data + row) == t->spelling;
    case CONVERT_DATE:
        return is_time(f) && canonical_date(text, (int32_t *)data + row);
    case CONVERT_TIMESTAMP:
        return is_time(f) && canonical_timestamp(text, (int64_t *)data + row);
    case CONVERT_TIMESTAMPTZ:
        return is_time(f) && canonical_timestamptz(text, (int64_t *)data + row, &zone) &&
               zone == t->zone;
    default:
        return false;
    }
}

/* ---- nested ---- */

static bool
list_write(const struct convert_type *t, struct convert_column_out *out, size_t row,
           const struct record_field *f)
{
    struct json_walk w = json_walk_over(f);
    duckdb_vector child = duckdb_list_vector_get_child(out->vector);
    idx_t from = duckdb_list_vector_get_size(out->vector), n = from, room = from;
    struct convert_column_out place = {0};
    struct record_field value;

    if (w.is_object)
        return false;
    while (json_walk_next(&w, &value, &value)) {
        if (n == room) {
            room = n < 64 ? 64 : n * 2;
            duckdb_list_vector_reserve(out->vector, room);
            place = convert_column_out_of(child);
        }
        duckdb_list_vector_set_size(out->vector, n + 1);
        if (!convert_type_write(&t->children[0], NULL, &place, n++, &value))
            return false;
    }
    ((duckdb_list_entry *)out->data)[row] = (duckdb_list_entry){.offset = from, .length = n - from};
    return true;
}

static bool
member_find(const struct convert_type *t, const struct record_field *key, size_t expected,
            size_t *at)
{
    lh_str name = {key->ptr, key->len};

    for (size_t i = 0; i < t->child_count; i++) {
        *at = (expected + i) % t->child_count;
        if (lh_str_eq(lh_str_of(t->names[*at]), name))
            return !key->has_escapes;
    }
    return false;
}

static bool
struct_write(const struct convert_type *t, struct convert_column_out *out, size_t row,
             const struct record_field *f)
{
    struct json_walk w = json_walk_over(f);
    struct record_field key, value, *members = lh_alloc_array(t->child_count, sizeof(*members));
    size_t expected = 0, at = 0;
    bool is_ok = w.is_object;

    for (; is_ok && json_walk_next(&w, &key, &value); expected = at + 1) {
        is_ok = member_find(t, &key, expected, &at) && !members[at].ptr;
        if (is_ok)
            members[at] = value;
    }
    for (size_t i = 0; is_ok && i < t->child_count; i++) {
        struct convert_column_out child =
            convert_column_out_of(duckdb_struct_vector_get_child(out->vector, i));
        is_ok = convert_type_write(&t->children[i], NULL, &child, row, &members[i]);
    }
    free(members);
    return is_ok;
}

bool
convert_type_write(const struct convert_type *t, const struct csv_dialect *dialect,
                   struct convert_column_out *out, size_t row, const struct record_field *f)
{
    if (f->kind == FIELD_NULL) {
        nested_null_write(t, out, row);
        return true;
    }
    switch (t->kind) {
    case CONVERT_TEXT:
        return text_write(t, dialect, out, row, f);
    case CONVERT_LIST:
        return f->kind == FIELD_JSON_NESTED && list_write(t, out, row, f);
    case CONVERT_STRUCT:
        return f->kind == FIELD_JSON_NESTED && struct_write(t, out, row, f);
    default:
        return plain_write(t, out->data, row, f);
    }
}
