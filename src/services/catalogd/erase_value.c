#include "services/catalogd/erase_value.h"

#include <stdlib.h>

enum { VALUE_BYTES_MAX = 4096 };

/* ---- pure ---- */

static bool
starts_with_any(const char *type, const char *const *names)
{
    for (size_t i = 0; names[i] != NULL; i++)
        if (strncmp(type, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

enum erase_kind
erase_kind_of(const char *type)
{
    static const char *const integers[] = {"TINYINT", "SMALLINT", "INTEGER",   "BIGINT",
                                           "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER",
                                           "UBIGINT", "UHUGEINT", NULL};
    static const char *const nested[] = {"STRUCT", "MAP",     "UNION",    "BLOB",
                                         "JSON",   "VARIANT", "GEOMETRY", NULL};

    if (strchr(type, '[') != NULL || starts_with_any(type, nested))
        return ERASE_NONE;
    if (strcmp(type, "BOOLEAN") == 0)
        return ERASE_BOOL;
    if (strcmp(type, "DOUBLE") == 0 || strcmp(type, "FLOAT") == 0)
        return ERASE_FLOAT;
    if (strncmp(type, "DECIMAL", 7) == 0)
        return ERASE_DECIMAL;
    return starts_with_any(type, integers) ? ERASE_INTEGER : ERASE_TEXT;
}

static bool
text_is_number(const char *text, bool may_have_fraction)
{
    const char *p = text[0] == '-' ? text + 1 : text;
    size_t digits = strspn(p, "0123456789");

    if (digits == 0)
        return false;
    if (p[digits] == '\0')
        return true;
    if (!may_have_fraction || p[digits] != '.')
        return false;
    p += digits + 1;
    digits = strspn(p, "0123456789");
    return digits > 0 && p[digits] == '\0';
}

static bool
number_text(const json_t *value, struct lh_arena *arena, const char **out)
{
    LH_AUTO_BUF(text, 64);

    if (json_is_integer(value)) {
        *out = lh_arena_printf(arena, "%lld", (long long)json_integer_value(value));
        return true;
    }
    if (!json_is_real(value))
        return false;
    lh_json_f64_text(&text, json_real_value(value));
    *out = lh_arena_cstr(arena, lh_buf_str(&text));
    return true;
}

static bool
string_text(const json_t *value, struct lh_arena *arena, const char **out)
{
    const char *text = json_string_value(value);

    if (text == NULL || json_string_length(value) > VALUE_BYTES_MAX ||
        strlen(text) != json_string_length(value))
        return false;
    *out = lh_arena_cstr(arena, lh_str_of(text));
    return true;
}

bool
erase_value_text(const json_t *value, enum erase_kind kind, struct lh_arena *arena,
                 const char **out)
{
    switch (kind) {
    case ERASE_TEXT:
        return string_text(value, arena, out);
    case ERASE_BOOL:
        *out = json_is_true(value) ? "true" : "false";
        return json_is_boolean(value);
    case ERASE_INTEGER:
        return json_is_string(value) ? string_text(value, arena, out) && text_is_number(*out, false)
                                     : json_is_integer(value) && number_text(value, arena, out);
    case ERASE_DECIMAL:
        return json_is_string(value) ? string_text(value, arena, out) && text_is_number(*out, true)
                                     : number_text(value, arena, out);
    case ERASE_FLOAT:
        return number_text(value, arena, out);
    case ERASE_NONE:
        break;
    }
    return false;
}

/* ---- all of them ---- */

static int
texts_order(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static size_t
texts_unique(const char **texts, size_t count)
{
    size_t kept = 0;

    qsort(texts, count, sizeof(*texts), texts_order);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || strcmp(texts[kept - 1], texts[i]) != 0)
            texts[kept++] = texts[i];
    return kept;
}

static lh_status
limit_check(struct catalog *c, size_t count, struct lh_error *err)
{
    uint64_t max = (uint64_t)lh_config_i64(c->env->config, "catalog.tombstone_values_max");

    if (count <= max)
        return LH_OK;
    return lh_fail(err, LH_TOO_BIG, "catalog.tombstone_too_big",
                   "%zu values in one request; catalog.tombstone_values_max is %llu", count,
                   (unsigned long long)max);
}

lh_status
erase_values_read(struct catalog *c, struct lh_call *call, const json_t *values,
                  struct catalog_tombstone *item, struct lh_error *err)
{
    size_t count = json_array_size(values);
    const char **texts = lh_arena_array(&call->arena, count + 1, sizeof(*texts));
    const char **out = lh_arena_array(&call->arena, count + 1, sizeof(*out));
    enum erase_kind kind = erase_kind_of(item->type);
    struct lh_engine *work;
    LH_AUTO_ERROR(why);

    LH_TRY(limit_check(c, count, err));
    if (kind == ERASE_NONE)
        return lh_fail(err, LH_INVALID, "catalog.tombstone",
                       "column '%s' is a %.64s, and rows are not deleted by one", item->key_column,
                       item->type);
    for (size_t i = 0; i < count; i++)
        if (!erase_value_text(json_array_get(values, i), kind, &call->arena, &texts[i]))
            return lh_fail(err, LH_INVALID, "catalog.tombstone",
                           "values[%zu] is no value of column '%s', a %.64s", i, item->key_column,
                           item->type);
    LH_TRY(lh_env_work_engine(c->env, &work, err));
    if (lh_rows_values_check(work, call, item->type, texts, count, &call->arena, out, &why) !=
        LH_OK) {
        if (lh_error_is(&why, "rows.value"))
            return lh_fail(err, LH_INVALID, "catalog.tombstone", "%s, which column '%s' is",
                           why.text, item->key_column);
        lh_error_copy(err, &why);
        return why.status;
    }
    item->values = out;
    item->value_count = texts_unique(out, count);
    return LH_OK;
}
