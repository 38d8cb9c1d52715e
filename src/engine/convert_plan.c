#include "engine/convert_plan.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "engine/result.h"

#define TYPE_TEXT_MAX 200

/* ---- names ---- */

/* Names taken so far, ignoring ASCII case, as DuckDB does for identifiers. */
struct name_set {
    const char **names;
    size_t *slots; /* index + 1 */
    size_t slot_count;
};

static uint64_t
name_hash(lh_str name)
{
    char lower[CONVERT_NAME_MAX + 24];
    size_t n = name.len < sizeof(lower) ? name.len : sizeof(lower);

    for (size_t i = 0; i < n; i++)
        lower[i] =
            name.ptr[i] >= 'A' && name.ptr[i] <= 'Z' ? (char)(name.ptr[i] + 32) : name.ptr[i];
    return lh_xxh64(lower, n, 0);
}

static bool
name_take(struct name_set *set, lh_str name, size_t index)
{
    size_t at = name_hash(name) & (set->slot_count - 1);

    for (; set->slots[at]; at = (at + 1) & (set->slot_count - 1))
        if (lh_str_eq_nocase(lh_str_of(set->names[set->slots[at] - 1]), name))
            return false;
    set->slots[at] = index + 1;
    return true;
}

static const char *
name_fix(struct name_set *set, lh_str written, size_t index, struct lh_arena *arena)
{
    lh_str name = lh_str_fit(lh_str_trim(written), CONVERT_NAME_MAX);
    const char *base = name.len > 0 && !memchr(name.ptr, '\0', name.len)
                           ? lh_arena_cstr(arena, name)
                           : lh_arena_printf(arena, "column_%zu", index + 1);
    const char *trial = base;

    for (size_t n = 2;; n++) {
        set->names[index] = trial;
        if (name_take(set, lh_str_of(trial), index))
            return trial;
        trial = lh_arena_printf(arena, "%s_%zu", base, n);
    }
}

void
convert_names_fix(const lh_str *written, size_t count, struct lh_arena *arena, const char **out)
{
    struct name_set set = {.names = out, .slot_count = 16};

    while (set.slot_count < count * 2)
        set.slot_count *= 2;
    set.slots = lh_alloc_array(set.slot_count, sizeof(*set.slots));
    for (size_t i = 0; i < count; i++)
        out[i] = name_fix(&set, written[i], i, arena);
    free(set.slots);
}

/* ---- types by name ---- */

/* Only what a type can be written with, brackets in pairs: nothing else can come out of it than a
 * type. */
static bool
is_type_text(lh_str text)
{
    int depth = 0;

    if (text.len == 0 || text.len > TYPE_TEXT_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool is_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_word && !strchr("_ ,()[]\"", c))
            return false;
        depth += (c == '(' || c == '[') - (c == ')' || c == ']');
        if (depth < 0)
            return false;
    }
    return depth == 0;
}

static lh_status
type_load(struct engine_connection *c, lh_str text, duckdb_logical_type *out, struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    LH_AUTO_BUF(sql, 1024);
    duckdb_result result;
    duckdb_type id;

    if (!is_type_text(text))
        return lh_fail(err, LH_INVALID, "ingest.types", "\"%.*s\" is not a type", LH_FMT(text));
    lh_buf_printf(&sql, "SELECT CAST(NULL AS %.*s)", LH_FMT(text));
    if (engine_run(c, lh_buf_cstr(&sql), &result, &why) != LH_OK)
        return lh_fail(err, LH_INVALID, "ingest.types", "\"%.*s\" is not a type: %.300s",
                       LH_FMT(text), why.text);
    *out = duckdb_column_logical_type(&result, 0);
    duckdb_destroy_result(&result);
    id = duckdb_get_type_id(*out);
    if (id == DUCKDB_TYPE_INVALID || id == DUCKDB_TYPE_SQLNULL || id == DUCKDB_TYPE_ANY) {
        duckdb_destroy_logical_type(out);
        return lh_fail(err, LH_INVALID, "ingest.types", "\"%.*s\" cannot be a column's type",
                       LH_FMT(text));
    }
    return LH_OK;
}

lh_status
convert_type_name_check(struct engine_connection *c, lh_str type, struct lh_error *err)
{
    duckdb_logical_type logical;

    LH_TRY(type_load(c, type, &logical, err));
    duckdb_destroy_logical_type(&logical);
    return LH_OK;
}

static void
logical_set(struct convert_column *column, duckdb_logical_type type)
{
    if (column->logical)
        duckdb_destroy_logical_type(&column->logical);
    column->logical = type;
}

/* JSON is text by another name, whose strings have quotes. */
static bool
is_json(duckdb_logical_type type)
{
    char *alias = duckdb_logical_type_get_alias(type);
    bool is_it = alias && strcmp(alias, "JSON") == 0;

    duckdb_free(alias);
    return is_it;
}

/* Text needs no cast; everything else is cast by DuckDB from text. */
static lh_status
cast_set(struct convert_scan *s, struct convert_column *column, struct engine_connection *c,
         lh_str text, struct lh_error *err)
{
    duckdb_logical_type type;

    LH_TRY(type_load(c, text, &type, err));
    logical_set(column, type);
    column->type_name = lh_arena_cstr(s->arena, text);
    column->type = (struct convert_type){.kind = CONVERT_CAST};
    if (duckdb_get_type_id(type) == DUCKDB_TYPE_VARCHAR)
        column->type = (struct convert_type){
            .kind = CONVERT_TEXT, .is_any = true, .is_raw = is_json(type) && !s->dialect};
    return LH_OK;
}

static struct convert_column *
column_find(struct convert_scan *s, lh_str name)
{
    for (size_t i = 0; i < s->column_count; i++)
        if (lh_str_eq(lh_str_of(s->columns[i].name), name))
            return &s->columns[i];
    for (size_t i = 0; i < s->column_count; i++)
        if (lh_str_eq_nocase(lh_str_of(s->columns[i].name), name))
            return &s->columns[i];
    return NULL;
}

lh_status
convert_plan_force(struct convert_scan *s, struct engine_connection *c, const json_t *types,
                   struct lh_error *err)
{
    const char *name;
    json_t *value;

    json_object_foreach ((json_t *)(uintptr_t)types, name, value) {
        struct convert_column *column = column_find(s, lh_str_of(name));
        if (!column)
            return lh_fail(err, LH_INVALID, "ingest.types", "types: the file has no column \"%s\"",
                           name);
        if (!json_is_string(value))
            return lh_fail(err, LH_INVALID, "ingest.types", "types: \"%s\" needs a type's name",
                           name);
        LH_TRY(cast_set(s, column, c, lh_str_of(json_string_value(value)), err));
        column->is_forced = true;
    }
    return LH_OK;
}

/* ---- types from guesses ---- */

static const char *
want_find(const struct lh_convert_options *o, const char *name)
{
    for (size_t i = 0; i < o->want_count; i++)
        if (lh_str_eq_nocase(lh_str_of(o->want_names[i]), lh_str_of(name)))
            return o->want_types[i];
    return NULL;
}

static void
natural_set(struct convert_scan *s, struct convert_column *column)
{
    LH_AUTO_BUF(text, LH_BUF_UNLIMITED);

    logical_set(column, convert_type_logical(&column->type));
    result_type_name(column->logical, &text);
    column->type_name = lh_arena_cstr(s->arena, lh_buf_str(&text));
}

/* Types of an older version that canonical text has no kind for, such as DECIMAL: every value must
 * cast. */
static bool
is_castable(const struct convert_column *column, const char *want)
{
    return !column->is_refused && column->guess.shape == GUESS_SCALAR &&
           (column->guess.has_plain || column->guess.values == 0) && !strchr(want, '[') &&
           strncmp(want, "STRUCT", 6) != 0 && strncmp(want, "MAP", 3) != 0;
}

static bool
is_own_kind(const char *want)
{
    static const char *const own[] = {
        "VARCHAR", "BIGINT", "DOUBLE", "BOOLEAN", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"};

    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        if (strcmp(want, own[i]) == 0)
            return true;
    return false;
}

static lh_status
column_resolve(struct convert_scan *s, struct convert_column *column, struct engine_connection *c,
               const char *want, struct lh_error *err)
{
    column->is_wanted = false;
    convert_type_resolve(&column->guess, &column->type, s->arena);
    if (want && convert_type_fits(&column->guess, lh_str_of(want), &column->type)) {
        natural_set(s, column);
        return LH_OK;
    }
    /* A column without any value has whatever type the dataset gives it. */
    if (want && is_castable(column, want) && (!is_own_kind(want) || column->guess.values == 0)) {
        column->is_wanted = true;
        return cast_set(s, column, c, lh_str_of(want), err);
    }
    natural_set(s, column);
    return LH_OK;
}

lh_status
convert_plan_resolve(struct convert_scan *s, struct engine_connection *c,
                     const struct lh_convert_options *options, struct lh_error *err)
{
    for (size_t i = 0; i < s->column_count; i++) {
        struct convert_column *column = &s->columns[i];
        if (!column->is_forced)
            LH_TRY(column_resolve(s, column, c, want_find(options, column->name), err));
    }
    return LH_OK;
}

void
convert_plan_note(struct convert_scan *s, struct lh_json_writer *w)
{
    for (size_t i = 0; i < s->column_count; i++) {
        struct convert_column *column = &s->columns[i];
        if (!atomic_load(&column->is_surprised))
            continue;
        column->is_refused |= column->is_wanted;
        lh_json_object_begin(w);
        lh_json_set_cstr(w, "column", column->name);
        lh_json_set_cstr(w, "was", column->type_name);
        lh_json_object_end(w);
    }
}
