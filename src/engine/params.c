/*
 * JSON values as parameters of a statement. null, booleans, integers, doubles and strings become
 * the DuckDB type of their own; an array becomes a list of one type. Where a column wants another
 * type DuckDB casts, as it would for a literal.
 */
#include <stdio.h>

#include "engine/lake_fs.h"
#include "engine/statement.h"

static lh_status
value_new(const json_t *v, bool is_nested, duckdb_value *out, struct lh_error *err);

static lh_status
refuse(struct lh_error *err, const char *what)
{
    return lh_fail(err, LH_INVALID, "sql.parameters", "field \"params\": %s cannot be a parameter",
                   what);
}

/* The element type of a list: of its first value that is not null; integers beside doubles are
 * doubles. */
static duckdb_type
list_type(const json_t *list)
{
    duckdb_type type = DUCKDB_TYPE_SQLNULL;
    const json_t *item;
    size_t i;

    json_array_foreach (list, i, item) {
        if (json_is_real(item) && (type == DUCKDB_TYPE_SQLNULL || type == DUCKDB_TYPE_BIGINT))
            type = DUCKDB_TYPE_DOUBLE;
        if (type != DUCKDB_TYPE_SQLNULL || json_is_null(item))
            continue;
        type = json_is_boolean(item)   ? DUCKDB_TYPE_BOOLEAN
               : json_is_integer(item) ? DUCKDB_TYPE_BIGINT
                                       : DUCKDB_TYPE_VARCHAR;
    }
    return type;
}

static bool
item_fits(const json_t *item, duckdb_type type)
{
    return json_is_null(item) || (type == DUCKDB_TYPE_DOUBLE && json_is_number(item)) ||
           (type == DUCKDB_TYPE_BIGINT && json_is_integer(item)) ||
           (type == DUCKDB_TYPE_BOOLEAN && json_is_boolean(item)) ||
           (type == DUCKDB_TYPE_VARCHAR && json_is_string(item));
}

static void
values_destroy(duckdb_value *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (values[i])
            duckdb_destroy_value(&values[i]);
}

static lh_status
items_new(const json_t *list, duckdb_type type, duckdb_value *values, struct lh_error *err)
{
    const json_t *item;
    size_t i;

    json_array_foreach (list, i, item) {
        if (!item_fits(item, type))
            return refuse(err, "a list of mixed types");
        if (type == DUCKDB_TYPE_DOUBLE && json_is_integer(item))
            values[i] = duckdb_create_double(json_number_value(item));
        else
            LH_TRY(value_new(item, true, &values[i], err));
    }
    return LH_OK;
}

static lh_status
list_new(const json_t *list, duckdb_value *out, struct lh_error *err)
{
    size_t count = json_array_size(list);
    duckdb_type type = list_type(list);
    LH_AUTO_ARENA(arena);
    duckdb_value *values = lh_arena_array(&arena, count + 1, sizeof(*values));
    lh_status status = items_new(list, type, values, err);

    if (status == LH_OK) {
        duckdb_logical_type element = duckdb_create_logical_type(type);

        *out = duckdb_create_list_value(element, values, count);
        duckdb_destroy_logical_type(&element);
    }
    values_destroy(values, count);
    return status;
}

static lh_status
value_new(const json_t *v, bool is_nested, duckdb_value *out, struct lh_error *err)
{
    switch (json_typeof(v)) {
    case JSON_NULL:
        *out = duckdb_create_null_value();
        return LH_OK;
    case JSON_TRUE:
    case JSON_FALSE:
        *out = duckdb_create_bool(json_is_true(v));
        return LH_OK;
    case JSON_INTEGER:
        *out = duckdb_create_int64(json_integer_value(v));
        return LH_OK;
    case JSON_REAL:
        *out = duckdb_create_double(json_real_value(v));
        return LH_OK;
    case JSON_STRING:
        *out = duckdb_create_varchar_length(json_string_value(v), json_string_length(v));
        return LH_OK;
    case JSON_ARRAY:
        return is_nested ? refuse(err, "a list of lists") : list_new(v, out, err);
    default:
        return refuse(err, "an object");
    }
}

static lh_status
param_set(struct engine_parsed *parsed, const char *name, const json_t *v, struct lh_error *err)
{
    duckdb_value value = NULL;
    bool is_known;

    LH_TRY(value_new(v, false, &value, err));
    is_known = engine_parsed_set(parsed, name, value);
    duckdb_destroy_value(&value);
    if (!is_known)
        return lh_fail(err, LH_INVALID, "sql.parameters",
                       "field \"params\": the statement has no parameter $%s", name);
    return LH_OK;
}

static lh_status
positions_set(struct engine_parsed *parsed, const json_t *params, struct lh_error *err)
{
    const json_t *v;
    size_t i;

    json_array_foreach (params, i, v) {
        char name[24];

        snprintf(name, sizeof(name), "%zu", i + 1);
        LH_TRY(param_set(parsed, name, v, err));
    }
    return LH_OK;
}

static lh_status
names_set(struct engine_parsed *parsed, const json_t *params, struct lh_error *err)
{
    const char *name;
    json_t *v;

    json_object_foreach ((json_t *)(uintptr_t)params, name, v)
        LH_TRY(param_set(parsed, name, v, err));
    return LH_OK;
}

lh_status
engine_params_set(struct engine_parsed *parsed, const json_t *params, struct lh_error *err)
{
    uint64_t wanted = engine_parsed_params(parsed);
    size_t given = json_is_object(params) ? json_object_size(params) : json_array_size(params);

    if (given != wanted)
        return lh_fail(err, LH_INVALID, "sql.parameters",
                       "field \"params\": the statement has %llu parameters, %zu are given",
                       (unsigned long long)wanted, given);
    return json_is_object(params) ? names_set(parsed, params, err)
                                  : positions_set(parsed, params, err);
}
