/*
 * Values come in three families. *Scalars* have a text of limited length: a function for each type
 * writes it into place and says whether JSON needs quotes around it. *Strings* are escaped for
 * either form. *Nested* values are JSON in both forms, quoted as a field in CSV.
 */
#include "engine/result_value.h"

#include <math.h>

#include "base/encoding.h"
#include "engine/result_text.h"

#define CELL(type) (((const type *)(const void *)c->data)[row])

/* ---- scalars ---- */

enum { SCALAR_NULL = 0 }; /* no text: NaN and infinities */

typedef size_t (*scalar_text)(const struct result_cells *c, size_t row, char *to, bool *quote);

#define EXACT_MAX ((uint64_t)1 << 53)

static size_t
boolean_text(const struct result_cells *c, size_t row, char *to, bool *quote)
{
    bool v = CELL(uint8_t) != 0;

    *quote = false;
    memcpy(to, v ? "true" : "false", 5);
    return v ? 4 : 5;
}

#define SMALL_TEXT(name, type, put)                                                                \
    static size_t name(const struct result_cells *c, size_t row, char *to, bool *quote)            \
    {                                                                                              \
        *quote = false;                                                                            \
        return put(CELL(type), to);                                                                \
    }
SMALL_TEXT(tinyint_text, int8_t, result_i64_text)
SMALL_TEXT(smallint_text, int16_t, result_i64_text)
SMALL_TEXT(integer_text, int32_t, result_i64_text)
SMALL_TEXT(utinyint_text, uint8_t, result_u64_text)
SMALL_TEXT(usmallint_text, uint16_t, result_u64_text)
SMALL_TEXT(uinteger_text, uint32_t, result_u64_text)

static size_t
bigint_text(const struct result_cells *c, size_t row, char *to, bool *quote)
{
    int64_t v = CELL(int64_t);

    *quote = (v < 0 ? 0 - (uint64_t)v : (uint64_t)v) > EXACT_MAX;
    return result_i64_text(v, to);
}

static size_t
ubigint_text(const struct result_cells *c, size_t row, char *to, bool *quote)
{
    *quote = CELL(uint64_t) > EXACT_MAX;
    return result_u64_text(CELL(uint64_t), to);
}

static size_t
hugeint_text(const struct result_cells *c, size_t row, char *to, bool *quote)
{
    result_i128 v = result_cell_wide(c, row);

    *quote = v > (result_i128)EXACT_MAX || v < -(result_i128)EXACT_MAX;
    return result_i128_text(v, to);
}

static size_t
uhugeint_text(const struct result_cells *c, size_t row, char *to, bool *quote)
{
    result_u128 v = ((result_u128)CELL(duckdb_uhugeint).upper << 64) | CELL(duckdb_uhugeint).lower;

    *quote = v > EXACT_MAX;
    return result_u128_text(v, to);
}

static size_t
float_text(const struct result_cells *c, size_t row, char *to, bool *quote)
{
    *quote = false;
    return isfinite(CELL(float)) ? result_f32_text(CELL(float), to) : SCALAR_NULL;
}

static size_t
double_text(const struct result_cells *c, size_t row, char *to, bool *quote)
{
    *quote = false;
    return isfinite(CELL(double)) ? result_f64_text(CELL(double), to) : SCALAR_NULL;
}

static size_t
decimal_text(const struct result_cells *c, size_t row, char *to, bool *quote)
{
    bool is_exact;
    size_t n = result_decimal_text(result_cell_wide(c, row), c->type->scale, to, &is_exact);

    *quote = !is_exact;
    return n;
}

static size_t
date_text(const struct result_cells *c, size_t row, char *to, bool *quote)
{
    *quote = true;
    return result_date_text(CELL(int32_t), to);
}

static size_t
time_text(const struct result_cells *c, size_t row, char *to, bool *quote)
{
    *quote = true;
    return result_time_text(CELL(int64_t) * 1000, to);
}

static size_t
time_ns_text(const struct result_cells *c, size_t row, char *to, bool *quote)
{
    *quote = true;
    return result_time_text(CELL(int64_t), to);
}

static size_t
time_tz_text(const struct result_cells *c, size_t row, char *to, bool *quote)
{
    *quote = true;
    return result_time_tz_text(CELL(uint64_t), to);
}

#define TIMESTAMP_TEXT(name, units_per_second)                                                     \
    static size_t name(const struct result_cells *c, size_t row, char *to, bool *quote)            \
    {                                                                                              \
        *quote = true;                                                                             \
        return result_timestamp_text(CELL(int64_t), units_per_second, to);                         \
    }
TIMESTAMP_TEXT(timestamp_s_text, 1)
TIMESTAMP_TEXT(timestamp_ms_text, 1000)
TIMESTAMP_TEXT(timestamp_us_text, 1000000)
TIMESTAMP_TEXT(timestamp_ns_text, 1000000000)

static size_t
timestamp_tz_text(const struct result_cells *c, size_t row, char *to, bool *quote)
{
    size_t n = result_timestamp_text(CELL(int64_t), 1000000, to);
    bool is_infinite = to[n - 1] == 'y';

    *quote = true;
    to[n] = 'Z';
    return n + !is_infinite;
}

static size_t
interval_text(const struct result_cells *c, size_t row, char *to, bool *quote)
{
    duckdb_interval v = CELL(duckdb_interval);

    *quote = true;
    return result_interval_text(v.months, v.days, v.micros, to);
}

static size_t
uuid_text(const struct result_cells *c, size_t row, char *to, bool *quote)
{
    *quote = true;
    return result_uuid_text(CELL(duckdb_hugeint).lower, CELL(duckdb_hugeint).upper, to);
}

static scalar_text
scalar_of(duckdb_type id)
{
    static const scalar_text table[] = {
        [DUCKDB_TYPE_BOOLEAN] = boolean_text,
        [DUCKDB_TYPE_TINYINT] = tinyint_text,
        [DUCKDB_TYPE_SMALLINT] = smallint_text,
        [DUCKDB_TYPE_INTEGER] = integer_text,
        [DUCKDB_TYPE_BIGINT] = bigint_text,
        [DUCKDB_TYPE_HUGEINT] = hugeint_text,
        [DUCKDB_TYPE_UTINYINT] = utinyint_text,
        [DUCKDB_TYPE_USMALLINT] = usmallint_text,
        [DUCKDB_TYPE_UINTEGER] = uinteger_text,
        [DUCKDB_TYPE_UBIGINT] = ubigint_text,
        [DUCKDB_TYPE_UHUGEINT] = uhugeint_text,
        [DUCKDB_TYPE_FLOAT] = float_text,
        [DUCKDB_TYPE_DOUBLE] = double_text,
        [DUCKDB_TYPE_DECIMAL] = decimal_text,
        [DUCKDB_TYPE_DATE] = date_text,
        [DUCKDB_TYPE_TIME] = time_text,
        [DUCKDB_TYPE_TIME_NS] = time_ns_text,
        [DUCKDB_TYPE_TIME_TZ] = time_tz_text,
        [DUCKDB_TYPE_TIMESTAMP] = timestamp_us_text,
        [DUCKDB_TYPE_TIMESTAMP_S] = timestamp_s_text,
        [DUCKDB_TYPE_TIMESTAMP_MS] = timestamp_ms_text,
        [DUCKDB_TYPE_TIMESTAMP_NS] = timestamp_ns_text,
        [DUCKDB_TYPE_TIMESTAMP_TZ] = timestamp_tz_text,
        [DUCKDB_TYPE_INTERVAL] = interval_text,
        [DUCKDB_TYPE_UUID] = uuid_text,
    };

    return (size_t)id < sizeof(table) / sizeof(table[0]) ? table[id] : NULL;
}

static inline void
scalar_json(scalar_text text, const struct result_cells *c, size_t row, struct lh_buf *out)
{
    char *to = result_room(out, RESULT_TEXT_MAX + 2);
    bool quote;
    size_t n;

    if (!to)
        return;
    n = text(c, row, to + 1, &quote);
    if (n == SCALAR_NULL) {
        memcpy(to, "null", 4);
        lh_buf_advance(out, 4);
    } else if (quote) {
        to[0] = to[n + 1] = '"';
        lh_buf_advance(out, n + 2);
    } else {
        memmove(to, to + 1, n);
        lh_buf_advance(out, n);
    }
}

static inline void
scalar_csv(scalar_text text, const struct result_cells *c, size_t row, struct lh_buf *out)
{
    char *to = result_room(out, RESULT_TEXT_MAX);
    bool quote;

    if (to)
        lh_buf_advance(out, text(c, row, to, &quote));
}

/* ---- strings ---- */

static lh_str
label_of(const struct result_cells *c, size_t row)
{
    size_t index = (size_t)result_cell_wide(c, row);

    return index < c->type->label_count ? c->type->labels[index] : LH_STR("");
}

/* Valid JSON goes in as it is, but for line ends between its parts, which would end a line of
 * NDJSON. */
static void
embedded_json(lh_str s, struct lh_buf *out)
{
    size_t from = out->len;

    if (!result_json_is_valid(s)) {
        result_json_string(out, s);
        return;
    }
    lh_buf_add_str(out, s);
    for (size_t i = from; i < out->len; i++)
        if (out->data[i] == '\n' || out->data[i] == '\r')
            out->data[i] = ' ';
}

static void
varchar_json(const struct result_cells *c, size_t row, struct lh_buf *out)
{
    if (c->type->is_json)
        embedded_json(result_cell_str(c, row), out);
    else
        result_json_string(out, result_cell_str(c, row));
}

static void
bignum_json(const struct result_cells *c, size_t row, struct lh_buf *out)
{
    size_t from = out->len, len;
    int64_t v;

    result_put_char(out, '"');
    if (!result_bignum_text(out, lh_str_bytes(result_cell_str(c, row))))
        result_put_char(out, '0');
    len = out->len - from - 1;
    if (!out->is_failed && lh_str_i64((lh_str){(char *)out->data + from + 1, len}, &v) &&
        v <= (int64_t)EXACT_MAX && v >= -(int64_t)EXACT_MAX) {
        memmove(out->data + from, out->data + from + 1, len);
        out->len--;
    } else {
        result_put_char(out, '"');
    }
}

static void
quoted_json(const struct result_cells *c, size_t row, struct lh_buf *out)
{
    result_put_char(out, '"');
    result_plain_text(c, row, out);
    result_put_char(out, '"');
}

/* ---- nested values ---- */

static void
items_json(const struct result_cells *items, size_t from, size_t count, struct lh_buf *out)
{
    result_put_char(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            result_put_char(out, ',');
        result_json_value(items, from + i, out);
    }
    result_put_char(out, ']');
}

static void
list_json(const struct result_cells *c, size_t row, struct lh_buf *out)
{
    duckdb_list_entry e = CELL(duckdb_list_entry);

    items_json(&c->members[0], e.offset, e.length, out);
}

static void
array_json(const struct result_cells *c, size_t row, struct lh_buf *out)
{
    items_json(&c->members[0], row * c->type->array_size, c->type->array_size, out);
}

/* A struct without member names is a list. */
static void
struct_json(const struct result_cells *c, size_t row, struct lh_buf *out)
{
    bool has_names = c->type->names[0].len > 0;

    result_put_char(out, has_names ? '{' : '[');
    for (size_t i = 0; i < c->type->member_count; i++) {
        if (i > 0)
            result_put_char(out, ',');
        if (has_names) {
            result_json_string(out, c->type->names[i]);
            result_put_char(out, ':');
        }
        result_json_value(&c->members[i], row, out);
    }
    result_put_char(out, has_names ? '}' : ']');
}

static void
map_json(const struct result_cells *c, size_t row, struct lh_buf *out)
{
    duckdb_list_entry e = CELL(duckdb_list_entry);
    LH_AUTO_BUF(key, LH_BUF_UNLIMITED);

    result_put_char(out, '{');
    for (size_t i = 0; i < e.length; i++) {
        if (i > 0)
            result_put_char(out, ',');
        lh_buf_clear(&key);
        result_plain_text(&c->members[0], e.offset + i, &key);
        result_json_string(out, lh_buf_str(&key));
        result_put_char(out, ':');
        result_json_value(&c->members[1], e.offset + i, out);
    }
    result_put_char(out, '}');
}

static void
union_json(const struct result_cells *c, size_t row, struct lh_buf *out)
{
    size_t tag = c->tags[row];

    if (tag >= c->type->member_count) {
        lh_buf_add_cstr(out, "null");
        return;
    }
    result_put_char(out, '{');
    result_json_string(out, c->type->names[tag]);
    result_put_char(out, ':');
    result_json_value(&c->members[tag], row, out);
    result_put_char(out, '}');
}

/* ---- by type ---- */

static void
nested_json(const struct result_cells *c, size_t row, struct lh_buf *out)
{
    switch (c->type->id) {
    case DUCKDB_TYPE_LIST:
        list_json(c, row, out);
        break;
    case DUCKDB_TYPE_ARRAY:
        array_json(c, row, out);
        break;
    case DUCKDB_TYPE_STRUCT:
        struct_json(c, row, out);
        break;
    case DUCKDB_TYPE_MAP:
        map_json(c, row, out);
        break;
    case DUCKDB_TYPE_UNION:
        union_json(c, row, out);
        break;
    default:
        lh_buf_add_cstr(out, "null");
    }
}

static void
any_json(const struct result_cells *c, size_t row, struct lh_buf *out)
{
    scalar_text text = scalar_of(c->type->id);

    if (text) {
        scalar_json(text, c, row, out);
        return;
    }
    switch (c->type->id) {
    case DUCKDB_TYPE_VARCHAR:
        varchar_json(c, row, out);
        break;
    case DUCKDB_TYPE_ENUM:
        result_json_string(out, label_of(c, row));
        break;
    case DUCKDB_TYPE_BLOB:
    case DUCKDB_TYPE_BIT:
        quoted_json(c, row, out);
        break;
    case DUCKDB_TYPE_BIGNUM:
        bignum_json(c, row, out);
        break;
    default:
        nested_json(c, row, out);
    }
}

void
result_json_value(const struct result_cells *c, size_t row, struct lh_buf *out)
{
    if (result_cell_is_null(c, row))
        lh_buf_add(out, "null", 4);
    else
        any_json(c, row, out);
}

void
result_plain_text(const struct result_cells *c, size_t row, struct lh_buf *out)
{
    lh_str s;

    switch (c->type->id) {
    case DUCKDB_TYPE_VARCHAR:
        lh_buf_add_str(out, result_cell_str(c, row));
        break;
    case DUCKDB_TYPE_ENUM:
        lh_buf_add_str(out, label_of(c, row));
        break;
    case DUCKDB_TYPE_BLOB:
        lh_base64_encode(out, lh_str_bytes(result_cell_str(c, row)));
        break;
    case DUCKDB_TYPE_BIT:
        result_bits_text(out, lh_str_bytes(result_cell_str(c, row)));
        break;
    case DUCKDB_TYPE_BIGNUM:
        s = result_cell_str(c, row);
        if (!result_bignum_text(out, lh_str_bytes(s)))
            result_put_char(out, '0');
        break;
    default:
        if (scalar_of(c->type->id))
            scalar_csv(scalar_of(c->type->id), c, row, out);
        else
            nested_json(c, row, out);
    }
}

/* A field whose text may need quotes. */
static void
any_csv(const struct result_cells *c, size_t row, struct lh_buf *out)
{
    LH_AUTO_BUF(text, LH_BUF_UNLIMITED);

    result_plain_text(c, row, &text);
    result_csv_field(out, lh_buf_str(&text));
}

static void
varchar_csv(const struct result_cells *c, size_t row, struct lh_buf *out)
{
    result_csv_field(out, result_cell_str(c, row));
}

static void
enum_csv(const struct result_cells *c, size_t row, struct lh_buf *out)
{
    result_csv_field(out, label_of(c, row));
}

/* The commonest types have a pair of their own, so that the text function is inlined into it. */
#define DIRECT(name, text)                                                                         \
    static void name##_json(const struct result_cells *c, size_t row, struct lh_buf *out)          \
    {                                                                                              \
        scalar_json(text, c, row, out);                                                            \
    }                                                                                              \
    static void name##_csv(const struct result_cells *c, size_t row, struct lh_buf *out)           \
    {                                                                                              \
        scalar_csv(text, c, row, out);                                                             \
    }
DIRECT(integer, integer_text)
DIRECT(bigint, bigint_text)
DIRECT(double, double_text)
DIRECT(date, date_text)
DIRECT(timestamp, timestamp_us_text)

static void
scalar_any_csv(const struct result_cells *c, size_t row, struct lh_buf *out)
{
    scalar_csv(scalar_of(c->type->id), c, row, out);
}

struct result_format
result_format_of(const struct result_type *type)
{
    switch (type->id) {
    case DUCKDB_TYPE_INTEGER:
        return (struct result_format){integer_json, integer_csv};
    case DUCKDB_TYPE_BIGINT:
        return (struct result_format){bigint_json, bigint_csv};
    case DUCKDB_TYPE_DOUBLE:
        return (struct result_format){double_json, double_csv};
    case DUCKDB_TYPE_DATE:
        return (struct result_format){date_json, date_csv};
    case DUCKDB_TYPE_TIMESTAMP:
        return (struct result_format){timestamp_json, timestamp_csv};
    case DUCKDB_TYPE_VARCHAR:
        return (struct result_format){varchar_json, varchar_csv};
    case DUCKDB_TYPE_ENUM:
        return (struct result_format){any_json, enum_csv};
    default:
        return (struct result_format){any_json, scalar_of(type->id) ? scalar_any_csv : any_csv};
    }
}
