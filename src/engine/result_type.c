#include "engine/result_type.h"

#include <string.h>

#include "engine/connection.h"
#include "engine/result.h"

/* ---- names ---- */

static const char *
simple_name(duckdb_type id)
{
    switch (id) {
    case DUCKDB_TYPE_BOOLEAN:
        return "BOOLEAN";
    case DUCKDB_TYPE_TINYINT:
        return "TINYINT";
    case DUCKDB_TYPE_SMALLINT:
        return "SMALLINT";
    case DUCKDB_TYPE_INTEGER:
        return "INTEGER";
    case DUCKDB_TYPE_BIGINT:
        return "BIGINT";
    case DUCKDB_TYPE_HUGEINT:
        return "HUGEINT";
    case DUCKDB_TYPE_UTINYINT:
        return "UTINYINT";
    case DUCKDB_TYPE_USMALLINT:
        return "USMALLINT";
    case DUCKDB_TYPE_UINTEGER:
        return "UINTEGER";
    case DUCKDB_TYPE_UBIGINT:
        return "UBIGINT";
    case DUCKDB_TYPE_UHUGEINT:
        return "UHUGEINT";
    case DUCKDB_TYPE_FLOAT:
        return "FLOAT";
    case DUCKDB_TYPE_DOUBLE:
        return "DOUBLE";
    case DUCKDB_TYPE_VARCHAR:
        return "VARCHAR";
    case DUCKDB_TYPE_BLOB:
        return "BLOB";
    case DUCKDB_TYPE_BIT:
        return "BIT";
    case DUCKDB_TYPE_BIGNUM:
        return "BIGNUM";
    case DUCKDB_TYPE_DATE:
        return "DATE";
    case DUCKDB_TYPE_TIME:
        return "TIME";
    case DUCKDB_TYPE_TIME_NS:
        return "TIME_NS";
    case DUCKDB_TYPE_TIME_TZ:
        return "TIME WITH TIME ZONE";
    case DUCKDB_TYPE_TIMESTAMP:
        return "TIMESTAMP";
    case DUCKDB_TYPE_TIMESTAMP_S:
        return "TIMESTAMP_S";
    case DUCKDB_TYPE_TIMESTAMP_MS:
        return "TIMESTAMP_MS";
    case DUCKDB_TYPE_TIMESTAMP_NS:
        return "TIMESTAMP_NS";
    case DUCKDB_TYPE_TIMESTAMP_TZ:
        return "TIMESTAMP WITH TIME ZONE";
    case DUCKDB_TYPE_INTERVAL:
        return "INTERVAL";
    case DUCKDB_TYPE_UUID:
        return "UUID";
    case DUCKDB_TYPE_SQLNULL:
        return "\"NULL\"";
    default:
        return NULL;
    }
}

static void
child_name(duckdb_logical_type child, struct lh_buf *out)
{
    result_type_name(child, out);
    duckdb_destroy_logical_type(&child);
}

/* As SQL would need it: plain when it is a lower-case word. Keywords are quoted too, for there are
 * hundreds of them. */
static void
member_name(char *name, struct lh_buf *out)
{
    bool is_plain = *name != 0 && !(*name >= '0' && *name <= '9');

    for (const char *p = name; *p; p++)
        is_plain = is_plain && ((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || *p == '_');
    if (is_plain)
        lh_buf_add_cstr(out, name);
    else
        engine_quote_name(out, lh_str_of(name));
    duckdb_free(name);
}

static void
struct_name(duckdb_logical_type type, struct lh_buf *out)
{
    lh_buf_add_cstr(out, "STRUCT(");
    for (idx_t i = 0; i < duckdb_struct_type_child_count(type); i++) {
        lh_buf_add_cstr(out, i > 0 ? ", " : "");
        member_name(duckdb_struct_type_child_name(type, i), out);
        lh_buf_add_char(out, ' ');
        child_name(duckdb_struct_type_child_type(type, i), out);
    }
    lh_buf_add_char(out, ')');
}

static void
union_name(duckdb_logical_type type, struct lh_buf *out)
{
    lh_buf_add_cstr(out, "UNION(");
    for (idx_t i = 0; i < duckdb_union_type_member_count(type); i++) {
        lh_buf_add_cstr(out, i > 0 ? ", " : "");
        member_name(duckdb_union_type_member_name(type, i), out);
        lh_buf_add_char(out, ' ');
        child_name(duckdb_union_type_member_type(type, i), out);
    }
    lh_buf_add_char(out, ')');
}

static void
enum_name(duckdb_logical_type type, struct lh_buf *out)
{
    lh_buf_add_cstr(out, "ENUM(");
    for (uint32_t i = 0; i < duckdb_enum_dictionary_size(type); i++) {
        char *label = duckdb_enum_dictionary_value(type, i);

        lh_buf_add_cstr(out, i > 0 ? ", " : "");
        engine_quote_literal(out, lh_str_of(label));
        duckdb_free(label);
    }
    lh_buf_add_char(out, ')');
}

static void
nested_name(duckdb_logical_type type, struct lh_buf *out)
{
    switch (result_type_id(type)) {
    case DUCKDB_TYPE_DECIMAL:
        lh_buf_printf(out, "DECIMAL(%d,%d)", duckdb_decimal_width(type),
                      duckdb_decimal_scale(type));
        return;
    case DUCKDB_TYPE_ENUM:
        enum_name(type, out);
        return;
    case DUCKDB_TYPE_LIST:
        child_name(duckdb_list_type_child_type(type), out);
        lh_buf_add_cstr(out, "[]");
        return;
    case DUCKDB_TYPE_ARRAY:
        child_name(duckdb_array_type_child_type(type), out);
        lh_buf_printf(out, "[%llu]", (unsigned long long)duckdb_array_type_array_size(type));
        return;
    case DUCKDB_TYPE_MAP:
        lh_buf_add_cstr(out, "MAP(");
        child_name(duckdb_map_type_key_type(type), out);
        lh_buf_add_cstr(out, ", ");
        child_name(duckdb_map_type_value_type(type), out);
        lh_buf_add_char(out, ')');
        return;
    case DUCKDB_TYPE_STRUCT:
        struct_name(type, out);
        return;
    case DUCKDB_TYPE_UNION:
        union_name(type, out);
        return;
    default:
        lh_buf_add_cstr(out, "UNKNOWN");
    }
}

void
result_type_name(duckdb_logical_type type, struct lh_buf *out)
{
    char *alias = duckdb_logical_type_get_alias(type);
    const char *name = simple_name(result_type_id(type));

    if (alias && *alias)
        lh_buf_add_cstr(out, alias);
    else if (name)
        lh_buf_add_cstr(out, name);
    else
        nested_name(type, out);
    duckdb_free(alias);
}

/* ---- types ---- */

static lh_str
name_keep(char *name, struct lh_arena *arena)
{
    lh_str kept = lh_arena_str(arena, lh_str_of(name));

    duckdb_free(name);
    return kept;
}

static lh_status
member_of(duckdb_logical_type member, struct lh_arena *arena, struct result_type *out,
          struct lh_error *err)
{
    lh_status status = result_type_of(member, arena, out, err);

    duckdb_destroy_logical_type(&member);
    return status;
}

static void
members_new(struct result_type *t, size_t count, struct lh_arena *arena)
{
    t->members = lh_arena_array(arena, count + 1, sizeof(*t->members));
    t->names = lh_arena_array(arena, count + 1, sizeof(*t->names));
    t->member_count = count;
}

static lh_status
struct_of(duckdb_logical_type type, struct lh_arena *arena, struct result_type *t,
          struct lh_error *err)
{
    members_new(t, duckdb_struct_type_child_count(type), arena);
    for (size_t i = 0; i < t->member_count; i++) {
        t->names[i] = name_keep(duckdb_struct_type_child_name(type, i), arena);
        LH_TRY(member_of(duckdb_struct_type_child_type(type, i), arena, &t->members[i], err));
    }
    return LH_OK;
}

static lh_status
union_of(duckdb_logical_type type, struct lh_arena *arena, struct result_type *t,
         struct lh_error *err)
{
    members_new(t, duckdb_union_type_member_count(type), arena);
    for (size_t i = 0; i < t->member_count; i++) {
        t->names[i] = name_keep(duckdb_union_type_member_name(type, i), arena);
        LH_TRY(member_of(duckdb_union_type_member_type(type, i), arena, &t->members[i], err));
    }
    return LH_OK;
}

static void
labels_of(duckdb_logical_type type, struct lh_arena *arena, struct result_type *t)
{
    t->storage = duckdb_enum_internal_type(type);
    t->label_count = duckdb_enum_dictionary_size(type);
    t->labels = lh_arena_array(arena, t->label_count + 1, sizeof(*t->labels));
    for (uint32_t i = 0; i < t->label_count; i++)
        t->labels[i] = name_keep(duckdb_enum_dictionary_value(type, i), arena);
}

static lh_status
nested_of(duckdb_logical_type type, struct lh_arena *arena, struct result_type *t,
          struct lh_error *err)
{
    switch (t->id) {
    case DUCKDB_TYPE_DECIMAL:
        t->storage = duckdb_decimal_internal_type(type);
        t->width = duckdb_decimal_width(type);
        t->scale = duckdb_decimal_scale(type);
        return LH_OK;
    case DUCKDB_TYPE_ENUM:
        labels_of(type, arena, t);
        return LH_OK;
    case DUCKDB_TYPE_LIST:
        members_new(t, 1, arena);
        return member_of(duckdb_list_type_child_type(type), arena, &t->members[0], err);
    case DUCKDB_TYPE_ARRAY:
        members_new(t, 1, arena);
        t->array_size = duckdb_array_type_array_size(type);
        return member_of(duckdb_array_type_child_type(type), arena, &t->members[0], err);
    case DUCKDB_TYPE_MAP:
        members_new(t, 2, arena);
        LH_TRY(member_of(duckdb_map_type_key_type(type), arena, &t->members[0], err));
        return member_of(duckdb_map_type_value_type(type), arena, &t->members[1], err);
    case DUCKDB_TYPE_STRUCT:
        return struct_of(type, arena, t, err);
    case DUCKDB_TYPE_UNION:
        return union_of(type, arena, t, err);
    default:
        return lh_fail(err, LH_UNSUPPORTED, "sql.type",
                       "a column's type has no form in an answer; cast it to another");
    }
}

lh_status
result_type_of(duckdb_logical_type type, struct lh_arena *arena, struct result_type *out,
               struct lh_error *err)
{
    char *alias = duckdb_logical_type_get_alias(type);

    *out = (struct result_type){.id = result_type_id(type)};
    out->is_json = out->id == DUCKDB_TYPE_VARCHAR && alias && strcmp(alias, "JSON") == 0;
    duckdb_free(alias);
    return simple_name(out->id) ? LH_OK : nested_of(type, arena, out, err);
}

/* ---- cells ---- */

void
result_cells_init(struct result_cells *c, const struct result_type *type, struct lh_arena *arena)
{
    *c = (struct result_cells){.type = type};
    c->members = lh_arena_array(arena, type->member_count + 1, sizeof(*c->members));
    for (size_t i = 0; i < type->member_count; i++)
        result_cells_init(&c->members[i], &type->members[i], arena);
}

static void
map_see(struct result_cells *c, duckdb_vector entries)
{
    result_cells_see(&c->members[0], duckdb_struct_vector_get_child(entries, 0));
    result_cells_see(&c->members[1], duckdb_struct_vector_get_child(entries, 1));
}

/* The first child of a union's vector holds the tags. */
static void
union_see(struct result_cells *c, duckdb_vector vector)
{
    c->tags = duckdb_vector_get_data(duckdb_struct_vector_get_child(vector, 0));
    for (size_t i = 0; i < c->type->member_count; i++)
        result_cells_see(&c->members[i], duckdb_struct_vector_get_child(vector, i + 1));
}

void
result_cells_see(struct result_cells *c, duckdb_vector vector)
{
    c->data = duckdb_vector_get_data(vector);
    c->validity = duckdb_vector_get_validity(vector);
    switch (c->type->id) {
    case DUCKDB_TYPE_LIST:
        result_cells_see(&c->members[0], duckdb_list_vector_get_child(vector));
        break;
    case DUCKDB_TYPE_MAP:
        map_see(c, duckdb_list_vector_get_child(vector));
        break;
    case DUCKDB_TYPE_ARRAY:
        result_cells_see(&c->members[0], duckdb_array_vector_get_child(vector));
        break;
    case DUCKDB_TYPE_STRUCT:
        for (size_t i = 0; i < c->type->member_count; i++)
            result_cells_see(&c->members[i], duckdb_struct_vector_get_child(vector, i));
        break;
    case DUCKDB_TYPE_UNION:
        union_see(c, vector);
        break;
    default:
        break;
    }
}

#define CELL(type) (((const type *)(const void *)c->data)[row])

static result_wide
hugeint_wide(duckdb_hugeint v)
{
    __extension__ typedef unsigned __int128 bits;

    return (result_wide)((bits)(uint64_t)v.upper << 64 | v.lower);
}

result_wide
result_cell_wide(const struct result_cells *c, size_t row)
{
    switch (c->type->storage) {
    case DUCKDB_TYPE_SMALLINT:
        return CELL(int16_t);
    case DUCKDB_TYPE_INTEGER:
        return CELL(int32_t);
    case DUCKDB_TYPE_BIGINT:
        return CELL(int64_t);
    case DUCKDB_TYPE_UTINYINT:
        return CELL(uint8_t);
    case DUCKDB_TYPE_USMALLINT:
        return CELL(uint16_t);
    case DUCKDB_TYPE_UINTEGER:
        return CELL(uint32_t);
    default:
        return hugeint_wide(CELL(duckdb_hugeint));
    }
}
