#include "base/config_value.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/time.h"

struct unit {
    const char *name;
    int64_t size;
};

/* The largest first, as printing needs them; decimal units are read only. */
static const struct unit binary_units[] = {{"TiB", INT64_C(1) << 40},
                                           {"GiB", INT64_C(1) << 30},
                                           {"MiB", INT64_C(1) << 20},
                                           {"KiB", INT64_C(1) << 10},
                                           {"", 1},
                                           {NULL, 0}};
static const struct unit decimal_units[] = {{"TB", INT64_C(1000000000000)},
                                            {"GB", 1000000000},
                                            {"MB", 1000000},
                                            {"KB", 1000},
                                            {"B", 1},
                                            {NULL, 0}};
static const struct unit time_units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000},
                                         {"s", 1000},     {"ms", 1},      {NULL, 0}};

static const struct unit *
unit_find(const struct unit *units, lh_str name)
{
    for (; units->name != NULL; units++)
        if (lh_str_eq_nocase(name, lh_str_of(units->name)))
            return units;
    return NULL;
}

/* "1048576", "64MiB", "2GB", "64 KiB"; units in any case. */
static bool
size_read(lh_str text, int64_t *out)
{
    size_t digits = 0;
    uint64_t count;

    while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
        digits++;
    lh_str name = lh_str_trim(lh_str_slice(text, digits, text.len));
    const struct unit *unit = unit_find(binary_units, name);
    if (unit == NULL)
        unit = unit_find(decimal_units, name);
    return unit != NULL && lh_str_u64(lh_str_slice(text, 0, digits), &count) &&
           !__builtin_mul_overflow(count, unit->size, out);
}

static bool
bool_read(lh_str text, int64_t *out)
{
    *out = lh_str_eq(text, LH_STR("true"));
    return *out != 0 || lh_str_eq(text, LH_STR("false"));
}

static lh_str
unquote(lh_str s)
{
    if (s.len >= 2 && s.ptr[0] == '"' && s.ptr[s.len - 1] == '"')
        return lh_str_slice(s, 1, s.len - 1);
    return s;
}

/* "a, b" or, as in TOML, "[a, b]"; elements may be quoted. Empty elements are dropped. */
static bool
list_read(lh_str text, struct config_value *v)
{
    lh_str rest = lh_str_trim(text), part;

    if (lh_str_starts(rest, LH_STR("[")) && lh_str_ends(rest, LH_STR("]")))
        rest = lh_str_slice(rest, 1, rest.len - 1);
    while (lh_str_next(&rest, ',', &part)) {
        part = lh_str_trim(part);
        if (part.len > 0)
            config_value_list_add(v, unquote(part));
    }
    return true;
}

static bool
value_read(enum lh_config_kind kind, lh_str text, struct config_value *v)
{
    switch (kind) {
    case LH_CONFIG_STR:
        v->str = lh_str_dup(text);
        return true;
    case LH_CONFIG_I64:
        return lh_str_i64(text, &v->i64);
    case LH_CONFIG_F64:
        return lh_str_f64(text, &v->f64);
    case LH_CONFIG_BOOL:
        return bool_read(text, &v->i64);
    case LH_CONFIG_SIZE:
        return size_read(text, &v->i64);
    case LH_CONFIG_DURATION:
        return lh_duration_parse_ms(text, &v->i64);
    case LH_CONFIG_LIST:
        return list_read(text, v);
    case LH_CONFIG_TABLES:
        break;
    }
    return false;
}

const char *
config_kind_name(enum lh_config_kind kind)
{
    switch (kind) {
    case LH_CONFIG_STR:
        return "a string";
    case LH_CONFIG_I64:
        return "an integer";
    case LH_CONFIG_F64:
        return "a finite number";
    case LH_CONFIG_BOOL:
        return "true or false";
    case LH_CONFIG_SIZE:
        return "a size such as 64MiB";
    case LH_CONFIG_DURATION:
        return "a duration such as 30s";
    case LH_CONFIG_LIST:
        return "a list of strings";
    case LH_CONFIG_TABLES:
        break;
    }
    return "an array of tables";
}

lh_status
config_value_read(const struct lh_config_key *key, lh_str text, const char *where,
                  struct config_value *v, struct lh_error *err)
{
    if (!value_read(key->kind, text, v))
        return lh_fail(err, LH_INVALID, "config.type", "%s: %s must be %s, not \"%.*s\"", where,
                       key->name, config_kind_name(key->kind),
                       LH_FMT(key->is_secret ? LH_STR("***") : text));
    return config_value_check(key, where, v, err);
}

static bool
is_bounded(const struct lh_config_key *key)
{
    bool is_number = key->kind == LH_CONFIG_I64 || key->kind == LH_CONFIG_SIZE ||
                     key->kind == LH_CONFIG_DURATION || key->kind == LH_CONFIG_F64;

    return is_number && (key->min != 0 || key->max != 0);
}

static bool
is_within(const struct lh_config_key *key, const struct config_value *v)
{
    if (key->kind == LH_CONFIG_F64)
        return v->f64 >= (double)key->min && v->f64 <= (double)key->max;
    return v->i64 >= key->min && v->i64 <= key->max;
}

lh_status
config_value_check(const struct lh_config_key *key, const char *where, const struct config_value *v,
                   struct lh_error *err)
{
    if (!is_bounded(key) || is_within(key, v))
        return LH_OK;
    LH_AUTO_BUF(found, 64);
    LH_AUTO_BUF(min, 64);
    LH_AUTO_BUF(max, 64);
    if (key->kind == LH_CONFIG_F64)
        lh_json_f64_text(&found, v->f64);
    else
        config_number_print(key->kind, v->i64, &found);
    config_number_print(key->kind, key->min, &min);
    config_number_print(key->kind, key->max, &max);
    return lh_fail(err, LH_INVALID, "config.range", "%s: %s is %s, but must be from %s to %s",
                   where, key->name, lh_buf_cstr(&found), lh_buf_cstr(&min), lh_buf_cstr(&max));
}

void
config_value_fini(struct config_value *v)
{
    for (size_t i = 0; i < v->list_count; i++)
        free(v->list[i]);
    for (size_t i = 0; i < v->table_count; i++)
        lh_config_free(v->tables[i]);
    free(v->list);
    free(v->tables);
    free(v->str);
    free(v->source);
    *v = (struct config_value){0};
}

void
config_value_list_add(struct config_value *v, lh_str element)
{
    v->list = lh_realloc_array(v->list, v->list_count + 1, sizeof(*v->list));
    v->list[v->list_count++] = lh_str_dup(element);
}

/* ---- printing ---- */

static void
print_in_units(const struct unit *units, int64_t v, struct lh_buf *out)
{
    while (v % units->size != 0)
        units++;
    lh_buf_add_i64(out, v / units->size);
    lh_buf_add_cstr(out, units->name);
}

void
config_number_print(enum lh_config_kind kind, int64_t v, struct lh_buf *out)
{
    if (v != 0 && kind == LH_CONFIG_SIZE)
        print_in_units(binary_units, v, out);
    else if (v != 0 && kind == LH_CONFIG_DURATION)
        print_in_units(time_units, v, out);
    else
        lh_buf_add_i64(out, v);
}

static void
print_list(const struct config_value *v, struct lh_buf *out)
{
    lh_buf_add_char(out, '[');
    for (size_t i = 0; i < v->list_count; i++) {
        if (i > 0)
            lh_buf_add_cstr(out, ", ");
        lh_json_escape(out, lh_str_of(v->list[i]));
    }
    lh_buf_add_char(out, ']');
}

static bool
is_empty(const struct config_value *v)
{
    return (v->str == NULL || *v->str == '\0') && v->list_count == 0;
}

void
config_value_print(const struct lh_config_key *key, const struct config_value *v,
                   struct lh_buf *out)
{
    if (key->is_secret && !is_empty(v)) {
        lh_buf_add_cstr(out, key->kind == LH_CONFIG_LIST ? "[\"***\"]" : "\"***\"");
        return;
    }
    switch (key->kind) {
    case LH_CONFIG_STR: /* JSON's escapes are a part of TOML's */
        lh_json_escape(out, lh_str_of(v->str));
        break;
    case LH_CONFIG_I64:
        lh_buf_add_i64(out, v->i64);
        break;
    case LH_CONFIG_F64:
        lh_json_f64_text(out, v->f64);
        break;
    case LH_CONFIG_BOOL:
        lh_buf_add_cstr(out, v->i64 != 0 ? "true" : "false");
        break;
    case LH_CONFIG_SIZE:
    case LH_CONFIG_DURATION:
        lh_buf_add_char(out, '"');
        config_number_print(key->kind, v->i64, out);
        lh_buf_add_char(out, '"');
        break;
    case LH_CONFIG_LIST:
        print_list(v, out);
        break;
    case LH_CONFIG_TABLES:
        break;
    }
}
