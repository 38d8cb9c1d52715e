#include "base/json.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>

#include "base/f64.h"
#include "base/time.h"

#define JSON_LEVELS_MAX 64
#define JSON_EXACT_MAX (INT64_C(1) << 53) /* a double holds every integer up to here */

/* ---- reading ---- */

/* Looked at before parsing, because the parser would already have recursed. Strings cannot open a
 * level. */
static bool
is_too_deep(lh_str text)
{
    bool in_string = false;
    int depth = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '{' || c == '['))
            depth++;
        else if (!in_string && (c == '}' || c == ']'))
            depth--;
        if (depth > JSON_LEVELS_MAX)
            return true;
    }
    return false;
}

lh_status
lh_json_parse(lh_str text, json_t **out, struct lh_error *err)
{
    json_error_t where;
    size_t nul;

    if (text.ptr == NULL)
        text = LH_STR("");
    /* The parser takes a NUL between two tokens for nothing at all. */
    if (lh_str_find_char(text, '\0', &nul))
        return lh_fail(err, LH_INVALID, "request.json", "JSON holds a NUL at byte %zu", nul);
    if (is_too_deep(text))
        return lh_fail(err, LH_INVALID, "request.json", "JSON is nested deeper than %d levels",
                       JSON_LEVELS_MAX);
    json_t *v = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &where);
    if (v == NULL)
        return lh_fail(err, LH_INVALID, "request.json", "JSON at line %d, column %d: %s",
                       where.line, where.column, where.text);
    *out = v;
    return LH_OK;
}

void
lh_json_auto_decref(json_t **v)
{
    json_decref(*v);
    *v = NULL;
}

static const char *
type_name(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a number with a fraction";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    case JSON_NULL:
        break;
    }
    return "null";
}

static lh_status
wrong_type(const char *field, const char *wanted, const json_t *v, struct lh_error *err)
{
    return lh_fail(err, LH_INVALID, "request.field_type", "field \"%s\" must be %s, not %s", field,
                   wanted, type_name(v));
}

static bool
is_listed(const char *field, const char *const *fields)
{
    for (; *fields != NULL; fields++)
        if (strcmp(field, *fields) == 0)
            return true;
    return false;
}

static lh_status
unknown_field(const char *field, const char *const *fields, struct lh_error *err)
{
    LH_AUTO_BUF(known, LH_ERROR_TEXT_MAX);

    for (; *fields != NULL; fields++)
        lh_buf_printf(&known, "%s\"%s\"", known.len > 0 ? ", " : "", *fields);
    return lh_fail(err, LH_INVALID, "request.field_unknown",
                   "field \"%s\" is not known here; known are %s", field, lh_buf_cstr(&known));
}

lh_status
lh_json_only(const json_t *object, const char *const *fields, struct lh_error *err)
{
    const char *field;
    json_t *value;

    if (!json_is_object(object))
        return lh_fail(err, LH_INVALID, "request.field_type", "a JSON object is needed here");
    json_object_foreach ((json_t *)(uintptr_t)object, field, value)
        if (!is_listed(field, fields))
            return unknown_field(field, fields, err);
    return LH_OK;
}

static json_t *
present(const json_t *object, const char *field)
{
    json_t *v = json_object_get(object, field);

    return json_is_null(v) ? NULL : v;
}

static lh_status
missing(const char *field, struct lh_error *err)
{
    return lh_fail(err, LH_INVALID, "request.field_missing", "field \"%s\" is missing", field);
}

lh_status
lh_json_str(const json_t *object, const char *field, lh_str *out, struct lh_error *err)
{
    if (present(object, field) == NULL)
        return missing(field, err);
    return lh_json_str_opt(object, field, out, err);
}

lh_status
lh_json_i64(const json_t *object, const char *field, int64_t *out, struct lh_error *err)
{
    if (present(object, field) == NULL)
        return missing(field, err);
    return lh_json_i64_opt(object, field, out, err);
}

lh_status
lh_json_str_opt(const json_t *object, const char *field, lh_str *out, struct lh_error *err)
{
    const json_t *v = present(object, field);

    if (v == NULL)
        return LH_OK;
    if (!json_is_string(v))
        return wrong_type(field, "a string", v, err);
    *out = (lh_str){json_string_value(v), json_string_length(v)};
    return LH_OK;
}

lh_status
lh_json_i64_opt(const json_t *object, const char *field, int64_t *out, struct lh_error *err)
{
    const json_t *v = present(object, field);

    if (v != NULL && !lh_json_int_value(v, out))
        return wrong_type(field, "an integer", v, err);
    return LH_OK;
}

lh_status
lh_json_f64_opt(const json_t *object, const char *field, double *out, struct lh_error *err)
{
    const json_t *v = present(object, field);

    if (v == NULL)
        return LH_OK;
    if (!json_is_number(v))
        return wrong_type(field, "a number", v, err);
    *out = json_number_value(v);
    return LH_OK;
}

lh_status
lh_json_bool_opt(const json_t *object, const char *field, bool *out, struct lh_error *err)
{
    const json_t *v = present(object, field);

    if (v == NULL)
        return LH_OK;
    if (!json_is_boolean(v))
        return wrong_type(field, "a boolean", v, err);
    *out = json_is_true(v);
    return LH_OK;
}

lh_status
lh_json_object_opt(const json_t *object, const char *field, json_t **out, struct lh_error *err)
{
    json_t *v = present(object, field);

    if (v == NULL)
        return LH_OK;
    if (!json_is_object(v))
        return wrong_type(field, "an object", v, err);
    *out = v;
    return LH_OK;
}

lh_status
lh_json_array_opt(const json_t *object, const char *field, json_t **out, struct lh_error *err)
{
    json_t *v = present(object, field);

    if (v == NULL)
        return LH_OK;
    if (!json_is_array(v))
        return wrong_type(field, "an array", v, err);
    *out = v;
    return LH_OK;
}

static bool
is_exact(int64_t v)
{
    return v >= -JSON_EXACT_MAX && v <= JSON_EXACT_MAX;
}

bool
lh_json_int_value(const json_t *value, int64_t *out)
{
    int64_t v;

    if (json_is_integer(value)) {
        *out = json_integer_value(value);
        return true;
    }
    if (!json_is_string(value))
        return false;
    lh_str text = {json_string_value(value), json_string_length(value)};
    if (!lh_str_i64(text, &v) || is_exact(v))
        return false;
    *out = v;
    return true;
}

/* ---- writing ---- */

struct lh_json_writer
lh_json_writer_over(struct lh_buf *out)
{
    return (struct lh_json_writer){.out = out};
}

static uint64_t
level_bit(const struct lh_json_writer *w)
{
    assert(w->depth >= 0 && w->depth < JSON_LEVELS_MAX);
    return UINT64_C(1) << (w->depth & (JSON_LEVELS_MAX - 1));
}

/* Before every value and key: a comma unless it is the first of its level or follows its key. */
static void
item_begin(struct lh_json_writer *w)
{
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    if ((w->has_item & level_bit(w)) != 0)
        lh_buf_add_char(w->out, ',');
    w->has_item |= level_bit(w);
}

static void
level_begin(struct lh_json_writer *w, char open)
{
    item_begin(w);
    lh_buf_add_char(w->out, open);
    w->depth++;
    w->has_item &= ~level_bit(w);
}

static void
level_end(struct lh_json_writer *w, char close)
{
    assert(w->depth > 0 && !w->after_key);
    lh_buf_add_char(w->out, close);
    w->depth--;
}

void
lh_json_object_begin(struct lh_json_writer *w)
{
    level_begin(w, '{');
}

void
lh_json_object_end(struct lh_json_writer *w)
{
    level_end(w, '}');
}

void
lh_json_array_begin(struct lh_json_writer *w)
{
    level_begin(w, '[');
}

void
lh_json_array_end(struct lh_json_writer *w)
{
    level_end(w, ']');
}

void
lh_json_key(struct lh_json_writer *w, const char *key)
{
    lh_json_key_str(w, lh_str_of(key));
}

void
lh_json_key_str(struct lh_json_writer *w, lh_str key)
{
    assert(!w->after_key);
    lh_json_put_str(w, key);
    lh_buf_add_char(w->out, ':');
    w->after_key = true;
}

void
lh_json_put_str(struct lh_json_writer *w, lh_str s)
{
    item_begin(w);
    lh_json_escape(w->out, s);
}

void
lh_json_put_cstr(struct lh_json_writer *w, const char *s)
{
    if (s == NULL)
        lh_json_put_null(w);
    else
        lh_json_put_str(w, lh_str_of(s));
}

void
lh_json_put_i64(struct lh_json_writer *w, int64_t v)
{
    const char *quote = is_exact(v) ? "" : "\"";

    item_begin(w);
    lh_buf_add_cstr(w->out, quote);
    lh_buf_add_i64(w->out, v);
    lh_buf_add_cstr(w->out, quote);
}

void
lh_json_put_u64(struct lh_json_writer *w, uint64_t v)
{
    const char *quote = v <= (uint64_t)JSON_EXACT_MAX ? "" : "\"";

    item_begin(w);
    lh_buf_add_cstr(w->out, quote);
    lh_buf_add_u64(w->out, v);
    lh_buf_add_cstr(w->out, quote);
}

void
lh_json_put_f64(struct lh_json_writer *w, double v)
{
    item_begin(w);
    lh_json_f64_text(w->out, v);
}

void
lh_json_put_bool(struct lh_json_writer *w, bool v)
{
    lh_json_put_raw(w, v ? LH_STR("true") : LH_STR("false"));
}

void
lh_json_put_null(struct lh_json_writer *w)
{
    lh_json_put_raw(w, LH_STR("null"));
}

void
lh_json_put_raw(struct lh_json_writer *w, lh_str json)
{
    item_begin(w);
    lh_buf_add_str(w->out, json);
}

static void
put_members(struct lh_json_writer *w, json_t *object)
{
    const char *key;
    json_t *value;

    lh_json_object_begin(w);
    json_object_foreach (object, key, value) {
        lh_json_key(w, key);
        lh_json_put_value(w, value);
    }
    lh_json_object_end(w);
}

static void
put_items(struct lh_json_writer *w, const json_t *array)
{
    lh_json_array_begin(w);
    for (size_t i = 0; i < json_array_size(array); i++)
        lh_json_put_value(w, json_array_get(array, i));
    lh_json_array_end(w);
}

/* Not json_dump: numbers leave by the rules of this file. */
void
lh_json_put_value(struct lh_json_writer *w, const json_t *v)
{
    if (v == NULL || json_is_null(v))
        lh_json_put_null(w);
    else if (json_is_object(v))
        put_members(w, (json_t *)(uintptr_t)v);
    else if (json_is_array(v))
        put_items(w, v);
    else if (json_is_string(v))
        lh_json_put_str(w, (lh_str){json_string_value(v), json_string_length(v)});
    else if (json_is_integer(v))
        lh_json_put_i64(w, json_integer_value(v));
    else if (json_is_real(v))
        lh_json_put_f64(w, json_real_value(v));
    else
        lh_json_put_bool(w, json_is_true(v));
}

void
lh_json_put_time(struct lh_json_writer *w, int64_t us)
{
    char text[LH_TIME_TEXT_MAX];

    lh_json_put_cstr(w, lh_time_format(us, text));
}

void
lh_json_set_str(struct lh_json_writer *w, const char *key, lh_str s)
{
    lh_json_key(w, key);
    lh_json_put_str(w, s);
}

void
lh_json_set_cstr(struct lh_json_writer *w, const char *key, const char *s)
{
    lh_json_key(w, key);
    lh_json_put_cstr(w, s);
}

void
lh_json_set_i64(struct lh_json_writer *w, const char *key, int64_t v)
{
    lh_json_key(w, key);
    lh_json_put_i64(w, v);
}

void
lh_json_set_u64(struct lh_json_writer *w, const char *key, uint64_t v)
{
    lh_json_key(w, key);
    lh_json_put_u64(w, v);
}

void
lh_json_set_f64(struct lh_json_writer *w, const char *key, double v)
{
    lh_json_key(w, key);
    lh_json_put_f64(w, v);
}

void
lh_json_set_bool(struct lh_json_writer *w, const char *key, bool v)
{
    lh_json_key(w, key);
    lh_json_put_bool(w, v);
}

void
lh_json_set_null(struct lh_json_writer *w, const char *key)
{
    lh_json_key(w, key);
    lh_json_put_null(w);
}

void
lh_json_set_raw(struct lh_json_writer *w, const char *key, lh_str json)
{
    lh_json_key(w, key);
    lh_json_put_raw(w, json);
}

void
lh_json_set_time(struct lh_json_writer *w, const char *key, int64_t us)
{
    lh_json_key(w, key);
    lh_json_put_time(w, us);
}

/* ---- text ---- */

static void
escape_char(struct lh_buf *out, uint8_t c)
{
    static const char short_forms[] = "\"\"\\\\\bb\ff\nn\rr\tt";

    for (const char *form = short_forms; *form != '\0'; form += 2) {
        if ((uint8_t)form[0] != c)
            continue;
        lh_buf_add(out, (const char[]){'\\', form[1]}, 2);
        return;
    }
    lh_buf_printf(out, "\\u%04x", c);
}

static bool
is_plain(uint8_t c)
{
    return c >= 0x20 && c != '"' && c != '\\';
}

static void
escape_utf8(struct lh_buf *out, lh_str s)
{
    size_t from = 0;

    for (size_t i = 0; i < s.len; i++) {
        if (is_plain((uint8_t)s.ptr[i]))
            continue;
        lh_buf_add_str(out, lh_str_slice(s, from, i));
        escape_char(out, (uint8_t)s.ptr[i]);
        from = i + 1;
    }
    lh_buf_add_str(out, lh_str_slice(s, from, s.len));
}

/* The longest sequence of at most four bytes at the front that is UTF-8 on its own; 0 when there is
 * none. */
static size_t
utf8_front(lh_str s)
{
    for (size_t len = 1; len <= 4 && len <= s.len; len++)
        if (lh_str_is_utf8(lh_str_slice(s, 0, len)))
            return len;
    return 0;
}

static void
escape_broken(struct lh_buf *out, lh_str s)
{
    while (s.len > 0) {
        size_t len = utf8_front(s);
        if (len > 0)
            escape_utf8(out, lh_str_slice(s, 0, len));
        else
            lh_buf_add_cstr(out, "\xEF\xBF\xBD");
        s = lh_str_slice(s, len > 0 ? len : 1, s.len);
    }
}

void
lh_json_escape(struct lh_buf *out, lh_str s)
{
    lh_buf_add_char(out, '"');
    if (lh_str_is_utf8(s))
        escape_utf8(out, s);
    else
        escape_broken(out, s);
    lh_buf_add_char(out, '"');
}

void
lh_json_f64_text(struct lh_buf *out, double v)
{
    char text[BASE_F64_TEXT_MAX];

    if (!isfinite(v))
        lh_buf_add_cstr(out, "null");
    else
        lh_buf_add(out, text, base_f64_format(v, text));
}
